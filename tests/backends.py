"""Both HPACKs, for every test about what a pair of encoder and decoder does."""

from __future__ import annotations

import os

import pytest

from hyper.hpack import backend

__all__ = ["BACKENDS", "NEEDS_NGHTTP2"]


def _why_not() -> str:
    """Why nghttp2's HPACK cannot be tried here; "" where it can."""
    try:
        backend("nghttp2")
    except ImportError as error:
        return f"nghttp2's HPACK needs its library, which this machine has not: {error}"
    return ""


_WHY_NOT = _why_not()

#: Skips where there is no libnghttp2, unless the run is to prove everything; then it fails.
NEEDS_NGHTTP2 = pytest.mark.skipif(
    _WHY_NOT != "" and not os.environ.get("HYPER_REQUIRE_SERVERS"), reason=_WHY_NOT
)


class _Late:
    """A pair that is looked for when a test uses it, so that a missing one fails that test."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, attribute: str) -> object:
        return getattr(backend(self.name), attribute)


#: Runs a test twice, with an argument ``pair``.
BACKENDS = pytest.mark.parametrize(
    "pair",
    [
        pytest.param(_Late("python"), id="python"),
        pytest.param(_Late("nghttp2"), id="nghttp2", marks=NEEDS_NGHTTP2),
    ],
)
