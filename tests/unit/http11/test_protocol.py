"""``hyper.http11.protocol``: requests, their bodies, and giving up (RFC 9112)."""

from __future__ import annotations

from typing import Any

import pytest

from hyper.common.exceptions import ConnectionError, HyperError, InvalidResponseError
from hyper.common.fields import NOT_IN_TRAILERS
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol

from .asking import EMPTY, ask, asked, written

LENGTH = b"content-length"


def upload(*headers: tuple[bytes, bytes]) -> tuple[Any, Any]:
    """A client that has written the head of a POST."""
    client = HTTP11Protocol()
    exchange = ask(client, b"POST", *headers, end=False)
    client.data_to_send()
    return client, exchange


# heads


def test_a_request_names_its_host_first() -> None:
    client = HTTP11Protocol()
    ask(client, b"GET", (b"accept", b"*/*"))
    assert client.data_to_send() == b"GET / HTTP/1.1\r\nhost: example.org\r\naccept: */*\r\n\r\n"
    assert client.data_to_send() == b""
    assert client.max_concurrent_streams == 1


def test_a_proxy_is_told_the_whole_uri() -> None:
    """RFC 9112 §3.2.2."""
    client = HTTP11Protocol(absolute=True)
    ask(client)
    assert client.data_to_send().startswith(b"GET http://example.org/ HTTP/1.1\r\n")


@pytest.mark.parametrize("values", [[b"x"], [b"5", b"6"], [b"5", b"5"], [b"+5"], [b""]])
def test_a_length_that_is_none_is_refused(values: list[bytes]) -> None:
    with pytest.raises(ValueError, match="content-length must be one number"):
        ask(HTTP11Protocol(), b"POST", *[(LENGTH, value) for value in values], end=False)


def test_a_length_without_a_body_is_refused() -> None:
    """The server would take the next request for it."""
    with pytest.raises(ValueError, match="content-length is 5 and no body follows"):
        ask(HTTP11Protocol(), b"POST", (LENGTH, b"5"))
    assert written(b"POST", (LENGTH, b"0")).endswith(b"\r\ncontent-length: 0\r\n\r\n")


def test_the_framing_is_not_the_callers() -> None:
    with pytest.raises(ValueError, match="transfer-encoding"):
        ask(HTTP11Protocol(), b"POST", (b"transfer-encoding", b"chunked"), end=False)


def test_the_host_is_not_the_callers() -> None:
    """RFC 9112 §3.2: never two of them."""
    with pytest.raises(ValueError, match="'host' is the authority"):
        ask(HTTP11Protocol(), b"GET", (b"host", b"example.org"))


def test_connect_has_no_body() -> None:
    with pytest.raises(ValueError, match="CONNECT has no body"):
        ask(HTTP11Protocol(), b"CONNECT", end=False)


def test_te_is_for_the_next_hop_only() -> None:
    """RFC 9110 §10.1.4."""
    assert b"\r\nconnection: TE\r\n" in written(b"GET", (b"te", b"trailers"))
    for value in (b"chunked", b"gzip", b"trailers, gzip;q=0.5", b""):
        with pytest.raises(ValueError, match="may only be 'trailers'"):
            written(b"GET", (b"te", value))
    said = (b"connection", b"x, TE")
    assert written(b"GET", (b"te", b"trailers"), said).count(b"connection") == 1


def test_a_bad_head_is_refused_before_anything_has_changed() -> None:
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    with pytest.raises(ValueError, match="not a token"):
        ask(client, b"B AD")
    with pytest.raises(ValueError, match="may not contain"):
        ask(client, b"GET", (b"connection", b"close"), (b"x", b"\n"))
    assert client.idle and client.accepting and client.data_to_send() == b""
    assert client.offer_upgrade is not None


# bodies


def test_a_body_of_known_length_goes_out_as_it_is() -> None:
    client, exchange = upload((LENGTH, b"6"))
    assert client.room(exchange) == limits.WRITE_BATCH
    assert client.send_body(exchange, b"abc", end=False) == 3
    assert client.send_body(exchange, memoryview(b"def"), end=True) == 3
    assert client.data_to_send() == b"abcdef"
    assert exchange.sent and client.room(exchange) == 0
    with pytest.raises(ValueError, match="nothing can be added"):
        client.send_body(exchange, b"x", end=True)


@pytest.mark.parametrize(("data", "end"), [(b"1234567", False), (b"1234567", True), (b"12", True)])
def test_a_body_must_have_the_length_that_was_announced(data: bytes, end: bool) -> None:
    client, exchange = upload((LENGTH, b"6"))
    with pytest.raises(ValueError, match="content-length leaves 6 octets"):
        client.send_body(exchange, data, end=end)
    assert client.data_to_send() == b""


def test_a_body_of_unknown_length_goes_out_in_chunks() -> None:
    """RFC 9112 §7.1."""
    client = HTTP11Protocol()
    exchange = ask(client, b"POST", end=False)
    assert client.data_to_send().endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")
    client.send_body(exchange, b"x" * 17, end=False)
    client.send_body(exchange, b"", end=False)
    client.send_body(exchange, b"y", end=True, trailers=[(b"x-sum", b"1")])
    assert client.data_to_send() == (
        b"11\r\n" + b"x" * 17 + b"\r\n" + b"1\r\ny\r\n" + b"0\r\nx-sum: 1\r\n\r\n"
    )


