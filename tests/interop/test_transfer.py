"""Large bodies both ways, verified by hash, in memory bounded by the windows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .servers import CHECKOUT_ON_PATH, Server
from .tree import MIB, Tree

#: Octets by which a transfer may raise the peak. What is unread is bounded by a stream's window
#: of 1 MiB for each stream; the rest is for buffers and what an allocator keeps.
ROOM = 4 * MIB


def transfer(server: Server, direction: str, what: str) -> dict[str, Any]:
    """Run ``transfer.py`` against the server; what it printed."""
    command = [sys.executable, "-m", "tests.interop.transfer", direction, server.address]
    done = subprocess.run(
        [*command, str(server.site.ca), what],
        capture_output=True,
        text=True,
        timeout=110,
        env={**os.environ, **CHECKOUT_ON_PATH},
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    rate = result["size"] / MIB / result["seconds"]
    print(f"{server.kind.name} {direction}: {rate:.0f} MiB/s, +{result['grown'] / MIB:.1f} MiB")
    return result


def test_64_mib_down(real: Server, tree: Tree) -> None:
    result = transfer(real, "down", "/64m.bin")
    assert (result["size"], result["sha256"]) == (64 * MIB, tree.digests["/64m.bin"])
    assert result["grown"] < ROOM


def test_64_mib_up(real: Server, tree: Tree) -> None:
    result = transfer(real, "up", str(tree.root / "64m.bin"))
    assert (result["size"], result["sha256"]) == (64 * MIB, tree.digests["/64m.bin"])
    assert result["grown"] < ROOM


def test_an_unread_response_neither_starves_the_next_nor_fills_the_memory(
    real: Server, tree: Tree
) -> None:
    """What nobody reads stops at its stream's window; the connection's is given back."""
    result = transfer(real, "beside", "/64m.bin")
    assert result["sha256"] == tree.digests["/64m.bin"]
    assert result["grown"] < ROOM


@pytest.mark.parametrize("real", ["nginx", "caddy", "node"], indirect=True)
def test_1_gib_down(real: Server, tree: Tree) -> None:
    """Three makes (C, Go, JavaScript over nghttp2) with three ideas of frame sizes."""
    result = transfer(real, "down", "/1g.bin")
    assert (result["size"], result["sha256"]) == (1024 * MIB, tree.digests["/1g.bin"])
    assert result["grown"] < ROOM
