"""Many threads, one connection; what is shared, what is not, and for how long."""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import urllib3

from hyper.contrib import HTTP20Adapter
from hyper.contrib.urllib3 import HTTPSConnectionPool, PoolManager
from hyper.http20.window import FlowControlManager

from ..certificates import Certificates
from .conftest import CountingServer

THREADS = 40
BODY = bytes(range(250)) * 600
ANSWER = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}


def crowd(post: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """What ten calls in each of forty threads give, all of them begun together."""
    ready = threading.Barrier(THREADS)

    def ten() -> list[dict[str, Any]]:
        ready.wait(10)
        return [post() for _ in range(10)]

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(ten) for _ in range(THREADS)]
        return [answer for future in futures for answer in future.result(60)]


def test_forty_threads_of_a_session_share_one_connection(
    counting: CountingServer, ours: requests.Session
) -> None:
    answers = crowd(lambda: ours.post(counting.url + "/upload", data=BODY, timeout=30).json())
    assert answers == [ANSWER] * 400
    assert len(counting.seen) == 400
    assert len(counting.connections) == 1
    assert counting.versions == {"2"}


def test_forty_threads_of_a_pool_manager_share_one_connection(
    counting: CountingServer, certificates: Certificates
) -> None:
    with PoolManager(ca_certs=str(certificates.authority)) as http:
        answers = crowd(
            lambda: http.request("POST", counting.url + "/upload", body=BODY, timeout=30).json()
        )
    assert answers == [ANSWER] * 400
    assert len(counting.seen) == 400
    assert len(counting.connections) == 1
    assert counting.versions == {"2"}


def test_threads_do_not_wait_for_each_other_where_there_is_no_http_2(
    http11: CountingServer, ours: requests.Session
) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: ours.get(http11.url + "/late/0.2").text, range(8)))
    assert texts == ["at last"] * 8
    assert http11.versions == {"1.1"}
    assert 1 < len(http11.connections) <= 8


def test_a_host_without_http_2_is_asked_once_and_keeps_its_connection(
    http11: CountingServer, ours: requests.Session
) -> None:
    for _ in range(3):
        response: Any = ours.post(http11.url + "/upload", data=BODY)
        assert response.raw.version == 11
        assert response.json() == ANSWER
    assert len(http11.connections) == 1


def test_verify_false_never_sticks_to_a_verified_connection(
    counting: CountingServer, certificates: Certificates
) -> None:
    """CVE-2024-35195: what one request was careless about must not serve the careful ones."""
    url = counting.url + "/hello"
    with requests.Session() as session:
        session.mount("https://", HTTP20Adapter())
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            assert session.get(url, verify=False).ok
        for _ in range(2):
            with pytest.raises(requests.exceptions.SSLError):
                session.get(url, verify=True)
        assert session.get(url, verify=str(certificates.authority)).ok
    assert len(counting.connections) == 2


def test_changed_settings_of_a_pool_are_not_served_by_the_former_connection(
    counting: CountingServer, certificates: Certificates
) -> None:
    """As programs do that change ``cert_reqs`` of a pool in mid-flight."""
    with PoolManager(cert_reqs="CERT_NONE") as http:
        pool: Any = http.connection_from_url(counting.url)
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            assert pool.request("GET", "/hello").data == b"hello, world"
        pool.cert_reqs = "CERT_REQUIRED"
        pool.pool.get().close()  # a face of before; the next one is made with what is set now
        pool.pool.put(None)
        with pytest.raises(urllib3.exceptions.MaxRetryError) as caught:
            pool.request("GET", "/hello", retries=0)
        assert isinstance(caught.value.reason, urllib3.exceptions.SSLError)
        pool.ca_certs = str(certificates.authority)
        assert pool.request("GET", "/hello").data == b"hello, world"
    assert len(counting.connections) == 2


