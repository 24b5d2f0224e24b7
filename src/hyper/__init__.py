"""HTTP/2 for every Python program."""

from __future__ import annotations

import os

from . import hpack
from .sync.connection import HTTP11Connection, HTTP20Connection, HTTPConnection
from .sync.pushes import HTTP20Push
from .sync.response import HTTP11Response, HTTP20Response

__all__ = [
    "HTTP11Connection",
    "HTTP11Response",
    "HTTP20Connection",
    "HTTP20Push",
    "HTTP20Response",
    "HTTPConnection",
    "__version__",
]

__version__ = "1.0.0.dev0"

# Here, since the room itself does not know the world. A bad name is an error where it is used.
hpack.chosen = os.environ.get("HYPER_HPACK") or None
