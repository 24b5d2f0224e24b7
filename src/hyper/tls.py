"""TLS as RFC 9113 §9.2 wants it: contexts, whom to trust, and the offer of protocols.

Knows ``ssl`` and its memory buffers; sockets and waiting belong to the rooms above, so that
threads and event loops can share this one.
"""

from __future__ import annotations

import errno
import importlib
import os
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import socket

__all__ = [
    "ALPN_PROTOCOLS",
    "H2C_PROTOCOL",
    "H2_NPN_PROTOCOLS",
    "ascii_host",
    "cert_loc",
    "client_side",
    "default_context",
    "init_context",
    "tls_error",
    "wrap_socket",
]

#: What our contexts offer by ALPN, best first (RFC 7301 §6).
ALPN_PROTOCOLS: Final = ("h2", "http/1.1")

#: What ALPN may choose that means HTTP/2, by the name that old programs import; NPN itself and
#: the drafts that were in this list are gone.
H2_NPN_PROTOCOLS: Final = ["h2"]

#: HTTP/2 without TLS, as ``Upgrade`` names it (RFC 7540 §3.2); imported by old programs.
H2C_PROTOCOL: Final = "h2c"

# RFC 9113 §9.2.2: with TLS 1.2 only what is ephemeral and authenticated encryption; everything
# else stands on the black list of appendix A. TLS 1.3 has nothing but good ones.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aDSS:!aNULL"

# Where systems keep their roots, for an interpreter whose OpenSSL looks elsewhere, as relocated
# builds do.
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/ssl/cert.pem",  # macOS, Alpine, Arch, BSD
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older ones of the two
    "/etc/ssl/ca-bundle.pem",  # SUSE
)

# IDNA 2003, which the standard library implements, and IDNA 2008 turn names with these into
# names of different hosts (RFC 5894 §7.2).
_DEVIATIONS: Final = frozenset("ßς\u200c\u200d")

# What would end the host in a URL. International names are normalized first, and
# that makes some of these out of innocent signs: U+2100 becomes a/c.
_NOT_IN_HOSTS: Final = frozenset("/?#@\\")

_ALPN: Final = 16  # extension type, RFC 7301 §3.1

Path = str | os.PathLike[str]

#: Whom to trust where nobody says so by ``cert_path``; None is the system's choice. Programs set
#: it, since 0.7 kept the path of its own bundle here.
cert_loc: Path | None = None

# Programs replace this as well, or change the context in it, to trust whom they like.
_context: ssl.SSLContext | None = None
_making = Lock()
_offering = Lock()


def init_context(
    cert_path: Path | None = None,
    cert: Path | tuple[Path, Path] | None = None,
    cert_password: str | bytes | None = None,
) -> ssl.SSLContext:
    """Make a context for HTTP/2: TLS 1.2 or better, verifying chain and host name.

    cert_path      a file or a folder of certificates to trust, instead of the system's; without
                   it, and without ``cert_loc``, the order is truststore (macOS and Windows, if
                   installed), OpenSSL's own places (``SSL_CERT_FILE`` and ``SSL_CERT_DIR``
                   override them), the places where systems are known to keep a bundle, certifi
                   if installed
    cert           our own certificate: a PEM file with its key, or a pair of such files
    cert_password  for an encrypted key

    Offers h2 and http/1.1 by ALPN; no compression, no renegotiation (§9.2.1), none of the
    black-listed TLS 1.2 cipher suites (§9.2.2); names only from subjectAltName (RFC 9110
    §4.3.4). ``SSLKEYLOGFILE`` is honoured as ``ssl.create_default_context`` does.

    Raises OSError naming the path for a file that cannot be used (FileNotFoundError for a
    missing one), and FileNotFoundError naming the remedies when there is nobody to trust.
    """
    log = _key_log()
    trusted = cert_loc if cert_path is None else cert_path
    context = _trusting_the_system() if trusted is None else _trusting(trusted)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    context.hostname_checks_common_name = False
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(list(ALPN_PROTOCOLS))
    if log is not None and not context.keylog_filename:
        context.keylog_filename = log  # truststore's looks at no environment
    if cert is not None:
        _load_own(context, cert, cert_password)
    return context


def default_context() -> ssl.SSLContext:
    """The context for everyone who brings none: ``init_context()``, made once per process.

    Reading some 140 roots takes 16 ms, so it happens when first needed. Later changes of the
    environment or of the system's roots are not seen.
    """
    global _context
    if _context is None:
        with _making:
            if _context is None:
                _context = init_context()
    return _context


