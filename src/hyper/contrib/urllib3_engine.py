"""What the faces of a urllib3 pool share: one HTTP/2 connection, and who still needs it.

A face is one ``hyper.contrib.urllib3.HTTPSConnection``. Faces come and go with the requests of
many threads; the engine below them stays as long as the pool does, or a response that is read.
"""

from __future__ import annotations

import ssl
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import RLock, local
from typing import TYPE_CHECKING, Any, Final, cast

from urllib3.util.ssltransport import SSLTransport

from ..http20.exceptions import H2NotNegotiatedError
from ..http20.window import BaseFlowControlManager
from ..sync.connection import HTTP20Connection
from ..sync.forking import note_heir
from ..sync.response import HTTP20Response
from ..sync.transport import Transport
from ..tls import offering

if TYPE_CHECKING:
    from .urllib3 import HTTPSConnection

__all__ = ["Engine", "Offer", "Request", "Shared", "Sight", "declined"]

Manager = type[BaseFlowControlManager]


class Offer:
    """A context as urllib3 is to see it for one connection: it offers h2 as well.

    urllib3 sets the context's offer to http/1.1 each time it connects. The context may be the
    caller's, and shared with whom h2 would surprise; so what it offers is ours only while one
    TLS side is being made, which copies it.

    Sides are made over memory buffers, because a shared connection needs them: no thread may be
    inside OpenSSL while another one enters it.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        object.__setattr__(self, "_context", context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._context, name, value)

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        """Not urllib3's to say here."""

    def wrap_bio(self, incoming: Any, outgoing: Any, server_hostname: str | None) -> Any:
        with offering(self._context):
            return self._context.wrap_bio(incoming, outgoing, server_hostname=server_hostname)

    def wrap_socket(self, sock: Any, server_hostname: str | None = None) -> Side:
        return Side(sock, cast(ssl.SSLContext, self), server_hostname)


#: What programs ask a connection's socket about itself, whatever speaks over it.
_OF_THE_SOCKET: Final = frozenset(
    ("family", "getpeername", "getsockname", "getsockopt", "proto", "setsockopt", "type")
)


