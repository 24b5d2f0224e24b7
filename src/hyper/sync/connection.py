"""What a user holds: a connection to one server, for any number of threads.

Finds out what a request is, dials when there is nobody to ask, and remembers which response is
whose. Reading, writing and waiting are the pump's.
"""

from __future__ import annotations

import os
import sys
from _thread import TIMEOUT_MAX, LockType, allocate_lock
from collections import deque
from collections.abc import Iterable
from ssl import SSLContext
from threading import local
from time import monotonic
from typing import Final
from weakref import WeakSet

from ..common.exceptions import own_copy
from ..common.exchange import Exchange
from ..http20.exceptions import ConnectionError, H2NotNegotiatedError, HTTP20Error
from ..http20.limits import INITIAL_MAX_STREAMS
from ..http20.protocol import HTTP20Protocol
from ..http20.window import BaseFlowControlManager, FlowControlManager
from ..tls import default_context
from .compat import FormerConnection
from .dial import connect
from .pump import Pump, Trace
from .request import Asked, Headers, Octets, Origin, Trailers, host_and_port, octets, wire_trailers
from .response import HTTP20Response, has_ended, has_head, has_slot, own_error, timed_out

__all__ = ["HTTP20Connection"]

#: Connections that one request may find dying before it gives up.
MAX_DIALS: Final = 3

#: A stream id from which a new connection begins again at 1 (RFC 9113 §5.1.1: below 2**31).
LAST_COMFORTABLE_ID: Final = 2**30


class _Dial:
    """One attempt to connect, and the threads that wait for its outcome."""

    __slots__ = ("error", "gates", "unwanted")

    def __init__(self) -> None:
        self.gates: list[LockType] = []
        self.error: BaseException | None = None
        self.unwanted = False  # close() was called meanwhile


class _Mine(local):
    """The calling thread's responses in the order of their requests, claimed ones included."""

    def __init__(self) -> None:
        self.responses: deque[HTTP20Response] = deque()


