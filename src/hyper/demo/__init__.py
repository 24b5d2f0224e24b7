"""A small http2bin of our own, so that every documented command runs offline.

``python -m hyper.demo`` shows hyper at work against it; ``python -m hyper.demo --serve 8080``
keeps it running for other clients.
"""

from __future__ import annotations

from .endpoints import seeded_chunks
from .server import DemoServer

__all__ = ["DemoServer", "seeded_chunks"]
