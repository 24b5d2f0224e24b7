"""What had arrived before TLS broke counts, though both came in one recv."""

from __future__ import annotations

import ssl
from time import monotonic

import pytest

from hyper.common.exchange import Exchange
from hyper.http11.protocol import HTTP11Protocol
from hyper.http20.protocol import HTTP20Protocol
from hyper.sync.pump import Pump
from hyper.sync.response import has_ended, has_head
from hyper.sync.transport import RECORD_SIZE

from ..certificates import Certificates
from ..peer import frame, spoken
from ..unit.sync.wires import tls_wire

#: A record that no key of the connection made.
BROKEN = b"\x17\x03\x03\x00\x20" + bytes(32)


def ask(pump: Pump) -> Exchange:
    return pump.request(b"GET", b"https", b"example.org", b"/", [], True)


@pytest.mark.parametrize("size", [2, 1000, RECORD_SIZE, 3 * RECORD_SIZE])
@pytest.mark.parametrize("version", [11, 20])
def test_a_whole_response_stays_whole(certificates: Certificates, version: int, size: int) -> None:
    transport, peer = tls_wire(certificates.client_context(), certificates.server_context())
    body = bytes(size)
    if version == 11:
        pump = Pump(HTTP11Protocol(), transport)
        said = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + body
    else:
        pump = Pump(HTTP20Protocol(), transport)
        said = frame("SETTINGS") + spoken(lambda server: server.headers(1))
        for at in range(0, size, 1000):
            said += frame("DATA", 0, 1, body[at : at + 1000])
        said += frame("DATA", 1, 1)
    exchange, queued = ask(pump), ask(pump)
    records = [said[at : at + RECORD_SIZE] for at in range(0, len(said), RECORD_SIZE)]
    peer.sock.sendall(peer.seal(*records) + BROKEN)
    assert pump.wait(exchange, has_ended, monotonic() + 10)
    assert exchange.ended and exchange.error is None
    assert b"".join(exchange.chunks) == body
    assert pump.wait(queued, has_head, monotonic() + 10)
    assert queued.error is not None
    assert isinstance(pump.over, ssl.SSLError)
    assert transport.closed
    peer.close()
