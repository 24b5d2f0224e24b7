"""Bodies of parts, read as one file; and bodies that cannot be."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hyper.cli.arguments import read_arguments
from hyper.cli.body import Parts, RequestBody, make_body
from hyper.cli.failing import CommandError, UsageError
from hyper.cli.items import read_items
from hyper.cli.request import Request, follow
from hyper.cli.target import Target
from hyper.common.body import Body

TARGET = Target("https", "x.org", 443, "/")


def body_of(*words: str) -> RequestBody | None:
    options = read_arguments(words)
    return make_body(options, read_items(options.items))


class Pipe(io.RawIOBase):
    """Something that gives its octets once."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return 0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100, -1])
def test_parts_are_read_as_one(size: int) -> None:
    parts = Parts([b"abc", io.BytesIO(b"defg"), b"", io.BytesIO(b""), b"h"])
    found = b""
    while piece := parts.read(size):
        assert len(piece) == size or size < 0 or found + piece == b"abcdefgh"
        found += piece
        assert parts.tell() == len(found)
    assert found == b"abcdefgh"


@pytest.mark.parametrize("size", [-1, 1, 3, 100])
def test_a_part_that_grows_pushes_nothing_out(size: int) -> None:
    log = io.BytesIO(b"line\n")
    parts = Parts([b"head ", log, b" end"])
    promised = Body(parts).size
    log.seek(0, io.SEEK_END)
    log.write(b"another line\n")
    log.seek(0)
    for _ in range(2):
        read = b"".join(iter(lambda: parts.read(size), b""))
        assert read == b"head line\n end" and len(read) == promised
        parts.seek(7)
        assert b"".join(iter(lambda: parts.read(size), b"")) == b"ne\n end"
        parts.seek(0)


def test_a_part_that_shrinks_is_noticed() -> None:
    one, other = io.BytesIO(b"abcd"), io.BytesIO(b"ef")
    body = Body(Parts([one, other]))
    one.truncate(2)
    other.seek(0, io.SEEK_END)
    other.write(b"gh")
    other.seek(0)
    with pytest.raises(ValueError, match="ended after 4 of the 6 octets"):
        list(body)


def test_parts_can_be_set_to_any_place() -> None:
    whole = b"abcdefgh"
    parts = Parts([b"abc", io.BytesIO(b"defg"), b"", b"h"])
    for place in (*range(9), 3, 0):
        assert parts.seek(place) == parts.tell() == place
        assert parts.read() == whole[place:]
        assert parts.seek(0, io.SEEK_END) == 8
        assert parts.read() == b""


def test_a_body_knows_its_size_if_its_source_does() -> None:
    body = RequestBody(Parts([b"abc", io.BytesIO(b"de")]), None)
    assert body.size == 5
    assert (b"".join(body.pieces()), body.size) == (b"abcde", 5)
    assert body.rewind()
    assert b"".join(body.pieces()) == b"abcde"
    body.close()
    for source in (io.BufferedReader(Pipe()), Parts([b"abc", io.BufferedReader(Pipe())])):
        body = RequestBody(source, None)
        assert body.size is None
        assert not body.rewind()
        body.close()
    assert ("content-length", "5") in Request(
        "POST", TARGET, [], RequestBody(b"abcde", None)
    ).on_the_wire()[2]
    assert ("content-length", "0") in Request("POST", TARGET, [], None).on_the_wire()[2]


def test_what_was_read_cannot_be_sent_to_where_a_redirect_leads() -> None:
    source = io.BufferedReader(Pipe())
    request = Request("POST", TARGET, [], RequestBody(source, None))
    with pytest.raises(CommandError, match="put it into a file"):
        follow(request, 307, "/there")
    assert follow(request, 303, "/there").method == "GET"
    source.close()


def test_an_empty_form() -> None:
    body = body_of("--form", "POST", "x.org", "-I")
    assert body is not None
    assert (body.source, body.size) == (b"", 0)
    assert body.content_type == "application/x-www-form-urlencoded; charset=utf-8"
    assert body_of("--multipart", "POST", "x.org", "-I") is None
    assert body_of("--form", "GET", "x.org") is None


def test_names_and_types_cannot_break_out_of_a_part(tmp_path: Path) -> None:
    path = tmp_path / 'a"\r\nb'
    path.write_bytes(b"")
    body = body_of("--form", "x.org", f'n"\r\nx@{path}')
    assert body is not None
    octets = b"".join(body.pieces())
    body.close()
    assert b'name="n%22%0D%0Ax"; filename="a%22%0D%0Ab"\r\n' in octets
    with pytest.raises(UsageError, match="control characters"):
        body_of("--form", "x.org", f"n@{path};type=a\r\nb: c")


@pytest.mark.parametrize("stdin", [None, io.StringIO("x")])
def test_a_standard_input_that_is_none(stdin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert body_of("POST", "x.org") is None
    with pytest.raises(UsageError, match="@- is standard input, and nothing stands there"):
        body_of("x.org", "@-")


@pytest.mark.parametrize("device", [os.devnull, "/dev/zero"])
def test_a_device_is_no_body(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it has to say: nobody means it."""
    if not os.path.exists(device) and device != os.devnull:
        pytest.skip(f"there is no {device} here")
    with open(device) as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert body_of("POST", "x.org") is None


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="there is no /proc here")
def test_files_that_do_not_say_how_long_they_are() -> None:
    """Those of /proc have no length, and octets all the same."""
    body = body_of("POST", "x.org", "@/proc/self/status")
    assert body is not None
    assert body.size is None
    text = b"".join(body.pieces())
    assert text.startswith(b"Name:")
    assert body.rewind()
    assert b"".join(body.pieces()).startswith(b"Name:")
    body.close()

    form = body_of("--form", "POST", "x.org", "f@/proc/self/status", "a=b")
    assert form is not None
    assert form.size is None
    assert not form.rewind()
    said = b"".join(form.pieces())
    assert b"\r\nName:" in said
    assert said.endswith(b"--\r\n")
    form.close()
