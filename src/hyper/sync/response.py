"""A response as its reader sees it: the head at once, the body as it comes.

Wraps an exchange and asks its pump for more. A body cut short is always an error and never a
short body; whatever had arrived of it is in the error's ``partial``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final, Self

from ..common.coding import Decoder, decoder
from ..common.exceptions import HyperError, own_copy, template
from ..common.exchange import Exchange
from ..common.headers import HTTPHeaderMap
from .guarded import is_interrupt
from .patience import Patience
from .pump import Pump
from .request import Asked

__all__ = [
    "HTTP11Response",
    "HTTP20Response",
    "Response",
    "has_body",
    "has_ended",
    "has_head",
    "has_slot",
    "has_word",
    "own_error",
    "texts",
]

#: Decoded octets at a time, where the caller asks for no number.
DECODE_SIZE: Final = 65536

#: Octets read at least before the peer is given room for them, while more have arrived already:
#: as many as one read brings, so that a bulk transfer works out its window once for each.
CREDIT_SIZE: Final = 262144

#: Decoded octets at a time at least: asking for one after the other is not worth the calls.
LEAST_DECODE_SIZE: Final = 4096


# What a thread may wait for (``Pump.wait``).


def has_slot(exchange: Exchange) -> bool:
    return exchange.opened or exchange.error is not None


def has_head(exchange: Exchange) -> bool:
    # The fields are the last thing of a head to be set, so they tell without the lock.
    return exchange.headers is not None or exchange.error is not None


def has_word(exchange: Exchange) -> bool:
    """Whether the server has said if it wants the body (RFC 9110 §10.1.1)."""
    return has_head(exchange) or any(status == 100 for status, _ in exchange.informational)


def has_body(exchange: Exchange) -> bool:
    return bool(exchange.chunks) or exchange.ended or exchange.error is not None


def has_ended(exchange: Exchange) -> bool:
    return exchange.ended or exchange.error is not None


def own_error(error: BaseException, where: str, partial: bytes = b"") -> BaseException:
    """A copy of an exchange's error for one thread to raise, which says where it happened."""
    own: Any = own_copy(error)
    if isinstance(own, OSError) and own.strerror is not None:
        if where not in own.strerror:
            own.strerror = f"{where}: {own.strerror}"
            own.args = (own.errno, own.strerror)
    elif where not in str(own):
        own.args = (f"{where}: {own}",)
    own.partial = partial
    result: BaseException = own
    return result


# What a response has before it has its exchange: an interrupt may come even there.
_NOTHING: Final = Exchange()
_NOTHING.ended = True


