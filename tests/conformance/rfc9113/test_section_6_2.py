"""RFC 9113 §6.2: HEADERS."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import END_HEADERS, END_STREAM, OK, PADDED, PRIORITY, Peer, padded

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize("flags", [END_HEADERS, END_HEADERS | END_STREAM, 0])
def test_headers_on_stream_0_are_a_connection_error(peer: Peer, flags: int) -> None:
    """§6.2: HEADERS must be associated with a stream."""
    peer.request()
    peer.frame("HEADERS", flags, 0, peer.block(OK))
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("padding", [0, 1, 255])
@pytest.mark.parametrize("priority", [None, bytes(5)])
@pytest.mark.parametrize("fragments", [1, 3])
def test_padding_and_priority_are_taken_off(
    peer: Peer, padding: int, priority: bytes | None, fragments: int
) -> None:
    exchange = peer.request()
    peer.headers(
        exchange.id,
        [*OK, ("x-name", "value")],
        end=True,
        padding=padding,
        priority=priority,
        fragments=fragments,
    )
    assert exchange.headers == [(b"x-name", b"value")]
    assert exchange.ended
    peer.expect_nothing()


@pytest.mark.parametrize("payload", [b"\x01", b"\x02\x88", b"\xff\x88" + bytes(200)])
@pytest.mark.parametrize("priority", [0, PRIORITY])
def test_padding_beyond_the_payload_is_a_connection_error(
    peer: Peer, priority: int, payload: bytes
) -> None:
    """§6.2: PROTOCOL_ERROR."""
    exchange = peer.request()
    peer.frame("HEADERS", END_HEADERS | PADDED | priority, exchange.id, payload)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("payload", [b"\x01" + bytes(5), b"\x06" + bytes(5) + b"\x88"])
def test_padding_that_leaves_no_room_for_the_priority_is_a_connection_error(
    peer: Peer, payload: bytes
) -> None:
    """§4.2, §6.2: too small, or padded too far; both words are true."""
    exchange = peer.request()
    peer.frame("HEADERS", END_HEADERS | PADDED | PRIORITY, exchange.id, payload)
    peer.expect_connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


@pytest.mark.parametrize("flags", [PADDED, PRIORITY, PADDED | PRIORITY])
def test_headers_too_short_for_their_flags_are_a_connection_error(peer: Peer, flags: int) -> None:
    exchange = peer.request()
    peer.frame("HEADERS", END_HEADERS | flags, exchange.id)
    peer.expect_connection_error(FRAME_SIZE_ERROR, PROTOCOL_ERROR)


@pytest.mark.parametrize("padding", [None, 0, 4])
def test_headers_may_hold_their_priority_alone(peer: Peer, padding: int | None) -> None:
    """§6.2: a fragment may be empty, and the block come in CONTINUATION."""
    exchange = peer.request()
    flags = PRIORITY | (0 if padding is None else PADDED)
    peer.frame("HEADERS", flags, exchange.id, padded(bytes(5), padding))
    peer.expect_nothing()
    peer.continuation(exchange.id, peer.block(OK))
    assert exchange.status == 200


def test_padding_and_nothing_else_leaves_an_empty_block(peer: Peer) -> None:
    """The frame is in order; the response in it is malformed (§8.3.2)."""
    exchange = peer.request()
    peer.frame("HEADERS", END_HEADERS | PADDED, exchange.id, b"\x02\0\0")
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)


def test_the_head_is_there_before_the_body(peer: Peer) -> None:
    exchange = peer.request()
    assert exchange.status == 0
    assert not exchange.headers
    assert peer.headers(exchange.id, [(":status", "404"), ("a", "1"), ("a", "2")]) == [exchange]
    assert exchange.status == 404
    assert exchange.headers == [(b"a", b"1"), (b"a", b"2")]
    assert not exchange.ended


def test_headers_of_several_streams_may_alternate_with_data(peer: Peer) -> None:
    first, second = peer.request(), peer.request()
    peer.headers(second.id)
    peer.headers(first.id)
    peer.data(second.id, b"2")
    peer.data(first.id, b"1", end=True)
    peer.data(second.id, b"2", end=True)
    assert list(first.chunks) == [b"1"]
    assert list(second.chunks) == [b"2", b"2"]


def test_the_client_sends_neither_padding_nor_priority(peer: Peer) -> None:
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    assert peer.expect("HEADERS").flags == {"END_HEADERS", "END_STREAM"}
