"""RFC 9113 §5.2: flow control as a whole: nobody is starved, nothing is overrun, room comes back.

The arithmetic of single windows is §6.9's.
"""

from __future__ import annotations

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ErrorCode
from hyper.http20.window import BaseFlowControlManager
from tests.peer import Peer, body_of, connected, fresh

FRAME = bytes(16_384)


def fill(peer: Peer, stream_id: int, frames: int) -> None:
    for _ in range(frames):
        peer.data(stream_id, FRAME)


def read(peer: Peer, exchange) -> int:  # type: ignore[no-untyped-def]
    """Do what a face does: take the octets, note them, widen the window when told to."""
    size = len(body_of(exchange))
    exchange.chunks.clear()
    if increment := exchange.consumed(size):
        peer.protocol.widen(exchange, increment)
    return size


def test_an_unread_response_stops_at_its_own_window(peer: Peer) -> None:
    """§5.2.2: back-pressure; the peer is given no room that no reader has made."""
    exchange = peer.request()
    peer.headers(exchange.id)
    fill(peer, exchange.id, 64)
    assert peer.window_of(exchange.id) == 0
    assert not [written for written in peer.written() if written.stream_id == exchange.id]
    assert exchange.error is None


def test_a_response_beyond_its_window_is_a_flow_control_error(peer: Peer) -> None:
    """§6.9.1: one octet more than we granted; the memory it takes stays within the window."""
    exchange = peer.request()
    peer.headers(exchange.id)
    fill(peer, exchange.id, 64)
    peer.written()
    peer.data(exchange.id, b"x")
    peer.expect_stream_error(exchange.id, ErrorCode.FLOW_CONTROL_ERROR)
    assert exchange.error.error_code == ErrorCode.FLOW_CONTROL_ERROR
    assert len(body_of(exchange)) <= limits.STREAM_WINDOW
    peer.check_usable()


def test_padding_counts_and_can_overrun_a_window_too(peer: Peer) -> None:
    """§6.1: the whole payload counts, pad length and padding included."""
    exchange = peer.request()
    peer.headers(exchange.id)
    fill(peer, exchange.id, 63)
    peer.data(exchange.id, bytes(16_000))
    peer.written()
    assert peer.window_of(exchange.id) == 384
    peer.data(exchange.id, bytes(129), padding=255)
    peer.expect_stream_error(exchange.id, ErrorCode.FLOW_CONTROL_ERROR)


def test_an_unread_response_does_not_starve_the_others(peer: Peer) -> None:
    """§5.2.2: the connection's window is given back on arrival, so others go on for ever."""
    lazy, busy = peer.request(), peer.request()
    peer.headers(lazy.id)
    fill(peer, lazy.id, 64)
    peer.headers(busy.id)
    total = 0
    for _ in range(40):
        fill(peer, busy.id, 32)
        total += read(peer, busy)
        peer.written()
        assert peer.granted > 0
        assert peer.window_of(busy.id) > 0
    assert total == 40 * 32 * 16_384
    assert busy.error is None


def test_a_reader_that_keeps_up_never_lets_the_window_run_dry(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    for _ in range(200):
        peer.data(exchange.id, FRAME)
        read(peer, exchange)
        peer.written()
        assert peer.window_of(exchange.id) >= limits.STREAM_WINDOW // 4


@pytest.mark.parametrize("what", ["cancelled", "reset", "complete", "malformed", "overrun"])
def test_octets_nobody_will_read_give_the_connections_room_back(peer: Peer, what: str) -> None:
    """§6.9: dropped DATA counts against the connection; without its return all would stall."""
    exchange = peer.request()
    if what == "cancelled":
        peer.headers(exchange.id)
        peer.protocol.cancel(exchange)
    elif what == "reset":
        peer.rst_stream(exchange.id)
    elif what == "complete":
        peer.headers(exchange.id, end=True)
    elif what == "malformed":
        peer.headers(exchange.id, [])
    elif what == "overrun":
        peer.headers(exchange.id)
        fill(peer, exchange.id, 65)
    for _ in range(50):
        fill(peer, exchange.id, 40)
        peer.written()
        assert peer.granted >= limits.CONNECTION_WINDOW // 4
    peer.check_usable()


def test_padding_gives_both_windows_back_though_no_reader_takes_it(peer: Peer) -> None:
    """§6.9: a stream of padding alone would otherwise stop for good."""
    exchange = peer.request()
    peer.headers(exchange.id)
    total = 0
    for _ in range(3000):
        peer.data(exchange.id, b"x" * 100, padding=255)
        total += 356
        if peer.window_of(exchange.id) < 300_000 or total % 100 == 0:
            read(peer, exchange)
        peer.written()
        assert peer.window_of(exchange.id) > 1000
        assert peer.granted > 1000
    for _ in range(9000):
        peer.data(exchange.id, b"x", padding=255)
        read(peer, exchange)
    peer.written()
    assert peer.window_of(exchange.id) > 1000
    assert peer.granted > 1000
    assert exchange.error is None


def test_windows_can_be_set(peer: Peer) -> None:
    """Both receive windows are documented arguments, and announced."""
    small = connected(stream_window=100_000, connection_window=300_000)
    assert small.client_settings[0x4] == 100_000
    assert small.granted == 300_000
    exchange = small.request()
    small.headers(exchange.id)
    fill(small, exchange.id, 6)
    small.written()
    small.data(exchange.id, bytes(100_000 - 6 * 16_384 + 1))
    small.expect_stream_error(exchange.id, ErrorCode.FLOW_CONTROL_ERROR)


def test_a_stream_window_below_the_default_binds_once_it_is_acknowledged() -> None:
    """§6.5.3, §6.9.3: until its ACK the peer may still go by 65,535 octets."""
    peer = connected(stream_window=10)
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, bytes(10))
    peer.expect_nothing()
    peer.data(exchange.id, b"x")
    peer.expect_stream_error(exchange.id, ErrorCode.FLOW_CONTROL_ERROR)


