"""``hyper.http20.window``: the arithmetic of the default manager, and the plug-in contract."""

from __future__ import annotations

import pytest

from hyper.http20.limits import LARGEST_GROWN_WINDOW, MAX_WINDOW, WINDOW_GROWTH
from hyper.http20.window import BaseFlowControlManager, FlowControlManager, bad_increment

from ...peer import connected


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


def test_the_default_waits_until_a_quarter_of_the_window_is_used_and_then_fills_it() -> None:
    manager = FlowControlManager(LARGEST_GROWN_WINDOW)
    quarter = LARGEST_GROWN_WINDOW // 4
    assert manager._handle_frame(quarter - 1) == 0
    assert manager._handle_frame(1) == quarter
    assert manager.window_size == LARGEST_GROWN_WINDOW
    assert manager._handle_frame(quarter) == quarter


def test_the_default_does_not_grow_a_window_that_waits_for_its_reader() -> None:
    manager = FlowControlManager(1000)
    manager.behind = True
    assert manager._handle_frame(249) == 0
    assert manager._handle_frame(1) == 250
    assert manager.window_size == 1000
    manager.behind = False
    assert manager._handle_frame(250) == 1250
    assert manager.window_size == 2000


def test_the_default_doubles_a_window_that_is_used_up_to_its_limit() -> None:
    manager = FlowControlManager(1000)
    sizes = []
    for _ in range(6):
        manager._handle_frame(manager.window_size)
        sizes.append(manager.window_size)
    assert sizes == [2000, 4000, 8000, 16_000, 16_000, 16_000]
    assert WINDOW_GROWTH == 16


@pytest.mark.parametrize(
    ("initial", "largest"),
    [(16 << 20, 64 << 20), (64 << 20, 64 << 20), (65 << 20, 65 << 20), (1, 16)],
)
def test_growth_ends_at_a_size_that_memory_can_bear(initial: int, largest: int) -> None:
    manager = FlowControlManager(initial)
    for _ in range(10):
        manager._handle_frame(manager.window_size)
    assert manager.window_size == largest


def test_a_window_that_begins_wider_goes_on_from_there_to_the_same_limit() -> None:
    manager = FlowControlManager(1000)
    manager.begin_wider(7000)
    assert manager.window_size == 8000
    assert manager._handle_frame(1999) == 0
    assert manager._handle_frame(1) == 10_000
    assert manager.window_size == 16_000 == 1000 * WINDOW_GROWTH
    assert manager._handle_frame(4000) == 4000


def test_a_window_keeps_ahead_of_a_sender_that_doubles_each_round_trip() -> None:
    """Slow start is the fastest that TCP speeds up (RFC 5681 §3.1)."""
    manager = FlowControlManager(1 << 20)
    flight = 1 << 19
    while flight < 16 << 20:
        assert manager.window_size >= flight
        for _ in range(8):
            manager._handle_frame(flight // 8)
        flight *= 2


def test_a_blocked_window_is_filled_up_and_never_shrunk() -> None:
    manager = Generous(1000)
    manager.window_size = 600
    assert manager.blocked() == 400
    manager.window_size = 2000
    assert manager.blocked() == 0


def test_a_bad_increment_names_the_window_and_the_remedy() -> None:
    message = str(bad_increment("the window of stream 1", 7, -2))
    assert "the window of stream 1 of 7 octets" in message
    assert str(MAX_WINDOW) in message
    assert "increase_window_size()" in message


@pytest.mark.parametrize("ours", [False, True])
def test_a_manager_of_the_users_hears_of_every_read_and_ours_of_many_together(ours: bool) -> None:
    heard: list[int] = []

    class Users(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            heard.append(frame_size)
            return 0

    class Ours(FlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            heard.append(frame_size)
            return 0

    peer = connected() if ours else connected(window_manager=Users)
    if ours:
        peer.protocol._connection_manager = Ours(1 << 20)
    peer.request()
    peer.headers(1)
    for _ in range(50):
        peer.data(1, bytes(100))
    assert heard == ([4100] if ours else [100] * 50)
