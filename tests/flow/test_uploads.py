"""Uploads and the server's windows, over real sockets; ``ledger.py`` keeps the server's books."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyper import HTTP20Connection
from hyper.http20.exceptions import ErrorCode, StreamResetError

from ..faults.rawserver import Conversation, RawServer
from ..servers import InProcessServer
from .ledger import Ledger

#: Seconds that any one wait may take; nothing here comes near it unless it hangs.
PATIENCE = 20


def body(seed: int, size: int) -> bytes:
    return hashlib.shake_128(b"%d" % seed).digest(size)


def connect(server: RawServer) -> HTTP20Connection:
    return HTTP20Connection("127.0.0.1", server.port, secure=False, timeout=PATIENCE)


def test_eight_parallel_uploads_all_get_through_small_windows() -> None:
    """R9: one upload waited for a WINDOW_UPDATE that another had already consumed (httpx2#1133)."""
    size = 150_000

    def script(conversation: Conversation) -> None:
        ledger = Ledger(conversation, initial_window_size=5_000)
        turn = 0
        while len(ledger.whole) < 8:
            while ledger.window > 0 and any(
                ledger.windows[each] > 0 for each in ledger.windows if each not in ledger.whole
            ):
                ledger.hear()
                if len(ledger.whole) == 8:
                    break
            # Sometimes the connection is what all of them wait for, sometimes one stream's
            # window, and never everybody's at a time.
            waiting = [each for each in ledger.windows if each not in ledger.whole]
            if ledger.window < 20_000:
                ledger.widen(0, 7_001)
            if waiting:
                turn += 1
                ledger.widen(waiting[turn % len(waiting)], 3_001)
            ledger.hear_all()
        for stream_id, received in ledger.received.items():
            ledger.answer(stream_id, body=hashlib.sha256(received).hexdigest().encode())
        conversation.linger()

    def upload(number: int) -> None:
        sent = body(number, size)
        stream_id = connection.request("POST", f"/{number}", body=sent)
        assert (
            connection.get_response(stream_id).read().decode() == hashlib.sha256(sent).hexdigest()
        )

    with (
        RawServer(script) as server,
        connect(server) as connection,
        ThreadPoolExecutor(8) as pool,
    ):
        list(pool.map(upload, range(8)))


def test_eight_parallel_uploads_to_a_real_server(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    """R9, against windows of 64 KiB that hypercorn opens a little at a time."""

    def upload(number: int) -> None:
        sent = body(number, 1_000_000)
        stream_id = connection.request("POST", "/upload", body=sent)
        answer = json.loads(connection.get_response(stream_id).read())
        assert answer == {"size": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}

    connection = HTTP20Connection(
        "localhost", server.port, ssl_context=ssl_context, timeout=PATIENCE
    )
    with connection, ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, range(8)))


@pytest.mark.parametrize("small", [0, 1, 16_384])
def test_an_upload_waits_while_its_window_is_negative_and_goes_on_after_it(small: int) -> None:
    """R8: a lowered INITIAL_WINDOW_SIZE crashed uploads under way (httpcore#1082)."""
    sent = body(8, 300_000)
    lowest = []

    def script(conversation: Conversation) -> None:
        ledger = Ledger(conversation)
        ledger.widen(0, 1 << 20)
        while not ledger.received.get(1):
            ledger.hear()
        # All of the first 65,535 octets may be on their way; the window is then negative.
        ledger.settings(initial_window_size=small)
        ledger.await_ack()
        lowest.append(ledger.windows[1])
        while ledger.windows[1] > 0:
            ledger.hear()
        before = len(ledger.received[1])
        # Up to nothing at all, then to one octet; then down again and open for good.
        if ledger.windows[1] < 0:
            ledger.widen(1, -ledger.windows[1])
        ledger.conversation.say(b"\0\0\x08\x06\0\0\0\0\0" + b"a sign..")
        while "ACK" not in (heard := ledger.hear()).flags:
            assert heard.stream_id == 0
        assert len(ledger.received[1]) == before
        ledger.widen(1, 1)
        while len(ledger.received[1]) == before:
            ledger.hear()
        assert len(ledger.received[1]) == before + 1
        ledger.settings(initial_window_size=0)
        ledger.await_ack()
        ledger.settings(initial_window_size=1 << 20)
        while not ledger.whole:
            ledger.hear()
        ledger.answer(1, body=hashlib.sha256(ledger.received[1]).hexdigest().encode())
        conversation.linger()

    with RawServer(script) as server, connect(server) as connection:
        connection.request("POST", "/", body=sent)
        assert connection.get_response().read().decode() == hashlib.sha256(sent).hexdigest()
    assert lowest[0] < 0 or small == 16_384


@pytest.mark.parametrize("after", [ErrorCode.NO_ERROR, ErrorCode.CANCEL, None])
def test_a_refusal_in_the_midst_of_an_upload_is_delivered(after: ErrorCode | None) -> None:
    """R10: the server answered 413 and read no further; clients hung in the wait for a window."""
    ledgers = []

    def script(conversation: Conversation) -> None:
        ledger = Ledger(conversation)
        ledgers.append(ledger)
        while not ledger.received.get(1) or ledger.windows[1]:
            ledger.hear()
        ledger.answer(1, "413", b"too much")
        if after is not None:
            conversation.rst_stream(1, after)
        # The connection has served nothing but a refusal, and goes on.
        ledger.widen(0, 1 << 16)
        while 3 not in ledger.whole:
            ledger.hear()
        ledger.answer(3, body=b"next")
        conversation.linger()

    def pieces() -> Iterator[bytes]:
        while True:
            yield bytes(10_000)

    with RawServer(script) as server, connect(server) as connection:
        connection.request("POST", "/", body=pieces())
        with connection.get_response() as response:
            assert response.status == 413
            assert response.read() == b"too much"
        connection.request("GET", "/")
        assert connection.get_response().read() == b"next"
    if after is None:
        # Without a word from the server it is we who have to say that the rest will not come.
        assert ledgers[0].resets[1] in (ErrorCode.NO_ERROR, ErrorCode.CANCEL)


@pytest.mark.parametrize("code", [ErrorCode.NO_ERROR, ErrorCode.CANCEL])
def test_a_refusal_that_is_cut_short_is_no_answer(code: ErrorCode) -> None:
    """R10, and RFC 9113 §8.1: only a complete answer survives the reset that follows it."""

    def script(conversation: Conversation) -> None:
        ledger = Ledger(conversation)
        while not ledger.received.get(1) or ledger.windows[1]:
            ledger.hear()
        conversation.head(1)
        conversation.data(1, b"half of")
        conversation.rst_stream(1, code)
        conversation.linger()

    with (
        RawServer(script) as server,
        connect(server) as connection,
        pytest.raises(StreamResetError, match=code.name),
    ):
        connection.request("POST", "/", body=bytes(1 << 20))
        connection.get_response().read()
