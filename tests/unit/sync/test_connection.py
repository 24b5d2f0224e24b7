"""What a user holds: requests and responses, with servers on loopback that follow a script."""

from __future__ import annotations

import io
import ssl
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

import hyper
from hyper import HTTP11Connection, HTTP20Connection, HTTP20Response
from hyper.http20.exceptions import (
    ConnectionError,
    ErrorCode,
    H2NotNegotiatedError,
    HTTP20Error,
    ProtocolError,
    StreamResetError,
)
from hyper.http20.window import BaseFlowControlManager, FlowControlManager
from hyper.sync import dial
from hyper.sync import dialling as dialling_module
from hyper.sync.piecewise import LEFT_KEYS
from hyper.sync.pool import has_gone
from hyper.sync.pump import Pump
from hyper.sync.response import has_ended

from ...certificates import Certificates
from ...faults.rawserver import Conversation, RawServer
from ...peer import frame
from ...servers import InProcessServer
from ...threads.gated import Thread, eventually

Settings = dict[int, int]


class Server(RawServer):
    """A raw server that keeps what its clients said, frame by frame."""

    def __init__(self, script: Callable[[Heard], None], **options: Any) -> None:
        self.heard: list[Frame] = []

        def play(conversation: Conversation) -> None:
            script(Heard(conversation.socket, self.heard))

        super().__init__(play, **options)

    def frames(self, kind: type[Frame]) -> list[Any]:
        return [each for each in self.heard if isinstance(each, kind)]

    def body(self, stream_id: int) -> bytes:
        data = [each for each in self.frames(DataFrame) if each.stream_id == stream_id]
        return b"".join(each.data for each in data)

    def heads(self) -> list[list[tuple[bytes, bytes]]]:
        """The fields of every request, in order; on one connection."""
        import hpack

        decoder = hpack.Decoder()
        return [list(decoder.decode(each.data, raw=True)) for each in self.frames(HeadersFrame)]


class Heard(Conversation):
    authority = ""

    def __init__(self, sock: Any, heard: list[Frame]) -> None:
        super().__init__(sock)
        self.heard = heard

    def greet(self, **settings: int) -> None:
        names = {"streams": 0x3, "window": 0x4}
        payload = b"".join(
            names[name].to_bytes(2, "big") + value.to_bytes(4, "big")
            for name, value in settings.items()
        )
        self.say(frame("SETTINGS", 0, 0, payload))
        self._octets(24)

    def _frame(self) -> Frame:
        frame = super()._frame()
        self.heard.append(frame)
        return frame

    def until(self, kind: type[Frame], **what: Any) -> Any:
        while True:
            heard = self._frame()
            if isinstance(heard, kind) and all(
                getattr(heard, name) == value for name, value in what.items()
            ):
                return heard

    def until_end(self) -> int:
        """Read to the end of a request; return its stream."""
        while True:
            heard = self._frame()
            if "END_STREAM" in heard.flags:
                stream_id: int = heard.stream_id
                return stream_id

    def answer(self, stream_id: int, body: bytes = b"") -> None:
        self.say(
            self.head_frame(stream_id, end=not body)
            + (frame("DATA", 1, stream_id, body) if body else b"")
        )

    def window_update(self, stream_id: int, size: int) -> None:
        self.say(frame("WINDOW_UPDATE", 0, stream_id, size.to_bytes(4, "big")))

    def stay(self) -> None:
        """Hear everything the client still says."""
        while True:
            self._frame()


def answering(heard: Heard) -> None:
    """Answer every request with the number of its stream."""
    heard.greet()
    while True:
        stream_id = heard.until_end()
        heard.answer(stream_id, str(stream_id).encode())


@pytest.fixture
def playing() -> Iterator[Callable[..., tuple[Server, HTTP20Connection]]]:
    """Start a server with a script, in cleartext, and a connection to it."""
    started: list[Server | HTTP20Connection] = []

    def play(
        script: Callable[[Heard], None] = answering, **options: Any
    ) -> tuple[Server, HTTP20Connection]:
        server = Server(script)
        server.__enter__()
        connection = HTTP20Connection(server.address, **{"timeout": 10, **options})
        started.extend((server, connection))
        return server, connection

    yield play
    for each in reversed(started):
        each.__exit__(None, None, None)


Playing = Callable[..., tuple[Server, HTTP20Connection]]


# Making one.


def test_ports_and_tls() -> None:
    assert HTTP20Connection("h").secure
    assert HTTP20Connection("h:443").port == 443
    assert not HTTP20Connection("h:8080").secure
    assert HTTP20Connection("h", 80).port == 80
    assert HTTP20Connection("h", 8443, secure=True).secure
    assert not HTTP20Connection("h", secure=False).secure
    # To bring a context is to ask for TLS, but no is no.
    context = ssl.create_default_context()
    assert HTTP20Connection("h:8443", ssl_context=context).secure
    assert not HTTP20Connection("h:8443", secure=False, ssl_context=context).secure
    assert repr(HTTP20Connection("h:8080")) == "<HTTP20Connection http://h:8080>"
    assert hyper.HTTP20Connection is HTTP20Connection
    assert hyper.HTTP20Response is HTTP20Response


