"""The gateway: what http.client and its kin write into a socket that speaks HTTP/2.

The first octet chooses how the octets are cut and how the server answers, everything behind it
is written into a ``GatewaySocket``. At its other end, over a real pair of sockets, sits the h2
package as a server: it refuses whatever no client may say in HTTP/2. And h11 reads the same octets
as a server of HTTP/1.1: where it finds a request, the server of HTTP/2 must find that one.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h11

from hyper.common.exceptions import HyperError
from hyper.http20.protocol import HTTP20Protocol
from hyper.sync.gateway import GatewaySocket
from hyper.sync.gateway_request import Head, Piece, RequestReader
from hyper.sync.pump import Pump
from hyper.sync.transport import Transport

from .octets import cut, pieces_of

__all__ = ["check"]

#: What a socket's user has to expect, besides ValueError for what is no request. A wait is not
#: among them but for BlockingIOError: the timeout is 0.
DOCUMENTED = (HyperError, OSError)

#: Requests that one input may make.
MOST_REQUESTS = 20


def check(data: bytes) -> None:
    bits = data[0] if data else 0
    written = data[1:]
    whole = _read([written])
    for pieces in pieces_of(written, bits):
        assert _read(pieces) == whole, f"it differs when cut into {list(map(len, pieces))}"
    _converse(bits, written)


# -- the reader alone -------------------------------------------------------------------------


def _read(pieces: list[bytes]) -> list[Any]:
    """What the reader makes of the octets; bodies joined, for cuts change the pieces."""
    reader = RequestReader()
    said: list[Any] = []
    try:
        for piece in pieces:
            for what in reader.feed(piece):
                if isinstance(what, Head):
                    said.append(what)
                    continue
                assert isinstance(what, Piece)
                if said and isinstance(said[-1], Piece) and not said[-1].end:
                    what = what._replace(data=bytes(said.pop().data) + bytes(what.data))
                said.append(what._replace(data=bytes(what.data)))
            assert len(reader.line) <= (1 << 20) + 8192
    except ValueError as error:
        assert reader.resting, "a reader that refused something starts anew"
        said.append(type(error))
    else:
        said.append(reader.resting)
    return said


# -- the socket, and a server behind it -------------------------------------------------------


class _Server:
    """The h2 package behind a socket; it answers each request once it is whole, or before."""

    def __init__(self, sock: socket.socket, bits: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.bits = bits
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.requests: dict[int, list[Any]] = {}
        self.h2.initiate_connection()
        self._say()

    def turn(self) -> None:
        """Take in what the client has written, and answer."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        for event in self.h2.receive_data(data):
            stream_id: int = getattr(event, "stream_id", 0) or 0
            if isinstance(event, h2.events.RequestReceived):
                self.requests[stream_id] = [list(event.headers), b"", False, []]
                if self.bits & 0x40:
                    self._answer(stream_id)
            elif isinstance(event, h2.events.DataReceived):
                self.requests[stream_id][1] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.requests[stream_id][3] = list(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                self.requests[stream_id][2] = True
                if not self.bits & 0x40:
                    self._answer(stream_id)
        self._say()

    def _answer(self, stream_id: int) -> None:
        if self.bits & 0x20 and stream_id % 4 == 3:
            self.h2.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        method = dict(self.requests[stream_id][0])[b":method"]
        if self.bits & 0x10:
            self.h2.send_headers(stream_id, [(":status", "100")])
        if method == b"HEAD":
            self.h2.send_headers(stream_id, [(":status", "204")], end_stream=True)
            return
        self.h2.send_headers(stream_id, [(":status", "200"), ("content-length", "2")])
        self.h2.send_data(stream_id, b"ok", end_stream=True)

    def _say(self) -> None:
        with suppress(BrokenPipeError):
            self.sock.sendall(self.h2.data_to_send())


def _converse(bits: int, written: bytes) -> None:
    ours, theirs = socket.socketpair()
    client = HTTP20Protocol()
    pump = Pump(client, Transport(ours))
    gateway = GatewaySocket(
        pump, "a:443", b"a", timeout=0, let_go=pump.close, authorities={} if bits & 8 else None
    )
    server = _Server(theirs, bits)
    refused = False
    try:
        for piece in [written] if bits & 7 == 7 else cut(written, 1 + 37 * (bits & 7)):
            try:
                gateway.sendall(piece)
            except (ValueError, *DOCUMENTED):
                refused = True
            server.turn()
            if len(server.requests) > MOST_REQUESTS:
                break
            _drink(gateway, server)
        server.turn()
        # Each stream has a reader's state and nothing else; all of them go again.
        assert len(client.streams) <= 1 + MOST_REQUESTS
        if not refused and not bits & 0x60:
            _compare(written, server)
    finally:
        gateway.close()
        theirs.close()


def _drink(gateway: GatewaySocket, server: _Server) -> None:
    """Read what there is of a response."""
    if not server.requests:
        return
    for _ in range(50):
        try:
            if not gateway.recv(7):
                return
        except DOCUMENTED:
            # Among them the word that there is nothing yet.
            return


def _compare(written: bytes, server: _Server) -> None:
    """What h11 takes for the first request is the first that the server has got."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    body = b""
    try:
        reader.receive_data(written)
        request = reader.next_event()
        if not isinstance(request, h11.Request):
            return
        while isinstance(event := reader.next_event(), h11.Data):
            body += bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            return
    except h11.RemoteProtocolError:
        return
    if not server.requests:
        # h11 puts up with lines that end in LF alone; to us they have not ended.
        assert re.search(rb"(?<!\r)\n", written), f"no request came of {written[:60]!r}"
        return
    fields, received, ended, trailers = server.requests[min(server.requests)]
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    assert pseudo[b":method"] == request.method
    target = request.target.partition(b"#")[0]
    assert target.endswith(pseudo[b":path"]) or pseudo[b":path"] == b"/"
    assert received == body and ended
    # Nothing that only concerned the connection, and nothing that nobody wrote.
    had = {name.lower() for name, _ in request.headers}
    for name, _ in fields:
        assert name.startswith(b":") or name in had
    assert [tuple(field) for field in trailers] == [
        (name.lower(), value) for name, value in event.headers
    ]
