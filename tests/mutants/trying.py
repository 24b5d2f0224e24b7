"""Running tests against mutants: which tests pass a line, and whether one of them notices.

Everything happens in a copy of the checkout, so that neither the tree nor who works in it is
touched. A process that has imported what the tests need, but not the library, forks for each
mutant.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["QUICK", "Copy", "Verdict", "covering", "preload"]

#: Seconds of processor time that the tests of a mutant may take, and by the clock. A mutant that
#: goes on for ever was noticed.
PROCESSOR_SECONDS = 60
SECONDS = 240

#: Octets that it may have.
MEMORY = 6 << 30

#: Tests that are tried at first, the quickest ones.
QUICK = 40


#: Exit codes of pytest where it has not run what it was told to.
_NOT_FOUND = (4, 5)


class Verdict(NamedTuple):
    """What became of a mutant, and how many tests were tried.

    "killed", "survived", "hung", or "unclear" where pytest did not find the tests.
    """

    what: str
    tests: int


class Copy:
    """The checkout once more, for one mutant after the other."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = folder
        self.package = folder / "src" / "hyper"
        skipped = shutil.ignore_patterns("__pycache__", ".*", "corpus", "_build")
        for name in ("src", "tests", "docs"):
            shutil.copytree(root / name, folder / name, ignore=skipped)
        for name in ("pyproject.toml", "README.md", "dev"):
            shutil.copy2(root / name, folder / name)
        compileall.compile_dir(str(folder), quiet=2)

    def once_more(self, folder: Path) -> Copy:
        """A copy of this one, with whatever it has compiled."""
        other = Copy.__new__(Copy)
        other.root = folder
        other.package = folder / "src" / "hyper"
        shutil.copytree(self.root, folder)
        return other

    def compile_tests(self, tests: Sequence[str]) -> None:
        """Have pytest keep what it makes of the tests, or every mutant would wait for that."""
        command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
        subprocess.run(
            [*command, "-m", "", *tests],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            check=True,
        )

    def environment(self) -> dict[str, str]:
        """What a Python needs to run in here, and to keep what it compiles."""
        path = f"{self.root}{os.pathsep}{self.root / 'src'}"
        environment = {**os.environ, "PYTHONPATH": path}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment

    def text(self, file: str) -> str:
        return (self.package / file).read_text("utf-8")

    def try_out(self, file: str, source: str, tests: Sequence[str]) -> Verdict:
        """Whether one of the tests notices that ``file`` is ``source`` now."""
        path = self.package / file
        former = path.read_text("utf-8")
        path.write_text(source, "utf-8")
        # What was compiled would be taken for this, if it has the same size and second.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
        done = 0
        try:
            for some in (tests[:QUICK], tests[QUICK:]):
                if some:
                    done += len(some)
                    code = self._in_a_fork(some)
                    if code in _NOT_FOUND:
                        # A test that has the changed number in its name has another name now.
                        modules = dict.fromkeys(test.partition("::")[0] for test in some)
                        code = self._in_a_fork(tuple(modules))
                    if code is None:
                        return Verdict("hung", done)
                    if code in _NOT_FOUND:
                        return Verdict("unclear", done)
                    if code:
                        return Verdict("killed", done)
            return Verdict("survived", done)
        finally:
            path.write_text(former, "utf-8")
            compileall.compile_file(str(path), quiet=2)

    def _in_a_fork(self, tests: Sequence[str]) -> int | None:
        """The exit code of pytest; None when it had to be ended."""
        child = os.fork()
        if child == 0:
            try:
                self._be_the_child(tests)
            finally:
                os._exit(99)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                return None if code < 0 else code
            time.sleep(0.01)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None

    def _be_the_child(self, tests: Sequence[str]) -> None:
        import resource

        import pytest

        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(quiet, descriptor)
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        sys.dont_write_bytecode = True
        os.chdir(self.root)
        sys.path[:0] = [str(self.root), str(self.root / "src")]
        # This very package is of another ``tests``.
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]
        options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=no"]
        # That hypothesis is here already is our doing.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        os._exit(int(pytest.main([*options, "-m", "", *tests])))


def preload() -> None:
    """Import what takes long and is not under test, so that every fork has it."""
    import h2.connection
    import h11
    import hpack
    import hypercorn.asyncio
    import hyperframe.frame
    import hypothesis.stateful
    import pytest
    import trustme

    needed: tuple[Any, ...] = (h2, h11, hpack, hypercorn, hyperframe, hypothesis, pytest, trustme)
    assert needed
    ours = [n for n in sys.modules if n.partition(".")[0] == "hyper"]
    assert not ours, f"{ours} would be in every fork"


def covering(copy: Copy, tests: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    """Which tests pass which line: ``{"seconds": {test: s}, "lines": {file: {line: [test]}}}``.

    Runs all of them once, with coverage. RuntimeError if one fails: it could not judge a mutant.
    """
    out = copy.root / "covering.json"
    command = [sys.executable, "-m", "tests.mutants.mapping", str(out), *files, "--", *tests]
    done = subprocess.run(
        command,
        cwd=copy.root,
        env=copy.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not out.exists():
        raise RuntimeError(f"the tests fail without any mutant:\n{done.stdout[-3000:]}")
    found: dict[str, Any] = json.loads(out.read_text())
    return found
