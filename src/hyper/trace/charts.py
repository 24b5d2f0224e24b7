"""The drawn parts of the page: flow-control windows over time, and what HPACK saved."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final, TypeVar

from .drawing import seconds
from .events import Frame
from .timeline import ConnectionRecord, Timeline

__all__ = ["hpack", "windows"]

#: Points of one line; more are thinned out.
MAX_POINTS: Final = 2_000
#: Streams that have lines of their own.
MAX_LINES: Final = 50
#: Rows of the table below.
MAX_ROWS: Final = 300

Points = list[tuple[float, int]]
T = TypeVar("T")


def windows(timeline: Timeline) -> Iterator[str]:
    """What each side may still send, over time; HTTP/1.1 has no such windows."""
    yield '<section><h2 id="windows">Windows</h2>'
    lines: dict[int, dict[tuple[bool, int], Points]] = {}
    for seen in timeline.wire:
        if isinstance(seen, Frame) and seen.windows is not None:
            # Of DATA it is its sender's window, of WINDOW_UPDATE that of who receives it.
            ours = seen.sent == (seen.kind == "DATA")
            stream, connection = seen.windows
            known = lines.setdefault(seen.connection, {})
            known.setdefault((ours, 0), []).append((seen.at, connection))
            if stream is not None and ((ours, seen.stream) in known or len(known) < MAX_LINES):
                known.setdefault((ours, seen.stream), []).append((seen.at, stream))
    if not lines:
        yield "<p>No windows: there was no DATA over HTTP/2.</p>"
    for number, known in lines.items():
        yield from _chart(timeline.connections[number], known)
    yield "</section>"


def _chart(connection: ConnectionRecord, known: dict[tuple[bool, int], Points]) -> Iterator[str]:
    whole = {key: points for key, points in known.items() if not key[1]}
    single = {key: points for key, points in known.items() if key[1]}
    start = min(points[0][0] for points in known.values())
    end = max(points[-1][0] for points in known.values())
    where = f"connection {connection.number} to {escape(connection.where)}"
    for lines, what in ((whole, f"on {where} as a whole"), (single, "on each of its streams")):
        if lines:
            yield "<figure>"
            yield f"<figcaption>Octets that may still be sent, {what}</figcaption>"
            yield from _lines(lines, start, max(end - start, 1e-6))
            if lines is whole:
                yield from _figures(whole)
            yield "</figure>"


def _lines(known: dict[tuple[bool, int], Points], start: float, span: float) -> Iterator[str]:
    values = [value for points in known.values() for _, value in points]
    top, bottom = max(*values, 1), min(values)
    # What hardly moves would look as if it did not: then the scale begins where the lines do.
    if bottom > 0 and (bottom < 0.4 * top or bottom == top):
        bottom = 0
    yield f'<div class="chart"><div class="up"><span>{_octets(top)}</span>'
    yield f"<span>{_octets(bottom)}</span></div>"
    yield '<svg viewBox="0 0 1000 200" preserveAspectRatio="none" aria-hidden="true">'
    for (ours, stream), points in sorted(known.items(), reverse=True):
        name = ("send" if ours else "receive") + ("-stream" if stream else "")
        line = _points(points, start, span, bottom, top, to_the_end=not stream)
        yield f'<polyline class="{name}" points="{line}"/>'
    yield "</svg>"
    yield f'<div class="along"><span>{seconds(0)}</span><span>{seconds(span / 2)}</span>'
    yield f"<span>{seconds(span)}</span></div></div>"
    yield '<ul class="legend">'
    for ours, name, words in ((False, "receive", "the server"), (True, "send", "we")):
        if any(key[0] == ours for key in known):
            yield f'<li><b class="{name}"></b>{words} may send</li>'
    yield "</ul>"


def _octets(value: int) -> str:
    return f"{value:,}".replace(",", "\u2009")


def _figures(known: dict[tuple[bool, int], Points]) -> Iterator[str]:
    yield "<details><summary>In figures</summary><div>"
    yield '<table><thead><tr><th class="n">seconds</th><th>who may send</th>'
    yield '<th class="n">octets</th></tr></thead><tbody>'
    rows = sorted((at, ours, value) for (ours, _), points in known.items() for at, value in points)
    for at, ours, value in _thinned(rows, MAX_ROWS):
        who = "we" if ours else "the server"
        yield f'<tr><td class="n">{at:.4f}</td><td>{who}</td><td class="n">{value}</td></tr>'
    yield "</tbody></table></div></details>"


def _points(
    points: Points, start: float, span: float, bottom: int, top: int, *, to_the_end: bool
) -> str:
    """Steps: a window stays what it is until something changes it."""
    drawn: list[str] = []
    before: float | None = None
    for at, value in _thinned(points, MAX_POINTS):
        x = 1000 * (at - start) / span
        y = 195 - 190 * (value - bottom) / max(top - bottom, 1)
        if before is not None:
            drawn.append(f"{x:.1f},{before:.1f}")
        drawn.append(f"{x:.1f},{y:.1f}")
        before = y
    if before is not None and to_the_end:
        drawn.append(f"1000,{before:.1f}")
    if len(drawn) == 1:
        drawn *= 2  # a dot, with its round ends
    return " ".join(drawn)


def _thinned(entries: list[T], most: int) -> list[T]:
    if len(entries) <= most:
        return entries
    step = len(entries) / most
    return [entries[int(number * step)] for number in range(most - 1)] + entries[-1:]


def hpack(timeline: Timeline) -> Iterator[str]:
    """What compressing fields saved, in all and head by head."""
    yield '<section><h2 id="hpack">HPACK</h2>'
    found = False
    for connection in timeline.connections.values():
        if not sum(connection.plain.values()):
            continue
        found = True
        yield f"<h3>Connection {connection.number}: {escape(connection.where)}</h3>"
        yield '<div class="saved">'
        for sent, way in ((True, "sent"), (False, "received")):
            plain, coded = connection.plain[sent], connection.coded[sent]
            share = 100 * coded / plain if plain else 0.0
            yield f'<span>{way}</span><div class="meter" title="{share:.0f} % were left">'
            yield f'<i style="width:{min(share, 100):.1f}%"></i></div>'
            yield f"<span>{coded} for {plain} octets, {100 - share:.0f} % saved</span>"
        yield "</div>"
    if not found:
        yield "<p>No compressed fields: nothing was said over HTTP/2.</p></section>"
        return
    yield "<details><summary>Head by head</summary><div>"
    yield '<table><thead><tr><th class="n">seconds</th><th>way</th><th class="n">stream</th>'
    yield '<th>type</th><th class="n">names and values</th><th class="n">on the wire</th>'
    yield '<th class="n">saved</th></tr></thead><tbody>'
    heads = [seen for seen in timeline.wire if isinstance(seen, Frame) and seen.plain]
    for head in heads[:MAX_ROWS]:
        yield (
            f'<tr><td class="n">{head.at:.4f}</td><td>{"sent" if head.sent else "received"}</td>'
            f'<td class="n">{head.stream}</td><td>{escape(head.kind)}</td>'
            f'<td class="n">{head.plain}</td><td class="n">{head.coded}</td>'
            f'<td class="n">{100 - 100 * head.coded / head.plain:.0f} %</td></tr>'
        )
    yield "</tbody></table></div></details></section>"
