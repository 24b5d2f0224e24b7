"""From the words of a command line to a request (``hyper --help`` shows them)."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlsplit

from .. import __version__

__all__ = ["Ask", "UsageError", "parse"]

METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)
PSEUDO_HEADERS: Final = frozenset((":authority", ":method", ":path", ":scheme"))

USAGE: Final = "hyper [-h] [--version] [--debug] [option ...] [METHOD] URL [REQUEST_ITEM ...]"

WORDS: Final = """\
words:
  METHOD          GET, POST, ... in capitals; without one it is GET, or POST when there is data
  URL             https:// may be left out; :8443/x is https://localhost:8443/x;
                  http:// speaks HTTP/2 without TLS, with prior knowledge;
                  demo:/get asks a small server that lives as long as the command
  REQUEST_ITEM    Name:value    a header            Accept:text/html
                  name==value   a query parameter   search==hyper
                  name=value    a JSON string       language=Python
                  name:=json    other JSON          stars:=5
                  :authority:x  a pseudo-header, instead of what the URL says

exit codes: 0 a response came, whatever its status; 1 error; 2 timeout; 130 interrupted
"""

ITEM_KINDS: Final = (
    "write Name:value for a header, name==value for a query parameter, name=value for a JSON "
    "string, name:=json for other JSON"
)


class UsageError(ValueError):
    """The command line says nothing that can be asked; the message says what to write."""


@dataclass
class Ask:
    """What the command line asks for.

    host     as in the URL; "" is the demo
    port     None is the scheme's own
    path     with its query, ready for the wire
    headers  in order; pseudo-headers among them
    body     None without data
    timeout  seconds
    verify   True, False, or the file whose certificates are trusted
    """

    method: str
    scheme: str
    host: str
    port: int | None
    path: str
    debug: bool
    timeout: float
    verify: bool | str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see hyper --help")


def parse(arguments: Sequence[str]) -> Ask:
    """Read a command line. Raises UsageError, and SystemExit(0) after --help or --version."""
    parser = _Parser(
        prog="hyper",
        usage=USAGE,
        description="Make one HTTP/2 request and show what comes back.",
        epilog=WORDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"hyper {__version__}")
    parser.add_argument("--debug", action="store_true", help="show each frame on stderr")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=30.0,
        help="the longest silence to put up with (default: 30)",
    )
    parser.add_argument(
        "--verify",
        metavar="yes|no|FILE",
        default="yes",
        help="whether to check the server's certificate, or against what (default: yes)",
    )
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    # Options may stand anywhere, also between the URL and the items.
    options = parser.parse_intermixed_args(arguments)
    method, url, items = _sorted(options.words)
    headers, query, data = _items(items)
    scheme, host, port, path = _target(url, query)
    ask = Ask(
        method=method or ("GET" if data is None else "POST"),
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        debug=options.debug,
        timeout=options.timeout,
        verify={"yes": True, "no": False}.get(options.verify, options.verify),
    )
    defaults = [("accept", "*/*"), ("user-agent", f"hyper/{__version__}")]
    if data is not None:
        # Spaced as the documentation has always shown it.
        ask.body = json.dumps(data).encode()
        defaults.append(("content-type", "application/json; charset=utf-8"))
    given = {name.lower() for name, _ in headers}
    ask.headers = [default for default in defaults if default[0] not in given]
    ask.headers += [(name, value) for name, value in headers if value]
    return ask


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _sorted(words: list[str]) -> tuple[str | None, str, list[str]]:
    """Tell METHOD, URL and items apart: the method may be missing."""
    if not words:
        raise UsageError("there is no URL; for a start: hyper demo:/get")
    first = words[0]
    known = first.upper() in METHODS
    if not known and (len(words) == 1 or not re.fullmatch("[A-Z][A-Z-]*", first)):
        return None, first, words[1:]
    if len(words) == 1:
        raise UsageError(f"there is no URL after {first}; for a start: hyper {first} demo:/get")
    return first.upper(), words[1], words[2:]


def _items(
    items: list[str],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], dict[str, Any] | None]:
    """Headers, query parameters and JSON fields, each in order; None for no field at all."""
    headers: list[tuple[str, str]] = []
    query: list[tuple[str, str]] = []
    data: dict[str, Any] = {}
    for item in items:
        if re.match("https?://", item):
            raise UsageError(
                f"{item!r} stands where a request item should; is the word before it a method in "
                "capitals?"
            )
        match = re.fullmatch("(:?[^:=]+)(:=|==|:|=)(.*)", item, re.DOTALL)
        if match is None:
            raise UsageError(f"{item!r} is not a request item; {ITEM_KINDS}")
        name, kind, value = match.groups()
        if name.startswith(":"):
            if name not in PSEUDO_HEADERS or kind != ":" or not value:
                known = ", ".join(sorted(PSEUDO_HEADERS))
                raise UsageError(
                    f"{item!r} is not a pseudo-header with its value; there are {known}"
                )
            headers.append((name, value))
        elif kind == ":":
            headers.append((name, value.strip(" \t")))
        elif kind == "==":
            query.append((name, value))
        elif kind == "=":
            data[name] = value
        else:
            try:
                data[name] = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"what stands after := in {item!r} is not JSON: {error}") from None
    return headers, query, data or None


def _target(url: str, query: list[tuple[str, str]]) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path with query of a URL as people write it."""
    if any(sign < " " or sign == "\x7f" for sign in url):
        raise UsageError(f"the URL {url!r} has control characters in it; percent-encode them")
    if url.startswith("demo:"):
        # The demo's own host and port come with the demo.
        full = "demo://demo/" + url.removeprefix("demo:").lstrip("/")
    elif re.match("[A-Za-z][A-Za-z0-9+.-]*://", url):
        full = url
    elif re.match(r":(\d|/|$)", url):
        full = f"https://localhost{url if url[1:2].isdigit() else url[1:]}"
    else:
        full = f"https://{url}"
    if "@" in re.split("[/?#]", full.partition("://")[2])[0]:
        # Not quoted: there may be a password in it.
        raise UsageError(
            "the URL has a user name in it, which is not sent; write Authorization:... instead"
        )
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"the URL {url!r} cannot be read: {error}") from None
    if parts.scheme not in ("https", "http", "demo"):
        raise UsageError(
            f"the scheme of {url!r} is not spoken here; there are https://, http:// and demo:/"
        )
    if not host or port == 0:
        raise UsageError(f"the URL {url!r} has no host, or port 0; write https://HOST[:PORT]/PATH")
    pairs = [f"{_quoted(name)}={_quoted(value)}" for name, value in query]
    if parts.query:
        pairs.insert(0, _quoted(parts.query, "/%:@!$&'()*+,;=?"))
    path = _quoted(parts.path or "/", "/%:@!$&'()*+,;=")
    return parts.scheme, host, port, f"{path}?{'&'.join(pairs)}" if pairs else path


def _quoted(text: str, safe: str = "") -> str:
    # Octets of the command line that are not text in its encoding stay what they are.
    return quote(text, safe=safe, errors="surrogateescape")
