"""R11: downloads over long links are as fast as the link, whatever HTTP/2's windows say.

What the link gives is what ``http.client`` gets out of it over HTTP/1.1, from the same server in
the same run: only the ratio of the two counts. ``wire`` is real TCP between two hosts in network
namespaces, where that is permitted; ``relay`` is a proxy that passes octets on late, everywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ..certificates import Certificates
from ..flow.relay import Relay
from ..flow.wire import CLIENT, SERVER, NoWireError, Wire
from .conftest import Ring
from .kinds import KINDS
from .servers import CHECKOUT_ON_PATH, Ports, find_program
from .tree import MIB, Tree

#: Octets a second: 200 Mbit/s, of which a wire in Python can carry several times as much.
RATE = 25e6
#: Rounds until a machine that is busy otherwise has given each of the two a fair turn.
ROUNDS = 3

Fetch = Callable[..., dict[str, Any]]


def command(client: str, host: str, port: int, authority: Path, times: int) -> list[str]:
    words = [client, host, str(port), str(authority), "/64m.bin", str(times)]
    return [sys.executable, "-m", "tests.flow.fetch", *words]


@pytest.fixture
def over_a_wire(ring: Ring, tmp_path: Path) -> Iterator[Callable[[float], Fetch]]:
    """Lay a wire of that round trip, with nginx at its end; returns how to download over it."""
    ring.demand("nginx")
    program = find_program("nginx")
    assert program is not None
    ours = Certificates.create(tmp_path, SERVER)
    site = replace(ring.site, certificate=ours.chain, key=ours.key)
    (start,) = KINDS["nginx"].configure(program, site, tmp_path, Ports(4433, 8080))
    written = tmp_path / "nginx.conf"
    written.write_text(written.read_text().replace("listen 127.0.0.1", f"listen {SERVER}"))
    environment = {**os.environ, **CHECKOUT_ON_PATH}
    open_ones: list[Any] = []

    def lay(round_trip: float) -> Fetch:
        try:
            wire = Wire(RATE, round_trip).__enter__()
        except NoWireError as reason:
            pytest.skip(str(reason))
        open_ones.append(wire)
        server = wire.start(SERVER, start, stderr=subprocess.DEVNULL)
        open_ones.append(server)

        def fetch(client: str, times: int = 1) -> dict[str, Any]:
            process = wire.start(
                CLIENT,
                command(client, SERVER, 4433, ours.authority, times),
                stdout=subprocess.PIPE,
                env=environment,
            )
            try:
                answer, _ = process.communicate(timeout=100)
            finally:
                process.kill()
            result: dict[str, Any] = json.loads(answer)
            return result

        return fetch

    yield lay
    for each in reversed(open_ones):
        if isinstance(each, Wire):
            each.__exit__(None, None, None)
        else:
            each.terminate()
            each.wait()


@pytest.fixture
def over_a_relay(ring: Ring) -> Iterator[Callable[[float], Fetch]]:
    """The same, of loopback and a relay."""
    server = ring.get("nginx")
    open_ones: list[Relay] = []

    def lay(round_trip: float) -> Fetch:
        relay = Relay(server.ports.tls, RATE, round_trip).__enter__()
        open_ones.append(relay)

        def fetch(client: str, times: int = 1) -> dict[str, Any]:
            done = subprocess.run(
                command(client, "localhost", relay.port, ring.site.ca, times),
                stdout=subprocess.PIPE,
                env={**os.environ, **CHECKOUT_ON_PATH},
                timeout=100,
                check=True,
            )
            result: dict[str, Any] = json.loads(done.stdout)
            return result

        return fetch

    yield lay
    for each in open_ones:
        each.__exit__(None, None, None)


def share_of(fetch: Fetch, enough: float, tree: Tree, times: int = 1) -> float:
    """What part of the link's rate the last of ``times`` downloads reaches, at its best."""
    check = zlib.crc32((tree.root / "64m.bin").read_bytes())
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        for client, seconds in (("http.client", theirs), ("hyper", ours)):
            result = fetch(client, times)
            assert (result["size"], result["crc"]) == (64 * MIB, check)
            assert result["grown"] < 16 * MIB, "what is under way is the network's to hold"
            seconds.append(result["seconds"][-1])
        if min(theirs) / min(ours) >= enough:
            break
    print(f"http.client {min(theirs):.2f} s, hyper {min(ours):.2f} s")
    return min(theirs) / min(ours)


@pytest.mark.parametrize("milliseconds", [50, 100])
def test_64_mib_over_a_long_wire_arrive_as_fast_as_over_http_1(
    milliseconds: int, over_a_wire: Callable[[float], Fetch], tree: Tree
) -> None:
    """R11: 64 KiB windows made this twenty times slower (httpx#262, undici#4705)."""
    assert share_of(over_a_wire(milliseconds / 1000), 0.95, tree) >= 0.95


def test_a_second_download_over_a_long_wire_starts_at_full_speed(
    over_a_wire: Callable[[float], Fetch], tree: Tree
) -> None:
    """R11: TCP is warm by then, and only the stream's window begins anew."""
    assert share_of(over_a_wire(0.1), 0.93, tree, times=2) >= 0.93


@pytest.mark.parametrize("milliseconds", [50, 100])
def test_64_mib_through_a_slow_relay_arrive_as_fast_as_over_http_1(
    milliseconds: int, over_a_relay: Callable[[float], Fetch], tree: Tree
) -> None:
    """R11, without slow start: the window is what grows, and may cost a round trip or two."""
    assert share_of(over_a_relay(milliseconds / 1000), 0.9, tree) >= 0.9
