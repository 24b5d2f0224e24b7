"""HTTP/2 for other people's HTTP libraries.

Each module here needs the library that it is named after, so nothing is imported before it is
asked for, and nothing of anybody's is changed before ``inject()`` is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .requests import HTTP20Adapter

__all__ = ["HTTP20Adapter"]


@contextmanager
def needing(package: str, by: str) -> Iterator[None]:
    """Say what to install where ``package``, which the imports within are of, is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        said = f"{by} needs {package}; install it:  python -m pip install {package}"
        raise ModuleNotFoundError(said, name=package) from None


def __getattr__(name: str) -> Any:
    if name == "HTTP20Adapter":
        from .requests import HTTP20Adapter

        return HTTP20Adapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
