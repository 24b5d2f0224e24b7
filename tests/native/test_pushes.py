"""Server push (RFC 9113 §8.4) as a user meets it: taken, refused, or never looked at."""

from __future__ import annotations

import gc
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hyperframe.frame import RstStreamFrame

from hyper import HTTP11Connection, HTTP20Connection, HTTP20Push, HTTPConnection
from hyper.common.exchange import Exchange
from hyper.http20.exceptions import StreamResetError

from ..peer import frame
from ..servers import InProcessServer
from ..servers.app import PUSHED
from ..threads.gated import Thread, eventually
from ..unit.sync.test_connection import Heard, Server

#: What a script waits for before it goes on.
go = threading.Event()


def promise(heard: Heard, parent: int, promised: int, path: str, **more: str) -> None:
    fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", more.get("authority", heard.authority)),
        (":path", path),
        ("accept", "text/css"),
    ]
    block = heard.encoder.encode(fields)
    heard.say(frame("PUSH_PROMISE", 4, parent, promised.to_bytes(4, "big") + block))


Playing = Callable[..., tuple[Server, HTTP20Connection]]


@pytest.fixture
def playing() -> Iterator[Playing]:
    started: list[Any] = []

    def play(script: Callable[[Heard], None], **more: Any) -> tuple[Server, HTTP20Connection]:
        def with_name(heard: Heard) -> None:
            heard.authority = server.address
            script(heard)

        server = Server(with_name)
        server.__enter__()
        options = {"timeout": 10, "enable_push": True, **more}
        connection = HTTP20Connection(server.address, **options)
        started.extend((server, connection))
        return server, connection

    go.clear()
    yield play
    go.set()
    for each in reversed(started):
        each.__exit__(None, None, None)


def pushing(heard: Heard) -> None:
    """A push before the head, one between head and body, one between the parts of the body."""
    heard.greet()
    stream_id = heard.until_end()
    promise(heard, stream_id, 2, "/before")
    heard.say(heard.head_frame(stream_id))
    promise(heard, stream_id, 4, "/between")
    heard.say(frame("DATA", 0, stream_id, b"one"))
    go.wait(5)
    promise(heard, stream_id, 6, "/after")
    heard.say(frame("DATA", 1, stream_id, b"two"))
    for promised in (6, 4, 2):
        heard.answer(promised, b"pushed %d" % promised)
    heard.stay()


def test_pushes_as_the_documentation_has_them(playing: Playing) -> None:
    _, connection = playing(pushing)
    connection.request("GET", "/")
    response = connection.get_response()
    assert response.read(3) == b"one"
    first = list(connection.get_pushes())
    assert [push.path for push in first] == [b"/before", b"/between"]
    assert list(connection.get_pushes()) == [], "each of them once"
    go.set()
    assert response.read() == b"two"
    (last,) = connection.getpushes()
    assert type(last) is HTTP20Push
    assert (last.scheme, last.method, last.path) == (b"http", b"GET", b"/after")
    assert last.authority.startswith(b"localhost:") and last.same_origin
    assert last.request_headers["Accept"] == [b"text/css"]
    assert last.getrequestheader("accept") == "text/css"
    assert last.getrequestheader("missing", "none") == "none"
    assert last.getrequestheaders() == [("accept", "text/css")]
    assert (last.stream_id, repr(last)) == (6, "<HTTP20Push stream=6 GET /after>")
    assert [push.get_response().read() for push in (*first, last)] == [
        b"pushed 2",
        b"pushed 4",
        b"pushed 6",
    ]
    with pytest.raises(ValueError, match="has been taken or refused before"):
        last.getresponse()


def test_capturing_all_of_them_ends_with_the_response(playing: Playing) -> None:
    _, connection = playing(pushing)
    stream_id = connection.request("GET", "/")
    pushes = connection.get_pushes(stream_id, capture_all=True)
    assert next(pushes).path == b"/before"
    assert next(pushes).path == b"/between"
    thread = Thread(list, pushes)
    time.sleep(0.01)
    assert thread.is_alive()
    go.set()
    (last,) = thread.finish()
    assert last.path == b"/after"
    assert connection.get_response(stream_id).read() == b"onetwo"
    assert last.get_response().read() == b"pushed 6"


def test_capturing_waits_no_longer_than_the_timeout(playing: Playing) -> None:
    _, connection = playing(pushing, timeout=0.2)
    connection.request("GET", "/")
    with pytest.raises(TimeoutError, match=r"no further push, .* on stream 1, within 0.2 s"):
        list(connection.get_pushes(capture_all=True))


