"""RFC 7541 Appendix C: every example, octet for octet, with the tables it prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from hyper.hpack import Backend, Encoder

from ...backends import BACKENDS

Fields = list[tuple[bytes, bytes]]


def fields(text: str) -> Fields:
    """Lines as the RFC prints them: a name, a colon, a blank, a value."""
    found = []
    for line in text.strip().splitlines():
        name, value = line.strip().rsplit(": ", 1) if ": " in line else (line.strip()[:-1], "")
        found.append((name.encode(), value.encode()))
    return found


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


@dataclass
class Example:
    """One block of an example.

    block   its octets
    fields  what it decodes to
    table   the dynamic table after it, newest first
    size    what the RFC says that table counts
    """

    block: bytes
    fields: Fields
    table: Fields
    size: int


def replay(decoder: Any, examples: list[Example]) -> None:
    for example in examples:
        assert decoder.decode(example.block) == example.fields
        assert decoder.table == example.table
        assert decoder.table_size == example.size


# C.1: integers, with prefixes of five and of eight bits. A size update has a prefix of five bits;
# no representation has one of eight, so that example stands in tests/unit/hpack.


@BACKENDS
def test_c_1_1_ten_with_a_prefix_of_five_bits(pair: Backend) -> None:
    decoder = pair.Decoder()
    assert decoder.decode(octets("2a")) == []  # 0x20, the kind, and 0x0a
    encoder = pair.Encoder()
    encoder.resize(10)
    assert encoder.encode([]) == octets("2a")


@BACKENDS
def test_c_1_2_1337_with_a_prefix_of_five_bits(pair: Backend) -> None:
    decoder = pair.Decoder()
    assert decoder.decode(octets("3f9a0a")) == []
    encoder = pair.Encoder()
    encoder.resize(1337)
    assert encoder.encode([]) == octets("3f9a0a")


@BACKENDS
def test_c_2_1_a_literal_with_indexing(pair: Backend) -> None:
    replay(
        pair.Decoder(),
        [
            Example(
                octets("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"),
                fields("custom-key: custom-header"),
                fields("custom-key: custom-header"),
                55,
            )
        ],
    )


C_2_2 = octets("040c 2f73 616d 706c 652f 7061 7468")


@BACKENDS
def test_c_2_2_a_literal_without_indexing(pair: Backend) -> None:
    replay(pair.Decoder(), [Example(C_2_2, [(b":path", b"/sample/path")], [], 0)])


def test_our_encoder_writes_c_2_2_octet_for_octet() -> None:
    assert Encoder().encode([(b":path", b"/sample/path")]) == C_2_2


@BACKENDS
def test_c_2_3_a_literal_never_indexed(pair: Backend) -> None:
    block = octets("1008 7061 7373 776f 7264 0673 6563 7265 74")
    replay(pair.Decoder(), [Example(block, [(b"password", b"secret")], [], 0)])


@BACKENDS
def test_c_2_4_an_indexed_field(pair: Backend) -> None:
    replay(pair.Decoder(), [Example(octets("82"), [(b":method", b"GET")], [], 0)])
    assert pair.Encoder().encode([(b":method", b"GET")]) == octets("82")


REQUESTS = [
    [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
    ],
    [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
        (b"cache-control", b"no-cache"),
    ],
    [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ],
]
REQUEST_TABLE = [
    (b"custom-key", b"custom-value"),
    (b"cache-control", b"no-cache"),
    (b":authority", b"www.example.com"),
]
REQUEST_SIZES = [57, 110, 164]

C_3 = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
]
C_4 = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
]


@pytest.mark.parametrize("blocks", [C_3, C_4], ids=["C.3 plain", "C.4 Huffman"])
@BACKENDS
def test_c_3_and_c_4_requests(pair: Backend, blocks: list[str]) -> None:
    replay(
        pair.Decoder(),
        [
            Example(octets(block), REQUESTS[at], REQUEST_TABLE[2 - at :], REQUEST_SIZES[at])
            for at, block in enumerate(blocks)
        ],
    )


@BACKENDS
def test_the_encoder_writes_c_4_octet_for_octet(pair: Backend) -> None:
    encoder = pair.Encoder()
    for at, block in enumerate(C_4):
        assert encoder.encode(REQUESTS[at]) == octets(block)
        assert encoder.table == REQUEST_TABLE[2 - at :]
        assert encoder.table_size == REQUEST_SIZES[at]


DATE = (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT")
LATER = (b"date", b"Mon, 21 Oct 2013 20:13:22 GMT")
PRIVATE = (b"cache-control", b"private")
LOCATION = (b"location", b"https://www.example.com")
GZIP = (b"content-encoding", b"gzip")
COOKIE = (b"set-cookie", b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")

RESPONSES = [
    [(b":status", b"302"), PRIVATE, DATE, LOCATION],
    [(b":status", b"307"), PRIVATE, DATE, LOCATION],
    [(b":status", b"200"), PRIVATE, LATER, LOCATION, GZIP, COOKIE],
]
# The table has 256 octets, so the second and the third block evict.
RESPONSE_TABLES = [
    [LOCATION, DATE, PRIVATE, (b":status", b"302")],
    [(b":status", b"307"), LOCATION, DATE, PRIVATE],
    [COOKIE, GZIP, LATER],
]
RESPONSE_SIZES = [222, 222, 215]

C_5 = [
    "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a"
    "3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "4803 3330 37c1 c0bf",
    "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04"
    "677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49"
    "553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
]
C_6 = [
    "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e"
    "919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
    "4883 640e ffc1 c0bf",
    "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7"
    "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed"
    "4ee5 b106 3d50 07",
]


@pytest.mark.parametrize("blocks", [C_5, C_6], ids=["C.5 plain", "C.6 Huffman"])
@BACKENDS
def test_c_5_and_c_6_responses(pair: Backend, blocks: list[str]) -> None:
    replay(
        pair.Decoder(max_table_size=256),
        [
            Example(octets(block), RESPONSES[at], RESPONSE_TABLES[at], RESPONSE_SIZES[at])
            for at, block in enumerate(blocks)
        ],
    )
