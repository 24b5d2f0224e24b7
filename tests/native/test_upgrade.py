"""From HTTP/1.1 to HTTP/2 on one connection in cleartext (RFC 7540 §3.2)."""

from __future__ import annotations

import struct
import threading
from base64 import urlsafe_b64decode
from contextlib import suppress

import hpack
import pytest

from hyper import HTTP11Response, HTTP20Response, HTTPConnection

from ..peer import PREFACE, frame
from ..servers import InProcessServer
from ..threads.gated import Thread, eventually
from .scripted import OK, ScriptedServer, Talk

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n"


def test_the_first_request_becomes_stream_1(server: InProcessServer) -> None:
    """R21, with a server of another make."""
    with HTTPConnection("localhost", server.plain_port, timeout=10) as connection:
        assert connection.request("GET", "/hello") == 1
        response = connection.get_response(1)
        assert isinstance(response, HTTP20Response)
        assert response.read() == b"hello, world"
        assert connection.version == "HTTP/2"
        assert connection.request("POST", "/upload", b"abc") == 3
        assert b'"size": 3' in connection.get_response().read()
        connection.close()
        # Another connection is asked again.
        assert connection.request("GET", "/download/100000") == 1
        assert len(connection.get_response().read()) == 100_000


def test_an_id_that_is_still_waited_for_is_not_given_again(server: InProcessServer) -> None:
    with HTTPConnection("localhost", server.plain_port, timeout=10) as connection:
        assert connection.request("GET", "/hello") == 1
        connection.close()
        assert connection.request("GET", "/hello") is None
        with suppress(ConnectionError):  # it had arrived when close() was called, or it had not
            assert connection.get_response(1).stream_id == 1
        assert connection.get_response().read() == b"hello, world"


def test_nor_are_those_after_it(server: InProcessServer) -> None:
    with HTTPConnection("localhost", server.plain_port, timeout=10) as connection:
        connection.request("GET", "/hello")
        connection.get_response().read()
        assert connection.request("GET", "/hello") == 3
        connection.close()
        # Stream 1 would be free, and the next one would have the id that is waited for.
        assert connection.request("GET", "/upload") is None
        assert connection.request("GET", "/hello") is None
        with suppress(ConnectionError):
            assert connection.get_response(3).stream_id == 3


def test_octets_of_http_2_may_come_with_the_101() -> None:
    said: list[bytes] = []

    def script(talk: Talk) -> None:
        request = talk.hear()
        said.append(request.headers["http2-settings"].encode())
        block = hpack.Encoder().encode([(":status", "200")])
        talk.say(
            SWITCHING
            + frame("SETTINGS")
            + frame("HEADERS", 4, 1, block)
            + frame("DATA", 1, 1, b"!")
        )
        assert talk.octets(len(PREFACE)) == PREFACE
        head = talk.octets(9)
        said.append(talk.octets(struct.unpack(">I", b"\0" + head[:3])[0]))
        talk.until(b"never")

    with (
        ScriptedServer(script) as server,
        HTTPConnection(server.address, timeout=10) as connection,
    ):
        assert connection.request("GET", "/") == 1
        assert connection.get_response().read() == b"!"
        eventually(lambda: len(said) == 2)
        payload, settings = said
        assert urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)) == settings


def test_a_head_request_through_the_upgrade(server: InProcessServer) -> None:
    with HTTPConnection("localhost", server.plain_port, timeout=10) as connection:
        assert connection.request("HEAD", "/hello") == 1
        response = connection.get_response()
        assert (response.getheader("content-length"), response.read()) == ("12", b"")


def test_a_server_that_hangs_up_instead() -> None:
    def script(talk: Talk) -> None:
        talk.hear()

    with (
        ScriptedServer(script) as server,
        HTTPConnection(server.address, timeout=10) as connection,
    ):
        assert connection.request("GET", "/") is None
        with pytest.raises(ConnectionError, match="without an answer"):
            connection.get_response()


def test_close_wakes_who_waits_for_the_answer() -> None:
    asked = threading.Event()

    def script(talk: Talk) -> None:
        talk.hear()
        asked.set()
        with suppress(EOFError):
            talk.until(b"never")

    with ScriptedServer(script) as server, HTTPConnection(server.address) as connection:
        waiting = Thread(connection.request, "GET", "/")
        assert asked.wait(10)
        connection.close()
        with pytest.raises(ConnectionError, match="closed while it was being made"):
            waiting.finish()
        # That says nothing about the server.
        asked.clear()
        waiting = Thread(connection.request, "GET", "/")
        assert asked.wait(10)
        assert "upgrade" in server.heard[1].headers
        connection.close()
        with pytest.raises(ConnectionError):
            waiting.finish()


def silence(talk: Talk) -> None:
    talk.hear()
    with suppress(EOFError):
        talk.until(b"never")


def test_the_timeout_of_one_request_holds_for_the_first_answer_too() -> None:
    """The connection would wait as long as it takes."""
    with ScriptedServer(silence) as server, HTTPConnection(server.address) as connection:
        waiting = Thread(connection.request, "GET", "/", timeout=0.05)
        with pytest.raises(TimeoutError, match=r"no response head within 0\.05 s \(GET /\)"):
            waiting.finish()


def test_it_may_be_longer_than_that_of_the_connection() -> None:
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.hear()
        assert go_on.wait(10)
        talk.say(OK)
        silence(talk)

    with (
        ScriptedServer(script) as server,
        HTTPConnection(server.address, timeout=0.1) as connection,
    ):
        waiting = Thread(connection.request, "GET", "/", timeout=10)
        eventually(lambda: len(server.heard) == 1)
        waiting.join(0.3)
        go_on.set()
        assert waiting.finish() is None
        assert connection.get_response().read() == b"ok"


@pytest.mark.parametrize("given", ["timeout", "total_timeout"])
def test_who_waits_for_the_answer_to_another_does_so_in_its_own_time(given: str) -> None:
    with ScriptedServer(silence) as server, HTTPConnection(server.address) as connection:
        first = Thread(connection.request, "GET", "/slow")
        eventually(lambda: len(server.heard) == 1)
        second = Thread(connection.request, "GET", "/", **{given: 0.05})
        with pytest.raises(TimeoutError, match=r"waiting for the first answer .* than 0\.05 s"):
            second.finish()
        connection.close()
        with pytest.raises(ConnectionError):
            first.finish()


def test_the_impatience_of_one_request_is_not_that_of_another() -> None:
    def script(talk: Talk) -> None:
        if talk.number == 1:
            silence(talk)
        talk.hear()
        talk.say(OK)
        silence(talk)

    with (
        ScriptedServer(script) as server,
        HTTPConnection(server.address, timeout=10) as connection,
    ):
        first = Thread(connection.request, "GET", "/slow", timeout=0.3)
        eventually(lambda: len(server.heard) == 1)
        second = Thread(connection.request, "GET", "/")
        with pytest.raises(TimeoutError, match="/slow"):
            first.finish()
        # It was never sent, and is on another connection now.
        second.finish()
        assert server.heard[1].target == "/"


def test_the_class_of_a_response_follows_the_version() -> None:
    assert HTTP11Response.version == 11 and HTTP20Response.version == 20
