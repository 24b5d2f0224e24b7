"""One HTTP/1.1 connection without its network, client side (RFC 9112): the same verbs, one slot.

To its front end HTTP/1.1 is HTTP/2 with a single stream: further requests queue here, in order,
until the one response before them is complete. Nothing is pipelined (§9.3.2): what a server made
of half a pipeline can never be known.

Octets go in by ``receive_data``, line by line while a head lasts. Knows no socket, thread, lock
or clock: calls must not overlap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable

from ..common.exceptions import ConnectionError, HyperError, InvalidResponseError, own_copy
from ..common.exchange import Exchange
from ..common.protocol import Protocol
from . import limits
from .framing import CHUNKED, UNTIL_CLOSE, body_framing, chunk_size, list_members
from .messages import read_field, read_status_line, request_head, trailer_section

__all__ = ["HTTP11Exchange", "HTTP11Protocol"]

# What the next octets are.
(
    _NOTHING,
    _STATUS_LINE,
    _FIELDS,
    _BODY,
    _CHUNK_SIZE,
    _CHUNK,
    _CHUNK_END,
    _TRAILERS,
    _SWITCHED,
) = range(9)


class HTTP11Exchange(Exchange):
    """One exchange on an HTTP/1.1 connection.

    method   of the request; it decides whether the response has a body
    head     the request's head, while it waits for the slot
    opened   the head has been written
    chunked  the request's body goes out in chunks (RFC 9112 §7.1)
    left     octets of the body that are yet to be sent, when its length was announced
    sent     the request is complete
    paused   so much of the response is unread that nothing more is read from the network
    """

    opened = False
    chunked = False
    left = 0
    sent = False
    paused = False
    received = 0
    taken = 0
    informational_size = 0

    def __init__(self, method: bytes, head: bytes) -> None:
        super().__init__()
        self.method = method
        self.head = head

    def consumed(self, size: int) -> int:
        """``size`` for ``widen`` once everything is read for which reading had paused, else 0."""
        self.taken += size
        return size if self.paused and not self.chunks else 0


class HTTP11Protocol(Protocol):
    """A client's end of one HTTP/1.1 connection.

    accepting      False once no new exchange may start here
    closed         the connection failed or is gone; octets that still come are dropped
    absolute       requests name the whole URI, as a proxy wants it (RFC 9112 §3.2.2)
    offer_upgrade  a SETTINGS payload for the ``HTTP2-Settings`` of the next request, which then
                   asks to go on in HTTP/2; None when there is nothing to ask for
    switched       after a 101: the octets behind it, which are HTTP/2's; else None

    max_concurrent_streams  1
    """

    max_concurrent_streams = 1

    def __init__(self, *, absolute: bool = False) -> None:
        self.accepting = True
        self.closed = False
        self.absolute = absolute
        self.offer_upgrade: bytes | None = None
        self.switched: bytes | None = None

        self._current: HTTP11Exchange | None = None
        self._queue: deque[HTTP11Exchange] = deque()
        self._out: list[bytes | memoryview] = []
        self._moved: list[Exchange] = []

        self._state = _NOTHING
        # Octets of a line, or of a chunk, that has not arrived whole.
        self._rest = b""
        self._left = 0
        self._keep_alive = True
        self._upgrading = False
        self._version = 1
        self._status = 0
        self._reason = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_size = 0

    @property
    def idle(self) -> bool:
        return self._current is None and not self._queue and self.switched is None

    @property
    def paused(self) -> bool:
        return self._current is not None and self._current.paused

    # -- the verbs ---------------------------------------------------------------------------

    def request(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        end: bool,
        never_index: Container[bytes] = (),
    ) -> HTTP11Exchange:
        target = path
        if method == b"CONNECT":
            target = authority
        elif self.absolute:
            target = b"%b://%b%b" % (scheme, authority, path)
        fields = [(b"host", authority), *headers]
        names = [name for name, _ in fields]
        if b"transfer-encoding" in names:
            raise ValueError(
                "'transfer-encoding' is set here, where it is needed (RFC 9112 §6.1); leave it out"
            )
        lengths = [value for name, value in fields if name == b"content-length"]
        options = list_members(fields, b"connection")
        if b"te" in names and b"te" not in options:
            # §7.4: whoever sends TE must say that it is for the next hop only.
            fields.append((b"connection", b"TE"))
        if not end and not lengths:
            fields.append((b"transfer-encoding", b"chunked"))
        if self.offer_upgrade is not None:
            fields += (
                (b"connection", b"Upgrade, HTTP2-Settings"),
                (b"upgrade", b"h2c"),
                (b"http2-settings", self.offer_upgrade),
            )
        exchange = HTTP11Exchange(method, request_head(method, target, fields))
        exchange.sent = end
        if not end:
            if lengths:
                exchange.left = _content_length(lengths)
            else:
                exchange.chunked = True
        if not self.accepting:
            raise ConnectionError(
                "this connection takes no new requests; open another", retryable=True
            )
        self._upgrading = self.offer_upgrade is not None
        self.offer_upgrade = None
        if b"close" in options:
            # Ours is the last request here (§9.6).
            self.accepting = False
        if self._current is None:
            self._open(exchange)
        else:
            self._queue.append(exchange)
        return exchange

    def room(self, exchange: Exchange) -> int:
        assert isinstance(exchange, HTTP11Exchange)
        if exchange is not self._current or exchange.sent or exchange.ended:
            return 0
        return limits.WRITE_BATCH

    def send_body(
        self,
        exchange: Exchange,
        data: bytes | memoryview,
        *,
        end: bool,
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> int:
        assert isinstance(exchange, HTTP11Exchange)
        if exchange.error is not None:
            raise own_copy(exchange.error)
        if exchange.sent:
            raise ValueError("the body of this request has ended; nothing can be added")
        trailers = tuple(trailers)
        if trailers and not exchange.chunked:
            raise ValueError(
                "trailers need a chunked body (RFC 9112 §7.1.2); leave content-length out"
            )
        last = b"0\r\n" + trailer_section(trailers)
        size = len(data)
        if not exchange.chunked and (size > exchange.left or (end and size < exchange.left)):
            raise ValueError(
                f"content-length leaves {exchange.left} octets to be sent, the body has "
                f"{size}{'' if end else ' or more'} (RFC 9110 §8.6)"
            )
        taken = min(size, self.room(exchange))
        if taken < size:
            end = False
        if taken:
            # A buffer that the caller may change is copied: what we hold is joined later.
            piece = memoryview(data if isinstance(data, bytes) else bytes(data[:taken]))[:taken]
            if exchange.chunked:
                self._out += (b"%x\r\n" % taken, piece, b"\r\n")
            else:
                self._out.append(piece)
                exchange.left -= taken
        if end and exchange is self._current and not exchange.ended:
            if exchange.chunked:
                self._out.append(last)
            exchange.sent = True
        return taken

    def widen(self, exchange: Exchange, size: int) -> None:
        assert isinstance(exchange, HTTP11Exchange)
        exchange.paused = False

    def cancel(self, exchange: Exchange) -> list[Exchange]:
        assert isinstance(exchange, HTTP11Exchange)
        if not exchange.ended and exchange.error is None:
            exchange.error = HyperError("the request was cancelled here")
        if exchange is self._current:
            # Its octets still stand in the way of every later response; only another
            # connection is free of them.
            self._end_everything(ConnectionError("the request before this one was cancelled"))
        elif exchange in self._queue:
            self._queue.remove(exchange)
        moved, self._moved = self._moved, []
        return moved

    def close(self) -> None:
        self.accepting = False

    def data_to_send(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    def receive_data(self, data: bytes) -> list[Exchange]:
        if self.switched is not None:
            self.switched += data
        elif not self.closed:
            try:
                self._read(self._rest + data if self._rest else data)
            except InvalidResponseError as error:
                self._end_everything(error)
        moved, self._moved = self._moved, []
        return moved

    def connection_lost(self, error: BaseException | None) -> list[Exchange]:
        if not self.closed:
            current = self._current
            if current is not None:
                if self._state == _CHUNK and self._rest:
                    self._read_body(current, self._rest, 0, len(self._rest))
                elif error is None and self._until_close:
                    self._end_response(current)
            self._end_everything(error or ConnectionError(self._how_far()))
        moved, self._moved = self._moved, []
        return moved

    # -- reading -----------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        """Act on everything in ``data`` that is complete, and keep the rest for the next call."""
        self._rest = b""
        at = 0
        end = len(data)
        while at < end and not self.closed:
            exchange = self._current
            if exchange is None or self._state == _NOTHING:
                # A timeout's 408, or the body that a 204 cannot have: whatever it is, it would
                # be taken for the next answer (§9.3).
                self._stop("the server sent octets that nobody asked for")
                return
            if self._state == _BODY:
                at = self._read_body(exchange, data, at, end)
                continue
            if self._state == _CHUNK:
                if end - at < self._left <= limits.WHOLE_CHUNK:
                    self._rest = data[at:]
                    return
                at = self._read_body(exchange, data, at, end)
                if not self._left:
                    self._state = _CHUNK_END
                continue
            line_limit = limits.MAX_LINE
            if self._state in (_CHUNK_SIZE, _CHUNK_END):
                line_limit = limits.MAX_CHUNK_LINE
            newline = data.find(b"\n", at, at + line_limit + 2)
            if newline < 0:
                if end - at > line_limit:
                    raise InvalidResponseError(
                        f"a line of more than {line_limit} octets (RFC 9112 §2.2)"
                    )
                self._rest = data[at:]
                return
            # §2.2: a line feed alone ends a line as well.
            line = data[at : newline - 1 if data[newline - 1 : newline] == b"\r" else newline]
            at = newline + 1
            self._read_line(exchange, line)
            if self._state == _SWITCHED:
                self._switch(exchange, data[at:])
                return

    def _read_line(self, exchange: HTTP11Exchange, line: bytes) -> None:
        state = self._state
        if state == _STATUS_LINE:
            if not line and not self._head_size:
                # §2.2 has servers put up with an empty line before a request; we do the same.
                self._head_size = 1
                return
            self._version, self._status, self._reason = read_status_line(line)
            self._head_size = len(line)
            self._fields = []
            self._state = _FIELDS
        elif state == _CHUNK_SIZE:
            self._left = chunk_size(line)
            self._state = _CHUNK
            if not self._left:
                self._fields = []
                self._head_size = 0
                self._state = _TRAILERS
        elif state == _CHUNK_END:
            if line:
                raise InvalidResponseError(
                    f"a chunk is followed by {line[:20]!r} instead of a line end (RFC 9112 §7.1)"
                )
            self._state = _CHUNK_SIZE
        elif line:
            self._read_field_line(line)
        elif state == _FIELDS:
            self._read_head(exchange)
        else:
            exchange.trailers = self._fields or None
            self._end_response(exchange)

    def _read_field_line(self, line: bytes) -> None:
        """One field of a head or of trailers (§5)."""
        fields = self._fields
        self._head_size += len(line)
        size_limit = limits.MAX_HEAD if self._state == _FIELDS else limits.MAX_TRAILERS
        if self._head_size > size_limit:
            raise InvalidResponseError(f"fields of more than {size_limit} octets together")
        if line[:1] in (b" ", b"\t"):
            # §5.2: a folded line, which nobody may write any more, becomes one blank.
            if not fields:
                raise InvalidResponseError("a blank before the first field (RFC 9112 §2.2)")
            name, value = fields[-1]
            _, folded = read_field(b"x:" + line)
            fields[-1] = (name, b" ".join(filter(None, (value, folded))))
            return
        if len(fields) >= limits.MAX_FIELDS:
            raise InvalidResponseError(f"more than {limits.MAX_FIELDS} fields")
        fields.append(read_field(line))

    def _read_head(self, exchange: HTTP11Exchange) -> None:
        """The head is complete: interim, or final with a body to come (§6.3)."""
        fields = self._fields
        if self._status < 200:
            self._state = _STATUS_LINE
            size = exchange.informational_size + self._head_size
            self._head_size = 1
            if self._status == 101:
                if self._upgrading and list_members(fields, b"upgrade") == [b"h2c"]:
                    self._state = _SWITCHED
                    return
                raise InvalidResponseError("101 to a request that asked for no other protocol")
            interim = [*exchange.informational, (self._status, fields)]
            if len(interim) > limits.MAX_INFORMATIONAL or size > limits.MAX_HEAD:
                raise InvalidResponseError(
                    f"{len(interim)} interim responses of {size} octets; the limits are "
                    f"{limits.MAX_INFORMATIONAL} and {limits.MAX_HEAD}"
                )
            exchange.informational = interim
            exchange.informational_size = size
            self._moved.append(exchange)
            return
        length, keep_alive = body_framing(exchange.method, self._version, self._status, fields)
        exchange.status = self._status
        exchange.reason = self._reason
        exchange.headers = fields
        self._keep_alive = self._keep_alive and keep_alive
        self._upgrading = False
        self._moved.append(exchange)
        if length == CHUNKED:
            self._state = _CHUNK_SIZE
        elif length:
            self._state = _BODY
            self._left = length
        else:
            self._end_response(exchange)

    @property
    def _until_close(self) -> bool:
        return self._state == _BODY and self._left == UNTIL_CLOSE

    def _read_body(self, exchange: HTTP11Exchange, data: bytes, at: int, end: int) -> int:
        """Hand over what is there of a body or a chunk; return where it stopped."""
        stop = end if self._until_close else min(end, at + self._left)
        exchange.chunks.append(data[at:stop])
        exchange.received += stop - at
        unread = exchange.received - exchange.taken
        if unread > limits.MAX_UNREAD or len(exchange.chunks) > limits.MAX_UNREAD_PIECES:
            exchange.paused = True
        self._moved.append(exchange)
        if not self._until_close:
            self._left -= stop - at
            if not self._left and self._state == _BODY:
                self._end_response(exchange)
        return stop

    def _how_far(self) -> str:
        """How far a response got that the server left off."""
        exchange = self._current
        if exchange is None:
            return "the server closed the connection"
        if not exchange.status:
            before = (
                "in the midst of the head" if self._rest or self._fields else "without an answer"
            )
            return f"the server closed the connection {before}"
        missing = f" with {self._left} octets missing" if self._state == _BODY else ""
        return (
            f"the server closed the connection in the midst of the body, after "
            f"{exchange.received} octets{missing} (RFC 9112 §8)"
        )

    # -- exchanges begin and end -------------------------------------------------------------

    def _open(self, exchange: HTTP11Exchange) -> None:
        """Give the slot to a request and write its head."""
        self._current = exchange
        exchange.opened = True
        self._out.append(exchange.head)
        exchange.head = b""
        self._state = _STATUS_LINE
        self._head_size = 0
        self._fields = []

    def _end_response(self, exchange: HTTP11Exchange) -> None:
        """The response is complete; the next request may go, if the connection is fit for it."""
        exchange.ended = True
        exchange.paused = False
        self._current = None
        self._state = _NOTHING
        self._moved.append(exchange)
        if not exchange.sent:
            # The server has had enough of a body that it has not got whole (§9.3).
            self._stop("the response came before the whole request was sent")
        elif not self._keep_alive:
            self._stop("the server closes the connection after its response")
        elif self._queue:
            waiting = self._queue.popleft()
            self._open(waiting)
            self._moved.append(waiting)

    def _switch(self, exchange: HTTP11Exchange, rest: bytes) -> None:
        """The server goes on in HTTP/2 (RFC 7540 §3.2), beginning with these octets."""
        self.switched = rest
        exchange.status = 101
        exchange.ended = True
        self._current = None
        self._moved.append(exchange)
        self._stop("the connection has changed to HTTP/2")

    def _stop(self, reason: str) -> None:
        """Nothing new starts here; what waited was never sent."""
        self.accepting = False
        self._drop_queue(ConnectionError(f"{reason}; this request was never sent", retryable=True))

    def _end_everything(self, error: BaseException) -> None:
        """The connection is of no use any more."""
        self.closed = True
        self.accepting = False
        self._out.clear()
        exchange, self._current = self._current, None
        if exchange is not None:
            exchange.paused = False
            if exchange.error is None and not exchange.ended:
                exchange.error = error
            self._moved.append(exchange)
        reason = f"the connection ended before this request was sent: {error}"
        self._drop_queue(ConnectionError(reason, retryable=True))

    def _drop_queue(self, error: ConnectionError) -> None:
        for exchange in self._queue:
            exchange.error = error
            self._moved.append(exchange)
        self._queue.clear()


def _content_length(values: list[bytes]) -> int:
    """What the caller announced; ValueError unless it is one number."""
    if len(values) > 1 or not values[0].isdigit():
        raise ValueError("content-length must be one number of octets (RFC 9110 §8.6)")
    return int(values[0])
