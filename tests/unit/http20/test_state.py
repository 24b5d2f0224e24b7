"""``hyper.http20.state``: how streams and the connection begin and end."""

from __future__ import annotations

import gc
import weakref

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ConnectionError, ErrorCode, ProtocolError
from hyper.http20.protocol import HTTP20Protocol
from hyper.http20.window import BaseFlowControlManager, FlowControlManager
from tests.peer import Peer, connected, fresh


def test_end_of_file_fails_whatever_was_not_complete() -> None:
    peer = connected({"max_concurrent_streams": 3})
    whole, half, reset = peer.upload(), peer.request(), peer.request()
    peer.answer(1, b"whole")
    peer.rst_stream(reset.id, ErrorCode.CANCEL)
    extra, queued = peer.request(), peer.queue()
    ping = peer.protocol.ping()
    moved = peer.protocol.connection_lost(None)
    assert set(moved) == {whole, half, extra, queued, ping}
    assert whole.error is None and whole.ended
    assert str(half.error).endswith("before the response on stream 3 was complete")
    assert not half.error.retryable
    assert queued.error.retryable
    assert "never sent and may be sent again" in str(queued.error)
    assert "before it answered a PING" in str(ping.error)
    assert not peer.protocol.streams
    assert peer.protocol.connection_lost(None) == []


def test_who_goes_without_a_word_may_want_tls() -> None:
    peer = fresh()
    stream = peer.protocol.request(b"GET", b"http", b"h", b"/", [], end=True)
    peer.protocol.connection_lost(None)
    assert str(stream.error).endswith("; it may not speak HTTP/2 here, or only over TLS")


def test_an_error_of_the_network_is_every_exchanges_error() -> None:
    peer = connected({"max_concurrent_streams": 1})
    stream, queued = peer.request(), peer.queue()
    ping = peer.protocol.ping()
    lost = ConnectionResetError("cable")
    peer.protocol.connection_lost(lost)
    assert stream.error is lost and ping.error is lost
    assert isinstance(queued.error, ConnectionError)
    assert queued.error.__cause__ is lost


def test_an_error_that_came_first_stays() -> None:
    peer = connected()
    stream = peer.upload()
    stream.error = first = ProtocolError("first")
    peer.protocol.connection_lost(None)
    assert stream.error is first


def test_the_goodbye_of_the_peer_explains_what_follows() -> None:
    peer = connected()
    stream = peer.request()
    peer.goaway(last=1, code=ErrorCode.ENHANCE_YOUR_CALM, debug=b"too\nmany")
    peer.protocol.connection_lost(None)
    assert r"after GOAWAY ENHANCE_YOUR_CALM b'too\nmany'" in str(stream.error)


def test_a_broken_rule_is_told_to_the_peer_with_its_reason() -> None:
    peer = connected()
    peer.request()
    peer.frame("PING", 0, 0, b"short")
    goaway = peer.expect_connection_error(ErrorCode.FRAME_SIZE_ERROR)
    assert b"PING of 5 octets" in goaway.debug


def test_a_length_that_the_body_does_not_have_is_malformed() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [(":status", "200"), ("content-length", "5")])
    peer.data(1, b"four", end=True)
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    assert "ended after 4 octets of 5" in str(stream.error)
    assert not stream.ended


def test_errors_that_we_answer_by_reset_are_counted() -> None:
    peer = connected()
    for n in range(limits.RESET_BURST + 1):
        stream = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
        peer.data(stream.id, b"no head yet")
        if n < limits.RESET_BURST:
            assert not peer.protocol.closed
    assert peer.protocol.closed
    assert stream.error.error_code == ErrorCode.ENHANCE_YOUR_CALM
    assert "the last on stream" in str(stream.error)


def test_time_makes_room_for_more_errors() -> None:
    now = 0.0
    peer = connected(clock=lambda: now)
    for _ in range(limits.RESET_BURST + 100):
        stream = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
        peer.data(stream.id, b"no head yet")
        now += 1
    assert not peer.protocol.closed


def test_useless_frames_are_counted_and_every_request_earns_some() -> None:
    peer = connected()
    for _ in range(limits.GLITCH_BURST):
        peer.priority(1)
    assert not peer.protocol.closed
    peer.request()
    peer.answer(1)
    for _ in range(limits.GLITCHES_PER_STREAM):
        peer.priority(1)
    assert not peer.protocol.closed
    peer.priority(1)
    assert peer.protocol.closed
    assert peer.written()[-1].error_code == ErrorCode.ENHANCE_YOUR_CALM


