"""The page of ``--trace FILE.html`` in a real browser: wide and narrow, light and dark."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest

from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.demo import DemoServer
from hyper.trace import Timeline

from .browser import Browser, size_of_png

# What a page is asked from within: a script of the test's own, put at the end of a copy.
PROBE = """
<script>
addEventListener("load", () => {
  const about = {
    overflow: document.documentElement.scrollWidth - innerWidth,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
    rows: document.querySelectorAll(".frames tbody tr").length,
    shown: [...document.querySelectorAll(".frames tbody tr")].filter((r) => !r.hidden).length,
    filter: !document.getElementById("filter").hidden,
    bars: [...document.querySelectorAll(".bar")].map((bar) => {
      const whole = bar.getBoundingClientRect();
      return [...bar.children].map((part) => {
        const own = part.getBoundingClientRect();
        return [own.left >= whole.left - 1, own.right <= whole.right + 6, own.width >= 1];
      });
    }),
    loaded: performance.getEntriesByType("resource").map((each) => each.name),
    lines: [...document.querySelectorAll("polyline")].map((line) => line.getTotalLength()),
    open: document.querySelectorAll("details[open]").length,
  };
  const choice = document.getElementById("stream");
  choice.value = "1.1";
  choice.dispatchEvent(new Event("change"));
  const rows = [...document.querySelectorAll(".frames tbody tr")];
  about.filtered = rows.filter((row) => !row.hidden).map((row) => row.dataset.stream);
  location.hash = "#c1-s1";
  setTimeout(() => {
    about.unfolded = document.getElementById("c1-s1").open;
    const focused = [];
    for (const each of document.querySelectorAll("a, summary, select, [tabindex]")) {
      each.focus();
      focused.push(document.activeElement === each);
    }
    about.focused = focused;
    const told = document.createElement("pre");
    told.id = "told";
    told.textContent = JSON.stringify(about);
    document.body.append(told);
  }, 50);
});
</script>
"""


@pytest.fixture(scope="module")
def browser() -> Browser:
    return Browser.found()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trace of a visit with a push, a queue, an error and a reset."""
    timeline = Timeline()
    with (
        DemoServer(max_concurrent_streams=3) as demo,
        HTTP20Connection(
            demo.host, demo.port, enable_push=True, timeout=30, trace=timeline.watch
        ) as connection,
    ):
        first = connection.request("GET", "/page")
        connection.get_response(first).read()
        pushes = [push.get_response() for push in connection.get_pushes(first)]
        paths = ["/assets/banner.png", "/assets/paper.png", "/bytes/100000", "/status/404"]
        ids = [connection.request("GET", path) for path in [*paths, "/reset"]]
        for stream_id in ids:
            try:
                connection.get_response(stream_id).read()
            except HyperError:
                assert stream_id == ids[-1]
        for push in pushes:
            push.read()
    path = tmp_path_factory.mktemp("page") / "trace.html"
    timeline.save(str(path))
    return path


def probed(browser: Browser, page: Path, width: int, *, dark: bool = False) -> dict[str, object]:
    """What the page says of itself at this width."""
    copy = page.with_name(f"probed-{width}-{dark}.html")
    copy.write_text(
        page.read_text(encoding="utf-8").replace("</body>", f"{PROBE}</body>"), encoding="utf-8"
    )
    text = browser.document(copy, width=width, dark=dark)
    told = re.search(r'<pre id="told">(.*?)</pre>', text, re.DOTALL)
    assert told is not None, "the page's scripts did not get to their end"
    about: dict[str, object] = json.loads(told[1].replace("&gt;", ">").replace("&amp;", "&"))
    return about


@pytest.mark.parametrize("width", [500, 1280, 1920])
def test_it_fits_and_is_all_there(browser: Browser, page: Path, width: int) -> None:
    about = probed(browser, page, width)

    assert about["overflow"] == 0, "nothing sticks out at the side"
    assert about["loaded"] == [], "it loads nothing"
    assert about["filter"] is True
    bars = about["bars"]
    assert isinstance(bars, list)
    assert len(bars) == 8
    assert all(all(part) for bar in bars for part in bar), "bars lie within their rows"
    lines = about["lines"]
    assert isinstance(lines, list)
    assert len(lines) >= 3
    assert sum(length > 0 for length in lines) >= 3, "the rest are dots"


def test_streams_can_be_chosen_opened_and_reached_by_the_keyboard(
    browser: Browser, page: Path
) -> None:
    about = probed(browser, page, 1280)

    assert set(about["filtered"]) == {"1.1"}  # type: ignore[call-overload]
    assert about["open"] == 0
    assert about["unfolded"] is True
    focused = about["focused"]
    assert isinstance(focused, list)
    assert len(focused) > 20
    # What stands inside a folded part is reached once it is open.
    assert sum(focused) >= len(focused) - 2


def luminance(colour: object) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", str(colour))[:3]]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_light_or_dark_as_the_reader_likes_it(
    browser: Browser, page: Path, dark: bool
) -> None:
    about = probed(browser, page, 1280, dark=dark)
    paper, ink = luminance(about["paper"]), luminance(about["ink"])

    assert (paper < ink) == dark
    low, high = sorted((paper, ink))
    assert (high + 0.05) / (low + 0.05) > 7, "enough contrast for everybody (WCAG AAA)"


def test_without_scripts_the_tables_are_whole(browser: Browser, page: Path) -> None:
    source = page.read_text(encoding="utf-8")
    plain = page.with_name("plain.html")
    # The browser's own printing needs scripts switched on, so they are taken out of the page.
    plain.write_text(re.sub("<script>.*</script>", "", source, flags=re.DOTALL), encoding="utf-8")
    text = browser.document(plain)

    assert "<script" not in text
    assert re.search('id="filter" hidden', text), "what needs scripts is not offered"
    assert re.search('id="filter" hidden', browser.document(page)) is None
    for what in ("data-stream=", "<details", "<polyline", 'class="bar"', "<td"):
        assert text.count(what) == source.count(what) > 2, what
    rows = re.findall("<tr[^>]*>", text)
    assert len(rows) > 40
    assert not [row for row in rows if "hidden" in row]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [500, 1280])
def test_there_is_something_to_see(
    browser: Browser, page: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    octets = browser.picture(page, tmp_path / "page.png", width=width, dark=dark)

    assert size_of_png(octets)[0] == width
    assert len(shades(octets)) > 100, "not one colour all over"


def shades(octets: bytes) -> set[bytes]:
    """The different rows of a PNG, as they are packed in it."""
    at, packed = 8, b""
    while at < len(octets):
        length = int.from_bytes(octets[at : at + 4], "big")
        if octets[at + 4 : at + 8] == b"IDAT":
            packed += octets[at + 8 : at + 8 + length]
        at += 12 + length
    rows = zlib.decompress(packed)
    height = size_of_png(octets)[1]
    step = len(rows) // height
    return {rows[start : start + step] for start in range(0, len(rows), step)}
