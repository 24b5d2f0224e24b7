"""Who we are to the server: --auth, or what ~/.netrc says."""

from __future__ import annotations

import os
import sys
from base64 import b64encode

from .arguments import Options
from .failing import UsageError, warn
from .target import Target

__all__ = ["ask_for_secret", "authorization", "password_of"]


def authorization(options: Options, target: Target) -> str | None:
    """The value of ``authorization`` for a target, or None. Raises UsageError."""
    if options.auth is not None:
        if options.auth_type == "bearer":
            return f"Bearer {_clean(options.auth)}"
        if options.auth_type == "digest":
            return None  # not before the server has asked
        return _basic(*password_of(options.auth, target))
    if options.ignore_netrc or target.scheme not in ("http", "https"):
        return None
    found = _from_netrc(target.host)
    return None if found is None else _basic(*found)


def password_of(given: str, target: Target) -> tuple[str, str]:
    """User and password of what --auth says; the password is asked for if it is not said."""
    user, colon, password = given.partition(":")
    return _clean(user), _clean(password) if colon else _asked_for(user, target)


def _basic(user: str, password: str) -> str:
    octets = f"{_clean(user)}:{_clean(password)}".encode(errors="surrogateescape")
    return f"Basic {b64encode(octets).decode()}"


def _clean(text: str) -> str:
    if any(sign < " " or sign == "\x7f" for sign in text):
        raise UsageError("the credentials have control characters in them (RFC 7617 §2)")
    return text


def _asked_for(user: str, target: Target) -> str:
    password = ask_for_secret(f"password of {user} at {target.authority}: ")
    if password is None:
        raise UsageError("--auth has no password: write USER:PASSWORD, or USER: for an empty one")
    return password


def ask_for_secret(prompt: str) -> str | None:
    """Ask at the terminal, without showing what is typed; None if nobody is there to answer."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    from getpass import getpass

    try:
        return getpass(prompt)
    except (EOFError, KeyboardInterrupt) as error:
        # What is said next deserves a line of its own.
        print(file=sys.stderr)
        if isinstance(error, EOFError):
            return None
        raise


def _from_netrc(host: str) -> tuple[str, str] | None:
    """User and password for exactly this host, or those of ``default``."""
    path = os.environ.get("NETRC")
    if path is None:
        home = os.path.expanduser("~")
        paths = [os.path.join(home, name) for name in (".netrc", "_netrc")]
        path = next((path for path in paths if os.path.isfile(path)), None)
    if not path or not os.path.isfile(path):
        return None
    from netrc import NetrcParseError, netrc

    try:
        found = netrc(path).authenticators(host)
    except (NetrcParseError, OSError, ValueError) as error:
        said = error.msg if isinstance(error, NetrcParseError) else error
        warn(f"{path} is not understood, and not used: {said}; --ignore-netrc says no more of it")
        return None
    if found is None:
        return None
    user, _, password = found
    return user or "", password or ""
