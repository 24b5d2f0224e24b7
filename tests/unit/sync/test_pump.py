"""The pump with the real protocol on top of a transport in memory.

Its rules, step by step, are in ``tests/threads``; here is what it makes of HTTP/2 (RFC 9113).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hyper.common.exchange import Exchange
from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error
from hyper.http20.protocol import HTTP20Protocol
from hyper.sync import guarded
from hyper.sync.pump import Pump
from hyper.sync.response import has_body, has_ended, has_head, has_slot

from ...peer import Peer
from ...threads.gated import CheckedLock, Gated, Thread, eventually


class Inbox:
    """Stands where the peer expects a protocol: what it says arrives at the transport."""

    def __init__(self, protocol: HTTP20Protocol, transport: Gated) -> None:
        self.protocol = protocol
        self.transport = transport

    def receive_data(self, data: bytes) -> list[Exchange]:
        self.transport.arrive(data)
        return []

    def data_to_send(self) -> bytes:
        written = bytes(self.transport.written)
        self.transport.written.clear()
        return written


class Scene:
    def __init__(self) -> None:
        self.lock = CheckedLock()
        self.intake = CheckedLock()
        self.transport = Gated(self.lock, self.intake)
        self.protocol = HTTP20Protocol()
        transport: Any = self.transport
        self.pump = Pump(self.protocol, transport)
        lock: Any = self.lock
        intake: Any = self.intake
        self.pump._lock = lock
        self.pump._intake = intake
        inbox: Any = Inbox(self.protocol, self.transport)
        self.peer = Peer(inbox)

    def start(self, **settings: Any) -> None:
        """Exchange prefaces, and have the pump take in what the server announced."""
        self.pump.flush()
        self.peer.expect_preface()
        self.peer.expect("SETTINGS")
        self.peer.settings(**settings)
        self.peer.settings(ack=True)
        ping = self.pump.call(self.protocol.ping)
        self.peer.ping(bytes(8), ack=True)
        assert self.pump.wait(ping, has_ended, None)
        self.peer.written()

    def request(self, *, end: bool = True) -> Exchange:
        return self.pump.request(b"GET", b"https", b"example.org", b"/", (), end)

    def waiting(self, exchange: Exchange, ready: Any, timeout: float | None = None) -> Thread:
        before = len(self.pump._followers), len(self.transport.sitting)
        deadline = None if timeout is None else time.monotonic() + timeout
        thread = Thread(self.pump.wait, exchange, ready, deadline)
        eventually(lambda: (len(self.pump._followers), len(self.transport.sitting)) != before)
        return thread


@contextmanager
def playing(**settings: Any) -> Iterator[Scene]:
    scene = Scene()
    scene.start(**settings)
    yield scene
    assert scene.pump._leader is None
    assert not scene.pump._followers


def test_preface_settings_and_the_first_request_leave_in_one_write() -> None:
    scene = Scene()
    scene.request()
    assert scene.pump._pulls == 1
    scene.peer.expect_preface()
    scene.peer.expect("SETTINGS")
    scene.peer.expect("WINDOW_UPDATE", stream_id=0)
    scene.peer.expect("HEADERS", stream_id=1, end_stream=True)
    scene.peer.expect_nothing()


def test_sixteen_threads_where_eight_streams_are_allowed() -> None:
    """RFC 9113 §5.1.2; the second walk of the architecture."""
    with playing(max_concurrent_streams=8) as scene:
        exchanges = [scene.request() for _ in range(16)]
        threads = [scene.waiting(exchange, has_ended) for exchange in exchanges]
        assert [each.stream_id for each in scene.peer.written()] == list(range(1, 17, 2))
        with scene.peer.one_read():
            for stream_id in (3, 5, 7):
                scene.peer.answer(stream_id, b"body")
        for index in (1, 2, 3):
            assert threads[index].finish() is True
        assert [each.stream_id for each in scene.peer.written()] == [17, 19, 21]
        for index in [0, *range(4, 16)]:
            eventually(lambda index=index: exchanges[index].opened)  # type: ignore[misc]
            scene.peer.written()
            scene.peer.answer(2 * index + 1, b"body")
            assert threads[index].finish() is True


def test_an_upload_blocked_by_flow_control_and_then_goaway() -> None:
    """RFC 9113 §6.8, §6.9; the third walk of the architecture."""
    with playing() as scene:
        first = scene.request()
        reader = scene.waiting(first, has_ended)
        upload = scene.request(end=False)
        assert scene.pump.send_body(upload, bytes(200_000), True) == 65_535
        assert scene.pump.send_body(upload, bytes(134_465), True) == 0
        writer = scene.waiting(upload, scene.pump.has_room)
        scene.peer.goaway(1)
        assert writer.finish() is True
        with pytest.raises(ConnectionError) as caught:
            scene.pump.send_body(upload, bytes(134_465), True)
        assert caught.value.retryable
        assert reader.is_alive()
        scene.peer.answer(1, b"body")
        assert reader.finish() is True
        eventually(lambda: scene.transport.closed)


def test_every_upload_hears_of_room_on_the_connection() -> None:
    """RFC 9113 §6.9.1: one WINDOW_UPDATE for stream 0 is everybody's, and one may take it all."""
    with playing(initial_window_size=1_000_000) as scene:
        uploads = [scene.request(end=False) for _ in range(4)]
        assert scene.pump.send_body(uploads[0], bytes(65_535), False) == 65_535
        leader = scene.waiting(scene.request(), has_ended)
        writers = [scene.waiting(upload, scene.pump.has_room) for upload in uploads]
        scene.peer.window_update(0, 10)
        assert [writer.finish() for writer in writers] == [True] * 4
        assert [scene.pump.send_body(each, bytes(10), False) for each in uploads] == [10, 0, 0, 0]
        scene.peer.answer(9)
        assert leader.finish() is True


