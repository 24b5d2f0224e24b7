"""A small HTTP proxy on threads: tunnels by CONNECT, and passes on what names a whole URI."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

__all__ = ["SmallProxy"]

PATIENCE = 10.0


class SmallProxy:
    """Tunnels to and from wherever it is asked to; a context manager.

    heard         the heads it was sent, as they stood
    credentials   the ``proxy-authorization`` it wants, or None
    redirections  host -> the host it connects to instead
    """

    def __init__(
        self, credentials: str | None = None, redirections: dict[str, str] | None = None
    ) -> None:
        self.heard: list[str] = []
        self.credentials = credentials
        self.redirections = redirections or {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> SmallProxy:
        self._start(self._serve)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "the proxy hangs"
        self.listener.close()

    def _start(self, target: object, *arguments: object) -> threading.Thread:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self._open.add(client)
            self._start(self._play, client)

    def _play(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                data = client.recv(65_536)
                if not data:
                    return
                head += data
            head, _, rest = head.partition(b"\r\n\r\n")
            self.heard.append(head.decode())
            line, *fields = head.decode().split("\r\n")
            method, target, _ = line.split(" ")
            if self.credentials and f"proxy-authorization: {self.credentials}" not in fields:
                client.sendall(
                    b"HTTP/1.1 407 Who are you\r\nproxy-authenticate: Basic\r\n"
                    b"content-length: 0\r\nconnection: close\r\n\r\n"
                )
                return
            if method == "CONNECT":
                authority = target
            else:
                authority, _, path = target.removeprefix("http://").partition("/")
                kept = [field for field in fields if not field.startswith("proxy-")]
                kept.append("connection: close")
                rest = "\r\n".join([f"{method} /{path} HTTP/1.1", *kept, "", ""]).encode() + rest
            host, _, port = authority.rpartition(":")
            with socket.create_connection(
                (self.redirections.get(host, host.strip("[]")), int(port))
            ) as server:
                self._open.add(server)
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                server.sendall(rest)
                back = self._start(self._pass_on, server, client)
                self._pass_on(client, server)
                back.join(PATIENCE)
                self._open.discard(server)
        self._open.discard(client)

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
