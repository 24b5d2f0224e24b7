"""A gateway on a pair of sockets, and the server at its other end, which is the h2 package's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
from hyperframe.frame import GoAwayFrame

from hyper.http20.protocol import HTTP20Protocol
from hyper.sync.gateway import GatewaySocket
from hyper.sync.pump import Pump
from hyper.sync.transport import Transport

__all__ = ["Far"]

Fields = list[tuple[bytes, bytes]]


class Far:
    """The server's end. What it says goes out at once; ``hear`` takes in what has arrived.

    requests  the heads so far, by stream id
    bodies    their bodies, by stream id
    ended     streams whose request is complete
    trailers  of requests, by stream id
    acknowledged
              whether the client has answered our SETTINGS
    resets    streams that the client reset, with the code
    let_go    how often the gateway let go of its connection
    demoted   how often it was told that HTTP/1.1 is wanted
    """

    def __init__(self, *, timeout: float | None = 5, **settings: int) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.settimeout(5)
        self.let_go = self.demoted = self.dropped = 0
        self.protocol = HTTP20Protocol(clock=monotonic)
        self.pump = Pump(self.protocol, Transport(ours))
        self.gateway = GatewaySocket(
            self.pump,
            "example.org:443",
            b"example.org",
            timeout=timeout,
            let_go=self._let_go,
            dropped=self._drop,
            demoted=self._demote,
        )
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        if settings:
            self.h2.local_settings = h2.settings.Settings(
                client=False,
                initial_values={
                    getattr(h2.settings.SettingCodes, name.upper()): value
                    for name, value in settings.items()
                },
            )
        self.requests: dict[int, Fields] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.trailers: dict[int, Fields] = {}
        self.resets: dict[int, int] = {}
        self.gone = self.acknowledged = False
        self.h2.initiate_connection()
        self.say()

    def _let_go(self) -> None:
        self.let_go += 1
        self.pump.close()

    def _drop(self) -> None:
        self.dropped += 1

    def _demote(self) -> None:
        self.demoted += 1

    def say(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def hear(self) -> None:
        """Take in what the client has written; answers SETTINGS and PING, widens windows."""
        data = self.sock.recv(1 << 20)
        if not data:
            self.gone = True
            return
        for event in self.h2.receive_data(data):
            stream_id: int = getattr(event, "stream_id", 0) or 0
            if isinstance(event, h2.events.RequestReceived):
                self.requests[stream_id] = list(event.headers)
                self.bodies[stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[stream_id] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.trailers[stream_id] = list(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[stream_id] = int(event.error_code)
            elif isinstance(event, h2.events.SettingsAcknowledged):
                self.acknowledged = True
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.gone = True
        with suppress(BrokenPipeError):
            self.say()

    def hear_until(self, done: Callable[[], object]) -> None:
        while not done():
            assert not self.gone
            self.hear()

    def hear_request(self, stream_id: int = 1, *, whole: bool = True) -> Fields:
        """Wait for the head of a request, and for its end unless ``whole`` is False."""
        self.hear_until(lambda: stream_id in (self.ended if whole else self.requests))
        return self.requests[stream_id]

    def head(
        self, stream_id: int = 1, *fields: tuple[str, str], status: int = 200, end: bool = False
    ) -> None:
        self.h2.send_headers(stream_id, [(":status", str(status)), *fields], end_stream=end)
        self.say()

    def data(self, octets: bytes, stream_id: int = 1, *, end: bool = False) -> None:
        self.h2.send_data(stream_id, octets, end_stream=end)
        self.say()

    def answer(
        self,
        body: bytes = b"",
        *fields: tuple[str, str],
        stream_id: int = 1,
        status: int = 200,
        length: bool = True,
    ) -> None:
        """A whole response, in one write."""
        if length:
            fields = (*fields, ("content-length", str(len(body))))
        head = [(":status", str(status)), *fields]
        self.h2.send_headers(stream_id, head, end_stream=not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)
        self.say()

    def reset(self, stream_id: int = 1, code: str = "INTERNAL_ERROR") -> None:
        self.h2.reset_stream(stream_id, h2.errors.ErrorCodes[code])
        self.say()

    def goaway(self, last: int = 0) -> None:
        # Not by the h2 package, which says nothing more after it.
        frame = GoAwayFrame(last_stream_id=last)
        self.sock.sendall(frame.serialize())

    def close(self) -> None:
        self.gateway.close()
        self.pump.close()
        self.sock.close()

    @contextmanager
    def meanwhile(self, work: Callable[[], object]) -> Iterator[None]:
        """Do something on another thread; raises what that raised."""
        failures: list[BaseException] = []

        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            thread.join(10)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    def read(self, size: int = 65536) -> Any:
        return self.gateway.recv(size)
