"""RFC 9112 §7: chunks, their extensions, trailers, and what we say of codings."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol
from tests.unit.http11.asking import CHUNKED, answered, ask, body, written

LAST = b"0\r\n\r\n"


@pytest.mark.parametrize(
    "line", [b"5", b"05", b"0000000000000005", b"5;", b"5;a", b"5;a=b", b"5 ; a = b", b"5  "]
)
def test_a_size_is_hexadecimal_and_extensions_are_ignored(line: bytes) -> None:
    """§7.1, §7.1.1: a recipient MUST ignore those it does not know, and we know none."""
    _, exchange = answered(CHUNKED + line + b"\r\nhello\r\n" + LAST)
    assert exchange.ended and body(exchange) == b"hello"


@pytest.mark.parametrize("line", [b'5;a="b;c"', b"5;" + b"x" * 1000, b"5;\x01\x7f\xff"])
def test_whatever_is_in_an_extension_is_not_our_business(line: bytes) -> None:
    _, exchange = answered(CHUNKED + line + b"\r\nhello\r\n0;" + line + b"\r\n\r\n")
    assert exchange.ended and body(exchange) == b"hello"


def test_sizes_are_read_in_either_case() -> None:
    """RFC 5234 §2.3."""
    _, exchange = answered(
        CHUNKED + b"1a\r\n" + bytes(26) + b"\r\n1B\r\n" + bytes(27) + b"\r\n" + LAST
    )
    assert exchange.ended and len(body(exchange)) == 53


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"x",
        b"-5",
        b"+5",
        b"0x5",
        b"5_0",
        b" 5",
        b"\t5",
        b"5,",
        b"5 5",
        b"5=a",
        b"\xef\xbc\x95",
        b"5;\0",
        b";a",
        b"00000000000000005",
        b"8000000000000000",
        b"ffffffffffffffff",
        b"10000000000000000",
    ],
)
def test_anything_else_is_no_size(line: bytes) -> None:
    """§7.1: and none is so large that it could overflow anything."""
    spoken = CHUNKED + line + b"\r\nhello\r\n" + LAST
    for at in (0, len(CHUNKED) + len(line)):
        client, exchange = answered(spoken[:at], spoken[at:])
        assert "not the size of a chunk" in str(exchange.error)
        assert client.closed


def test_the_largest_size_is_one_less_than_2_to_the_63rd() -> None:
    """§7.1: large numerals MUST be anticipated; nothing is made ready for them."""
    client, exchange = answered(CHUNKED + b"7fffffffffffffff\r\nhello")
    assert body(exchange) == b"hello"
    client.receive_data(bytes(1000))
    assert exchange.received == 1005 and exchange.error is None


@pytest.mark.parametrize(
    "octets",
    [
        b"5\nhello\r\n",
        b"0\n\n",
        b"5;a=b\nhello\r\n",
        b"5;a\nb\r\n",
        b"5\r\nhello\n",
        b"5\r\nhello\rx",
        b"5\r\nhellox",
        b"5\r\nhello 0\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n\r\n",
    ],
)
def test_the_lines_of_chunks_end_in_crlf_and_nothing_else(octets: bytes) -> None:
    """§7.1: for LF alone is where proxies disagree (CVE-2025-22871)."""
    spoken = CHUNKED + octets
    for cut in range(len(CHUNKED), len(spoken) + 1):
        client, exchange = answered(spoken[:cut], spoken[cut:])
        assert isinstance(exchange.error, InvalidResponseError)
        assert client.closed and not exchange.ended


def test_a_chunk_line_has_a_limit() -> None:
    """§7.1.1: extensions ought to be limited (CVE-2023-39326)."""
    for size in (limits.MAX_CHUNK_LINE, limits.MAX_CHUNK_LINE + 1):
        _, exchange = answered(CHUNKED + b"5;".ljust(size, b"x") + b"\r\nhello\r\n" + LAST)
        assert exchange.ended is (size == limits.MAX_CHUNK_LINE)


def test_trailers_are_kept_apart_from_the_head() -> None:
    """§7.1.2: MUST NOT be merged; a framing field among them changes nothing."""
    client, exchange = answered(
        CHUNKED + b"0\r\nX-Sum: 1\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    )
    assert exchange.headers == [(b"transfer-encoding", b"chunked")]
    assert exchange.trailers == [
        (b"x-sum", b"1"),
        (b"content-length", b"9"),
        (b"connection", b"close"),
    ]
    assert exchange.ended and client.accepting


def test_no_trailers_are_none() -> None:
    assert answered(CHUNKED + LAST)[1].trailers is None


def test_a_body_of_unknown_length_is_sent_in_chunks_that_are_never_empty() -> None:
    """§7.1: a chunk of no octets would be the last."""
    client = HTTP11Protocol()
    exchange = ask(client, b"POST", end=False)
    client.data_to_send()
    for piece in (b"", b"hello", b"", b"x" * 255):
        client.send_body(exchange, piece, end=False)
    assert client.data_to_send() == b"5\r\nhello\r\nff\r\n" + b"x" * 255 + b"\r\n"
    client.send_body(exchange, b"", end=True)
    assert client.data_to_send() == LAST


def test_trailers_are_sent_behind_the_last_chunk() -> None:
    """§7.1.2."""
    client = HTTP11Protocol()
    exchange = ask(client, b"POST", end=False)
    client.data_to_send()
    client.send_body(exchange, b"x", end=True, trailers=[(b"x-sum", b"1"), (b"x-sig", b"2")])
    assert client.data_to_send() == b"1\r\nx\r\n0\r\nx-sum: 1\r\nx-sig: 2\r\n\r\n"


def test_te_names_neither_chunked_nor_what_we_could_not_read() -> None:
    """§7.4: a client MUST NOT send chunked in it; other codings we do not know."""
    for value in (b"chunked", b"trailers, chunked", b"gzip", b"deflate;q=0.5"):
        with pytest.raises(ValueError, match="may only be 'trailers'"):
            written(b"GET", (b"te", value))


def test_te_is_named_by_connection() -> None:
    """§7.4: a sender of TE MUST."""
    assert b"\r\nconnection: TE\r\n" in written(b"GET", (b"te", b"trailers"))
    assert b"te" not in written(b"GET").lower().replace(b"host", b"")
