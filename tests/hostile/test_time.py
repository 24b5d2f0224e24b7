"""A timeout is the longest silence of one request; what others say is no progress of its own.

Each server here keeps the connection busy with everything but what was asked for. A request that
should have been given up and is not hangs until the scene ends, and fails there: no test judges how
long anything took, but that it was not sooner than it was told.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from hyper import HTTP11Connection, HTTP20Connection
from hyper.common.exchange import Exchange
from hyper.http20.exceptions import ErrorCode
from hyper.sync.pump import Pump

from ..certificates import Certificates
from ..peer import OK, frame
from .doors import HTTP2_DOORS, Kind
from .peer import DEADLINE, PATIENCE, Scene, Stage, Talk

#: Seconds that the clients here wait.
TIMEOUT = 0.3


def timed_out(play: Scene, ask: Callable[[], object] | None = None, says: str = "") -> None:
    """``ask()`` raises TimeoutError, and not before its time."""
    began = monotonic()
    with pytest.raises(TimeoutError, match=f"{play.address}: .*{says}"):
        (ask or play.ask)()
    took = monotonic() - began
    assert TIMEOUT <= took < DEADLINE / 4, took


def for_ever(talk: Talk, say: Callable[[], object]) -> None:
    """Say it every few milliseconds until a request comes that asks for the next thing."""
    while True:
        say()
        talk.wire.socket.settimeout(0.02)
        try:
            asked = talk.hear_request()
        except TimeoutError:
            continue
        finally:
            talk.wire.socket.settimeout(PATIENCE)
        talk.answer(asked.stream_id, b"connection 1")
        talk.serve()


# --- what is no progress -----------------------------------------------------------------------


def pings(talk: Talk, at: int) -> Callable[[], object]:
    return talk.ping


def settings(talk: Talk, at: int) -> Callable[[], object]:
    return talk.settings


def window_updates(talk: Talk, at: int) -> Callable[[], object]:
    return lambda: (talk.window_update(0, 1), talk.frame("WINDOW_UPDATE", 0, at, b"\0\0\0\1"))


def interim(talk: Talk, at: int) -> Callable[[], object]:
    return lambda: talk.headers(at, [(":status", "103"), ("link", "</style.css>")])


def unknown_frames(talk: Talk, at: int) -> Callable[[], object]:
    return lambda: talk.frame(0xFA, 0, at, b"anything")


def priorities(talk: Talk, at: int) -> Callable[[], object]:
    return lambda: talk.priority(at)


def empty_data(talk: Talk, at: int) -> Callable[[], object]:
    return lambda: talk.data(at, b"")


def padding(talk: Talk, at: int) -> Callable[[], object]:
    return lambda: talk.data(at, b"", padding=5)


NOISE = [pings, settings, window_updates, interim, unknown_frames, priorities]
NOISE_IN_BODIES = [pings, settings, window_updates, unknown_frames, priorities, empty_data, padding]


@pytest.mark.parametrize("noise", NOISE)
def test_what_is_no_head_does_not_put_off_the_timeout(
    scene: Stage, noise: Callable[[Talk, int], Callable[[], object]]
) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        for_ever(talk, noise(talk, asked.stream_id))

    with scene(script, timeout=TIMEOUT) as play:
        timed_out(play, says="no response head")
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()


@pytest.mark.parametrize("noise", NOISE_IN_BODIES)
def test_what_is_no_body_does_not_put_off_the_timeout(
    scene: Stage, noise: Callable[[Talk, int], Callable[[], object]]
) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, OK)
        talk.data(asked.stream_id, b"the beginning")
        for_ever(talk, noise(talk, asked.stream_id))

    with scene(script, timeout=TIMEOUT) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        timed_out(play, response.read, "no more of the response body")
        for _ in range(2):
            # It stays an error, and what had come is in it.
            with pytest.raises(TimeoutError) as caught:
                response.read()
            assert caught.value.partial == b"the beginning"  # type: ignore[attr-defined]
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()


@pytest.mark.parametrize("noise", [pings, interim])
@pytest.mark.parametrize("door", HTTP2_DOORS)
def test_no_door_waits_for_ever(
    scene: Stage,
    certificates: Certificates,
    door: Kind,
    noise: Callable[[Talk, int], Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        for_ever(talk, noise(talk, asked.stream_id))

    monkeypatch.setattr("tests.hostile.doors.PATIENCE", TIMEOUT)
    with (
        scene(script, then=script) as play,
        door(play.port, certificates.authority) as caller,
    ):
        with pytest.raises(caller.errors):
            pytest.fail(f"an answer came: {caller.ask()}")
        assert sum(talk.counts["HEADERS"] for talk in play.talks) == 1


def test_the_frames_of_other_streams_are_no_progress(scene: Stage) -> None:
    """One response after the other goes through while ours does not come."""

    def script(talk: Talk) -> None:
        ids = [talk.hear_request().stream_id for _ in range(2)]
        talk.headers(ids[0], OK)
        talk.wire.socket.settimeout(0.02)
        while not any(each.name == "RST_STREAM" and each.stream_id == 1 for each in talk.record):
            talk.data(ids[0], b"progress")
            with contextlib.suppress(TimeoutError):
                talk.hear("RST_STREAM", stream_id=1)

    with scene(script, timeout=TIMEOUT) as play:
        stop = threading.Event()
        # On a busy machine its server may pause for longer than the other one waits.
        busy = play.client.request("GET", "/busy", timeout=PATIENCE)
        ours = play.client.request("GET", "/ours")
        lively = play.client.get_response(busy)

        def read() -> None:
            while not stop.is_set():
                assert lively.read(8) == b"progress"

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        timed_out(play, lambda: play.client.get_response(ours), "no response head")
        stop.set()
        reader.join(PATIENCE)
        assert lively.read(8) == b"progress", "the other one goes on"
        play.heard("RST_STREAM", stream_id=3, error_code=ErrorCode.CANCEL)
        play.never_heard("RST_STREAM", stream_id=1)
        lively.close()


@pytest.mark.parametrize("what", ["HEADERS", "DATA", "PING"])
def test_single_octets_of_an_unfinished_frame_are_no_progress(scene: Stage, what: str) -> None:
    """The reader keeps its place: the late rest is never taken for something else."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        if what == "DATA":
            talk.headers(asked.stream_id, OK)
            octets = frame("DATA", 1, asked.stream_id, b"too late" * 100)
        elif what == "PING":
            octets = frame("PING", 0, 0, b"too late") * 100
        else:
            fields = [*OK, ("x-slow", "too late" * 100)]
            octets = frame("HEADERS", 5, asked.stream_id, talk.block(fields))
        gave_up = False
        for at in range(len(octets)):
            talk.raw(octets[at : at + 1])
            if not gave_up:
                talk.pause(0.01)
                gave_up = given_up.is_set()
        talk.serve()

    given_up = threading.Event()
    with scene(script, timeout=TIMEOUT) as play:
        play.client.request("GET", "/")
        if what == "DATA":
            response = play.client.get_response()
            timed_out(play, response.read, "no more of the response body")
        else:
            timed_out(play, play.client.get_response, "no response head")
        given_up.set()
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()


