"""The table of the outer ring says what the run found, and the committed one is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .interop.kinds import KINDS
from .interop.results import COLUMNS, PAGE, Results, main, replaced, table, version


def saved(results: Results, path: Path, *, more: bool = False) -> dict[str, Any]:
    results.save(path, {"nginx": "python3", "caddy": "no-such-program"}, more=more)
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def row(text: str, peer: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {peer} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_cell_says_what_passed_and_what_did_not(tmp_path: Path) -> None:
    results = Results()
    results.add("tests/interop/test_push.py::test_a[nginx]", "passed", "nginx")
    results.add("tests/interop/test_push.py::test_b[nginx]", "passed", "nginx")
    results.add("tests/interop/test_push.py::test_b[nginx]", "failed", "nginx")
    results.add("tests/interop/test_push.py::test_b[nginx]", "passed", "nginx")
    results.add("tests/interop/test_trust.py::test_c[caddy]", "skipped", "caddy")
    results.add("tests/interop/test_distance.py::test_d", "passed")
    results.add("tests/interop/test_of_ourselves.py::test_e", "failed")
    text = table(saved(results, tmp_path / "results.json"))
    place = 2 + list(COLUMNS).index("push")
    nginx = row(text, "nginx")
    assert nginx[place] == "1, **1 failed**", "the worst phase of a test counts"
    assert [cell for cell in nginx[2:] if cell] == ["1, **1 failed**"]
    assert row(text, "caddy")[1] == ""
    assert row(text, "caddy")[2 + list(COLUMNS).index("trust, ALPN")] == "**1 skipped**"
    assert "50 and 100 ms" in text
    assert len(nginx) == len(COLUMNS) + 2


def test_a_second_attempt_is_added_to_the_first(tmp_path: Path) -> None:
    first = Results()
    first.add("tests/interop/test_push.py::test_a[nginx]", "failed", "nginx")
    first.add("tests/interop/test_push.py::test_b[nginx]", "passed", "nginx")
    saved(first, tmp_path / "results.json")
    second = Results()
    second.add("tests/interop/test_push.py::test_a[nginx]", "passed", "nginx")
    text = table(saved(second, tmp_path / "results.json", more=True))
    assert "2" in row(text, "nginx")
    assert "failed" not in text
    text = table(saved(second, tmp_path / "results.json"))
    assert "1" in row(text, "nginx"), "a run for itself begins afresh"


def test_a_test_without_a_column_is_an_error(tmp_path: Path) -> None:
    results = Results()
    results.add("tests/interop/test_new.py::test_a[nginx]", "passed", "nginx")
    with pytest.raises(ValueError, match="no column"):
        table(saved(results, tmp_path / "results.json"))


def test_versions_are_what_the_programs_say() -> None:
    import platform

    assert version("nginx", "no-such-program") == ""
    major_and_minor = ".".join(platform.python_version_tuple()[:2])
    assert version("python", "python3").startswith(major_and_minor)


def test_only_a_whole_run_gets_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "interop.md"
    page.write_text(replaced(PAGE.read_text("utf-8"), "THE OLD TABLE"), "utf-8")
    monkeypatch.setattr("tests.interop.results.PAGE", page)
    file = tmp_path / "results.json"
    assert main([str(file)]) == 1
    results = Results()
    results.add("tests/interop/test_push.py::test_a[nginx]", "passed", "nginx")
    saved(results, file)
    assert main([str(file), "--write"]) == 1
    assert "caddy" in capsys.readouterr().err
    assert "THE OLD TABLE" in page.read_text("utf-8")
    for name in KINDS:
        results.add(f"tests/interop/test_push.py::test_a[{name}]", "passed", name)
    results.save(file, dict.fromkeys(KINDS, "no-such-program"))
    assert main([str(file), "--write"]) == 0
    text = page.read_text("utf-8")
    assert "THE OLD TABLE" not in text
    assert row(text, "envoy")[2 + list(COLUMNS).index("push")] == "1"
    assert text.startswith("# ") and text.count("begin -->") == text.count("end -->") == 1


def test_the_page_has_every_server_and_no_failure() -> None:
    text = PAGE.read_text("utf-8")
    assert "failed" not in text.split("begin -->")[1].split("end -->")[0]
    for name in KINDS:
        about = row(text, name)
        assert len(about) == len(COLUMNS) + 2
        assert about[1], "a version"
        assert all(cell.isdecimal() for cell in about[2:] if cell)
        assert sum(int(cell) for cell in about[2:] if cell) >= 20
    assert " | ".join(COLUMNS) in text
