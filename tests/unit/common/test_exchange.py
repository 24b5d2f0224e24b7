"""One request and its response, before anything has arrived."""

from __future__ import annotations

from hyper.common.exchange import Exchange


def test_an_exchange_begins_with_nothing_received() -> None:
    exchange = Exchange()

    assert exchange.id is None
    assert exchange.status == 0
    assert exchange.headers is None
    assert exchange.trailers is None
    assert list(exchange.informational) == []
    assert list(exchange.chunks) == []
    assert list(exchange.pushes) == []
    assert exchange.ended is False
    assert exchange.error is None
    assert exchange.waiters is None


def test_two_exchanges_share_nothing() -> None:
    one, other = Exchange(), Exchange()

    one.chunks.append(b"octets")
    one.status = 200
    one.ended = True

    assert list(other.chunks) == []
    assert other.status == 0
    assert other.ended is False


def test_a_protocol_without_flow_control_has_no_room_to_announce() -> None:
    assert Exchange().consumed(1 << 20) == 0
