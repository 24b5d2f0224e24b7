"""Whose turn it is, step by step: the rules of ``sync/pump.py``, one after the other.

Each test decides what arrives and when; nothing here is left to chance. That nobody waits with
the lock and nobody acts without it (rule 1) is asserted in every step, by ``gated``.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from hyper.common.exchange import Exchange
from hyper.http20.exceptions import ConnectionError, HTTP20Error
from hyper.sync import pump as pump_module

from .gated import Scene, Thread, checked, ended, eventually


def test_one_thread_reads_for_itself() -> None:
    with checked() as scene:
        exchange = scene.request()
        assert scene.written == ["request 1"]
        thread = scene.waiting(exchange)
        assert scene.transport.sitting == ["read"]
        scene.transport.arrive(b"head 1\n")
        scene.transport.arrive(b"end 1\n")
        assert thread.finish() is True
        assert exchange.status == 200


def test_an_answer_that_is_there_needs_no_reading() -> None:
    with checked() as scene:
        exchange = scene.request()
        exchange.ended = True
        assert scene.wait(exchange)
        assert scene.transport.sitting == []


def test_nobody_waits_with_the_lock_or_acts_without_it() -> None:
    """Rule 1; and these checks themselves fail where they should."""
    with checked() as scene:
        with scene.lock, pytest.raises(AssertionError, match="waited with the lock"):
            scene.transport.wait_readable(None)
        with pytest.raises(AssertionError, match="read by one who may not"):
            scene.transport.read()
        first, second = scene.request(), scene.request()
        threads = [scene.waiting(first), scene.waiting(second)]
        assert not scene.lock.lock.locked()
        scene.transport.arrive(b"end 1\nend 3\n")
        assert [thread.finish() for thread in threads] == [True, True]


# Rule 2: if anyone waits, someone reads.


def test_a_leader_that_was_answered_hands_over_to_the_oldest_follower() -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(3)]
        threads = [scene.waiting(exchange) for exchange in exchanges]
        scene.transport.arrive(b"end 1\n")
        threads[0].finish()
        scene.transport.wait_until("read")
        assert scene.pump._leader is not None
        assert scene.pump._leader.exchange is exchanges[1]
        scene.transport.arrive(b"end 3\n")
        threads[1].finish()
        scene.transport.wait_until("read")
        scene.transport.arrive(b"end 5\n")
        threads[2].finish()


def test_a_leader_whose_time_is_up_hands_over() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first, timeout=0.05)
        follower = scene.waiting(second)
        assert leader.finish() is False
        scene.transport.wait_until("read")
        scene.transport.arrive(b"end 3\n")
        assert follower.finish() is True


def test_a_busy_leader_whose_time_is_up_hands_over_as_well() -> None:
    """A leader that always finds something to read for others must look at the clock, too."""
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first, timeout=0.1)
        follower = scene.waiting(second)
        start = time.monotonic()
        while leader.is_alive() and time.monotonic() < start + 5:
            scene.transport.arrive(b"ping\n")
        assert leader.finish() is False
        assert time.monotonic() - start < 4
        scene.transport.arrive(b"end 3\n")
        assert follower.finish() is True


def test_an_interrupted_leader_hands_over() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        follower = scene.waiting(second)
        scene.transport.interrupt(leader, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            leader.finish()
        scene.transport.wait_until("read")
        scene.transport.arrive(b"end 3\n")
        assert follower.finish() is True


def test_a_thread_that_comes_while_the_lead_is_handed_over_follows() -> None:
    """The heir leads from the moment it is named, not from the moment it wakes."""
    with checked() as scene:
        first, second = scene.request(), scene.request()
        third = scene.request()
        leader, follower = scene.waiting(first), scene.waiting(second)
        scene.transport.arrive(b"end 1\n")
        leader.finish()
        late = scene.waiting(third)
        scene.transport.wait_until("read")
        scene.transport.arrive(b"end 3\nend 5\n")
        assert follower.finish() and late.finish()


def test_an_heir_whose_answer_came_meanwhile_hands_over_all_the_same() -> None:
    with checked() as scene:
        first, second, third = (scene.request() for _ in range(3))
        leader, heir, last = (scene.waiting(each) for each in (first, second, third))
        # The leader takes in its own answer only. The heir's stands in the exchange before the
        # heir has come to itself.
        scene.transport.arrive(b"end 1\n")
        second.ended = True
        leader.finish()
        assert heir.finish() is True
        scene.transport.wait_until("read")
        scene.transport.arrive(b"end 5\n")
        assert last.finish() is True


# Rule 3: only those are woken whom it helps.


def test_only_the_follower_that_was_answered_wakes() -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(3)]
        threads = [scene.waiting(exchange) for exchange in exchanges]
        # Progress that is not what they wait for wakes nobody.
        scene.transport.arrive(b"head 3\nhead 5\ndata 5 x\n")
        eventually(lambda: exchanges[2].chunks)
        scene.transport.wait_until("read")
        assert len(scene.pump._followers) == 2
        scene.transport.arrive(b"end 5\n")
        assert threads[2].finish() is True
        assert len(scene.pump._followers) == 1
        scene.transport.arrive(b"end 1\nend 3\n")
        assert threads[0].finish() and threads[1].finish()


def test_a_follower_whose_answer_is_there_returns_without_the_lock() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader, follower = scene.waiting(first), scene.waiting(second)
        assert follower.ident is not None
        assert scene.lock.taken[follower.ident] == 1
        scene.transport.arrive(b"end 3\n")
        assert follower.finish() is True
        assert scene.lock.taken[follower.ident] == 1
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_two_threads_may_wait_for_one_exchange() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        twins = [scene.waiting(second), scene.waiting(second)]
        assert len(second.waiters) == 2
        scene.transport.arrive(b"end 3\n")
        assert [twin.finish() for twin in twins] == [True, True]
        scene.transport.arrive(b"end 1\n")
        leader.finish()
        assert not second.waiters


# Rule 4: a leader leads until its own answer is there.


def test_a_leader_goes_on_while_others_are_answered() -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(5)]
        threads = [scene.waiting(exchange) for exchange in exchanges]
        leader = scene.pump._leader
        for number in (3, 5, 7, 9):
            scene.transport.arrive(b"end %d\n" % number)
            threads[number // 2].finish()
            assert scene.pump._leader is leader
        scene.transport.arrive(b"end 1\n")
        threads[0].finish()


# Rule 5: deadlines belong to threads.


def test_a_follower_whose_time_is_up_disturbs_nobody() -> None:
    with checked() as scene:
        first, second, third = (scene.request() for _ in range(3))
        leader = scene.waiting(first)
        hasty = scene.waiting(second, timeout=0.02)
        patient = scene.waiting(third, timeout=60)
        assert hasty.finish() is False
        scene.pump.cancel(second)
        assert scene.written[-1] == "cancel 3"
        scene.transport.arrive(b"end 5\nend 1\n")
        assert patient.finish() and leader.finish()


def test_an_answer_at_the_last_moment_counts() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        hasty = scene.waiting(second, timeout=0.05)
        with scene.lock:
            # Its time runs out while somebody else has the lock; then the answer is there.
            time.sleep(0.1)
            second.ended = True
        assert hasty.finish() is True
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_a_wait_that_has_no_time_left_only_looks() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        assert scene.wait(first, timeout=-1) is False
        leader = scene.waiting(first)
        assert scene.wait(second, timeout=-1) is False
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_what_had_come_before_the_time_was_up_is_no_timeout_for_a_follower() -> None:
    """All of them were stopped, say, and who leads has not got round to reading."""
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        follower = scene.waiting(second, timeout=0.2)
        # Unnoticed by who sits there.
        scene.transport.inbox += [b"end 1\n", b"what\n", b"end 3\n"]
        assert follower.finish() is True
        # Nor would the leader learn of its own answer, which is not in the socket any more.
        assert "look up" in scene.written
        assert leader.is_alive()
        scene.transport.arrive(b"what\n")
        assert leader.finish() is True


def test_nor_for_who_leads_however_much_it_is() -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(5)]
        scene.transport.arrive(*(b"end %d\n" % number for number in (1, 3, 5, 7, 9)))
        assert scene.pump.wait(exchanges[-1], ended, time.monotonic() - 1)
        assert scene.pump._leader is None


def test_the_end_that_had_come_before_the_time_was_up_counts() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        follower = scene.waiting(second, timeout=0.2)
        scene.transport.inbox += [b"what\n", b""]
        assert follower.finish() is True
        assert isinstance(second.error, ConnectionError)
        assert leader.finish() is True


def test_a_peer_that_never_pauses_keeps_nobody_beyond_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pump_module, "LATE_READS", 3)
    with checked() as scene:
        exchange = scene.request()
        scene.transport.arrive(*[b"what\n"] * 10)
        assert not scene.pump.wait(exchange, ended, time.monotonic() - 1)
        assert len(scene.transport.inbox) == 6


class Alarm(Exception):
    """What a program raises to limit its own time."""


def alarm(number: int, frame: object) -> None:
    raise Alarm


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals of ours to raise")
@pytest.mark.parametrize("where", ["read", "receive_data", "write", "close"])
def test_what_a_signals_handler_raises_is_raised(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Exception mostly, and yet no failure of the connection's: it is meant for this thread."""
    before = signal.signal(signal.SIGUSR1, alarm)
    due = [True]

    def interrupted(real: Any, *arguments: Any) -> Any:
        if threading.current_thread() is threading.main_thread() and due:
            due.pop()
            signal.raise_signal(signal.SIGUSR1)
        return real(*arguments)

    try:
        with checked() as scene:
            first, second = scene.request(), scene.request()
            scene.transport.arrive(b"what\n")
            part: Any = scene.protocol if where == "receive_data" else scene.transport
            name = "read" if where == "close" else where
            monkeypatch.setattr(part, name, partial(interrupted, getattr(part, name)))
            with pytest.raises(Alarm):
                if where == "close":
                    scene.pump.close()
                elif where == "write":
                    scene.pump.call(scene.protocol.close)
                else:
                    scene.wait(first)
            assert not due
            # Half an action cannot be taken back.
            for exchange in (first, second):
                assert scene.wait(exchange)
                assert isinstance(exchange.error, ConnectionError)
                assert isinstance(exchange.error.__cause__, Alarm)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_deadline_beyond_what_a_lock_can_wait_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "TIMEOUT_MAX", 0.01)
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        follower = scene.waiting(second, timeout=60)
        time.sleep(0.05)
        assert follower.is_alive()
        scene.transport.arrive(b"end 3\nend 1\n")
        assert follower.finish() and leader.finish()


