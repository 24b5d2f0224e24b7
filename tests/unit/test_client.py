"""The drop-in for http.client: its names, its classes, its contexts, and the whole process."""

from __future__ import annotations

import gc
import http.client
import inspect
import socket
import ssl
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import hyper.client
from hyper import tls
from hyper.client import HTTPConnection, HTTPSConnection, SSLContext, create_default_context
from hyper.sync.gateway import GatewaySocket

from ..certificates import Certificates
from ..servers import InProcessServer
from ..threads.gated import eventually


@pytest.fixture
def context(certificates: Certificates) -> SSLContext:
    return create_default_context(cafile=str(certificates.authority))


@pytest.fixture(scope="module")
def old_server(certificates: Certificates) -> Iterator[InProcessServer]:
    server = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    yield server
    server.stop()


@pytest.fixture
def restored() -> Iterator[None]:
    before = ssl._create_default_https_context
    yield
    hyper.client.uninstall()
    assert ssl._create_default_https_context is before


def offer_of(context: ssl.SSLContext) -> list[str]:
    """What a handshake that begins now would offer, for whoever uses the context directly."""
    return tls._offer_in(tls._begin(context, "localhost")[2])


def dial(context: ssl.SSLContext, server: InProcessServer, **options: Any) -> Any:
    sock = socket.create_connection((server.host, server.port), timeout=5)
    try:
        return context.wrap_socket(sock, server_hostname="localhost", **options)
    except BaseException:
        sock.close()
        raise


def get(context: ssl.SSLContext, server: InProcessServer, kind: Any = HTTPSConnection) -> Any:
    """The version that one GET was answered in."""
    connection = kind("localhost", server.port, context=context, timeout=5)
    connection.request("GET", "/hello")
    response = connection.getresponse()
    assert response.read() == b"hello, world"
    connection.close()
    return response.version


# Names.


def test_it_has_everything_that_http_client_has() -> None:
    ours = {"HTTPConnection", "HTTPResponse", "HTTPSConnection"}
    for name in dir(http.client):
        if name in ours:
            assert issubclass(getattr(hyper.client, name), getattr(http.client, name))
        elif not name.startswith("__"):
            assert getattr(hyper.client, name) is getattr(http.client, name), name
    assert set(http.client.__all__) <= set(hyper.client.__all__)
    assert set(dir(http.client)) <= set(dir(hyper.client))
    with pytest.raises(AttributeError, match=r"'hyper\.client' has no attribute 'FTPConnection'"):
        hyper.client.FTPConnection  # noqa: B018


def test_a_star_import_brings_what_it_says() -> None:
    names: dict[str, Any] = {}
    exec("from hyper.client import *", names)
    assert set(hyper.client.__all__) <= set(names)


def test_its_classes_are_related_as_the_standard_ones_are() -> None:
    assert issubclass(HTTPSConnection, HTTPConnection)
    assert HTTPSConnection.response_class is hyper.client.HTTPResponse
    assert HTTPConnection.response_class is hyper.client.HTTPResponse


def test_the_signature_is_that_of_ssl_with_more_at_its_end() -> None:
    ours = list(inspect.signature(create_default_context).parameters.values())
    theirs = list(inspect.signature(ssl.create_default_context).parameters.values())
    assert [(p.name, p.kind) for p in ours[: len(theirs)]] == [(p.name, p.kind) for p in theirs]
    assert {p.name for p in ours[len(theirs) :]} == {"share", "http11_hosts"}


# Connections and responses.


def test_what_http11_cannot_say(server: InProcessServer, context: SSLContext) -> None:
    connection = HTTPSConnection("localhost", server.port, context=context, timeout=5)
    connection.request("GET", "/trailers", headers={"TE": "trailers"})
    response: Any = connection.getresponse()
    assert (response.version, response.stream_id) == (20, 1)
    assert response.trailers.items() == []
    assert response.read() == b"summed"
    assert response.trailers.items() == [("X-Sum", "42")]
    connection.request("GET", "/hints")
    response = connection.getresponse()
    assert response.read() == b"hinted"
    assert response.stream_id == 3
    ((status, hints),) = response.informational
    assert (status, hints["Link"]) == (103, "</pushed.css>; rel=preload; as=style")
    connection.close()


