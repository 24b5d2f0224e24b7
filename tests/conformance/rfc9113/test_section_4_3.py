"""RFC 9113 §4.3: field blocks, and the compression state that a whole connection shares."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, HPACKDecodingError
from tests.peer import (
    END_HEADERS,
    END_STREAM,
    OK,
    Peer,
    body_of,
    connected,
    frame,
)

COMPRESSION_ERROR, PROTOCOL_ERROR = ErrorCode.COMPRESSION_ERROR, ErrorCode.PROTOCOL_ERROR

FIELDS = [(":status", "200"), ("x-one", "1" * 20), ("x-two", "2" * 20)]


@pytest.mark.parametrize("fragments", [1, 2, 3, 10, 25])
@pytest.mark.parametrize("split", [None, 1])
def test_a_field_block_may_come_in_any_number_of_fragments(
    fragments: int, split: int | None
) -> None:
    """§4.3: the block is what its fragments are when joined."""
    peer = connected(split=split)
    exchange = peer.request()
    peer.headers(exchange.id, FIELDS, fragments=fragments)
    assert exchange.headers == [(b"x-one", b"1" * 20), (b"x-two", b"2" * 20)]
    peer.expect_nothing()
    peer.check_usable()


def test_fragments_may_be_empty(peer: Peer) -> None:
    """§4.3: a fragment has no minimum size, neither in HEADERS nor in CONTINUATION."""
    exchange = peer.request()
    block = peer.block(FIELDS)
    peer.frame("HEADERS", END_STREAM, exchange.id)
    peer.continuation(exchange.id, b"", end_headers=False)
    peer.continuation(exchange.id, block, end_headers=False)
    assert exchange.status == 0
    peer.continuation(exchange.id, b"")
    assert exchange.status == 200
    assert exchange.ended


def test_end_stream_on_headers_counts_once_the_block_is_whole(peer: Peer) -> None:
    """§8.1: HEADERS with END_STREAM may still be followed by CONTINUATION."""
    exchange = peer.request()
    block = peer.block(FIELDS)
    peer.frame("HEADERS", END_STREAM, exchange.id, block[:5])
    assert not exchange.ended
    peer.continuation(exchange.id, block[5:])
    assert exchange.ended


@pytest.mark.parametrize("opens", ["HEADERS", "CONTINUATION"])
@pytest.mark.parametrize(
    "intruder",
    [
        frame("DATA", 0, 1, b"x"),
        frame("HEADERS", END_HEADERS, 1, b"\x88"),
        frame("HEADERS", END_HEADERS, 3, b"\x88"),
        frame("PRIORITY", 0, 1, bytes(5)),
        frame("RST_STREAM", 0, 1, bytes(4)),
        frame("SETTINGS"),
        frame("SETTINGS", 0x1),
        frame("PUSH_PROMISE", END_HEADERS, 1, b"\0\0\0\2\x88"),
        frame("PING", 0, 0, bytes(8)),
        frame("GOAWAY", 0, 0, bytes(8)),
        frame("WINDOW_UPDATE", 0, 0, b"\0\0\0\1"),
        frame("CONTINUATION", END_HEADERS, 3, b"\x88"),
        frame("CONTINUATION", END_HEADERS, 0, b"\x88"),
        frame(0x0A, 0, 0, b"extension"),
        frame(0xEE, 0, 1, b"extension"),
    ],
)
def test_nothing_may_come_between_the_fragments_of_a_block(
    peer: Peer, opens: str, intruder: bytes
) -> None:
    """§4.3, §6.2, §6.10, §5.5: not even an extension; PROTOCOL_ERROR for the connection."""
    first, second = peer.request(), peer.request()
    block = peer.block(FIELDS)
    peer.frame("HEADERS", 0, first.id, block[:3])
    if opens == "CONTINUATION":
        peer.continuation(first.id, block[3:6], end_headers=False)
    assert set(peer.raw(intruder)) == {first, second}
    peer.expect_connection_error(PROTOCOL_ERROR)


UNDECODABLE = {
    "index 0": b"\x88\x80",
    "an index beyond the tables": b"\x88\xff\x80\x01",
    "an integer without an end": b"\x88\xff" + b"\xff" * 12,
    "a literal cut short": b"\x88\x40\x0aabc",
    "an integer cut short": b"\x88\xff",
    "a Huffman string with EOS": b"\x88\x40\x84\xff\xff\xff\xff\x01a",
    "Huffman padding of a whole octet": b"\x88\x40\x82\x1f\xff\x01a",
    "Huffman padding that is not ones": b"\x88\x40\x81\x18\x01a",
    "a table-size update after a field": b"\x88\x20",
    "a table-size update beyond our limit": b"\x3f\xe2\x1f\x88",
    "three table-size updates": b"\x20\x21\x22\x88",
}


@pytest.mark.parametrize("what", UNDECODABLE)
@pytest.mark.parametrize("end", [False, True])
def test_an_undecodable_block_is_a_compression_error(peer: Peer, what: str, end: bool) -> None:
    """§4.3: COMPRESSION_ERROR for the connection, since its state is lost."""
    first, second = peer.request(), peer.request()
    flags = END_HEADERS | (END_STREAM if end else 0)
    moved = peer.frame("HEADERS", flags, first.id, UNDECODABLE[what])
    assert set(moved) == {first, second}
    peer.expect_connection_error(COMPRESSION_ERROR)
    for exchange in (first, second):
        assert isinstance(exchange.error, HPACKDecodingError)
        assert exchange.error.error_code == COMPRESSION_ERROR
        assert exchange.status == 0


def test_trailers_that_cannot_be_decoded_are_a_compression_error_too(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"half")
    peer.frame("HEADERS", END_HEADERS | END_STREAM, exchange.id, UNDECODABLE["index 0"])
    peer.expect_connection_error(COMPRESSION_ERROR)
    assert not exchange.ended


@pytest.mark.parametrize("closed_by", ["client", "reset", "end"])
def test_an_undecodable_block_on_a_closed_stream_breaks_the_connection(
    peer: Peer, closed_by: str
) -> None:
    """§4.3: every block is decoded, wanted or not."""
    waiting, closed = peer.request(), peer.request()
    close_stream(peer, closed, closed_by)
    peer.frame("HEADERS", END_HEADERS, closed.id, UNDECODABLE["index 0"])
    peer.expect_connection_error(COMPRESSION_ERROR)
    assert isinstance(waiting.error, HPACKDecodingError)


def close_stream(peer: Peer, exchange, by: str) -> None:  # type: ignore[no-untyped-def]
    """Bring a stream to its end: the client cancels, the server resets, or it is complete."""
    if by == "client":
        peer.protocol.cancel(exchange)
        peer.expect("RST_STREAM", stream_id=exchange.id)
    elif by == "reset":
        peer.rst_stream(exchange.id)
    else:
        peer.headers(exchange.id, end=True)


def test_headers_on_a_cancelled_stream_still_teach_the_decoder(peer: Peer) -> None:
    """§4.3, §5.1: the table is the connection's; a dropped block may have filled it."""
    cancelled, other = peer.request(), peer.request()
    close_stream(peer, cancelled, "client")
    peer.headers(cancelled.id, FIELDS)
    peer.expect_nothing()
    block = peer.block(FIELDS)
    assert len(block) == 3, "the second time all fields are in the table"
    peer.frame("HEADERS", END_HEADERS | END_STREAM, other.id, block)
    assert other.headers == [(b"x-one", b"1" * 20), (b"x-two", b"2" * 20)]
    assert cancelled.headers is None