@pytest.mark.parametrize("timeout", [0, -1, (0, 5), (5, 0), float("nan")])
def test_a_timeout_is_more_than_nothing(timeout: Any) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        HTTP20Connection("h", timeout=timeout)


@pytest.mark.parametrize("seconds", [10**9, float("inf"), Decimal(10), Fraction(10)])
def test_a_timeout_may_be_any_number_of_any_kind(server: InProcessServer, seconds: Any) -> None:
    """What poll() can wait in one turn is 25 days."""
    address = f"localhost:{server.plain_port}"
    for timeout in (seconds, (seconds, 10), (10, seconds)):
        with HTTP11Connection(address, timeout=timeout, expect_timeout=seconds) as connection:
            connection.request("GET", "/hello")
            assert connection.get_response().read() == b"hello, world"
            connection.request("GET", "/hello", timeout=seconds, total_timeout=seconds)
            assert connection.get_response().read() == b"hello, world"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"host": None}, "a host is a str, 'name' or 'name:port', not None"),
        ({"host": b"h"}, "not b'h'"),
        ({"port": "443"}, "a port is an int, not '443'"),
        ({"port": 443.0}, "a port is an int, not 443.0"),
        ({"timeout": "3"}, "a timeout is a number of seconds or None, not '3'"),
        ({"timeout": [1, 2]}, r"or None, not \[1, 2\]"),
        ({"timeout": (1, 2, 3)}, "a number, or a pair of them, and not"),
        ({"expect_timeout": None}, "expect_timeout is a number of seconds, .* and not None"),
        ({"expect_timeout": "1"}, "expect_timeout is a number of seconds, .* and not '1'"),
        ({"expect_timeout": -1}, "expect_timeout is a number of seconds, .* and not -1"),
        ({"expect_timeout": float("nan")}, "expect_timeout is a number of seconds, .* and not nan"),
        ({"ssl_context": True}, "ssl_context has to be an ssl.SSLContext, not a bool"),
        ({"ssl_context": "ca.pem"}, "ssl_context has to be an ssl.SSLContext, not a str"),
        ({"window_manager": FlowControlManager(1)}, "has to be a class, not a FlowControlManager"),
        ({"limits": {}}, "limits has to be a hyper.http20.limits.Limits, not a dict"),
        ({"trace": "yes"}, "trace has to be a function of a direction and octets, not a str"),
        ({"proxy_host": b"p"}, "a proxy is a str, 'name' or 'name:port', not bytes"),
        ({"proxy_host": "p", "proxy_port": "8080"}, "a proxy's port is an int, not '8080'"),
        ({"force_proto": "http2"}, "force_proto is 'h2' or nothing, not 'http2'"),
    ],
)
def test_arguments_of_a_wrong_kind_are_named_at_once(arguments: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        HTTP20Connection(**{"host": "h", **arguments})


def test_a_context_may_be_something_around_one(server: InProcessServer, ssl_context: Any) -> None:
    class Around:
        def __getattr__(self, name: str) -> Any:
            return getattr(ssl_context, name)

    around: Any = Around()
    address = f"localhost:{server.port}"
    with HTTP20Connection(address, ssl_context=around, timeout=10) as connection:
        connection.request("GET", "/hello")
        assert connection.get_response().status == 200


# Requests and responses.


def test_ids_and_responses_in_any_order(playing: Playing) -> None:
    server, connection = playing()
    ids = [connection.request("GET", f"/{number}") for number in range(3)]
    assert ids == [1, 3, 5]
    assert connection.getresponse(5).read() == b"5"
    assert connection.get_response(1).read() == b"1"
    response = connection.get_response()
    assert (response.status, response.read(), response.stream_id) == (200, b"3", 3)
    assert server.connections == 1
    assert dict(server.heads()[0]) == {
        b":method": b"GET",
        b":scheme": b"http",
        b":authority": server.address.encode(),
        b":path": b"/0",
        b"accept-encoding": connection._origin._bare.fields[0][1],
    }


def test_asking_for_what_there_is_not(playing: Playing) -> None:
    _, connection = playing()
    with pytest.raises(ValueError, match=r"this thread has no request .*there are: none"):
        connection.get_response()
    stream_id = connection.request("GET", "/")
    with pytest.raises(ValueError, match=r"no response on stream 7 .*there are: 1\)"):
        connection.get_response(7)
    wrong: Any = "1"
    with pytest.raises(ValueError, match=r"no response on stream '1' .*there are: 1\)"):
        connection.get_response(wrong)
    other = Thread(connection.get_response)
    with pytest.raises(ValueError, match="there are: 1"):
        other.finish()
    assert connection.get_response(stream_id).read() == b"1"
    with pytest.raises(ValueError, match="there are: none"):
        connection.get_response(stream_id)
    with pytest.raises(ValueError, match="this thread"):
        connection.get_response()


def test_without_an_id_claimed_ones_are_passed_over(playing: Playing) -> None:
    _, connection = playing()
    first, second, third = (connection.request("GET", "/") for _ in range(3))
    connection.get_response(second).read()
    connection.get_response(first).read()
    assert connection.get_response().stream_id == third
    fourth = connection.request("GET", "/")
    assert list(connection._unclaimed) == [fourth]
    assert connection.get_response(fourth).read() == b"7"


@pytest.mark.parametrize("piecewise", [False, True])
def test_responses_claimed_by_id_are_not_kept(playing: Playing, piecewise: bool) -> None:
    """However many there are, and although an older one is never claimed."""
    _, connection = playing()
    connection.request("GET", "/")

    def ask() -> Any:
        if not piecewise:
            return connection.request("GET", "/")
        stream_id = connection.putrequest("GET", "/")
        connection.endheaders()
        return stream_id

    before = ask()
    for _ in range(3 * LEFT_KEYS):
        after = ask()
        response = connection.get_response(before)
        response.read()
        gone = weakref.ref(response)
        del response
        assert gone() is None
        before = after
    assert len(connection._mine.keys) <= LEFT_KEYS + 4
    connection.get_response().read()
    assert connection.get_response().stream_id == before


def test_a_response_that_was_claimed_by_id_and_dropped_is_cancelled(playing: Playing) -> None:
    def begin(heard: Heard) -> None:
        heard.greet()
        heard.head(heard.until_end())
        heard.stay()

    _, connection = playing(begin)
    stream_id = connection.request("GET", "/")
    response = connection.get_response(stream_id)
    del response
    pump = connection._pump
    assert pump is not None and len(pump.abandoned) == 1


def test_an_id_means_one_request_also_after_close(playing: Playing) -> None:
    def answer_the_second(heard: Heard) -> None:
        heard.greet()
        stream_id = heard.until_end()
        if stream_id > 1:
            heard.answer(stream_id, b"second")
        heard.stay()

    _, connection = playing(answer_the_second)
    assert connection.request("GET", "/") == 1
    connection.close()
    assert connection.request("GET", "/") == 3
    with pytest.raises(ConnectionError, match="closed on this side"):
        connection.get_response()
    assert connection.get_response().read() == b"second"


def test_a_connection_put_aside_is_closed_by_the_last_who_reads_from_it() -> None:
    """Nobody but the response knows of it any more, so nobody else could close it."""

    def begin_and_leave(heard: Heard) -> None:
        heard.greet()
        stream_id = heard.until_end()
        if stream_id > 1:
            heard.answer(stream_id, b"second")
        else:
            heard.head(1)
            heard.goaway(1, ErrorCode.NO_ERROR)
        heard.stay()

    server = Server(begin_and_leave, at_once=True)
    with server, HTTP20Connection(server.address, timeout=10) as connection:
        connection.request("GET", "/")
        response = connection.get_response()
        transport = response._pump.transport
        eventually(partial(has_gone, response._pump))
        connection.request("GET", "/")
        assert connection.get_response().read() == b"second"
        assert not transport.closed
        del response
        assert transport.closed


def test_body_and_data_are_one_thing(playing: Playing) -> None:
    server, connection = playing()
    with pytest.raises(TypeError, match="two names"):
        connection.request("POST", "/", body=b"a", data=b"b")
    connection.request("POST", "/", data="key=value")
    connection.get_response().read()
    assert server.body(1) == b"key=value"
    assert dict(server.heads()[0])[b"content-length"] == b"9"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"method": None}, "str or bytes is wanted as method, not NoneType"),
        ({"url": 1.5}, "str or bytes is wanted as url, not float"),
        ({"headers": {"x": None}}, "header 'x': str or bytes is wanted here, not NoneType"),
        ({"headers": {"x": ["a", "b"]}}, "header 'x': str or bytes is wanted here, not list"),
        ({"headers": {None: "x"}}, "header None: str or bytes is wanted here, not NoneType"),
        ({"headers": "x: secret"}, "mapping, or pairs of name and value; str is no such pair"),
        ({"headers": ["x: secret"]}, "mapping, or pairs of name and value; str is no such pair"),
        ({"headers": ["ab"]}, "str is no such pair"),
        ({"headers": [("x", "secret", "y")]}, "tuple is no such pair"),
        ({"headers": [5]}, "int is no such pair"),
        ({"body": b"a", "trailers": "x"}, "str is no such pair"),
        ({"never_index": "authorization"}, r"never_index takes names, \['authorization'\], not"),
        ({"timeout": "3"}, "a timeout is a number of seconds or None, not '3'"),
        ({"total_timeout": "3"}, "a timeout is a number of seconds or None, not '3'"),
    ],
)
def test_words_of_a_wrong_kind_are_named(playing: Playing, arguments: Any, says: str) -> None:
    _, connection = playing()
    with pytest.raises(TypeError, match=says) as caught:
        connection.request(**{"method": "POST", "url": "/", **arguments})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET ", "/", None),
        ("GET", "/a b", None),
        ("GET", "no-slash", None),
        ("GET", "/é", None),
        ("GET", "/", {"x": "a\r\nb"}),
        ("GET", "/", {"x y": "a"}),
        ("GET", "/", {":status": "200"}),
        ("GET", "/", {":authority": "user@host"}),
    ],
)
def test_what_may_not_be_sent_is_refused_before_anything_is(
    playing: Playing, method: str, url: str, headers: Any
) -> None:
    server, connection = playing()
    with pytest.raises(ValueError, match="RFC"):
        connection.request(method, url, headers=headers)
    assert connection.request("GET", "/") == 1
    assert connection.get_response().read() == b"1"
    assert len(server.frames(HeadersFrame)) == 1


