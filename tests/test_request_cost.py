"""The page of what a request costs: its Python calls are counted here, without a stop-watch.

A GET over TLS of a few octets, once the connection is warm, by each way to ask. The server is in
another thread, which is not counted, and answers in one piece. A figure of the page may be somewhat
above what is counted, as Pythons and other people's libraries differ, and hardly below.
``interop/test_system_calls.py`` counts the calls into the operating system.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
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
from .test_call_budget import counted

PAGE = Path(__file__).resolve().parent.parent / "docs" / "explanation" / "what-a-request-costs.md"
BODY = b"hello, world"
FIELDS = [
    ("content-type", "text/plain"),
    ("content-length", str(len(BODY))),
    ("server", "plain-spoken"),
    ("cache-control", "max-age=3600"),
]


class PlainSpoken:
    """A server over TLS that answers every GET in one piece, HTTP/2 by the h2 package or HTTP/1.1.

    Others answer in several, and how many of them a client finds at once is a matter of luck.
    """

    def __init__(self, certificates: Certificates) -> None:
        self.context = certificates.server_context()
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]

    def __enter__(self) -> PlainSpoken:
        self.threads[0].start()
        return self

    def __exit__(self, *what: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                thread = threading.Thread(target=self.serve, args=[sock])
                self.threads.append(thread)
                thread.start()

    def serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), self.context.wrap_socket(sock, server_side=True) as secured:
            if secured.selected_alpn_protocol() == "h2":
                self.speak_http2(secured)
            else:
                self.speak_http1(secured)

    def speak_http2(self, sock: ssl.SSLSocket) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        sock.sendall(connection.data_to_send())
        while data := sock.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    assert event.stream_id is not None
                    connection.send_headers(event.stream_id, [(":status", "200"), *FIELDS])
                    connection.send_data(event.stream_id, BODY, end_stream=True)
            if answer := connection.data_to_send():
                sock.sendall(answer)

    def speak_http1(self, sock: ssl.SSLSocket) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in FIELDS)
        answer = f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + BODY
        asked = b""
        while data := sock.recv(65536):
            asked += data
            while b"\r\n\r\n" in asked:
                _, _, asked = asked.partition(b"\r\n\r\n")
                sock.sendall(answer)


@pytest.fixture
def answering(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlainSpoken]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))
    with PlainSpoken(certificates) as server:
        yield server


Get = Callable[[], bytes]
Make = Callable[[ExitStack, int, ssl.SSLContext], Get]


def natively(kind: type[HTTP20Connection | HTTP11Connection]) -> Make:
    def make(stack: ExitStack, port: int, context: ssl.SSLContext) -> Get:
        if kind is HTTP11Connection:
            context.set_alpn_protocols(["http/1.1"])
        connection = stack.enter_context(kind("localhost", port, ssl_context=context))

        def get() -> bytes:
            connection.request("GET", "/hello")
            return connection.get_response().read()

        return get

    return make


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
    "`HTTP20Connection`": natively(HTTP20Connection),
    "`HTTP11Connection`, HTTP/1.1": natively(HTTP11Connection),
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


#: As many as a program in a container might find in its environment.
VARIABLES = 20


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_page_is_what_is_counted(
    row: str,
    answering: PlainSpoken,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # requests walks through the environment, and whoever runs the tests has another one.
    for name in set(os.environ) - {"REQUESTS_CA_BUNDLE"}:
        monkeypatch.delenv(name)
    for number in range(VARIABLES):
        monkeypatch.setenv(f"VARIABLE_{number}", "")
    counts = []
    with ExitStack() as stack:
        get = ROWS[row](stack, answering.port, certificates.client_context())
        for _ in range(30):
            with counted() as calls:
                body = get()
            assert body == BODY
            counts.append(calls.total())
    least = min(counts[10:])
    said, _ = told()[row]
    assert least <= said * 1.05, f"{row}: {least} are counted"
    if sys.version_info[:2] == (3, 11):
        # It is the Python of the page, which has to be told of what became better, too.
        assert said <= least * 1.2 + 3, f"{row}: {least} are counted"
