"""What happens on a connection, as a program is told of it by a ``Watch``.

Every event has ``connection``, a number that tells the connections of one ``Watch`` apart, and
``at``, seconds since that ``Watch`` was made. ``str(event)`` is the event in words, on one line.
``stream`` is the stream id over HTTP/2; HTTP/1.1 has none, and its requests count 1, 2, 3.

Fields are pairs of octets in the order of the wire; the values of those that are secret
(``authorization``, ``proxy-authorization``, ``cookie``, ``set-cookie``) say only how long they
are, unless the ``Watch`` was told otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..http20.exceptions import ErrorCode

__all__ = [
    "Answered",
    "BodyBegan",
    "Closed",
    "Connected",
    "Dialling",
    "Ended",
    "Event",
    "Fields",
    "Frame",
    "Message",
    "Opened",
    "Piece",
    "Promised",
    "Queued",
    "RequestEnded",
    "Reset",
    "Resolved",
    "Secured",
    "Speaking",
    "Unreadable",
]

Fields = Sequence[tuple[bytes, bytes]]

#: Characters of a field's value, or of a GOAWAY's debug data, in a line.
MAX_SHOWN: Final = 200


def shown(octets: bytes, *, quoted: bool = True) -> str:
    """Octets of a stranger on one line: escaped where they are not plain, and bounded."""
    text = octets[:MAX_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
    if quoted:
        text = '"' + text.replace('"', '\\"') + '"'
    return text if len(octets) <= MAX_SHOWN else f"{text}... ({len(octets)} octets)"


def one_line(text: str) -> str:
    """A stranger's method, URL or line; escaped if a terminal would obey anything in it."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def shown_fields(fields: Fields) -> str:
    """Fields on one line: ``name=value``, quoted where there is a blank in it."""
    return " ".join(f"{shown(name, quoted=False)}={_shown_value(value)}" for name, value in fields)


def _shown_value(value: bytes) -> str:
    hidden = value.startswith(b"<") and value.endswith(b" octets hidden>")
    return shown(value, quoted=b" " in value and not hidden)


@dataclass(slots=True)
class Event:
    """Something that happened; each kind is a class of its own."""

    connection: int
    at: float

    @property
    def arrow(self) -> str:
        """Between the time and the words of a line: ``>`` sent, ``<`` received, ``*`` neither."""
        return "*"


# The connection.


@dataclass(slots=True)
class Dialling(Event):
    """A connection to ``host`` and ``port`` is wanted; by way of ``proxy`` unless that is ""."""

    host: str
    port: int
    secure: bool
    proxy: str = ""

    def __str__(self) -> str:
        via = f" through the proxy {self.proxy}" if self.proxy else ""
        return f"dialling {self.host} port {self.port}{via}"


@dataclass(slots=True)
class Resolved(Event):
    """The name has these addresses, to be tried in this order."""

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"addresses: {' '.join(self.addresses)}"


@dataclass(slots=True)
class Connected(Event):
    """TCP stands, with this address."""

    address: str

    def __str__(self) -> str:
        return f"connected to {self.address}"


@dataclass(slots=True)
class Secured(Event):
    """TLS has shaken hands.

    version  such as ``TLSv1.3``
    cipher   the suite's name
    offered  what we offered by ALPN (RFC 7301)
    chose    what the server chose of it; "" for nothing
    """

    version: str
    cipher: str
    offered: tuple[str, ...]
    chose: str

    def __str__(self) -> str:
        offered = " and ".join(self.offered)
        return f"{self.version} {self.cipher}; ALPN: of {offered} it chose {self.chose or 'none'}"


@dataclass(slots=True)
class Speaking(Event):
    """The version of HTTP that is spoken: ``HTTP/2`` or ``HTTP/1.1``; again after an upgrade."""

    version: str

    def __str__(self) -> str:
        return f"speaking {self.version}"


@dataclass(slots=True)
class Closed(Event):
    """The connection has ended, or never came about; ``reason`` is the error's words."""

    reason: str
    error: str = ""

    def __str__(self) -> str:
        return f"closed: {self.reason}"


# What goes over the wire.


