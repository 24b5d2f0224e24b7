"""One exchange on an HTTP/1.1 connection."""

from __future__ import annotations

from ..common.exchange import Exchange

__all__ = ["HTTP11Exchange"]


class HTTP11Exchange(Exchange):
    """One exchange on an HTTP/1.1 connection.

    method    of the request; it decides whether the response has a body
    head      the request's head, while it waits for the slot
    opened    the head has been written
    chunked   the request's body goes out in chunks (RFC 9112 §7.1)
    left      octets of the body that are yet to be sent, when its length was announced
    sent      the request is complete
    offered   it asks to go on in HTTP/2
    paused    so much of the response is unread that nothing more is read from the network
    received  octets of the response's body that have arrived
    taken     those of them that a reader has taken
    informational_size
              octets of the interim heads so far, as ``Head.size`` counts them
    """

    opened = False
    chunked = False
    left = 0
    sent = False
    offered = False
    paused = False
    received = 0
    taken = 0
    informational_size = 0

    def __init__(self, method: bytes, head: bytes, *, sent: bool) -> None:
        super().__init__()
        self.method = method
        self.head = head
        self.sent = sent

    def consumed(self, size: int) -> int:
        """``size`` for ``widen`` once everything is read for which reading had paused, else 0."""
        self.taken += size
        return size if self.paused and not self.chunks else 0
