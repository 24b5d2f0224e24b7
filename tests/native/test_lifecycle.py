"""What befell other clients in the course of a connection's life, and must not befall this one.

Each test names the symptom; the numbers are those of the list of regressions that the project
keeps of its peers' trackers.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame

from hyper import HTTP20Connection, HTTPConnection
from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error, StreamResetError

from ..peer import frame
from ..servers import InProcessServer
from ..threads.gated import Thread, eventually
from ..unit.sync.test_connection import Heard, Server, answering


def served(script: Callable[[Heard], None]) -> tuple[Server, HTTP20Connection]:
    server = Server(script)
    return server, HTTP20Connection(server.address, timeout=10)


def on(heard: Heard) -> None:
    """Go on answering every request with the number of its stream."""
    while True:
        stream_id = heard.until_end()
        heard.answer(stream_id, str(stream_id).encode())


def test_connecting_while_others_ask_never_locks_up(server: InProcessServer) -> None:
    """R2."""
    with HTTP20Connection("localhost", server.plain_port, timeout=10) as connection:

        def work(number: int) -> bool:
            if number % 5 == 0:
                connection.connect()
            elif number % 7 == 0:
                connection.ping()
            connection.request("GET", "/hello")
            return connection.get_response().read() == b"hello, world"

        with ThreadPoolExecutor(12) as pool:
            assert all(pool.map(work, range(120)))


@pytest.mark.parametrize("last", [0, 1, 3, 2**31 - 1])
def test_requests_beyond_a_goodbye_are_sent_again_and_those_before_it_complete(last: int) -> None:
    """R6: GOAWAY in the midst of a burst, twice over, then the end of file."""

    def script(heard: Heard) -> None:
        heard.greet()
        if server.connections > 1:
            on(heard)
        for _ in range(3):
            heard.until_end()
        heard.goaway(2**31 - 1, 0)
        heard.goaway(last, 0)
        for stream_id in (1, 3, 5):
            if stream_id <= last:
                heard.answer(stream_id, b"first %d" % stream_id)
        heard.finish()

    server, connection = served(script)
    with server, connection:
        ids = [connection.request("GET", "/") for _ in range(3)]
        bodies = [connection.get_response(stream_id).read() for stream_id in ids]
        for stream_id, body in zip(ids, bodies, strict=True):
            assert body.startswith(b"first") == (stream_id <= last)
        assert connection.request("GET", "/") > 5, "ids go on"
        assert connection.get_response().status == 200
        assert server.connections == 2


def test_what_cannot_be_sent_again_after_a_goodbye_says_that_it_may_be() -> None:
    """R6, R7."""

    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(DataFrame)
        heard.goaway(0, 0)
        heard.stay()

    server, connection = served(script)
    with server, connection:
        with pytest.raises(HTTP20Error) as caught:
            connection.request("POST", "/", iter([b"once", b"only"]))
            connection.get_response()
        assert caught.value.retryable


@pytest.mark.parametrize("body", [None, b"again"])
def test_a_refused_stream_is_asked_for_once_more_and_no_oftener(body: bytes | None) -> None:
    """R7."""

    def script(heard: Heard) -> None:
        heard.greet()
        while True:
            heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)

    server, connection = served(script)
    with server, connection:
        with pytest.raises(StreamResetError, match="REFUSED_STREAM") as caught:
            connection.request("POST", "/", body)
            connection.get_response()
        assert caught.value.retryable
        assert len(server.frames(HeadersFrame)) == 2


def test_a_long_connection_keeps_nothing_of_what_is_over() -> None:
    """R16."""
    server, connection = served(answering)
    with server, connection:
        for _ in range(200):
            connection.request("GET", "/")
            connection.get_response().read()
        pump = connection._pump
        assert pump is not None and pump.protocol.idle
        assert not connection._unclaimed and len(connection._mine.keys) <= 1

        def ours() -> int:
            gc.collect()
            return sum(type(each).__module__.startswith("hyper.") for each in gc.get_objects())

        before = ours()
        for _ in range(500):
            connection.request("GET", "/")
            connection.get_response().read()
        assert ours() <= before + 5


def test_fields_arrive_as_written_and_those_of_a_connection_stay_here() -> None:
    """R18."""
    server, connection = served(answering)
    with server, connection:
        headers = [
            ("User-Agent", "one, two; (three, four)"),
            ("Date", "Fri, 20 Nov 2026 16:00:00 GMT"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "5"),
            ("Proxy-Connection", "close"),
            ("Upgrade", "websocket"),
            ("TE", "gzip"),
            ("Transfer-Encoding", "chunked"),
        ]
        connection.request("GET", "/", headers=headers)
        connection.get_response().read()
        (head,) = server.heads()
        fields = [(name, value) for name, value in head if not name.startswith(b":")]
        assert fields[:4] == [
            (b"user-agent", b"one, two; (three, four)"),
            (b"date", b"Fri, 20 Nov 2026 16:00:00 GMT"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
        ]
        assert [name for name, _ in fields[4:]] == [b"accept-encoding"]


def test_the_oldest_of_several_comes_first_whatever_came_in_between() -> None:
    """R19: interim responses, and a reset before any head."""

    def script(heard: Heard) -> None:
        heard.greet()
        for _ in range(3):
            heard.until_end()
        heard.answer(5, b"third")
        heard.rst_stream(3, ErrorCode.INTERNAL_ERROR)
        heard.say(frame("HEADERS", 4, 1, heard.encoder.encode([(":status", "103")])))
        heard.answer(1, b"first")
        heard.stay()

    server, connection = served(script)
    with server, connection:
        for _ in range(3):
            connection.request("GET", "/")
        response = connection.get_response()
        assert (response.read(), [status for status, _ in response.informational]) == (
            b"first",
            [103],
        )
        with pytest.raises(StreamResetError, match="INTERNAL_ERROR"):
            connection.get_response()
        assert connection.get_response().read() == b"third"


def test_an_interrupted_wait_leaves_the_connection_whole() -> None:
    """R25, as far as a test may send signals: the rest is in ``tests/threads``."""

    def script(heard: Heard) -> None:
        heard.greet()
        heard.until_end()
        on(heard)

    main = threading.main_thread().ident
    if main != threading.get_ident() or not hasattr(signal, "pthread_kill"):
        pytest.skip("signals go to the main thread, and come from another one on POSIX only")
    server, connection = served(script)
    with server, connection:
        connection.request("GET", "/never")
        timer = threading.Timer(0.05, signal.pthread_kill, [main, signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            connection.get_response()
        timer.join()
        connection.request("GET", "/")
        assert connection.get_response().read() == b"3"
        assert [each.stream_id for each in server.frames(RstStreamFrame)] == [1]
        assert server.connections == 1


def test_floods_end_the_connection_and_not_the_process() -> None:
    """R26."""

    def script(heard: Heard) -> None:
        heard.greet()
        stream_id = heard.until_end()
        interim = heard.encoder.encode([(":status", "103")])
        for _ in range(2000):
            heard.say(frame("HEADERS", 4, stream_id, interim))
        heard.stay()

    server, connection = served(script)
    with server, connection:
        connection.request("GET", "/")
        with pytest.raises(HTTP20Error, match="interim responses"):
            connection.get_response()


def test_a_queue_that_is_too_long_for_one_connection_says_so_in_time() -> None:
    """R31: who wants more connections opens more; nobody waits without knowing what for."""

    def script(heard: Heard) -> None:
        heard.greet(streams=1)
        heard.stay()

    server = Server(script)
    with server, HTTP20Connection(server.address, timeout=0.2) as connection:
        connection.connect()
        connection.request("GET", "/1")
        connection.request("GET", "/2")
        with pytest.raises(TimeoutError, match=r"no response head .*/1"):
            connection.get_response()
        with pytest.raises(TimeoutError, match=r"/2"):
            connection.get_response()


def test_close_says_goodbye_and_may_be_called_in_any_state(server: InProcessServer) -> None:
    heard, connection = served(answering)
    with heard, connection:
        connection.close()
        connection.connect()
        connection.close()
        connection.close()
        eventually(lambda: heard.frames(GoAwayFrame))
        assert connection.request("GET", "/") == 1
        assert connection.get_response().read() == b"1"
    with HTTPConnection("localhost", server.plain_port) as never_used:
        never_used.close()


def test_a_request_that_races_with_close_gets_an_answer_or_an_error() -> None:
    server, connection = served(answering)
    with server, connection:
        stop = threading.Event()

        def ask() -> int:
            answered = 0
            while not stop.is_set():
                try:
                    connection.request("GET", "/")
                    connection.get_response().read()
                    answered += 1
                except ConnectionError:
                    pass
            return answered

        threads = [Thread(ask) for _ in range(2)]
        for _ in range(20):
            time.sleep(0.005)
            connection.close()
        stop.set()
        assert sum(thread.finish() for thread in threads) > 0
