"""All that happened on some connections, in order: what pictures and files are made of."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from .events import (
    Answered,
    BodyBegan,
    Closed,
    Connected,
    Dialling,
    Ended,
    Event,
    Fields,
    Frame,
    Message,
    Opened,
    Piece,
    Promised,
    Queued,
    RequestEnded,
    Reset,
    Resolved,
    Secured,
    Speaking,
)
from .watch import Watch

__all__ = ["ConnectionRecord", "StreamRecord", "Timeline"]

#: Events that are kept, of each of two kinds: what happened to streams and connections, and what
#: went over the wire. More than a page can show.
MAX_EVENTS: Final = 100_000
#: Octets of header fields that are kept in all of them.
MAX_OCTETS: Final = 64 * 2**20
#: GOAWAYs that are noted of a connection, and interim heads of a stream.
MAX_NOTED: Final = 100


class ConnectionRecord:
    """One connection; times are seconds in the timeline, None for what did not happen.

    version    ``HTTP/2``, ``HTTP/1.1`` or ""
    upgraded   HTTP/1.1 was spoken first, and led to it (RFC 7540 §3.2)
    coded      octets of field blocks: under True of those sent, under False of those received;
               HPACK made them
    plain      of so many octets of names and values
    goaway     the frames of that name, in order
    """

    def __init__(self, number: int, began: float) -> None:
        self.number = number
        self.began = began
        self.dialling: Dialling | None = None
        self.resolved: float | None = None
        self.connected: float | None = None
        self.address = ""
        self.secured: Secured | None = None
        self.version = ""
        self.upgraded = False
        self.closed: Closed | None = None
        self.coded = {True: 0, False: 0}
        self.plain = {True: 0, False: 0}
        self.goaway: list[Frame] = []

    @property
    def where(self) -> str:
        """The server, as one writes it."""
        if self.dialling is None:
            return self.address or f"connection {self.number}"
        host = self.dialling.host
        return f"[{host}]:{self.dialling.port}" if ":" in host else f"{host}:{self.dialling.port}"


class StreamRecord:
    """One request and its response, or a push; times as in ``ConnectionRecord``.

    number       the stream id; over HTTP/1.1 a count
    pushed_by    the stream that a push came along with, else None
    queued       since when it waited for a stream to come free
    opened       its head was sent, or promised
    sent         the request had been sent whole
    interim      1xx heads, as ``(time, status)``
    answered     the final head came
    body_began   the first octets of the body came
    ended        the response was there, or the stream was given up
    status       0 until it was answered
    reset        how it was given up, if it was
    """

    def __init__(self, connection: int, number: int, method: str, url: str) -> None:
        self.connection = connection
        self.number = number
        self.method = method
        self.url = url
        self.pushed_by: int | None = None
        self.queued: float | None = None
        self.opened: float | None = None
        self.sent: float | None = None
        self.interim: list[tuple[float, int]] = []
        self.answered: float | None = None
        self.body_began: float | None = None
        self.ended: float | None = None
        self.status = 0
        self.reset: Reset | None = None
        self.request_fields: Fields = ()
        self.response_fields: Fields = ()
        self.request_size = 0
        self.size = 0

    @property
    def began(self) -> float:
        """When it was asked for."""
        times = (self.queued, self.opened, self.answered, self.ended)
        return min((each for each in times if each is not None), default=0.0)

    @property
    def path(self) -> str:
        """The URL without its origin."""
        rest = self.url.partition("://")[2]
        return rest[rest.index("/") :] if "/" in rest else self.url

    def field(self, name: bytes) -> str:
        """The first field of that name in the response, or ""."""
        values = (value for key, value in self.response_fields if key.lower() == name)
        return next(values, b"").decode("latin-1")


class Timeline:
    """Keeps what happens on connections; give its ``watch`` to them as ``trace=``.

        timeline = Timeline()
        with HTTPConnection("http2bin.org", trace=timeline.watch) as connection:
            connection.request("GET", "/get")
            connection.get_response().read()
        timeline.save("trace.html")

    watch        tells this timeline
    started      when that began, in seconds since the epoch
    connections  by their numbers
    streams      in the order in which they were asked for
    wire         frames and messages, in order
    events       everything else, in order
    dropped      events that were too many to be kept
    now          the time of the last event

    ``secrets`` is as in ``Watch``; ``also`` is called with each event before it is kept.

    It may be read while connections work, under ``lock``, and any time after.
    """

    def __init__(
        self, *, secrets: bool = False, also: Callable[[Event], object] | None = None
    ) -> None:
        self.watch = Watch(self.add, secrets=secrets)
        self._also = also
        self.lock = allocate_lock()
        self.started = time.time() - self.watch.seconds()
        self.connections: dict[int, ConnectionRecord] = {}
        self.streams: list[StreamRecord] = []
        self.wire: list[Frame | Message | Piece] = []
        self.events: list[Event] = []
        self.dropped = 0
        self._octets = 0
        self.now = 0.0
        self._open: dict[tuple[int, int], StreamRecord] = {}
        _alive.add(self)

    def add(self, event: Event) -> None:
        """Take in an event; any thread may."""
        if self._also is not None:
            self._also(event)
        with self.lock:
            self.now = max(self.now, event.at)
            connection = self.connections.get(event.connection)
            if connection is None:
                connection = ConnectionRecord(event.connection, event.at)
                self.connections[event.connection] = connection
            if isinstance(event, Frame | Message | Piece):
                self._on_wire(connection, event)
                if self._has_room(self.wire, event):
                    self.wire.append(event)
                return
            if self._has_room(self.events, event):
                self.events.append(event)
                self._on_connection(connection, event)
                self._on_stream(event)

    def save(self, path: str) -> None:
        """Write a file of a kind that its suffix says: ``.html``, ``.har``, ``.json``, ``.txt``.

        Raises ValueError for another suffix, OSError when the file cannot be written.
        """
        from .saving import save

        save(self, path)

    def _has_room(self, kept: list[Event] | list[Frame | Message | Piece], event: Event) -> bool:
        fields: Fields = getattr(event, "fields", None) or ()
        octets = self._octets + sum(len(name) + len(value) for name, value in fields)
        if len(kept) < MAX_EVENTS and octets <= MAX_OCTETS:
            self._octets = octets
            return True
        self.dropped += 1
        return False

    def _on_wire(self, connection: ConnectionRecord, event: Frame | Message | Piece) -> None:
        if not isinstance(event, Frame):
            return
        connection.coded[event.sent] += event.coded
        connection.plain[event.sent] += event.plain
        if event.kind == "GOAWAY" and len(connection.goaway) < MAX_NOTED:
            connection.goaway.append(event)

    def _on_connection(self, connection: ConnectionRecord, event: Event) -> None:
        if isinstance(event, Dialling):
            connection.dialling = event
        elif isinstance(event, Resolved):
            connection.resolved = event.at
        elif isinstance(event, Connected):
            connection.connected = event.at
            connection.address = event.address
        elif isinstance(event, Secured):
            connection.secured = event
        elif isinstance(event, Speaking):
            connection.upgraded = bool(connection.version)
            connection.version = event.version
        elif isinstance(event, Closed):
            connection.closed = event
            for key in [key for key in self._open if key[0] == event.connection]:
                self._open.pop(key)

    def _on_stream(self, event: Event) -> None:
        if isinstance(event, Queued):
            stream = self._record(event.connection, event.stream, event.method, event.url)
            if stream.queued is None and stream.opened is None:
                stream.queued = event.at
            return
        if isinstance(event, Opened):
            stream = self._record(event.connection, event.stream, event.method, event.url)
            stream.url = event.url
            stream.opened = event.at
            stream.request_fields = event.fields
            return
        if isinstance(event, Promised):
            stream = self._record(event.connection, event.stream, event.method, event.url)
            stream.opened = stream.sent = event.at
            stream.pushed_by = event.parent
            stream.request_fields = event.fields
            return
        if not isinstance(event, Answered | BodyBegan | Ended | RequestEnded | Reset):
            return
        known = self._open.get((event.connection, event.stream))
        if known is None:
            return
        if isinstance(event, RequestEnded):
            known.sent = event.at
            known.request_size = event.size
        elif isinstance(event, BodyBegan):
            known.body_began = event.at
        elif isinstance(event, Answered):
            if 100 <= event.status < 200 and event.status != 101:
                if len(known.interim) < MAX_NOTED:
                    known.interim.append((event.at, event.status))
            elif known.answered is None or known.status == 101:
                known.answered = event.at
                known.status = event.status
                known.response_fields = event.fields
        else:
            known.ended = event.at
            known.size = event.size
            if isinstance(event, Reset):
                known.reset = event
            del self._open[event.connection, event.stream]

    def _record(self, connection: int, number: int, method: str, url: str) -> StreamRecord:
        stream = self._open.get((connection, number))
        if stream is None:
            stream = self._open[connection, number] = StreamRecord(connection, number, method, url)
            self.streams.append(stream)
        return stream


# For the child of a fork, in which no thread is left that could open a lock it holds.
_alive: WeakSet[Timeline] = WeakSet()


def _renew_locks() -> None:
    for timeline in list(_alive):
        timeline.lock = allocate_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
