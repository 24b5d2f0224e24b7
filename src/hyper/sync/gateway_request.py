"""Requests as HTTP/1.1 writes them, read by the gateway (RFC 9112).

What http.client and its kin write to a socket goes in, in any pieces; out come heads in the words
of HTTP/2 and the octets of bodies without their framing. Knows octets only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..common.body import declared_length
from ..common.fields import TOKEN
from .request import HOP_BY_HOP

__all__ = ["Head", "Piece", "RequestReader"]

#: Octets of one head, or of one line of chunked framing. Servers take far less; this only keeps
#: something that is not HTTP at all from being collected for ever.
MAX_HEAD: Final = 1 << 20

#: Octets that are searched for the end of a head or a line at a time, so that a body which
#: comes in one piece with its head is not copied.
SEARCHED: Final = 8192

#: Heads that one reader remembers, and the octets of the longest among them: most programs ask
#: the same few things again and again.
MAX_REMEMBERED: Final = 16
MAX_REMEMBERED_SIZE: Final = 4096

_VERSION: Final = re.compile(rb"HTTP/1\.([01])")
_ABSOLUTE: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?", re.DOTALL)

#: What a body can be: none, so many octets (a number above 0), or chunks.
CHUNKED: Final = -1


class Head(NamedTuple):
    """The head of a request, as HTTP/2 says it.

    scheme   None for the scheme of the connection
    fields   lower-case names; nothing in them that is about an HTTP/1.1 connection
    length   octets of the body; ``CHUNKED`` for a body that says itself where it ends
    expects  whether an interim response is waited for before the body (RFC 9110 §10.1.1)
    closes   whether this is the last request on its connection
    """

    method: bytes
    scheme: bytes | None
    authority: bytes
    path: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    length: int
    expects: bool
    closes: bool


class Piece(NamedTuple):
    """Octets of a body; ``end`` on the last ones, which may be none, with the ``trailers``."""

    data: bytes | memoryview
    end: bool
    trailers: tuple[tuple[bytes, bytes], ...] = ()


class RequestReader:
    """Reads one request after the other.

    resting  True between requests, when nothing of the next one has come
    line     the beginning of a head, or of a line, whose end has not come
    begun    a part of the next one's head has come, and not all of it

    ``feed`` raises ValueError for what is not HTTP/1.1, or cannot be said in HTTP/2; then, as
    after ``reset``, what comes next has to be the beginning of a request.
    """

    __slots__ = ("_end_of", "_known", "_left", "_trailers", "line")

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}
        self.reset()

    def reset(self) -> None:
        """Forget what has been read of a request."""
        self.line = b""  # the beginning of a head or a line
        self._left = 0  # octets of the body, or of a chunk, still to come
        # What the octets that come belong to: a head, a body of known length, or the parts of a
        # chunked one: the line with a chunk's size, its data, the line end behind it, trailers.
        self._end_of = "head"
        self._trailers: list[bytes] = []

    @property
    def resting(self) -> bool:
        return self._end_of == "head" and not self.line

    @property
    def begun(self) -> bool:
        # An empty line before a request means nothing (RFC 9112 §2.2).
        return self._end_of == "head" and bool(self.line.strip(b"\r\n"))

    def feed(self, data: bytes | memoryview) -> Iterator[Head | Piece]:
        """Take octets in; give out what they complete, and body octets as they are."""
        if isinstance(data, bytes) and self._end_of == "head" and not self.line:
            # What nearly every request is: one head in one piece.
            head = self._known.get(data)
            if head is not None:
                self._begin_body(head)
                yield head
                return
        try:
            yield from self._read(memoryview(data))
        except ValueError:
            self.reset()
            raise

    def _read(self, view: memoryview) -> Iterator[Head | Piece]:
        while view:
            if self._left:
                piece = view[: self._left]
                view = view[len(piece) :]
                self._left -= len(piece)
                end = False
                if not self._left:
                    if self._end_of == "chunk":
                        self._end_of = "line end"
                    else:
                        self._end_of = "head"
                        end = True
                yield Piece(piece, end)
                continue
            line, view = self._take_line(view)
            if line is None:
                continue
            if self._end_of == "head":
                head = read_head(line)
                if len(line) <= MAX_REMEMBERED_SIZE:
                    if len(self._known) >= MAX_REMEMBERED:
                        self._known.clear()
                    self._known[line + b"\r\n\r\n"] = head
                self._begin_body(head)
                yield head
            elif self._end_of == "size":
                match = _CHUNK_SIZE.fullmatch(line)
                if match is None:
                    raise ValueError(
                        f"{line[:20]!r} is not the size of a chunk (RFC 9112 §7.1); a body with "
                        "'transfer-encoding: chunked' has to be written in chunks"
                    )
                self._left = int(match[1], 16)
                self._end_of = "chunk" if self._left else "trailers"
            elif self._end_of == "line end":
                if line:
                    raise ValueError(
                        "a chunk goes on behind the octets that its size promised (RFC 9112 §7.1)"
                    )
                self._end_of = "size"
            elif line:
                self._trailers.append(line)
            else:
                trailers = tuple(_fields(self._trailers))
                self.reset()
                yield Piece(b"", True, trailers)

    def _begin_body(self, head: Head) -> None:
        if head.length == CHUNKED:
            self._end_of = "size"
        elif head.length:
            self._end_of = "body"
            self._left = head.length

    def _take_line(self, view: memoryview) -> tuple[bytes | None, memoryview]:
        """What stands before the next end of a head, or of a line; None while it is not there."""
        before = self.line
        stop = b"\r\n\r\n" if self._end_of == "head" else b"\r\n"
        searched = before + bytes(view[:SEARCHED])
        if self._end_of == "head" and searched.startswith(b"\r\n"):
            # Empty lines before a request mean nothing (RFC 9112 §2.2).
            self.line = b""
            return None, view[2 - len(before) :]
        at = searched.find(stop, max(len(before) - len(stop), 0))
        if at < 0:
            if len(searched) > MAX_HEAD:
                raise ValueError(
                    f"{len(searched)} octets without the end of a {self._end_of}; what is "
                    "written here has to be an HTTP/1.1 request"
                )
            self.line = searched
            return None, view[SEARCHED:]
        self.line = b""
        return searched[:at], view[at + len(stop) - len(before) :]


def read_head(block: bytes) -> Head:
    """The head of a request; ``block`` is without the empty line behind it. Raises ValueError."""
    # A field that is folded (RFC 9112 §5.2) is what http.client makes of several values.
    first, *lines = re.sub(rb"\r\n[ \t]+", b" ", block).split(b"\r\n")
    words = first.split(b" ")
    version = _VERSION.fullmatch(words[-1])
    if len(words) != 3 or version is None or TOKEN.fullmatch(words[0]) is None:
        raise ValueError(
            f"{first[:40]!r} is not the first line of an HTTP/1.1 request (RFC 9112 §3); this "
            "socket speaks HTTP/2 to the server, and takes nothing else to translate"
        )
    method, target, _ = words
    if method == b"CONNECT":
        raise ValueError(
            "CONNECT asks for a tunnel, and this connection speaks HTTP/2; open the tunnel before "
            "TLS, or offer the proxy http/1.1 only"
        )
    given = list(_fields(lines))
    options = {
        option.strip(b" \t").lower()
        for name, value in given
        if name == b"connection"  # names further fields of its kind (RFC 9110 §7.6.1)
        for option in value.split(b",")
    }
    if b"upgrade" in options:
        raise ValueError(
            "HTTP/2 has no Upgrade (RFC 9113 §8.6), and this connection speaks it; offer such a "
            "host http/1.1 only, with hyper.client.create_default_context(http11_hosts=[...])"
        )
    dropped = HOP_BY_HOP | options
    fields = []
    host = coding = b""
    for name, value in given:
        if name == b"host":
            if host and host != value:
                raise ValueError("two 'host' fields that differ (RFC 9112 §3.2)")
            host = value
        elif name == b"te":
            # The one word that has a meaning in HTTP/2 (RFC 9113 §8.2.2).
            if b"trailers" in (word.strip(b" \t").lower() for word in value.split(b",")):
                fields.append((b"te", b"trailers"))
        elif name == b"transfer-encoding":
            coding += b"," + value.lower() if coding else value.lower()
        elif name not in dropped and not (name == b"content-length" and (name, value) in fields):
            # The same length twice is one length, and two lines are none (RFC 9110 §5.3).
            fields.append((name, value))
    length = declared_length(fields) or 0
    if coding:
        if coding != b"chunked":
            raise ValueError("HTTP/2 has no transfer codings (RFC 9113 §8.1), only 'chunked' is")
        if length:
            raise ValueError(
                "both 'content-length' and 'transfer-encoding' are given (RFC 9112 §6.3); leave "
                "one of them out"
            )
        # A length of 0 beside it says nothing of what comes in chunks (RFC 9112 §6.3).
        fields = [field for field in fields if field[0] != b"content-length"]
        length = CHUNKED
    scheme, authority, path = _target(target, host)
    return Head(
        method,
        scheme,
        authority,
        path,
        tuple(fields),
        length,
        any(name == b"expect" and value.lower() == b"100-continue" for name, value in fields),
        b"close" in options or (version[1] == b"0" and b"keep-alive" not in options),
    )


def _target(target: bytes, host: bytes) -> tuple[bytes | None, bytes, bytes]:
    """Scheme, authority and path of a request target (RFC 9112 §3.2)."""
    scheme = None
    match = _ABSOLUTE.fullmatch(target)
    if match is not None:
        scheme, host, target = match[1].lower(), match[2], match[3]
        if not target.startswith(b"/"):
            target = b"/" + target
    # A fragment is the client's business (RFC 9110 §7.1); http.client lets it through.
    return scheme, host, target.partition(b"#")[0]


def _fields(lines: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name[:40]!r} is not the name of a header field (RFC 9112 §5)")
        yield name.lower(), value.strip(b" \t")