def test_the_late_rest_never_leaks_into_the_next_answer(scene: Stage) -> None:
    """A head, a body, trailers and resets, all for a stream that was given up."""

    def script(talk: Talk) -> None:
        late = talk.hear_request().stream_id
        talk.hear("RST_STREAM", stream_id=late)
        asked = talk.hear_request()
        with talk.one_read():
            talk.headers(late, [*OK, ("x-late", "yes")])
            talk.data(late, b"too late")
            talk.headers(late, [("x-late", "trailer")], end=True)
            talk.rst_stream(late, ErrorCode.NO_ERROR)
            talk.window_update(late, 1)
            talk.answer(asked.stream_id, b"in time")
        talk.serve()

    with scene(script, timeout=TIMEOUT) as play:
        timed_out(play)
        play.client.request("GET", "/next")
        response = play.client.get_response()
        assert (response.read(), response.getheader("x-late")) == (b"in time", None)
        play.usable()


def test_progress_puts_the_timeout_off(scene: Stage) -> None:
    """A body that takes six times as long as the timeout, a piece at a time, arrives."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, OK)
        for _ in range(12):
            talk.pause(TIMEOUT / 2)
            talk.data(asked.stream_id, b"piece ")
        talk.data(asked.stream_id, b"end", end=True)
        talk.serve()

    with scene(script, timeout=3 * TIMEOUT) as play:
        assert play.ask() == (200, b"piece " * 12 + b"end")
        play.usable()


# --- where it holds ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_it_holds_for_connecting(kind: Any) -> None:
    """A listener whose queue is full: the kernel lets nobody else in."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        try:
            connection = kind(f"127.0.0.1:{listener.getsockname()[1]}", timeout=TIMEOUT)
            began = monotonic()
            with pytest.raises(TimeoutError, match=r"127\.0\.0\.1"):
                connection.request("GET", "/")
            assert TIMEOUT <= monotonic() - began < DEADLINE / 4
        finally:
            for filler in fillers:
                filler.close()


