"""requests' own tests, from its source distribution, with our adapter in every session.

They run in a process of their own against httpbin over TLS, once with requests as it is and once
with the adapter. Nothing may fail with the adapter that does not fail without it; what fails both
times does so for the reasons listed in ``EXPECTED``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import hyper

from ..certificates import Certificates
from ..servers import InProcessServer
from ..servers.app import PAGES
from .conftest import REQUIRED

#: They ask for ``http://`` by name, but httpbin speaks TLS here, so that all goes over HTTP/2.
HTTPS_ONLY = "it wants httpbin over http://"
#: Tests that fail with requests as it is just as well, by the beginning of their name.
EXPECTED = {
    "test_mixed_case_scheme_acceptable": HTTPS_ONLY,
    "test_uppercase_scheme_redirect": HTTPS_ONLY,
    "test_http_with_certificate": HTTPS_ONLY,
    "test_basicauth_with_netrc_leak": HTTPS_ONLY,
    "test_urllib3_retries": HTTPS_ONLY + ": mounts an adapter of its own on http://",
    "test_auth_is_stripped_on_http_downgrade": HTTPS_ONLY,
    "test_proxy_error_on_bad_url": HTTPS_ONLY + ": gives a proxy for http URLs",
    "test_respect_proxy_env_on": HTTPS_ONLY + ": gives a proxy for http URLs",
    "test_certificate_failure": "it wants httpbin's certificate not to be trusted",
    "test_connect_timeout": "it wants 10.255.255.1 to exist and not to answer",
    "test_total_timeout_connect": "it wants 10.255.255.1 to exist and not to answer",
}


@pytest.fixture
def httpbin(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """httpbin alone: pages of ours would answer to names of its own."""
    for name in list(PAGES):
        monkeypatch.delitem(PAGES, name)
    server = InProcessServer(certificates)
    yield f"https://localhost:{server.port}"
    server.stop()


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source distribution, of the version that is installed."""
    folder = tmp_path_factory.mktemp("requests")
    number = version("requests")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command = [*pip, "--no-binary", ":all:", "--no-deps", "--dest", str(folder)]
    done = subprocess.run(
        [*command, f"requests=={number}"], capture_output=True, timeout=180, check=False
    )
    if done.returncode:
        (pytest.fail if REQUIRED else pytest.skip)("pip cannot download requests' sources")
    with tarfile.open(folder / f"requests-{number}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    shutil.copy(Path(__file__).with_name("requests_plugin.py"), folder / f"requests-{number}")
    return folder / f"requests-{number}"


def failures(
    suite: Path, httpbin: str, certificates: Certificates, adapter: str
) -> tuple[set[str], dict[str, int]]:
    """The tests that fail, and how many responses came in which version of HTTP."""
    variables: dict[str, Any] = {k: v for k, v in os.environ.items() if "CA_BUNDLE" not in k}
    variables |= {"HTTPBIN": httpbin, "AUTHORITY": str(certificates.authority)}
    variables |= {"ADAPTER": adapter}
    variables["PYTHONPATH"] = f"{suite}{os.pathsep}{Path(hyper.__file__).parent.parent}"
    plugins = ["-p", "requests_plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", *plugins, "-W", "ignore", "tests"],
        cwd=suite,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    counts = re.findall(r"\((\d+), (\d+)\)", done.stdout.partition("responses by version")[2])
    assert counts, done.stdout[-3000:] + done.stderr[-3000:]
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::(test_\S+)", done.stdout, re.MULTILINE)
    return set(failed), dict(counts)


def test_whatever_requests_tests_of_itself_holds_over_http_2(
    suite: Path, httpbin: str, certificates: Certificates
) -> None:
    stock, versions = failures(suite, httpbin, certificates, "requests")
    assert "20" not in versions
    ours, versions = failures(suite, httpbin, certificates, "hyper")
    assert int(versions["20"]) > 200
    assert ours - stock == set()
    unexpected = {name for name in ours if not name.startswith(tuple(EXPECTED))}
    assert unexpected == set()
