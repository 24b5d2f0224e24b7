"""What the demo answers: a small http2bin, with the JSON shapes of httpbin.

An endpoint is a generator of ``steps``. It never waits: it says ``Pause`` or
``None`` and is asked again.

What only one endpoint needs is imported there: the command starts this for a single request.
"""

from __future__ import annotations

import base64
import importlib
import json
import zlib
from collections.abc import Callable, Generator, Iterator
from time import gmtime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from .. import __version__
from ..common.exchange import Fields
from ..http20.exceptions import ErrorCode
from . import site
from .steps import GoAway, Head, Pause, Push, Request, Reset, Step, Trailers

__all__ = ["ROUTES", "answer", "seeded_chunks"]

#: Octets of a request's body that the echoing endpoints keep; /digest and /echo take any number.
MAX_BODY: Final = 16 * 2**20
#: Octets that /bytes gives at most.
MAX_BYTES: Final = 2**36
#: Seconds that /delay and /drip take at most, as in httpbin.
MAX_SECONDS: Final = 10.0
CHUNK_SIZE: Final = 65_536

_DAYS: Final = "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)

Steps = Generator[Step, None, None]


def seeded_chunks(size: int, seed: int | None = None) -> Iterator[bytes]:
    """The ``size`` octets that ``/bytes/size?seed=seed`` gives, in pieces of 64 KiB at most.

    A reader who knows the seed can so check a download that fits into no memory.
    """
    from random import Random

    source = Random(seed)
    for at in range(0, size, CHUNK_SIZE):
        yield source.randbytes(min(CHUNK_SIZE, size - at))


def answer(request: Request) -> Steps:
    """The steps that answer a request; mistakes in it get a 4xx that says what to do."""
    if request.header(b"expect") == b"100-continue" and not request.ended:
        yield Head(100, [])
    path = request.target.partition("?")[0]
    _, _, rest = path.partition("/")
    name, _, argument = rest.partition("/")
    route = ROUTES.get(name)
    if route is None or (bool(argument) != route.takes_argument and name != "anything"):
        yield from _text(404, f"nothing is at {path}; this demo answers at\n\n{_overview()}")
    elif request.method not in route.methods and "*" not in route.methods:
        allow = ", ".join(route.methods)
        text = f"{path} does not take {request.method}; it takes {allow}\n"
        yield from _text(405, text, [(b"allow", allow.encode())])
    else:
        try:
            yield from route.steps(request, argument)
        except ValueError as error:
            yield from _text(400, f"{error}\n")


# Answers


def _fields(content_type: str | None, more: Fields) -> list[tuple[bytes, bytes]]:
    fields = [(b"server", f"hyper-demo/{__version__}".encode()), (b"date", _date().encode())]
    if content_type:
        fields.append((b"content-type", content_type.encode()))
    return [*fields, *more]


def _date() -> str:
    """The time as RFC 9110 §5.6.7 writes it; what the library has for it takes half of e-mail."""
    year, month, day, hour, minute, second, weekday = gmtime()[:7]
    return (
        f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year} "
        f"{hour:02}:{minute:02}:{second:02} GMT"
    )


def _whole(status: int, content_type: str | None, body: bytes, more: Fields | None = None) -> Steps:
    fields = _fields(content_type, more or [])
    if status not in (204, 304):
        fields.append((b"content-length", b"%d" % len(body)))
    yield Head(status, fields)
    if body:
        yield body


def _text(status: int, text: str, more: Fields | None = None) -> Steps:
    return _whole(status, "text/plain; charset=utf-8", text.encode(), more)


def _json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def _json(value: Any, more: Fields | None = None) -> Steps:
    return _whole(200, "application/json", _json_bytes(value), more)


# Requests


