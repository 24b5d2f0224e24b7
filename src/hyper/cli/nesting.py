"""Names of fields that nest: ``a[b][]=c`` is ``{"a": {"b": ["c"]}}``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from .failing import UsageError

__all__ = ["nested"]

#: The last place that a list's item may name: the ones before it are filled with null.
MAX_INDEX: Final = 9_999
#: Steps that one name leads down: itself, and what stands in brackets behind it.
MAX_DEPTH: Final = 100

#: A step of a path: a key of an object, a place in a list, or None for its end.
Step = str | int | None


def nested(fields: Iterable[tuple[str, Any]]) -> Any:
    """The JSON that fields make together.

    Raises UsageError for brackets that do not match, and for a value that is to be an object for
    one field and a list for the other.
    """
    # One place to hold the whole, so that it is no special case.
    holder: Any = [None]
    for name, value in fields:
        _put(holder, [0, *_steps(name)], value, name)
    return holder[0]


def _put(container: Any, steps: list[Step], value: Any, name: str) -> None:
    for each, following in zip(steps, [*steps[1:], False], strict=True):
        step: Any = each
        if isinstance(container, list):
            if step is None:
                step = len(container)
            container.extend([None] * (step + 1 - len(container)))
        if following is False:
            container[step] = value
            return
        found = container[step] if isinstance(container, list) or step in container else None
        wanted: type = dict if isinstance(following, str) else list
        if found is None:
            found = container[step] = wanted()
        elif not isinstance(found, wanted):
            has: dict[type, str] = {dict: "an object", list: "a list"}
            raise UsageError(
                f"{name!r} wants {has[wanted]} where another field has put "
                f"{has.get(type(found), 'a value')}"
            )
        container = found


def _steps(name: str) -> list[Step]:
    """The way to a field. A number in brackets is a place; with a backslash before it a key."""
    match = re.match(r"(?:\\.|[^\\\[\]]|\\$)*", name, re.DOTALL)
    assert match is not None
    steps: list[Step] = []
    if match[0] or not name.startswith("["):
        steps.append(_unescaped(match[0]))
    at = match.end()
    while at < len(name):
        match = re.compile(r"\[((?:\\.|[^\\\[\]])*)\]", re.DOTALL).match(name, at)
        if match is None:
            raise UsageError(
                f"the brackets of {name!r} do not match; \\[ and \\] are brackets of a name"
            )
        at = match.end()
        inner = match[1]
        if not inner:
            steps.append(None)
        elif re.fullmatch("[0-9]+", inner):
            if len(inner) > 9 or int(inner) > MAX_INDEX:
                raise UsageError(f"{name!r} counts further than {MAX_INDEX}")
            steps.append(int(inner))
        else:
            steps.append(_unescaped(inner))
    if len(steps) > MAX_DEPTH:
        raise UsageError(f"{name[:40]!r}... nests deeper than {MAX_DEPTH}")
    return steps


def _unescaped(text: str) -> str:
    return re.sub(r"\\([:=@;\[\]]|[0-9]+$)", r"\1", text)
