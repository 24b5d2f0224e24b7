"""What is closed by the garbage collector, in the midst of our own work on the same connection.

A response is often closed in the ``finally`` of a generator. Where that is part of a cycle, the
collector closes it at any allocation of any thread: also of one that holds a lock of ours, and
would wait for itself.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest

import hyper.client
from hyper import HTTP20Connection

from ..certificates import Certificates
from ..hostile.peer import Stage, Talk, stage


@pytest.fixture
def scene(certificates: Certificates) -> Stage:
    return stage(certificates)


def half(talk: Talk) -> None:
    """Half a response to the first request, whole ones to the others."""
    asked = talk.hear_request()
    talk.headers(asked.stream_id, [(":status", "200"), ("content-length", "10")])
    talk.data(asked.stream_id, b"12345")
    talk.serve()


def lost(response: Any) -> None:
    """Begin to read in a generator that closes, and leave it to the collector."""

    def pieces() -> Iterator[bytes]:
        try:
            yield response.read(2)
        finally:
            response.close()

    generator = pieces()
    assert next(generator) == b"12"
    cycle: list[Any] = [generator]
    cycle.append(cycle)


def collect_under(lock: Any) -> None:
    def collect() -> None:
        with lock:
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "it waits for itself"


@pytest.mark.parametrize("which", ["_lock", "_intake"])
def test_a_response_that_the_collector_closes_is_cancelled_by_the_next_thread(
    scene: Stage, which: str
) -> None:
    with scene(half) as play:
        connection: HTTP20Connection = play.client
        connection.request("GET", "/")
        lost(connection.get_response())
        pump: Any = connection._pump
        collect_under(getattr(pump, which))
        assert {each.id for each in pump.abandoned} == {1}
        play.never_heard("RST_STREAM")
        play.usable()
        play.heard("RST_STREAM", stream_id=1)


@pytest.mark.parametrize("which", ["_lock", "_intake"])
def test_so_is_one_of_the_drop_in_on_a_shared_connection(
    scene: Stage, certificates: Certificates, which: str
) -> None:
    context = hyper.client.create_default_context(cafile=certificates.authority, share=True)
    with scene(half) as play:
        one, other = (
            hyper.client.HTTPSConnection("localhost", play.port, context=context, timeout=20)
            for _ in range(2)
        )
        other.connect()
        one.request("GET", "/")
        response = one.getresponse()
        assert isinstance(response, HTTPResponse)
        one.sock.close()  # as urllib.request does; the response's file keeps it open
        one.sock = None
        lost(response)
        del response
        sock: Any = other.sock
        pump = sock.pump
        collect_under(getattr(pump, which))
        assert {each.id for each in pump.abandoned} == {1}
        other.request("GET", "/")
        assert other.getresponse().read() == b"connection 1"
        play.heard("RST_STREAM", stream_id=1)
        other.close()
        # That the other one let go as well is found out by whoever comes next.
        assert not pump.transport.closed
        context._pool.join("elsewhere", 1)
        assert pump.transport.closed
