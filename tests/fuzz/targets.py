"""The targets by their names. Importing them needs no fuzzer: any test can run an input."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["TARGETS", "Target", "seeds"]

HERE = Path(__file__).parent


class Target:
    """One target; its module is imported when it is first needed.

    The fuzzer has to be there before the modules that it watches.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def module(self) -> Any:
        return import_module(f"{__package__}.of_{self.name}")

    @property
    def check(self) -> Callable[[bytes], None]:
        """Raises for an input that does harm."""
        check: Callable[[bytes], None] = self.module.check
        return check


TARGETS = {name: Target(name) for name in ("hpack", "http20", "http11", "gateway")}


def seeds(name: str) -> Path:
    """The folder with the inputs that a target starts from."""
    return HERE / "corpus" / name
