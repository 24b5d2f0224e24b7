"""HTTP/1.1: octets from a server, after a request; in one piece, in many, and as others read them.

The first octet says what was asked, the second how the octets are cut; everything behind them
comes from the server. Bits of the first: the lowest two choose GET, HEAD, POST or CONNECT; 4
offers to go on in HTTP/2; 8 leaves the request's body unfinished; 16 has more requests wait.
"""

from __future__ import annotations

from typing import Any

from hyper.common.exceptions import ConnectionError, InvalidResponseError
from hyper.http11 import limits
from hyper.http11.framing import TUNNEL
from hyper.http11.protocol import HTTP11Protocol

from ..property.readings import Reading, by_h11, by_http_client, by_hyper
from .octets import pieces_of

__all__ = ["check"]

METHODS = (b"GET", b"HEAD", b"POST", b"CONNECT")

#: Everything a request may end with because of what the server did.
DOCUMENTED = (InvalidResponseError, ConnectionError)


def check(data: bytes) -> None:
    kind, choice, said = data[:1], data[1:2], data[2:]
    bits = kind[0] if kind else 0
    whole = _replay(bits, [said])
    for pieces in pieces_of(said, choice[0] if choice else 0):
        assert _replay(bits, pieces) == whole, f"it differs when cut into {list(map(len, pieces))}"
    if bits & 3 < 2:
        _compare(said, METHODS[bits & 3])


def _replay(bits: int, pieces: list[bytes]) -> list[Any]:
    client = HTTP11Protocol()
    if bits & 4:
        client.offer_upgrade = b"AAMAAABkAAQAAP__"
    method = METHODS[bits & 3]
    end = not bits & 8 or method == b"CONNECT"
    exchanges: list[Any] = [client.request(method, b"http", b"a:80", b"/", (), end=end)]
    if bits & 16:
        exchanges += [client.request(b"GET", b"http", b"a:80", b"/", (), end=True) for _ in "ab"]
    client.data_to_send()
    moved: set[Any] = set()
    for piece in pieces:
        over = client.closed
        news = client.receive_data(piece)
        assert not (over and news), "a connection that is closed has news"
        moved.update(news)
        _look(client, len(piece))
    # Requests that waited may go now, and octets that follow are theirs or nobody's; so only
    # here, for when the slot comes free depends on how the octets are cut.
    seen = [_outcome(client, one) for one in exchanges]
    client.data_to_send()
    moved.update(client.connection_lost(None))
    for one in exchanges:
        assert one.ended or isinstance(one.error, DOCUMENTED), "a request hangs"
    assert moved <= set(exchanges)
    assert client.closed or client.switched is not None
    return [seen, [_outcome(client, one) for one in exchanges]]


def _look(client: HTTP11Protocol, size: int) -> None:
    assert len(client._partial) <= max(limits.MAX_LINE, limits.WHOLE_CHUNK) + 2
    assert len(client._section.fields) <= limits.MAX_FIELDS
    current: Any = client._current
    assert current is None or current.informational_size <= limits.MAX_HEAD
    assert client._left >= TUNNEL


def _outcome(client: HTTP11Protocol, exchange: Any) -> tuple[Any, ...]:
    return (
        exchange.status,
        exchange.reason,
        exchange.headers and list(exchange.headers),
        exchange.trailers and list(exchange.trailers),
        exchange.informational,
        b"".join(exchange.chunks),
        exchange.opened,
        exchange.ended,
        type(exchange.error),
        str(exchange.error),
        client.accepting,
        client.closed,
        client.switched,
        client.idle,
        client.paused,
    )


def _compare(said: bytes, method: bytes) -> None:
    """Where two accept a response whole, it has the same status and the same body."""
    ours = by_hyper(said, method)
    if not ours.whole:
        return
    readings = [by_h11(said, method)]
    codings = [value for name, value in ours.fields if name == b"transfer-encoding"]
    # http.client knows no list (RFC 9110 §5.6.1): with ", chunked" it reads chunks as they are.
    if not codings or codings[0].lower() == b"chunked":
        readings.append(by_http_client(said, method))
    for theirs in readings:
        if theirs.whole:
            assert _meaning(theirs) == _meaning(ours)


def _meaning(reading: Reading) -> tuple[int, bytes]:
    return reading.status, reading.body