def silent_server(says: bytes = b"", every: float = 0.02) -> tuple[socket.socket, threading.Thread]:
    """Accepts, and says those octets one by one, without end; or nothing at all."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        over = threading.Event()
        with client:
            client.settimeout(every)
            at = 0
            while True:
                try:
                    if not client.recv(65_536):
                        return
                except TimeoutError:
                    pass
                except OSError:
                    return
                if says:
                    try:
                        client.sendall(says[at % len(says) :][:1])
                    except OSError:
                        return
                    at += 1
                over.wait(every / 2)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener, thread


#: The head of a TLS record of handshake, as large as they get, and what may be in it.
ENDLESS_RECORD = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb" + bytes(16_000)


@pytest.mark.parametrize("says", [b"", ENDLESS_RECORD], ids=["silence", "octet by octet"])
@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_it_holds_for_the_tls_handshake(certificates: Certificates, kind: Any, says: bytes) -> None:
    listener, thread = silent_server(says)
    with listener:
        connection = kind(
            f"localhost:{listener.getsockname()[1]}",
            secure=True,
            ssl_context=certificates.client_context(),
            timeout=TIMEOUT,
        )
        began = monotonic()
        with pytest.raises(TimeoutError, match="localhost"):
            connection.request("GET", "/")
        assert TIMEOUT <= monotonic() - began < DEADLINE / 4
    thread.join(PATIENCE)


@pytest.mark.parametrize(
    "says",
    [b"", b"HTTP/1.1 200 OK\r\nx-filler: " + b"x" * 10_000],
    ids=["silence", "octet by octet"],
)
def test_it_holds_for_a_proxys_answer(certificates: Certificates, says: bytes) -> None:
    listener, thread = silent_server(says)
    with listener:
        connection = HTTP20Connection(
            "example.org",
            443,
            proxy_host="127.0.0.1",
            proxy_port=listener.getsockname()[1],
            ssl_context=certificates.client_context(),
            timeout=TIMEOUT,
        )
        began = monotonic()
        with pytest.raises(TimeoutError, match=r"127\.0\.0\.1|example\.org"):
            connection.request("GET", "/")
        assert TIMEOUT <= monotonic() - began < DEADLINE / 4
    thread.join(PATIENCE)


@pytest.mark.parametrize("noise", [pings, settings, unknown_frames])
def test_it_holds_for_an_upload_that_gets_no_room(
    scene: Stage, noise: Callable[[Talk, int], Callable[[], object]]
) -> None:
    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=10)
        asked = talk.hear_request()
        for_ever(talk, noise(talk, asked.stream_id))

    with scene(script, timeout=TIMEOUT) as play:
        timed_out(play, lambda: play.ask("/", "POST", body=bytes(70_000)), "no room to send")
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()


def test_room_that_is_given_to_others_is_no_progress(scene: Stage) -> None:
    """The connection's window opens, and this stream's does not."""

    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=10)
        talk.hear_request()
        for_ever(talk, lambda: talk.window_update(0, 10))

    with scene(script, timeout=TIMEOUT) as play:
        timed_out(play, lambda: play.ask("/", "POST", body=bytes(70_000)), "no room to send")
        play.usable()


def test_room_that_another_upload_takes_first_is_no_progress(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both wait for the connection's window. Each time it opens the other one is the quicker."""

    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=2**31 - 1)
        talk.hear_request()
        talk.hear_request()
        for_ever(talk, lambda: talk.window_update(0, 100))

    send_body = Pump.send_body

    def robbed(pump: Pump, exchange: Exchange, *rest: Any, **more: Any) -> int:
        greedy = play.client._pump.protocol.streams[1]
        if exchange is not greedy:
            send_body(pump, greedy, bytes(70_000), False)
            return 0
        return send_body(pump, exchange, *rest, **more)

    with scene(script, timeout=TIMEOUT) as play:
        play.client.putrequest("POST", "/greedy")
        play.client.endheaders()
        monkeypatch.setattr(Pump, "send_body", robbed)
        timed_out(play, lambda: play.ask("/", "POST", body=bytes(70_000)), "no room to send")
        monkeypatch.undo()
        play.heard("RST_STREAM", stream_id=3, error_code=ErrorCode.CANCEL)
        play.heard("DATA", stream_id=1)
        play.never_heard("DATA", stream_id=3)


