"""HTTP/1.1 messages as they stand on the wire (RFC 9112 §2 to §5): request heads out, lines in.

The one home of what an HTTP/1.1 head may look like, on the way out (ValueError, before anything
is sent) and on the way in (InvalidResponseError).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ..common.exceptions import InvalidResponseError

__all__ = ["read_field", "read_status_line", "request_head", "trailer_section"]

#: A token (RFC 9110 §5.6.2): methods and field names.
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: A value to send: no CR, LF or NUL, and no blank at either end.
_VALUE: Final = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")
#: A request target (§3.2): visible octets only, no fragment; whichever of its forms.
_TARGET: Final = re.compile(rb"[!\"$-~]+")
#: A value received: without bare CR and NUL; blanks around it are already gone.
_RECEIVED_VALUE: Final = re.compile(rb"[^\0\r\n]*")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\0\r\n]*))?")

#: A shorter look at what came instead of HTTP.
_SHOWN: Final = 60


def request_head(method: bytes, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request (§3). Raises ValueError for anything that cannot be sent."""
    if _TOKEN.fullmatch(method) is None:
        raise ValueError(f"method {method!r} is not a token (RFC 9110 §9.1)")
    if _TARGET.fullmatch(target) is None:
        raise ValueError(
            f"request target {target!r} must hold visible ASCII without '#' (RFC 9112 §3.2); "
            "percent-encode the rest"
        )
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, _lines(fields))


def trailer_section(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The lines after the last chunk, with the empty one that ends them (§7.1.2)."""
    return _lines(fields) + b"\r\n"


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = []
    for name, value in fields:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"header name {name!r} is not a token (RFC 9110 §5.1)")
        if _VALUE.fullmatch(value) is None:
            raise ValueError(
                "header values may not contain CR, LF or NUL, nor start or end with a blank "
                f"(RFC 9110 §5.5): {name.decode()!r}; encode the value first"
            )
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def read_status_line(line: bytes) -> tuple[int, int, bytes]:
    """``(minor version, status, reason)`` of a status line (§4)."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        shown = line[:_SHOWN]
        if line.startswith(b"HTTP/") and not line.startswith(b"HTTP/1."):
            raise InvalidResponseError(f"the server speaks another version of HTTP: {shown!r}")
        raise InvalidResponseError(f"not the status line of HTTP/1.1 (RFC 9112 §4): {shown!r}")
    minor, status, reason = match.groups()
    return int(minor), int(status), reason or b""


def read_field(line: bytes) -> tuple[bytes, bytes]:
    """``(name in lower case, value)`` of a field line (§5)."""
    name, colon, value = line.partition(b":")
    if not colon or _TOKEN.fullmatch(name) is None:
        raise InvalidResponseError(f"not a field line (RFC 9112 §5): {line[:_SHOWN]!r}")
    value = value.strip(b" \t")
    if _RECEIVED_VALUE.fullmatch(value) is None:
        raise InvalidResponseError(
            f"the value of {name[:_SHOWN]!r} holds CR or NUL (RFC 9110 §5.5)"
        )
    return name.lower(), value
