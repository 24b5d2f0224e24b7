"""Both HPACKs, for every test about what a pair of encoder and decoder does."""

from __future__ import annotations

import os

import pytest

from hyper.hpack import backend

__all__ = ["BACKENDS", "NEEDS_NGHTTP2"]


def _missing() -> str:
    try:
        backend("nghttp2")
    except ImportError as error:
        return str(error)
    return ""


#: Skips where there is no libnghttp2, unless the run is to prove everything; then it fails.
NEEDS_NGHTTP2 = pytest.mark.skipif(
    bool(_missing()) and not os.environ.get("HYPER_REQUIRE_SERVERS"), reason=_missing() or "there"
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
