"""``hyper.http20.promises``: server push for those who ask for it (RFC 9113 §8.4)."""

from __future__ import annotations

from typing import Any

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ErrorCode
from hyper.http20.promises import PushedStream
from tests.peer import Fields, Peer, connected

PROMISE = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "example.org"),
    (":path", "/style.css"),
    ("accept", "text/css"),
]


def promised(**options: Any) -> tuple[Peer, Any, PushedStream]:
    """A request of ours, and the push that was promised along with it."""
    peer = connected(enable_push=True, **options)
    stream = peer.request()
    assert peer.push_promise(1, 2, PROMISE) == [stream]
    (push,) = stream.pushes
    return peer, stream, push


def test_whoever_asks_for_pushes_says_so_and_how_many() -> None:
    peer = connected(enable_push=True)
    assert peer.protocol.local_settings[2] == 1
    assert peer.protocol.local_settings[3] == limits.MAX_PUSHES


def test_a_promise_tells_the_request_it_answers() -> None:
    peer, _, push = promised()
    assert push.id == 2 and push.same_origin
    assert push.promise.method == b"GET" and push.promise.scheme == b"https"
    assert push.promise.authority == b"example.org" and push.promise.path == b"/style.css"
    assert list(push.promise.headers) == [(b"accept", b"text/css")]
    assert push.state == "reserved (remote)"
    peer.headers(2, [(":status", "103")])
    assert push.state == "half-closed (local)"
    peer.expect_nothing()


def test_a_push_is_answered_like_any_exchange() -> None:
    peer, stream, push = promised()
    peer.headers(2, [(":status", "200"), ("content-length", "4")])
    assert peer.data(2, b"body", end=True) == [push]
    assert push.ended and list(push.chunks) == [b"body"]
    assert not stream.ended
    peer.answer(1)
    assert peer.protocol.idle


def test_promises_may_come_before_between_and_after_the_parts_of_a_response() -> None:
    peer = connected(enable_push=True)
    stream = peer.request()
    peer.push_promise(1, 2, PROMISE)
    peer.headers(1)
    peer.push_promise(1, 4, PROMISE)
    peer.data(1, b"x")
    peer.push_promise(1, 6, PROMISE)
    assert [push.id for push in stream.pushes] == [2, 4, 6]


def test_a_push_takes_no_slot_of_ours() -> None:
    peer = connected({"max_concurrent_streams": 1}, enable_push=True)
    peer.request()
    peer.push_promise(1, 2, PROMISE)
    queued = peer.queue()
    peer.answer(2)
    assert not queued.opened
    peer.answer(1)
    assert queued.opened


def test_a_push_may_be_cancelled() -> None:
    peer, _, push = promised()
    peer.protocol.cancel(push)
    peer.expect("RST_STREAM", stream_id=2, error_code=ErrorCode.CANCEL)
    peer.headers(2)
    peer.check_usable()


def test_a_push_in_answer_to_head_has_no_body() -> None:
    peer = connected(enable_push=True)
    stream = peer.request()
    peer.push_promise(1, 2, [(":method", "HEAD"), *PROMISE[1:]])
    peer.headers(2, [(":status", "200"), ("content-length", "4")], end=True)
    assert stream.pushes[0].ended


@pytest.mark.parametrize(
    "fields",
    [
        PROMISE[:3],
        [*PROMISE[:4], (":path", "/again")],
        [*PROMISE[:4], ("a", "b"), (":path", "/late")],
        [(":method", "POST"), *PROMISE[1:]],
        [*PROMISE[:3], (":path", "no slash")],
        [(":method", "GET"), (":scheme", "https"), (":authority", "a b"), (":path", "/")],
        [*PROMISE, ("content-length", "5")],
        [*PROMISE, ("connection", "close")],
        [*PROMISE, ("Upper", "x")],
    ],
)
def test_malformed_promises_are_reset(fields: Fields) -> None:
    """RFC 9113 §8.4: safe, cacheable, without content, and well-formed."""
    peer = connected(enable_push=True)
    stream = peer.request()
    assert peer.push_promise(1, 2, fields) == []
    peer.expect_stream_error(2, ErrorCode.PROTOCOL_ERROR)
    assert not stream.pushes
    peer.answer(1)
    peer.check_usable()


