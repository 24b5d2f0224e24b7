"""R12: what nobody reads stops at its own window, keeps nobody waiting, and can be read later."""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hyper import HTTP20Connection
from hyper.http20.limits import STREAM_WINDOW

from ..servers import InProcessServer
from ..servers.app import content

MIB = 1 << 20


def read_whole(response: Any) -> bytes:
    body: bytes = response.read()
    return body


def read_by_pieces(response: Any) -> bytes:
    return b"".join(iter(lambda: response.read(70_000), b""))


def read_by_frames(response: Any) -> bytes:
    return b"".join(response.read_chunked())


READERS = [read_whole, read_by_pieces, read_by_frames]


def unread(response: Any) -> int:
    """Octets that lie here unread; what it costs the process."""
    return sum(map(len, response._exchange.chunks))


def digest(size: int) -> str:
    whole = hashlib.sha256()
    for piece in content(size):
        whole.update(piece)
    return whole.hexdigest()


@pytest.fixture
def connection(server: InProcessServer, ssl_context: ssl.SSLContext) -> Iterator[HTTP20Connection]:
    with HTTP20Connection(
        "localhost", server.port, ssl_context=ssl_context, timeout=10
    ) as connection:
        yield connection


@pytest.mark.parametrize("read", READERS)
def test_an_unread_response_neither_starves_nor_bloats_the_one_that_is_read(
    connection: HTTP20Connection, read: Callable[[Any], bytes]
) -> None:
    """R12: A is left unread while B is read (httpx deadlocks there, and niquests swells)."""
    size = 24 * MIB  # more than the connection's first window
    connection.request("GET", f"/download/{size}")
    left = connection.get_response()
    connection.request("GET", f"/download/{size}")
    body = read(connection.get_response())
    assert hashlib.sha256(body).hexdigest() == digest(size)
    del body
    assert unread(left) <= STREAM_WINDOW
    # And it has lost nothing by lying there.
    assert hashlib.sha256(read(left)).hexdigest() == digest(size)


@pytest.mark.parametrize("read", READERS)
def test_a_response_that_lay_unread_until_its_window_was_full_can_be_read(
    connection: HTTP20Connection, read: Callable[[Any], bytes]
) -> None:
    """All that is read has to be given back before anybody waits for more."""
    size = 3 * MIB
    connection.request("GET", f"/download/{size}")
    left = connection.get_response()
    deadline = time.monotonic() + 10
    while unread(left) < STREAM_WINDOW and time.monotonic() < deadline:
        connection.request("GET", "/slow/0.01")
        connection.get_response().read()
    assert unread(left) == STREAM_WINDOW
    assert hashlib.sha256(read(left)).hexdigest() == digest(size)


@pytest.mark.parametrize("read", READERS)
def test_the_window_grows_with_a_reader_that_keeps_up(
    connection: HTTP20Connection, read: Callable[[Any], bytes]
) -> None:
    """R11: however the body is read; over distance the larger window is what counts."""
    connection.request("GET", f"/download/{24 * MIB}")
    response: Any = connection.get_response()
    assert len(read(response)) == 24 * MIB
    assert response._exchange.window_manager._full_size >= 4 * STREAM_WINDOW


def test_readers_that_are_slow_do_not_make_their_windows_grow(
    connection: HTTP20Connection,
) -> None:
    """R12: many slow readers beside a quick one could hold 16 MiB each."""
    done = threading.Event()
    most: list[int] = []

    def read_slowly() -> None:
        stream_id = connection.request("GET", f"/download/{64 * MIB}")
        with connection.get_response(stream_id) as response:
            most.append(0)
            at = len(most) - 1
            while not done.is_set() and response.read(20_000):
                most[at] = max(most[at], unread(response))
                time.sleep(0.01)

    def read_on() -> None:
        while not done.is_set():
            stream_id = connection.request("GET", f"/download/{4 * MIB}")
            connection.get_response(stream_id).read()

    threads = [threading.Thread(target=each) for each in [read_slowly] * 4 + [read_on]]
    for thread in threads:
        thread.start()
    time.sleep(2)
    done.set()
    for thread in threads:
        thread.join()
    # A quick reader's window reaches sixteen times the first one. A machine that is busy may
    # let a slow reader catch up once or twice, and its window double.
    assert max(most) <= 4 * STREAM_WINDOW
