"""In cleartext, whatever the server speaks: h2c by Upgrade (RFC 7540 §3.2), or HTTP/1.1."""

from __future__ import annotations

import hashlib

import pytest

from hyper import HTTP11Connection, HTTPConnection

from .servers import Server
from .tree import SMALL, Tree

#: Those whose cleartext port takes HTTP/1.1; of the others it is HTTP/2's alone. Not Apache: it
#: says goodbye ("timeout") right after the request that changed the protocol, and now and then
#: closes the next connection with that request unanswered.
BOTH = pytest.mark.parametrize("real", ["hypercorn", "h2o", "caddy", "nghttpx"], indirect=True)


@BOTH
def test_whichever_version_it_became_everything_arrives(real: Server, tree: Tree) -> None:
    with HTTPConnection("localhost", real.ports.plain, timeout=20) as connection:
        first = connection.request("GET", "/small.txt")
        assert first in (1, None)
        assert connection.get_response(first).read() == SMALL
        ids = [connection.request("GET", path) for path in ("/1m.bin", "/small.txt")]
        large = connection.get_response(ids[0]).read()
        assert hashlib.sha256(large).hexdigest() == tree.digests["/1m.bin"]
        assert connection.get_response(ids[1]).read() == SMALL
        assert connection.version == ("HTTP/1.1" if first is None else "HTTP/2")
        if real.kind.name in ("hypercorn", "h2o", "nghttpx"):
            assert first == 1, "these take the Upgrade"


@BOTH
def test_http_1_1_for_those_who_insist(real: Server, tree: Tree) -> None:
    with HTTP11Connection("localhost", real.ports.plain, timeout=20) as connection:
        for _ in range(3):
            connection.request("GET", "/small.txt")
        for _ in range(3):
            response = connection.get_response()
            assert (response.status, response.version, response.read()) == (200, 11, SMALL)
