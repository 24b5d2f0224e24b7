"""What a user asks for, in the words of HTTP: bytes, lower-case names, one authority.

Takes whatever people pass as host, method, headers and body. What a field may look like is not
judged here but by the protocol, which is the one home of that rule.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Final, NamedTuple

from ..common.body import Body, declared_length
from ..common.coding import accept_encoding
from ..common.exchange import Fields
from ..common.headers import HTTPHeaderMap
from ..tls import ascii_host
from .dial import place

__all__ = [
    "Asked",
    "Headers",
    "Octets",
    "Origin",
    "Trailers",
    "host_and_port",
    "octets",
    "wire_trailers",
]

Octets = str | bytes
Headers = Mapping[Any, Any] | Iterable[tuple[Octets, Octets]]
Trailers = Headers | Callable[[], Headers]

#: Fields that are about an HTTP/1.1 connection (RFC 9113 §8.2.2), and ``host``, which HTTP/2
#: calls ``:authority``.
HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"host")
)

#: Methods whose requests have a body by definition, so that its absence is worth a
#: ``content-length: 0`` (RFC 9110 §8.6).
WITH_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))

#: Requests, and sets of their headers, that are remembered in the form they have on the wire.
MAX_REMEMBERED_REQUESTS: Final = 64

#: The same of single fields, and how long name and value may be together.
MAX_REMEMBERED_FIELDS: Final = 256
MAX_REMEMBERED_SIZE: Final = 256

# What makes a set of headers one that has to be looked at as a whole.
_SPECIAL: Final = HOP_BY_HOP | {
    b":authority",
    b":method",
    b":path",
    b":scheme",
    b"content-length",
    b"expect",
    b"range",
    b"te",
}


class Asked:
    """A request: what errors name, and what is needed to send it again.

    where      the server as errors name it, ``host:port``
    piecewise  the body comes later, by ``send()``
    left       octets of such a body that ``content-length`` still promises, or None
    begun      octets of it have been sent, or are about to be
    answered   the server has answered and wants no more of it
    over       it has ended
    expects    the body waits for ``100 Continue`` (RFC 9110 §10.1.1)
    last       ``connection: close``: over HTTP/1.1, the server is told to close after it
    follows    its body is in memory and may follow at once, so that the head can leave with it
    uncoded    the fields of a response to it that had no content coding; the next one often has
               the very same
    """

    uncoded: Fields | None = None

    piecewise = False
    left: int | None = None
    begun = False
    answered = False
    over = False
    expects = False
    last = False
    follows = False
    body: Body | None = None
    trailers: Any = None
    never_index: Container[bytes] = ()

    def __init__(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        headers: Fields,
        where: str,
    ) -> None:
        self.method = method
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.headers = headers
        self.where = where

    def __str__(self) -> str:
        # Without the query, which may hold what is nobody's business.
        path = self.path.partition(b"?")[0].decode("ascii", "replace")
        return f"{self.method.decode('ascii', 'replace')} {path}"


class _Head(NamedTuple):
    """What the user's headers come to on the wire."""

    fields: tuple[tuple[bytes, bytes], ...]
    pseudo: dict[bytes, bytes]
    declared: int | None
    expects: bool = False
    last: bool = False


class _Fields(dict[Any, Any]):
    """Pairs of the user's, and what each is on the wire; None if its set has to be looked at whole.

    accepted  the first ``accept-encoding`` there was; None stands for any other one
    """

    __slots__ = ("accepted",)

    def __init__(self) -> None:
        super().__init__()
        self.accepted: tuple[bytes, bytes] | None = None

    def __missing__(self, pair: Any) -> tuple[bytes, bytes] | None:
        ((name, value),) = _pairs((pair,))
        field: tuple[bytes, bytes] | None = (name, value)
        if name == b"accept-encoding" and self.accepted is None:
            self.accepted = field
        if name in _SPECIAL or (name == b"accept-encoding" and field != self.accepted):
            field = None
        # A number may be equal to one that is no int and not allowed.
        if len(name) + len(value) <= MAX_REMEMBERED_SIZE and isinstance(pair[1], str | bytes):
            if len(self) >= MAX_REMEMBERED_FIELDS:
                self.clear()
            self[pair] = field
        return field


