"""The same octets through hyper, h11 and http.client: the same response, or a rule why not.

Three readings of one response are compared: its interim heads, its head, its body, its trailers,
whether it is whole, and whether the connection can be used again. Where the three differ on
purpose, the difference is written down: for well-formed responses as a rule that turns our reading
into theirs (``as_h11``, ``as_http_client``), for malformed ones as a table of three verdicts.

In the other direction h11, as a server, reads every request that we write.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field, replace
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper.http11.protocol import HTTP11Protocol
from tests.unit.http11.asking import CHUNKED, EMPTY, OK, body

from .readings import CannedSocket, Pairs, Reading, by_h11, by_http_client, by_hyper

# -- well-formed responses ----------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """A field line as it is written: blanks around the value, and the folds in it."""

    name: bytes
    parts: tuple[bytes, ...]
    before: bytes = b" "
    after: bytes = b""

    def written(self, end: bytes) -> bytes:
        fold = end + b" \t"
        return self.name + b":" + self.before + fold.join(self.parts) + self.after + end

    @property
    def folded(self) -> bool:
        return len(self.parts) > 1


@dataclass(frozen=True)
class Script:
    """A response, how it is written, and where it is cut off."""

    method: bytes
    minor: int
    status: int
    reason: bytes
    lines: tuple[Line, ...]
    framing: str
    chunks: tuple[bytes, ...]
    extension: bytes = b""
    trailers: tuple[Line, ...] = ()
    interim: tuple[tuple[int, tuple[Line, ...]], ...] = ()
    connection: bytes = b""
    end: bytes = b"\r\n"
    leftover: bytes = b""
    cut: int = 0
    heads: tuple[Line, ...] = field(init=False)

    def __post_init__(self) -> None:
        length = b"%d" % sum(map(len, self.chunks))
        framing = {
            "length": [Line(b"Content-Length", (length,))],
            "length twice": [Line(b"Content-Length", (length,))] * 2,
            "length in a list": [Line(b"Content-Length", (length + b", " + length,))],
            "chunked": [Line(b"Transfer-Encoding", (b"Chunked",))],
            "both": [
                Line(b"Content-Length", (b"1",)),
                Line(b"Transfer-Encoding", (b"chunked",)),
            ],
            "until close": [],
        }[self.framing]
        connection = [Line(b"Connection", (self.connection,))] if self.connection else []
        object.__setattr__(self, "heads", (*self.lines, *framing, *connection))

    @property
    def empty(self) -> bool:
        """No body, whatever the head says."""
        return self.method == b"HEAD" or self.status in (204, 304)

    @property
    def chunked(self) -> bool:
        return self.framing in ("chunked", "both")

    @property
    def lasting(self) -> bool:
        """The server does not say that it will close."""
        return b"close" not in self.connection.lower()

    def wire(self) -> bytes:
        heads = b""
        for status, lines in (*self.interim, (self.status, self.heads)):
            reason = b" " + self.reason if status == self.status else b" X"
            heads += b"HTTP/1.%d %d%b%b" % (self.minor, status, reason, self.end)
            heads += b"".join(line.written(self.end) for line in lines) + self.end
        content = b""
        if not self.empty:
            content = b"".join(self.chunks)
            if self.chunked:
                content = b"".join(
                    b"%x%b\r\n%b\r\n" % (len(chunk), self.extension, chunk)
                    for chunk in self.chunks
                    if chunk
                )
                content += b"000%b\r\n" % self.extension
                content += b"".join(line.written(self.end) for line in self.trailers) + self.end
        whole = heads + content
        if self.cut:
            return whole[: -self.cut] if self.cut < len(whole) else b""
        return whole + self.leftover


tokens = st.sampled_from(
    [b"Server", b"X-A", b"x-a", b"Set-Cookie", b"ETag", b"!#$%&'*+.^_`|~9", b"Via"]
)
words = st.binary(min_size=1, max_size=9).map(
    lambda noise: bytes(33 + octet % 94 for octet in noise)
)
obs = st.sampled_from([b"\xe4\xff", b"\x80", b'"a b"', b"a:b", b"a \t b", b";,="])
texts = st.one_of(st.just(b""), words, obs)
blanks = st.sampled_from([b"", b" ", b" ", b"\t", b" \t "])
lines = st.builds(
    Line,
    tokens,
    st.one_of(
        st.tuples(texts), st.tuples(texts), st.tuples(words, words), st.tuples(words, obs, words)
    ),
    blanks,
    blanks,
)
sections = st.lists(lines, max_size=4).map(tuple)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    framing = draw(
        st.sampled_from(
            [
                "length",
                "length twice",
                "length in a list",
                "chunked",
                "chunked",
                "both",
                "until close",
            ]
        )
    )
    return Script(
        method=draw(st.sampled_from([b"GET", b"GET", b"GET", b"POST", b"HEAD"])),
        minor=draw(st.sampled_from([1, 1, 1, 0])),
        status=draw(st.sampled_from([200, 200, 200, 204, 206, 304, 404, 500, 999])),
        reason=draw(st.one_of(st.just(b"OK"), texts, st.just(b"Not  Found "), st.just(b"\xfcber"))),
        lines=draw(sections),
        framing=framing,
        chunks=tuple(draw(st.lists(st.binary(max_size=40), max_size=4))),
        extension=draw(st.sampled_from([b"", b"", b";a", b";a=b", b';a="b;c"'])),
        trailers=draw(sections) if framing in ("chunked", "both") else (),
        interim=tuple(
            draw(st.lists(st.tuples(st.sampled_from([100, 102, 103, 199]), sections), max_size=3))
        ),
        connection=draw(st.sampled_from([b"", b"", b"close", b"Keep-Alive", b"x, Close"])),
        end=draw(st.sampled_from([b"\r\n", b"\r\n", b"\n"])),
        leftover=draw(st.sampled_from([b"", b"", b"", b"HTTP/1.1 200 OK\r\n\r\n", b"x"])),
        cut=draw(st.one_of(st.just(0), st.just(0), st.integers(1, 200))),
    )


def meant(lines: tuple[Line, ...]) -> Pairs:
    """What field lines mean (RFC 9112 §5.1, §5.2)."""
    return tuple((line.name.lower(), b" ".join(filter(None, line.parts)).strip()) for line in lines)


@settings(max_examples=300, deadline=None)
@given(scripts())
def test_a_well_formed_response_means_what_was_meant(script: Script) -> None:
    reading = by_hyper(script.wire(), script.method)
    if not script.cut:
        close_ends_it = script.framing == "until close" and not script.empty
        content = b"" if script.empty else b"".join(script.chunks)
        if close_ends_it:
            content += script.leftover
        persistent = script.lasting and (script.minor == 1 or script.connection == b"Keep-Alive")
        overruled = not script.empty and (
            script.framing == "both" or (script.chunked and script.minor == 0)
        )
        assert reading == Reading(
            script.status,
            script.reason,
            meant(script.heads),
            content,
            () if script.empty else meant(script.trailers),
            tuple((status, meant(lines)) for status, lines in script.interim),
            True,
            persistent and not (close_ends_it or overruled or script.leftover),
        )
    elif script.framing != "until close" or script.empty:
        assert not reading.whole and not reading.reusable


def as_h11(script: Script, ours: Reading) -> Reading:
    """What h11 0.16 makes of what we read as ``ours``; each difference is a rule.

    1. It drops the field lines of content-length that only repeat one, folds a list of one
       value into the value, and writes transfer codings in lower case.
    2. It never uses a connection again after a response in HTTP/1.0.
    3. It does use one again after a response with both content-length and transfer-encoding,
       which RFC 9112 §6.3 lets us treat as an attack.
    """
    fields: list[tuple[bytes, bytes]] = []
    for name, value in ours.fields:
        if name == b"content-length":
            value = value.partition(b",")[0]
            if (name, value) in fields:
                continue
        fields.append((name, value.lower() if name == b"transfer-encoding" else value))
    reusable = ours.reusable and script.minor == 1
    if script.framing == "both" and script.minor == 1 and not script.empty:
        reusable = ours.whole and script.lasting and not script.leftover
    return replace(ours, fields=tuple(fields), reusable=reusable)


@settings(max_examples=500, deadline=None)
@given(scripts())
def test_h11_reads_the_same_response(script: Script) -> None:
    wire = script.wire()
    ours, theirs = by_hyper(wire, script.method), by_h11(wire, script.method)
    assert theirs == as_h11(script, ours)


def as_http_client(script: Script, ours: Reading) -> Reading | None:
    """What http.client makes of what we read as ``ours``; each difference is a rule.

    1. It skips 100, and takes every other interim response for the final one, without a body.
    2. It has no interim heads and no trailers, and takes blanks off the reason.
    3. It keeps blanks at the end of a value, and the line ends of folded ones.
    4. A list of one length is none to it, so the body lasts until the connection closes.
    5. Of a chunk that is cut short it has nothing, and a chunked body is whole to it as soon as
       the first digit of the last chunk's size is there.
    6. It reads chunks behind 204 and 304, which have none, and fails.
    7. It does not look at what is behind the response, and would use a connection again after
       one with both framings, or chunked in HTTP/1.0.
    8. A head that is cut short is whole to it, with what there is: None, nothing to compare.
    """
    hint = next((head for head in ours.interim if head[0] != 100), None)
    if hint is not None:
        lines = next(lines for status, lines in script.interim if status == hint[0])
        return Reading(hint[0], b"X", kept(lines, script), whole=True, reusable=script.minor == 1)
    if not ours.status:
        return None
    whole, content, tail = ours.whole, ours.body, b""
    persistent = script.lasting and (script.minor == 1 or script.connection == b"Keep-Alive")
    if script.chunked and script.status in (204, 304) and script.method != b"HEAD":
        whole = False
    elif script.chunked and not script.empty:
        tail = b"".join(line.written(script.end) for line in script.trailers) + script.end
        tail = b"000" + script.extension + b"\r\n" + tail
        whole = script.cut < len(tail)
        if not whole:
            sizes = [len(chunk) for chunk in script.chunks]
            ends = (sum(sizes[:count]) for count in range(len(sizes) + 1))
            content = content[: max(end for end in ends if end <= len(content))]
    elif script.framing == "length in a list" and not script.empty:
        whole, persistent = True, False
        if ours.whole:
            content += script.leftover
    elif script.framing == "until close" and not script.empty:
        persistent = False
    return Reading(
        ours.status,
        ours.reason.strip(),
        kept(script.heads, script),
        content,
        whole=whole,
        reusable=whole and persistent,
    )


def kept(lines: tuple[Line, ...], script: Script) -> Pairs:
    """Fields by rule 3."""
    return tuple(
        (line.name.lower(), line.written(script.end).partition(b":")[2].strip(b"\r\n").lstrip())
        for line in lines
    )


@settings(max_examples=500, deadline=None)
@given(scripts())
def test_http_client_reads_the_same_response(script: Script) -> None:
    wire = script.wire()
    expected = as_http_client(script, by_hyper(wire, script.method))
    if expected is not None:
        assert by_http_client(wire, script.method) == expected


def test_http_client_says_nothing_of_a_body_that_is_short() -> None:
    """Read in pieces, as files are; an error to us, whichever way it is read."""
    canned: Any = CannedSocket(OK + b"content-length: 9\r\n\r\nshort")
    response = http.client.HTTPResponse(canned)
    response.begin()
    assert [response.read(9), response.read(9)] == [b"short", b""]
    reading = by_hyper(canned.wire, b"GET")
    assert (reading.body, reading.whole) == (b"short", False)


# -- malformed responses ------------------------------------------------------------------------

#: What became of a response: refused or incomplete; whole, and the connection is done with; or
#: whole, and the connection is used again.
NO, LAST, AGAIN = VERDICTS = ("no", "last", "again")


def verdict(reading: Reading) -> str:
    return (AGAIN if reading.reusable else LAST) if reading.whole else NO


def chunked(octets: bytes) -> bytes:
    return CHUNKED + octets


def coded(value: bytes) -> bytes:
    return OK + b"transfer-encoding: " + value + b"\r\n\r\n2\r\nok\r\n0\r\n\r\n"


def long(value: bytes) -> bytes:
    return OK + b"content-length: " + value + b"\r\n\r\nok"


def header(line: bytes) -> bytes:
    return OK + b"content-length: 2\r\n" + line + b"\r\n\r\nok"


LAST_CHUNK = b"0\r\n\r\n"

#: Octets; then what we, h11 and http.client make of them, and why they differ.
ROWS: list[tuple[bytes, str, str, str]] = [
    # Status lines. http.client cuts them at any blanks.
    (b"HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, AGAIN),
    (b"HTTP/1.1\t200 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, AGAIN),
    (b"HTTP/1.1 +20 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, NO),
    (b"HTTP/1.1 2_0 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, NO),
    (b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, NO),
    (b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, NO),
    (b"HTTP/1.1 200 O\0K\r\ncontent-length: 0\r\n\r\n", NO, NO, AGAIN),
    (b"HTTP/1.1 200 O\rK\r\ncontent-length: 0\r\n\r\n", NO, NO, AGAIN),
    (b"HTTP/1.11 200 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, AGAIN),
    (b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", NO, AGAIN, NO),
    (b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n", NO, LAST, LAST),
    (b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, NO),
    (b"ICY 200 OK\r\ncontent-length: 0\r\n\r\n", NO, NO, NO),
    # An empty line first is one that the response before it left over (RFC 9112 §9.2).
    (b"\r\n" + EMPTY, AGAIN, NO, NO),
    (b"\r\n\r\n" + EMPTY, NO, NO, NO),
    # Fields. http.client goes on without those that it does not understand; a line that is none
    # ends the head for it.
    (header(b"a : b"), NO, NO, AGAIN),
    (header(b"no colon"), NO, NO, AGAIN),
    (header(b": b"), NO, NO, AGAIN),
    (header(b"a\xe4: b"), NO, NO, AGAIN),
    (header(b"a\0: b"), NO, NO, AGAIN),
    (header(b"a: b\0"), NO, NO, AGAIN),
    (header(b"a: b\rc"), NO, NO, AGAIN),
    (header(b"a: b\r\r"), NO, NO, AGAIN),
    # RFC 9110 §5.5 lets these controls pass; h11 takes some of them for blanks.
    (header(b"a: b\x0bc"), AGAIN, NO, AGAIN),
    (header(b"a: b\x7fc\x01"), AGAIN, AGAIN, AGAIN),
    (OK + b" content-length: 2\r\n\r\nok", NO, NO, LAST),
    (OK + b"content-length:\r\n 2\r\n\r\nok", AGAIN, AGAIN, AGAIN),
    (OK + b"content-length: 2\r\n 2\r\n\r\nok", NO, NO, LAST),
    # Lengths. What is none to http.client makes the body last until the connection closes.
    (long(b"2, 2"), AGAIN, AGAIN, LAST),
    (long(b"2\r\ncontent-length: 2"), AGAIN, AGAIN, AGAIN),
    (long(b"2\r\ncontent-length: 3"), NO, NO, AGAIN),
    (long(b"2, 3"), NO, NO, LAST),
    (long(b"2,"), NO, NO, LAST),
    (long(b""), NO, NO, LAST),
    (long(b"+2"), NO, NO, AGAIN),
    (long(b"-2"), NO, NO, LAST),
    (long(b"0x2"), NO, NO, LAST),
    (long(b"1_0"), NO, NO, NO),
    (long(b"2 2"), NO, NO, LAST),
    (long(b"2;2"), NO, NO, LAST),
    (long(b"\xb2"), NO, NO, LAST),
    (long(b"02"), AGAIN, AGAIN, AGAIN),
    (long(b"2\r\ncontent-length: 02"), AGAIN, NO, AGAIN),
    (long(b"9" * 21), NO, NO, NO),
    # Transfer codings, none of which we ask for. Empty members of a list count for nothing
    # (RFC 9110 §5.6.1.2); an empty list is not no list.
    (coded(b"CHUNKED"), AGAIN, AGAIN, AGAIN),
    (coded(b", chunked"), AGAIN, NO, LAST),
    (coded(b"gzip"), NO, NO, LAST),
    (coded(b"gzip, chunked"), NO, NO, LAST),
    (coded(b"chunked, gzip"), NO, NO, LAST),
    (coded(b"chunked, chunked"), NO, NO, LAST),
    (coded(b"chunked\r\ntransfer-encoding: chunked"), NO, NO, AGAIN),
    (coded(b"chunked;q=1"), NO, NO, LAST),
    (coded(b"\x0bchunked"), NO, NO, LAST),
    (coded(b"identity"), NO, NO, LAST),
    (coded(b""), NO, NO, LAST),
    # Both framings, and chunks of a server that cannot know them (RFC 9112 §6.1).
    (coded(b"chunked\r\ncontent-length: 99"), LAST, AGAIN, AGAIN),
    (coded(b"chunked\r\ncontent-length: x"), LAST, NO, AGAIN),
    (coded(b"identity\r\ncontent-length: 2"), NO, NO, AGAIN),
    (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        LAST,
        LAST,
        AGAIN,
    ),
    # Chunks. http.client takes what int() takes, and any two octets for the end of a chunk.
    (chunked(b"0x2\r\nok\r\n" + LAST_CHUNK), NO, NO, AGAIN),
    (chunked(b"+2\r\nok\r\n" + LAST_CHUNK), NO, NO, AGAIN),
    (chunked(b"-2\r\nok\r\n" + LAST_CHUNK), NO, NO, NO),
    (chunked(b" 2\r\nok\r\n" + LAST_CHUNK), NO, NO, AGAIN),
    (chunked(b"0_2\r\nok\r\n" + LAST_CHUNK), NO, NO, AGAIN),
    (chunked(b"2 \r\nok\r\n" + LAST_CHUNK), AGAIN, AGAIN, AGAIN),
    (chunked(b"2\nok\r\n" + LAST_CHUNK), NO, NO, AGAIN),
    (chunked(b"2\r\nok\n" + LAST_CHUNK), NO, NO, NO),
    (chunked(b"2\r\nokxx" + LAST_CHUNK), NO, NO, AGAIN),
    (chunked(b"\r\n2\r\nok\r\n" + LAST_CHUNK), NO, NO, NO),
    (chunked(b"2;a\0b\r\nok\r\n" + LAST_CHUNK), NO, AGAIN, AGAIN),
    (chunked(b"2;a\rb\r\nok\r\n" + LAST_CHUNK), NO, AGAIN, AGAIN),
    (chunked(b"%x\r\nok" % (2**63 - 1)), NO, NO, NO),
    (chunked(b"%x\r\nok" % 2**63), NO, NO, NO),
    (chunked(b"0" * 15 + b"2\r\nok\r\n" + LAST_CHUNK), AGAIN, AGAIN, AGAIN),
    (chunked(b"0" * 17 + b"2\r\nok\r\n" + LAST_CHUNK), NO, AGAIN, AGAIN),
    (chunked(b"2\r\nok\r\n0\r\n"), NO, NO, AGAIN),
    (chunked(b"0\r\na : b\r\n\r\n"), NO, NO, AGAIN),
    (chunked(b"0\r\n a: b\r\n\r\n"), NO, NO, AGAIN),
    # Nobody asked for another protocol.
    (b"HTTP/1.1 101 X\r\nupgrade: h2c\r\n\r\n" + EMPTY, NO, NO, AGAIN),
    # Octets behind a response: h11 reports them, http.client leaves them to the next one.
    (EMPTY + EMPTY, LAST, LAST, AGAIN),
    (EMPTY + b"\r\n", AGAIN, LAST, AGAIN),
    (b"HTTP/1.1 204 No Content\r\n\r\nbody", LAST, LAST, AGAIN),
]


@pytest.mark.parametrize(("wire", "ours", "of_h11", "of_http_client"), ROWS)
def test_what_becomes_of_a_malformed_response(
    wire: bytes, ours: str, of_h11: str, of_http_client: str
) -> None:
    readings = (by_hyper(wire, b"GET"), by_h11(wire, b"GET"), by_http_client(wire, b"GET"))
    verdicts = list(map(verdict, readings))
    assert verdicts[0] == ours
    # The others are those of the day: newer ones may have become stricter.
    assert VERDICTS.index(verdicts[1]) <= VERDICTS.index(of_h11)
    assert VERDICTS.index(verdicts[2]) <= VERDICTS.index(of_http_client)
    whole = {reading.body for reading in readings[:2] if reading.whole}
    assert len(whole) < 2, "whoever takes it whole has the same body"


def test_we_are_at_least_as_strict_as_both_but_for_a_few_rows() -> None:
    """Nothing passes us that one of them refuses, but where RFC 9112 says that it should."""
    lenient = [wire for wire, *verdicts in ROWS if verdicts[0] != min(verdicts, key=VERDICTS.index)]
    assert lenient == [
        b"\r\n" + EMPTY,
        header(b"a: b\x0bc"),
        long(b"2, 2"),
        long(b"2\r\ncontent-length: 02"),
        coded(b", chunked"),
        coded(b"chunked\r\ncontent-length: x"),
        EMPTY + b"\r\n",
    ]


# -- requests -----------------------------------------------------------------------------------

paths = st.sampled_from([b"/", b"/a/b?c=d&e", b"/%20;x=1,2", b"//", b'/~"<>[]{}|\\^`'])
names = st.sampled_from([b"accept", b"x-a", b"cookie", b"!#$%&'*+.^_`|~9", b"te", b"user-agent"])
values = st.one_of(texts, st.just(b"trailers"))
fields = st.lists(
    st.tuples(names, values).filter(lambda pair: (pair[0] == b"te") == (pair[1] == b"trailers")),
    max_size=5,
    unique_by=lambda pair: pair[0],
)
trailing = st.lists(st.tuples(st.sampled_from([b"x-sum", b"x-sig"]), texts), max_size=2)


def as_server(wire: bytes) -> list[Any]:
    """The events that h11 sees in a request as a server."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(wire)
    events: list[Any] = []
    while (event := server.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
        events.append(event)
    assert server.trailing_data == (b"", False)
    return events


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"]),
    path=paths,
    fields=fields,
    pieces=st.lists(st.binary(max_size=100), max_size=4),
    framing=st.sampled_from(["none", "length", "chunked"]),
    trailers=trailing,
    absolute=st.booleans(),
)
def test_h11_reads_in_our_request_what_was_meant(
    method: bytes,
    path: bytes,
    fields: list[tuple[bytes, bytes]],
    pieces: list[bytes],
    framing: str,
    trailers: list[tuple[bytes, bytes]],
    absolute: bool,
) -> None:
    client = HTTP11Protocol(absolute=absolute)
    content = b"" if framing == "none" else b"".join(pieces)
    headers = list(fields)
    if framing == "length":
        headers.append((b"content-length", b"%d" % len(content)))
    exchange = client.request(
        method, b"http", b"example.org:8080", path, headers, end=framing == "none"
    )
    wire = client.data_to_send()
    if framing != "none":
        for piece in pieces:
            assert client.send_body(exchange, piece, end=False) == len(piece)
            wire += client.data_to_send()
        client.send_body(exchange, b"", end=True, trailers=trailers if framing == "chunked" else ())
        wire += client.data_to_send()
    assert exchange.sent

    request, *data, end = as_server(wire)
    assert request.method == method
    assert request.target == (b"http://example.org:8080" if absolute else b"") + path
    added = [(b"connection", b"TE")] if any(name == b"te" for name, _ in headers) else []
    if framing == "chunked":
        added.append((b"transfer-encoding", b"chunked"))
    assert list(request.headers) == [(b"host", b"example.org:8080"), *headers, *added]
    assert b"".join(bytes(event.data) for event in data) == content
    assert list(end.headers) == (trailers if framing == "chunked" else [])


