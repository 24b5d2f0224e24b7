"""Requests written piece by piece, bodies and responses that flow at once, and leave to send."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, RstStreamFrame

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.http20.exceptions import StreamResetError
from hyper.http20.limits import LAST_STREAM_ID

from ..peer import frame
from ..servers import InProcessServer
from ..threads.gated import Thread, eventually
from ..unit.sync.test_connection import Heard, Server, answering
from .scripted import OK, ScriptedServer, Talk


@pytest.fixture(params=[20, 11])
def connection(
    request: pytest.FixtureRequest, server: InProcessServer, ssl_context: ssl.SSLContext
) -> Iterator[HTTPConnection]:
    kind = HTTP20Connection if request.param == 20 else HTTP11Connection
    with kind("localhost", server.port, ssl_context=ssl_context, timeout=10) as connection:
        yield connection


def test_a_request_in_pieces(connection: HTTPConnection) -> None:
    stream_id = connection.putrequest("POST", "/upload")
    assert stream_id == (1 if isinstance(connection, HTTP20Connection) else None)
    connection.putheader("X-Number", 1)
    connection.putheader("Content-Length", "9", stream_id)
    connection.endheaders(stream_id=stream_id)
    connection.send(b"one", stream_id=stream_id)
    connection.send([b"t", b"wo"])
    connection.send("six", final=True)
    answer = json.loads(connection.get_response(stream_id).read())
    assert answer["sha256"] == hashlib.sha256(b"onetwosix").hexdigest()


def test_the_body_may_come_with_the_end_of_the_head(connection: HTTPConnection) -> None:
    connection.putrequest("PUT", "/upload")
    connection.endheaders(b"whole", final=True)
    assert json.loads(connection.get_response().read())["size"] == 5
    connection.putrequest("PUT", "/upload")
    connection.endheaders(b"half")
    connection.send(b"more", final=True)
    assert json.loads(connection.get_response().read())["size"] == 8
    connection.putrequest("PUT", "/upload")
    connection.endheaders(final=True)
    assert json.loads(connection.get_response().read())["size"] == 0


def test_a_get_ends_with_its_head(connection: HTTPConnection) -> None:
    connection.putrequest("GET", "/headers", skip_host=True, skip_accept_encoding=True)
    connection.putheader("X-One", "1")
    connection.putheader("X-One", "2", replace=True)
    connection.putheader("Host", "example.org")
    connection.endheaders()
    fields = json.loads(connection.get_response().read())["headers"]
    assert (fields["X-One"], fields["Host"]) == ("2", "example.org")
    assert "Accept-Encoding" not in fields
    with pytest.raises(ValueError, match=r"body of GET /headers has ended"):
        connection.putrequest("GET", "/headers")
        connection.endheaders()
        connection.send(b"more")


def test_request_and_response_flow_at_once(connection: HTTPConnection) -> None:
    """R20: each piece comes back before the next one is sent."""
    connection.putrequest("POST", "/echo")
    connection.endheaders()
    response: Any = None
    for number in range(5):
        piece = b"%d" % number * 1000
        connection.send(piece)
        if response is None:
            response = connection.get_response()
        assert response.read(1000) == piece
    connection.send(b"", final=True)
    assert response.read() == b""


def test_one_thread_sends_while_another_reads(connection: HTTPConnection) -> None:
    size = 5_000_000
    ids: list[int | None] = []
    started = threading.Event()

    def send() -> None:
        ids.append(connection.putrequest("POST", "/echo"))
        connection.putheader("content-length", size)
        connection.endheaders()
        for _ in range(50):
            connection.send(bytes(size // 50))
            started.set()
        connection.send(b"", final=True)

    thread = Thread(send)
    assert started.wait(10)
    assert len(connection.get_response(ids[0]).read()) == size
    thread.finish()


def test_trailers_of_a_request_in_pieces() -> None:
    def script(talk: Talk) -> None:
        talk.hear()
        talk.say(OK)

    with ScriptedServer(script) as server, HTTP11Connection(server.address) as connection:
        connection.putrequest("POST", "/")
        connection.endheaders()
        connection.send(b"body")
        with pytest.raises(ValueError, match="final=True"):
            connection.send(b"", trailers={"x": "1"})
        connection.send(b"", final=True, trailers=lambda: {"X-Sum": "4"})
        assert connection.get_response().read() == b"ok"
        assert (server.heard[0].body, server.trailers) == (b"body", [b"x-sum: 4"])


def test_a_broken_promise_is_an_error_before_anything_leaves(connection: HTTPConnection) -> None:
    """R22."""
    connection.putrequest("POST", "/upload")
    connection.putheader("content-length", "4")
    connection.endheaders()
    with pytest.raises(ValueError, match="promises 4 more octets, and the body has 5 or more"):
        connection.send(b"12345")
    with pytest.raises(ValueError, match="promises 4 more octets, and the body has 3 "):
        connection.send(b"123", final=True)
    connection.send(b"1234", final=True)
    assert json.loads(connection.get_response().read())["size"] == 4
    connection.putrequest("POST", "/upload")
    connection.putheader("content-length", "4")
    connection.endheaders()
    with pytest.raises(ValueError, match="and the body has 3 or more"):
        connection.send(iter([b"12", b"345"]))
    with pytest.raises((ConnectionError, Exception)):
        connection.get_response().read()


def test_pieces_for_nobody(connection: HTTPConnection) -> None:
    with pytest.raises(ValueError, match="no request has been begun in this thread"):
        connection.putheader("a", "b")
    with pytest.raises(ValueError, match="no request has been begun under the id 9"):
        connection.endheaders(stream_id=9)
    with pytest.raises(ValueError, match="no body is being sent in this thread"):
        connection.send(b"")
    with pytest.raises(ValueError, match="no body is being sent under the id 9"):
        connection.send(b"", stream_id=9)


# What happens between the pieces.


def test_a_request_sent_meanwhile_gets_an_id_of_its_own() -> None:
    with Server(answering) as server, HTTP20Connection(server.address, timeout=10) as connection:
        first = connection.putrequest("POST", "/first")
        second = connection.putrequest("POST", "/second")
        assert (first, second) == (1, 3)
        assert connection.request("GET", "/third") == 5
        connection.endheaders(b"1", final=True, stream_id=first)
        connection.endheaders(b"2", final=True, stream_id=second)
        assert connection.request("GET", "/fourth") == 11
        # The name it was given stays its name; on the wire it came later.
        assert connection.get_response(first).read() == b"7"
        assert connection.get_response(second).read() == b"9"
        assert connection.get_response(5).read() == b"5"
        assert connection.get_response().read() == b"11"
        assert [each.stream_id for each in server.frames(HeadersFrame)] == [5, 7, 9, 11]


def test_a_connection_that_ends_meanwhile_is_replaced() -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.answer(heard.until_end())
        if server.connections == 1:
            go.wait(5)
            heard.goaway(2**31 - 1, 0)
            said.set()
            return
        answering_on(heard)

    def answering_on(heard: Heard) -> None:
        while True:
            stream_id = heard.until_end()
            heard.answer(stream_id, str(stream_id).encode())

    go, said = threading.Event(), threading.Event()
    with Server(script) as server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.request("GET", "/")
        connection.get_response().read()
        draft = connection.putrequest("POST", "/")
        go.set()
        assert said.wait(5)
        connection.endheaders(b"1", final=True)
        assert connection.get_response(draft).read() == b""
        assert server.connections == 2


def test_the_last_id_is_not_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    """R23: ids run out, and nobody notices."""
    with Server(answering) as server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.connect()
        pump = connection._pump
        assert pump is not None
        pump.protocol._next_id = LAST_STREAM_ID  # type: ignore[attr-defined]
        assert connection.putrequest("POST", "/") == 1
        connection.endheaders(b"1", final=True)
        assert connection.get_response(1).read() == b"1"


def test_drafts_end_with_their_connection() -> None:
    with Server(answering) as server:
        connection = HTTP20Connection(server.address)
        stream_id = connection.putrequest("GET", "/")
        connection.close()
        with pytest.raises(ValueError, match="under the id 1"):
            connection.endheaders(stream_id=stream_id)


def test_a_reset_fails_the_next_piece() -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(DataFrame)
        heard.rst_stream(1, 8)
        heard.stay()

    with Server(script) as server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.putrequest("POST", "/")
        connection.endheaders()

        def send() -> None:
            for _ in range(1000):
                connection.send(bytes(1000))

        with pytest.raises(StreamResetError, match=server.address):
            send()


def test_an_answer_in_full_makes_further_pieces_vanish() -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.answer(1, b"enough")
        heard.stay()

    with Server(script) as server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.putrequest("POST", "/")
        connection.endheaders()
        response = connection.get_response()
        assert response.read() == b"enough"
        for _ in range(3):
            connection.send(b"more")
        connection.send(b"", final=True)
        connection.send(b"after the end")
        eventually(lambda: server.frames(RstStreamFrame))
        assert not server.body(1)


# Early answers, and leave to send.


@pytest.mark.parametrize("then", ["nothing", "reset", "end"])
def test_a_refusal_during_a_blocked_upload_is_delivered(then: str) -> None:
    """R10: 413 while the server reads no more; R8 and R9 are the windows'."""

    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        block = heard.encoder.encode([(":status", "413")])
        heard.say(frame("HEADERS", 4, 1, block) + frame("DATA", 0, 1, b"too "))
        time.sleep(0.05)
        heard.say(frame("DATA", int(then == "end"), 1, b"large"))
        if then == "reset":
            heard.say(frame("DATA", 1, 1))
            heard.rst_stream(1, 0)
        elif then == "nothing":
            go.wait(5)
            heard.say(frame("DATA", 1, 1))
        heard.stay()

    go = threading.Event()
    with Server(script) as server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.request("POST", "/", bytes(5_000_000))
        response = connection.get_response()
        assert response.status == 413
        assert response.read(4) == b"too "
        go.set()
        assert response.read() == b"large"
        assert len(server.body(1)) < 5_000_000
        if then != "reset":
            eventually(lambda: server.frames(RstStreamFrame))
        pump = connection._pump
        assert pump is not None and pump.protocol.idle


