"""The front of the room, and which pair stands behind it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import hyper.hpack
from hyper.hpack import Backend, backend, choose

from ...backends import NEEDS_NGHTTP2

SRC = Path(hyper.__file__).parent.parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No choice, no binding, and nothing remembered of this test."""
    monkeypatch.setattr(hyper.hpack, "chosen", None)
    monkeypatch.setitem(sys.modules, "nghttp2", None)
    hyper.hpack._binding_is_importable.cache_clear()
    yield
    hyper.hpack._binding_is_importable.cache_clear()


def test_these_names_and_no_others_are_exported() -> None:
    assert sorted(hyper.hpack.__all__) == [
        "Backend",
        "Decoder",
        "Encoder",
        "HPACKError",
        "HPACKLimitError",
        "backend",
        "choose",
    ]


def test_the_pair_understands_each_other() -> None:
    fields = [(b":method", b"GET"), (b"x", b"y")]
    assert hyper.hpack.Decoder().decode(hyper.hpack.Encoder().encode(fields)) == fields


def test_ours_is_the_default_whatever_the_system_has() -> None:
    assert backend() == Backend("python", hyper.hpack.Encoder, hyper.hpack.Decoder)


@NEEDS_NGHTTP2
def test_the_binding_is_all_the_configuration_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nghttp2", SimpleNamespace(__file__=None))
    assert backend().name == "nghttp2"
    assert backend("python").name == "python"
    choose("python")
    assert backend().name == "python"
    choose(None)
    assert backend().name == "nghttp2"


@NEEDS_NGHTTP2
def test_a_choice_holds_until_the_next() -> None:
    choose("nghttp2")
    chosen = backend()
    assert chosen.Encoder.__module__ == chosen.Decoder.__module__ == "hyper.hpack.nghttp2"
    choose(None)
    assert backend().name == "python"


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="called 'rust'; there are 'python' and 'nghttp2'"):
        choose("rust")
    assert backend().name == "python"


def python(code: str, **variables: str) -> str:
    """What a program prints in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(SRC), **variables}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    ).stdout.strip()


def test_who_does_not_ask_does_not_load_it() -> None:
    code = "import sys, hyper; hyper.hpack.backend(); print('hyper.hpack.nghttp2' in sys.modules)"
    assert python(code, HYPER_HPACK="") == "False"


@NEEDS_NGHTTP2
def test_the_environment_chooses() -> None:
    code = (
        "from hyper.http20.protocol import HTTP20Protocol as P; "
        "print(*(type(P(hpack=name).encoder).__module__ for name in (None, 'python')))"
    )
    assert python(code, HYPER_HPACK="nghttp2") == "hyper.hpack.nghttp2 hyper.hpack.encoder"
    assert python(code, HYPER_HPACK="python") == "hyper.hpack.encoder hyper.hpack.encoder"


def test_a_wrong_name_in_the_environment_is_an_error_where_it_is_used() -> None:
    code = "import hyper; print('imported'); hyper.hpack.backend()"
    printed = python(code, HYPER_HPACK="rust").splitlines()
    assert printed[0] == "imported"
    assert "no HPACK is called 'rust'" in printed[-1]
