"""Header fields as a mapping (RFC 9110 §5).

A field section is a list of lines: their order counts, names may repeat, and on the wire every
line stays as it is. ``HTTPHeaderMap`` keeps that list, and takes commas apart only when it is
asked for the values of a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from .exchange import Fields

__all__ = ["HTTPHeaderMap"]

#: Fields whose value is one thing although commas may stand in it: splitting would hand out
#: the halves of a date, a URI or a comment (RFC 9110 §5.5 calls them singleton fields).
#: Cookies are here by RFC 6265 §3, challenges because a comma there separates parameters as
#: well as challenges (RFC 9110 §11.6.1).
INDIVISIBLE: Final = frozenset(
    (
        b"authorization",
        b"content-disposition",
        b"content-location",
        b"content-type",
        b"cookie",
        b"date",
        b"etag",
        b"expires",
        b"from",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"last-modified",
        b"location",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"referer",
        b"retry-after",
        b"server",
        b"set-cookie",
        b"user-agent",
        b"www-authenticate",
    )
)

#: One element of a list: anything but a comma, or a quoted string, whose commas belong to it
#: (RFC 9110 §5.6.1, §5.6.4). One that is never closed runs to the end: looking for its twin
#: again from every later quotation mark would cost the square of the length.
_ELEMENT: Final = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))++', re.DOTALL)


class HTTPHeaderMap(MutableMapping[Any, Any]):
    """An ordered multi-map of header fields, as hyper has always had it.

    Names and values go in as str (UTF-8) or bytes and come out as bytes. Names are compared
    without regard to case and kept in lower case (RFC 9110 §5.1; HTTP/2 knows no other).

    >>> headers = HTTPHeaderMap([("Vary", "Accept, Cookie")])
    >>> headers["vary"] = "Origin"
    >>> headers["VARY"]
    [b'Accept', b'Cookie', b'Origin']
    >>> list(headers.iter_raw())
    [(b'vary', b'Accept, Cookie'), (b'vary', b'Origin')]

    Two views of one thing:

    - *raw*, as on the wire: ``iter_raw``, ``==``, ``repr``, ``text``;
    - *canonical*, one value at a time: lookup, ``get``, iteration, ``keys``, ``values``,
      ``items`` and ``len``. A value is split at its commas where a list may stand, outside
      quoted strings; never in cookies, dates, URIs and the like, where a comma separates
      nothing.

    Iteration gives ``(name, value)`` pairs, ``keys`` their names, duplicates included.
    Raises ValueError for a name or a value that is neither str nor bytes.
    """

    __slots__ = ("_fields",)

    #: Replaced, never changed in place: it may belong to an exchange, a cache, or a copy.
    _fields: Fields

    def __init__(
        self,
        *fields: Mapping[Any, Any] | Iterable[tuple[str | bytes, str | bytes]],
        **more: str | bytes,
    ) -> None:
        self._fields = [
            (_name(name), _octets(value))
            for pairs in (*fields, more.items())
            for name, value in _pairs(pairs)
        ]

    @classmethod
    def wrap(cls, fields: Fields) -> HTTPHeaderMap:
        """A map over fields with lower-case names, without copying, or ever changing, them."""
        headers = cls.__new__(cls)
        headers._fields = fields
        return headers

    def __getitem__(self, name: str | bytes) -> list[bytes]:
        """Every value of the field, in order, lists taken apart; KeyError if there is none."""
        wanted = _name(name)
        values = [element for n, v in self._fields if n == wanted for element in _split(n, v)]
        if not values:
            raise KeyError(name)
        return values

    def __setitem__(self, name: str | bytes, value: str | bytes) -> None:
        """Append a field; the ones with this name stay. ``replace`` removes them."""
        self._fields = [*self._fields, (_name(name), _octets(value))]

    def __delitem__(self, name: str | bytes) -> None:
        """Remove every field with this name; KeyError if there is none."""
        wanted = _name(name)
        left = [field for field in self._fields if field[0] != wanted]
        if len(left) == len(self._fields):
            raise KeyError(name)
        self._fields = left

    def __contains__(self, name: object) -> bool:
        wanted = _name(name)
        return any(n == wanted for n, _ in self._fields)

    # A mapping iterates over its keys; this one has always iterated like the list of pairs it
    # is, and ``for name, value in response.headers`` is what people wrote.
    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for name, value in self._fields:
            for element in _split(name, value):
                yield name, element

    def __len__(self) -> int:
        return sum(len(_split(name, value)) for name, value in self._fields)

    def __eq__(self, other: object) -> bool:
        """The same lines in the same order."""
        if isinstance(other, HTTPHeaderMap):
            return list(self._fields) == list(other._fields)
        return NotImplemented

    def __repr__(self) -> str:
        return f"HTTPHeaderMap({list(self._fields)!r})"

    # A Mapping's are views, in which a name stands once. Here it may stand twice, and hyper 0.7
    # promised iterators; so each of the three is an exception from what Mapping declares.
    def keys(self) -> Iterator[bytes]:  # type: ignore[override]  # a KeysView has a name once
        """The name of every value: as many as ``len``, duplicates included."""
        return (name for name, _ in self)

    def values(self) -> Iterator[bytes]:  # type: ignore[override]  # hyper 0.7's: an iterator
        return (value for _, value in self)

    def items(  # type: ignore[override]  # hyper 0.7's: an iterator, of repeated names too
        self,
    ) -> Iterator[tuple[bytes, bytes]]:
        return iter(self)

    def iter_raw(self) -> Iterator[tuple[bytes, bytes]]:
        """The lines as they are on the wire, commas untouched."""
        return iter(self._fields)

    def text(self, name: str | bytes, default: str | None = None) -> str | None:
        """The field as one str, its lines joined by ``", "`` (RFC 9110 §5.3), or ``default``.

        Octets beyond ASCII are read as UTF-8 if they are UTF-8, else as ISO-8859-1.
        """
        wanted = _name(name)
        values = [v for n, v in self._fields if n == wanted]
        if not values:
            return default
        value = b", ".join(values)
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("iso-8859-1")

    def replace(self, name: str | bytes, value: str | bytes) -> None:
        """Put one field in the place of all that have its name; append it if there is none."""
        new = (_name(name), _octets(value))
        fields: list[tuple[bytes, bytes]] = []
        placed = False
        for field in self._fields:
            if field[0] != new[0]:
                fields.append(field)
            elif not placed:
                fields.append(new)
                placed = True
        if not placed:
            fields.append(new)
        self._fields = fields

    def merge(self, other: object) -> None:
        """Append the fields of another map, a mapping, or an iterable of pairs.

        Merging a map into itself changes nothing.
        """
        if other is not self:
            self._fields = [*self._fields, *HTTPHeaderMap(_pairs(other))._fields]

    def update(self, other: object = (), /, **more: str | bytes) -> None:
        """``merge``, with keyword arguments: assignment appends here, and so does this."""
        self.merge(other)
        self.merge(more)

    def setdefault(self, name: str | bytes, default: Any = b"", /) -> list[bytes]:
        """The values of the field, which is ``default`` from now on if it was missing."""
        if name not in self:
            self[name] = default
        values: list[bytes] = self[name]
        return values

    def popitem(self) -> tuple[bytes, bytes]:
        """Remove and return the last line, raw; KeyError if there is none."""
        if not self._fields:
            raise KeyError("there are no header fields left")
        *self._fields, last = self._fields
        return last

    def clear(self) -> None:
        self._fields = []


def _pairs(fields: Any) -> Iterable[tuple[Any, Any]]:
    """The lines of whatever holds header fields."""
    if isinstance(fields, HTTPHeaderMap):
        return fields._fields
    return fields.items() if isinstance(fields, Mapping) else fields


def _name(name: object) -> bytes:
    return _octets(name).lower()


def _octets(text: object) -> bytes:
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode()
    raise ValueError(
        f"header names and values are str or bytes, not {type(text).__name__}; convert it first"
    )


def _split(name: bytes, value: bytes) -> list[bytes]:
    """The elements of a value, at least one: b"" where there is nothing but commas.

    Empty elements do not count (RFC 9110 §5.6.1.2).
    """
    if b"," not in value or name in INDIVISIBLE:
        return [value]
    parts = _ELEMENT.findall(value) if b'"' in value else value.split(b",")
    return [element for part in parts if (element := part.strip(b" \t"))] or [b""]
