"""What a request body is, and how long (RFC 9110 §6.4, §8.6)."""

from __future__ import annotations

import array
import codecs
import io
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyper.common.body import BLOCK_SIZE, Body, declared_length


def sent(body: Body) -> bytes:
    """Everything the body gives; its last pair, and no other, must say that it is the last."""
    pairs = [(bytes(octets), end) for octets, end in body]
    assert [end for _, end in pairs] == [False] * (len(pairs) - 1) + [True]
    return b"".join(octets for octets, _ in pairs)


class Pipe(io.RawIOBase):
    """Something with a ``read`` whose length nobody knows."""

    def __init__(self, *blocks: Any) -> None:
        self.blocks = list(blocks)

    def read(self, size: int = -1) -> Any:
        return self.blocks.pop(0) if self.blocks else b""


# What it may be.


@pytest.mark.parametrize(
    "source, octets",
    [
        (None, b""),
        (b"", b""),
        ("", b""),
        (b"octets", b"octets"),
        ("Grüße", b"Gr\xc3\xbc\xc3\x9fe"),
        (bytearray(b"octets"), b"octets"),
        (memoryview(b"octets"), b"octets"),
        (memoryview(b"o-c-t-")[::2], b"oct"),
        (array.array("H", [0x4141, 0x4242]), b"AABB"),
    ],
)
def test_octets_and_text_have_a_length_and_come_in_one_piece(source: Any, octets: bytes) -> None:
    body = Body(source)
    assert body.size == len(octets)
    assert len(list(body)) == 1
    assert sent(body) == octets


def test_octets_are_not_copied() -> None:
    source = b"x" * 100_000
    [(octets, _)] = Body(source)
    assert octets is source

    mutable = bytearray(b"before")
    [(view, _)] = Body(mutable)
    mutable[:] = b"behind"
    assert bytes(view) == b"behind"


def test_a_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"head" + b"x" * 3 * BLOCK_SIZE)
    with path.open("rb") as file:
        file.seek(4)
        body = Body(file)
        assert body.size == 3 * BLOCK_SIZE
        pairs = list(body)
    assert [(len(octets), end) for octets, end in pairs] == [
        (BLOCK_SIZE, False),
        (BLOCK_SIZE, False),
        (BLOCK_SIZE, True),
    ]


@pytest.mark.parametrize("position", [6, 7])
def test_a_file_at_its_end_or_beyond_is_an_empty_body(position: int) -> None:
    file = io.BytesIO(b"octets")
    file.seek(position)
    body = Body(file)
    assert body.size == 0
    assert sent(body) == b""


