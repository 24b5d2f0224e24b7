"""The parts below urllib3, each where it shows: tunnels, errors, faces, inject and extract."""

from __future__ import annotations

import hashlib
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.client import CannotSendRequest, ResponseNotReady
from typing import Any, cast

import pytest
import requests
import urllib3
from urllib3 import connectionpool, poolmanager
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import SKIP_HEADER, Retry, Timeout
from urllib3.util.ssltransport import SSLTransport

import hyper.contrib
from hyper.contrib import urllib3 as ours
from hyper.contrib.urllib3 import HTTPSConnection, HTTPSConnectionPool, PoolManager, ProxyManager

from ..certificates import Certificates
from ..servers import InProcessServer
from .conftest import CountingServer, Script, TunnelProxy

Start = Callable[..., Script]


def hello(server: Script, stream: int, *_: Any) -> None:
    server.h2.send_headers(stream, [(":status", "200")])
    server.h2.send_data(stream, b"hello", end_stream=True)


@pytest.fixture
def base(server: InProcessServer) -> str:
    return f"https://localhost:{server.port}"


@pytest.fixture
def http(certificates: Certificates) -> Iterator[PoolManager]:
    with PoolManager(ca_certs=str(certificates.authority), retries=False) as manager:
        yield manager


def test_a_pool_manager_speaks_http_2(http: PoolManager, base: str) -> None:
    response: Any = http.request("GET", base + "/get")
    assert (response.status, response.version, response.version_string) == (200, 20, "HTTP/2")
    assert (response.reason, response.stream_id) == ("OK", 1)
    assert response.json()["headers"]["Accept-Encoding"] == "identity"
    assert response.json()["headers"]["User-Agent"].startswith("python-urllib3/")


def test_fields_are_skipped_as_urllib3_has_it(http: PoolManager, base: str) -> None:
    skipped: dict[str, Any] = {
        "user-agent": SKIP_HEADER,
        "accept-encoding": SKIP_HEADER,
        "x-bytes": b"1",
    }
    fields = http.request("GET", base + "/headers", headers=skipped).json()["headers"]
    assert "User-Agent" not in fields
    assert fields["X-Bytes"] == "1"


class Odd:
    """A file that takes every size but a positive one for "all of it", and knows its length."""

    def __init__(self) -> None:
        self._octets = io.BytesIO(b"abcdef")
        self.seek = self._octets.seek
        self.tell = self._octets.tell

    def read(self, size: int | None = None) -> bytes:
        return self._octets.read(size or -1)


