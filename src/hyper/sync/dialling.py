"""How a connection comes about: one thread dials while the others wait for the outcome.

Everything that has to be settled before a request can be sent: where to, over TLS or not, and
which version of HTTP is spoken.
"""

from __future__ import annotations

import os
import sys
from _thread import LockType, allocate_lock, get_ident
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from socket import socket
from ssl import SSLContext
from time import monotonic
from typing import TYPE_CHECKING, Final
from weakref import ReferenceType, WeakSet, finalize, ref

from ..common.exceptions import HyperError, own_copy, template
from ..common.exchange import Exchange, Fields
from ..common.protocol import Protocol
from ..http11.protocol import HTTP11Protocol
from ..http20.exceptions import ConnectionError, H2NotNegotiatedError
from ..http20.limits import Limits
from ..http20.protocol import HTTP20Protocol
from ..http20.window import BaseFlowControlManager
from ..tls import ALPN_PROTOCOLS, ascii_host, default_context
from .dial import Note, connect, start_tls
from .proxy import Proxy, open_tunnel
from .pump import GLANCE, Pump, Trace
from .request import Asked
from .response import Response, timed_out
from .transport import Transport

if TYPE_CHECKING:
    from .pushes import Mine

__all__ = ["Dialler", "asked_for_trace"]

#: A stream id from which a new connection begins again at 1 (RFC 9113 §5.1.1: below 2**31).
LAST_COMFORTABLE_ID: Final = 2**30


class _Dial:
    """One attempt to connect, and the threads that wait for its outcome."""

    __slots__ = ("error", "gates", "pump", "unwanted")

    def __init__(self) -> None:
        self.gates: list[LockType] = []
        self.error: BaseException | None = None
        self.unwanted = False  # close() was called meanwhile
        self.pump: Pump | None = None  # there, and what is left is an answer to wait for


