"""Appended to the conftest of httpx's own tests: their clients over HTTP/2, to their application.

``STOCK=1`` leaves httpx as it is, so that failures which are not ours can be told apart.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx._client
import hypercorn.asyncio
import pytest
from hypercorn.config import Config

from hyper.contrib.httpx import HTTP2Transport

NAMES = vars(httpx._client)
REAL = NAMES["HTTPTransport"]


def mounted(*, verify: Any, cert: Any, proxy: Any = None, **more: Any) -> Any:
    if os.environ.get("STOCK"):
        return REAL(verify=verify, cert=cert, proxy=proxy, **more)
    return HTTP2Transport(verify=verify, cert=cert, proxy=proxy, prior_knowledge=True)


NAMES["HTTPTransport"] = mounted


class CleartextServer:
    """What their fixture offers, over HTTP/2 by prior knowledge."""

    host = "127.0.0.1"

    def __init__(self, app: Any) -> None:
        listener = socket.create_server((self.host, 0))
        self.port: int = listener.getsockname()[1]
        self.config = self
        settings = Config()
        settings.bind = [f"fd://{listener.detach()}"]
        settings.accesslog = settings.errorlog = None
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(app, settings), daemon=True)
        self._thread.start()

    @property
    def url(self) -> httpx.URL:
        return httpx.URL(f"http://{self.host}:{self.port}/")

    def _run(self, app: Any, settings: Config) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(hypercorn.asyncio.serve(app, settings, shutdown_trigger=self._stop.wait))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture(scope="session")
def server() -> Iterator[CleartextServer]:
    server = CleartextServer(globals()["app"])
    yield server
    server.stop()