def test_bodies_of_every_kind(playing: Playing) -> None:
    server, connection = playing()

    def pieces() -> Iterator[bytes]:
        yield b"on"
        yield b""
        yield b"e"

    file = io.BytesIO(b"???one")
    file.seek(3)
    bodies: list[Any] = [b"one", "one", bytearray(b"one"), file, pieces(), [b"o", b"ne"]]
    for body in bodies:
        stream_id = connection.request("PUT", "/", body)
        connection.get_response(stream_id).read()
        assert server.body(stream_id) == b"one"
    assert [dict(head).get(b"content-length") for head in server.heads()] == [b"3"] * 4 + [None] * 2


@pytest.mark.parametrize(
    ("body", "headers", "writes"),
    [
        (b"1234", None, 1),
        ("text", {"x": "y"}, 1),
        (bytearray(20_000), None, 1),
        (iter([b"12", b"34"]), None, 4),  # nobody knows when a piece will come
        (io.BytesIO(b"1234"), None, 2),
        (b"1234", {"expect": "100-continue"}, 2),
    ],
)
def test_the_head_leaves_with_a_body_that_is_in_memory(
    playing: Playing, body: Any, headers: Any, writes: int
) -> None:
    """And waits for nothing else: two writes would be two records, two packets, two wake-ups."""
    written: list[bytes] = []
    _, connection = playing(answering)
    connection.get_response(connection.request("GET", "/")).read()
    pump = connection._pump
    assert pump is not None
    pump._trace = lambda way, data: written.append(data) if way == ">" else None
    stream = connection.request("POST", "/", body, headers)
    assert len(written) == writes
    assert connection.get_response(stream).status == 200


