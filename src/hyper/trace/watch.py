"""The hook for programs: a ``Watch`` tells a function what happens on its connections."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from itertools import count
from typing import Any

from .connection import ConnectionTrace
from .events import Event
from .recording import print_safely

__all__ = ["Observed", "Watch"]


class Watch:
    """Tells a function what happens on connections, event by event.

        from hyper import HTTPConnection
        from hyper.trace import Watch

        connection = HTTPConnection("http2bin.org", trace=Watch(print))

    tell     called with each event (``hyper.trace.events``), in the order in which things happen
             on a connection
    secrets  True to see the values of fields that are hidden otherwise
    clock    seconds that only grow; the first time that it is asked is 0 in the events

    One ``Watch`` may see any number of connections, which their events tell apart. ``tell`` runs
    in whichever thread works on the connection, with the connection's lock held: it must not
    wait, nor call anything of that connection; with several connections it must be ready for
    several threads. What it raises is printed on stderr, and it is not called again: the
    connection goes on.
    """

    def __init__(
        self,
        tell: Callable[[Event], object],
        *,
        secrets: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = tell
        self._secrets = secrets
        self._clock = clock
        self._start: float | None = None
        self._numbers = count(1)
        self._only: ConnectionTrace | None = None
        self._broken = False

    def __call__(self, direction: str, data: bytes) -> None:
        """Octets that went over one connection, for who has them from somewhere else."""
        self.at(self.seconds(), direction, data)

    def at(self, seconds: float, direction: str, data: bytes) -> None:
        """The same with a time that somebody else took."""
        if self._only is None:
            self._only = self._connection(secure=False)
        self._only.at(seconds, direction, data)

    def observe(self, *, secure: bool) -> Observed:
        """For a connection that is about to be dialled: what tells of this one."""
        return Observed(self._connection(secure=secure), self.seconds)

    def seconds(self) -> float:
        """The time, as it is in events."""
        now = self._clock()
        if self._start is None:
            self._start = now
        return now - self._start

    def _connection(self, *, secure: bool) -> ConnectionTrace:
        return ConnectionTrace(
            self._tell, number=next(self._numbers), secrets=self._secrets, secure=secure
        )

    def _tell(self, event: Event) -> None:
        if self._broken:
            return
        try:
            self._told(event)
        except Exception:
            self._broken = True
            print_safely(
                "hyper: what was told of a connection raised this, and is told no more:\n"
                + traceback.format_exc().rstrip()
            )


class Observed:
    """One connection that is being watched, as the connection itself knows it."""

    def __init__(self, trace: ConnectionTrace, seconds: Callable[[], float]) -> None:
        self._trace = trace
        self._seconds = seconds

    def __call__(self, direction: str, data: bytes) -> None:
        self._trace.at(self._seconds(), direction, data)

    def note(self, what: str, *details: Any) -> None:
        """Something that is no octets; see ``ConnectionTrace.note``."""
        self._trace.note(self._seconds(), what, *details)
