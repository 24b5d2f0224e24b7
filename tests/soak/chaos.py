"""Mixed load against the server that does harm: right answers, or errors that are documented.

Threads share two connections and ask all kinds of things at once, others go through the door of
``http.client``. An answer counts only when its body is what its number demands; a body that was cut
short has to be an error whose ``partial`` is the beginning of it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hyper import HTTP20Connection
from hyper.client import create_default_context
from hyper.common.exceptions import HyperError

from .harm import content
from .measure import Holding, holding
from .real import site

__all__ = ["run"]

ROOT = Path(__file__).resolve().parents[2]

#: Everything that may be raised because of what a server did.
DOCUMENTED = (HyperError, OSError, http.client.HTTPException)

#: Seconds of silence before a request is given up; longer than any harm but silence lasts.
PATIENCE = 8.0

#: Threads on the two shared connections, and with a connection of http.client's each.
NATIVE, DROP_IN = 6, 2

SIZES = (0, 1, 5, 1000, 16_384, 20_000, 70_000, 300_000)

#: What may come on top after the first round.
MEMORY = 12 << 20
OBJECTS = 3000

Say = Callable[[str], None]


class Tally:
    """What became of all requests; shared by all threads.

    right  answers that were held against what they must be, by what was asked
    error  documented errors, by class
    wrong  everything else
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.right: Counter[str] = Counter()
        self.error: Counter[str] = Counter()
        self.wrong: list[str] = []

    def note(self, kind: str, work: Callable[[], None]) -> None:
        try:
            work()
        except DOCUMENTED as error:
            with self.lock:
                self.error[type(error).__name__] += 1
        except BaseException as error:
            with self.lock:
                self.wrong.append(f"{kind}: {error!r}")
        else:
            with self.lock:
                self.right[kind] += 1


def run(
    minutes: float, seed: int, say: Say, *, rounds: int = 10, patience: float = PATIENCE
) -> list[str]:
    """So many minutes of it, in rounds; what went wrong, in words."""
    tally = Tally()
    trouble: list[str] = []
    first: Holding | None = None
    with site({}) as (files, certificates), _server(files, seed) as (port, end):
        say(f"{minutes:g} minutes of mixed load with chaos, seed {seed}")
        native = create_default_context(cafile=str(certificates.authority))
        native.set_alpn_protocols(["h2"])
        shared = [
            HTTP20Connection("localhost", port, ssl_context=native, timeout=patience)
            for _ in range(2)
        ]
        for number in range(1, rounds + 1):
            until = time.monotonic() + 60 * minutes / rounds
            trouble += _round(until, seed * 1000 + number, port, shared, certificates, tally)
            for connection in shared:
                connection.close()
            now = holding()
            done = sum(tally.right.values())
            say(f"{done:10}  {now}  {sum(tally.error.values())} errors")
            first = first or now
            if number == rounds:
                trouble += [
                    f"after the first round {word}"
                    for word in now.grown(first, memory=MEMORY, objects=OBJECTS)
                ]
            if trouble or tally.wrong:
                break
        _one_quiet_answer(shared[0], trouble)
        said = end()
    for kind, count in sorted(said["done"].items()):
        say(f"the server: {kind:28} {count:8}")
    for name, count in sorted(tally.error.items()):
        say(f"errors:     {name:28} {count:8}")
    for kind, count in sorted(tally.right.items()):
        say(f"right:      {kind:28} {count:8}")
    trouble += [f"the client broke a rule: {words}" for words in said["broken"]]
    trouble += tally.wrong[:20]
    if sum(tally.right.values()) < 2 * sum(tally.error.values()):
        trouble.append("there are more errors than the harm explains")
    return trouble


def _one_quiet_answer(connection: HTTP20Connection, trouble: list[str]) -> None:
    """After all of it the same object still gets an answer, in a few attempts."""
    for attempt in range(20):
        try:
            connection.request("GET", "/7/7")
            with connection.get_response() as response:
                if response.read() == content(7, 7):
                    break
        except DOCUMENTED:
            time.sleep(0.01 * attempt)
    else:
        trouble.append("no answer any more when it is quiet")
    connection.close()


