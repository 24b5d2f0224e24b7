"""RFC 9113 §5.4: errors of the connection, errors of one stream, and the end of the network."""

from __future__ import annotations

import copy
import struct

import pytest

from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error, ProtocolError
from tests.peer import END_HEADERS, Peer, body_of, connected, frame

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR


def break_connection(peer: Peer) -> list[object]:
    return list(peer.frame("DATA", 0, 0, b"on stream 0"))


def test_a_connection_error_reaches_every_exchange_at_once(peer: Peer) -> None:
    """§5.4.1: open, half-read, uploading and waiting ones alike; none hangs."""
    peer.settings(max_concurrent_streams=3)
    peer.expect("SETTINGS", ack=True)
    asked, half_read, upload = peer.request(), peer.request(), peer.upload()
    queued = peer.queue()
    peer.headers(half_read.id)
    peer.data(half_read.id, b"half")
    moved = break_connection(peer)
    assert {asked, half_read, upload, queued} <= set(moved)
    peer.expect_connection_error(PROTOCOL_ERROR)
    for exchange in (asked, half_read, upload):
        assert isinstance(exchange.error, ProtocolError)
        assert exchange.error.error_code == PROTOCOL_ERROR
        assert exchange.error.stream_id is None
        assert not exchange.ended
    assert body_of(half_read) == b"half"


def test_what_was_complete_stays_complete(peer: Peer) -> None:
    whole, other = peer.request(), peer.request()
    peer.answer(whole.id, b"whole")
    break_connection(peer)
    peer.expect_connection_error(PROTOCOL_ERROR)
    assert whole.error is None
    assert body_of(whole) == b"whole"
    assert other.error is not None


def test_what_came_before_the_error_in_the_same_read_is_delivered(peer: Peer) -> None:
    whole, other = peer.request(), peer.request()
    with peer.one_read() as moved:
        peer.answer(whole.id, b"whole")
        break_connection(peer)
        peer.answer(other.id, b"too late")
    assert {whole, other} <= set(moved)
    peer.expect_connection_error(PROTOCOL_ERROR)
    assert whole.ended
    assert whole.error is None
    assert not other.ended
    assert body_of(other) == b""


def test_goaway_names_no_stream_of_the_servers(peer: Peer) -> None:
    """§5.4.1, §6.8: the last stream id is the last that the *server* opened: none."""
    peer.request()
    break_connection(peer)
    assert peer.expect_connection_error(PROTOCOL_ERROR).last_stream_id == 0


def test_answers_that_were_due_before_the_error_are_still_written(peer: Peer) -> None:
    with peer.one_read():
        peer.ping(b"before!!")
        break_connection(peer)
    names = [written.name for written in peer.written()]
    assert names[-1] == "GOAWAY"
    assert names in (["PING", "GOAWAY"], ["GOAWAY"])


def test_one_goaway_is_enough(peer: Peer) -> None:
    """§5.4: at most one connection error is reported."""
    break_connection(peer)
    break_connection(peer)
    peer.protocol.close()
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_after_an_error_nothing_can_be_sent(peer: Peer) -> None:
    upload = peer.upload()
    break_connection(peer)
    peer.expect_connection_error(PROTOCOL_ERROR)
    with pytest.raises(HTTP20Error):
        peer.protocol.send_body(upload, b"more", end=True)
    peer.protocol.widen(upload, 10)
    peer.protocol.cancel(upload)
    peer.expect_nothing()


def test_the_error_of_an_exchange_is_raised_as_a_copy(peer: Peer) -> None:
    """An exception object raised by two threads would carry the traceback of both."""
    upload = peer.upload()
    break_connection(peer)
    with pytest.raises(ProtocolError) as caught:
        peer.protocol.send_body(upload, b"more", end=True)
    assert caught.value is not upload.error
    assert str(caught.value) == str(upload.error)
    assert caught.value.error_code == PROTOCOL_ERROR
    assert str(copy.copy(upload.error)) == str(upload.error)


