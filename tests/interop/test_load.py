"""Many requests and many threads on one connection, against every server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hyper import HTTP20Connection

from .servers import Server
from .tree import SMALL, Tree, noise

_dialled: list[Any] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        _dialled.append(arguments[1])


@pytest.fixture
def dialled() -> list[Any]:
    """Every address that this process connects to from now on."""
    if not getattr(sys, "_hyper_ring_listens", False):
        sys.addaudithook(_note)  # for good: a hook cannot be taken away again
        sys._hyper_ring_listens = True  # type: ignore[attr-defined]
    _dialled.clear()
    return _dialled


def tasks() -> int:
    """Threads of this process as the kernel counts them, else as Python does."""
    folder = Path("/proc/self/task")
    return len(list(folder.iterdir())) if folder.is_dir() else threading.active_count()


def together(number: int, work: Callable[[int], Any]) -> list[Any]:
    """What ``work(0)``, ``work(1)`` ... return when so many threads do them at once."""
    barrier = threading.Barrier(number)

    def start(which: int) -> Any:
        barrier.wait(10)
        return work(which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(start, range(number)))


@contextlib.contextmanager
def impatient_switches() -> Iterator[None]:
    """Let threads change places as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def test_more_requests_in_flight_than_the_server_has_slots(
    real: Server, ssl_context: ssl.SSLContext, dialled: list[Any]
) -> None:
    """RFC 9113 §5.1.2: what does not fit waits in the client and is answered all the same."""
    with HTTP20Connection(real.address, ssl_context=ssl_context, timeout=30) as connection:
        ids = [connection.request("GET", "/small.txt") for _ in range(300)]
        assert ids == list(range(1, 600, 2))
        for stream_id in reversed(ids):
            response = connection.get_response(stream_id)
            assert (response.status, response.read()) == (200, SMALL)
        assert connection.max_concurrent_streams < 300
    assert dialled.count(("127.0.0.1", real.ports.tls)) == 1


def test_sixteen_threads_each_get_their_own_answers(
    real: Server, ssl_context: ssl.SSLContext, tree: Tree, dialled: list[Any]
) -> None:
    """Without ids: the oldest unclaimed request of the calling thread."""
    paths = ["/small.txt", "/page.html", "/empty.txt", "/", "/1m.bin"]

    def work(which: int) -> int:
        right = 0
        for number in range(25):
            path = paths[(which + number) % len(paths)]
            # Mebibytes are dear; every thread fetches one.
            if path == "/1m.bin" and number > 4:
                path = "/small.txt"
            connection.request("GET", path)
            body = connection.get_response().read()
            right += hashlib.sha256(body).hexdigest() == tree.digests[path]
        return right

    with (
        HTTP20Connection(real.address, ssl_context=ssl_context, timeout=30) as connection,
        impatient_switches(),
    ):
        assert together(16, work) == [25] * 16
    assert dialled.count(("127.0.0.1", real.ports.tls)) == 1


@pytest.mark.parametrize("real", ["granian", "node", "caddy"], indirect=True)
def test_sixteen_threads_with_two_hundred_requests_each(
    real: Server, ssl_context: ssl.SSLContext, dialled: list[Any]
) -> None:
    """3200 GETs on one connection, with threads changing places as often as they can."""

    def work(which: int) -> int:
        right = 0
        for number in range(200):
            # Each answer is somebody's own: the request comes back in it.
            connection.request("GET", f"/mirror?{which}-{number}")
            answer = json.loads(connection.get_response().read())
            right += answer["query"] == f"{which}-{number}"
        return right

    with (
        HTTP20Connection(real.address, ssl_context=ssl_context, timeout=30) as connection,
        impatient_switches(),
    ):
        assert together(16, work) == [200] * 16
    assert dialled.count(("127.0.0.1", real.ports.tls)) == 1


def test_forty_threads_upload_on_one_connection(
    real: Server, ssl_context: ssl.SSLContext, dialled: list[Any]
) -> None:
    """40 threads, 10 POSTs of 150 kB each: 400 of 400, one TCP connection, no thread of ours."""
    bodies = [noise(150_000, which) for which in range(40)]
    digests = [hashlib.sha256(body).hexdigest() for body in bodies]
    most = 0

    def right(which: int, answer: bytes) -> bool:
        if real.offers("echo"):
            return answer == bodies[which]
        return bool(json.loads(answer) == {"size": 150_000, "sha256": digests[which]})

    def work(which: int) -> int:
        nonlocal most
        done = 0
        for _ in range(10):
            connection.request("POST", "/upload", body=bodies[which])
            done += right(which, connection.get_response().read())
            most = max(most, tasks())
        return done

    before = tasks()
    with HTTP20Connection(real.address, ssl_context=ssl_context, timeout=60) as connection:
        assert sum(together(40, work)) == 400
    assert dialled.count(("127.0.0.1", real.ports.tls)) == 1
    assert most <= before + 40, f"{most} threads, {before} of them before the 40 uploaders"


@pytest.mark.parametrize("real", ["nginx"], indirect=True)
@pytest.mark.parametrize("threads", [1, 8])
def test_a_connection_that_ends_after_a_thousand_requests_is_replaced_unnoticed(
    real: Server, ssl_context: ssl.SSLContext, dialled: list[Any], threads: int
) -> None:
    """RFC 9113 §6.8: GOAWAY while others are asking; what it excludes goes to a new connection.

    A thousand is nginx's own limit (keepalive_requests).
    """

    def work(which: int) -> int:
        right = 0
        for _ in range(1600 // threads):
            connection.request("GET", "/small.txt")
            right += connection.get_response().read() == SMALL
        return right

    with HTTP20Connection(real.address, ssl_context=ssl_context, timeout=30) as connection:
        assert sum(together(threads, work)) == 1600
    assert dialled.count(("127.0.0.1", real.ports.tls)) == 2
