"""Fields into field blocks (RFC 7541 §6).

What a field looks like on the wire stays the same until the dynamic table changes, so each
field is worked out once and then looked up, and so are whole requests, and what stands before
and after a path. That is why fields are inserted with care: every insertion moves every index.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from .huffman import encode as huffman_encode
from .table import ENTRY_OVERHEAD, STATIC_FIELDS, STATIC_NAMES, EncoderTable, Field

__all__ = ["Encoder", "size_update"]

#: Octets our encoder gives its dynamic table at most, however much the peer offers. It is the
#: protocol's default; more would cost the peer memory and win little for one client's requests.
MAX_TABLE_SIZE: Final = 4096

#: Octets of encodings that one encoder remembers, each counted with MEMO_OVERHEAD more. The
#: fields themselves are at most 1.6 times as long. A caller with ever new fields makes it start
#: afresh, not grow.
MEMO_SIZE: Final = 65536
MEMO_OVERHEAD: Final = 128

#: Where clients put ``:path``, the one field that changes: when a request is not like an earlier
#: one, what stands before the path and what stands after it is looked up in one go each. In any
#: other order the encoder is as right, and slower.
PATH: Final = 3

#: Runs of fields that one encoder remembers; of each at most the fields, and the octets encoded.
MAX_GROUPS: Final = 64
MAX_GROUP_FIELDS: Final = 64
MAX_GROUP_LENGTH: Final = 2048

#: A value that differs from message to message is Huffman-coded from so many octets on. The
#: code of a shorter one saves six octets at most, for a microsecond at every message: on the
#: requests of public traces 2 % of all octets.
MIN_UNIQUE_HUFFMAN: Final = 32

#: How many fields it remembers to have seen once.
MAX_SEEN: Final = 1024

#: Values of a common name in a row that may enter the table at once and never be used there. A
#: cookie that counts visits would move all indices with each request: two thirds of what a
#: request with twenty fields costs the encoder.
MAX_TRIES: Final = 2

# The first octets of the representations (§6), and how much index fits beside each.
_INDEXED: Final = 0x80  # §6.1
_INSERTED: Final = 0x40  # §6.2.1
_NOT_INDEXED: Final = 0x00  # §6.2.2
_NEVER_INDEXED: Final = 0x10  # §6.2.3
_SIZE_UPDATE: Final = 0x20  # §6.3
_HUFFMAN: Final = 0x80  # §5.2

_INDEXED_MASK: Final = 0x7F
_INSERTED_MASK: Final = 0x3F
_LITERAL_MASK: Final = 0x0F
_SIZE_UPDATE_MASK: Final = 0x1F
_STRING_MASK: Final = 0x7F

# Whoever can make us send fields beside a secret one in the table learns from the sizes whether
# a guess was right (§7.1). Cookies count when they are short enough to be guessed.
SECRETS: Final = frozenset((b"authorization", b"proxy-authorization"))
SECRETS_WHEN_SHORT: Final = frozenset((b"cookie", b"set-cookie"))
SHORT: Final = 20

# What comes again as a rule, so it enters the table at once, until its values have not come again
# MAX_TRIES times. Any other field whose name is in a table already enters on second sight: an id
# of each request's own would move all indices.
_COMMON: Final = frozenset(
    (
        b":authority",
        b":method",
        b":scheme",
        b":status",
        b"accept",
        b"accept-charset",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"content-encoding",
        b"content-type",
        b"cookie",
        b"date",
        b"origin",
        b"referer",
        b"server",
        b"te",
        b"user-agent",
    )
)


class Encoder:
    """The encoder of one direction of one connection (RFC 7541 §2.2).

    Fields that must not be guessed from sizes (``authorization``, ``proxy-authorization``,
    cookies under 20 octets, and what the caller names) are never put into a table, here or by
    an intermediary (§7.1.3). The table has at most 4096 octets and the memory for encodings is
    bounded, whatever it is fed.
    """

    __slots__ = ("_announced", "_encodings", "_groups", "_secrets", "_smallest", "_table")

    def __init__(self) -> None:
        self._table = EncoderTable(MAX_TABLE_SIZE)
        # Runs of fields and their encodings, while nothing moves.
        self._groups: dict[tuple[Field, ...], bytes] = {}
        self._encodings = _Encodings(self._table, self._groups)
        self._secrets = _Secrets()
        # The size that the peer was told last, and the smallest that was set since the last
        # block; None if none was.
        self._announced = MAX_TABLE_SIZE
        self._smallest: int | None = None

    @property
    def table(self) -> list[Field]:
        """What the dynamic table holds just now, newest first, as a new list."""
        return self._table.fields()

    @property
    def table_size(self) -> int:
        """Octets in the dynamic table, each entry counted with 32 more (§4.1)."""
        return self._table.size

    def encode(
        self, fields: Iterable[tuple[bytes, bytes]], never_index: Container[bytes] = ()
    ) -> bytes:
        """The field block for ``fields``, in their order.

        ``never_index`` holds the names of further fields that no hop may put into a table.
        The block has to reach the peer: the next one builds on it. After an exception no block
        has to.
        """
        encodings = self._encodings
        latest = encodings.latest
        if latest is not None and latest[0] is fields and never_index == ():
            # The very same object needs no hashing, which is the half of a look into _groups.
            return latest[1]
        fields = tuple(fields)
        try:
            if self._smallest is not None:
                return self._size_updates() + self.encode(fields, never_index)
            if never_index != ():
                secrets = self._secrets
                return b"".join(
                    [(secrets if f[0] in never_index else encodings)[f] for f in fields]
                )

            groups = self._groups
            block = groups.get(fields)
            if block is not None:
                encodings.latest = (fields, block)
                return block
            if len(fields) <= PATH:
                return self._group(fields)
            path = fields[PATH]
            known = groups.get(fields[:PATH])
            before = self._group(fields[:PATH]) if known is None else known
            encoding = encodings.get(path)
            if encoding is None:
                encoding = encodings.work_out(path)
            elif known is not None:
                # The path came before, so the whole request may come again.
                return self._group(fields)
            known = groups.get(fields[PATH + 1 :])
            after = self._group(fields[PATH + 1 :]) if known is None else known
            return before + encoding + after
        except BaseException:
            # The peer will not see what went into the table, so both start with an empty one.
            self._start_afresh()
            raise

    def _group(self, fields: tuple[Field, ...]) -> bytes:
        """The encodings of ``fields``, remembered if they will be the same again."""
        encodings = self._encodings
        groups = self._groups
        passing = encodings.passing
        block = b"".join(map(encodings.__getitem__, fields))
        if (
            encodings.passing == passing
            and len(fields) <= MAX_GROUP_FIELDS
            and len(block) <= MAX_GROUP_LENGTH
        ):
            if len(groups) >= MAX_GROUPS:
                groups.clear()
            groups[fields] = block
        return block

    def resize(self, size: int) -> None:
        """Take over the peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so (§4.2)."""
        size = min(size, MAX_TABLE_SIZE)
        table = self._table
        if size < table.capacity:
            self._encodings.forget()
        table.resize(size)
        self._encodings.latest = None
        if self._smallest is not None:
            size = min(size, self._smallest)
        self._smallest = size

    def _size_updates(self) -> bytes:
        """At most two dynamic table size updates, the smallest first (§4.2, §6.3)."""
        smallest, self._smallest = self._smallest, None
        capacity = self._table.capacity
        updates = b""
        if smallest is not None and smallest < min(capacity, self._announced):
            updates = size_update(smallest)
            self._announced = smallest
        if capacity != self._announced:
            updates += size_update(capacity)
            self._announced = capacity
        return updates

    def _start_afresh(self) -> None:
        """Empty the table here, and in the next block the peer's."""
        capacity = self._table.capacity
        self._table.clear()
        self.resize(0)
        self.resize(capacity)
        self._encodings.forget()
        # No size at all: an update that was in the lost block has to come again.
        self._announced = MAX_TABLE_SIZE + 1


