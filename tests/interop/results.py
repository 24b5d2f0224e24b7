"""What the interop run found, kept as JSON and told as the table of `docs/explanation/interop.md`.

    python3 dev interop                             runs the ring and prints the table
    python3 dev interop --write                     and puts it into the page
    python -m tests.interop.results FILE [--write]  does the last part alone

The ring keeps its results in the file that ``HYPER_INTEROP_RESULTS`` names. ``--lf`` adds what it
found to what the file holds, so that what failed first and passed then counts as passed. Nothing in
the table is written by hand.
"""

from __future__ import annotations

import json
import platform
import re
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from .kinds import KINDS
from .servers import find_program

__all__ = ["COLUMNS", "PAGE", "Results", "replaced", "table"]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "interop.md"
BEGIN: Final = "<!-- written by tests/interop/results.py: begin -->"
END: Final = "<!-- written by tests/interop/results.py: end -->"

#: What a program says of its version, and where that is not `--version`, how to ask.
ASKED: Final = {"nginx": ["-v"], "apache": ["-v"], "haproxy": ["-v"], "caddy": ["version"]}
VERSION: Final = re.compile(r"(?<![\w.])v?(\d+\.\d+(?:\.\d+)?)(?![\w])")

#: The columns: every test of a server belongs into the first that knows it.
COLUMNS: Final = {
    "requests": r"test_examples\.py|is_a_404|is_empty",
    "fields, HPACK": r"test_semantics\.py.*(headers_arrive|compression|head_larger|head_has)",
    "codings": r"gzip",
    "1xx": r"early_hints",
    "trailers": r"trailers",
    "bodies": r"test_transfer\.py|small_reads|nobody_asked_for",
    "threads": r"test_load\.py",
    "cancel, time, PING": r"dropped_half_way|a_timeout|a_ping",
    "push": r"test_push\.py",
    "GOAWAY": r"test_shutdown\.py",
    "trust, ALPN": r"test_trust\.py",
    "cleartext": r"cleartext|test_upgrade\.py",
    "by requests": r"test_requests\.py",
}

#: What stands below it, where no single server is asked: whole suites, proxies, programs.
OTHERS: Final = {
    "Apache, HAProxy and nghttpx as proxies, through every door": r"test_proxies_real\.py",
    "a round trip of 50 and 100 ms, over real TCP": r"test_distance\.py",
    "`apns2` 0.7 against a push service": r"test_apns2\.py",
    "all of the own tests of requests, over HTTP/2, as one": r"test_requests_suite\.py",
    "all of the own tests of httpx, over HTTP/2, as one": r"test_httpx_suite\.py",
    "the trace page in Chromium": r"test_trace_page\.py",
}


class Results:
    """Outcomes by test, and the versions of those who took part."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, Any]] = {}

    def add(self, test: str, outcome: str, peer: str | None = None) -> None:
        """Note how a phase of a test ended; the worst of a test's phases counts."""
        former = self.tests.get(test)
        if former is None or outcome != "passed":
            self.tests[test] = {"outcome": outcome, "peer": peer}

    def save(self, path: Path, programs: dict[str, str], *, more: bool = False) -> None:
        """Write them, with the versions of these programs; ``more`` adds to what is there."""
        tests = self.tests
        if more and path.exists():
            tests = {**json.loads(path.read_text("utf-8"))["tests"], **tests}
        peers = {test["peer"] for test in tests.values()} - {None}
        found = {
            "python": platform.python_version(),
            "openssl": " ".join(ssl.OPENSSL_VERSION.split()[:2]),
            "system": f"{platform.system()} {platform.machine()}",
            "versions": {name: version(name, programs[name]) for name in sorted(peers)},
            "tests": dict(sorted(tests.items())),
        }
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def version(name: str, program: str) -> str:
    """What a server says of itself; "?" where it says nothing, "" where it is not here."""
    where = find_program(program)
    if where is None:
        return ""
    if program == "hypercorn":
        from importlib.metadata import version as installed

        return installed("hypercorn")
    done = subprocess.run(
        [where, *ASKED.get(name, ["--version"])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
    match = VERSION.search(re.sub(r"[/_-]", " ", done.stdout))
    return match[1] if match else "?"


def cell(outcomes: Iterable[str]) -> str:
    """How many passed, and in bold what did not; nothing where there was nothing to do."""
    counted = Counter(outcomes)
    bad = [f"**{counted[kind]} {kind}**" for kind in ("failed", "skipped") if counted[kind]]
    good = [str(counted["passed"])] if counted["passed"] else []
    return ", ".join(good + bad)


def table(found: dict[str, Any]) -> str:
    """The results as Markdown. Raises ValueError for a test that has no place in it."""
    cells: dict[tuple[str, str], list[str]] = {}
    others: dict[str, list[str]] = {}
    for test, result in found["tests"].items():
        peer = result["peer"]
        kinds = OTHERS if peer is None else COLUMNS
        place = next((kind for kind, look in kinds.items() if re.search(look, test)), None)
        if place is None:
            if peer is None:
                continue
            raise ValueError(f"{test} has no column in tests/interop/results.py")
        if peer is None:
            others.setdefault(place, []).append(result["outcome"])
        else:
            cells.setdefault((peer, place), []).append(result["outcome"])
    lines = [
        f"hyper on Python {found['python']} with {found['openssl']}, {found['system']}.",
        "",
        "| server | version | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for peer in sorted({peer for peer, _ in cells}):
        row = [cell(cells.get((peer, column), ())) for column in COLUMNS]
        lines.append(f"| {peer} | {found['versions'][peer]} | " + " | ".join(row) + " |")
    lines += ["", "| beside | tests |", "|---|---|"]
    lines += [f"| {what} | {cell(others[what])} |" for what in OTHERS if what in others]
    return "\n".join(lines)


def replaced(page: str, text: str) -> str:
    """A page with this text between the two marks."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    results = Path(arguments[0])
    if not results.exists():
        print(f"nobody has kept results in {results}", file=sys.stderr)
        return 1
    found = json.loads(results.read_text("utf-8"))
    text = table(found)
    print(text)
    if "--write" in arguments[1:]:
        missing = [name for name in KINDS if name not in found["versions"]]
        if missing:
            print(f"not written: {', '.join(missing)} took no part", file=sys.stderr)
            return 1
        PAGE.write_text(replaced(PAGE.read_text("utf-8"), text), encoding="utf-8")
        print(f"\nwritten into {PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
