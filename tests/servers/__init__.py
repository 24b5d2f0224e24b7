"""Servers that run inside the test process."""

from __future__ import annotations

from .app import content
from .in_process import InProcessServer

__all__ = ["InProcessServer", "content"]
