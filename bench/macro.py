"""What a request costs: processor time of the client, ours and others', in one run.

    python bench/macro.py [--quick | --goals] [--only SCENARIO ...] [--clients NAME ...]

README.md beside this file says how it measures and how to read it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# So that this file can be run by its path, too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.goals import GOALS, judge, report, wanted
from bench.peers import interpreter, provide
from bench.results import summary, table
from bench.scenarios import CLIENTS, REQUEST_HEADERS, SCENARIOS, Scenario
from bench.servers import Missing, certificates, documents, running

ROOT = Path(__file__).resolve().parent.parent

#: Who measures what is not a client in a loop (``worker.py``).
MODULES = {
    "import": "bench.start",
    "first": "bench.start",
    "distance": "bench.distance",
    "encode": "bench.blocks",
    "decode": "bench.blocks",
}

#: Seconds for one client, one scenario, one round. None of ours takes ten.
PATIENCE = 120.0

Result = dict[str, Any]
Plan = list[tuple[Scenario, list[str]]]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if options.read:
        print(verdict([json.loads(file.read_text()) for file in options.read]))
        return 0
    plan = planned(options)
    if options.install:
        provide(sorted({client for _, clients in plan for client in clients}), options.peers)
    client_cpus, server_cpus = processors()
    started = time.time()

    results: dict[str, dict[str, list[Result]]] = {scenario.name: {} for scenario, _ in plan}
    skipped: dict[str, dict[str, str]] = {scenario.name: {} for scenario, _ in plan}
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        documents(folder)
        certificates(folder)
        ports = {"": 0}
        for kind in sorted({scenario.server for scenario, _ in plan} - {""}):
            try:
                ports[kind] = stack.enter_context(running(kind, folder, server_cpus))
            except Missing as error:
                print(f"bench: without {kind}: {error}", file=sys.stderr)
                for scenario, clients in plan:
                    if scenario.server == kind:
                        skipped[scenario.name] = dict.fromkeys(clients, str(error))
        # A B C, A B C: what disturbs the machine for a while disturbs them all.
        for number in range(options.rounds):
            for scenario, clients in plan:
                for client in clients:
                    if client in skipped[scenario.name]:
                        continue
                    say(f"round {number + 1} of {options.rounds}: {scenario.name}, {client}")
                    task = described(client, scenario, ports[scenario.server], folder, options)
                    result = measure(client, task | {"cpus": client_cpus}, options.peers)
                    if "skipped" in result:
                        skipped[scenario.name][client] = result["skipped"]
                        # Half a figure is none.
                        results[scenario.name].pop(client, None)
                    else:
                        results[scenario.name].setdefault(client, []).append(result)
    say("")

    document = {
        "about": machine(client_cpus, server_cpus, options, time.time() - started),
        "scenarios": {
            scenario.name: summary(scenario, results[scenario.name], skipped[scenario.name])
            for scenario, _ in plan
        },
    }
    print(table(document, plan))
    if options.goals:
        print("\n" + verdict([document]))
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if any(results[scenario.name] for scenario, _ in plan) else 1


def verdict(documents: Sequence[dict[str, Any]]) -> str:
    """What runs made of the goals that all of them are about, side by side."""
    goals = [goal for goal in GOALS if all(goal.scenario in d["scenarios"] for d in documents)]
    runs = {}
    for document in documents:
        name: str = document["about"]["python"]
        # Two runs of one Python are two runs.
        runs[f"{name}, again" if name in runs else name] = judge(document, goals)
    return report(runs)


def planned(options: argparse.Namespace) -> Plan:
    """The scenarios of this run, each with the clients that take part."""
    goals = wanted()
    plan = []
    for scenario in SCENARIOS:
        if options.only:
            chosen = scenario.name in options.only
        elif options.goals:
            chosen = scenario.name in goals
        else:
            chosen = bool(scenario.quick) or not options.quick
        clients = list(scenario.clients)
        if options.clients:
            clients = [client for client in clients if client in options.clients]
        elif options.goals:
            needed = {scenario.ours, *goals.get(scenario.name, ())}
            clients = [client for client in clients if client in needed]
        if chosen and clients:
            plan.append((scenario, clients))
    return plan


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description="Processor time per request, ours and other clients', in one run."
    )
    parser.add_argument("--quick", action="store_true", help="some two minutes; coarse")
    parser.add_argument(
        "--goals",
        action="store_true",
        help="measure what the goals are about, and say which of them are met",
    )
    parser.add_argument(
        "--read",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure nothing: hold what --json wrote against the goals",
    )
    parser.add_argument("--rounds", type=int, help="default: 7, with --goals 5, with --quick 3")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="SCENARIO", help=str(names))
    parser.add_argument(
        "--clients", nargs="+", choices=CLIENTS, metavar="NAME", help=str(list(CLIENTS))
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    parser.add_argument(
        "--peers",
        type=Path,
        default=ROOT / ".venv-bench-{}.{}".format(*sys.version_info),
        metavar="FOLDER",
        help="where the other clients' environments are (default: .venv-bench-VERSION)",
    )
    parser.add_argument(
        "--no-install",
        dest="install",
        action="store_false",
        help="measure only what is installed already",
    )
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (3 if options.quick else 5 if options.goals else 7)
    return options


def processors() -> tuple[list[int], set[int] | None]:
    """One processor for the client and another for the server, where that can be said."""
    if not hasattr(os, "sched_getaffinity"):
        return [], None
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return [], None
    return [allowed[0]], {allowed[-1]}


def described(
    client: str, scenario: Scenario, port: int, folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """What the process that measures has to know."""
    return {
        "client": client,
        "kind": scenario.kind,
        "port": port,
        "tls": not scenario.server.endswith("-plain"),
        "path": scenario.path,
        "folder": str(folder),
        "authority": str(folder / "ca.pem"),
        "headers": REQUEST_HEADERS if scenario.headers else [],
        "units": scenario.quick if options.quick and scenario.quick else scenario.units,
        "bulk": scenario.bulk,
    }


def measure(client: str, task: dict[str, Any], peers: Path) -> Result:
    """One round of one client in a process of its own."""
    # Bytecode is written once and read by all, as where things are installed. The caller's proxies,
    # key logs and authorities are not ours; requests prefers them to what it is told.
    foreign = ("_proxy", "_ca_bundle", "sslkeylogfile", "ssl_cert_file", "ssl_cert_dir")
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith((*foreign, "pythondontwritebytecode"))
    }
    variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    module = MODULES.get(task["kind"], "bench.worker")
    try:
        done = subprocess.run(
            [interpreter(client, peers), "-m", module, json.dumps(task)],
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


def machine(
    client_cpus: list[int], server_cpus: set[int] | None, options: argparse.Namespace, took: float
) -> dict[str, Any]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "pinned": bool(client_cpus and server_cpus),
        "rounds": options.rounds,
        "quick": options.quick,
        "seconds": round(took),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def say(what: str) -> None:
    """Show what is going on, in one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{what}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
