"""``python -m tests.fuzz.record``: write the inputs that the fuzzer starts from, anew.

They are what was really said: by the servers of the interop ring, to us and to ``http.client``, and
by the programs that write into the gateway. Servers that are not installed are left out by name.
Every file is one input of its target, the octets that choose put before what was recorded.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import requests
import urllib3
from hyperframe.frame import Frame

from hyper import HTTP20Connection

from ..certificates import Certificates
from ..interop.kinds import BACKEND, KINDS
from ..interop.servers import Server
from ..soak.real import site
from .of_hpack import packed
from .targets import TARGETS, seeds

RING = ("nginx", "nghttpd", "h2o", "apache", "caddy", "node")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, PUSH_PROMISE, CONTINUATION = 1, 5, 9

#: A conversation may be no longer, so that the fuzzer sees it whole.
LONGEST = 4000


class Listener:
    """Between a client and a server: passes octets on and keeps them.

    said   what the server said
    asked  what the client said
    """

    def __init__(self, target: int) -> None:
        self.said = b""
        self.asked = b""
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._pass_on)]
        self._threads[0].start()

    def _pass_on(self) -> None:
        near, _ = self._socket.accept()
        far = socket.create_connection(("127.0.0.1", self._target))
        back = threading.Thread(target=self._pump, args=(far, near, "said"))
        back.start()
        self._pump(near, far, "asked")
        back.join()
        near.close()
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket, name: str) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                setattr(self, name, getattr(self, name) + data)
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for thread in self._threads:
            thread.join(10)
        self._socket.close()


@contextmanager
def listening(target: int) -> Iterator[Listener]:
    listener = Listener(target)
    try:
        yield listener
    finally:
        listener.close()


# -- conversations over HTTP/2 ------------------------------------------------------------------


def get(connection: Any) -> None:
    connection.request("GET", "/small.txt")
    assert connection.get_response().read() == b"hello hyper\n"


def several(connection: Any) -> None:
    """Bodies and none, HEAD, what is not there, an upload, a range, all under way at once."""
    ids = [connection.request("GET", path) for path in ("/", "/empty.txt", "/nothing", "/trailers")]
    ids.append(connection.request("HEAD", "/small.txt"))
    ids.append(connection.request("GET", "/small.txt", headers={"range": "bytes=2-4"}))
    ids.append(connection.request("POST", "/upload", body=b"x" * 500))
    ids.append(connection.request("OPTIONS", "/"))
    for stream_id in ids:
        connection.get_response(stream_id).read()


def given_up(connection: Any) -> None:
    """A reset of ours, and what was under way meanwhile."""
    first = connection.request("GET", "/page.html")
    connection.get_response(first).close()
    get(connection)


CONVERSATIONS: dict[str, Callable[[Any], None]] = {
    "get": get,
    "several": several,
    "given-up": given_up,
}


def record_http20(server: Server) -> None:
    for name, converse in CONVERSATIONS.items():
        with (
            listening(server.ports.plain) as listener,
            HTTP20Connection("127.0.0.1", listener.port, secure=False, timeout=20) as connection,
        ):
            converse(connection)
        keep(server, name, listener)
    with (
        listening(server.ports.plain) as listener,
        HTTP20Connection(
            "127.0.0.1", listener.port, secure=False, timeout=20, enable_push=True
        ) as connection,
    ):
        connection.request("GET", "/page.html")
        list(connection.get_pushes(capture_all=True))
        connection.get_response().read()
    keep(server, "push", listener)


def keep(server: Server, name: str, listener: Listener) -> None:
    kind = server.kind.name
    choice = bytes([1 if name == "push" else 64 if name == "several" else 0, len(name)])
    write("http20", f"{kind}-{name}", choice + listener.said)
    for who, octets in (("said", listener.said), ("asked", listener.asked.removeprefix(PREFACE))):
        write("hpack", f"{kind}-{name}-{who}", packed(*blocks(octets)))


def blocks(octets: bytes) -> Iterator[bytes]:
    """The field blocks in a stream of frames, as far as it goes (RFC 9113 §4.3)."""
    block = b""
    while len(octets) >= 9:
        frame, size = Frame.parse_frame_header(memoryview(octets[:9]))
        kind = octets[3]
        payload, octets = octets[9 : 9 + size], octets[9 + size :]
        if kind in (HEADERS, PUSH_PROMISE, CONTINUATION) and len(payload) == size:
            frame.parse_body(memoryview(payload))
            block += bytes(frame.data)  # type: ignore[attr-defined]
            if "END_HEADERS" in frame.flags:
                yield block
                block = b""


# -- conversations over HTTP/1.1 ----------------------------------------------------------------


def record_http11(server: Server, certificates: Certificates) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    requests_of_ours = {
        "get": (0, b"GET /small.txt", b""),
        "page": (0, b"GET /page.html", b"accept-encoding: gzip\r\n"),
        "nothing": (0, b"GET /nothing", b""),
        "head": (1, b"HEAD /small.txt", b""),
        "post": (2, b"POST /upload", b"content-length: 0\r\n"),
        "not-modified": (0, b"GET /small.txt", b"if-none-match: *\r\n"),
        "range": (0, b"GET /small.txt", b"range: bytes=2-4\r\n"),
    }
    for name, (choice, line, fields) in requests_of_ours.items():
        with (
            socket.create_connection(("127.0.0.1", server.ports.tls), 20) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as secure,
        ):
            head = b"%b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n%b\r\n"
            secure.sendall(head % (line, fields))
            said = b""
            with suppress(ssl.SSLError, ConnectionError):
                while data := secure.recv(65536):
                    said += data
        if said:  # nghttpd speaks HTTP/2 alone
            write("http11", f"{server.kind.name}-{name}", bytes([choice, len(name)]) + said)


# -- what programs write into the gateway -------------------------------------------------------


class Ear:
    """A server of HTTP/1.1 that answers everything alike and keeps what it was asked."""

    def __init__(self) -> None:
        self.heard = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        near, _ = self._socket.accept()
        near.settimeout(2)
        with near, suppress(OSError):
            while data := near.recv(65536):
                self.heard += data
                whole = re.search(rb"\r\n\r\n", self.heard)
                if (whole and b"chunked" not in self.heard) or self.heard.endswith(b"0\r\n\r\n"):
                    near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)


def by_http_client(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    for method, body, headers in (
        ("GET", None, {}),
        ("POST", b"a=1&b=2", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("DELETE", None, {"Authorization": "Basic QWxhZGRpbjpvcGVu"}),
    ):
        connection.request(method, "/some/path?query=1", body, headers)
        connection.getresponse().read()
    connection.close()


def by_http_client_in_chunks(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("PUT", "/chunks", iter([b"one", b"two and more", b"x" * 40]))
    connection.getresponse().read()
    connection.close()


def by_urllib3(port: int) -> None:
    with urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=5) as pool:
        pool.request("GET", "/?a=b", headers={"Accept-Encoding": "gzip, deflate"})
        pool.request("POST", "/form", fields={"name": "value", "file": ("a.txt", b"content")})


def by_requests(port: int) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"http://127.0.0.1:{port}/x", cookies={"a": "b"}, timeout=5)
        session.post(f"http://127.0.0.1:{port}/json", json={"a": [1, 2]}, timeout=5)


def by_requests_in_chunks(port: int) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.post(f"http://127.0.0.1:{port}/", data=iter([b"one", b"two"]), timeout=5)


CALLERS = (
    by_http_client,
    by_http_client_in_chunks,
    by_urllib3,
    by_requests,
    by_requests_in_chunks,
)


def record_callers() -> None:
    for caller in CALLERS:
        ear = Ear()
        caller(ear.port)
        ear.close()
        heard = re.sub(rb"127\.0\.0\.1:\d+", b"localhost", ear.heard)
        for choice in (0, 0x17):
            name = caller.__name__.removeprefix("by_").replace("_", "-")
            write("gateway", f"{name}-{choice}", bytes([choice]) + heard)


# -- all of it ----------------------------------------------------------------------------------


def write(target: str, name: str, data: bytes) -> None:
    folder = seeds(target)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.bin").write_bytes(data[:LONGEST])


DOCUMENTS = {
    "index.html": b"<!doctype html>\n<title>hyper</title>\n",
    "small.txt": b"hello hyper\n",
    "empty.txt": b"",
    "page.html": b"<p>The same words once more.\n" * 30,
}


def main() -> int:
    record_callers()
    with (
        site(DOCUMENTS) as (files, certificates),
        Server(BACKEND, files) as backend,
    ):
        files = replace(files, backend=backend.ports.plain)
        for name in RING:
            if missing := KINDS[name].missing():
                print(missing)
                continue
            with Server(KINDS[name], files) as server:
                record_http20(server)
                record_http11(server, certificates)
            print(f"{name}: done", flush=True)
    for target in TARGETS:
        sizes = [file.stat().st_size for file in seeds(target).iterdir()]
        print(f"{target}: {len(sizes)} inputs, {sum(sizes)} octets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
