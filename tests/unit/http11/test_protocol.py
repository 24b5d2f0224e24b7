"""``hyper.http11.protocol``: the verbs over one slot (RFC 9112)."""

from __future__ import annotations

from typing import Any

import pytest

from hyper.common.exceptions import ConnectionError, HyperError, InvalidResponseError
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Exchange, HTTP11Protocol

OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"content-length: 0\r\n\r\n"


def ask(
    client: HTTP11Protocol, method: bytes = b"GET", *headers: tuple[bytes, bytes], end: bool = True
) -> HTTP11Exchange:
    return client.request(method, b"http", b"example.org", b"/", headers, end=end)


def asked(method: bytes = b"GET") -> tuple[HTTP11Protocol, HTTP11Exchange]:
    """A client that has written one request."""
    client = HTTP11Protocol()
    exchange = ask(client, method)
    client.data_to_send()
    return client, exchange


def answered(*octets: bytes, method: bytes = b"GET") -> tuple[HTTP11Protocol, HTTP11Exchange]:
    client, exchange = asked(method)
    for piece in octets:
        client.receive_data(piece)
    return client, exchange


def body(exchange: HTTP11Exchange) -> bytes:
    return b"".join(exchange.chunks)


# requests


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


def test_connect_names_an_authority() -> None:
    """RFC 9112 §3.2.3."""
    client = HTTP11Protocol(absolute=True)
    ask(client, b"CONNECT")
    assert client.data_to_send().startswith(b"CONNECT example.org HTTP/1.1\r\n")


def test_a_body_of_known_length_goes_out_as_it_is() -> None:
    client = HTTP11Protocol()
    upload = ask(client, b"POST", (b"content-length", b"6"), end=False)
    assert client.room(upload) == limits.WRITE_BATCH
    assert client.send_body(upload, b"abc", end=False) == 3
    assert client.send_body(upload, memoryview(b"def"), end=True) == 3
    assert client.data_to_send().endswith(b"\r\n\r\nabcdef")
    assert upload.sent and client.room(upload) == 0
    with pytest.raises(ValueError, match="nothing can be added"):
        client.send_body(upload, b"x", end=True)


@pytest.mark.parametrize(("data", "end"), [(b"1234567", False), (b"1234567", True), (b"12", True)])
def test_a_body_must_have_the_length_that_was_announced(data: bytes, end: bool) -> None:
    client = HTTP11Protocol()
    upload = ask(client, b"POST", (b"content-length", b"6"), end=False)
    client.data_to_send()
    with pytest.raises(ValueError, match="content-length leaves 6 octets"):
        client.send_body(upload, data, end=end)
    assert client.data_to_send() == b""


def test_a_body_of_unknown_length_goes_out_in_chunks() -> None:
    """RFC 9112 §7.1."""
    client = HTTP11Protocol()
    upload = ask(client, b"POST", end=False)
    assert client.data_to_send().endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")
    client.send_body(upload, b"x" * 17, end=False)
    client.send_body(upload, b"", end=False)
    client.send_body(upload, b"y", end=True, trailers=[(b"x-sum", b"1")])
    assert client.data_to_send() == (
        b"11\r\n" + b"x" * 17 + b"\r\n" + b"1\r\ny\r\n" + b"0\r\nx-sum: 1\r\n\r\n"
    )


def test_trailers_need_chunks() -> None:
    client = HTTP11Protocol()
    upload = ask(client, b"POST", (b"content-length", b"1"), end=False)
    with pytest.raises(ValueError, match="leave content-length out"):
        client.send_body(upload, b"x", end=True, trailers=[(b"a", b"b")])


def test_one_call_takes_no_more_than_one_write_is_worth() -> None:
    client = HTTP11Protocol()
    upload = ask(client, b"POST", end=False)
    assert client.send_body(upload, bytes(limits.WRITE_BATCH + 1), end=True) == limits.WRITE_BATCH
    assert not upload.sent
    assert client.send_body(upload, bytes(1), end=True) == 1
    assert upload.sent


def test_a_callers_buffer_may_change_as_soon_as_it_was_taken() -> None:
    client = HTTP11Protocol()
    upload = ask(client, b"POST", (b"content-length", b"6"), end=False)
    buffer = bytearray(b"before")
    client.send_body(upload, memoryview(buffer), end=True)
    buffer[:] = b"after!"
    assert client.data_to_send().endswith(b"before")


@pytest.mark.parametrize("values", [[b"x"], [b"5", b"6"], [b"+5"], [b""]])
def test_a_length_that_is_none_is_refused(values: list[bytes]) -> None:
    with pytest.raises(ValueError, match="content-length must be one number"):
        ask(HTTP11Protocol(), b"POST", *[(b"content-length", v) for v in values], end=False)


