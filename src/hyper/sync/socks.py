"""The way through a SOCKS proxy: what is said until it passes octets on (RFC 1928, RFC 1929).

The words are python-socks's, an extra; the connection, its deadline and the errors are ours. It is
given something that looks like the socket of a proxy before it, as in a chain of them.
"""

from __future__ import annotations

from importlib import import_module
from socket import gaierror
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, unquote

from ..common.exceptions import ProxyError
from .dial import place

if TYPE_CHECKING:
    from .proxy import Proxy
    from .transport import Transport

__all__ = ["ask_socks", "credentials"]

#: Replies (RFC 1928 §6) that may mean no more than that the address is none of the proxy's: a
#: general failure, network unreachable, host unreachable, address type not supported.
_ELSEWHERE: Final = frozenset((1, 3, 4, 8))


def credentials(url: SplitResult) -> tuple[str, str] | None:
    """User name and password of a proxy's URL, None if there are none.

    Raises ValueError for what cannot be said in SOCKS, and ImportError without python-socks.
    """
    _package("python_socks")
    if url.username is None:
        return None
    pair = unquote(url.username), unquote(url.password or "")
    if not all(each.isascii() and 0 < len(each) < 256 for each in pair):
        raise ValueError(
            "a SOCKS proxy is told a user name and a password, each of 1 to 255 ASCII characters "
            "(RFC 1929 §2)"
        )
    return pair


def ask_socks(
    transport: Transport, proxy: Proxy, host: str, port: int, deadline: float | None
) -> bool:
    """Have the proxy connect ``transport``, and leave unread what comes behind its answer.

    False once the deadline has passed. Raises ProxyError when it refuses, or does not speak SOCKS5;
    socket.gaierror for a name without an address, and ValueError for what cannot be a name.
    """
    package = _package("python_socks")
    user, password = proxy.credentials or (None, None)
    way = _Way(transport, deadline)
    where, target = proxy.where, place(host, port)
    try:
        _package("python_socks.sync").Proxy(
            package.ProxyType.SOCKS5,
            proxy.host,
            proxy.port,
            user,
            password,
            rdns=proxy.scheme == "socks5h",
            forward=way,
        ).connect(host, port)
    except (package.ProxyError, UnicodeDecodeError) as error:
        said = str(error)
        code = getattr(error, "error_code", None)
        if code is not None:
            said = f"{said} (SOCKS reply {int(code)})"
            if code in _ELSEWHERE and proxy.scheme == "socks5" and not _is_address(host):
                said += "; with socks5h:// the proxy looks the name up itself"
        elif way.refused_us:
            said += "; give credentials as 'socks5://user:password@host:port'"
        else:
            raise ProxyError(
                f"proxy {where} did not answer in SOCKS5 (RFC 1928) when asked for {target}: {said}"
            ) from error
        raise ProxyError(f"proxy {where} refused a tunnel to {target}: {said}") from error
    except gaierror as error:
        raise gaierror(error.errno, f"no address for host {host!r}: {error.strerror}") from None
    except TimeoutError as error:
        if way.late:
            return False
        raise ProxyError(f"proxy {where} broke off: {error.__cause__}") from error
    except ValueError as error:
        raise ValueError(f"host {host!r} cannot be asked for in SOCKS: {error}") from None
    return True


class _Way:
    """The transport as python-socks sees it: a proxy that has connected us, and its socket.

    late  the deadline has passed
    """

    def __init__(self, transport: Transport, deadline: float | None) -> None:
        self._transport = transport
        self._deadline = deadline
        self._heard = b""
        self.late = False

    @property
    def refused_us(self) -> bool:
        """Whether the proxy wants credentials that we do not have (RFC 1928 §3, RFC 1929 §2)."""
        heard = self._heard
        return heard == b"\5\xff" or (heard[:3] == b"\5\2\1" and heard[3:4] not in (b"", b"\0"))

    def connect(self, **where: Any) -> Self:
        """Nothing: we are connected."""
        return self

    def sendall(self, data: bytes) -> None:
        transport = self._transport
        transport.write(data)
        while transport.unsent:
            if not transport.wait_writable(self._deadline, or_readable=False):
                self.late = True
                raise TimeoutError
            transport.flush()

    def recv(self, size: int) -> bytes:
        """Not more than was asked for: what comes next may be the server's."""
        while True:
            try:
                data = self._transport._recv(size)
            except BlockingIOError:
                if not self._transport.wait_readable(self._deadline):
                    self.late = True
                    raise TimeoutError from None
                continue
            self._heard += data
            return data

    def close(self) -> None:
        """Nothing: whoever asked for the tunnel closes the transport."""


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f'SOCKS proxies need the package python-socks ({error}): pip install "hyper[socks]"'
        ) from error
