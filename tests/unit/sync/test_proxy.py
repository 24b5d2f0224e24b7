"""``hyper.sync.proxy``: tunnels by CONNECT (RFC 9110 §9.3.6), and what a proxy is told."""

from __future__ import annotations

import re
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from hyper.common.exceptions import ProxyError
from hyper.http11.limits import MAX_CONNECT_HEAD
from hyper.sync.proxy import Proxy, open_tunnel
from hyper.sync.transport import Transport

Script = Callable[[socket.socket], object]

#: The proxies of the test under way.
playing: list[threading.Thread] = []


@pytest.fixture(autouse=True)
def _join() -> Iterator[None]:
    yield
    while playing:
        playing.pop().join()


def ask(script: Script, proxy: Proxy | None = None, timeout: float | None = 5) -> Transport:
    """Ask a proxy that behaves as the script says for a tunnel to ``origin.example:443``."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)

    def play() -> None:
        with theirs:
            script(theirs)

    playing.append(threading.Thread(target=play))
    playing[-1].start()
    transport = Transport(ours)
    try:
        open_tunnel(transport, proxy or Proxy("proxy.example"), "origin.example", 443, timeout)
    except BaseException:
        assert transport.closed
        raise
    return transport


def read_head(peer: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = peer.recv(4096)
        assert data, "the client left in the midst of its request"
        head += data
    return head


def answer(octets: bytes) -> Script:
    def script(peer: socket.socket) -> None:
        read_head(peer)
        peer.sendall(octets)

    return script


@pytest.mark.parametrize(
    ("address", "port", "where"),
    [
        ("proxy", None, "proxy:8080"),
        ("proxy:3128", None, "proxy:3128"),
        ("proxy", 3128, "proxy:3128"),
        ("proxy:1", 3128, "proxy:3128"),
        ("http://proxy:3128/", None, "proxy:3128"),
        ("[::1]:3128", None, "[::1]:3128"),
        ("user:secret@proxy", None, "proxy:8080"),
    ],
)
def test_ways_to_name_a_proxy(address: str, port: int | None, where: str) -> None:
    proxy = Proxy(address, port)
    assert proxy.where == where
    assert "secret" not in repr(proxy)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://proxy",
        "socks4://proxy",
        "proxy/path",
        "proxy?x",
        "proxy#x",
        "proxy:port",
        "proxy:65536",
        "http://[::1",
        ":80",
    ],
)
def test_addresses_that_name_no_proxy(address: str) -> None:
    with pytest.raises(ValueError, match="proxy"):
        Proxy(address)


@pytest.mark.parametrize(
    "password",
    ["se/cret", "se?cret", "se#cret", "12/secret", "12?secret", "12#secret", "se\u2100cret"],
)
def test_a_password_that_ends_the_address_is_not_shown(password: str) -> None:
    """What stands before one of these would be the port; and U+2100 would become a/c."""
    with pytest.raises(ValueError, match="proxy") as caught:
        Proxy(f"http://user:{password}@proxy:8080")
    assert not re.search(r"\b(se|12)\b|cret", str(caught.value))


def test_credentials_of_the_address_are_said_to_the_proxy() -> None:
    """RFC 7617."""
    proxy = Proxy("al%20ice:open%3Asesame@proxy")
    token = b64encode(b"al ice:open:sesame")
    assert proxy.headers == [(b"proxy-authorization", b"Basic " + token)]
    assert Proxy("alice@proxy").headers == [
        (b"proxy-authorization", b"Basic " + b64encode(b"alice:"))
    ]


def test_credentials_are_given_once() -> None:
    with pytest.raises(ValueError, match="both hold credentials"):
        Proxy("alice:secret@proxy", headers={"Proxy-Authorization": "Bearer x"})
    with pytest.raises(ValueError, match="no colon"):
        Proxy("al%3Aice:secret@proxy")


def test_a_tunnel_is_asked_for_with_what_the_proxy_needs_and_nothing_else() -> None:
    heads = []

    def script(peer: socket.socket) -> None:
        heads.append(read_head(peer))
        peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        peer.sendall(peer.recv(4096).upper())

    transport = ask(script, Proxy("proxy", headers={"X-Token": "t"}))
    with closing(transport):
        assert heads == [
            b"CONNECT origin.example:443 HTTP/1.1\r\nhost: origin.example:443\r\nx-token: t\r\n\r\n"
        ]
        transport.write(b"through")
        while (data := transport.read()) is None:
            transport.wait_readable(None)
        assert data == b"THROUGH"


def test_an_address_is_asked_for_in_brackets() -> None:
    heads = []
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        transport = Transport(ours)
        open_tunnel(transport, Proxy("proxy"), "::1", 443, 5)
        heads.append(theirs.recv(4096))
        transport.close()
    assert heads[0].startswith(b"CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n")


def test_an_interim_answer_is_none() -> None:
    ask(answer(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")).close()


def test_a_refusal_is_an_error_with_the_answer_of_the_proxy() -> None:
    """CVE-2009-1836: the proxy's page is never the origin's."""
    with pytest.raises(ProxyError, match=r"407 Proxy Auth.*; give credentials") as caught:
        ask(answer(b"HTTP/1.1 407 Proxy Auth\r\nProxy-Authenticate: Basic\r\n\r\n"))
    response = caught.value.response
    assert response is not None
    assert (response.status, response.reason) == (407, "Proxy Auth")
    assert response.headers["proxy-authenticate"] == [b"Basic"]
    with pytest.raises(ProxyError, match=r"refused a tunnel to origin.example:443: 502 Bad$"):
        ask(answer(b"HTTP/1.1 502 Bad\r\ncontent-length: 100\r\n\r\npage"))


@pytest.mark.parametrize("octets", [b"SSH-2.0-x\r\n", b"HTTP/1.1 200\r\nbad line\r\n\r\n"])
def test_whatever_is_not_http_is_an_error(octets: bytes) -> None:
    with pytest.raises(ProxyError, match=r"proxy.example:8080 did not answer CONNECT") as caught:
        ask(answer(octets))
    assert caught.value.response is None


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 200 O"])
def test_an_end_of_file_is_an_error(octets: bytes) -> None:
    with pytest.raises(ProxyError, match="closed the connection"):
        ask(answer(octets))


@pytest.mark.parametrize("status", [b"200", b"204"])
def test_octets_behind_the_answer_are_refused(status: bytes) -> None:
    """RFC 9110 §9.3.6: after any 2xx they would be the tunnel's."""
    with pytest.raises(ProxyError, match="octets behind its answer"):
        ask(answer(b"HTTP/1.1 " + status + b" OK\r\n\r\nsurplus"))


