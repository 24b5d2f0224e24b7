"""A server on a real socket that speaks HTTP/1.1 by hand, one thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType

__all__ = ["OK", "Request", "Script", "ScriptedServer", "Talk"]

PATIENCE = 10.0

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Request:
    """A request as it stood on the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        line, *rest = head.decode("ascii").split("\r\n")
        self.method, self.target, self.version = line.split(" ")
        self.fields = [(name, value) for name, _, value in (each.partition(": ") for each in rest)]
        self.headers = dict(self.fields)


class Talk:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket, server: ScriptedServer, number: int) -> None:
        self.socket = sock
        self.server = server
        self.number = number
        self.unread = b""

    def say(self, *octets: bytes) -> None:
        self.socket.sendall(b"".join(octets))

    def octets(self, size: int) -> bytes:
        while len(self.unread) < size:
            self._more()
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def until(self, end: bytes) -> bytes:
        while end not in self.unread:
            self._more()
        taken, _, self.unread = self.unread.partition(end)
        return taken

    def _more(self) -> None:
        data = self.socket.recv(65_536)
        if not data:
            raise EOFError
        self.unread += data

    def hear_head(self) -> Request:
        request = Request(self.until(b"\r\n\r\n"), b"")
        self.server.heard.append(request)
        return request

    def hear_body(self, request: Request) -> bytes:
        """The body; trailers are kept as ``trailers``, a line each."""
        if "content-length" in request.headers:
            request.body = self.octets(int(request.headers["content-length"]))
        elif request.headers.get("transfer-encoding") == "chunked":
            while size := int(self.until(b"\r\n"), 16):
                request.body += self.octets(size)
                assert self.octets(2) == b"\r\n"
            trailers = []
            while line := self.until(b"\r\n"):
                trailers.append(line)
            self.server.trailers = trailers
        return request.body

    def hear(self) -> Request:
        request = self.hear_head()
        self.hear_body(request)
        return request


Script = Callable[[Talk], None]


class ScriptedServer:
    """Plays ``script`` to everyone who connects; a context manager.

    heard     the requests, in their order
    trailers  of the last request that was chunked
    """

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.context = context
        self.heard: list[Request] = []
        self.trailers: list[bytes] = []
        self.connections = 0
        self.trouble: BaseException | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.address = f"localhost:{self.port}"
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    def __enter__(self) -> ScriptedServer:
        self._start(self._serve)
        return self

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(sock)
            self._start(self._play, sock, self.connections)

    def _play(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(PATIENCE)
        try:
            with contextlib.suppress(OSError, EOFError), sock:
                if self.context is not None:
                    with self.context.wrap_socket(sock, server_side=True) as secure:
                        self.script(Talk(secure, self, number))
                else:
                    self.script(Talk(sock, self, number))
        except BaseException as error:
            self.trouble = error
        finally:
            self._open.discard(sock)

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
            assert not thread.is_alive(), "the scripted server hangs"
        self.listener.close()
        if self.trouble is not None and error is None:
            raise self.trouble
