"""RFC 9113 §8.5: CONNECT, and RFC 8441's setting that extends it."""

from __future__ import annotations

from typing import Any

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import Peer, body_of


def tunnel(peer: Peer, authority: bytes = b"example.org:443") -> Any:
    exchange = peer.protocol.request(b"CONNECT", b"https", authority, b"", [], end=False)
    peer.exchanges.append(exchange)
    return exchange


def test_connect_names_a_host_and_port_and_nothing_else(peer: Peer) -> None:
    """§8.5: :scheme and :path must be omitted."""
    tunnel(peer)
    peer.expect(
        "HEADERS",
        end_stream=False,
        headers=[(":method", "CONNECT"), (":authority", "example.org:443")],
    )


@pytest.mark.parametrize("authority", [b"example.org", b"example.org:", b":443", b"[::1]"])
def test_connect_without_a_host_or_a_port_is_a_value_error(peer: Peer, authority: bytes) -> None:
    """RFC 9110 §9.3.6: the port must be sent, whichever it is, and a host is what it is of."""
    with pytest.raises(ValueError, match="port"):
        tunnel(peer, authority)
    peer.expect_nothing()
    peer.check_usable()


def test_fields_of_the_users_go_with_it(peer: Peer) -> None:
    headers = [(b"proxy-authorization", b"Basic eA==")]
    peer.protocol.request(b"CONNECT", b"https", b"example.org:443", b"", headers, end=False)
    sent = peer.expect("HEADERS").headers
    assert sent is not None
    assert sent[2:] == [("proxy-authorization", "Basic eA==")]


def test_data_goes_both_ways(peer: Peer) -> None:
    exchange = tunnel(peer)
    peer.written()
    peer.headers(exchange.id)
    for _ in range(3):
        assert peer.protocol.send_body(exchange, b"there", end=False) == 5
        peer.expect("DATA", data=b"there", end_stream=False)
        peer.data(exchange.id, b"back")
    assert body_of(exchange) == b"back" * 3
    peer.protocol.send_body(exchange, b"", end=True)
    peer.expect("DATA", size=0, end_stream=True)
    peer.data(exchange.id, b"", end=True)
    assert exchange.ended
    peer.check_usable()


def test_trailers_are_never_sent_through_a_tunnel(peer: Peer) -> None:
    """§8.5: nor before there is one, where nobody knows yet; and the stream is as it was."""
    exchange = tunnel(peer)
    peer.written()
    for answered in (False, True):
        if answered:
            peer.headers(exchange.id)
        with pytest.raises(ValueError, match="tunnel"):
            peer.protocol.send_body(exchange, b"there", end=True, trailers=[(b"x-sum", b"1")])
        peer.expect_nothing()
    assert peer.protocol.send_body(exchange, b"there", end=True, trailers=iter(())) == 5
    peer.expect("DATA", data=b"there", end_stream=True)


def test_content_length_means_nothing_for_a_tunnel(peer: Peer) -> None:
    """RFC 9110 §9.3.6: a client must ignore it in a 2xx to CONNECT."""
    exchange = tunnel(peer)
    peer.written()
    peer.headers(exchange.id, [(":status", "200"), ("content-length", "3")])
    peer.data(exchange.id, b"more than three")
    assert exchange.error is None
    peer.data(exchange.id, b"", end=True)
    assert exchange.ended
    assert body_of(exchange) == b"more than three"


@pytest.mark.parametrize("status", [300, 407, 502])
def test_a_refused_tunnel_is_a_response_like_any_other(peer: Peer, status: int) -> None:
    """A content-length and trailers mean there what they always do."""
    for length in ("2", "3"):
        exchange = tunnel(peer)
        peer.written()
        peer.headers(exchange.id, [(":status", str(status)), ("content-length", length)])
        peer.data(exchange.id, b"no")
        peer.headers(exchange.id, [("x-trailer", "1")], end=True)
        assert exchange.status == status
        assert exchange.ended is (length == "2")
        assert body_of(exchange) == b"no"


def test_trailers_in_a_tunnel_are_a_stream_error(peer: Peer) -> None:
    """§8.5: only DATA and stream management may be sent on a connected stream."""
    exchange = tunnel(peer)
    peer.written()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"octets")
    peer.headers(exchange.id, [("x-trailer", "1")], end=True)
    peer.expect_stream_error(exchange.id, ErrorCode.PROTOCOL_ERROR)
    assert not exchange.ended
    peer.check_usable()


def test_a_broken_tunnel_is_a_reset(peer: Peer) -> None:
    """§8.5: CONNECT_ERROR tells of the TCP connection behind the proxy."""
    exchange = tunnel(peer)
    peer.written()
    peer.headers(exchange.id)
    peer.rst_stream(exchange.id, ErrorCode.CONNECT_ERROR)
    assert exchange.error.error_code == ErrorCode.CONNECT_ERROR
    assert "CONNECT_ERROR" in str(exchange.error)


@pytest.mark.parametrize("value", [0, 1])
def test_extended_connect_is_understood_as_a_setting(peer: Peer, value: int) -> None:
    """RFC 8441 §3."""
    peer.settings((0x8, value))
    peer.expect("SETTINGS", ack=True)
    assert peer.protocol.remote_settings.enable_connect_protocol == bool(value)


def test_extended_connect_cannot_be_taken_back(peer: Peer) -> None:
    """RFC 8441 §3: once 1, never 0 again."""
    peer.settings((0x8, 1))
    peer.expect("SETTINGS", ack=True)
    peer.settings((0x8, 0))
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)
