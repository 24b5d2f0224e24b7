"""One request, and what a redirect makes of it."""

from __future__ import annotations

from typing import Final

from .. import __version__
from ..common.coding import accept_encoding
from .arguments import Options
from .body import JSON, RequestBody, make_body
from .failing import CommandError, UsageError
from .items import Items
from .target import Target, redirected

__all__ = ["REDIRECTS", "Request", "follow", "make_request"]

#: Statuses that --follow goes along with, where they say whereto.
REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))

#: What is nobody's business but the origin's that it was given for (RFC 9110 §15.4). Host and
#: ``:authority`` are not secret, but name the first origin.
FOR_ONE_ORIGIN: Final = frozenset(
    ("authorization", "cookie", "proxy-authorization", "host", ":authority")
)

#: What describes a body, and goes with it; expect, because it speaks of one.
ABOUT_THE_BODY: Final = frozenset(("expect", "transfer-encoding", "trailer"))

Headers = list[tuple[str, str]]


class Request:
    """What is asked, of whom.

    headers   in order, pseudo-headers among them
    defaults  those of them that nobody has asked for
    """

    defaults: Headers = []  # noqa: RUF012 - replaced, and never added to

    def __init__(
        self, method: str, target: Target, headers: Headers, body: RequestBody | None
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    def has(self, name: str) -> bool:
        return any(given.lower() == name for given, _ in self.headers)

    def set(self, name: str, value: str) -> None:
        """Let the field have this value and no other."""
        self.drop(name)
        self.headers.append((name, value))

    def drop(self, name: str) -> None:
        """Take the field out, however it is spelled."""
        self.headers = [field for field in self.headers if field[0].lower() != name]

    def on_the_wire(self) -> tuple[str, str, Headers]:
        """Method, path and fields as they are sent, for somebody to read."""
        pseudo = {name: value for name, value in self.headers if name.startswith(":")}
        plain = [(name.lower(), value) for name, value in self.headers if name not in pseudo]
        host = [value for name, value in plain if name == "host"]
        authority = pseudo.get(":authority") or (host[0] if host else self.target.authority)
        fields = [("host", authority), *(field for field in plain if field[0] != "host")]
        if self.body is not None and not self.has("content-length"):
            size = self.body.size
            if size is not None:
                fields.append(("content-length", str(size)))
        elif self.body is None and self.method in ("POST", "PUT", "PATCH"):
            fields.append(("content-length", "0"))
        method = pseudo.get(":method", self.method)
        return method, pseudo.get(":path", self.target.path), fields


def make_request(options: Options, items: Items, target: Target, known: Headers) -> Request:
    """The request that a command line asks for.

    ``known`` are fields from elsewhere, such as a session, that items override. Raises UsageError.
    """
    body = make_body(options, items)
    json = options.body_type == "json" or (options.body_type is None and bool(items.fields))
    # A part of coded octets cannot be decoded (RFC 9110 §14.1.2).
    ranged = any(name.lower() == "range" for name, _ in (*items.headers, *known))
    defaults = [
        # Who says JSON would like JSON back.
        ("accept", "application/json, */*;q=0.5" if json else "*/*"),
        ("user-agent", f"hyper/{__version__}"),
        ("accept-encoding", "identity" if ranged else _codings(options)),
    ]
    if body is not None and body.content_type is not None:
        defaults.append(("content-type", body.content_type))
    elif options.body_type == "json":
        defaults.append(("content-type", JSON))
    for name, value in items.headers:
        if any(sign in "\r\n\0" for sign in f"{name}{value}"):
            # The value may be a secret.
            raise UsageError(f"the header {name!r} may not hold CR, LF or NUL (RFC 9113 §8.2.1)")
    given = {name.lower() for name, _ in items.headers}
    headers = [(name, value) for name, value in items.headers if value is not None]
    known = [(name, value) for name, value in known if name.lower() not in given]
    given.update(name.lower() for name, _ in known)
    defaults = [default for default in defaults if default[0] not in given]
    method = options.method or ("GET" if body is None else "POST")
    request = Request(method, target, defaults + known + headers, body)
    request.defaults = defaults
    return request


def _codings(options: Options) -> str:
    # What is saved may have to be gone on with some day, and octets are counted while it comes.
    if options.download or not options.compressed:
        return "identity"
    return accept_encoding().decode()


def follow(request: Request, status: int, location: str) -> Request:
    """The request that a redirect asks for (RFC 9110 §15.4).

    303 is answered by GET; so are 301 and 302 after POST, as everybody does; else method and
    body stay. What was given for one origin is not sent to another. Raises CommandError.
    """
    target = redirected(request.target, location)
    method, body = request.method, request.body
    # These overrode what the former URL said.
    dropped = {":method", ":path", ":scheme"}
    if target.origin != request.target.origin:
        dropped |= FOR_ONE_ORIGIN
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
    headers = [
        (name, value)
        for name, value in request.headers
        if name.lower() not in dropped and not (body is None and _about_body(name.lower()))
    ]
    if body is not None and not body.rewind():
        raise CommandError(
            f"{request.target.authority} redirects with {status}, and the body from standard "
            "input cannot be sent a second time: put it into a file"
        )
    return Request(method, target, headers, body)


def _about_body(name: str) -> bool:
    return name in ABOUT_THE_BODY or name.startswith("content-")
