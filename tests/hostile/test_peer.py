"""The hostile server itself: what it says arrives, what it hears is recorded, it always ends."""

from __future__ import annotations

import socket
import threading

import pytest

from hyper import HTTPConnection
from hyper.http20.exceptions import ConnectionError, ErrorCode, ProtocolError

from ..peer import PREFACE, frame
from . import peer
from .peer import Scene, Stage, Talk, bounded

OK = [(":status", "200")]


def connection_header(talk: Talk) -> None:
    asked = talk.hear_request()
    assert (":path", "/") in (asked.headers or ())
    talk.headers(asked.stream_id, [*OK, ("connection", "close")], end=True)
    talk.serve()


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "cleartext"])
def test_a_stream_error_is_heard_and_the_connection_goes_on(scene: Stage, secure: bool) -> None:
    with scene(connection_header, secure=secure) as play:
        error = play.fails(ProtocolError, "§8.2.2", ErrorCode.PROTOCOL_ERROR)
        assert f"{play.address}: " in str(error)
        assert play.heard("RST_STREAM", stream_id=1).error_code == ErrorCode.PROTOCOL_ERROR
        play.never_heard("GOAWAY")
        play.usable()


def ping_on_a_stream(talk: Talk) -> None:
    talk.hear_request()
    talk.frame("PING", 0, 1, bytes(8))


def test_a_connection_error_is_heard_by_everybody(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        for _ in range(4):
            asked = talk.hear_request()
        ping_on_the_last = frame("PING", 0, asked.stream_id, bytes(8))
        talk.raw(ping_on_the_last)

    with scene(script) as play:
        for each in play.crowd(4):
            assert isinstance(each, ProtocolError), each
        assert "§6.7" in play.goaway(ErrorCode.PROTOCOL_ERROR).debug.decode()
        play.renewed()
        assert [talk.counts["HEADERS"] for talk in play.talks] == [4, 1]


def test_a_client_that_says_nothing_wrong_but_should_is_a_failure(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene(lambda talk: talk.serve()) as play:
        play.usable()
        monkeypatch.setattr(peer, "PATIENCE", 0.2)
        with pytest.raises(AssertionError, match=r"RST_STREAM .* was expected on connection 1"):
            play.heard("RST_STREAM", stream_id=1)
        with pytest.raises(AssertionError, match="HEADERS"):
            play.never_heard("HEADERS")
        with pytest.raises(AssertionError):
            play.renewed()


def test_a_script_that_fails_fails_the_test(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        talk.hear_request()
        raise AssertionError("this is not what I was promised")

    with (
        pytest.raises(AssertionError, match="promised"),
        scene(script) as play,
        # By FIN, or by RST if the acknowledgement of SETTINGS came too late to be read.
        pytest.raises(OSError, match=play.address),
    ):
        play.ask()


def test_a_script_that_waits_in_vain_says_for_whom(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "PATIENCE", 0.2)

    def script(talk: Talk) -> None:
        talk.hear("RST_STREAM")

    with pytest.raises(AssertionError, match=r"waited 0\.2 s .*HEADERS"), scene(script) as play:
        play.client.request("GET", "/")
        play.server._threads[-1].join(5)


def test_frames_sent_octet_by_octet_arrive(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.drip(frame("HEADERS", 4, asked.stream_id, talk.block(OK)))
        talk.drip(frame("DATA", 1, asked.stream_id, b"slow"))

    with scene(script) as play:
        assert play.ask() == (200, b"slow")


def test_an_upload_is_heard_whole(scene: Stage) -> None:
    body = bytes(range(256)) * 1000

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        assert talk.hear_body(asked.stream_id) == body
        talk.answer(asked.stream_id, b"thanks")

    with scene(script) as play:
        assert play.ask(method="POST", body=body) == (200, b"thanks")
        assert play.talks[0].counts["DATA"] >= len(body) // 16_384


def close_notify(talk: Talk) -> None:
    talk.hear_request()
    talk.close_notify()
    talk.fin()


def fin(talk: Talk) -> None:
    talk.hear_request()
    talk.fin()


def reset(talk: Talk) -> None:
    talk.hear_request()
    talk.reset()


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (close_notify, ConnectionError),
        (fin, ConnectionError),
        (reset, ConnectionResetError),
    ],
    ids=["close_notify", "fin", "reset"],
)
def test_there_are_three_ways_to_end(
    scene: Stage, end: peer.Script, error: type[Exception]
) -> None:
    with scene(end) as play:
        play.fails(error, "localhost")
        play.renewed()


def test_http11_is_spoken_where_alpn_says_so(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_http1()
        assert asked.target == "/"
        talk.say_http1(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        talk.serve()

    with scene(script, http1=True) as play:
        assert play.ask() == (200, b"ok")
        play.usable()
        assert [each.target for each in play.talks[0].requests] == ["/", "/usable"]
    with scene(script, http1=True, secure=False) as play:
        assert play.ask() == (200, b"ok")
    with scene(script, http1=True, kind=HTTPConnection) as play:
        assert play.ask() == (200, b"ok")


def test_a_deaf_server_still_ends_with_the_scene(scene: Stage) -> None:
    with scene(Talk.deaf, receive_buffer=4096, timeout=0.2) as play, pytest.raises(TimeoutError):
        play.ask()


def test_the_client_speaks_the_preface_first(scene: Stage) -> None:
    heard = []

    def script(talk: Talk) -> None:
        heard.append(talk._octets(len(PREFACE)))
        talk.reset()

    with scene(script) as play, pytest.raises(OSError):
        play.ask()
    assert heard == [PREFACE]


def test_what_takes_more_memory_than_allowed_is_a_failure() -> None:
    with bounded(2_000_000):
        bytes(1_000_000)
    with pytest.raises(AssertionError, match="octets of memory"), bounded(1_000_000):
        bytes(2_000_000)


def test_a_thread_left_behind_is_a_failure(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "PARTING", 0.1)
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    with pytest.raises(AssertionError, match="threads left"), scene(peer.polite) as play:
        play.usable()
        thread.start()
    release.set()
    thread.join()


def test_a_descriptor_left_behind_is_a_failure(scene: Stage) -> None:
    with pytest.raises(AssertionError, match="descriptors left"), scene(peer.polite) as play:
        play.usable()
        kept = socket.socket()
    kept.close()


def test_what_waits_for_ever_is_ended(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "DEADLINE", 0.3)

    def script(talk: Talk) -> None:
        talk.hear_request()
        talk.listen()

    with pytest.raises(AssertionError, match=r"taken 0\.3 s"), scene(script, timeout=None) as play:
        play.ask()


def test_a_scene_is_a_scene(scene: Stage) -> None:
    play = scene(peer.polite)
    assert isinstance(play, Scene)
    with play:
        assert play.port == int(play.address.rpartition(":")[2])
        assert play.crowd(3) == [(200, b"connection 1")] * 3