@pytest.mark.parametrize("how", ["close", "drop"])
def test_a_refused_upload_whose_answer_is_not_read_frees_its_stream(how: str) -> None:
    """R3."""

    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.say(frame("HEADERS", 4, 1, heard.encoder.encode([(":status", "500")])))
        heard.until(RstStreamFrame)
        heard.answer(heard.until_end())
        heard.stay()

    with Server(script) as server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.request("POST", "/", bytes(1_000_000))
        response: Any = connection.get_response()
        if how == "close":
            response.close()
        del response
        connection.request("GET", "/")
        assert connection.get_response().status == 200
        assert len(server.frames(RstStreamFrame)) == 1


Waiting = Callable[[Talk], None]


def leave_given(talk: Talk) -> None:
    request = talk.hear_head()
    talk.say(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    time.sleep(0.02)
    assert not talk.unread
    talk.say(b"HTTP/1.1 100 Continue\r\n\r\n")
    talk.hear_body(request)
    talk.say(OK)


def silent(talk: Talk) -> None:
    talk.hear()
    talk.say(OK)


@pytest.mark.parametrize("script", [leave_given, silent])
def test_a_body_waits_for_leave_or_for_a_while(script: Waiting) -> None:
    """RFC 9110 §10.1.1."""
    with (
        ScriptedServer(script) as server,
        HTTP11Connection(server.address, timeout=10, expect_timeout=0.1) as connection,
    ):
        began = time.monotonic()
        connection.request("POST", "/", b"body", {"Expect": "100-continue"})
        if script is silent:
            assert time.monotonic() - began >= 0.1
        response = connection.get_response()
        assert (response.status, response.read()) == (200, b"ok")
        assert server.heard[0].body == b"body"
        assert server.heard[0].headers["expect"] == "100-continue"


def test_a_refusal_keeps_the_body_here() -> None:
    def script(talk: Talk) -> None:
        talk.hear_head()
        talk.say(b"HTTP/1.1 417 No\r\ncontent-length: 3\r\n\r\n")
        time.sleep(0.05)
        talk.say(b"no!")
        with pytest.raises(EOFError):
            talk.octets(1)

    with (
        ScriptedServer(script) as server,
        HTTP11Connection(server.address, timeout=10, expect_timeout=5) as connection,
    ):
        connection.request("POST", "/", b"body", {"Expect": "100-continue"})
        response = connection.get_response()
        assert (response.status, response.read()) == (417, b"no!")
        # Its connection still waits for the body, so the next request gets another one.
        connection.request("GET", "/")
        assert connection.get_response().status == 417
        assert server.connections == 2


@pytest.mark.parametrize("whole", [True, False])
def test_leave_and_refusal_over_http_2(whole: bool) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.say(frame("HEADERS", 4, 1, heard.encoder.encode([(":status", "100")])))
        heard.until_end()
        heard.answer(1)
        heard.until(HeadersFrame)
        heard.say(frame("HEADERS", 4 | whole, 3, heard.encoder.encode([(":status", "401")])))
        if not whole:
            time.sleep(0.05)
            heard.say(frame("DATA", 1, 3, b"who?"))
        heard.stay()

    with (
        Server(script) as server,
        HTTP20Connection(server.address, timeout=10, expect_timeout=5) as connection,
    ):
        connection.request("POST", "/", b"body", {"Expect": "100-continue"})
        assert connection.get_response().status == 200
        assert server.body(1) == b"body"
        connection.putrequest("POST", "/")
        connection.putheader("expect", "100-continue")
        connection.endheaders()
        connection.send(b"body", final=True)
        response = connection.get_response()
        assert (response.status, response.read()) == (401, b"" if whole else b"who?")
        eventually(lambda: server.frames(RstStreamFrame))
        assert server.body(3) == b""


def test_a_head_that_the_socket_does_not_take_at_once() -> None:
    def script(talk: Talk) -> None:
        time.sleep(0.05)
        request = talk.hear_head()
        talk.hear_body(request)
        talk.say(OK)

    with (
        ScriptedServer(script) as server,
        HTTP11Connection(server.address, timeout=10) as connection,
    ):
        connection.putrequest("POST", "/")
        for number in range(100):
            connection.putheader(f"x-{number}", "x" * 100_000)
        connection.endheaders()
        connection.send(b"body", final=True)
        assert connection.get_response().read() == b"ok"
        assert server.heard[0].body == b"body"


def test_pushes_along_with_a_request_in_pieces(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTP20Connection(
        "localhost", server.port, ssl_context=ssl_context, enable_push=True, timeout=10
    ) as connection:
        connection.putrequest("GET", "/push")
        connection.endheaders()
        assert len(list(connection.get_pushes(capture_all=True))) == 1
        assert connection.get_response().status == 200
