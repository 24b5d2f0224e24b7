"""httpx and httpx2 over HTTP/2: what a client sees, against real servers."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hyper.contrib import httpx as module
from hyper.contrib.httpx import HTTP2Transport

from ..certificates import Certificates
from ..servers import InProcessServer
from ..servers.app import PUSHED, content
from .conftest import CountingServer, Script, TunnelProxy


@pytest.fixture(params=["httpx", "httpx2"])
def package(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


@pytest.fixture
def transport(ssl_context: ssl.SSLContext) -> Iterator[HTTP2Transport]:
    with HTTP2Transport(verify=ssl_context) as transport:
        yield transport


@pytest.fixture
def client(package: Any, transport: HTTP2Transport, server: InProcessServer) -> Iterator[Any]:
    base = f"https://localhost:{server.port}"
    with package.Client(transport=transport, base_url=base) as client:
        yield client


# What httpx does stays as it is.


def test_a_response_is_the_packages_own_and_says_http_2(package: Any, client: Any) -> None:
    response = client.get("/get", params={"a": "1"}, headers={"X-Sent": "yes"})
    assert type(response) is package.Response
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert response.reason_phrase == "OK"
    answer = response.json()
    assert answer["args"] == {"a": "1"}
    assert answer["headers"]["X-Sent"] == "yes"
    assert response.extensions["stream_id"] == 1
    assert client.get("/get").extensions["stream_id"] == 3


def test_redirects_cookies_and_auth(client: Any) -> None:
    response = client.get("/redirect/2", follow_redirects=True)
    assert [each.status_code for each in response.history] == [302, 302]
    client.get("/cookies/set?taste=sweet", follow_redirects=True)
    assert client.get("/cookies").json() == {"cookies": {"taste": "sweet"}}
    assert client.get("/basic-auth/me/secret", auth=("me", "secret")).status_code == 200
    assert client.get("/basic-auth/me/secret", auth=("me", "wrong")).status_code == 401


def test_codings_are_the_clients_to_take_off(client: Any) -> None:
    assert client.get("/gzip").json()["gzipped"] is True
    assert client.get("/deflate").json()["deflated"] is True
    with client.stream("GET", "/gzip") as response:
        assert b"".join(response.iter_raw()).startswith(b"\x1f\x8b")


def test_no_coding_is_asked_for_behind_the_clients_back(package: Any, client: Any) -> None:
    request = client.build_request("GET", "/headers")
    del request.headers["accept-encoding"]
    assert client.send(request).json()["headers"]["Accept-Encoding"] == "identity"


def test_head_and_statuses_without_a_body(client: Any) -> None:
    for method, path, status in ("HEAD", "/get", 200), ("GET", "/status/204", 204):
        response = client.request(method, path)
        assert (response.status_code, response.content) == (status, b"")
    assert client.get("/status/299").reason_phrase == ""


# Bodies.


def test_a_download_streams_and_the_rest_can_be_left(client: Any) -> None:
    digest = hashlib.sha256()
    with client.stream("GET", "/download/3000000") as response:
        for piece in response.iter_bytes():
            digest.update(piece)
    assert digest.digest() == hashlib.sha256(b"".join(content(3_000_000))).digest()
    with client.stream("GET", "/download/30000000") as response:
        assert next(response.iter_bytes(1000)) == next(content(1000))
    assert client.get("/hello").text == "hello, world"


def pieces() -> Iterator[bytes]:
    for number in range(100):
        yield b"%06d" % number * 1000


def test_every_kind_of_body_arrives(client: Any, tmp_path: Path) -> None:
    data = b"".join(pieces())
    expected = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert client.post("/upload", content=data).json() == expected
    assert client.post("/upload", content=pieces()).json() == expected
    file = tmp_path / "file"
    file.write_bytes(data)
    with file.open("rb") as opened:
        assert client.put("/upload", content=opened).json() == expected
    with file.open("rb") as opened:
        answer = client.post("/post", files={"it": opened}, data={"more": "yes"}).json()
    assert answer["files"]["it"] == data.decode()
    assert answer["form"] == {"more": "yes"}
    assert client.post("/post", json={"a": [1]}).json()["json"] == {"a": [1]}
    assert client.post("/upload").json()["size"] == 0
    assert client.post("/upload", content=b"").json()["size"] == 0


def test_a_wrong_content_length_is_the_callers_mistake(package: Any, client: Any) -> None:
    with pytest.raises(package.LocalProtocolError, match="content-length") as caught:
        client.post("/upload", content=b"12345", headers={"content-length": "7"})
    assert caught.value.request.method == "POST"
    with pytest.raises(package.LocalProtocolError, match="0 octets that content-length promises"):
        client.post("/upload", content=pieces(), headers={"content-length": "0"})
    assert client.get("/hello").status_code == 200


def test_a_body_that_no_header_speaks_of_arrives(package: Any, client: Any) -> None:
    request = client.build_request("POST", "/upload", content=pieces())
    del request.headers["transfer-encoding"]
    assert client.send(request).json()["size"] == 600_000


def test_an_error_of_the_bodys_source_comes_back_as_it_is(client: Any) -> None:
    class Mine(ValueError):
        pass

    def broken() -> Iterator[bytes]:
        yield b"some"
        raise Mine("of the caller")

    with pytest.raises(Mine, match="of the caller"):
        client.post("/upload", content=broken())
    assert client.get("/hello").status_code == 200


# What HTTP/2 has beside.


def test_trailers_are_there_once_the_body_has_been_read(package: Any, client: Any) -> None:
    with client.stream("GET", "/trailers", headers={"te": "trailers"}) as response:
        assert response.read() == b"summed"
        trailers = response.extensions["trailers"]()
    assert isinstance(trailers, package.Headers)
    assert trailers == {"x-sum": "42"}


def test_pushes_for_those_who_let_servers_push(
    package: Any, server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    url = f"https://localhost:{server.port}/push"
    with (
        HTTP2Transport(verify=ssl_context, enable_push=True) as transport,
        package.Client(transport=transport) as client,
        client.stream("GET", url) as response,
    ):
        (push,) = response.extensions["pushes"](True)
        assert push.path == b"/pushed.css"
        assert push.get_response().read() == PUSHED


def test_nobody_is_pushed_to_unasked(client: Any) -> None:
    response = client.get("/push")
    assert list(response.extensions["pushes"]()) == []


# Errors.


def test_waiting_too_long_is_a_read_timeout(package: Any, client: Any) -> None:
    with pytest.raises(package.ReadTimeout, match=r"no response head within 0\.1 s") as caught:
        client.get("/late/5", timeout=package.Timeout(5, read=0.1))
    assert caught.value.request.url.path == "/late/5"
    with (
        pytest.raises(package.ReadTimeout, match="response body"),
        client.stream("GET", "/slow/5", timeout=0.2) as response,
    ):
        response.read()
    with pytest.raises(package.ReadTimeout):
        client.get("/late/5", timeout=0)
    assert client.get("/hello").status_code == 200


def test_a_server_that_does_not_read_is_a_write_timeout(package: Any, client: Any) -> None:
    with pytest.raises(package.WriteTimeout, match="room to send more"):
        client.post("/late/5", content=b"x" * 3_000_000, timeout=0.2)


def test_a_request_with_a_body_may_wait_as_long_as_reading_or_writing_may(
    package: Any, client: Any
) -> None:
    answer = client.post("/late/0.3", content=b"x", timeout=package.Timeout(5, read=0.1))
    assert answer.status_code == 200
    answer = client.post("/late/0.3", content=b"x", timeout=package.Timeout(5, write=None))
    assert answer.status_code == 200


def test_a_silent_server_is_a_connect_timeout(package: Any, transport: HTTP2Transport) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        package.Client(transport=transport, timeout=package.Timeout(5, connect=0.2)) as client,
        pytest.raises(package.ConnectTimeout, match="TLS handshake"),
    ):
        client.get(f"https://127.0.0.1:{listener.getsockname()[1]}/")


def test_nobody_there_is_a_connect_error(package: Any, client: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(package.ConnectError, match=f"127.0.0.1:{port}"):
        client.get(f"https://127.0.0.1:{port}/")
    with pytest.raises(package.ConnectError, match="port 123456 is not within 1 to 65535"):
        client.get("https://127.0.0.1:123456/")
    with pytest.raises(package.ConnectError, match="port 0 is not within 1 to 65535"):
        client.get("https://127.0.0.1:0/")


def test_a_stranger_is_a_connect_error(package: Any, server: InProcessServer) -> None:
    with (
        package.Client(transport=HTTP2Transport()) as client,
        pytest.raises(package.ConnectError, match="CERTIFICATE_VERIFY_FAILED") as caught,
    ):
        client.get(f"https://localhost:{server.port}/hello")
    assert str(caught.value).endswith("; to trust it, make the transport with verify=FILE")


def test_a_body_cut_short_is_the_peers_mistake(package: Any, client: Any) -> None:
    with pytest.raises(package.RemoteProtocolError):
        client.get("/cut")
    assert client.get("/hello").status_code == 200


def test_what_is_lost_while_reading_is_named(package: Any, client: Any) -> None:
    with (
        client.stream("GET", "/slow/5") as response,
        pytest.raises(package.RemoteProtocolError),
    ):
        client._transport.close()
        response.read()


@pytest.mark.parametrize(
    ("phase", "error", "kind"),
    [
        ("Connect", OSError(5, "it broke"), "ConnectError"),
        ("Write", OSError(5, "it broke"), "WriteError"),
        ("Read", ConnectionResetError(104, "it broke"), "ReadError"),
        ("Write", ValueError("it broke"), "LocalProtocolError"),
    ],
)
def test_the_network_breaks_in_one_of_three_phases(
    package: Any, phase: str, error: Exception, kind: str
) -> None:
    request = package.Request("GET", "https://localhost/")
    with (
        pytest.raises(getattr(package, kind), match="it broke") as caught,
        module._errors(package, request, phase),
    ):
        raise error
    assert caught.value.__cause__ is error
    with pytest.raises(KeyError), module._errors(package, request, phase):
        raise KeyError("a bug is not the network's fault")


# Ways to a server.


def test_an_asynchronous_client_is_told_what_is_missing(
    package: Any, transport: HTTP2Transport
) -> None:
    async def within() -> None:
        async with package.AsyncClient(transport=transport):
            raise AssertionError

    async def without() -> None:
        await package.AsyncClient(transport=transport).get("https://localhost/")

    for attempt in within, without:
        with pytest.raises(AttributeError, match="hyper has no transport for AsyncClient yet"):
            asyncio.run(attempt())
    with pytest.raises(AttributeError, match=r"no attribute 'else'$"):
        getattr(transport, "else")


def test_a_server_without_http_2_is_served_by_http_1(
    package: Any, transport: HTTP2Transport, http11: CountingServer
) -> None:
    with package.Client(transport=transport) as client:
        for _ in range(3):
            response = client.post(f"{http11.url}/upload", content=pieces())
            assert (response.http_version, response.json()["size"]) == ("HTTP/1.1", 600_000)
    assert http11.versions == {"1.1"}
    assert len(http11.connections) == 1


def test_cleartext_is_http_1_unless_the_server_is_known(
    package: Any, transport: HTTP2Transport, server: InProcessServer
) -> None:
    url = f"http://localhost:{server.plain_port}/hello"
    with package.Client(transport=transport) as client:
        assert client.get(url).http_version == "HTTP/1.1"
    with package.Client(transport=HTTP2Transport(prior_knowledge=True)) as client:
        assert client.get(url).http_version == "HTTP/2"
        with pytest.raises(package.UnsupportedProtocol):
            client.get("ftp://localhost/")


def test_an_ipv6_address_is_a_host(package: Any, transport: HTTP2Transport) -> None:
    with (
        package.Client(transport=transport, timeout=1) as client,
        pytest.raises(package.ConnectError, match=r"\[::1\]:1\b"),
    ):
        client.get("https://[::1]:1/")


@pytest.mark.parametrize("kind", [str, str.encode])
def test_tls_may_ask_for_another_name_than_the_urls(
    package: Any, transport: HTTP2Transport, script: Any, kind: Any
) -> None:
    """RFC 6066 §3: that name goes into the handshake; what is asked for stays the URL's."""

    def answer(server: Script, stream_id: int, head: dict[str, str], body: bytes) -> None:
        server.h2.send_headers(stream_id, [(":status", "204")], end_stream=True)

    server: Script = script(answer)
    named: list[str | None] = []
    server._context.sni_callback = lambda side, name, _: named.append(name)
    url = server.url.replace("localhost", "127.0.0.1")
    with package.Client(transport=transport) as client:
        request = client.build_request("GET", url, extensions={"sni_hostname": kind("localhost")})
        del request.headers["host"]
        assert client.send(request).http_version == "HTTP/2"
    assert named == ["localhost"]
    assert f"https://{server.requests[0][':authority']}" == url


