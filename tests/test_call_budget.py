"""What one GET costs, in Python calls: exact, the same on every machine, no stop-watch.

A call is what makes Python slow, so calls are what we count (``sys.setprofile``, "call" events:
functions written in Python; those written in C are nearly free). A new number has its reason in
the commit that brings it.
"""

from __future__ import annotations

import gc
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import hpack
import pytest
from hyperframe.frame import DataFrame, HeadersFrame, SettingsFrame

from hyper import HTTP20Connection
from hyper.http20.protocol import HTTP20Protocol

from .servers import InProcessServer

ROOT = Path(__file__).resolve().parent.parent

#: What `docs/explanation/architecture.md` allows.
CORE = 16
WHOLE_PATH = 80
#: The core again when path and date are new each time, so that strings are coded and tables grow.
CORE_CHANGING = 32
#: Blocks of memory that a request keeps while it waits for its answer.
OPEN_REQUEST = 6

REQUEST = [
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"user-agent", b"hyper/1.0"),
]
RESPONSE = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("content-length", "1024"),
    ("server", "nginx/1.22.1"),
    ("cache-control", "max-age=3600"),
    ("vary", "accept-encoding"),
    ("etag", '"6553c1a5-400"'),
    ("date", "Fri, 20 Nov 2026 16:00:00 GMT"),
]
BODY = bytes(1024)


class counted:
    """Count the Python calls of this thread, by ``module:function``.

    Not those of what a garbage collection would clear away behind tests that ran before.
    """

    def __enter__(self) -> Counter[str]:
        self.calls: Counter[str] = Counter()
        self.collecting = gc.isenabled()
        gc.disable()
        self.before = sys.getprofile()
        sys.setprofile(self.profile)
        return self.calls

    def __exit__(self, *what: object) -> None:
        sys.setprofile(self.before)
        if self.collecting:
            gc.enable()
        # Coming here was a call as well, but not the library's.
        del self.calls[f"{__name__}:counted.__exit__"]

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            self.calls[f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}"] += 1


def listing(calls: Counter[str]) -> str:
    lines = [f"{calls.total()} calls:"]
    lines += [f"{count:5} {name}" for name, count in calls.most_common()]
    return "\n".join(lines)


def test_the_counter_counts() -> None:
    def inner() -> int:
        return len("C, so not counted")

    def outer() -> int:
        return inner() + inner()

    with counted() as calls:
        outer()
    assert sorted(calls.values()) == [1, 2], listing(calls)
    assert all(name.startswith(__name__) for name in calls)


class Exchanges:
    """One connection to a server that answers every GET alike, seen from the core."""

    def __init__(self) -> None:
        self.protocol = HTTP20Protocol()
        self.encoder = hpack.Encoder()
        self.protocol.receive_data(SettingsFrame(0).serialize())
        self.protocol.data_to_send()

    def answer(self, stream_id: int, fields: list[tuple[str, str]]) -> bytes:
        head = HeadersFrame(stream_id, self.encoder.encode(fields), flags=["END_HEADERS"])
        body = DataFrame(stream_id, BODY, flags=["END_STREAM"])
        return bytes(head.serialize() + body.serialize())

    def get(self, path: bytes, fields: list[tuple[str, str]]) -> Counter[str]:
        with counted() as calls:
            exchange = self.protocol.request(
                b"GET", b"https", b"example.org", path, REQUEST, end=True
            )
            sent = self.protocol.data_to_send()
        assert exchange.id is not None
        wire = self.answer(exchange.id, fields)
        with counted() as more:
            moved = self.protocol.receive_data(wire)
        # It was a real request and a real response.
        assert sent[3:5] == b"\x01\x05", "HEADERS with END_STREAM and END_HEADERS"
        assert exchange in moved
        assert (exchange.status, exchange.ended, exchange.error) == (200, True, None)
        assert exchange.headers is not None
        assert dict(exchange.headers)[b"date"] == dict(fields)["date"].encode()
        assert b"".join(exchange.chunks) == BODY
        return calls + more


def same(number: int) -> tuple[bytes, list[tuple[str, str]]]:
    return b"/get", RESPONSE


def changing(number: int) -> tuple[bytes, list[tuple[str, str]]]:
    date = f"Fri, 20 Nov 2026 16:00:{number:02} GMT"
    return b"/get/%d" % number, [*RESPONSE[:-1], ("date", date)]


@pytest.mark.parametrize(("page", "budget"), [(same, CORE), (changing, CORE_CHANGING)])
def test_a_get_costs_the_core_no_more_than_its_budget(
    page: Callable[[int], tuple[bytes, list[tuple[str, str]]]], budget: int
) -> None:
    exchanges = Exchanges()
    counts = [exchanges.get(*page(number)) for number in range(30)]
    settled = counts[10:]
    for calls in settled:
        assert calls["hyper.http20.protocol:HTTP20Protocol.request"] == 1, listing(calls)
        assert calls.total() >= 4, "request, data_to_send, receive_data and a decoder at least"
        assert calls.total() <= budget, listing(calls)


def test_an_open_request_holds_no_more_blocks_of_memory_than_its_budget() -> None:
    """And an answered one nothing at all. In a process of its own: all that lives there counts."""
    program = f"from {__name__} import hold_requests; hold_requests()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=60)


def hold_requests() -> None:
    """What is allocated in C counts as well."""
    exchanges = Exchanges()
    many = 200

    def ask() -> list[Any]:
        protocol = exchanges.protocol
        return [
            protocol.request(b"GET", b"https", b"example.org", b"/get", REQUEST, end=True)
            for _ in range(many)
        ]

    def answer(asked: list[Any]) -> None:
        exchanges.protocol.data_to_send()
        for exchange in asked:
            exchanges.protocol.receive_data(exchanges.answer(exchange.id, RESPONSE))

    exchanges.protocol.receive_data(SettingsFrame(0, {0x3: many}).serialize())
    for _ in range(3):
        answer(ask())
    gc.collect()
    before = sys.getallocatedblocks()
    asked = ask()
    exchanges.protocol.data_to_send()
    held = (sys.getallocatedblocks() - before) / many
    assert 2 <= held <= OPEN_REQUEST, f"{held} blocks; a stream and its queue are two at least"
    answer(asked)
    del asked
    gc.collect()
    left = sys.getallocatedblocks() - before
    assert left < many / 10, f"{left} blocks are left of {many} requests"


def test_a_get_over_tls_costs_no_more_than_its_budget(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    """From ``request()`` to the body in hand, with a server of another make behind TLS."""
    counts = []
    with HTTP20Connection("localhost", server.port, ssl_context=ssl_context) as connection:
        for _ in range(30):
            with counted() as calls:
                stream_id = connection.request("GET", "/hello")
                response = connection.get_response(stream_id)
                body = response.read()
            assert (response.status, body) == (200, b"hello, world")
            counts.append(calls)
    # A response may come in one read or in several; half of them may cost a round more.
    middle = sorted(counts[10:], key=Counter.total)[10]
    rooms = {name.split(":")[0].removeprefix("hyper.").split(".")[0] for name in middle}
    assert {"http20", "hpack", "sync"} <= rooms, listing(middle)
    assert middle.total() <= WHOLE_PATH, listing(middle)
