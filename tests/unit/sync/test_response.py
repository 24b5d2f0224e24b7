"""Reading a response: every way to read, what is decoded, what an error leaves behind."""

from __future__ import annotations

import gzip
import io
import itertools
import sys
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest

from hyper.common import coding
from hyper.common.exceptions import ContentDecodingError, HyperError
from hyper.common.exchange import Exchange
from hyper.http20.exceptions import ConnectionError, StreamResetError
from hyper.sync import response as response_module
from hyper.sync.request import Asked
from hyper.sync.response import (
    HTTP20Response,
    has_body,
    has_ended,
    has_head,
    has_slot,
    own_error,
    timed_out,
)

WHERE = "example.org:443"


class Alarm(Exception):
    """What the handler of a signal raises, to limit a time."""


class Arriving(Exchange):
    """An exchange that notes what a reader took, and wants room announced for each octet."""

    def __init__(self) -> None:
        super().__init__()
        self.id = 5
        self.taken: list[int] = []
        self.increment = 0

    def consumed(self, size: int) -> int:
        self.taken.append(size)
        return self.increment


class ScriptedPump:
    """Whoever waits makes the next step of a script happen; without one, time runs out."""

    def __init__(self) -> None:
        self.steps: deque[Callable[[], object]] = deque()
        self.deadlines: list[float | None] = []
        self.cancelled: list[Exchange] = []
        self.widened: list[tuple[int, float | None]] = []
        self.abandoned: deque[Exchange] = deque()

    def wait(
        self, exchange: Exchange, ready: Callable[[Exchange], bool], deadline: float | None
    ) -> bool:
        self.deadlines.append(deadline)
        while not ready(exchange):
            if not self.steps:
                return False
            self.steps.popleft()()
        return True

    def cancel(self, exchange: Exchange) -> None:
        self.cancelled.append(exchange)
        exchange.error = exchange.error or RuntimeError("cancelled")

    def widen(self, exchange: Exchange, size: int, timeout: float | None) -> None:
        self.widened.append((size, timeout))


class Script:
    """A response whose head is there, and what happens to it next."""

    def __init__(
        self, *headers: tuple[bytes, bytes], timeout: float | None = 7, status: int = 200
    ) -> None:
        self.exchange = Arriving()
        self.exchange.status = status
        self.exchange.headers = list(headers)
        self.pump = ScriptedPump()
        pump: Any = self.pump
        asked = Asked(b"GET", b"https", b"example.org", b"/a?secret=1", (), WHERE)
        self.response = HTTP20Response(pump, self.exchange, asked, timeout)
        self.response.status = status

    def now(self, *pieces: bytes, end: bool = False) -> Script:
        """These octets have arrived already."""
        self.exchange.chunks += pieces
        self.exchange.ended = end
        return self

    def later(self, piece: bytes | BaseException | None) -> Script:
        """When somebody waits: an octet string, the end (None), an error or an interrupt."""

        def step() -> None:
            if piece is None:
                self.exchange.ended = True
            elif isinstance(piece, bytes):
                self.exchange.chunks.append(piece)
            elif isinstance(piece, Exception) and not isinstance(piece, Alarm):
                self.exchange.error = piece
            else:
                raise piece

        self.pump.steps.append(step)
        return self


# The head.


def test_the_head() -> None:
    script = Script(
        (b"content-type", b"text/html"), (b"vary", b"a"), (b"vary", b"b"), (b"x", b"caf\xe9")
    )
    response = script.response
    assert (response.status, response.reason, response.version) == (200, "", 20)
    assert response.stream_id == 5
    assert response.headers["Content-Type"] == [b"text/html"]
    assert response.headers is response.headers
    assert response.getheader("vary") == "a, b"
    assert response.getheader("missing") is None
    assert response.getheader("missing", "x") == "x"
    assert response.getheaders()[-1] == ("x", "café")
    assert repr(response) == "<HTTP20Response 200 stream=5 GET /a>"


def test_interim_heads_and_trailers() -> None:
    script = Script()
    script.exchange.informational = [(103, [(b"link", b"</a>")])]
    assert script.response.informational == [(103, script.response.informational[0][1])]
    assert script.response.informational[0][1]["link"] == [b"</a>"]
    assert len(script.response.trailers) == 0
    assert script.response.gettrailers() == []
    script.exchange.trailers = [(b"x-sum", b"42")]
    assert script.response.trailers["x-sum"] == [b"42"]
    assert script.response.gettrailer("x-sum") == "42"
    assert script.response.gettrailer("y", "z") == "z"
    assert script.response.gettrailers() == [("x-sum", "42")]


