"""RFC 9113 §6.8: GOAWAY, theirs and ours."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ConnectionError, ErrorCode, ProtocolError
from tests.peer import Peer, body_of

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


def ask(peer: Peer) -> None:
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)


@pytest.mark.parametrize("stream_id", [1, 2, 3])
def test_goaway_on_a_stream_is_a_connection_error(peer: Peer, stream_id: int) -> None:
    peer.request()
    peer.frame("GOAWAY", 0, stream_id, bytes(8))
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [0, 4, 7])
def test_goaway_too_short_is_a_connection_error(peer: Peer, size: int) -> None:
    peer.request()
    peer.frame("GOAWAY", 0, 0, bytes(size))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


def test_after_goaway_no_stream_is_opened(peer: Peer) -> None:
    """§6.8: new ones belong on a new connection, and can go there without fear (§8.7)."""
    peer.goaway(0)
    assert not peer.protocol.accepting
    with pytest.raises(ConnectionError) as caught:
        ask(peer)
    assert caught.value.retryable
    peer.expect_nothing()


def test_streams_up_to_the_last_one_finish(peer: Peer) -> None:
    """§6.8: the server might still be working on them."""
    first, second, third = peer.request(), peer.request(), peer.request()
    peer.headers(first.id)
    moved = peer.goaway(second.id)
    assert third in moved
    assert first.error is None
    assert second.error is None
    peer.data(first.id, b"one", end=True)
    peer.answer(second.id, b"two")
    assert first.ended
    assert second.ended
    assert body_of(first) == b"one"
    assert body_of(second) == b"two"
    assert isinstance(third.error, ConnectionError)
    assert third.error.retryable
    peer.expect_nothing()


def test_streams_above_the_last_one_were_not_processed_and_may_be_sent_again(peer: Peer) -> None:
    """§8.7."""
    exchanges = [peer.request(), peer.upload(), peer.request()]
    moved = peer.goaway(0, ErrorCode.NO_ERROR)
    assert set(moved) == set(exchanges)
    for exchange in exchanges:
        assert isinstance(exchange.error, ConnectionError)
        assert exchange.error.retryable
        assert exchange.error.error_code == ErrorCode.NO_ERROR
        assert exchange.error.stream_id == exchange.id
        assert not exchange.ended
    peer.expect_nothing()


def test_an_upload_above_the_last_stream_stops(peer: Peer) -> None:
    upload = peer.upload()
    peer.goaway(0)
    with pytest.raises(ConnectionError) as caught:
        peer.protocol.send_body(upload, b"more", end=True)
    assert caught.value.retryable
    peer.expect_nothing()


def test_an_upload_up_to_the_last_stream_goes_on(peer: Peer) -> None:
    """Its windows still move, too."""
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(65_535), end=False) == 65_535
    peer.goaway(upload.id)
    peer.window_update(0, 10)
    peer.window_update(upload.id, 10)
    assert peer.protocol.send_body(upload, bytes(10), end=True) == 10
    assert peer.written()[-1].end_stream
    peer.answer(upload.id)
    assert upload.ended


def test_requests_that_wait_are_retryable_whatever_the_last_stream_is(peer: Peer) -> None:
    """They never left, and the GOAWAY keeps them from leaving."""
    peer.settings(max_concurrent_streams=1)
    peer.expect("SETTINGS", ack=True)
    first, queued = peer.request(), peer.queue()
    assert queued in peer.goaway(2**31 - 1)
    assert isinstance(queued.error, ConnectionError)
    assert queued.error.retryable
    assert first.error is None
    peer.answer(first.id)
    assert first.ended
    peer.expect_nothing()


def test_requests_that_wait_do_not_take_the_place_of_those_turned_away(peer: Peer) -> None:
    """§6.8: GOAWAY frees slots, and nothing may be sent into them."""
    peer.settings(max_concurrent_streams=1)
    peer.expect("SETTINGS", ack=True)
    turned_away, queued = peer.request(), peer.queue()
    assert set(peer.goaway(0)) == {turned_away, queued}
    peer.expect_nothing()
    for exchange in (turned_away, queued):
        assert isinstance(exchange.error, ConnectionError)
        assert exchange.error.retryable


def test_a_two_step_shutdown_loses_nothing(peer: Peer) -> None:
    """§6.8: GOAWAY with 2**31-1, a PING to measure the round trip, then the real one."""
    first, second = peer.request(), peer.request()
    peer.goaway(2**31 - 1)
    assert not peer.protocol.accepting
    assert not first.error
    assert not second.error
    peer.ping(b"wait for")
    peer.expect("PING", ack=True, opaque=b"wait for")
    peer.goaway(first.id)
    assert not first.error
    assert isinstance(second.error, ConnectionError)
    assert second.error.retryable
    peer.answer(first.id, b"last one")
    assert first.ended
    assert body_of(first) == b"last one"


def test_a_connection_lives_on_for_its_streams_after_goaway(peer: Peer) -> None:
    """§6.8: SETTINGS, flow control and compression go on; h2 4.x forgets that."""
    exchange = peer.request()
    peer.goaway(exchange.id)
    peer.settings(initial_window_size=1)
    peer.expect("SETTINGS", ack=True)
    peer.headers(exchange.id, [(":status", "200"), ("x-a", "b")])
    for _ in range(100):
        peer.data(exchange.id, bytes(16_384))
        size = len(body_of(exchange))
        exchange.chunks.clear()
        if increment := exchange.consumed(size):
            peer.protocol.widen(exchange, increment)
        peer.written()
    peer.headers(exchange.id, [("x-a", "b")], end=True)
    assert exchange.ended
    assert exchange.trailers == [(b"x-a", b"b")]


def test_frames_for_streams_above_the_last_are_dropped_but_counted(peer: Peer) -> None:
    """§6.8: field blocks pass the decoder and DATA counts."""
    first, second = peer.request(), peer.request()
    peer.goaway(first.id)
    peer.headers(second.id, [(":status", "200"), ("x-learned", "here")])
    peer.data(second.id, b"dropped", end=True)
    peer.headers(first.id, [(":status", "200"), ("x-learned", "here")], end=True)
    assert first.headers == [(b"x-learned", b"here")]
    assert second.status == 0
    assert body_of(second) == b""
    peer.expect_nothing()


@pytest.mark.parametrize("code", [*ErrorCode, 0xBAD])
def test_the_reason_reaches_whoever_is_turned_away(peer: Peer, code: int) -> None:
    exchange = peer.request()
    peer.goaway(0, code, b"because")
    assert exchange.error.error_code == code
    assert ErrorCode.describe(code) in str(exchange.error)
    assert "because" in str(exchange.error)


def test_debug_data_is_bounded_and_escaped(peer: Peer) -> None:
    """§6.8: it is not to be trusted: no terminal codes, no megabytes."""
    exchange = peer.request()
    peer.goaway(0, 0, b"\x1b[31m\r\n\xff" + b"a" * 16_000)
    message = str(exchange.error)
    assert message.isprintable()
    assert len(message) < 5000


def test_the_highest_last_stream_is_no_limit(peer: Peer) -> None:
    exchange = peer.request()
    peer.goaway(2**31 - 1)
    peer.answer(exchange.id)
    assert exchange.ended


def test_a_whole_response_stays_whole_after_goaway(peer: Peer) -> None:
    exchange = peer.request()
    peer.answer(exchange.id, b"whole")
    peer.goaway(0, ErrorCode.INTERNAL_ERROR)
    assert exchange.error is None
    assert exchange.ended


def test_a_connection_cut_after_goaway_fails_what_was_still_open(peer: Peer) -> None:
    """§8.7: it may have been processed, so it is not retryable."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"half")
    peer.goaway(exchange.id)
    peer.protocol.connection_lost(None)
    assert isinstance(exchange.error, ConnectionError)
    assert not exchange.error.retryable
    assert not exchange.ended
    assert body_of(exchange) == b"half"


def test_closing_says_goaway_without_an_error(peer: Peer) -> None:
    """§6.8: an endpoint should always send one before it closes; the client's last stream is 0."""
    peer.protocol.close()
    peer.expect("GOAWAY", stream_id=0, last_stream_id=0, error_code=ErrorCode.NO_ERROR)
    peer.expect_nothing()
    assert not peer.protocol.accepting
    with pytest.raises(ConnectionError):
        ask(peer)


def test_an_error_during_our_own_shutdown_may_be_told_as_well(peer: Peer) -> None:
    """§5.4: an additional GOAWAY, in addition to that with NO_ERROR."""
    exchange = peer.request()
    peer.protocol.close()
    peer.expect("GOAWAY", error_code=ErrorCode.NO_ERROR)
    peer.frame("DATA", 0, 0, b"x")
    peer.expect_connection_error(PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)
