"""The seeds' own examples, as they were written, against every server."""

from __future__ import annotations

import hashlib
import json
import ssl

from hyper import HTTP20Connection

from .servers import Server
from .tree import SMALL, Tree


def test_the_first_request(real: Server, ssl_context: ssl.SSLContext, tree: Tree) -> None:
    """The announcement of 0.0.1 and the quickstart of 0.3.0."""
    c = HTTP20Connection(real.address, ssl_context=ssl_context, timeout=20)
    assert c.request("GET", "/") == 1
    resp = c.get_response()
    assert resp.headers["content-type"][0].startswith(b"text/html")
    assert (b"content-type", resp.headers["content-type"][0]) in list(resp.headers)
    assert resp.status == 200
    body = resp.read()
    assert hashlib.sha256(body).hexdigest() == tree.digests["/"]
    assert c.request("GET", "/small.txt") == 3
    assert c.getresponse().read() == SMALL
    c.close()


def test_streams(real: Server, ssl_context: ssl.SSLContext, tree: Tree) -> None:
    """The streams example of 0.3.0: three requests, and the responses in another order."""
    c = HTTP20Connection(real.address, ssl_context=ssl_context, timeout=20)
    first = c.request("GET", "/page.html")
    second = c.request("POST", "/upload", data="key=value")
    third = c.request("GET", "/small.txt")
    assert (first, second, third) == (1, 3, 5)
    second_response = c.getresponse(second)
    first_response = c.getresponse(first)
    third_response = c.getresponse(third)

    assert third_response.read() == SMALL
    assert hashlib.sha256(first_response.read()).hexdigest() == tree.digests["/page.html"]
    answer = second_response.read()
    if real.offers("echo"):
        assert answer == b"key=value"
    else:
        digest = hashlib.sha256(b"key=value").hexdigest()
        assert json.loads(answer) == {"size": 9, "sha256": digest}
    c.close()


def test_a_context_manager(real: Server, ssl_context: ssl.SSLContext) -> None:
    with HTTP20Connection(real.address, ssl_context=ssl_context, timeout=20) as conn:
        conn.request("GET", "/small.txt")
        data = conn.getresponse().read()
    assert data == SMALL


def test_chunks_of_a_response(real: Server, ssl_context: ssl.SSLContext, tree: Tree) -> None:
    """``read_chunked`` and plain iteration give the body piece by piece."""
    with HTTP20Connection(real.address, ssl_context=ssl_context, timeout=20) as conn:
        conn.request("GET", "/1m.bin")
        digest = hashlib.sha256()
        for chunk in conn.get_response().read_chunked():
            digest.update(chunk)
        assert digest.hexdigest() == tree.digests["/1m.bin"]


def test_a_file_as_the_body(real: Server, ssl_context: ssl.SSLContext, tree: Tree) -> None:
    """Streaming uploads: a file-like object as ``data``."""
    with (
        HTTP20Connection(real.address, ssl_context=ssl_context, timeout=20) as conn,
        (tree.root / "1m.bin").open("rb") as file,
    ):
        conn.request("POST", "/upload", data=file)
        answer = conn.get_response().read()
    if real.offers("echo"):
        assert hashlib.sha256(answer).hexdigest() == tree.digests["/1m.bin"]
    else:
        assert json.loads(answer) == {
            "size": tree.sizes["/1m.bin"],
            "sha256": tree.digests["/1m.bin"],
        }
