"""The network ends after every octet of a conversation: the body is whole, or there is an error.

Between client and server stands a relay that passes on so many octets, or so many TLS records, of
what the server says, and then hangs up, without the close_notify that TLS asks for. Never is a
short body taken for a whole one, nobody waits for the rest, and the next request is answered. And
what stands before the cut counts: a body that had come whole is delivered.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from hyper import HTTP11Connection
from hyper.common.exceptions import HyperError

from ..certificates import Certificates
from ..threads.gated import Thread
from .conversations import CONVERSATIONS, DOWNLOAD, PAGE, Asking, speak, until
from .rawserver import Conversation, RawServer

LONG = bool(os.environ.get("HYPER_LONG"))


class Relay(RawServer):
    """Passes on what a client and ``target``, a port, say, up to a cut; one client after the other.

    cut      octets of the server's that are passed on, None for all of them
    records  count TLS records instead
    reset    end with a TCP reset, which overtakes what has not been read
    passed   octets, or records, of the last connection that went to the client
    """

    def __init__(self, target: int) -> None:
        super().__init__(self._relay)
        self.target = target
        self.cut: int | None = None
        self.records = False
        self.reset = False
        self.passed = 0

    def _relay(self, conversation: Conversation) -> None:
        client = conversation.socket
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):
                if self._pass_on(client, server) and not self.reset:
                    # What the client still says is dropped, so that the end is no reset.
                    conversation.finish()
            if self.reset:
                conversation.reset()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Whether it was cut off; else one of the two has ended."""
        self.passed = 0
        kept = b""
        while self.cut is None or self.passed < self.cut:
            for source in select.select([client, server], [], [], 10)[0]:
                data = source.recv(65_536)
                if not data:
                    return False
                if source is client:
                    server.sendall(data)
                    continue
                kept += data
                while kept and (self.cut is None or self.passed < self.cut):
                    size = self._next(kept)
                    if not size:
                        break
                    client.sendall(kept[:size])
                    kept = kept[size:]
        return True

    def _next(self, kept: bytes) -> int:
        """How much of it goes next, and is counted; 0 if a record is not complete."""
        if self.records:
            size = 5 + int.from_bytes(kept[3:5], "big")
            if len(kept) < size:
                return 0
            self.passed += 1
            return size
        size = len(kept) if self.cut is None else min(len(kept), self.cut - self.passed)
        self.passed += size
        return size


@pytest.fixture(scope="module")
def secure(certificates: Certificates) -> Iterator[Relay]:
    with (
        RawServer(speak, certificates.server_context(), at_once=True) as server,
        Relay(server.port) as relay,
    ):
        yield relay


@pytest.fixture(scope="module")
def plain() -> Iterator[Relay]:
    with RawServer(speak, at_once=True) as server, Relay(server.port) as relay:
        yield relay


def play(relay: Relay, connection: Any, asking: Asking, cut: int | None) -> bool:
    """Ask, and see what a cut makes of it; whether the answer was whole all the same."""
    relay.cut = cut
    thread = Thread(asking.ask, connection)
    thread.join(30)
    assert not thread.is_alive(), f"hangs after a cut at {cut}"
    relay.cut = None
    if thread.error is None:
        assert thread.result == asking.right, f"cut at {cut}"
    else:
        assert isinstance(thread.error, (HyperError, OSError)), f"cut at {cut}"
        assert not isinstance(thread.error, TimeoutError), f"waits for the rest, cut at {cut}"
        partial = getattr(thread.error, "partial", b"")
        assert asking.right.startswith(partial) or PAGE.startswith(partial), f"cut at {cut}"
    return thread.error is None


def sweep(relay: Relay, asking: Asking, context: ssl.SSLContext, stride: int) -> None:
    def connection() -> Any:
        return asking.connection(relay.address, context)

    def once(cut: int | None) -> bool:
        made = connection()
        whole = play(relay, made, asking, cut)
        if not whole:
            assert asking.ask(made) == asking.right, f"the next request, after a cut at {cut}"
        made.close()
        return whole

    assert once(None)
    total = relay.passed
    assert not once(1)
    wholes = [once(cut) for cut in range(1, total, 1 if LONG else stride)]
    # A signature in a handshake has an octet or two more or less each time.
    signatures = asking.secure and not relay.records
    if not signatures:
        # Once enough has come, more does no harm.
        assert wholes == sorted(wholes)
    assert once(total + 16 * signatures)


def named(*names: str) -> list[Any]:
    return [pytest.param(each, id=each.name) for each in CONVERSATIONS if each.name in names]


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("asking", named("get-cleartext", "h2c-upgrade", "http11", "push"))
def test_an_end_after_every_octet(
    plain: Relay, ssl_context: ssl.SSLContext, asking: Asking, reset: bool
) -> None:
    if reset and asking.name != "get-cleartext":
        pytest.skip("a reset may overtake octets, so one conversation is enough")
    plain.records = False
    plain.reset = reset
    if reset:
        for cut in range(1, 130, 1 if LONG else 3):
            connection = asking.connection(plain.address, ssl_context)
            whole = play(plain, connection, asking, cut)
            assert not whole or cut > len(PAGE), "not even the body went through"
            # After an answer that was whole, the reset comes when it comes, to the next request.
            if not whole:
                assert asking.ask(connection) == asking.right
            connection.close()
    else:
        sweep(plain, asking, ssl_context, 41 if asking.name == "push" else 2)


@pytest.mark.parametrize("records", [False, True], ids=["octets", "records"])
@pytest.mark.parametrize("asking", named("get", "http11-chunked", "http11-piecewise"))
def test_an_end_after_every_octet_or_record_of_tls(
    secure: Relay, ssl_context: ssl.SSLContext, asking: Asking, records: bool
) -> None:
    secure.records = records
    secure.reset = False
    sweep(secure, asking, ssl_context, 1 if records else 53)


def until_the_end(conversation: Conversation) -> None:
    """A body that ends with the connection (RFC 9112 §6.3), and a goodbye of TLS if there is."""
    until(conversation, b"\r\n\r\n")
    conversation.say(b"HTTP/1.1 200 OK\r\n\r\n")
    for start in range(0, len(DOWNLOAD), 1024):
        conversation.say(DOWNLOAD[start : start + 1024])
    if isinstance(conversation.socket, ssl.SSLSocket):
        with suppress(OSError):
            conversation.socket.unwrap()


def read_to_the_end(connection: Any) -> bytes:
    stream_id = connection.request("GET", "/")
    with connection.get_response(stream_id) as response:
        body: bytes = response.read()
        return body


def test_only_a_close_notify_ends_a_body_that_the_connection_ends(
    certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """RFC 9112 §9.8: over TLS anybody on the way could have cut it off."""
    asking = Asking("until-the-end", True, HTTP11Connection, read_to_the_end, DOWNLOAD)
    with (
        RawServer(until_the_end, certificates.server_context(), at_once=True) as server,
        Relay(server.port) as relay,
    ):
        relay.records = True
        sweep(relay, asking, ssl_context, 1)
