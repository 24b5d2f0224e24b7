"""Every order of steps of two or three threads on one connection, and none of them loses anybody.

Each scenario says who does what and what the peer does meanwhile; ``schedules`` plays it in one
order after the other, and holds after each: everybody has an answer or an error, nobody gave up
before his time, nobody leads, follows or writes any more, requests left in order and once, and all
that within two seconds of the scenario's clock. ``HYPER_LONG=1`` plays some hundred times as many.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from hyper.common.exceptions import HyperError
from hyper.common.exchange import Exchange
from hyper.sync import pump as pump_module

from .schedules import Lost, Stage, explore

LONG = bool(os.environ.get("HYPER_LONG"))

Check = Callable[[], object]


def answered(exchange: Exchange) -> bool:
    return exchange.ended and exchange.error is None


def told(exchange: Exchange) -> bool:
    """An answer or an error; never a KeyboardInterrupt or nothing at all."""
    return answered(exchange) or isinstance(exchange.error, (HyperError, OSError))


def hand_over(stage: Stage) -> Check:
    """Two wait; the answers come in the order that makes the leader leave first, or last."""
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    stage.waiting(second)
    stage.peer("end 1", "end 3")
    return lambda: _all(answered, first, second)


def hand_over_backwards(stage: Stage) -> Check:
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    stage.waiting(second)
    stage.peer("head 3", "end 3", "end 1")
    return lambda: _all(answered, first, second)


def three_wait(stage: Stage) -> Check:
    exchanges = [stage.request() for _ in range(3)]
    for exchange in exchanges:
        stage.waiting(exchange)
    stage.peer("end 5", "end 1", "end 3")
    return lambda: _all(answered, *exchanges)


def two_wait_for_one(stage: Stage) -> Check:
    exchange = stage.request()
    stage.waiting(exchange)
    stage.waiting(exchange)
    stage.peer("end 1")
    return lambda: _all(answered, exchange)


def all_ask(stage: Stage) -> Check:
    """Who asks may lead, follow, or leave its octets to somebody who writes."""
    stage.pump._crowded = True
    actors = [stage.asking() for _ in range(3)]
    stage.peer("end 1", "end 3", "end 5")
    return lambda: _all(answered, *(actor.result for actor in actors))


def a_deadline_of_the_leader(stage: Stage) -> Check:
    first, second = stage.request(), stage.request()
    hasty = stage.waiting(first, timeout=0.5)
    stage.waiting(second)
    stage.peer(stage.passes(0.5), "end 3", "end 1")

    def check() -> None:
        assert answered(second)
        assert hasty.result is False or answered(first)

    return check


def a_deadline_of_the_follower(stage: Stage) -> Check:
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    hasty = stage.waiting(second, timeout=0.5)
    stage.peer(stage.passes(0.6), "end 3", "end 1")

    def check() -> None:
        assert answered(first)
        assert hasty.result is False or answered(second)

    return check


def closing(stage: Stage) -> Check:
    """close() against a leader, a follower, and an answer under way."""
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    stage.waiting(second)
    stage.thread("closes", stage.pump.close)
    stage.peer("end 1")

    def check() -> None:
        _all(told, first, second)
        assert stage.written[-1] == "goodbye"

    return check


def closing_twice(stage: Stage) -> Check:
    exchange = stage.request()
    stage.waiting(exchange)
    stage.thread("closes", stage.pump.close)
    stage.thread("closes too", stage.pump.close)

    def check() -> None:
        _all(told, exchange)
        assert stage.written.count("goodbye") == 1

    return check


def closing_while_another_asks(stage: Stage) -> Check:
    stage.pump._crowded = True
    refused = _asking_perhaps(stage)
    exchange = stage.request()
    stage.waiting(exchange)
    stage.thread("closes", stage.pump.close)

    def check() -> None:
        _all(told, exchange)
        assert refused.result == "refused" or told(refused.result)

    return check


def cancelling_the_leaders(stage: Stage) -> Check:
    """Another thread gives up what a leader sits and waits for; then something arrives."""
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    stage.waiting(second)
    stage.thread("cancels", lambda: stage.pump.cancel(first))
    stage.peer("head 3", "end 3")

    def check() -> None:
        assert answered(second)
        assert told(first)

    return check


def cancelling_the_followers(stage: Stage) -> Check:
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    stage.waiting(second)
    stage.thread("cancels", lambda: stage.pump.cancel(second))
    stage.peer("end 1")

    def check() -> None:
        assert answered(first)
        assert told(second)

    return check


def goodbye(stage: Stage) -> Check:
    """RFC 9113 §6.8: who has asked is answered; who comes too late is told so at once."""
    first = stage.request()
    stage.waiting(first)
    late = _asking_perhaps(stage)
    stage.peer("goodbye", "end 1", "end 3")

    def check() -> None:
        assert answered(first)
        assert late.result == "refused" or answered(late.result)

    return check


def lost(how: bytes | Exception) -> Callable[[Stage], Check]:
    def scenario(stage: Stage) -> Check:
        first, second = stage.request(), stage.request()
        stage.waiting(first)
        stage.waiting(second)
        late = _asking_perhaps(stage)
        stage.peer("end 1", how)

        def check() -> None:
            # What had arrived before the end counts.
            assert answered(first)
            assert told(second)
            assert late.result == "refused" or told(late.result)

        return check

    scenario.__name__ = f"lost_by_{type(how).__name__}"
    return scenario


def a_bug(stage: Stage) -> Check:
    first, second = stage.request(), stage.request()
    stage.waiting(first)
    stage.waiting(second)
    stage.peer("bug")
    return lambda: _all(told, first, second)


def a_write_that_fails(stage: Stage) -> Check:
    """The peer's last words, read after a write has failed, count."""
    stage.pump._crowded = True
    first = stage.request()
    stage.waiting(first)
    late = _asking_perhaps(stage)
    other = _asking_perhaps(stage)

    def breaks() -> None:
        stage.socket.inbox.append(b"end 1\n")
        stage.socket.write_error = BrokenPipeError(32, "broken pipe")

    stage.peer(breaks, lambda: stage.socket.inbox.append(b""))

    def check() -> None:
        assert answered(first)
        for each in (late, other):
            assert each.result == "refused" or told(each.result)

    return check