def client_side(
    context: ssl.SSLContext, server_hostname: str | None, alpn: Sequence[str] = ALPN_PROTOCOLS
) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """Begin a handshake that offers ``alpn``; return the TLS side and its two buffers.

    The ClientHello stands in the second buffer, ready to be sent. An empty ``alpn`` leaves the
    offer to the context.

    A context's offer cannot be asked for, and changing it would change it for everybody else
    who uses the context, perhaps for somebody who does not speak h2. So we read it from the
    ClientHello that the context makes; where it differs from ours, ours is set, the side is
    made, which copies the offer, and the old offer is set again. A thread that opens a
    connection with the same context outside of hyper within these microseconds gets our offer.

    Raises ssl.SSLError for a context with which no handshake can begin, ValueError for one that
    verifies names when there is none.
    """
    if context.check_hostname and not server_hostname:
        # SSLSocket refuses this by itself; an SSLObject would take a certificate for any name.
        raise ValueError("the context checks host names, but no name was given to verify")
    # All of it under the lock: else we might read the offer that another thread of ours has set.
    with _offering:
        side = _begin(context, server_hostname)
        theirs = _offer_in(side[2])
        if not alpn or theirs == list(alpn):
            return side
        context.set_alpn_protocols(list(alpn))
        try:
            return _begin(context, server_hostname)
        finally:
            _set_back(context, theirs)


def wrap_socket(
    sock: socket.socket,
    server_hostname: str,
    ssl_context: ssl.SSLContext | None = None,
    force_proto: str | None = None,
) -> tuple[ssl.SSLSocket, str | None]:
    """Shake hands on a connected socket, for programs that speak HTTP/2 by other means.

    Returns the TLS socket and what ALPN chose, ``force_proto`` in its place if given, None if
    nothing. A context offers whatever its owner has set. Raises ssl.SSLError and OSError.
    """
    context = ssl_context or default_context()
    secure = context.wrap_socket(sock, server_hostname=server_hostname)
    return secure, force_proto or secure.selected_alpn_protocol()


@contextmanager
def offering(context: ssl.SSLContext) -> Iterator[None]:
    """Within, let ``context`` offer h2 and http/1.1; afterwards again what it did before.

    For those who need an ``SSLSocket`` made; ``client_side`` says how the offer is found out, and
    what is left to be careful about. Nothing may wait within: everybody else who begins a
    handshake does.
    """
    with _offering:
        theirs = _offer_in(_begin(context, None)[2])
        context.set_alpn_protocols(list(ALPN_PROTOCOLS))
        try:
            yield
        finally:
            _set_back(context, theirs)


def ascii_host(host: str) -> str:
    """The host as DNS, certificates and :authority spell it: IDNA for what is not ASCII.

    IDNA 2008 with the ``idna`` package, else the standard library's IDNA 2003. Raises ValueError
    for a name that has no such spelling, and, without the package, for a name whose two
    spellings belong to different hosts (ß, ς and the two joiners).
    """
    name = host if host.isascii() else _international(host)
    if not name or any(sign <= " " or sign == "\x7f" or sign in _NOT_IN_HOSTS for sign in name):
        raise ValueError(f"host {host!r} is empty, or has blanks, controls or any of /?#@\\ in it")
    return name


def _international(host: str) -> str:
    idna = _optional("idna")
    try:
        if idna is not None:
            encoded: bytes = idna.encode(host, uts46=True)
        elif _DEVIATIONS.isdisjoint(host):
            encoded = host.encode("idna")
        else:
            raise ValueError(
                f"host {host!r} means different hosts in IDNA 2003 and 2008 (RFC 5894 §7.2): "
                "install the idna package, or give the name as xn--..."
            )
    except UnicodeError as error:
        raise ValueError(f"host {host!r} is not a valid international name: {error}") from error
    return encoded.decode("ascii")


def _renew_locks() -> None:
    """In the child of a fork: whoever held them is not here, and would keep them for ever."""
    global _making, _offering
    _making = Lock()
    _offering = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


# Whom to trust.


def _trusting(path: Path) -> ssl.SSLContext:
    path = os.fspath(path)
    if os.path.isdir(path):
        return ssl.create_default_context(capath=path)
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # an ssl.SSLError is one
        raise _naming(error, "certificates to trust cannot be read", path) from None


