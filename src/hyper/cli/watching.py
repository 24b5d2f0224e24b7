"""Where pictures, recordings and explanations look on while the command works.

The command calls every watcher that an option asked for. Watchers import what they need, so that
whoever asks for none loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..sync.connection import HTTPConnection
    from ..sync.response import Response
    from .arguments import Options

__all__ = ["Turn", "Watcher", "Watchers", "watching"]


class Turn:
    """One request and what became of it, as watchers see it.

    number      from 0, in the order in which the command asked
    method, url as asked; ``url`` is whole, and never holds a password
    connection  which carries it
    stream_id   None over HTTP/1.1, and as long as it is not known
    response    from its head on
    """

    def __init__(self, number: int, method: str, url: str, connection: HTTPConnection) -> None:
        self.number = number
        self.method = method
        self.url = url
        self.connection = connection
        self.stream_id: int | None = None
        self.response: Response | None = None


class Watcher(Protocol):
    """Somebody who looks on. With --parallel, turns are told from several threads at once."""

    def connecting(self, connection: HTTPConnection, origin: str) -> None:
        """A connection is about to be used for the first time: the place to hang up hooks.

        ``origin`` is ``https://host:port``.
        """

    def asked(self, turn: Turn) -> None:
        """The request has been sent."""

    def answered(self, turn: Turn) -> None:
        """The head of the response is there."""

    def ended(self, turn: Turn, error: BaseException | None) -> None:
        """The body has been read whole, or the request failed with ``error``."""

    def close(self) -> None:
        """The command is over, however it went; connections are closed. Write, draw, explain.

        May raise OSError for a file that cannot be written.
        """


class Watchers:
    """All of them at once, in the order of their list."""

    def __init__(self, watchers: list[Watcher]) -> None:
        self.watchers = watchers

    def connecting(self, connection: HTTPConnection, origin: str) -> None:
        for watcher in self.watchers:
            watcher.connecting(connection, origin)

    def asked(self, turn: Turn) -> None:
        for watcher in self.watchers:
            watcher.asked(turn)

    def answered(self, turn: Turn) -> None:
        for watcher in self.watchers:
            watcher.answered(turn)

    def ended(self, turn: Turn, error: BaseException | None = None) -> None:
        for watcher in self.watchers:
            watcher.ended(turn, error)


@contextmanager
def watching(options: Options) -> Iterator[Watchers]:
    """The watchers that the options ask for, closed at the end, the last one first."""
    with ExitStack() as stack:
        watchers = _wanted(options)
        for watcher in watchers:
            stack.callback(watcher.close)
        yield Watchers(watchers)


def _wanted(options: Options) -> list[Watcher]:
    """What the options ask for, imported where it is made."""
    if not (options.debug or options.waterfall or options.trace or options.explain):
        return []
    from .pictures import Pictures

    return [Pictures(options)]
