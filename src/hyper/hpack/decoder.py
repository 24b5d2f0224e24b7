"""Field blocks into fields (RFC 7541 §3, §6).

A response's block is often the very octets of the one before, so whole blocks are remembered
while the dynamic table stands still, and Huffman-coded strings for longer. Everything that a
peer could make large is counted before it is made.
"""

from __future__ import annotations

from typing import Final

from .exceptions import HPACKError, HPACKLimitError
from .huffman import decoded
from .table import ENTRY_OVERHEAD, FIRST_DYNAMIC, STATIC_TABLE, Field

__all__ = ["Decoder", "integer", "size_updates", "too_much", "truncated"]

#: Octets of one integer, its prefix included: values up to 2**28, far above any size or index
#: that we accept, and no integer without an end (RFC 7541 §5.1).
MAX_INTEGER_OCTETS: Final = 5

#: Dynamic table size updates at the start of one block. An encoder needs two at most: the
#: smallest size since the last block and the final one (RFC 7541 §4.2).
MAX_SIZE_UPDATES: Final = 2

#: Blocks one decoder remembers, and the octets of the longest. Real ones have under 300.
MAX_BLOCKS: Final = 64
MAX_BLOCK_LENGTH: Final = 512

# An entry of the table and what it counts (§4.1).
_Entry = tuple[Field, int]

# Indices start at 1.
_STATIC: Final[list[_Entry]] = [
    ((name, value), len(name) + len(value) + ENTRY_OVERHEAD)
    for name, value in ((b"", b""), *STATIC_TABLE)
]


class Decoder:
    """The decoder of one direction of one connection (RFC 7541 §2.2).

    max_table_size  what we announced as SETTINGS_HEADER_TABLE_SIZE, once it is acknowledged;
                    the peer's encoder may use less. The argument is the size both sides start
                    with, 4096 in HTTP/2. After it has been set below the size in use, the next
                    block must start with a size update (§4.2)
    max_list_size   octets of one decoded list, each field counted with 32 more (RFC 9113 §6.5.2)
    max_fields      fields of one decoded list
    generation      a number that changes with the table and with ``max_table_size``; while it
                    stands still, equal blocks decode to equal lists, without any effect

    Raises HPACKError for a block that is not HPACK, and HPACKLimitError for a list beyond a
    limit. After either the decoder is out of step with the peer and decodes nothing more.
    """

    __slots__ = (
        "_blocks",
        "_capacity",
        "_max_fields",
        "_max_list_size",
        "_max_table_size",
        "_required",
        "_size",
        "_table",
        "generation",
    )

    def __init__(
        self,
        *,
        max_table_size: int = 4096,
        max_list_size: int = 65536,
        max_fields: int = 1000,
    ) -> None:
        self.generation = 0
        self._max_list_size = max_list_size
        self._max_fields = max_fields
        self._max_table_size = max_table_size
        # The static table, then the dynamic one, newest entry first: a list index is an HPACK
        # index (§2.3.3).
        self._table = _STATIC.copy()
        self._size = 0
        self._capacity = max_table_size
        # The size that the update which must come next may announce at most; None if none must,
        # -1 after a failure: nothing satisfies that.
        self._required: int | None = None
        self._blocks: dict[bytes, list[Field]] = {}

    @property
    def max_table_size(self) -> int:
        return self._max_table_size

    @max_table_size.setter
    def max_table_size(self, size: int) -> None:
        self._max_table_size = size
        if size < self._capacity and (self._required is None or size < self._required):
            self._required = size
            # A remembered block does not start with the update that has to come.
            self._changed()

    @property
    def table(self) -> list[Field]:
        """What the dynamic table holds just now, newest first, as a new list."""
        return [field for field, _ in self._table[FIRST_DYNAMIC:]]

    @property
    def table_size(self) -> int:
        """Octets in the dynamic table, each entry counted with 32 more (§4.1)."""
        return self._size

    def decode(self, block: bytes) -> list[Field]:
        """The fields of one whole field block, in its order.

        The list and its tuples are shared with caches: read them, never change them.
        """
        known = self._blocks.get(block)
        if known is not None:
            return known

        fields: list[Field] = []
        table = self._table
        inserted = False
        max_fields = self._max_fields
        left = self._max_list_size
        end = len(block)
        # Every field takes an octet of the block, so short blocks need no counting.
        counting = end > max_fields
        index = at = start = 0
        try:
            if self._required is not None:
                at = start = self._size_updates(block)
            used = self._size
            capacity = self._capacity
            while at < end:
                octet = block[at]
                at += 1
                if octet > 0x80:  # indexed field (§6.1)
                    index = octet & 0x7F
                    if index == 0x7F:
                        index, at = integer(block, at, 0x7F)
                    field, size = table[index]
                    left -= size
                    if left < 0 or (counting and len(fields) == max_fields):
                        raise too_much(self._max_list_size, self._max_fields, fields)
                    fields.append(field)
                    continue

                # Literals (§6.2) differ in the bits left for the name's index.
                if octet < 0x20:
                    index = octet & 0x0F
                    if index == 0x0F:
                        index, at = integer(block, at, 0x0F)
                elif octet >= 0x40:
                    index = octet & 0x3F
                    if index == 0x3F:
                        index, at = integer(block, at, 0x3F)
                else:
                    if at > 1:
                        raise HPACKError(
                            "a dynamic table size update follows a field or two other updates "
                            "(RFC 7541 §4.2)"
                        )
                    at = start = self._size_updates(block)
                    used = self._size
                    capacity = self._capacity
                    continue
                if index:
                    name = table[index][0][0]
                elif octet == 0x80:
                    raise HPACKError("an indexed field has index 0 (RFC 7541 §6.1)")
                else:
                    name, at = self._string(block, at, left, fields)

                length = block[at]
                if length < 0x7F:
                    begin = at + 1
                    at += length + 1
                    value = block[begin:at]
                elif 0x7F < length < 0xFF:
                    begin = at + 1
                    at += length - 0x7F
                    value = decoded[block[begin:at]]
                else:
                    value, at = self._string(block, at, left, fields)

                size = len(name) + len(value) + ENTRY_OVERHEAD
                left -= size
                if left < 0 or (counting and len(fields) == max_fields):
                    raise too_much(self._max_list_size, self._max_fields, fields)
                field = (name, value)
                fields.append(field)
                if octet >= 0x40:
                    # Inserted and then cut to size: the same as making room first, also when
                    # the entry is larger than the whole table (§4.4).
                    table.insert(FIRST_DYNAMIC, (field, size))
                    used += size
                    while used > capacity:
                        used -= table.pop()[1]
                    inserted = True
            # A slice beyond the end is short and no error, so one test at the end will do.
            if at > end:
                raise truncated(end)
        except IndexError:
            self._fail()
            if index < len(table):
                raise truncated(end) from None
            raise HPACKError(
                f"index {index} is beyond the tables' {len(table) - 1} entries (RFC 7541 §2.3.3)"
            ) from None
        except BaseException:
            # Also an interrupt: half a block's insertions are as wrong as a bad block's.
            self._fail()
            raise

        if inserted:
            self._size = used
            self._changed()
        elif end <= MAX_BLOCK_LENGTH and not start:
            if len(self._blocks) >= MAX_BLOCKS:
                self._blocks.clear()
            self._blocks[block] = fields
        return fields

    def _size_updates(self, block: bytes) -> int:
        """Obey the size updates that ``block`` starts with; return where its fields start."""
        sizes, at = size_updates(block, self._max_table_size, self._required)
        self._required = None
        for size in sizes:
            self._capacity = size
            while self._size > size:
                self._size -= self._table.pop()[1]
        self._changed()
        return at

    def _string(self, block: bytes, at: int, left: int, fields: list[Field]) -> tuple[bytes, int]:
        """A string literal of any length, and what comes after it (§5.2)."""
        octet = block[at]
        at += 1
        length = octet & 0x7F
        if length == 0x7F:
            length, at = integer(block, at, 0x7F)
        # A Huffman code that is longer than its text is legal, but nobody sends it: it is
        # held against the limit as it stands, before it is decoded.
        if length > left:
            raise too_much(self._max_list_size, self._max_fields, fields)
        text = block[at : at + length]
        if octet & 0x80:
            text = decoded[text]
        return text, at + length

    def _changed(self) -> None:
        self.generation += 1
        self._blocks.clear()

    def _fail(self) -> None:
        self._required = -1
        self._changed()


