"""Very many requests on one connection to a real server, and very many that are given up.

Every answer is held against what was asked for. What the process holds is looked at on the way;
after the first tenth, when every cache is full, nothing may grow any more.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from hyper import HTTP20Connection
from hyper.http20.limits import LARGEST_SETTING, Limits

from .measure import Holding, holding
from .real import first_there, site

__all__ = ["requests", "resets"]

SMALL = b"hello hyper\n"
PAGE = b"<p>The same words once more, and once more the same words.\n" * 800
#: More than the window of a stream, so that it cannot have arrived whole when it is given up.
LARGE = bytes(range(256)) * 6144
DOCUMENTS = {"small.txt": SMALL, "page.html": PAGE, "index.html": PAGE, "large.bin": LARGE}

RST_STREAM = 3

#: Requests that are under way at once.
TOGETHER = 50

#: What may come on top after the first tenth: an arena of the allocator, and a cache's odd entry.
MEMORY = 2 << 20
OBJECTS = 500

Say = Callable[[str], None]


def requests(number: int, say: Say) -> list[str]:
    """So many requests on one connection; what went wrong, in words."""
    with (
        site(DOCUMENTS) as (files, certificates),
        first_there(("nghttpd", "caddy", "apache"), files) as server,
    ):
        say(f"{number} requests on one connection to {server.kind.name}, over TLS")
        echo = server.offers("echo")
        context = certificates.client_context("h2")
        return _watch(number, say, lambda: _Asking(server.address, context, echo))


def resets(number: int, say: Say) -> list[str]:
    """So many requests that are given up half-way, in two ways; what went wrong, in words."""
    # Others take some thousand and end the connection then (CVE-2023-44487), which is as well.
    with (
        site(DOCUMENTS) as (files, certificates),
        first_there(("h2o", "caddy", "apache"), files) as server,
    ):
        say(f"{number} resets, to {server.kind.name}, over TLS")
        context = certificates.client_context("h2")
        return _watch(number, say, lambda: _GivingUp(server.address, context))


class _Asking:
    """One connection that asks and holds the answers against what they must be."""

    def __init__(self, address: str, context: ssl.SSLContext, echo: bool) -> None:
        self.connection = HTTP20Connection(address, ssl_context=context, timeout=60)
        self.echo = echo
        self.done = 0
        self.asked = 0
        self.highest = 0

    def turn(self, size: int) -> None:
        """Ask so many things at once, and read all the answers, the last one first."""
        connection = self.connection
        asked = []
        for at in range(self.done, self.done + size):
            if at % 1000 == 999:
                asked.append((connection.request("GET", "/page.html"), PAGE))
            elif self.echo and at % 10 == 9:
                body = b"%d" % at * (1 + at % 50)
                asked.append((connection.request("POST", "/small.txt", body=body), body))
            else:
                asked.append((connection.request("GET", "/small.txt"), SMALL))
        while asked:
            stream_id, expected = asked.pop()
            with connection.get_response(stream_id) as response:
                assert response.status == 200, f"{response.status} on stream {stream_id}"
                assert response.read() == expected, f"another body on stream {stream_id}"
            self.highest = max(self.highest, stream_id)
        self.done += size
        self.asked += size

    def end(self) -> list[str]:
        self.connection.close()
        # Ids begin at 1 and go up by 2, so a second connection would show.
        if self.highest != 2 * self.asked - 1:
            return [f"{self.asked} requests end with stream {self.highest}: not one connection"]
        return []


class _GivingUp(_Asking):
    """One that gives up what it asked for, unread or after the first octets; counts RST_STREAM."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        super().__init__(address, context, False)
        self.connection = HTTP20Connection(
            address,
            ssl_context=context,
            timeout=60,
            trace=self._count,
            # On one connection to the end, where it would be left for another.
            limits=Limits(cancel_burst=LARGEST_SETTING),
        )

    def _count(self, direction: str, octets: bytes) -> None:
        at = 0
        if direction == ">" and not octets.startswith(b"PRI"):
            # Whole frames, as they leave the protocol.
            while at + 9 <= len(octets):
                self.done += octets[at + 3] == RST_STREAM
                at += 9 + int.from_bytes(octets[at : at + 3], "big")

    def turn(self, size: int) -> None:
        connection = self.connection
        asked = [connection.request("GET", "/large.bin") for _ in range(min(size, 10))]
        for at, stream_id in enumerate(asked):
            with connection.get_response(stream_id) as response:
                assert response.status == 200
                if at % 2:
                    assert LARGE.startswith(response.read(100))
        self.highest = connection.request("GET", "/small.txt")
        assert connection.get_response(self.highest).read() == SMALL
        self.asked += len(asked) + 1


def _watch(number: int, say: Say, begin: Callable[[], _Asking]) -> list[str]:
    """Let it run, and look at what the process holds after each tenth."""
    asking = begin()
    asking.turn(min(TOGETHER, number))
    say(f"{asking.done:10}  {holding()}")
    first: Holding | None = None
    trouble: list[str] = []
    for tenth in range(1, 11):
        while asking.done < number * tenth // 10:
            asking.turn(min(TOGETHER, number * tenth // 10 - asking.done))
        now = holding()
        say(f"{asking.done:10}  {now}")
        first = first or now
        grown = now.grown(first, memory=MEMORY, objects=OBJECTS)
        if tenth == 10:
            trouble += [f"after the first tenth {word}" for word in grown]
    return trouble + asking.end()
