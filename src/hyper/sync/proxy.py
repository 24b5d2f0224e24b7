"""The way through a proxy: a tunnel, by CONNECT or SOCKS, and who we are to it (RFC 9110 §9.3.6).

What is said to the proxy stays with the proxy: its fields are never sent through the tunnel, and
nothing that it answers is taken for the origin's answer.
"""

from __future__ import annotations

from base64 import b64encode
from socket import gaierror
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

__all__ = ["DEFAULT_PORTS", "Proxy", "open_tunnel"]

#: What proxies may speak, and where they listen when nobody says otherwise. ``socks5h`` is SOCKS5
#: whose proxy looks up the names.
DEFAULT_PORTS: Final = {"http": 8080, "socks5": 1080, "socks5h": 1080}


class Proxy:
    """A proxy, and what it is to be told.

    scheme       ``http``, ``socks5`` or ``socks5h``
    host, port   where it listens
    headers      fields for it alone, over HTTP: the caller's, and ``proxy-authorization`` for the
                 user name and password that its address may hold
    credentials  the same two for SOCKS, if there are any
    where        ``host:port``, for errors; never with credentials

    ``address`` may be ``name``, ``name:port``, ``user:password@name:port`` or an URL with one of
    those schemes. Raises ValueError for anything else, and ImportError for SOCKS without its
    extra.
    """

    def __init__(
        self, address: str, port: int | None = None, headers: Headers | None = None
    ) -> None:
        if not isinstance(address, str):
            # Not quoted: there may be a password in it.
            raise TypeError(
                f"a proxy is a str, 'name' or 'name:port', not {type(address).__name__}"
            )
        if port is not None and not isinstance(port, int):
            raise TypeError(f"a proxy's port is an int, not {port!r}")
        try:
            url = urlsplit(address if "://" in address else f"http://{address}")
            found = url.port
        except ValueError:
            # What is said of it may hold a part of a password, one with a slash in it for instance.
            raise ValueError(
                "the proxy's host is no host, or its port no number from 0 to 65535; in user name "
                "and password, / ? and # are percent-encoded"
            ) from None
        known = url.scheme in DEFAULT_PORTS
        if not known or not url.hostname or url.path.strip("/") or url.query or url.fragment:
            raise ValueError(
                "a proxy is given as 'name', 'name:port' or 'http://user:password@name:port'; "
                f"only {', '.join(DEFAULT_PORTS)} proxies are spoken to"
            )
        self.scheme = url.scheme
        self.host = url.hostname
        self.port = port or found or DEFAULT_PORTS[url.scheme]
        self.where = place(self.host, self.port)
        self.headers: Fields = wire_trailers(headers or ())
        self.credentials: tuple[str, str] | None = None
        if url.scheme != "http":
            from .socks import credentials

            if self.headers:
                raise ValueError("proxy_headers are HTTP's: a SOCKS proxy is told none")
            self.credentials = credentials(url)
        elif url.username is not None:
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
    transport: Transport,
    proxy: Proxy,
    host: str,
    port: int,
    timeout: float | None,
    *,
    we_begin: bool = True,
) -> None:
    """Have the proxy connect ``transport`` to ``host`` and ``port``; closed if it does not.

    ``we_begin``: what comes behind the proxy's answer is not the server's, which speaks only after
    us, as with TLS. Where HTTP/2 is spoken in cleartext that is not so (RFC 9113 §3.4).

    Raises ProxyError when it refuses, or answers something that is neither HTTP nor SOCKS;
    TimeoutError after ``timeout`` seconds.
    """
    target = place(host, port)
    deadline = None if timeout is None else monotonic() + timeout
    protocol = HTTP11Protocol()
    try:
        if proxy.scheme != "http":
            from .socks import ask_socks

            if not ask_socks(transport, proxy, host, port, deadline):
                raise _timed_out(proxy, target, timeout)
            return
        exchange = protocol.request(b"CONNECT", b"", octets(target), b"", proxy.headers, end=True)
        transport.write(protocol.data_to_send())
        while transport.unsent:
            if not transport.wait_writable(deadline, or_readable=False):
                raise _timed_out(proxy, target, timeout)
            transport.flush()
        # How long a head and how many interim ones there may be, is the protocol's business; the
        # page behind a refusal is not read.
        while exchange.headers is None and exchange.error is None:
            data = transport.read() if we_begin else _octet(transport)
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
        # Of timeouts, those of ours; the system's own is a way to break off.
        if isinstance(error, gaierror) or (isinstance(error, TimeoutError) and not error.errno):
            raise
        raise ProxyError(f"proxy {proxy.where} broke off: {error.strerror or error}") from error
    except BaseException:
        transport.close()
        raise


def _octet(transport: Transport) -> bytes | None:
    """One octet, since nothing that was read can be given back; as ``Transport.read`` else."""
    try:
        return transport._recv(1)
    except BlockingIOError:
        return None


def _timed_out(proxy: Proxy, target: str, timeout: float | None) -> TimeoutError:
    return TimeoutError(f"proxy {proxy.where} opened no tunnel to {target} within {timeout:.3g} s")
