"""HTTP/2 for httpx and httpx2: one transport for both, which any number of threads may share.

>>> client = httpx.Client(transport=HTTP2Transport())

The two packages have the same classes under two names, and a class of one is nothing to the
other. So whatever goes back to a client, a response, its stream or an error, is of the package
that its request is of.
"""

from __future__ import annotations

import ssl
import sys
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from http import HTTPStatus
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..common.exceptions import HyperError
from ..common.exceptions import ProxyError as HyperProxyError
from ..common.fields import refuse_pseudo_headers
from ..http20.exceptions import H2NotNegotiatedError
from ..http20.window import BaseFlowControlManager
from ..sync.connection import HTTP20Connection
from ..sync.forking import note_heir
from ..sync.pushes import HTTP20Push
from ..tls import Path, init_context

__all__ = ["HTTP2Transport"]

#: In this order, where neither has been imported yet.
PACKAGES: Final = ("httpx", "httpx2")

#: A timeout of zero, which httpx allows and which means not to wait at all.
NO_TIME: Final = 0.001

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}

#: Scheme, host and port of an URL, and whom to take there for the right server.
_Origin = tuple[str, str, int, str]


def _bases() -> tuple[type, ...]:
    """``BaseTransport`` of each package that has been imported, else of the first there is."""
    for name in PACKAGES:
        if not any(sys.modules.get(each) for each in PACKAGES):
            with suppress(ImportError):
                import_module(name)
    loaded = [sys.modules[name] for name in PACKAGES if sys.modules.get(name)]
    if not loaded:
        raise ImportError("hyper.contrib.httpx needs httpx or httpx2; install one of them")
    return tuple(package.BaseTransport for package in loaded)


if TYPE_CHECKING:
    from httpx import BaseTransport
else:
    BaseTransport = type("BaseTransport", _bases(), {})


