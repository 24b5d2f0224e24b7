"""RFC 9113 §7: error codes, which are shared by RST_STREAM and GOAWAY."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, HTTP20Error
from tests.peer import Peer

NAMES = {
    "NO_ERROR": 0x0,
    "PROTOCOL_ERROR": 0x1,
    "INTERNAL_ERROR": 0x2,
    "FLOW_CONTROL_ERROR": 0x3,
    "SETTINGS_TIMEOUT": 0x4,
    "STREAM_CLOSED": 0x5,
    "FRAME_SIZE_ERROR": 0x6,
    "REFUSED_STREAM": 0x7,
    "CANCEL": 0x8,
    "COMPRESSION_ERROR": 0x9,
    "CONNECT_ERROR": 0xA,
    "ENHANCE_YOUR_CALM": 0xB,
    "INADEQUATE_SECURITY": 0xC,
    "HTTP_1_1_REQUIRED": 0xD,
}


def test_every_code_of_the_rfc_has_its_name_and_number() -> None:
    assert {code.name: int(code) for code in ErrorCode} == NAMES


@pytest.mark.parametrize("code", [0xE, 0xFF, 2**32 - 1])
def test_unknown_codes_are_told_and_treated_like_any_other(peer: Peer, code: int) -> None:
    """§7: they must not trigger any special behaviour."""
    first, second = peer.request(), peer.request()
    peer.rst_stream(first.id, code)
    peer.goaway(0, code)
    for exchange in (first, second):
        assert isinstance(exchange.error, HTTP20Error)
        assert exchange.error.error_code == code
        assert hex(code) in str(exchange.error)
    assert not first.error.retryable
    assert second.error.retryable


@pytest.mark.parametrize("code", ErrorCode)
def test_the_name_of_a_code_stands_in_the_message(peer: Peer, code: ErrorCode) -> None:
    exchange = peer.request()
    peer.rst_stream(exchange.id, code)
    assert code.name in str(exchange.error)
