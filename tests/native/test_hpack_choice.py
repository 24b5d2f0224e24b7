"""Whose header compression a connection uses (RFC 7541), said for that connection alone."""

from __future__ import annotations

import ssl

import pytest

from hyper import HTTP20Connection, hpack
from hyper.hpack import nghttp2
from tests.servers.in_process import InProcessServer


def modules_of(connection: HTTP20Connection) -> set[str]:
    pump = connection._pump
    assert pump is not None
    protocol = pump.protocol
    return {type(protocol.encoder).__module__, type(protocol.decoder).__module__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["python", "nghttp2"])
def test_a_connection_takes_the_hpack_it_is_told(
    name: str, server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    if name == "nghttp2":
        try:
            nghttp2.library()
        except ImportError as error:
            pytest.skip(str(error))
    with HTTP20Connection(server.host, server.port, ssl_context=ssl_context, hpack=name) as c:
        for _ in range(3):
            c.request("GET", "/get", headers={"x-sent": "by " + name})
            assert b"by " + name.encode() in c.get_response().read()
        backend = hpack.backend(name)
        assert modules_of(c) == {backend.Encoder.__module__, backend.Decoder.__module__}


def test_a_name_that_means_no_hpack_is_an_error_that_says_which_there_are(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with (
        HTTP20Connection(server.host, server.port, ssl_context=ssl_context, hpack="zip") as c,
        pytest.raises(ValueError, match="'python' and 'nghttp2'"),
    ):
        c.request("GET", "/get")
