"""What went wrong, in one line for people and one number for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = [
    "ERROR",
    "STATUS_CODES",
    "TIMEOUT",
    "TOO_MANY_REDIRECTS",
    "CommandError",
    "UsageError",
    "complain",
    "one_line",
    "reason",
    "said_by",
    "warn",
    "without_warnings",
]

ERROR: Final = 1
TIMEOUT: Final = 2
TOO_MANY_REDIRECTS: Final = 6

#: With --check-status: the exit code by the first digit of the status.
STATUS_CODES: Final = {3: 3, 4: 4, 5: 5}


class UsageError(ValueError):
    """The command line says nothing that can be asked; the message says what to write."""


class CommandError(Exception):
    """What was asked cannot be done, and it is nobody's protocol that is broken.

    code  the exit code
    """

    def __init__(self, message: str, code: int = ERROR) -> None:
        super().__init__(message)
        self.code = code


def one_line(text: str) -> str:
    """What may stand on a terminal: no line ends, no controls, whoever wrote it."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def reason(error: BaseException) -> str:
    """What an error says, without the number that the system has for it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def said_by(error: BaseException) -> str:
    """The same, with the file that it is about."""
    said = reason(error)
    if isinstance(error, OSError) and error.filename and str(error.filename) not in said:
        return f"{said}: {error.filename}"
    return said


def complain(error: BaseException) -> None:
    """Say what went wrong, in one line on stderr."""
    _say(f"hyper: error: {said_by(error) or type(error).__name__}")


#: Whether ``warn`` says anything.
_warning = True


def warn(text: str) -> None:
    """Say in one line on stderr what is worth knowing, and no error."""
    if _warning:
        _say(f"hyper: {text}")


@contextmanager
def without_warnings(without: bool) -> Iterator[None]:
    """Have ``warn`` say nothing within, as -qq wants, if ``without``."""
    global _warning
    _warning = not without
    try:
        yield
    finally:
        _warning = True


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more, so nobody need know
        print(one_line(text), file=sys.stderr)
