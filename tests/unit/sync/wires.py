"""A transport and the other end of its wire, both in the hands of one test."""

from __future__ import annotations

import os
import socket
import ssl
import struct
from contextlib import suppress
from typing import Any

from hyper.sync.transport import TLSTransport, Transport
from hyper.tls import client_side

__all__ = ["Peer", "descriptors", "narrow_pair", "plain_wire", "tcp_pair", "tls_wire"]


def descriptors() -> set[str]:
    """The descriptors that this process has open; always the same where that cannot be seen."""
    return set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    return ours, theirs


def narrow_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that take a few kilobytes, and no more until those are read.

    A TCP socket takes some more whenever an acknowledgement comes, 40 ms later or so.
    """
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    return ours, theirs


class Peer:
    """The server's end: clear octets by ``send`` and ``receive``, the wire itself by ``sock``."""

    def __init__(
        self,
        sock: socket.socket,
        tls: ssl.SSLObject | None = None,
        incoming: ssl.MemoryBIO | None = None,
        outgoing: ssl.MemoryBIO | None = None,
    ) -> None:
        sock.settimeout(5)
        self.sock = sock
        self._tls = tls
        self._incoming = incoming or ssl.MemoryBIO()
        self._outgoing = outgoing or ssl.MemoryBIO()

    def seal(self, *records: bytes) -> bytes:
        """What ``records`` look like on the wire, each as a TLS record if there is TLS."""
        if self._tls is None:
            return b"".join(records)
        for record in records:
            self._tls.write(record)
        return self._outgoing.read()

    def send(self, *records: bytes) -> None:
        self.sock.sendall(self.seal(*records))

    def receive(self, size: int) -> bytes:
        """Exactly ``size`` octets, or fewer at the end of file."""
        data = bytearray()
        while len(data) < size:
            piece = self._receive(size - len(data))
            if not piece:
                break
            data += piece
        return bytes(data)

    def _receive(self, size: int) -> bytes:
        if self._tls is None:
            return self.sock.recv(size)
        while True:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                data = self.sock.recv(65536)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLZeroReturnError:
                return b""

    def say_goodbye(self) -> None:
        """A close_notify, but no end of file yet."""
        assert self._tls is not None
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            self.sock.sendall(self._outgoing.read())

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """A TCP RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def plain_wire(*, narrow: bool = False) -> tuple[Transport, Peer]:
    ours, theirs = narrow_pair() if narrow else tcp_pair()
    return Transport(ours), Peer(theirs)


def tls_wire(
    client: ssl.SSLContext, server: ssl.SSLContext, *, narrow: bool = False, proxy: Any = None
) -> tuple[TLSTransport, Peer]:
    """Shake hands in memory, so that what a test sees on the wire is only what came after.

    ``proxy``, if given, is put around our socket and our side of TLS.
    """
    ours, theirs = narrow_pair() if narrow else tcp_pair()
    mine, my_incoming, my_outgoing = client_side(client, "localhost")
    peer_incoming, peer_outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    peer = server.wrap_bio(peer_incoming, peer_outgoing, server_side=True)
    for _ in range(3):
        peer_incoming.write(my_outgoing.read())
        step(peer)
        my_incoming.write(peer_outgoing.read())
        step(mine)
    around: Any = proxy or (lambda real: real)
    wire = TLSTransport(around(ours), around(mine), my_incoming, my_outgoing)
    return wire, Peer(theirs, peer, peer_incoming, peer_outgoing)


def step(side: ssl.SSLObject) -> None:
    with suppress(ssl.SSLWantReadError):
        side.do_handshake()
