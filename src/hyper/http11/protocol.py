"""One HTTP/1.1 connection without its network, client side (RFC 9112): the same verbs, one slot.

To its front end HTTP/1.1 is HTTP/2 with a single stream: further requests queue here, in order,
until the one response before them is complete. Nothing is pipelined (§9.3.2): what a server made
of half a pipeline can never be known.

The verbs that send stand here, those that receive in ``receiving``. Knows no socket, thread, lock
or clock: calls must not overlap.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ..common.exceptions import ConnectionError, HyperError, own_copy
from ..common.exchange import Exchange
from . import limits
from .exchange import HTTP11Exchange
from .framing import list_members
from .messages import request_head, request_target, trailer_section
from .receiving import Receiver
from .state import NOTHING, STATUS_LINE

__all__ = ["HTTP11Exchange", "HTTP11Protocol"]


class HTTP11Protocol(Receiver):
    """A client's end of one HTTP/1.1 connection.

    accepting      False once no new exchange may start here
    closed         the connection failed or is gone; octets that still come are dropped
    absolute       requests name the whole URI, as a proxy wants it (RFC 9112 §3.2.2)
    offer_upgrade  a SETTINGS payload for the ``HTTP2-Settings`` of the next request, which then
                   asks to go on in HTTP/2; None when there is nothing to ask for
    switched       after a 101, or a 2xx to CONNECT: the octets behind it, which are HTTP/2's, or
                   the tunnel's; else None
    """

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
        target = request_target(method, scheme, authority, path, absolute=self.absolute)
        fields = [(b"host", authority), *headers]
        names = dict(fields[1:])
        if b"transfer-encoding" in names:
            raise ValueError(
                "'transfer-encoding' is set here, where it is needed (RFC 9112 §6.1); leave it out"
            )
        if b"host" in names:
            raise ValueError("'host' is the authority (RFC 9112 §3.2) and set here; leave it out")
        if method == b"CONNECT" and not end:
            raise ValueError("CONNECT has no body (RFC 9110 §9.3.6)")
        left = None
        if b"content-length" in names:
            left = _content_length([value for name, value in fields if name == b"content-length"])
            if end and left:
                # The next request would be taken for this one's body.
                raise ValueError(
                    f"content-length is {left} and no body follows (RFC 9110 §8.6); leave it out"
                )
        options: list[bytes] = []
        if b"connection" in names:
            options = list_members(fields, b"connection")
        if b"te" in names:
            if list_members(fields, b"te") != [b"trailers"]:
                raise ValueError("'te' may only be 'trailers' (RFC 9112 §7.4)")
            if b"te" not in options:
                # §7.4: whoever sends TE must say that it is for the next hop only.
                fields.append((b"connection", b"TE"))
        if not end and left is None:
            if not self._knows_chunks:
                raise ValueError(
                    "the server speaks HTTP/1.0, which has no chunks (RFC 9112 §6.1); set "
                    "content-length"
                )
            fields.append((b"transfer-encoding", b"chunked"))
        if self.offer_upgrade is not None:
            fields += (
                (b"connection", b"Upgrade, HTTP2-Settings"),
                (b"upgrade", b"h2c"),
                (b"http2-settings", self.offer_upgrade),
            )
        exchange = HTTP11Exchange(method, request_head(method, target, fields), sent=end)
        if not end:
            exchange.chunked = left is None
            exchange.left = left or 0
        if not self.accepting:
            raise ConnectionError(
                "this connection takes no new requests; open another", retryable=True
            )
        if self.offer_upgrade is not None:
            exchange.offered = True
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
        if exchange is not self._current or exchange.sent:
            return 0
        return limits.WRITE_BATCH - self._unsent

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
                self.outgoing += (b"%x\r\n" % taken, piece, b"\r\n")
            else:
                self.outgoing.append(piece)
                exchange.left -= taken
            self._unsent += taken
        if end and exchange is self._current:
            if exchange.chunked:
                self.outgoing.append(last)
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
        return self._news()

    def close(self) -> None:
        self.accepting = False

    def data_to_send(self) -> bytes:
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        self._unsent = 0
        if self._state == NOTHING and self._current is not None:
            # The request leaves; only from now on can anything be its response.
            self._state = STATUS_LINE
        return data


def _content_length(values: list[bytes]) -> int:
    """What the caller announced; ValueError unless it is one number."""
    if len(values) > 1 or not values[0].isdigit():
        raise ValueError("content-length must be one number of octets (RFC 9110 §8.6)")
    return int(values[0])
