"""--waterfall, --assets, --trace, --explain and --debug, as one types them."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import ssl
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from hyper import HTTP20Connection, HTTPConnection
from hyper.cli import main
from hyper.cli.assets import in_style, linked
from hyper.cli.explain import MEANINGS, explain
from hyper.cli.target import Target
from hyper.cli.waterfall import Waterfall
from hyper.demo import site
from hyper.http20.exceptions import ErrorCode
from hyper.trace import Timeline
from hyper.trace.events import (
    Answered,
    BodyBegan,
    Closed,
    Connected,
    Dialling,
    Ended,
    Frame,
    Opened,
    Promised,
    Queued,
    Reset,
    Resolved,
    Secured,
    Speaking,
)

from ..certificates import Certificates
from ..cli.terminal import Terminal
from ..servers import InProcessServer

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "HYPER_TRACE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


Capture = pytest.CaptureFixture[str]


def test_the_picture_takes_the_place_of_the_response(capfd: Capture) -> None:
    assert main(["--waterfall", "--assets", "demo:/page"]) == 0
    said = capfd.readouterr()

    rows = [line for line in said.out.splitlines() if " GET " in line]
    assert {re.split(r"\s+", line)[2] for line in rows} == {
        "/page",
        *(f"/assets/{name}" for name in site.ASSETS),
    }
    assert all("200" in line for line in rows)
    assert said.out.count("◆") == 3, "two pushes, which are not asked for again, and the legend"
    assert "<html" not in said.out
    assert "\x1b" not in said.out
    assert said.err == ""


def test_with_the_response_wanted_the_picture_stands_beside_it(capfd: Capture) -> None:
    assert main(["--waterfall", "--print=b", "demo:/get"]) == 0
    said = capfd.readouterr()

    assert json.loads(said.out)["url"].endswith("/get")
    assert "1 GET /get" in said.err


def test_without_assets_nothing_more_is_asked(capfd: Capture) -> None:
    assert main(["--waterfall", "demo:/page"]) == 0
    rows = [line for line in capfd.readouterr().out.splitlines() if " GET " in line]
    assert [line.split(" ")[0] for line in rows] == ["1", "◆2", "◆4"]


def on_a_terminal(*words: str, columns: int = 70, **environment: str) -> str:
    """What the command writes on a terminal of 20 rows."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "hyper", *words],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={
                **{name: value for name, value in os.environ.items() if name != "NO_COLOR"},
                "TERM": "xterm-256color",
                "COLUMNS": str(columns),
                "LINES": "20",
                **environment,
            },
        )
    finally:
        os.close(theirs)
    said = b""
    try:
        while True:
            said += os.read(ours, 65_536)
    except OSError:  # the other end is closed: it is over
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 0, said
    return said.decode()


def test_on_a_terminal_it_is_drawn_while_it_happens_and_fits() -> None:
    said = on_a_terminal("--waterfall", "demo:/delay/0.5")

    pictures = re.split(r"\x1b\[\d+A\r\x1b\[J", said)
    assert len(pictures) > 2, "drawn again and again"
    assert "..." in pictures[0], "not answered yet"
    assert "200" in pictures[-1]
    bars = [len(ESCAPES.sub("", picture)) for picture in pictures[1:]]
    assert bars
    for line in ESCAPES.sub("", said).splitlines():
        assert len(line) < 70
    assert "\x1b[33m─" in said