def test_the_framing_is_not_the_callers() -> None:
    with pytest.raises(ValueError, match="transfer-encoding"):
        ask(HTTP11Protocol(), b"POST", (b"transfer-encoding", b"chunked"), end=False)


def test_te_is_for_the_next_hop_only() -> None:
    """RFC 9110 §10.1.4."""
    client = HTTP11Protocol()
    ask(client, b"GET", (b"te", b"trailers"))
    assert b"connection: TE\r\n" in client.data_to_send()
    ask(client, b"GET", (b"te", b"trailers"), (b"connection", b"TE"))
    assert client.data_to_send().count(b"connection") == 0


def test_a_bad_head_is_refused_before_anything_has_changed() -> None:
    client = HTTP11Protocol()
    with pytest.raises(ValueError, match="not a token"):
        ask(client, b"B AD")
    assert client.idle and client.data_to_send() == b""


# responses


def test_a_response_of_known_length() -> None:
    client, exchange = answered(OK + b"Server: x\r\nContent-Length: 5\r\n\r\nhello")
    assert (exchange.status, exchange.reason, exchange.ended) == (200, b"OK", True)
    assert exchange.headers == [(b"server", b"x"), (b"content-length", b"5")]
    assert body(exchange) == b"hello"
    assert client.accepting and client.idle


def test_a_chunked_response_with_extensions_and_trailers() -> None:
    _, exchange = answered(
        OK + b"transfer-encoding: chunked\r\n\r\n"
        b"5;a=b\r\nhello\r\n1\r\n!\r\n0;last\r\nX-Sum: 42\r\n\r\n"
    )
    assert list(exchange.chunks) == [b"hello", b"!"]
    assert exchange.trailers == [(b"x-sum", b"42")]
    assert exchange.ended


def test_a_response_until_the_end_of_file() -> None:
    client, exchange = answered(OK + b"\r\nhel", b"lo")
    assert not exchange.ended
    assert exchange in client.connection_lost(None)
    assert body(exchange) == b"hello"
    assert exchange.ended and exchange.error is None


def test_a_response_until_the_end_of_file_is_cut_by_an_error() -> None:
    client, exchange = answered(OK + b"\r\nhel")
    lost = ConnectionResetError("cable")
    client.connection_lost(lost)
    assert exchange.error is lost and not exchange.ended


@pytest.mark.parametrize("method", [b"HEAD"])
def test_no_body_follows_a_response_to_head(method: bytes) -> None:
    client, exchange = answered(OK + b"content-length: 5\r\n\r\n", method=method)
    assert exchange.ended and not exchange.chunks
    assert client.accepting


def test_lines_may_end_in_a_line_feed_alone_and_begin_after_an_empty_one() -> None:
    """RFC 9112 §2.2."""
    _, exchange = answered(b"\r\nHTTP/1.1 200 OK\nA: b\ncontent-length: 1\n\nx")
    assert exchange.ended and exchange.headers == [(b"a", b"b"), (b"content-length", b"1")]


def test_folded_lines_become_one_blank() -> None:
    """RFC 9112 §5.2."""
    _, exchange = answered(OK + b"A: b\r\n \t c\r\n\t\r\nE:\r\n f\r\ncontent-length: 0\r\n\r\n")
    assert exchange.headers == [(b"a", b"b c"), (b"e", b"f"), (b"content-length", b"0")]


def test_interim_responses_are_collected() -> None:
    client, exchange = answered(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    )
    assert exchange.informational == [(100, []), (103, [(b"link", b"</a>")])]
    assert exchange.status == 0
    client.receive_data(EMPTY)
    assert exchange.status == 200


def test_interim_responses_are_counted_and_measured() -> None:
    client, exchange = answered(b"HTTP/1.1 103 X\r\n\r\n" * limits.MAX_INFORMATIONAL)
    assert exchange.error is None
    client.receive_data(b"HTTP/1.1 103 X\r\n\r\n")
    assert "101 interim responses" in str(exchange.error)
    line = b"a: " + b"x" * 60_000 + b"\r\n"
    head = b"HTTP/1.1 103 X\r\n" + line * 2 + b"\r\n"
    _, exchange = answered(head * 2)
    assert exchange.error is None
    _, exchange = answered(head * 3)
    assert isinstance(exchange.error, InvalidResponseError)


@pytest.mark.parametrize("split", [1, 2, 3, 7, 100])
def test_octets_may_arrive_in_any_pieces(split: int) -> None:
    octets = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n2;x\r\n!!\r\n0\r\nA: b\r\n\r\n"
    pieces = [octets[at : at + split] for at in range(0, len(octets), split)]
    client, exchange = answered(*pieces)
    assert list(exchange.chunks) == [b"hello", b"!!"]
    assert exchange.trailers == [(b"a", b"b")]
    assert exchange.ended and client.accepting


