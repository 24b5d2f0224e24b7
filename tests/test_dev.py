"""The script behind every command of the README: kind to strangers, quick the second time."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DEV = Path(__file__).resolve().parent.parent / "dev"


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, at work in a folder of its own."""
    loader = importlib.machinery.SourceFileLoader("dev_script", str(DEV))
    spec = importlib.util.spec_from_loader("dev_script", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    # No dev.pyc beside a script that is no module to anyone else.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("one = 1\n")
    return module


@pytest.fixture
def started(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been started; making an environment makes its folder."""
    commands: list[str] = []
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        if "-c" in command:
            return real(command, **options)
        commands.append(" ".join(command))
        if "venv" in command:
            shutil.rmtree(command[-1], ignore_errors=True)
            Path(command[-1]).mkdir()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(dev.subprocess, "run", run)
    return commands


def test_it_installs_once_and_again_when_the_project_changes(
    dev: ModuleType, started: list[str], tmp_path: Path
) -> None:
    dev.environment(None).provide("test")
    assert len(started) == 2
    assert started[0].endswith(f"-m venv --clear {tmp_path / '.venv'}")
    assert started[1].endswith("-e .[test]")

    dev.environment(None).provide("test")
    assert len(started) == 2, "nothing changed, nothing is done"

    dev.environment(None).provide("test", "lint")
    assert started[2:] == [started[1].replace("[test]", "[lint]")]

    (tmp_path / "pyproject.toml").write_text("one = 2\n")
    dev.environment(None).provide("test")
    assert started[3:] == [started[1]], "the same environment, with the new wishes"


def test_what_failed_runs_again_and_adds_to_the_coverage(
    dev: ModuleType, started: list[str]
) -> None:
    dev.main(["test"])
    first = started[2:]
    assert first[0].endswith("-m coverage erase")
    assert "-m coverage run -m pytest -n auto" in first[1]
    assert [command.split()[3] for command in first[2:]] == ["combine", "report", "report"]

    del started[:]
    dev.main(["test", "--again"])
    assert started == [f"{first[1]} --last-failed", *first[2:]]

    del started[:]
    dev.main(["test", "tests/unit", "-x"])
    (plain,) = started
    assert plain.endswith("python -m pytest tests/unit -x")


def test_another_interpreter_makes_the_environment_anew(
    dev: ModuleType, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dev.environment(None).provide("test")
    monkeypatch.setattr(dev, "ABOUT", "print('3.99 elsewhere')")
    dev.environment(None).provide("test")
    assert ["-m venv" in command for command in started] == [True, False, True, False]


def test_without_ensurepip_the_interpreter_s_own_pip_serves(
    dev: ModuleType, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev.Environment, "_can", lambda self, code: "ensurepip" not in code)
    dev.environment(None).provide("test")
    assert "--without-pip" in started[0]
    assert "-m pip --python" in started[1]


def test_without_any_pip_it_says_what_to_install(
    dev: ModuleType, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev.Environment, "_can", lambda self, code: False)
    with pytest.raises(dev.Problem, match="sudo apt install python3-venv"):
        dev.environment(None).provide("test")
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["tset"], "there is no verb 'tset'; `python3 dev help` lists them"),
        (["--python", "2.99", "test"], "there is no Python '2.99' that starts"),
        (["--python"], "--python needs a version or a path behind it"),
    ],
)
def test_a_slip_is_answered_in_a_line(dev: ModuleType, arguments: list[str], answer: str) -> None:
    with pytest.raises(dev.Problem) as caught:
        dev.main(arguments)
    assert answer in str(caught.value)


def test_an_old_python_is_told_what_to_do() -> None:
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 1); sys.argv = ['dev', 'test']\n"
        f"runpy.run_path({str(DEV)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, and this is 3.9" in done.stderr
    assert "python3.12 dev test" in done.stderr


def test_the_outer_ring_ends_with_its_table(
    dev: ModuleType, started: list[str], tmp_path: Path
) -> None:
    results = tmp_path / ".venv" / "interop.json"
    dev.interop(None, ["--write", "-x"])
    assert started[-2].endswith("-m pytest -m interop -x")
    assert started[-1].endswith(f"-m tests.interop.results {results} --write")

    results.write_text("{}")
    dev.interop(None, ["--lf"])
    assert results.exists(), "a second attempt adds to the first"
    dev.interop(None, [])
    assert not results.exists(), "a run of its own leaves nothing of another one"
    assert started[-1].endswith(f"-m tests.interop.results {results}")