def test_a_terminal_that_becomes_narrower_breaks_what_it_shows() -> None:
    """A picture is taken back with as many lines as it has by then."""
    with Terminal(["--waterfall", "demo:/drip?duration=10&numbytes=200"], columns=100) as terminal:
        terminal.until(lambda seen: seen.count("200\x1b[0m") > 1)
        terminal.resize(30)
        again = re.compile(r"\x1b\[([4-9]|\d\d)A.*\x1b\[3A", re.DOTALL)
        seen = terminal.until(again.search)
        terminal.type("\x03")
        terminal.end()
    pictures = re.split(r"\x1b\[(\d+)A\r\x1b\[J", COLOURS.sub("", seen))
    at = next(at for at in range(1, len(pictures), 2) if pictures[at] != "3")
    wide, back, narrow = pictures[at - 1 : at + 2]
    lines = wide.splitlines()
    assert len(lines) == 3
    assert 60 < len(lines[0]) < 100
    assert int(back) == sum(-(-len(line) // 30) for line in lines)
    assert max(len(line) for line in narrow.splitlines()) < 30


def test_no_colour_where_nobody_wants_one() -> None:
    said = on_a_terminal("--waterfall", "demo:/get", NO_COLOR="1")
    assert re.search(r"\x1b\[[0-9;]*m", said) is None
    assert "1 GET /get" in said


def test_what_a_terminal_cannot_show_is_drawn_plainly() -> None:
    timeline = Timeline()
    timeline.add(Opened(1, 0.0, 1, "GET", "http://h/x", []))
    timeline.add(Answered(1, 1.0, 1, 200, []))
    timeline.add(Ended(1, 2.0, 1, 0))
    raw = io.BytesIO()
    picture = Waterfall(timeline, io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    picture.start()
    picture.finish()
    lines = raw.getvalue().decode("ascii").splitlines()
    assert "----" in lines[1]
    assert "====" in lines[1]
    assert lines[-1].startswith("- waiting")


def test_a_reader_who_is_gone_ends_no_request() -> None:
    timeline = Timeline()
    timeline.add(Opened(1, 0.0, 1, "GET", "http://h/x", []))

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Waterfall(timeline, Gone()).finish()


def test_no_thread_is_left_of_a_picture() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    output = Screen()
    before = threading.active_count()
    picture = Waterfall(Timeline(), output)
    picture.start()
    picture.start()
    assert threading.active_count() == before + 1
    picture.timeline.add(Opened(1, 0.0, 1, "GET", "http://h/x", []))
    deadline = time.monotonic() + 20
    while output.getvalue().count("/x") < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    picture.finish()
    assert threading.active_count() == before
    assert output.getvalue().count("/x") >= 3


# Files.


@pytest.mark.parametrize("suffix", ["html", "har", "json", "txt"])
def test_a_trace_in_a_file(tmp_path: Path, capfd: Capture, suffix: str) -> None:
    path = tmp_path / f"trace.{suffix}"
    words = ["--trace", str(path), "demo:/get", "Authorization:s3cret"]
    assert main(words) == 0
    assert json.loads(capfd.readouterr().out), "the response is shown as ever"
    text = path.read_text(encoding="utf-8")
    assert "/get" in text
    assert "s3cret" not in text


def test_a_trace_of_a_failure(tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "trace.txt"
    assert main(["--trace", str(path), "--explain", "demo:/reset?code=7"]) == 1
    assert "REFUSED_STREAM" in path.read_text(encoding="utf-8")
    assert "may be sent again as it is" in capfd.readouterr().err


def test_a_watched_response_is_read_even_if_it_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "trace.har"
    assert main(["-q", "--trace", str(path), "demo:/bytes/200000"]) == 0
    [entry] = json.loads(path.read_text(encoding="utf-8"))["log"]["entries"]
    assert entry["response"]["bodySize"] == 200_000


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("trace.pdf", "end it with one of .html, .har, .json, .txt"),
        ("trace", "end it with one of"),
        ("nowhere/trace.html", "cannot be written: No such file or directory\n"),
        ("there.html", "cannot be written: Is a directory\n"),
        pytest.param(
            "locked.html",
            "cannot be written: Permission denied\n",
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything"),
        ),
        (".html/trace.html/..", "end it with one of"),
    ],
)
def test_a_file_that_cannot_be_is_said_before_anything_is_sent(
    tmp_path: Path, capfd: Capture, name: str, complaint: str
) -> None:
    (tmp_path / "there.html").mkdir()
    (tmp_path / "locked.html").touch(0o400)
    assert main(["--trace", str(tmp_path / name), "demo:/get"]) == 1
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("hyper: error: --trace: ")
    assert complaint in said.err
    assert said.err.count("\n") == 1


def test_debug_and_the_rest_share_one_look(tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "trace.txt"
    assert main(["--debug", "--trace", str(path), "--explain", "demo:/get"]) == 0
    said = capfd.readouterr().err
    frames = [line for line in said.splitlines() if "HEADERS" in line]
    assert len(frames) == 2
    text = path.read_text(encoding="utf-8")
    for line in frames:
        assert line in text
    assert "prior knowledge" in said.splitlines()[-4] + said.splitlines()[-3]


# What a page links.

PAGE = Target("https", "h", 443, "/a/page?x=1")


def paths(html: str) -> list[str]:
    return [target.path for target in linked(PAGE, html)]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<img src=x.png>", ["/a/x.png"]),
        ("<IMG SRC='/x.png?a=1&amp;b=2'>", ["/x.png?a=1&b=2"]),
        ("<script src=s.js></script><script>'<img src=no.png>'</script>", ["/a/s.js"]),
        ("<link rel=stylesheet href=s.css><link rel=next href=no.html>", ["/a/s.css"]),
        ("<link rel='preload' href=p.woff2><link href=no.css>", ["/a/p.woff2"]),
        ("<source srcset='a.gif 1x, b.gif 2x,c.gif'>", ["/a/a.gif", "/a/b.gif", "/a/c.gif"]),
        ("<img srcset=' , e.gif, f.gif,,'>", ["/a/e.gif", "/a/f.gif"]),
        ("<img srcset='d.png?x=1,2 100w'>", ["/a/d.png?x=1,2"]),
        ("<base href='/b/'><img src=x.png>", ["/b/x.png"]),
        ("<img src=x.png><img src=./x.png>", ["/a/x.png"]),
        ("<style>a { background: url(y.png) }</style><p>url(no.png)</p>", ["/a/y.png"]),
        ("<p style=\"background: url('z.png')\">", ["/a/z.png"]),
        ("<video poster=p.jpg src=v.mp4></video>", ["/a/v.mp4", "/a/p.jpg"]),
        ("<img src=https://other/x.png><img src=http://h/x.png><img src=//h:8443/x>", []),
        ("<img src='data:image/png;base64,AA'><a href=no.html>", []),
        ("<img src='https://h/x.png'><img src='//h/y.png'>", ["/x.png", "/y.png"]),
        ("<img src=''><img src><img src='?x=1'><!-- <img src=no.png> -->", []),
        ("<img src='http://[bad/x'>", []),
    ],
)
def test_links_of_a_page(html: str, found: list[str]) -> None:
    assert paths(html) == found


def test_links_of_a_style_sheet() -> None:
    css = """@import "a.css"; @import url(b.css);
    x { background: url( 'c.png' ) } /* url(no.png) */ y { src: URL("d.woff2") format("woff2") }"""
    assert in_style(css) == ["a.css", "b.css", "c.png", "d.woff2"]


def test_no_page_makes_us_ask_without_end() -> None:
    assert len(paths("".join(f"<img src={n}.png>" for n in range(1000)))) == 200


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_assets_over_either_version(
    server: InProcessServer,
    certificates: Certificates,
    capfd: Capture,
    tmp_path: Path,
    version: str,
) -> None:
    page = "<img src=/bytes/70000><img src=/status/404><link rel=stylesheet href=/nothing.css>"
    path = tmp_path / "trace.har"
    # httpbin gives back what is in its URL, as HTML.
    url = f"https://localhost:{server.port}/base64/{urlsafe_b64encode(page.encode()).decode()}"
    words = [url, "-q", version]
    words += ["--verify", str(certificates.authority), "--assets", "--trace", str(path)]
    code = main(words)
    said = capfd.readouterr()
    assert code == 0, said.err
    entries = json.loads(path.read_text(encoding="utf-8"))["log"]["entries"]
    asked = {entry["request"]["url"]: entry["response"] for entry in entries}
    paths = {each.partition(str(server.port))[2]: asked[each]["status"] for each in asked}
    page_path, *_ = paths
    assert paths == {
        page_path: 200,
        "/bytes/70000": 200,
        "/status/404": 404,
        "/nothing.css": 404,
    }
    assert entries[1]["response"]["bodySize"] == 70_000
    assert {entry["connection"] for entry in entries} == {"1"}


def test_styles_are_followed_over_http11_as_well(
    server: InProcessServer, certificates: Certificates, capfd: Capture, tmp_path: Path
) -> None:
    """Answers come in the order of the requests there: none may be taken for another's."""
    # httpbin says what it is told to, as a field and in its body.
    style = "/response-headers?Content-Type=text/css&x=url(deep.png)"
    page = "".join(f"<img src=/bytes/{n}>" for n in range(1, 6))
    page += f"<link rel=stylesheet href='{style}'>"
    path = tmp_path / "trace.har"
    url = f"https://localhost:{server.port}/base64/{urlsafe_b64encode(page.encode()).decode()}"
    words = [url, "-q", "--http1.1", "--verify", str(certificates.authority)]
    assert main([*words, "--assets", "--trace", str(path)]) == 0, capfd.readouterr().err
    entries = json.loads(path.read_text(encoding="utf-8"))["log"]["entries"]
    asked = [entry["request"]["url"].partition(str(server.port))[2] for entry in entries]
    assert asked[1:6] == [f"/bytes/{n}" for n in range(1, 6)]
    assert asked[7:] == ["/deep.png"]


# In words.


def words(*events: Any) -> str:
    timeline = Timeline()
    for event in events:
        timeline.add(event)
    return "\n".join(explain(timeline))


def dialled(secure: bool = True) -> list[Any]:
    return [
        Dialling(1, 0.0, "example.org", 443, secure),
        Resolved(1, 0.1, ("192.0.2.1:443",)),
        Connected(1, 0.2, "192.0.2.1:443"),
    ]


@pytest.mark.parametrize(
    ("offered", "chose", "version", "why"),
    [
        (("h2", "http/1.1"), "h2", "HTTP/2", "as the server chose h2 by ALPN"),
        (("h2", "http/1.1"), "http/1.1", "HTTP/1.1", "chose http/1.1 by ALPN"),
        (("h2", "http/1.1"), "", "HTTP/1.1", "chose nothing by ALPN"),
        (("http/1.1",), "http/1.1", "HTTP/1.1", "nothing else was offered by ALPN"),
        (("h2", "http/1.1"), "", "HTTP/2", "as we insisted"),
    ],
)
def test_why_a_version_was_spoken(
    offered: tuple[str, ...], chose: str, version: str, why: str
) -> None:
    secured = Secured(1, 0.3, "TLSv1.3", "AES", offered, chose)
    said = words(*dialled(), secured, Speaking(1, 0.3, version))
    assert f"example.org:443: {version}, " in said
    assert why in said
    assert "100 ms for its address, 100 ms for TCP, 100 ms for TLS" in said


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        (["HTTP/1.1"], "without TLS there is no ALPN"),
        (["HTTP/2"], "prior knowledge"),
        (["HTTP/1.1", "HTTP/2"], "agreed to the Upgrade"),
    ],
)
def test_why_a_version_was_spoken_without_tls(versions: list[str], why: str) -> None:
    speaking = [Speaking(1, 0.3, version) for version in versions]
    assert why in words(*dialled(secure=False), *speaking)


