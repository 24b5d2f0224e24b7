"""The in-process server does what the tests behind it rely on, seen by somebody else's client."""

from __future__ import annotations

import gc
import hashlib
import json
import socket
import ssl
import threading

import h2.config
import h2.connection
import h2.events
import pytest

from .certificates import Certificates
from .servers import InProcessServer, content


class Peek:
    """A client of a dozen lines, built on the `h2` package and nothing of ours."""

    def __init__(self, server: InProcessServer, context: ssl.SSLContext | None) -> None:
        port = server.port if context else server.plain_port
        raw = socket.create_connection((server.host, port), timeout=10)
        self.socket = context.wrap_socket(raw, server_hostname="localhost") if context else raw
        self.core = h2.connection.H2Connection(h2.config.H2Configuration())
        self.core.initiate_connection()
        self.events: list[h2.events.Event] = []

    def get(self, path: str, body: bytes = b"") -> tuple[bytes, bytes]:
        stream = self.core.get_next_available_stream_id()
        head = [(":method", "POST" if body else "GET"), (":scheme", "https"), (":path", path)]
        head += [(":authority", "localhost"), ("te", "trailers")]
        self.core.send_headers(stream, head, end_stream=not body)
        for start in range(0, len(body), 16384):
            piece = body[start : start + 16384]
            self.core.send_data(stream, piece, end_stream=start + 16384 >= len(body))
        status, answer = b"", b""
        self.events = []
        while True:
            self.socket.sendall(self.core.data_to_send())
            for event in self.core.receive_data(self.socket.recv(65536)):
                self.events.append(event)
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[b":status"]
                elif isinstance(event, h2.events.DataReceived):
                    answer += event.data
                    self.core.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamEnded):
                    return status, answer

    def saw(self, kind: type[h2.events.Event]) -> bool:
        return any(isinstance(event, kind) for event in self.events)


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "cleartext"])
def test_it_serves_httpbin_and_our_pages(
    server: InProcessServer, ssl_context: ssl.SSLContext, secure: bool
) -> None:
    peek = Peek(server, ssl_context if secure else None)
    with peek.socket:
        assert peek.get("/hello") == (b"200", b"hello, world")
        status, body = peek.get("/get?a=b")
        assert (status, json.loads(body)["args"]) == (b"200", {"a": "b"})
        assert peek.get("/status/418") == (b"418", b"")
        assert peek.get("/basic-auth/u/p")[0] == b"401"
        status, body = peek.get("/download/200000")
        assert body == b"".join(content(200000))
        assert len(body) == 200000
        assert json.loads(peek.get("/upload", b"x" * 50000)[1]) == {
            "size": 50000,
            "sha256": hashlib.sha256(b"x" * 50000).hexdigest(),
        }
        assert peek.get("/echo", b"there and back") == (b"200", b"there and back")
        assert peek.get("/late/0.01") == peek.get("/slow/0.01") == (b"200", b"at last")


def test_it_hints_pushes_and_sends_trailers(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    peek = Peek(server, ssl_context)
    with peek.socket:
        assert peek.get("/hints")[1] == b"hinted"
        assert peek.saw(h2.events.InformationalResponseReceived)
        assert peek.get("/push")[0] == b"200"
        assert peek.saw(h2.events.PushedStreamReceived)
        assert peek.get("/trailers")[1] == b"summed"
        assert peek.saw(h2.events.TrailersReceived)


def test_it_stops_and_leaves_no_thread_and_no_socket(certificates: Certificates) -> None:
    before = threading.active_count()
    server = InProcessServer(certificates, h2_max_concurrent_streams=3)
    peek = Peek(server, certificates.client_context())
    with peek.socket:
        assert peek.get("/hello")[0] == b"200"
        assert peek.core.remote_settings.max_concurrent_streams == 3
    server.stop()
    assert threading.active_count() == before
    with pytest.raises(OSError):
        socket.create_connection((server.host, server.port), timeout=1).close()
    gc.collect()  # a socket left open would now be a ResourceWarning, which is a failure


def test_a_client_that_does_not_know_the_authority_is_refused(
    server: InProcessServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Certificates.create(tmp_path_factory.mktemp("stranger"))
    with pytest.raises(ssl.SSLCertVerificationError):
        Peek(server, stranger.client_context())
    gc.collect()


def test_the_names_of_the_examples_lead_here_and_no_others_anywhere(
    http2bin: InProcessServer,
) -> None:
    for name in ("http2bin.org", "www.http2bin.org"):
        addresses = {info[4] for info in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}
        assert addresses == {("127.0.0.1", http2bin.port)}
    assert socket.getaddrinfo("http2bin.org", "80")[0][4][1] == http2bin.plain_port
    assert socket.getaddrinfo("127.0.0.1", 443)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.org", 443)
