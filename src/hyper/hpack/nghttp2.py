"""The same two classes over nghttp2's HPACK, through the system's libnghttp2 by ctypes.

For those who want the reference implementation's very octets, or a first message that costs
less; ``docs/guides/hpack-backends.md`` has the figures. Limits, errors and what ``generation``
promises are as in ``encoder`` and ``decoder``.

Importing this loads nothing; the library is looked for when the first object is made. It is
called without giving up the interpreter's lock: a call takes about a microsecond, and to get the
lock back from a busy thread takes thousands.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Container, Iterable
from contextlib import suppress
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ssize_t, c_uint8, c_void_p
from functools import cache
from importlib import import_module
from typing import Any, Final

from .decoder import integer, size_updates, too_much, truncated
from .encoder import MAX_TABLE_SIZE, SECRETS, SECRETS_WHEN_SHORT, SHORT, size_update
from .exceptions import HPACKError
from .table import ENTRY_OVERHEAD, FIRST_DYNAMIC, Field

__all__ = ["Decoder", "Encoder", "library"]

#: Octets of one encoded string that libnghttp2 takes; our own limit is for the list together.
MAX_STRING: Final = 65536

#: Octets that an encoder keeps at hand to write blocks into; longer ones get their own.
BUFFER_SIZE: Final = 4096

# By what names the version with these functions (ABI 14, of 2015) goes.
_NAMES: Final = {
    "darwin": ("libnghttp2.14.dylib", "libnghttp2.dylib"),
    "win32": ("nghttp2.dll", "libnghttp2-14.dll", "libnghttp2.dll"),
}.get(sys.platform, ("libnghttp2.so.14",))

_NO_INDEX: Final = 1  # NGHTTP2_NV_FLAG_NO_INDEX
_EMIT: Final = 2  # NGHTTP2_HD_INFLATE_EMIT

# PyPy may have only the other kind; there it makes no difference.
_Library: Final = getattr(ctypes, "PyDLL", ctypes.CDLL)


class _Sent(ctypes.Structure):
    """``nghttp2_nv`` on the way in: ctypes keeps the octets alive and passes where they are."""

    _fields_ = (
        ("name", c_char_p),
        ("value", c_char_p),
        ("name_length", c_size_t),
        ("value_length", c_size_t),
        ("flags", c_uint8),
    )


class _Found(ctypes.Structure):
    """``nghttp2_nv`` on the way out: addresses that are good until the next call."""

    _fields_ = (
        ("name", c_void_p),
        ("value", c_void_p),
        ("name_length", c_size_t),
        ("value_length", c_size_t),
        ("flags", c_uint8),
    )

    def field(self) -> Field:
        return (
            ctypes.string_at(self.name, self.name_length),
            ctypes.string_at(self.value, self.value_length),
        )


_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "deflate_new": (c_int, (POINTER(c_void_p), c_size_t)),
    "deflate_del": (None, (c_void_p,)),
    "deflate_change_table_size": (c_int, (c_void_p, c_size_t)),
    "deflate_bound": (c_size_t, (c_void_p, POINTER(_Sent), c_size_t)),
    "deflate_hd": (c_ssize_t, (c_void_p, c_void_p, c_size_t, POINTER(_Sent), c_size_t)),
    "deflate_get_num_table_entries": (c_size_t, (c_void_p,)),
    "deflate_get_table_entry": (POINTER(_Found), (c_void_p, c_size_t)),
    "deflate_get_dynamic_table_size": (c_size_t, (c_void_p,)),
    "inflate_new": (c_int, (POINTER(c_void_p),)),
    "inflate_del": (None, (c_void_p,)),
    "inflate_change_table_size": (c_int, (c_void_p, c_size_t)),
    "inflate_hd2": (
        c_ssize_t,
        (c_void_p, POINTER(_Found), POINTER(c_int), c_void_p, c_size_t, c_int),
    ),
    "inflate_end_headers": (c_int, (c_void_p,)),
    "inflate_get_num_table_entries": (c_size_t, (c_void_p,)),
    "inflate_get_table_entry": (POINTER(_Found), (c_void_p, c_size_t)),
    "inflate_get_dynamic_table_size": (c_size_t, (c_void_p,)),
    "inflate_get_max_dynamic_table_size": (c_size_t, (c_void_p,)),
}


@cache
def library() -> Any:
    """libnghttp2 with the types of the functions that are used here.

    Found by its name, or as what the Python binding is linked with. Raises ImportError, naming
    the remedies, when there is none.
    """
    tried = []
    for name in _places():
        try:
            found = _Library(name)
            for function, (result, arguments) in _SIGNATURES.items():
                entry = getattr(found, f"nghttp2_hd_{function}")
                entry.restype = result
                entry.argtypes = arguments
        except (OSError, AttributeError) as error:
            tried.append(f"{name}: {error}")
        else:
            return found
    raise ImportError(
        f"there is no libnghttp2 that could be used ({'; '.join(tried)}); install it "
        "(libnghttp2-14, libnghttp2, nghttp2-libs: whatever the system calls it), or choose the "
        "'python' HPACK"
    )


def _places() -> Iterable[str]:
    yield from _NAMES
    # Symbols are looked for in what a module is linked with as well.
    with suppress(ImportError):
        yield getattr(import_module("nghttp2"), "__file__", None) or "the package nghttp2"
    elsewhere = ctypes.util.find_library("nghttp2")
    if elsewhere is not None:
        yield elsewhere


class _Handle:
    """Something that libnghttp2 made, freed with this object.

    Two threads in one of these at the same time would be in each other's memory. So whoever
    works with it takes it out of a list, which is one step, and who comes meanwhile finds none.
    """

    __slots__ = ("_free", "pointer")

    def __init__(self, kind: str, *arguments: int) -> None:
        self.pointer = c_void_p()
        lib = library()
        self._free = getattr(lib, f"nghttp2_hd_{kind}_del")
        if getattr(lib, f"nghttp2_hd_{kind}_new")(byref(self.pointer), *arguments):
            raise MemoryError("libnghttp2 has no memory for another HPACK context")

    def __del__(self) -> None:
        if self.pointer.value is not None:
            self._free(self.pointer)


def _taken(idle: list[_Handle]) -> _Handle:
    try:
        return idle.pop()
    except IndexError:
        raise RuntimeError(
            "two threads use one HPACK object at the same time; blocks have an order, so their "
            "calls need a lock around them (RFC 7541 §2.2)"
        ) from None


class Encoder:
    """As ``hyper.hpack.Encoder``: the same arguments, limits and promises, nghttp2's octets.

    What nghttp2 itself would index is up to it; what must not be guessed from sizes is never
    indexed here either. Made for one thread at a time: RuntimeError where calls overlap.
    """

    __slots__ = ("_buffer", "_capacity", "_idle")

    def __init__(self) -> None:
        self._capacity = MAX_TABLE_SIZE
        self._buffer = ctypes.create_string_buffer(BUFFER_SIZE)
        self._idle = [_Handle("deflate", MAX_TABLE_SIZE)]

    @property
    def table(self) -> list[Field]:
        """What the dynamic table holds just now, newest first, as a new list."""
        return _table("deflate", self._idle)

    @property
    def table_size(self) -> int:
        """Octets in the dynamic table, each entry counted with 32 more (RFC 7541 §4.1)."""
        return _table_size("deflate", self._idle)

    def encode(
        self, fields: Iterable[tuple[bytes, bytes]], never_index: Container[bytes] = ()
    ) -> bytes:
        """The field block for ``fields``, in their order.

        ``never_index`` holds the names of further fields that no hop may put into a table.
        The block has to reach the peer: the next one builds on it. After an exception no block
        has to.
        """
        entries = [
            _Sent(
                name,
                value,
                len(name),
                len(value),
                _NO_INDEX
                if name in SECRETS
                or (name in SECRETS_WHEN_SHORT and len(value) < SHORT)
                or name in never_index
                else 0,
            )
            for name, value in fields
        ]
        count = len(entries)
        sent = (_Sent * count)(*entries)
        lib = library()
        handle = _taken(self._idle)
        try:
            deflater = handle.pointer
            buffer = self._buffer
            room = lib.nghttp2_hd_deflate_bound(deflater, sent, count)
            if room > BUFFER_SIZE:
                buffer = ctypes.create_string_buffer(room)
            size = lib.nghttp2_hd_deflate_hd(deflater, buffer, room, sent, count)
            if size < 0:
                raise MemoryError(f"libnghttp2 could not encode {count} fields: error {size}")
            return ctypes.string_at(buffer, size)
        except BaseException:
            # The peer will not see what went into the table, so both start with an empty one.
            handle = _Handle("deflate", MAX_TABLE_SIZE)
            for capacity in 0, self._capacity:
                lib.nghttp2_hd_deflate_change_table_size(handle.pointer, capacity)
            raise
        finally:
            self._idle.append(handle)

    def resize(self, size: int) -> None:
        """Take over the peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so (§4.2)."""
        size = min(size, MAX_TABLE_SIZE)
        if size == self._capacity:
            return
        handle = _taken(self._idle)
        try:
            library().nghttp2_hd_deflate_change_table_size(handle.pointer, size)
            self._capacity = size
        finally:
            self._idle.append(handle)


class Decoder:
    """As ``hyper.hpack.Decoder``: the same arguments, limits, errors and ``generation``.

    A single string of more than 65,536 encoded octets is HPACKLimitError whatever
    ``max_list_size`` says, since libnghttp2 takes none. Made for one thread at a time:
    RuntimeError where calls overlap.
    """

    __slots__ = (
        "_flags",
        "_found",
        "_idle",
        "_max_fields",
        "_max_list_size",
        "_max_table_size",
        "_outputs",
        "_required",
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
        # As in our own: the most that the update which must come next may announce; -1 after a
        # failure.
        self._required: int | None = None
        self._found = _Found()
        self._flags = c_int()
        self._outputs = byref(self._found), byref(self._flags)
        handle = _Handle("inflate")
        self._idle = [handle]
        if max_table_size != MAX_TABLE_SIZE:
            # It starts with 4096, and takes another size only from the wire.
            library().nghttp2_hd_inflate_change_table_size(handle.pointer, max_table_size)
            self._inflate(handle, size_update(max_table_size))

    @property
    def max_table_size(self) -> int:
        return self._max_table_size

    @max_table_size.setter
    def max_table_size(self, size: int) -> None:
        self._max_table_size = size
        handle = _taken(self._idle)
        try:
            lib = library()
            capacity = lib.nghttp2_hd_inflate_get_max_dynamic_table_size(handle.pointer)
            if size < capacity and (self._required is None or size < self._required):
                self._required = size
                self.generation += 1
            lib.nghttp2_hd_inflate_change_table_size(handle.pointer, size)
        finally:
            self._idle.append(handle)

    @property
    def table(self) -> list[Field]:
        """What the dynamic table holds just now, newest first, as a new list."""
        return _table("inflate", self._idle)

    @property
    def table_size(self) -> int:
        """Octets in the dynamic table, each entry counted with 32 more (RFC 7541 §4.1)."""
        return _table_size("inflate", self._idle)

    def decode(self, block: bytes) -> list[Field]:
        """The fields of one whole field block, in its order."""
        handle = _taken(self._idle)
        try:
            return self._fields(handle, block)
        except BaseException:
            # Also an interrupt: half a block's insertions are as wrong as a bad block's.
            self._required = -1
            self.generation += 1
            raise
        finally:
            self._idle.append(handle)

    def _fields(self, handle: _Handle, block: bytes) -> list[Field]:
        sizes, at = size_updates(block, self._max_table_size, self._required)
        self._required = None
        if sizes:
            self._inflate(handle, block[:at])
            self.generation += 1

        fields: list[Field] = []
        found, flags = self._found, self._flags
        inflate = library().nghttp2_hd_inflate_hd2
        inflater = handle.pointer
        max_fields = self._max_fields
        left = self._max_list_size
        inserted = False
        end = len(block)
        address = ctypes.cast(c_char_p(block), c_void_p).value or 0
        while at < end:
            octet = block[at]
            if 0x20 <= octet < 0x40:
                raise HPACKError(
                    "a dynamic table size update follows a field or two other updates "
                    "(RFC 7541 §4.2)"
                )
            taken = inflate(inflater, *self._outputs, address + at, end - at, 1)
            if taken < 0 or not flags.value & _EMIT:
                raise self._why(handle, block, at, left, fields)
            left -= found.name_length + found.value_length + ENTRY_OVERHEAD
            if left < 0 or len(fields) == max_fields:
                raise too_much(self._max_list_size, self._max_fields, fields)
            fields.append(found.field())
            if 0x40 <= octet < 0x80:
                inserted = True
            at += taken
        library().nghttp2_hd_inflate_end_headers(inflater)
        if inserted:
            self.generation += 1
        return fields

    def _inflate(self, handle: _Handle, updates: bytes) -> None:
        """Feed size updates, known to be right, and nothing else."""
        lib = library()
        lib.nghttp2_hd_inflate_hd2(handle.pointer, *self._outputs, updates, len(updates), 1)
        lib.nghttp2_hd_inflate_end_headers(handle.pointer)

    def _why(
        self, handle: _Handle, block: bytes, at: int, left: int, fields: list[Field]
    ) -> HPACKError:
        """The error for a field that libnghttp2 refused; it says only that it did (§6)."""
        start, octet = at, block[at]
        mask = 0x7F if octet >= 0x80 else 0x3F if octet >= 0x40 else 0x0F
        index = octet & mask
        at += 1
        try:
            if index == mask:
                index, at = integer(block, at, mask)
            last = library().nghttp2_hd_inflate_get_num_table_entries(handle.pointer)
            if index > last:
                return HPACKError(
                    f"index {index} is beyond the tables' {last} entries (RFC 7541 §2.3.3)"
                )
            # A string without end is a limit and no mistake.
            for _ in range(0 if octet >= 0x80 else 1 if index else 2):
                length = block[at] & 0x7F
                at += 1
                if length == 0x7F:
                    length, at = integer(block, at, 0x7F)
                if length > min(left, MAX_STRING):
                    return too_much(self._max_list_size, self._max_fields, fields)
                at += length
        except HPACKError as error:
            return error
        except IndexError:
            return truncated(len(block))
        if at > len(block):
            return truncated(len(block))
        return HPACKError(
            f"libnghttp2 cannot decode the field at octet {start} of a block of {len(block)}: "
            "index 0, or a string that is no Huffman code (RFC 7541 §6.1, §5.2)"
        )


def _table(kind: str, idle: list[_Handle]) -> list[Field]:
    lib = library()
    handle = _taken(idle)
    try:
        last = getattr(lib, f"nghttp2_hd_{kind}_get_num_table_entries")(handle.pointer)
        entry = getattr(lib, f"nghttp2_hd_{kind}_get_table_entry")
        return [
            entry(handle.pointer, index).contents.field()
            for index in range(FIRST_DYNAMIC, last + 1)
        ]
    finally:
        idle.append(handle)


def _table_size(kind: str, idle: list[_Handle]) -> int:
    handle = _taken(idle)
    try:
        get = getattr(library(), f"nghttp2_hd_{kind}_get_dynamic_table_size")
        size: int = get(handle.pointer)
        return size
    finally:
        idle.append(handle)
