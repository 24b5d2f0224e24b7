"""``hyper.http20.window``: the arithmetic of the default manager, and the plug-in contract."""

from __future__ import annotations

import pytest

from hyper.http20.limits import MAX_WINDOW
from hyper.http20.window import BaseFlowControlManager, FlowControlManager, bad_increment


class Generous(BaseFlowControlManager):
    """The seed's example: give back every frame at once."""

    def increase_window_size(self, frame_size: int) -> int:
        return frame_size


def test_a_manager_starts_with_the_window_it_was_given() -> None:
    manager = Generous(1000, document_size=5)
    assert (manager.initial_window_size, manager.window_size) == (1000, 1000)
    assert manager.document_size == 5
    assert Generous(1000).document_size is None


def test_the_base_class_decides_nothing() -> None:
    with pytest.raises(TypeError, match="increase_window_size"):
        BaseFlowControlManager(1000)  # type: ignore[abstract]


def test_a_manager_that_gives_everything_back_keeps_its_window_full() -> None:
    manager = Generous(1000)
    assert manager._handle_frame(300) == 300
    assert manager.window_size == 1000


def test_the_window_still_includes_the_frame_while_the_manager_decides() -> None:
    seen = []

    class Watching(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            seen.append((self.window_size, frame_size))
            return 0

    manager = Watching(1000)
    manager._handle_frame(300)
    manager._handle_frame(200)
    assert seen == [(1000, 300), (700, 200)]
    assert manager.window_size == 500


def test_the_default_waits_until_half_the_window_is_used_and_then_fills_it() -> None:
    manager = FlowControlManager(1000)
    assert manager._handle_frame(499) == 0
    assert manager._handle_frame(1) == 500
    assert manager.window_size == 1000
    assert manager._handle_frame(1000) == 1000


def test_a_blocked_window_is_filled_up_and_never_shrunk() -> None:
    manager = FlowControlManager(1000)
    manager._handle_frame(400)
    assert manager.blocked() == 400
    manager.window_size = 2000
    assert manager.blocked() == 0


def test_a_bad_increment_names_the_window_and_the_remedy() -> None:
    message = str(bad_increment("the window of stream 1", 7, -2))
    assert "the window of stream 1 of 7 octets" in message
    assert str(MAX_WINDOW) in message
    assert "increase_window_size()" in message
