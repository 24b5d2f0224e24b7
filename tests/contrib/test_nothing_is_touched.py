"""Installing or importing hyper changes nobody's code: not on disk, and not in memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import requests
import urllib3

import hyper

#: Runs in a Python of its own. Everything reachable by name in the two packages, before and after.
CODE = """
import hashlib, json, sys, types
import requests, urllib3, urllib3.connection, urllib3.util.ssl_, http.client, ssl, socket

def state():
    found = {}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in ("requests", "urllib3", "http", "ssl", "socket"):
            for key, value in vars(module).items():
                found[f"{name}.{key}"] = id(value)
                if isinstance(value, type):
                    for inner, member in vars(value).items():
                        found[f"{name}.{key}.{inner}"] = id(member)
                elif isinstance(value, (dict, list)) and not key.startswith("__"):
                    found[f"{name}.{key}!"] = repr(value)
    return found

before = state()
import hyper
loaded = [name for name in sys.modules if name.startswith("hyper.contrib")]
import hyper.contrib
asked = [name for name in sys.modules if name.startswith("hyper.contrib.")]
from hyper.contrib import HTTP20Adapter
import hyper.contrib.urllib3
after = {key: value for key, value in state().items() if key in before}
print(json.dumps({
    "loaded": loaded,
    "asked": asked,
    "changed": [key for key in before if after.get(key) != before[key]],
    "looked at": len(before),
}))
"""


def python(code: str) -> str:
    path = str(Path(hyper.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hashes() -> dict[str, str]:
    """Every file of the two packages as it lies on the disk, by its content."""
    found = {}
    for package in (requests, urllib3):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_importing_hyper_patches_nothing() -> None:
    told = json.loads(python(CODE))
    assert told["loaded"] == []
    assert told["asked"] == []
    assert told["changed"] == []
    assert told["looked at"] > 2000


def test_importing_hyper_imports_neither_requests_nor_urllib3() -> None:
    code = "import sys, hyper, hyper.contrib; print('requests' in sys.modules, "
    assert python(code + "'urllib3' in sys.modules)") == "False False\n"


def test_using_the_adapter_changes_no_file_of_others() -> None:
    before = hashes()
    assert len(before) > 40
    python(
        "import hyper.contrib.urllib3\n"
        "hyper.contrib.urllib3.inject()\n"
        "hyper.contrib.urllib3.extract()\n"
        "hyper.contrib.HTTP20Adapter()"
    )
    assert hashes() == before


def test_the_distribution_brings_no_file_outside_of_its_own_package() -> None:
    """What a wheel of ours would put anywhere: ``hyper``, its metadata, the command."""
    text = (Path(__file__).resolve().parent.parent.parent / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/hyper"]}
    assert project["project"]["dependencies"] == []


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("hyper.contrib.requests", "requests"),
        ("hyper.contrib.urllib3", "urllib3"),
        ("hyper.contrib.httpie", "httpie"),
        ("hyper.contrib.httpx", "httpx"),
    ],
)
def test_what_is_missing_is_named_and_how_to_get_it(module: str, package: str) -> None:
    code = f"""
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ({package!r}, "httpx2"):
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Finder())
try:
    import {module}
except ImportError as error:
    print(error)
"""
    said = python(code)
    assert said.startswith("hyper.contrib.")
    assert f" needs {package}" in said
    assert "install" in said


def test_what_is_missing_of_a_package_is_none_of_our_business() -> None:
    """It is there, but broken: to install it again may not help."""
    code = """
import sys
sys.modules["urllib3.connectionpool"] = None
try:
    import hyper.contrib.urllib3
except ImportError as error:
    print(error)
"""
    assert "needs" not in python(code)
