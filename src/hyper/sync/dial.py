"""From a host and a port to a connected transport: names, happy eyeballs, the TLS handshake.

RFC 8305 for the race between addresses, RFC 6066 §3 for the server's name, RFC 7301 for ALPN.
Everything here may wait, within one deadline; nothing here knows HTTP.
"""

from __future__ import annotations

import errno
import os
import re
import selectors
import socket
import ssl
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import zip_longest
from time import monotonic
from typing import Any, Final

from ..tls import ALPN_PROTOCOLS, ascii_host, client_side, tls_error
from .transport import LONGEST_WAIT, TLSTransport, Transport

__all__ = ["connect", "start_tls"]

#: Seconds that one address has for itself before the next one is tried too (RFC 8305 §5).
ATTEMPT_DELAY: Final = 0.25

# Not epoll: these few sockets are not worth a descriptor of its own. Windows has neither, and
# reports a failed attempt in select's third list, which SelectSelector knows.
_Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)

# What connect() says of an attempt that goes on. Linux says EAGAIN when it did not even begin.
_UNDER_WAY: Final = {
    errno.EINPROGRESS,
    errno.EINTR,
    *([errno.EWOULDBLOCK] if sys.platform == "win32" else []),
}

# Errors that only say that this machine has no way there; another address's error says more.
_NO_WAY: Final = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
}

_NOT_TLS: Final = "; the server seems not to speak TLS on this port"
_TOO_OLD: Final = (
    "; the server speaks no TLS version that the context allows, and HTTP/2 needs 1.2 "
    "(RFC 9113 §9.2)"
)
# By OpenSSL's words, as the ssl module knows no `reason` for some of them.
_HINTS: Final = {
    "wrong version number": _NOT_TLS,
    "record layer failure": _NOT_TLS,
    "packet length too long": _NOT_TLS,
    "unsupported protocol": _TOO_OLD,
    "alert protocol version": _TOO_OLD,
    "alert no application protocol": "; the server speaks nothing of what ALPN offered",
}

# X509_V_ERR_*: self-signed, self-signed in the chain, issuer unknown, issuer unknown and alone.
_UNKNOWN_ISSUER: Final = {18, 19, 20, 21}
# X509_V_ERR_*: the host's name is none of those in the certificate, nor its address.
_ANOTHERS: Final = {62, 64}

Address = tuple[socket.AddressFamily, Any]

#: Told what has come about, by who watches (``watched.Observer.note``).
Note = Callable[..., object]


def connect(
    host: str,
    port: int,
    *,
    timeout: float | None = None,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    alpn: Sequence[str] = ALPN_PROTOCOLS,
    source_address: tuple[str, int] | None = None,
    note: Note | None = None,
    role: str = "",
) -> Transport:
    """Connect to the first address of ``host`` that answers; with a context, over TLS.

    host             a name, or an IPv4 or IPv6 literal, with brackets and zone or without
    timeout          seconds for everything together, or None; only the resolver cannot be
                     interrupted
    ssl_context      None for no TLS; ``hyper.tls.default_context()`` for the usual one
    server_hostname  the name to ask for and to verify, if it is not ``host``
    alpn             what to offer; the context itself is left as it was
    source_address   the local host and port to connect from
    note             told of addresses, of the one that answered, and of TLS
    role             what errors call the host, if it is not the one that is asked: ``"proxy "``

    Every error names host and port: socket.gaierror if the name has no address; OSError, such
    as ConnectionRefusedError, if no address answered, with what each of them said; TimeoutError
    saying in which phase; ssl.SSLError and ssl.SSLCertVerificationError with their attributes;
    ValueError for a host or port that cannot be one.
    """
    if not 0 < port < 65536:
        raise ValueError(f"port {port} is not within 1 to 65535")
    host = ascii_host(_without_brackets(host))
    began = monotonic()
    deadline = None if timeout is None else began + timeout
    where = role + place(host, port)
    addresses = _addresses(host, port, role)
    if note is not None:
        note("resolved", tuple(place(*address[:2]) for _, address in addresses))
    sock = _race(addresses, where, began, deadline, source_address)
    if note is not None:
        note("connected", _peer(sock, where))
    transport = Transport(sock)
    if ssl_context is None:
        return transport
    return start_tls(
        transport,
        ssl_context,
        server_hostname=host if server_hostname is None else server_hostname,
        where=where,
        timeout=None if deadline is None else deadline - monotonic(),
        alpn=alpn,
        note=note,
    )


