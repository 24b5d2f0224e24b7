"""RFC 9113 §4.2: frame sizes."""

from __future__ import annotations

import struct

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import END_HEADERS, PADDED, PRIORITY, TYPES, Peer, body_of, frame

FRAME_SIZE_ERROR, PROTOCOL_ERROR = ErrorCode.FRAME_SIZE_ERROR, ErrorCode.PROTOCOL_ERROR


def test_a_frame_of_exactly_16384_octets_is_accepted(peer: Peer) -> None:
    """§4.2: every implementation must be able to."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"x" * 16_384, end=True)
    assert len(body_of(exchange)) == 16_384
    assert exchange.ended


@pytest.mark.parametrize("kind", [*TYPES.values(), 0xA, 0xEE])
@pytest.mark.parametrize("size", [16_385, 2**24 - 1])
@pytest.mark.parametrize("stream_id", [0, 1])
def test_a_larger_frame_is_refused_by_its_head(
    peer: Peer, kind: int, size: int, stream_id: int
) -> None:
    """§4.2: FRAME_SIZE_ERROR. The nine octets of its head say enough; nothing is read for it."""
    exchange = peer.request()
    head = struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, 0, stream_id)
    assert peer.raw(head[:8]) == []
    peer.expect_nothing()
    assert exchange in peer.raw(head[8:])
    peer.expect_connection_error(FRAME_SIZE_ERROR)
    assert exchange.error.error_code == FRAME_SIZE_ERROR


@pytest.mark.parametrize(
    ("octets", "codes"),
    [
        (frame("DATA", PADDED, 1), (FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
        (frame("HEADERS", END_HEADERS | PADDED, 1), (FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
        (frame("HEADERS", END_HEADERS | PRIORITY, 1, bytes(4)), (FRAME_SIZE_ERROR,)),
        (
            frame("HEADERS", END_HEADERS | PRIORITY | PADDED, 1, bytes(5)),
            (FRAME_SIZE_ERROR, PROTOCOL_ERROR),
        ),
        (frame("RST_STREAM", 0, 1, bytes(3)), (FRAME_SIZE_ERROR,)),
        (frame("RST_STREAM", 0, 1, bytes(5)), (FRAME_SIZE_ERROR,)),
        (frame("SETTINGS", 0, 0, bytes(5)), (FRAME_SIZE_ERROR,)),
        (frame("PING", 0, 0, bytes(7)), (FRAME_SIZE_ERROR,)),
        (frame("PING", 0, 0, bytes(9)), (FRAME_SIZE_ERROR,)),
        (frame("GOAWAY", 0, 0, bytes(7)), (FRAME_SIZE_ERROR,)),
        (frame("GOAWAY", 0, 0), (FRAME_SIZE_ERROR,)),
        (frame("WINDOW_UPDATE", 0, 0, bytes(3)), (FRAME_SIZE_ERROR,)),
        (frame("WINDOW_UPDATE", 0, 1, bytes(5)), (FRAME_SIZE_ERROR,)),
    ],
)
def test_a_frame_too_small_or_large_for_its_type_breaks_the_connection(
    peer: Peer, octets: bytes, codes: tuple[int, ...]
) -> None:
    """§4.2: FRAME_SIZE_ERROR, for the whole connection where its state is concerned."""
    exchange = peer.request()
    assert exchange in peer.raw(octets)
    peer.expect_connection_error(*codes)
    assert exchange.error.stream_id is None


def test_frames_of_no_payload_are_fine_where_a_type_allows_it(peer: Peer) -> None:
    exchange = peer.request()
    peer.frame("SETTINGS", 0x1)
    peer.headers(exchange.id)
    peer.frame("DATA", 0, exchange.id)
    peer.frame("DATA", 0x1, exchange.id)
    assert exchange.ended
    assert body_of(exchange) == b""
    peer.expect_nothing()
