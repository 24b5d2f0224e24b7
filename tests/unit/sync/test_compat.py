"""``hyper.sync.compat``: what PyAPNs2 reaches for."""

from __future__ import annotations

import pytest

from hyper.sync.compat import FormerConnection


class Limit:
    max_concurrent_streams = 7


def test_the_limit_is_asked_for_each_time() -> None:
    limit = Limit()
    with FormerConnection(limit) as former:
        assert former.remote_settings.max_concurrent_streams == 7
        limit.max_concurrent_streams = 500
        assert former.remote_settings.max_concurrent_streams == 500


def test_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), FormerConnection(Limit()):
        raise ZeroDivisionError
