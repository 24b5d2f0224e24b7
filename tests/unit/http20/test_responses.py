"""``hyper.http20.responses``: what field blocks do to their streams."""

from __future__ import annotations

import pytest

from hyper.http20 import limits, responses
from hyper.http20.exceptions import ErrorCode, HPACKDecodingError, ProtocolError
from tests.peer import OK, connected, frame

END_HEADERS = 0x4


def test_a_head_fills_in_status_and_fields() -> None:
    peer = connected()
    stream = peer.request()
    assert peer.headers(1, [(":status", "404"), ("server", "x")]) == [stream]
    assert stream.status == 404
    assert list(stream.headers) == [(b"server", b"x")]
    assert not stream.ended
    peer.data(1, b"", end=True)
    assert stream.ended and stream.trailers is None


@pytest.mark.parametrize("status", ["204", "304"])
def test_some_statuses_have_no_body(status: str) -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [(":status", status), ("content-length", "7")])
    assert peer.data(1, b"", end=True) != []
    assert stream.ended
    other = peer.request()
    peer.headers(3, [(":status", status)])
    peer.data(3, b"x", end=True)
    peer.expect_stream_error(3, ErrorCode.PROTOCOL_ERROR)
    assert other.error is not None


def test_the_same_block_is_read_from_memory_and_means_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = connected()
    first = peer.request()
    peer.answer(1, fields=[*OK, ("server", "x"), ("content-length", "0")])
    second, third = peer.request(), peer.request()
    peer.answer(3, fields=[*OK, ("server", "x"), ("content-length", "0")])
    monkeypatch.setattr(peer.protocol, "_decode", None)
    peer.answer(5, fields=[*OK, ("server", "x"), ("content-length", "0")])
    assert first.headers == second.headers == third.headers
    assert (third.status, third.ended, third.expected) == (200, True, 0)


def test_a_change_of_the_table_makes_memory_forget() -> None:
    peer = connected()
    streams = [peer.request() for _ in range(4)]
    indexed = b"\xbe"  # index 62, the newest entry of the dynamic table
    for stream, value in zip(streams, (b"one", b"two"), strict=False):
        literal = b"\x40\x01a" + bytes([len(value)]) + value
        peer.frame("HEADERS", END_HEADERS | 1, stream.id, b"\x88" + literal)
        assert list(stream.headers) == [(b"a", value)]
        other = streams[stream.id // 2 + 2]
        peer.frame("HEADERS", END_HEADERS | 1, other.id, b"\x88" + indexed)
        assert list(other.headers) == [(b"a", value)]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MAX_REMEMBERED_HEADS", 2)
    peer = connected()
    remembered = []
    for n in range(6):
        stream = peer.request()
        block = b"\x88\x00\x01a\x01" + bytes([97 + n])  # literal, not indexed: 7541 §6.2.2
        peer.frame("HEADERS", END_HEADERS | 1, stream.id, block)
        assert list(stream.headers) == [(b"a", bytes([97 + n]))]
        remembered.append(len(peer.protocol._heads))
    assert remembered == [1, 2, 1, 2, 1, 2]
    for size in (1017, 1018):  # with what is before it, 1024 and one more
        long = b"\x88\x00\x01a\x7f" + bytes([0x80 | size - 127 & 0x7F, size - 127 >> 7])
        long += b"x" * size
        stream = peer.request()
        peer.frame("HEADERS", END_HEADERS | 1, stream.id, long)
        assert stream.status == 200
        assert (long in peer.protocol._heads) == (len(long) <= 1024)
    assert len(long) == 1025


def test_interim_heads_are_collected() -> None:
    peer = connected()
    stream = peer.request()
    assert peer.headers(1, [(":status", "103"), ("link", "</a>")]) == [stream]
    peer.headers(1, [(":status", "100")])
    assert [status for status, _ in stream.informational] == [103, 100]
    assert stream.status == 0
    peer.answer(1)
    assert stream.status == 200


@pytest.mark.parametrize(("status", "end"), [("101", False), ("100", True)])
def test_interim_heads_that_cannot_be(status: str, end: bool) -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [(":status", status)], end=end)
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    assert status in str(stream.error)


def test_interim_heads_are_counted() -> None:
    peer = connected()
    stream = peer.request()
    for _ in range(limits.MAX_INFORMATIONAL):
        peer.headers(1, [(":status", "103")])
    assert stream.error is None
    peer.headers(1, [(":status", "103")])
    peer.expect_stream_error(1, ErrorCode.ENHANCE_YOUR_CALM)
    assert "101 interim responses" in str(stream.error)


def test_interim_heads_are_measured_together() -> None:
    peer = connected(max_header_list_size=1000)
    stream = peer.request()
    peer.headers(1, [(":status", "103"), ("a", "x" * 467)])
    peer.headers(1, [(":status", "103"), ("a", "x" * 467)])
    assert stream.error is None
    peer.headers(1, [(":status", "103"), ("a", "")])
    peer.expect_stream_error(1, ErrorCode.ENHANCE_YOUR_CALM)


def test_trailers_end_the_response() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    peer.data(1, b"body")
    assert peer.headers(1, [("x-sum", "42")], end=True) == [stream]
    assert list(stream.trailers) == [(b"x-sum", b"42")]
    assert stream.ended


