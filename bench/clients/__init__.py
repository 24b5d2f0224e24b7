"""One module a client; each is imported only in the process that measures it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

__all__ = ["Client", "Target"]


@dataclass
class Target:
    """Where to send requests, and with which headers."""

    port: int
    path: str
    authority: str  # file of the certificate authority to verify with
    headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}{self.path}"

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"


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
        self.number = 0

    def headers(self) -> list[tuple[str, str]]:
        """The headers of one request; one of them is new every time."""
        self.number += 1
        return [*self.target.headers, ("x-request-id", f"{self.number:032x}")]

    def get(self) -> int:
        """One GET; return the octets of its body."""
        raise NotImplementedError

    def batch(self, count: int) -> int:
        """``count`` GETs, all started before an answer is read; return the octets of all."""
        raise NotImplementedError

    def for_thread(self) -> Client:
        """What another thread uses: this one, if its connection can be shared."""
        return self

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
