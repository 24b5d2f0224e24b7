"""The child of a fork waits for no lock that a thread of its parent held (docs/guides/threads.md).

That thread is not there. So whatever outlives a fork, and has a lock, gets a new one in the child.
"""

from __future__ import annotations

import gc
import os
import ssl

import pytest

from hyper import client
from hyper.contrib.httpx import HTTP2Transport
from hyper.contrib.urllib3_engine import Shared
from hyper.sync import forking
from hyper.trace import Timeline
from hyper.trace.events import Connected
from hyper.trace.saving import text
from hyper.trace.timeline import _renew_locks as renew_timelines

from .forking import child_gets_through, held_elsewhere

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")


def hello_of(context: ssl.SSLContext) -> bytes:
    """What a client of this context says first."""
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_a_context_of_the_drop_in() -> None:
    context = client.create_default_context()
    with held_elsewhere(context._offering):
        # As a thread leaves it that is making a socket.
        super(client.SSLContext, context).set_alpn_protocols(["h2", "http/1.1"])
        try:
            assert child_gets_through(lambda: b"\x02h2\x08http/1.1" not in hello_of(context))
        finally:
            super(client.SSLContext, context).set_alpn_protocols(["http/1.1"])
    assert b"\x08http/1.1" in hello_of(context)


def test_installing_the_drop_in() -> None:
    def use() -> bool:
        client.install()
        return isinstance(ssl._create_default_https_context(), client.SSLContext)

    with held_elsewhere(client._installing):
        assert child_gets_through(use)


def test_a_transport_of_httpx() -> None:
    pytest.importorskip("httpx")
    transport = HTTP2Transport()

    def use() -> bool:
        transport.close()
        return True

    with held_elsewhere(transport._lock):
        assert child_gets_through(use)
    transport.close()


def test_what_the_connections_of_a_pool_of_urllib3_share() -> None:
    shared = Shared()

    def use() -> bool:
        shared.retire()
        return shared._retired

    with held_elsewhere(shared._lock):
        assert child_gets_through(use)


def test_a_timeline() -> None:
    timeline = Timeline()

    def use() -> bool:
        timeline.add(Connected(1, 0.0, "::1"))
        return "::1" in text(timeline)

    with held_elsewhere(timeline.lock):
        assert child_gets_through(use)


def test_what_a_fork_does_to_every_lock() -> None:
    """The same without a fork, since nothing can look into its child."""
    context, shared, timeline = client.create_default_context(), Shared(), Timeline()
    transport = HTTP2Transport()

    def locks() -> list[object]:
        mine = [context._offering, shared._lock, timeline.lock, transport._lock]
        return [*mine, client._installing]

    before = locks()
    forking._set_right()
    renew_timelines()
    client._renew_lock()
    assert not any(new is old for new, old in zip(locks(), before, strict=True))
    transport.close()


def test_who_is_gone_by_the_time_of_the_fork_is_not_remembered() -> None:
    before = set(forking._heirs)
    shared, context = Shared(), client.create_default_context()
    assert {shared, context} <= set(forking._heirs) - before
    del shared, context
    gc.collect()
    assert set(forking._heirs) <= before
