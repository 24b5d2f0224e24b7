"""One connected socket: what it gives, takes and keeps, and how it ends."""

from __future__ import annotations

import gc
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hyper.sync import transport as module
from hyper.sync.dial import connect
from hyper.sync.transport import (
    BATCH_SIZE,
    LINGER_SIZE,
    RECORD_SIZE,
    SEALED_READ_SIZE,
    SelectPoll,
    TLSTransport,
    Transport,
)
from hyper.tls import init_context

from ...certificates import Certificates
from .wires import Peer, descriptors, plain_wire, tcp_pair, tls_wire

Wire = Callable[..., tuple[Transport, Peer]]


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def read(transport: Transport) -> bytes:
    """The next octets, however long they take."""
    while True:
        assert transport.wait_readable(soon()), "nothing came"
        data = transport.read()
        if data is not None:
            return data


def stuff(transport: Transport) -> None:
    """Write more than a narrow wire takes."""
    transport.write(bytes(1_000_000))
    while transport.wait_writable(0.0, or_readable=False):
        transport.flush()
    assert transport.unsent


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run ``call`` beside us; what it returned or raised goes into the list."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


@pytest.fixture(autouse=True)
def no_descriptor_is_left(certificates: Certificates) -> Iterator[None]:
    before = descriptors()
    yield
    gc.collect()
    assert descriptors() <= before


@pytest.fixture(params=["plain", "TLS 1.2", "TLS 1.3"])
def wire(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Wire]:
    """Make pairs of a transport and its peer, and close them."""
    made: list[tuple[Transport, Peer]] = []

    def make(**options: Any) -> tuple[Transport, Peer]:
        if request.param == "plain":
            made.append(plain_wire(**options))
        else:
            server = certificates.server_context()
            server.maximum_version = getattr(
                ssl.TLSVersion, request.param.replace(" ", "v").replace(".", "_")
            )
            made.append(tls_wire(certificates.client_context(), server, **options))
        return made[-1]

    yield make
    for transport, peer in made:
        transport.close()
        peer.close()


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[Wire]:
    """The same, only over TLS 1.3, with a choice of contexts."""
    made: list[tuple[Transport, Peer]] = []

    def make(
        client: ssl.SSLContext | None = None, server: ssl.SSLContext | None = None, **options: Any
    ) -> tuple[Transport, Peer]:
        client = client or certificates.client_context()
        made.append(tls_wire(client, server or certificates.server_context(), **options))
        return made[-1]

    yield make
    for transport, peer in made:
        transport.close()
        peer.close()


# Reading


def test_octets_arrive_as_they_were_sent(wire: Wire) -> None:
    transport, peer = wire()
    peer.send(b"hello")
    assert read(transport) == b"hello"


def test_nothing_there_is_none_and_not_an_end(wire: Wire) -> None:
    transport, peer = wire()
    assert transport.read() is None
    assert not transport.more
    peer.send(b"late")
    assert read(transport) == b"late"


def test_octets_that_come_one_at_a_time_are_not_lost(wire: Wire) -> None:
    transport, peer = wire()
    while transport.read() is not None:
        pass
    got = b""
    for octet in peer.seal(b"one at a time"):
        peer.sock.sendall(bytes([octet]))
        assert transport.wait_readable(soon())
        got += transport.read() or b""
    assert got == b"one at a time"


@pytest.mark.parametrize("size", [RECORD_SIZE, RECORD_SIZE + 1, 300_000])
def test_much_at_once_arrives_whole_in_bounded_pieces(wire: Wire, size: int) -> None:
    transport, peer = wire()
    body = os.urandom(size)
    sender, _ = in_thread(lambda: peer.send(body))
    got = b""
    while len(got) < size:
        piece = read(transport)
        assert 0 < len(piece) <= SEALED_READ_SIZE
        got += piece
    sender.join()
    assert got == body


def test_records_that_arrived_together_are_read_without_asking_the_socket(secure: Wire) -> None:
    transport, peer = secure()
    peer.send(b"first", b"second", b"third")
    assert read(transport) == b"first"
    assert transport.more
    peer.sock.close()
    assert transport.wait_readable(0.0), "what is decrypted already needs no socket"
    assert (transport.read(), transport.more) == (b"second", True)
    assert (transport.read(), transport.more) == (b"third", False)


def test_what_came_with_the_handshake_is_read_first(secure: Wire) -> None:
    """Session tickets and the first answer may arrive together, and poll() never sees them."""
    transport, _ = secure()
    assert transport.more, "the session tickets of TLS 1.3"
    assert transport.wait_readable(0.0)
    assert transport.read() is None
    assert not transport.more


