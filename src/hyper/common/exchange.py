"""One request and its response, as far as they have got."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

__all__ = ["Exchange", "Fields"]

#: Header fields in the order of the wire: lower-case names, values as they came.
Fields = Sequence[tuple[bytes, bytes]]


class Exchange:
    """One request and its response (RFC 9110 §3.4), filled in by a protocol as octets arrive.

    The protocol writes everything but ``waiters``; a face reads, and takes octets out of
    ``chunks``. ``deque.popleft`` and ``append`` are atomic, so neither side needs a lock for it.

    id             the stream id on HTTP/2, ``None`` on HTTP/1.1
    opened         False while the request waits for a slot
    status         the final response's status code; 0 until its head has arrived
    reason         the words after the status code; HTTP/2 has none
    headers        the final response's fields, or ``None`` until they have arrived
    trailers       the fields after the body, or ``None`` while there are none
    informational  the 1xx heads so far, as ``(status, fields)``
    chunks         octets of the body, received and not yet read; possibly empty ones
    ended          the response is complete
    error          what went wrong, or ``None``; a template: faces raise a copy of their own
    pushes         exchanges that the server promised along with this one (RFC 9113 §8.4)
    counted        ``consumed`` wants to hear of octets read even when all of them have arrived
    waiters        an opaque slot for the front end; the protocol never looks

    The field lists are shared with caches: read them, never change them.

    The defaults stand on the class: most exchanges never change most of them, and setting
    fewer attributes makes one cheaper to create than with ``__slots__``.
    """

    id: int | None = None
    opened: bool = True
    status: int = 0
    reason: bytes = b""
    headers: Fields | None = None
    trailers: Fields | None = None
    informational: Sequence[tuple[int, Fields]] = ()
    ended: bool = False
    error: BaseException | None = None
    pushes: Sequence[Exchange] = ()
    counted: bool = False
    waiters: Any = None

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()

    def consumed(self, size: int) -> int:
        """Note that a reader took ``size`` octets; return the room to announce, mostly 0.

        Arithmetic only, so it needs no lock. A non-zero answer goes to ``Protocol.widen``.
        """
        return 0