class Response:
    """The response to one request, over whichever version of HTTP.

    status     the status code, an int
    version    20 over HTTP/2, 11 over HTTP/1.1
    stream_id  the stream it came on; ``None`` over HTTP/1.1

    It belongs to one thread at a time. Reading raises the error that ended the exchange, as
    often as it is asked; ``HTTP20Error`` and ``OSError`` both carry ``partial``, what had arrived
    of the body when a whole ``read()`` failed. ``TimeoutError`` when nothing of the body has come
    for the connection's ``timeout``: then the stream has been reset, and nobody else disturbed.
    """

    version = 0
    status = 0

    # The defaults stand on the class: most responses never change them.
    _exchange = _NOTHING
    _key: object = None  # what it is claimed by: the id that request() returned, or its own
    _repeated = False  # the request has been sent a second time
    _turns = 0  # how often it waited for a turn on a connection that ended before it came
    _reused = False  # over HTTP/1.1: the connection was there before the request
    _cut_short = False  # the peer answered before it had the whole request, and gets no more of it
    _until: float | None = None  # the instant by which all of it must have arrived
    _closed = False
    _done = False  # the body has been read to its end
    _rest = b""  # octets that were taken from the exchange, or decoded, but not read: from
    _at = 0  # here on, since cutting the rest anew for every small read would be quadratic
    _decode: bool | None = None  # whether codings are taken off; undecided before the first read
    _decoder: Decoder | None = None
    _resting = False  # it waits with nothing in hand, so that an interrupt loses nothing
    _in_hand = False  # a read has begun, and neither ended nor told what became of its octets
    _owed = 0  # octets read for which the peer has not been given room yet
    _error: BaseException | None = None
    _partial = b""
    _headers: HTTPHeaderMap | None = None

    def __init__(self, pump: Pump, exchange: Exchange, asked: Asked, timeout: float | None) -> None:
        self._pump = pump
        self._exchange = exchange
        self._asked = asked
        self._timeout = timeout
        self.stream_id = exchange.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status} stream={self.stream_id} {self._asked}>"

    def __del__(self) -> None:
        # Dropped unread: the peer need not go on. Here any lock may be held, even by this very
        # thread, so the stream is only put where the next thread will find it.
        exchange = self._exchange
        if (not exchange.ended or self._cut_short) and exchange.error is None:
            self._pump.abandoned.append(exchange)

    # The head.

    @property
    def headers(self) -> HTTPHeaderMap:
        """The fields of the head; values are bytes."""
        headers = self._headers
        if headers is None:
            headers = self._headers = HTTPHeaderMap.wrap(self._exchange.headers or ())
        return headers

    @property
    def trailers(self) -> HTTPHeaderMap:
        """The fields after the body (RFC 9110 §6.5); empty until the body has arrived whole."""
        return HTTPHeaderMap.wrap(self._exchange.trailers or ())

    @property
    def informational(self) -> list[tuple[int, HTTPHeaderMap]]:
        """The interim responses that came before, such as 103 (RFC 9110 §15.2)."""
        return [
            (status, HTTPHeaderMap.wrap(fields)) for status, fields in self._exchange.informational
        ]

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """A field of the head as one str, repeated ones joined by ``", "``."""
        return self.headers.text(name, default)

    def getheaders(self) -> list[tuple[str, str]]:
        """The fields of the head as str, in their order."""
        return texts(self._exchange.headers)

    def gettrailer(self, name: str, default: str | None = None) -> str | None:
        """As ``getheader``, of the fields after the body."""
        return self.trailers.text(name, default)

    def gettrailers(self) -> list[tuple[str, str]]:
        """As ``getheaders``, of the fields after the body."""
        return texts(self._exchange.trailers)

    # The body.

    def read(self, amt: int | None = None, decode_content: bool = True) -> bytes:
        """The rest of the body; or its next ``amt`` octets, fewer only where it ends.

        ``b""`` once everything has been read. Content codings that are known here are taken off
        unless ``decode_content`` is False, which has to be said from the first read on.
        """
        exchange = self._exchange
        if (
            amt is None
            and decode_content
            and exchange.ended
            and self._decode is None
            and exchange.headers is self._asked.uncoded
            and not (self._closed or self._cut_short)
        ):
            chunks = exchange.chunks
            if len(chunks) == 1:
                # What most bodies are: one piece, whole, and handed on as it is.
                self._decode = self._done = True
                try:
                    data = chunks.popleft()
                    if exchange.counted:
                        exchange.consumed(len(data))
                    return data
                except BaseException:
                    self._error = self._error or _lost()
                    raise
        if (
            self._decode is not decode_content
            or self._closed
            or self._in_hand
            or self._error is not None
        ):
            self._begin(decode_content)
        if amt is not None and amt >= 0:
            return self._read_some(amt)
        return self._read_all()

    def readinto(self, buffer: Any) -> int:
        """Fill a writable buffer with the next octets; how many they were, 0 at the end."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view), self._decode is not False)
        view[: len(data)] = data
        return len(data)

    def read_chunked(self, decode_content: bool = True) -> Iterator[bytes]:
        """The rest of the body in the pieces it comes in, possibly empty ones.

        Decoded, unless ``decode_content`` is False; then the pieces are what the codings give.
        """
        self._begin(decode_content)
        return self._chunks()

    iter_chunked = read_chunked

    def __iter__(self) -> Iterator[bytes]:
        """The rest of the body in the pieces it comes in, decoded and never empty."""
        return (piece for piece in self.read_chunked() if piece)

    def readable(self) -> bool:
        return True

    def flush(self) -> None:
        """Nothing to do; ``io.BufferedReader`` asks for it when it is closed."""

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Give up what has not been read. Can be called again.

        If it has not ended, HTTP/2 resets its stream with CANCEL, and the connection stays as
        it is. HTTP/1.1 has to close the connection, and the next request dials anew.
        """
        self._closed = True
        exchange = self._exchange
        if exchange.error is None and (self._cut_short or not exchange.ended):
            self._pump.cancel(exchange)
        exchange.chunks.clear()
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # How the body comes.

    def _begin(self, decode_content: bool) -> None:
        """Before octets are taken: raise what there is to raise, and settle the coding."""
        if self._in_hand and self._error is None:
            # By an interrupt where no `except` sees it: at the end of a loop within, from 3.12 on.
            self._error = _lost()
        if self._error is not None:
            raise own_error(self._error, self._asked.where, self._partial)
        if self._closed and not self._done:
            raise ValueError(
                f"the response to {self._asked} was closed before its body had been read"
            )
        if self._decode is None:
            fields = self._exchange.headers
            if decode_content and fields is not self._asked.uncoded:
                codings = []
                for name, value in fields or ():
                    if name == b"content-encoding":
                        codings.append(value)
                if codings:
                    self._decoder = decoder(codings)
                else:
                    self._asked.uncoded = fields
            # Only now: an interrupt before it leaves all of this to be settled.
            self._decode = decode_content
        elif self._decode is not decode_content:
            if b"content-encoding" in self.headers:
                raise ValueError(
                    f"reading of this body began with decode_content={self._decode}; octets with "
                    "and without their coding cannot be mixed"
                )
            self._decode = decode_content

    def _read_all(self) -> bytes:
        first = b""
        whole: io.BytesIO | None = None
        chunks = self._exchange.chunks
        self._in_hand = True
        try:
            first = self._left()
            while (piece := self._piece(DECODE_SIZE)) is not None:
                if whole is not None:
                    whole.write(piece)
                elif not first:
                    first = piece
                else:
                    # Larger bodies grow in one place: half the memory and two thirds of the
                    # time of a list that is joined, and getvalue() copies nothing.
                    whole = io.BytesIO()
                    whole.write(first)
                    whole.write(piece)
                if self._decoder is None and whole is not None:
                    for _ in range(len(chunks)):
                        self._owed += whole.write(chunks.popleft())
            if whole is not None:
                first = whole.getvalue()
            self._in_hand = False
            return first
        except BaseException as error:
            partial = first if whole is None else whole.getvalue()
            if self._error is None and self._resting:  # an interrupt, and reading may go on
                self._rest = partial
                self._in_hand = self._resting = False
                raise
            self._error = self._error or _lost()
            self._partial = partial
            del partial
            # Of any kind, so the attribute is declared nowhere. And by no other name: the error's
            # traceback holds this frame and what stands in it.
            error.__dict__["partial"] = self._partial
            raise

    def _read_some(self, amt: int) -> bytes:
        pieces: list[bytes] = []
        missing = amt
        self._in_hand = True
        try:
            while missing:
                if self._rest:
                    at = self._at
                    piece = self._rest[at : at + missing]
                    pieces.append(piece)
                    missing -= len(piece)
                    self._at = at + len(piece)
                    if self._at == len(self._rest):
                        self._left()
                else:
                    more = self._piece(max(missing, LEAST_DECODE_SIZE))
                    if more is None:
                        break
                    if len(more) <= missing:
                        pieces.append(more)
                        missing -= len(more)
                    else:
                        self._rest = more
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._in_hand = False
            return data
        except BaseException as error:
            if self._error is None:
                if self._resting:  # an interrupt, and reading may go on
                    self._rest = b"".join(pieces) + self._left()
                    self._in_hand = self._resting = False
                else:
                    self._error = _lost()
                    self._partial = b"".join(pieces)
                raise
            # What arrived before the body broke is handed out; the error comes with the next
            # call.
            if missing == amt or not isinstance(error, Exception):
                raise
        return b"".join(pieces)

    def _chunks(self) -> Iterator[bytes]:
        chunks = self._exchange.chunks
        try:
            if self._rest:
                yield self._left()
            while True:
                data = self._piece(DECODE_SIZE, empty=True)
                if data is None:
                    return
                yield data
                if self._decoder is None:
                    # What has arrived already needs neither waiting nor a word to the peer for
                    # each piece: a fifth of the time of a download.
                    while chunks and self._owed < CREDIT_SIZE:
                        data = chunks.popleft()
                        self._owed += len(data)
                        yield data
        except GeneratorExit:
            raise
        except BaseException:
            if self._error is None and not self._resting:
                self._error = _lost()
            self._resting = False
            raise

    def _left(self) -> bytes:
        """Give out what was taken and not read."""
        left = self._rest[self._at :]
        self._rest = b""
        self._at = 0
        return left

    def _piece(self, limit: int, empty: bool = False) -> bytes | None:
        """The next octets, decoded; None at the end. ``limit`` bounds only what is decoded."""
        decoder = self._decoder
        if decoder is None:
            return self._take(empty)
        try:
            while True:
                data: bytes | None = b""
                if decoder.needs_input:
                    data = self._take(False)
                    if data is None:
                        decoder.finish()
                        return None
                piece = decoder.decode(data or b"", limit)
                if piece:
                    return piece
        except Exception as error:
            if self._error is None and not self._resting and not is_interrupt(error):
                self._error = template(error)
            raise

    def _take(self, empty: bool) -> bytes | None:
        """The next octets as they came, waiting for them; None at the end of the body."""
        exchange = self._exchange
        chunks = exchange.chunks
        deadline = None
        waited = self._resting = False
        if self._until is not None and not exchange.ended and monotonic() >= self._until:
            # However much is there: it does not end in time.
            self._error = self._timed_out("end of the response body")
            raise own_error(self._error, self._asked.where)
        while True:
            # First looked at, then the chunks: so that no octet comes between the two.
            ended = exchange.ended
            error = exchange.error
            if chunks:
                data = chunks.popleft()
                if data:
                    break
                if empty:
                    return data
                continue
            if self._owed:
                # It may be what the peer waits for.
                self._give_back(0)
                continue
            if ended:
                self._done = True
                if self._cut_short:
                    # Nobody will send the rest of the request, and the stream waits for it.
                    self._cut_short = False
                    self._pump.cancel(exchange)
                return None
            if error is not None:
                self._error = error
                raise own_error(error, self._asked.where)
            if not waited and self._timeout is not None:
                # Empty pieces are no progress, so there is one deadline for all of them.
                deadline = monotonic() + self._timeout
            waited = self._resting = True
            there = self._pump.wait(exchange, has_body, deadline)
            self._resting = False
            if not there:
                self._error = self._timed_out("more of the response body")
                raise own_error(self._error, self._asked.where)
        try:
            self._give_back(len(data))
        except BaseException as error:
            if is_interrupt(error):
                chunks.appendleft(data)  # who goes on reading takes it again
                self._resting = True
            raise
        return data

    def _give_back(self, size: int) -> None:
        """Give the peer room for ``size`` more octets that were read, and for those owed."""
        size += self._owed
        self._owed = 0
        try:
            increment = self._exchange.consumed(size)
            if increment:
                self._pump.widen(self._exchange, increment, self._timeout)
        except Exception as error:
            # A manager of the user's that failed. Octets were taken and never handed out, so
            # there must be no going on, which would leave them out.
            if not is_interrupt(error):
                self._error = template(error)
            raise

    def _timed_out(self, what: str) -> TimeoutError:
        """Give the stream up for a lack of progress; returns what to raise."""
        self._pump.cancel(self._exchange)
        return timed_out(what, self._asked, self._exchange, self._timeout)


