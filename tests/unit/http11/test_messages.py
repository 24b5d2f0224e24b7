"""``hyper.http11.messages``: heads on the wire, out and in (RFC 9112 §2 to §5)."""

from __future__ import annotations

import pytest

from hyper.common.exceptions import InvalidResponseError
from hyper.http11 import limits
from hyper.http11.messages import (
    FieldSection,
    Head,
    read_field,
    read_status_line,
    request_head,
    request_target,
    trailer_section,
    whole_head,
)


def test_a_head_is_lines_with_an_empty_one_at_the_end() -> None:
    fields = [(b"host", b"example.org"), (b"x-eight-bit", b"\xff"), (b"x-empty", b"")]
    assert request_head(b"GET", b"/a?b", fields) == (
        b"GET /a?b HTTP/1.1\r\nhost: example.org\r\nx-eight-bit: \xff\r\nx-empty: \r\n\r\n"
    )


def target(
    method: bytes = b"GET",
    authority: bytes = b"example.org",
    path: bytes = b"/a?b",
    scheme: bytes = b"http",
    absolute: bool = False,
) -> bytes:
    return request_target(method, scheme, authority, path, absolute=absolute)


def test_the_four_forms_of_a_target() -> None:
    """RFC 9112 §3.2."""
    assert target() == b"/a?b"
    assert target(absolute=True) == b"http://example.org/a?b"
    assert target(b"CONNECT", b"example.org:443", absolute=True) == b"example.org:443"
    assert target(b"CONNECT", b"[::1]:443") == b"[::1]:443"
    assert target(b"OPTIONS", path=b"*") == b"*"
    assert target(b"OPTIONS", path=b"*", absolute=True) == b"http://example.org"


@pytest.mark.parametrize("method", [b"", b"G ET", b"GET\r\nx: y", b"G\0T"])
def test_a_method_must_be_a_token(method: bytes) -> None:
    with pytest.raises(ValueError, match="not a token"):
        target(method)


@pytest.mark.parametrize(
    "path", [b"", b"a", b"http://a/", b"/a b", b"/\r\nx: y", b"/#a", b"/\xe4", b"/\0", b"*"]
)
def test_a_path_begins_with_a_slash_and_holds_visible_octets_only(path: bytes) -> None:
    with pytest.raises(ValueError, match="percent-encode"):
        target(path=path)


@pytest.mark.parametrize("authority", [b"", b"a b", b"me@example.org", b"a/b", b"a\r\nb", b"\xe4"])
def test_an_authority_is_a_host_and_maybe_a_port(authority: bytes) -> None:
    with pytest.raises(ValueError, match="is not host"):
        target(authority=authority)


@pytest.mark.parametrize("authority", [b"example.org", b":443", b"example.org:", b"[::1]"])
def test_connect_needs_a_port(authority: bytes) -> None:
    with pytest.raises(ValueError, match="add the port"):
        target(b"CONNECT", authority)


@pytest.mark.parametrize("scheme", [b"", b"HTTP", b"a b", b"a:"])
def test_a_proxy_needs_a_scheme(scheme: bytes) -> None:
    with pytest.raises(ValueError, match="not a URI scheme"):
        target(scheme=scheme, absolute=True)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\n", b"\xe4", b"Upper"])
def test_a_name_must_be_a_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="not a token"):
        request_head(b"GET", b"/", [(name, b"x")])


def test_a_pseudo_header_is_named_for_what_it_is() -> None:
    with pytest.raises(ValueError, match="pseudo-header b':path'"):
        request_head(b"GET", b"/", [(b":path", b"x")])


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


def test_an_error_shows_no_value() -> None:
    for line in (b"authorization : secret", b"authorization: sec\0ret"):
        with pytest.raises(InvalidResponseError) as caught:
            read_field(line)
        assert "authorization" in str(caught.value) and "sec" not in str(caught.value)


# a whole head at once


def by_line(head: bytes) -> Head:
    """The same, the slow way."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    section = FieldSection(limits.MAX_HEAD, len(first))
    for line in lines:
        section.add(line)
    return Head(*read_status_line(first), section.fields, section.size)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 404\r\nA:b\r\n\r\n",
        b"HTTP/1.1 200 \r\nServer: x\r\nSERVER: \t y \t\r\nE:\r\nF: a:b \xff\x01\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * limits.MAX_FIELDS + b"\r\n",
    ],
)
def test_a_whole_head_means_what_its_lines_mean(head: bytes) -> None:
    assert whole_head(b"before" + head + b"after\r\n\r\n", 6) == (by_line(head), 6 + len(head))


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\na: b\r\n",
        b"HTTP/1.1 200 OK\na: b\n\nbody\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 O\rK\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * (limits.MAX_FIELDS + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"x" * limits.MAX_LINE + b"\r\n\r\n",
    ],
)
def test_whatever_is_odd_is_left_to_be_read_by_line(head: bytes) -> None:
    assert whole_head(head, 0) is None


# line by line


def section(*lines: bytes, max_size: int = limits.MAX_HEAD) -> FieldSection:
    made = FieldSection(max_size, 10)
    for line in lines:
        made.add(line)
    return made


def test_folded_lines_become_one_blank() -> None:
    """RFC 9112 §5.2."""
    made = section(b"A: b", b" \t c ", b"\t", b"E:", b" f", b"G: h")
    assert made.fields == [(b"a", b"b c"), (b"e", b"f"), (b"g", b"h")]
    assert made.size == 10 + 4 + 5 + 1 + 2 + 2 + 4


def test_nothing_is_folded_before_the_first_field() -> None:
    with pytest.raises(InvalidResponseError, match="before the first field"):
        section(b" a: b")


def test_a_folded_line_is_held_to_the_rules_of_a_value() -> None:
    with pytest.raises(InvalidResponseError, match="the value of b'a' holds CR or NUL"):
        section(b"a: b", b" c\0")


def test_a_section_is_measured() -> None:
    assert section(b"a: b", max_size=14).size == 14
    with pytest.raises(InvalidResponseError, match="more than 13 octets"):
        section(b"a: b", max_size=13)


@pytest.mark.parametrize("line", [b"a: b", b" folded", b" "])
def test_the_lines_of_a_section_are_counted_folded_ones_too(line: bytes) -> None:
    lines = [b"a: b", *[line] * (limits.MAX_FIELDS - 1)]
    section(*lines)
    with pytest.raises(InvalidResponseError, match="more than 256 field lines"):
        section(*lines, line)
