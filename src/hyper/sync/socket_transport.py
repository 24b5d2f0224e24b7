"""TLS on a socket that somebody else's context has wrapped.

The gateway stands under programs that bring a context and get an ``ssl.SSLSocket`` from it when
the server chooses http/1.1, and that is decided only by the handshake. So the handshake is the
SSLSocket's, and where the server chooses h2 its socket is used as it is.
"""

from __future__ import annotations

import ssl
from _thread import allocate_lock
from contextlib import suppress
from typing import Any, cast

from .transport import RECORD_SIZE, Transport

__all__ = ["SSLSocketTransport"]

_NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Wire:
    """The socket below the TLS of an SSLSocket, for what is not to be encrypted or decrypted.

    ``SSLSocket.shutdown`` takes the TLS off before it shuts down, and another thread would send
    in clear what was meant to be encrypted.
    """

    def __init__(self, sock: ssl.SSLSocket) -> None:
        bare: Any = super(ssl.SSLSocket, sock)
        self.recv = bare.recv
        self.shutdown = bare.shutdown
        self.fileno = sock.fileno
        self.close = sock.close


class SSLSocketTransport(Transport):
    """A connected ``ssl.SSLSocket`` that has shaken hands; see ``Transport``.

    None of its calls waits, and OpenSSL is entered by one thread at a time.
    """

    __slots__ = ("_crypto", "_pending", "_socket")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self.alpn = sock.selected_alpn_protocol()
        self._socket = sock
        self._sock = cast(Any, _Wire(sock))
        self._crypto = allocate_lock()
        self._pending = sock.pending
        # What came with the end of the handshake lies inside of OpenSSL, where poll() does not
        # see it.
        self.more = True

    def side(self, name: str) -> Any:
        """An attribute of the SSLSocket; a method of it will run while nobody else is inside."""
        with self._crypto:
            value = getattr(self._socket, name)
        if not callable(value):
            return value

        def asked(*args: Any, **kwargs: Any) -> Any:
            with self._crypto:
                return value(*args, **kwargs)

        return asked

    def read(self) -> bytes | None:
        if self._ended:
            return b""
        try:
            self._reading = True
            with self._crypto:
                data = self._recv(RECORD_SIZE)
                # A full record is rarely the last one; asking once too often costs a microsecond.
                self.more = len(data) == RECORD_SIZE or (data != b"" and self._pending() > 0)
        except _NOT_NOW:
            self.more = False
            return None
        finally:
            self._reading = False
            if self.closed:
                self._let_go()
        if not data:
            self._ended = True
        return data

    def write(self, data: bytes) -> None:
        self._backlog.append(memoryview(data))
        self.unsent += len(data)
        self.flush()

    def flush(self) -> bool:
        backlog = self._backlog
        try:
            self._writing = True
            while backlog:
                piece = backlog[0]
                with self._crypto:
                    sent = self._send(piece)
                self.unsent -= sent
                # OpenSSL writes one record at a time, so a part does not mean that it is full.
                if sent == len(piece):
                    backlog.popleft()
                else:
                    backlog[0] = piece[sent:]
        except _NOT_NOW:
            return False
        finally:
            self._writing = False
            if self.closed:
                self._let_go()
        return True

    def _inherit(self) -> None:
        super()._inherit()
        # ``side`` may still be asked, and whoever was inside is not here.
        self._crypto = allocate_lock()

    def _end_writing(self) -> None:
        # unwrap() would also like to see the peer's close_notify, and says so.
        with self._crypto, suppress(OSError, ValueError):
            self._socket.unwrap()
        super()._end_writing()
