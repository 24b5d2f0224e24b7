"""HTTP/1.1 octets into events, however they are cut; and what is not HTTP at all."""

from __future__ import annotations

import itertools

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper.trace.connection import ConnectionTrace
from hyper.trace.events import (
    Answered,
    Ended,
    Event,
    Frame,
    Message,
    Opened,
    Piece,
    Promised,
    RequestEnded,
    Speaking,
)

from ..peer import END_HEADERS, END_STREAM, PADDED, PREFACE, frame, padded

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
Said = list[tuple[str, bytes]]


def told(said: Said, *, closed: bool = False, secure: bool = False) -> list[Event]:
    events: list[Event] = []
    trace = ConnectionTrace(events.append, secure=secure)
    for number, (direction, octets) in enumerate(said):
        trace.at(float(number), direction, octets)
    if closed:
        trace.note(float(len(said)), "closed", "over", "")
    return events


def lives(events: list[Event]) -> list[tuple[object, ...]]:
    """What became of requests: the number, and what else matters of it."""
    seen: list[tuple[object, ...]] = []
    for event in events:
        if isinstance(event, Opened):
            seen.append((event.stream, event.method, event.url))
        elif isinstance(event, Answered):
            seen.append((event.stream, event.status))
        elif isinstance(event, RequestEnded | Ended):
            seen.append((event.stream, type(event).__name__, event.size))
    return seen


