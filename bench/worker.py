"""One client, one scenario, one round, in a process of its own: prints one line of JSON.

    python -m bench.worker '{"client": ..., "kind": ..., "port": ..., ...}'

Started by ``macro.py``. What is measured is the processor time of this process, all threads,
user and system, between the warm-up and the last answer.
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

Clock = Callable[[], tuple[float, float]]


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
    units = max(1, round(task["units"] * client.share)) if not task["bulk"] else task["units"]
    size = FILES[task["path"][1:]]
    result = RUNS[task["kind"]](client, units, size)
    answer({"version": client.version(), **result})
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


def run_get(client: Client, units: int, size: int) -> dict[str, Any]:
    if hasattr(client, "run"):
        return run_program(client.run, units)
    for _ in range(WARM_UP):
        assert client.get() == size
    get = client.get
    with Measurement() as measured:
        for _ in range(units):
            if get() != size:
                raise AssertionError("a body of the wrong size")
    return measured.result(units)


def run_batch(client: Client, units: int, size: int) -> dict[str, Any]:
    if hasattr(client, "run"):
        return run_program(lambda count: client.run(count, IN_FLIGHT), units)
    assert client.batch(IN_FLIGHT) == size * IN_FLIGHT
    rounds = max(1, units // IN_FLIGHT)
    with Measurement() as measured:
        for _ in range(rounds):
            assert client.batch(IN_FLIGHT) == size * IN_FLIGHT
    return measured.result(rounds * IN_FLIGHT)


def run_threads(client: Client, units: int, size: int) -> dict[str, Any]:
    each = max(1, units // THREADS)
    ready = threading.Barrier(THREADS + 1)
    latencies: list[list[float]] = [[] for _ in range(THREADS)]
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

    # The first request alone: a shared connection is then there before anybody wants it.
    client.get()
    clients = [client.for_thread() for _ in range(THREADS)]
    threads = [
        threading.Thread(target=work, args=pair) for pair in zip(clients, latencies, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        ready.wait()
    except threading.BrokenBarrierError:
        raise failures[0] from None
    with Measurement() as measured:
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    times = sorted(time for own in latencies for time in own)
    return measured.result(
        each * THREADS,
        p50=times[len(times) // 2],
        p99=times[len(times) * 99 // 100],
        longest=times[-1],
    )


def run_stream(client: Client, units: int, size: int) -> dict[str, Any]:
    if hasattr(client, "run"):
        return run_program(client.run, units)
    with Measurement() as measured:
        for _ in range(units):
            assert client.stream() == size
    return measured.result(units)


def run_connect(client: Client, units: int, size: int) -> dict[str, Any]:
    for _ in range(3):
        assert client.once() == size
    with Measurement() as measured:
        for _ in range(units):
            assert client.once() == size
    return measured.result(units)


def run_whole(client: Client, units: int, size: int) -> dict[str, Any]:
    with Measurement() as measured:
        for _ in range(units):
            assert client.whole() == size
    return measured.result(units)


def run_upload(client: Client, units: int, size: int) -> dict[str, Any]:
    body = os.urandom(1 << 20) * (BULK_SIZE >> 20)
    with Measurement() as measured:
        for _ in range(units):
            client.upload(body)
    return measured.result(units)


def run_program(run: Callable[[int], None], units: int) -> dict[str, Any]:
    """For a client that is a program: what ``units`` more of them cost it."""
    with Measurement(resource.RUSAGE_CHILDREN) as short:
        run(1)
    with Measurement(resource.RUSAGE_CHILDREN) as long:
        run(1 + units)
    long.user -= short.user
    long.system -= short.system
    long.wall -= short.wall
    return long.result(units)


RUNS: dict[str, Callable[[Any, int, int], dict[str, Any]]] = {
    "get": run_get,
    "batch": run_batch,
    "threads": run_threads,
    "stream": run_stream,
    "whole": run_whole,
    "upload": run_upload,
    "connect": run_connect,
}


if __name__ == "__main__":
    main()
