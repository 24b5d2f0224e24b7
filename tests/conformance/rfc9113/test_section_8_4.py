"""RFC 9113 §8.4: server push: refused, unless it was asked for."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import OK, Peer, body_of, connected, fresh

REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "example.org"), (":path", "/p")]


def test_push_is_switched_off_in_the_first_settings(fresh_peer: Peer) -> None:
    """§8.4: a client can request that push be disabled."""
    fresh_peer.expect_preface()
    assert fresh_peer.expect("SETTINGS").settings[0x2] == 0


def test_a_server_that_pushes_all_the_same_breaks_the_connection(peer: Peer) -> None:
    """§8.4, §6.6: PROTOCOL_ERROR, once it has acknowledged our SETTINGS."""
    exchange = peer.request()
    peer.push_promise(exchange.id, 2, REQUEST)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)


@pytest.mark.parametrize("fields", [REQUEST, [(":method", "POST")], [("no", "request")], []])
def test_a_promise_under_way_is_refused_whatever_it_promises(
    fields: list[tuple[str, str]],
) -> None:
    """§8.4.1, §8.4.2: by resetting the promised stream, never the one that it came on."""
    peer = fresh()
    peer.expect_preface()
    peer.settings()
    peer.written()
    exchange = peer.request()
    peer.push_promise(exchange.id, 2, fields)
    peer.expect_stream_error(
        2, ErrorCode.REFUSED_STREAM, ErrorCode.CANCEL, ErrorCode.PROTOCOL_ERROR
    )
    peer.answer(exchange.id, b"body")
    assert exchange.ended
    assert not exchange.pushes


def test_refused_pushes_take_no_slot_and_no_memory() -> None:
    """§5.1.2: reserved streams do not count; a flood of them must not pile up."""
    peer = fresh()
    peer.expect_preface()
    peer.settings(max_concurrent_streams=1)
    peer.written()
    exchange = peer.request()
    for promised in range(2, 402, 2):
        peer.push_promise(exchange.id, promised, REQUEST)
        peer.headers(promised, end=True)
    assert {written.name for written in peer.written()} == {"RST_STREAM"}
    assert len(peer.protocol.streams) == 1
    peer.answer(exchange.id)
    assert exchange.ended
    peer.check_usable()


def test_a_client_never_promises_anything(peer: Peer) -> None:
    """§8.4: the peer objects to every frame type that is not a client's, in every test."""
    peer.request()
    peer.expect_nothing()


# For a client that asked for pushes.


@pytest.fixture
def eager() -> Peer:
    """The peer of a client that takes pushes."""
    return connected(enable_push=True)


def test_a_client_that_wants_pushes_says_so(eager: Peer) -> None:
    """§6.5.2: 1 is the initial value, so saying nothing would do as well."""
    assert eager.client_settings[0x2] == 1


def test_a_promise_is_an_exchange_that_the_server_started(eager: Peer) -> None:
    """§8.4.1, §8.4.2: promise, head, body, end."""
    exchange = eager.request()
    assert exchange in eager.push_promise(exchange.id, 2, [*REQUEST, ("accept", "*/*")])
    (push,) = exchange.pushes
    assert push.id == 2
    assert push.state == "reserved (remote)"
    eager.headers(2, [(":status", "200"), ("x-pushed", "1")])
    assert push.state == "half-closed (local)"
    assert push.headers == [(b"x-pushed", b"1")]
    eager.data(2, b"pushed", end=True)
    assert push.ended
    assert body_of(push) == b"pushed"
    eager.answer(exchange.id, b"asked for")
    assert body_of(exchange) == b"asked for"
    eager.expect_nothing()


@pytest.mark.parametrize("fragments", [1, 3])
def test_a_promise_comes_anywhere_in_a_response(eager: Peer, fragments: int) -> None:
    """§8.4.1: between any of its frames, but not within a field block."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, REQUEST)
    eager.headers(exchange.id, fragments=1)
    eager.push_promise(exchange.id, 4, REQUEST)
    eager.data(exchange.id, b"body")
    eager.push_promise(exchange.id, 8, REQUEST)
    eager.headers(exchange.id, [("x-t", "1" * 30)], end=True, fragments=fragments)
    assert [push.id for push in exchange.pushes] == [2, 4, 8]
    assert exchange.ended
    for push_id in (8, 2, 4):
        eager.answer(push_id, b"x")
    assert all(push.ended for push in exchange.pushes)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        REQUEST[:3],
        REQUEST[1:],
        [*REQUEST, (":path", "/again")],
        [*REQUEST, (":status", "200")],
        [("x", "y"), *REQUEST],
        [(":method", "POST"), *REQUEST[1:]],
        [(":method", "DELETE"), *REQUEST[1:]],
        [(":method", "OPTIONS"), *REQUEST[1:]],
        [*REQUEST, ("content-length", "5")],
        [*REQUEST, ("X-Upper", "1")],
        [*REQUEST, ("connection", "close")],
        [*REQUEST[:3], (":path", "")],
        [*REQUEST[:3], (":path", "relative")],
        [*REQUEST[:2], (":authority", "other.example"), REQUEST[3]],
        [REQUEST[0], (":scheme", "http"), *REQUEST[2:]],
    ],
)
def test_a_promise_that_may_not_be_made_is_reset(
    eager: Peer, fields: list[tuple[str, str]]
) -> None:
    """§8.4, §8.4.1: incomplete, not safe, not cacheable, with content, or of another origin."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, fields)
    eager.expect_stream_error(2, ErrorCode.PROTOCOL_ERROR)
    assert not exchange.pushes
    eager.answer(exchange.id)
    assert exchange.ended
    eager.check_usable()


