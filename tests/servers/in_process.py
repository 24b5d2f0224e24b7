"""hypercorn on a thread of the test process: HTTP/2 and HTTP/1.1, over TLS and in cleartext."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import hypercorn.asyncio
from hypercorn.config import Config

from ..certificates import Certificates
from .app import Application, application

__all__ = ["InProcessServer"]


class InProcessServer:
    """A server that is up once it is built, and gone without a trace after ``stop()``.

    host        always "127.0.0.1"; the certificate is good for "localhost" and the others too
    port        TLS: HTTP/2 or HTTP/1.1, as ALPN decides
    plain_port  cleartext: HTTP/2 by prior knowledge, or HTTP/1.1
    """

    host = "127.0.0.1"

    def __init__(
        self, certificates: Certificates, app: Application | None = None, **settings: Any
    ) -> None:
        """Serve ``app``, by default that of ``tests/servers/app.py``.

        ``settings`` are attributes of hypercorn's Config, such as h2_max_concurrent_streams.
        """
        self._app = app
        secure, self.port = self._listen()
        plain, self.plain_port = self._listen()
        config = Config()
        config.bind = [f"fd://{secure}"]
        config.insecure_bind = [f"fd://{plain}"]
        config.certfile = str(certificates.chain)
        config.keyfile = str(certificates.key)
        config.accesslog = None
        config.errorlog = None
        config.graceful_timeout = 0.5
        # Load belongs on one connection here; hypercorn says goodbye after 1,000 by default.
        config.keep_alive_max_requests = 1_000_000
        for name, value in settings.items():
            if not hasattr(config, name):
                raise AttributeError(f"hypercorn's Config has no setting {name!r}")
            setattr(config, name, value)
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="hypercorn", daemon=True)
        self._thread.start()

    def _listen(self) -> tuple[int, int]:
        # Listening before hypercorn is up: a client that comes first waits in the backlog.
        listener = socket.create_server((self.host, 0), backlog=128)
        port: int = listener.getsockname()[1]
        return listener.detach(), port

    def _run(self) -> None:
        app: Any = self._app or application()
        trigger = self._stopped.wait
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(hypercorn.asyncio.serve(app, self._config, shutdown_trigger=trigger))

    def stop(self) -> None:
        """Shut down and wait for the thread; raise if it does not end in ten seconds."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)
        if self._thread.is_alive():
            raise TimeoutError("the in-process server did not stop within 10 seconds")
