"""The page of what a request costs: its Python calls are counted here, without a stop-watch.

A GET over TLS of a few octets, once the connection is warm, by each way to ask. The server is in
another thread, which is not counted. A figure of the page may be somewhat above what is counted,
as Pythons and other people's libraries differ, and never below. ``interop/test_system_calls.py``
counts the calls into the operating system.
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import urllib3

import hyper.client
from hyper import HTTP11Connection, HTTP20Connection
from hyper.contrib import HTTP20Adapter
from hyper.contrib.httpx import HTTP2Transport
from hyper.contrib.urllib3 import PoolManager

from .certificates import Certificates
from .servers import InProcessServer
from .test_call_budget import counted

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "what-a-request-costs.md"
BODY = b"hello, world"
Get = Callable[[], bytes]
Make = Callable[[ExitStack, int, ssl.SSLContext], Get]


def hyper_h2(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
    connection = HTTP20Connection("localhost", port, ssl_context=context)
    stack.enter_context(connection)

    def get() -> bytes:
        connection.request("GET", "/hello")
        return connection.get_response().read()

    return get


def hyper_h1(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
    context.set_alpn_protocols(["http/1.1"])
    connection = HTTP11Connection("localhost", port, ssl_context=context)
    stack.enter_context(connection)

    def get() -> bytes:
        connection.request("GET", "/hello")
        return connection.get_response().read()

    return get


def by(module: Any) -> Make:
    def make(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
        if module is http.client:
            context.set_alpn_protocols(["http/1.1"])
        connection = module.HTTPSConnection("localhost", port, context=context)
        stack.callback(connection.close)

        def get() -> bytes:
            connection.request("GET", "/hello")
            answer: bytes = connection.getresponse().read()
            return answer

        return get

    return make


def by_urllib3(make_pool: Any) -> Make:
    def make(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
        pool = stack.enter_context(make_pool(ssl_context=context))
        url = f"https://localhost:{port}/hello"

        def get() -> bytes:
            answer: bytes = pool.request("GET", url).data
            return answer

        return get

    return make


def by_requests(adapter: Callable[[], Any]) -> Make:
    def make(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
        session = stack.enter_context(requests.Session())
        session.mount("https://", adapter())
        url = f"https://localhost:{port}/hello"
        return lambda: bytes(session.get(url).content)

    return make


def by_httpx(transport: Callable[[ssl.SSLContext], Any]) -> Make:
    def make(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
        client = stack.enter_context(httpx.Client(transport=transport(context)))
        url = f"https://localhost:{port}/hello"
        return lambda: bytes(client.get(url).content)

    return make


#: What the rows of the page are called, and how they are made.
ROWS: dict[str, Make] = {
    "`HTTP20Connection`": hyper_h2,
    "`HTTP11Connection`, HTTP/1.1": hyper_h1,
    "`http.client`, HTTP/1.1": by(http.client),
    "`hyper.client`": by(hyper.client),
    "urllib3, HTTP/1.1": by_urllib3(urllib3.PoolManager),
    "urllib3 with `hyper.contrib.urllib3`": by_urllib3(PoolManager),
    "requests, HTTP/1.1": by_requests(requests.adapters.HTTPAdapter),
    "requests with `HTTP20Adapter`": by_requests(HTTP20Adapter),
    "httpx, `http2=True`": by_httpx(lambda own: httpx.HTTPTransport(verify=own, http2=True)),
    "httpx with `HTTP2Transport`": by_httpx(lambda own: HTTP2Transport(verify=own)),
}


def told() -> dict[str, tuple[int, int]]:
    """The table of the page: Python calls and system calls, by row."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \|$", PAGE.read_text("utf-8"), re.M)
    return {name: (int(calls), int(system)) for name, calls, system in rows}


def test_the_page_has_a_row_for_each_way_to_ask() -> None:
    assert list(told()) == list(ROWS)


def test_readme_says_what_the_page_says() -> None:
    readme = " ".join((PAGE.parents[2] / "README.md").read_text("utf-8").split())
    ours, theirs = told()["`HTTP20Connection`"], told()["`http.client`, HTTP/1.1"]
    assert f"{ours[0]} Python calls and {ours[1]} of the operating system" in readme
    assert f"takes {theirs[0]} and {theirs[1]} for one over HTTP/1.1" in readme


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_page_is_what_is_counted(
    row: str, server: InProcessServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))
    counts = []
    with ExitStack() as stack:
        get = ROWS[row](stack, server.port, certificates.client_context())
        for _ in range(30):
            with counted() as calls:
                body = get()
            assert body == BODY
            counts.append(calls.total())
    # A response may come in one read or in several, as it happens; the page tells of the former.
    least = min(counts[10:])
    said, _ = told()[row]
    assert least <= said <= least * 1.3 + 5, f"{row}: {least} are counted"
