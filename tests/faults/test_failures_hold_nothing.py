"""What failed is let go of by its last holder, without the collector.

An exception holds the frames of everybody who was being called, and those hold what stands in them.
So an error that is kept, for whoever asks next, must not be one that was raised: it would keep the
response, the connection and the user's own variables.
"""

from __future__ import annotations

import gc
import warnings
import weakref
from typing import Any

import pytest

from hyper import HTTP11Connection, HTTP20Connection
from hyper.http20.window import BaseFlowControlManager

from ..certificates import Certificates
from ..hostile.peer import Client, Stage, Talk, stage

FAILURES = ["a reset", "a FIN", "a coding", "a rule", "silence", "a port", "a manager"]


@pytest.fixture
def scene(certificates: Certificates) -> Stage:
    return stage(certificates)


class Failing(BaseFlowControlManager):
    def increase_window_size(self, frame_size: int) -> int:
        if self.document_size is None:
            return 0  # the connection's
        raise RuntimeError("a manager of the user's")


def half(failure: str) -> Any:
    """Give half a response, and then fail."""

    def script(talk: Talk) -> None:
        if talk.http1:
            talk.hear_http1()
            lines = b"content-length: 10\r\n"
            if failure == "a coding":
                lines += b"content-encoding: gzip\r\n"
            elif failure == "a rule":
                lines += b"transfer-encoding: gzip\r\n"
            talk.say_http1(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n12345")
        else:
            stream_id = talk.hear_request().stream_id
            fields = [(":status", "200"), ("content-length", "10")]
            if failure == "a coding":
                fields.append(("content-encoding", "gzip"))
            talk.headers(stream_id, fields)
            talk.data(stream_id, b"12345")
            if failure == "a rule":
                talk.frame("DATA", 0, 0, b"of no stream")
        if failure == "a reset":
            talk.reset()
        elif failure == "a FIN":
            talk.fin()

    return script


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_a_failure_holds_neither_response_nor_connection(
    scene: Stage, kind: type[Client], failure: str
) -> None:
    options: dict[str, Any] = {"timeout": 0.2} if failure == "silence" else {}
    if failure == "a manager":
        if kind is HTTP11Connection:
            pytest.skip("HTTP/1.1 has no windows")
        options["window_manager"] = Failing
    with scene(half(failure), kind=kind, http1=kind is HTTP11Connection, **options) as play:
        connection = kind("localhost:1", timeout=10) if failure == "a port" else play.another()
        held: list[weakref.ref[Any]] = [weakref.ref(connection)]
        gc.collect()
        gc.disable()
        try:
            try:
                connection.request("GET", "/")
                pump = connection._pump
                assert pump is not None
                held += [weakref.ref(pump), weakref.ref(pump.transport)]
                del pump
                response = connection.get_response()
                held += [weakref.ref(response), weakref.ref(response._exchange)]
                response.read()
            except Exception as error:
                raised: Exception | None = error
            assert raised is not None, "a failure was expected"
            raised = response = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # nobody has closed it
                del connection
            assert [each() for each in held if each() is not None] == []
        finally:
            gc.enable()
