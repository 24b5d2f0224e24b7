"""The ring's fixtures: the site that is served, and each server started once for the session."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ..certificates import Certificates
from .kinds import BACKEND, KINDS
from .results import Results
from .servers import Server, ServerError, Site
from .tree import Tree, plant, uproot

#: A missing server skips its tests by name; with this it fails them (for CI).
REQUIRED = os.environ.get("HYPER_REQUIRE_SERVERS") == "1"


#: Where to keep what the run found; `results.py` makes a table of it.
KEPT = os.environ.get("HYPER_INTEROP_RESULTS")
RESULTS = Results()


class Ring:
    """Starts servers when they are first asked for, and ends them with the session."""

    def __init__(self, site: Site, stack: contextlib.ExitStack) -> None:
        self.site = site
        self.stack = stack
        self.running: dict[str, Server] = {}
        self.failed: dict[str, str] = {}

    def get(self, name: str) -> Server:
        """The server of this name, running; skips the test where the program is missing."""
        self.demand(name)
        if name in self.failed:
            pytest.fail(self.failed[name])
        if name not in self.running:
            try:
                self.running[name] = self.stack.enter_context(Server(KINDS[name], self.site))
            except ServerError as error:
                self.failed[name] = str(error)
                pytest.fail(str(error))
        return self.running[name]

    def fresh(self, name: str) -> Server:
        """A server of this name that is yet to be entered, for a test that will stop it."""
        self.demand(name)
        return Server(KINDS[name], self.site)

    def demand(self, name: str) -> None:
        missing = KINDS[name].missing()
        if missing:
            (pytest.fail if REQUIRED else pytest.skip)(missing)


@pytest.fixture(scope="session")
def tree() -> Iterator[Tree]:
    """The documents; below a folder of their own, because pytest's is closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="hyper-tree-"))
    tree = plant(folder)
    yield tree
    uproot(tree)


@pytest.fixture(scope="session")
def ring(
    tree: Tree, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ring]:
    """All the servers, none of them started yet, and the backend behind them."""
    # granian reads private keys in PKCS #8 only.
    key = serialization.load_pem_private_key(certificates.key.read_bytes(), password=None)
    pkcs8 = tmp_path_factory.mktemp("keys") / "pkcs8.pem"
    pkcs8.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    site = Site(
        root=tree.root,
        certificate=certificates.chain,
        key=certificates.key,
        key_pkcs8=pkcs8,
        bundle=certificates.both,
        ca=certificates.authority,
    )
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(Server(BACKEND, site))
        ring = Ring(replace(site, backend=backend.ports.plain), stack)
        yield ring
        # All at once: some take seconds over it, and each is waited for when the stack unwinds.
        for server in [backend, *ring.running.values()]:
            server.say_farewell()


@pytest.fixture(params=list(KINDS))
def real(request: pytest.FixtureRequest, ring: Ring) -> Server:
    """One server after the other; ``offering`` and ``indirect=True`` choose some of them."""
    return ring.get(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the server wrote beside what the test says; note how it ended."""
    report = yield
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    peer = chosen.get("real", chosen.get("name"))
    RESULTS.add(report.nodeid, report.outcome, peer if peer in KINDS else None)
    server = getattr(item, "funcargs", {}).get("real")
    if isinstance(server, Server) and report.failed and server.log():
        report.sections.append((f"{server.kind.name} wrote", server.log()))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if KEPT and RESULTS.tests:
        programs = {name: kind.program for name, kind in KINDS.items()}
        RESULTS.save(Path(KEPT), programs, more=session.config.getoption("lf", False))
