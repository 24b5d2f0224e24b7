"""``hyper.sync.sending``: the moments between two steps that no server can be made to hit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hyper import HTTP20Connection
from hyper.common.exchange import Exchange
from hyper.sync import sending


class StubPump:
    """Takes every octet, and lets the response end while it does."""

    def __init__(self) -> None:
        self.transport = SimpleNamespace(unsent=0)
        self.cancelled: list[Exchange] = []

    def send_body(self, exchange: Exchange, data: Any, end: bool, trailers: Any) -> int:
        exchange.ended = True
        return len(data)

    def cancel(self, exchange: Exchange) -> None:
        self.cancelled.append(exchange)


def test_a_response_that_ends_just_before_the_body_does_frees_its_stream() -> None:
    pump = StubPump()
    response: Any = SimpleNamespace(_pump=pump, _exchange=Exchange(), _timeout=None)
    assert HTTP20Connection("h")._send_piece(response, b"last", True, ())
    assert pump.cancelled == [response._exchange]


def test_who_has_got_its_turn_does_not_step_aside() -> None:
    pump: Any = SimpleNamespace(protocol=None)
    exchange = Exchange()
    assert exchange.opened
    assert not sending._step_aside(pump, exchange)
    exchange.opened = False
    exchange.error = ConnectionError("gone")
    assert not sending._step_aside(pump, exchange)


def test_an_upload_without_a_timeout_waits_for_room_as_long_as_it_takes() -> None:
    class Waiting(StubPump):
        rooms = 0

        def send_body(self, exchange: Exchange, data: Any, end: bool, trailers: Any) -> int:
            return len(data) if self.rooms else 0

        def wait(self, exchange: Exchange, ready: Any, deadline: float | None) -> bool:
            assert deadline is None
            exchange.status = 200
            assert not ready(exchange)
            self.rooms += 1
            return bool(ready(exchange))

        def has_room(self, exchange: Exchange) -> bool:
            return self.rooms > 0

    response: Any = SimpleNamespace(_pump=Waiting(), _exchange=Exchange(), _timeout=None)
    assert HTTP20Connection("h")._send_piece(response, b"piece", False, ())
