"""What the demo's endpoints are given, and what they may say."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ..common.exchange import Fields

__all__ = ["GoAway", "Head", "Pause", "Push", "Request", "Reset", "Step", "Trailers"]


class Head(NamedTuple):
    """A step: a response's head; several with 1xx may come before the final one."""

    status: int
    fields: Fields


class Trailers(NamedTuple):
    """A step: the fields after the body; the last step of all."""

    fields: Fields


class Pause(NamedTuple):
    """A step: go on after this many seconds."""

    seconds: float


class Reset(NamedTuple):
    """A step: end this stream by RST_STREAM."""

    error_code: int


class GoAway(NamedTuple):
    """A step: take no further streams on this connection."""

    error_code: int


class Push(NamedTuple):
    """A step: push what is at this path, if the client takes pushes."""

    path: str


#: ``bytes`` are a piece of the body, one DATA frame if it fits; ``None`` waits for more of the
#: request's body, or its end.
Step = Head | bytes | memoryview | Trailers | Pause | Push | Reset | GoAway | None


class Request:
    """What the client asks.

    headers   as they came, without pseudo-headers
    chunks    octets of the body that have arrived and were not taken
    ended     no more of the body will arrive
    trailers  the fields after the body
    taken     octets taken since the last WINDOW_UPDATE
    """

    __slots__ = (
        "authority",
        "chunks",
        "ended",
        "headers",
        "method",
        "origin",
        "scheme",
        "taken",
        "target",
        "trailers",
    )

    def __init__(self, pseudo: dict[bytes, bytes], headers: Fields, origin: str) -> None:
        self.method = pseudo[b":method"].decode("latin-1")
        self.scheme = pseudo.get(b":scheme", b"").decode("latin-1")
        self.authority = pseudo.get(b":authority", b"").decode("latin-1")
        self.target = pseudo.get(b":path", b"").decode("latin-1")
        self.headers = headers
        self.origin = origin
        self.chunks: deque[bytes] = deque()
        self.ended = False
        self.trailers: Fields = []
        self.taken = 0

    def take(self) -> bytes:
        """The next octets of the body; ``b""`` when none has arrived."""
        if not self.chunks:
            return b""
        chunk = self.chunks.popleft()
        self.taken += len(chunk)
        return chunk

    def header(self, name: bytes) -> bytes | None:
        """The first value of a field, or ``None``."""
        return next((value for key, value in self.headers if key == name), None)
