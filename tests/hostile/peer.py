"""A hostile server: the scripted peer of ``tests/peer.py`` on a real socket, with real TLS.

A scenario is a function of a ``Talk``. It is played to the first client that connects, on a thread
of the server's; whoever connects later meets ``polite``, which answers every request. What is said
is made by ``hpack`` and by hand, what the client says is read by ``hyperframe`` and ``hpack``; no
code of hyper is used on the server's side. The test itself is the client::

    def refuse_me(talk: Talk) -> None:
        asked = talk.hear_request()               # the preface, SETTINGS, and a request's HEADERS
        talk.headers(asked.stream_id, [(":status", "200"), ("connection", "close")], end=True)
        talk.serve()                              # from here on answer whatever is asked

    def test_a_connection_header_is_a_stream_error(scene: Stage) -> None:
        with scene(refuse_me) as play:
            play.fails(ProtocolError, "§8.2.2", ErrorCode.PROTOCOL_ERROR)   # GET / raises this
            play.heard("RST_STREAM", stream_id=1, error_code=1)             # and was told so
            play.usable()                                       # the same connection goes on

``Talk`` has every verb of ``tests.peer.Peer`` that says something (``settings``, ``headers``,
``data``, ``padding=``, ``push_promise``, ``rst_stream``, ``goaway``, ``frame`` for any frame,
``raw`` for any octets, ``one_read`` for many in one go, ``block`` for a field block), and these:

    hear_request()       wait for the next request; the ``Written`` HEADERS, ``.headers`` decoded
    hear(name, **want)   wait for a frame; the ones before it are passed over (and recorded)
    hear_body(id)        wait for the end of a request's body; its octets
    serve() listen()     answer requests, or only record, until the client goes
    drip(octets)         octet by octet, each in a packet (and TLS record) of its own
    close_notify() fin() reset()      ways to end: TLS's, TCP's without TLS's, TCP's RST
    deaf()               read nothing any more until the scene is over
    hear_http1() say_http1(...)       HTTP/1.1: a request, and octets
    pause(seconds)       silence; ends early with the scene

A script that returns is followed by ``listen()``, unless it has ended the connection itself. A
client that leaves ends the script quietly; any other exception of a script fails the test, and so
does a client that says nothing for ``PATIENCE`` seconds while the script waits for it. ``Talk``
holds all that the client writes against the rules that bind every client (see ``tests.peer``).

``Scene``, what ``with scene(script)`` gives:

    client               HTTP20Connection to the server, ready to ask (also HTTP11Connection and
                         HTTPConnection: ``scene(script, kind=...)``; other keywords go to it)
    ask(path)            one request; returns (status, body)
    fails(error, says, code)          one request, which must raise exactly this class, at once
    crowd(count)         so many threads ask at the same time; each one's answer or exception
    heard(name, **want)  wait until the client has written such a frame; ``Written``
    never_heard(name)    it has not, up to now
    goaway(code)         ... ended the connection by GOAWAY of this code, as its last frame
    usable()             the same connection answers another request
    renewed()            the next request is answered on a new connection, and never on the old one
    address, port, context   for callers other than ``client``
    talks, connections   the conversations so far, and how many

Every scene ends within ``DEADLINE`` seconds or fails, and fails as well when it leaves a thread
or a descriptor behind. ``bounded(octets)`` is a context manager that fails when the Python objects
made within it ever took more memory than that (server included: let it say the same bytes again).
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

import pytest

from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection

from ..certificates import Certificates
from ..memory import bounded
from ..native.scripted import Request
from ..peer import PREFACE, SETTINGS, Peer, Written

__all__ = ["DEADLINE", "PATIENCE", "Scene", "Script", "Server", "Stage", "Talk", "bounded"]

#: Seconds that either side waits for the other, before the test fails and says for what.
PATIENCE = 20.0
#: Seconds that a whole scene may take; only what hangs takes so long.
DEADLINE = 90.0
#: Seconds that other threads of a test have to end once its client is closed.
PARTING = 5.0
#: Frames of one kind that are recorded, for each connection; more are only counted.
RECORDED = 2000

Client = HTTPConnection | HTTP20Connection | HTTP11Connection


class _Wire:
    """Stands where ``Peer`` expects a client without a socket."""

    def __init__(self, sock: socket.socket, *, greeted: bool) -> None:
        self.socket = sock
        self.greeted = greeted  # the client's preface has been read
        self.unread = bytearray()

    def receive_data(self, octets: bytes) -> list[Any]:
        self.socket.sendall(octets)
        return []

    def data_to_send(self) -> bytes:
        """Whole frames that have arrived."""
        end = 0
        if not self.greeted:
            end = len(PREFACE)
            if len(self.unread) < end:
                assert PREFACE.startswith(self.unread), bytes(self.unread)
                return b""
            self.greeted = True
        while len(self.unread) >= end + 9:
            after = end + 9 + int.from_bytes(self.unread[end : end + 3], "big")
            if after > len(self.unread):
                break
            end = after
        whole = bytes(self.unread[:end])
        del self.unread[:end]
        return whole

    def more(self) -> None:
        octets = self.socket.recv(65_536)
        if not octets:
            raise EOFError("the client has left")
        self.unread += octets


class Talk(Peer):
    """One connection, seen from the server; the module's docstring has its verbs.

    number    1 for the first that was accepted
    server    whose ``say`` and ``over`` it shares
    record    what the client wrote, in order (of each kind the first ``RECORDED``)
    counts    frame name -> how many the client wrote
    requests  HTTP/1.1 requests
    """

    def __init__(self, sock: socket.socket, server: Server, number: int) -> None:
        self.wire = _Wire(sock, greeted=False)
        super().__init__(self.wire)  # type: ignore[arg-type]
        self.socket = sock
        self.server = server
        self.number = number
        self.record: list[Written] = []
        self.counts: Counter[str] = Counter()
        self.requests: list[Request] = []
        self.http1 = not isinstance(sock, ssl.SSLSocket) and server.http1
        if isinstance(sock, ssl.SSLSocket):
            self.http1 = sock.selected_alpn_protocol() != "h2"
        self._preface_due = True
        self._settings_due = True
        self._ack_due = True
        self.ended = False

    # Hearing.

    def _read(self, *, parse: bool = True) -> None:
        super()._read(parse=False)
        if self._preface_due and self._unparsed:
            assert self._unparsed.startswith(PREFACE), bytes(self._unparsed[:40])
            del self._unparsed[: len(PREFACE)]
            self._preface_due = False
        super()._read(parse=parse)

    def _check(self, parsed: Any, size: int) -> Written:
        written = super()._check(parsed, size)
        with self.server.news:
            self.counts[written.name] += 1
            if self.counts[written.name] <= RECORDED:
                self.record.append(written)
            self.server.news.notify_all()
        return written

    def _bind(self) -> None:
        # A scenario may say SETTINGS by ``frame`` or ``raw``, of which the peer knows nothing.
        if self._announced:
            super()._bind()

    def greet(self, **settings: int) -> None:
        """Say SETTINGS, once; wait for nothing."""
        if self._settings_due:
            self._settings_due = False
            self.settings(*((SETTINGS[name], value) for name, value in settings.items()))

    def hear(self, name: str, **wanted: Any) -> Written:
        """Wait for a frame of which all this is true; those before it are passed over."""
        while True:
            self._read()
            while self._frames:
                written = self._frames.popleft()
                if written.name == name and _is(written, wanted):
                    return written
            self.wire.more()

    def hear_request(self) -> Written:
        """Wait for a request; SETTINGS are said and acknowledged if they were not."""
        self.greet()
        written = self.hear("HEADERS")
        while written.headers is None:  # CONTINUATION is on its way
            self.wire.more()
            self._read()
        self._acknowledge()
        return written

    def hear_body(self, stream_id: int) -> bytes:
        """Wait for END_STREAM, giving back the windows; the octets of DATA."""
        body = b""
        while True:
            written = self.hear("DATA", stream_id=stream_id)
            body += written.data
            if written.end_stream:
                return body
            if written.size:
                self.window_update(0, written.size)
                self.window_update(stream_id, written.size)

    def _acknowledge(self) -> None:
        if self._ack_due:
            self._ack_due = False
            self.settings(ack=True)

    # Going on, or not.

    def serve(self) -> None:
        """Answer every request that was not answered yet, until the client goes."""
        if self.http1:
            while True:
                self.hear_http1()
                body = self.name.encode()
                self.say_http1(
                    f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
                )
        while True:
            asked = self.hear_request()
            self.answer(asked.stream_id, self.name.encode())

    @property
    def name(self) -> str:
        """The body of the answers of ``serve``."""
        return f"connection {self.number}"

    def listen(self) -> None:
        """Record what the client says, until it goes."""
        while True:
            if not self.http1 and not self.ended:
                self._read()
                self._frames.clear()
            self.wire.more()
            if self.http1 or self.ended:
                self.wire.unread.clear()

    def deaf(self) -> None:
        """Read nothing more while the scene lasts."""
        self.server.over.wait(DEADLINE)
        raise EOFError("the scene is over")

    def pause(self, seconds: float) -> None:
        if self.server.over.wait(seconds):
            raise EOFError("the scene is over")

    def drip(self, octets: bytes, seconds: float = 0.0) -> None:
        """Say octet by octet, ``seconds`` apart."""
        for at in range(len(octets)):
            self.socket.sendall(octets[at : at + 1])
            if seconds:
                self.pause(seconds)

    def close_notify(self) -> None:
        """End TLS in good order; TCP stays open."""
        assert isinstance(self.socket, ssl.SSLSocket)
        self.socket.setblocking(False)
        try:
            with contextlib.suppress(ssl.SSLError, OSError):
                self.socket.unwrap()  # says ours, and does not wait for the client's
        finally:
            self.socket.settimeout(PATIENCE)

    def fin(self) -> None:
        """End what we say by TCP's FIN, without TLS's close_notify; still hear the client."""
        # Not the method of SSLSocket, which forgets the TLS.
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection by TCP's RST."""
        self.ended = True
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # HTTP/1.1.

    def hear_http1(self) -> Request:
        """Wait for a request, with its body."""
        head = self._until(b"\r\n\r\n")
        request = Request(head, b"")
        self.requests.append(request)
        if "content-length" in request.headers:
            request.body = self._octets(int(request.headers["content-length"]))
        elif request.headers.get("transfer-encoding") == "chunked":
            while size := int(self._until(b"\r\n"), 16):
                request.body += self._octets(size)
                assert self._octets(2) == b"\r\n"
            while self._until(b"\r\n"):
                pass
        with self.server.news:
            self.server.news.notify_all()
        return request

    def say_http1(self, *octets: bytes) -> None:
        self.socket.sendall(b"".join(octets))

    def _until(self, end: bytes) -> bytes:
        while end not in self.wire.unread:
            self.wire.more()
        taken, _, rest = bytes(self.wire.unread).partition(end)
        self.wire.unread[:] = rest
        return taken

    def _octets(self, size: int) -> bytes:
        while len(self.wire.unread) < size:
            self.wire.more()
        taken = bytes(self.wire.unread[:size])
        del self.wire.unread[:size]
        return taken


