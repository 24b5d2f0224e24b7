"""``hyper.http20.receiving``: whole frames out of any octets, and what each type does."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ConnectionError, ErrorCode, StreamResetError
from hyper.http20.window import BaseFlowControlManager
from tests.peer import ACK, END_STREAM, OK, PADDED, PRIORITY, Peer, connected, frame, fresh

END_HEADERS = 0x4


@pytest.mark.parametrize("split", [1, 2, 8, 9, 10, 1000])
def test_frames_may_arrive_in_any_pieces(split: int) -> None:
    peer = connected(split=split)
    stream = peer.request()
    peer.headers(1)
    peer.data(1, b"x" * 3000)
    peer.data(1, b"y" * 20, end=True)
    assert list(stream.chunks) == [b"x" * 3000, b"y" * 20]
    assert stream.ended


def test_a_frame_is_refused_by_its_head_before_it_has_arrived() -> None:
    """RFC 9113 §4.2."""
    peer = connected()
    peer.request()
    peer.raw(frame("DATA", 0, 1, bytes(16_385))[:9])
    goaway = peer.expect_connection_error(ErrorCode.FRAME_SIZE_ERROR)
    assert b"DATA frame of 16385 octets" in goaway.debug


@pytest.mark.parametrize(
    "octets",
    [b"HTTP/1.1 400 Bad Request\r\n", b"\x15\x03\x01\0\x02\x02\x50 alert", b"220 mail\r\n"],
)
def test_whoever_does_not_start_with_settings_does_not_speak_http2(octets: bytes) -> None:
    """RFC 9113 §3.4."""
    peer = fresh()
    stream = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
    peer.raw(octets[:5])
    assert stream.error is None
    peer.raw(octets[5:])
    hint = "it may not speak HTTP/2, but TLS" if octets[0] == 0x15 else "it may not speak HTTP/2"
    assert str(stream.error).endswith(f"; {hint}")
    assert repr(octets[:40].split(b"\r\n")[0])[1:-1] in str(stream.error)


def test_an_acknowledgement_is_no_greeting() -> None:
    peer = fresh()
    peer.raw(frame("SETTINGS", ACK))
    assert peer.protocol.closed


def test_unknown_frames_and_reserved_bits_are_ignored() -> None:
    """RFC 9113 §4.1, §5.5."""
    peer = connected()
    stream = peer.request()
    peer.frame(0xFA, 0xFF, 1, b"whatever")
    peer.raw(frame("HEADERS", END_HEADERS, 0x8000_0001, b"\x88"))
    peer.raw(frame("DATA", 0, 0x8000_0001, b"abc"))
    peer.raw(frame("WINDOW_UPDATE", 0, 0, struct.pack(">L", 0x8000_0005)))
    assert list(stream.chunks) == [b"abc"]
    assert peer.protocol.send_window == 65_535 + 5


@pytest.mark.parametrize(("kind", "stream_id"), [("DATA", 1), (0xFA, 1), ("CONTINUATION", 3)])
def test_nothing_may_come_between_the_parts_of_a_block(kind: str | int, stream_id: int) -> None:
    """RFC 9113 §6.10."""
    peer = connected()
    peer.request()
    peer.request()
    peer.headers(1, end_headers=False)
    peer.frame(kind, 0, stream_id)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


# DATA


def test_data_on_a_closed_stream_costs_connection_window_only() -> None:
    """RFC 9113 §5.1, §6.9."""
    peer = connected()
    peer.protocol.cancel(peer.request())
    peer.written()
    before = peer.protocol.receive_window
    assert peer.data(1, b"late") == []
    assert peer.protocol.receive_window == before - 4
    peer.expect_nothing()


def test_the_connections_window_is_given_back_on_arrival() -> None:
    peer = connected(connection_window=100_000, stream_window=1 << 20)
    stream = peer.request()
    peer.headers(1)
    for _ in range(2):
        peer.data(1, bytes(10_000))
    peer.expect_nothing()
    peer.data(1, bytes(10_000))
    peer.expect("WINDOW_UPDATE", stream_id=0, increment=130_000)
    assert len(stream.chunks) == 3


def test_a_manager_that_overflows_the_connections_window_is_told_so() -> None:
    class Greedy(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            return 2**31

    peer = connected(window_manager=Greedy)
    peer.request()
    peer.headers(1)
    with pytest.raises(ValueError, match="the connection's window"):
        peer.data(1, b"x")


def test_data_beyond_the_connections_window_ends_the_connection() -> None:
    peer = connected(connection_window=65_535)
    peer.protocol._window = 10
    peer.request()
    peer.headers(1)
    peer.data(1, bytes(11))
    peer.expect_connection_error(ErrorCode.FLOW_CONTROL_ERROR)


@pytest.mark.parametrize("padding", [None, 3])
def test_data_beyond_the_streams_window_resets_the_stream(padding: int | None) -> None:
    peer = connected()
    stream = peer.request()
    stream.receive_window = 10
    peer.headers(1)
    peer.data(1, bytes(11), padding=padding)
    peer.expect_stream_error(1, ErrorCode.FLOW_CONTROL_ERROR)
    assert "exceeds its window of 10" in str(stream.error)


@pytest.mark.parametrize("padding", [None, 3])
def test_data_before_the_head_is_malformed(padding: int | None) -> None:
    peer = connected()
    stream = peer.request()
    peer.data(1, b"x", padding=padding)
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    assert "before the head" in str(stream.error)


@pytest.mark.parametrize("padding", [None, 3])
def test_data_beyond_the_announced_length_is_malformed_at_once(padding: int | None) -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [*OK, ("content-length", "3")])
    peer.data(1, b"four", padding=padding)
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    assert "4 octets so far and should have 3" in str(stream.error)


@pytest.mark.parametrize("padding", [None, 3])
def test_data_after_the_end_leaves_the_response_whole(padding: int | None) -> None:
    peer = connected()
    stream = peer.upload()
    peer.answer(1, b"whole")
    peer.data(1, b"x", padding=padding)
    peer.expect_stream_error(1, ErrorCode.STREAM_CLOSED)
    assert stream.ended and stream.error is None


def test_padding_is_taken_off_and_its_window_given_back() -> None:
    peer = connected(stream_window=65_536)
    stream = peer.request()
    peer.headers(1)
    sent = 0
    while sent < 16_384:
        peer.data(1, b"x", padding=255)
        sent += 256  # the pad length octet counts as well
    peer.expect("WINDOW_UPDATE", stream_id=1, increment=16_384)
    assert set(stream.chunks) == {b"x"}
    peer.data(1, b"end", padding=0, end=True)
    assert stream.ended


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", ErrorCode.FRAME_SIZE_ERROR),
        (b"\x01", ErrorCode.PROTOCOL_ERROR),
        (b"\x03ab", ErrorCode.PROTOCOL_ERROR),
    ],
)
@pytest.mark.parametrize("kind", ["DATA", "HEADERS"])
def test_padding_beyond_the_frame_ends_the_connection(
    kind: str, payload: bytes, code: ErrorCode
) -> None:
    """RFC 9113 §6.1."""
    peer = connected()
    peer.request()
    peer.frame(kind, PADDED | END_HEADERS, 1, payload)
    peer.expect_connection_error(code)


def test_empty_data_is_passed_on_and_counted() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    for _ in range(limits.MAX_EMPTY_DATA):
        peer.data(1)
    peer.data(1, b"x")
    for _ in range(limits.MAX_EMPTY_DATA):
        peer.data(1)
    assert list(stream.chunks)[:3] == [b"", b"", b""]
    assert b"".join(stream.chunks) == b"x"
    assert len(stream.chunks) == limits.MAX_SMALL_CHUNKS
    peer.data(1, padding=5)
    peer.expect_connection_error(ErrorCode.ENHANCE_YOUR_CALM)


def test_many_small_unread_pieces_are_joined() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    body = b""
    for n in range(10_000):
        piece = b"%05d" % n
        body += piece
        peer.data(1, piece)
    assert b"".join(stream.chunks) == body
    assert len(stream.chunks) < limits.MAX_SMALL_CHUNKS + 20


class Sliced(bytes):
    """Octets that count how many of them are copied."""

    copied = 0

    def __getitem__(self, at: Any) -> Any:
        piece = super().__getitem__(at)
        if isinstance(at, slice):
            Sliced.copied += len(piece)
        return piece


def test_continuations_do_not_copy_what_comes_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read is up to 256 KiB, and 29,000 empty frames find room in it."""
    monkeypatch.setattr(Sliced, "copied", 0)
    peer = connected()
    stream = peer.request()
    octets = frame("HEADERS", 0, 1) + frame("CONTINUATION", 0, 1) * 60
    octets += frame("CONTINUATION", END_HEADERS, 1, peer.block(OK))
    octets += frame("DATA", 0, 1, bytes(16_000)) * 10
    peer.protocol.receive_data(Sliced(octets))
    assert stream.status == 200
    assert Sliced.copied < 2 * len(octets)


