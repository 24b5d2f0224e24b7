"""``hyper.sync.compat``: what PyAPNs2 reaches for."""

from __future__ import annotations

import struct

import pytest

from hyper.http20.settings import RemoteSettings, Setting
from hyper.sync.compat import FormerConnection


def test_the_limit_is_the_servers_word_whenever_it_is_asked_for() -> None:
    settings = RemoteSettings()
    with FormerConnection(settings) as former:
        for limit in (7, 500):
            settings.update(struct.pack(">HL", Setting.MAX_CONCURRENT_STREAMS, limit))
            assert former.remote_settings.max_concurrent_streams == limit


def test_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), FormerConnection(RemoteSettings()):
        raise ZeroDivisionError
