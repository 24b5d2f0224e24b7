"""``hyper.http20.budget``: an allowance is spent, refills by the clock, and never overflows."""

from __future__ import annotations

from hyper.http20.budget import Budget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_budget_lasts_for_its_burst_and_no_longer() -> None:
    budget = Budget(3, 10, Clock())
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_time_refills_a_budget() -> None:
    clock = Clock()
    budget = Budget(3, 10, clock)
    for _ in range(3):
        budget.spend()
    clock.now += 0.25
    assert [budget.spend() for _ in range(3)] == [True, True, False]


def test_a_budget_never_holds_more_than_its_burst() -> None:
    clock = Clock()
    budget = Budget(2, 1000, clock)
    clock.now += 3600
    assert [budget.spend() for _ in range(3)] == [True, True, False]


def test_what_was_earned_counts_at_once() -> None:
    budget = Budget(2, 0, Clock())
    budget.spend()
    budget.spend()
    assert budget.spend(earned=1)
    assert not budget.spend()


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    clock = Clock()
    budget = Budget(2, 10, clock)
    budget.spend()
    clock.now -= 50
    assert budget.spend()
    assert not budget.spend()
