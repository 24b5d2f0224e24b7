"""Frames that break RFC 9113 §3.4 to §6, and frames that only look as if they did."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hyper.http20.exceptions import ErrorCode, HPACKDecodingError, HTTP20Error, ProtocolError
from hyper.http20.limits import Limits
from hyper.http20.window import BaseFlowControlManager

from ..peer import MAX_WINDOW, OK, TYPES, frame, padded
from .peer import PATIENCE, Stage, Talk

PROTOCOL = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL = ErrorCode.FLOW_CONTROL_ERROR

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20
STATUS_200 = b"\x88"
WORD = struct.Struct(">I")

#: What the server does wrong; it gets the id of an open stream that has seen no head.
Act = Callable[[Talk, int], object]


@dataclass(frozen=True)
class Row:
    """What ends the connection, the code for it, and what the message says."""

    act: Act
    says: str
    code: int = PROTOCOL
    error: type[HTTP20Error] = ProtocolError


def sends(
    kind: int | str, flags: int = 0, stream_id: int | None = None, payload: bytes = b""
) -> Act:
    """Say this frame; on the open stream if ``stream_id`` is None."""
    return lambda talk, i: talk.frame(kind, flags, i if stream_id is None else stream_id, payload)


def entry(identifier: int, value: int) -> bytes:
    return struct.pack(">HI", identifier, value)


def overflow_by_settings(talk: Talk, i: int) -> None:
    talk.window_update(i, MAX_WINDOW - 65_535)
    talk.frame("SETTINGS", 0, 0, entry(4, 65_536))


def after(
    first: bytes, kind: int | str, flags: int = 0, other: int = 0, payload: bytes = b""
) -> Act:
    """A field block that is begun, and then something else, ``other`` streams further on."""

    def act(talk: Talk, i: int) -> None:
        talk.frame("HEADERS", 0, i, first)
        stream_id = 0 if kind in ("SETTINGS", "PING", "GOAWAY") else i + other
        talk.frame(kind, flags, stream_id, payload)

    return act


BROKEN = {
    # On the wrong stream.
    "DATA on stream 0": Row(sends("DATA", 0, 0, b"x"), "DATA on stream 0"),
    "HEADERS on stream 0": Row(sends("HEADERS", 5, 0, STATUS_200), "HEADERS on stream 0"),
    "HEADERS begun on stream 0": Row(sends("HEADERS", 0, 0, STATUS_200), r"stream 0 .*§6\.2"),
    "PRIORITY on stream 0": Row(sends("PRIORITY", 0, 0, bytes(5)), r"§6\.3"),
    "RST_STREAM on stream 0": Row(sends("RST_STREAM", 0, 0, bytes(4)), r"§6\.4"),
    "SETTINGS on a stream": Row(sends("SETTINGS"), r"SETTINGS on stream 5 .*§6\.5"),
    "SETTINGS acknowledged on a stream": Row(sends("SETTINGS", ACK), r"§6\.5"),
    "PING on a stream": Row(sends("PING", 0, None, bytes(8)), r"§6\.7"),
    "PING answered on a stream": Row(sends("PING", ACK, None, bytes(8)), r"§6\.7"),
    "GOAWAY on a stream": Row(sends("GOAWAY", 0, None, bytes(8)), r"§6\.8"),
    "CONTINUATION on stream 0": Row(sends("CONTINUATION", 4, 0), r"§6\.10"),
    # Of the wrong length.
    "PRIORITY of 4 octets, idle": Row(sends("PRIORITY", 0, 7, bytes(4)), r"§6\.3", FRAME_SIZE),
    "RST_STREAM of 3 octets": Row(sends("RST_STREAM", 0, None, bytes(3)), r"§6\.4", FRAME_SIZE),
    "RST_STREAM of 5 octets": Row(sends("RST_STREAM", 0, None, bytes(5)), r"§6\.4", FRAME_SIZE),
    "SETTINGS of 5 octets": Row(sends("SETTINGS", 0, 0, bytes(5)), r"§6\.5", FRAME_SIZE),
    "SETTINGS of 7 octets": Row(sends("SETTINGS", 0, 0, bytes(7)), r"§6\.5", FRAME_SIZE),
    "SETTINGS ACK of 6 octets": Row(sends("SETTINGS", ACK, 0, bytes(6)), r"§6\.5", FRAME_SIZE),
    "PING of 7 octets": Row(sends("PING", 0, 0, bytes(7)), r"§6\.7", FRAME_SIZE),
    "PING of 9 octets": Row(sends("PING", 0, 0, bytes(9)), r"§6\.7", FRAME_SIZE),
    "GOAWAY of 7 octets": Row(sends("GOAWAY", 0, 0, bytes(7)), r"§6\.8", FRAME_SIZE),
    "WINDOW_UPDATE of 3 octets": Row(
        sends("WINDOW_UPDATE", 0, None, bytes(3)), r"§6\.9", FRAME_SIZE
    ),
    "WINDOW_UPDATE of 5 octets": Row(sends("WINDOW_UPDATE", 0, 0, bytes(5)), r"§6\.9", FRAME_SIZE),
    "HEADERS without room for priority": Row(
        sends("HEADERS", END_HEADERS | PRIORITY_FLAG, None, bytes(4)), r"§6\.2", FRAME_SIZE
    ),
    "DATA without its pad length": Row(sends("DATA", PADDED), r"§6\.1", FRAME_SIZE),
    "HEADERS without its pad length": Row(
        sends("HEADERS", PADDED | END_HEADERS), r"§6\.1", FRAME_SIZE
    ),
    # Padding.
    "DATA padded beyond its end": Row(
        sends("DATA", PADDED, None, b"\6hello"), "padded beyond its end"
    ),
    "DATA of padding too long": Row(sends("DATA", PADDED, None, b"\xff"), "padded beyond its end"),
    "HEADERS padded beyond their end": Row(
        sends("HEADERS", PADDED | END_HEADERS, None, b"\2\x88"), "padded beyond its end"
    ),
    "HEADERS whose padding takes the priority": Row(
        sends("HEADERS", PADDED | PRIORITY_FLAG | END_HEADERS, None, b"\3" + bytes(7)),
        r"§6\.2",
        FRAME_SIZE,
    ),
    # Windows and settings.
    "WINDOW_UPDATE by 0": Row(sends("WINDOW_UPDATE", 0, 0, bytes(4)), r"by 0 .*§6\.9"),
    "WINDOW_UPDATE by the reserved bit alone": Row(
        sends("WINDOW_UPDATE", 0, 0, b"\x80\0\0\0"), r"by 0 .*§6\.9"
    ),
    "connection window beyond 2^31-1": Row(
        sends("WINDOW_UPDATE", 0, 0, WORD.pack(MAX_WINDOW)), r"§6\.9\.1", FLOW_CONTROL
    ),
    "a delta that takes a window beyond 2^31-1": Row(
        overflow_by_settings, r"INITIAL_WINDOW_SIZE.*§6\.9\.2", FLOW_CONTROL
    ),
    "INITIAL_WINDOW_SIZE 2^31": Row(
        sends("SETTINGS", 0, 0, entry(4, 2**31)), r"INITIAL_WINDOW_SIZE.*§6\.5\.2", FLOW_CONTROL
    ),
    "MAX_FRAME_SIZE 16383": Row(sends("SETTINGS", 0, 0, entry(5, 16_383)), r"§6\.5\.2"),
    "MAX_FRAME_SIZE 2^24": Row(sends("SETTINGS", 0, 0, entry(5, 2**24)), r"§6\.5\.2"),
    "ENABLE_PUSH 1": Row(sends("SETTINGS", 0, 0, entry(2, 1)), r"ENABLE_PUSH is 1 .*§6\.5\.2"),
    "ENABLE_PUSH 2": Row(sends("SETTINGS", 0, 0, entry(2, 2)), r"ENABLE_PUSH is 2 .*§6\.5\.2"),
    "ENABLE_CONNECT_PROTOCOL 2": Row(sends("SETTINGS", 0, 0, entry(8, 2)), "RFC 8441"),
    "a bad setting that a good one follows": Row(
        sends("SETTINGS", 0, 0, entry(5, 1) + entry(5, 16_384)), "MAX_FRAME_SIZE is 1 "
    ),
    # Streams that do not exist.
    "DATA on an idle stream": Row(sends("DATA", 0, 7, b"x"), r"idle stream 7 .*§5\.1"),
    "empty DATA on an idle stream": Row(sends("DATA", 1, 7), r"idle stream 7 .*§5\.1"),
    "HEADERS on an idle stream": Row(sends("HEADERS", 5, 7, STATUS_200), r"idle stream 7"),
    "RST_STREAM on an idle stream": Row(sends("RST_STREAM", 0, 7, bytes(4)), r"idle stream 7"),
    "WINDOW_UPDATE on an idle stream": Row(
        sends("WINDOW_UPDATE", 0, 7, WORD.pack(1)), r"idle stream 7"
    ),
    "DATA on an even stream": Row(sends("DATA", 0, 2, b"x"), r"idle stream 2"),
    "HEADERS on an even stream": Row(sends("HEADERS", 5, 2, STATUS_200), r"idle stream 2"),
    "RST_STREAM on an even stream": Row(sends("RST_STREAM", 0, 2, bytes(4)), r"idle stream 2"),
    "WINDOW_UPDATE on an even stream": Row(
        sends("WINDOW_UPDATE", 0, 2, WORD.pack(1)), r"idle stream 2"
    ),
    "HEADERS on the last stream": Row(
        sends("HEADERS", 5, 2**31 - 1, STATUS_200), r"idle stream 2147483647"
    ),
    "PUSH_PROMISE though it is switched off": Row(
        sends("PUSH_PROMISE", END_HEADERS, None, WORD.pack(2) + STATUS_200), r"ENABLE_PUSH.*§8\.4"
    ),
    # Field blocks.
    "CONTINUATION of nothing": Row(sends("CONTINUATION", 4), r"§6\.10"),
    "CONTINUATION on an idle stream": Row(sends("CONTINUATION", 4, 7), r"§6\.10"),
    "CONTINUATION after the end of a block": Row(
        lambda talk, i: (
            talk.headers(i),
            talk.frame("CONTINUATION", END_HEADERS, i),
        ),
        r"§6\.10",
    ),
    "CONTINUATION of another stream": Row(
        after(STATUS_200, "CONTINUATION", END_HEADERS, -2), r"§6\.10"
    ),
    "a block that HEADERS interrupt": Row(after(STATUS_200, "HEADERS", 4), r"§6\.10"),
    "a block that HEADERS of another stream interrupt": Row(
        after(STATUS_200, "HEADERS", 4, -2, STATUS_200), r"§6\.10"
    ),
    "a block that DATA interrupts": Row(after(STATUS_200, "DATA", 0, 0, b"x"), r"§6\.10"),
    "a block that PRIORITY interrupts": Row(
        after(STATUS_200, "PRIORITY", 0, 0, bytes(5)), r"§6\.10"
    ),
    "a block that RST_STREAM interrupts": Row(
        after(STATUS_200, "RST_STREAM", 0, 0, bytes(4)), r"§6\.10"
    ),
    "a block that SETTINGS interrupt": Row(after(STATUS_200, "SETTINGS"), r"§6\.10"),
    "a block that PING interrupts": Row(after(STATUS_200, "PING", 0, 0, bytes(8)), r"§6\.10"),
    "a block that GOAWAY interrupts": Row(after(STATUS_200, "GOAWAY", 0, 0, bytes(8)), r"§6\.10"),
    "a block that WINDOW_UPDATE interrupts": Row(
        after(STATUS_200, "WINDOW_UPDATE", 0, 0, WORD.pack(1)), r"§6\.10"
    ),
    "a block that an unknown type interrupts": Row(after(STATUS_200, 0xBE, 4), r"§6\.10"),
    "a block that ends within a field": Row(
        sends("HEADERS", 5, None, b"\x40"),
        r"RFC 7541 §6.*§4\.3",
        ErrorCode.COMPRESSION_ERROR,
        HPACKDecodingError,
    ),
    "a broken block for a closed stream": Row(
        lambda talk, i: (talk.rst_stream(i - 2), talk.frame("HEADERS", 5, i - 2, b"\x80")),
        r"§4\.3",
        ErrorCode.COMPRESSION_ERROR,
        HPACKDecodingError,
    ),
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_ends_the_connection_for_everybody(scene: Stage, row: Row) -> None:
    """GOAWAY with the section's code, an error for each that waits, and a new connection."""

    def script(talk: Talk) -> None:
        for _ in range(3):
            asked = talk.hear_request()
        # What the client does about our settings is out of the way.
        talk.ping()
        talk.hear("PING", ack=True)
        row.act(talk, asked.stream_id)

    with scene(script) as play:
        errors = play.crowd(3)
        told = [error for error in errors if type(error) is row.error]
        # One of the streams may have been ended on the way there.
        assert len(told) >= 2, errors
        for error in told:
            assert error.error_code == row.code
        goaway = play.goaway(row.code)
        assert goaway.last_stream_id == 0
        for message in [str(error) for error in told] + [goaway.debug.decode()]:
            with pytest.raises(ProtocolError, match=row.says):
                raise ProtocolError(message)
        play.renewed()


