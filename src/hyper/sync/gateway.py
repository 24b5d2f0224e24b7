"""A socket that takes HTTP/1.1 and speaks HTTP/2: the bottom that http.client can stand on.

Whoever holds one writes requests into it and reads responses out of it as from any TLS socket;
each pair is one exchange on a pump, which ``gateway_exchange`` sees to. Here is what else one does
with a socket.
"""

from __future__ import annotations

import errno
import io
import socket
from collections import deque
from typing import Any, Final, cast
from weakref import ref

from ..common.exchange import Exchange
from .gateway_exchange import Gateway, has_octets
from .gateway_file import ResponseFile
from .gateway_request import Head
from .pool import has_gone, look
from .response import has_ended, has_head, has_word

__all__ = ["GatewaySocket"]

#: What is asked of the TLS side as it is; it says nothing about one exchange.
_TLS_SIDE: Final = frozenset(
    (
        "cipher",
        "compression",
        "context",
        "family",
        "get_channel_binding",
        "get_inheritable",
        "get_unverified_chain",
        "get_verified_chain",
        "getpeercert",
        "getpeername",
        "getsockname",
        "getsockopt",
        "proto",
        "selected_alpn_protocol",
        "selected_npn_protocol",
        "server_hostname",
        "server_side",
        "session",
        "session_reused",
        "set_inheritable",
        "setsockopt",
        "shared_ciphers",
        "type",
        "version",
    )
)


