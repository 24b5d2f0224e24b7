"""``python -m hyper.trace FILE``: the frames of a recording."""

from __future__ import annotations

import os
import sys

from .lines import FrameTrace
from .recording import read_recording


def main(arguments: list[str]) -> int:
    """Print the frames of a recording."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m hyper.trace FILE", file=sys.stderr)
        return 1
    shown: dict[str, FrameTrace] = {}
    lines: list[str] = []
    try:
        with open(arguments[0], encoding="ascii", errors="replace") as file:
            for connection, seconds, direction, data in read_recording(file):
                if connection not in shown:
                    shown[connection] = FrameTrace(lines.append)
                shown[connection].at(seconds, direction, data)
                for line in lines:
                    print(connection, line)
                lines.clear()
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough; the interpreter's own flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        print(f"hyper.trace: error: {arguments[0]}: {said}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