SIZES = {name: (16_385 if name not in ("DATA", "HEADERS") else 2**24 - 1) for name in TYPES} | {
    "unknown": 16_385
}


@pytest.mark.parametrize("name", SIZES)
def test_a_frame_too_large_is_refused_by_its_head(scene: Stage, name: str) -> None:
    """§4.2: nothing of its payload has to arrive for that."""
    kind = TYPES.get(name, 0xEE)
    stream_id = 0 if name in ("SETTINGS", "PING", "GOAWAY") else 1

    def script(talk: Talk) -> None:
        talk.hear_request()
        talk.raw(struct.pack(">IBBI", SIZES[name], kind, 0, stream_id)[1:])

    with scene(script) as play:
        play.fails(ProtocolError, rf"{SIZES[name]} octets; the limit is 16384 .*§4\.2", FRAME_SIZE)
        play.goaway(FRAME_SIZE)
        play.renewed()


def test_the_largest_frame_is_accepted(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        talk.data(asked.stream_id, b"x" * 16_384, end=True)
        talk.serve()

    with scene(script) as play:
        assert play.ask() == (200, b"x" * 16_384)
        play.usable()


# --- the server's preface -------------------------------------------------------------------------

OPENINGS = {
    "PING": frame("PING", 0, 0, bytes(8)),
    "GOAWAY": frame("GOAWAY", 0, 0, bytes(8)),
    "HEADERS": frame("HEADERS", 5, 1, STATUS_200),
    "DATA": frame("DATA", 1, 1),
    "WINDOW_UPDATE": frame("WINDOW_UPDATE", 0, 0, WORD.pack(1)),
    "an acknowledgement": frame("SETTINGS", ACK),
    "an unknown type": frame(0xBE),
    "HTTP/1.1": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 505 No\r\n\r\n",
    "HTML": b"<html><body>It works!</body></html>",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "the client's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": bytes(100),
    "ones": b"\xff" * 100,
}


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "cleartext"])
@pytest.mark.parametrize("octets", OPENINGS.values(), ids=OPENINGS)
def test_what_does_not_begin_with_settings_is_no_http2(
    scene: Stage, octets: bytes, secure: bool
) -> None:
    def script(talk: Talk) -> None:
        # A connection that is known to be none before anything was asked is made anew.
        talk.hear("HEADERS")
        talk.raw(octets)

    with scene(script, secure=secure) as play:
        play.fails(ProtocolError, r"did not start with SETTINGS .*§3\.4.*may not speak", PROTOCOL)
        play.goaway(PROTOCOL)
        play.renewed()


