"""RFC 9113 §3.4: the connection preface."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import ACK, PREFACE, Peer, connected, frame, fresh

PROTOCOL_ERROR, FRAME_SIZE_ERROR = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR


def test_the_client_opens_with_the_preface_and_a_settings_frame(fresh_peer: Peer) -> None:
    """§3.4: the 24 octets, then SETTINGS, whether a request is made or not."""
    fresh_peer.expect_preface()
    fresh_peer.expect("SETTINGS", stream_id=0, ack=False)


def test_the_first_flight_announces_windows_limits_and_no_push(fresh_peer: Peer) -> None:
    """Our own limits are told before the server has said anything (§6.5.2, §6.9)."""
    fresh_peer.expect_preface()
    settings = fresh_peer.expect("SETTINGS").settings
    fresh_peer.written()
    assert settings[0x2] == 0
    assert settings[0x4] == 1 << 20
    assert settings[0x6] == 65_536
    assert settings.get(0x1, 4096) == 4096
    assert settings.get(0x5, 16_384) == 16_384
    assert fresh_peer.granted == 16 << 20


def test_everything_of_a_first_request_leaves_in_one_flight(fresh_peer: Peer) -> None:
    """§3.4: a client may send requests at once; it need not wait for the server's preface."""
    fresh_peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    flight = fresh_peer.protocol.data_to_send()
    assert flight.startswith(PREFACE)
    fresh_peer._unparsed += flight[len(PREFACE) :]
    names = [written.name for written in fresh_peer.written()]
    assert names == ["SETTINGS", "WINDOW_UPDATE", "HEADERS"]


def test_the_preface_is_written_once(fresh_peer: Peer) -> None:
    assert fresh_peer.protocol.data_to_send().count(PREFACE) == 1
    fresh_peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    assert PREFACE not in fresh_peer.protocol.data_to_send()


def test_an_empty_settings_frame_is_a_whole_server_preface() -> None:
    """§3.4: the server's SETTINGS may be empty."""
    peer = connected({})
    peer.check_usable()


def test_the_servers_settings_are_acknowledged(fresh_peer: Peer) -> None:
    """§3.4: after our own preface."""
    fresh_peer.expect_preface()
    fresh_peer.expect("SETTINGS", ack=False)
    fresh_peer.expect("WINDOW_UPDATE", stream_id=0)
    fresh_peer.settings()
    fresh_peer.expect("SETTINGS", ack=True)
    fresh_peer.expect_nothing()


@pytest.mark.parametrize(
    "first",
    [
        frame("PING", 0, 0, bytes(8)),
        frame("DATA", 0, 1, b"early"),
        frame("HEADERS", 0x5, 1, b"\x88"),
        frame("PRIORITY", 0, 1, bytes(5)),
        frame("RST_STREAM", 0, 1, bytes(4)),
        frame("WINDOW_UPDATE", 0, 0, b"\0\0\0\1"),
        frame("GOAWAY", 0, 0, bytes(8)),
        frame("CONTINUATION", 0x4, 1, b"\x88"),
        frame("PUSH_PROMISE", 0x4, 1, b"\0\0\0\2\x88"),
        frame("SETTINGS", ACK),
        frame(0xEE, 0, 0, b"extension"),
    ],
)
def test_anything_but_settings_first_is_a_connection_error(first: bytes) -> None:
    """§3.4: an invalid preface is a connection error of type PROTOCOL_ERROR."""
    peer = fresh()
    exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.exchanges.append(exchange)
    peer.expect_preface()
    peer.written()
    assert exchange in peer.raw(first)
    peer.expect_connection_error(PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 ",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example.org ESMTP\r\n",
        b"\xff" * 9,
        b"\0" * 100,
        PREFACE,
    ],
)
@pytest.mark.parametrize("split", [None, 1])
def test_what_is_no_http2_at_all_is_refused_by_its_first_nine_octets(
    greeting: bytes, split: int | None
) -> None:
    """§3.4; whoever waits learns of it at once, and not when some length has been read."""
    peer = fresh(split=split)
    exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    peer.exchanges.append(exchange)
    peer.expect_preface()
    peer.written()
    peer.raw(greeting)
    peer.expect_connection_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)
    assert isinstance(exchange.error, ProtocolError)


def test_a_connection_can_break_before_the_client_has_written_anything() -> None:
    """What goes out is then still the preface first, and the goodbye last."""
    peer = fresh()
    peer.raw(frame("PING", 0, 0, bytes(8)))
    peer.expect_preface()
    assert peer.expect("SETTINGS").ack is False
    assert peer.written()[-1].error_code == PROTOCOL_ERROR