def test_a_reserved_stream_may_be_released_by_either_side(eager: Peer) -> None:
    """§5.1 "reserved (remote)"."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, REQUEST)
    eager.push_promise(exchange.id, 4, REQUEST)
    theirs, ours = exchange.pushes
    assert theirs in eager.rst_stream(2)
    assert theirs.error is not None
    eager.protocol.cancel(ours)
    eager.expect_stream_error(4, ErrorCode.CANCEL)
    eager.answer(4, b"late")
    eager.expect_nothing()
    eager.answer(exchange.id)
    assert exchange.ended


def test_at_most_100_pushes_are_kept_open(eager: Peer) -> None:
    """§5.1.2, §10.5: announced, and more are refused rather than remembered."""
    assert eager.client_settings[0x3] == 100
    exchange = eager.request()
    for promised in range(2, 202, 2):
        eager.push_promise(exchange.id, promised, REQUEST)
    eager.expect_nothing()
    eager.push_promise(exchange.id, 202, REQUEST)
    eager.expect_stream_error(202, ErrorCode.REFUSED_STREAM)
    assert len(exchange.pushes) == 100
    eager.answer(2)
    eager.push_promise(exchange.id, 204, REQUEST)
    eager.expect_nothing()


@pytest.mark.parametrize("stream_id", [2, 4])
def test_a_promise_on_a_pushed_stream_is_a_connection_error(eager: Peer, stream_id: int) -> None:
    """§6.6, §8.4.1: promises come on streams that the client opened."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, REQUEST)
    eager.headers(2, OK)
    eager.push_promise(stream_id, 6, REQUEST)
    eager.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_a_promise_after_the_end_of_the_response_is_a_connection_error(eager: Peer) -> None:
    """§6.6: the stream must be open or half-closed (local); here our upload keeps it known."""
    upload = eager.upload()
    eager.headers(upload.id, end=True)
    eager.push_promise(upload.id, 2, REQUEST)
    eager.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("promised", [0, 1, 3, 2, 4])
def test_a_promise_of_a_stream_that_is_not_idle_is_a_connection_error(
    eager: Peer, promised: int
) -> None:
    """§6.6, §5.1.1: even, above 0, and above every promise before it."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 4, REQUEST)
    eager.push_promise(exchange.id, promised, REQUEST)
    eager.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_a_broken_connection_fails_its_pushes_as_well(eager: Peer) -> None:
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, REQUEST)
    push = exchange.pushes[0]
    assert push in eager.frame("DATA")
    goaway = eager.expect_connection_error(ErrorCode.PROTOCOL_ERROR)
    assert goaway.last_stream_id == 2, "the last stream of theirs that we have seen (§6.8)"
    assert isinstance(push.error, ProtocolError)


def test_what_we_say_of_the_last_stream_never_grows(eager: Peer) -> None:
    """§6.8: a server may have taken the smaller number at its word."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, REQUEST)
    eager.protocol.close()
    eager.expect("GOAWAY", last_stream_id=2, error_code=ErrorCode.NO_ERROR)
    eager.push_promise(exchange.id, 4, REQUEST)
    eager.written()
    eager.frame("DATA")
    assert eager.expect_connection_error(ErrorCode.PROTOCOL_ERROR).last_stream_id == 2


def test_window_updates_for_a_pushed_body_are_sent_on_its_stream(eager: Peer) -> None:
    """§5.1: a half-closed (local) stream may still send WINDOW_UPDATE."""
    exchange = eager.request()
    eager.push_promise(exchange.id, 2, REQUEST)
    push = exchange.pushes[0]
    eager.headers(2)
    for _ in range(64):
        eager.data(2, bytes(16_384))
    push.chunks.clear()
    eager.written()
    assert eager.window_of(2) == 0
    eager.protocol.widen(push, push.consumed(1 << 20))
    eager.expect("WINDOW_UPDATE", stream_id=2)
    assert eager.window_of(2) >= 1 << 20