def test_an_unacceptable_setting_in_the_preface_is_refused(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        talk.hear("HEADERS")
        talk.frame("SETTINGS", 0, 0, entry(4, 2**32 - 1))

    with scene(script) as play:
        play.fails(ProtocolError, "INITIAL_WINDOW_SIZE is 4294967295", FLOW_CONTROL)
        play.goaway(FLOW_CONTROL)
        play.renewed()


# --- whoever waits, hears it ----------------------------------------------------------------------


def test_every_kind_of_waiting_ends_at_once(scene: Stage) -> None:
    """For a head, for a body, for room to upload, for a slot, and for an answer to PING."""

    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=1000, max_concurrent_streams=3)
        for _ in range(3):
            asked = talk.hear_request()
            if (":path", "/body") in (asked.headers or ()):
                talk.headers(asked.stream_id)
                talk.data(asked.stream_id, b"some")
        asked_all.set()
        talk.hear("PING")
        release.wait(PATIENCE)
        talk.frame("PING", 0, 1, bytes(8))

    asked_all, release = threading.Event(), threading.Event()
    with scene(script) as play:
        client = play.client
        waits: dict[str, Callable[[], Any]] = {
            "head": lambda: play.ask("/head"),
            "body": lambda: play.ask("/body"),
            "upload": lambda: play.ask("/upload", "POST", body=bytes(100_000)),
        }
        results: dict[str, Any] = {}

        def wait(name: str, ask: Callable[[], Any]) -> None:
            try:
                results[name] = ask()
            except BaseException as error:
                results[name] = error

        def start(name: str, ask: Callable[[], Any]) -> threading.Thread:
            thread = threading.Thread(target=wait, args=(name, ask), daemon=True)
            thread.start()
            return thread

        threads = [start(name, ask) for name, ask in waits.items()]
        assert asked_all.wait(PATIENCE)
        threads.append(start("queued", lambda: play.ask("/queued")))
        threads.append(start("ping", client.ping))
        play.heard("PING")
        release.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"only these have ended: {results}"
        play.goaway(PROTOCOL)
        for name in ("head", "body", "upload", "ping"):
            assert isinstance(results[name], ProtocolError), (name, results[name])
            assert "§6.7" in str(results[name])
        # It never left, so it went elsewhere.
        assert results.pop("queued") == (200, b"connection 2")
        play.usable()


