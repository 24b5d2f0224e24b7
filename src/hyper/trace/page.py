"""A timeline as one page of HTML that needs nothing else: no other file, no network, no scripts.

Scripts only add comfort. All that came from a server is escaped; there is nothing in the page that
would run or load it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import Final

from .charts import hpack, windows
from .drawing import seconds, size
from .events import Fields, Frame, Message, Piece, shown_fields
from .timeline import ConnectionRecord, StreamRecord, Timeline

__all__ = ["page"]

#: Rows of frames in the page; browsers grow slow with more. ``.txt`` has all.
MAX_ROWS: Final = 5_000
#: Streams in the page.
MAX_STREAMS: Final = 1_000

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(timeline: Timeline) -> str:
    """The page."""
    with timeline.lock:
        return "\n".join(_page(timeline)) + "\n"


def _page(timeline: Timeline) -> Iterator[str]:
    streams = timeline.streams[:MAX_STREAMS]
    connections = list(timeline.connections.values())
    title = streams[0].url if streams else "nothing was asked for"
    when = datetime.fromtimestamp(timeline.started, UTC)
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<link rel="icon" href="data:,">'
    yield f"<title>hyper trace: {escape(title)}</title>"
    yield f"<style>\n{_part('page.css')}</style></head><body>"
    yield '<a class="skip" href="#waterfall">To the waterfall</a>'
    yield f"<header><h1>{escape(title)}</h1>"
    yield f'<p class="quiet">What hyper saw, from {when:%Y-%m-%d %H:%M:%S} UTC on.</p>'
    yield from _facts(timeline, connections)
    yield '<nav aria-label="Sections">'
    for name in ("waterfall", "windows", "hpack", "streams", "connections", "frames"):
        yield f'<a href="#{name}">{"HPACK" if name == "hpack" else name.capitalize()}</a>'
    yield "</nav></header><main>"
    yield from _waterfall(timeline, streams)
    yield from windows(timeline)
    yield from hpack(timeline)
    yield from _streams(streams)
    yield from _connections(timeline, connections)
    yield from _wire(timeline, streams)
    yield f"</main><script>\n{_part('page.js')}</script></body></html>"


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _facts(timeline: Timeline, connections: list[ConnectionRecord]) -> Iterator[str]:
    ends = [stream.ended for stream in timeline.streams if stream.ended is not None]
    began = min((stream.began for stream in timeline.streams), default=0.0)
    pushed = sum(stream.pushed_by is not None for stream in timeline.streams)
    failed = sum(stream.reset is not None or stream.status >= 400 for stream in timeline.streams)
    versions = sorted({each.version for each in connections if each.version})
    facts = [
        ("spoken", " and ".join(versions) or "nothing"),
        ("connections", str(len(connections))),
        ("requests", str(len(timeline.streams) - pushed)),
        ("pushed", str(pushed)),
        ("failed", str(failed)),
        ("octets of bodies", size(sum(stream.size for stream in timeline.streams))),
        ("first to last", seconds(max(ends) - began) if ends else "-"),
    ]
    plain = sum(sum(each.plain.values()) for each in connections)
    if plain:
        coded = sum(sum(each.coded.values()) for each in connections)
        facts.append(("saved by HPACK", f"{100 - 100 * coded / plain:.0f} %"))
    yield '<dl class="facts">'
    for name, value in facts:
        if value != "0":
            yield f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>"
    yield "</dl>"


# The waterfall.


def _waterfall(timeline: Timeline, streams: list[StreamRecord]) -> Iterator[str]:
    yield '<section><h2 id="waterfall">Waterfall</h2>'
    if not streams:
        yield "<p>Nothing was asked for.</p></section>"
        return
    start = min(stream.began for stream in streams)
    ends = [timeline.now if stream.ended is None else stream.ended for stream in streams]
    span = max(max(ends) - start, 1e-6)
    left_out = len(timeline.streams) - len(streams)
    if left_out:
        yield f'<p class="quiet">{left_out} later streams are left out.</p>'
    yield '<table class="falls"><thead><tr><th class="what">request</th>'
    yield '<th class="n">status</th><th class="n">octets</th><th class="n">took</th>'
    quarters = "".join(f"<span>{seconds(span * part / 4)}</span>" for part in range(5))
    yield f'<th class="time"><div class="axis">{quarters}</div></th></tr></thead><tbody>'
    for stream, end in zip(streams, ends, strict=True):
        yield _row(stream, start, span, end)
    yield "</tbody></table>"
    yield '<ul class="legend">'
    for name in ("queued", "waiting", "head", "body", "pushed", "reset"):
        yield f'<li><i class="{name}"></i>{_LEGEND[name]}</li>'
    yield "</ul></section>"


_LEGEND: Final = {
    "queued": "queued: the server allows no more streams",
    "waiting": "waiting for an answer",
    "head": "the head is there",
    "body": "the body comes",
    "pushed": "a pushed body",
    "reset": "reset",
}


def _row(stream: StreamRecord, start: float, span: float, end: float) -> str:
    pushed = ' class="pushed"' if stream.pushed_by is not None else ""
    mark = '<span class="pushmark" title="pushed">◆ </span>' if pushed else ""
    label = f"{stream.number} {stream.method} {stream.path}"
    return (
        f'<tr{pushed}><td class="what" title="{escape(stream.url)}">{mark}'
        f'<a href="#{_id(stream)}">{escape(label)}</a></td>'
        f'<td class="n">{_outcome(stream)}</td><td class="n">{size(stream.size)}</td>'
        f'<td class="n">{seconds(end - stream.began)}</td>'
        f'<td class="time">{_bar(stream, start, span, end)}</td></tr>'
    )


def _outcome(stream: StreamRecord) -> str:
    if stream.reset is not None:
        return f'<span class="status bad">{escape(stream.reset.name)}</span>'
    if not stream.status:
        return "-"
    kind = "bad" if stream.status >= 400 else "good"
    return f'<span class="status {kind}">{stream.status}</span>'


def _bar(stream: StreamRecord, start: float, span: float, end: float) -> str:
    def share(at: float) -> float:
        return 100 * (at - start) / span

    steps = (
        ("queued", stream.queued, stream.opened),
        ("waiting", stream.opened, stream.answered),
        ("head", stream.answered, stream.body_began),
        ("body", stream.body_began, None),
    )
    parts = []
    words = []
    for name, began, until in steps:
        if began is None:
            continue
        left, right = share(began), share(end if until is None else until)
        parts.append(
            f'<i class="{name}" style="left:{left:.3f}%;width:{max(0.0, right - left):.3f}%"></i>'
        )
        words.append(f"{name} {seconds((end if until is None else until) - began)}")
    if stream.reset is not None:
        parts.append(f'<i class="reset" style="left:{min(99.5, share(end)):.3f}%"></i>')
        words.append("reset")
    told = ", ".join(words)
    return f'<div class="bar" role="img" aria-label="{told}" title="{told}">{"".join(parts)}</div>'


def _id(stream: StreamRecord) -> str:
    return f"c{stream.connection}-s{stream.number}"


# One by one.


def _streams(streams: list[StreamRecord]) -> Iterator[str]:
    yield '<section><h2 id="streams">Streams</h2>'
    for stream in streams:
        yield (
            f'<details id="{_id(stream)}"><summary><code>{stream.number}</code> '
            f"{escape(stream.method)} {escape(stream.url)} {_outcome(stream)}</summary><div>"
        )
        yield from _times(stream)
        yield f"<h3>Request</h3>{_fields(stream.request_fields)}"
        if stream.status:
            yield f"<h3>Response {stream.status}</h3>{_fields(stream.response_fields)}"
        yield "</div></details>"
    yield "</section>"


def _times(stream: StreamRecord) -> Iterator[str]:
    if stream.pushed_by is not None:
        yield f"<p>Pushed along with stream {stream.pushed_by}.</p>"
    if stream.reset is not None:
        yield f"<p>{escape(str(stream.reset))}.</p>"
    times: list[tuple[str, float | None]] = [
        ("queued", stream.queued),
        ("opened", stream.opened),
        ("request sent", stream.sent),
        *((f"interim {status}", at) for at, status in stream.interim),
        ("answered", stream.answered),
        ("first octets of the body", stream.body_began),
        ("ended", stream.ended),
    ]
    yield '<dl class="fields">'
    for name, at in times:
        if at is not None:
            yield f"<dt>{name}</dt><dd>{at:.6f} s</dd>"
    yield f"<dt>octets of body</dt><dd>{stream.request_size} sent, {stream.size} received</dd></dl>"


def _fields(fields: Fields) -> str:
    if not fields:
        return '<p class="quiet">No fields.</p>'
    rows = "".join(
        f"<dt>{escape(name.decode('latin-1'))}</dt><dd>{escape(value.decode('latin-1'))}</dd>"
        for name, value in fields
    )
    return f'<dl class="fields code">{rows}</dl>'


def _connections(timeline: Timeline, connections: Iterable[ConnectionRecord]) -> Iterator[str]:
    yield '<section><h2 id="connections">Connections</h2>'
    for connection in connections:
        yield f"<h3>{connection.number}: {escape(connection.where)}</h3>"
        yield '<dl class="fields">'
        for event in timeline.events:
            if event.connection == connection.number and not hasattr(event, "stream"):
                yield f"<dt>{event.at:.6f} s</dt><dd>{escape(str(event))}</dd>"
        for frame in connection.goaway:
            who = "we said" if frame.sent else "the server said"
            yield f"<dt>{frame.at:.6f} s</dt><dd>{who} GOAWAY {escape(frame.content)}</dd>"
        yield "</dl>"
    yield "</section>"


def _wire(timeline: Timeline, streams: list[StreamRecord]) -> Iterator[str]:
    yield '<section><h2 id="frames">Frames</h2>'
    left_out = max(0, len(timeline.wire) - MAX_ROWS) + timeline.dropped
    if left_out:
        yield f'<p class="quiet">{left_out} later ones are left out.</p>'
    yield '<p class="filter" id="filter" hidden><label>Stream <select id="stream">'
    yield '<option value="">all</option>'
    for stream in streams:
        label = escape(f"{stream.number} {stream.method} {stream.path}"[:60])
        yield f'<option value="{stream.connection}.{stream.number}">{label}</option>'
    yield '</select></label><span id="count" role="status"></span></p>'
    yield '<div class="scroll" tabindex="0" role="region" aria-labelledby="frames">'
    yield '<table class="frames"><thead><tr><th class="n">seconds</th><th>way</th>'
    yield '<th class="n">stream</th><th>type</th><th class="n">octets</th><th>what it says</th>'
    yield "</tr></thead><tbody>"
    for seen in timeline.wire[:MAX_ROWS]:
        kind, words = _words(seen)
        way, arrow = ("sent", "→") if seen.sent else ("received", "←")
        trouble = " trouble" if isinstance(seen, Frame) and seen.code > 0 else ""
        yield (
            f'<tr class="{way}{trouble}" data-stream="{seen.connection}.{seen.stream}">'
            f'<td class="n">{seen.at:.4f}</td><td title="{way}">{arrow}</td>'
            f'<td class="n">{seen.stream}</td><td>{kind}</td><td class="n">{seen.size}</td>'
            f'<td class="words">{words}</td></tr>'
        )
    yield "</tbody></table></div></section>"


def _words(seen: Frame | Message | Piece) -> tuple[str, str]:
    """The type, and what it says, as HTML."""
    if isinstance(seen, Piece):
        return "body", ""
    if isinstance(seen, Message):
        said = f"{seen.line} {shown_fields(seen.fields)}"
        return "head" if seen.line else "trailers", escape(said)
    parts = [" ".join(seen.flags), seen.content]
    if seen.fields is not None:
        parts.append(shown_fields(seen.fields))
    words = escape("  ".join(part for part in parts if part))
    if seen.plain:
        words += f' <span class="quiet">[HPACK {seen.coded} for {seen.plain}]</span>'
    if seen.windows is not None:
        stream, connection = seen.windows
        left = "" if stream is None else f"stream {stream}, "
        words += f' <span class="quiet">[window: {left}connection {connection}]</span>'
    return escape(seen.kind), words
