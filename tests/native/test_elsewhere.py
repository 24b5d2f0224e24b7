"""Asking one server while connecting to another address, and offering less by ALPN."""

from __future__ import annotations

import json
import ssl

import pytest

from hyper import HTTP20Connection, HTTPConnection
from hyper.http20.exceptions import H2NotNegotiatedError

from ..certificates import Certificates
from ..servers import InProcessServer
from ..servers.proxy import SmallProxy


def test_whom_we_ask_and_verify_stays_what_it_was(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTPConnection("http2bin.org", 443, ssl_context=ssl_context, timeout=10) as connection:
        connection.connect_to = ("127.0.0.1", server.port)
        connection.request("GET", "/get")
        about = json.loads(connection.get_response().read())

    assert about["url"] == "https://http2bin.org/get"


def test_another_name_is_not_taken_for_ours(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTPConnection("other.example", 443, ssl_context=ssl_context, timeout=10) as connection:
        connection.connect_to = ("127.0.0.1", server.port)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"):
            connection.request("GET", "/get")


def test_a_tunnel_leads_elsewhere_as_well(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with (
        SmallProxy() as proxy,
        HTTPConnection(
            "http2bin.org",
            443,
            ssl_context=ssl_context,
            proxy_host=f"127.0.0.1:{proxy.port}",
            timeout=10,
        ) as connection,
    ):
        connection.connect_to = ("localhost", server.port)
        connection.request("GET", "/hello")
        assert connection.get_response().read() == b"hello, world"
        assert proxy.heard[0].startswith(f"CONNECT localhost:{server.port} ")


@pytest.mark.parametrize(("alpn", "version"), [(["http/1.1"], "HTTP/1.1"), (["h2"], "HTTP/2")])
def test_what_is_offered_can_be_less(
    server: InProcessServer, ssl_context: ssl.SSLContext, alpn: list[str], version: str
) -> None:
    connection = HTTPConnection("localhost", server.port, ssl_context=ssl_context, timeout=10)
    connection.alpn = alpn
    with connection:
        connection.request("GET", "/hello")
        assert connection.get_response().status == 200
        assert connection.version == version


def test_an_empty_offer_is_the_contexts(
    server: InProcessServer, certificates: Certificates
) -> None:
    context = certificates.client_context("http/1.1")
    connection = HTTP20Connection("localhost", server.port, ssl_context=context, timeout=10)
    connection.alpn = ()
    with connection, pytest.raises(H2NotNegotiatedError, match=r"'http/1\.1'"):
        connection.request("GET", "/hello")


@pytest.mark.parametrize(("name", "given"), [("alpn", "h2"), ("connect_to", "localhost:8443")])
def test_one_string_is_no_pair_and_no_list(
    server: InProcessServer, ssl_context: ssl.SSLContext, name: str, given: str
) -> None:
    """Its letters could be offered as well, and nobody would speak any of them."""
    connection = HTTPConnection("localhost", server.port, ssl_context=ssl_context, timeout=10)
    setattr(connection, name, given)
    with connection, pytest.raises(TypeError, match=f"{name} takes .*, not a single str"):
        connection.request("GET", "/hello")
