"""HTTP/2 for HTTPie: a transport plug-in, found by its entry point once both are installed.

Nothing has to be switched on. Servers without HTTP/2 are spoken to in HTTP/1.1 as before.
"""

from __future__ import annotations

import argparse
import ssl
import sys
from typing import Any, Final

from . import needing

with needing("httpie", __name__):
    from httpie.adapters import HTTPAdapter
    from httpie.context import Environment
    from httpie.plugins import TransportPlugin
    from httpie.ssl_ import HTTPieCertificate
    from urllib3.util.ssl_ import create_urllib3_context

    from .requests import HTTP20Adapter

__all__ = ["HTTP20TransportPlugin"]

#: What ``--ssl`` may say beside ``ssl2.3``, which means any version.
VERSIONS: Final = {
    "ssl3": ssl.TLSVersion.SSLv3,
    "tls1": ssl.TLSVersion.TLSv1,
    "tls1.1": ssl.TLSVersion.TLSv1_1,
    "tls1.2": ssl.TLSVersion.TLSv1_2,
    "tls1.3": ssl.TLSVersion.TLSv1_3,
}


class HTTP20TransportPlugin(TransportPlugin):  # type: ignore[misc]  # HTTPie ships no types
    """Mounts HTTP/2 below every ``https`` URL."""

    name = "hyper"
    package_name = "hyper"
    description = "HTTP/2 for every server that speaks it"
    prefix = "https://"

    def get_adapter(self) -> HTTPieAdapter:
        options = Environment().config.default_options
        return HTTPieAdapter(asked_for_context([*options, *sys.argv[1:]]))


class HTTPieAdapter(HTTP20Adapter, HTTPAdapter):  # type: ignore[misc]  # HTTPie's ships no types
    """The adapter of requests, with what HTTPie's own does: all headers, keys with passwords.

    context  for ``--ssl`` and ``--ciphers``; None if neither was given
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._more: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__()

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **kwargs, **self._more)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, **self._more)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        if isinstance(cert, HTTPieCertificate):
            conn.key_password = cert.key_password
            cert = cert.to_raw_cert()
        super().cert_verify(conn, url, verify, cert)


def asked_for_context(words: list[str]) -> ssl.SSLContext | None:
    """What ``--ssl`` and ``--ciphers`` ask for.

    HTTPie puts them into the adapter that ours stands in for, and tells a plug-in nothing, so
    they are read where HTTPie read them. It has refused bad ones by then.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ssl")
    parser.add_argument("--ciphers")
    options, _ = parser.parse_known_args(words)
    if options.ssl is None and options.ciphers is None:
        return None
    version = VERSIONS.get(options.ssl)
    context = create_urllib3_context(
        ciphers=options.ciphers, ssl_minimum_version=version, ssl_maximum_version=version
    )
    context.load_default_certs()
    return context
