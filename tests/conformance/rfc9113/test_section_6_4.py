"""RFC 9113 §6.4: RST_STREAM."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, HTTP20Error, StreamResetError
from tests.peer import Peer, body_of

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


def test_rst_stream_on_stream_0_is_a_connection_error(peer: Peer) -> None:
    peer.request()
    peer.rst_stream(0)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("stream_id", [2, 3, 2**31 - 1])
def test_rst_stream_on_an_idle_stream_is_a_connection_error(peer: Peer, stream_id: int) -> None:
    peer.request()
    peer.rst_stream(stream_id)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [0, 3, 5, 8])
@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_wrong_length_is_a_connection_error(peer: Peer, size: int, state: str) -> None:
    """§6.4: FRAME_SIZE_ERROR."""
    exchange = peer.request()
    if state == "closed":
        peer.answer(exchange.id)
    peer.frame("RST_STREAM", 0, exchange.id, bytes(size))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


@pytest.mark.parametrize("code", [*ErrorCode, 0x1234])
def test_a_reset_is_an_error_of_its_exchange_alone(peer: Peer, code: int) -> None:
    """§6.4: with the code that the peer gave; NO_ERROR before END_STREAM is no end either."""
    exchange, other = peer.request(), peer.request()
    assert peer.rst_stream(exchange.id, code) == [exchange]
    assert isinstance(exchange.error, StreamResetError)
    assert exchange.error.error_code == code
    assert exchange.error.stream_id == exchange.id
    assert exchange.error.retryable == (code == ErrorCode.REFUSED_STREAM)
    assert ErrorCode.describe(code) in str(exchange.error)
    assert not exchange.ended
    assert other.error is None
    peer.expect_nothing()
    peer.check_usable()


@pytest.mark.parametrize("code", [ErrorCode.NO_ERROR, ErrorCode.CANCEL, ErrorCode.INTERNAL_ERROR])
def test_a_body_that_a_reset_cuts_short_is_an_error_never_a_short_body(
    peer: Peer, code: int
) -> None:
    """NO_ERROR without END_STREAM is not an end."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"half")
    peer.rst_stream(exchange.id, code)
    assert isinstance(exchange.error, StreamResetError)
    assert not exchange.ended
    assert body_of(exchange) == b"half"


def test_a_response_that_was_whole_stays_whole(peer: Peer) -> None:
    """§8.1: whatever reset follows it."""
    exchange = peer.request()
    peer.answer(exchange.id, b"whole")
    peer.rst_stream(exchange.id, ErrorCode.INTERNAL_ERROR)
    assert exchange.ended
    assert exchange.error is None
    assert body_of(exchange) == b"whole"


def test_a_reset_after_a_malformed_response_changes_nothing(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [("no-status", "")])
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    first = exchange.error
    peer.rst_stream(exchange.id)
    assert exchange.error is first
    peer.expect_nothing()


def test_cancelling_resets_with_cancel(peer: Peer) -> None:
    """§5.4.2, §7: CANCEL says that the stream is no longer needed."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"half")
    peer.protocol.cancel(exchange)
    peer.expect_stream_error(exchange.id, ErrorCode.CANCEL)
    assert exchange.error.error_code == ErrorCode.CANCEL
    assert exchange.error.stream_id == exchange.id
    peer.data(exchange.id, b"more", end=True)
    peer.expect_nothing()
    assert not exchange.ended
    peer.check_usable()


def test_a_stream_is_cancelled_once(peer: Peer) -> None:
    exchange = peer.request()
    peer.protocol.cancel(exchange)
    peer.protocol.cancel(exchange)
    peer.expect_stream_error(exchange.id, ErrorCode.CANCEL)


def test_an_upload_that_is_reset_learns_of_it_by_its_next_piece(peer: Peer) -> None:
    upload = peer.upload()
    peer.rst_stream(upload.id, ErrorCode.REFUSED_STREAM)
    with pytest.raises(StreamResetError) as caught:
        peer.protocol.send_body(upload, b"piece", end=False)
    assert caught.value.retryable
    peer.expect_nothing()


def test_an_upload_that_we_cancelled_cannot_go_on(peer: Peer) -> None:
    upload = peer.upload()
    peer.protocol.cancel(upload)
    with pytest.raises(HTTP20Error):
        peer.protocol.send_body(upload, b"piece", end=False)
    peer.expect_stream_error(upload.id, ErrorCode.CANCEL)


def test_octets_that_wait_for_room_are_dropped_with_their_stream(peer: Peer) -> None:
    """After a reset neither side counts that stream any more."""
    peer.settings(initial_window_size=5)
    peer.expect("SETTINGS", ack=True)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"hello world", end=True) == 5
    peer.expect("DATA", data=b"hello")
    peer.rst_stream(upload.id)
    peer.window_update(upload.id, 100)
    peer.expect_nothing()
    peer.check_usable()
