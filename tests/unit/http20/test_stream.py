"""``hyper.http20.stream``: the words of RFC 9113 §5.1, and credit for what is read."""

from __future__ import annotations

import pytest

from hyper.http20.stream import Stream
from hyper.http20.window import BaseFlowControlManager


@pytest.mark.parametrize(
    ("opened", "local_closed", "remote_closed", "word"),
    [
        (False, False, False, "idle"),
        (True, False, False, "open"),
        (True, True, False, "half-closed (local)"),
        (True, False, True, "half-closed (remote)"),
        (True, True, True, "closed"),
    ],
)
def test_two_booleans_spell_the_states_of_section_5_1(
    opened: bool, local_closed: bool, remote_closed: bool, word: str
) -> None:
    stream = Stream(5, 10, 20)
    stream.opened, stream.local_closed, stream.remote_closed = opened, local_closed, remote_closed
    assert stream.state == word
    assert repr(stream) == f"<Stream 5 {word} status=0>"


def test_reading_earns_credit_by_the_manager() -> None:
    stream = Stream(1, 0, 1000)
    assert stream.consumed(249) == 0
    assert stream.consumed(1) == 1250


def test_a_manager_knows_whether_it_is_the_reader_that_is_waited_for() -> None:
    stream = Stream(1, 0, 1000)
    stream.chunks.append(b"unread")
    assert stream.consumed(1000) == 2000, "nothing is known yet, so the window grows"
    assert stream.window_manager is not None
    assert stream.window_manager.behind
    assert stream.consumed(1000) == 1000, "always something unread: filled up, and no larger"
    stream.chunks.clear()
    assert stream.consumed(1) == 0
    assert not stream.window_manager.behind
    stream.chunks.append(b"unread")
    assert stream.consumed(499) == 2500, "all was read once: it grows again"


def test_a_stream_that_has_ended_needs_no_credit_and_makes_no_manager() -> None:
    stream = Stream(1, 0, 1000)
    stream.remote_closed = True
    assert stream.consumed(1000) == 0
    assert stream.window_manager is None


def test_a_manager_knows_how_long_the_document_is() -> None:
    stream = Stream(1, 0, 1000)
    stream.consumed(1)
    assert stream.window_manager is not None
    assert stream.window_manager.document_size is None
    stream = Stream(1, 0, 1000)
    stream.expected = 77
    stream.consumed(1)
    assert stream.window_manager is not None
    assert stream.window_manager.document_size == 77


def test_a_manager_of_the_user_hears_of_every_octet_even_after_the_end() -> None:
    heard = []

    class Listening(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            heard.append(frame_size)
            return frame_size

    stream = Stream(1, 0, 1000, Listening)
    assert stream.consumed(10) == 10
    stream.remote_closed = True
    assert stream.consumed(20) == 0
    assert heard == [10, 20]
