"""The body of a request: made of fields and files, given as it is, or read as it is sent."""

from __future__ import annotations

import errno
import io
import json
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Final
from urllib.parse import quote_plus

from ..common.body import Body
from .arguments import Options
from .failing import UsageError, reason, warn
from .items import Items, Upload

__all__ = ["JSON", "RequestBody", "make_body"]

#: Methods with which a file or pipe on standard input is the body without further words.
WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH", "QUERY"))

#: Seconds of silence on standard input after which we say what we are waiting for.
PATIENCE: Final = 3.0

BLOCK_SIZE: Final = 65_536

JSON: Final = "application/json; charset=utf-8"
FORM: Final = "application/x-www-form-urlencoded; charset=utf-8"
OCTETS: Final = "application/octet-stream"

Part = bytes | IO[bytes]


class RequestBody:
    """What is sent, and what it is called.

    source        what a connection's ``request`` takes: octets, a file, or ``Parts``
    content_type  None where nothing can be said of it
    size          its octets; None when only its end will tell
    """

    def __init__(self, source: bytes | IO[bytes] | Parts, content_type: str | None) -> None:
        self.source = source
        self.content_type = content_type
        self.size = Body(source).size
        # Where it begins; None for what can be read once only.
        self._start: int | None = None
        if not isinstance(source, bytes):
            with suppress(OSError):
                self._start = source.seek(source.tell())

    def rewind(self) -> bool:
        """Make it ready to be read again from its beginning; False if there is no way."""
        if isinstance(self.source, bytes):
            return True
        if self._start is None:
            return False
        self.source.seek(self._start)
        return True

    def close(self) -> None:
        """Close the files it was to be read from; standard input is not ours to close."""
        stdin = sys.stdin.buffer if sys.stdin is not None else None
        if not isinstance(self.source, bytes) and self.source is not stdin:
            self.source.close()

    def pieces(self) -> Iterator[bytes]:
        """What it holds, from where it stands."""
        if isinstance(self.source, bytes):
            yield self.source
            return
        while piece := self.source.read(BLOCK_SIZE):
            yield piece


