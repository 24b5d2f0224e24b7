"""A timeline in a file, of a kind that the file's suffix says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Final

from .drawing import waterfall
from .har import har
from .page import page
from .perfetto import perfetto
from .timeline import Timeline

__all__ = ["KINDS", "save", "suffix_of"]


def text(timeline: Timeline) -> str:
    """The waterfall, and below it everything in order, a line each."""
    with timeline.lock:
        happened = [*timeline.events, *timeline.wire]
    # Events of one moment keep their order: they are told in it, and sorting is stable.
    lines = [
        f"{each.at:8.4f} {each.arrow} {_number(each.connection)}{each}"
        for each in sorted(happened, key=lambda each: each.at)
    ]
    dropped = [f"{timeline.dropped} more are left out"] if timeline.dropped else []
    return "\n".join([*waterfall(timeline), "", *lines, *dropped, ""])


def _number(connection: int) -> str:
    return f"({connection}) " if connection > 1 else ""


#: By suffix.
KINDS: Final[dict[str, Callable[[Timeline], str]]] = {
    ".html": page,
    ".har": har,
    ".json": perfetto,
    ".txt": text,
}


def suffix_of(path: str) -> str:
    """The suffix of a file that ``save`` can write. Raises ValueError for another one."""
    suffix = PurePath(path).suffix.lower()
    if suffix not in KINDS:
        raise ValueError(
            f"the suffix of {path!r} says nothing; end it with one of {', '.join(KINDS)}"
        )
    return suffix


def save(timeline: Timeline, path: str) -> None:
    """Write the file. Raises ValueError for an unknown suffix, OSError if it cannot be written."""
    made = KINDS[suffix_of(path)](timeline)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(made)
