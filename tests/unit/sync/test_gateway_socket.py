"""What else one does with a socket: files, timeouts, select(), shutdown, close."""

from __future__ import annotations

import gc
import http.client
import select
import socket
import threading
from collections.abc import Iterator
from time import sleep
from typing import Any

import pytest

from .far import Far

GET = b"GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.close()


def readable(sock: Any) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def ask(far: Far, stream_id: int = 1) -> None:
    far.gateway.sendall(GET)
    far.hear_request(stream_id)


# Files.


def test_a_file_keeps_the_socket_open(far: Far) -> None:
    """urllib.request closes the socket as soon as the response has begun."""
    ask(far)
    sock: Any = far.gateway
    response = http.client.HTTPResponse(sock)
    far.gateway.close()
    assert far.let_go == 0
    far.answer(b"hello")
    response.begin()
    assert response.read() == b"hello"
    assert far.let_go == 1
    far.gateway.close()
    assert far.let_go == 1


def test_a_closed_file_does_not_close_the_socket(far: Far) -> None:
    far.gateway.makefile("rb").close()
    ask(far)
    assert far.let_go == 0


def test_unbuffered_files_read_what_was_asked_for(far: Far) -> None:
    """As botocore reads the word on an expectation."""
    ask(far)
    far.answer(b"hello")
    with far.gateway.makefile("rb", 0) as file:
        assert file.readline() == b"HTTP/1.1 200 OK\r\n"
    with far.gateway.makefile("rb") as file:
        assert file.readline() == b"Content-Length: 5\r\n"


def test_who_asks_for_nothing_does_not_wait_for_it(far: Far) -> None:
    """As with an ssl.SSLSocket, which takes a negative size of a buffer for all of it."""
    far.gateway.settimeout(0.05)
    for asked in (False, True):
        if asked:
            ask(far)
        assert far.gateway.recv(0) == far.gateway.read(0) == b""
        assert far.gateway.recv_into(bytearray()) == 0
        with pytest.raises(ValueError, match="negative"):
            far.gateway.recv(-1)
    far.answer(b"hello")
    buffer = bytearray(9)
    assert far.gateway.recv_into(buffer, -1) == 9
    assert buffer == b"HTTP/1.1 "
    assert far.gateway.recv(0) == b""
    with pytest.raises(ValueError, match="negative"):
        far.gateway.recv(-1)
    assert far.gateway.recv(6) == b"200 OK"


def test_files_for_text_and_for_writing(far: Far) -> None:
    file: Any = far.gateway.makefile("wb")
    with file:
        file.write(GET)
    far.hear_request()
    far.answer(b"hello")
    with far.gateway.makefile("r", encoding="latin-1", newline="\r\n") as text:
        assert text.readline() == "HTTP/1.1 200 OK\r\n"
    with pytest.raises(ValueError, match="invalid mode"):
        far.gateway.makefile("x")


def test_a_file_ends_with_the_response(far: Far) -> None:
    ask(far)
    far.answer(b"hello")
    file: Any = far.gateway.makefile("rb")
    with file:
        assert file.read().endswith(b"hello")
        assert file.read(1) == b""


def test_a_file_times_out_as_a_socket_s_does(far: Far) -> None:
    far.gateway.settimeout(0.02)
    ask(far)
    with far.gateway.makefile("rb") as file:
        with pytest.raises(TimeoutError):
            file.read(1)
        with pytest.raises(OSError, match="timed out object"):
            file.read(1)


# What a socket knows.


def test_timeouts_are_a_socket_s(far: Far) -> None:
    sock = far.gateway
    sock.settimeout(3)
    assert (sock.gettimeout(), sock.timeout, sock.getblocking()) == (3, 3, True)
    sock.setblocking(False)
    assert (sock.gettimeout(), sock.getblocking()) == (0, False)
    sock.setblocking(True)
    assert sock.gettimeout() is None
    with pytest.raises(ValueError, match="out of range"):
        sock.settimeout(-1)


def test_there_is_no_handshake_left_and_no_way_back(far: Far) -> None:
    far.gateway.do_handshake()
    with pytest.raises(ValueError, match="TLS cannot be taken off"):
        far.gateway.unwrap()


def test_other_attributes_are_errors(far: Far) -> None:
    with pytest.raises(AttributeError, match="'GatewaySocket' object has no attribute 'sendto'"):
        far.gateway.sendto  # noqa: B018
    assert "example.org:443 open" in repr(far.gateway)


# select() and poll().