# read()


def test_a_body_in_one_piece_is_handed_on_as_it_is() -> None:
    piece = b"x" * 1000
    script = Script().now(piece, end=True)
    assert script.response.read() is piece
    assert script.exchange.taken == [1000]
    assert script.response.read() == b""
    assert script.pump.deadlines == []


def test_a_body_in_several_pieces_is_joined() -> None:
    script = Script().now(b"a", b"b").later(b"c").later(b"d").later(None)
    assert script.response.read() == b"abcd"
    assert script.exchange.taken == [1, 1, 1, 1]
    assert script.response.read() == b""


def test_no_body() -> None:
    assert Script().now(end=True).response.read() == b""
    assert Script().later(None).response.read() == b""
    assert Script().now(b"", end=True).response.read() == b""


def test_one_piece_and_then_the_end() -> None:
    piece = b"x" * 100
    assert Script().now(piece).later(None).response.read() is piece


@pytest.mark.parametrize("amt", [1, 2, 3, 4, 5, 7, 100])
def test_reading_so_many_octets_at_a_time(amt: int) -> None:
    script = Script().now(b"abc", b"defg").later(b"h").later(b"ij").later(None)
    read = list(iter(lambda: script.response.read(amt), b""))
    assert b"".join(read) == b"abcdefghij"
    assert all(len(piece) == amt for piece in read[:-1])


def test_reading_some_and_then_the_rest() -> None:
    script = Script().now(b"abcdef", b"gh", end=True)
    assert script.response.read(2) == b"ab"
    assert script.response.read(0) == b""
    assert script.response.read(-1) == b"cdefgh"


def test_readinto() -> None:
    script = Script().now(b"abcdef", end=True)
    buffer = bytearray(4)
    assert script.response.readinto(buffer) == 4
    assert buffer == b"abcd"
    assert script.response.readinto(buffer) == 2
    assert script.response.readinto(buffer) == 0


def test_it_can_be_wrapped_as_a_file() -> None:
    raw: Any = Script().now(b"one\ntwo\n", end=True).response
    assert raw.readable()
    raw.seekable = raw.writable = lambda: False
    reader = io.BufferedReader(raw)
    assert reader.readline() == b"one\n"
    assert reader.read() == b"two\n"


def test_the_pieces_as_they_come_and_the_iteration_without_the_empty_ones() -> None:
    def pieces() -> Script:
        return Script().now(b"ab", b"").later(b"c").later(b"").later(None)

    assert list(pieces().response.read_chunked()) == [b"ab", b"", b"c", b""]
    assert list(pieces().response.iter_chunked()) == [b"ab", b"", b"c", b""]
    assert list(pieces().response) == [b"ab", b"c"]
    script = pieces()
    assert script.response.read(1) == b"a"
    assert list(script.response) == [b"b", b"c"]


def test_the_room_that_a_reader_makes_is_announced() -> None:
    script = Script().now(b"abc", end=False).later(None)
    script.exchange.increment = 99
    assert script.response.read() == b"abc"
    assert script.pump.widened == [(99, 7)]


def test_a_manager_that_asks_for_nonsense_is_told_so_at_once() -> None:
    script = Script().now(b"a", b"b")
    script.exchange.increment = -1

    def widen(*what: object) -> None:
        raise ValueError("mend increase_window_size()")

    script.pump.widen = widen  # type: ignore[method-assign, assignment]
    with pytest.raises(ValueError, match="mend"):
        script.response.read(2)


# Deadlines.


def test_every_piece_of_the_body_has_a_deadline_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(100, 200))
    monkeypatch.setattr("hyper.sync.response.monotonic", lambda: next(clock))
    script = Script().later(b"a").later(b"b").later(None)
    assert script.response.read() == b"ab"
    assert script.pump.deadlines == [107, 108, 109]


def test_empty_pieces_are_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100, 200))
    monkeypatch.setattr("hyper.sync.response.monotonic", lambda: next(clock))
    script = Script().later(b"").later(b"").later(b"a").later(None)
    assert script.response.read() == b"a"
    assert script.pump.deadlines == [107, 107, 107, 108]


def test_no_timeout_no_deadline() -> None:
    script = Script(timeout=None).later(b"a").later(None)
    assert script.response.read() == b"a"
    assert script.pump.deadlines == [None, None]