# Rule 6: failure is one fact.


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (b"", ConnectionError),
        (ConnectionResetError(104, "reset"), ConnectionResetError),
        (b"broken\n", HTTP20Error),
        (b"bug\n", ConnectionError),
    ],
    ids=["eof", "error", "protocol", "bug"],
)
def test_a_failure_reaches_everyone_who_waits(what: Any, kind: type[BaseException]) -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(3)]
        threads = [scene.waiting(exchange) for exchange in exchanges]
        scene.transport.arrive(what)
        assert [thread.finish() for thread in threads] == [True] * 3
        for exchange in exchanges:
            assert isinstance(exchange.error, kind)
        assert scene.transport.closed
        # And whoever comes later hears of it at once.
        late = Exchange()
        assert scene.wait(late) is True
        assert late.error is scene.pump.over
        with pytest.raises(ConnectionError, match="no new requests"):
            scene.request()


def test_a_failure_counts_even_when_the_time_is_up_as_well() -> None:
    """The error is what happened; that no answer came in time only follows from it."""
    with checked() as scene:
        exchange = scene.request()
        scene.transport.hold_reads = True
        leader = scene.waiting(exchange, timeout=0.05)
        scene.transport.arrive(ConnectionResetError(104, "reset"))
        eventually(lambda: scene.transport.reading)
        time.sleep(0.1)
        scene.transport.release()
        assert leader.finish() is True
        assert isinstance(exchange.error, ConnectionResetError)


