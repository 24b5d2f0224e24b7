"""URLs: as people write them on a command line, and as servers redirect to them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from .failing import CommandError, UsageError, one_line

__all__ = ["DEFAULT_PORTS", "Target", "read_url", "redirected"]

DEFAULT_PORTS: Final = {"https": 443, "http": 80}

# What may stand in a path and in a query as it is (RFC 3986 §3.3, §3.4); % since it was encoded.
_IN_PATH: Final = "/%:@!$&'()*+,;=~"
_IN_QUERY: Final = _IN_PATH + "?"


class Target(NamedTuple):
    """Whom to ask, and for what.

    scheme  https, http or demo; a demo has no host and port before it runs
    path    with its query, ready for the wire
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What has to be the same for credentials to be sent again (RFC 6454 §4)."""
        return self.scheme, self.host.lower(), self.port

    @property
    def authority(self) -> str:
        if self.scheme == "demo":
            return "demo"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def read_url(url: str, query: list[tuple[str, str]]) -> Target:
    """Understand a URL as people write it, and add parameters. Raises UsageError."""
    if any(sign < " " or sign == "\x7f" for sign in url):
        raise UsageError(f"the URL {url!r} has control characters in it; percent-encode them")
    if url[:5].lower() == "demo:":
        # The demo's own host and port come with the demo.
        full = "demo://demo/" + url[5:].lstrip("/")
    elif re.match(r"https?:(?!//|\d+(/|$))", url, re.IGNORECASE):
        raise UsageError(f"the URL {url!r} lacks // behind its scheme; write https://HOST/PATH")
    elif re.match("[A-Za-z][A-Za-z0-9+.-]*://", url):
        full = url
    elif re.match(r":(\d|/|$)", url):
        full = f"https://localhost{url if url[1:2].isdigit() else url[1:]}"
    else:
        full = f"https://{url}"
    if "@" in re.split("[/?#]", full.partition("://")[2])[0]:
        # Not quoted: there may be a password in it.
        raise UsageError("the URL has a user name in it, which is not sent; write --auth USER")
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"the URL {url!r} cannot be read: {error}") from None
    if parts.scheme not in ("https", "http", "demo"):
        raise UsageError(
            f"the scheme of {url!r} is not spoken here; there are https://, http:// and demo:/"
        )
    if host and "=" in host:
        raise UsageError(f"{url!r} stands where the URL should; request items come behind that")
    if not host or port == 0:
        raise UsageError(f"the URL {url!r} has no host, or port 0; write https://HOST[:PORT]/PATH")
    path = _path(parts.path, parts.query, query)
    return Target(parts.scheme, host, port or DEFAULT_PORTS.get(parts.scheme, 0), path)


def redirected(target: Target, location: str) -> Target:
    """Where ``location`` leads from ``target`` (RFC 9110 §10.2.2).

    A user name in it is not ours to send, and left out. Raises CommandError for what is not a URL
    of http or https.
    """
    try:
        if any(sign <= " " or sign == "\x7f" for sign in location.strip(" ")):
            raise ValueError("it has blanks or control characters in it")
        parts = urlsplit(urljoin(target.url, location.strip(" ")))
        host, port = parts.hostname, parts.port
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError("only http and https are followed")
        if not host or port == 0:
            raise ValueError("it names no host")
    except ValueError as error:
        raise CommandError(
            f"{target.authority} redirects to {one_line(location)[:200]!r}, which cannot be "
            f"followed: {error} (RFC 9110 §10.2.2)"
        ) from None
    path = _path(parts.path, parts.query, [])
    return Target(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], path)


def _path(path: str, given: str, query: list[tuple[str, str]]) -> str:
    pairs = [f"{_quoted(name)}={_quoted(value)}" for name, value in query]
    if given:
        pairs.insert(0, _quoted(given, _IN_QUERY))
    path = _quoted(path or "/", _IN_PATH)
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def _quoted(text: str, safe: str = "") -> str:
    # Octets of the command line that are not text in its encoding stay what they are.
    return quote(text, safe=safe, errors="surrogateescape")
