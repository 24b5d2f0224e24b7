"""``python -m tests.mutants [FILE ...]``: take each defence out and see whether a test notices.

Two kinds. Named ones, one or more for a row of the hostile catalogue: a scenario over real sockets
has to fail without the defence. And those made from the source, in the files that hold limits and
the rules of messages: some test of that area has to fail. A mutant that survives fails the command,
unless ``equal.py`` says why it changes nothing that anybody could see.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from .equal import EQUAL
from .making import mutants_of
from .named import NAMED
from .named_inner import INNER
from .named_outer import OUTER
from .trying import QUICK, Copy, covering, preload

ROOT = Path(__file__).resolve().parents[2]

#: Where mutants are made, and the tests that know the area.
FILES = (
    "hpack/decoder.py",
    "hpack/huffman.py",
    "http11/framing.py",
    "http11/limits.py",
    "http11/messages.py",
    "http11/receiving.py",
    "http20/bodies.py",
    "http20/budget.py",
    "http20/limits.py",
    "http20/messages.py",
    "http20/promises.py",
    "http20/receiving.py",
    "http20/responses.py",
    "http20/settings.py",
    "http20/state.py",
    "http20/window.py",
)
TESTS = (
    "tests/unit/hpack",
    "tests/unit/http11",
    "tests/unit/http20",
    "tests/conformance",
)


#: Files whose tests go to the limits and one beyond.
OF_LIMITS = (
    "tests/conformance/rfc9113/test_section_10_5.py",
    "tests/unit/http11/test_limits.py",
    "tests/unit/http11/test_receiving.py",
    "tests/unit/http20/test_limits.py",
    "tests/unit/http20/test_window.py",
)
#: Tests that pass no line of a limit's, since they only read it.
NUMBERS = (
    "tests/unit/http11/test_limits.py",
    "tests/unit/http20/test_limits.py",
    "tests/unit/http20/test_window.py",
)

#: Tests of one mutant, at most. Some lines are passed by thousands.
MOST_TESTS = 600


class Task(NamedTuple):
    """A mutant to try, whichever kind it is of."""

    name: str
    file: str
    source: str
    tests: tuple[str, ...]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="dev mutants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="below src/hyper; else all")
    parser.add_argument("--named", action="store_true", help="only those of the catalogue")
    parser.add_argument("--made", action="store_true", help="only those made from the source")
    parser.add_argument("--map", type=Path, help="keep there which test passes which line")
    parser.add_argument("--minutes", type=float, default=40.0, help="when to stop (40)")
    parser.add_argument("--only", default="", metavar="WORDS", help="whose names have them")
    arguments = parser.parse_args()
    until = time.monotonic() + 60 * arguments.minutes
    files = tuple(arguments.files) or FILES
    # Forks of this have it all; nothing of the library may be imported before.
    preload()
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with tempfile.TemporaryDirectory(prefix="hyper-mutants-") as folder:
        copies = [Copy(ROOT, Path(folder) / "copy0")]
        tasks: list[Task] = []
        trouble: list[str] = []
        if not arguments.made:
            tasks += _named(copies[0], trouble, arguments.files)
        if not arguments.named:
            tasks += _made(files, _map(copies[0], arguments.map), copies[0], trouble)
        tasks = [task for task in tasks if arguments.only in task.name]
        modules = {test.partition("::")[0] for task in tasks for test in task.tests}
        copies[0].compile_tests(sorted(modules))
        copies += [copies[0].once_more(Path(folder) / f"copy{at}") for at in range(1, processors)]
        controls = _controls(copies[0], tasks)
        if any(copies[0].try_out(*control[1:]).what != "survived" for control in controls):
            print("the tests fail without any mutant")
            return 1
        print(f"{len(tasks)} mutants, {processors} at a time", flush=True)
        counts = _try_all(copies, tasks, until, trouble)
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
    for words in trouble:
        print(words)
    return int(bool(trouble))


def _controls(copy: Copy, tasks: list[Task]) -> list[Task]:
    """Some of the tasks without their mutants: tests that fail anyway would kill everything."""
    step = max(len(tasks) // 8, 1)
    return [
        task._replace(source=copy.text(task.file), tests=task.tests[:QUICK])
        for task in tasks[::step]
    ]


def _named(copy: Copy, trouble: list[str], files: list[str]) -> list[Task]:
    tasks = []
    for named in (*NAMED, *INNER, *OUTER):
        if files and named.file not in files:
            continue
        source = copy.text(named.file)
        times = source.count(named.old)
        if times != 1:
            trouble.append(f"{named.file}: {named.old!r} stands there {times} times, not once")
            continue
        mutated = source.replace(named.old, named.new)
        tests = tuple(f"tests/{test}" for test in named.tests)
        tasks.append(Task(f"{named.file} {named.row}", named.file, mutated, tests))
    return tasks


def _map(copy: Copy, kept: Path | None) -> dict[str, Any]:
    """Which test passes which line; from a file while somebody works on the tests."""
    if kept is not None and kept.exists():
        known: dict[str, Any] = json.loads(kept.read_text())
        return known
    started = time.monotonic()
    found = covering(copy, TESTS, FILES)
    print(f"{len(found['seconds'])} tests, in {time.monotonic() - started:.0f} s", flush=True)
    if kept is not None:
        kept.write_text(json.dumps(found))
    return found


def _made(
    files: tuple[str, ...], found: dict[str, Any], copy: Copy, trouble: list[str]
) -> list[Task]:
    """Mutants with the tests that pass their line; limits with those that pass their use."""
    lines: dict[str, dict[str, list[str]]] = found["lines"]
    sources = {file: copy.text(file) for file in FILES}
    tasks = []
    for file in files:
        for mutant in mutants_of(file, sources[file]):
            name = str(mutant)
            why = EQUAL.get(_without_line(name))
            if why:
                continue
            tests: dict[str, None] = {}
            if mutant.limit:
                for other, text in sources.items():
                    for number, line in enumerate(text.splitlines(), 1):
                        if mutant.limit in line.upper():
                            tests.update(dict.fromkeys(lines[other].get(str(number), ())))
                # Some read a number without passing any line of ours.
                tests.update(dict.fromkeys(NUMBERS))
            else:
                tests.update(dict.fromkeys(lines[file].get(str(mutant.line), ())))
            if not tests:
                trouble.append(f"no test passes {name}")
                continue
            # First those of the module itself, which are made for it; then its neighbours', and
            # of each the quickest ones.
            room = f"tests/unit/{Path(file).parent}/"
            own = (f"{room}test_{Path(file).stem}.py", *OF_LIMITS)
            seconds = found["seconds"]
            ordered = sorted(
                tests,
                key=lambda test: (
                    not test.startswith(own),
                    not test.startswith(room),
                    seconds.get(test, 0.0),
                ),
            )
            tasks.append(Task(name, file, mutant.source, tuple(ordered[:MOST_TESTS])))
    return tasks


def _without_line(name: str) -> str:
    """A mutant's name as ``equal.py`` has it: lines move too often."""
    where, _, what = name.partition(" ")
    return f"{where.partition(':')[0]} {what}"


