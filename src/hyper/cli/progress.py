"""How far a download has come: one line on a terminal that is drawn anew, or nothing."""

from __future__ import annotations

import os
from time import monotonic
from typing import Final, TextIO

__all__ = ["Progress", "amount"]

#: Seconds between two drawings.
INTERVAL: Final = 0.1
#: Signs of the bar itself, at most and at least.
WIDEST: Final = 30
NARROWEST: Final = 5


class Progress:
    """A bar for ``total`` octets, or a count where nobody knows the total.

    done  octets that had been there before; they count as done, and not for the speed
    """

    def __init__(self, output: TextIO, total: int | None, done: int = 0) -> None:
        self.output = output
        self.total = total
        self.done = done
        self.shown = output.isatty()
        self.began = monotonic()
        self._before = done
        self._drawn_at = 0.0

    def add(self, octets: int) -> None:
        """So many more are there."""
        self.done += octets
        now = monotonic()
        if self.shown and now - self._drawn_at >= INTERVAL:
            self._drawn_at = now
            self._draw(self.line(now - self.began))

    def finish(self) -> None:
        """Draw it for the last time, and leave the line."""
        if self.shown:
            self._draw(self.line(monotonic() - self.began))
            self.output.write("\n")
            self.output.flush()

    def line(self, elapsed: float) -> str:
        """What is to be seen after so many seconds, in the width that there is."""
        speed = self._speed(elapsed)
        said = f"{amount(self.done)}"
        if self.total is None:
            return f"{said}  {amount(speed)}/s"
        share = min(self.done / self.total, 1.0) if self.total else 1.0
        said = f"{share:4.0%}  {said} of {amount(self.total)}  {amount(speed)}/s"
        if speed and self.done < self.total:
            said += f"  {_clock((self.total - self.done) / speed)} left"
        width = min(WIDEST, self._columns() - len(said) - 4)
        if width < NARROWEST:
            return said
        filled = round(width * share)
        return f"[{'=' * filled}{' ' * (width - filled)}] {said}"

    def summary(self) -> str:
        """What it came to."""
        elapsed = monotonic() - self.began
        got = self.done - self._before
        return f"{amount(got)} in {elapsed:.2f} s, {amount(self._speed(elapsed))}/s"

    def _speed(self, elapsed: float) -> float:
        return (self.done - self._before) / elapsed if elapsed > 0 else 0.0

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self.output.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def _draw(self, line: str) -> None:
        # Back to the beginning, and away with what the last one had more.
        self.output.write(f"\r{line[: self._columns() - 1]}\x1b[K")
        self.output.flush()


def amount(octets: float) -> str:
    """Octets as people read them: ``1.5 MB``, in thousands."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 999.5:
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.3g} {unit}"
        octets /= 1000
    return f"{octets:.4g} TB"


def _clock(seconds: float) -> str:
    whole = min(int(seconds + 0.5), 359_999)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