def _is(written: Written, wanted: dict[str, Any]) -> bool:
    return all(getattr(written, name) == value for name, value in wanted.items())


Script = Callable[[Talk], None]


def polite(talk: Talk) -> None:
    """Answer every request with the connection's name."""
    talk.serve()


class Server:
    """Plays ``script`` to the first who connects and ``then`` to everyone after, each on a thread.

    context         TLS as it says; None for cleartext
    http1           in cleartext: HTTP/1.1, otherwise HTTP/2 at once
    receive_buffer  octets that the kernel keeps for a script that does not read
    """

    def __init__(
        self,
        script: Script,
        context: ssl.SSLContext | None = None,
        *,
        then: Script = polite,
        http1: bool = False,
        receive_buffer: int = 0,
    ) -> None:
        self.script = script
        self.context = context
        self.then = then
        self.http1 = http1
        self.talks: list[Talk] = []
        self.connections = 0
        self.trouble: BaseException | None = None
        self.over = threading.Event()
        self.news = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        if receive_buffer:
            # Of the listener: a connection's is settled by its first segment.
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.port: int = self.listener.getsockname()[1]
        self.address = f"localhost:{self.port}"
        self._threads = [threading.Thread(target=self._serve, name="hostile server", daemon=True)]
        self._sockets: list[socket.socket] = []

    def start(self) -> None:
        self._threads[0].start()

    def stop(self) -> None:
        """End all conversations and wait for their threads."""
        self.over.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._threads[0].join(PATIENCE)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                # Not the method of SSLSocket: its thread may still be using the TLS.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"a script of the hostile server hangs: {thread.name}"
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            script = self.script if self.connections == 1 else self.then
            thread = threading.Thread(
                target=self._play,
                args=(script, sock, self.connections),
                name=f"hostile connection {self.connections}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, sock: socket.socket, number: int) -> None:
        try:
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                try:
                    sock = self.context.wrap_socket(sock, server_side=True)
                except (OSError, EOFError):
                    return  # the client is free to dislike us
            self._sockets.append(sock)
            talk = Talk(sock, self, number)
            with self.news:
                self.talks.append(talk)
                self.news.notify_all()
            with contextlib.suppress(OSError, EOFError):
                self._act(script, talk)
                if not talk.ended:
                    talk.listen()
        except BaseException as error:
            self.trouble = self.trouble or error
        finally:
            sock.close()
            with self.news:
                self.news.notify_all()

    def _act(self, script: Script, talk: Talk) -> None:
        try:
            script(talk)
        except TimeoutError:
            if not self.over.is_set():
                raise AssertionError(
                    f"the script of connection {talk.number} waited {PATIENCE:g} s for the "
                    f"client, which had written {talk.record or talk.requests}"
                ) from None
        except (OSError, EOFError):
            pass  # the client left in the middle of what we said; it has said why before that


class Scene:
    """A hostile server, a client of it, and what can be asked about both."""

    def __init__(
        self,
        server: Server,
        context: ssl.SSLContext | None,
        kind: type[Client],
        options: dict[str, Any],
    ) -> None:
        self.server = server
        self.context = context
        self._kind = kind
        self._options = {"timeout": PATIENCE, **options}
        self.client = self.another()

    def another(self, **options: Any) -> Any:
        """One more client of the same kind; the test closes it."""
        return self._kind(
            self.server.address,
            secure=self.context is not None,
            ssl_context=self.context,
            **(self._options | options),
        )

    @property
    def address(self) -> str:
        return self.server.address

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def talks(self) -> list[Talk]:
        return self.server.talks

    @property
    def connections(self) -> int:
        return self.server.connections

    # Asking.

    def ask(self, path: str = "/", method: str = "GET", **more: Any) -> tuple[int, bytes]:
        """One request; its status and its whole body."""
        key = self.client.request(method, path, **more)
        response = self.client.get_response(key)
        return response.status, response.read()

    def fails(
        self,
        error: type[BaseException],
        says: str,
        code: int | None = None,
        ask: Callable[[], object] | None = None,
    ) -> Any:
        """``ask()``, a request if left out, raises just this; return the error.

        says  a regular expression that the message must match; host and port are in front anyway
        """
        began = monotonic()
        with pytest.raises(error, match=says) as caught:
            answer = (ask or self.ask)()
            pytest.fail(f"{error.__name__} was expected, the answer was {answer!r}")
        took = monotonic() - began
        assert type(caught.value) is error, repr(caught.value)
        assert took < PATIENCE, f"{took:.1f} s for an error that should come at once"
        if code is not None:
            assert getattr(caught.value, "error_code", None) == code, repr(caught.value)
        return caught.value

    def crowd(self, count: int, path: str = "/") -> list[tuple[int, bytes] | BaseException]:
        """``count`` threads ask on the one client; what each got, be it an exception."""
        results: list[Any] = [None] * count
        barrier = threading.Barrier(count)

        def one(at: int) -> None:
            try:
                barrier.wait(PATIENCE)
                results[at] = self.ask(path)
            except BaseException as error:
                results[at] = error

        threads = [threading.Thread(target=one, args=(at,), daemon=True) for at in range(count)]
        for thread in threads:
            thread.start()
        until = monotonic() + 2 * PATIENCE
        for thread in threads:
            thread.join(max(until - monotonic(), 0))
        hanging = [at for at, thread in enumerate(threads) if thread.is_alive()]
        assert not hanging, f"of {count} threads these wait for ever: {hanging}; others: {results}"
        return results

    # What the client has done.

    def heard(self, name: str, *, connection: int = 1, **wanted: Any) -> Written:
        """Wait until the client has written such a frame on that connection."""
        return self._await(name, connection, wanted)[0]

    def _await(self, name: str, connection: int, wanted: dict[str, Any]) -> list[Written]:
        until = monotonic() + PATIENCE
        with self.server.news:
            while True:
                record = self.talks[connection - 1].record if self.talks[connection - 1 :] else []
                found = [each for each in record if each.name == name and _is(each, wanted)]
                if found:
                    return found
                left = until - monotonic()
                trouble = self.server.trouble
                assert trouble is None, f"the server failed: {trouble!r}"
                assert left > 0, (
                    f"{name} with {wanted} was expected on connection {connection}; "
                    f"the client wrote {record}"
                )
                self.server.news.wait(left)

    def never_heard(self, name: str, *, connection: int = 1, **wanted: Any) -> None:
        """The client has written no such frame so far."""
        for each in list(self.talks[connection - 1].record):
            assert not (each.name == name and _is(each, wanted)), f"the client wrote {each}"

    def goaway(self, code: int, *, connection: int = 1) -> Written:
        """Wait for the GOAWAY; it says ``code``, and nothing came after it."""
        written = self.heard("GOAWAY", connection=connection)
        assert written.error_code == code, f"{code} was expected, the client wrote {written}"
        record = self.talks[connection - 1].record
        assert record[-1] is written, f"after its GOAWAY the client wrote on: {record}"
        return written

    def usable(self) -> None:
        """The connection that was dialled last answers another request."""
        last = max(self.connections, 1)
        answer = self.ask("/usable")
        assert self.connections == last, "a new connection was dialled"
        assert answer == (200, f"connection {last}".encode()), f"the answer was {answer}"

    def renewed(self) -> None:
        """The next request goes to a new connection, and not to any before."""
        before = self.connections
        asked = [talk.counts["HEADERS"] + len(talk.requests) for talk in self.talks]
        answer = self.ask("/renewed")
        assert self.connections == before + 1, f"{self.connections - before} were dialled"
        assert answer == (200, f"connection {before + 1}".encode()), f"the answer was {answer}"
        now = [talk.counts["HEADERS"] + len(talk.requests) for talk in self.talks[:before]]
        assert now == asked, "the request went to the old connection as well"

    # Beginning and end.

    def __enter__(self) -> Self:
        self._before = set(threading.enumerate()), _descriptors()
        self._old_alarm = signal.signal(signal.SIGALRM, _too_late)
        signal.setitimer(signal.ITIMER_REAL, DEADLINE)
        self.server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            try:
                self.client.close()
            finally:
                self.server.stop()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._old_alarm)
        if error is not None:
            return
        if self.server.trouble is not None:
            raise self.server.trouble
        threads, descriptors = self._before
        # The client is closed by now. Another server of the test's may not have heard of it yet.
        until = monotonic() + PARTING
        for thread in set(threading.enumerate()) - threads:
            thread.join(max(until - monotonic(), 0))
        left = set(threading.enumerate()) - threads
        assert not left, f"threads left behind: {left}"
        if _descriptors() - descriptors:
            gc.collect()  # a cycle of the test's own making is closed by now
        left_open = _descriptors() - descriptors
        assert not left_open, f"descriptors left behind: {left_open}"


