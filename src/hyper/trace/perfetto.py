"""A timeline in the trace-event format, for Perfetto and the tracing page of Chromium."""

from __future__ import annotations

import json
from typing import Any

from .events import Frame, Reset
from .timeline import ConnectionRecord, StreamRecord, Timeline

__all__ = ["perfetto"]


def perfetto(timeline: Timeline) -> str:
    """Connections are processes, streams threads, windows counters; times are microseconds."""
    with timeline.lock:
        events: list[dict[str, Any]] = []
        for connection in timeline.connections.values():
            events += _connection(connection)
        for stream in timeline.streams:
            events += _stream(stream, timeline.now)
        for seen in timeline.wire:
            if isinstance(seen, Frame):
                events += _frame(seen)
        for event in timeline.events:
            if isinstance(event, Reset):
                events.append(
                    _instant(str(event), event.at, event.connection, event.stream, code=event.name)
                )
    events.sort(key=lambda event: event.get("ts", -1))
    return json.dumps({"displayTimeUnit": "ms", "traceEvents": events}, indent=1) + "\n"


def _at(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def _named(kind: str, name: str, pid: int, tid: int = 0) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": pid, "tid": tid, "args": {"name": name}}


def _slice(
    name: str, start: float, end: float, pid: int, tid: int, **args: object
) -> dict[str, Any]:
    return {
        "ph": "X",
        "cat": "http",
        "name": name,
        "ts": _at(start),
        "dur": max(0.0, round((end - start) * 1e6, 1)),
        "pid": pid,
        "tid": tid,
        "args": args,
    }


def _instant(name: str, at: float, pid: int, tid: int, **args: object) -> dict[str, Any]:
    return {
        "ph": "i",
        "s": "t",
        "cat": "http",
        "name": name,
        "ts": _at(at),
        "pid": pid,
        "tid": tid,
        "args": args,
    }


def _connection(connection: ConnectionRecord) -> list[dict[str, Any]]:
    pid = connection.number
    name = f"{connection.where} {connection.version}".rstrip()
    events = [_named("process_name", name, pid), _named("thread_name", "connection", pid)]
    steps = [
        ("resolving", connection.resolved),
        ("connecting", connection.connected),
        ("TLS", connection.secured.at if connection.secured else None),
    ]
    start = connection.began
    for what, end in steps:
        if end is not None:
            events.append(_slice(what, start, end, pid, 0))
            start = end
    if connection.closed is not None:
        events.append(_instant(str(connection.closed), connection.closed.at, pid, 0))
    return events


def _stream(stream: StreamRecord, now: float) -> list[dict[str, Any]]:
    pid, tid = stream.connection, stream.number
    end = now if stream.ended is None else stream.ended
    title = f"{stream.number} {stream.method} {stream.path}"
    events = [
        _named("thread_name", title, pid, tid),
        _slice(
            f"{stream.method} {stream.path}",
            stream.began,
            end,
            pid,
            tid,
            url=stream.url,
            status=stream.status,
            octets=stream.size,
            pushed_by=stream.pushed_by,
        ),
    ]
    steps = (
        ("queued", stream.queued, stream.opened),
        ("waiting", stream.opened, stream.answered),
        ("head", stream.answered, stream.body_began),
        ("body", stream.body_began, end),
    )
    events += [
        _slice(name, start, end if until is None else until, pid, tid)
        for name, start, until in steps
        if start is not None
    ]
    return events


def _frame(frame: Frame) -> list[dict[str, Any]]:
    arrow = "sent" if frame.sent else "received"
    event = _instant(
        f"{frame.kind} {arrow}",
        frame.at,
        frame.connection,
        frame.stream,
        octets=frame.size,
        flags="|".join(frame.flags),
        content=frame.content,
    )
    if frame.windows is None:
        return [event]
    # Of DATA its sender's window, of WINDOW_UPDATE that of who receives it.
    ours = frame.sent == (frame.kind == "DATA")
    counter = {
        "ph": "C",
        "name": "send window" if ours else "receive window",
        "ts": _at(frame.at),
        "pid": frame.connection,
        "args": {"octets": frame.windows[1]},
    }
    return [event, counter]