def test_trailers_after_a_body_and_after_none(playing: Playing) -> None:
    server, connection = playing()
    asked = []

    def trailers() -> dict[str, str]:
        asked.append(1)
        return {"X-Sum": "42"}

    connection.request("POST", "/", b"abc", trailers=trailers)
    connection.get_response().read()
    connection.request("POST", "/", trailers=[("x-sum", "43")])
    connection.get_response().read()
    heads = server.heads()
    assert [heads[1], heads[3]] == [[(b"x-sum", b"42")], [(b"x-sum", b"43")]]
    assert asked == [1]


def test_headers_that_are_never_indexed(playing: Playing) -> None:
    import hpack

    server, connection = playing()
    connection.request("GET", "/", headers={"x-secret": "s"}, never_index=["X-Secret"])
    connection.get_response().read()
    (head,) = server.frames(HeadersFrame)
    fields = hpack.Decoder().decode(head.data, raw=True)
    assert [type(field).__name__ for field in fields if field[0] == b"x-secret"] == [
        "NeverIndexedHeaderTuple"
    ]


def test_a_body_that_breaks_off_resets_the_stream(playing: Playing) -> None:
    server, connection = playing()

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        connection.request("POST", "/", pieces())
    with pytest.raises(ValueError, match="after 4 of the 9 octets"):
        connection.request("POST", "/", iter([b"half"]), {"content-length": "9"})
    connection.request("GET", "/")
    assert connection.get_response().read() == b"5"
    resets = server.frames(RstStreamFrame)
    assert [(each.stream_id, each.error_code) for each in resets] == [(1, 8), (3, 8)]


# Uploads under flow control.


def test_an_upload_goes_on_as_room_is_made(playing: Playing) -> None:
    """RFC 9113 §6.9.1."""

    def script(heard: Heard) -> None:
        heard.greet(window=10)
        heard.until(HeadersFrame)
        heard.say(frame("SETTINGS", 1))
        heard.until(SettingsFrame, flags={"ACK"})
        heard.window_update(1, 10)
        heard.window_update(0, 100_000)
        for _ in range(10):
            time.sleep(0.001)
            heard.window_update(1, 20_000)
        heard.answer(heard.until_end())

    body = bytes(range(250)) * 600
    server, connection = playing(script)
    connection.request("POST", "/", body)
    assert connection.get_response().status == 200
    assert server.body(1) == body


