"""RFC 9113 §6.3: PRIORITY, deprecated, whose framing still has rules."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import Peer

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


def test_priority_on_stream_0_is_a_connection_error(peer: Peer) -> None:
    peer.request()
    peer.priority(0)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [0, 1, 4, 6, 100])
def test_a_wrong_length_on_an_open_stream_is_a_stream_error(peer: Peer, size: int) -> None:
    """§6.3: FRAME_SIZE_ERROR."""
    exchange = peer.request()
    peer.frame("PRIORITY", 0, exchange.id, bytes(size))
    peer.expect_stream_error(exchange.id, FRAME_SIZE_ERROR)
    assert exchange.error.error_code == FRAME_SIZE_ERROR
    peer.check_usable()


@pytest.mark.parametrize("stream_id", [3, 2])
def test_a_wrong_length_on_an_idle_stream_breaks_the_connection(peer: Peer, stream_id: int) -> None:
    """§6.4: RST_STREAM must not be sent for an idle stream, so GOAWAY is what is left (§5.4.1)."""
    peer.request()
    peer.frame("PRIORITY", 0, stream_id, bytes(4))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


def test_a_wrong_length_on_a_closed_stream_resets_nothing(peer: Peer) -> None:
    exchange = peer.request()
    peer.answer(exchange.id)
    peer.frame("PRIORITY", 0, exchange.id, bytes(4))
    names = [(written.name, written.error_code) for written in peer.written()]
    assert names in ([], [("GOAWAY", FRAME_SIZE_ERROR)])


@pytest.mark.parametrize("stream_id", [1, 2, 3, 5, 1001, 2**31 - 1])
def test_priority_may_come_in_any_state(peer: Peer, stream_id: int) -> None:
    """§5.1, §6.3: idle and closed streams included; and it opens none."""
    closed, live = peer.request(), peer.request()
    peer.answer(closed.id)
    assert peer.priority(stream_id, depends_on=stream_id, weight=255) == []
    peer.expect_nothing()
    peer.answer(live.id)
    assert live.ended
    assert peer.request().id == 5
