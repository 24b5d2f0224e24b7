"""``hyper.http11.state``: one slot, and who has it (RFC 9112 §9)."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import ConnectionError
from hyper.http11.protocol import HTTP11Protocol

from .asking import EMPTY, OK, answered, ask, asked


def test_requests_wait_for_the_slot_in_order() -> None:
    client = HTTP11Protocol()
    first, second, third = (ask(client, b"GET", (b"x-n", b"%d" % n)) for n in range(3))
    assert [one.opened for one in (first, second, third)] == [True, False, False]
    assert client.data_to_send().count(b"HTTP/1.1") == 1
    moved = client.receive_data(EMPTY)
    assert moved == [first, second]
    assert b"x-n: 1" in client.data_to_send()
    client.receive_data(EMPTY)
    assert b"x-n: 2" in client.data_to_send()
    assert not client.idle
    client.receive_data(EMPTY)
    assert third.ended and client.idle


def test_what_came_before_the_request_was_written_is_not_its_response() -> None:
    """§9.2: two responses at once to the first request; the second one is nobody's."""
    client, first = asked()
    second, third = ask(client), ask(client)
    client.receive_data(EMPTY + OK + b"content-length: 6\r\n\r\npoison")
    assert first.ended and first.error is None
    assert client.closed and client.data_to_send() == b""
    for waiting in (second, third):
        assert waiting.status == 0
        assert isinstance(waiting.error, ConnectionError) and waiting.error.retryable
        assert "nobody asked for" in str(waiting.error)


def test_a_request_that_was_not_written_when_the_connection_went_can_be_repeated() -> None:
    client = HTTP11Protocol()
    exchange = ask(client)
    client.connection_lost(ConnectionResetError("cable"))
    assert exchange.error.retryable and "cable" in str(exchange.error)


def test_one_that_was_written_cannot() -> None:
    client, exchange = asked()
    client.connection_lost(None)
    assert not exchange.error.retryable


@pytest.mark.parametrize(
    "head",
    [
        OK + b"connection: close\r\ncontent-length: 1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n",
        OK + b"\r\n",
    ],
)
def test_whoever_waits_learns_from_the_head_that_the_connection_will_close(head: bytes) -> None:
    """§9.6: and need not wait for the body."""
    client, first = asked()
    waiting = ask(client)
    assert client.receive_data(head) == [first, waiting]
    assert waiting.error.retryable and "never sent" in str(waiting.error)
    assert not client.accepting and not first.ended
    with pytest.raises(ConnectionError, match="open another") as caught:
        ask(client)
    assert caught.value.retryable
    client.receive_data(b"x")
    client.connection_lost(None)
    assert first.ended and first.error is None


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_that_turns_out_to_have_no_chunks_is_sent_none(chunked: bool) -> None:
    """RFC 9112 §6.1."""
    client, _ = asked()
    head = () if chunked else ((b"content-length", b"1"),)
    upload = ask(client, b"POST", *head, end=False)
    client.receive_data(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n")
    assert upload.opened is not chunked
    assert client.accepting is not chunked
    if chunked:
        assert "HTTP/1.0" in str(upload.error) and upload.error.retryable


@pytest.mark.parametrize("octets", [EMPTY + EMPTY, b"HTTP/1.1 204 No Content\r\n\r\nbody"])
def test_octets_behind_a_response_end_the_connection(octets: bytes) -> None:
    client, exchange = answered(octets)
    assert exchange.ended and exchange.error is None
    assert not client.accepting and client.idle


def test_octets_on_an_idle_connection_end_it() -> None:
    client = HTTP11Protocol()
    assert client.receive_data(b"HTTP/1.1 408 Request Timeout\r\n\r\n") == []
    assert not client.accepting and client.idle


def test_the_end_of_an_idle_connection_concerns_nobody() -> None:
    client = HTTP11Protocol()
    assert client.connection_lost(None) == []
    assert client.closed and not client.accepting


def test_a_response_before_the_whole_request_makes_it_the_last() -> None:
    client = HTTP11Protocol()
    upload, waiting = ask(client, b"POST", end=False), ask(client)
    client.data_to_send()
    client.receive_data(EMPTY)
    assert upload.ended and upload.error is None
    assert not client.accepting
    assert "before the whole request was sent" in str(waiting.error)


def test_what_was_given_up_keeps_its_own_error() -> None:
    client, exchange = asked()
    client.cancel(exchange)
    assert "cancelled here" in str(exchange.error)
    assert client.closed and not client.paused


def test_a_connection_that_changed_its_protocol_is_neither_idle_nor_closed() -> None:
    client, exchange = answered(OK + b"\r\n", method=b"CONNECT")
    assert exchange.ended and client.switched == b""
    assert not client.idle and not client.accepting and not client.closed
