"""What a timeline keeps, how it is drawn as text, and the files that are made of it."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from haralyzer import HarParser

from hyper import HTTP11Connection, HTTP20Connection
from hyper.demo import DemoServer
from hyper.trace import Timeline, timeline
from hyper.trace.drawing import seconds, size, waterfall, without_colours
from hyper.trace.events import (
    Answered,
    BodyBegan,
    Closed,
    Connected,
    Dialling,
    Ended,
    Frame,
    Message,
    Opened,
    Promised,
    Queued,
    RequestEnded,
    Reset,
    Resolved,
    Secured,
    Speaking,
)
from hyper.trace.saving import KINDS
from hyper.trace.timeline import StreamRecord

from ..servers import InProcessServer
from .conftest import PATHS


def stream(visit: Timeline, path: str) -> StreamRecord:
    [found] = [each for each in visit.streams if each.path.startswith(path)]
    return found


def test_what_became_of_each_stream(visit: Timeline) -> None:
    assert [each.path for each in visit.streams if each.pushed_by is None] == ["/page", *PATHS]
    page = stream(visit, "/page")
    assert page.status == 200
    assert [status for _, status in page.interim] == [103]
    assert [each.number for each in visit.streams if each.pushed_by == page.number] == [2, 4]
    large = stream(visit, "/bytes")
    assert large.size == 300_000
    assert large.opened is not None
    assert large.answered is not None
    assert large.body_began is not None
    assert large.ended is not None
    assert large.opened <= large.answered <= large.body_began <= large.ended
    assert stream(visit, "/status").status == 404
    reset = stream(visit, "/reset")
    assert reset.reset is not None
    assert reset.reset.name == "CANCEL"
    slow = stream(visit, "/delay")
    assert slow.queued is not None
    assert slow.opened is not None
    assert slow.queued < slow.opened, "four streams are allowed"
    assert page.field(b"content-type").startswith("text/html")
    connection = visit.connections[1]
    assert connection.version == "HTTP/2"
    assert connection.plain[True] > 2 * connection.coded[True] > 0
    assert connection.closed is not None
    assert visit.dropped == 0


def test_too_much_is_counted_and_not_kept(
    demo: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MAX_EVENTS", 12)
    kept = Timeline()
    with HTTP20Connection(demo.host, demo.port, trace=kept.watch) as connection:
        for _ in range(10):
            connection.request("GET", "/get")
            connection.get_response().read()
    assert (len(kept.wire), len(kept.events)) == (12, 12)
    assert kept.dropped > 20
    for make in KINDS.values():
        assert make(kept)


def test_no_server_fills_our_memory_with_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "MAX_OCTETS", 1000)
    kept = made(*(Opened(1, 0.0, n, "GET", "http://h/", [(b"x" * 99, b"y")]) for n in range(20)))
    assert len(kept.streams) == 10
    assert kept.dropped == 10


def made(*events: Any) -> Timeline:
    result = Timeline()
    for event in events:
        result.add(event)
    return result


def drawn(*events: Any, **options: Any) -> list[str]:
    return waterfall(made(*events), **options)


def test_a_bar_has_a_part_for_each_thing_that_was_waited_for() -> None:
    lines = drawn(
        Queued(1, 0.0, 1, "GET", "http://h/x"),
        Opened(1, 1.0, 1, "GET", "http://h/x", []),
        Answered(1, 2.0, 1, 200, []),
        BodyBegan(1, 3.0, 1),
        Ended(1, 4.0, 1, 1234),
        width=60,
    )
    scale, row, legend = lines
    assert row == "1 GET /x " + "·" * 8 + "─" * 8 + "▒" * 7 + "█" * 8 + " 200  1.2 kB  4.00 s"
    assert scale.split() == ["0", "2.00", "s", "4.00", "s"]
    assert legend.split() == ["·", "queued", "─", "waiting", "▒", "head", "█", "body"]
    assert {len(line) for line in lines[:1]} == {len("1 GET /x ") + 31}


def test_what_ends_with_one_connection_goes_on_with_another() -> None:
    kept = made(
        Opened(1, 0.0, 1, "GET", "http://h/a", []),
        Opened(2, 0.0, 1, "GET", "http://h/b", []),
        Closed(1, 1.0, "enough"),
        Ended(1, 2.0, 1, 7),
        Ended(2, 2.0, 1, 7),
    )
    assert {each.path: each.ended for each in kept.streams} == {"/a": None, "/b": 2.0}


def test_the_first_status_counts_that_is_no_interim_one() -> None:
    """101 stands in between: what follows it answers the request (RFC 7540 §3.2)."""
    statuses = (103, 101, 200, 404)
    kept = made(
        Opened(1, 0.0, 1, "GET", "http://h/", []),
        *(Answered(1, float(at), 1, status, []) for at, status in enumerate(statuses)),
    )
    [found] = kept.streams
    assert (found.status, found.answered, found.interim) == (200, 2.0, [(0.0, 103)])


def test_an_open_stream_is_drawn_up_to_now_and_a_short_one_is_seen() -> None:
    lines = drawn(
        Opened(1, 0.0, 1, "GET", "http://h/long", []),
        Opened(1, 9.9999, 3, "GET", "http://h/short", []),
        Reset(1, 10.0, 3, False, 8, 0),
        width=80,
    )
    assert "─" * 40 in lines[1]
    assert lines[1].rstrip().endswith("...")
    assert "─" in lines[2]
    assert lines[2].endswith("CANCEL")
    assert "✗ reset" in lines[-1]


@pytest.mark.parametrize("width", [1, 10, 40, 79, 80, 200])
def test_no_line_is_wider_than_it_may_be(visit: Timeline, width: int) -> None:
    lines = waterfall(visit, width=width)
    assert max(map(len, lines)) <= width
    assert len(lines) == len(visit.streams) + 2
    if width >= 10:
        assert sum(" GET " in line for line in lines) == len(visit.streams)
    coloured = waterfall(visit, width=width, colours=True)
    assert [without_colours(line) for line in coloured] == lines
    for line in coloured:
        # What is cut off leaves no colour behind.
        assert "\x1b" not in line or line.rstrip(" ").endswith("\x1b[0m") or width > 40


def test_the_last_rows_are_kept_where_there_is_room_for_some(visit: Timeline) -> None:
    lines = waterfall(visit, rows=6)
    assert len(lines) == 6
    assert f"{len(visit.streams) - 3} earlier ones are not drawn" in lines[1]
    assert "/delay" in lines[-2]
    assert waterfall(Timeline()) == []


def test_pushes_are_marked_and_colours_are_only_where_they_are_wanted(visit: Timeline) -> None:
    plain = waterfall(visit)
    assert sum(line.startswith("◆") for line in plain) == 2
    assert "◆ pushed" in plain[-1]
    assert "\x1b" not in "".join(plain)
    coloured = waterfall(visit, colours=True)
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain
    assert "\x1b[35m█" in "".join(coloured), "a pushed body"


def test_what_a_server_sends_cannot_move_the_cursor() -> None:
    lines = drawn(Opened(1, 0.0, 1, "GET", "http://h/\x1b[2Jx\u202e", []))
    assert "\x1b" not in "".join(lines)
    assert "\u202e" not in "".join(lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 µs"),
        (0.00094, "940 µs"),
        (0.000_999_7, "1 ms"),
        (0.0123, "12.3 ms"),
        (0.123, "123 ms"),
        (0.9996, "1.00 s"),
        (1.254, "1.25 s"),
        (123.4, "123 s"),
    ],
)
def test_times_in_words(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_960, "10 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (3_400_000_000, "3.4 GB"),
        (5 * 10**12, "5000 GB"),
    ],
)
def test_sizes_in_words(octets: int, text: str) -> None:
    assert size(octets) == text


# Files.


def test_another_suffix_says_nothing(visit: Timeline, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one of \.html, \.har, \.json, \.txt"):
        visit.save(str(tmp_path / "trace.pdf"))
    with pytest.raises(FileNotFoundError):
        visit.save(str(tmp_path / "nowhere" / "trace.txt"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".html", ".har", ".json", ".txt"])
def test_no_file_has_a_secret_in_it(visit: Timeline, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trace{suffix}"
    visit.save(str(path))
    text = path.read_text(encoding="utf-8")
    assert "s3cret" not in text
    if suffix != ".json":  # which has no fields at all
        assert "13 octets hidden" in text, "authorization: Bearer s3cret"


def test_the_text_has_the_waterfall_and_every_frame(visit: Timeline) -> None:
    lines = KINDS[".txt"](visit).splitlines()
    assert lines[: len(visit.streams) + 2] == waterfall(visit)
    said = "\n".join(lines)
    for frame in visit.wire:
        assert str(frame) in said
    times = [float(line.split()[0]) for line in lines[len(visit.streams) + 3 :]]
    assert times == sorted(times)


#: What HAR 1.2 demands (the archived W3C draft, section 2), as a schema.
_NAMED = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    },
}
_MESSAGE = {"httpVersion": {"type": "string", "minLength": 1}, "headers": _NAMED}
_SIZES = {"headersSize": {"type": "integer"}, "bodySize": {"type": "integer"}}
_WHEN = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$"}
_TIMINGS = ["blocked", "dns", "connect", "ssl", "send", "wait", "receive"]
HAR: dict[str, Any] = {
    "type": "object",
    "required": ["log"],
    "properties": {
        "log": {
            "type": "object",
            "required": ["version", "creator", "entries"],
            "properties": {
                "version": {"const": "1.2"},
                "creator": {"type": "object", "required": ["name", "version"]},
                "pages": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["startedDateTime", "id", "title", "pageTimings"],
                        "properties": {"startedDateTime": _WHEN},
                    },
                },
                "entries": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": [
                            "startedDateTime",
                            "time",
                            "request",
                            "response",
                            "cache",
                            "timings",
                        ],
                        "properties": {
                            "startedDateTime": _WHEN,
                            "time": {"type": "number", "minimum": 0},
                            "connection": {"type": "string"},
                            "request": {
                                "type": "object",
                                "required": [
                                    *("method", "url", "httpVersion", "cookies", "headers"),
                                    *("queryString", "headersSize", "bodySize"),
                                ],
                                "properties": {**_MESSAGE, **_SIZES, "queryString": _NAMED},
                            },
                            "response": {
                                "type": "object",
                                "required": [
                                    *("status", "statusText", "httpVersion", "cookies"),
                                    *("headers", "content", "redirectURL"),
                                    *("headersSize", "bodySize"),
                                ],
                                "properties": {
                                    **_MESSAGE,
                                    **_SIZES,
                                    "status": {"type": "integer"},
                                    "content": {
                                        "type": "object",
                                        "required": ["size", "mimeType"],
                                    },
                                },
                            },
                            "timings": {
                                "type": "object",
                                "required": ["send", "wait", "receive"],
                                "additionalProperties": False,
                                "properties": {
                                    name: {"type": "number", "minimum": -1} for name in _TIMINGS
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def test_the_archive_is_valid_and_read_by_a_reader_of_another_make(visit: Timeline) -> None:
    archive = json.loads(KINDS[".har"](visit))
    jsonschema.Draft202012Validator.check_schema(HAR)
    jsonschema.validate(archive, HAR)

    [page] = HarParser(archive).pages
    assert len(page.entries) == len(visit.streams)
    assert page.actual_page.status == 200
    assert {str(entry.request.url) for entry in page.entries} == {
        each.url for each in visit.streams
    }
    [missing] = [entry for entry in page.entries if entry.status == 404]
    assert missing.request.method == "GET"
    [large] = [entry for entry in page.entries if "/bytes" in str(entry.request.url)]
    assert large.response.raw_entry["content"]["size"] == 300_000
    assert ("seed", "1") in [
        (each["name"], each["value"]) for each in large.request.raw_entry["queryString"]
    ]


def test_the_times_of_the_archive_add_up(visit: Timeline) -> None:
    entries = json.loads(KINDS[".har"](visit))["log"]["entries"]
    for entry, each in zip(entries, visit.streams, strict=True):
        timings = entry["timings"]
        told = sum(value for name, value in timings.items() if value > 0 and name != "ssl")
        assert entry["time"] == pytest.approx(told, abs=0.01)
        if timings["connect"] < 0 and each.reset is None:
            assert each.ended is not None
            took = 1000 * (each.ended - each.began)
            # A request that is still being sent when it is answered is counted once.
            assert entry["time"] == pytest.approx(took, abs=0.1)
    assert entries[0]["timings"]["connect"] >= 0, "who came first waited for the connection"
    assert all(entry["timings"]["connect"] == -1 for entry in entries[1:])
    assert any(entry["timings"]["blocked"] > 0 for entry in entries)


def test_the_archive_says_what_was_pushed_and_what_was_reset(visit: Timeline) -> None:
    entries = json.loads(KINDS[".har"](visit))["log"]["entries"]
    told = [(entry.get("_was_pushed"), entry.get("comment")) for entry in entries]
    pushed = [None if each.pushed_by is None else 1 for each in visit.streams]
    reset = [None if each.reset is None else str(each.reset) for each in visit.streams]
    assert told == list(zip(pushed, reset, strict=True))
    assert {*pushed} == {None, 1} and len({*reset}) > 1


def test_an_upload_is_sent_before_its_answer_is_waited_for() -> None:
    kept = made(
        Opened(1, 0.0, 1, "POST", "http://h/", []),
        RequestEnded(1, 0.3, 1, 9),
        Answered(1, 0.5, 1, 200, []),
        Ended(1, 0.6, 1, 0),
    )
    [entry] = json.loads(KINDS[".har"](kept))["log"]["entries"]
    timings = entry["timings"]
    assert [timings[name] for name in ("send", "wait", "receive")] == [300, 200, 100]


def test_a_promise_of_no_url_has_its_query_all_the_same() -> None:
    """A server may promise what it likes; urlsplit raises ValueError for this."""
    kept = made(Promised(1, 0.0, 2, 1, "GET", "https://[h/?a=1&b=", []))
    [entry] = json.loads(KINDS[".har"](kept))["log"]["entries"]
    told = [(each["name"], each["value"]) for each in entry["request"]["queryString"]]
    assert told == [("a", "1"), ("b", "")]


def test_tls_is_a_part_of_connecting() -> None:
    """HAR 1.2: "ssl ... If this field is defined then the time is also included in connect"."""
    kept = made(
        Dialling(1, 0.0, "h", 443, True),
        Resolved(1, 0.1, ("192.0.2.1:443",)),
        Connected(1, 0.3, "192.0.2.1:443"),
        Secured(1, 0.7, "TLSv1.3", "AES", ("h2",), "h2"),
        Speaking(1, 0.7, "HTTP/2"),
        Opened(1, 0.7, 1, "GET", "https://h/", []),
        RequestEnded(1, 0.7, 1, 0),
        Answered(1, 1.0, 1, 200, []),
        Ended(1, 1.5, 1, 0),
    )
    [entry] = json.loads(KINDS[".har"](kept))["log"]["entries"]
    assert entry["timings"] == {
        "blocked": -1,
        "dns": 100,
        "connect": 600,
        "ssl": 400,
        "send": 0,
        "wait": 300,
        "receive": 500,
    }
    assert entry["time"] == 1500
    assert entry["serverIPAddress"] == "192.0.2.1"


def test_nothing_that_was_asked_for_or_answered_becomes_a_part_of_the_page() -> None:
    bad = "<b id=evil>\"'&"
    fields = [(bad.encode(), bad.encode())]
    text = KINDS[".html"](
        made(
            Opened(1, 0.0, 1, bad, f"http://{bad}/{bad}", fields),
            Answered(1, 0.1, 1, 200, fields),
            Frame(1, 0.1, False, bad, 1, 1, content=bad, fields=fields, plain=2, coded=1),
            Message(1, 0.1, False, 1, bad, fields, 9),
            Closed(1, 0.2, bad),
        )
    )
    assert "<b " not in text
    assert text.count("&lt;b id=evil&gt;&quot;&#x27;&amp;") > 10


def test_trace_events_are_as_their_format_wants_them(visit: Timeline) -> None:
    """Trace Event Format: the phases that we use and the keys that each of them needs."""
    trace = json.loads(KINDS[".json"](visit))
    events = trace["traceEvents"]
    needed = {
        "M": {"name", "pid", "args"},
        "X": {"name", "ts", "dur", "pid", "tid"},
        "i": {"name", "ts", "pid", "tid", "s"},
        "C": {"name", "ts", "pid", "args"},
    }
    for event in events:
        assert needed[event["ph"]] <= set(event), event
        assert event.get("dur", 0) >= 0
    assert {event["ph"] for event in events} == set(needed)
    whole = [e for e in events if e["ph"] == "X" and "url" in e["args"]]
    took = {(s.url, s.number): ((s.ended or 0) - s.began) * 1e6 for s in visit.streams}
    assert {(e["args"]["url"], e["tid"]): e["dur"] for e in whole} == pytest.approx(took, abs=0.2)
    # Slices of one thread nest: the parts lie within the whole.
    for each in whole:
        parts = [e for e in events if e["ph"] == "X" and e["tid"] == each["tid"] and e is not each]
        assert parts
        for part in parts:
            assert part["ts"] >= each["ts"] - 0.2
            assert part["ts"] + part["dur"] <= each["ts"] + each["dur"] + 0.4
    windows = [e["args"]["octets"] for e in events if e["ph"] == "C"]
    assert min(windows) < 16_777_216
    assert max(windows) == 16_777_216


class Page(HTMLParser):
    """What is in a page that could load, run or link."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        values = dict(attrs)
        if values.get("id"):
            assert values["id"] not in self.ids, "ids are unique"
            self.ids.add(values["id"] or "")
        if tag == "a":
            self.links.add(values.get("href") or "")
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_by_itself(visit: Timeline) -> None:
    text = KINDS[".html"](visit)
    page = Page(text)
    assert page.open == []
    assert not {"img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert page.tags.count("script") == 1, "nothing of a server's became one"
    assert "<script>alert(1)" not in text
    assert not [name for name, _ in page.attributes if name == "src" or name.startswith("on")]
    loads = [value for name, value in page.attributes if name == "href" and value[:1] != "#"]
    assert loads == ["data:,"], "an icon that is nothing, so that none is asked for"
    assert "url(" not in text.partition("</style>")[0]
    assert {link[1:] for link in page.links} <= page.ids
    assert page.ids >= {"waterfall", "windows", "hpack", "streams", "connections", "frames"}
    policy = next(value for name, value in page.attributes if "default-src" in value)
    assert policy.startswith("default-src 'none'")
    assert text.count("<polyline") >= 2
    for each in visit.streams:
        assert f'id="c{each.connection}-s{each.number}"' in text


def test_the_page_has_every_frame_as_a_row(visit: Timeline) -> None:
    text = KINDS[".html"](visit)
    assert text.count('data-stream="') == len(visit.wire)
    assert text.count("[HPACK ") == sum(bool(getattr(each, "plain", 0)) for each in visit.wire)


def test_pages_of_http11_and_of_nothing(server: InProcessServer) -> None:
    kept = Timeline()
    empty = {suffix: make(kept) for suffix, make in KINDS.items()}
    assert "Nothing was asked for." in empty[".html"]
    jsonschema.validate(json.loads(empty[".har"]), HAR)
    with HTTP11Connection("localhost", server.plain_port, trace=kept.watch) as connection:
        connection.request("POST", "/echo", body=b"abc")
        connection.get_response().read()
    page = KINDS[".html"](kept)
    assert Page(page).open == []
    assert "POST /echo HTTP/1.1" in page
    assert "nothing was said over HTTP/2" in page
    jsonschema.validate(json.loads(KINDS[".har"](kept)), HAR)
    assert "HTTP/1.1 200" in KINDS[".txt"](kept)
    assert json.loads(KINDS[".json"](kept))["traceEvents"]


def test_a_text_stream_takes_the_picture(visit: Timeline) -> None:
    output = io.StringIO()
    print("\n".join(waterfall(visit)), file=output)
    assert output.getvalue().count("\n") == len(visit.streams) + 2
