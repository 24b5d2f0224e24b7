"""pycurl: libcurl and nghttp2, in C."""

from __future__ import annotations

import io
from typing import Any

import pycurl

from bench.clients import Client, Target


class PyCurl(Client):
    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.chunks: list[bytes] = []
        self.easy = self._easy(self.chunks)
        self.multi: Any = None
        self.pool: list[tuple[Any, list[bytes]]] = []

    def _easy(self, chunks: list[bytes]) -> Any:
        easy = pycurl.Curl()
        known = pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
        version = pycurl.CURL_HTTP_VERSION_2TLS if self.target.tls else known
        easy.setopt(pycurl.HTTP_VERSION, version)
        easy.setopt(pycurl.CAINFO, self.target.authority)
        easy.setopt(pycurl.NOSIGNAL, 1)
        easy.setopt(pycurl.WRITEFUNCTION, chunks.append)
        # Larger than the default of 16 KiB: fewer calls of the write function.
        easy.setopt(pycurl.BUFFERSIZE, 256 * 1024)
        return easy

    def _check(self, easy: Any) -> None:
        assert easy.getinfo(pycurl.RESPONSE_CODE) == 200

    def get(self) -> int:
        self.chunks.clear()
        self.easy.setopt(pycurl.URL, self.target.url)
        if self.target.headers:
            self.easy.setopt(pycurl.HTTPHEADER, self._lines())
        self.easy.perform()
        self._check(self.easy)
        return len(b"".join(self.chunks))

    def _lines(self) -> list[str]:
        return [f"{name}: {value}" for name, value in self.headers()]

    def batch(self, count: int) -> int:
        if self.multi is None:
            self.multi = pycurl.CurlMulti()
            self.multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
            self.multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
            for _ in range(count):
                chunks: list[bytes] = []
                easy = self._easy(chunks)
                easy.setopt(pycurl.PIPEWAIT, 1)
                self.pool.append((easy, chunks))
        multi = self.multi
        for easy, chunks in self.pool:
            chunks.clear()
            easy.setopt(pycurl.URL, self.target.url)
            if self.target.headers:
                easy.setopt(pycurl.HTTPHEADER, self._lines())
            multi.add_handle(easy)
        left = count
        while left:
            _, left = multi.perform()
            if left:
                multi.select(10.0)
        size = 0
        for easy, chunks in self.pool:
            self._check(easy)
            size += len(b"".join(chunks))
            multi.remove_handle(easy)
        return size

    def for_thread(self) -> PyCurl:
        # A handle belongs to one thread, and so does its connection.
        other = PyCurl(self.target)
        other.numbers = self.numbers
        return other

    def once(self) -> int:
        # The handle keeps the certificates that it read, as our context does, and nothing else.
        self.easy.setopt(pycurl.FRESH_CONNECT, 1)
        self.easy.setopt(pycurl.FORBID_REUSE, 1)
        self.easy.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
        return self.get()

    def stream(self) -> int:
        size = 0

        def count(data: bytes) -> None:
            nonlocal size
            size += len(data)

        self.easy.setopt(pycurl.URL, self.target.url)
        self.easy.setopt(pycurl.WRITEFUNCTION, count)
        self.easy.perform()
        self.easy.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        self._check(self.easy)
        return size

    def whole(self) -> int:
        buffer = io.BytesIO()
        self.easy.setopt(pycurl.URL, self.target.url)
        self.easy.setopt(pycurl.WRITEFUNCTION, buffer.write)
        self.easy.perform()
        self.easy.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        self._check(self.easy)
        return len(buffer.getvalue())

    def upload(self, body: bytes) -> None:
        self.chunks.clear()
        self.easy.setopt(pycurl.URL, self.target.url)
        self.easy.setopt(pycurl.HTTPHEADER, ["expect:"])
        self.easy.setopt(pycurl.POST, 1)
        self.easy.setopt(pycurl.POSTFIELDS, body)
        self.easy.perform()
        self._check(self.easy)

    def version(self) -> str:
        self.easy.setopt(pycurl.URL, self.target.url)
        self.easy.perform()
        assert self.easy.getinfo(pycurl.INFO_HTTP_VERSION) == pycurl.CURL_HTTP_VERSION_2_0
        curl = pycurl.version_info()
        return f"pycurl {pycurl.version.partition(' ')[0].partition('/')[2]} ({curl[1]}, {curl[5]})"

    def close(self) -> None:
        self.easy.close()
