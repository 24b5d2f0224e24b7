"""What the user brings along fails: at each call that it gets, with an error or with Ctrl-C.

Iterators, files, callable trailers, window managers and trace functions. The user gets his own
exception back, no lock stays taken, the other threads on the connection get their answers (or an
error, where what failed had the connection in its hands), and the next request is answered.
And none of it, except for what is documented to be so, is called with a lock of ours held; so it
may use the very connection that it is called by.
"""

from __future__ import annotations

import gc
import io
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any
from weakref import finalize

import pytest
from hyperframe.frame import HeadersFrame, RstStreamFrame

from hyper import HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.http20.window import FlowControlManager
from hyper.sync import dialling, guarded, transport
from hyper.sync.response import Response

from ..certificates import Certificates
from ..peer import PREFACE, frame
from ..threads.gated import Thread, eventually
from .conversations import DOWNLOAD, PAGE, digest, download, get, speak
from .rawserver import Conversation, RawServer


class Boom(Exception):
    """The user's own."""


class Fuse:
    """Burns down by one with each call, and then raises."""

    def __init__(self, nth: int, error: type[BaseException]) -> None:
        self.left = nth
        self.error = error
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        self.left -= 1
        if self.left == 0:
            raise self.error


def pieces(fuse: Fuse) -> Iterator[bytes]:
    for _ in range(3):
        fuse()
        yield bytes(100)
    fuse()


def from_iterator(connection: Any, fuse: Fuse) -> None:
    stream_id = connection.request("POST", "/upload", body=pieces(fuse))
    assert connection.get_response(stream_id).read() == digest(bytes(300))


class File(io.RawIOBase):
    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.real = io.BytesIO(bytes(100_000))

    def read(self, size: int = -1) -> bytes:
        self.fuse()
        return self.real.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self.fuse()
        return self.real.seek(offset, whence)

    def tell(self) -> int:
        self.fuse()
        return self.real.tell()


def from_file(connection: Any, fuse: Fuse) -> None:
    stream_id = connection.request("POST", "/upload", body=File(fuse))
    assert connection.get_response(stream_id).read() == digest(bytes(100_000))


def with_trailers(connection: Any, fuse: Fuse) -> None:
    def trailers() -> dict[str, str]:
        fuse()
        return {"x-sum": "1"}

    stream_id = connection.request("POST", "/upload", body=iter([b"1", b"2"]), trailers=trailers)
    assert connection.get_response(stream_id).read() == digest(b"12")


def in_pieces(connection: Any, fuse: Fuse) -> None:
    key = connection.putrequest("POST", "/upload")
    connection.endheaders(stream_id=key)
    connection.send(pieces(fuse), final=True, stream_id=key)
    assert connection.get_response(key).read() == digest(bytes(300))


@pytest.fixture(params=[False, True], ids=["cleartext", "tls"])
def address(
    request: pytest.FixtureRequest, certificates: Certificates, ssl_context: ssl.SSLContext
) -> Iterator[tuple[str, ssl.SSLContext | None]]:
    inside = certificates.server_context() if request.param else None
    with RawServer(speak, inside, at_once=True) as server:
        yield server.address, ssl_context if request.param else None


def connect(address: tuple[str, ssl.SSLContext | None], **more: Any) -> HTTP20Connection:
    where, context = address
    return HTTP20Connection(
        where, secure=context is not None, ssl_context=context, timeout=20, **more
    )


def company(connection: Any) -> list[Thread]:
    """Others, who ask for ten pages each."""
    return [Thread(lambda: [get(connection) for _ in range(10)]) for _ in range(2)]


def no_lock_is_held(connection: HTTP20Connection) -> None:
    pump = connection._pump
    locks = [connection._lock]
    if pump is not None:
        locks += [pump._lock, pump._intake]
    for lock in locks:
        assert lock.acquire(timeout=10), "a lock stays taken"
        lock.release()


@pytest.mark.parametrize("error", [Boom, KeyboardInterrupt])
@pytest.mark.parametrize("ask", [from_iterator, from_file, with_trailers, in_pieces])
def test_a_body_that_fails_costs_its_own_request_only(
    address: tuple[str, ssl.SSLContext | None],
    ask: Callable[[Any, Fuse], None],
    error: type[BaseException],
) -> None:
    with connect(address) as connection:
        unharmed = Fuse(0, error)
        ask(connection, unharmed)
        pump = connection._pump
        assert unharmed.calls > 0
        for nth in range(1, unharmed.calls + 1):
            others = company(connection)
            thread = Thread(ask, connection, Fuse(nth, error))
            with pytest.raises(error):
                thread.finish()
            assert [other.finish() for other in others] == [[PAGE] * 10] * 2
            no_lock_is_held(connection)
            assert get(connection) == PAGE
        assert connection._pump is pump, "the same connection all the time"


