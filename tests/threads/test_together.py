"""Requests that leave together: what is held, when it leaves, and that nothing stays behind."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from hyper import HTTP11Connection, HTTP20Connection
from hyper.common.exchange import Exchange
from hyper.sync import pump as pump_module

from ..servers import InProcessServer
from .gated import Scene, Thread, checked, eventually


def hold(scene: Scene) -> Exchange:
    return scene.pump.request(b"GET", b"https", b"example.org", b"/", (), True, hold=True)


# Rule 11, step by step.


def test_what_is_held_leaves_in_one_piece_and_in_order() -> None:
    with checked() as scene:
        for _ in range(3):
            hold(scene)
        assert scene.written == []
        assert scene.pump.holds
        scene.pump.flush()
        assert scene.written == ["request 1", "request 3", "request 5"]
        assert scene.protocol.pulls == 1
        assert not scene.pump.holds


def test_what_is_held_leaves_before_its_thread_waits() -> None:
    with checked() as scene:
        first, second = hold(scene), hold(scene)
        thread = scene.waiting(second)
        assert scene.written == ["request 1", "request 3"]
        scene.transport.arrive(b"end 1\nend 3\n")
        assert thread.finish() is True
        assert first.ended


def test_what_is_held_leaves_before_another_thread_waits() -> None:
    with checked() as scene:
        leader = scene.waiting(scene.request())
        hold(scene)
        assert scene.written == ["request 1"]
        follower = scene.waiting(scene.protocol.open[1])
        assert scene.written == ["request 1", "request 3"]
        scene.transport.arrive(b"end 1\n")
        assert leader.finish() and follower.finish()


def test_whatever_else_is_written_takes_it_along() -> None:
    with checked() as scene:
        upload = scene.request()
        scene.transport.arrive(b"room 1 5\n")
        assert scene.wait(upload, ready=scene.pump.has_room)
        hold(scene)
        assert scene.pump.send_body(upload, b"hello", False) == 5
        assert scene.written == ["request 1", "request 3", "body 1 hello"]
        leader = scene.waiting(upload)
        hold(scene)
        # An answer of the protocol's own, by the thread that leads.
        scene.transport.arrive(b"ping\n")
        eventually(lambda: scene.written[3:] == ["request 5", "pong"])
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_no_more_is_held_than_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "MAX_HELD", 3)
    with checked() as scene:
        for _ in range(7):
            hold(scene)
        assert scene.written == [f"request {number}" for number in (1, 3, 5, 7)]
        scene.pump.flush()
        assert scene.written[4:] == ["request 9", "request 11", "request 13"]


def test_what_is_held_while_somebody_writes_is_left_to_that_one() -> None:
    with checked() as scene:
        leader = scene.waiting(scene.request())
        scene.pump._crowded = True
        scene.transport.hold = True
        writer = Thread(scene.request)
        eventually(lambda: scene.transport.writing)
        hold(scene)
        scene.pump.flush()
        assert scene.written == ["request 1"]
        scene.transport.release()
        writer.finish()
        assert scene.written == ["request 1", "request 3", "request 5"]
        scene.transport.arrive(b"end 1\n")
        leader.finish()


def test_what_is_held_hears_of_the_end_like_everything_else() -> None:
    with checked() as scene:
        exchange = hold(scene)
        scene.transport.write_error = BrokenPipeError(32, "broken pipe")
        scene.pump.flush()
        assert isinstance(exchange.error, BrokenPipeError)
        assert scene.wait(exchange) is True


# As users see it.


@pytest.fixture
def connection(
    server: InProcessServer, ssl_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HTTP20Connection]:
    with HTTP20Connection(
        f"localhost:{server.port}", ssl_context=ssl_context, timeout=30
    ) as connection:
        connection.request("GET", "/hello")
        assert connection.get_response().read() == b"hello, world"
        # What the server says at the start has been read, and answered, before its PONG.
        connection.ping()
        # And nothing is read, which might have to be answered, because asking took long.
        monkeypatch.setattr("hyper.sync.pump.IDLE", 60.0)
        yield connection


def pulls(connection: HTTP20Connection) -> int:
    assert connection._pump is not None
    return connection._pump._pulls


def test_requests_in_a_block_leave_together(connection: HTTP20Connection) -> None:
    before = pulls(connection)
    with connection.together():
        ids = [connection.request("GET", f"/download/{size}") for size in range(20)]
        assert pulls(connection) == before
    assert pulls(connection) == before + 1
    sizes = [len(connection.get_response(stream_id).read()) for stream_id in ids]
    assert sizes == list(range(20))


def test_the_outermost_block_counts(connection: HTTP20Connection) -> None:
    before = pulls(connection)
    with connection.together():
        with connection.together():
            connection.request("GET", "/hello")
        assert pulls(connection) == before
    assert pulls(connection) == before + 1
    assert connection.get_response().read() == b"hello, world"
    connection.request("GET", "/hello")
    assert connection.get_response().read() == b"hello, world"


def test_a_block_that_fails_leaves_nothing_behind(connection: HTTP20Connection) -> None:
    before = pulls(connection)
    with pytest.raises(ZeroDivisionError), connection.together():
        connection.request("GET", "/hello")
        raise ZeroDivisionError
    assert pulls(connection) == before + 1
    assert connection.get_response().read() == b"hello, world"


def test_a_response_may_be_waited_for_inside_of_the_block(connection: HTTP20Connection) -> None:
    with connection.together():
        for _ in range(3):
            connection.request("GET", "/hello")
            assert connection.get_response().read() == b"hello, world"


def test_other_threads_are_not_held_up_by_a_block(connection: HTTP20Connection) -> None:
    with connection.together():
        stream_id = connection.request("GET", "/hello")

        def get() -> bytes:
            other = connection.request("GET", "/download/5")
            body: bytes = connection.get_response(other).read()
            return body

        assert len(Thread(get).finish()) == 5
    assert connection.get_response(stream_id).read() == b"hello, world"


def test_a_body_takes_the_held_requests_along(connection: HTTP20Connection) -> None:
    with connection.together():
        first = connection.request("GET", "/hello")
        second = connection.request("POST", "/upload", body=bytes(100_000))
    assert connection.get_response(second).status == 200
    assert connection.get_response(first).read() == b"hello, world"


def test_a_block_without_requests_does_not_even_dial(ssl_context: ssl.SSLContext) -> None:
    connection = HTTP20Connection("localhost:1", ssl_context=ssl_context)
    with connection.together():
        pass
    assert connection._pump is None


def test_a_block_before_there_is_a_connection_dials(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTP20Connection(f"localhost:{server.port}", ssl_context=ssl_context) as connection:
        with connection.together():
            ids = [connection.request("GET", "/hello") for _ in range(150)]
        for stream_id in ids:
            assert connection.get_response(stream_id).read() == b"hello, world"


def test_over_http11_a_block_changes_nothing(
    server: InProcessServer, ssl_context: ssl.SSLContext
) -> None:
    with HTTP11Connection("localhost", server.port, ssl_context=ssl_context) as connection:
        with connection.together():
            for _ in range(3):
                connection.request("GET", "/hello")
        for _ in range(3):
            assert connection.get_response().read() == b"hello, world"
