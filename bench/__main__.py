"""``python -m bench``: the macro benchmark; without arguments the quick one."""

import sys

from bench.macro import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["--quick"]))