class Side(SSLTransport):
    """urllib3's TLS side over buffers, with what its users know of the SSLSocket elsewhere."""

    def shutdown(self, how: int) -> None:
        self.socket.shutdown(how)

    def __getattr__(self, name: str) -> Any:
        if name in _OF_THE_SOCKET:
            return getattr(self.socket, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class Engine(HTTP20Connection):
    """The HTTP/2 connection to one origin; whoever uses it dials it, by urllib3's means.

    declined       ALPN chose http/1.1: this origin is urllib3's
    reached_proxy  the last attempt to connect got as far as the proxy, if there is one
    verified       what urllib3 says of the certificates: the origin's, the proxy's
    """

    declined = False
    reached_proxy = False
    verified: tuple[bool, bool | None] = (False, None)

    def __init__(self, host: str, port: int, window_manager: Manager | None) -> None:
        self._turn = local()
        super().__init__(host, port, True, window_manager)

    @contextmanager
    def used_by(self, face: HTTPSConnection) -> Iterator[None]:
        """If the calling thread has to dial meanwhile, then with the settings of this face."""
        self._turn.face = face
        try:
            yield
        finally:
            self._turn.face = None

    @property
    def _connect_timeout(self) -> float | None:
        # How long one thread waits for another one that dials: each as long as it was told.
        face: HTTPSConnection | None = getattr(self._turn, "face", None)
        return None if face is None else face._connect_seconds

    @_connect_timeout.setter
    def _connect_timeout(self, seconds: float | None) -> None:
        pass

    def _connect(self) -> tuple[Transport, bool]:
        face: HTTPSConnection = self._turn.face
        return face._dial(self), True

    @property
    def transport(self) -> Transport | None:
        pump = self._pump
        return None if pump is None else pump.transport

    def respond(self, stream_id: int, seconds: float | None) -> HTTP20Response:
        """``get_response``; each wait for the head and the body takes ``seconds`` at most."""
        response = self._unclaimed.get(stream_id)
        if response is not None:
            response._timeout = seconds
        return self.get_response(stream_id)

    def forget(self, stream_id: int) -> None:
        """Give up a request whose response nobody has asked for, nor will."""
        response = self._unclaimed.pop(stream_id, None)
        if response is not None:
            response.close()

    def drop(self, stream_id: int) -> None:
        """The same for the garbage collector, which may come while any lock is held."""
        self._unclaimed.pop(stream_id, None)


class Shared:
    """What the faces of one pool have in common: an engine for each way to reach the origin.

    Mostly that is one. But whoever changes a pool's settings in mid-flight, as old programs do,
    must not get a connection that was made with the former ones.
    """

    def __init__(self, window_manager: Manager | None = None) -> None:
        self._window_manager = window_manager
        # Taken by the garbage collector as well, perhaps in the thread that holds it.
        self._lock = RLock()
        self._engines: dict[Hashable, Engine] = {}
        # Requests that are under way, and responses that have not been read to their end. Not
        # guarded: adding to a set and discarding from it are atomic.
        self._leases: set[object] = set()
        self._retired = False
        note_heir(self)

    def _inherit(self) -> None:
        """In the child of a fork: whoever held the lock is not here."""
        self._lock = RLock()

    def engine(self, face: HTTPSConnection) -> Engine:
        way = face._way()
        with self._lock:
            engine = self._engines.get(way)
            if engine is None:
                host, port = face._origin()
                engine = self._engines[way] = Engine(host, port, self._window_manager)
            return engine

    def lease(self, token: object) -> None:
        self._leases.add(token)

    def release(self, token: object) -> None:
        self._leases.discard(token)
        self._close_if_done()

    def retire(self) -> None:
        """The pool is closed: close, once the responses still being read have ended."""
        self._retired = True
        self._close_if_done()

    def revive(self) -> None:
        self._retired = False

    def forsake(self, token: object = None) -> None:
        """``release``, or without a token ``retire``, for the garbage collector.

        That may come while any lock of the connection is held, by this very thread, so only the
        socket is closed, which takes none; the server is not told why.
        """
        if token is None:
            self._retired = True
        self._leases.discard(token)
        for engine in self._done():
            transport = engine.transport
            if transport is not None:
                transport.close()

    def _close_if_done(self) -> None:
        for engine in self._done():
            engine.close()

    def _done(self) -> list[Engine]:
        """The connections that nobody needs any more, once."""
        if not self._retired or self._leases:
            return []
        with self._lock:
            engines = list(self._engines.values())
            self._engines.clear()
        return engines


class Request:
    """A request under way: sent, and perhaps answered. Keeps the connection open until ``end``."""

    stream_id: int | None = None
    _token: object | None = None

    def __init__(self, shared: Shared, engine: Engine, options: dict[str, Any]) -> None:
        self._shared = shared
        self._engine = engine
        self.options = options
        # Whether the body can be sent again from its beginning, as far as urllib3 can tell.
        self.repeatable = True
        self._token = object()
        shared.lease(self._token)

    def end(self) -> None:
        """Let go; can be called again."""
        token, self._token = self._token, None
        if token is not None:
            if self.stream_id is not None:
                self._engine.forget(self.stream_id)
            self._shared.release(token)

    def __del__(self) -> None:
        if self._token is not None:
            if self.stream_id is not None:
                self._engine.drop(self.stream_id)
            self._shared.forsake(self._token)


class Sight:
    """In the place of a face's socket: what there is to see of the shared connection's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        transport = self._engine.transport
        if transport is None:
            raise AttributeError(f"there is no connection that would have {name!r}")
        return getattr(transport._sock if name in _OF_THE_SOCKET else transport.tls, name)

    def fileno(self) -> int:
        transport = self._engine.transport
        return -1 if transport is None else transport.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """The connection has no timeout; requests have."""

    def close(self) -> None:
        """The connection belongs to everybody."""


def declined(engine: Engine, alpn: str | None) -> H2NotNegotiatedError:
    error = H2NotNegotiatedError(
        f"{engine.host}:{engine.port} does not speak HTTP/2: its TLS chose {alpn or 'nothing'} "
        "by ALPN (RFC 9113 §3.2); HTTP/1.1 is used from now on"
    )
    error.alpn = alpn
    return error
