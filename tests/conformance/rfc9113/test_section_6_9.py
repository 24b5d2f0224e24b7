"""RFC 9113 §6.9: WINDOW_UPDATE, and the arithmetic of windows."""

from __future__ import annotations

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import INITIAL_WINDOW, MAX_WINDOW, Peer, connected

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE_ERROR = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL_ERROR = ErrorCode.FLOW_CONTROL_ERROR


def settle(peer: Peer, *, initial_window_size: int) -> None:
    """Announce an initial window and read the acknowledgement."""
    peer.settings(initial_window_size=initial_window_size)
    peer.expect("SETTINGS", ack=True)


def sent(peer: Peer) -> int:
    """How many octets of DATA the client wrote since it was last asked."""
    return sum(written.size for written in peer.written() if written.name == "DATA")


# WINDOW_UPDATE itself.


@pytest.mark.parametrize("size", [0, 3, 5, 8])
@pytest.mark.parametrize("stream_id", [0, 1])
def test_a_wrong_length_is_a_connection_error(peer: Peer, size: int, stream_id: int) -> None:
    """§6.9: FRAME_SIZE_ERROR."""
    peer.request()
    peer.frame("WINDOW_UPDATE", 0, stream_id, bytes(size))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


def test_an_increment_of_0_on_the_connection_is_a_connection_error(peer: Peer) -> None:
    """§6.9: PROTOCOL_ERROR."""
    peer.request()
    peer.window_update(0, 0)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("end", [False, True])
def test_an_increment_of_0_on_a_stream_is_a_stream_error(peer: Peer, end: bool) -> None:
    """§6.9: PROTOCOL_ERROR for the stream, whether we still send on it or not."""
    exchange = peer.request(b"POST", end=end)
    peer.window_update(exchange.id, 0)
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)
    peer.check_usable()


@pytest.mark.parametrize("stream_id", [2, 3])
def test_a_window_update_on_an_idle_stream_is_a_connection_error(
    peer: Peer, stream_id: int
) -> None:
    """§5.1."""
    peer.request()
    peer.window_update(stream_id, 1)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("increment", [0, 1, MAX_WINDOW])
def test_a_window_update_on_a_closed_stream_is_not_an_error(peer: Peer, increment: int) -> None:
    """§6.9: it may have been on its way when the stream ended."""
    exchange = peer.request()
    peer.answer(exchange.id)
    peer.window_update(exchange.id, increment)
    peer.expect_nothing()
    peer.check_usable()


def test_a_window_update_after_our_end_stream_is_harmless(peer: Peer) -> None:
    """§5.1 "half-closed (local)": they may arrive for a while."""
    exchange = peer.request()
    peer.window_update(exchange.id, 1000)
    peer.answer(exchange.id)
    assert exchange.ended


@pytest.mark.parametrize("increment", [MAX_WINDOW - INITIAL_WINDOW, 1])
def test_the_connections_window_may_grow_to_its_maximum_and_no_further(
    peer: Peer, increment: int
) -> None:
    """§6.9.1: 2**31-1 octets; beyond it FLOW_CONTROL_ERROR for the connection."""
    peer.request()
    peer.window_update(0, MAX_WINDOW - INITIAL_WINDOW)
    peer.expect_nothing()
    peer.window_update(0, increment)
    peer.expect_connection_error(FLOW_CONTROL_ERROR)


@pytest.mark.parametrize("end", [False, True])
def test_a_streams_window_may_grow_to_its_maximum_and_no_further(peer: Peer, end: bool) -> None:
    """§6.9.1: beyond it FLOW_CONTROL_ERROR for the stream."""
    exchange = peer.request(b"POST", end=end)
    peer.window_update(exchange.id, MAX_WINDOW - INITIAL_WINDOW)
    peer.expect_nothing()
    peer.window_update(exchange.id, 1)
    peer.expect_stream_error(exchange.id, FLOW_CONTROL_ERROR)
    peer.check_usable()


def test_many_small_updates_add_up_to_an_overflow_as_well(peer: Peer) -> None:
    exchange = peer.upload()
    peer.window_update(exchange.id, MAX_WINDOW - INITIAL_WINDOW - 10)
    for _ in range(10):
        peer.window_update(exchange.id, 1)
    peer.expect_nothing()
    peer.window_update(exchange.id, 1)
    peer.expect_stream_error(exchange.id, FLOW_CONTROL_ERROR)


