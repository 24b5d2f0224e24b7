"""The front of the room."""

from __future__ import annotations

import hyper.hpack


def test_these_names_and_no_others_are_exported() -> None:
    assert sorted(hyper.hpack.__all__) == ["Decoder", "Encoder", "HPACKError", "HPACKLimitError"]


def test_the_pair_understands_each_other() -> None:
    fields = [(b":method", b"GET"), (b"x", b"y")]
    assert hyper.hpack.Decoder().decode(hyper.hpack.Encoder().encode(fields)) == fields
