"""Goodbyes and refusals: what finishes, what is sent again, what never is (RFC 9113 §6.8, §8.7).

A request is sent again only where the server surely did not process it, or where it may be done
twice; and never on a connection that has said goodbye.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

import hyper.client
from hyper import HTTPConnection
from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error, StreamResetError

from ..certificates import Certificates
from ..peer import OK
from ..servers import InProcessServer
from ..threads.gated import eventually
from .doors import (
    HTTP2_DOORS,
    Answer,
    DropIn,
    Httpx,
    Kind,
    Native,
    Native20,
    Requests,
    Urllib3,
)
from .peer import PATIENCE, Scene, Script, Stage, Talk

#: Fits one frame, so that it can be said back.
BODY = b"what is to be done once" * 690


def bodies(play: Scene, method: bytes | str = "POST") -> list[str]:
    """The paths of the requests of this method that reached the server, on any connection."""
    return [
        dict(each.headers)[":path"]
        for talk in play.talks
        for each in talk.record
        if each.name == "HEADERS" and each.headers and dict(each.headers)[":method"] == method
    ]


def echo(talk: Talk) -> None:
    """Answer every request with its body."""
    while True:
        asked = talk.hear_request()
        body = b"" if asked.end_stream else talk.hear_body(asked.stream_id)
        talk.answer(asked.stream_id, body or talk.name.encode())


# --- goodbyes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [ErrorCode.NO_ERROR, ErrorCode.ENHANCE_YOUR_CALM])
def test_what_a_goodbye_covers_finishes(scene: Stage, code: int) -> None:
    """§6.8: streams up to the last go on; whoever asks anew asks on a new connection."""
    said = threading.Event()

    def script(talk: Talk) -> None:
        ids = [talk.hear_request().stream_id for _ in range(3)]
        talk.headers(ids[0], OK)
        talk.goaway(ids[-1], code)
        said.set()
        talk.data(ids[0], b"first", end=True)
        talk.pause(0.1)
        for stream_id in ids[1:]:
            talk.answer(stream_id, b"stream %d" % stream_id)

    with scene(script) as play:
        keys = [play.client.request("GET", f"/{number}") for number in range(3)]
        assert play.client.get_response(keys[0]).read() == b"first"
        assert said.wait(PATIENCE)
        assert play.ask("/anew") == (200, b"connection 2")
        for key in keys[1:]:
            assert play.client.get_response(key).read() == b"stream %d" % key
        assert play.talks[0].counts["HEADERS"] == 3


def test_a_goodbye_in_two_steps(scene: Stage) -> None:
    """§6.8: first 2^31-1, so that what is on its way counts; then the last one that did."""

    def script(talk: Talk) -> None:
        ids = [talk.hear_request().stream_id for _ in range(3)]
        talk.goaway(2**31 - 1, ErrorCode.NO_ERROR)
        talk.pause(0.05)
        talk.goaway(ids[1], ErrorCode.NO_ERROR)
        for stream_id in ids[:2]:
            talk.answer(stream_id, b"the old one")

    with scene(script) as play:
        answers = play.crowd(3)
        assert sorted(answers, key=str) == [(200, b"connection 2"), *[(200, b"the old one")] * 2]
        assert [talk.counts["HEADERS"] for talk in play.talks] == [3, 1]


def goodbye(talk: Talk) -> None:
    talk.goaway(0)


def end(talk: Talk) -> None:
    talk.close_notify()
    talk.fin()


IDLE = {"GOAWAY": goodbye, "end": end, "FIN": Talk.fin, "RST": Talk.reset}


@pytest.mark.parametrize("ending", IDLE.values(), ids=IDLE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_is_sent_on_a_connection_that_ended_while_it_was_idle(
    scene: Stage, ending: Callable[[Talk], object], method: str
) -> None:
    """Not even a POST is lost by it."""
    ended = threading.Event()

    def script(talk: Talk) -> None:
        talk.answer(talk.hear_request().stream_id, b"first")
        ending(talk)
        ended.set()

    with scene(script, then=echo) as play:
        assert play.ask() == (200, b"first")
        assert ended.wait(PATIENCE)
        threading.Event().wait(0.05)  # the network's own time
        body = BODY if method == "POST" else None
        assert play.ask("/", method, body=body) == (200, body or b"connection 2")
        assert play.talks[0].counts["HEADERS"] == 1
        assert play.connections == 2


# --- sent again --------------------------------------------------------------------------------

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "MKCOL"]


def not_processed(talk: Talk) -> None:
    talk.hear_request()
    talk.goaway(0, ErrorCode.NO_ERROR)


def refused(talk: Talk) -> None:
    talk.rst_stream(talk.hear_request().stream_id, ErrorCode.REFUSED_STREAM)
    talk.window_update(0, 65_535)
    echo(talk)


@pytest.mark.parametrize("script", [not_processed, refused])
@pytest.mark.parametrize("method", METHODS)
def test_what_was_surely_not_processed_is_sent_again_whatever_the_method(
    scene: Stage, script: Script, method: str
) -> None:
    """§8.7"""
    body = None if method in ("GET", "DELETE") else BODY
    with scene(script, then=echo) as play:
        status, answer = play.ask("/", method, body=body)
        assert (status, answer) == (200, body or b"connection %d" % play.connections)
        assert bodies(play, method) == ["/", "/"]
        assert play.connections == (2 if script is not_processed else 1)


@pytest.mark.parametrize("script", [not_processed, refused])
def test_a_file_is_sent_again_from_where_it_began(scene: Stage, script: Script) -> None:
    file = io.BytesIO(b"not this" + BODY)
    file.seek(8)
    with scene(script, then=echo) as play:
        assert play.ask("/", "POST", body=file) == (200, BODY)


@pytest.mark.parametrize("script", [not_processed, refused])
def test_a_body_that_can_be_made_once_only_is_not_sent_again(scene: Stage, script: Script) -> None:
    """The error says that the caller may."""

    def pieces() -> Iterator[bytes]:
        yield BODY

    with scene(script, then=echo) as play:
        with pytest.raises((ConnectionError, StreamResetError)) as caught:
            play.ask("/", "POST", body=pieces())
        assert caught.value.retryable
        assert play.ask("/", "POST", body=pieces()) == (200, BODY)
        assert len(bodies(play)) == 2


def test_who_is_refused_again_is_told_so(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        while True:
            talk.rst_stream(talk.hear_request().stream_id, ErrorCode.REFUSED_STREAM)

    with scene(script) as play:
        error = play.fails(StreamResetError, "REFUSED_STREAM", ErrorCode.REFUSED_STREAM)
        assert error.retryable
        assert play.talks[0].counts["HEADERS"] == 2
        assert play.connections == 1


def test_servers_that_only_ever_say_goodbye_are_not_asked_for_ever(scene: Stage) -> None:
    with scene(not_processed, then=not_processed) as play:
        error = play.fails(ConnectionError, "GOAWAY NO_ERROR with last stream 0", 0)
        assert error.retryable
        assert play.connections == 2

    def at_once(talk: Talk) -> None:
        talk.greet()
        talk.goaway(0)

    with scene(at_once, then=at_once) as play:
        error = play.fails(ConnectionError, "GOAWAY")
        assert error.retryable
        assert play.connections <= 4


def test_an_upload_that_waits_for_room_moves_on_with_its_whole_body(scene: Stage) -> None:
    """The third walk of the architecture: GOAWAY while flow control holds an upload up."""

    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=10)
        first = talk.hear_request().stream_id
        upload = talk.hear_request().stream_id
        talk.hear("DATA", stream_id=upload)
        talk.goaway(first)
        talk.answer(first, b"finished")

    with scene(script, then=echo) as play:
        key = play.client.request("GET", "/")
        assert play.ask("/", "POST", body=BODY) == (200, BODY)
        assert play.client.get_response(key).read() == b"finished"


def test_a_crowd_survives_a_server_that_shuts_down(scene: Stage) -> None:
    """Twenty threads, seven streams, a goodbye after five answers. Nobody loses anything."""

    def script(talk: Talk) -> None:
        talk.greet(max_concurrent_streams=7)
        for number in range(5):
            asked = talk.hear_request()
            if number == 4:
                talk.goaway(asked.stream_id)
            talk.answer(asked.stream_id, dict(asked.headers or ())[":path"].encode())

    with scene(script) as play:
        answers = play.crowd(20, "/crowd")
        assert sorted(answers, key=str) == [*[(200, b"/crowd")] * 5, *[(200, b"connection 2")] * 15]
        assert play.connections == 2


# --- never sent again --------------------------------------------------------------------------


def covered(talk: Talk, at: int) -> None:
    talk.goaway(at, ErrorCode.INTERNAL_ERROR)
    end(talk)


CUTS: dict[str, Callable[[Talk, int], object]] = {
    "end": lambda talk, at: end(talk),
    "FIN": lambda talk, at: talk.fin(),
    "RST": lambda talk, at: talk.reset(),
    "GOAWAY that covers it": covered,
    "reset": lambda talk, at: talk.rst_stream(at, ErrorCode.INTERNAL_ERROR),
    "cancelled": lambda talk, at: talk.rst_stream(at, ErrorCode.CANCEL),
    "connection error": lambda talk, at: talk.frame("PING", 0, at, bytes(8)),
    "refused after its head": lambda talk, at: (
        talk.headers(at, OK),
        talk.rst_stream(at, ErrorCode.REFUSED_STREAM),
    ),
}


def after_a_request(what: Callable[[Talk, int], object], *, reused: bool) -> Script:
    def script(talk: Talk) -> None:
        if reused:
            talk.answer(talk.hear_request().stream_id, b"first")
        asked = talk.hear_request()
        if not asked.end_stream:
            talk.hear_body(asked.stream_id)
        what(talk, asked.stream_id)

    return script


@pytest.mark.parametrize("reused", [False, True], ids=["new", "reused"])
@pytest.mark.parametrize("what", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("door", HTTP2_DOORS)
def test_a_post_that_may_have_been_processed_is_never_sent_again(
    scene: Stage,
    certificates: Certificates,
    door: Kind,
    what: Callable[[Talk, int], object],
    reused: bool,
) -> None:
    """Through any door: it would be done twice, and nobody would know."""
    with (
        scene(after_a_request(what, reused=reused)) as play,
        door(play.port, certificates.authority) as caller,
    ):
        if reused:
            assert caller.ask().body == b"first"
        with pytest.raises(caller.errors) as caught:
            pytest.fail(f"the answer to something else: {caller.ask('/once', 'POST', body=BODY)}")
        assert bodies(play) == ["/once"]
        assert not getattr(caught.value, "retryable", False)
        del caught  # whose traceback holds the caller


@pytest.mark.parametrize("script", [not_processed, refused])
@pytest.mark.parametrize("door", HTTP2_DOORS)
def test_what_was_surely_not_processed_is_sent_again_or_said_so_by_every_door(
    scene: Stage, certificates: Certificates, door: Kind, script: Script
) -> None:
    with (
        scene(script, then=echo) as play,
        door(play.port, certificates.authority) as caller,
    ):
        if door is DropIn:
            # http.client sends nothing twice; who uses it decides.
            with pytest.raises(caller.errors) as caught:
                caller.ask("/", "POST", body=BODY)
            assert caught.value.retryable  # type: ignore[attr-defined]
        assert caller.ask("/", "POST", body=BODY).body == BODY
        assert bodies(play) == ["/", "/"]


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH"])
def test_where_a_used_connection_ends_without_a_word_nothing_is_sent_again(
    scene: Stage, method: str
) -> None:
    """A server has GOAWAY to say what it did not process; without it, the caller decides."""
    body = None if method == "GET" else BODY
    with scene(after_a_request(CUTS["end"], reused=True), then=echo) as play:
        assert play.ask() == (200, b"first")
        error = play.fails(ConnectionError, "closed", ask=lambda: play.ask("/", method, body=body))
        assert not error.retryable
        assert play.connections == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH"])
def test_over_http_1_the_idempotent_go_on_then(scene: Stage, method: str) -> None:
    """RFC 9112 §9.3.1: there a server has no other way to end an idle connection."""
    body = None if method == "GET" else b"body"

    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst")
        talk.hear_http1()
        end(talk)

    with scene(script, http1=True) as play:
        assert play.ask() == (200, b"first")
        if method in ("GET", "PUT"):
            assert play.ask("/", method, body=body) == (200, b"connection 2")
        else:
            with pytest.raises(ConnectionError.__mro__[2], match="closed"):
                play.ask("/", method, body=body)
            assert play.connections == 1


# --- the wrong server, the wrong version -------------------------------------------------------


def test_421_is_an_answer_and_is_not_asked_again(scene: Stage) -> None:
    """RFC 9110 §15.5.20 lets a client ask elsewhere; ours has nowhere else to ask."""

    def script(talk: Talk) -> None:
        while True:
            asked = talk.hear_request()
            talk.answer(asked.stream_id, b"not me", [(":status", "421")])

    with scene(script, then=script) as play:
        assert play.ask() == (421, b"not me")
        assert (play.connections, play.talks[0].counts["HEADERS"]) == (1, 1)


def http_1_please(talk: Talk) -> None:
    if talk.http1:
        talk.serve()
    while True:
        talk.rst_stream(talk.hear_request().stream_id, ErrorCode.HTTP_1_1_REQUIRED)


@pytest.mark.parametrize("door", HTTP2_DOORS)
def test_who_is_told_to_speak_http_1_does_not_ask_in_http_2_for_ever(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """§7: HTTP_1_1_REQUIRED, once or every time."""
    with (
        scene(http_1_please, then=http_1_please, alpn=("h2", "http/1.1")) as play,
        door(play.port, certificates.authority) as caller,
    ):
        try:
            answer = caller.ask()
        except caller.errors as error:
            assert "HTTP_1_1_REQUIRED" in str(error)
        else:
            assert answer.status == 200
        asked = sum(talk.counts["HEADERS"] for talk in play.talks)
        assert asked == 1
        assert play.connections <= 2


# --- our own end -------------------------------------------------------------------------------


def test_closing_fails_what_was_never_sent_as_such_and_sends_it_nowhere(scene: Stage) -> None:
    asked = threading.Event()

    def script(talk: Talk) -> None:
        talk.greet(max_concurrent_streams=1)
        talk.hear_request()
        asked.set()

    with scene(script) as play:
        results: list[Any] = []
        crowd = threading.Thread(target=lambda: results.extend(play.crowd(5)), daemon=True)
        crowd.start()
        assert asked.wait(PATIENCE)
        eventually(lambda: len(play.client._pump.protocol._queue) == 4)
        play.client.close()
        crowd.join(PATIENCE)
        assert sorted(each.retryable for each in results) == [False, *[True] * 4]
        assert all(type(each) is ConnectionError for each in results)
        assert play.connections == 1
        play.goaway(ErrorCode.NO_ERROR)
        assert play.ask() == (200, b"connection 2")


@pytest.mark.parametrize("late", [0, 0.2])
def test_a_burst_on_a_new_connection_keeps_to_whatever_limit_comes(
    scene: Stage, late: float
) -> None:
    """§5.1.2: servers may end the connection of who opens more streams than they allow."""

    def script(talk: Talk) -> None:
        first = talk.hear("HEADERS")
        talk.pause(late)
        talk.greet(max_concurrent_streams=2)
        talk.hear("SETTINGS", ack=True)
        names = [each.name for each in talk.record if each.name != "SETTINGS" or each.ack]
        assert "HEADERS" not in names[names.index("HEADERS") + 1 : names.index("SETTINGS")]
        talk._acknowledge()
        opened, answered = {first.stream_id}, 0
        while answered < 10:
            while len(opened) < min(2, 10 - answered):
                opened.add(talk.hear_request().stream_id)
            assert sum(each.name == "HEADERS" for each in talk.record) - answered <= 2
            talk.answer(opened.pop(), b"one by one")
            answered += 1

    with scene(script) as play:
        assert play.crowd(10) == [(200, b"one by one")] * 10
    with scene(script) as play:
        with play.client.together():
            keys = [play.client.request("GET", "/") for _ in range(10)]
        assert [play.client.get_response(key).read() for key in keys] == [b"one by one"] * 10


class Crowded(InProcessServer):
    """hypercorn, which ends the connection of who opens more streams than it allows (§5.1.2).

    callers  where requests came from: a port for each connection
    """

    def __init__(self, certificates: Certificates, allowed: int) -> None:
        self.callers: set[int] = set()
        super().__init__(certificates, self.answer, h2_max_concurrent_streams=allowed)

    async def answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        self.callers.add(scope["client"][1])
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})


class Sharing(DropIn):
    """``hyper.client`` as libraries use it: a connection for each thread, over one of HTTP/2's."""

    def open(self) -> None:
        self.context = hyper.client.create_default_context(cafile=str(self.trusts), share=True)

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        connection = hyper.client.HTTPSConnection(
            self.host, self.port, timeout=PATIENCE, context=self.context
        )
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def close(self) -> None:
        pass