def test_an_answer_in_full_stops_the_upload(playing: Playing) -> None:
    """RFC 9113 §8.1: it is delivered, and the server is told that no more will come."""

    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.answer(1, b"too large")
        heard.stay()

    server, connection = playing(script)
    connection.request("POST", "/", bytes(1_000_000))
    assert connection.get_response().read() == b"too large"
    eventually(lambda: server.frames(RstStreamFrame))
    assert len(server.body(1)) < 1_000_000


def test_a_reset_after_a_full_answer_stops_the_upload_as_well(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.answer(1, b"too large")
        heard.rst_stream(1, 0)
        heard.stay()

    _, connection = playing(script)
    connection.request("POST", "/", bytes(1_000_000))
    assert connection.get_response().read() == b"too large"


def test_a_reset_without_an_answer_fails_the_upload(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.rst_stream(1, ErrorCode.CANCEL)
        heard.stay()

    server, connection = playing(script)
    with pytest.raises(StreamResetError, match=server.address):
        connection.request("POST", "/", bytes(1_000_000))


def test_no_room_is_a_timeout_however_much_others_are_given(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        for _ in range(30):
            heard.say(frame("PING", 0, 0, b"are you?"))
            time.sleep(0.02)
        heard.stay()

    server, connection = playing(script, timeout=0.2)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no room to send .* within 0.2 s \(POST /x, stream 1"):
        connection.request("POST", "/x", bytes(100_000))
    assert time.monotonic() - start < 2
    eventually(lambda: server.frames(RstStreamFrame))


def test_progress_starts_the_timeout_afresh(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until(HeadersFrame)
        heard.window_update(0, 1_000_000)
        for _ in range(6):
            time.sleep(0.1)
            heard.window_update(1, 20_000)
        heard.answer(heard.until_end())

    _, connection = playing(script, timeout=0.3)
    connection.request("POST", "/", bytes(150_000))
    assert connection.get_response().status == 200


def test_waiting_for_a_stream_is_a_wait_of_its_own(playing: Playing) -> None:
    """RFC 9113 §5.1.2; for the head and for uploads."""

    def script(heard: Heard) -> None:
        heard.greet(streams=1)
        heard.until(HeadersFrame)
        heard.stay()

    server, connection = playing(script, timeout=0.15)
    first = connection.request("GET", "/first")
    with pytest.raises(TimeoutError, match="response head"):
        connection.get_response(first)
    blocker = connection.request("GET", "/blocker", timeout=20)
    queued = connection.request("GET", "/queued")
    with pytest.raises(TimeoutError, match="no free stream"):
        connection.get_response(queued)
    with pytest.raises(TimeoutError, match="no free stream"):
        connection.request("POST", "/queued", b"x")
    assert connection._pump is not None
    connection._pump.cancel(connection._unclaimed[blocker]._exchange)
    assert server.connections == 1


def test_closing_fails_a_queued_request_and_dials_no_other_connection(playing: Playing) -> None:
    """It may be sent again (RFC 9113 §8.7), but that is for who closed the connection to say."""

    def script(heard: Heard) -> None:
        heard.greet(streams=1)
        heard.stay()

    server, connection = playing(script)
    first = connection.request("GET", "/first")
    leader = Thread(connection.get_response, first)
    eventually(lambda: connection.max_concurrent_streams == 1)
    queued = Thread(connection.get_response, connection.request("GET", "/queued"))
    upload = Thread(connection.request, "POST", "/upload", b"octets")
    pump: Any = connection._pump
    eventually(lambda: len(pump._followers) == 2)
    connection.close()
    for thread, retryable in ((leader, False), (queued, True), (upload, True)):
        with pytest.raises(ConnectionError) as caught:
            thread.finish()
        assert caught.value.retryable is retryable
    assert server.connections == 1
    assert len(server.heads()) == 1


def test_a_queued_upload_leaves_when_a_stream_comes_free(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet(streams=1)
        heard.until(HeadersFrame)
        heard.say(frame("PING", 0, 0, b"settings"))
        heard.until(PingFrame)
        time.sleep(0.05)
        heard.answer(1, b"first")
        heard.answer(heard.until_end(), b"second")
        heard.stay()

    _, connection = playing(script)
    connection.connect()
    first = connection.request("GET", "/")
    leader = Thread(connection.get_response, first)
    eventually(lambda: connection.max_concurrent_streams == 1)
    second = connection.request("POST", "/", b"hello")
    assert connection.get_response(second).read() == b"second"
    assert leader.finish().read() == b"first"


# A socket that is full.


@pytest.mark.parametrize("body", [None, b"x"])
def test_a_request_that_cannot_be_written_is_a_timeout(playing: Playing, body: Any) -> None:
    def script(heard: Heard) -> None:
        heard.greet(window=2**31 - 1)
        heard.window_update(0, 2**30)
        heard.until(HeadersFrame)
        hold.wait(10)

    hold = threading.Event()
    _, connection = playing(script, timeout=0.3)
    connection.connect()
    try:
        with pytest.raises(TimeoutError, match=r"progress in writing|room to send"):
            for _ in range(100):
                connection.request("POST", "/", bytes(1_000_000))
        with pytest.raises(TimeoutError, match="progress in writing"):
            connection.request("POST", "/", body)
    finally:
        hold.set()


# Sending again.


def test_a_refused_request_is_sent_once_more(playing: Playing) -> None:
    """RFC 9113 §8.7; on the same connection, whose id the response then has."""

    def script(heard: Heard) -> None:
        heard.greet()
        heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)
        heard.answer(heard.until_end(), b"now")
        heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)
        heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)
        heard.stay()

    server, connection = playing(script)
    connection.request("GET", "/")
    response = connection.get_response()
    assert (response.read(), response.stream_id) == (b"now", 3)
    connection.request("GET", "/")
    with pytest.raises(StreamResetError, match="REFUSED_STREAM"):
        connection.get_response()
    assert server.connections == 1


def test_a_refused_upload_is_sent_once_more_if_its_body_can_be(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)
        heard.answer(heard.until_end(), b"now")
        heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)
        heard.stay()

    server, connection = playing(script)
    connection.request("POST", "/", io.BytesIO(b"abc"))
    assert connection.get_response().read() == b"now"
    assert server.body(3) == b"abc"
    connection.request("POST", "/", iter([b"abc"]))
    with pytest.raises(StreamResetError, match="REFUSED_STREAM"):
        connection.get_response()


def test_an_upload_refused_half_way_is_sent_once_more_within_request(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        for _ in range(tries):
            heard.rst_stream(heard.until(HeadersFrame).stream_id, ErrorCode.REFUSED_STREAM)
        stream_id = heard.until(HeadersFrame).stream_id
        heard.window_update(0, 1_000_000)
        heard.window_update(stream_id, 1_000_000)
        heard.until_end()
        heard.answer(stream_id, b"now")
        heard.stay()

    body = bytes(200_000)
    tries = 1
    server, connection = playing(script)
    stream_id = connection.request("POST", "/", body)
    assert connection.get_response(stream_id).read() == b"now"
    assert server.body(stream_id) == body
    tries = 2
    server, connection = playing(script)
    with pytest.raises(StreamResetError, match="REFUSED_STREAM"):
        connection.request("POST", "/", body)


def test_what_the_goodbye_left_out_is_sent_on_a_new_connection(playing: Playing) -> None:
    """RFC 9113 §6.8: streams up to the last finish where they are."""
    count = 0

    def script(heard: Heard) -> None:
        nonlocal count
        count += 1
        heard.greet()
        if count == 2:
            heard.answer(heard.until_end(), b"second connection")
            heard.stay()
        heard.until_end()
        heard.until_end()
        answer = heard.head_frame(1) + frame("DATA", 1, 1, b"first connection")
        heard.say(frame("GOAWAY", 0, 0, bytes([0, 0, 0, 1]) + bytes(4)) + answer)
        heard.stay()

    server, connection = playing(script)
    first, second = connection.request("GET", "/1"), connection.request("GET", "/2")
    response = connection.get_response(second)
    assert response.read() == b"second connection"
    # Ids go on counting, so that 3 means one request only.
    assert response.stream_id == 5
    assert connection.get_response(first).read() == b"first connection"
    assert server.connections == 2


def test_sending_again_may_fail_as_well(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.rst_stream(heard.until_end(), ErrorCode.REFUSED_STREAM)
        heard.rst_stream(heard.until(HeadersFrame).stream_id, ErrorCode.CANCEL)
        heard.stay()

    server, connection = playing(script)
    connection.request("POST", "/", bytes(65_535))
    with pytest.raises(HTTP20Error, match=server.address):
        connection.get_response()


# Coming and going.


def test_the_connection_can_be_used_again_after_close(playing: Playing) -> None:
    server, connection = playing()

    def said_goodbye(times: int) -> bool:
        return len(server.frames(GoAwayFrame)) == times

    for number in (1, 2):
        assert connection.request("GET", "/") == 1
        connection.get_response().read()
        connection.close()
        connection.close()
        eventually(partial(said_goodbye, number))
    assert server.connections == 2


def test_what_had_arrived_before_close_stays_readable(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until_end()
        heard.answer(1, b"whole")
        stream_id = heard.until_end()
        heard.say(
            heard.head_frame(stream_id)
            + frame("DATA", 0, stream_id, b"one, ")
            + frame("DATA", 0, stream_id, b"two")
        )
        heard.stay()

    _, connection = playing(script)
    first, second = connection.request("GET", "/"), connection.request("GET", "/")
    whole, half = connection.get_response(first), connection.get_response(second)
    third = connection.request("GET", "/")
    assert half.read(5) == b"one, "
    connection.close()
    assert whole.read() == b"whole"
    assert half.read(3) == b"two"
    with pytest.raises(ConnectionError, match="closed on this side"):
        half.read()
    with pytest.raises(ConnectionError, match="closed on this side"):
        connection.get_response(third)


def test_a_dead_connection_is_replaced_before_the_next_request(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.answer(heard.until_end(), b"x")

    server, connection = playing(script)
    for _ in range(3):
        connection.request("GET", "/")
        assert connection.get_response().read() == b"x"
        time.sleep(0.02)
    assert server.connections == 3


def test_a_server_that_always_says_goodbye_at_once_is_given_up(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.goaway(0, 0)
        heard.finish()

    server, connection = playing(script)
    # As if every new connection had been idle for long.
    monkeypatch.setattr("hyper.sync.pump.IDLE", -1)
    monkeypatch.setattr(Pump, "__init__", _and_then(Pump.__init__))
    with pytest.raises(ConnectionError, match=f"{server.address}.*no new requests"):
        connection.request("GET", "/")
    assert server.connections == 3


def _and_then(init: Any) -> Any:
    def slow(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.flush()
        time.sleep(0.05)

    return slow


def test_stream_ids_that_run_out_mean_a_new_connection(playing: Playing) -> None:
    """RFC 9113 §5.1.1."""
    server, connection = playing()
    connection.connect()
    assert connection._pump is not None
    protocol: Any = connection._pump.protocol
    protocol._next_id = 2**31 - 1
    assert connection.request("GET", "/") == 2**31 - 1
    assert connection.get_response().read() == b"2147483647"
    assert connection.request("GET", "/") == 1
    assert connection.get_response().read() == b"1"
    assert server.connections == 2


def test_connect_says_the_preface_at_once(playing: Playing) -> None:
    server, connection = playing()
    connection.connect()
    connection.connect()
    eventually(lambda: server.frames(SettingsFrame))
    assert server.connections == 1
    assert connection.max_concurrent_streams > 0
    assert HTTP20Connection("h").max_concurrent_streams == 1, "until it is known"


def test_ping(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        for _ in range(2):
            ping = heard.until(PingFrame)
            heard.say(frame("PING", 1, 0, ping.opaque_data))
        heard.until(PingFrame)
        heard.until(PingFrame)

    server, connection = playing(script, timeout=0.2)
    assert 0 < connection.ping() < 5
    assert connection.ping("-" * 8) > 0
    assert server.frames(PingFrame)[1].opaque_data == b"--------"
    with pytest.raises(ValueError, match="8 octets"):
        connection.ping(b"x")
    with pytest.raises(TimeoutError, match=r"PING within 0\.2 s"):
        connection.ping()
    with pytest.raises(ConnectionError, match=server.address):
        connection.ping()


def test_a_window_manager_hears_of_a_body_that_was_whole_before_it_was_read(
    playing: Playing,
) -> None:
    """No window needs it any more; a manager of the user's own may count."""
    heard: list[int] = []

    class Manager(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            heard.append(frame_size)
            return 0

    _, connection = playing(window_manager=Manager)
    for _ in range(2):  # only from the second on a body without codings takes the short way
        stream_id = connection.request("GET", "/")
        response = connection.get_response(stream_id)
        pump = connection._pump
        assert pump is not None
        assert pump.wait(response._exchange, has_ended, time.monotonic() + 10)
        heard.clear()  # what the connection's heard when it came
        body = response.read()
        assert body and heard == [len(body)]


def test_a_window_manager_is_a_class_that_is_asked(playing: Playing) -> None:
    asked: list[int] = []

    class Manager(FlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            asked.append(frame_size)
            return super().increase_window_size(frame_size)

    def script(heard: Heard) -> None:
        heard.greet()
        heard.answer(heard.until_end(), bytes(5000))
        heard.stay()

    _, connection = playing(script, window_manager=Manager)
    connection.request("GET", "/")
    assert len(connection.get_response().read()) == 5000
    assert asked == [5000, 5000]


def test_a_head_that_takes_too_long_resets_its_stream_only(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until_end()
        heard.until(RstStreamFrame)
        heard.answer(heard.until_end(), b"quick")
        heard.stay()

    _, connection = playing(script)
    connection.request("GET", "/slow", timeout=0.1)
    with pytest.raises(TimeoutError, match=r"no response head within 0.1 s \(GET /slow, stream 1"):
        connection.get_response()
    connection.request("GET", "/")
    assert connection.get_response().read() == b"quick"


def test_connecting_and_the_rest_have_timeouts_of_their_own(playing: Playing) -> None:
    _, connection = playing(lambda heard: heard.stay(), timeout=(5, 0.1))
    connection.request("GET", "/")
    with pytest.raises(TimeoutError, match=r"0\.1 s"):
        connection.get_response()


def test_the_trace_sees_what_is_said(playing: Playing) -> None:
    seen: list[tuple[str, bytes]] = []
    _, connection = playing(trace=lambda *what: seen.append(what))
    connection.request("GET", "/")
    connection.get_response().read()
    assert seen[0][0] == ">"
    assert seen[0][1].startswith(b"PRI * HTTP/2.0")
    assert "<" in {direction for direction, _ in seen}


def test_the_environment_can_ask_for_a_trace(
    playing: Playing, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HYPER_TRACE", "-")
    _, connection = playing()
    connection.request("GET", "/")
    connection.get_response().read()
    assert "HEADERS" in capfd.readouterr().err
    monkeypatch.delenv("HYPER_TRACE")
    monkeypatch.delitem(sys.modules, "logging")
    assert dialling_module.asked_for_trace() is None


# TLS, and dialling together.


def test_without_h2_the_error_says_what_alpn_chose(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    inside = certificates.server_context("http/1.1")
    with (
        Server(lambda heard: heard.stay(), context=inside) as server,
        HTTP20Connection(server.address, ssl_context=ssl_context) as connection,
    ):
        with pytest.raises(H2NotNegotiatedError, match=r"chose 'http/1\.1' by ALPN") as caught:
            connection.request("GET", "/")
        assert caught.value.alpn == "http/1.1"


def test_force_proto_speaks_h2_whatever_alpn_says(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(certificates.chain, certificates.key)
    with (
        Server(answering, context=inside) as server,
        HTTP20Connection(
            server.address, ssl_context=ssl_context, force_proto="h2", timeout=10
        ) as connection,
    ):
        connection.request("GET", "/")
        assert connection.get_response().read() == b"1"


class Dialling:
    """Stands in for ``connect``: the first call waits until the test says how it ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.error: BaseException | None = None
        self.connect = dial.connect
        monkeypatch.setattr(dialling_module, "connect", self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            self.go.wait(10)
            if self.error is not None:
                raise self.error
        return self.connect(*args, **kwargs)


def dialled_by_two(dialling: Dialling, connection: HTTP20Connection) -> list[Thread]:
    threads = [Thread(connection.connect)]
    eventually(lambda: dialling.calls == 1)
    threads.append(Thread(connection.connect))
    eventually(lambda: connection._dialling and connection._dialling.gates)
    return threads


def test_one_dials_and_the_others_wait(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    dialling = Dialling(monkeypatch)
    _, connection = playing()
    threads = dialled_by_two(dialling, connection)
    dialling.go.set()
    for thread in threads:
        thread.finish()
    assert dialling.calls == 1


def test_a_dial_that_fails_fails_for_all_who_wait(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialling = Dialling(monkeypatch)
    dialling.error = ConnectionRefusedError(111, "refused")
    _, connection = playing()
    threads = dialled_by_two(dialling, connection)
    dialling.go.set()
    errors = []
    for thread in threads:
        with pytest.raises(ConnectionRefusedError) as caught:
            thread.finish()
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert dialling.calls == 1
    connection.connect()
    assert dialling.calls == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
def test_a_dial_that_is_interrupted_is_taken_over(
    playing: Playing, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """By Ctrl-C, or by what a signal's handler raises: no error of the network's."""
    dialling = Dialling(monkeypatch)
    dialling.error = error()
    _, connection = playing()
    first, second = dialled_by_two(dialling, connection)
    dialling.go.set()
    with pytest.raises(error):
        first.finish()
    second.finish()
    assert dialling.calls == 2


def test_who_waits_for_a_dial_has_a_deadline(
    playing: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialling = Dialling(monkeypatch)
    _, connection = playing(timeout=0.1)
    first, second = dialled_by_two(dialling, connection)
    with pytest.raises(TimeoutError, match="another thread has been connecting"):
        second.finish()
    dialling.go.set()
    first.finish()


def test_closing_during_a_dial_undoes_it(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    dialling = Dialling(monkeypatch)
    _, connection = playing(timeout=None)
    threads = dialled_by_two(dialling, connection)
    connection.close()
    dialling.go.set()
    for thread in threads:
        with pytest.raises(ConnectionError, match="closed while it was being made"):
            thread.finish()
    assert connection._pump is None


def test_closing_ends_former_connections_too(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until_end()
        heard.goaway(1, 0)
        heard.stay()

    _, connection = playing(script)
    stream_id = connection.request("GET", "/")
    waiting = Thread(connection.get_response, stream_id)
    assert connection._pump is not None
    former = connection._pump
    eventually(lambda: not former.protocol.accepting)
    # The server serves one after the other, so this is only dialled, not greeted.
    Thread(connection.request, "GET", "/")
    eventually(lambda: connection._pump not in (None, former))
    connection.close()
    with pytest.raises(ConnectionError, match="closed on this side"):
        waiting.finish()


def test_the_child_of_a_fork_dials_for_itself() -> None:
    connection = HTTP20Connection("h")
    connection._dialling = dialling_module._Dial()
    lock = connection._lock
    lock.acquire()
    dialling_module._drop_inherited()
    assert connection._dialling is None
    assert not connection._lock.locked()


def test_errors_name_the_server_however_they_come_about(playing: Playing) -> None:
    def script(heard: Heard) -> None:
        heard.greet()
        heard.until_end()
        heard.say(frame("DATA", 0, 0, b"on stream 0"))
        heard.stay()

    server, connection = playing(script)
    connection.request("GET", "/")
    with pytest.raises(ProtocolError, match=server.address):
        connection.get_response()
    eventually(lambda: server.frames(GoAwayFrame))
