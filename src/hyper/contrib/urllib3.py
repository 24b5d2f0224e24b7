"""urllib3 over HTTP/2: one connection per origin under a pool, shared by all its threads.

urllib3 goes on doing what it does: pools, retries, redirects, proxies, TLS settings, decoding.
Exchanged is only what lies below: a pool's connection objects become cheap faces, one for each
request under way, over one HTTP/2 connection. Where ALPN does not choose h2, the connection that
was made for the question is used by urllib3's own HTTP/1.1 code.
"""

from __future__ import annotations

import ssl
from collections.abc import Hashable, Iterable, Iterator, Mapping
from http.client import CannotSendRequest, ResponseNotReady
from typing import Any, Final, cast
from weakref import finalize

from ..common.body import is_text
from ..common.exceptions import HyperError
from ..common.fields import refuse_pseudo_headers
from ..http20.exceptions import H2NotNegotiatedError
from ..http20.window import BaseFlowControlManager
from ..sync.transport import TLSTransport, Transport
from . import needing

with needing("urllib3", __name__):
    import urllib3
    from urllib3 import connectionpool, poolmanager
    from urllib3._version import __version__
    from urllib3.connection import HTTPSConnection as StockConnection
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError
    from urllib3.response import HTTPResponse as StockResponse
    from urllib3.util import SKIP_HEADER, Timeout, ssl_
    from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs, resolve_ssl_version

    from .urllib3_engine import Engine, Offer, Request, Shared, Sight, declined
    from .urllib3_response import Body, HTTPResponse

__all__ = [
    "HTTPResponse",
    "HTTPSConnection",
    "HTTPSConnectionPool",
    "PoolManager",
    "ProxyManager",
    "extract",
    "inject",
    "use_http20",
]

Manager = type[BaseFlowControlManager]

_SKIP: Final = SKIP_HEADER.encode()


