"""``python -m hyper.demo``: what hyper does, shown and checked against a server of its own.

``python -m hyper.demo --serve [PORT]`` keeps that server running instead, for other clients.
"""

import sys

# Nothing else up here: until `main` runs, Ctrl-C is a traceback.


def main(arguments: list[str]) -> int:
    """Show the tour, or serve; return the exit code."""
    try:
        from .tour import run

        return run(arguments)
    except KeyboardInterrupt:
        from ..cli import INTERRUPTED

        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
