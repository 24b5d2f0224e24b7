"""What we want to reach, and whether a run reached it; nothing here measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.results import against
from bench.scenarios import BULK_SIZE

__all__ = ["GOALS", "Goal", "Verdict", "judge", "report", "wanted"]

MIB = 1 << 20

#: A thread that waits longer than this for a small answer on loopback was forgotten.
STALL = 1.0


@dataclass(frozen=True)
class Goal:
    """A bound on what ours costs.

    what      the work, in words
    scenario  where it is measured
    limit     at most so much: of ``peer``'s, or in the metric's unit where there is no peer
    metric    seconds: ``cpu``, ``wall``, ``p99``, ``longest``; octets: ``peak_memory``, ``octets``
    reach     ``peer``'s divided by ours shall be at least ``limit``: a share of what is possible
    """

    what: str
    scenario: str
    limit: float
    peer: str = ""
    metric: str = "cpu"
    reach: bool = False


@dataclass(frozen=True)
class Verdict:
    """``value`` is None where it was not measured, for ``reason``."""

    goal: Goal
    value: float | None
    met: bool
    reason: str = ""


def _against_curl(what: str, name: str, friendly: float, heavy: float) -> list[Goal]:
    return [
        Goal(f"{what}, friendly", name, friendly, "pycurl"),
        Goal(f"{what}, heavy", f"heavy-{name}-nginx", heavy, "pycurl"),
        Goal(f"{what}, heavy", f"heavy-{name}-h2o", heavy, "pycurl"),
    ]


def _against_httpx(what: str, name: str, limit: float) -> list[Goal]:
    names = (name, f"heavy-{name}-nginx", f"heavy-{name}-h2o")
    return [Goal(what, each, limit, "httpx") for each in names]


_ONE = "GETs one after the other"
_MANY = "100 GETs in flight"
_THREADS = "16 threads on one connection"

GOALS = [
    *_against_curl(_ONE, "sequential", 0.75, 0.90),
    *_against_httpx(_ONE, "sequential", 0.12),
    *_against_curl(_MANY, "inflight", 0.25, 0.80),
    *_against_httpx(_MANY, "inflight", 1 / 40),
    *_against_curl(_THREADS, "threads", 0.55, 0.85),
    *(
        goal
        for name in ("threads", "heavy-threads-nginx", "heavy-threads-h2o")
        for goal in (
            Goal(f"{_THREADS}: 99 of 100 waits", name, 1.0, "pycurl", "p99"),
            Goal(f"{_THREADS}: the longest wait", name, STALL, metric="longest"),
        )
    ),
    Goal("64 MiB download over TLS", "download", 1.10, "curl"),
    Goal("1 GiB download over TLS", "download-1g", 1.10, "curl"),
    Goal("64 MiB download, no TLS", "download-plain", 0.60, "pycurl"),
    Goal("64 MiB into one bytes", "whole", 1.10, "pycurl"),
    Goal("64 MiB into one bytes: memory", "whole", BULK_SIZE + 25 * MIB, metric="peak_memory"),
    Goal("64 MiB upload, small windows", "upload", 0.90, "pycurl"),
    Goal("64 MiB upload, large windows", "upload-large", 0.80, "pycurl"),
    Goal("connect, GET, close", "connect", 0.90, "pycurl"),
    Goal("64 MiB over 50 ms at 1 Gbit/s", "distance", 0.98, "http.client", "wall", reach=True),
    Goal("import, against http.client and ssl", "import", 1.0, "http.client"),
    Goal("first request with the import", "first", 0.025),
    Goal("HPACK, encode", "encode", 0.20, "hpack"),
    Goal("HPACK, decode", "decode", 0.20, "hpack"),
    Goal("HPACK, size of what is encoded", "encode", 1.02, "nghttp2", "octets"),
    Goal("HTTP/1.1 through the native door", "native-1.1", 0.90, "http.client"),
    Goal("hyper.client, 12 B", "drop-in", 1.5, "http.client"),
    Goal("hyper.client, 10 KiB", "drop-in-10k", 1.5, "http.client"),
    Goal("HTTP20Adapter", "adapter", 1.0, "requests"),
    Goal("HTTP20Adapter, 16 threads", "adapter-threads", 0.9, "requests"),
]


def wanted() -> dict[str, set[str]]:
    """The scenarios that the goals are about, each with the peers they name."""
    peers: dict[str, set[str]] = {}
    for goal in GOALS:
        peers.setdefault(goal.scenario, set()).update({goal.peer} - {""})
    return peers


def judge(document: Mapping[str, Any], goals: Sequence[Goal]) -> list[Verdict]:
    """Hold the document of a run against the goals; their scenarios have to be in it."""
    return [_judge(document, goal) for goal in goals]


def _judge(document: Mapping[str, Any], goal: Goal) -> Verdict:
    part = document["scenarios"][goal.scenario]
    for client in (part["ours"], goal.peer or part["ours"]):
        if client not in part["clients"]:
            return Verdict(goal, None, False, f"{client}: {part['skipped'].get(client, 'missing')}")
    ours = part["clients"][part["ours"]]
    if not goal.peer:
        value = _alone(ours, goal.metric)
    elif goal.metric in ours["rounds"][0]:
        value = against(ours["rounds"], part["clients"][goal.peer]["rounds"], goal.metric)
    else:
        value = ours[goal.metric] / part["clients"][goal.peer][goal.metric]
    if goal.reach:
        return Verdict(goal, 1 / value, 1 / value >= goal.limit)
    return Verdict(goal, value, value <= goal.limit)


def _alone(figures: Mapping[str, Any], metric: str) -> float:
    # A single stall is one too many, whatever the other rounds were like.
    if metric == "longest":
        return float(max(each[metric] for each in figures["rounds"]))
    if metric == "peak_memory":
        return float(figures[metric])
    return float(median(each[metric] for each in figures["rounds"]))


def report(runs: Mapping[str, Sequence[Verdict]]) -> str:
    """A row of Markdown for every goal, what each run made of it, and how many were met.

    All runs were held against the same goals.
    """
    lines = [
        f"| work | scenario | goal | {' | '.join(runs)} |",
        "|---|---|---|" + "---|" * len(runs),
    ]
    for verdicts in zip(*runs.values(), strict=True):
        goal = verdicts[0].goal
        bound = "at least" if goal.reach else "at most"
        of = f" of {goal.peer}" if goal.peer else ""
        cells = " | ".join(_told(verdict) for verdict in verdicts)
        wanted = f"{bound} {_shown(goal, goal.limit)}{of}"
        lines.append(f"| {goal.what} | {goal.scenario} | {wanted} | {cells} |")
    lines.append("")
    for name, own in runs.items():
        met = sum(verdict.met for verdict in own)
        measured = sum(verdict.value is not None for verdict in own)
        lines.append(f"{name}: {met} of {len(own)} goals met, {measured} measured.")
    return "\n".join(lines)


def _told(verdict: Verdict) -> str:
    if verdict.value is None:
        return f"not measured: {verdict.reason}"
    return f"{_shown(verdict.goal, verdict.value)} {'met' if verdict.met else '**missed**'}"


def _shown(goal: Goal, value: float) -> str:
    if goal.peer:
        return f"{value:.3g}"
    if goal.metric == "peak_memory":
        return f"{value / MIB:.0f} MiB"
    return f"{value * 1e3:.1f} ms"
