"""What is done to a connection under the lock of its pump: take in, hand out, end.

The half of the pump that acts; ``pump`` is the half that waits, and has the rules of both.
"""

from __future__ import annotations

import os
from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, Literal, TypeVar
from weakref import WeakSet

from ..common.exceptions import HyperError, template
from ..common.exchange import Exchange
from ..common.protocol import Protocol
from ..http20.exceptions import ConnectionError
from .transport import Transport

__all__ = ["Guarded", "Ready", "Trace", "Waiter", "is_interrupt"]

T = TypeVar("T")

#: Sees every plaintext octet, with ``">"`` for written and ``"<"`` for read. Runs under the
#: lock, so it must neither wait nor call anything of this connection.
Trace = Callable[[Literal["<", ">"], bytes], object]

#: Tells from the state of an exchange whether what a thread waits for has come.
Ready = Callable[[Exchange], bool]

#: Reads in one turn, and octets after which it ends. One turn takes in what one recv brought,
#: which is sixteen TLS records: a peer that sends without pause must not keep a thread for ever,
#: nor fill a whole window while the reader of it is kept from reading.
READS: Final = 32
TURN_SIZE: Final = 262144

#: Octets that are written without the lock at most. More is the body of an upload, whose sender
#: has to see that there is no room before it adds more.
SHORT: Final = 16384


class Waiter:
    """One thread's wait for one thing.

    ready     what it waits for
    gate      the lock it sleeps on while it follows
    enlisted  it stands among the followers
    answered  a leader has seen its answer
    woken     whom this thread has to wake once the lock is free
    """

    enlisted = False
    answered = False
    gate: LockType  # made when it is needed: who leads sleeps in poll()

    def __init__(self, exchange: Exchange, ready: Ready) -> None:
        self.exchange = exchange
        self.ready = ready
        self.woken: list[Waiter] = []