_copies: list[Copy] = []
_mine: Any = None


def _begin(copies: list[Copy], free: Any) -> None:
    """In each worker: take a copy for oneself."""
    global _mine
    _mine = copies[free.get()]


def _try(task: Task) -> tuple[Task, Any]:
    return task, _mine.try_out(task.file, task.source, task.tests)


def _try_all(
    copies: list[Copy], tasks: list[Task], until: float, trouble: list[str]
) -> dict[str, int]:
    counts: dict[str, int] = {}
    context = get_context("fork")
    free = context.SimpleQueue()
    for at in range(len(copies)):
        free.put(at)
    with context.Pool(len(copies), _begin, (copies, free)) as pool:
        for done, (task, verdict) in enumerate(pool.imap_unordered(_try, tasks), 1):
            counts[verdict.what] = counts.get(verdict.what, 0) + 1
            if verdict.what in ("survived", "unclear"):
                trouble.append(f"{verdict.what}: {task.name} ({verdict.tests} tests)")
                print(trouble[-1], flush=True)
            if done % 50 == 0:
                print(f"{done} of {len(tasks)}", flush=True)
            if time.monotonic() > until:
                trouble.append(f"{len(tasks) - done} mutants were not tried: the time is over")
                break
    return counts


if __name__ == "__main__":
    sys.exit(main())
