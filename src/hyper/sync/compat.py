"""What programs of hyper 0.7 reach for behind its public names.

Only what a program in wide use cannot do without: PyAPNs2 (``apns2``) throttles itself by

    with connection._conn as c:
        c.remote_settings.max_concurrent_streams
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["FormerConnection", "HasLimit"]


class HasLimit(Protocol):
    @property
    def max_concurrent_streams(self) -> int: ...


class FormerConnection:
    """Stands for the object of the h2 package, and the lock around it, that 0.7 kept.

    remote_settings  whatever knows ``max_concurrent_streams``

    Entering takes no lock, as there is nothing to guard, and so holds nobody up.
    """

    __slots__ = ("remote_settings",)

    def __init__(self, limits: HasLimit) -> None:
        self.remote_settings = limits

    def __enter__(self) -> FormerConnection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None
