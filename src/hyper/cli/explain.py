"""What happened, in words: which version was spoken and why, what failed, and what was slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..http20.exceptions import ErrorCode
from ..trace.drawing import seconds, size
from ..trace.events import Frame, Secured
from ..trace.timeline import ConnectionRecord, StreamRecord, Timeline

__all__ = ["explain"]

#: What a code of RST_STREAM or GOAWAY means to whoever gets it (RFC 9113 §7).
MEANINGS: Final = {
    ErrorCode.NO_ERROR: "nothing is wrong",
    ErrorCode.PROTOCOL_ERROR: "it holds that a rule of HTTP/2 was broken",
    ErrorCode.INTERNAL_ERROR: "something failed on that side, and says no more",
    ErrorCode.FLOW_CONTROL_ERROR: "it holds that more was sent than a window allowed",
    ErrorCode.SETTINGS_TIMEOUT: "its SETTINGS were not acknowledged in time",
    ErrorCode.STREAM_CLOSED: "it got a frame for a stream that was over",
    ErrorCode.FRAME_SIZE_ERROR: "it got a frame of a size that is not allowed",
    ErrorCode.REFUSED_STREAM: "the request was not processed, so it may be sent again as it is",
    ErrorCode.CANCEL: "the response is no longer wanted, or will not be given",
    ErrorCode.COMPRESSION_ERROR: "it could not keep up the table of compressed fields",
    ErrorCode.CONNECT_ERROR: "the connection behind a CONNECT is lost",
    ErrorCode.ENHANCE_YOUR_CALM: "it holds that this side asks for too much",
    ErrorCode.INADEQUATE_SECURITY: "the TLS of the connection is not good enough for it",
    ErrorCode.HTTP_1_1_REQUIRED: "it wants this asked over HTTP/1.1: try --http1.1",
}

#: Streams of one kind that are told one by one.
MAX_TOLD: Final = 10
#: Seconds below which nothing is called slow.
SLOW: Final = 0.2


def explain(timeline: Timeline) -> list[str]:
    """Sentences, a line each, in the order in which one would ask."""
    with timeline.lock:
        lines: list[str] = []
        for connection in timeline.connections.values():
            streams = [each for each in timeline.streams if each.connection == connection.number]
            lines += _connection(connection)
            lines += _goaway(connection)
            lines += _failed(streams)
            lines += _waited(streams)
            lines += _windows(timeline, connection)
        lines += _slowest(timeline.streams)
        return [_harmless(line) for line in lines]


def _harmless(line: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in line)


def _connection(connection: ConnectionRecord) -> Iterator[str]:
    where = connection.where
    if connection.dialling is not None and connection.dialling.proxy:
        where += f" (through the proxy {connection.dialling.proxy})"
    if not connection.version:
        reason = (
            connection.closed.reason if connection.closed is not None else "it is not there yet"
        )
        yield f"{where}: no connection: {reason}"
        return
    yield f"{where}: {connection.version}, {_why(connection)}"
    steps = [
        ("its address", connection.began, connection.resolved),
        ("TCP", connection.resolved, connection.connected),
        ("TLS", connection.connected, connection.secured.at if connection.secured else None),
    ]
    took = [
        f"{seconds(end - start)} for {what}"
        for what, start, end in steps
        if start is not None and end is not None
    ]
    if took:
        yield f"{where}: the connection took {', '.join(took)}"
    plain, coded = sum(connection.plain.values()), sum(connection.coded.values())
    if plain:
        share = 100 - 100 * coded / plain
        yield f"{where}: HPACK made {coded} octets of {plain} of header fields, {share:.0f} % less"


def _why(connection: ConnectionRecord) -> str:
    http20 = connection.version == "HTTP/2"
    secured = connection.secured
    if secured is not None:
        return _by_alpn(secured, http20)
    if connection.upgraded:
        return "as the server agreed to the Upgrade that the first request offered (101)"
    if http20:
        return "without TLS, as we were told that the server speaks it (prior knowledge)"
    return (
        "as without TLS there is no ALPN by which a server could choose HTTP/2; --h2 speaks it "
        "all the same, --upgrade offers it"
    )


def _by_alpn(secured: Secured, http20: bool) -> str:
    by = f"by ALPN in the {secured.version} handshake"
    if "h2" not in secured.offered:
        offered = " and ".join(secured.offered) or "nothing"
        return f"as nothing else was offered {by}: {offered}"
    if secured.chose == "h2":
        return f"as the server chose h2 {by}"
    chose = secured.chose or "nothing"
    if http20:
        return f"as we insisted, though the server chose {chose} {by}"
    if secured.chose:
        return f"as the server chose {chose} {by}, though it was offered h2 first"
    return f"as the server chose nothing {by}: it does not know ALPN, or not h2"


def _goaway(connection: ConnectionRecord) -> Iterator[str]:
    for frame in connection.goaway:
        if frame.sent:
            if frame.code:
                meaning = _meaning(frame.code, ours=True)
                yield f"We ended the connection by GOAWAY {frame.content}: {meaning}"
            continue
        if frame.value >= 2**31 - 1 and not frame.code:
            yield (
                "The server said GOAWAY as a warning: it is about to stop, and still takes what "
                "is on its way"
            )
            continue
        yield (
            f"The server said GOAWAY {ErrorCode.describe(frame.code)}, last stream {frame.value}: "
            f"{_meaning(frame.code)}. It takes no new requests on this connection; those up to "
            f"stream {frame.value} go on, later ones were not processed and may be sent again"
        )


def _meaning(code: int, *, ours: bool = False) -> str:
    if ours:
        return "we hold that the server broke a rule (the error says which)"
    for known, meaning in MEANINGS.items():
        if known == code:
            return meaning
    return "the code is not one of RFC 9113's"


def _failed(streams: list[StreamRecord]) -> Iterator[str]:
    resets = [stream for stream in streams if stream.reset is not None]
    for stream in resets[:MAX_TOLD]:
        assert stream.reset is not None
        what = f"Stream {stream.number} ({stream.method} {stream.path})"
        if stream.reset.by_goaway:
            yield f"{what} was left out by the GOAWAY: not processed, so it may be sent again"
        elif stream.reset.sent:
            yield (
                f"{what} was given up by us, {stream.reset.name}, with {size(stream.size)} of its "
                "body here"
            )
        else:
            yield f"{what} was reset by the server, {stream.reset.name}: " + _meaning(
                stream.reset.code
            )
    if len(resets) > MAX_TOLD:
        yield f"{len(resets) - MAX_TOLD} more streams were reset"
    pushed = [stream for stream in streams if stream.pushed_by is not None]
    if pushed:
        octets = size(sum(stream.size for stream in pushed))
        yield f"{len(pushed)} responses were pushed without being asked for, {octets}"


def _waited(streams: list[StreamRecord]) -> Iterator[str]:
    waits = [
        stream.opened - stream.queued
        for stream in streams
        if stream.queued is not None and stream.opened is not None
    ]
    if waits:
        yield (
            f"{len(waits)} requests waited for a stream to come free, as the server allows no "
            f"more at once; the longest for {seconds(max(waits))}"
        )


def _windows(timeline: Timeline, connection: ConnectionRecord) -> Iterator[str]:
    """Where octets could not flow as a window was used up."""
    used_up: dict[tuple[bool, int], None] = {}
    for seen in timeline.wire:
        if (
            isinstance(seen, Frame)
            and seen.connection == connection.number
            and seen.kind == "DATA"
            and seen.windows is not None
            and "END_STREAM" not in seen.flags
        ):
            stream, whole = seen.windows
            if whole <= 0:
                used_up[seen.sent, 0] = None
            elif stream is not None and stream <= 0:
                used_up[seen.sent, seen.stream] = None
    for sent, number in list(used_up)[:MAX_TOLD]:
        what = f"stream {number}" if number else "the whole connection"
        who = "we had to wait for the server" if sent else "the server had to wait for us"
        yield f"The window of {what} was used up: {who} to give more room"


def _slowest(streams: list[StreamRecord]) -> Iterator[str]:
    done = [stream for stream in streams if stream.ended is not None and stream.pushed_by is None]
    if not done:
        return
    slowest = max(done, key=lambda stream: (stream.ended or 0.0) - stream.began)
    assert slowest.ended is not None
    took = slowest.ended - slowest.began
    what = "The slowest" if len(done) > 1 else "It"
    which = f" was stream {slowest.number} ({slowest.method} {slowest.path}), which"
    parts = _parts(slowest, slowest.ended)
    told = ", ".join(f"{seconds(value)} {words}" for value, words in parts if value > 0.01 * took)
    yield f"{what}{which if len(done) > 1 else ''} took {seconds(took)}: {told}"
    value, words = max(parts)
    if took >= SLOW and value > took / 2:
        yield f"More than half of it went by {_ADVICE[words]}"


_ADVICE: Final = {
    "in the queue": "in the queue: fewer requests at once, or a second connection, would help",
    "sending the request": "sending the request: the way there, or the server's windows, are slow",
    "until the answer's head": "until the answer's head came: the server, or the way to it, lags",
    "for an answer that did not come": "waiting for an answer that did not come",
    "for the body": "while the body came: the line, or what makes the body, is slow",
}


def _parts(stream: StreamRecord, ended: float) -> list[tuple[float, str]]:
    opened = stream.opened if stream.opened is not None else ended
    sent = min(stream.sent if stream.sent is not None else opened, ended)
    answered = stream.answered if stream.answered is not None else ended
    return [
        (opened - stream.began, "in the queue"),
        (max(0.0, sent - opened), "sending the request"),
        (
            max(0.0, answered - max(sent, opened)),
            "for an answer that did not come"
            if stream.answered is None
            else "until the answer's head",
        ),
        (max(0.0, ended - answered), "for the body"),
    ]
