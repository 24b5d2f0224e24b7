"""Whose turn it is to read: one connection, many threads, and no thread of its own.

Leader/Followers. Of all the threads that wait for an answer one leads: it waits for the socket
and reads for everybody. The others follow, each asleep on a lock of its own, until the leader
has brought their answer or has left them the lead. The rules, each proven in ``tests/threads``:

1. Wait outside, act inside: nobody waits while holding ``lock``, nobody touches protocol or
   transport without it.
2. If anyone waits, someone reads: whoever leaves, for whatever reason, hands the lead over.
3. Only those are woken whom it helps, and after the lock is free; a follower whose answer is
   there returns without taking the lock.
4. A leader leads until its own answer is there.
5. A deadline belongs to the thread that waits, not to the connection.
6. Failure is one fact: it is noted in every exchange it concerns, and everybody is woken.
7. Who writes sees it through: it waits for room, and reads meanwhile if nobody else does. Who
   finds somebody writing leaves its octets to that one, which looks again before it leaves; so
   one send serves several requests.
8. Nothing of the user's runs under the lock, but for window managers, which are arithmetic. So
   a response that is dropped unread only appends itself to ``abandoned``.
9. What arrived while nobody was looking is read before anything new is sent.

An interrupt (KeyboardInterrupt) can come between any two steps. While the protocol or the
transport is at work it costs the connection, since half an action cannot be taken back;
anywhere else it costs the interrupted thread its answer and nobody else anything.

Knows nothing of HTTP versions, connections or responses.
"""

from __future__ import annotations

import os
from _thread import TIMEOUT_MAX, LockType, allocate_lock
from collections import deque
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Concatenate, Final, Literal, ParamSpec, TypeVar
from weakref import WeakSet

from ..common.exceptions import HyperError
from ..common.exchange import Exchange
from ..common.protocol import Protocol
from ..http20.exceptions import ConnectionError
from .transport import Transport

__all__ = ["Pump", "Trace"]

T = TypeVar("T")
P = ParamSpec("P")

#: Sees every plaintext octet, with ``">"`` for written and ``"<"`` for read. Runs under the
#: lock, so it must neither wait nor call anything of this connection.
Trace = Callable[[Literal["<", ">"], bytes], object]

#: Tells from the state of an exchange whether what a thread waits for has come.
Ready = Callable[[Exchange], bool]

#: Seconds without a read after which a connection counts as idle, and is read from once before
#: it is used (rule 9). Right after an answer that read finds nothing and costs a microsecond.
IDLE: Final = 0.001

#: Seconds that a writer waits for room while somebody else reads, before it looks whether
#: somebody still does. The one who reads may leave, and cannot wake a thread inside poll().
GLANCE: Final = 0.1

#: Reads in one turn under the lock. One turn takes in what one recv brought, which is sixteen
#: TLS records; a peer that sends without pause must not keep the lock for ever.
READS: Final = 32


class _Waiter:
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
        self.woken: list[_Waiter] = []


