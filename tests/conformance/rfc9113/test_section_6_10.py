"""RFC 9113 §6.10: CONTINUATION. What may not come between two of them is in §4.3's file."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import END_HEADERS, END_STREAM, OK, Peer

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("stream_id", [0, 1, 2, 3])
@pytest.mark.parametrize("end_headers", [False, True])
def test_a_continuation_of_nothing_is_a_connection_error(
    peer: Peer, stream_id: int, end_headers: bool
) -> None:
    """§6.10: it must follow HEADERS, PUSH_PROMISE or CONTINUATION without END_HEADERS."""
    peer.request()
    peer.continuation(stream_id, b"\x88", end_headers=end_headers)
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_a_continuation_after_the_end_of_a_block_is_a_connection_error(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.continuation(exchange.id, b"\x88")
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_a_continuation_after_the_last_continuation_is_a_connection_error(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, ("x-long", "name")], fragments=3)
    assert exchange.status == 200
    peer.continuation(exchange.id, b"\x88")
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_a_continuation_after_data_is_a_connection_error(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"body")
    peer.continuation(exchange.id, b"\x88")
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_a_continuation_of_another_stream_is_a_connection_error(peer: Peer) -> None:
    first, second = peer.request(), peer.request()
    peer.frame("HEADERS", 0, first.id, peer.block(OK))
    peer.continuation(second.id, b"")
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_its_end_stream_bit_means_nothing(peer: Peer) -> None:
    """§6.10 defines END_HEADERS alone; §4.1: other bits are ignored."""
    exchange = peer.request()
    block = peer.block(OK)
    peer.frame("HEADERS", 0, exchange.id, block[:0])
    peer.frame("CONTINUATION", 0xFF, exchange.id, block)
    assert exchange.status == 200
    assert not exchange.ended
    peer.data(exchange.id, b"body", end=True)
    assert exchange.ended


def test_trailers_may_be_continued(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"body")
    block = peer.block([("x-trailer", "1")])
    peer.frame("HEADERS", END_STREAM, exchange.id, block[:2])
    assert not exchange.ended
    peer.frame("CONTINUATION", END_HEADERS, exchange.id, block[2:])
    assert exchange.trailers == [(b"x-trailer", b"1")]
    assert exchange.ended


def test_a_block_for_a_closed_stream_may_be_continued_as_well(peer: Peer) -> None:
    exchange = peer.request()
    peer.protocol.cancel(exchange)
    peer.written()
    peer.headers(exchange.id, [*OK, ("x-learned", "here")], fragments=4)
    other = peer.request()
    peer.headers(other.id, [*OK, ("x-learned", "here")])
    assert other.headers == [(b"x-learned", b"here")]


def test_two_blocks_in_a_row_do_not_mix(peer: Peer) -> None:
    first, second = peer.request(), peer.request()
    with peer.one_read():
        peer.headers(first.id, [*OK, ("x-one", "1" * 30)], fragments=5, end=True)
        peer.headers(second.id, [*OK, ("x-two", "2" * 30)], fragments=5)
    assert first.headers == [(b"x-one", b"1" * 30)]
    assert first.ended
    assert second.headers == [(b"x-two", b"2" * 30)]
    assert not second.ended
