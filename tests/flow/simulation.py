"""A download over a link of a given rate and length, in simulated time: the same everywhere.

The client is a real ``HTTP20Protocol`` with a reader that takes everything at once. The server
sends whatever its TCP and the client's windows let it. Its TCP is the fastest that a window could
ever have to keep ahead of: slow start without loss (RFC 5681 §3.1), which doubles once per round
trip until the link is full; or, for a connection that is warm, no restraint at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hyper.http20.protocol import HTTP20Protocol

from ..peer import OK, Peer

FRAME = 16_384

#: Octets that TCP sends before it has heard anything (RFC 6928 §2).
INITIAL_FLIGHT = 10 * 1460


@dataclass(frozen=True)
class Link:
    """A link by its rate in octets a second and its round trip in seconds."""

    rate: float
    round_trip: float
    warm: bool = False


def download(link: Link, size: int, **options: Any) -> float:
    """Seconds from the request's arrival to the last octet's, over HTTP/2.

    ``options`` are those of ``HTTP20Protocol``.
    """
    return downloads([link], size, **options)


def downloads(links: Sequence[Link], size: int, **options: Any) -> float:
    """The same for the last of several downloads, one after the other on one connection."""
    peer = Peer(HTTP20Protocol(**options))
    peer.handshake()
    return [_download(peer, link, size) for link in links][-1]


def _download(peer: Peer, link: Link, size: int) -> float:
    exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.written()
    peer.headers(exchange.id, OK)

    def receive(octets: int) -> int:
        if octets:
            peer.data(exchange.id, bytes(octets))
        while exchange.chunks:
            increment = exchange.consumed(len(exchange.chunks.popleft()))
            if increment:
                peer.protocol.widen(exchange, increment)
        peer.written()
        return min(peer.granted, peer.window_of(exchange.id))

    seconds = _run(link, size, receive)
    peer.data(exchange.id, end=True)
    return seconds


def bare(link: Link, size: int) -> float:
    """The same without HTTP/2: what the link gives."""
    return _run(link, size, lambda octets: size)


def _run(link: Link, size: int, receive: Callable[[int], int]) -> float:
    """``receive`` takes octets and returns how many more the client is ready for."""
    half = link.round_trip / 2
    flight = float("inf") if link.warm else INITIAL_FLIGHT
    now = free = 0.0
    sent = acknowledged = arrived = 0
    granted = receive(0)
    # (when, a number that keeps things in order, octets acknowledged or -1, octets granted)
    events: list[tuple[float, int, int, int]] = []
    number = 0
    while arrived < size:
        if now >= free:
            piece = int(min(size - sent, FRAME, granted - sent, flight - (sent - acknowledged)))
            if piece > 0:
                free = now + piece / link.rate
                sent += piece
                heapq.heappush(events, (free + half, number, -1, piece))
                heapq.heappush(events, (free, number + 1, 0, 0))
                number += 2
        now, _, octets, grant = heapq.heappop(events)
        if octets < 0:
            arrived += grant
            number += 1
            news = (now + half, number, grant, arrived + receive(grant))
            heapq.heappush(events, news)
        else:
            acknowledged += octets
            flight += octets
            granted = max(granted, grant)
    return now
