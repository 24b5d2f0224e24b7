"""Whose turn it is to read: one connection, many threads, and no thread of its own.

Leader/Followers. Of all the threads that wait for an answer one leads: it waits for the socket
and reads for everybody. The others follow, each asleep on a lock of its own, until the leader
has brought their answer or has left them the lead. The rules, each proven in ``tests/threads``:

1. Wait outside, act inside: nobody waits while holding ``lock``, nobody touches the protocol
   without it. What takes long without waiting, to decrypt and encrypt and to call into the
   system, is done outside as well where others are about: one reads, one writes.
2. If anyone waits, someone reads: whoever leaves, for whatever reason, hands the lead over.
3. Only those are woken whom it helps, and after the lock is free; a follower whose answer is
   there returns without taking the lock.
4. A leader leads until its own answer is there.
5. A deadline belongs to the thread that waits, not to the connection.
6. Failure is one fact: it is noted in every exchange it concerns, and everybody is woken.
7. Who writes sees it through: it waits for room, and reads meanwhile if nobody else does. Who
   finds somebody writing leaves its octets to that one, which looks again before it leaves; so
   one send serves several requests, and octets leave in the order of the protocol's making.
8. Nothing of the user's runs under the lock, but for window managers, which are arithmetic. So
   a response that is dropped unread only appends itself to ``abandoned``; one that the collector
   has closed in the midst of our work does so as well.
9. What arrived while nobody was looking is read before anything new is sent.
10. While the protocol is paused nobody reads; who leads sleeps until ``widen``.
11. What is held, so that it leaves together with what follows, leaves before anybody waits.

An interrupt (KeyboardInterrupt, or what another signal's handler raises) can come between any two
steps. While the protocol or the transport is at work it costs the connection, since half an action
cannot be taken back; anywhere else it costs the interrupted thread its answer and nobody else
anything.

Knows nothing of HTTP versions, connections or responses.
"""

from __future__ import annotations

from _thread import TIMEOUT_MAX, LockType
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from functools import partial
from time import monotonic, sleep
from typing import Concatenate, Final, ParamSpec, TypeVar

from ..common.exceptions import HyperError
from ..common.exchange import Exchange
from .guarded import Guarded, Ready, Trace, Waiter, is_interrupt

__all__ = ["Pump", "Trace"]

T = TypeVar("T")
P = ParamSpec("P")

#: Seconds without a read after which a connection counts as idle, and is read from once before
#: it is used (rule 9). Right after an answer that read finds nothing and costs a microsecond.
IDLE: Final = 0.001

#: Requests that are held at most. A hundred heads leave in a record or two, so that to hold more
#: would spare next to nothing.
MAX_HELD: Final = 100

#: Seconds that a thread relies on another one, to read or to write, before it looks whether that
#: one still does. It may leave, and cannot wake a thread inside poll().
GLANCE: Final = 0.1

#: Reads of what had come, by somebody whose time is up. It is more than a system keeps for one
#: connection, and an end where the peer sends without pause.
LATE_READS: Final = 128

#: Seconds within which whoever is at work on a connection lets others in.
MOMENT: Final = 0.1


