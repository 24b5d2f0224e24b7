"""What HPACK can find wrong."""

from __future__ import annotations

__all__ = ["HPACKError"]


class HPACKError(Exception):
    """A field block cannot be decoded, or goes beyond a limit of ours (RFC 7541)."""