def test_large_chunks_are_passed_on_as_they_come() -> None:
    size = limits.WHOLE_CHUNK + 1
    client, exchange = answered(OK + b"transfer-encoding: chunked\r\n\r\n%x\r\nabc" % size)
    assert list(exchange.chunks) == [b"abc"]
    client.receive_data(b"x" * (size - 3) + b"\r\n0\r\n\r\n")
    assert exchange.received == size and exchange.ended


@pytest.mark.parametrize(
    "octets",
    [
        b"220 smtp ready\r\n",
        OK + b"no colon\r\n",
        OK + b" folded: first\r\n",
        OK + b"a : b\r\n",
        OK + b"content-length: x\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n0x5\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n0\r\nno colon\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
        b"x" * (limits.MAX_LINE + 1),
        OK + b"transfer-encoding: chunked\r\n\r\n1;" + b"x" * limits.MAX_CHUNK_LINE,
    ],
)
def test_whatever_is_not_http_ends_the_connection(octets: bytes) -> None:
    client, exchange = answered(octets)
    assert isinstance(exchange.error, InvalidResponseError)
    assert client.closed and not client.accepting
    assert client.receive_data(EMPTY) == []
    with pytest.raises(InvalidResponseError):
        client.send_body(exchange, b"x", end=True)


def test_lines_up_to_the_limit_are_taken() -> None:
    line = b"a: " + b"x" * (limits.MAX_LINE - 3)
    _, exchange = answered(OK + line + b"\r\ncontent-length: 0\r\n\r\n")
    assert exchange.ended
    _, exchange = answered(OK + b"a" + line + b"\r\n")
    assert "a line of more than" in str(exchange.error)


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_fields_are_counted(more: int, taken: bool) -> None:
    fields = b"a: b\r\n" * (limits.MAX_FIELDS - 1 + more)
    _, exchange = answered(OK + fields + b"content-length: 0\r\n\r\n")
    assert exchange.ended is taken


@pytest.mark.parametrize(
    ("size", "taken"), [(limits.MAX_TRAILERS, True), (limits.MAX_TRAILERS + 1, False)]
)
def test_trailers_are_measured(size: int, taken: bool) -> None:
    half = b"a: " + b"x" * (size // 2 - 3) + b"\r\n"
    rest = b"a: " + b"x" * (size - size // 2 - 3) + b"\r\n"
    _, exchange = answered(OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + half + rest + b"\r\n")
    assert exchange.ended is taken


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 2", "in the midst of the head"),
        (OK + b"a: b\r\n", "in the midst of the head"),
        (OK + b"content-length: 9\r\n\r\nhello", "after 5 octets with 4 octets missing"),
        (OK + b"transfer-encoding: chunked\r\n\r\n9\r\nhello", "after 5 octets"),
    ],
)
def test_a_response_cut_short_says_where(cut: bytes, words: str) -> None:
    client, exchange = answered(cut)
    client.connection_lost(None)
    assert isinstance(exchange.error, ConnectionError)
    assert words in str(exchange.error)
    assert not exchange.error.retryable
    assert client.connection_lost(None) == []


# one slot


def test_requests_wait_for_the_slot_in_order() -> None:
    client = HTTP11Protocol()
    first, second, third = (ask(client, b"GET", (b"x-n", b"%d" % n)) for n in range(3))
    assert client.data_to_send().count(b"HTTP/1.1") == 1
    assert client.room(second) == 0
    moved = client.receive_data(EMPTY)
    assert first in moved and second in moved
    assert b"x-n: 1" in client.data_to_send()
    client.receive_data(EMPTY)
    assert b"x-n: 2" in client.data_to_send()
    client.receive_data(EMPTY)
    assert third.ended and client.idle


def test_a_queued_upload_takes_no_body_yet() -> None:
    client, _ = asked()
    upload = ask(client, b"POST", end=False)
    assert client.send_body(upload, b"abc", end=True) == 0
    assert not upload.sent and client.data_to_send() == b""


@pytest.mark.parametrize(
    "octets",
    [
        OK + b"connection: close\r\ncontent-length: 0\r\n\r\n",
        EMPTY + EMPTY,
        b"HTTP/1.1 204 No Content\r\n\r\nbody",
    ],
)
def test_an_unfit_connection_gives_waiting_requests_back(octets: bytes) -> None:
    client, first = asked()
    waiting: Any = ask(client)
    client.receive_data(octets[: octets.index(b"\r\n\r\n") + 4])
    if client.accepting:  # the rest belongs to nobody: the queue was served meanwhile
        client, first = asked()
        client.receive_data(octets)
        assert first.ended and not client.accepting and client.idle
        return
    assert first.ended
    assert waiting.error.retryable
    assert "never sent" in str(waiting.error)
    with pytest.raises(ConnectionError, match="open another") as caught:
        ask(client)
    assert caught.value.retryable