def test_a_connection_that_never_was() -> None:
    said = words(Dialling(1, 0.0, "::1", 1, True, "p:3128"), Closed(1, 1.0, "refused\x1b[2J"))
    assert said == "[::1]:1 (through the proxy p:3128): no connection: refused?[2J"
    assert "is not there yet" in words(Dialling(1, 0.0, "h", 1, True))


def opened(stream: int, at: float = 0.0) -> Opened:
    return Opened(1, at, stream, "GET", f"http://h/{stream}", [])


def test_resets_and_what_they_mean() -> None:
    said = words(
        *(opened(number) for number in (1, 3, 5, 7)),
        Reset(1, 1.0, 1, False, ErrorCode.REFUSED_STREAM, 0),
        Reset(1, 1.0, 3, True, ErrorCode.CANCEL, 1500),
        Reset(1, 1.0, 5, False, ErrorCode.REFUSED_STREAM, 0, by_goaway=True),
        Reset(1, 1.0, 7, False, 0xFF, 0),
    )
    assert "Stream 1 (GET /1) was reset by the server, REFUSED_STREAM: the request was not" in said
    assert "Stream 3 (GET /3) was given up by us, CANCEL, with 1.5 kB of its body here" in said
    assert "Stream 5 (GET /5) was left out by the GOAWAY: not processed" in said
    assert "unknown error code 0xff: the code is not one of RFC 9113's" in said
    many = [opened(n) for n in range(1, 41, 2)]
    many_resets = [Reset(1, 1.0, n, False, 8, 0) for n in range(1, 41, 2)]
    assert "10 more streams were reset" in words(*many, *many_resets)


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ErrorCode)


