"""One module a client; each is imported only in the process that measures it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar

__all__ = ["Client", "Target"]


@dataclass
class Target:
    """Where to send requests, and with which headers."""

    port: int
    path: str
    authority: str  # file of the certificate authority to verify with
    headers: list[tuple[str, str]] = field(default_factory=list)
    tls: bool = True

    def __post_init__(self) -> None:
        self.scheme = "https" if self.tls else "http"
        self.url = f"{self.scheme}://localhost:{self.port}{self.path}"


class Client:
    """What a scenario asks of a client; every answer is checked to be a 200.

    Each method does what that client's documentation would tell a user to do. A client that
    cannot do something says why in ``cannot``.
    """

    #: Kinds of scenarios it has no answer to, and why.
    cannot: ClassVar[dict[str, str]] = {}
    #: Requests it makes in a run, for each one of the fastest client; keeps runs alike in time.
    share = 1.0

    def __init__(self, target: Target) -> None:
        self.target = target
        self.numbers = count(1)

    def headers(self) -> list[tuple[str, str]]:
        """The headers of one request; two of them are new every time, in every thread."""
        number = next(self.numbers)
        cookie = f"session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; visit={number:012x}"
        return [*self.target.headers, ("cookie", cookie), ("x-request-id", f"{number:032x}")]

    def get(self) -> int:
        """One GET; return the octets of its body."""
        raise NotImplementedError

    def batch(self, count: int) -> int:
        """``count`` GETs, all started before an answer is read; return the octets of all."""
        raise NotImplementedError

    def for_thread(self) -> Client:
        """What another thread uses: this one, if its connection can be shared."""
        return self

    def once(self) -> int:
        """Connect anew, with a whole handshake; one GET; close. Return the octets of its body."""
        raise NotImplementedError

    def stream(self) -> int:
        """One GET whose body is dropped piece by piece; return its octets."""
        raise NotImplementedError

    def whole(self) -> int:
        """One GET whose body becomes one ``bytes``; return its octets."""
        return self.get()

    def upload(self, body: bytes) -> None:
        """One POST."""
        raise NotImplementedError

    def version(self) -> str:
        raise NotImplementedError

    def close(self) -> None:
        """Leave the connection."""