def _too_late(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"the scene has taken {DEADLINE:g} s; something waits for ever")


def _descriptors() -> set[str]:
    # None but ours where /proc is missing; the one that lists the directory is gone again.
    if not os.path.isdir("/proc/self/fd"):
        return set()
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


class Stage(Protocol):
    """The fixture ``scene``."""

    def __call__(
        self,
        script: Script,
        *,
        then: Script = ...,
        secure: bool = ...,
        alpn: tuple[str, ...] = ...,
        http1: bool = ...,
        receive_buffer: int = ...,
        kind: type[Client] | None = ...,
        **options: Any,
    ) -> Scene:
        """See ``stage``."""
        ...


def stage(certificates: Certificates) -> Stage:
    """What makes scenes: over TLS with ALPN h2, unless told otherwise.

    script          for the first connection
    then            for all others; ``polite`` if left out
    secure          False: cleartext
    alpn            what the server speaks over TLS
    http1           short for ALPN http/1.1, and for HTTP/1.1 in cleartext
    receive_buffer  octets that the kernel keeps for a script that does not read
    kind            the client's class; by default the one for what is spoken
    options         further keyword arguments of the client
    """

    def scene(
        script: Script,
        *,
        then: Script = polite,
        secure: bool = True,
        alpn: tuple[str, ...] = ("h2",),
        http1: bool = False,
        receive_buffer: int = 0,
        kind: type[Client] | None = None,
        **options: Any,
    ) -> Scene:
        if http1:
            alpn = ("http/1.1",)
        inside = certificates.server_context(*alpn) if secure else None
        server = Server(script, inside, then=then, http1=http1, receive_buffer=receive_buffer)
        context = certificates.client_context() if secure else None
        return Scene(
            server, context, kind or (HTTP11Connection if http1 else HTTP20Connection), options
        )

    return scene