@pytest.mark.parametrize(("size", "fits"), [(10, True), (11, False)])
def test_the_acknowledgement_moves_the_windows_of_streams_that_are_open(
    size: int, fits: bool
) -> None:
    """§6.9.2: by the difference, for what we receive as for what we send."""
    peer = fresh(stream_window=10)
    exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.expect_preface()
    peer.written()
    peer.settings()
    peer.settings(ack=True)
    peer.written()
    peer.headers(exchange.id)
    peer.data(exchange.id, bytes(size))
    if fits:
        peer.expect_nothing()
    else:
        peer.expect_stream_error(exchange.id, ErrorCode.FLOW_CONTROL_ERROR)


def test_data_sent_before_the_servers_ack_may_go_by_the_default_window() -> None:
    """§6.9.3: a receiver must be prepared for data sent before its SETTINGS took effect."""
    peer = fresh(stream_window=10)
    exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.expect_preface()
    peer.written()
    peer.settings()
    peer.expect("SETTINGS", ack=True)
    peer.headers(1)
    peer.data(1, bytes(10_000))
    peer.settings(ack=True)
    assert exchange.error is None
    assert len(body_of(exchange)) == 10_000
    assert not [written for written in peer.written() if written.name != "WINDOW_UPDATE"]


@pytest.mark.parametrize(
    "last", [[(b"", True)], [(b"", False), (b"", True)], []], ids=["end", "empty-end", "trailers"]
)
def test_a_response_may_end_in_a_window_that_our_settings_took_below_0(
    last: list[tuple[bytes, bool]],
) -> None:
    """§6.9.1: what has no octets may be sent where there is no room; §6.9.2: also below 0."""
    peer = fresh(stream_window=10)
    exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.expect_preface()
    peer.settings()
    peer.headers(1)
    peer.data(1, bytes(100))
    peer.settings(ack=True)
    for data, end in last:
        peer.data(1, data, end=end)
    if not last:
        peer.headers(1, [("x-sum", "1")], end=True)
    assert exchange.error is None
    assert exchange.ended
    assert "RST_STREAM" not in [written.name for written in peer.written()]


@pytest.mark.parametrize("padding", [None, 0])
def test_octets_in_a_window_below_0_are_a_stream_error(padding: int | None) -> None:
    """§6.9.1: also those of padding, of which the length of none is one."""
    peer = connected(stream_window=10)
    exchange = peer.request()
    peer.headers(exchange.id)
    exchange.receive_window = -1
    peer.data(exchange.id, b"x" if padding is None else b"", padding=padding, end=True)
    peer.expect_stream_error(exchange.id, ErrorCode.FLOW_CONTROL_ERROR)
    peer.check_usable()


@pytest.mark.parametrize(("window", "data"), [(10, bytes(10)), (-1, b"")])
def test_data_that_needs_no_more_room_than_there_is_does_not_overrun(
    window: int, data: bytes
) -> None:
    """So what is wrong with it is something else: here §8.1, that no head has come yet."""
    peer = connected(stream_window=10)
    exchange = peer.request()
    exchange.receive_window = window
    peer.data(exchange.id, data)
    peer.expect_stream_error(exchange.id, ErrorCode.PROTOCOL_ERROR)
    peer.check_usable()


def test_a_connection_window_overrun_is_a_connection_error() -> None:
    """§6.9.1: when a window manager gives nothing back."""

    class Miser(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            return 0

    peer = connected(window_manager=Miser, connection_window=65_535, stream_window=1 << 20)
    exchange = peer.request()
    peer.headers(exchange.id)
    fill(peer, exchange.id, 3)
    peer.data(exchange.id, bytes(65_535 - 3 * 16_384))
    peer.expect_nothing()
    peer.data(exchange.id, b"x")
    peer.expect_connection_error(ErrorCode.FLOW_CONTROL_ERROR)
    assert exchange.error.error_code == ErrorCode.FLOW_CONTROL_ERROR


def test_an_upload_that_waits_keeps_nobody_from_reading(peer: Peer) -> None:
    """§5.2.2: frames are processed as soon as they arrive, whatever our own sending waits for."""
    peer.settings(initial_window_size=0)
    peer.expect("SETTINGS", ack=True)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"waits", end=True) == 0
    peer.ping(b"stillup?")
    peer.expect("PING", ack=True, opaque=b"stillup?")
    peer.check_usable()
