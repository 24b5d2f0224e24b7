"""RFC 9112 §4: the status line."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from tests.unit.http11.asking import EMPTY, answered

REST = b"\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("code", [200, 299, 404, 599, 600, 999])
def test_any_three_digits_are_a_status(code: int) -> None:
    """RFC 9110 §15: unknown codes too; what they mean is not our business."""
    _, exchange = answered(b"HTTP/1.1 %d X" % code + REST)
    assert (exchange.status, exchange.ended) == (code, True)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 2_0 OK",
        b"HTTP/1.1 2\xb20 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b" HTTP/1.1 200 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 200\tOK",
        b"http/1.1 200 OK",
        b"HTTP/1.1x 200 OK",
        b"200 OK",
        b"<html>",
    ],
)
def test_anything_else_is_no_status_line(line: bytes) -> None:
    client, exchange = answered(line + REST)
    assert isinstance(exchange.error, InvalidResponseError)
    assert client.closed


@pytest.mark.parametrize("reason", [b"", b" ", b" OK", b" Not  Found ", b" \xfcber", b" \t"])
def test_the_reason_is_whatever_the_server_likes(reason: bytes) -> None:
    """§4: it is given out and never looked at; servers forget the blank before an empty one."""
    _, exchange = answered(b"HTTP/1.1 404" + reason + REST)
    assert exchange.reason == reason[1:]


@pytest.mark.parametrize("reason", [b"O\0K", b"O\rK"])
def test_a_reason_holds_no_nul_and_no_cr(reason: bytes) -> None:
    _, exchange = answered(b"HTTP/1.1 200 " + reason + REST)
    assert isinstance(exchange.error, InvalidResponseError)


def test_an_error_shows_the_beginning_of_what_came_instead() -> None:
    _, exchange = answered(b"220 mail.example.org" + b"!" * 1000 + b"\r\n")
    assert "b'220 mail.example.org!!!" in str(exchange.error)
    assert len(str(exchange.error)) < 200


def test_an_empty_line_that_the_last_response_left_over_is_skipped() -> None:
    """§9.2 lets a client discard it wherever it shows up."""
    _, exchange = answered(b"\r\n" + EMPTY)
    assert exchange.ended and exchange.status == 200