def test_h11_reads_an_offer_to_go_on_in_http_2() -> None:
    client = HTTP11Protocol()
    client.offer_upgrade = b"AAMAAABkAAQAAP__"
    client.request(b"GET", b"http", b"example.org", b"/", [], end=True)
    request, _ = as_server(client.data_to_send())
    assert list(request.headers) == [
        (b"host", b"example.org"),
        (b"connection", b"Upgrade, HTTP2-Settings"),
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"AAMAAABkAAQAAP__"),
    ]


def test_h11_and_we_speak_with_each_other_over_one_connection() -> None:
    """Five requests in a row, queued at once, bodies both ways."""
    client, server = HTTP11Protocol(), h11.Connection(h11.SERVER)
    exchanges = [
        client.request(
            b"POST", b"http", b"example.org", b"/%d" % at, [(b"content-length", b"0")], end=True
        )
        for at in range(5)
    ]
    for exchange in exchanges:
        server.receive_data(client.data_to_send())
        request = server.next_event()
        assert isinstance(request, h11.Request) and isinstance(
            server.next_event(), h11.EndOfMessage
        )
        head = h11.Response(status_code=200, headers=[("transfer-encoding", "chunked")])
        end = h11.EndOfMessage(headers=[("x-sum", "1")])
        for event in (head, h11.Data(data=request.target), end):
            client.receive_data(server.send(event) or b"")
        server.start_next_cycle()
        assert body(exchange) == request.target
        assert exchange.ended and exchange.trailers == [(b"x-sum", b"1")]
    assert client.idle and client.accepting
