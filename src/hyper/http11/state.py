"""What a client remembers of an HTTP/1.1 connection, and who has its one slot (RFC 9112 §9)."""

from __future__ import annotations

from collections import deque

from ..common.exceptions import ConnectionError
from ..common.exchange import Exchange
from ..common.protocol import Protocol
from .exchange import HTTP11Exchange
from .messages import FieldSection

__all__ = [
    "BODY",
    "CHUNK",
    "CHUNK_END",
    "CHUNK_SIZE",
    "FIELDS",
    "LARGE_CHUNK",
    "NOTHING",
    "REST",
    "STATUS_LINE",
    "TRAILERS",
    "ConnectionState",
]

# What the next octets are: nothing that anybody asked for, a line, or octets of a body: of known
# length, until the end, of a chunk to be handed over whole, and of a larger one.
(
    NOTHING,
    STATUS_LINE,
    FIELDS,
    TRAILERS,
    CHUNK_SIZE,
    CHUNK_END,
    BODY,
    REST,
    CHUNK,
    LARGE_CHUNK,
) = range(10)


class ConnectionState(Protocol):
    """The state of ``HTTP11Protocol``: how exchanges get the slot, and how they lose it."""

    def __init__(self, *, absolute: bool = False) -> None:
        self.accepting = True
        self.closed = False
        self.absolute = absolute
        self.offer_upgrade: bytes | None = None
        self.switched: bytes | None = None

        self._current: HTTP11Exchange | None = None
        self._queue: deque[HTTP11Exchange] = deque()
        self.outgoing: list[bytes | memoryview] = []
        # Octets of a body among them.
        self._unsent = 0
        # A set that keeps its order.
        self._moved: dict[Exchange, None] = {}

        self._state = NOTHING
        # Octets of a line, or of a chunk, that has not arrived whole.
        self._partial = bytearray()
        # Octets of the chunk, and how many are missing of it, or of a body of known length.
        self._size = 0
        self._left = 0
        self._empty_line_allowed = False
        # False after a response in HTTP/1.0.
        self._knows_chunks = True
        # The head, or the trailers, that come in line by line.
        self._status_line = (0, 0, b"")
        self._section = FieldSection(0)

    @property
    def idle(self) -> bool:
        return self._current is None and not self._queue and self.switched is None

    @property
    def paused(self) -> bool:
        return self._current is not None and self._current.paused

    def _open(self, exchange: HTTP11Exchange) -> None:
        """Give the slot to a request and write its head."""
        self._current = exchange
        exchange.opened = True
        self.outgoing.append(exchange.head)
        exchange.head = b""
        self._empty_line_allowed = True

    def _end_response(self, exchange: HTTP11Exchange) -> None:
        """The response is complete; the next request may go."""
        exchange.ended = True
        exchange.paused = False
        self._current = None
        self._state = NOTHING
        self._moved[exchange] = None
        if not exchange.sent:
            # The server has had enough of a body that it has not got whole (§9.3).
            self._stop("the response came before the whole request was sent")
        elif self._queue:
            if self._queue[0].chunked and not self._knows_chunks:
                self._stop("the server speaks HTTP/1.0, which has no chunks (RFC 9112 §6.1)")
                return
            waiting = self._queue.popleft()
            self._open(waiting)
            self._moved[waiting] = None

    def _switch(self, exchange: HTTP11Exchange) -> None:
        """What follows is HTTP/2's (RFC 7540 §3.2), or the tunnel's (RFC 9110 §9.3.6)."""
        self.switched = b""
        exchange.ended = True
        self._current = None
        self._state = NOTHING
        self._stop("the connection has changed to another protocol")

    def _stop(self, reason: str) -> None:
        """Nothing new starts here; what waited was never sent."""
        self.accepting = False
        self._drop_queue(ConnectionError(f"{reason}; this request was never sent", retryable=True))

    def _end_everything(self, error: BaseException) -> None:
        """The connection is of no use any more."""
        self.closed = True
        self.accepting = False
        self.outgoing.clear()
        self._partial.clear()
        never_sent = ConnectionError(
            f"the connection ended before this request was sent: {error}", retryable=True
        )
        exchange, self._current = self._current, None
        if exchange is not None:
            exchange.paused = False
            if exchange.error is None:
                exchange.error = never_sent if self._state == NOTHING else error
            self._moved[exchange] = None
        self._drop_queue(never_sent)

    def _drop_queue(self, error: ConnectionError) -> None:
        for exchange in self._queue:
            exchange.error = error
            self._moved[exchange] = None
        self._queue.clear()

    def _news(self) -> list[Exchange]:
        moved = list(self._moved)
        self._moved.clear()
        return moved
