"""From a host and a port to a connected transport, and what is said when that fails."""

from __future__ import annotations

import errno
import gc
import os
import re
import selectors
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from hyper.sync import dial
from hyper.sync.dial import connect, place, start_tls
from hyper.sync.transport import TLSTransport, Transport

from ...certificates import Certificates
from .wires import descriptors, narrow_pair, tcp_pair

needs_ipv6 = pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")


@pytest.fixture(autouse=True)
def no_descriptor_is_left(certificates: Certificates) -> Iterator[None]:
    before = descriptors()
    yield
    gc.collect()
    assert descriptors() <= before


class Server:
    """Accepts connections in a thread and hands each to ``serve``; remembers what went on."""

    def __init__(
        self, serve: Callable[[socket.socket], None], host: str = "127.0.0.1", port: int = 0
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self._serve = serve
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            sock.settimeout(5)
            with sock, suppress(OSError):
                self._serve(sock)

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers, and stop them."""
    servers: list[Server] = []

    def begin(serve: Callable[[socket.socket], None], **options: Any) -> Server:
        servers.append(Server(serve, **options))
        return servers[-1]

    yield begin
    for server in servers:
        server.stop()


class Echo:
    """Serves TLS and sends back what it gets; remembers which name was asked for."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.names: list[str | None] = []
        self.context = context
        context.sni_callback = lambda _, name, __: self.names.append(name)

    def __call__(self, sock: socket.socket) -> None:
        with self.context.wrap_socket(sock, server_side=True) as secure:
            while data := secure.recv(65536):
                secure.sendall(data)


def plain_echo(sock: socket.socket) -> None:
    while data := sock.recv(65536):
        sock.sendall(data)


def wait_for_the_other(sock: socket.socket) -> None:
    """Read until the end and answer nothing."""
    while sock.recv(65536):
        pass


def echoes(transport: Transport) -> bool:
    transport.write(b"echo")
    deadline = time.monotonic() + 5
    while transport.wait_readable(deadline):
        data = transport.read()
        if data is not None:
            transport.close()
            return data == b"echo"
    return False


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that answers nothing: the queue of its listener is full, so attempts are dropped."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    waiting = [listener]
    for _ in range(8):
        sock = socket.socket()
        sock.settimeout(0.02)
        waiting.append(sock)
        try:
            sock.connect(address)
        except TimeoutError:
            break
    else:
        pytest.skip("this system's listeners have no limit")
    yield address[1]
    for sock in waiting:
        sock.close()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make every name lead to these addresses."""

    def to(*addresses: tuple[str, int]) -> None:
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (host, port, 0, 0))
            if ":" in host
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host, port in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return to


# Connecting


def test_a_plain_connection_is_there(start: Start) -> None:
    transport = connect("localhost", start(plain_echo).port, timeout=5)
    assert type(transport) is Transport
    assert transport.alpn is None
    sock = transport._sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.gettimeout() == 0.0
    assert echoes(transport)


def test_without_a_timeout_it_waits_as_long_as_it_takes(start: Start) -> None:
    assert echoes(connect("127.0.0.1", start(plain_echo).port))


@needs_ipv6
@pytest.mark.parametrize("host", ["::1", "[::1]", "::1%1"])
def test_ipv6_literals_with_brackets_and_zones(start: Start, host: str) -> None:
    assert echoes(connect(host, start(plain_echo, host="::1").port, timeout=5))


def test_the_source_address_is_ours_to_choose(start: Start) -> None:
    peers: list[Any] = []

    def remember(sock: socket.socket) -> None:
        peers.append(sock.getpeername())
        plain_echo(sock)

    server = start(remember)
    assert echoes(connect("127.0.0.1", server.port, source_address=("127.0.0.2", 0), timeout=5))
    assert peers[0][0] == "127.0.0.2"


def test_a_source_address_that_is_not_ours_is_an_error_that_says_where() -> None:
    with pytest.raises(OSError, match=r"cannot connect to 127\.0\.0\.1:\d+: 127\.0\.0\.1:") as info:
        connect("127.0.0.1", refused_port(), source_address=("203.0.113.1", 0), timeout=5)
    assert info.value.errno == errno.EADDRNOTAVAIL


# Happy eyeballs (RFC 8305)


def test_families_take_turns_and_the_resolvers_favourite_is_first(
    resolve: Callable[..., None],
) -> None:
    """RFC 8305 §4."""
    resolve(
        ("2001:db8::1", 443),
        ("2001:db8::2", 443),
        ("2001:db8::1", 443),
        ("192.0.2.1", 443),
        ("2001:db8::3", 443),
    )
    order = [address[0] for _, address in dial._addresses("example.org", 443)]
    assert order == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3"]


@needs_ipv6
def test_an_address_that_refuses_costs_no_time(
    start: Start, resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "ATTEMPT_DELAY", 20.0)
    server = start(plain_echo)
    resolve(("::1", refused_port()), ("127.0.0.1", server.port))
    began = time.monotonic()
    assert echoes(connect("example.org", server.port, timeout=30))
    assert time.monotonic() - began < dial.ATTEMPT_DELAY


def test_an_address_that_is_silent_costs_a_quarter_of_a_second(
    start: Start, resolve: Callable[..., None], black_hole: int
) -> None:
    """RFC 8305 §5: 250 ms, then the next one is tried beside it."""
    server = start(plain_echo)
    resolve(("127.0.0.1", black_hole), ("127.0.0.1", server.port))
    began = time.monotonic()
    assert echoes(connect("example.org", server.port, timeout=5))
    assert dial.ATTEMPT_DELAY <= time.monotonic() - began < 20


def test_the_slow_one_may_still_win(
    start: Start, resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All attempts go on until one is there."""
    server = start(plain_echo)
    attempt = dial._attempt
    codes: list[int] = []

    def slowly(*args: Any) -> Any:
        sock, code = attempt(*args)
        codes.append(code)
        # As if the first were still on its way when the second is begun.
        time.sleep(0.01)
        return sock, code or errno.EINPROGRESS

    monkeypatch.setattr(dial, "_attempt", slowly)
    monkeypatch.setattr(dial, "ATTEMPT_DELAY", 0.0)
    resolve(("127.0.0.1", server.port), ("127.0.0.2", server.port))
    assert echoes(connect("example.org", server.port, timeout=5))
    assert len(codes) == 2


def test_losers_of_the_race_are_closed(
    start: Start,
    resolve: Callable[..., None],
    black_hole: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start(plain_echo)
    monkeypatch.setattr(dial, "ATTEMPT_DELAY", 0.01)
    before = descriptors()
    resolve(("127.0.0.1", black_hole), ("127.0.0.2", black_hole), ("127.0.0.1", server.port))
    transport = connect("example.org", server.port, timeout=5)
    transport.write(b"accepted?")
    assert transport.wait_readable(time.monotonic() + 5)
    assert transport.read() == b"accepted?"
    open_now = descriptors() - before
    assert len(open_now) == (2 if before else 0), "ours and the server's"
    assert echoes(transport)


def test_a_connection_that_is_there_at_once_needs_no_waiting(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for sockets of the same machine on some systems."""
    server = start(plain_echo)
    real = dial._attempt

    def at_once(family: Any, address: Any, source: Any) -> tuple[socket.socket | None, int]:
        sock, _ = real(family, address, source)
        assert sock is not None
        time.sleep(0.01)
        return sock, 0

    monkeypatch.setattr(dial, "_attempt", at_once)
    assert echoes(connect("127.0.0.1", server.port))


@pytest.mark.parametrize("selector", [dial._Selector, selectors.SelectSelector])
@pytest.mark.parametrize("timeout", [2.0**31, float("inf")])
def test_a_deadline_beyond_what_the_system_can_count_is_none(
    start: Start, monkeypatch: pytest.MonkeyPatch, selector: Any, timeout: float
) -> None:
    monkeypatch.setattr(dial, "_Selector", selector)
    assert echoes(connect("127.0.0.1", start(plain_echo).port, timeout=timeout))


def test_where_poll_is_missing_select_races_as_well(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "_Selector", selectors.SelectSelector)
    assert echoes(connect("127.0.0.1", start(plain_echo).port, timeout=5))
    with pytest.raises(ConnectionRefusedError):
        connect("127.0.0.1", refused_port(), timeout=5)


# What is said when no address answers


def test_a_refusal_names_host_port_and_every_address(resolve: Callable[..., None]) -> None:
    first, second = refused_port(), refused_port()
    resolve(("127.0.0.1", first), ("127.0.0.2", second))
    with pytest.raises(ConnectionRefusedError) as info:
        connect("example.org", 443, timeout=5)
    refused = os.strerror(errno.ECONNREFUSED)
    assert str(info.value) == (
        f"[Errno {errno.ECONNREFUSED}] cannot connect to example.org:443: "
        f"127.0.0.1:{first}: {refused}, 127.0.0.2:{second}: {refused}"
    )
    assert info.value.errno == errno.ECONNREFUSED


def test_the_more_telling_of_two_errors_is_raised(
    resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That this machine has no IPv6 says nothing about the server."""
    resolve(("2001:db8::1", 443), ("192.0.2.1", 443))
    codes = {socket.AF_INET6: errno.ENETUNREACH, socket.AF_INET: errno.ECONNREFUSED}
    monkeypatch.setattr(dial, "_attempt", lambda family, *_: (None, codes[family]))
    with pytest.raises(ConnectionRefusedError, match=r"\[2001:db8::1\]:443: .*, 192\.0\.2\.1:443"):
        connect("example.org", 443)
    codes[socket.AF_INET] = errno.EHOSTUNREACH
    with pytest.raises(OSError, match=r"cannot connect") as info:
        connect("example.org", 443)
    assert info.value.errno == errno.ENETUNREACH


def test_an_attempt_that_fails_at_once_counts_like_any_other(
    start: Start, resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does when there is no route at all."""
    server = start(plain_echo)

    class Unrouted(socket.socket):
        def connect_ex(self, address: Any) -> int:
            return errno.ENETUNREACH if address[0] == "192.0.2.1" else super().connect_ex(address)

    resolve(("192.0.2.1", 443), ("127.0.0.1", server.port))
    monkeypatch.setattr(socket, "socket", Unrouted)
    transport = connect("example.org", server.port, timeout=5)
    monkeypatch.undo()
    assert echoes(transport)


@pytest.mark.parametrize("code", [errno.EAFNOSUPPORT, None])
def test_a_family_that_the_system_lacks_counts_as_a_failed_address(
    start: Start,
    resolve: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    code: int | None,
) -> None:
    server = start(plain_echo)
    resolve(("2001:db8::1", 443), ("127.0.0.1", server.port))
    real = socket.socket

    def without_ipv6(family: int = -1, *args: Any, **kwargs: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(code, "Address family not supported by protocol")
        return real(family, *args, **kwargs)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    transport = connect("example.org", server.port, timeout=5)
    monkeypatch.undo()
    assert echoes(transport)


def test_a_name_that_does_not_resolve_stays_a_gaierror_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        socket.gaierror, match=r"no address for host 'nowhere\.invalid': Name or"
    ) as info:
        connect("nowhere.invalid", 443)
    assert info.value.errno == socket.EAI_NONAME


def test_a_resolver_without_a_descriptor_says_whom_it_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What glibc's says is no gaierror then."""

    def exhausted(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(socket, "getaddrinfo", exhausted)
    with pytest.raises(OSError, match=r"no address for host 'example\.org': Too many") as info:
        connect("example.org", 443)
    assert info.value.errno == errno.EMFILE


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "two..dots"])
def test_a_name_that_cannot_be_one_is_a_value_error(host: str) -> None:
    with pytest.raises(ValueError, match=r"is not a valid name"):
        connect(host, 443)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_cannot_be_one_is_a_value_error(port: int) -> None:
    with pytest.raises(ValueError, match=r"is not within 1 to 65535"):
        connect("localhost", port)


def test_silence_ends_with_the_deadline_and_says_who_was_tried(
    black_hole: int, resolve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "ATTEMPT_DELAY", 0.02)
    resolve(("127.0.0.1", black_hole), ("127.0.0.2", refused_port()))
    began = time.monotonic()
    with pytest.raises(TimeoutError) as info:
        connect("example.org", 443, timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 20
    said = str(info.value)
    assert re.match(r"connecting to example\.org:443 timed out after [\d.]+ s", said)
    assert f"tried 127.0.0.1:{black_hole}, 127.0.0.2:" in said


def test_an_address_that_was_not_tried_is_not_named(
    black_hole: int, resolve: Callable[..., None]
) -> None:
    resolve(("127.0.0.1", black_hole), ("127.0.0.2", 1))
    with pytest.raises(TimeoutError, match=rf"tried 127\.0\.0\.1:{black_hole}$"):
        connect("example.org", 443, timeout=0.03)


def test_a_timeout_of_zero_tries_nothing() -> None:
    with pytest.raises(TimeoutError, match=r"tried nothing yet"):
        connect("127.0.0.1", refused_port(), timeout=0)


def test_an_interrupt_leaves_nothing_open(black_hole: int) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        with pytest.raises(KeyboardInterrupt):
            connect("127.0.0.1", black_hole)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_interrupt_while_a_socket_is_made_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted(socket.socket):
        def connect_ex(self, address: Any) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(socket, "socket", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        connect("127.0.0.1", 1)


@pytest.mark.parametrize(("host", "said"), [("localhost", "localhost:1"), ("::1", "[::1]:1")])
def test_a_place_is_written_as_in_a_url(host: str, said: str) -> None:
    assert place(host, 1) == said


# TLS


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        (("h2", "http/1.1"), ("h2", "http/1.1"), "h2"),
        (("h2", "http/1.1"), ("http/1.1",), "http/1.1"),
        (("http/1.1",), ("h2", "http/1.1"), "http/1.1"),
        (("h2",), ("http/1.1",), None),
    ],
)
def test_alpn_chooses(
    start: Start,
    certificates: Certificates,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    chosen: str | None,
) -> None:
    """RFC 7301 §3.2. OpenSSL's server goes on without a choice when there is none in common."""
    server = start(Echo(certificates.server_context(*theirs)))
    context = ssl.create_default_context(cafile=str(certificates.authority))
    transport = connect("localhost", server.port, ssl_context=context, alpn=ours, timeout=5)
    assert isinstance(transport, TLSTransport)
    assert transport.alpn == chosen
    assert echoes(transport)


@pytest.mark.parametrize(
    ("host", "server_hostname", "asked"),
    [
        ("localhost", None, "localhost"),
        ("127.0.0.1", "http2bin.org", "http2bin.org"),
        ("127.0.0.1", "www.http2bin.org.", "www.http2bin.org"),
        ("127.0.0.1", None, None),
        ("127.0.0.1", "[::1]", None),
        ("127.0.0.1", "::1%lo", None),
    ],
)
def test_names_are_asked_for_and_addresses_only_verified(
    start: Start,
    certificates: Certificates,
    host: str,
    server_hostname: str | None,
    asked: str | None,
) -> None:
    """RFC 6066 §3: no trailing dot, and no literals; RFC 9110 §4.3.5 verifies those by IP SAN."""
    echo = Echo(certificates.server_context())
    server = start(echo)
    transport = connect(
        host,
        server.port,
        ssl_context=certificates.client_context(),
        server_hostname=server_hostname,
        timeout=5,
    )
    assert echoes(transport)
    assert echo.names == [asked]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_shake_hands(
    start: Start, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.server_context()
    context.maximum_version = version
    server = start(Echo(context))
    transport = connect(
        "localhost", server.port, ssl_context=certificates.client_context(), timeout=5
    )
    assert transport.tls is not None
    assert transport.tls.version() == version.name.replace("_", ".")
    assert echoes(transport)


@pytest.mark.parametrize("name", ["wrong.example", "127.0.0.3"])
def test_a_certificate_for_another_name_is_refused(
    start: Start, certificates: Certificates, name: str
) -> None:
    server = start(Echo(certificates.server_context()))
    with pytest.raises(ssl.SSLCertVerificationError) as info:
        connect(
            "127.0.0.1",
            server.port,
            ssl_context=certificates.client_context(),
            server_hostname=name,
            timeout=5,
        )
    error = info.value
    said = str(error)
    assert f"TLS handshake with 127.0.0.1:{server.port} failed" in said
    assert f"not valid for '{name}'; ask for a name that is in it, and set connect_to" in said
    assert error.verify_code in {62, 64}
    assert "mismatch" in error.verify_message
    assert error.reason == "CERTIFICATE_VERIFY_FAILED"
    assert "cert_path" not in said, "trusting it more would not help"


def test_a_certificate_of_nobody_we_know_is_refused_with_the_remedy(
    start: Start, certificates: Certificates, tmp_path: Path
) -> None:
    server = start(Echo(certificates.server_context()))
    stranger = Certificates.create(tmp_path)
    with pytest.raises(
        ssl.SSLCertVerificationError, match=r"init_context\(cert_path=\.\.\.\)$"
    ) as info:
        connect("localhost", server.port, ssl_context=stranger.client_context(), timeout=5)
    assert f"localhost:{server.port}" in str(info.value)
    assert "_ssl.c" not in str(info.value)
    assert info.value.args == (info.value.errno, info.value.strerror)


def test_an_expired_certificate_is_refused(start: Start) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert(
        "localhost", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 1, 1)
    )
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    server = start(Echo(theirs))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"expired$") as info:
        connect("localhost", server.port, ssl_context=ours, timeout=5)
    assert info.value.verify_code == 10


def test_the_server_is_told_why_its_certificate_is_refused(
    start: Start, certificates: Certificates, tmp_path: Path
) -> None:
    told: list[str | None] = []
    context = certificates.server_context()

    def serve(sock: socket.socket) -> None:
        try:
            context.wrap_socket(sock, server_side=True).recv(1)
        except ssl.SSLError as error:
            told.append(error.reason)

    server = start(serve)
    stranger = Certificates.create(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect("localhost", server.port, ssl_context=stranger.client_context(), timeout=5)
    server.stop()
    assert told == ["TLSV1_ALERT_UNKNOWN_CA"]


def test_a_server_that_speaks_no_tls_is_told_apart(
    start: Start, certificates: Certificates
) -> None:
    def http(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = start(http)
    with pytest.raises(ssl.SSLError, match=r"seems not to speak TLS on this port$"):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=5)


# What a server answers that knows nothing newer than TLS 1.1: the fatal alert protocol_version.
PROTOCOL_VERSION_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"
NO_APPLICATION_PROTOCOL_ALERT = b"\x15\x03\x03\x00\x02\x02\x78"


@pytest.mark.parametrize(
    ("alert", "hint"),
    [
        (PROTOCOL_VERSION_ALERT, r"HTTP/2 needs 1\.2 \(RFC 9113 §9\.2\)$"),
        (NO_APPLICATION_PROTOCOL_ALERT, r"speaks nothing of what ALPN offered$"),
    ],
)
def test_alerts_of_the_handshake_are_explained(
    start: Start, certificates: Certificates, alert: bytes, hint: str
) -> None:
    def refuse(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(alert)

    server = start(refuse)
    with pytest.raises(ssl.SSLError, match=hint):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=5)


def old_contexts(certificates: Certificates) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Both sides, willing to speak TLS 1.1 and nothing newer, as no context is by itself."""
    client, server = certificates.client_context(), certificates.server_context()
    for context in (client, server):
        with pytest.warns(DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return client, server


def test_a_server_with_tls_1_1_only_is_refused(start: Start, certificates: Certificates) -> None:
    server = start(Echo(old_contexts(certificates)[1]))
    with pytest.raises(ssl.SSLError, match=r"HTTP/2 needs 1\.2"):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=5)


def test_http2_over_tls_1_1_is_refused_even_in_a_context_that_allows_it(
    start: Start, certificates: Certificates
) -> None:
    """RFC 9113 §9.2; HTTP/1.1 there is the user's own decision."""
    client, context = old_contexts(certificates)
    server = start(Echo(context))
    with pytest.raises(ssl.SSLError, match=r"the server chose h2 over TLSv1\.1") as info:
        connect("localhost", server.port, ssl_context=client, timeout=5)
    assert info.value.reason == "INADEQUATE_SECURITY"
    transport = connect("localhost", server.port, ssl_context=client, alpn=["http/1.1"], timeout=5)
    assert echoes(transport)


def test_a_context_with_which_no_handshake_can_begin_says_where(
    certificates: Certificates, start: Start
) -> None:
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.warns(DeprecationWarning):
        context.options |= ssl.OP_NO_TLSv1_2
    server = start(wait_for_the_other)
    with pytest.raises(ssl.SSLError, match=rf"TLS handshake with localhost:{server.port} failed"):
        connect("localhost", server.port, ssl_context=context, timeout=5)


def test_a_handshake_without_an_answer_ends_with_the_deadline(
    start: Start, certificates: Certificates
) -> None:
    server = start(wait_for_the_other)
    began = time.monotonic()
    with pytest.raises(TimeoutError) as info:
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 20
    assert str(info.value).startswith(f"TLS handshake with localhost:{server.port} timed out")


def test_a_handshake_drop_by_drop_ends_with_the_deadline(
    start: Start, certificates: Certificates
) -> None:
    """Octets of an unfinished message are no progress."""

    def drip(sock: socket.socket) -> None:
        sock.recv(65536)
        for octet in b"\x16\x03\x03\x40\x00" + bytes(1000):
            sock.sendall(bytes([octet]))
            time.sleep(0.005)

    server = start(drip)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"TLS handshake"):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=0.1)
    assert time.monotonic() - began < 20


def test_a_peer_that_takes_nothing_ends_with_the_deadline(certificates: Certificates) -> None:
    """A ClientHello fits every socket, a chain of client certificates may not."""
    ours, theirs = socket.socketpair()
    transport = Transport(ours)
    transport.write(bytes(1_000_000))
    with pytest.raises(TimeoutError, match=r"TLS handshake with there timed out after [\d.]+ s"):
        start_tls(
            transport,
            certificates.client_context(),
            server_hostname="localhost",
            where="there",
            timeout=0.02,
        )
    assert transport.fileno() == -1
    theirs.close()


def test_a_handshake_goes_on_when_the_socket_takes_octets_again(
    certificates: Certificates,
) -> None:
    ours, theirs = narrow_pair()
    transport = Transport(ours)
    transport.write(bytes(300_000))
    assert transport.unsent

    def serve() -> None:
        left = 300_000
        while left:
            left -= len(theirs.recv(min(left, 65536)))
        with suppress(OSError):
            Echo(certificates.server_context())(theirs)

    theirs.settimeout(5)
    thread = threading.Thread(target=serve)
    thread.start()
    secure = start_tls(
        transport, certificates.client_context(), server_hostname="localhost", where="there"
    )
    assert echoes(secure)
    thread.join(5)
    theirs.close()


def test_a_server_that_hangs_up_during_the_handshake_is_named(
    start: Start, certificates: Certificates
) -> None:
    def hang_up(sock: socket.socket) -> None:
        sock.recv(65536)

    server = start(hang_up)
    with pytest.raises(ssl.SSLEOFError, match=rf"TLS handshake with localhost:{server.port}"):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=5)