class HTTP2Transport(BaseTransport):
    """Serves a ``Client`` over HTTP/2 where the server speaks it, else over HTTP/1.1.

    verify           True: whom ``hyper.tls.init_context()`` trusts; a file or folder of
                     certificates to trust; an ``ssl.SSLContext``; False: anybody
    cert             our own certificate: a file with its key, ``(file, key)`` or
                     ``(file, key, password)``
    proxy            an URL, or ``httpx.Proxy``. HTTP/2 goes through tunnels of ``http://``
                     proxies; through any other kind goes HTTP/1.1
    prior_knowledge  speak HTTP/2 to ``http://`` URLs as well (RFC 9113 §3.3)
    window_manager   a subclass of ``hyper.http20.window.BaseFlowControlManager``, not an instance
    enable_push      let servers push; see below
    max_connections  how many HTTP/2 connections stay open, one for each origin; beyond that, the
                     one that has not been used for longest is closed

    All threads share one connection per origin. HTTP/1.1 is the package's own, with its pool.

    Of a request's timeouts, ``connect`` is that of the first request to an origin. ``read`` is
    for each wait of a request without a body; with one, the longer of ``read`` and ``write``.
    ``pool`` means nothing: a request that waits for a free stream waits within ``read``.

    Of its other extensions, ``target`` is asked for in place of the URL's path, and
    ``sni_hostname`` is the name to ask for and to verify by TLS in place of the URL's host;
    requests that name another one have another connection.

    ``response.extensions`` has ``http_version``, ``reason_phrase``, ``stream_id``, ``trailers``
    and ``pushes``. The last two are functions: the fields after the body, once it has been read;
    and an iterator of ``hyper.HTTP20Push``, those promised so far, or with ``True`` also those
    to come. There is no ``network_stream``: what a connection carries is everybody's.

    Raises what the package raises.
    """

    def __init__(
        self,
        *,
        verify: bool | Path | ssl.SSLContext = True,
        cert: Path | tuple[Path, Path] | tuple[Path, Path, str | bytes] | None = None,
        proxy: Any = None,
        prior_knowledge: bool = False,
        window_manager: type[BaseFlowControlManager] | None = None,
        enable_push: bool = False,
        max_connections: int = 100,
    ) -> None:
        self._verify = verify
        self._cert = cert
        self._proxy = proxy
        self._prior_knowledge = prior_knowledge
        self._window_manager = window_manager
        self._enable_push = enable_push
        self._max_connections = max_connections
        # Also an URL of the other package is an URL.
        self._address = None if proxy is None else str(proxy)
        self._tunnel, self._tunnels = _tunnel(proxy)
        # Read at once, so that a missing file is an error here and now.
        self._context = _context(verify, cert)

        self._lock = Lock()
        self._lines: OrderedDict[_Origin, _Line] = OrderedDict()
        self._others: dict[str, Any] = {}  # HTTP/1.1, by package
        note_heir(self)

    def _inherit(self) -> None:
        """In the child of a fork: whoever held the lock is not here."""
        self._lock = Lock()

    def handle_request(self, request: Any) -> Any:
        """Send a request and wait for the head of its response. Raises what the package raises."""
        package = _package_of(type(request))
        url = request.url
        secure = url.scheme == "https"
        if (secure or (self._prior_knowledge and url.scheme == "http")) and self._tunnels:
            user = object()
            with _errors(package, request, "Connect"):
                port = url.port
                if port is None:
                    port = 443 if secure else 80
                name = _server_name(request) if secure else url.host
                origin = (url.scheme, url.host, port, name)
                line = self._line(origin, user, _timeout(request, "connect"))
            try:
                if line.speaks_http2:
                    return self._send(package, request, line)
            except H2NotNegotiatedError:
                # Nothing of the request has been taken, so it can go another way.
                line.speaks_http2 = False
            finally:
                del line.users[user]
        return self._other(package).handle_request(request)

    def close(self) -> None:
        """Close every connection. What is still being read ends with an error."""
        with self._lock:
            lines, self._lines = self._lines, OrderedDict()
            others, self._others = self._others, {}
        for line in lines.values():
            line.connection.close()
        for other in others.values():
            other.close()

    def __getattr__(self, name: str) -> Any:
        why = ""
        if name in ("__aenter__", "handle_async_request"):
            why = ": it is for Client, and hyper has no transport for AsyncClient yet"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{why}")

    # Ways to a server.

    def _line(self, origin: _Origin, user: object, connect_timeout: float | None) -> _Line:
        """The one connection to an origin; made here, dialled by whom it serves first."""
        unused: list[_Line] = []
        with self._lock:
            line = self._lines.get(origin)
            if line is not None:
                line.users[user] = None
            else:
                scheme, host, port, name = origin
                connection = HTTP20Connection(
                    f"[{name}]" if ":" in name else name,
                    port,
                    secure=scheme == "https",
                    ssl_context=self._context if scheme == "https" else None,
                    window_manager=self._window_manager,
                    enable_push=self._enable_push,
                    timeout=(connect_timeout, None),
                    **self._tunnel,
                )
                if name != host:
                    connection.connect_to = (host, port)
                line = self._lines[origin] = _Line(connection)
                line.users[user] = None
                idle = [key for key, each in self._lines.items() if not each.users]
                excess = max(len(self._lines) - self._max_connections, 0)
                unused = [self._lines.pop(key) for key in idle[:excess]]
            self._lines.move_to_end(origin)
        for each in unused:
            each.connection.close()
        return line

    def _other(self, package: Any) -> Any:
        """The package's own transport, for HTTP/1.1."""
        with self._lock:
            other = self._others.get(package.__name__)
            if other is None:
                # A context of its own, since httpx changes what its context offers by ALPN.
                other = self._others[package.__name__] = package.HTTPTransport(
                    verify=_context(self._verify, self._cert),
                    proxy=self._proxy if hasattr(self._proxy, "url") else self._address,
                )
        return other

    # One request.

    def _send(self, package: Any, request: Any, line: _Line) -> Any:
        connection = line.connection
        upload = _Upload(request.stream)
        with _errors(package, request, "Connect", upload):
            connection.connect()
        body, seconds = _body_and_timeout(request, upload)
        with _errors(package, request, "Write", upload):
            stream_id = connection.request(
                request.method,
                request.extensions.get("target", request.url.raw_path),
                body,
                _headers(request),
                timeout=seconds,
            )
        with _errors(package, request, "Read", upload):
            response = connection.get_response(stream_id)
        users = line.users

        def trailers() -> Any:
            return package.Headers(list(response.trailers.iter_raw()))

        def pushes(capture_all: bool = False) -> Iterator[HTTP20Push]:
            return connection.get_pushes(response.stream_id, capture_all)

        return package.Response(
            response.status,
            headers=list(response.headers.iter_raw()),
            stream=_stream_class(package)(request, response, users),
            extensions={
                "http_version": b"HTTP/2",
                "reason_phrase": _REASONS.get(response.status, b""),
                "stream_id": response.stream_id,
                "trailers": trailers,
                "pushes": pushes,
            },
        )


class _Line:
    """The connection to one origin, and who is just now sending or reading on it.

    users  one key for each request or response under way. Put in and taken out without a lock:
           the latter happens also where the garbage collector runs, under whatever lock
    """

    def __init__(self, connection: HTTP20Connection) -> None:
        self.connection = connection
        self.speaks_http2 = True
        self.users: dict[object, None] = {}