def test_a_stream_error_touches_no_other_stream(peer: Peer) -> None:
    """§5.4.2."""
    bad, good = peer.request(), peer.request()
    assert peer.headers(bad.id, [("no-status", "")]) == [bad]
    peer.expect_stream_error(bad.id, PROTOCOL_ERROR)
    assert isinstance(bad.error, ProtocolError)
    assert bad.error.stream_id == bad.id
    assert not bad.ended
    peer.answer(good.id, b"fine")
    assert body_of(good) == b"fine"
    assert good.error is None
    peer.check_usable()


def test_one_rst_stream_is_enough_for_one_stream(peer: Peer) -> None:
    """§5.4.2: no second one, whatever was still on its way to us."""
    bad = peer.request()
    peer.headers(bad.id, [("no-status", "")])
    peer.expect_stream_error(bad.id, PROTOCOL_ERROR)
    first = bad.error
    peer.headers(bad.id, [("no-status", "either")])
    peer.data(bad.id, b"late")
    peer.data(bad.id, b"later", end=True)
    peer.frame("WINDOW_UPDATE", 0, bad.id, struct.pack(">I", 0))
    peer.rst_stream(bad.id)
    peer.expect_nothing()
    assert bad.error is first
    assert body_of(bad) == b""
    assert bad.headers is None


def test_rst_stream_is_never_answered_by_rst_stream(peer: Peer) -> None:
    """§5.4.2: so that two endpoints cannot loop."""
    exchange = peer.request()
    peer.rst_stream(exchange.id, ErrorCode.STREAM_CLOSED)
    peer.rst_stream(exchange.id, ErrorCode.STREAM_CLOSED)
    peer.expect_nothing()
    peer.check_usable()


@pytest.mark.parametrize("error", [None, OSError("cable"), TimeoutError("silence")])
def test_the_end_of_the_network_reaches_every_exchange(
    peer: Peer, error: BaseException | None
) -> None:
    """§5.4.3: streams that were open cannot be retried by themselves; what waited can."""
    peer.settings(max_concurrent_streams=2)
    peer.expect("SETTINGS", ack=True)
    whole = peer.request()
    peer.answer(whole.id, b"whole")
    asked, half = peer.request(), peer.request()
    queued = peer.queue()
    peer.headers(half.id)
    peer.data(half.id, b"half")
    moved = peer.protocol.connection_lost(error)
    assert set(moved) == {asked, half, queued}
    assert not peer.protocol.accepting
    for exchange in (asked, half):
        assert not exchange.ended
        assert exchange.error is error if error else isinstance(exchange.error, ConnectionError)
        assert not getattr(exchange.error, "retryable", False)
    assert body_of(half) == b"half"
    assert isinstance(queued.error, ConnectionError)
    assert queued.error.retryable
    assert whole.error is None
    assert body_of(whole) == b"whole"


def test_the_network_ends_only_once(peer: Peer) -> None:
    exchange = peer.request()
    peer.protocol.connection_lost(None)
    first = exchange.error
    assert peer.protocol.connection_lost(OSError("again")) == []
    assert exchange.error is first
    assert peer.protocol.receive_data(frame("PING", 0, 0, bytes(8))) == []
    assert peer.protocol.data_to_send() == b""


@pytest.mark.parametrize("count", range(0, 60, 7))
def test_the_network_may_end_within_a_frame(count: int) -> None:
    peer = connected()
    exchange = peer.request()
    octets = frame("HEADERS", END_HEADERS, 1, b"\x88") + frame("DATA", 1, 1, b"x" * 50)
    peer.raw(octets[:count])
    peer.protocol.connection_lost(None)
    assert isinstance(exchange.error, ConnectionError)
    assert not exchange.ended


def test_a_lost_connection_says_what_the_server_said_before(peer: Peer) -> None:
    """A reader of the message should learn of the GOAWAY, not only of the silence after it."""
    exchange = peer.request()
    peer.goaway(exchange.id, ErrorCode.ENHANCE_YOUR_CALM, b"too many requests")
    peer.protocol.connection_lost(None)
    assert "ENHANCE_YOUR_CALM" in str(exchange.error)


def test_cancel_after_the_end_does_nothing(peer: Peer) -> None:
    exchange = peer.request()
    peer.answer(exchange.id, b"whole")
    peer.protocol.cancel(exchange)
    peer.expect_nothing()
    assert exchange.ended
    assert exchange.error is None
