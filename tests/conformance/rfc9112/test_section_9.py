"""RFC 9112 §9: one connection: whose response it is, how long it lasts, how it ends."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import ConnectionError
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, answered, ask, asked, body, written


def test_responses_belong_to_requests_in_their_order() -> None:
    """§9.2: to the first that has no final response yet; interim ones end nothing."""
    client, first = asked()
    second = ask(client)
    client.receive_data(b"HTTP/1.1 103 Hints\r\n\r\n" + OK + b"content-length: 1\r\n\r\n1")
    client.data_to_send()
    client.receive_data(OK + b"content-length: 1\r\n\r\n2")
    assert (body(first), body(second)) == (b"1", b"2")
    assert len(first.informational) == 1 and not second.informational


def test_nothing_is_pipelined() -> None:
    """§9.3.2: MAY; what became of half a pipeline is never known."""
    client, _ = asked()
    ask(client)
    assert client.data_to_send() == b""
    client.receive_data(CHUNKED + b"0\r\n")
    assert client.data_to_send() == b""
    client.receive_data(b"\r\n")
    assert client.data_to_send().startswith(b"GET ")


@pytest.mark.parametrize(
    "octets", [b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"x", b"\r\nx", b"\0", EMPTY]
)
def test_octets_without_a_request_are_no_response(octets: bytes) -> None:
    """§9.2: MUST NOT be considered one; the connection SHOULD be closed."""
    for client in (HTTP11Protocol(), answered(EMPTY)[0]):
        assert client.receive_data(octets) == []
        assert not client.accepting and client.idle
        with pytest.raises(ConnectionError, match="open another"):
            ask(client)


def test_empty_lines_without_a_request_are_discarded() -> None:
    """§9.2."""
    client, _ = answered(EMPTY + b"\r\n")
    client.receive_data(b"\r\n\n")
    exchange = ask(client)
    client.data_to_send()
    client.receive_data(EMPTY)
    assert exchange.ended and client.accepting


@pytest.mark.parametrize(
    ("version", "connection", "lasts"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"keep-alive", True),
        (b"1.1", b"close", False),
        (b"1.1", b"Close", False),
        (b"1.1", b"x, close ,y", False),
        (b"1.1", b"keep-alive, close", False),
        (b"1.1", b"x\r\nconnection: close", False),
        (b"1.1", b"closed", True),
        (b"1.1", b"x close", True),
        (b"1.0", b"", False),
        (b"1.0", b"keep-alive", True),
        (b"1.0", b"Keep-Alive, x", True),
        (b"1.0", b"keep-alive, close", False),
        (b"1.0", b"x", False),
        (b"1.2", b"", True),
    ],
)
@pytest.mark.parametrize(
    "content", [b"content-length: 5\r\n\r\nhello", b"content-length: 0\r\n\r\n"]
)
def test_how_long_a_connection_lasts(
    version: bytes, connection: bytes, lasts: bool, content: bytes
) -> None:
    """§9.3: close first, then HTTP/1.1, then keep-alive of HTTP/1.0."""
    option = b"connection: " + connection + b"\r\n" if connection else b""
    client, exchange = answered(b"HTTP/" + version + b" 200 OK\r\n" + option + content)
    assert exchange.ended
    assert client.accepting is lasts


def test_a_connection_is_used_again_only_when_the_response_was_received_whole() -> None:
    """§9.3: a client MUST read the entire body if it means to."""
    client, exchange = answered(OK + b"content-length: 5\r\n\r\nhell")
    second = ask(client)
    assert not second.opened and client.data_to_send() == b""
    client.cancel(exchange)
    assert client.closed and second.error.retryable


def test_close_is_heeded_from_the_head_on() -> None:
    """§9.6: MUST cease sending requests; what waits goes elsewhere without waiting longer."""
    client, first = asked()
    second = ask(client)
    client.receive_data(OK + b"connection: close\r\ncontent-length: 5\r\n\r\n")
    assert second.error.retryable and not client.accepting
    client.receive_data(b"hello")
    assert first.ended and client.idle


def test_our_own_close_makes_a_request_the_last() -> None:
    """§9.6: MUST NOT send further requests."""
    client = HTTP11Protocol()
    last = ask(client, b"GET", (b"connection", b"close"))
    with pytest.raises(ConnectionError, match="open another"):
        ask(client)
    client.data_to_send()
    client.receive_data(EMPTY)
    assert last.ended and client.idle


def test_close_is_not_said_unless_it_is_meant() -> None:
    """§9.3: connections persist by default, and keep-alive need not be asked for."""
    assert b"connection" not in written()


@pytest.mark.parametrize("status", [200, 401, 413, 503])
def test_an_early_answer_stops_an_upload(status: int) -> None:
    """§9.5: SHOULD cease transmitting; the rest would be taken for a request."""
    client = HTTP11Protocol()
    upload = ask(client, b"POST", end=False)
    client.send_body(upload, b"half", end=False)
    client.data_to_send()
    client.receive_data(b"HTTP/1.1 %d X\r\nconnection: close\r\n" % status)
    assert client.room(upload) > 0
    client.receive_data(b"content-length: 0\r\n\r\n")
    assert upload.ended and upload.status == status
    assert client.room(upload) == 0 and client.send_body(upload, b"rest", end=True) == 0
    assert client.data_to_send() == b"" and client.idle and not client.accepting


def test_an_upload_goes_on_while_its_response_comes() -> None:
    """§9.5: an early head alone need not mean refusal."""
    client = HTTP11Protocol()
    upload = ask(client, b"POST", (b"content-length", b"2"), end=False)
    client.data_to_send()
    client.receive_data(CHUNKED + b"1\r\na\r\n")
    client.send_body(upload, b"ab", end=True)
    assert client.data_to_send() == b"ab"
    client.receive_data(b"0\r\n\r\n")
    assert upload.ended and client.accepting


def test_continue_is_told_and_waited_for_by_whoever_asked() -> None:
    """RFC 9110 §10.1.1."""
    client = HTTP11Protocol()
    upload = ask(client, b"PUT", (b"expect", b"100-continue"), (b"content-length", b"1"), end=False)
    assert b"expect: 100-continue\r\n" in client.data_to_send()
    assert client.receive_data(b"HTTP/1.1 100 Continue\r\n\r\n") == [upload]
    assert upload.informational == [(100, [])] and upload.status == 0
    client.send_body(upload, b"x", end=True)
    client.receive_data(EMPTY)
    assert upload.ended and client.accepting


def test_interim_responses_have_a_limit() -> None:
    """RFC 9110 §15.2: there may be any number; 100 are more than anybody needs."""
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    for count in (limits.MAX_INFORMATIONAL, limits.MAX_INFORMATIONAL + 1):
        _, exchange = answered(interim * count + EMPTY)
        assert exchange.ended is (count == limits.MAX_INFORMATIONAL)
    for size in (limits.MAX_HEAD, limits.MAX_HEAD + 1):
        first = b"HTTP/1.1 103 X\r\n" + (b"a:".ljust(50_000, b"x") + b"\r\n") * 4 + b"\r\n"
        left = size - (14 + 200_000) - 14
        last = b"HTTP/1.1 103 X\r\n" + b"a:".ljust(left, b"x") + b"\r\n\r\n"
        _, exchange = answered(first + last + EMPTY)
        assert exchange.ended is (size == limits.MAX_HEAD)


@pytest.mark.parametrize("upgrade", [b"", b"upgrade: h2c\r\n", b"upgrade: websocket\r\n"])
def test_another_protocol_that_nobody_asked_for_is_refused(upgrade: bytes) -> None:
    """RFC 9110 §7.8: a server MUST NOT switch to what was not asked for."""
    client, exchange = answered(
        b"HTTP/1.1 101 X\r\nconnection: upgrade\r\n" + upgrade + b"\r\n" + EMPTY
    )
    assert "101 to a request that asked for no such protocol" in str(exchange.error)
    assert client.closed and client.switched is None


def test_http_2_is_switched_to_once_it_was_offered() -> None:
    """RFC 7540 §3.2: for servers that still know it."""
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    exchange = ask(client)
    client.data_to_send()
    client.receive_data(b"HTTP/1.1 101 X\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n\0\0")
    assert exchange.ended and client.switched == b"\0\0"