def test_a_bug_is_named_as_the_cause() -> None:
    with checked() as scene:
        exchange = scene.request()
        scene.transport.arrive(b"bug\n")
        assert scene.wait(exchange)
        assert "ZeroDivisionError" in str(exchange.error)
        assert exchange.error is not None
        assert isinstance(exchange.error.__cause__, ZeroDivisionError)


def test_a_bug_in_the_protocols_end_leaves_nobody_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(2)]
        threads = [scene.waiting(exchange) for exchange in exchanges]

        def connection_lost(error: object) -> list[Exchange]:
            raise ZeroDivisionError

        monkeypatch.setattr(scene.protocol, "connection_lost", connection_lost)
        scene.transport.arrive(b"bug\n")
        assert [thread.finish() for thread in threads] == [True] * 2
        assert all(exchange.error is not None for exchange in exchanges)
        assert not scene.protocol.accepting


def test_our_goodbye_leaves_before_the_connection_is_closed() -> None:
    """RFC 9113 §5.4.1; and octets unread at a close would make the system destroy it."""
    with checked() as scene:
        exchange = scene.request()
        scene.transport.arrive(b"broken\n")
        assert scene.wait(exchange)
        assert scene.written[-1] == "goodbye because of you"
        assert scene.transport.lingered == 1


