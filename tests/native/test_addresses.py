"""Hosts that are addresses: how they are dialled, verified and said to the server."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hpack
import pytest
from hyperframe.frame import HeadersFrame

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection

from ..certificates import Certificates
from ..faults.rawserver import Conversation
from ..servers.proxy import SmallProxy
from .scripted import OK, ScriptedServer, Talk


def six() -> bool:
    """Whether this machine has ::1."""
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


needs_six = pytest.mark.skipif(not six(), reason="no IPv6 here")


class Six:
    """A server on ::1 that answers a request on each connection, and notes what it was asked.

    asked  :authority over HTTP/2, host over HTTP/1.1
    named  what TLS was asked for (SNI)
    """

    def __init__(self, context: ssl.SSLContext | None, *, http11: bool) -> None:
        self.asked: list[str] = []
        self.named: list[str | None] = []
        self._context = context
        self._http11 = http11
        if context is not None:
            context.sni_callback = lambda side, name, _: self.named.append(name)
        self._listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.settimeout(10)
                with suppress(OSError, EOFError):
                    if self._context is not None:
                        sock = self._context.wrap_socket(sock, server_side=True)
                    self._answer(sock)
                sock.close()

    def _answer(self, sock: Any) -> None:
        if self._http11:
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65_536)
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
            self.asked.append(fields["host"])
            sock.sendall(OK)
            sock.recv(1)
            return
        talk = Conversation(sock)
        decoder = hpack.Decoder()
        stream_id = 0
        talk.say(bytes.fromhex("000000040000000000"))
        talk._octets(24)
        while not stream_id:
            frame = talk._frame()
            if isinstance(frame, HeadersFrame):
                stream_id = frame.stream_id
                decoded: Any = decoder.decode(frame.data)
                self.asked.append(dict(decoded)[":authority"])
        talk.head(stream_id)
        talk.data(stream_id, b"ok", end=True)
        talk.linger()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def plain() -> Iterator[Six]:
    server = Six(None, http11=True)
    yield server
    server.close()


@needs_six
@pytest.mark.parametrize("form", ["[::1]:{}", "[0:0::1]:{}"])
def test_an_address_with_brackets_and_port(plain: Six, form: str) -> None:
    """RFC 3986 §3.2.2: brackets go on the wire, and are no part of the address."""
    with HTTP11Connection(form.format(plain.port), timeout=10) as connection:
        connection.request("GET", "/")
        assert connection.get_response().read() == b"ok"
    assert plain.asked == [form.format(plain.port)]


@needs_six
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_and_a_port_of_its_own(plain: Six, host: str) -> None:
    with HTTP11Connection(host, plain.port, timeout=10) as connection:
        connection.request("GET", "/")
        assert connection.get_response().read() == b"ok"
        assert str(plain.port) in repr(connection) and "[::1]" in repr(connection)
    assert plain.asked == [f"[::1]:{plain.port}"]


@needs_six
@pytest.mark.parametrize("kind", [HTTP20Connection, HTTPConnection, HTTP11Connection])
def test_an_address_is_verified_and_not_asked_for(
    certificates: Certificates, kind: type[HTTPConnection]
) -> None:
    """RFC 9110 §4.3.5, RFC 6066 §3."""
    http11 = kind is HTTP11Connection
    server = Six(certificates.server_context("http/1.1" if http11 else "h2"), http11=http11)
    try:
        with kind(
            "[::1]", server.port, ssl_context=certificates.client_context(), timeout=10
        ) as connection:
            connection.request("GET", "/")
            assert connection.get_response().read() == b"ok"
        assert server.asked == [f"[::1]:{server.port}"]
        assert server.named == [None]
    finally:
        server.close()


@needs_six
def test_an_address_that_the_certificate_does_not_have_is_refused(
    certificates: Certificates, tmp_path: Any
) -> None:
    others = Certificates.create(tmp_path, "localhost", "127.0.0.1")
    server = Six(others.server_context("h2"), http11=False)
    try:
        context = others.client_context()
        with (
            HTTP20Connection("::1", server.port, ssl_context=context, timeout=10) as connection,
            pytest.raises(ssl.SSLCertVerificationError, match=r"\[::1\]:\d+ failed.*mismatch"),
        ):
            connection.request("GET", "/")
        assert server.asked == []
    finally:
        server.close()


@needs_six
def test_an_address_through_a_tunnel(certificates: Certificates) -> None:
    server = Six(certificates.server_context("h2"), http11=False)
    try:
        with (
            SmallProxy() as proxy,
            HTTP20Connection(
                f"[::1]:{server.port}",
                ssl_context=certificates.client_context(),
                proxy_host="127.0.0.1",
                proxy_port=proxy.port,
                timeout=10,
            ) as connection,
        ):
            connection.request("GET", "/")
            assert connection.get_response().read() == b"ok"
            assert proxy.heard[0].startswith(f"CONNECT [::1]:{server.port} HTTP/1.1\r\n")
        assert server.named == [None]
    finally:
        server.close()


@needs_six
def test_a_proxy_at_an_address() -> None:
    def refuse(talk: Talk) -> None:
        talk.hear_head()

    with (
        ScriptedServer(refuse) as nobody,
        HTTP20Connection(
            "localhost", secure=False, proxy_host=f"[::1]:{nobody.port}", timeout=10
        ) as connection,
        # Nobody listens there: the scripted one is at 127.0.0.1.
        pytest.raises(OSError, match=rf"\[::1\]:{nobody.port}"),
    ):
        assert (connection.proxy_host, connection.proxy_port) == ("::1", nobody.port)
        connection.request("GET", "/")


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("[::1", "host '[::1' has brackets that do not hold an address"),
        ("[::1]x", "host '[::1]x' has brackets that do not hold an address"),
        ("[::1]:x", "port 'x' of host '[::1]:x' is not a number"),
        ("[::1]:0", "port 0 is not within 1 to 65535"),
        ("[::1]:65536", "port 65536 is not within 1 to 65535"),
        ("[]:1", "host '' is empty"),
    ],
)
def test_addresses_that_are_none(host: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        HTTPConnection(host)
    assert says in str(caught.value)


@pytest.mark.parametrize("host", ["::1]", ":1:"])
def test_what_is_no_address_is_a_name_that_nobody_has(host: str) -> None:
    with (
        HTTPConnection(host, timeout=10) as connection,
        pytest.raises(socket.gaierror, match=re.escape(f"no address for host {host!r}")),
    ):
        connection.request("GET", "/")


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTPConnection, HTTP11Connection])
def test_a_port_may_be_left_empty(kind: type[HTTPConnection]) -> None:
    """RFC 3986 §3.2.3: as if there were no colon."""
    empty, none = kind("[::1]:"), kind("[::1]")
    default = 443 if kind is HTTP20Connection else 80
    assert (empty.host, empty.port) == (none.host, none.port) == ("::1", default)
