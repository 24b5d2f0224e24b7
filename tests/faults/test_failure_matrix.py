"""Every way a first request can fail, and the documented error for it: what, where, and in time.

Each row is one sentence of the network's or the peer's bad behaviour on a real socket, the error
that a user catches, and what its message must name. Nothing may take longer than its timeout.
"""

from __future__ import annotations

import builtins
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hyper import HTTP20Connection
from hyper.http20.exceptions import (
    ConnectionError,
    ErrorCode,
    H2NotNegotiatedError,
    HPACKDecodingError,
    ProtocolError,
    StreamResetError,
)

from ..certificates import Certificates
from ..peer import frame
from .rawserver import Conversation, RawServer, Script

#: Seconds that the tests of timeouts wait.
TIMEOUT = 0.3
#: Seconds that nobody ever waits here: an error that comes so late is not the failure itself.
LONG = 10.0
#: What scheduling may add on a busy machine.
SLACK = 3.0

HALF = b"only a half"
LENGTH = [("content-length", str(2 * len(HALF)))]


def ask(
    address: str, context: ssl.SSLContext | None, timeout: float | tuple[float, float] = LONG
) -> tuple[int, bytes]:
    """One request, its response and its body, on a connection of its own."""
    with HTTP20Connection(
        address, secure=context is not None, ssl_context=context, timeout=timeout
    ) as connection:
        connection.request("GET", "/")
        response = connection.get_response()
        return response.status, response.read()


def fails(
    address: str, context: ssl.SSLContext | None, expected: type[BaseException], says: str
) -> Any:
    """Ask, see it fail at once with exactly this; return the error."""
    start = time.monotonic()
    with pytest.raises(expected, match=says) as caught:
        ask(address, context)
    assert time.monotonic() - start < SLACK
    return caught.value


def times_out(
    address: str, context: ssl.SSLContext | None, timeout: float | tuple[float, float]
) -> None:
    """Ask, see it give up after TIMEOUT, neither sooner nor much later."""
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=address):
        ask(address, context, timeout)
    assert TIMEOUT <= time.monotonic() - start < TIMEOUT + SLACK


# --- before HTTP/2 begins ----------------------------------------------------------------------