# one type after the other


def test_priority_inside_headers_is_ignored() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, priority=b"\x80\0\0\x01\xff", padding=4, end=True)
    assert stream.ended
    peer.request()
    peer.frame("HEADERS", END_HEADERS | PRIORITY, 3, b"\0\0\0\0")
    peer.expect_connection_error(ErrorCode.FRAME_SIZE_ERROR)


def test_headers_on_stream_0_end_the_connection_even_in_parts() -> None:
    peer = connected()
    peer.frame("HEADERS", 0, 0, b"\x88")
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_priority_frames_are_held_to_their_form_only() -> None:
    """RFC 9113 §5.3.2, §6.3."""
    peer = connected()
    stream = peer.request()
    peer.priority(1)
    peer.priority(99)
    peer.expect_nothing()
    peer.frame("PRIORITY", 0, 1, b"four")
    peer.expect_stream_error(1, ErrorCode.FRAME_SIZE_ERROR)
    assert stream.error is not None
    peer.frame("PRIORITY", 0, 1, b"four")
    peer.expect_connection_error(ErrorCode.FRAME_SIZE_ERROR)


def test_a_reset_says_why_and_whether_to_try_again() -> None:
    peer = connected()
    cancelled, refused = peer.request(), peer.request()
    assert peer.rst_stream(1, ErrorCode.CANCEL) == [cancelled]
    peer.rst_stream(3, ErrorCode.REFUSED_STREAM)
    assert isinstance(cancelled.error, StreamResetError)
    assert cancelled.error.error_code == ErrorCode.CANCEL
    assert not cancelled.error.retryable
    assert refused.error.retryable
    assert not peer.protocol.streams
    peer.rst_stream(1)
    peer.check_usable()


