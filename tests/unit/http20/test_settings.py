"""``hyper.http20.settings``: what the peer may announce (RFC 9113 §6.5.2)."""

from __future__ import annotations

import struct

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from hyper.http20.limits import INITIAL_MAX_STREAMS, MAX_SETTINGS_ENTRIES
from hyper.http20.settings import RemoteSettings, Setting


def payload(*entries: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">HL", *entry) for entry in entries)


def test_what_holds_until_the_peer_speaks() -> None:
    settings = RemoteSettings()
    assert settings.header_table_size == 4096
    assert settings.max_concurrent_streams == INITIAL_MAX_STREAMS
    assert settings.initial_window_size == 65_535
    assert settings.max_frame_size == 16_384
    assert settings.max_header_list_size is None
    assert not settings.enable_connect_protocol
    assert not settings.no_rfc7540_priorities
    assert not settings.heard


def test_every_setting_is_taken_in_and_returned_in_order() -> None:
    settings = RemoteSettings()
    entries = [(1, 100), (2, 0), (3, 7), (4, 2**31 - 1), (5, 2**24 - 1), (6, 5000), (8, 1), (9, 1)]
    assert settings.update(payload(*entries)) == entries
    assert settings.header_table_size == 100
    assert settings.max_concurrent_streams == 7
    assert settings.initial_window_size == 2**31 - 1
    assert settings.max_frame_size == 2**24 - 1
    assert settings.max_header_list_size == 5000
    assert settings.enable_connect_protocol
    assert settings.no_rfc7540_priorities


def test_a_first_settings_that_names_no_limit_means_no_limit_of_streams() -> None:
    """RFC 9113 §6.5.2: initially there is no limit."""
    settings = RemoteSettings()
    settings.update(b"")
    assert settings.max_concurrent_streams == 2**32 - 1
    settings.update(payload((3, 5)))
    settings.update(b"")
    assert settings.max_concurrent_streams == 5


def test_the_last_of_several_values_counts() -> None:
    settings = RemoteSettings()
    settings.update(payload((4, 1), (4, 2)))
    assert settings.initial_window_size == 2


def test_unknown_settings_are_ignored() -> None:
    """RFC 9113 §6.5.2."""
    before = vars(RemoteSettings()) | {"heard": True, "max_concurrent_streams": 2**32 - 1}
    settings = RemoteSettings()
    settings.update(payload((0, 1), (7, 2**32 - 1), (0xFFFF, 3)))
    assert vars(settings) == before


@pytest.mark.parametrize("size", [1, 5, 7])
def test_a_payload_that_is_no_multiple_of_six_is_an_error(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"{size} octets") as caught:
        RemoteSettings().update(bytes(size))
    assert caught.value.error_code == ErrorCode.FRAME_SIZE_ERROR


def test_entries_are_counted() -> None:
    RemoteSettings().update(payload((3, 1)) * MAX_SETTINGS_ENTRIES)
    with pytest.raises(ProtocolError, match="101 entries") as caught:
        RemoteSettings().update(payload((3, 1)) * (MAX_SETTINGS_ENTRIES + 1))
    assert caught.value.error_code == ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize(
    ("identifier", "value", "code"),
    [
        (Setting.ENABLE_PUSH, 1, ErrorCode.PROTOCOL_ERROR),
        (Setting.ENABLE_PUSH, 2, ErrorCode.PROTOCOL_ERROR),
        (Setting.INITIAL_WINDOW_SIZE, 2**31, ErrorCode.FLOW_CONTROL_ERROR),
        (Setting.MAX_FRAME_SIZE, 16_383, ErrorCode.PROTOCOL_ERROR),
        (Setting.MAX_FRAME_SIZE, 2**24, ErrorCode.PROTOCOL_ERROR),
        (Setting.ENABLE_CONNECT_PROTOCOL, 2, ErrorCode.PROTOCOL_ERROR),
        (Setting.NO_RFC7540_PRIORITIES, 2, ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_values_out_of_range_are_errors_with_the_code_of_the_rule(
    identifier: Setting, value: int, code: ErrorCode
) -> None:
    with pytest.raises(ProtocolError, match=f"SETTINGS_{identifier.name} is {value}") as caught:
        RemoteSettings().update(payload((identifier, value)))
    assert caught.value.error_code == code


def test_extended_connect_cannot_be_taken_back() -> None:
    """RFC 8441 §3."""
    settings = RemoteSettings()
    settings.update(payload((8, 0)))
    settings.update(payload((8, 1)))
    with pytest.raises(ProtocolError, match="ENABLE_CONNECT_PROTOCOL is 0"):
        settings.update(payload((8, 0)))
