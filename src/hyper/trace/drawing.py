"""A timeline as a waterfall of text: a row for each stream, its time from left to right."""

from __future__ import annotations

import re
from typing import Final

from .timeline import StreamRecord, Timeline

__all__ = ["Palette", "seconds", "size", "waterfall", "without_colours"]

#: What stands for a moment of a stream: it waits for a stream to come free, for its request to be
#: sent and answered, for the body; the body comes.
QUEUED, WAITING, HEAD, BODY = "·", "─", "▒", "█"
#: The same where the output's encoding has no such signs.
ASCII: Final[dict[int, str]] = str.maketrans(
    {"·": ".", "─": "-", "▒": "=", "█": "#", "✗": "x", "◆": "*", "…": "~"}
)

_ESCAPES: Final = re.compile(r"(\x1b\[[0-9;]*m)")

#: Columns of what stands behind a bar: ``404  123 kB  1.23 s``.
TAIL: Final = 19
#: Columns before the bars are narrowed no further.
NARROWEST: Final = 40


class Palette:
    """The escapes of a terminal for what a bar shows; nothing at all with ``colours`` False."""

    def __init__(self, colours: bool) -> None:
        def of(code: str) -> str:
            return f"\x1b[{code}m" if colours else ""

        self.reset = of("0")
        self.dim = of("2")
        self.parts = {QUEUED: of("2"), WAITING: of("33"), HEAD: of("36"), BODY: of("34")}
        self.pushed = {**self.parts, BODY: of("35"), HEAD: of("95")}
        self.trouble = of("31")
        self.good = of("32")


def waterfall(
    timeline: Timeline, *, width: int = 100, rows: int | None = None, colours: bool = False
) -> list[str]:
    """The lines of a waterfall that is ``width`` columns wide.

    rows  how many lines there may be; of more streams the last ones are drawn

    What has not ended is drawn up to the timeline's present.
    """
    palette = Palette(colours)
    with timeline.lock:
        streams = list(timeline.streams)
        now = timeline.now
    if not streams:
        return []
    edge = max(width, 1)
    width = max(width, NARROWEST)
    left_out = 0
    if rows is not None and len(streams) > rows - 2:
        keep = max(1, rows - 3)
        left_out = len(streams) - keep
        streams = streams[-keep:]
    start = min(stream.began for stream in streams)
    end = max((now if stream.ended is None else stream.ended) for stream in streams)
    span = max(end - start, 1e-6)
    labels = [_label(stream) for stream in streams]
    room = max(12, width // 3)
    label_width = min(max(map(len, labels)), room)
    bar_width = max(8, width - label_width - TAIL - 2)
    lines = [_scale(span, label_width, bar_width, palette)]
    if left_out:
        lines.append(f"{palette.dim}{left_out} earlier ones are not drawn{palette.reset}")
    for stream, label in zip(streams, labels, strict=True):
        bar = _bar(stream, start, span, now, bar_width, palette)
        lines.append(f"{_fit(label, label_width)} {bar} {_tail(stream, palette)}")
    lines.append(_legend(streams, palette))
    return [_cut(line, edge, palette) for line in lines]


def _label(stream: StreamRecord) -> str:
    # The parts of a URL may come from a stranger: nothing that moves a cursor.
    text = f"{stream.number} {stream.method} {stream.path}"
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    return f"◆{text}" if stream.pushed_by is not None else text


def _fit(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else f"{text[: width - 1]}…"


def _cut(line: str, width: int, palette: Palette) -> str:
    """The beginning of a line, ``width`` columns of it: one that a terminal breaks is two."""
    parts = _ESCAPES.split(line)
    room = width
    for place in range(0, len(parts), 2):
        if len(parts[place]) > room:
            return "".join([*parts[:place], parts[place][:room], palette.reset])
        room -= len(parts[place])
    return line


def _scale(span: float, label_width: int, bar_width: int, palette: Palette) -> str:
    right = seconds(span)
    middle = seconds(span / 2)
    line = "0".ljust(bar_width // 2 - len(middle) // 2) + middle
    line = line.ljust(bar_width - len(right)) + right
    return f"{palette.dim}{' ' * label_width} {line}{palette.reset}"


def _bar(
    stream: StreamRecord, start: float, span: float, now: float, width: int, palette: Palette
) -> str:
    """One row: every column shows what the stream did at that moment."""
    ended = now if stream.ended is None else stream.ended
    opened = ended if stream.opened is None else stream.opened
    answered = ended if stream.answered is None else stream.answered
    body = ended if stream.body_began is None else stream.body_began

    def column(at: float) -> int:
        return min(width, max(0, round((at - start) / span * width)))

    first = min(column(stream.began), width - 1)
    last = max(column(ended), first + 1)
    signs = (QUEUED, WAITING, HEAD, BODY)
    # How far it came has a column at least, however short it was.
    reached = 3 if stream.body_began is not None else 2 if stream.answered is not None else 1
    if stream.opened is None:
        reached = 0
    edges = [column(opened), column(answered), column(body)][:reached]
    colours = palette.parts if stream.pushed_by is None else palette.pushed
    drawn = [" " * first]
    at = first
    for sign, edge in zip(signs, [*(min(edge, last - 1) for edge in edges), last], strict=False):
        if edge > at:
            drawn.append(f"{colours[sign]}{sign * (edge - at)}{palette.reset}")
            at = edge
    if stream.reset is not None and at < width:
        drawn.append(f"{palette.trouble}✗{palette.reset}")
        at += 1
    return "".join(drawn) + " " * (width - at)


def _tail(stream: StreamRecord, palette: Palette) -> str:
    if stream.reset is not None:
        return f"{palette.trouble}{stream.reset.name[:TAIL]}{palette.reset}"
    if stream.ended is None:
        return f"{palette.dim}{stream.status or '...'}{palette.reset}"
    colour = palette.good if stream.status < 400 else palette.trouble
    taken = seconds(stream.ended - stream.began)
    return f"{colour}{stream.status}{palette.reset} {size(stream.size):>7} {taken:>7}"


def _legend(streams: list[StreamRecord], palette: Palette) -> str:
    shown = [
        (QUEUED, "queued", any(stream.queued is not None for stream in streams)),
        (WAITING, "waiting", True),
        (HEAD, "head", True),
        (BODY, "body", True),
    ]
    parts = [
        f"{palette.parts[sign]}{sign}{palette.reset} {what}" for sign, what, use in shown if use
    ]
    if any(stream.pushed_by is not None for stream in streams):
        parts.append("◆ pushed")
    if any(stream.reset is not None for stream in streams):
        parts.append(f"{palette.trouble}✗{palette.reset} reset")
    return "  ".join(parts)


def without_colours(line: str) -> str:
    """What is to be seen of a line."""
    return _ESCAPES.sub("", line)


def seconds(value: float) -> str:
    """A time as people read it: ``940 µs``, ``12 ms``, ``1.25 s``."""
    if value < 0.0009995:
        return f"{value * 1e6:.0f} µs"
    if value < 0.9995:
        return f"{value * 1e3:.3g} ms" if value < 0.09995 else f"{value * 1e3:.0f} ms"
    return f"{value:.2f} s" if value < 99.5 else f"{value:.0f} s"


def size(octets: int) -> str:
    """Octets as people read them: ``512 B``, ``12 kB``, ``3.4 MB``."""
    if octets < 1000:
        return f"{octets} B"
    value = float(octets)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{value:.0f} GB"
