"""Responses that the server sends unasked (RFC 9113 §8.4), as a user takes or refuses them.

Nobody has to take them: a promise that nobody asked for is given up, and its stream reset, once
the response it came along with is forgotten.
"""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from collections.abc import Iterable, Iterator
from threading import local
from time import monotonic
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, finalize

from ..common.exchange import Exchange
from ..common.headers import HTTPHeaderMap
from ..http20.promises import PushedStream
from .patience import Patience
from .proxy import Proxy
from .pump import Pump
from .request import Asked
from .response import HTTP20Response, Response, has_head, own_error, texts
from .sending import Sender

__all__ = ["HTTP20Push", "Mine", "Pushes"]


class Draft:
    """A request whose head is being written.

    key   what ``putrequest`` returned, or None
    pump  the connection on which that id was kept for it
    """

    def __init__(self, method: bytes, path: bytes, key: int | None, pump: Pump) -> None:
        self.method = method
        self.path = path
        self.key = key
        self.pump = pump
        self.fields: list[tuple[bytes, bytes]] = []
        self.bare = False


class Mine(local):
    """What the calling thread has begun on a connection.

    keys       of responses, in the order of their requests; of some that were claimed, too
    latest     the newest request, where pushes may come along with it
    draft      the newest request whose head is being written
    sending    the newest request whose body is being sent
    returned   the response that it was given last
    together   in how many blocks of ``together`` it is
    patience   how long the request may take in all for which it is dialling; None if that is
               as long as it makes progress
    seconds    how long the same request may wait for its answer; None if it does not say
    """

    together = 0
    patience: Patience | None = None
    seconds: float | None = None

    def __init__(self, users: set[int]) -> None:
        # Once for each thread.
        users.add(get_ident())
        self.keys: deque[object] = deque()
        self.latest: Exchange | None = None
        self.draft: Draft | None = None
        self.sending: ReferenceType[Response] | None = None
        self.returned: ReferenceType[Response] | None = None


def has_push(exchange: Exchange) -> bool:
    return bool(exchange.pushes) or exchange.ended or exchange.error is not None


class HTTP20Push:
    """A promise: the request that the server answers unasked, and the way to its response.

    scheme, method, authority, path  of that request, as bytes
    request_headers                  its other fields
    same_origin                      the server has authority over that origin; others are reset
                                     on arrival unless ``foreign_pushes`` was asked for
    stream_id                        the stream on which the response comes, an even number

    A push that is dropped without ``get_response()`` is refused, as by ``cancel()``.
    """

    _taken = False

    def __init__(self, pump: Pump, exchange: PushedStream, where: str, timeout: float | None):
        self._pump = pump
        self._exchange = exchange
        self._timeout = timeout
        promise = exchange.promise
        self._asked = Asked(
            promise.method, promise.scheme, promise.authority, promise.path, promise.headers, where
        )
        self.scheme = promise.scheme
        self.method = promise.method
        self.authority = promise.authority
        self.path = promise.path
        self.request_headers = HTTPHeaderMap.wrap(promise.headers)
        self.same_origin = exchange.same_origin
        self.stream_id = exchange.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} stream={self.stream_id} {self._asked}>"

    def __del__(self) -> None:
        # As with a response that is dropped unread: any lock may be held here.
        if not self._taken:
            _give_up((self._exchange,), self._pump.abandoned)

    def get_response(self) -> HTTP20Response:
        """Wait for the head of the pushed response, and return it; once.

        Raises ValueError when it has been asked for, or cancelled; TimeoutError when there is
        no head within the connection's timeout; HTTP20Error and OSError when the push failed.
        """
        if self._taken:
            raise ValueError(f"the response to push {self._asked} has been taken or refused before")
        self._taken = True
        exchange = self._exchange
        response = HTTP20Response(self._pump, exchange, self._asked, self._timeout)
        deadline = None if self._timeout is None else monotonic() + self._timeout
        if not self._pump.wait(exchange, has_head, deadline):
            raise response._timed_out("response head")
        if exchange.headers is None:
            assert exchange.error is not None
            raise own_error(exchange.error, self._asked.where)
        response.status = exchange.status
        return response

    getresponse = get_response

    def cancel(self) -> None:
        """Refuse the push: its stream is reset with CANCEL, if it is still under way."""
        self._taken = True
        self._pump.cancel(self._exchange)
        self._exchange.chunks.clear()

    def getrequestheader(self, name: str, default: str | None = None) -> str | None:
        """A field of the promised request as one str, repeated ones joined by ``", "``."""
        return self.request_headers.text(name, default)

    def getrequestheaders(self) -> list[tuple[str, str]]:
        """The fields of the promised request as str, in their order."""
        return texts(self._asked.headers)


