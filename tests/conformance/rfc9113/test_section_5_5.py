"""RFC 9113 §5.5: extensions: what is unknown is ignored, except within a field block."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, StreamResetError
from tests.peer import Peer, body_of, connected


@pytest.mark.parametrize("kind", [0x0A, 0x0C, 0x10, 0xF0, 0xFF])
def test_unknown_frames_are_discarded_wherever_they_come(peer: Peer, kind: int) -> None:
    """§5.5: ALTSVC, ORIGIN, PRIORITY_UPDATE and whatever is invented next."""
    exchange = peer.request()
    peer.frame(kind, 0, 0, b"before")
    peer.headers(exchange.id)
    peer.frame(kind, 0xFF, exchange.id, b"between")
    peer.data(exchange.id, b"body")
    peer.frame(kind, 0, exchange.id, bytes(16_384))
    peer.data(exchange.id, b"", end=True)
    peer.frame(kind, 0, exchange.id, b"after")
    assert body_of(exchange) == b"body"
    assert exchange.ended
    peer.expect_nothing()


@pytest.mark.parametrize("stream_id", [0, 1, 3])
def test_unknown_frames_within_a_field_block_break_the_connection(
    peer: Peer, stream_id: int
) -> None:
    """§5.5: PROTOCOL_ERROR."""
    exchange = peer.request()
    peer.headers(exchange.id, end_headers=False)
    peer.frame(0xEE, 0, stream_id, b"extension")
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("identifier", [0x0, 0x7, 0xA, 0x10, 0xF000, 0xFFFF])
@pytest.mark.parametrize("value", [0, 1, 2**32 - 1])
def test_unknown_settings_are_ignored_and_acknowledged(
    peer: Peer, identifier: int, value: int
) -> None:
    """§5.5, §6.5.2."""
    peer.settings((identifier, value), (0x3, 7))
    peer.expect("SETTINGS", ack=True)
    assert peer.protocol.max_concurrent_streams == 7
    peer.check_usable()


def test_unknown_settings_may_come_in_the_preface() -> None:
    peer = connected()
    peer.settings(*[(0x0A0A + (at << 12), at) for at in range(10)])
    peer.expect("SETTINGS", ack=True)
    peer.check_usable()


@pytest.mark.parametrize("code", [0xE, 0xFF, 0xDEADBEEF, 2**32 - 1])
def test_unknown_error_codes_have_no_special_effect(peer: Peer, code: int) -> None:
    """§5.5, §7."""
    exchange, other = peer.request(), peer.request()
    peer.rst_stream(exchange.id, code)
    assert isinstance(exchange.error, StreamResetError)
    assert exchange.error.error_code == code
    assert not exchange.error.retryable
    peer.answer(other.id)
    assert other.ended
