"""Every number that bounds what a peer can do stands on the page of limits, with its reason."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import hyper
from hyper.http20.limits import Limits

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "limits.md"

#: What a number that bounds something is called here.
NAMED = re.compile(r"(MAX|MOST|LARGEST|LONGEST|MEMO)_[A-Z_]+|[A-Z_]+_(BURST|PER_SECOND)")

#: The server to play with is nobody's client.
NOT_OURS = ("hyper.demo", "hyper.__main__", "hyper.trace.__main__", "hyper.contrib")


def modules() -> list[ModuleType]:
    names = [each.name for each in pkgutil.walk_packages(hyper.__path__, "hyper.")]
    return [importlib.import_module(name) for name in names if not name.startswith(NOT_OURS)]


def numbers() -> dict[str, float]:
    """Where each bound is defined, below ``hyper``, and its value; imported ones are not."""
    found = {}
    for module in modules():
        assert module.__file__ is not None
        source = Path(module.__file__).read_text("utf-8")
        for name in re.findall(r"^([A-Z][A-Z_]+)(?:: Final)? = ", source, re.M):
            value = getattr(module, name)
            if NAMED.fullmatch(name) and isinstance(value, int | float):
                found[f"{module.__name__.removeprefix('hyper.')}.{name}"] = value
    return found


def rows() -> dict[str, tuple[float, str]]:
    """What the page says: value and reason by name; the names of HTTP/2 stand alone there."""
    told = re.findall(r"^\| `([\w.]+)` \| ([\d.]+) \| (.+) \|$", PAGE.read_text("utf-8"), re.M)
    return {
        (name if "." in name else f"http20.limits.{name}"): (float(value), reason)
        for name, value, reason in told
    }


def test_every_bound_is_on_the_page_with_its_value() -> None:
    there, told = numbers(), rows()
    assert len(there) > 80
    assert {name: told[name][0] if name in told else None for name in there} == there


def test_every_row_is_a_number_of_the_code_and_has_a_reason() -> None:
    for name, (value, reason) in rows().items():
        module, _, attribute = name.rpartition(".")
        assert getattr(importlib.import_module(f"hyper.{module}"), attribute) == value, name
        assert re.search(r"\w{2}", reason), name


def test_no_row_stands_there_twice() -> None:
    names = re.findall(r"^\| `([\w.]+)` \|", PAGE.read_text("utf-8"), re.M)
    assert sorted(names) == sorted(set(names))


def test_the_fields_of_limits_are_constants_of_their_names() -> None:
    told = rows()
    for name, value in Limits()._asdict().items():
        assert told[f"http20.limits.{name.upper()}"][0] == value
