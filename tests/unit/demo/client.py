"""A scripted client: the other half of ``tests/peer.py``, for the server's half that demo has.

What it sends is packed by hand, or by the ``hpack`` package; what comes back is read by
``hyperframe`` and ``hpack``, which share no code with hyper.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import hpack
from hyperframe.frame import Frame

from hyper.demo.connection import ServerConnection
from hyper.demo.endpoints import answer
from hyper.demo.steps import Request, Step
from hyper.http20.exceptions import ErrorCode

from ...peer import END_HEADERS, END_STREAM, PREFACE, TYPES, frame

Pairs = list[tuple[str, str]]

NAMES = {number: name for name, number in TYPES.items()}


def settings(**values: int) -> bytes:
    """A SETTINGS frame, values by lower-case name."""
    numbers = {
        "header_table_size": 1,
        "enable_push": 2,
        "max_concurrent_streams": 3,
        "initial_window_size": 4,
        "max_frame_size": 5,
    }
    payload = b"".join(struct.pack(">HL", numbers[name], value) for name, value in values.items())
    return frame("SETTINGS", payload=payload)


def window_update(increment: int, stream_id: int = 0) -> bytes:
    return frame("WINDOW_UPDATE", 0, stream_id, struct.pack(">L", increment))


def data(stream_id: int, octets: bytes, end: bool = False) -> bytes:
    return frame("DATA", END_STREAM if end else 0, stream_id, octets)


@dataclass
class Answer:
    """What came on one stream."""

    heads: list[tuple[int, Pairs]] = field(default_factory=list)
    body: bytes = b""
    pieces: list[bytes] = field(default_factory=list)
    trailers: Pairs | None = None
    ended: bool = False
    reset: int | None = None
    increments: list[int] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.heads[-1][0]

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.heads[-1][1])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """A client that has a ``ServerConnection`` instead of a socket.

    answers     what came, by stream id
    goaway      ``(last stream id, error code, debug data)`` once that has come
    acks        of SETTINGS; ``pongs`` of PING
    increments  of the connection's window
    frames      names and stream ids of all that came
    promises    parent and request of what is pushed, by its stream id
    """

    def __init__(
        self,
        answer: Callable[[Request], Iterator[Step]] = answer,
        *,
        greet: bytes | None = PREFACE + frame("SETTINGS"),
        **options: Any,
    ) -> None:
        self.server = ServerConnection(answer, "127.0.0.1", **options)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.now = 0.0
        self.octets = b""
        self.answers: dict[int, Answer] = {}
        self.goaway: tuple[int, int, bytes] | None = None
        self.settings: dict[int, int] = {}
        self.acks = 0
        self.pongs: list[bytes] = []
        self.increments: list[int] = []
        self.frames: list[tuple[str, int]] = []
        self.promises: dict[int, tuple[int, dict[str, str]]] = {}
        self._block = b""
        self._next_id = 1
        if greet is not None:
            self.send(greet)

    def send(self, *octets: bytes) -> None:
        """Send octets, let the server work, and read what it wrote."""
        self.server.receive(b"".join(octets))
        self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass and the server work."""
        self.now += seconds
        more = True
        while more or self.server.outbox:
            more = self.server.produce(self.now)
            self.octets += bytes(self.server.outbox)
            self.server.outbox.clear()
        while len(self.octets) >= 9:
            parsed, length = Frame.parse_frame_header(memoryview(self.octets[:9]))
            if len(self.octets) < 9 + length:
                break
            parsed.parse_body(memoryview(self.octets[9 : 9 + length]))
            self.octets = self.octets[9 + length :]
            assert parsed.type is not None
            name = NAMES[parsed.type]
            self.frames.append((name, parsed.stream_id))
            self._see(name, parsed)

    def head(
        self,
        path: str = "/get",
        *,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        end: bool = True,
        stream_id: int | None = None,
    ) -> bytes:
        """The HEADERS of a request; ids go up by themselves."""
        pseudo = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "localhost:80"),
            (":path", path),
        ]
        return self.fields([*pseudo, *headers], end=end, stream_id=stream_id)

    def fields(self, fields: Pairs, *, end: bool = True, stream_id: int | None = None) -> bytes:
        """HEADERS with any fields."""
        if stream_id is None:
            stream_id = self._next_id
            self._next_id += 2
        flags = END_HEADERS | (END_STREAM if end else 0)
        return frame("HEADERS", flags, stream_id, self.encoder.encode(fields))

    def ask(self, path: str = "/get", **options: Any) -> Answer:
        """Send a request's head; what has come of its answer, and goes on coming."""
        stream_id = self._next_id
        self.send(self.head(path, **options))
        return self.stream(stream_id)

    def stream(self, stream_id: int) -> Answer:
        return self.answers.setdefault(stream_id, Answer())

    def left(self) -> bool:
        """Whether the server is done with this connection."""
        return self.server.closing

    def refused(self) -> str:
        """The error that ended the connection, by name."""
        assert self.goaway is not None, "the connection goes on"
        assert self.left()
        return ErrorCode(self.goaway[1]).name

    def _see(self, kind: str, parsed: Any) -> None:
        answer = self.stream(parsed.stream_id) if parsed.stream_id else Answer()
        if kind in ("HEADERS", "CONTINUATION"):
            self._block += parsed.data
            if "END_HEADERS" in parsed.flags:
                fields = [
                    (name.decode(), value.decode("latin-1"))
                    for name, value in self.decoder.decode(self._block, raw=True)
                ]
                self._block = b""
                if fields[0][0] == ":status":
                    answer.heads.append((int(fields[0][1]), fields[1:]))
                else:
                    answer.trailers = fields
        elif kind == "DATA":
            answer.body += parsed.data
            answer.pieces.append(parsed.data)
        elif kind == "RST_STREAM":
            answer.reset = parsed.error_code
        elif kind == "PUSH_PROMISE":
            pairs = self.decoder.decode(parsed.data, raw=True)
            request = {name.decode(): value.decode("latin-1") for name, value in pairs}
            self.promises[parsed.promised_stream_id] = (parsed.stream_id, request)
        elif kind == "GOAWAY":
            self.goaway = (parsed.last_stream_id, parsed.error_code, parsed.additional_data)
        elif kind == "PING":
            assert "ACK" in parsed.flags
            self.pongs.append(parsed.opaque_data)
        elif kind == "WINDOW_UPDATE":
            mine = answer.increments if parsed.stream_id else self.increments
            mine.append(parsed.window_increment)
        elif "ACK" in parsed.flags:
            self.acks += 1
        else:
            self.settings = parsed.settings
        if "END_STREAM" in parsed.flags:
            answer.ended = True
