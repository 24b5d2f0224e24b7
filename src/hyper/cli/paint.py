"""Colours and indentation: JSON and heads by our own hand, the rest by pygments if it is there.

Whatever comes from a server is freed of controls before any colour is added to it: a response
must not move the cursor, change the title or answer for the user.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final, TextIO

from .failing import UsageError

__all__ = ["Palette", "harmless", "json_text", "pythonic", "wants_colour"]

# Of the controls only tab and line ends get through.
_CONTROLS: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"
}

_TOKENS: Final = re.compile(
    r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?[0-9][0-9.eE+-]*)|(?P<word>true|false|null)'
    r"|(?P<sign>[{}\[\],:])|(?P<blank>\s+)"
)

# Select graphic rendition, ECMA-48 §8.3.117; the sixteen colours that every terminal has, in
# the shades that its owner has chosen.
_SHADES: Final = {
    "key": "34",
    "string": "32",
    "number": "35",
    "word": "35",
    "name": "36",
    "version": "34",
    "method": "32",
    "1": "36",
    "2": "32",
    "3": "36",
    "4": "33",
    "5": "31",
    "faint": "2",
}


def wants_colour(stream: TextIO, pretty: str | None) -> bool:
    """Whether to colour what goes to ``stream``.

    ``--pretty`` decides; else ``NO_COLOR`` and ``FORCE_COLOR`` (no-color.org, force-color.org)
    where they are set and not empty; else whether it is a terminal that knows colours.
    """
    if pretty is not None:
        return pretty in ("all", "colors")
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def harmless(text: str) -> str:
    """Text without the power to do anything but stand there."""
    return text.translate(_CONTROLS)


class Palette:
    """How things look.

    colours  False leaves everything as it is
    style    'auto', or the name of a style of pygments
    """

    def __init__(self, colours: bool, style: str = "auto") -> None:
        self.colours = colours
        self.style = style
        if style != "auto" and colours:
            _formatter(style)  # refuses it before anything is sent

    def __call__(self, what: str, text: str) -> str:
        """``text`` in the colour of ``what``, one of the shades above."""
        if not self.colours or what not in _SHADES or not text:
            return text
        return f"\x1b[{_SHADES[what]}m{text}\x1b[0m"

    def code(self, text: str, media_type: str) -> str:
        """Text of some type as pygments colours it; as it is without pygments, or for no code."""
        if not self.colours:
            return text
        try:
            from pygments import highlight, lexers, util
        except ImportError:
            return text
        try:
            lexer = lexers.get_lexer_for_mimetype(media_type, stripnl=False, ensurenl=False)
        except util.ClassNotFound:
            return text
        painted: str = highlight(text, lexer, _formatter(self.style))
        return painted


def _formatter(style: str) -> Any:
    try:
        from pygments import formatters, util
    except ImportError:
        raise UsageError(
            f'--style {style} is one of pygments, which is not installed: pip install "hyper[cli]"'
        ) from None
    if style == "auto":
        return formatters.TerminalFormatter()
    try:
        return formatters.Terminal256Formatter(style=style)
    except util.ClassNotFound:
        from pygments.styles import get_all_styles

        known = ", ".join(sorted(get_all_styles()))
        raise UsageError(f"pygments knows no style {style!r}; there are auto, {known}") from None


# JSON


def json_text(text: str, palette: Palette, *, indent: bool) -> str | None:
    """JSON, coloured and indented; None for what is none, or nests too deep to tell.

    Numbers, the order of keys and doubled ones stay as they were sent: what is shown is what
    came. Only escapes of readable signs are read.
    """
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    if palette.style != "auto" and palette.colours:
        plain = "".join(_pieces(text, Palette(False), indent))
        return palette.code(plain, "application/json")
    return "".join(_pieces(text, palette, indent))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")  # though Python's reader would take it


def _pieces(text: str, palette: Palette, indent: bool) -> Iterator[str]:
    """The tokens of valid JSON with what goes between them."""
    inside: list[str] = []  # brackets that are open
    opened = False  # the last token opened one, and nothing has come into it yet
    key = False  # the next string is a key
    for match in _TOKENS.finditer(text):
        kind, token = match.lastgroup or "", match[0]
        if kind == "blank":
            if not indent:
                yield token
            continue
        closing = token in ("}", "]") and kind == "sign"
        if closing:
            inside.pop()
        if indent and (opened != closing):
            # Before the first thing in a bracket, and before the bracket that ends one with
            # something in it.
            yield _new_line(inside)
        opened = kind == "sign" and token in ("{", "[")
        if kind == "string":
            token = _readable(token)
            kind = "key" if key else kind
        yield palette(kind, token)
        if opened:
            inside.append(token)
        key = kind == "sign" and token in ("{", ",") and inside[-1:] == ["{"]
        if indent and token == "," and kind == "sign":
            yield _new_line(inside)
        elif indent and token == ":" and kind == "sign":
            yield " "


def _new_line(inside: list[str]) -> str:
    return "\n" + "    " * len(inside)


def _readable(token: str) -> str:
    if "\\u" in token:
        token = json.dumps(json.loads(token, strict=False), ensure_ascii=False)
    return harmless(token)


def pythonic(text: str) -> str | None:
    """JSON as a literal of Python, as the first hyper printed it; None for what is no JSON."""
    from pprint import pformat

    try:
        return harmless(pformat(json.loads(text)))
    except (ValueError, RecursionError):
        return None
