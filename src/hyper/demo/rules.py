"""What the demo demands of requests (RFC 9113 §6.1, §8), and the errors that it answers with."""

from __future__ import annotations

from typing import Final

from ..common.exchange import Fields
from ..http20 import frames
from ..http20.exceptions import ErrorCode, ProtocolError
from ..http20.messages import checked_fields

__all__ = ["broken", "checked", "malformed", "read_request", "unpadded"]


def broken(
    message: str, error_code: int = ErrorCode.PROTOCOL_ERROR, stream_id: int | None = None
) -> ProtocolError:
    return ProtocolError(message, error_code=error_code, stream_id=stream_id)


def malformed(message: str, stream_id: int) -> ProtocolError:
    return broken(f"malformed request: {message} (RFC 9113 §8.1.1)", stream_id=stream_id)


def unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & frames.PADDED:
        return payload
    if not payload:
        raise broken("PADDED without a pad length", ErrorCode.FRAME_SIZE_ERROR)
    padding = payload[0]
    if padding >= len(payload):
        raise broken(f"padding of {padding} in {len(payload)} octets (RFC 9113 §6.1)")
    return payload[1 : len(payload) - padding]


_PSEUDO: Final = frozenset((b":method", b":scheme", b":path"))


def read_request(fields: Fields, stream_id: int) -> tuple[dict[bytes, bytes], Fields]:
    """The pseudo-headers and the headers of a request, if all are valid (§8.2, §8.3)."""
    count = 0
    while count < len(fields) and fields[count][0].startswith(b":"):
        count += 1
    pseudo = dict(fields[:count])
    if pseudo.get(b":method") == b"CONNECT":
        valid = pseudo.keys() == {b":method", b":authority"}  # §8.5
    else:
        valid = pseudo.keys() - {b":authority"} == _PSEUDO
        valid = valid and (pseudo[b":path"] == b"*" or pseudo[b":path"].startswith(b"/"))
    if not valid or len(pseudo) != count or not all(pseudo.values()):
        raise malformed("a pseudo-header is missing, twice, unknown or empty", stream_id)
    return pseudo, checked(fields[count:], stream_id)


def checked(fields: Fields, stream_id: int) -> Fields:
    try:
        return list(checked_fields(fields))
    except ValueError as error:
        raise malformed(str(error), stream_id) from error