@pytest.mark.parametrize("field", [(":scheme", "http"), (":authority", "example.com")])
def test_promises_for_other_origins_are_reset_unless_asked_for(field: tuple[str, str]) -> None:
    fields = [field if field[0] == name else (name, value) for name, value in PROMISE]
    peer = connected(enable_push=True)
    peer.request()
    peer.push_promise(1, 2, fields)
    peer.expect_stream_error(2, ErrorCode.PROTOCOL_ERROR)
    peer = connected(enable_push=True, foreign_pushes=True)
    stream = peer.request()
    peer.push_promise(1, 2, fields)
    assert [push.same_origin for push in stream.pushes] == [False]


def test_pushes_are_counted() -> None:
    peer = connected(enable_push=True)
    stream = peer.request()
    for n in range(limits.MAX_PUSHES):
        peer.push_promise(1, 2 + 2 * n, PROMISE)
    peer.expect_nothing()
    peer.push_promise(1, 202, PROMISE)
    peer.expect_stream_error(202, ErrorCode.REFUSED_STREAM)
    peer.answer(2)
    peer.push_promise(1, 204, PROMISE)
    assert len(stream.pushes) == limits.MAX_PUSHES + 1


def test_promises_that_must_be_reset_are_counted_too() -> None:
    peer = connected(enable_push=True)
    peer.request()
    for n in range(limits.RESET_BURST + 1):
        assert not peer.protocol.closed
        peer.push_promise(1, 2 + 2 * n, PROMISE[:1])
    assert peer.protocol.closed


def test_promises_that_are_refused_are_counted_too() -> None:
    """Each is answered, and nothing else bounds what a flood of them has us write."""
    peer = connected(enable_push=True)
    peer.request()
    for n in range(limits.MAX_PUSHES + limits.RESET_BURST):
        peer.push_promise(1, 2 + 2 * n, PROMISE)
    assert not peer.protocol.closed
    peer.push_promise(1, 2 * (limits.MAX_PUSHES + limits.RESET_BURST) + 2, PROMISE)
    assert peer.protocol.closed


def test_a_promise_on_a_stream_that_is_gone_is_refused() -> None:
    peer = connected(enable_push=True)
    peer.protocol.cancel(peer.request())
    peer.written()
    peer.push_promise(1, 2, PROMISE)
    peer.expect("RST_STREAM", stream_id=2, error_code=ErrorCode.REFUSED_STREAM)
    peer.check_usable()


def test_nothing_is_promised_after_the_end_of_a_response() -> None:
    peer = connected(enable_push=True)
    upload = peer.upload()
    peer.headers(upload.id, end=True)
    peer.push_promise(upload.id, 2, PROMISE)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_a_push_promises_nothing_itself() -> None:
    peer, _, _ = promised()
    peer.push_promise(2, 4, PROMISE)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_a_goodbye_says_nothing_about_pushes() -> None:
    peer, _, push = promised()
    peer.goaway(last=1)
    peer.answer(2, b"pushed")
    assert push.ended


@pytest.mark.parametrize(("kind", "payload"), [("DATA", b"x"), ("WINDOW_UPDATE", b"\0\0\0\1")])
def test_a_push_begins_with_its_head(kind: str, payload: bytes) -> None:
    """RFC 9113 §5.1: reserved (remote)."""
    peer, _, push = promised()
    peer.frame(kind, 0, 2, payload)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)
    assert push.error is not None


@pytest.mark.parametrize(
    "refused",
    [[*PROMISE[:2], (":authority", "example.com"), *PROMISE[3:]], PROMISE[1:]],
    ids=["another origin", "malformed"],
)
def test_promises_that_may_not_be_are_refused_until_there_are_too_many(refused: Fields) -> None:
    """Each is answered by a frame of ours, so the answers have to be bounded."""
    peer = connected(enable_push=True, reset_burst=5, clock=lambda: 0.0)
    peer.request()
    for promised_id in range(2, 12, 2):
        peer.push_promise(1, promised_id, refused)
        peer.expect_stream_error(promised_id, ErrorCode.PROTOCOL_ERROR)
    peer.push_promise(1, 12, refused)
    peer.expect_connection_error(ErrorCode.ENHANCE_YOUR_CALM)
