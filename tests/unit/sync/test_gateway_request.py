"""Reading the HTTP/1.1 that http.client writes: every split, every framing, what is refused."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hyper.sync import gateway_request
from hyper.sync.gateway_request import CHUNKED, Head, Piece, RequestReader, read_head

GET = b"GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nAccept-Encoding: identity\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED_HEAD = b"PUT /x HTTP/1.1\r\nHost: a:8443\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = CHUNKED_HEAD + (b"5;name=value\r\nhello\r\nA\r\n, world!!!\r\n0\r\nX-Sum: 42\r\n\r\n")


def read(reader: RequestReader, pieces: Iterable[bytes]) -> tuple[list[Head], bytes, list[Piece]]:
    """The heads, all octets of bodies, and the pieces that ended one."""
    heads: list[Head] = []
    body = b""
    ends: list[Piece] = []
    for piece in pieces:
        for what in reader.feed(piece):
            if isinstance(what, Head):
                heads.append(what)
            else:
                body += bytes(what.data)
                if what.end:
                    ends.append(what)
    return heads, body, ends


def head_of(*lines: bytes) -> Head:
    return read_head(b"\r\n".join((b"GET / HTTP/1.1", b"Host: example.org", *lines)))


def test_a_head_is_said_in_the_words_of_http2() -> None:
    ((head,), body, ends) = read(RequestReader(), [GET])
    assert head == Head(
        b"GET",
        None,
        b"example.org",
        b"/a?b=c",
        ((b"accept-encoding", b"identity"),),
        0,
        False,
        False,
    )
    assert (body, ends) == (b"", [])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize("octets", [GET, POST, CHUNKS])
def test_any_split_of_the_octets_says_the_same(octets: bytes, size: int) -> None:
    whole = read(RequestReader(), [octets * 3])
    pieces = [(octets * 3)[at : at + size] for at in range(0, len(octets) * 3, size)]
    split = read(RequestReader(), pieces)
    assert split[:2] == whole[:2]
    assert [piece.trailers for piece in split[2]] == [piece.trailers for piece in whole[2]]
    assert len(split[0]) == 3


def test_a_body_of_known_length_ends_with_its_last_octets() -> None:
    reader = RequestReader()
    ((head,), body, (end,)) = read(reader, [POST])
    assert head.length == 5
    assert (b"content-length", b"5") in head.fields
    assert body == b"hello"
    assert bytes(end.data) == b"hello"
    assert reader.resting


def test_a_length_that_is_said_twice_is_said_once() -> None:
    head = head_of(b"Content-Length: 5", b"X-A: 1", b"Content-Length: 5", b"X-A: 1")
    assert head.length == 5
    assert head.fields == ((b"content-length", b"5"), (b"x-a", b"1"), (b"x-a", b"1"))


def test_a_length_of_0_beside_chunks_is_left_out() -> None:
    """RFC 9112 §6.3: the chunks count; over HTTP/2 their octets would belie it."""
    head = head_of(b"Content-Length: 0", b"Transfer-Encoding: chunked", b"X-A: 1")
    assert head.length == CHUNKED
    assert head.fields == ((b"x-a", b"1"),)


def test_a_chunked_body_ends_with_its_trailers() -> None:
    reader = RequestReader()
    ((head,), body, (end,)) = read(reader, [CHUNKS])
    assert head.length == CHUNKED
    assert head.fields == ()
    assert head.authority == b"a:8443"
    assert body == b"hello, world!!!"
    assert end == Piece(b"", True, ((b"x-sum", b"42"),))
    assert reader.resting


def test_octets_of_a_body_are_not_copied() -> None:
    reader = RequestReader()
    list(reader.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"))
    body = b"x" * 100_000
    (piece,) = reader.feed(body)
    assert isinstance(piece, Piece)
    assert isinstance(piece.data, memoryview)
    assert piece.data.obj is body


def test_a_head_that_was_read_before_is_looked_up() -> None:
    reader = RequestReader()
    ((first,), _, _) = read(reader, [GET])
    ((second,), _, _) = read(reader, [bytes(bytearray(GET))])
    assert second is first
    # One with a body still gets it.
    head = POST[:-5]
    assert [read(reader, [head, b"hello"])[1] for _ in range(3)] == [b"hello"] * 3


def test_only_few_and_short_heads_are_remembered() -> None:
    reader = RequestReader()
    for number in range(gateway_request.MAX_REMEMBERED + 1):
        read(reader, [b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number])
    assert len(reader._known) == 1
    read(reader, [b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 5000)])
    assert len(reader._known) == 1


def test_empty_lines_before_a_request_are_skipped() -> None:
    """RFC 9112 §2.2."""
    for pieces in ([b"\r\n\r\n" + GET], [b"\r", b"\n", GET], [b"\r\n", GET]):
        assert len(read(RequestReader(), pieces)[0]) == 1


def test_several_values_of_http_client_become_one() -> None:
    """RFC 9112 §5.2: putheader() with several values folds the line."""
    head = head_of(b"Accept: text/html\r\n\ttext/plain\r\n  */*", b"X: 1")
    assert head.fields == ((b"accept", b"text/html text/plain */*"), (b"x", b"1"))


def test_what_is_about_the_connection_stays_here() -> None:
    """RFC 9113 §8.2.2."""
    head = head_of(
        b"Connection: keep-alive, X-Hop",
        b"X-Hop: 1",
        b"Keep-Alive: timeout=5",
        b"Proxy-Connection: keep-alive",
        b"Upgrade: h2c",
        b"TE: gzip",
        b"te: deflate, Trailers",
        b"X-Kept: 2",
    )
    assert head.fields == ((b"te", b"trailers"), (b"x-kept", b"2"))
    assert not head.closes


@pytest.mark.parametrize(
    ("first", "line", "closes"),
    [
        (b"GET / HTTP/1.1", b"Connection: close", True),
        (b"GET / HTTP/1.1", b"Connection: Close, x", True),
        (b"GET / HTTP/1.1", b"X: close", False),
        (b"GET / HTTP/1.0", b"X: y", True),
        (b"GET / HTTP/1.0", b"Connection: keep-alive", False),
    ],
)
def test_the_last_request_says_so(first: bytes, line: bytes, closes: bool) -> None:
    assert read_head(first + b"\r\nHost: a\r\n" + line).closes is closes


@pytest.mark.parametrize(
    ("target", "scheme", "authority", "path"),
    [
        (b"/", None, b"example.org", b"/"),
        (b"*", None, b"example.org", b"*"),
        (b"/a#b", None, b"example.org", b"/a"),
        (b"https://other.example/x?y#z", b"https", b"other.example", b"/x?y"),
        (b"HTTP://other.example:8080", b"http", b"other.example:8080", b"/"),
        (b"http://other.example?q", b"http", b"other.example", b"/?q"),
    ],
)
def test_every_form_of_target(
    target: bytes, scheme: bytes | None, authority: bytes, path: bytes
) -> None:
    """RFC 9112 §3.2."""
    head = read_head(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: example.org")
    assert (head.scheme, head.authority, head.path) == (scheme, authority, path)


def test_an_expectation_is_seen() -> None:
    assert head_of(b"Expect: 100-Continue").expects
    assert not head_of(b"Expect: something").expects
    assert head_of().expects is False


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (b"hello\r\n\r\n", "not the first line"),
        (b"GET /\r\n\r\n", "not the first line"),
        (b"GET / HTTP/2.0\r\n\r\n", "not the first line"),
        (b"G(T / HTTP/1.1\r\n\r\n", "not the first line"),
        (b"GET /a b HTTP/1.1\r\n\r\n", "not the first line"),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT asks for a tunnel"),
        (
            b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "HTTP/2 has no Upgrade",
        ),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "not the name of a header field"),
        (b"GET / HTTP/1.1\r\nx y: z\r\n\r\n", "not the name of a header field"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "'host' fields that differ"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "no transfer codings"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", "no"),
        (
            b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "leave one of them out",
        ),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "one decimal number"),
        (CHUNKED_HEAD + b"no size\r\n", "not the size of a chunk"),
        (CHUNKED_HEAD + b"2\r\nhello\r\n", "goes on behind the octets"),
        (CHUNKED_HEAD + b"0\r\nno trailer\r\n\r\n", "not the name of a header field"),
    ],
)
def test_what_cannot_be_said_is_refused_and_the_next_request_is_read(
    octets: bytes, complaint: str
) -> None:
    reader = RequestReader()
    with pytest.raises(ValueError, match=complaint):
        read(reader, [octets])
    assert reader.resting
    assert len(read(reader, [GET])[0]) == 1


def test_two_hosts_that_are_one_will_do() -> None:
    assert read_head(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a").authority == b"a"


def test_something_endless_that_is_no_request_is_not_collected() -> None:
    reader = RequestReader()
    with pytest.raises(ValueError, match="without the end of a head"):
        read(reader, [b"x" * 100_000] * 11)


def test_a_head_longer_than_what_is_searched_at_once_is_found() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n" % (b"x" * 20_000)
    heads, _, _ = read(RequestReader(), [octets + GET])
    assert [head.fields for head in heads] == [
        ((b"x", b"x" * 20_000),),
        ((b"accept-encoding", b"identity"),),
    ]


def test_reset_forgets_what_was_begun() -> None:
    reader = RequestReader()
    read(reader, [CHUNKED_HEAD + b"5\r\nhel"])
    assert not reader.resting
    reader.reset()
    assert reader.resting
    assert len(read(reader, [GET])[0]) == 1
