"""The command against real servers: in this process, where nothing of the machine gets in."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from hyper.cli import main

from ..certificates import Certificates
from ..servers import InProcessServer


class Done(NamedTuple):
    """What a command came to."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and an environment in which nobody has left anything."""
    home = tmp_path / "home"
    home.mkdir()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "NETRC", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return home


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; ``stdin`` is what stands on its standard input."""

    def run(*words: str, stdin: bytes | None = None) -> Done:
        with (
            io.TextIOWrapper(tempfile.TemporaryFile()) as source,
            monkeypatch.context() as patch,
        ):
            if stdin is not None:
                source.buffer.write(stdin)
                source.buffer.seek(0)
                patch.setattr(sys, "stdin", source)
            code = main(words)
            sys.stdout.flush()
        said = capfdbinary.readouterr()
        return Done(code, said.out, said.err.decode())

    return run


@pytest.fixture
def trusted(server: InProcessServer, certificates: Certificates) -> tuple[str, ...]:
    """The option with which ``server`` is trusted."""
    return ("--verify", str(certificates.authority))


@pytest.fixture
def url(server: InProcessServer) -> str:
    return f"https://localhost:{server.port}"
