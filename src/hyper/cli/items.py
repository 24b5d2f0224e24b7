"""Request items: the words behind the URL, each a header, a parameter, a field or a file.

What an item is, the first separator in it says; ``SEPARATORS`` has them all. A backslash before a
sign of a separator, in the name, takes its meaning from it. Values are taken as they are.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .failing import UsageError, reason
from .nesting import nested

__all__ = ["PSEUDO_HEADERS", "Field", "Items", "Upload", "read_items"]

PSEUDO_HEADERS: Final = frozenset((":authority", ":method", ":path", ":scheme"))

#: What an item can be, by what stands behind its name; the longest that fits counts.
SEPARATORS: Final = (":=@", "==@", "=@", ":@", ":=", "==", "=", ":", "@")

#: Octets of a file that become a header, a parameter or a field; whole bodies are streamed.
MAX_EMBEDDED: Final = 16 * 2**20

ITEM_KINDS: Final = (
    "write Name:value for a header, name==value for a query parameter, name=value for a field, "
    "name:=json for other JSON, name@file for a file"
)


class Field(NamedTuple):
    """A field of the body: ``name`` as written, escapes and brackets included."""

    name: str
    value: Any


class Upload(NamedTuple):
    """A file to send; ``content_type`` only where the item says it."""

    name: str
    path: str
    content_type: str | None


class Items:
    """What the items of a command line say, each kind in their order.

    headers    a value of None takes a default header away
    query      parameters, not encoded yet
    fields     for a JSON object or a form
    uploads    files, for a multipart form
    body_file  the file that is the whole body; '-' is standard input
    """

    def __init__(self) -> None:
        self.headers: list[tuple[str, str | None]] = []
        self.query: list[tuple[str, str]] = []
        self.fields: list[Field] = []
        self.uploads: list[Upload] = []
        self.body_file: str | None = None

    @property
    def data(self) -> Any:
        """The fields as JSON: an object, or an array if their names begin with brackets."""
        return nested(self.fields)

    @property
    def form(self) -> Iterator[tuple[str, str]]:
        """The fields as text, for a form."""
        for name, value in self.fields:
            yield _plain(name), value if isinstance(value, str) else json.dumps(value)


def read_items(words: list[str]) -> Items:
    """Read request items. Raises UsageError for what is none, or whose file cannot be read."""
    items = Items()
    for word in words:
        _read(word, items)
    return items


def _read(word: str, items: Items) -> None:
    if re.match("https?://|demo:/", word):
        raise UsageError(
            f"{word!r} stands where a request item should: the URL comes first; is the word "
            "before it a method in capitals?"
        )
    if re.match(":[A-Za-z]", word):
        items.headers.append(_pseudo(word))
        return
    name, separator, value = _split(word)
    if separator == "@":
        _file(word, name, value, items)
    elif not name and separator not in ("=", ":=", "=@", ":=@"):
        raise UsageError(f"{word!r} is not a request item; {ITEM_KINDS}")
    elif separator in ("=", "=@", ":=", ":=@"):
        # Only a list of the whole body has nameless fields: []=x begins with a bracket.
        if not name:
            raise UsageError(f"{word!r} is not a request item: its field has no name")
        text = _embedded(value, word) if separator.endswith("@") else value
        is_json = separator.startswith(":")
        items.fields.append(Field(name, _json(text, word) if is_json else text))
    elif separator in ("==", "==@"):
        text = _embedded(value, word) if separator.endswith("@") else value
        items.query.append((_plain(name), text))
    elif separator == ";":
        items.headers.append((_plain(name), ""))
    else:
        text = _embedded(value, word).rstrip("\r\n") if separator == ":@" else value
        text = text.strip(" \t")
        items.headers.append((_plain(name), text or None))


def _split(word: str) -> tuple[str, str, str]:
    """Name, separator and value of an item, by the first separator that is not escaped."""
    at = 0
    while at < len(word):
        if word[at] == "\\":
            at += 2
            continue
        if word[at] == ";" and at == len(word) - 1:
            return word[:at], ";", ""
        for separator in SEPARATORS:
            if word.startswith(separator, at):
                return word[:at], separator, word[at + len(separator) :]
        at += 1
    raise UsageError(f"{word!r} is not a request item; {ITEM_KINDS}")


def _plain(name: str) -> str:
    """A name without the backslashes that escaped something."""
    return re.sub(r"\\([:=@;])", r"\1", name)


def _pseudo(word: str) -> tuple[str, str]:
    """The name and value of ``:authority:x``."""
    name, _, value = word[1:].partition(":")
    if f":{name}" not in PSEUDO_HEADERS or not value:
        known = ", ".join(sorted(PSEUDO_HEADERS))
        raise UsageError(f"{word!r} is not a pseudo-header with its value; there are {known}")
    return f":{name}", value


def _file(word: str, name: str, value: str, items: Items) -> None:
    path, _, content_type = value.partition(";type=")
    path = os.path.expanduser(path)
    if not path:
        raise UsageError(f"{word!r} names no file behind its @")
    if name:
        items.uploads.append(Upload(_plain(name), path, content_type or None))
    elif items.body_file is not None:
        raise UsageError(f"{word!r} is a second body; one @FILE is the whole of it")
    else:
        items.body_file = path
        if content_type:
            items.headers.append(("content-type", content_type))


def _embedded(path: str, word: str) -> str:
    """The text of a file that becomes part of a request."""
    try:
        with open(os.path.expanduser(path), "rb") as file:
            octets = file.read(MAX_EMBEDDED + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"the file of {word!r} cannot be read: {reason(error)}") from None
    if len(octets) > MAX_EMBEDDED:
        raise UsageError(
            f"the file of {word!r} has more than {MAX_EMBEDDED} octets; @FILE sends a whole file"
        )
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"the file of {word!r} is not text in UTF-8; name@FILE uploads any file"
        ) from None


def _json(text: str, word: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"what stands after := in {word!r} is not JSON: {error}") from None
