"""What hurt users of other clients, and must not hurt ours: the symptoms that had no test yet.

``test_checklist.py`` lists them all, R1 to R32, with the tests that are elsewhere.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import hpack
import pytest
from hyperframe.frame import HeadersFrame, RstStreamFrame

from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.hpack import Decoder

from ..faults.rawserver import PATIENCE, Conversation, RawServer
from ..peer import frame
from ..servers import InProcessServer

CANCEL = 0x8


def test_cancelled_requests_never_use_up_the_streams(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    """R3: "Max outbound streams is 100, 100 open" after requests were given up."""
    address = f"localhost:{server.port}"
    with HTTP20Connection(address, ssl_context=ssl_context, timeout=20) as connection:
        for number in range(201):
            connection.request("GET", "/download/1000000")
            response = connection.get_response()
            if number % 2:
                response.close()
            else:
                del response  # dropped unread, which is as good
        connection.request("GET", "/hello")
        assert connection.get_response().read() == b"hello, world"
        assert connection.max_concurrent_streams < 201


def test_the_server_is_told_of_every_cancelled_request() -> None:
    """R3: 200 requests given up, 200 RST_STREAM with CANCEL, and the 201st is answered."""
    resets: list[tuple[int, int]] = []

    def script(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.head(1)
        while len(resets) < 200:
            heard = conversation._frame()
            if isinstance(heard, RstStreamFrame):
                resets.append((heard.stream_id, heard.error_code))
            elif isinstance(heard, HeadersFrame):
                conversation.head(heard.stream_id)
        conversation.head(conversation.hear(), end=True)
        conversation.linger()

    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=5) as connection,
    ):
        for _ in range(200):
            connection.request("GET", "/endless")
            connection.get_response().close()
        assert connection.request("GET", "/") == 401
        assert connection.get_response().read() == b""
    assert resets == [(stream_id, CANCEL) for stream_id in range(1, 401, 2)]


def _end_of_file(conversation: Conversation) -> None:
    conversation.finish()


def _reset(conversation: Conversation) -> None:
    conversation.reset()


def _rst_stream(conversation: Conversation) -> None:
    conversation.rst_stream(1, 0x2)
    conversation.linger()


def _nothing_said(conversation: Conversation) -> None:
    conversation.hear_request()


def _interim(conversation: Conversation) -> None:
    conversation.hear_request()
    block = conversation.encoder.encode([(":status", "103")])
    conversation.say(frame("HEADERS", 0x4, 1, block))


def _half_a_body(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.head(1, [("content-length", "10")])
    conversation.data(1, b"12345")


@pytest.mark.parametrize("end", [_end_of_file, _reset, _rst_stream])
@pytest.mark.parametrize("said", [_nothing_said, _interim, _half_a_body])
def test_a_response_that_breaks_off_costs_no_processor_time_and_nobody_hangs(
    said: Callable[[Conversation], None], end: Callable[[Conversation], None]
) -> None:
    """R14: 100 % of a processor, or a hang, where a server breaks off."""

    def script(conversation: Conversation) -> None:
        said(conversation)
        end(conversation)

    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=5) as connection,
    ):
        spent, began = time.thread_time(), time.monotonic()
        with pytest.raises((HyperError, OSError)) as caught:
            connection.request("GET", "/")
            connection.get_response().read()
        assert not isinstance(caught.value, TimeoutError)
        assert time.thread_time() - spent < 0.5
        assert time.monotonic() - began < 4


def test_an_event_loop_is_not_starved_by_requests_in_flight() -> None:
    """R15: 100 % of a processor while many were in flight, and nothing left for the loop.

    hyper has no loop, so programs that have one ask in threads of theirs. The server answers when
    the loop says so, and that is once all those threads have been seen to do nothing at all.
    """
    many, rounds = 32, 3
    heard, word = threading.Barrier(2), threading.Event()
    calls = [0]

    def script(conversation: Conversation) -> None:
        asked = [conversation.hear_request()]
        for _ in range(rounds):
            asked += [conversation.hear() for _ in range(many - len(asked))]
            heard.wait(4 * PATIENCE)
            assert word.wait(4 * PATIENCE)
            word.clear()
            for stream_id in asked:
                conversation.head(stream_id)
                conversation.data(stream_id, b"%d" % stream_id, end=True)
            asked = []
        conversation.linger()

    def ask() -> bool:
        stream_id = connection.request("GET", "/")
        return connection.get_response(stream_id).read() == b"%d" % stream_id

    def count(*_: object) -> None:
        calls[0] += 1

    async def nothing_is_done() -> bool:
        before = calls[0]
        for _ in range(25):
            await asyncio.sleep(0.01)
        return calls[0] == before

    async def program(threads: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(rounds):
            asked = [loop.run_in_executor(threads, ask) for _ in range(many)]
            await asyncio.to_thread(heard.wait, 4 * PATIENCE)
            for _ in range(20):
                if await nothing_is_done():
                    break
            else:
                pytest.fail("threads that wait are at work all the time")
            word.set()
            assert await asyncio.gather(*asked) == [True] * many
        assert calls[0] > rounds * many, "this counts what they do"

    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=4 * PATIENCE) as connection,
        ThreadPoolExecutor(many, initializer=sys.setprofile, initargs=(count,)) as threads,
    ):
        asyncio.run(asyncio.wait_for(program(threads), 8 * PATIENCE))
        assert server.connections == 1


def test_a_large_field_block_is_decoded_in_linear_time() -> None:
    """R27: decoders that take the square of a block's length."""

    def seconds(size: int) -> float:
        block = hpack.Encoder().encode([("x-long", "e" * size)], huffman=True)
        best = 1e9
        for attempt in range(5):
            decoder = Decoder(max_list_size=1 << 20)
            began = time.process_time()
            ((_, value),) = decoder.decode(block)
            best = min(best, time.process_time() - began)
            assert len(value) == size, attempt
        return best

    small, large = seconds(8 * 1024), seconds(64 * 1024)
    assert large < 24 * small + 0.01, "eight times as much should take about eight times as long"
    assert large < 1


