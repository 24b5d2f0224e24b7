"""httpx over httpcore and h2; its AsyncClient where many requests are in flight."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import httpx

from bench.clients import Client, Target


class Httpx(Client):
    share = 0.15

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.context = ssl.create_default_context(cafile=target.authority)
        self.client = httpx.Client(http2=True, http1=False, verify=self.context, timeout=60)
        self.runner: asyncio.Runner | None = None
        self.async_client: httpx.AsyncClient | None = None

    def get(self) -> int:
        headers = self.headers() if self.target.headers else None
        response = self.client.get(self.target.url, headers=headers)
        assert response.status_code == 200
        return len(response.content)

    def batch(self, count: int) -> int:
        if self.runner is None:
            self.runner = asyncio.Runner()
            self.async_client = httpx.AsyncClient(
                http2=True,
                http1=False,
                verify=self.context,
                timeout=60,
                limits=httpx.Limits(max_connections=1),
            )
        return self.runner.run(self._batch(count))

    async def _batch(self, count: int) -> int:
        client = self.async_client
        assert client is not None
        url = self.target.url
        each = [self.headers() if self.target.headers else None for _ in range(count)]
        responses = await asyncio.gather(*(client.get(url, headers=own) for own in each))
        assert all(response.status_code == 200 for response in responses)
        return sum(len(response.content) for response in responses)

    def once(self) -> int:
        with httpx.Client(http2=True, http1=False, verify=self.context) as client:
            response = client.get(self.target.url)
            assert response.status_code == 200
            return len(response.content)

    def stream(self) -> int:
        with self.client.stream("GET", self.target.url) as response:
            assert response.status_code == 200
            return sum(len(chunk) for chunk in response.iter_raw())

    def upload(self, body: bytes) -> None:
        # Given as bytes it would be sliced anew for every frame: 45 s instead of 0.2.
        def blocks() -> Iterator[bytes]:
            for start in range(0, len(body), 65536):
                yield body[start : start + 65536]

        headers = {"content-length": str(len(body))}
        response = self.client.post(self.target.url, content=blocks(), headers=headers)
        assert response.status_code == 200

    def version(self) -> str:
        assert self.client.get(self.target.url).http_version == "HTTP/2"
        return f"httpx {httpx.__version__}"

    def close(self) -> None:
        self.client.close()
        if self.runner is not None and self.async_client is not None:
            self.runner.run(self.async_client.aclose())
            self.runner.close()
