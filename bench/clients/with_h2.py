"""The h2 package and nothing else: a loop over a blocking TLS socket."""

from __future__ import annotations

import socket
import ssl
from typing import ClassVar

import h2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes

from bench.clients import Client, Target

#: What we grant the server: its own windows are not what this measures.
WINDOW = 16 * 1024 * 1024


class H2(Client):
    cannot: ClassVar = {"threads": "nothing in h2 may be used by two threads"}
    share = 0.3

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        context = ssl.create_default_context(cafile=target.authority)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("localhost", target.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        self.h2.increment_flow_control_window(WINDOW)
        self.flush()
        self.bodies: dict[int, list[bytes]] = {}
        self.sizes: dict[int, int] = {}
        self.keep = True

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.socket.sendall(data)

    def start(self, method: str = "GET", end: bool = True) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        headers = [
            (":method", method),
            (":scheme", "https"),
            (":authority", f"localhost:{self.target.port}"),
            (":path", self.target.path),
        ]
        if self.target.headers:
            headers += self.headers()
        self.h2.send_headers(stream, headers, end_stream=end)
        self.bodies[stream] = []
        self.sizes[stream] = 0
        return stream

    def read(self) -> set[int]:
        """Read once; return the streams that have ended."""
        ended = set()
        data = self.socket.recv(65536)
        assert data, "the server closed the connection"
        for event in self.h2.receive_data(data):
            if isinstance(event, DataReceived):
                if self.keep:
                    self.bodies[event.stream_id].append(event.data)
                self.sizes[event.stream_id] += len(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, ResponseReceived):
                assert dict(event.headers)[b":status"] == b"200"
            elif isinstance(event, StreamEnded):
                ended.add(event.stream_id)
            else:
                assert not isinstance(event, StreamReset)
        self.flush()
        return ended

    def finish(self, streams: set[int]) -> int:
        """Read until all of them have ended; return the octets of their bodies."""
        left = set(streams)
        while left:
            left -= self.read()
        size = 0
        for stream in streams:
            body = b"".join(self.bodies.pop(stream))
            size += len(body) if self.keep else self.sizes[stream]
            del self.sizes[stream]
        return size

    def get(self) -> int:
        stream = self.start()
        self.flush()
        return self.finish({stream})

    def batch(self, count: int) -> int:
        streams = {self.start() for _ in range(count)}
        self.flush()
        return self.finish(streams)

    def stream(self) -> int:
        self.keep = False
        size = self.get()
        self.keep = True
        return size

    def upload(self, body: bytes) -> None:
        stream = self.start("POST", end=False)
        view = memoryview(body)
        while view:
            room = min(
                self.h2.local_flow_control_window(stream),
                self.h2.max_outbound_frame_size,
                len(view),
            )
            if room:
                self.h2.send_data(stream, view[:room].tobytes())
                view = view[room:]
            else:
                self.flush()
                self.read()
        self.h2.end_stream(stream)
        self.flush()
        self.finish({stream})

    def version(self) -> str:
        assert self.socket.selected_alpn_protocol() == "h2"
        return f"h2 {h2.__version__}"

    def close(self) -> None:
        self.socket.close()
