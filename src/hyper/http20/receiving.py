"""What the peer's frames do to a connection and its streams (RFC 9113 §4 to §6, §8).

A frame is acted on where it is read: one loop finds whole frames, and every type has a handler
of its own, in the order of the frame types. What arrives goes straight into the stream it belongs
to; the only news is the list of exchanges that moved.

Two kinds of errors, as in §5.4. A handler raises ProtocolError for one of the connection, which
ends every exchange by GOAWAY; ``_reset`` ends one stream by RST_STREAM.
"""

from __future__ import annotations

from struct import Struct

from ..common.exchange import Exchange
from . import limits
from .bodies import BodyReceiver, on_wrong_stream, unpadded
from .exceptions import ConnectionError, ErrorCode, ProtocolError, StreamResetError
from .frames import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    FRAME_HEAD_SIZE,
    FRAME_NAMES,
    LOW_31_BITS,
    PADDED,
    PRIORITY_FLAG,
    SETTINGS,
    frame_head_at,
    frame_name,
    ping_frame,
    settings_frame,
    window_update_frame,
)
from .settings import Setting
from .state import NO_REQUEST, USUAL_UP_TO
from .window import bad_increment

__all__ = ["Receiver"]

#: The first word of DATA from which on it is worth a look whether the next frame is just alike.
_BULK = 4096 << 8

_WORD = Struct(">L")
_TWO_WORDS = Struct(">LL")


