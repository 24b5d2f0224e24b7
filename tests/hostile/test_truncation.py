"""A body cut short is an error, whatever cut it, whoever reads it (RFC 9113 §8.1, RFC 9112 §8)."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import brotli  # type: ignore[import-untyped]
import pytest

from hyper import HTTP20Connection
from hyper.common.exceptions import ContentDecodingError
from hyper.http20.exceptions import ConnectionError, ErrorCode, ProtocolError, StreamResetError

from ..certificates import Certificates
from ..peer import OK, frame
from .doors import DOORS, HTTP2_DOORS, DropIn, Httpx, Kind, Requests, Urllib3
from .peer import PATIENCE, Scene, Script, Stage, Talk

#: More than two DATA frames, and no round number.
HALF = bytes(range(256)) * 150 + b"the end is missing"
WHOLE = [("content-length", str(2 * len(HALF)))]


class Cut(NamedTuple):
    """A way for a body to stop: what the server does, and the error that says so.

    usable  the connection goes on
    """

    cut: Callable[[Talk, int], object]
    error: type[BaseException]
    says: str
    code: int | None = None
    usable: bool = False


def reset_by(code: int) -> Cut:
    says = f"reset stream 1: {ErrorCode.describe(code)} "
    return Cut(lambda talk, at: talk.rst_stream(at, code), StreamResetError, says, code, True)


def notified(talk: Talk, at: int) -> None:
    talk.close_notify()
    talk.fin()


def goodbye(talk: Talk, at: int) -> None:
    talk.goaway(at, ErrorCode.NO_ERROR)
    notified(talk, at)


def angry_goodbye(talk: Talk, at: int) -> None:
    talk.goaway(at, ErrorCode.INTERNAL_ERROR, b"disk full")
    talk.fin()


def half_a_frame(talk: Talk, at: int) -> None:
    talk.raw(frame("DATA", 0, at, bytes(100))[:50])
    notified(talk, at)


GONE = "closed the connection .*before the response on stream 1 was complete"

#: Every code of RFC 9113 §7, NO_ERROR among them, and one that nobody has defined.
RESETS = {f"RST_STREAM {code:#x}": reset_by(code) for code in (*ErrorCode, 0xDEAD)}

CUTS = RESETS | {
    "FIN": Cut(lambda talk, at: talk.fin(), ConnectionError, GONE),
    "close_notify": Cut(notified, ConnectionError, GONE),
    "TCP RST": Cut(lambda talk, at: talk.reset(), ConnectionResetError, "localhost"),
    "GOAWAY": Cut(goodbye, ConnectionError, f"closed .* after GOAWAY NO_ERROR {GONE[22:]}"),
    "GOAWAY with a reason": Cut(
        angry_goodbye, ConnectionError, "after GOAWAY INTERNAL_ERROR b'disk full'",
        ErrorCode.INTERNAL_ERROR,
    ),
    "connection error": Cut(
        lambda talk, at: talk.frame("PING", 0, at, bytes(8)), ProtocolError, "§6.7",
        ErrorCode.PROTOCOL_ERROR,
    ),
    "half a frame": Cut(half_a_frame, ConnectionError, GONE),
}  # fmt: skip


def halfway(cut: Cut, fields: Any = (), go: threading.Event | None = None) -> Script:
    """Answer with half a body, and cut it: when ``go`` is set, or at once."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [*OK, *fields])
        for start in range(0, len(HALF), 16_384):
            talk.data(asked.stream_id, HALF[start : start + 16_384])
        if go is not None:
            assert go.wait(PATIENCE)
        cut.cut(talk, asked.stream_id)
        if cut.usable:
            talk.serve()

    return script


def goes_on(play: Scene, cut: Cut) -> None:
    """Afterwards the connection is used again exactly where it may be."""
    if cut.usable:
        play.usable()
    else:
        play.renewed()


