"""Huffman-coded strings (RFC 7541 §5.2)."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from hyper.hpack.exceptions import HPACKError
from hyper.hpack.huffman import MAX_STRING_LENGTH, MAX_STRINGS, decoded, encode
from hyper.hpack.huffman_code import CODES

from ...memory import keeping


def packed(bits: str) -> bytes:
    """Bits, which must fill whole octets."""
    assert len(bits) % 8 == 0
    return int(bits or "0", 2).to_bytes(len(bits) // 8, "big")


def work(data: bytes) -> int:
    """Lines of Python that decoding ``data`` takes, whatever the machine is busy with."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decoded[data]
    finally:
        sys.settrace(before)
    return lines


# Encoding.


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        (b"no-cache", "a8eb10649cbf"),
        (b"302", "6402"),
        (b"", ""),
        (b"0", "07"),
        (b"00000000", "0000000000"),
        (b"\n", "fffffff3"),
    ],
)
def test_text_and_its_code(text: bytes, code: str) -> None:
    assert encode(text).hex() == code
    assert decoded[bytes.fromhex(code)] == text


# Decoding.


def test_every_pair_of_octets_survives() -> None:
    text = bytes(octet for first in range(256) for octet in (first, 0x61, first, first ^ 0xFF))
    assert decoded[encode(text)] == text
    assert decoded[encode(text)] == text  # by steps that are known by now


def test_up_to_seven_ones_may_follow() -> None:
    for text in (b"", b"a", b"aa", b"aaa", b"aaaa", b"aaaaa", b"aaaaaa", b"aaaaaaa"):
        padding = -5 * len(text) % 8
        assert decoded[packed(CODES[ord("a")] * len(text) + "1" * padding)] == text


@pytest.mark.parametrize(
    "bits",
    [
        "1" * 8,
        CODES[ord("a")] * 8 + "1" * 8,
        CODES[ord("a")] + "1" * 11,
        "1" * 24,
    ],
)
def test_more_than_seven_bits_of_padding_are_an_error(bits: str) -> None:
    with pytest.raises(HPACKError, match=r"longer than 7 bits"):
        decoded[packed(bits)]


@pytest.mark.parametrize("padding", ["000", "110", "011", "101"])
def test_padding_that_is_not_all_ones_is_an_error(padding: str) -> None:
    with pytest.raises(HPACKError, match=r"not all ones \(RFC 7541 §5\.2\)"):
        decoded[packed(CODES[ord("a")] + padding)]


@pytest.mark.parametrize(
    "bits",
    [
        "1" * 32,
        CODES[ord("a")] * 2 + "1" * 30,
        "1" * 30 + CODES[ord("&")] * 2 + "11",
    ],
)
def test_eos_is_an_error(bits: str) -> None:
    for _ in range(2):  # it is never learnt
        with pytest.raises(HPACKError, match=r"contains EOS \(RFC 7541 §5\.2\)"):
            decoded[packed(bits)]


def test_an_error_in_a_known_step_is_an_error_again() -> None:
    code = packed(CODES[ord("a")] + "110")
    for _ in range(2):
        with pytest.raises(HPACKError):
            decoded[code]
    assert code not in decoded


# What is kept.


def test_short_strings_are_kept_and_long_ones_are_not() -> None:
    short = encode(b"a" * (MAX_STRING_LENGTH * 8 // 5))
    assert len(short) == MAX_STRING_LENGTH
    long = short + encode(b"a" * 8)[:1]
    decoded.clear()
    decoded[short]
    decoded[encode(b"&" * (MAX_STRING_LENGTH + 1))]
    assert list(decoded) == [short]
    assert len(long) == MAX_STRING_LENGTH + 1


def test_ever_new_strings_do_not_grow_the_memory() -> None:
    decoded.clear()
    for number in range(MAX_STRINGS):
        decoded[encode(b"%d" % number)]
    assert len(decoded) == MAX_STRINGS
    decoded[encode(b"one more")]
    assert list(decoded) == [encode(b"one more")]


@pytest.mark.parametrize(("count", "size"), [(20_000, 20), (1000, 2000)], ids=["many", "long"])
def test_what_is_kept_is_a_megabyte_at_most(count: int, size: int) -> None:
    """For the whole process, whatever servers say."""
    strings = [encode(b"%06d" % number + b"a" * size) for number in range(count)]
    decoded.clear()
    for string in strings[:100]:  # steps that are learned are not what this is about
        decoded[string]
    decoded.clear()
    try:
        with keeping(1 << 20):
            for string in strings:
                decoded[string]
    finally:
        decoded.clear()


def test_the_work_is_in_proportion_to_the_length() -> None:
    text = bytes(range(256)) * 4
    code = encode(text)
    decoded[code]
    once, twice = work(code), work(code + code)
    assert once < twice < 2.2 * once
    assert once < 4 * len(code)
