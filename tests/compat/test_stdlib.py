"""The standard library's own tests of HTTP, with hyper's classes in the place of its own.

As they are, over HTTP/1.1; and test_httplib once more with its canned replies in HTTP/2 frames,
wherever HTTP/2 can express them. They run in a process of their own, because they change it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hyper

ROOT = Path(__file__).resolve().parent.parent.parent

#: Tests of test_httplib whose subject is the wire of HTTP/1.1, so that they fail when the reply
#: comes by HTTP/2. The list is exact: one that passes has to be taken off it.
EXPECTED = {
    # http.client takes a body that was cut short for a whole one when it is read in pieces; here
    # it is an error.
    "BasicTest.test_partial_readintos_incomplete_body",
    "BasicTest.test_partial_reads_incomplete_body",
    # "Connection: close" in a response cannot travel: HTTP/2 says GOAWAY (RFC 9113 §8.2.2).
    "PersistenceTest.test_reuse_reconnect",
}


def run(module: str, *options: str) -> dict[str, Any]:
    """What became of the tests of a module of the standard library."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"this Python comes without {module}; distributions often leave it out")
    source = Path(hyper.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "tests.compat.stdlib", module, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    report["told"] = done.stderr
    return report


@pytest.mark.parametrize(
    ("module", "least"),
    [
        ("test.test_httplib", 110),
        ("test.test_urllib2", 70),
        ("test.test_urllib2_localnet", 20),
        # It sleeps for 27 seconds, with the standard library's own classes as well.
        pytest.param("test.test_xmlrpc", 85, marks=pytest.mark.interop),
    ],
)
def test_the_standard_librarys_tests_pass_on_our_classes(module: str, least: int) -> None:
    report = run(module)
    assert report["failed"] == [], report["told"]
    assert report["ran"] >= least
    # Those that want the real network, or a resource that is not granted, and no others.
    assert len(report["skipped"]) <= 9, report["skipped"]


def test_test_httplib_passes_with_its_replies_in_http2_frames() -> None:
    report = run("test.test_httplib", "--http2")
    assert set(report["failed"]) == EXPECTED, report["told"]
    assert set(report["carried"]) >= EXPECTED
    assert len(report["carried"]) >= 38, "fewer replies came by HTTP/2 than should"
