"""Nobody is trusted who should not be: refusals before a single request has left."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest

from hyper import HTTP20Connection
from hyper.http20.exceptions import H2NotNegotiatedError

from ..certificates import Certificates
from ..servers import InProcessServer
from .servers import Server
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


def test_the_default_context_does_not_trust_it_and_with_ssl_cert_file_it_does(
    real: Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verification is on by default; ``SSL_CERT_FILE`` is the environment's say in it."""
    with (
        HTTP20Connection(real.address, secure=True, timeout=10) as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        connection.request("GET", "/small.txt")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    with HTTP20Connection(real.address, secure=True, timeout=10) as connection:
        connection.request("GET", "/small.txt")
        assert connection.get_response().read() == SMALL


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
