"""Server push (RFC 9113 §8.4) by the servers that still can."""

from __future__ import annotations

import hashlib
import ssl

import pytest

from hyper import HTTPConnection

from .kinds import offering
from .servers import Server
from .tree import SMALL, Tree

push = pytest.mark.parametrize("real", offering("push"), indirect=True)


@push
def test_a_push_is_promised_and_answered(
    real: Server, ssl_context: ssl.SSLContext, tree: Tree
) -> None:
    with HTTPConnection(
        real.address, ssl_context=ssl_context, enable_push=True, timeout=20
    ) as connection:
        stream_id = connection.request("GET", "/page.html")
        (pushed,) = connection.get_pushes(stream_id, capture_all=True)
        page = connection.get_response(stream_id).read()
        assert hashlib.sha256(page).hexdigest() == tree.digests["/page.html"]
        assert (pushed.method, pushed.scheme, pushed.path) == (b"GET", b"https", b"/small.txt")
        assert pushed.authority == real.address.encode() and pushed.same_origin
        response = pushed.get_response()
        assert (response.status, response.read()) == (200, SMALL)
        assert response.stream_id is not None and response.stream_id % 2 == 0
        connection.request("GET", "/small.txt")
        assert connection.get_response().read() == SMALL


@push
def test_a_push_may_be_cancelled(real: Server, ssl_context: ssl.SSLContext) -> None:
    with HTTPConnection(
        real.address, ssl_context=ssl_context, enable_push=True, timeout=20
    ) as connection:
        connection.request("GET", "/page.html")
        for pushed in connection.get_pushes(capture_all=True):
            pushed.cancel()
        assert connection.get_response().status == 200
        connection.request("GET", "/small.txt")
        assert connection.get_response().read() == SMALL


@push
def test_nothing_is_pushed_to_those_who_did_not_ask(
    real: Server, ssl_context: ssl.SSLContext
) -> None:
    with HTTPConnection(real.address, ssl_context=ssl_context, timeout=20) as connection:
        connection.request("GET", "/page.html")
        assert connection.get_response().status == 200
        assert list(connection.get_pushes(capture_all=True)) == []
