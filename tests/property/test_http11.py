"""The HTTP/1.1 core against servers that nobody wrote down: any split, any octets, no end.

What a response means is the business of ``tests/conformance/rfc9112`` and of the comparison in
``test_http11_differential``; here it only has to mean the same however it arrives.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper.common.exceptions import ConnectionError, InvalidResponseError
from hyper.http11 import limits
from hyper.http11.protocol import HTTP11Protocol
from tests.peer import footprint
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, answered, ask, asked, body, read

#: Everything an exchange may end with because of what the server did.
DOCUMENTED = (InvalidResponseError, ConnectionError)

LARGE = limits.WHOLE_CHUNK + 1

#: What servers say to one request, good and bad, and what more they say after it.
RESPONSES = [
    OK + b"Server: x\r\nContent-Length: 5\r\n\r\nhello",
    b"\r\nHTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + EMPTY,
    CHUNKED + b"5;a=b\r\nhello\r\n1 \r\n!\r\n0;last\r\nX-Sum: 42\r\n folded\r\n\r\n",
    b"HTTP/1.1 200 OK\nA: b\n c\nContent-Length: 3\nB:\n \t\n\nabc",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n\r\n\r\n",
    b"HTTP/1.0 200\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
    OK + b"\r\nto the end\r\n\r\n",
    EMPTY + EMPTY,
    OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok and more",
    CHUNKED + b"5\r\nhello\r\n5\r\nhello!\r\n",
    CHUNKED + b"5\nhello\r\n",
    CHUNKED + b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
    CHUNKED + b"5\r\nhel",
    OK + b"Bad : field\r\n\r\n",
    OK + b"Content-Length: 5, 6\r\n\r\nhello",
    OK + b"a: b\rc\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nmore",
    b"HTTP/2 200\r\n\r\n",
    b"220 mail.example.org ESMTP\r\n",
]


def outcome(client: Any, exchange: Any) -> tuple[Any, ...]:
    """All that a face can see; bodies are joined, for splits change the pieces."""
    return (
        exchange.status,
        exchange.reason,
        exchange.headers,
        exchange.trailers,
        exchange.informational,
        body(exchange),
        exchange.ended,
        type(exchange.error),
        str(exchange.error),
        client.accepting,
        client.closed,
        client.switched,
        client.idle,
    )


def replay(spoken: bytes, cuts: list[int], method: bytes = b"GET") -> list[Any]:
    """Let a client hear the octets in pieces; what came of it then, and after the end of file."""
    client, exchange = asked(method)
    moved: set[Any] = set()
    for start, stop in zip([0, *cuts], [*cuts, len(spoken)], strict=True):
        moved |= set(client.receive_data(spoken[start:stop]))
    before = outcome(client, exchange)
    moved |= set(client.connection_lost(None))
    assert moved == {exchange}
    assert exchange.ended or isinstance(exchange.error, DOCUMENTED)
    return [before, outcome(client, exchange)]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"CONNECT"])
@pytest.mark.parametrize("spoken", RESPONSES)
def test_two_pieces_cut_anywhere_mean_the_same_as_one(spoken: bytes, method: bytes) -> None:
    expected = replay(spoken, [], method)
    for at in range(len(spoken) + 1):
        assert replay(spoken, [at], method) == expected, f"cut after {at} octets"


@pytest.mark.parametrize("spoken", RESPONSES)
def test_octet_by_octet_means_the_same_as_one_piece(spoken: bytes) -> None:
    assert replay(spoken, list(range(1, len(spoken)))) == replay(spoken, [])


@settings(max_examples=60, deadline=None)
@given(st.integers(LARGE - 2, LARGE), st.lists(st.integers(0, LARGE + 60), max_size=6).map(sorted))
def test_large_chunks_mean_the_same_in_any_pieces(size: int, cuts: list[int]) -> None:
    spoken = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (size, bytes(size))
    cuts = [min(cut, len(spoken)) for cut in cuts]
    assert replay(spoken, cuts) == replay(spoken, [])


# -- mutations of what servers say, and noise -------------------------------------------------

#: What breaks parsers.
nasty = st.sampled_from(
    [
        b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"f", b"x",
        b"-1", b"+1", b"0x", b"_", b"\xff", b"\x0b", b"\xc2\xa0", b"9" * 20, b"chunked", b"close",
        b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 200 OK\r\n",
    ]
)  # fmt: skip
octets = st.one_of(st.lists(nasty, max_size=40).map(b"".join), st.binary(max_size=200))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One of the responses with some octets cut out, or put in."""
    spoken = draw(st.sampled_from(RESPONSES))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(spoken)))
        gone = draw(st.integers(0, 4))
        spoken = spoken[:at] + draw(st.one_of(st.just(b""), nasty)) + spoken[at + gone :]
    return spoken