# Sending within the windows.


def test_an_upload_stops_at_the_initial_window(peer: Peer) -> None:
    """§6.9.2: 65,535 octets for the stream and for the connection."""
    upload = peer.upload()
    assert peer.protocol.room(upload) == INITIAL_WINDOW
    assert peer.protocol.send_body(upload, bytes(100_000), end=True) == INITIAL_WINDOW
    assert peer.protocol.room(upload) == 0
    assert peer.protocol.send_body(upload, bytes(100_000), end=True) == 0
    frames = peer.written()
    assert sum(written.size for written in frames) == INITIAL_WINDOW
    assert not any(written.end_stream for written in frames)


def test_an_upload_needs_room_in_both_windows(peer: Peer) -> None:
    """§6.9.1: neither the stream's nor the connection's may be exceeded."""
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(INITIAL_WINDOW), end=False)
    sent(peer)
    assert upload in peer.window_update(upload.id, 100)
    assert peer.protocol.send_body(upload, bytes(100), end=False) == 0
    assert upload in peer.window_update(0, 30)
    assert peer.protocol.send_body(upload, bytes(100), end=False) == 30
    peer.window_update(0, 1000)
    assert peer.protocol.send_body(upload, bytes(100), end=False) == 70
    assert peer.protocol.send_body(upload, bytes(100), end=False) == 0
    assert sent(peer) == 100


def test_the_connections_window_is_shared_by_all_uploads(peer: Peer) -> None:
    first, second = peer.upload(), peer.upload()
    assert peer.protocol.send_body(first, bytes(65_000), end=False) == 65_000
    assert peer.protocol.send_body(second, bytes(65_000), end=False) == 535
    assert peer.protocol.room(first) == 0
    moved = peer.window_update(0, 10)
    assert {first, second} <= set(moved)


def test_padding_is_never_sent_and_empty_data_needs_no_room(peer: Peer) -> None:
    """§6.9.1: a frame of no octets may be sent when there is no room at all."""
    settle(peer, initial_window_size=0)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"x", end=True) == 0
    peer.expect_nothing()
    assert peer.protocol.send_body(upload, b"", end=True) == 0
    peer.expect("DATA", size=0, end_stream=True)


def test_headers_and_trailers_are_not_subject_to_flow_control(peer: Peer) -> None:
    """§6.9: only DATA is."""
    settle(peer, initial_window_size=0)
    upload = peer.upload()
    peer.protocol.send_body(upload, b"", end=True, trailers=[(b"x-sum", b"0")])
    peer.expect("HEADERS", stream_id=upload.id, end_stream=True, headers=[("x-sum", "0")])
    peer.check_usable()


def test_one_call_takes_no_more_than_a_batch(peer: Peer) -> None:
    """So that one upload does not hold up the others while it is joined and written."""
    settle(peer, initial_window_size=MAX_WINDOW)
    peer.window_update(0, MAX_WINDOW - INITIAL_WINDOW)
    upload = peer.upload()
    taken = peer.protocol.send_body(upload, bytes(1 << 20), end=True)
    assert taken == limits.WRITE_BATCH
    assert sent(peer) == taken


# SETTINGS_INITIAL_WINDOW_SIZE.


def test_a_raised_initial_window_lets_open_uploads_go_on(peer: Peer) -> None:
    """§6.9.2: by the difference, without any WINDOW_UPDATE; h2's users know it the hard way."""
    peer.window_update(0, 1 << 20)
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(INITIAL_WINDOW), end=False)
    sent(peer)
    assert upload in peer.settings(initial_window_size=INITIAL_WINDOW + 50)
    assert peer.protocol.send_body(upload, bytes(1000), end=False) == 50
    assert sent(peer) == 50


def test_a_lowered_initial_window_may_make_a_stream_negative(peer: Peer) -> None:
    """§6.9.2: the example of the RFC: 60 KB sent, then 16 KB allowed: -44 KB."""
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(60_000), end=False) == 60_000
    peer.written()
    settle(peer, initial_window_size=16_000)
    assert upload.send_window == -44_000
    assert peer.protocol.room(upload) == 0
    assert peer.protocol.send_body(upload, b"x", end=False) == 0
    peer.window_update(upload.id, 44_000)
    assert peer.protocol.send_body(upload, b"x", end=False) == 0
    peer.expect_nothing()
    peer.window_update(upload.id, 1)
    assert peer.protocol.send_body(upload, b"xy", end=False) == 1
    assert sent(peer) == 1