@contextmanager
def _server(files: Any, seed: int) -> Iterator[tuple[int, Callable[[], Any]]]:
    command = [sys.executable, "-m", "tests.soak.harm", str(files.certificate), str(files.key)]
    process = subprocess.Popen(
        [*command, str(seed)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None

    def end() -> Any:
        said, _ = process.communicate()
        return json.loads(said)

    try:
        yield int(process.stdout.readline()), end
    finally:
        process.kill()
        process.wait()


def _round(
    until: float,
    seed: int,
    port: int,
    shared: list[HTTP20Connection],
    certificates: Any,
    tally: Tally,
) -> list[str]:
    """All threads at once until the time is over; those that do not come back, in words."""
    threads = []
    for at in range(NATIVE + DROP_IN):
        chance = random.Random(seed * 100 + at)
        if at < NATIVE:
            work: Any = _Native(shared[at % len(shared)], chance, tally)
        else:
            context = create_default_context(cafile=str(certificates.authority))
            work = _DropIn(port, context, chance, tally, shared[0].timeout)
        threads.append(threading.Thread(target=work.run, args=(until,), daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        # Each wait of a request has its own limit; ten of them in a row are no hang.
        thread.join(max(until - time.monotonic(), 0) + 30 * PATIENCE)
    return ["a thread hangs" for thread in threads if thread.is_alive()]


class _Native:
    """A thread's work on a shared connection."""

    def __init__(self, connection: HTTP20Connection, chance: random.Random, tally: Tally) -> None:
        self.connection = connection
        self.chance = chance
        self.tally = tally
        self.kinds: list[tuple[Callable[[], None], int]] = [
            (self.get, 40),
            (self.in_pieces, 15),
            (self.head, 5),
            (self.given_up, 10),
            (self.upload, 15),
            (self.upload_of_unknown_length, 5),
            (self.many, 10),
        ]

    def run(self, until: float) -> None:
        works, weights = zip(*self.kinds, strict=True)
        while time.monotonic() < until:
            work = self.chance.choices(works, weights)[0]
            self.tally.note(work.__name__, work)

    def ask(self, method: str = "GET") -> tuple[int, bytes]:
        """Ask for something; the stream, and what its body has to be."""
        number, size = self.chance.randrange(1 << 30), self.chance.choice(SIZES)
        return self.connection.request(method, f"/{number}/{size}"), content(number, size)

    def get(self) -> None:
        stream_id, expected = self.ask()
        self._take(stream_id, expected)

    def _take(self, stream_id: int, expected: bytes) -> None:
        with self.connection.get_response(stream_id) as response:
            assert response.status == 200, response.status
            try:
                body = response.read()
            except HyperError as error:
                assert expected.startswith(error.partial), "another body, cut short"
                raise
            assert body == expected, f"{len(body)} octets instead of {len(expected)}, or others"
            # A trailer says how long the body was, where there is one.
            assert response.trailers.get("x-sum", str(len(body))) in (
                str(len(body)),
                str(len(body)).encode(),
                [str(len(body)).encode()],
            ), response.trailers

    def in_pieces(self) -> None:
        stream_id, expected = self.ask()
        at = 0
        with self.connection.get_response(stream_id) as response:
            while piece := response.read(1 + self.chance.randrange(9000)):
                assert piece == expected[at : at + len(piece)], "another piece"
                at += len(piece)
        assert at == len(expected), f"{at} octets instead of {len(expected)}"

    def head(self) -> None:
        stream_id, _ = self.ask("HEAD")
        with self.connection.get_response(stream_id) as response:
            assert response.status == 200
            assert response.read() == b""

    def given_up(self) -> None:
        stream_id, expected = self.ask()
        with self.connection.get_response(stream_id) as response:
            if self.chance.random() < 0.7:
                assert expected.startswith(response.read(100))

    def upload(self) -> None:
        number, size = self.chance.randrange(1 << 30), self.chance.choice(SIZES)
        self._upload(content(number, size), content(number, size))

    def upload_of_unknown_length(self) -> None:
        number, size = self.chance.randrange(1 << 30), self.chance.choice(SIZES)
        body = content(number, size)
        self._upload(iter([body[:100], body[100:5000], body[5000:]]), body)

    def _upload(self, source: object, body: bytes) -> None:
        stream_id = self.connection.request("POST", "/0/0", body=source)
        self._take(stream_id, hashlib.sha256(body).hexdigest().encode())

    def many(self) -> None:
        """Several at once, read in another order; each is held to account on its own."""
        asked = []
        for _ in range(self.chance.randint(2, 12)):
            self.tally.note("one of many, asked", lambda: asked.append(self.ask()))
        self.chance.shuffle(asked)
        while asked:
            stream_id, expected = asked.pop()
            self.tally.note("one of many", lambda: self._take(stream_id, expected))  # noqa: B023


class _DropIn:
    """A thread's work through the door of http.client."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        chance: random.Random,
        tally: Tally,
        patience: Any,
    ) -> None:
        self.patience = patience
        self.port = port
        self.context = context
        self.chance = chance
        self.tally = tally
        self.connection = self._fresh()

    def _fresh(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "localhost", self.port, timeout=self.patience, context=self.context
        )

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            self.tally.note("by http.client", self.exchange)
        self.connection.close()

    def exchange(self) -> None:
        number, size = self.chance.randrange(1 << 30), self.chance.choice(SIZES)
        body = content(number, size)
        try:
            if self.chance.random() < 0.3:
                self.connection.request("POST", "/0/0", body)
                expected = hashlib.sha256(body).hexdigest().encode()
            else:
                self.connection.request("GET", f"/{number}/{size}")
                expected = body
            response = self.connection.getresponse()
            assert response.status == 200
            try:
                received = response.read()
            except http.client.IncompleteRead as error:
                assert expected.startswith(error.partial), "another body, cut short"
                raise
            if response.getheader("content-length") == str(len(expected) - 1):
                # In HTTP/1.1 the rest would be nobody's; and what is announced has come.
                expected = expected[:-1]
            assert received == expected, f"{len(received)} octets instead of {len(expected)}"
        except BaseException:
            # As its users do: after an error there is another connection.
            self.connection.close()
            self.connection = self._fresh()
            raise