def test_an_interrupt_while_reading_costs_the_connection_but_nobody_hangs() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader, follower = scene.waiting(first), scene.waiting(second)
        scene.transport.arrive(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            leader.finish()
        assert follower.finish() is True
        # Nobody but the interrupted thread is to see a KeyboardInterrupt.
        assert isinstance(second.error, ConnectionError)
        assert isinstance(second.error.__cause__, KeyboardInterrupt)
        assert scene.transport.closed


# Rule 7: who writes sees it through.


def test_a_writer_waits_for_room_and_reads_meanwhile() -> None:
    with checked() as scene:
        scene.transport.full = True
        exchange = scene.request()
        assert scene.written == []
        writer = Thread(scene.pump.see_through, exchange, 60)
        scene.transport.wait_until("both")
        scene.transport.arrive(b"head 1\n")
        eventually(lambda: exchange.status)
        scene.transport.drain()
        assert writer.finish() is True
        assert scene.written == ["request 1"]


def test_a_writer_only_waits_for_room_while_somebody_reads() -> None:
    with checked() as scene:
        first = scene.request()
        leader = scene.waiting(first)
        scene.transport.full = True
        second = scene.request()
        writer = Thread(scene.pump.see_through, second, 60)
        scene.transport.wait_until("read", "write")
        scene.transport.drain()
        assert writer.finish() is True
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_a_writer_takes_over_reading_when_nobody_is_left_who_does() -> None:
    """Two peers that both write and do not read would wait for each other for ever."""
    with checked() as scene:
        first = scene.request()
        leader = scene.waiting(first)
        scene.transport.full = True
        second = scene.request()
        writer = Thread(scene.pump.see_through, second, None)
        scene.transport.wait_until("read", "write")
        scene.transport.arrive(b"end 1\n")
        leader.finish()
        scene.transport.wait_until("both")
        scene.transport.drain()
        assert writer.finish() is True


def test_a_leader_with_octets_unsent_waits_for_both() -> None:
    with checked() as scene:
        exchange = scene.request()
        scene.transport.full = True
        thread = scene.waiting(exchange)
        scene.transport.arrive(b"ping\n")
        scene.transport.wait_until("both")
        scene.transport.drain()
        eventually(lambda: scene.written[-1] == "pong")
        scene.transport.arrive(b"end 1\n")
        thread.finish()


def test_nothing_more_is_pulled_while_octets_wait_for_the_socket() -> None:
    """So what a peer makes us answer stays inside the protocol, where it is counted."""
    with checked() as scene:
        exchange = scene.request()
        scene.transport.full = True
        thread = scene.waiting(exchange)
        for _ in range(50):
            scene.transport.arrive(b"ping\n")
        eventually(lambda: len(scene.protocol.outgoing) == 49)
        assert scene.protocol.pulls == 2
        scene.transport.drain()
        eventually(lambda: scene.written.count("pong") == 50)
        scene.transport.arrive(b"end 1\n")
        thread.finish()


def test_a_writer_without_progress_gives_up() -> None:
    with checked() as scene:
        scene.transport.full = True
        exchange = scene.request()
        start = time.monotonic()
        assert scene.pump.see_through(exchange, 0.15) is False
        assert 0.1 < time.monotonic() - start < 5
        scene.transport.full = False


def test_a_writer_beside_a_leader_gives_up_as_well() -> None:
    with checked() as scene:
        leader = scene.waiting(scene.request())
        scene.transport.full = True
        assert scene.pump.see_through(scene.request(), 0.15) is False
        scene.transport.drain()
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_octets_that_leave_are_progress_for_a_writer() -> None:
    with checked() as scene:
        scene.transport.full = True
        exchange = scene.request()
        writer = Thread(scene.pump.see_through, exchange, 0.2)
        for _ in range(6):
            time.sleep(0.1)
            del scene.transport.backlog[0]
        assert writer.is_alive()
        scene.transport.drain()
        assert writer.finish() is True


def test_a_writer_does_not_wait_for_those_who_write_after_it() -> None:
    with checked() as scene:
        scene.transport.full = True
        first = scene.request()
        writer = Thread(scene.pump.see_through, first, 60)
        scene.transport.wait_until("both")
        for _ in range(3):
            # The socket takes what there is, and is full again at once.
            with scene.lock:
                scene.transport.full = False
                scene.transport.flush()
                scene.transport.full = True
                scene.protocol.outgoing.append(b"somebody else's")
                scene.pump._flush([])
        scene.transport.arrive(b"ping\n")
        assert writer.finish() is True
        scene.transport.full = False


def test_a_writer_whose_exchange_has_failed_does_not_wait() -> None:
    with checked() as scene:
        scene.transport.full = True
        exchange = scene.request()
        writer = Thread(scene.pump.see_through, exchange, 60)
        scene.transport.wait_until("both")
        scene.transport.arrive(b"reset 1\n")
        assert writer.finish() is True
        scene.transport.full = False


def test_a_write_that_fails_is_everybodys_failure_after_what_the_peer_said_last() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(first)
        follower = scene.waiting(second)
        with scene.transport.turn:
            # It said something and hung up. Nobody has read that yet when a write fails.
            scene.transport.inbox.append(b"head 3\nend 3\n")
            scene.transport.write_error = BrokenPipeError(32, "broken pipe")
        third = scene.request()
        assert isinstance(third.error, BrokenPipeError)
        assert leader.finish() and follower.finish()
        assert second.ended and second.error is None
        assert isinstance(first.error, BrokenPipeError)


# ... and while somebody sends, the others leave their octets to that one.


@contextmanager
def sending(scene: Scene) -> Iterator[tuple[Thread, Thread]]:
    """A leader that sits, and a thread whose send does not return before the block ends."""
    leader = scene.waiting(scene.request())
    # Only where others are about is it worth leaving the lock for a write.
    assert Thread(scene.wait, scene.request(), 0.001).finish() is False
    scene.transport.hold = True
    writer = Thread(scene.request)
    eventually(lambda: scene.transport.writing)
    yield leader, writer
    scene.transport.release()


def test_who_finds_somebody_sending_leaves_its_octets_to_that_one() -> None:
    with checked() as scene:
        with sending(scene) as (leader, writer):
            for number in (7, 9, 11):
                assert scene.request().id == number
            assert "request 7" not in scene.written
            before = scene.transport.sends
        assert writer.finish().id == 5
        assert scene.written[2:] == [f"request {number}" for number in (5, 7, 9, 11)]
        assert scene.transport.sends == before + 1, "one send for all three"
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_a_send_that_gets_rid_of_a_part_only_leaves_the_rest_in_order() -> None:
    with checked() as scene:
        with sending(scene) as (leader, writer):
            scene.transport.takes = 3
            scene.transport.full = True
            later = scene.request()
        writer.finish()
        assert bytes(scene.transport.written[-3:]) == b"req"
        assert bytes(scene.transport.backlog) == b"uest 5\n"
        seeing = Thread(scene.pump.see_through, later, 60)
        scene.transport.wait_until("read", "write")
        scene.transport.drain()
        assert seeing.finish() is True
        assert scene.written[2:] == ["request 5", "request 7"]
        scene.transport.arrive(b"end 1\n")
        leader.finish()


@pytest.mark.parametrize("error", [BrokenPipeError(32, "broken pipe"), KeyboardInterrupt()])
def test_a_send_that_fails_is_everybodys_failure(error: BaseException) -> None:
    with checked() as scene:
        with sending(scene) as (leader, writer):
            scene.transport.send_error = error
            exchange = scene.request()
        if isinstance(error, Exception):
            assert isinstance(writer.finish().error, BrokenPipeError)
        else:
            with pytest.raises(KeyboardInterrupt):
                writer.finish()
        assert leader.finish() is True
        assert exchange.error is scene.pump.over
        assert scene.transport.closed


def test_an_interrupt_while_it_looks_for_more_costs_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with checked() as scene:
        with sending(scene) as (leader, writer):
            interrupted = lambda: _raise(KeyboardInterrupt())  # noqa: E731
            monkeypatch.setattr(scene.protocol, "data_to_send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.finish()
        assert leader.finish() is True
        assert scene.transport.closed


def test_closing_while_somebody_sends_still_says_goodbye() -> None:
    with checked() as scene:
        with sending(scene) as (leader, writer):
            closer = Thread(scene.pump.close)
            closer.finish()
            assert not scene.transport.finished, "not in the midst of a send"
        assert leader.finish() is True
        writer.finish()
        assert scene.transport.lingered == 1
        assert scene.written[-1] == "goodbye"
        assert scene.transport.closed


def test_a_leader_does_not_rely_on_somebody_who_sends() -> None:
    """It might give up; then the leader has to notice that octets wait."""
    with checked() as scene:
        with sending(scene) as (leader, writer):
            scene.transport.arrive(b"ping\n")
            eventually(lambda: scene.protocol.outgoing == [b"pong"])
            scene.transport.wait_until("read")
            scene.transport.takes = 0
            scene.transport.full = True
        writer.finish()
        scene.transport.wait_until("both")
        scene.transport.drain()
        eventually(lambda: scene.written[-1] == "pong")
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_who_is_alone_sends_under_the_lock_as_it_is_cheaper() -> None:
    with checked() as scene:
        for number in (1, 3):
            exchange = scene.request()
            scene.transport.arrive(b"end %d\n" % number)
            assert scene.wait(exchange)
        assert scene.transport.sends == 0


def test_a_follower_does_not_rely_on_somebody_who_sends_either() -> None:
    """The leader sat down before; it knows nothing of the octets that found no room."""
    with checked() as scene:
        with sending(scene) as (leader, writer):
            follower = scene.waiting(scene.request())
            scene.transport.wait_until("read")
            scene.transport.takes = 0
            scene.transport.full = True
        writer.finish()
        scene.transport.wait_until("read")
        assert scene.written[2:] == []
        scene.transport.full = False  # and nobody is told
        eventually(lambda: scene.written[2:] == ["request 5", "request 7"])
        scene.transport.arrive(b"end 7\nend 1\n")
        assert follower.finish() and leader.finish()


# Who leads reads without the lock.


@contextmanager
def reading(scene: Scene, said: bytes) -> Iterator[Thread]:
    """A leader whose read, which brought something, does not return before the block ends."""
    leader = scene.waiting(scene.request())
    scene.transport.hold_reads = True
    scene.transport.arrive(said)
    eventually(lambda: scene.transport.reading)
    yield leader
    scene.transport.release()


def test_others_go_on_while_the_leader_reads() -> None:
    with checked() as scene:
        with reading(scene, b"end 1\n") as leader:
            assert scene.request().id == 3
            scene.protocol.outgoing.append(b"more")
            scene.pump.flush()
            assert scene.written == ["request 1", "request 3", "more"]
            follower = scene.waiting(scene.request())
            assert leader.is_alive()
        assert leader.finish() is True
        scene.transport.arrive(b"end 5\n")
        assert follower.finish() is True


def test_a_write_that_fails_while_the_leader_reads_comes_after_what_it_brought() -> None:
    with checked() as scene:
        with reading(scene, b"head 1\nend 1\n") as leader:
            scene.transport.inbox.append(b"data 3 x\n")
            scene.transport.write_error = BrokenPipeError(32, "broken pipe")
            failing = Thread(scene.request)
            eventually(lambda: scene.pump._broken is not None)
            assert scene.pump.over is None
        assert leader.finish() is True
        exchange = failing.finish()
        assert isinstance(exchange.error, BrokenPipeError)
        assert list(exchange.chunks) == [b"x"]
        assert isinstance(scene.pump.over, BrokenPipeError)


def test_closing_while_the_leader_reads_comes_after_what_it_brought() -> None:
    with checked() as scene:
        other = scene.request()
        with reading(scene, b"head 1\nend 1\n") as leader:
            closer = Thread(scene.pump.close)
            time.sleep(0.01)
            assert scene.pump.over is None
        assert leader.finish() is True
        closer.finish()
        assert other.ended and other.error is None
        assert scene.written[-1] == "goodbye"


def test_a_failure_while_the_leader_reads_drops_what_it_brought() -> None:
    """The protocol is not to be relied upon any more."""
    with checked() as scene:
        with reading(scene, b"end 1\n") as leader:
            scene.protocol.trouble = ZeroDivisionError("a bug")
            with pytest.raises(ZeroDivisionError):
                scene.request()
        assert leader.finish() is True
        assert isinstance(scene.pump.over, ConnectionError)


def test_an_idle_connection_is_not_read_from_while_somebody_reads() -> None:
    with checked() as scene:
        with reading(scene, b"ping\n") as leader:
            scene.transport.inbox.append(b"end 1\n")
            time.sleep(2 * pump_module.IDLE)
            scene.request()
            assert list(scene.transport.inbox) == [b"end 1\n"]
        assert leader.finish() is True


# Uploads wait for room like anybody else.


def test_an_upload_waits_for_room_and_others_may_take_it_first() -> None:
    with checked() as scene:
        first, upload = scene.request(), scene.request()
        leader = scene.waiting(first)
        assert scene.pump.send_body(upload, b"hello", False) == 0
        waiting = Thread(scene.wait, upload, None, scene.pump.has_room)
        eventually(lambda: len(scene.pump._followers) == 1)
        scene.transport.arrive(b"room 3 3\n")
        assert waiting.finish() is True
        assert scene.pump.send_body(upload, b"hello", False) == 3
        assert scene.written[-1] == "body 3 hel"
        scene.transport.arrive(b"end 3\nend 1\n")
        leader.finish()
        with scene.lock:
            assert scene.pump.has_room(upload), "there will never be any: do not wait for it"


def test_a_queued_request_leaves_when_another_is_cancelled() -> None:
    with checked(slots=1) as scene:
        first, second, third = (scene.request() for _ in range(3))
        assert scene.written == ["request 1"]
        leader = scene.waiting(first)
        queued = Thread(scene.wait, second, None, lambda exchange: exchange.opened)
        eventually(lambda: len(scene.pump._followers) == 1)
        scene.pump.cancel(first)
        assert queued.finish() is True
        assert scene.written == ["request 1", "cancel 1", "request 3", "look up"]
        assert third.opened is False
        # The one that was cancelled learns it, though nothing was read: the leader sits in a
        # wait, and hears of it when anything moves.
        scene.transport.arrive(b"end 3\n")
        leader.finish()
        scene.transport.arrive(b"end 5\n")
        assert scene.wait(third)


# Rule 8: dropped responses.


def test_a_leader_whose_exchange_another_thread_gives_up_is_roused() -> None:
    """It sits in poll(), out of reach; an answer of the peer's has it look up."""
    with checked() as scene:
        first, second = scene.request(), scene.request()
        leader, follower = scene.waiting(first), scene.waiting(second)
        scene.pump.cancel(second)
        assert follower.finish() is True
        assert scene.written[-1] == "cancel 3", "a follower is woken without the peer"
        scene.pump.cancel(first)
        assert scene.written[-2:] == ["cancel 1", "look up"]
        scene.transport.arrive(b"what\n")
        assert leader.finish() is True
        assert first.error is not None


def test_what_nobody_will_read_is_cancelled_by_the_next_thread() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        with scene.lock:
            # Without the lock, which might be held by this very thread.
            scene.pump.abandoned.append(first)
        assert scene.written == ["request 1", "request 3"]
        thread = scene.waiting(second)
        assert scene.written[-1] == "cancel 1"
        scene.transport.arrive(b"end 3\n")
        thread.finish()
        third = scene.request()
        scene.pump.abandoned.append(third)
        scene.request()
        assert scene.written[-2:] == ["cancel 5", "request 7"]


def test_a_slot_that_comes_free_so_is_told_to_who_waits_for_it() -> None:
    with checked(slots=1) as scene:
        first, second = scene.request(), scene.request()
        leader = scene.waiting(second)
        other = scene.waiting(first)
        scene.pump.abandoned.append(first)
        scene.pump.cancel(Scene().request())  # any action under the lock but a wait sweeps not
        eventually(lambda: scene.pump.abandoned)
        third = scene.request()
        assert other.finish() is True
        assert "request 3" in scene.written
        scene.transport.arrive(b"end 3\n")
        leader.finish()
        scene.pump.cancel(third)


# Rule 9: an idle connection is read from before it is used.


def test_a_goodbye_that_came_while_idle_is_heard_before_anything_is_written() -> None:
    with checked() as scene:
        scene.transport.arrive(b"goodbye\n")
        time.sleep(2 * pump_module.IDLE)
        with pytest.raises(ConnectionError) as caught:
            scene.request()
        assert caught.value.retryable
        assert scene.written == []
        assert scene.transport.closed


def test_the_end_of_file_that_came_while_idle_is_heard_as_well() -> None:
    with checked() as scene:
        scene.transport.arrive(b"")
        time.sleep(2 * pump_module.IDLE)
        with pytest.raises(ConnectionError):
            scene.request()
        assert scene.written == []


def test_settings_and_pings_that_came_while_idle_are_no_goodbye() -> None:
    with checked() as scene:
        scene.transport.arrive(b"ping\n")
        time.sleep(2 * pump_module.IDLE)
        scene.request()
        assert scene.written == ["pong", "request 1"]


def test_while_somebody_leads_nobody_else_reads() -> None:
    """What another thread takes in, the leader would wait for: it sits in a wait already."""
    with checked() as scene:
        first = scene.request()
        leader = scene.waiting(first)
        time.sleep(2 * pump_module.IDLE)
        with scene.transport.turn:
            scene.transport.inbox.append(b"end 1\n")  # without telling the leader
        scene.request()
        assert list(scene.transport.inbox) == [b"end 1\n"]
        scene.transport.arrive(b"ping\n")
        assert leader.finish() is True


# Ends.


def test_the_connection_is_closed_once_nothing_is_open_and_nothing_new_may_start() -> None:
    with checked() as scene:
        first, second = scene.request(), scene.request()
        threads = [scene.waiting(first), scene.waiting(second)]
        scene.transport.arrive(b"goodbye\n")
        scene.transport.arrive(b"end 1\n")
        threads[0].finish()
        assert not scene.transport.closed, "the other one is to finish"
        scene.transport.arrive(b"end 3\n")
        assert threads[1].finish() is True
        eventually(lambda: scene.transport.closed)
        assert second.error is None


def test_closing_wakes_everyone_after_what_has_arrived() -> None:
    with checked() as scene:
        exchanges = [scene.request() for _ in range(3)]
        threads = [scene.waiting(exchange) for exchange in exchanges[:2]]
        with scene.transport.turn:
            scene.transport.inbox.append(b"data 3 x\nhead 5\nend 5\n")
        scene.pump.close()
        assert [thread.finish() for thread in threads] == [True, True]
        assert scene.written[-1] == "goodbye"
        assert "closed on this side" in str(exchanges[0].error)
        assert list(exchanges[1].chunks) == [b"x"]
        assert exchanges[2].ended and exchanges[2].error is None
        assert scene.transport.lingered == 1
        scene.pump.close()
        assert scene.written.count("goodbye") == 1


def test_closing_an_idle_connection_does_not_linger() -> None:
    with checked() as scene:
        scene.pump.close()
        assert scene.written == ["goodbye"]
        assert scene.transport.finished and scene.transport.closed
        assert scene.transport.lingered == 0


def test_closing_with_the_socket_full_gives_the_goodbye_a_chance() -> None:
    with checked() as scene:
        scene.transport.full = True
        scene.pump.close()
        assert scene.transport.lingered == 1


def test_closing_while_the_network_fails_is_no_error() -> None:
    with checked() as scene:
        exchange = scene.request()
        scene.transport.write_error = BrokenPipeError(32, "broken pipe")
        scene.pump.close()
        assert isinstance(exchange.error, BrokenPipeError)


# The protocol's own objections, and what breaks it.


def test_what_the_caller_did_wrong_is_told_and_costs_nothing() -> None:
    with checked() as scene:
        scene.protocol.trouble = ValueError("not like this")
        with pytest.raises(ValueError, match="not like this"):
            scene.request()
        scene.protocol.trouble = None
        scene.request()
        with pytest.raises(ValueError, match="nor this"):
            scene.pump.call(_raise, ValueError("nor this"))
        assert scene.pump.over is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("a bug")])
