"""Run a test module of the standard library with hyper's classes in the place of http.client's.

    python -m tests.compat.stdlib test.test_httplib [--http2]

``http.client`` is never changed: a module that is a copy of it, with our three classes in it, takes
its name before the test module is imported. With ``--http2`` the canned replies of test_httplib
travel in HTTP/2 frames where they can (``replies.py``).

Prints one line of JSON: how many tests ran, which of them failed and which of them were skipped,
and for which of them a reply came over HTTP/2.
"""

from __future__ import annotations

import http
import http.client as real
import importlib
import json
import sys
import types
import unittest
from typing import Any

import hyper.client as ours


class Results(unittest.TextTestResult):
    """As usual, but knows which test is running."""

    running = ""

    def startTest(self, test: unittest.TestCase) -> None:
        Results.running = name_of(test)
        super().startTest(test)


def name_of(test: Any) -> str:
    # A subtest counts as its test.
    test = getattr(test, "test_case", test)
    return ".".join(test.id().split(".")[-2:])


def substitute() -> types.ModuleType:
    """Put our classes into a copy of http.client, and the copy into its place."""
    module = types.ModuleType("http.client")
    kept = ("__all__", "__file__", "__spec__")
    names = vars(real).items()
    module.__dict__.update(
        {name: value for name, value in names if not name.startswith("__") or name in kept}
    )
    for name in ("HTTPConnection", "HTTPSConnection", "HTTPResponse"):
        replacement = getattr(ours, name)
        replacement.__module__ = "http.client"
        setattr(module, name, replacement)
    sys.modules["http.client"] = http.client = module
    return module


def over_http2(module: Any, client: Any, carried: set[str]) -> None:
    """Let the fake sockets of test_httplib carry their replies over HTTP/2."""
    from .replies import carry

    fake = module.FakeSocket
    makefile = fake.makefile
    respond = client.HTTPResponse.__init__
    open_ones: list[Any] = []

    def initialise(
        self: Any, sock: Any, debuglevel: int = 0, method: str | None = None, url: Any = None
    ) -> None:
        if type(sock) is fake:
            sock.method = method or "GET"
        respond(self, sock, debuglevel, method, url)
        gateway = getattr(sock, "gateway", None)
        if gateway is not None:
            self._exchange = gateway.exchange

    def make(self: Any, mode: str, bufsize: int | None = None) -> Any:
        if type(self) is not fake or mode not in ("r", "rb"):
            return makefile(self, mode, bufsize)
        there = carry(self.text, getattr(self, "method", "GET"), self.data)
        if there is None:
            return makefile(self, mode, bufsize)
        carried.add(Results.running)
        open_ones.append(there)
        self.gateway = there.gateway
        file: Any = there.gateway.makefile("rb")
        self.file = file
        file.close = self.file_close  # as in the original, so that tests may look at the rest
        return file

    fake.makefile = make
    client.HTTPResponse.__init__ = initialise


def main(arguments: list[str]) -> int:
    name, *options = arguments
    client = substitute()
    module = importlib.import_module(name)
    carried: set[str] = set()
    if "--http2" in options:
        over_http2(module, client, carried)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    kind: Any = Results
    results: Any = unittest.TextTestRunner(sys.stderr, verbosity=0, resultclass=kind).run(suite)
    report = {
        "ran": results.testsRun,
        "failed": sorted({name_of(test) for test, _ in results.failures + results.errors}),
        "skipped": sorted({name_of(test) for test, _ in results.skipped}),
        "carried": sorted(carried),
    }
    print(json.dumps(report), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
