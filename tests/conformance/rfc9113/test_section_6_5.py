"""RFC 9113 §6.5: SETTINGS, their values and their acknowledgement."""

from __future__ import annotations

import struct

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import ACK, Peer, connected, fresh

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR
FRAME_SIZE_ERROR = ErrorCode.FRAME_SIZE_ERROR
FLOW_CONTROL_ERROR = ErrorCode.FLOW_CONTROL_ERROR

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 0x1, 0x2, 0x3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 0x4, 0x5, 0x6
ENABLE_CONNECT_PROTOCOL, NO_RFC7540_PRIORITIES = 0x8, 0x9


@pytest.mark.parametrize("stream_id", [1, 2, 3])
@pytest.mark.parametrize("flags", [0, ACK])
def test_settings_on_a_stream_are_a_connection_error(
    peer: Peer, stream_id: int, flags: int
) -> None:
    """§6.5: they concern the connection."""
    peer.request()
    peer.frame("SETTINGS", flags, stream_id)
    peer.expect_connection_error(PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [1, 5, 7, 11, 17])
def test_a_length_that_is_no_multiple_of_6_is_a_connection_error(peer: Peer, size: int) -> None:
    """§6.5: FRAME_SIZE_ERROR."""
    peer.request()
    peer.frame("SETTINGS", 0, 0, bytes(size))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


@pytest.mark.parametrize("size", [1, 6, 12])
def test_an_acknowledgement_with_a_payload_is_a_connection_error(peer: Peer, size: int) -> None:
    """§6.5: FRAME_SIZE_ERROR."""
    peer.request()
    peer.frame("SETTINGS", ACK, 0, bytes(size))
    peer.expect_connection_error(FRAME_SIZE_ERROR)


@pytest.mark.parametrize(
    ("identifier", "value", "code"),
    [
        (ENABLE_PUSH, 1, PROTOCOL_ERROR),  # a server must not say so
        (ENABLE_PUSH, 2, PROTOCOL_ERROR),
        (ENABLE_PUSH, 2**32 - 1, PROTOCOL_ERROR),
        (INITIAL_WINDOW_SIZE, 2**31, FLOW_CONTROL_ERROR),
        (INITIAL_WINDOW_SIZE, 2**32 - 1, FLOW_CONTROL_ERROR),
        (MAX_FRAME_SIZE, 0, PROTOCOL_ERROR),  # Go's client looped for ever: CVE-2026-33814
        (MAX_FRAME_SIZE, 1, PROTOCOL_ERROR),
        (MAX_FRAME_SIZE, 16_383, PROTOCOL_ERROR),
        (MAX_FRAME_SIZE, 2**24, PROTOCOL_ERROR),
        (MAX_FRAME_SIZE, 2**32 - 1, PROTOCOL_ERROR),
        (ENABLE_CONNECT_PROTOCOL, 2, PROTOCOL_ERROR),  # RFC 8441 §3
        (NO_RFC7540_PRIORITIES, 2, PROTOCOL_ERROR),  # RFC 9218 §2.1
    ],
)
@pytest.mark.parametrize("when", ["preface", "later"])
def test_a_value_out_of_range_is_a_connection_error(
    identifier: int, value: int, code: int, when: str
) -> None:
    """§6.5.2."""
    peer = connected() if when == "later" else fresh()
    if when == "preface":
        peer.expect_preface()
        peer.written()
    peer.frame("SETTINGS", 0, 0, struct.pack(">HI", identifier, value))
    peer.expect_connection_error(code)


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        (HEADER_TABLE_SIZE, 0),
        (HEADER_TABLE_SIZE, 2**32 - 1),
        (ENABLE_PUSH, 0),
        (MAX_CONCURRENT_STREAMS, 1),
        (MAX_CONCURRENT_STREAMS, 2**32 - 1),
        (INITIAL_WINDOW_SIZE, 0),
        (INITIAL_WINDOW_SIZE, 2**31 - 1),
        (MAX_FRAME_SIZE, 16_384),
        (MAX_FRAME_SIZE, 2**24 - 1),
        (MAX_HEADER_LIST_SIZE, 2**32 - 1),
        (ENABLE_CONNECT_PROTOCOL, 0),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (NO_RFC7540_PRIORITIES, 0),
        (NO_RFC7540_PRIORITIES, 1),
    ],
)
def test_a_value_at_the_edge_of_its_range_is_acknowledged(
    peer: Peer, identifier: int, value: int
) -> None:
    peer.settings((identifier, value))
    peer.expect("SETTINGS", ack=True, stream_id=0, size=0)
    peer.expect_nothing()
    peer.check_usable()


def test_every_settings_frame_is_acknowledged_once(peer: Peer) -> None:
    """§6.5.3: in order, as soon as the values are in force."""
    with peer.one_read():
        for _ in range(5):
            peer.settings(max_concurrent_streams=9)
    assert [written.ack for written in peer.written()] == [True] * 5


def test_an_acknowledgement_is_not_acknowledged(peer: Peer) -> None:
    peer.settings(ack=True)
    peer.expect_nothing()
    peer.check_usable()


def test_values_are_processed_in_order_so_the_last_one_holds(peer: Peer) -> None:
    """§6.5.3."""
    peer.settings((MAX_CONCURRENT_STREAMS, 0), (MAX_CONCURRENT_STREAMS, 5))
    peer.expect("SETTINGS", ack=True)
    assert peer.protocol.max_concurrent_streams == 5
    peer.check_usable()


def test_a_good_value_after_a_bad_one_does_not_mend_it(peer: Peer) -> None:
    peer.settings((MAX_FRAME_SIZE, 1), (MAX_FRAME_SIZE, 16_384))
    peer.expect_connection_error(PROTOCOL_ERROR)


def test_what_is_not_mentioned_keeps_its_value(peer: Peer) -> None:
    """§6.5: each parameter holds until it is changed."""
    peer.settings(max_concurrent_streams=7, initial_window_size=1000)
    peer.settings(max_header_list_size=100_000)
    peer.written()
    assert peer.protocol.max_concurrent_streams == 7
    assert peer.protocol.remote_settings.initial_window_size == 1000
    assert peer.protocol.remote_settings.max_header_list_size == 100_000


def test_settings_are_in_force_for_what_follows_the_acknowledgement(peer: Peer) -> None:
    """§6.5.3: here a smaller window; the peer checks that DATA after the ACK keeps to it."""
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(1000), end=False) == 1000
    peer.settings(initial_window_size=1500)
    assert peer.protocol.send_body(upload, bytes(1000), end=False) == 500
    names = [written.name for written in peer.written()]
    assert names == ["DATA", "SETTINGS", "DATA"]


def test_a_request_larger_than_the_peer_takes_is_refused_before_it_is_sent() -> None:
    """§6.5.2 MAX_HEADER_LIST_SIZE: names, values and 32 octets for each field."""
    peer = connected({"max_header_list_size": 300})
    pseudo = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", "/"),
    ]
    used = sum(len(name) + len(value) + 32 for name, value in pseudo)
    room = 300 - used - 32 - 1
    with pytest.raises(ValueError, match="300"):
        peer.request(headers=[(b"x", b"v" * (room + 1))])
    peer.expect_nothing()
    assert peer.request(headers=[(b"x", b"v" * room)]).id == 1


def test_the_largest_windows_can_still_be_used(peer: Peer) -> None:
    peer.settings(initial_window_size=2**31 - 1)
    peer.expect("SETTINGS", ack=True)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(1000), end=True) == 1000
    peer.expect("DATA", size=1000)
