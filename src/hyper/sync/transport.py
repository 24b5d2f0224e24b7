"""One connected socket, with or without TLS; never blocks except where it says so.

The room next to the world: octets go out by ``write`` and come in by ``read``, and the two
``wait_`` methods are the only places where a thread may sit. It knows nothing of HTTP.

TLS is sans-IO as well: an ``SSLObject`` between two memory buffers, with the socket outside. So
no thread is ever inside OpenSSL while another one enters it (CPython #137583, #151508), and one
``recv`` of 256 KiB feeds many records where an ``SSLSocket`` asks the kernel twice for each.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

from ..tls import tls_error

__all__ = ["TLSTransport", "Transport"]

#: Plaintext octets in one TLS record at most (RFC 8446 §5.1). Asking for exactly this many
#: leaves nothing inside OpenSSL, so that the memory buffer alone says whether there is more.
RECORD_SIZE: Final = 16384

#: Octets asked of a socket without TLS. A bytes object above 64 KiB comes from mmap, which
#: costs 12 to 15 µs each time.
PLAIN_READ_SIZE: Final = 65536

#: The same with TLS, into a buffer that stays: sixteen full records. 1 MiB was no better.
SEALED_READ_SIZE: Final = 262144

#: Plaintext octets that are encrypted for one ``send``, and so about the most ciphertext that
#: waits when the peer does not read. Small batches cost calls (16 KiB: 1.7 times the CPU).
BATCH_SIZE: Final = 262144

#: Octets that ``linger`` throws away before it closes all the same.
LINGER_SIZE: Final = 1 << 20

#: Milliseconds of one wait at most. Longer ones end with a True that means no more than "look
#: again": a thread inside poll() cannot be told that another one has given up what it waits for.
LONGEST_WAIT: Final = 1000

# glibc gives the top of its heap back to the system whenever 128 KiB of it are free, and takes
# blocks of that size from mmap, until one of those has been freed: then it keeps twice as much. To
# free one of 2 MiB that nobody touched costs microseconds, once, and spares a download its page
# faults (1,500 in 64 MiB, 9 % of its processor time). Elsewhere it does nothing.
bytes(1 << 21)

# A process that resets SIGPIPE to its default, as command line tools do, must not die of a
# peer that went away.
_QUIET: Final[int] = getattr(socket, "MSG_NOSIGNAL", 0)

_POLLIN: Final[int] = getattr(select, "POLLIN", 1)
_POLLOUT: Final[int] = getattr(select, "POLLOUT", 4)


class SelectPoll:
    """What we need of ``select.poll``, for one socket, where the system has none (Windows)."""

    __slots__ = ("_events", "_sock")

    def register(self, sock: socket.socket, events: int) -> None:
        self._sock = sock
        self._events = events

    def poll(self, milliseconds: float | None = None) -> list[tuple[int, int]]:
        sock = [self._sock]
        readers = sock if self._events & _POLLIN else []
        writers = sock if self._events & _POLLOUT else []
        seconds = None if milliseconds is None else milliseconds / 1000
        found = select.select(readers, writers, sock, seconds)
        return [(0, 0)] if any(found) else []


new_poll: Callable[[], Any] = getattr(select, "poll", SelectPoll)


def _refuse(data: object, flags: int = 0) -> int:
    raise ConnectionAbortedError(errno.ECONNABORTED, "this connection has been closed")


class Transport:
    """One connected socket, made non-blocking, that belongs to this object from now on.

    One thread may read while another one writes; its owner sees to it that there are never two
    in ``read``, nor two among ``write``, ``flush`` and ``finish``. ``close`` may come at any time.
    An exception from ``read``, ``write`` or ``flush``, an interrupt included, leaves the
    connection good for nothing but ``close``: octets may be lost.

    alpn       what ALPN chose (RFC 7301); None without TLS or without an answer
    more       True while ``read`` can go on without asking the socket
    unsent     octets that ``write`` took and the socket did not
    truncated  the peer went away without a close_notify (RFC 8446 §6.1), so the end of file
               that ``read`` reported may be an attacker's
    closed     ``close`` was called, or this is the child of a fork
    """

    __slots__ = (
        "__weakref__",
        "_backlog",
        "_ended",
        "_leading",
        "_poll",
        "_reading",
        "_recv",
        "_send",
        "_sock",
        "_waiting",
        "_writing",
        "alpn",
        "closed",
        "more",
        "truncated",
        "unsent",
    )

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.alpn: str | None = None
        self.more = False
        self.unsent = 0
        self.truncated = False
        self.closed = False

        self._sock = sock
        self._recv = sock.recv
        self._send: Callable[..., int] = sock.send
        self._backlog: deque[memoryview] = deque()  # octets for the wire, in order
        self._ended = False  # read() has nothing more to say

        # Two threads must never poll() on one object, so this one is the leader's.
        poll = new_poll()
        poll.register(sock, _POLLIN)
        self._poll = poll.poll

        # Who is inside a call into the system: the leader's poll, the reader's recv, the writer's
        # send, and a token for each other thread. While anybody is, the descriptor stays open,
        # though shut down: the system would give its number to somebody else's socket, and the
        # call would go on there. Changed without a lock; each change is atomic.
        self._leading = self._reading = self._writing = False
        self._waiting: set[object] = set()

        _alive.add(self)

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"fd={self._sock.fileno()} unsent={self.unsent}"
        return f"<{type(self).__name__} alpn={self.alpn} {state}>"

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS side, for ``version()``, ``cipher()``, ``getpeercert()``; None without TLS."""
        return None

    def fileno(self) -> int:
        """The descriptor, or -1 once closed. For looking at; reading from it is ours."""
        return self._sock.fileno()

    # Never waiting.

    def read(self) -> bytes | None:
        """Take what is there, 256 KiB at most: None if nothing is, b"" at the end of file.

        Asks the socket once at most. Raises OSError, and ssl.SSLError with TLS.
        """
        if self._ended:
            return b""
        try:
            self._reading = True
            data = self._recv(PLAIN_READ_SIZE)
        except BlockingIOError:
            return None
        finally:
            self._reading = False
            if self.closed:
                self._let_go()
        if not data:
            self._ended = True
        return data

    def write(self, data: bytes) -> None:
        """Send ``data``, and keep in ``unsent`` what the socket does not take.

        What is kept is a reference, encrypted as far as 256 KiB; so there is a bound as long as
        the caller waits for ``unsent`` to empty before it writes more. Raises OSError.
        """
        if self.unsent:
            self._backlog.append(memoryview(data))
            self.unsent += len(data)
            self.flush()
            return
        try:
            self._writing = True
            sent = self._send(data, _QUIET)
        except BlockingIOError:
            sent = 0
        finally:
            self._writing = False
            if self.closed:
                self._let_go()
        if sent != len(data):
            self._backlog.append(memoryview(data)[sent:])
            self.unsent = len(data) - sent

    def flush(self) -> bool:
        """Try once more to send what is unsent; return True when nothing is left of it."""
        return self._flush()

    def _flush(self) -> bool:
        backlog = self._backlog
        try:
            self._writing = True
            while backlog:
                piece = backlog[0]
                sent = self._send(piece, _QUIET)
                self.unsent -= sent
                if sent != len(piece):
                    backlog[0] = piece[sent:]
                    return False
                backlog.popleft()
        except BlockingIOError:
            return False
        finally:
            self._writing = False
            if self.closed:
                self._let_go()
        return True

    def finish(self) -> None:
        """Say goodbye: send what is unsent, then the end of file; ``read`` now answers b"".

        Never raises. To be followed by ``linger``, without the lock, which waits for the peer.
        """
        self._ended = True
        self.more = False
        with suppress(OSError):
            if self.flush():
                self._end_writing()

    def close(self) -> None:
        """Let go of the socket at once; whoever waits here is woken. Can be called again.

        Octets that have arrived and were not read turn into a reset, which destroys what we
        sent last: after a GOAWAY, ``finish`` and ``linger`` instead.
        """
        if self.closed:
            return
        self.closed = self._ended = True
        self.more = False
        self._send = _refuse
        with suppress(OSError):  # the peer may have gone before us
            self._sock.shutdown(socket.SHUT_RDWR)
        self._let_go()

    def detach(self) -> socket.socket:
        """Give the socket away, for TLS through a proxy's tunnel; this object is closed then.

        Only for a transport without TLS that nobody waits in.
        """
        # The object itself: an interrupt would lose a bare descriptor for good. And a token that
        # stays, so that nobody here closes it.
        self._waiting.add("the next owner")
        self.closed = self._ended = True
        self._send = _refuse
        return self._sock

    # For anybody, and waiting.

    def wait_readable(self, deadline: float | None) -> bool:
        """Wait until ``read`` may bring something; False once the deadline has passed.

        ``deadline`` is an instant of ``time.monotonic``, or None where there is none. True
        promises nothing, and comes after a second at most: ``read`` may still answer None. One
        thread at a time.
        """
        if self.more:
            return True
        try:
            # First the mark, then the look at `closed`; close() does it the other way round.
            # So one of the two sees the other.
            self._leading = True
            if self.closed:
                return True
            if deadline is None:
                self._poll(LONGEST_WAIT)
                return True
            left = (deadline - monotonic()) * 1000
            wait = (left if left < LONGEST_WAIT else LONGEST_WAIT) if left > 0 else 0
            return bool(self._poll(wait)) or monotonic() < deadline
        finally:
            self._leading = False
            if self.closed:
                self._let_go()

    def wait_writable(self, deadline: float | None, *, or_readable: bool) -> bool:
        """Wait until ``flush`` may get on; False once the deadline has passed.

        ``or_readable`` is for a writer while nobody reads: two peers that both write and do
        not read would wait for each other for ever. Several threads may be in here.
        """
        if or_readable and self.more:
            return True
        token = object()
        try:
            self._waiting.add(token)
            if self.closed:
                return True
            poll = new_poll()
            poll.register(self._sock, _POLLOUT | _POLLIN if or_readable else _POLLOUT)
            if deadline is None:
                poll.poll(LONGEST_WAIT)
                return True
            left = min(max((deadline - monotonic()) * 1000, 0.0), LONGEST_WAIT)
            return bool(poll.poll(left)) or monotonic() < deadline
        finally:
            self._waiting.discard(token)
            if self.closed:
                self._let_go()

    def linger(self, seconds: float = 0.1) -> None:
        """After ``finish``: wait shortly for the peer's end of file, dropping octets, then close.

        A socket closed with unread octets in it sends a reset, and a reset makes the peer drop
        what it has not read yet, our GOAWAY for one. Bounded by ``seconds`` and by 1 MiB.
        Never raises for what the network does.
        """
        deadline = monotonic() + seconds
        room = LINGER_SIZE
        token = object()
        try:
            self._waiting.add(token)
            with suppress(OSError):
                while room > 0 and not self.closed:
                    poll = new_poll()
                    poll.register(self._sock, _POLLIN | _POLLOUT if self.unsent else _POLLIN)
                    if not poll.poll(max(deadline - monotonic(), 0.0) * 1000):
                        break
                    if self.unsent and self.flush():
                        self._end_writing()
                    with suppress(BlockingIOError):
                        data = self._sock.recv(PLAIN_READ_SIZE)
                        if not data:
                            break
                        room -= len(data)
        finally:
            self._waiting.discard(token)
            self.close()
            self._let_go()  # for a close() that came while we were in here

    def _end_writing(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)
        self._send = _refuse

    def _let_go(self) -> None:
        if not (self._leading or self._reading or self._writing or self._waiting):
            self._sock.close()

    def _inherit(self) -> None:
        # In the child of a fork the connection is the parent's: no shutdown, no close_notify.
        self.closed = self._ended = True
        self.more = False
        self._send = _refuse
        self._sock.close()