def _number(
    text: str, what: str, most: float, kind: type[int] | type[float] = int, least: int = 0
) -> Any:
    """A number from ``least`` to ``most``; ValueError says what it should be."""
    try:
        number = kind(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ValueError(f"{what} is a number from {least} to {most:.0f}, not {text!r}")
    return number


def _query(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.target.partition("?")[2], keep_blank_values=True)


def _argument(request: Request, name: str, default: str) -> str:
    return _query(request).get(name, [default])[-1]


def _single(values: dict[str, list[str]]) -> dict[str, str | list[str]]:
    return {name: value[0] if len(value) == 1 else value for name, value in values.items()}


def _headers(fields: Fields) -> dict[str, str]:
    """Fields as httpbin shows them: title-cased, repeated ones joined (RFC 9110 §5.3)."""
    shown: dict[str, str] = {}
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("latin-1").title(), raw_value.decode("latin-1")
        joint = "; " if name == "Cookie" else ","
        shown[name] = f"{shown[name]}{joint}{value}" if name in shown else value
    return shown


def _about(request: Request) -> dict[str, Any]:
    headers = _headers(request.headers)
    headers.setdefault("Host", request.authority)
    url = f"{request.scheme}://{headers['Host']}{request.target}"
    args = _single(_query(request))
    return {"args": args, "headers": headers, "origin": request.origin, "url": url}


def _read(request: Request) -> Generator[Step, None, bytes | None]:
    """The whole body of a request; ``None`` when there is too much of it."""
    body = bytearray()
    while not request.ended or request.chunks:
        if not request.chunks:
            yield None
        body += request.take()
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _about_body(request: Request, body: bytes) -> dict[str, Any]:
    said = request.header(b"content-type") or b""
    content_type = said.partition(b";")[0].strip().lower()
    form: dict[str, str | list[str]] = {}
    if content_type == b"multipart/form-data":
        return {"data": "", "json": None, **_about_parts(body, said)}
    data = _shown(body)
    if content_type == b"application/x-www-form-urlencoded":
        form, data = _single(parse_qs(data, keep_blank_values=True)), ""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    return {"data": data, "files": {}, "form": form, "json": parsed}


def _about_parts(body: bytes, content_type: bytes) -> dict[str, Any]:
    from .multipart import read_parts

    values: dict[bool, dict[str, list[str]]] = {False: {}, True: {}}
    for name, is_file, kind, data in read_parts(body, content_type):
        values[is_file].setdefault(name, []).append(_shown(data, kind))
    return {"form": _single(values[False]), "files": _single(values[True])}


def _shown(octets: bytes, content_type: str = "application/octet-stream") -> str:
    """Octets as JSON can have them: text, or a data URL, as httpbin does."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return f"data:{content_type};base64,{base64.b64encode(octets).decode()}"


# Endpoints, in the order of the overview


def _index(request: Request, argument: str) -> Steps:
    from html import escape

    rows = "".join(
        f"<li><a href='{escape(route.example)}'><code>{escape(route.path)}</code></a> "
        f"{escape(route.says)}</li>\n"
        for route in ROUTES.values()
    )
    page = (
        "<!DOCTYPE html>\n<html lang='en'>\n<head><title>hyper's demo</title></head>\n<body>\n"
        f"<h1>hyper's demo</h1>\n<p>Over HTTP/2 you find here:</p>\n<ul>\n{rows}</ul>\n"
        "</body>\n</html>\n"
    )
    return _whole(200, "text/html; charset=utf-8", page.encode())


def _get(request: Request, argument: str) -> Steps:
    return _json(_about(request))


def _post(request: Request, argument: str) -> Steps:
    return _echo_json(request, {})


def _anything(request: Request, argument: str) -> Steps:
    return _echo_json(request, {"method": request.method})


def _echo_json(request: Request, more: dict[str, Any]) -> Steps:
    body = yield from _read(request)
    if body is None:
        yield from _text(413, f"more than {MAX_BODY} octets; /digest and /echo take any number\n")
        return
    if request.trailers:
        more["trailers"] = _headers(request.trailers)
    yield from _json(_about(request) | _about_body(request, body) | more)


def _digest(request: Request, argument: str) -> Steps:
    from hashlib import sha256

    size, digest = 0, sha256()
    while not request.ended or request.chunks:
        if not request.chunks:
            yield None
        chunk = request.take()
        size += len(chunk)
        digest.update(chunk)
    yield from _json({"sha256": digest.hexdigest(), "size": size})


def _echo(request: Request, argument: str) -> Steps:
    kind = request.header(b"content-type") or b"application/octet-stream"
    yield Head(200, _fields(None, [(b"content-type", kind)]))
    while not request.ended or request.chunks:
        if request.chunks:
            yield request.take()
        else:
            yield None


def _headers_only(request: Request, argument: str) -> Steps:
    return _json({"headers": _about(request)["headers"]})


def _ip(request: Request, argument: str) -> Steps:
    return _json({"origin": request.origin})


def _user_agent(request: Request, argument: str) -> Steps:
    return _json({"user-agent": (request.header(b"user-agent") or b"").decode("latin-1")})


def _status(request: Request, argument: str) -> Steps:
    status = _number(argument, "a final status", 599, least=200)
    more = [(b"location", b"/get")] if status in (301, 302, 303, 307, 308) else []
    return _whole(status, None, b"", more)


def _redirect(request: Request, argument: str) -> Steps:
    left = _number(argument, "the number of redirects", 100)
    location = f"/redirect/{left - 1}" if left > 1 else "/get"
    return _whole(302, None, b"", [(b"location", location.encode())])


def _bytes(request: Request, argument: str) -> Steps:
    size = _number(argument, "the number of octets", MAX_BYTES)
    seed = _argument(request, "seed", "")
    chunks = seeded_chunks(size, _number(seed, "seed", 2**63) if seed else None)
    more = [(b"content-length", b"%d" % size)]
    yield Head(200, _fields("application/octet-stream", more))
    yield from chunks


def _stream(request: Request, argument: str) -> Steps:
    lines = _number(argument, "the number of lines", 10_000)
    about = _about(request)
    yield Head(200, _fields("application/json", []))
    for number in range(lines):
        yield (json.dumps({"id": number, **about}) + "\n").encode()


def _delay(request: Request, argument: str) -> Steps:
    yield Pause(min(MAX_SECONDS, _number(argument, "the delay", 1e9, float)))
    yield from _post(request, argument)


def _drip(request: Request, argument: str) -> Steps:
    count = _number(_argument(request, "numbytes", "10"), "numbytes", MAX_BODY)
    duration = _number(_argument(request, "duration", "2"), "duration", MAX_SECONDS, float)
    delay = _number(_argument(request, "delay", "0"), "delay", MAX_SECONDS, float)
    yield Pause(delay)
    more = [(b"content-length", b"%d" % count)]
    yield Head(200, _fields("application/octet-stream", more))
    for _ in range(count):
        yield b"*"
        yield Pause(duration / count)


def _gzip(request: Request, argument: str) -> Steps:
    from gzip import compress

    return _coded(request, "gzipped", b"gzip", compress)


def _deflate(request: Request, argument: str) -> Steps:
    return _coded(request, "deflated", b"deflate", zlib.compress)


def _coded(request: Request, says: str, coding: bytes, compress: Callable[[bytes], bytes]) -> Steps:
    about = _about(request)
    about = {says: True, "method": request.method} | {
        name: about[name] for name in ("headers", "origin")
    }
    more = [(b"content-encoding", coding)]
    return _whole(200, "application/json", compress(_json_bytes(about)), more)


def _brotli(request: Request, argument: str) -> Steps:
    return _coded_by(request, ("brotli", "brotlicffi"), "brotli", b"br")


def _zstd(request: Request, argument: str) -> Steps:
    return _coded_by(request, ("compression.zstd", "backports.zstd"), "zstd", b"zstd")


def _coded_by(request: Request, modules: tuple[str, ...], extra: str, coding: bytes) -> Steps:
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return _coded(request, extra, coding, module.compress)
    return _text(
        501,
        f'{extra} is not installed where this demo runs: python -m pip install "hyper[{extra}]"\n',
    )


def _etag(request: Request, argument: str) -> Steps:
    tag = b'"%s"' % argument.encode()
    asked = [part.strip() for part in (request.header(b"if-none-match") or b"").split(b",")]
    if tag in asked or b"*" in asked:
        yield Head(304, _fields(None, [(b"etag", tag)]))
    else:
        yield from _json(_about(request), [(b"etag", tag)])


def _trailers(request: Request, argument: str) -> Steps:
    from hashlib import sha256

    body = _json_bytes(_about(request))
    yield Head(200, _fields("application/json", [(b"trailer", b"x-sha256")]))
    yield body
    yield Trailers([(b"x-sha256", sha256(body).hexdigest().encode())])


def _hints(request: Request, argument: str) -> Steps:
    yield Head(103, [(b"link", b"</style.css>; rel=preload; as=style")])
    yield from _get(request, argument)


def _push(request: Request, argument: str) -> Steps:
    for path in site.PUSHED:
        yield Push(path)
    yield from _whole(200, "text/html; charset=utf-8", site.PUSHING.encode())


def _page(request: Request, argument: str) -> Steps:
    yield Head(103, [(b"link", b"</assets/style.css>; rel=preload; as=style")])
    for path in site.PUSHED:
        yield Push(path)
    yield from _whole(200, "text/html; charset=utf-8", site.PAGE.encode())


def _asset(request: Request, argument: str) -> Steps:
    asset = site.ASSETS.get(argument)
    if asset is None:
        yield from _text(404, f"the assets of /page are {', '.join(sorted(site.ASSETS))}\n")
        return
    body = asset.body()
    yield Pause(asset.wait)
    more = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"max-age=60")]
    yield Head(200, _fields(asset.content_type, more))
    # As if it came from afar: in pieces, with pauses.
    step = -(-len(body) // asset.pieces)
    for at in range(0, len(body), step):
        if at:
            yield Pause(asset.pause)
        yield body[at : at + step]


def _reset(request: Request, argument: str) -> Steps:
    yield Reset(_code(request, ErrorCode.INTERNAL_ERROR))


def _cut(request: Request, argument: str) -> Steps:
    yield Head(200, _fields("application/octet-stream", [(b"content-length", b"2000")]))
    yield bytes(1000)
    yield Reset(_code(request, ErrorCode.INTERNAL_ERROR))


def _goaway(request: Request, argument: str) -> Steps:
    yield GoAway(_code(request, ErrorCode.NO_ERROR))
    yield from _get(request, argument)


def _code(request: Request, default: int) -> int:
    code: int = _number(_argument(request, "code", str(int(default))), "code", 2**32 - 1)
    return code


class Route(NamedTuple):
    path: str
    methods: tuple[str, ...]
    says: str
    steps: Callable[[Request, str], Steps]
    example: str

    @property
    def takes_argument(self) -> bool:
        return self.path.count("/") > 1


_READ: Final = ("GET", "HEAD")
_ANY: Final = ("*",)


def _routes() -> Iterator[Route]:
    yield Route("/", _READ, "this page", _index, "/")
    yield Route("/get", _READ, "what was asked, as JSON", _get, "/get?a=1")
    yield Route("/post", ("POST",), "the same with the body", _post, "/post")
    yield Route("/put", ("PUT",), "the same by PUT", _post, "/put")
    yield Route("/patch", ("PATCH",), "the same by PATCH", _post, "/patch")
    yield Route("/delete", ("DELETE",), "the same by DELETE", _post, "/delete")
    yield Route("/anything", _ANY, "the same, any method and path", _anything, "/anything/x")
    yield Route("/digest", ("POST", "PUT"), "size and SHA-256 of any upload", _digest, "/digest")
    yield Route("/upload", ("POST", "PUT"), "the same under a plainer name", _digest, "/upload")
    yield Route("/echo", ("POST", "PUT"), "the body, while it is coming in", _echo, "/echo")
    yield Route("/headers", _READ, "the request's header fields", _headers_only, "/headers")
    yield Route("/ip", _READ, "the client's address", _ip, "/ip")
    yield Route("/user-agent", _READ, "the client's name", _user_agent, "/user-agent")
    yield Route("/status/N", _ANY, "a response with status N", _status, "/status/418")
    yield Route("/redirect/N", _READ, "N redirects, then /get", _redirect, "/redirect/3")
    yield Route("/bytes/N", _READ, "N random octets; ?seed=", _bytes, "/bytes/1024?seed=7")
    yield Route("/stream/N", _READ, "N lines of JSON, a frame each", _stream, "/stream/3")
    yield Route("/delay/N", _ANY, "an answer after N seconds, 10 at most", _delay, "/delay/1")
    yield Route("/drip", _READ, "?numbytes=10&duration=2&delay=0", _drip, "/drip")
    yield Route("/gzip", _READ, "compressed with gzip", _gzip, "/gzip")
    yield Route("/deflate", _READ, "compressed with deflate (zlib)", _deflate, "/deflate")
    yield Route("/brotli", _READ, "compressed with brotli, if installed", _brotli, "/brotli")
    yield Route("/zstd", _READ, "compressed with zstd, if installed", _zstd, "/zstd")
    yield Route("/etag/X", _READ, '304 to If-None-Match: "X"', _etag, "/etag/abc")
    yield Route("/trailers", _READ, "fields after the body", _trailers, "/trailers")
    yield Route("/hints", _READ, "103 Early Hints first", _hints, "/hints")
    yield Route("/early-hints", _READ, "the same", _hints, "/early-hints")
    yield Route("/push", _READ, "a page that pushes what it links", _push, "/push")
    yield Route("/page", _READ, "a page with much to fetch, from afar", _page, "/page")
    yield Route("/assets/X", _READ, "what /page links", _asset, "/assets/style.css")
    yield Route("/reset", _ANY, "RST_STREAM instead of an answer; ?code=", _reset, "/reset")
    yield Route("/cut", _READ, "half a body, then RST_STREAM; ?code=", _cut, "/cut")
    yield Route("/goaway", _READ, "GOAWAY, then an answer; ?code=", _goaway, "/goaway")


#: By the first segment of their path.
ROUTES: Final = {route.path.split("/")[1]: route for route in _routes()}


def _overview() -> str:
    return "".join(
        f"  {'' if route.methods in (_READ, _ANY) else route.methods[0]:6} {route.path:12} "
        f"{route.says}\n"
        for route in ROUTES.values()
    )
