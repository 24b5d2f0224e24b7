"""``python -m hyper`` is the ``hyper`` command."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
