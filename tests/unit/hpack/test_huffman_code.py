"""The Huffman code as text (RFC 7541 Appendix B)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from hyper.hpack.huffman_code import CODES, EOS_LENGTH, SYMBOLS_BY_LENGTH


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        (b"0", 0x0),
        (b"t", 0x9),
        (b" ", 0x14),
        (b"u", 0x2D),
        (b":", 0x5C),
        (b"z", 0x7B),
        (b"&", 0xF8),
        (b"?", 0x3FC),
        (b"|", 0x7FC),
        (b"#", 0xFFA),
        (b"\x00", 0x1FF8),
        (b"^", 0x3FFC),
        (b"{", 0x7FFE),
        (b"\\", 0x7FFF0),
        (b"\x80", 0xFFFE6),
        (b"\x01", 0x7FFFD8),
        (b"\xff", 0x3FFFFEE),
        (b"\xf9", 0xFFFFFFE),
        (b"\n", 0x3FFFFFFC),
        (b"\x16", 0x3FFFFFFE),
    ],
)
def test_codes_are_the_numbers_of_the_appendix(symbol: bytes, code: int) -> None:
    assert int(CODES[symbol[0]], 2) == code


def test_every_octet_has_one_code() -> None:
    assert len(CODES) == len(set(CODES)) == 256
    assert sorted(b"".join(SYMBOLS_BY_LENGTH.values())) == list(range(256))


def test_with_eos_the_code_is_complete() -> None:
    """Kraft's sum is one, so every string of bits is the start of some text."""
    lengths = [len(code) for code in CODES] + [EOS_LENGTH]
    assert sum(2 ** (EOS_LENGTH - length) for length in lengths) == 2**EOS_LENGTH


def test_no_code_starts_another() -> None:
    codes = sorted([*CODES, "1" * EOS_LENGTH])
    assert not any(longer.startswith(code) for code, longer in pairwise(codes))
