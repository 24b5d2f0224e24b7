"""What the in-process server answers: httpbin, and beside it what httpbin cannot do over WSGI.

    /hello                    12 octets at once, for counting and for load
    /download/SIZE            SIZE octets of ``content``, streamed
    /upload                   {"size", "sha256"} of the request's body, counted octet by octet
    /echo                     the request's body, sent back while it still arrives
    /status/CODE              that status, no body
    /slow/SECONDS             the head, then the body SECONDS (a decimal number) later
    /late/SECONDS             nothing at all for SECONDS, then the whole answer; /delay likewise,
                              as httpbin's would go on sleeping in its thread after the test
    /hints                    103 Early Hints before the answer
    /push                     a page that pushes /pushed.css
    /trailers                 a body and then ``x-sum: 42``, for requests with ``te: trailers``
    /cut                      content-length: 100, ten octets, and no more

Everything else is httpbin's: /get, /post, /headers, /gzip, /cookies ...
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

__all__ = ["PUSHED", "application", "content"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PUSHED = b"body { color: teal }\n"

#: Not a power of two long, so that a block lost or repeated on a frame border shows in a hash.
PATTERN = bytes(range(251)) * 257


def content(size: int) -> Iterator[bytes]:
    """The octets of ``/download/size``, in pieces."""
    while size > 0:
        yield PATTERN[:size]
        size -= len(PATTERN)


async def _answer(
    send: Send, status: int, body: Iterable[bytes], headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _whole(send: Send, status: int, body: bytes, kind: bytes = b"text/plain") -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _pieces(receive: Receive) -> Any:
    """The request's body as it arrives; ends early when the client has gone."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return
        if message["body"]:
            yield message["body"]
        if not message.get("more_body"):
            return


async def _hello(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    await _whole(send, 200, b"hello, world")


async def _download(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    size = int(rest)
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % size)]
    await _answer(send, 200, content(size), headers)


async def _upload(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    size = 0
    digest = hashlib.sha256()
    async for piece in _pieces(receive):
        size += len(piece)
        digest.update(piece)
    answer = json.dumps({"size": size, "sha256": digest.hexdigest()}).encode()
    await _whole(send, 200, answer, b"application/json")


async def _echo(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    async for piece in _pieces(receive):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _status(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    await send({"type": "http.response.start", "status": int(rest), "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _slow(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(float(rest))
    await send({"type": "http.response.body", "body": b"at last", "more_body": False})


async def _late(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    await asyncio.sleep(float(rest))
    await _whole(send, 200, b"at last")


async def _hints(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    link = b"</pushed.css>; rel=preload; as=style"
    if "http.response.early_hint" in scope["extensions"]:
        await send({"type": "http.response.early_hint", "links": [link]})
    await _whole(send, 200, b"hinted")


async def _push(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    if "http.response.push" in scope["extensions"]:
        await send({"type": "http.response.push", "path": "/pushed.css", "headers": []})
    await _whole(send, 200, b"<link rel=stylesheet href=/pushed.css>\n", b"text/html")


async def _pushed(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    await _whole(send, 200, PUSHED, b"text/css")


async def _trailers(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    headers = [(b"trailer", b"x-sum")]
    start = {"type": "http.response.start", "status": 200, "headers": headers, "trailers": True}
    await send(start)
    await send({"type": "http.response.body", "body": b"summed", "more_body": False})
    sums = [(b"x-sum", b"42")]
    await send({"type": "http.response.trailers", "headers": sums, "more_trailers": False})


async def _cut(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    headers = [(b"content-length", b"100")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"0123456789", "more_body": False})


PAGES: dict[str, Callable[[Scope, Receive, Send, str], Awaitable[None]]] = {
    "cut": _cut,
    "delay": _late,
    "download": _download,
    "echo": _echo,
    "hello": _hello,
    "hints": _hints,
    "late": _late,
    "push": _push,
    "pushed.css": _pushed,
    "slow": _slow,
    "status": _status,
    "trailers": _trailers,
    "upload": _upload,
}


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def application() -> Application:
    """Our pages first, and httpbin for the rest."""
    with warnings.catch_warnings():
        # Whatever other people's modules say about themselves while they are imported.
        warnings.simplefilter("ignore")
        import httpbin
        from a2wsgi import WSGIMiddleware

        # hypercorn's own WSGI bridge answers 500 to every empty body (401, 304, HEAD).
        bridge: Any = WSGIMiddleware(httpbin.app)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        first, _, rest = scope["path"].lstrip("/").partition("/")
        page = PAGES.get(first)
        if page is not None:
            await page(scope, receive, send, rest)
        else:
            await bridge(scope, receive, send)

    return app