@pytest.mark.parametrize("fields", [WHOLE, ()], ids=["length", "no length"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_whole_read_of_half_a_body_fails_each_time_and_has_the_half(
    scene: Stage, cut: Cut, fields: Any
) -> None:
    with scene(halfway(cut, fields)) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        assert response.status == 200
        for _ in range(3):
            error = play.fails(cut.error, cut.says, cut.code, ask=response.read)
            assert error.partial == HALF
            assert not getattr(error, "retryable", False), "it has been processed"
        play.fails(cut.error, cut.says, cut.code, ask=lambda: response.read(1))
        goes_on(play, cut)


def by_read(response: Any) -> Iterator[bytes]:
    while piece := response.read(1000):
        yield piece


def by_readinto(response: Any) -> Iterator[bytes]:
    buffer = bytearray(1000)
    while size := response.readinto(buffer):
        yield bytes(buffer[:size])


def by_chunks(response: Any) -> Iterator[bytes]:
    yield from response.read_chunked()


def by_iterating(response: Any) -> Iterator[bytes]:
    yield from response


@pytest.mark.parametrize("read", [by_read, by_readinto, by_chunks, by_iterating])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_reading_in_pieces_gives_the_half_and_then_fails_each_time(
    scene: Stage, cut: Cut, read: Callable[[Any], Iterator[bytes]]
) -> None:
    go = threading.Event()
    with scene(halfway(cut, WHOLE, go)) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        had = b""
        pieces = read(response)
        while len(had) < len(HALF) // 1000 * 1000:
            had += next(pieces)
        go.set()

        def rest() -> bytes:
            nonlocal had
            for piece in pieces:
                had += piece
            return had

        play.fails(cut.error, cut.says, cut.code, ask=rest)
        assert had == HALF
        for _ in range(2):
            play.fails(cut.error, cut.says, cut.code, ask=lambda: list(read(response)))
        goes_on(play, cut)


# --- content-length ----------------------------------------------------------------------------


def short_by_data(talk: Talk, at: int) -> None:
    talk.data(at, b"", end=True)


def short_by_trailers(talk: Talk, at: int) -> None:
    talk.headers(at, [("x-checksum", "1")], end=True)


def long_by_one(talk: Talk, at: int) -> None:
    talk.data(at, HALF[:16_000])
    talk.data(at, HALF[16_000:32_000])
    talk.data(at, HALF[32_000:] + b"+", end=True)


@pytest.mark.parametrize("end", [short_by_data, short_by_trailers, long_by_one])
def test_a_body_of_another_length_than_it_said_is_a_stream_error(
    scene: Stage, end: Callable[[Talk, int], object]
) -> None:
    """RFC 9113 §8.1.1: malformed, however it ends."""
    cut = Cut(end, ProtocolError, "§8.1.1", ErrorCode.PROTOCOL_ERROR, True)
    with scene(halfway(cut, WHOLE)) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        for _ in range(2):
            error = play.fails(ProtocolError, "§8.1.1", ErrorCode.PROTOCOL_ERROR, response.read)
            assert (2 * HALF).startswith(error.partial)
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.PROTOCOL_ERROR)
        play.never_heard("GOAWAY")
        play.usable()


def test_a_length_with_no_body_at_all_is_a_stream_error(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [*OK, *WHOLE], end=True)
        talk.serve()

    with scene(script) as play:
        play.fails(ProtocolError, "after 0 octets .*§8.1.1", ErrorCode.PROTOCOL_ERROR)
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.PROTOCOL_ERROR)
        play.usable()


