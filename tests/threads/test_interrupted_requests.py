"""Ctrl-C at every bytecode of a request, from dialling to its last octet, over a real socket.

Whatever is interrupted, and wherever: no lock of ours stays taken, nobody else waits for ever or
gets a wrong answer, no descriptor is left behind, and the next request on the same object is
answered. ``HYPER_LONG=1`` visits every point; without it every so many-th, which differ from
one scenario to the other.
"""

from __future__ import annotations

import gc
import os
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hyperframe.frame import DataFrame, Frame, HeadersFrame, PingFrame, RstStreamFrame

import hyper
from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError

from ..certificates import Certificates
from ..faults.rawserver import Conversation, RawServer
from ..peer import PREFACE, frame
from .gated import Thread, eventually
from .interrupting import Interrupter

# An interrupt may come between a call that makes a socket and the assignment of its result; then
# nobody can close it but the reference count.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

LONG = bool(os.environ.get("HYPER_LONG"))
SRC = Path(hyper.__file__).parent
OURS = frozenset(
    str(path)
    for room in ("sync", "http20", "hpack", "common")
    for path in (SRC / room).rglob("*.py")
)
PAGE = b"hello, world" * 20
BODY = bytes(range(256)) * 300


class Pages:
    """A server that answers as it is told by the path: at once, or when ``late`` is set.

    One thread reads and writes, since two must not be inside of one ``SSLSocket``.
    """

    def __init__(self) -> None:
        self.late = threading.Event()

    def serve(self, conversation: Conversation) -> None:
        conversation.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation.say(frame("SETTINGS"))
        assert conversation._octets(len(PREFACE)) == PREFACE
        sizes: dict[int, int] = {}
        late: set[int] = set()
        ready: list[int] = []
        while True:
            heard = self._hear(conversation, patiently=not late)
            if heard is None:
                if self.late.is_set():
                    ready += sorted(late)
                    late.clear()
            elif isinstance(heard, HeadersFrame):
                sizes[heard.stream_id] = 0
                if dict(conversation.decoder.decode(heard.data, raw=True))[b":path"] == b"/late":
                    late.add(heard.stream_id)
            elif isinstance(heard, DataFrame):
                sizes[heard.stream_id] += len(heard.data)
                room = struct.pack(">I", max(len(heard.data), 1))
                conversation.say(
                    frame("WINDOW_UPDATE", 0, 0, room)
                    + frame("WINDOW_UPDATE", 0, heard.stream_id, room)
                )
            elif isinstance(heard, PingFrame) and "ACK" not in heard.flags:
                conversation.say(frame("PING", 0x1, 0, heard.opaque_data))
            elif isinstance(heard, RstStreamFrame):
                late.discard(heard.stream_id)
            whole = isinstance(heard, HeadersFrame | DataFrame) and "END_STREAM" in heard.flags
            if heard is not None and whole and heard.stream_id not in late:
                ready.append(heard.stream_id)
            for stream_id in ready:
                octets = b"%d" % sizes[stream_id] if sizes[stream_id] else PAGE
                half = len(octets) // 2
                conversation.head(stream_id)
                conversation.data(stream_id, octets[:half])
                conversation.data(stream_id, octets[half:], end=True)
            ready.clear()

    def _hear(self, conversation: Conversation, *, patiently: bool) -> Frame | None:
        """The next frame; None if there is none just now and somebody waits for ``late``."""
        sock = conversation.socket
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
        if patiently or conversation._unread or pending:
            return conversation._frame()
        if not select.select([sock], [], [], 0.002)[0]:
            return None
        return conversation._frame()


def get(connection: HTTP20Connection, path: str = "/") -> bytes:
    stream_id = connection.request("GET", path)
    with connection.get_response(stream_id) as response:
        body: bytes = response.read()
        return body


def post(connection: HTTP20Connection) -> bytes:
    stream_id = connection.request("POST", "/", body=BODY)
    with connection.get_response(stream_id) as response:
        body: bytes = response.read()
        return body


def several(connection: HTTP20Connection) -> bytes:
    """Everything else that a user calls."""
    with connection.together():
        ids = [connection.request("GET", "/") for _ in range(2)]
    connection.ping()
    first = connection.get_response(ids[0])
    first.read(10)
    first.close()
    connection.get_response(ids[1])  # and dropped unread
    key = connection.putrequest("POST", "/")
    connection.putheader("content-length", "5", key)
    connection.endheaders(stream_id=key)
    connection.send(b"12345", final=True, stream_id=key)
    answer = connection.get_response(key).read()
    assert answer == b"5"
    return b"5"


ANSWERS: dict[Callable[[Any], bytes], bytes] = {get: PAGE, post: b"%d" % len(BODY), several: b"5"}


class Stage:
    def __init__(self, address: str, context: ssl.SSLContext | None, pages: Pages) -> None:
        self.address = address
        self.context = context
        self.pages = pages

    def connection(self) -> HTTP20Connection:
        return HTTP20Connection(
            self.address, secure=self.context is not None, ssl_context=self.context, timeout=10
        )


