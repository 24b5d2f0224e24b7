"""Ours."""

from __future__ import annotations

import ssl

import hyper
from bench.clients import Client, Target


class Hyper(Client):
    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.context = ssl.create_default_context(cafile=target.authority)
        self.connection = self.connect()

    def connect(self) -> hyper.HTTPConnection:
        return hyper.HTTP20Connection(
            "localhost", self.target.port, secure=self.target.tls, ssl_context=self.context
        )

    def get(self) -> int:
        if self.target.headers:
            stream = self.connection.request("GET", self.target.path, headers=self.headers())
        else:
            stream = self.connection.request("GET", self.target.path)
        response = self.connection.get_response(stream)
        body = response.read()
        assert response.status == 200
        return len(body)

    def batch(self, count: int) -> int:
        request, path = self.connection.request, self.target.path
        with self.connection.together():
            if self.target.headers:
                streams = [request("GET", path, headers=self.headers()) for _ in range(count)]
            else:
                streams = [request("GET", path) for _ in range(count)]
        size = 0
        for stream in streams:
            response = self.connection.get_response(stream)
            size += len(response.read())
            assert response.status == 200
        return size

    def once(self) -> int:
        with self.connect() as connection:
            response = connection.get_response(connection.request("GET", self.target.path))
            body = response.read()
            assert response.status == 200
            return len(body)

    def stream(self) -> int:
        response = self.connection.get_response(self.connection.request("GET", self.target.path))
        assert response.status == 200
        return sum(map(len, response.read_chunked()))

    def upload(self, body: bytes) -> None:
        stream = self.connection.request("POST", self.target.path, body=body)
        response = self.connection.get_response(stream)
        response.read()
        assert response.status == 200

    def version(self) -> str:
        return f"hyper {hyper.__version__}"

    def close(self) -> None:
        self.connection.close()


class Hyper11(Hyper):
    """The native door over HTTP/1.1."""

    def connect(self) -> hyper.HTTPConnection:
        return hyper.HTTP11Connection(
            "localhost", self.target.port, secure=True, ssl_context=self.context
        )

    def get(self) -> int:
        self.connection.request("GET", self.target.path)
        response = self.connection.get_response()
        body = response.read()
        assert response.status == 200
        return len(body)

    def version(self) -> str:
        assert self.connection.version == "HTTP/1.1"
        return f"hyper {hyper.__version__} over HTTP/1.1"