def test_silence_is_a_timeout_and_the_stream_is_reset() -> None:
    script = Script().now(b"half")
    for _ in range(2):
        with pytest.raises(TimeoutError) as caught:
            script.response.read()
        message = str(caught.value)
        assert message.count(WHERE) == 1
        assert "response body within 7 s (GET /a, stream 5)" in message
        assert "secret" not in message
        assert caught.value.partial == b"half"  # type: ignore[attr-defined]
    assert script.pump.cancelled == [script.exchange]


# Errors.


def reset() -> StreamResetError:
    return StreamResetError("the peer reset stream 5", error_code=8, stream_id=5)


def test_a_body_cut_short_raises_every_time_and_shows_what_had_arrived() -> None:
    error = reset()
    script = Script().now(b"ha", b"lf").later(error)
    caught = []
    for _ in range(3):
        with pytest.raises(StreamResetError, match=WHERE) as info:
            script.response.read()
        assert info.value.partial == b"half"
        assert info.value.__cause__ is error
        assert info.value.error_code == 8
        caught.append(info.value)
    assert len({id(each) for each in [error, *caught]}) == 4


def test_what_arrived_before_the_error_can_be_read_in_small_pieces_first() -> None:
    script = Script().now(b"half").later(reset())
    assert script.response.read(3) == b"hal"
    assert script.response.read(3) == b"f"
    for _ in range(2):
        with pytest.raises(StreamResetError) as caught:
            script.response.read(3)
        assert caught.value.partial == b""


def test_iteration_raises_as_well() -> None:
    script = Script().now(b"half").later(reset())
    pieces: Iterator[bytes] = iter(script.response)
    assert next(pieces) == b"half"
    with pytest.raises(StreamResetError):
        next(pieces)


def test_an_error_of_the_system_says_where_and_keeps_its_number() -> None:
    script = Script().now(b"x").later(ConnectionResetError(104, "Connection reset by peer"))
    with pytest.raises(ConnectionResetError) as caught:
        script.response.read()
    assert caught.value.errno == 104
    assert str(caught.value) == f"[Errno 104] {WHERE}: Connection reset by peer"
    assert caught.value.partial == b"x"  # type: ignore[attr-defined]


def test_an_error_that_says_where_already_is_not_told_twice() -> None:
    for error in (ConnectionError(f"{WHERE} is gone"), OSError(1, f"{WHERE} is gone")):
        assert str(own_error(error, WHERE)).count(WHERE) == 1
    bare = own_error(OSError("no number"), WHERE, b"p")
    assert (str(bare), bare.partial) == (f"{WHERE}: no number", b"p")  # type: ignore[attr-defined]


interrupts = pytest.mark.parametrize("interrupt", [KeyboardInterrupt, Alarm])


@interrupts
def test_an_interrupt_loses_nothing(interrupt: type[BaseException]) -> None:
    script = Script().now(b"a", b"b").later(interrupt())
    script.later(b"c").later(interrupt()).later(None)
    with pytest.raises(interrupt):
        script.response.read()
    with pytest.raises(interrupt):
        script.response.read(10)
    assert script.response.read() == b"abc"


@interrupts
def test_an_interrupt_after_one_piece_loses_nothing_either(interrupt: type[BaseException]) -> None:
    script = Script().now(b"a").later(interrupt()).later(None)
    with pytest.raises(interrupt):
        script.response.read()
    assert script.response.read() == b"a"


@interrupts
def test_nor_does_one_while_a_coded_body_is_waited_for(interrupt: type[BaseException]) -> None:
    coded = gzip.compress(TEXT)
    script = Script((b"content-encoding", b"gzip")).now(coded[:99]).later(interrupt())
    script.later(coded[99:]).later(interrupt()).later(None)
    for _ in range(2):
        with pytest.raises(interrupt):
            script.response.read()
    assert script.response.read() == TEXT


