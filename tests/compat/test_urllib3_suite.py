"""urllib3's own tests, with contexts of ours in the place of its own.

They come from its source distribution and run in an environment that is made for them: they want
a dozen packages which ours must not have, since some of those change what others do. Some of them
fail on any machine but their authors', so they run twice, and what counts is the difference.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from typing import NoReturn

import pytest

import hyper

from ..interop.conftest import REQUIRED

ROOT = Path(__file__).resolve().parent.parent.parent
PINNED = f"urllib3=={importlib.metadata.version('urllib3')}"

#: What those tests import, by the requirements that urllib3 gives for them.
NEEDED = (
    "anyio[trio]>=4.8",
    "httpx>=0.28.1",
    "hypercorn>=0.15",
    "pysocks>=1.7.1",
    "pytest>=9.0",
    "pytest-socket>=0.7",
    "pytest-timeout>=2.3.1",
    "quart>=0.20",
    "quart-trio>=0.12",
    "trustme>=1.2.1",
)

#: Where it speaks TLS, but for proxies: its test proxy reads the absolute form of a target
#: (RFC 9112 §3.2.2) out of a path, where HTTP/2 has :scheme and :authority (RFC 9113 §8.3.1).
FILES = ("chunked_transfer", "connection", "connectionpool", "https", "socketlevel")

#: Tests that fail because HTTP/2 is spoken: they hold the offer against ["http/1.1"], or the
#: server's name against hypercorn-h11.
EXPECTED = {"test_simple", "test_tunnel_sets_http_11_alpn"}

#: Which of its two threads comes first is left to chance; if it is the wrong one, they never end.
LEFT_OUT = "not test_http2_probe_blocked_per_thread"


def give_up(reason: str) -> NoReturn:
    (pytest.fail if REQUIRED else pytest.skip)(reason)


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        give_up(f"pip cannot do its part: {done.stderr.strip()[-300:]}")


class Suite:
    """urllib3's tests, unpacked, and a Python that can run them."""

    def __init__(self, folder: Path) -> None:
        pip("download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(folder), PINNED)
        (archive,) = folder.glob("urllib3-*.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        self.folder = folder / archive.name.removesuffix(".tar.gz")
        # What is tested is the installed one.
        (self.folder / "src").rename(self.folder / "not-src")
        environment = folder / "environment"
        venv.create(environment)
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        self.python = str(scripts / "python")
        pip("--python", self.python, "install", "-q", PINNED, *NEEDED)

    def run(self, *options: str) -> tuple[set[str], str]:
        """The tests that failed, by their place, and everything that was printed."""
        source = Path(hyper.__file__).parent.parent
        # Tracebacks of theirs are deep enough to trip the parser of Python 3.11 (SystemError).
        arguments = ["-q", "--tb=no", "-rfE", "--timeout", "30", "-p", "no:cacheprovider"]
        arguments += [f"test/with_dummyserver/test_{name}.py" for name in FILES]
        done = subprocess.run(
            [self.python, "-m", "pytest", *options, "-k", LEFT_OUT, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        places = re.findall(r"^(?:FAILED|ERROR) (\S+::\w+)", done.stdout, re.MULTILINE)
        return set(places), done.stdout


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return Suite(tmp_path_factory.mktemp("urllib3"))


@pytest.mark.interop
def test_urllib3_passes_its_own_tests_on_our_contexts(suite: Suite) -> None:
    theirs, _ = suite.run()
    ours, told = suite.run("-p", "tests.compat.urllib3_plugin")
    made = re.search(r"gateways: (\d+)", told)
    assert made is not None, told[-3000:]
    assert int(made[1]) > 50, "HTTP/2 was hardly spoken"
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None
    assert int(passed[1]) > 300
    only_ours = {place.rpartition("::")[2] for place in ours - theirs}
    assert only_ours == EXPECTED, told[-5000:]
