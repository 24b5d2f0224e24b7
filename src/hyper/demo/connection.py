"""The server's half of one HTTP/2 connection (RFC 9113), without its network.

Octets go in by ``receive`` and come out in ``outbox``. Each request is answered by a generator of
steps, so a slow answer holds up nothing else: whoever owns the socket calls ``produce`` whenever
there is room or time has passed. Strict where a client could be wrong, and it says what it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from struct import iter_unpack, unpack
from typing import Final

from ..common.exchange import Fields
from ..hpack import Decoder, Encoder
from ..hpack.exceptions import HPACKError, HPACKLimitError
from ..http20 import frames
from ..http20.exceptions import ErrorCode, ProtocolError
from ..http20.frames import FRAME_HEAD_SIZE, LOW_31_BITS, PREFACE, frame_head, read_frame_head
from ..http20.limits import (
    DEFAULT_WINDOW,
    LARGEST_MAX_FRAME_SIZE,
    MAX_CONTINUATIONS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    MAX_WINDOW,
)
from ..http20.settings import Setting
from .rules import broken, checked, malformed, read_request, unpadded
from .steps import GoAway, Pause, Push, Request, Reset, Step, Trailers

__all__ = ["ServerConnection"]

#: Octets that may wait to be written before answers pause: a few reads' worth for a client.
OUTBOX_SIZE: Final = 65_536

#: For whoever comes with HTTP/1.1: an answer that it can show. The connection's end ends it.
NOT_HTTP2: Final = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\n"
    b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
    b"this server speaks HTTP/2 with prior knowledge only, as in\n"
    b"curl --http2-prior-knowledge URL\n"
)


#: Pushes at once, whatever the client allows.
MAX_PUSHES: Final = 100

_DONE: Final = Pause(-1)  # after the last step


class _Stream:
    __slots__ = (
        "id",
        "receive_window",
        "request",
        "send_window",
        "step",
        "steps",
        "unseen",
        "wake_at",
    )

    def __init__(self, stream_id: int, request: Request, windows: tuple[int, int]) -> None:
        self.id = stream_id
        self.request = request
        self.send_window, self.receive_window = windows
        self.steps: Iterator[Step] = iter(())
        self.step: Step = None
        self.wake_at: float | None = None
        #: What content-length promises and has not come; ``None`` without a promise.
        self.unseen: int | None = None


class ServerConnection:
    """One client, from its preface to our GOAWAY.

    answer   called with each request; gives the steps that answer it
    outbox   octets to be written, in order
    closing  nothing more is read or answered: write ``outbox``, then close
    """

    def __init__(
        self,
        answer: Callable[[Request], Iterator[Step]],
        origin: str,
        *,
        window_size: int = DEFAULT_WINDOW,
        max_concurrent_streams: int = 100,
    ) -> None:
        self.outbox = bytearray()
        self.closing = False
        self._answer = answer
        self._origin = origin
        self._settings = {
            int(Setting.MAX_CONCURRENT_STREAMS): max_concurrent_streams,
            int(Setting.INITIAL_WINDOW_SIZE): window_size,
            int(Setting.MAX_HEADER_LIST_SIZE): MAX_HEADER_LIST_SIZE,
        }
        self._inbox = bytearray()
        self._greeted = False
        self._settled = False  # the client's first SETTINGS has come
        self._leaving = False  # we said GOAWAY
        self._encoder = Encoder()
        self._decoder = Decoder(max_list_size=MAX_HEADER_LIST_SIZE)
        self._streams: dict[int, _Stream] = {}
        self._last_id = 0
        #: Streams that we reset: the client may not have heard of it yet (§5.1, closed).
        self._resets: deque[int] = deque(maxlen=1000)
        #: The field block that CONTINUATION goes on with: stream, flags, octets, frames.
        self._block: tuple[int, int, bytearray, int] | None = None
        self._send_window = DEFAULT_WINDOW
        self._receive_window = DEFAULT_WINDOW
        #: For new streams: what the client grants us, and what we grant it.
        self._initial_windows = (DEFAULT_WINDOW, DEFAULT_WINDOW)
        self._peer_max_frame_size = MAX_FRAME_SIZE
        #: How many pushes the client takes at once (§6.5.2), and the last stream promised.
        self._may_push = True
        self._max_pushes = MAX_PUSHES
        self._last_push = 0
        self._handlers = {
            frames.DATA: self._on_data,
            frames.HEADERS: self._on_headers,
            frames.PRIORITY: self._on_priority,
            frames.RST_STREAM: self._on_rst_stream,
            frames.SETTINGS: self._on_settings,
            frames.PUSH_PROMISE: self._on_push_promise,
            frames.PING: self._on_ping,
            frames.GOAWAY: self._on_goaway,
            frames.WINDOW_UPDATE: self._on_window_update,
            frames.CONTINUATION: self._on_continuation,
        }

    # What the owner of the socket calls

    def receive(self, data: bytes) -> None:
        """Take in octets from the client; never raises for what they say."""
        if self.closing:
            return
        self._inbox += data
        if not (self._greeted or self._greet()):
            return
        at = 0
        try:
            while len(self._inbox) - at >= FRAME_HEAD_SIZE:
                head = bytes(self._inbox[at : at + FRAME_HEAD_SIZE])
                length, kind, flags, stream_id = read_frame_head(head)
                if length > MAX_FRAME_SIZE:
                    raise broken(
                        f"frame of {length} octets, {MAX_FRAME_SIZE} allowed (RFC 9113 §4.2)",
                        ErrorCode.FRAME_SIZE_ERROR,
                    )
                end = at + FRAME_HEAD_SIZE + length
                if end > len(self._inbox):
                    break
                self._on_frame(kind, flags, stream_id, bytes(self._inbox[end - length : end]))
                at = end
        except ProtocolError as error:
            self.go_away(error.error_code, str(error))
            self.closing = True
            self._streams.clear()
        del self._inbox[:at]
        self._close_when_idle()

    def produce(self, now: float) -> bool:
        """Take every stream as far as windows, pauses and the outbox allow, a step a turn.

        now  seconds of a monotonic clock

        True if there is more to come as soon as the outbox has been written.
        """
        moved = True
        while moved and len(self.outbox) < OUTBOX_SIZE:
            moved = False
            for stream in list(self._streams.values()):
                moved |= self._turn(stream, now)
        self._close_when_idle()
        return moved

    def wake_at(self) -> float | None:
        """When the shortest pause ends, in seconds of ``produce``'s clock."""
        times = [stream.wake_at for stream in self._streams.values() if stream.wake_at is not None]
        return min(times, default=None)

    def go_away(self, error_code: int = ErrorCode.NO_ERROR, debug: str = "") -> None:
        """Say GOAWAY (§6.8): streams in flight finish, no further ones start."""
        self.outbox += frames.goaway_frame(self._last_id, error_code, debug.encode())
        self._leaving = True
        self._close_when_idle()

    # Frames

    def _close_when_idle(self) -> None:
        if self._leaving and not self._streams:
            self.closing = True

    def _greet(self) -> bool:
        """Check the client's preface and send ours (§3.4); True once that is done."""
        start = bytes(self._inbox[: len(PREFACE)])
        if not PREFACE.startswith(start):
            self.outbox += NOT_HTTP2
            self.closing = True
            return False
        if len(start) < len(PREFACE):
            return False
        del self._inbox[: len(PREFACE)]
        self.outbox += frames.settings_frame(self._settings)
        self._greeted = True
        return True

    def _on_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if not self._settled and (kind != frames.SETTINGS or flags & frames.ACK):
            raise broken("the first frame is not SETTINGS (RFC 9113 §3.4)")
        if self._block and (kind != frames.CONTINUATION or stream_id != self._block[0]):
            raise broken(f"a field block of stream {self._block[0]} is cut (RFC 9113 §6.10)")
        handler = self._handlers.get(kind)
        if handler is None:
            return  # §5.5: unknown types are ignored
        try:
            handler(flags, stream_id, payload)
        except ProtocolError as error:
            if error.stream_id is None:
                raise
            self._reset(error.stream_id, error.error_code)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._receive_window -= size
        if self._receive_window < 0:
            raise broken(
                f"DATA of {size} octets exceeds the connection's window by "
                f"{-self._receive_window} (RFC 9113 §6.9.1)",
                ErrorCode.FLOW_CONTROL_ERROR,
            )
        if self._receive_window * 2 <= DEFAULT_WINDOW:
            # Whole windows of single streams bound what we hold, so this one is for all.
            increment = DEFAULT_WINDOW - self._receive_window
            self.outbox += frames.window_update_frame(0, increment)
            self._receive_window = DEFAULT_WINDOW
        data = unpadded(flags, payload)
        stream = self._stream("DATA", stream_id)
        if stream is None:
            return
        request = stream.request
        if request.ended:
            raise broken(
                "DATA after END_STREAM (RFC 9113 §5.1)", ErrorCode.STREAM_CLOSED, stream_id
            )
        stream.receive_window -= size
        if stream.receive_window < 0 < size:
            raise broken(
                "DATA exceeds the stream's window (RFC 9113 §6.9.1)",
                ErrorCode.FLOW_CONTROL_ERROR,
                stream_id,
            )
        request.taken += size - len(data)
        if data:
            request.chunks.append(data)
        if stream.unseen is not None:
            stream.unseen -= len(data)
        if flags & frames.END_STREAM:
            self._end_request(stream)

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = unpadded(flags, payload)
        if flags & frames.PRIORITY_FLAG:
            if len(block) < 5:
                raise broken("HEADERS without room for its priority", ErrorCode.FRAME_SIZE_ERROR)
            block = block[5:]  # §5.3.2: deprecated, ignored
        if stream_id % 2 == 0:
            raise broken(f"HEADERS on stream {stream_id}: clients use odd ids (RFC 9113 §5.1.1)")
        self._block = (stream_id, flags, bytearray(block), 0)
        if flags & frames.END_HEADERS:
            self._on_block()

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is None:
            raise broken("CONTINUATION without HEADERS (RFC 9113 §6.10)")
        _, first_flags, block, count = self._block
        block += payload
        if count >= MAX_CONTINUATIONS or len(block) > 2 * MAX_HEADER_LIST_SIZE:
            raise broken(
                f"field block of more than {MAX_CONTINUATIONS} CONTINUATIONs or "
                f"{2 * MAX_HEADER_LIST_SIZE} octets",
                ErrorCode.ENHANCE_YOUR_CALM,
            )
        self._block = (stream_id, first_flags, block, count + 1)
        if flags & frames.END_HEADERS:
            self._on_block()

    def _on_block(self) -> None:
        assert self._block is not None
        stream_id, flags, block, _ = self._block
        self._block = None
        try:
            # Also when the stream is refused: the table is the whole connection's (§4.3).
            fields = self._decoder.decode(bytes(block))
        except HPACKLimitError as error:
            raise broken(str(error), ErrorCode.ENHANCE_YOUR_CALM) from error
        except HPACKError as error:
            raise broken(str(error), ErrorCode.COMPRESSION_ERROR) from error
        ends = bool(flags & frames.END_STREAM)
        if stream_id > self._last_id:
            if not self._leaving:
                self._last_id = stream_id
                self._open(stream_id, fields, ends)
            return
        stream = self._stream("HEADERS", stream_id)
        if stream is None:
            return
        if stream.request.ended:
            raise broken(
                "HEADERS after END_STREAM (RFC 9113 §5.1)", ErrorCode.STREAM_CLOSED, stream_id
            )
        if not ends:
            raise broken("trailers without END_STREAM (RFC 9113 §8.1)", stream_id=stream_id)
        stream.request.trailers = checked(fields, stream_id)
        self._end_request(stream)

    def _open(self, stream_id: int, fields: Fields, ends: bool) -> None:
        opened = sum(each % 2 for each in self._streams)  # pushes are limited by the client
        if opened >= self._settings[Setting.MAX_CONCURRENT_STREAMS]:
            self._reset(stream_id, ErrorCode.REFUSED_STREAM)
            return
        request = Request(*read_request(fields, stream_id), self._origin)
        stream = _Stream(stream_id, request, self._initial_windows)
        lengths = {value for name, value in request.headers if name == b"content-length"}
        if lengths:
            length = lengths.pop()
            if lengths or not length.isdigit():
                raise malformed("content-length is not one number", stream_id)
            stream.unseen = int(length)
        self._streams[stream_id] = stream
        stream.steps = self._answer(request)
        if ends:
            self._end_request(stream)
        self._next(stream)

    def _end_request(self, stream: _Stream) -> None:
        if stream.unseen:
            raise malformed(f"content-length is off by {stream.unseen} octets", stream.id)
        stream.request.ended = True

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id == 0:
            raise broken("PRIORITY on stream 0 (RFC 9113 §6.3)")
        if len(payload) != 5:
            raise broken("PRIORITY is 5 octets long", ErrorCode.FRAME_SIZE_ERROR, stream_id)

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise broken("RST_STREAM is 4 octets long", ErrorCode.FRAME_SIZE_ERROR)
        self._check_not_idle("RST_STREAM", stream_id)
        self._streams.pop(stream_id, None)

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise broken("SETTINGS on a stream (RFC 9113 §6.5)")
        if len(payload) % 6 or (flags & frames.ACK and payload):
            raise broken(
                f"SETTINGS of {len(payload)} octets (RFC 9113 §6.5)", ErrorCode.FRAME_SIZE_ERROR
            )
        if flags & frames.ACK:
            granted = self._settings[Setting.INITIAL_WINDOW_SIZE]
            for stream in self._streams.values():
                stream.receive_window += granted - self._initial_windows[1]
            self._initial_windows = (self._initial_windows[0], granted)
            return
        for setting, value in iter_unpack(">HL", payload):
            self._on_setting(setting, value)
        self._settled = True
        self.outbox += frames.settings_frame(None)

    def _on_setting(self, setting: int, value: int) -> None:
        if setting == Setting.HEADER_TABLE_SIZE:
            self._encoder.resize(value)
        elif setting == Setting.ENABLE_PUSH:
            if value > 1:
                raise broken(f"ENABLE_PUSH is {value} (RFC 9113 §6.5.2)")
            self._may_push = bool(value)
        elif setting == Setting.MAX_CONCURRENT_STREAMS:
            self._max_pushes = min(value, MAX_PUSHES)
        elif setting == Setting.INITIAL_WINDOW_SIZE:
            change = value - self._initial_windows[0]
            widest = max((stream.send_window for stream in self._streams.values()), default=0)
            if max(value, widest + change) > MAX_WINDOW:
                raise broken(
                    f"INITIAL_WINDOW_SIZE of {value} is too much (RFC 9113 §6.5.2, §6.9.2)",
                    ErrorCode.FLOW_CONTROL_ERROR,
                )
            for stream in self._streams.values():
                stream.send_window += change
            self._initial_windows = (value, self._initial_windows[1])
        elif setting == Setting.MAX_FRAME_SIZE:
            if not MAX_FRAME_SIZE <= value <= LARGEST_MAX_FRAME_SIZE:
                raise broken(f"MAX_FRAME_SIZE is {value} (RFC 9113 §6.5.2)")
            self._peer_max_frame_size = value

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise broken("PUSH_PROMISE from a client (RFC 9113 §8.4)")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise broken("PING on a stream (RFC 9113 §6.7)")
        if len(payload) != 8:
            raise broken("PING is 8 octets long", ErrorCode.FRAME_SIZE_ERROR)
        if not flags & frames.ACK:
            self.outbox += frames.ping_frame(payload, ack=True)

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise broken("GOAWAY on a stream (RFC 9113 §6.8)")
        if len(payload) < 8:
            raise broken("GOAWAY is 8 octets at least", ErrorCode.FRAME_SIZE_ERROR)
        self._leaving = True  # nothing new will come: close after the last answer

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise broken("WINDOW_UPDATE is 4 octets long", ErrorCode.FRAME_SIZE_ERROR)
        increment = unpack(">L", payload)[0] & LOW_31_BITS
        concerned = stream_id or None
        if stream_id:
            self._check_not_idle("WINDOW_UPDATE", stream_id)
        if not increment:
            raise broken("WINDOW_UPDATE of 0 (RFC 9113 §6.9)", stream_id=concerned)
        stream = self._streams.get(stream_id)
        if stream:
            stream.send_window += increment
            window = stream.send_window
        elif stream_id:
            return  # closed: allowed, and without effect (§5.1)
        else:
            self._send_window += increment
            window = self._send_window
        if window > MAX_WINDOW:
            raise broken(
                f"window of {window}, {MAX_WINDOW} is the most (RFC 9113 §6.9.1)",
                ErrorCode.FLOW_CONTROL_ERROR,
                concerned,
            )

    # Streams

    def _check_not_idle(self, what: str, stream_id: int) -> None:
        if stream_id and stream_id % 2 == 0 and stream_id <= self._last_push:
            return
        if stream_id == 0 or stream_id % 2 == 0 or stream_id > self._last_id:
            if self._leaving and stream_id % 2:
                return  # above the last id of our GOAWAY: opened, but not for us
            raise broken(f"{what} on idle stream {stream_id} (RFC 9113 §5.1)")

    def _stream(self, what: str, stream_id: int) -> _Stream | None:
        """The stream that DATA or HEADERS is for; ``None`` if we reset it or never took it."""
        stream = self._streams.get(stream_id)
        if stream is None:
            self._check_not_idle(what, stream_id)
            if stream_id <= self._last_id and stream_id not in self._resets:
                raise broken(
                    f"{what} on closed stream {stream_id} (RFC 9113 §5.1)", ErrorCode.STREAM_CLOSED
                )
        return stream

    def _reset(self, stream_id: int, error_code: int) -> None:
        self.outbox += frames.rst_stream_frame(stream_id, error_code)
        self._resets.append(stream_id)
        self._streams.pop(stream_id, None)

    def _finish(self, stream: _Stream) -> None:
        """Our half has ended; if the client's has not, it need not go on (§8.1)."""
        if stream.request.ended:
            del self._streams[stream.id]
        else:
            self._reset(stream.id, ErrorCode.NO_ERROR)

    def _next(self, stream: _Stream) -> None:
        """Fetch the next step, and give the window back for what that took of the request."""
        stream.step = next(stream.steps, _DONE)
        request = stream.request
        if request.taken and request.taken * 2 >= self._initial_windows[1] and not request.ended:
            self.outbox += frames.window_update_frame(stream.id, request.taken)
            stream.receive_window += request.taken
            request.taken = 0

    def _turn(self, stream: _Stream, now: float) -> bool:
        """Do the stream's next step; False if it has to wait."""
        step = stream.step
        if isinstance(step, bytes | memoryview):
            return self._send_data(stream, step)
        if step is _DONE:
            return self._send_data(stream, b"")
        if step is None:
            if not stream.request.chunks and not stream.request.ended:
                return False
            self._next(stream)
        elif isinstance(step, Pause):
            if stream.wake_at is None:
                stream.wake_at = now + step.seconds
            if now < stream.wake_at:
                return False
            stream.wake_at = None
            self._next(stream)
        elif isinstance(step, Reset):
            self._reset(stream.id, step.error_code)
        elif isinstance(step, GoAway):
            self.go_away(step.error_code)
            self._next(stream)
        elif isinstance(step, Push):
            self._push(stream, step)
            self._next(stream)
        elif isinstance(step, Trailers):
            self._send_fields(stream, step.fields, end=True)
        else:
            self._next(stream)
            bodiless = stream.request.method == "HEAD" or step.status in (204, 304)
            end = step.status >= 200 and (bodiless or stream.step is _DONE)
            fields = [(b":status", b"%d" % step.status), *step.fields]
            self._send_fields(stream, fields, end=end)
        return True

    def _push(self, parent: _Stream, step: Push) -> None:
        """Promise an answer that nobody asked for, if the client takes any (§8.4)."""
        pushes = sum(not each % 2 for each in self._streams)
        if not self._may_push or pushes >= self._max_pushes or parent.id % 2 == 0:
            return
        asked = parent.request
        pseudo = {
            b":method": b"GET",
            b":scheme": asked.scheme.encode("latin-1"),
            b":authority": asked.authority.encode("latin-1"),
            b":path": step.path.encode("ascii"),
        }
        self._last_push += 2
        block = self._encoder.encode(list(pseudo.items()))
        payload = self._last_push.to_bytes(4, "big") + block
        head = frame_head(len(payload), frames.PUSH_PROMISE, frames.END_HEADERS, parent.id)
        self.outbox += head + payload
        request = Request(pseudo, [], self._origin)
        request.ended = True
        stream = _Stream(self._last_push, request, self._initial_windows)
        self._streams[stream.id] = stream
        stream.steps = self._answer(request)
        self._next(stream)

    def _send_fields(self, stream: _Stream, fields: Fields, *, end: bool) -> None:
        block = self._encoder.encode(fields)
        self.outbox += frames.headers_frames(stream.id, block, self._peer_max_frame_size, end=end)
        if end:
            self._finish(stream)

    def _send_data(self, stream: _Stream, data: bytes | memoryview) -> bool:
        size = min(len(data), stream.send_window, self._send_window, self._peer_max_frame_size)
        if size <= 0 and data:
            return False
        stream.send_window -= size
        self._send_window -= size
        if size < len(data):
            stream.step = memoryview(data)[size:]
        elif stream.step is not _DONE:
            self._next(stream)
        # The next step is known already, so END_STREAM rides on the last octets.
        end = stream.step is _DONE
        self.outbox += frame_head(size, frames.DATA, frames.END_STREAM if end else 0, stream.id)
        self.outbox += data[:size]
        if end:
            self._finish(stream)
        return True
