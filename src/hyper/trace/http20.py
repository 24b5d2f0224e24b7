"""Octets of one direction of HTTP/2 into frames, for whoever looks on (RFC 9113 §4).

Lenient where a protocol must be strict: what is wrong is called so, and looked past.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import iter_unpack, unpack_from
from typing import Final, NamedTuple

from ..hpack import Decoder
from ..hpack.exceptions import HPACKError
from ..http20 import frames
from ..http20.exceptions import ErrorCode
from ..http20.frames import (
    FLAG_NAMES,
    FRAME_HEAD_SIZE,
    FRAME_NAMES,
    LOW_31_BITS,
    PREFACE,
    read_frame_head,
)
from ..http20.limits import DEFAULT_WINDOW
from ..http20.settings import Setting
from .events import Fields, shown

__all__ = ["FrameReader", "SeenFrame"]

#: Octets of a payload that are kept to be read; more would be no frame a reader can use.
MAX_PAYLOAD: Final = 262_144
#: Streams whose windows are known at once; above that the oldest is forgotten.
MAX_STREAMS: Final = 10_000
#: Of a field list that is decoded to be shown, the octets, counted as by a decoder, and the fields:
#: far above what the two ends accept, so that who looks on is not the first to give up.
MAX_LIST_SIZE: Final = 2**24
MAX_FIELDS: Final = 100_000
#: Octets of a compression table, whatever one end allows the other.
MAX_TABLE_SIZE: Final = 2**24
#: SETTINGS that wait for their acknowledgement; of more than that the oldest are forgotten.
MAX_SETTINGS: Final = 100


class SeenFrame(NamedTuple):
    """A frame as it was read; see ``events.Frame`` for what the names mean."""

    kind: int
    name: str
    stream: int
    size: int
    flags: tuple[str, ...]
    content: str = ""
    code: int = -1
    value: int = -1
    fields: Fields | None = None
    plain: int = 0
    coded: int = 0
    windows: tuple[int | None, int] | None = None
    end_stream: bool = False
    body: int = 0


class FrameReader:
    """Octets of one direction, as far as they have come.

    lost   nothing more can be read here
    other  the reader of the other direction, whose SETTINGS and WINDOW_UPDATEs count here
    """

    other: FrameReader

    def __init__(self, preface: bytes = b"") -> None:
        #: What is still to come of the client's preface (§3.4).
        self._preface = preface
        self._started = False
        self.lost = False
        self._inbox = bytearray()
        #: Octets of a frame's payload that are dropped as they come.
        self._skip = 0
        self._decoder: Decoder | None = Decoder(max_list_size=MAX_LIST_SIZE, max_fields=MAX_FIELDS)
        #: A field block that goes on in CONTINUATION: its octets, and whether it ends the stream.
        self._block = bytearray()
        self._ends = False
        self._promised = -1
        # What this direction may still send as DATA (§6.9).
        self._window = DEFAULT_WINDOW
        self._windows: dict[int, int] = {}
        self._initial = DEFAULT_WINDOW
        #: What the other side's SETTINGS say, from its SETTINGS to our acknowledgement.
        self._settings: list[int | None] = []

    def read(self, data: bytes) -> Iterator[SeenFrame | str]:
        """The frames that are complete, or told, with these octets; a text ends it for good."""
        if self.lost:
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
            yield SeenFrame(-1, "preface", 0, len(PREFACE), ())
        while True:
            if self._skip:
                dropped = min(self._skip, len(self._inbox))
                del self._inbox[:dropped]
                self._skip -= dropped
            if self._skip or len(self._inbox) < FRAME_HEAD_SIZE:
                return
            length, kind, flags, stream = read_frame_head(bytes(self._inbox[:FRAME_HEAD_SIZE]))
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
            yield self._frame(length, kind, flags, stream, payload)

    def forget(self, stream: int) -> None:
        """The stream is over, and has no window any more."""
        self._windows.pop(stream, None)

    def allow_table(self, size: int) -> None:
        """The other side lets this one use a compression table of ``size`` octets (§4.3.1)."""
        if self._decoder and size > self._decoder.max_table_size:
            self._decoder.max_table_size = min(size, MAX_TABLE_SIZE)

    def _lose(self) -> str:
        self.lost = True
        start = bytes(self._inbox[:40])
        self._inbox.clear()
        return f"not HTTP/2 from here on: {shown(start)}"

    def _frame(self, length: int, kind: int, flags: int, stream: int, payload: bytes) -> SeenFrame:
        known = FLAG_NAMES.get(kind, {})
        words = [text for bit, text in known.items() if flags & bit]
        rest = flags & ~sum(known)
        if rest:
            words.append(f"{rest:#04x}")
        name = FRAME_NAMES.get(kind, f"unknown({kind:#04x})")
        seen = SeenFrame(kind, name, stream, length, tuple(words))
        try:
            if kind == frames.DATA:
                return self._data(seen, flags, payload)
            if len(payload) < length:
                raise ValueError("too long to keep")
            if kind in (frames.HEADERS, frames.PUSH_PROMISE, frames.CONTINUATION):
                return self._fields(seen, flags, payload)
            if kind == frames.WINDOW_UPDATE:
                _demand(length == 4, "4 octets")
                increment = _word(payload) & LOW_31_BITS
                windows = self.other._widened(stream, increment)
                return seen._replace(content=f"+{increment}", value=increment, windows=windows)
            if kind == frames.RST_STREAM:
                _demand(length == 4, "4 octets")
                code = _word(payload)
                return seen._replace(content=ErrorCode.describe(code), code=code)
            if kind == frames.GOAWAY:
                _demand(length >= 8, "8 octets or more")
                debug = f" {shown(payload[8:])}" if length > 8 else ""
                last, code = _word(payload) & LOW_31_BITS, _word(payload, 4)
                content = f"last={last} {ErrorCode.describe(code)}{debug}"
                return seen._replace(content=content, code=code, value=last)
            return seen._replace(content=self._content(kind, flags, length, payload))
        except ValueError as error:
            return seen._replace(content=f"unreadable: {error}")

    def _data(self, seen: SeenFrame, flags: int, payload: bytes) -> SeenFrame:
        padding = payload[0] if flags & frames.PADDED and payload else -1
        self._window -= seen.size
        left = self._windows.get(seen.stream, self._initial) - seen.size
        self._remember(seen.stream, left)
        return seen._replace(
            content="" if padding < 0 else f"padding={padding}",
            windows=(left, self._window),
            end_stream=bool(flags & frames.END_STREAM),
            body=max(0, seen.size - 1 - padding),
        )

    def _remember(self, stream: int, window: int) -> None:
        if stream not in self._windows and len(self._windows) >= MAX_STREAMS:
            del self._windows[next(iter(self._windows))]
        self._windows[stream] = window

    def _widened(self, stream: int, increment: int) -> tuple[int | None, int]:
        if not stream:
            self._window += increment
            return None, self._window
        window = self._windows.get(stream, self._initial) + increment
        self._remember(stream, window)
        return window, self._window

    def _content(self, kind: int, flags: int, length: int, payload: bytes) -> str:
        """What a payload says; ValueError if it says it wrongly."""
        if kind == frames.SETTINGS:
            _demand(length % 6 == 0, "a multiple of 6 octets")
            if flags & frames.ACK:
                self._agree()
                return ""
            entries = list(iter_unpack(">HL", payload))
            # They hold for the other side from its acknowledgement on (§6.5.3).
            windows = [value for key, value in entries if key == Setting.INITIAL_WINDOW_SIZE]
            self.other._settings.append(windows[-1] if windows else None)
            del self.other._settings[:-MAX_SETTINGS]
            return " ".join(self._setting(*entry) for entry in entries)
        # PING, PRIORITY and what is unknown: octets as they are.
        return payload.hex() if length <= 16 else f"{payload[:16].hex()}..."

    def _agree(self) -> None:
        if self._settings:
            initial = self._settings.pop(0)
            if initial is not None:
                change = initial - self._initial
                self._initial = initial
                for stream in self._windows:
                    self._windows[stream] += change

    def _setting(self, setting: int, value: int) -> str:
        if setting == Setting.HEADER_TABLE_SIZE:
            self.other.allow_table(value)
        try:
            return f"{Setting(setting).name}={value}"
        except ValueError:
            return f"{setting:#04x}={value}"

    def _fields(self, seen: SeenFrame, flags: int, payload: bytes) -> SeenFrame:
        content = []
        kind = seen.kind
        if kind != frames.CONTINUATION:
            self._block.clear()
            self._ends = kind == frames.HEADERS and bool(flags & frames.END_STREAM)
            self._promised = -1
            if flags & frames.PADDED:
                _demand(bool(payload) and payload[0] < len(payload), "room for its padding")
                content.append(f"padding={payload[0]}")
                payload = payload[1 : len(payload) - payload[0]]
            if kind == frames.HEADERS and flags & frames.PRIORITY_FLAG:
                _demand(len(payload) >= 5, "room for its priority")
                payload = payload[5:]
            if kind == frames.PUSH_PROMISE:
                _demand(len(payload) >= 4, "room for its stream id")
                self._promised = _word(payload) & LOW_31_BITS
                content.append(f"promises={self._promised}")
                payload = payload[4:]
        if len(self._block) <= MAX_PAYLOAD:
            self._block += payload
        seen = seen._replace(value=self._promised, content=" ".join(content))
        if not flags & frames.END_HEADERS:
            return seen._replace(content=" ".join([*content, "(to be continued)"]))
        block = bytes(self._block)
        self._block.clear()
        if self._decoder is None:
            content.append("(fields unreadable since an earlier block was)")
            return seen._replace(content=" ".join(content), end_stream=self._ends)
        try:
            fields = self._decoder.decode(block)
        except HPACKError as error:
            # The table is the whole connection's: nothing after this can be trusted (§4.3).
            self._decoder = None
            raise ValueError(str(error)) from error
        plain = sum(len(name) + len(value) for name, value in fields)
        return seen._replace(fields=fields, plain=plain, coded=len(block), end_stream=self._ends)


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"the frame wants {what}")


def _word(payload: bytes, at: int = 0) -> int:
    word: int = unpack_from(">L", payload, at)[0]
    return word
