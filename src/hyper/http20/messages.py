"""HTTP messages as HTTP/2 writes them (RFC 9113 §8): requests into fields, fields into responses.

What is sent is held against ``common.fields`` (ValueError, before anything leaves); this is the
one home of what a field may look like on the way in (``MalformedError``, which the protocol answers
with RST_STREAM). Knows fields; what they do to a stream is the protocol's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from typing import Final, NamedTuple

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

__all__ = [
    "FieldTuple",
    "Head",
    "MalformedError",
    "Promise",
    "checked_fields",
    "checked_trailers",
    "read_head",
    "read_promise",
    "read_trailers",
    "request_target",
    "section_size",
]

#: Fields that can be the key of a cache.
FieldTuple = tuple[tuple[bytes, bytes], ...]

#: Names to put up with: §8.2.1 forbids controls, blanks, upper case, colons and 8 bit.
_RECEIVED_NAME: Final = re.compile(rb"[!-9;-@\[-~]+")

#: Fields about the connection, which HTTP/2 has not got (§8.2.2).
CONNECTION_SPECIFIC: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)

#: How many fields a protocol remembers as valid, and how long each may be.
MAX_REMEMBERED_FIELDS: Final = 1024
MAX_REMEMBERED_SIZE: Final = 256

_STATUSES: Final = {b"%d" % code: code for code in range(100, 1000)}


#: ``expected`` while nothing says how long a body will be.
UNKNOWN_LENGTH = -1


class MalformedError(Exception):
    """A message that breaks RFC 9113 §8.1.1; says which rule."""


class Promise(NamedTuple):
    """The request that a push answers (§8.4.1); ``headers`` without pseudo-headers."""

    method: bytes
    scheme: bytes
    authority: bytes
    path: bytes
    headers: Fields


class Head(NamedTuple):
    """The head of a response, interim or final.

    status          100 to 999
    headers         its fields without ``:status``
    expected        octets that the body of an answer to GET will have, or ``UNKNOWN_LENGTH``
    """

    status: int
    headers: Fields
    expected: int


def request_target(method: bytes, scheme: bytes, authority: bytes) -> FieldTuple:
    """The pseudo-headers of a request but for ``:path``, checked (§8.3.1).

    Raises ValueError for anything that cannot be one.
    """
    if TOKEN.fullmatch(method) is None:
        raise bad_method(method)
    if AUTHORITY.fullmatch(authority) is None:
        raise bad_authority(authority)
    if method == b"CONNECT":
        # §8.5: a tunnel has neither scheme nor path, and no port by default.
        if HOST_AND_PORT.fullmatch(authority) is None:
            raise bad_tunnel(authority)
        return ((b":method", method), (b":authority", authority))
    if SCHEME.fullmatch(scheme) is None:
        raise bad_scheme(scheme)
    return ((b":method", method), (b":scheme", scheme), (b":authority", authority))


def checked_fields(
    fields: Iterable[tuple[bytes, bytes]], valid: set[tuple[bytes, bytes]] | None = None
) -> FieldTuple:
    """The user's fields, as a tuple, if each may be sent (§8.2); ValueError if one may not.

    The message names the field and never shows its value. ``valid`` remembers fields that were
    found in order.
    """
    result = tuple(fields)
    for field in result if valid is None else [each for each in result if each not in valid]:
        name, value = field
        if FIELD_NAME.fullmatch(name) is None or FIELD_VALUE.fullmatch(value) is None:
            raise bad_field(name)
        if name in CONNECTION_SPECIFIC:
            raise ValueError(
                f"{name.decode()!r} is about an HTTP/1.1 connection and may not be sent "
                "(RFC 9113 §8.2.2); leave it out"
            )
        if name == b"te" and value.lower() != b"trailers":
            raise ValueError("'te' may only be 'trailers' on HTTP/2 (RFC 9113 §8.2.2)")
        if valid is not None:
            _remember(field, valid)
    return result


def checked_trailers(fields: Iterable[tuple[bytes, bytes]]) -> FieldTuple:
    """The same for what comes after a body, where not every field may be (RFC 9110 §6.5.1)."""
    result = checked_fields(fields)
    for name, _ in result:
        if name in NOT_IN_TRAILERS:
            raise bad_trailer(name)
    return result


def section_size(fields: Fields) -> int:
    """The size of a field section as SETTINGS_MAX_HEADER_LIST_SIZE counts it (§6.5.2)."""
    return sum(map(len, chain.from_iterable(fields))) + 32 * len(fields)


def read_head(fields: Fields, valid: set[tuple[bytes, bytes]]) -> Head:
    """The head of a response (§8.3.2); ``valid`` remembers fields that were found in order.

    Raises MalformedError.
    """
    if not fields or fields[0][0] != b":status":
        raise MalformedError("the head of a response must start with :status (RFC 9113 §8.3.2)")
    status = _STATUSES.get(fields[0][1])
    if status is None:
        raise MalformedError(f":status is {fields[0][1][:20]!r}, not three digits (RFC 9110 §15)")
    headers = fields[1:]
    length = None if valid.issuperset(headers) else _check(headers, valid)
    if status in (204, 304):
        length = 0  # whatever it says: RFC 9110 §6.4.1
    return Head(status, headers, UNKNOWN_LENGTH if length is None else length)


def read_promise(fields: Fields, valid: set[tuple[bytes, bytes]]) -> Promise:
    """A promised request (§8.3.1, §8.4). Raises MalformedError.

    It must be safe, cacheable and without content, so it can only be GET or HEAD.
    """
    pseudo: dict[bytes, bytes] = {}
    at = 0
    for name, value in fields:
        if not name.startswith(b":"):
            break
        if name in pseudo:
            raise MalformedError(f"pseudo-header {name[:40]!r} twice (RFC 9113 §8.3)")
        pseudo[name] = value
        at += 1
    headers = fields[at:]
    if set(pseudo) != {b":method", b":scheme", b":authority", b":path"}:
        raise MalformedError("a promise needs the four pseudo-headers (RFC 9113 §8.3.1)")
    promise = Promise(
        pseudo[b":method"], pseudo[b":scheme"], pseudo[b":authority"], pseudo[b":path"], headers
    )
    if promise.method not in (b"GET", b"HEAD"):
        raise MalformedError(f"a promise of {promise.method[:20]!r} (RFC 9113 §8.4)")
    try:
        request_target(promise.method, promise.scheme, promise.authority)
    except ValueError as error:
        raise MalformedError(str(error)) from error
    if PATH.fullmatch(promise.path) is None:
        raise MalformedError(str(bad_path(promise.path)))
    if _check(headers, valid):
        raise MalformedError("a promise with content (RFC 9113 §8.4)")
    return promise


def read_trailers(fields: Fields, valid: set[tuple[bytes, bytes]]) -> Fields:
    """The fields after a body, which hold no pseudo-headers (§8.1). Raises MalformedError."""
    if not valid.issuperset(fields):
        _check(fields, valid)
    return fields


def _check(fields: Fields, valid: set[tuple[bytes, bytes]]) -> int | None:
    """Hold received fields against §8.2; return the content-length if they have one."""
    length: int | None = None
    for field in fields:
        if field in valid:
            continue
        name, value = field
        if _RECEIVED_NAME.fullmatch(name) is None:
            if name.startswith(b":"):
                raise MalformedError(
                    f"pseudo-header {name[:40]!r} is unknown, late or twice (RFC 9113 §8.3)"
                )
            raise MalformedError(f"field name {name[:40]!r} is not valid (RFC 9113 §8.2.1)")
        if FIELD_VALUE.fullmatch(value) is None:
            raise MalformedError(f"the value of {name[:40]!r} is not valid (RFC 9113 §8.2.1)")
        if name in CONNECTION_SPECIFIC:
            raise MalformedError(f"{name!r} has no place in HTTP/2 (RFC 9113 §8.2.2)")
        if name == b"te" and value.lower() != b"trailers":
            raise MalformedError("'te' may only be 'trailers' on HTTP/2 (RFC 9113 §8.2.2)")
        if name == b"content-length":
            # Never remembered: whoever sees a head from memory must see its length too.
            if not value.isdigit() or len(value) > 19:
                raise MalformedError(f"content-length is {value[:20]!r} (RFC 9110 §8.6)")
            if length is not None and length != int(value):
                raise MalformedError(
                    f"content-length is both {length} and {int(value)} (RFC 9110 §8.6)"
                )
            length = int(value)
        else:
            _remember(field, valid)
    return length


def _remember(field: tuple[bytes, bytes], valid: set[tuple[bytes, bytes]]) -> None:
    if len(field[0]) + len(field[1]) <= MAX_REMEMBERED_SIZE:
        if len(valid) >= MAX_REMEMBERED_FIELDS:
            valid.clear()
        valid.add(field)
