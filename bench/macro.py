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
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# So that this file can be run by its path, too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.goals import GOALS, judge, report, wanted
from bench.peers import interpreter, provide
from bench.results import merged, summary, table
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

#: Seconds for one turn of one client. None of ours takes ten.
PATIENCE = 120.0
#: Turns in which a client does its work of one round, others in between.
TURNS = 8

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
        for number in range(options.rounds):
            for scenario, clients in plan:
                say(f"round {number + 1} of {options.rounds}: {scenario.name}")
                tasks = {
                    client: described(client, scenario, ports[scenario.server], folder, options)
                    | {"cpus": client_cpus}
                    for client in clients
                    if client not in skipped[scenario.name]
                }
                for client, result in play(tasks, options.peers).items():
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
    units = scenario.quick if options.quick and scenario.quick else scenario.units
    return {
        "client": client,
        "kind": scenario.kind,
        "port": port,
        "tls": not scenario.server.endswith("-plain"),
        "path": scenario.path,
        "folder": str(folder),
        "authority": str(folder / "ca.pem"),
        "headers": REQUEST_HEADERS if scenario.headers else [],
        "units": units,
        "turns": min(TURNS, units),
        "bulk": scenario.bulk,
    }


def play(tasks: dict[str, dict[str, Any]], peers: Path) -> dict[str, Result]:
    """One round of one scenario: what it cost each client, or why it did not take part.

    A B C, C B A, A B C: all of them are there at once, and each does a little while the others
    wait. What disturbs the machine for a while disturbs them all.
    """
    players = {client: Player(client, task, peers) for client, task in tasks.items()}
    try:
        turns = 1 + max((player.turns for player in players.values()), default=0)
        for number in range(turns):
            order = list(players.values())
            for player in order[::-1] if number % 2 else order:
                player.turn()
        return {client: player.result() for client, player in players.items()}
    finally:
        for player in players.values():
            player.end()


class Player:
    """One client in a process of its own, which does a turn when it is told to.

    The first thing that it says is which version it is, after its warm-up. What is not a client
    in a loop says all it has to say at once.

    under  the words of a command that is to run it, such as a profiler
    """

    def __init__(
        self, client: str, task: dict[str, Any], peers: Path, under: Sequence[str] = ()
    ) -> None:
        module = MODULES.get(task["kind"])
        self.turns = 0 if module else task["turns"]
        self.said: list[Result] = []
        self.failure = ""
        self.words = Path(task["folder"], f"{client.replace('/', '-')}.words")
        with self.words.open("w") as words:
            self.process = subprocess.Popen(
                [
                    *under,
                    interpreter(client, peers),
                    *("-m", module or "bench.worker", json.dumps(task)),
                ],
                env=variables(),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
            )

    def turn(self) -> None:
        """Have it do its next turn, and hear what came of it."""
        if self.failure or len(self.said) > self.turns:
            return
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        late = threading.Event()

        def over() -> None:
            late.set()
            self.process.kill()

        watch = threading.Timer(PATIENCE, over)
        watch.start()
        try:
            if self.said:
                print("go", file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watch.cancel()
        if line:
            self.said.append(json.loads(line))
            self.failure = self.said[-1].get("skipped", "")
        elif late.is_set():
            self.failure = f"not done after {PATIENCE:.0f} s"
        else:
            words = self.words.read_text().strip().splitlines()
            self.failure = f"failed: {words[-1] if words else 'ended without a word'}"

    def result(self) -> Result:
        """Its round: of every figure the median of the turns."""
        if self.failure:
            return {"skipped": self.failure}
        return merged(self.said)

    def end(self) -> None:
        """Let it go; a process that does not go by itself is ended."""
        with contextlib.suppress(subprocess.TimeoutExpired, BrokenPipeError):
            self.process.communicate(timeout=PATIENCE)
        self.process.kill()
        self.process.wait()


def variables() -> dict[str, str]:
    """The environment of every process that measures."""
    # Bytecode is written once and read by all, as where things are installed. The caller's proxies,
    # key logs and authorities are not ours; requests prefers them to what it is told.
    foreign = ("_proxy", "_ca_bundle", "sslkeylogfile", "ssl_cert_file", "ssl_cert_dir")
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith((*foreign, "pythondontwritebytecode"))
    }
    own["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return own


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