# --- errors of one stream -------------------------------------------------------------------------


def by_zero(talk: Talk, i: int) -> None:
    talk.frame("WINDOW_UPDATE", 0, i, bytes(4))


def window_overflow(talk: Talk, i: int) -> None:
    talk.frame("WINDOW_UPDATE", 0, i, WORD.pack(MAX_WINDOW))


def short_priority(talk: Talk, i: int) -> None:
    talk.frame("PRIORITY", 0, i, bytes(4))


def long_priority(talk: Talk, i: int) -> None:
    talk.frame("PRIORITY", 0, i, bytes(6))


ONE_STREAM = [
    (by_zero, PROTOCOL, r"by 0 .*§6\.9"),
    (window_overflow, FLOW_CONTROL, r"§6\.9\.1"),
    (short_priority, FRAME_SIZE, r"§6\.3"),
    (long_priority, FRAME_SIZE, r"§6\.3"),
]


@pytest.mark.parametrize(
    ("act", "code", "says"), ONE_STREAM, ids=[act.__name__ for act, _, _ in ONE_STREAM]
)
def test_an_error_of_one_stream_is_nobody_elses(
    scene: Stage, act: Act, code: int, says: str
) -> None:
    def script(talk: Talk) -> None:
        first = talk.hear_request()
        second = talk.hear_request()
        act(talk, first.stream_id)
        talk.answer(second.stream_id, b"fine")
        talk.serve()

    with scene(script) as play:
        first, second = (play.client.request("GET", "/") for _ in range(2))
        error = play.fails(ProtocolError, says, code, lambda: play.client.get_response(first))
        assert error.stream_id == 1
        assert play.client.get_response(second).read() == b"fine"
        play.heard("RST_STREAM", stream_id=1, error_code=code)
        play.never_heard("RST_STREAM", stream_id=3)
        play.never_heard("GOAWAY")
        play.usable()


