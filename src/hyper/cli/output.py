"""The body of a response, on a terminal for people and anywhere else for programs."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Final, Protocol, TextIO

__all__ = ["OutputError", "Response", "forget_output", "show"]

#: Octets of JSON that are kept to be printed prettily; longer ones are shown as they come.
MAX_PRETTY: Final = 4 * 2**20

# A response must not move the cursor, change the title or answer for the user: of the controls
# only tab and line ends get through.
_CONTROLS: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"
}


class OutputError(Exception):
    """What we print into does not take it: it is full, or a pipe that nobody reads any more.

    quiet  nothing need be said: the reader has seen enough
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"the response cannot be written: {error.strerror}")
        self.quiet = isinstance(error, BrokenPipeError)


class Response(Protocol):
    """What is needed of a response here."""

    status: int

    def getheader(self, name: str) -> str | None: ...

    def read_chunked(self) -> Iterator[bytes]: ...


def show(response: Response, output: TextIO, notes: TextIO) -> None:
    """Write a response's body to ``output`` as it comes, and remarks to ``notes``.

    A file or a pipe gets the octets. A terminal gets text, JSON indented, and a remark instead of
    anything else. Raises OutputError, and whatever reading the response raises.
    """
    if output.isatty():
        _show_on_terminal(response, output, notes)
        return
    for chunk in response.read_chunked():
        with _writing():
            # Past any buffer, so that a pipe sees what a slow server says when it says it.
            output.buffer.write(chunk)
            output.buffer.flush()


def forget_output(output: TextIO) -> None:
    """What is left in the buffer has no reader: keep the interpreter from complaining of it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


@contextmanager
def _writing() -> Iterator[None]:
    # Told apart from the network's errors, which look the same.
    try:
        yield
    except OSError as error:
        raise OutputError(error) from error


def _show_on_terminal(response: Response, output: TextIO, notes: TextIO) -> None:
    if response.status >= 400:
        print(f"hyper: the server answered {_named(response.status)}", file=notes)
    media_type, charset = _content_type(response.getheader("content-type") or "")
    chunks = response.read_chunked()
    if media_type.endswith(("/json", "+json")):
        chunks = _pretty(chunks, charset)
    decoder = codecs.getincrementaldecoder(charset)("replace")
    last = "\n"
    for chunk in chunks:
        if b"\0" in chunk:
            what = media_type or "an unknown type"
            print(
                f"hyper: this is {what}, not text, and not shown on a terminal; to keep it, add "
                "  > FILE",
                file=notes,
            )
            return
        last = _print(_text(decoder, chunk), output) or last
    last = _print(_text(decoder, b"", end=True), output) or last
    if last != "\n":
        _print("\n", output)


def _text(decoder: codecs.IncrementalDecoder, octets: bytes, *, end: bool = False) -> str:
    try:
        return decoder.decode(octets, end)
    except UnicodeError:
        # Some codecs do so whatever one asks of them, UTF-16 without its mark among them.
        return octets.decode("latin-1")


def _print(text: str, output: TextIO) -> str:
    """Print text safely; return its last character, if any."""
    encoding = output.encoding or "ascii"
    text = text.translate(_CONTROLS).encode(encoding, "backslashreplace").decode(encoding)
    with _writing():
        output.write(text)
        output.flush()
    return text[-1:]


def _pretty(chunks: Iterator[bytes], charset: str) -> Iterator[bytes]:
    """JSON indented, if it is JSON and of a size to wait for; else what came."""
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_PRETTY:
            yield body
            yield from chunks
            return
    try:
        text = json.dumps(json.loads(body), indent=4, ensure_ascii=False)
    except (ValueError, RecursionError):
        yield body
    else:
        yield text.encode(charset, "backslashreplace")


def _content_type(value: str) -> tuple[str, str]:
    """The media type, and a charset that Python knows."""
    media_type, *parameters = value.split(";")
    charset = "utf-8"
    for parameter in parameters:
        name, _, quoted = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = quoted.strip().strip('"')
    try:
        "".encode(charset)  # refuses what is unknown, and codecs that are not for text
    except (LookupError, ValueError):
        charset = "utf-8"
    return media_type.strip().lower(), charset


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
