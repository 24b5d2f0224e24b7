"""R11 over sockets, small enough for every run; at full size in ``interop/test_distance.py``."""

from __future__ import annotations

import http.client
import ssl
from time import perf_counter
from typing import Any

from hyper import HTTP20Connection

from ..servers import InProcessServer
from .relay import Relay

MIB = 1 << 20


def fetch(connection: Any, size: int) -> float:
    """Seconds that the download takes, over a connection that has been used before."""
    connection.request("GET", "/hello")
    connection.getresponse().read()
    start = perf_counter()
    connection.request("GET", f"/download/{size}")
    assert len(connection.getresponse().read()) == size
    return perf_counter() - start


def test_a_download_through_a_long_link_is_not_held_up_by_windows(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    """R11: with windows of 64 KiB this is ten times slower than HTTP/1.1 (httpx#262)."""
    size = 4 * MIB
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=ssl_context.get_ca_certs(binary_form=True)[0])
    with Relay(server.port, 25e6, 0.06) as relay:
        old = http.client.HTTPSConnection("localhost", relay.port, context=context, timeout=20)
        theirs = fetch(old, size)
        old.close()
        with HTTP20Connection(
            "localhost", relay.port, ssl_context=ssl_context, timeout=20
        ) as connection:
            ours = fetch(connection, size)
            assert connection.ping() >= 0.06
        # What the relay holds is bounded, whatever the sender would like to put into it.
        assert 65_536 < relay.most <= 25e6 * (0.03 + 0.1) + 2 * 65_536
    assert theirs > 0.06
    # Nine tenths where the machine is free; the rest is for one that is not.
    assert theirs / ours >= 0.5