@pytest.mark.parametrize(
    "act",
    [
        sends("DATA", 0, None, b"more"),
        sends("DATA"),
        sends("HEADERS", END_HEADERS, None, STATUS_200),
        sends("HEADERS", END_HEADERS | END_STREAM, None, STATUS_200),
    ],
    ids=["DATA", "empty DATA", "HEADERS", "trailers"],
)
def test_what_follows_the_end_of_a_response_is_a_stream_error(scene: Stage, act: Act) -> None:
    """§5.1, half-closed (remote): the response was whole and stays so, the upload ends."""

    def script(talk: Talk) -> None:
        talk.greet(initial_window_size=10)
        first = talk.hear_request()
        with talk.one_read():  # before the client stops the upload of its own accord
            talk.answer(first.stream_id, b"whole")
            act(talk, first.stream_id)
        talk.serve()

    with scene(script) as play:
        assert play.ask(method="POST", body=bytes(100_000)) == (200, b"whole")
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.STREAM_CLOSED)
        play.never_heard("GOAWAY")
        play.usable()


@pytest.mark.parametrize(
    "act",
    [
        sends("DATA", 0, None, b"more"),
        sends("HEADERS", END_HEADERS, None, STATUS_200),
        sends("RST_STREAM", 0, None, WORD.pack(8)),
        sends("WINDOW_UPDATE", 0, None, WORD.pack(8)),
        sends("PRIORITY", 0, None, bytes(5)),
    ],
    ids=["DATA", "HEADERS", "RST_STREAM", "WINDOW_UPDATE", "PRIORITY"],
)
@pytest.mark.parametrize("how", ["ended", "reset by us", "reset by them"])
def test_what_comes_late_for_a_closed_stream_is_dropped(scene: Stage, act: Act, how: str) -> None:
    """§5.1, closed: it may have been on its way; the table and the windows stay right."""
    cancelled = threading.Event()

    def script(talk: Talk) -> None:
        first = talk.hear_request()
        if how == "ended":
            talk.answer(first.stream_id, b"first")
        elif how == "reset by them":
            talk.rst_stream(first.stream_id)
        else:
            cancelled.wait(PATIENCE)
            talk.hear("RST_STREAM")
        second = talk.hear_request()
        act(talk, first.stream_id)
        # A field that is new goes through both tables.
        talk.headers(second.stream_id, [*OK, ("x-new", "of today")])
        talk.data(second.stream_id, b"second", end=True)
        talk.serve()

    with scene(script) as play:
        first = play.client.request("GET", "/first")
        if how == "reset by us":
            play.client._unclaimed[first].close()
            cancelled.set()
        else:
            try:
                response = play.client.get_response(first)
                assert response.read() == b"first"
            except HTTP20Error as error:
                assert how == "reset by them", error
        assert play.ask("/second") == (200, b"second")
        play.never_heard("GOAWAY")
        play.usable()


