"""HTTP/2: octets from a server, after requests; in one piece, in many, and while life goes on.

The first octet says what the client is like and has asked for, the second how the octets are cut;
everything behind them comes from the server. Bits of the first: 1 takes pushes; 2 has heard
SETTINGS and their acknowledgement already; 4 uploads; 8 has narrow windows; 16 asks by HEAD; 32
asks by CONNECT; 64 more requests than usual.
"""

from __future__ import annotations

import struct
from typing import Any

from hyper.common.exchange import Exchange
from hyper.http20 import receiving
from hyper.http20.exceptions import HTTP20Error
from hyper.http20.limits import (
    CONNECTION_WINDOW,
    MAX_PUSHES,
    MAX_WINDOW,
    SMALL_CHUNK,
    STREAM_WINDOW,
)
from hyper.http20.protocol import HTTP20Protocol

from .octets import cut, pieces_of

__all__ = ["check", "mutate"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GOAWAY = 7
SETTINGS = bytes.fromhex("000000040000000000")
ACKNOWLEDGED = bytes.fromhex("000000040100000000")

# DATA frames that are alike are taken in one go when they are large. No input is, so that begins
# with smaller ones here: it must make no difference.
receiving._BULK = SMALL_CHUNK << 8

#: Things that any container of a connection may hold; by far the most are asked for by MAX_EMPTY
#: and the like, which no input of a few thousand octets reaches.
MOST_THINGS = 2048


def check(data: bytes) -> None:
    kind, choice, said = data[:1], data[1:2], data[2:]
    bits = kind[0] if kind else 0
    size = choice[0] if choice else 0
    whole = _replay(bits, [said])
    for pieces in pieces_of(said, size):
        assert _replay(bits, pieces) == whole, f"it differs when cut into {list(map(len, pieces))}"
    _live(bits, list(cut(said, 1 + size)))


def _client(bits: int) -> tuple[HTTP20Protocol, list[Any]]:
    client = HTTP20Protocol(
        enable_push=bool(bits & 1),
        stream_window=1000 if bits & 8 else STREAM_WINDOW,
        connection_window=70_000 if bits & 8 else CONNECTION_WINDOW,
    )
    if bits & 2:
        client.receive_data(SETTINGS + ACKNOWLEDGED)
    method = b"HEAD" if bits & 16 else b"CONNECT" if bits & 32 else b"GET"
    exchanges: list[Any] = []
    for at in range(12 if bits & 64 else 4):
        upload = bool(bits & 4) and at % 2 == 0
        authority = b"a:443" if method == b"CONNECT" and not upload else b"a"
        exchanges.append(
            client.request(
                b"POST" if upload else method, b"https", authority, b"/%d" % at, [], end=not upload
            )
        )
    return client, exchanges


def _replay(bits: int, pieces: list[bytes]) -> list[Any]:
    """What comes of the octets in these pieces, as far as anybody can see it."""
    client, exchanges = _client(bits)
    first_flight = client.data_to_send()
    flights = [b""]
    moved: set[Exchange] = set()
    for piece in pieces:
        over = client.closed
        news = client.receive_data(piece)
        assert not (over and news), "a connection that is closed has news"
        moved.update(news)
        if flight := client.data_to_send():
            flights.append(flight)
    pushed = [push for exchange in exchanges for push in exchange.pushes]
    assert moved <= {*exchanges, *pushed}
    # Of what a broken connection's client wrote only the last flight counts: how many answers to
    # earlier frames it still gets rid of depends on when it is asked.
    written = _without_words(flights[-1]) if client.closed else b"".join(flights)
    seen = [_outcome(one) for one in exchanges + pushed]
    _look(client, exchanges)
    client.connection_lost(None)
    _look(client, exchanges)
    assert not client.streams and client.idle
    after = [_outcome(one) for one in exchanges + pushed]
    for one in exchanges + pushed:
        assert one.ended or isinstance(one.error, HTTP20Error), f"stream {one.id} hangs"
    return [seen, after, first_flight, written, client.accepting, sorted(e.id for e in moved)]


def _without_words(flight: bytes) -> list[bytes]:
    """The frames of a last flight; GOAWAY without its debug data, which may quote what was there
    to be read when it went wrong.
    """
    at = flight.startswith(PREFACE) * len(PREFACE)
    frames = _frames(flight[at:])
    return [frame[3:17] if frame[3] == GOAWAY else frame for frame in frames]


def _outcome(exchange: Any) -> tuple[Any, ...]:
    return (
        exchange.id,
        exchange.status,
        exchange.headers and list(exchange.headers),
        exchange.trailers is not None and list(exchange.trailers),
        [(status, list(fields)) for status, fields in exchange.informational],
        b"".join(exchange.chunks),
        exchange.ended,
        type(exchange.error),
        exchange.error and vars(exchange.error),
    )


def _live(bits: int, pieces: list[bytes]) -> None:
    """The same, with someone who reads, uploads, cancels and asks again meanwhile."""
    client, exchanges = _client(bits)
    asked = len(exchanges)
    uploads = [one for one in exchanges if not one.end]
    for turn, piece in enumerate(pieces):
        client.receive_data(piece)
        for exchange in exchanges:
            if turn % 3:
                size = sum(map(len, exchange.chunks))
                exchange.chunks.clear()
                if increment := exchange.consumed(size):
                    client.widen(exchange, increment)
        for upload in uploads:
            if not upload.end:
                room = client.room(upload)
                assert 0 <= room <= MAX_WINDOW
                try:
                    taken = client.send_body(upload, b"x" * 300, end=turn % 7 == 6)
                except HTTP20Error as error:
                    assert upload.error is not None and error is not upload.error
                    continue
                assert taken == min(room, 300)
        if turn % 5 == 4:
            client.cancel(exchanges[turn % len(exchanges)])
        if turn % 2 and asked < 100:
            asked += 1
            try:
                exchanges.append(client.request(b"GET", b"https", b"a", b"/", [], end=True))
            except HTTP20Error as error:
                assert not client.accepting and error.retryable
            except ValueError:
                assert (client.remote_settings.max_header_list_size or 0) < 200
        assert len(client.data_to_send()) <= 1 << 16
        _look(client, exchanges)
    client.close()
    client.connection_lost(None)
    for exchange in exchanges:
        assert exchange.ended or isinstance(exchange.error, HTTP20Error)


def _look(client: HTTP20Protocol, exchanges: list[Any]) -> None:
    """What holds at any time."""
    for name, value in vars(client).items():
        if hasattr(value, "__len__") and not isinstance(value, str | bytes):
            assert len(value) <= MOST_THINGS, f"{name} holds {len(value)}"
    # A window that was overrun ends its connection, or its stream, and is not looked at again.
    assert client.closed or client.send_window <= MAX_WINDOW
    assert 0 <= client.receive_window <= MAX_WINDOW
    assert client._open == sum(number % 2 for number in client.streams)
    assert client._pushes_open == len(client.streams) - client._open <= MAX_PUSHES
    for exchange in exchanges:
        assert exchange.error or exchange.local_closed or exchange.send_window <= MAX_WINDOW
        assert exchange.receive_window <= MAX_WINDOW
        if exchange.ended:
            assert exchange.error is None and exchange.status >= 200
        assert exchange.status == 0 or exchange.status >= 200
        if client.closed:
            assert exchange.ended or exchange.error is not None, f"stream {exchange.id} hangs"


# -- mutations that keep to frames ----------------------------------------------------------------


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """One more step away from ``data``, by whole frames: what noise hardly ever does."""
    head, frames = data[:2], _frames(data[2:])
    if not frames:
        return data
    at = seed % len(frames)
    other = (seed >> 8) % len(frames)
    how = (seed >> 16) % 8
    frame = frames[at]
    if how == 0:
        frames.insert(at, frame)
    elif how == 1:
        del frames[at]
    elif how == 2:
        frames[at], frames[other] = frames[other], frame
    elif how == 3:
        frames.insert(other, frame)
    elif how == 4 and len(frame) >= 9:  # another type
        frames[at] = frame[:3] + bytes([(seed >> 20) % 11]) + frame[4:]
    elif how == 5 and len(frame) >= 9:  # a flag
        frames[at] = frame[:4] + bytes([frame[4] ^ (1 << (seed >> 20) % 6)]) + frame[5:]
    elif how == 6 and len(frame) >= 9:  # another stream
        frames[at] = frame[:5] + struct.pack(">L", (seed >> 20) % 14) + frame[9:]
    elif len(frame) > 9:  # the head's length is what the payload has
        payload = frame[9 + (seed >> 20) % (len(frame) - 9) :]
        frames[at] = struct.pack(">L", len(payload))[1:] + frame[3:9] + payload
    return (head + b"".join(frames))[:most]


def _frames(said: bytes) -> list[bytes]:
    """The octets by frames, the last of them as far as it goes."""
    frames = []
    at = 0
    while at < len(said):
        size = 9 + int.from_bytes(said[at : at + 3], "big")
        frames.append(said[at : at + size])
        at += size
    return frames
