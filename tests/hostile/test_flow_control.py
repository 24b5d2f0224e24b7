"""Windows, and uploads that have to live with them (RFC 9113 §5.2, §6.9; §8.1)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ErrorCode, ProtocolError, StreamResetError

from ..certificates import Certificates
from ..peer import OK
from .doors import HTTP2_DOORS, DropIn, Kind
from .peer import PATIENCE, Scene, Script, Stage, Talk, bounded

BODY = bytes(range(256)) * 1200
PIECE = bytes(16_000)
MIB = 1 << 20
#: More than the connection's window is at first and ever grows to.
FLOOD = limits.LARGEST_GROWN_WINDOW + limits.CONNECTION_WINDOW


def send(talk: Talk, stream_id: int, octets: bytes, padding: int | None = None) -> None:
    """DATA as the client's windows allow it."""
    size = len(octets) + (0 if padding is None else padding + 1)
    while min(talk.granted, talk.window_of(stream_id)) < size:
        talk.hear("WINDOW_UPDATE")
    talk.data(stream_id, octets, padding=padding)


def fill(talk: Talk, stream_id: int) -> None:
    """A head, and as many pieces as the stream's window takes; the connection's must not end."""
    talk.headers(stream_id, OK)
    while talk.window_of(stream_id) >= len(PIECE):
        while talk.granted < len(PIECE):
            talk.hear("WINDOW_UPDATE", stream_id=0)
        talk.data(stream_id, PIECE)


def post(play: Scene, body: Any = BODY) -> tuple[int, bytes]:
    return play.ask("/upload", "POST", body=body)