def test_capturing_ends_when_the_connection_does(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        promise(heard, heard.until_end(), 2, "/before")

    _, connection = playing(script)
    connection.request("GET", "/")
    pushes = list(connection.get_pushes(capture_all=True))
    assert [push.path for push in pushes] == [b"/before"]
    with pytest.raises(ConnectionError, match="localhost"):
        pushes[0].get_response()


def test_a_push_may_be_refused(playing: Playing) -> None:
    server, connection = playing(pushing)
    connection.request("GET", "/")
    connection.get_response().read(3)
    for push in connection.get_pushes():
        push.cancel()
        push.cancel()
    go.set()
    eventually(lambda: len(server.frames(RstStreamFrame)) == 2)
    resets = [(each.stream_id, each.error_code) for each in server.frames(RstStreamFrame)]
    assert resets == [(2, 8), (4, 8)]
    with pytest.raises(ValueError, match="taken or refused"):
        push.get_response()


def test_a_push_that_is_late_is_a_timeout_and_is_reset(playing: Playing) -> None:
    server, connection = playing(pushing, timeout=0.1)
    connection.request("GET", "/")
    connection.get_response()
    push = next(connection.get_pushes())
    with pytest.raises(TimeoutError, match=r"no response head .*\(GET /before, stream 2\)"):
        push.get_response()
    go.set()
    eventually(lambda: server.frames(RstStreamFrame))


def test_a_push_that_the_server_gives_up(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        stream_id = heard.until_end()
        promise(heard, stream_id, 2, "/before")
        heard.rst_stream(2, 2)
        heard.answer(stream_id)
        heard.stay()

    _, connection = playing(script)
    connection.request("GET", "/")
    connection.get_response().read()
    (push,) = connection.get_pushes()
    with pytest.raises(StreamResetError, match="INTERNAL_ERROR"):
        push.get_response()


@pytest.mark.parametrize("taken", [False, True])
def test_pushes_that_nobody_takes_are_given_up(playing: Playing, taken: bool) -> None:
    """Looked at and dropped, or not even looked at."""

    def script(heard: Heard) -> None:
        heard.greet()
        for promised in (2, 4):
            stream_id = heard.until_end()
            promise(heard, stream_id, promised, "/never-read")
            heard.say(heard.head_frame(promised))
            heard.answer(stream_id)
        for _ in range(2):
            heard.answer(heard.until_end())
        heard.stay()

    server, connection = playing(script)
    for _ in range(2):
        connection.request("GET", "/")
        connection.get_response().read()
        if taken:
            for push in connection.get_pushes():
                assert push.path == b"/never-read"
            del push
    for _ in range(2):
        connection.request("GET", "/")
        gc.collect()
        connection.get_response().read()
    eventually(lambda: len(server.frames(RstStreamFrame)) == 2)
    pump = connection._pump
    assert pump is not None and pump.protocol.idle
    assert len(connection._carriers) <= 1


def test_pushes_by_the_id_of_a_request_that_is_not_the_newest(playing: Playing) -> None:
    _, connection = playing(pushing)
    first = connection.request("GET", "/")
    response = connection.get_response(first)
    connection.request("GET", "/other")
    assert list(connection.get_pushes()) == []
    assert len(list(connection.get_pushes(first))) >= 1
    assert list(connection.get_pushes(99)) == []
    response.close()


class Contested(deque[Exchange]):
    """Has always something to see, which another thread takes first."""

    def __bool__(self) -> bool:
        return True


def test_another_thread_may_take_the_last_push(playing: Playing) -> None:
    _, connection = playing(pushing)
    first = connection.request("GET", "/")
    response = connection.get_response(first)
    connection._parents[first].pushes = Contested()
    assert list(connection.get_pushes(first)) == []
    response.close()


def test_no_origin_but_that_of_the_request_unless_asked_for(playing: Playing) -> None:
    """Seed: users had to check that themselves."""

    def script(heard: Heard) -> None:
        heard.greet()
        stream_id = heard.until_end()
        promise(heard, stream_id, 2, "/", authority="elsewhere.example")
        heard.answer(2, b"foreign")
        heard.answer(stream_id)
        heard.stay()

    server, connection = playing(script)
    connection.request("GET", "/")
    connection.get_response().read()
    assert list(connection.get_pushes()) == []
    eventually(lambda: server.frames(RstStreamFrame))
    _, trusting = playing(script, foreign_pushes=True)
    trusting.request("GET", "/")
    trusting.get_response().read()
    (push,) = trusting.get_pushes()
    assert (push.same_origin, push.authority) == (False, b"elsewhere.example")
    assert push.get_response().read() == b"foreign"


def test_with_a_server_of_another_make(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTPConnection(
        "localhost", server.port, ssl_context=ssl_context, enable_push=True, timeout=10
    ) as connection:
        connection.request("GET", "/push")
        assert b"pushed.css" in connection.get_response().read()
        (push,) = connection.get_pushes(capture_all=True)
        assert push.path == b"/pushed.css"
        assert push.get_response().read() == PUSHED


def test_nothing_is_pushed_to_those_who_did_not_ask(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTP20Connection("localhost", server.port, ssl_context=ssl_context) as connection:
        connection.request("GET", "/push")
        connection.get_response().read()
        assert list(connection.get_pushes()) == []
        assert list(connection.get_pushes(1, True)) == []


def test_asking_for_pushes_before_any_request() -> None:
    with pytest.raises(ValueError, match="this thread has sent no request"):
        HTTP20Connection("h", enable_push=True).get_pushes()


def test_there_is_no_push_in_http_1_1(server: InProcessServer, ssl_context: ssl.SSLContext) -> None:
    with HTTP11Connection("localhost", server.port, ssl_context=ssl_context) as connection:
        connection.enable_push = True
        connection.request("GET", "/hello")
        assert list(connection.get_pushes(capture_all=True)) == []
        assert connection.get_response().read() == b"hello, world"


def test_pushes_along_with_a_request_that_was_sent_twice(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.rst_stream(heard.until_end(), 7)
        stream_id = heard.until_end()
        promise(heard, stream_id, 2, "/before")
        heard.answer(stream_id)
        heard.answer(2, b"pushed")
        heard.stay()

    _, connection = playing(script)
    stream_id = connection.request("GET", "/")
    connection.get_response(stream_id).read()
    (push,) = connection.get_pushes(stream_id, capture_all=True)
    assert push.get_response().read() == b"pushed"
