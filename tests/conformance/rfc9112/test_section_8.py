"""RFC 9112 §8: messages that are not complete, which is never silent."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import ConnectionError
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, answered, asked, body

WHOLE = [
    EMPTY,
    OK + b"content-length: 5\r\n\r\nhello",
    CHUNKED + b"5;a=b\r\nhello\r\n3\r\n!!!\r\n0\r\nx-sum: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + EMPTY,
    b"HTTP/1.1 204 No Content\r\n\r\n",
]


@pytest.mark.parametrize("spoken", WHOLE)
@pytest.mark.parametrize("error", [None, ConnectionResetError("cable")])
def test_a_response_cut_anywhere_is_incomplete(spoken: bytes, error: Exception | None) -> None:
    """§8: MUST be recorded as such; what had arrived of the body stays readable."""
    for cut in range(len(spoken)):
        client, exchange = answered(spoken[:cut])
        assert exchange in client.connection_lost(error)
        assert not exchange.ended
        if error is None:
            assert isinstance(exchange.error, ConnectionError)
            assert "the server closed the connection" in str(exchange.error)
        else:
            assert exchange.error is error
        assert b"hello!!!".startswith(body(exchange))
    client, exchange = answered(spoken)
    client.connection_lost(error)
    assert exchange.ended and exchange.error is None


def test_octets_of_a_chunk_that_is_cut_short_are_not_lost() -> None:
    client, exchange = answered(CHUNKED + b"ff\r\nhel")
    assert body(exchange) == b""
    client.connection_lost(None)
    assert body(exchange) == b"hel"


def test_a_body_until_the_connection_closes_is_complete_by_an_orderly_close_only() -> None:
    """§8, §9.8: TLS without a closure alert, or a reset, is none; the transport tells."""
    for error in (None, ConnectionResetError("cable")):
        client, exchange = answered(OK + b"\r\nhello")
        client.connection_lost(error)
        assert exchange.ended is (error is None)
        assert exchange.error is error
        assert body(exchange) == b"hello"
    client, exchange = answered(OK + b"\r\nhello")
    client.cut_off = True
    client.connection_lost(None)
    assert not exchange.ended and body(exchange) == b"hello"
    assert "after 5 octets of a body that lasts until its end" in str(exchange.error)


def test_a_head_that_is_cut_short_is_no_response() -> None:
    """§8: only a complete header section can be interpreted."""
    client, exchange = answered(OK + b"content-length: 0\r\n")
    client.connection_lost(None)
    assert exchange.headers is None and exchange.status == 0
    assert "in the midst of the head" in str(exchange.error)


def test_the_error_counts_what_is_missing() -> None:
    client, exchange = answered(OK + b"content-length: 9\r\n\r\nhello")
    client.connection_lost(None)
    assert "after 5 octets with 4 octets missing" in str(exchange.error)


def test_what_the_server_may_have_acted_upon_is_not_called_retryable() -> None:
    """RFC 9110 §9.2.2: no answer is not the same as no effect."""
    client, exchange = asked()
    client.connection_lost(None)
    assert "without an answer" in str(exchange.error)
    assert not exchange.error.retryable
