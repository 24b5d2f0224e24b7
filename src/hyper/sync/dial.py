"""From a host and a port to a connected transport: names, happy eyeballs, the TLS handshake.

RFC 8305 for the race between addresses, RFC 6066 §3 for the server's name, RFC 7301 for ALPN.
Everything here may wait, within one deadline; nothing here knows HTTP.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from .transport import Transport

__all__ = ["connect"]


def connect(
    host: str,
    port: int,
    *,
    timeout: float | None = None,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    alpn: Sequence[str] = ("h2", "http/1.1"),
    source_address: tuple[str, int] | None = None,
) -> Transport:
    """Connect to the first address of ``host`` that answers; with a context, over TLS.

    timeout          seconds for everything together, or None; only the resolver cannot be
                     interrupted
    ssl_context      None for no TLS; ``hyper.tls.default_context()`` for the usual one
    server_hostname  the name to ask for and to verify, if it is not ``host``
    alpn             what to offer; the context itself is left as it was
    """
    raise NotImplementedError