def test_a_reset_during_the_handshake_is_named(start: Start, certificates: Certificates) -> None:
    def reset(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = start(reset)
    with pytest.raises(ConnectionResetError, match=rf"TLS handshake with localhost:{server.port}"):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=5)


def test_a_server_that_is_gone_when_we_refuse_it_changes_nothing(
    start: Start, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert cannot be delivered; what is raised is still the reason."""

    def http(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = start(http)
    write = Transport.write
    writes: list[bytes] = []

    def broken(self: Transport, data: bytes) -> None:
        writes.append(data)
        if len(writes) > 1:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        write(self, data)

    monkeypatch.setattr(Transport, "write", broken)
    with pytest.raises(ssl.SSLError, match=r"seems not to speak TLS"):
        connect("localhost", server.port, ssl_context=certificates.client_context(), timeout=5)
    assert len(writes) == 2


@pytest.mark.parametrize(
    ("name", "said"), [("", r"host '' is empty"), (".", r"no name was given to verify")]
)
def test_a_name_that_cannot_be_verified_leaves_nothing_open(
    certificates: Certificates, name: str, said: str
) -> None:
    ours, theirs = tcp_pair()
    transport = Transport(ours)
    with pytest.raises(ValueError, match=said):
        start_tls(transport, certificates.client_context(), server_hostname=name, where="there")
    assert transport.fileno() == -1
    theirs.close()


def test_an_interrupted_handshake_leaves_nothing_open(
    start: Start, certificates: Certificates
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    server = start(wait_for_the_other)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            connect("localhost", server.port, ssl_context=certificates.client_context())
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_client_certificate_is_shown(
    start: Start, certificates: Certificates, tmp_path: Path
) -> None:
    from hyper.tls import init_context

    mine = Certificates.create(tmp_path, "me.example")
    theirs = certificates.server_context()
    theirs.load_verify_locations(str(mine.authority))
    theirs.verify_mode = ssl.CERT_REQUIRED
    server = start(Echo(theirs))
    context = init_context(certificates.authority, cert=(mine.chain, mine.key))
    assert echoes(connect("localhost", server.port, ssl_context=context, timeout=5))


def test_international_names_are_asked_for_in_ascii(
    resolve: Callable[..., None], start: Start, tmp_path: Path
) -> None:
    authority = Certificates.create(tmp_path, "xn--bcher-kva.example")
    echo = Echo(authority.server_context())
    server = start(echo)
    resolve(("127.0.0.1", server.port))
    transport = connect(
        "bücher.example", server.port, ssl_context=authority.client_context(), timeout=5
    )
    assert echoes(transport)
    assert echo.names == ["xn--bcher-kva.example"]


def test_failures_leave_no_cycles_behind(start: Start, certificates: Certificates) -> None:
    """A cycle would keep sockets and certificates until the collector comes."""
    server = start(wait_for_the_other)
    attempts: list[tuple[Any, ...]] = [
        ("127.0.0.1", refused_port(), None),
        ("localhost", server.port, certificates.client_context()),
    ]
    gc.collect()
    gc.disable()
    try:
        for host, port, context in attempts:
            with suppress(OSError):
                connect(host, port, ssl_context=context, timeout=0.05)
        assert gc.collect() == 0
    finally:
        gc.enable()
