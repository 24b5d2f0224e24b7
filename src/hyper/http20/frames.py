"""What frames look like (RFC 9113 §4, §6): names, flags, and one writer a frame.

Knows layouts only; what a frame means is the protocol's business.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = [
    "ACK",
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "FLAG_NAMES",
    "FRAME_HEAD_SIZE",
    "FRAME_NAMES",
    "GOAWAY",
    "HEADERS",
    "LOW_31_BITS",
    "PADDED",
    "PING",
    "PREFACE",
    "PRIORITY",
    "PRIORITY_FLAG",
    "PUSH_PROMISE",
    "RST_STREAM",
    "SETTINGS",
    "WINDOW_UPDATE",
    "frame_head",
    "frame_head_at",
    "frame_name",
    "goaway_frame",
    "headers_frames",
    "ping_frame",
    "read_frame_head",
    "rst_stream_frame",
    "settings_frame",
    "window_update_frame",
]

#: What a client sends before its first frame (§3.4).
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: Octets before every payload (§4.1).
FRAME_HEAD_SIZE: Final = 9

#: A stream id, or an increment, without its reserved bit, which receivers ignore (§4.1, §6.9).
LOW_31_BITS: Final = 0x7FFF_FFFF

DATA: Final = 0x0  # §6.1
HEADERS: Final = 0x1  # §6.2
PRIORITY: Final = 0x2  # §6.3, deprecated by §5.3.2
RST_STREAM: Final = 0x3  # §6.4
SETTINGS: Final = 0x4  # §6.5
PUSH_PROMISE: Final = 0x5  # §6.6
PING: Final = 0x6  # §6.7
GOAWAY: Final = 0x7  # §6.8
WINDOW_UPDATE: Final = 0x8  # §6.9
CONTINUATION: Final = 0x9  # §6.10

END_STREAM: Final = 0x1  # DATA, HEADERS
ACK: Final = 0x1  # SETTINGS, PING
END_HEADERS: Final = 0x4  # HEADERS, PUSH_PROMISE, CONTINUATION
PADDED: Final = 0x8  # DATA, HEADERS, PUSH_PROMISE
PRIORITY_FLAG: Final = 0x20  # HEADERS

FRAME_NAMES: Final = {
    DATA: "DATA",
    HEADERS: "HEADERS",
    PRIORITY: "PRIORITY",
    RST_STREAM: "RST_STREAM",
    SETTINGS: "SETTINGS",
    PUSH_PROMISE: "PUSH_PROMISE",
    PING: "PING",
    GOAWAY: "GOAWAY",
    WINDOW_UPDATE: "WINDOW_UPDATE",
    CONTINUATION: "CONTINUATION",
}

FLAG_NAMES: Final = {
    DATA: {END_STREAM: "END_STREAM", PADDED: "PADDED"},
    HEADERS: {
        END_STREAM: "END_STREAM",
        END_HEADERS: "END_HEADERS",
        PADDED: "PADDED",
        PRIORITY_FLAG: "PRIORITY",
    },
    SETTINGS: {ACK: "ACK"},
    PUSH_PROMISE: {END_HEADERS: "END_HEADERS", PADDED: "PADDED"},
    PING: {ACK: "ACK"},
    CONTINUATION: {END_HEADERS: "END_HEADERS"},
}

# The type rides in the low octet of the first word, so one unpack reads the whole head:
# 66 ns, against 147 to 205 for pieces.
_HEAD = Struct(">LBL")
_SETTING = Struct(">HL")
_WORD = Struct(">L")
_TWO_WORDS = Struct(">LL")

frame_head_at: Final = _HEAD.unpack_from


def frame_head(length: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The nine octets before a payload of ``length`` octets (§4.1)."""
    return _HEAD.pack(length << 8 | kind, flags, stream_id)


def frame_name(kind: int) -> str:
    """The name of a frame type; others are legal and ignored (§5.5)."""
    return FRAME_NAMES.get(kind, f"type {kind:#x}")


def read_frame_head(data: bytes, at: int = 0) -> tuple[int, int, int, int]:
    """``(length, kind, flags, stream_id)`` of the frame that starts at ``at`` (§4.1)."""
    word, flags, stream_id = _HEAD.unpack_from(data, at)
    return word >> 8, word & 0xFF, flags, stream_id & LOW_31_BITS


def headers_frames(stream_id: int, block: bytes, max_frame_size: int, *, end: bool) -> bytes:
    """HEADERS and as many CONTINUATIONs as the block needs (§6.2, §6.10)."""
    size = len(block)
    flags = END_STREAM if end else 0
    if size <= max_frame_size:
        return _HEAD.pack(size << 8 | HEADERS, flags | END_HEADERS, stream_id) + block
    parts = [frame_head(max_frame_size, HEADERS, flags, stream_id), block[:max_frame_size]]
    for at in range(max_frame_size, size, max_frame_size):
        piece = block[at : at + max_frame_size]
        last = END_HEADERS if at + max_frame_size >= size else 0
        parts += (frame_head(len(piece), CONTINUATION, last, stream_id), piece)
    return b"".join(parts)


def rst_stream_frame(stream_id: int, error_code: int) -> bytes:
    """RST_STREAM (§6.4)."""
    return frame_head(4, RST_STREAM, 0, stream_id) + _WORD.pack(error_code)


def settings_frame(settings: dict[int, int] | None) -> bytes:
    """SETTINGS with these entries, or its acknowledgement for ``None`` (§6.5)."""
    if settings is None:
        return frame_head(0, SETTINGS, ACK, 0)
    payload = b"".join(_SETTING.pack(*entry) for entry in settings.items())
    return frame_head(len(payload), SETTINGS, 0, 0) + payload


def ping_frame(opaque: bytes, *, ack: bool = False) -> bytes:
    """PING with its eight octets (§6.7)."""
    return frame_head(8, PING, ACK if ack else 0, 0) + opaque


def goaway_frame(last_stream_id: int, error_code: int, debug: bytes = b"") -> bytes:
    """GOAWAY (§6.8)."""
    payload = _TWO_WORDS.pack(last_stream_id, error_code) + debug
    return frame_head(len(payload), GOAWAY, 0, 0) + payload


def window_update_frame(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE; stream 0 is the connection (§6.9)."""
    return frame_head(4, WINDOW_UPDATE, 0, stream_id) + _WORD.pack(increment)
