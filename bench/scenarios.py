"""What is measured: the requests, their sizes, and how many make one run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BULK_SIZE", "FILES", "IN_FLIGHT", "SCENARIOS", "THREADS", "Scenario"]

#: Requests that are started before the first answer is read.
IN_FLIGHT = 100
THREADS = 16
BULK_SIZE = 64 * 1024 * 1024

#: What the servers serve: name and size.
FILES = {"12": 12, "10k": 10 * 1024, "64m": BULK_SIZE}

#: What a browser-like client with a session sends; ``x-request-id`` differs in every request.
#: With the four pseudo-headers and that one they are twenty.
REQUEST_HEADERS = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"),
    ("accept-encoding", "gzip, deflate"),
    ("referer", "https://localhost/products/overview?category=garden&page=3"),
    ("origin", "https://localhost"),
    ("dnt", "1"),
    ("cookie", "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=a1b2c3d4e5f6"),
    ("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("cache-control", "no-cache"),
    ("pragma", "no-cache"),
    ("priority", "u=0, i"),
]


@dataclass(frozen=True)
class Scenario:
    """One kind of work.

    kind     what a client is asked for: get, batch, threads, stream, whole, upload
    server   which server answers: nghttpd (few headers) or nginx (sixteen, two of them new
             in every response)
    units    requests, or transfers, in one run of the fastest client
    quick    units in a quick run; 0 leaves the scenario out
    bulk     a unit is 64 MiB, given in ms; otherwise it is a request, given in µs
    headers  send the realistic headers
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


SCENARIOS = [
    Scenario("sequential", "GET 12 B, one after the other", "get", "nghttpd", "/12", 10_000, 2_500),
    Scenario(
        "inflight", "GET 12 B, 100 in flight, one thread", "batch", "nghttpd", "/12", 20_000, 5_000
    ),
    Scenario(
        "threads",
        "GET 12 B, 16 threads, one connection",
        "threads",
        "nghttpd",
        "/12",
        10_000,
        3_200,
    ),
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
    Scenario("download", "64 MiB down, streamed", "stream", "nghttpd", "/64m", 8, 2, bulk=True),
    Scenario("whole", "64 MiB down, as one bytes", "whole", "nghttpd", "/64m", 8, 2, bulk=True),
    Scenario("upload", "64 MiB up, from bytes", "upload", "nghttpd", "/12", 8, 2, bulk=True),
    Scenario("sequential-nginx", "GET 12 B, one after the other", "get", "nginx", "/12", 10_000, 0),
    Scenario(
        "inflight-nginx",
        "GET 12 B, 100 in flight, one thread",
        "batch",
        "nginx",
        "/12",
        10_000,
        0,
    ),
    Scenario(
        "threads-nginx",
        "GET 12 B, 16 threads, one connection",
        "threads",
        "nginx",
        "/12",
        10_000,
        0,
    ),
]