def size_updates(block: bytes, max_table_size: int, required: int | None) -> tuple[list[int], int]:
    """The size updates that ``block`` starts with, and where its fields start (§4.2, §6.3).

    ``required`` is the most that an update which has to come may announce; None if none has to,
    -1 if the decoder has failed.
    """
    if required == -1:
        raise HPACKError(
            "an earlier field block could not be decoded, so nothing after it can "
            "(RFC 7541 §2.2); close the connection"
        )
    at = 0
    sizes: list[int] = []
    while block[at : at + 1] and 0x20 <= block[at] < 0x40 and len(sizes) < MAX_SIZE_UPDATES:
        size = block[at] & 0x1F
        at += 1
        if size == 0x1F:
            size, at = integer(block, at, 0x1F)
        limit = max_table_size if required is None else required
        if size > limit:
            raise HPACKError(
                f"a dynamic table size update to {size} is above the limit of {limit} "
                "(RFC 7541 §6.3)"
            )
        required = None
        sizes.append(size)
    if required is not None:
        raise HPACKError(
            f"a field block does not start with the size update that a limit of "
            f"{required} demands (RFC 7541 §4.2)"
        )
    return sizes, at


def integer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """The rest of an integer whose prefix was all ones, ``value``, and what is after it (§5.1)."""
    try:
        for shift in range(0, 7 * (MAX_INTEGER_OCTETS - 1), 7):
            octet = block[at]
            at += 1
            value += (octet & 0x7F) << shift
            if octet < 0x80:
                return value, at
    except IndexError:
        raise truncated(len(block)) from None
    raise HPACKError(f"an integer takes more than {MAX_INTEGER_OCTETS} octets (RFC 7541 §5.1)")


def too_much(max_list_size: int, max_fields: int, fields: list[Field]) -> HPACKLimitError:
    return HPACKLimitError(
        f"a field list goes beyond {max_list_size} octets or {max_fields} fields, "
        f"after {len(fields)} fields; the limits are ours (RFC 9113 §10.5.1)"
    )


def truncated(size: int) -> HPACKError:
    return HPACKError(f"a field block of {size} octets ends within a field (RFC 7541 §6)")
