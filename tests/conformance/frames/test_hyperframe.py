"""What we write, and what the scripted peer writes, against the ``hyperframe`` package.

hyperframe is the frame layer of another HTTP/2 implementation: equal octets mean that two
independent readings of RFC 9113 §4 and §6 agree.
"""

from __future__ import annotations

from typing import Any

import pytest
from hyperframe import frame as theirs
from hypothesis import given
from hypothesis import strategies as st

from hyper.http20 import frames as ours
from tests import peer as scripted

stream_ids = st.integers(1, 2**31 - 1)
words = st.integers(0, 2**32 - 1)
octets = st.binary(max_size=300)


def parse(data: bytes) -> Any:
    """One frame, as hyperframe understands it; nothing may be left over."""
    parsed, size = theirs.Frame.parse_frame_header(memoryview(data[:9]), strict=True)
    assert len(data) == 9 + size
    parsed.parse_body(memoryview(data[9:]))
    return parsed


def test_the_numbers_of_types_and_flags_are_theirs() -> None:
    for number, name in ours.FRAME_NAMES.items():
        kind: Any = theirs.FRAMES[number]
        assert kind.__name__.removesuffix("Frame").upper() == name.replace("_", "")
        assert ours.FLAG_NAMES.get(number, {}) == {
            flag.bit: flag.name for flag in kind.defined_flags
        }


#: Types of frames that belong to the connection; hyperframe refuses them elsewhere.
ON_STREAM_0 = {ours.SETTINGS, ours.PING, ours.GOAWAY}


@given(st.integers(0, 2**24 - 1), st.integers(0, 9), stream_ids)
def test_frame_heads_are_read_as_they_were_written(size: int, kind: int, stream_id: int) -> None:
    stream_id = 0 if kind in ON_STREAM_0 else stream_id
    head = ours.frame_head(size, kind, 0, stream_id)
    assert ours.read_frame_head(head) == (size, kind, 0, stream_id)
    parsed, length = theirs.Frame.parse_frame_header(memoryview(head))
    assert (length, parsed.type, parsed.stream_id) == (size, kind, stream_id)


@given(words)
def test_the_reserved_bit_is_not_part_of_a_stream_id(word: int) -> None:
    """§4.1."""
    head = ours.frame_head(0, 0, 0, 0)[:5] + word.to_bytes(4, "big")
    assert ours.read_frame_head(head)[3] == word & 0x7FFF_FFFF


@given(stream_ids, st.binary(max_size=100), st.integers(1, 40), st.booleans())
def test_headers_and_continuations(stream_id: int, block: bytes, limit: int, end: bool) -> None:
    data = ours.headers_frames(stream_id, block, limit, end=end)
    pieces, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        pieces.append(parse(data[at : at + 9 + size]))
        at += 9 + size
    assert b"".join(piece.data for piece in pieces) == block
    assert all(len(piece.data) <= limit for piece in pieces)
    assert {piece.stream_id for piece in pieces} == {stream_id}
    assert isinstance(pieces[0], theirs.HeadersFrame)
    assert all(isinstance(piece, theirs.ContinuationFrame) for piece in pieces[1:])
    assert ("END_STREAM" in pieces[0].flags) is end
    assert ["END_HEADERS" in piece.flags for piece in pieces] == [False] * (len(pieces) - 1) + [
        True
    ]


@given(stream_ids, words)
def test_rst_stream(stream_id: int, code: int) -> None:
    expected = theirs.RstStreamFrame(stream_id, error_code=code).serialize()
    assert ours.rst_stream_frame(stream_id, code) == expected


@given(st.dictionaries(st.integers(0, 255), words, max_size=20))
def test_settings(entries: dict[int, int]) -> None:
    """hyperframe keeps eight bits of an identifier, so these are all that can be compared."""
    assert ours.settings_frame(entries) == theirs.SettingsFrame(settings=entries).serialize()


def test_the_acknowledgement_of_settings() -> None:
    assert ours.settings_frame(None) == theirs.SettingsFrame(flags=["ACK"]).serialize()


@given(st.binary(min_size=8, max_size=8), st.booleans())
def test_ping(opaque: bytes, ack: bool) -> None:
    expected = theirs.PingFrame(opaque_data=opaque, flags=["ACK"] if ack else [])
    assert ours.ping_frame(opaque, ack=ack) == expected.serialize()


@given(st.integers(0, 2**31 - 1), words, octets)
def test_goaway(last: int, code: int, debug: bytes) -> None:
    expected = theirs.GoAwayFrame(last_stream_id=last, error_code=code, additional_data=debug)
    assert ours.goaway_frame(last, code, debug) == expected.serialize()


@given(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_window_update(stream_id: int, increment: int) -> None:
    expected = theirs.WindowUpdateFrame(stream_id, window_increment=increment)
    assert ours.window_update_frame(stream_id, increment) == expected.serialize()


# The scripted peer packs by hand, so that it can misbehave; when it behaves, it must be right.


def said(script: Any) -> Any:
    """What hyperframe makes of one sentence of the peer's."""
    return parse(scripted.spoken(script))


@given(stream_ids, octets, st.none() | st.integers(0, 255), st.booleans())
def test_the_peers_data(stream_id: int, data: bytes, padding: int | None, end: bool) -> None:
    frame = said(lambda peer: peer.data(stream_id, data, padding=padding, end=end))
    assert isinstance(frame, theirs.DataFrame)
    assert frame.data == data
    assert frame.pad_length == (padding or 0)
    assert ("END_STREAM" in frame.flags) is end


@pytest.mark.parametrize("padding", [None, 0, 9])
@pytest.mark.parametrize("priority", [None, b"\x80\0\0\3\x0f"])
def test_the_peers_headers(padding: int | None, priority: bytes | None) -> None:
    frame = said(lambda peer: peer.headers(5, padding=padding, priority=priority, end=True))
    assert isinstance(frame, theirs.HeadersFrame)
    assert frame.data == b"\x88"
    assert set(frame.flags) >= {"END_HEADERS", "END_STREAM"}
    if priority:
        assert (frame.depends_on, frame.stream_weight, frame.exclusive) == (3, 15, True)


def test_the_peers_other_frames() -> None:
    frame = said(lambda peer: peer.settings(initial_window_size=7))
    assert isinstance(frame, theirs.SettingsFrame)
    assert dict(frame.settings) == {4: 7}
    frame = said(lambda peer: peer.push_promise(1, 2, [(":method", "GET")], padding=3))
    assert isinstance(frame, theirs.PushPromiseFrame)
    assert (frame.stream_id, frame.promised_stream_id, frame.data) == (1, 2, b"\x82")
    frame = said(lambda peer: peer.priority(3, depends_on=1, weight=7))
    assert (frame.depends_on, frame.stream_weight) == (1, 7)
    frame = said(lambda peer: peer.rst_stream(3, 8))
    assert frame.error_code == 8
    frame = said(lambda peer: peer.ping(b"opaque!!", ack=True))
    assert (frame.opaque_data, set(frame.flags)) == (b"opaque!!", {"ACK"})
    frame = said(lambda peer: peer.goaway(7, 2, b"why"))
    assert (frame.last_stream_id, frame.error_code, frame.additional_data) == (7, 2, b"why")
    frame = said(lambda peer: peer.window_update(3, 9))
    assert (frame.stream_id, frame.window_increment) == (3, 9)
    frame = said(lambda peer: peer.continuation(3, b"block"))
    assert (frame.data, set(frame.flags)) == (b"block", {"END_HEADERS"})
