"""``hyper.http11.messages``: heads on the wire, out and in (RFC 9112 §2 to §5)."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11.messages import read_field, read_status_line, request_head, trailer_section


def test_a_head_is_lines_with_an_empty_one_at_the_end() -> None:
    fields = [(b"host", b"example.org"), (b"x-eight-bit", b"\xff"), (b"x-empty", b"")]
    assert request_head(b"GET", b"/a?b", fields) == (
        b"GET /a?b HTTP/1.1\r\nhost: example.org\r\nx-eight-bit: \xff\r\nx-empty: \r\n\r\n"
    )


@pytest.mark.parametrize("method", [b"", b"G ET", b"GET\r\nx: y", b"G\0T"])
def test_a_method_must_be_a_token(method: bytes) -> None:
    with pytest.raises(ValueError, match="not a token"):
        request_head(method, b"/", [])


@pytest.mark.parametrize("target", [b"", b"/a b", b"/\r\nx: y", b"/#a", b"/\xe4", b"/\0"])
def test_a_target_holds_visible_octets_only(target: bytes) -> None:
    with pytest.raises(ValueError, match="percent-encode"):
        request_head(b"GET", target, [])


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"\xe4"])
def test_a_name_must_be_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="not a token"):
        request_head(b"GET", b"/", [(name, b"x")])


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\rb", b"\0", b" a", b"a\t"])
def test_a_value_cannot_break_out(value: bytes) -> None:
    with pytest.raises(ValueError, match="'x-id'"):
        trailer_section([(b"x-id", value)])


def test_trailers_end_with_an_empty_line() -> None:
    assert trailer_section([]) == b"\r\n"
    assert trailer_section([(b"x-sum", b"1")]) == b"x-sum: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"HTTP/1.1 200 OK", (1, 200, b"OK")),
        (b"HTTP/1.0 404 Not Found", (0, 404, b"Not Found")),
        (b"HTTP/1.1 204 ", (1, 204, b"")),
        (b"HTTP/1.1 204", (1, 204, b"")),
        (b"HTTP/1.1 299 \xe4 \t", (1, 299, b"\xe4 \t")),
    ],
)
def test_status_lines(line: bytes, parts: tuple[int, int, bytes]) -> None:
    assert read_status_line(line) == parts


@pytest.mark.parametrize(
    "line",
    [
        b"", b"220 mail", b"HTTP/1.1", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 +20 OK",
        b"HTTP/1.1  200 OK", b"HTTP/1.1 200OK", b"HTTP/1.1 099 X", b"http/1.1 200 OK",
        b"HTTP/1.1 200 O\0K", b"HTTP/1.1 200 O\rK", b"HTTP/1.11 200 OK",
    ],
)  # fmt: skip
def test_lines_that_are_no_status_line(line: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="not the status line"):
        read_status_line(line)


@pytest.mark.parametrize("line", [b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/11 200 OK"])
def test_other_versions_are_named(line: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="another version"):
        read_status_line(line)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"Server: x", (b"server", b"x")),
        (b"server:x", (b"server", b"x")),
        (b"a:\t b c \t", (b"a", b"b c")),
        (b"a:", (b"a", b"")),
        (b"a: b:c", (b"a", b"b:c")),
        (b"a: \xff\x01", (b"a", b"\xff\x01")),
    ],
)
def test_fields(line: bytes, field: tuple[bytes, bytes]) -> None:
    assert read_field(line) == field


@pytest.mark.parametrize("line", [b"no colon", b": x", b"a b: x", b"a : x", b"\xe4: x", b"a\0: x"])
def test_lines_that_are_no_field(line: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="not a field line"):
        read_field(line)


@pytest.mark.parametrize("line", [b"a: b\rc", b"a: \0"])
def test_values_without_sense(line: bytes) -> None:
    with pytest.raises(InvalidResponseError, match="CR or NUL"):
        read_field(line)
