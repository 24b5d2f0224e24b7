"""The orders in which a few threads can take their steps, played one after the other.

One thread runs at a time, and at each step that another one could notice (before it takes a lock,
after it has let go of one, before it waits, reads or writes) a scheduler decides who goes on. A run
is a list of these decisions, so it can be repeated exactly; ``explore`` plays all those that pass
over somebody no more than so many times, as most bugs of this kind need it once or twice. The
clock is the scheduler's as well: time passes when nobody can go on, and where a scenario says so.
Hence "for ever" is seen at once, and what passes has passed in every one of these orders.

``Stage`` is a pump on such a scheduler, with the protocol of ``gated`` and a socket in memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any

from hyper.common.exchange import Exchange
from hyper.sync import guarded
from hyper.sync import pump as pump_module
from hyper.sync.pump import Pump

from .bytecodes import listening
from .gated import Lines, ended

__all__ = ["Scheduler", "Stage", "explore"]

#: Steps of one run at most; the longest that end take some hundreds.
MAX_STEPS = 5000
#: Seconds that a run may take on the scheduler's clock, unless somebody's deadline is later.
MAX_TIME = 2.0

OURS = {pump_module.__file__, guarded.__file__}


class _GivenUp(BaseException):
    """Ends the threads of a run that has failed already."""


class Lost(AssertionError):
    """Somebody waits for what never comes."""


class Actor:
    """A thread whose steps are the scheduler's to allow."""

    def __init__(self, scheduler: Scheduler, name: str, work: Callable[[], Any]) -> None:
        self.scheduler = scheduler
        self.name = name
        self.work = work
        self.baton = threading.Lock()
        self.baton.acquire()
        self.ready: Callable[[], object] | None = None
        self.deadline: float | None = None
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.baton.acquire()
        try:
            if self.scheduler.every_opcode:
                with listening(self._hear, OURS):
                    self.result = self.work()
            else:
                self.result = self.work()
        except _GivenUp:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.done = True
            self.scheduler.leave()

    def _hear(self, what: str, frame: FrameType, offset: int, callee: Any) -> None:
        if what == "instruction":
            self.scheduler.step()


class Scheduler:
    """Who goes on, by a list of choices; once that is used up, whoever went on before.

    choices  how many of those who could go on are passed over, decision by decision
    taken    the same, of the whole run
    options  how many could go on each time
    now      seconds on the clock
    """

    def __init__(self, choices: list[int], *, every_opcode: bool = False) -> None:
        self.choices = choices
        self.every_opcode = every_opcode
        self.taken: list[int] = []
        self.options: list[int] = []
        self.now = 1000.0
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.trouble: BaseException | None = None
        self.over = threading.Event()

    def clock(self) -> float:
        return self.now

    def act(self, name: str, work: Callable[[], Any]) -> Actor:
        actor = Actor(self, name, work)
        self.actors.append(actor)
        return actor

    def run(self) -> None:
        """Let everybody come to an end; raises what went wrong."""
        self._go(self._next())
        if not self.over.wait(60):
            raise Lost("a thread waits for something that the scheduler does not know")
        for actor in self.actors:
            actor.thread.join(10)
        if self.trouble is not None:
            raise self.trouble
        for actor in self.actors:
            if actor.error is not None:
                raise actor.error

    def step(
        self, ready: Callable[[], object] | None = None, deadline: float | None = None
    ) -> bool:
        """Let others go first, if so decided; return once ready, False if it got too late."""
        me = self.current
        if me is None:
            # A scenario is being set up, by nobody who could lose a turn.
            return True
        if self.trouble is not None:
            raise _GivenUp
        me.ready, me.deadline = ready, deadline
        chosen = self._next()
        if chosen is not me:
            self._go(chosen)
            me.baton.acquire()
        if self.trouble is not None:
            raise _GivenUp
        me.ready = me.deadline = None
        return ready is None or bool(ready())

    def leave(self) -> None:
        self._go(self._next())

    def _go(self, actor: Actor | None) -> None:
        self.current = actor
        if actor is None:
            self.over.set()
        else:
            actor.baton.release()

    def _next(self) -> Actor | None:
        """Who goes on: one of those who can, by the next choice."""
        try:
            able = self._able()
        except AssertionError as error:
            self.trouble = error
        if self.trouble is not None:
            # Everybody else is to end as well, one after the other.
            left = [actor for actor in self.actors if not actor.done]
            return left[0] if left else None
        if not able:
            return None
        at = len(self.taken)
        choice = self.choices[at] if at < len(self.choices) else 0
        self.options.append(len(able))
        self.taken.append(choice)
        return able[choice]

    def _able(self) -> list[Actor]:
        """Those who can go on; first of all whoever does."""
        if len(self.taken) > MAX_STEPS:
            raise Lost("this goes round in circles")
        while True:
            alive = [actor for actor in self.actors if not actor.done]
            able = [
                actor
                for actor in alive
                if actor.ready is None
                or (actor.deadline is not None and actor.deadline <= self.now)
                or actor.ready()
            ]
            if able or not alive:
                able.sort(key=lambda actor: actor is not self.current)
                return able
            waiting = [actor.deadline for actor in alive if actor.deadline is not None]
            if not waiting:
                raise Lost("for ever: " + ", ".join(actor.name for actor in alive))
            self.now = max(self.now, min(waiting))

    def lock(self) -> VirtualLock:
        return VirtualLock(self)


