"""A KeyboardInterrupt at every point of the pump: the others get their answers, or an error;
nobody hangs, and no lock stays taken.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hyper.common.exchange import Exchange
from hyper.sync import guarded
from hyper.sync import pump as pump_module

from .gated import Scene, Thread, checked, eventually
from .interrupting import Interrupter

OURS = {pump_module.__file__, guarded.__file__}


def lead(scene: Scene, others: list[Thread], exchange: Exchange) -> None:
    """Wait, lead, answer a follower, be answered, hand over."""

    def feed() -> None:
        eventually(lambda: len(others) == 2)
        scene.transport.arrive(b"end 3\n")
        eventually(lambda: not others[0].is_alive() or scene.pump.over)
        scene.transport.arrive(b"end 1\n")

    Thread(feed)
    scene.wait(exchange)


def follow(scene: Scene, others: list[Thread], exchange: Exchange) -> None:
    """Follow a leader, inherit the lead, time out."""
    scene.wait(exchange, timeout=0.03)


def write(scene: Scene, others: list[Thread], exchange: Exchange) -> None:
    """Wait for a socket that is full, while somebody else reads."""
    scene.transport.full = True
    scene.protocol.outgoing.append(b"more")
    scene.pump.flush()
    threading.Timer(0.01, scene.transport.drain).start()
    scene.pump.see_through(exchange, None)


def act(scene: Scene, others: list[Thread], exchange: Exchange) -> None:
    """Everything that does not wait."""
    scene.pump.send_body(exchange, b"x", False)
    scene.pump.widen(exchange, 5, None)
    scene.pump.abandoned.append(exchange)
    scene.request()


def close(scene: Scene, others: list[Thread], exchange: Exchange) -> None:
    scene.pump.close()


def fail(scene: Scene, others: list[Thread], exchange: Exchange) -> None:
    """Find that the peer no longer listens."""
    scene.transport.write_error = BrokenPipeError(32, "broken pipe")
    scene.transport.arrive(b"head 1\n")
    scene.request()


def play(work: Any, alone: bool, nth: int) -> Interrupter:
    """Do the work, interrupted at the n-th point, with two others waiting; then look after them."""
    interrupter = Interrupter(nth, OURS, ("Lines.",))
    with checked() as scene:
        exchange, second, third = (scene.request() for _ in range(3))
        others: list[Thread] = []
        if not alone:
            others = [scene.waiting(second), scene.waiting(third)]

        def interrupted() -> None:
            with interrupter.here():
                work(scene, others, exchange)

        if alone:
            # The interrupted thread comes first, so it leads, and the others follow it.
            thread = Thread(interrupted)
            eventually(lambda: scene.transport.sitting or not thread.is_alive())
            others += [scene.waiting(second), scene.waiting(third)]
        else:
            thread = Thread(interrupted)
        thread.join(5)
        assert not thread.is_alive(), f"hangs, interrupted at {interrupter.where}"
        # Somebody reads for the others now, or they have been told that it is over.
        scene.transport.drain()
        eventually(lambda: scene.transport.sitting or scene.pump.over)
        scene.transport.arrive(b"" if scene.pump.over else b"end 5\n")
        if second.id in scene.protocol.open:
            scene.transport.arrive(b"end 3\n")
        for other in others:
            other.join(5)
            assert not other.is_alive(), f"another hangs, interrupted at {interrupter.where}"
            assert other.error is None, f"interrupted at {interrupter.where}"
        for each in (second, third):
            assert each.ended or each.error is not None
            assert not isinstance(each.error, KeyboardInterrupt)
        if scene.pump._parting:
            scene.pump.flush()
    return interrupter


@pytest.mark.parametrize(
    ("work", "alone"),
    [(lead, True), (follow, False), (write, False), (act, False), (close, False), (fail, False)],
    ids=["lead", "follow", "write", "act", "close", "fail"],
)
def test_an_interrupt_at_any_point_leaves_nobody_without_a_leader(work: Any, alone: bool) -> None:
    points = play(work, alone, nth=0).points
    assert points > 5
    for nth in range(1, points + 1):
        play(work, alone, nth)
