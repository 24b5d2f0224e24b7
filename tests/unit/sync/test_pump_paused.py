"""The pump while the protocol is paused: nobody reads, and nobody polls, until ``widen``."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hyper.common.exchange import Exchange
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol
from hyper.sync.pump import Pump
from hyper.sync.response import has_ended, has_head, has_slot

from ...threads.gated import CheckedLock, Gated, Thread, eventually

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
SIZE = limits.MAX_UNREAD + 10


class Scene:
    """An HTTP/1.1 connection whose first response lies unread, all but its last octets."""

    def __init__(self) -> None:
        self.lock = CheckedLock()
        self.intake = CheckedLock()
        self.transport = Gated(self.lock, self.intake)
        transport: Any = self.transport
        self.protocol = HTTP11Protocol()
        self.pump = Pump(self.protocol, transport)
        lock: Any = self.lock
        intake: Any = self.intake
        self.pump._lock = lock
        self.pump._intake = intake
        self.first = self.request()
        self.transport.arrive(HEAD % SIZE + bytes(SIZE - 1))
        assert self.pump.wait(self.first, has_head, None)
        assert self.protocol.paused

    def request(self, *, end: bool = True) -> Exchange:
        return self.pump.request(b"GET", b"http", b"example.org", b"/", (), end)

    def read_all(self) -> None:
        size = sum(map(len, self.first.chunks))
        self.first.chunks.clear()
        increment = self.first.consumed(size)
        assert increment
        self.pump.widen(self.first, increment, None)


def resting(scene: Scene, *arguments: Any) -> Thread:
    thread = Thread(scene.pump.wait, *arguments)
    eventually(lambda: scene.pump._rest is not None and scene.pump._leader is not None)
    return thread


def test_a_leader_neither_reads_nor_polls_until_somebody_has_read() -> None:
    scene = Scene()
    second = scene.request()
    scene.transport.arrive(b"x")
    thread = resting(scene, second, has_slot, None)
    time.sleep(0.01)
    assert list(scene.transport.inbox) == [b"x"]
    assert scene.transport.sitting == []
    scene.read_all()
    assert thread.finish() is True
    assert scene.first.ended and second.opened and scene.pump._rest is None


def test_a_deadline_passes_and_the_next_leader_goes_on_sleeping() -> None:
    scene = Scene()
    second, third = scene.request(), scene.request()
    scene.transport.arrive(b"x")
    first = resting(scene, second, has_slot, time.monotonic() + 0.5)
    other = Thread(scene.pump.wait, third, has_ended, None)
    eventually(lambda: scene.pump._followers)
    assert first.finish() is False
    assert scene.transport.sitting == []
    scene.read_all()
    eventually(lambda: second.opened)
    scene.transport.arrive(HEAD % 0)
    eventually(lambda: third.opened)
    scene.transport.arrive(HEAD % 0)
    assert other.finish() is True
    assert third.ended


@pytest.mark.parametrize("how", ["cancel", "abandon", "close"])
def test_giving_the_unread_response_up_wakes_whoever_waits_behind_it(how: str) -> None:
    scene = Scene()
    second = scene.request()
    scene.transport.arrive(b"x")
    thread = resting(scene, second, has_slot, None)
    if how == "cancel":
        scene.pump.cancel(scene.first)
    elif how == "close":
        scene.pump.close()
    else:
        scene.pump.abandoned.append(scene.first)
        assert scene.pump.wait(Exchange(), lambda _: True, None)
    assert thread.finish() is True
    assert not second.opened
    assert isinstance(second.error, ConnectionError)


def test_a_failure_wakes_the_sleeping_leader() -> None:
    scene = Scene()
    second = scene.request()
    scene.transport.arrive(b"x")
    thread = resting(scene, second, has_slot, None)
    scene.transport.write_error = BrokenPipeError("gone")
    with scene.lock:
        scene.protocol.outgoing.append(b"more")
    scene.pump.flush()
    assert thread.finish() is True
    assert second.error is not None


def test_what_is_to_be_written_is_written_while_reading_is_paused() -> None:
    scene = Scene()
    scene.transport.full = True
    with scene.lock:
        scene.protocol.outgoing.append(b"more")
    scene.transport.arrive(b"x")
    thread = Thread(scene.pump.see_through, scene.first, None)
    scene.transport.wait_until("write")
    scene.transport.drain()
    assert thread.finish() is True
    assert scene.transport.written.endswith(b"more")
    assert scene.transport.inbox
