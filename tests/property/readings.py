"""One response of HTTP/1.1 as three clients read it: hyper, h11 and http.client.

The comparison in ``test_http11_differential`` and the fuzzer's target both hold them together.
"""

from __future__ import annotations

import http.client
import io
from dataclasses import dataclass, replace
from typing import Any

import h11

from tests.unit.http11.asking import asked, body

__all__ = ["CannedSocket", "Pairs", "Reading", "by_h11", "by_http_client", "by_hyper"]

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Reading:
    """What a client made of the octets up to the end of file.

    whole     the response is complete; False when it was cut short or was no HTTP
    reusable  another request could follow on the same connection
    """

    status: int = 0
    reason: bytes = b""
    fields: Pairs = ()
    body: bytes = b""
    trailers: Pairs = ()
    interim: tuple[tuple[int, Pairs], ...] = ()
    whole: bool = False
    reusable: bool = False


def by_hyper(wire: bytes, method: bytes) -> Reading:
    client, exchange = asked(method)
    client.receive_data(wire)
    reusable = client.accepting and client.idle
    client.connection_lost(None)
    return Reading(
        exchange.status,
        exchange.reason,
        tuple(exchange.headers or ()),
        body(exchange),
        tuple(exchange.trailers or ()),
        tuple((status, tuple(fields)) for status, fields in exchange.informational),
        exchange.ended,
        reusable,
    )


def by_h11(wire: bytes, method: bytes) -> Reading:
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method=method, target="/", headers=[("host", "example.org")]))
    client.send(h11.EndOfMessage())
    client.receive_data(wire)
    reading = Reading()
    ended = False
    try:
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA and not ended:
                ended = True
                client.receive_data(b"")
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return reading
            elif isinstance(event, h11.InformationalResponse):
                interim = (event.status_code, tuple(event.headers))
                reading = replace(reading, interim=(*reading.interim, interim))
            elif isinstance(event, h11.Response):
                reading = replace(
                    reading,
                    status=event.status_code,
                    reason=event.reason,
                    fields=tuple(event.headers),
                )
            elif isinstance(event, h11.Data):
                reading = replace(reading, body=reading.body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                reusable = client.our_state is client.their_state is h11.DONE
                reusable = reusable and not ended and not client.trailing_data[0]
                trailers = tuple(event.headers)
                return replace(reading, trailers=trailers, whole=True, reusable=reusable)
    except h11.RemoteProtocolError:
        return replace(reading, whole=False, reusable=False)


class CannedSocket:
    """All that http.client wants of a socket to read a response from it."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.wire)


def by_http_client(wire: bytes, method: bytes) -> Reading:
    canned: Any = CannedSocket(wire)
    response = http.client.HTTPResponse(canned, method=method.decode())
    try:
        response.begin()
    except http.client.HTTPException:
        return Reading()
    fields = tuple((n.lower().encode(), v.encode("latin-1")) for n, v in response.getheaders())
    reading = Reading(response.status, response.reason.encode("latin-1"), fields)
    reusable = not response.will_close
    try:
        data = response.read()
    except http.client.IncompleteRead as error:
        return replace(reading, body=error.partial)
    except (ValueError, OverflowError):  # for sizes that are none, or too large for it
        return reading
    return replace(reading, body=data, whole=True, reusable=reusable)
