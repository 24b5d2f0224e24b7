"""The ``curl`` command: downloads by one process over one connection.

Its start and its handshake are measured by a second, shorter run and taken off (``worker.py``
does that for programs).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter

from bench.clients import Client, Target
from bench.scenarios import FILES


class Curl(Client):
    def __init__(self, target: Target) -> None:
        super().__init__(target)
        found = shutil.which("curl")
        if found is None:
            raise ImportError("curl is not installed")
        self.curl = found

    def run(self, count: int) -> None:
        """``count`` GETs, one after the other; the bodies are dropped."""
        version = "--http2" if self.target.tls else "--http2-prior-knowledge"
        written = "%{http_version} %{response_code} %{num_connects} %{size_download}\\n"
        command = [self.curl, "-q", "-s", version, "--cacert", self.target.authority, "-w", written]
        for _ in range(count):
            command += ["-o", os.devnull, self.target.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
        size = FILES[self.target.path[1:]]
        told = Counter(done.stdout.splitlines())
        assert told[f"2 200 1 {size}"] == 1, told
        assert told[f"2 200 0 {size}"] == count - 1, told

    def version(self) -> str:
        done = subprocess.run(
            [self.curl, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
        name, number, _, *parts = done.stdout.split(maxsplit=9)[:8]
        library = next((part for part in parts if "SSL" in part or "TLS" in part), "its own TLS")
        return f"{name} {number} (command; {library})"
