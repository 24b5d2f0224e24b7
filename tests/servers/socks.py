"""A small SOCKS5 server on threads (RFC 1928), with user name and password if wanted (RFC 1929)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from .proxy import PATIENCE, SmallProxy

__all__ = ["NAME_BOUND", "NOT_CONNECTED", "SIX_BOUND", "SmallSocks"]

#: What a server may be bound to, as its reply says it: 0.0.0.0, [::1] and "here", each port 0.
NOT_CONNECTED = b"\1\0\0\0\0\0\0"
SIX_BOUND = b"\4" + b"\0" * 15 + b"\1\0\0"
NAME_BOUND = b"\3\4here\0\0"


class SmallSocks(SmallProxy):
    """Connects to wherever it is asked to, or misbehaves as it is told; a context manager.

    heard         what it was asked for: the kind of address, the address and the port
    credentials   ``user:password`` that it wants, or None
    redirections  host -> the host it connects to instead
    reply         what it answers instead of connecting, a number of RFC 1928 §6
    bound         the address in its reply
    octets        how many octets of its answers it says before it is silent, or leaves
    silent        which of the two
    slowly        each octet by itself
    """

    def __init__(
        self,
        credentials: str | None = None,
        redirections: dict[str, str] | None = None,
        *,
        reply: int = 0,
        bound: bytes = NOT_CONNECTED,
        octets: int | None = None,
        silent: bool = False,
        slowly: bool = False,
    ) -> None:
        super().__init__(credentials, redirections)
        self.reply = reply
        self.bound = bound
        self.octets = octets
        self.silent = silent
        self.slowly = slowly

    def _play(self, client: socket.socket) -> None:
        client.settimeout(PATIENCE)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = self.octets

        def hear(size: int) -> bytes:
            data = b""
            while len(data) < size:
                more = client.recv(size - len(data))
                if not more:
                    raise EOFError
                data += more
            return data

        def say(data: bytes) -> None:
            nonlocal left
            if left is not None and len(data) > left:
                client.sendall(data[:left])
                while self.silent and client.recv(1):
                    pass
                raise EOFError
            if left is not None:
                left -= len(data)
            for piece in [data[at : at + 1] for at in range(len(data))] if self.slowly else [data]:
                client.sendall(piece)

        with contextlib.suppress(OSError, EOFError), client:
            if self._welcome(hear, say):
                self._connect(client, hear, say)
        self._open.discard(client)

    def _welcome(self, hear: Callable[[int], bytes], say: Callable[[bytes], None]) -> bool:
        version, size = hear(2)
        assert version == 5
        method = 0 if self.credentials is None else 2
        if method not in hear(size):
            say(b"\5\xff")
            return False
        say(bytes([5, method]))
        if self.credentials is None:
            return True
        version, size = hear(2)
        assert version == 1
        user = hear(size)
        password = hear(hear(1)[0])
        right = b"%s:%s" % (user, password) == self.credentials.encode()
        say(b"\1\0" if right else b"\1\1")
        return right

    def _connect(
        self, client: socket.socket, hear: Callable[[int], bytes], say: Callable[[bytes], None]
    ) -> None:
        assert hear(3) == b"\5\1\0"
        kind = hear(1)[0]
        if kind == 3:
            host = hear(hear(1)[0]).decode("ascii")
        else:
            family, size = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
            host = socket.inet_ntop(family, hear(size))
        port = int.from_bytes(hear(2), "big")
        self.heard.append(f"{ {1: 'IPv4', 3: 'name', 4: 'IPv6'}[kind] } {host} {port}")
        if self.reply:
            say(bytes([5, self.reply, 0]) + self.bound)
            return
        with socket.create_connection((self.redirections.get(host, host), port)) as server:
            self._open.add(server)
            say(b"\5\0\0" + self.bound)
            back = self._start(self._pass_on, server, client)
            self._pass_on(client, server)
            back.join(PATIENCE)
            self._open.discard(server)
