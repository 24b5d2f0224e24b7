"""RFC 9112 §5: field lines, and those that are folded."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11 import limits
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, answered, written

END = b"content-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"a:b", b"b"),
        (b"a: b", b"b"),
        (b"a:\t b \t", b"b"),
        (b"a: b \t c", b"b \t c"),
        (b"a: b: c", b"b: c"),
        (b"a:", b""),
        (b"a: \t ", b""),
        (b'a: "b, c"', b'"b, c"'),
        (b"a: \x01\x0b\x7f\x80\xff", b"\x01\x0b\x7f\x80\xff"),
    ],
)
def test_blanks_around_a_value_are_not_part_of_it(line: bytes, value: bytes) -> None:
    """§5.1; what else is in it stays as it is."""
    for octets in (OK + line + b"\r\n" + END, OK + line + b"\n" + END):
        _, exchange = answered(octets)
        assert exchange.headers[0] == (b"a", value)


def test_names_are_told_in_lower_case_and_lines_in_their_order() -> None:
    """RFC 9110 §5.1, §5.3: names mean the same in any case, lines of one name keep apart."""
    _, exchange = answered(OK + b"Set-Cookie: a\r\nServer: x\r\nSET-COOKIE: b\r\n" + END)
    assert exchange.headers[:3] == [(b"set-cookie", b"a"), (b"server", b"x"), (b"set-cookie", b"b")]


@pytest.mark.parametrize(
    "line",
    [
        b"a : b",
        b"a\t: b",
        b"a b: c",
        b": b",
        b"no colon",
        b"a\0: b",
        b"a(: b",
        b"\xe4: b",
        b'"a": b',
    ],
)
def test_a_name_is_a_token_and_the_colon_follows_at_once(line: bytes) -> None:
    """§5.1: in heads and in trailers; nothing is guessed (CVE-2022-32213 and its like)."""
    for first in (OK, OK + b"b: c\r\n", CHUNKED + b"0\r\n"):
        client, exchange = answered(first + line + b"\r\n" + END)
        assert "not a field line" in str(exchange.error)
        assert client.closed


def test_a_value_holds_no_nul() -> None:
    """RFC 9110 §5.5."""
    _, exchange = answered(OK + b"a: \0\r\n" + END)
    assert "holds CR or NUL" in str(exchange.error)


@pytest.mark.parametrize(
    ("folded", "value"),
    [
        (b"a: b\r\n c", b"b c"),
        (b"a: b\r\n\tc", b"b c"),
        (b"a: b \r\n \t c \r\n  d", b"b c d"),
        (b"a:\r\n b", b"b"),
        (b"a: b\r\n ", b"b"),
        (b"a: b\r\n \r\n c", b"b c"),
        (b"a: b\n c", b"b c"),
        (b"a: b\r\n c: d", b"b c: d"),
    ],
)
def test_a_folded_line_means_the_same_with_a_blank(folded: bytes, value: bytes) -> None:
    """§5.2: a user agent MUST replace each fold before it interprets the value."""
    _, exchange = answered(OK + folded + b"\r\n" + END)
    assert exchange.headers == [(b"a", value), (b"content-length", b"0")]
    _, exchange = answered(CHUNKED + b"0\r\n" + folded + b"\r\n\r\n")
    assert exchange.trailers == [(b"a", value)]


def test_what_is_folded_counts_only_once_it_is_unfolded() -> None:
    """§5.2: a framing field can be folded too."""
    _, exchange = answered(OK + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n")
    assert exchange.ended
    _, exchange = answered(OK + b"content-length: 1\r\n 0\r\n\r\n")
    assert "content-length is b'1 0'" in str(exchange.error)
    _, exchange = answered(OK + b"x: y\r\n content-length: 5\r\n" + END)
    assert exchange.ended


def test_no_folded_line_is_sent() -> None:
    """§5.2."""
    with pytest.raises(ValueError, match="may not contain CR, LF"):
        written(b"GET", (b"a", b"b\r\n c"))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("first", [OK, CHUNKED + b"0\r\n"])
@pytest.mark.parametrize("more", [b"a: b\r\n", b" b\r\n"])
def test_the_lines_of_a_section_have_a_limit(first: bytes, more: bytes, whole: bool) -> None:
    """RFC 9110 §5.4: at it and one beyond, continuations counted."""
    for count in (limits.MAX_FIELDS - 2, limits.MAX_FIELDS - 1):
        octets = first + b"a: b\r\n" + more * count + END
        cut = 0 if whole else len(octets) - 1
        _, exchange = answered(octets[:cut], octets[cut:])
        assert exchange.ended is (count == limits.MAX_FIELDS - 2)
        assert isinstance(exchange.error, InvalidResponseError) is not exchange.ended


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("first", "limit", "already"),
    [
        (OK, limits.MAX_HEAD, len(OK) - 2 + len(END) - 4),
        (CHUNKED + b"0\r\n", limits.MAX_TRAILERS, len(END) - 4),
    ],
)
def test_a_section_has_a_limit(first: bytes, limit: int, already: int, whole: bool) -> None:
    """RFC 9110 §5.4: all lines together without their ends, at it and one beyond."""
    for size in (limit, limit + 1):
        left = size - already
        lines = []
        while left:
            length = min(left, 50_000) if left - 50_000 != 1 else 2
            lines.append(b"a:".ljust(length, b"x") + b"\r\n")
            left -= length
        octets = first + b"".join(lines) + END
        cut = 0 if whole else len(octets) - 1
        _, exchange = answered(octets[:cut], octets[cut:])
        assert exchange.ended is (size == limit)
        assert isinstance(exchange.error, InvalidResponseError) is not exchange.ended


def test_a_response_may_have_no_fields_at_all() -> None:
    client, exchange = answered(b"HTTP/1.1 200 OK\r\n\r\n")
    assert exchange.headers == []
    assert answered(EMPTY)[1].headers == [(b"content-length", b"0")]
    client.connection_lost(None)
    assert exchange.ended
