"""Cookies between the requests of one command, and of one session (RFC 6265).

The rules are those of ``http.cookiejar``, which is loaded only when there is a cookie.
"""

from __future__ import annotations

import re
import time
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any, cast

from .target import Target

__all__ = ["Jar"]

#: What a session keeps of a cookie; the rest of http.cookiejar's attributes is RFC 2965's.
_KEPT = ("name", "value", "domain", "path", "expires", "secure")

# More seconds than a float can count; http.cookiejar would warn of itself, by a traceback.
_FOR_EVER = re.compile(r"(max-age\s*=\s*\"?)\d{18,}", re.IGNORECASE)


class Jar:
    """Cookies, each for whom it was set."""

    def __init__(self) -> None:
        policy = DefaultCookiePolicy(
            # Country codes' second levels, such as co.uk, are nobody's domain.
            strict_domain=True,
            # What names no domain is for that host, and not for those below it (RFC 6265 §5.3).
            strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain,
        )
        self._jar = CookieJar(policy)

    def header(self, target: Target) -> str | None:
        """The value of ``cookie`` for a target, or None."""
        request = _Request(target)
        self._jar.add_cookie_header(cast(Any, request))
        return request.cookie

    def take(self, target: Target, values: list[str]) -> None:
        """Keep what ``set-cookie`` fields say, as far as they may."""
        values = [_FOR_EVER.sub(r"\g<1>9999999999", value) for value in values]
        self._jar.extract_cookies(cast(Any, _Response(values)), cast(Any, _Request(target)))

    def dump(self) -> list[dict[str, Any]]:
        """What a file keeps; cookies that live as long as the session as well."""
        now = time.time()
        return [
            {key: getattr(cookie, key) for key in _KEPT}
            | {"host_only": not cookie.domain_specified}
            for cookie in self._jar
            if not cookie.is_expired(int(now))
        ]

    def load(self, kept: list[dict[str, Any]]) -> None:
        """Take back what ``dump`` gave. Raises KeyError, TypeError and ValueError."""
        for each in kept:
            name, value, domain, path = (each[key] for key in ("name", "value", "domain", "path"))
            if not all(isinstance(text, str) for text in (name, value, domain, path)):
                raise TypeError("name, value, domain and path of a cookie are text")
            expires = each["expires"]
            host_only = bool(each.get("host_only", True))
            self._jar.set_cookie(
                Cookie(
                    version=0,
                    name=name,
                    value=value,
                    port=None,
                    port_specified=False,
                    domain=domain,
                    domain_specified=not host_only,
                    domain_initial_dot=domain.startswith("."),
                    path=path,
                    path_specified=True,
                    secure=bool(each["secure"]),
                    expires=None if expires is None else int(expires),
                    discard=expires is None,
                    comment=None,
                    comment_url=None,
                    rest={},
                )
            )


class _Request:
    """What http.cookiejar wants to see of a request."""

    def __init__(self, target: Target) -> None:
        self.type = target.scheme
        self.host = target.authority
        self.origin_req_host = target.host
        self.unverifiable = False
        self.cookie: str | None = None
        self._url = target.url

    def get_full_url(self) -> str:
        return self._url

    def has_header(self, name: str) -> bool:
        return False

    def get_header(self, name: str, default: str | None = None) -> str | None:
        return default

    def add_unredirected_header(self, name: str, value: str) -> None:
        if name == "Cookie":
            self.cookie = value


class _Response:
    """And of a response."""

    def __init__(self, values: list[str]) -> None:
        self._values = values

    def info(self) -> _Response:
        return self

    def get_all(self, name: str, default: list[str]) -> list[str]:
        return self._values if name.lower() == "set-cookie" else default
