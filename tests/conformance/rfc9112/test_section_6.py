"""RFC 9112 §6: where a body ends, and who is lied to about it."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11.protocol import HTTP11Protocol
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, answered, ask, asked, body, written

LENGTH = b"content-length: 5\r\n"
CODED = b"transfer-encoding: chunked\r\n"
PARTS = b"5\r\nhello\r\n0\r\n\r\n"


def error_of(head: bytes, octets: bytes = b"hello") -> str:
    """Of a response that must be refused, whole or in pieces; nothing of its body gets out."""
    spoken = OK + head + b"\r\n" + octets
    for at in (0, len(OK), len(OK + head) + 1):
        client, exchange = answered(spoken[:at], spoken[at:])
        assert isinstance(exchange.error, InvalidResponseError)
        assert client.closed and not exchange.ended and exchange.headers is None
        assert body(exchange) == b""
    return str(exchange.error)


# requests


def test_a_request_with_a_body_announces_its_length_or_its_chunks_and_never_both() -> None:
    """§6.2, §6.3."""
    for header, announced in ((LENGTH, b"content-length"), (b"", b"transfer-encoding")):
        client = HTTP11Protocol()
        fields = [(b"content-length", b"5")] if header else []
        exchange = ask(client, b"POST", *fields, end=False)
        client.send_body(exchange, b"hello", end=True)
        head = client.data_to_send().partition(b"\r\n\r\n")[0]
        assert head.count(b"content-length") + head.count(b"transfer-encoding") == 1
        assert announced in head
    with pytest.raises(ValueError, match="'transfer-encoding' is set here"):
        written(b"POST", (b"transfer-encoding", b"chunked"), (b"content-length", b"5"))


def test_a_request_without_a_body_announces_none() -> None:
    head = written(b"POST")
    assert b"content-length" not in head and b"transfer-encoding" not in head
    assert b"content-length: 0\r\n" in written(b"POST", (b"content-length", b"0"))


@pytest.mark.parametrize("value", [b"-1", b"+5", b"5, 5", b"0x5", b"5 5", b"\xb2", b"1_0", b""])
def test_a_length_that_is_none_is_never_sent(value: bytes) -> None:
    """§6.2: 1*DIGIT."""
    with pytest.raises(ValueError, match="one number of octets"):
        ask(HTTP11Protocol(), b"POST", (b"content-length", value), end=False)


def test_a_body_has_the_length_that_was_announced() -> None:
    """RFC 9110 §8.6: no more and no less."""
    for octets, end in ((b"123456", False), (b"1234", True)):
        client = HTTP11Protocol()
        exchange = ask(client, b"POST", (b"content-length", b"5"), end=False)
        with pytest.raises(ValueError, match="leaves 5 octets"):
            client.send_body(exchange, octets, end=end)
    with pytest.raises(ValueError, match="no body follows"):
        written(b"GET", (b"content-length", b"5"))


def test_no_chunks_are_sent_to_a_server_that_is_known_to_speak_http_1_0() -> None:
    """§6.1, §6.3."""
    client, _ = asked()
    client.receive_data(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n" + EMPTY[len(OK) :])
    with pytest.raises(ValueError, match="has no chunks"):
        ask(client, b"POST", end=False)


# responses, in the order of §6.3


@pytest.mark.parametrize("head", [LENGTH, CODED, LENGTH + CODED, b"transfer-encoding: x\r\n", b""])
@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", 200), (b"HEAD", 404), (b"GET", 204), (b"GET", 304)]
)
def test_no_body_follows_whatever_the_head_says(method: bytes, status: int, head: bytes) -> None:
    """§6.3 1: HEAD, 204 and 304; 1xx below."""
    client, exchange = answered(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, head), method=method)
    assert exchange.ended and body(exchange) == b""
    assert client.accepting and client.idle


@pytest.mark.parametrize("head", [LENGTH, CODED, b""])
def test_no_body_follows_an_interim_response(head: bytes) -> None:
    """§6.3 1."""
    _, exchange = answered(b"HTTP/1.1 103 X\r\n" + head + b"\r\n" + EMPTY)
    assert exchange.ended and exchange.status == 200
    assert len(exchange.informational) == 1


@pytest.mark.parametrize("head", [LENGTH, CODED, LENGTH + CODED, b"connection: close\r\n", b""])
def test_a_tunnel_begins_behind_a_2xx_to_connect(head: bytes) -> None:
    """§6.3 2: a client MUST ignore both fields; the octets are the tunnel's, whatever they are."""
    client, exchange = answered(OK + head + b"\r\n\x16\x03\x01", method=b"CONNECT")
    client.receive_data(b"more")
    assert exchange.ended and body(exchange) == b""
    assert client.switched == b"\x16\x03\x01more"
    assert not client.accepting


@pytest.mark.parametrize("status", [300, 302, 407, 502])
def test_a_refused_tunnel_has_a_body_like_any_response(status: int) -> None:
    """§6.3 2: only 2xx makes a tunnel."""
    client, exchange = answered(
        b"HTTP/1.1 %d No\r\n%b\r\nhello" % (status, LENGTH), method=b"CONNECT"
    )
    assert exchange.ended and body(exchange) == b"hello"
    assert client.switched is None and client.accepting


