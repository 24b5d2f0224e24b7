"""``hyper.http20.errors``: error codes in words."""

from __future__ import annotations

import pytest

from hyper.http20.errors import get_data
from hyper.http20.exceptions import ErrorCode


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_code_has_a_name_a_number_and_a_meaning(code: ErrorCode) -> None:
    name, number, meaning = get_data(int(code))
    assert (name, number) == (code.name, int(code))
    assert type(number) is int
    assert len(meaning.split()) > 4


def test_no_two_codes_mean_the_same() -> None:
    assert len({get_data(code)[2] for code in ErrorCode}) == 14


@pytest.mark.parametrize("code", [-1, 14, 2**31])
def test_a_code_that_nobody_has_defined_is_a_value_error(code: int) -> None:
    with pytest.raises(ValueError, match=rf"error code {code} is none of the 14"):
        get_data(code)