def test_trailers_may_look_like_a_head_that_was_seen_before() -> None:
    peer = connected()
    peer.request()
    peer.frame("HEADERS", END_HEADERS | 1, 1, b"\x88")
    stream = peer.request()
    peer.frame("HEADERS", END_HEADERS, 3, b"\x88")
    peer.frame("HEADERS", END_HEADERS | 1, 3, b"\x88")
    peer.expect_stream_error(3, ErrorCode.PROTOCOL_ERROR)
    assert "pseudo-header b':status'" in str(stream.error)


def test_trailers_that_do_not_end_the_stream_are_malformed() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    peer.headers(1, [("x-sum", "42")])
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    assert "second head" in str(stream.error)


def test_a_malformed_head_resets_its_stream_only() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [("server", "x")])
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    assert isinstance(stream.error, ProtocolError)
    assert "malformed response" in str(stream.error)
    peer.check_usable()


def test_headers_after_the_end_reset_what_is_left_of_the_stream() -> None:
    peer = connected()
    stream = peer.upload()
    peer.answer(1)
    peer.headers(1)
    peer.expect_stream_error(1, ErrorCode.STREAM_CLOSED)
    assert stream.ended and stream.error is None


def test_headers_of_a_closed_stream_still_feed_the_table() -> None:
    """RFC 9113 §4.3."""
    peer = connected()
    peer.protocol.cancel(peer.request())
    peer.written()
    peer.headers(1, [*OK, ("x-new", "value")])
    peer.expect_nothing()
    stream = peer.request()
    peer.answer(3, fields=[*OK, ("x-new", "value")])
    assert list(stream.headers) == [(b"x-new", b"value")]


def test_a_block_may_come_in_pieces() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, [*OK, ("x-long", "y" * 100)], end=True, fragments=5)
    assert stream.ended
    assert list(stream.headers) == [(b"x-long", b"y" * 100)]


@pytest.mark.parametrize("extra", [0, 1])
def test_continuations_are_counted_even_empty_ones(extra: int) -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1, OK, end_headers=False, end=True)
    for _ in range(limits.MAX_CONTINUATIONS - 1 + extra):
        peer.frame("CONTINUATION", 0, 1)
    if extra:
        peer.frame("CONTINUATION", END_HEADERS, 1)
        peer.expect_connection_error(ErrorCode.ENHANCE_YOUR_CALM)
    else:
        peer.frame("CONTINUATION", END_HEADERS, 1)
        assert stream.ended


def test_an_encoded_block_is_bounded_by_twice_the_list() -> None:
    peer = connected(max_header_list_size=1000)
    peer.request()
    peer.frame("HEADERS", 0, 1, b"x" * 1000)
    peer.frame("CONTINUATION", 0, 1, b"x" * 1000)
    assert not peer.protocol.closed
    peer.frame("CONTINUATION", 0, 1, b"x")
    goaway = peer.expect_connection_error(ErrorCode.ENHANCE_YOUR_CALM)
    assert b"2001 octets" in goaway.debug


def test_a_block_that_cannot_be_read_ends_the_connection() -> None:
    peer = connected()
    stream = peer.request()
    peer.frame("HEADERS", END_HEADERS, 1, b"\x80")
    peer.expect_connection_error(ErrorCode.COMPRESSION_ERROR)
    assert isinstance(stream.error, HPACKDecodingError)


def test_a_list_beyond_the_limit_ends_the_connection() -> None:
    peer = connected(max_header_fields=3)
    peer.request()
    peer.raw(frame("HEADERS", END_HEADERS, 1, b"\x88" * 4))
    peer.expect_connection_error(ErrorCode.ENHANCE_YOUR_CALM)


def test_a_promise_before_our_settings_are_acknowledged_is_refused() -> None:
    """RFC 9113 §8.4: not an error yet; its block is the connection's all the same."""
    peer = connected()
    peer.protocol._settings_acked = False
    peer.request()
    peer.push_promise(1, 2, [(":method", "GET"), ("x-new", "value")])
    peer.expect("RST_STREAM", stream_id=2, error_code=ErrorCode.REFUSED_STREAM)
    peer.headers(2, [*OK, ("x-new", "value")])
    peer.data(2, b"dropped", end=True)
    peer.expect_nothing()
    peer.answer(1)
    peer.check_usable()


def test_a_tunnel_has_no_length_and_no_trailers() -> None:
    """RFC 9113 §8.5."""
    peer = connected()
    stream = peer.protocol.request(b"CONNECT", b"", b"example.org:443", b"", [], end=False)
    peer.written()
    peer.headers(stream.id, [(":status", "200"), ("content-length", "1")])
    peer.data(stream.id, b"octets")
    assert stream.error is None
    peer.headers(stream.id, [("x-trailer", "1")], end=True)
    peer.expect_stream_error(stream.id, ErrorCode.PROTOCOL_ERROR)


def test_a_tunnel_that_was_refused_is_an_ordinary_response() -> None:
    peer = connected()
    stream = peer.protocol.request(b"CONNECT", b"", b"example.org:443", b"", [], end=False)
    peer.written()
    peer.headers(stream.id, [(":status", "403"), ("content-length", "1")])
    peer.headers(stream.id, [("x-trailer", "1")], end=True)
    assert "0 octets of 1" in str(stream.error)