def test_over_http11_there_is_nothing_of_it(server: InProcessServer) -> None:
    connection = HTTPConnection("localhost", server.plain_port, timeout=5)
    connection.request("GET", "/hello")
    response: Any = connection.getresponse()
    assert response.read() == b"hello, world"
    assert (response.version, response.stream_id) == (11, None)
    assert (response.trailers.items(), response.informational) == ([], [])
    connection.close()


def test_a_cut_says_why(server: InProcessServer, context: SSLContext) -> None:
    connection = HTTPSConnection("localhost", server.port, context=context, timeout=5)
    connection.request("GET", "/cut")
    response = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert (caught.value.partial, caught.value.expected) == (b"0123456789", 90)
    assert "10 octets of 100" in str(caught.value.__cause__)
    connection.close()


def test_a_debuglevel_prints_as_ever(
    server: InProcessServer, context: SSLContext, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = HTTPSConnection("localhost", server.port, context=context, timeout=5)
    connection.set_debuglevel(1)
    connection.request("GET", "/hello")
    connection.getresponse().read()
    connection.close()
    told = capsys.readouterr().out
    assert "send: b'GET /hello HTTP/1.1" in told
    assert "reply: 'HTTP/1.1 200 OK" in told
    assert "header: Content-Length: 12" in told


def test_somebody_s_own_context_is_left_as_it_was(
    server: InProcessServer, certificates: Certificates
) -> None:
    own = ssl.create_default_context(cafile=str(certificates.authority))
    own.set_alpn_protocols(["http/1.1"])
    own.post_handshake_auth = True
    assert get(own, server) == 20
    assert offer_of(own) == ["http/1.1"]
    assert own.post_handshake_auth
    assert type(own) is ssl.SSLContext
    # Its other users do not notice.
    assert get(own, server, http.client.HTTPSConnection) == 11


def test_somebody_s_own_context_works_without_http2(
    old_server: InProcessServer, certificates: Certificates
) -> None:
    own = ssl.create_default_context(cafile=str(certificates.authority))
    assert get(own, old_server) == 11
    assert offer_of(own) == []


def test_a_context_that_wraps_in_a_way_of_its_own_does_so(
    server: InProcessServer, certificates: Certificates
) -> None:
    class Own(ssl.SSLContext):
        wrapped = 0

        def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
            self.wrapped += 1
            return super().wrap_socket(*args, **kwargs)

    own = Own(ssl.PROTOCOL_TLS_CLIENT)
    own.load_verify_locations(certificates.authority)
    assert get(own, server) == 11
    assert own.wrapped == 1


def test_a_server_that_wants_http11_gets_it_from_the_next_connection(
    server: InProcessServer, certificates: Certificates, context: SSLContext
) -> None:
    """HTTP_1_1_REQUIRED (RFC 9113 §7); the gateway reports it, here is what comes of it."""
    own = ssl.create_default_context(cafile=str(certificates.authority))
    for mine in (own, context):
        connection = HTTPSConnection("localhost", server.port, context=mine, timeout=5)
        for version in (20, 11):
            connection.request("GET", "/hello")
            response = connection.getresponse()
            assert (response.version, response.read()) == (version, b"hello, world")
            sock: Any = connection.sock
            if version == 20:
                sock._demoted()
            connection.close()
    assert context.http11_hosts == {"localhost"}


def test_a_socket_that_is_not_connected_is_wrapped_as_ever(certificates: Certificates) -> None:
    own = ssl.create_default_context(cafile=str(certificates.authority))
    sock = hyper.client._wrap_with(
        own, socket.socket(), server_hostname="localhost", demoted=lambda: None
    )
    assert type(sock) is ssl.SSLSocket
    sock.close()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="these parameters are gone since 3.12")
def test_on_311_certificates_are_given_by_position(certificates: Certificates) -> None:
    with pytest.warns(DeprecationWarning):
        connection: Any = HTTPSConnection(
            "localhost",
            1,
            str(certificates.key),  # type: ignore[misc, unused-ignore]
            str(certificates.chain),
        )
    assert connection.key_file == str(certificates.key)
    with pytest.warns(DeprecationWarning):
        HTTPSConnection("localhost", 1, check_hostname=True)  # type: ignore[call-arg, unused-ignore]