@pytest.mark.parametrize("allowed", [1, 3])
@pytest.mark.parametrize(
    "door", [Native20, Native, Sharing, Requests, Urllib3, Httpx], ids=lambda door: door.__name__
)
def test_sixteen_threads_at_once_lose_nothing_to_a_server_that_allows_few_streams(
    certificates: Certificates, door: Kind, allowed: int
) -> None:
    """The first request of each connection is sent before its limit is known."""
    server = Crowded(certificates, allowed)
    wrong: list[Any] = []
    try:
        for turn in range(4):
            barrier = threading.Barrier(16)
            with door(server.port, certificates.authority) as caller:

                def ask(number: int, caller: Any = caller, barrier: Any = barrier) -> None:
                    barrier.wait(PATIENCE)
                    for again in range(3):
                        # Every other one has a body, which keeps its stream open for longer.
                        body = b"%d" % number * 3000 if number % 2 else None
                        try:
                            answer = caller.ask(f"/{number}/{again}", "PUT", (), body)
                        except Exception as error:
                            wrong.append((number, again, error))
                        else:
                            if answer.body != b"/%d/%d " % (number, again) + (body or b""):
                                wrong.append((number, again, answer))

                threads = [
                    threading.Thread(target=ask, args=(number,), daemon=True)
                    for number in range(16)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(3 * PATIENCE)
                assert not any(thread.is_alive() for thread in threads)
            assert wrong == []
            if door in (Native20, Native, Httpx):  # the others let go of what nobody holds
                assert len(server.callers) == turn + 1
    finally:
        server.stop()


def test_close_from_another_thread_ends_every_wait_at_once(scene: Stage) -> None:
    """Reading, uploading, waiting for a head: an error each, and nobody hangs."""

    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=10)
        for number in range(3):
            stream_id = talk.hear_request().stream_id
            if number == 0:
                talk.headers(stream_id, OK)
        started.set()

    started = threading.Event()
    with scene(script, kind=HTTPConnection) as play:
        caught: list[BaseException] = []

        def wait(what: Callable[[], object]) -> None:
            try:
                what()
            except BaseException as error:
                caught.append(error)

        play.client.request("GET", "/head")
        response = play.client.get_response()
        waits: list[Callable[[], object]] = [
            response.read,
            play.ask,
            lambda: play.ask("/", "POST", body=BODY),
        ]
        threads = [threading.Thread(target=wait, args=(what,), daemon=True) for what in waits]
        for thread in threads:
            thread.start()
        assert started.wait(PATIENCE)
        threading.Event().wait(0.1)
        play.client.close()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert [type(each) for each in caught] == [ConnectionError] * 3


def test_closing_a_response_from_another_thread_ends_the_wait_for_it(scene: Stage) -> None:
    """Its reader leads, and sleeps until the server says something; the server is made to."""

    def script(talk: Talk) -> None:
        talk.headers(talk.hear_request().stream_id, OK)
        opaque = talk.hear("PING").opaque
        talk.ping(opaque, ack=True)
        talk.serve()

    with scene(script) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()

        def close() -> None:
            eventually(lambda: play.client._pump._leader is not None)
            response.close()

        closer = threading.Thread(target=close, daemon=True)
        closer.start()
        play.fails(HTTP20Error, "stream 1 was cancelled here", ErrorCode.CANCEL, response.read)
        closer.join()
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()
