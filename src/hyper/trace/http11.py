"""Octets of one direction of HTTP/1.1 into heads and pieces of bodies (RFC 9112), to look at.

Lenient where a protocol must be strict: what cannot be read is passed over to the end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from .events import Fields, one_line

__all__ = ["MessageReader", "SeenHead", "SeenPiece"]

#: Octets of a head that are kept to be read.
MAX_HEAD: Final = 262_144

#: A length or a chunk's size; with more digits it is none that anybody could send.
_LENGTH: Final = re.compile(rb"[0-9]{1,19}")
_CHUNK_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,16}")

#: What is left of a body whose end is the connection's, or a tunnel's.
_ENDLESS: Final = -1


class SeenHead(NamedTuple):
    """A head, or the trailers after a body (``line`` is empty): what it says, and its octets."""

    number: int
    line: str
    fields: Fields
    size: int


class SeenPiece(NamedTuple):
    """``size`` octets of a body; ``ended`` with its last ones, or without any for its end."""

    number: int
    size: int
    ended: bool


class MessageReader:
    """Octets of one direction.

    requests  True for what a client sends
    asked     what was asked and is not answered: the reader of requests adds methods, the reader
              of responses takes them off
    switched  from here on another protocol is spoken; ``rest`` are its first octets
    """

    def __init__(self, *, requests: bool, asked: deque[bytes]) -> None:
        self.requests = requests
        self.switched = False
        self.rest = b""
        self._asked = asked
        self._number = 0
        self._inbox = bytearray()
        # In a body: octets left of it or of its chunk.
        self._left = 0
        self._in_body = False
        self._chunked = False
        self._in_trailers = False
        self._lost = False

    def read(self, data: bytes) -> Iterator[SeenHead | SeenPiece]:
        """What is complete with these octets."""
        self._inbox += data
        while not self._lost and not self.switched:
            step = self._body() if self._in_body else self._head()
            if step is None:
                return
            yield from step

    def end(self) -> Iterator[SeenPiece]:
        """The connection is over, which ends a body that has no other end (§6.3)."""
        if self._in_body and self._left == _ENDLESS:
            self._in_body = False
            yield SeenPiece(self._number, 0, True)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._inbox[:size])
        del self._inbox[:size]
        return taken

    def _section(self) -> bytes | None:
        """Lines up to an empty one."""
        if not self._in_trailers:
            while self._inbox[:2] == b"\r\n":
                del self._inbox[:2]
        if self._in_trailers and self._inbox[:2] == b"\r\n":
            return self._take(2)
        end = self._inbox.find(b"\r\n\r\n")
        if end < 0:
            if len(self._inbox) > MAX_HEAD:
                self._lost = True
                self._inbox.clear()
            return None
        return self._take(end + 4)

    def _head(self) -> list[SeenHead | SeenPiece] | None:
        section = self._section()
        if section is None:
            return None
        lines = section.decode("latin-1").split("\r\n")[:-2]
        line = "" if self._in_trailers else lines.pop(0)
        fields = []
        for text in lines:
            name, _, value = text.partition(":")
            fields.append((name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")))
        number = self._number
        if self._in_trailers:
            self._in_trailers = False
            self._finish()
            seen: list[SeenHead | SeenPiece] = []
            if fields:
                seen.append(SeenHead(number, "", fields, len(section)))
            return [*seen, SeenPiece(number, 0, True)]
        known = dict(fields)
        if self.requests:
            self._number += 1
            self._asked.append(line.partition(" ")[0].encode("latin-1"))
            left: int | None = 0
        else:
            left = self._answer(line)
            if left is None and line.split(" ")[1:2] == ["101"]:
                # HTTP/2 is another reader's; whatever else it is, it is octets without an end.
                self.switched = b"h2c" in known.get(b"upgrade", b"").lower()
                if self.switched:
                    self.rest = self._take(len(self._inbox))
                else:
                    left = _ENDLESS
        number = self._number
        head = SeenHead(number, one_line(line), fields, len(section))
        if left is None:
            return [head]  # interim, or another protocol from here on
        coding = known.get(b"transfer-encoding", b"").lower()
        length = known.get(b"content-length", b"")
        if left == 0 and not self.requests:
            pass  # no body, whatever the fields say
        elif coding.endswith(b"chunked"):
            self._in_body = self._chunked = True
            self._left = 0
            return [head]
        elif _LENGTH.fullmatch(length):
            left = int(length)
        if left:
            self._in_body, self._chunked, self._left = True, False, left
            return [head]
        self._finish()
        return [head, SeenPiece(number, 0, True)]

    def _answer(self, line: str) -> int | None:
        """What body follows a status line, if nothing else says so; None for an interim one."""
        words = line.split(" ", 2)
        status = words[1] if len(words) > 1 else ""
        if not self._number:
            self._number = 1
        if status.startswith("1"):
            return None
        method = self._asked[0] if self._asked else b""
        if method == b"CONNECT" and status.startswith("2"):
            return _ENDLESS
        if method == b"HEAD" or status in ("204", "304"):
            return 0
        return _ENDLESS

    def _finish(self) -> None:
        self._in_body = self._chunked = False
        if not self.requests:
            if self._asked:
                self._asked.popleft()
            self._number += 1

    def _body(self) -> list[SeenHead | SeenPiece] | None:
        number = self._number
        if self._left == 0:
            return self._chunk()
        if not self._inbox:
            return None
        size = len(self._take(len(self._inbox) if self._left < 0 else self._left))
        if self._left > 0:
            self._left -= size
        ended = self._left == 0 and not self._chunked
        if ended:
            self._finish()
        return [SeenPiece(number, size, ended)]

    def _chunk(self) -> list[SeenHead | SeenPiece] | None:
        """The line before a chunk (§7.1)."""
        if self._inbox[:2] == b"\r\n":
            del self._inbox[:2]
        end = self._inbox.find(b"\r\n")
        if end < 0:
            if len(self._inbox) > MAX_HEAD:
                self._lost = True
                self._inbox.clear()
            return None
        size = self._take(end + 2).partition(b";")[0].strip()
        if _CHUNK_SIZE.fullmatch(size) is None:
            self._lost = True
            return None
        self._left = int(size, 16)
        if self._left == 0:
            self._in_body, self._in_trailers = False, True
        return []
