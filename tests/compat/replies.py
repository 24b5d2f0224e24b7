"""The canned replies of CPython's ``test_httplib``, carried over HTTP/2.

Its ``FakeSocket`` hands http.client a reply as text. ``carry`` takes such a text apart, sends it
through the h2 package's server and real frames into a ``GatewaySocket``, and gives that one to
http.client instead. Replies that HTTP/2 cannot express stay as they are.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors

from hyper.http20.protocol import HTTP20Protocol
from hyper.sync.gateway import GatewaySocket
from hyper.sync.pump import Pump
from hyper.sync.transport import Transport

__all__ = ["Carried", "Reply", "carry", "read_reply"]

Fields = list[tuple[bytes, bytes]]

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})(?: [^\r\n]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]{0,100})?\r\n")
#: Fields about an HTTP/1.1 connection, which never travel.
_LOCAL = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}


@dataclass
class Reply:
    """What a text says, whatever carries it.

    body      in the pieces that were its chunks
    whole     False where the text ends before the message does
    """

    status: int
    fields: Fields
    interim: list[int]
    body: list[bytes] = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    whole: bool = True


def read_reply(text: bytes, method: str) -> Reply | None:
    """The reply in ``text``; None if it is none that HTTP/2 could carry, or more than one."""
    interim = []
    while True:
        block, end, rest = text.partition(b"\r\n\r\n")
        lines = block.split(b"\r\n")
        match = _STATUS.fullmatch(lines[0])
        if not end or match is None:
            return None
        status = int(match[1])
        if status == 101 or status < 100:
            return None
        if status >= 200:
            break
        interim.append(status)
        text = rest
    fields = _read_fields(lines[1:])
    if fields is None:
        return None
    coding = b"".join(value for name, value in fields if name == b"transfer-encoding")
    lengths = [value for name, value in fields if name == b"content-length"]
    reply = Reply(status, [pair for pair in fields if pair[0] not in _LOCAL], interim)
    if method == "HEAD" or status in (204, 304):
        return None if rest else reply
    if coding:
        return reply if coding == b"chunked" and _read_chunks(rest, reply) else None
    if lengths:
        if len(lengths) > 1 or not lengths[0].isdigit() or len(rest) > int(lengths[0]):
            return None
        reply.whole = len(rest) == int(lengths[0])
    reply.body = [rest]
    return reply


def _read_fields(lines: list[bytes]) -> Fields | None:
    fields = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None or len(line) > 65_000:
            return None
        fields.append((match[1].lower(), match[2]))
    return fields if len(fields) <= 100 else None


def _read_chunks(text: bytes, reply: Reply) -> bool:
    while True:
        match = _CHUNK.match(text)
        if match is None:
            reply.whole = False
            return not text
        size = int(match[1], 16)
        text = text[match.end() :]
        if size == 0:
            break
        if size > 60_000:
            return False
        reply.body.append(text[:size])
        if text[size : size + 2] != b"\r\n":
            # Either the end of the text, or something that is no chunked coding.
            reply.whole = False
            return len(text) <= size + 1
        text = text[size + 2 :]
    *lines, last = text.split(b"\r\n")
    if last or not lines:
        return False
    while lines and not lines[-1]:
        lines.pop()
    trailers = _read_fields(lines)
    reply.trailers = trailers or []
    return trailers is not None


class Carried:
    """A gateway whose only response is a given reply; ``close`` lets go of everything."""

    def __init__(self, reply: Reply, request: bytes) -> None:
        ours, self._theirs = socket.socketpair()
        protocol = HTTP20Protocol()
        pump = Pump(protocol, Transport(ours))
        self.gateway = GatewaySocket(
            pump, "example.com:443", b"example.com", timeout=5, let_go=pump.close
        )
        try:
            self.gateway.sendall(request)
            self._answer(reply)
        except BaseException:
            self.close()
            raise

    def _answer(self, reply: Reply) -> None:
        config = h2.config.H2Configuration(client_side=False, validate_outbound_headers=False)
        server = h2.connection.H2Connection(config)
        server.initiate_connection()
        server.receive_data(self._theirs.recv(262_144))
        for status in reply.interim:
            server.send_headers(1, [(b":status", b"%d" % status)])
        server.send_headers(1, [(b":status", b"%d" % reply.status), *reply.fields])
        for piece in reply.body:
            for at in range(0, len(piece), 16_384):
                server.send_data(1, piece[at : at + 16_384])
        if not reply.whole:
            server.reset_stream(1, h2.errors.ErrorCodes.INTERNAL_ERROR)
        elif reply.trailers:
            server.send_headers(1, reply.trailers, end_stream=True)
        else:
            server.end_stream(1)
        self._theirs.sendall(server.data_to_send())

    def close(self) -> None:
        self.gateway.close()
        self._theirs.close()


def carry(text: bytes, method: str, written: bytes) -> Carried | None:
    """A gateway that answers ``written``, or a request of ``method``, with the reply in ``text``.

    None where that is impossible.
    """
    reply = read_reply(text, method)
    if reply is None or sum(map(len, reply.body)) > 60_000:
        return None
    request = written or f"{method} / HTTP/1.1\r\nHost: example.com\r\n\r\n".encode("ascii")
    try:
        return Carried(reply, request)
    except (ValueError, AssertionError):
        return None  # tests also write what is no request