def test_a_negative_window_still_lets_an_upload_end(peer: Peer) -> None:
    """An empty DATA frame takes nothing from any window."""
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(60_000), end=False)
    peer.written()
    settle(peer, initial_window_size=0)
    peer.protocol.send_body(upload, b"", end=True)
    peer.expect("DATA", size=0, end_stream=True)


def test_a_negative_window_becomes_positive_by_settings_alone(peer: Peer) -> None:
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(60_000), end=False)
    peer.written()
    settle(peer, initial_window_size=0)
    assert upload.send_window == -60_000
    settle(peer, initial_window_size=60_005)
    assert peer.protocol.send_body(upload, bytes(100), end=False) == 5
    assert sent(peer) == 5


def test_the_connections_window_is_not_changed_by_settings(peer: Peer) -> None:
    """§6.9.2: only WINDOW_UPDATE does that."""
    settle(peer, initial_window_size=1 << 20)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(100_000), end=False) == INITIAL_WINDOW
    sent(peer)


@pytest.mark.parametrize("ours", ["open", "half-closed"])
def test_an_initial_window_that_overflows_a_stream_is_a_connection_error(
    peer: Peer, ours: str
) -> None:
    """§6.9.2: FLOW_CONTROL_ERROR."""
    exchange = peer.request(b"POST", end=ours == "half-closed")
    peer.window_update(exchange.id, 1)
    peer.settings(initial_window_size=MAX_WINDOW)
    peer.expect_connection_error(FLOW_CONTROL_ERROR)


def test_new_streams_start_with_the_new_window(peer: Peer) -> None:
    old = peer.upload()
    settle(peer, initial_window_size=10)
    new = peer.upload()
    assert peer.protocol.send_body(old, bytes(100), end=False) == 10
    assert peer.protocol.send_body(new, bytes(100), end=False) == 10
    assert sent(peer) == 20


def test_a_hundred_changes_of_the_window_keep_the_sum_right(peer: Peer) -> None:
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(1000), end=False)
    for at in range(100):
        peer.settings(initial_window_size=at * 37 % 5000)
    peer.settings(initial_window_size=1100)
    peer.written()
    assert peer.protocol.send_body(upload, bytes(1000), end=False) == 100
    assert sent(peer) == 100


# Receiving within the windows; what overruns them is in test_section_5_2.py.


def test_reading_gives_the_streams_room_back(peer: Peer) -> None:
    """§6.9: only what a reader took is announced again, a quarter of the window at a time."""
    exchange = peer.request()
    peer.headers(exchange.id)
    announced = 0
    for _ in range(64):
        peer.data(exchange.id, bytes(16_384))
        exchange.chunks.clear()
        increment = exchange.consumed(16_384)
        if increment:
            peer.protocol.widen(exchange, increment)
            peer.expect("WINDOW_UPDATE", stream_id=exchange.id, increment=increment)
            announced += increment
    assert announced >= (1 << 20) // 2
    assert peer.window_of(exchange.id) >= (1 << 20) // 2


def test_no_room_is_announced_on_a_stream_that_has_ended(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    for _ in range(63):
        peer.data(exchange.id, bytes(16_384))
    peer.data(exchange.id, b"end", end=True)
    peer.written()
    assert exchange.consumed(63 * 16_384 + 3) == 0
    peer.protocol.widen(exchange, 1000)
    peer.expect_nothing()


@pytest.mark.parametrize("size", [0, -1, MAX_WINDOW])
def test_a_window_can_be_widened_by_a_sensible_number_only(peer: Peer, size: int) -> None:
    """§6.9.1: a plug-in that asks for more has to be told, not the peer."""
    exchange = peer.request()
    with pytest.raises(ValueError, match="window"):
        peer.protocol.widen(exchange, size)
    peer.expect_nothing()


def test_the_receive_window_may_be_as_large_as_the_rfc_allows() -> None:
    peer = connected(stream_window=MAX_WINDOW, connection_window=MAX_WINDOW)
    assert peer.granted == MAX_WINDOW
    assert peer.client_settings[0x4] == MAX_WINDOW
    exchange = peer.request()
    peer.answer(exchange.id, bytes(10_000))
    assert exchange.ended
