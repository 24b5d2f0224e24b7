"""What a user holds: a connection to one server, for any number of threads.

Finds out what a request is, dials when there is nobody to ask, and remembers which response is
whose. Reading, writing and waiting are the pump's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ssl import SSLContext
from time import monotonic
from typing import TYPE_CHECKING, Self
from weakref import ref

from ..http20.exceptions import ConnectionError
from ..http20.limits import INITIAL_MAX_STREAMS, Limits
from ..http20.protocol import HTTP20Protocol
from ..http20.window import BaseFlowControlManager, FlowControlManager
from .compat import FormerConnection
from .patience import Patience
from .piecewise import LEFT_KEYS, Piecewise
from .proxy import Proxy
from .pump import Trace
from .request import Headers, Octets, Origin, Trailers, host_and_port, octets
from .response import HTTP11Response, HTTP20Response, Response, has_ended, own_error

__all__ = ["HTTP11Connection", "HTTP20Connection", "HTTPConnection"]


class HTTPConnection(Piecewise):
    """A connection to one server, for any number of threads at once.

    Over TLS it speaks HTTP/2 (RFC 9113) or HTTP/1.1 (RFC 9112), whichever the server prefers
    (ALPN). In cleartext the first request asks, once, to go on in HTTP/2 (``Upgrade: h2c``,
    RFC 7540 §3.2); a server that ignores this is spoken to in HTTP/1.1. Whoever uses the
    connection need not know which it was.

    host            ``'name'``, ``'name:port'``, ``'[::1]:port'``
    port            80 unless ``host`` or this names another
    secure          TLS or not; left out, it is TLS on port 443 and wherever an ``ssl_context``
                    is given, since to bring a context is to ask for TLS
    window_manager  a subclass of ``hyper.http20.window.BaseFlowControlManager``, not an instance
    enable_push     let the server push (RFC 9113 §8.4); see ``get_pushes``
    ssl_context     whom to trust; ``hyper.tls.init_context()`` by default. What it offers by
                    ALPN is left as it is, and not asked
    proxy_host      an HTTP proxy: ``'name'``, ``'name:port'`` or ``'user:password@name:port'``; a
                    SOCKS5 one is an URL, ``socks5://`` or ``socks5h://`` (it looks up the names)
    proxy_port      8080, for SOCKS 1080, unless ``proxy_host`` or this names another
    proxy_headers   fields for the proxy alone, such as ``proxy-authorization``
    timeout         seconds for each wait, or a pair of them, for connecting and for the rest;
                    a wait begins afresh whenever the request makes progress
    force_proto     ``'h2'``: speak HTTP/2 whatever ALPN says
    foreign_pushes  accept pushes for origins that the server has no authority over as well
    hpack           whose header compression: ``'python'`` or ``'nghttp2'``; if left out, what
                    ``HYPER_HPACK`` or ``hyper.hpack.choose`` said
    limits          what to put up with over HTTP/2, a ``hyper.http20.limits.Limits``; if left
                    out, what ``hyper.http20.limits.choose`` said
    expect_timeout  seconds that a body waits for ``100 Continue`` where ``expect`` asks for it
    trace           called with ``'>'`` or ``'<'`` and the octets written or read, under a lock:
                    it must not wait, nor use this connection

    Attributes: all of these, and ``version``.

    Dialled by the first request. May be used again after ``close()``; a connection that died, or
    to which the server said goodbye, is replaced by the next request, before that is sent.
    Raises ValueError and TypeError for what cannot be meant.
    """

    #: A name that hyper 0.7 had, for the octets of one read; nothing here depends on it.
    network_buffer_size = 65536

    _default_port = 80

    def __init__(
        self,
        host: str,
        port: int | None = None,
        secure: bool | None = None,
        window_manager: type[BaseFlowControlManager] | None = None,
        enable_push: bool = False,
        ssl_context: SSLContext | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        proxy_headers: Headers | None = None,
        timeout: float | tuple[float | None, float | None] | None = None,
        *,
        force_proto: str | None = None,
        foreign_pushes: bool = False,
        hpack: str | None = None,
        limits: Limits | None = None,
        expect_timeout: float = 1.0,
        trace: Trace | None = None,
    ) -> None:
        for name, value, fits, wanted in (
            # Or what does as one does, around another.
            ("ssl_context", ssl_context, hasattr(ssl_context, "wrap_bio"), "an ssl.SSLContext"),
            ("window_manager", window_manager, callable(window_manager), "a class"),
            ("limits", limits, isinstance(limits, Limits), "a hyper.http20.limits.Limits"),
            ("trace", trace, callable(trace), "a function of a direction and octets"),
        ):
            if value is not None and not fits:
                raise TypeError(f"{name} has to be {wanted}, not a {type(value).__name__}")
        if force_proto not in (None, "h2"):
            raise ValueError(f"force_proto is 'h2' or nothing, not {force_proto!r}")
        self.host, self.port = host_and_port(host, port, self._default_port)
        self.secure = (ssl_context is not None or self.port == 443) if secure is None else secure
        self.ssl_context = ssl_context
        self.window_manager = window_manager or FlowControlManager
        self.enable_push = enable_push
        self.foreign_pushes = foreign_pushes
        self.hpack = hpack
        self.limits = limits and limits.checked()
        self.force_proto = force_proto
        self.timeout = timeout
        self.expect_timeout = _wait_for_leave(expect_timeout)
        self.trace = trace
        proxy = None
        if proxy_host is not None:
            proxy = Proxy(proxy_host, proxy_port, proxy_headers)
            proxy_host, proxy_port = proxy.host, proxy.port
        elif proxy_port is not None or proxy_headers is not None:
            raise ValueError("proxy_port and proxy_headers mean nothing without a proxy_host")
        self.proxy_host = proxy_host
        self.proxy_port = proxy_port
        self.proxy_headers = proxy_headers
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        if len(pair) != 2:
            raise ValueError(f"a timeout is a number, or a pair of them, and not {timeout!r}")
        connect_timeout, response_timeout = (_seconds(each) for each in pair)

        self._origin = Origin(self.host, self.port, secure=self.secure)
        super().__init__(self._origin.where, connect_timeout, response_timeout, proxy)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._origin}>"

    def __enter__(self) -> Self:
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
        total_timeout: float | None = None,
    ) -> int | None:
        """Send a request; return its stream id, to be given to ``get_response``.

        Over HTTP/1.1 there is no such id, and ``None`` is returned. It may be given to
        ``get_response`` all the same; requests wait in order until the one before has been
        answered whole.

        url          the path and query; visible ASCII, so percent-encoded where it must be
        body, data   one of them: bytes-like, str (sent as UTF-8), a binary file or an iterable
                     of bytes-like pieces (both streamed, from where they stand)
        headers      a mapping or pairs, str or bytes; ``:authority``, ``:path``, ``:scheme``
                     and ``:method`` override what is derived, fields about an HTTP/1.1
                     connection are left out, ``host`` becomes ``:authority``
        trailers     fields to send after the body, or a function that returns them then
        never_index  names of fields that no hop may keep in a table (RFC 7541 §7.1.3)
        timeout      seconds for each wait of this request, instead of the connection's
        total_timeout
                     seconds for all of it, from this call until the body has been read, or
                     has at least arrived; however much progress it makes

        With ``expect: 100-continue`` the body waits for leave, for ``expect_timeout`` seconds at
        most, and stays here if the server refuses at once (RFC 9110 §10.1.1).

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
        asked = None
        if headers is None and body is None and trailers is None and not never_index:
            asked = self._origin.plain.get((method, url))
        if asked is None:
            asked = self._origin.ask(method, url, body, headers, trailers, never_index)
        seconds = self._timeout if timeout is None else _seconds(timeout)
        before = self._pump
        until = None
        if timeout is None and total_timeout is None:
            pump, exchange = self._start(asked)
        else:
            if total_timeout is not None:
                seconds = patience = Patience(seconds, _some_seconds(total_timeout))
                until = patience.until
            pump, exchange = self._start_within(asked, seconds)
        response: Response
        stream_id = exchange.id
        if stream_id is not None:
            response = HTTP20Response(pump, exchange, asked, seconds)
        else:
            response = HTTP11Response(pump, exchange, asked, seconds)
            response._reused = pump is before
        if until is not None:
            response._until = until
        if asked.body is not None or pump.transport.unsent:
            self._complete_or_repeat(response)
            stream_id = response.stream_id
            pump = response._pump
        key: object
        if stream_id is None:
            key = object()
        elif pump.closed:
            # Perhaps close() did not hear of this id any more, and it is given out anew.
            raise self._closed_meanwhile()
        else:
            key = stream_id
        response._key = key
        self._unclaimed[key] = response
        keys = self._mine.keys
        keys.append(key)
        if len(keys) > LEFT_KEYS and len(keys) > 2 * len(self._unclaimed):
            self._forget_claimed(keys)
        if self.enable_push:
            self._watch_pushes(response)
        return stream_id

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within this block, send requests of this thread together instead of one by one.

            with connection.together():
                ids = [connection.request("GET", path) for path in paths]

        Half the processor time of many small requests is to encrypt and send each by itself.
        What the block holds leaves at its end, however it ends; before this thread or any other
        waits for something on the connection; with the next body; and whenever a hundred
        requests are held. Blocks may be nested, and the outermost one counts; other threads'
        requests are not held. Over HTTP/1.1, where one request waits for the other, it changes
        nothing.
        """
        mine = self._mine
        mine.together += 1
        try:
            yield
        finally:
            mine.together -= 1
            if not mine.together:
                self._send_held()

    def _send_held(self) -> None:
        with self._lock:
            pumps = [self._pump, *self._former]
        for pump in pumps:
            if pump is not None and pump.holds:
                pump.flush()

    def get_response(self, stream_id: int | None = None) -> Response:
        """Wait for the head of a response, and return it.

        With the id that ``request()`` returned, in any order and from any thread; without one,
        the oldest request of the calling thread whose response nobody has asked for. Where that
        thread has none, the oldest of those for which ``request()`` returned None.

        A request that the server surely did not process (RFC 9113 §8.7) is sent once more on
        its own, if its body can be sent again.

        Raises ValueError when there is no such request; TimeoutError when there is no head
        within the timeout; HTTP20Error and OSError when the request failed.
        """
        response: Response | None
        mine = self._mine
        keys = mine.keys
        if stream_id is not None:
            response = self._unclaimed.pop(stream_id, None)
            if response is None:
                raise self._nothing_to_claim(stream_id)
            if keys and keys[0] == stream_id:
                keys.popleft()
        else:
            while True:
                if not keys:
                    response = self._oldest_without_id()
                    break
                response = self._unclaimed.pop(keys.popleft(), None)
                if response is not None:
                    break
        exchange = response._exchange
        if exchange.headers is None:
            self._await_head(response)
            exchange = response._exchange
        response.status = exchange.status
        mine.returned = ref(response)
        return response

    getresponse = get_response

    def read(self, amt: int | None = None, decode_content: bool = True) -> bytes:
        """Read the response that ``get_response`` gave to this thread last, as its ``read`` does.

        The first documents of hyper do so where they show pushes. Raises ValueError when there
        is no such response, or nobody holds it any more.
        """
        returned = self._mine.returned
        response = None if returned is None else returned()
        if response is None:
            raise ValueError("this thread holds no response of this connection; get_response() it")
        return response.read(amt, decode_content)

    def _oldest_without_id(self) -> Response:
        """What another thread asked for over HTTP/1.1, where ids cannot be handed on."""
        for key in list(self._unclaimed):
            if not isinstance(key, int):
                response = self._unclaimed.pop(key, None)
                if response is not None:
                    return response
        raise self._nothing_to_claim(None)

    def ping(self, opaque: Octets = b"hyper...") -> float:
        """Send PING with eight octets (RFC 9113 §6.7); return the seconds until the answer.

        Dials if need be. Raises TimeoutError, ValueError for another number of octets or over
        HTTP/1.1, which has no PING, and the connection's error if it ends meanwhile.
        """
        pump = self._usable_pump()
        protocol = pump.protocol
        if not isinstance(protocol, HTTP20Protocol):
            raise ValueError(f"{self._where} speaks HTTP/1.1, which has no PING")
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

        Until the server has been heard it is 1, which every server allows. Over HTTP/1.1 it
        stays so.
        """
        pump = self._pump
        return INITIAL_MAX_STREAMS if pump is None else pump.protocol.max_concurrent_streams

    @property
    def version(self) -> str:
        """What is spoken: ``'HTTP/2'`` or ``'HTTP/1.1'``; before it is known, the likelier one."""
        pump = self._pump
        if pump is None:
            likely = 20 in self._versions and (self.secure or 11 not in self._versions)
            return "HTTP/2" if likely else "HTTP/1.1"
        return "HTTP/2" if isinstance(pump.protocol, HTTP20Protocol) else "HTTP/1.1"

    @property
    def _conn(self) -> FormerConnection:
        # PyAPNs2, the most used program on hyper 0.7, asks for the limit this way, and keeps to it:
        # so what it gets has to be the server's word, and not what is assumed until that comes.
        protocol = self._usable_pump().protocol
        if not isinstance(protocol, HTTP20Protocol):
            raise AttributeError(f"{self._where} speaks HTTP/1.1, which has no settings")
        if not protocol.remote_settings.heard:
            self.ping()
        return FormerConnection(protocol.remote_settings)

    # The connection.

    def connect(self) -> None:
        """Dial, unless there is a connection that takes requests. Raises as ``request()`` does."""
        self._usable_pump().flush()

    def close(self, error_code: int | None = None) -> None:
        """Say goodbye and end every request that is still open. Can be called again.

        error_code  what to tell an HTTP/2 server (RFC 9113 §7), one of ``ErrorCode``; left out,
                    that nothing went wrong

        Threads that wait for something here get an error. What had arrived of a response stays
        readable; then there is an error. The next request dials anew. Raises ValueError for what
        is no error code.
        """
        if error_code is not None and not 0 <= error_code < 2**32:
            raise ValueError(f"an error code has 32 bits (RFC 9113 §7), not {error_code}")
        with self._lock:
            pump, self._pump = self._pump, None
            formers = list(self._former)
            if pump is not None:
                # First this: so that who sends a request later than we look knows it.
                pump.closed = True
                self._note_last_id(pump)
            if self._alone and not (self._unclaimed or self._sending or self._drafts):
                self._last_id = None  # no id of this connection means anything any more
            if self._dialling is not None:
                self._dialling.unwanted = True
                if self._dialling.pump is not None:
                    formers.append(self._dialling.pump)
            self._drafts.clear()
        if pump is not None:
            if error_code is not None and isinstance(pump.protocol, HTTP20Protocol):
                pump.protocol.farewell = error_code
            pump.close()
        for former in formers:
            former.close()

    def _closed_meanwhile(self) -> ConnectionError:
        return ConnectionError(f"{self._where}: the connection was closed while a request was sent")

    def _nothing_to_claim(self, stream_id: int | None) -> ValueError:
        ids = sorted(key for key in list(self._unclaimed) if isinstance(key, int))
        waiting = ", ".join(map(str, ids)) or "none"
        if stream_id is None:
            return ValueError(
                "this thread has no request whose response nobody has asked for; call "
                f"request() first, or give a stream id (there are: {waiting})"
            )
        return ValueError(
            f"no response on stream {stream_id!r} is waiting to be asked for, which each is once "
            f"(there are: {waiting})"
        )


