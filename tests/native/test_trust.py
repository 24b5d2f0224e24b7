"""TLS as a user of connections meets it: who we are, who they are, and what may be recorded."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from hyper import HTTP20Connection, HTTPConnection
from hyper.http20.exceptions import H2NotNegotiatedError
from hyper.tls import init_context

from ..certificates import Certificates
from ..servers import InProcessServer
from .scripted import OK, ScriptedServer, Talk


def answering(talk: Talk) -> None:
    while True:
        talk.hear()
        talk.say(OK)


def test_a_client_certificate_is_shown(certificates: Certificates, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "client.pem")
    )
    inside = certificates.server_context("http/1.1")
    inside.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(inside)
    context = init_context(certificates.authority, cert=tmp_path / "client.pem")
    with ScriptedServer(answering, inside) as server:
        with HTTPConnection(server.address, ssl_context=context, timeout=10) as connection:
            connection.request("GET", "/")
            assert connection.get_response().read() == b"ok"
        stranger = init_context(certificates.authority)
        with (
            HTTPConnection(server.address, ssl_context=stranger, timeout=10) as connection,
            # With TLS 1.3 the refusal comes after our handshake, and is mostly lost in a reset.
            pytest.raises(OSError, match="localhost"),
        ):
            connection.request("GET", "/")
            connection.get_response()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST"])
def test_names_and_addresses_are_verified(
    server: InProcessServer, ssl_context: ssl.SSLContext, host: str
) -> None:
    with HTTPConnection(host, server.port, ssl_context=ssl_context, timeout=10) as connection:
        assert connection.request("GET", "/hello") == 1
        assert connection.get_response().status == 200


def test_a_certificate_for_somebody_else_is_refused(tmp_path: Path) -> None:
    others = Certificates.create(tmp_path, "elsewhere.example")
    context = init_context(others.authority)
    with (
        ScriptedServer(answering, others.server_context()) as server,
        HTTPConnection("127.0.0.1", server.port, ssl_context=context) as connection,
        pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.1"),
    ):
        connection.request("GET", "/")


def test_tls_1_2_is_good_enough_and_the_least_there_is(
    server: InProcessServer, certificates: Certificates
) -> None:
    """RFC 9113 §9.2."""
    context = init_context(certificates.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with HTTP20Connection("localhost", server.port, ssl_context=context) as connection:
        connection.request("GET", "/hello")
        assert connection.get_response().status == 200
    assert init_context(certificates.authority).minimum_version == ssl.TLSVersion.TLSv1_2


def test_secrets_are_logged_where_the_environment_says(
    server: InProcessServer,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    context = init_context(certificates.authority)
    with HTTPConnection("localhost", server.port, ssl_context=context) as connection:
        connection.request("GET", "/hello")
        connection.get_response().read()
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


def test_a_server_without_alpn_is_spoken_to_in_http_1_1(certificates: Certificates) -> None:
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(certificates.chain, certificates.key)
    context = init_context(certificates.authority)
    with ScriptedServer(answering, inside) as server:
        with HTTPConnection(server.address, ssl_context=context, timeout=10) as connection:
            assert connection.request("GET", "/") is None
            assert connection.get_response().read() == b"ok"
        with (
            HTTP20Connection(server.address, ssl_context=context) as insisting,
            pytest.raises(H2NotNegotiatedError, match="chose nothing by ALPN"),
        ):
            insisting.request("GET", "/")