class Encoder:
    """Gives octets, though it has an encoding, as the encoders of requests-toolbelt have."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.read = io.BytesIO(b"abcdef").read


@pytest.mark.parametrize(
    "body",
    [
        b"abcdef",
        "abcdef",
        bytearray(b"abcdef"),
        io.BytesIO(b"abcdef"),
        io.StringIO("abcdef"),
        Odd(),
        Encoder(),
        iter(["abc", b"def"]),
    ],
    ids=[
        *("bytes", "str", "bytearray", "file", "text file", "odd file", "encoder"),
        "iterator",
    ],
)
def test_every_kind_of_body_arrives(http: PoolManager, base: str, body: Any) -> None:
    assert http.request("POST", base + "/upload", body=body).json()["size"] == 6


def test_trailers_come_with_the_end_of_the_body(http: PoolManager, base: str) -> None:
    response: Any = http.request("GET", base + "/trailers", headers={"te": "trailers"})
    assert response.data == b"summed"
    assert response.trailers["x-sum"] == [b"42"]


def test_what_has_arrived_is_streamed_before_more_comes(http: PoolManager, script: Start) -> None:
    """As events are: over HTTP/1.1 each chunk would be given out when it comes."""
    go_on = threading.Event()

    def events(server: Script, stream: int, *_: Any) -> None:
        server.h2.send_headers(stream, [(":status", "200")])
        server.h2.send_data(stream, b"one\n")
        server.flush()
        assert go_on.wait(5)
        server.h2.send_data(stream, b"two\n", end_stream=True)

    response = http.request("GET", script(events).url + "/", preload_content=False)
    pieces = response.stream(1000)
    assert next(pieces) == b"one\n"
    go_on.set()
    assert list(pieces) == [b"two\n"]


def test_reading_by_read1_gives_what_is_there(http: PoolManager, base: str) -> None:
    response: Any = http.request("GET", base + "/download/100", preload_content=False)
    assert len(response.read1(30)) == 30
    assert len(response.read(30)) == 30
    assert len(response.read(5)) == 5
    assert len(response.read1()) == 35
    assert response.read1() == b""
    assert response.read() == b""
    assert response.isclosed()


def test_a_response_looks_like_a_file(http: PoolManager, base: str) -> None:
    response: Any = http.request("GET", base + "/download/100", preload_content=False)
    assert len(io.BufferedReader(response).read()) == 100


def test_shutdown_ends_a_read_in_another_thread(http: PoolManager, base: str) -> None:
    response: Any = http.request("GET", base + "/slow/5", preload_content=False)
    timer = threading.Timer(0.1, response.shutdown)
    timer.start()
    with pytest.raises((ProtocolError, ValueError)):
        response.read()
    timer.join()


def test_what_is_read_after_a_shutdown_is_not_the_end_of_the_body(
    http: PoolManager, script: Start
) -> None:
    def answer(server: Script, stream_id: int, head: dict[str, str], body: bytes) -> None:
        server.h2.send_headers(stream_id, [(":status", "200")])
        server.h2.send_data(stream_id, b"half")

    response: Any = http.request("GET", script(answer).url, preload_content=False)
    assert response.read(2) == b"ha"
    response.shutdown()
    assert not response.isclosed()
    with pytest.raises(ProtocolError, match="shut down before the end"):
        response.read(2)
    assert response.read() == b""  # closed, as by any error


def test_a_shutdown_after_the_end_is_nothing(http: PoolManager, base: str) -> None:
    response: Any = http.request("GET", base + "/echo", preload_content=False)
    file = response._fp
    assert response.read() == b""
    file.shutdown(0)
    assert file.read() == b""


@pytest.mark.parametrize("version", [11, 20])
def test_what_a_connections_socket_says_of_itself(
    http: PoolManager, base: str, http11: CountingServer, version: int
) -> None:
    """Many programs log the address that they reached."""
    url = base if version == 20 else http11.url
    response: Any = http.request("GET", url + "/slow/5", preload_content=False)
    assert response.version == version
    sock = response._connection.sock
    host, port = sock.getpeername()
    assert f"{host}:{port}" == f"127.0.0.1:{url.rpartition(':')[2]}"
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with pytest.raises(AttributeError):
        sock.no_such_thing  # noqa: B018  # it is asked for
    response.shutdown()
    with pytest.raises(ProtocolError):
        response.read()


@pytest.mark.parametrize("value", [None, 1.5, ["a"]], ids=repr)
def test_a_field_is_text_or_a_whole_number(http: PoolManager, base: str, value: Any) -> None:
    with pytest.raises(TypeError, match="a header field is str"):
        http.request("GET", base + "/headers", headers={"x-field": value})
    answer = http.request("GET", base + "/headers", headers={"x-field": cast(Any, 5)})
    assert answer.json()["headers"]["X-Field"] == "5"


def test_a_connection_without_a_pool_has_its_own_engine(
    counting: CountingServer, certificates: Certificates
) -> None:
    connection = HTTPSConnection("localhost", counting.port, ca_certs=str(certificates.authority))
    for _ in range(2):
        connection.request("GET", "/hello")
        assert connection.getresponse().data == b"hello, world"
    assert connection.is_verified
    assert connection.is_connected
    sock: Any = connection.sock
    assert sock.selected_alpn_protocol() == "h2"
    assert sock.getpeercert()["subjectAltName"]
    assert sock.fileno() > 0
    connection.close()
    assert connection.is_closed
    assert sock.fileno() == -1
    with pytest.raises(AttributeError):
        sock.getpeercert()
    connection.request("GET", "/hello")
    assert connection.getresponse().data == b"hello, world"
    connection.close()
    assert len(counting.connections) == 2


def test_a_response_has_to_be_asked_for_first(base: str, certificates: Certificates) -> None:
    host, _, port = base.removeprefix("https://").partition(":")
    connection = HTTPSConnection(host, int(port), ca_certs=str(certificates.authority))
    with pytest.raises(ResponseNotReady):
        connection.getresponse()
    connection.connect()
    with pytest.raises(ResponseNotReady):
        connection.getresponse()
    connection.request("GET", "/late/5")
    with pytest.raises(CannotSendRequest):
        connection.request("GET", "/hello")
    connection.close()
    connection.request("GET", "/hello")
    assert connection.getresponse().data == b"hello, world"
    connection.close()


# Errors.


def test_a_refused_stream_is_repeated_by_the_engine(http: PoolManager, script: Start) -> None:
    """RFC 9113 §8.7: REFUSED_STREAM says that nothing was done."""

    def refuse_once(server: Script, stream: int, *_: Any) -> None:
        if stream == 1:
            server.h2.reset_stream(stream, 0x7)
        else:
            hello(server, stream)

    server = script(refuse_once)
    assert http.request("POST", server.url + "/", body=b"abc").data == b"hello"
    assert server.bodies == [b"abc", b"abc"]


def test_streams_refused_again_are_left_to_urllib3s_retries(
    certificates: Certificates, script: Start
) -> None:
    def refuse(server: Script, stream: int, *_: Any) -> None:
        if stream < 7:
            server.h2.reset_stream(stream, 0x7)
        else:
            hello(server, stream)

    server = script(refuse)
    with PoolManager(ca_certs=str(certificates.authority)) as http:
        with pytest.raises(MaxRetryError) as caught:
            http.request("POST", server.url + "/", retries=0)
        assert isinstance(caught.value.reason, NewConnectionError)
        assert http.request("POST", server.url + "/", body=b"a", retries=Retry(2)).data == b"hello"


def test_a_body_that_cannot_be_sent_again_is_not(http: PoolManager, script: Start) -> None:
    def refuse(server: Script, stream: int, *_: Any) -> None:
        server.h2.reset_stream(stream, 0x7)

    server = script(refuse)
    with pytest.raises(ProtocolError, match="Connection aborted"):
        http.request("POST", server.url + "/", body=iter([b"a", b"b"]))
    assert server.bodies == [b"ab"]


def test_goodbyes_of_the_server_cost_nobody_a_request(http: PoolManager, script: Start) -> None:
    """RFC 9113 §6.8: as nginx says it every thousand requests, after which POST goes on too."""

    def answer(server: Script, stream: int, *_: Any) -> None:
        hello(server, stream)
        if len(server.requests) % 3 == 0:
            server.h2.close_connection(last_stream_id=stream)
            server.flush()
            raise EOFError

    server = script(answer)
    for number in range(8):
        response = http.request("POST", server.url + "/", body=b"%d" % number)
        assert response.data == b"hello"
    assert server.bodies == [b"%d" % number for number in range(8)]
    assert server.connections == 3


def test_what_a_goodbye_leaves_undone_is_done_on_the_next_connection(
    http: PoolManager, script: Start
) -> None:
    def leave(server: Script, stream: int, *_: Any) -> None:
        if server.connections == 1 and stream == 3:
            server.h2.close_connection(last_stream_id=1)
            server.flush()
            raise EOFError
        hello(server, stream)

    server = script(leave)
    for number in range(3):
        assert http.request("POST", server.url + "/", body=b"%d" % number).data == b"hello"
    assert server.bodies == [b"0", b"1", b"1", b"2"]


def test_a_connection_that_breaks_is_a_protocol_error(http: PoolManager, script: Start) -> None:
    def hang_up(server: Script, stream: int, *_: Any) -> None:
        raise EOFError

    with pytest.raises(ProtocolError, match="Connection aborted"):
        http.request("POST", script(hang_up).url + "/", body=b"abc")


def test_a_reset_is_a_protocol_error(http: PoolManager, script: Start) -> None:
    def reset(server: Script, stream: int, *_: Any) -> None:
        server.h2.reset_stream(stream, 0x2)

    with pytest.raises(ProtocolError, match="INTERNAL_ERROR"):
        http.request("GET", script(reset).url + "/")


@pytest.mark.parametrize("size", [None, 3, 100])
def test_a_body_that_breaks_is_never_taken_for_a_whole_one(
    http: PoolManager, script: Start, size: int | None
) -> None:
    def break_off(server: Script, stream: int, *_: Any) -> None:
        server.h2.send_headers(stream, [(":status", "200")])
        server.h2.send_data(stream, b"12345")
        server.h2.reset_stream(stream, 0x2)

    url = script(break_off).url
    response = http.request("GET", url + "/", preload_content=False)
    with pytest.raises(ProtocolError, match="INTERNAL_ERROR"):
        while response.read(size):
            pass
    response = http.request("GET", url + "/", preload_content=False)
    with pytest.raises(ProtocolError, match="INTERNAL_ERROR"):
        list(response.stream())
    response = http.request("GET", url + "/", preload_content=False)
    assert response.read1(100) == b"12345"
    response.close()
    assert response.closed


def test_a_late_answer_is_a_read_timeout(http: PoolManager, base: str) -> None:
    with pytest.raises(ReadTimeoutError):
        http.request("GET", base + "/late/5", timeout=Timeout(connect=5, read=0.1))
    with pytest.raises(ReadTimeoutError):
        http.request("GET", base + "/slow/5", timeout=0.1)
    assert http.request("GET", base + "/hello").data == b"hello, world"


def test_an_upload_that_makes_no_progress_times_out(http: PoolManager, script: Start) -> None:
    def nothing(server: Script, stream: int, *_: Any) -> None:
        raise AssertionError("the body is too large to arrive whole")

    server = script(nothing)
    server_stops = threading.Event()
    with pytest.raises(ProtocolError, match="Connection aborted"):
        http.request(
            "POST",
            server.url + "/",
            body=Stalling(server_stops),
            timeout=0.1,
        )


class Stalling:
    """More than the windows of a server that never gives any room."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def __iter__(self) -> Iterator[bytes]:
        yield b"x" * 60_000
        raise TimeoutError("nothing more within 0.1 s")