def flood(talk: Talk, stream_id: int) -> None:
    """DATA on a stream that the client has closed, as if its reset were still on its way.

    Only the connection's window counts; it is more than that ever grows to.
    """
    for _ in range(FLOOD // len(PIECE)):
        while talk.granted < len(PIECE):
            talk.hear("WINDOW_UPDATE", stream_id=0)
        talk.granted_to[stream_id] = len(PIECE)
        talk.data(stream_id, PIECE)


# --- room to send ------------------------------------------------------------------------------


def silent(talk: Talk, seconds: float = 0.1) -> None:
    """The client has nothing to say but what was allowed."""
    talk.socket.settimeout(seconds)
    try:
        while True:
            talk.hear("DATA")
            raise AssertionError("DATA though there is no room for any")
    except TimeoutError:
        pass
    finally:
        talk.socket.settimeout(PATIENCE)


def greet(talk: Talk, **settings: int) -> None:
    """Say SETTINGS, and make sure that the client has heard them before it asks for anything."""
    talk.greet(**settings)
    talk.ping(talk.hear("PING").opaque, ack=True)


def received(talk: Talk, stream_id: int, size: int) -> bytes:
    """Exactly so many octets, and not one more."""
    octets = b""
    while len(octets) < size:
        octets += talk.hear("DATA", stream_id=stream_id).data
    assert len(octets) == size, f"{len(octets)} octets where {size} were allowed"
    silent(talk)
    return octets


def test_a_window_of_nothing_is_opened_by_settings_alone(scene: Stage) -> None:
    """§6.9.2: a larger INITIAL_WINDOW_SIZE is room like any other."""

    def script(talk: Talk) -> None:
        greet(talk, initial_window_size=0)
        asked = talk.hear_request()
        silent(talk)
        talk.settings(initial_window_size=5)
        had = received(talk, asked.stream_id, 5)
        talk.settings(initial_window_size=60_000)
        had += received(talk, asked.stream_id, 59_995)
        talk.window_update(0, len(BODY))
        talk.settings(initial_window_size=len(BODY))
        had += talk.hear_body(asked.stream_id)
        assert had == BODY
        talk.answer(asked.stream_id, b"thanks")
        talk.serve()

    with scene(script) as play:
        play.client.ping()
        assert post(play) == (200, b"thanks")
        play.usable()


def test_a_window_of_one_octet_is_used_octet_by_octet(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        greet(talk, initial_window_size=1)
        asked = talk.hear_request()
        had = b""
        for number in range(100):
            written = talk.hear("DATA", stream_id=asked.stream_id)
            assert written.size == 1
            assert written.end_stream is (number == 99)
            had += written.data
            if number < 99:
                talk.window_update(asked.stream_id, 1)
        assert had == BODY[:100]
        talk.answer(asked.stream_id, b"thanks")
        talk.serve()

    with scene(script) as play:
        play.client.ping()
        assert post(play, BODY[:100]) == (200, b"thanks")
        play.usable()


def test_a_window_below_nothing_has_to_be_filled_up_first(scene: Stage) -> None:
    """§6.9.2: SETTINGS can take a window below 0; WINDOW_UPDATE brings it back."""

    def script(talk: Talk) -> None:
        greet(talk, initial_window_size=1000)
        asked = talk.hear_request()
        had = received(talk, asked.stream_id, 1000)
        talk.settings(initial_window_size=100)
        talk.hear("SETTINGS", ack=True)
        talk.window_update(asked.stream_id, 900)  # to 0
        silent(talk)
        talk.window_update(asked.stream_id, 50)
        had += received(talk, asked.stream_id, 50)
        talk.window_update(asked.stream_id, len(BODY))
        talk.window_update(0, len(BODY))
        had += talk.hear_body(asked.stream_id)
        assert had == BODY
        talk.answer(asked.stream_id, b"thanks")
        talk.serve()

    with scene(script) as play:
        play.client.ping()
        assert post(play) == (200, b"thanks")
        play.usable()


def test_a_window_that_goes_up_and_down_all_the_time_is_never_overrun(scene: Stage) -> None:
    """Each DATA frame is held against both windows as they were when SETTINGS was acknowledged."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        had = b""
        turn = 0
        while True:
            turn += 1
            talk.settings(initial_window_size=(turn * 7919) % 40_000)
            talk.window_update(0, 30_000)
            if turn % 3 == 0:
                talk.window_update(asked.stream_id, 20_000)
            talk.hear("SETTINGS", ack=True)
            while talk._frames:
                talk._frames.popleft()
            data = [each for each in talk.record if each.name == "DATA"]
            had = b"".join(each.data for each in data)
            if data and data[-1].end_stream:
                break
        assert had == BODY
        talk.settings(initial_window_size=65_535)
        talk.answer(asked.stream_id, b"thanks")
        talk.serve()

    with scene(script) as play:
        assert post(play) == (200, b"thanks")
        play.usable()


@pytest.mark.parametrize(
    ("stream", "connection"), [(1_000, 2**31 - 1 - 65_535), (2**31 - 1, 0)], ids=["stream", "both"]
)
def test_the_narrower_of_the_two_windows_counts(scene: Stage, stream: int, connection: int) -> None:
    """§6.9.1; where the connection's is the wider, others overran the stream's by an octet."""

    def script(talk: Talk) -> None:
        greet(talk, initial_window_size=stream)
        if connection:
            talk.window_update(0, connection)
        asked = talk.hear_request()
        had = received(talk, asked.stream_id, min(stream, 65_535))
        talk.window_update(*((asked.stream_id, 1) if connection else (0, 1)))
        had += received(talk, asked.stream_id, 1)
        if connection:
            talk.window_update(asked.stream_id, len(BODY))
        else:
            talk.window_update(0, len(BODY))
        while not (written := talk.hear("DATA", stream_id=asked.stream_id)).end_stream:
            had += written.data
        assert had + written.data == BODY
        talk.answer(asked.stream_id, b"thanks")
        talk.serve()

    with scene(script) as play:
        play.client.ping()
        assert post(play) == (200, b"thanks")


def test_pings_are_answered_while_an_upload_waits(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        greet(talk, initial_window_size=0)
        asked = talk.hear_request()
        for number in range(20):
            opaque = b"ping %03d" % number
            talk.ping(opaque)
            assert talk.hear("PING", ack=True).opaque == opaque
            talk.settings()
            talk.hear("SETTINGS", ack=True)
        talk.window_update(0, len(BODY))
        talk.window_update(asked.stream_id, len(BODY))
        assert talk.hear_body(asked.stream_id) == BODY
        talk.answer(asked.stream_id, b"thanks")
        talk.serve()

    with scene(script) as play:
        play.client.ping()
        assert post(play) == (200, b"thanks")
        play.usable()


def test_many_uploads_share_one_narrow_window_and_all_arrive(scene: Stage) -> None:
    count = 8

    def script(talk: Talk) -> None:
        whole: dict[int, bytes] = {}
        ended: set[int] = set()
        talk.greet()
        while len(ended) < count:
            written = talk.hear("DATA")
            whole[written.stream_id] = whole.get(written.stream_id, b"") + written.data
            talk._acknowledge()
            if written.size:
                talk.window_update(0, written.size)
                if not written.end_stream:
                    talk.window_update(written.stream_id, written.size)
            if written.end_stream:
                ended.add(written.stream_id)
                talk.answer(written.stream_id, whole[written.stream_id][:7])
        assert sorted(whole.values()) == [b"upload%d" % n + BODY for n in range(count)]
        talk.serve()

    with scene(script) as play:
        results: dict[int, Any] = {}

        def upload(number: int) -> None:
            results[number] = post(play, b"upload%d" % number + BODY)

        threads = [threading.Thread(target=upload, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE)
        assert results == {n: (200, b"upload%d" % n) for n in range(count)}
        play.usable()


# --- answers before the end of an upload -------------------------------------------------------


def hear_some(talk: Talk) -> int:
    """A request and the first part of its body."""
    asked = talk.hear_request()
    talk.hear("DATA", stream_id=asked.stream_id)
    return asked.stream_id


def early(status: str, code: int | None) -> Any:
    def script(talk: Talk) -> None:
        stream_id = hear_some(talk)
        with talk.one_read():
            talk.headers(stream_id, [(":status", status)])
            talk.data(stream_id, b"enough", end=True)
            if code is not None:
                talk.rst_stream(stream_id, code)
        if code is None:
            talk.hear("RST_STREAM", stream_id=stream_id)
        talk.window_update(0, 65_535)  # the room that this upload had taken
        talk.serve()

    return script


@pytest.mark.parametrize("code", [ErrorCode.NO_ERROR, ErrorCode.CANCEL, None])
@pytest.mark.parametrize("status", ["200", "413"])
def test_an_early_answer_is_delivered_and_the_upload_ends(
    scene: Stage, status: str, code: int | None
) -> None:
    """§8.1: a server may answer before it has the whole request, and ask for no more of it."""
    with scene(early(status, code)) as play:
        assert post(play) == (int(status), b"enough")
        if code is None:
            play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.usable()


@pytest.mark.parametrize("door", HTTP2_DOORS)
def test_every_door_delivers_an_early_answer(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    with (
        scene(early("413", ErrorCode.NO_ERROR)) as play,
        door(play.port, certificates.authority) as caller,
    ):
        if door is DropIn:
            # As with http.client: sending fails, and then there is an answer to be had.
            client = caller.caller  # type: ignore[attr-defined]
            with pytest.raises(BrokenPipeError):
                client.request("POST", "/", BODY)
            response = client.getresponse()
            assert (response.status, response.read()) == (413, b"enough")
        else:
            answer = caller.ask("/", "POST", body=BODY)
            assert (answer.status, answer.body) == (413, b"enough")
        assert caller.ask("/next").body == b"connection 1"


@pytest.mark.parametrize("end", ["close_notify", "fin", "goes on"])
def test_an_early_answer_is_delivered_over_http_1(scene: Stage, end: str) -> None:
    """RFC 9112 §9.3: the rest of the request is not sent, and the connection not used again."""

    def script(talk: Talk) -> None:
        talk._until(b"\r\n\r\n")
        talk.say_http1(b"HTTP/1.1 413 Enough\r\ncontent-length: 6\r\n\r\nenough")
        if end == "close_notify":
            talk.close_notify()
        elif end == "fin":
            talk.fin()
        # A server that reads on might get all of it before anybody looks for an answer.
        delivered.wait(PATIENCE)

    delivered = threading.Event()
    with scene(script, http1=True) as play:
        assert post(play, bytes(64 * MIB)) == (413, b"enough")
        delivered.set()
        play.renewed()


def answer_in_http1(talk: Talk) -> None:
    talk._until(b"\r\n\r\n")
    talk.say_http1(b"HTTP/1.1 413 Enough\r\ncontent-length: 6\r\n\r\nenough")
    talk.deaf()


def flooded(talk: Talk) -> None:
    """Room without end, and nobody who reads: what the client reads next, it reads while it is
    stuck in the midst of writing."""
    talk.greet(initial_window_size=2**31 - 1)
    talk.hear_request()
    talk.window_update(0, 2**31 - 1 - 65_535)
    heard = 0
    while heard <= 65_535:
        heard += talk.hear("DATA").size


def answer_and_say_goodbye(talk: Talk) -> None:
    flooded(talk)
    with talk.one_read():
        talk.goaway(1)
        talk.headers(1, [(":status", "413")])
        talk.data(1, b"enough", end=True)
        talk.rst_stream(1, ErrorCode.NO_ERROR)
    talk.deaf()


def break_a_rule(talk: Talk) -> None:
    flooded(talk)
    talk.frame("PING", 0, 1, b"12345678")
    talk.deaf()


@pytest.mark.parametrize("script", [answer_in_http1, answer_and_say_goodbye, break_a_rule])
def test_a_connection_that_has_no_use_any_more_is_closed_though_its_server_does_not_read(
    scene: Stage, script: Script
) -> None:
    """Octets that nobody will ever read must not keep a socket open."""
    with scene(script, http1=script is answer_in_http1) as play:
        if script is break_a_rule:
            play.fails(ProtocolError, "PING", ask=lambda: post(play, bytes(64 * MIB)))
        else:
            assert post(play, bytes(64 * MIB)) == (413, b"enough")
        assert play.client._pump.transport.closed
        play.renewed()


@pytest.mark.parametrize("code", [ErrorCode.CANCEL, ErrorCode.INTERNAL_ERROR, ErrorCode.NO_ERROR])
def test_a_reset_without_an_answer_ends_an_upload_by_an_error(scene: Stage, code: int) -> None:
    def script(talk: Talk) -> None:
        stream_id = hear_some(talk)
        talk.rst_stream(stream_id, code)
        talk.window_update(0, 65_535)
        talk.serve()

    with scene(script) as play:
        error = play.fails(StreamResetError, "reset stream 1", code, ask=lambda: post(play))
        assert not error.retryable
        play.usable()


def test_a_body_that_fails_to_be_made_resets_its_stream_alone(scene: Stage) -> None:
    def broken() -> Iterator[bytes]:
        yield BODY[:1000]
        raise ZeroDivisionError("the program's own")

    def script(talk: Talk) -> None:
        talk.hear("RST_STREAM", stream_id=talk.hear_request().stream_id)
        talk.serve()

    with scene(script) as play:
        with pytest.raises(ZeroDivisionError):
            post(play, broken())
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        play.never_heard("DATA", stream_id=1, end_stream=True)
        play.never_heard("GOAWAY")
        play.usable()


# --- room that is given back -------------------------------------------------------------------


def test_padding_gives_its_part_of_both_windows_back(scene: Stage) -> None:
    """§6.9.1: all of the payload counts; nobody ever reads the padding."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, OK)
        for _ in range(3 * limits.STREAM_WINDOW // 256):
            send(talk, asked.stream_id, b"", padding=255)
            send(talk, asked.stream_id, b"x", padding=254)
        talk.data(asked.stream_id, b"", end=True)
        talk.serve()

    with scene(script) as play:
        assert play.ask() == (200, b"x" * (3 * limits.STREAM_WINDOW // 256))
        play.usable()


def test_data_on_a_stream_that_was_given_up_gives_the_connections_window_back(
    scene: Stage,
) -> None:
    """§6.9: the octets were on their way; who drops them has to say so."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, OK)
        talk.data(asked.stream_id, PIECE)
        talk.hear("RST_STREAM", stream_id=asked.stream_id)
        next_one = talk.hear_request()
        flood(talk, asked.stream_id)
        talk.answer(next_one.stream_id, b"behind all that")
        talk.serve()

    with bounded(8_000_000), scene(script) as play:
        play.client.request("GET", "/")
        play.client.get_response().close()
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
        assert play.ask() == (200, b"behind all that")
        play.usable()


def test_data_behind_a_stream_error_gives_the_connections_window_back(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [*OK, ("content-length", "1")])
        talk.data(asked.stream_id, PIECE)
        next_one = talk.hear_request()
        flood(talk, asked.stream_id)
        talk.answer(next_one.stream_id, b"behind all that")
        talk.serve()

    with bounded(8_000_000), scene(script) as play:
        play.fails(ProtocolError, "§8.1.1", ErrorCode.PROTOCOL_ERROR)
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.PROTOCOL_ERROR)
        assert play.ask() == (200, b"behind all that")
        play.usable()


def test_a_wide_start_is_worth_twice_the_largest_window_to_unread_answers(scene: Stage) -> None:
    """A fast download before them widens their windows, each by half of what the one before got."""
    unread, large = 20, 16 * limits.STREAM_WINDOW

    def script(talk: Talk) -> None:
        fast = talk.hear_request().stream_id
        talk.headers(fast, OK)
        for _ in range(large // len(PIECE)):
            send(talk, fast, PIECE)
        talk.data(fast, b"", end=True)
        ids = [talk.hear_request().stream_id for _ in range(unread)]
        talk.ping(talk.hear("PING").opaque, ack=True)
        for stream_id in ids:
            fill(talk, stream_id)
        sizes.extend(talk.window_of(stream_id) for stream_id in ids)
        talk.answer(talk.hear_request().stream_id, b"and the next one")
        talk.serve()

    sizes: list[int] = []
    with bounded(unread * limits.STREAM_WINDOW + 2 * large + 40_000_000), scene(script) as play:
        play.client.request("GET", "/fast")
        size = sum(map(len, play.client.get_response().read_chunked()))
        assert size == large // len(PIECE) * len(PIECE)
        keys = [play.client.request("GET", f"/unread/{number}") for number in range(unread)]
        play.client.ping()
        lying = [play.client.get_response(key) for key in keys]
        assert play.ask() == (200, b"and the next one")
        assert len(sizes) == unread
        held = sum(sum(map(len, each._exchange.chunks)) for each in lying)
        assert held <= unread * limits.STREAM_WINDOW + 2 * large
        assert held > unread * (limits.STREAM_WINDOW - len(PIECE)) + large, "it was wider"
        for each in lying:
            each.close()


@pytest.mark.parametrize("unread", [1, 20])
def test_unread_answers_stop_at_their_windows_and_never_hold_others_up(
    scene: Stage, unread: int
) -> None:
    """§5.2.1; they take no more than their windows, and the connection's is given back."""

    def script(talk: Talk) -> None:
        ids = [talk.hear_request().stream_id for _ in range(unread)]
        for stream_id in ids:
            fill(talk, stream_id)
        other = talk.hear_request().stream_id
        talk.headers(other, OK)
        for _ in range(FLOOD // len(PIECE)):
            send(talk, other, PIECE)
        talk.data(other, b"", end=True)
        for stream_id in ids:
            talk.data(stream_id, b"the end", end=True)
        talk.serve()

    with bounded(unread * limits.STREAM_WINDOW + 40_000_000), scene(script) as play:
        keys = [play.client.request("GET", f"/unread/{number}") for number in range(unread)]
        lying = [play.client.get_response(key) for key in keys]
        play.client.request("GET", "/read")
        response = play.client.get_response()
        size = sum(map(len, response.read_chunked()))
        assert size == FLOOD // len(PIECE) * len(PIECE)
        for each in lying:
            body = each.read()
            assert body.endswith(b"the end")
            assert limits.STREAM_WINDOW - len(PIECE) < len(body) <= limits.STREAM_WINDOW + 7
        play.usable()