def test_a_callers_close_makes_its_request_the_last() -> None:
    client = HTTP11Protocol()
    exchange = ask(client, b"GET", (b"connection", b"close"))
    assert not client.accepting
    client.receive_data(EMPTY)
    assert exchange.ended and client.idle


def test_octets_on_an_idle_connection_end_it() -> None:
    client = HTTP11Protocol()
    assert client.receive_data(b"HTTP/1.1 408 Request Timeout\r\n\r\n") == []
    assert not client.accepting and client.idle


def test_an_early_answer_ends_the_upload_and_the_connection() -> None:
    client = HTTP11Protocol()
    upload = ask(client, b"POST", end=False)
    waiting: Any = ask(client)
    client.receive_data(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
    assert upload.ended and upload.error is None
    assert client.room(upload) == 0
    assert client.send_body(upload, b"x", end=True) == 0
    assert not client.accepting
    assert waiting.error.retryable
    assert client.cancel(upload) == []
    assert upload.error is None


def test_cancelling_what_waits_leaves_the_rest_alone() -> None:
    client, first = asked()
    waiting, after = ask(client), ask(client)
    assert client.cancel(waiting) == []
    assert isinstance(waiting.error, HyperError)
    client.receive_data(EMPTY)
    assert first.ended and after.opened


def test_cancelling_what_is_under_way_costs_the_connection() -> None:
    client, first = asked()
    waiting: Any = ask(client)
    assert set(client.cancel(first)) == {first, waiting}
    assert "cancelled here" in str(first.error)
    assert waiting.error.retryable
    assert client.closed


def test_closing_takes_nothing_new() -> None:
    client, _ = asked()
    client.close()
    with pytest.raises(ConnectionError):
        ask(client)


# back-pressure


@pytest.mark.parametrize("size", [1, 1000])
def test_an_unread_body_pauses_reading_until_it_is_read(size: int) -> None:
    client, exchange = asked()
    client.receive_data(OK + b"transfer-encoding: chunked\r\n\r\n")
    fed = 0
    while not client.paused:
        client.receive_data(b"%x\r\n%b\r\n" % (size, b"x" * size))
        fed += 1
    assert fed == min(limits.MAX_UNREAD // size, limits.MAX_UNREAD_PIECES) + 1
    assert exchange.consumed(len(exchange.chunks.popleft())) == 0
    while exchange.chunks:
        told = exchange.consumed(len(exchange.chunks.popleft()))
    assert told == size
    client.widen(exchange, told)
    assert not client.paused
    client.receive_data(b"0\r\n\r\n")
    assert exchange.ended and not client.paused
    assert exchange.consumed(0) == 0


# h2c


def test_an_upgrade_is_asked_for_once() -> None:
    """RFC 7540 §3.2, which RFC 9113 has dropped and old servers have not."""
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    exchange = ask(client)
    head = client.data_to_send()
    assert b"upgrade: h2c\r\n" in head and b"http2-settings: AAMAAABk\r\n" in head
    assert b"connection: Upgrade, HTTP2-Settings\r\n" in head
    moved = client.receive_data(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nfra"
    )
    client.receive_data(b"mes")
    assert moved == [exchange]
    assert exchange.status == 101
    assert client.switched == b"frames"
    assert not client.accepting and not client.idle


def test_an_upgrade_that_is_ignored_changes_nothing() -> None:
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    exchange = ask(client)
    client.receive_data(EMPTY)
    assert exchange.status == 200 and client.switched is None
    client.data_to_send()
    ask(client)
    assert b"upgrade" not in client.data_to_send()
    client.receive_data(b"HTTP/1.1 101 X\r\nupgrade: h2c\r\n\r\n")
    assert client.closed


def test_an_upgrade_to_something_else_is_refused() -> None:
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    exchange = ask(client)
    client.receive_data(b"HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n")
    assert "asked for no other protocol" in str(exchange.error)


def test_the_end_of_an_idle_connection_concerns_nobody() -> None:
    client = HTTP11Protocol()
    assert client.connection_lost(None) == []
    assert client.closed and not client.accepting


def test_cancelling_what_was_dropped_already_does_nothing() -> None:
    client, _ = asked()
    waiting = ask(client)
    client.connection_lost(None)
    assert client.cancel(waiting) == []