@pytest.mark.parametrize("verb", ["request", "call", "cancel"])
def test_what_breaks_the_protocol_costs_the_connection(error: BaseException, verb: str) -> None:
    with checked() as scene:
        first = scene.request()
        leader = scene.waiting(first)
        with pytest.raises(type(error)):
            if verb == "request":
                scene.protocol.trouble = error
                scene.request()
            elif verb == "call":
                scene.pump.call(_raise, error)
            else:
                scene.protocol.cancel = lambda exchange: _raise(error)  # type: ignore[method-assign]
                scene.pump.cancel(first)
        assert leader.finish() is True
        assert isinstance(first.error, ConnectionError)
        cause = first.error.__cause__
        # An interrupt is kept without its frames, which are the user's.
        assert cause is error or (type(cause) is type(error) and cause.__traceback__ is None)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("a bug")])
def test_what_breaks_writing_costs_the_connection(error: BaseException) -> None:
    with checked() as scene:
        scene.transport.write_error = error
        if isinstance(error, Exception):
            exchange = scene.request()
            assert isinstance(exchange.error, ConnectionError)
        else:
            with pytest.raises(KeyboardInterrupt):
                scene.request()
        assert scene.pump.over is not None


def _raise(error: BaseException) -> Any:
    raise error


# Odds and ends.


