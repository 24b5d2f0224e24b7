"""Redirects, cookies and proxies: what is said to whom (the catalogue's 3.12), through every door.

``hyper`` itself follows no redirect, keeps no cookie and reads no file with passwords. requests,
urllib3 and httpx do, by their own rules, which must not change because the octets go over HTTP/2.
"""

from __future__ import annotations

import gzip
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import urllib3

import hyper.client
from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import ProxyError
from hyper.contrib import HTTP20Adapter
from hyper.contrib.httpx import HTTP2Transport
from hyper.contrib.urllib3 import ProxyManager
from hyper.http11.limits import MAX_CONNECT_HEAD

from ..certificates import Certificates
from ..native.scripted import ScriptedServer
from ..native.scripted import Talk as ProxyTalk
from ..servers.proxy import SmallProxy
from .doors import DOORS, Httpx, Kind, Native11, Requests, Urllib3
from .peer import PATIENCE, Client, Scene, Server, Stage, Talk, bounded, polite

EVERY = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
FOLLOWING = pytest.mark.parametrize(
    "door", [Requests, Urllib3, Httpx], ids=lambda door: door.__name__
)
KINDS = pytest.mark.parametrize("kind", [HTTP20Connection, HTTPConnection, HTTP11Connection])


def heads(server: Server) -> list[dict[str, str]]:
    """What a server was asked over HTTP/2."""
    return [
        dict(written.headers)
        for talk in server.talks
        for written in talk.record
        if written.name == "HEADERS" and written.headers is not None
    ]


def plain_heads(server: Server) -> list[dict[str, str]]:
    """What a server was asked over HTTP/1.1."""
    return [
        {":path": each.target, **{name.lower(): value for name, value in each.fields}}
        for talk in server.talks
        for each in talk.requests
    ]


