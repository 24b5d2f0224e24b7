"""Huffman-coded strings (RFC 7541 §5.2), both ways.

Decoding walks the code an octet at a time: a row for each place inside a code, and in it, for
each octet, the row after it and the text that it completes. All rows filled would cost 0.1 s
and half a megabyte, so a step is worked out when an octet first takes it. Rows are shared by
all decoders; two threads that work out the same step write the same thing.
"""

from __future__ import annotations

from typing import Any, Final

from .exceptions import HPACKError
from .huffman_code import CODES, EOS_LENGTH

__all__ = ["decode", "encode"]

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
    # 38 ns an octet; shifting integers costs 140.
    bits = "".join([CODES[octet] for octet in text]) + "1111111"
    size = len(bits) >> 3
    return int(bits[: size << 3] or "0", 2).to_bytes(size, "big")


def decode(data: bytes) -> bytes:
    """The text of a Huffman-coded string.

    Raises HPACKError for EOS, for more than seven bits of padding and for padding that is not
    all ones (§5.2). Takes time and memory in proportion to ``len(data)``.
    """
    row = _ROOT
    text: list[bytes] = []
    append = text.append
    octets = iter(data)
    while True:
        try:
            # 25 ns an octet of text.
            for octet in octets:
                row, piece = row[octet]
                append(piece)
            break
        except TypeError:  # the step is still None
            row, piece = _learn(row, octet)
            append(piece)
    if row[_PLACE] not in _PADDING:
        raise HPACKError(
            f"the padding of a Huffman-coded string of {len(data)} octets is longer than 7 bits "
            "or not all ones (RFC 7541 §5.2)"
        )
    return b"".join(text)


def _learn(row: _Row, octet: int) -> tuple[_Row, bytes]:
    """Work out the step that ``octet`` takes from ``row``, and keep it."""
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
    after = _ROWS.setdefault(place, [None] * 256 + [place])
    row[octet] = step = (after, text)
    return step