@pytest.mark.parametrize("with_body", [False, True], ids=["trailers only", "an empty body before"])
def test_trailers_come_where_there_is_no_body_as_well(with_body: bool) -> None:
    """R20: gRPC's answers, which are trailers and little else."""

    def script(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.head(1, [("content-type", "application/grpc")])
        if with_body:
            conversation.data(1, b"")
        conversation.say(
            frame("HEADERS", 0x5, 1, conversation.encoder.encode([("grpc-status", "0")]))
        )
        conversation.linger()

    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=5) as connection,
    ):
        connection.request("POST", "/Echo/Say", b"hello", headers={"te": "trailers"})
        response = connection.get_response()
        assert response.read() == b""
        assert response.trailers["grpc-status"] == [b"0"]


def test_a_body_and_its_echo_flow_at_once(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    """R20: both directions of one stream at the same time."""
    address = f"localhost:{server.port}"
    with HTTP20Connection(address, ssl_context=ssl_context, timeout=20) as connection:
        stream_id = connection.putrequest("POST", "/echo")
        connection.putheader("content-type", "text/plain", stream_id=stream_id)
        connection.endheaders(stream_id=stream_id)
        response = connection.get_response(stream_id)
        for number in range(20):
            sentence = b"this is sentence %02d" % number
            connection.send(sentence, final=number == 19, stream_id=stream_id)
            assert response.read(len(sentence)) == sentence
        assert response.read() == b""


def test_a_settings_or_ping_that_comes_while_idle_costs_no_connection() -> None:
    """R32: an idle connection with octets to read is not a dead one."""

    def script(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.head(1, end=True)
        conversation.say(frame("SETTINGS") + frame("PING", 0, 0, b"are you?"))
        conversation.head(conversation.hear(), end=True)
        conversation.linger()

    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=5) as connection,
    ):
        connection.request("GET", "/")
        connection.get_response().read()
        time.sleep(0.05)
        assert connection.request("GET", "/") == 3
        assert connection.get_response().status == 200
        assert server.connections == 1


def test_a_peer_that_has_fallen_silent_is_noticed_by_a_ping() -> None:
    """R13: a middlebox that drops an idle connection without a word."""

    def script(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.head(1, end=True)
        conversation.socket.settimeout(5)
        conversation.linger()  # reads, and answers nothing any more

    with (
        RawServer(script) as server,
        HTTP20Connection(server.address, secure=False, timeout=0.3) as connection,
    ):
        connection.request("GET", "/")
        connection.get_response().read()
        with pytest.raises(TimeoutError, match=r"no answer to PING within 0\.3 s"):
            connection.ping()
        connection.request("GET", "/")
        with pytest.raises(TimeoutError, match=r"no response head within 0\.3 s"):
            connection.get_response()


def test_nothing_but_documented_errors_escapes_where_the_server_is_no_http_2() -> None:
    """R24: low-level exceptions of a protocol library that reach the user."""
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, b"SSH-2.0-OpenSSH_9.0\r\n"):

        def script(conversation: Conversation, answer: bytes = answer) -> None:
            conversation.socket.sendall(answer)
            conversation.socket.shutdown(socket.SHUT_WR)
            conversation.linger()

        with (
            RawServer(script) as server,
            HTTP20Connection(server.address, secure=False, timeout=5) as connection,
            pytest.raises((HyperError, OSError)) as caught,
        ):
            connection.request("GET", "/")
            connection.get_response().read()
        assert type(caught.value).__module__.startswith(("hyper.", "builtins")), caught.value
