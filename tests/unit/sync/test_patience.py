"""``hyper.sync.patience``: seconds that know when the whole request is over."""

from __future__ import annotations

from time import monotonic

import pytest

from hyper.sync.patience import Patience


def test_each_wait_is_as_long_as_it_was_while_there_is_time() -> None:
    patience = Patience(2.0, 1000.0)
    now = monotonic()
    assert now + patience == now + 2.0
    assert (patience, f"{patience:g}", patience.total) == (2.0, "2", 1000.0)
    assert not patience.over


def test_no_wait_goes_beyond_the_end() -> None:
    patience = Patience(50.0, 10.0)
    now = monotonic()
    assert now + patience == patience.until
    assert now + 9 < patience.until <= now + 10
    assert (now + 100) + patience == patience.until


def test_without_a_timeout_of_its_own_a_wait_may_take_all_of_it() -> None:
    patience = Patience(None, 10.0)
    assert patience == 10.0
    assert monotonic() + patience == patience.until


def test_it_is_over_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(None, 10.0)
    monkeypatch.setattr("hyper.sync.patience.monotonic", lambda: patience.until)
    assert patience.over