@pytest.mark.parametrize("error", [Boom, KeyboardInterrupt])
@pytest.mark.parametrize("what", ["__init__", "increase_window_size", "trace"])
def test_what_fails_with_the_connection_in_its_hands_leaves_nobody_behind(
    address: tuple[str, ssl.SSLContext | None], what: str, error: type[BaseException]
) -> None:
    """Window managers and trace functions run under the lock, and are documented so."""
    fuse = Fuse(0, error)
    armed = threading.Event()

    class Manager(FlowControlManager):
        if what == "__init__":

            def __init__(self, *arguments: Any) -> None:
                if armed.is_set():
                    fuse()
                super().__init__(*arguments)

        elif what == "increase_window_size":

            def increase_window_size(self, frame_size: int) -> int:
                if armed.is_set():
                    fuse()
                return super().increase_window_size(frame_size)

    def trace(direction: str, octets: bytes) -> None:
        if what == "trace" and armed.is_set():
            fuse()

    def judged(thread: Thread, right: Any) -> None:
        thread.join(20)
        assert not thread.is_alive(), "a thread hangs"
        if thread.error is None:
            assert thread.result == right
        else:
            assert isinstance(thread.error, (error, HyperError, OSError))

    nth = 0
    while fuse.left <= 0:
        nth += 1
        for crowd in (False, True):
            with connect(address, window_manager=Manager, trace=trace) as connection:
                assert get(connection) == PAGE
                others = company(connection) if crowd else []
                fuse.left = nth
                armed.set()
                judged(Thread(download, connection), DOWNLOAD)
                armed.clear()
                for other in others:
                    judged(other, [PAGE] * 10)
                no_lock_is_held(connection)
                assert get(connection) == PAGE
    assert nth > 1, "it was never called"


# No lock of ours is held while code of the user's runs.


