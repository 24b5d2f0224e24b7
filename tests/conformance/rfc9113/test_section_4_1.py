"""RFC 9113 §4.1: the frame head, its reserved bit and its undefined flags."""

from __future__ import annotations

import struct

import pytest

from tests.peer import END_HEADERS, END_STREAM, Peer, body_of, connected, frame


@pytest.mark.parametrize("kind", [0x0A, 0x0B, 0x0C, 0x0F, 0x10, 0x42, 0xFF])
@pytest.mark.parametrize("flags", [0x0, 0xFF])
@pytest.mark.parametrize("stream_id", [0, 1, 2, 3, 1001])
def test_frames_of_unknown_types_are_ignored(
    peer: Peer, kind: int, flags: int, stream_id: int
) -> None:
    """§4.1: on stream 0, an open one, an idle one; whatever their flags and payload."""
    exchange = peer.request()
    assert peer.frame(kind, flags, stream_id, b"any payload") == []
    assert peer.frame(kind, flags, stream_id) == []
    peer.expect_nothing()
    peer.answer(exchange.id, b"untouched")
    assert body_of(exchange) == b"untouched"


UNDEFINED_FLAGS = [
    ("DATA", 0xFF & ~(0x1 | 0x8)),
    ("HEADERS", 0xFF & ~(0x1 | 0x4 | 0x8 | 0x20)),
    ("PRIORITY", 0xFF),
    ("SETTINGS", 0xFF & ~0x1),
    ("PING", 0xFF & ~0x1),
    ("WINDOW_UPDATE", 0xFF),
]


@pytest.mark.parametrize(("kind", "flags"), UNDEFINED_FLAGS)
def test_flags_without_a_meaning_are_ignored(peer: Peer, kind: str, flags: int) -> None:
    """§4.1: unused flags must be ignored on receipt."""
    exchange = peer.request()
    block = peer.block([(":status", "200")])
    head = flags if kind == "HEADERS" else 0
    data = flags if kind == "DATA" else 0
    if kind == "PRIORITY":
        peer.frame(kind, flags, 1, bytes(5))
    elif kind == "SETTINGS":
        peer._announced.append({})
        peer.frame(kind, flags, 0)
        peer.expect("SETTINGS", ack=True)
    elif kind == "PING":
        peer.frame(kind, flags, 0, b"opaque!!")
        peer.expect("PING", ack=True, opaque=b"opaque!!")
    elif kind == "WINDOW_UPDATE":
        peer.frame(kind, flags, 1, b"\0\0\0\1")
    peer.frame("HEADERS", END_HEADERS | head, exchange.id, block)
    peer.frame("DATA", data, exchange.id, b"body")
    assert not exchange.ended
    peer.frame("DATA", END_STREAM | data, exchange.id)
    assert body_of(exchange) == b"body"
    assert exchange.ended
    peer.expect_nothing()


def test_flags_without_a_meaning_are_ignored_on_rst_stream_and_goaway(peer: Peer) -> None:
    reset, other = peer.request(), peer.request()
    peer.frame("RST_STREAM", 0xFF, reset.id, struct.pack(">I", 2))
    assert reset.error is not None
    peer.frame("GOAWAY", 0xFF, 0, struct.pack(">II", other.id, 0))
    peer.answer(other.id)
    assert other.ended
    assert other.error is None
    peer.expect_nothing()


def test_the_reserved_bit_of_the_stream_id_is_ignored(peer: Peer) -> None:
    """§4.1: the bit must be ignored when receiving."""
    reserved = 1 << 31
    exchange = peer.request()
    peer.frame("SETTINGS", 0x1, reserved)
    peer.frame("PING", 0, reserved, bytes(8))
    peer.expect("PING", ack=True)
    peer.frame("WINDOW_UPDATE", 0, reserved, b"\0\0\0\1")
    peer.frame("HEADERS", END_HEADERS, reserved | 1, peer.block([(":status", "200")]))
    peer.frame("DATA", END_STREAM, reserved | 1, b"body")
    assert body_of(exchange) == b"body"
    assert exchange.ended
    peer.expect_nothing()


def test_the_reserved_bit_of_a_window_increment_is_ignored(peer: Peer) -> None:
    """§6.9: so an increment of 10 is 10, whatever stands in the bit."""
    upload = peer.upload()
    send = peer.protocol.send_body
    assert send(upload, bytes(65_535), end=False) == 65_535
    peer.written()
    peer.window += 10
    peer.windows[1] += 10
    peer.frame("WINDOW_UPDATE", 0, 0, struct.pack(">I", 1 << 31 | 10))
    peer.frame("WINDOW_UPDATE", 0, 1, struct.pack(">I", 1 << 31 | 10))
    assert send(upload, bytes(20), end=False) == 10
    peer.expect("DATA", size=10)
    peer.expect_nothing()


def test_the_reserved_bit_of_goaways_last_stream_id_is_ignored(peer: Peer) -> None:
    """§6.8."""
    first, second = peer.request(), peer.request()
    peer.frame("GOAWAY", 0, 0, struct.pack(">II", 1 << 31 | 1, 0))
    assert first.error is None
    assert second.error is not None


def test_frames_of_the_client_keep_to_16384_octets(peer: Peer) -> None:
    """§4.1: larger ones only once the peer has asked for them."""
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(40_000), end=True) == 40_000
    frames = peer.written()
    assert [written.size for written in frames] == [16_384, 16_384, 7_232]
    assert [written.end_stream for written in frames] == [False, False, True]


def test_larger_frames_are_sent_when_the_peer_takes_them() -> None:
    """§6.5.2: SETTINGS_MAX_FRAME_SIZE; the peer checks that no frame goes beyond it."""
    peer = connected({"max_frame_size": 20_000})
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(50_000), end=True) == 50_000
    assert max(written.size for written in peer.written()) <= 20_000


@pytest.mark.parametrize("size", [30_000, 60_000, 100_000])
def test_a_large_field_block_leaves_as_headers_and_continuations(peer: Peer, size: int) -> None:
    """§4.2, §6.10: no frame is larger than the peer takes; the peer checks the rest of it."""
    value = bytes(0x20 + at % 90 for at in range(size - 1)) + b"x"
    value = b"x" + value[1:]
    peer.protocol.request(
        b"GET", b"https", b"example.org", b"/", [(b"x-large", value), (b"x-after", b"1")], end=True
    )
    first, *rest = peer.written()
    assert first.name == "HEADERS"
    assert first.end_stream
    assert first.headers is not None
    assert first.headers[-2:] == [("x-large", value.decode()), ("x-after", "1")]
    assert [written.name for written in rest] == ["CONTINUATION"] * len(rest)
    assert [written.end_headers for written in [first, *rest]] == [False] * len(rest) + [True]
    assert rest


def test_nothing_is_written_that_hyperframe_would_write_differently(peer: Peer) -> None:
    """The peer re-serialises every frame; this one sees each type a client writes."""
    upload = peer.upload()
    peer.protocol.send_body(upload, b"data", end=False)
    peer.protocol.ping(b"12345678")
    peer.protocol.cancel(upload)
    peer.protocol.close()
    names = {written.name for written in peer.written()}
    assert names == {"DATA", "PING", "RST_STREAM", "GOAWAY"}


def test_a_frame_head_may_come_octet_by_octet() -> None:
    peer = connected(split=1)
    exchange = peer.request()
    for octet in frame("HEADERS", END_HEADERS | END_STREAM, 1, b"\x88")[:-1]:
        assert peer.raw(bytes([octet])) == []
        assert exchange.status == 0
    assert peer.raw(b"\x88") == [exchange]
    assert exchange.ended
