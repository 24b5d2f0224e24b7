"""What is played while things go wrong: every way to ask, and a server that knows all the answers.

``speak`` is the script of that server: HTTP/2 with prior knowledge or by upgrade, and HTTP/1.1,
whatever the client begins with. Each of ``CONVERSATIONS`` asks in one way and returns what it got.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hyperframe.frame import DataFrame, HeadersFrame

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection

from ..peer import PREFACE, frame
from .rawserver import Conversation

__all__ = ["CONVERSATIONS", "DOWNLOAD", "PAGE", "Asking", "speak", "until"]

PAGE = b"hello, world"
DOWNLOAD = bytes(range(256)) * 12
UPLOAD = bytes(reversed(range(256))) * 8


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


BODIES: dict[str, Callable[[bytes], bytes]] = {
    "/page": lambda body: PAGE,
    "/download": lambda body: DOWNLOAD,
    "/upload": digest,
    "/pushing": lambda body: PAGE,
}


# The server.


def speak(conversation: Conversation) -> None:
    conversation.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conversation._unread = conversation._octets(4) + conversation._unread
    if conversation._unread.startswith(b"PRI "):
        http20(conversation)
    else:
        http11(conversation)


def http20(conversation: Conversation, upgraded: str | None = None) -> None:
    """Answer every request; the first one on stream 1, if it came by an upgrade."""
    conversation.say(frame("SETTINGS"))
    preface = conversation._octets(len(PREFACE))
    assert preface == PREFACE, preface
    if upgraded is not None:
        answer(conversation, 1, upgraded, b"")
    authority = ""
    paths: dict[int, str] = {}
    bodies: dict[int, bytes] = {}
    while True:
        heard = conversation._frame()
        stream_id = heard.stream_id
        if isinstance(heard, HeadersFrame) and stream_id not in bodies:
            fields = dict(conversation.decoder.decode(heard.data, raw=True))
            paths[stream_id] = fields[b":path"].decode()
            bodies[stream_id] = b""
            authority = fields[b":authority"].decode()
        elif isinstance(heard, HeadersFrame):
            trailers = conversation.decoder.decode(heard.data, raw=True)
            assert list(trailers) == [(b"x-sum", b"1")], trailers
        elif isinstance(heard, DataFrame):
            bodies[stream_id] += heard.data
            if heard.data:
                room = struct.pack(">I", len(heard.data))
                conversation.say(
                    frame("WINDOW_UPDATE", 0, 0, room) + frame("WINDOW_UPDATE", 0, stream_id, room)
                )
        else:
            continue
        if "END_STREAM" in heard.flags:
            answer(conversation, stream_id, paths[stream_id], bodies[stream_id], authority)


def answer(
    conversation: Conversation, stream_id: int, path: str, body: bytes, authority: str = ""
) -> None:
    if path == "/pushing":
        fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", authority),
            (":path", "/pushed"),
        ]
        # One push for each request, and an even id for each push.
        promised = stream_id + 1
        block = struct.pack(">I", promised) + conversation.encoder.encode(fields)
        conversation.say(frame("PUSH_PROMISE", 0x4, stream_id, block))
    octets = BODIES[path](body)
    conversation.head(stream_id, [("content-length", str(len(octets)))])
    for start in range(0, len(octets), 1024):
        conversation.data(stream_id, octets[start : start + 1024])
    conversation.data(stream_id, b"", end=True)
    if path == "/pushing":
        conversation.head(promised, [("content-length", str(len(DOWNLOAD)))])
        conversation.data(promised, DOWNLOAD, end=True)


def http11(conversation: Conversation) -> None:
    while True:
        line, *rest = until(conversation, b"\r\n\r\n").decode().split("\r\n")
        _, path, _ = line.split()
        fields = dict(each.split(": ", 1) for each in rest)
        if fields.get("upgrade") == "h2c":
            conversation.say(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
            )
            http20(conversation, path)
        body = b""
        if "content-length" in fields:
            body = conversation._octets(int(fields["content-length"]))
        elif "transfer-encoding" in fields:
            while size := int(until(conversation, b"\r\n"), 16):
                body += conversation._octets(size + 2)[:-2]
            trailers = []
            while trailer := until(conversation, b"\r\n"):
                trailers.append(trailer)
            assert trailers == [b"x-sum: 1"], trailers
        octets = BODIES[path](body)
        if path == "/download":
            head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            half = len(octets) // 2
            pieces = (octets[:half], octets[half:], b"")
            octets = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        else:
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(octets)
        conversation.say(head + octets)


def until(conversation: Conversation, end: bytes) -> bytes:
    """Read up to ``end``, which is left out."""
    size = 1
    while not conversation._unread[:size].endswith(end):
        if size >= len(conversation._unread):
            conversation._unread = conversation._octets(size + 1) + conversation._unread
        size += 1
    return conversation._octets(size)[: -len(end)]


# The ways to ask.


def get(connection: Any) -> bytes:
    stream_id = connection.request("GET", "/page")
    with connection.get_response(stream_id) as response:
        assert response.status == 200
        body: bytes = response.read()
        return body


def download(connection: Any) -> bytes:
    stream_id = connection.request("GET", "/download")
    with connection.get_response(stream_id) as response:
        return b"".join(response.read_chunked())


def upload(connection: Any) -> bytes:
    """In pieces of unknown number, with trailers."""
    pieces = (UPLOAD[start : start + 500] for start in range(0, len(UPLOAD), 500))
    stream_id = connection.request("POST", "/upload", body=pieces, trailers={"x-sum": "1"})
    with connection.get_response(stream_id) as response:
        body: bytes = response.read()
        return body


def piecewise(connection: Any) -> bytes:
    key = connection.putrequest("POST", "/upload")
    connection.putheader("content-length", str(len(UPLOAD)))
    connection.endheaders(stream_id=key)
    connection.send(UPLOAD[:700], stream_id=key)
    connection.send(UPLOAD[700:], final=True, stream_id=key)
    with connection.get_response(key) as response:
        body: bytes = response.read()
        return body


def pushed(connection: Any) -> bytes:
    stream_id = connection.request("GET", "/pushing")
    with connection.get_response(stream_id) as response:
        assert response.read() == PAGE
        for push in connection.get_pushes(stream_id):
            with push.get_response() as other:
                body: bytes = other.read()
                return body
    return b""


@dataclass(frozen=True)
class Asking:
    """One way to ask.

    secure  over TLS
    make    the connection; ``proxy_host`` is added where there is a proxy on the way
    ask     asks, and returns the body
    right   what that is to be
    tunnel  through a proxy, by CONNECT
    """

    name: str
    secure: bool
    make: Callable[..., HTTPConnection]
    ask: Callable[[Any], bytes]
    right: bytes
    tunnel: bool = False

    def connection(
        self, address: str, context: ssl.SSLContext | None, **more: Any
    ) -> HTTPConnection:
        return self.make(
            address,
            secure=self.secure,
            ssl_context=context if self.secure else None,
            timeout=10,
            **more,
        )


def pushing(address: str, **more: Any) -> HTTPConnection:
    return HTTP20Connection(address, enable_push=True, **more)


CONVERSATIONS = [
    Asking("get", True, HTTP20Connection, get, PAGE),
    Asking("get-cleartext", False, HTTP20Connection, get, PAGE),
    Asking("download", True, HTTP20Connection, download, DOWNLOAD),
    Asking("upload", True, HTTP20Connection, upload, digest(UPLOAD)),
    Asking("piecewise", False, HTTP20Connection, piecewise, digest(UPLOAD)),
    Asking("push", False, pushing, pushed, DOWNLOAD),
    Asking("tunnel", True, HTTP20Connection, get, PAGE, tunnel=True),
    Asking("h2c-upgrade", False, HTTPConnection, get, PAGE),
    Asking("http11", False, HTTP11Connection, get, PAGE),
    Asking("http11-chunked", True, HTTP11Connection, download, DOWNLOAD),
    Asking("http11-upload", False, HTTP11Connection, upload, digest(UPLOAD)),
    Asking("http11-piecewise", True, HTTP11Connection, piecewise, digest(UPLOAD)),
]
