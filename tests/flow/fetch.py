"""One download in a process of its own, timed from before the connection to the last octet.

    python -m tests.flow.fetch CLIENT HOST PORT CA PATH [TIMES]

CLIENT is ``hyper`` (HTTP/2) or ``http.client`` (HTTP/1.1, which no window holds back). With TIMES
the download is repeated on the same connection. Prints JSON: the seconds of each, the size and
CRC-32 of the last, and by how many octets the peak of the process's memory grew.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import zlib
from time import perf_counter, sleep
from typing import Any

from hyper import HTTP20Connection

from ..interop.transfer import forget_peak, peak

PIECE = 65_536


def await_server(host: str, port: int) -> None:
    """The server of a host that was made a moment ago may not be up."""
    for _ in range(100):
        try:
            socket.create_connection((host, port), 5).close()
            return
        except ConnectionRefusedError:
            sleep(0.05)


def main(client: str, host: str, port: str, authority: str, path: str, times: str = "1") -> None:
    context = ssl.create_default_context(cafile=authority)
    await_server(host, int(port))
    forget_peak()
    before, start = peak(), perf_counter()
    connection: Any
    if client == "hyper":
        connection = HTTP20Connection(host, int(port), ssl_context=context, timeout=30)
    else:
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=30)
    seconds = []
    size = check = 0
    for _ in range(int(times)):
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == 200
        size = check = 0
        while piece := response.read(PIECE):
            size += len(piece)
            check = zlib.crc32(piece, check)
        now = perf_counter()
        seconds.append(now - start)
        start = now
    connection.close()
    print(json.dumps({"seconds": seconds, "size": size, "crc": check, "grown": peak() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
