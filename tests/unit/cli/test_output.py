"""A body on a terminal, in a pipe, and where it does not fit."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import pytest

from hyper.cli import output as module
from hyper.cli.output import Looks, OutputError, Printer, forget_output
from hyper.cli.paint import Palette


class Response:
    """A body that comes in pieces."""

    def __init__(self, content_type: str | None, *chunks: bytes) -> None:
        self.content_type = content_type
        self.chunks: Iterable[bytes] = chunks
        self.taken = 0

    def read_chunked(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.taken += 1
            yield chunk


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        self.octets = io.BytesIO()
        super().__init__(self.octets, encoding=encoding, newline="")

    def isatty(self) -> bool:
        return True


def show(response: Response, output: io.TextIOWrapper, looks: Looks, colours: bool) -> None:
    printer = Printer(output, looks, Palette(colours))
    printer.body(response.read_chunked(), response.content_type or "")


def on_terminal(
    response: Response,
    encoding: str = "utf-8",
    *,
    colours: bool = False,
    python: bool = False,
    stream: bool = False,
) -> str:
    """What the terminal gets."""
    terminal = Terminal(encoding)
    looks = Looks(raw=False, indent=True, python=python, stream=stream)
    show(response, terminal, looks, colours)
    return terminal.octets.getvalue().decode(encoding)


def in_pipe(response: Response) -> bytes:
    pipe = io.TextIOWrapper(io.BytesIO())
    show(response, pipe, Looks(raw=True), False)
    octets: bytes = pipe.buffer.getvalue()
    return octets


def test_a_pipe_gets_the_octets_as_they_are() -> None:
    octets = (b'{"a":1}', b"", b"\0\xff\x1b[2J\n")
    assert in_pipe(Response("application/json", *octets)) == b"".join(octets)


def test_a_pipe_gets_each_piece_before_the_next_is_awaited() -> None:
    pipe = io.TextIOWrapper(io.BytesIO())
    seen: list[bytes] = []

    class Slow(Response):
        def read_chunked(self) -> Iterator[bytes]:
            for chunk in super().read_chunked():
                seen.append(pipe.buffer.getvalue())
                yield chunk

    show(Slow(None, b"one", b"two", b"three"), pipe, Looks(raw=True), False)
    assert seen == [b"", b"one", b"onetwo"]


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json; charset=utf-8"])
def test_json_is_indented_on_a_terminal(kind: str) -> None:
    said = on_terminal(Response(kind, b'{"b":[1,', b'"\xc3\xbc"],"a":{}}'))

    assert said == '{\n    "b": [\n        1,\n        "ü"\n    ],\n    "a": {}\n}\n'


@pytest.mark.parametrize("body", [b'{"id": 0}\n{"id": 1}\n', b"[" * 100_000 + b"\n", b"\xff{}\n"])
def test_json_that_is_none_is_shown_as_it_came(body: bytes) -> None:
    said = on_terminal(Response("application/json", body))

    assert said == body.decode("utf-8", "replace")


def test_json_too_long_to_wait_for_is_shown_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PRETTY", 5)
    said = on_terminal(Response("application/json", b"[1,", b"2,3", b",4]"))

    assert said == "[1,2,3,4]\n"


def test_text_gets_a_line_end_if_it_has_none() -> None:
    assert on_terminal(Response("text/plain", b"one", b"\ntwo")) == "one\ntwo\n"
    assert on_terminal(Response("text/plain", b"one\n")) == "one\n"
    assert on_terminal(Response("text/plain")) == ""


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("iso-8859-1", b"\xfc", "ü"),
        ('"koi8-r"', b"\xc1", "а"),  # noqa: RUF001 - Cyrillic it is
        ("no-such-thing", b"\xc3\xbc", "ü"),
        ("hex", b"\xc3\xbc", "ü"),
        ("undefined", b"\xc3\xbc", "ü"),
        ("a\0b", b"\xc3\xbc", "ü"),
        ("utf-16", b"\xfc\x01", "ü\\x01"),
        ("idna", b"\xc3\xbc", "ü"),
        ("utf-8", b"\xff", "\ufffd"),
        ("utf-8", b"\xc3", "\ufffd"),
    ],
)
def test_text_is_decoded_as_it_says(charset: str, body: bytes, text: str) -> None:
    said = on_terminal(Response(f"text/plain; format=flowed; Charset={charset}", body))

    assert said == text + "\n"


def test_characters_may_be_split_between_pieces() -> None:
    assert on_terminal(Response("text/plain", b"\xc3", b"\xbc")) == "ü\n"


def test_a_terminal_that_cannot_show_a_character_shows_its_number() -> None:
    assert on_terminal(Response("text/plain", "ü€".encode()), "ascii") == "\\xfc\\u20ac\n"


def test_a_response_cannot_move_the_cursor() -> None:
    said = on_terminal(Response("text/plain", b"\x1b]0;title\x07\t\xc2\x9b\x7f\r\n"))
    assert said == "\\x1b]0;title\\x07\t\\x9b\\x7f\r\n"

    said = on_terminal(Response("application/json", b'{"a": "\\u009b"}'))
    assert said == '{\n    "a": "\\x9b"\n}\n'


@pytest.mark.parametrize("kind", ["image/png", None])
def test_what_is_no_text_is_not_shown_on_a_terminal(
    kind: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    response = Response(kind, b"PNG", b"a\0b", b"more")
    said = on_terminal(response)
    notes = capsys.readouterr().err

    assert said == "PNG\n"
    assert notes.startswith(f"hyper: this is {kind or 'an unknown type'}, not text")
    assert notes.count("\n") == 1
    assert response.taken == 2, "nobody waits for the rest"


class Full(io.RawIOBase):
    def __init__(self, error: OSError) -> None:
        self.error = error

    def writable(self) -> bool:
        return True

    def write(self, octets: object) -> int:
        raise self.error


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("error", "quiet"), [(BrokenPipeError(32, "Broken pipe"), True), (OSError(28, "full"), False)]
)
def test_output_that_takes_nothing_is_told_from_the_network(
    error: OSError, quiet: bool, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.TextIOWrapper(io.BufferedWriter(Full(error)))
    monkeypatch.setattr(output, "isatty", lambda: terminal)
    with pytest.raises(OutputError) as caught:
        show(Response("text/plain", b"x"), output, Looks(raw=not terminal), False)

    assert caught.value.quiet is quiet
    assert str(caught.value) == f"the response cannot be written: {error.strerror}"
    # Nothing may be left that its destructor would try to write.
    with pytest.raises(OSError):
        output.close()


def test_errors_of_the_network_pass_through() -> None:
    class Broken(Response):
        def read_chunked(self) -> Iterator[bytes]:
            yield b"some"
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        in_pipe(Broken(None))


def test_an_output_without_a_file_is_left_as_it_is() -> None:
    forget_output(io.StringIO())


def test_what_came_of_json_before_it_broke_is_shown() -> None:
    class Broken(Response):
        def read_chunked(self) -> Iterator[bytes]:
            yield b'{"a": '
            raise ConnectionResetError("gone")

    terminal = Terminal()
    with pytest.raises(ConnectionResetError):
        show(Broken("application/json"), terminal, Looks(raw=False, indent=True), False)
    assert terminal.octets.getvalue() == b'{"a": \n'


def test_json_with_a_nul_in_it_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert on_terminal(Response("application/json", b"[1", b"\0]")) == ""
    assert "not text" in capsys.readouterr().err


def test_lines_come_one_by_one() -> None:
    said: list[str] = []

    class Slow(Response):
        def read_chunked(self) -> Iterator[bytes]:
            for chunk in super().read_chunked():
                yield chunk
                said.append(terminal.octets.getvalue().decode())

    terminal = Terminal()
    looks = Looks(raw=False, indent=True, stream=True)
    show(Slow("application/json", b"[1]\n[", b"2]\n{}", b"\n"), terminal, looks, False)
    assert said == ["[1]\n", "[1]\n[2]\n", "[1]\n[2]\n{}\n"]


def test_a_line_without_end_is_shown_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PRETTY", 5)
    assert (
        on_terminal(Response("text/plain", b"[1,", b"2,3", b"]\nx"), stream=True) == "[1,2,3]\nx\n"
    )