# --- what only looks wrong ------------------------------------------------------------------------

EVERY_FLAG = 0xFF


def all_flags(talk: Talk, i: int) -> None:
    """Flags without a meaning for their type (§4.1), on every type that is welcome here."""
    meaningless = {
        "PRIORITY": (i, bytes(5), EVERY_FLAG),
        "PING": (0, bytes(8), EVERY_FLAG & ~ACK),
        "SETTINGS": (0, b"", EVERY_FLAG & ~ACK),
        "WINDOW_UPDATE": (i, WORD.pack(1), EVERY_FLAG),
        "HEADERS": (i, STATUS_200, END_HEADERS | 0xC2 | 0x10),
        "DATA": (i, b"fi", 0xF6),
    }
    for kind, (stream_id, payload, flags) in meaningless.items():
        talk.frame(kind, flags, stream_id, payload)
    talk.frame("DATA", END_STREAM | 0xF6, i, b"ne")


def reserved_bits(talk: Talk, i: int) -> None:
    """The one in front of every stream id (§4.1), and of an increment (§6.9)."""
    high = 1 << 31
    talk.frame("PING", 0, high, bytes(8))
    talk.frame("SETTINGS", 0, high)
    talk.frame("WINDOW_UPDATE", 0, high, WORD.pack(high | 1))
    talk.frame("WINDOW_UPDATE", 0, high | i, WORD.pack(high | 1))
    talk.frame("PRIORITY", 0, high | i, bytes(5))
    talk.frame(0xBE, 0, high | i)
    talk.frame("HEADERS", END_HEADERS, high | i, STATUS_200)
    talk.frame("DATA", END_STREAM, high | i, b"fine")


def full_padding(talk: Talk, i: int) -> None:
    talk.headers(i, padding=255, priority=b"\x80\0\0\1\xff")
    talk.data(i, b"fi", padding=255)
    talk.frame("DATA", PADDED, i, b"\xff" + b"\xff" * 255)  # padding that is not zero
    talk.data(i, b"ne", padding=0)
    talk.data(i, end=True, padding=255)


