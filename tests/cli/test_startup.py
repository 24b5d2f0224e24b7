"""What the command loads: not more than it needs, which is how it starts quickly.

No clock here: what is loaded decides, and is the same on a busy machine.
"""

from __future__ import annotations

import subprocess
import sys

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


def loaded(*words: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    code = "import sys\nfrom hyper.cli import main\nmain()\nprint('\\nmodules', *sys.modules)"
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
