"""Many threads on one connection to a real server: every answer right, one TCP connection, no
thread of ours; and what goes wrong for one of them is nobody else's business.
"""

from __future__ import annotations

import _thread
import hashlib
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hyper import HTTP20Connection
from hyper.http20.exceptions import ConnectionError, ProtocolError
from hyper.sync import dial

from ..certificates import Certificates
from ..faults.rawserver import Conversation, RawServer
from ..servers import InProcessServer, content
from .gated import Thread, eventually


@pytest.fixture
def switching() -> Iterator[None]:
    """Let Python switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Every TCP connection that is made."""
    made: list[tuple[Any, ...]] = []
    connect = dial.connect

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(args)
        return connect(*args, **kwargs)

    monkeypatch.setattr("hyper.sync.dialling.connect", counted)
    return made


@pytest.fixture
def connection(server: InProcessServer, ssl_context: ssl.SSLContext) -> Iterator[HTTP20Connection]:
    with HTTP20Connection(
        f"localhost:{server.port}", ssl_context=ssl_context, timeout=30
    ) as connection:
        yield connection


def post(connection: HTTP20Connection, name: int, count: int) -> int:
    right = 0
    for turn in range(count):
        body = hashlib.sha256(b"%d %d" % (name, turn)).digest() * 4688  # 150 kB
        stream_id = connection.request("POST", "/upload", body=body)
        response = connection.get_response(stream_id)
        answer = response.read()
        right += hashlib.sha256(body).hexdigest().encode() in answer and response.status == 200
    return right


def test_forty_threads_post_through_one_connection(
    connection: HTTP20Connection, dials: list[Any]
) -> None:
    """40 threads x 10 POSTs of 150 kB: 400 of 400, one TCP connection, no extra thread."""
    before = threading.active_count()
    threads = [Thread(post, connection, name, 10) for name in range(40)]
    most = 0
    while any(thread.is_alive() for thread in threads):
        most = max(most, threading.active_count())
        time.sleep(0.005)
    assert sum(thread.finish() for thread in threads) == 400
    assert len(dials) == 1
    assert most <= before + 40
    assert threading.active_count() == before


@pytest.mark.usefixtures("switching")
def test_sixteen_threads_get_while_threads_switch_all_the_time(
    connection: HTTP20Connection, dials: list[Any]
) -> None:
    def get(name: int) -> int:
        right = 0
        for turn in range(200):
            # Without ids: the oldest request of this very thread.
            connection.request("GET", f"/download/{name * 1000 + turn}")
            with connection.get_response() as response:
                right += response.read() == b"".join(content(name * 1000 + turn))
        return right

    threads = [Thread(get, name) for name in range(16)]
    for thread in threads:
        thread.join(100)
    assert [thread.finish() for thread in threads] == [200] * 16
    assert len(dials) == 1


