"""``docs/rfc9112.md`` says which test shows which rule: it must be true."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent.parent
PAGE = (TESTS.parent / "docs" / "rfc9112.md").read_text("utf-8")

#: ``6::test_x`` for a section's file, or a path below ``tests``.
NAMED = re.compile(r"`([0-9]|[a-z0-9_/]+\.py)::(\w+)`")


def file_of(place: str) -> Path:
    if place.endswith(".py"):
        return TESTS / place
    return TESTS / "conformance" / "rfc9112" / f"test_section_{place}.py"


def test_every_test_that_the_page_names_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 60
    missing = [
        f"{place}::{name}"
        for place, name in named
        if not re.search(rf"^def {name}\(", file_of(place).read_text("utf-8"), re.MULTILINE)
    ]
    assert not missing


def test_every_rule_has_a_test_or_a_reason() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) > 55
    for row in rows:
        _, rule, shown, _ = row.split("|")
        assert len(rule.split()) > 3, row
        assert len(shown.split()) > 2 or NAMED.search(shown), row


def test_every_section_with_tests_is_on_the_page() -> None:
    files = sorted((TESTS / "conformance" / "rfc9112").glob("test_section_*.py"))
    assert len(files) == 8
    for path in files:
        place = path.stem.removeprefix("test_section_")
        assert f"`{place}::" in PAGE, f"{path.name} shows no rule of the page"
