"""The scripted peer, demonstrated: read this before the conformance tests.

A test is a conversation. ``peer.protocol`` is the client under test; whatever the server says is
a method of the peer, and whatever the client wrote is asked for by ``peer.expect``.
"""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import ACK, END_HEADERS, END_STREAM, Peer, body_of, connected, frame, fresh


@pytest.fixture
def peer() -> Peer:
    """A client and its peer, the handshake done and nothing left to read."""
    return connected()


def test_a_get_from_the_first_octet_to_the_last() -> None:
    """The whole of it, with nothing done for us."""
    peer = fresh()
    exchange = peer.protocol.request(
        b"GET", b"https", b"example.org", b"/path", [(b"accept", b"*/*")], end=True
    )

    peer.expect_preface()
    peer.expect("SETTINGS", stream_id=0, ack=False)
    peer.expect("WINDOW_UPDATE", stream_id=0)
    peer.expect(
        "HEADERS",
        stream_id=1,
        end_stream=True,
        headers=[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "example.org"),
            (":path", "/path"),
            ("accept", "*/*"),
        ],
    )
    peer.expect_nothing()

    peer.settings(max_concurrent_streams=10)
    peer.settings(ack=True)
    peer.expect("SETTINGS", ack=True)

    assert peer.headers(1, [(":status", "200"), ("x-from", "the peer")]) == [exchange]
    assert exchange.status == 200
    assert exchange.headers == [(b"x-from", b"the peer")]
    assert not exchange.ended

    assert peer.data(1, b"hello, ") == [exchange]
    assert peer.data(1, b"world", end=True) == [exchange]
    assert body_of(exchange) == b"hello, world"
    assert exchange.ended
    assert exchange.error is None
    peer.expect_nothing()


def test_a_fixture_has_the_handshake_behind_it_and_request_asks_for_something(peer: Peer) -> None:
    exchange = peer.request(path=b"/")
    peer.answer(exchange.id, b"a body")
    assert body_of(exchange) == b"a body"


def test_an_upload_stops_at_the_smaller_of_the_two_windows(peer: Peer) -> None:
    """RFC 9113 §6.9.1. That no window is overrun is checked whether a test asks or not."""
    peer.settings(initial_window_size=100)
    peer.expect("SETTINGS", ack=True)
    upload = peer.protocol.request(b"POST", b"https", b"example.org", b"/", [], end=False)

    assert peer.protocol.send_body(upload, b"x" * 300, end=True) == 100
    peer.expect("HEADERS", stream_id=1, end_stream=False)
    peer.expect("DATA", stream_id=1, size=100, end_stream=False)

    peer.window_update(1, 50)
    assert peer.protocol.send_body(upload, b"x" * 200, end=True) == 50
    peer.expect("DATA", stream_id=1, size=50, end_stream=False)


def test_a_peer_may_misbehave(peer: Peer) -> None:
    """``frame`` says any frame, ``raw`` any octets."""
    exchange = peer.request()
    peer.frame("DATA", END_STREAM, stream_id=0, payload=b"on no stream")
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)


def test_a_stream_error_leaves_the_connection_usable(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [("no-status", "here")], end=True)
    peer.expect_stream_error(exchange.id, ErrorCode.PROTOCOL_ERROR)
    peer.check_usable()


def test_a_field_block_can_be_split_padded_and_prioritised(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(1, [(":status", "204"), ("a", "b" * 30)], end=True, fragments=4, padding=7)
    assert exchange.status == 204
    assert exchange.ended


@pytest.mark.parametrize("split", [None, 1, 7, lambda octets: [octets[:10], octets[10:]]])
def test_octets_can_arrive_in_any_pieces(split) -> None:  # type: ignore[no-untyped-def]
    peer = connected(split=split)
    exchange = peer.request()
    peer.answer(exchange.id, b"in pieces")
    assert body_of(exchange) == b"in pieces"


def test_many_frames_can_arrive_in_one_read(peer: Peer) -> None:
    first, second = peer.request(), peer.request()
    with peer.one_read() as moved:
        peer.headers(first.id, end=True)
        peer.headers(second.id, end=True)
    assert set(moved) == {first, second}


def test_the_peer_notices_what_the_client_may_never_do() -> None:
    """The checks that always run, each seen to fail."""

    class Scribbler:
        """Writes what it is told to."""

        def __init__(self, octets: bytes) -> None:
            self.octets = octets

        def data_to_send(self) -> bytes:
            octets, self.octets = self.octets, b""
            return octets

    def accepts(*frames: bytes) -> None:
        Peer(Scribbler(b"".join(frames))).written()  # type: ignore[arg-type]

    block = b"\x82"
    opened = frame("HEADERS", END_HEADERS, 1, block)
    accepts(opened, frame("DATA", 0, 1, bytes(16_384)))
    for octets, complaint in (
        ([b"\0\0"], "part of a frame"),
        ([frame("PING", 0, 0, bytes(8))[:-1]], "part of a frame"),
        ([opened, frame("DATA", 0, 1, bytes(16_385))], "4.2"),
        ([opened, *[frame("DATA", 0, 1, bytes(13_108))] * 5], "overrun"),
        ([frame("DATA", 0, 1, b"x")], "idle"),
        ([frame("HEADERS", END_HEADERS, 2, block)], "HEADERS on stream 2"),
        ([frame("HEADERS", END_HEADERS, 3, block), opened], "skipped"),
        ([frame("HEADERS", 0, 1, block), frame("PING", 0, 0, bytes(8))], "4.3"),
        ([frame("CONTINUATION", END_HEADERS, 1, block)], "without a field block"),
        ([frame("SETTINGS", ACK)], "never sent"),
        ([frame("PRIORITY", 0, 1, bytes(5))], "never sends"),
        ([frame("PING", 0x40, 0, bytes(8))], "meaning"),
        ([frame("PING", 0, 1 << 31, bytes(8))], "meaning"),
    ):
        with pytest.raises(AssertionError, match=complaint):
            accepts(*octets)
