"""A pump whose world a test controls step by step: what arrives, who may write, who sits where.

``Gated`` is a transport without a socket: octets arrive when the test says so, and the test can
wait until a certain number of threads sit in a wait. ``Lines`` is a protocol that a reader sees
through at a glance: lines of text. ``checked`` puts both behind a pump whose lock knows its owner,
so that every test also proves rule 1: nobody waits with the lock, nobody acts without it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hyper.common.exceptions import own_copy
from hyper.common.exchange import Exchange
from hyper.common.protocol import Protocol
from hyper.http20.exceptions import ConnectionError, HTTP20Error
from hyper.sync.pump import Pump

__all__ = ["CheckedLock", "Gated", "Lines", "Thread", "checked", "ended", "eventually"]

#: Seconds that anything in these tests may take at most.
PATIENCE = 10.0


def ended(exchange: Exchange) -> bool:
    return exchange.ended or exchange.error is not None


def eventually(what: Callable[[], object]) -> None:
    """Wait until something has become true; it never takes long."""
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, "this never came true"
        time.sleep(0.0005)


class CheckedLock:
    """A lock that knows who holds it and counts how often each thread took it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.owner = 0
        self.taken: dict[int, int] = {}

    def __enter__(self) -> None:
        self.lock.acquire()
        self.owner = threading.get_ident()
        self.taken[self.owner] = self.taken.get(self.owner, 0) + 1

    def __exit__(self, *exc_info: object) -> None:
        self.owner = 0
        self.lock.release()

    def locked(self) -> bool:
        return self.lock.locked()

    @property
    def mine(self) -> bool:
        return self.owner == threading.get_ident()


