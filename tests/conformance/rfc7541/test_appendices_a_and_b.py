"""RFC 7541 Appendices A and B: the static table and the Huffman code, against another reading."""

from __future__ import annotations

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from hyper.hpack import huffman, huffman_code, table


def test_the_static_table_is_theirs() -> None:
    assert HeaderTable.STATIC_TABLE == table.STATIC_TABLE


def test_every_code_is_theirs() -> None:
    codes = [
        format(code, f"0{length}b")
        for code, length in zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)
    ]
    assert codes == [*huffman_code.CODES, "1" * huffman_code.EOS_LENGTH]


def test_every_octet_survives_both_ways() -> None:
    for first in range(256):
        for text in (bytes((first,)), bytes((first, first ^ 0x55, 0x30))):
            assert huffman.decoded[huffman.encode(text)] == text