class HTTP20Connection(HTTPConnection):
    """An ``HTTPConnection`` that speaks HTTP/2 (RFC 9113) and nothing else.

    Its port is 443 unless another is named. Without TLS the server must be known to speak HTTP/2
    (prior knowledge, RFC 9113 §3.3). Over TLS, a server that does not choose ``h2`` by ALPN is an
    H2NotNegotiatedError, unless ``force_proto='h2'``.
    """

    _default_port = 443
    _versions = (20,)

    if TYPE_CHECKING:

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
            total_timeout: float | None = None,
        ) -> int: ...

        def get_response(self, stream_id: int | None = None) -> HTTP20Response: ...

        getresponse = get_response


class HTTP11Connection(HTTPConnection):
    """An ``HTTPConnection`` that speaks HTTP/1.1 (RFC 9112) and nothing else."""

    _versions = (11,)

    def __init__(
        self,
        host: str,
        port: int | None = None,
        secure: bool | None = None,
        ssl_context: SSLContext | None = None,
        proxy_host: str | None = None,
        proxy_port: int | None = None,
        proxy_headers: Headers | None = None,
        timeout: float | tuple[float | None, float | None] | None = None,
        *,
        expect_timeout: float = 1.0,
        trace: Trace | None = None,
    ) -> None:
        super().__init__(
            host,
            port,
            secure,
            ssl_context=ssl_context,
            proxy_host=proxy_host,
            proxy_port=proxy_port,
            proxy_headers=proxy_headers,
            timeout=timeout,
            expect_timeout=expect_timeout,
            trace=trace,
        )


def _seconds(timeout: float | None) -> float | None:
    return None if timeout is None else _some_seconds(timeout)


def _some_seconds(timeout: float) -> float:
    try:
        fits = timeout > 0
    except TypeError:
        raise TypeError(f"a timeout is a number of seconds or None, not {timeout!r}") from None
    if not fits:
        raise ValueError(
            f"a timeout must be more than 0 seconds, not {timeout!r}; None is no limit"
        )
    # Numbers of other kinds, a Decimal for one, do not go together with those of the clock.
    return float(timeout)


def _wait_for_leave(seconds: float) -> float:
    said = f"expect_timeout is a number of seconds, 0 for no wait, and not {seconds!r}"
    try:
        fits = seconds >= 0
    except TypeError:
        raise TypeError(said) from None
    if not fits:
        raise ValueError(said)
    return float(seconds)
