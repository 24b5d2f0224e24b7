"""A server's half of flow control on a real socket: every octet counted, every window known.

Wraps a ``Conversation`` of the raw server. Whatever the client says is held against the windows
and the number of streams that it was granted; a client that oversteps fails the test.
"""

from __future__ import annotations

import select
import socket
import struct
from collections import deque

from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from ..faults.rawserver import Conversation
from ..peer import ACK, INITIAL_WINDOW, PREFACE, SETTINGS, frame

__all__ = ["Ledger"]


class Ledger:
    """One connection's books, kept by the server.

    received  stream id -> what it has uploaded
    whole     ids of requests that have arrived whole, in that order
    resets    stream id -> the error code by which the client gave it up
    room      octets that the client lets us send on the connection; ``rooms`` on each stream
    window    octets that we let the client send on the connection; ``windows`` on each stream
    """

    def __init__(self, conversation: Conversation, **settings: int) -> None:
        self.conversation = conversation
        # Else each small frame of ours would wait for the acknowledgement of the last.
        conversation.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received: dict[int, bytearray] = {}
        self.whole: list[int] = []
        self.resets: dict[int, int] = {}
        self.open: set[int] = set()
        self.most_open = 0
        self.most_streams = 2**32
        self.room = self.window = self.initial_window = self.initial_room = INITIAL_WINDOW
        self.rooms: dict[int, int] = {}
        self.windows: dict[int, int] = {}
        self._announced: deque[dict[str, int]] = deque()
        self.settings(**settings)
        assert conversation._octets(len(PREFACE)) == PREFACE

    # What the server says.

    def settings(self, **settings: int) -> None:
        """Announce settings; they bind the client from its acknowledgement on."""
        self._announced.append(settings)
        pairs = [struct.pack(">HI", SETTINGS[name], value) for name, value in settings.items()]
        self.conversation.say(frame("SETTINGS", 0, 0, b"".join(pairs)))

    def await_ack(self) -> None:
        while self._announced:
            self.hear()

    def widen(self, stream_id: int, increment: int) -> None:
        if stream_id:
            self.windows[stream_id] += increment
        else:
            self.window += increment
        self.conversation.say(frame("WINDOW_UPDATE", 0, stream_id, struct.pack(">I", increment)))

    def data(self, stream_id: int, payload: bytes, flags: int = 0) -> None:
        """Say DATA, as the windows allow: waits until they do."""
        while min(self.room, self.rooms[stream_id]) < len(payload):
            self.hear()
        self.room -= len(payload)
        self.rooms[stream_id] -= len(payload)
        self.conversation.say(frame("DATA", flags, stream_id, payload))

    def answer(self, stream_id: int, status: str = "200", body: bytes = b"") -> None:
        block = self.conversation.encoder.encode([(":status", status)])
        self.conversation.say(frame("HEADERS", 0x4 | (not body), stream_id, block))
        # Before the client can hear of it and use the slot.
        self.open.discard(stream_id)
        if body:
            self.data(stream_id, body, flags=1)

    # What the client says.

    def hear_all(self) -> None:
        """Hear what has arrived, without waiting for more."""
        while self.conversation._unread or select.select([self.conversation.socket], [], [], 0)[0]:
            self.hear()

    def hear(self) -> Frame:
        """The client's next frame, entered in the books."""
        heard = self.conversation._frame()
        stream_id: int = heard.stream_id
        if isinstance(heard, HeadersFrame):
            self.open.add(stream_id)
            self.most_open = max(self.most_open, len(self.open))
            assert len(self.open) <= self.most_streams, f"{self.open} of {self.most_streams}"
            self.received[stream_id] = bytearray()
            self.windows[stream_id] = self.initial_window
            self.rooms[stream_id] = self.initial_room
        elif isinstance(heard, DataFrame):
            size = heard.flow_controlled_length
            self.window -= size
            self.windows[stream_id] -= size
            over = f"{size} octets overran a window of stream {stream_id}"
            assert not size or min(self.window, self.windows[stream_id]) >= 0, over
            self.received[stream_id] += heard.data
        elif isinstance(heard, WindowUpdateFrame):
            if stream_id:
                self.rooms[stream_id] += heard.window_increment
            else:
                self.room += heard.window_increment
        elif isinstance(heard, RstStreamFrame):
            self.resets[stream_id] = heard.error_code
            self.open.discard(stream_id)
        elif isinstance(heard, PingFrame) and "ACK" not in heard.flags:
            self.conversation.say(frame("PING", ACK, 0, heard.opaque_data))
        elif isinstance(heard, SettingsFrame):
            self._on_settings(heard)
        if "END_STREAM" in heard.flags:
            self.whole.append(stream_id)
        return heard

    def _on_settings(self, heard: SettingsFrame) -> None:
        if "ACK" not in heard.flags:
            self.initial_room = heard.settings.get(SETTINGS["initial_window_size"], INITIAL_WINDOW)
            self.conversation.say(frame("SETTINGS", ACK))
            return
        settings = self._announced.popleft()
        window = settings.get("initial_window_size", self.initial_window)
        for stream_id in self.windows:
            self.windows[stream_id] += window - self.initial_window
        self.initial_window = window
        self.most_streams = settings.get("max_concurrent_streams", self.most_streams)
