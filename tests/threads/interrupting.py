"""Ctrl-C at every bytecode where CPython can deliver it, one after the other.

CPython runs signal handlers, and so raises KeyboardInterrupt, after a call into C, at the start of
a Python function, where a loop jumps back, and inside of a call into C that waits. Nowhere else:
``with lock:`` relies on that between its last instruction and the call that releases. Told of each
instruction and of each return from C (``bytecodes``), one can raise at every one of these points.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FrameType
from typing import Any

from .bytecodes import listening

__all__ = ["Interrupter"]


class _Map:
    """What the instructions of one function are to an interrupt, by their offsets.

    handlers  where an exception goes that is raised there
    calls     those that call, loop or begin: a signal is looked for at them
    exits     the calls that leave a ``with`` block: C code that releases before it looks
    """

    def __init__(self, code: CodeType) -> None:
        self.handlers: dict[int, int | None] = {}
        self.calls: set[int] = set()
        self.exits: set[int] = set()
        bytecode = dis.Bytecode(code)
        instructions = [each for each in bytecode if each.opname not in ("CACHE", "PRECALL")]
        for at, each in enumerate(instructions):
            handler = None
            for entry in bytecode.exception_entries:  # type: ignore[attr-defined]
                if entry.start <= each.offset < entry.end:
                    handler = entry.target
            self.handlers[each.offset] = handler
            name = each.opname
            jumps_back = "BACKWARD" in name and not name.endswith("NO_INTERRUPT")
            if name.startswith("CALL") or name in ("RESUME", "BEFORE_WITH") or jumps_back:
                self.calls.add(each.offset)
            before = instructions[max(at - 3, 0) : at]
            if (
                name == "CALL"
                and [(b.opname, b.argval) for b in before] == [("LOAD_CONST", None)] * 3
            ):
                self.exits.add(each.offset)


_map = cache(_Map)


class Interrupter:
    """Raises KeyboardInterrupt at the n-th point inside ``files``; counts the points.

    nth     from 1 on; 0 for none, to learn how many there are
    points  how many there were so far
    where   where it struck, for the messages of tests
    """

    def __init__(self, nth: int, files: Container[str], names: tuple[str, ...] = ()) -> None:
        self.nth = nth
        self.files = files
        self.names = names
        self.points = 0
        self.where = "nowhere"
        self.struck = False
        self._stop: Callable[[], None] = lambda: None
        # Where each frame was last, by its id: to hold frames would keep alive what they hold.
        self._last: dict[int, int] = {}

    @contextmanager
    def here(self) -> Iterator[None]:
        """Interrupt this thread, within the block."""
        with listening(self._hear, self.files, self.names) as self._stop:
            yield

    def _hear(self, what: str, frame: FrameType, offset: int, callee: Any) -> None:
        if what == "start":
            self._last.pop(id(frame), None)
            self._point(frame, "at the start")
        elif what == "returned":
            self._point(frame, f"after {getattr(callee, '__name__', callee)}")
        else:
            here = _map(frame.f_code)
            last = self._last.get(id(frame), -1)
            self._last[id(frame)] = offset
            if (offset in here.calls and offset not in here.exits) or (
                last in here.calls and here.handlers.get(last) == here.handlers.get(offset)
            ):
                self._point(frame, f"at offset {offset}")

    def _point(self, frame: FrameType, what: str) -> None:
        self.points += 1
        if self.points == self.nth:
            self.struck = True
            self.where = f"{what} in {frame.f_code.co_qualname}, line {frame.f_lineno}"
            # Once only: what is done on the way out is not to be interrupted again.
            self._stop()
            raise KeyboardInterrupt
