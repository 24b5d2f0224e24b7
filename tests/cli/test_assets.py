"""What --assets does when there is too much to fetch, when some of it fails, and on Ctrl-C."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hyper.cli import assets

from .conftest import Done, Run

TYPE = "content-type:text/html"


def fetched(run: Run, page: str, *words: str) -> tuple[Done, dict[str, int]]:
    """Have this page sent back, and what it links to fetched: paths, and octets of each."""
    done = run("POST", "demo:/echo", "--raw", page, "--assets", "--trace=t.har", *words)
    entries = json.loads(Path("t.har").read_text())["log"]["entries"]
    sizes = {
        "/" + entry["request"]["url"].split("/", 3)[3]: entry["response"]["bodySize"]
        for entry in entries
    }
    del sizes["/echo"]
    return done, sizes


def test_a_style_sheet_is_a_page_of_its_own(run: Run) -> None:
    css = "a { background: url(/bytes/10) } /* url(/bytes/11) */ @import '/bytes/12';"
    done, sizes = fetched(run, css, "-q", "content-type:text/css")
    assert done == (0, b"", "")
    assert sizes == {"/bytes/10": 10, "/bytes/12": 12}


def test_what_fails_is_said_and_ends_nothing(run: Run) -> None:
    page = "<img src=/reset?code=2><img src=/bytes/10><img src=/cut>"
    done, sizes = fetched(run, page, TYPE)
    assert (done.code, done.text) == (0, page)
    assert sizes["/bytes/10"] == 10
    first, second = sorted(done.err.splitlines())
    assert first.startswith("hyper: error: 127.0.0.1:")
    assert "INTERNAL_ERROR" in first + second


def test_no_more_than_so_many(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "MAX_ASSETS", 2)
    page = "<style>@import '/bytes/9';</style><img src=/bytes/10><img src=/bytes/11>"
    done, sizes = fetched(run, page, "-q", TYPE)
    assert done.code == 0
    assert sizes == {"/bytes/9": 9, "/bytes/10": 10}

    monkeypatch.setattr(assets, "MAX_ASSETS", 1)
    done = run("demo:/push", "--assets", "-q", "--waterfall", "--trace=t.har")
    assert done.err.startswith("hyper: 1 more that the page links were left out, 1 fetched\n")


def test_pushes_beyond_that_are_given_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "MAX_ASSETS", 0)
    done = run("demo:/push", "--assets", "--waterfall")
    assert done.code == 0
    assert done.text.count("CANCEL") == 2


def test_no_more_octets_than_that(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "MAX_OCTETS", 100_000)
    done, sizes = fetched(run, "<img src=/bytes/3000000>", "-q", TYPE)
    assert done.code == 0
    assert done.err == "hyper: what the page links was cut short after 100000 octets\n"
    assert sizes["/bytes/3000000"] < 3_000_000


def test_comments_without_end_are_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "MAX_COMMENTS", 3)
    css = "url(a)/**/url(b)/**/url(c)/**/url(d)/**/url(e)"
    assert assets.in_style(css) == ["a", "b", "c", "d"]


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is typed into a pty; Windows has none")
def test_ctrl_c_waits_for_none_of_them() -> None:
    from .terminal import Terminal

    page = "".join(f"<img src=/delay/10?{number}>" for number in range(40))
    words = ["POST", "demo:/echo", "--raw", page, TYPE, "--assets", "--debug", "-q"]
    with Terminal(words) as terminal:
        terminal.until(lambda seen: ":path=/delay/10?39" in seen)
        terminal.type("\x03")
        seen = terminal.end()
    assert terminal.code == 130
    assert ":status=200" in seen  # the page's own
    assert seen.count(":status=200") == 1
    assert "Traceback" not in seen
