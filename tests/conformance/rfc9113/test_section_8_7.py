"""RFC 9113 §8.7: request reliability: what surely was not processed may be sent again."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, HTTP20Error
from tests.peer import Peer


def test_a_refused_stream_may_be_sent_again(peer: Peer) -> None:
    exchange = peer.request(b"POST")
    peer.rst_stream(exchange.id, ErrorCode.REFUSED_STREAM)
    assert exchange.error.retryable


@pytest.mark.parametrize("code", [c for c in ErrorCode if c != ErrorCode.REFUSED_STREAM])
def test_any_other_reset_says_nothing_about_it(peer: Peer, code: int) -> None:
    exchange = peer.request()
    peer.rst_stream(exchange.id, code)
    assert not exchange.error.retryable


@pytest.mark.parametrize("code", ErrorCode)
def test_streams_above_goaways_last_may_be_sent_again_whatever_the_code(
    peer: Peer, code: int
) -> None:
    below, above = peer.request(), peer.request(b"POST")
    peer.goaway(below.id, code)
    assert above.error.retryable
    assert below.error is None


@pytest.mark.parametrize("how", ["lost", "broken", "malformed"])
def test_what_may_have_been_processed_is_not_to_be_repeated(peer: Peer, how: str) -> None:
    """§8.7: none of these says that the server did nothing."""
    exchange = peer.request(b"POST")
    if how == "lost":
        peer.protocol.connection_lost(None)
    elif how == "broken":
        peer.frame("DATA")
    else:
        peer.headers(exchange.id, [])
    assert isinstance(exchange.error, HTTP20Error)
    assert not exchange.error.retryable


@pytest.mark.parametrize("how", ["lost", "cable", "broken", "goaway"])
def test_what_never_left_may_always_be_sent_again(peer: Peer, how: str) -> None:
    peer.settings(max_concurrent_streams=1)
    peer.expect("SETTINGS", ack=True)
    sent, queued = peer.request(), peer.queue()
    if how == "lost":
        moved = peer.protocol.connection_lost(None)
    elif how == "cable":
        moved = peer.protocol.connection_lost(OSError("cable"))
    elif how == "broken":
        moved = peer.frame("DATA")
    else:
        moved = peer.goaway(sent.id)
    assert queued in moved
    assert isinstance(queued.error, HTTP20Error)
    assert queued.error.retryable


def test_a_ping_tells_whether_the_server_is_there(peer: Peer) -> None:
    """§8.7: PING is the way to test a connection without a request."""
    sign = peer.protocol.ping(b"anyone??")
    peer.expect("PING", opaque=b"anyone??", ack=False)
    peer.ping(b"anyone??", ack=True)
    assert sign.ended


@pytest.mark.parametrize("status", ["103", "200"])
@pytest.mark.parametrize("goaway", [False, True])
def test_a_response_that_had_begun_is_no_longer_refused(
    peer: Peer, goaway: bool, status: str
) -> None:
    """§8.7: to refuse it after a head contradicts that: a face must not repeat it silently."""
    exchange = peer.request(b"POST")
    peer.headers(exchange.id, [(":status", status)])
    if goaway:
        peer.goaway(0, ErrorCode.REFUSED_STREAM)
    else:
        peer.rst_stream(exchange.id, ErrorCode.REFUSED_STREAM)
    assert exchange.error.error_code == ErrorCode.REFUSED_STREAM
    assert not exchange.error.retryable
    assert "may be sent again" not in str(exchange.error)
