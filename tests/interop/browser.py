"""A real browser without a window: Chromium, to look at pages and to ask what is in them."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

from .conftest import REQUIRED

__all__ = ["Browser", "size_of_png"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")

_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """Chromium, started anew for each look."""

    def __init__(self, program: str) -> None:
        self.program = program

    @classmethod
    def found(cls) -> Browser:
        """The one of this machine; skips the test where there is none."""
        for name in _NAMES:
            program = shutil.which(name)
            if program:
                return cls(program)
        (pytest.fail if REQUIRED else pytest.skip)("no chromium here: apt-get install chromium")

    def run(self, page: Path, *options: str, width: int = 1280, dark: bool = False) -> str:
        """What it prints about a page. Fails when it is not done in a minute."""
        with tempfile.TemporaryDirectory(prefix="hyper-browser-") as profile:
            scheme = 0 if dark else 1
            command = [
                self.program,
                *_OPTIONS,
                f"--user-data-dir={profile}",
                f"--window-size={width},900",
                f"--blink-settings=preferredColorScheme={scheme}",
                *options,
                page.as_uri(),
            ]
            if os.getuid() == 0:
                command.insert(1, "--no-sandbox")  # which needs another user than root
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=120, cwd=profile, check=False
            )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def document(self, page: Path, *, width: int = 1280, dark: bool = False) -> str:
        """The page as HTML once it has been laid out and its scripts have run."""
        return self.run(page, "--dump-dom", "--virtual-time-budget=5000", width=width, dark=dark)

    def picture(self, page: Path, into: Path, *, width: int, dark: bool = False) -> bytes:
        """A screenshot, as PNG."""
        self.run(page, f"--screenshot={into}", width=width, dark=dark)
        return into.read_bytes()


def size_of_png(octets: bytes) -> tuple[int, int]:
    assert octets.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">LL", octets[16:24])
    return width, height
