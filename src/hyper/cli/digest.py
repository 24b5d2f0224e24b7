"""The answer to a Digest challenge (RFC 7616): we prove to know a password, and do not send it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from typing import Final, Protocol

from .credentials import password_of
from .failing import CommandError
from .request import Headers, Request

__all__ = ["Digest"]

#: What a challenge can name, and we can do; curl and HTTPie take these, too.
_ALGORITHMS: Final = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}

#: Answers to one server in a row: the second is for a nonce that it finds stale.
MOST_ANSWERS: Final = 2

# Possessive, and with an alternative for whatever there is: a server's 64 KiB of nonsense are gone
# through once, and not once from each of their octets.
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PART: Final = re.compile(
    rf'({_TOKEN})\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s,"]*+))|({_TOKEN})(?=[\s,]|$)'
    rf"|[\s,]++|{_TOKEN}|.",
    re.DOTALL,
)

Challenge = dict[str, str]


class Refusal(Protocol):
    """What is needed of a response here."""

    status: int

    def getheaders(self) -> Headers: ...


class Digest:
    """Credentials for one origin, which is told that we have them and not what they are.

    ``given`` is the value of --auth; a password that is missing there is asked for at once.
    """

    def __init__(self, given: str, request: Request) -> None:
        self.user, self.password = password_of(given, request.target)
        self.origin: tuple[str, str, int] | None = None  # that of the first response
        self.answers = 0

    def answered(self, request: Request, response: Refusal) -> Request | None:
        """The request again, with an answer to what ``response`` asks; None if it asks nothing.

        Raises CommandError where the body cannot be sent a second time.
        """
        self.origin = self.origin or request.target.origin
        if response.status != 401 or request.target.origin != self.origin:
            return None
        challenge = next(_answerable(response.getheaders()), None)
        stale = challenge is not None and challenge.get("stale", "").lower() == "true"
        if challenge is None or self.answers >= (MOST_ANSWERS if stale else 1):
            return None
        self.answers += 1
        if request.body is not None and not request.body.rewind():
            raise CommandError(
                f"{request.target.authority} asks who we are, and the body from standard input "
                "cannot be sent a second time: put it into a file"
            )
        again = Request(request.method, request.target, request.headers, request.body)
        again.set("authorization", self.value(challenge, request, os.urandom(16).hex()))
        return again

    def redirected(self, request: Request) -> Request:
        """The request that a redirect made, without the answer that was for the former path."""
        request.drop("authorization")
        self.answers = 0
        return request

    def value(self, challenge: Challenge, request: Request, cnonce: str) -> str:
        """The value of ``authorization`` (RFC 7616 §3.4); ``cnonce`` is our own part of it."""
        name = challenge.get("algorithm", "MD5")
        make = _ALGORITHMS[name.upper().removesuffix("-SESS")]

        def hashed(*parts: str) -> str:
            return make(":".join(parts).encode(errors="surrogateescape")).hexdigest()

        realm, nonce = challenge.get("realm", ""), challenge["nonce"]
        method, path, _ = request.on_the_wire()
        secret = hashed(self.user, realm, self.password)
        for_session = name.upper().endswith("-SESS")
        if for_session:
            secret = hashed(secret, nonce, cnonce)
        asked = hashed(method, path)
        hides_user = challenge.get("userhash", "").lower() == "true"
        quoted = {
            "username": hashed(self.user, realm) if hides_user else self.user,
            "realm": realm,
            "nonce": nonce,
            "uri": path,
        }
        plain = {"algorithm": name} if "algorithm" in challenge else {}
        if "qop" in challenge:
            # A nonce is used once, so it is always the first time.
            quoted["response"] = hashed(secret, nonce, "00000001", cnonce, "auth", asked)
            plain |= {"qop": "auth", "nc": "00000001"}
        else:
            quoted["response"] = hashed(secret, nonce, asked)
        if "qop" in challenge or for_session:
            quoted["cnonce"] = cnonce
        if "opaque" in challenge:
            quoted["opaque"] = challenge["opaque"]
        if hides_user:
            plain["userhash"] = "true"
        parts = [f'{key}="{_escaped(value)}"' for key, value in quoted.items()]
        return "Digest " + ", ".join([*parts, *(f"{key}={value}" for key, value in plain.items())])


def _answerable(fields: Headers) -> Iterator[Challenge]:
    """The challenges that we can answer; the server's favourite comes first (RFC 7616 §3.7)."""
    for scheme, challenge in _challenges(fields):
        algorithm = challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")
        ways = re.split(r"[\s,]+", challenge.get("qop", "auth").lower())
        known = algorithm in _ALGORITHMS and "auth" in ways
        if scheme == "digest" and "nonce" in challenge and known:
            yield challenge


def _challenges(fields: Headers) -> list[tuple[str, Challenge]]:
    """Schemes, and what they say of themselves (RFC 9110 §11.6.1)."""
    found: list[tuple[str, Challenge]] = []
    for field, value in fields:
        if field.lower() != "www-authenticate":
            continue
        for match in _PART.finditer(value):
            name, quoted, plain, scheme = match.groups()
            if scheme:
                found.append((scheme.lower(), {}))
            elif name and found:
                text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
                found[-1][1].setdefault(name.lower(), text)
    return found


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
