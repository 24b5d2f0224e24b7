"""Every example that the project's first documents print for the native door, as they print it.

The documents are the announcement of 0.0.1, the documentation of 0.3.0 and a later Advanced Usage.
Their text came down to us without indentation; apart from that, and from names like ``analyse``
that they leave to the reader, nothing is changed. The server is hypercorn with httpbin under the
name of http2bin.org, and of twitter.com, which one of them asks.
"""

from __future__ import annotations

import importlib
import io
import json
import textwrap
import zlib
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

import hyper
from hyper.http20.window import BaseFlowControlManager

from ..certificates import Certificates
from ..faults.rawserver import Conversation, RawServer

EVERY_KIND = ["HTTP20Connection", "HTTP11Connection", "HTTPConnection"]

pytestmark = pytest.mark.usefixtures("http2bin", "closing")


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close at the end what the examples leave open."""
    opened: list[Any] = []
    begin = hyper.HTTPConnection.__init__

    def remembering(self: Any, *args: Any, **kwargs: Any) -> None:
        opened.append(self)
        begin(self, *args, **kwargs)

    monkeypatch.setattr(hyper.HTTPConnection, "__init__", remembering)
    yield
    for connection in opened:
        connection.close()


def run(text: str, **names: Any) -> dict[str, Any]:
    """Run an example; the names that it leaves behind, and what it printed as ``printed``."""
    said = io.StringIO()
    with redirect_stdout(said):
        exec(textwrap.dedent(text), names)
    return {**names, "printed": said.getvalue()}


def console(text: str, **names: Any) -> tuple[dict[str, Any], list[Any]]:
    """Run the ``>>>`` lines of an example; the names it leaves, and what each line gave."""
    given = []
    for line in textwrap.dedent(text).strip().splitlines():
        source = line.removeprefix(">>> ")
        try:
            given.append(eval(source, names))
        except SyntaxError:
            exec(source, names)
            given.append(None)
    return names, given


# The announcement, and the front page.


@pytest.mark.parametrize(
    "host", ["http2bin.org:443", "twitter.com:443"], ids=["documentation", "announcement"]
)
def test_the_five_lines_of_the_front_page(host: str) -> None:
    """Seed points 1, 13, 14, 17, 18."""
    text = """
        from hyper import HTTP20Connection

        conn = HTTP20Connection('twitter.com:443')
        conn.request('GET', '/')
        resp = conn.getresponse()

        print(resp.read())
    """
    left = run(text.replace("twitter.com:443", host))
    assert left["printed"].startswith("b'<!DOCTYPE html>")
    assert left["printed"].endswith("</html>\\n'\n") or "</html>" in left["printed"]
    assert left["resp"].status == 200


def test_the_front_page_of_0_3_0() -> None:
    left = run("""
        from hyper import HTTP20Connection
        conn = HTTP20Connection('http2bin.org:443')
        conn.request('GET', '/get')
        resp = conn.getresponse()
        print(resp.read())
    """)
    assert "http2bin.org/get" in left["printed"]


# The quickstart.


def test_the_first_request_of_the_quickstart() -> None:
    """Seed points 14, 15, 17, 19, 20: the first id is 1, headers are lists of bytes."""
    names, given = console("""
        >>> from hyper import HTTP20Connection
        >>> c = HTTP20Connection('http2bin.org')
        >>> c.request('GET', '/')
        >>> resp = c.get_response()
        >>> resp.headers['content-type']
        >>> resp.headers
        >>> resp.status
        >>> body = resp.read()
    """)
    assert given[2] == 1
    assert given[4] == [b"text/html; charset=utf-8"]
    assert repr(given[5]).startswith("HTTPHeaderMap([(b'")
    assert given[6] == 200
    assert names["body"].startswith(b"<!DOCTYPE html>\n")


def test_sequential_requests_use_the_same_api() -> None:
    """Seed point 21: "you can make sequential requests using the exact same API"."""
    conn = hyper.HTTP20Connection("http2bin.org")
    for path in ("/get", "/ip", "/user-agent"):
        conn.request("GET", path)
        resp = conn.getresponse()
        assert (resp.status, json.loads(resp.read()) != {}) == (200, True)


def test_three_streams_read_in_another_order() -> None:
    """Seed points 16, 23, 25."""
    names, _ = console("""
        >>> from hyper import HTTP20Connection
        >>> c = HTTP20Connection('http2bin.org')
        >>> first = c.request('GET', '/get')
        >>> second = c.request('POST', '/post', data='key=value')
        >>> third = c.request('GET', '/ip')
        >>> second_response = c.getresponse(second)
        >>> first_response = c.getresponse(first)
        >>> third_response = c.getresponse(third)
    """)
    assert [names["first"], names["second"], names["third"]] == [1, 3, 5]
    assert json.loads(names["first_response"].read())["url"].endswith("/get")
    assert json.loads(names["second_response"].read())["data"] == "key=value"
    assert list(json.loads(names["third_response"].read())) == ["origin"]


def test_the_first_request_over_http_1_1() -> None:
    """Seed points 22, 30: the same, without an id."""
    names, given = console("""
        >>> from hyper import HTTP11Connection
        >>> c = HTTP11Connection('twitter.com:443')
        >>> c.request('GET', '/')
        >>> resp = c.get_response()
        >>> resp.headers
        >>> resp.status
        >>> body = resp.read()
    """)
    assert given[2] is None
    assert repr(given[4]).startswith("HTTPHeaderMap([(b'")
    assert given[5] == 200
    assert names["body"].startswith(b"<!DOCTYPE html>\n")


def test_deflate_over_http_1_1_is_taken_off() -> None:
    """Seed point 38: Twitter's answer was deflated then; here it is httpbin's /deflate."""
    names, given = console("""
        >>> from hyper import HTTP11Connection
        >>> c = HTTP11Connection('twitter.com:443')
        >>> c.request('GET', '/deflate')
        >>> resp = c.get_response()
        >>> resp.headers['content-encoding']
        >>> body = resp.read()
    """)
    assert given[4] == [b"deflate"]
    assert json.loads(names["body"])["deflated"] is True


# Advanced usage.

CONTEXT_MANAGERS = {
    "HTTP20Connection": """
        with HTTP20Connection('http2bin.org') as conn:
            conn.request('GET', '/get')
            data = conn.getresponse().read()
            analyse(data)
    """,
    "HTTP11Connection": """
        with HTTP11Connection('http2bin.org') as conn:
            conn.request('GET', '/get')
            data = conn.getresponse().read()
            analyse(data)
    """,
    "HTTPConnection": """
        with HTTPConnection('http2bin.org') as conn:
            conn.request('GET', '/get')
            data = conn.get_response().read()
            analyse(data)
    """,
}


@pytest.mark.parametrize("name", CONTEXT_MANAGERS)
def test_connections_as_context_managers(name: str) -> None:
    """Seed point 42."""
    analysed: list[bytes] = []
    run(CONTEXT_MANAGERS[name], analyse=analysed.append, **{name: getattr(hyper, name)})
    assert json.loads(analysed[0])["url"].endswith("/get")


@pytest.mark.parametrize(
    "name",
    EVERY_KIND,
)
def test_responses_as_context_managers(name: str) -> None:
    """Seed point 43."""
    conn = getattr(hyper, name)("http2bin.org")
    conn.request("GET", "/get")
    with conn.get_response() as response:
        assert json.loads(response.read())["url"].endswith("/get")
    conn.request("GET", "/download/300000")
    with conn.get_response() as response:
        assert len(response.read(10)) == 10
    conn.request("GET", "/get")
    assert conn.get_response().status == 200, "a response given up half-way hurts nobody"


@pytest.mark.parametrize("name", EVERY_KIND)
def test_chunked_responses(name: str) -> None:
    """Seed points 31, 40."""
    conn = getattr(hyper, name)("http2bin.org", 443)
    conn.request("GET", "/stream/3")
    chunks: list[bytes] = []
    text = """
        for chunk in response.read_chunked():
            do_something_with_chunk(chunk)
    """
    run(text, response=conn.get_response(), do_something_with_chunk=chunks.append)
    lines = b"".join(chunks).splitlines()
    assert [json.loads(line)["id"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize("name", EVERY_KIND)
def test_compressed_chunks(name: str) -> None:
    """Seed points 39, 40: the octets as they were sent."""
    conn = getattr(hyper, name)("http2bin.org", 443)
    conn.request("GET", "/gzip")
    decompressor = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    text = """
        for compressed_chunk in response.read_chunked(decode_content=False):
            decompress(compressed_chunk)
    """
    run(
        text,
        response=conn.get_response(),
        decompress=lambda data: pieces.append(decompressor.decompress(data)),
    )
    assert json.loads(b"".join(pieces))["gzipped"] is True


@pytest.mark.parametrize("name", EVERY_KIND)
def test_decompression_and_how_to_do_without_it(name: str) -> None:
    """Seed points 38, 39: ``read(decode_content=False)``."""
    conn = getattr(hyper, name)("http2bin.org", 443)
    conn.request("GET", "/gzip")
    assert json.loads(conn.get_response().read())["gzipped"] is True
    conn.request("GET", "/gzip")
    _, given = console(">>> resp.read(decode_content=False)", resp=conn.get_response())
    assert json.loads(zlib.decompress(given[0], 31))["gzipped"] is True


@pytest.mark.parametrize("name", EVERY_KIND)
@pytest.mark.parametrize("length", [True, False], ids=["with a length", "without"])
def test_a_streaming_upload_by_the_data_parameter(name: str, length: bool) -> None:
    """Seed point 36; Content-Length, the user's then, is set where it is missing."""
    conn = getattr(hyper, name)("http2bin.org", 443)
    file = io.BytesIO(b"x" * 100_000)
    headers = {"Content-Length": "100000"} if length else {}
    conn.request("POST", "/upload", data=file, headers=headers)
    assert json.loads(conn.get_response().read())["size"] == 100_000