class HTTP20Connection:
    """A connection that speaks HTTP/2 (RFC 9113), for any number of threads at once.

    host            ``'name'``, ``'name:port'``, ``'[::1]:port'``
    port            443 unless ``host`` or this names another
    secure          TLS or not; left out, it is TLS on port 443 and wherever an ``ssl_context``
                    is given, since to bring a context is to ask for TLS. Without TLS the server
                    must be known to speak HTTP/2 (prior knowledge, RFC 9113 §3.3)
    window_manager  a subclass of ``hyper.http20.window.BaseFlowControlManager``, not an instance
    enable_push     accepted for code that passes it; pushes are refused so far
    ssl_context     whom to trust and what to offer; ``hyper.tls.init_context()`` by default
    force_proto     ``'h2'``: speak HTTP/2 whatever ALPN says
    timeout         seconds for each wait, or a pair of them, for connecting and for the rest;
                    a wait begins afresh whenever the request makes progress
    trace           called with ``'>'`` or ``'<'`` and the octets written or read, under a lock:
                    it must not wait, nor use this connection

    Attributes: ``host``, ``port``, ``secure``, ``timeout``.

    Dialled by the first request. May be used again after ``close()``; a connection that died, or
    to which the server said goodbye, is replaced by the next request, before that is sent.
    Raises ValueError and TypeError for what cannot be meant.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        secure: bool | None = None,
        window_manager: type[BaseFlowControlManager] | None = None,
        enable_push: bool = False,
        ssl_context: SSLContext | None = None,
        *,
        force_proto: str | None = None,
        timeout: float | tuple[float | None, float | None] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.host, self.port = host_and_port(host, port)
        self.secure = (ssl_context is not None or self.port == 443) if secure is None else secure
        self.ssl_context = ssl_context
        self.window_manager = window_manager or FlowControlManager
        self.enable_push = enable_push
        self.force_proto = force_proto
        self.timeout = timeout
        self.trace = trace
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        self._connect_timeout, self._timeout = (_seconds(each) for each in pair)

        self._origin = Origin(self.host, self.port, secure=self.secure)
        self._where = self._origin.where

        # Guarded by the lock, which nobody holds while waiting.
        self._lock = allocate_lock()
        self._pump: Pump | None = None
        self._dialling: _Dial | None = None
        # Connections that take no new requests, as long as somebody may read from them.
        self._former: WeakSet[Pump] = WeakSet()

        # Responses that nobody has asked for yet, by stream id; dict.pop claims atomically.
        self._unclaimed: dict[int, HTTP20Response] = {}
        self._mine = _Mine()
        _alive.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._origin}>"

    def __enter__(self) -> HTTP20Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Requests and responses.

    def request(
        self,
        method: Octets,
        url: Octets,
        body: object = None,
        headers: Headers | None = None,
        *,
        data: object = None,
        trailers: Trailers | None = None,
        never_index: Iterable[Octets] = (),
        timeout: float | None = None,
    ) -> int:
        """Send a request; return its stream id, to be given to ``get_response``.

        url          the path and query; visible ASCII, so percent-encoded where it must be
        body, data   one of them: bytes-like, str (sent as UTF-8), a binary file or an iterable
                     of bytes-like pieces (both streamed, from where they stand)
        headers      a mapping or pairs, str or bytes; ``:authority``, ``:path``, ``:scheme``
                     and ``:method`` override what is derived, fields about an HTTP/1.1
                     connection are left out, ``host`` becomes ``:authority``
        trailers     fields to send after the body, or a function that returns them then
        never_index  names of fields that no hop may keep in a table (RFC 7541 §7.1.3)
        timeout      seconds for each wait of this request, instead of the connection's

        ``content-length`` is set where the length is known, and held against the body. Never
        fails for lack of a stream: the request waits its turn. Returns when the body has left,
        or when the server has answered without waiting for all of it.

        Raises ValueError and TypeError for what may not be sent, before anything of it is;
        OSError when the server cannot be reached, H2NotNegotiatedError when it does not speak
        HTTP/2; TimeoutError, HTTP20Error and OSError when the upload fails.
        """
        if body is None:
            body = data
        elif data is not None:
            raise TypeError("body and data are two names for one thing; give only one of them")
        asked = self._origin.ask(method, url, body, headers, trailers, never_index)
        seconds = self._timeout if timeout is None else _seconds(timeout)
        pump, exchange = self._start(asked)
        response = HTTP20Response(pump, exchange, asked, seconds)
        if asked.body is not None or pump.transport.unsent:
            self._complete_or_repeat(response)
        stream_id = response.stream_id
        assert stream_id is not None
        mine = self._mine.responses
        while mine and mine[0]._claimed:
            mine.popleft()
        mine.append(response)
        self._unclaimed[stream_id] = response
        return stream_id

    def get_response(self, stream_id: int | None = None) -> HTTP20Response:
        """Wait for the head of a response, and return it.

        With the id that ``request()`` returned, in any order and from any thread; without one,
        the oldest request of the calling thread whose response nobody has asked for.

        A request that the server surely did not process (RFC 9113 §8.7) is sent once more on
        its own, if its body can be sent again.

        Raises ValueError when there is no such request; TimeoutError when there is no head
        within the timeout; HTTP20Error and OSError when the request failed.
        """
        mine = self._mine.responses
        response: HTTP20Response | None
        if stream_id is not None:
            response = self._unclaimed.pop(stream_id, None)
            if response is None:
                raise self._nothing_to_claim(stream_id)
        else:
            while True:
                if not mine:
                    raise self._nothing_to_claim(None)
                response = mine.popleft()
                assert response.stream_id is not None
                if self._unclaimed.pop(response.stream_id, None) is response:
                    break
        response._claimed = True
        exchange = response._exchange
        if exchange.headers is None:
            self._await_head(response)
            exchange = response._exchange
        response.status = exchange.status
        return response

    getresponse = get_response

    def ping(self, opaque: Octets = b"hyper...") -> float:
        """Send PING with eight octets (RFC 9113 §6.7); return the seconds until the answer.

        Dials if need be. Raises TimeoutError, ValueError for another number of octets, and the
        connection's error if it ends meanwhile.
        """
        pump = self._usable_pump()
        protocol = pump.protocol
        assert isinstance(protocol, HTTP20Protocol)
        began = monotonic()
        exchange = pump.call(protocol.ping, octets(opaque))
        deadline = None if self._timeout is None else began + self._timeout
        if not pump.wait(exchange, has_ended, deadline):
            raise TimeoutError(f"{self._where}: no answer to PING within {self._timeout:g} s")
        if exchange.error is not None:
            raise own_error(exchange.error, self._where)
        return monotonic() - began

    @property
    def max_concurrent_streams(self) -> int:
        """How many requests the server lets us have open; more wait in order.

        Until the server has been heard, what is assumed of it (RFC 9113 §6.5.2).
        """
        pump = self._pump
        if pump is None or not isinstance(pump.protocol, HTTP20Protocol):
            return INITIAL_MAX_STREAMS
        return pump.protocol.max_concurrent_streams

    @property
    def _conn(self) -> FormerConnection:
        # PyAPNs2, the most used program on hyper 0.7, asks for the limit this way.
        return FormerConnection(self)

    # The connection.

    def connect(self) -> None:
        """Dial, unless there is a connection that takes requests. Raises as ``request()`` does."""
        self._usable_pump().flush()

    def close(self) -> None:
        """Say goodbye and end every request that is still open. Can be called again.

        Threads that wait for something here get an error. What had arrived of a response stays
        readable; then there is an error. The next request dials anew.
        """
        with self._lock:
            pump, self._pump = self._pump, None
            if self._dialling is not None:
                self._dialling.unwanted = True
        if pump is not None:
            pump.close()
        for former in list(self._former):
            former.close()

    # How a request is sent.

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

    def _nothing_to_claim(self, stream_id: int | None) -> ValueError:
        waiting = ", ".join(map(str, sorted(self._unclaimed))) or "none"
        if stream_id is None:
            return ValueError(
                "this thread has no request whose response nobody has asked for; call "
                f"request() first, or give a stream id (there are: {waiting})"
            )
        return ValueError(
            f"no response on stream {stream_id} is waiting to be asked for (there are: {waiting})"
        )

    # How a connection comes about.

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


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout > 0:
        raise ValueError(
            f"a timeout must be more than 0 seconds, not {timeout!r}; None is no limit"
        )
    return timeout


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
_alive: WeakSet[HTTP20Connection] = WeakSet()


def _drop_inherited() -> None:
    for connection in list(_alive):
        connection._inherit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
