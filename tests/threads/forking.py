"""Forks, at a moment when another thread holds a lock."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["child_gets_through", "held_elsewhere"]


@contextmanager
def held_elsewhere(lock: Any) -> Iterator[None]:
    """While another thread holds the lock."""
    holds, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holds.set()
            over.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holds.wait(10)
        yield
    finally:
        over.set()
        thread.join()


def child_gets_through(use: Callable[[], object]) -> bool:
    """Whether ``use`` comes back in the child of a fork, with something that is true."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that are not there
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        code = 1
        try:
            code = 0 if use() else 2
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0