def start_tls(
    transport: Transport,
    ssl_context: ssl.SSLContext,
    *,
    server_hostname: str,
    where: str,
    timeout: float | None = None,
    alpn: Sequence[str] = ALPN_PROTOCOLS,
    note: Note | None = None,
) -> TLSTransport:
    """Shake hands over a connected ``transport``, which is used up: closed if that fails.

    ``where`` is the peer as errors should name it, ``timeout`` the seconds for the handshake.
    Raises as ``connect`` does.
    """
    began = monotonic()
    deadline = None if timeout is None else began + timeout
    try:
        tls, incoming, outgoing = client_side(ssl_context, _server_name(server_hostname), alpn)
        while not _shaken(tls, transport, outgoing, deadline):
            data = transport.read()
            while data is None:
                if not transport.wait_readable(deadline):
                    raise TimeoutError
                data = transport.read()
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()
        if tls.selected_alpn_protocol() == "h2" and tls.version() not in {"TLSv1.2", "TLSv1.3"}:
            raise tls_error(
                "INADEQUATE_SECURITY",
                f"the server chose h2 over {tls.version()}; HTTP/2 needs TLS 1.2 (RFC 9113 §9.2)",
            )
        if note is not None:
            suite = (tls.cipher() or ("unknown",))[0]
            chose = tls.selected_alpn_protocol() or ""
            note("secured", tls.version() or "", suite, tuple(alpn), chose)
        return TLSTransport(transport.detach(), tls, incoming, outgoing)
    except ssl.SSLError as error:
        raise _explain(error, where) from None
    except TimeoutError:
        raise TimeoutError(
            f"TLS handshake with {where} timed out after {monotonic() - began:.3g} s"
        ) from None
    except OSError as error:
        raise OSError(error.errno, f"TLS handshake with {where} failed: {error.strerror}") from None
    finally:
        transport.close()  # without effect once detached


def _peer(sock: socket.socket, where: str) -> str:
    try:
        return place(*sock.getpeername()[:2])
    except OSError:
        return where  # gone again


def place(host: str, port: int) -> str:
    """Host and port as one writes them: ``localhost:443``, ``[::1]:443``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# Names and addresses.


def _without_brackets(host: str) -> str:
    return host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host


def _server_name(host: str) -> str:
    """The name to ask for and to verify: without the zone of a literal or the root's dot.

    RFC 6066 §3 wants names without the trailing dot, and no literals; those ssl keeps out of
    the ClientHello itself, and looks for them among the certificate's IP addresses.
    """
    name = ascii_host(_without_brackets(host))
    if ":" in name:
        return name.partition("%")[0]
    return name.removesuffix(".")


def _addresses(host: str, port: int, role: str = "") -> list[Address]:
    """The addresses of a host, families taking turns, the resolver's favourite first.

    The resolver sorts by RFC 6724; what is interleaved is RFC 8305 §4.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise socket.gaierror(
            error.errno, f"no address for {role}host {host!r}: {error.strerror}"
        ) from None
    except OSError as error:  # of the resolver's own, which found no descriptor for one
        said = error.strerror or error
        raise OSError(error.errno, f"no address for {role}host {host!r}: {said}") from None
    except UnicodeError as error:  # from a codec, for labels that are empty or too long
        raise ValueError(f"{role}host {host!r} is not a valid name: {error}") from None
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, _, _, _, address in dict.fromkeys(found):
        families.setdefault(family, []).append((family, address))
    turns = zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


# The race.