def a_slot_comes_free(stage: Stage) -> Check:
    """One slot: the second leaves when the first is cancelled, the third when that is answered."""
    first, second, third = (stage.request() for _ in range(3))
    stage.thread("cancels", lambda: stage.pump.cancel(first))
    stage.waiting(second)
    stage.waiting(third)
    stage.peer("end 3", "end 5")
    return lambda: _all(answered, second, third)


def dropped_unread(stage: Stage) -> Check:
    """Rule 8, with one slot: what is dropped makes room for the next, by whoever comes."""
    first = stage.request()
    stage.thread("drops", lambda: stage.pump.abandoned.append(first))
    asking = stage.asking()
    other = stage.asking()
    # Whoever waits already need not hear of it before something arrives.
    stage.peer("head 1", stage.passes(0.1), "end 1", "end 3", "end 5")
    return lambda: _all(answered, asking.result, other.result)


def a_full_socket(stage: Stage) -> Check:
    """Octets find no room; who wrote them sees to it that they leave, whoever else leads."""
    first = stage.request()
    stage.waiting(first)

    def fill() -> None:
        stage.socket.full = True

    def drain() -> None:
        stage.socket.full = False

    def work() -> Exchange:
        exchange = stage.request()
        stage.latest = max(stage.latest, stage.scheduler.now + 1)
        assert stage.pump.see_through(exchange, 1)
        stage.wait(exchange)
        return exchange

    asking = stage.thread("writes", work)
    stage.peer(fill, "head 1", drain, "end 1", "end 3")
    return lambda: _all(answered, first, asking.result)


def an_upload(stage: Stage) -> Check:
    """Room comes for an upload while another leads; the pong goes between."""
    first, upload = stage.request(), stage.request()
    stage.waiting(first)

    def work() -> int:
        sent = 0
        while sent < 6 and upload.error is None:
            assert stage.wait(upload, ready=stage.pump.has_room)
            sent += stage.pump.send_body(upload, b"abcdef"[sent:], False)
        stage.wait(upload)
        return sent

    uploading = stage.thread("uploads", work)
    stage.peer("room 3 2", "ping", "end 1", "room 3 4", "end 3")

    def check() -> None:
        assert answered(first) and answered(upload)
        assert uploading.result == 6
        body = [line.split()[2] for line in stage.written if line.startswith("body 3")]
        assert "".join(body) == "abcdef"
        assert "pong" in stage.written

    return check


