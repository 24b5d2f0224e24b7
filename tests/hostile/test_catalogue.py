"""Every row of the catalogue names scenarios that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent
CATALOGUE = HERE / "catalogue"

#: A scenario in a row: file, function, and perhaps parameters.
SCENARIO = re.compile(r"`([\w/]+\.py)::(\w+)(\[[^`]*\])?`")


def rows() -> list[tuple[str, str]]:
    """Where each row stands, and its last cell."""
    found = []
    for file in sorted(CATALOGUE.glob("*.md")):
        if file.name == "README.md":
            continue
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
                *_, last = re.split(r"(?<!\\)\|", line.rstrip().removesuffix("|"))
                if last.strip() != "scenarios":
                    found.append((f"{file.name}:{number}", last))
    return found


def scenarios(cell: str) -> list[str]:
    """The ids of a cell, from the folder of all tests."""
    return [
        (name if "/" in name else f"hostile/{name}") + f"::{function}{parameters or ''}"
        for name, function, parameters in SCENARIO.findall(cell.replace("\\|", "|"))
    ]


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Every id that a row may name: tests with their parameters and without."""
    files = {each.partition("::")[0] for _, cell in rows() for each in scenarios(cell)}
    there = sorted(f"tests/{name}" for name in files if (TESTS / name).is_file())
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    # The option comes twice: the project's own leaves some tests out.
    result = subprocess.run(
        [*command, "-m", "interop or not interop", *there],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    ids = {line.removeprefix("tests/") for line in result.stdout.splitlines() if "::" in line}
    return ids | {each.partition("[")[0] for each in ids}


def test_every_row_names_a_scenario() -> None:
    assert rows()
    assert [where for where, cell in rows() if not scenarios(cell)] == []


def test_every_scenario_exists(collected: set[str]) -> None:
    missing = [
        f"{where}: {each}"
        for where, cell in rows()
        for each in scenarios(cell)
        if each not in collected
    ]
    assert missing == []


def test_every_group_of_the_catalogue_is_there() -> None:
    """Floods, frames, malformed answers, truncation, flow control, shutdown, time, injection,
    HTTP/1.1, decompression, TLS, proxies and redirects, and what is around the protocol."""
    numbers = [int(file.name.partition("-")[0]) for file in CATALOGUE.glob("[0-9]*.md")]
    assert sorted(numbers) == list(range(1, 14))