def test_a_certificate_for_another_name_is_refused(certificates: Certificates, base: str) -> None:
    settings: dict[str, Any] = {"ca_certs": str(certificates.authority), "retries": False}
    with PoolManager(server_hostname="example.com", **settings) as http, pytest.raises(SSLError):
        http.request("GET", base + "/hello")
    with PoolManager(assert_hostname="example.com", **settings) as http, pytest.raises(SSLError):
        http.request("GET", base + "/hello")
    with PoolManager(assert_hostname="http2bin.org", **settings) as http:
        assert http.request("GET", base + "/hello").version == 20
    with PoolManager(assert_hostname=False, **settings) as http:
        assert http.request("GET", base + "/hello").version == 20


def test_a_fingerprint_is_compared(certificates: Certificates, base: str) -> None:
    pem = certificates.chain.read_text().partition("-----END CERTIFICATE-----")
    der = ssl.PEM_cert_to_DER_cert(pem[0] + pem[1] + "\n")
    right = hashlib.sha256(der).hexdigest()
    with PoolManager(assert_fingerprint=right, cert_reqs="CERT_NONE") as http:
        assert http.request("GET", base + "/hello").version == 20
    with PoolManager(assert_fingerprint="00" * 32, retries=False) as http, pytest.raises(SSLError):
        http.request("GET", base + "/hello")


