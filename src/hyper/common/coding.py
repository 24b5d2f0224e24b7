"""Content codings: what ``content-encoding`` names, taken off again (RFC 9110 §8.4).

gzip (RFC 1952, also ``x-gzip``; any number of members) and deflate (RFC 1950, and the bare
RFC 1951 that some servers send) always; br (RFC 7932) where ``brotli`` 1.2 or ``brotlicffi``
can be imported, zstd (RFC 8878) where ``compression.zstd`` or ``backports.zstd`` can.

A kilobyte of these may stand for a gigabyte, so nothing here produces more than it was asked
for: what is not yet decoded stays encoded, in every coding of a chain.

What may follow the end of the coded data: after gzip, another member, and anything that does
not begin like one is padding and ignored, as gzip itself does; after deflate, anything, ignored;
after zstd, another frame; after br, nothing.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final, NamedTuple, Protocol

from .exceptions import ContentDecodingError

__all__ = ["MAX_CODINGS", "Decoder", "accept_encoding", "decoder"]

#: Codings on one body, over all ``content-encoding`` fields. Real ones have one; every further
#: one multiplies what an octet from the peer can cost (curl's bound, CVE-2022-32206).
MAX_CODINGS: Final = 5

#: Octets that one coding of a chain hands to the next at a time; bounds the memory of a chain.
BLOCK_SIZE: Final = 64 * 1024

#: Octets in a row that a coding may take from the one before it without giving any. The blocks
#: and members of every coding can be empty: a thousandfold of a thousandfold of nothing would
#: keep us busy for minutes with no output at which a caller could stop.
MAX_BARREN_SIZE: Final = 16 * 1024 * 1024

#: Empty members or frames in a row, for the same reason. Files that were appended to have one
#: or two.
MAX_EMPTY_MEMBERS: Final = 1000

#: The largest window a zstd frame may ask for is 8 MiB, 2 to the power of this (RFC 9659 §3).
ZSTD_WINDOW_LOG: Final = 23


class _Decompressor(Protocol):
    """One member or frame; the shape is that of the standard library's decompressors.

    needs_input  False when more may come out without more going in
    eof          the end has been reached, and all of it handed out
    unused_data  what came after the end
    """

    @property
    def needs_input(self) -> bool: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Coding(NamedTuple):
    """How to take one coding off.

    new      makes the decompressor of one member or frame
    error    what that raises
    another  the octets that another member begins with; None if there is never another
    strict   whether other octets after the end are an error
    """

    name: str
    new: Callable[[], _Decompressor]
    error: type[Exception]
    another: bytes | None
    strict: bool


class _Inflate:
    """One zlib or gzip stream."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = len(out) < max_length
        return out


class _Deflate(_Inflate):
    """A zlib stream, or a bare deflate one: the first two octets tell (RFC 1950 §2.2).

    Read as bare deflate they would begin a stored block whose padding bits are not zero, which
    no compressor writes.
    """

    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._head: bytes | None = b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._head is not None:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
            if data[0] & 0x8F != 0x08 or (data[0] << 8 | data[1]) % 31:
                self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
            self._head = None
        return super().decompress(data, max_length)


class _Brotli:
    """One brotli stream; the module's own limit is exceeded by up to a block, kept here."""

    unused_data = b""

    def __init__(self, brotli: Any) -> None:
        self._brotli = brotli.Decompressor()
        self._surplus = b""

    @property
    def needs_input(self) -> bool:
        return not self._surplus and bool(self._brotli.can_accept_more_data())

    @property
    def eof(self) -> bool:
        return not self._surplus and bool(self._brotli.is_finished())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        limit = min(max_length, BLOCK_SIZE)
        out: bytes = self._surplus or self._brotli.process(data, output_buffer_limit=limit)
        self._surplus = out[max_length:]
        return out[:max_length] if self._surplus else out


