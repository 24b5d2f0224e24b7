"""Where the processor time goes: how much of it the system, OpenSSL and Python take.

    python -m bench.shares [--peers FOLDER] SCENARIO ...

For Linux with ``perf``. Each client does its turns as in a run of the benchmark, with perf looking
4,000 times a second at what is being executed: its start and its imports are in it, and are little.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.macro import ROOT, TURNS, Player, described, parse, processors
from bench.scenarios import SCENARIOS
from bench.servers import certificates, documents, running

__all__ = ["main", "shares"]

#: What a shared object is part of; the first that matches.
PARTS = {
    "the system": r"^\[kernel|^\[guest",
    "OpenSSL": r"crypto|libssl|_ssl\b",
    "libcurl": r"libcurl|nghttp2|_pycurl|pycurl\b",
    "libc": r"^libc\.so|^\[vdso",
    "Python": r"",
}

#: Clients that are a process in a loop, which perf can look at.
COMPARED = ("pycurl", "http.client", "requests")


def main(arguments: Sequence[str] | None = None) -> int:
    names = {scenario.name: scenario for scenario in SCENARIOS if scenario.server}
    parser = argparse.ArgumentParser(prog="bench.shares", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="+", choices=names, metavar="SCENARIO", help=str([*names])
    )
    parser.add_argument("--peers", type=Path, default=parse([]).peers, metavar="FOLDER")
    chosen = parser.parse_args(arguments)
    if shutil.which("perf") is None:
        print("bench: perf is not installed here", file=sys.stderr)
        return 1
    client_cpus, server_cpus = processors()
    print(f"| scenario | client | {' | '.join(PARTS)} |")
    print("|---|---|" + "---|" * len(PARTS))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        documents(folder)
        certificates(folder)
        for scenario in map(names.__getitem__, chosen.scenarios):
            peers = [peer for peer in scenario.peers if peer in COMPARED]
            with running(scenario.server, folder, server_cpus) as port:
                for client in (scenario.ours, *peers):
                    task = described(client, scenario, port, folder, parse([]))
                    seen = folder / "seen.perf"
                    looking = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000"]
                    player = Player(
                        client,
                        task | {"cpus": client_cpus},
                        chosen.peers,
                        (*looking, "-o", str(seen)),
                    )
                    try:
                        for _ in range(1 + TURNS):
                            player.turn()
                    finally:
                        player.end()
                    report = subprocess.run(
                        ["perf", "report", "-i", str(seen), "--sort", "dso", "--stdio"],
                        cwd=ROOT,
                        capture_output=True,
                        text=True,
                        check=True,
                    )
                    cells = " | ".join(f"{share:.0f} %" for share in shares(report.stdout).values())
                    print(f"| {scenario.name} | {client} | {cells} |", flush=True)
    return 0


def shares(report: str) -> dict[str, float]:
    """Percent of each part, from what ``perf report --sort dso --stdio`` prints."""
    parts = dict.fromkeys(PARTS, 0.0)
    for percent, name in re.findall(r"^\s+([\d.]+)%\s+(\S+)", report, re.MULTILINE):
        part = next(part for part, names in PARTS.items() if re.search(names, name))
        parts[part] += float(percent)
    return parts


if __name__ == "__main__":
    sys.exit(main())
