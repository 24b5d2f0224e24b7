"""Make the pictures of README and of the documentation, from what the command really prints.

    python docs/pictures/make.py

The architecture is drawn by `architecture.py`. The two of a terminal are drawn here, as SVG, from
the command's own octets. The one of the trace page is taken by Chromium (Debian: ``apt-get
install chromium``); without it that one stays.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

import architecture

HERE = Path(__file__).resolve().parent

#: A cell of the terminal, and what is around all of them, in SVG's units.
WIDTH, HEIGHT, BASE = 8.4, 18.0, 13.5
MARGIN, TITLE = 16.0, 34.0

PAPER, INK, QUIET = "#161b22", "#d6dde6", "#8b97a5"
#: Select graphic rendition: the sixteen colours, on this paper.
COLOURS = {
    31: "#f47067",
    32: "#6bc46d",
    33: "#e0b252",
    34: "#6cb6ff",
    35: "#d2a8ff",
    36: "#56d4dd",
    91: "#ff938a",
    92: "#8ddb8c",
    93: "#f2cf7e",
    94: "#96d0ff",
    95: "#e2c5ff",
    96: "#8be9f0",
}
#: Drawn as shapes, as fonts differ in them: the part of the cell's height, from where, how dense.
SHAPES = {"█": (1.0, 0.0, 1.0), "▒": (0.72, 0.14, 0.6), "─": (0.2, 0.4, 1.0), "·": (0.1, 0.45, 0.8)}


class Run(NamedTuple):
    """Signs of one look, and the column of the first."""

    column: int
    text: str
    colour: str
    bold: bool


def runs(line: str) -> Iterator[Run]:
    """A line of a terminal, taken apart by its looks."""
    column, colour, bold = 0, INK, False
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        escape_codes = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if escape_codes is None:
            for same in re.findall(r"█+|▒+|─+|·+|[^█▒─·]+", part):
                yield Run(column, same, colour, bold)
                column += len(same)
            continue
        for code in map(int, (escape_codes[1] or "0").split(";")):
            if code == 0:
                colour, bold = INK, False
            elif code == 1:
                bold = True
            elif code == 2:
                colour = QUIET
            else:
                colour = COLOURS.get(code, colour)


def drawn(run: Run, y: float) -> str:
    """A run as SVG, at a line whose top is ``y``."""
    x = MARGIN + run.column * WIDTH
    wide = len(run.text) * WIDTH
    shape = SHAPES.get(run.text[0])
    if shape is not None:
        part, down, dense = shape
        return (
            f'<rect x="{x:.1f}" y="{y + 1 + down * (HEIGHT - 2):.1f}" width="{wide:.1f}" '
            f'height="{part * (HEIGHT - 2):.1f}" fill="{run.colour}" opacity="{dense}"/>'
        )
    if not run.text.strip():
        return ""
    weight = ' font-weight="bold"' if run.bold else ""
    # Told how long it is, so that columns stay columns in whatever font there is.
    return (
        f'<text x="{x:.1f}" y="{y + BASE:.1f}" fill="{run.colour}"{weight} '
        f'textLength="{wide:.1f}" xml:space="preserve">{escape(run.text)}</text>'
    )


def terminal(command: str, lines: list[str], columns: int) -> str:
    """A picture of a terminal in which this was typed and printed."""
    wide = 2 * MARGIN + columns * WIDTH
    high = TITLE + HEIGHT * (len(lines) + 1) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" '
        f'width="{wide:.0f}" height="{high:.0f}" role="img" aria-label="{escape(command)}">',
        f'<rect width="{wide:.0f}" height="{high:.0f}" rx="9" fill="{PAPER}"/>',
        *(
            f'<circle cx="{MARGIN + 5 + 18 * place}" cy="17" r="5.5" fill="#3a434f"/>'
            for place in range(3)
        ),
        "<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', "
        'monospace" font-size="13.5">',
    ]
    typed = f"\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m"
    for number, line in enumerate([typed, *lines]):
        parts += [drawn(run, TITLE + number * HEIGHT) for run in runs(line)]
    return "\n".join(part for part in [*parts, "</g></svg>"] if part) + "\n"


def printed(*words: str) -> list[str]:
    """What the command prints, with colours, as it is in front of a person."""
    done = subprocess.run(
        [sys.executable, "-m", "hyper", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "FORCE_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    return done.stdout.splitlines()


def wrapped(lines: list[str], columns: int) -> Iterator[str]:
    """Lines as a terminal of this width breaks them, further parts a little to the right."""
    for line in lines:
        looks = re.findall(r"\x1b\[[0-9;]*m", line)
        bare = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if len(bare) <= columns:
            yield line
            continue
        first, *more = textwrap.wrap(
            bare, columns, subsequent_indent=" " * 28, break_on_hyphens=False
        )
        # What looks special stands at the beginning, and is on the first of them.
        at, kept = 0, ""
        for part in re.split(r"(\x1b\[[0-9;]*m)", line):
            if part in looks:
                kept += part
            else:
                kept += part[: max(0, len(first) - at)]
                at += len(part)
        yield kept
        yield from more


def page(into: Path) -> bool:
    """A screenshot of a trace page; False where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.html"
        printed("--waterfall", "--assets", "--trace", str(trace), "demo:/page")
        as_root = ["--no-sandbox"] if os.getuid() == 0 else []
        options = "--headless --disable-gpu --no-first-run --disable-background-networking "
        options += "--disable-component-update --disable-sync --hide-scrollbars "
        options += "--blink-settings=preferredColorScheme=1 --window-size=1100,900"
        subprocess.run(
            [
                chromium,
                *options.split(),
                *as_root,
                f"--user-data-dir={folder}/profile",
                f"--screenshot={into}",
                trace.as_uri(),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )
    return True


def drawings() -> Iterator[tuple[str, str]]:
    """The pictures that are drawn here, by the names of their files."""
    yield "architecture.svg", architecture.drawing()

    columns = 100
    lines = printed("--waterfall", "--assets", "demo:/page")
    yield "waterfall.svg", terminal("hyper --waterfall --assets demo:/page", lines, columns)

    lines = printed("--debug", "--print=", "demo:/early-hints", "Cookie:secret")
    command = "hyper --debug demo:/early-hints Cookie:secret"
    yield "debug.svg", terminal(command, [*wrapped(lines, columns)], columns)


def main() -> None:
    for name, picture in drawings():
        (HERE / name).write_text(picture, encoding="utf-8")
    if not page(HERE / "trace-page.png"):
        print("no chromium here: trace-page.png stays as it is", file=sys.stderr)
    for path in sorted(HERE.glob("*.[ps][nv]g")):
        print(f"{path.name}: {path.stat().st_size} octets")


if __name__ == "__main__":
    main()
