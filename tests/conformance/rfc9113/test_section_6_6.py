"""RFC 9113 §6.6: PUSH_PROMISE, which this client has switched off.

What a promise has to look like is §8.4's as well; see ``test_section_8_4.py``.
"""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import Peer, fresh

REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "example.org"), (":path", "/p")]

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


@pytest.fixture
def early() -> Peer:
    """A peer that has not acknowledged our SETTINGS yet, so that its promises may be late news."""
    peer = fresh()
    peer.expect_preface()
    peer.settings()
    peer.written()
    return peer


@pytest.mark.parametrize("stream_id", [1, 3, 2, 0])
def test_a_promise_after_the_acknowledgement_is_a_connection_error(
    peer: Peer, stream_id: int
) -> None:
    """§6.6: the server has acknowledged SETTINGS_ENABLE_PUSH 0."""
    peer.request()
    peer.push_promise(stream_id, 4, REQUEST)
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_a_promise_before_the_acknowledgement_is_refused(early: Peer) -> None:
    """§8.4.2: RST_STREAM with REFUSED_STREAM or CANCEL tells a server to stop."""
    exchange = early.request()
    early.push_promise(exchange.id, 2, REQUEST)
    early.expect_stream_error(2, ErrorCode.REFUSED_STREAM, ErrorCode.CANCEL)
    early.headers(2, [(":status", "200"), ("x-pushed", "1")])
    early.data(2, b"pushed", end=True)
    early.expect_nothing()
    early.headers(exchange.id, [(":status", "200"), ("x-pushed", "1")], end=True)
    assert exchange.headers == [(b"x-pushed", b"1")]
    assert not exchange.pushes


def test_a_padded_promise_in_fragments_is_refused_as_well(early: Peer) -> None:
    exchange = early.request()
    early.push_promise(exchange.id, 2, REQUEST, padding=10, end_headers=False)
    early.expect_nothing()
    early.continuation(exchange.id, early.block([("x-more", "1")]))
    early.expect_stream_error(2, ErrorCode.REFUSED_STREAM, ErrorCode.CANCEL)
    early.answer(exchange.id, b"body", [(":status", "200"), ("x-more", "1")])
    assert exchange.headers == [(b"x-more", b"1")]


def test_pushed_data_that_was_under_way_gives_its_room_back(early: Peer) -> None:
    """§6.9: it counts against the connection like any other."""
    exchange = early.request()
    early.push_promise(exchange.id, 2, REQUEST)
    early.headers(2)
    for _ in range(1500):
        early.data(2, bytes(16_384))
        early.written()
    assert early.granted > 1 << 20
    early.answer(exchange.id)
    assert exchange.ended


@pytest.mark.parametrize("stream_id", [0, 3, 2])
def test_a_promise_on_no_open_stream_is_a_connection_error(early: Peer, stream_id: int) -> None:
    """§6.6: on stream 0, on one that is idle, on one of the server's own."""
    early.request()
    early.push_promise(stream_id, 2, REQUEST)
    early.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("promised", [0, 1, 3, 7])
def test_a_promise_of_an_illegal_stream_is_a_connection_error(early: Peer, promised: int) -> None:
    """§6.6, §5.1.1: a server promises even ids, never 0."""
    exchange = early.request()
    early.push_promise(exchange.id, promised, REQUEST)
    early.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("promised", [2, 4])
def test_a_promise_of_a_stream_that_is_not_idle_is_a_connection_error(
    early: Peer, promised: int
) -> None:
    """§6.6: ids only grow."""
    exchange = early.request()
    early.push_promise(exchange.id, 4, REQUEST)
    early.written()
    early.push_promise(exchange.id, promised, REQUEST)
    early.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("flags", "payload", "codes"),
    [
        (0x4, b"\0\0\0", (FRAME_SIZE_ERROR,)),
        (0x4 | 0x8, b"", (FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
        (0x4 | 0x8, b"\x05\0\0\0\x02", (PROTOCOL_ERROR,)),
        (0x4 | 0x8, b"\x01\0\0\0\x02", (FRAME_SIZE_ERROR, PROTOCOL_ERROR)),
    ],
)
def test_a_promise_too_short_or_padded_too_far_is_a_connection_error(
    early: Peer, flags: int, payload: bytes, codes: tuple[int, ...]
) -> None:
    """§6.6, §4.2."""
    exchange = early.request()
    early.frame("PUSH_PROMISE", flags, exchange.id, payload)
    early.expect_connection_error(*codes)


def test_a_promise_on_a_stream_that_we_reset_is_still_read(early: Peer) -> None:
    """§6.6: the promise may have been on its way; its block is the table's all the same."""
    exchange = early.request()
    early.protocol.cancel(exchange)
    early.written()
    early.push_promise(exchange.id, 2, [*REQUEST, ("x-learned", "here")])
    early.expect_stream_error(2, ErrorCode.REFUSED_STREAM, ErrorCode.CANCEL)
    other = early.request()
    early.headers(other.id, [(":status", "200"), ("x-learned", "here")], end=True)
    assert other.headers == [(b"x-learned", b"here")]


def test_an_undecodable_promise_is_a_compression_error(early: Peer) -> None:
    exchange = early.request()
    early.frame("PUSH_PROMISE", 0x4, exchange.id, b"\0\0\0\x02\x80")
    early.expect_connection_error(ErrorCode.COMPRESSION_ERROR)


def test_a_window_update_or_reset_for_a_refused_promise_is_late_not_wrong(early: Peer) -> None:
    exchange = early.request()
    early.push_promise(exchange.id, 2, REQUEST)
    early.written()
    early.rst_stream(2)
    early.expect_nothing()
    early.check_usable()
