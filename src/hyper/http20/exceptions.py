"""What can go wrong on an HTTP/2 connection, and whose fault it is (RFC 9113 §5.4, §7)."""

from __future__ import annotations

from enum import IntEnum

from ..common import exceptions as common
from ..common.exceptions import HyperError

__all__ = [
    "ConnectionError",
    "ErrorCode",
    "H2NotNegotiatedError",
    "HPACKDecodingError",
    "HPACKEncodingError",
    "HTTP20Error",
    "ProtocolError",
    "StreamResetError",
]


class ErrorCode(IntEnum):
    """The reasons that RST_STREAM and GOAWAY give (RFC 9113 §7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD

    @staticmethod
    def describe(code: int) -> str:
        """The name of a code from the wire; unknown ones are legal (RFC 9113 §7)."""
        try:
            return ErrorCode(code).name
        except ValueError:
            return f"unknown error code {code:#x}"


class HTTP20Error(HyperError):
    """Anything that went wrong on an HTTP/2 connection.

    error_code  an ``ErrorCode``, or a plain int for a code that RFC 9113 §7 does not name
    stream_id   the stream it concerns; ``None`` is the whole connection (§5.4.1, §5.4.2)
    retryable   True only when the peer surely did not process the request (§8.7)
    """

    def __init__(
        self,
        message: str = "",
        *,
        error_code: int = ErrorCode.NO_ERROR,
        stream_id: int | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.stream_id = stream_id
        self.retryable = retryable


class ProtocolError(HTTP20Error):
    """The peer broke RFC 9113, and was told so on the wire."""


class HPACKDecodingError(ProtocolError):
    """A field block could not be decompressed: COMPRESSION_ERROR (RFC 9113 §4.3)."""


class HPACKEncodingError(HTTP20Error):
    """How 0.7 said that a head could not be compressed. Never raised: those are a ValueError."""


class StreamResetError(HTTP20Error):
    """The peer ended one stream with RST_STREAM (RFC 9113 §6.4)."""


class ConnectionError(HTTP20Error, common.ConnectionError):
    """The connection ended: GOAWAY (RFC 9113 §6.8), or it is simply gone."""


class H2NotNegotiatedError(ConnectionError):
    """The server did not choose ``h2`` by ALPN (RFC 9113 §3.2).

    alpn  what it chose instead, such as ``"http/1.1"``; ``None`` if it chose nothing
    """

    alpn: str | None = None
