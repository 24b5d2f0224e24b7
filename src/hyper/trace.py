"""What a connection says, frame by frame (RFC 9113 §4), for people; and octet by octet, for tests.

``FrameTrace`` turns the octets of both directions into one line per frame. ``RecordTrace`` keeps
the octets themselves in a file, which ``python -m hyper.trace FILE`` turns into the same lines
later. Either is a callable ``(direction, data)`` to be given to a connection as ``trace=``.

The program need not be changed for it: ``HYPER_TRACE=-`` prints the lines on stderr,
``HYPER_TRACE=FILE`` records into a file, and where the logger ``hyper`` is enabled for DEBUG the
lines go to ``hyper.frames``. Lines hide what is secret; a recording is everything that was said,
**secrets included**.

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
from functools import partial
from struct import iter_unpack, unpack_from
from typing import Any, Final, NamedTuple

from .hpack import Decoder
from .hpack.exceptions import HPACKError
from .http20 import frames
from .http20.exceptions import ErrorCode
from .http20.frames import FLAG_NAMES, FRAME_HEAD_SIZE, FRAME_NAMES, PREFACE, read_frame_head
from .http20.settings import Setting

__all__ = ["FrameTrace", "Record", "RecordTrace", "read_recording", "trace_for_connection"]

Trace = Callable[[str, bytes], None]

#: Fields whose values are nobody's business but the two ends' (RFC 9110 §11, RFC 6265).
SECRET: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))

#: Octets of a payload that are kept to be read; more would be no frame a reader can use.
MAX_PAYLOAD: Final = 262_144
#: Characters of a field's value, or of a GOAWAY's debug data, in a line.
MAX_SHOWN: Final = 200

HEADING: Final = "hyper recording 1: all octets of connections, secrets included\n"


class FrameTrace:
    """One connection as lines: seconds, arrow, stream, frame, octets, flags, content.

    write  called with each line, without its end
    clock  seconds; the first octets come at 0

    Call it with ``">"`` and what was sent, ``"<"`` and what was received, in pieces of any size.
    Never raises for what the octets are: where they are no HTTP/2 it says so, once.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._start: float | None = None
        ours, theirs = _Direction(">", PREFACE), _Direction("<", b"")
        ours.other, theirs.other = theirs, ours
        self._directions = {">": ours, "<": theirs}

    def __call__(self, direction: str, data: bytes) -> None:
        now = self._clock()
        if self._start is None:
            self._start = now
        self.at(now - self._start, direction, data)

    def at(self, seconds: float, direction: str, data: bytes) -> None:
        """The same with a time that somebody else took."""
        for text in self._directions[direction].lines(data):
            self._write(f"{seconds:8.4f} {direction} {text}")


