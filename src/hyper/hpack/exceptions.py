"""What HPACK can find wrong."""

from __future__ import annotations

__all__ = ["HPACKError", "HPACKLimitError"]


class HPACKError(Exception):
    """A field block cannot be decoded (RFC 7541 §2.3.3, §4.2, §5.1, §5.2, §6.3).

    The decoder is out of step with the peer from here on: the connection has to go, with
    COMPRESSION_ERROR (RFC 9113 §4.3).
    """


class HPACKLimitError(HPACKError):
    """A field list is larger than we announced to accept (RFC 9113 §6.5.2, §10.5.1).

    Raised on the way, before the rest of the list exists, so the connection has to go as well.
    """