def held_together(stage: Stage) -> Check:
    """Rule 11: what is held leaves before anybody waits."""
    first = stage.request()
    stage.waiting(first)

    def work() -> Exchange:
        pump = stage.pump
        exchange = pump.request(b"GET", b"https", b"example.org", b"/", (), True, hold=True)
        stage.wait(exchange)
        return exchange

    asking = stage.thread("holds", work)
    stage.peer("end 3", "end 1")
    return lambda: _all(answered, first, asking.result)


def _asking_perhaps(stage: Stage) -> Any:
    """A request that may come too late."""

    def work() -> Exchange | str:
        try:
            exchange = stage.request()
        except HyperError as error:
            assert getattr(error, "retryable", False)
            return "refused"
        stage.wait(exchange)
        return exchange

    return stage.thread("asks", work)


def _all(what: Callable[[Exchange], bool], *exchanges: Exchange) -> None:
    for exchange in exchanges:
        assert what(exchange), f"request {exchange.id} has {exchange.error!r} and no answer"


SCENARIOS: list[tuple[Callable[[Stage], Check], int]] = [
    (hand_over, 1000),
    (hand_over_backwards, 1000),
    (three_wait, 1000),
    (two_wait_for_one, 1000),
    (all_ask, 1000),
    (a_deadline_of_the_leader, 1000),
    (a_deadline_of_the_follower, 1000),
    (closing, 1000),
    (closing_twice, 1000),
    (closing_while_another_asks, 1000),
    (cancelling_the_leaders, 1000),
    (cancelling_the_followers, 1000),
    (goodbye, 1000),
    (lost(b""), 1000),
    (lost(ConnectionResetError(104, "reset by peer")), 1000),
    (a_bug, 1000),
    (a_write_that_fails, 1000),
    (a_slot_comes_free, 1),
    (dropped_unread, 1),
    (a_full_socket, 1000),
    (an_upload, 1000),
    (held_together, 1000),
]


def named(value: object) -> str | None:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("scenario", "slots"), SCENARIOS, ids=named)
def test_in_whatever_order_nobody_is_lost(scenario: Callable[[Stage], Check], slots: int) -> None:
    runs = explore(scenario, delays=4 if LONG else 3, most=10_000 if LONG else 300, slots=slots)
    assert runs > 100


@pytest.mark.parametrize(("scenario", "slots"), SCENARIOS, ids=named)
def test_in_whatever_order_of_bytecodes_nobody_is_lost(
    scenario: Callable[[Stage], Check], slots: int
) -> None:
    """Here a thread can lose its turn before any instruction of the pump."""
    runs = explore(scenario, delays=2, most=800 if LONG else 25, slots=slots, every_opcode=True)
    assert runs >= 25


# And the search finds what it is for.


def _leaves_without_a_word(self: Any, me: Any) -> None:
    self._leader = None


def _wakes_nobody(self: Any, moved: Any, woken: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "broken", "scenario"),
    [
        ("_hand_over", _leaves_without_a_word, hand_over),
        ("_notify", _wakes_nobody, cancelling_the_followers),
    ],
)
def test_the_search_finds_a_waiter_that_is_lost(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: Any, scenario: Callable[[Stage], Check]
) -> None:
    monkeypatch.setattr(pump_module.Pump, name, broken)
    with pytest.raises(Lost, match="for ever"):
        explore(scenario, delays=2, most=2000)


def test_the_search_repeats_what_it_found() -> None:
    """A list of choices is a run: with the same one, everything happens in the same order."""
    seen: list[list[int]] = []

    def scenario(stage: Stage) -> Check:
        check = hand_over(stage)
        seen.append(stage.scheduler.taken)
        return check

    assert explore(scenario, delays=2, most=10_000) == len(seen)
    assert len({tuple(taken) for taken in seen}) == len(seen), "no order twice"
