"""Where a response's body ends (RFC 9112 §6.3, §7.1).

Three answers: after so many octets, after the last chunk, when the server closes. ``Framing``
picks the answer from the head; what the octets then mean is the protocol's business.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..common.exceptions import InvalidResponseError
from ..common.exchange import Fields
from . import limits

__all__ = [
    "CHUNKED",
    "TUNNEL",
    "UNTIL_CLOSE",
    "Framing",
    "body_framing",
    "chunk_line",
    "chunk_size",
    "list_members",
]

#: Instead of a length: the body is chunked, or lasts until the connection closes, or what
#: follows is no body at all but the tunnel that CONNECT asked for.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
TUNNEL: Final = -3

#: A chunk's size and nothing like "0x10", "+1" or "1_0"; then extensions, which are ignored.
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*+(?:;[^\0\r\n]*+)?")
_CHUNK_LINE: Final = re.compile(_CHUNK_SIZE.pattern + rb"\r\n")


class Framing(NamedTuple):
    """How a response's body is delimited.

    length      octets, or ``CHUNKED``, ``UNTIL_CLOSE`` or ``TUNNEL``
    keep_alive  the connection can carry another exchange afterwards (§9.3)
    """

    length: int
    keep_alive: bool


def body_framing(method: bytes, minor_version: int, status: int, fields: Fields) -> Framing:
    """The rules of §6.3, in their order; InvalidResponseError for a head that fits none."""
    # Which fields there are; to make this costs less than to look through them three times.
    names = dict(fields)
    keep_alive = minor_version > 0
    if b"connection" in names:
        options = list_members(fields, b"connection")
        keep_alive = b"close" not in options and (keep_alive or b"keep-alive" in options)
    if method == b"CONNECT" and status < 300:
        return Framing(TUNNEL, False)  # also with a 204 (RFC 9110 §9.3.6)
    if method == b"HEAD" or status in (204, 304):
        return Framing(0, keep_alive)
    if b"transfer-encoding" in names:
        codings = list_members(fields, b"transfer-encoding")
        if codings != [b"chunked"]:
            raise InvalidResponseError(
                f"transfer-encoding {b', '.join(codings)[:60]!r} was not asked for; only chunked "
                "is understood (RFC 9112 §6.1, §7)"
            )
        # Both at once, or chunked from an HTTP/1.0 server, is how messages are smuggled past a
        # proxy: the chunks count, and the connection is not used again (§6.1, §6.3).
        return Framing(CHUNKED, keep_alive and b"content-length" not in names and minor_version > 0)
    if b"content-length" in names:
        return Framing(_content_length(fields), keep_alive)
    return Framing(UNTIL_CLOSE, False)


def chunk_line(data: bytes, at: int) -> tuple[int, int] | None:
    """The size of the chunk that begins at ``at``, and where its octets begin.

    None if the line is not all there, or is not one; then ``chunk_size`` is to judge it.
    """
    match = _CHUNK_LINE.match(data, at, at + limits.MAX_CHUNK_LINE + 2)
    if match is None or (size := int(match[1], 16)) >= 2**63:
        return None
    return size, match.end()


def chunk_size(line: bytes) -> int:
    """The size that a chunk-size line gives (§7.1); extensions are ignored (§7.1.1)."""
    match = _CHUNK_SIZE.fullmatch(line)
    if match is None or (size := int(match[1], 16)) >= 2**63:
        raise InvalidResponseError(f"not the size of a chunk (RFC 9112 §7.1): {line[:60]!r}")
    return size


def list_members(fields: Fields, wanted: bytes) -> list[bytes]:
    """The members of a comma-separated field, over all its lines, in lower case (§5.6.1)."""
    members = []
    for name, value in fields:
        if name == wanted:
            members += [part.strip(b" \t").lower() for part in value.split(b",")]
    return [member for member in members if member]


def _content_length(fields: Fields) -> int:
    """The value of content-length; the same one twice, or in a list, is put up with (§6.3)."""
    lengths = set()
    for name, values in fields:
        if name == b"content-length":
            for value in values.split(b","):
                digits = value.strip(b" \t")
                # isdigit() of bytes knows ASCII only; int() alone would take "+1" and "1_0".
                if not digits.isdigit() or len(digits) > 19:
                    raise InvalidResponseError(
                        f"content-length is {values[:20]!r}, not a number (RFC 9112 §6.3)"
                    )
                lengths.add(int(digits))
    if len(lengths) > 1:
        raise InvalidResponseError(
            f"content-length has {len(lengths)} different values (RFC 9112 §6.3)"
        )
    return lengths.pop()
