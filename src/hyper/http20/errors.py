"""The error codes of RFC 9113 §7 in words, at the address where programs look them up.

The codes themselves are ``exceptions.ErrorCode``.
"""

from __future__ import annotations

from typing import Final

from .exceptions import ErrorCode

__all__ = ["get_data"]

_MEANINGS: Final = {
    ErrorCode.NO_ERROR: "nothing went wrong; the connection is being shut down in good order",
    ErrorCode.PROTOCOL_ERROR: "the peer broke a rule of HTTP/2 that has no code of its own",
    ErrorCode.INTERNAL_ERROR: "the sender of this code failed for reasons of its own",
    ErrorCode.FLOW_CONTROL_ERROR: "the peer sent more than flow control allows",
    ErrorCode.SETTINGS_TIMEOUT: "the peer did not acknowledge SETTINGS in time",
    ErrorCode.STREAM_CLOSED: "a frame came for a stream that its sender had ended already",
    ErrorCode.FRAME_SIZE_ERROR: "a frame had a size that its type does not allow",
    ErrorCode.REFUSED_STREAM: "the request was refused before anything was done for it",
    ErrorCode.CANCEL: "the response is not wanted any more",
    ErrorCode.COMPRESSION_ERROR: "the header compression of the connection is out of step",
    ErrorCode.CONNECT_ERROR: "what a CONNECT request had reached was reset or broke off",
    ErrorCode.ENHANCE_YOUR_CALM: "the peer behaves in a way that may cause excessive load",
    ErrorCode.INADEQUATE_SECURITY: "the TLS of the connection does not meet the demands of HTTP/2",
    ErrorCode.HTTP_1_1_REQUIRED: "the server wants this request over HTTP/1.1",
}


def get_data(error_code: int) -> tuple[str, int, str]:
    """Name, number and meaning of an error code, as RST_STREAM and GOAWAY carry them.

    Raises ValueError for a code that RFC 9113 §7 does not name.
    """
    try:
        code = ErrorCode(error_code)
    except ValueError:
        raise ValueError(
            f"error code {error_code!r} is none of the {len(_MEANINGS)} that RFC 9113 §7 names"
        ) from None
    return code.name, int(code), _MEANINGS[code]