class Parts:
    """Octets and files one after the other, read as if they were one file.

    As much of each as it had at the beginning: what grows meanwhile, a log for one, would push
    those behind it out of the length that was promised.
    """

    def __init__(self, parts: list[Part]) -> None:
        self._files = [io.BytesIO(part) if isinstance(part, bytes) else part for part in parts]
        sizes = [Body(file).size for file in self._files]
        known = [size for size in sizes if size is not None]
        self._sizes = known if len(known) == len(sizes) else None
        self._at = 0
        self._here = 0  # octets that were read of the one that this is
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        """The next octets, fewer than ``size`` only at the end."""
        found = b""
        while self._at < len(self._files) and (size < 0 or len(found) < size):
            wanted = -1 if size < 0 else size - len(found)
            if self._sizes is not None:
                left = self._sizes[self._at] - self._here
                wanted = left if size < 0 else min(left, wanted)
            piece = self._files[self._at].read(wanted) if wanted else b""
            self._here += len(piece)
            if not piece:
                self._at += 1
                self._here = 0
            found += piece
        self._position += len(found)
        return found

    def close(self) -> None:
        for file in self._files:
            file.close()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the beginning, the end, or a place that ``tell`` gave. OSError if a part cannot."""
        ends = self._sizes
        if ends is None:
            raise OSError(errno.ESPIPE, "only its end will tell how long a part is")
        position = sum(ends) if whence == io.SEEK_END else offset
        self._position, self._at, self._here = position, len(ends), 0
        for place, (file, end) in enumerate(zip(self._files, ends, strict=True)):
            here = min(position, end)
            file.seek(here)
            if here < end and place < self._at:
                self._at, self._here = place, here
            position -= here
        return self._position


def make_body(options: Options, items: Items) -> RequestBody | None:
    """The body that a command line asks for; None for none. Raises UsageError."""
    fields = bool(items.fields or items.uploads)
    given = [
        said
        for said, there in (
            ("fields", fields),
            ("--raw", options.raw is not None),
            ("@FILE", items.body_file is not None),
        )
        if there
    ]
    if len(given) > 1:
        raise UsageError(f"there are {' and '.join(given)}, each a body; give one of them")
    if fields:
        return _made_of_fields(options, items)
    declared = FORM if options.body_type == "form" else JSON
    if options.raw is not None:
        return RequestBody(options.raw.encode(errors="surrogateescape"), declared)
    if items.body_file is not None and items.body_file != "-":
        unknown = declared if options.body_type in ("json", "form") else OCTETS
        return RequestBody(_opened(items.body_file), _guessed(items.body_file, unknown))
    if items.body_file == "-" or (not options.ignore_stdin and options.method in WITH_BODY):
        stdin = _standard_input()
        if stdin is not None:
            return RequestBody(stdin, declared)
        if items.body_file == "-":
            raise UsageError("@- is standard input, and nothing stands there")
    if options.body_type in ("form", "multipart") and options.method in WITH_BODY:
        return RequestBody(b"", FORM) if options.body_type == "form" else None
    return None


def _made_of_fields(options: Options, items: Items) -> RequestBody:
    if options.body_type == "multipart" or (options.body_type == "form" and items.uploads):
        return _multipart(list(items.form), items.uploads)
    if items.uploads:
        raise UsageError(
            f"{items.uploads[0].name}@{items.uploads[0].path} uploads a file, which JSON cannot: "
            "add --form, or write name=@FILE for its text"
        )
    if options.body_type == "form":
        pairs = "&".join(
            f"{quote_plus(name, errors='surrogateescape')}="
            f"{quote_plus(value, errors='surrogateescape')}"
            for name, value in items.form
        )
        return RequestBody(pairs.encode(), FORM)
    # Spaced as the documentation has always shown it.
    return RequestBody(json.dumps(items.data).encode(), JSON)


def _multipart(fields: list[tuple[str, str]], uploads: list[Upload]) -> RequestBody:
    """A form of parts (RFC 7578), its files read when they are sent."""
    boundary = os.urandom(16).hex()
    parts: list[Part] = []
    for name, value in fields:
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
        parts.append(_octets(head) + _octets(value) + b"\r\n")
    for upload in uploads:
        content_type = upload.content_type or _guessed(upload.path)
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="{_quoted(upload.name)}"; '
            f'filename="{_quoted(os.path.basename(upload.path))}"\r\n'
            f"content-type: {content_type}\r\n\r\n"
        )
        if any(sign < " " for sign in content_type):
            raise UsageError(f"the type {content_type!r} of a file has control characters in it")
        parts += [_octets(head), _opened(upload.path), b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return RequestBody(Parts(parts), f"multipart/form-data; boundary={boundary}")


def _quoted(text: str) -> str:
    """A name as browsers write it between quotation marks (WHATWG HTML, multipart/form-data)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _octets(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _opened(path: str) -> IO[bytes]:
    try:
        if os.path.isdir(path):
            raise UsageError(f"{path!r} is a folder, and cannot be sent as a file")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"the file {path!r} to send cannot be read: {reason(error)}") from None


def _guessed(path: str, unknown: str = OCTETS) -> str:
    import mimetypes

    return mimetypes.guess_type(path)[0] or unknown


# Standard input


def _standard_input() -> IO[bytes] | None:
    """A file or a pipe that has something to say; None for a terminal and for nothing."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (AttributeError, OSError, ValueError):
        return None  # closed, or replaced by something that is no file
    if os.isatty(descriptor) or not (
        stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    ):
        return None
    stdin = sys.stdin.buffer
    if stat.S_ISREG(mode):
        return stdin
    _await(descriptor)
    # An empty pipe is no body: what starts us may have left one there.
    return stdin if _peeked(stdin) else None


def _peeked(stdin: IO[bytes]) -> bytes:
    assert isinstance(stdin, io.BufferedReader)
    return stdin.peek(1)


def _await(descriptor: int) -> None:
    """Say what we are waiting for, if it takes long."""
    try:
        ready, _, _ = select.select([descriptor], [], [], PATIENCE)
    except (OSError, ValueError):  # Windows selects no pipes
        return
    if not ready:
        warn("waiting for the body on standard input; --ignore-stdin if there is none")
