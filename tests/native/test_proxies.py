"""Through an HTTP proxy: tunnels, forwarding, and who is told what."""

from __future__ import annotations

import json
import re
import socket
import ssl
from base64 import b64encode

import pytest

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import ProxyError

from ..servers import InProcessServer
from ..servers.proxy import SmallProxy
from .scripted import ScriptedServer, Talk

BASIC = "Basic " + b64encode(b"user:pass:word").decode()


@pytest.mark.parametrize("kind", [HTTPConnection, HTTP20Connection, HTTP11Connection])
def test_tls_goes_through_a_tunnel(
    server: InProcessServer, ssl_context: ssl.SSLContext, kind: type[HTTPConnection]
) -> None:
    with (
        SmallProxy(BASIC) as proxy,
        kind(
            "localhost",
            server.port,
            ssl_context=ssl_context,
            proxy_host="user:pass%3Aword@127.0.0.1",
            proxy_port=proxy.port,
            proxy_headers={"X-Proxy": "1"},
            timeout=10,
        ) as connection,
    ):
        for _ in range(2):
            connection.request("GET", "/headers")
            fields = json.loads(connection.get_response().read())["headers"]
            assert not [name for name in fields if "roxy" in name], "for the proxy alone"
        (head,) = proxy.heard
        assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")
        assert "x-proxy: 1" in head
        assert connection.version == ("HTTP/1.1" if kind is HTTP11Connection else "HTTP/2")


def test_http_2_in_cleartext_goes_through_a_tunnel(server: InProcessServer) -> None:
    with (
        SmallProxy() as proxy,
        HTTP20Connection(
            "localhost", server.plain_port, proxy_host=f"127.0.0.1:{proxy.port}", timeout=10
        ) as connection,
    ):
        assert connection.request("GET", "/hello") == 1
        assert connection.get_response().read() == b"hello, world"
        assert proxy.heard[0].startswith("CONNECT ")


def test_a_server_in_cleartext_may_speak_before_we_know_that_the_tunnel_stands() -> None:
    """RFC 9113 §3.4: what comes in one piece with the proxy's answer is the server's SETTINGS."""

    def script(talk: Talk) -> None:
        assert talk.hear_head().method == "CONNECT"
        talk.say(b"HTTP/1.1 200 Connected\r\n\r\n", b"\0\0\0\4\0\0\0\0\0")
        talk.until(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        while (head := talk.octets(9))[3] != 1:  # HEADERS
            talk.octets(int.from_bytes(head[:3]))
        talk.say(b"\0\0\1\1\5\0\0\0\1\x88")  # :status 200
        talk.until(b"never")

    with (
        ScriptedServer(script) as proxy,
        HTTP20Connection(
            "origin.example", 80, proxy_host=f"127.0.0.1:{proxy.port}", timeout=10
        ) as connection,
    ):
        connection.request("GET", "/")
        assert connection.get_response().status == 200


@pytest.mark.parametrize("kind", [HTTPConnection, HTTP11Connection])
def test_http_1_1_in_cleartext_is_forwarded(
    server: InProcessServer, kind: type[HTTPConnection]
) -> None:
    with (
        SmallProxy(BASIC) as proxy,
        kind(
            "localhost",
            server.plain_port,
            proxy_host=f"http://user:pass%3Aword@127.0.0.1:{proxy.port}",
            proxy_headers={"Proxy-Trace": "1"},
            timeout=10,
        ) as connection,
    ):
        for number in range(2):
            assert connection.request("GET", f"/headers?{number}") is None
            fields = json.loads(connection.get_response().read())["headers"]
            assert not [name for name in fields if "roxy" in name]
        assert len(proxy.heard) == 2
        for number, head in enumerate(proxy.heard):
            target = f"http://localhost:{server.plain_port}/headers?{number}"
            assert head.startswith(f"GET {target} HTTP/1.1\r\nhost: localhost:")
            assert "proxy-trace: 1" in head and "upgrade" not in head


def test_a_refused_tunnel_says_who_refused_and_what_to_do(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with (
        SmallProxy(BASIC) as proxy,
        HTTPConnection(
            "localhost", server.port, ssl_context=ssl_context, proxy_host=f"127.0.0.1:{proxy.port}"
        ) as connection,
        pytest.raises(ProxyError, match=r"407 Who are you; give credentials") as caught,
    ):
        connection.request("GET", "/hello")
    assert caught.value.response is not None
    assert caught.value.response.status == 407


def test_a_proxy_that_wants_to_know_more_answers_for_itself_when_it_forwards(
    server: InProcessServer,
) -> None:
    with (
        SmallProxy(BASIC) as proxy,
        HTTPConnection(
            "localhost", server.plain_port, proxy_host=f"127.0.0.1:{proxy.port}", timeout=10
        ) as connection,
    ):
        connection.request("GET", "/hello")
        assert connection.get_response().status == 407


def test_a_name_that_is_not_ascii_is_asked_for_as_dns_spells_it(server: InProcessServer) -> None:
    with (
        SmallProxy(redirections={"xn--bcher-kva.example": "127.0.0.1"}) as proxy,
        HTTP20Connection(
            "bücher.example",
            server.plain_port,
            proxy_host=f"127.0.0.1:{proxy.port}",
            timeout=10,
        ) as connection,
    ):
        connection.request("GET", "/headers")
        host = json.loads(connection.get_response().read())["headers"]["Host"]
        assert host == f"xn--bcher-kva.example:{server.plain_port}"
        assert proxy.heard[0].startswith("CONNECT xn--bcher-kva.example:")


def test_a_failed_handshake_behind_a_tunnel_names_both(server: InProcessServer) -> None:
    with (
        SmallProxy() as proxy,
        HTTPConnection(
            "localhost",
            server.port,
            ssl_context=ssl.create_default_context(),
            proxy_host=f"127.0.0.1:{proxy.port}",
            timeout=10,
        ) as connection,
        pytest.raises(
            ssl.SSLCertVerificationError,
            match=rf"localhost:{server.port} through proxy 127\.0\.0\.1:{proxy.port} failed",
        ),
    ):
        connection.request("GET", "/hello")


def test_without_a_proxy_nothing_can_be_said_to_one() -> None:
    with pytest.raises(ValueError, match="mean nothing without a proxy_host"):
        HTTPConnection("h", proxy_port=8080)
    with pytest.raises(ValueError, match="mean nothing without a proxy_host"):
        HTTPConnection("h", proxy_headers={"a": "b"})
    connection = HTTP20Connection("h", proxy_host="user:secret@proxy.example")
    assert (connection.proxy_host, connection.proxy_port) == ("proxy.example", 8080)
    assert "secret" not in repr(connection)


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("127.0.0.1:{}", "cannot connect to proxy 127.0.0.1:{}: "),
        ("nobody.invalid:{}", "no address for proxy host 'nobody.invalid': "),
        ("a..b:{}", "proxy host 'a..b' is not a valid name: "),
    ],
)
def test_a_proxy_that_is_not_there_is_called_a_proxy(
    kind: type[HTTPConnection], proxy: str, says: str
) -> None:
    """Whoever reads it may not know that there is one: the environment may say so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        kind("example.org", 80, proxy_host=proxy.format(port), timeout=10) as connection,
        pytest.raises((OSError, ValueError), match=re.escape(says.format(port))),
    ):
        connection.request("GET", "/")
