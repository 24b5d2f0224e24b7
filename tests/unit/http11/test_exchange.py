"""``hyper.http11.exchange``: how much of a response was read."""

from __future__ import annotations

from typing import Any

from hyper.http11.exchange import HTTP11Exchange


def test_an_exchange_begins_with_its_request_and_nothing_else() -> None:
    exchange = HTTP11Exchange(b"GET", b"GET / HTTP/1.1\r\n\r\n", sent=True)
    assert (exchange.method, exchange.sent, exchange.opened) == (b"GET", True, False)
    assert exchange.id is None and exchange.headers is None and not exchange.ended


def test_reading_resumes_once_everything_was_read_for_which_it_had_paused() -> None:
    exchange: Any = HTTP11Exchange(b"GET", b"", sent=True)
    assert exchange.consumed(5) == 0
    exchange.paused = True
    exchange.chunks.append(b"more")
    assert exchange.consumed(6) == 0
    exchange.chunks.clear()
    assert exchange.consumed(7) == 7
    assert exchange.taken == 18
