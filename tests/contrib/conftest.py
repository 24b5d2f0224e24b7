"""Sessions to compare, a server that counts, and a proxy that tells what it was asked."""

from __future__ import annotations

import asyncio
import base64
import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import hypercorn.asyncio
import pytest
import requests
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset

from hyper.contrib import HTTP20Adapter

from ..certificates import Certificates
from ..servers import InProcessServer
from ..servers.app import application


class CountingServer(InProcessServer):
    """Remembers each request: the client's port, the version of HTTP, method and path."""

    def __init__(self, certificates: Certificates, **settings: Any) -> None:
        self.seen: list[tuple[int, str, str, str]] = []
        self._ready = threading.Event()
        super().__init__(certificates, **settings)
        # While it imports, it changes the warnings of the whole process.
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def connections(self) -> set[int]:
        return {port for port, _, _, _ in self.seen}

    @property
    def versions(self) -> set[str]:
        return {version for _, version, _, _ in self.seen}

    def _run(self) -> None:
        inner = application()
        self._ready.set()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                client = scope["client"][1]
                self.seen.append((client, scope["http_version"], scope["method"], scope["path"]))
            await inner(scope, receive, send)

        trigger = self._stopped.wait
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            serving: Any = hypercorn.asyncio.serve
            runner.run(serving(app, self._config, shutdown_trigger=trigger))


class TunnelProxy:
    """An HTTP proxy for CONNECT, with a password if ``credentials`` are given.

    asked  the heads of the requests that it got, as text
    """

    def __init__(self, credentials: str | None = None) -> None:
        self.asked: list[str] = []
        self._wanted = None
        if credentials is not None:
            self._wanted = b"basic " + base64.b64encode(credentials.encode()).lower()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            self.asked.append(head.decode())
            if self._wanted is not None and self._wanted not in head.lower():
                client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                client.close()
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            server = socket.create_connection((host, int(port)))
            self._open.append(server)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=self._pass_on, args=(server, client), daemon=True).start()
            self._pass_on(client, server)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


class Script:
    """A server for HTTP/2 that does to each request what the test wants.

    ``answer(server, stream_id, fields, body)`` is called once a request is complete; it uses
    ``server.h2``, whose octets are sent afterwards, or raises EOFError to hang up.
    """

    h2: H2Connection

    def __init__(self, certificates: Certificates, answer: Callable[..., None], alpn: str) -> None:
        self.connections = 0
        self.requests: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.resets: list[int] = []
        self._answer = answer
        self._context = certificates.server_context(alpn)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"https://localhost:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as sock:
                    self._open.append(sock)
                    self.connections += 1
                    self._converse(sock)

    def _converse(self, sock: socket.socket) -> None:
        self.h2 = h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        h2.initiate_connection()
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        self.sock = sock
        sock.sendall(h2.data_to_send())
        while data := sock.recv(65536):
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    heads[event.stream_id] = {str(k): str(v) for k, v in event.headers}
                    bodies[event.stream_id] = b""
                elif isinstance(event, DataReceived):
                    bodies[event.stream_id] += event.data
                    h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamReset):
                    self.resets.append(event.stream_id)
                elif isinstance(event, StreamEnded):
                    head, body = heads[event.stream_id], bodies[event.stream_id]
                    self.requests.append(head)
                    self.bodies.append(body)
                    try:
                        self._answer(self, event.stream_id, head, body)
                    except EOFError:
                        # A socket closed with octets unread is reset, and the reset may overtake
                        # what was said before.
                        sock.settimeout(0.2)
                        while sock.recv(65536):
                            pass
                        return
            sock.sendall(h2.data_to_send())

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def close(self) -> None:
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def script(certificates: Certificates) -> Iterator[Callable[..., Script]]:
    """Starts servers that answer as they are told."""
    servers: list[Script] = []

    def start(answer: Callable[..., None], alpn: str = "h2") -> Script:
        servers.append(Script(certificates, answer, alpn))
        return servers[-1]

    yield start
    gc.collect()
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Exceptions hold what was in their frames in circles, connections among it."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What requests reads in the environment would overrule what a test says."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def counting(certificates: Certificates) -> Iterator[CountingServer]:
    server = CountingServer(certificates)
    yield server
    gc.collect()
    server.stop()


@pytest.fixture
def http11(certificates: Certificates) -> Iterator[CountingServer]:
    """A server that knows no HTTP/2."""
    server = CountingServer(certificates, alpn_protocols=["http/1.1"])
    yield server
    gc.collect()
    server.stop()


@pytest.fixture
def stock(certificates: Certificates) -> Iterator[requests.Session]:
    """requests as it is."""
    with requests.Session() as session:
        session.verify = str(certificates.authority)
        yield session


@pytest.fixture
def ours(certificates: Certificates) -> Iterator[requests.Session]:
    """requests over HTTP/2."""
    with requests.Session() as session:
        session.verify = str(certificates.authority)
        session.mount("https://", HTTP20Adapter())
        yield session


@pytest.fixture
def proxy() -> Iterator[TunnelProxy]:
    proxy = TunnelProxy("user:secret")
    yield proxy
    proxy.close()