def unknown_frames_everywhere(talk: Talk, i: int) -> None:
    unknown = frame(0xBE, EVERY_FLAG, i, b"?" * 100)
    talk.raw(unknown)
    talk.headers(i)
    talk.raw(unknown)
    talk.data(i, b"fi")
    talk.raw(frame(0xF0, 0, 0) + frame(0xF0, 0, 2**31 - 1) + frame(0xF0, 0, 2))
    talk.data(i, b"ne", end=True)


def unknown_settings(talk: Talk, i: int) -> None:
    talk.frame("SETTINGS", 0, 0, entry(0x0, 1) + entry(0xFFFF, 2**32 - 1) + entry(0x7, 1))
    talk.hear("SETTINGS", ack=True)
    talk.answer(i, b"fine")


def settings_at_their_edges(talk: Talk, i: int) -> None:
    talk.settings(
        enable_push=0, max_frame_size=2**24 - 1, initial_window_size=MAX_WINDOW,
        max_header_list_size=2**32 - 1, max_concurrent_streams=2**32 - 1,
    )  # fmt: skip
    talk.settings(initial_window_size=0, max_frame_size=16_384)
    talk.settings(initial_window_size=65_535)
    talk.answer(i, b"fine")


def settings_by_the_hundred(talk: Talk, i: int) -> None:
    for size in range(500):
        talk.settings(initial_window_size=size)
        talk.hear("SETTINGS", ack=True)
    talk.answer(i, b"fine")


def a_block_in_many_pieces(talk: Talk, i: int) -> None:
    talk.headers(i, [*OK, ("x-long", "y" * 1000)], fragments=60)
    talk.data(i, b"fi")
    talk.data(i, b"ne")
    talk.frame("HEADERS", END_STREAM, i)  # END_STREAM comes first, CONTINUATION still follows
    talk.frame("CONTINUATION", 0, i)
    talk.frame("CONTINUATION", END_HEADERS | END_STREAM | 0xF0, i, talk.block([("x-end", "1")]))


def windows_to_the_top(talk: Talk, i: int) -> None:
    talk.window_update(0, MAX_WINDOW - 65_535)
    talk.window_update(i, MAX_WINDOW - 65_535)
    talk.answer(i, b"fine")


def a_self_dependency(talk: Talk, i: int) -> None:
    """An error once (RFC 7540 §5.3.1), nothing at all now (RFC 9113 §5.3.2)."""
    talk.priority(i, depends_on=i)
    talk.headers(i, priority=WORD.pack(i) + b"\0")
    talk.data(i, b"fine", end=True)


def unknown_error_codes(talk: Talk, i: int) -> None:
    talk.answer(i, b"fine")
    talk.rst_stream(i, 0xDEAD_BEEF)


def octet_by_octet(talk: Talk, i: int) -> None:
    talk.drip(frame("HEADERS", END_HEADERS, i, talk.block([*OK, ("x", "y")])))
    talk.drip(frame("PING", 0, 0, bytes(8)) + frame("DATA", PADDED, i, padded(b"fi", 9)))
    talk.drip(frame("DATA", END_STREAM, i, b"ne"))


LEGAL = [
    all_flags,
    reserved_bits,
    full_padding,
    unknown_frames_everywhere,
    unknown_settings,
    settings_at_their_edges,
    settings_by_the_hundred,
    a_block_in_many_pieces,
    windows_to_the_top,
    a_self_dependency,
    unknown_error_codes,
    octet_by_octet,
]


@pytest.mark.parametrize("act", LEGAL, ids=[act.__name__ for act in LEGAL])
def test_odd_and_legal_frames_are_an_answer_like_any_other(scene: Stage, act: Act) -> None:
    def script(talk: Talk) -> None:
        act(talk, talk.hear_request().stream_id)
        talk.serve()

    with scene(script) as play:
        assert play.ask() == (200, b"fine")
        play.never_heard("RST_STREAM")
        play.never_heard("GOAWAY")
        play.usable()


# --- our own settings -----------------------------------------------------------------------------


