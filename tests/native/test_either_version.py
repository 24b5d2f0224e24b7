"""One program, two versions of HTTP: whoever wrote it for HTTP/2 need not change a word."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hyper import (
    HTTP11Connection,
    HTTP11Response,
    HTTP20Connection,
    HTTP20Response,
    HTTPConnection,
)
from hyper.http20.exceptions import H2NotNegotiatedError

from ..certificates import Certificates
from ..servers import InProcessServer, content


@pytest.fixture(scope="module")
def old_server(certificates: Certificates) -> Iterator[InProcessServer]:
    """A server that speaks HTTP/1.1 and nothing else."""
    server = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    yield server
    server.stop()


@pytest.fixture(params=[20, 11])
def connection(
    request: pytest.FixtureRequest,
    server: InProcessServer,
    old_server: InProcessServer,
    ssl_context: ssl.SSLContext,
) -> Iterator[HTTPConnection]:
    """An ``HTTPConnection`` to a server of either version."""
    port = server.port if request.param == 20 else old_server.port
    with HTTPConnection("localhost", port, ssl_context=ssl_context, timeout=10) as connection:
        yield connection


def test_alpn_decides_and_the_responses_are_alike(connection: HTTPConnection) -> None:
    stream_id = connection.request("GET", "/hello")
    response: Any = connection.get_response(stream_id)
    assert response.status == 200
    assert response.headers["Content-Length"] == [b"12"]
    assert response.read() == b"hello, world"
    if connection.version == "HTTP/2":
        assert (stream_id, response.version, response.reason) == (1, 20, "")
        assert type(response) is HTTP20Response and response.stream_id == 1
        assert connection.max_concurrent_streams == 100
    else:
        assert connection.version == "HTTP/1.1"
        assert (stream_id, response.version, response.reason) == (None, 11, b"")
        assert type(response) is HTTP11Response and response.stream_id is None
        assert connection.max_concurrent_streams == 1


def test_several_requests_are_open_at_once(connection: HTTPConnection) -> None:
    ids = [connection.request("GET", f"/download/{size}") for size in (10, 3_000_000, 30)]
    sizes = [len(connection.get_response(stream_id).read()) for stream_id in ids]
    assert sizes == [10, 3_000_000, 30]


def test_without_ids_the_oldest_comes_first(connection: HTTPConnection) -> None:
    for size in (10, 20, 30):
        connection.request("GET", f"/download/{size}")
    assert [len(connection.get_response().read()) for _ in range(3)] == [10, 20, 30]
    with pytest.raises(ValueError, match="there are: none"):
        connection.get_response()


def test_a_large_response_that_is_not_read_holds_nobody_up(connection: HTTPConnection) -> None:
    connection.request("GET", "/download/9000000")
    unread = connection.get_response()
    connection.request("GET", "/hello")
    assert connection.get_response().read() == b"hello, world"
    connection.request("POST", "/upload", b"abc")
    assert json.loads(connection.get_response().read())["size"] == 3
    assert hashlib.sha256(unread.read()).digest() == (
        hashlib.sha256(b"".join(content(9_000_000))).digest()
    )


def test_threads_share_one_connection(connection: HTTPConnection) -> None:
    def fetch(number: int) -> bool:
        size = 1000 + number
        if number % 3:
            stream_id = connection.request("GET", f"/download/{size}")
            return len(connection.get_response(stream_id).read()) == size
        connection.request("POST", "/upload", iter([bytes(size)]))
        return bool(json.loads(connection.get_response().read())["size"] == size)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fetch, range(64)))


def test_a_thread_may_collect_what_another_asked_for(connection: HTTPConnection) -> None:
    """The pattern of the first documentation: one thread asks, another one reads."""
    ids = [connection.request("GET", f"/download/{size}") for size in (1, 2, 3)]
    with ThreadPoolExecutor(1) as pool:
        bodies = [
            pool.submit(lambda each: connection.get_response(each).read(), stream_id).result()
            for stream_id in ids
        ]
    assert [len(body) for body in bodies] == [1, 2, 3]


def test_uploads_of_every_kind(connection: HTTPConnection, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 100_000)
    with path.open("rb") as file:
        bodies: list[Any] = [b"abc" * 100_000, file, (b"abc" * 100 for _ in range(1000))]
        for body in bodies:
            connection.request("POST", "/upload", body)
            answer = json.loads(connection.get_response().read())
            assert answer["sha256"] == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_head_request_and_statuses_without_a_body(connection: HTTPConnection) -> None:
    connection.request("HEAD", "/download/1000")
    response = connection.get_response()
    assert (response.headers["content-length"], response.read()) == ([b"1000"], b"")
    for status in (204, 304):
        connection.request("GET", f"/status/{status}")
        response = connection.get_response()
        assert (response.status, response.read()) == (status, b"")


def test_content_codings_are_taken_off(connection: HTTPConnection) -> None:
    for path in ("/gzip", "/deflate"):
        connection.request("GET", path)
        assert path.strip("/").encode() in connection.get_response().read()
    connection.request("GET", "/gzip")
    assert connection.get_response().read(decode_content=False)[:2] == b"\x1f\x8b"


def test_a_truncated_response_is_an_error_that_has_what_came(connection: HTTPConnection) -> None:
    connection.request("GET", "/cut")
    response = connection.get_response()
    with pytest.raises((OSError, Exception), match="localhost") as caught:
        response.read()
    assert getattr(caught.value, "partial", None) == b"0123456789"


def test_a_response_closed_early_disturbs_no_other(connection: HTTPConnection) -> None:
    for _ in range(3):
        ids = [connection.request("GET", "/download/5000000") for _ in range(2)]
        with connection.get_response(ids[0]) as response:
            assert response.status == 200
        assert len(connection.get_response(ids[1]).read()) == 5_000_000


def test_a_connection_is_used_again_after_close(connection: HTTPConnection) -> None:
    for _ in range(2):
        connection.request("GET", "/hello")
        assert connection.get_response().read() == b"hello, world"
        connection.close()


def test_pseudo_headers_and_host_say_who_is_asked(connection: HTTPConnection) -> None:
    for headers in ({":authority": "example.org"}, {"Host": "example.org"}):
        connection.request("GET", "/headers", headers=headers)
        assert json.loads(connection.get_response().read())["headers"]["Host"] == "example.org"


def test_ping_belongs_to_http_2(connection: HTTPConnection) -> None:
    connection.connect()
    if connection.version == "HTTP/2":
        assert connection.ping() > 0
    else:
        with pytest.raises(ValueError, match=r"speaks HTTP/1\.1, which has no PING"):
            connection.ping()


def test_who_insists_on_one_version_gets_it_or_an_error(
    server: InProcessServer, old_server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTP11Connection("localhost", server.port, ssl_context=ssl_context) as connection:
        assert connection.request("GET", "/hello") is None
        assert connection.get_response().version == 11
    with (
        HTTP20Connection("localhost", old_server.port, ssl_context=ssl_context) as insisting,
        pytest.raises(H2NotNegotiatedError, match=r"chose 'http/1.1'.*use HTTPConnection"),
    ):
        insisting.request("GET", "/hello")


def test_ports_versions_and_names() -> None:
    assert HTTPConnection("h").port == HTTP11Connection("h").port == 80
    assert not HTTPConnection("h").secure and HTTPConnection("h:443").secure
    assert HTTPConnection("h", ssl_context=ssl.create_default_context()).secure
    assert HTTP11Connection("h", 443).secure
    assert HTTPConnection("h").version == HTTP11Connection("h:443").version == "HTTP/1.1"
    assert HTTPConnection("h:443").version == HTTP20Connection("h").version == "HTTP/2"
    assert HTTP11Connection("h").max_concurrent_streams == 1
    assert HTTPConnection("h").max_concurrent_streams == 1, "until it is known"
    assert repr(HTTP11Connection("h")) == "<HTTP11Connection http://h:80>"
    positional = HTTPConnection("h", 80, False, None, True, None, "p:1", None, {"a": "b"}, 5)
    assert (positional.proxy_host, positional.proxy_port, positional.timeout) == ("p", 1, 5)
    assert positional.proxy_headers == {"a": "b"} and positional.enable_push
