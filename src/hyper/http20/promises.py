"""Server push (RFC 9113 §8.4): what a promise must look like, and what becomes of it."""

from __future__ import annotations

from collections import deque
from typing import Any

from ..common.exchange import Fields
from .exceptions import ErrorCode
from .frames import rst_stream_frame
from .messages import MalformedError, Promise, read_promise
from .state import ConnectionState
from .stream import Stream

__all__ = ["PromiseReceiver", "PushedStream"]


class PushedStream(Stream):
    """A response that the server sends unasked: reserved (remote), then half-closed (local).

    promise      the request it answers
    same_origin  the connection speaks for that request's origin (RFC 9110 §4.3)
    """

    def __init__(
        self, stream_id: int, receive_window: int, promise: Promise, same_origin: bool, **more: Any
    ) -> None:
        super().__init__(stream_id, 0, receive_window, **more)
        self.promise = promise
        self.same_origin = same_origin
        self.opened = True
        self.local_closed = True
        self.head_request = promise.method == b"HEAD"


class PromiseReceiver(ConnectionState):
    """What a promise does to the exchange that it came along with."""

    def _receive_promise(self, promised_id: int, parent: Stream | None, fields: Fields) -> None:
        """Keep a promise if it may be made and is wanted, refuse it otherwise."""
        if not self.enable_push or parent is None or self._pushes_open >= self.limits.max_pushes:
            # A refusal each, so a flood of promises would be answered by one of ours.
            self._count_reset(promised_id, "promise that is not taken")
            self.outgoing.append(rst_stream_frame(promised_id, ErrorCode.REFUSED_STREAM))
            return
        try:
            promise = read_promise(fields, self._valid_fields)
        except MalformedError:
            self._count_reset(promised_id, "malformed promise")
            self.outgoing.append(rst_stream_frame(promised_id, ErrorCode.PROTOCOL_ERROR))
            return
        same_origin = (promise.scheme, promise.authority) == parent.origin
        if not same_origin and not self.foreign_pushes:
            # §8.4: the server has no authority for it, so nobody can tell whether it is true.
            self._count_reset(promised_id, "promise for another origin")
            self.outgoing.append(rst_stream_frame(promised_id, ErrorCode.PROTOCOL_ERROR))
            return
        stream = PushedStream(
            promised_id, self._stream_window, promise, same_origin, manager=self.window_manager
        )
        stream.initial_receive_window = self.limits.stream_window
        self.streams[promised_id] = stream
        self._pushes_open += 1
        if not isinstance(parent.pushes, deque):
            parent.pushes = deque()
        parent.pushes.append(stream)
        self._moved.append(parent)