# Contexts.


def test_a_context_is_one_of_ssl_with_other_sockets(
    server: InProcessServer, context: SSLContext
) -> None:
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    with dial(context, server) as sock:
        assert isinstance(sock, GatewaySocket)
        assert sock.selected_alpn_protocol() == "h2"
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        assert sock.server_hostname == "localhost"
        assert sock.getpeername() == (server.host, server.port)
        assert sock.context is context
        assert sock.gettimeout() == 5
        assert ("DNS", "localhost") in sock.getpeercert()["subjectAltName"]


def test_it_can_be_made_without_the_function(
    server: InProcessServer, certificates: Certificates
) -> None:
    made = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(certificates.authority)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    assert get(made, server) == 20
    assert (made.share, made.http11_hosts) == (False, set())


def test_unmodified_http_client_takes_it(server: InProcessServer, context: SSLContext) -> None:
    assert get(context, server, http.client.HTTPSConnection) == 11  # is what it believes


def test_a_server_without_http2_gives_a_plain_tls_socket(
    old_server: InProcessServer, context: SSLContext
) -> None:
    with dial(context, old_server) as sock:
        assert type(sock) is ssl.SSLSocket
        assert sock.selected_alpn_protocol() == "http/1.1"


def test_wrap_bio_offers_what_it_did(context: SSLContext) -> None:
    assert offer_of(context) == ["http/1.1"]
    context.set_alpn_protocols(["http/1.1", "x"])
    assert offer_of(context) == ["http/1.1", "x"]


@pytest.mark.parametrize(
    ("offer", "translates"),
    [
        (["http/1.1"], True),  # as urllib3 does for every connection
        (["h2", "http/1.1"], False),  # somebody who speaks h2 himself
        (["imap"], False),
        ([], False),
    ],
)
def test_who_offers_something_else_gets_a_plain_tls_socket(
    server: InProcessServer, context: SSLContext, offer: list[str], translates: bool
) -> None:
    context.set_alpn_protocols(offer)
    with dial(context, server) as sock:
        assert isinstance(sock, GatewaySocket) is translates
        assert (sock.selected_alpn_protocol() == "h2") is ("h2" in offer or translates)
    assert offer_of(context) == offer


def test_some_hosts_are_offered_http11_only(
    server: InProcessServer, certificates: Certificates
) -> None:
    context = create_default_context(cafile=str(certificates.authority), http11_hosts=["localhost"])
    assert get(context, server) == 11


def test_a_handshake_that_is_to_come_later_is_nobody_else_s(
    server: InProcessServer, context: SSLContext
) -> None:
    with dial(context, server, do_handshake_on_connect=False) as sock:
        sock.do_handshake()
        assert sock.selected_alpn_protocol() == "http/1.1"
    with context.wrap_socket(socket.socket(), server_hostname="localhost") as later:
        later.connect((server.host, server.port))
        assert later.selected_alpn_protocol() == "http/1.1"


def test_a_socket_that_does_not_wait_is_refused_as_ever(
    server: InProcessServer, context: SSLContext
) -> None:
    with socket.create_connection((server.host, server.port)) as sock:
        sock.setblocking(False)
        with pytest.raises(ValueError, match="non-blocking"):
            context.wrap_socket(sock, server_hostname="localhost")


@contextmanager
def server_side(
    certificates: Certificates,
) -> Iterator[tuple[SSLContext, socket.socket, socket.socket]]:
    """A context of ours for servers, a socket that one accepted, and the client's end of it."""
    context = create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.chain, certificates.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    with client, accepted:
        yield context, accepted, client


def test_the_server_s_side_is_a_plain_tls_socket(certificates: Certificates) -> None:
    with server_side(certificates) as (context, accepted, _):
        sock: Any = context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        assert type(sock) is ssl.SSLSocket
        sock.close()


