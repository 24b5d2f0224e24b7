"""What the server's octets do to the exchange that has the slot (RFC 9112 §4 to §9).

Every octet is read once, whatever pieces they come in: a head at a time where it has arrived
whole, else line by line. What arrives goes straight into the exchange.
"""

from __future__ import annotations

from ..common.exceptions import ConnectionError, InvalidResponseError, template
from ..common.exchange import Exchange
from . import limits
from .exchange import HTTP11Exchange
from .framing import (
    CHUNKED,
    TUNNEL,
    UNTIL_CLOSE,
    body_framing,
    chunk_line,
    chunk_size,
    list_members,
)
from .messages import FieldSection, Head, read_status_line, whole_head
from .state import (
    BODY,
    CHUNK,
    CHUNK_END,
    CHUNK_SIZE,
    FIELDS,
    LARGE_CHUNK,
    NOTHING,
    REST,
    STATUS_LINE,
    TRAILERS,
    ConnectionState,
)

__all__ = ["Receiver"]


class Receiver(ConnectionState):
    """The receiving half of ``HTTP11Protocol``."""

    def receive_data(self, data: bytes) -> list[Exchange]:
        if self.switched is not None:
            self.switched += data
        elif not self.closed:
            try:
                self._read(data)
            except InvalidResponseError as error:
                self._end_everything(template(error))
            exchange = self._current
            if exchange is not None and exchange.chunks:
                unread = exchange.received - exchange.taken
                if unread > limits.MAX_UNREAD or len(exchange.chunks) > limits.MAX_UNREAD_PIECES:
                    exchange.paused = True
                    # Whoever reads does not wait for us. If everything was read just before that
                    # was said, nobody is left to take it back.
                    if not exchange.chunks:
                        exchange.paused = False
        return self._news()

    def connection_lost(self, error: BaseException | None) -> list[Exchange]:
        if not self.closed:
            current = self._current
            if current is not None:
                if self._state == CHUNK and self._partial:
                    self._deliver(current, bytes(self._partial))
                elif self._state == REST and error is None and not self.cut_off:
                    self._end_response(current)
            self._end_everything(error or ConnectionError(self._how_far()))
        return self._news()

    def _how_far(self) -> str:
        """How far a response got that the server left off."""
        exchange = self._current
        if exchange is None:
            return "the server closed the connection"
        if not exchange.status:
            before = (
                "in the midst of the head"
                if self._partial or self._state == FIELDS
                else "without an answer"
            )
            return f"the server closed the connection {before}"
        if self._state == REST:
            return (
                f"the connection ended after {exchange.received} octets of a body that lasts until "
                "its end, but TLS was not closed: it may have been cut off (RFC 9112 §9.8)"
            )
        missing = f" with {self._left} octets missing" if self._state == BODY else ""
        return (
            f"the server closed the connection in the midst of the body, after "
            f"{exchange.received} octets{missing} (RFC 9112 §8)"
        )

    def _read(self, data: bytes) -> None:
        """Act on everything in ``data`` that is complete, and keep the rest for the next call."""
        at = 0
        end = len(data)
        while at < end:
            exchange = self._current
            state = self._state
            if exchange is None or state == NOTHING:
                self._read_unasked(data[at:])
                return
            if state >= BODY:
                at = self._read_body(exchange, data, at, end)
                continue
            if not self._partial:
                # What has arrived whole and is in good order, which is nearly everything.
                if state == STATUS_LINE:
                    whole = whole_head(data, at)
                    if whole is not None:
                        at = whole[1]
                        self._read_head(exchange, whole[0])
                        continue
                elif state == CHUNK_SIZE:
                    chunk = chunk_line(data, at)
                    if chunk is not None:
                        at = chunk[1]
                        self._begin_chunk(chunk[0])
                        continue
            if state == CHUNK_END:
                at = self._end_chunk(data, at)
                continue
            line, at = self._next_line(data, at)
            if line is None:
                return
            self._read_line(exchange, line)

    def _read_unasked(self, data: bytes) -> None:
        """Octets that are no response to anything."""
        if self.switched is not None:
            self.switched = data
        elif not data.strip(b"\r\n"):
            # §9.2: empty lines alone may be discarded.
            return
        elif self._current is None:
            # A timeout's 408, or the body that a 204 cannot have: it must not be taken for the
            # next response (§6.3, §9.2).
            self._stop("the server sent octets that nobody asked for")
        else:
            # The same, just before the next request leaves.
            self._end_everything(ConnectionError("the server sent octets that nobody asked for"))

    def _next_line(self, data: bytes, at: int) -> tuple[bytes | None, int]:
        """The line that ends at or behind ``at``, without its end, and where the next begins.

        None while it is incomplete; then ``_partial`` keeps what there is of it.
        """
        of_chunk = self._state == CHUNK_SIZE
        limit = limits.MAX_CHUNK_LINE if of_chunk else limits.MAX_LINE
        partial = self._partial
        # The longest line and its end; one octet more is too many already.
        newline = data.find(b"\n", at, at + limit + 2 - len(partial))
        line = data[at : newline if newline >= 0 else None]
        if partial or newline < 0:
            partial += line
            if newline < 0:
                if len(partial) >= limit + 2:
                    raise _too_long(limit)
                return None, len(data)
            line = bytes(partial)
            partial.clear()
        if line.endswith(b"\r"):
            line = line[:-1]
        elif of_chunk:
            # §2.2 is lenient about heads only; here a proxy may see another end than we
            # (CVE-2025-22871).
            raise InvalidResponseError(
                f"the line of a chunk's size ends in LF alone (RFC 9112 §7.1): {line[:20]!r}"
            )
        if len(line) > limit:
            raise _too_long(limit)
        return line, newline + 1

    def _read_line(self, exchange: HTTP11Exchange, line: bytes) -> None:
        state = self._state
        if state == STATUS_LINE:
            if not line and self._empty_line_allowed:
                # §9.2 discards empty lines behind a response; one may be late.
                self._empty_line_allowed = False
                return
            self._status_line = read_status_line(line)
            connect = exchange.method == b"CONNECT"
            max_size = limits.MAX_CONNECT_HEAD if connect else limits.MAX_HEAD
            self._section = FieldSection(max_size, len(line))
            self._state = FIELDS
        elif state == CHUNK_SIZE:
            self._begin_chunk(chunk_size(line))
        elif line:
            self._section.add(line)
        elif state == FIELDS:
            section = self._section
            self._read_head(exchange, Head(*self._status_line, section.fields, section.size))
        else:
            exchange.trailers = self._section.fields or None
            self._end_response(exchange)

    def _read_head(self, exchange: HTTP11Exchange, head: Head) -> None:
        """The head is complete: interim, or final with a body to come (§6.3)."""
        minor_version, status, reason, fields, size = head
        if exchange.method == b"CONNECT" and size > limits.MAX_CONNECT_HEAD:
            raise InvalidResponseError(
                f"a head of {size} octets in response to CONNECT; the limit is "
                f"{limits.MAX_CONNECT_HEAD}"
            )
        self._moved[exchange] = None
        if status < 200:
            self._read_interim(exchange, head)
            return
        length, keep_alive = body_framing(exchange.method, minor_version, status, fields)
        exchange.status = status
        exchange.reason = reason
        exchange.headers = fields
        self._knows_chunks = minor_version > 0
        if not keep_alive:
            # §9.6: nothing more may be sent here, so what waits need not wait any longer.
            self._stop("the server closes the connection after its response")
        self._left = length
        if length == CHUNKED:
            self._state = CHUNK_SIZE
        elif length == UNTIL_CLOSE:
            self._state = REST
        elif length == TUNNEL:
            self._switch(exchange)
        elif length:
            self._state = BODY
        else:
            self._end_response(exchange)

    def _read_interim(self, exchange: HTTP11Exchange, head: Head) -> None:
        """A response before the response (RFC 9110 §15.2)."""
        if head.status == 101:
            if list_members(head.fields, b"upgrade") != [b"h2c"] or not exchange.offered:
                raise InvalidResponseError(
                    "101 to a request that asked for no such protocol (RFC 9110 §7.8)"
                )
            if not exchange.sent:
                raise InvalidResponseError("101 before the whole request was sent (RFC 9110 §7.8)")
            exchange.status = 101
            self._switch(exchange)
            return
        interim = [*exchange.informational, (head.status, head.fields)]
        size = exchange.informational_size + head.size
        if len(interim) > limits.MAX_INFORMATIONAL or size > limits.MAX_HEAD:
            raise InvalidResponseError(
                f"{len(interim)} interim responses of {size} octets; the limits are "
                f"{limits.MAX_INFORMATIONAL} and {limits.MAX_HEAD}"
            )
        exchange.informational = interim
        exchange.informational_size = size
        self._state = STATUS_LINE

    def _begin_chunk(self, size: int) -> None:
        self._size = self._left = size
        if not size:
            self._section = FieldSection(limits.MAX_TRAILERS)
            self._state = TRAILERS
        else:
            self._state = CHUNK if size <= limits.WHOLE_CHUNK else LARGE_CHUNK

    def _end_chunk(self, data: bytes, at: int) -> int:
        """The line end behind a chunk (§7.1), which may come in two pieces as well."""
        expected = b"\n" if self._partial else b"\r\n"
        there = data[at : at + len(expected)]
        if not expected.startswith(there):
            raise InvalidResponseError(
                f"a chunk goes on after its {self._size} octets (RFC 9112 §7.1)"
            )
        if there == expected:
            self._partial.clear()
            self._state = CHUNK_SIZE
        else:
            self._partial += there
        return at + len(there)

    def _read_body(self, exchange: HTTP11Exchange, data: bytes, at: int, end: int) -> int:
        """Hand over what is there of a body or a chunk; return where it stopped."""
        state = self._state
        if state == REST:
            self._deliver(exchange, data[at:])
            return end
        stop = min(end, at + self._left)
        piece = data[at:stop]
        self._left -= len(piece)
        if state == CHUNK and (self._left or self._partial):
            partial = self._partial
            partial += piece
            if self._left:
                return stop
            piece = bytes(partial)
            partial.clear()
        self._deliver(exchange, piece)
        if not self._left:
            if state == BODY:
                self._end_response(exchange)
            else:
                self._state = CHUNK_END
        return stop

    def _deliver(self, exchange: HTTP11Exchange, piece: bytes) -> None:
        exchange.chunks.append(piece)
        exchange.received += len(piece)
        self._moved[exchange] = None


def _too_long(limit: int) -> InvalidResponseError:
    return InvalidResponseError(f"a line of more than {limit} octets (RFC 9112 §2.2)")
