"""HTTP/2 for every Python program."""

from __future__ import annotations

from .sync.connection import HTTP20Connection
from .sync.response import HTTP20Response

__all__ = ["HTTP20Connection", "HTTP20Response", "__version__"]

__version__ = "1.0.0.dev0"