@pytest.mark.parametrize(
    ("sent", "code", "last", "meaning"),
    [
        (False, 0, 7, "GOAWAY NO_ERROR, last stream 7: nothing is wrong. It takes no new"),
        (False, 11, 7, "ENHANCE_YOUR_CALM, last stream 7: it holds that this side asks for too"),
        (False, 0, 2**31 - 1, "as a warning"),
        (True, 1, 0, "We ended the connection by GOAWAY"),
    ],
)
def test_goaways_and_what_they_mean(sent: bool, code: int, last: int, meaning: str) -> None:
    content = f"last={last}"
    goaway = Frame(1, 1.0, sent, "GOAWAY", 0, 8, content=content, code=code, value=last)
    assert meaning in words(*dialled(False), Speaking(1, 0.3, "HTTP/2"), goaway)
    ours = Frame(1, 1.0, True, "GOAWAY", 0, 8, content="last=0", code=0, value=0)
    assert "GOAWAY" not in words(*dialled(False), Speaking(1, 0.3, "HTTP/2"), ours)


def test_queues_pushes_and_windows() -> None:
    said = words(
        *dialled(False),
        Speaking(1, 0.3, "HTTP/2"),
        opened(1),
        Promised(1, 0.4, 2, 1, "GET", "http://h/2", []),
        Ended(1, 0.5, 2, 700),
        Queued(1, 0.5, 3, "GET", "http://h/3"),
        opened(3, 1.25),
        Frame(1, 1.3, False, "DATA", 1, 99, windows=(0, 5)),
        Frame(1, 1.4, False, "DATA", 3, 5, windows=(10, 0)),
        Frame(1, 1.5, True, "DATA", 1, 5, windows=(0, 10)),
    )
    assert "1 responses were pushed without being asked for, 700 B" in said
    assert "1 requests waited for a stream to come free" in said
    assert "the longest for 750 ms" in said
    assert "The window of stream 1 was used up: the server had to wait for us" in said
    assert "The window of the whole connection was used up: the server" in said
    assert "The window of stream 1 was used up: we had to wait for the server" in said


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([Answered(1, 2.0, 1, 200, []), Ended(1, 2.1, 1, 0)], "until the answer's head came"),
        (
            [Answered(1, 0.1, 1, 200, []), BodyBegan(1, 0.2, 1), Ended(1, 3.0, 1, 9)],
            "while the body came",
        ),
        ([Ended(1, 2.0, 1, 0)], "2.00 s for an answer that did not come"),
    ],
)
def test_what_was_slow(events: list[Any], told: str) -> None:
    said = words(opened(1), *events)
    assert "It took " in said
    assert told in said
    assert "slow" not in words(opened(1), Answered(1, 0.01, 1, 200, []), Ended(1, 0.02, 1, 0))
    both = words(opened(1), *events, opened(3), Ended(1, 0.1, 3, 0))
    assert "The slowest was stream 1 (GET /1)" in both


def test_a_real_conversation_in_words(server: InProcessServer, ssl_context: ssl.SSLContext) -> None:
    for kind, version in ((HTTP20Connection, "HTTP/2"), (HTTPConnection, "HTTP/2")):
        timeline = Timeline()
        with kind(
            "localhost", server.port, secure=True, ssl_context=ssl_context, trace=timeline.watch
        ) as connection:
            connection.request("GET", "/hello")
            connection.get_response().read()
        said = explain(timeline)
        assert said[0].startswith(f"localhost:{server.port}: {version}, as the server chose h2")
        assert "TLS" in said[1]
        assert "HPACK" in said[2]
