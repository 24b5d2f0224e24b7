"""Allowances: so much at once, and so much a second after that."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Budget"]


class Budget:
    """A bucket of tokens for something that is legal in small numbers.

    The clock is the caller's, seconds that only grow; it is asked when a token is spent and
    never otherwise, so the core stays free of time (and a clock that stands still gives a
    fixed allowance).
    """

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float]) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._left: float = burst
        self._since = clock()

    def spend(self, earned: int = 0) -> bool:
        """Take one, after adding what was earned since; False when there is none left."""
        now = self._clock()
        refill = earned + max(now - self._since, 0.0) * self._per_second
        self._left = min(self._left + refill, self._burst) - 1
        self._since = now
        return self._left >= 0
