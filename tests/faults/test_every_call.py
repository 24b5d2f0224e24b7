"""Every call into the system fails once, in every way to ask: SQLite's and curl's way to find the
paths that nobody walks.

``connect``, each step of the handshake, ``send``, ``recv``, ``poll``, ``shutdown`` and ``close``,
each with each kind of error, at each of its calls. Whatever happens: it does not hang, the body is
right or there is a documented error, the next request on the same object is answered, and no
descriptor is left. And the same with a system that takes and gives a single octet at a time.
"""

from __future__ import annotations

import errno
import gc
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from hyper import tls
from hyper.common.exceptions import HyperError
from hyper.sync import dial, transport

from ..certificates import Certificates
from ..servers.proxy import SmallProxy
from ..threads.gated import Thread, eventually
from .conversations import CONVERSATIONS, Asking, speak
from .rawserver import RawServer

NETWORK: dict[str, Callable[[], OSError]] = {
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "interrupted": lambda: InterruptedError(errno.EINTR, "Interrupted system call"),
    "timed-out": lambda: TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
}
TLS: dict[str, Callable[[], OSError]] = {
    "broken-record": lambda: _tls_error("BAD_RECORD_TYPE", "bad record type"),
    "end-of-file": lambda: ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred"),
    "wants-to-read": lambda: ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "wants to read"),
    "wants-to-write": lambda: ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "wants to write"),
}
NETWORK_CALLS = frozenset(("connect_ex", "recv", "recv_into", "send", "shutdown", "close", "poll"))
TLS_CALLS = frozenset(("do_handshake", "read", "write", "unwrap"))


def _tls_error(reason: str, words: str) -> ssl.SSLError:
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, words)
    error.library = "SSL"
    error.reason = reason
    return error


class System:
    """Stands between hyper and the calls it makes; one of them fails.

    calls    which calls count
    nth      which of them fails; 0 for none
    fault    makes the error
    grain    octets that one call takes or gives at most, or None for as many as there are
    """

    def __init__(
        self,
        calls: frozenset[str] = frozenset(),
        nth: int = 0,
        fault: Callable[[], OSError] | None = None,
        grain: int | None = None,
    ) -> None:
        self.calls = calls
        self.nth = nth
        self.fault = fault
        self.grain = grain
        self.count = 0
        self.where = "nowhere"

    def fails(self, name: str) -> OSError | None:
        if name in self.calls:
            self.count += 1
            if self.count == self.nth:
                self.where = f"{name}, call {self.nth}"
                assert self.fault is not None
                return self.fault()
        return None

    def check(self, name: str) -> None:
        error = self.fails(name)
        if error is not None:
            raise error

    def install(self, patch: pytest.MonkeyPatch) -> None:
        system = self

        class Socket(socket.socket):
            def connect_ex(self, address: Any) -> int:
                error = system.fails("connect_ex")
                return super().connect_ex(address) if error is None else error.errno or 0

            def recv(self, size: int, flags: int = 0) -> bytes:
                system.check("recv")
                return super().recv(min(size, system.grain or size), flags)

            def recv_into(self, buffer: Any, *rest: Any) -> int:
                system.check("recv_into")
                return super().recv_into(buffer[: system.grain], *rest)

            def send(self, data: Any, flags: int = 0) -> int:
                system.check("send")
                return super().send(memoryview(data)[: system.grain], flags)

            def shutdown(self, how: int) -> None:
                system.check("shutdown")
                super().shutdown(how)

            def close(self) -> None:
                # The descriptor is gone whatever close() says (close(2)).
                open_before = self.fileno() >= 0
                super().close()
                if open_before:
                    system.check("close")

        class Names:
            socket = Socket

            def __getattr__(self, name: str) -> Any:
                return getattr(socket, name)

        class Side:
            """One side of TLS."""

            def __init__(self, real: ssl.SSLObject) -> None:
                self.real = real

            def __getattr__(self, name: str) -> Any:
                value = getattr(self.real, name)
                if name not in TLS_CALLS:
                    return value

                def call(*arguments: Any) -> Any:
                    system.check(name)
                    return value(*arguments)

                return call

        client_side = tls.client_side
        new_poll = transport.new_poll

        def wrapped(*arguments: Any) -> Any:
            real, incoming, outgoing = client_side(*arguments)
            return Side(real), incoming, outgoing

        class Poll:
            def __init__(self) -> None:
                self.real = new_poll()
                self.register = self.real.register

            def poll(self, *arguments: Any) -> Any:
                system.check("poll")
                return self.real.poll(*arguments)

        patch.setattr(dial, "socket", Names())
        patch.setattr(dial, "client_side", wrapped)
        patch.setattr(transport, "new_poll", Poll)


