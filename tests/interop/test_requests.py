"""requests with the adapter mounted, against servers of other makes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from hyper.contrib import HTTP20Adapter

from .kinds import offering
from .servers import Server
from .tree import MIB, SMALL, Tree, noise


@pytest.fixture
def session(real: Server) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(real.site.ca)
        session.mount("https://", HTTP20Adapter())
        yield session


def test_pages_are_fetched_streamed_and_dropped(session: Any, real: Server, tree: Tree) -> None:
    base = f"https://{real.address}"
    response = session.get(base + "/small.txt")
    assert (response.content, response.raw.version) == (SMALL, 20)
    assert session.get(base + "/no-such-page").status_code == 404
    assert session.head(base + "/small.txt").headers["content-length"] == str(len(SMALL))
    with session.get(base + "/64m.bin", stream=True) as response:
        assert len(next(response.iter_content(1000))) == 1000
    response = session.get(base + "/1m.bin", stream=True)
    digest = hashlib.sha256()
    for piece in response.iter_content(10_000):
        digest.update(piece)
    assert digest.hexdigest() == tree.digests["/1m.bin"]


@pytest.mark.parametrize("real", ["nginx"], indirect=True)
def test_goodbyes_in_a_crowd_cost_nobody_a_request(session: Any, real: Server) -> None:
    """nginx says goodbye after a thousand requests on one connection."""

    def fetch(number: int) -> bool:
        content: bytes = session.get(f"https://{real.address}/small.txt").content
        return content == SMALL

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(fetch, range(2200)))


@pytest.mark.parametrize("real", offering("digest"), indirect=True)
def test_bodies_of_every_kind_arrive(session: Any, real: Server) -> None:
    body = noise(MIB, 7)
    expected = hashlib.sha256(body).hexdigest()
    pieces = (body[at : at + 10_000] for at in range(0, MIB, 10_000))
    for data in (body, io.BytesIO(body), pieces):
        response = session.post(f"https://{real.address}/upload", data=data)
        assert response.json()["sha256"] == expected