def test_no_connection_serves_two_names(
    package: Any, transport: HTTP2Transport, counting: CountingServer
) -> None:
    """What was verified for one name says nothing of another."""

    def version(name: str) -> Any:
        return client.get(url, extensions={"sni_hostname": name}).http_version

    url = f"https://127.0.0.1:{counting.port}/hello"
    with package.Client(transport=transport) as client:
        assert client.get(url).http_version == "HTTP/2"
        with pytest.raises(package.ConnectError, match=r"not valid for 'other\.example'"):
            version("other.example")
        with pytest.raises(package.ConnectError, match="host 'a b'"):
            version("a b")
        assert version("http2bin.org") == version("http2bin.org") == "HTTP/2"
        assert len(counting.connections) == 2


def test_another_name_goes_through_a_tunnel(
    package: Any, proxy: TunnelProxy, counting: CountingServer, certificates: Certificates
) -> None:
    address = f"http://user:secret@localhost:{proxy.port}"
    transport = HTTP2Transport(verify=certificates.authority, proxy=address)
    url = f"https://127.0.0.1:{counting.port}/hello"
    with package.Client(transport=transport) as client:
        for name in "http2bin.org", "":
            response = client.get(url, extensions={"sni_hostname": name})
            assert response.http_version == "HTTP/2"
        with pytest.raises(package.ConnectError, match=r"other\.example"):
            client.get(url, extensions={"sni_hostname": "other.example"})
    assert {head.split()[1] for head in proxy.asked} == {f"127.0.0.1:{counting.port}"}