@pytest.mark.parametrize("body", [None, b"octets"], ids=["GET", "POST"])
def test_it_holds_for_a_free_stream(scene: Stage, body: bytes | None) -> None:
    """§5.1.2: the one stream there is stays taken; nothing is sent of who waits for it."""

    def script(talk: Talk) -> None:
        talk.greet(max_concurrent_streams=1)
        first = talk.hear_request()
        talk.headers(first.stream_id, OK)
        talk.hear("RST_STREAM", stream_id=first.stream_id)
        talk.serve()

    with scene(script, timeout=TIMEOUT) as play:
        play.client.request("GET", "/first")
        response = play.client.get_response()
        method = "POST" if body else "GET"
        timed_out(play, lambda: play.ask("/", method, body=body), "no free stream")
        assert play.talks[0].counts["HEADERS"] == 1
        response.close()
        assert play.ask() == (200, b"connection 1")
        assert play.talks[0].counts["HEADERS"] == 2, "who was given up was never sent"


def test_it_holds_for_settings_that_never_come(scene: Stage) -> None:
    """A server that accepts and says nothing at all, to a burst."""
    with scene(lambda talk: talk.listen(), timeout=TIMEOUT) as play:
        for each in play.crowd(5):
            assert isinstance(each, TimeoutError), each
        names = [each.name for each in play.talks[0].record]
        at_once = 0
        for name in names:
            at_once += (name == "HEADERS") - (name == "RST_STREAM")
            assert at_once <= 1, names


@pytest.mark.parametrize("http1", [False, True], ids=["HTTP/2", "HTTP/1.1"])
def test_it_holds_for_writing_to_who_does_not_read(scene: Stage, http1: bool) -> None:
    def script(talk: Talk) -> None:
        if http1:
            talk._until(b"\r\n\r\n")
        else:
            talk.greet(initial_window_size=2**31 - 1)
            talk.window_update(0, 2**30)
            talk.ping(talk.hear("PING").opaque, ack=True)
            talk.hear_request()
        talk.deaf()

    with scene(script, http1=http1, timeout=TIMEOUT, receive_buffer=4096) as play:
        if not http1:
            play.client.ping()
        body = bytes(64 << 20)
        timed_out(play, lambda: play.ask("/", "POST", body=body), "no (progress in writing|room)")


def test_each_request_has_its_own(scene: Stage) -> None:
    """The short one is given up; the long one, on the same connection, is not disturbed."""

    def script(talk: Talk) -> None:
        long, short = talk.hear_request().stream_id, talk.hear_request().stream_id
        talk.hear("RST_STREAM", stream_id=short)
        talk.pause(TIMEOUT)
        talk.answer(long, b"in good time")
        talk.serve()

    with scene(script, timeout=PATIENCE) as play:
        long = play.client.request("GET", "/long")
        short = play.client.request("GET", "/short", timeout=TIMEOUT)
        timed_out(play, lambda: play.client.get_response(short), "no response head")
        assert play.client.get_response(long).read() == b"in good time"
        play.usable()


# --- HTTP/1.1 ----------------------------------------------------------------------------------


def drips(octets: bytes) -> Callable[[Talk], None]:
    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.drip(octets, 0.01)
        talk.pause(DEADLINE)

    return script


ENDLESS: dict[str, bytes] = {
    "nothing": b"",
    "a head octet by octet": b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 60_000,
    "interim heads": b"HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n" * 90,
    "a chunk's size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"0" * 15,
    "an extension": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"x" * 4000,
    "trailers": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 200,
}


@pytest.mark.parametrize("octets", ENDLESS.values(), ids=ENDLESS)
def test_octets_that_come_to_nothing_are_no_progress_over_http_1(
    scene: Stage, octets: bytes
) -> None:
    with scene(drips(octets), http1=True, timeout=TIMEOUT) as play:
        timed_out(play)
        play.renewed()


def test_octets_of_a_body_are_progress_over_http_1(scene: Stage) -> None:
    body = b"slowly" * 30
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)

    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(head)
        talk.drip(body, 0.01)
        talk.serve()

    with scene(script, http1=True, timeout=3 * TIMEOUT) as play:
        assert play.ask() == (200, body)
        play.usable()


# --- in all ------------------------------------------------------------------------------------


def asked_within(play: Scene, total: float, method: str = "GET", body: Any = None) -> bytes:
    key = play.client.request(method, "/", body, total_timeout=total)
    octets: bytes = play.client.get_response(key).read()
    return octets


def slow_body(talk: Talk) -> None:
    asked = talk.hear_request()
    talk.headers(asked.stream_id, OK)
    for_ever(talk, lambda: talk.data(asked.stream_id, b"progress"))


def slow_head(talk: Talk) -> None:
    """So slow that each wait alone would be in time."""
    talk.hear_request()
    for_ever(talk, talk.ping)