def test_a_window_manager_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed points 47, 48: the class is given, and spawned for each stream and the connection."""
    left = run(
        """
        class StupidFlowControlManager(BaseFlowControlManager):
            def increase_window_size(self, frame_size):
                return frame_size

        conn = HTTP20Connection('http2bin.org', window_manager=StupidFlowControlManager)
        """,
        BaseFlowControlManager=BaseFlowControlManager,
        HTTP20Connection=hyper.HTTP20Connection,
    )
    stupid: Any = left["StupidFlowControlManager"]
    decide = stupid.increase_window_size
    heard: dict[int, int] = {}

    def listening(self: Any, frame_size: int) -> Any:
        heard[id(self)] = heard.get(id(self), 0) + frame_size
        kept.append(self)
        return decide(self, frame_size)

    kept: list[Any] = []  # else an id might be used a second time
    monkeypatch.setattr(stupid, "increase_window_size", listening)
    conn = left["conn"]
    for _ in range(2):
        conn.request("GET", "/download/100000")
        assert len(conn.get_response().read()) == 100_000
    assert sorted(heard.values()) == [100_000, 100_000, 200_000], "two streams, one connection"


PUSHES = """
    conn.request('GET', '/')
    response = conn.get_response()
    for push in conn.get_pushes(): # all pushes promised before response headers
        print(push.path)
    conn.read()
    for push in conn.get_pushes(): # all other pushes
        print(push.path)
