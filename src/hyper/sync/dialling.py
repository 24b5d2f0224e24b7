"""How a connection comes about: one thread dials while the others wait for the outcome.

Everything that has to be settled before a request can be sent: where to, over TLS or not, and
which version of HTTP is spoken.
"""

from __future__ import annotations

import os
import sys
from _thread import TIMEOUT_MAX, LockType, allocate_lock
from ssl import SSLContext
from time import monotonic
from typing import Final
from weakref import WeakSet

from ..common.exceptions import own_copy
from ..http20.exceptions import ConnectionError, H2NotNegotiatedError
from ..http20.protocol import HTTP20Protocol
from ..http20.window import BaseFlowControlManager
from ..tls import default_context
from .dial import connect
from .pump import Pump, Trace

__all__ = ["Dialler"]

#: A stream id from which a new connection begins again at 1 (RFC 9113 §5.1.1: below 2**31).
LAST_COMFORTABLE_ID: Final = 2**30


class _Dial:
    """One attempt to connect, and the threads that wait for its outcome."""

    __slots__ = ("error", "gates", "unwanted")

    def __init__(self) -> None:
        self.gates: list[LockType] = []
        self.error: BaseException | None = None
        self.unwanted = False  # close() was called meanwhile


class Dialler:
    """The half of a connection that finds or makes the pump for a request."""

    host: str
    port: int
    secure: bool
    ssl_context: SSLContext | None
    window_manager: type[BaseFlowControlManager]
    force_proto: str | None
    trace: Trace | None

    def __init__(self, where: str, connect_timeout: float | None) -> None:
        self._where = where
        self._connect_timeout = connect_timeout
        # Guarded by the lock, which nobody holds while waiting.
        self._lock = allocate_lock()
        self._pump: Pump | None = None
        self._dialling: _Dial | None = None
        # Connections that take no new requests, as long as somebody may read from them.
        self._former: WeakSet[Pump] = WeakSet()
        _alive.add(self)

    def _usable_pump(self) -> Pump:
        """The connection that takes requests, dialled by one thread while the others wait."""
        deadline = None
        if self._connect_timeout is not None:
            deadline = monotonic() + self._connect_timeout
        while True:
            mine: _Dial | None = None
            gate: LockType | None = None
            with self._lock:
                pump = self._pump
                if pump is not None and pump.protocol.accepting:
                    return pump
                dial = self._dialling
                if dial is None:
                    dial = mine = self._dialling = _Dial()
                else:
                    gate = allocate_lock()
                    gate.acquire()
                    dial.gates.append(gate)
            if mine is not None:
                return self._dial(mine)
            assert gate is not None
            left = -1.0 if deadline is None else min(max(deadline - monotonic(), 0), TIMEOUT_MAX)
            if not gate.acquire(timeout=left):
                raise TimeoutError(
                    f"{self._where}: another thread has been connecting for more than "
                    f"{self._connect_timeout:g} s"
                )
            if isinstance(dial.error, Exception):
                raise own_copy(dial.error)
            # It is there, or the thread that dialled was interrupted and it is our turn.

    def _dial(self, dial: _Dial) -> Pump:
        """Dial, and tell everyone who waits how it went."""
        try:
            try:
                pump = self._open()
            except BaseException as error:
                dial.error = error
                raise
            with self._lock:
                if not dial.unwanted:
                    if self._pump is not None:
                        self._former.add(self._pump)
                    self._pump = pump
            if dial.unwanted:
                pump.close()
                dial.error = ConnectionError(
                    f"the connection to {self._where} was closed while it was being made"
                )
                raise own_copy(dial.error)
            return pump
        finally:
            with self._lock:
                self._dialling = None
            for gate in dial.gates:
                gate.release()

    def _open(self) -> Pump:
        context = None
        if self.secure:
            context = self.ssl_context or default_context()
        transport = connect(
            self.host, self.port, timeout=self._connect_timeout, ssl_context=context
        )
        try:
            if self.secure and transport.alpn != "h2" and self.force_proto != "h2":
                raise _not_negotiated(self._where, transport.alpn)
            protocol = HTTP20Protocol(
                window_manager=self.window_manager,
                first_stream_id=self._next_stream_id(),
                clock=monotonic,
            )
            return Pump(protocol, transport, trace=self.trace or _asked_for_trace())
        except BaseException:
            transport.close()
            raise

    def _next_stream_id(self) -> int:
        """Where the ids of the next connection begin.

        They go on counting while responses of the former one may be asked for, so that an id
        means one request only.
        """
        former = self._pump
        last = former.last_id if former is not None else None
        if last is None or last >= LAST_COMFORTABLE_ID:
            return 1
        return last + 2

    def _inherit(self) -> None:
        """In the child of a fork: whoever was dialling is not here."""
        self._lock = allocate_lock()
        self._dialling = None


def _not_negotiated(where: str, alpn: str | None) -> H2NotNegotiatedError:
    chose = "nothing" if alpn is None else repr(alpn)
    error = H2NotNegotiatedError(
        f"{where} does not speak HTTP/2: of 'h2' and 'http/1.1' its TLS chose {chose} by ALPN "
        "(RFC 9113 §3.2); use http.client for it, or force_proto='h2' if it is known to speak "
        "HTTP/2 all the same"
    )
    error.alpn = alpn
    return error


def _asked_for_trace() -> Trace | None:
    """The trace that the environment or a log asks for; mostly none, and nothing is loaded."""
    if "HYPER_TRACE" not in os.environ and "logging" not in sys.modules:
        return None
    from ..trace import trace_for_connection

    return trace_for_connection()


# For the child of a fork, where a thread that was dialling does not exist.
_alive: WeakSet[Dialler] = WeakSet()


def _drop_inherited() -> None:
    for connection in list(_alive):
        connection._inherit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
