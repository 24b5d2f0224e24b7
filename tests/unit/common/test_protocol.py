"""The verbs that every HTTP version speaks."""

from __future__ import annotations

import pytest

from hyper.common.protocol import Protocol

VERBS = {
    "cancel",
    "close",
    "connection_lost",
    "data_to_send",
    "receive_data",
    "request",
    "send_body",
    "widen",
}


def test_a_protocol_has_to_speak_every_verb() -> None:
    verbs = Protocol.__abstractmethods__
    assert verbs >= VERBS
    for missing in verbs:
        spoken = {verb: lambda *_: None for verb in verbs - {missing}}
        mute = type("Mute", (Protocol,), spoken)
        with pytest.raises(TypeError, match=missing):
            mute()


def test_a_protocol_that_speaks_them_all_can_be_made() -> None:
    spoken = {verb: lambda *_: None for verb in Protocol.__abstractmethods__}
    assert isinstance(type("Fluent", (Protocol,), spoken)(), Protocol)


def test_a_protocol_that_has_windows_never_asks_for_a_pause() -> None:
    spoken = {verb: lambda *_: None for verb in Protocol.__abstractmethods__}
    assert type("Fluent", (Protocol,), spoken)().paused is False