def test_a_length_a_chunked_body_and_trailers() -> None:
    events = told(
        [
            (">", b"POST /up HTTP/1.1\r\nHost: h:81\r\nContent-Length: 5\r\n\r\nhello"),
            ("<", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ("<", b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-sum: 1\r\nx-two: 2\r\n\r\n"),
        ],
        secure=True,
    )
    assert lives(events) == [
        (1, "POST", "https://h:81/up"),
        (1, "RequestEnded", 5),
        (1, 200),
        (1, "Ended", 13),
    ]
    trailers = [each for each in events if isinstance(each, Message)][-1]
    assert (trailers.line, trailers.fields) == ("", [(b"x-sum", b"1"), (b"x-two", b"2")])
    assert "trailers  x-sum=1 x-two=2" in str(trailers)


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (b"GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (b"GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n"),
    ],
)
def test_answers_without_a_body_end_with_their_head(method: bytes, answer: bytes) -> None:
    """RFC 9112 §6.3; what follows belongs to the next one."""
    request = method + GET[3:]
    events = told([(">", request), ("<", answer), (">", GET), ("<", answer)])
    end = next(each for each in events if isinstance(each, Ended))
    assert (end.stream, end.size, end.at) == (1, 0, 1.0)
    assert [each.stream for each in events if isinstance(each, Opened)] == [1, 2]


def test_a_body_that_ends_with_the_connection() -> None:
    said = [(">", GET), ("<", b"HTTP/1.1 200 OK\r\n\r\nabc"), ("<", b"def")]
    assert [each for each in told(said) if isinstance(each, Ended)] == []
    [end] = [each for each in told(said, closed=True) if isinstance(each, Ended)]
    assert (end.stream, end.size) == (1, 6)


def test_a_tunnel_has_octets_without_an_end() -> None:
    events = told(
        [
            (">", b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
            ("<", b"HTTP/1.1 200 OK\r\n\r\n\0\1\2"),
            ("<", b"more"),
        ]
    )
    assert lives(events)[0] == (1, "CONNECT", "h:443")
    assert sum(each.size for each in events if isinstance(each, Piece)) == 7


def test_after_101_it_is_http2_from_the_first_octet_on() -> None:
    answer = frame("SETTINGS") + frame("HEADERS", END_HEADERS | END_STREAM, 1, b"\x88")
    events = told([(">", GET), ("<", b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n" + answer)])
    assert [each.version for each in events if isinstance(each, Speaking)] == ["HTTP/2"]
    assert lives(events)[-2:] == [(1, 200), (1, "Ended", 0)]


def test_after_101_to_something_else_there_are_octets() -> None:
    answer = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\0\1\2"
    events = told([(">", GET), ("<", answer), ("<", b"more")])
    assert [each for each in events if isinstance(each, Speaking)] == []
    assert sum(each.size for each in events if isinstance(each, Piece)) == 7


def test_padding_is_no_part_of_a_body() -> None:
    """RFC 9113 §6.1."""
    octets = frame("SETTINGS") + frame("HEADERS", END_HEADERS, 1, b"\x88")
    octets += frame("DATA", PADDED, 1, padded(b"four", 9)) + frame("DATA", END_STREAM, 1, b"five5")
    asked = PREFACE + frame("SETTINGS") + frame("HEADERS", END_HEADERS | END_STREAM, 1, b"\x82")
    events = told([(">", asked), ("<", octets)])
    [end] = [each for each in events if isinstance(each, Ended)]
    assert end.size == 9


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 300_000,
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 twohundred OK\r\ncolonless\r\n\r\n",
        b"HTTP/1.1 \xb200 OK\r\n\r\n",  # a digit to str.isdigit, and none to int
        b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    ],
)
def test_what_cannot_be_read_is_passed_over(answer: bytes) -> None:
    events = told([(">", GET), ("<", answer), ("<", b"HTTP/1.1 200 OK\r\n\r\n")], closed=True)
    assert isinstance(events[0], Message)


CONVERSATION = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc"
)


@settings(deadline=None)
@given(st.lists(st.integers(1, len(CONVERSATION) - 1), max_size=12))
def test_any_split_of_the_octets_tells_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(CONVERSATION)]
    pieces = [CONVERSATION[start:end] for start, end in itertools.pairwise(edges)]
    begun: Said = [(">", GET), (">", GET)]
    # An empty first piece would leave open which protocol it is; nobody sends one.
    split = told([*begun, *(("<", piece) for piece in pieces if piece)])
    assert lives(split) == [
        (1, "GET", "http://h/a"),
        (1, "RequestEnded", 0),
        (2, "GET", "http://h/a"),
        (2, "RequestEnded", 0),
        (1, 103),
        (1, 200),
        (1, "Ended", 5),
        (2, 404),
        (2, "Ended", 3),
    ]


def answered_with(octets: bytes) -> list[Event]:
    asked = PREFACE + frame("SETTINGS") + frame("HEADERS", END_HEADERS | END_STREAM, 1, b"\x82")
    return told([(">", asked), ("<", frame("SETTINGS") + octets)])


def test_a_status_is_three_digits_or_none() -> None:
    status = b"9" * 5000
    block = hpack.Encoder().encode([(b":status", status)], huffman=False)
    events = answered_with(frame("HEADERS", END_HEADERS, 1, block))
    assert [each for each in events if isinstance(each, Answered)] == []
    assert [each.kind for each in events if isinstance(each, Frame)][-1] == "HEADERS"


ESCAPE = b"\x1b]0;owned\x07\n"


def promised_with(authority: bytes, path: bytes) -> list[Event]:
    fields = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", authority),
        (b":path", path),
    ]
    block = (2).to_bytes(4, "big") + hpack.Encoder().encode(fields, huffman=False)
    return answered_with(frame("PUSH_PROMISE", END_HEADERS, 1, block))


@pytest.mark.parametrize(
    "events",
    [
        told([(">", GET), ("<", b"HTTP/1.1 200 " + ESCAPE + b"\r\n\r\n")]),
        told([(">", b"GET /%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (ESCAPE, ESCAPE))]),
        promised_with(b"h" + ESCAPE, b"/" + ESCAPE),
    ],
    ids=["status line", "request line", "promise"],
)
def test_a_strangers_words_do_nothing_to_the_terminal(events: list[Event]) -> None:
    """Neither in its own line nor where a URL is shown."""
    assert any("x1b]0;owned" in str(event) for event in events)
    for event in events:
        assert str(event).isprintable()
        if isinstance(event, Opened | Promised):
            assert event.url.isprintable()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("<>"), st.binary(max_size=80)), max_size=8))
def test_no_octets_can_break_it(said: Said) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n"):
        for event in told([("<", start), *said], closed=True):
            assert str(event).isprintable()


@settings(deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_no_head_can_break_it(first: bytes, second: bytes, third: bytes) -> None:
    head = b"%b HTTP/1.1 %b %b\r\nHost: %b\r\n\r\n" % (first, second, third, first)
    for octets in (head, head[len(first) + 1 :]):
        for event in told([(">", octets), ("<", octets)], closed=True):
            assert str(event).isprintable()
