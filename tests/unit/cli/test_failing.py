"""One line for whatever went wrong."""

from __future__ import annotations

import pytest

from hyper.cli.failing import complain, warn


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file", "x.pem"), "No such file: x.pem"),
        (OSError(5, "x.pem is broken", "x.pem"), "x.pem is broken"),
        (OSError("no number"), "no number"),
        (ValueError("two\nlines \x1b[2J"), "two lines  [2J"),
        (ValueError(), "ValueError"),
    ],
)
def test_an_error_is_one_line(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    complain(error)
    assert capsys.readouterr() == ("", f"hyper: error: {said}\n")


def test_a_remark_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    warn("by the way")
    assert capsys.readouterr() == ("", "hyper: by the way\n")