@pytest.mark.usefixtures("switching")
def test_a_crowd_beyond_the_servers_limit_waits_its_turn(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """RFC 9113 §5.1.2: three at once are allowed; sixteen threads ask."""
    server = InProcessServer(certificates, h2_max_concurrent_streams=3)
    try:
        with HTTP20Connection(
            f"localhost:{server.port}", ssl_context=ssl_context, timeout=30
        ) as connection:
            connection.request("GET", "/hello")
            connection.get_response().read()
            assert connection.max_concurrent_streams == 3
            threads = [Thread(post, connection, name, 3) for name in range(16)]
            assert sum(thread.finish() for thread in threads) == 48
    finally:
        server.stop()


def test_one_thread_asks_and_another_reads(connection: HTTP20Connection) -> None:
    """The seeds' pattern: stream ids through queues."""
    ids = [connection.request("GET", f"/download/{size}") for size in range(20)]
    threads = [
        Thread(lambda stream_id: connection.get_response(stream_id).read(), stream_id)
        for stream_id in reversed(ids)
    ]
    sizes = [len(thread.finish()) for thread in threads]
    assert sizes == list(reversed(range(20)))


def test_one_response_is_given_to_one_thread_only(connection: HTTP20Connection) -> None:
    stream_id = connection.request("GET", "/hello")
    threads = [Thread(connection.get_response, stream_id) for _ in range(8)]
    for thread in threads:
        thread.join(10)
    assert sum(thread.result is not None for thread in threads) == 1
    assert sum(isinstance(thread.error, ValueError) for thread in threads) == 7


def test_a_timeout_in_one_thread_leaves_the_others_whole(
    server: InProcessServer, ssl_context: ssl.SSLContext, dials: list[Any]
) -> None:
    with HTTP20Connection(
        f"localhost:{server.port}", ssl_context=ssl_context, timeout=30
    ) as connection:
        slow = connection.request("GET", "/late/5", timeout=0.1)
        hasty = Thread(connection.get_response, slow)
        patient = [Thread(post, connection, name, 3) for name in range(4)]
        late = connection.request("GET", "/late/0.3")
        assert connection.get_response(late).read() == b"at last"
        with pytest.raises(TimeoutError, match="response head"):
            hasty.finish()
        assert sum(thread.finish() for thread in patient) == 12
        assert len(dials) == 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As a program in the foreground is; a shell has those in the background ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_in_one_thread_leaves_the_others_whole(
    connection: HTTP20Connection, dials: list[Any]
) -> None:
    """Ctrl-C reaches the main thread, which happens to lead."""
    late = connection.request("GET", "/late/5")
    others = [Thread(_get, connection, "/late/0.4") for _ in range(3)]
    timer = threading.Timer(0.1, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        connection.get_response(late)
    timer.join()
    assert [thread.finish() for thread in others] == [b"at last"] * 3
    assert post(connection, 1, 1) == 1
    assert len(dials) == 1


def test_a_reset_in_one_thread_leaves_the_others_whole(
    connection: HTTP20Connection, dials: list[Any]
) -> None:
    others = [Thread(post, connection, name, 3) for name in range(4)]
    for _ in range(5):
        stream_id = connection.request("GET", "/cut")
        with pytest.raises(ProtocolError) as caught:
            connection.get_response(stream_id).read()
        assert caught.value.partial == b"0123456789"
    assert sum(thread.finish() for thread in others) == 12
    assert len(dials) == 1


def test_closing_wakes_everyone(connection: HTTP20Connection) -> None:
    # Before the server has said how many it takes, all but one would not have been sent.
    assert _get(connection, "/hello") == b"hello, world"
    ids = [connection.request("GET", "/late/20") for _ in range(5)]
    threads = [Thread(connection.get_response, stream_id) for stream_id in ids]
    pump = connection._pump
    assert pump is not None
    eventually(lambda: len(pump._followers) == 4)
    start = time.monotonic()
    connection.close()
    errors = []
    for thread in threads:
        with pytest.raises(ConnectionError, match="closed on this side") as caught:
            thread.finish()
        errors.append(caught.value)
    assert time.monotonic() - start < 5
    # One cause, and an exception for each thread.
    assert len({id(error) for error in errors}) == 5
    assert len({id(error.__cause__) for error in errors}) == 1


def test_everyone_who_needs_a_connection_waits_for_one_dial(
    connection: HTTP20Connection, dials: list[Any]
) -> None:
    barrier = threading.Barrier(20)

    def get() -> bytes:
        barrier.wait()
        return _get(connection, "/hello")

    threads = [Thread(get) for _ in range(20)]
    assert [thread.finish() for thread in threads] == [b"hello, world"] * 20
    assert len(dials) == 1


def fifty_answers(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    for _ in range(49):
        conversation.head(stream_id)
        conversation.data(stream_id, b"hello, world", end=True)
        stream_id = conversation.hear()
    conversation.head(stream_id, end=True)
    conversation.goaway(stream_id, 0)
    conversation.finish()


def test_a_crowd_gets_over_goodbye_after_goodbye() -> None:
    """RFC 9113 §6.8, §8.7: what a server did not process is sent once more, and nothing lost."""
    with (
        RawServer(fifty_answers) as server,
        HTTP20Connection(server.address, timeout=10) as connection,
    ):

        def get() -> int:
            answered = 0
            for _ in range(40):
                stream_id = connection.request("GET", "/hello")
                answered += connection.get_response(stream_id).read() in (b"hello, world", b"")
            return answered

        threads = [Thread(get) for _ in range(8)]
        assert [thread.finish() for thread in threads] == [40] * 8
    assert server.connections >= 320 / 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_a_fork_writes_nothing_on_its_parents_connection(
    connection: HTTP20Connection, dials: list[Any]
) -> None:
    assert _get(connection, "/hello") == b"hello, world"
    stream_id = connection.request("GET", "/late/0.5")
    # The lock is held while the process forks, as it may be by another thread.
    pump = connection._pump
    assert pump is not None
    pump._lock.acquire()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        status = 1
        try:
            try:
                connection.get_response(stream_id)
            except ConnectionError as error:
                # Its own connection it may have, and say what it likes on that.
                answer = _get(connection, "/hello")
                connection.close()
                status = 0 if "parent" in str(error) and answer == b"hello, world" else 2
        finally:
            os._exit(status)
    pump._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert connection.get_response(stream_id).read() == b"at last"
    assert post(connection, 1, 1) == 1
    assert len(dials) == 1


def _get(connection: HTTP20Connection, path: str) -> bytes:
    stream_id = connection.request("GET", path)
    return connection.get_response(stream_id).read()
