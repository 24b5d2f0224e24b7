"""What HTTP/1.1 (RFC 9112) makes of requests, connections and responses."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hyper import HTTP11Connection, HTTP11Response, HTTPConnection
from hyper.common.exceptions import ConnectionError, HyperError, InvalidResponseError
from hyper.sync import sending
from hyper.sync.transport import Transport

from ..threads.gated import Thread, eventually
from .scripted import OK, Script, ScriptedServer, Talk

Playing = Callable[..., tuple[ScriptedServer, HTTP11Connection]]


@pytest.fixture
def playing() -> Iterator[Playing]:
    """Start a server with a script, and a connection to it."""
    started: list[Any] = []

    def play(script: Script, **options: Any) -> tuple[ScriptedServer, HTTP11Connection]:
        server = ScriptedServer(script)
        server.__enter__()
        connection = HTTP11Connection(server.address, **{"timeout": 10, **options})
        started.extend((server, connection))
        return server, connection

    yield play
    for each in reversed(started):
        each.__exit__(None, None, None)


def answering(talk: Talk) -> None:
    while True:
        talk.hear()
        talk.say(OK)


def silent(talk: Talk) -> None:
    talk.hear()
    talk.hear()


# Requests.


def test_the_head_says_host_and_only_what_belongs_there(playing: Playing) -> None:
    server, connection = playing(answering)
    headers = {
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "Keep-Alive": "timeout=5",
        "Proxy-Connection": "close",
        "Upgrade": "websocket",
        "TE": "trailers, deflate",
        "User-Agent": "one, two",
    }
    assert connection.request("GET", "/path?query", headers=headers) is None
    response: Any = connection.get_response()
    assert isinstance(response, HTTP11Response)
    assert (response.status, response.reason, response.read()) == (200, b"OK", b"ok")
    assert repr(response) == "<HTTP11Response 200 stream=None GET /path>"
    (heard,) = server.heard
    assert (heard.method, heard.target, heard.version) == ("GET", "/path?query", "HTTP/1.1")
    encoding = heard.headers.pop("accept-encoding")
    assert "gzip" in encoding
    assert heard.fields[0] == ("host", server.address)
    assert heard.headers == {
        "host": server.address,
        "te": "trailers",
        "connection": "TE",
        "user-agent": "one, two",
    }


def test_connection_close_is_said_and_the_next_request_dials_anew(playing: Playing) -> None:
    server, connection = playing(answering)
    for _ in range(2):
        connection.request("GET", "/", headers={"Connection": "close"})
        assert connection.get_response().read() == b"ok"
    connection.request("GET", "/")
    assert connection.get_response().read() == b"ok"
    assert [each.headers.get("connection") for each in server.heard] == ["close", "close", None]
    assert server.connections == 3


def test_bodies_have_a_length_or_chunks(playing: Playing) -> None:
    server, connection = playing(answering)
    connection.request("POST", "/", b"abc")
    connection.request("POST", "/", iter([b"ab", b"c"]))
    connection.request("POST", "/")
    for _ in range(3):
        assert connection.get_response().status == 200
    assert [each.body for each in server.heard] == [b"abc", b"abc", b""]
    assert [each.headers.get("content-length") for each in server.heard] == ["3", None, "0"]
    assert server.heard[1].headers["transfer-encoding"] == "chunked"


def test_trailers_go_behind_the_last_chunk_whatever_the_length(playing: Playing) -> None:
    server, connection = playing(answering)
    for headers in (None, {"content-length": "3"}):
        connection.request("POST", "/", b"abc", headers, trailers={"X-Sum": "42"})
        assert connection.get_response().read() == b"ok"
        assert server.trailers == [b"x-sum: 42"]
        assert server.heard[-1].body == b"abc"
        assert "content-length" not in server.heard[-1].headers


# Responses.


def test_chunks_trailers_and_interim_responses(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
            b"HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3;name=value\r\none\r\n5\r\nthree\r\n0\r\nx-sum: 42\r\n\r\n"
        )
        talk.hear()

    _, connection = playing(script)
    connection.request("GET", "/")
    response: Any = connection.get_response()
    assert [(status, fields["link"]) for status, fields in response.informational] == [
        (103, [b"</a>"])
    ]
    assert list(response.read_chunked()) == [b"one", b"three"]
    assert response.trailers["x-sum"] == [b"42"]
    assert response.gettrailer("X-Sum") == "42" and response.reason == b"Fine"


def test_a_body_may_end_with_the_connection(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(b"HTTP/1.0 200 OK\r\n\r\nto the end")

    server, connection = playing(script)
    for _ in range(2):
        connection.request("GET", "/")
        assert connection.get_response().read() == b"to the end"
    assert server.connections == 2


def test_what_is_not_http_is_an_error_that_says_where(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(b"SSH-2.0-OpenSSH_9.2\r\n")
        talk.hear()

    server, connection = playing(script)
    connection.request("GET", "/")
    with pytest.raises(InvalidResponseError, match=server.address):
        connection.get_response()


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_response_cut_short_is_an_error(playing: Playing, answer: bytes) -> None:
    """R14."""

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(answer)

    server, connection = playing(script)
    connection.request("GET", "/")
    with pytest.raises(ConnectionError, match=server.address) as caught:
        connection.get_response().read()
    assert caught.value.partial == (b"half" if b"half" in answer else b"")
    assert not caught.value.retryable


# Requests that wait for their turn.


def test_requests_that_wait_are_sent_on_a_new_connection_if_theirs_ends(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    server, connection = playing(script)
    for number in range(5):
        connection.request("GET", f"/{number}")
    for _ in range(5):
        assert connection.get_response().read() == b"ok"
    assert [each.target for each in server.heard] == [f"/{number}" for number in range(5)]
    assert server.connections == 5


def test_in_many_threads_as_well(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    _, connection = playing(script)

    def fetch() -> bytes:
        connection.request("GET", "/")
        return connection.get_response().read()

    threads = [Thread(fetch) for _ in range(16)]
    assert [thread.finish() for thread in threads] == [b"ok"] * 16


def test_a_request_that_never_gets_its_turn_gives_up_in_the_end(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    _, connection = playing(script)
    monkeypatch.setattr(sending, "MAX_TURNS", 0)
    connection.request("GET", "/1")
    connection.request("GET", "/2")
    connection.get_response().read()
    with pytest.raises(ConnectionError, match="never sent") as caught:
        connection.get_response()
    assert caught.value.retryable


def test_closing_a_response_early_costs_the_connection_and_nothing_else(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        request = talk.hear()
        talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\nbegin")
        if request.target == "/whole":
            talk.say(bytes(100_000 - 5))
        talk.hear()

    server, connection = playing(script)
    connection.request("GET", "/1")
    connection.request("GET", "/whole")
    response = connection.get_response()
    assert response.read(5) == b"begin"
    response.close()
    assert len(connection.get_response().read()) == 100_000
    assert server.connections == 2


def test_to_close_a_response_early_does_not_wait_for_the_server(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no goodbye in HTTP/1.1 that it would have to hear."""
    waited: list[Transport] = []
    monkeypatch.setattr(Transport, "linger", waited.append)

    def stay(talk: Talk) -> None:
        talk.hear()
        talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome")
        talk.until(b"never")

    _, connection = playing(stay)
    connection.request("GET", "/")
    response = connection.get_response()
    pump = connection._pump
    assert pump is not None
    response.close()
    assert pump.transport.closed
    assert waited == []