def test_a_reset_after_the_end_leaves_the_response_whole() -> None:
    """RFC 9113 §8.1: the server has had enough of the upload."""
    peer = connected()
    upload = peer.upload()
    peer.answer(1, b"enough")
    assert peer.rst_stream(1, ErrorCode.NO_ERROR) == [upload]
    assert upload.error is None and upload.ended


def test_resets_are_counted() -> None:
    peer = connected()
    for _ in range(limits.RESET_BURST):
        stream = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
        peer.rst_stream(stream.id)
    assert not peer.protocol.closed
    peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
    peer.rst_stream(stream.id + 2)
    assert peer.protocol.closed


#: Where RFC 9113 says what is wrong with a frame.
SECTIONS = {
    "PRIORITY": "6.3",
    "RST_STREAM": "6.4",
    "SETTINGS": "6.5",
    "PING": "6.7",
    "GOAWAY": "6.8",
    "WINDOW_UPDATE": "6.9",
    "CONTINUATION": "6.10",
    "PUSH_PROMISE": "8.4",
}


@pytest.mark.parametrize(
    ("kind", "flags", "stream_id", "payload", "code"),
    [
        ("PRIORITY", 0, 0, bytes(5), ErrorCode.PROTOCOL_ERROR),
        ("RST_STREAM", 0, 0, bytes(4), ErrorCode.PROTOCOL_ERROR),
        ("RST_STREAM", 0, 1, bytes(3), ErrorCode.FRAME_SIZE_ERROR),
        ("SETTINGS", 0, 1, b"", ErrorCode.PROTOCOL_ERROR),
        ("SETTINGS", ACK, 0, bytes(6), ErrorCode.FRAME_SIZE_ERROR),
        ("PING", 0, 1, bytes(8), ErrorCode.PROTOCOL_ERROR),
        ("PING", 0, 0, bytes(9), ErrorCode.FRAME_SIZE_ERROR),
        ("GOAWAY", 0, 1, bytes(8), ErrorCode.PROTOCOL_ERROR),
        ("GOAWAY", 0, 0, bytes(7), ErrorCode.FRAME_SIZE_ERROR),
        ("WINDOW_UPDATE", 0, 0, bytes(4), ErrorCode.PROTOCOL_ERROR),
        ("WINDOW_UPDATE", 0, 0, bytes(5), ErrorCode.FRAME_SIZE_ERROR),
        ("CONTINUATION", END_HEADERS, 1, b"\x88", ErrorCode.PROTOCOL_ERROR),
        ("PUSH_PROMISE", END_HEADERS, 1, b"\0\0\0\2\x82", ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_a_frame_of_the_wrong_form_ends_the_connection(
    kind: str, flags: int, stream_id: int, payload: bytes, code: ErrorCode
) -> None:
    peer = connected()
    peer.request()
    peer.frame(kind, flags, stream_id, payload)
    goaway = peer.expect_connection_error(code)
    # Whoever reads the log of a server finds the rule.
    assert f"(RFC 9113 §{SECTIONS[kind]}" in goaway.debug.decode()


def test_settings_are_acknowledged_and_shift_every_window() -> None:
    """RFC 9113 §6.9.2."""
    peer = connected({"max_concurrent_streams": 2})
    upload, done = peer.upload(), peer.request()
    queued = peer.queue()
    assert set(peer.settings(initial_window_size=100_000)) == {upload, queued}
    peer.expect("SETTINGS", ack=True)
    assert upload.send_window == done.send_window == queued.send_window == 100_000
    assert peer.settings(initial_window_size=0) == []
    assert upload.send_window == 0
    peer.settings(initial_window_size=0, max_concurrent_streams=3)
    assert queued.opened


def test_a_window_may_become_negative_and_not_overflow() -> None:
    peer = connected()
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(1000), end=False)
    peer.settings(initial_window_size=10)
    assert upload.send_window == 10 - 1000
    assert peer.protocol.room(upload) == 0
    peer.written()
    peer.window_update(1, 2000)
    peer.settings(initial_window_size=2**31 - 1)
    peer.expect_connection_error(ErrorCode.FLOW_CONTROL_ERROR)


def test_our_encoder_follows_the_peers_table() -> None:
    """RFC 7541 §4.2: the smallest size is announced first."""
    peer = connected()
    peer.settings((1, 0), (1, 4096))
    peer.written()
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.expect("HEADERS", stream_id=1)


def test_our_settings_are_in_force_from_their_acknowledgement_on() -> None:
    """RFC 9113 §6.5.3."""
    peer = fresh(stream_window=1000)
    peer.settings()
    stream = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
    assert stream.receive_window == 65_535
    peer.settings(ack=True)
    assert stream.receive_window == stream.initial_receive_window == 1000
    other = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
    assert other.receive_window == 1000
    peer.settings(ack=True)
    assert stream.receive_window == 1000


@pytest.mark.parametrize("promised", [False, True])
def test_a_small_window_opens_though_some_was_read_before_it_was_acknowledged(
    promised: bool,
) -> None:
    """RFC 9113 §6.5.3: until then the peer goes by 65,535, and may end up below zero."""
    peer = fresh(stream_window=1000, enable_push=True)
    peer.settings()
    stream = peer.protocol.request(b"GET", b"https", b"h", b"/", [], end=True)
    stream_id = 1
    if promised:
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "h"), (":path", "/")]
        peer.push_promise(1, 2, fields)
        (stream,), stream_id = stream.pushes, 2
    peer.headers(stream_id)
    peer.frame("DATA", 0, stream_id, bytes(3000))

    def read() -> None:
        increment = stream.consumed(len(stream.chunks.popleft()))
        if increment:
            peer.protocol.widen(stream, increment)

    read()
    peer.settings(ack=True)
    for _ in range(100):
        assert 0 < stream.receive_window <= 1000 * limits.WINDOW_GROWTH
        peer.frame("DATA", 0, stream_id, bytes(min(stream.receive_window, 500)))
        assert stream.error is None
        read()


