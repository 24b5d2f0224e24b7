"""Everyone's ancestors: the errors that belong to no single HTTP version.

The kinds are by whose fault it is (``docs/explanation`` draws the tree):

- yours: ``ValueError`` and ``TypeError``, raised before anything is sent;
- the peer broke the protocol, or said no: a ``HyperError``;
- the network: the ``OSError`` family (``TimeoutError``, ``ConnectionResetError``,
  ``ssl.SSLError``, ``socket.gaierror``), untouched.
"""

from __future__ import annotations

import builtins
from copy import copy
from typing import NamedTuple

from .headers import HTTPHeaderMap

__all__ = [
    "ChunkedDecodeError",
    "ConnectionError",
    "ConnectionResetError",
    "ContentDecodingError",
    "HTTPUpgrade",
    "HyperError",
    "InvalidResponseError",
    "LineTooLongError",
    "MissingCertFile",
    "ProxyError",
    "ProxyResponse",
    "SocketError",
    "TLSUpgrade",
    "own_copy",
    "template",
]


class HyperError(Exception):
    """Anything that hyper raises because of what the other side did.

    partial    the octets of the body that had arrived when a whole ``read()`` failed; ``b""``
               elsewhere. A body cut short is always an error, never a short body.
    retryable  True only when the peer surely did not process the request, so that it may be
               sent again whatever its method (RFC 9113 §8.7)
    """

    partial: bytes = b""
    retryable: bool = False


class ConnectionError(HyperError, builtins.ConnectionError):
    """The connection is gone, and with it what was open on it."""

    def __init__(self, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ProxyResponse(NamedTuple):
    """What a proxy answered instead of opening a tunnel."""

    status: int
    reason: str
    headers: HTTPHeaderMap


class ProxyError(HyperError):
    """The proxy refused to open a tunnel, or answered in another language than it was asked in.

    response  its answer in HTTP, never the origin's; ``None`` if there was none
    """

    response: ProxyResponse | None = None


class InvalidResponseError(HyperError):
    """The head or the framing of an HTTP/1.1 response is not HTTP (RFC 9112)."""


class ContentDecodingError(HyperError):
    """The body is not what its ``content-encoding`` says, or stops short of its end."""


def own_copy(error: BaseException) -> BaseException:
    """A copy to raise, chained to the original.

    One failure can concern many exchanges, and an exception object raised in two threads would
    mix up their tracebacks; so what an exchange holds is never raised itself.
    """
    own = _copied(error)
    own.__cause__ = error
    return own


def template(error: BaseException) -> BaseException:
    """A copy to keep, and to make copies of: the same but for its traceback.

    That holds the frames of all who were being called, up to the user's, with what stands in them:
    a response, say, which would then hold itself by its own error until the collector comes.
    """
    kept = _copied(error)
    if error.__cause__ is not None:
        kept.__cause__ = template(error.__cause__)
    return kept


def _copied(error: BaseException) -> BaseException:
    try:
        return copy(error)
    except Exception:  # a class of the user's, which takes other arguments than it keeps
        return HyperError(f"{type(error).__name__}: {error}")


# Names of hyper 0.7 that programs catch. Each stands for whatever is raised today where the old
# one was, so that an old ``except`` clause catches it; nothing new is to be written with them.

#: Chunks that make no sense: framing that is not HTTP, like any other.
ChunkedDecodeError = InvalidResponseError

#: A line of a head without end: the same.
LineTooLongError = InvalidResponseError

#: The connection broke off. That may be Python's own ConnectionResetError or BrokenPipeError, or
#: an error of ours; all of them are this.
ConnectionResetError = builtins.ConnectionError

#: Whatever a socket can raise.
SocketError = OSError

#: ``hyper.tls.init_context`` did not find a file.
MissingCertFile = FileNotFoundError


class TLSUpgrade(HyperError):
    """How 0.7 told itself that ALPN had chosen HTTP/2. Never raised: nothing has to be caught."""


class HTTPUpgrade(HyperError):
    """How 0.7 told itself that a server took its ``h2c`` upgrade. Never raised."""
