"""A pump whose connection is being watched; loaded only where somebody watches.

``pump`` and ``guarded`` tell a trace of octets and nothing else, as everything else would cost
every request of everybody. What octets cannot say is said here: that a request waits, and how the
connection ends.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..common.exchange import Exchange
from ..common.protocol import Protocol as HTTPProtocol
from .guarded import Trace, Waiter
from .pump import Pump
from .transport import Transport

if TYPE_CHECKING:
    from .dialling import Dialler

__all__ = ["Observer", "WatchedPump", "watch"]


class Observer(Protocol):
    """What wants to know of one connection: its octets, as a trace does, and the rest."""

    def __call__(self, direction: str, data: bytes, /) -> object: ...

    def note(self, what: str, *details: Any) -> None:
        """Something that is no octets.

        what, details  ``dialling`` host, port, secure, proxy; ``resolved`` addresses;
                       ``connected`` address; ``secured`` version, cipher, offered, chose;
                       ``speaking`` version; ``queued`` stream or number, method, url;
                       ``closed`` reason, class of the error
        """


class WatchedPump(Pump):
    """A ``Pump`` that also tells of requests that wait, and of the end."""

    def __init__(self, protocol: HTTPProtocol, transport: Transport, *, observer: Observer) -> None:
        super().__init__(protocol, transport, trace=observer)
        self._observer = observer
        self._asked = 0
        self._told = False
        self._leaving = False

    def request(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        end: bool,
        never_index: Container[bytes] = (),
        hold: bool = False,
    ) -> Exchange:
        exchange = super().request(method, scheme, authority, path, headers, end, never_index, hold)
        self._asked += 1
        if not exchange.opened:
            number = self._asked if exchange.id is None else exchange.id
            url = b"%s://%s%s" % (scheme, authority, path)
            self._observer.note("queued", number, method.decode("latin-1"), url.decode("latin-1"))
        return exchange

    def _close(self, woken: list[Waiter]) -> None:
        # What happens from here on is our doing, whatever it looks like.
        self._leaving = self.over is None
        super()._close(woken)

    def _receive(self, pieces: Iterable[bytes | None], woken: list[Waiter]) -> None:
        super()._receive(pieces, woken)
        self._look()

    def _retire(self, woken: list[Waiter], said: bool) -> None:
        super()._retire(woken, said)
        self._look()

    def _end(self, error: Exception, woken: list[Waiter]) -> None:
        super()._end(error, woken)
        self._look()

    def _fail(self, error: BaseException, woken: list[Waiter]) -> None:
        super()._fail(error, woken)
        self._look()

    def _inherit(self) -> None:
        # Who watches is the parent's: it may hold a lock of its own that nobody opens here.
        self._told = True
        super()._inherit()

    def _look(self) -> None:
        if self.over is not None and not self._told:
            self._told = True
            if self._leaving:
                self._observer.note("closed", "by us", "")
            else:
                note_end(self._observer, self.over)


def watch(dialler: Dialler, trace: Trace) -> tuple[Transport, bool, Callable[..., Pump]]:
    """What ``dialler._connect`` gives, watched if the trace wants that; and what makes the pump.

    A trace is a function that sees octets. If it has ``observe(secure=...)`` as well, what that
    returns is told everything about this one connection, octets included.
    """
    observe: Any = getattr(trace, "observe", None)
    if observe is None:
        transport, over_http20 = dialler._connect()
        return transport, over_http20, partial(Pump, trace=trace)
    observer: Observer = observe(secure=dialler.secure)
    proxy = dialler._proxy
    via = "" if proxy is None else proxy.where
    observer.note("dialling", dialler.host, dialler.port, dialler.secure, via)
    dialler._note = observer.note
    try:
        transport, over_http20 = dialler._connect()
    except BaseException as error:
        note_end(observer, error)
        raise
    finally:
        dialler._note = None
    observer.note("speaking", "HTTP/2" if over_http20 else "HTTP/1.1")
    return transport, over_http20, partial(WatchedPump, observer=observer)


def note_end(observer: Observer, error: BaseException) -> None:
    """Say why a connection has ended, or never came about."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    observer.note("closed", said or type(error).__name__, type(error).__name__)
