"""Every conformance test talks to the client through the scripted peer (tests/peer.py)."""

from __future__ import annotations

import pytest

from tests.peer import Peer, connected, fresh


@pytest.fixture
def peer() -> Peer:
    """A client and its peer, the handshake done and nothing left to read."""
    return connected()


@pytest.fixture
def fresh_peer() -> Peer:
    """A client that has written nothing yet, and its peer."""
    return fresh()
