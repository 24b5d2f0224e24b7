"""What the benchmark makes of its figures; nothing is measured here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hyper
from bench.goals import GOALS, MIB, Goal, judge, report, wanted
from bench.macro import TURNS, described, main, parse, planned, play, verdict
from bench.peers import PEERS
from bench.plot import drawn
from bench.results import against, merged, summary, table
from bench.scenarios import CLIENTS as CHOICES
from bench.scenarios import REQUEST_HEADERS, SCENARIOS, Scenario
from bench.shares import shares
from bench.worker import CLIENTS, KINDS, WARM_UP

from .certificates import Certificates
from .servers.in_process import InProcessServer

ROOT = Path(__file__).resolve().parent.parent

WORK = Scenario("work", "some GETs", "get", "nginx", "/12", 10, 5, peers=("pycurl",))


def rounds(*cpu: float, **more: Any) -> list[dict[str, Any]]:
    common = {"version": "v", "units": 10, "peak_memory": 5, **more}
    return [{"cpu": float(each), "wall": each * 2.0, **common} for each in cpu]


def document(scenario: Scenario, results: Mapping[str, Any], **skipped: str) -> dict[str, Any]:
    about = {"python": "CPython", "openssl": "OpenSSL", "system": "Linux", "pinned": True}
    return {
        "about": {**about, "rounds": 3, "seconds": 4},
        "scenarios": {scenario.name: summary(scenario, results, skipped)},
    }


def test_a_ratio_is_the_median_of_the_rounds_and_not_a_ratio_of_medians() -> None:
    # The machine was ten times slower in the second round, for both; theirs alone in the third.
    ours, theirs = rounds(1, 10, 3), rounds(2, 20, 60)
    assert against(ours, theirs) == 0.5
    assert against(theirs, ours) == 2
    assert against(rounds(2, p99=3), rounds(1, p99=12), "p99") == 0.25


def test_a_summary_has_medians_and_the_largest_memory() -> None:
    results = {"hyper": rounds(3, 1, 2), "pycurl": rounds(6, 2, 8)}
    results["hyper"][1]["peak_memory"] = 9
    part = summary(WORK, results, {"httpx": "broken"})
    ours, theirs = part["clients"]["hyper"], part["clients"]["pycurl"]
    assert (ours["cpu"], theirs["cpu"]) == (2.0, 6.0)
    assert (ours["peak_memory"], theirs["peak_memory"]) == (9, 5)
    assert "ratio" not in ours
    assert theirs["ratio"] == 0.5
    assert part["skipped"] == {"httpx": "broken"}


def test_the_table_shows_each_figure_in_its_unit_and_why_one_is_missing() -> None:
    results = {"hyper": rounds(0.000_030), "pycurl": rounds(0.000_060)}
    shown = table(document(WORK, results, httpx="no"), [(WORK, ["hyper", "pycurl", "httpx"])])
    assert "| | hyper | pycurl | httpx |" in shown
    assert "| work: some GETs, nginx | **30** | 60 (0.50) | – |" in shown
    assert "Not measured: httpx: no (work)" in shown

    far = Scenario("far", "a file", "distance", "", "/", 1, 0, bulk=True, metric="wall")
    shown = table(document(far, {"hyper": rounds(0.25)}), [(far, ["hyper"])])
    assert "| far: a file, time that passed | **500** |" in shown


def test_the_table_tells_how_long_threads_waited_at_worst() -> None:
    waits = [rounds(1.0, p50=0.001, p99=0.002, longest=longest)[0] for longest in (0.003, 0.5)]
    shown = table(document(WORK, {"hyper": waits}), [(WORK, ["hyper"])])
    assert "| work | hyper | 1.00 | 2.00 | 500.00 |" in shown


def test_a_goal_is_met_up_to_its_limit() -> None:
    run = document(WORK, {"hyper": rounds(3.0), "pycurl": rounds(4.0)})
    met, missed = judge(run, [Goal("w", "work", 0.75, "pycurl"), Goal("w", "work", 0.74, "pycurl")])
    assert (met.value, met.met) == (0.75, True)
    assert (missed.value, missed.met) == (0.75, False)
    assert "3.11: 1 of 2 goals met, 2 measured." in report({"3.11": [met, missed]})


def test_a_share_of_what_is_possible_is_a_goal_from_below() -> None:
    run = document(WORK, {"hyper": rounds(5.0), "pycurl": rounds(4.0)})
    enough = Goal("w", "work", 0.8, "pycurl", "wall", reach=True)
    more = Goal("w", "work", 0.81, "pycurl", "wall", reach=True)
    verdicts = judge(run, [enough, more])
    assert [(verdict.value, verdict.met) for verdict in verdicts] == [(0.8, True), (0.8, False)]
    assert "| at least 0.81 of pycurl | 0.8 **missed** |" in report({"3.11": verdicts})


def test_a_goal_without_a_peer_is_absolute() -> None:
    run = document(WORK, {"hyper": rounds(0.02, 0.04, 0.03, peak_memory=90 * MIB)})
    cpu, memory = judge(
        run,
        [Goal("w", "work", 0.03), Goal("w", "work", 89 * MIB, metric="peak_memory")],
    )
    assert (cpu.value, cpu.met) == (0.03, True)
    assert not memory.met
    assert "| at most 89 MiB | 90 MiB **missed** |" in report({"3.11": [memory]})


def test_one_stall_in_one_round_misses_the_goal() -> None:
    waits = [rounds(1.0, longest=longest)[0] for longest in (0.1, 7.0, 0.1)]
    (verdict,) = judge(document(WORK, {"hyper": waits}), [Goal("w", "work", 1.0, metric="longest")])
    assert (verdict.value, verdict.met) == (7.0, False)


def test_sizes_are_compared_as_they_are() -> None:
    results = {"hyper": rounds(1.0, octets=102), "pycurl": rounds(1.0, octets=100)}
    (verdict,) = judge(
        document(WORK, results), [Goal("w", "work", 1.02, "pycurl", metric="octets")]
    )
    assert (verdict.value, verdict.met) == (1.02, True)


def test_what_was_not_measured_is_not_met_and_says_why() -> None:
    run = document(WORK, {"hyper": rounds(1.0)}, pycurl="is not installed")
    (verdict,) = judge(run, [Goal("w", "work", 9.0, "pycurl")])
    assert (verdict.value, verdict.met) == (None, False)
    assert "| not measured: pycurl: is not installed |" in report({"3.11": [verdict]})


def test_runs_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for python, cpu in (("CPython 3.11", 3.0), ("CPython 3.13", 1.0)):
        results = {"hyper": rounds(cpu), "pycurl": rounds(4.0)}
        run = document(replace(WORK, name="sequential"), results)
        run["about"]["python"] = python
        files.append(tmp_path / python)
        files[-1].write_text(json.dumps(run))
    assert main(["--read", *map(str, files)]) == 0
    told = capsys.readouterr().out
    assert "| CPython 3.11 | CPython 3.13 |" in told
    assert "| sequential | at most 0.75 of pycurl | 0.75 met | 0.25 met |" in told
    assert "CPython 3.11: 1 of 2 goals met, 1 measured." in told


def test_every_goal_can_be_measured() -> None:
    scenarios = {scenario.name: scenario for scenario in SCENARIOS}
    assert len(scenarios) == len(SCENARIOS), "two of one name"
    for name, peers in wanted().items():
        assert peers <= set(scenarios[name].peers), name
    assert {goal.scenario for goal in GOALS} == set(wanted())


def test_a_run_for_the_goals_asks_those_whom_they_name() -> None:
    plan = {scenario.name: clients for scenario, clients in planned(parse(["--goals"]))}
    assert plan["sequential"] == ["hyper", "pycurl", "httpx"]
    assert plan["first"] == ["hyper"]
    assert plan["adapter"] == ["HTTP20Adapter", "requests"]
    assert set(plan) == set(wanted())


def test_a_quick_run_leaves_out_what_takes_long_and_names_choose() -> None:
    plan = {scenario.name for scenario, _ in planned(parse(["--quick"]))}
    assert {"sequential", "drop-in"} <= plan
    assert "download-1g" not in plan
    chosen = planned(parse(["--only", "sequential", "connect", "--clients", "httpx", "hyper"]))
    assert [(s.name, clients) for s, clients in chosen] == [
        ("sequential", ["hyper", "httpx"]),
        ("connect", ["hyper", "httpx"]),
    ]
    assert (parse([]).rounds, parse(["--quick"]).rounds) == (7, 3)


def test_every_client_of_a_scenario_is_known() -> None:
    for scenario in SCENARIOS:
        assert set(scenario.clients) <= set(CHOICES), scenario.name
        if scenario.kind in KINDS:
            assert set(scenario.clients) <= set(CLIENTS), scenario.name
    assert set(PEERS) <= set(CHOICES)


def test_a_heavy_request_has_twenty_fields_of_which_two_are_new() -> None:
    from bench.clients import Client, Target

    client = Client(Target(1, "/", "", REQUEST_HEADERS))
    first, second = client.headers(), client.headers()
    assert len(first) + len((":method", ":scheme", ":authority", ":path")) == 20
    changed = {name for (name, old), (_, new) in zip(first, second, strict=True) if old != new}
    assert changed == {"cookie", "x-request-id"}


def test_a_task_says_where_there_is_no_tls(tmp_path: Path) -> None:
    for scenario in SCENARIOS:
        task = described("hyper", scenario, 1, tmp_path, parse([]))
        assert task["tls"] is (scenario.name != "download-plain")
        json.dumps(task)


@pytest.mark.parametrize("kind", ["encode", "decode"])
def test_the_blocks_of_a_visit_survive_both_ways(kind: str, tmp_path: Path) -> None:
    """Decoding checks every field itself; the program fails if one is wrong."""
    task = {"client": "hyper", "kind": kind, "units": 200, "cpus": [], "folder": str(tmp_path)}
    (told,) = play({"hyper": task}, tmp_path).values()
    assert told["units"] == 200
    assert (told["octets"] > 5_000) is (kind == "encode")


@pytest.fixture
def twelve(certificates: Certificates) -> Iterator[tuple[InProcessServer, list[str]]]:
    """A server with twelve octets for everybody, and over which versions it was asked, in turn."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked.append(scope["http_version"])
        headers = [(b"content-length", b"12")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"twelve, each"})

    asked: list[str] = []
    server = InProcessServer(certificates, app)
    yield server, asked
    server.stop()