class Receiver(BodyReceiver):
    """The receiving half of ``HTTP20Protocol``: one handler a frame type."""

    # -- reading -----------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> list[Exchange]:
        if self.closed:
            return []
        try:
            self._read_frames(data)
            if self._received >= self._reported_together:
                # Given back on receipt (§6.9), so that no unread stream starves the others.
                received, self._received = self._received, 0
                self._window -= received
                increment = self._connection_manager._handle_frame(received)
                if increment:
                    self._widen_connection(increment)
        except ProtocolError as error:
            self._fail(error)
        moved, self._moved = self._moved, []
        return moved

    def _read_frames(self, data: bytes) -> None:
        """Act on every whole frame in ``data`` and keep the rest for the next call (§4.1)."""
        at = 0
        end = len(data)
        missing = self._missing
        if missing:
            # Most payloads of a download straddle two reads. Kept apart from what follows them,
            # each octet is copied twice; joining whole reads would do it three times.
            if end < missing:
                self._parts.append(data)
                self._missing = missing - end
                return
            self._parts.append(data[:missing])
            payload = b"".join(self._parts)
            self._parts.clear()
            self._missing = 0
            handler, flags, stream_id = self._under_way
            handler(self, flags, stream_id, payload)
            at = missing
        elif self._rest:
            data = self._rest + data
            self._rest = b""
            end = len(data)
        last = end - FRAME_HEAD_SIZE
        while at <= last:
            word, flags, stream_id = frame_head_at(data, at)
            stream_id &= LOW_31_BITS
            if word > self._usual:
                self._check_head(data[at : at + 40], word >> 8, word & 0xFF, flags, stream_id)
            handler = _HANDLERS[word & 0xFF]
            start = at + FRAME_HEAD_SIZE
            at = start + (word >> 8)
            if at > end:
                self._under_way = (handler, flags, stream_id)
                self._parts.append(data[start:])
                self._missing = at - end
                return
            handler(self, flags, stream_id, data[start:at])
            if word > _BULK and not (word & 0xFF or flags):
                at = self._on_equal_data(data, at, word >> 8, stream_id)
        if at < end:
            self._rest = data[at:]

    def _check_head(self, data: bytes, size: int, kind: int, flags: int, stream_id: int) -> None:
        """What can be wrong with a frame by its head alone, before the rest has arrived."""
        if not self._greeted:
            self._check_greeting(data, kind, flags)
        if size > limits.MAX_FRAME_SIZE:
            raise ProtocolError(
                f"{frame_name(kind)} frame of {size} octets; the limit is "
                f"{limits.MAX_FRAME_SIZE} (RFC 9113 §4.2)",
                error_code=ErrorCode.FRAME_SIZE_ERROR,
            )
        if self._block_stream and (kind != CONTINUATION or stream_id != self._block_stream):
            raise ProtocolError(
                f"{frame_name(kind)} on stream {stream_id} inside the field block of stream "
                f"{self._block_stream} (RFC 9113 §6.10)",
                error_code=ErrorCode.PROTOCOL_ERROR,
            )

    def _check_greeting(self, data: bytes, kind: int, flags: int) -> None:
        """The peer's first frame must be SETTINGS (§3.4)."""
        if kind != SETTINGS or flags & ACK:
            line = data.split(b"\r\n")[0]
            # An alert of TLS (RFC 8446 §5.1) is the answer of who was not spoken to by it.
            but = ", but TLS" if line.startswith(b"\x15\x03") else ""
            raise ProtocolError(
                f"the peer did not start with SETTINGS (RFC 9113 §3.4), but with {line!r}; "
                f"it may not speak HTTP/2{but}",
                error_code=ErrorCode.PROTOCOL_ERROR,
            )
        self._greeted = True
        self._usual = USUAL_UP_TO

    def _widen_connection(self, increment: int) -> None:
        """Announce room for more octets on the connection (§6.9)."""
        if not 0 < increment <= limits.MAX_WINDOW - self._window:
            raise bad_increment("the connection's window", self._window, increment)
        self._window += increment
        self.outgoing.append(window_update_frame(0, increment))

    # -- one handler a frame type ------------------------------------------------------------

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        """HEADERS (§6.2)."""
        if flags & ~END_STREAM == END_HEADERS:
            # Most heads are whole, plain, the first on their stream, and seen before.
            head = self._heads.get(payload)
            if head is not None and self.decoder.generation == self._heads_generation:
                stream = self.streams.get(stream_id)
                if (
                    stream is not None
                    and not stream.status
                    and not stream.remote_closed
                    and head.status >= 200
                ):
                    self._begin_response(stream, head, flags & END_STREAM)
                    return
        if flags & (PADDED | PRIORITY_FLAG):
            fragment = unpadded(payload, flags, "HEADERS", stream_id)
            if flags & PRIORITY_FLAG:
                if len(fragment) < 5:
                    raise ProtocolError(
                        f"HEADERS on stream {stream_id} has no room for its priority "
                        "(RFC 9113 §6.2)",
                        error_code=ErrorCode.FRAME_SIZE_ERROR,
                    )
                fragment = fragment[5:]  # §5.3.2: deprecated, ignored
        else:
            fragment = payload
        if flags & END_HEADERS:
            self._receive_block(stream_id, fragment, flags & END_STREAM)
        elif stream_id:
            self._start_block(stream_id, flags & END_STREAM, fragment)
        else:
            raise on_wrong_stream("HEADERS", stream_id, "§6.2")

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        """PRIORITY (§6.3): deprecated, so only its form is looked at."""
        if not stream_id:
            raise on_wrong_stream("PRIORITY", stream_id, "§6.3")
        self._glitch("PRIORITY frames")
        if len(payload) != 5:
            error = _wrong_size("PRIORITY", payload, 5, "§6.3")
            stream = self.streams.get(stream_id)
            if stream is None:
                raise error
            self._reset(stream, ErrorCode.FRAME_SIZE_ERROR, str(error))

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        """RST_STREAM (§6.4)."""
        if len(payload) != 4:
            raise _wrong_size("RST_STREAM", payload, 4, "§6.4")
        if not stream_id:
            raise on_wrong_stream("RST_STREAM", stream_id, "§6.4")
        stream = self.streams.get(stream_id)
        if stream is None:
            self._closed_stream(stream_id, "RST_STREAM")
            return
        (code,) = _WORD.unpack(payload)
        # A response that was whole stays whole; only our upload is not wanted any more (§8.1).
        if not stream.ended:
            if not self._resets.spend():
                raise ProtocolError(
                    "too many RST_STREAM frames in too short a time",
                    error_code=ErrorCode.ENHANCE_YOUR_CALM,
                )
            reason = ErrorCode.describe(code)
            stream.error = StreamResetError(
                f"the peer reset stream {stream_id}: {reason} (RFC 9113 §6.4)",
                error_code=code,
                stream_id=stream_id,
                # Once a head has arrived the peer contradicts itself, and so much is not sure.
                retryable=code == ErrorCode.REFUSED_STREAM
                and not (stream.status or stream.informational),
            )
        self._close_stream(stream)
        self._moved.append(stream)

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        """SETTINGS (§6.5)."""
        if stream_id:
            raise on_wrong_stream("SETTINGS", stream_id, "§6.5")
        if flags & ACK:
            if payload:
                raise _wrong_size("SETTINGS with ACK", payload, 0, "§6.5")
            self._on_settings_ack()
            return
        settings = self.remote_settings
        self._last_request = NO_REQUEST
        old_window = settings.initial_window_size
        for identifier, value in settings.update(payload, self.limits.max_settings_entries):
            if identifier == Setting.HEADER_TABLE_SIZE:
                # Each value in turn: the encoder must announce the smallest (RFC 7541 §4.2).
                self.encoder.resize(value)
        delta = settings.initial_window_size - old_window
        if delta:
            self._shift_send_windows(delta)
        self.outgoing.append(settings_frame(None))
        self._count_ack("SETTINGS")
        self._open_queued()

    def _on_settings_ack(self) -> None:
        """Our SETTINGS are in force from here on (§6.5.3)."""
        if self._settings_acked:
            self._glitch("acknowledgements of SETTINGS that nobody sent")
            return
        self._settings_acked = True
        delta = self.limits.stream_window - self._stream_window
        if delta:
            self._stream_window = self.limits.stream_window
            for stream in self._all_streams():
                stream.receive_window += delta

    def _shift_send_windows(self, delta: int) -> None:
        """A new INITIAL_WINDOW_SIZE moves the window of every stream, even below 0 (§6.9.2)."""
        for stream in self._all_streams():
            stream.send_window += delta
            if stream.send_window > limits.MAX_WINDOW:
                raise ProtocolError(
                    f"SETTINGS_INITIAL_WINDOW_SIZE takes the window of stream {stream.id} to "
                    f"{stream.send_window}; the limit is {limits.MAX_WINDOW} (RFC 9113 §6.9.2)",
                    error_code=ErrorCode.FLOW_CONTROL_ERROR,
                )
            if delta > 0 and not stream.local_closed:
                self._moved.append(stream)

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        """PUSH_PROMISE (§6.6): even one that is refused has its block go through the table."""
        if self._settings_acked and not self.enable_push:
            raise ProtocolError(
                "PUSH_PROMISE though SETTINGS_ENABLE_PUSH is 0 (RFC 9113 §8.4)",
                error_code=ErrorCode.PROTOCOL_ERROR,
            )
        fragment = unpadded(payload, flags, "PUSH_PROMISE", stream_id)
        if len(fragment) < 4:
            raise ProtocolError(
                f"PUSH_PROMISE of {len(payload)} octets has no promised stream (RFC 9113 §6.6)",
                error_code=ErrorCode.FRAME_SIZE_ERROR,
            )
        parent = self.streams.get(stream_id)
        if parent is None:
            self._closed_stream(stream_id, "PUSH_PROMISE")
        elif stream_id % 2 == 0 or parent.remote_closed:
            raise on_wrong_stream("PUSH_PROMISE", stream_id, "§6.6")
        promised = _WORD.unpack_from(fragment)[0] & LOW_31_BITS
        if promised % 2 or promised <= self._highest_promised:
            raise ProtocolError(
                f"PUSH_PROMISE of stream {promised} after {self._highest_promised} "
                "(RFC 9113 §5.1.1, §6.6)",
                error_code=ErrorCode.PROTOCOL_ERROR,
            )
        self._highest_promised = promised
        self._block_promised = promised
        if flags & END_HEADERS:
            self._receive_block(stream_id, fragment[4:], 0)
        else:
            self._start_block(stream_id, 0, fragment[4:])

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        """PING (§6.7)."""
        if stream_id:
            raise on_wrong_stream("PING", stream_id, "§6.7")
        if len(payload) != 8:
            raise _wrong_size("PING", payload, 8, "§6.7")
        if flags & ACK:
            for waiting in self._pings:
                if waiting[0] == payload:
                    self._pings.remove(waiting)
                    waiting[1].ended = True
                    self._moved.append(waiting[1])
                    return
            self._glitch("acknowledgements of PING that nobody sent")
            return
        self.outgoing.append(ping_frame(payload, ack=True))
        self._count_ack("PING")

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        """GOAWAY (§6.8): streams up to the last one finish; the others were not processed."""
        if stream_id:
            raise on_wrong_stream("GOAWAY", stream_id, "§6.8")
        if len(payload) < 8:
            raise _wrong_size("GOAWAY", payload, 8, "§6.8")
        last, code = _TWO_WORDS.unpack_from(payload)
        last &= LOW_31_BITS
        debug = payload[8 : 8 + self.limits.max_debug_data]
        self._glitch("GOAWAY frames")
        self.accepting = False
        reason = ErrorCode.describe(code)
        if debug:
            reason += f" {debug!r}"
        self._goodbye = f" after GOAWAY {reason}"
        self._goodbye_code = code
        # Before any slot comes free: nothing may start any more.
        self._drop_queue(f"GOAWAY {reason}", None, code)
        for stream in list(self.streams.values()):
            if stream.id % 2 and stream.id > last:
                if not stream.ended:
                    # As with RST_STREAM: a head says that it was.
                    begun = bool(stream.status or stream.informational)
                    outcome = "answered in part" if begun else "not processed and may be sent again"
                    stream.error = ConnectionError(
                        f"GOAWAY {reason} with last stream {last}: stream {stream.id} was "
                        f"{outcome}",
                        error_code=code,
                        stream_id=stream.id,
                        retryable=not begun,
                    )
                self._close_stream(stream)
                self._moved.append(stream)

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        """WINDOW_UPDATE (§6.9)."""
        if len(payload) != 4:
            raise _wrong_size("WINDOW_UPDATE", payload, 4, "§6.9")
        increment = _WORD.unpack(payload)[0] & LOW_31_BITS
        if not stream_id:
            if not increment:
                raise ProtocolError(
                    "WINDOW_UPDATE by 0 on the connection (RFC 9113 §6.9)",
                    error_code=ErrorCode.PROTOCOL_ERROR,
                )
            before = self.send_window
            self.send_window += increment
            if self.send_window > limits.MAX_WINDOW:
                raise ProtocolError(
                    f"WINDOW_UPDATE by {increment} takes the connection's window to "
                    f"{self.send_window}; the limit is {limits.MAX_WINDOW} (RFC 9113 §6.9.1)",
                    error_code=ErrorCode.FLOW_CONTROL_ERROR,
                )
            if before <= 0:
                # Whoever waits with octets to send waited for this one.
                self._moved += [s for s in self.streams.values() if not s.local_closed]
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            self._closed_stream(stream_id, "WINDOW_UPDATE")
            return
        if stream.reserved:
            raise on_wrong_stream("WINDOW_UPDATE", stream_id, "§5.1: it is only promised")
        if not increment:
            self._reset(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0 (RFC 9113 §6.9)")
            return
        stream.send_window += increment
        if stream.send_window > limits.MAX_WINDOW:
            self._reset(
                stream,
                ErrorCode.FLOW_CONTROL_ERROR,
                f"WINDOW_UPDATE by {increment} takes the window to {stream.send_window}; the "
                f"limit is {limits.MAX_WINDOW} (RFC 9113 §6.9.1)",
            )
        elif not stream.local_closed:
            self._moved.append(stream)
        else:
            self._glitch("WINDOW_UPDATE frames nobody needs")

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        """CONTINUATION (§6.10); the loop has made sure that it is this block's."""
        if not self._block_stream:
            raise ProtocolError(
                f"CONTINUATION on stream {stream_id} continues nothing (RFC 9113 §6.10)",
                error_code=ErrorCode.PROTOCOL_ERROR,
            )
        self._continue_block(payload)
        if flags & END_HEADERS:
            self._end_block()

    def _on_unknown(self, flags: int, stream_id: int, payload: bytes) -> None:
        """A type that this RFC does not know: ignored (§5.5)."""
        self._glitch("frames of unknown types")


def _wrong_size(what: str, payload: bytes, size: int, section: str) -> ProtocolError:
    return ProtocolError(
        f"{what} of {len(payload)} octets; it must have {size} (RFC 9113 {section})",
        error_code=ErrorCode.FRAME_SIZE_ERROR,
    )


#: By frame type. Functions, not bound methods: those would make every connection a reference
#: cycle.
_HANDLERS = (
    Receiver._on_data,
    Receiver._on_headers,
    Receiver._on_priority,
    Receiver._on_rst_stream,
    Receiver._on_settings,
    Receiver._on_push_promise,
    Receiver._on_ping,
    Receiver._on_goaway,
    Receiver._on_window_update,
    Receiver._on_continuation,
    *[Receiver._on_unknown] * (0x100 - len(FRAME_NAMES)),
)