def test_a_refused_connection_names_the_address(ssl_context: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fails(f"localhost:{port}", ssl_context, ConnectionRefusedError, f"localhost.*{port}")


def test_a_name_that_does_not_resolve_is_named(
    ssl_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = fails(
        "no-such-host.invalid:443", ssl_context, socket.gaierror, r"no-such-host\.invalid"
    )
    assert error.errno == socket.EAI_NONAME


def test_a_certificate_of_a_strange_authority_is_refused(
    certificates: Certificates, tmp_path: Any
) -> None:
    stranger = Certificates.create(tmp_path)
    with RawServer(Conversation.linger, certificates.server_context()) as server:
        error = fails(
            server.address, stranger.client_context(), ssl.SSLCertVerificationError, "localhost"
        )
    assert error.verify_code


def test_a_certificate_for_another_name_is_refused(tmp_path: Any) -> None:
    other = Certificates.create(tmp_path, "other.example")
    with RawServer(Conversation.linger, other.server_context()) as server:
        fails(server.address, other.client_context(), ssl.SSLCertVerificationError, "localhost")


@pytest.mark.parametrize(
    ("alpn", "chosen"), [(["http/1.1"], "http/1.1"), (["spdy/3"], None)], ids=["http11", "none"]
)
def test_a_server_without_h2_says_what_alpn_chose(
    certificates: Certificates, ssl_context: ssl.SSLContext, alpn: list[str], chosen: str | None
) -> None:
    """RFC 9113 §3.2; the preface is never sent blindly."""
    heard = []

    def script(conversation: Conversation) -> None:
        heard.append(conversation.socket.recv(100))

    with RawServer(script, certificates.server_context(*alpn)) as server:
        error = fails(server.address, ssl_context, H2NotNegotiatedError, f"localhost:{server.port}")
    assert error.alpn == chosen
    assert isinstance(error, builtins.ConnectionError)
    assert heard == [b""]


def test_a_server_that_hangs_up_before_the_handshake(ssl_context: ssl.SSLContext) -> None:
    with RawServer(None) as server:
        fails(server.address, ssl_context, OSError, f"localhost:{server.port}")


def test_a_server_that_does_not_speak_tls(ssl_context: ssl.SSLContext) -> None:
    def script(conversation: Conversation) -> None:
        conversation.say(b"220 mail.example ESMTP\r\n")
        conversation.linger()

    with RawServer(script) as server:
        fails(server.address, ssl_context, ssl.SSLError, f"localhost:{server.port}")


def test_a_server_that_is_silent_in_the_handshake(ssl_context: ssl.SSLContext) -> None:
    with RawServer(Conversation.linger) as server:
        times_out(server.address, ssl_context, TIMEOUT)


# --- once HTTP/2 has begun, over TLS and in cleartext --------------------------------------------


def eof_before_anything(conversation: Conversation) -> None:
    conversation.finish()


def eof_before_the_head(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.finish()


def eof_within_the_head(conversation: Conversation) -> None:
    whole = conversation.head_frame(conversation.hear_request(), LENGTH)
    conversation.say(whole[: len(whole) // 2])
    conversation.finish()


def eof_within_the_frame_header(conversation: Conversation) -> None:
    conversation.say(conversation.head_frame(conversation.hear_request(), LENGTH)[:4])
    conversation.finish()


def eof_after_the_head(conversation: Conversation) -> None:
    conversation.head(conversation.hear_request(), LENGTH)
    conversation.finish()


def eof_within_the_body(conversation: Conversation) -> None:
    half(conversation)
    conversation.finish()


def eof_within_a_body_without_a_length(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    conversation.head(stream_id)
    conversation.data(stream_id, HALF)
    conversation.finish()


def reset_before_the_head(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.reset()


def content_length_too_long(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    conversation.head(stream_id, LENGTH)
    conversation.data(stream_id, HALF, end=True)
    conversation.linger()


def content_length_too_short(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    conversation.head(stream_id, [("content-length", "3")])
    conversation.data(stream_id, HALF, end=True)
    conversation.linger()


def no_body_where_a_length_was_promised(conversation: Conversation) -> None:
    conversation.head(conversation.hear_request(), LENGTH, end=True)
    conversation.linger()


def half(conversation: Conversation) -> int:
    stream_id = conversation.hear_request()
    conversation.head(stream_id, LENGTH)
    conversation.data(stream_id, HALF)
    return stream_id


def stream_reset_half_way(conversation: Conversation) -> None:
    conversation.rst_stream(half(conversation), ErrorCode.INTERNAL_ERROR)
    conversation.linger()


def stream_reset_without_an_error_half_way(conversation: Conversation) -> None:
    conversation.rst_stream(half(conversation), ErrorCode.NO_ERROR)
    conversation.linger()


def stream_reset_before_the_head(conversation: Conversation) -> None:
    conversation.rst_stream(conversation.hear_request(), ErrorCode.CANCEL)
    conversation.linger()


def goaway_half_way_and_the_end(conversation: Conversation) -> None:
    conversation.goaway(half(conversation), ErrorCode.INTERNAL_ERROR, b"out of paper")
    conversation.finish()


def head_without_status(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    block = conversation.encoder.encode([("content-type", "text/plain")])
    conversation.say(frame("HEADERS", 0x5, stream_id, block))
    conversation.linger()


def head_with_a_status_of_two_digits(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    block = conversation.encoder.encode([(":status", "20")])
    conversation.say(frame("HEADERS", 0x5, stream_id, block))
    conversation.linger()


def head_with_an_upper_case_name(conversation: Conversation) -> None:
    conversation.head(conversation.hear_request(), [("X-Shout", "1")], end=True)
    conversation.linger()


def head_with_a_connection_header(conversation: Conversation) -> None:
    conversation.head(conversation.hear_request(), [("connection", "close")], end=True)
    conversation.linger()


def head_that_does_not_decompress(conversation: Conversation) -> None:
    conversation.say(
        frame("HEADERS", 0x5, conversation.hear_request(), b"\xff\xff\xff\xff\xff\xff")
    )
    conversation.linger()


def data_before_the_head(conversation: Conversation) -> None:
    conversation.data(conversation.hear_request(), HALF)
    conversation.linger()


def http11_for_an_answer(conversation: Conversation) -> None:
    conversation.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    conversation.linger()


def first_frame_not_settings(conversation: Conversation) -> None:
    conversation.say(frame("PING", 0, 0, b"12345678"))
    conversation.linger()


def frame_larger_than_announced(conversation: Conversation) -> None:
    conversation.say(frame("DATA", 0, conversation.hear_request(), bytes(1 << 20)))
    conversation.linger()


@dataclass(frozen=True)
class Row:
    """What happens, what a user catches, and what the message says of it.

    says     a regular expression; the server's host and port must stand in front in any case
    partial  the body that had arrived and must be reachable
    """

    script: Script
    error: type[BaseException]
    says: str
    code: int | None = None
    partial: bytes = b""


ROWS = [
    Row(eof_before_anything, ConnectionError, "closed the connection"),
    Row(eof_before_the_head, ConnectionError, "closed the connection"),
    Row(eof_within_the_frame_header, ConnectionError, "closed the connection"),
    Row(eof_within_the_head, ConnectionError, "closed the connection"),
    Row(eof_after_the_head, ConnectionError, "closed the connection"),
    Row(eof_within_the_body, ConnectionError, "closed the connection", partial=HALF),
    Row(eof_within_a_body_without_a_length, ConnectionError, "closed the connection", partial=HALF),
    Row(reset_before_the_head, ConnectionResetError, "reset by peer"),
    Row(content_length_too_long, ProtocolError, "22.*11|11.*22", ErrorCode.PROTOCOL_ERROR, HALF),
    Row(content_length_too_short, ProtocolError, r"\b3\b", ErrorCode.PROTOCOL_ERROR),
    Row(no_body_where_a_length_was_promised, ProtocolError, "22", ErrorCode.PROTOCOL_ERROR),
    Row(stream_reset_half_way, StreamResetError, "INTERNAL_ERROR", 2, HALF),
    Row(stream_reset_without_an_error_half_way, StreamResetError, "NO_ERROR", 0, HALF),
    Row(stream_reset_before_the_head, StreamResetError, "CANCEL", ErrorCode.CANCEL),
    Row(goaway_half_way_and_the_end, ConnectionError, "INTERNAL_ERROR.*out of paper", 2, HALF),
    Row(head_without_status, ProtocolError, ":status", ErrorCode.PROTOCOL_ERROR),
    Row(head_with_a_status_of_two_digits, ProtocolError, ":status", ErrorCode.PROTOCOL_ERROR),
    Row(head_with_an_upper_case_name, ProtocolError, "X-Shout", ErrorCode.PROTOCOL_ERROR),
    Row(head_with_a_connection_header, ProtocolError, "connection", ErrorCode.PROTOCOL_ERROR),
    Row(head_that_does_not_decompress, HPACKDecodingError, "§4.3", ErrorCode.COMPRESSION_ERROR),
    Row(data_before_the_head, ProtocolError, "DATA", ErrorCode.PROTOCOL_ERROR),
    Row(http11_for_an_answer, ProtocolError, "HTTP/1"),
    Row(first_frame_not_settings, ProtocolError, "SETTINGS", ErrorCode.PROTOCOL_ERROR),
    Row(frame_larger_than_announced, ProtocolError, "1048576", ErrorCode.FRAME_SIZE_ERROR),
]


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "cleartext"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.script.__name__)
def test_a_broken_answer_is_its_documented_error(
    row: Row, secure: bool, certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    inside = certificates.server_context("h2") if secure else None
    with RawServer(row.script, inside) as server:
        context = ssl_context if secure else None
        error = fails(server.address, context, row.error, row.says)
        assert f"localhost:{server.port}: " in str(error)
        # Nothing that may have been processed is sent a second time.
        assert server.connections == 1
    assert error.partial == row.partial
    if row.code is not None:
        assert error.error_code == row.code


def test_an_answer_that_was_whole_stays_whole_when_the_connection_breaks(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    def script(conversation: Conversation) -> None:
        stream_id = conversation.hear_request()
        conversation.head(stream_id, [("content-length", "11")])
        conversation.data(stream_id, HALF, end=True)
        conversation.finish()

    with RawServer(script, certificates.server_context("h2")) as server:
        assert ask(server.address, ssl_context) == (200, HALF)


def silence(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.linger()


def silence_within_the_body(conversation: Conversation) -> None:
    half(conversation)
    conversation.linger()


def nothing_but_pings(conversation: Conversation) -> None:
    conversation.hear_request()
    drip(conversation, lambda: frame("PING", 0, 0, b"are you?"))


def the_head_octet_by_octet(conversation: Conversation) -> None:
    head = iter(conversation.head_frame(conversation.hear_request(), [("x-long", "y" * 200)]))
    drip(conversation, lambda: bytes([next(head)]))


def another_streams_frames(conversation: Conversation) -> None:
    conversation.hear_request()
    drip(conversation, lambda: frame("WINDOW_UPDATE", 0, 0, b"\0\0\0\1"))


def drip(conversation: Conversation, octets: Callable[[], bytes]) -> None:
    until = time.monotonic() + TIMEOUT + SLACK + 1
    while time.monotonic() < until:
        conversation.say(octets())
        time.sleep(0.03)


@pytest.mark.parametrize(
    "script",
    [
        silence,
        silence_within_the_body,
        nothing_but_pings,
        the_head_octet_by_octet,
        another_streams_frames,
    ],
)
def test_no_progress_is_a_timeout_whatever_else_arrives(
    script: Script, certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """A timeout is the longest silence of this request; other octets are no progress of it."""
    with RawServer(script, certificates.server_context("h2")) as server:
        times_out(server.address, ssl_context, (LONG, TIMEOUT))


def test_an_upload_that_nobody_reads_is_a_timeout(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """RFC 9113 §6.9: the window is spent and no WINDOW_UPDATE comes."""

    def script(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.linger()

    with (
        RawServer(script, certificates.server_context("h2")) as server,
        HTTP20Connection(
            server.address, ssl_context=ssl_context, timeout=(LONG, TIMEOUT)
        ) as connection,
    ):
        start = time.monotonic()
        with pytest.raises(TimeoutError, match=f"localhost:{server.port}"):
            connection.request("POST", "/", body=bytes(1 << 20))
        assert TIMEOUT <= time.monotonic() - start < TIMEOUT + SLACK


# --- what is mended without the user ------------------------------------------------------------


def answer(conversation: Conversation, stream_id: int) -> None:
    conversation.head(stream_id, [("content-length", str(len(HALF)))])
    conversation.data(stream_id, HALF, end=True)


def ends_with_fin(conversation: Conversation, stream_id: int) -> None:
    answer(conversation, stream_id)
    conversation.finish()


def ends_with_goaway(conversation: Conversation, stream_id: int) -> None:
    answer(conversation, stream_id)
    conversation.goaway(stream_id, ErrorCode.NO_ERROR)
    conversation.finish()


def ends_with_goaway_and_stays(conversation: Conversation, stream_id: int) -> None:
    answer(conversation, stream_id)
    conversation.goaway(stream_id, ErrorCode.NO_ERROR)
    conversation.linger()


def ends_with_reset(conversation: Conversation, stream_id: int) -> None:
    answer(conversation, stream_id)
    time.sleep(0.05)  # RST destroys what the client has not read yet
    conversation.reset()


Ending = Callable[[Conversation, int], None]


def then_answers(first: Ending) -> Script:
    """The first connection ends so; every later one answers and stays."""
    conversations = []

    def script(conversation: Conversation) -> None:
        conversations.append(conversation)
        stream_id = conversation.hear_request()
        if len(conversations) == 1:
            first(conversation, stream_id)
        else:
            answer(conversation, stream_id)
            conversation.linger()

    return script


@pytest.mark.parametrize(
    "ending", [ends_with_fin, ends_with_goaway, ends_with_goaway_and_stays, ends_with_reset]
)
def test_a_connection_that_ended_while_idle_is_replaced(
    ending: Ending, certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """Also for a method that must not be sent twice: nothing of it had been sent."""
    with (
        RawServer(then_answers(ending), certificates.server_context("h2")) as server,
        HTTP20Connection(server.address, ssl_context=ssl_context, timeout=LONG) as connection,
    ):
        connection.request("GET", "/")
        assert connection.get_response().read() == HALF
        time.sleep(0.1)
        connection.request("POST", "/", body=b"once")
        assert connection.get_response().read() == HALF
        assert server.connections == 2


def refused(conversation: Conversation, stream_id: int) -> None:
    conversation.rst_stream(stream_id, ErrorCode.REFUSED_STREAM)
    answer(conversation, conversation.hear())
    conversation.linger()


def goaway_excludes_it(conversation: Conversation, stream_id: int) -> None:
    conversation.goaway(0, ErrorCode.NO_ERROR)
    conversation.linger()


def goaway_excludes_it_and_fin(conversation: Conversation, stream_id: int) -> None:
    conversation.goaway(0, ErrorCode.NO_ERROR)
    conversation.finish()


@pytest.mark.parametrize("ending", [refused, goaway_excludes_it, goaway_excludes_it_and_fin])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_was_surely_not_processed_is_sent_again(
    ending: Ending, method: str, certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """RFC 9113 §8.7."""
    with (
        RawServer(then_answers(ending), certificates.server_context("h2")) as server,
        HTTP20Connection(server.address, ssl_context=ssl_context, timeout=LONG) as connection,
    ):
        connection.request(method, "/", body=b"twice" if method == "POST" else None)
        assert connection.get_response().read() == HALF
        assert server.connections == (1 if ending is refused else 2)


def test_a_body_that_cannot_be_sent_again_is_not(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    with (
        RawServer(then_answers(goaway_excludes_it), certificates.server_context("h2")) as server,
        HTTP20Connection(server.address, ssl_context=ssl_context, timeout=LONG) as connection,
    ):
        with pytest.raises(ConnectionError, match="GOAWAY") as caught:
            connection.request("POST", "/", body=iter([b"a", b"b"]))
            connection.get_response()
        assert caught.value.retryable
        assert server.connections == 1


def test_an_answer_that_does_not_wait_for_the_body_is_delivered(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """RFC 9113 §8.1: a whole response and RST_STREAM(NO_ERROR) ask for no more of the upload."""

    def script(conversation: Conversation) -> None:
        stream_id = conversation.hear_request()
        answer(conversation, stream_id)
        conversation.rst_stream(stream_id, ErrorCode.NO_ERROR)
        answer(conversation, conversation.hear())
        conversation.linger()

    with (
        RawServer(script, certificates.server_context("h2")) as server,
        HTTP20Connection(server.address, ssl_context=ssl_context, timeout=LONG) as connection,
    ):
        connection.request("POST", "/", body=bytes(1 << 20))
        assert connection.get_response().read() == HALF
        connection.request("GET", "/")
        assert connection.get_response().read() == HALF
        assert server.connections == 1
