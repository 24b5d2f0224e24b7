"""Draw the architecture: `docs/explanation/architecture.md` tells what the picture shows.

    python docs/pictures/architecture.py

High rather than wide, so that it can be read on a telephone; light or dark as the reader's system
is, on a paper of its own, so that it can be read wherever it is put.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 480, 588
STYLE = """
.paper { fill: #f7f9fb; stroke: #d5dde5 }
.room { fill: #ffffff; stroke: #7d8ea1 }
.core { fill: #e6f3ee; stroke: #3c8a6b }
.world { fill: #fdf1e2; stroke: #b5782c }
.name { fill: #17212b; font-weight: 600 }
.about, .side { fill: #52616f }
.line { stroke: #52616f; fill: none }
.head { fill: #52616f }
@media (prefers-color-scheme: dark) {
.paper { fill: #161b22; stroke: #2d3742 }
.room { fill: #1f2731; stroke: #66778a }
.core { fill: #17322a; stroke: #57b892 }
.world { fill: #38290f; stroke: #d9a25a }
.name { fill: #e6edf3 }
.about, .side { fill: #9fb0c0 }
.line { stroke: #9fb0c0 }
.head { fill: #9fb0c0 }
}
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif }
.name { font-size: 14px }
.about, .side { font-size: 13px }
"""


def room(x: int, y: int, wide: int, high: int, name: str, *about: str, kind: str = "room") -> str:
    """A box with a name, and lines about it."""
    middle = x + wide / 2
    top = y + high / 2 - 9 * len(about) + 5
    lines = [
        f'<rect class="{kind}" x="{x}" y="{y}" width="{wide}" height="{high}" rx="8"/>',
        f'<text class="name" x="{middle}" y="{top}" text-anchor="middle">{escape(name)}</text>',
    ]
    for number, line in enumerate(about, 1):
        lines.append(
            f'<text class="about" x="{middle}" y="{top + 18 * number}" text-anchor="middle">'
            f"{escape(line)}</text>"
        )
    return "\n".join(lines)


def arrow(x: int, y: int, to: int, label: str = "", *, both: bool = False) -> str:
    """Downwards from one room to the next; both ways for octets that go and come."""
    lines = [
        f'<path class="line" stroke-width="1.5" d="M{x} {y}V{to}"/>',
        f'<path class="head" d="M{x - 5} {to - 8}L{x} {to}L{x + 5} {to - 8}z"/>',
    ]
    if both:
        lines.append(f'<path class="head" d="M{x - 5} {y + 8}L{x} {y}L{x + 5} {y + 8}z"/>')
    if label:
        lines.append(
            f'<text class="side" x="{x + 10}" y="{(y + to) / 2 + 4}">{escape(label)}</text>'
        )
    return "\n".join(lines)


def drawing() -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="Your program stands on a face of hyper; faces '
        "share a pump; the pump drives the rules, which touch no socket, and the transport, "
        'which is nothing but socket and TLS">',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="10"/>',
        room(20, 20, 440, 44, "your program"),
        arrow(90, 64, 100),
        arrow(240, 64, 100),
        arrow(390, 64, 100),
        room(20, 100, 140, 86, "HTTPConnection", "and its two", "siblings"),
        room(170, 100, 140, 86, "hyper.client", "speaks http.client", "to its user"),
        room(320, 100, 140, 86, "contrib, cli", "requests, urllib3,", "httpx, HTTPie"),
        arrow(90, 186, 232),
        arrow(240, 186, 232),
        arrow(390, 186, 232),
        room(
            20,
            232,
            440,
            66,
            "sync.Pump",
            "one lock, never held while waiting; one thread reads for all",
        ),
        arrow(130, 298, 350, "the verbs"),
        arrow(350, 298, 350, "octets", both=True),
        room(
            20,
            350,
            220,
            86,
            "HTTP20Protocol",
            "streams, windows, limits;",
            "HTTP11Protocol beside it",
            kind="core",
        ),
        room(
            260,
            350,
            200,
            86,
            "sync.Transport",
            "a socket, TLS, and",
            "no rules at all",
            kind="world",
        ),
        arrow(70, 436, 482),
        arrow(185, 436, 482),
        arrow(360, 436, 482, both=True),
        room(20, 482, 100, 86, "hpack", "fields", "as octets", kind="core"),
        room(130, 482, 110, 86, "common", "the words", "of everybody", kind="core"),
        room(260, 482, 200, 86, "a server", "HTTP/2, or", "HTTP/1.1", kind="world"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    file = Path(__file__).with_suffix(".svg")
    file.write_text(drawing(), encoding="utf-8")
    print(f"{file.name}: {file.stat().st_size} octets")
