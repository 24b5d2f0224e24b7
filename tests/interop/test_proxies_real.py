"""Through proxies of other makes: Apache's, and HAProxy and nghttpx in front of it.

Apache opens the tunnels and wants a password. The two others hand CONNECT on to it, each with its
own idea of what a tunnel's answer looks like.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import ssl
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

from ..certificates import Certificates
from ..servers import InProcessServer
from .kinds import HAPROXY_START, apache_start, nghttpx_start
from .servers import Kind, Ports, Server, Site

REQUIRED = os.environ.get("HYPER_REQUIRE_SERVERS") == "1"
USER = "user:open sesame"
TIMEOUT = 20


def apache(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    wanted = "mpm_event authn_core authn_file authz_core authz_user auth_basic"
    wanted += " proxy proxy_http proxy_connect"
    name, _, password = USER.partition(":")
    digest = base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()
    (folder / "users").write_text(f"{name}:{{SHA}}{digest}\n")
    (folder / "users").chmod(0o644)
    text = f"""
{apache_start(program, folder, wanted)}
Listen 127.0.0.1:{ports.plain}
ProxyRequests On
ProxyVia Off
AllowCONNECT {site.backend} 443
<Proxy *>
  AuthType Basic
  AuthName proxy
  AuthBasicProvider file
  AuthUserFile {folder}/users
  Require valid-user
</Proxy>
"""
    (folder / "proxy.conf").write_text(text)
    return [[program, "-D", "FOREGROUND", "-f", str(folder / "proxy.conf")]]


def haproxy(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    text = f"""
{HAPROXY_START}
listen proxy
  bind 127.0.0.1:{ports.plain}
  server apache 127.0.0.1:{site.backend}