def test_a_response_dropped_unread_costs_no_more_than_one_closed(playing: Playing) -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin")
        talk.hear()

    server, connection = playing(script)
    for _ in range(3):
        connection.request("GET", "/")
        response: Any = connection.get_response()
        assert response.read(5) == b"begin"
        del response
        gc.collect()
    assert server.connections == 3


def test_a_large_unread_response_does_not_stand_in_the_way(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP/2 has windows for that; here whoever waits behind it goes to another connection."""
    size = 30_000_000

    def script(talk: Talk) -> None:
        while True:
            request = talk.hear()
            if request.target == "/large":
                talk.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
                for _ in range(30):
                    talk.say(bytes(size // 30))
            else:
                talk.say(OK)

    monkeypatch.setattr(sending, "PATIENCE", 0.05)
    server, connection = playing(script)
    connection.request("GET", "/large")
    large = connection.get_response()
    connection.request("GET", "/small")
    assert connection.get_response().read() == b"ok"
    connection.request("POST", "/small", b"body")
    assert connection.get_response().read() == b"ok"
    assert server.connections == 2
    assert sum(map(len, large._exchange.chunks)) < 4_000_000
    assert len(large.read()) == size


def test_a_queued_request_times_out_without_harm_to_the_one_before(playing: Playing) -> None:
    go = threading.Event()

    def script(talk: Talk) -> None:
        talk.hear()
        go.wait(5)
        talk.say(OK)
        talk.hear()

    server, connection = playing(script)
    connection.request("GET", "/slow")
    connection.request("GET", "/queued", timeout=0.05)
    slow = Thread(connection.get_response)
    queued = Thread(connection.get_response)
    with pytest.raises(TimeoutError, match=r"free stream .*\(GET /queued\); the request was not"):
        slow.finish() if slow.error else queued.finish()
    go.set()
    eventually(lambda: not slow.is_alive() and not queued.is_alive())
    assert (slow.result or queued.result).read() == b"ok"
    assert [each.target for each in server.heard] == ["/slow"]


def test_a_queue_may_be_slow_without_anybody_going_elsewhere(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(talk: Talk) -> None:
        while True:
            talk.hear()
            time.sleep(0.05)
            talk.say(OK)

    monkeypatch.setattr(sending, "PATIENCE", 0.01)
    server, connection = playing(script, timeout=None)
    for _ in range(3):
        connection.request("GET", "/")
    threads = [Thread(connection.get_response) for _ in range(3)]
    assert [thread.finish().read() for thread in threads] == [b"ok"] * 3
    assert server.connections == 1


def test_silence_is_a_timeout_that_closes_the_connection(playing: Playing) -> None:
    """R17."""
    server, connection = playing(silent, timeout=0.1)
    connection.request("GET", "/x")
    with pytest.raises(TimeoutError, match=r"no response head within 0.1 s \(GET /x\); the conn"):
        connection.get_response()
    assert server.connections == 1


# Connections that die.


def test_a_connection_that_died_idle_is_noticed_before_writing(playing: Playing) -> None:
    """R13."""

    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(OK)

    server, connection = playing(script)
    for _ in range(3):
        connection.request("POST", "/", b"body")
        assert connection.get_response().read() == b"ok"
        time.sleep(0.02)
    assert server.connections == 3


def dying_at_the_second(talk: Talk) -> None:
    talk.hear()
    talk.say(OK)
    if talk.number == 1:
        talk.hear()
    else:
        answering(talk)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_used_connection_that_ends_without_a_word_is_replaced_once(
    playing: Playing, method: str
) -> None:
    """RFC 9112 §9.3.1: what means the same if done twice."""
    server, connection = playing(dying_at_the_second)
    connection.request("GET", "/")
    assert connection.get_response().read() == b"ok"
    connection.request(method, "/again", b"body" if method == "PUT" else None)
    assert connection.get_response().read() == b"ok"
    assert server.connections == 2
    assert server.heard[-1].body == (b"body" if method == "PUT" else b"")


def test_but_not_for_what_may_not_be_done_twice(playing: Playing) -> None:
    _, connection = playing(dying_at_the_second)
    connection.request("GET", "/")
    assert connection.get_response().read() == b"ok"
    with pytest.raises(ConnectionError, match="without an answer") as caught:
        connection.request("POST", "/again", b"body")
        connection.get_response()
    assert not caught.value.retryable


def test_close_ends_what_is_open(playing: Playing) -> None:
    _, connection = playing(silent)
    connection.request("GET", "/")
    thread = Thread(connection.get_response)
    time.sleep(0.02)
    connection.close()
    with pytest.raises((HyperError, OSError), match="closed"):
        thread.finish()


# The h2c Upgrade.


def test_an_upgrade_that_is_ignored_goes_on_in_http_1_1(playing: Playing) -> None:
    """R21."""
    server, _ = playing(answering)
    with HTTPConnection(server.address, timeout=10) as connection:
        for _ in range(3):
            assert connection.request("GET", "/") is None
            assert connection.get_response().read() == b"ok"
        connection.close()
        connection.request("GET", "/")
        assert connection.get_response().read() == b"ok"
    asked = [each.headers.get("upgrade") for each in server.heard]
    assert asked == ["h2c", None, None, None]
    assert server.heard[0].headers["connection"] == "Upgrade, HTTP2-Settings"
    assert "=" not in server.heard[0].headers["http2-settings"]


def test_a_first_request_with_a_body_goes_in_http_1_1(playing: Playing) -> None:
    server, _ = playing(answering)
    with HTTPConnection(server.address, timeout=10) as connection:
        connection.request("POST", "/", b"body")
        assert connection.get_response().read() == b"ok"
    assert "upgrade" not in server.heard[0].headers


def test_who_insists_on_http_1_1_asks_for_nothing_else(playing: Playing) -> None:
    server, connection = playing(answering)
    connection.request("GET", "/")
    connection.get_response().read()
    assert "upgrade" not in server.heard[0].headers


def test_silence_instead_of_an_upgrade_is_a_timeout(playing: Playing) -> None:
    server, _ = playing(silent)
    with (
        HTTPConnection(server.address, timeout=0.1) as connection,
        pytest.raises(TimeoutError, match=r"no response head within 0\.1 s"),
    ):
        connection.request("GET", "/")


def test_others_wait_for_the_answer_to_the_upgrade_however_long(playing: Playing) -> None:
    go = threading.Event()

    def script(talk: Talk) -> None:
        talk.hear()
        go.wait(5)
        talk.say(OK)
        answering(talk)

    server, _ = playing(script)
    with HTTPConnection(server.address, timeout=(0.5, 10)) as connection:

        def fetch() -> bytes:
            connection.request("GET", "/")
            return connection.get_response().read()

        threads = [Thread(fetch) for _ in range(4)]
        eventually(lambda: server.heard)
        time.sleep(0.8)  # longer than anybody may be connecting
        go.set()
        assert [thread.finish() for thread in threads] == [b"ok"] * 4
    assert server.connections == 1
