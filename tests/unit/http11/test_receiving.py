"""``hyper.http11.receiving``: what the server's octets do (RFC 9112 §4 to §9)."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from hyper.common.exceptions import ConnectionError, InvalidResponseError
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol

from .asking import CHUNKED, EMPTY, OK, answered, ask, asked, body, read

# responses


def test_a_response_of_known_length() -> None:
    client, exchange = answered(OK + b"Server: x\r\nContent-Length: 5\r\n\r\nhello")
    assert (exchange.status, exchange.reason, exchange.ended) == (200, b"OK", True)
    assert exchange.headers == [(b"server", b"x"), (b"content-length", b"5")]
    assert body(exchange) == b"hello"
    assert client.accepting and client.idle


def test_a_body_is_handed_over_in_the_pieces_it_comes_in() -> None:
    client, exchange = answered(OK + b"content-length: 6\r\n\r\nab")
    piece = b"cd"
    assert client.receive_data(piece) == [exchange]
    assert exchange.chunks[1] is piece
    client.receive_data(b"ef")
    assert list(exchange.chunks) == [b"ab", b"cd", b"ef"]


def test_a_chunked_response_with_extensions_and_trailers() -> None:
    _, exchange = answered(CHUNKED + b"5;a=b\r\nhello\r\n1\r\n!\r\n0;last\r\nX-Sum: 42\r\n\r\n")
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


def test_no_body_follows_a_response_to_head() -> None:
    client, exchange = answered(OK + b"content-length: 5\r\n\r\n", method=b"HEAD")
    assert exchange.ended and not exchange.chunks
    assert client.accepting


def test_lines_may_end_in_a_line_feed_alone_and_begin_after_an_empty_one() -> None:
    """RFC 9112 §2.2."""
    client, exchange = answered(b"\r\nHTTP/1.1 200 OK\nA: b\ncontent-length: 1\n\nx")
    assert exchange.ended and exchange.headers == [(b"a", b"b"), (b"content-length", b"1")]
    ask(client)
    client.data_to_send()
    _, exchange = answered(b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
    assert isinstance(exchange.error, InvalidResponseError)


def test_interim_responses_are_collected() -> None:
    client, exchange = answered(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    )
    assert exchange.informational == [(100, []), (103, [(b"link", b"</a>")])]
    assert exchange.status == 0
    client.receive_data(EMPTY)
    assert exchange.status == 200


@pytest.mark.parametrize("split", [1, 2, 3, 7, 100])
def test_octets_may_arrive_in_any_pieces(split: int) -> None:
    octets = CHUNKED + b"5\r\nhello\r\n2;x\r\n!!\r\n0\r\nA: b\r\n\r\n"
    pieces = [octets[at : at + split] for at in range(0, len(octets), split)]
    client, exchange = answered(*pieces)
    assert list(exchange.chunks) == [b"hello", b"!!"]
    assert exchange.trailers == [(b"a", b"b")]
    assert exchange.ended and client.accepting


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"x", EMPTY),
        (b"HTTP/1.1 200 ", EMPTY),
        (CHUNKED + b"x", b"1\r\na\r\n"),
        (CHUNKED + b"1\r\na\r", b"\r\n"),
    ],
)
def test_what_continues_a_line_does_not_begin_one(begun: bytes, rest: bytes) -> None:
    """However well it would do for a beginning."""
    results = []
    for pieces in ((begun + rest,), (begun, rest)):
        _, exchange = answered(*pieces)
        results.append((exchange.status, exchange.reason, str(exchange.error), exchange.ended))
    assert results[0] == results[1]
    _, exchange = answered(CHUNKED + b"1", b"2\r\n" + bytes(18) + b"\r\n")
    assert len(body(exchange)) == 18


def test_a_chunk_is_handed_over_whole_up_to_a_size() -> None:
    size = limits.WHOLE_CHUNK
    client, exchange = answered(CHUNKED + b"%x\r\n" % size, b"abc")
    assert not exchange.chunks
    client.receive_data(b"x" * (size - 3) + b"\r\n")
    assert [len(chunk) for chunk in exchange.chunks] == [size]
    client, exchange = answered(CHUNKED + b"%x\r\n" % (size + 1), b"abc")
    assert list(exchange.chunks) == [b"abc"]
    client.receive_data(b"x" * (size - 3))
    client.receive_data(b"x\r\n0\r\n\r\n")
    assert [len(chunk) for chunk in exchange.chunks] == [3, size - 3, 1]
    assert exchange.received == size + 1 and exchange.ended


# octets that are no response


@pytest.mark.parametrize("waiting", [False, True])
def test_octets_behind_a_response_are_nobodys(waiting: bool) -> None:
    client, first = asked()
    second = ask(client) if waiting else None
    client.receive_data(EMPTY + EMPTY)
    assert first.ended and not client.accepting
    assert client.closed is waiting
    assert second is None or second.error.retryable


@pytest.mark.parametrize("waiting", [False, True])
def test_empty_lines_behind_a_response_are_discarded(waiting: bool) -> None:
    """§9.2."""
    client, first = asked()
    if waiting:
        ask(client)
    client.receive_data(EMPTY + b"\r\n\r\n")
    client.receive_data(b"\n")
    assert first.ended and client.accepting and not client.closed


def offering() -> tuple[Any, Any]:
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    return client, ask(client)


def test_a_server_may_accept_the_upgrade() -> None:
    client, exchange = offering()
    client.data_to_send()
    waiting = ask(client)
    moved = client.receive_data(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nfra"
    )
    client.receive_data(b"mes")
    assert moved == [exchange, waiting]
    assert exchange.status == 101 and exchange.ended
    assert client.switched == b"frames"
    assert not client.accepting and not client.idle
    assert waiting.error.retryable


def test_one_answer_is_asked_about_the_upgrade_and_not_another() -> None:
    client, first = asked()
    client.offer_upgrade = b"AAMAAABk"
    second = ask(client)
    client.receive_data(b"HTTP/1.1 101 X\r\nupgrade: h2c\r\n\r\n")
    assert "asked for no such protocol" in str(first.error)
    assert second.error.retryable


def test_an_upgrade_to_something_else_is_refused() -> None:
    client, exchange = offering()
    client.data_to_send()
    client.receive_data(b"HTTP/1.1 101 X\r\nupgrade: websocket\r\n\r\n")
    assert "asked for no such protocol" in str(exchange.error)


def test_an_upgrade_before_the_request_is_complete_is_refused() -> None:
    """RFC 9110 §7.8: HTTP/2 would begin in the midst of the body."""
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABk"
    exchange = ask(client, b"POST", end=False)
    client.data_to_send()
    client.receive_data(b"HTTP/1.1 101 X\r\nupgrade: h2c\r\n\r\n")
    assert "101 before the whole request was sent" in str(exchange.error)


def test_a_tunnel_begins_behind_the_answer_to_connect() -> None:
    client, exchange = answered(OK + b"content-length: 5\r\n\r\nSSH", method=b"CONNECT")
    assert exchange.status == 200 and exchange.ended and not exchange.chunks
    assert client.switched == b"SSH"
    with pytest.raises(ConnectionError):
        ask(client)


# what is not HTTP


@pytest.mark.parametrize(
    "octets",
    [
        b"220 smtp ready\r\n",
        OK + b"no colon\r\n",
        OK + b" folded: first\r\n",
        OK + b"a : b\r\n",
        OK + b"content-length: x\r\n\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
        CHUNKED + b"0x5\r\n",
        CHUNKED + b"1\n",
        CHUNKED + b"1\r\nab",
        CHUNKED + b"1\r\na\n",
        CHUNKED + b"1\r\na\rx",
        CHUNKED + b"0\r\nno colon\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\n\r\n",
        b"x" * (limits.MAX_LINE + 2),
        CHUNKED + b"1;" + b"x" * limits.MAX_CHUNK_LINE,
    ],
)
@pytest.mark.parametrize("whole", [True, False])
def test_whatever_is_not_http_ends_the_connection(octets: bytes, whole: bool) -> None:
    client, exchange = asked()
    if whole:
        moved = client.receive_data(octets)
    else:
        client.receive_data(octets[:-1])
        moved = client.receive_data(octets[-1:])
    assert moved == [exchange]
    assert isinstance(exchange.error, InvalidResponseError)
    assert client.closed and not client.accepting
    assert client.receive_data(EMPTY) == []


@pytest.mark.parametrize("size", [limits.MAX_CONNECT_HEAD, limits.MAX_CONNECT_HEAD + 1])
@pytest.mark.parametrize("whole", [True, False])
def test_what_a_proxy_says_to_connect_is_bounded(size: int, whole: bool) -> None:
    line = b"a: " + b"x" * (size - len(OK) + 2 - 3) + b"\r\n"
    pieces = [OK + line + b"\r\n"] if whole else [OK, line, b"\r\n"]
    _, exchange = answered(*pieces, method=b"CONNECT")
    assert exchange.ended is (size <= limits.MAX_CONNECT_HEAD)
    assert (exchange.error is None) is exchange.ended


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


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("more", [0, 1])
def test_a_line_is_measured_without_its_end(end: bytes, more: int) -> None:
    """However it ends, and in however many pieces it comes."""
    line = b"a: " + b"x" * (limits.MAX_LINE - 3 + more) + end
    head = OK + line + b"content-length: 0\r\n\r\n"
    for at in (0, len(OK + line) - 2, len(OK + line) - 1, len(OK + line)):
        _, exchange = answered(head[:at], head[at:])
        assert exchange.ended is (not more)
        if more:
            assert f"more than {limits.MAX_LINE} octets" in str(exchange.error)


# cut short


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 103 X\r\na: b\r\n\r\n", "without an answer"),
        (b"HTTP/1.1 2", "in the midst of the head"),
        (OK, "in the midst of the head"),
        (OK + b"a: b\r\n", "in the midst of the head"),
        (OK + b"content-length: 9\r\n\r\nhello", "after 5 octets with 4 octets missing"),
        (CHUNKED + b"9\r\nhello", "after 5 octets"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "after 5 octets"),
    ],
)
def test_a_response_cut_short_says_where(cut: bytes, words: str) -> None:
    client, exchange = answered(cut)
    client.connection_lost(None)
    assert isinstance(exchange.error, ConnectionError)
    assert words in str(exchange.error)
    assert not exchange.error.retryable and not exchange.ended
    assert client.connection_lost(None) == []


def test_the_end_of_a_connection_that_nobody_uses_concerns_nobody() -> None:
    client = HTTP11Protocol()
    assert client.connection_lost(None) == []
    assert client.closed


# back-pressure


@pytest.mark.parametrize("size", [1, 1000, 1024])
def test_an_unread_body_pauses_reading_until_it_is_read(size: int) -> None:
    client, exchange = answered(CHUNKED)
    fed = 0
    while not client.paused:
        client.receive_data(b"%x\r\n%b\r\n" % (size, b"x" * size))
        fed += 1
    assert fed == min(limits.MAX_UNREAD // size, limits.MAX_UNREAD_PIECES) + 1
    assert exchange.consumed(len(exchange.chunks.popleft())) == 0
    assert client.paused
    read(client, exchange)
    assert not client.paused
    client.receive_data(b"0\r\n\r\n")
    assert exchange.ended and not client.paused
    assert exchange.consumed(0) == 0


def test_a_body_that_is_complete_pauses_nothing() -> None:
    size = limits.MAX_UNREAD + 1
    client, exchange = answered(OK + b"content-length: %d\r\n\r\n" % size + bytes(size))
    assert exchange.ended and not client.paused


def test_nothing_pauses_for_ever_when_the_reader_was_quicker() -> None:
    """It reads in another thread, and took the last octets just before the pause was noted."""

    class Vanishing(deque[bytes]):
        looks = 0

        def __len__(self) -> int:
            self.looks += 1
            return limits.MAX_UNREAD_PIECES + 1 if self.looks < 3 else 0

    client, exchange = answered(CHUNKED)
    exchange.chunks = chunks = Vanishing()
    client.receive_data(b"1\r\nx\r\n")
    assert chunks.looks == 3
    assert not client.paused