class Pushes(Sender):
    """The half of a connection that hands out pushes."""

    def __init__(
        self,
        where: str,
        connect_timeout: float | None,
        timeout: float | None,
        proxy: Proxy | None,
    ) -> None:
        super().__init__(where, connect_timeout, timeout, proxy)
        self._mine = Mine(self._users)
        # Requests whose pushes may be asked for, as long as somebody knows them: by the id that
        # request() returned, and where they were sent.
        self._parents: WeakValueDictionary[object, Exchange] = WeakValueDictionary()
        self._carriers: WeakKeyDictionary[Exchange, Pump] = WeakKeyDictionary()

    def get_pushes(
        self, stream_id: int | None = None, capture_all: bool = False
    ) -> Iterator[HTTP20Push]:
        """The pushes promised along with a request, each of them once.

        stream_id    which request; without it, the newest one of the calling thread
        capture_all  False: those that have been promised so far, without waiting. True: then
                     also those to come, until the response to the request is complete

        The connection must have been made with ``enable_push=True``; otherwise the server is
        told not to push, and there are none. Raises ValueError when there is no such request,
        and TimeoutError when nothing comes for the connection's timeout.
        """
        exchange = self._mine.latest if stream_id is None else self._parents.get(stream_id)
        if exchange is None and self.enable_push and stream_id is None:
            raise ValueError("this thread has sent no request; call request() first")
        return self._pushes_along(exchange, capture_all)

    getpushes = get_pushes

    def _pushes_along(self, exchange: Exchange | None, capture_all: bool) -> Iterator[HTTP20Push]:
        pump = None if exchange is None else self._carriers.get(exchange)
        if exchange is None or pump is None:
            return
        pushes = exchange.pushes
        assert isinstance(pushes, deque)
        while True:
            # First looked at, then the pushes: so that none comes between the two.
            ended = exchange.ended or exchange.error is not None
            while pushes:
                try:
                    pushed = pushes.popleft()
                except IndexError:  # another thread has taken it
                    break
                yield HTTP20Push(pump, pushed, self._where, self._timeout)
            if not capture_all or ended:
                return
            deadline = None if self._timeout is None else monotonic() + self._timeout
            if not pump.wait(exchange, has_push, deadline):
                raise TimeoutError(
                    f"{self._where}: no further push, nor the end of the response on stream "
                    f"{exchange.id}, within {self._timeout:g} s"
                )

    def _watch_pushes(self, response: Response) -> None:
        pump = response._pump
        exchange = response._exchange
        self._mine.latest = exchange
        if exchange.id is None:
            return

        def prepare() -> deque[Exchange]:
            if not isinstance(exchange.pushes, deque):
                exchange.pushes = deque()
            return exchange.pushes

        pushes = pump.call(prepare)
        with self._lock:
            self._parents[response._key] = exchange
            self._carriers[exchange] = pump
        finalize(exchange, _give_up, pushes, pump.abandoned).atexit = False


def _give_up(pushes: Iterable[Exchange], abandoned: deque[Exchange]) -> None:
    """Have the streams of pushes reset that nobody took. Any lock may be held here."""
    for push in pushes:
        if not push.ended and push.error is None:
            abandoned.append(push)
