"""One large transfer by one caller in a process of its own, so that its memory can be measured.

    python -m tests.compat.transfer CALLER down|up URL CA SIZE

Prints JSON: the SHA-256 digest and the size of what arrived, and by how many octets the peak memory
of the process grew during it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator

import hyper.client

from ..interop.transfer import forget_peak, peak
from ..servers import content
from .callers import CALLERS


class Source:
    """A file of so many octets that takes no room, for callers that want one."""

    def __init__(self, size: int) -> None:
        self.pieces: Iterator[bytes] = content(size)
        self.rest = b""
        self.size = size

    def __len__(self) -> int:
        return self.size

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size:
            piece = next(self.pieces, b"")
            if not piece:
                break
            self.rest += piece
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError("this comes once")

    def tell(self) -> int:
        raise OSError("this has no place")


def main(name: str, direction: str, url: str, authority: str, size: str) -> None:
    octets = int(size)
    caller = CALLERS[name](hyper.client.create_default_context(cafile=authority))
    caller.ask("GET", f"{url}/hello")
    forget_peak()
    before = peak()
    if direction == "up":
        headers = {"content-length": size}
        answer = json.loads(caller.ask("POST", f"{url}/upload", Source(octets), headers).body)
    else:
        digest, count = hashlib.sha256(), 0
        for piece in caller.stream(f"{url}/download/{octets}"):
            digest.update(piece)
            count += len(piece)
        answer = {"size": count, "sha256": digest.hexdigest()}
    print(json.dumps({**answer, "grown": peak() - before}))
    caller.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
