"""The way through an HTTP proxy: a tunnel by CONNECT, and who we are to it (RFC 9110 §9.3.6).

What is said to the proxy stays with the proxy: its fields are never sent through the tunnel, and
nothing that it answers is taken for the origin's answer.
"""

from __future__ import annotations

from base64 import b64encode
from time import monotonic
from typing import Final
from urllib.parse import unquote, urlsplit

from ..common.exceptions import HyperError, ProxyError, ProxyResponse
from ..common.exchange import Fields
from ..common.headers import HTTPHeaderMap
from ..http11.protocol import HTTP11Protocol
from .dial import place
from .request import Headers, octets, wire_trailers
from .transport import Transport

__all__ = ["Proxy", "open_tunnel"]

#: Where proxies listen when nobody says otherwise.
DEFAULT_PORT: Final = 8080


class Proxy:
    """An HTTP proxy, and what it is to be told.

    host, port  where it listens
    headers     fields for it alone: the caller's, and ``proxy-authorization`` for the user name
                and password that its address may hold
    where       ``host:port``, for errors; never with credentials

    ``address`` may be ``name``, ``name:port``, ``user:password@name:port`` or the URL of an
    ``http`` proxy. Raises ValueError for anything else.
    """

    def __init__(
        self, address: str, port: int | None = None, headers: Headers | None = None
    ) -> None:
        url = urlsplit(address if "://" in address else f"http://{address}")
        try:
            found = url.port
        except ValueError as error:
            raise ValueError(f"the proxy's port is not a number from 0 to 65535: {error}") from None
        if url.scheme != "http" or not url.hostname or url.path.strip("/") or url.query:
            raise ValueError(
                "a proxy is given as 'name', 'name:port' or 'http://user:password@name:port'; "
                "only http proxies are spoken to"
            )
        self.host = url.hostname
        self.port = port or found or DEFAULT_PORT
        self.where = place(self.host, self.port)
        self.headers: Fields = wire_trailers(headers or ())
        if url.username is not None:
            names = [name for name, _ in self.headers]
            if b"proxy-authorization" in names:
                raise ValueError(
                    "the proxy's address and proxy_headers both hold credentials; give one of them"
                )
            user = unquote(url.username).encode()
            password = unquote(url.password or "").encode()
            if b":" in user:
                raise ValueError("a user name for Basic may hold no colon (RFC 7617 §2)")
            token = b64encode(user + b":" + password)
            self.headers = [*self.headers, (b"proxy-authorization", b"Basic " + token)]

    def __repr__(self) -> str:
        return f"<Proxy {self.where}>"


def open_tunnel(
    transport: Transport, proxy: Proxy, host: str, port: int, timeout: float | None
) -> None:
    """Have the proxy connect ``transport`` to ``host`` and ``port``; closed if it does not.

    Raises ProxyError when it refuses, or answers something that is not HTTP; TimeoutError after
    ``timeout`` seconds.
    """
    target = place(host, port)
    deadline = None if timeout is None else monotonic() + timeout
    protocol = HTTP11Protocol()
    try:
        exchange = protocol.request(b"CONNECT", b"", octets(target), b"", proxy.headers, end=True)
        transport.write(protocol.data_to_send())
        while transport.unsent:
            if not transport.wait_writable(deadline, or_readable=False):
                raise _timed_out(proxy, target, timeout)
            transport.flush()
        # How long a head and how many interim ones there may be, is the protocol's business; the
        # page behind a refusal is not read.
        while exchange.headers is None and exchange.error is None:
            data = transport.read()
            if data is None:
                if not transport.wait_readable(deadline):
                    raise _timed_out(proxy, target, timeout)
                continue
            if data:
                protocol.receive_data(data)
            else:
                protocol.connection_lost(None)
        if exchange.error is not None:
            raise ProxyError(
                f"proxy {proxy.where} did not answer CONNECT to {target}: {exchange.error}"
            ) from exchange.error
        if exchange.status >= 300:
            reason = exchange.reason.decode("ascii", "replace")
            hint = ""
            if exchange.status == 407:
                hint = "; give credentials as 'user:password@host:port' or in proxy_headers"
            error = ProxyError(
                f"proxy {proxy.where} refused a tunnel to {target}: "
                f"{exchange.status} {reason}{hint}"
            )
            error.response = ProxyResponse(
                exchange.status, reason, HTTPHeaderMap.wrap(exchange.headers or ())
            )
            raise error
        if protocol.switched:
            # §9.3.6: whatever stands here is not the origin's, and TLS would start amiss.
            raise ProxyError(f"proxy {proxy.where} sent octets behind its answer to CONNECT")
    except HyperError:
        transport.close()
        raise
    except OSError as error:
        transport.close()
        if isinstance(error, TimeoutError):
            raise
        raise ProxyError(f"proxy {proxy.where} broke off: {error.strerror or error}") from error
    except BaseException:
        transport.close()
        raise


def _timed_out(proxy: Proxy, target: str, timeout: float | None) -> TimeoutError:
    return TimeoutError(f"proxy {proxy.where} opened no tunnel to {target} within {timeout:g} s")
