"""Unmodified callers of HTTP/1.1 against a server that speaks HTTP/2, and one that does not."""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
import threading
import xmlrpc.client
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

import hyper.client
from hyper.sync import gateway_exchange

from ..certificates import Certificates
from ..servers import InProcessServer, content
from .callers import CALLERS, Caller, URLLib, URLLib3

SIZE = 3_000_000


@pytest.fixture
def context(certificates: Certificates) -> hyper.client.SSLContext:
    return hyper.client.create_default_context(cafile=str(certificates.authority))


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every connection that spoke HTTP/2 below a caller, while the test runs."""
    pumps: list[Any] = []
    make = hyper.client._pump

    def counting(sock: ssl.SSLSocket) -> Any:
        pumps.append(make(sock))
        return pumps[-1]

    monkeypatch.setattr(hyper.client, "_pump", counting)
    return pumps


@pytest.fixture(params=CALLERS)
def caller(
    request: pytest.FixtureRequest, context: Any, certificates: Certificates
) -> Iterator[Caller]:
    if request.param in ("urllib3", "requests", "botocore"):
        pytest.importorskip(request.param)
    caller = CALLERS[request.param](context)
    yield caller
    caller.close()


@pytest.fixture
def url(server: InProcessServer) -> str:
    return f"https://localhost:{server.port}"


@pytest.fixture(scope="module")
def old_server(certificates: Certificates) -> Iterator[InProcessServer]:
    server = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    yield server
    server.stop()


def test_one_after_the_other_on_one_connection(
    caller: Caller, url: str, dialled: list[Any]
) -> None:
    for number in range(5):
        answer = caller.ask("GET", f"{url}/get?number={number}")
        assert answer.status == 200
        assert answer.over_http2
        assert json.loads(answer.body)["args"] == {"number": str(number)}
    # urllib.request closes after every one, over HTTP/1.1 as well.
    assert len(dialled) == (5 if isinstance(caller, URLLib) else 1)


def test_a_server_without_http2_is_spoken_to_as_ever(
    caller: Caller, old_server: InProcessServer, dialled: list[Any]
) -> None:
    url = f"https://localhost:{old_server.port}"
    for _ in range(2):
        answer = caller.ask("GET", f"{url}/get")
        assert (answer.status, answer.over_http2) == (200, False)
    answer = caller.ask("POST", f"{url}/upload", b"abc" * 1000)
    assert json.loads(answer.body)["size"] == 3000
    assert dialled == []


def test_a_body_of_octets_arrives(caller: Caller, url: str) -> None:
    body = b"".join(content(300_000))
    answer = caller.ask("POST", f"{url}/upload", body)
    assert json.loads(answer.body) == {
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def test_a_file_arrives(caller: Caller, url: str) -> None:
    body = b"".join(content(300_000))
    headers = {"content-length": str(len(body))}
    answer = caller.ask("POST", f"{url}/upload", BytesIO(body), headers)
    assert json.loads(answer.body)["sha256"] == hashlib.sha256(body).hexdigest()


def test_an_iterator_arrives(caller: Caller, url: str) -> None:
    headers = {"content-type": "application/octet-stream"}
    answer = caller.ask("POST", f"{url}/upload", content(300_000), headers)
    assert json.loads(answer.body)["size"] == 300_000


def test_an_empty_body_is_said_to_be_empty(caller: Caller, url: str) -> None:
    answer = caller.ask("POST", f"{url}/post", b"")
    assert json.loads(answer.body)["data"] == ""
    assert json.loads(answer.body)["headers"].get("Content-Length") in ("0", None)


def test_head_has_a_length_and_no_body(caller: Caller, url: str) -> None:
    answer = caller.ask("HEAD", f"{url}/hello")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "12"
    assert caller.ask("GET", f"{url}/hello").body == b"hello, world"


def test_no_content_is_no_content(caller: Caller, url: str) -> None:
    assert caller.ask("GET", f"{url}/status/204").body == b""
    assert caller.ask("GET", f"{url}/hello").body == b"hello, world"


def test_errors_of_the_application_are_answers(caller: Caller, url: str) -> None:
    answer = caller.ask("GET", f"{url}/status/503")
    assert answer.status == 503


def test_a_body_of_unknown_length_is_whole(caller: Caller, url: str) -> None:
    body = b"".join(content(200_000))
    answer = caller.ask("POST", f"{url}/echo", body)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == body


def test_gzip_is_the_caller_s_business(caller: Caller, url: str) -> None:
    answer = caller.ask("GET", f"{url}/gzip", headers={"accept-encoding": "gzip"})
    # Those that decode do so themselves.
    text = gzip.decompress(answer.body) if answer.body[:2] == b"\x1f\x8b" else answer.body
    assert json.loads(text)["gzipped"] is True


def test_cookies_come_one_by_one(url: str, context: Any) -> None:
    requests = pytest.importorskip("requests")
    with requests.Session() as session:
        session.get_adapter("https://").init_poolmanager(10, 10, ssl_context=context)
        answer = session.get(f"{url}/cookies/set?flavour=oat&size=large")
        assert answer.json()["cookies"] == {"flavour": "oat", "size": "large"}
        assert len(answer.history) == 1


def test_redirects_are_followed(url: str, context: Any) -> None:
    with URLLib(context).open(f"{url}/redirect/3") as response:  # type: ignore[arg-type]
        assert response.url == f"{url}/get"
    pool = URLLib3(context)
    assert pool.pool.request("GET", f"{url}/redirect/3", retries=5).status == 200
    pool.close()


def test_xmlrpc_calls(url: str, context: Any, dialled: list[Any]) -> None:
    # /echo answers a call with its own parameters, which makes them its result.
    with xmlrpc.client.ServerProxy(f"{url}/echo", context=context) as proxy:
        assert proxy.ask(42) == 42
        assert proxy.ask({"name": "é", "data": [1.5, True]}) == {"name": "é", "data": [1.5, True]}
    assert len(dialled) == 1


@pytest.mark.parametrize("direction", ["down", "up"])
def test_large_bodies_are_the_same_at_the_other_end(
    caller: Caller, url: str, direction: str
) -> None:
    expected = hashlib.sha256(b"".join(content(SIZE))).hexdigest()
    if direction == "up":
        answer = json.loads(caller.ask("POST", f"{url}/upload", content(SIZE)).body)
        assert answer == {"size": SIZE, "sha256": expected}
    else:
        digest = hashlib.sha256()
        for piece in caller.stream(f"{url}/download/{SIZE}"):
            digest.update(piece)
        assert digest.hexdigest() == expected


def test_a_body_cut_short_is_never_taken_for_a_whole_one(caller: Caller, url: str) -> None:
    # Each in the words of its own errors.
    said = r"IncompleteRead|10 octets of 100|Connection broken|Connection was closed"
    with pytest.raises(Exception, match=said):
        caller.ask("GET", f"{url}/cut")
    with pytest.raises(Exception, match=said):
        assert b"".join(caller.stream(f"{url}/cut")) == b""


def test_sixteen_threads_of_a_pool_share_one_connection(
    url: str, certificates: Certificates, dialled: list[Any]
) -> None:
    urllib3 = pytest.importorskip("urllib3")
    context = hyper.client.create_default_context(cafile=str(certificates.authority), share=True)
    wrong = []
    with urllib3.PoolManager(maxsize=16, block=True, ssl_context=context, timeout=20) as pool:

        def work(mine: int) -> None:
            for number in range(10):
                answer = pool.request("POST", f"{url}/echo", body=b"%d,%d" % (mine, number) * 5000)
                if answer.data != b"%d,%d" % (mine, number) * 5000:
                    wrong.append((mine, number))

        threads = [threading.Thread(target=work, args=(mine,)) for mine in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []
    (pump,) = dialled
    assert pump.last_id == 2 * 160 - 1
    # Nobody holds it any more.
    assert pump.over is not None


def test_a_body_that_was_asked_about_arrives(
    caller: Caller, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9110 §10.1.1; this server says nothing to the question, which takes a second."""
    monkeypatch.setattr(gateway_exchange, "EXPECT_TIMEOUT", 0.05)
    body = b"x" * 100_000
    answer = caller.ask("PUT", f"{url}/upload", body, {"expect": "100-continue"})
    assert json.loads(answer.body)["size"] == len(body)


def test_botocore_puts_an_object(
    url: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    httpsession: Any = pytest.importorskip("botocore.httpsession")
    session: Any = pytest.importorskip("botocore.session")
    monkeypatch.setattr(httpsession.URLLib3Session, "_get_ssl_context", lambda self: context)
    client = session.get_session().create_client(
        "s3",
        endpoint_url=url,
        region_name="none",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        verify=str(certificates.authority),
    )
    try:
        # "status" is the bucket; the server answers at once, and the body is never sent.
        answer = client.put_object(Bucket="status", Key="200", Body=b"x" * 100_000)
    finally:
        client.close()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["HTTPHeaders"]["server"] == "hypercorn-h2"
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
