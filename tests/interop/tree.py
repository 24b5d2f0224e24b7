"""The document tree that every server of the ring serves, and what its files must hash to.

The contents follow from seeds, so that a reader knows every digest without asking a server:

/            a small page (index.html)
/small.txt   12 octets
/empty.txt   none
/page.html   text that compresses well
/1m.bin      1 MiB
/64m.bin     64 MiB
/1g.bin      1 GiB, sparse: a marker of 16 octets opens each MiB, so that a block out of its
             place changes the digest although the disk holds next to nothing
"""

from __future__ import annotations

import hashlib
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MIB", "SMALL", "Tree", "noise", "plant"]

MIB = 1 << 20
GIB = 1 << 30
SMALL = b"hello hyper\n"


@dataclass(frozen=True)
class Tree:
    """The folder on disk, and the SHA-256 digest (hexadecimal) of each path in it."""

    root: Path
    digests: dict[str, str]
    sizes: dict[str, int]


def noise(size: int, seed: int) -> bytes:
    """Octets that do not compress and follow from the seed."""
    return random.Random(seed).randbytes(size)


def plant(root: Path) -> Tree:
    """Write the tree below ``root``, readable by whichever user a server runs as."""
    files = {
        "index.html": b"<!doctype html>\n<title>hyper</title>\n<p>It works over HTTP/2.\n",
        "small.txt": SMALL,
        "empty.txt": b"",
        "page.html": b"<p>The same words once more, and once more the same words.\n" * 800,
        "1m.bin": noise(MIB, 1),
        "64m.bin": noise(64 * MIB, 64),
    }
    digests: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for name, content in files.items():
        (root / name).write_bytes(content)
        digests["/" + name] = hashlib.sha256(content).hexdigest()
        sizes["/" + name] = len(content)
    digests["/"], sizes["/"] = digests["/index.html"], sizes["/index.html"]
    digests["/1g.bin"] = _plant_sparse(root / "1g.bin")
    sizes["/1g.bin"] = GIB
    for path in [root, *root.iterdir()]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return Tree(root, digests, sizes)


def uproot(tree: Tree) -> None:
    """Remove the tree again: 65 MiB are too much to leave behind."""
    shutil.rmtree(tree.root, ignore_errors=True)


def _plant_sparse(path: Path) -> str:
    digest = hashlib.sha256()
    hole = bytes(MIB - 16)
    with path.open("wb") as file:
        for number in range(GIB // MIB):
            marker = b"%016d" % number
            file.seek(number * MIB)
            file.write(marker)
            digest.update(marker)
            digest.update(hole)
        file.truncate(GIB)
    return digest.hexdigest()
