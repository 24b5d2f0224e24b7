"""``hyper.http20.frames``: every writer, held against the octets of RFC 9113 §6."""

from __future__ import annotations

import pytest

from hyper.http20 import frames


def test_a_head_is_nine_octets_written_and_read() -> None:
    """RFC 9113 §4.1."""
    head = frames.frame_head(0x123456, 0x9, 0x4, 0x7FFFFFFF)
    assert head == bytes.fromhex("123456 09 04 7fffffff")
    assert frames.read_frame_head(head) == (0x123456, 0x9, 0x4, 0x7FFFFFFF)


def test_a_head_is_read_anywhere_and_without_its_reserved_bit() -> None:
    octets = b"xx" + bytes.fromhex("000005 00 01 80000003")
    assert frames.read_frame_head(octets, 2) == (5, frames.DATA, frames.END_STREAM, 3)


def test_types_have_names_even_unknown_ones() -> None:
    assert frames.frame_name(frames.WINDOW_UPDATE) == "WINDOW_UPDATE"
    assert frames.frame_name(0xFA) == "type 0xfa"
    assert set(frames.FLAG_NAMES) <= set(frames.FRAME_NAMES)


@pytest.mark.parametrize(
    ("written", "octets"),
    [
        (frames.rst_stream_frame(3, 8), "000004 03 00 00000003 00000008"),
        (frames.settings_frame({}), "000000 04 00 00000000"),
        (frames.settings_frame({2: 0, 4: 9}), "00000c 04 00 00000000 0002 00000000 0004 00000009"),
        (frames.settings_frame(None), "000000 04 01 00000000"),
        (frames.ping_frame(b"12345678"), "000008 06 00 00000000 3132333435363738"),
        (frames.ping_frame(b"12345678", ack=True), "000008 06 01 00000000 3132333435363738"),
        (frames.goaway_frame(5, 1), "000008 07 00 00000000 00000005 00000001"),
        (frames.goaway_frame(5, 1, b"no"), "00000a 07 00 00000000 00000005 00000001 6e6f"),
        (frames.window_update_frame(7, 1000), "000004 08 00 00000007 000003e8"),
    ],
)
def test_each_writer_writes_what_the_rfc_draws(written: bytes, octets: str) -> None:
    assert written == bytes.fromhex(octets)


@pytest.mark.parametrize(("end", "flags"), [(False, "04"), (True, "05")])
def test_a_short_block_is_one_frame(end: bool, flags: str) -> None:
    written = frames.headers_frames(1, b"block", 5, end=end)
    assert written == bytes.fromhex(f"000005 01 {flags} 00000001") + b"block"


@pytest.mark.parametrize(("end", "flags"), [(False, "00"), (True, "01")])
def test_a_long_block_goes_on_in_continuations(end: bool, flags: str) -> None:
    """RFC 9113 §6.10."""
    written = frames.headers_frames(1, b"abcdefg", 3, end=end)
    assert written == (
        bytes.fromhex(f"000003 01 {flags} 00000001")
        + b"abc"
        + bytes.fromhex("000003 09 00 00000001")
        + b"def"
        + bytes.fromhex("000001 09 04 00000001")
        + b"g"
    )
    exact = frames.headers_frames(1, b"abcdef", 3, end=False)
    assert exact.endswith(bytes.fromhex("000003 09 04 00000001") + b"def")
