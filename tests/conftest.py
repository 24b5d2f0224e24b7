"""What every test may ask for: certificates, a real server in this process, and its names."""

from __future__ import annotations

import gc
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from .certificates import EXAMPLE_NAMES, Certificates
from .servers import InProcessServer

INTEROP = Path(__file__).parent / "interop"

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_configure() -> None:
    """Let tests interrupt: what a script starts in the background ignores SIGINT from birth."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the outer ring by where it lives, so that no file can forget to."""
    for item in items:
        if INTEROP in item.path.parents:
            item.add_marker(pytest.mark.interop)


def pytest_collection_finish() -> None:
    """Put what is loaded by now out of the collector's sight.

    Many tests ask the garbage collector whether anything was left behind; it would walk over some
    thousand collected tests each time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Write down what was covered while there is time: processes side by side are ended soon.

    xdist kills one that has not come to its end in ten seconds, and its data with it.
    """
    module = sys.modules.get("coverage")
    current = None if module is None else module.Coverage.current()
    if current is not None:
        current.save()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and a certificate for every name of ours, as files."""
    return Certificates.create(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def ssl_context(certificates: Certificates) -> ssl.SSLContext:
    """A client's context: it verifies, trusts only our authority, offers h2 and http/1.1."""
    return certificates.client_context()


@pytest.fixture(scope="session")
def server(certificates: Certificates) -> Iterator[InProcessServer]:
    """hypercorn with httpbin and the pages of ``tests/servers/app.py``, for the whole run."""
    server = InProcessServer(certificates)
    yield server
    server.stop()


@pytest.fixture
def http2bin(
    server: InProcessServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> InProcessServer:
    """Make http2bin.org real: the documentation's examples then run as they are written.

    Its names lead to ``server`` (443 to TLS, 80 to cleartext) and no other name leads anywhere;
    a default context trusts our authority. Addresses are left alone.
    """
    resolve = socket.getaddrinfo
    ports = {443: server.port, 80: server.plain_port}

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name in EXAMPLE_NAMES:
            return resolve(server.host, ports.get(int(port), port), *args, **kwargs)
        if name is not None and name.strip("0123456789.") and ":" not in name:
            raise socket.gaierror(socket.EAI_NONAME, f"the tests know no host {name!r}")
        return resolve(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    # requests looks here, and into a bundle of its own otherwise.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))
    # Made once per process; this test has to get one that trusts our authority.
    monkeypatch.setattr("hyper.tls._context", None)
    return server