def elsewhere(location: str, status: int = 302, body: bytes = b"", *more: tuple[str, str]) -> Any:
    """Redirect the first request; be polite to the others."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        fields = [(":status", str(status)), ("location", location), *more]
        talk.answer(asked.stream_id, body, fields)
        talk.serve()

    return script


def follow(caller: Any, method: str = "GET", body: Any = None, **headers: str) -> Any:
    """Ask ``/`` as the library would for somebody who follows redirects."""
    url = caller.url + "/"
    if isinstance(caller, Requests):
        return caller.caller.request(method, url, headers=headers, data=body, timeout=PATIENCE)
    if isinstance(caller, Urllib3):
        return caller.caller.request(method, url, headers=headers, body=body, retries=5)
    assert isinstance(caller, Httpx)
    return caller.caller.request(method, url, headers=headers, content=body, follow_redirects=True)


@pytest.fixture
def other(certificates: Certificates) -> Iterator[Server]:
    """Another origin: the same name with another port."""
    server = Server(polite, certificates.server_context("h2"))
    server.start()
    yield server
    server.stop()


# Redirects and cookies.


@EVERY
def test_hyper_itself_follows_no_redirect_and_keeps_no_cookie(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """Who asks by a door of ours gets the answer to what was asked."""
    if door is Native11:

        def script(talk: Talk) -> None:
            talk.hear_http1()
            talk.say_http1(
                b"HTTP/1.1 302 There\r\nlocation: /there\r\nset-cookie: a=b; Path=/\r\n"
                b"content-length: 0\r\n\r\n"
            )
            talk.serve()

        play = scene(script, http1=True)
    else:
        play = scene(elsewhere("/there", 302, b"", ("set-cookie", "a=b; Path=/")))
    with play, door(play.port, certificates.authority) as caller:
        answer = caller.ask("/here")
        assert (answer.status, answer.fields["location"]) == (302, "/there")
        caller.ask("/next")
        asked = heads(play.server) or plain_heads(play.server)
        assert [head[":path"] for head in asked] == ["/here", "/next"]
        # A session of requests, and a client of httpx, keep cookies; that is what they are for.
        assert ("cookie" in asked[1]) is (door in (Requests, Httpx))


SECRETS = {
    "Authorization": "Basic c2VjcmV0",
    "Cookie": "id=secret",
    "Proxy-Authorization": "Basic c2VjcmV0",
}


@FOLLOWING
@pytest.mark.parametrize("differs", ["port", "host", "scheme"])
def test_credentials_stay_with_the_origin_they_are_for(
    scene: Stage, certificates: Certificates, other: Server, door: Kind, differs: str
) -> None:
    """CVE-2018-20060, CVE-2023-43804, CVE-2024-37891, CVE-2026-44431, CVE-2022-27774."""
    where: list[str] = []

    def script(talk: Talk) -> None:
        elsewhere(where[0])(talk)

    # The same server by another name, or another one.
    plain = Server(polite, http1=True)
    with scene(script) as play:
        plain.start()
        try:
            where.append(
                {
                    "port": f"https://localhost:{other.port}/there",
                    "host": f"https://127.0.0.1:{play.port}/there",
                    "scheme": f"http://localhost:{plain.port}/there",
                }[differs]
            )
            secrets = dict(SECRETS)
            if door is Httpx:
                # It knows no more of a proxy's credentials than of any other field.
                del secrets["Proxy-Authorization"]
            with door(play.port, certificates.authority) as caller:
                follow(caller, **secrets, **{"X-Plain": "kept"})
        finally:
            plain.stop()
        asked = heads(play.server) + heads(other) + plain_heads(plain)
    assert [head[":path"] for head in asked] == ["/", "/there"]
    first, second = asked
    assert first["authorization"] == "Basic c2VjcmV0" and first["cookie"] == "id=secret"
    assert second["x-plain"] == "kept"
    for name in secrets:
        assert name.lower() not in second


@FOLLOWING
@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://localhost/", "javascript:alert(1)", "gopher://a/"]
)
def test_redirects_lead_to_http_and_nowhere_else(
    scene: Stage, certificates: Certificates, door: Kind, location: str
) -> None:
    with (
        scene(elsewhere(location)) as play,
        door(play.port, certificates.authority) as caller,
        pytest.raises((*door.errors, *door.refusals)),
    ):
        follow(caller)


@FOLLOWING
def test_redirects_without_end_are_given_up(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    def round_and_round(talk: Talk) -> None:
        while True:
            asked = talk.hear_request()
            talk.answer(asked.stream_id, b"", [(":status", "302"), ("location", "/again")])

    with scene(round_and_round) as play, door(play.port, certificates.authority) as caller:
        with pytest.raises(door.errors):
            follow(caller)
        assert len(heads(play.server)) <= 31


@FOLLOWING
@pytest.mark.parametrize(("status", "method"), [(303, "GET"), (307, "POST"), (308, "POST")])
def test_what_becomes_of_a_body_on_the_way(
    scene: Stage, certificates: Certificates, door: Kind, status: int, method: str
) -> None:
    """RFC 9110 §15.4.4, §15.4.8: 303 asks anew, 307 and 308 send it again."""
    bodies = []

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        bodies.append(talk.hear_body(asked.stream_id))
        fields = [(":status", str(status)), ("location", "/there")]
        talk.answer(asked.stream_id, b"", fields)
        asked = talk.hear_request()
        if not asked.end_stream:
            bodies.append(talk.hear_body(asked.stream_id))
        talk.answer(asked.stream_id, b"there")

    with scene(script) as play, door(play.port, certificates.authority) as caller:
        follow(caller, "POST", b"four", **{"Content-Type": "text/x"})
        second = heads(play.server)[1]
        assert second[":method"] == method
        if status == 303:
            assert bodies == [b"four"]
            assert second.get("content-length", "0") == "0"
        else:
            assert bodies == [b"four", b"four"]
            assert second["content-length"] == "4" and second["content-type"] == "text/x"


def test_the_body_of_a_redirect_is_not_unpacked_by_urllib3(
    scene: Stage, certificates: Certificates
) -> None:
    """CVE-2026-21441: nobody will ever see it."""
    body = gzip.compress(bytes(16 << 20))[:16_000]
    script = elsewhere("/there", 302, body, ("content-encoding", "gzip"))
    with (
        scene(script) as play,
        bounded(4 << 20),
        Urllib3(play.port, certificates.authority) as caller,
    ):
        response = caller.caller.request("GET", caller.url + "/", preload_content=False, retries=5)
        assert response.status == 200 and response.read() == b"connection 1"
        del response


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_no_file_with_passwords_is_read(
    scene: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Client]
) -> None:
    """CVE-2024-47081: whatever the URL looks like, there is nothing to be tricked out of."""
    (tmp_path / ".netrc").write_text("machine localhost login user password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
        play.ask("/")
        play.ask("/:@localhost/")
        asked = heads(play.server) or plain_heads(play.server)
        assert len(asked) == 2
        assert not any("authorization" in head for head in asked)


# Proxies. Each door is given the same proxy, in its own words.


Through = Callable[[Scene, Certificates, str, int], Any]


def native(kind: type[HTTPConnection]) -> Through:
    def ask(play: Scene, certificates: Certificates, user: str, port: int) -> Any:
        with kind(
            "localhost",
            play.port,
            secure=True,
            ssl_context=certificates.client_context(),
            proxy_host=f"{user}@127.0.0.1",
            proxy_port=port,
            proxy_headers={"X-Proxy": "1"},
            timeout=PATIENCE,
        ) as connection:
            connection.request("GET", "/asked")
            return connection.get_response().read()

    return ask


def drop_in(play: Scene, certificates: Certificates, user: str, port: int) -> Any:
    context = hyper.client.create_default_context(cafile=str(certificates.authority))
    connection = hyper.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=context)
    token = b64encode(user.encode()).decode()
    connection.set_tunnel(
        "localhost", play.port, {"Proxy-Authorization": f"Basic {token}", "X-Proxy": "1"}
    )
    try:
        connection.request("GET", "/asked")
        return connection.getresponse().read()
    finally:
        connection.close()


def with_requests(play: Scene, certificates: Certificates, user: str, port: int) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", HTTP20Adapter())
        return session.get(
            f"https://localhost:{play.port}/asked",
            proxies={"https": f"http://{user}@127.0.0.1:{port}"},
            verify=str(certificates.authority),
            timeout=PATIENCE,
        ).content


def with_urllib3(play: Scene, certificates: Certificates, user: str, port: int) -> Any:
    headers = urllib3.make_headers(proxy_basic_auth=user)
    manager = ProxyManager(
        f"http://127.0.0.1:{port}",
        proxy_headers=headers | {"X-Proxy": "1"},
        ca_certs=str(certificates.authority),
        retries=False,
        timeout=PATIENCE,
    )
    try:
        return manager.request("GET", f"https://localhost:{play.port}/asked").data
    finally:
        manager.clear()


def with_httpx(play: Scene, certificates: Certificates, user: str, port: int) -> Any:
    transport = HTTP2Transport(
        verify=certificates.authority,
        proxy=httpx.Proxy(f"http://{user}@127.0.0.1:{port}", headers={"X-Proxy": "1"}),
    )
    with httpx.Client(transport=transport, timeout=PATIENCE) as client:
        return client.get(f"https://localhost:{play.port}/asked").content


THROUGH = pytest.mark.parametrize(
    "through",
    [native(HTTP20Connection), native(HTTPConnection), drop_in, with_requests, with_urllib3,
     with_httpx],
    ids=["HTTP20Connection", "HTTPConnection", "hyper.client", "requests", "urllib3", "httpx"],
)  # fmt: skip
FAILURES = (OSError, ProxyError, urllib3.exceptions.HTTPError, requests.RequestException,
            httpx.HTTPError)  # fmt: skip


@THROUGH
def test_a_proxy_is_told_what_is_for_it_and_the_origin_is_not(
    scene: Stage, certificates: Certificates, through: Through
) -> None:
    """CVE-2023-32681."""
    credentials = "Basic " + b64encode(b"user:secret").decode()
    with scene(polite) as play, SmallProxy() as proxy:
        assert through(play, certificates, "user:secret", proxy.port) == b"connection 1"
        (head,) = proxy.heard
        line, *fields = head.split("\r\n")
        assert line.startswith(f"CONNECT localhost:{play.port} HTTP/1.")
        said = {name.lower(): value for name, _, value in (each.partition(": ") for each in fields)}
        assert said["proxy-authorization"] == credentials
        assert not set(said) & {"cookie", "authorization", ":path"} and "/asked" not in head
        (asked,) = heads(play.server)
        assert not any(name.startswith("proxy-") or name == "x-proxy" for name in asked)
        assert credentials not in asked.values()


@pytest.mark.parametrize("kind", [HTTPConnection, HTTP11Connection])
def test_over_http_1_the_origin_is_not_told_either(
    scene: Stage, certificates: Certificates, kind: type[HTTPConnection]
) -> None:
    """Behind the tunnel the same protocol is spoken as to the proxy."""
    with scene(polite, http1=True) as play, SmallProxy() as proxy:
        assert native(kind)(play, certificates, "user:secret", proxy.port) == b"connection 1"
        (head,) = proxy.heard
        assert "proxy-authorization: Basic" in head and "x-proxy: 1" in head
        (asked,) = plain_heads(play.server)
        assert not any(name.startswith("proxy-") or name == "x-proxy" for name in asked)


def refusing(*octets: bytes) -> Callable[[ProxyTalk], None]:
    def script(talk: ProxyTalk) -> None:
        talk.hear_head()
        talk.say(*octets)

    return script


@THROUGH
@pytest.mark.parametrize("status", ["407 Who are you", "403 No", "302 There", "502 Bad gateway"])
def test_the_page_of_a_proxy_that_refuses_is_never_an_answer(
    scene: Stage, certificates: Certificates, through: Through, status: str
) -> None:
    """CVE-2009-1836: it would be taken for the origin's."""
    page = b"x" * 20_000
    head = f"HTTP/1.1 {status}\r\nlocation: https://evil.example/\r\ncontent-length: 20000\r\n\r\n"
    with scene(polite) as play, ScriptedServer(refusing(head.encode(), page)) as proxy:
        with pytest.raises(FAILURES) as caught:
            through(play, certificates, "user:secret", proxy.port)
        assert status[:3] in str(caught.value)
        assert "secret" not in str(caught.value)
        assert play.connections == 0


