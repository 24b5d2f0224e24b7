"""What one field block costs, ours against libnghttp2 and the ``hpack`` package, in us of CPU.

    PYTHONPATH=src python bench/micro_hpack.py [--rounds N] [--only WORD]

Every round runs every case once for each side, one after the other, so noise hits both; a
figure is the median of the rounds. Sides that are not installed are left out.

same            the block, or the fields, of the message before
varying         a conversation in which four of twelve fields are new in each message
new connection  a decoder that was never used, in a process that has met such strings
cold            nothing was met before
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count, cycle, islice
from statistics import median
from time import process_time
from typing import Any

from hyper.hpack import Backend, backend
from hyper.hpack.huffman import decoded

try:
    peer: Any = import_module("hpack")
except ImportError:
    peer = None

#: Our own first, then the same two classes over libnghttp2.
OURS: list[Backend] = [backend("python")]
try:
    OURS.append(backend("nghttp2"))
except ImportError as error:
    print(error, file=sys.stderr)

Fields = list[tuple[bytes, bytes]]
MakeEncode = Callable[[], Callable[[Fields], bytes]]
MakeDecode = Callable[[], Callable[[bytes], object]]
#: Does something so many times.
Work = Callable[[int], None]

REQUEST: Fields = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"api.example.org"),
    (b":path", b"/v1/items/10001?page=2"),
    (b"user-agent", b"hyper/1.0.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"cookie", b"session=9f86d081884c7d659a2feaa0c55ad015; theme=dark"),
]

RESPONSE: Fields = [
    (b":status", b"200"),
    (b"server", b"nginx/1.22.1"),
    (b"date", b"Fri, 20 Nov 2026 16:11:49 GMT"),
    (b"content-type", b"application/json; charset=utf-8"),
    (b"content-length", b"1234"),
    (b"last-modified", b"Tue, 03 Nov 2026 07:28:00 GMT"),
    (b"etag", b'"6554aa90-4d2"'),
    (b"cache-control", b"max-age=300, public"),
    (b"vary", b"accept-encoding"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-request-id", b"0d9c7f1e-2a63-4c3e-9d51-6f0c8a1b7e42"),
    (b"accept-ranges", b"bytes"),
]


def path(number: int) -> tuple[bytes, bytes]:
    return (b":path", b"/v1/items/%d?page=2" % number)


def with_changing_path() -> Iterator[Fields]:
    for number in count(10001):
        fields = REQUEST.copy()
        fields[3] = path(number)
        yield fields


def varying_responses(size: int) -> list[Fields]:
    """Responses as a server sends them one after the other: four fields are new each time."""
    lists = []
    for number in range(size):
        fields = RESPONSE.copy()
        fields[2] = (b"date", b"Fri, 20 Nov 2026 16:%02d:%02d GMT" % divmod(number % 3600, 60))
        fields[4] = (b"content-length", b"%d" % (1000 + number * 7919 % 90000))
        fields[6] = (b"etag", b'"%x-%x"' % (0x6554AA90 + number * 7919, number))
        fields[10] = (b"x-request-id", b"0d9c7f1e-2a63-4c3e-9d51-%012x" % (number * 48271))
        lists.append(fields)
    return lists


def steady_encode(make: MakeEncode) -> Work:
    encode = make()
    for _ in range(3):
        encode(REQUEST)

    def work(times: int) -> None:
        for _ in range(times):
            encode(REQUEST)

    return work


def path_encode(make: MakeEncode) -> Work:
    encode = make()
    # Far more than any memo holds, so coming round again finds nothing.
    lists = list(islice(with_changing_path(), 4000))

    def work(times: int) -> None:
        for fields in islice(cycle(lists), times):
            encode(fields)

    return work


def cold_encode(fields: Fields) -> Callable[[MakeEncode], Work]:
    def case(make: MakeEncode) -> Work:
        def work(times: int) -> None:
            for _ in range(times):
                make()(fields)

        return work

    return case


def blocks_of(lists: list[Fields]) -> list[bytes]:
    """The blocks that the peer's encoder makes of ``lists``, or else ours."""
    encode = encoders()[-1]()
    return [encode(fields) for fields in lists]