def test_a_malformed_response_still_teaches_the_decoder(peer: Peer) -> None:
    bad, other = peer.request(), peer.request()
    peer.headers(bad.id, [("no-status", "a"), ("x-two", "2" * 20)])
    peer.expect_stream_error(bad.id, PROTOCOL_ERROR)
    peer.headers(other.id, [*OK, ("no-status", "a"), ("x-two", "2" * 20)])
    assert other.headers == [(b"no-status", b"a"), (b"x-two", b"2" * 20)]


def test_trailers_and_informational_heads_teach_the_decoder(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "103"), ("x-hint", "one")])
    peer.headers(exchange.id, [(":status", "200"), ("x-hint", "one"), ("x-body", "two")])
    peer.data(exchange.id, b"body")
    peer.headers(exchange.id, [("x-hint", "one"), ("x-body", "two")], end=True)
    assert exchange.informational == [(103, [(b"x-hint", b"one")])]
    assert exchange.trailers == [(b"x-hint", b"one"), (b"x-body", b"two")]
    assert body_of(exchange) == b"body"


@pytest.mark.parametrize("sizes", [[0], [100], [0, 4096], [4096, 0, 100], [65_536], [2**32 - 1]])
def test_the_clients_encoder_follows_the_servers_table_size(peer: Peer, sizes: list[int]) -> None:
    """§4.3.1: after the ACK the next block starts with a size update where one is due.

    The ``hpack`` package raises if it does not; and the same head decodes three times over.
    """
    headers = [(b"x-again", b"and again"), (b"user-agent", b"hyper")]
    peer.request(headers=headers)
    for size in sizes:
        peer.settings(header_table_size=size)
        peer.expect("SETTINGS", ack=True)
    for _ in range(3):
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", headers, end=True)
        assert peer.expect("HEADERS").headers == [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "example.org"),
            (":path", "/"),
            ("x-again", "and again"),
            ("user-agent", "hyper"),
        ]
    assert peer.decoder.header_table.maxsize <= min(4096, sizes[-1])


def test_two_sizes_in_one_settings_frame_both_reach_the_encoder(peer: Peer) -> None:
    """RFC 7541 §4.2: the smallest was in force for a moment, so the table must be emptied."""
    headers = [(b"x-again", b"and again")]
    peer.request(headers=headers)
    peer.frame("SETTINGS", 0, 0, b"\0\1\0\0\0\0" + b"\0\1\0\0\x10\0")
    peer._announced.append({0x1: 4096})
    peer.expect("SETTINGS", ack=True)
    peer.decoder.header_table_size = 0
    peer.decoder.header_table_size = 4096
    peer.request(headers=headers)
    peer.request(headers=headers)


def test_a_servers_size_update_within_our_limit_is_followed(peer: Peer) -> None:
    first, second = peer.request(), peer.request()
    peer.headers(first.id, FIELDS)
    peer.encoder.header_table_size = 0
    peer.encoder.header_table_size = 4096
    peer.headers(second.id, FIELDS)
    assert second.headers == [(b"x-one", b"1" * 20), (b"x-two", b"2" * 20)]


def test_names_marked_never_index_leave_as_never_indexed_literals(peer: Peer) -> None:
    """RFC 7541 §7.1.3: so that no hop on the way puts a secret into its table."""
    for _ in range(2):
        peer.protocol.request(
            b"GET",
            b"https",
            b"example.org",
            b"/",
            [(b"x-token", b"secret"), (b"accept", b"*/*")],
            end=True,
            never_index={b"x-token"},
        )
        assert "x-token" in peer.expect("HEADERS").sensitive
