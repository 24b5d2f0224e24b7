"""What is measured: the requests, their sizes, by whom, and how many make one run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BULK_SIZE", "CLIENTS", "FILES", "IN_FLIGHT", "OURS", "SCENARIOS", "THREADS", "Scenario"]

#: Requests that are started before the first answer is read.
IN_FLIGHT = 100
THREADS = 16
BULK_SIZE = 64 * 1024 * 1024

#: What the servers serve: name and size.
FILES = {"12": 12, "10k": 10 * 1024, "64m": BULK_SIZE, "1g": 1 << 30}

#: What a browser-like client with a session sends. With the four pseudo-headers and the two that
#: are new in every request (``Client.headers``) they are twenty.
REQUEST_HEADERS = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"),
    ("accept-encoding", "gzip, deflate"),
    ("referer", "https://localhost/products/overview?category=garden&page=3"),
    ("origin", "https://localhost"),
    ("dnt", "1"),
    ("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("priority", "u=0, i"),
]

OURS = "hyper"
#: Most work is given to all of these, in the order of the table's columns.
PEERS = ("pycurl", "httpx", "niquests", "h2", "h2load")
#: Everybody. ``hyper.client`` and ``HTTP20Adapter`` are other doors of ours, ``hyper/1.1`` is
#: HTTP11Connection, ``context`` is an unmodified http.client with our context.
CLIENTS = (
    OURS,
    "hyper/1.1",
    "hyper.client",
    "context",
    "HTTP20Adapter",
    *PEERS,
    "curl",
    "http.client",
    "requests",
    "hpack",
    "nghttp2",
)


@dataclass(frozen=True)
class Scenario:
    """One kind of work.

    kind     what a client is asked for: get, batch, threads, stream, whole, upload, connect; or
             what another module measures: import, first, distance, encode, decode
    server   which server answers; "" for none. nghttpd has few headers; nginx and h2o have
             sixteen, two of them new in every response
    units    requests, or transfers, in one run of the fastest client
    quick    units in a quick run; 0 leaves the scenario out
    bulk     a unit is something large, given in ms; otherwise in µs
    headers  send the realistic headers
    ours     which door of ours this is about
    peers    with whom it is compared
    metric   the figure that the table shows: ``cpu``, or ``wall`` where time is the point
    """

    name: str
    about: str
    kind: str
    server: str
    path: str
    units: int
    quick: int
    bulk: bool = False
    headers: bool = False
    ours: str = OURS
    peers: tuple[str, ...] = PEERS
    metric: str = "cpu"

    @property
    def clients(self) -> tuple[str, ...]:
        return (self.ours, *self.peers)


def _small() -> list[Scenario]:
    """Small GETs in three ways; friendly, and heavy from two servers."""
    ways = (
        ("sequential", "one after the other", "get", 10_000, 2_500),
        ("inflight", "100 in flight, one thread", "batch", 20_000, 5_000),
        ("threads", "16 threads, one connection", "threads", 10_000, 3_200),
    )
    scenarios = [
        Scenario(name, f"GET 12 B, {how}", kind, "nghttpd", "/12", units, quick)
        for name, how, kind, units, quick in ways
    ]
    for server in ("nginx", "h2o"):
        for name, how, kind, units, _ in ways:
            about = f"GET 12 B, 20 + 16 headers, {how}"
            name = f"heavy-{name}-{server}"
            scenarios.append(
                Scenario(name, about, kind, server, "/12", units // 2, 0, headers=True)
            )
    return scenarios


SCENARIOS = [
    *_small(),
    Scenario(
        "headers",
        "GET 10 KiB, 20 + 16 headers",
        "get",
        "nginx",
        "/10k",
        6_000,
        1_500,
        headers=True,
    ),
    Scenario(
        "download",
        "64 MiB down, streamed",
        "stream",
        "nghttpd",
        "/64m",
        24,
        2,
        bulk=True,
        peers=(*PEERS, "curl"),
    ),
    Scenario(
        "download-1g",
        "1 GiB down, streamed",
        "stream",
        "nghttpd",
        "/1g",
        1,
        0,
        bulk=True,
        peers=("pycurl", "curl"),
    ),
    Scenario(
        "download-plain",
        "64 MiB down, streamed, no TLS",
        "stream",
        "nghttpd-plain",
        "/64m",
        8,
        0,
        bulk=True,
        peers=("pycurl", "curl"),
    ),
    Scenario("whole", "64 MiB down, as one bytes", "whole", "nghttpd", "/64m", 8, 2, bulk=True),
    Scenario("upload", "64 MiB up, 64 KiB windows", "upload", "nghttpd", "/12", 8, 2, bulk=True),
    Scenario(
        "upload-large",
        "64 MiB up, 1 GiB windows",
        "upload",
        "nghttpd-large",
        "/12",
        8,
        0,
        bulk=True,
        peers=("pycurl",),
    ),
    Scenario(
        "connect",
        "connect, GET 12 B, close",
        "connect",
        "nghttpd",
        "/12",
        100,
        0,
        bulk=True,
        peers=("pycurl", "httpx"),
    ),
    Scenario(
        "distance",
        "64 MiB over 50 ms at 1 Gbit/s",
        "distance",
        "",
        "/64m",
        1,
        0,
        bulk=True,
        peers=("http.client",),
        metric="wall",
    ),
    Scenario(
        "import",
        "import the library",
        "import",
        "",
        "",
        10,
        0,
        bulk=True,
        peers=("http.client", "pycurl", "httpx"),
    ),
    Scenario(
        "first",
        "start, import, first GET",
        "first",
        "nghttpd",
        "/12",
        10,
        0,
        bulk=True,
        peers=("pycurl", "httpx"),
    ),
    Scenario(
        "encode", "HPACK, a field block", "encode", "", "", 8_000, 0, peers=("hpack", "nghttp2")
    ),
    Scenario(
        "decode", "HPACK, a field block", "decode", "", "", 8_000, 0, peers=("hpack", "nghttp2")
    ),
    Scenario(
        "native-1.1",
        "GET 12 B over HTTP/1.1",
        "get",
        "nginx",
        "/12",
        8_000,
        0,
        ours="hyper/1.1",
        peers=("http.client",),
    ),
    *(
        Scenario(
            name,
            f"GET {size}, ours over HTTP/2",
            "get",
            "nginx",
            path,
            5_000,
            quick,
            ours="hyper.client",
            peers=("context", "http.client"),
        )
        for name, size, path, quick in (
            ("drop-in", "12 B", "/12", 1_500),
            ("drop-in-10k", "10 KiB", "/10k", 0),
        )
    ),
    *(
        Scenario(
            name,
            f"GET 12 B, {how}, ours over HTTP/2",
            kind,
            "nginx",
            "/12",
            2_000,
            0,
            ours="HTTP20Adapter",
            peers=("requests",),
        )
        for name, how, kind in (
            ("adapter", "one session", "get"),
            ("adapter-threads", "16 threads on one session", "threads"),
        )
    ),
]
