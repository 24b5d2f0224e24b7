"""``hyper.http20.exceptions``: what an error tells, and what catches it."""

from __future__ import annotations

import builtins
import copy

import pytest

from hyper.common.exceptions import HyperError, own_copy
from hyper.http20 import exceptions
from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error


def test_codes_from_the_wire_have_names_even_unknown_ones() -> None:
    """RFC 9113 §7: unknown codes must not trigger special behaviour."""
    assert ErrorCode.describe(0x8) == "CANCEL"
    assert ErrorCode.describe(0x1234) == "unknown error code 0x1234"


def test_an_error_without_details_concerns_the_connection_and_is_not_retryable() -> None:
    error = HTTP20Error("gone")
    assert str(error) == "gone"
    assert error.error_code == ErrorCode.NO_ERROR
    assert error.stream_id is None
    assert not error.retryable
    assert error.partial == b""


@pytest.mark.parametrize("name", [n for n in exceptions.__all__ if n != "ErrorCode"])
def test_every_error_can_be_copied_with_all_it_says(name: str) -> None:
    """Faces raise copies, so a copy must lose nothing."""
    error = getattr(exceptions, name)("why", error_code=7, stream_id=3, retryable=True)
    error.partial = b"half"
    twin = own_copy(error)
    assert type(twin) is type(error) and twin is not error
    assert (str(twin), vars(twin)) == ("why", vars(error))
    assert twin.__cause__ is error
    assert vars(copy.copy(error)) == vars(error)


def test_a_lost_connection_is_caught_by_the_builtin_name_too() -> None:
    assert issubclass(ConnectionError, builtins.ConnectionError)
    assert issubclass(ConnectionError, HyperError)
    with pytest.raises(builtins.ConnectionError, match="gone"):
        raise ConnectionError("gone")
