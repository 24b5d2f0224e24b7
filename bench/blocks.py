"""HPACK alone, on the requests and responses of a visit to a site.

    python -m bench.blocks '{"client": ..., "kind": "encode" or "decode", "units": ..., ...}'

Started by ``macro.py``; prints one line of JSON. ``micro_hpack.py`` looks at single kinds of
blocks; this one answers what a mixture costs. Every connection is a new encoder or decoder.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from time import process_time
from typing import Any

from bench.scenarios import REQUEST_HEADERS

Fields = list[tuple[bytes, bytes]]

#: Requests, and responses, on one connection.
VISIT = 50

KINDS = (
    ("html", b"text/html; charset=utf-8", b"text/html,application/xhtml+xml,*/*;q=0.8"),
    ("css", b"text/css", b"text/css,*/*;q=0.1"),
    ("js", b"text/javascript", b"*/*"),
    ("png", b"image/png", b"image/avif,image/webp,*/*"),
    ("json", b"application/json", b"application/json"),
)


def visit(number: int) -> list[Fields]:
    """The field blocks of one connection, a request and its response in turn."""
    dice = random.Random(number)
    always = [(n.encode(), v.encode()) for n, v in REQUEST_HEADERS if n != "accept"]
    session = dice.randbytes(16).hex()
    blocks: list[Fields] = []
    for count in range(VISIT):
        extension, media, accept = dice.choice(KINDS)
        name = f"/assets/{dice.choice('abcdef')}/item-{dice.randrange(200)}.{extension}"
        blocks.append(
            [
                (b":method", b"GET"),
                (b":scheme", b"https"),
                (b":authority", b"shop.example.org"),
                (b":path", name.encode()),
                *always,
                (b"accept", accept),
                (b"cookie", f"session={session}; theme=dark; seen={count}".encode()),
                (b"x-request-id", dice.randbytes(16).hex().encode()),
            ]
        )
        length = dice.randrange(200, 90_000)
        changed = f"Tue, 03 Nov 2026 07:{dice.randrange(60):02}:00 GMT"
        blocks.append(
            [
                (b":status", dice.choice((b"200", b"200", b"200", b"304"))),
                (b"server", b"nginx"),
                (b"date", f"Fri, 20 Nov 2026 16:{number % 60:02}:{count:02} GMT".encode()),
                (b"content-type", media),
                (b"content-length", b"%d" % length),
                (b"last-modified", changed.encode()),
                (b"etag", f'"{dice.getrandbits(32):x}-{length:x}"'.encode()),
                (b"cache-control", b"max-age=300, public"),
                (b"vary", b"accept-encoding"),
                (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"strict-origin-when-cross-origin"),
                (b"x-request-id", dice.randbytes(16).hex().encode()),
                (b"set-cookie", f"sid={dice.randbytes(16).hex()}; Path=/; Secure".encode()),
                (b"accept-ranges", b"bytes"),
            ]
        )
    return blocks


def coders(client: str) -> tuple[Callable[[], Any], Callable[[], Any], str]:
    """Makers of an encoder and of a decoder, and what they are called."""
    if client == "hpack":
        peer: Any = import_module("hpack")
        return peer.Encoder, peer.Decoder, f"hpack {peer.__version__}"
    import hyper
    from hyper.hpack import backend

    own = backend("python" if client == "hyper" else client)
    name = f"hyper {hyper.__version__}" if client == "hyper" else "libnghttp2 by ctypes or cffi"
    return own.Encoder, own.Decoder, name


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["cpus"]:
        os.sched_setaffinity(0, task["cpus"])
    try:
        make_encoder, make_decoder, name = coders(task["client"])
        # Everybody reads the same blocks, and neither ours nor libnghttp2 has written them.
        writer: Any = import_module("hpack").Encoder
    except ImportError as error:
        print(json.dumps({"skipped": str(error)}))
        return
    visits = [visit(number) for number in range(max(2, task["units"] // (2 * VISIT)))]
    if task["kind"] == "encode":
        encoded(make_encoder, visits[:1])
        start = process_time()
        blocks = encoded(make_encoder, visits)
        cpu = process_time() - start
        octets = sum(len(block) for own in blocks for block in own)
    else:
        blocks = encoded(writer, visits)
        # The hpack package makes str unless it is told not to.
        raw = {"raw": True} if task["client"] == "hpack" else {}
        decoded(make_decoder, blocks[:1], raw)
        start = process_time()
        lists = decoded(make_decoder, blocks, raw)
        cpu = process_time() - start
        octets = 0
        for wanted, got in zip(visits, lists, strict=True):
            assert [[tuple(field) for field in fields] for fields in got] == wanted
    count = sum(map(len, visits))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    figures = {"units": count, "cpu": cpu / count, "octets": octets, "peak_memory": peak}
    print(json.dumps({"version": name, **figures}))


def encoded(make: Callable[[], Any], visits: list[list[Fields]]) -> list[list[bytes]]:
    """The blocks of the visits: requests by one encoder, responses by another, as between two."""
    written = []
    for fields in visits:
        client, server = make().encode, make().encode
        own: list[bytes] = []
        for at in range(0, len(fields), 2):
            own.append(client(fields[at]))
            own.append(server(fields[at + 1]))
        written.append(own)
    return written


def decoded(
    make: Callable[[], Any], visits: list[list[bytes]], options: dict[str, bool]
) -> list[list[Any]]:
    """The fields of all those blocks."""
    read = []
    for blocks in visits:
        server, client = make().decode, make().decode
        own = []
        for at in range(0, len(blocks), 2):
            own.append(server(blocks[at], **options))
            own.append(client(blocks[at + 1], **options))
        read.append(own)
    return read


if __name__ == "__main__":
    main()
