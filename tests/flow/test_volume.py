"""R28: after very much has arrived in every possible shape, not one octet of window is missing."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

from hyperframe.frame import PingFrame

from hyper import HTTP20Connection
from hyper.http20.limits import LARGEST_GROWN_WINDOW, STREAM_WINDOW, WINDOW_GROWTH

from ..faults.rawserver import Conversation, RawServer
from ..peer import PADDED, Peer, connected, frame
from .ledger import Ledger

MIB = 1 << 20
GIB = 1 << 30

#: Octets of a body, of which frames are cut; not a power of two long, so that a frame lost or
#: repeated shows.
PATTERN = bytes(range(251)) * 130


def shapes(chance: random.Random) -> Iterator[tuple[int, int | None]]:
    """Sizes of payload and padding: mostly full frames, and every kind of small and padded one."""
    while True:
        for _ in range(chance.randrange(1, 60)):
            yield 16_384, None
        for _ in range(chance.randrange(8)):
            yield chance.randrange(1, 20), None
        for _ in range(chance.randrange(8)):
            yield chance.randrange(16_000), chance.randrange(256)
        yield 0, 255
        yield 1, 255
        yield 16_128, 255


def data_frame(stream_id: int, body: bytes, padding: int | None, flags: int = 0) -> bytes:
    if padding is None:
        return frame("DATA", flags, stream_id, body)
    return frame("DATA", flags | PADDED, stream_id, bytes([padding]) + body + bytes(padding))


def distance(peer: Peer, stream: Any) -> tuple[int, int]:
    """By how much the two sides differ about what may still be sent."""
    return (
        peer.granted - peer.protocol.receive_window,
        peer.window_of(stream.id) - stream.receive_window,
    )


def test_2_gib_in_odd_frames_leave_the_windows_where_they_were() -> None:
    """R28: long downloads stalled after hundreds of MB, by drift (h2#867, trafficserver#3077)."""
    chance = random.Random(28)
    peer = connected()
    protocol = peer.protocol
    stream = peer.request()
    peer.headers(stream.id)
    total = taken = turns = 0
    reads: list[bytes] = []
    lowest = LARGEST_GROWN_WINDOW
    for size, padding in shapes(chance):
        cost = size if padding is None else size + padding + 1
        room = min(peer.granted, peer.window_of(stream.id))
        lowest = min(lowest, room)
        assert room >= cost, f"stalled after {total} octets"
        peer.granted -= cost
        peer.granted_to[stream.id] = peer.window_of(stream.id) - cost
        reads.append(data_frame(stream.id, PATTERN[:size], padding))
        total += size
        if len(reads) < 16:
            continue
        protocol.receive_data(b"".join(reads))
        reads.clear()
        turns += 1
        # The reader is sometimes behind, and sometimes has read it all.
        while stream.chunks and (turns % 3 or len(stream.chunks) > 20):
            piece = len(stream.chunks.popleft())
            taken += piece
            if piece and (increment := stream.consumed(piece)):
                protocol.widen(stream, increment)
        if turns % 500 == 0:
            # What the server announces is about uploads and must not touch downloads.
            peer.settings(
                initial_window_size=chance.choice([0, 1, 65_535, 1 << 20]),
                header_table_size=chance.choice([0, 4096]),
                max_frame_size=chance.choice([16_384, 1 << 20]),
                max_concurrent_streams=chance.randrange(1, 200),
            )
            peer.ping()
        assert stream.error is None
        peer.written()
        assert distance(peer, stream) == (0, 0)
        if total >= 2 * GIB:
            break
    while stream.chunks:
        piece = len(stream.chunks.popleft())
        taken += piece
        if piece and (increment := stream.consumed(piece)):
            protocol.widen(stream, increment)
    peer.written()
    assert taken == total >= 2 * GIB
    assert distance(peer, stream) == (0, 0)
    # Neither has anything been lost for good, nor has anything been given twice: what the peer
    # may send is what both windows have grown to, but for what is not worth a word yet.
    largest = STREAM_WINDOW * WINDOW_GROWTH
    assert largest * 3 // 4 - STREAM_WINDOW // 4 <= peer.window_of(stream.id) <= largest
    assert LARGEST_GROWN_WINDOW * 3 // 4 <= peer.granted <= LARGEST_GROWN_WINDOW
    assert lowest > 0


def test_a_download_in_odd_frames_over_a_socket_keeps_both_sides_books_equal() -> None:
    """R28, with the server's books kept apart: its windows only ever hold what we granted."""
    octets = 48 * MIB
    ledgers: list[Ledger] = []

    def script(conversation: Conversation) -> None:
        chance = random.Random(29)
        ledger = Ledger(conversation)
        ledgers.append(ledger)
        while not ledger.whole:
            ledger.hear()
        conversation.head(1)
        left = octets
        turns = 0
        parts: list[bytes] = []
        for size, padding in shapes(chance):
            size = min(size, left)
            cost = size if padding is None else size + padding + 1
            while min(ledger.room, ledger.rooms[1]) < cost:
                conversation.say(b"".join(parts))
                parts.clear()
                ledger.hear()
            ledger.room -= cost
            ledger.rooms[1] -= cost
            left -= size
            parts.append(data_frame(1, PATTERN[:size], padding))
            if len(parts) == 16:
                conversation.say(b"".join(parts))
                parts.clear()
                turns += 1
                ledger.hear_all()
            if turns % 50 == 49:
                ledger.settings(initial_window_size=chance.choice([0, 65_535]))
                conversation.say(frame("PING", 0, 0, struct.pack(">Q", turns)))
            if not left:
                break
        conversation.say(b"".join(parts))
        # A PING of the client's comes after all the room that it has given.
        while not isinstance(heard := ledger.hear(), PingFrame) or "ACK" in heard.flags:
            pass
        conversation.say(frame("DATA", 1, 1))
        conversation.linger()

    with (
        RawServer(script) as server,
        HTTP20Connection("127.0.0.1", server.port, secure=False, timeout=10) as connection,
    ):
        connection.request("GET", "/")
        response: Any = connection.get_response()
        exchange = response._exchange
        size = 0
        while size < octets:
            size += len(response.read(min(100_000, octets - size)))
        connection.ping()
        mine = exchange.receive_window, response._pump.protocol.receive_window
        assert response.read() == b""
    assert size == octets
    assert mine == (ledgers[0].rooms[1], ledgers[0].room)
