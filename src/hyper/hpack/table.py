"""The indexing tables (RFC 7541 §2.3).

The static table as each side needs it, and the encoder's half of the dynamic table, which must
find an index by a field. The decoder finds fields by index and keeps a plain list of its own.
"""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = [
    "ENTRY_OVERHEAD",
    "FIRST_DYNAMIC",
    "STATIC_FIELDS",
    "STATIC_NAMES",
    "STATIC_TABLE",
    "EncoderTable",
    "Field",
]

#: A field: lower-case name and value.
Field = tuple[bytes, bytes]

#: What an entry is taken to cost beyond its name and its value, in octets (§4.1).
ENTRY_OVERHEAD: Final = 32

#: Appendix A; the first has index 1.
STATIC_TABLE: Final[tuple[Field, ...]] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
)

#: The index of the newest entry of the dynamic table (§2.3.3).
FIRST_DYNAMIC: Final = len(STATIC_TABLE) + 1

#: Index by field.
STATIC_FIELDS: Final[dict[Field, int]] = {
    field: index for index, field in enumerate(STATIC_TABLE, 1)
}

#: The lowest index by name.
STATIC_NAMES: Final[dict[bytes, int]] = {
    name: FIRST_DYNAMIC - distance for distance, (name, _) in enumerate(reversed(STATIC_TABLE), 1)
}


class EncoderTable:
    """The encoder's dynamic table: first in, first out, found by field or by name (§2.3.2).

    Entries are numbered by age, for ever; an index is how far an entry's number lies behind
    the newest one, so insertions and evictions renumber nothing.

    capacity  octets it may hold, each entry counted with 32 more (§4.1, §4.2)
    size      octets it holds
    """

    __slots__ = ("_entries", "_fields", "_names", "_newest", "capacity", "size")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self._entries: deque[Field] = deque()
        self._fields: dict[Field, int] = {}
        self._names: dict[bytes, int] = {}
        self._newest = 0

    def fields(self) -> list[Field]:
        """The entries, newest first."""
        return [*reversed(self._entries)]

    def field_index(self, field: Field) -> int:
        """The index of ``field``, or 0 if it is not there."""
        number = self._fields.get(field)
        return 0 if number is None else self._newest - number + FIRST_DYNAMIC

    def name_index(self, name: bytes) -> int:
        """The index of the newest entry with this name, or 0."""
        number = self._names.get(name)
        return 0 if number is None else self._newest - number + FIRST_DYNAMIC

    def insert(self, field: Field) -> None:
        """Add ``field`` as the newest entry, at the cost of the oldest (§4.4)."""
        name, value = field
        self.size += len(name) + len(value) + ENTRY_OVERHEAD
        self._newest += 1
        self._entries.append(field)
        self._fields[field] = self._names[name] = self._newest
        if self.size > self.capacity:
            self._evict()

    def resize(self, capacity: int) -> None:
        """Change the capacity; the oldest entries go if there is less room (§4.3)."""
        self.capacity = capacity
        self._evict()

    def clear(self) -> None:
        """Empty it, whatever an insertion that was interrupted has left half done."""
        self._entries.clear()
        self._fields.clear()
        self._names.clear()
        self.size = 0

    def _evict(self) -> None:
        entries = self._entries
        while self.size > self.capacity:
            number = self._newest - len(entries) + 1
            field = entries.popleft()
            name, value = field
            self.size -= len(name) + len(value) + ENTRY_OVERHEAD
            # A younger entry may have the same field or the same name.
            if self._fields[field] == number:
                del self._fields[field]
            if self._names[name] == number:
                del self._names[name]