def test_trust_can_be_a_file_a_context_or_nobody(
    package: Any, server: InProcessServer, certificates: Certificates
) -> None:
    url = f"https://localhost:{server.port}/hello"
    own = certificates.chain, certificates.key
    for arguments in (
        {"verify": str(certificates.authority)},
        {"verify": False},
        {"verify": certificates.client_context("http/1.1")},
        {"verify": certificates.authority, "cert": own},
        {"verify": certificates.authority, "cert": (*own, "password")},
        {"verify": certificates.authority, "cert": certificates.both},
    ):
        transport: Any = HTTP2Transport(**arguments)
        with package.Client(transport=transport) as client:
            assert client.get(url).http_version == "HTTP/2"
    with pytest.raises(FileNotFoundError):
        HTTP2Transport(cert="no such file")


def test_a_tunnel_leads_through_a_proxy(
    package: Any, proxy: TunnelProxy, counting: CountingServer, certificates: Certificates
) -> None:
    address = f"localhost:{proxy.port}"
    known = f"http://user:secret@{address}"
    for given in (
        known,
        package.URL(known),
        package.Proxy(f"http://{address}", auth=("user", "secret"), headers={"X-To": "proxy"}),
    ):
        transport = HTTP2Transport(verify=certificates.authority, proxy=given)
        with package.Client(transport=transport) as client:
            response = client.get(f"{counting.url}/headers")
            assert response.http_version == "HTTP/2"
            assert "X-To" not in response.json()["headers"]
    assert "x-to: proxy" in proxy.asked[-1].lower()
    with (
        package.Client(transport=HTTP2Transport(proxy=f"http://{address}")) as client,
        pytest.raises(package.ProxyError, match="407"),
    ):
        client.get(counting.url)


