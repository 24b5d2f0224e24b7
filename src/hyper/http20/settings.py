"""SETTINGS: what each side told the other (RFC 9113 §6.5)."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

from .exceptions import ErrorCode, ProtocolError
from .limits import (
    DEFAULT_WINDOW,
    INITIAL_MAX_STREAMS,
    LARGEST_MAX_FRAME_SIZE,
    MAX_FRAME_SIZE,
    MAX_SETTINGS_ENTRIES,
    MAX_WINDOW,
)

__all__ = ["RemoteSettings", "Setting"]

_ENTRY = Struct(">HL")

#: A peer that sets no limit to concurrent streams (§6.5.2: initially unlimited).
UNLIMITED_STREAMS = 2**32 - 1


class Setting(IntEnum):
    """The identifiers of settings (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1)."""

    HEADER_TABLE_SIZE = 0x1
    ENABLE_PUSH = 0x2
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6
    ENABLE_CONNECT_PROTOCOL = 0x8
    NO_RFC7540_PRIORITIES = 0x9


class RemoteSettings:
    """What the peer announced, or what holds until it does.

    header_table_size        octets its decoder keeps for our encoder
    max_concurrent_streams   streams we may have open; ``INITIAL_MAX_STREAMS`` until it spoke
    initial_window_size      octets we may send on a new stream
    max_frame_size           octets of payload it accepts
    max_header_list_size     octets of a field section it accepts; ``None`` is no limit known
    enable_connect_protocol  whether it takes extended CONNECT (RFC 8441)
    no_rfc7540_priorities    whether it ignores the old priority scheme (RFC 9218 §2.1)
    heard                    whether it has spoken; before, all of this is assumed
    """

    def __init__(self) -> None:
        self.header_table_size = 4096
        self.max_concurrent_streams = INITIAL_MAX_STREAMS
        self.initial_window_size = DEFAULT_WINDOW
        self.max_frame_size = MAX_FRAME_SIZE
        self.max_header_list_size: int | None = None
        self.enable_connect_protocol = False
        self.no_rfc7540_priorities = False
        self.heard = False

    def update(
        self, payload: bytes, max_entries: int = MAX_SETTINGS_ENTRIES
    ) -> list[tuple[int, int]]:
        """Take in the payload of a SETTINGS frame; return its entries in order.

        Unknown identifiers are ignored (§6.5.2). Raises ProtocolError, a connection error, for
        a payload or a value that breaks §6.5.
        """
        if len(payload) % 6:
            raise ProtocolError(
                f"SETTINGS of {len(payload)} octets is not a multiple of 6 (RFC 9113 §6.5)",
                error_code=ErrorCode.FRAME_SIZE_ERROR,
            )
        if len(payload) > 6 * max_entries:
            raise ProtocolError(
                f"SETTINGS with {len(payload) // 6} entries; the limit is {max_entries}",
                error_code=ErrorCode.ENHANCE_YOUR_CALM,
            )
        if not self.heard:
            self.heard = True
            self.max_concurrent_streams = UNLIMITED_STREAMS
        entries = list(_ENTRY.iter_unpack(payload))
        for identifier, value in entries:
            self._set(identifier, value)
        return entries

    def _set(self, identifier: int, value: int) -> None:
        if identifier == Setting.HEADER_TABLE_SIZE:
            self.header_table_size = value
        elif identifier == Setting.ENABLE_PUSH:
            # A server may only say 0, which changes nothing: a client cannot push (§6.5.2).
            if value:
                raise _out_of_range(identifier, value, "a server may only send 0")
        elif identifier == Setting.MAX_CONCURRENT_STREAMS:
            self.max_concurrent_streams = value
        elif identifier == Setting.INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise _out_of_range(
                    identifier, value, f"at most {MAX_WINDOW}", ErrorCode.FLOW_CONTROL_ERROR
                )
            self.initial_window_size = value
        elif identifier == Setting.MAX_FRAME_SIZE:
            if not MAX_FRAME_SIZE <= value <= LARGEST_MAX_FRAME_SIZE:
                raise _out_of_range(
                    identifier, value, f"{MAX_FRAME_SIZE} to {LARGEST_MAX_FRAME_SIZE}"
                )
            self.max_frame_size = value
        elif identifier == Setting.MAX_HEADER_LIST_SIZE:
            self.max_header_list_size = value
        elif identifier == Setting.ENABLE_CONNECT_PROTOCOL:
            if value > 1 or (self.enable_connect_protocol and not value):
                raise _out_of_range(identifier, value, "0 or 1, and never back to 0: RFC 8441 §3")
            self.enable_connect_protocol = bool(value)
        elif identifier == Setting.NO_RFC7540_PRIORITIES:
            if value > 1:
                raise _out_of_range(identifier, value, "0 or 1: RFC 9218 §2.1")
            self.no_rfc7540_priorities = bool(value)


def _out_of_range(
    identifier: int, value: int, rule: str, error_code: int = ErrorCode.PROTOCOL_ERROR
) -> ProtocolError:
    name = Setting(identifier).name
    return ProtocolError(
        f"SETTINGS_{name} is {value} (RFC 9113 §6.5.2: {rule})", error_code=error_code
    )