def test_a_server_of_http_1_0_is_sent_no_chunks() -> None:
    """RFC 9112 §6.1."""
    client, _ = asked()
    client.receive_data(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n")
    with pytest.raises(ValueError, match="set content-length"):
        ask(client, b"POST", end=False)
    assert ask(client, b"POST", (LENGTH, b"1"), end=False).opened


def test_trailers_need_chunks() -> None:
    client, exchange = upload((LENGTH, b"1"))
    with pytest.raises(ValueError, match="leave content-length out"):
        client.send_body(exchange, b"x", end=True, trailers=[(b"a", b"b")])


@pytest.mark.parametrize("name", sorted(NOT_IN_TRAILERS))
def test_fields_for_heads_only_are_no_trailers(name: bytes) -> None:
    """RFC 9110 §6.5.1: whoever puts trailers into the head would be given another framing."""
    client, exchange = upload()
    with pytest.raises(ValueError, match=f"'{name.decode()}' may not be sent as a trailer"):
        client.send_body(exchange, b"x", end=True, trailers=[(b"x-sum", b"1"), (name, b"1")])
    assert client.data_to_send() == b"" and not exchange.sent


def test_trailers_that_may_not_be_sent_cost_nothing() -> None:
    client, exchange = upload()
    with pytest.raises(ValueError, match="may not contain"):
        client.send_body(exchange, b"x", end=True, trailers=[(b"a", b"b\r\n")])
    assert client.data_to_send() == b"" and not exchange.sent


def test_no_more_waits_to_be_written_than_one_write_is_worth() -> None:
    client, exchange = upload()
    assert client.send_body(exchange, bytes(100), end=False) == 100
    more = bytes(limits.WRITE_BATCH)
    assert client.room(exchange) == limits.WRITE_BATCH - 100
    assert client.send_body(exchange, more, end=True) == limits.WRITE_BATCH - 100
    assert client.send_body(exchange, bytes(1), end=True) == client.room(exchange) == 0
    assert not exchange.sent
    client.data_to_send()
    assert client.send_body(exchange, bytes(100), end=True) == 100
    assert exchange.sent


def test_a_callers_buffer_may_change_as_soon_as_it_was_taken() -> None:
    client, exchange = upload((LENGTH, b"6"))
    buffer = bytearray(b"before")
    client.send_body(exchange, memoryview(buffer), end=True)
    buffer[:] = b"after!"
    assert client.data_to_send() == b"before"


def test_a_queued_upload_takes_no_body_yet() -> None:
    client, _ = asked()
    exchange = ask(client, b"POST", end=False)
    assert client.send_body(exchange, b"abc", end=True) == 0
    assert client.send_body(exchange, b"", end=True) == 0
    assert client.room(exchange) == 0
    assert not exchange.sent and client.data_to_send() == b""


def test_an_early_answer_ends_the_upload_and_the_connection() -> None:
    client, exchange = upload()
    waiting = ask(client)
    client.receive_data(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
    assert exchange.ended and exchange.error is None
    assert client.room(exchange) == 0
    assert client.send_body(exchange, b"x", end=True) == 0
    assert client.send_body(exchange, b"", end=True) == 0
    assert client.data_to_send() == b"" and not exchange.sent
    assert not client.accepting
    assert waiting.error.retryable
    assert client.cancel(exchange) == []
    assert exchange.error is None


def test_a_failed_exchange_takes_no_body() -> None:
    client, exchange = upload()
    client.receive_data(b"SSH-2.0\r\n")
    with pytest.raises(InvalidResponseError) as caught:
        client.send_body(exchange, b"x", end=True)
    assert caught.value is not exchange.error


# giving up


def test_cancelling_what_waits_leaves_the_rest_alone() -> None:
    client, first = asked()
    waiting, after = ask(client), ask(client)
    assert client.cancel(waiting) == []
    assert isinstance(waiting.error, HyperError)
    client.receive_data(EMPTY)
    assert first.ended and after.opened


def test_cancelling_what_is_under_way_costs_the_connection() -> None:
    client, first = asked()
    waiting = ask(client)
    assert set(client.cancel(first)) == {first, waiting}
    assert "cancelled here" in str(first.error)
    assert waiting.error.retryable
    assert client.closed


def test_cancelling_what_was_dropped_already_does_nothing() -> None:
    client, _ = asked()
    waiting = ask(client)
    client.connection_lost(None)
    assert client.cancel(waiting) == []


def test_closing_takes_nothing_new_and_serves_what_waits() -> None:
    client, _ = asked()
    waiting = ask(client)
    client.close()
    with pytest.raises(ConnectionError, match="open another") as caught:
        ask(client)
    assert caught.value.retryable
    client.receive_data(EMPTY)
    assert waiting.opened


def test_a_callers_close_makes_its_request_the_last() -> None:
    client = HTTP11Protocol()
    exchange = ask(client, b"GET", (b"connection", b"close"))
    client.data_to_send()
    assert not client.accepting
    client.receive_data(EMPTY)
    assert exchange.ended and client.idle


# h2c


def test_an_upgrade_is_asked_for_once() -> None:
    """RFC 7540 §3.2, which RFC 9113 has dropped and old servers have not."""
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    exchange = ask(client)
    head = client.data_to_send()
    assert b"upgrade: h2c\r\n" in head and b"http2-settings: AAMAAABk\r\n" in head
    assert b"connection: Upgrade, HTTP2-Settings\r\n" in head
    assert client.offer_upgrade is None
    client.receive_data(EMPTY)
    assert exchange.status == 200 and client.switched is None
    ask(client)
    assert b"upgrade" not in client.data_to_send()
    client.receive_data(b"HTTP/1.1 101 X\r\nupgrade: h2c\r\n\r\n")
    assert client.closed


# back-pressure


def test_reading_goes_on_when_the_reader_says_so() -> None:
    client, exchange = asked()
    exchange.paused = True
    assert client.paused
    client.widen(exchange, 1)
    assert not client.paused
