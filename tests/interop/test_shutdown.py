"""A server that is told to stop lets the response in flight finish (RFC 9113 §6.8).

Each of them has its own way: one GOAWAY, or one with the last id 2^31-1 and then the true one, a
PING between them (granian), or no GOAWAY at all and the end of the connection once it is idle.
"""

from __future__ import annotations

import contextlib
import ssl

import pytest

from hyper import HTTP20Connection

from .conftest import Ring
from .kinds import offering
from .tree import SMALL


@pytest.mark.parametrize("name", offering("drain"))
def test_the_response_in_flight_finishes(
    ring: Ring, ssl_context: ssl.SSLContext, name: str
) -> None:
    with (
        ring.fresh(name) as server,
        HTTP20Connection(server.address, ssl_context=ssl_context, timeout=20) as connection,
    ):
        connection.request("GET", "/small.txt")
        assert connection.get_response().read() == SMALL
        connection.request("GET", "/slow")
        response = connection.get_response()
        assert response.status == 200
        assert response.read(6) == b"first,"

        server.say_farewell()

        assert response.read() == b"second"
        # Whoever asks again gets an answer from a server that still gives some (HAProxy), or is
        # told at once that nobody listens any more.
        with contextlib.suppress(OSError):
            connection.request("GET", "/small.txt")
            assert connection.get_response().read() == SMALL
