"""How long one request may take as a whole."""

from __future__ import annotations

from time import monotonic

__all__ = ["Patience"]


class Patience(float):
    """Seconds for each wait of a request that also has to be done by a certain instant.

    A float like any other timeout, but an instant plus this is never later than ``until``. So
    every wait of the request keeps to it without knowing of it, and requests that may take as
    long as they make progress, which is nearly all of them, pay nothing.

    total  seconds for the request as a whole, from now on
    until  the instant of ``time.monotonic`` at which they are over
    """

    __slots__ = ("total", "until")

    total: float
    until: float

    def __new__(cls, each: float | None, total: float) -> Patience:
        self = super().__new__(cls, total if each is None else each)
        self.total = total
        self.until = monotonic() + total
        return self

    def __radd__(self, instant: float) -> float:
        return min(instant + float(self), self.until)

    @property
    def over(self) -> bool:
        return monotonic() >= self.until
