"""``hyper.http20.bodies``: DATA frame by frame, and many alike at once."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from hyper.http20 import limits
from hyper.http20.bodies import _join_last
from hyper.http20.exceptions import ErrorCode
from tests.peer import END_STREAM, OK, connected, frame

SIZE = 5000  # enough for a look whether the next frame is alike
PIECE = bytes(range(250)) * 20


def test_frames_that_are_alike_are_one_piece_each() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    pieces = [bytes([n]) * SIZE for n in range(9)]
    last = frame("DATA", END_STREAM, 1, b"end")
    peer.raw(b"".join(frame("DATA", 0, 1, piece) for piece in pieces) + last)
    assert list(stream.chunks) == [*pieces, b"end"]
    assert stream.ended and stream.received == 9 * SIZE + 3


def test_frames_that_are_alike_may_be_cut_anywhere() -> None:
    wire = frame("DATA", 0, 1, PIECE) * 4
    for cut in (1, 9, SIZE, SIZE + 9, SIZE + 10, 3 * (SIZE + 9) + 4, len(wire) - 1):
        peer = connected()
        stream = peer.request()
        peer.headers(1)
        peer.raw(wire[:cut])
        peer.raw(wire[cut:])
        assert list(stream.chunks) == [PIECE] * 4


def test_frames_of_several_streams_stay_apart() -> None:
    peer = connected()
    first, second = peer.request(), peer.request()
    peer.headers(1)
    peer.headers(3)
    ours, theirs = frame("DATA", 0, 1, PIECE), frame("DATA", 0, 3, b"x" * SIZE)
    peer.raw(ours * 2 + theirs + ours + theirs * 3)
    assert list(first.chunks) == [PIECE] * 3
    assert list(second.chunks) == [b"x" * SIZE] * 4


def test_the_window_of_a_stream_counts_for_frames_that_are_alike() -> None:
    """RFC 9113 §6.9.1."""
    peer = connected(stream_window=3 * SIZE + 10)
    stream, other = peer.request(), peer.request()
    peer.headers(1)
    peer.headers(3)
    peer.raw(frame("DATA", 0, 1, PIECE) * 5 + frame("DATA", END_STREAM, 3, b"fine"))
    peer.expect_stream_error(1, ErrorCode.FLOW_CONTROL_ERROR)
    assert list(stream.chunks) == [PIECE] * 3
    assert stream.receive_window == 10 - SIZE
    assert other.ended


def test_the_window_of_the_connection_counts_for_frames_that_are_alike() -> None:
    """RFC 9113 §6.9.1."""
    peer = connected(connection_window=65_535, stream_window=1 << 20)
    stream = peer.request()
    peer.headers(1)
    peer.raw(frame("DATA", 0, 1, PIECE) * 20)
    peer.expect_connection_error(ErrorCode.FLOW_CONTROL_ERROR)
    assert len(stream.chunks) == 65_535 // SIZE


@pytest.mark.parametrize("more", [0, 1])
def test_content_length_counts_for_frames_that_are_alike(more: int) -> None:
    """RFC 9113 §8.1.1."""
    peer = connected()
    stream = peer.request()
    peer.headers(1, [*OK, ("content-length", str(3 * SIZE))])
    peer.raw(frame("DATA", 0, 1, PIECE) * (3 + more))
    assert list(stream.chunks) == [PIECE] * 3
    if more:
        peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
        assert f"{4 * SIZE} octets so far and should have {3 * SIZE}" in str(stream.error)
    else:
        peer.data(1, b"", end=True)
        assert stream.ended


def test_octets_of_frames_that_are_alike_are_given_back() -> None:
    window = 65_535 + 100 * SIZE
    peer = connected(connection_window=window)
    stream = peer.request()
    peer.headers(1)
    peer.raw(frame("DATA", 0, 1, PIECE) * 100)
    assert stream.receive_window == stream.initial_receive_window - 100 * SIZE
    assert peer.protocol.receive_window > window * 3 // 4


def test_frames_behind_one_that_reset_their_stream_are_dropped() -> None:
    peer = connected()
    peer.request()
    peer.raw(frame("DATA", 0, 1, PIECE) * 3)  # before any head
    peer.expect_stream_error(1, ErrorCode.PROTOCOL_ERROR)
    stream = peer.request()
    peer.answer(3, b"next")
    assert stream.ended


def test_joining_copes_with_a_reader_who_takes_the_last_piece() -> None:
    chunks: deque[bytes] = deque()
    _join_last(chunks, b"a")
    assert list(chunks) == [b"a"]


class Drained(deque[bytes]):
    """Pieces whose reader takes all that it has seen just after somebody looked at the last."""

    seen = 0
    taken = b""

    def _read(self) -> None:
        seen, self.seen = self.seen, 0
        for _ in range(seen):
            self.taken += self.popleft()

    def pop(self) -> bytes:  # type: ignore[override]
        last = super().pop()
        self._read()
        return last

    def __getitem__(self, at: Any) -> Any:
        piece = super().__getitem__(at)
        self._read()
        return piece


def test_a_reader_finds_as_many_pieces_as_it_has_seen() -> None:
    """It takes them without a lock, so nobody may borrow one of them."""
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    for _ in range(limits.MAX_SMALL_CHUNKS):
        peer.data(1, b"a")
    chunks = stream.chunks = Drained(stream.chunks)
    chunks.seen = len(chunks)
    peer.data(1, b"b")
    assert chunks.taken == b"a" * limits.MAX_SMALL_CHUNKS
    assert list(chunks) == [b"b"]