def slow_windows(talk: Talk) -> None:
    talk.greet(initial_window_size=10)
    asked = talk.hear_request()
    for_ever(talk, lambda: talk.window_update(asked.stream_id, 10))


@pytest.mark.parametrize("timeout", [PATIENCE, None])
@pytest.mark.parametrize("script", [slow_head, slow_body, slow_windows])
def test_a_request_may_be_given_an_end_however_much_progress_it_makes(
    scene: Stage, script: Any, timeout: float | None
) -> None:
    body = bytes(60_000) if script is slow_windows else None
    with scene(script, timeout=timeout) as play:
        says = f"the {TIMEOUT:g} s for the whole request"
        timed_out(play, lambda: asked_within(play, TIMEOUT, "POST" if body else "GET", body), says)
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()


def test_an_end_counts_even_if_octets_are_always_there(scene: Stage) -> None:
    """The reader never waits, and so never looks at a clock, but for this."""

    def script(talk: Talk) -> None:
        stream_id = talk.hear_request().stream_id
        talk.headers(stream_id, OK)
        while not any(each.name == "RST_STREAM" for each in talk.record):
            while min(talk.granted, talk.window_of(stream_id)) < 16_000:
                talk._read()
                talk._frames.clear()
                if any(each.name == "RST_STREAM" for each in talk.record):
                    break
                talk.wire.more()
            talk.data(stream_id, bytes(16_000))
        talk.answer(talk.hear_request().stream_id, b"connection 1")
        talk.serve()

    with scene(script) as play:
        key = play.client.request("GET", "/", total_timeout=TIMEOUT)
        response = play.client.get_response(key)
        with pytest.raises(TimeoutError, match=r"no end of the response body .* whole request"):
            pytest.fail(f"{sum(map(len, response))} octets came to an end")
        with pytest.raises(TimeoutError):
            response.read(1)
        play.usable()


def test_a_request_that_is_done_in_time_has_all_of_it(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        while True:
            stream_id = talk.hear_request().stream_id
            with talk.one_read():
                talk.answer(stream_id, b"connection 1")

    with scene(script) as play:
        for _ in range(3):
            assert asked_within(play, PATIENCE) == b"connection 1"
        key = play.client.request("GET", "/", total_timeout=TIMEOUT)
        response = play.client.get_response(key)
        threading.Event().wait(2 * TIMEOUT)
        assert response.read() == b"connection 1", "it had arrived in time"


def test_an_end_is_kept_when_a_request_is_sent_again(scene: Stage) -> None:
    """It counts from the first time on."""

    def refuse(talk: Talk) -> None:
        talk.hear_request()
        talk.pause(TIMEOUT / 2)
        talk.goaway(0)

    def silence(talk: Talk) -> None:
        talk.hear_request()

    with scene(refuse, then=silence, timeout=PATIENCE) as play:
        timed_out(play, lambda: asked_within(play, 3 * TIMEOUT), "for the whole request")
        assert play.connections == 2


def test_an_end_holds_for_connecting_and_only_for_who_asked_for_it(
    certificates: Certificates,
) -> None:
    """Who waits for the same connection, and has more time, is not given up with it."""
    listener, thread = silent_server()
    with listener:
        connection = HTTP20Connection(
            f"localhost:{listener.getsockname()[1]}",
            secure=True,
            ssl_context=certificates.client_context(),
            timeout=3 * TIMEOUT,
        )
        waited: list[float] = []

        def patient() -> None:
            began = monotonic()
            with pytest.raises(TimeoutError, match="localhost"):
                connection.request("GET", "/")
            waited.append(monotonic() - began)

        other = threading.Thread(target=patient, daemon=True)
        threading.Timer(TIMEOUT / 3, other.start).start()
        began = monotonic()
        with pytest.raises(TimeoutError, match="localhost"):
            connection.request("GET", "/", total_timeout=TIMEOUT)
        assert TIMEOUT <= monotonic() - began < DEADLINE / 4
        other.join(PATIENCE)
        assert waited[0] >= 3 * TIMEOUT
    thread.join(PATIENCE)


def test_an_end_holds_over_http_1(scene: Stage) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    with scene(drips(head + bytes(1000)), http1=True, timeout=PATIENCE) as play:
        timed_out(play, lambda: asked_within(play, TIMEOUT), "for the whole request")
        play.renewed()


@pytest.mark.parametrize("total", [0, -1])
def test_an_end_is_more_than_nothing(total: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        HTTP20Connection("h").request("GET", "/", total_timeout=total)