@pytest.mark.parametrize("how", ["read", "read some", "read chunked"])
@pytest.mark.parametrize(
    ("interrupt", "coded"), [(KeyboardInterrupt, True), (KeyboardInterrupt, False), (Alarm, False)]
)
def test_octets_that_an_interrupt_found_in_hand_are_not_left_out(
    interrupt: type[BaseException], how: str, coded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body with a hole in it would be taken for whole."""
    due = [True]

    class Interrupted(deque[bytes]):
        def popleft(self) -> bytes:
            piece = super().popleft()
            if not coded and len(self) == 1 and due and due.pop():
                raise interrupt
            return piece

    class Decoder:
        needs_input = True

        def decode(self, data: bytes, limit: int) -> bytes:
            if data == b"b" and due and due.pop():
                raise interrupt
            return data

        def finish(self) -> None:
            pass

    monkeypatch.setattr(response_module, "decoder", lambda codings: Decoder())
    script = Script((b"content-encoding", b"x")) if coded else Script()
    script.now(b"a", b"b", b"c", end=True)
    script.exchange.chunks = Interrupted(script.exchange.chunks)

    def go_on() -> bytes:
        if how == "read":
            return script.response.read()
        if how == "read some":
            return script.response.read(3)
        return b"".join(script.response.read_chunked())

    with pytest.raises(interrupt):
        go_on()
    for _ in range(2):
        with pytest.raises(HyperError, match="cannot be gone on with"):
            go_on()


@pytest.mark.parametrize("how", ["read", "read some", "read chunked", "all three"])
@pytest.mark.parametrize("coded", [False, True])
def test_an_interrupt_at_any_line_leaves_no_hole(how: str, coded: bool) -> None:
    """Whatever comes after it, by any way of reading, goes on where it was, or is an error."""
    watched = {response_module.__file__, coding.__file__}
    whole = TEXT[:150_000]
    sent = gzip.compress(whole, 0) if coded else whole
    ends = [0, 4_000, 4_001, 90_000, len(sent)]
    pieces = [sent[start:end] for start, end in itertools.pairwise(ends)]
    ways = {"read": [0], "read some": [1], "read chunked": [2], "all three": [1, 2, 0]}[how]
    left = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in watched or frame.f_code.co_name == "__del__":
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    def read(response: HTTP20Response, way: int) -> bytes:
        if way == 0:
            return response.read()
        if way == 1:
            return response.read(50_000)
        chunks = response.read_chunked()
        kept.append(chunks)  # or it would be closed in here
        return next(filter(None, chunks), b"")

    kept: list[Iterator[bytes]] = []
    outcomes = Counter[str]()
    former = sys.gettrace()  # coverage's, for one
    for line in itertools.count(1):
        script = Script((b"content-encoding", b"gzip")) if coded else Script()
        script.now(*pieces[:2]).later(pieces[2]).later(pieces[3]).later(None)
        got, turn, left = b"", 0, line
        try:
            while len(got) < len(whole):
                sys.settrace(trace)
                try:
                    octets = read(script.response, ways[turn % len(ways)])
                except KeyboardInterrupt:
                    continue
                finally:
                    sys.settrace(former)
                    kept.clear()
                    turn += 1
                assert octets, f"short after an interrupt at line {line}"
                got += octets
        except HyperError as error:
            assert "cannot be gone on with" in str(error)
            kept_back = script.response._partial
            assert whole.startswith(got + kept_back), (line, len(got), len(kept_back), how, coded)
            outcomes["error"] += 1
        else:
            assert got == whole, f"a hole after an interrupt at line {line}"
            outcomes["whole"] += 1
        if left > 0:
            break  # the interrupt would come after the end
    assert outcomes["whole"] > 10 and outcomes["error"] > 10


def test_nor_is_a_body_that_came_in_one_piece() -> None:
    class Interrupted(deque[bytes]):
        def popleft(self) -> bytes:
            super().popleft()
            raise KeyboardInterrupt

    script = Script().now(b"a", end=True)
    script.exchange.chunks = Interrupted(script.exchange.chunks)
    script.response._asked.uncoded = script.exchange.headers
    with pytest.raises(KeyboardInterrupt):
        script.response.read()
    with pytest.raises(HyperError, match="cannot be gone on with"):
        script.response.read()


@pytest.mark.parametrize("how", ["read", "read some", "read chunked"])
def test_nor_does_an_interrupt_while_room_is_announced(how: str) -> None:
    """That may wait for the socket, with octets in hand."""
    script = Script().now(b"a", b"b", b"c", end=True)
    script.exchange.increment = 5
    widen = script.pump.widen
    due = [True]

    def interrupted(exchange: Exchange, size: int, timeout: float | None) -> None:
        widen(exchange, size, timeout)
        if due and due.pop():
            raise KeyboardInterrupt

    script.pump.widen = interrupted  # type: ignore[method-assign]
    got = b""
    for _ in range(6):
        with suppress(KeyboardInterrupt):
            if how == "read":
                got += script.response.read()
            elif how == "read some":
                got += script.response.read(1)
            else:
                for piece in script.response.read_chunked():
                    got += piece
    assert not due
    assert got == b"abc"


# Codings.

TEXT = b"the same again and again, " * 8000


@pytest.mark.parametrize(
    ("name", "encode"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
def test_a_coding_is_taken_off(name: bytes, encode: Callable[[bytes], bytes]) -> None:
    coded = encode(TEXT)
    half = len(coded) // 2

    def script() -> Script:
        header = (b"content-encoding", name)
        return Script(header).now(coded[:half]).later(coded[half:]).later(None)

    assert script().response.read() == TEXT
    assert b"".join(script().response) == TEXT
    response = script().response
    assert response.read(10) == TEXT[:10]
    assert response.read() == TEXT[10:]
    small = script().response
    assert b"".join(iter(lambda: small.read(30_000), b"")) == TEXT
    assert script().response.read(decode_content=False) == coded
    assert b"".join(script().response.read_chunked(decode_content=False)) == coded


def test_no_more_is_decoded_than_was_asked_for() -> None:
    """A kilobyte may stand for a gigabyte."""
    script = Script((b"content-encoding", b"gzip")).now(gzip.compress(bytes(10_000_000)), end=True)
    response = script.response
    assert response.read(10) == bytes(10)
    assert len(response._rest) <= 4096
    assert sum(map(len, response.read_chunked())) == 10_000_000 - 10


def test_octets_with_and_without_their_coding_cannot_be_mixed() -> None:
    response = Script((b"content-encoding", b"gzip")).now(gzip.compress(b"x"), end=True).response
    response.read(1)
    with pytest.raises(ValueError, match="decode_content=True"):
        response.read(decode_content=False)
    plain = Script().now(b"ab", end=True).response
    assert plain.read(1) == b"a"
    assert plain.read(decode_content=False) == b"b"


def test_an_unknown_coding_is_left_on() -> None:
    script = Script((b"content-encoding", b"rot13")).now(b"uryyb", end=True)
    assert script.response.read() == b"uryyb"


def test_a_coding_that_stops_short_is_an_error_every_time() -> None:
    coded = gzip.compress(TEXT)[:-20]
    script = Script((b"content-encoding", b"gzip")).now(coded, end=True)
    for _ in range(2):
        with pytest.raises(ContentDecodingError) as caught:
            script.response.read()
        assert TEXT.startswith(caught.value.partial)
        assert len(caught.value.partial) > 0


def test_an_error_while_decoding_leaves_what_was_decoded() -> None:
    coded = gzip.compress(TEXT)
    script = Script((b"content-encoding", b"gzip")).now(coded[:-20]).later(reset())
    with pytest.raises(StreamResetError) as caught:
        script.response.read()
    assert TEXT.startswith(caught.value.partial)
    assert len(caught.value.partial) > 0


# The end.


def test_closing_early_resets_the_stream() -> None:
    script = Script().now(b"abc")
    with script.response as response:
        assert response.read(1) == b"a"
        assert not response.closed
    assert response.closed
    assert script.pump.cancelled == [script.exchange]
    assert not script.exchange.chunks
    response.close()
    assert len(script.pump.cancelled) == 1
    with pytest.raises(ValueError, match="closed before its body had been read"):
        response.read()


def test_closing_after_the_end_does_nothing() -> None:
    script = Script().now(b"abc", end=True)
    with script.response as response:
        assert response.read() == b"abc"
    assert script.pump.cancelled == []
    assert response.read() == b""


def test_a_response_dropped_unread_is_left_for_the_next_thread() -> None:
    script = Script().now(b"abc")
    del script.response
    assert list(script.pump.abandoned) == [script.exchange]


@pytest.mark.parametrize("how", ["ended", "failed"])
def test_a_response_dropped_after_its_end_is_just_dropped(how: str) -> None:
    script = Script().now(b"abc", end=how == "ended")
    if how == "failed":
        script.exchange.error = reset()
    del script.response
    assert not script.pump.abandoned


def test_what_threads_wait_for() -> None:
    exchange = Exchange()
    exchange.opened = False
    for ready in (has_slot, has_head, has_body, has_ended):
        assert not ready(exchange)
    exchange.opened = True
    assert has_slot(exchange)
    exchange.headers = []
    assert has_head(exchange)
    exchange.chunks.append(b"x")
    assert has_body(exchange)
    assert not has_ended(exchange)
    exchange.ended = True
    assert has_ended(exchange)
    failed = Exchange()
    failed.opened = False
    failed.error = OSError()
    for ready in (has_slot, has_head, has_body, has_ended):
        assert ready(failed)


def test_a_timeout_names_what_it_waited_for() -> None:
    asked = Asked(b"PUT", b"https", b"example.org", b"/x", (), WHERE)
    exchange = Exchange()
    exchange.id = 9
    assert str(timed_out("response head", asked, exchange, 0.5)) == (
        f"{WHERE}: no response head within 0.5 s (PUT /x, stream 9); the stream was reset with "
        "CANCEL"
    )