@settings(max_examples=400, deadline=None)
@given(st.one_of(mutated(), octets, octets.map(OK.__add__), octets.map(CHUNKED.__add__)), st.data())
def test_nothing_raises_and_any_pieces_mean_the_same(spoken: bytes, data: st.DataObject) -> None:
    method = data.draw(st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
    cuts = data.draw(st.lists(st.integers(0, len(spoken)), max_size=20).map(sorted))
    assert replay(spoken, cuts, method) == replay(spoken, [], method)


# -- several requests, reading, giving up: whatever the order ---------------------------------

steps = st.one_of(
    st.tuples(st.just("get")),
    st.tuples(st.just("get")),
    st.tuples(st.just("post")),
    st.tuples(st.just("write")),
    st.tuples(st.just("write")),
    st.tuples(st.just("say"), st.one_of(st.sampled_from(RESPONSES), mutated(), octets)),
    st.tuples(st.just("say"), st.just(EMPTY)),
    st.tuples(st.just("send"), st.integers(0, 9), st.binary(max_size=50), st.booleans()),
    st.tuples(st.just("read"), st.integers(0, 9)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("close")),
    st.tuples(st.just("lose"), st.sampled_from([None, ConnectionResetError("cable")])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=25))
def test_no_order_of_events_leaves_anybody_waiting(events: list[tuple[Any, ...]]) -> None:
    client: Any = HTTP11Protocol()
    exchanges: list[Any] = []
    moved: list[Any] = []
    for kind, *rest in events:
        exchange = None
        if exchanges and kind in ("send", "read", "cancel"):
            exchange = exchanges[rest[0] % len(exchanges)]
        if kind in ("get", "post"):
            try:
                exchanges.append(ask(client, kind.upper().encode(), end=kind == "get"))
            except (ConnectionError, ValueError):
                assert not client.accepting or kind == "post"
        elif kind == "write":
            client.data_to_send()
        elif kind == "say":
            moved += client.receive_data(rest[0])
        elif kind == "close":
            client.close()
        elif kind == "lose":
            moved += client.connection_lost(rest[0])
        elif exchange is not None and kind == "read":
            read(client, exchange)
        elif exchange is not None and kind == "cancel":
            moved += [exchange, *client.cancel(exchange)]
        elif exchange is not None and not exchange.sent and exchange.error is None:
            client.send_body(exchange, rest[1], end=rest[2])
        running = [one for one in exchanges if not one.ended and one.error is None]
        assert client.idle == (not running and client.switched is None)
        assert sum(one.opened for one in running) == bool(running), "the slot is held by one"
    client.connection_lost(None)
    for one in exchanges:
        assert one.ended or one.error is not None
        assert one.opened or one.error is not None
    assert client.data_to_send() == b""


# -- nothing goes on for ever -----------------------------------------------------------------

LINE = b"a: " + b"x" * 1000


def held(client: Any) -> int:
    """Things that the client still has to deal with, octets and fields among them."""
    things = footprint(client)
    del things["_status_line"]  # always three
    return sum(things.values()) + len(client._section.fields) * (not client.closed)


@pytest.mark.parametrize(
    ("first", "again", "most"),
    [
        (b"", b"x", limits.MAX_LINE + 2),
        (b"", b"HTTP/1.1 103 X\r\n\r\n", 18 * (limits.MAX_INFORMATIONAL + 1)),
        (b"", b"HTTP/1.1 103 X\r\n" + LINE + b"\r\n\r\n", limits.MAX_HEAD + 10_000),
        (OK, b"a: b\r\n", 6 * (limits.MAX_FIELDS + 1)),
        (OK, LINE + b"\r\n", limits.MAX_HEAD + 2000),
        (OK + b"a: b\r\n", b" \r\n", 3 * (limits.MAX_FIELDS + 1)),
        (OK, b"x", limits.MAX_LINE + 2),
        (CHUNKED + b"1;", b"x", limits.MAX_CHUNK_LINE + 2),
        (CHUNKED, b"0", limits.MAX_CHUNK_LINE + 2),
        (CHUNKED + b"0\r\n", b"a: b\r\n", 6 * (limits.MAX_FIELDS + 1)),
        (CHUNKED + b"0\r\n", LINE + b"\r\n", limits.MAX_TRAILERS + 2000),
    ],
)
def test_what_goes_on_for_ever_is_stopped(first: bytes, again: bytes, most: int) -> None:
    client, exchange = answered(first)
    said = 0
    piece = again * (1 + 500 // len(again))
    while exchange.error is None:
        client.receive_data(piece)
        said += len(piece)
        assert said <= most + len(piece)
        assert held(client) <= limits.MAX_LINE + limits.MAX_FIELDS
    assert isinstance(exchange.error, InvalidResponseError)
    assert held(client) == 0


@pytest.mark.parametrize(
    "head, again",
    [
        (OK + b"content-length: 9999999999999999999\r\n\r\n", bytes(1000)),
        (CHUNKED + b"%x\r\n" % (2**63 - 1), bytes(1000)),
        (CHUNKED, b"3e8\r\n" + bytes(1000) + b"\r\n"),
        (CHUNKED, b"1\r\nx\r\n" * 100),
        (OK + b"\r\n", bytes(1000)),
    ],
)
def test_a_body_without_end_is_kept_no_longer_than_until_it_is_read(
    head: bytes, again: bytes
) -> None:
    """Nothing is made ready for a length that was only announced (CVE-2025-13836)."""
    client, exchange = answered(head)
    for _ in range(5):
        while not client.paused:
            client.receive_data(again)
        assert exchange.received - exchange.taken <= limits.MAX_UNREAD + len(again)
        assert len(exchange.chunks) <= limits.MAX_UNREAD_PIECES + 100
        read(client, exchange)
    assert held(client) == 0
    assert exchange.error is None and not exchange.ended


def test_empty_lines_and_noise_on_an_idle_connection_leave_nothing_behind() -> None:
    client: Any = HTTP11Protocol()
    for piece in (b"\r\n", b"x" * 1000) * 100:
        assert client.receive_data(piece) == []
        assert held(client) == 0
    assert not client.accepting
