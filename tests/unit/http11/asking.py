"""A client, a request, and what came of it: the first lines of nearly every test of HTTP/1.1.

The client and the exchange are ``Any``: what they say changes with every call, which a type
checker would not believe.
"""

from __future__ import annotations

from typing import Any

from hyper.http11.protocol import HTTP11Protocol

__all__ = ["CHUNKED", "EMPTY", "OK", "answered", "ask", "asked", "body", "read", "written"]

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"content-length: 0\r\n\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def ask(
    client: HTTP11Protocol, method: bytes = b"GET", *headers: tuple[bytes, bytes], end: bool = True
) -> Any:
    """Make a request, which is not written yet."""
    authority = b"example.org:443" if method == b"CONNECT" else b"example.org"
    return client.request(method, b"http", authority, b"/", headers, end=end)


def written(method: bytes = b"GET", *headers: tuple[bytes, bytes]) -> bytes:
    """What a client writes for a request without a body."""
    client = HTTP11Protocol()
    ask(client, method, *headers)
    return client.data_to_send()


def asked(method: bytes = b"GET") -> tuple[Any, Any]:
    """A client that has written one request, and the exchange."""
    client = HTTP11Protocol()
    exchange = ask(client, method)
    client.data_to_send()
    return client, exchange


def answered(*octets: bytes, method: bytes = b"GET") -> tuple[Any, Any]:
    """The same, after the server has sent these pieces."""
    client, exchange = asked(method)
    for piece in octets:
        client.receive_data(piece)
    return client, exchange


def body(exchange: Any) -> bytes:
    """What has come of the body and was not read."""
    return b"".join(exchange.chunks)


def read(client: Any, exchange: Any) -> bytes:
    """Do what a face does: take the octets, note them, widen when told to."""
    taken = []
    while exchange.chunks:
        taken.append(exchange.chunks.popleft())
        if room := exchange.consumed(len(taken[-1])):
            client.widen(exchange, room)
    return b"".join(taken)
