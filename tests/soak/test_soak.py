"""A few seconds of chaos; and what ``python3 dev soak`` would see, if it were there to be seen."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.sync.response import Response

from . import chaos, steady
from .chaos import Tally
from .measure import Holding, holding


def test_a_few_seconds_of_chaos_do_no_harm() -> None:
    said: list[str] = []
    assert chaos.run(0.05, 7, said.append, rounds=2, patience=3) == []
    assert any(line.startswith("right:") for line in said)


def test_another_body_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Response.read

    def cut(self: Response, *args: Any) -> bytes:
        return read(self, *args)[:-1]

    monkeypatch.setattr(Response, "read", cut)
    assert any(
        "octets instead of" in line for line in chaos.run(0.01, 7, print, rounds=1, patience=3)
    )


class Hoard(steady._Asking):
    """Asks nobody, and keeps something of every turn."""

    def __init__(self, kept: int) -> None:
        self.done = 0
        self.kept = kept
        self.hoard: list[Any] = []

    def turn(self, size: int) -> None:
        self.hoard += [[size, [number]] for number in range(self.kept)]
        self.done += size

    def end(self) -> list[str]:
        return []


def test_what_grows_is_seen() -> None:
    assert steady._watch(1000, lambda line: None, lambda: Hoard(0)) == []
    (words,) = steady._watch(1000, lambda line: None, lambda: Hoard(100))
    assert words.startswith("after the first tenth objects by")


def test_what_is_held_is_compared_in_all_that_it_is() -> None:
    before = Holding(memory=10 << 20, descriptors=5, objects=100, garbage=0, threads=1)
    assert before.grown(before, memory=0, objects=0) == []
    after = Holding(memory=12 << 20, descriptors=6, objects=200, garbage=9, threads=2)
    words = after.grown(before, memory=1 << 20, objects=99)
    assert [word.partition(" by ")[0] for word in words] == [
        "memory",
        "descriptors",
        "objects",
        "threads",
    ]
    assert after.grown(before, memory=2 << 20, objects=100) == [
        "descriptors by 1",
        "threads by 1",
    ]
    assert holding().threads >= 1


def test_only_documented_errors_count_as_such() -> None:
    tally = Tally()

    def fall(error: Exception) -> None:
        raise error

    tally.note("a", lambda: fall(HyperError("documented")))
    tally.note("b", lambda: fall(TimeoutError()))
    tally.note("c", lambda: fall(KeyError("foul")))
    tally.note("d", lambda: None)
    assert tally.error == {"HyperError": 1, "TimeoutError": 1}
    assert tally.wrong == ["c: KeyError('foul')"]
    assert tally.right == {"d": 1}


def test_a_body_cut_short_has_to_be_the_beginning_of_the_right_one() -> None:
    class Cut:
        status = 200

        def __enter__(self) -> Cut:
            return self

        def __exit__(self, *exc_info: object) -> None: ...

        def read(self) -> bytes:
            error = HyperError("cut short")
            error.partial = b"foreign"
            raise error

    connection: Any = HTTP20Connection("localhost", 1)
    connection.get_response = lambda stream_id: Cut()
    tally = Tally()
    work = chaos._Native(connection, random.Random(1), tally)
    tally.note("get", lambda: work._take(1, b"forever"))
    assert tally.wrong == ["get: AssertionError('another body, cut short')"]
