"""One connection as events: octets of both directions in, what happened out."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..http20 import frames
from ..http20.exceptions import ErrorCode
from ..http20.frames import PREFACE
from .events import (
    Answered,
    BodyBegan,
    Closed,
    Connected,
    Dialling,
    Ended,
    Event,
    Fields,
    Frame,
    Message,
    Opened,
    Piece,
    Promised,
    Queued,
    RequestEnded,
    Reset,
    Resolved,
    Secured,
    Speaking,
    Unreadable,
    one_line,
)
from .http11 import MessageReader, SeenHead, SeenPiece
from .http20 import FrameReader, SeenFrame

__all__ = ["SECRET", "ConnectionTrace", "hidden"]

#: Fields whose values are nobody's business but the two ends' (RFC 9110 §11, RFC 6265).
SECRET: Final = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))

#: Streams that are followed at once; above that the oldest is forgotten.
MAX_STREAMS: Final = 10_000


def hidden(fields: Fields) -> Fields:
    """The same fields, with nothing but the length of what is secret."""
    if not any(name.lower() in SECRET for name, _ in fields):
        return fields
    return [
        (name, b"<%d octets hidden>" % len(value) if name.lower() in SECRET else value)
        for name, value in fields
    ]


class _Life:
    """A stream, as far as it has got."""

    __slots__ = ("answered", "began", "received", "request_ended", "sent")

    def __init__(self) -> None:
        self.sent = self.received = 0
        self.request_ended = self.answered = self.began = False


class ConnectionTrace:
    """One connection, for a ``Watch`` or by itself.

    tell     called with each event
    number   of the connection, in its events
    secrets  True to leave what is secret in the fields
    secure   whether it is TLS; for the URLs of what is asked in HTTP/1.1

    ``at`` takes octets with their direction, ``note`` what else happens; both with the time in
    seconds, which goes into the events. Never raises for what the octets are.
    """

    def __init__(
        self,
        tell: Callable[[Event], object],
        *,
        number: int = 1,
        secrets: bool = False,
        secure: bool = False,
    ) -> None:
        self._tell = tell
        self.number = number
        self._secrets = secrets
        self._scheme = "https" if secure else "http"
        #: What is spoken; None until the first octets.
        self._http20: bool | None = None
        self.now = 0.0
        self._lives: dict[int, _Life] = {}
        asked: deque[bytes] = deque()
        self._messages = {
            ">": MessageReader(requests=True, asked=asked),
            "<": MessageReader(requests=False, asked=asked),
        }
        ours, theirs = FrameReader(PREFACE), FrameReader()
        ours.other, theirs.other = theirs, ours
        self._frames = {">": ours, "<": theirs}
        self._over = False

    def at(self, seconds: float, direction: str, data: bytes) -> None:
        """Octets that were sent (``>``) or received (``<``)."""
        self.now = seconds
        if self._http20 is None:
            self._http20 = self._guess(direction, data)
        if self._http20:
            self._read_frames(direction, data)
            return
        messages = self._messages[direction]
        for seen in messages.read(data):
            if isinstance(seen, SeenHead):
                self._head(seen, direction == ">")
            else:
                self._piece(seen, direction == ">")
        if messages.switched and direction == "<":
            self._switch(messages)

    def note(self, seconds: float, what: str, *details: Any) -> None:
        """What happens besides octets; ``sync`` says it, so that it need not know any event."""
        self.now = seconds
        event: Event | None = None
        if what == "dialling":
            event = Dialling(self.number, seconds, *details)
        elif what == "resolved":
            event = Resolved(self.number, seconds, *details)
        elif what == "connected":
            event = Connected(self.number, seconds, *details)
        elif what == "secured":
            event = Secured(self.number, seconds, *details)
        elif what == "speaking":
            self._http20 = details[0] == "HTTP/2"
            event = Speaking(self.number, seconds, *details)
        elif what == "queued":
            event = Queued(self.number, seconds, *details)
        elif what == "closed" and not self._over:
            self._end()
            event = Closed(self.number, seconds, *details)
        if event is not None:
            self._tell(event)

    def _guess(self, direction: str, data: bytes) -> bool:
        if direction == ">":
            return PREFACE.startswith(data[: len(PREFACE)])
        return not data.startswith(b"HTTP/"[: len(data)])

    def _visible(self, fields: Fields) -> Fields:
        return fields if self._secrets else hidden(fields)

    def _life(self, stream: int) -> _Life:
        life = self._lives.get(stream)
        if life is None:
            if len(self._lives) >= MAX_STREAMS:
                del self._lives[next(iter(self._lives))]
            life = self._lives[stream] = _Life()
        return life

    # HTTP/2.

    def _read_frames(self, direction: str, data: bytes) -> None:
        sent = direction == ">"
        for seen in self._frames[direction].read(data):
            if isinstance(seen, str):
                self._tell(Unreadable(self.number, self.now, sent, seen))
                continue
            fields = None if seen.fields is None else self._visible(seen.fields)
            self._tell(
                Frame(
                    self.number,
                    self.now,
                    sent,
                    seen.name,
                    seen.stream,
                    seen.size,
                    seen.flags,
                    seen.content,
                    seen.code,
                    seen.value,
                    fields,
                    seen.plain,
                    seen.coded,
                    seen.windows,
                )
            )
            if seen.kind == frames.GOAWAY:
                self._leave_out(seen, sent)
            elif seen.stream:
                self._follow(seen, sent, fields)

    def _follow(self, seen: SeenFrame, sent: bool, fields: Fields | None) -> None:
        """What a frame means for the life of its stream."""
        stream = seen.stream
        if seen.kind == frames.RST_STREAM:
            self._reset(stream, sent, seen.code)
            return
        if fields is not None and seen.value >= 0 and not sent:
            pseudo = dict(fields)
            self._life(seen.value).request_ended = True
            self._tell(
                Promised(
                    self.number, self.now, seen.value, stream, *_target(pseudo), _plain(fields)
                )
            )
            return
        if stream not in self._lives and not (sent and fields is not None):
            return  # over already, or never begun
        life = self._life(stream)
        if sent:
            if fields is not None and b":method" in dict(fields):
                target = _target(dict(fields))
                self._tell(Opened(self.number, self.now, stream, *target, _plain(fields)))
            life.sent += seen.body
            if seen.end_stream:
                self._end_request(stream, life)
            return
        if fields is not None:
            status = _status(dict(fields).get(b":status", b"").decode("latin-1"))
            if status:
                life.answered = True
                self._tell(Answered(self.number, self.now, stream, status, _plain(fields)))
        self._body(stream, life, seen.body)
        if seen.end_stream:
            self._end_response(stream, life)

    def _body(self, stream: int, life: _Life, size: int) -> None:
        if size:
            if not life.began:
                life.began = True
                self._tell(BodyBegan(self.number, self.now, stream))
            life.received += size

    def _end_request(self, stream: int, life: _Life) -> None:
        life.request_ended = True
        self._tell(RequestEnded(self.number, self.now, stream, life.sent))

    def _end_response(self, stream: int, life: _Life) -> None:
        self._tell(Ended(self.number, self.now, stream, life.received))
        self._forget(stream)

    def _reset(self, stream: int, sent: bool, code: int, by_goaway: bool = False) -> None:
        life = self._lives.get(stream)
        if life is not None:
            self._tell(Reset(self.number, self.now, stream, sent, code, life.received, by_goaway))
            self._forget(stream)

    def _forget(self, stream: int) -> None:
        self._lives.pop(stream, None)
        for reader in self._frames.values():
            reader.forget(stream)

    def _leave_out(self, goaway: SeenFrame, sent: bool) -> None:
        """Streams above the last id of a GOAWAY were not processed (RFC 9113 §6.8)."""
        if not sent:
            for stream in [each for each in self._lives if each % 2 and each > goaway.value >= 0]:
                code = goaway.code or int(ErrorCode.REFUSED_STREAM)
                self._reset(stream, False, code, by_goaway=True)

    # HTTP/1.1.

    def _head(self, seen: SeenHead, sent: bool) -> None:
        fields = self._visible(seen.fields)
        number = seen.number
        self._tell(Message(self.number, self.now, sent, number, seen.line, fields, seen.size))
        if not seen.line:
            return
        if sent:
            method, target, *_ = [*seen.line.split(" "), "", ""]
            self._life(number)
            url = target
            if target.startswith("/") or target == "*":
                host = dict(seen.fields).get(b"host", b"").decode("latin-1")
                url = f"{self._scheme}://{host}{target if target != '*' else ''}"
            self._tell(Opened(self.number, self.now, number, method, one_line(url), fields))
        else:
            status = _status([*seen.line.split(" "), ""][1])
            self._life(number).answered = True
            self._tell(Answered(self.number, self.now, number, status, fields))

    def _piece(self, seen: SeenPiece, sent: bool) -> None:
        if seen.size:
            self._tell(Piece(self.number, self.now, sent, seen.number, seen.size))
        life = self._life(seen.number)
        if sent:
            life.sent += seen.size
            if seen.ended:
                self._end_request(seen.number, life)
            return
        self._body(seen.number, life, seen.size)
        if seen.ended:
            self._end_response(seen.number, life)

    def _switch(self, messages: MessageReader) -> None:
        """After 101 to h2c: HTTP/2, whose stream 1 answers what was asked (RFC 7540 §3.2)."""
        rest, messages.rest = messages.rest, b""
        self._http20 = True
        self._tell(Speaking(self.number, self.now, "HTTP/2"))
        if rest:
            self._read_frames("<", rest)

    def _end(self) -> None:
        self._over = True
        for seen in self._messages["<"].end() if not self._http20 else ():
            self._piece(seen, sent=False)


def _target(pseudo: dict[bytes, bytes]) -> tuple[str, str]:
    """The method and the URL of a request's pseudo-headers (RFC 9113 §8.3.1)."""
    text = {name: value.decode("latin-1") for name, value in pseudo.items()}
    authority = text.get(b":authority") or text.get(b"host", "")
    scheme = text.get(b":scheme")
    url = f"{scheme}://{authority}{text.get(b':path', '')}" if scheme else authority
    return one_line(text.get(b":method", "")), one_line(url)


def _status(text: str) -> int:
    """A status code (RFC 9110 §15); 0 for what is none."""
    return int(text) if re.fullmatch("[0-9]{3}", text) else 0


def _plain(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Without pseudo-headers."""
    return [field for field in fields if not field[0].startswith(b":")]