@dataclass(slots=True)
class Frame(Event):
    """A frame of HTTP/2 (RFC 9113 §4), or the preface, whose ``kind`` is ``preface``.

    sent      True from us, False from the server
    kind      the type's name
    size      octets of payload
    flags     names of those that are set
    content   what it says, in words, without fields
    code      the error code of RST_STREAM and GOAWAY, else -1
    value     WINDOW_UPDATE: the increment; GOAWAY: the last stream id; PUSH_PROMISE: the promised
              stream; else -1
    fields    of a field block that is complete with this frame, else None
    plain     octets of these names and values; HPACK made ``coded`` of them
    windows   after DATA and WINDOW_UPDATE, what may still be sent by the side that sends this
              DATA, or that this update is for: on the stream (None for stream 0 and for streams
              that are over) and on the connection
    """

    sent: bool
    kind: str
    stream: int
    size: int
    flags: tuple[str, ...] = ()
    content: str = ""
    code: int = -1
    value: int = -1
    fields: Fields | None = None
    plain: int = 0
    coded: int = 0
    windows: tuple[int | None, int] | None = None

    @property
    def arrow(self) -> str:
        return ">" if self.sent else "<"

    def __str__(self) -> str:
        if self.kind == "preface":
            return self.kind
        parts = [f"{self.stream:3} {self.kind:<13} {self.size:5}", "|".join(self.flags)]
        parts.append(self.content)
        if self.windows is not None:
            stream, connection = self.windows
            left = "" if stream is None else f"stream {stream}, "
            parts.append(f"[window: {left}connection {connection}]")
        if self.fields is not None:
            parts.append(shown_fields(self.fields))
            if self.plain:
                parts.append(f"[HPACK: {self.coded} for {self.plain}]")
        return "  ".join(part for part in parts if part)


@dataclass(slots=True)
class Message(Event):
    """A head of HTTP/1.1, or the trailers after a chunked body, whose ``line`` is "".

    line    the request or status line
    size    octets on the wire
    """

    sent: bool
    stream: int
    line: str
    fields: Fields
    size: int

    @property
    def arrow(self) -> str:
        return ">" if self.sent else "<"

    def __str__(self) -> str:
        what = (
            f"{self.line}  {shown_fields(self.fields)}"
            if self.line
            else (f"trailers  {shown_fields(self.fields)}")
        )
        return f"{self.stream:3} {what.rstrip()}"


@dataclass(slots=True)
class Piece(Event):
    """Octets of a body over HTTP/1.1, without what frames them; or of a tunnel."""

    sent: bool
    stream: int
    size: int

    @property
    def arrow(self) -> str:
        return ">" if self.sent else "<"

    def __str__(self) -> str:
        return f"{self.stream:3} body          {self.size:5}"


@dataclass(slots=True)
class Unreadable(Event):
    """From here on this direction is neither HTTP/2 nor HTTP/1.1; nothing more is told of it."""

    sent: bool
    text: str

    @property
    def arrow(self) -> str:
        return ">" if self.sent else "<"

    def __str__(self) -> str:
        return self.text


# The life of a stream.


@dataclass(slots=True)
class Queued(Event):
    """The program asked, and the request waits: the server allows no more streams at once.

    Over HTTP/1.1, where there is one at once, it waits for the response before it.
    """

    stream: int
    method: str
    url: str

    def __str__(self) -> str:
        return f"stream {self.stream}: {self.method} {self.url} waits for a stream to come free"


@dataclass(slots=True)
class Opened(Event):
    """The request's head is on its way."""

    stream: int
    method: str
    url: str
    fields: Fields

    def __str__(self) -> str:
        return f"stream {self.stream}: {self.method} {self.url} opened"


@dataclass(slots=True)
class RequestEnded(Event):
    """The whole request is on its way, with ``size`` octets of body."""

    stream: int
    size: int

    def __str__(self) -> str:
        return f"stream {self.stream}: request sent, {self.size} octets of body"


@dataclass(slots=True)
class Promised(Event):
    """The server is going to push ``stream`` along with ``parent`` (RFC 9113 §8.4)."""

    stream: int
    parent: int
    method: str
    url: str
    fields: Fields

    def __str__(self) -> str:
        return f"stream {self.stream}: promised along with {self.parent}, {self.method} {self.url}"


@dataclass(slots=True)
class Answered(Event):
    """The head of a response; interim ones (1xx) come before the final one."""

    stream: int
    status: int
    fields: Fields

    def __str__(self) -> str:
        return f"stream {self.stream}: answered {self.status}"


@dataclass(slots=True)
class BodyBegan(Event):
    """The first octets of a response's body are there."""

    stream: int

    def __str__(self) -> str:
        return f"stream {self.stream}: body began"


@dataclass(slots=True)
class Ended(Event):
    """The response is there, with ``size`` octets of body as they came over the wire."""

    stream: int
    size: int

    def __str__(self) -> str:
        return f"stream {self.stream}: ended, {self.size} octets of body"


@dataclass(slots=True)
class Reset(Event):
    """A stream was given up, by us (``sent``) or by the server; ``size`` as in ``Ended``.

    code       of RST_STREAM; of the GOAWAY that left the stream out, or REFUSED_STREAM where that
               says NO_ERROR
    by_goaway  there was no RST_STREAM: a GOAWAY left the stream out, so the server surely did not
               process it (RFC 9113 §8.7)
    """

    stream: int
    sent: bool
    code: int
    size: int
    by_goaway: bool = False

    @property
    def name(self) -> str:
        """The error code's name."""
        return ErrorCode.describe(self.code)

    def __str__(self) -> str:
        who = "us" if self.sent else "the server"
        how = "left out by the GOAWAY of" if self.by_goaway else "reset by"
        return f"stream {self.stream}: {how} {who}, {self.name}"
