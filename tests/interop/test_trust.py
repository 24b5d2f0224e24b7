"""Nobody is trusted who should not be: refusals before a single request has left."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from typing import Any

import pytest

from hyper import HTTP20Connection
from hyper.http20.exceptions import H2NotNegotiatedError

from ..certificates import Certificates
from ..servers import InProcessServer
from .servers import CHECKOUT_ON_PATH, Server
from .tree import SMALL


def test_an_unknown_authority_is_refused(
    real: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Certificates.create(tmp_path_factory.mktemp("stranger"))
    with (
        HTTP20Connection(
            real.address, ssl_context=stranger.client_context(), timeout=10
        ) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="localhost"),
    ):
        connection.request("GET", "/")


def test_a_name_that_the_certificate_does_not_have_is_refused(
    real: Server, ssl_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def lead_astray(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host == "wrong.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lead_astray)
    address = f"wrong.example:{real.ports.tls}"
    with (
        HTTP20Connection(address, ssl_context=ssl_context, timeout=10) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match=r"wrong\.example"),
    ):
        connection.request("GET", "/")


def test_the_default_context_does_not_trust_a_private_authority(real: Server) -> None:
    """Verification is on by default."""
    with (
        HTTP20Connection(real.address, secure=True, timeout=10) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match="localhost"),
    ):
        connection.request("GET", "/small.txt")


@pytest.mark.parametrize("real", ["hypercorn"], indirect=True)
def test_ssl_cert_file_has_a_say_in_the_default_context(
    real: Server, certificates: Certificates
) -> None:
    """In a process of its own: the default context is made once."""
    program = (
        "import sys; from hyper import HTTP20Connection\n"
        "with HTTP20Connection(sys.argv[1], secure=True, timeout=10) as connection:\n"
        "    connection.request('GET', '/small.txt')\n"
        "    sys.stdout.buffer.write(connection.get_response().read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, real.address],
        capture_output=True,
        timeout=30,
        env={**os.environ, **CHECKOUT_ON_PATH, "SSL_CERT_FILE": str(certificates.authority)},
    )
    assert done.stdout == SMALL, done.stderr


def test_a_server_without_h2_is_named_with_what_it_chose(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    server = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    try:
        address = f"localhost:{server.port}"
        with (
            HTTP20Connection(address, ssl_context=ssl_context, timeout=10) as connection,
            pytest.raises(H2NotNegotiatedError, match=r"localhost.*http/1\.1") as caught,
        ):
            connection.request("GET", "/")
        assert caught.value.alpn == "http/1.1"
    finally:
        server.stop()
