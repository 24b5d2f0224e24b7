"""Ours."""

from __future__ import annotations

import ssl

import hyper
from bench.clients import Client, Target


class Hyper(Client):
    def __init__(self, target: Target) -> None:
        super().__init__(target)
        context = ssl.create_default_context(cafile=target.authority)
        self.connection = hyper.HTTP20Connection(f"localhost:{target.port}", ssl_context=context)

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
        with self.connection.together():
            streams = [self.connection.request("GET", self.target.path) for _ in range(count)]
        size = 0
        for stream in streams:
            response = self.connection.get_response(stream)
            size += len(response.read())
            assert response.status == 200
        return size

    def stream(self) -> int:
        response = self.connection.get_response(self.connection.request("GET", self.target.path))
        assert response.status == 200
        return sum(len(chunk) for chunk in response.read_chunked())

    def upload(self, body: bytes) -> None:
        stream = self.connection.request("POST", self.target.path, body=body)
        response = self.connection.get_response(stream)
        response.read()
        assert response.status == 200

    def version(self) -> str:
        return f"hyper {hyper.__version__}"

    def close(self) -> None:
        self.connection.close()
