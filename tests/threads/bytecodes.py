"""A word before each instruction of some modules, and after each call into C, in chosen threads.

By a trace and a profile function where Python has nothing better, which is before 3.12; since then
by ``sys.monitoring``, because a trace function misses the first run of each function there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, ClassVar

__all__ = ["Listener", "listening", "silence"]

#: Called with a word for what it is, the frame, the offset in its code, and for "returned", the
#: callable. The words are "start", "instruction" and "returned".
Listener = Callable[[str, FrameType, int, Any], None]


class _Tracing:
    """Before Python 3.12."""

    def __init__(self, ours: Callable[[CodeType], bool], listener: Listener) -> None:
        self.ours = ours
        self.listener = listener

    def start(self) -> None:
        sys.setprofile(self._profile)
        sys.settrace(self._trace)

    def stop(self) -> None:
        sys.settrace(None)
        sys.setprofile(None)

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_return" and self.ours(frame.f_code):
            self.listener("returned", frame, frame.f_lasti, argument)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not self.ours(frame.f_code):
            return None
        self.listener("start", frame, 0, None)
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._local

    def _local(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self.listener("instruction", frame, frame.f_lasti, None)
        return self._local


class _Monitoring:
    """Since Python 3.12. Events are on for all threads; one that is not meant drops them."""

    TOOL = 4
    here: ClassVar[dict[int, _Monitoring]] = {}
    codes: ClassVar[list[CodeType]] = []

    def __init__(self, ours: Callable[[CodeType], bool], listener: Listener) -> None:
        self.ours = ours
        self.listener = listener

    def start(self) -> None:
        if not self.codes:
            self._begin()
        self.here[threading.get_ident()] = self

    def stop(self) -> None:
        self.here.pop(threading.get_ident(), None)

    @classmethod
    def _begin(cls) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        events = monitoring.events
        monitoring.use_tool_id(cls.TOOL, "hyper's tests")
        monitoring.register_callback(cls.TOOL, events.PY_START, cls._start)
        monitoring.register_callback(cls.TOOL, events.INSTRUCTION, cls._instruction)
        monitoring.register_callback(cls.TOOL, events.C_RETURN, cls._returned)
        monitoring.register_callback(cls.TOOL, events.CALL, lambda *what: None)
        # Set for each function of ours alone: the rest of Python keeps its speed.
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] == "hyper" or name.endswith(".gated"):
                cls.codes += _codes(module)
        for code in cls.codes:
            monitoring.set_local_events(
                cls.TOOL, code, events.PY_START | events.INSTRUCTION | events.CALL
            )

    @classmethod
    def end(cls) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        for code in cls.codes:
            monitoring.set_local_events(cls.TOOL, code, 0)
        if cls.codes:
            monitoring.free_tool_id(cls.TOOL)
        cls.codes.clear()

    @classmethod
    def _tell(cls, what: str, code: CodeType, offset: int, argument: Any) -> None:
        me = cls.here.get(threading.get_ident())
        if me is not None and me.ours(code):
            frame: FrameType | None = sys._getframe(2)
            assert frame is not None
            me.listener(what, frame, offset, argument)

    @classmethod
    def _start(cls, code: CodeType, offset: int) -> None:
        cls._tell("start", code, offset, None)

    @classmethod
    def _instruction(cls, code: CodeType, offset: int) -> None:
        cls._tell("instruction", code, offset, None)

    @classmethod
    def _returned(cls, code: CodeType, offset: int, callee: object, first: object) -> None:
        cls._tell("returned", code, offset, callee)


def _codes(module: Any) -> Iterator[CodeType]:
    """The code of every function that is defined in a module, nested ones among them."""
    todo: list[Any] = list(vars(module).values())
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, CodeType):
            yield each
            todo += [const for const in each.co_consts if isinstance(const, CodeType)]
        elif isinstance(each, type):
            if each.__module__ == module.__name__:
                todo += vars(each).values()
        else:
            for name in ("fget", "fset", "__func__", "__wrapped__", "__code__"):
                inner = getattr(each, name, None)
                if inner is not None and getattr(each, "__module__", module.__name__) in (
                    module.__name__,
                    None,
                ):
                    todo.append(inner)


_Kind: Any = _Monitoring if sys.version_info >= (3, 12) else _Tracing


def silence() -> None:
    """Give Python its speed back, after the last that listened."""
    if _Kind is _Monitoring:
        _Monitoring.end()


@contextmanager
def listening(
    listener: Listener, files: Container[str], names: tuple[str, ...] = ()
) -> Iterator[Callable[[], None]]:
    """Tell of what this thread does in ``files``, or in functions whose names begin so.

    Gives a function that ends it early.
    """

    def ours(code: CodeType) -> bool:
        # What is raised in a finalizer goes nowhere: Python prints it and goes on.
        if code.co_name == "__del__":
            return False
        return code.co_filename in files or code.co_qualname.startswith(names)

    kind = _Kind(ours, listener)
    kind.start()
    try:
        yield kind.stop
    finally:
        kind.stop()