def test_a_silent_peer_of_the_server_s_side_keeps_nobody_else(certificates: Certificates) -> None:
    """Its handshake waits for that peer, and nobody else who uses the context does."""
    with server_side(certificates) as (context, accepted, silent):
        ended: list[OSError] = []

        def serve() -> None:
            try:
                context.wrap_socket(accepted, server_side=True)
            except OSError as error:
                ended.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        eventually(lambda: accepted.fileno() == -1)  # the TLS socket has it, and shakes hands
        free = context._offering.acquire(timeout=5)
        silent.close()
        thread.join(10)
        assert free, "somebody who waits holds what everybody needs"
        context._offering.release()
        assert len(ended) == 1 and accepted.fileno() == -1


@pytest.mark.parametrize("share", [True, False])
def test_a_certificate_that_nobody_knows_is_refused(server: InProcessServer, share: bool) -> None:
    context = create_default_context(share=share)
    for _ in range(2):  # the first one's failure holds nobody up
        with pytest.raises(ssl.SSLCertVerificationError):
            dial(context, server)


def test_another_name_is_refused(server: InProcessServer, context: SSLContext) -> None:
    sock = socket.create_connection((server.host, server.port), timeout=5)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        context.wrap_socket(sock, server_hostname=b"else.example")


def test_h2_over_an_old_tls_is_refused(
    server: InProcessServer, context: SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9113 §9.2."""
    monkeypatch.setattr(ssl.SSLSocket, "version", lambda self: "TLSv1.1")
    with pytest.raises(ssl.SSLError, match=r"h2 over TLSv1\.1") as caught:
        dial(context, server)
    assert caught.value.reason == "INADEQUATE_SECURITY"


def test_post_handshake_authentication_is_not_offered_with_h2(
    server: InProcessServer, context: SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9113 §9.2.3; the standard library switches it on for everybody."""
    context.post_handshake_auth = True
    during = []
    create = ssl.SSLSocket._create  # type: ignore[attr-defined]

    def creating(*args: Any, **kwargs: Any) -> Any:
        during.append(kwargs["context"].post_handshake_auth)
        return create(*args, **kwargs)

    monkeypatch.setattr(ssl.SSLSocket, "_create", creating)
    dial(context, server).close()
    assert during == [False]
    assert context.post_handshake_auth


def test_what_fails_behind_the_handshake_leaves_no_socket_open(
    server: InProcessServer, context: SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(**options: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(hyper.client, "HTTP20Protocol", failing)
    with pytest.raises(MemoryError):
        dial(context, server)
    gc.collect()  # a socket left open is a ResourceWarning, and that an error


def test_unix_sockets_have_names_too() -> None:
    assert hyper.client._origin("example.org", ("::1", 443, 0, 0)) == (
        "example.org:443",
        b"example.org",
    )
    assert hyper.client._origin("example.org", ("127.0.0.1", 8443))[1] == b"example.org:8443"
    assert hyper.client._origin("", ("::1", 443, 0, 0)) == ("[::1]:443", b"[::1]")
    assert hyper.client._origin("example.org", "/run/socket")[1] == b"example.org"


# Sharing.


@pytest.fixture
def shared(certificates: Certificates) -> SSLContext:
    return create_default_context(cafile=str(certificates.authority), share=True)


def test_connections_to_one_origin_are_one(server: InProcessServer, shared: SSLContext) -> None:
    first, second = dial(shared, server), dial(shared, server)
    assert first.pump is second.pump
    assert second.getpeercert() == first.getpeercert()
    first.close()
    assert second.pump.over is None
    second.close()
    assert second.pump.over is not None
    third = dial(shared, server)
    assert third.pump is not second.pump
    third.close()


def test_who_verifies_differently_shares_nothing(
    server: InProcessServer, certificates: Certificates, shared: SSLContext
) -> None:
    verified = dial(shared, server)
    shared.check_hostname = False
    other = dial(shared, server)
    shared.load_cert_chain(certificates.chain, certificates.key)
    third = dial(shared, server)
    assert len({sock.pump for sock in (verified, other, third)}) == 3
    for sock in (verified, other, third):
        sock.close()


def test_a_server_without_http2_cannot_be_shared(
    old_server: InProcessServer, shared: SSLContext
) -> None:
    for _ in range(2):
        with dial(shared, old_server) as sock:
            assert type(sock) is ssl.SSLSocket


def test_two_ports_that_look_like_one_are_told_apart(
    server: InProcessServer, shared: SSLContext
) -> None:
    """As behind a proxy, where all that is known of a server is its name."""
    first, second = dial(shared, server), dial(shared, server)
    ask = "GET /hello HTTP/1.1\r\nHost: {}\r\n\r\n"
    first.sendall(ask.format("LOCALHOST:8443").encode())
    with pytest.raises(ValueError, match="localhost is asked for on a shared connection"):
        second.sendall(ask.format("localhost:443").encode())
    with pytest.raises(ValueError, match="localhost:9443 is asked for"):
        second.sendall(ask.format("localhost:9443").encode())
    for host in ("localhost:8443", "other.example", "[::1]:443", "[::1]"):
        second.sendall(ask.format(host).encode())
        second.recv(65536)
    for sock in (first, second):
        sock.close()


def test_many_at_once_make_one(server: InProcessServer, shared: SSLContext) -> None:
    socks: list[Any] = []
    threads = [
        threading.Thread(target=lambda: socks.append(dial(shared, server))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(socks) == 8
    assert len({sock.pump for sock in socks}) == 1
    for sock in socks:
        sock.close()


def test_one_that_is_dropped_does_not_keep_it_open(
    server: InProcessServer, shared: SSLContext
) -> None:
    sock = dial(shared, server)
    pump = sock.pump
    del sock
    gc.collect()
    dial(shared, server).close()
    assert pump.over is not None


# The whole process.


@pytest.mark.usefixtures("restored")
def test_installed_it_serves_those_who_bring_no_context(http2bin: InProcessServer) -> None:
    def server() -> str:
        # urlopen() keeps the context of its first call; this asks anew.
        with urllib.request.build_opener().open("https://http2bin.org/hello") as response:
            name: str = response.headers["server"]
            return name

    assert server() == "hypercorn-h11"
    hyper.client.install()
    assert server() == "hypercorn-h2"
    connection = http.client.HTTPSConnection("http2bin.org")
    connection.request("GET", "/hello")
    assert connection.getresponse().read() == b"hello, world"
    sock: Any = connection.sock
    assert sock.selected_alpn_protocol() == "h2"
    connection.close()
    hyper.client.uninstall()
    assert server() == "hypercorn-h11"


@pytest.mark.usefixtures("restored")
def test_installing_twice_is_installing_once_with_the_last_options() -> None:
    before = ssl._create_default_https_context
    hyper.client.install()
    hyper.client.install(share=True, http11_hosts=["a.example"])
    context: Any = ssl._create_default_https_context()
    assert (context.share, context.http11_hosts) == (True, {"a.example"})
    hyper.client.uninstall()
    assert ssl._create_default_https_context is before
    hyper.client.uninstall()
    assert ssl._create_default_https_context is before


@pytest.mark.usefixtures("restored")
def test_whom_to_trust_stays_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """PEP 476: there are programs that switch verification off this way."""
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    hyper.client.install()
    context: Any = ssl._create_default_https_context()
    assert isinstance(context, SSLContext)
    assert context.verify_mode == ssl.CERT_NONE
    hyper.client.uninstall()
    assert ssl._create_default_https_context is ssl._create_unverified_context
    monkeypatch.undo()


@pytest.mark.usefixtures("restored")
def test_somebody_else_s_replacement_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(ssl.SSLContext):
        pass

    def theirs(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        return Own(ssl.PROTOCOL_TLS_CLIENT)

    with monkeypatch.context() as patch:
        patch.setattr(ssl, "_create_default_https_context", theirs)
        hyper.client.install()
        assert ssl._create_default_https_context is not theirs
        assert type(ssl._create_default_https_context()) is Own
        hyper.client.uninstall()
        assert ssl._create_default_https_context is theirs
        hyper.client.install()
        patch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
        hyper.client.uninstall()
        after: Any = ssl._create_default_https_context
        assert after is ssl._create_unverified_context
