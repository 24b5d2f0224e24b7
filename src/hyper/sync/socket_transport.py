"""TLS on a socket that somebody else's context has wrapped.

The gateway stands under programs that bring a context and get an ``ssl.SSLSocket`` from it when
the server chooses http/1.1, and that is decided only by the handshake. So the handshake is the
SSLSocket's, and where the server chooses h2 its socket is used as it is.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from .transport import RECORD_SIZE, Transport

__all__ = ["SSLSocketTransport"]

_NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SSLSocketTransport(Transport):
    """A connected ``ssl.SSLSocket`` that has shaken hands; see ``Transport``.

    Every call into it is guarded by the owner's lock, as ever, and none of them waits.
    """

    __slots__ = ("_pending", "_socket")

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self.alpn = sock.selected_alpn_protocol()
        self._socket = sock
        self._pending = sock.pending
        # What came with the end of the handshake lies inside of OpenSSL, where poll() does not
        # see it.
        self.more = True

    def read(self) -> bytes | None:
        if self._ended:
            return b""
        try:
            data = self._recv(RECORD_SIZE)
        except _NOT_NOW:
            self.more = False
            return None
        if not data:
            self._ended = True
            self.more = False
            return data
        # A full record is rarely the last one; asking once too often costs a microsecond.
        self.more = len(data) == RECORD_SIZE or self._pending() > 0
        return data

    def write(self, data: bytes) -> None:
        self._backlog.append(memoryview(data))
        self.unsent += len(data)
        self.flush()

    def seal(self, data: bytes) -> None:
        """Nothing: here OpenSSL sends by itself what it has sealed, so it is done by ``write``."""

    def flush(self) -> bool:
        backlog = self._backlog
        while backlog:
            piece = backlog[0]
            try:
                sent = self._send(piece)
            except _NOT_NOW:
                return False
            self.unsent -= sent
            # OpenSSL writes one record at a time, so a part does not mean that it is full.
            if sent == len(piece):
                backlog.popleft()
            else:
                backlog[0] = piece[sent:]
        return True

    def _end_writing(self) -> None:
        # unwrap() would also like to see the peer's close_notify, and says so.
        with suppress(OSError, ValueError):
            self._socket.unwrap()
        super()._end_writing()
