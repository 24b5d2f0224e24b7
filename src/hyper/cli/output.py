"""What is printed: for people on a terminal, and octet for octet anywhere else."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple, Protocol, TextIO

from .failing import CommandError, warn
from .paint import Palette, harmless, json_text, pythonic

__all__ = ["Looks", "OutputError", "Printer", "Response", "forget_output", "named", "writing"]

#: Octets of a body that are kept to be shown neatly; longer ones are shown as they come.
MAX_PRETTY: Final = 4 * 2**20

#: What pygments makes more readable, and is worth waiting for the whole of.
_CODE: Final = frozenset(
    (
        *(f"text/{kind}" for kind in ("html", "xml", "css", "javascript", "x-yaml", "yaml")),
        *(f"application/{kind}" for kind in ("xml", "xhtml+xml", "javascript", "yaml", "toml")),
        *(f"application/{kind}+xml" for kind in ("rss", "atom", "soap")),
        "image/svg+xml",
    )
)


class OutputError(CommandError):
    """What we print into does not take it: it is full, or a pipe that nobody reads any more.

    quiet  nothing need be said: the reader has seen enough
    """

    def __init__(self, error: OSError, path: str | None = None) -> None:
        what = "the response" if path is None else repr(path)
        super().__init__(f"{what} cannot be written: {error.strerror}")
        self.quiet = isinstance(error, BrokenPipeError)


class Response(Protocol):
    """What is needed of a response here."""

    def getheader(self, name: str) -> str | None: ...

    def read_chunked(self, decode_content: bool = True) -> Iterator[bytes]: ...


class Looks(NamedTuple):
    """How a body is shown.

    raw     octet for octet, whatever it is
    indent  JSON neatly, once it is there whole
    python  JSON as a literal of Python
    stream  each line when it comes
    """

    raw: bool
    indent: bool = False
    python: bool = False
    stream: bool = False


@contextmanager
def writing(path: str | None = None) -> Iterator[None]:
    """Tell the errors of our output apart from the network's, which look the same.

    path  the file that is written into, if it is one
    """
    try:
        yield
    except OSError as error:
        raise OutputError(error, path) from error


def forget_output(output: TextIO) -> None:
    """What is left in the buffer has no reader: keep the interpreter from complaining of it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


