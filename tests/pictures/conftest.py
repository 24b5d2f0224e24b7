"""One recorded visit to the demo's page, for all that make pictures of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.demo import DemoServer
from hyper.trace import Timeline


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoServer]:
    with DemoServer(max_concurrent_streams=4) as server:
        yield server


#: What is asked for at once, after a page that pushes two things; four streams are allowed.
PATHS = (
    "/assets/banner.png",
    "/bytes/300000?seed=1",
    "/status/404",
    "/get?a=%3Cscript%3Ealert(1)%3C/script%3E",
    "/reset?code=8",
    "/delay/0.05",
)


@pytest.fixture(scope="session")
def visit(demo: DemoServer) -> Timeline:
    """A push, a queue, a reset, an error, a secret and a long body, on one connection."""
    timeline = Timeline()
    secrets = {"authorization": "Bearer s3cret", "cookie": "id=s3cret"}
    with HTTP20Connection(
        demo.host, demo.port, enable_push=True, timeout=20, trace=timeline.watch
    ) as connection:
        page = connection.request("GET", "/page", headers=secrets)
        connection.get_response(page).read()
        pushes = [push.get_response() for push in connection.get_pushes(page)]
        with connection.together():
            ids = [connection.request("GET", path) for path in PATHS]
        for stream_id in ids:
            try:
                connection.get_response(stream_id).read()
            except HyperError as error:
                assert "/reset" in PATHS[ids.index(stream_id)], error
        assert [push.read() != b"" for push in pushes] == [True, True]
    return timeline
