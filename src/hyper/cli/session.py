"""Sessions: headers, credentials and cookies that a file keeps for the next command.

A session is a file that only its owner can read. Headers and credentials in it are for the
origin they were given for, and cookies for whom they were set.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .failing import CommandError, UsageError, reason
from .request import Headers, Request
from .target import Target

if TYPE_CHECKING:
    from .cookies import Jar

__all__ = ["Session", "session_path"]

#: Fields that belong to one request, and not to the next one.
_NOT_KEPT: Final = re.compile("content-|if-|range$|cookie$|host$|expect$|:")

#: Octets of a session file that we are willing to read.
MAX_FILE: Final = 4 * 2**20


class Session:
    """What is known for an origin, and whom to tell.

    path       the file; None keeps nothing beyond this command
    read_only  use the file, and leave it as it is
    """

    def __init__(self, path: str | None = None, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._headers: dict[str, Headers] = {}
        self._jar: Jar | None = None
        if path is not None:
            self._load(path)

    def headers(self, target: Target) -> Headers:
        """The fields that were given before for this origin."""
        return self._headers.get(_name(target), [])

    def remember(self, target: Target, request: Request) -> None:
        """Keep the fields of a request for the next time, but for those that it had anyway."""
        kept = [
            (name.lower(), value)
            for name, value in request.headers
            if not _NOT_KEPT.match(name.lower()) and (name, value) not in request.defaults
        ]
        if kept:
            self._headers[_name(target)] = kept
        else:
            self._headers.pop(_name(target), None)

    def cookies(self, target: Target) -> str | None:
        """The cookies for a target, as one field's value."""
        return self._jar.header(target) if self._jar is not None else None

    def take_cookies(self, target: Target, fields: Headers) -> None:
        """Keep what a response sets."""
        values = [value for name, value in fields if name.lower() == "set-cookie"]
        if values:
            self._cookies().take(target, values)

    def save(self) -> None:
        """Write the file, readable by its owner alone; whole, or not at all."""
        if self.path is None or self.read_only:
            return
        kept = {
            "about": "a session of hyper; it may hold passwords",
            "headers": self._headers,
            "cookies": self._jar.dump() if self._jar is not None else [],
        }
        beside = f"{self.path}.{os.getpid()}.new"
        try:
            os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            try:
                with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
                    json.dump(kept, file, indent=4)
                    file.write("\n")
                os.replace(beside, self.path)
            except BaseException:
                with suppress(OSError):
                    os.remove(beside)
                raise
        except OSError as error:
            raise CommandError(
                f"the session {self.path!r} cannot be written: {error.strerror}"
            ) from None

    def _load(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                octets = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise CommandError(f"the session {path!r} cannot be read: {reason(error)}") from None
        try:
            if len(octets) > MAX_FILE:
                raise CommandError(f"it has more than {MAX_FILE} octets")
            kept: Any = _json(octets)
            for origin, fields in kept["headers"].items():
                self._headers[origin] = [(str(name), str(value)) for name, value in fields]
            if kept["cookies"]:
                self._cookies().load(kept["cookies"])
        except (CommandError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = error if isinstance(error, CommandError) else "there is something else in it"
            raise CommandError(
                f"{path!r} is no session of hyper: {why}; it is left as it is: name another, or "
                "remove it"
            ) from None

    def _cookies(self) -> Jar:
        if self._jar is None:
            from .cookies import Jar

            self._jar = Jar()
        return self._jar


def _json(octets: bytes) -> Any:
    try:
        return json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"it is not JSON: {error}") from None


def session_path(name: str, target: Target) -> str:
    """Where a session of this name is kept: a path as it is, a name in a folder of its host."""
    if "/" in name or os.sep in name:
        return os.path.expanduser(name)
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise UsageError(
            f"a session's name has letters, digits, '_', '-' and '.' in it, not {name!r}; a file "
            "is named with a slash: ./FILE"
        )
    if sys.platform == "win32":
        home = os.environ.get("APPDATA") or os.path.expanduser("~")
    else:
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    host = re.sub(r"[^\w.-]", "_", target.authority)
    return os.path.join(home, "hyper", "sessions", host, f"{name}.json")


def _name(target: Target) -> str:
    return "{}://{}:{}".format(*target.origin)