def test_a_host_without_http_2_behind_a_proxy(
    package: Any, proxy: TunnelProxy, http11: CountingServer, certificates: Certificates
) -> None:
    for given in (
        f"http://user:secret@localhost:{proxy.port}",
        package.Proxy(f"http://localhost:{proxy.port}", auth=("user", "secret")),
    ):
        transport = HTTP2Transport(verify=certificates.authority, proxy=given)
        with package.Client(transport=transport) as client:
            assert client.get(f"{http11.url}/hello").http_version == "HTTP/1.1"


def test_other_kinds_of_proxies_are_left_to_the_package(package: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = HTTP2Transport(proxy=f"https://localhost:{port}")
    with package.Client(transport=transport) as client, pytest.raises(package.ConnectError):
        client.get("https://localhost/")
    assert not transport._lines


# Connections.


def test_forty_threads_share_one_connection(
    package: Any, counting: CountingServer, ssl_context: ssl.SSLContext
) -> None:
    start = threading.Barrier(40)
    with package.Client(transport=HTTP2Transport(verify=ssl_context), timeout=30) as client:

        def work(number: int) -> list[int]:
            start.wait(20)
            data = b"%d" % number * 5000
            answers = []
            for turn in range(3):
                assert client.post(f"{counting.url}/echo", content=data).content == data
                response = client.get(f"{counting.url}/get", params={"n": f"{number}-{turn}"})
                assert response.json()["args"]["n"] == f"{number}-{turn}"
                answers.append(response.extensions["stream_id"])
            return answers

        with ThreadPoolExecutor(40) as pool:
            ids = [each for answers in pool.map(work, range(40)) for each in answers]
    assert len(set(ids)) == len(ids) == 120
    assert len(counting.seen) == 240
    assert len(counting.connections) == 1
    assert counting.versions == {"2"}


def test_connections_that_nobody_needs_are_closed_beyond_the_limit(
    package: Any, server: InProcessServer, counting: CountingServer, ssl_context: ssl.SSLContext
) -> None:
    transport = HTTP2Transport(verify=ssl_context, max_connections=1)
    with package.Client(transport=transport) as client:
        names = [f"https://{name}:{server.port}" for name in ("localhost", "127.0.0.1")]
        with client.stream("GET", f"{names[0]}/download/300000") as response:
            assert client.get(f"{names[1]}/hello").status_code == 200
            assert len(transport._lines) == 2, "one is being read from"
            assert len(response.read()) == 300_000
        assert client.get(f"{names[1]}/hello").extensions["stream_id"] == 3
        assert client.get(f"{counting.url}/hello").extensions["stream_id"] == 1
        assert len(transport._lines) == 1
        assert client.get(f"{names[1]}/hello").extensions["stream_id"] == 1, "dialled again"


def test_a_response_that_is_dropped_unread_holds_nothing(
    package: Any, client: Any, transport: HTTP2Transport
) -> None:
    response: Any = client.send(client.build_request("GET", "/download/9000000"), stream=True)
    (line,) = transport._lines.values()
    assert len(line.users) == 1
    del response
    importlib.import_module("gc").collect()
    assert not line.users
    assert client.get("/hello").status_code == 200


def test_a_closed_transport_can_be_used_again(
    package: Any, client: Any, transport: HTTP2Transport, server: InProcessServer
) -> None:
    plain = f"http://localhost:{server.plain_port}/hello"
    for _ in range(2):
        assert client.get("/hello").extensions["stream_id"] == 1
        assert client.get(plain).http_version == "HTTP/1.1"
        transport.close()


# Two packages.


def test_one_transport_serves_both_packages(
    transport: HTTP2Transport, counting: CountingServer
) -> None:
    seen = set()
    packages = [pytest.importorskip(name) for name in module.PACKAGES]
    for each in packages:
        client = each.Client(transport=transport)
        response = client.get(f"{counting.url}/hello")
        assert type(response) is each.Response
        seen.add(response.extensions["stream_id"])
    transport.close()
    assert seen == {1, 3}
    assert len(counting.connections) == 1


def test_a_request_of_a_subclass_is_of_its_package(package: Any) -> None:
    class Request(package.Request):  # type: ignore[misc]
        pass

    assert module._package_of(Request) is package
    with pytest.raises(TypeError, match="a request of httpx or httpx2 is wanted here, not int"):
        module._package_of(int)


def test_the_transport_is_one_for_whoever_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    httpx = pytest.importorskip("httpx")
    assert isinstance(HTTP2Transport(verify=False), httpx.BaseTransport)
    for name in module.PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="needs httpx or httpx2"):
        module._bases()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "httpx")
    monkeypatch.setattr(module, "import_module", lambda name: sys.modules.update({name: httpx}))
    assert module._bases() == (httpx.BaseTransport,)
