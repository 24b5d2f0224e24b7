"""What the HTTP/2 core costs without a network, ours against the ``h2`` package, in CPU.

    PYTHONPATH=src python bench/micro_frames.py [--rounds N] [--only WORD]

Both sides get the same octets from the same made-up server. Every round runs every case once for
each side, one after the other, so noise hits both; a figure is the median of the rounds. Without
the ``h2`` package only ours is measured.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import process_time
from types import FrameType
from typing import Any, Protocol

from hyper.hpack import Encoder
from hyper.http20.frames import (
    DATA,
    END_STREAM,
    frame_head,
    headers_frames,
    ping_frame,
    settings_frame,
    window_update_frame,
)
from hyper.http20.protocol import HTTP20Protocol

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings
except ImportError:  # the peer is optional
    h2 = None  # type: ignore[assignment]

Fields = list[tuple[bytes, bytes]]

REQUEST: Fields = [
    (b"user-agent", b"hyper/1.0.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"cookie", b"session=9f86d081884c7d659a2feaa0c55ad015; theme=dark"),
]
RESPONSE: Fields = [
    (b":status", b"200"),
    (b"server", b"nginx/1.22.1"),
    (b"date", b"Fri, 20 Nov 2026 16:11:49 GMT"),
    (b"content-type", b"application/json; charset=utf-8"),
    (b"content-length", b"1024"),
    (b"etag", b'"6554aa90-4d2"'),
    (b"cache-control", b"max-age=300, public"),
    (b"vary", b"accept-encoding"),
]
BODY = bytes(1024)
WINDOW = (1 << 31) - 1
IN_FLIGHT = 100


class Side(Protocol):
    """One end of a connection on which the server has announced unlimited windows."""

    def get(self, path: bytes) -> None:
        """Start a GET and give up its octets."""

    def receive(self, data: bytes) -> int:
        """Take in octets; return how many were of bodies, each handed back as read."""

    def upload(self, body: bytes) -> int:
        """Send a whole POST; return the octets that would leave."""


class Ours:
    def __init__(self) -> None:
        self.protocol = HTTP20Protocol()
        self.streams: dict[int, Any] = {}
        self.protocol.receive_data(server_preface())
        self.protocol.data_to_send()

    def get(self, path: bytes) -> None:
        protocol = self.protocol
        protocol.request(b"GET", b"https", b"example.org", path, REQUEST, end=True)
        protocol.data_to_send()

    def receive(self, data: bytes) -> int:
        protocol = self.protocol
        size = 0
        for exchange in protocol.receive_data(data):
            chunks = exchange.chunks
            while chunks:
                octets = len(chunks.popleft())
                size += octets
                if increment := exchange.consumed(octets):
                    protocol.widen(exchange, increment)
        protocol.data_to_send()
        return size

    def upload(self, body: bytes) -> int:
        protocol = self.protocol
        exchange = protocol.request(b"POST", b"https", b"example.org", b"/", REQUEST, end=False)
        view = memoryview(body)
        sent = 0
        while view:
            taken = protocol.send_body(exchange, view, end=True)
            view = view[taken:]
            sent += len(protocol.data_to_send())
        return sent


class Theirs:
    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=True, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        codes = h2.settings.SettingCodes
        self.h2.update_settings({codes.ENABLE_PUSH: 0, codes.INITIAL_WINDOW_SIZE: 1 << 20})
        self.h2.increment_flow_control_window(1 << 24)
        self.h2.receive_data(server_preface() + settings_frame(None))
        self.h2.data_to_send()

    def start(self, method: bytes, path: bytes, end: bool) -> int:
        stream: int = self.h2.get_next_available_stream_id()
        head = [
            (b":method", method),
            (b":scheme", b"https"),
            (b":authority", b"example.org"),
            (b":path", path),
        ]
        self.h2.send_headers(stream, head + REQUEST, end_stream=end)
        return stream

    def get(self, path: bytes) -> None:
        self.start(b"GET", path, True)
        self.h2.data_to_send()

    def receive(self, data: bytes) -> int:
        size = 0
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                assert event.data is not None
                size += len(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.h2.data_to_send()
        return size

    def upload(self, body: bytes) -> int:
        stream = self.start(b"POST", b"/", False)
        view = memoryview(body)
        sent = 0
        # As many frames to a write as ours joins.
        while view:
            for _ in range(8):
                piece, view = view[:16384], view[16384:]
                self.h2.send_data(stream, piece.tobytes(), end_stream=not view)
                if not view:
                    break
            sent += len(self.h2.data_to_send())
        return sent


def server_preface() -> bytes:
    """Room for every upload here: the initial window as wide as it may be, and frames of 16 KiB."""
    return settings_frame({4: WINDOW}) + window_update_frame(0, WINDOW - 65535)


def response(stream: int, block: bytes, body: bytes = BODY) -> bytes:
    head = headers_frames(stream, block, 16384, end=False)
    return head + frame_head(len(body), DATA, END_STREAM, stream) + body


def fresh(number: int) -> Fields:
    """A response of which three fields are new."""
    fields = RESPONSE.copy()
    fields[2] = (b"date", b"Fri, 20 Nov 2026 16:%02d:%02d GMT" % divmod(number % 3600, 60))
    fields[4] = (b"content-length", b"1024")
    fields[5] = (b"etag", b'"%x-%x"' % (0x6554AA90 + number * 7919, number))
    fields.append((b"x-request-id", b"0d9c7f1e-2a63-4c3e-9d51-%012x" % (number * 48271)))
    return fields


class Case:
    """One kind of work: octets made beforehand, then ``work`` on a new connection.

    units  what a figure is divided by
    """

    name: str
    unit = "us/GET"
    scale = 1e6

    def __init__(self, units: int) -> None:
        self.units = units

    def work(self, side: Side) -> None:
        raise NotImplementedError


class SameHeads(Case):
    name = "GET, same heads"

    def __init__(self, units: int) -> None:
        super().__init__(units)
        encoder = Encoder()
        # Octets from a socket are new objects, and so are these.
        self.answers = [response(2 * n + 1, encoder.encode(RESPONSE)) for n in range(units)]

    def work(self, side: Side) -> None:
        for answer in self.answers:
            side.get(b"/resource")
            assert side.receive(answer) == len(BODY)


class NewHeads(Case):
    name = "GET, new path and fields"

    def __init__(self, units: int) -> None:
        super().__init__(units)
        encoder = Encoder()
        self.answers = [
            (b"/v1/items/%d?page=2" % n, response(2 * n + 1, encoder.encode(fresh(n))))
            for n in range(units)
        ]

    def work(self, side: Side) -> None:
        for path, answer in self.answers:
            side.get(path)
            assert side.receive(answer) == len(BODY)


class InFlight(Case):
    name = "GET, 100 in flight"

    def __init__(self, units: int) -> None:
        super().__init__(units)
        encoder = Encoder()
        answers = [response(2 * n + 1, encoder.encode(RESPONSE)) for n in range(units)]
        self.batches = [b"".join(answers[n : n + IN_FLIGHT]) for n in range(0, units, IN_FLIGHT)]

    def work(self, side: Side) -> None:
        for batch in self.batches:
            for _ in range(IN_FLIGHT):
                side.get(b"/resource")
            # As they come from a socket: up to 64 KiB at a time, wherever that cuts.
            got = sum(side.receive(batch[n : n + 65536]) for n in range(0, len(batch), 65536))
            assert got == IN_FLIGHT * len(BODY)


class Download(Case):
    unit = "us/MiB"

    def __init__(self, units: int, frame_size: int) -> None:
        super().__init__(units)
        self.name = f"1 MiB down, DATA of {frame_size}"
        encoder = Encoder()
        fields = [RESPONSE[0], (b"content-length", b"%d" % (1 << 20))]
        self.answers = []
        for n in range(units):
            stream = 2 * n + 1
            data = frame_head(frame_size, DATA, 0, stream) + bytes(frame_size)
            last = frame_head(frame_size, DATA, END_STREAM, stream) + bytes(frame_size)
            answer = headers_frames(stream, encoder.encode(fields), 16384, end=False)
            answer += data * ((1 << 20) // frame_size - 1) + last
            # A TLS record is 16 KiB at most, so with such frames every one lies in two reads.
            self.answers.append([answer[at : at + 16384] for at in range(0, len(answer), 16384)])

    def work(self, side: Side) -> None:
        for answer in self.answers:
            side.get(b"/resource")
            assert sum(side.receive(data) for data in answer) == 1 << 20


class Upload(Case):
    name = "1 MiB up"
    unit = "us/MiB"
    body = bytes(1 << 20)

    def work(self, side: Side) -> None:
        for _ in range(self.units):
            assert side.upload(self.body) > len(self.body)


class Ping(Case):
    name = "PING, answered"
    unit = "us/frame"

    def work(self, side: Side) -> None:
        data = ping_frame(b"12345678") * 50
        for _ in range(self.units // 50):
            side.receive(data)


def sides() -> list[Callable[[], Side]]:
    return [Ours] if h2 is None else [Ours, Theirs]


def measure(case: Case, rounds: int) -> list[float]:
    """The figure for every side, each the median of interleaved rounds."""
    figures: list[list[float]] = [[] for _ in sides()]
    for _ in range(rounds):
        for make, own in zip(sides(), figures, strict=True):
            side = make()
            gc.collect()
            start = process_time()
            case.work(side)
            own.append((process_time() - start) / case.units * case.scale)
    return [median(own) for own in figures]


def calls(make: Callable[[], Side], case: Case) -> float:
    """Python functions called for one unit, exactly."""
    number = 0

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal number
        number += event == "call"

    side = make()
    sys.setprofile(profile)
    try:
        case.work(side)
    finally:
        sys.setprofile(None)
    return number / case.units


def show(name: str, unit: str, figures: Sequence[float]) -> None:
    ours, *theirs = figures
    rest = f"{theirs[0]:10.2f}{ours / theirs[0]:9.3f}" if theirs else ""
    print(f"{name:28}{unit:>9}{ours:10.2f}{rest}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="run only the cases whose name has this word")
    options = parser.parse_args()

    cases = [
        SameHeads(2000),
        NewHeads(1000),
        InFlight(2000),
        Download(8, 16384),
        Download(2, 256),
        Upload(8),
        Ping(2000),
    ]
    cases = [case for case in cases if options.only in case.name]
    print(f"Python {sys.version.split()[0]}; CPU, median of {options.rounds}")
    print(f"{'':37}{'ours':>10}{'h2':>10}{'ratio':>9}")
    for case in cases:
        show(case.name, case.unit, measure(case, options.rounds))
    print("\nPython calls")
    for case in cases:
        show(case.name, case.unit[3:], [calls(make, case) for make in sides()])


if __name__ == "__main__":
    main()
