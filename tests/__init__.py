"""The tests of hyper; here is what has to come before it is imported."""

import functools
import os
import sys

if hasattr(os, "register_at_fork"):
    # The child of a fork has one thread. If another one of the parent's held the lock of what
    # measures coverage, nobody opens it there; and what the child does is not measured anyway.
    os.register_at_fork(after_in_child=functools.partial(sys.settrace, None))