class Device(io.BytesIO):
    """A file that does not say how long it is, as those of /proc."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(0 if whence == io.SEEK_END else offset)


def test_a_device_is_read_to_its_end_and_can_be_set_back() -> None:
    body = Body(Device(b"octets"))
    assert body.size is None
    assert sent(body) == b"octets"
    body.rewind()
    assert sent(body) == b"octets"
    assert Body(Device(b"")).size == 0


def test_a_device_that_stands_nowhere_is_read_once() -> None:
    """Some Pythons and systems tell a position below 0 of a device that was read from."""

    class Lost(io.BytesIO):
        def tell(self) -> int:
            return -1

    body = Body(Lost(b"octets"))
    assert body.size is None
    assert sent(body) == b"octets"
    assert not body.rewindable


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no /dev/zero here")
def test_a_device_without_an_end_has_none() -> None:
    with open("/dev/zero", "rb") as zero:
        for _ in range(2):
            body = Body(zero)
            assert body.size is None
            pieces = iter(body)
            assert [len(next(pieces)[0]) for _ in range(3)] == [BLOCK_SIZE] * 3


def test_what_a_file_grew_by_is_not_part_of_the_body() -> None:
    file = io.BytesIO(b"octets")
    body = Body(file)
    file.seek(0, io.SEEK_END)
    file.write(b" and more")
    file.seek(0)
    assert sent(body) == b"octets"


def test_a_file_that_shrank_is_an_error_and_no_short_body() -> None:
    file = io.BytesIO(b"octets")
    body = Body(file)
    file.truncate(2)
    with pytest.raises(ValueError, match="ended after 2 of the 6 octets"):
        sent(body)


def test_a_map_of_memory_is_a_file_too() -> None:
    with mmap.mmap(-1, 4096) as memory:
        memory.seek(4000)
        body = Body(memory)
        assert body.size == 96
        assert sent(body) == bytes(96)


def test_a_pipe_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"through a pipe")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        body = Body(pipe)
        assert body.size is None
        assert sent(body) == b"through a pipe"


def test_whatever_can_be_read_is_a_file() -> None:
    class Reader:
        def __init__(self) -> None:
            self.left = [b"one ", b"two"]

        def read(self, size: int) -> bytes:
            assert size == BLOCK_SIZE
            return self.left.pop(0) if self.left else b""

    body = Body(Reader())
    assert body.size is None
    assert sent(body) == b"one two"


def test_an_iterable_is_streamed_without_looking_ahead() -> None:
    log = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"one ", b"", b"two"):
            log.append(piece)
            yield piece

    body = Body(pieces())
    assert body.size is None
    pairs = iter(body)
    assert next(pairs) == (b"one ", False)
    assert log == [b"one "]
    # Empty pieces are not worth a frame; the end came as a surprise and is a pair of its own.
    assert list(pairs) == [(b"two", False), (b"", True)]


def test_the_pieces_of_an_iterable_may_be_of_any_bytes_like_kind() -> None:
    assert sent(Body([b"a", bytearray(b"b"), memoryview(b"c")])) == b"abc"
    assert sent(Body([])) == b""


# What it may not be.


@pytest.mark.parametrize(
    "source, message",
    [
        (5, "cannot be int; pass bytes, str, a binary file or an iterable of bytes"),
        (object(), "cannot be object; pass bytes"),
        ({"key": "value"}, r"cannot be dict; encode it first, with json.dumps\(\)"),
    ],
)
def test_anything_else_is_refused_with_advice(source: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        Body(source)


def test_an_encoder_of_octets_may_say_what_encoding_its_texts_had() -> None:
    """As the multipart encoders of others do; only a file of text says how it treats errors."""

    class Encoder(Pipe):
        encoding = "utf-8"

    assert sent(Body(Encoder(b"some", b"thing"))) == b"something"


def test_a_file_opened_as_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_text("text")
    with path.open() as file, pytest.raises(TypeError, match="open it in binary mode"):
        Body(file)
    with (
        tempfile.NamedTemporaryFile("w+", encoding="utf-8") as file,
        pytest.raises(TypeError, match="open it in binary mode"),
    ):
        Body(file)
    with pytest.raises(TypeError, match="open it in binary mode"):
        Body(io.StringIO("text"))


@pytest.mark.parametrize(
    "source, kind",
    [
        (codecs.getreader("utf-8")(io.BytesIO(b"text")), "str"),
        (Pipe("text"), "str"),
        (["text"], "str"),
        ([b"octets", 5], "int"),
        # A non-blocking file that has nothing to give now has not ended.
        (Pipe(b"octets", None), "NoneType"),
    ],
)
def test_a_piece_that_is_no_octets_is_refused_when_it_comes(source: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"a piece of the body is {kind}, not bytes"):
        sent(Body(source))


def test_a_measured_file_that_gives_no_octets_is_refused() -> None:
    class Strange(io.BytesIO):
        def read(self, size: int | None = -1) -> Any:
            return None

    with pytest.raises(TypeError, match="a piece of the body is NoneType"):
        sent(Body(Strange(b"octets")))


def test_a_file_that_gives_more_than_it_was_asked_for_is_stopped() -> None:
    class Generous(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return b"x" * 10

    with pytest.raises(ValueError, match="goes on after the 6 octets"):
        sent(Body(Generous(b"octets")))


# How long the user says it is.


@pytest.mark.parametrize("source", [b"octets", "octets", io.BytesIO(b"octets")])
def test_a_declared_length_that_is_not_the_bodys_is_refused_at_once(source: Any) -> None:
    assert Body(source, 6).size == 6
    with pytest.raises(ValueError, match="content-length says 5 but the body has 6 octets"):
        Body(source, 5)
    with pytest.raises(ValueError, match="content-length says 1 but the body has 0 octets"):
        Body(None, 1)


def test_a_streamed_body_of_the_declared_length_passes() -> None:
    body = Body([b"oct", b"ets"], 6)
    assert body.size is None
    assert sent(body) == b"octets"
    assert sent(Body(Pipe(), 0)) == b""


def test_a_streamed_body_is_stopped_before_it_exceeds_the_declared_length() -> None:
    pairs = iter(Body([b"oct", b"ets"], 5))
    assert next(pairs) == (b"oct", False)
    with pytest.raises(ValueError, match="goes on after the 5 octets that content-length promises"):
        next(pairs)


def test_a_streamed_body_that_falls_short_is_an_error_instead_of_an_end() -> None:
    pairs = iter(Body([b"oct", b"ets"], 7))
    assert [next(pairs), next(pairs)] == [(b"oct", False), (b"ets", False)]
    with pytest.raises(ValueError, match="ended after 6 of the 7 octets"):
        next(pairs)


def test_the_declared_length_is_found_among_the_headers() -> None:
    assert declared_length([(b"a", b"1")]) is None
    assert declared_length([(b"a", b"1"), (b"content-length", b" 42 ")]) == 42
    assert declared_length([(b"content-length", b"42")] * 2) == 42


@pytest.mark.parametrize(
    "values", [[b"-1"], [b"+1"], [b"1_0"], [b""], [b"0x1"], [b"1, 1"], [b"\xb2"], [b"1", b"2"]]
)
def test_a_declared_length_that_is_no_number_is_refused(values: list[bytes]) -> None:
    with pytest.raises(ValueError, match="must be one decimal number"):
        declared_length([(b"content-length", value) for value in values])


# Sending it again.


@pytest.mark.parametrize("source", [None, b"octets", "octets"])
def test_octets_can_be_sent_again(source: Any) -> None:
    body = Body(source)
    first = sent(body)
    assert body.rewindable
    body.rewind()
    assert sent(body) == first


def test_a_file_is_set_back_to_where_it_stood() -> None:
    file = io.BytesIO(b"head and octets")
    file.seek(9)
    body = Body(file)
    next(iter(body))
    assert body.rewindable
    body.rewind()
    assert sent(body) == b"octets"


def test_a_file_that_was_not_read_is_left_alone() -> None:
    file = io.BytesIO(b"octets")
    body = Body(file)
    file.seek(3)
    body.rewind()
    assert file.tell() == 3


@pytest.mark.parametrize("source", [iter([b"octets"]), Pipe(b"octets")])
def test_a_stream_cannot_be_sent_again_once_it_was_read_from(source: Any) -> None:
    body = Body(source)
    body.rewind()
    assert sent(body) == b"octets"
    assert not body.rewindable
    with pytest.raises(ValueError, match="cannot be sent a second time"):
        body.rewind()
