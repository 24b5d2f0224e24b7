"""A server that reads every body before it redirects or says what it was asked.

hypercorn loses its connection now and then where an application answers before the body has come,
which is what httpbin's redirects do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

__all__ = ["redirecting"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        query = parse_qs(urlsplit(self.path).query)
        time.sleep(float(query.get("wait", ["0"])[0]))
        if "to" in query:
            self.send_response(int(query["status"][0]))
            self.send_header("location", query["to"][0])
            said = b""
        else:
            self.send_response(200)
            headers = {name.lower(): value for name, value in self.headers.items()}
            about = {"method": self.command, "headers": headers, "data": body.decode()}
            said = json.dumps(about).encode()
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a client that has gone is what a test wanted


@contextmanager
def redirecting() -> Iterator[str]:
    """Its URL: ``?to=PLACE&status=N`` redirects, after ``&wait=N`` seconds; anything else says
    what it was asked.
    """
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