class Guarded:
    """A protocol on a transport, and those who wait for it; every method wants the lock held.

    ``woken`` gathers whom the caller has to wake once the lock is free. It stands for the caller,
    too: nobody else has this list.
    """

    def __init__(
        self, protocol: Protocol, transport: Transport, *, trace: Trace | None = None
    ) -> None:
        self._lock = allocate_lock()
        # Held by who reads, from before the octets are taken until the protocol has them, so
        # that they stay in order. Taken before the lock, never after it.
        self._intake = allocate_lock()
        # Guarded by the lock, as every call into the protocol is.
        self.protocol = protocol
        self.transport = transport
        self.over: Exception | None = None
        self.last_id: int | None = None
        self._trace = trace
        self._leader: Waiter | None = None
        # In the order of their coming. Nobody is in it while nobody leads.
        self._followers: dict[Waiter, None] = {}
        # Others were here too, the last time that somebody waited.
        self._crowded = False
        # What the leader sleeps on while the protocol is paused (rule 10).
        self._rest: LockType | None = None
        self._read_at = monotonic()
        # Requests that wait in the protocol for what follows them.
        self._held = 0
        # How often the protocol has handed over octets to write.
        self._pulls = 0
        # Who writes at this moment, known by whom it has to wake; and what it writes next.
        self._writer: list[Waiter] | None = None
        self._next: deque[bytes] = deque()
        # Why writing failed, until somebody who may read has seen what the peer said last.
        self._broken: Exception | None = None
        # Somebody has to end the conversation with the peer, waiting for it to have heard our
        # goodbye if anything was still open.
        self._parting = False
        self._lingering = False
        # Writing failed, or somebody has to part: once true, it stays so.
        self._ending = False
        self.closed = False

        # deque.append and popleft are atomic.
        self.abandoned: deque[Exchange] = deque()
        _alive.add(self)

    def _call(self, woken: list[Waiter], verb: Callable[[], T]) -> T:
        try:
            result = verb()
        except (ValueError, HyperError):
            raise
        except BaseException as error:
            self._fail(error, woken)
            raise
        self._flush(woken)
        if self._rest is not None:
            self._go_on()
        return result

    def _go_on(self) -> None:
        """Have the leader read again, if there is nothing left to be paused for."""
        rest = self._rest
        if rest is not None and (self.over is not None or not self.protocol.paused):
            self._rest = None
            with suppress(RuntimeError):
                rest.release()

    def _close(self, woken: list[Waiter]) -> None:
        self.closed = True
        self._read(woken)
        if self.over is None:
            self._call(woken, self.protocol.close)
            # Whoever sends at this moment would look again too late.
            self._flush(woken, at_once=True)
            self._fail_writing(woken)
        if self.over is None:
            self._end(ConnectionError("the connection was closed on this side"), woken)

    def _read(self, woken: list[Waiter]) -> bool:
        """Read under both locks, for those who do not lead; True if something had come."""
        if self.over is not None or self.protocol.paused:
            return False
        try:
            data = self.transport.read()
            pieces = self._pieces(data)
        except BaseException as error:
            self._fail(error, woken)
            if is_interrupt(error):
                raise
            return False
        self._receive(pieces, woken)
        return data is not None

    def _pieces(self, first: bytes | None) -> Iterable[bytes | None]:
        """What else has come in one recv with the first piece. The lock is not needed for it."""
        transport = self.transport
        pieces = [first]
        size = len(first or b"")
        try:
            while transport.more and len(pieces) < READS and size < TURN_SIZE:
                data = transport.read()
                pieces.append(data)
                size += len(data or b"")
        except OSError as error:
            return _and_then(pieces, error)
        return pieces

    def _receive(self, pieces: Iterable[bytes | None], woken: list[Waiter]) -> None:
        """Take in what has arrived, answer it, and note who is to be woken."""
        if self.over is not None:
            return
        protocol = self.protocol
        trace = self._trace
        moved: list[Exchange] | None = None
        try:
            for data in pieces:
                if data is None:
                    break
                if not data:
                    protocol.cut_off = self.transport.truncated
                    lost = protocol.connection_lost(None)
                    moved = lost if moved is None else moved + lost
                    self.over = ConnectionError("the peer closed the connection")
                    self.transport.close()
                    break
                if trace is not None:
                    trace("<", data)
                news = protocol.receive_data(data)
                moved = news if moved is None else moved + news
            if protocol.paused and self._rest is None:
                self._rest = allocate_lock()
                self._rest.acquire()
        except BaseException as error:  # half a read is nobody's
            self._fail(error, woken)
            if is_interrupt(error):
                raise
            return
        self._read_at = monotonic()
        if self.over is None and (
            protocol.outgoing or self.transport.unsent or not protocol.accepting
        ):
            self._flush(woken)
        if moved and self._followers:
            self._notify(moved, woken)

    def _flush(self, woken: list[Waiter], *, at_once: bool = False) -> None:
        """Write what the protocol has to say, unless the socket is full already.

        What cannot be written stays inside the protocol, where it is bounded. What can leaves
        when the lock is free, in ``_write``, but for bulk: its sender has to wait for room.
        """
        writer = self._writer
        if writer is not None and not at_once:
            return
        if self.over is not None or self._broken is not None:
            return
        transport = self.transport
        try:
            if writer is None and transport.unsent and not transport.flush():
                protocol = self.protocol
                if protocol.accepting or not (protocol.idle or protocol.closed):
                    return
                # Nothing is left to wait for: what the peer does not read is its own loss.
            self._held = 0
            data = self.protocol.data_to_send()
            if data:
                if self._trace is not None:
                    self._trace(">", data)
                self._pulls += 1
                if writer is not None:
                    self._next.append(data)
                elif len(data) > SHORT or not self._crowded:
                    transport.write(data)
                else:
                    self._next.append(data)
                    self._writer = woken
        except OSError as error:
            self._ending = True
            self._broken = error
            return
        except BaseException as error:
            self._fail(error, woken)
            if is_interrupt(error):
                raise
            return
        if not self.protocol.accepting and self.over is None:
            self._retire(woken, bool(data))

    def _retire(self, woken: list[Waiter], said: bool) -> None:
        """Nothing new starts here: part with the peer once nothing old goes on either.

        ``said``: something has just been written, a GOAWAY if it was an error.
        """
        protocol = self.protocol
        if protocol.closed:
            self.over = ConnectionError("the connection ended: an error, or a request given up")
            self._ending = self._parting = True
            # Closing the socket with octets unread would make the system send a reset, which
            # destroys what is on its way. HTTP/1.1 has nothing to say, and need not wait.
            self._lingering = said
        elif protocol.idle:
            self._end(ConnectionError("the connection has ended: the peer said goodbye"), woken)

    def _end(self, error: Exception, woken: list[Waiter]) -> None:
        """End the connection in good order, with what is still open on it."""
        try:
            open_ones = self.protocol.connection_lost(error)
        except BaseException as broken:
            self._fail(broken, woken)
            raise
        self.over = error
        self._go_on()
        self._lingering = bool(open_ones)
        self._ending = self._parting = True
        self._notify(open_ones, woken)

    def _fail(self, error: BaseException, woken: list[Waiter]) -> None:
        """The connection is broken: note that in everything open, and wake everyone (rule 6)."""
        if self.over is not None:
            return
        if isinstance(error, (OSError, HyperError)):
            reason: BaseException = template(error)
        else:
            reason = ConnectionError(
                f"the connection was given up: {type(error).__name__} while it was being used"
            )
            # Of a failure of ours the traceback is all that tells.
            reason.__cause__ = error if isinstance(error, Exception) else template(error)
        assert isinstance(reason, Exception)
        self.over = reason
        self._go_on()
        self.transport.close()
        # The protocol may be what broke, so its word is not relied upon.
        with suppress(Exception):
            self.protocol.connection_lost(reason)
        self.protocol.accepting = False
        if self._leader is not None:
            self._note_end(self._leader.exchange)
        for waiter in list(self._followers):
            self._note_end(waiter.exchange)
            waiter.answered = True
            woken.append(waiter)
            self._dismiss(waiter)

    def _fail_writing(self, woken: list[Waiter]) -> None:
        """Fail because writing did, once what the peer said last was taken in; reads as well."""
        error = self._broken
        if error is not None:
            if self.over is None:
                # A peer that no longer listens has often said why, or answered already.
                with suppress(Exception):
                    for data in self._pieces(self.transport.read()):
                        if data:
                            self.protocol.receive_data(data)
            self._fail(error, woken)
            self._broken = None

    def _note_end(self, exchange: Exchange) -> None:
        if exchange.error is None and not exchange.ended:
            exchange.error = self.over

    def _cancel(self, woken: list[Waiter], exchange: Exchange) -> None:
        moved = self._call(woken, partial(self.protocol.cancel, exchange))
        leader = self._leader
        if leader is not None and leader.exchange is exchange:
            # Another thread's, which sits in poll(): out of reach from here.
            self._call(woken, self.protocol.rouse)
        self._notify((exchange, *moved), woken)

    def _sweep(self, woken: list[Waiter]) -> None:
        """Cancel what nobody will read any more (rule 8)."""
        while self.abandoned:
            self._cancel(woken, self.abandoned.popleft())

    def _notify(self, moved: Iterable[Exchange], woken: list[Waiter]) -> None:
        """Note the followers whose answer is there (rule 3)."""
        for exchange in moved:
            if exchange.waiters:
                for waiter in tuple(exchange.waiters):
                    if waiter.ready(exchange):
                        waiter.answered = True
                        # First noted, then dismissed: so an interrupt loses nobody.
                        woken.append(waiter)
                        self._dismiss(waiter)

    def _hand_over(self, me: Waiter) -> None:
        """Make the oldest follower the leader."""
        for heir in self._followers:
            me.woken.append(heir)
            self._leader = heir
            self._dismiss(heir)
            return
        self._leader = None

    def _enlist(self, me: Waiter) -> None:
        self._crowded = True
        me.enlisted = True
        gate = me.gate = allocate_lock()
        gate.acquire()
        exchange = me.exchange
        if exchange.waiters is None:
            exchange.waiters = [me]
        elif me not in exchange.waiters:
            exchange.waiters.append(me)
        self._followers[me] = None

    def _dismiss(self, waiter: Waiter) -> None:
        self._followers.pop(waiter, None)
        waiters = waiter.exchange.waiters
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
        waiter.enlisted = False

    def _inherit(self) -> None:
        """In the child of a fork: the connection is the parent's, and its threads are not here."""
        self._lock = allocate_lock()
        self._intake = allocate_lock()
        self._leader = None
        self._followers.clear()
        self._rest = None
        self._writer = None
        self._next.clear()
        self._broken = None
        self._held = 0
        self._parting = False
        self._fail(ConnectionError("the connection belongs to the parent of this process"), [])


def is_interrupt(error: BaseException) -> bool:
    """Whether it has come from elsewhere, into what was being done: Ctrl-C, or by another signal.

    What a handler of the program's own raises, to limit a time for instance, is mostly an
    Exception, as our own mistakes are, and meant for the thread that it was raised in.
    """
    if not isinstance(error, Exception):
        return True
    if isinstance(error, (OSError, HyperError)):
        return False  # what goes wrong here mostly; and an alarm that is one stays one
    from signal import getsignal, valid_signals

    handlers = {getattr(getsignal(number), "__code__", None) for number in valid_signals()}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False


def _and_then(pieces: list[bytes | None], error: OSError) -> Iterator[bytes | None]:
    """Raise what reading met, once what was read before it has been taken in."""
    yield from pieces
    raise error


# For the child of a fork, in which no thread is left that could finish what it was doing here.
_alive: WeakSet[Guarded] = WeakSet()


def _drop_inherited() -> None:
    for pump in list(_alive):
        pump._inherit()
    _alive.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