class TLSTransport(Transport):
    """The same over TLS: ``tls`` has shaken hands, between ``incoming`` and ``outgoing``.

    What ``incoming`` still holds from the handshake is read first.
    """

    __slots__ = (
        "_buffer",
        "_crypto",
        "_incoming",
        "_late",
        "_open",
        "_outgoing",
        "_plain",
        "_recv_into",
        "_seal",
        "_tls",
    )

    def __init__(
        self,
        sock: socket.socket,
        tls: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
    ) -> None:
        super().__init__(sock)
        self.alpn = tls.selected_alpn_protocol()
        self.more = incoming.pending > 0
        self._tls = tls
        # Who reads decrypts, and may have to answer; who writes encrypts: never both at once.
        # Held for a record or for a batch of them, and never while waiting.
        self._crypto = allocate_lock()
        # What SSLObject passes its calls on to; without that frame a record costs 2 % less.
        raw = getattr(tls, "_sslobj", tls) if type(tls) is ssl.SSLObject else tls
        self._open: Callable[[int], bytes] = raw.read
        self._seal: Callable[[bytes | memoryview], int] = raw.write
        self._incoming = incoming
        self._outgoing = outgoing
        self._recv_into = sock.recv_into
        # Untouched pages cost nothing: a connection that only sees small answers never pays
        # for all of it.
        self._buffer = memoryview(bytearray(SEALED_READ_SIZE))
        self._plain: deque[memoryview] = deque()  # octets to be encrypted, after _backlog
        self._late: ssl.SSLError | None = None  # what the next read has to raise

    @property
    def tls(self) -> ssl.SSLObject:
        return self._tls

    def read(self) -> bytes | None:
        incoming = self._incoming
        asked = False
        size = -1
        while not self._ended:
            # The buffer before the socket: what is in it may be all that ever comes (session
            # tickets, SETTINGS and the answer arrive together), and poll() cannot see it.
            if not incoming.pending and self._late is None:
                if asked:
                    self.more = False
                    return None
                asked = True
                try:
                    self._reading = True
                    size = self._recv_into(self._buffer)
                except BlockingIOError:
                    self.more = False
                    return None
                finally:
                    self._reading = False
                    if self.closed:
                        self._let_go()
            with self._crypto:
                if size > 0:
                    incoming.write(self._buffer[:size])
                elif size == 0:
                    incoming.write_eof()
                try:
                    if self._late is not None:
                        raise self._late
                    data = self._open(RECORD_SIZE)
                except ssl.SSLWantReadError:  # half a record, or one that is not for us
                    if self._outgoing.pending:
                        self._answer()
                    size = -1
                    continue
                except ssl.SSLZeroReturnError:
                    data = b""
                except ssl.SSLEOFError:
                    self.truncated = True
                    data = b""
                except ssl.SSLError:
                    self._answer()  # the alert that tells the peer why
                    raise
                if self._outgoing.pending:
                    self._answer()
                if data:
                    if not incoming.pending:
                        self.more = False
                        return data
                    if len(data) == RECORD_SIZE:
                        data = self._gather(data)
                    self.more = incoming.pending > 0 or self._late is not None
                    return data
            self._ended = True
        self.more = False
        return b""

    def _gather(self, first: bytes) -> bytes:
        """Open what else of a bulk transfer came with one recv, 256 KiB at most, and join it.

        Spares frames cut in two, and turns of the pump: 13 % of a download's processor time.
        """
        records = [first]
        try:
            # All in C; what was opened before an exception stays in the list.
            records.extend(iter(partial(self._open, RECORD_SIZE), b""))
            raise ssl.SSLZeroReturnError
        except ssl.SSLWantReadError:  # as good as always: half a record
            if self._outgoing.pending:
                self._answer()
        except ssl.SSLError as error:  # or the end, which nothing may come after to tell again
            self._late = error.with_traceback(None)
        return b"".join(records)

    def write(self, data: bytes) -> None:
        with self._crypto:
            size = len(data)
            if self.unsent or size > RECORD_SIZE:
                self._plain.append(memoryview(data))
                self.unsent += size
                self._flush()
                return
            try:
                self._seal(data)
            except ssl.SSLWantReadError as error:
                raise _renegotiation() from error
            sealed = self._outgoing.read()
            try:
                self._writing = True
                sent = self._send(sealed, _QUIET)
            except BlockingIOError:
                sent = 0
            finally:
                self._writing = False
                if self.closed:
                    self._let_go()
            if sent != len(sealed):
                self._backlog.append(memoryview(sealed)[sent:])
                self.unsent = len(sealed) - sent

    def flush(self) -> bool:
        with self._crypto:
            return self._flush()

    def _flush(self) -> bool:
        while super()._flush():
            if not self._plain:
                return True
            self._seal_batch()
        return False

    def _seal_batch(self) -> None:
        """Encrypt octets of ``_plain`` for one send; the rest waits for that to succeed."""
        plain = self._plain
        room = BATCH_SIZE
        while plain and room:
            piece = plain[0][:room]
            try:
                size = self._seal(piece)
            except ssl.SSLWantReadError as error:
                raise _renegotiation() from error
            room -= size
            if size == len(plain[0]):
                plain.popleft()
            else:
                plain[0] = plain[0][size:]
        sealed = self._outgoing.read()
        self._backlog.append(memoryview(sealed))
        self.unsent += len(sealed) - (BATCH_SIZE - room)

    def _answer(self) -> None:
        """Send what OpenSSL has to say of its own accord: an alert, an answer to a KeyUpdate."""
        sealed = self._outgoing.read()
        if sealed:
            self._backlog.append(memoryview(sealed))
            self.unsent += len(sealed)
            # What has arrived counts more than a peer that no longer listens; the next write
            # meets the same error.
            with suppress(OSError):
                super()._flush()

    def _end_writing(self) -> None:
        with self._crypto:
            # unwrap() would also like to see the peer's close_notify, and says so.
            with suppress(ssl.SSLError):
                self._tls.unwrap()
            self._seal = _refuse
            self._answer()
        super()._end_writing()


def _renegotiation() -> ssl.SSLError:
    return tls_error(
        "NO_RENEGOTIATION",
        "the peer began a TLS renegotiation, which HTTP/2 forbids (RFC 9113 §9.2.1)",
    )


# Which transports are open, for the child of a fork. It shares the sockets and has a copy of the
# TLS state: one octet written there would ruin the connection for the parent.
_alive: WeakSet[Transport] = WeakSet()


def _drop_inherited() -> None:
    for transport in list(_alive):
        transport._inherit()
    _alive.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
