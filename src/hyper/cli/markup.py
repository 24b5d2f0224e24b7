"""Start tags of a page of HTML, found in time that grows as its octets do and no faster.

No parser: a tag is well-formed or is not found. The standard library's, which finds them all, can
be kept busy for hours by a page of some megabytes that is meant badly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

__all__ = ["tags"]

# A comment, which may go on to the end; or a start tag. Outside of quotes there is no ``<`` in one,
# so an attempt that fails ends at the next tag. What was taken is never given back.
_PIECE: Final = re.compile(
    r"""<!--.*?(?:-->|\Z)|<([A-Za-z][^\s/<>]*+)((?:[^<>"']|"[^"]*+"|'[^']*+')*+)>""", re.DOTALL
)
_ATTRIBUTE: Final = re.compile(
    r"""([^\s"'<>/=]++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"'<>]++)))?"""
)

#: Elements with text that is no markup, and where it ends.
_RAW: Final = {
    name: re.compile(f"</{name}", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title")
}


def tags(html: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Name and attributes of each start tag, in order; and the text behind it, if that is raw.

    Names are in lower case. Of an attribute that is there twice the first one counts.
    """
    at = 0
    while (match := _PIECE.search(html, at)) is not None:
        at = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        raw = ""
        if name in _RAW:
            end = _RAW[name].search(html, at)
            stop = len(html) if end is None else end.start()
            raw, at = html[at:stop], stop
        yield name, _attributes(match[2]), raw


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), _unescaped(double or single or bare))
    return found


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number of more digits than Python takes
        return text
