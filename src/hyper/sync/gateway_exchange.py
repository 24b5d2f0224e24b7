"""One exchange after the other, as a gateway has them: HTTP/1.1 here, HTTP/2 there.

A request goes out as its head and octets come, and a response is rendered as it is asked for; a
body is never here as a whole, and either side stops when the other one does. What a socket's user
calls for that is in ``gateway``.

What a socket cannot say is said by errors that http.client, urllib3 and botocore know: a
connection that was lost before the response began is ``RemoteDisconnected``, which is how a server
that closed looks to them; within one it is ``ConnectionResetError``. All of them have
``retryable``: True only when the server surely did not process the request (RFC 9113 §8.7).
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from http.client import RemoteDisconnected
from time import monotonic
from typing import Any, Final
from weakref import ref

from ..common.exceptions import HyperError
from ..common.exchange import Exchange
from ..http20.exceptions import ErrorCode
from .gateway_file import ResponseFile, marked
from .gateway_request import Head, Piece, RequestReader
from .pump import Pump
from .rendering import CONTINUE, chunk_head, last_chunk, response_head
from .response import has_body, has_ended, has_head, has_slot, has_word, own_error

__all__ = ["Gateway", "has_octets"]

#: Seconds that a request with ``Expect: 100-continue`` waits for the server's word before it
#: sends its body all the same (RFC 9110 §10.1.1). As curl and botocore do.
EXPECT_TIMEOUT: Final = 1.0

#: Octets that are made one chunk of, at most, when a body of unknown length is handed on.
CHUNK_SIZE: Final = 262_144


class Gateway:
    """The state of one, and what becomes of a request and of its response.

    See ``GatewaySocket`` for what it is given.

    exchange  the one under way or just done; None before the first request
    final     whether no other one follows it
    """

    timeout: float | None

    def __init__(
        self,
        pump: Pump,
        where: str,
        authority: bytes,
        *,
        timeout: float | None,
        let_go: Callable[[], object],
        dropped: Callable[[], object] | None = None,
        authorities: dict[bytes, bytes] | None = None,
        demoted: Callable[[], object] | None = None,
    ) -> None:
        self.pump = pump
        self.where = where
        self.timeout = timeout
        self.exchange: Exchange | None = None
        self._authority = authority
        self._let_go: Callable[[], object] | None = let_go
        self._dropped = dropped
        self._authorities = authorities
        self._demoted = demoted

        # The request.
        self._reader = RequestReader()
        self._head: Head | None = None
        self._unwanted = False  # there is a response that needs no more of the request
        self._unfinished = False  # that response still has to be read, and then the stream reset

        # The response, as far as it is rendered and not read.
        self._out: deque[memoryview] = deque()
        self._begun = False  # its head has been rendered
        self._done = True  # its end has been, or there is none under way
        self._left: int | None = None  # octets of the body to come; None while chunks say it
        self._wordless = False  # the word on an expectation is still to be handed on
        self.final = False  # nothing comes after this exchange
        self._shut = False  # shutdown() was called, perhaps by another thread

        self._io_refs = 0  # files from makefile(); socket.SocketIO knows this name
        self._file: ref[ResponseFile] | None = None  # the last one that responses are read from
        self._closed = False
        # A pair of sockets that stands for us in select() and poll(), made when asked for.
        self._signal: tuple[socket.socket, socket.socket] | None = None
        self._signalled = False

    # The request.

    def _start(self, head: Head) -> None:
        former = self.exchange
        if former is not None and (self._out or not self._done):
            if not self._done and not self._begun and former.error is None:
                raise self._out_of_turn()
            self._part_from(former)
        self._done = True
        if self.final:
            raise BrokenPipeError(
                errno.EPIPE, f"{self.where}: the last request here said 'connection: close'"
            )
        authority = head.authority or self._authority
        if self._authorities is not None:
            self._check_port(authority)
        try:
            exchange = self.pump.request(
                head.method,
                head.scheme or b"https",
                authority,
                head.path,
                head.fields,
                not head.length,
            )
        except (HyperError, OSError) as error:
            raise self._reset(error) from error
        self._head = head
        self.exchange = exchange
        self._begun = self._done = self._unfinished = False
        self._wordless = head.expects
        self.final = head.closes or self._shut
        if self._shut:
            self.pump.cancel(exchange)
        self._see_through(exchange)
        if head.expects and head.length:
            self._await_word(exchange)

    def _part_from(self, former: Exchange) -> None:
        """Leave a response given up half-read, whose rest would be in the way on HTTP/1.1."""
        self._out.clear()
        if not self._done:
            self.pump.cancel(former)

    def _out_of_turn(self) -> ValueError:
        return ValueError(
            "a request was written before the response to the former one was read; on this socket "
            "they take turns, and a body is as long as its content-length says (RFC 9110 §8.6)"
        )

    def _check_port(self, authority: bytes) -> None:
        """See that a connection which others have made leads to where this request goes.

        Whoever wraps a socket says the name of the server, and nobody the port behind a proxy.
        """
        assert self._authorities is not None
        authority = authority.lower().removesuffix(b":443")
        name = authority.rpartition(b":")[0] if authority[-1:].isdigit() else authority
        first = self._authorities.setdefault(name or authority, authority)
        if first != authority:
            raise ValueError(
                f"{authority.decode('ascii', 'replace')} is asked for on a shared connection that "
                f"leads to {first.decode('ascii', 'replace')}; through a proxy, two ports of one "
                "name cannot be told apart: use a context without share=True"
            )

    def _await_word(self, exchange: Exchange) -> None:
        """Wait until the server has said whether it wants the body, or for a second."""
        wait = EXPECT_TIMEOUT if self.timeout is None else min(EXPECT_TIMEOUT, self.timeout)
        if not self.pump.wait(exchange, has_word, monotonic() + wait):
            # So that those who wait for the word as well need not do so once more.
            self._out.append(memoryview(CONTINUE))
            self._wordless = False

    def _send_body(self, piece: Piece) -> None:
        exchange = self.exchange
        assert exchange is not None
        pump = self.pump
        head = self._head
        if head is not None and head.expects and exchange.status >= 300:
            # The word was No (RFC 9110 §10.1.1).
            raise self._refused()
        view = memoryview(piece.data)
        deadline = None
        while True:
            if not exchange.opened and not pump.wait(exchange, has_slot, self._deadline()):
                raise self._timed_out("free stream")
            try:
                taken = pump.send_body(exchange, view, piece.end, piece.trailers)
            except (HyperError, OSError) as error:
                raise self._reset(error) from error
            self._see_through(exchange)
            if exchange.ended and (taken < len(view) or not piece.end):
                # The answer is whole, and did not need the rest (RFC 9113 §8.1).
                raise self._refused()
            if taken == len(view):
                return
            if taken:
                view = view[taken:]
                deadline = None
                continue
            # Other uploads may take the room before us; that is no progress of ours.
            if deadline is None:
                deadline = self._deadline()
            if not pump.wait(exchange, pump.has_room, deadline):
                raise self._timed_out("room to send more of the body")

    def _see_through(self, exchange: Exchange) -> None:
        pump = self.pump
        if pump.transport.unsent and not pump.see_through(exchange, self.timeout):
            raise self._timed_out("progress in writing")

    def _refused(self) -> BrokenPipeError:
        exchange = self.exchange
        assert exchange is not None
        self._unwanted = True
        if exchange.ended:
            self.pump.cancel(exchange)
        else:
            self._unfinished = True
        return BrokenPipeError(
            errno.EPIPE,
            f"{self.where}: the server has answered {exchange.status} without waiting for the "
            "rest of the request; its response can be read",
        )

    # The response.

    def _render(self) -> bool:
        """Put what is next of the response where it is read from; False for the end of file."""
        if self._done:
            return self._rest()
        exchange = self.exchange
        assert exchange is not None
        if not self._begun:
            return self._render_head(exchange)
        return self._render_body(exchange)

    def _rest(self) -> bool:
        """Wait, with nothing under way, until the connection has gone."""
        pump = self.pump

        def gone(exchange: Exchange) -> bool:
            return pump.over is not None or not pump.protocol.accepting

        if not self.final and not pump.wait(Exchange(), gone, self._deadline()):
            raise self._timed_out("request to answer")
        return False

    def begin(self) -> bool | None:
        """Wait for the head of the response; what is read next is its body.

        For who takes the head from ``exchange`` and not as text. Returns whether the body comes
        in chunks; None when some of the text has been read or is to be, which is the only way
        then. Raises as reading does.
        """
        exchange = self.exchange
        if exchange is None or self._begun or self._out or self._wordless:
            return None
        self._await_head(exchange)
        return self._begin(exchange)

    def _render_head(self, exchange: Exchange) -> bool:
        self._await_head(exchange)
        if exchange.headers is None:
            self._out.append(memoryview(CONTINUE))
            return True
        chunked = self._begin(exchange)
        head = response_head(exchange.status, exchange.headers, chunked, self.final)
        self._out.append(memoryview(head))
        if exchange.ended and not self._done:
            self._render_body(exchange)
        return True

    def _await_head(self, exchange: Exchange) -> None:
        """Wait for a final head, or for the server's word where that is to be handed on."""
        pump = self.pump
        if not exchange.opened and not pump.wait(exchange, has_slot, self._deadline()):
            raise self._timed_out("free stream")
        ready = has_word if self._wordless else has_head
        if exchange.headers is None and not pump.wait(exchange, ready, self._deadline()):
            raise self._timed_out("response head")
        if exchange.headers is None and exchange.error is not None:
            raise self._disconnected()
        self._wordless = False

    def _begin(self, exchange: Exchange) -> bool:
        """Settle where the body of the response ends; True if its chunks will say so."""
        head = self._head
        assert head is not None
        self._left = None
        if head.method == b"HEAD" or exchange.status in (204, 304):
            self._left = 0
        else:
            for name, value in exchange.headers or ():
                if name == b"content-length":
                    self._left = int(value)
        self._begun = True
        self._done = self._left == 0
        if self._done and self._unfinished:
            self.pump.cancel(exchange)
        if not self.pump.protocol.accepting:
            self.final = True
        return self._left is None

    def _render_body(self, exchange: Exchange) -> bool:
        chunks = exchange.chunks
        pieces: list[bytes] = []
        size = 0
        while True:
            ended = exchange.ended  # looked at first, so that no octet comes between the two
            while chunks and size < CHUNK_SIZE:
                piece = chunks.popleft()
                if piece:
                    pieces.append(piece)
                    size += len(piece)
            if size or ended:
                break
            if exchange.error is not None:
                raise self._cut()
            if not self.pump.wait(exchange, has_octets, self._deadline()):
                raise self._timed_out("more of the response body")
        out = self._out
        if self._left is None:
            if size:
                out.append(memoryview(chunk_head(size)))
                out.extend(map(memoryview, pieces))
                out.append(memoryview(b"\r\n"))
            if ended and not chunks:
                out.append(memoryview(last_chunk(exchange.trailers or ())))
                self._done = True
        else:
            out.extend(map(memoryview, pieces))
            self._left -= size
            self._done = not self._left
        if size:
            increment = exchange.consumed(size)
            if increment:
                self.pump.widen(exchange, increment, self.timeout)
        if self._done and self._unfinished:
            self.pump.cancel(exchange)
        return True

    # Errors, in the words of those above.

    def _reset(self, error: BaseException) -> BaseException:
        """What ``sendall`` raises for an exchange or a connection that is gone."""
        self._note(error)
        if isinstance(error, OSError) and not isinstance(error, HyperError):
            return own_error(error, self.where)
        return marked(ConnectionResetError(errno.ECONNRESET, f"{self.where}: {error}"), error)

    def _disconnected(self) -> BaseException:
        """What is raised when there will be no response."""
        assert self.exchange is not None
        error = self.exchange.error
        assert error is not None
        self._note(error)
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):
            return own_error(error, self.where)  # of TLS, mostly
        return marked(RemoteDisconnected(f"{self.where}: {error}"), error)

    def _cut(self) -> BaseException:
        """What is raised when there will be no more of a response."""
        assert self.exchange is not None
        error = self.exchange.error
        assert error is not None
        self._note(error)
        cut: Any = ConnectionResetError(errno.ECONNRESET, f"{self.where}: {error}")
        cut.missing = self._left
        return marked(cut, error)

    def _note(self, error: BaseException) -> None:
        code = getattr(error, "error_code", None)
        if code == ErrorCode.HTTP_1_1_REQUIRED and self._demoted is not None:
            self.final = True
            self._demoted()

    def _timed_out(self, what: str) -> OSError:
        if self.timeout == 0:
            return BlockingIOError(errno.EAGAIN, f"{self.where}: no {what} yet")
        return TimeoutError(f"{self.where}: no {what} within {self.timeout:g} s")

    def _deadline(self) -> float | None:
        return None if self.timeout is None else monotonic() + self.timeout


# What a thread may wait for here, besides what responses wait for.


def has_octets(exchange: Exchange) -> bool:
    # Empty pieces are no progress.
    return has_body(exchange) and (any(exchange.chunks) or has_ended(exchange))