class Pump:
    """Takes turns reading one connection for many threads.

    What happens to the connection is noted in the exchanges it concerns; out of these methods
    come only interrupts and what the protocol has against a call.

    protocol, transport  guarded by the lock
    over                 why nothing more will arrive here, or None while it may
    last_id              the id of the newest exchange, or None before there is one
    abandoned            exchanges whose response was dropped unread; needs no lock
    """

    def __init__(
        self, protocol: Protocol, transport: Transport, *, trace: Trace | None = None
    ) -> None:
        self._lock = allocate_lock()
        # Guarded by the lock, as every call into protocol and transport is.
        self.protocol = protocol
        self.transport = transport
        self.over: Exception | None = None
        self.last_id: int | None = None
        self._trace = trace
        self._leader: _Waiter | None = None
        # In the order of their coming. Nobody is in it while nobody leads.
        self._followers: dict[_Waiter, None] = {}
        # Others were here too, the last time that somebody waited.
        self._crowded = False
        self._read_at = monotonic()
        # How often the protocol has handed over octets to write.
        self._pulls = 0
        # Who sends at this moment, known by whom it has to wake; and what, which is the only
        # thing about the transport that is done without the lock.
        self._writer: list[_Waiter] | None = None
        self._sealed = b""
        # Somebody has to end the conversation with the peer, waiting for it to have heard our
        # goodbye if anything was still open.
        self._parting = False
        self._lingering = False

        # deque.append and popleft are atomic.
        self.abandoned: deque[Exchange] = deque()
        _alive.add(self)

    # What a face asks for.

    def request(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        end: bool,
        never_index: Container[bytes] = (),
    ) -> Exchange:
        """``Protocol.request``, written as far as the socket takes it; see ``see_through``.

        A connection that was idle is read from first, so that a goodbye which arrived in the
        meantime is heard before anything is written (rule 9).
        """
        woken: list[_Waiter] = []
        try:
            with self._lock:
                if self._leader is None and monotonic() - self._read_at > IDLE:
                    self._read(woken)
                if self.abandoned:
                    self._sweep(woken)
                try:
                    exchange = self.protocol.request(
                        method, scheme, authority, path, headers, end=end, never_index=never_index
                    )
                except (ValueError, HyperError):
                    raise
                except BaseException as error:
                    self._fail(error, woken)
                    raise
                self.last_id = exchange.id
                self._flush(woken)
                return exchange
        finally:
            if woken or self._parting or self._writer is woken:
                try:
                    self._settle(woken)
                except BaseException:
                    self._settle(woken)
                    raise

    def send_body(
        self,
        exchange: Exchange,
        data: bytes | memoryview,
        end: bool,
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> int:
        """``Protocol.send_body``, written as far as the socket takes it; see ``see_through``."""
        return self.call(self.protocol.send_body, exchange, data, end=end, trailers=trailers)

    def widen(self, exchange: Exchange, size: int, timeout: float | None) -> None:
        """``Protocol.widen``, written, or given up after ``timeout`` seconds without progress."""
        self.call(self.protocol.widen, exchange, size)
        if self.transport.unsent:
            self.see_through(exchange, timeout)

    def flush(self) -> None:
        """Write what the protocol has to say, as far as the socket takes it."""
        self._do(self._flush)

    def cancel(self, exchange: Exchange) -> None:
        """``Protocol.cancel``; does not wait."""
        self._do(self._cancel, exchange)

    def call(self, verb: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A method of the protocol, under the lock, with what it writes written."""
        return self._do(self._call, partial(verb, *args, **kwargs))

    def close(self) -> None:
        """Take in what has arrived, say goodbye, and end every exchange that is still open.

        Whoever waits here gets an error; octets that have arrived stay readable. Waits up to a
        tenth of a second if the peer may still be talking.
        """
        self._do(self._close)

    def _do(
        self, action: Callable[Concatenate[list[_Waiter], P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Act under the lock, and wake afterwards whom it helps."""
        woken: list[_Waiter] = []
        try:
            with self._lock:
                return action(woken, *args, **kwargs)
        finally:
            # An interrupt here must not leave anybody asleep; waking can be done twice.
            try:
                self._settle(woken)
            except BaseException:
                self._settle(woken)
                raise

    # Waiting.

    def wait(self, exchange: Exchange, ready: Ready, deadline: float | None) -> bool:
        """Return True once ``ready(exchange)``, False when the deadline has passed before.

        ``deadline`` is an instant of ``time.monotonic``, or None for as long as it takes.
        ``ready`` is called under the lock, by whichever thread reads. It must be true for an
        exchange that has ended or has an error.
        """
        me = _Waiter(exchange, ready)
        late = False
        try:
            while True:
                with self._lock:
                    if self.abandoned:
                        self._sweep(me.woken)
                    if self.over is not None:
                        self._note_end(exchange)
                    if ready(exchange):
                        return True
                    if late:
                        return False
                    if self._leader is None:
                        self._leader = me
                    elif self._leader is not me:
                        self._enlist(me)
                if self._leader is me:
                    return self._lead(me, deadline)
                if me.woken or self._writer is me.woken:
                    self._settle(me.woken)
                late = not _sleep(me.gate, deadline)
                if me.answered:
                    return True
        finally:
            if (
                me.enlisted
                or me.woken
                or self._leader is me
                or self._writer is me.woken
                or self._parting
            ):
                # An interrupt on the way out must not leave the others without a leader; every
                # step of leaving can be taken twice.
                try:
                    self._leave(me)
                except BaseException:
                    self._leave(me)
                    raise

    def see_through(self, exchange: Exchange, timeout: float | None) -> bool:
        """Return True once what this thread has written has left.

        False when nothing has left for ``timeout`` seconds. Does not wait for an exchange that
        has ended or has an error. Reads for everybody meanwhile if nobody else does: two peers
        that only write would wait for each other for ever (rule 7).
        """
        transport = self.transport
        # Ours was handed over already, or will be by the next pull; and there is none before
        # everything pulled earlier has left.
        last = self._pulls + 1

        def left(exchange: Exchange) -> bool:
            return (
                not transport.unsent
                or self._pulls > last
                or self.over is not None
                or exchange.ended
                or exchange.error is not None
            )

        me = _Waiter(exchange, left)
        deadline = None
        progress = (-1, 0)
        try:
            while True:
                with self._lock:
                    self._flush(me.woken)
                    if left(exchange):
                        return True
                    before, progress = progress, (self._pulls, -transport.unsent)
                    if timeout is not None:
                        now = monotonic()
                        if progress > before or deadline is None:
                            deadline = now + timeout
                        elif now >= deadline:
                            return False
                    if self._leader is None:
                        self._leader = me
                if me.woken or self._writer is me.woken:
                    self._settle(me.woken)
                if self._leader is me:
                    if self._lead(me, deadline):
                        return True
                else:
                    glance = monotonic() + GLANCE
                    if deadline is not None and deadline < glance:
                        glance = deadline
                    transport.wait_writable(glance, or_readable=False)
        finally:
            try:
                self._leave(me)
            except BaseException:
                self._leave(me)
                raise

    def has_room(self, exchange: Exchange) -> bool:
        """A ``ready`` for uploads: octets can be sent, or never will be."""
        return self.protocol.room(exchange) > 0 or exchange.ended or exchange.error is not None

    def _lead(self, me: _Waiter, deadline: float | None) -> bool:
        """Read for everyone until our own answer is there or our time is up."""
        exchange = me.exchange
        ready = me.ready
        woken = me.woken
        transport = self.transport
        while True:
            if woken or self._parting or self._writer is woken:
                self._settle(woken)
            limit = deadline
            if self._writer is not None:
                # What it sends may include what we wait for an answer to. If it cannot get rid
                # of it and gives up, somebody has to go on.
                limit = monotonic() + GLANCE
                if deadline is not None and deadline < limit:
                    limit = deadline
            if transport.unsent:
                transport.wait_writable(limit, or_readable=True)
            else:
                transport.wait_readable(limit)
            with self._lock:
                self._read(woken)
                if self.over is not None:
                    self._note_end(exchange)
                if ready(exchange):
                    # In the same breath: most leaders have nobody to hand over to.
                    if self._followers:
                        self._hand_over(me)
                    else:
                        self._leader = None
                        self._crowded = bool(woken)
                    return True
            if deadline is not None and monotonic() >= deadline:
                return False

    def _leave(self, me: _Waiter) -> None:
        with self._lock:
            if me.enlisted:
                self._dismiss(me)
            if self._leader is me:
                self._hand_over(me)
        self._settle(me.woken)

    def _settle(self, woken: list[_Waiter]) -> None:
        """What had to wait until the lock was free: wake whom it helps, send, part with a peer."""
        while True:
            # First wake: those may have more to write by the time the socket has taken this.
            while woken:
                # Only then forgotten, and released twice if an interrupt comes between the two.
                with suppress(RuntimeError):
                    woken[-1].gate.release()
                woken.pop()
            if self._writer is not woken:
                break
            self._send(woken)
        if self._parting and self._writer is None:
            self._part()

    def _send(self, woken: list[_Waiter]) -> None:
        """Send what was sealed, and seal what was written meanwhile."""
        transport = self.transport
        sealed = self._sealed
        try:
            size = transport.send(sealed)
        except BaseException as error:
            with self._lock:
                self._writer = None
                self._fail(error, woken)
            if not isinstance(error, Exception):
                raise
            return
        with self._lock:
            self._writer = None
            try:
                transport.sent(sealed, size)
            except BaseException as error:
                self._fail(error, woken)
                raise
            self._flush(woken)

    def _part(self) -> None:
        """End the conversation with the peer."""
        with self._lock:
            if not self._parting or self._writer is not None:
                return
            self._parting = False
            self.transport.finish()
            linger = self._lingering or self.transport.unsent > 0
            if not linger:
                self.transport.close()
        if linger:
            self.transport.linger()

    # From here on the lock is held.

    def _call(self, woken: list[_Waiter], verb: Callable[[], T]) -> T:
        try:
            result = verb()
        except (ValueError, HyperError):
            raise
        except BaseException as error:
            self._fail(error, woken)
            raise
        self._flush(woken)
        return result

    def _close(self, woken: list[_Waiter]) -> None:
        self._read(woken)
        if self.over is None:
            self._call(woken, self.protocol.close)
            # Whoever sends at this moment would look again too late.
            self._flush(woken, at_once=True)
        if self.over is None:
            self._end(ConnectionError("the connection was closed on this side"), woken)

    def _read(self, woken: list[_Waiter]) -> None:
        """Take in what has arrived, answer it, and note who is to be woken."""
        if self.over is not None:
            return
        transport = self.transport
        protocol = self.protocol
        trace = self._trace
        moved: list[Exchange] | None = None
        try:
            for _ in range(READS):
                data = transport.read()
                if data is None:
                    break
                if not data:
                    lost = protocol.connection_lost(None)
                    moved = lost if moved is None else moved + lost
                    self.over = ConnectionError("the peer closed the connection")
                    transport.close()
                    break
                if trace is not None:
                    trace("<", data)
                news = protocol.receive_data(data)
                moved = news if moved is None else moved + news
                if not transport.more:
                    break
        except BaseException as error:  # half a read is nobody's
            self._fail(error, woken)
            if not isinstance(error, Exception):
                raise
            return
        self._read_at = monotonic()
        if self.over is None:
            self._flush(woken)
        if moved and self._followers:
            self._notify(moved, woken)

    def _flush(self, woken: list[_Waiter], *, at_once: bool = False) -> None:
        """Write what the protocol has to say, unless the socket is full already.

        What cannot be written stays inside the protocol, where it is bounded. What can mostly
        leaves when the lock is free, in ``_send``.
        """
        if self._writer is not None and not at_once:
            return
        if self.over is not None:
            return
        transport = self.transport
        try:
            if self._writer is None and transport.unsent and not transport.flush():
                return
            data = self.protocol.data_to_send()
            if data:
                if self._trace is not None:
                    self._trace(">", data)
                self._pulls += 1
                sealed = None
                # Who is alone has nobody to keep from the lock, and sends a little cheaper.
                if self._crowded and self._writer is None:
                    sealed = transport.seal(data)
                if sealed is None:
                    transport.write(data)
                else:
                    self._sealed = sealed
                    self._writer = woken
        except BaseException as error:
            self._fail(error, woken)
            if not isinstance(error, Exception):
                raise
            return
        if not self.protocol.accepting and self.over is None:
            self._retire(woken)

    def _retire(self, woken: list[_Waiter]) -> None:
        """Nothing new starts here: part with the peer once nothing old goes on either."""
        protocol = self.protocol
        if protocol.closed:
            # Our GOAWAY is on its way. Closing the socket with octets unread would make the
            # system send a reset, which destroys it.
            self.over = ConnectionError("the connection ended because of an error")
            self._parting = self._lingering = True
        elif protocol.idle:
            self._end(ConnectionError("the connection has ended: the peer said goodbye"), woken)

    def _end(self, error: Exception, woken: list[_Waiter]) -> None:
        """End the connection in good order, with what is still open on it."""
        try:
            open_ones = self.protocol.connection_lost(error)
        except BaseException as broken:
            self._fail(broken, woken)
            raise
        self.over = error
        self._lingering = bool(open_ones)
        self._parting = True
        self._notify(open_ones, woken)

    def _fail(self, error: BaseException, woken: list[_Waiter]) -> None:
        """The connection is broken: note that in everything open, and wake everyone (rule 6)."""
        if self.over is not None:
            return
        if isinstance(error, (OSError, HyperError)):
            reason: Exception = error
            # A peer that no longer listens has often said why, or answered already.
            with suppress(Exception):
                for _ in range(READS):
                    data = self.transport.read()
                    if not data:
                        break
                    self.protocol.receive_data(data)
        else:
            reason = ConnectionError(
                f"the connection was given up: {type(error).__name__} while it was being used"
            )
            reason.__cause__ = error
        self.over = reason
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

    def _note_end(self, exchange: Exchange) -> None:
        if exchange.error is None and not exchange.ended:
            exchange.error = self.over

    def _cancel(self, woken: list[_Waiter], exchange: Exchange) -> None:
        moved = self._call(woken, partial(self.protocol.cancel, exchange))
        self._notify((exchange, *moved), woken)

    def _sweep(self, woken: list[_Waiter]) -> None:
        """Cancel what nobody will read any more (rule 8)."""
        while self.abandoned:
            self._cancel(woken, self.abandoned.popleft())

    def _notify(self, moved: Iterable[Exchange], woken: list[_Waiter]) -> None:
        """Note the followers whose answer is there (rule 3)."""
        for exchange in moved:
            if exchange.waiters:
                for waiter in tuple(exchange.waiters):
                    if waiter.ready(exchange):
                        waiter.answered = True
                        # First noted, then dismissed: so an interrupt loses nobody.
                        woken.append(waiter)
                        self._dismiss(waiter)

    def _hand_over(self, me: _Waiter) -> None:
        """Make the oldest follower the leader."""
        for heir in self._followers:
            me.woken.append(heir)
            self._leader = heir
            self._dismiss(heir)
            return
        self._leader = None

    def _enlist(self, me: _Waiter) -> None:
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

    def _dismiss(self, waiter: _Waiter) -> None:
        self._followers.pop(waiter, None)
        waiters = waiter.exchange.waiters
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
        waiter.enlisted = False

    def _inherit(self) -> None:
        """In the child of a fork: the connection is the parent's, and its threads are not here."""
        self._lock = allocate_lock()
        self._leader = None
        self._followers.clear()
        self._writer = None
        self._parting = False
        self._fail(ConnectionError("the connection belongs to the parent of this process"), [])


def _sleep(gate: LockType, deadline: float | None) -> bool:
    """Sleep until the gate opens; False when the deadline has passed."""
    if deadline is None:
        return gate.acquire()
    left = deadline - monotonic()
    # A longer sleep than the system can do in one turn is done in several.
    return left > 0 and (gate.acquire(timeout=min(left, TIMEOUT_MAX)) or left > TIMEOUT_MAX)


# For the child of a fork, in which no thread is left that could finish what it was doing here.
_alive: WeakSet[Pump] = WeakSet()


def _drop_inherited() -> None:
    for pump in list(_alive):
        pump._inherit()
    _alive.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