class _Direction:
    """Octets of one direction, as far as they have come."""

    other: _Direction

    def __init__(self, arrow: str, preface: bytes) -> None:
        self._arrow = arrow
        #: What is still to come of the client's preface (§3.4).
        self._preface = preface
        self._started = False
        #: Nothing here can be read any more.
        self._lost = False
        self._inbox = bytearray()
        #: Octets of a frame's payload that are dropped as they come.
        self._skip = 0
        self._decoder: Decoder | None = Decoder(max_list_size=2**24, max_fields=100_000)
        #: A field block that goes on in CONTINUATION.
        self._block = bytearray()

    def allow_table(self, size: int) -> None:
        """The other side lets this one use a compression table of ``size`` octets (§4.3.1)."""
        if self._decoder and size > self._decoder.max_table_size:
            self._decoder.max_table_size = min(size, 2**24)

    def lines(self, data: bytes) -> Iterator[str]:
        if self._lost:
            return
        self._inbox += data
        if self._preface:
            part = self._inbox[: len(PREFACE)]
            if not PREFACE.startswith(part):
                yield self._lose()
                return
            if len(part) < len(PREFACE):
                return
            del self._inbox[: len(PREFACE)]
            self._preface = b""
            yield "preface"
        while True:
            if self._skip:
                dropped = min(self._skip, len(self._inbox))
                del self._inbox[:dropped]
                self._skip -= dropped
            if self._skip or len(self._inbox) < FRAME_HEAD_SIZE:
                return
            length, kind, flags, stream_id = read_frame_head(bytes(self._inbox[:FRAME_HEAD_SIZE]))
            if not self._started and (kind != frames.SETTINGS or length > MAX_PAYLOAD):
                yield self._lose()
                return
            # Of DATA only the pad length is told; nobody wants to keep 16 MiB for it.
            wanted = min(length, 1) if kind == frames.DATA else length
            if wanted > MAX_PAYLOAD:
                wanted = 0
            if len(self._inbox) < FRAME_HEAD_SIZE + wanted:
                return
            self._started = True
            payload = bytes(self._inbox[FRAME_HEAD_SIZE : FRAME_HEAD_SIZE + wanted])
            del self._inbox[: FRAME_HEAD_SIZE + wanted]
            self._skip = length - wanted
            yield self._line(length, kind, flags, stream_id, payload)

    def _lose(self) -> str:
        self._lost = True
        start = bytes(self._inbox[:40])
        self._inbox.clear()
        return f"not HTTP/2 from here on: {_shown(start)}"

    def _line(self, length: int, kind: int, flags: int, stream_id: int, payload: bytes) -> str:
        name = FRAME_NAMES.get(kind, f"unknown({kind:#04x})")
        known = FLAG_NAMES.get(kind, {})
        words = [text for bit, text in known.items() if flags & bit]
        rest = flags & ~sum(known)
        if rest:
            words.append(f"{rest:#04x}")
        try:
            content = self._content(kind, flags, length, payload)
        except ValueError as error:
            content = f"unreadable: {error}"
        parts = [f"{stream_id:3} {name:<13} {length:5}", "|".join(words), content]
        return "  ".join(part for part in parts if part)

    def _content(self, kind: int, flags: int, length: int, payload: bytes) -> str:
        """What a payload says; ValueError if it says it wrongly."""
        if kind == frames.DATA:
            return f"padding={payload[0]}" if flags & frames.PADDED and payload else ""
        if len(payload) < length:
            raise ValueError("too long to keep")
        if kind in (frames.HEADERS, frames.PUSH_PROMISE, frames.CONTINUATION):
            return self._fields(kind, flags, payload)
        if kind == frames.SETTINGS:
            _demand(length % 6 == 0, "a multiple of 6 octets")
            return " ".join(self._setting(*entry) for entry in iter_unpack(">HL", payload))
        if kind == frames.RST_STREAM:
            _demand(length == 4, "4 octets")
            return ErrorCode.describe(_word(payload))
        if kind == frames.WINDOW_UPDATE:
            _demand(length == 4, "4 octets")
            return f"+{_word(payload) & 0x7FFF_FFFF}"
        if kind == frames.GOAWAY:
            _demand(length >= 8, "8 octets or more")
            debug = f" {_shown(payload[8:])}" if length > 8 else ""
            last_id = _word(payload) & 0x7FFF_FFFF
            return f"last={last_id} {ErrorCode.describe(_word(payload, 4))}{debug}"
        # PING, PRIORITY and what is unknown: octets as they are.
        return payload.hex() if length <= 16 else f"{payload[:16].hex()}..."

    def _setting(self, setting: int, value: int) -> str:
        if setting == Setting.HEADER_TABLE_SIZE:
            self.other.allow_table(value)
        try:
            return f"{Setting(setting).name}={value}"
        except ValueError:
            return f"{setting:#04x}={value}"

    def _fields(self, kind: int, flags: int, payload: bytes) -> str:
        start = ""
        if kind != frames.CONTINUATION and flags & frames.PADDED:
            _demand(bool(payload) and payload[0] < len(payload), "room for its padding")
            start = f"padding={payload[0]} "
            payload = payload[1 : len(payload) - payload[0]]
        if kind == frames.HEADERS and flags & frames.PRIORITY_FLAG:
            _demand(len(payload) >= 5, "room for its priority")
            payload = payload[5:]
        if kind == frames.PUSH_PROMISE:
            _demand(len(payload) >= 4, "room for its stream id")
            start += f"promises={_word(payload) & 0x7FFF_FFFF} "
            payload = payload[4:]
        if kind != frames.CONTINUATION:
            self._block.clear()
        if len(self._block) <= MAX_PAYLOAD:
            self._block += payload
        if not flags & frames.END_HEADERS:
            return f"{start}(to be continued)"
        block = bytes(self._block)
        self._block.clear()
        return start + self._decoded(block)

    def _decoded(self, block: bytes) -> str:
        if self._decoder is None:
            return "(fields unreadable since an earlier block was)"
        try:
            fields = self._decoder.decode(block)
        except HPACKError as error:
            # The table is the whole connection's: nothing after this can be trusted (§4.3).
            self._decoder = None
            raise ValueError(str(error)) from error
        return " ".join(f"{_shown(name, quoted=False)}={_value(name, v)}" for name, v in fields)


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"the frame wants {what}")


def _word(payload: bytes, at: int = 0) -> int:
    word: int = unpack_from(">L", payload, at)[0]
    return word


def _value(name: bytes, value: bytes) -> str:
    if name.lower() in SECRET:
        return f"<{len(value)} octets hidden>"
    return _shown(value, quoted=b" " in value)


def _shown(octets: bytes, quoted: bool = True) -> str:
    """Octets of a stranger on one line: escaped where they are not plain, and bounded."""
    text = octets[:MAX_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
    if quoted:
        text = '"' + text.replace('"', '\\"') + '"'
    return text if len(octets) <= MAX_SHOWN else f"{text}... ({len(octets)} octets)"


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
            # Opened for each line, since a connection has no last octet that it would know of;
            # written at once, so that threads and processes may share a file.
            with open(self._path, "ab", buffering=0) as file:
                file.write(line.encode())
        except OSError as error:
            self._whole = False
            _print(f"hyper: the recording of {self._connection} ends here: {error}")


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


def trace_for_connection() -> Trace | None:
    """The trace that the environment or the logging asks of a new connection, if any.

    Raises OSError when ``HYPER_TRACE`` names a file that cannot be opened.
    """
    traces: list[Trace] = []
    target = os.environ.get("HYPER_TRACE")
    if target == "-":
        traces.append(FrameTrace(_print))
    elif target:
        try:
            traces.append(RecordTrace(target))
        except OSError as error:
            what = f"HYPER_TRACE names a file that cannot be written: {error.strerror}"
            raise OSError(error.errno, what, target) from None
    # Whoever wants a log has imported logging; nobody else should pay for it.
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        logger = logging.getLogger("hyper.frames")
        if logger.isEnabledFor(logging.DEBUG):
            traces.append(FrameTrace(logger.debug))
    if len(traces) < 2:
        return traces[0] if traces else None

    def both(direction: str, data: bytes) -> None:
        for trace in traces:
            trace(direction, data)

    return both


def _print(line: str) -> None:
    # A terminal that is gone must not end a request.
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Print the frames of a recording."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m hyper.trace FILE", file=sys.stderr)
        return 1
    shown: dict[str, FrameTrace] = {}
    try:
        with open(arguments[0], encoding="ascii") as file:
            for connection, seconds, direction, data in read_recording(file):
                if connection not in shown:
                    shown[connection] = FrameTrace(partial(print, connection))
                shown[connection].at(seconds, direction, data)
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; the interpreter's own flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        print(f"hyper.trace: error: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