class Origin:
    """Whom requests go to (RFC 9110 §4.3.1), and how they are said to it.

    where  ``host:port``, for errors
    plain  requests of two words, a method and a path, that ``ask`` has said before; looked at
           before it is asked again, which spares the call
    """

    def __init__(self, host: str, port: int, *, secure: bool) -> None:
        self.where = place(host, port)
        self._scheme = b"https" if secure else b"http"
        default_port = port == (443 if secure else 80)
        self._authority = _authority(host, None if default_port else port)
        self._bare = _Head(((b"accept-encoding", accept_encoding()),), {}, None)
        self._remembered: dict[Any, _Head] = {}
        self._fields = _Fields()
        self.plain: dict[tuple[Octets, Octets], Asked] = {}

    def __str__(self) -> str:
        return f"{self._scheme.decode()}://{self.where}"

    def ask(
        self,
        method: Octets,
        url: Octets,
        source: object,
        headers: Headers | None,
        trailers: Trailers | None,
        never_index: Iterable[Octets],
        piecewise: bool = False,
    ) -> Asked:
        """Take the user's words for a request and say it in ours."""
        plain = None
        if (
            headers is None
            and source is None
            and trailers is None
            and not (never_index or piecewise)
        ):
            plain = (method, url)
        method = octets(method, "as method")
        head = self._bare if headers is None else self._head(headers)
        fields, pseudo, declared, expects, last = head
        body: Body | None = None
        if piecewise:
            pass
        elif source is not None or trailers is not None or declared:
            body = Body(source, declared)
        if declared is None and not piecewise:
            if body is not None and body.size is not None and trailers is None:
                fields += ((b"content-length", b"%d" % body.size),)
            elif body is None and method in WITH_BODY:
                fields += ((b"content-length", b"0"),)
        if body is not None and body.size == 0 and trailers is None:
            body = None
        if expects and body is None and not piecewise:
            # RFC 9110 §10.1.1: not without a body.
            fields = tuple(field for field in fields if field[0] != b"expect")
            expects = False
        scheme = self._scheme
        authority = self._authority
        path = octets(url, "as url") or b"/"
        if pseudo:
            method = pseudo.get(b":method", method)
            scheme = pseudo.get(b":scheme", scheme)
            authority = pseudo.get(b":authority", authority)
            path = pseudo.get(b":path", path)
        asked = Asked(method, scheme, authority, path, fields, self.where)
        asked.body = body
        if body is not None and body.at_hand and not expects:
            asked.follows = True
        asked.trailers = trailers
        if piecewise:
            asked.piecewise = True
            asked.left = declared
        if expects:
            asked.expects = True
        if last:
            asked.last = True
        if never_index:
            if isinstance(never_index, str | bytes):
                # Its letters are names as well, and would be taken for them without a word.
                raise TypeError("never_index takes names, ['authorization'], not a single one")
            asked.never_index = frozenset(octets(name).lower() for name in never_index)
        if plain is not None:
            if len(self.plain) >= MAX_REMEMBERED_REQUESTS:
                self.plain.clear()
            self.plain[plain] = asked
        return asked

    def _head(self, headers: Headers) -> _Head:
        """The user's headers as they go on the wire, remembered while they stay the same."""
        if isinstance(headers, HTTPHeaderMap):
            pairs: Any = headers.iter_raw()
        elif isinstance(headers, Mapping):
            pairs = headers.items()
        else:
            pairs = headers
        key = tuple(pairs)
        try:
            head = self._remembered.get(key)
        except TypeError:  # pairs may be lists
            return _on_the_wire(key)
        if head is None:
            # An id of each request's own makes most sets new, and of their fields one or two.
            known = self._fields
            fields = tuple(map(known.__getitem__, key))
            if None in fields:
                head = _on_the_wire(key)
            else:
                if known.accepted not in fields:
                    fields += self._bare.fields
                head = _Head(fields, {}, None)
            if len(self._remembered) >= MAX_REMEMBERED_REQUESTS:
                self._remembered.clear()
            self._remembered[key] = head
        return head


