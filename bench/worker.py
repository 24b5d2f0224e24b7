"""One client, one scenario, one round, in a process of its own.

    python -m bench.worker '{"client": ..., "kind": ..., "port": ..., ...}'

Started by ``macro.py``. It warms up, says so in a line of JSON, and then does one turn for each
line that it reads, and says what that cost: the processor time of this process, all threads, user
and system, between the turn's beginning and its last answer.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.clients import Client, Target
from bench.scenarios import BULK_SIZE, FILES, IN_FLIGHT, THREADS

CLIENTS = {
    "hyper": ("with_hyper", "Hyper"),
    "hyper/1.1": ("with_hyper", "Hyper11"),
    "hyper.client": ("with_http_client", "DropIn"),
    "context": ("with_http_client", "WithOurContext"),
    "HTTP20Adapter": ("with_requests", "OverHTTP20"),
    "pycurl": ("with_pycurl", "PyCurl"),
    "httpx": ("with_httpx", "Httpx"),
    "niquests": ("with_niquests", "Niquests"),
    "h2": ("with_h2", "H2"),
    "h2load": ("with_h2load", "H2Load"),
    "curl": ("with_curl", "Curl"),
    "http.client": ("with_http_client", "HTTPClient"),
    "requests": ("with_requests", "Requests"),
}

#: Requests before the clock starts: the handshake, SETTINGS, caches and memos.
WARM_UP = 50

#: Does so many units, and returns what they cost.
Turn = Callable[[int], dict[str, Any]]


def main() -> None:
    task = json.loads(sys.argv[1])
    if task["cpus"]:
        os.sched_setaffinity(0, task["cpus"])
    module, name = CLIENTS[task["client"]]
    headers = [(name, value) for name, value in task["headers"]]
    target = Target(task["port"], task["path"], task["authority"], headers, task["tls"])
    try:
        kind = getattr(importlib.import_module(f"bench.clients.{module}"), name)
        client: Client = kind(target)
    except ImportError as error:
        answer({"skipped": str(error)})
        return
    if reason := client.cannot.get(task["kind"]):
        answer({"skipped": reason})
        return
    share = 1.0 if task["bulk"] else client.share
    units = max(1, round(task["units"] * share / task["turns"]))
    turn = KINDS[task["kind"]](client, FILES[task["path"][1:]])
    answer({"version": client.version()})
    for _ in sys.stdin:
        answer(turn(units))
    client.close()


def answer(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


class Measurement:
    """Processor and wall time between ``with`` and its end."""

    def __init__(self, who: int = resource.RUSAGE_SELF) -> None:
        self.who = who

    def __enter__(self) -> Measurement:
        self.wall = time.perf_counter()
        self.before = resource.getrusage(self.who)
        return self

    def __exit__(self, *exc_info: object) -> None:
        after = resource.getrusage(self.who)
        self.wall = time.perf_counter() - self.wall
        self.user = after.ru_utime - self.before.ru_utime
        self.system = after.ru_stime - self.before.ru_stime
        self.peak = _peak_memory(after.ru_maxrss)

    def result(self, units: int, **more: Any) -> dict[str, Any]:
        return {
            "units": units,
            "cpu": (self.user + self.system) / units,
            "system": self.system / units,
            "wall": self.wall / units,
            "peak_memory": self.peak,
            **more,
        }


def _peak_memory(reported: int) -> int:
    """The most memory this process ever had, in octets."""
    # What Linux reports begins with the size of the process that started this one.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return reported * (1 if sys.platform == "darwin" else 1024)


def gets(client: Client, size: int) -> Turn:
    if hasattr(client, "run"):
        return program(client.run)
    get = client.get
    for _ in range(WARM_UP):
        assert get() == size

    def turn(units: int) -> dict[str, Any]:
        with Measurement() as measured:
            for _ in range(units):
                if get() != size:
                    raise AssertionError("a body of the wrong size")
        return measured.result(units)

    return turn


def batches(client: Client, size: int) -> Turn:
    if hasattr(client, "run"):
        return program(lambda count: client.run(count, IN_FLIGHT))
    assert client.batch(IN_FLIGHT) == size * IN_FLIGHT

    def turn(units: int) -> dict[str, Any]:
        rounds = max(1, units // IN_FLIGHT)
        with Measurement() as measured:
            for _ in range(rounds):
                assert client.batch(IN_FLIGHT) == size * IN_FLIGHT
        return measured.result(rounds * IN_FLIGHT)

    return turn


def threads(client: Client, size: int) -> Turn:
    # The first request alone: a shared connection is then there before anybody wants it.
    client.get()
    clients = [client.for_thread() for _ in range(THREADS)]
    return lambda units: _side_by_side(clients, max(1, units // THREADS), size)


def _side_by_side(clients: list[Client], each: int, size: int) -> dict[str, Any]:
    """``each`` GETs in a thread for each of the clients, and how long they waited."""
    ready = threading.Barrier(len(clients) + 1)
    latencies: list[list[float]] = [[] for _ in clients]
    failures: list[BaseException] = []

    def work(mine: Client, times: list[float]) -> None:
        try:
            for _ in range(3):
                assert mine.get() == size
            ready.wait()
            before = time.perf_counter()
            for _ in range(each):
                if mine.get() != size:
                    raise AssertionError("a body of the wrong size")
                now = time.perf_counter()
                times.append(now - before)
                before = now
        except BaseException as error:
            failures.append(error)
            ready.abort()

    running = [
        threading.Thread(target=work, args=pair) for pair in zip(clients, latencies, strict=True)
    ]
    for thread in running:
        thread.start()
    try:
        ready.wait()
    except threading.BrokenBarrierError:
        raise failures[0] from None
    with Measurement() as measured:
        for thread in running:
            thread.join()
    if failures:
        raise failures[0]
    times = sorted(time for own in latencies for time in own)
    return measured.result(
        len(times),
        p50=times[len(times) // 2],
        p99=times[len(times) * 99 // 100],
        longest=times[-1],
    )


def streams(client: Client, size: int) -> Turn:
    if hasattr(client, "run"):
        return program(client.run)
    return repeated(client.stream, size)


def connects(client: Client, size: int) -> Turn:
    for _ in range(3):
        assert client.once() == size
    return repeated(client.once, size)


def wholes(client: Client, size: int) -> Turn:
    return repeated(client.whole, size)


def uploads(client: Client, size: int) -> Turn:
    body = os.urandom(1 << 20) * (BULK_SIZE >> 20)

    def upload() -> int:
        client.upload(body)
        return size

    return repeated(upload, size)


def repeated(work: Callable[[], int], size: int) -> Turn:
    def turn(units: int) -> dict[str, Any]:
        with Measurement() as measured:
            for _ in range(units):
                assert work() == size
        return measured.result(units)

    return turn


def program(run: Callable[[int], None]) -> Turn:
    """For a client that is a program: what ``units`` more of them cost it."""

    def turn(units: int) -> dict[str, Any]:
        with Measurement(resource.RUSAGE_CHILDREN) as short:
            run(1)
        with Measurement(resource.RUSAGE_CHILDREN) as long:
            run(1 + units)
        long.user -= short.user
        long.system -= short.system
        long.wall -= short.wall
        return long.result(units)

    return turn


#: What each kind of scenario makes of a client and the size of the file: a turn, after a warm-up.
KINDS: dict[str, Callable[[Any, int], Turn]] = {
    "get": gets,
    "batch": batches,
    "threads": threads,
    "stream": streams,
    "whole": wholes,
    "upload": uploads,
    "connect": connects,
}


if __name__ == "__main__":
    main()
