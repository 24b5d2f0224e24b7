"""Every call of a conversation fails once: an error at the right place, or the right octets.

The conversation is a request of 300 kB and its echo, over a wire that takes a few kilobytes at a
time. Whichever call fails, and however: what arrived is the beginning of what was sent, on both
sides; nothing hangs; and no descriptor is left.
"""

from __future__ import annotations

import errno
import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from hyper.sync.transport import Transport

from ..certificates import Certificates
from ..unit.sync.wires import Peer, descriptors, narrow_pair, plain_wire, tls_wire

BODY = os.urandom(300_000)

FAULTS: dict[str, Callable[[], BaseException | None]] = {
    "reset": lambda: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "broken pipe": lambda: BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "network down": lambda: OSError(errno.ENETDOWN, "Network is down"),
    "interrupted": lambda: InterruptedError(errno.EINTR, "Interrupted system call"),
    "not ready after all": lambda: BlockingIOError(errno.EAGAIN, "Try again"),
    "no memory": MemoryError,
    "Ctrl-C": KeyboardInterrupt,
    "short": lambda: None,
}
#: After these nothing is lost, so the conversation has to come to its end.
HARMLESS = {"not ready after all", "short"}


class Faulty:
    """Around a socket or a side of TLS: counts the calls that matter, and spoils the n-th one."""

    def __init__(self, real: Any, plan: Plan) -> None:
        self._real = real
        self._plan = plan

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        return value if name not in self._plan.calls else self._plan.around(name, value)


class Plan:
    def __init__(self, calls: set[str], nth: int, fault: str) -> None:
        self.calls = calls
        self.nth = self.left = nth
        self.fault = fault
        self.struck = False

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(data: Any, *rest: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.struck = True
                error = FAULTS[self.fault]()
                if error is not None:
                    raise error
                # As if only a little had come, or gone.
                data = data[:7] if name in {"send", "recv_into"} else 7
            return real(data, *rest)

        return call


class Echo(threading.Thread):
    """The peer: takes the whole request, then sends it back."""

    def __init__(self, peer: Peer) -> None:
        super().__init__()
        self.peer = peer
        self.got = b""
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            self.got = self.peer.receive(len(BODY))
            if len(self.got) == len(BODY):
                self.peer.send(self.got)
        self.peer.close()


def converse(transport: Transport) -> bytes:
    """Send the request, read the echo; what had arrived when something failed."""
    answer = b""
    deadline = time.monotonic() + 10
    with suppress(OSError, MemoryError, KeyboardInterrupt):
        transport.write(BODY)
        while transport.unsent:
            assert transport.wait_writable(deadline, or_readable=False)
            transport.flush()
        while len(answer) < len(BODY):
            assert transport.wait_readable(deadline)
            data = transport.read()
            if data == b"":
                break
            answer += data or b""
    return answer


def conversation(make: Callable[[Plan], tuple[Transport, Peer]], plan: Plan) -> None:
    before = descriptors()
    transport, peer = make(plan)
    echo = Echo(peer)
    answer = converse(transport)
    transport.close()
    echo.join(10)
    assert not echo.is_alive()
    assert BODY.startswith(answer), "what arrived is not what was sent"
    assert BODY.startswith(echo.got)
    assert plan.struck or plan.nth > 1, "the fault never happened"
    if not plan.struck or plan.fault in HARMLESS:
        assert len(answer) == len(BODY)
    else:
        assert len(answer) < len(BODY)
    gc.collect()
    assert descriptors() <= before


def plain(plan: Plan) -> tuple[Transport, Peer]:
    ours, theirs = narrow_pair()
    return Transport(Faulty(ours, plan)), Peer(theirs)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("calls", ["send", "recv"])
def test_whichever_call_of_a_plain_socket_fails(calls: str, fault: str) -> None:
    for nth in (1, 2, 3, 5, 8, 13, 21, 34):
        conversation(plain, Plan({calls}, nth, fault))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("calls", ["send", "recv_into"])
def test_whichever_call_of_a_socket_under_tls_fails(
    certificates: Certificates, calls: str, fault: str
) -> None:
    client, server = certificates.client_context(), certificates.server_context()

    def secure(plan: Plan) -> tuple[Transport, Peer]:
        return tls_wire(
            client,
            server,
            narrow=True,
            proxy=lambda real: Faulty(real, plan) if isinstance(real, socket.socket) else real,
        )

    for nth in (1, 2, 3, 5, 8, 13, 21, 34):
        conversation(secure, Plan({calls}, nth, fault))


@pytest.mark.parametrize("fault", ["no memory", "Ctrl-C"])
@pytest.mark.parametrize("calls", ["write", "read"])
def test_whichever_call_into_openssl_fails(
    certificates: Certificates, calls: str, fault: str
) -> None:
    client, server = certificates.client_context(), certificates.server_context()

    def secure(plan: Plan) -> tuple[Transport, Peer]:
        return tls_wire(
            client,
            server,
            narrow=True,
            proxy=lambda real: Faulty(real, plan) if isinstance(real, ssl.SSLObject) else real,
        )

    for nth in (1, 2, 3, 5, 8):
        conversation(secure, Plan({calls}, nth, fault))


@pytest.mark.parametrize("secure", [False, True])
def test_an_end_of_file_after_every_octet(certificates: Certificates, secure: bool) -> None:
    """Never an octet that was not sent; over TLS never half a record, and always noted."""
    for size in range(60):
        transport: Transport
        if secure:
            transport, peer = tls_wire(certificates.client_context(), certificates.server_context())
        else:
            transport, peer = plain_wire()
        wire = peer.seal(b"HEADERS") + peer.seal(b"DATA")
        peer.sock.sendall(wire[:size])
        peer.close()
        got = b""
        while transport.wait_readable(time.monotonic() + 5):
            data = transport.read()
            if data == b"":
                break
            got += data or b""
        transport.close()
        if secure:
            assert got in {b"", b"HEADERS", b"HEADERSDATA"}
            assert transport.truncated
        else:
            assert got == b"HEADERSDATA"[:size]
            assert not transport.truncated
