"""What HTTP means, seen through every server: heads, missing bodies, codings, trailers."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator

import pytest

from hyper import HTTP20Connection

from .kinds import offering
from .servers import Server
from .tree import SMALL, Tree, noise


@pytest.fixture
def connection(real: Server, ssl_context: ssl.SSLContext) -> Iterator[HTTP20Connection]:
    """One connection to one server."""
    with HTTP20Connection(real.address, ssl_context=ssl_context, timeout=20) as connection:
        yield connection


def choose(*what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("real", offering(*what), indirect=True)


@choose("mirror")
def test_headers_arrive_as_they_were_sent_both_ways(connection: HTTP20Connection) -> None:
    connection.request(
        "GET",
        "/mirror?q=%C3%BC&q=2",
        headers={"X-One": "first", "x-two": "a, b", "user-agent": "ring/1", "accept": "*/*"},
    )
    response = connection.get_response()
    seen = json.loads(response.read())
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "/mirror", "q=%C3%BC&q=2")
    assert headers["x-one"] == "first"
    assert headers["x-two"] == "a, b"
    assert headers["user-agent"] == "ring/1"
    assert "transfer-encoding" not in headers
    assert response.headers["Content-Type"] == [b"application/json"]
    assert response.headers["set-cookie"] == [b"a=1; Path=/", b"b=2; Path=/"]
    assert response.headers["x-answer"] == [b"forty", b"two"]
    assert response.getheader("x-answer") == "forty, two"


@choose("mirror")
def test_header_compression_stays_in_step_over_many_different_requests(
    connection: HTTP20Connection,
) -> None:
    """Both dynamic tables (RFC 7541 §2.3.2) fill and evict; one wrong index shows at once."""
    for number in range(60):
        value = f"{number:04d}" * (number % 20 + 1)
        headers = {f"x-name-{number % 7}": value, "x-always": "the same", "cookie": f"id={value}"}
        connection.request("GET", f"/mirror?n={number}", headers=headers)
        response = connection.get_response()
        seen = json.loads(response.read())
        arrived = {name.lower(): text for name, text in seen["headers"]}
        assert seen["query"] == f"n={number}"
        assert arrived[f"x-name-{number % 7}"] == value
        assert arrived["cookie"] == f"id={value}"


#: hypercorn, granian, node and envoy take heads as large as that; the others answer 4xx or 5xx.
WIDE = pytest.mark.parametrize("real", ["hypercorn", "granian", "node", "envoy"], indirect=True)


@WIDE
def test_a_request_head_larger_than_a_frame(connection: HTTP20Connection) -> None:
    """RFC 9113 §6.10: HEADERS and CONTINUATION."""
    headers = {f"x-{number}": noise(3500, number).hex() for number in range(4)}
    connection.request("GET", "/mirror", headers=headers)
    response = connection.get_response()
    seen = dict(json.loads(response.read())["headers"])
    assert response.status == 200
    assert {name: seen[name] for name in headers} == headers


@WIDE
def test_a_response_head_larger_than_a_frame(connection: HTTP20Connection) -> None:
    """RFC 9113 §6.10, from the other side."""
    connection.request("GET", "/wide")
    response = connection.get_response()
    assert (response.status, response.read()) == (200, b"wide")
    for number in range(40):
        assert response.headers[f"x-{number}"] == [b"%04d" % number * 250]


@pytest.mark.parametrize(
    "real", ["granian", "node", "nghttpd", "nginx", "h2o", "caddy", "apache"], indirect=True
)
def test_an_upload_that_nobody_asked_for_gets_its_answer(connection: HTTP20Connection) -> None:
    """RFC 9113 §8.1: the answer may come before the body has been sent, and end the upload.

    Not for hypercorn: DATA behind a finished answer is a KeyError there that ends the connection;
    and so it does behind the proxies, which may answer 503.
    """
    connection.request("POST", "/small.txt", body=noise(8 << 20, 8))
    response = connection.get_response()
    assert response.status in (200, 405)
    response.read()
    connection.request("GET", "/small.txt")
    assert connection.get_response().read() == SMALL


def test_head_has_the_length_and_no_body(connection: HTTP20Connection, tree: Tree) -> None:
    connection.request("HEAD", "/1m.bin")
    response = connection.get_response()
    assert response.status == 200
    assert response.headers["content-length"] == [b"%d" % tree.sizes["/1m.bin"]]
    assert response.read() == b""


def test_what_is_not_there_is_a_404_and_no_error(connection: HTTP20Connection) -> None:
    connection.request("GET", "/nowhere")
    response = connection.get_response()
    assert response.status == 404
    response.read()
    connection.request("GET", "/small.txt")
    assert connection.get_response().read() == SMALL


def test_an_empty_body_is_empty(connection: HTTP20Connection) -> None:
    connection.request("GET", "/empty.txt")
    response = connection.get_response()
    assert (response.status, response.read(), response.read(10)) == (200, b"", b"")


def test_a_mebibyte_in_small_reads(connection: HTTP20Connection, tree: Tree) -> None:
    connection.request("GET", "/1m.bin")
    response = connection.get_response()
    digest = hashlib.sha256()
    while piece := response.read(10_007):
        assert len(piece) <= 10_007
        digest.update(piece)
    assert digest.hexdigest() == tree.digests["/1m.bin"]


@choose("gzip")
def test_gzip_is_decoded_unless_told_otherwise(connection: HTTP20Connection, tree: Tree) -> None:
    accept = {"accept-encoding": "gzip"}
    connection.request("GET", "/page.html", headers=accept)
    response = connection.get_response()
    assert response.headers["content-encoding"] == [b"gzip"]
    assert hashlib.sha256(response.read()).hexdigest() == tree.digests["/page.html"]

    connection.request("GET", "/page.html", headers=accept)
    raw = connection.get_response().read(decode_content=False)
    assert raw[:2] == b"\x1f\x8b"
    assert len(raw) < tree.sizes["/page.html"] / 10


@choose("hints")
def test_early_hints_come_beside_the_response(connection: HTTP20Connection) -> None:
    """RFC 8297: 103 is not the answer."""
    connection.request("GET", "/hints")
    response = connection.get_response()
    assert (response.status, response.read()) == (200, b"hinted")
    (hint,) = response.informational
    assert hint[0] == 103
    assert b"link" in dict(hint[1])


@choose("trailers")
def test_trailers_are_kept(real: Server, connection: HTTP20Connection) -> None:
    """RFC 9113 §8.1: a second HEADERS frame ends the response."""
    path = "/small.txt" if real.kind.name == "nghttpd" else "/trailers"
    connection.request("GET", path, headers={"te": "trailers"})
    response = connection.get_response()
    assert response.read()
    assert response.trailers["x-sum"] == [b"42"]
    assert response.gettrailer("x-sum") == "42"


def test_a_response_dropped_half_way_leaves_the_connection_whole(
    connection: HTTP20Connection,
) -> None:
    for _ in range(3):
        connection.request("GET", "/64m.bin")
        response = connection.get_response()
        assert len(response.read(1000)) == 1000
        response.close()
    connection.request("GET", "/small.txt")
    assert connection.get_response().read() == SMALL


@choose("slow")
def test_a_timeout_costs_its_own_stream_and_no_other(connection: HTTP20Connection) -> None:
    """The other half of /slow comes after 1.5 s; by then its stream has been reset."""
    beside = connection.request("GET", "/slow")
    impatient = connection.get_response(connection.request("GET", "/slow", timeout=0.4))
    assert impatient.read(6) == b"first,"
    with pytest.raises(TimeoutError, match=r"localhost.*/slow"):
        impatient.read()
    after = connection.request("GET", "/small.txt")
    assert connection.get_response(after).read() == SMALL
    assert connection.get_response(beside).read() == b"first,second"


def test_a_ping_comes_back(connection: HTTP20Connection) -> None:
    """RFC 9113 §6.7."""
    connection.request("GET", "/small.txt")
    connection.get_response().read()
    assert 0 < connection.ping() < 5


@choose("plain")
def test_prior_knowledge_on_cleartext(real: Server, tree: Tree) -> None:
    """RFC 9113 §3.3: the preface is the first thing said, without TLS and without Upgrade."""
    address = f"localhost:{real.ports.plain}"
    with HTTP20Connection(address, secure=False, timeout=20) as connection:
        assert connection.request("GET", "/1m.bin") == 1
        body = connection.request("GET", "/small.txt")
        assert connection.get_response(body).read() == SMALL
        whole = connection.get_response(1).read()
        assert hashlib.sha256(whole).hexdigest() == tree.digests["/1m.bin"]
