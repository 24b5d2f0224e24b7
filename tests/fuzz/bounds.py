"""What one input may cost: steps and memory in proportion to its octets, whatever they say.

A busy machine does not change either number, so they can be judged; time cannot. A step is a
call of a Python function, a bound that a loop without an end runs into as well, as long as it calls
anything; one that does not is ended by the fuzzer's own time limit.
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

__all__ = ["BASE_MEMORY", "BASE_STEPS", "MEMORY_PER_OCTET", "STEPS_PER_OCTET", "bounded"]

#: Calls, and octets of memory at the peak, that any input may take to begin with: connections,
#: what the oracles need, and modules that are imported on first use.
BASE_STEPS: Final = 60_000
BASE_MEMORY: Final = 8 << 20

#: The same for each octet of the input. A target feeds one input many times over: in two pieces
#: cut everywhere, octet by octet, and to the oracles.
STEPS_PER_OCTET: Final = 3_000
MEMORY_PER_OCTET: Final = 4_096


class TooManySteps(BaseException):
    """No error that anything under test would catch."""


def bounded(check: Callable[[bytes], Any], data: bytes) -> tuple[int, int]:
    """Run ``check(data)`` under the bounds; return the steps and the memory that it took.

    AssertionError when either is too large.
    """
    steps = 0
    most = BASE_STEPS + STEPS_PER_OCTET * len(data)

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal steps
        if event == "call":
            steps += 1
            if steps > most:
                raise TooManySteps

    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    former = sys.getprofile()
    sys.setprofile(count)
    try:
        check(data)
    except TooManySteps:
        sys.setprofile(None)
        raise AssertionError(
            f"an input of {len(data)} octets takes more than {most} calls"
        ) from None
    finally:
        sys.setprofile(former)
        memory = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
    limit = BASE_MEMORY + MEMORY_PER_OCTET * len(data)
    assert memory <= limit, (
        f"an input of {len(data)} octets takes {memory} octets of memory; {limit} are allowed"
    )
    return steps, memory
