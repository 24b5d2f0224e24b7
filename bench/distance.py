"""One download over a long wire: real TCP between two hosts, 50 ms and 1 Gbit/s apart.

    python -m bench.distance '{"client": "hyper" or "http.client", "folder": ..., ...}'

The wire and the hosts are those of ``tests/flow/wire.py``, so it needs Linux and root. What the
wire gives is what ``http.client`` gets over HTTP/1.1, which no window of HTTP/2 holds back.
Started by ``macro.py``; prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.scenarios import BULK_SIZE
from bench.servers import FAR, Missing, command, stop
from bench.start import named
from tests.flow.wire import CLIENT, SERVER, NoWireError, Wire

#: Octets a second, and seconds there and back.
RATE, ROUND_TRIP = 125e6, 0.05
PORT = 4433


def main() -> None:
    task = json.loads(sys.argv[1])
    try:
        result = download(task)
    except (NoWireError, Missing) as reason:
        result = {"skipped": str(reason)}
    print(json.dumps(result))


def download(task: dict[str, Any]) -> dict[str, Any]:
    assert SERVER == FAR, "the certificate is for another host"
    with TemporaryDirectory(prefix="far-", dir=task["folder"]) as name:
        folder = Path(name)
        for each in ("root", "ca.pem", "chain.pem", "key.pem"):
            (folder / each).symlink_to(Path(task["folder"]) / each)
        start = command("nginx", folder, SERVER, PORT)
        with Wire(RATE, ROUND_TRIP) as wire:
            server = wire.start(SERVER, start, stderr=subprocess.DEVNULL)
            try:
                fetched = fetch(wire, task)
            finally:
                stop(server)
    assert fetched["size"] == BULK_SIZE
    (seconds,) = fetched["seconds"]
    # No processor time: what this process spends is the wire's.
    figures = {"units": 1, "wall": seconds, "peak_memory": 0}
    return {"version": named(task["client"]), **figures}


def fetch(wire: Wire, task: dict[str, Any]) -> dict[str, Any]:
    words = [task["client"], SERVER, str(PORT), task["authority"], task["path"]]
    process = wire.start(
        CLIENT, [sys.executable, "-m", "tests.flow.fetch", *words], stdout=subprocess.PIPE
    )
    try:
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    result: dict[str, Any] = json.loads(told)
    return result


if __name__ == "__main__":
    main()
