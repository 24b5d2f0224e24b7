"""The octets of bodies: DATA frames and what they may not do (RFC 9113 §6.1, §6.9, §8.1.1)."""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from struct import Struct

from . import limits
from .exceptions import ErrorCode, ProtocolError
from .frames import END_STREAM, FRAME_HEAD_SIZE, PADDED, window_update_frame
from .responses import ResponseReceiver
from .stream import Stream

__all__ = ["BodyReceiver", "on_wrong_stream", "unpadded"]


@lru_cache(128)
def _alike(size: int, count: int) -> tuple[Struct, Struct]:
    """The heads, and the payloads, of so many frames in a row with so many octets each."""
    heads, payloads = f"{FRAME_HEAD_SIZE}s{size}x", f"{FRAME_HEAD_SIZE}x{size}s"
    return Struct(heads * count), Struct(payloads * count)


class BodyReceiver(ResponseReceiver):
    """What DATA does to its stream and to the windows."""

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """DATA (§6.1)."""
        size = len(payload)
        # The octets count against the connection whatever becomes of them (§6.9).
        received = self._received = self._received + size
        if received > self._window:
            raise ProtocolError(
                f"DATA exceeds the connection's window of {self._window} octets (RFC 9113 §6.9.1)",
                error_code=ErrorCode.FLOW_CONTROL_ERROR,
            )
        stream = self.streams.get(stream_id)
        if stream is None or flags & PADDED or not size:
            self._on_odd_data(flags, stream_id, payload)
            return
        window = stream.receive_window = stream.receive_window - size
        received = stream.received = stream.received + size
        expected = stream.expected
        if window < 0 or stream.remote_closed or not stream.status or received > expected >= 0:
            self._reset_for_data(stream, size)
            return
        chunks = stream.chunks
        if chunks and size < limits.SMALL_CHUNK and len(chunks) >= limits.MAX_SMALL_CHUNKS:
            _join_last(chunks, payload)
        else:
            chunks.append(payload)
        self._empty_data = 0
        if flags & END_STREAM:
            if stream.local_closed and received == expected and stream_id & 1 and not self._queue:
                # What _end and _close_stream do to most streams; without those two calls, which
                # are a fiftieth of a small request's cost.
                stream.remote_closed = stream.ended = True
                del self.streams[stream_id]
                self._open -= 1
            else:
                self._end(stream)
        self._moved.append(stream)

    def _on_equal_data(self, data: bytes, at: int, size: int, stream_id: int) -> int:
        """The DATA frames from ``at`` on that have the same head as the one before it.

        Takes as many as the windows and content-length allow, and returns where the next frame
        begins. A bulk transfer consists of them, and this takes a tenth off what the core costs it.
        """
        step = FRAME_HEAD_SIZE + size
        head = data[at - step : at - size]
        stream = self.streams.get(stream_id)
        if not data.startswith(head, at) or stream is None:  # or the last one was one too many
            return at
        room = min(self._window - self._received, stream.receive_window)
        if stream.expected >= 0:
            room = min(room, stream.expected - stream.received)
        count = min((len(data) - at) // step, room // size)
        # Two calls in C, where a loop over the frames would take half as long again.
        heads, payloads = _alike(size, count)
        found = heads.unpack_from(data, at)
        if found.count(head) != count:
            count = next(number for number, other in enumerate(found) if other != head)
            payloads = _alike(size, count)[1]
        stream.chunks.extend(payloads.unpack_from(data, at))
        taken = count * size
        self._received += taken
        stream.receive_window -= taken
        stream.received += taken
        return at + count * step

    def _on_odd_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """DATA that is padded, empty, or on a stream that is not open (§6.1)."""
        body = unpadded(payload, flags, "DATA", stream_id)
        stream = self.streams.get(stream_id)
        if stream is None:
            # What was on its way to a stream that we cancelled may be a whole window of frames,
            # and has cost the peer as much as us.
            small = len(body) < limits.SMALL_CHUNK
            self._closed_stream(stream_id, "DATA", glitch=small)
            return
        padding = len(payload) - len(body)
        stream.receive_window -= len(payload)
        stream.received += len(body)
        if (
            # Our SETTINGS can take a window below 0; no octets need no room (§6.9.1, §6.9.2).
            (stream.receive_window < 0 and payload)
            or stream.remote_closed
            or not stream.status
            or stream.received > stream.expected >= 0
        ):
            self._reset_for_data(stream, len(payload))
            return
        if body:
            self._empty_data = 0
        elif flags & END_STREAM == 0:
            self._empty_data += 1
            if self._empty_data > self.limits.max_empty_data:
                raise ProtocolError(
                    f"{self._empty_data} DATA frames in a row carried nothing",
                    error_code=ErrorCode.ENHANCE_YOUR_CALM,
                )
        if body or not flags & END_STREAM:
            # Empty pieces are no octets of any window, so nothing else bounds them.
            if len(body) < limits.SMALL_CHUNK and len(stream.chunks) >= limits.MAX_SMALL_CHUNKS:
                _join_last(stream.chunks, body)
            else:
                stream.chunks.append(body)
        self._moved.append(stream)
        if flags & END_STREAM:
            self._end(stream)
        elif padding:
            # Padding is never read, so its part of the window comes back from here. A quarter
            # at a time: one frame for many.
            stream.padding += padding
            if stream.padding >= stream.initial_receive_window // 4:
                stream.receive_window += stream.padding
                self.outgoing.append(window_update_frame(stream_id, stream.padding))
                stream.padding = 0

    def _reset_for_data(self, stream: Stream, size: int) -> None:
        """Say which rule DATA broke on a stream."""
        if stream.remote_closed:
            message = "arrived after the end of the response (RFC 9113 §5.1)"
            self._reset(stream, ErrorCode.STREAM_CLOSED, f"DATA of {size} octets {message}")
        elif stream.reserved:
            raise on_wrong_stream("DATA", stream.id, "§5.1: it is only promised")
        elif stream.receive_window < 0 < size:
            self._reset(
                stream,
                ErrorCode.FLOW_CONTROL_ERROR,
                f"DATA of {size} octets exceeds its window of {stream.receive_window + size} "
                "(RFC 9113 §6.9.1)",
            )
        elif not stream.status:
            self._reset(
                stream,
                ErrorCode.PROTOCOL_ERROR,
                "DATA came before the head of the response (RFC 9113 §8.1)",
            )
        else:
            self._reset(
                stream,
                ErrorCode.PROTOCOL_ERROR,
                f"the body has {stream.received} octets so far and should have {stream.expected} "
                "(RFC 9113 §8.1.1)",
            )


def unpadded(payload: bytes, flags: int, what: str, stream_id: int) -> bytes:
    """A payload without its padding (§6.1)."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ProtocolError(
            f"{what} of {len(payload)} octets on stream {stream_id} is padded beyond its end "
            "(RFC 9113 §6.1)",
            error_code=ErrorCode.PROTOCOL_ERROR if payload else ErrorCode.FRAME_SIZE_ERROR,
        )
    return payload[1 : len(payload) - payload[0]]


def _join_last(chunks: deque[bytes], piece: bytes) -> None:
    """Join a small piece to the last one, unless a reader takes that at this moment."""
    try:
        last = chunks[-1]
        # A bound, so that the copies stay linear.
        if len(last) <= limits.JOINED_CHUNK:
            # Never taken out first: the reader counts on what it has seen to be there.
            chunks[-1] = last + piece
            return
    except IndexError:
        pass
    chunks.append(piece)


def on_wrong_stream(what: str, stream_id: int, section: str) -> ProtocolError:
    return ProtocolError(
        f"{what} on stream {stream_id} (RFC 9113 {section})", error_code=ErrorCode.PROTOCOL_ERROR
    )
