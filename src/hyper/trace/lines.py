"""One connection as lines for people, and ``trace_for_connection``, which its environment asks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from .events import (
    Closed,
    Connected,
    Dialling,
    Event,
    Frame,
    Message,
    Piece,
    Resolved,
    Secured,
    Speaking,
    Unreadable,
)
from .recording import RecordTrace, print_safely
from .watch import Watch

__all__ = ["FrameTrace", "trace_for_connection"]

Trace = Callable[[str, bytes], object]

#: What has a line of its own; the rest is about the same.
_SHOWN: Final = (
    Closed,
    Connected,
    Dialling,
    Frame,
    Message,
    Piece,
    Resolved,
    Secured,
    Speaking,
    Unreadable,
)

_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_ARROWS: Final = {">": "\x1b[36m", "<": "\x1b[32m", "*": "\x1b[2m"}
_TROUBLE: Final = "\x1b[1;31m"
#: For streams, in turn; the connection's own frames have none.
_STREAMS: Final = tuple(f"\x1b[{code}m" for code in (34, 35, 33, 36, 32, 94, 95, 93, 96, 92))


class FrameTrace(Watch):
    """Connections as lines: seconds, arrow, stream, frame, octets, flags, content.

    write    called with each line, without its end
    clock    seconds; what comes first comes at 0
    colours  with the escapes of a terminal

    Give it to a connection as ``trace=``. Or call it with ``">"`` and what was sent, ``"<"`` and
    what was received, in pieces of any size. Over HTTP/1.1 the lines are heads and pieces of
    bodies; octets that are neither protocol are said to be so, once.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        *,
        colours: bool = False,
    ) -> None:
        super().__init__(self.show, clock=clock)
        self._write = write
        self._colours = colours

    def show(self, event: Event) -> None:
        """Write the line of an event, also of one that another ``Watch`` saw, if it has one."""
        if not isinstance(event, _SHOWN):
            return
        text = str(event)
        # The first connection is the only one mostly.
        which = f"({event.connection}) " if event.connection > 1 else ""
        if not self._colours:
            self._write(f"{event.at:8.4f} {event.arrow} {which}{text}")
            return
        arrow = f"{_ARROWS[event.arrow]}{event.arrow}{_RESET}"
        self._write(f"{_DIM}{event.at:8.4f}{_RESET} {arrow} {which}{_coloured(text, event)}")


def _coloured(text: str, event: Event) -> str:
    if isinstance(event, Frame):
        if event.code > 0:
            return f"{_TROUBLE}{text}{_RESET}"
        colour = _STREAMS[(event.stream - 1) // 2 % len(_STREAMS)] if event.stream else ""
        # The stream and the type; what else is there stays quiet.
        head, rest = text[:17], text[17:]
        return f"{colour}\x1b[1m{head}{_RESET}{rest}"
    if isinstance(event, Message | Piece):
        return f"{_STREAMS[(event.stream - 1) % len(_STREAMS)]}{text[:3]}{_RESET}{text[3:]}"
    return f"{_DIM}{text}{_RESET}"


def trace_for_connection() -> Trace | None:
    """The trace that the environment or the logging asks of a new connection, if any.

    Raises OSError when ``HYPER_TRACE`` names a file that cannot be opened.
    """
    lines: list[Callable[[str], object]] = []
    recording: RecordTrace | None = None
    target = os.environ.get("HYPER_TRACE")
    if target == "-":
        lines.append(print_safely)
    elif target:
        try:
            recording = RecordTrace(target)
        except OSError as error:
            what = f"HYPER_TRACE names a file that cannot be written: {error.strerror}"
            raise OSError(error.errno, what, target) from None
    # Whoever wants a log has imported logging; nobody else should pay for it.
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger("hyper.frames")
        if logger.isEnabledFor(logging.DEBUG):
            lines.append(logger.debug)
    if not lines:
        return recording

    def write(line: str) -> None:
        for each in lines:
            each(line)

    shown = FrameTrace(write)
    return shown if recording is None else _Both(shown, recording)


class _Both:
    """Lines and a recording of one connection."""

    def __init__(self, shown: FrameTrace, recording: RecordTrace) -> None:
        self._shown: Callable[[str, bytes], object] = shown
        self._observe = shown.observe
        self._recording = recording

    def __call__(self, direction: str, data: bytes) -> None:
        self._shown(direction, data)
        self._recording(direction, data)

    def observe(self, *, secure: bool) -> _Both:
        self._shown = observed = self._observe(secure=secure)
        self.note = observed.note
        return self
