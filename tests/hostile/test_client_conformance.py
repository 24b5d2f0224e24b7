"""The 57 cases of the client conformance tester h2spec, played and judged by ourselves.

Which cases there are is public; their scripts and verdicts here are our own, and stricter: where a
tester takes a closed connection for an answer, the frame and its code are asked for, and what the
program gets. RFC 9113 has made some of RFC 7540's demands a choice; the class ``Case`` says how.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hyper.http20.exceptions import ErrorCode, HTTP20Error

from ..peer import MAX_WINDOW, OK
from .peer import Stage, Talk

PROTOCOL = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL = ErrorCode.FLOW_CONTROL_ERROR

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
STATUS_200 = b"\x88"
WORD = struct.Struct(">I")

Act = Callable[[Talk, int], object]


@dataclass(frozen=True)
class Case:
    """What happens once the client has asked for something.

    act     what the server says about the stream of that request
    goaway  the connection ends with this code ...
    reset   ... or the stream alone is reset with this one ...
    late    ... or the frame came late, for a stream that is closed: RFC 7540 asked for
            STREAM_CLOSED, RFC 9113 §5.1 lets it be dropped, and the connection goes on ...
    pong    ... or nothing was wrong, and PING is answered
    body    what the program has read; None if it gets an error
    """

    act: Act
    goaway: int | None = None
    reset: int | None = None
    late: bool = False
    pong: bool = False
    body: bytes | None = None


def says(
    kind: int | str, flags: int = 0, stream_id: int | None = None, payload: bytes = b""
) -> Act:
    return lambda talk, i: talk.frame(kind, flags, i if stream_id is None else stream_id, payload)


def both(*acts: Act) -> Act:
    def act(talk: Talk, i: int) -> None:
        for each in acts:
            each(talk, i)

    return act


def at_once(*acts: Act) -> Act:
    """In one packet, so that what comes last is read along with what ends the response."""

    def act(talk: Talk, i: int) -> None:
        with talk.one_read():
            both(*acts)(talk, i)

    return act


def head(talk: Talk, i: int) -> None:
    talk.headers(i)


def end(talk: Talk, i: int) -> None:
    talk.headers(i, end=True)


def reset(talk: Talk, i: int) -> None:
    talk.rst_stream(i)


def answer(talk: Talk, i: int) -> None:
    talk.answer(i, b"fine")


def entry(identifier: int, value: int) -> bytes:
    return struct.pack(">HI", identifier, value)


PING = says("PING", 0, 0, b"whatever")
more = says("CONTINUATION", END_HEADERS)
late_data = says("DATA", END_STREAM, None, b"test")
late_head = says("HEADERS", END_HEADERS | END_STREAM, None, STATUS_200)
overflow = says("WINDOW_UPDATE", 0, 0, WORD.pack(MAX_WINDOW))
stream_overflow = says("WINDOW_UPDATE", 0, None, WORD.pack(MAX_WINDOW))


def pieces(talk: Talk, i: int) -> None:
    talk.headers(i, [*OK, ("x-long", "y" * 500)], fragments=5)
    talk.data(i, b"fine", end=True)


def largest(talk: Talk, i: int) -> None:
    talk.headers(i)
    talk.data(i, b"x" * 16_384, end=True)


CASES = {
    "1/1 a server preface": Case(answer, pong=True, body=b"fine"),
    "4.1/1 an unknown type": Case(
        both(says(0x16, 0, 0, bytes(8)), answer), pong=True, body=b"fine"
    ),
    "4.1/2 undefined flags": Case(
        both(says("PING", 0x16, 0, bytes(8)), answer), pong=True, body=b"fine"
    ),
    "4.1/3 the reserved bit": Case(
        both(says("PING", 0x16, 1 << 31, bytes(8)), answer), pong=True, body=b"fine"
    ),
    "4.2/1 DATA of 16384 octets": Case(largest, pong=True, body=b"x" * 16_384),
    "4.2/2 DATA too large": Case(both(head, says("DATA", 0, None, bytes(16_385))), FRAME_SIZE),
    "4.2/3 HEADERS too large": Case(says("HEADERS", 5, None, bytes(16_385)), FRAME_SIZE),
    "4.3/1 a block that is none": Case(
        says("HEADERS", 5, None, b"\x40"), ErrorCode.COMPRESSION_ERROR
    ),
    "5.1/1 idle: DATA": Case(says("DATA", 1, 101, b"test"), PROTOCOL),
    "5.1/2 idle: RST_STREAM": Case(says("RST_STREAM", 0, 101, WORD.pack(8)), PROTOCOL),
    "5.1/3 idle: WINDOW_UPDATE": Case(says("WINDOW_UPDATE", 0, 101, WORD.pack(100)), PROTOCOL),
    "5.1/4 idle: CONTINUATION": Case(says("CONTINUATION", 4, 101), PROTOCOL),
    "5.1/5 closed by RST_STREAM: DATA": Case(both(head, reset, late_data), late=True),
    "5.1/6 closed by RST_STREAM: HEADERS": Case(both(head, reset, late_head), late=True),
    "5.1/7 closed by RST_STREAM: CONTINUATION": Case(at_once(head, reset, more), PROTOCOL),
    "5.1/8 closed: DATA": Case(both(end, late_data), late=True, body=b""),
    "5.1/9 closed: HEADERS": Case(both(end, late_head), late=True, body=b""),
    "5.1/10 closed: CONTINUATION": Case(at_once(end, more), PROTOCOL, body=b""),
    "5.1.1/1 a stream that nobody opened": Case(says("HEADERS", 5, 101, STATUS_200), PROTOCOL),
    "5.4.1/1 an error ends the connection": Case(says("PING", 0, 3, bytes(8)), PROTOCOL),
    "5.4.1/2 an error is told by GOAWAY": Case(says("PING", 0, 3, bytes(8)), PROTOCOL),
    "5.5/1 an extension frame": Case(
        both(says(0xFF, 0, 0, b"extension"), answer), pong=True, body=b"fine"
    ),
    "6.1/1 DATA on stream 0": Case(says("DATA", 1, 0, b"test"), PROTOCOL),
    "6.1/2 DATA on a closed stream": Case(both(end, late_data), late=True, body=b""),
    "6.1/3 DATA padded too far": Case(
        both(head, says("DATA", PADDED | END_STREAM, None, b"\x06Test")), PROTOCOL
    ),
    "6.2/1 a block that PRIORITY interrupts": Case(
        both(says("HEADERS", 0, None, STATUS_200), says("PRIORITY", 0, None, bytes(5)), more),
        PROTOCOL,
    ),
    "6.2/2 HEADERS on stream 0": Case(says("HEADERS", 5, 0, STATUS_200), PROTOCOL),
    "6.2/3 HEADERS padded too far": Case(
        says("HEADERS", PADDED | 5, None, b"\x11" + STATUS_200), PROTOCOL
    ),
    "6.3/1 PRIORITY on stream 0": Case(says("PRIORITY", 0, 0, bytes(5)), PROTOCOL),
    "6.3/2 PRIORITY of 4 octets": Case(
        both(head, says("PRIORITY", 0, None, bytes(4))), reset=FRAME_SIZE
    ),
    "6.4/1 RST_STREAM on stream 0": Case(says("RST_STREAM", 0, 0, WORD.pack(8)), PROTOCOL),
    "6.4/2 RST_STREAM on an idle stream": Case(says("RST_STREAM", 0, 101, WORD.pack(8)), PROTOCOL),
    "6.4/3 RST_STREAM of 3 octets": Case(
        both(head, says("RST_STREAM", 0, None, bytes(3))), FRAME_SIZE
    ),
    "6.5/1 SETTINGS ACK with a payload": Case(says("SETTINGS", ACK, 0, bytes(6)), FRAME_SIZE),
    "6.5/2 SETTINGS on a stream": Case(says("SETTINGS", 0, 1, entry(3, 100)), PROTOCOL),
    "6.5/3 SETTINGS of 3 octets": Case(says("SETTINGS", 0, 0, bytes(3)), FRAME_SIZE),
    "6.5.2/1 INITIAL_WINDOW_SIZE 2^31": Case(says("SETTINGS", 0, 0, entry(4, 2**31)), FLOW_CONTROL),
    "6.5.2/2 MAX_FRAME_SIZE 16383": Case(says("SETTINGS", 0, 0, entry(5, 16_383)), PROTOCOL),
    "6.5.2/3 MAX_FRAME_SIZE 2^24": Case(says("SETTINGS", 0, 0, entry(5, 2**24)), PROTOCOL),
    "6.5.2/4 an unknown setting": Case(
        both(says("SETTINGS", 0, 0, entry(0xFF, 1)), answer), pong=True, body=b"fine"
    ),
    "6.5.3/1 SETTINGS are acknowledged": Case(
        both(
            lambda talk, i: talk.settings(max_concurrent_streams=100),
            lambda talk, i: talk.hear("SETTINGS", ack=True),
            answer,
        ),
        pong=True,
        body=b"fine",
    ),
    "6.7/1 PING is answered": Case(answer, pong=True, body=b"fine"),
    "6.7/2 PING ACK is not": Case(
        both(says("PING", ACK, 0, b"invalid!"), answer), pong=True, body=b"fine"
    ),
    "6.7/3 PING on a stream": Case(says("PING", 0, 1, bytes(8)), PROTOCOL),
    "6.7/4 PING of 6 octets": Case(says("PING", 0, 0, bytes(6)), FRAME_SIZE),
    "6.8/1 GOAWAY on a stream": Case(says("GOAWAY", 0, 1, bytes(8)), PROTOCOL),
    "6.9/1 WINDOW_UPDATE by 0": Case(says("WINDOW_UPDATE", 0, 0, bytes(4)), PROTOCOL),
    "6.9/2 WINDOW_UPDATE by 0 on a stream": Case(
        both(head, says("WINDOW_UPDATE", 0, None, bytes(4))), reset=PROTOCOL
    ),
    "6.9/3 WINDOW_UPDATE of 3 octets": Case(
        says("WINDOW_UPDATE", 0, 0, b"\x00\x00\x01"), FRAME_SIZE
    ),
    "6.9.1/1 a window beyond 2^31-1": Case(both(overflow, overflow), FLOW_CONTROL),
    "6.9.1/2 a stream's window beyond 2^31-1": Case(
        both(head, stream_overflow), reset=FLOW_CONTROL
    ),
    "6.10/1 many CONTINUATION frames": Case(pieces, pong=True, body=b"fine"),
    "6.10/2 a block that another frame interrupts": Case(
        both(says("HEADERS", 0, None, STATUS_200), says("CONTINUATION"), late_data), PROTOCOL
    ),
    "6.10/3 CONTINUATION on stream 0": Case(
        both(says("HEADERS", 0, None, STATUS_200), says("CONTINUATION", 4, 0)), PROTOCOL
    ),
    "6.10/4 CONTINUATION after HEADERS that end their block": Case(both(head, more), PROTOCOL),
    "6.10/5 CONTINUATION after the last CONTINUATION": Case(
        both(says("HEADERS", 0, None, STATUS_200), more, more), PROTOCOL
    ),
    "6.10/6 CONTINUATION after DATA": Case(
        both(head, says("DATA", 0, None, b"test"), more), PROTOCOL
    ),
}


def test_there_are_as_many_as_the_tester_has() -> None:
    assert len(CASES) == 57


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "cleartext"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_case_of_the_conformance_tester(scene: Stage, case: Case, secure: bool) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        case.act(talk, asked.stream_id)
        PING(talk, asked.stream_id)
        talk.serve()

    with scene(script, secure=secure) as play:
        try:
            body: bytes | None = play.ask()[1]
        except HTTP20Error:
            body = None
        if case.goaway is not None:
            # What had ended before the error may have been read.
            assert body == case.body
            play.goaway(case.goaway)
            play.never_heard("PING", opaque=b"whatever")
            play.renewed()
            return
        assert body == case.body
        if case.reset is not None:
            play.heard("RST_STREAM", stream_id=1, error_code=case.reset)
        else:
            play.never_heard("RST_STREAM")
            assert case.pong or case.late
        play.usable()
        play.heard("PING", ack=True, opaque=b"whatever")
        play.never_heard("PING", opaque=b"invalid!")
        play.never_heard("GOAWAY")
