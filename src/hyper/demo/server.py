"""The demo's sockets: one thread, one selector, any number of connections."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Final

from .connection import OUTBOX_SIZE, ServerConnection
from .endpoints import answer

__all__ = ["DemoServer"]

#: Seconds that a closed connection is still read: a close with unread octets would send a TCP
#: reset, which destroys the GOAWAY on its way.
LINGER: Final = 0.1
READ_SIZE: Final = 65_536


class _Client:
    __slots__ = ("connection", "events", "linger_until", "socket")

    def __init__(self, sock: socket.socket, connection: ServerConnection) -> None:
        self.socket = sock
        self.connection = connection
        self.events = selectors.EVENT_READ
        #: Set once our half is shut: when to stop waiting for the client's.
        self.linger_until: float | None = None


class DemoServer:
    """A small http2bin on loopback: real HTTP/2 frames, cleartext, prior knowledge.

    Use it as a context manager, or by ``start`` and ``stop``::

        with DemoServer() as server:
            connection = HTTP20Connection(server.host, server.port)

    host, port             where it listens; port 0 takes a free one
    url                    ``http://host:port``
    connections            how many it has accepted so far
    window_size            octets of flow control it grants each stream
    max_concurrent_streams what it allows at once on each connection

    ``stop`` says GOAWAY, lets what is in flight finish within ``grace`` seconds, and leaves no
    thread and no socket. Raises OSError from ``start`` when it cannot listen there.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        window_size: int = 65_535,
        max_concurrent_streams: int = 100,
    ) -> None:
        self.host = host
        self.port = port
        self.connections = 0
        self._window_size = window_size
        self._max_concurrent_streams = max_concurrent_streams
        self._thread: threading.Thread | None = None
        self._grace = 0.0

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> DemoServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, and serve in a thread of our own."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=128)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._woken, self._waker = socket.socketpair()
        # A daemon, so that a server that nobody stops does not hold up the program's end.
        self._thread = threading.Thread(target=self._run, name="hyper-demo", daemon=True)
        self._thread.start()

    def stop(self, grace: float = 1.0) -> None:
        """Stop; may be called again."""
        if self._thread is None:
            return
        self._grace = grace
        self._waker.close()
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        self._clients: dict[socket.socket, _Client] = {}
        try:
            with selectors.DefaultSelector() as self._selector:
                self._serve()
        finally:
            for sock in (self._listener, self._woken, *self._clients):
                sock.close()

    def _serve(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        stop_at: float | None = None
        while stop_at is None or (self._clients and time.monotonic() < stop_at):
            for key, events in self._selector.select(self._patience(stop_at)):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    stop_at = time.monotonic() + self._grace
                    self._say_goodbye()
                elif events & selectors.EVENT_READ:
                    self._read(key.data)
            for client in list(self._clients.values()):
                self._write(client)

    def _patience(self, stop_at: float | None) -> float | None:
        """Seconds until something is to be done without news from a socket."""
        times = [stop_at]
        for client in self._clients.values():
            times += (client.connection.wake_at(), client.linger_until)
        first = min((at for at in times if at is not None), default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except OSError:
            return  # gone again, or no descriptor left: the others go on
        self.connections += 1
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = ServerConnection(
            answer,
            address[0],
            window_size=self._window_size,
            max_concurrent_streams=self._max_concurrent_streams,
        )
        client = self._clients[sock] = _Client(sock, connection)
        self._selector.register(sock, client.events, client)

    def _say_goodbye(self) -> None:
        for sock in (self._listener, self._woken):
            self._selector.unregister(sock)
        self._listener.close()
        for client in self._clients.values():
            if not client.connection.closing:
                client.connection.go_away()

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            client.connection.receive(data)
        else:
            self._drop(client)

    def _write(self, client: _Client) -> None:
        connection, now = client.connection, time.monotonic()
        if client.linger_until is not None:
            if now >= client.linger_until:
                self._drop(client)
            return
        more = connection.produce(now)
        try:
            sent = client.socket.send(connection.outbox) if connection.outbox else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        del connection.outbox[:sent]
        # Who does not read our answers is not read either, so the outbox stays small.
        events = selectors.EVENT_READ if len(connection.outbox) < 2 * OUTBOX_SIZE else 0
        if connection.outbox or more:
            events |= selectors.EVENT_WRITE
        elif connection.closing:
            with suppress(OSError):
                client.socket.shutdown(socket.SHUT_WR)
            client.linger_until = now + LINGER
        if events != client.events:
            client.events = events
            self._selector.modify(client.socket, events, client)

    def _drop(self, client: _Client) -> None:
        self._selector.unregister(client.socket)
        del self._clients[client.socket]
        client.socket.close()
