"""urllib3's own tests, with contexts of ours in the place of its own.

They come from its source distribution, and want a few packages more than ours do. Some of them
fail in any environment but urllib3's own, so they run twice, and what counts is the difference.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import hyper

ROOT = Path(__file__).resolve().parent.parent.parent
NEEDED = ("httpx", "pytest_socket", "pytest_timeout", "quart_trio", "socks", "trio", "urllib3")

#: Where it speaks TLS, but for proxies: its test proxy reads the absolute form of a target
#: (RFC 9112 §3.2.2) out of a path, where HTTP/2 has :scheme and :authority (RFC 9113 §8.3.1).
FILES = ("chunked_transfer", "connection", "connectionpool", "https", "socketlevel")

#: Tests that fail because HTTP/2 is spoken, by the reason.
EXPECTED = {
    # They hold the offer against ["http/1.1"], or the server's name against hypercorn-h11.
    "test_simple",
    "test_tunnel_sets_http_11_alpn",
    # Which of its two threads comes first is left to chance, with its own contexts as well.
    "test_http2_probe_blocked_per_thread",
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for module in NEEDED:
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("urllib3")
    wanted = f"urllib3=={importlib.metadata.version('urllib3')}"
    command = ["-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", wanted]
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    archives = list(folder.glob("urllib3-*.tar.gz"))
    if not archives:
        pytest.skip(f"the source distribution cannot be had: {done.stderr[-200:]}")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / archives[0].name.removesuffix(".tar.gz")
    # What is tested is the installed one.
    (unpacked / "src").rename(unpacked / "not-src")
    return unpacked


def run(suite: Path, *options: str) -> tuple[set[str], str]:
    """The names of the tests that failed, and everything that was printed."""
    source = Path(hyper.__file__).parent.parent
    # Tracebacks of theirs are deep enough to trip the parser of Python 3.11 (SystemError).
    arguments = ["-q", "--tb=no", "-rfE", "--timeout", "30", "-p", "no:cacheprovider"]
    arguments += [f"test/with_dummyserver/test_{name}.py" for name in FILES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *arguments],
        cwd=suite,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return set(re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)), done.stdout


@pytest.mark.interop
def test_urllib3_passes_its_own_tests_on_our_contexts(suite: Path) -> None:
    theirs, _ = run(suite)
    ours, told = run(suite, "-p", "tests.compat.urllib3_plugin")
    assert ours - theirs - EXPECTED == set(), told[-5000:]
    made = re.search(r"gateways: (\d+)", told)
    assert made is not None, told[-3000:]
    assert int(made[1]) > 50, "HTTP/2 was hardly spoken"
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None
    assert int(passed[1]) > 300
