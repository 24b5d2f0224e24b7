"""RFC 9113 §6.1: DATA."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import END_STREAM, PADDED, Peer, body_of

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


@pytest.mark.parametrize("flags", [0, END_STREAM, PADDED])
def test_data_on_stream_0_is_a_connection_error(peer: Peer, flags: int) -> None:
    """§6.1: DATA must be associated with a stream."""
    peer.request()
    peer.frame("DATA", flags, 0, b"\0data")
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("padding", [0, 1, 10, 255])
@pytest.mark.parametrize("data", [b"", b"x", b"some data"])
def test_padding_is_taken_off(peer: Peer, data: bytes, padding: int) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, data, padding=padding)
    peer.data(exchange.id, data, padding=padding, end=True)
    assert body_of(exchange) == data * 2
    assert exchange.ended
    assert exchange.error is None


def test_padding_need_not_be_zero(peer: Peer) -> None:
    """§6.1: a receiver is not obliged to verify it."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.frame("DATA", PADDED | END_STREAM, exchange.id, b"\x03data\xff\xff\xff")
    assert body_of(exchange) == b"data"
    assert exchange.ended


@pytest.mark.parametrize(
    "payload", [b"\x01", b"\x05data", b"\xff" + bytes(254), b"\xff" + bytes(100)]
)
@pytest.mark.parametrize("flags", [0, END_STREAM])
def test_padding_as_long_as_the_payload_is_a_connection_error(
    peer: Peer, payload: bytes, flags: int
) -> None:
    """§6.1: PROTOCOL_ERROR, since the length is not to be believed."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.frame("DATA", PADDED | flags, exchange.id, payload)
    peer.expect_connection_error(PROTOCOL_ERROR)
    assert body_of(exchange) == b""


def test_padded_data_without_a_pad_length_is_a_connection_error(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.frame("DATA", PADDED, exchange.id)
    peer.expect_connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)


def test_bad_padding_on_a_closed_stream_breaks_the_connection_or_is_dropped(peer: Peer) -> None:
    """§6.1, §5.1: either is allowed; what matters is that the connection's window is kept."""
    exchange = peer.request()
    peer.answer(exchange.id)
    peer.frame("DATA", PADDED, exchange.id, b"\x05data")
    names = [written.name for written in peer.written()]
    assert names in ([], ["GOAWAY"])


def test_the_smallest_padding_frame_is_all_padding(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.frame("DATA", PADDED | END_STREAM, exchange.id, b"\xff" + bytes(255))
    assert exchange.ended
    assert body_of(exchange) == b""


def test_a_body_is_what_its_frames_hold(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    for piece in (b"one ", b"", b"two ", b"three"):
        assert exchange in peer.data(exchange.id, piece) or not piece
    peer.data(exchange.id, end=True)
    assert body_of(exchange) == b"one two three"


def test_end_stream_on_an_empty_frame_ends_the_body(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"body")
    assert not exchange.ended
    assert exchange in peer.data(exchange.id, b"", end=True)
    assert exchange.ended


def test_three_thousand_frames_of_one_octet_are_a_body_like_any_other(peer: Peer) -> None:
    """Small frames are slow, not hostile; the octets must not be worth a page each."""
    exchange = peer.request()
    peer.headers(exchange.id)
    for at in range(3000):
        peer.data(exchange.id, b"%d" % (at % 10))
    peer.data(exchange.id, end=True)
    assert exchange.ended
    assert body_of(exchange) == b"0123456789" * 300
    assert len(exchange.chunks) <= 2048


def test_the_client_never_pads(peer: Peer) -> None:
    upload = peer.upload()
    peer.protocol.send_body(upload, b"data", end=True)
    assert peer.expect("DATA", data=b"data", end_stream=True).flags == {"END_STREAM"}


def test_an_upload_may_end_with_or_without_octets(peer: Peer) -> None:
    first, second = peer.upload(), peer.upload()
    peer.protocol.send_body(first, b"all", end=True)
    peer.protocol.send_body(second, b"all", end=False)
    peer.protocol.send_body(second, b"", end=True)
    peer.expect("DATA", stream_id=first.id, data=b"all", end_stream=True)
    peer.expect("DATA", stream_id=second.id, data=b"all", end_stream=False)
    peer.expect("DATA", stream_id=second.id, data=b"", end_stream=True)
    peer.expect_nothing()


def test_an_empty_piece_that_ends_nothing_sends_nothing(peer: Peer) -> None:
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"", end=False) == 0
    peer.expect_nothing()


def test_octets_that_the_caller_changes_later_are_sent_as_they_were(peer: Peer) -> None:
    """A bytearray or a view of one may be used again as soon as send_body has returned."""
    upload = peer.upload()
    buffer = bytearray(b"first")
    peer.protocol.send_body(upload, memoryview(buffer), end=False)
    buffer[:] = b"again"
    peer.protocol.send_body(upload, memoryview(buffer), end=True)
    buffer[:] = b"never"
    assert b"".join(written.data for written in peer.written()) == b"firstagain"
