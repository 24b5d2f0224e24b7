"""One exchange on an HTTP/2 connection (RFC 9113 §5.1, §8.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Container

from ..common.exchange import Exchange, Fields
from .messages import UNKNOWN_LENGTH
from .window import BaseFlowControlManager, FlowControlManager

__all__ = ["Stream"]


class Stream(Exchange):
    """One exchange on an HTTP/2 connection (RFC 9113 §5.1, §8.1).

    A stream knows itself and nothing else: the protocol drives it, the front end waits on it,
    and it points at neither.

    id              odd below 2**31; even for pushes
    opened          False while the request waits for a slot
    local_closed    we sent END_STREAM, or either side reset the stream
    remote_closed   the peer did
    send_window     octets we may still send; negative after the peer shrank it (§6.9.2)
    receive_window  octets the peer may still send
    initial_receive_window
                    what that begins with, by the SETTINGS that are ours
    extra           octets by which that began wider than usual
    head_request    the request was HEAD, so its response has no body
    connect_request the request was CONNECT, so a 2xx makes the stream a tunnel
    expected        octets the body will have, or ``UNKNOWN_LENGTH``
    received        octets of it that have arrived
    padding         octets of padding that arrived since the window was last widened for them
    informational_size
                    octets of the interim heads so far, as ``section_size`` counts them
    end             the request has no body, or all of it has been taken
    fields          the request's head, while it waits for a slot
    never_index     names in it that no hop may put into a compression table
    manager         the class that decides about the window
    window_manager  an object of it, from the first octet that is read on
    """

    opened = False
    local_closed = False
    remote_closed = False
    head_request = False
    connect_request = False
    expected = UNKNOWN_LENGTH
    received = 0
    padding = 0
    extra = 0
    informational_size = 0
    id: int
    chunks: deque[bytes]
    # By this its manager counts: what came before our SETTINGS were acknowledged as well.
    initial_receive_window: int

    #: Scheme and authority of the request; noted only where promises are held against them.
    origin: tuple[bytes, bytes] | None = None

    fields: Fields = ()
    end = False
    never_index: Container[bytes] = ()

    window_manager: BaseFlowControlManager | None = None

    def __init__(
        self,
        stream_id: int,
        send_window: int,
        receive_window: int,
        manager: type[BaseFlowControlManager] = FlowControlManager,
    ) -> None:
        self.id = stream_id
        self.chunks = deque()
        self.send_window = send_window
        self.receive_window = self.initial_receive_window = receive_window
        self.manager = manager
        if manager is not FlowControlManager:
            self.counted = True

    def __repr__(self) -> str:
        return f"<Stream {self.id} {self.state} status={self.status}>"

    @property
    def reserved(self) -> bool:
        """Whether the peer promised the stream and has not begun its response (§5.1)."""
        return not (self.id % 2 or self.status or self.informational or self.remote_closed)

    @property
    def state(self) -> str:
        """The word that RFC 9113 §5.1 has for the stream's state, for people to read."""
        if not self.opened:
            return "idle"
        if self.reserved:
            return "reserved (remote)"
        if self.local_closed:
            return "closed" if self.remote_closed else "half-closed (local)"
        return "half-closed (remote)" if self.remote_closed else "open"

    def consumed(self, size: int) -> int:
        """Octets to widen the stream's window by, now that a reader took ``size`` more."""
        manager = self.window_manager
        if manager is None:
            # Most bodies have arrived whole by now and need no window any more. A manager of
            # the user's own still hears of them.
            if self.remote_closed and self.manager is FlowControlManager:
                return 0
            document_size = None if self.expected == UNKNOWN_LENGTH else self.expected
            manager = self.manager(self.initial_receive_window, document_size)
            if self.extra and isinstance(manager, FlowControlManager):
                manager.begin_wider(self.extra)
            self.window_manager = manager
        if not self.chunks:
            manager.behind = False
        increment = manager._handle_frame(size)
        if increment:
            manager.behind = True
        return 0 if self.remote_closed else increment
