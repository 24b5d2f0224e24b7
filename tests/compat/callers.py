"""Programs that speak HTTP/1.1, each in a few lines: what changes about them is a context.

None of them is changed, patched or told about HTTP/2.
"""

from __future__ import annotations

import http.client
import importlib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import hyper.client

__all__ = ["CALLERS", "Answer", "Caller"]


@dataclass
class Answer:
    """What came back; ``headers`` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def over_http2(self) -> bool:
        """What the server says that it spoke: hypercorn names its implementation."""
        return self.headers["server"] == "hypercorn-h2"


class Caller:
    """One of them: ``ask`` for a whole answer, ``stream`` for a body in pieces."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        raise NotImplementedError

    def stream(self, url: str) -> Iterator[bytes]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is kept open."""


class HTTPClient(Caller):
    connection_class: Any = http.client.HTTPSConnection

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.connections: dict[str, Any] = {}

    def request(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Any:
        parts = urlsplit(url)
        connection = self.connections.get(parts.netloc)
        if connection is None:
            connection = self.connection_class(parts.netloc, context=self.context, timeout=20)
            self.connections[parts.netloc] = connection
        connection.request(method, url.partition(parts.netloc)[2], body, dict(headers))
        return connection.getresponse()

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        response = self.request(method, url, body, headers or {})
        return Answer(response.status, lowered(response.getheaders()), response.read())

    def stream(self, url: str) -> Iterator[bytes]:
        response = self.request("GET", url, None, {})
        while piece := response.read(65536):
            yield piece

    def close(self) -> None:
        for connection in self.connections.values():
            connection.close()


class HyperClient(HTTPClient):
    connection_class = hyper.client.HTTPSConnection


class URLLib(Caller):
    def open(self, request: urllib.request.Request) -> Any:
        return urllib.request.urlopen(request, timeout=20, context=self.context)

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        request = urllib.request.Request(url, body, dict(headers or {}), method=method)
        try:
            response = self.open(request)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(response.status, lowered(response.headers.items()), response.read())

    def stream(self, url: str) -> Iterator[bytes]:
        with self.open(urllib.request.Request(url)) as response:
            while piece := response.read(65536):
                yield piece


class URLLib3(Caller):
    def __init__(self, context: Any) -> None:
        super().__init__(context)
        import urllib3

        self.pool = urllib3.PoolManager(ssl_context=context, timeout=20, retries=False)

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        response = self.pool.request(method, url, body=body, headers=headers)
        return Answer(response.status, lowered(response.headers.items()), response.data)

    def stream(self, url: str) -> Iterator[bytes]:
        response = self.pool.request("GET", url, preload_content=False)
        yield from response.stream(65536)
        response.release_conn()

    def close(self) -> None:
        self.pool.clear()


class Requests(Caller):
    def __init__(self, context: Any) -> None:
        super().__init__(context)
        import requests

        self.session = requests.Session()
        adapter: Any = self.session.get_adapter("https://")
        adapter.init_poolmanager(10, 10, ssl_context=context)

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        response = self.session.request(
            method, url, data=body, headers=headers, timeout=20, allow_redirects=False
        )
        return Answer(response.status_code, lowered(response.headers.items()), response.content)

    def stream(self, url: str) -> Iterator[bytes]:
        with self.session.get(url, stream=True, timeout=20) as response:
            yield from response.iter_content(65536)

    def close(self) -> None:
        self.session.close()


class Botocore(Caller):
    def __init__(self, context: Any) -> None:
        super().__init__(context)
        httpsession: Any = importlib.import_module("botocore.httpsession")

        class Session(httpsession.URLLib3Session):  # type: ignore[misc]
            def _get_ssl_context(self) -> Any:
                return context

        self.session = Session(timeout=20)
        # Its own bundle of roots comes on top of those that the context has.
        self.session._verify = True

    def send(self, method: str, url: str, body: Any, headers: Any, stream: bool) -> Any:
        awsrequest: Any = importlib.import_module("botocore.awsrequest")
        if isinstance(body, Iterator):
            # It wants to know the length of what it signs.
            body = b"".join(body)
        request = awsrequest.AWSRequest(method, url, headers, body, stream_output=stream)
        return self.session.send(request.prepare())

    def ask(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        response = self.send(method, url, body, headers or {}, False)
        return Answer(response.status_code, lowered(response.headers.items()), response.content)

    def stream(self, url: str) -> Iterator[bytes]:
        response = self.send("GET", url, None, {}, True)
        yield from response.raw.stream(65536)
        response.raw.release_conn()

    def close(self) -> None:
        self.session.close()


CALLERS: dict[str, Callable[[Any], Caller]] = {
    "http.client": HTTPClient,
    "hyper.client": HyperClient,
    "urllib.request": URLLib,
    "urllib3": URLLib3,
    "requests": Requests,
    "botocore": Botocore,
}


def lowered(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
