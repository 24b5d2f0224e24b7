"""The scripted peer: the server's half of an HTTP/2 conversation, frame by frame, without a socket.

What the server says is packed by hand, because a peer must be able to misbehave. What the client
wrote is read by the ``hyperframe`` and ``hpack`` packages, which share no code with hyper, and is
held against the rules that bind every client all the time: whole frames, contiguous field blocks,
frame sizes, increasing odd stream ids, windows never overrun. So no test has to ask for those.

``test_peer.py`` shows how it is used.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hpack
from hyperframe.frame import Frame as AnyFrame
from pytest import raises

from hyper.common.exchange import Exchange
from hyper.common.protocol import Protocol
from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error
from hyper.http20.protocol import HTTP20Protocol

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: The frame types by their numbers (RFC 9113 §6).
TYPES = {
    "DATA": 0x0,
    "HEADERS": 0x1,
    "PRIORITY": 0x2,
    "RST_STREAM": 0x3,
    "SETTINGS": 0x4,
    "PUSH_PROMISE": 0x5,
    "PING": 0x6,
    "GOAWAY": 0x7,
    "WINDOW_UPDATE": 0x8,
    "CONTINUATION": 0x9,
}

#: RFC 9113 §6.5.2.
SETTINGS = {
    "header_table_size": 0x1,
    "enable_push": 0x2,
    "max_concurrent_streams": 0x3,
    "initial_window_size": 0x4,
    "max_frame_size": 0x5,
    "max_header_list_size": 0x6,
}

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

#: The largest window there is (RFC 9113 §6.9.1), and the one every stream starts with.
MAX_WINDOW = 2**31 - 1
INITIAL_WINDOW = 65_535

OK = [(":status", "200")]

Fields = Iterable[tuple[str | bytes, str | bytes]]
Split = int | Callable[[bytes], Iterable[bytes]] | None


def frame(kind: int | str, flags: int = 0, stream_id: int = 0, payload: bytes = b"") -> bytes:
    """The octets of any frame, sensible or not (RFC 9113 §4.1)."""
    number = TYPES[kind] if isinstance(kind, str) else kind
    head = struct.pack(">IBBI", len(payload), number, flags, stream_id)[1:]
    return head + payload


def padded(payload: bytes, padding: int | None) -> bytes:
    """The payload between its pad length and its padding, or as it is for ``None``."""
    return payload if padding is None else bytes([padding]) + payload + bytes(padding)


@dataclass
class Written:
    """A frame that the client wrote, with whatever its type can say."""

    name: str
    stream_id: int
    flags: frozenset[str]
    size: int  # octets of payload, which for DATA is what flow control counts
    end_stream: bool = False
    end_headers: bool = False
    ack: bool = False
    data: bytes = b""
    headers: list[tuple[str, str]] | None = None  # None until the block's last frame
    sensitive: list[str] = field(default_factory=list)  # names sent as never indexed
    settings: dict[int, int] = field(default_factory=dict)
    opaque: bytes = b""
    error_code: int = -1
    last_stream_id: int = -1
    debug: bytes = b""
    increment: int = 0


def body_of(exchange: Exchange) -> bytes:
    """What has arrived of the body and was not read yet; leaves it unread."""
    return b"".join(exchange.chunks)


def footprint(protocol: Protocol) -> dict[str, int]:
    """How many things each container of a protocol holds: what a hostile peer would swell."""
    return {
        name: len(value)
        for name, value in vars(protocol).items()
        if hasattr(value, "__len__") and not isinstance(value, str | bytes)
    }


class Recorder:
    """Stands where a client would, and keeps what the server says: ``spoken``."""

    def __init__(self) -> None:
        self.spoken = b""

    def receive_data(self, data: bytes) -> list[Exchange]:
        self.spoken += data
        return []


def spoken(script: Callable[[Peer], object]) -> bytes:
    """The octets that a server says when it follows the script."""
    recorder: Any = Recorder()
    script(Peer(recorder))
    octets: bytes = recorder.spoken
    return octets


def fresh(*, split: Split = None, **options: Any) -> Peer:
    """A client that has written nothing yet, and its peer."""
    return Peer(HTTP20Protocol(**options), split=split)


def connected(
    settings: dict[str, int] | None = None, *, split: Split = None, **options: Any
) -> Peer:
    """A client and its peer after the handshake, in which the server announced ``settings``."""
    peer = fresh(split=split, **options)
    peer.handshake(**(settings or {}))
    return peer


class Peer:
    """A server that says what the script tells it to, and checks what the client writes.

    protocol  the client under test
    split     how octets reach the client: ``None`` all at once, ``n`` so many at a time, or a
              function from the octets to the pieces
    """

    def __init__(self, protocol: Protocol, *, split: Split = None) -> None:
        self.protocol: Any = protocol
        self.split = split
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self._held: bytearray | None = None
        self._unparsed = bytearray()
        self._frames: deque[Written] = deque()
        # Settings of ours that bind the client once it has acknowledged them.
        self._announced: deque[dict[int, int]] = deque()
        self.max_frame_size = 16_384
        self.initial_window = INITIAL_WINDOW
        self.window = INITIAL_WINDOW
        self.windows: dict[int, int] = {}
        self.highest_id = 0
        # What the client granted, and what it announced.
        self.granted = INITIAL_WINDOW
        self.granted_to: dict[int, int] = {}
        self.client_settings = {0x1: 4096, 0x2: 1, 0x4: INITIAL_WINDOW, 0x5: 16_384}
        # Every exchange that request() started, to be checked when the connection breaks.
        self.exchanges: list[Any] = []
        self._block: tuple[Written, bytearray] | None = None

    # What the server says. Each returns the exchanges that moved.

    def raw(self, octets: bytes) -> list[Exchange]:
        """Say these very octets."""
        if self._held is not None:
            self._held += octets
            return []
        moved: list[Exchange] = []
        for piece in self._pieces(octets):
            moved += self.protocol.receive_data(piece)
        return moved

    def frame(
        self, kind: int | str, flags: int = 0, stream_id: int = 0, payload: bytes = b""
    ) -> list[Exchange]:
        """Say any frame, sensible or not."""
        return self.raw(frame(kind, flags, stream_id, payload))

    @contextmanager
    def one_read(self) -> Iterator[list[Exchange]]:
        """Whatever is said inside reaches the client in one read; yields who moved, afterwards."""
        moved: list[Exchange] = []
        self._held = bytearray()
        yield moved
        octets, self._held = bytes(self._held), None
        for piece in self._pieces(octets):
            moved += self.protocol.receive_data(piece)

    def settings(self, *pairs: tuple[int, int], ack: bool = False, **named: int) -> list[Exchange]:
        """SETTINGS (§6.5), by the names of §6.5.2 in lower case and by plain numbers."""
        entries = [(SETTINGS[name], value) for name, value in named.items()] + list(pairs)
        if not ack:
            self._announced.append(dict(entries))
        payload = b"".join(struct.pack(">HI", *entry) for entry in entries)
        return self.frame("SETTINGS", ACK if ack else 0, 0, payload)

    def block(self, fields: Fields) -> bytes:
        """The field block for these fields, in the state that compression has got to (§4.3)."""
        encoded: bytes = self.encoder.encode(list(fields))
        return encoded

    def headers(
        self,
        stream_id: int,
        fields: Fields = OK,
        *,
        end: bool = False,
        end_headers: bool = True,
        padding: int | None = None,
        priority: bytes | None = None,
        fragments: int = 1,
    ) -> list[Exchange]:
        """HEADERS (§6.2), and CONTINUATION for each fragment of the block after the first.

        ``priority`` is the five octets of the deprecated priority fields. ``end_headers=False``
        leaves the block open.
        """
        block = self.block(fields)
        cut = -(-len(block) // fragments)
        pieces = [block[at * cut : (at + 1) * cut] for at in range(fragments)]
        flags = END_STREAM if end else 0
        first = pieces[0]
        if priority is not None:
            flags |= PRIORITY
            first = priority + first
        if padding is not None:
            flags |= PADDED
        if end_headers and fragments == 1:
            flags |= END_HEADERS
        octets = frame("HEADERS", flags, stream_id, padded(first, padding))
        for at, piece in enumerate(pieces[1:], start=2):
            last = END_HEADERS if end_headers and at == fragments else 0
            octets += frame("CONTINUATION", last, stream_id, piece)
        return self.raw(octets)

    def continuation(
        self, stream_id: int, block: bytes, *, end_headers: bool = True
    ) -> list[Exchange]:
        """CONTINUATION (§6.10) with this piece of a field block."""
        return self.frame("CONTINUATION", END_HEADERS if end_headers else 0, stream_id, block)

    def data(
        self, stream_id: int, data: bytes = b"", *, end: bool = False, padding: int | None = None
    ) -> list[Exchange]:
        """DATA (§6.1); ``padding`` octets of padding, ``None`` for an unpadded frame."""
        flags = (END_STREAM if end else 0) | (0 if padding is None else PADDED)
        payload = padded(data, padding)
        self.granted -= len(payload)
        self.granted_to[stream_id] = self.window_of(stream_id) - len(payload)
        return self.frame("DATA", flags, stream_id, payload)

    def window_of(self, stream_id: int) -> int:
        """How many octets of DATA the client lets us send on this stream (§6.9)."""
        return self.granted_to.get(stream_id, self.client_settings[0x4])

    def answer(self, stream_id: int, body: bytes = b"", fields: Fields = OK) -> list[Exchange]:
        """A whole response: HEADERS, and DATA if there is a body."""
        if not body:
            return self.headers(stream_id, fields, end=True)
        return self.headers(stream_id, fields) + self.data(stream_id, body, end=True)

    def priority(self, stream_id: int, depends_on: int = 0, weight: int = 15) -> list[Exchange]:
        """PRIORITY (§6.3)."""
        return self.frame("PRIORITY", 0, stream_id, struct.pack(">IB", depends_on, weight))

    def rst_stream(self, stream_id: int, code: int = ErrorCode.CANCEL) -> list[Exchange]:
        """RST_STREAM (§6.4)."""
        return self.frame("RST_STREAM", 0, stream_id, struct.pack(">I", code))

    def push_promise(
        self,
        stream_id: int,
        promised_id: int,
        fields: Fields,
        *,
        end_headers: bool = True,
        padding: int | None = None,
    ) -> list[Exchange]:
        """PUSH_PROMISE (§6.6)."""
        flags = (END_HEADERS if end_headers else 0) | (0 if padding is None else PADDED)
        payload = struct.pack(">I", promised_id) + self.block(fields)
        return self.frame("PUSH_PROMISE", flags, stream_id, padded(payload, padding))

    def ping(self, opaque: bytes = b"12345678", *, ack: bool = False) -> list[Exchange]:
        """PING (§6.7)."""
        return self.frame("PING", ACK if ack else 0, 0, opaque)

    def goaway(
        self, last: int = 0, code: int = ErrorCode.NO_ERROR, debug: bytes = b""
    ) -> list[Exchange]:
        """GOAWAY (§6.8)."""
        return self.frame("GOAWAY", 0, 0, struct.pack(">II", last, code) + debug)

    def window_update(self, stream_id: int, increment: int) -> list[Exchange]:
        """WINDOW_UPDATE (§6.9); stream 0 is the connection."""
        if stream_id == 0:
            self.window += increment
        else:
            self.windows[stream_id] = self.windows.get(stream_id, self.initial_window) + increment
        return self.frame("WINDOW_UPDATE", 0, stream_id, struct.pack(">I", increment))

    # What the client wrote.

    def expect(self, name: str, **wanted: Any) -> Written:
        """The client's next frame is a ``name``, and says what is wanted of it; return it.

        ``wanted`` names attributes of ``Written``. Header names and values are plain str.
        """
        self._read()
        assert self._frames, f"the client wrote nothing; {name} was expected"
        written = self._frames.popleft()
        assert written.name == name, f"{name} was expected, the client wrote {written}"
        for attribute, value in wanted.items():
            got = getattr(written, attribute)
            assert got == value, f"{name} with {attribute}={value!r} was expected, got {written}"
        return written

    def expect_nothing(self) -> None:
        """The client wrote nothing that was not asked about."""
        self._read()
        assert not self._frames, f"nothing was expected, the client wrote {list(self._frames)}"

    def expect_preface(self) -> None:
        """The first octets are the connection preface (§3.4)."""
        self._read(parse=False)
        assert self._unparsed.startswith(PREFACE), bytes(self._unparsed[:40])
        del self._unparsed[: len(PREFACE)]

    def expect_connection_error(self, *codes: int) -> Written:
        """The client ended the connection for one of these reasons (RFC 9113 §5.4.1).

        So every exchange that was not complete failed at once, nothing new may start, and what
        the peer still says falls on deaf ears.
        """
        goaway = self.expect("GOAWAY", stream_id=0)
        assert goaway.error_code in codes, f"GOAWAY {codes} was expected, got {goaway}"
        self.expect_nothing()
        for exchange in self.exchanges:
            if not exchange.ended:
                assert isinstance(exchange.error, HTTP20Error), f"stream {exchange.id} hangs"
        assert not self.protocol.accepting
        with raises(ConnectionError):
            self.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
        for octets in (frame("PING", 0, 0, bytes(8)), frame("DATA"), b"\xff" * 100):
            assert self.protocol.receive_data(octets) == []
        self.expect_nothing()
        return goaway

    def expect_stream_error(self, stream_id: int, *codes: int) -> None:
        """The client reset this stream for one of these reasons, and nothing else (§5.4.2)."""
        reset = self.expect("RST_STREAM", stream_id=stream_id)
        assert reset.error_code in codes, f"RST_STREAM {codes} was expected, got {reset}"
        self.expect_nothing()

    def written(self) -> list[Written]:
        """Everything the client wrote since it was last asked."""
        self._read()
        frames, self._frames = list(self._frames), deque()
        return frames

    # Both together.

    def handshake(self, **settings: int) -> None:
        """Exchange prefaces and acknowledgements; nothing is left to read (§3.4, §6.5.3)."""
        self.expect_preface()
        self.expect("SETTINGS", ack=False, stream_id=0)
        self.settings(*((SETTINGS[name], value) for name, value in settings.items()))
        self.settings(ack=True)
        assert any(written.ack for written in self.written())

    def request(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        headers: Iterable[tuple[bytes, bytes]] = (),
        *,
        end: bool = True,
    ) -> Any:
        """Have the client ask for something, and read its HEADERS; return the exchange."""
        exchange = self.protocol.request(
            method, b"https", b"example.org", path, list(headers), end=end
        )
        self.exchanges.append(exchange)
        self.expect("HEADERS", stream_id=exchange.id, end_stream=end)
        self.expect_nothing()
        return exchange

    def queue(self, path: bytes = b"/queued", *, end: bool = True) -> Any:
        """Have the client ask for something that has to wait for a slot; return the exchange."""
        exchange = self.protocol.request(b"GET", b"https", b"example.org", path, [], end=end)
        self.exchanges.append(exchange)
        self.expect_nothing()
        return exchange

    def upload(self, path: bytes = b"/upload") -> Any:
        """Have the client start a POST whose body is yet to come; return the exchange."""
        return self.request(b"POST", path, end=False)

    def check_usable(self) -> None:
        """The connection still carries a request and its response."""
        exchange = self.request(path=b"/still-usable")
        self.answer(exchange.id, b"yes")
        assert exchange.status == 200
        assert b"".join(exchange.chunks) == b"yes"
        assert exchange.ended
        assert exchange.error is None

    # Reading.

    def _pieces(self, octets: bytes) -> Iterable[bytes]:
        if self.split is None:
            return [octets]
        if callable(self.split):
            return self.split(octets)
        return [octets[at : at + self.split] for at in range(0, len(octets), self.split)]

    def _read(self, *, parse: bool = True) -> None:
        self._unparsed += self.protocol.data_to_send()
        at = 0
        while parse and at < len(self._unparsed):
            head = memoryview(bytes(self._unparsed[at : at + 9]))
            assert len(head) == 9, "the client wrote part of a frame head"
            parsed, size = AnyFrame.parse_frame_header(head, strict=True)
            assert size <= self.max_frame_size, f"a frame of {size} octets (§4.2)"
            payload = bytes(self._unparsed[at + 9 : at + 9 + size])
            assert len(payload) == size, "the client wrote part of a frame"
            parsed.parse_body(memoryview(payload))
            # Neither the reserved bit nor a flag without a meaning (§4.1), nor non-zero padding.
            same = parsed.serialize() == bytes(head) + payload
            assert same, f"bits without a meaning are set in {bytes(head)!r}"
            at += 9 + size
            self._frames.append(self._check(parsed, size))
        if parse:
            self._unparsed.clear()

    def _check(self, parsed: Any, size: int) -> Written:
        """Translate a frame and hold it against the rules that always bind."""
        name = {number: name for name, number in TYPES.items()}[parsed.type]
        flags = frozenset(parsed.flags)
        written = Written(name, parsed.stream_id, flags, size)
        written.end_stream = "END_STREAM" in flags
        written.end_headers = "END_HEADERS" in flags
        written.ack = "ACK" in flags
        if self._block:
            assert name == "CONTINUATION", f"{name} within a field block (§4.3)"
            assert parsed.stream_id == self._block[0].stream_id, "another stream's CONTINUATION"
        if name == "DATA":
            written.data = bytes(parsed.data)
            self._spend(parsed.stream_id, size)
        elif name == "HEADERS":
            self._open(parsed.stream_id)
            self._block = written, bytearray(parsed.data)
        elif name == "CONTINUATION":
            assert self._block, "CONTINUATION without a field block (§6.10)"
            self._block[1].extend(parsed.data)
        elif name == "SETTINGS":
            written.settings = dict(parsed.settings)
            self.client_settings.update(written.settings)
            if written.ack:
                self._bind()
        elif name == "PING":
            written.opaque = parsed.opaque_data
        elif name == "RST_STREAM":
            written.error_code = parsed.error_code
        elif name == "GOAWAY":
            written.error_code = parsed.error_code
            written.last_stream_id = parsed.last_stream_id
            written.debug = parsed.additional_data
        elif name == "WINDOW_UPDATE":
            written.increment = parsed.window_increment
            self._grant(parsed.stream_id, parsed.window_increment)
        else:
            raise AssertionError(f"a client never sends {name}")
        if written.end_headers and self._block:
            first, block = self._block
            self._block = None
            decoded = self.decoder.decode(bytes(block), raw=True)
            first.headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in decoded]
            first.sensitive = [pair[0].decode() for pair in decoded if not pair.indexable]
        return written

    def _spend(self, stream_id: int, size: int) -> None:
        """§6.9.1: DATA must fit the stream's window and the connection's; empty ones do."""
        assert stream_id <= self.highest_id, f"DATA on idle stream {stream_id}"
        left = self.windows.get(stream_id, self.initial_window)
        assert size <= max(left, 0), f"{size} octets overrun stream {stream_id}'s {left}"
        assert size <= max(self.window, 0), f"{size} octets overrun the connection's {self.window}"
        self.windows[stream_id] = left - size
        self.window -= size

    def _grant(self, stream_id: int, increment: int) -> None:
        """§6.9.1: no window may grow past 2**31-1."""
        if stream_id == 0:
            self.granted += increment
            assert self.granted <= MAX_WINDOW
        else:
            self.granted_to[stream_id] = self.window_of(stream_id) + increment
            assert self.granted_to[stream_id] <= MAX_WINDOW

    def _open(self, stream_id: int) -> None:
        """§5.1.1: a client opens odd ids, each above the last; a lower one carries trailers."""
        assert stream_id % 2 == 1, f"HEADERS on stream {stream_id}"
        if stream_id > self.highest_id:
            self.highest_id = stream_id
            self.windows.setdefault(stream_id, self.initial_window)
        else:
            assert stream_id in self.windows, f"stream {stream_id} was skipped and is closed"

    def _bind(self) -> None:
        """§6.5.3: the client acknowledged our oldest settings, so from here on they bind it."""
        assert self._announced, "SETTINGS acknowledged that were never sent"
        entries = self._announced.popleft()
        if 0x1 in entries:
            # The table can be no larger than the client's encoder cares to make it; the package
            # raises unless a reduction is followed by the size update of RFC 7541 §4.2.
            self.decoder.max_allowed_table_size = entries[0x1]
        if 0x4 in entries:
            change = entries[0x4] - self.initial_window
            self.initial_window = entries[0x4]
            for stream_id in self.windows:
                self.windows[stream_id] += change
        self.max_frame_size = entries.get(0x5, self.max_frame_size)
