"""From the rounds to figures, and from figures to tables; nothing here measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.scenarios import Scenario

__all__ = ["against", "merged", "summary", "table"]

#: What one client gave in one round: ``cpu``, ``wall`` and so on, seconds per unit.
Result = Mapping[str, Any]


def against(ours: Sequence[Result], theirs: Sequence[Result], metric: str = "cpu") -> float:
    """Ours for each 1 of theirs: the median of the ratios within each round.

    What slows the machine down for a while slows both in a round, so a ratio stands still where
    the figures move.
    """
    pairs = zip(ours, theirs, strict=False)
    ratios: list[float] = [our[metric] / their[metric] for our, their in pairs]
    return median(ratios)


def merged(turns: Sequence[Result]) -> dict[str, Any]:
    """One round of what its turns gave: of times the median, of the longest wait the longest.

    A turn may leave out what an earlier one said of all.
    """
    whole = {key: value for turn in turns for key, value in turn.items()}
    for key, value in whole.items():
        values = [turn[key] for turn in turns if key in turn]
        if key in ("longest", "peak_memory"):
            whole[key] = max(values)
        elif isinstance(value, float):
            whole[key] = median(values)
    return whole


def summary(
    scenario: Scenario, results: Mapping[str, Sequence[Result]], skipped: Mapping[str, str]
) -> dict[str, Any]:
    """The median of the rounds for every client, and ours against it, round by round."""
    clients = {}
    for client, rounds in results.items():
        keys = [key for key in rounds[0] if isinstance(rounds[0][key], float)]
        clients[client] = {
            "version": rounds[0]["version"],
            "units": rounds[0]["units"],
            **{key: median(result[key] for result in rounds) for key in keys},
            "peak_memory": max(result["peak_memory"] for result in rounds),
            "rounds": [{key: result[key] for key in keys} for result in rounds],
        }
        if "octets" in rounds[0]:
            clients[client]["octets"] = rounds[0]["octets"]
        if scenario.ours in results and client != scenario.ours:
            ratio = against(results[scenario.ours], rounds, scenario.metric)
            clients[client]["ratio"] = ratio
    return {
        "about": scenario.about,
        "server": scenario.server,
        "ours": scenario.ours,
        "metric": scenario.metric,
        "clients": clients,
        "skipped": dict(skipped),
    }


def table(document: Mapping[str, Any], plan: Sequence[tuple[Scenario, Sequence[str]]]) -> str:
    """The medians as Markdown; in brackets what ours costs for each 1 of theirs."""
    about = document["about"]
    lines = [
        f"{about['python']}, {about['openssl']}, {about['system']}, "
        f"{'client and server pinned apart' if about['pinned'] else 'not pinned'}, "
        f"median of {about['rounds']} rounds in {about['seconds']} s.",
        "Processor time of the client, user and system: µs a request; ms for what is large; "
        "where it says so, time that passed. Behind it ours divided by that client's.",
    ]
    notes: dict[str, list[str]] = {}
    versions: dict[str, str] = {}
    for columns in dict.fromkeys(tuple(clients) for _, clients in plan):
        lines += ["", f"| | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
        for scenario, clients in plan:
            if tuple(clients) != columns:
                continue
            part = document["scenarios"][scenario.name]
            cells = []
            for client in clients:
                figures = part["clients"].get(client)
                if figures is None:
                    cells.append("–")
                    note = f"{client}: {part['skipped'].get(client, 'not asked')}"
                    notes.setdefault(note, []).append(scenario.name)
                    continue
                versions[figures["version"]] = ""
                cells.append(_cell(scenario, client, figures))
            lines.append(f"| {_name(scenario)} | {' | '.join(cells)} |")
    lines += _latencies(document, plan)
    lines += ["", f"Versions: {'; '.join(versions)}"]
    for note, where in notes.items():
        lines.append(f"Not measured: {note} ({', '.join(where)})")
    return "\n".join(lines)


def _name(scenario: Scenario) -> str:
    words = [f"{scenario.name}: {scenario.about}"]
    if scenario.server:
        words.append(scenario.server)
    if scenario.metric != "cpu":
        words.append("time that passed")
    return ", ".join(words)


def _cell(scenario: Scenario, client: str, figures: Mapping[str, Any]) -> str:
    cell = f"{figures[scenario.metric] * (1e3 if scenario.bulk else 1e6):.3g}"
    if "ratio" in figures:
        cell += f" ({figures['ratio']:.2f})"
    return f"**{cell}**" if client == scenario.ours else cell


def _latencies(
    document: Mapping[str, Any], plan: Sequence[tuple[Scenario, Sequence[str]]]
) -> list[str]:
    """How long threads waited; what matters is that nobody was forgotten."""
    lines = []
    for scenario, clients in plan:
        part = document["scenarios"][scenario.name]["clients"]
        for client in clients:
            figures = part.get(client, {})
            if "p99" in figures:
                longest = max(each["longest"] for each in figures["rounds"])
                cells = (figures["p50"], figures["p99"], longest)
                shown = " | ".join(f"{cell * 1e3:.2f}" for cell in cells)
                lines.append(f"| {scenario.name} | {client} | {shown} |")
    if not lines:
        return []
    head = "| what a thread waited, ms | client | half of them | 99 of 100 | the longest stall |"
    return ["", head, "|---|---|---|---|---|", *lines]