def test_the_answer_is_bounded() -> None:
    field = b"a: " + b"x" * 997 + b"\r\n"
    with pytest.raises(ProxyError, match=f"{MAX_CONNECT_HEAD}"):
        ask(answer(b"HTTP/1.1 200 OK\r\n" + field * 17 + b"\r\n"))
    ask(answer(b"HTTP/1.1 200 OK\r\n" + field * 15 + b"\r\n")).close()


def test_a_proxy_that_says_nothing_is_waited_for_as_long_as_allowed() -> None:
    done = threading.Event()
    with pytest.raises(TimeoutError, match=r"proxy.example:8080 opened no tunnel .* within 0.1 s"):
        try:
            ask(lambda peer: done.wait(10), timeout=0.1)
        finally:
            done.set()


def test_a_proxy_that_does_not_even_read_is_waited_for_as_long_as_allowed() -> None:
    huge = Proxy("proxy.example", headers={"x": "y" * 20_000_000})
    done = threading.Event()
    with pytest.raises(TimeoutError, match=r"within 0.1 s"):
        try:
            ask(lambda peer: done.wait(10), huge, timeout=0.1)
        finally:
            done.set()


def test_a_proxy_that_reads_slowly_gets_it_all() -> None:
    huge = Proxy("proxy.example", headers={"x": "y" * 2_000_000})
    ask(answer(b"HTTP/1.1 200 OK\r\n\r\n"), huge).close()


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError])
def test_a_broken_connection_names_the_proxy(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has timeouts of its own, such as for octets that nobody acknowledges."""

    def lost(self: Transport) -> bytes:
        raise error(1, "gone")

    monkeypatch.setattr(Transport, "read", lost)
    with pytest.raises(ProxyError, match=r"proxy.example:8080 broke off: gone"):
        ask(read_head)


def test_an_interrupt_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Transport, deadline: float | None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Transport, "wait_readable", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(lambda peer: threading.Event().wait(0.1))