class _Memo(dict[Field, bytes]):
    """Fields and their encodings, bounded in entries and in octets."""

    __slots__ = ("_room",)

    def __init__(self) -> None:
        super().__init__()
        self._room = MEMO_SIZE

    def forget(self) -> None:
        self.clear()
        self._room = MEMO_SIZE

    def _keep(self, field: Field, encoding: bytes) -> bytes:
        cost = len(encoding) + MEMO_OVERHEAD
        self._room -= cost
        if self._room < 0:
            self.forget()
            if cost > MEMO_SIZE:
                return encoding
            self._room -= cost
        self[field] = encoding
        return encoding


class _Secrets(_Memo):
    """Fields as literals that are never indexed (§6.2.3).

    Their names are given by the static table or in full, so an encoding never grows old.
    """

    __slots__ = ()

    def __missing__(self, field: Field) -> bytes:
        name, value = field
        index = STATIC_NAMES.get(name, 0)
        return self._keep(field, _literal(_NEVER_INDEXED, _LITERAL_MASK, index, name, value))


class _Encodings(_Memo):
    """Fields as the wire has them just now; a missing one is worked out, and maybe inserted.

    latest    the fields encoded last that come again, and their block; None when that is wrong
    passing   counts the encodings that are right only this once: of fields that were inserted,
              or not yet
    _moving   the remembered fields whose encoding holds a dynamic index: the next insertion
              makes them wrong
    _seen     hashes of fields that came by once
    _tries    of each common name, the field that entered last, and how many in a row before it
              were not used again
    """

    __slots__ = ("_groups", "_moving", "_seen", "_table", "_tries", "latest", "passing")

    def __init__(self, table: EncoderTable, groups: dict[tuple[Field, ...], bytes]) -> None:
        super().__init__()
        self._table = table
        self._groups = groups
        self._moving: list[Field] = []
        self._seen: set[int] = set()
        self._tries: dict[bytes, tuple[Field, int]] = {}
        self.passing = 0
        self.latest: tuple[tuple[Field, ...], bytes] | None = None

    def forget(self) -> None:
        super().forget()
        self._moving.clear()
        self._groups.clear()
        self.latest = None

    def __missing__(self, field: Field) -> bytes:
        return self.work_out(field)

    def work_out(self, field: Field) -> bytes:
        """The encoding of a field that is not remembered."""
        index = STATIC_FIELDS.get(field)
        if index is not None:
            return self._keep(field, _integer(index, _INDEXED_MASK, _INDEXED))
        name, value = field
        prefix = _UNIQUE.get(name)
        if prefix is not None:
            size = len(value)
            string = _LENGTHS[size] + value if size < MIN_UNIQUE_HUFFMAN else _string(value)
            return self._keep(field, prefix + string)
        if name in SECRETS or (name in SECRETS_WHEN_SHORT and len(value) < SHORT):
            index = STATIC_NAMES[name]
            return self._keep(field, _literal(_NEVER_INDEXED, _LITERAL_MASK, index, name, value))

        table = self._table
        index = table.field_index(field)
        if index:
            encoding = self._keep(field, _integer(index, _INDEXED_MASK, _INDEXED))
            self._moving.append(field)
            return encoding

        index = STATIC_NAMES.get(name, 0)
        if len(name) + len(value) + ENTRY_OVERHEAD > table.capacity >> 1:
            # Without a dynamic name, which is little beside such a value, it may be kept.
            return self._keep(field, _literal(_NOT_INDEXED, _LITERAL_MASK, index, name, value))

        index = index or table.name_index(name)
        self.passing += 1
        # A new name goes in at once: its next value can then refer to it.
        if index and not (name in _COMMON and self._comes_again(field)):
            mark = hash(field)
            seen = self._seen
            if mark not in seen:
                if len(seen) >= MAX_SEEN:
                    seen.clear()
                seen.add(mark)
                return _literal(_NOT_INDEXED, _LITERAL_MASK, index, name, value)

        table.insert(field)
        self._groups.clear()
        self.latest = None
        for moved in self._moving:
            del self[moved]
        self._moving.clear()
        return _literal(_INSERTED, _INSERTED_MASK, index, name, value)

    def _comes_again(self, field: Field) -> bool:
        """Whether a new value of a common name is likely to be used again."""
        name = field[0]
        latest, idle = self._tries.get(name, (None, 0))
        if latest is not None:
            # Only what was looked up since it entered is remembered here.
            idle = 0 if latest in self else idle + 1
            if idle > MAX_TRIES:
                return False
        self._tries[name] = (field, idle)
        return True


