"""TLS has business of its own in the midst of a conversation: new keys, tickets (RFC 8446 §4.6).

``openssl s_server`` is the server, as nothing else changes its keys when told to. What it says in
HTTP/2 is written by hand; what it hears is not looked at here but for its length.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from hyper import HTTP20Connection

from ..certificates import Certificates
from ..peer import frame
from ..threads.gated import Thread, eventually
from ..unit.sync.test_transport import OpenSSLServer

#: The field block of ``:status: 200`` (RFC 7541 appendix A, entry 8).
OK = b"\x88"
PIECE = bytes(range(256))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize("update", [b"k\n", b"K\n"], ids=["theirs", "both"])
def test_keys_change_while_one_thread_reads_and_another_writes(
    certificates: Certificates, update: bytes
) -> None:
    """Who is asked for new keys answers before its next data, whichever thread that is."""
    server = OpenSSLServer(certificates, "-tls1_3", "-alpn", "h2", "-num_tickets", "4")
    heard = bytearray()

    def listen() -> None:
        assert server.process.stdout is not None
        while data := server.process.stdout.read1(65_536):  # type: ignore[attr-defined]
            heard.extend(data)

    def updated(times: int) -> bool:
        return heard.count(b"SSL_do_handshake -> 1") == times

    listening = threading.Thread(target=listen)
    listening.start()
    going = threading.Event()

    def body() -> Iterator[bytes]:
        """Pieces all the time, until the last update has been seen; the window takes them."""
        for number in range(400):
            if not going.is_set() and number > 300:
                going.wait(20)
            time.sleep(0.0005)
            yield bytes(100)

    try:
        connection = HTTP20Connection(
            f"localhost:{server.port}", ssl_context=certificates.client_context(), timeout=20
        )

        def dial() -> bool:
            try:
                connection.connect()
            except ConnectionRefusedError:
                return False
            return True

        eventually(dial)
        server.command(frame("SETTINGS"))
        # Then both requests may be open at once.
        first = connection.request("GET", "/")
        server.command(frame("HEADERS", 0x4, first, OK))
        response = connection.get_response(first)
        uploading = Thread(connection.request, "POST", "/", body())
        eventually(lambda: len(heard) > 2000)
        got = b""
        for number in range(12):
            server.command(frame("DATA", 0, first, PIECE))
            got += response.read(len(PIECE))
            server.command(update)
            # A word on its own, or it would be sent as if it were ours.
            eventually(partial(updated, number + 1))
        going.set()
        server.command(frame("DATA", 0x1, first, b"the end"))
        assert response.read() == b"the end"
        assert got == PIECE * 12
        second = uploading.finish()
        server.command(frame("HEADERS", 0x5, second, OK))
        assert connection.get_response(second).status == 200
        assert len(heard) > 40_000, "the upload has arrived"
        connection.close()
    finally:
        server.process.kill()
        server.process.wait()
        listening.join(10)
        for pipe in (server.process.stdin, server.process.stdout):
            assert pipe is not None
            pipe.close()
