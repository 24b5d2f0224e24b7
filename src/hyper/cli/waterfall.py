"""The waterfall on a terminal, drawn while streams run; anywhere else, once they have run."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from typing import Final, TextIO

from ..trace.drawing import ASCII, waterfall, without_colours
from ..trace.timeline import Timeline

__all__ = ["Waterfall"]

#: Seconds between two pictures.
TICK: Final = 0.1
#: Columns where there is no terminal to ask.
WIDTH: Final = 100


class Waterfall:
    """Draws a timeline on ``output``, live if that is a terminal and ``live``.

    ``start`` begins to draw; ``finish`` draws the last picture, which stays. What cannot be
    written is not drawn: the requests go on.
    """

    def __init__(
        self, timeline: Timeline, output: TextIO, *, live: bool = True, colours: bool = False
    ) -> None:
        self.timeline = timeline
        self.output = output
        self.colours = colours
        self.live = live and output.isatty()
        self._drawn: list[int] = []  # columns of each line of the last picture
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Draw from now on, in a thread of its own; called twice, it does nothing more."""
        if self.live and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hyper-waterfall", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Stop, and leave the last picture."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
        self.draw(last=True)

    def _run(self) -> None:
        while not self._over.wait(TICK):
            self.draw()

    def draw(self, *, last: bool = False) -> None:
        """One picture, in place of the one before."""
        columns, rows = shutil.get_terminal_size((WIDTH, 24))
        terminal = self.output.isatty()
        if not last:
            with self.timeline.lock:
                # Nothing may have happened since the last picture but that time went by.
                self.timeline.now = max(self.timeline.now, self.timeline.watch.seconds())
        lines = waterfall(
            self.timeline,
            # Not the last column, where some terminals break the line at once.
            width=columns - 1 if terminal else WIDTH,
            rows=None if last or not terminal else max(rows - 1, 4),
            colours=self.colours,
        )
        # Terminals that have become narrower broke the lines that they show.
        height = sum(max(1, -(-drawn // max(columns, 1))) for drawn in self._drawn)
        back = f"\x1b[{height}A\r\x1b[J" if height else ""
        self._drawn = [] if last else [len(without_colours(line)) for line in lines]
        self._write(back + "".join(f"{line}\n" for line in lines))

    def _write(self, text: str) -> None:
        encoding = self.output.encoding or "ascii"
        try:
            text.encode(encoding)
        except UnicodeError:
            text = text.translate(ASCII)
            text = text.encode(encoding, "replace").decode(encoding)
        with suppress(OSError, ValueError):
            self.output.write(text)
            self.output.flush()
