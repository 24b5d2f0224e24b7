"""The watcher behind --debug, --waterfall, --trace and --explain."""

from __future__ import annotations

import errno
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from ..trace.lines import FrameTrace
from ..trace.saving import save, suffix_of
from ..trace.timeline import Timeline
from .failing import CommandError, UsageError
from .paint import wants_colour

if TYPE_CHECKING:
    from ..sync.connection import HTTPConnection
    from .arguments import Options
    from .watching import Turn
    from .waterfall import Waterfall

__all__ = ["Pictures"]


class Pictures:
    """Looks on, and shows what was asked for: frames at once, the rest at the end.

    Raises UsageError for a --trace whose suffix says nothing, CommandError for one that cannot be
    written, both before anything is sent.
    """

    def __init__(self, options: Options) -> None:
        self._trace = options.trace
        self._explain = options.explain
        self._frames: FrameTrace | None = None
        if options.trace is not None:
            _check(options.trace)
        if options.debug:
            colours = wants_colour(sys.stderr, options.pretty)
            self._frames = FrameTrace(partial(print, file=sys.stderr), colours=colours)
        self._timeline: Timeline | None = None
        if options.trace is not None or options.explain or options.waterfall:
            also = None if self._frames is None else self._frames.show
            self._timeline = Timeline(also=also)
        self._waterfall = self._picture(options) if options.waterfall else None

    def _picture(self, options: Options) -> Waterfall:
        from .waterfall import Waterfall

        assert self._timeline is not None
        # It takes the place of the response, unless that is wanted as well.
        alone = takes_the_place(options)
        output = sys.stdout if alone else sys.stderr
        return Waterfall(
            self._timeline,
            output,
            live=not options.debug and (alone or not sys.stdout.isatty()),
            colours=wants_colour(output, options.pretty),
        )

    def connecting(self, connection: HTTPConnection, origin: str) -> None:
        connection.trace = self._frames if self._timeline is None else self._timeline.watch
        if self._waterfall is not None:
            self._waterfall.start()

    def asked(self, turn: Turn) -> None:
        """What the connection tells is enough."""

    answered = asked

    def ended(self, turn: Turn, error: BaseException | None) -> None:
        """The same."""

    def close(self) -> None:
        if self._waterfall is not None:
            self._waterfall.finish()
        if self._timeline is None:
            return
        if self._explain:
            from .explain import explain

            for line in explain(self._timeline):
                print(line, file=sys.stderr)
        if self._trace is not None:
            save(self._timeline, self._trace)


def takes_the_place(options: Options) -> bool:
    """Whether the waterfall is shown instead of the response: nothing else asks for that."""
    return (
        options.waterfall
        and options.printed is None
        and options.output is None
        and not options.verbose
        and not options.download
    )


def _check(path: str) -> None:
    try:
        suffix_of(path)
    except ValueError as error:
        raise UsageError(f"--trace: {error}") from None
    folder = os.path.dirname(path) or "."
    code = 0
    if os.path.isdir(path):
        code = errno.EISDIR
    elif not os.path.isdir(folder):
        code = errno.ENOENT
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        code = errno.EACCES
    if code:
        raise CommandError(f"--trace: {path!r} cannot be written: {os.strerror(code)}")