@pytest.mark.parametrize("how", ["settings", "window_update"])
def test_room_on_the_stream_is_heard_of_however_it_comes(how: str) -> None:
    """RFC 9113 §6.9.2: a window may go below 0, and up again by SETTINGS alone."""
    with playing(initial_window_size=10) as scene:
        upload = scene.request(end=False)
        assert scene.pump.send_body(upload, bytes(20), False) == 10
        writer = scene.waiting(upload, scene.pump.has_room)
        scene.peer.settings(initial_window_size=0)
        if how == "settings":
            scene.peer.settings(initial_window_size=15)
        else:
            scene.peer.window_update(1, 15)
        assert writer.finish() is True
        assert scene.pump.send_body(upload, bytes(20), False) == 5


def test_a_queued_request_hears_that_it_was_opened_by_settings_alone() -> None:
    with playing(max_concurrent_streams=0) as scene:
        queued = scene.request()
        assert not queued.opened
        thread = scene.waiting(queued, has_slot)
        scene.peer.settings(max_concurrent_streams=1)
        assert thread.finish() is True
        scene.peer.answer(1)
        assert scene.pump.wait(queued, has_head, None)


def test_a_connection_error_reaches_everyone_and_the_server_is_told() -> None:
    """RFC 9113 §5.4.1."""
    with playing() as scene:
        exchanges = [scene.request() for _ in range(3)]
        threads = [scene.waiting(exchange, has_ended) for exchange in exchanges]
        scene.peer.written()
        scene.peer.data(0, b"on no stream")
        assert [thread.finish() for thread in threads] == [True] * 3
        for exchange in exchanges:
            assert isinstance(exchange.error, HTTP20Error)
            assert exchange.error.error_code == ErrorCode.PROTOCOL_ERROR
        scene.peer.expect("GOAWAY")
        eventually(lambda: scene.transport.lingered)


def test_pings_and_settings_are_answered_while_somebody_waits() -> None:
    with playing() as scene:
        exchange = scene.request()
        thread = scene.waiting(exchange, has_ended)
        scene.peer.written()
        scene.peer.ping(b"are you?")
        scene.peer.settings(max_concurrent_streams=5)
        eventually(lambda: scene.protocol.max_concurrent_streams == 5)
        scene.transport.wait_until("read")
        scene.peer.expect("PING", ack=True, opaque=b"are you?")
        scene.peer.expect("SETTINGS", ack=True)
        scene.peer.answer(1)
        assert thread.finish() is True


def test_a_turn_takes_in_no_more_than_one_recv_brings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader takes nothing while its turn lasts: a whole window would lie here unread."""
    monkeypatch.setattr(Gated, "more", property(lambda transport: bool(transport.inbox)))
    with playing() as scene:
        exchange = scene.request()
        scene.peer.headers(1, ((b":status", b"200"),))
        assert scene.pump.wait(exchange, has_head, None)
        for _ in range(50):
            scene.peer.data(1, bytes(16_384))
        assert scene.pump.wait(exchange, has_body, None)
        assert sum(map(len, exchange.chunks)) == guarded.TURN_SIZE


def test_in_the_child_of_a_fork_the_connection_is_over() -> None:
    scene = Scene()
    scene.start()
    exchange = scene.request()
    leader = scene.waiting(exchange, has_ended)
    later = scene.request()
    pumps = set(guarded._alive)
    try:
        guarded._alive.clear()
        guarded._alive.add(scene.pump)
        # What the child has of the parent's threads is the traces they left in memory.
        lock = scene.pump._lock
        guarded._drop_inherited()
        assert not len(guarded._alive)
    finally:
        guarded._alive.update(pumps)
    assert scene.pump._lock is not lock
    assert scene.pump._leader is None
    assert "belongs to the parent" in str(later.error)
    with pytest.raises(ConnectionError):
        scene.protocol.request(b"GET", b"https", b"example.org", b"/", (), end=True)
    # This test's own thread is one that a child would not have. What it is left with is an error.
    assert leader.finish() is True
    assert "belongs to the parent" in str(exchange.error)
