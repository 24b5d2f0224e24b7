"""One HTTP/2 connection without its network, client side (RFC 9113): the verbs.

Octets go in by ``receive_data`` and come out by ``data_to_send``. This room is what a front end
asks for; ``receiving`` is what the peer's frames do. Knows no socket, thread, lock or clock:
calls must not overlap.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from ..common.exceptions import own_copy
from ..common.exchange import Exchange
from ..common.fields import PATH, bad_path
from . import limits
from .exceptions import ConnectionError, ErrorCode, HTTP20Error
from .frames import (
    DATA,
    END_STREAM,
    FRAME_HEAD_SIZE,
    frame_head,
    headers_frames,
    ping_frame,
    rst_stream_frame,
    settings_frame,
    window_update_frame,
)
from .messages import FieldTuple, checked_fields, checked_trailers, request_target, section_size
from .receiving import Receiver
from .stream import Stream
from .window import FlowControlManager, bad_increment

__all__ = ["HTTP20Protocol"]

#: Sets of request fields that are remembered as checked.
MAX_REMEMBERED_REQUESTS = 64


class HTTP20Protocol(Receiver):
    """A client's end of one HTTP/2 connection.

    accepting               False once no new exchange may start here
    closed                  the connection failed or is gone; octets that still come are dropped
    streams                 id -> stream, for every stream that is not closed (§5.1)
    send_window             octets we may still send, on all streams together
    receive_window          octets the peer may still send, on all streams together
    remote_settings         what the peer announced
    max_concurrent_streams  how many requests the peer lets us have open; more wait in order

    window_manager          the class that decides about windows (``http20.window``)
    enable_push             the peer may promise responses (§8.4); see ``Exchange.pushes``
    foreign_pushes          even for origins that the peer has no authority over
    limits                  what to put up with; if left out, what ``limits.choose`` said. Single
                            ones can be given by their names, as ``stream_window``
    first_stream_id         where to begin, an odd number (§5.1.1)
    hpack                   whose: "python", "nghttp2", or as ``hpack.choose`` was told
    clock                   seconds that only grow, for allowances; standing still without one
    """

    #: What ``close`` tells the peer (§7).
    farewell: int = ErrorCode.NO_ERROR

    @property
    def max_concurrent_streams(self) -> int:
        return self.remote_settings.max_concurrent_streams

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
    ) -> Stream:
        # A fifth of what asking costs the core is spared to whoever repeats a request; the very
        # same objects as the last time are equal at a glance.
        words, fields = self._last_request
        if words != (headers, path, method, authority, scheme):
            headers = tuple(headers)
            fields = self._request_fields(method, scheme, authority, path, headers)
            self._last_request = ((headers, path, method, authority, scheme), fields)
        if not self.accepting:
            raise self._not_accepting()

        settings = self.remote_settings
        stream = Stream(
            self._next_id, settings.initial_window_size, self._stream_window, self.window_manager
        )
        if not self._settings_acked:
            stream.initial_receive_window = self.limits.stream_window
        if end:
            stream.end = True
        if method == b"HEAD":
            stream.head_request = True
        elif method == b"CONNECT":
            stream.connect_request = True
        if self.enable_push:
            stream.origin = (scheme, authority)
        self._next_id += 2
        if self._next_id > limits.LAST_STREAM_ID:
            # §5.1.1: ids are never used again, so this connection has served.
            self.accepting = False
        if self._open < settings.max_concurrent_streams and not self._queue:
            self._open_stream(stream, fields, never_index)
        else:
            stream.fields = fields
            stream.never_index = never_index
            self._queue.append(stream)
        return stream

    def _request_fields(
        self, method: bytes, scheme: bytes, authority: bytes, path: bytes, headers: FieldTuple
    ) -> FieldTuple:
        """All fields of a request, checked (§8.2, §8.3.1)."""
        target = self._valid_targets.get((method, scheme, authority))
        fields, size = target or self._check_target(method, scheme, authority)
        if method != b"CONNECT":
            if PATH.fullmatch(path) is None or (path == b"*" and method != b"OPTIONS"):
                raise bad_path(path)
            fields += ((b":path", path),)
            size += len(path)
        size += self._valid_headers.get(headers) or self._check_headers(headers)
        limit = self.remote_settings.max_header_list_size
        if limit is not None and size > limit:
            raise ValueError(
                f"the head of this request is {size} octets; the peer accepts {limit} "
                "(SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 §6.5.2); send fewer or shorter headers"
            )
        return fields + headers

    @property
    def settings_payload(self) -> bytes:
        """Our SETTINGS as a request carries them that asks for HTTP/2 (RFC 7540 §3.2.1)."""
        return settings_frame(self.local_settings)[FRAME_HEAD_SIZE:]

    def upgraded(self, method: bytes, scheme: bytes, authority: bytes) -> Stream:
        """Begin with a request that was sent in HTTP/1.1: it becomes stream 1 (RFC 7540 §3.2).

        It has been sent whole, and the peer has agreed and knows ``settings_payload``. Only for
        a connection on which nothing has been asked yet, and whose ids begin at 1.
        """
        stream = Stream(
            1, self.remote_settings.initial_window_size, self._stream_window, self.window_manager
        )
        stream.initial_receive_window = self.limits.stream_window
        stream.opened = stream.end = stream.local_closed = True
        stream.head_request = method == b"HEAD"
        if self.enable_push:
            stream.origin = (scheme, authority)
        self.streams[1] = stream
        self._open = self._highest_opened = 1
        self._next_id = 3
        return stream

    def reserve(self) -> int:
        """Take the next stream id away from other requests, for one whose head is yet to come.

        It is used by ``give_back`` directly before that ``request``, or never. Raises the
        connection's error, retryable, when it takes no new requests.
        """
        if self._next_id + 2 > limits.LAST_STREAM_ID:
            self.accepting = False
        if not self.accepting:
            raise self._not_accepting()
        stream_id = self._next_id
        self._next_id += 2
        return stream_id

    def give_back(self, stream_id: int) -> None:
        """Let the next request have a reserved id, if none behind it has been given out.

        Then it cannot be used any more: opening a stream closes all idle ones below (§5.1.1).
        """
        if self._next_id == stream_id + 2:
            self._next_id = stream_id

    def _check_target(
        self, method: bytes, scheme: bytes, authority: bytes
    ) -> tuple[FieldTuple, int]:
        """The pseudo-headers of a request, and their size counting an empty ``:path``."""
        fields = request_target(method, scheme, authority)
        checked = (fields, section_size((*fields, (b":path", b""))))
        if len(self._valid_targets) >= MAX_REMEMBERED_REQUESTS:
            self._valid_targets.clear()
        self._valid_targets[method, scheme, authority] = checked
        return checked

    def _check_headers(self, headers: FieldTuple) -> int:
        """The size of a request's own fields, if they may be sent (§8.2)."""
        size = section_size(checked_fields(headers, self._sendable_fields))
        if len(self._valid_headers) >= MAX_REMEMBERED_REQUESTS:
            self._valid_headers.clear()
        self._valid_headers[headers] = size
        return size

    def room(self, exchange: Exchange) -> int:
        assert isinstance(exchange, Stream)
        if not exchange.opened or exchange.local_closed or exchange.remote_closed:
            return 0
        return max(min(exchange.send_window, self.send_window), 0)

    def send_body(
        self,
        exchange: Exchange,
        data: bytes | memoryview,
        *,
        end: bool,
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> int:
        stream = exchange
        assert isinstance(stream, Stream)
        if stream.error is not None:
            raise own_copy(stream.error)
        if stream.end:
            raise ValueError(f"the body of stream {stream.id} has ended; nothing can be added")
        if trailers:
            trailers = checked_trailers(trailers)
            if trailers and stream.connect_request:
                raise ValueError("a tunnel carries DATA only (RFC 9113 §8.5); send no trailers")
        if not stream.opened or stream.remote_closed:
            return 0
        size = len(data)
        taken = max(min(size, stream.send_window, self.send_window, limits.WRITE_BATCH), 0)
        if taken < size:
            end = False
        if taken:
            # What we hold is joined later. A buffer that the caller may change is copied; one
            # that looks into bytes is not, which is a tenth of what an upload costs.
            if isinstance(data, memoryview) and type(data.obj) is bytes and data.contiguous:
                view = data
            else:
                view = memoryview(data if isinstance(data, bytes) else bytes(data[:taken]))
            stream.send_window -= taken
            self.send_window -= taken
            self._write_data(stream.id, view[:taken], END_STREAM if end and not trailers else 0)
        elif end and not trailers:
            self.outgoing.append(frame_head(0, DATA, END_STREAM, stream.id))
        if end:
            stream.end = True
            if trailers:
                block = self.encoder.encode(trailers)
                max_frame_size = self.remote_settings.max_frame_size
                self.outgoing.append(headers_frames(stream.id, block, max_frame_size, end=True))
            stream.local_closed = True
        return taken

    def _write_data(self, stream_id: int, view: memoryview, last_flags: int) -> None:
        """Queue DATA frames for octets that the windows allow (§6.1)."""
        out = self.outgoing
        size = len(view)
        frame_size = min(self.remote_settings.max_frame_size, limits.WRITE_BATCH)
        for start in range(0, size, frame_size):
            piece = view[start : start + frame_size]
            flags = last_flags if start + frame_size >= size else 0
            out.append(frame_head(len(piece), DATA, flags, stream_id))
            out.append(piece)

    def widen(self, exchange: Exchange, size: int) -> None:
        assert isinstance(exchange, Stream)
        if exchange.remote_closed or self.closed:
            return
        if not 0 < size <= limits.MAX_WINDOW - exchange.receive_window:
            raise bad_increment("a window", exchange.receive_window, size)
        exchange.receive_window += size
        self.outgoing.append(window_update_frame(exchange.id, size))
        manager = exchange.window_manager
        if type(manager) is FlowControlManager and manager.window_size > self._grown_window:
            self._grown_window = manager.window_size

    def cancel(self, exchange: Exchange) -> list[Exchange]:
        stream = exchange
        assert isinstance(stream, Stream)
        if not stream.ended and stream.error is None:
            stream.error = HTTP20Error(
                f"stream {stream.id} was cancelled here",
                error_code=ErrorCode.CANCEL,
                stream_id=stream.id,
            )
        if not stream.opened:
            if stream in self._queue:
                self._queue.remove(stream)
        elif stream.id in self.streams:
            self.outgoing.append(rst_stream_frame(stream.id, ErrorCode.CANCEL))
            self._close_stream(stream)
            if not self._cancels.spend() and self.accepting:
                # What is open or waits for its turn here goes on; see ``limits.CANCEL_BURST``.
                self.accepting = False
                self._goodbye = " after many cancelled requests"
        moved, self._moved = self._moved, []
        return moved

    def close(self) -> None:
        if not self.closed:
            self._say_goaway(self.farewell)
        self.accepting = False

    def ping(self, opaque: bytes = b"\0" * 8) -> Exchange:
        """Ask the peer for a sign of life (§6.7); the exchange has ended when it answered.

        ``opaque`` is eight octets of the caller's. Raises ValueError for any other number, the
        connection's error when it has ended, and ConnectionError while MAX_UNANSWERED_PINGS wait.
        """
        if len(opaque) != 8:
            raise ValueError(f"PING carries 8 octets, not {len(opaque)} (RFC 9113 §6.7)")
        if self.closed:
            raise self._not_accepting()
        if len(self._pings) >= limits.MAX_UNANSWERED_PINGS:
            raise ConnectionError(
                f"the peer has left {len(self._pings)} PINGs unanswered, and has to answer each "
                "(RFC 9113 §6.7); no more are sent before it does, or on another connection"
            )
        exchange = Exchange()
        self._pings.append((opaque, exchange))
        self.outgoing.append(ping_frame(opaque))
        return exchange

    def rouse(self) -> None:
        if not (self.closed or self._pings):
            self.ping(b"look up!")

    def data_to_send(self) -> bytes:
        out = self.outgoing
        if not out:
            return b""
        data = b"".join(out)
        out.clear()
        self._queued_acks = 0
        return data