@KINDS
@pytest.mark.parametrize("more", [0, 1])
def test_the_head_of_a_proxys_answer_is_bounded(
    scene: Stage, certificates: Certificates, kind: type[HTTPConnection], more: int
) -> None:
    """CVE-2023-38039, for CONNECT."""
    line = b"HTTP/1.1 407 No"
    fields = [b"x: " + b"y" * 997] * 16
    last = MAX_CONNECT_HEAD - len(line) - 16_000 + more
    fields.append(b"x: " + b"y" * (last - 3))
    head = b"\r\n".join([line, *fields, b"", b""])
    with scene(polite) as play, ScriptedServer(refusing(head)) as proxy:
        says = f"{MAX_CONNECT_HEAD}" if more else "refused a tunnel .* 407 No"
        with pytest.raises(ProxyError, match=says):
            native(kind)(play, certificates, "a:b", proxy.port)


@KINDS
@pytest.mark.parametrize(
    ("begins", "goes_on", "says"),
    [
        (b"", b"HTTP/1.1 103 Wait\r\nx: y\r\n\r\n" * 1000, "interim"),
        (b"HTTP/1.1 200 Fine\r\n", b"x: " + b"y" * 997 + b"\r\n", f"{MAX_CONNECT_HEAD}"),
        (b"HTTP/1.1 200 Fine\r\nx: ", b"y" * 1000, "line"),
    ],
    ids=["interim responses", "fields", "one line"],
)
def test_the_answer_of_a_proxy_that_has_no_end_is_given_up(
    scene: Stage,
    certificates: Certificates,
    kind: type[HTTPConnection],
    begins: bytes,
    goes_on: bytes,
    says: str,
) -> None:
    def endless(talk: ProxyTalk) -> None:
        talk.hear_head()
        talk.say(begins)
        while True:
            talk.say(goes_on)

    with (
        scene(polite) as play,
        ScriptedServer(endless) as proxy,
        bounded(4 << 20),
        pytest.raises(ProxyError, match=says),
    ):
        native(kind)(play, certificates, "a:b", proxy.port)


