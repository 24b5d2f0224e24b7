"""The other clients: where they are installed, apart from ours and from each other."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["PEERS", "interpreter", "provide"]

SCRIPTS = "Scripts" if os.name == "nt" else "bin"

#: Client -> its environment and the packages that it needs there. niquests installs a urllib3
#: of its own over the real one, so it shares with nobody.
PEERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pycurl": ("pycurl", ("pycurl>=7.45",)),
    "httpx": ("httpx", ("httpx[http2]>=0.28",)),
    "h2": ("h2", ("h2>=4.1",)),
    "niquests": ("niquests", ("niquests>=3.10",)),
}


def interpreter(client: str, folder: Path) -> str:
    """The Python that runs this client: its environment's if there is one, else this one."""
    if client in PEERS:
        python = folder / PEERS[client][0] / SCRIPTS / "python"
        if python.exists():
            return str(python)
    return sys.executable


def provide(clients: list[str], folder: Path) -> None:
    """Make the environments that are missing; say for whom that failed, and why."""
    for client in clients:
        if client not in PEERS or interpreter(client, folder) != sys.executable:
            continue
        name, packages = PEERS[client]
        home = folder / name
        wanted = ", ".join(packages)
        print(f"bench: installing {wanted} into {home}", file=sys.stderr, flush=True)
        # Under another name first: a half-made one would pass for a whole one the next time.
        half = folder / f"{name}.new"
        try:
            venv.EnvBuilder(with_pip=True, clear=True).create(half)
            command = [str(half / SCRIPTS / "python"), "-m", "pip", "install", "--quiet"]
            command += ["--disable-pip-version-check", *packages]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                raise OSError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
            half.rename(home)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"bench: {wanted} could not be installed: {error}", file=sys.stderr)
