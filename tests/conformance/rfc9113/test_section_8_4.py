"""RFC 9113 §8.4: server push, which this client refuses."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import Peer, fresh

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
