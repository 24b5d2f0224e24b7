"""One request and its response, as far as they have got."""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["Exchange", "Fields"]

#: Header fields in the order of the wire: lower-case names, values as they came.
Fields = list[tuple[bytes, bytes]]


class Exchange:
    """One request and its response (RFC 9110 §3.4), filled in by a protocol as octets arrive.

    The protocol writes everything but ``waiters``; a face reads, and takes octets out of
    ``chunks``. ``deque.popleft`` and ``append`` are atomic, so neither side needs a lock for it.

    id             the stream id on HTTP/2, ``None`` on HTTP/1.1
    status         the final response's status code; 0 until its head has arrived
    headers        the final response's fields, or ``None`` until they have arrived
    trailers       the fields after the body, or ``None`` while there are none
    informational  the 1xx heads so far, as ``(status, fields)``
    chunks         octets of the body, received and not yet read; possibly empty ones
    ended          the response is complete
    error          what went wrong, or ``None``; a template: faces raise a copy of their own
    pushes         exchanges that the server promised along with this one (RFC 9113 §8.4)
    waiters        an opaque slot for the front end; the protocol never looks

    The field lists are shared with caches: read them, never change them.
    """

    __slots__ = (
        "chunks",
        "ended",
        "error",
        "headers",
        "id",
        "informational",
        "pushes",
        "status",
        "trailers",
        "waiters",
    )

    def __init__(self) -> None:
        self.id: int | None = None
        self.status = 0
        self.headers: Fields | None = None
        self.trailers: Fields | None = None
        self.informational: list[tuple[int, Fields]] = []
        self.chunks: deque[bytes] = deque()
        self.ended = False
        self.error: BaseException | None = None
        self.pushes: deque[Exchange] = deque()
        self.waiters: Any = None

    def consumed(self, size: int) -> int:
        """Note that a reader took ``size`` octets; return the room to announce, mostly 0.

        Arithmetic only, so it needs no lock. A non-zero answer goes to ``Protocol.widen``.
        """
        return 0
