"""What every test of threads leaves behind: nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .bytecodes import silence


@pytest.fixture(scope="module", autouse=True)
def silent_afterwards() -> Iterator[None]:
    yield
    silence()