@KINDS
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", b"HTTP/1.1 103 Wait\r\n\r\n"])
def test_a_proxy_that_keeps_us_waiting_is_given_up_in_time(
    scene: Stage, certificates: Certificates, kind: type[HTTPConnection], said: bytes
) -> None:
    def slow(talk: ProxyTalk) -> None:
        talk.hear_head()
        talk.say(said)
        talk.octets(1)

    with (
        scene(polite) as play,
        ScriptedServer(slow) as proxy,
        kind(
            "localhost", play.port, ssl_context=certificates.client_context(),
            proxy_host="127.0.0.1", proxy_port=proxy.port, timeout=0.3,
        ) as connection,
        pytest.raises(TimeoutError, match="opened no tunnel"),
    ):  # fmt: skip
        connection.request("GET", "/")


@KINDS
def test_octets_behind_the_200_of_a_proxy_are_refused(
    scene: Stage, certificates: Certificates, kind: type[HTTPConnection]
) -> None:
    """RFC 9110 §9.3.6: whose they are nobody can tell."""
    script = refusing(b"HTTP/1.1 200 Fine\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    with (
        scene(polite) as play,
        ScriptedServer(script) as proxy,
        pytest.raises(ProxyError, match="octets behind its answer"),
    ):
        native(kind)(play, certificates, "a:b", proxy.port)