class _Upload:
    """A request's body as it is read; an error of its source is the caller's and stays as it is."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except BaseException as error:
            self.error = error
            raise


@cache
def _stream_class(package: Any) -> Callable[[Any, Any, dict[object, None]], Any]:
    """The stream of a response, for whichever package."""

    # Which of the two packages it is, a request tells at run time; so no checker knows the base.
    class ResponseStream(package.SyncByteStream):  # type: ignore[misc]  # httpx's or httpx2's base
        """The body as it came; what codings it has, the client takes off."""

        def __init__(self, request: Any, response: Any, users: dict[object, None]) -> None:
            self._request = request
            self._response = response
            self._users = users
            self._user = object()
            users[self._user] = None

        def __iter__(self) -> Iterator[bytes]:
            with _errors(package, self._request, "Read"):
                yield from self._response.read_chunked(decode_content=False)

        def close(self) -> None:
            self._response.close()
            self._users.pop(self._user, None)

        def __del__(self) -> None:
            # The stream below is given up by the response's own.
            self._users.pop(self._user, None)

    return ResponseStream


def _package_of(kind: type) -> Any:
    """httpx or httpx2, from the class of a request."""
    for each in kind.__mro__:
        name = each.__module__.partition(".")[0]
        if name in PACKAGES:
            return sys.modules[name]
    raise TypeError(f"a request of httpx or httpx2 is wanted here, not {kind.__name__}")


@contextmanager
def _errors(
    package: Any, request: Any, phase: str, upload: _Upload | None = None
) -> Iterator[None]:
    """Turn what hyper raises into what the package raises; ``phase`` is Connect, Write or Read."""
    try:
        yield
    except Exception as error:
        if upload is not None and error is upload.error:
            raise
        if isinstance(error, H2NotNegotiatedError):
            raise
        if isinstance(error, HyperProxyError):
            kind = "ProxyError"
        elif isinstance(error, TimeoutError):
            kind = f"{phase}Timeout"
        elif phase == "Connect" and isinstance(error, (OSError, ValueError)):
            kind = "ConnectError"  # a port or host that cannot be one is nowhere to connect to
        elif isinstance(error, OSError) and not isinstance(error, HyperError):
            kind = f"{phase}Error"
        elif isinstance(error, HyperError):
            kind = "RemoteProtocolError"
        elif isinstance(error, ValueError) and phase != "Read":
            kind = "LocalProtocolError"
        else:
            raise
        # What somebody who calls hyper himself would do about it is done here by an argument.
        said = str(error).replace(
            "pass ssl_context=hyper.tls.init_context(cert_path=...)",
            "make the transport with verify=FILE",
        )
        raise getattr(package, kind)(said, request=request) from error


def _server_name(request: Any) -> str:
    """The name that the certificate has to be good for."""
    name: str | bytes = request.extensions.get("sni_hostname") or request.url.host
    return name.decode("ascii") if isinstance(name, bytes) else name


def _timeout(request: Any, phase: str) -> float | None:
    seconds = request.extensions.get("timeout", {}).get(phase)
    return None if seconds is None else max(seconds, NO_TIME)


def _body_and_timeout(request: Any, upload: _Upload) -> tuple[_Upload | bytes | None, float | None]:
    """What there is to send, and how long each wait may be.

    httpx gives every request a stream, mostly an empty one of octets that are there. Whether the
    header is right about any other is seen while it is sent.
    """
    read = _timeout(request, "read")
    body: _Upload | bytes = upload
    if isinstance(request.stream, _package_of(type(request)).ByteStream):
        # These can be sent again, if the server did not process them.
        body = b"".join(request.stream)
        if not body:
            return None, read
    write = _timeout(request, "write")
    seconds = None if read is None or write is None else max(read, write)
    return body, seconds


def _headers(request: Any) -> list[tuple[bytes, bytes]]:
    headers = list(request.headers.raw)
    refuse_pseudo_headers(headers)  # the URL alone says what is asked for
    if "host" not in request.headers:
        # The connection may be to one that is known by another name.
        headers.append((b"host", request.url.netloc))
    if "accept-encoding" not in request.headers:
        # Left out on purpose, so there shall be none of ours either.
        headers.append((b"accept-encoding", b"identity"))
    return headers


def _context(verify: Any, cert: Any) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    password = None
    if isinstance(cert, tuple) and len(cert) == 3:
        *cert, password = cert
        cert = tuple(cert)
    context = init_context(None if isinstance(verify, bool) else verify, cert, password)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tunnel(proxy: Any) -> tuple[dict[str, Any], bool]:
    """Arguments for a connection through ``proxy``, and whether HTTP/2 can go that way."""
    if proxy is None:
        return {}, True
    # An URL, or a Proxy, which holds an URL without credentials.
    address = str(getattr(proxy, "url", proxy))
    if not address.startswith("http://"):
        return {}, False
    fields = [*proxy.headers.raw] if hasattr(proxy, "headers") else []
    if getattr(proxy, "auth", None):
        token = b64encode(":".join(proxy.auth).encode())
        fields.append((b"proxy-authorization", b"Basic " + token))
    port = urlsplit(address).port or 80
    return {"proxy_host": address, "proxy_port": port, "proxy_headers": fields or None}, True
