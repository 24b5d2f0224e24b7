"""httpx's own tests, from its source distribution, with our transport below every client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import hyper

VERSION = "0.28.1"

#: Those about what a client sees; of the rest most never reach a transport.
TESTS = ("tests/client", "tests/test_api.py", "tests/test_timeouts.py", "tests/test_exceptions.py")

#: What those tests import beside.
NEEDS = ("chardet", "trio", "uvicorn", "zstandard")

#: What fails over HTTP/2 and not without, with the reason.
EXCEPTIONS = {
    "test_get": "says HTTP/1.1",
    "test_stream": "says HTTP/1.1",
    "test_server_extensions": "says HTTP/1.1",
    "test_proxies_environ": "looks into httpx's own transport for its pool",
    "test_httpcore_lazy_loading": "expects httpcore to be loaded",
    "test_sync_proxy_close": "looks into httpx's own transport for its pool",
    "test_socks_proxy": "looks into httpx's own transport for its pool",
}


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines()[-1:]
        if os.environ.get("HYPER_REQUIRE_SERVERS") == "1":
            pytest.fail(f"pip {words[0]} failed: {told}")
        pytest.skip(f"pip {words[0]} failed: {told}")


def failures(folder: Path, **variables: str) -> tuple[set[str], int]:
    """Names of the tests that fail, and how many pass."""
    path = os.pathsep.join((str(Path(hyper.__file__).parent.parent), str(folder.parent / "extra")))
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=no", "-W", "ignore"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-k", "not async and not trio", *TESTS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout[-2000:] + done.stderr[-2000:]
    return set(re.findall(r"^FAILED \S+::(\w+)", done.stdout, re.MULTILINE)), int(passed[1])


def test_httpx_passes_its_own_tests_but_for_those_that_say_http_1(tmp_path: Path) -> None:
    pip(
        "download",
        "-q",
        "--no-deps",
        "--no-binary",
        "httpx",
        "-d",
        str(tmp_path),
        f"httpx=={VERSION}",
    )
    pip("install", "-q", "--target", str(tmp_path / "extra"), *NEEDS)
    with tarfile.open(tmp_path / f"httpx-{VERSION}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / f"httpx-{VERSION}"
    (folder / "httpx").rename(folder / "source")  # the installed one is under test
    ours = (Path(__file__).parent / "httpx_conftest.py").read_text(encoding="utf-8")
    ours = ours.replace("from __future__ import annotations\n", "")
    conftest = folder / "tests" / "conftest.py"
    conftest.write_text(conftest.read_text(encoding="utf-8") + ours, encoding="utf-8")

    # Some fail with any transport, such as those that want an older chardet.
    without, _ = failures(folder, STOCK="1")
    over_http2, passed = failures(folder, STOCK="")
    assert passed > 140
    assert over_http2 - without - set(EXCEPTIONS) == set()
    assert set(EXCEPTIONS) - over_http2 == set(), "these pass now"