@pytest.mark.parametrize("status", ["304", "HEAD"])
def test_a_length_where_there_is_no_body_is_right(scene: Stage, status: str) -> None:
    """RFC 9110 §8.6: it is the length that the body would have."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        fields = [(":status", "200" if status == "HEAD" else status), *WHOLE]
        talk.headers(asked.stream_id, fields, end=True)
        talk.serve()

    with scene(script) as play:
        assert play.ask(method="HEAD" if status == "HEAD" else "GET")[1] == b""
        play.usable()


# --- codings -----------------------------------------------------------------------------------

PLAIN = b"so much of it, and never the end of it. " * 500


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstandard(data: bytes) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from backports import zstd
    packed: bytes = zstd.compress(data)
    return packed


CODINGS = {
    "gzip": gzip.compress(PLAIN),
    "deflate": zlib.compress(PLAIN),
    "raw deflate": deflated(PLAIN),
    "br": brotli.compress(PLAIN),
    "zstd": zstandard(PLAIN),
    "gzip, br": brotli.compress(gzip.compress(PLAIN)),
    "br, gzip": gzip.compress(brotli.compress(PLAIN)),
}


def coded(coding: str, packed: bytes, *, http1: bool) -> Script:
    """A response that is whole as far as HTTP can tell."""
    coding = coding.removeprefix("raw ")

    def script(talk: Talk) -> None:
        if http1:
            talk.hear_http1()
            head = f"HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: "
            talk.say_http1(head.encode(), b"%d\r\n\r\n" % len(packed), packed)
        else:
            asked = talk.hear_request()
            talk.answer(asked.stream_id, packed, [*OK, ("content-encoding", coding)])
        talk.serve()

    return script


@pytest.mark.parametrize("http1", [False, True], ids=["HTTP/2", "HTTP/1.1"])
@pytest.mark.parametrize("left_out", [1, 5, 20])
@pytest.mark.parametrize("coding", CODINGS)
def test_a_coding_that_stops_short_within_a_whole_stream_is_an_error(
    scene: Stage, coding: str, left_out: int, http1: bool
) -> None:
    """Nobody else raises; what comes out is wrong all the same."""
    packed = CODINGS[coding]
    with scene(coded(coding, packed, http1=http1), http1=http1) as play:
        assert play.ask() == (200, PLAIN)
    with scene(coded(coding, packed[:-left_out], http1=http1), http1=http1) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        for _ in range(2):
            error = play.fails(ContentDecodingError, "stops short|is not the", ask=response.read)
            assert PLAIN.startswith(error.partial)
        play.usable()


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coding_that_stops_short_fails_readers_of_pieces_too(scene: Stage, coding: str) -> None:
    with scene(coded(coding, CODINGS[coding][:-1], http1=False)) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        had = b""

        def rest() -> None:
            nonlocal had
            for piece in by_read(response):
                had += piece

        for _ in range(2):
            play.fails(ContentDecodingError, "stops short|is not the", ask=rest)
        assert PLAIN.startswith(had)
        play.usable()


# --- what was whole stays whole ----------------------------------------------------------------

AFTER = {
    "RST_STREAM NO_ERROR": lambda talk, at: talk.rst_stream(at, ErrorCode.NO_ERROR),
    "RST_STREAM CANCEL": lambda talk, at: talk.rst_stream(at, ErrorCode.CANCEL),
    "GOAWAY": lambda talk, at: talk.goaway(at),
    "GOAWAY with a reason": lambda talk, at: talk.goaway(at, ErrorCode.INTERNAL_ERROR),
    "GOAWAY of everything": lambda talk, at: talk.goaway(0),
    "connection error": lambda talk, at: talk.frame("PING", 0, at, bytes(8)),
    "FIN": lambda talk, at: talk.fin(),
    "close_notify": notified,
    "TCP RST": lambda talk, at: talk.reset(),
}


@pytest.mark.parametrize("body", [HALF, b""], ids=["body", "no body"])
@pytest.mark.parametrize("after", AFTER.values(), ids=AFTER)
def test_what_was_whole_stays_whole_whatever_follows(
    scene: Stage, after: Callable[[Talk, int], object], body: bytes
) -> None:
    followed = threading.Event()

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, OK, end=not body)
        for start in range(0, len(body), 16_384):
            talk.data(asked.stream_id, body[start : start + 16_384], end=start + 16_384 > len(body))
        after(talk, asked.stream_id)
        followed.set()

    with scene(script) as play:
        play.client.request("GET", "/")
        assert followed.wait(PATIENCE)
        response = play.client.get_response()
        assert (response.status, response.read(), response.read()) == (200, body, b"")


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_what_was_whole_stays_whole_over_http_1(scene: Stage, how: str) -> None:
    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(HALF), HALF)
        getattr(talk, how)()

    with scene(script, http1=True) as play:
        assert play.ask() == (200, HALF)
        play.renewed()


# --- through every door ------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [WHOLE, ()], ids=["length", "no length"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("door", HTTP2_DOORS)
def test_no_door_takes_half_a_body_for_a_whole_one(
    scene: Stage, certificates: Certificates, door: Kind, cut: Cut, fields: Any
) -> None:
    with (
        scene(halfway(cut, fields)) as play,
        door(play.port, certificates.authority) as caller,
    ):
        with pytest.raises(caller.errors):
            pytest.fail(f"half a body was taken for {caller.ask()!r:.100}")
        # A GET may be repeated; but not once its response has begun.
        assert play.connections == 1
        assert caller.ask("/next").status == 200
        assert play.connections == (1 if cut.usable else 2) or door is DropIn


def pieces_of_requests(caller: Any) -> Iterator[bytes]:
    with caller.caller.get(caller.url, stream=True, timeout=PATIENCE) as response:
        yield from response.iter_content(1000)


def pieces_of_requests_raw(caller: Any) -> Iterator[bytes]:
    with caller.caller.get(caller.url, stream=True, timeout=PATIENCE) as response:
        yield from by_read(response.raw)


def pieces_of_urllib3(caller: Any) -> Iterator[bytes]:
    response = caller.caller.request("GET", caller.url, preload_content=False)
    try:
        yield from by_read(response)
    finally:
        response.close()


def chunks_of_urllib3(caller: Any) -> Iterator[bytes]:
    response = caller.caller.request("GET", caller.url, preload_content=False)
    try:
        yield from response.stream(1000)
    finally:
        response.close()


def pieces_of_httpx(caller: Any) -> Iterator[bytes]:
    with caller.caller.stream("GET", caller.url) as response:
        yield from response.iter_bytes(1000)


def pieces_of_client(read: str) -> Callable[[Any], Iterator[bytes]]:
    def pieces(caller: Any) -> Iterator[bytes]:
        caller.caller.request("GET", "/")
        with caller.caller.getresponse() as response:
            if read == "readinto":
                yield from by_readinto(response)
                return
            while piece := getattr(response, read)(1000):
                yield piece

    return pieces


STREAMS: dict[str, tuple[Kind, Callable[[Any], Iterator[bytes]]]] = {
    "requests": (Requests, pieces_of_requests),
    "requests raw": (Requests, pieces_of_requests_raw),
    "urllib3": (Urllib3, pieces_of_urllib3),
    "urllib3 stream": (Urllib3, chunks_of_urllib3),
    "httpx": (Httpx, pieces_of_httpx),
    "client read": (DropIn, pieces_of_client("read")),
    "client read1": (DropIn, pieces_of_client("read1")),
    "client readinto": (DropIn, pieces_of_client("readinto")),
    "client readline": (DropIn, pieces_of_client("readline")),
}


@pytest.mark.parametrize("fields", [WHOLE, ()], ids=["length", "no length"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("stream", STREAMS)
def test_no_door_ends_a_stream_of_pieces_as_if_it_were_whole(
    scene: Stage, certificates: Certificates, stream: str, cut: Cut, fields: Any
) -> None:
    door, pieces = STREAMS[stream]
    with (
        scene(halfway(cut, fields)) as play,
        door(play.port, certificates.authority) as caller,
    ):
        had = b""
        with pytest.raises(caller.errors):
            for piece in pieces(caller):
                had += piece
            pytest.fail(f"{len(had)} octets were taken for a whole body")
        assert HALF.startswith(had)


CUTS_HTTP1 = {
    "length": b"content-length: %d\r\n\r\n" % (2 * len(HALF)) + HALF,
    "chunks": b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(HALF) + HALF + b"\r\n",
    "in a chunk": b"transfer-encoding: chunked\r\n\r\n%x\r\n" % (2 * len(HALF)) + HALF,
    "in the last chunk": b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(HALF) + HALF + b"\r\n0",
}


#: Where HTTP/1.1 is spoken by http.client or httpcore, as it ever was. http.client takes a "0" at
#: the end of file for the last chunk.
NOT_OURS = (DropIn, Requests, Urllib3)


@pytest.mark.parametrize("end", ["fin", "close_notify", "reset"])
@pytest.mark.parametrize(
    ("door", "cut"),
    [
        (door, cut)
        for door in DOORS[1:]
        for cut in CUTS_HTTP1
        if cut != "in the last chunk" or door not in NOT_OURS
    ],
)
def test_no_door_takes_half_a_body_for_a_whole_one_over_http_1(
    scene: Stage, certificates: Certificates, door: Kind, cut: str, end: str
) -> None:
    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(b"HTTP/1.1 200 OK\r\n", CUTS_HTTP1[cut])
        if end == "close_notify":
            notified(talk, 1)
        else:
            getattr(talk, end)()

    with (
        scene(script, then=script, http1=True) as play,
        door(play.port, certificates.authority) as caller,
    ):
        for _ in range(2):
            with pytest.raises(caller.errors):
                pytest.fail(f"half a body was taken for {caller.ask()!r:.100}")
        # httpx is handed over what turned out not to be HTTP/2, on a connection of its own.
        assert sum(len(talk.requests) for talk in play.talks) == 2


def test_a_cut_reaches_every_reader_of_the_connection(scene: Stage) -> None:
    """Eight half-read responses, one end of the connection: eight errors, at once."""

    def script(talk: Talk) -> None:
        ids = []
        for _ in range(8):
            ids.append(talk.hear_request().stream_id)
            talk.headers(ids[-1], [*OK, *WHOLE])
            talk.data(ids[-1], b"half of %d" % ids[-1])
        talk.fin()

    with scene(script, kind=HTTP20Connection) as play:
        for each in play.crowd(8):
            assert isinstance(each, ConnectionError), each
            assert each.partial == b"half of %d" % (each.stream_id or 0)
        play.renewed()
