"""What programs of hyper 0.7 reach for behind its public names.

Only what a program in wide use cannot do without: PyAPNs2 (``apns2``) throttles itself by

    with connection._conn as c:
        c.remote_settings.max_concurrent_streams
"""

from __future__ import annotations

from ..http20.settings import RemoteSettings

__all__ = ["FormerConnection"]


class FormerConnection:
    """Stands for the object of the h2 package, and the lock around it, that 0.7 kept.

    remote_settings  what the server announced

    Entering takes no lock: one number is read, and nobody is held up.
    """

    __slots__ = ("remote_settings",)

    def __init__(self, remote_settings: RemoteSettings) -> None:
        self.remote_settings = remote_settings

    def __enter__(self) -> FormerConnection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None