"""


@pytest.mark.parametrize("name", ["HTTP20Connection", "HTTPConnection"])
def test_pushes(name: str) -> None:
    """Seed points 49 to 52, with ``conn.read()``, which the documents made up."""
    conn = getattr(hyper, name)("http2bin.org", 443, enable_push=True)
    assert run(PUSHES, conn=conn)["printed"] == "", "httpbin pushes nothing"
    left = run(PUSHES.replace("'/'", "'/push'"), conn=conn)
    assert left["printed"] == "b'/pushed.css'\n"
    assert list(conn.get_pushes(capture_all=True)) == [], "each promise is told once"
    assert left["push"].get_response().read() == b"body { color: teal }\n"


def test_a_push_can_be_cancelled() -> None:
    """Seed points 50, 52: "To cancel an in-progress pushed stream ... call cancel()"."""
    conn = hyper.HTTP20Connection("http2bin.org", enable_push=True)
    stream_id = conn.request("GET", "/push")
    for push in conn.get_pushes(stream_id, capture_all=True):
        assert (push.scheme, push.method, push.path) == (b"https", b"GET", b"/pushed.css")
        push.cancel()
    assert conn.get_response(stream_id).read().startswith(b"<link")
    conn.request("GET", "/get")
    assert conn.get_response().status == 200


def test_a_push_is_nobodys_business_unless_asked_for() -> None:
    """Seed point 49: off unless ``enable_push=True``."""
    conn = hyper.HTTP20Connection("http2bin.org")
    conn.request("GET", "/push")
    assert conn.get_response().read().startswith(b"<link")
    assert list(conn.get_pushes(capture_all=True)) == []


# What the documents say in words.


def test_a_thread_with_a_queue_of_requests_and_one_of_responses() -> None:
    """Seed points 25, 27: the pattern that the documents recommend, ids matching the two."""
    from queue import Queue
    from threading import Thread

    asked: Queue[str | None] = Queue()
    answered: Queue[tuple[int, str, int]] = Queue()

    def spin() -> None:
        with hyper.HTTP20Connection("http2bin.org") as conn:
            waiting: dict[int, str] = {}
            while (path := asked.get()) is not None:
                waiting[conn.request("GET", path)] = path
            for stream_id, path in waiting.items():
                response = conn.get_response(stream_id)
                answered.put((stream_id, path, response.status))
                response.read()

    thread = Thread(target=spin)
    thread.start()
    for path in ("/status/200", "/status/404", "/status/418", None):
        asked.put(path)
    thread.join(20)
    assert [answered.get(timeout=1) for _ in range(3)] == [
        (1, "/status/200", 200),
        (3, "/status/404", 404),
        (5, "/status/418", 418),
    ]


def test_a_connection_may_be_global_now() -> None:
    """Seed point 26: "you'll be able to simply have global connections"."""
    from threading import Thread

    conn = hyper.HTTP20Connection("http2bin.org")
    statuses: list[int] = []

    def work(status: int) -> None:
        for _ in range(5):
            conn.request("GET", f"/status/{status}")
            response = conn.get_response()
            response.read()
            statuses.append(response.status - status)

    threads = [Thread(target=work, args=(status,)) for status in (200, 202, 404, 410, 418, 451)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses == [0] * 30


@pytest.mark.parametrize("module", ["http.client", "hyper.client"])
def test_a_program_for_http_client_needs_one_other_import(module: str) -> None:
    """Seed point 12: "a drop-in replacement ... without the need for painful rewrites"."""
    left = run(
        """
        http_client = importlib.import_module(module)

        conn = http_client.HTTPSConnection('http2bin.org')
        conn.request('GET', '/get', headers={'Accept': 'application/json'})
        resp = conn.getresponse()
        status, kind = resp.status, resp.getheader('Content-Type')
        first = resp.read()
        conn.request('POST', '/post', body='key=value')
        second = conn.getresponse().read()
        conn.close()
        """,
        importlib=importlib,
        module=module,
    )
    assert (left["status"], left["kind"]) == (200, "application/json")
    assert json.loads(left["first"])["headers"]["Accept"] == "application/json"
    assert json.loads(left["second"])["data"] == "key=value"
    assert left["resp"].version == (20 if module == "hyper.client" else 11)


def test_each_data_frame_is_one_item_and_may_be_empty() -> None:
    """Seed point 40: "it's entirely legal to send zero-length data frames"."""

    def script(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.head(1)
        for octets in (b"one", b"", b"three"):
            conversation.data(1, octets)
        conversation.data(1, b"", end=True)
        conversation.linger()

    with (
        RawServer(script) as server,
        hyper.HTTP20Connection("127.0.0.1", server.port, secure=False, timeout=5) as conn,
    ):
        conn.request("GET", "/")
        chunks = list(conn.get_response().read_chunked())
        assert chunks[:3] == [b"one", b"", b"three"]
        assert b"".join(chunks[3:]) == b""


def test_each_chunk_of_http_1_1_is_one_item() -> None:
    """Seed points 31, 40."""

    def script(conversation: Conversation) -> None:
        conversation.socket.recv(65_536)
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        conversation.say(head + b"3\r\none\r\n5;why=not\r\nthree\r\n0\r\nx-sum: 8\r\n\r\n")
        conversation.linger()

    with (
        RawServer(script) as server,
        hyper.HTTP11Connection("127.0.0.1", server.port, timeout=5) as conn,
    ):
        conn.request("GET", "/")
        response = conn.get_response()
        assert list(response.read_chunked()) == [b"one", b"three"]
        assert response.trailers["x-sum"] == [b"8"]


def test_requests_with_the_adapter_mounted(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seed point 58, the second example with it: one adapter on two hosts."""
    pytest.importorskip("requests")
    # requests trusts certifi's authorities, or those of this file.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))
    said = io.StringIO()
    with redirect_stdout(said):
        names, _ = console("""
            >>> import requests
            >>> from hyper.contrib import HTTP20Adapter
            >>> s = requests.Session()
            >>> s.mount('https://http2bin.org', HTTP20Adapter())
            >>> r = s.get('https://http2bin.org/get')
            >>> print(r.status_code)
            >>> a = HTTP20Adapter()
            >>> s.mount('https://http2bin.org', a)
            >>> s.mount('https://www.http2bin.org', a)
            >>> again = [s.get('https://www.http2bin.org/get'), s.get('https://http2bin.org/ip')]
        """)
    assert said.getvalue() == "200\n"
    for response in [names["r"], *names["again"]]:
        assert (response.status_code, response.raw.version) == (200, 20)
    names["s"].close()
    names["a"].close()
