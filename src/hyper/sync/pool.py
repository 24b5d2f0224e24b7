"""One connection for everybody who goes to the same place: the first one dials, the others wait.

Holds connections only as long as somebody uses them; whoever lets go last closes.
"""

from __future__ import annotations

import os
from _thread import TIMEOUT_MAX, LockType, allocate_lock
from collections import deque
from collections.abc import Hashable
from time import monotonic
from typing import Final
from weakref import WeakSet

from ..common.exchange import Exchange
from .guarded import Ready
from .pump import Pump

__all__ = ["Pool", "Shared", "has_gone", "look"]

#: Places that are remembered for not speaking HTTP/2, where waiting for each other is idle.
MAX_REFUSALS: Final = 1000


def look(pump: Pump, exchange: Exchange, ready: Ready) -> bool:
    """Whether ``ready(exchange)``, from what has arrived until now; does not wait for more."""
    # An error that was met in reading is noted, though the time to wait for it was over.
    return pump.wait(exchange, ready, 0.0) or ready(exchange)


def has_gone(pump: Pump) -> bool:
    """Whether nothing new may start on the connection, from what has arrived until now."""

    def gone(exchange: Exchange) -> bool:
        return pump.over is not None or not pump.protocol.accepting

    return look(pump, Exchange(), gone)


class Shared:
    """One connection that several hold, or the attempt to make one.

    pump         the connection, once it is there
    authorities  for those who hold it: where they have gone, by name
    """

    pump: Pump

    def __init__(self, place: Hashable) -> None:
        self.place = place
        self.authorities: dict[bytes, bytes] = {}
        # Guarded by the pool's lock.
        self.users = 1
        self.made = False
        self.gates: list[LockType] = []  # of threads that wait for the attempt to end


class Pool:
    """Connections by the place they lead to.

    >>> shared = pool.join(place, timeout)
    >>> if shared is None:
    ...     try:
    ...         pump = dial()
    ...     except BaseException:
    ...         pool.refuse(place, for_good=False)
    ...         raise
    ...     shared = pool.add(place, pump)
    >>> pool.leave(shared)
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._shared: dict[Hashable, Shared] = {}
        self._refusals: dict[Hashable, None] = {}
        #: Connections that were held and never let go of; needs no lock, so that the garbage
        #: collector may put them here.
        self.dropped: deque[Shared] = deque()
        _alive.add(self)

    def join(self, place: Hashable, timeout: float | None) -> Shared | None:
        """The connection that leads there, held for the caller; None for: make one yourself.

        Waits for another thread that is making one, ``timeout`` seconds at most; then raises
        TimeoutError. After None, ``add`` or ``refuse`` has to be called.
        """
        while True:
            try:
                dropped = self.dropped.popleft()
            except IndexError:  # another thread may have taken the last one
                break
            self.leave(dropped)
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            gate = None
            with self._lock:
                shared = self._shared.get(place)
                if shared is None:
                    if place not in self._refusals:
                        self._shared[place] = Shared(place)
                    return None
                if shared.made:
                    shared.users += 1
                else:
                    gate = allocate_lock()
                    gate.acquire()
                    shared.gates.append(gate)
            if gate is None:
                if not has_gone(shared.pump):
                    return shared
                self._forget(shared)
                self.leave(shared)
                continue
            left = -1.0 if deadline is None else min(max(deadline - monotonic(), 0), TIMEOUT_MAX)
            if not gate.acquire(timeout=left):
                raise TimeoutError(
                    f"another thread has been making this connection for more than {timeout:g} s"
                )

    def add(self, place: Hashable, pump: Pump) -> Shared:
        """Let others use the connection that the caller has made, and holds."""
        with self._lock:
            self._refusals.pop(place, None)
            shared = self._shared.get(place)
            if shared is None or shared.made:
                # Nobody waits for it: this place was known for not speaking HTTP/2.
                shared = self._shared[place] = Shared(place)
            shared.pump = pump
            shared.made = True
            gates, shared.gates = shared.gates, []
        _open(gates)
        return shared

    def refuse(self, place: Hashable, *, for_good: bool) -> None:
        """Say that there is nothing to share; one of those who wait will try next.

        ``for_good``: nobody need wait for anybody there any more.
        """
        gates: list[LockType] = []
        with self._lock:
            shared = self._shared.get(place)
            if shared is not None and not shared.made:
                del self._shared[place]
                gates = shared.gates
            if for_good:
                if len(self._refusals) >= MAX_REFUSALS:
                    self._refusals.clear()
                self._refusals[place] = None
        _open(gates)

    def leave(self, shared: Shared) -> None:
        """Let go of a connection; the last one closes it."""
        with self._lock:
            shared.users -= 1
            last = shared.users == 0
            if last and self._shared.get(shared.place) is shared:
                del self._shared[shared.place]
        if last:
            shared.pump.close()

    def _forget(self, shared: Shared) -> None:
        with self._lock:
            if self._shared.get(shared.place) is shared:
                del self._shared[shared.place]

    def _inherit(self) -> None:
        """In the child of a fork: the connections are the parent's, and who dialled is not here."""
        self._lock = allocate_lock()
        self._shared.clear()


def _open(gates: list[LockType]) -> None:
    for gate in gates:
        gate.release()


# For the child of a fork, in which no thread is left that could finish what it was doing here.
_alive: WeakSet[Pool] = WeakSet()


def _drop_inherited() -> None:
    for pool in list(_alive):
        pool._inherit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_inherited)
