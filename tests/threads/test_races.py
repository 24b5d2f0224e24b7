"""close(), time-outs and forks against everything else that goes on, over real sockets.

Nothing is arranged here but the crowd: threads ask as fast as they can, with switches between any
two bytecodes, while something ends what they use. Each request has the right answer or a documented
error, nobody hangs, and the next request is answered. The dice are always the same.
"""

from __future__ import annotations

import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import HyperError

from ..certificates import Certificates
from ..faults.conversations import CONVERSATIONS, PAGE, Asking, get, speak
from ..faults.rawserver import RawServer
from .gated import Thread, eventually

LONG = bool(os.environ.get("HYPER_LONG"))
ROUNDS = 40 if LONG else 4
NAMES = ("get", "download", "upload", "piecewise", "push", "h2c-upgrade", "http11", "http11-upload")
ASKINGS = [each for each in CONVERSATIONS if each.name in NAMES]


@pytest.fixture(autouse=True)
def switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def addresses(certificates: Certificates) -> Iterator[dict[bool, str]]:
    with (
        RawServer(speak, certificates.server_context(), at_once=True) as secure,
        RawServer(speak, at_once=True) as plain,
    ):
        yield {True: secure.address, False: plain.address}


Judge = Callable[[BaseException], bool]


def crowd(
    connection: HTTPConnection, asking: Asking, stop: threading.Event, allowed: Judge
) -> list[Thread]:
    """Four threads that ask until they are told to stop; how many answers were right."""

    def work() -> int:
        right = 0
        while not stop.is_set():
            try:
                body = asking.ask(connection)
            except Exception as error:
                if not allowed(error):
                    raise
            else:
                # A push of a request that was closed on is refused, not cut short.
                assert body == asking.right or (asking.name == "push" and body == b"")
                right += 1
        return right

    return [Thread(work) for _ in range(4)]


def all_end(threads: list[Thread]) -> int:
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a thread hangs"
    return sum(thread.finish() for thread in threads)


@pytest.mark.parametrize("asking", ASKINGS, ids=lambda asking: asking.name)
def test_closing_races_everything(
    addresses: dict[bool, str], ssl_context: ssl.SSLContext, asking: Asking
) -> None:
    """Who is interrupted so hears of it; who comes after it dials anew."""
    dice = Random(1)
    heard: list[str] = []

    def allowed(error: BaseException) -> bool:
        heard.append(type(error).__name__)
        # ValueError: the draft of a request that is sent piecewise went with its connection.
        drafts = isinstance(error, ValueError) and asking.name == "piecewise"
        return drafts or (
            isinstance(error, (HyperError, OSError)) and not isinstance(error, TimeoutError)
        )

    with asking.connection(addresses[asking.secure], ssl_context) as connection:
        for _ in range(ROUNDS):
            stop = threading.Event()
            threads = crowd(connection, asking, stop, allowed)
            for _ in range(6):
                time.sleep(dice.random() * 0.006)
                Thread(connection.close).finish()
            stop.set()
            all_end(threads)
            assert asking.ask(connection) == asking.right
            pump = connection._pump
            assert pump is not None
            assert pump._leader is None and not pump._followers
    assert heard, "nobody was ever interrupted"


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
@pytest.mark.parametrize("secure", [False, True], ids=["cleartext", "tls"])
def test_timeouts_race_everything(
    addresses: dict[bool, str],
    ssl_context: ssl.SSLContext,
    kind: type[HTTPConnection],
    secure: bool,
) -> None:
    """One's time runs out at every moment of the others' answers, and of its own."""
    dice = Random(2)
    stop = threading.Event()
    more: Any = {"secure": secure, "ssl_context": ssl_context if secure else None}
    with kind(addresses[secure], timeout=30, **more) as connection:
        assert get(connection) == PAGE

        def hasty() -> int:
            late = 0
            for _ in range(40 * ROUNDS):
                try:
                    stream_id = connection.request(
                        "GET", "/page", timeout=1e-6 + dice.random() * 0.002
                    )
                    with connection.get_response(stream_id) as response:
                        assert response.read() == PAGE
                except TimeoutError:
                    late += 1
                except (HyperError, OSError):
                    # Over HTTP/1.1 a request that is given up takes its connection along.
                    assert kind is HTTP11Connection
            return late

        asking = next(each for each in CONVERSATIONS if each.name == "get")
        patient = crowd(connection, asking, stop, lambda error: kind is HTTP11Connection)
        hurried = [Thread(hasty) for _ in range(2)]
        assert all_end(hurried) > 0, "nobody was ever late"
        stop.set()
        assert all_end(patient) > 0
        assert get(connection) == PAGE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("secure", [False, True], ids=["cleartext", "tls"])
def test_a_fork_at_any_moment_harms_neither_side(
    addresses: dict[bool, str], ssl_context: ssl.SSLContext, secure: bool
) -> None:
    """The child closes what it inherited and has a connection of its own; the parent goes on."""
    dice = Random(3)
    more: Any = {"secure": secure, "ssl_context": ssl_context if secure else None}
    asking = next(each for each in CONVERSATIONS if each.name == "get")
    with HTTP20Connection(addresses[secure], timeout=30, **more) as connection:
        assert get(connection) == PAGE
        pump = connection._pump
        stop = threading.Event()
        threads = crowd(connection, asking, stop, lambda error: False)
        for _ in range(3 * ROUNDS):
            time.sleep(dice.random() * 0.004)
            child = os.fork()
            if child == 0:  # pragma: no cover - another process
                status = 1
                try:
                    if dice.random() < 0.5:
                        connection.close()
                    status = 0 if get(connection) == PAGE else 2
                    connection.close()
                finally:
                    os._exit(status)
            ended: list[int] = []

            def over(child: int = child, ended: list[int] = ended) -> bool:
                found, status = os.waitpid(child, os.WNOHANG)
                if found:
                    ended.append(os.waitstatus_to_exitcode(status))
                return bool(found)

            eventually(over)
            assert ended == [0]
        stop.set()
        assert all_end(threads) > 0
        assert connection._pump is pump, "the parent's connection is the same all the time"
