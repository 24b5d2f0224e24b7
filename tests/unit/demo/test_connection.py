"""The demo's half of RFC 9113: what it does for a good client and to a bad one."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import hpack
import pytest

from hyper.demo.connection import OUTBOX_SIZE
from hyper.demo.steps import Head, Pause, Request, Step
from hyper.http20.exceptions import ErrorCode
from hyper.http20.limits import MAX_CONTINUATIONS

from ...peer import ACK, END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY, frame, padded
from .client import Client, data, settings, window_update

NUMBER = struct.Struct(">L").pack


def test_preface_is_answered_by_settings_and_an_acknowledgement() -> None:
    """RFC 9113 §3.4, §6.5.3."""
    client = Client(window_size=1000, max_concurrent_streams=7)

    assert client.frames == [("SETTINGS", 0), ("SETTINGS", 0)]
    assert client.settings == {3: 7, 4: 1000, 6: 65_536}
    assert client.acks == 1


def test_a_request_is_answered_whatever_the_split_of_the_octets() -> None:
    whole = Client()
    request = PREFACE + frame("SETTINGS") + whole.head("/bytes/3?seed=1")
    split = Client(greet=None)
    for octet in request:
        split.send(bytes([octet]))
    whole.send(request[len(PREFACE) + 9 :])

    assert split.stream(1).status == 200
    assert split.stream(1).body == whole.stream(1).body
    assert split.stream(1).ended


def test_http_1_clients_are_told_in_their_language() -> None:
    client = Client(greet=None)
    client.server.receive(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert client.server.outbox.startswith(b"HTTP/1.1 505 ")
    assert b"prior knowledge" in client.server.outbox
    assert client.left()


def test_several_streams_are_answered_side_by_side() -> None:
    """RFC 9113 §5: a slow answer holds up nothing else."""
    client = Client()
    slow = client.ask("/delay/1")
    quick = client.ask("/ip")

    assert quick.ended
    assert not slow.heads
    client.turn(0.9)
    assert not slow.heads
    assert client.server.wake_at() == 1.0
    client.turn(0.2)
    assert slow.status == 200
    assert slow.ended
    assert client.server.wake_at() is None


def test_large_answers_take_turns_frame_by_frame() -> None:
    client = Client()
    client.send(client.head("/bytes/40000"), client.head("/bytes/40000"))

    order = [stream_id for name, stream_id in client.frames if name == "DATA"]
    assert order[:4] == [1, 3, 1, 3]


def test_a_refused_stream_leaves_the_others_whole() -> None:
    """RFC 9113 §5.1.2."""
    client = Client(max_concurrent_streams=1)
    first = client.ask("/delay/1")
    second = client.ask("/get")

    assert second.reset == ErrorCode.REFUSED_STREAM
    client.turn(1)
    assert first.ended
    assert client.ask("/get").status == 200


def test_pings_come_back() -> None:
    """RFC 9113 §6.7."""
    client = Client()
    client.send(frame("PING", payload=b"12345678"), frame("PING", ACK, payload=b"unasked."))

    assert client.pongs == [b"12345678"]


def test_unknown_frames_priorities_and_settings_are_ignored() -> None:
    """RFC 9113 §5.5, §6.3, §6.5.2."""
    client = Client()
    client.send(frame(0xBB, 0xFF, 77, b"?"), frame("PRIORITY", 0, 9, bytes(5)))
    client.send(frame("SETTINGS", payload=struct.pack(">HL", 0x99, 1)), settings(enable_push=0))

    assert client.acks == 3
    assert 9 not in client.answers
    assert client.ask().status == 200


def test_an_acknowledgement_is_not_acknowledged() -> None:
    """RFC 9113 §6.5.3."""
    client = Client()
    client.send(frame("SETTINGS", ACK))

    assert client.acks == 1


def test_padding_and_priority_of_headers_are_stripped() -> None:
    """RFC 9113 §6.2."""
    client = Client()
    block = client.head("/ip")[9:]
    flags = END_STREAM | END_HEADERS | PADDED | PRIORITY
    client.send(frame("HEADERS", flags, 1, padded(bytes(5) + block, 30)))

    assert client.stream(1).status == 200


def test_continuations_make_one_block() -> None:
    """RFC 9113 §6.10."""
    client = Client()
    block = client.head("/anything")[9:]
    parts = [frame("CONTINUATION", 0, 1, bytes([octet])) for octet in block[1:]]
    client.send(frame("HEADERS", END_STREAM, 1, block[:1]), *parts)
    client.send(frame("CONTINUATION", END_HEADERS, 1))

    assert client.stream(1).status == 200


def test_long_response_heads_go_on_in_continuations() -> None:
    def answer(request: Request) -> Iterator[Step]:
        yield Head(200, [(b"x-long", b"\xff" * 20_000)])

    client = Client(answer)
    client.ask()

    assert client.frames[2:4] == [("HEADERS", 1), ("CONTINUATION", 1)]
    assert client.stream(1).ended


def test_the_peers_table_size_is_kept_to() -> None:
    """RFC 7541 §4.2: the encoder says so when its table shrinks."""
    client = Client()
    client.decoder.max_allowed_table_size = 0
    client.send(settings(header_table_size=0))

    assert client.ask().status == 200
    assert client.ask().status == 200


# Flow control


def test_answers_stop_at_the_smaller_of_the_two_windows() -> None:
    """RFC 9113 §6.9.1."""
    client = Client()
    client.send(settings(initial_window_size=100))
    answer = client.ask("/bytes/70000")

    assert len(answer.body) == 100
    client.send(window_update(99_900, stream_id=1))
    assert len(answer.body) == 65_535
    client.send(window_update(10_000))
    assert len(answer.body) == 70_000
    assert answer.ended


def test_settings_move_the_windows_of_open_streams_even_below_zero() -> None:
    """RFC 9113 §6.9.2."""
    client = Client()
    client.send(settings(initial_window_size=100))
    answer = client.ask("/bytes/250")
    client.send(settings(initial_window_size=50))
    client.send(window_update(50, stream_id=1))
    assert len(answer.body) == 100

    client.send(settings(initial_window_size=151))
    assert len(answer.body) == 201


def test_frames_grow_with_the_peers_limit() -> None:
    """RFC 9113 §4.2."""
    client = Client()
    client.send(settings(max_frame_size=30_000))
    answer = client.ask("/bytes/40000")

    assert [len(piece) for piece in answer.pieces] == [30_000, 10_000]


def test_uploads_get_their_windows_back_as_they_are_read() -> None:
    client = Client(window_size=20_000)
    client.send(frame("SETTINGS", ACK))
    answer = client.ask("/digest", method="POST", end=False)
    for _ in range(9):
        client.send(data(1, bytes(10_000)))
    client.send(data(1, b"", end=True))

    assert answer.json["size"] == 90_000
    assert sum(answer.increments) == 90_000
    assert sum(client.increments) >= 65_536


def test_our_window_holds_for_open_streams_from_the_acknowledgement_on() -> None:
    """RFC 9113 §6.9.2: until the client has seen our SETTINGS the default holds."""
    client = Client(window_size=1000)
    upload = client.ask("/delay/9", method="POST", end=False)
    client.send(data(1, bytes(900)), frame("SETTINGS", ACK))
    client.send(data(1, bytes(100)))
    assert upload.reset is None
    client.send(data(1, b"x"))
    assert upload.reset == ErrorCode.FLOW_CONTROL_ERROR


def test_an_upload_may_end_in_a_window_that_our_settings_took_below_0() -> None:
    """RFC 9113 §6.9.1: what has no octets may be sent where there is no room."""
    client = Client(window_size=1000)
    upload = client.ask("/delay/9", method="POST", end=False)
    client.send(data(1, bytes(2000)), frame("SETTINGS", ACK), data(1, b"", end=True))
    assert upload.reset is None
    assert client.goaway is None


def test_padding_counts_for_the_windows_and_is_given_back() -> None:
    """RFC 9113 §6.1."""
    client = Client(window_size=1000)
    client.send(frame("SETTINGS", ACK))
    answer = client.ask("/digest", method="POST", end=False)
    for _ in range(20):
        client.send(frame("DATA", PADDED, 1, padded(b"x", 200)))
    client.send(data(1, b"", end=True))

    assert answer.json["size"] == 20


def test_data_that_nobody_takes_stays_within_its_window() -> None:
    def answer(request: Request) -> Iterator[Step]:
        yield Pause(10)

    client = Client(answer)
    upload = client.ask(method="POST", end=False)
    for _ in range(4):
        client.send(data(1, bytes(16_000)))

    assert not upload.increments
    client.send(data(1, bytes(16_000)))
    assert upload.reset == ErrorCode.FLOW_CONTROL_ERROR
    assert client.goaway is None


def test_answers_pause_while_nobody_writes_them() -> None:
    client = Client()
    client.send(settings(initial_window_size=2**30), window_update(2**30))
    client.server.receive(client.head("/bytes/10000000"))

    assert client.server.produce(0.0)
    assert OUTBOX_SIZE <= len(client.server.outbox) < OUTBOX_SIZE + 20_000


# The ends of streams


def test_a_whole_answer_before_the_requests_end_is_followed_by_reset_no_error() -> None:
    """RFC 9113 §8.1."""
    client = Client()
    answer = client.ask("/status/200", method="POST", end=False)

    assert answer.ended
    assert answer.reset == ErrorCode.NO_ERROR
    client.send(data(1, b"still under way"), client.fields([("x-sum", "42")], stream_id=1))
    assert client.goaway is None


def test_a_stream_that_the_client_resets_is_forgotten() -> None:
    client = Client()
    answer = client.ask("/delay/5")
    client.send(frame("RST_STREAM", 0, 1, NUMBER(ErrorCode.CANCEL)))
    client.turn(6)

    assert not answer.heads
    assert client.server.wake_at() is None


def test_late_frames_on_a_finished_stream_are_allowed() -> None:
    """RFC 9113 §5.1, closed: WINDOW_UPDATE, RST_STREAM and PRIORITY may cross the end."""
    client = Client()
    client.ask()
    client.send(
        window_update(1, stream_id=1),
        frame("RST_STREAM", 0, 1, NUMBER(0)),
        frame("PRIORITY", 0, 1, bytes(5)),
    )

    assert client.goaway is None


def test_head_gets_the_head_only() -> None:
    """RFC 9110 §9.3.2."""
    client = Client()
    answer = client.ask("/bytes/1000", method="HEAD")

    assert answer.headers["content-length"] == "1000"
    assert answer.ended
    assert answer.body == b""


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(status: int) -> None:
    """RFC 9110 §6.4.1."""

    def answer(request: Request) -> Iterator[Step]:
        yield Head(status, [])
        yield b"what?"

    client = Client(answer)
    client.ask()

    assert client.stream(1).ended
    assert client.stream(1).body == b""


def test_after_goaway_streams_finish_and_new_ones_are_ignored() -> None:
    """RFC 9113 §6.8."""
    client = Client()
    before = client.ask("/delay/1")
    client.server.go_away()
    after = client.ask("/get")
    client.send(data(3, b""), window_update(5, stream_id=3))

    assert client.goaway == (1, 0, b"")
    assert not client.left()
    client.turn(1)
    assert before.ended
    assert client.left()
    assert not after.heads


def test_goaway_of_an_idle_connection_closes_it_at_once() -> None:
    client = Client()
    client.server.go_away()

    assert client.left()
    client.send(client.head())
    assert client.stream(1).heads == []


def test_the_clients_goaway_lets_its_streams_finish() -> None:
    client = Client()
    answer = client.ask("/delay/1")
    client.send(frame("GOAWAY", payload=bytes(8)))

    assert not client.left()
    client.turn(1)
    assert answer.ended
    assert client.left()
    assert client.goaway is None


def test_request_trailers_are_taken() -> None:
    """RFC 9113 §8.1."""
    client = Client()
    answer = client.ask("/anything", method="POST", end=False)
    client.send(data(1, b"body"), client.fields([("x-sum", "42")], stream_id=1))

    assert answer.json["trailers"] == {"X-Sum": "42"}
    assert answer.json["data"] == "body"


# What a client must not do


def wrong(*octets: bytes) -> Callable[[Client], bytes]:
    return lambda client: b"".join(octets)


def opened(*octets: bytes) -> Callable[[Client], bytes]:
    """The same after a request on stream 1 that goes on."""
    return lambda client: client.head("/delay/1", method="POST", end=False) + b"".join(octets)


CONNECTION_ERRORS = [
    ("frame too large", wrong(frame("DATA", 0, 1, bytes(16_385))), "FRAME_SIZE_ERROR"),
    ("DATA on stream 0", wrong(data(0, b"x")), "PROTOCOL_ERROR"),
    ("DATA on an idle stream", wrong(data(1, b"x")), "PROTOCOL_ERROR"),
    ("DATA on an even stream", opened(data(2, b"x")), "PROTOCOL_ERROR"),
    ("DATA without its pad length", opened(frame("DATA", PADDED, 1)), "FRAME_SIZE_ERROR"),
    ("padding too long", opened(frame("DATA", PADDED, 1, b"\x02x")), "PROTOCOL_ERROR"),
    (
        "DATA on an even stream below the highest",
        lambda client: client.head() + client.head() + data(2, b"x"),
        "PROTOCOL_ERROR",
    ),
    ("HEADERS on stream 0", lambda client: client.head(stream_id=0), "PROTOCOL_ERROR"),
    ("HEADERS on an even stream", lambda client: client.head(stream_id=2), "PROTOCOL_ERROR"),
    (
        "HEADERS without their priority",
        wrong(frame("HEADERS", END_HEADERS | PRIORITY, 1, b"1234")),
        "FRAME_SIZE_ERROR",
    ),
    ("HEADERS that are no HPACK", wrong(frame("HEADERS", 5, 1, b"\xff\xff")), "COMPRESSION_ERROR"),
    (
        "HEADERS on a closed stream",
        lambda client: client.head() + client.head() + client.head(stream_id=1),
        "STREAM_CLOSED",
    ),
    ("CONTINUATION alone", wrong(frame("CONTINUATION", 4, 1)), "PROTOCOL_ERROR"),
    (
        "a block cut by another frame",
        wrong(frame("HEADERS", 0, 1), frame("PING", payload=bytes(8))),
        "PROTOCOL_ERROR",
    ),
    (
        "a block cut by another stream",
        wrong(frame("HEADERS", 0, 1), frame("CONTINUATION", 0, 3)),
        "PROTOCOL_ERROR",
    ),
    ("PRIORITY on stream 0", wrong(frame("PRIORITY", 0, 0, bytes(5))), "PROTOCOL_ERROR"),
    ("short RST_STREAM", opened(frame("RST_STREAM", 0, 1, b"1")), "FRAME_SIZE_ERROR"),
    ("RST_STREAM on an idle stream", wrong(frame("RST_STREAM", 0, 1, bytes(4))), "PROTOCOL_ERROR"),
    ("SETTINGS on a stream", wrong(frame("SETTINGS", 0, 1)), "PROTOCOL_ERROR"),
    ("SETTINGS of 5 octets", wrong(frame("SETTINGS", payload=bytes(5))), "FRAME_SIZE_ERROR"),
    ("ACK with octets", wrong(frame("SETTINGS", ACK, payload=bytes(6))), "FRAME_SIZE_ERROR"),
    ("ENABLE_PUSH of 2", wrong(settings(enable_push=2)), "PROTOCOL_ERROR"),
    ("window too large", wrong(settings(initial_window_size=2**31)), "FLOW_CONTROL_ERROR"),
    (
        "a stream's window too large",
        opened(window_update(2**31 - 65_536, 1), settings(initial_window_size=65_536)),
        "FLOW_CONTROL_ERROR",
    ),
    ("frame size too small", wrong(settings(max_frame_size=16_383)), "PROTOCOL_ERROR"),
    ("frame size too large", wrong(settings(max_frame_size=2**24)), "PROTOCOL_ERROR"),
    ("PUSH_PROMISE", wrong(frame("PUSH_PROMISE", 4, 1, bytes(5))), "PROTOCOL_ERROR"),
    ("PING on a stream", wrong(frame("PING", 0, 1, bytes(8))), "PROTOCOL_ERROR"),
    ("PING of 7 octets", wrong(frame("PING", payload=bytes(7))), "FRAME_SIZE_ERROR"),
    ("GOAWAY on a stream", wrong(frame("GOAWAY", 0, 1, bytes(8))), "PROTOCOL_ERROR"),
    ("GOAWAY of 7 octets", wrong(frame("GOAWAY", payload=bytes(7))), "FRAME_SIZE_ERROR"),
    ("short WINDOW_UPDATE", wrong(frame("WINDOW_UPDATE", payload=b"1")), "FRAME_SIZE_ERROR"),
    ("WINDOW_UPDATE of 0", wrong(window_update(0)), "PROTOCOL_ERROR"),
    ("WINDOW_UPDATE on an idle stream", wrong(window_update(1, 1)), "PROTOCOL_ERROR"),
    ("the connection's window overrun", wrong(window_update(2**31 - 1)), "FLOW_CONTROL_ERROR"),
    (
        "DATA after the end of both sides",
        lambda client: client.head() + client.head("/delay/1") + data(1, b"x"),
        "STREAM_CLOSED",
    ),
    (
        "CONTINUATION without an end",
        wrong(frame("HEADERS", 0, 1), *[frame("CONTINUATION", 0, 1)] * (MAX_CONTINUATIONS + 1)),
        "ENHANCE_YOUR_CALM",
    ),
    (
        "a block without an end",
        wrong(frame("HEADERS", 0, 1), *[frame("CONTINUATION", 0, 1, bytes(16_000))] * 9),
        "ENHANCE_YOUR_CALM",
    ),
    (
        "a block that decodes to too much",
        lambda client: client.head(headers=[("x", "y" * 4000)] + [("x", "y" * 4000)] * 20),
        "ENHANCE_YOUR_CALM",
    ),
]


@pytest.mark.parametrize(
    ("broken", "code"),
    [pytest.param(broken, code, id=name) for name, broken, code in CONNECTION_ERRORS],
)
def test_who_breaks_the_connections_rules_is_told_and_left(
    broken: Callable[[Client], bytes], code: str
) -> None:
    """RFC 9113 §5.4.1."""
    client = Client()
    # Requests go out first, as a client would have it, so that stream 1 can be done by then.
    for part in split_frames(broken(client)):
        client.send(part)

    assert client.refused() == code
    assert client.goaway is not None and client.goaway[2], "debug data says what it was"
    client.send(client.head())
    assert not client.stream(99).heads


def test_a_broken_connection_answers_nothing_more() -> None:
    client = Client()
    answer = client.ask("/delay/1")
    client.send(frame("PING", payload=bytes(7)))
    client.turn(2)

    assert not answer.heads
    assert client.frames[-1] == ("GOAWAY", 0)


def split_frames(octets: bytes) -> Iterator[bytes]:
    while octets:
        size = 9 + int.from_bytes(octets[:3], "big")
        yield octets[:size]
        octets = octets[size:]


def test_the_first_frame_must_be_settings() -> None:
    """RFC 9113 §3.4."""
    client = Client(greet=PREFACE + frame("PING", payload=bytes(8)))

    assert client.refused() == "PROTOCOL_ERROR"


def test_an_acknowledgement_is_no_first_frame() -> None:
    client = Client(greet=PREFACE + frame("SETTINGS", ACK))

    assert client.refused() == "PROTOCOL_ERROR"


def test_the_connections_window_must_be_kept_to() -> None:
    """RFC 9113 §6.9.1: all streams together, though each may have a wide one of its own."""
    client = Client(window_size=1_000_000)
    client.send(frame("SETTINGS", ACK))
    client.send(client.head("/digest", method="POST", end=False))
    # In one piece, so that no WINDOW_UPDATE of the server can have been seen.
    client.server._receive_window = 10_000
    client.send(data(1, bytes(10_000)))
    assert client.goaway is None
    client.server._receive_window = 10_000
    client.send(data(1, bytes(10_001)))

    assert client.refused() == "FLOW_CONTROL_ERROR"


def malformed(*fields: tuple[str, str]) -> Callable[[Client], bytes]:
    return lambda client: client.fields(list(fields))


GET = ((":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/"))

STREAM_ERRORS = [
    ("no :method", malformed(*GET[1:]), "PROTOCOL_ERROR"),
    ("no :path", malformed(*GET[:3]), "PROTOCOL_ERROR"),
    ("no :scheme", malformed(GET[0], *GET[2:]), "PROTOCOL_ERROR"),
    ("empty :path", malformed(*GET[:3], (":path", "")), "PROTOCOL_ERROR"),
    (":path without a slash", malformed(*GET[:3], (":path", "get")), "PROTOCOL_ERROR"),
    (":path of more than a star", malformed(*GET[:3], (":path", "*x")), "PROTOCOL_ERROR"),
    ("empty :authority", malformed(*GET[:2], (":authority", ""), GET[3]), "PROTOCOL_ERROR"),
    (":method twice", malformed(GET[0], *GET), "PROTOCOL_ERROR"),
    ("a late pseudo-header", malformed(*GET[:3], ("a", "b"), GET[3]), "PROTOCOL_ERROR"),
    ("an unknown pseudo-header", malformed(*GET, (":status", "200")), "PROTOCOL_ERROR"),
    ("CONNECT with a path", malformed((":method", "CONNECT"), *GET[1:]), "PROTOCOL_ERROR"),
    ("upper case", malformed(*GET, ("Upper", "x")), "PROTOCOL_ERROR"),
    ("a line end in a value", malformed(*GET, ("x", "a\r\nb")), "PROTOCOL_ERROR"),
    ("connection", malformed(*GET, ("connection", "close")), "PROTOCOL_ERROR"),
    ("te other than trailers", malformed(*GET, ("te", "gzip")), "PROTOCOL_ERROR"),
    (
        "a content-length that is no number",
        malformed(*GET, ("content-length", "+0")),
        "PROTOCOL_ERROR",
    ),
    (
        "two content-lengths",
        malformed(*GET, ("content-length", "1"), ("content-length", "2")),
        "PROTOCOL_ERROR",
    ),
    (
        "content-length without DATA",
        malformed(*GET, ("content-length", "1")),
        "PROTOCOL_ERROR",
    ),
    (
        "content-length below the DATA",
        lambda client: (
            client.head("/digest", method="POST", headers=[("content-length", "1")], end=False)
            + data(1, b"xx", end=True)
        ),
        "PROTOCOL_ERROR",
    ),
    (
        "trailers without an end",
        lambda client: (
            client.head("/digest", method="POST", end=False)
            + client.fields([("a", "b")], stream_id=1, end=False)
        ),
        "PROTOCOL_ERROR",
    ),
    (
        "trailers with a pseudo-header",
        lambda client: (
            client.head("/digest", method="POST", end=False)
            + client.fields([(":path", "/")], stream_id=1)
        ),
        "PROTOCOL_ERROR",
    ),
    (
        "HEADERS after the end",
        lambda client: client.head("/delay/1") + client.fields([("a", "b")], stream_id=1),
        "STREAM_CLOSED",
    ),
    (
        "DATA after the end",
        lambda client: client.head("/delay/1") + data(1, b"x"),
        "STREAM_CLOSED",
    ),
    ("short PRIORITY", wrong(frame("PRIORITY", 0, 1, b"1")), "FRAME_SIZE_ERROR"),
    ("WINDOW_UPDATE of 0", opened(window_update(0, 1)), "PROTOCOL_ERROR"),
    ("a window overrun", opened(window_update(2**31 - 1, 1)), "FLOW_CONTROL_ERROR"),
]


@pytest.mark.parametrize(
    ("broken", "code"),
    [pytest.param(broken, code, id=name) for name, broken, code in STREAM_ERRORS],
)
def test_who_breaks_a_streams_rules_loses_the_stream_only(
    broken: Callable[[Client], bytes], code: str
) -> None:
    """RFC 9113 §5.4.2, §8.1.1."""
    client = Client()
    client.send(broken(client))

    reset = client.stream(1).reset
    assert reset is not None and ErrorCode(reset).name == code
    assert not client.stream(1).heads
    assert client.goaway is None
    assert client.ask("/get", stream_id=101) is not None
    assert client.stream(101).status == 200


def test_content_length_that_is_kept_to_is_fine() -> None:
    client = Client()
    lengths = [("content-length", "4"), ("content-length", "4")]
    answer = client.ask("/digest", method="POST", headers=lengths, end=False)
    client.send(data(1, b"1234", end=True))

    assert answer.json["size"] == 4


def test_connect_is_valid_and_not_offered() -> None:
    """RFC 9113 §8.5."""
    client = Client()
    client.send(client.fields([(":method", "CONNECT"), (":authority", "example.org:443")]))

    assert client.stream(1).status == 405


def test_blocks_of_refused_streams_are_decoded_all_the_same() -> None:
    """RFC 9113 §4.3: the table is the connection's."""
    client = Client(max_concurrent_streams=1)
    client.ask("/delay/1")
    client.ask("/get", headers=[("x-table", "remember me")])
    client.turn(1)

    headers = client.ask("/headers", headers=[("x-table", "remember me")]).json["headers"]
    assert headers["X-Table"] == "remember me"
    assert isinstance(client.encoder, hpack.Encoder)
