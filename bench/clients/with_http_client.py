"""http.client over HTTP/1.1; the same with our context, over HTTP/2; and our twin of it."""

from __future__ import annotations

import http.client
import platform
import ssl

import hyper
import hyper.client
from bench.clients import Client, Target


class HTTPClient(Client):
    """The standard library and nothing else."""

    name = f"http.client of Python {platform.python_version()}"
    speaks = 11
    connection_class: type[http.client.HTTPSConnection] = http.client.HTTPSConnection

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.connection = self.connection_class("localhost", target.port, context=self.context())

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.target.authority)

    def get(self) -> int:
        self.connection.request("GET", self.target.path)
        response = self.connection.getresponse()
        body = response.read()
        assert response.status == 200
        return len(body)

    def spoken(self) -> int:
        """The version of HTTP, as the socket has it: http.client knows no other than 1.1."""
        if self.connection.sock is None:
            self.get()
        sock = self.connection.sock
        return 20 if sock is not None and sock.selected_alpn_protocol() == "h2" else 11

    def version(self) -> str:
        assert self.spoken() == self.speaks
        return f"{self.name} over HTTP/{'1.1' if self.speaks == 11 else '2'}"

    def close(self) -> None:
        self.connection.close()


class WithOurContext(HTTPClient):
    name = f"http.client with the context of hyper {hyper.__version__}"
    speaks = 20

    def context(self) -> ssl.SSLContext:
        return hyper.client.create_default_context(cafile=self.target.authority)


class DropIn(WithOurContext):
    name = f"hyper.client {hyper.__version__}"
    connection_class = hyper.client.HTTPSConnection