class VirtualLock:
    """A lock whose waiting is the scheduler's."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.owner: Actor | None = None
        self.held = False
        self.used = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        scheduler = self.scheduler
        if self.used:
            deadline = None if timeout < 0 else scheduler.now + timeout
            if not scheduler.step(lambda: not self.held, deadline):
                return False
        # A lock just made is nobody else's business yet.
        self.used = True
        assert not self.held
        self.held = True
        self.owner = scheduler.current
        return True

    def release(self) -> None:
        if not self.held:
            raise RuntimeError("release unlocked lock")
        self.held = False
        self.owner = None
        if self.scheduler.trouble is None:
            self.scheduler.step()

    def locked(self) -> bool:
        """Whether it stays held, for whoever asks more than once: others leave it soon."""
        if self.held and not self.mine:
            self.scheduler.step(lambda: not self.held)
        return self.held

    @property
    def mine(self) -> bool:
        return self.held and self.owner is self.scheduler.current

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()


class Socket:
    """A transport in memory, where every call that matters is a step."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.lock: VirtualLock
        self.inbox: deque[bytes | BaseException] = deque()
        self.written = bytearray()
        self.backlog = bytearray()
        self.full = False
        self.closed = False
        self.finished = False
        self.write_error: BaseException | None = None
        self.writing = 0
        self.reading = 0
        self.alpn = "h2"
        self.more = False
        self.truncated = False

    @property
    def unsent(self) -> int:
        return len(self.backlog)

    def read(self) -> bytes | None:
        self.reading += 1
        assert self.reading == 1, "two readers"
        if not self.lock.mine:
            self.scheduler.step()
        self.reading -= 1
        if self.closed or self.finished:
            return b""
        if not self.inbox:
            return None
        piece = self.inbox.popleft()
        if isinstance(piece, BaseException):
            raise piece
        return piece

    def write(self, data: bytes) -> None:
        self.writing += 1
        assert self.writing == 1, "two writers"
        if not self.lock.mine:
            self.scheduler.step()
        self.writing -= 1
        self._check()
        self.backlog += data
        self._send()

    def flush(self) -> bool:
        assert self.lock.mine, "flush without the lock"
        assert not self.writing, "flushed while somebody writes"
        self._check()
        self._send()
        return not self.backlog

    def _check(self) -> None:
        if self.closed:
            raise ConnectionAbortedError("this connection has been closed")
        if self.write_error is not None:
            raise self.write_error

    def _send(self) -> None:
        if not self.full:
            self.inbox += [b"here\n"] * self.backlog.count(b"rouse\n")
            self.written += self.backlog
            self.backlog.clear()

    def finish(self) -> None:
        assert self.lock.mine
        assert not self.writing, "finished while somebody writes"
        if self.write_error is None and not self.closed:
            self._send()
        self.finished = True

    def close(self) -> None:
        self.closed = True

    def linger(self) -> None:
        assert not self.lock.mine, "lingered with the lock"
        self.scheduler.step()
        self.close()

    def wait_readable(self, deadline: float | None) -> bool:
        return self._sit(deadline, lambda: self.inbox)

    def wait_writable(self, deadline: float | None, *, or_readable: bool) -> bool:
        return self._sit(deadline, lambda: not self.full or (or_readable and self.inbox))

    def _sit(self, deadline: float | None, there: Callable[[], object]) -> bool:
        assert not self.lock.mine, "waited with the lock"
        return self.scheduler.step(lambda: there() or self.closed or self.finished, deadline)