class _Stage:
    """One coding of one body: its members, one after the other.

    barren  octets taken since the last one given
    """

    __slots__ = ("_coding", "_empty", "_member", "_rest", "_taken", "barren", "needs_input")

    def __init__(self, coding: _Coding) -> None:
        self._coding = coding
        self._member: _Decompressor | None = None
        # Octets after a member's end that may or may not begin another.
        self._rest = b""
        self._taken = 0
        # Members in a row that gave nothing.
        self._empty = 0
        self.barren = 0
        self.needs_input = True

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Up to ``max_length`` octets; ``data`` only while ``needs_input``."""
        coding = self._coding
        first = not self._taken
        self._taken += len(data)
        data = self._rest + data
        self._rest = b""
        while True:
            if self._member is None:
                if not first and not self._another(data):
                    self.needs_input = True
                    return b""
                first = False
                self._member = coding.new()
            try:
                out = self._member.decompress(data, max_length)
            except coding.error as error:
                raise ContentDecodingError(
                    f"the body is not the {coding.name} that its content-encoding says: {error}, "
                    f"within its first {self._taken} octets (RFC 9110 §8.4)"
                ) from error
            if out:
                self._empty = self.barren = 0
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
                self._empty += not out
                self.needs_input = not data
            else:
                data = b""
                self.needs_input = self._member.needs_input
            if out or self.needs_input:
                self._rest = data
                return out
            if self._empty > MAX_EMPTY_MEMBERS:
                raise ContentDecodingError(
                    f"{self._empty} empty {coding.name} members in a row within the first "
                    f"{self._taken} octets of the body; decoding given up"
                )

    def _another(self, data: bytes) -> bool:
        """Whether ``data``, not empty, behind a member, begins another; keep it if in doubt."""
        coding = self._coding
        if coding.another is not None:
            if len(data) < len(coding.another) and coding.another.startswith(data):
                self._rest = data
                return False
            if data.startswith(coding.another):
                return True
        if coding.strict:
            raise ContentDecodingError(
                f"{len(data)} octets follow the end of the {coding.name} stream"
            )
        # Once padding has begun nothing after it counts, whatever it looks like.
        self._coding = coding._replace(another=None)
        return False

    def finish(self) -> None:
        if self._member is not None:
            raise ContentDecodingError(
                f"the {self._coding.name} stream stops short: no end of it in all "
                f"{self._taken} octets of the body"
            )


class Decoder:
    """Takes the content codings off one body, piece by piece.

    needs_input  False while ``decode(b"", ...)`` may give more

    For every piece of the body ``decode(piece, size)``, then ``decode(b"", size)`` until
    ``needs_input``; ``finish()`` once the body has ended.

    Raises ContentDecodingError for octets that are not what ``content-encoding`` says.
    """

    __slots__ = ("_input", "_stages")

    def __init__(self, codings: Iterable[_Coding]) -> None:
        # The coding that was applied last comes off first.
        self._stages = [_Stage(coding) for coding in codings][::-1]
        self._input = b""

    @property
    def needs_input(self) -> bool:
        return not self._input and all(stage.needs_input for stage in self._stages)

    def decode(self, data: bytes, max_length: int) -> bytes:
        """Take in ``data`` and return the next decoded octets, at most ``max_length`` (>= 1).

        What would not fit stays here: call again, with b"" or the next octets. The answer is
        b"" only when there is nothing until more octets come.
        """
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1, not {max_length}")
        self._input += data
        return self._pull(len(self._stages) - 1, max_length)

    def finish(self) -> None:
        """The body has ended: raise ContentDecodingError unless every coding has, too.

        A body without any octets is whole, as the answer to HEAD has none.
        """
        for stage in self._stages:
            stage.finish()

    def _pull(self, index: int, max_length: int) -> bytes:
        stage = self._stages[index]
        while True:
            data = b""
            if stage.needs_input:
                if index:
                    data = self._pull(index - 1, BLOCK_SIZE)
                    stage.barren += len(data)
                    if stage.barren > MAX_BARREN_SIZE:
                        raise ContentDecodingError(
                            f"{stage.barren} octets between two codings of the body came to "
                            "nothing; decoding given up"
                        )
                else:
                    data, self._input = self._input, b""
                if not data:
                    return b""
            if out := stage.decompress(data, max_length):
                return out


def decoder(content_encodings: Iterable[bytes]) -> Decoder | None:
    """The decoder for a body with these ``content-encoding`` values; None to leave it as it is.

    Values may be lists. The body is left untouched, as a whole, when there is a coding among
    them that is unknown or whose package is missing: what ``read()`` returns is then exactly
    what the field describes. Raises ContentDecodingError beyond ``MAX_CODINGS``.
    """
    names = [name.strip(b" \t").lower() for name in b",".join(content_encodings).split(b",")]
    names = [name for name in names if name not in (b"", b"identity")]
    if len(names) > MAX_CODINGS:
        raise ContentDecodingError(
            f"the body has {len(names)} content codings; at most {MAX_CODINGS} are taken off"
        )
    codings = [coding for name in names if (coding := _coding(name)) is not None]
    return Decoder(codings) if codings and len(codings) == len(names) else None


@cache
def accept_encoding() -> bytes:
    """The codings that can be taken off here, as the value of ``accept-encoding``."""
    return b", ".join(name for name in (b"gzip", b"deflate", b"br", b"zstd") if _coding(name))


def _coding(name: bytes) -> _Coding | None:
    """The coding of that name; None if it is unknown or its package is missing."""
    make = _CODINGS.get(name)
    return make() if make is not None else None


# Each is made once, when a body first needs it: looking for its package costs milliseconds.


@cache
def _gzip() -> _Coding:
    return _Coding("gzip", lambda: _Inflate(16 + zlib.MAX_WBITS), zlib.error, b"\x1f\x8b", False)


@cache
def _deflate() -> _Coding:
    return _Coding("deflate", _Deflate, zlib.error, None, False)


@cache
def _br() -> _Coding | None:
    brotli = _import("brotli", "brotlicffi")
    # Before 1.2 brotli knew no limit: one call, any amount of memory.
    if brotli is None or not hasattr(brotli.Decompressor, "can_accept_more_data"):
        return None
    return _Coding("br", lambda: _Brotli(brotli), brotli.error, None, True)


@cache
def _zstd() -> _Coding | None:
    zstd = _import("compression.zstd", "backports.zstd")
    if zstd is None:
        return None
    options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}
    return _Coding(
        "zstd", lambda: zstd.ZstdDecompressor(options=options), zstd.ZstdError, b"", True
    )


_CODINGS: Final[dict[bytes, Callable[[], _Coding | None]]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,  # RFC 9110 §8.4.1.3
    b"deflate": _deflate,
    b"br": _br,
    b"zstd": _zstd,
}


def _import(*names: str) -> Any:
    """The first of these modules that there is, else None."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
