"""A terminal of our own to run the command on, as somebody who sits there sees it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

__all__ = ["Terminal", "plain"]

#: Seconds after which we give up waiting for what should be seen.
PATIENCE = 30.0


def plain(text: str) -> str:
    """Text without its colours."""
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", text)


class Terminal:
    """The command on a terminal of 80 columns: its input, output and errors.

    code  the exit code, once it has ended
    seen  all that was printed, line ends as one sign
    """

    def __init__(
        self, words: Iterable[str], variables: dict[str, str] | None = None, columns: int = 80
    ) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
        }
        environment |= {"TERM": "xterm", "PYTHONIOENCODING": "utf-8", **(variables or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hyper", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: _own(theirs),
        )
        os.close(theirs)
        self._octets = b""
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    @property
    def seen(self) -> str:
        return self._octets.decode(errors="replace").replace("\r\n", "\n")

    def until(self, there: Callable[[str], object]) -> str:
        """Read until something is to be seen; fail if it does not come."""
        deadline = time.monotonic() + PATIENCE
        while not there(self.seen):
            assert time.monotonic() < deadline, f"still not there in {self.seen!r}"
            assert self._read(), f"the command ended, and printed {self.seen!r}"
        return self.seen

    def end(self) -> str:
        """Read until the command ends; all that it printed."""
        while self._read():
            pass
        self.code = self.process.wait(PATIENCE)
        return self.seen

    def resize(self, columns: int) -> None:
        """Make it so wide from now on."""
        termios.tcsetwinsize(self._ours, (24, columns))

    def type(self, text: str) -> None:
        """Press keys; ``\\x03`` is Ctrl-C."""
        os.write(self._ours, text.encode())

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE)
        if not ready:
            raise AssertionError(f"nothing for long; so far {self.seen!r}")
        octets = b""
        with contextlib.suppress(OSError):  # Linux says EIO at the end
            octets = os.read(self._ours, 65_536)
        self._octets += octets
        return bool(octets)


def _own(descriptor: int) -> None:
    """Make it the terminal that Ctrl-C comes from."""
    import fcntl

    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
