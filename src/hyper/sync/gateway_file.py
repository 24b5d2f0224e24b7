"""The file that http.client reads a response from: it never ends before the response does.

A plain socket's file ends where the connection does, and ``HTTPResponse.read(amt)`` then takes a
body that was cut short for a whole one. Here the end that is none raises ``IncompleteRead``, after
everything that had arrived has been read.
"""

from __future__ import annotations

import io
import socket
from http.client import IncompleteRead, RemoteDisconnected
from typing import Any, cast

__all__ = ["ResponseFile", "marked"]

_read = io.BufferedReader.read
_read1 = io.BufferedReader.read1
_readline = io.BufferedReader.readline
_readinto = io.BufferedReader.readinto


def marked(raised: BaseException, error: BaseException) -> BaseException:
    """``raised``, said to be because of ``error``, and retryable if that is (RFC 9113 §8.7)."""
    raised.__cause__ = error
    cast(Any, raised).retryable = getattr(error, "retryable", False)
    return raised


class _ResponseIO(socket.SocketIO):
    """What stands between a socket and the buffer.

    cut      why the response ended before its end
    missing  octets of the body that were to come, where its length is known
    """

    cut: ConnectionResetError | None = None
    missing: int | None = None
    _sock: Any

    def readinto(self, buffer: Any) -> int | None:
        if self._sock is not None and self._sock.resting:
            # The end of the response is the end of its file. A socket would wait for something
            # that nobody has asked for.
            return 0
        try:
            return super().readinto(buffer)
        except RemoteDisconnected:
            raise
        except ConnectionResetError as error:
            # Raised from here it would cost what the buffer has collected until now.
            self.cut = error
            self.missing = getattr(error, "missing", None)
            return 0


class ResponseFile(io.BufferedReader):
    """What ``makefile("rb")`` gives.

    The socket below has ``resting``, True while there is nothing to wait for, and raises
    ConnectionResetError, with the octets ``missing`` if that is known, where a response is cut.
    """

    raw: _ResponseIO

    def __init__(self, sock: Any) -> None:
        super().__init__(_ResponseIO(sock, "r"))

    def read(self, size: int | None = -1) -> bytes:
        return _read(self, size) or self._end(size, b"")

    def read1(self, size: int = -1) -> bytes:
        return _read1(self, size) or self._end(size, b"")

    def readline(self, size: int | None = -1) -> bytes:
        return _readline(self, size) or self._end(size, b"")

    def readinto(self, buffer: Any) -> int:
        return _readinto(self, buffer) or self._end(memoryview(buffer).nbytes, 0)

    def _end(self, size: int | None, nothing: Any) -> Any:
        """Nothing came: the end, unless the response was cut short."""
        cut = self.raw.cut
        if cut is None or size == 0:
            return nothing
        raise marked(IncompleteRead(b"", self.raw.missing), cut)