def test_closing_the_pool_lets_responses_end_and_then_closes_the_connection(
    counting: CountingServer, certificates: Certificates
) -> None:
    http = PoolManager(ca_certs=str(certificates.authority))
    response = http.request("GET", counting.url + "/download/300000", preload_content=False)
    pool: Any = http.connection_from_url(counting.url)
    (engine,) = pool._shared._engines.values()
    pool.close()
    assert not engine.transport.closed
    assert len(response.read()) == 300_000
    assert engine.transport is None


def test_a_response_that_is_dropped_gives_its_stream_up(
    counting: CountingServer, certificates: Certificates
) -> None:
    """And takes no lock for it: the garbage collector may come while one is held."""
    with PoolManager(ca_certs=str(certificates.authority)) as http:
        pool: Any = http.connection_from_url(counting.url)
        response = http.request("GET", counting.url + "/download/10000000", preload_content=False)
        (engine,) = pool._shared._engines.values()
        assert len(response.read(10)) == 10
        assert len(pool._shared._leases) == 1
        with engine._pump._lock:
            del response
            gc.collect()
        assert len(engine._pump.abandoned) == 1
        assert not pool._shared._leases
        assert http.request("GET", counting.url + "/hello").data == b"hello, world"
        assert not engine._pump.abandoned
    assert len(counting.connections) == 1


@pytest.mark.parametrize("lock", ["of the connection", "of its pump", "of its TLS"])
@pytest.mark.parametrize("last", ["the response", "the request", "the pool"])
def test_the_last_who_is_dropped_closes_whatever_lock_is_held(
    counting: CountingServer, certificates: Certificates, last: str, lock: str
) -> None:
    """The garbage collector may run in the thread that holds it, which would wait for itself."""
    pool: Any = HTTPSConnectionPool(
        "localhost", counting.port, ca_certs=str(certificates.authority), timeout=10
    )
    kept: list[Any] = []
    if last == "the response":
        kept.append(pool.request("GET", "/download/10000000", preload_content=False))
    elif last == "the request":
        face = pool._get_conn()
        face.request("GET", "/late/5")
        kept.append(face._request)
        face._request = None
        del face
    else:
        assert pool.request("GET", "/hello").data == b"hello, world"
    (engine,) = pool._shared._engines.values()
    if last == "the pool":
        kept.append(pool)
    else:
        pool.close()
    del pool
    transport = engine.transport
    held = {
        "of the connection": engine._lock,
        "of its pump": engine._pump._lock,
        "of its TLS": transport._crypto,
    }[lock]

    def drop() -> None:
        with held:
            kept.clear()
            gc.collect()

    assert not transport.closed
    thread = threading.Thread(target=drop, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for itself"
    assert transport.closed


def test_a_face_that_is_dropped_gives_its_request_up(
    counting: CountingServer, certificates: Certificates
) -> None:
    with PoolManager(ca_certs=str(certificates.authority)) as http:
        pool: Any = http.connection_from_url(counting.url)
        face = pool._get_conn()
        face.request("GET", "/late/5")
        (engine,) = pool._shared._engines.values()
        assert len(engine._unclaimed) == 1
        with engine._pump._lock:
            del face
            gc.collect()
        assert not engine._unclaimed
        assert not pool._shared._leases
        face = pool._get_conn()
        face.request("GET", "/late/5")
        engine.forget(face._request.stream_id)
        with pytest.raises(ValueError, match="no response on stream"):
            face.getresponse()
        face.close()
        assert http.request("GET", counting.url + "/hello").data == b"hello, world"


def test_a_window_manager_decides_how_much_room_there_is(
    counting: CountingServer, certificates: Certificates
) -> None:
    asked: list[int] = []

    class Counting(FlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            asked.append(frame_size)
            return super().increase_window_size(frame_size)

    with requests.Session() as session:
        session.verify = str(certificates.authority)
        session.mount("https://", HTTP20Adapter(window_manager=Counting))
        assert len(session.get(counting.url + "/download/500000").content) == 500_000
    assert sum(asked) >= 500_000