@pytest.fixture(params=[False, True], ids=["cleartext", "tls"])
def stage(
    request: pytest.FixtureRequest, certificates: Certificates, ssl_context: ssl.SSLContext
) -> Iterator[Stage]:
    pages = Pages()
    inside = certificates.server_context("h2") if request.param else None
    with RawServer(pages.serve, inside, at_once=True) as server:
        yield Stage(server.address, ssl_context if request.param else None, pages)


def locks(connection: HTTP20Connection) -> Iterator[Any]:
    yield connection._lock
    for pump in (connection._pump, *connection._former):
        if pump is not None:
            yield pump._lock
            yield pump._intake
            crypto = getattr(pump.transport, "_crypto", None)
            if crypto is not None:
                yield crypto


def look_after(connection: HTTP20Connection, where: str) -> None:
    """What has to hold on every connection that an interrupt has been to."""
    for lock in locks(connection):
        assert not lock.locked(), f"a lock is held after an interrupt {where}"
    assert connection._dialling is None, where
    after = Thread(get, connection)
    after.join(15)
    assert not after.is_alive(), f"the next request hangs after an interrupt {where}"
    assert after.error is None, f"{after.error!r} after an interrupt {where}"
    assert after.result == PAGE, where
    pump = connection._pump
    assert pump is not None
    assert pump._leader is None, where
    assert not pump._followers, where


def judge(thread: Thread, right: bytes, where: str) -> None:
    """The right answer, or an error that says what happened; in a bounded time."""
    thread.join(15)
    assert not thread.is_alive(), f"another thread hangs after an interrupt {where}"
    if thread.error is None:
        assert thread.result == right, where
    else:
        assert isinstance(thread.error, (HyperError, OSError)), where
        assert not isinstance(thread.error, TimeoutError), f"stalls after an interrupt {where}"


def alone(stage: Stage, work: Callable[[Any], bytes], nth: int) -> Interrupter:
    """A thread that dials, asks and reads, interrupted at the n-th point; and then once more."""
    interrupter = Interrupter(nth, OURS)
    connection = stage.connection()

    def interrupted() -> bytes:
        with interrupter.here():
            return work(connection)

    thread = Thread(interrupted)
    thread.join(15)
    assert not thread.is_alive(), f"hangs, interrupted {interrupter.where}"
    if not isinstance(thread.error, KeyboardInterrupt):
        assert not interrupter.struck, f"lost an interrupt {interrupter.where}"
        assert thread.finish() == ANSWERS[work]
    del thread
    look_after(connection, interrupter.where)
    connection.close()
    return interrupter


def in_company(stage: Stage, work: Callable[[Any], bytes], nth: int, leads: bool) -> Interrupter:
    """The same while others wait; the interrupted one leads them, or follows them."""
    interrupter = Interrupter(nth, OURS)
    stage.pages.late.clear()
    connection = stage.connection()
    assert get(connection) == PAGE
    begun = threading.Event()

    def interrupted() -> bytes:
        with interrupter.here():
            try:
                stream_id = connection.request("GET", "/late") if leads else None
            finally:
                begun.set()
            if stream_id is not None:
                return connection.get_response(stream_id).read()
            return work(connection)

    if leads:
        thread = Thread(interrupted)
        begun.wait(10)
    others = [Thread(get, connection, "/late"), Thread(get, connection, "/")]
    if not leads:
        pump = connection._pump
        assert pump is not None
        eventually(lambda: pump._leader is not None)
        thread = Thread(interrupted)
        thread.join(15)
    else:
        judge(others[1], PAGE, interrupter.where)
    stage.pages.late.set()
    for other in others:
        judge(other, PAGE, interrupter.where)
    thread.join(15)
    assert not thread.is_alive(), f"hangs, interrupted {interrupter.where}"
    if not isinstance(thread.error, KeyboardInterrupt):
        assert not interrupter.struck, f"lost an interrupt {interrupter.where}"
        assert thread.error is None
    del thread, others
    look_after(connection, interrupter.where)
    connection.close()
    return interrupter


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def sweep(play: Callable[[int], Interrupter], stride: int) -> None:
    play(0)
    before = descriptors()
    points = play(0).points
    assert points > 100
    for nth in range(1, points + 1, 1 if LONG else stride):
        # Or an interrupt could strike a finalizer of what an earlier one left, where Python can
        # only report it.
        gc.disable()
        try:
            play(nth)
        finally:
            gc.enable()
    gc.collect()
    eventually(lambda: descriptors() <= before)


@pytest.mark.parametrize(("work", "stride"), [(get, 31), (post, 61), (several, 97)])
def test_an_interrupt_anywhere_in_a_request_that_dials(
    stage: Stage, work: Callable[[Any], bytes], stride: int
) -> None:
    sweep(lambda nth: alone(stage, work, nth), stride)


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize(("work", "stride"), [(get, 13), (post, 41)])
def test_an_interrupt_anywhere_in_a_request_while_others_wait(
    stage: Stage, work: Callable[[Any], bytes], stride: int, leads: bool
) -> None:
    sweep(lambda nth: in_company(stage, work, nth, leads), stride)