"""
    (folder / "haproxy.cfg").write_text(text)
    return [[program, "-W", "-db", "-f", str(folder / "haproxy.cfg")]]


def nghttpx(program: str, site: Site, folder: Path, ports: Ports) -> list[list[str]]:
    command = [*nghttpx_start(program), "--http2-proxy"]
    command += [f"-f127.0.0.1,{ports.plain};no-tls", f"-b127.0.0.1,{site.backend}"]
    return [command]


PLAIN = frozenset({"plain"})
APACHE = Kind("apache-proxy", "apache2", apache, PLAIN)
FRONTS = {
    "haproxy": Kind("haproxy-proxy", "haproxy", haproxy, PLAIN),
    "nghttpx": Kind("nghttpx-proxy", "nghttpx", nghttpx, PLAIN),
}


@pytest.fixture(scope="module")
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def running(
    stack: contextlib.ExitStack, server: InProcessServer, certificates: Certificates
) -> Callable[[str], int]:
    """The port of a proxy, which is started when it is first asked for."""
    ports: dict[str, int] = {}

    def start(kind: Kind, backend: int) -> int:
        missing = kind.missing()
        if missing:
            (pytest.fail if REQUIRED else pytest.skip)(missing)
        site = Site(
            root=Path("/nowhere"),
            certificate=certificates.chain,
            key=certificates.key,
            key_pkcs8=certificates.key,
            bundle=certificates.both,
            ca=certificates.authority,
            backend=backend,
        )
        return stack.enter_context(Server(kind, site)).ports.plain

    def port(name: str) -> int:
        if "apache" not in ports:
            ports["apache"] = start(APACHE, server.port)
        if name not in ports:
            ports[name] = start(FRONTS[name], ports["apache"])
        return ports[name]

    return port


@pytest.fixture(params=["apache", *FRONTS])
def proxy(request: pytest.FixtureRequest, running: Callable[[str], int]) -> int:
    return running(request.param)


def quoted(user: str = USER) -> str:
    return user.replace(" ", "%20")


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTPConnection, HTTP11Connection])
def test_a_tunnel_carries_requests_and_bodies_both_ways(
    server: InProcessServer, ssl_context: ssl.SSLContext, proxy: int, kind: type[HTTPConnection]
) -> None:
    body = os.urandom(300_000)
    with kind(
        "localhost",
        server.port,
        ssl_context=ssl_context,
        proxy_host=f"{quoted()}@127.0.0.1",
        proxy_port=proxy,
        timeout=TIMEOUT,
    ) as connection:
        connection.request("GET", "/headers")
        fields = json.loads(connection.get_response().read())["headers"]
        assert not [name for name in fields if "roxy" in name]
        connection.request("POST", "/post", body)
        answer = json.loads(connection.get_response().read())
        assert base64.b64decode(answer["data"].partition("base64,")[2]) == body
        connection.request("GET", "/bytes/50000?seed=1")
        assert len(connection.get_response().read()) == 50_000
        assert connection.version == ("HTTP/1.1" if kind is HTTP11Connection else "HTTP/2")


@pytest.mark.parametrize("user", [None, "user:wrong", "nobody:open sesame"])
def test_a_proxy_that_wants_a_password_says_so(
    server: InProcessServer, ssl_context: ssl.SSLContext, proxy: int, user: str | None
) -> None:
    with (
        HTTP20Connection(
            "localhost",
            server.port,
            ssl_context=ssl_context,
            proxy_host="127.0.0.1" if user is None else f"{quoted(user)}@127.0.0.1",
            proxy_port=proxy,
            timeout=TIMEOUT,
        ) as connection,
        pytest.raises(ProxyError, match=r"407 .*give credentials") as caught,
    ):
        connection.request("GET", "/headers")
    response = caught.value.response
    assert response is not None and response.status == 407
    assert response.headers["proxy-authenticate"][0].startswith(b"Basic")
    assert "wrong" not in str(caught.value) and "sesame" not in str(caught.value)


def test_a_tunnel_to_where_the_proxy_may_not_go_is_refused(
    ssl_context: ssl.SSLContext, proxy: int
) -> None:
    with (
        HTTP20Connection(
            "localhost",
            9,
            ssl_context=ssl_context,
            proxy_host=f"{quoted()}@127.0.0.1",
            proxy_port=proxy,
            timeout=TIMEOUT,
        ) as connection,
        pytest.raises(ProxyError, match="refused a tunnel to localhost:9: 403"),
    ):
        connection.request("GET", "/")


@pytest.mark.parametrize("kind", [HTTPConnection, HTTP11Connection])
def test_cleartext_is_forwarded(
    server: InProcessServer, proxy: int, kind: type[HTTPConnection]
) -> None:
    with kind(
        "localhost",
        server.plain_port,
        proxy_host=f"{quoted()}@127.0.0.1",
        proxy_port=proxy,
        timeout=TIMEOUT,
    ) as connection:
        for number in range(3):
            connection.request("GET", f"/get?number={number}")
            answer = json.loads(connection.get_response().read())
            assert answer["args"] == {"number": str(number)}
            assert not [name for name in answer["headers"] if name.startswith("Proxy-")]


def drop_in(url: str, certificates: Certificates, proxy: int) -> Any:
    host, _, path = url.removeprefix("https://").partition("/")
    context = hyper.client.create_default_context(cafile=str(certificates.authority))
    connection = hyper.client.HTTPSConnection("127.0.0.1", proxy, timeout=TIMEOUT, context=context)
    token = base64.b64encode(USER.encode()).decode()
    connection.set_tunnel(host, headers={"Proxy-Authorization": f"Basic {token}"})
    connection.request("GET", f"/{path}")
    response = connection.getresponse()
    assert response.version == 20
    body = response.read()
    connection.close()
    return body


def with_requests(url: str, certificates: Certificates, proxy: int) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", HTTP20Adapter())
        proxies = {"https": f"http://{quoted()}@127.0.0.1:{proxy}"}
        verify = str(certificates.authority)
        response = session.get(url, proxies=proxies, verify=verify, timeout=TIMEOUT)
        assert response.raw.version == 20
        return response.content


def with_urllib3(url: str, certificates: Certificates, proxy: int) -> Any:
    manager = ProxyManager(
        f"http://127.0.0.1:{proxy}",
        proxy_headers=urllib3.make_headers(proxy_basic_auth=USER),
        ca_certs=str(certificates.authority),
        timeout=TIMEOUT,
    )
    response = manager.request("GET", url)
    assert response.version == 20
    body = response.data
    del response
    manager.clear()
    return body


def with_httpx(url: str, certificates: Certificates, proxy: int) -> Any:
    transport = HTTP2Transport(
        verify=certificates.authority, proxy=f"http://{quoted()}@127.0.0.1:{proxy}"
    )
    with httpx.Client(transport=transport, timeout=TIMEOUT) as client:
        response = client.get(url)
        assert response.http_version == "HTTP/2"
        return response.content


@pytest.mark.parametrize("through", [drop_in, with_requests, with_urllib3, with_httpx])
def test_every_door_goes_through_with_http_2(
    server: InProcessServer,
    certificates: Certificates,
    proxy: int,
    through: Callable[[str, Certificates, int], bytes],
) -> None:
    url = f"https://localhost:{server.port}/headers"
    fields = json.loads(through(url, certificates, proxy))["headers"]
    assert not [name for name in fields if "roxy" in name]