def _race(
    addresses: list[Address],
    where: str,
    began: float,
    deadline: float | None,
    source_address: tuple[str, int] | None,
) -> socket.socket:
    """Connect to all the addresses, each a little after the one before; the first one wins."""
    to_try = deque(addresses)
    failures: list[tuple[str, int]] = []  # errno only: kept exceptions would make cycles
    start = began
    with _Selector() as selector:
        try:
            while to_try or selector.get_map():
                now = monotonic()
                if deadline is not None and now >= deadline:
                    tried = ", ".join(place(*a[1][:2]) for a in addresses[: -len(to_try) or None])
                    raise TimeoutError(
                        f"connecting to {where} timed out after {now - began:.3g} s; "
                        f"tried {tried or 'nothing yet'}"
                    )
                if to_try and (now >= start or not selector.get_map()):
                    family, address = to_try.popleft()
                    name = place(*address[:2])
                    sock, code = _attempt(family, address, source_address)
                    if sock is None:
                        failures.append((name, code))
                    elif code == 0:
                        return sock
                    else:
                        selector.register(sock, selectors.EVENT_WRITE, (sock, name))
                        start = monotonic() + ATTEMPT_DELAY
                    continue
                until = [t for t in (deadline, start if to_try else None) if t is not None]
                # In turns, since poll() counts its milliseconds with 32 bits.
                wait = min(min(until) - now, LONGEST_WAIT / 1000) if until else None
                for key, _ in selector.select(wait):
                    running: socket.socket
                    running, name = key.data
                    selector.unregister(running)
                    code = running.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return running
                    running.close()
                    failures.append((name, code))
                    start = now  # the next address need not wait any longer
        finally:
            for key in selector.get_map().values():
                key.data[0].close()
    codes = [code for _, code in failures]
    telling = next((code for code in codes if code not in _NO_WAY), codes[0])
    said = ", ".join(f"{address}: {os.strerror(code)}" for address, code in failures)
    raise OSError(telling, f"cannot connect to {where}: {said}")


def _attempt(
    family: socket.AddressFamily, address: Any, source_address: tuple[str, int] | None
) -> tuple[socket.socket | None, int]:
    """Begin one connection; None for one that failed at once, 0 for one that is there already."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return None, error.errno or errno.EAFNOSUPPORT
    try:
        sock.setblocking(False)
        # Our writes are whole messages already; waiting to join them would only cost time.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source_address is not None:
            sock.bind(source_address)
        code = sock.connect_ex(address)
    except OSError as error:
        sock.close()
        return None, error.errno or errno.EADDRNOTAVAIL
    except BaseException:
        sock.close()
        raise
    if code == 0 or code in _UNDER_WAY:
        return sock, code
    sock.close()
    return None, code


# The handshake.


def _shaken(
    tls: ssl.SSLObject, transport: Transport, outgoing: ssl.MemoryBIO, deadline: float | None
) -> bool:
    """Take one step of the handshake, and send what it wants sent; True when it is done."""
    try:
        tls.do_handshake()
        done = True
    except ssl.SSLWantReadError:
        done = False
    except ssl.SSLError:
        with suppress(OSError):
            transport.write(outgoing.read())  # the alert that tells the server why
        raise
    transport.write(outgoing.read())
    while transport.unsent:
        if not transport.wait_writable(deadline, or_readable=False):
            raise TimeoutError
        transport.flush()
    return done


def _explain(error: ssl.SSLError, where: str) -> ssl.SSLError:
    """Say where and, if we know, what to do about it; its attributes stay what they are."""
    said = re.sub(r" \(_ssl\.c:\d+\)$", "", str(error.strerror))
    hint = next((hint for words, hint in _HINTS.items() if words in said.lower()), "")
    if getattr(error, "verify_code", None) in _UNKNOWN_ISSUER:
        hint = "; to trust it, pass ssl_context=hyper.tls.init_context(cert_path=...)"
    elif getattr(error, "verify_code", None) in _ANOTHERS:
        said = said.removesuffix(".")
        hint = "; ask for a name that is in it, and set connect_to if that leads elsewhere"
    error.strerror = f"TLS handshake with {where} failed: {said}{hint}"
    error.args = (error.errno, error.strerror)
    return error
