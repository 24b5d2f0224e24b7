"""Through a SOCKS5 proxy (RFC 1928, RFC 1929): tunnels, who looks up names, and what goes wrong."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import ProxyError
from hyper.sync.proxy import Proxy, open_tunnel
from hyper.sync.transport import Transport

from ..servers import InProcessServer
from ..servers.socks import NAME_BOUND, NOT_CONNECTED, SIX_BOUND, SmallSocks
from .scripted import ScriptedServer, Talk

pytest.importorskip("python_socks")

KINDS = pytest.mark.parametrize("kind", [HTTPConnection, HTTP20Connection, HTTP11Connection])

#: Octets that a proxy says until the tunnel is open, where it wants credentials.
SAID = len(b"\5\2" + b"\1\0" + b"\5\0\0" + NOT_CONNECTED)


class Asking:
    """Asks the TLS server of the session through whatever listens on a port."""

    def __init__(self, server: InProcessServer, context: ssl.SSLContext) -> None:
        self.server = server
        self.context = context
        self.target = f"localhost:{server.port}"

    def __call__(
        self,
        port: int,
        scheme: str = "socks5h",
        user: str = "",
        kind: type[HTTPConnection] = HTTP20Connection,
        **more: Any,
    ) -> bytes:
        more = {"timeout": 10, **more}
        with kind(
            more.pop("host", "localhost"),
            self.server.port,
            ssl_context=self.context,
            proxy_host=f"{scheme}://{user}127.0.0.1:{port}",
            **more,
        ) as connection:
            connection.request("GET", "/hello")
            body = connection.get_response().read()
            assert connection.version == ("HTTP/1.1" if kind is HTTP11Connection else "HTTP/2")
            return body


@pytest.fixture
def ask(server: InProcessServer, ssl_context: ssl.SSLContext) -> Iterator[Asking]:
    yield Asking(server, ssl_context)


@KINDS
@pytest.mark.parametrize("credentials", [None, "user:pass:word"])
def test_tls_goes_through(ask: Asking, kind: type[HTTPConnection], credentials: str | None) -> None:
    user = "" if credentials is None else "user:pass%3Aword@"
    with SmallSocks(credentials) as proxy:
        assert ask(proxy.port, user=user, kind=kind) == b"hello, world"
        assert proxy.heard == [f"name localhost {ask.server.port}"]


@KINDS
def test_cleartext_goes_through_as_well_and_is_never_forwarded(
    server: InProcessServer, kind: type[HTTPConnection]
) -> None:
    """What is for an HTTP proxy, a whole URL, would be nonsense to the server."""
    with (
        SmallSocks() as proxy,
        kind(
            "localhost",
            server.plain_port,
            proxy_host=f"socks5h://127.0.0.1:{proxy.port}",
            timeout=10,
        ) as connection,
    ):
        for _ in range(2):
            connection.request("GET", "/headers")
            fields = json.loads(connection.get_response().read())["headers"]
            assert fields["Host"] == f"localhost:{server.plain_port}"
        assert proxy.heard == [f"name localhost {server.plain_port}"]


def test_who_looks_the_name_up(ask: Asking) -> None:
    """``socks5`` is told an address, ``socks5h`` the name; addresses are what they are."""
    with SmallSocks(redirections={"xn--bcher-kva.example": "127.0.0.1"}) as proxy:
        ask(proxy.port, "socks5")
        ask(proxy.port, "socks5h")
        ask(proxy.port, "socks5h", host="127.0.0.1")
        with pytest.raises(ssl.SSLCertVerificationError, match=r"example:\d+ through proxy 127"):
            ask(proxy.port, "socks5h", host="bücher.example")
        port = ask.server.port
        assert proxy.heard == [
            f"IPv4 127.0.0.1 {port}",
            f"name localhost {port}",
            f"IPv4 127.0.0.1 {port}",
            f"name xn--bcher-kva.example {port}",
        ]
        with pytest.raises(socket.gaierror, match=r"no address for host 'nobody\.invalid'"):
            ask(proxy.port, "socks5", host="nobody.invalid")
        for host in ("x" * 64 + ".example", "1.2.3.04"):
            with pytest.raises(ValueError, match=r"host '.*' cannot be asked for in SOCKS"):
                ask(proxy.port, "socks5h", host=host)
        assert len(proxy.heard) == 4


def test_an_address_of_ipv6_is_asked_for_as_one() -> None:
    with (
        SmallSocks(reply=4) as proxy,
        HTTP20Connection("::1", 443, proxy_host=f"socks5://127.0.0.1:{proxy.port}") as connection,
    ):
        with pytest.raises(ProxyError, match=r"refused a tunnel to \[::1\]:443"):
            connection.request("GET", "/")
        assert proxy.heard == ["IPv6 ::1 443"]


@pytest.mark.parametrize("bound", [NOT_CONNECTED, SIX_BOUND, NAME_BOUND])
@pytest.mark.parametrize("slowly", [False, True])
def test_whatever_it_is_bound_to_and_however_slowly_it_says_so(
    ask: Asking, bound: bytes, slowly: bool
) -> None:
    with SmallSocks("a:b", bound=bound, slowly=slowly) as proxy:
        assert ask(proxy.port, user="a:b@") == b"hello, world"


def test_what_comes_behind_the_answer_is_the_servers() -> None:
    """A server of HTTP/2 in cleartext may speak first (RFC 9113 §3.4)."""

    def script(talk: Talk) -> None:
        assert talk.octets(3) == b"\5\1\0"
        talk.say(b"\5\0")
        talk.octets(4 + 1 + len("origin.example") + 2)
        talk.say(b"\5\0\0", NAME_BOUND, b"first")
        talk.octets(1)

    with ScriptedServer(script) as proxy:
        transport = Transport(socket.create_connection(("127.0.0.1", proxy.port)))
        open_tunnel(transport, Proxy("socks5h://p"), "origin.example", 443, 10)
        while (data := transport.read()) is None:
            assert transport.wait_readable(None)
        assert data == b"first"
        transport.close()


# What goes wrong.


def test_a_proxy_that_is_not_there(ask: Asking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=f"cannot connect to proxy 127.0.0.1:{port}: "):
        ask(port)


@pytest.mark.parametrize("user", ["", "me:wrong@"])
def test_credentials_that_are_missing_or_wrong(ask: Asking, user: str) -> None:
    with SmallSocks("me:right") as proxy:
        with pytest.raises(
            ProxyError,
            match=rf"^proxy 127\.0\.0\.1:{proxy.port} refused a tunnel to {ask.target}: .*"
            r"; give credentials as 'socks5://user:password@host:port'$",
        ) as caught:
            ask(proxy.port, user=user)
        assert caught.value.response is None
        assert "wrong" not in str(caught.value)
        assert not proxy.heard


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (1, "General SOCKS server failure"),
        (2, "not allowed by ruleset"),
        (3, "Network unreachable"),
        (4, "Host unreachable"),
        (5, "Connection refused"),
        (6, "TTL expired"),
        (7, "Command not supported"),
        (8, "Address type not supported"),
    ],
)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_tunnel_that_is_refused(ask: Asking, scheme: str, reply: int, says: str) -> None:
    """RFC 1928 §6."""
    hint = scheme == "socks5" and reply in (1, 3, 4, 8)
    with (
        SmallSocks(reply=reply) as proxy,
        pytest.raises(
            ProxyError,
            match=rf"^proxy 127\.0\.0\.1:{proxy.port} refused a tunnel to {ask.target}: .*{says}"
            rf".* \(SOCKS reply {reply}\){'; with socks5h://.* itself' if hint else ''}$",
        ),
    ):
        ask(proxy.port, scheme)
    with SmallSocks(reply=reply) as proxy, pytest.raises(ProxyError, match=rf"reply {reply}\)$"):
        ask(proxy.port, scheme, host="127.0.0.1")


@pytest.mark.parametrize("octets", range(SAID))
def test_a_proxy_that_leaves_amid_its_answers(ask: Asking, octets: int) -> None:
    with (
        SmallSocks("a:b", octets=octets) as proxy,
        pytest.raises(
            ProxyError,
            match=rf"^proxy 127\.0\.0\.1:{proxy.port} (broke off|did not answer in SOCKS5.* "
            rf"when asked for {ask.target}: Connection closed)",
        ),
    ):
        ask(proxy.port, user="a:b@")


@pytest.mark.parametrize("octets", range(SAID))
def test_a_proxy_that_falls_silent_is_waited_for_as_long_as_allowed(
    ask: Asking, octets: int
) -> None:
    with (
        SmallSocks("a:b", octets=octets, silent=True) as proxy,
        pytest.raises(
            TimeoutError,
            match=rf"^proxy 127\.0\.0\.1:{proxy.port} opened no tunnel to {ask.target} within 0\.",
        ),
    ):
        ask(proxy.port, user="a:b@", timeout=(0.2, 10))


GREETING = b"\5\0"


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\0\x5a\0\0\0\0\0\0",  # SOCKS4
        b"\5\1",  # GSSAPI, which nobody offered
        b"\5\2\5\0",  # nor this
        b"\5\x80",
        GREETING + b"\4\0\0" + NOT_CONNECTED,
        GREETING + b"\5\x09\0" + NOT_CONNECTED,
        GREETING + b"\5\0\1" + NOT_CONNECTED,
        GREETING + b"\5\0\0\2\0\0\0\0\0\0",
        GREETING + b"\5\0\0\3\2\xff\xff\0\0",
        b"\xff" * 300,
    ],
)
def test_whatever_is_not_socks_is_an_error(ask: Asking, says: bytes) -> None:
    def script(talk: Talk) -> None:
        talk.say(says)
        while True:
            talk.octets(1)

    with (
        ScriptedServer(script) as proxy,
        pytest.raises(
            ProxyError,
            match=rf"^proxy 127\.0\.0\.1:{proxy.port} did not answer in SOCKS5 \(RFC 1928\) "
            rf"when asked for {ask.target}: ",
        ),
    ):
        ask(proxy.port)


def test_a_reset_names_the_proxy(ask: Asking) -> None:
    def script(talk: Talk) -> None:
        talk.octets(3)
        talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with (
        ScriptedServer(script) as proxy,
        pytest.raises(ProxyError, match=rf":{proxy.port} broke off: Connection reset by peer"),
    ):
        ask(proxy.port)


def test_a_connection_that_times_out_by_itself_names_the_proxy() -> None:
    """The system gives up after minutes, which is not our deadline."""
    ours, theirs = socket.socketpair()
    with theirs:
        transport = Transport(ours)

        def lost(size: int, flags: int = 0) -> bytes:
            raise OSError(errno.ETIMEDOUT, "lost")

        transport._recv = lost  # what a network does, and two ends on one machine do not
        with pytest.raises(ProxyError, match=r"^proxy p:1080 broke off: .*lost"):
            open_tunnel(transport, Proxy("socks5h://p"), "origin.example", 443, None)
        assert transport.closed


def test_octets_that_trickle_in_are_not_waited_for_one_by_one(ask: Asking) -> None:
    def script(talk: Talk) -> None:
        talk.say(b"\5\0")
        talk.say(b"\5\0\0\3\xff")
        for _ in range(255):
            talk.say(b"x")
            time.sleep(0.05)

    with (
        ScriptedServer(script) as proxy,
        pytest.raises(TimeoutError, match=rf"{proxy.port} opened no tunnel .* within 0\."),
    ):
        ask(proxy.port, timeout=(0.3, 10))


def test_a_proxy_that_does_not_even_read_is_waited_for_as_long_as_allowed() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        transport = Transport(ours)
        transport.write(b"x" * 5_000_000)
        assert transport.unsent
        with pytest.raises(TimeoutError, match=r"p:1080 opened no tunnel to .* within 0\.1 s"):
            open_tunnel(transport, Proxy("socks5h://p"), "origin.example", 443, 0.1)
        assert transport.closed


def test_a_proxy_that_reads_slowly_gets_it_all() -> None:
    def script(talk: Talk) -> None:
        time.sleep(0.3)  # time enough to find that there is no room
        talk.octets(5_000_000)
        assert talk.octets(3) == b"\5\1\0"
        talk.say(b"\5\0")
        talk.octets(4 + 1 + len("origin.example") + 2)
        talk.say(b"\5\0\0", NOT_CONNECTED)

    with ScriptedServer(script) as proxy:
        transport = Transport(socket.create_connection(("127.0.0.1", proxy.port)))
        transport.write(b"x" * 5_000_000)
        assert transport.unsent
        open_tunnel(transport, Proxy("socks5h://p"), "origin.example", 443, 10)
        assert not transport.closed
        transport.close()


# What a caller may say.


@pytest.mark.parametrize(
    ("address", "port", "where"),
    [
        ("socks5://proxy", None, "proxy:1080"),
        ("socks5h://proxy:9050", None, "proxy:9050"),
        ("SOCKS5://user:secret@proxy/", 9150, "proxy:9150"),
        ("socks5://[::1]", None, "[::1]:1080"),
    ],
)
def test_ways_to_name_a_proxy(address: str, port: int | None, where: str) -> None:
    proxy = Proxy(address, port)
    assert proxy.where == where
    assert "secret" not in repr(proxy)
    connection = HTTP20Connection("h", proxy_host=address, proxy_port=port)
    assert (connection.proxy_host, connection.proxy_port) == (proxy.host, proxy.port)


def test_credentials_are_those_of_the_address() -> None:
    assert Proxy("socks5://al%20ice:open%3Asesame@p").credentials == ("al ice", "open:sesame")
    assert Proxy("socks5://p").credentials is None
    assert not Proxy("socks5://a:b@p").headers


@pytest.mark.parametrize("user", ["me", "me:", ":x", "m%C3%BC:x", "me:" + "x" * 256])
def test_credentials_that_socks_has_no_room_for(user: str) -> None:
    """RFC 1929 §2; and of signs beyond ASCII nobody says how they are spelled."""
    with pytest.raises(ValueError, match=r"1 to 255 ASCII characters \(RFC 1929 §2\)"):
        Proxy(f"socks5://{user}@proxy")


def test_fields_are_not_for_socks() -> None:
    with pytest.raises(ValueError, match="proxy_headers are HTTP's"):
        HTTPConnection("h", proxy_host="socks5://proxy", proxy_headers={"a": "b"})


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(ImportError, match=r"need the package python-socks .*hyper\[socks\]"):
        HTTPConnection("h", proxy_host="socks5://proxy")
    HTTPConnection("h", proxy_host="http://proxy")


def test_it_is_loaded_by_those_who_ask_for_it() -> None:
    code = (
        "import sys, hyper\n"
        "hyper.HTTPConnection('h', proxy_host='http://p')\n"
        "names = ('python_socks', 'hyper.sync.socks')\n"
        "print([name in sys.modules for name in names])\n"
        "hyper.HTTPConnection('h', proxy_host='socks5://p')\n"
        "print([name in sys.modules for name in names])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[False, False]\n[True, True]\n"
