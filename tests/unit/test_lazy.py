"""``import hyper`` loads what is asked for, and all of it is there by its name."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest

import hyper


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running ``code``."""
    code = f"{code}\nimport sys\nprint(*sys.modules)"
    # What measures the coverage of child processes loads modules of its own.
    environment = {name: it for name, it in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_names_are_there() -> None:
    for name in hyper.__all__:
        assert getattr(hyper, name)
        assert name in dir(hyper)
    with pytest.raises(AttributeError, match="module 'hyper' has no attribute 'HTTP3Connection'"):
        _ = hyper.HTTP3Connection


def test_classes_are_pickled_by_where_they_live() -> None:
    """In a process that has not asked for them yet, too."""
    pickled = pickle.dumps([getattr(hyper, name) for name in hyper.__all__])
    code = f"import hyper, pickle\nprint(pickle.loads({pickled!r})[0] is hyper.HTTP11Connection)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"True"
    assert pickle.loads(pickled)[0] is hyper.HTTP11Connection


def test_rooms_are_reached_by_a_dot() -> None:
    code = "import hyper\nhyper.http20.exceptions.ProtocolError, hyper.tls.init_context"
    assert "hyper.sync.connection" in loaded(code)


def test_a_bare_import_is_quick() -> None:
    modules = loaded("import hyper")
    assert not {"socket", "ssl", "hyper.sync", "hyper.http20"} & modules
    assert {"socket", "ssl"} <= loaded("from hyper import HTTPConnection")
