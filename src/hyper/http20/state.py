"""What both halves of an HTTP/2 connection share: its streams, its windows, its octets to send.

Streams begin and end here (RFC 9113 §5), and so does the connection itself (§5.4, §6.8).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container

from ..common.exceptions import template
from ..common.exchange import Exchange, Fields
from ..common.protocol import Protocol
from ..hpack import backend
from .budget import Budget
from .exceptions import ConnectionError, ErrorCode, HTTP20Error, ProtocolError
from .frames import (
    PREFACE,
    goaway_frame,
    headers_frames,
    rst_stream_frame,
    settings_frame,
    window_update_frame,
)
from .limits import (
    DEFAULT_WINDOW,
    GLITCHES_PER_STREAM,
    HEADER_TABLE_SIZE,
    LAST_STREAM_ID,
    MAX_DEBUG_DATA,
    MAX_FRAME_SIZE,
    Limits,
    chosen,
)
from .messages import FieldTuple, Head
from .settings import RemoteSettings, Setting
from .stream import Stream
from .window import BaseFlowControlManager, FlowControlManager

__all__ = ["NO_REQUEST", "USUAL_UP_TO", "ConnectionState"]


#: Octets of DATA that the default manager of a connection is told of together.
REPORTED_SIZE = 4096

#: The first word of the largest frame's head: its length, and any type.
USUAL_UP_TO = MAX_FRAME_SIZE << 8 | 0xFF

#: What no request is equal to.
NO_REQUEST: tuple[tuple[object, ...], FieldTuple] = ((), ())


class ConnectionState(Protocol):
    """The state of one HTTP/2 connection, client side; ``HTTP20Protocol`` says what is what."""

    # Windows do that here. An attribute, since it is asked for with every read.
    paused = False

    def __init__(
        self,
        *,
        window_manager: type[BaseFlowControlManager] = FlowControlManager,
        limits: Limits | None = None,
        enable_push: bool = False,
        foreign_pushes: bool = False,
        first_stream_id: int = 1,
        hpack: str | None = None,
        clock: Callable[[], float] = float,
        **changed: int,
    ) -> None:
        self.limits = limits = (limits or chosen())._replace(**changed).checked()
        self.accepting = True
        self.closed = False
        self.streams: dict[int, Stream] = {}
        self.remote_settings = RemoteSettings()
        compression = backend(hpack)
        self.encoder = compression.Encoder()
        self.decoder = compression.Decoder(
            max_table_size=HEADER_TABLE_SIZE,
            max_list_size=limits.max_header_list_size,
            max_fields=limits.max_header_fields,
        )
        self.window_manager = window_manager
        self.enable_push = enable_push
        self.foreign_pushes = foreign_pushes

        self.send_window = DEFAULT_WINDOW
        # What the peer may send, less what it has sent of that: octets that the window's manager
        # has not heard of, and how many it hears of together. The default one works in quarters
        # of a window, so that every small response by itself is no news to it; one of the user's
        # hears of every read.
        self._window = max(limits.connection_window, DEFAULT_WINDOW)
        self._received = 0
        self._reported_together = REPORTED_SIZE if window_manager is FlowControlManager else 1
        self._connection_manager = window_manager(self._window)
        # Until our SETTINGS are acknowledged the peer may still go by the default (§6.5.3).
        self._stream_window = max(limits.stream_window, DEFAULT_WINDOW)
        self._settings_acked = False
        # What a stream's window has grown to; the next one begins with it (docs/decisions/0011).
        self._grown_window = 0

        # Requests that wait for a slot, first in, first out; ids were given when they came.
        self._queue: deque[Stream] = deque()
        self._open = 0
        self._pushes_open = 0
        self._next_id = first_stream_id
        self._highest_opened = 0

        # Which settings a client sends is seen by every server (§6.5.2): no more than needed.
        self.local_settings: dict[int, int] = {
            Setting.ENABLE_PUSH: int(enable_push),
            Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
            Setting.MAX_HEADER_LIST_SIZE: limits.max_header_list_size,
        }
        if enable_push:
            self.local_settings[Setting.MAX_CONCURRENT_STREAMS] = limits.max_pushes
        self.outgoing: list[bytes | memoryview] = [PREFACE, settings_frame(self.local_settings)]
        if self._window > DEFAULT_WINDOW:
            increment = self._window - DEFAULT_WINDOW
            self.outgoing.append(window_update_frame(0, increment))
        self._queued_acks = 0

        # A frame that has not arrived whole: less than its head; or what to do with its payload,
        # the parts of that, and how much is missing.
        self._rest = b""
        self._under_way: tuple[Callable[..., None], int, int]
        self._parts: list[bytes] = []
        self._missing = 0
        self._greeted = False  # the peer's first SETTINGS has arrived (§3.4)
        # Up to which first word of its head (length and type) a frame is taken without a look at
        # the head: not before that SETTINGS, nor within a field block.
        self._usual = -1

        # A field block under way: its stream, whether it ends that, its fragments (§4.3), and
        # the stream that it promises instead (§6.6).
        self._block_stream = 0
        self._block_end = 0
        self._block_promised = 0
        self._highest_promised = 0
        self._goaway_last = LAST_STREAM_ID
        self._block: list[bytes] = []
        self._block_size = 0

        # Exchanges that moved in the call under way.
        self._moved: list[Exchange] = []
        # Field block -> head; good for as long as the decoder's table stands still.
        self._heads: dict[bytes, Head] = {}
        self._heads_generation = self.decoder.generation
        self._valid_fields: set[tuple[bytes, bytes]] = set()
        # What requests asked for before and was found in order.
        self._valid_targets: dict[tuple[bytes, bytes, bytes], tuple[FieldTuple, int]] = {}
        self._valid_headers: dict[FieldTuple, int] = {}
        self._sendable_fields: set[tuple[bytes, bytes]] = set()
        # The last request as it was given, and its fields; good for as long as the peer's
        # settings stand.
        self._last_request: tuple[tuple[object, ...], FieldTuple] = NO_REQUEST

        self._pings: deque[tuple[bytes, Exchange]] = deque()
        # The peer's GOAWAY as messages put it, and its error code.
        self._goodbye = ""
        self._goodbye_code: int = ErrorCode.NO_ERROR
        self._empty_data = 0
        self._glitches = Budget(limits.glitch_burst, limits.glitches_per_second, clock)
        self._resets = Budget(limits.reset_burst, limits.resets_per_second, clock)
        self._cancels = Budget(limits.cancel_burst, limits.cancels_per_second, clock)
        self._earned = 0

    @property
    def receive_window(self) -> int:
        """Octets that the peer may still send, on all streams together (§6.9)."""
        return self._window - self._received

    @property
    def idle(self) -> bool:
        return not (self.streams or self._queue or self._pings)

    # -- streams begin and end ---------------------------------------------------------------

    def _all_streams(self) -> list[Stream]:
        return [*self.streams.values(), *self._queue]

    def _closed_stream(self, stream_id: int, what: str, *, glitch: bool = True) -> None:
        """A frame for a stream that is not open: late, if it ever was, else an error (§5.1)."""
        # Closed streams are not remembered: what lies above the highest is idle.
        highest = self._highest_opened if stream_id % 2 else self._highest_promised
        if not stream_id or stream_id > highest:
            idle = f"idle stream {stream_id}" if stream_id else "stream 0"
            raise ProtocolError(
                f"{what} on {idle} (RFC 9113 §5.1)", error_code=ErrorCode.PROTOCOL_ERROR
            )
        if glitch:
            self._glitch(f"{what} frames on closed streams")

    def _open_stream(self, stream: Stream, fields: Fields, never_index: Container[bytes]) -> None:
        """Send the head of a request: idle becomes open, or half-closed (§5.1)."""
        block = self.encoder.encode(fields, never_index)
        stream.opened = True
        if stream.end:
            stream.local_closed = True
        stream_id = stream.id
        self.streams[stream_id] = stream
        self._open += 1
        self._highest_opened = stream_id
        max_frame_size = self.remote_settings.max_frame_size
        self.outgoing.append(headers_frames(stream_id, block, max_frame_size, end=stream.end))
        if self._grown_window > self._stream_window:
            self._begin_wider(stream)

    def _begin_wider(self, stream: Stream) -> None:
        """Let a response begin with the window that one before it grew to.

        Each is given half of what the one before was, until one makes use of it. So responses
        that nobody reads are given no more than twice the largest window, all together.
        """
        stream.extra = self._grown_window - self._stream_window
        stream.receive_window += stream.extra
        self.outgoing.append(window_update_frame(stream.id, stream.extra))
        self._grown_window //= 2

    def _open_queued(self) -> None:
        """Send requests that waited for a slot, in their order (§5.1.2)."""
        queue = self._queue
        while queue and self._open < self.remote_settings.max_concurrent_streams:
            stream = queue.popleft()
            fields, stream.fields = stream.fields, ()
            self._open_stream(stream, fields, stream.never_index)
            self._moved.append(stream)

    def _end(self, stream: Stream) -> None:
        """The peer sent END_STREAM: the response is complete, if it is as long as it said."""
        stream.remote_closed = True
        if stream.received != stream.expected and stream.expected > 0:
            self._reset(
                stream,
                ErrorCode.PROTOCOL_ERROR,
                f"the body ended after {stream.received} octets of {stream.expected} "
                "(content-length, RFC 9113 §8.1.1)",
            )
            return
        stream.ended = True
        if stream.local_closed:
            self._close_stream(stream)

    def _close_stream(self, stream: Stream) -> None:
        """Any state becomes closed (§5.1), and a slot is free."""
        stream.local_closed = stream.remote_closed = True
        del self.streams[stream.id]
        if stream.id % 2:
            self._open -= 1
            if self._queue:
                self._open_queued()
        else:
            self._pushes_open -= 1

    def _reset(self, stream: Stream, code: ErrorCode, message: str) -> None:
        """A stream error (§5.4.2): tell the peer, fail the exchange, keep the connection."""
        self._count_reset(stream.id, message)
        if not stream.ended:
            stream.error = ProtocolError(
                f"{message}; stream {stream.id} reset with {code.name}",
                error_code=code,
                stream_id=stream.id,
            )
        self.outgoing.append(rst_stream_frame(stream.id, code))
        self._moved.append(stream)
        self._close_stream(stream)

    # -- the connection ends -----------------------------------------------------------------

    def connection_lost(self, error: BaseException | None) -> list[Exchange]:
        if not self.closed:
            self._end_everything(error)
        moved, self._moved = self._moved, []
        return moved

    def _end_everything(self, error: BaseException | None) -> None:
        """Fail whatever has not ended; ``None`` is the end of file."""
        self.accepting = False
        self.closed = True
        self.outgoing.clear()
        hint = "" if self._greeted else "; it may not speak HTTP/2 here, or only over TLS"
        for stream in self.streams.values():
            stream.local_closed = stream.remote_closed = True
            if not stream.ended and stream.error is None:
                stream.error = error or ConnectionError(
                    f"the peer closed the connection{self._goodbye} before the response on "
                    f"stream {stream.id} was complete{hint}",
                    error_code=self._goodbye_code,
                    stream_id=stream.id,
                )
            self._moved.append(stream)
        self.streams.clear()
        self._open = 0
        self._drop_queue(f"the connection ended{self._goodbye}", error)
        for _, exchange in self._pings:
            exchange.error = error or ConnectionError(
                f"the peer closed the connection{self._goodbye} before it answered a PING"
            )
            self._moved.append(exchange)
        self._pings.clear()

    def _drop_queue(
        self, reason: str, cause: BaseException | None, code: int = ErrorCode.NO_ERROR
    ) -> None:
        """Fail the requests that never left; all of them may be sent again (§8.7)."""
        for stream in self._queue:
            stream.error = ConnectionError(
                f"{reason}; the request of stream {stream.id} was never sent and may be sent again",
                error_code=code,
                stream_id=stream.id,
                retryable=True,
            )
            stream.error.__cause__ = cause
            self._moved.append(stream)
        self._queue.clear()

    def _not_accepting(self) -> HTTP20Error:
        why = self._goodbye or (" after its end" if self.closed else "")
        return ConnectionError(
            f"this connection takes no new requests{why}; open another", retryable=True
        )

    def _fail(self, error: ProtocolError) -> None:
        """A connection error (§5.4.1): say goodbye and fail every exchange."""
        debug = str(error).encode("utf-8", "replace")[:MAX_DEBUG_DATA]
        # A GOAWAY is a frame like any other: preface and SETTINGS go before it (§3.4).
        greeting = self.outgoing[:2] if PREFACE in self.outgoing[:1] else []
        self._end_everything(template(error))
        self.outgoing += greeting
        self._say_goaway(error.error_code, debug)

    def _say_goaway(self, code: int, debug: bytes = b"") -> None:
        # The last of the peer's streams that we have seen; never more than was said before (§6.8).
        self._goaway_last = min(self._goaway_last, self._highest_promised)
        self.outgoing.append(goaway_frame(self._goaway_last, code, debug))

    # -- allowances --------------------------------------------------------------------------

    def _glitch(self, what: str) -> None:
        """Count a frame that is legal and useless."""
        # Every request earns a few: its stream's late WINDOW_UPDATEs, say, are nobody's fault.
        # Ids of ours are odd.
        earned = GLITCHES_PER_STREAM * ((self._highest_opened - self._earned + 1) // 2)
        self._earned = self._highest_opened
        if not self._glitches.spend(earned):
            raise ProtocolError(
                f"too many {what} in too short a time", error_code=ErrorCode.ENHANCE_YOUR_CALM
            )

    def _count_reset(self, stream_id: int, message: str) -> None:
        """Count an error of the peer's that we answer by RST_STREAM."""
        if not self._resets.spend():
            raise ProtocolError(
                f"too many errors in too short a time, the last on stream {stream_id}: {message}",
                error_code=ErrorCode.ENHANCE_YOUR_CALM,
            )

    def _count_ack(self, what: str) -> None:
        """Count an answer that waits to be written."""
        self._queued_acks += 1
        most = self.limits.max_queued_acks
        if self._queued_acks > most:
            raise ProtocolError(
                f"the peer sends {what} and does not read the answers; {most} wait",
                error_code=ErrorCode.ENHANCE_YOUR_CALM,
            )