def test_our_settings_take_effect_with_the_acknowledgement(scene: Stage) -> None:
    """§6.5.3: before it a promise may be on its way and is refused; after it, it is an error."""

    def script(talk: Talk) -> None:
        talk.greet()
        asked = talk.hear("HEADERS")
        fields = [(":method", "GET"), (":scheme", "https"), (":path", "/x")]
        talk.push_promise(asked.stream_id, 2, [*fields, (":authority", talk.server.address)])
        talk.headers(2)
        talk.data(2, b"pushed", end=True)
        talk.answer(asked.stream_id, b"fine")
        asked = talk.hear_request()  # acknowledges
        talk.push_promise(asked.stream_id, 4, [*fields, (":authority", talk.server.address)])

    with scene(script) as play:
        assert play.ask() == (200, b"fine")
        play.heard("RST_STREAM", stream_id=2, error_code=ErrorCode.REFUSED_STREAM)
        play.fails(ProtocolError, r"ENABLE_PUSH is 0 .*§8\.4", PROTOCOL)
        assert play.goaway(PROTOCOL).last_stream_id == 2
        play.renewed()


class Fixed(BaseFlowControlManager):
    """Widens no window, whatever was used of it and however fast."""

    def increase_window_size(self, frame_size: int) -> int:
        return 0


def test_our_window_binds_with_the_acknowledgement(scene: Stage) -> None:
    """§6.5.3, §6.9.2: before it a server may go by the 65,535 octets that it knows of."""

    def script(talk: Talk) -> None:
        talk.greet()
        first = talk.hear("HEADERS")
        talk.headers(first.stream_id)
        for _ in range(3):
            talk.data(first.stream_id, b"x" * 5000)
        talk.data(first.stream_id, end=True)
        for size in (1000, 1001):
            asked = talk.hear_request()  # acknowledges
            talk.headers(asked.stream_id)
            talk.data(asked.stream_id, b"y" * size, end=True)
        talk.serve()

    with scene(script, limits=Limits(stream_window=1000), window_manager=Fixed) as play:
        assert play.ask() == (200, b"x" * 15_000)
        assert play.ask() == (200, b"y" * 1000)
        play.fails(ProtocolError, r"1001 octets exceeds its window of 1000 .*§6\.9", FLOW_CONTROL)
        play.heard("RST_STREAM", stream_id=5, error_code=FLOW_CONTROL)
        play.usable()


PROMISES = {
    "an odd stream": (WORD.pack(9), PROTOCOL, r"stream 9 .*§5\.1\.1"),
    "stream 0": (WORD.pack(0), PROTOCOL, r"stream 0 .*§5\.1\.1"),
    "the same stream again": (WORD.pack(2), PROTOCOL, r"stream 2 .*§5\.1\.1"),
    "no stream": (b"\0\0\0", FRAME_SIZE, r"no promised stream .*§6\.6"),
}


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_of_what_is_no_new_stream_ends_the_connection(scene: Stage, name: str) -> None:
    promised, code, says = PROMISES[name]

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        fields = [(":method", "GET"), (":scheme", "https"), (":path", "/x")]
        fields.append((":authority", talk.server.address))
        talk.push_promise(asked.stream_id, 2, fields, padding=200)
        talk.frame("PUSH_PROMISE", END_HEADERS, asked.stream_id, promised)

    with scene(script, enable_push=True) as play:
        play.fails(ProtocolError, says, code)
        assert play.goaway(code).last_stream_id == 2
        play.renewed()


# --- the end --------------------------------------------------------------------------------------


def test_close_first_handles_what_has_arrived(scene: Stage) -> None:
    """What the server did wrong before is told all the same."""
    said = threading.Event()

    def script(talk: Talk) -> None:
        talk.answer(talk.hear_request().stream_id, b"fine")
        talk.frame("PING", 0, 1, bytes(8))
        said.set()

    with scene(script) as play:
        assert play.ask() == (200, b"fine")
        assert said.wait(PATIENCE)
        play.client.close()
        assert r"PING on stream 1" in play.goaway(PROTOCOL).debug.decode()


def test_a_server_that_talks_on_still_finds_the_goaway(scene: Stage) -> None:
    """Closed with octets unread, the socket would send RST, and that destroys what was said."""

    def script(talk: Talk) -> None:
        talk.hear_request()
        talk.frame("PING", 0, 1, bytes(8))
        for _ in range(20):
            talk.raw(frame(0xBE, 0, 0, bytes(16_000)))

    with scene(script) as play:
        play.fails(ProtocolError, r"§6\.7", PROTOCOL)
        play.goaway(PROTOCOL)
        play.renewed()
