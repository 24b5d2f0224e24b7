"""What the command loads: not more than it needs, which is how it starts quickly.

No clock here: what is loaded decides, and is the same on a busy machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Each of these is worth some milliseconds, and none is needed for a plain request.
HEAVY = {
    "asyncio", "concurrent.futures", "dataclasses", "decimal", "email", "getpass", "gzip",
    "hashlib", "html", "http.client", "http.cookiejar", "inspect", "logging", "mimetypes", "netrc",
    "pprint", "pygments", "random", "tempfile", "urllib.request",
    "hyper.client", "hyper.contrib", "hyper.cli.cookies", "hyper.cli.download",
    "hyper.cli.assets", "hyper.cli.digest", "hyper.cli.load", "hyper.cli.progress",
    "hyper.cli.session",
}  # fmt: skip

#: What is loaded before Ctrl-C is caught, beside what any Python has loaded already.
BEFORE_MAIN = {"hyper", "hyper.__main__", "hyper.cli", "hyper.demo", "hyper.demo.__main__"}

#: At the import of one module, a real interrupt.
INTERRUPTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPTED_AT"]:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
# Where the tests run in the background, they were started to ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
"""


def loaded(*words: str, run: str = "main()") -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = f"import sys\nfrom hyper.cli import main\n{run}\nprint('\\nmodules', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "modules", done.stderr
    # Coverage, and whatever else may be at work in a test's child.
    return set(last[1:]) - set(_bare())


def _bare() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", "import sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.split()


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["--bug"], []])
def test_words_alone_need_no_network(words: list[str]) -> None:
    modules = loaded(*words)
    assert "argparse" in modules
    assert not HEAVY & modules
    assert not {"json", "shutil", "socket", "ssl"} & modules
    assert not {"hyper.demo", "hyper.http20", "hyper.sync"} & modules


def test_a_request_to_the_demo() -> None:
    modules = loaded("demo:/get")
    assert "hyper.demo" in modules
    assert not HEAVY & modules
    assert not {name for name in modules if name.startswith("hyper.trace")}


def test_what_is_asked_for_is_loaded() -> None:
    assert "hyper.cli.load" in loaded("demo:/get", "--repeat=2")


def test_next_to_nothing_is_loaded_before_an_interrupt_is_caught() -> None:
    assert loaded(run="") <= BEFORE_MAIN
    assert loaded(run="import hyper.__main__") <= BEFORE_MAIN
    assert loaded(run="import hyper.demo.__main__") <= BEFORE_MAIN


@pytest.mark.parametrize(
    ("words", "module"),
    [
        *(
            (["hyper", "demo:/get"], f"hyper.cli.{module}")
            for module in ("failing", "arguments", "running", "connecting")
        ),
        *((["hyper.demo"], f"hyper.{module}") for module in ("demo.tour", "demo.server", "trace")),
    ],
)
def test_an_interrupt_while_modules_are_loaded_is_no_traceback(
    words: list[str], module: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    before = os.environ.get("PYTHONPATH")
    done = subprocess.run(
        [sys.executable, "-m", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), *([before] if before else [])]),
            "INTERRUPTED_AT": module,
        },
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
