"""Every call into the system fails once: SQLite's and curl's way to find the paths nobody walks.

A scenario with two threads on one connection is played over and over; each time one more of its
calls into the system (``recv``, ``send``, ``poll``) goes wrong. Whatever happens: nobody hangs, no
body is wrong or short, every error is a documented one, no descriptor is left, and the next
request on the same object is answered.
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hyperframe.frame import DataFrame, HeadersFrame

from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.sync import dial, transport

from ..certificates import Certificates
from ..peer import PREFACE, frame
from ..threads.gated import Thread, eventually
from .rawserver import Conversation, RawServer

PAGE = b"hello, world"
BODY = bytes(range(256)) * 600
DIGEST = hashlib.sha256(BODY).hexdigest().encode()


def serve(conversation: Conversation) -> None:
    """Answer every GET with the page, and every upload with its digest."""
    conversation.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conversation.say(frame("SETTINGS"))
    assert conversation._octets(len(PREFACE)) == PREFACE
    digests = {}
    while True:
        heard = conversation._frame()
        stream_id = heard.stream_id
        if isinstance(heard, HeadersFrame):
            digests[stream_id] = hashlib.sha256()
        elif isinstance(heard, DataFrame):
            digests[stream_id].update(heard.data)
            room = struct.pack(">I", max(len(heard.data), 1))
            conversation.say(
                frame("WINDOW_UPDATE", 0, 0, room) + frame("WINDOW_UPDATE", 0, stream_id, room)
            )
        else:
            continue
        if "END_STREAM" in heard.flags:
            answer = PAGE if isinstance(heard, HeadersFrame) else digests[stream_id].hexdigest()
            conversation.head(stream_id)
            octets = answer if isinstance(answer, bytes) else answer.encode()
            conversation.data(stream_id, octets, end=True)


class Faults:
    """Counts the calls that a connection makes into the system; the n-th one goes wrong."""

    def __init__(self, nth: int, fault: Callable[..., Any]) -> None:
        self.nth = nth
        self.fault = fault
        self.count = 0
        self.lock = threading.Lock()
        self.where = ""

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*args: Any) -> Any:
            with self.lock:
                self.count += 1
                mine = self.count == self.nth
            if mine:
                self.where = f"{name}, call {self.nth}"
                return self.fault(name, call, *args)
            return call(*args)

        return faulty

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        connect = dial.connect
        new_poll = transport.new_poll

        def connect_with_faults(*args: Any, **kwargs: Any) -> Any:
            wire: Any = connect(*args, **kwargs)
            for name in ("_recv", "_recv_into", "_send", "_poll"):
                if hasattr(wire, name):
                    setattr(wire, name, self.around(name, getattr(wire, name)))
            return wire

        class Poll:
            def __init__(self) -> None:
                self.real = new_poll()
                self.register = self.real.register
                self.poll = faults.around("poll", self.real.poll)

        faults = self
        monkeypatch.setattr("hyper.sync.dialling.connect", connect_with_faults)
        monkeypatch.setattr(transport, "new_poll", Poll)


def connection_reset(name: str, call: Callable[..., Any], *args: Any) -> Any:
    raise ConnectionResetError(104, "connection reset by peer")


def out_of_memory(name: str, call: Callable[..., Any], *args: Any) -> Any:
    raise MemoryError


def interrupted(name: str, call: Callable[..., Any], *args: Any) -> Any:
    raise KeyboardInterrupt


def interrupted_afterwards(name: str, call: Callable[..., Any], *args: Any) -> Any:
    call(*args)
    raise KeyboardInterrupt


def end_of_file(name: str, call: Callable[..., Any], *args: Any) -> Any:
    if name == "_recv":
        return b""
    return 0 if name == "_recv_into" else connection_reset(name, call, *args)


def nothing_yet(name: str, call: Callable[..., Any], *args: Any) -> Any:
    """A wait that ends for nothing; a socket that is not ready after all."""
    if "poll" in name:
        return [(0, 0)]
    raise BlockingIOError


def short_write(name: str, call: Callable[..., Any], *args: Any) -> Any:
    if name == "_send":
        return call(memoryview(args[0])[:7], *args[1:])
    return call(*args)


FAULTS = [
    connection_reset,
    out_of_memory,
    interrupted,
    interrupted_afterwards,
    end_of_file,
    nothing_yet,
    short_write,
]
#: These are nobody's failure: the scenario has to succeed.
HARMLESS = {nothing_yet, short_write}


def get(connection: HTTP20Connection) -> bytes:
    stream_id = connection.request("GET", "/hello")
    with connection.get_response(stream_id) as response:
        body: bytes = response.read()
        return body


def post(connection: HTTP20Connection) -> bytes:
    stream_id = connection.request("POST", "/upload", body=BODY)
    with connection.get_response(stream_id) as response:
        body: bytes = response.read()
        return body


def play(
    address: str,
    context: ssl.SSLContext | None,
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        faults.install(patch)
        connection = HTTP20Connection(
            address, secure=context is not None, ssl_context=context, timeout=10
        )
        threads = [Thread(post, connection), Thread(get, connection)]
        for thread in threads:
            thread.join(15)
            assert not thread.is_alive(), f"hangs after {faults.where}"
        faults.nth = -1  # not every run makes as many calls
    for thread, right in zip(threads, (DIGEST, PAGE), strict=True):
        if thread.error is None:
            assert right in thread.result, faults.where
        else:
            allowed = (HyperError, OSError, MemoryError, KeyboardInterrupt)
            assert isinstance(thread.error, allowed), faults.where
            assert not isinstance(thread.error, TimeoutError), f"stalls after {faults.where}"
            assert faults.fault not in HARMLESS, f"{thread.error!r} after {faults.where}"
    # An interrupt is one thread's, and never turns up in another.
    assert sum(isinstance(thread.error, KeyboardInterrupt) for thread in threads) <= 1
    assert get(connection) == PAGE, faults.where
    connection.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture(params=[True, False], ids=["tls", "cleartext"])
def answering(
    request: pytest.FixtureRequest, certificates: Certificates, ssl_context: ssl.SSLContext
) -> Iterator[tuple[str, ssl.SSLContext | None]]:
    """The address of a server that answers, and the context to reach it with."""
    inside = certificates.server_context("h2") if request.param else None
    with RawServer(serve, inside) as server:
        yield server.address, ssl_context if request.param else None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_whichever_call_fails_nobody_hangs_and_nothing_is_wrong(
    answering: tuple[str, ssl.SSLContext | None],
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[..., Any],
) -> None:
    unharmed = Faults(0, fault)
    play(*answering, unharmed, monkeypatch)
    assert unharmed.count > 8
    for nth in range(1, unharmed.count + 1):
        play(*answering, Faults(nth, fault), monkeypatch)


def test_no_descriptor_is_left(
    answering: tuple[str, ssl.SSLContext | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's side is in this process too, and lets go a little later."""
    play(*answering, Faults(0, connection_reset), monkeypatch)
    before = descriptors()
    for nth in range(1, 30):
        play(*answering, Faults(nth, FAULTS[nth % 5]), monkeypatch)
    eventually(lambda: descriptors() <= before)
