"""One large transfer in a process of its own, so that its memory can be measured.

    python -m tests.interop.transfer down   ADDRESS CA PATH
    python -m tests.interop.transfer up     ADDRESS CA FILE
    python -m tests.interop.transfer beside ADDRESS CA PATH

``beside`` is ``down`` while another response of 64 MiB lies unread on the same connection.

Prints JSON: the SHA-256 digest and size of what arrived (at the server, or here when it sent the
body back), the seconds, and by how many octets the process's peak memory grew during it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import resource
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from hyper import HTTP20Connection


def forget_peak() -> None:
    """Let ``peak`` begin anew, where the system can (Linux): importing peaked higher than we may.

    5 resets the peak of resident memory; see proc_pid_clear_refs(5).
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most octets this process has had in memory.

    Not ru_maxrss where it can be helped: on Linux a child starts with its parent's value.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def receive(response: Any) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for chunk in response.read_chunked():
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def main(direction: str, address: str, authority: str, what: str) -> None:
    context = ssl.create_default_context(cafile=authority)
    with HTTP20Connection(address, ssl_context=context, timeout=30) as connection:
        connection.request("GET", "/small.txt")
        connection.get_response().read()
        forget_peak()
        before, start = peak(), time.perf_counter()
        if direction == "beside":
            connection.request("GET", "/64m.bin")
            unread = connection.get_response()  # dropped, it would be cancelled
            assert unread.status == 200
        if direction != "up":
            connection.request("GET", what)
            sha256, size = receive(connection.get_response())
        else:
            with open(what, "rb") as file:
                connection.request("POST", "/upload", body=file)
            response = connection.get_response()
            if response.headers.get(b"content-type") == [b"application/json"]:
                answer = json.loads(response.read())
                sha256, size = answer["sha256"], answer["size"]
            else:
                sha256, size = receive(response)
        seconds = time.perf_counter() - start
    grown = peak() - before
    print(json.dumps({"sha256": sha256, "size": size, "seconds": seconds, "grown": grown}))


if __name__ == "__main__":
    main(*sys.argv[1:])