def test_chunks_override_a_length_and_the_connection_is_not_used_again() -> None:
    """§6.3 3, §6.1: whoever sent both may have been made to (CWE-444)."""
    for head in (LENGTH + CODED, CODED + LENGTH, CODED + b"content-length: x\r\n"):
        client, exchange = answered(OK + head + b"\r\n" + PARTS)
        assert exchange.ended and body(exchange) == b"hello"
        assert not client.accepting


def test_chunks_from_http_1_0_end_the_connection_too() -> None:
    """§6.1: MUST be treated as if the framing is faulty."""
    head = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n" + CODED
    client, exchange = answered(head + b"\r\n" + PARTS)
    assert exchange.ended and body(exchange) == b"hello"
    assert not client.accepting


@pytest.mark.parametrize(
    "value",
    [
        b"gzip",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"chunked\r\ntransfer-encoding: chunked",
        b"chunked\r\ntransfer-encoding: gzip",
        b"identity",
        b"xchunked",
        b"chunked x",
        b"\x0bchunked",
        b"chunked;q=1",
        b'"chunked"',
        b"",
        b",",
    ],
)
@pytest.mark.parametrize("also", [b"", LENGTH])
def test_a_coding_that_is_not_chunked_alone_is_refused(value: bytes, also: bytes) -> None:
    """§6.1, §7: none was asked for; guessing where such a body ends is how smuggling works."""
    assert "only chunked is understood" in error_of(
        also + b"transfer-encoding: " + value + b"\r\n", PARTS
    )


@pytest.mark.parametrize(
    "value",
    [
        b"chunked",
        b"Chunked",
        b"CHUNKED",
        b", chunked",
        b"chunked , ,",
        b"\r\nconnection: close\r\ntransfer-encoding: chunked",
    ],
)
def test_chunked_is_understood_in_any_case_and_as_a_list(value: bytes) -> None:
    """§7, RFC 9110 §5.6.1.2: empty members of a list count for nothing."""
    _, exchange = answered(OK + b"transfer-encoding: " + value + b"\r\n\r\n" + PARTS)
    assert exchange.ended and body(exchange) == b"hello"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        b"-5",
        b"+5",
        b"0x5",
        b"5.0",
        b"1_0",
        b"5 5",
        b"5;5",
        b"5,",
        b",5",
        b"5, x",
        b"\xb2",
        b"\xd9\xa5",
        b"5\x0b",
        b"1" * 20,
    ],
)
def test_a_length_that_is_none_is_an_error_that_nothing_recovers_from(value: bytes) -> None:
    """§6.3 5: MUST close the connection and discard the response."""
    assert "not a number" in error_of(b"content-length: " + value + b"\r\n")
    assert "not a number" in error_of(LENGTH + b"content-length: " + value + b"\r\n")


@pytest.mark.parametrize("value", [b"5, 6", b"6\r\ncontent-length: 5", b"5\r\ncontent-length: 5,6"])
def test_lengths_that_differ_are_such_an_error_too(value: bytes) -> None:
    """§6.3 5."""
    assert "different values" in error_of(b"content-length: " + value + b"\r\n")


@pytest.mark.parametrize(
    "value", [b"5, 5", b"5,5 ,\t5", b"5\r\ncontent-length: 5", b"5, 5\r\nContent-Length: 5"]
)
def test_the_same_length_more_than_once_is_one_length(value: bytes) -> None:
    """§6.3 5."""
    client, exchange = answered(OK + b"content-length: " + value + b"\r\n\r\nhello")
    assert exchange.ended and body(exchange) == b"hello"
    assert client.accepting


@pytest.mark.parametrize("size", [2**31, 2**32, 2**63 - 1, 2**63, 10**19 - 1])
def test_a_length_may_be_larger_than_any_machine_word(size: int) -> None:
    """§6.2: and nothing is made ready for it."""
    client, exchange = answered(OK + b"content-length: %d\r\n\r\nhello" % size)
    assert body(exchange) == b"hello" and not exchange.ended
    client.connection_lost(None)
    assert f"with {size - 5} octets missing" in str(exchange.error)


def test_without_either_the_body_lasts_until_the_connection_closes() -> None:
    """§6.3 8."""
    client, exchange = answered(OK + b"\r\nhel", b"lo" + EMPTY)
    assert not exchange.ended and not client.accepting
    client.connection_lost(None)
    assert exchange.ended and body(exchange) == b"hello" + EMPTY


@pytest.mark.parametrize(
    ("response", "method"),
    [
        (OK + LENGTH + b"\r\nhello", b"GET"),
        (CHUNKED + PARTS, b"GET"),
        (EMPTY, b"GET"),
        (OK + LENGTH + b"\r\n", b"HEAD"),
        (b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"\r\n", b"GET"),
        (b"HTTP/1.1 304 Not Modified\r\n" + LENGTH + b"\r\n", b"GET"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_octets_behind_a_response_are_never_another_response(
    response: bytes, method: bytes, at_once: bool
) -> None:
    """§6.3: MUST NOT be processed as a separate response; a waiting request is not sent either."""
    client, exchange = asked(method)
    waiting = ask(client) if at_once else None
    if at_once:
        client.receive_data(response + OK + b"content-length: 6\r\n\r\npoison")
        assert waiting is not None and waiting.status == 0 and waiting.error.retryable
    else:
        client.receive_data(response)
        client.receive_data(OK + b"content-length: 6\r\n\r\npoison")
    assert exchange.ended and exchange.error is None
    assert body(exchange) in (b"hello", b"")
    assert not client.accepting and client.data_to_send() == b""
