"""How much the peer may send before we say more: the receiving half of flow control.

A window manager is plug-in arithmetic (RFC 9113 §5.2.2 leaves the policy to the receiver):
subclass ``BaseFlowControlManager``, implement ``increase_window_size``, and give the class to a
connection. There is an instance for each stream, asked when its reader takes octets, and one for
the connection, asked when octets arrive; so an unread response stops at its own window and
never keeps the others waiting.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from .limits import LARGEST_GROWN_WINDOW, MAX_WINDOW, WINDOW_GROWTH

__all__ = ["BaseFlowControlManager", "FlowControlManager"]


class BaseFlowControlManager(ABC):
    """The state a window manager decides by.

    initial_window_size  octets of the window at its start
    window_size          octets of it that are left now
    document_size        the response's content-length, or ``None``
    behind               since the window was last widened there has always been something unread,
                         so it was the reader that was waited for; never so for the connection

    A manager runs on the connection's hot path: it must compute, never wait.
    """

    behind = False

    def __init__(self, initial_window_size: int, document_size: int | None = None) -> None:
        self.initial_window_size = initial_window_size
        self.window_size = initial_window_size
        self.document_size = document_size

    @abstractmethod
    def increase_window_size(self, frame_size: int) -> int:
        """Octets to widen the window by, now that ``frame_size`` more have been used; 0 is none.

        ``window_size`` still includes the ``frame_size`` octets when this is called.
        """

    def blocked(self) -> int:
        """Octets that would fill the window up.

        Drafts of HTTP/2 had a frame by which a peer said that it was stuck on one, and hyper 0.7
        answered by this. The frame is gone, so nothing here asks; managers of their own may.
        """
        return max(self.initial_window_size - self.window_size, 0)

    def _handle_frame(self, frame_size: int) -> int:
        increment = self.increase_window_size(frame_size)
        self.window_size += increment - frame_size
        return increment


class FlowControlManager(BaseFlowControlManager):
    """The default: fill the window up when a quarter has been used, and let it grow with use.

    Each time the window is twice as large as before, up to a limit. A sender's own congestion
    window doubles once per round trip at best, and our word needs a round trip to take effect;
    a quarter leaves room for both. So what a distant link can carry is never held up here
    (RFC 9113 §5.2.1 warns of that), and nothing has to be measured. Where the reader is what is
    waited for, a larger window would only hold more unread, and it stays as it is.
    """

    def __init__(self, initial_window_size: int, document_size: int | None = None) -> None:
        super().__init__(initial_window_size, document_size)
        self._full_size = initial_window_size
        self._enough = initial_window_size - initial_window_size // 4
        self._largest = max(
            min(initial_window_size * WINDOW_GROWTH, LARGEST_GROWN_WINDOW), initial_window_size
        )

    def begin_wider(self, extra: int) -> None:
        """Go on from where the window was widened already, before anything was used."""
        self.window_size += extra
        self._full_size += extra
        self._enough = self._full_size - self._full_size // 4

    def increase_window_size(self, frame_size: int) -> int:
        left = self.window_size - frame_size
        if left > self._enough:
            return 0
        if not self.behind:
            full = self._full_size = min(self._full_size * 2, self._largest)
            self._enough = full - full // 4
        return self._full_size - left


def bad_increment(what: str, window: int, increment: int) -> ValueError:
    """What to raise for an increment that RFC 9113 §6.9.1 does not allow."""
    return ValueError(
        f"{what} of {window} octets cannot be widened by {increment} (RFC 9113 §6.9.1: at least "
        f"1, to at most {MAX_WINDOW}); mend increase_window_size()"
    )