class Printer:
    """Prints heads and bodies to one place. All of it raises OutputError.

    path  what the place is called, if it is a file
    """

    def __init__(
        self, output: TextIO, looks: Looks, palette: Palette, path: str | None = None
    ) -> None:
        self.output = output
        self.path = path
        self.looks = looks
        self.palette = palette
        self._parted = True  # what comes next need not be parted from what came before
        self._at_line_start = True

    def request_head(
        self, method: str, path: str, version: str, fields: Iterable[tuple[str, str]]
    ) -> None:
        paint = self.palette
        self._head(
            f"{paint('method', harmless(method))} {harmless(path)} {paint('version', version)}",
            fields,
        )

    def response_head(
        self, version: str, status: int, fields: Iterable[tuple[str, str]], reason: str = ""
    ) -> None:
        """A response's head; ``reason`` is what its server says of the status, if it does."""
        paint = self.palette
        said = harmless(f"{status} {reason}") if reason else named(status)
        self._head(f"{paint('version', version)} {paint(str(status)[0], said)}", fields)

    def trailers(self, fields: Iterable[tuple[str, str]]) -> None:
        """The fields behind a body."""
        lines = self._fields(fields)
        if lines:
            self.part()
            self.text("\n".join(lines) + "\n")

    def figures(self, rows: Iterable[tuple[str, str]]) -> None:
        """How it went, one row each."""
        self.part()
        for name, value in rows:
            self.text(f"{self.palette('name', f'{name}:')} {harmless(value)}\n")

    def part(self) -> None:
        """A blank line between what came and what comes, if something came."""
        if not self._at_line_start:
            self.text("\n")
        if not self._parted:
            self.text("\n")
        self._parted = True

    def body(self, chunks: Iterator[bytes], content_type: str) -> None:
        """A body as it comes. Raises as well what ``chunks`` does."""
        if self.looks.raw:
            for chunk in chunks:
                self.octets(chunk)
        else:
            self._show(chunks, content_type)

    def octets(self, octets: bytes) -> None:
        if octets:
            with writing(self.path):
                # Past any buffer, so that a pipe sees what a slow server says when it says it.
                self.output.flush()
                self.output.buffer.write(octets)
                self.output.buffer.flush()
            self._parted = False
            self._at_line_start = octets.endswith(b"\n")

    def text(self, text: str) -> None:
        if text:
            encoding = self.output.encoding or "ascii"
            text = text.encode(encoding, "backslashreplace").decode(encoding)
            with writing(self.path):
                self.output.write(text)
                self.output.flush()
            self._parted = False
            self._at_line_start = text.endswith("\n")

    def _head(self, line: str, fields: Iterable[tuple[str, str]]) -> None:
        self.part()
        self.text("\n".join([line, *self._fields(fields), "", ""]))
        self._parted = True

    def _fields(self, fields: Iterable[tuple[str, str]]) -> list[str]:
        paint = self.palette
        return [f"{paint('name', harmless(name))}: {harmless(value)}" for name, value in fields]

    def _show(self, chunks: Iterator[bytes], content_type: str) -> None:
        media_type, charset = _type_and_charset(content_type)
        is_json = media_type.endswith(("/json", "+json"))
        texts = _texts(chunks, charset)
        if self.looks.stream:
            pieces = self._lines(texts)
        elif is_json or (self.palette.colours and media_type in _CODE):
            pieces = self._neatly(texts, media_type, is_json)
        else:
            pieces = map(harmless, texts)
        try:
            for piece in pieces:
                self.text(piece)
        except _Binary:
            what = media_type or "an unknown type"
            warn(f"this is {what}, not text, and not shown on a terminal; to keep it, add -o FILE")
        finally:
            # Also when it breaks off: what is said of that deserves a line of its own.
            if not self._at_line_start:
                self.text("\n")

    def _neatly(self, texts: Iterator[str], media_type: str, is_json: bool) -> Iterator[str]:
        """The whole, if it is of a size to wait for; else what came."""
        kept: list[str] = []
        size = 0
        try:
            for text in texts:
                kept.append(text)
                size += len(text)
                if size > MAX_PRETTY:
                    yield from map(harmless, kept)
                    kept = []
                    yield from map(harmless, texts)
                    return
        except _Binary:
            raise
        except Exception:
            # What came before it broke is worth seeing, too.
            yield from map(harmless, kept)
            raise
        whole = "".join(kept)
        neat = None
        if is_json and self.looks.python:
            neat = pythonic(whole)
        elif is_json:
            neat = json_text(whole, self.palette, indent=self.looks.indent)
        if neat is None:
            neat = harmless(whole)
            if not is_json:  # what claims to be and is not would be painted as one mistake
                neat = self.palette.code(neat, media_type)
        yield neat

    def _lines(self, texts: Iterator[str]) -> Iterator[str]:
        """Each line as soon as it is there; one that is JSON in colours."""
        rest = ""
        for text in texts:
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield self._line(line) + "\n"
            if len(rest) > MAX_PRETTY:
                yield harmless(rest)
                rest = ""
        yield self._line(rest)

    def _line(self, line: str) -> str:
        # A number or a word alone is as likely to be prose.
        neat = None
        if line.lstrip()[:1] in ("{", "["):
            neat = json_text(line, self.palette, indent=False)
        return harmless(line) if neat is None else neat


class _Binary(Exception):
    """There is a NUL: this is no text."""


def _texts(chunks: Iterator[bytes], charset: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(charset)("replace")
    # In these every other octet of plain text is a NUL.
    wide = codecs.lookup(charset).name.startswith(("utf-16", "utf-32"))
    for chunk in chunks:
        if b"\0" in chunk and not wide:
            raise _Binary
        yield _decoded(decoder, chunk)
    yield _decoded(decoder, b"", end=True)


def _decoded(decoder: codecs.IncrementalDecoder, octets: bytes, *, end: bool = False) -> str:
    try:
        return decoder.decode(octets, end)
    except UnicodeError:
        # Some codecs do so whatever one asks of them, UTF-16 without its mark among them.
        return octets.decode("latin-1")


#: Codecs of Python's that make text of octets and are no charset of anybody's. Those for names of
#: hosts take a thousand times as long as others, and keep a body that has no dot in it.
_NO_CHARSETS: Final = frozenset(("idna", "punycode", "raw-unicode-escape", "unicode-escape"))


def _type_and_charset(value: str) -> tuple[str, str]:
    """The media type, and a charset that Python knows."""
    media_type, *parameters = value.split(";")
    charset = "utf-8"
    for parameter in parameters:
        name, _, quoted = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = quoted.strip().strip('"')
    try:
        "".encode(charset)  # refuses what is unknown, and codecs that are not for text
        if codecs.lookup(charset).name in _NO_CHARSETS:
            charset = "utf-8"
    except (LookupError, ValueError):
        charset = "utf-8"
    return media_type.strip().lower(), charset


def named(status: int) -> str:
    """A status with its phrase, where it has one; HTTP/2 sends none."""
    from http import HTTPStatus

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