def host_and_port(host: str, port: int | None, default: int = 443) -> tuple[str, int]:
    """Take ``name``, ``name:port``, ``[::1]``, ``[::1]:port`` or a bare IPv6 address apart."""
    if not isinstance(host, str):
        raise TypeError(f"a host is a str, 'name' or 'name:port', not {host!r}")
    if port is not None and not isinstance(port, int):
        raise TypeError(f"a port is an int, not {port!r}")
    if any(sign in host for sign in "/@?#"):
        raise ValueError(
            f"host {host!r} is not a host; give 'name' or 'name:port', and the path to request()"
        )
    name, text = host, ""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"host {host!r} has brackets that do not hold an address")
        text = rest[1:]
    elif host.count(":") == 1:
        name, _, text = host.partition(":")
    if text and port is None:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"port {text!r} of host {host!r} is not a number")
        port = int(text)
    if port is None:
        port = default
    if not 0 < port < 65536:
        raise ValueError(f"port {port} is not within 1 to 65535")
    ascii_host(name)  # raises ValueError for what no host can be
    return name, port


def _authority(host: str, port: int | None) -> bytes:
    """What ``:authority`` says (RFC 9113 §8.3.1): no port if it is the scheme's own."""
    # The zone of an address means something on this machine only (RFC 6874 §4).
    name = ascii_host(host).partition("%")[0]
    if ":" in name:
        name = f"[{name}]"
    return (name if port is None else f"{name}:{port}").encode()


def octets(text: Any, where: str = "here") -> bytes:
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, bytes):
        return text
    if isinstance(text, int):
        return b"%d" % text
    raise TypeError(f"str or bytes is wanted {where}, not {type(text).__name__}")


def _pairs(headers: Any) -> list[tuple[bytes, bytes]]:
    fields = []
    for pair in headers.items() if isinstance(headers, Mapping) else headers:
        try:
            name, value = pair
            if isinstance(pair, str | bytes):
                raise TypeError  # two letters are not meant as a name and its value
        except (TypeError, ValueError):
            kind = type(pair).__name__
            raise TypeError(
                f"headers are a mapping, or pairs of name and value; {kind} is no such pair"
            ) from None
        try:
            fields.append((octets(name).lower(), octets(value)))
        except TypeError as error:
            raise TypeError(f"header {name!r}: {error}") from None
    return fields


def _on_the_wire(pairs: tuple[tuple[Any, Any], ...]) -> _Head:
    """The user's fields in lower case, without those of an HTTP/1.1 connection.

    What a field may look like is not judged here but by the protocol.
    """
    given = _pairs(pairs)
    dropped = set(HOP_BY_HOP)
    expects = False
    for name, value in given:
        if name == b"connection":  # names further fields of its kind (RFC 9110 §7.6.1)
            dropped.update(option.strip(b" \t").lower() for option in value.split(b","))
        elif name == b"expect":
            expects = expects or value.strip(b" \t").lower() == b"100-continue"
    fields = []
    pseudo: dict[bytes, bytes] = {}
    for name, value in given:
        if name in (b":method", b":scheme", b":authority", b":path"):
            pseudo[name] = value
        elif name == b"host":
            pseudo.setdefault(b":authority", value)
        elif name == b"te":
            # The one word that has a meaning in HTTP/2 (RFC 9113 §8.2.2).
            if b"trailers" in (word.strip(b" \t").lower() for word in value.split(b",")):
                fields.append((b"te", b"trailers"))
        elif name not in dropped and not (name == b"content-length" and (name, value) in fields):
            # The same length twice is one length, and two lines are none (RFC 9110 §5.3).
            fields.append((name, value))
    if not any(name == b"accept-encoding" for name, _ in fields):
        # A range is one of coded octets (RFC 9110 §14.1.2), and a part of those cannot be decoded.
        # So servers that code either know no ranges, or send what nobody could read.
        whole = not any(name == b"range" for name, _ in fields)
        fields.append((b"accept-encoding", accept_encoding() if whole else b"identity"))
    return _Head(tuple(fields), pseudo, declared_length(fields), expects, b"close" in dropped)


def wire_trailers(trailers: Any) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(_pairs(trailers() if callable(trailers) else trailers))
