"""What HPACK can find wrong."""

from __future__ import annotations

from hyper.hpack.exceptions import HPACKError, HPACKLimitError


def test_a_limit_is_a_decoding_error_as_well() -> None:
    """Who ends the connection on the one ends it on the other."""
    assert issubclass(HPACKLimitError, HPACKError)
    assert HPACKError.__bases__ == (Exception,)
