"""``python -m tests.fuzz [--minutes N] [TARGET ...]``: let machines look for what hurts.

Each target has N minutes of processor time, all of them at once as far as there are processors.
What is found along the way is kept in .fuzz/, and the next run starts from there. An input that
does harm is written beside it; the last lines say how to see it again, without a fuzzer.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .targets import TARGETS, seeds

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".fuzz"


class Run(NamedTuple):
    """How one target fared."""

    name: str
    code: int
    minutes: float
    inputs: int
    reached: int
    crash: Path | None


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev fuzz", description=__doc__, formatter_class=_Plain)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=1.0, help="of processor time for each")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run one input and nothing else"
    )
    arguments = parser.parse_args()
    names = arguments.targets or list(TARGETS)
    for name in names:
        if name not in TARGETS:
            parser.error(f"there is no target {name!r}; there are {', '.join(TARGETS)}")
    if arguments.replay:
        return _replay(names, arguments.replay)
    if find_spec("atheris") is None:
        print("the fuzzer is atheris, and made for CPython on Linux (x86-64); --replay needs none")
        return 1
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with ThreadPoolExecutor(min(processors, len(names))) as pool:
        runs = list(pool.map(lambda name: _run(name, arguments.minutes), names))
    print()
    for run in runs:
        verdict = "found harm" if run.crash else "clean" if run.code == 0 else f"exit {run.code}"
        print(
            f"{run.name:8} {run.minutes:6.1f} processor minutes {run.inputs:10} inputs "
            f"{run.reached:6} places reached  {verdict}"
        )
    for run in runs:
        if run.crash:
            where = os.path.relpath(run.crash, ROOT)
            print(f"\nsee it again:  python3 dev fuzz --replay {where} {run.name}")
    return int(any(run.code for run in runs))


class _Plain(argparse.RawDescriptionHelpFormatter):
    pass


def _replay(names: list[str], file: Path) -> int:
    from .bounds import bounded

    data = file.read_bytes()
    for name in names:
        steps, memory = bounded(TARGETS[name].check, data)
        print(f"{name}: {len(data)} octets do no harm; {steps} calls, {memory} octets of memory")
    return 0


def _run(name: str, minutes: float) -> Run:
    """Fuzz one target in a process of its own."""
    corpus = KEPT / name / "corpus"
    crashes = KEPT / name / "crashes"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.worker",
        name,
        str(minutes),
        str(corpus),
        str(seeds(name)),
        f"-artifact_prefix={crashes}{os.sep}",
        "-max_len=4096",
        # Seconds by the clock for one input, which would take milliseconds alone.
        "-timeout=120",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    log = KEPT / name / "log"
    print(f"{name}: {minutes:g} processor minutes, its words go to {os.path.relpath(log)}")
    started = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    words = log.read_text(errors="replace")
    # A unit that was only slow is noted there as well; the machine may have been busy.
    new = {file for file in crashes.iterdir() if not file.name.startswith("slow-unit")}
    crash = next(iter(sorted(new - before)), None)
    if process.returncode:
        tail = "\n".join(f"{name}: {line}" for line in words.splitlines()[-40:])
        print(f"{tail}\n{name}: ended after {time.monotonic() - started:.0f} s", flush=True)
    inputs = max(map(int, re.findall(r"^#(\d+)", words, re.M)), default=0)
    done = re.search(r"^fuzz: (\d+) inputs", words, re.M)
    reached = max(map(int, re.findall(r"\bcov: (\d+)", words)), default=0)
    minutes_used = (used.ru_utime + used.ru_stime) / 60
    return Run(
        name,
        process.returncode,
        minutes_used,
        int(done[1]) if done else inputs,
        reached,
        crash,
    )


if __name__ == "__main__":
    sys.exit(main())