class Dialler:
    """The half of a connection that finds or makes the pump for a request."""

    host: str
    port: int
    secure: bool
    ssl_context: SSLContext | None
    window_manager: type[BaseFlowControlManager]
    enable_push: bool
    foreign_pushes: bool
    hpack: str | None
    limits: Limits | None
    force_proto: str | None
    trace: Trace | None

    #: Host and port to connect to in place of our own, which stay what is asked for and verified.
    connect_to: tuple[str, int] | None = None
    #: What to offer by ALPN; None is what this connection can speak, and empty leaves the offer to
    #: the context. May be set before the first request, as ``connect_to``.
    alpn: Sequence[str] | None = None

    #: Told how a connection comes about, while one that is watched does.
    _note: Note | None = None
    _mine: Mine

    #: The versions that may be spoken: 20, 11 or both.
    _versions: tuple[int, ...] = (20, 11)
    #: Whether a request in cleartext may ask to go on in HTTP/2.
    _may_upgrade = True

    def __init__(
        self,
        where: str,
        connect_timeout: float | None,
        timeout: float | None,
        proxy: Proxy | None,
    ) -> None:
        self._where = where
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._proxy = proxy
        # Responses that nobody has asked for yet, by the id that request() returned, or by
        # themselves where that was None; dict.pop claims atomically.
        self._unclaimed: dict[object, Response] = {}
        # Guarded by the lock, which nobody holds while waiting.
        self._lock = allocate_lock()
        self._pump: Pump | None = None
        # The newest id of connections before this one.
        self._last_id: int | None = None
        # Threads that have ever asked for anything here.
        self._users: set[int] = set()
        self._dialling: _Dial | None = None
        # Connections that take no new requests, as long as somebody may read from them.
        self._former: WeakSet[Pump] = WeakSet()
        _alive.add(self)

    def _usable_pump(self) -> Pump:
        """The connection that takes requests."""
        return self._usable(None)[0]

    def _usable(self, asked: Asked | None) -> tuple[Pump, Exchange | None]:
        """The connection that takes requests, dialled by one thread while the others wait.

        Along with it what has become of ``asked``, if it was sent already: to ask for HTTP/2.
        """
        timeout = self._time_to_connect()
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            mine: _Dial | None = None
            gate: LockType | None = None
            try:
                with self._lock:
                    pump = self._pump
                    if pump is not None and pump.protocol.accepting:
                        return pump, None
                    dial = self._dialling
                    if dial is None:
                        dial = mine = self._dialling = _Dial()
                    else:
                        gate = allocate_lock()
                        gate.acquire()
                        dial.gates.append(gate)
                if mine is not None:
                    return self._dial(mine, asked)
            finally:
                if mine is not None:
                    # An interrupt here must not leave anybody waiting; this can be done twice.
                    try:
                        self._dialled(mine)
                    except BaseException:
                        self._dialled(mine)
                        raise
            assert gate is not None
            self._await_dial(dial, gate, deadline, timeout)
            if isinstance(dial.error, OSError | HyperError):
                raise own_copy(dial.error)
            # It is there, or the thread that dialled was interrupted and it is our turn; or what
            # went wrong is no matter of the network, and we shall see for ourselves.

    def _await_dial(
        self, dial: _Dial, gate: LockType, deadline: float | None, timeout: float | None
    ) -> None:
        """Wait until the attempt of another thread has ended."""
        doing = "connecting"
        answering = False
        while True:
            if dial.pump is not None and not answering:
                # It is there, and waits for an answer; so would we.
                answering = True
                doing = "waiting for the first answer on this connection"
                timeout = self._time_to_answer
                deadline = None if timeout is None else monotonic() + timeout
            # In glances, since nobody says when the one turns into the other.
            left = GLANCE if deadline is None else min(max(deadline - monotonic(), 0), GLANCE)
            if gate.acquire(timeout=left):
                return
            late = deadline is not None and monotonic() >= deadline
            if late and answering is (dial.pump is not None):
                raise TimeoutError(
                    f"{self._where}: another thread has been {doing} for more than {timeout:g} s"
                )

    def _dial(self, dial: _Dial, asked: Asked | None) -> tuple[Pump, Exchange | None]:
        """Dial, and note how it went for everyone who waits."""
        pump: Pump | None = None
        try:
            pump, exchange = self._open(dial, asked)
            with self._lock:
                if not dial.unwanted:
                    if self._pump is not None:
                        self._put_aside(self._pump)
                    self._pump = pump
            if dial.unwanted:
                raise ConnectionError(
                    f"the connection to {self._where} was closed while it was being made"
                )
            return pump, exchange
        except BaseException as error:
            if not self._only_we_are_late(dial, error):
                # Otherwise others try for themselves.
                dial.error = template(error)
            if pump is not None and self._pump is not pump:
                pump.close()
            raise

    def _only_we_are_late(self, dial: _Dial, error: BaseException) -> bool:
        """Whether it was the time of this thread's request that was up, and nobody else's."""
        mine = self._mine
        if mine.patience is not None and mine.patience.over:
            return True
        waited_for_answer = dial.pump is not None and isinstance(error, TimeoutError)
        return waited_for_answer and self._time_to_answer != self._timeout

    def _dialled(self, dial: _Dial) -> None:
        """Let go on whoever waits for the outcome."""
        with self._lock:
            if self._dialling is dial:
                self._dialling = None
        for gate in dial.gates:
            with suppress(RuntimeError):
                gate.release()

    def _open(self, dial: _Dial, asked: Asked | None) -> tuple[Pump, Exchange | None]:
        if self._pump is not None:
            self._note_last_id(self._pump)
        trace = self.trace or asked_for_trace()
        make: Callable[[Protocol, Transport], Pump] = Pump
        if trace is None:
            transport, over_http20 = self._connect()
        else:
            from .watched import watch

            transport, over_http20, make = watch(self, trace)
        try:
            if over_http20:
                return make(self._http20(self._next_stream_id()), transport), None
            protocol = HTTP11Protocol(absolute=self._forwarded)
            pump = make(protocol, transport)
            if (
                self._may_upgrade
                and 20 in self._versions
                and not self.secure
                and not self._forwarded
                and asked is not None
                # A body would have to be sent whole before the server may agree (RFC 7540 §3.2).
                and asked.body is None
                and not asked.piecewise
                and asked.method != b"CONNECT"
                # Who agrees begins with stream 1, whose id must not stand for another request.
                and not any(isinstance(key, int) for key in list(self._unclaimed))
                and (self._last_id is None or self._alone)
            ):
                # First shown, then looked: close() does it the other way round.
                dial.pump = pump
                if not dial.unwanted:
                    return pump, self._ask_for_http20(pump, protocol, asked)
            return pump, None
        except BaseException:
            transport.close()
            raise

    def _time_to_connect(self) -> float | None:
        """Seconds that the calling thread may take for connecting."""
        patience = self._mine.patience
        if patience is None:
            return self._connect_timeout
        left = max(patience.until - monotonic(), 0.001)
        return left if self._connect_timeout is None else min(left, self._connect_timeout)

    @property
    def _time_to_answer(self) -> float | None:
        """Seconds that the calling thread's request may wait for an answer."""
        return self._timeout if self._mine.seconds is None else self._mine.seconds

    def _connect(self) -> tuple[Transport, bool]:
        """Make a connection to the server; say whether it is to be spoken to in HTTP/2."""
        timeout = self._time_to_connect()
        proxy = self._proxy
        # Who insists on h2 offers http/1.1 as well: so the error can say what the server chose.
        alpn: Sequence[str] = ALPN_PROTOCOLS if 20 in self._versions else ("http/1.1",)
        if self.alpn is not None:
            alpn = self.alpn
        for name, given, wanted in (
            ("alpn", self.alpn, "names, such as ['h2']"),
            ("connect_to", self.connect_to, "a host and a port, such as ('localhost', 8443)"),
        ):
            if isinstance(given, str):
                raise TypeError(f"{name} takes {wanted}, not a single str")
        host, port = self.connect_to or (self.host, self.port)
        context = None
        if self.secure:
            context = self.ssl_context or default_context()
        if proxy is None:
            transport = connect(
                host,
                port,
                timeout=timeout,
                ssl_context=context,
                server_hostname=self.host,
                alpn=alpn,
                note=self._note,
            )
        else:
            began = monotonic()
            transport = connect(
                proxy.host, proxy.port, timeout=timeout, note=self._note, role="proxy "
            )
            if not self._forwarded:
                name = ascii_host(self.host)
                open_tunnel(
                    transport,
                    proxy,
                    ascii_host(host),
                    port,
                    _left(timeout, began),
                    we_begin=context is not None,
                )
                if context is not None:
                    transport = start_tls(
                        transport,
                        context,
                        server_hostname=name,
                        where=f"{self._where} through proxy {proxy.where}",
                        timeout=_left(timeout, began),
                        alpn=alpn,
                        note=self._note,
                    )
        if 11 not in self._versions:
            if self.secure and transport.alpn != "h2" and self.force_proto != "h2":
                transport.close()
                raise _not_negotiated(self._where, transport.alpn)
            return transport, True
        over_http20 = 20 in self._versions and "h2" in (transport.alpn, self.force_proto)
        return transport, over_http20

    @property
    def _forwarded(self) -> bool:
        """Whether requests go to a proxy that passes them on (RFC 9112 §3.2.2)."""
        proxy = self._proxy
        return (
            proxy is not None
            and proxy.scheme == "http"
            and not self.secure
            and 11 in self._versions
        )

    def _http20(self, first_stream_id: int) -> HTTP20Protocol:
        return HTTP20Protocol(
            window_manager=self.window_manager,
            enable_push=self.enable_push,
            foreign_pushes=self.foreign_pushes,
            hpack=self.hpack,
            limits=self.limits,
            first_stream_id=first_stream_id,
            clock=monotonic,
        )

    def _ask_for_http20(self, pump: Pump, protocol: HTTP11Protocol, asked: Asked) -> Exchange:
        """Send a request that offers to go on in HTTP/2, and see what the server makes of it.

        RFC 7540 §3.2. Whoever agrees answers it on stream 1; others answer in HTTP/1.1, and are
        not asked again.
        """
        http20 = self._http20(1)
        protocol.offer_upgrade = urlsafe_b64encode(http20.settings_payload).rstrip(b"=")
        exchange = pump.request(
            asked.method,
            asked.scheme,
            asked.authority,
            asked.path,
            self._http11_headers(asked),
            True,
            asked.never_index,
        )
        timeout = self._time_to_answer
        deadline = None if timeout is None else monotonic() + timeout
        if not pump.wait(exchange, has_answered, deadline):
            error = timed_out("response head", asked, exchange, timeout)
            pump.cancel(exchange)
            raise error
        if protocol.switched is None:
            # Unless it was us who did not wait for its answer.
            self._may_upgrade = pump.closed
            return exchange

        def go_on() -> Exchange:
            stream = http20.upgraded(asked.method, asked.scheme, asked.authority)
            pump.protocol = http20
            pump.last_id = stream.id
            http20.receive_data(protocol.switched or b"")
            return stream

        return pump.call(go_on)

    def _http11_headers(self, asked: Asked) -> Fields:
        """What HTTP/1.1 says in other words, and what is for the proxy alone."""
        headers = asked.headers
        if asked.trailers is not None:
            # Trailers need chunks there, which exclude a length (RFC 9112 §6.2).
            headers = [field for field in headers if field[0] != b"content-length"]
        if asked.last:
            headers = [*headers, (b"connection", b"close")]
        if self._proxy is not None and self._forwarded:
            headers = [*headers, *self._proxy.headers]
        return headers

    def _next_stream_id(self) -> int:
        """Where the ids of the next connection begin.

        They go on counting while somebody may name a request by its id, so that it means one only.
        """
        last = self._last_id
        return 1 if last is None or last >= LAST_COMFORTABLE_ID else last + 2

    @property
    def _alone(self) -> bool:
        """Whether no other thread can have sent a request whose id it has not heard of yet."""
        return self._users <= {get_ident()}

    def _put_aside(self, pump: Pump) -> None:
        """Keep a connection that takes no new requests as long as somebody may read from it."""
        self._former.add(pump)
        # Its last reader may drop what he has not read, and nobody else knows of it. Of the
        # transport no more than the socket is held: from its TLS, through a context of urllib3's,
        # a way may lead back to the pump.
        transport = pump.transport
        finalize(pump, _end, ref(transport), transport._sock).atexit = False

    def _note_last_id(self, pump: Pump) -> None:
        if pump.last_id is not None:
            self._last_id = pump.last_id

    def _inherit(self) -> None:
        """In the child of a fork: whoever was dialling is not here."""
        self._lock = allocate_lock()
        self._dialling = None


def _end(transport: ReferenceType[Transport], sock: socket) -> None:
    """Close a transport, or its socket if the garbage collector was there before."""
    (transport() or sock).close()


def has_answered(exchange: Exchange) -> bool:
    """A ``ready`` for a request that may lead to another protocol."""
    return exchange.headers is not None or exchange.ended or exchange.error is not None


def _left(timeout: float | None, began: float) -> float | None:
    """What is left of the seconds for connecting; a moment at least, for a clear error."""
    return None if timeout is None else max(timeout - (monotonic() - began), 0.001)


def _not_negotiated(where: str, alpn: str | None) -> H2NotNegotiatedError:
    chose = "nothing" if alpn is None else repr(alpn)
    error = H2NotNegotiatedError(
        f"{where} does not speak HTTP/2: of 'h2' and 'http/1.1' its TLS chose {chose} by ALPN "
        "(RFC 9113 §3.2); use HTTPConnection, which takes either, or force_proto='h2' if "
        "it is known to speak HTTP/2 all the same"
    )
    error.alpn = alpn
    return error


def asked_for_trace() -> Trace | None:
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
