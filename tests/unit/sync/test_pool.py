"""One connection for everybody who goes to the same place."""

from __future__ import annotations

import os
import threading
from collections import deque
from time import sleep
from typing import Any

import pytest

from hyper.sync import pool as module
from hyper.sync.pool import Pool, Shared, has_gone

from ...threads.forking import child_gets_through

PLACE = ("example.org", 443)


class Line:
    """As much of a pump as a pool looks at."""

    def __init__(self) -> None:
        self.over: Exception | None = None
        self.protocol = self
        self.accepting = True
        self.closed = 0

    def wait(self, exchange: Any, ready: Any, deadline: float | None) -> bool:
        assert deadline == 0.0, "this must not wait"
        return bool(ready(exchange))

    def close(self) -> None:
        self.closed += 1


def line() -> Any:
    return Line()


def test_the_first_one_dials_and_the_others_join() -> None:
    pool, pump = Pool(), line()
    assert pool.join(PLACE, None) is None
    first = pool.add(PLACE, pump)
    second = pool.join(PLACE, None)
    assert second is not None
    assert second is first
    assert second.pump == pump
    pool.leave(first)
    assert pump.closed == 0
    pool.leave(second)
    assert pump.closed == 1
    assert pool.join(PLACE, None) is None, "nobody holds it any more"


def test_other_places_have_nothing_to_do_with_it() -> None:
    pool = Pool()
    assert pool.join(PLACE, None) is None
    assert pool.join(("other.example", 443), 0.01) is None


def test_who_comes_while_somebody_dials_waits() -> None:
    pool, pump = Pool(), line()
    assert pool.join(PLACE, None) is None
    joined: deque[Any] = deque()
    threads = [
        threading.Thread(target=lambda: joined.append(pool.join(PLACE, 5))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    sleep(0.05)
    assert not joined
    shared = pool.add(PLACE, pump)
    for thread in threads:
        thread.join(5)
    assert list(joined) == [shared] * 3
    assert shared.users == 4


def test_one_of_those_who_wait_tries_next() -> None:
    pool = Pool()
    assert pool.join(PLACE, None) is None
    joined: deque[Any] = deque()
    threads = [
        threading.Thread(target=lambda: joined.append(pool.join(PLACE, 5))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while len(pool._shared[PLACE].gates) < 2:
        sleep(0.001)
    pool.refuse(PLACE, for_good=False)
    while not joined:
        sleep(0.001)
    sleep(0.02)
    assert list(joined) == [None], "the other one waits for it"
    shared = pool.add(PLACE, line())
    for thread in threads:
        thread.join(5)
    assert list(joined) == [None, shared]


def test_waiting_has_its_time() -> None:
    pool = Pool()
    assert pool.join(PLACE, None) is None
    with pytest.raises(TimeoutError, match=r"more than 0\.02 s"):
        pool.join(PLACE, 0.02)


def test_where_nothing_can_be_shared_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool()
    assert pool.join(PLACE, None) is None
    pool.refuse(PLACE, for_good=True)
    assert pool.join(PLACE, 0.01) is None
    assert pool.join(PLACE, 0.01) is None
    # A server that has learnt it since is shared after all.
    shared = pool.add(PLACE, line())
    assert pool.join(PLACE, None) is shared
    pool.refuse(PLACE, for_good=False)
    assert pool.join(PLACE, None) is shared, "what is there does not go away by that"
    monkeypatch.setattr(module, "MAX_REFUSALS", 2)
    for number in range(4):
        pool.refuse(number, for_good=True)
    assert len(pool._refusals) <= 2


def test_a_second_connection_takes_the_place_of_the_first() -> None:
    pool, old, new = Pool(), line(), line()
    pool.refuse(PLACE, for_good=True)
    first, second = pool.add(PLACE, old), pool.add(PLACE, new)
    pool.leave(first)
    assert (old.closed, new.closed) == (1, 0)
    assert pool.join(PLACE, None) is second


@pytest.mark.parametrize("dead", [True, False])
def test_one_that_has_ended_is_not_joined(dead: bool) -> None:
    pool, pump = Pool(), line()
    held = pool.add(PLACE, pump)
    if dead:
        pump.over = OSError()
    else:
        pump.accepting = False
    assert pool.join(PLACE, None) is None
    assert pump.closed == 0, "somebody may still be reading from it"
    fresh = pool.add(PLACE, line())
    pool.leave(held)
    assert pump.closed == 1
    assert pool.join(PLACE, None) is fresh


def test_what_the_garbage_collector_found_is_let_go_of_by_the_next_one() -> None:
    pool, pump = Pool(), line()
    pool.dropped.append(pool.add(PLACE, pump))
    assert pool.join(PLACE, None) is None
    assert pump.closed == 1


class Contested(deque[Shared]):
    """Has always something to see, which another thread takes first."""

    def __bool__(self) -> bool:
        return True


def test_another_thread_may_take_first_what_was_dropped() -> None:
    pool = Pool()
    pool.dropped = Contested()
    assert pool.join("here", 1) is None


def test_an_error_that_looking_meets_counts() -> None:
    class Failing(Line):
        def wait(self, exchange: Any, ready: Any, deadline: float | None) -> bool:
            self.over = OSError()
            return False

    pump: Any = Failing()
    assert has_gone(pump)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_the_child_of_a_fork_begins_with_nothing() -> None:
    pool, pump = Pool(), line()
    pool.add(PLACE, pump)
    pool.join("dialling", None)
    with pool._lock:  # as another thread of the parent may have it
        assert child_gets_through(
            lambda: pool.join(PLACE, 0.1) is None and pool.join("dialling", 0.1) is None
        )
    assert pool.join(PLACE, None) is not None


def test_what_a_fork_does_to_every_pool() -> None:
    """The same without a fork, since nothing can look into its child."""
    pool = Pool()
    lock = pool._lock
    pool.add(PLACE, line())
    module._drop_inherited()
    assert pool._lock is not lock
    assert pool.join(PLACE, 0.1) is None


def test_forgetting_twice_harms_nobody() -> None:
    pool = Pool()
    shared = pool.add(PLACE, line())
    pool._forget(shared)
    pool._forget(shared)
    assert pool.join(PLACE, None) is None
