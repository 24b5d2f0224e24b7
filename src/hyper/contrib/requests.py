"""requests over HTTP/2: an adapter to mount, below which everything is requests' own."""

from __future__ import annotations

from typing import Any

from ..http20.window import BaseFlowControlManager
from . import needing

with needing("requests", __name__):
    from requests.adapters import DEFAULT_POOLBLOCK, DEFAULT_POOLSIZE, DEFAULT_RETRIES, HTTPAdapter
    from urllib3.util import Retry

    from .urllib3 import use_http20

__all__ = ["HTTP20Adapter"]


class HTTP20Adapter(HTTPAdapter):
    """Serves a ``requests.Session`` over HTTP/2 where the server speaks it, else over HTTP/1.1.

    >>> session.mount('https://', HTTP20Adapter())

    window_manager  a subclass of ``hyper.http20.window.BaseFlowControlManager``, not an instance;
                    it decides how much room responses are given

    The other arguments are those of ``requests.adapters.HTTPAdapter``. All threads of a session
    share one connection per origin, and for each way of verifying it. ``http`` URLs, SOCKS
    proxies and proxies that are themselves reached by ``https`` are served over HTTP/1.1.
    Raises what requests raises.
    """

    def __init__(
        self,
        pool_connections: int = DEFAULT_POOLSIZE,
        pool_maxsize: int = DEFAULT_POOLSIZE,
        max_retries: int | Retry = DEFAULT_RETRIES,
        pool_block: bool = DEFAULT_POOLBLOCK,
        *,
        window_manager: type[BaseFlowControlManager] | None = None,
    ) -> None:
        # The base class makes its pool manager at once, and that needs to know.
        self.window_manager = window_manager
        super().__init__(pool_connections, pool_maxsize, max_retries, pool_block)

    def __getstate__(self) -> dict[str, Any]:
        # Untyped in some versions of requests' types.
        state: Any = super().__getstate__()
        return {**state, "window_manager": self.window_manager}

    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = DEFAULT_POOLBLOCK,
        **pool_kwargs: Any,
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        use_http20(self.poolmanager, self.window_manager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        use_http20(manager, self.window_manager)
        return manager