class HTTPSConnection(StockConnection):
    """urllib3's connection, over HTTP/2 where ALPN chooses it and over HTTP/1.1 elsewhere.

    Over HTTP/2 it is the face of one request at a time; many of them share one connection if
    they belong to one ``HTTPSConnectionPool`` of this module. Raises what urllib3 raises.
    """

    # The pool's; a connection that somebody makes without one has its own.
    _shared: Shared | None = None
    _owner = False

    _engine: Engine | None = None
    _request: Request | None = None
    _connect_seconds: float | None = None
    _dialled = False

    # Which way to go.

    def _origin(self) -> tuple[str, int]:
        if self._tunnel_host is not None:
            return self._tunnel_host, self._tunnel_port or self.default_port
        return self.host, self.port

    def _way(self) -> Hashable:
        """All that makes one connection to this origin different from another."""
        return (
            self._origin(),
            str(self.proxy),
            str(getattr(self, "_tunnel_headers", None)),
            self.ssl_context,
            self.cert_reqs,
            self.ca_certs,
            self.ca_cert_dir,
            self.ca_cert_data,
            self.cert_file,
            self.key_file,
            self.key_password,
            self.server_hostname,
            self.assert_hostname,
            self.assert_fingerprint,
            self.ssl_version,
            self.ssl_minimum_version,
            self.ssl_maximum_version,
            self.source_address,
        )

    def _may_offer_h2(self) -> bool:
        """Not where TLS is between us and a proxy, nor with contexts that are not Python's."""
        if self.proxy_is_forwarding or self._tunnel_scheme == "https" or ssl_.IS_PYOPENSSL:
            return False
        return self.ssl_context is None or hasattr(self.ssl_context, "wrap_bio")

    def connect(self) -> None:
        if not self._may_offer_h2():
            super().connect()
            return
        shared = self._shared
        if shared is None:
            self._owner = True
            shared = self._shared = Shared()
        if self._owner:
            shared.revive()
        engine = shared.engine(self)
        if engine.declined:
            super().connect()
            return
        self._connect_seconds = Timeout.resolve_default_timeout(self.timeout)
        self._dialled = False
        try:
            with engine.used_by(self):
                engine.connect()
        except H2NotNegotiatedError:
            # Whoever asked the server keeps the connection; the others make their own.
            if not self._dialled:
                super().connect()
            return
        except TimeoutError as error:
            if self._dialled or error.__cause__ is not None:
                raise
            raise ConnectTimeoutError(
                self, f"Connection to {self.host} timed out. ({error})"
            ) from error
        finally:
            self._has_connected_to_proxy = engine.reached_proxy
        self._engine = engine
        self.sock = cast(Any, Sight(engine))
        self.is_verified, self.proxy_is_verified = engine.verified

    def _dial(self, engine: Engine) -> Transport:
        """Connect as urllib3 does, proxy, TLS and verification included; offer h2."""
        self._dialled = True
        before, timeout, context = self.sock, self.timeout, self.ssl_context
        self.sock = cast(Any, None)
        self.timeout = self._connect_seconds
        self.ssl_context = cast(ssl.SSLContext, Offer(context or self._usual_context()))
        try:
            super().connect()
            secured = self.sock
            alpn = secured.selected_alpn_protocol()
            if alpn != "h2":
                engine.declined = True
                if before is None:
                    before = self.sock
                else:
                    secured.close()
                raise declined(engine, alpn)
            if secured.version() not in {"TLSv1.2", "TLSv1.3"}:
                secured.close()
                raise ssl.SSLError(
                    ssl.SSL_ERROR_SSL,
                    f"the server chose h2 over {secured.version()}; HTTP/2 needs TLS 1.2 "
                    "(RFC 9113 §9.2)",
                )
            engine.verified = self.is_verified, self.proxy_is_verified
            return TLSTransport(secured.socket, secured.sslobj, secured.incoming, secured.outgoing)
        except H2NotNegotiatedError:
            raise
        except BaseException:
            if self.sock is not None:
                self.sock.close()
            raise
        finally:
            engine.reached_proxy = self._has_connected_to_proxy
            self.sock, self.timeout, self.ssl_context = before, timeout, context

    def _usual_context(self) -> ssl.SSLContext:
        """The context that urllib3 makes for a connection that brings none."""
        context = create_urllib3_context(
            ssl_version=resolve_ssl_version(self.ssl_version),
            ssl_minimum_version=self.ssl_minimum_version,
            ssl_maximum_version=self.ssl_maximum_version,
            cert_reqs=resolve_cert_reqs(self.cert_reqs),
        )
        if not (self.ca_certs or self.ca_cert_dir or self.ca_cert_data):
            context.load_default_certs()
        return context

    @property
    def is_connected(self) -> bool:
        # A shared connection that has died is replaced by the next request, before it is sent.
        return True if self._engine is not None else super().is_connected

    def close(self) -> None:
        """End this face's request, if there is one; the shared connection stays."""
        request, self._request = self._request, None
        if request is not None:
            request.end()
        self._engine = None
        super().close()
        if self._owner and self._shared is not None:
            self._shared.retire()

    # Requests and responses.

    # Its pools call their own connection's request(), whose signature is not that of
    # http.client's, from which it inherits. urllib3 makes the same exception.
    def request(  # type: ignore[override]  # urllib3's pools pass more than http.client's
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        chunked: bool = False,
        preload_content: bool = True,
        decode_content: bool = True,
        enforce_content_length: bool = True,
    ) -> None:
        """As urllib3's. Over HTTP/2 there are no chunks, and a body's length is told if known."""
        if self.sock is None:
            self.connect()
        engine = self._engine
        options: dict[str, Any] = {
            "preload_content": preload_content,
            "decode_content": decode_content,
            "enforce_content_length": enforce_content_length,
        }
        if engine is None:
            super().request(method, url, body, headers, chunked=chunked, **options)
            return
        assert self._shared is not None
        if self._request is not None:
            raise CannotSendRequest("the response to the former request has not been asked for")
        options |= {"request_method": method, "request_url": url}
        request = Request(self._shared, engine, options)
        request.repeatable = body is None or isinstance(body, str | bytes) or hasattr(body, "tell")
        try:
            with engine.used_by(self):
                request.stream_id = engine.request(
                    method,
                    url,
                    _octets(body),
                    _fields(headers or {}),
                    timeout=Timeout.resolve_default_timeout(self.timeout),
                )
        except (HyperError, OSError) as error:
            raise self._aborted(error, request) from error
        self._request = request

    # urllib3's connection gives urllib3's response, where http.client's gives its own.
    def getresponse(self) -> StockResponse:  # type: ignore[override]  # urllib3's response
        """Wait for the head; ``timeout`` is from now on that of each wait for the body, too."""
        engine = self._engine
        if engine is None:
            return super().getresponse()
        request, self._request = self._request, None
        if request is None or request.stream_id is None:
            raise ResponseNotReady
        try:
            with engine.used_by(self):
                response = engine.respond(
                    request.stream_id, Timeout.resolve_default_timeout(self.timeout)
                )
        except (HyperError, OSError) as error:
            raise self._aborted(error, request) from error
        finally:
            # Claimed: from here on the stream is the response's to give up.
            request.stream_id = None
        body = Body(response, request.end)
        return HTTPResponse.over(body, sock_shutdown=body.shutdown, **request.options)

    def _aborted(self, error: Exception, request: Request) -> Exception:
        """Say it in urllib3's words, so that retries and callers understand it."""
        request.end()
        if isinstance(error, TimeoutError | ssl.SSLError):
            return error
        surely_unprocessed = getattr(error, "retryable", False)
        if isinstance(error, H2NotNegotiatedError):
            surely_unprocessed = True
        if surely_unprocessed and request.repeatable:
            # The one kind of error after which urllib3 repeats a POST as well.
            return NewConnectionError(self, str(error))
        return ProtocolError("Connection aborted.", error)


