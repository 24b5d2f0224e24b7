"""One request many times over one connection, and how long that took."""

from __future__ import annotations

import threading
from array import array
from collections import Counter
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final

from .arguments import Options
from .body import RequestBody
from .failing import STATUS_CODES, CommandError
from .request import Request

if TYPE_CHECKING:
    from .connecting import Client
    from .output import Printer

__all__ = ["Load", "percentile", "repeat"]

#: Octets of a body that are kept to be sent again and again.
MAX_BODY: Final = 64 * 2**20


def repeat(options: Options, client: Client, request: Request, printer: Printer) -> int:
    """Ask ``options.repeat`` times, ``options.parallel`` at once; print the figures.

    Returns the exit code. Raises the first failure, if there was one.
    """
    if request.body is not None:
        request = Request(request.method, request.target, request.headers, _kept(request.body))
    load = Load(client, request, options.repeat or 1)
    try:
        load.run(options.parallel)
    finally:
        if load.seconds or load.failures:
            for line in load.figures():
                printer.text(line + "\n")
    if load.failures:
        raise load.failures[0]
    worst = max(load.statuses) // 100 if load.statuses else 2
    return STATUS_CODES.get(worst, 0) if options.check_status else 0


def _kept(body: RequestBody) -> RequestBody:
    octets = bytearray()
    for piece in body.pieces():
        octets += piece
        if len(octets) > MAX_BODY:
            raise CommandError(f"--repeat keeps the body, and takes none above {MAX_BODY} octets")
    return RequestBody(bytes(octets), body.content_type)


class Load:
    """Some threads that share one connection, and what they measured.

    seconds   of each request that was answered, from asking to the end of its body
    statuses  how many there were of each
    failures  the first error of each thread that had one
    octets    of all bodies
    """

    def __init__(self, client: Client, request: Request, size: int) -> None:
        self.client = client
        self.request = request
        self.size = size
        self.seconds = array("d")
        self.statuses: Counter[int] = Counter()
        self.failures: list[Exception] = []
        self.octets = 0
        self.failed = 0
        self.took = 0.0
        self.version = ""
        self._numbers = count()
        self._lock = threading.Lock()
        self._stop = False

    def run(self, parallel: int) -> None:
        """Ask until all have been asked, or there is no point any more."""
        connection = self.client.connection(self.request.target)
        connection.connect()
        began = monotonic()
        threads = [
            threading.Thread(target=self._work, name=f"request {number}", daemon=True)
            for number in range(min(parallel, self.size))
        ]
        started = []
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
            for thread in started:
                thread.join()
        except BaseException as error:
            # Interrupted: let go of those who wait for the server.
            self._stop = True
            connection.close()
            for thread in started:
                thread.join()
            # What failed failed because of us.
            self.failures.clear()
            if isinstance(error, RuntimeError):  # what a thread says that cannot be started
                said = f"only {len(started)} threads could be started: ask for fewer by --parallel"
                raise CommandError(said) from error
            raise
        finally:
            self.took = monotonic() - began
            self.version = connection.version

    def _work(self) -> None:
        while not self._stop and next(self._numbers) < self.size:
            began = monotonic()
            try:
                turn = self.client.ask(self.request)
                assert turn.response is not None
                size = 0
                error: BaseException | None = None
                try:
                    for chunk in turn.response.read_chunked(decode_content=False):
                        size += len(chunk)
                except BaseException as failure:
                    error = failure
                    raise
                finally:
                    self.client.watchers.ended(turn, error)
            except Exception as failure:
                with self._lock:
                    self.failed += 1
                    self.failures.append(failure)
                return
            took = monotonic() - began
            with self._lock:
                self.seconds.append(took)
                self.statuses[turn.response.status] += 1
                self.octets += size

    def figures(self) -> list[str]:
        """What it came to, in two lines."""
        took = max(self.took, 1e-9)
        done = len(self.seconds)
        told = ", ".join(f"{number} x {status}" for status, number in sorted(self.statuses.items()))
        failed = f", {self.failed} failed" if self.failed else ""
        left = self.size - done - self.failed
        missing = f", {left} not asked" if left else ""
        lines = [
            f"{done} of {self.size} requests in {self.took:.3f} s over {self.version}: "
            f"{done / took:.0f}/s, {self.octets} octets ({told or 'no answer'}{failed}{missing})"
        ]
        if done:
            ordered = sorted(self.seconds)
            shown = [("min", 0.0), ("median", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("max", 1.0)]
            lines.append(
                "latency: "
                + ", ".join(
                    f"{name} {percentile(ordered, share) * 1000:.2f} ms" for name, share in shown
                )
            )
        return lines


def percentile(ordered: list[float], share: float) -> float:
    """The value that this share of all is at most, by the nearest rank."""
    rank = -int(-share * len(ordered) // 1)  # rounded up
    return ordered[max(rank, 1) - 1]
