"""A drop-in for ``http.client`` that speaks HTTP/2 wherever the server does.

    import hyper.client as http_client

Everything that ``http.client`` has is here under the same name, and its three classes are
subclasses of the standard ones. Over HTTP/1.1 they are the standard library's own code; where TLS
chooses h2 (RFC 7301), that code stands on a socket which translates (``sync/gateway.py``).

The same socket comes from the contexts of ``create_default_context()``, so that whatever takes a
context speaks HTTP/2 without being changed; ``install()`` gives such contexts to those who bring
none.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from _thread import allocate_lock
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from http.client import (
    HTTP_PORT,
    HTTPS_PORT,
    BadStatusLine,
    CannotSendHeader,
    CannotSendRequest,
    HTTPException,
    HTTPMessage,
    ImproperConnectionState,
    IncompleteRead,
    InvalidURL,
    LineTooLong,
    NotConnected,
    RemoteDisconnected,
    ResponseNotReady,
    UnimplementedFileMode,
    UnknownProtocol,
    UnknownTransferEncoding,
    error,
    parse_headers,
    responses,
)
from time import monotonic
from typing import Any, Final

from .common.exchange import Exchange, Fields
from .http20.protocol import HTTP20Protocol
from .sync.dial import place
from .sync.dialling import asked_for_trace
from .sync.forking import note_heir
from .sync.gateway import GatewaySocket
from .sync.pool import Pool, Shared
from .sync.pump import Pump
from .sync.rendering import spelled
from .sync.socket_transport import SSLSocketTransport
from .tls import ALPN_PROTOCOLS, offering, tls_error

__all__ = [
    "HTTPS_PORT",
    "HTTP_PORT",
    "BadStatusLine",
    "CannotSendHeader",
    "CannotSendRequest",
    "HTTPConnection",
    "HTTPException",
    "HTTPMessage",
    "HTTPResponse",
    "HTTPSConnection",
    "ImproperConnectionState",
    "IncompleteRead",
    "InvalidURL",
    "LineTooLong",
    "NotConnected",
    "RemoteDisconnected",
    "ResponseNotReady",
    "SSLContext",
    "UnimplementedFileMode",
    "UnknownProtocol",
    "UnknownTransferEncoding",
    "create_default_context",
    "error",
    "install",
    "parse_headers",
    "responses",
    "uninstall",
]

_HTTP11: Final = ("http/1.1",)

# As they are now: a tool may put others into their places later, perhaps ours.
_standard = http.client
_StandardHTTPSConnection = http.client.HTTPSConnection


def __getattr__(name: str) -> Any:
    # The status codes, and what people use although it has an underscore, whatever this Python's
    # http.client has of it.
    try:
        return getattr(_standard, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_standard)})


# What http.client has.


class HTTPResponse(http.client.HTTPResponse):
    """As the standard one; over HTTP/2 with what HTTP/1.1 cannot say.

    version        20 over HTTP/2, else 11 or 10
    stream_id      the stream it came on; None over HTTP/1.1
    trailers       the fields after the body, once it has been read; none over HTTP/1.1
    informational  the interim responses before it, such as 103, as ``(status, fields)``
    """

    stream_id: int | None = None
    _exchange: Exchange | None = None
    _gateway: GatewaySocket | None = None  # until it has begun

    def __init__(
        self, sock: Any, debuglevel: int = 0, method: str | None = None, url: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        if isinstance(sock, GatewaySocket) and sock.exchange is not None:
            self._gateway = sock
            self._exchange = sock.exchange
            self.stream_id = sock.exchange.id

    def begin(self) -> None:
        gateway, self._gateway = self._gateway, None
        chunked = None
        if gateway is not None and not self.debuglevel:
            chunked = gateway.begin()
        if gateway is None or chunked is None:
            super().begin()
        else:
            self._take_head(gateway, chunked)
        if self._exchange is not None:
            self.version = 20

    def _take_head(self, gateway: GatewaySocket, chunked: bool) -> None:
        """What ``begin`` of the standard class reads out of a text, which costs a third more."""
        exchange = gateway.exchange
        assert exchange is not None
        self.code = self.status = exchange.status
        self.reason = responses.get(exchange.status, "Unknown")
        self.headers = self.msg = _message(exchange.headers or ())
        self.chunked = chunked
        self.length = gateway.length
        if chunked:
            self.chunk_left = None
            self.headers["Transfer-Encoding"] = "chunked"
        self.will_close = gateway.final
        if gateway.final:
            self.headers["Connection"] = "close"

    def read(self, amt: int | None = None) -> bytes:
        try:
            return super().read(amt)
        except IncompleteRead as cut:
            if cut.__cause__ is None and self._exchange is not None:
                cut.__cause__ = self._exchange.error
            raise

    @property
    def trailers(self) -> HTTPMessage:
        fields = None if self._exchange is None else self._exchange.trailers
        return _message(fields or ())

    @property
    def informational(self) -> list[tuple[int, HTTPMessage]]:
        heads = () if self._exchange is None else self._exchange.informational
        return [(status, _message(fields)) for status, fields in heads]


class HTTPConnection(http.client.HTTPConnection):
    """As the standard one. Without TLS there is nothing that would choose h2: HTTP/1.1."""

    response_class = HTTPResponse


class HTTPSConnection(http.client.HTTPSConnection, HTTPConnection):
    """As the standard one, but HTTP/2 with servers that choose it.

    A ``context`` of anybody's will do, and is left as it was for whoever else uses it. With one
    whose class wraps sockets in a way of its own (truststore's) it is HTTP/1.1.
    """

    _context: ssl.SSLContext
    _tunnel_host: str | None
    _http2 = True

    def connect(self) -> None:
        """Connect, and shake hands."""
        super(_StandardHTTPSConnection, self).connect()  # HTTPConnection's: TCP and tunnel
        hostname = self._tunnel_host or self.host
        context = self._context
        wrap: Callable[..., Any] = context.wrap_socket
        if (
            self._http2
            and not isinstance(context, SSLContext)
            and type(context).wrap_socket is ssl.SSLContext.wrap_socket
        ):
            wrap = partial(_wrap_with, context, demoted=self._demote)
        self.sock = wrap(self.sock, server_hostname=hostname)

    def _demote(self) -> None:
        self._http2 = False


# Contexts.


class SSLContext(ssl.SSLContext):
    """A context whose sockets speak HTTP/1.1 to their users, whatever is spoken to the server.

    Everything is as in ``ssl.SSLContext``, but that ``wrap_socket``, for a connected client's
    socket, offers h2 beside http/1.1. When the server chooses h2 it returns a ``GatewaySocket``,
    else an ``ssl.SSLSocket``. Sockets that are wrapped before they are connected, or that are to
    shake hands later, and ``wrap_bio``, offer what ``set_alpn_protocols`` said: http/1.1 to begin
    with. So does everything once that said ``h2``, as who does so speaks it, or something without
    http/1.1, as that is not about HTTP.

    Post-handshake authentication is not offered together with h2, which forbids it (RFC 9113
    §9.2.3).

    share         connections to one origin ride one HTTP/2 connection while any of them is open
    http11_hosts  names of servers that are offered http/1.1 only, for Upgrade (WebSocket) and
                  what else is missing in HTTP/2; servers that ask for it (HTTP_1_1_REQUIRED) are
                  added
    """

    share: bool
    http11_hosts: set[str]

    def __new__(cls, *args: Any, **kwargs: Any) -> SSLContext:
        self = super().__new__(cls, *args, **kwargs)
        self._prepare(share=False, http11_hosts=())
        return self

    def _prepare(self, *, share: bool, http11_hosts: Iterable[str]) -> None:
        self.share = share
        self.http11_hosts = set(http11_hosts)
        # Guards the offer, which is changed for the microseconds in which a socket is made.
        self._offering = allocate_lock()
        self._offer: Sequence[str] = _HTTP11
        self._translates = True
        self._own_certificate: object = None
        self._pool: Pool = Pool()
        super().set_alpn_protocols(list(_HTTP11))
        note_heir(self)

    def _inherit(self) -> None:
        """In the child of a fork: whoever changed the offer is not here to set it back."""
        self._offering = allocate_lock()
        super().set_alpn_protocols(list(self._offer))

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Say what to offer where this does not decide about it; see the class."""
        offer = tuple(alpn_protocols)
        with self._offering:
            super().set_alpn_protocols(offer)
            self._offer = offer
            self._translates = "http/1.1" in offer and "h2" not in offer

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        super().load_cert_chain(certfile, keyfile, password)
        # Who has another name shares nothing with us.
        self._own_certificate = (os.fspath(certfile), keyfile and os.fspath(keyfile))

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """As ever: who brings buffers of his own speaks for himself."""
        with self._offering:
            return super().wrap_bio(*args, **kwargs)

    # An SSLContext promises an SSLSocket. Who asks for a connection of HTTP/2 is given a gateway,
    # which has the methods of one and cannot be one: an SSLSocket reads from its own descriptor.
    def wrap_socket(  # type: ignore[override]  # may give a GatewaySocket, no SSLSocket
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket | GatewaySocket:
        """Wrap a socket; for a connected client's, shake hands and see what the server chose.

        Raises what ``ssl.SSLContext.wrap_socket`` does.
        """
        make = partial(
            super().wrap_socket,
            sock,
            server_side,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=server_hostname,
            session=session,
        )
        peer = _peer(sock) if do_handshake_on_connect else None
        if peer is None or sock.gettimeout() == 0:
            with self._offering:
                return make(do_handshake_on_connect=do_handshake_on_connect)
        name = server_hostname or ""
        if isinstance(name, bytes):
            name = name.decode("ascii")
        if server_side or not self._translates or name in self.http11_hosts:
            with self._offering:
                made = make(do_handshake_on_connect=False)
            return _shake_hands(made)
        where, authority = _origin(name, peer)
        timeout = sock.gettimeout()
        demoted = partial(self.http11_hosts.add, name)
        if not self.share:
            made = self._shake_hands(make)
            if made.selected_alpn_protocol() != "h2":
                return made
            pump = _pump(made)
            return GatewaySocket(
                pump, where, authority, timeout=timeout, let_go=pump.close, demoted=demoted
            )
        # What was verified, and who we are to the server, belongs to the place.
        own = (self.verify_mode, self.check_hostname, self._own_certificate)
        shared = self._join((name, peer, own), sock, make, timeout)
        if isinstance(shared, ssl.SSLSocket):
            return shared
        leave = partial(self._pool.leave, shared)
        return GatewaySocket(
            shared.pump,
            where,
            authority,
            timeout=timeout,
            let_go=leave,
            dropped=partial(self._pool.dropped.append, shared),
            authorities=shared.authorities,
            demoted=demoted,
        )

    def _shake_hands(self, make: Callable[..., ssl.SSLSocket]) -> ssl.SSLSocket:
        with self._offering:
            super().set_alpn_protocols(list(ALPN_PROTOCOLS))
            try:
                made = _make(self, make)
            finally:
                super().set_alpn_protocols(list(self._offer))
        return _shake_hands(made)

    def _join(
        self,
        origin: Hashable,
        sock: socket.socket,
        make: Callable[..., ssl.SSLSocket],
        timeout: float | None,
    ) -> Shared | ssl.SSLSocket:
        pool = self._pool
        shared = pool.join(origin, timeout)
        if shared is not None:
            # The connection there is as good, so this one is not needed.
            sock.close()
            return shared
        try:
            made = self._shake_hands(make)
            pump = _pump(made) if made.selected_alpn_protocol() == "h2" else None
        except BaseException:
            pool.refuse(origin, for_good=False)
            raise
        if pump is None:
            pool.refuse(origin, for_good=True)
            return made
        return pool.add(origin, pump)


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
    share: bool = False,
    http11_hosts: Iterable[str] = (),
) -> SSLContext:
    """``ssl.create_default_context``, with sockets that speak HTTP/2 where the server does.

    To be given to whatever takes a context and speaks HTTP/1.1: http.client, urllib.request,
    xmlrpc.client, urllib3, requests, botocore. ``SSLContext`` says what ``share`` and
    ``http11_hosts`` do.
    """
    context = ssl.create_default_context(purpose, cafile=cafile, capath=capath, cadata=cadata)
    # Names stand in subjectAltName, and nowhere else (RFC 9110 §4.3.4).
    context.hostname_checks_common_name = False
    return _translating(context, share=share, http11_hosts=http11_hosts)


def _translating(context: ssl.SSLContext, **options: Any) -> SSLContext:
    """Make a context that nobody else has yet one of ours, with all that is set in it."""
    context.__class__ = SSLContext
    assert isinstance(context, SSLContext)
    context._prepare(**options)
    return context


# The whole process.

_installing = allocate_lock()
_former: Callable[..., ssl.SSLContext] | None = None
_ours: Callable[..., ssl.SSLContext] | None = None


def _renew_lock() -> None:
    """In the child of a fork: whoever held it is not here, and would keep it for ever."""
    global _installing
    _installing = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


def install(*, share: bool = False, http11_hosts: Iterable[str] = ()) -> None:
    """Let those who bring no context speak HTTP/2: ``http.client`` and all that stands on it.

    What this touches is one name, ``ssl._create_default_https_context`` (PEP 476): the function
    that ``http.client.HTTPSConnection``, and so ``urllib.request`` and ``xmlrpc.client``, ask for a
    context when they are given none. Whom to trust stays as whoever set it before wanted it.
    Connections that exist stay as they are; so does, since Python 3.12, what ``urlopen`` made at
    its first call. Can be called again, to change the options.
    """
    global _former, _ours
    options = {"share": share, "http11_hosts": frozenset(http11_hosts)}
    with _installing:
        current = ssl._create_default_https_context
        former = _former if _former is not None and current is _ours else current

        def create_https_context(*args: Any, **kwargs: Any) -> ssl.SSLContext:
            context = former(*args, **kwargs)
            # Somebody's own kind of context is left as it is.
            return _translating(context, **options) if type(context) is ssl.SSLContext else context

        _former, _ours = former, create_https_context
        ssl._create_default_https_context = create_https_context


def uninstall() -> None:
    """Take ``install()`` back. Without effect when somebody else has replaced it since."""
    global _former, _ours
    with _installing:
        if _former is not None and ssl._create_default_https_context is _ours:
            ssl._create_default_https_context = _former
        _former = _ours = None


# How a socket comes about.


def _wrap_with(
    context: ssl.SSLContext,
    sock: socket.socket,
    *,
    server_hostname: str,
    demoted: Callable[[], object],
) -> ssl.SSLSocket | GatewaySocket:
    """Shake hands by somebody else's context, and see what the server chose."""
    peer = _peer(sock)
    if peer is None:
        return context.wrap_socket(sock, server_hostname=server_hostname)
    timeout = sock.gettimeout()
    make = partial(context.wrap_socket, sock, server_hostname=server_hostname)
    with offering(context):
        made = _make(context, make)
    _shake_hands(made)
    if made.selected_alpn_protocol() != "h2":
        return made
    pump = _pump(made)
    where, authority = _origin(server_hostname, peer)
    return GatewaySocket(
        pump, where, authority, timeout=timeout, let_go=pump.close, demoted=demoted
    )


def _make(context: ssl.SSLContext, make: Callable[..., ssl.SSLSocket]) -> ssl.SSLSocket:
    """Make a socket that will shake hands later, and does not offer what h2 forbids."""
    # Also what the standard library sets for everybody, certificate or not (RFC 9113 §9.2.3).
    late = context.post_handshake_auth
    if late:
        context.post_handshake_auth = False
    try:
        return make(do_handshake_on_connect=False)
    finally:
        if late:
            context.post_handshake_auth = True


def _shake_hands(sock: ssl.SSLSocket) -> ssl.SSLSocket:
    try:
        sock.do_handshake()
        version = sock.version()
        if sock.selected_alpn_protocol() == "h2" and version not in ("TLSv1.2", "TLSv1.3"):
            raise tls_error(
                "INADEQUATE_SECURITY",
                f"the server chose h2 over {version}; HTTP/2 needs TLS 1.2 (RFC 9113 §9.2)",
            )
    except BaseException:
        sock.close()
        raise
    return sock


def _pump(sock: ssl.SSLSocket) -> Pump:
    try:
        # Our writes are whole messages already, and windows open by small ones. Not everybody who
        # brings a socket has thought of it (botocore: 40 ms for every 64 KiB of an upload).
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        protocol = HTTP20Protocol(clock=monotonic)
        return Pump(protocol, SSLSocketTransport(sock), trace=asked_for_trace())
    except BaseException:
        sock.close()
        raise


def _origin(name: str, peer: Any) -> tuple[str, bytes]:
    """A server as errors name it, and as requests do that name none."""
    host = name or str(peer[0])
    port = peer[1] if isinstance(peer, tuple) else 443
    where = place(host, port)
    return where, (place(host, port).removesuffix(":443")).encode("ascii", "replace")


def _peer(sock: socket.socket) -> Any:
    """Whom a socket is connected to; None if it is not."""
    try:
        return sock.getpeername()
    except OSError:
        return None


def _message(fields: Fields) -> HTTPMessage:
    """As ``parse_headers`` makes one, but that there is nothing to be parsed."""
    message = HTTPMessage()
    for name, value in fields:
        message.set_raw(spelled(name), value.decode("iso-8859-1"))
    message.set_payload("")
    return message