@pytest.mark.parametrize("library", ["requests", "urllib3"])
def test_a_tunnel_is_for_the_credentials_that_opened_it(
    scene: Stage, certificates: Certificates, library: str
) -> None:
    """CVE-2026-3784 (curl)."""
    with scene(polite) as play, SmallProxy() as proxy:
        url = f"https://localhost:{play.port}/"
        address = f"127.0.0.1:{proxy.port}"
        if library == "requests":
            with requests.Session() as session:
                session.trust_env = False
                session.verify = str(certificates.authority)
                session.mount("https://", HTTP20Adapter())
                for user in ("a:1", "b:2", "a:1"):
                    proxies = {"https": f"http://{user}@{address}"}
                    assert session.get(url, proxies=proxies, timeout=PATIENCE).status_code == 200
        else:
            managers = {
                user: ProxyManager(
                    f"http://{address}",
                    proxy_headers=urllib3.make_headers(proxy_basic_auth=user),
                    ca_certs=str(certificates.authority),
                )
                for user in ("a:1", "b:2")
            }
            for user in ("a:1", "b:2", "a:1"):
                assert managers[user].request("GET", url, timeout=PATIENCE).status == 200
            for manager in managers.values():
                manager.clear()
        said = [
            line.partition(": ")[2]
            for head in proxy.heard
            for line in head.split("\r\n")
            if line.lower().startswith("proxy-authorization")
        ]
        tokens = ["Basic " + b64encode(user).decode() for user in (b"a:1", b"b:2")]
        assert said == tokens


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_no_variable_of_the_environment_sends_us_to_a_proxy(
    scene: Stage, monkeypatch: pytest.MonkeyPatch, kind: type[Client]
) -> None:
    """CVE-2016-1000110 ("httpoxy"): HTTP_PROXY may be a request's header."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address)
        with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
            assert play.ask() == (200, b"connection 1")
        nobody.settimeout(0)
        with pytest.raises(BlockingIOError):
            nobody.accept()


def test_the_native_door_says_what_a_proxy_answered(
    scene: Stage, certificates: Certificates
) -> None:
    """A page of 20 KB that came along must not hide the 407."""
    page = b"x" * 20_000
    head = b"HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\ncontent-length: 20000\r\n\r\n"
    with scene(polite) as play, ScriptedServer(refusing(head + page)) as proxy:
        with pytest.raises(ProxyError, match="407 Who; give credentials") as caught:
            native(HTTP20Connection)(play, certificates, "a:b", proxy.port)
        assert caught.value.response is not None
        assert caught.value.response.headers["proxy-authenticate"] == [b"Basic"]