class Forgiving(Lines):
    """Drops what comes for a request that was given up, and has the peer speak when roused."""

    def rouse(self) -> None:
        assert self.lock.mine
        self._say("rouse")

    def _receive(self, word: str, number: str = "0", what: str = "") -> list[Exchange]:
        if word == "here" or (number != "0" and int(number) not in self.open):
            return []
        return super()._receive(word, number, what)


class Stage:
    """A pump whose threads are actors; what they wait for is held against what they got."""

    def __init__(self, scheduler: Scheduler, slots: int) -> None:
        self.scheduler = scheduler
        self.socket = Socket(scheduler)
        self.protocol = Forgiving(None, slots)  # type: ignore[arg-type]
        transport: Any = self.socket
        self.pump = Pump(self.protocol, transport)
        lock: Any = self.pump._lock
        self.lock: VirtualLock = lock
        self.protocol.lock = lock
        self.socket.lock = lock
        self.latest = 0.0
        self.waits: list[tuple[Exchange, bool, float | None]] = []

    def request(self) -> Exchange:
        return self.pump.request(b"GET", b"https", b"example.org", b"/", (), True)

    def wait(
        self,
        exchange: Exchange,
        timeout: float | None = None,
        ready: Callable[[Exchange], bool] = ended,
    ) -> bool:
        deadline = None if timeout is None else self.scheduler.now + timeout
        if deadline is not None:
            self.latest = max(self.latest, deadline)
        came = self.pump.wait(exchange, ready, deadline)
        with self.lock:
            assert came is False or ready(exchange), "came back for nothing"
        if came is False:
            assert deadline is not None and self.scheduler.now >= deadline, "gave up too early"
        return came

    def thread(self, name: str, work: Callable[[], Any]) -> Actor:
        return self.scheduler.act(name, work)

    def waiting(self, exchange: Exchange, timeout: float | None = None) -> Actor:
        return self.thread(f"waits for {exchange.id}", lambda: self.wait(exchange, timeout))

    def asking(self) -> Actor:
        """A thread that sends a request of its own and waits for the answer."""

        def work() -> Exchange:
            exchange = self.request()
            self.wait(exchange)
            return exchange

        return self.thread("asks", work)

    def peer(self, *says: str | bytes | BaseException | Callable[[], object]) -> Actor:
        """What happens outside, in this order: lines, an end of file (b""), or anything else.

        A line about a request is not said before that has been written.
        """

        def work() -> None:
            for each in says:
                if callable(each):
                    self.scheduler.step()
                    each()
                elif isinstance(each, str):
                    if self._heard(*each.split()[1:2]):
                        self.socket.inbox.append(each.encode() + b"\n")
                else:
                    self.scheduler.step()
                    self.socket.inbox.append(each)

        return self.thread("the peer", work)

    def _heard(self, number: str = "") -> bool:
        """Wait until the request has been written; False if it never will be."""
        asked = f"request {number}\n".encode() if number else b""
        self.scheduler.step(lambda: asked in self.socket.written or self.deaf)
        return asked in self.socket.written

    @property
    def deaf(self) -> bool:
        """Nothing of this connection will be written any more."""
        return self.socket.closed or self.socket.finished or self.pump.over is not None

    def passes(self, seconds: float) -> Callable[[], None]:
        """Time, as something that happens."""

        def passing() -> None:
            self.scheduler.now += seconds

        return passing

    @property
    def written(self) -> list[str]:
        return self.socket.written.decode().splitlines()

    def check(self) -> None:
        """What holds after every run: nobody leads, nobody follows, nothing is left undone."""
        pump = self.pump
        if pump.over is not None and isinstance(pump.over.__cause__, AssertionError):
            raise pump.over.__cause__
        assert pump._leader is None, "somebody still leads"
        assert not pump._followers, "somebody still follows"
        assert pump._writer is None, "somebody still writes"
        assert not pump._next, "octets were handed out and not written"
        assert not pump._lock.locked() and not pump._intake.locked(), "a lock is held"
        assert self.scheduler.now <= max(self.latest, 1000.0) + MAX_TIME, "it took too long"
        asked = [int(line.split()[1]) for line in self.written if line.startswith("request")]
        assert asked == sorted(set(asked)), "requests are out of order, or sent twice"
        if pump.over is not None:
            assert pump._parting is False, "nobody has parted with the peer"
            assert self.socket.closed, "the socket is left open"


