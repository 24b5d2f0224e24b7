"""A plugin for requests' own tests: every session gets our adapter, httpbin is served over TLS.

It is copied beside those tests and loaded there (``test_requests_suite.py`` says why and how), so
it imports nothing of ours but the adapter.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import requests.adapters
import requests.sessions
import urllib3.response

#: How many responses came over which version of HTTP, told at the end.
seen: dict[int, int] = {}


def pytest_configure() -> None:
    if os.environ.get("ADAPTER") == "hyper":
        from hyper.contrib import HTTP20Adapter

        vars(requests.sessions)["HTTPAdapter"] = HTTP20Adapter
    # Whom requests trusts when a test says nothing.
    vars(requests.adapters)["DEFAULT_CA_BUNDLE_PATH"] = os.environ["AUTHORITY"]
    begin = urllib3.response.HTTPResponse.__init__

    def counting(self: urllib3.response.HTTPResponse, *args: object, **kwargs: object) -> None:
        begin(self, *args, **kwargs)  # type: ignore[arg-type]
        seen[self.version] = seen.get(self.version, 0) + 1

    vars(urllib3.response)["HTTPResponse"].__init__ = counting


@pytest.fixture
def httpbin() -> SimpleNamespace:
    return SimpleNamespace(url=os.environ["HTTPBIN"])


@pytest.fixture
def httpbin_secure() -> SimpleNamespace:
    return SimpleNamespace(url=os.environ["HTTPBIN"])


@pytest.fixture
def httpbin_ca_bundle() -> str:
    return os.environ["AUTHORITY"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"responses by version: {sorted(seen.items())}")
