"""The event hook: what a program is told of its connections, and what it costs nobody else."""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TypeVar

import pytest

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import HyperError
from hyper.demo import DemoServer
from hyper.http20.exceptions import ErrorCode
from hyper.trace import FrameTrace, Timeline, Watch, read_recording
from hyper.trace.events import (
    Answered,
    BodyBegan,
    Closed,
    Connected,
    Dialling,
    Ended,
    Event,
    Frame,
    Message,
    Opened,
    Piece,
    Promised,
    Queued,
    RequestEnded,
    Reset,
    Resolved,
    Secured,
    Speaking,
)

from ..certificates import Certificates
from ..faults.rawserver import Conversation, RawServer
from ..peer import END_STREAM, frame
from ..servers import InProcessServer

E = TypeVar("E", bound=Event)


class Told(list[Event]):
    """Events as they came."""

    def of(self, kind: type[E], stream: int | None = None) -> list[E]:
        return [
            each
            for each in self
            if isinstance(each, kind) and (stream is None or getattr(each, "stream", -1) == stream)
        ]

    def one(self, kind: type[E], stream: int | None = None) -> E:
        [each] = self.of(kind, stream)
        return each

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_request_over_tls_from_dialling_to_the_end(
    told: Told, server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    trace = Watch(told.append)
    with HTTPConnection(
        "localhost", server.port, secure=True, ssl_context=ssl_context, trace=trace
    ) as connection:
        body = b"x" * 1000
        connection.request("POST", "/echo", body=body)
        assert connection.get_response().read() == body

    made = ["Dialling", "Resolved", "Connected", "Secured", "Speaking"]
    assert told.kinds()[:5] == made
    assert told.one(Dialling).port == server.port
    assert f"127.0.0.1:{server.port}" in told.one(Resolved).addresses
    assert told.one(Connected).address == f"127.0.0.1:{server.port}"
    secured = told.one(Secured)
    assert (secured.offered, secured.chose) == (("h2", "http/1.1"), "h2")
    assert secured.version == "TLSv1.3"
    assert told.one(Speaking).version == "HTTP/2"
    life: list[Event] = [
        told.one(Opened),
        told.one(RequestEnded),
        told.one(Answered),
        told.one(BodyBegan),
        told.one(Ended),
        told.one(Closed),
    ]
    assert [told.index(event) for event in life] == sorted(told.index(event) for event in life)
    assert told.one(Opened).url == f"https://localhost:{server.port}/echo"
    assert (told.one(RequestEnded).size, told.one(Ended).size) == (1000, 1000)
    assert told.one(Answered).status == 200
    assert told.one(Closed).reason == "by us"
    times = [event.at for event in told]
    assert times == sorted(times)
    assert {event.connection for event in told} == {1}


def test_frames_have_fields_savings_and_windows(told: Told, demo: DemoServer) -> None:
    with HTTP20Connection(demo.host, demo.port, trace=Watch(told.append)) as connection:
        for _ in range(2):
            connection.request("GET", "/get", headers={"x-long": "y" * 100})
            connection.get_response().read()

    first, second = (each for each in told.of(Frame) if each.sent and each.fields is not None)
    assert first.fields is not None
    assert dict(first.fields)[b"x-long"] == b"y" * 100
    assert first.plain == second.plain == sum(len(n) + len(v) for n, v in first.fields)
    assert second.coded < 12 < first.coded < first.plain
    assert second.coded == second.size
    left = 16_777_216
    for data in (each for each in told.of(Frame) if each.kind == "DATA"):
        assert not data.sent
        left -= data.size
        assert data.windows == (1_048_576 - data.size, left)
    assert left < 16_777_216


def test_what_we_may_send_shrinks_and_grows(told: Told) -> None:
    """RFC 9113 §6.9.2: a change of INITIAL_WINDOW_SIZE moves the windows of open streams."""

    def script(server: Conversation) -> None:
        stream = server.hear_request()
        server.say(frame("SETTINGS", payload=b"\0\4\0\0\x27\x10"))  # 10,000 octets a stream
        server.say(frame("WINDOW_UPDATE", 0, stream, b"\0\0\0\x64"))
        server.say(frame("WINDOW_UPDATE", 0, 0, b"\0\0\0\x01"))
        server.head(stream)
        server.say(frame("DATA", END_STREAM, stream, b""))
        server.hear()

    with (
        RawServer(script) as server,
        HTTP20Connection(
            "127.0.0.1", server.port, secure=False, timeout=10, trace=Watch(told.append)
        ) as connection,
    ):
        connection.request("POST", "/", body=b"x" * 5000)
        connection.get_response().read()
        connection.close()
    sent = [each.windows for each in told.of(Frame) if each.sent and each.kind == "DATA"]
    assert sent[-1] == (60_535, 60_535)
    updates = [e for e in told.of(Frame) if not e.sent and e.kind == "WINDOW_UPDATE"]
    assert [each.windows[1] for each in updates if each.windows] == [60_535, 60_536]


def test_streams_wait_are_promised_and_are_reset(told: Told, demo: DemoServer) -> None:
    trace = Watch(told.append)
    with HTTP20Connection(demo.host, demo.port, enable_push=True, trace=trace) as connection:
        page = connection.request("GET", "/push")
        connection.get_response(page).read()
        for push in connection.get_pushes(page):
            push.get_response().read()
        paths = ["/delay/0.6"] * 4 + ["/reset?code=7", "/get"]
        ids = [connection.request("GET", path) for path in paths]
        with pytest.raises(HyperError):
            connection.get_response(ids[4])
        assert connection.get_response(ids[5]).read()

    promised = told.of(Promised)
    assert [(each.stream, each.parent) for each in promised] == [(2, 1), (4, 1)]
    assert promised[0].url.endswith("/assets/style.css")
    assert told.one(Ended, 2).size > 0
    queued = [each.stream for each in told.of(Queued)]
    assert queued[:2] == ids[4:]
    assert told.index(told.one(Queued, ids[5])) < told.index(told.one(Opened, ids[5]))
    reset = told.of(Reset)[0]
    assert (reset.sent, reset.code) == (False, ErrorCode.REFUSED_STREAM)
    assert reset.name == "REFUSED_STREAM"


def test_what_a_goaway_leaves_out_is_told(told: Told) -> None:
    """RFC 9113 §6.8."""

    def script(server: Conversation) -> None:
        stream = server.hear_request()
        server.hear()
        server.say(frame("GOAWAY", payload=b"\0\0\0\1" + bytes(4)))
        server.head(stream, end=True)
        server.linger()

    with (
        RawServer(script) as server,
        HTTP20Connection(
            "127.0.0.1", server.port, secure=False, timeout=10, trace=Watch(told.append)
        ) as connection,
    ):
        connection.request("GET", "/one")
        late = connection.request("POST", "/two", body=iter([b"once"]))
        connection.get_response(1).read()
        with pytest.raises((HyperError, OSError)):
            connection.get_response(late)
    left_out = told.of(Reset, late)[0]
    assert left_out.by_goaway
    assert told.one(Ended, 1).size == 0
    assert "said goodbye" in told.of(Closed)[0].reason


def test_the_same_over_http11(told: Told, server: InProcessServer) -> None:
    with HTTP11Connection("localhost", server.plain_port, trace=Watch(told.append)) as connection:
        for path in ("/hello", "/status/404"):
            connection.request("GET", path, headers={"cookie": "s3cret"})
            connection.get_response().read()

    assert told.one(Speaking).version == "HTTP/1.1"
    heads = told.of(Message)
    assert heads[0].line == "GET /hello HTTP/1.1"
    assert (b"cookie", b"<6 octets hidden>") in heads[0].fields
    assert heads[1].line.startswith("HTTP/1.1 200")
    assert [each.stream for each in told.of(Opened)] == [1, 2]
    assert told.of(Opened)[0].url == f"http://localhost:{server.plain_port}/hello"
    assert [each.status for each in told.of(Answered)] == [200, 404]
    assert told.one(Ended, 1).size == 12 == sum(each.size for each in told.of(Piece, 1))
    assert told.of(Frame) == []


def test_requests_that_wait_over_http11(told: Told, server: InProcessServer) -> None:
    with HTTP11Connection(
        "localhost", server.plain_port, timeout=20, trace=Watch(told.append)
    ) as connection:
        connection.request("GET", "/late/0.5")
        connection.request("GET", "/hello")
        assert connection.get_response().read()
        assert connection.get_response().read() == b"hello, world"

    assert told.one(Queued).stream == 2
    assert told.index(told.one(Queued)) < told.index(told.one(Opened, 2))


def test_an_upgrade_goes_on_in_http2(told: Told, server: InProcessServer) -> None:
    """RFC 7540 §3.2: the answer to what was asked in HTTP/1.1 comes on stream 1."""
    with HTTPConnection(
        "localhost", server.plain_port, secure=False, trace=Watch(told.append)
    ) as connection:
        connection.request("GET", "/hello")
        assert connection.get_response().read() == b"hello, world"
        assert connection.version == "HTTP/2"
        connection.request("GET", "/hello")
        connection.get_response().read()

    assert [each.version for each in told.of(Speaking)] == ["HTTP/1.1", "HTTP/2"]
    assert [each.stream for each in told.of(Opened)] == [1, 3]
    assert [(each.stream, each.status) for each in told.of(Answered)] == [
        (1, 101),
        (1, 200),
        (3, 200),
    ]
    assert told.one(Ended, 1).size == 12


def test_each_connection_has_a_number(told: Told, demo: DemoServer) -> None:
    with HTTP20Connection(demo.host, demo.port, trace=Watch(told.append)) as connection:
        for _ in range(2):
            connection.request("GET", "/goaway")
            connection.get_response().read()

    assert [each.connection for each in told.of(Dialling)] == [1, 2]
    assert {each.connection for each in told.of(Answered)} == {1, 2}
    assert len(told.of(Frame)) > 10, "the second one is read from its own beginning"
    assert sum(each.kind == "preface" for each in told.of(Frame)) == 2


def test_a_connection_that_never_came_about(told: Told) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    connection = HTTP20Connection("127.0.0.1", port, trace=Watch(told.append))
    with pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/")

    assert told.kinds() == ["Dialling", "Resolved", "Closed"]
    assert told.one(Closed).error == "ConnectionRefusedError"
    assert str(port) in told.one(Closed).reason


def test_the_server_hangs_up(told: Told) -> None:
    def script(server: Conversation) -> None:
        server.hear_request()

    with (
        RawServer(script) as server,
        HTTP20Connection(
            "127.0.0.1", server.port, secure=False, timeout=10, trace=Watch(told.append)
        ) as connection,
    ):
        connection.request("POST", "/", body=iter([b"once"]))
        with pytest.raises((HyperError, OSError)):
            connection.get_response()
    assert told.of(Closed)[0].reason != "by us"


def test_secrets_are_hidden_unless_they_are_wanted(demo: DemoServer) -> None:
    for wanted in (False, True):
        told = Told()
        trace = Watch(told.append, secrets=wanted)
        with HTTP20Connection(demo.host, demo.port, trace=trace) as connection:
            connection.request("GET", "/get", headers={"Authorization": "Basic s3cret"})
            connection.get_response().read()
        said = "\n".join(str(each) for each in told) + repr(told)
        assert ("s3cret" in said) == wanted
        assert ("<12 octets hidden>" in said) != wanted


def test_what_a_program_raises_is_said_once_and_hurts_nobody(
    demo: DemoServer, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[Event] = []

    def broken(event: Event) -> None:
        called.append(event)
        raise ValueError("a mistake of mine")

    with HTTP20Connection(demo.host, demo.port, trace=Watch(broken)) as connection:
        connection.request("GET", "/get")
        assert connection.get_response().read()
    assert len(called) == 1
    assert capsys.readouterr().err.count("ValueError: a mistake of mine") == 1


def test_lines_tell_connections_apart(demo: DemoServer) -> None:
    lines: list[str] = []
    trace = FrameTrace(lines.append)
    for _ in range(2):
        with HTTP20Connection(demo.host, demo.port, trace=trace) as connection:
            connection.request("GET", "/get")
            connection.get_response().read()
    first = [line for line in lines if "(2)" not in line]
    second = [line.replace("(2) ", "") for line in lines if "(2)" in line]
    assert [line.split()[2:4] for line in first][:6] == [line.split()[2:4] for line in second][:6]
    assert first[0].startswith("  0.0000 * dialling ")


def test_colours_tell_streams_and_trouble_apart(demo: DemoServer) -> None:
    lines: list[str] = []
    trace = FrameTrace(lines.append, colours=True)
    with HTTP20Connection(demo.host, demo.port, trace=trace) as connection:
        ids = [connection.request("GET", path) for path in ("/get", "/reset")]
        connection.get_response(ids[0]).read()
        with pytest.raises(HyperError):
            connection.get_response(ids[1])
    heads = [line for line in lines if "HEADERS" in line and ">" in line]
    assert "\x1b[34m" in heads[0]
    assert "\x1b[35m" in heads[1]
    [reset] = [line for line in lines if "RST_STREAM" in line]
    assert "\x1b[1;31m" in reset
    assert all(line.count("\x1b[0m") for line in lines)


def test_the_environment_shows_http11_as_well(server: InProcessServer) -> None:
    code = (
        "from hyper import HTTP11Connection\n"
        f"with HTTP11Connection('localhost', {server.plain_port}) as connection:\n"
        "    connection.request('GET', '/hello')\n"
        "    connection.get_response().read()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"HYPER_TRACE": "-", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert ">   1 GET /hello HTTP/1.1  host=localhost" in done.stderr
    assert "<   1 HTTP/1.1 200" in done.stderr
    assert "<   1 body             12" in done.stderr


def test_who_does_not_watch_loads_nothing_of_it(demo: DemoServer) -> None:
    """docs/decisions/0003: the trace on demand."""
    code = (
        "import sys\n"
        "from hyper import HTTP20Connection\n"
        f"with HTTP20Connection('{demo.host}', {demo.port}) as connection:\n"
        "    connection.request('GET', '/get')\n"
        "    connection.get_response().read()\n"
        "print(sorted(n for n in sys.modules if n.startswith(('hyper.trace', 'hyper.sync.wat'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_lines_and_a_recording_of_one_connection(
    demo: DemoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HYPER_TRACE", str(tmp_path / "recording"))
    with (
        caplog.at_level(logging.DEBUG, logger="hyper.frames"),
        HTTP20Connection(demo.host, demo.port) as connection,
    ):
        connection.request("GET", "/get")
        connection.get_response().read()
    lines = [record.getMessage() for record in caplog.records if record.name == "hyper.frames"]
    assert lines[0].split()[1:3] == ["*", "dialling"]
    assert any("HEADERS" in line and ":path=/get" in line for line in lines)
    with open(tmp_path / "recording", encoding="ascii") as file:
        records = list(read_recording(file))
    assert records[0].data.startswith(b"PRI * HTTP/2.0")
    assert {record.direction for record in records} == {"<", ">"}


def test_http11_in_colour(server: InProcessServer) -> None:
    lines: list[str] = []
    trace = FrameTrace(lines.append, colours=True)
    with HTTP11Connection("localhost", server.plain_port, trace=trace) as connection:
        connection.request("GET", "/hello")
        connection.get_response().read()
    [request] = [line for line in lines if "GET /hello" in line]
    assert "\x1b[36m>\x1b[0m \x1b[34m  1\x1b[0m GET /hello HTTP/1.1" in request


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_is_told_nothing(demo: DemoServer) -> None:
    """Who watches may hold a lock at that moment, which nobody opens in the child."""
    timeline = Timeline()
    with HTTP20Connection(demo.host, demo.port, trace=timeline.watch) as connection:
        connection.request("GET", "/get")
        connection.get_response().read()
        with timeline.lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pytest's process has threads
            child = os.fork()
            if not child:
                os._exit(0)
        deadline = time.monotonic() + 30
        done, status = 0, -1
        while not done and time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)
        if not done:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert (done, status) == (child, 0), "the child did not get through"


def test_a_face_of_somebody_else_shows_how_it_connects(
    server: InProcessServer, certificates: Certificates
) -> None:
    code = (
        "import requests, hyper.contrib\n"
        "session = requests.Session()\n"
        "session.mount('https://', hyper.contrib.HTTP20Adapter())\n"
        f"print(session.get('https://localhost:{server.port}/hello').text)\n"
    )
    environment = {
        "HYPER_TRACE": "-",
        "PATH": "",
        "REQUESTS_CA_BUNDLE": str(certificates.authority),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    lines = done.stderr.splitlines()
    assert done.stdout == "hello, world\n", done.stderr
    assert f"* dialling localhost port {server.port}" in lines[0]
    assert any("* speaking HTTP/2" in line for line in lines)
    assert any(":path=/hello" in line for line in lines)
