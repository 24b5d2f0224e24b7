"""What a request costs: processor time of the client, ours and others', in one run.

    python bench/macro.py [--quick] [--only SCENARIO ...] [--clients NAME ...] [--json FILE]

README.md beside this file says how it measures and how to read it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

# So that this file can be run by its path, too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.peers import interpreter, provide
from bench.scenarios import REQUEST_HEADERS, SCENARIOS, Scenario
from bench.servers import Missing, certificates, documents, running

ROOT = Path(__file__).resolve().parent.parent
OURS = "hyper"
#: In the order of the table's columns.
CLIENTS = (OURS, "pycurl", "httpx", "niquests", "h2", "h2load")

#: Seconds for one client, one scenario, one round. None of ours takes ten.
PATIENCE = 120.0

Result = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    clients: list[str] = options.clients or list(CLIENTS)
    scenarios = [
        scenario
        for scenario in SCENARIOS
        if (scenario.name in options.only if options.only else scenario.quick or not options.quick)
    ]
    if options.install:
        provide(clients, options.peers)
    client_cpus, server_cpus = processors()
    started = time.time()

    results: dict[str, dict[str, list[Result]]] = {s.name: {} for s in scenarios}
    skipped: dict[str, dict[str, str]] = {s.name: {} for s in scenarios}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        root = documents(folder)
        authority = certificates(folder)[0]
        ports: dict[str, int] = {}
        for kind in sorted({scenario.server for scenario in scenarios}):
            try:
                ports[kind] = stack.enter_context(running(kind, folder, root, server_cpus))
            except Missing as error:
                print(f"bench: without {kind}: {error}", file=sys.stderr)
        scenarios = [scenario for scenario in scenarios if scenario.server in ports]
        # A B C, A B C: what disturbs the machine for a while disturbs them all.
        for number in range(options.rounds):
            for scenario in scenarios:
                for client in clients:
                    if client in skipped[scenario.name]:
                        continue
                    say(f"round {number + 1} of {options.rounds}: {scenario.name}, {client}")
                    result = measure(
                        client, scenario, ports[scenario.server], authority, client_cpus, options
                    )
                    if "skipped" in result:
                        skipped[scenario.name][client] = result["skipped"]
                    else:
                        results[scenario.name].setdefault(client, []).append(result)
    say("")

    document = {
        "about": machine(client_cpus, server_cpus, options, time.time() - started),
        "scenarios": {
            scenario.name: summary(scenario, results[scenario.name], skipped[scenario.name])
            for scenario in scenarios
        },
    }
    print(table(document, scenarios, clients))
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if any(results[scenario.name] for scenario in scenarios) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="Processor time per request, ours and other clients', in one run."
    )
    parser.add_argument("--quick", action="store_true", help="about a minute; coarse")
    parser.add_argument("--rounds", type=int, help="default: 7, with --quick 3")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="SCENARIO", help=str(names))
    parser.add_argument(
        "--clients", nargs="+", choices=CLIENTS, metavar="NAME", help=str(list(CLIENTS))
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    parser.add_argument(
        "--peers",
        type=Path,
        default=ROOT / ".venv-bench",
        metavar="FOLDER",
        help="where the other clients' environments are (default: .venv-bench)",
    )
    parser.add_argument(
        "--no-install",
        dest="install",
        action="store_false",
        help="measure only what is installed already",
    )
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 7)
    return options


def processors() -> tuple[list[int], set[int] | None]:
    """One processor for the client and another for the server, where that can be said."""
    if not hasattr(os, "sched_getaffinity"):
        return [], None
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return [], None
    return [allowed[0]], {allowed[-1]}


def measure(
    client: str,
    scenario: Scenario,
    port: int,
    authority: Path,
    cpus: list[int],
    options: argparse.Namespace,
) -> Result:
    """One round of one client in a process of its own."""
    task = {
        "client": client,
        "kind": scenario.kind,
        "port": port,
        "path": scenario.path,
        "authority": str(authority),
        "headers": REQUEST_HEADERS if scenario.headers else [],
        "units": scenario.quick if options.quick and scenario.quick else scenario.units,
        "bulk": scenario.bulk,
        "cpus": cpus,
    }
    # Bytecode is written once and read by all; proxies and key logs of the caller's are not ours.
    variables = {
        name: value
        for name, value in os.environ.items()
        if name != "SSLKEYLOGFILE" and not name.lower().endswith("_proxy")
    }
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    try:
        done = subprocess.run(
            [interpreter(client, options.peers), "-m", "bench.worker", json.dumps(task)],
            env=variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"not done after {PATIENCE:.0f} s"}
    if done.returncode:
        reason = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"skipped": f"failed: {reason[-1]}"}
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def summary(
    scenario: Scenario, results: dict[str, list[Result]], skipped: dict[str, str]
) -> dict[str, Any]:
    """The median of the rounds for every client, and ours against it, round by round."""
    clients = {}
    for client, rounds in results.items():
        keys = [key for key in rounds[0] if isinstance(rounds[0][key], float)]
        clients[client] = {
            "version": rounds[0]["version"],
            "units": rounds[0]["units"],
            **{key: median(result[key] for result in rounds) for key in keys},
            "peak_memory": max(result["peak_memory"] for result in rounds),
            "rounds": [result["cpu"] for result in rounds],
        }
        if OURS in results and client != OURS:
            pairs = zip(results[OURS], rounds, strict=False)
            clients[client]["ratio"] = median(ours["cpu"] / theirs["cpu"] for ours, theirs in pairs)
    return {
        "about": scenario.about,
        "server": scenario.server,
        "unit": "64 MiB" if scenario.bulk else "request",
        "clients": clients,
        "skipped": skipped,
    }


def machine(
    client_cpus: list[int], server_cpus: set[int] | None, options: argparse.Namespace, took: float
) -> dict[str, Any]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "pinned": bool(client_cpus and server_cpus),
        "rounds": options.rounds,
        "quick": options.quick,
        "seconds": round(took),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def table(document: dict[str, Any], scenarios: Sequence[Scenario], clients: Sequence[str]) -> str:
    """The medians as Markdown; in brackets what ours costs for each 1 of theirs."""
    about = document["about"]
    lines = [
        f"{about['python']}, {about['system']}, "
        f"{'client and server pinned apart' if about['pinned'] else 'not pinned'}, "
        f"median of {about['rounds']} rounds in {about['seconds']} s.",
        "Processor time of the client, user and system: µs a request, ms for 64 MiB; "
        f"behind it {OURS} divided by that client.",
        "",
        "| | " + " | ".join(clients) + " |",
        "|---|" + "---|" * len(clients),
    ]
    notes: dict[str, list[str]] = {}
    versions: dict[str, str] = {}
    for scenario in scenarios:
        part = document["scenarios"][scenario.name]
        cells = []
        for client in clients:
            figures = part["clients"].get(client)
            if figures is None:
                cells.append("–")
                notes.setdefault(f"{client}: {part['skipped'].get(client)}", []).append(
                    scenario.name
                )
                continue
            versions[client] = figures["version"]
            cell = f"{figures['cpu'] * (1e3 if scenario.bulk else 1e6):.3g}"
            if "ratio" in figures:
                cell += f" ({figures['ratio']:.2f})"
            cells.append(f"**{cell}**" if client == OURS else cell)
        lines.append(
            f"| {scenario.name}: {scenario.about}, {scenario.server} | " + " | ".join(cells) + " |"
        )
    lines += [
        "",
        "Versions: " + "; ".join(versions[client] for client in clients if client in versions),
    ]
    every = [scenario.name for scenario in scenarios]
    for note, where in notes.items():
        lines.append(f"Not measured: {note}" + ("" if where == every else f" ({', '.join(where)})"))
    return "\n".join(lines)


def say(what: str) -> None:
    """Show what is going on, in one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
