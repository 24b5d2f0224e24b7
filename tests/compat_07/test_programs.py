"""Programs in the manner of hyper 0.7, as they stand in public repositories, and what they meet.

Written here after what such programs do; none is copied.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from typing import Any

import pytest

import hyper
from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import ConnectionResetError, MissingCertFile, SocketError
from hyper.common.headers import HTTPHeaderMap
from hyper.http20.errors import get_data
from hyper.http20.exceptions import HTTP20Error, StreamResetError
from hyper.tls import init_context

from ..certificates import Certificates
from ..faults.rawserver import Conversation, RawServer
from ..servers import InProcessServer


@pytest.mark.parametrize("connect", [HTTP20Connection, HTTPConnection])
def test_a_monitor_that_trusts_everybody_by_the_modules_own_context(
    connect: Any, server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe of a hundred answers: replace ``hyper.tls._context``, then connect."""
    monkeypatch.setattr(hyper.tls, "_context", None)  # put back after the test

    hyper.tls._context = hyper.tls.init_context()
    hyper.tls._context.check_hostname = False
    hyper.tls._context.verify_mode = ssl.CERT_NONE

    conn = connect(f"localhost:{server.port}", secure=True)
    sid = conn.request("GET", "/get", body=None, headers={"x-test": "1"})
    response = conn.get_response(sid)
    told = f"HTTP {response.status}\r\n"
    told += "date: " + response.headers.get("date")[0].decode("utf-8") + "\r\n"
    told += "content-type: " + response.headers.get("Content-Type")[0].decode("utf-8")
    assert told.startswith("HTTP 200\r\ndate: ")
    assert json.loads(response.read().decode("utf-8"))["headers"]["X-Test"] == "1"
    conn.close()


def test_a_program_that_says_whom_to_trust_by_cert_loc(
    server: InProcessServer, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hyper.tls, "_context", None)
    monkeypatch.setattr(hyper.tls, "cert_loc", str(certificates.authority))
    conn = HTTP20Connection("localhost", server.port, secure=True)
    conn.request("GET", "/hello")
    assert conn.get_response().read() == b"hello, world"
    conn.close()


def test_a_sender_of_notifications_without_a_library(
    server: InProcessServer, certificates: Certificates
) -> None:
    """A loop over one connection, ids matched to what was sent."""
    context = init_context(cert_path=str(certificates.authority))
    conn = HTTP20Connection(
        "localhost", server.port, secure=True, ssl_context=context, force_proto="h2"
    )
    conn.connect()
    sent = {}
    for number in range(10):
        body = json.dumps({"aps": {"alert": f"note {number}"}})
        headers = HTTPHeaderMap([("apns-topic", "org.example.app"), ("apns-priority", "10")])
        sent[conn.request("POST", "/post", body, headers)] = number
    for stream_id, number in sent.items():
        with conn.get_response(stream_id) as response:
            about = json.loads(response.read())
            assert about["json"] == {"aps": {"alert": f"note {number}"}}
            assert about["headers"]["Apns-Topic"] == "org.example.app"
    conn.ping("-" * 8)
    conn.close()


def test_a_body_sent_in_pieces(server: InProcessServer, ssl_context: ssl.SSLContext) -> None:
    conn = HTTP20Connection("localhost", server.port, ssl_context=ssl_context)
    stream_id = conn.putrequest("POST", "/upload")
    conn.putheader("x-first", "1", stream_id=stream_id)
    conn.putheader("content-length", "8", stream_id=stream_id)
    conn.endheaders(stream_id=stream_id)
    conn.send(b"key=", stream_id=stream_id)
    conn.send(b"word", final=True, stream_id=stream_id)
    assert json.loads(conn.get_response(stream_id).read())["size"] == 8

    conn.putrequest("POST", "/upload")  # without an id it is the latest
    conn.endheaders(message_body=b"abc", final=True)
    assert json.loads(conn.get_response().read())["size"] == 3
    conn.close()


def test_a_connection_is_used_again_after_close(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    conn = HTTP20Connection("localhost", server.port, ssl_context=ssl_context)
    for _ in range(3):
        conn.request("GET", "/hello")
        assert conn.get_response().read() == b"hello, world"
        conn.close()


def _reset_stream(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.rst_stream(1, 0x2)
    conversation.linger()


def _goodbye(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.goaway(1, 0xB, b"too_many_pings")
    conversation.finish()


def _end_of_file(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.finish()


def _reset(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.reset()


@pytest.mark.parametrize(
    ("script", "caught_by"),
    [
        (_reset_stream, StreamResetError),
        (_reset_stream, HTTP20Error),
        (_goodbye, HTTP20Error),
        (_goodbye, ConnectionResetError),
        (_end_of_file, ConnectionResetError),
        (_reset, ConnectionResetError),
        (_reset, SocketError),
    ],
)
def test_old_except_clauses_catch_what_happens(
    script: Callable[[Conversation], None], caught_by: type[Exception]
) -> None:
    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=5) as conn,
        pytest.raises(caught_by),
    ):
        conn.request("GET", "/")
        conn.get_response().read()


def test_the_code_of_a_reset_in_words() -> None:
    with (
        RawServer(_reset_stream) as server,
        HTTP20Connection(server.address, secure=False, timeout=5) as conn,
    ):
        conn.request("GET", "/")
        with pytest.raises(StreamResetError) as caught:
            conn.get_response()
    name, number, description = get_data(caught.value.error_code)
    assert (name, number) == ("INTERNAL_ERROR", 2)
    assert description


def test_a_certificate_that_is_not_there() -> None:
    with pytest.raises(MissingCertFile):
        init_context(cert="not-here.pem")
    with pytest.raises(MissingCertFile):
        init_context(cert_path="not-here.pem")


def test_pyapns2_hears_from_the_server_how_many_requests_may_be_open(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """It asks before the first request, and keeps to the answer."""
    server = InProcessServer(certificates, h2_max_concurrent_streams=7)
    try:
        with HTTP20Connection("localhost", server.port, ssl_context=ssl_context) as conn:
            conn.connect()
            for _ in range(2):
                with conn._conn as connection:
                    assert connection.remote_settings.max_concurrent_streams == 7
            assert conn.request("GET", "/hello") == 1
            assert conn.get_response().read() == b"hello, world"
    finally:
        server.stop()


def test_over_http_1_1_there_is_nothing_of_that_kind(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with (
        HTTP11Connection("localhost", server.port, ssl_context=ssl_context) as conn,
        pytest.raises(AttributeError, match=r"speaks HTTP/1\.1, which has no settings"),
    ):
        conn._conn  # noqa: B018


def test_conn_read_reads_the_response_that_this_thread_was_given_last(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    """The documents of 0.3 to 0.5 say ``conn.read()`` in their example of pushes."""
    with HTTP20Connection("localhost", server.port, ssl_context=ssl_context) as conn:
        with pytest.raises(ValueError, match="this thread holds no response"):
            conn.read()
        first, second = conn.request("GET", "/hello"), conn.request("GET", "/download/3")
        response, other = conn.get_response(second), conn.get_response(first)
        assert conn.read(5) == b"hello"
        assert conn.read() == b", world"
        assert other.read() == b""
        assert response.read() == b"\x00\x01\x02"
        del response, other
        conn.request("GET", "/hello")
        with pytest.raises(ValueError, match="this thread holds no response"):
            conn.read()