def test_only_what_can_be_read_makes_it_readable(far: Far) -> None:
    assert not readable(far.gateway)
    ask(far)
    far.h2.ping(b"12345678")
    far.say()
    sleep(0.01)
    assert not readable(far.gateway), "SETTINGS and PING are nobody's business"
    far.head(1, status=103)
    assert not readable(far.gateway)
    far.head(1)
    sleep(0.01)
    assert readable(far.gateway)
    far.read()
    assert not readable(far.gateway)
    far.data(b"")
    assert not readable(far.gateway)
    far.data(b"hello")
    assert readable(far.gateway)
    assert far.read() == b"5\r\n"
    assert readable(far.gateway), "some of it is left"
    far.read()
    far.read()
    assert not readable(far.gateway)
    far.data(b"", end=True)
    assert readable(far.gateway)
    far.read()
    assert not readable(far.gateway)
    assert far.gateway.fileno() == far.gateway.fileno() >= 0


def test_the_end_of_an_idle_connection_is_readable(far: Far) -> None:
    """By which urllib3 finds out that a connection in its pool is gone."""
    ask(far)
    far.answer(b"x")
    while not far.gateway.resting:
        far.read()
    assert not readable(far.gateway)
    far.goaway(1)
    assert readable(far.gateway)


@pytest.mark.parametrize("close", [True, False])
def test_an_error_is_readable(far: Far, close: bool) -> None:
    ask(far)
    assert not readable(far.gateway)
    if close:
        far.sock.close()
    else:
        far.reset()
    assert readable(far.gateway)


def test_the_word_on_an_expectation_is_readable(far: Far) -> None:
    far.gateway.settimeout(0.02)
    far.gateway.sendall(GET[:-2] + b"Expect: 100-continue\r\n\r\n")
    far.hear_request()
    assert not readable(far.gateway)
    far.head(1, status=100)
    assert readable(far.gateway)
    assert far.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not readable(far.gateway)


def test_a_connection_that_says_it_closes_is_readable_when_it_has(far: Far) -> None:
    far.gateway.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
    far.hear_request()
    far.answer(b"")
    far.read()
    assert readable(far.gateway)
    assert far.read() == b""


# The end.


def test_shutdown_wakes_who_reads(far: Far) -> None:
    """urllib3's HTTPResponse.shutdown() comes from another thread."""
    ask(far)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            far.read()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    sleep(0.05)
    far.gateway.shutdown(socket.SHUT_RD)
    far.hear_until(lambda: 1 in far.resets)
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(failures[0], http.client.RemoteDisconnected)
    with pytest.raises(BrokenPipeError):
        far.gateway.sendall(GET)


def test_shutdown_without_a_request_ends_the_socket_only(far: Far) -> None:
    far.gateway.shutdown(socket.SHUT_WR)
    ask(far)
    far.answer(b"")
    far.read()
    far.gateway.shutdown(socket.SHUT_RDWR)
    assert far.read() == b""
    assert far.pump.over is None


def test_shutdown_of_a_connection_that_says_goodbye_asks_it_nothing(far: Far) -> None:
    ask(far)
    far.goaway(1)
    assert not readable(far.gateway)
    far.gateway.shutdown(socket.SHUT_RD)
    far.hear_until(lambda: 1 in far.resets)


def test_close_gives_up_what_is_under_way(far: Far) -> None:
    ask(far)
    assert not readable(far.gateway)
    with far.gateway as sock:
        assert sock.fileno() >= 0
    far.hear_until(lambda: far.gone)
    assert far.resets == {1: 8}
    assert far.let_go == 1
    assert far.gateway.fileno() == -1
    assert "closed" in repr(far.gateway)
    far.gateway.shutdown(socket.SHUT_RDWR)
    with far.gateway:
        far.gateway.close()
    for use in (lambda: far.gateway.recv(1), lambda: far.gateway.sendall(GET)):
        with pytest.raises(OSError, match="this socket has been closed"):
            use()


def test_close_after_the_end_resets_nothing(far: Far) -> None:
    ask(far)
    far.answer(b"")
    far.read()
    far.gateway.close()
    far.hear_until(lambda: far.gone)
    assert far.resets == {}


def test_one_that_is_dropped_gives_its_stream_up() -> None:
    far = Far()
    ask(far)
    exchange = far.gateway.exchange
    far.gateway = None  # type: ignore[assignment]
    gc.collect()
    assert list(far.pump.abandoned) == [exchange]
    assert (far.dropped, far.let_go) == (1, 0)
    far.pump.close()
    far.sock.close()


def test_one_that_is_dropped_after_its_end_has_nothing_to_give_up() -> None:
    far = Far()
    ask(far)
    far.answer(b"")
    far.read()
    far.gateway._dropped = None
    far.gateway = None  # type: ignore[assignment]
    gc.collect()
    assert list(far.pump.abandoned) == []
    far.pump.close()
    far.sock.close()
