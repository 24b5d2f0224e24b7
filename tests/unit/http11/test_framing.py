"""``hyper.http11.framing``: where a body ends (RFC 9112 §6.3)."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11 import limits
from hyper.http11.framing import (
    CHUNKED,
    TUNNEL,
    UNTIL_CLOSE,
    Framing,
    body_framing,
    chunk_line,
    chunk_size,
)


def framing(*fields: tuple[bytes, bytes], minor: int = 1) -> Framing:
    return body_framing(b"GET", minor, 200, fields)


def length(value: bytes) -> tuple[bytes, bytes]:
    return (b"content-length", value)


CODED = (b"transfer-encoding", b"chunked")


def test_the_three_answers() -> None:
    assert framing(length(b"5")) == (5, True)
    assert framing(CODED) == (CHUNKED, True)
    assert framing() == (UNTIL_CLOSE, False)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_messages_without_a_body_whatever_their_head_says(method: bytes, status: int) -> None:
    assert body_framing(method, 1, status, [length(b"5"), CODED]) == (0, True)


def test_a_tunnel_has_no_framing() -> None:
    """RFC 9112 §6.3: only what a proxy says no with has a body."""
    for status in (200, 204, 299):
        assert body_framing(b"CONNECT", 1, status, [length(b"5"), CODED]) == (TUNNEL, False)
    assert body_framing(b"CONNECT", 1, 407, [length(b"5")]) == (5, True)


@pytest.mark.parametrize(
    ("minor", "value", "keep_alive"),
    [
        (1, b"", True),
        (1, b"close", False),
        (1, b"x, Close", False),
        (0, b"", False),
        (0, b"Keep-Alive", True),
        (0, b"keep-alive, close", False),
    ],
)
def test_whether_the_connection_lasts(minor: int, value: bytes, keep_alive: bool) -> None:
    """RFC 9112 §9.3."""
    answer = framing(length(b"0"), (b"connection", value), minor=minor)
    assert answer.keep_alive is keep_alive


def test_chunks_beat_a_length_and_the_connection_is_not_trusted_again() -> None:
    """RFC 9112 §6.1, §6.3."""
    assert framing(length(b"5"), CODED) == (CHUNKED, False)
    keep = (b"connection", b"keep-alive")
    assert framing(CODED, keep, minor=0) == (CHUNKED, False)


@pytest.mark.parametrize(
    "coding", [b"gzip", b"gzip, chunked", b"chunked, chunked", b"x", b"", b","]
)
def test_codings_nobody_asked_for(coding: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="not asked for"):
        framing((b"transfer-encoding", coding))


@pytest.mark.parametrize("coding", [b" Chunked ", b", chunked", b"chunked ,"])
def test_the_name_of_a_coding_may_be_written_in_any_case_and_with_empty_neighbours(
    coding: bytes,
) -> None:
    """RFC 9110 §5.6.1.2."""
    assert framing((b"transfer-encoding", coding)).length == CHUNKED


def test_the_same_length_twice_is_one_length() -> None:
    assert framing(length(b"5"), length(b"05")).length == 5
    assert framing(length(b"5, 5"), length(b"5 ,\t5")).length == 5
    with pytest.raises(InvalidResponseError, match="2 different values"):
        framing(length(b"5"), length(b"6"))
    with pytest.raises(InvalidResponseError, match="3 different values"):
        framing(length(b"5, 6"), length(b"5,7"))


@pytest.mark.parametrize(
    "value", [b"", b"-1", b"+1", b"1_0", b"5,", b",5", b"5 5", b"5;5", b"0x5", b"\xb2", b"9" * 20]
)
def test_lengths_that_are_none(value: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="content-length is"):
        framing(length(value))


@pytest.mark.parametrize(
    ("line", "size"),
    [(b"0", 0), (b"1f", 31), (b"1F", 31), (b"000a", 10), (b"5;a=b", 5), (b"5 ; a", 5), (b"5 ", 5)],
)
def test_chunk_sizes(line: bytes, size: int) -> None:
    assert chunk_size(line) == size
    assert chunk_line(b"x" + line + b"\r\nmore", 1) == (size, len(line) + 3)


@pytest.mark.parametrize(
    "line",
    [b"", b"g", b"+5", b"-5", b"0x5", b"1_0", b" 5", b"5,", b"5;\0", b"8" + b"0" * 15, b"1" * 17],
)
def test_lines_that_are_no_chunk_size(line: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="not the size of a chunk"):
        chunk_size(line)
    assert chunk_line(line + b"\r\nmore", 0) is None


def test_a_chunk_size_must_be_all_there_and_not_too_long_to_be_read_at_once() -> None:
    for line in (b"", b"5", b"5\r", b"5\n", b"5\rx"):
        assert chunk_line(line, 0) is None
    longest = b"5;" + b"x" * (limits.MAX_CHUNK_LINE - 2)
    assert chunk_line(longest + b"\r\n", 0) == (5, limits.MAX_CHUNK_LINE + 2)
    assert chunk_line(longest + b"x\r\n", 0) is None
