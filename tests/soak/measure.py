"""What this process holds: memory, descriptors, Python objects, threads."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["Holding", "holding"]

_PROC = Path("/proc/self")


class Holding(NamedTuple):
    """What the process holds at one instant.

    memory       resident octets; 0 where the system does not say
    descriptors  open files and sockets; 0 where the system does not say
    objects      Python objects that the garbage collector sees, after a collection
    garbage      objects which that collection found in cycles
    threads      as the interpreter counts them
    """

    memory: int
    descriptors: int
    objects: int
    garbage: int
    threads: int

    def __str__(self) -> str:
        return (
            f"{self.memory / 2**20:7.2f} MiB  {self.descriptors:3} descriptors  "
            f"{self.objects:7} objects  {self.threads} threads"
        )

    def grown(self, since: Holding, *, memory: int, objects: int) -> list[str]:
        """What has grown by more than may be, in words; nothing is well."""
        words = []
        if self.memory > since.memory + memory:
            words.append(f"memory by {(self.memory - since.memory) / 2**20:.2f} MiB")
        if self.descriptors > since.descriptors:
            words.append(f"descriptors by {self.descriptors - since.descriptors}")
        if self.objects > since.objects + objects:
            words.append(f"objects by {self.objects - since.objects}")
        if self.threads > since.threads:
            words.append(f"threads by {self.threads - since.threads}")
        return words


def holding() -> Holding:
    """Look, after a collection of garbage."""
    garbage = gc.collect()
    _give_back()
    memory = descriptors = 0
    if sys.platform == "linux":
        memory = int((_PROC / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        # One of them is the folder that is being read.
        descriptors = len(os.listdir(_PROC / "fd")) - 1
    return Holding(memory, descriptors, len(gc.get_objects()), garbage, len(sys._current_frames()))


def _give_back() -> None:
    """Have the C library give back what is free in its heap, where it knows how to.

    It keeps some MiB of it (hyper.sync.transport makes it do so), now more and now less: that is
    held by nobody, and would hide what is.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