def test_answers_that_nobody_reads_are_counted() -> None:
    peer = connected()
    for _ in range(limits.MAX_QUEUED_ACKS):
        peer.ping()
    assert len(peer.written()) == limits.MAX_QUEUED_ACKS
    for _ in range(limits.MAX_QUEUED_ACKS):
        peer.ping()
    assert not peer.protocol.closed
    peer.settings()
    peer.expect_connection_error(ErrorCode.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("stream_id", [0, 1, 2, 3, 4])
def test_a_frame_for_a_stream_that_never_was_is_an_error(stream_id: int) -> None:
    """RFC 9113 §5.1: idle."""
    peer = connected()
    peer.headers(stream_id)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_a_connection_that_is_dropped_needs_no_collector() -> None:
    """Reference counting alone frees it: no part of it points back."""
    gc.disable()
    try:
        client = HTTP20Protocol()
        client.request(b"GET", b"https", b"h", b"/", [], end=True)
        client.receive_data(b"\0\0\0\4\0\0\0\0\0")
        gone = weakref.ref(client)
        del client
        assert gone() is None
    finally:
        gc.enable()


def test_idle_means_that_nothing_is_open_waiting_or_asked() -> None:
    peer = connected({"max_concurrent_streams": 1})
    client = peer.protocol
    assert client.idle
    peer.request()
    queued = peer.queue()
    assert not client.idle
    peer.answer(1)
    peer.answer(queued.id)
    assert client.idle
    client.ping(b"12345678")
    assert not client.idle
    peer.ping(b"12345678", ack=True)
    assert client.idle


def test_a_small_connection_window_is_not_announced() -> None:
    client = HTTP20Protocol(connection_window=1)
    assert client.receive_window == 65_535
    assert client.data_to_send().count(b"\0\0\4\x08") == 0


def test_frames_for_a_stream_that_closed_are_noise() -> None:
    peer = connected()
    peer.request()
    peer.answer(1)
    peer.window_update(1, 5)
    peer.rst_stream(1)
    peer.expect_nothing()


def test_a_connection_that_breaks_at_once_still_greets_first() -> None:
    """RFC 9113 §3.4."""
    client = HTTP20Protocol()
    client.receive_data(b"\0\0\0\xfa\0\0\0\0\0")
    written = client.data_to_send()
    assert written.startswith(b"PRI * HTTP/2.0") and b"\7\0\0\0\0\0" in written


def test_waiting_requests_have_windows_that_settings_shift_too() -> None:
    peer = connected({"max_concurrent_streams": 0})
    queued = peer.queue()
    peer.settings(initial_window_size=10)
    assert queued.send_window == 10


def test_a_response_that_ended_while_its_upload_goes_on_is_no_victim_of_the_end() -> None:
    peer = connected()
    upload = peer.upload()
    peer.answer(1, b"whole")
    assert peer.protocol.connection_lost(None) == [upload]
    assert upload.error is None and upload.local_closed


@pytest.mark.parametrize(("size", "held"), [(limits.SMALL_CHUNK, False), (10, True)])
def test_late_data_is_held_against_the_peer_only_if_it_is_small(size: int, held: bool) -> None:
    peer = connected()
    stream = peer.request()
    peer.protocol.cancel(stream)
    for _ in range(limits.GLITCH_BURST + 100):
        peer.data(stream.id, bytes(size))
    assert peer.protocol.accepting is not held


# Windows that begin as wide as others became.


def read_fast(peer: Peer, size: int) -> None:
    """A response of that size, whose reader takes everything at once."""
    stream = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.written()
    peer.headers(stream.id)
    for _ in range(size // 16_384):
        peer.data(stream.id, bytes(16_384))
        increment = stream.consumed(len(stream.chunks.popleft()))
        if increment:
            peer.protocol.widen(stream, increment)
        peer.written()
    peer.data(stream.id, end=True)


def begins_with(peer: Peer) -> int:
    """The window of a new response, which nobody reads."""
    stream = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    names = [each.name for each in peer.written()]
    assert names in (["HEADERS"], ["HEADERS", "WINDOW_UPDATE"])
    assert peer.window_of(stream.id) == stream.receive_window
    window: int = stream.receive_window
    return window


MIB = 1 << 20


def test_a_response_begins_with_the_window_that_one_before_it_grew_to() -> None:
    """RFC 9113 §5.2.1: a window that is too small costs a distant link a round trip each time."""
    peer = connected({"max_concurrent_streams": 100})
    assert begins_with(peer) == MIB
    read_fast(peer, 16 * MIB)
    assert begins_with(peer) == 16 * MIB


def test_responses_that_nobody_reads_share_twice_the_largest_window() -> None:
    peer = connected({"max_concurrent_streams": 100})
    read_fast(peer, 16 * MIB)
    assert [begins_with(peer) // MIB for _ in range(6)] == [16, 8, 4, 2, 1, 1]


def test_whoever_makes_use_of_a_wide_window_hands_it_on() -> None:
    peer = connected({"max_concurrent_streams": 100})
    for _ in range(3):
        read_fast(peer, 16 * MIB)
    assert begins_with(peer) == 16 * MIB
    read_fast(peer, 4 * MIB)
    assert begins_with(peer) == 16 * MIB
    read_fast(peer, MIB)
    assert begins_with(peer) == 4 * MIB


class Own(FlowControlManager):
    """A program's own is asked nothing that it does not know."""


class Fixed(BaseFlowControlManager):
    def increase_window_size(self, frame_size: int) -> int:
        return frame_size


@pytest.mark.parametrize("manager", [Own, Fixed])
def test_a_manager_of_the_users_always_begins_alike(
    manager: type[BaseFlowControlManager],
) -> None:
    peer = connected({"max_concurrent_streams": 100}, window_manager=manager)
    read_fast(peer, 16 * MIB)
    assert begins_with(peer) == MIB
