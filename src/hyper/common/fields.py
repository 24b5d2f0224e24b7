"""What a request may be made of, whichever version of HTTP carries it (RFC 9110 §4 to §9).

The one home of these rules. Each version matches against them where it goes through a request
anyway, and raises what ``bad_...`` makes, before anything is sent; messages name a field and never
show its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = [
    "AUTHORITY",
    "FIELD_NAME",
    "FIELD_VALUE",
    "HOST_AND_PORT",
    "NOT_IN_TRAILERS",
    "PATH",
    "SCHEME",
    "TOKEN",
    "bad_authority",
    "bad_field",
    "bad_method",
    "bad_path",
    "bad_scheme",
    "bad_trailer",
    "bad_tunnel",
    "refuse_pseudo_headers",
]

#: A token (RFC 9110 §5.6.2), which a method is, and a field name that HTTP/1.1 receives.
TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

#: A field name to send: a token in lower case, which HTTP/2 wants (RFC 9113 §8.2.1). So a name has
#: one spelling, and none slips past whoever looks for it.
FIELD_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")

#: A field value: no CR, LF or NUL, and no blank at either end (RFC 9110 §5.5, RFC 9113 §8.2.1).
FIELD_VALUE: Final = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")

#: What may stand for a path (RFC 9112 §3.2.1, §3.2.4): visible octets only, no fragment.
PATH: Final = re.compile(rb"/[!\"$-~]*|\*")

#: Without userinfo (RFC 9110 §4.2.4). Brackets and colons are for addresses and ports.
AUTHORITY: Final = re.compile(rb"[!$-.0-9:;=A-Z\[\]_a-z~]+")

#: What CONNECT asks for: an authority that has a port, whichever it is (RFC 9110 §9.3.6).
HOST_AND_PORT: Final = re.compile(rb"[!$-.0-9:;=A-Z\[\]_a-z~]*[^:]:[0-9]+")

SCHEME: Final = re.compile(rb"[a-z][a-z0-9+.-]*")

#: Fields that are needed before a body or are about one connection: whoever puts trailers among the
#: head's fields would take the message for another one (RFC 9110 §6.5.1). What else may stand
#: there is the user's to know.
NOT_IN_TRAILERS: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


def bad_method(method: bytes) -> ValueError:
    """What to raise for a method that is no ``TOKEN``."""
    return ValueError(f"method {method!r} is not a token (RFC 9110 §9.1)")


def bad_authority(authority: bytes) -> ValueError:
    """What to raise for what is no ``AUTHORITY``."""
    return ValueError(
        f"authority {authority!r} is not host[:port] (RFC 9110 §7.2, RFC 9113 §8.3.1); userinfo, "
        "blanks and 8-bit octets cannot be in it"
    )


def bad_tunnel(authority: bytes) -> ValueError:
    """What to raise for an ``AUTHORITY`` that is no ``HOST_AND_PORT``."""
    return ValueError(
        f"CONNECT names host and port (RFC 9110 §9.3.6), not {authority!r}; add the port"
    )


def bad_scheme(scheme: bytes) -> ValueError:
    """What to raise for what is no ``SCHEME``."""
    return ValueError(f"scheme {scheme!r} is not a URI scheme (RFC 3986 §3.1)")


def bad_path(path: bytes) -> ValueError:
    """What to raise for what is no ``PATH``, or not one for its method."""
    return ValueError(
        f"path {path!r} must start with '/' and hold visible ASCII without '#' (RFC 9112 §3.2.1, "
        "RFC 9113 §8.3.1), or be the '*' of OPTIONS; percent-encode the rest"
    )


def bad_field(name: bytes) -> ValueError:
    """What to raise for a field whose name is no ``FIELD_NAME``, or whose value is none."""
    if FIELD_NAME.fullmatch(name) is not None:
        return ValueError(
            "header values may not contain CR, LF or NUL, nor start or end with a blank "
            f"(RFC 9110 §5.5, RFC 9113 §8.2.1): {name.decode()!r}; encode the value first"
        )
    if name.startswith(b":"):
        return ValueError(f"pseudo-header {name!r} cannot be set here (RFC 9113 §8.3)")
    return ValueError(
        f"header name {name!r} is not a token in lower case (RFC 9110 §5.1, RFC 9113 §8.2.1)"
    )


def bad_trailer(name: bytes) -> ValueError:
    """What to raise for a field that is ``NOT_IN_TRAILERS``."""
    return ValueError(
        f"{name.decode()!r} may not be sent as a trailer (RFC 9110 §6.5.1); leave it out"
    )


def refuse_pseudo_headers(fields: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise ValueError if there is one: for whoever takes fields that would override the URL."""
    for name, _ in fields:
        if name.startswith(b":"):
            raise bad_field(name)
