"""Every octet of a connection in a file, and back (``HYPER_TRACE=FILE``).

A recording is text. Its first line says what it is; each further one is
``CONNECTION SECONDS DIRECTION HEX``: a number that tells this connection from others, seconds since
it began, ``>`` for what we sent or ``<`` for what we received, and the octets.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

__all__ = ["Record", "RecordTrace", "print_safely", "read_recording"]

HEADING: Final = "hyper recording 1: all octets of connections, secrets included\n"


class RecordTrace:
    """Every octet of a connection, appended to a file; **secrets included**.

    The file is made for its owner's eyes only. Raises OSError when it cannot be opened. When it
    cannot be written later, the recording ends and stderr says so; the connection goes on.
    """

    _numbers = itertools.count(1)

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._start = clock()
        self._connection = f"{os.getpid()}.{next(self._numbers)}"
        self._whole = True
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab", buffering=0) as file:
            if not file.tell():
                file.write(HEADING.encode())

    def __call__(self, direction: str, data: bytes) -> None:
        seconds = self._clock() - self._start
        line = f"{self._connection} {seconds:.6f} {direction} {data.hex()}\n"
        if not self._whole:
            return
        try:
            # Opened for each line, since a connection has no last octet that it would know of. Its
            # buffer hands a line on at once, so that threads and processes may share a file, and
            # sees to it that all of it is written, or says so.
            with open(self._path, "ab") as file:
                file.write(line.encode())
        except OSError as error:
            self._whole = False
            print_safely(f"hyper: the recording of {self._connection} ends here: {error}")


class Record(NamedTuple):
    """One piece of a recording.

    connection  tells the connections of a file apart
    seconds     since that connection began
    direction   ``">"`` sent, ``"<"`` received
    data        the octets
    """

    connection: str
    seconds: float
    direction: str
    data: bytes


def read_recording(lines: Iterable[str]) -> Iterator[Record]:
    """The pieces of a recording in order. Raises ValueError for lines that are none."""
    for number, line in enumerate(lines, 1):
        if number == 1 and line == HEADING:
            continue
        try:
            connection, seconds, direction, *octets = line.split()
            if number == 1 or direction not in ("<", ">") or len(octets) > 1:
                raise ValueError
            yield Record(connection, float(seconds), direction, bytes.fromhex("".join(octets)))
        except ValueError:
            raise ValueError(
                f"line {number} is not of a recording; HYPER_TRACE=FILE makes them"
            ) from None


def print_safely(line: str) -> None:
    """A line on stderr, if there is one: a terminal that is gone must not end a request."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr)