def test_a_context_of_the_callers_is_used_and_keeps_its_offer(
    certificates: Certificates, base: str
) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    with PoolManager(ssl_context=context) as http:
        assert http.request("GET", base + "/hello").version == 20
    with urllib3.PoolManager(ssl_context=context) as stock:
        assert stock.request("GET", base + "/hello").version == 11


def test_a_context_that_is_not_pythons_is_urllib3s(certificates: Certificates, base: str) -> None:
    class Foreign:
        """As pyOpenSSL's: a context that cannot wrap memory buffers."""

        def __init__(self) -> None:
            self.context = ssl.create_default_context(cafile=str(certificates.authority))

        def __getattr__(self, name: str) -> Any:
            if name == "wrap_bio":
                raise AttributeError(name)
            return getattr(self.context, name)

    context: Any = Foreign()
    with PoolManager(ssl_context=context) as http:
        assert http.request("GET", base + "/hello").version == 11


def test_tls_older_than_1_2_is_not_spoken_over(
    http: PoolManager, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9113 §9.2; a server that chose h2 there would break the rule."""
    monkeypatch.setattr(SSLTransport, "version", lambda self: "TLSv1.1")
    with pytest.raises(SSLError, match="HTTP/2 needs TLS"):
        http.request("GET", base + "/hello")


def test_a_server_that_stops_speaking_http_2_is_asked_in_http_1_1(
    certificates: Certificates, script: Start
) -> None:
    def answer(server: Script, stream: int, *_: Any) -> None:
        hello(server, stream)
        server.h2.close_connection()
        server.flush()
        server._context = certificates.server_context("http/1.1")
        server._converse = one_answer  # type: ignore[method-assign]
        raise EOFError

    def one_answer(sock: Any) -> None:
        while sock.recv(65536):
            sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold")

    server = script(answer)
    with PoolManager(ca_certs=str(certificates.authority)) as http:
        assert http.request("POST", server.url + "/", body=b"a").data == b"hello"
        # The face finds out on the way; urllib3's retry goes to the end.
        response = http.request("POST", server.url + "/", body=b"a")
        assert (response.data, response.version) == (b"old", 11)


def test_a_thread_waits_for_one_that_dials_no_longer_than_it_was_told(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        PoolManager(ca_certs=str(certificates.authority), retries=False) as http,
    ):
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        dialling = threading.Event()
        dial = HTTPSConnection._dial
        failed: list[BaseException] = []

        def slowly(self: HTTPSConnection, engine: Any) -> Any:
            dialling.set()
            return dial(self, engine)

        def first() -> None:
            try:
                http.request("GET", url, timeout=0.6)
            except Exception as error:
                failed.append(error)

        def third() -> None:
            try:
                http.request("GET", url, timeout=5)
            except Exception as error:
                failed.append(error)

        monkeypatch.setattr(HTTPSConnection, "_dial", slowly)
        threads = [threading.Thread(target=first), threading.Thread(target=third)]
        threads[0].start()
        assert dialling.wait(5)
        threads[1].start()
        with pytest.raises(ConnectTimeoutError, match="another thread"):
            http.request("GET", url, timeout=0.1)
        for thread in threads:
            thread.join(5)
        # The one that dialled, and the one that waited for it with more patience.
        assert [type(error) for error in failed] == [ReadTimeoutError, ReadTimeoutError]


# Proxies.


def test_a_tunnel_is_opened_with_the_proxys_credentials_and_carries_http_2(
    proxy: TunnelProxy, base: str, certificates: Certificates
) -> None:
    headers = urllib3.make_headers(proxy_basic_auth="user:secret")
    where = f"http://127.0.0.1:{proxy.port}"
    settings: dict[str, Any] = {"ca_certs": str(certificates.authority), "retries": False}
    with ProxyManager(where, proxy_headers=headers, **settings) as http:
        for _ in range(2):
            response = http.request("GET", base + "/headers")
            assert response.version == 20
            assert "Proxy-Authorization" not in response.json()["headers"]
    assert len(proxy.asked) == 1
    assert proxy.asked[0].startswith(f"CONNECT {base.removeprefix('https://')} HTTP/1")
    with ProxyManager(where, **settings) as http, pytest.raises(ProxyError, match="407"):
        http.request("GET", base + "/hello")


def test_requests_goes_through_a_proxy(
    proxy: TunnelProxy, base: str, certificates: Certificates
) -> None:
    with requests.Session() as session:
        session.mount("https://", hyper.contrib.HTTP20Adapter())
        session.verify = str(certificates.authority)
        session.proxies = {"https": f"http://user:secret@127.0.0.1:{proxy.port}"}
        response: Any = session.get(base + "/hello")
        assert (response.text, response.raw.version) == ("hello, world", 20)
        session.proxies = {"https": f"http://user:wrong@127.0.0.1:{proxy.port}"}
        with pytest.raises(requests.exceptions.ProxyError):
            session.get(base + "/hello")


def test_proxies_of_other_kinds_are_urllib3s() -> None:
    manager = urllib3.ProxyManager("http://127.0.0.1:1")
    manager.pool_classes_by_scheme = {"https": connectionpool.HTTPConnectionPool}
    ours.use_http20(manager)
    assert manager.pool_classes_by_scheme == {"https": connectionpool.HTTPConnectionPool}


def test_a_proxy_that_is_reached_by_https_is_spoken_through_in_http_1_1() -> None:
    settings: Any = {"proxy": urllib3.util.parse_url("https://proxy:1")}
    connection = HTTPSConnection("proxy", 1, **settings)
    assert not connection._may_offer_h2()
    connection.set_tunnel("localhost", 443, scheme="https")
    assert not connection._may_offer_h2()


# The whole process.


def test_inject_and_extract_change_what_they_say_and_set_it_back(
    base: str, certificates: Certificates
) -> None:
    before = dict(poolmanager.pool_classes_by_scheme)
    stock = connectionpool.HTTPSConnectionPool.ConnectionCls
    ours.extract()
    ours.inject()
    try:
        ours.inject()
        assert poolmanager.pool_classes_by_scheme == before | {"https": HTTPSConnectionPool}
        assert connectionpool.HTTPSConnectionPool.ConnectionCls is HTTPSConnection
        response: Any = requests.get(base + "/hello", verify=str(certificates.authority))
        assert (response.text, response.raw.version) == ("hello, world", 20)
        host, _, port = base.removeprefix("https://").partition(":")
        authority = str(certificates.authority)
        with urllib3.HTTPSConnectionPool(host, int(port), ca_certs=authority) as pool:
            assert pool.request("GET", "/hello").version == 20
    finally:
        ours.extract()
    assert poolmanager.pool_classes_by_scheme == before
    assert connectionpool.HTTPSConnectionPool.ConnectionCls is stock
    response = requests.get(base + "/hello", verify=str(certificates.authority))
    assert response.raw.version == 11


def test_contrib_has_what_it_says_and_nothing_else() -> None:
    assert "HTTP20Adapter" in dir(hyper.contrib)
    with pytest.raises(AttributeError, match="no attribute 'HTTP30Adapter'"):
        hyper.contrib.HTTP30Adapter  # noqa: B018
