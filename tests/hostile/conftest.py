"""The fixture that every scenario begins with."""

from __future__ import annotations

import pytest

from ..certificates import Certificates
from .peer import Stage, stage


@pytest.fixture
def scene(certificates: Certificates) -> Stage:
    """Makes a hostile server and a client of it; ``tests.hostile.peer`` says how it is used."""
    return stage(certificates)