def _lost() -> HyperError:
    """What there is to say once an interrupt came while octets were in hand."""
    return HyperError(
        "reading of this body was interrupted while octets of it were in hand; they are lost, and "
        "it cannot be gone on with"
    )


def timed_out(what: str, asked: Asked, exchange: Exchange, timeout: float | None) -> TimeoutError:
    """The error of a request that made no progress, naming what it waited for."""
    which, given_up = "", "the connection was closed"
    if exchange.id is not None:
        which, given_up = f", stream {exchange.id}", "the stream was reset with CANCEL"
    elif not exchange.opened:
        given_up = "the request was not sent"
    within = f"{timeout:g} s"
    if isinstance(timeout, Patience) and timeout.over:
        within = f"the {timeout.total:g} s for the whole request"
    return TimeoutError(f"{asked.where}: no {what} within {within} ({asked}{which}); {given_up}")


class HTTP20Response(Response):
    """The response to one request on an HTTP/2 connection (RFC 9113 §8.1).

    reason  always ``""``: HTTP/2 has no reason phrases (RFC 9113 §8.3.2)
    """

    version = 20
    reason = ""


class HTTP11Response(Response):
    """The response to one request on an HTTP/1.1 connection (RFC 9112).

    ``read_chunked`` gives the chunks of a chunked body as the server cut them, up to 64 KiB each.
    """

    version = 11

    @property
    def reason(self) -> bytes:
        """The words after the status code, such as ``b"OK"``; bytes, as in hyper 0.7."""
        return self._exchange.reason


def texts(fields: Iterable[tuple[bytes, bytes]] | None) -> list[tuple[str, str]]:
    return [(name.decode("ascii", "replace"), _text(value)) for name, value in fields or ()]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("iso-8859-1")
