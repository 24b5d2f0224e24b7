"""Window managers of the user's own: the plug-in contract, against a real server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from hyper import HTTP20Connection
from hyper.http20.limits import CONNECTION_WINDOW, STREAM_WINDOW
from hyper.http20.window import BaseFlowControlManager

from ..servers import InProcessServer
from ..servers.app import content

MIB = 1 << 20


def whole(size: int) -> bytes:
    return b"".join(content(size))


class Recording(BaseFlowControlManager):
    """Gives everything back, and remembers what it was told."""

    made: list[Recording]

    def __init__(self, initial_window_size: int, document_size: int | None = None) -> None:
        super().__init__(initial_window_size, document_size)
        self.heard: list[int] = []
        type(self).made.append(self)

    def increase_window_size(self, frame_size: int) -> int:
        self.heard.append(frame_size)
        return frame_size


@pytest.fixture
def recording() -> type[Recording]:
    class Fresh(Recording):
        made: list[Recording] = []  # noqa: RUF012 - this test's own

    return Fresh


@pytest.fixture
def connect(server: InProcessServer, ssl_context: ssl.SSLContext) -> Iterator[type]:
    """Makes connections to the in-process server with a window manager."""
    opened: list[HTTP20Connection] = []

    class Connection(HTTP20Connection):
        def __init__(self, manager: type[BaseFlowControlManager], timeout: float = 20) -> None:
            super().__init__(
                "localhost",
                server.port,
                window_manager=manager,
                ssl_context=ssl_context,
                timeout=timeout,
            )
            opened.append(self)

    yield Connection
    for each in opened:
        each.close()


@pytest.mark.usefixtures("http2bin")
def test_the_manager_of_the_documentation_works_as_it_is_printed() -> None:
    """Advanced Usage: "a very stupid flow control manager that always resizes the window"."""

    class StupidFlowControlManager(BaseFlowControlManager):
        def increase_window_size(self, frame_size):  # type: ignore[no-untyped-def]
            return frame_size

    with HTTP20Connection("http2bin.org", window_manager=StupidFlowControlManager) as connection:
        connection.request("GET", f"/download/{3 * MIB}")
        assert connection.get_response().read() == whole(3 * MIB)


def test_the_class_is_plugged_in_and_an_instance_made_for_each_stream_and_one_for_all(
    connect: type, recording: type[Recording]
) -> None:
    connection = connect(recording)
    for _ in range(3):
        connection.request("GET", "/download/100000")
    for _ in range(3):
        connection.get_response().read()
    for_all, *for_streams = recording.made
    assert for_all.initial_window_size == CONNECTION_WINDOW
    assert [each.initial_window_size for each in for_streams] == [STREAM_WINDOW] * 3


def test_a_manager_of_a_stream_knows_the_size_of_the_document_if_the_server_said_it(
    connect: type, recording: type[Recording]
) -> None:
    connection = connect(recording)
    connection.request("GET", "/download/12345")
    connection.get_response().read()
    connection.request("POST", "/echo", body=b"of no known length")
    connection.get_response().read()
    assert [each.document_size for each in recording.made] == [None, 12345, None]


def test_managers_hear_of_every_octet(connect: type, recording: type[Recording]) -> None:
    """The connection's of all that arrives, the stream's of all that is read."""
    connection = connect(recording)
    sizes = [3 * MIB, 1, 200_000]
    for size in sizes:
        connection.request("GET", f"/download/{size}")
        assert connection.get_response().read() == whole(size)
    for_all, *for_streams = recording.made
    assert [sum(each.heard) for each in for_streams] == sizes
    assert sum(for_all.heard) == sum(sizes)
    assert all(each.window_size == each.initial_window_size for each in recording.made)


def test_a_manager_that_never_widens_stalls_its_own_stream_and_nothing_else(connect: type) -> None:
    class Stingy(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            return 0

    connection = connect(Stingy, timeout=0.5)
    connection.request("GET", f"/download/{2 * MIB}")
    stalled = connection.get_response()
    assert len(stalled.read(STREAM_WINDOW)) == STREAM_WINDOW
    # While it stands there, and after it was given up, the others have windows of their own.
    for _ in range(2):
        connection.request("GET", "/download/500000")
        assert connection.get_response().read() == whole(500_000)
        with pytest.raises(TimeoutError, match=r"within 0\.5 s"):
            stalled.read()


def test_what_the_layers_above_know_can_decide(connect: type) -> None:
    """Advanced Usage: "knowledge from layers above hyper, in the user's code"."""
    wanted = {4 * MIB: True, 4 * MIB + 1: False}

    class Choosy(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            return frame_size if wanted.get(self.document_size or 0, True) else 0

    connection = connect(Choosy, timeout=0.5)
    unwanted, dear = (connection.request("GET", f"/download/{size}") for size in (4194305, 4194304))
    with connection.get_response(unwanted) as response, pytest.raises(TimeoutError):
        response.read()
    assert len(connection.get_response(dear).read()) == 4 * MIB


@pytest.mark.parametrize("wrong", [-5, 2**31])
def test_an_increment_that_cannot_be_is_told_to_the_reader_and_harms_nobody_else(
    connect: type, wrong: int
) -> None:
    """RFC 9113 §6.9.1; the plug-in is at fault, and the message says what to mend."""

    class Wrong(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            for_all = self.initial_window_size == CONNECTION_WINDOW
            return frame_size if for_all else wrong

    connection = connect(Wrong)
    connection.request("GET", f"/download/{MIB + 1}")
    response = connection.get_response()
    with pytest.raises(ValueError, match="mend increase_window_size"):
        response.read()
    connection.request("GET", "/status/204")
    assert connection.get_response().status == 204


def test_a_manager_that_failed_once_makes_no_body_with_a_hole(connect: type) -> None:
    """What it failed over had been taken and not handed out, so reading cannot go on."""

    class Failing(BaseFlowControlManager):
        failures = 0

        def increase_window_size(self, frame_size: int) -> int:
            if self.initial_window_size == STREAM_WINDOW and not Failing.failures:
                Failing.failures = 1
                return 1 // 0
            return frame_size

    connection = connect(Failing)
    connection.request("GET", "/download/100000")
    response = connection.get_response()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            response.read()
    connection.request("GET", "/status/204")
    assert connection.get_response().status == 204


def test_an_instance_in_place_of_the_class_is_refused(connect: type) -> None:
    class Manager(BaseFlowControlManager):
        def increase_window_size(self, frame_size: int) -> int:
            return frame_size

    with pytest.raises(TypeError):
        connect(Manager(5)).request("GET", "/hello")
