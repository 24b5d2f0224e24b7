"""The ASGI application behind hypercorn and granian, and behind every proxy of the ring.

It serves the tree (``HYPER_INTEROP_ROOT``) and the paths that need a program:

POST /upload    the body's size and SHA-256 digest, as JSON
GET  /mirror    the request as it arrived, as JSON; two ``set-cookie`` fields
GET  /wide      a head of 40 fields with 1000 octets each, more than one frame holds
GET  /slow      the head and half the body at once, the other half 1.5 s later
GET  /hints     103 (where the server can), then 200
GET  /trailers  a trailer ``x-sum: 42`` (where the server can)
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from pathlib import Path

from tests.servers.app import PAGES, Receive, Scope, Send

Fields = list[tuple[bytes, bytes]]

ROOT = Path(os.environ.get("HYPER_INTEROP_ROOT", "."))
BLOCK = 256 * 1024
KINDS = {".html": b"text/html; charset=utf-8", ".txt": b"text/plain"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request (ASGI 3.0)."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    name = scope["path"].lstrip("/")
    if name in ("upload", "hints", "trailers"):
        await PAGES[name](scope, receive, send, "")
    elif name == "mirror":
        await mirror(scope, send)
    elif name == "wide":
        await whole(send, 200, b"wide", [(b"x-%d" % n, b"%04d" % n * 250) for n in range(40)])
    elif name == "slow":
        await head(send, 200, [(b"content-type", b"text/plain"), (b"content-length", b"12")])
        await send({"type": "http.response.body", "body": b"first,", "more_body": True})
        await asyncio.sleep(1.5)
        await send({"type": "http.response.body", "body": b"second"})
    else:
        await static(scope, send, name or "index.html")


async def mirror(scope: Scope, send: Send) -> None:
    answer = json.dumps(
        {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "headers": [[n.decode("latin-1"), v.decode("latin-1")] for n, v in scope["headers"]],
        }
    ).encode()
    await whole(
        send,
        200,
        answer,
        [
            (b"content-type", b"application/json"),
            (b"set-cookie", b"a=1; Path=/"),
            (b"set-cookie", b"b=2; Path=/"),
            (b"x-answer", b"forty, two"),
        ],
    )


async def static(scope: Scope, send: Send, name: str) -> None:
    file = ROOT / name
    if "/" in name or not file.is_file():
        await whole(send, 404, b"not here\n", [(b"content-type", b"text/plain")])
        return
    fields = [(b"content-type", KINDS.get(file.suffix, b"application/octet-stream"))]
    accepted = dict(scope["headers"]).get(b"accept-encoding", b"")
    size = file.stat().st_size
    if name == "page.html" and b"gzip" in accepted:
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(file.read_bytes()) + packer.flush()
        await whole(send, 200, body, [*fields, (b"content-encoding", b"gzip")])
    elif scope["method"] == "HEAD" or not size:
        await head(send, 200, [*fields, (b"content-length", b"%d" % size)])
        await send({"type": "http.response.body", "body": b""})
    else:
        await head(send, 200, [*fields, (b"content-length", b"%d" % size)])
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                size -= len(block)
                await send({"type": "http.response.body", "body": block, "more_body": size > 0})


async def head(send: Send, status: int, fields: Fields) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def whole(send: Send, status: int, body: bytes, fields: Fields) -> None:
    await head(send, status, [*fields, (b"content-length", b"%d" % len(body))])
    await send({"type": "http.response.body", "body": body})
