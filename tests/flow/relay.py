"""A long link for those who may make no network of their own: a relay that passes octets on late.

Between the client and a server, on loopback. Each direction has a rate, and a distance of half
the round trip; what has come out of the server and not reached the client is never more than the
link holds, and a tenth of a second's worth that queues before it. There is no slow start over
this link: TCP's own round trip is loopback's. So it is harder on windows than a real one.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from time import monotonic, sleep
from types import TracebackType

__all__ = ["Relay"]

PIECE = 65_536


class _Way:
    """One direction of one connection: a thread that takes octets in, one that lets them out."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, rate: float, delay: float
    ) -> None:
        self.source, self.sink = source, sink
        self.rate, self.delay = rate, delay
        self.changed = threading.Condition()
        self.under_way: deque[tuple[float, bytes]] = deque()
        self.octets = self.most = 0
        self.room = int(rate * (delay + 0.1)) + PIECE
        self.threads = [
            threading.Thread(target=part, daemon=True) for part in (self._take, self._deliver)
        ]
        for thread in self.threads:
            thread.start()

    def _take(self) -> None:
        free = 0.0
        data = b"begin"
        while data:
            with self.changed:
                while self.octets > self.room:
                    self.changed.wait()
            try:
                data = self.source.recv(PIECE)
            except OSError:
                data = b""
            free = max(free, monotonic()) + len(data) / self.rate
            with self.changed:
                self.octets += len(data)
                self.most = max(self.most, self.octets)
                self.under_way.append((free + self.delay, data))
                self.changed.notify_all()

    def _deliver(self) -> None:
        data = b"begin"
        while data:
            with self.changed:
                while not self.under_way:
                    self.changed.wait()
                due, data = self.under_way.popleft()
            sleep(max(due - monotonic(), 0.0))
            # A side that has gone is told to the other by the end of its octets; what still
            # comes for it is dropped.
            with contextlib.suppress(OSError):
                if data:
                    self.sink.sendall(data)
                else:
                    self.sink.shutdown(socket.SHUT_WR)
            with self.changed:
                self.octets -= len(data)
                self.changed.notify_all()


class Relay:
    """A context manager: connections to ``port`` lead to ``target``, a port of this machine.

    rate        octets a second, each way
    round_trip  seconds
    most        the most octets that were under way on any connection in one direction
    """

    host = "127.0.0.1"

    def __init__(self, target: int, rate: float, round_trip: float) -> None:
        self.target, self.rate, self.round_trip = target, rate, round_trip
        self.listener = socket.create_server((self.host, 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        self.ways: list[_Way] = []
        self.thread = threading.Thread(target=self._accept, name="relay", daemon=True)

    @property
    def most(self) -> int:
        return max(way.most for way in self.ways)

    def __enter__(self) -> Relay:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for way in self.ways:
            for thread in way.threads:
                thread.join()
        for sock in self.sockets:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection((self.host, self.target))
            self.sockets += [near, far]
            for sock in (near, far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            half = self.round_trip / 2
            self.ways.append(_Way(far, near, self.rate, half))
            self.ways.append(_Way(near, far, self.rate, half))
