"""A timeline as an HTTP Archive (HAR 1.2), as browsers write and read it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from .events import Fields
from .timeline import ConnectionRecord, StreamRecord, Timeline

__all__ = ["har"]

PAGE: Final = "page_1"


def har(timeline: Timeline) -> str:
    """The archive. Secret fields are in it as the timeline has them: hidden, mostly."""
    with timeline.lock:
        streams = list(timeline.streams)
        entries = []
        served: set[int] = set()
        for stream in streams:
            connection = timeline.connections[stream.connection]
            # Who asked first waited for the connection as well.
            first = connection.number not in served
            served.add(connection.number)
            entries.append(_entry(timeline, connection, stream, first))
        end = max((stream.ended or 0.0 for stream in streams), default=0.0)
    log = {
        "version": "1.2",
        "creator": {"name": "hyper", "version": _version()},
        "pages": [
            {
                "startedDateTime": _date(timeline.started),
                "id": PAGE,
                "title": streams[0].url if streams else "",
                "pageTimings": {"onContentLoad": -1, "onLoad": _milliseconds(end)},
            }
        ],
        "entries": entries,
    }
    return json.dumps({"log": log}, indent=1) + "\n"


def _version() -> str:
    # Of the package that this is a part of, from which nothing may be imported here.
    return str(getattr(sys.modules.get("hyper"), "__version__", ""))


def _entry(
    timeline: Timeline, connection: ConnectionRecord, stream: StreamRecord, first: bool
) -> dict[str, Any]:
    timings = _timings(connection, stream, first)
    # ssl is a part of connect.
    total = sum(value for name, value in timings.items() if name != "ssl" and value > 0)
    began = connection.began if first else stream.began
    entry: dict[str, Any] = {
        "pageref": PAGE,
        "startedDateTime": _date(timeline.started + began),
        "time": round(total, 3),
        "request": _request(connection, stream),
        "response": _response(connection, stream),
        "cache": {},
        "timings": timings,
        "serverIPAddress": connection.address.rpartition(":")[0].strip("[]"),
        "connection": str(connection.number),
        "_stream": stream.number,
    }
    if stream.pushed_by is not None:
        entry["_was_pushed"] = 1
    if stream.reset is not None:
        entry["comment"] = str(stream.reset)
    return entry


def _timings(connection: ConnectionRecord, stream: StreamRecord, first: bool) -> dict[str, float]:
    """Milliseconds; -1 for what does not apply."""
    opened = stream.began if stream.opened is None else stream.opened
    last = stream.ended if stream.ended is not None else opened
    sent = min(opened if stream.sent is None else stream.sent, last)
    answered = last if stream.answered is None else stream.answered
    timings = {
        "blocked": _span(stream.queued, opened),
        "dns": -1.0,
        "connect": -1.0,
        "ssl": -1.0,
        "send": max(0.0, _milliseconds(sent - opened)),
        "wait": max(0.0, _milliseconds(answered - max(sent, opened))),
        "receive": max(0.0, _milliseconds(last - answered)),
    }
    if first and connection.dialling is not None:
        timings["dns"] = _span(connection.began, connection.resolved)
        ready = connection.connected
        if connection.secured is not None:
            timings["ssl"] = _span(connection.connected, connection.secured.at)
            ready = connection.secured.at
        timings["connect"] = _span(connection.resolved, ready)
    return timings


def _span(start: float | None, end: float | None) -> float:
    if start is None or end is None:
        return -1.0
    return max(0.0, _milliseconds(end - start))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _request(connection: ConnectionRecord, stream: StreamRecord) -> dict[str, Any]:
    # Not by urlsplit: what a server promises need not be a URL.
    query = parse_qsl(stream.url.partition("?")[2], keep_blank_values=True)
    request: dict[str, Any] = {
        "method": stream.method,
        "url": stream.url,
        "httpVersion": connection.version,
        "cookies": [],
        "headers": _headers(stream.request_fields),
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": -1,
        "bodySize": stream.request_size,
    }
    return request


def _response(connection: ConnectionRecord, stream: StreamRecord) -> dict[str, Any]:
    response: dict[str, Any] = {
        "status": stream.status,
        "statusText": _phrase(stream.status),
        "httpVersion": connection.version,
        "cookies": [],
        "headers": _headers(stream.response_fields),
        "content": {
            "size": stream.size,
            "mimeType": stream.field(b"content-type") or "x-unknown",
        },
        "redirectURL": stream.field(b"location"),
        "headersSize": -1,
        "bodySize": stream.size,
    }
    if stream.reset is not None:
        response["_error"] = stream.reset.name
    return response


def _headers(fields: Fields) -> list[dict[str, str]]:
    return [
        {"name": name.decode("latin-1"), "value": value.decode("latin-1")} for name, value in fields
    ]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
