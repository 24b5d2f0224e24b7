"""A hundred mebioctets up and down through every caller: the same octets, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hyper

from ..certificates import Certificates
from ..servers import InProcessServer, content
from .callers import CALLERS

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 100 << 20

#: Windows may grow to 16 MiB for a stream; what else there is are a few buffers.
MEMORY = 40 << 20


@pytest.fixture(scope="module")
def expected() -> str:
    digest = hashlib.sha256()
    for piece in content(SIZE):
        digest.update(piece)
    return digest.hexdigest()


@pytest.mark.interop
@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize("name", CALLERS)
def test_a_large_body_is_the_same_at_the_other_end_and_takes_little_room(
    name: str, direction: str, server: InProcessServer, certificates: Certificates, expected: str
) -> None:
    if name in ("urllib3", "requests", "botocore"):
        pytest.importorskip(name)
    url = f"https://localhost:{server.port}"
    arguments = [name, direction, url, str(certificates.authority), str(SIZE)]
    source = Path(hyper.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "tests.compat.transfer", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert (result["size"], result["sha256"]) == (SIZE, expected)
    assert result["grown"] < MEMORY
