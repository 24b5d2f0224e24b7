"""MAX_CONCURRENT_STREAMS while busy, over real sockets; ``ledger.py`` keeps the server's books."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hyper import HTTP20Connection

from ..faults.rawserver import Conversation, RawServer
from .ledger import Ledger

PATIENCE = 20
REQUESTS = 40


def play(serve: Callable[[Ledger], None], *, greeted: bool = True, **settings: int) -> Ledger:
    """Have 16 threads ask 40 times between them, while ``serve`` says how many may be open.

    ``greeted``: the client has heard the settings before it asks for anything.
    """
    ledgers: list[Ledger] = []

    def script(conversation: Conversation) -> None:
        ledger = Ledger(conversation, **settings)
        ledgers.append(ledger)
        ledger.await_ack()
        serve(ledger)
        # The rest, whatever the limit has come to.
        while len(ledger.whole) < REQUESTS or ledger.open:
            answer_oldest(ledger)
        conversation.linger()

    def ask(number: int) -> bytes:
        stream_id = connection.request("GET", f"/{number}")
        body: bytes = connection.get_response(stream_id).read()
        assert body == b"stream %d" % stream_id
        return body

    with (
        RawServer(script) as server,
        HTTP20Connection("127.0.0.1", server.port, secure=False, timeout=PATIENCE) as connection,
        ThreadPoolExecutor(16) as pool,
    ):
        if greeted:
            connection.ping()
        answers = list(pool.map(ask, range(REQUESTS)))
    assert len(set(answers)) == REQUESTS
    return ledgers[0]


def answer_oldest(ledger: Ledger) -> None:
    while not ledger.open:
        ledger.hear()
    ledger.hear_all()
    stream_id = min(ledger.open)
    ledger.answer(stream_id, body=b"stream %d" % stream_id)


def fill(ledger: Ledger, number: int) -> None:
    """Wait until so many requests are open at a time."""
    while len(ledger.open) < number:
        ledger.hear()


def test_a_limit_lowered_below_what_is_open_lets_those_finish_and_is_then_kept() -> None:
    """R4: MAX_CONCURRENT_STREAMS below what was open was a deadlock for ever (httpx2#1216)."""

    def serve(ledger: Ledger) -> None:
        fill(ledger, 8)
        ledger.settings(max_concurrent_streams=2)
        ledger.await_ack()
        assert len(ledger.open) == 8
        ledger.most_streams = 8  # those were there before
        for _ in range(7):
            answer_oldest(ledger)
        ledger.most_streams = 2
        for _ in range(5):
            answer_oldest(ledger)

    assert play(serve, max_concurrent_streams=8).most_open == 8


def test_a_limit_that_goes_down_up_to_nothing_and_back_holds_nobody_up_for_good() -> None:
    """R4: down, up, to 0 and back, while requests are open and others wait for a slot."""

    def serve(ledger: Ledger) -> None:
        for limit in (3, 1, 5, 0, 2, 0, 16):
            fill(ledger, 1)
            ledger.settings(max_concurrent_streams=limit)
            ledger.await_ack()
            for stream_id in sorted(ledger.open)[: 3 if limit else None]:
                ledger.answer(stream_id, body=b"stream %d" % stream_id)
            if not limit:
                # Nothing is open, nothing may be opened, and everyone waits in good order.
                ledger.conversation.socket.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    while True:
                        assert not ledger.open
                        ledger.hear()
                ledger.conversation.socket.settimeout(PATIENCE)
                ledger.settings(max_concurrent_streams=1)
                ledger.await_ack()

    play(serve, max_concurrent_streams=4)


def test_a_server_that_starts_with_no_stream_at_all_is_waited_for() -> None:
    """R5: 0 is a limit like any other (httpcore#737); requests queue, and none fails."""

    def serve(ledger: Ledger) -> None:
        ledger.conversation.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            while True:
                # What was sent before the client knew: it goes on once it may.
                ledger.hear()
        ledger.conversation.socket.settimeout(PATIENCE)
        ledger.settings(max_concurrent_streams=3)

    assert play(serve, max_concurrent_streams=0).most_open <= 3


@pytest.mark.parametrize("greeted", [True, False])
@pytest.mark.parametrize("limit", [None, 1, 2**32 - 1])
def test_any_limit_or_none_at_all_is_kept(limit: int | None, greeted: bool) -> None:
    """R5: an absent or a huge limit was mishandled, or exceeded at the start (httpcore#85, #89)."""
    settings = {} if limit is None else {"max_concurrent_streams": limit}
    ledger = play(lambda ledger: fill(ledger, 1), greeted=greeted, **settings)
    assert not greeted or ledger.most_open <= (limit or 16)
