"""How a request is sent: its head, its body as the peer gives room, and all of it again.

Again only where the peer surely did not process it (RFC 9113 §8.7), and once. The one exception
is a connection that carried requests before and ended without a word: what may be repeated is
repeated then (RFC 9112 §9.3.1), since HTTP/1.1 has no way to say goodbye.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from ..common.exceptions import HyperError, InvalidResponseError
from ..common.exchange import Exchange
from ..http11.protocol import HTTP11Protocol
from .dialling import Dialler
from .patience import Patience
from .pump import Pump
from .request import Asked, wire_trailers
from .response import (
    HTTP11Response,
    HTTP20Response,
    Response,
    has_head,
    has_slot,
    has_word,
    own_error,
    timed_out,
)

if TYPE_CHECKING:
    from .pushes import Mine

__all__ = ["Sender"]

#: Connections that one request may find dying before it gives up.
MAX_DIALS: Final = 3

#: Connections that may end while one request still waits for its turn on them.
MAX_TURNS: Final = 100

#: Seconds that a response may lie unread on HTTP/1.1 before the requests behind it go elsewhere.
PATIENCE: Final = 1.0

#: From this status on the server has no use for the rest of a body (RFC 9112 §9.3).
REFUSED: Final = 300

#: Methods that mean the same if they are done twice (RFC 9110 §9.2.2).
IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"))


class Sender(Dialler):
    """The half of a connection that sees to requests until their responses have begun."""

    expect_timeout: float
    _mine: Mine

    def _start(self, asked: Asked) -> tuple[Pump, Exchange]:
        """Send the head, over a new connection if the one there is takes no requests."""
        dials = 0
        while True:
            pump = self._pump
            if pump is None or not pump.protocol.accepting:
                pump, exchange = self._usable(asked)
                if exchange is not None:
                    return pump, exchange
                dials += 1
            headers = asked.headers
            if pump.protocol.__class__ is HTTP11Protocol:
                headers = self._http11_headers(asked)
            try:
                return pump, pump.request(
                    asked.method,
                    asked.scheme,
                    asked.authority,
                    asked.path,
                    headers,
                    asked.body is None and not asked.piecewise,
                    asked.never_index,
                    asked.follows or self._mine.together > 0,
                )
            except HyperError as error:
                # Nothing of it was written: it died, or said goodbye, while it was idle.
                if pump.protocol.accepting or not error.retryable or dials >= MAX_DIALS:
                    raise own_error(error, self._where) from error.__cause__

    def _start_within(self, asked: Asked, timeout: float | None) -> tuple[Pump, Exchange]:
        """``_start``, in the time that this request has: for an answer, and perhaps in all."""
        mine = self._mine
        mine.seconds = timeout
        mine.patience = timeout if isinstance(timeout, Patience) else None
        try:
            return self._start(asked)
        finally:
            mine.seconds = mine.patience = None

    def _restart(self, response: Response) -> None:
        """Send the head of a request once more, its body being at its beginning."""
        if response._exchange.opened:
            response._repeated = True
        else:
            response._turns += 1
        response._reused = False
        response._pump, response._exchange = self._start_within(response._asked, response._timeout)
        stream_id = response.stream_id = response._exchange.id
        # The next connection may speak another version, and nobody has seen the response yet.
        response.__class__ = HTTP11Response if stream_id is None else HTTP20Response
        if self.enable_push:
            self._watch_pushes(response)

    def _watch_pushes(self, response: Response) -> None:
        """Keep what the server pushes along with a response where it can be asked for."""

    def _complete_or_repeat(self, response: Response) -> None:
        """Send what is left of a request; all of it once more if that is safe (§8.7)."""
        while True:
            try:
                self._complete(response)
                return
            except (HyperError, OSError) as error:
                if not self._may_repeat(response, error):
                    raise
            self._restart(response)

    def _may_repeat(self, response: Response, error: BaseException) -> bool:
        """Whether the request can be sent again; then its body is at its beginning."""
        asked = response._asked
        exchange = response._exchange
        if response._pump.closed:
            # Whoever closed the connection does not want another one for what was queued here.
            return False
        if getattr(error, "retryable", False):
            if not exchange.opened:
                # It never left, so it is as new; only that it should not go on for ever.
                return response._turns < MAX_TURNS
        elif not (
            response._reused
            and isinstance(error, builtins.ConnectionError)
            and not isinstance(error, InvalidResponseError)
            and not exchange.status
            and not exchange.informational
            and asked.method in IDEMPOTENT
        ):
            return False
        return not response._repeated and not asked.piecewise and _rewound(asked)

    def _complete(self, response: Response) -> None:
        """Send what is left of a request; give its stream up if that fails."""
        with self._or_give_up(response):
            if response._asked.body is not None:
                self._upload(response)
            else:
                self._see_through(response)

    @contextmanager
    def _or_give_up(self, response: Response) -> Iterator[None]:
        """Give the stream of a request up that cannot be sent whole."""
        try:
            yield
        except HyperError as error:
            response._pump.cancel(response._exchange)
            raise own_error(error, self._where) from error.__cause__
        except BaseException:
            response._pump.cancel(response._exchange)
            raise

    def _upload(self, response: Response) -> None:
        """Send the body as the windows allow it, until the server has answered in full."""
        asked = response._asked
        body = asked.body
        assert body is not None
        if not self._may_send(response):
            return
        for piece, end in body:
            trailers: tuple[tuple[bytes, bytes], ...] = ()
            if end and asked.trailers is not None:
                trailers = wire_trailers(asked.trailers)
            if not self._send_piece(response, piece, end, trailers):
                return

    def _may_send(self, response: Response) -> bool:
        """Wait until the body may leave; False when the answer has come without it."""
        if not response._exchange.opened:
            self._await_turn(response)
        if response._asked.expects:
            self._see_through(response)
            deadline = monotonic() + self.expect_timeout
            if isinstance(response._timeout, Patience):
                deadline = min(deadline, response._timeout.until)
            exchange = response._exchange
            if response._pump.wait(exchange, has_word, deadline) and exchange.headers is not None:
                # RFC 9110 §10.1.1: whoever answers at once does not want it.
                self._cut_short(response)
                return False
        return True

    def _cut_short(self, response: Response) -> None:
        """Send no more of a body whose request has been answered."""
        if response._exchange.ended:
            # RFC 9113 §8.1: the rest is not needed, and the stream need not wait for it.
            response._pump.cancel(response._exchange)
        else:
            response._cut_short = True

    def _send_piece(
        self,
        response: Response,
        piece: bytes | memoryview,
        end: bool,
        trailers: tuple[tuple[bytes, bytes], ...],
    ) -> bool:
        """Send octets of the body; False when the server has answered and wants no more."""
        pump = response._pump
        exchange = response._exchange
        timeout = response._timeout
        view = memoryview(piece)
        deadline = None

        def ready(exchange: Exchange) -> bool:
            return exchange.status >= REFUSED or pump.has_room(exchange)

        while True:
            if exchange.headers is not None and (exchange.ended or exchange.status >= REFUSED):
                self._cut_short(response)
                return False
            taken = pump.send_body(exchange, view, end, trailers)
            self._see_through(response)
            if taken == len(view):
                if end and exchange.ended:
                    # It may have come just before the end of ours, which then never left.
                    self._cut_short(response)
                return True
            if taken:
                view = view[taken:]
                deadline = None
            # Other uploads may take the room before us; that is no progress of ours.
            if deadline is None and timeout is not None:
                deadline = monotonic() + timeout
            if not pump.wait(exchange, ready, deadline):
                raise timed_out("room to send more of the body", response._asked, exchange, timeout)

    def _see_through(self, response: Response) -> None:
        pump = response._pump
        if pump.transport.unsent and not pump.see_through(response._exchange, response._timeout):
            raise timed_out(
                "progress in writing", response._asked, response._exchange, response._timeout
            )

    def _await_turn(self, response: Response) -> None:
        """Wait until the head has left; on HTTP/1.1, not behind a response that nobody reads."""
        timeout = response._timeout
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            pump = response._pump
            exchange = response._exchange
            until = deadline
            if exchange.id is None:
                glance = monotonic() + PATIENCE
                until = glance if deadline is None else min(glance, deadline)
            if pump.wait(exchange, has_slot, until):
                return
            if until is deadline or (deadline is not None and monotonic() >= deadline):
                raise timed_out("free stream", response._asked, exchange, timeout)
            if pump.protocol.paused and pump.call(_step_aside, pump, exchange):
                self._restart(response)

    def _await_head(self, response: Response) -> None:
        """Wait until the head is there; send the request again if that is safe."""
        while True:
            try:
                if not response._exchange.opened:
                    self._await_turn(response)
                exchange = response._exchange
                timeout = response._timeout
                deadline = None if timeout is None else monotonic() + timeout
                if not response._pump.wait(exchange, has_head, deadline):
                    raise response._timed_out("response head")
            except BaseException:
                # Nobody will ask for it again.
                response._pump.cancel(response._exchange)
                raise
            if exchange.headers is not None:
                return
            error = exchange.error
            assert error is not None
            if not self._may_repeat(response, error):
                raise own_error(error, self._where)
            self._restart(response)
            self._complete_or_repeat(response)


def _step_aside(pump: Pump, exchange: Exchange) -> bool:
    """Leave the queue of an HTTP/1.1 connection, and keep others from joining it."""
    if exchange.opened or exchange.error is not None:
        return False
    pump.protocol.cancel(exchange)
    pump.protocol.close()
    return True


def _rewound(asked: Asked) -> bool:
    """Whether the request can be sent again; then its body is at its beginning."""
    body = asked.body
    if body is None:
        return True
    if not body.rewindable:
        return False
    body.rewind()
    return True