def test_tickets_before_data_do_not_hide_the_data(secure: Wire) -> None:
    transport, peer = secure()
    peer.send(b"SETTINGS")
    time.sleep(0.01)
    assert transport.read() == b"SETTINGS"


def test_one_read_takes_what_a_big_buffer_holds(secure: Wire) -> None:
    transport, peer = secure()
    sent = bytes(range(256)) * (5 * RECORD_SIZE // 256) + b"last"
    transport.read()  # the session tickets
    sealed = peer.seal(sent)
    peer.sock.sendall(sealed)
    until_arrived(transport, len(sealed))
    assert transport.read() == sent
    assert not transport.more


def test_records_are_gathered_as_far_as_they_have_arrived(secure: Wire) -> None:
    """Half a record behind whole ones is neither waited for nor lost."""
    transport, peer = secure()
    sent = bytes(range(256)) * (3 * RECORD_SIZE // 256)
    received = b""
    peer.send(sent)
    deadline = time.monotonic() + 5
    while len(received) < len(sent) and time.monotonic() < deadline:
        received += transport.read() or b""
    assert received == sent


def until_arrived(transport: Transport, size: int) -> None:
    """Wait until so many octets lie in the socket: on a busy machine, sent is not arrived."""
    deadline = time.monotonic() + 10
    while len(transport._sock.recv(2 * size, socket.MSG_PEEK)) < size:
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Raising:
    """An ``SSLObject`` that tells its end as the documentation has it."""

    def __init__(self, real: Any) -> None:
        self.real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def read(self, size: int) -> bytes:
        data: bytes = self.real.read(size)
        if not data:
            raise ssl.SSLZeroReturnError(ssl.SSL_ERROR_ZERO_RETURN, "closed")
        return data


@pytest.mark.parametrize("raising", [False, True], ids=["as in CPython", "as documented"])
def test_an_end_behind_gathered_records_is_told_though_the_socket_is_silent(
    secure: Wire, raising: bool
) -> None:
    transport, peer = secure(
        proxy=lambda real: Raising(real) if raising and isinstance(real, ssl.SSLObject) else real
    )
    sent = bytes(2 * RECORD_SIZE)
    transport.read()  # the session tickets
    sealed = peer.seal(sent)
    peer.sock.sendall(sealed)
    peer.say_goodbye()
    until_arrived(transport, len(sealed) + 1)
    assert (transport.read(), transport.more) == (sent, True)
    assert transport.wait_readable(0.0)
    assert (transport.read(), transport.more) == (b"", False)
    assert not transport.truncated


def test_an_error_behind_gathered_records_comes_after_them(secure: Wire) -> None:
    transport, peer = secure()
    sent = bytes(2 * RECORD_SIZE)
    record = bytearray(peer.seal(sent, b"forged"))
    record[-1] ^= 1
    transport.read()
    peer.sock.sendall(record)
    until_arrived(transport, len(record))
    assert (transport.read(), transport.more) == (sent, True)
    assert transport.wait_readable(0.0)
    for _ in range(2):
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
            transport.read()
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        peer.receive(1)


# The end of file


def test_a_closed_peer_is_an_end_of_file_for_ever(wire: Wire) -> None:
    transport, peer = wire()
    peer.send(b"last words")
    peer.close()
    assert read(transport) == b"last words"
    assert read(transport) == b""
    assert transport.read() == b""


def test_an_end_with_close_notify_is_not_truncated(secure: Wire) -> None:
    """RFC 8446 §6.1: the alert says that nothing was cut off."""
    transport, peer = secure()
    peer.send(b"all")
    peer.say_goodbye()
    assert read(transport) == b"all"
    assert read(transport) == b""
    assert not transport.truncated


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("short", [0, 1])
def test_an_end_that_came_along_with_records_is_heard_with_them(
    secure: Wire, size: int, short: int
) -> None:
    """There may be nothing behind it: some servers close when they have heard our close_notify."""
    transport, peer = secure()
    sent = bytes(size * RECORD_SIZE + short)
    together = peer.seal(sent[: size * RECORD_SIZE], sent[size * RECORD_SIZE :])
    with pytest.MonkeyPatch.context() as patch:
        said: list[bytes] = [together]
        patch.setattr(peer, "sock", SimpleNamespace(sendall=said.append))
        peer.say_goodbye()
    peer.sock.sendall(b"".join(said))
    received = b""
    while piece := read(transport):
        received += piece
    assert received == sent
    assert not transport.truncated


@pytest.mark.parametrize("size", [0, 1, 3])
def test_an_error_that_came_along_with_records_comes_after_them(secure: Wire, size: int) -> None:
    transport, peer = secure()
    sent = bytes(size * RECORD_SIZE)
    peer.sock.sendall(peer.seal(sent) + b"\x17\x03\x03\x00\x20" + bytes(32))
    received = b""
    with pytest.raises(ssl.SSLError, match=r"(?i)mac"):
        while True:
            received += read(transport)
    assert received == sent


def test_a_clean_end_that_the_ssl_module_raises_is_a_clean_end(secure: Wire) -> None:
    """Its documentation has SSLZeroReturnError; CPython returns b"" while we may still write."""
    transport, peer = secure(
        proxy=lambda real: Raising(real) if isinstance(real, ssl.SSLObject) else real
    )
    peer.say_goodbye()
    assert read(transport) == b""
    assert not transport.truncated


def test_an_end_without_close_notify_is_noted(secure: Wire) -> None:
    transport, peer = secure()
    peer.send(b"some")
    peer.close()
    assert read(transport) == b"some"
    assert read(transport) == b""
    assert transport.truncated


def test_an_end_within_a_record_is_noted(secure: Wire) -> None:
    transport, peer = secure()
    peer.sock.sendall(peer.seal(b"some")[:-1])
    peer.close()
    assert read(transport) == b""
    assert transport.truncated


def test_closing_without_notice_where_the_context_allows_it(
    secure: Wire, certificates: Certificates
) -> None:
    """OP_IGNORE_UNEXPECTED_EOF makes the bare end of file look like a clean one."""
    client = certificates.client_context()
    client.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
    transport, peer = secure(client)
    peer.close()
    assert read(transport) == b""
    assert not transport.truncated


def test_we_may_go_on_writing_after_the_peer_has_ended_its_side(wire: Wire) -> None:
    transport, peer = wire()
    if transport.tls is not None:
        peer.say_goodbye()
    peer.sock.shutdown(socket.SHUT_WR)
    assert read(transport) == b""
    transport.write(b"still here")
    assert peer.receive(10) == b"still here"


def test_a_reset_is_a_connection_reset_error(wire: Wire) -> None:
    transport, peer = wire()
    transport.write(b"unread")
    while transport.read() is not None:
        pass
    peer.reset()
    assert transport.wait_readable(soon())
    with pytest.raises(ConnectionResetError):
        transport.read()


# Writing


def test_what_is_written_arrives(wire: Wire) -> None:
    transport, peer = wire()
    transport.write(b"hello")
    assert not transport.unsent
    assert peer.receive(5) == b"hello"


def test_nothing_to_write_is_nothing_on_the_wire(wire: Wire) -> None:
    transport, peer = wire()
    transport.write(b"")
    transport.write(b"x")
    assert peer.receive(1) == b"x"


def test_a_flush_with_nothing_unsent_has_nothing_left(wire: Wire) -> None:
    transport, _ = wire()
    assert transport.flush()


@pytest.mark.parametrize("size", [RECORD_SIZE, RECORD_SIZE + 1, BATCH_SIZE, 3 * BATCH_SIZE + 5])
def test_much_is_written_whole_and_in_order(wire: Wire, size: int) -> None:
    transport, peer = wire()
    body = os.urandom(size)
    reader, results = in_thread(lambda: peer.receive(size))
    transport.write(body)
    while transport.unsent:
        assert transport.wait_writable(soon(), or_readable=False)
        transport.flush()
    reader.join()
    assert results == [body]


def test_what_a_peer_does_not_take_waits_and_is_not_copied(wire: Wire) -> None:
    """At most one batch is encrypted ahead; the rest stays where the caller had it."""
    transport, peer = wire(narrow=True)
    body = bytes(8 * BATCH_SIZE)
    transport.write(body)
    assert transport.unsent > 6 * BATCH_SIZE
    assert not transport.flush()
    kept = sum(len(piece) for piece in transport._backlog if piece.obj is not body)
    assert kept <= BATCH_SIZE + BATCH_SIZE // 100
    reader, results = in_thread(lambda: peer.receive(len(body)))
    while transport.unsent:
        assert transport.wait_writable(soon(), or_readable=False)
        transport.flush()
    reader.join()
    assert results == [body]


def test_writes_while_others_wait_keep_their_order(wire: Wire) -> None:
    transport, peer = wire(narrow=True)
    pieces = [os.urandom(size) for size in (400_000, 5, 20_000, 1, 300_000)]
    for piece in pieces:
        transport.write(piece)
    assert transport.unsent
    whole = b"".join(pieces)
    reader, results = in_thread(lambda: peer.receive(len(whole)))
    while transport.unsent:
        assert transport.wait_writable(soon(), or_readable=False)
        transport.flush()
    reader.join()
    assert results == [whole]


def test_a_small_write_into_a_full_socket_waits(wire: Wire) -> None:
    transport, peer = wire(narrow=True)
    sent = 0
    while not transport.unsent:
        transport.write(b"y" * 1000)
        sent += 1000
    reader, results = in_thread(lambda: peer.receive(sent))
    while not transport.flush():
        assert transport.wait_writable(soon(), or_readable=False)
    reader.join()
    assert results == [b"y" * sent]


def test_a_socket_that_takes_nothing_keeps_all(certificates: Certificates) -> None:
    class Full:
        def __init__(self, sock: Any) -> None:
            self.sock = sock

        def __getattr__(self, name: str) -> Any:
            return getattr(self.sock, name)

        def send(self, data: bytes, flags: int) -> int:
            raise BlockingIOError

    ours, theirs = tcp_pair()
    plain = Transport(Full(ours))  # type: ignore[arg-type]
    plain.write(b"hello")
    assert plain.unsent == 5
    assert not plain.flush()
    plain.close()
    theirs.close()

    secure, peer = tls_wire(
        certificates.client_context(),
        certificates.server_context(),
        proxy=lambda real: Full(real) if isinstance(real, socket.socket) else real,
    )
    secure.write(b"hello")
    assert secure.unsent > 5
    secure.close()
    peer.close()


def test_writing_to_a_peer_that_went_away_is_an_error(wire: Wire) -> None:
    transport, peer = wire()
    peer.reset()
    with pytest.raises(ConnectionError):
        for _ in range(3):
            transport.write(b"x")
            time.sleep(0.01)


def test_a_write_does_not_die_of_sigpipe(wire: Wire) -> None:
    """Command line tools set the signal back to its default, which ends the process."""
    if not hasattr(socket, "MSG_NOSIGNAL"):
        pytest.skip("the system has no MSG_NOSIGNAL")
    transport, peer = wire()
    peer.reset()
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with pytest.raises(ConnectionError):
            for _ in range(3):
                transport.write(b"x")
                time.sleep(0.01)
    finally:
        signal.signal(signal.SIGPIPE, before)


# TLS on its own account


def test_a_broken_record_is_an_error_and_the_peer_is_told(secure: Wire) -> None:
    """RFC 8446 §5.2: a record that does not decrypt ends the connection with an alert."""
    transport, peer = secure()
    record = bytearray(peer.seal(b"genuine"))
    record[-1] ^= 1
    peer.sock.sendall(record)
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        read(transport)
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        peer.receive(1)


def test_the_alert_of_a_peer_is_an_error(secure: Wire) -> None:
    transport, peer = secure()
    transport._sock.sendall(b"\x17\x03\x03\x00\x05trash")
    with pytest.raises(ssl.SSLError):
        peer.receive(1)
    peer.send()  # what OpenSSL has to say about it
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        while True:
            read(transport)


def test_an_alert_to_a_peer_that_is_gone_changes_nothing(secure: Wire) -> None:
    transport, peer = secure()
    peer.sock.sendall(b"\x17\x03\x03\x00\x05trash")
    time.sleep(0.01)
    peer.reset()
    with pytest.raises(OSError):
        while True:
            read(transport)


class OpenSSLServer:
    """``openssl s_server``, the one server that updates keys and renegotiates when told to."""

    def __init__(self, certificates: Certificates, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        identity = ("-cert", str(certificates.chain), "-key", str(certificates.key))
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", *identity, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def heard(self, line: bytes) -> bool:
        assert self.process.stdout is not None
        return line in iter(self.process.stdout.readline, b"")

    def command(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def connect(self, context: ssl.SSLContext) -> TLSTransport:
        for _ in range(100):
            try:
                transport = connect("127.0.0.1", self.port, timeout=5, ssl_context=context)
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                assert isinstance(transport, TLSTransport)
                return transport
        raise AssertionError("openssl s_server does not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def openssl_server(certificates: Certificates) -> Iterator[Callable[..., OpenSSLServer]]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    servers = []

    def start(*options: str) -> OpenSSLServer:
        servers.append(OpenSSLServer(certificates, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_key_update_changes_the_keys_both_ways(
    openssl_server: Callable[..., OpenSSLServer], certificates: Certificates
) -> None:
    """RFC 8446 §4.6.3: who is asked for an update sends one before its next data."""
    server = openssl_server("-tls1_3")
    transport = server.connect(certificates.client_context())
    while transport.wait_readable(soon(0.05)):
        assert transport.read() is None
    server.command(b"K\n")
    assert transport.wait_readable(soon())
    assert transport.read() is None
    server.command(b"still readable\n")
    assert read(transport) == b"still readable\n"
    transport.write(b"still writable\n")
    assert server.heard(b"still writable\n")
    transport.close()


def test_a_server_that_wants_to_renegotiate_is_refused_by_our_contexts(
    openssl_server: Callable[..., OpenSSLServer], certificates: Certificates
) -> None:
    """RFC 9113 §9.2.1; what says so is a warning, and the connection goes on."""
    server = openssl_server("-tls1_2")
    transport = server.connect(init_context(certificates.authority))
    server.command(b"r\n")
    assert transport.wait_readable(soon())
    assert transport.read() is None
    assert not transport.unsent
    transport.write(b"going on\n")
    transport.close()


@pytest.mark.parametrize("size", [10, 20_000])
def test_writing_into_a_renegotiation_is_refused(
    openssl_server: Callable[..., OpenSSLServer], certificates: Certificates, size: int
) -> None:
    """RFC 9113 §9.2.1; it takes a context of the user's own to get this far."""
    server = openssl_server("-tls1_2")
    transport = server.connect(certificates.client_context())
    server.command(b"r\n")
    assert transport.wait_readable(soon())
    assert transport.read() is None
    with pytest.raises(ssl.SSLError, match=r"renegotiation, which HTTP/2 forbids") as info:
        transport.write(b"x" * size)
    assert (info.value.library, info.value.reason) == ("SSL", "NO_RENEGOTIATION")
    transport.close()


def test_alpn_and_the_tls_side_can_be_asked(secure: Wire) -> None:
    transport, _ = secure()
    assert transport.alpn == "h2"
    assert transport.tls is not None
    assert transport.tls.version() == "TLSv1.3"


def test_without_tls_there_is_no_alpn_and_no_tls_side() -> None:
    transport, peer = plain_wire()
    assert transport.alpn is None
    assert transport.tls is None
    transport.close()
    peer.close()


# Waiting


def test_waiting_ends_with_the_deadline(wire: Wire) -> None:
    transport, _ = wire()
    transport.read()
    began = time.monotonic()
    assert not transport.wait_readable(began + 0.05)
    assert 0.05 <= time.monotonic() - began < 20


@pytest.mark.parametrize("late", [0.0, -1.0, -1e9])
def test_a_deadline_that_has_passed_still_looks_once(wire: Wire, late: float) -> None:
    transport, peer = wire()
    transport.read()
    assert not transport.wait_readable(time.monotonic() + late)
    peer.send(b"x")
    time.sleep(0.01)
    assert transport.wait_readable(time.monotonic() + late)
    assert transport.wait_writable(time.monotonic() + late, or_readable=False)


def test_waiting_for_data_ends_when_it_comes(wire: Wire) -> None:
    transport, peer = wire()
    transport.read()
    thread, results = in_thread(lambda: transport.wait_readable(None))
    peer.send(b"x")
    thread.join(5)
    assert results == [True]


def test_waiting_to_write_ends_at_once_while_the_socket_takes_octets(wire: Wire) -> None:
    transport, _ = wire()
    transport.read()
    assert transport.wait_writable(None, or_readable=True)
    assert transport.wait_writable(soon(), or_readable=False)


def test_waiting_to_write_ends_with_the_deadline(wire: Wire) -> None:
    transport, _ = wire(narrow=True)
    transport.read()
    stuff(transport)
    assert not transport.wait_writable(soon(0.02), or_readable=True)


def test_a_writer_hears_of_data_only_if_it_asks(wire: Wire) -> None:
    transport, peer = wire(narrow=True)
    transport.read()
    peer.send(b"PING")
    stuff(transport)
    assert transport.wait_writable(soon(), or_readable=True)
    assert not transport.wait_writable(soon(0.02), or_readable=False)


def test_a_writer_hears_of_data_that_is_decrypted_already(secure: Wire) -> None:
    transport, _ = secure(narrow=True)
    assert transport.more
    stuff(transport)
    assert transport.wait_writable(soon(0.0), or_readable=True)
    assert not transport.wait_writable(soon(0.0), or_readable=False)


def test_a_leader_and_several_writers_may_wait_at_once(wire: Wire) -> None:
    transport, peer = wire(narrow=True)
    transport.read()
    transport.write(bytes(500_000))
    waits = [
        in_thread(lambda: transport.wait_readable(soon())),
        *(in_thread(lambda: transport.wait_writable(soon(), or_readable=False)) for _ in range(3)),
    ]
    time.sleep(0.02)
    reader, _ = in_thread(lambda: peer.receive(500_000))
    while transport.unsent:
        assert transport.wait_writable(soon(), or_readable=False)
        transport.flush()
    peer.send(b"answer")
    for thread, results in waits:
        thread.join(5)
        assert results == [True]
    reader.join()


def test_a_wait_longer_than_poll_can_count_may_end_early_but_not_fail(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, _ = wire()
    transport.read()
    monkeypatch.setattr(module, "LONGEST_WAIT", 10)
    assert transport.wait_readable(float("inf")), "look again"
    assert transport.wait_readable(None), "look again"
    transport.write(b"x")
    monkeypatch.undo()
    assert transport.wait_writable(float("inf"), or_readable=False)


def test_an_interrupt_leaves_a_wait_and_the_connection_stays_whole(wire: Wire) -> None:
    transport, peer = wire()
    transport.read()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            transport.wait_readable(soon())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not (transport._leading or transport._waiting)
    peer.send(b"going on")
    assert read(transport) == b"going on"


def test_a_signal_that_raises_nothing_does_not_end_a_wait(wire: Wire) -> None:
    """PEP 475."""
    transport, _ = wire()
    transport.read()
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert not transport.wait_readable(soon(0.04))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert heard == [signal.SIGALRM]


# Where poll is missing


def test_select_stands_in_for_poll(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "new_poll", SelectPoll)
    transport, peer = wire(narrow=True)
    transport.read()
    assert not transport.wait_readable(soon(0.01))
    assert transport.wait_writable(soon(), or_readable=False)
    peer.send(b"x")
    assert transport.wait_readable(None)
    assert read(transport) == b"x"
    transport.write(bytes(1_000_000))
    assert not transport.wait_writable(soon(0.01), or_readable=True)


def test_select_wakes_a_waiter_when_another_thread_closes(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "new_poll", SelectPoll)
    transport, _ = wire()
    transport.read()
    thread, results = in_thread(lambda: transport.wait_readable(None))
    time.sleep(0.02)
    transport.close()
    thread.join(5)
    assert results == [True]


# Closing


def test_closing_leaves_no_descriptor_and_can_be_repeated(wire: Wire) -> None:
    transport, _ = wire()
    number = transport.fileno()
    assert str(number) in descriptors() or not descriptors()
    transport.close()
    transport.close()
    assert transport.fileno() == -1
    assert str(number) not in descriptors()
    assert transport.closed


def test_a_closed_transport_reads_the_end_of_file_and_refuses_to_write(wire: Wire) -> None:
    transport, _ = wire()
    transport.close()
    assert transport.read() == b""
    assert transport.wait_readable(None)
    assert transport.wait_writable(None, or_readable=True)
    with pytest.raises(ConnectionAbortedError, match="has been closed"):
        transport.write(b"x")
    assert "closed" in repr(transport)


def test_octets_that_were_unsent_are_not_forgotten_by_closing(wire: Wire) -> None:
    """A writer that wakes must not take the closing for success."""
    transport, _ = wire(narrow=True)
    transport.write(bytes(1_000_000))
    transport.close()
    assert transport.unsent
    with pytest.raises(ConnectionAbortedError):
        transport.flush()


def test_closing_wakes_everyone_who_waits(wire: Wire) -> None:
    transport, _ = wire(narrow=True)
    transport.read()
    stuff(transport)
    waits = [
        in_thread(lambda: transport.wait_readable(None)),
        in_thread(lambda: transport.wait_writable(None, or_readable=False)),
        in_thread(lambda: transport.wait_writable(None, or_readable=True)),
    ]
    time.sleep(0.03)
    began = time.monotonic()
    transport.close()
    for thread, results in waits:
        thread.join(5)
        assert results == [True]
    assert time.monotonic() - began < 1
    assert transport.fileno() == -1, "the last one out closed it"


@pytest.mark.parametrize("where", ["_leading", "_reading", "_writing", "_waiting"])
def test_the_descriptor_is_kept_from_others_until_the_last_waiter_has_left(
    wire: Wire, where: str
) -> None:
    """Its number would go to the next socket of the process, and the call with it."""
    transport, _ = wire()
    nobody = getattr(transport, where)
    setattr(transport, where, {"somebody on the way into the system"})
    transport.close()
    assert transport.fileno() != -1
    setattr(transport, where, nobody)
    assert transport.wait_readable(None)
    assert transport.fileno() == -1


def test_two_who_leave_a_closed_transport_leave_it_to_the_last(wire: Wire) -> None:
    transport, _ = wire()
    transport._waiting.add("another")
    transport.close()
    assert transport.wait_writable(None, or_readable=False)
    assert transport.fileno() != -1
    transport._waiting.clear()
    assert transport.wait_writable(None, or_readable=False)
    assert transport.fileno() == -1


def test_closing_after_a_reset_is_quiet(wire: Wire) -> None:
    transport, peer = wire()
    transport.write(b"x")
    peer.reset()
    time.sleep(0.01)
    transport.close()
    assert transport.fileno() == -1


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_forgotten_transport_is_no_cycle_and_lets_go_by_itself() -> None:
    gc.disable()
    try:
        ours, theirs = tcp_pair()
        forgotten = Transport(ours)
        del ours
        number = forgotten.fileno()
        ghost = weakref.ref(forgotten)
        del forgotten
        assert ghost() is None
        assert str(number) not in descriptors()
        theirs.close()
    finally:
        gc.enable()


def test_repr_says_what_one_wants_to_know(secure: Wire) -> None:
    transport, _ = secure()
    assert repr(transport) == f"<TLSTransport alpn=h2 fd={transport.fileno()} unsent=0>"


def test_a_detached_socket_is_somebody_elses(certificates: Certificates) -> None:
    transport, peer = plain_wire()
    sock = transport.detach()
    transport.close()
    assert transport.read() == b""
    with pytest.raises(ConnectionAbortedError):
        transport.write(b"x")
    sock.send(b"alive")
    assert peer.receive(5) == b"alive"
    sock.close()
    peer.close()


# Saying goodbye


def test_a_goodbye_arrives_whole_although_octets_are_left_unread(wire: Wire) -> None:
    """A socket closed with unread octets sends a reset, which would destroy the GOAWAY."""
    transport, peer = wire()
    peer.send(b"never read" * 1000)
    time.sleep(0.02)
    transport.write(b"GOAWAY")
    transport.finish()
    assert transport.read() == b""

    thread, _ = in_thread(transport.linger)
    assert peer.receive(100) == b"GOAWAY"
    peer.close()
    thread.join(5)
    assert transport.fileno() == -1


def test_a_goodbye_ends_with_close_notify(secure: Wire) -> None:
    """RFC 8446 §6.1; the peer's end of file would raise SSLEOFError without it."""
    transport, peer = secure()
    transport.finish()
    assert peer.receive(1) == b""
    with pytest.raises(ConnectionAbortedError):
        transport.write(b"x")


def test_lingering_ends_as_soon_as_the_peer_has_closed(wire: Wire) -> None:
    transport, peer = wire()
    transport.finish()
    peer.close()
    began = time.monotonic()
    transport.linger(60)
    assert time.monotonic() - began < 30
    assert transport.closed


def test_lingering_does_not_wait_for_a_silent_peer(wire: Wire) -> None:
    transport, _ = wire()
    transport.finish()
    began = time.monotonic()
    transport.linger(0.05)
    assert 0.05 <= time.monotonic() - began < 20
    assert transport.fileno() == -1


def test_lingering_does_not_wait_for_a_peer_that_talks_without_end(wire: Wire) -> None:
    transport, peer = wire()
    transport.finish()

    def talk() -> int:
        sent = 0
        while sent < 64 * LINGER_SIZE:
            sent += peer.sock.send(bytes(65536))
        return sent

    thread, results = in_thread(talk)
    transport.linger(5)
    thread.join(5)
    assert isinstance(results[0], ConnectionError), "it was cut off"


def test_lingering_sends_what_is_still_unsent(wire: Wire) -> None:
    transport, peer = wire(narrow=True)
    body = bytes(200_000)
    transport.write(body)
    transport.finish()
    assert transport.unsent

    def take() -> bytes:
        taken = peer.receive(len(body) + 1)
        peer.close()
        return taken

    thread, results = in_thread(take)
    transport.linger(5)
    thread.join(5)
    assert results == [body]


def test_lingering_gives_up_on_a_peer_that_takes_nothing(wire: Wire) -> None:
    transport, _ = wire(narrow=True)
    transport.write(bytes(1_000_000))
    transport.finish()
    transport.linger(0.02)
    assert transport.fileno() == -1


def test_lingering_after_a_reset_is_quiet(wire: Wire) -> None:
    transport, peer = wire()
    transport.write(b"x")
    peer.reset()
    time.sleep(0.01)
    transport.finish()
    transport.linger()
    assert transport.fileno() == -1


def test_closing_ends_a_linger(wire: Wire) -> None:
    transport, _ = wire()
    transport.finish()
    thread, results = in_thread(lambda: transport.linger(60))
    time.sleep(0.02)
    began = time.monotonic()
    transport.close()
    thread.join(40)
    assert results == [None]
    assert time.monotonic() - began < 30
    assert transport.fileno() == -1


def test_an_interrupted_linger_has_closed(wire: Wire) -> None:
    transport, _ = wire()
    transport.finish()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(KeyboardInterrupt):
            transport.linger(5)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert transport.fileno() == -1


# After a fork


def test_what_a_child_inherits_is_closed_there_and_untouched_for_the_parent(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport, peer = wire()
    parents = socket.socket(fileno=os.dup(transport.fileno()))
    monkeypatch.setattr(module, "_alive", weakref.WeakSet([transport]))
    module._drop_inherited()
    assert transport.closed
    assert transport.fileno() == -1
    transport.close()
    parents.setblocking(True)
    parents.sendall(b"no end of file, no alert in front")
    assert peer.sock.recv(100) == b"no end of file, no alert in front"
    parents.close()


FORK = """
import os, socket, sys
from hyper.sync.transport import Transport

ours, theirs = socket.socketpair()
transport = Transport(ours)
child = os.fork()
if child == 0:
    answer = transport.read()
    try:
        transport.write(b"from the child")
    except ConnectionAbortedError:
        transport.close()
        os._exit(0 if answer == b"" and transport.fileno() == -1 else 1)
    os._exit(2)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
transport.write(b"from the parent")
theirs.settimeout(5)
assert theirs.recv(100) == b"from the parent"
theirs.send(b"answer")
assert transport.wait_readable(None) and transport.read() == b"answer"
transport.close()
theirs.close()
sys.exit(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_cannot_disturb_the_parents_connection() -> None:
    found = subprocess.run([sys.executable, "-W", "error", "-c", FORK], timeout=30, check=False)
    assert found.returncode == 0


def test_the_hot_path_is_three_calls(secure: Wire) -> None:
    """A GET: one write, one wait, one read; nothing underneath is Python."""
    transport, peer = secure()
    transport.read()
    peer.send(b"answer")
    time.sleep(0.01)
    deadline = soon()
    calls: list[str] = []

    def count(frame: Any, event: str, _: object) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    sys.setprofile(count)
    try:
        transport.write(b"request")
        transport.wait_readable(deadline)
        data = transport.read()
    finally:
        sys.setprofile(None)
    assert data == b"answer"
    assert calls == ["write", "wait_readable", "read"]


def test_poll_is_what_the_system_gives() -> None:
    assert module.new_poll is getattr(select, "poll", SelectPoll)


# One thread reads while another one writes.


def test_a_close_during_a_write_keeps_the_descriptor_until_it_returns(wire: Wire) -> None:
    """Else the octets could go to a socket of somebody else that got the same number."""
    transport, _ = wire()
    real = transport._send
    seen: list[int] = []

    def closing(*args: Any) -> int:
        transport.close()
        seen.append(transport.fileno())
        return real(*args)

    transport._send = closing
    with pytest.raises(OSError):
        transport.write(b"hello")
    assert seen[0] >= 0
    assert transport.fileno() == -1
    with pytest.raises(ConnectionAbortedError):
        transport.write(b"hello")


def test_a_close_during_a_flush_keeps_the_descriptor_as_well(wire: Wire) -> None:
    transport, _ = wire(narrow=True)
    transport.read()
    stuff(transport)
    real = transport._send
    seen: list[int] = []

    def closing(*args: Any) -> int:
        transport.close()
        seen.append(transport.fileno())
        return real(*args)

    transport._send = closing
    with pytest.raises(OSError):
        transport.flush()
    assert seen[0] >= 0
    assert transport.fileno() == -1


def test_a_close_during_a_read_keeps_the_descriptor_as_well(wire: Wire) -> None:
    transport, _ = wire()
    name = "_recv_into" if isinstance(transport, TLSTransport) else "_recv"
    real = getattr(transport, name)
    seen: list[int] = []

    def closing(*args: Any) -> Any:
        transport.close()
        seen.append(transport.fileno())
        return real(*args)

    setattr(transport, name, closing)
    while transport.more:
        transport.read()
    assert not transport.read()
    assert seen[0] >= 0
    assert transport.fileno() == -1


def test_who_decrypts_and_who_encrypts_wait_for_each_other(secure: Wire) -> None:
    """OpenSSL's object must never be entered by two threads."""
    transport, peer = secure()
    assert isinstance(transport, TLSTransport)
    transport.read()
    peer.send(b"answer")
    inside: list[str] = []
    together: list[str] = []

    def slowly(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*args: Any) -> Any:
            inside.append(name)
            time.sleep(0.02)
            together.extend(inside[1:])
            inside.remove(name)
            return call(*args)

        return slow

    transport._open = slowly("open", transport._open)
    transport._seal = slowly("seal", transport._seal)
    threads = [in_thread(lambda: transport.write(b"request"))]
    assert transport.wait_readable(soon())
    threads.append(in_thread(lambda: read(transport)))
    for thread, _ in threads:
        thread.join(5)
    assert threads[1][1] == [b"answer"]
    assert peer.receive(7) == b"request"
    assert not together
