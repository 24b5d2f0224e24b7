"""Responses as HTTP/1.1 writes them (RFC 9112), for what http.client reads from the gateway."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from ..common.exchange import Fields

__all__ = ["CONTINUE", "chunk_head", "last_chunk", "response_head", "spelled"]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

#: HTTP/2 has no reason phrases (RFC 9113 §8.3.2), so the usual ones stand in.
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}

#: Field names as servers spell them where they have a choice. Programs that put fields into a
#: plain dict look for these spellings; everybody else does not mind.
_SPELLINGS: Final = {
    b"content-md5": b"Content-MD5: ",
    b"dnt": b"DNT: ",
    b"etag": b"ETag: ",
    b"te": b"TE: ",
    b"www-authenticate": b"WWW-Authenticate: ",
    b"x-ua-compatible": b"X-UA-Compatible: ",
    b"x-xss-protection": b"X-XSS-Protection: ",
}

_NAMES: Final[dict[bytes, str]] = {}

#: Names whose spelling is remembered, for the whole process, and the octets of the longest;
#: servers make few of their own, and short ones.
MAX_SPELLINGS: Final = 1000
MAX_SPELLING_LENGTH: Final = 64


def response_head(status: int, fields: Fields, chunked: bool, closes: bool) -> bytes:
    """Status line and fields, with what says how the body is framed and whether this is all."""
    parts = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status]
    _write(parts, fields)
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts.append(b"Connection: close\r\n\r\n" if closes else b"\r\n")
    return b"".join(parts)


def spelled(name: bytes) -> str:
    """A field name as ``response_head`` writes it."""
    return _NAMES.get(name) or _spell_out(name)


def chunk_head(size: int) -> bytes:
    return b"%x\r\n" % size


def last_chunk(trailers: Fields) -> bytes:
    """The end of a chunked body (RFC 9112 §7.1.2)."""
    parts = [b"0\r\n"]
    _write(parts, trailers)
    parts.append(b"\r\n")
    return b"".join(parts)


def _write(parts: list[bytes], fields: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        parts += (_SPELLINGS.get(name) or _spell(name), value, b"\r\n")


def _spell_out(name: bytes) -> str:
    text = (_SPELLINGS.get(name) or _spell(name))[:-2].decode("ascii", "replace")
    if len(_NAMES) < MAX_SPELLINGS and len(name) <= MAX_SPELLING_LENGTH:
        _NAMES[name] = text
    return text


def _spell(name: bytes) -> bytes:
    spelling = b"-".join(word.capitalize() for word in name.split(b"-")) + b": "
    if len(_SPELLINGS) < MAX_SPELLINGS and len(name) <= MAX_SPELLING_LENGTH:
        _SPELLINGS[name] = spelling
    return spelling
