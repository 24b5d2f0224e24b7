"""What is to be taken out of the library stands there: nobody has moved it unseen.

Whether a test then notices, the command finds out in its own time.
"""

from __future__ import annotations

import pytest

from .__main__ import FILES, ROOT, _without_line
from .equal import EQUAL
from .making import mutants_of
from .named import NAMED, Named
from .named_inner import INNER
from .named_outer import OUTER


def source_of(file: str) -> str:
    return (ROOT / "src" / "hyper" / file).read_text("utf-8")


@pytest.mark.parametrize(
    "named", [*NAMED, *INNER, *OUTER], ids=lambda named: f"{named.file} {named.row}"
)
def test_a_defence_that_is_named_stands_there_once(named: Named) -> None:
    assert source_of(named.file).count(named.old) == 1


def test_what_is_said_to_change_nothing_can_be_made() -> None:
    made = {
        _without_line(str(each)) for file in FILES for each in mutants_of(file, source_of(file))
    }
    assert EQUAL.keys() <= made
