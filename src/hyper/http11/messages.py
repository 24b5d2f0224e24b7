"""HTTP/1.1 messages as they stand on the wire (RFC 9112 §2 to §5): request heads out, lines in.

What is sent is held against ``common.fields`` (ValueError, before anything leaves); this is the
one home of what an HTTP/1.1 head may look like on the way in (InvalidResponseError).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ..common.exceptions import InvalidResponseError
from ..common.exchange import Fields
from ..common.fields import (
    AUTHORITY,
    FIELD_NAME,
    FIELD_VALUE,
    HOST_AND_PORT,
    NOT_IN_TRAILERS,
    PATH,
    SCHEME,
    TOKEN,
    bad_authority,
    bad_field,
    bad_method,
    bad_path,
    bad_scheme,
    bad_trailer,
    bad_tunnel,
)
from . import limits

__all__ = [
    "FieldSection",
    "Head",
    "read_field",
    "read_status_line",
    "request_head",
    "request_target",
    "trailer_section",
    "whole_head",
]

#: A value received: without bare CR and NUL; blanks around it are already gone.
_RECEIVED_VALUE: Final = re.compile(rb"[^\0\r\n]*")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: ([^\0\r\n]*))?")

# The same for a head that has arrived whole and in good order, which is nearly every one. What
# does not fit is read again line by line, where it is understood or refused. The quantifiers
# never give back what they have taken, so that the cost grows no faster than the octets.
_FIRST_LINE: Final = re.compile(_STATUS_LINE.pattern + rb"\r\n")
_FIELD_LINES: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*+([^\0\r\n]*+)\r\n|[^\n]*+\n"
)
_NO_FIELD: Final = (b"", b"")

#: A shorter look at what came instead of HTTP.
_SHOWN: Final = 60


# Out.


def request_target(
    method: bytes, scheme: bytes, authority: bytes, path: bytes, *, absolute: bool
) -> bytes:
    """What a request asks for (§3.2), in the form for an origin server or, ``absolute``, a proxy.

    Raises ValueError for anything that cannot be sent.
    """
    if TOKEN.fullmatch(method) is None:
        raise bad_method(method)
    if AUTHORITY.fullmatch(authority) is None:
        raise bad_authority(authority)
    if method == b"CONNECT":
        if HOST_AND_PORT.fullmatch(authority) is None:
            raise bad_tunnel(authority)
        return authority
    if PATH.fullmatch(path) is None or (path == b"*" and method != b"OPTIONS"):
        raise bad_path(path)
    if not absolute:
        return path
    if SCHEME.fullmatch(scheme) is None:
        raise bad_scheme(scheme)
    # §3.2.4: the last proxy makes the '*' out of a path that is empty.
    return b"%b://%b%b" % (scheme, authority, b"" if path == b"*" else path)


def request_head(method: bytes, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The head of a request (§3). Raises ValueError for fields that cannot be sent."""
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, _lines(fields))


def trailer_section(fields: Fields) -> bytes:
    """The lines after the last chunk, with the empty one that ends them (§7.1.2).

    Raises ValueError for fields that cannot be sent there.
    """
    for name, _ in fields:
        if name in NOT_IN_TRAILERS:
            raise bad_trailer(name)
    return _lines(fields) + b"\r\n"


def _lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = []
    for name, value in fields:
        if FIELD_NAME.fullmatch(name) is None or FIELD_VALUE.fullmatch(value) is None:
            raise bad_field(name)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


# In.


class Head(NamedTuple):
    """The head of a response, interim or final.

    minor_version  1 for HTTP/1.1
    status         100 to 999
    reason         the words after it
    fields         with their names in lower case
    size           octets of all its lines, without their ends
    """

    minor_version: int
    status: int
    reason: bytes
    fields: Fields
    size: int


def whole_head(data: bytes, at: int) -> tuple[Head, int] | None:
    """The head that begins at ``at`` and where it ends, if it is all there and ordinary.

    None says nothing against it: it may be incomplete, large, odd or wrong.
    """
    stop = data.find(b"\r\n\r\n", at, at + limits.MAX_LINE)
    if stop < 0:
        return None
    line = _FIRST_LINE.match(data, at, stop + 2)
    if line is None:
        return None
    minor, status, reason = line.groups()
    fields = _FIELD_LINES.findall(data, line.end(), stop + 2)
    count = len(fields)
    if count > limits.MAX_FIELDS or _NO_FIELD in fields:
        return None
    fields = [(name.lower(), value.rstrip(b" \t")) for name, value in fields]
    head = Head(int(minor), int(status), reason or b"", fields, stop - at - 2 * count)
    return head, stop + 4


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
    if not colon or TOKEN.fullmatch(name) is None:
        raise InvalidResponseError(
            f"not a field line (RFC 9112 §5), from its start to the colon: {name[:_SHOWN]!r}"
        )
    name = name.lower()
    return name, _value(name, value)


def _value(name: bytes, text: bytes) -> bytes:
    """The value in what stands behind a colon, or in a continuation of it (§5.1)."""
    value = text.strip(b" \t")
    if _RECEIVED_VALUE.fullmatch(value) is None:
        raise InvalidResponseError(
            f"the value of {name[:_SHOWN]!r} holds CR or NUL (RFC 9110 §5.5)"
        )
    return value


class FieldSection:
    """The fields of a head or of trailers as they come in, line by line (§5, §7.1.2).

    fields  what has come so far
    size    octets of all lines, without their ends

    ``max_size`` bounds that size, and ``size`` is what it begins with.
    """

    def __init__(self, max_size: int, size: int = 0) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.size = size
        self._max_size = max_size
        self._lines = 0

    def add(self, line: bytes) -> None:
        """Take one more line in; InvalidResponseError for what none can be, or for too many."""
        fields = self.fields
        self.size += len(line)
        self._lines += 1
        if self.size > self._max_size:
            raise InvalidResponseError(f"fields of more than {self._max_size} octets together")
        if self._lines > limits.MAX_FIELDS:
            raise InvalidResponseError(f"more than {limits.MAX_FIELDS} field lines")
        if not line.startswith((b" ", b"\t")):
            fields.append(read_field(line))
        elif fields:
            # §5.2: a folded line, which nobody may write any more, becomes one blank.
            name, value = fields[-1]
            fields[-1] = (name, b" ".join(filter(None, (value, _value(name, line)))))
        else:
            raise InvalidResponseError("a blank before the first field (RFC 9112 §2.2)")
