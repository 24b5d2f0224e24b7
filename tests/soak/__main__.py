"""``python -m tests.soak [--requests N] [--minutes M]``: nothing may grow, no answer may be wrong.

First N requests on one connection to a real server, then a tenth as many that are given up; then M
minutes of mixed load against a server that resets, says goodbye, dawdles, shrinks windows and cuts
connections. Fails when the process holds more at the end than after the first tenth, or when any
answer is not what it must be.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time

from . import chaos, steady


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="dev soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--requests", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--minutes", type=float, default=10.0, metavar="M")
    parser.add_argument("--seed", type=int, default=1, help="of the chaos")
    arguments = parser.parse_args()
    started = time.monotonic()

    def say(line: str) -> None:
        # Whoever hangs says where, half an hour after the last word.
        faulthandler.dump_traceback_later(1800, exit=True)
        print(f"{time.monotonic() - started:7.0f} s  {line}", flush=True)

    trouble = []
    if arguments.requests:
        trouble += steady.requests(arguments.requests, say)
        trouble += steady.resets(max(arguments.requests // 10, 10), say)
    if arguments.minutes:
        trouble += chaos.run(arguments.minutes, arguments.seed, say)
    for line in trouble:
        say(f"WRONG: {line}")
    say("something is wrong" if trouble else "nothing has grown, and every answer was right")
    faulthandler.cancel_dump_traceback_later()
    return int(bool(trouble))


if __name__ == "__main__":
    sys.exit(main())
