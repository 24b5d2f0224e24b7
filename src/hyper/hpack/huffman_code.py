"""The Huffman code of RFC 7541 Appendix B, as far as it is not arithmetic.

The code is canonical: codes of one length are consecutive numbers in the order of their
symbols, and the first code of the next length follows on, shifted left. So the lengths say it
all. Knows numbers only; ``huffman.py`` does the work.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CODES", "EOS_LENGTH"]

#: Which octets have a code of so many bits, in the order of the code.
SYMBOLS_BY_LENGTH: Final[dict[int, bytes]] = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: bytes.fromhex("5c c3 d0"),
    20: bytes.fromhex("80 82 83 a2 b8 c2 e0 e2"),
    21: bytes.fromhex("99 a1 a7 ac b0 b1 b3 d1 d8 d9 e3 e5 e6"),
    22: bytes.fromhex(
        "81 84 85 86 88 92 9a 9c a0 a3 a4 a9 aa ad b2 b5 b9 ba bb bd be c4 c6 e4 e8 e9"
    ),
    23: bytes.fromhex(
        "01 87 89 8a 8b 8c 8d 8f 93 95 96 97 98 9b 9d 9e a5 a6 a8 ae af b4 b6 b7 bc bf c5 e7 ef"
    ),
    24: bytes.fromhex("09 8e 90 91 94 9f ab ce d7 e1 ec ed"),
    25: bytes.fromhex("c7 cf ea eb"),
    26: bytes.fromhex("c0 c1 c8 c9 ca cd d2 d5 da db ee f0 f2 f3 ff"),
    27: bytes.fromhex("cb cc d3 d4 d6 dd de df f1 f4 f5 f6 f7 f8 fa fb fc fd fe"),
    28: bytes.fromhex(
        "02 03 04 05 06 07 08 0b 0c 0e 0f 10 11 12 13 14 15 17 18 19 1a 1b 1c 1d 1e 1f 7f dc f9"
    ),
    30: b"\n\r\x16",
}

#: EOS is the last code of all: thirty ones. It never stands in a string (§5.2).
EOS_LENGTH: Final = 30


def _codes() -> list[str]:
    codes = [""] * 256
    code = length = 0
    for bits, symbols in SYMBOLS_BY_LENGTH.items():
        code <<= bits - length
        length = bits
        for symbol in symbols:
            codes[symbol] = format(code, f"0{bits}b")
            code += 1
    return codes


#: The code of every octet, as text of ``0`` and ``1``: joining such text and reading it as one
#: number is the fastest bit shifting that Python has.
CODES: Final[list[str]] = _codes()
