"""RFC 9113 §5.3: prioritization, which is deprecated and only has to be tolerated."""

from __future__ import annotations

import pytest

from tests.peer import OK, Peer


def test_no_priority_is_ever_signalled(peer: Peer) -> None:
    """§5.3.2: the old scheme is not used by us; HEADERS carry no priority fields."""
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    assert "PRIORITY" not in peer.expect("HEADERS").flags


def test_the_priority_field_of_rfc_9218_passes_through(peer: Peer) -> None:
    peer.protocol.request(
        b"GET", b"https", b"example.org", b"/", [(b"priority", b"u=1, i")], end=True
    )
    headers = peer.expect("HEADERS").headers
    assert headers is not None
    assert ("priority", "u=1, i") in headers


@pytest.mark.parametrize("depends_on", [0, 1, 3, 2**31 - 1, 2**32 - 1])
def test_priority_fields_in_headers_are_skipped(peer: Peer, depends_on: int) -> None:
    """§5.3.2: whatever they say, a stream that depends on itself included."""
    exchange = peer.request()
    peer.headers(exchange.id, OK, end=True, priority=depends_on.to_bytes(4, "big") + b"\xff")
    assert exchange.ended
    assert exchange.status == 200
    peer.expect_nothing()


def test_priority_fields_and_padding_go_together(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, ("a", "b")], end=True, priority=bytes(5), padding=9)
    assert exchange.headers == [(b"a", b"b")]


def test_priority_settings_of_rfc_9218_are_understood(peer: Peer) -> None:
    peer.settings((0x9, 1))
    peer.expect("SETTINGS", ack=True)
    peer.check_usable()