def repeated_decode(make: MakeDecode) -> Work:
    first, *_, block = blocks_of([RESPONSE] * 4)
    decode = make()
    decode(first)

    def work(times: int) -> None:
        for _ in range(times):
            # Octets from a socket are new objects whose hash is not known yet.
            decode(bytes(bytearray(block)))

    return work


def forget_strings() -> None:
    decoded.clear()


def cold_decode(
    fields: Fields, forget: Callable[[], None] = lambda: None
) -> Callable[[MakeDecode], Work]:
    block = blocks_of([fields])[0]

    def case(make: MakeDecode) -> Work:
        def work(times: int) -> None:
            for _ in range(times):
                forget()
                make()(block)

        return work

    return case


def cold_decodes(fields: Fields) -> list[Work]:
    """Nothing known at all: our decoders share the strings that they have met, so drop them."""
    ours, *others = decoders()
    return [cold_decode(fields, forget_strings)(ours), *map(cold_decode(fields), others)]


def varying_decode(make: MakeDecode) -> Work:
    blocks = blocks_of(varying_responses(2000))

    def work(times: int) -> None:
        decode = make()
        for block in islice(blocks, times):
            decode(block)

    return work


def encoders() -> list[MakeEncode]:
    sides: list[MakeEncode] = [lambda make=each.Encoder: make().encode for each in OURS]
    if peer is not None:
        sides.append(lambda: peer.Encoder().encode)
    return sides


def decoders() -> list[MakeDecode]:
    def theirs() -> Callable[[bytes], object]:
        decode = peer.Decoder().decode
        return lambda block: decode(block, raw=True)

    sides: list[MakeDecode] = [lambda make=each.Decoder: make().decode for each in OURS]
    if peer is not None:
        sides.append(theirs)
    return sides


def measure(works: list[Work], rounds: int, times: int) -> list[float]:
    """Microseconds per block for every side, each the median of interleaved rounds."""
    figures: list[list[float]] = [[] for _ in works]
    for work in works:
        work(times // 10)
    for _ in range(rounds):
        for work, own in zip(works, figures, strict=True):
            start = process_time()
            work(times)
            own.append((process_time() - start) / times * 1e6)
    return [median(own) for own in figures]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="run only the cases whose name has this word")
    options = parser.parse_args()

    cases: list[tuple[str, list[Work], int]] = [
        ("encode, same request", [steady_encode(make) for make in encoders()], 2000),
        ("encode, changing path", [path_encode(make) for make in encoders()], 2000),
        ("encode, cold request", [cold_encode(REQUEST)(make) for make in encoders()], 500),
        ("encode, cold response", [cold_encode(RESPONSE)(make) for make in encoders()], 500),
        ("decode, same response", [repeated_decode(make) for make in decoders()], 2000),
        ("decode, varying response", [varying_decode(make) for make in decoders()], 2000),
        ("decode, new connection", [cold_decode(RESPONSE)(make) for make in decoders()], 500),
        ("decode, cold request", cold_decodes(REQUEST), 500),
        ("decode, cold response", cold_decodes(RESPONSE), 500),
    ]
    print(f"Python {sys.version.split()[0]}; CPU us per block, median of {options.rounds}")
    names = [each.name for each in OURS] + ["hpack"] * (peer is not None)
    print(f"{'':26}" + "".join(f"{name:>9}" for name in names))
    for name, works, times in cases:
        if options.only in name:
            figures = measure(works, options.rounds, times)
            print(f"{name:26}" + "".join(f"{figure:9.2f}" for figure in figures))

    print(f"\n{'octets':26}" + "".join(f"{name:>9}" for name in names))
    for name, lists in (
        ("100 requests", list(islice(with_changing_path(), 100))),
        ("100 responses", varying_responses(100)),
    ):
        sizes = []
        for make in encoders():
            encode = make()
            sizes.append(sum(len(encode(fields)) for fields in lists))
        print(f"{name:26}" + "".join(f"{size:9}" for size in sizes))


if __name__ == "__main__":
    main()