def size_update(size: int) -> bytes:
    """A dynamic table size update (§6.3)."""
    return _integer(size, _SIZE_UPDATE_MASK, _SIZE_UPDATE)


def _literal(kind: int, mask: int, index: int, name: bytes, value: bytes) -> bytes:
    """A literal representation; ``index`` is its name's, 0 if the name is spelt out (§6.2)."""
    if index:
        return _integer(index, mask, kind) + _string(value)
    return bytes((kind,)) + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    """A string literal, Huffman-coded where that is shorter (§5.2)."""
    coded = huffman_encode(text)
    if len(coded) < len(text):
        return _integer(len(coded), _STRING_MASK, _HUFFMAN) + coded
    return _integer(len(text), _STRING_MASK, 0) + text


def _integer(value: int, mask: int, kind: int) -> bytes:
    """An integer behind the bits of ``kind``; ``mask`` is the greatest that fits (§5.1)."""
    if value < mask:
        return bytes((kind | value,))
    octets = [kind | mask]
    value -= mask
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


# Values that differ from message to message would push out what comes again. With each name, how
# its literal begins.
_UNIQUE: Final = {
    name: _integer(STATIC_NAMES[name], _LITERAL_MASK, _NOT_INDEXED)
    for name in (
        b":path",
        b"age",
        b"content-length",
        b"content-range",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
    )
}

# The lengths of short strings that are not Huffman-coded.
_LENGTHS: Final = [bytes((size,)) for size in range(_STRING_MASK)]
