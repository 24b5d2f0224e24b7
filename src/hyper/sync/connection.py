"""What a user holds: a connection to one server, for any number of threads.

Finds out what a request is, dials when there is nobody to ask, and remembers which response is
whose. Reading, writing and waiting are the pump's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from ssl import SSLContext
from threading import local
from time import monotonic

from ..http20.limits import INITIAL_MAX_STREAMS
from ..http20.protocol import HTTP20Protocol
from ..http20.window import BaseFlowControlManager, FlowControlManager
from .compat import FormerConnection
from .pump import Trace
from .request import Headers, Octets, Origin, Trailers, host_and_port, octets
from .response import HTTP20Response, has_ended, own_error
from .sending import Sender

__all__ = ["HTTP20Connection"]


class _Mine(local):
    """The calling thread's responses in the order of their requests, claimed ones included."""

    def __init__(self) -> None:
        self.responses: deque[HTTP20Response] = deque()


class HTTP20Connection(Sender):
    """A connection that speaks HTTP/2 (RFC 9113), for any number of threads at once.

    host            ``'name'``, ``'name:port'``, ``'[::1]:port'``
    port            443 unless ``host`` or this names another
    secure          TLS or not; left out, it is TLS on port 443 and wherever an ``ssl_context``
                    is given, since to bring a context is to ask for TLS. Without TLS the server
                    must be known to speak HTTP/2 (prior knowledge, RFC 9113 §3.3)
    window_manager  a subclass of ``hyper.http20.window.BaseFlowControlManager``, not an instance
    enable_push     accepted for code that passes it; pushes are refused so far
    ssl_context     whom to trust and what to offer; ``hyper.tls.init_context()`` by default
    force_proto     ``'h2'``: speak HTTP/2 whatever ALPN says
    timeout         seconds for each wait, or a pair of them, for connecting and for the rest;
                    a wait begins afresh whenever the request makes progress
    trace           called with ``'>'`` or ``'<'`` and the octets written or read, under a lock:
                    it must not wait, nor use this connection

    Attributes: ``host``, ``port``, ``secure``, ``timeout``.

    Dialled by the first request. May be used again after ``close()``; a connection that died, or
    to which the server said goodbye, is replaced by the next request, before that is sent.
    Raises ValueError and TypeError for what cannot be meant.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        secure: bool | None = None,
        window_manager: type[BaseFlowControlManager] | None = None,
        enable_push: bool = False,
        ssl_context: SSLContext | None = None,
        *,
        force_proto: str | None = None,
        timeout: float | tuple[float | None, float | None] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.host, self.port = host_and_port(host, port)
        self.secure = (ssl_context is not None or self.port == 443) if secure is None else secure
        self.ssl_context = ssl_context
        self.window_manager = window_manager or FlowControlManager
        self.enable_push = enable_push
        self.force_proto = force_proto
        self.timeout = timeout
        self.trace = trace
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        self._connect_timeout, self._timeout = (_seconds(each) for each in pair)

        self._origin = Origin(self.host, self.port, secure=self.secure)
        super().__init__(self._origin.where, self._connect_timeout)

        # Responses that nobody has asked for yet, by stream id; dict.pop claims atomically.
        self._unclaimed: dict[int, HTTP20Response] = {}
        self._mine = _Mine()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._origin}>"

    def __enter__(self) -> HTTP20Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Requests and responses.

    def request(
        self,
        method: Octets,
        url: Octets,
        body: object = None,
        headers: Headers | None = None,
        *,
        data: object = None,
        trailers: Trailers | None = None,
        never_index: Iterable[Octets] = (),
        timeout: float | None = None,
    ) -> int:
        """Send a request; return its stream id, to be given to ``get_response``.

        url          the path and query; visible ASCII, so percent-encoded where it must be
        body, data   one of them: bytes-like, str (sent as UTF-8), a binary file or an iterable
                     of bytes-like pieces (both streamed, from where they stand)
        headers      a mapping or pairs, str or bytes; ``:authority``, ``:path``, ``:scheme``
                     and ``:method`` override what is derived, fields about an HTTP/1.1
                     connection are left out, ``host`` becomes ``:authority``
        trailers     fields to send after the body, or a function that returns them then
        never_index  names of fields that no hop may keep in a table (RFC 7541 §7.1.3)
        timeout      seconds for each wait of this request, instead of the connection's

        ``content-length`` is set where the length is known, and held against the body. Never
        fails for lack of a stream: the request waits its turn. Returns when the body has left,
        or when the server has answered without waiting for all of it.

        Raises ValueError and TypeError for what may not be sent, before anything of it is;
        OSError when the server cannot be reached, H2NotNegotiatedError when it does not speak
        HTTP/2; TimeoutError, HTTP20Error and OSError when the upload fails.
        """
        if body is None:
            body = data
        elif data is not None:
            raise TypeError("body and data are two names for one thing; give only one of them")
        asked = self._origin.ask(method, url, body, headers, trailers, never_index)
        seconds = self._timeout if timeout is None else _seconds(timeout)
        pump, exchange = self._start(asked)
        response = HTTP20Response(pump, exchange, asked, seconds)
        if asked.body is not None or pump.transport.unsent:
            self._complete_or_repeat(response)
        stream_id = response.stream_id
        assert stream_id is not None
        mine = self._mine.responses
        while mine and mine[0]._claimed:
            mine.popleft()
        mine.append(response)
        self._unclaimed[stream_id] = response
        return stream_id

    def get_response(self, stream_id: int | None = None) -> HTTP20Response:
        """Wait for the head of a response, and return it.

        With the id that ``request()`` returned, in any order and from any thread; without one,
        the oldest request of the calling thread whose response nobody has asked for.

        A request that the server surely did not process (RFC 9113 §8.7) is sent once more on
        its own, if its body can be sent again.

        Raises ValueError when there is no such request; TimeoutError when there is no head
        within the timeout; HTTP20Error and OSError when the request failed.
        """
        mine = self._mine.responses
        response: HTTP20Response | None
        if stream_id is not None:
            response = self._unclaimed.pop(stream_id, None)
            if response is None:
                raise self._nothing_to_claim(stream_id)
        else:
            while True:
                if not mine:
                    raise self._nothing_to_claim(None)
                response = mine.popleft()
                assert response.stream_id is not None
                if self._unclaimed.pop(response.stream_id, None) is response:
                    break
        response._claimed = True
        exchange = response._exchange
        if exchange.headers is None:
            self._await_head(response)
            exchange = response._exchange
        response.status = exchange.status
        return response

    getresponse = get_response

    def ping(self, opaque: Octets = b"hyper...") -> float:
        """Send PING with eight octets (RFC 9113 §6.7); return the seconds until the answer.

        Dials if need be. Raises TimeoutError, ValueError for another number of octets, and the
        connection's error if it ends meanwhile.
        """
        pump = self._usable_pump()
        protocol = pump.protocol
        assert isinstance(protocol, HTTP20Protocol)
        began = monotonic()
        exchange = pump.call(protocol.ping, octets(opaque))
        deadline = None if self._timeout is None else began + self._timeout
        if not pump.wait(exchange, has_ended, deadline):
            raise TimeoutError(f"{self._where}: no answer to PING within {self._timeout:g} s")
        if exchange.error is not None:
            raise own_error(exchange.error, self._where)
        return monotonic() - began

    @property
    def max_concurrent_streams(self) -> int:
        """How many requests the server lets us have open; more wait in order.

        Until the server has been heard, what is assumed of it (RFC 9113 §6.5.2).
        """
        pump = self._pump
        if pump is None or not isinstance(pump.protocol, HTTP20Protocol):
            return INITIAL_MAX_STREAMS
        return pump.protocol.max_concurrent_streams

    @property
    def _conn(self) -> FormerConnection:
        # PyAPNs2, the most used program on hyper 0.7, asks for the limit this way.
        return FormerConnection(self)

    # The connection.

    def connect(self) -> None:
        """Dial, unless there is a connection that takes requests. Raises as ``request()`` does."""
        self._usable_pump().flush()

    def close(self) -> None:
        """Say goodbye and end every request that is still open. Can be called again.

        Threads that wait for something here get an error. What had arrived of a response stays
        readable; then there is an error. The next request dials anew.
        """
        with self._lock:
            pump, self._pump = self._pump, None
            if self._dialling is not None:
                self._dialling.unwanted = True
        if pump is not None:
            pump.close()
        for former in list(self._former):
            former.close()

    def _nothing_to_claim(self, stream_id: int | None) -> ValueError:
        waiting = ", ".join(map(str, sorted(self._unclaimed))) or "none"
        if stream_id is None:
            return ValueError(
                "this thread has no request whose response nobody has asked for; call "
                f"request() first, or give a stream id (there are: {waiting})"
            )
        return ValueError(
            f"no response on stream {stream_id} is waiting to be asked for (there are: {waiting})"
        )


def _seconds(timeout: float | None) -> float | None:
    if timeout is not None and not timeout > 0:
        raise ValueError(
            f"a timeout must be more than 0 seconds, not {timeout!r}; None is no limit"
        )
    return timeout