class GatewaySocket(Gateway):
    """One exchange after the other, written and read as HTTP/1.1.

    pump       the connection, on an ``SSLSocketTransport``; others may use it as well
    where      the server as errors name it
    authority  what ``:authority`` says of a request that names no host
    timeout    seconds for each wait, None for as long as it takes, 0 for none
    let_go     called once, when nobody holds this any more: closes the connection, or leaves it
               to the others who use it
    dropped    called instead by the garbage collector, so it must not wait, nor take a lock
    authorities
               where others who share the connection have gone, by name; every request is held
               against it
    demoted    called when the server wants HTTP/1.1 for what was asked (HTTP_1_1_REQUIRED)

    exchange   the one under way or just done; None before the first request

    Has the methods and attributes of an ``ssl.SSLSocket`` that users of one need. Belongs to one
    thread at a time; but ``shutdown`` may be called from any, and ends what the others wait for.
    As with a socket, what ``makefile`` gave out keeps it open after ``close()``.
    """

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<{type(self).__name__} {self.where} {state} {self.exchange!r}>"

    def __enter__(self) -> GatewaySocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._closed:
            self.close()

    def __getattr__(self, name: str) -> Any:
        if name in _TLS_SIDE:
            transport: Any = self.pump.transport
            return transport.side(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __del__(self) -> None:
        # Here any lock may be held, even by this very thread; the next one who comes cancels.
        if self.__dict__.get("_let_go") is None:
            return
        exchange = self.exchange
        if exchange is not None and not has_ended(exchange):
            self.pump.abandoned.append(exchange)
        if self._dropped is not None:
            self._dropped()

    # The request.

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Take octets of a request and send what they come to, waiting while windows are shut.

        Raises BrokenPipeError when the server has answered in full without waiting for the rest,
        and the answer is there to be read; ConnectionResetError when the connection or the stream
        is gone; TimeoutError; ValueError for what is no request, or none that HTTP/2 knows.
        """
        self._check(flags)
        view = memoryview(data)
        if not isinstance(data, bytes):
            data = view.cast("B") if view.c_contiguous else view.tobytes()
        if self._unwanted:
            if not self._begun:
                raise self._refused()
            self._unwanted = False  # its response has been read: this is another request
        try:
            for what in self._reader.feed(data):
                if isinstance(what, Head):
                    self._start(what)
                else:
                    self._send_body(what)
            if self._reader.line and not self._begun and self.exchange and self._reader.begun:
                # Octets beyond a content-length, which would be the next request's beginning.
                raise self._out_of_turn()
        except BaseException:
            self._reader.reset()
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        """``sendall``; a part of a request cannot be told from one that failed."""
        self.sendall(data, flags)
        return memoryview(data).nbytes

    write = send

    # The response.

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Octets of the response, ``buflen`` at most; b"" where nothing can follow any more.

        Waits for them, and raises RemoteDisconnected when the connection or the stream ended
        before the response began, ConnectionResetError when it ended within, TimeoutError.
        """
        self._check(flags)
        if buflen <= 0:
            # Who asks for nothing does not wait.
            if buflen < 0:
                raise ValueError("size should not be negative")
            return b""
        out = self._out
        if not out and not self._render():
            return b""
        piece = out[0]
        if len(piece) <= buflen:
            out.popleft()
            return bytes(piece)
        out[0] = piece[buflen:]
        return bytes(piece[:buflen])

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As ``recv``, into a writable buffer; how many octets it were."""
        self._check(flags)
        view = memoryview(buffer).cast("B")
        size = min(nbytes, len(view)) if nbytes and nbytes > 0 else len(view)
        out = self._out
        if not out and (not size or not self._render()):
            return 0
        at = 0
        while out and at < size:
            piece = out[0]
            taken = min(len(piece), size - at)
            if taken == len(piece):
                view[at : at + taken] = piece
                out.popleft()
            else:
                view[at:size] = piece[:taken]
                out[0] = piece[taken:]
            at += taken
        return at

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """``recv``, or ``recv_into`` where a buffer is given."""
        return self.recv(len) if buffer is None else self.recv_into(buffer, len)

    @property
    def resting(self) -> bool:
        """Whether everything that was asked for has been answered, and read."""
        return self._done and not self._out and self.exchange is not None

    @property
    def length(self) -> int | None:
        """Octets of the response's body that are still to come; None when chunks say it."""
        return self._left

    def pending(self) -> int:
        """Octets that can be read without asking the connection."""
        return sum(map(len, self._out))

    def makefile(
        self, mode: str = "r", buffering: int | None = None, **text: Any
    ) -> io.BufferedIOBase | io.RawIOBase | io.TextIOBase:
        """A file over this socket, as ``socket.socket.makefile`` makes them.

        One to be read from in buffered binary mode, which is what http.client takes, raises
        ``IncompleteRead`` where a response was cut short.
        """
        if mode == "rb" and (buffering is None or buffering < 0):
            self._io_refs += 1
            file = ResponseFile(self)
            self._file = ref(file)
            return file
        made: Any = socket.socket.makefile
        return cast(io.TextIOBase, made(self, mode, buffering, **text))

    def _part_from(self, former: Exchange) -> None:
        # To http.client that is "Req-sent-unread-response": the next request has been sent, and
        # who holds the file of the former response may go on reading it. It is a stream of its
        # own here, so it only needs a socket of its own.
        file = None if self._file is None else self._file()
        if file is None or file.closed:
            super()._part_from(former)
            return
        rest = GatewaySocket(
            self.pump,
            self.where,
            self._authority,
            timeout=self.timeout,
            let_go=self._decref_socketios,
            demoted=self._demoted,
        )
        rest.exchange, rest._head, rest._out = former, self._head, self._out
        rest._begun, rest._done, rest._left = self._begun, self._done, self._left
        rest._unfinished = self._unfinished
        rest._closed, rest._io_refs = True, 1
        self._out = deque()
        file.raw._sock = rest

    def _check(self, flags: int) -> None:
        if flags:
            raise ValueError("flags are not allowed on a socket that speaks HTTP/2")
        if self._let_go is None:
            raise OSError(errno.EBADF, f"{self.where}: this socket has been closed")

    # What else a socket does.

    def settimeout(self, value: float | None) -> None:
        """Seconds for each wait from now on; 0 for none, None for as long as it takes."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self.timeout = value

    def gettimeout(self) -> float | None:
        return self.timeout

    def setblocking(self, flag: bool) -> None:
        self.timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self.timeout != 0

    def do_handshake(self, block: bool = False) -> None:
        """Nothing: hands have been shaken."""

    def fileno(self) -> int:
        """A descriptor of this socket's own, for select() and poll(); -1 once closed.

        It is readable when a response, the word on ``Expect: 100-continue``, an error or the end
        of the connection is there, and never for anything else that HTTP/2 connections say. It
        is set by asking for it, and by reading: there is nobody in the background who would do
        so while a thread sits inside of select().
        """
        if self._let_go is None:
            return -1
        if self._signal is None:
            self._signal = socket.socketpair()
        here, there = self._signal
        readable = self._readable()
        if readable is not self._signalled:
            if readable:
                there.send(b"!")
            else:
                here.recv(1)
            self._signalled = readable
        return here.fileno()

    def _readable(self) -> bool:
        if self._out:
            return True
        exchange = self.exchange
        if exchange is None or self._done:
            return self.final or has_gone(self.pump)
        ready = has_octets if self._begun else has_word if self._wordless else has_head
        return look(self.pump, exchange, ready)

    def shutdown(self, how: int) -> None:
        """Give up what is under way: threads that wait here get an error, the server is told.

        Writing alone cannot be shut down; that does nothing, as the end of a request is part of
        it.
        """
        if how == socket.SHUT_WR:
            return
        # First said, then looked: whoever is just starting a request looks after it is there.
        self._shut = self.final = True
        exchange = self.exchange
        if exchange is not None and not has_ended(exchange) and self._let_go is not None:
            self.pump.cancel(exchange)

    def unwrap(self) -> socket.socket:
        raise ValueError("TLS cannot be taken off a connection that speaks HTTP/2")

    def close(self) -> None:
        """Let go of the connection, once the files from ``makefile`` are closed as well."""
        self._closed = True
        if self._io_refs <= 0:
            self._really_close()

    def _decref_socketios(self) -> None:
        # Called by socket.SocketIO when it is closed.
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed and self._io_refs == 0:
            self._really_close()

    def _really_close(self) -> None:
        let_go, self._let_go = self._let_go, None
        if let_go is None:
            return
        exchange = self.exchange
        locked_out = self.pump.locked_out()
        if exchange is not None and (
            self._unfinished
            or (not has_ended(exchange) if locked_out else not look(self.pump, exchange, has_ended))
        ):
            self.pump.cancel(exchange)
        self._out.clear()
        if self._signal is not None:
            for sock in self._signal:
                sock.close()
        if locked_out and self._dropped is not None:
            self._dropped()
        else:
            let_go()