def getting(
    units: int, server: InProcessServer, certificates: Certificates, folder: Path
) -> dict[str, Any]:
    """What a player has to know that gets the twelve octets so often."""
    scenario = Scenario("work", "some GETs", "get", "nginx", "/12", units, 0)
    task = described("hyper", scenario, server.port, folder, parse([]))
    return task | {"authority": str(certificates.authority), "cpus": []}


def test_clients_of_a_round_take_turns(
    twelve: tuple[InProcessServer, list[str]], certificates: Certificates, tmp_path: Path
) -> None:
    server, asked = twelve
    task = getting(30, server, certificates, tmp_path)
    tasks = {"hyper": task, "hyper/1.1": task | {"client": "hyper/1.1"}}
    ours, old = play(tasks, tmp_path).values()
    assert (ours["version"], old["version"]) == (
        f"hyper {hyper.__version__}",
        f"hyper {hyper.__version__} over HTTP/1.1",
    )
    assert ours["units"] == old["units"] == round(30 / TURNS)
    assert 0 < ours["cpu"] < 1 and 0 < old["cpu"] < 1
    # After the two warm-ups: forwards, then backwards, so that every second turn is a double one.
    in_turn = "".join(version[0] for version in asked[2 * WARM_UP :])
    assert in_turn == ("1111" + "22222222" + "1111") * (TURNS // 2)


def test_whoever_cannot_take_part_says_why_and_the_others_go_on(
    twelve: tuple[InProcessServer, list[str]], certificates: Certificates, tmp_path: Path
) -> None:
    server, _ = twelve
    task = getting(2, server, certificates, tmp_path)
    tasks = {
        "hyper": task | {"path": "/10k"},
        "hyper/1.1": task | {"client": "hyper/1.1"},
        "h2load": task | {"client": "h2load", "kind": "threads"},
        "curl": task | {"client": "curl", "authority": str(tmp_path / "nothing.pem")},
    }
    told = play(tasks, tmp_path)
    assert "AssertionError" in told["hyper"]["skipped"]
    assert told["hyper/1.1"]["units"] == 1
    assert told["h2load"]["skipped"] and told["curl"]["skipped"]


def test_a_round_is_the_median_of_its_turns_and_the_longest_of_its_waits() -> None:
    turns: list[dict[str, Any]] = [
        {"version": "v"},
        *({"units": 10, "cpu": cpu, "longest": cpu, "peak_memory": 7} for cpu in (3.0, 9.0, 1.0)),
    ]
    expected = {"version": "v", "units": 10, "cpu": 3.0, "longest": 9.0, "peak_memory": 7}
    assert merged(turns) == expected


def test_shares_are_of_what_a_shared_object_belongs_to() -> None:
    report = """
# Overhead  Shared Object
# ........  ......................................
#
    40.50%  [kernel.kallsyms]
    20.25%  libpython3.13.so.1.0
     9.00%  libcrypto-fa202293.so.3
     1.00%  _ssl.cpython-313-x86_64-linux-gnu.so
    12.00%  libcurl-330bcbb6.so.4.8.0
     8.00%  libnghttp2-3dab5618.so.14.29.5
     5.00%  libc.so.6
     0.25%  [vdso]
     4.00%  _struct.cpython-313-x86_64-linux-gnu.so
"""
    expected = {"the system": 40.5, "OpenSSL": 10, "libcurl": 20, "libc": 5.25, "Python": 24.25}
    assert shares(report) == expected


def test_the_picture_has_a_bar_for_every_run_and_a_mark_for_every_goal() -> None:
    scenario = next(each for each in SCENARIOS if each.name == "upload")
    goal = next(each for each in GOALS if each.scenario == "upload")
    good = document(scenario, {"hyper": rounds(goal.limit), "pycurl": rounds(1)})
    bad = document(scenario, {"hyper": rounds(1000), "pycurl": rounds(1)})
    picture = drawn([good, bad])
    assert picture.count('class="met"') == picture.count('class="missed"') == 1
    assert picture.count('class="goal"') == 1
    assert f"<title>{goal.limit:.3g}</title>" in picture
    assert "CPython, the lower one CPython; OpenSSL, Linux, 3 rounds" in picture
    # What was not measured has its goal and no bar.
    nothing = drawn([document(scenario, {"hyper": rounds(1)}, pycurl="missing")])
    assert 'class="goal"' in nothing and '<rect class="m' not in nothing


def test_the_page_shows_the_figures_that_are_kept() -> None:
    """And a run is kept whole: ``--goals --json bench/figures/cpython-VERSION.json``."""
    files = sorted((ROOT / "bench" / "figures").glob("*.json"))
    documents = [json.loads(file.read_text("utf-8")) for file in files]
    assert [each["about"]["python"][:12] for each in documents] == ["CPython 3.11", "CPython 3.13"]
    assert all(set(each["scenarios"]) == set(wanted()) for each in documents)
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text("utf-8")
    assert verdict(documents) in page, "run: python bench/macro.py --read bench/figures/*.json"
    picture = (ROOT / "docs" / "pictures" / "performance.svg").read_text("utf-8")
    assert picture == drawn(documents) + "\n", "run: python -m bench.plot bench/figures/*.json"