class HTTPSConnectionPool(connectionpool.HTTPSConnectionPool):
    """urllib3's pool, whose connections are faces of one HTTP/2 connection.

    ``maxsize`` and ``block`` bound the requests under way instead of the connections. Closing
    the pool lets responses that are being read come to their end.
    """

    ConnectionCls = HTTPSConnection
    #: A subclass of ``hyper.http20.window.BaseFlowControlManager``, or None for the usual one.
    window_manager: Manager | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = Shared(self.window_manager)
        finalize(self, self._shared.forsake)

    def _new_conn(self) -> Any:
        connection = super()._new_conn()
        if isinstance(connection, HTTPSConnection):
            connection._shared = self._shared
        return connection

    def close(self) -> None:
        super().close()
        self._shared.retire()


class PoolManager(urllib3.PoolManager):
    """``urllib3.PoolManager`` over HTTP/2; ``window_manager`` as in ``HTTP20Connection``."""

    def __init__(
        self, *args: Any, window_manager: Manager | None = None, **connection_pool_kw: Any
    ) -> None:
        super().__init__(*args, **connection_pool_kw)
        use_http20(self, window_manager)


class ProxyManager(urllib3.ProxyManager):
    """``urllib3.ProxyManager`` over HTTP/2, through the tunnel that the proxy opens.

    Over HTTP/1.1 where the proxy itself is reached by https, or forwards instead of tunnelling.
    """

    def __init__(
        self, *args: Any, window_manager: Manager | None = None, **connection_pool_kw: Any
    ) -> None:
        super().__init__(*args, **connection_pool_kw)
        use_http20(self, window_manager)


def use_http20(manager: urllib3.PoolManager, window_manager: Manager | None = None) -> None:
    """Let one pool manager make its https pools of ours, from now on.

    One with pools of another kind, such as those for SOCKS proxies, is left as it is.
    """
    pools = manager.pool_classes_by_scheme
    if pools.get("https") not in (connectionpool.HTTPSConnectionPool, HTTPSConnectionPool):
        return
    kind: Any = HTTPSConnectionPool
    if window_manager is not None:
        kind = type(kind.__name__, (kind,), {"window_manager": window_manager})
    # urllib3's dict is everybody's.
    manager.pool_classes_by_scheme = {**pools, "https": kind}


# What inject() found, for extract() to put back; empty while nothing is injected.
_found: list[Any] = []


def inject() -> None:
    """Let all of urllib3 in this process speak HTTP/2, and what stands on it: requests, say.

    Sets two things, and ``extract()`` sets them back: the https pool class that pool managers
    take, and the connection class of urllib3's own https pools. Pools that exist, and libraries
    with pool classes of their own, go on as they were. Can be called again.
    """
    if not _found:
        pools = poolmanager.pool_classes_by_scheme
        _found.extend((pools["https"], connectionpool.HTTPSConnectionPool.ConnectionCls))
        pools["https"] = HTTPSConnectionPool
        connectionpool.HTTPSConnectionPool.ConnectionCls = HTTPSConnection


def extract() -> None:
    """Undo ``inject()``. Can be called again, and before it."""
    if _found:
        pool_class, connection_class = _found
        _found.clear()
        poolmanager.pool_classes_by_scheme["https"] = pool_class
        connectionpool.HTTPSConnectionPool.ConnectionCls = connection_class


# What urllib3 passes, in the words of HTTP20Connection.


def _fields(headers: Mapping[Any, Any]) -> list[tuple[bytes, bytes]]:
    """What urllib3 would send: its defaults added, ISO 8859-1, nothing that is to be skipped."""
    given = [(_text(name).lower(), _text(value).strip(b" \t")) for name, value in headers.items()]
    refuse_pseudo_headers(given)  # to urllib3 they are no header names; to the engine they are
    names = {name for name, _ in given}
    fields = [pair for pair in given if pair[1] != _SKIP]
    if not any(name == b"accept-encoding" for name, _ in fields):
        # The engine would offer what it can decode, but here urllib3 decodes.
        fields.append((b"accept-encoding", b"identity"))
    if b"user-agent" not in names:
        fields.append((b"user-agent", f"python-urllib3/{__version__}".encode()))
    return fields


def _text(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str | int):
        raise TypeError(f"a header field is str, bytes or int, not {type(value).__name__}")
    return str(value).encode("iso-8859-1")


def _octets(body: Any) -> Any:
    """A body as the engine wants it: str, also in pieces or from a file, is UTF-8 to urllib3."""
    if body is None or isinstance(body, str | bytes | bytearray | memoryview):
        return body
    if hasattr(body, "read"):
        # The engine refuses text, and urllib3 encodes it.
        return _encoded(_blocks(body)) if is_text(body) else body
    try:
        memoryview(body)
    except TypeError:
        return _encoded(body)
    return body


def _blocks(file: Any) -> Iterator[Any]:
    while block := file.read(16_384):
        yield block


def _encoded(pieces: Iterable[Any]) -> Iterator[Any]:
    return (piece.encode() if isinstance(piece, str) else piece for piece in pieces)