Scenario = Callable[[Stage], Callable[[], object] | None]


@contextmanager
def virtual(scheduler: Scheduler) -> Iterator[None]:
    """The pump's locks and its clock are the scheduler's."""
    before = [(module, module.__dict__.copy()) for module in (guarded, pump_module)]
    for module in (guarded, pump_module):
        for name, value in (("allocate_lock", scheduler.lock), ("monotonic", scheduler.clock)):
            if hasattr(module, name):
                setattr(module, name, value)
    try:
        yield
    finally:
        for module, names in before:
            for name in ("allocate_lock", "monotonic"):
                if name in names:
                    setattr(module, name, names[name])


def play(scenario: Scenario, choices: list[int], *, slots: int, every_opcode: bool) -> Scheduler:
    """One run. The scenario starts actors, and may return what to check at the end."""
    scheduler = Scheduler(choices, every_opcode=every_opcode)
    with virtual(scheduler):
        stage = Stage(scheduler, slots)
        check = scenario(stage)
        scheduler.run()
        scheduler.current = None
        stage.check()
        if check is not None:
            check()
    return scheduler


def explore(
    scenario: Scenario,
    *,
    delays: int,
    most: int,
    slots: int = 1000,
    every_opcode: bool = False,
) -> int:
    """Play a scenario in every order with so many delays; return how many orders there were.

    A delay is that one is passed over who could go on. Orders with fewer delays come first; if
    there are more than ``most``, the rest of them is a sample, always the same.
    """
    runs = 0
    dice = Random(0)
    todo: list[list[list[int]]] = [[[]], *([] for _ in range(delays))]
    while runs < most:
        spent = next((cost for cost, orders in enumerate(todo) if orders), None)
        if spent is None:
            break
        orders = todo[spent]
        at = dice.randrange(len(orders))
        orders[at], orders[-1] = orders[-1], orders[at]
        prefix = orders.pop()
        try:
            scheduler = play(scenario, prefix, slots=slots, every_opcode=every_opcode)
        except BaseException as error:
            error.add_note(f"in the order {prefix}, run {runs + 1}")
            raise
        runs += 1
        for at in range(len(prefix), len(scheduler.options)):
            for passed in range(1, min(scheduler.options[at], delays - spent + 1)):
                todo[spent + passed].append([*scheduler.taken[:at], passed])
    return runs
