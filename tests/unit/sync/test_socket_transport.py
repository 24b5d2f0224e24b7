"""TLS on a socket that another context has wrapped."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import pytest

from hyper.sync.socket_transport import SSLSocketTransport

from ...certificates import Certificates
from ...threads.forking import child_gets_through, held_elsewhere
from .wires import tcp_pair


@pytest.fixture
def wire(certificates: Certificates) -> Iterator[tuple[SSLSocketTransport, ssl.SSLSocket]]:
    ours, theirs = tcp_pair()
    sealed: list[ssl.SSLSocket] = []
    server = certificates.server_context("h2")

    def shake() -> None:
        sealed.append(server.wrap_socket(theirs, server_side=True))

    thread = threading.Thread(target=shake)
    thread.start()
    client = certificates.client_context("h2").wrap_socket(ours, server_hostname="localhost")
    thread.join(5)
    sealed[0].settimeout(5)
    transport = SSLSocketTransport(client)
    yield transport, sealed[0]
    transport.close()
    sealed[0].close()


Wire = tuple[SSLSocketTransport, ssl.SSLSocket]


def read(transport: SSLSocketTransport) -> bytes:
    deadline = monotonic() + 5
    while True:
        assert transport.wait_readable(deadline)
        data = transport.read()
        if data is not None:
            return data


def test_it_reads_and_writes(wire: Wire) -> None:
    transport, peer = wire
    assert transport.alpn == "h2"
    transport.write(b"question")
    assert peer.recv(100) == b"question"
    peer.sendall(b"answer")
    assert read(transport) == b"answer"
    assert transport.read() is None
    assert not transport.more


def test_many_records_are_read_one_after_the_other(wire: Wire) -> None:
    transport, peer = wire
    peer.sendall(bytes(100_000))
    data = b""
    while len(data) < 100_000:
        data += read(transport)
    assert data == bytes(100_000)


def test_what_the_socket_does_not_take_waits(wire: Wire) -> None:
    transport, peer = wire
    size = 0
    # Its buffers grow while they fill.
    while not transport.unsent or transport.flush():
        transport.write(bytes(1 << 20))
        size += 1 << 20
    transport.write(b"end")
    received = 0

    def drain() -> None:
        nonlocal received
        while received < size + 3:
            received += len(peer.recv(1 << 20))

    thread = threading.Thread(target=drain)
    thread.start()
    while not transport.flush():
        transport.wait_writable(monotonic() + 5, or_readable=False)
    thread.join(5)
    assert received == size + 3
    assert transport.unsent == 0


def test_the_peer_s_goodbye_is_the_end_of_file(wire: Wire) -> None:
    transport, peer = wire
    raw = peer.unwrap
    thread = threading.Thread(target=lambda: _quietly(raw))
    thread.start()
    assert read(transport) == b""
    assert transport.read() == b""
    transport.finish()
    transport.linger(0.01)
    thread.join(5)


def _quietly(call: Any) -> None:
    with suppress(OSError, ValueError):
        call()


def test_our_goodbye_is_a_close_notify_and_the_end_of_file(wire: Wire) -> None:
    transport, peer = wire
    transport.finish()
    assert peer.recv(10) == b""
    peer.close()
    transport.linger(1)
    assert transport.closed


def test_closing_does_not_take_the_tls_off(wire: Wire) -> None:
    """``SSLSocket.shutdown`` would, and a thread that writes would go on in clear."""
    transport, _ = wire
    sock = transport._socket
    transport._reading = True
    transport.close()
    assert sock._sslobj is not None  # type: ignore[attr-defined]
    transport._reading = False
    with pytest.raises(OSError, match="has been closed"):
        transport.write(b"x")
    assert sock.fileno() == -1, "the last one to leave lets go"
    transport.close()
    assert transport.read() == b""


def test_who_reads_while_it_is_closed_lets_go_of_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, _ = wire
    receive = transport._recv

    def closing(size: int) -> bytes:
        transport.close()
        assert transport.fileno() >= 0
        return receive(size)

    monkeypatch.setattr(transport, "_recv", closing)
    with suppress(OSError):
        transport.read()
    assert transport.fileno() == -1


def test_the_tls_side_can_be_asked(wire: Wire) -> None:
    transport, _ = wire
    certificate = transport.side("getpeercert")()
    assert ("DNS", "localhost") in certificate["subjectAltName"]
    assert transport.side("server_hostname") == "localhost"
    assert transport.side("getpeername")() == transport._socket.getpeername()
    # Nobody else is inside of OpenSSL meanwhile.
    asked = transport.side("version")
    with transport._crypto:
        thread = threading.Thread(target=asked)
        thread.start()
        sleep(0.02)
        assert thread.is_alive()
    thread.join(5)
    assert not thread.is_alive()


def test_it_does_not_block_whatever_the_socket_did(wire: Wire) -> None:
    transport, peer = wire
    assert transport._socket.gettimeout() == 0
    assert isinstance(peer, socket.socket)
    assert transport.read() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_in_the_child_of_a_fork_it_can_be_asked_about_its_tls(wire: Wire) -> None:
    """Another thread of the parent may be reading; here there is nobody, and no connection."""
    transport, peer = wire
    with held_elsewhere(transport._crypto):
        assert child_gets_through(lambda: transport.side("version")() is None)
    assert transport.side("version")() == "TLSv1.3"
    transport.write(b"still ours")
    assert peer.recv(100) == b"still ours"
    # The same without a fork, since nothing can look into its child.
    crypto = transport._crypto
    transport._inherit()
    assert transport._crypto is not crypto and transport.closed
