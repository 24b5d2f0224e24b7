"""RFC 9113 §6.7: PING."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, HTTP20Error
from tests.peer import ACK, Peer, connected

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize("opaque", [bytes(8), b"12345678", b"\xff" * 8])
def test_a_ping_is_answered_with_its_own_octets(peer: Peer, opaque: bytes) -> None:
    """§6.7: and with the ACK flag."""
    assert peer.ping(opaque) == []
    peer.expect("PING", ack=True, opaque=opaque, stream_id=0)
    peer.expect_nothing()


def test_pings_are_answered_in_order_and_before_what_is_asked_later(peer: Peer) -> None:
    """§6.7: a response should have priority over other frames."""
    peer.ping(b"first  1")
    peer.ping(b"second 2")
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    assert [written.opaque for written in peer.written()] == [b"first  1", b"second 2", b""]


def test_an_acknowledgement_is_never_answered(peer: Peer) -> None:
    """§6.7: not even one that nobody asked for."""
    peer.ping(b"unasked!", ack=True)
    peer.expect_nothing()
    peer.check_usable()


@pytest.mark.parametrize("stream_id", [1, 2, 3])
@pytest.mark.parametrize("flags", [0, ACK])
def test_a_ping_on_a_stream_is_a_connection_error(peer: Peer, stream_id: int, flags: int) -> None:
    peer.request()
    peer.frame("PING", flags, stream_id, bytes(8))
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [0, 7, 9, 16])
@pytest.mark.parametrize("flags", [0, ACK])
def test_a_ping_of_another_length_is_a_connection_error(peer: Peer, size: int, flags: int) -> None:
    """§6.7: FRAME_SIZE_ERROR."""
    peer.request()
    peer.frame("PING", flags, 0, bytes(size))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


def test_our_own_ping_ends_with_its_acknowledgement(peer: Peer) -> None:
    sign = peer.protocol.ping(b"alive?!!")
    peer.expect("PING", ack=False, opaque=b"alive?!!", stream_id=0)
    assert not sign.ended
    peer.ping(b"another!", ack=True)
    assert not sign.ended
    assert peer.ping(b"alive?!!", ack=True) == [sign]
    assert sign.ended


def test_two_pings_of_the_same_octets_take_two_answers(peer: Peer) -> None:
    first, second = peer.protocol.ping(b"same one"), peer.protocol.ping(b"same one")
    assert peer.ping(b"same one", ack=True) == [first]
    assert not second.ended
    assert peer.ping(b"same one", ack=True) == [second]


@pytest.mark.parametrize("opaque", [b"", b"1234567", b"123456789"])
def test_a_ping_carries_eight_octets(peer: Peer, opaque: bytes) -> None:
    with pytest.raises(ValueError, match="8 octets"):
        peer.protocol.ping(opaque)
    peer.expect_nothing()


def test_a_ping_that_waits_fails_with_its_connection(peer: Peer) -> None:
    sign = peer.protocol.ping(b"alive?!!")
    assert sign in peer.protocol.connection_lost(None)
    assert isinstance(sign.error, HTTP20Error)
    with pytest.raises(HTTP20Error):
        peer.protocol.ping(b"alive?!!")


def test_a_ping_may_come_octet_by_octet() -> None:
    one_by_one = connected(split=1)
    one_by_one.ping(b"piecemel")
    one_by_one.expect("PING", ack=True, opaque=b"piecemel")
