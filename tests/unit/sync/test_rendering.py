"""Responses written as HTTP/1.1."""

from __future__ import annotations

import pytest

from hyper.sync import rendering
from hyper.sync.rendering import chunk_head, last_chunk, response_head, spelled


def test_a_head_has_a_reason_and_names_as_servers_spell_them() -> None:
    head = response_head(
        404,
        [(b"content-type", b"text/html"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")],
        False,
        False,
    )
    assert head == (
        b"HTTP/1.1 404 Not Found\r\n"
        b"Content-Type: text/html\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n"
    )


def test_a_status_that_nobody_named_has_a_reason_all_the_same() -> None:
    assert response_head(799, [], False, False) == b"HTTP/1.1 799 Unknown\r\n\r\n"


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_framing_and_the_end_of_the_connection_are_said(chunked: bool, closes: bool) -> None:
    head = response_head(200, [], chunked, closes)
    assert (b"Transfer-Encoding: chunked\r\n" in head) is chunked
    assert (b"Connection: close\r\n" in head) is closes
    assert head.endswith(b"\r\n\r\n")


def test_names_with_a_spelling_of_their_own_have_it() -> None:
    lines = last_chunk([(b"etag", b"1"), (b"www-authenticate", b"Basic"), (b"x-a1b", b"")])
    assert lines == b"0\r\nETag: 1\r\nWWW-Authenticate: Basic\r\nX-A1b: \r\n\r\n"
    assert spelled(b"etag") == "ETag"
    assert spelled(b"x-a1b") == spelled(b"x-a1b") == "X-A1b"


def test_no_more_spellings_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rendering, "MAX_SPELLINGS", len(rendering._SPELLINGS))
    before = len(rendering._SPELLINGS)
    monkeypatch.setattr(rendering, "_NAMES", dict.fromkeys(map(bytes, range(before)), "x"))
    assert last_chunk([(b"x-never-seen", b"1")]) == b"0\r\nX-Never-Seen: 1\r\n\r\n"
    assert spelled(b"x-never-seen") == "X-Never-Seen"
    assert len(rendering._SPELLINGS) == len(rendering._NAMES) == before


def test_long_names_are_not_remembered() -> None:
    """They are a server's to make, and stay for the whole process."""
    longest = b"x" * rendering.MAX_SPELLING_LENGTH
    for name in (longest, longest + b"x"):
        assert spelled(name).encode() == name.capitalize()
        assert last_chunk([(name, b"1")]) == b"0\r\n" + name.capitalize() + b": 1\r\n\r\n"
        kept = name == longest
        assert (rendering._NAMES.pop(name, None) is not None) is kept
        assert (rendering._SPELLINGS.pop(name, None) is not None) is kept


def test_chunks_and_trailers() -> None:
    assert chunk_head(4096) == b"1000\r\n"
    assert last_chunk([]) == b"0\r\n\r\n"
    assert last_chunk([(b"x-sum", b"42")]) == b"0\r\nX-Sum: 42\r\n\r\n"