class Pump(Guarded):
    """Takes turns reading one connection for many threads.

    What happens to the connection is noted in the exchanges it concerns; out of these methods
    come only interrupts and what the protocol has against a call.

    protocol, transport  guarded by the lock
    over                 why nothing more will arrive here, or None while it may
    closed               ``close`` was called, so nobody here wants what has not been sent yet
    last_id              the id of the newest exchange, or None before there is one
    abandoned            exchanges to be cancelled by the next thread; needs no lock
    """

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
        hold: bool = False,
    ) -> Exchange:
        """``Protocol.request``, written as far as the socket takes it; see ``see_through``.

        A connection that was idle is read from first, so that a goodbye which arrived in the
        meantime is heard before anything is written (rule 9). With ``hold`` more is to come: it
        is written along with whatever is written next, or before anybody waits (rule 11).
        """
        woken: list[Waiter] = []
        try:
            if not self._held and self._leader is None and monotonic() - self._read_at > IDLE:
                with self._intake, self._lock:
                    if self._leader is None:
                        self._read(woken)
            with self._lock:
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
                if hold and self._held < MAX_HELD:
                    self._held += 1
                else:
                    self._flush(woken)
                return exchange
        finally:
            if woken or self._writer is woken or self._ending:
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

    @property
    def holds(self) -> bool:
        """Whether something was held and has not been written yet."""
        return self._held > 0

    def flush(self) -> None:
        """Write what the protocol has to say, as far as the socket takes it."""
        self._do(self._flush)

    def cancel(self, exchange: Exchange) -> None:
        """``Protocol.cancel``; does not wait. If it cannot be done now, the next thread does it."""
        if self.locked_out():
            self.abandoned.append(exchange)
        else:
            self._do(self._cancel, exchange)

    def locked_out(self) -> bool:
        """Whether this very thread seems to be at work here already, so that it must not wait.

        That is so where the collector comes upon something of the user's that closes a response,
        a generator for instance. Others who are at work are so for much less than a moment.
        """
        if not (self._lock.locked() or self._intake.locked()):
            return False
        until = monotonic() + MOMENT
        while monotonic() < until:
            sleep(MOMENT / 100)
            if not (self._lock.locked() or self._intake.locked()):
                return False
        return True

    def call(self, verb: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """A method of the protocol, under the lock, with what it writes written."""
        return self._do(self._call, partial(verb, *args, **kwargs))

    def close(self) -> None:
        """Take in what has arrived, say goodbye, and end every exchange that is still open.

        Whoever waits here gets an error; octets that have arrived stay readable. Waits up to a
        tenth of a second if the peer may still be talking.
        """
        woken: list[Waiter] = []
        try:
            with self._intake, self._lock:
                self._close(woken)
        finally:
            try:
                self._settle(woken)
            except BaseException:
                self._settle(woken)
                raise

    def _do(
        self, action: Callable[Concatenate[list[Waiter], P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Act under the lock, and wake afterwards whom it helps."""
        woken: list[Waiter] = []
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
        me = Waiter(exchange, ready)
        late = False
        try:
            while True:
                with self._lock:
                    if self.abandoned:
                        self._sweep(me.woken)
                    if self._held or self.transport.unsent:
                        self._flush(me.woken)
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
                if me.woken or self._writer is me.woken or self._ending:
                    self._settle(me.woken)
                limit = deadline
                if self._writer is not None or self.transport.unsent:
                    # Somebody has octets of ours; if it gives up, they must not lie for ever.
                    limit = _glance(deadline)
                if not _sleep(me.gate, limit):
                    late = deadline is not None and monotonic() >= deadline
                    if late and not me.answered and self._catch_up(me):
                        return True
                if me.answered:
                    return True
        finally:
            if (
                me.enlisted
                or me.woken
                or self._leader is me
                or self._writer is me.woken
                or self._ending
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

        me = Waiter(exchange, left)
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
                if me.woken or self._writer is me.woken or self._ending:
                    self._settle(me.woken)
                if self._leader is me:
                    if self._lead(me, deadline):
                        return True
                else:
                    transport.wait_writable(_glance(deadline), or_readable=False)
        finally:
            try:
                self._leave(me)
            except BaseException:
                self._leave(me)
                raise

    def has_room(self, exchange: Exchange) -> bool:
        """A ``ready`` for uploads: octets can be sent, or never will be."""
        return self.protocol.room(exchange) > 0 or exchange.ended or exchange.error is not None

    def _lead(self, me: Waiter, deadline: float | None) -> bool:
        """Read for everyone until our own answer is there or our time is up."""
        exchange = me.exchange
        woken = me.woken
        transport = self.transport
        while True:
            if woken or self._writer is woken or self._ending:
                self._settle(woken)
            limit = deadline
            if self._writer is not None:
                # What it sends may include what we wait for an answer to. If it cannot get rid
                # of it and gives up, somebody has to go on.
                limit = _glance(deadline)
            rest = self._rest
            if transport.unsent:
                transport.wait_writable(limit, or_readable=rest is None)
            elif rest is not None:
                _sleep(rest, limit)
            else:
                transport.wait_readable(limit)
            data = None
            try:
                with self._intake:
                    pieces: Iterable[bytes | None] = ()
                    if self._rest is None and self.over is None:
                        data = transport.read()
                        pieces = self._pieces(data) if transport.more else (data,)
                    with self._lock:
                        if self.abandoned:
                            self._sweep(woken)
                        self._receive(pieces, woken)
                        if self.over is not None:
                            self._note_end(exchange)
                        if me.ready(exchange):
                            # In the same breath: most leaders have nobody to hand over to.
                            if self._followers:
                                self._hand_over(me)
                            else:
                                self._leader = None
                                self._crowded = bool(woken)
                            return True
            except BaseException as error:  # half a read is nobody's
                with self._lock:
                    self._fail(error, woken)
                if is_interrupt(error):
                    raise
                continue  # to the end that was noted: it counts, even if our time is up as well
            if deadline is not None and monotonic() >= deadline:
                return data is not None and self._catch_up(me)

    def _catch_up(self, me: Waiter) -> bool:
        """Take in what had come before our time was up, and tell whether our answer is there.

        Nobody may have been there to read it: this process was stopped, or kept from its processor.
        """
        exchange = me.exchange
        came = True
        reads = 0
        while came and reads < LATE_READS:
            reads += 1
            with self._intake, self._lock:
                came = self._read(me.woken)
                if self.over is not None:
                    self._note_end(exchange)
                leader = self._leader
                if leader is not None and leader is not me and leader.ready(leader.exchange):
                    # It sits in poll(), and need not notice that its answer was read for it.
                    self._call(me.woken, self.protocol.rouse)
                if me.ready(exchange):
                    return True
        return False

    def _leave(self, me: Waiter) -> None:
        with self._lock:
            if me.enlisted:
                self._dismiss(me)
            if self._leader is me:
                self._hand_over(me)
        self._settle(me.woken)

    def _settle(self, woken: list[Waiter]) -> None:
        """What had to wait until the lock was free: wake whom it helps, send, part with a peer."""
        while True:
            # First wake: those may have more to write by the time the socket has taken this.
            while woken:
                # Only then forgotten, and released twice if an interrupt comes between the two.
                with suppress(RuntimeError):
                    woken[-1].gate.release()
                woken.pop()
            if self._broken is not None:
                with self._intake, self._lock:
                    self._fail_writing(woken)
            elif self._writer is woken:
                self._write(woken)
            else:
                break
        if self._parting and self._writer is None:
            self._part()

    def _write(self, woken: list[Waiter]) -> None:
        """Write what was handed out, and have handed out what has come since."""
        try:
            self.transport.write(self._next.popleft())
            with self._lock:
                if self._next:
                    return
                self._writer = None
                self._flush(woken)
        except BaseException as error:
            with self._lock:
                self._writer = None
                self._next.clear()
                if isinstance(error, OSError):
                    self._ending = True
                    self._broken = error
                else:
                    self._fail(error, woken)
            if is_interrupt(error):
                raise

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


def _glance(deadline: float | None) -> float:
    """When to look again whether somebody else still sees to it."""
    soon = monotonic() + GLANCE
    return soon if deadline is None else min(soon, deadline)


def _sleep(gate: LockType, deadline: float | None) -> bool:
    """Sleep until the gate opens; False when the deadline has passed."""
    if deadline is None:
        return gate.acquire()
    left = deadline - monotonic()
    # A longer sleep than the system can do in one turn is done in several.
    return left > 0 and (gate.acquire(timeout=min(left, TIMEOUT_MAX)) or left > TIMEOUT_MAX)