class Place:
    """Where the conversations are held: a server with TLS, one without, and a proxy."""

    def __init__(
        self, secure: RawServer, plain: RawServer, proxy: SmallProxy, context: ssl.SSLContext
    ) -> None:
        self.secure = secure
        self.plain = plain
        self.proxy = proxy
        self.context = context

    def connection(self, asking: Asking) -> Any:
        more: dict[str, Any] = {}
        if asking.tunnel:
            more["proxy_host"] = f"127.0.0.1:{self.proxy.port}"
        server = self.secure if asking.secure else self.plain
        return asking.connection(server.address, self.context, **more)


@pytest.fixture(scope="module")
def place(certificates: Certificates, ssl_context: ssl.SSLContext) -> Iterator[Place]:
    with ExitStack() as stack:
        secure = stack.enter_context(RawServer(speak, certificates.server_context(), at_once=True))
        plain = stack.enter_context(RawServer(speak, at_once=True))
        proxy = stack.enter_context(SmallProxy())
        yield Place(secure, plain, proxy, ssl_context)


def play(place: Place, asking: Asking, system: System) -> BaseException | None:
    """Ask, with one thing going wrong; then ask again, with nothing. Returns the error."""
    with pytest.MonkeyPatch.context() as patch:
        system.install(patch)
        connection = place.connection(asking)
        thread = Thread(asking.ask, connection)
        thread.join(30)
        assert not thread.is_alive(), f"hangs after {system.where}"
        system.nth = 0
        if thread.error is None:
            assert thread.result == asking.right, system.where
        else:
            assert isinstance(thread.error, (HyperError, OSError)), system.where
            waited = isinstance(thread.error, TimeoutError) and "within" in str(thread.error)
            assert not waited, f"stalls after {system.where}"
        assert asking.ask(connection) == asking.right, system.where
        connection.close()
    error, thread.error = thread.error, None
    return error


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def _names(asking: object) -> str | None:
    return asking.name if isinstance(asking, Asking) else None


@pytest.mark.parametrize("fault", [*NETWORK, *TLS])
@pytest.mark.parametrize("asking", CONVERSATIONS, ids=_names)
def test_whichever_call_fails_the_answer_is_right_or_an_error(
    place: Place, asking: Asking, fault: str
) -> None:
    if fault in TLS and not asking.secure:
        pytest.skip("there is no TLS in it")
    calls = NETWORK_CALLS if fault in NETWORK else TLS_CALLS
    if fault == "wants-to-read":
        # A handshake means it when it says so, and would rightly wait.
        calls -= {"do_handshake"}
    kinds = {**NETWORK, **TLS}
    play(place, asking, System())
    before = descriptors()
    unharmed = System(calls)
    assert play(place, asking, unharmed) is None
    errors = 0
    # Of the calls that this run made; the next may make one more or less.
    for nth in range(1, unharmed.count + 1):
        errors += play(place, asking, System(calls, nth, kinds[fault])) is not None
    assert errors > 0, "nothing ever went wrong"
    gc.collect()
    eventually(lambda: descriptors() <= before)


@pytest.mark.parametrize("grain", [1, 2, 7])
@pytest.mark.parametrize("asking", CONVERSATIONS, ids=_names)
def test_octets_may_come_and_go_one_by_one(place: Place, asking: Asking, grain: int) -> None:
    assert play(place, asking, System(grain=grain)) is None
