"""Huffman-coded strings (RFC 7541 §5.2), both ways.

Decoding walks the code an octet at a time: a row for each place inside a code, and in it, for
each octet, the row after it and the text that it completes. All steps would cost 0.1 s and
some megabytes, so each is worked out when an octet first takes it. Rows are shared by all
decoders; two threads that work out the same step write the same thing.
"""

from __future__ import annotations

from typing import Any, Final

from .exceptions import HPACKError
from .huffman_code import CODES, EOS_LENGTH

__all__ = ["decoded", "encode"]

#: Decoded strings that are kept, and the octets of the longest: a megabyte at most, for the
#: whole process.
MAX_STRINGS: Final = 2048
MAX_STRING_LENGTH: Final = 128

# A row: 256 steps ``(next row, text)``, ``None`` where no octet has come by yet; then, at
# _PLACE, the bits of an unfinished code that lead here.
_Row = list[Any]
_PLACE: Final = 256

_SYMBOLS: Final = {code: bytes((symbol,)) for symbol, code in enumerate(CODES)}
_EOS: Final = "1" * EOS_LENGTH

_ROOT: Final[_Row] = [None] * 256 + [""]
_ROWS: Final[dict[str, _Row]] = {"": _ROOT}

# Up to seven ones may fill the last octet (§5.2).
_PADDING: Final = frozenset("1" * bits for bits in range(8))


def encode(text: bytes) -> bytes:
    """The Huffman code of ``text``, filled up with ones (§5.2)."""
    # 43 ns an octet; shifting integers costs 140.
    bits = "".join([CODES[octet] for octet in text])
    size = (len(bits) + 7) & -8
    return int(bits.ljust(size, "1") or "0", 2).to_bytes(size >> 3, "big")


class _Strings(dict[bytes, bytes]):
    """Huffman-coded strings and their texts; a missing one is decoded, and kept if it is short.

    A pure function of its key, so one serves the whole process: a new connection already knows
    ``nginx`` and ``text/html``, and a thousand connections take no more memory than one.
    """

    __slots__ = ()

    def __missing__(self, data: bytes) -> bytes:
        row = _ROOT
        pieces: list[bytes] = []
        try:
            # 27 ns an octet.
            for octet in data:
                row, piece = row[octet]
                pieces.append(piece)
        except TypeError:  # the step is still None
            row = _learn(row, data, pieces)
        if row[_PLACE] not in _PADDING:
            raise HPACKError(
                f"the padding of a Huffman-coded string of {len(data)} octets is longer than "
                "7 bits or not all ones (RFC 7541 §5.2)"
            )
        text = b"".join(pieces)
        if len(data) <= MAX_STRING_LENGTH:
            if len(self) >= MAX_STRINGS:
                self.clear()
            self[data] = text
        return text


#: ``decoded[data]`` is the text of a Huffman-coded string.
#:
#: Raises HPACKError for EOS, for more than seven bits of padding and for padding that is not
#: all ones (§5.2). Takes time and memory in proportion to ``len(data)``.
decoded: Final = _Strings()


def _learn(row: _Row, data: bytes, pieces: list[bytes]) -> _Row:
    """Take the steps of ``data`` from where ``pieces`` end, and keep the new ones."""
    for octet in data[len(pieces) :]:
        step = row[octet]
        if step is None:
            place = row[_PLACE]
            text = b""
            for bit in format(octet, "08b"):
                place += bit
                symbol = _SYMBOLS.get(place)
                if symbol is not None:
                    text += symbol
                    place = ""
                elif place == _EOS:
                    raise HPACKError("a Huffman-coded string contains EOS (RFC 7541 §5.2)")
            step = row[octet] = (_ROWS.setdefault(place, [None] * 256 + [place]), text)
        row, text = step
        pieces.append(text)
    return row
