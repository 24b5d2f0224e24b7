"""One HTTP connection without its network: eight verbs, no waiting.

What every HTTP version speaks towards a front end. Octets go in by ``receive_data`` and come
out by ``data_to_send``; what happened stands in the exchanges. No verb waits, and none touches
a socket, a thread, a lock or a clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Iterable

from .exchange import Exchange

__all__ = ["Protocol"]


class Protocol(ABC):
    """The rules of one connection (sans-IO).

    accepting  False once no new exchange may start here: the peer said so, we closed, the ids
               are used up, or the connection is gone
    closed     the connection failed or is gone; octets that still come are dropped
    idle       no exchange is open, and none waits for a slot
    max_concurrent_streams
               how many exchanges may be open at once; more wait in order. 1 for HTTP/1.1
    outgoing   octets for ``data_to_send``; empty while it has nothing, which spares asking it
    paused     so much lies unread that nothing more should be read from the network before
               ``widen``; HTTP/1.1 has no other back-pressure, HTTP/2 has windows instead
    cut_off    set by the front end before ``connection_lost(None)`` where TLS saw no
               close_notify: the end of file may be an attacker's (RFC 9112 §9.8)

    Calls must not overlap; the front end sees to that with its one lock.
    """

    accepting: bool
    closed: bool
    outgoing: list[bytes | memoryview]
    cut_off = False

    @property
    @abstractmethod
    def idle(self) -> bool: ...

    @property
    def max_concurrent_streams(self) -> int:
        return 1

    @property
    def paused(self) -> bool:
        return False

    @abstractmethod
    def request(
        self,
        method: bytes,
        scheme: bytes,
        authority: bytes,
        path: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        end: bool,
        never_index: Container[bytes] = (),
    ) -> Exchange:
        """Start an exchange; it queues here, in order, while the peer grants no slot.

        ``headers`` have lower-case names. ``end`` says that no body follows. ``never_index``
        names fields that no hop may put into a compression table (RFC 7541 §7.1.3).

        Raises ValueError for a head that may not be sent, before any state has changed, and
        the protocol's connection error, retryable, when it is not ``accepting``.
        """

    @abstractmethod
    def send_body(
        self,
        exchange: Exchange,
        data: bytes | memoryview,
        *,
        end: bool,
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> int:
        """Take octets of the request's body; return how many were taken, 0 if there is no room.

        One call takes no more than it is worth joining in one write, so call again with the
        rest. ``end`` (and ``trailers``) count only once ``data`` has been taken whole.

        Once the response has ended the peer wants no more: nothing is taken any longer, and
        the caller stops by ``cancel``.

        Raises the exchange's error, as a copy, when it has one, and ValueError for trailers
        that may not be sent or a body that had ended already.
        """

    @abstractmethod
    def room(self, exchange: Exchange) -> int:
        """Octets that ``send_body`` would take now; what a blocked upload waits for."""

    @abstractmethod
    def widen(self, exchange: Exchange, size: int) -> None:
        """Announce room for ``size`` more octets of the response's body."""

    @abstractmethod
    def cancel(self, exchange: Exchange) -> list[Exchange]:
        """Give the exchange up; return who moved because its slot came free.

        Nothing more of it is delivered. An exchange that had not ended gets an error.
        """

    def rouse(self) -> None:  # noqa: B027 (HTTP/1.1 has no way)
        """Have the peer say something soon, if there is a way, so that who reads looks up."""

    @abstractmethod
    def close(self) -> None:
        """Say goodbye: nothing new starts here, and the peer is told."""

    @abstractmethod
    def data_to_send(self) -> bytes:
        """Hand over every octet that waits to be written; b"" when there is none."""

    @abstractmethod
    def receive_data(self, data: bytes) -> list[Exchange]:
        """Take in octets from the peer; return the exchanges that moved, possibly repeated.

        Never raises for what the peer did: a broken connection sets the error of every
        affected exchange, leaves the goodbye in ``data_to_send`` and stops ``accepting``.
        """

    @abstractmethod
    def connection_lost(self, error: BaseException | None) -> list[Exchange]:
        """The network is gone, by end of file when ``error`` is None; return who moved."""