def _trusting_the_system() -> ssl.SSLContext:
    # On Linux truststore looks into the files that OpenSSL finds anyway, but reads them anew
    # for each connection: 18 ms instead of 0.01.
    if sys.platform in {"darwin", "win32"}:
        truststore = _optional("truststore")
        if truststore is not None:
            native: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return native
    context = ssl.create_default_context()
    if _trusts_somebody(context):
        return context
    for bundle in _bundles():
        with suppress(OSError):  # one that we may not read, or that is none, is not the last
            context.load_verify_locations(cafile=bundle)
        if _trusts_somebody(context):
            return context
    raise FileNotFoundError(
        errno.ENOENT,
        "no trusted root certificates found, so no server could be verified; install the "
        "system's ca-certificates, or the truststore or certifi package, or set SSL_CERT_FILE, "
        "or name a file with hyper.tls.init_context(cert_path=...)",
    )


def _trusts_somebody(context: ssl.SSLContext) -> bool:
    if context.cert_store_stats()["x509_ca"]:
        return True
    # A folder is looked into by name during the handshake, so its roots are not counted.
    folder = ssl.get_default_verify_paths().capath
    with suppress(OSError):  # one that we may not look into, as within a sandbox
        return bool(folder) and any(name.endswith(".0") for name in os.listdir(folder))
    return False


def _bundles() -> Iterator[str]:
    for bundle in _BUNDLES:
        if os.path.isfile(bundle):
            yield bundle
    certifi = _optional("certifi")
    if certifi is not None:
        yield certifi.where()


def _key_log() -> str | None:
    """The file for keys, as ``ssl.create_default_context`` looks for it, if it can be written.

    Looked at before anything else is: that function's error does not say what the file is for.
    """
    path = os.environ.get("SSLKEYLOGFILE")
    if not path or sys.flags.ignore_environment:
        return None
    try:
        open(path, "ab").close()
    except OSError as error:
        raise _naming(error, "SSLKEYLOGFILE names a file that cannot be written", path) from None
    return path


def _load_own(
    context: ssl.SSLContext, cert: Path | tuple[Path, Path], password: str | bytes | None
) -> None:
    certificate, key = cert if isinstance(cert, tuple) else (cert, None)
    owner = os.fspath(key or certificate)

    def answer() -> str | bytes:
        # Without this OpenSSL would ask on the terminal.
        if password is None:
            raise ValueError(f"the key in {owner!r} is encrypted: give cert_password")
        return password

    for path in (certificate, key):
        # load_cert_chain does not say which of the two is missing.
        if path is not None and not os.path.exists(path):
            raise FileNotFoundError(
                errno.ENOENT, "client certificate or key does not exist", os.fspath(path)
            )
    try:
        context.load_cert_chain(certificate, key, answer)
    except OSError as error:
        what = "client certificate and its key cannot be used"
        raise _naming(error, what, os.fspath(certificate)) from None


def _naming(error: OSError, what: str, path: str) -> OSError:
    if not isinstance(error, ssl.SSLError):
        return OSError(error.errno, f"{what}: {error.strerror}", path)
    error.strerror = f"{what}: {path!r}: {error.strerror}"
    error.args = (error.errno, error.strerror)
    return error


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# The offer of protocols.


def _begin(
    context: ssl.SSLContext, server_hostname: str | None
) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    side = context.wrap_bio(incoming, outgoing, server_hostname=server_hostname)
    with suppress(ssl.SSLWantReadError):
        side.do_handshake()
    return side, incoming, outgoing


def _offer_in(outgoing: ssl.MemoryBIO) -> list[str]:
    """The protocols that the ClientHello in this buffer offers (RFC 8446 §4.1.2, RFC 7301 §3.1)."""
    hello = outgoing.read()
    outgoing.write(hello)
    at = 5 + 4 + 2 + 32  # heads of record and message, version, random
    at += 1 + hello[at]  # session id
    at += 2 + int.from_bytes(hello[at : at + 2], "big")  # cipher suites
    at += 1 + hello[at]  # compression methods
    at += 2
    while at < len(hello):
        kind = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        at += 4
        if kind == _ALPN:
            offer = []
            end = at + size
            at += 2
            while at < end:
                offer.append(hello[at + 1 : at + 1 + hello[at]].decode("latin-1"))
                at += 1 + hello[at]
            return offer
        at += size
    return []


def _set_back(context: ssl.SSLContext, offer: list[str]) -> None:
    try:
        context.set_alpn_protocols(offer)
    except MemoryError:
        # OpenSSL 1.1.1 empties the list as asked, and says that it had no memory for nothing.
        if offer:
            raise


def tls_error(reason: str, message: str) -> ssl.SSLError:
    """An error with the attributes that those of the ssl module have."""
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, message)
    error.library = "SSL"
    error.reason = reason
    return error
