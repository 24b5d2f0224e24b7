"""How a request is sent: its head, its body as the peer gives room, and all of it again.

Again only where the peer surely did not process it (RFC 9113 §8.7), and once.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from ..common.exchange import Exchange
from ..http20.exceptions import HTTP20Error
from .dialling import Dialler
from .pump import Pump
from .request import Asked, wire_trailers
from .response import HTTP20Response, has_head, has_slot, own_error, timed_out

__all__ = ["Sender"]

#: Connections that one request may find dying before it gives up.
MAX_DIALS: Final = 3


class Sender(Dialler):
    """The half of a connection that sees to requests until their responses have begun."""

    def _start(self, asked: Asked) -> tuple[Pump, Exchange]:
        """Send the head, over a new connection if the one there is takes no requests."""
        dials = 0
        while True:
            pump = self._pump
            if pump is None or not pump.protocol.accepting:
                pump = self._usable_pump()
                dials += 1
            try:
                return pump, pump.request(
                    asked.method,
                    asked.scheme,
                    asked.authority,
                    asked.path,
                    asked.headers,
                    asked.body is None,
                    asked.never_index,
                )
            except HTTP20Error as error:
                # Nothing of it was written: it died, or said goodbye, while it was idle.
                if pump.protocol.accepting or not error.retryable or dials >= MAX_DIALS:
                    raise own_error(error, self._where) from error.__cause__

    def _complete_or_repeat(self, response: HTTP20Response) -> None:
        """Send what is left of a request; all of it once more if that is safe (§8.7)."""
        try:
            self._complete(response)
        except HTTP20Error as error:
            if not error.retryable or not self._rewound(response._asked):
                raise
            self._repeat(response)

    def _repeat(self, response: HTTP20Response) -> None:
        """Send a request once more, its body being at its beginning."""
        response._repeated = True
        response._pump, response._exchange = self._start(response._asked)
        response.stream_id = response._exchange.id
        self._complete(response)

    def _complete(self, response: HTTP20Response) -> None:
        """Send what is left of a request; give its stream up if that fails."""
        pump = response._pump
        exchange = response._exchange
        asked = response._asked
        timeout = response._timeout
        try:
            if asked.body is not None:
                self._upload(pump, exchange, asked, timeout)
            else:
                self._see_through(pump, exchange, asked, timeout)
        except HTTP20Error as error:
            pump.cancel(exchange)
            raise own_error(error, self._where) from error.__cause__
        except BaseException:
            pump.cancel(exchange)
            raise

    def _upload(self, pump: Pump, exchange: Exchange, asked: Asked, timeout: float | None) -> None:
        """Send the body as the windows allow it, until the server has answered in full."""
        body = asked.body
        assert body is not None
        for piece, end in body:
            view = memoryview(piece)
            trailers: tuple[tuple[bytes, bytes], ...] = ()
            if end and asked.trailers is not None:
                trailers = wire_trailers(asked.trailers)
            deadline = None
            while True:
                if not exchange.opened:
                    deadline = None if timeout is None else monotonic() + timeout
                    if not pump.wait(exchange, has_slot, deadline):
                        raise timed_out("free stream", asked, exchange, timeout)
                    deadline = None
                taken = pump.send_body(exchange, view, end, trailers)
                self._see_through(pump, exchange, asked, timeout)
                if taken == len(view):
                    break
                if exchange.ended:
                    # The answer is whole, and did not need the rest (RFC 9113 §8.1).
                    pump.cancel(exchange)
                    return
                if taken:
                    view = view[taken:]
                    deadline = None
                    continue
                # Other uploads may take the room before us; that is no progress of ours.
                if deadline is None and timeout is not None:
                    deadline = monotonic() + timeout
                if not pump.wait(exchange, pump.has_room, deadline):
                    raise timed_out("room to send more of the body", asked, exchange, timeout)

    def _see_through(
        self, pump: Pump, exchange: Exchange, asked: Asked, timeout: float | None
    ) -> None:
        if pump.transport.unsent and not pump.see_through(exchange, timeout):
            raise timed_out("progress in writing", asked, exchange, timeout)

    def _await_head(self, response: HTTP20Response) -> None:
        """Wait until the head is there; send the request again if that is safe."""
        while True:
            exchange = response._exchange
            pump = response._pump
            timeout = response._timeout
            try:
                if not exchange.opened:
                    deadline = None if timeout is None else monotonic() + timeout
                    if not pump.wait(exchange, has_slot, deadline):
                        raise response._timed_out("free stream")
                deadline = None if timeout is None else monotonic() + timeout
                if not pump.wait(exchange, has_head, deadline):
                    raise response._timed_out("response head")
            except BaseException:
                # Nobody will ask for it again.
                pump.cancel(exchange)
                raise
            if exchange.headers is not None:
                return
            error = exchange.error
            assert error is not None
            if (
                response._repeated
                or not getattr(error, "retryable", False)
                or not self._rewound(response._asked)
            ):
                raise own_error(error, self._where)
            self._repeat(response)

    def _rewound(self, asked: Asked) -> bool:
        """Whether the request can be sent again; then its body is at its beginning."""
        body = asked.body
        if body is None:
            return True
        if not body.rewindable:
            return False
        body.rewind()
        return True
