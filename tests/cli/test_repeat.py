"""Many requests over one connection, and what is said of them."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from hyper.cli.load import percentile
from hyper.demo import DemoServer

from ..faults.rawserver import Conversation, RawServer
from ..servers import InProcessServer
from .conftest import Run


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_figures(run: Run, url: str, trusted: tuple[str, ...], version: str) -> None:
    spoken = {"--http2": "HTTP/2", "--http1.1": "HTTP/1.1"}[version]
    done = run(f"{url}/hello", "--repeat=30", "--parallel=5", version, "--debug", *trusted)

    assert done.code == 0
    assert done.err.count("connected to ") == 1, "one connection"
    first, second = done.text.splitlines()
    assert re.fullmatch(
        rf"30 of 30 requests in \d+\.\d{{3}} s over {spoken}: \d+/s, 360 octets \(30 x 200\)", first
    )
    names = re.findall(r"(min|median|90 %|99 %|max) ([\d.]+) ms", second)
    assert [name for name, _ in names] == ["min", "median", "90 %", "99 %", "max"]
    times = [float(time) for _, time in names]
    assert times == sorted(times)


def test_several_are_under_way_at_once(run: Run) -> None:
    done = run("demo:/delay/0.2", "--repeat=8", "--parallel=8", "--debug")
    lines = [line.split() for line in done.err.splitlines()]
    order = [line[1] for line in lines if len(line) > 3 and line[3] == "HEADERS"]
    assert order == [">"] * 8 + ["<"] * 8


def test_bodies_are_sent_each_time(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    Path("note.txt").write_text("note")
    done = run(f"{url}/echo", "-f", "f@note.txt", "--repeat=3", *trusted)
    assert "3 x 200" in done.text


def test_octets_are_counted_as_they_come(run: Run) -> None:
    """Unpacking them would measure us instead of the server."""
    with DemoServer() as server:
        url = f"http://127.0.0.1:{server.port}/gzip"
        found = re.search("^content-length: ([0-9]+)$", run("--h2", "--headers", url).text, re.M)
        assert found is not None
        done = run("--h2", url, "--repeat=2")
    assert f", {2 * int(found[1])} octets (2 x 200)" in done.text


def test_statuses_count(run: Run) -> None:
    done = run("demo:/status/503", "--repeat=3", "--check-status")
    assert done.code == 5
    assert "(3 x 503)" in done.text
    assert run("demo:/status/503", "--repeat=3").code == 0


def test_failures_are_told(run: Run) -> None:
    def one(conversation: Conversation) -> None:
        stream_id = conversation.hear_request()
        conversation.head(stream_id, end=True)
        conversation.rst_stream(conversation.hear(), 2)
        conversation.linger()

    with RawServer(one) as server:
        done = run("--h2", f"http://127.0.0.1:{server.port}/", "--repeat=5")
    assert done.code == 1
    assert done.text.startswith("1 of 5 requests in ")
    assert "(1 x 200, 1 failed, 3 not asked)" in done.text
    assert done.err.startswith("hyper: error: ")
    assert "INTERNAL_ERROR" in done.err
    assert done.err.count("\n") == 1


def test_threads_that_the_system_does_not_give_are_told(
    run: Run, url: str, trusted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As within a container that may have so many."""
    start = threading.Thread.start
    left = [3]

    def limited(thread: threading.Thread) -> None:
        if thread.name.startswith("request "):
            if not left[0]:
                raise RuntimeError("can't start new thread")
            left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    done = run(f"{url}/delay/5", "--repeat=100", "--parallel=100", *trusted)
    said = "hyper: error: only 3 threads could be started: ask for fewer by --parallel\n"
    assert (done.code, done.err) == (1, said)
    assert not [each for each in threading.enumerate() if each.name.startswith("request ")]


def test_a_failure_has_its_own_exit_code(run: Run) -> None:
    done = run("demo:/delay/5", "--repeat=2", "--timeout=0.2")
    assert done.code == 2, "a timeout"
    assert "(no answer, 1 failed, 1 not asked)" in done.text
    assert done.err.startswith("hyper: error: ")
    assert "no response head within 0.2 s" in done.err
    assert done.err.count("\n") == 1


def test_nobody_there(run: Run, server: InProcessServer) -> None:
    done = run("http://127.0.0.1:1/", "--repeat=5")
    assert (done.code, done.out) == (1, b"")
    assert "refused" in done.err


def test_percentiles() -> None:
    ordered = [float(number) for number in range(1, 11)]
    told = [percentile(ordered, share) for share in (0.0, 0.5, 0.9, 0.99, 1.0)]
    assert told == [1.0, 5.0, 9.0, 10.0, 10.0]
    assert percentile([7.0], 0.5) == 7.0
