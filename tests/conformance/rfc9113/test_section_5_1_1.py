"""RFC 9113 §5.1.1: stream identifiers."""

from __future__ import annotations

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ConnectionError, ErrorCode
from tests.peer import OK, Peer, connected

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR


def test_a_client_uses_odd_ids_that_only_grow(peer: Peer) -> None:
    assert [peer.request().id for _ in range(5)] == [1, 3, 5, 7, 9]


def test_an_id_is_given_at_once_even_to_a_request_that_has_to_wait() -> None:
    peer = connected({"max_concurrent_streams": 1})
    assert [peer.request().id, peer.queue().id, peer.queue().id] == [1, 3, 5]


def test_a_cancelled_request_leaves_a_gap(peer: Peer) -> None:
    """§5.1.1: a higher id closes the lower ones that were never used."""
    peer.settings(max_concurrent_streams=1)
    peer.expect("SETTINGS", ack=True)
    first, second, third = peer.request(), peer.queue(), peer.queue()
    peer.protocol.cancel(second)
    peer.answer(first.id)
    peer.expect("HEADERS", stream_id=third.id)
    peer.expect_nothing()
    peer.answer(third.id)
    assert third.ended


def test_a_request_that_is_refused_uses_no_id(peer: Peer) -> None:
    with pytest.raises(ValueError, match="path"):
        peer.protocol.request(b"GET", b"https", b"example.org", b"no slash", [], end=True)
    assert peer.request().id == 1


@pytest.mark.parametrize("stream_id", [2, 4, 1000, 2**31 - 2, 3, 101, 2**31 - 1])
@pytest.mark.parametrize("end", [False, True])
def test_an_unexpected_id_is_a_connection_error(peer: Peer, stream_id: int, end: bool) -> None:
    """§5.1.1: PROTOCOL_ERROR, for an even id and for an odd one that was not opened."""
    peer.request()
    peer.headers(stream_id, OK, end=end)
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_an_id_that_still_waits_for_a_slot_is_idle_to_the_peer(peer: Peer) -> None:
    """Its number was given to the caller, but never to the wire."""
    peer.settings(max_concurrent_streams=0)
    peer.expect("SETTINGS", ack=True)
    queued = peer.queue()
    peer.headers(queued.id, OK, end=True)
    peer.expect_connection_error(PROTOCOL_ERROR)
    assert queued.error.retryable


def test_the_last_id_is_used_and_then_the_connection_has_served(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§5.1.1: ids cannot be used again; a client then opens a new connection."""
    assert limits.LAST_STREAM_ID == 2**31 - 1
    monkeypatch.setattr(limits, "LAST_STREAM_ID", 5)
    exchanges = [peer.request() for _ in range(2)]
    assert peer.protocol.accepting
    exchanges.append(peer.request())
    assert exchanges[-1].id == 5
    assert not peer.protocol.accepting
    with pytest.raises(ConnectionError) as caught:
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    assert caught.value.retryable
    for exchange in exchanges:
        peer.answer(exchange.id, b"whole")
        assert exchange.ended
        assert exchange.error is None
