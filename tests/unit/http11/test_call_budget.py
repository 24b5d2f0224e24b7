"""What HTTP/1.1 costs the core, in Python calls: exact, the same on every machine.

Calls of functions written in Python are what makes Python slow (``tests/test_call_budget.py``).
A new number has its reason in the commit that brings it.
"""

from __future__ import annotations

from typing import Any

from hyper.http11.protocol import HTTP11Protocol
from tests.test_call_budget import counted, listing

from .asking import CHUNKED, OK, asked

GET = 21
PIECE = 5
CHUNK = 5

HEADERS = [
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"user-agent", b"hyper/1.0"),
]
RESPONSE = (
    OK
    + b"Content-Type: application/json\r\n"
    + b"Content-Length: 1024\r\n"
    + b"Server: nginx/1.22.1\r\n"
    + b"Cache-Control: max-age=3600\r\n"
    + b"Vary: accept-encoding\r\n"
    + b'ETag: "6553c1a5-400"\r\n'
    + b"Date: Fri, 20 Nov 2026 16:00:00 GMT\r\n\r\n"
    + bytes(1024)
)


def test_a_get_costs_no_more_than_its_budget() -> None:
    client: Any = HTTP11Protocol()
    for _ in range(3):
        with counted() as calls:
            exchange = client.request(b"GET", b"http", b"example.org", b"/", HEADERS, end=True)
            client.data_to_send()
            client.receive_data(RESPONSE)
        assert exchange.ended and exchange.received == 1024
        assert 10 < calls.total() <= GET, listing(calls)


def test_a_piece_of_a_body_costs_the_same_however_many_came_before() -> None:
    client, exchange = asked()
    client.receive_data(OK + b"content-length: 1000000000\r\n\r\n")
    for _ in range(100):
        with counted() as calls:
            client.receive_data(bytes(1000))
        assert calls.total() <= PIECE, listing(calls)
    assert exchange.received == 100_000


def test_a_chunk_costs_the_same_however_many_came_before() -> None:
    client, exchange = asked()
    client.receive_data(CHUNKED)
    costs = []
    for count in (100, 200, 400):
        data = (b"3e8\r\n" + bytes(1000) + b"\r\n") * count
        with counted() as calls:
            client.receive_data(data)
        costs.append(calls.total() / count)
        assert calls.total() <= CHUNK * count + PIECE, listing(calls)
    assert max(costs) - min(costs) < 0.1
    assert exchange.received == 700_000