def test_widening_is_written_and_seen_through() -> None:
    with checked() as scene:
        exchange = scene.request()
        scene.pump.widen(exchange, 10, None)
        assert scene.written[-1] == "widen 1 10"
        scene.transport.full = True
        widening = Thread(scene.pump.widen, exchange, 20, 60)
        scene.transport.wait_until("both")
        scene.transport.drain()
        widening.finish()
        assert scene.written[-1] == "widen 1 20"


def test_flush_writes_what_there_is() -> None:
    with checked() as scene:
        scene.protocol.outgoing.append(b"preface")
        scene.pump.flush()
        assert scene.written == ["preface"]


def test_the_trace_sees_every_octet_both_ways() -> None:
    seen: list[tuple[str, bytes]] = []
    with checked(trace=lambda *what: seen.append(what)) as scene:
        exchange = scene.request()
        scene.transport.arrive(b"end 1\n")
        assert scene.wait(exchange)
    assert seen == [(">", b"request 1\n"), ("<", b"end 1\n")]


def test_nothing_is_left_for_the_garbage_collector() -> None:
    with checked() as scene:
        gc.collect()
        gc.disable()
        try:
            for number in range(1, 41, 4):
                first, second = scene.request(), scene.request()
                leader, follower = scene.waiting(first), scene.waiting(second)
                scene.transport.arrive(b"end %d\nend %d\n" % (number + 2, number))
                assert leader.finish() and follower.finish()
            del leader, follower, first, second
            # Only what is ours: a server of other tests may live in this process.
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert [each for each in gc.garbage if "hyper" in type(each).__module__] == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()


def test_an_exchange_that_ended_is_ready() -> None:
    exchange = Exchange()
    assert not ended(exchange)
    exchange.ended = True
    assert ended(exchange)