class Thread(threading.Thread):
    """A thread whose outcome is kept: ``result`` or ``error``."""

    def __init__(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(daemon=True)
        self.work = (target, args, kwargs)
        self.result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        target, args, kwargs = self.work
        try:
            self.result = target(*args, **kwargs)
        except BaseException as error:
            self.error = error

    def finish(self) -> Any:
        """Wait for the end; return the result or raise the error."""
        self.join(PATIENCE)
        assert not self.is_alive(), "this thread hangs"
        if self.error is not None:
            raise self.error
        return self.result


class Gated:
    """A transport in memory. Whatever blocks here, blocks until the test lets it go.

    full     the socket takes nothing
    sitting  what the threads inside a wait wait for: "read", "write" or "both"
    writing  somebody is in ``write`` or ``flush``
    hold     a write without the lock does not return
    takes    octets that such a write gets rid of
    sends    how often it was called
    """

    def __init__(self, lock: CheckedLock, intake: CheckedLock) -> None:
        self.lock = lock
        self.intake = intake
        self.turn = threading.Condition()
        self.inbox: deque[bytes | BaseException] = deque()
        self.written = bytearray()
        self.backlog = bytearray()
        self.full = False
        self.closed = False
        self.finished = False
        self.lingered = 0
        self.sitting: list[str] = []
        self.interrupts: dict[int, BaseException] = {}
        self.write_error: BaseException | None = None
        self.writing = False
        self.hold = False
        self.hold_reads = False
        self.reading = False
        self.takes = 1 << 30
        self.send_error: BaseException | None = None
        self.sends = 0
        self.alpn = "h2"

    # What a test does.

    def arrive(self, *pieces: bytes | BaseException) -> None:
        with self.turn:
            self.inbox += pieces
            self.turn.notify_all()

    def drain(self) -> None:
        """The socket takes octets again."""
        with self.turn:
            self.full = False
            self.turn.notify_all()

    def release(self) -> None:
        """Writes and reads return again."""
        with self.turn:
            self.hold = self.hold_reads = False
            self.turn.notify_all()

    def interrupt(self, thread: threading.Thread, error: BaseException) -> None:
        """Raise out of the wait that ``thread`` sits in, as a signal does."""
        assert thread.ident is not None
        with self.turn:
            self.interrupts[thread.ident] = error
            self.turn.notify_all()

    def wait_until(self, *sitting: str) -> None:
        eventually(lambda: sorted(self.sitting) == sorted(sitting))

    # What a pump does.

    @property
    def unsent(self) -> int:
        return len(self.backlog)

    @property
    def more(self) -> bool:
        return False

    def read(self) -> bytes | None:
        assert self.intake.mine, "read by one who may not"
        with self.turn:
            if self.closed or self.finished:
                return b""
            if not self.inbox:
                return None
            piece = self.inbox.popleft()
            self.reading = True
            while self.hold_reads:
                assert not self.lock.mine, "held up with the lock"
                self.turn.wait(PATIENCE)
            self.reading = False
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def write(self, data: bytes) -> None:
        assert not self.writing, "two writers"
        if self.write_error is not None:
            raise self.write_error
        if self.lock.mine:
            self.backlog += data
            self.flush()
            return
        me = threading.get_ident()
        with self.turn:
            self.writing = True
            self.sends += 1
            while self.hold:
                self.turn.wait(PATIENCE)
            self.writing = False
        if me in self.interrupts:
            raise self.interrupts.pop(me)
        if self.send_error is not None:
            raise self.send_error
        size = 0 if self.full and self.takes > len(data) else min(len(data), self.takes)
        self.written += data[:size]
        self.backlog += data[size:]

    def flush(self) -> bool:
        assert self.lock.mine, "flush without the lock"
        assert not self.writing, "flushed while somebody writes"
        if self.write_error is not None:
            raise self.write_error
        if self.full:
            return not self.backlog
        self.written += self.backlog
        self.backlog.clear()
        return True

    def finish(self) -> None:
        assert self.lock.mine
        assert not self.writing, "finished while somebody writes"
        if self.write_error is None:
            self.flush()
        with self.turn:
            self.finished = True
            self.turn.notify_all()

    def close(self) -> None:
        with self.turn:
            self.closed = True
            self.turn.notify_all()

    def linger(self) -> None:
        assert not self.lock.mine, "lingered with the lock"
        self.lingered += 1
        self.close()

    def wait_readable(self, deadline: float | None) -> bool:
        return self._sit("read", deadline, lambda: bool(self.inbox))

    def wait_writable(self, deadline: float | None, *, or_readable: bool) -> bool:
        if or_readable:
            return self._sit("both", deadline, lambda: bool(self.inbox) or not self.full)
        return self._sit("write", deadline, lambda: not self.full)

    def _sit(self, what: str, deadline: float | None, there: Callable[[], bool]) -> bool:
        assert not self.lock.mine, "waited with the lock"
        me = threading.get_ident()
        with self.turn:
            self.sitting.append(what)
            try:
                while not (there() or self.closed or self.finished):
                    if me in self.interrupts:
                        raise self.interrupts.pop(me)
                    left = PATIENCE if deadline is None else deadline - time.monotonic()
                    if left <= 0:
                        return False
                    assert self.turn.wait(left) or deadline is not None, "waited for ever"
                return True
            finally:
                self.sitting.remove(what)


class Lines(Protocol):
    """Requests and answers as lines: ``head 1``, ``data 1 x``, ``end 1``, ``room 1 5``,
    ``reset 1``, ``what`` (which says nothing), ``goodbye``, ``broken`` (a connection error),
    ``ping`` (to be answered), ``bug`` (an exception that should not be).
    """

    def __init__(self, lock: CheckedLock, slots: int = 1000) -> None:
        self.lock = lock
        self.accepting = True
        self.closed = False
        self.open: dict[int, Exchange] = {}
        self.queue: deque[Exchange] = deque()
        self.rooms: dict[int, int] = {}
        self.outgoing: list[bytes | memoryview] = []
        self.slots = slots
        self.next_id = 1
        self.pulls = 0
        self.trouble: BaseException | None = None  # what request() is to raise

    @property
    def idle(self) -> bool:
        return not self.open and not self.queue

    def request(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        end: bool,
        never_index: Container[bytes] = (),
    ) -> Exchange:
        assert self.lock.mine
        if self.trouble is not None:
            raise self.trouble
        if not self.accepting:
            raise ConnectionError("takes no new requests", retryable=True)
        exchange = Exchange()
        exchange.id = self.next_id
        self.next_id += 2
        if len(self.open) < self.slots:
            self._open(exchange)
        else:
            exchange.opened = False
            self.queue.append(exchange)
        return exchange

    def _open(self, exchange: Exchange) -> None:
        assert exchange.id is not None
        exchange.opened = True
        self.open[exchange.id] = exchange
        self.rooms[exchange.id] = 0
        self._say(f"request {exchange.id}")

    def _say(self, line: str) -> None:
        self.outgoing.append(line.encode())

    def room(self, exchange: Exchange) -> int:
        assert self.lock.mine
        assert exchange.id is not None
        return self.rooms.get(exchange.id, 0)

    def send_body(
        self,
        exchange: Exchange,
        data: bytes | memoryview,
        *,
        end: bool,
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> int:
        assert self.lock.mine
        if exchange.error is not None:
            raise own_copy(exchange.error)
        assert exchange.id is not None
        taken = min(len(data), self.rooms.get(exchange.id, 0))
        if taken:
            self.rooms[exchange.id] -= taken
            self._say(f"body {exchange.id} {bytes(data[:taken]).decode()}")
        return taken

    def widen(self, exchange: Exchange, size: int) -> None:
        assert self.lock.mine
        self._say(f"widen {exchange.id} {size}")

    def cancel(self, exchange: Exchange) -> list[Exchange]:
        assert self.lock.mine
        assert exchange.id is not None
        if not exchange.ended and exchange.error is None:
            exchange.error = HTTP20Error(f"{exchange.id} was cancelled")
        self._say(f"cancel {exchange.id}")
        return self._close(exchange)

    def _close(self, exchange: Exchange) -> list[Exchange]:
        assert exchange.id is not None
        self.open.pop(exchange.id, None)
        moved = []
        while self.queue and len(self.open) < self.slots:
            moved.append(self.queue.popleft())
            self._open(moved[-1])
        return moved

    def close(self) -> None:
        assert self.lock.mine
        self.accepting = False
        self._say("goodbye")

    def rouse(self) -> None:
        assert self.lock.mine
        self._say("look up")

    def data_to_send(self) -> bytes:
        assert self.lock.mine
        if not self.outgoing:
            return b""
        self.pulls += 1
        data = b"".join(bytes(line) + b"\n" for line in self.outgoing)
        self.outgoing.clear()
        return data

    def receive_data(self, data: bytes) -> list[Exchange]:
        assert self.lock.mine
        moved: list[Exchange] = []
        for line in data.decode().splitlines():
            moved += self._receive(*line.split())
        return moved

    def _receive(self, word: str, number: str = "0", what: str = "") -> list[Exchange]:
        if word == "bug":
            raise ZeroDivisionError("a bug")
        if word == "ping":
            self._say("pong")
            return []
        if word == "what":
            return []
        if word == "goodbye":
            self.accepting = False
            return []
        if word == "broken":
            moved = self.connection_lost(HTTP20Error("the peer broke the rules"))
            self._say("goodbye because of you")
            return moved
        exchange = self.open[int(number)]
        if word == "head":
            exchange.status = 200
            exchange.headers = []
        elif word == "data":
            exchange.chunks.append(what.encode())
        elif word == "room":
            self.rooms[int(number)] += int(what)
        elif word == "reset":
            exchange.error = HTTP20Error(f"{number} was reset")
            return [exchange, *self._close(exchange)]
        else:
            assert word == "end", word
            exchange.ended = True
            return [exchange, *self._close(exchange)]
        return [exchange]

    def connection_lost(self, error: BaseException | None) -> list[Exchange]:
        assert self.lock.mine
        if self.closed:
            return []
        self.accepting = False
        self.closed = True
        self.outgoing.clear()
        moved = [*self.open.values(), *self.queue]
        for exchange in moved:
            if not exchange.ended and exchange.error is None:
                exchange.error = error or ConnectionError("the peer is gone")
        self.open.clear()
        self.queue.clear()
        return moved


class Scene:
    """A pump, its transport and its protocol, and short words for what tests do all the time."""

    def __init__(self, slots: int = 1000, trace: Any = None) -> None:
        self.lock = CheckedLock()
        self.intake = CheckedLock()
        self.transport = Gated(self.lock, self.intake)
        self.protocol = Lines(self.lock, slots)
        transport: Any = self.transport
        self.pump = Pump(self.protocol, transport, trace=trace)
        lock: Any = self.lock
        intake: Any = self.intake
        self.pump._lock = lock
        self.pump._intake = intake

    def request(self) -> Exchange:
        return self.pump.request(b"GET", b"https", b"example.org", b"/", (), True)

    def wait(
        self,
        exchange: Exchange,
        timeout: float | None = None,
        ready: Callable[[Exchange], bool] = ended,
    ) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        return self.pump.wait(exchange, ready, deadline)

    def waiting(self, exchange: Exchange, timeout: float | None = None) -> Thread:
        """A thread that leads, if nobody does so far, or follows; returned once it sits."""
        before = len(self.pump._followers), len(self.transport.sitting)
        thread = Thread(self.wait, exchange, timeout)
        eventually(lambda: (len(self.pump._followers), len(self.transport.sitting)) != before)
        return thread

    @property
    def written(self) -> list[str]:
        return self.transport.written.decode().splitlines()


@contextmanager
def checked(slots: int = 1000, trace: Any = None) -> Iterator[Scene]:
    """A scene; at its end nobody may be left waiting, leading, or holding the lock."""
    scene = Scene(slots, trace)
    yield scene
    eventually(lambda: not scene.transport.sitting)
    assert scene.pump._leader is None
    assert not scene.pump._followers
    assert not scene.lock.lock.locked()
