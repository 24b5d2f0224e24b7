"""A server on a real socket that says exactly what a script tells it to, and then goes wrong.

It is for what the scripted peer (``tests/peer.py``) cannot show: the network's own failures. What
it says is packed by the ``hpack`` package and by hand; what the client says is read by
``hyperframe``. No code of hyper is used.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

import hpack
from hyperframe.frame import Frame, HeadersFrame

from ..peer import PREFACE, frame

__all__ = ["Conversation", "RawServer", "Script"]

#: Seconds that the server waits for the client before it gives up and fails the test.
PATIENCE = 5.0


class Conversation:
    """One connection, seen from the server."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self._unread = b""

    def hear(self) -> int:
        """Read up to the end of the next request's head; return its stream id."""
        while True:
            heard = self._frame()
            if isinstance(heard, HeadersFrame):
                stream_id: int = heard.stream_id
                return stream_id

    def hear_request(self) -> int:
        """Open the connection as a server should, and wait for a request."""
        self.say(frame("SETTINGS"))
        preface = self._octets(len(PREFACE))
        assert preface == PREFACE, preface
        return self.hear()

    def say(self, octets: bytes) -> None:
        self.socket.sendall(octets)

    def head(
        self, stream_id: int, fields: Iterable[tuple[str, str]] = (), *, end: bool = False
    ) -> None:
        """Say HEADERS; ``:status: 200`` is put in front of ordinary fields."""
        self.say(self.head_frame(stream_id, fields, end=end))

    def head_frame(
        self, stream_id: int, fields: Iterable[tuple[str, str]] = (), *, end: bool = False
    ) -> bytes:
        block = self.encoder.encode([(":status", "200"), *fields])
        return frame("HEADERS", 0x4 | end, stream_id, block)

    def data(self, stream_id: int, octets: bytes, *, end: bool = False) -> None:
        self.say(frame("DATA", int(end), stream_id, octets))

    def rst_stream(self, stream_id: int, code: int) -> None:
        self.say(frame("RST_STREAM", 0, stream_id, struct.pack(">I", code)))

    def goaway(self, last: int, code: int, debug: bytes = b"") -> None:
        self.say(frame("GOAWAY", 0, 0, struct.pack(">II", last, code) + debug))

    def finish(self) -> None:
        """Send FIN, without TLS's close_notify, and wait for the client to go."""
        # A close() with octets unread would send RST and could destroy what we said.
        self.socket.shutdown(socket.SHUT_WR)
        self.linger()

    def reset(self) -> None:
        """Have the kernel send RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def linger(self) -> None:
        """Read and drop until the client goes."""
        with contextlib.suppress(OSError):
            while self.socket.recv(65_536):
                pass

    def _octets(self, size: int) -> bytes:
        while len(self._unread) < size:
            more = self.socket.recv(65_536)
            if not more:
                raise EOFError("the client closed the connection")
            self._unread += more
        octets, self._unread = self._unread[:size], self._unread[size:]
        return octets

    def _frame(self) -> Frame:
        parsed, size = Frame.parse_frame_header(memoryview(self._octets(9)))
        parsed.parse_body(memoryview(self._octets(size)))
        return parsed


Script = Callable[[Conversation], None]


class RawServer:
    """Plays ``script`` to everyone who connects, one after the other, on a thread of its own.

    context      TLS as it says; None for cleartext
    script       None hangs up as soon as a client has connected, before any handshake
    at_once      do not wait for one client to leave before the next one is served
    connections  how many clients were accepted
    """

    def __init__(
        self,
        script: Script | None,
        context: ssl.SSLContext | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        self.script = script
        self.context = context
        self.at_once = at_once
        self.others: list[threading.Thread] = []
        self.connections = 0
        self.trouble: BaseException | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.address = f"localhost:{self.port}"
        self.thread = threading.Thread(target=self._serve, name="raw server", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Wakes accept(); a close() alone would leave it waiting.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(2 * PATIENCE)
        self.listener.close()
        for thread in (self.thread, *self.others):
            thread.join(2 * PATIENCE)
            assert not thread.is_alive(), "the raw server still waits for its client"
        if self.trouble is not None and error is None:
            raise self.trouble

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(PATIENCE)
            if self.at_once:
                self.others = [each for each in self.others if each.is_alive()]
                self.others.append(threading.Thread(target=self._entertain, args=(connection,)))
                self.others[-1].start()
            else:
                self._entertain(connection)

    def _entertain(self, connection: socket.socket) -> None:
        try:
            # A client that has had enough leaves in the middle of what we say.
            with contextlib.suppress(OSError, EOFError):
                self._play(connection)
        except BaseException as error:
            self.trouble = error
        finally:
            connection.close()

    def _play(self, connection: socket.socket) -> None:
        if self.script is None:
            return
        if self.context is None:
            self.script(Conversation(connection))
            return
        with self.context.wrap_socket(connection, server_side=True) as secure:
            self.script(Conversation(secure))
