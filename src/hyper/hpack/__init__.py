"""Header compression for HTTP/2 (RFC 7541): an encoder and a decoder, each for one direction.

``Encoder`` and ``Decoder`` are our own. ``nghttp2`` has the same pair over libnghttp2; a
connection takes its pair from ``backend()``.

Imports nothing of ours, and nothing of the world.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from .decoder import Decoder
from .encoder import Encoder
from .exceptions import HPACKError, HPACKLimitError

if TYPE_CHECKING:
    from . import nghttp2

__all__ = [
    "Backend",
    "Decoder",
    "Encoder",
    "HPACKError",
    "HPACKLimitError",
    "backend",
    "choose",
]


class Backend(NamedTuple):
    """Two classes that belong together, and what the pair is called."""

    name: str
    Encoder: type[Encoder] | type[nghttp2.Encoder]
    Decoder: type[Decoder] | type[nghttp2.Decoder]


_PYTHON: Final = Backend("python", Encoder, Decoder)

#: Which pair connections take; what ``choose`` or ``HYPER_HPACK`` said.
chosen: str | None = None


def choose(name: str | None) -> None:
    """Say which pair connections take from now on, in the whole process.

    ``"python"``; ``"nghttp2"``; or None, as it is from the start: nghttp2's where its Python
    binding, the package ``nghttp2``, can be imported, and ours everywhere else. The environment
    variable ``HYPER_HPACK`` says the same before the program begins.

    Raises ValueError for any other name, and ImportError for ``"nghttp2"`` without libnghttp2;
    then nothing changes.
    """
    global chosen
    if name is not None:
        backend(name)
    chosen = name


def backend(name: str | None = None) -> Backend:
    """The pair of that name, or the one that was chosen. Raises as ``choose`` does."""
    name = name or chosen
    if name == "python":
        return _PYTHON
    if name not in (None, "nghttp2"):
        raise ValueError(f"no HPACK is called {name!r}; there are 'python' and 'nghttp2'")

    if name is None and not _binding_is_importable():
        return _PYTHON

    # ctypes is loaded only for those who want it.
    from . import nghttp2

    nghttp2.library()
    return Backend("nghttp2", nghttp2.Encoder, nghttp2.Decoder)


@cache
def _binding_is_importable() -> bool:
    """Whether there is the Python package ``nghttp2``; to have installed it is to ask for it."""
    try:
        import_module("nghttp2")
    except ImportError:
        return False
    return True
