"""The demo's sockets, from outside: a client on a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from hyper.demo import DemoServer
from hyper.demo.server import _Client

from ...peer import PREFACE, frame
from .client import Client, settings, window_update


class Wire(Client):
    """The scripted client on a socket."""

    def __init__(self, server: DemoServer) -> None:
        super().__init__(greet=None)
        self.socket = socket.create_connection((server.host, server.port), timeout=5)
        self.socket.sendall(PREFACE + settings(initial_window_size=2**30) + window_update(2**30))
        self.closed = False

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def turn(self, seconds: float = 0.0) -> None:
        """One read instead of the server's turn."""
        octets = self.socket.recv(1_000_000)
        self.closed = not octets
        self.server.outbox += octets
        self.server.produce = lambda now: False  # type: ignore[method-assign]
        super().turn()

    def send(self, *octets: bytes) -> None:
        self.socket.sendall(b"".join(octets))

    def until_end_of(self, stream_id: int) -> None:
        while not self.stream(stream_id).ended:
            assert not self.closed
            self.turn()

    def until_closed(self) -> None:
        while not self.closed:
            self.turn()


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with DemoServer() as server:
        yield server


def test_real_octets_come_back(server: DemoServer) -> None:
    with Wire(server) as wire:
        wire.send(wire.head("/get"))
        wire.until_end_of(1)

    assert server.url == f"http://127.0.0.1:{server.port}"
    assert wire.stream(1).json["origin"] == "127.0.0.1"


def test_a_large_download_arrives_whole(server: DemoServer) -> None:
    with Wire(server) as wire:
        wire.send(wire.head("/bytes/5000000"))
        wire.until_end_of(1)

    assert len(wire.stream(1).body) == 5_000_000


def test_connections_and_pauses_do_not_hold_each_other_up(server: DemoServer) -> None:
    with Wire(server) as slow, Wire(server) as quick:
        start = time.monotonic()
        slow.send(slow.head("/delay/1"))
        quick.send(quick.head("/ip"))
        quick.until_end_of(1)
        assert time.monotonic() - start < 1
        slow.until_end_of(1)
        assert time.monotonic() - start >= 1


def test_who_does_not_read_is_not_read(server: DemoServer) -> None:
    """Memory stays bounded: a flood of PINGs stops when its answers are not taken."""
    with Wire(server) as wire:
        wire.socket.settimeout(1)
        pings = frame("PING", payload=bytes(8)) * 100_000
        with pytest.raises(TimeoutError):
            for _ in range(100):
                wire.send(pings)
        test_real_octets_come_back(server)


def test_clients_may_vanish_at_any_time(server: DemoServer) -> None:
    for octets in (b"", PREFACE[:5], PREFACE + frame("SETTINGS"), b"GET / HTTP/1.1\r\n\r\n"):
        gone = socket.create_connection((server.host, server.port))
        gone.sendall(octets)
        # A reset instead of an orderly end.
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.close()
    with Wire(server) as wire:
        wire.send(wire.head("/bytes/50000000"))
        wire.turn()
    test_real_octets_come_back(server)


def test_a_broken_client_gets_its_goaway_and_then_the_end(server: DemoServer) -> None:
    """RFC 9113 §5.4.1: GOAWAY arrives although octets of the client were never read."""
    with Wire(server) as wire:
        wire.send(frame("DATA", 0, 0, b"x"), bytes(100_000))
        wire.until_closed()

    assert wire.goaway is not None
    assert wire.goaway[1] == 1


def test_a_client_that_never_leaves_is_left(server: DemoServer) -> None:
    """After our half is closed the other one is waited for, but not for ever."""
    with Wire(server) as wire:
        wire.send(wire.head("/goaway"))
        wire.until_closed()
        deadline = time.monotonic() + 5
        with pytest.raises(OSError):  # the server's socket is gone, so this is answered by RST
            while time.monotonic() < deadline:
                wire.send(frame("PING", payload=bytes(8)))
                time.sleep(0.01)


def test_a_connection_that_is_gone_before_it_is_accepted_is_no_news(server: DemoServer) -> None:
    class Gone:
        accepted = 0

        def accept(self) -> None:
            self.accepted += 1
            raise ConnectionAbortedError

    listener, server._listener = server._listener, Gone()  # type: ignore[assignment]
    server._accept()
    assert server._listener.accepted == 1  # type: ignore[attr-defined]
    server._listener = listener
    test_real_octets_come_back(server)


def test_a_socket_that_only_seemed_readable_is_left_alone(server: DemoServer) -> None:
    class Empty:
        asked = 0

        def recv(self, size: int) -> bytes:
            self.asked += 1
            raise BlockingIOError

    empty = Empty()
    client = _Client(empty, Client().server)  # type: ignore[arg-type]
    server._read(client)  # to drop it would raise: the server does not know it
    assert empty.asked == 1


def test_stop_does_not_say_goodbye_twice() -> None:
    server = DemoServer()
    server.start()
    with Wire(server) as wire:
        wire.send(frame("PING", payload=bytes(7)))
        wire.until_closed()
        server.stop()

    assert wire.frames.count(("GOAWAY", 0)) == 1


def test_stop_says_goodbye_and_leaves_nothing_behind() -> None:
    before = threading.active_count()
    server = DemoServer()
    server.start()
    with Wire(server) as idle, Wire(server) as busy:
        idle.turn()
        busy.send(busy.head("/delay/0.2"))
        time.sleep(0.05)
        server.stop()
        busy.until_end_of(1)
        busy.until_closed()
        idle.until_closed()
        server.stop()

    assert busy.goaway == (1, 0, b"")
    assert idle.goaway == (0, 0, b"")
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port))


def test_stop_does_not_wait_longer_than_its_grace() -> None:
    server = DemoServer()
    server.start()
    with Wire(server) as wire:
        wire.send(wire.head("/delay/10"))
        wire.turn()
        start = time.monotonic()
        server.stop(grace=0.1)
        assert time.monotonic() - start < 2
        wire.until_closed()


def test_a_server_can_start_again() -> None:
    server = DemoServer()
    server.start()
    port = server.port
    server.stop()
    with server:
        assert server.port == port
        test_real_octets_come_back(server)


def test_options_reach_the_connections() -> None:
    with DemoServer(window_size=1234, max_concurrent_streams=5) as server, Wire(server) as wire:
        wire.turn()

    assert wire.settings[3] == 5
    assert wire.settings[4] == 1234


def test_ipv6_has_brackets_in_its_url() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with DemoServer("::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        with Wire(server) as wire:
            wire.send(wire.head("/ip"))
            wire.until_end_of(1)
    assert wire.stream(1).json == {"origin": "::1"}


def test_a_taken_port_is_an_error_at_once() -> None:
    with DemoServer() as server, pytest.raises(OSError):
        DemoServer(port=server.port).start()
