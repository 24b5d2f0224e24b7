"""Our encoders against the decoder of the ``hpack`` package, and the other way round.

Long conversations with one table on each side: an entry that is evicted an entry too early, or an
index that is off by one, shows within a few blocks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import hpack
import pytest

from hyper.hpack import Backend

from ...backends import BACKENDS

Fields = list[tuple[bytes, bytes]]
Kind = Callable[[random.Random, int], Iterator[Fields]]

BROWSER: Fields = [
    (b":method", b"GET"),
    (b":authority", b"www.example.org"),
    (b":scheme", b"https"),
    (b":path", b"/"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.7,de;q=0.3"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"cookie", b"id=7f3c2d9e0b1a4c5d; theme=dark"),
    (b"upgrade-insecure-requests", b"1"),
]


def requests(rng: random.Random, count: int) -> Iterator[Fields]:
    """What a client sends: mostly the same, with other paths, ids, tokens and bodies."""
    for number in range(count):
        fields = BROWSER.copy()
        fields[3] = (b":path", b"/items/%d?q=%x" % (rng.randrange(40), rng.randrange(9) * 7919))
        if rng.random() < 0.3:
            fields[0] = (b":method", rng.choice((b"POST", b"PUT", b"DELETE")))
            fields.append((b"content-length", b"%d" % rng.randrange(100_000)))
            fields.append((b"content-type", b"application/json"))
        if rng.random() < 0.5:
            fields.append((b"x-request-id", b"%032x" % rng.getrandbits(128)))
        if rng.random() < 0.3:
            fields.append((b"authorization", b"Bearer %040x" % rng.getrandbits(160)))
        if rng.random() < 0.2:
            fields[8] = (b"cookie", b"id=%x" % rng.getrandbits(rng.choice((16, 200))))
        if rng.random() < 0.2:
            fields.insert(4, (b"referer", b"https://www.example.org/items/%d" % (number // 10)))
        yield fields


def responses(rng: random.Random, count: int) -> Iterator[Fields]:
    """What a server sends: a few statuses, dates that move on, tags, cookies."""
    for number in range(count):
        fields: Fields = [
            (b":status", rng.choice((b"200", b"200", b"200", b"304", b"404", b"418"))),
            (b"server", b"nginx"),
            (b"date", b"Mon, 21 Oct 2013 20:13:%02d GMT" % (number // 5 % 60)),
            (b"content-type", rng.choice((b"text/html; charset=utf-8", b"image/png"))),
            (b"content-length", b"%d" % rng.randrange(50_000)),
            (b"etag", b'"%x"' % rng.randrange(30)),
        ]
        if rng.random() < 0.3:
            fields.append((b"set-cookie", b"id=%x; Path=/" % rng.getrandbits(64)))
        yield fields


def anything(rng: random.Random, count: int) -> Iterator[Fields]:
    """Any octets at all: empty ones, long ones, and what no Huffman code makes shorter."""
    names = [b"", b"x", b"x-a", b":path", b"cookie", b"authorization", b"accept", b"y" * 130]
    for _ in range(count):
        fields: Fields = []
        for _ in range(rng.randrange(12)):
            name = rng.choice(names) if rng.random() < 0.8 else rng.randbytes(rng.randrange(20))
            value = rng.choice(
                (
                    b"",
                    b"again",
                    b"%d" % rng.randrange(6),
                    rng.randbytes(rng.randrange(140)),
                    b"long" * rng.randrange(1200),
                )
            )
            fields.append((name, value))
        yield fields


KINDS = pytest.mark.parametrize("kind", [requests, responses, anything])
SIZES = (0, 32, 33, 64, 100, 256, 1000, 4095, 4096)


@BACKENDS
@KINDS
@pytest.mark.parametrize("resizing", [0.0, 0.1], ids=["one size", "many sizes"])
def test_their_decoder_reads_what_our_encoder_wrote(
    pair: Backend, kind: Kind, resizing: float
) -> None:
    rng = random.Random(kind.__name__)
    encoder = pair.Encoder()
    decoder = hpack.Decoder(max_header_list_size=1 << 20)
    for fields in kind(rng, 400):
        while rng.random() < resizing:
            encoder.resize(rng.choice((*SIZES, 65536)))
        never_index = (b"x-request-id", b"x") if rng.random() < 0.2 else ()
        block = encoder.encode(fields, never_index)
        assert [tuple(field) for field in decoder.decode(block, raw=True)] == fields
        assert decoder.header_table.maxsize <= 4096


@BACKENDS
@KINDS
@pytest.mark.parametrize("resizing", [0.0, 0.1], ids=["one size", "many sizes"])
def test_our_decoder_reads_what_their_encoder_wrote(
    pair: Backend, kind: Kind, resizing: float
) -> None:
    rng = random.Random(kind.__name__)
    encoder = hpack.Encoder()
    decoder = pair.Decoder(max_list_size=1 << 20)
    for fields in kind(rng, 400):
        if rng.random() < resizing:
            size = rng.choice(SIZES)
            # Their encoder forgets a change that is followed by the same size once more.
            if size != encoder.header_table_size:
                encoder.header_table_size = size
                decoder.max_table_size = size
        block = encoder.encode(fields, huffman=rng.random() < 0.7)
        assert decoder.decode(block) == fields
        assert decoder.table == list(encoder.header_table.dynamic_entries)
        assert decoder.table_size <= decoder.max_table_size


@BACKENDS
@KINDS
def test_their_decoder_knows_which_fields_are_secret(pair: Backend, kind: Kind) -> None:
    """§6.2.3, §7.1.3: what we mark is marked for every hop; an empty value is no secret."""
    rng = random.Random(kind.__name__)
    encoder = pair.Encoder()
    decoder = hpack.Decoder(max_header_list_size=1 << 20)
    for fields in kind(rng, 200):
        for field in decoder.decode(encoder.encode(fields, (b"x-request-id",)), raw=True):
            name, value = field
            secret = name in (b"authorization", b"x-request-id") or (
                name in (b"cookie", b"set-cookie") and len(value) < 20
            )
            assert not (secret and value and field.indexable)
            assert secret or field.indexable