def unacknowledged() -> Peer:
    """A client whose SETTINGS the peer has not answered yet, with a request open."""
    peer = fresh()
    peer.settings()
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.expect_preface()
    peer.written()
    return peer


def test_a_promise_in_parts_is_refused_as_well() -> None:
    peer = unacknowledged()
    peer.push_promise(1, 2, [(":method", "GET")], end_headers=False, padding=3)
    peer.expect_nothing()
    peer.continuation(1, b"")
    peer.expect("RST_STREAM", stream_id=2)


@pytest.mark.parametrize(
    ("stream_id", "payload", "code"),
    [
        (1, b"\0\0", ErrorCode.FRAME_SIZE_ERROR),
        (1, b"\0\0\0\3\x82", ErrorCode.PROTOCOL_ERROR),
        (1, b"\0\0\0\0\x82", ErrorCode.PROTOCOL_ERROR),
        (3, b"\0\0\0\2\x82", ErrorCode.PROTOCOL_ERROR),
        (0, b"\0\0\0\2\x82", ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_a_promise_that_cannot_be(stream_id: int, payload: bytes, code: ErrorCode) -> None:
    """RFC 9113 §6.6."""
    peer = unacknowledged()
    peer.frame("PUSH_PROMISE", END_HEADERS, stream_id, payload)
    peer.expect_connection_error(code)


def test_promised_ids_must_grow() -> None:
    peer = unacknowledged()
    peer.push_promise(1, 4, [(":method", "GET")])
    peer.push_promise(1, 2, [(":method", "GET")])
    assert peer.protocol.closed


def test_a_ping_is_answered_with_its_own_octets() -> None:
    """RFC 9113 §6.7."""
    peer = connected()
    peer.ping(b"whatever")
    peer.expect("PING", opaque=b"whatever", ack=True)
    assert peer.ping(b"unasked!", ack=True) == []
    peer.expect_nothing()


def test_goaway_lets_older_streams_finish_and_gives_the_others_back() -> None:
    """RFC 9113 §6.8."""
    peer = connected({"max_concurrent_streams": 3})
    first, ended, last = peer.request(), peer.upload(), peer.request()
    peer.answer(ended.id, b"whole")
    queued = peer.queue()
    assert set(peer.goaway(last=1)) == {ended, last, queued}
    assert not peer.protocol.accepting
    assert isinstance(last.error, ConnectionError) and last.error.retryable
    assert "stream 5 was not processed and may be sent again" in str(last.error)
    assert queued.error.retryable
    assert ended.error is None
    peer.ping()
    peer.expect("PING", ack=True)
    peer.answer(1, b"late")
    assert first.ended and list(first.chunks) == [b"late"]


def test_debug_data_is_bounded() -> None:
    peer = connected()
    stream = peer.request()
    peer.goaway(last=0, debug=b"x" * 10_000)
    assert len(str(stream.error)) < limits.MAX_DEBUG_DATA + 200


def test_an_open_window_wakes_those_who_wait_for_it() -> None:
    peer = connected({"initial_window_size": 65_535})
    upload, done = peer.upload(), peer.request()
    assert peer.window_update(0, 1) == []
    peer.protocol.send_body(upload, bytes(65_535), end=False)
    assert peer.window_update(1, 10) == [upload]
    peer.protocol.send_body(upload, bytes(1), end=False)
    assert peer.protocol.send_window == 0
    assert peer.window_update(0, 100) == [upload]
    assert peer.window_update(done.id, 5) == []


@pytest.mark.parametrize(
    ("increment", "code"),
    [(0, ErrorCode.PROTOCOL_ERROR), (2**31 - 1, ErrorCode.FLOW_CONTROL_ERROR)],
)
def test_increments_that_cannot_be(increment: int, code: ErrorCode) -> None:
    """RFC 9113 §6.9, §6.9.1: an error of whatever they concern."""
    peer = connected()
    peer.request()
    peer.window_update(1, increment)
    peer.expect_stream_error(1, code)
    peer.window_update(1, increment)
    peer.expect_nothing()
    peer.frame("WINDOW_UPDATE", 0, 0, struct.pack(">L", increment))
    peer.expect_connection_error(code)


def test_the_flag_that_ends_a_stream_counts_on_data_and_headers_alike() -> None:
    peer = connected()
    one, two = peer.request(), peer.request()
    peer.headers(1)
    peer.frame("DATA", END_STREAM, 1, b"x")
    peer.headers(3, end=True)
    assert one.ended and two.ended


def test_headers_may_be_padded() -> None:
    """RFC 9113 §6.2."""
    peer = connected()
    stream = peer.request()
    peer.headers(1, [*OK, ("a", "b")], padding=9, end=True)
    assert list(stream.headers) == [(b"a", b"b")]


def test_a_ping_of_ours_ends_with_its_answer() -> None:
    peer = connected()
    first, second = peer.protocol.ping(b"11111111"), peer.protocol.ping(b"22222222")
    assert peer.ping(b"22222222", ack=True) == [second]
    assert second.ended and not first.ended


def test_padded_trifles_are_given_back_in_bulk() -> None:
    peer = connected()
    peer.request()
    peer.headers(1)
    peer.data(1, b"x", padding=1)
    peer.expect_nothing()


def test_updates_for_a_stream_that_has_sent_everything_are_noise() -> None:
    peer = connected()
    peer.request()
    assert peer.window_update(1, 5) == []
    peer.expect_nothing()


def test_an_empty_frame_may_end_a_response() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    peer.data(1, b"", end=True)
    assert stream.ended and not stream.chunks


def test_a_block_may_take_several_continuations() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [*OK, ("x-long", "y" * 30)], fragments=4)
    assert list(stream.headers) == [(b"x-long", b"y" * 30)]
