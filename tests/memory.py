"""How much memory Python objects may take that something makes."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bounded", "keeping"]


@contextmanager
def _traced() -> Iterator[int]:
    """Gives what is there at the beginning."""
    gc.collect()
    tracemalloc.start()
    try:
        yield tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@contextmanager
def bounded(octets: int) -> Iterator[None]:
    """Fail when the objects that were made within ever took more than this, together."""
    with _traced() as before:
        tracemalloc.reset_peak()
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
    assert peak <= octets, f"{peak:,} octets of memory; {octets:,} were allowed"


@contextmanager
def keeping(octets: int) -> Iterator[Callable[[], None]]:
    """Fail when those that are left of them at the end take more than this, together.

    Gives a function that begins anew, for whoever has caches to fill before.
    """
    with _traced() as before:

        def begin() -> None:
            nonlocal before
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]

        yield begin
        gc.collect()
        left = tracemalloc.get_traced_memory()[0] - before
    assert left <= octets, f"{left:,} octets of memory are left; {octets:,} were allowed"
