"""The tour: that it is right, that it says so, and that it says when something is not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from hyper.common.exceptions import HyperError
from hyper.demo import DemoServer, endpoints, tour
from hyper.demo.__main__ import main
from hyper.demo.steps import Head, Request, Step
from hyper.demo.tour import WIDTH, Tour
from hyper.sync.connection import HTTP20Connection

COMMAND = [sys.executable, "-m", "hyper.demo"]


def test_the_tour_is_right_and_fits_a_terminal() -> None:
    threads = threading.active_count()
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert "WRONG" not in done.stdout
    assert done.stdout.endswith(
        "All of it was right. Now try:  python -m hyper --debug demo:/get\n"
    )
    assert max(map(len, done.stdout.splitlines())) <= WIDTH
    for said in (
        "> preface",
        ":path=/get?answer=42",
        "their streams are 1, 3, 5",
        "400 of 400 answers right",
        "TCP connections: 1",
        "threads that hyper started: 0",
        "StreamResetError",
    ):
        assert said in done.stdout
    assert re.findall(r"ok    (\d): /", done.stdout) == ["5", "3", "1"]
    assert threading.active_count() == threads


class Said(list[str]):
    def wrong(self) -> list[str]:
        return [line for line in self if "WRONG" in line]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """A shorter tour's output."""
    monkeypatch.setattr(tour, "DOWNLOAD", 2**21)
    return Said()


def test_what_goes_wrong_is_shown_and_counted(
    said: Said, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lie(request: Request) -> Iterator[Step]:
        yield Head(200, [])
        yield b'{"args": {}, "url": "/", "json": 1, "data": "", "size": 0, "sha256": ""}'

    monkeypatch.setattr("hyper.demo.server.answer", lie)
    with DemoServer() as server:
        assert Tour(server, said.append).run() == 1

    wrong = said.wrong()
    assert len(wrong) >= 6
    assert said[-1] == f"\n{len(wrong)} of these things went wrong."
    assert any("a body cut short was taken for a whole one" in line for line in wrong)


def test_an_error_is_wrong_and_the_next_scene_follows(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, *args: object, **options: object) -> None:
        raise HyperError("no such luck")

    monkeypatch.setattr(HTTP20Connection, "request", fail)
    with DemoServer() as server:
        assert Tour(server, said.append).run() == 1

    assert said.wrong() == ["   WRONG HyperError: no such luck"] * 6


def test_an_interrupt_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Tour) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Tour, "run", interrupt)
    assert main([]) == 130


def test_whoever_stops_reading_ends_it_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(COMMAND, stdout=nobody, stderr=subprocess.PIPE, timeout=60)

    assert (done.returncode, done.stderr) == (1, b"")


def test_a_pipe_that_breaks_within_a_scene_ends_the_tour(said: Said) -> None:
    def write(line: str) -> None:
        said.append(line)
        if line.startswith("   ok"):
            raise BrokenPipeError

    with DemoServer() as server, pytest.raises(BrokenPipeError):
        Tour(server, write).run()
    assert not said.wrong()


def test_serve_serves_until_it_is_interrupted() -> None:
    serving = subprocess.Popen(
        [*COMMAND, "--serve", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert serving.stdout is not None
    try:
        said = [serving.stdout.readline() for _ in range(3)]
        url = re.search(r"http://127\.0\.0\.1:(\d+),", said[0])
        assert url is not None
        command = said[1].split()
        assert command[:3] == ["python", "-m", "hyper"]
        tried = [sys.executable, *command[1:], "--check-status"]
        assert subprocess.run(tried, capture_output=True, timeout=20).returncode == 0
        assert said[2] == f"  curl --http2-prior-knowledge http://127.0.0.1:{url[1]}/get\n"
        with HTTP20Connection("127.0.0.1", int(url[1]), timeout=10) as connection:
            connection.request("GET", "/ip")
            assert connection.get_response().status == 200
    finally:
        serving.send_signal(signal.SIGINT)
        _, errors = serving.communicate(timeout=20)
    assert (serving.returncode, errors) == (0, "")


def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with DemoServer() as server:
        assert main(["--serve", str(server.port)]) == 1

    error = capsys.readouterr().err
    assert error.startswith(f"hyper.demo: error: port {server.port}: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["x"], ["--serve", "x"], ["--serve", "99999"], ["--serve", "1", "2"]]
)
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert capsys.readouterr().err == "usage: python -m hyper.demo [--serve [PORT]]\n"


def test_the_port_is_8080_unless_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(self: DemoServer) -> None:
        raise OSError(13, "not here")

    monkeypatch.setattr(DemoServer, "start", refuse)
    assert main(["--serve"]) == 1
    assert capsys.readouterr().err == "hyper.demo: error: port 8080: not here\n"


def test_the_tour_asks_only_what_the_demo_knows() -> None:
    asked = {"get", "delay", "ip", "", "post", "digest", "bytes", "anything", "cut"}
    assert asked <= set(endpoints.ROUTES)
