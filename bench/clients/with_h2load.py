"""h2load, nghttp2's own load generator: what the same work costs without Python.

It does not verify the certificate, and drops the bodies. Its handshake and its start are
measured by a second, shorter run and taken off (``worker.py`` does that for programs).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import ClassVar

from bench.clients import Client, Target


class H2Load(Client):
    cannot: ClassVar = {
        "threads": "its threads do not share a connection",
        "whole": "it keeps no body",
        "connect": "its handshakes are not counted",
        "upload": "it reads its body from a file for every request",
    }

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        found = shutil.which("h2load")
        if found is None:
            raise ImportError("h2load is not installed")
        self.h2load = found

    def run(self, count: int, in_flight: int = 1) -> None:
        """``count`` GETs by a process of its own."""
        command = [self.h2load, "-n", str(count), "-c", "1", "-m", str(in_flight)]
        command += ["-w", "24", "-W", "26"]
        if self.target.headers:
            for name, value in self.headers():
                command += ["-H", f"{name}: {value}"]
        done = subprocess.run(
            [*command, self.target.url], capture_output=True, text=True, timeout=100, check=True
        )
        assert re.search(rf"\b{count} succeeded, 0 failed", done.stdout), done.stdout

    def version(self) -> str:
        done = subprocess.run(
            [self.h2load, "--version"], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip().replace("nghttp2/", "")
