"""The defences that are named stand where it is said, and so do their tests; excuses have a use.

To take each out and see its tests fail takes long; to see that it is there takes a moment,
so whoever moves one hears of it at once.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .__main__ import FILES, _without_line
from .equal import EQUAL
from .making import mutants_of
from .named import NAMED, Named
from .named_inner import INNER
from .named_outer import OUTER

TESTS = Path(__file__).resolve().parent.parent
SRC = TESTS.parent / "src" / "hyper"


@pytest.mark.parametrize("named", (*NAMED, *INNER, *OUTER), ids=lambda named: named.row)
def test_a_named_defence_stands_there_once_and_has_a_test(named: Named) -> None:
    assert (SRC / named.file).read_text("utf-8").count(named.old) == 1
    assert named.new != named.old
    assert named.tests
    for test in named.tests:
        file, _, name = test.partition("::")
        function = re.escape(name.partition("[")[0])
        assert re.search(rf"^def {function}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE)


def test_what_is_said_to_change_nothing_can_be_made() -> None:
    made = {
        _without_line(str(each))
        for file in FILES
        for each in mutants_of(file, (SRC / file).read_text("utf-8"))
    }
    assert EQUAL.keys() <= made
