"""What the child of a fork has to set right: threads of its parent hold locks, and are not here.

For whom the order does not matter. Transports, pumps, connections and pools have hooks of their
own, which run in the order in which those modules load each other: a pump that ends closes its
transport, which would shut the socket down for the parent too, had it not let go of it before.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["Heir", "note_heir"]


class Heir(Protocol):
    """Something that outlives a fork, with a lock in it."""

    def _inherit(self) -> None:
        """In the child of a fork: take a new lock, and set right what was guarded by it."""


_heirs: WeakSet[Heir] = WeakSet()


def note_heir(heir: Heir) -> None:
    """Have its ``_inherit`` called in the child of every fork, as long as it lives."""
    _heirs.add(heir)


def _set_right() -> None:
    for heir in list(_heirs):
        heir._inherit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_set_right)
