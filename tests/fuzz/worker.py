"""The process of one target: ``python -m tests.fuzz.worker NAME MINUTES CORPUS SEEDS [...]``.

What follows are libFuzzer's options. Ends well when the processor minutes are over, and badly,
with the input written to a file, at the first exception that is not documented, the first input
that takes too many steps, too much memory or too much time.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from zlib import crc32

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

from .bounds import bounded
from .targets import TARGETS

#: One input of so many is counted call by call, which makes it some times slower. Which ones
#: is decided by their octets, so that they are again when it is replayed.
COUNTED = 64


def main() -> None:
    name, minutes, *options = sys.argv[1:]
    target = TARGETS[name]
    with atheris.instrument_imports(include=["hyper"]):
        module = target.module
    check = module.check
    mutate = getattr(module, "mutate", None)
    limit = time.process_time() + 60 * float(minutes)
    done = 0

    def one(data: bytes) -> None:
        nonlocal done
        done += 1
        if done % 256 == 0:
            if time.process_time() > limit:
                # libFuzzer has no limit in processor time; its corpus is written already.
                print(f"fuzz: {done} inputs", flush=True)
                os._exit(0)
            if done % 4096 == 0:
                gc.collect()
        if crc32(data) % COUNTED:
            check(data)
        else:
            bounded(check, data)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        if mutate is not None and seed % 3 == 0:
            changed: bytes = mutate(data, most, seed // 3)
            if changed != data:
                return changed
        noise: bytes = atheris.Mutate(data, most)
        return noise

    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutated, enable_python_coverage=True)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