class Owned:
    """A lock that knows which threads hold locks of its kind."""

    held = threading.local()

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        taken = self.lock.acquire(blocking, timeout)
        if taken:
            self.held.number = self.number() + 1
        return taken

    def release(self) -> None:
        self.held.number = self.number() - 1
        self.lock.release()

    def locked(self) -> bool:
        return self.lock.locked()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    @classmethod
    def number(cls) -> int:
        """How many of them this thread holds."""
        return getattr(cls.held, "number", 0)


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every lock of a pump, a transport and a connection is one of those."""
    for kind, names in (
        (guarded.Guarded, ("_lock", "_intake")),
        (transport.TLSTransport, ("_crypto",)),
        (dialling.Dialler, ("_lock",)),
    ):
        monkeypatch.setattr(kind, "__init__", _with_owned(kind.__init__, names))


def _with_owned(init: Any, names: tuple[str, ...]) -> Any:
    def __init__(self: Any, *arguments: Any, **more: Any) -> None:
        init(self, *arguments, **more)
        for name in names:
            setattr(self, name, Owned())

    return __init__


@pytest.mark.usefixtures("owned")
def test_no_lock_of_ours_is_held_while_code_of_the_users_runs(
    address: tuple[str, ssl.SSLContext | None],
) -> None:
    seen: dict[str, set[int]] = {}

    def note(what: str) -> None:
        seen.setdefault(what, set()).add(Owned.number())

    class Noting(Fuse):
        def __init__(self, what: str) -> None:
            super().__init__(0, Boom)
            self.what = what

        def __call__(self) -> None:
            note(self.what)

    class Manager(FlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            note(f"manager of {self.document_size}")
            return super().increase_window_size(frame_size)

    def trace(direction: str, octets: bytes) -> None:
        note("trace")

    class Headers(dict[str, str]):
        def items(self) -> Any:
            note("headers")
            return super().items()

    with connect(address, window_manager=Manager, trace=trace) as connection:
        others = company(connection)
        from_iterator(connection, Noting("iterator"))
        from_file(connection, Noting("file"))
        with_trailers(connection, Noting("trailers"))
        in_pieces(connection, Noting("piecewise"))
        connection.request("GET", "/download", headers=Headers({"x": "y"}))
        response = connection.get_response()
        finalize(response, note, "weak reference")
        assert response.read() == DOWNLOAD
        del response
        for other in others:
            other.finish()
    for what in ("iterator", "file", "trailers", "piecewise", "headers", "weak reference"):
        assert seen[what] == {0}, f"a lock is held while the user's {what} runs"
    assert seen[f"manager of {len(DOWNLOAD)}"] == {0}, "a stream's manager is asked without"
    # And this looks closely enough: these are documented to run under a lock.
    assert max(seen["trace"]) > 0
    assert max(seen["manager of None"]) > 0


def test_code_of_the_users_may_use_the_connection_it_is_called_by(
    address: tuple[str, ssl.SSLContext | None],
) -> None:
    with connect(address) as connection:

        def body() -> Iterator[bytes]:
            for _ in range(3):
                assert get(connection) == PAGE
                yield bytes(100)

        class Asks(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                assert get(connection) == PAGE
                return super().read(size)

        def trailers() -> dict[str, str]:
            assert get(connection) == PAGE
            return {"x-sum": "1"}

        def work() -> list[bytes]:
            ids = [
                connection.request("POST", "/upload", body=body(), trailers=trailers),
                connection.request("POST", "/upload", body=Asks(bytes(300))),
            ]
            return [connection.get_response(stream_id).read() for stream_id in ids]

        others = company(connection)
        assert Thread(work).finish() == [digest(bytes(300))] * 2
        for other in others:
            other.finish()


# Garbage collection can come at any moment, also to a thread that holds a lock.


class Resets:
    """A server that answers ``/page``, and nothing else; it keeps what was reset."""

    def __init__(self) -> None:
        self.asked = 0
        self.reset: set[int] = set()

    def heard(self, ids: set[int]) -> bool:
        return self.reset == ids

    def serve(self, conversation: Conversation) -> None:
        conversation.say(frame("SETTINGS"))
        assert conversation._octets(len(PREFACE)) == PREFACE
        while True:
            heard = conversation._frame()
            if isinstance(heard, RstStreamFrame):
                self.reset.add(heard.stream_id)
            elif isinstance(heard, HeadersFrame):
                fields = dict(conversation.decoder.decode(heard.data, raw=True))
                if fields[b":path"] == b"/page":
                    conversation.head(heard.stream_id)
                    conversation.data(heard.stream_id, PAGE, end=True)
                else:
                    self.asked += 1


class Collecting:
    """Drops a response unread, in a cycle, and collects it: at every call that hyper makes."""

    def __init__(self, responses: list[Response], skip: int) -> None:
        self.responses = responses
        self.skip = skip
        self.points = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or "hyper" not in frame.f_code.co_filename:
            return
        self.points += 1
        if self.points > self.skip and self.responses:
            sys.setprofile(None)
            cycle: list[Any] = [self.responses.pop()]
            cycle.append(cycle)
            del cycle
            gc.collect(0)
            sys.setprofile(self)


def test_a_response_that_is_collected_anywhere_is_cancelled_and_locks_nobody_out() -> None:
    """Rule 8: also by the thread that holds the lock, at every call it makes with it."""
    resets = Resets()
    with RawServer(resets.serve, at_once=True) as server:
        points = 1
        skip = 0
        dropped = 0
        while skip < points:
            with HTTP20Connection(server.address, timeout=20) as connection:
                assert get(connection) == PAGE
                ids = [connection.request("GET", "/never") for _ in range(80)]
                responses = [connection._unclaimed.pop(stream_id) for stream_id in ids]
                connection._mine.keys.clear()
                resets.reset.clear()
                collecting = Collecting(responses, skip)
                del responses

                def work(connection: Any = connection, collecting: Any = collecting) -> bytes:
                    sys.setprofile(collecting)
                    try:
                        return get(connection)
                    finally:
                        sys.setprofile(None)

                thread = Thread(work)
                thread.join(20)
                assert not thread.is_alive(), "a collected response locks its own thread out"
                assert thread.result == PAGE
                gone = 80 - len(collecting.responses)
                dropped += gone
                collecting.responses.clear()
                # Whoever comes next sees to it that the server hears of them.
                assert get(connection) == PAGE
                eventually(partial(resets.heard, set(ids)))
                points = collecting.points
                skip += 80
        assert points > 50
        assert dropped >= points
