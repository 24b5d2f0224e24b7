"""RFC 9112 §2: messages: octets, line ends, what stands between them, the version."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, answered, ask, asked, body, written


def test_a_message_is_octets_and_not_text() -> None:
    """§2.2: no octet of a character above 127 can be taken for a line end, or lost."""
    value = b"\xe2\x80\xa8\xe0\xa8\x8a\x85\xff"
    _, exchange = answered(OK + b"x: " + value + b"\r\ncontent-length: 3\r\n\r\n\xe2\x80\xa8")
    assert exchange.headers[0] == (b"x", value)
    assert body(exchange) == b"\xe2\x80\xa8"


def test_a_line_feed_alone_ends_the_lines_of_a_head_and_of_trailers() -> None:
    """§2.2: a recipient MAY recognise it."""
    _, exchange = answered(b"HTTP/1.1 200 OK\na: b\ntransfer-encoding: chunked\n\n0\r\nc: d\n\n")
    assert exchange.ended and exchange.headers[0] == (b"a", b"b")
    assert exchange.trailers == [(b"c", b"d")]


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 O\rK\r\n",
        b"HTTP/1.1 200 OK\r\r\n",
        OK + b"a\r: b\r\n",
        OK + b"a: b\rc\r\n",
        OK + b"a: b\r\r\n",
        OK + b"a: b\r\n c\rd\r\n",
        CHUNKED + b"0\r\na: b\rc\r\n",
        CHUNKED + b"1;a\rb\r\n",
        CHUNKED + b"1\r\nx\rx",
    ],
)
def test_a_bare_cr_makes_its_element_invalid(octets: bytes) -> None:
    """§2.2: or is replaced by a blank, which is not what we do."""
    client, exchange = answered(octets)
    assert isinstance(exchange.error, InvalidResponseError)
    assert client.closed


def test_no_bare_cr_or_lf_is_sent() -> None:
    """§2.2: nor anything else that would end a line before its end."""
    for breaking in (b"\r", b"\n", b"\r\n", b"\r\nx: y", b"\0"):
        with pytest.raises(ValueError, match="not a token"):
            written(b"GE" + breaking + b"T")
        with pytest.raises(ValueError, match="not a token"):
            written(b"GET", (b"a" + breaking, b"b"))
        with pytest.raises(ValueError, match="may not contain"):
            written(b"GET", (b"a", b"b" + breaking + b"c"))
        for authority, path in ((b"a" + breaking, b"/"), (b"a", b"/" + breaking)):
            with pytest.raises(ValueError, match=r"is not host|percent-encode"):
                HTTP11Protocol().request(b"GET", b"http", authority, path, [], end=True)


def test_a_request_has_no_empty_line_before_or_behind_it() -> None:
    """§2.2: a client MUST NOT preface or follow one with an extra CRLF."""
    client = HTTP11Protocol()
    first = ask(client, b"POST", (b"content-length", b"1"), end=False)
    ask(client)
    client.send_body(first, b"x", end=True)
    assert client.data_to_send().endswith(b"\r\n\r\nx")
    client.receive_data(EMPTY)
    assert client.data_to_send().startswith(b"GET / HTTP/1.1\r\n")


def test_no_blank_stands_before_the_first_field_that_we_send() -> None:
    """§2.2: nor before any other."""
    assert b"\n " not in written(b"GET", (b"a", b"b"), (b"c", b""))
    with pytest.raises(ValueError, match="not a token"):
        written(b"GET", (b" a", b"b"))


@pytest.mark.parametrize("line", [b" a: b", b"\ta: b", b" ", b" transfer-encoding: chunked"])
def test_a_blank_before_the_first_field_is_refused(line: bytes) -> None:
    """§2.2: MUST reject it, or ignore the line."""
    client, exchange = answered(OK + line + b"\r\ncontent-length: 0\r\n\r\n")
    assert "blank before the first field" in str(exchange.error)
    assert client.closed


def test_requests_are_of_http_1_1() -> None:
    """§2.3: the highest minor version that we conform to."""
    assert written().startswith(b"GET / HTTP/1.1\r\n")


@pytest.mark.parametrize("minor", [0, 1, 2, 9])
def test_any_minor_version_is_understood(minor: int) -> None:
    """§2.3, RFC 9110 §2.5: a higher one as the highest that we know."""
    client, exchange = answered(b"HTTP/1.%d 200 OK\r\ncontent-length: 0\r\n\r\n" % minor)
    assert exchange.ended
    assert client.accepting is (minor > 0)


@pytest.mark.parametrize("version", [b"HTTP/2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0"])
def test_any_other_version_is_refused(version: bytes) -> None:
    client, exchange = answered(version + b" 200 OK\r\n\r\n")
    assert "another version of HTTP" in str(exchange.error)
    assert client.closed


@pytest.mark.parametrize(
    ("first", "begin", "end", "behind", "limit"),
    [
        (b"", b"HTTP/1.1 200 ", b"\r\n", b"content-length: 0\r\n\r\n", limits.MAX_LINE),
        (b"", b"HTTP/1.1 200 ", b"\n", b"content-length: 0\r\n\r\n", limits.MAX_LINE),
        (OK, b"a: ", b"\r\n", b"content-length: 0\r\n\r\n", limits.MAX_LINE),
        (OK, b"a: ", b"\n", b"content-length: 0\r\n\r\n", limits.MAX_LINE),
        (OK + b"a: b\r\n", b" ", b"\r\n", b"content-length: 0\r\n\r\n", limits.MAX_LINE),
        (OK + b"a: b\r\n", b" ", b"\n", b"content-length: 0\r\n\r\n", limits.MAX_LINE),
        (CHUNKED + b"0\r\n", b"a: ", b"\r\n", b"\r\n", limits.MAX_LINE),
        (CHUNKED + b"0\r\n", b"a: ", b"\n", b"\r\n", limits.MAX_LINE),
        (CHUNKED, b"1;", b"\r\n", b"x\r\n0\r\n\r\n", limits.MAX_CHUNK_LINE),
        (CHUNKED, b"0;", b"\r\n", b"\r\n", limits.MAX_CHUNK_LINE),
    ],
)
def test_lines_have_a_limit(
    first: bytes, begin: bytes, end: bytes, behind: bytes, limit: int
) -> None:
    """RFC 9110 §5.4: at it, one beyond, without an end; in one piece, and cut around the end."""
    for size in (limit, limit + 1):
        octets = first + begin.ljust(size, b"x") + end + behind
        at = len(octets) - len(behind)
        for cut in range(at - 3, at + 1):
            _, exchange = answered(octets[:cut], octets[cut:])
            assert exchange.ended is (size == limit)
            assert (exchange.error is None) is (size == limit)
    client, exchange = answered(first + begin.ljust(limit + 1, b"x"))
    assert exchange.error is None
    client.receive_data(b"x")
    assert f"a line of more than {limit} octets" in str(exchange.error)


def test_what_is_no_http_at_all_is_refused_at_its_first_line() -> None:
    client, exchange = asked()
    client.receive_data(b"SSH-2.0-OpenSSH_9.2\r\n")
    assert "not the status line" in str(exchange.error)
