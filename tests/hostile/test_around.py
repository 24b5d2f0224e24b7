"""What happens around the protocol: crowds, closing, forks, leftovers (the catalogue's 3.13).

The interleavings themselves are tried in ``tests/threads``, the numbers in ``tests/soak``; here the
doors go through them against a server on a real socket, with real TLS.
"""

from __future__ import annotations

import gc
import os
import struct
import threading
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import hyper.client
from hyper import HTTP11Connection, HTTP20Connection
from hyper.common.exceptions import HyperError
from hyper.hpack import Decoder, Encoder, huffman
from hyper.http20.exceptions import ConnectionError, ErrorCode, ProtocolError
from hyper.http20.protocol import HTTP20Protocol
from hyper.sync.piecewise import MAX_DRAFTS
from hyper.sync.pump import Pump

from ..certificates import Certificates
from ..memory import keeping
from ..peer import END_HEADERS, SETTINGS, connected
from ..threads.gated import Thread
from . import doors
from .doors import DOORS, HTTP2_DOORS, Caller, DropIn, Httpx, Kind, Native, Native11, Requests
from .peer import PATIENCE, Client, Script, Stage, Talk, polite

EVERY = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
SPEAKING_HTTP2 = pytest.mark.parametrize("door", HTTP2_DOORS, ids=lambda door: door.__name__)


# Crowds.


def echo(requests: int) -> Any:
    """Answer each request with its body, so many on one connection; three streams at a time.

    Then say goodbye, with nothing left open: what comes after that was surely not processed.
    """

    def script(talk: Talk) -> None:
        talk.greet(max_concurrent_streams=3)
        bodies: dict[int, bytes] = {}
        answered = 0
        while True:
            talk._read()
            while talk._frames:
                written = talk._frames.popleft()
                if written.name == "HEADERS":
                    bodies[written.stream_id] = b""
                elif written.name == "DATA" and written.stream_id in bodies:
                    bodies[written.stream_id] += written.data
                    if written.size:
                        talk.window_update(0, written.size)
                if written.end_stream and written.stream_id in bodies:
                    if answered >= requests:
                        continue  # it came after our goodbye
                    answered += 1
                    body = bodies.pop(written.stream_id)
                    last = written.stream_id
                    talk.answer(written.stream_id, body[::-1])
                    if answered == requests:
                        # What was opened before this one is still to be answered.
                        for late in sorted(each for each in bodies if each < last):
                            talk.rst_stream(late, 0x7)
                        talk.goaway(last)
            talk.wire.more()

    return script


@pytest.mark.parametrize("door", [Native, Requests, Httpx], ids=lambda door: door.__name__)
def test_a_crowd_gets_its_own_answers_while_the_server_keeps_leaving(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """20 threads, 25 requests each with bodies of their own, 3 streams, goodbye after every 40."""
    script = echo(40)
    wrong: list[Any] = []
    with scene(script, then=script) as play:
        with door(play.port, certificates.authority) as caller:

            def work(number: int) -> None:
                for turn in range(25):
                    body = f"{number}-{turn} ".encode() * (1 + 37 * turn)
                    try:
                        answer = caller.ask(f"/{number}/{turn}", "PUT", (), body)
                        if (answer.status, answer.body) != (200, body[::-1]):
                            wrong.append((number, turn, answer.status, len(answer.body)))
                    except Exception as error:
                        wrong.append((number, turn, error))

            threads = [
                threading.Thread(target=work, args=(each,), daemon=True) for each in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads)
        assert wrong == []
        assert play.connections >= 500 // 40


# Closing.


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_close_wakes_every_reader_with_an_error(scene: Stage, kind: type[Client]) -> None:
    """niquests hangs here for ever."""

    def silent(talk: Talk) -> None:
        if talk.http1:
            talk.hear_http1()
        else:
            for _ in range(8):
                talk.hear_request()
        waiting.set()
        talk.listen()

    waiting = threading.Event()
    raised: Counter[str] = Counter()
    with scene(silent, kind=kind, http1=kind is HTTP11Connection, timeout=None) as play:
        keys = [play.client.request("GET", "/") for _ in range(8)]

        def wait(key: int | None) -> None:
            try:
                play.client.get_response(key)
            except (HyperError, OSError) as error:
                raised[type(error).__name__] += 1

        threads = [threading.Thread(target=wait, args=(key,), daemon=True) for key in keys]
        for thread in threads:
            thread.start()
        assert waiting.wait(PATIENCE)
        play.client.close()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads), raised
        assert sum(raised.values()) == 8
        assert play.ask()[0] == 200, "and it can be used again"


@contextmanager
def asking_in_vain(caller: Caller, asked: threading.Event) -> Iterator[None]:
    """A thread waits for an answer, and what is done meanwhile wakes it with an error."""
    thread = Thread(caller.ask)
    assert asked.wait(PATIENCE)
    yield
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert isinstance(thread.error, caller.errors)


def silence(asked: threading.Event) -> Script:
    """Hear a request, tell the test of it, and say nothing."""

    def script(talk: Talk) -> None:
        talk.hear_request()
        asked.set()
        talk.listen()

    return script


def test_closing_a_client_of_httpx_wakes_its_readers(
    scene: Stage, certificates: Certificates
) -> None:
    asked = threading.Event()
    with scene(silence(asked)) as play:
        caller = Httpx(play.port, certificates.authority)
        with asking_in_vain(caller, asked):
            caller.close()


def test_shutting_a_drop_ins_socket_down_wakes_its_reader(
    scene: Stage, certificates: Certificates
) -> None:
    """``sock.shutdown`` is how others end what a thread of http.client's waits for."""
    asked = threading.Event()
    with (
        scene(silence(asked)) as play,
        DropIn(play.port, certificates.authority) as caller,
    ):
        caller.caller.connect()
        sock = caller.caller.sock
        with asking_in_vain(caller, asked):
            sock.shutdown(2)
        del sock


# Forks.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
# A connection of http.client has one socket, which is the parent's: the child makes its own.
@pytest.mark.parametrize(
    ("door", "ends"),
    [
        (door, ends)
        for door in DOORS
        for ends in ("by asking", "by closing", "by dropping")
        if door is not DropIn or ends != "by asking"
    ],
)
def test_the_child_of_a_fork_neither_writes_on_nor_ends_the_parents_connection(
    scene: Stage, certificates: Certificates, door: Kind, ends: str
) -> None:
    """Where two write in one TLS connection, neither is understood again (httpx, pycurl)."""
    with scene(polite, http1=door is Native11) as play:
        caller = door(play.port, certificates.authority)
        assert caller.ask("/parent").body == b"connection 1"
        pid = os.fork()
        if not pid:
            # Nothing of pytest's in here: the child leaves without a word.
            code = 1
            try:
                if ends == "by asking":
                    code = 0 if caller.ask("/child").body == b"connection 2" else 2
                elif ends == "by closing":
                    caller.close()
                    code = 0
                else:
                    del caller
                    gc.collect()
                    code = 0
            finally:
                os._exit(code)
        until = time.monotonic() + 3 * PATIENCE
        status = 0
        while not status and time.monotonic() < until:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            time.sleep(0.01)
        else:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            pytest.fail("the child hangs")
        assert os.waitstatus_to_exitcode(status) == 0
        assert caller.ask("/again").body == b"connection 1"
        first = play.talks[0]
        paths = [dict(each.headers or ())[":path"] for each in first.record if each.headers]
        paths += [each.target for each in first.requests]
        assert paths == ["/parent", "/again"]
        assert not first.counts["GOAWAY"]
        caller.close()
        del caller


# Nothing is left.


@EVERY
@pytest.mark.parametrize(
    "server",
    [
        "leaves",
        # Python says so of every socket that is dropped unclosed, and rightly.
        pytest.param("stays", marks=pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")),
    ],
)
def test_clients_that_are_dropped_close_by_themselves(
    scene: Stage,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    door: Kind,
    server: str,
) -> None:
    """Dropped unclosed, in the midst of everything; the scene counts threads and descriptors.

    Where the server stays, nothing but the drop closes a connection.
    """
    if server == "stays":
        monkeypatch.setattr(doors, "PATIENCE", 0.2)

    def half(talk: Talk) -> None:
        if talk.http1:
            talk.hear_http1()
            talk.say_http1(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345")
        else:
            asked = talk.hear_request()
            talk.headers(asked.stream_id, [(":status", "200"), ("content-length", "10")])
            talk.data(asked.stream_id, b"12345")
        if server == "leaves":
            talk.close_notify()
            talk.fin()
        else:
            talk.listen()

    with scene(half, then=half, http1=door is Native11) as play:
        for _ in range(5):
            caller = door(play.port, certificates.authority)
            with suppress(*door.errors):
                caller.ask()
                raise AssertionError("half a body is no body")
            del caller
        gc.collect()


@EVERY
def test_handshakes_that_fail_leave_nothing(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    with scene(polite, http1=door is Native11) as play:
        for _ in range(5):
            caller = door(play.port, True)
            with pytest.raises(door.errors):
                caller.ask()
            del caller
        gc.collect()


@pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
def test_a_connection_that_nobody_holds_needs_no_collector(
    scene: Stage, kind: type[Client]
) -> None:
    """No cycle: the last reference closes the socket."""
    with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
        gc.collect()
        gc.disable()
        try:
            connection = play.another()
            connection.request("GET", "/")
            response = connection.get_response()
            response.read()
            gone = weakref.ref(connection), weakref.ref(connection._pump.transport)
            number = connection._pump.transport.fileno()
            os.fstat(number)
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", ResourceWarning
                )  # of the socket that was not closed
                del connection, response
            assert [each() for each in gone] == [None, None]
            with pytest.raises(OSError):
                os.fstat(number)
        finally:
            gc.enable()


@pytest.mark.parametrize("how", ["answered", "reset", "cancelled"])
def test_memory_stays_flat_over_many_requests(scene: Stage, how: str) -> None:
    """Small figures; ``dev soak`` has the large ones."""
    body = b"x" * 100

    def script(talk: Talk) -> None:
        while True:
            asked = talk.hear_request()
            if how == "reset" and asked.stream_id % 16 == 1:
                talk.rst_stream(asked.stream_id, 0x8)
            elif how == "cancelled":
                talk.headers(asked.stream_id)
            else:
                talk.answer(asked.stream_id, body)
            talk.record.clear()

    with scene(script) as play:

        def some(count: int) -> None:
            for number in range(count):
                key = play.client.request("GET", f"/{number}", headers={"x-id": str(number)})
                try:
                    response = play.client.get_response(key)
                    if how == "cancelled":
                        response.close()
                    else:
                        response.read()
                except HyperError:
                    pass

        some(200)
        with keeping(100_000) as begin:
            some(100)
            begin()
            some(150)
        assert play.connections == 1


def test_memory_stays_flat_over_settings_that_change_all_the_time() -> None:
    """Without a socket, as a million of them would take a minute: each is told and forgotten."""
    peer = connected()
    peer.request()

    def change(count: int) -> None:
        for number in range(count):
            peer.protocol.receive_data(
                frame_of_settings(
                    header_table_size=number * 37 % 8192,
                    max_concurrent_streams=1 + number % 100,
                    initial_window_size=number * 7919 % 2**31,
                    max_frame_size=16_384 + number % 1000,
                )
            )
            assert peer.protocol.data_to_send() == b"\0\0\0\4\1\0\0\0\0"

    change(500)
    with keeping(10_000):
        change(5000)
    assert peer.protocol.accepting


def frame_of_settings(**values: int) -> bytes:
    payload = b"".join(struct.pack(">HI", SETTINGS[name], each) for name, each in values.items())
    return len(payload).to_bytes(3, "big") + b"\4\0\0\0\0\0" + payload


# Secrets.


@SPEAKING_HTTP2
def test_errors_never_show_what_was_sent_along(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """An error goes into logs, and credentials must not."""

    def refuse(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [(":status", "200"), ("connection", "close")], end=True)
        talk.serve()

    with scene(refuse) as play, door(play.port, certificates.authority) as caller:
        headers = [("Authorization", "Basic hush"), ("Cookie", "id=hush"), ("X-Key", "hush")]
        with pytest.raises(door.errors) as caught:
            caller.ask("/path?token=hush", "GET", headers)
        errors: list[BaseException | None] = [caught.value]
        while errors:
            error = errors.pop()
            if error is None:
                continue
            said = f"{error} {error!r}"
            if type(error).__module__.startswith(("requests.", "urllib3.")):
                # These name the URL, which is theirs to do.
                said = said.replace("/path?token=hush", "")
            assert "hush" not in said, said
            errors += [error.__cause__, error.__context__]
        del error
        del caught  # whose traceback holds the caller


def test_what_one_connection_has_decoded_tells_another_one_nothing(scene: Stage) -> None:
    """RFC 7541 §7.1: what compression remembers belongs to one connection.

    Huffman-coded strings are remembered for the process, short ``set-cookie`` values among them.
    They are found by all their octets or not at all, and nothing that is sent depends on them.
    """
    secret = b"id=7e57-5ec2e7"

    def cookie(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [(":status", "200"), ("set-cookie", secret.decode())])
        talk.data(asked.stream_id, b"", end=True)
        talk.serve()

    guesses = [secret, secret[:-1], secret[:-1] + b"8", secret + b"x", b"id=" + b"0" * 11]

    def sent() -> list[bytes]:
        encoder = Encoder()
        return [encoder.encode([(b"cookie", guess), (b"x-guess", guess)]) for guess in guesses]

    before = sent()
    with scene(cookie) as play:
        play.ask()
    coded = huffman.encode(secret)
    assert coded in huffman.decoded, "it is what this test is about"
    assert sent() == before
    for guess in guesses:
        literal = b"\x10\x01a" + bytes((0x80 | len(huffman.encode(guess)),)) + huffman.encode(guess)
        assert Decoder().decode(literal) == [(b"a", guess)]
    for _ in range(2 * huffman.MAX_STRINGS):
        huffman.decoded[huffman.encode(os.urandom(6).hex().encode())]
    assert len(huffman.decoded) <= huffman.MAX_STRINGS
    assert coded not in huffman.decoded


def test_strings_that_are_remembered_for_the_process_are_bounded(scene: Stage) -> None:
    """A server may send ever new Huffman-coded values; the longest that are kept, by thousands."""

    def inventive(talk: Talk) -> None:
        talk.greet()
        number = 0
        while True:
            asked = talk.hear_request()
            # 190 letters of five bits each, and 128 octets of code at most.
            fields = [(f"x-{each}", f"{number:02}{each:03}" + "a" * 190) for each in range(100)]
            number += 1
            block = b"".join(b"\0" + coded(name) + coded(value) for name, value in fields)
            talk.frame("HEADERS", END_HEADERS, asked.stream_id, b"\x88" + block)
            talk.data(asked.stream_id, b"fine", end=True)

    def coded(text: str) -> bytes:
        code = huffman.encode(text.encode())
        assert len(code) <= huffman.MAX_STRING_LENGTH
        size = len(code)
        return (b"\xff" + bytes((size - 127,)) if size >= 127 else bytes((0x80 | size,))) + code

    with scene(inventive) as play:
        play.ask()
        huffman.decoded.clear()
        most = 0
        # What stays of these requests besides: the connection's own, and what the server recorded.
        with keeping(2 << 20):
            for _ in range(2 * huffman.MAX_STRINGS // 100):
                assert play.ask() == (200, b"fine")
                most = max(most, len(huffman.decoded))
        assert huffman.MAX_STRINGS - 100 < most <= huffman.MAX_STRINGS


def test_field_names_that_a_server_makes_up_are_not_kept_for_the_process(
    scene: Stage, certificates: Certificates
) -> None:
    """How a name is spelled for ``http.client`` is remembered: few names, and short ones."""

    def inventive(talk: Talk) -> None:
        talk.greet()
        number = 0
        while True:
            asked = talk.hear_request()
            number += 1
            name = b"x-%04d-" % number + b"y" * 16_000
            # Its 16,007 octets as they stand: 127, and 15,880 in sevens of bits (RFC 7541 §5.1).
            talk.frame("HEADERS", END_HEADERS, asked.stream_id,
                       b"\x88\0\x7f\x88\x7c" + name + b"\x011")  # fmt: skip
            talk.data(asked.stream_id, b"fine", end=True)
            talk.record.clear()

    with scene(inventive) as play, DropIn(play.port, certificates.authority) as caller:
        caller.ask()
        # What the connection remembers of two responses or three, and nothing of the others.
        with keeping(10 * 16_000):
            for _ in range(40):
                answer = caller.ask()
                assert answer.body == b"fine" and max(map(len, answer.fields)) > 16_000
            del answer


def test_an_error_of_one_thread_is_not_another_ones(scene: Stage) -> None:
    """Each has a copy, with its own traceback, whatever one connection error did to all."""

    def break_off(talk: Talk) -> None:
        for _ in range(3):
            talk.hear_request()
        talk.frame("PING", 0, 1, b"12345678")  # on a stream: a connection error
        talk.listen()

    with scene(break_off) as play:
        results = play.crowd(3)
        errors = [each for each in results if isinstance(each, ProtocolError)]
        assert len(errors) == len({id(each) for each in errors}) == 3
        assert len({id(each.__traceback__) for each in errors}) == 3
        results.clear()
        errors.clear()


def test_a_shared_connection_that_ends_is_everybodys_error_and_nobodys_answer(
    scene: Stage, certificates: Certificates
) -> None:
    """``share=True``: threads of a pool that ride one connection."""
    heard = threading.Barrier(2)

    def break_off(talk: Talk) -> None:
        for _ in range(4):
            asked = talk.hear_request()
            talk.headers(asked.stream_id, [(":status", "200"), ("content-length", "9")])
            talk.data(asked.stream_id, b"1234")
        heard.wait(PATIENCE)
        talk.fin()

    raised: list[str] = []
    context = hyper.client.create_default_context(cafile=str(certificates.authority), share=True)
    # Whose handshake is the first to succeed is open.
    with scene(break_off, then=break_off) as play:

        def ask() -> None:
            connection = hyper.client.HTTPSConnection(
                "localhost", play.port, timeout=PATIENCE, context=context
            )
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except (OSError, hyper.client.HTTPException) as error:
                raised.append(type(error).__name__)
            finally:
                connection.close()

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        heard.wait(PATIENCE)
        for thread in threads:
            thread.join(PATIENCE)
        assert raised == ["IncompleteRead"] * 4


def test_requests_that_are_begun_and_never_sent_are_forgotten(scene: Stage) -> None:
    """``putrequest`` without ``endheaders``: the oldest of too many is given up."""
    with scene(polite) as play:
        keys = []
        for number in range(MAX_DRAFTS + 1):
            keys.append(play.client.putrequest("GET", f"/{number}"))
            play.client.putheader("x-much", "y" * 1000)
        with pytest.raises(ValueError, match="no request has been begun under the id 1"):
            play.client.endheaders(stream_id=keys[0])
        play.client.endheaders(stream_id=keys[1])
        assert play.client.get_response(keys[1]).read() == b"connection 1"
        assert play.ask("/asked") == (200, b"connection 1")
        assert play.talks[0].counts["HEADERS"] == 2


@pytest.mark.parametrize("named", [False, True], ids=["the newest", "by its id"])
def test_a_request_that_is_begun_goes_with_its_connection(scene: Stage, named: bool) -> None:
    """Its id may mean another request by then, and must never be on the wire twice (§5.1.1)."""

    def elsewhere(what: Callable[[], object]) -> None:
        thread = threading.Thread(target=what, daemon=True)
        thread.start()
        thread.join(PATIENCE)

    with scene(polite) as play:
        key = play.client.putrequest("GET", "/begun")
        elsewhere(play.client.close)
        between: list[Any] = []
        elsewhere(lambda: between.append(play.ask("/between")))
        elsewhere(lambda: play.client.putrequest("GET", "/begun-as-well"))
        with pytest.raises(ValueError, match="no request has been begun"):
            play.client.endheaders(stream_id=key if named else None)
        assert between == [(200, b"connection 2")]
        play.usable()
        asked = [each for each in play.talks[1].record if each.name == "HEADERS"]
        assert [dict(each.headers or ())[":path"] for each in asked] == ["/between", "/usable"]
        assert len({each.stream_id for each in asked}) == 2


def test_closing_while_the_head_of_a_request_is_finished(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same at the worst moment: what was kept for one connection is no other one's."""
    with scene(polite) as play:
        key = play.client.putrequest("GET", "/begun")
        wait = Pump.wait

        def closed_meanwhile(pump: Pump, *rest: Any) -> bool:
            monkeypatch.undo()
            play.client.close()
            assert play.ask("/between") == (200, b"connection 2")
            return wait(pump, *rest)

        monkeypatch.setattr(Pump, "wait", closed_meanwhile)
        play.fails(ConnectionError, "takes no new requests",
                   ask=lambda: play.client.endheaders(stream_id=key))  # fmt: skip
        play.usable()
        assert len({each.stream_id for each in play.talks[1].record if each.name == "HEADERS"}) == 2


def test_an_id_means_one_request_though_another_thread_closes(
    scene: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request has left, and its id is on its way to the caller, while the connection is closed
    and used again: the next one must not be taken for it."""
    send = Pump.request
    sent, go_on = threading.Event(), threading.Event()
    got: list[Any] = []

    def slow(pump: Pump, *rest: Any, **more: Any) -> Any:
        exchange = send(pump, *rest, **more)
        if threading.current_thread() is other:
            sent.set()
            assert go_on.wait(PATIENCE)
        return exchange

    def ask() -> None:
        try:
            got.append(play.client.request("GET", "/first"))
        except (HyperError, OSError) as error:
            got.append(type(error))

    with scene(lambda talk: talk.listen()) as play:
        other = threading.Thread(target=ask, daemon=True)
        monkeypatch.setattr(Pump, "request", slow)
        other.start()
        assert sent.wait(PATIENCE)
        play.client.close()
        second = play.client.request("GET", "/second")
        go_on.set()
        other.join(PATIENCE)
        assert (got, second) == ([ConnectionError], 3)
        assert play.client.get_response(second).read() == b"connection 2"


@pytest.mark.parametrize("piecewise", [False, True])
def test_an_id_that_close_has_not_heard_of_means_no_request(
    scene: Stage, monkeypatch: pytest.MonkeyPatch, piecewise: bool
) -> None:
    """close() has looked which ids are given out, and has not yet ended the connection, when
    another thread is given one more."""
    reserve, end = HTTP20Protocol.reserve, Pump.close
    send = HTTP20Protocol.request
    ready, go_on, done = (threading.Event() for _ in range(3))
    got: list[Any] = []

    def late(verb: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*rest: Any, **more: Any) -> Any:
            if threading.current_thread() is other:
                ready.set()
                assert go_on.wait(PATIENCE)
            try:
                return verb(*rest, **more)
            finally:
                if threading.current_thread() is other:
                    done.set()

        return wait

    def close(pump: Pump) -> None:
        if not go_on.is_set():
            # The other thread waits with the pump's lock, as one that is in the midst of it.
            go_on.set()
            assert done.wait(PATIENCE)
        end(pump)

    def ask() -> None:
        try:
            if piecewise:
                got.append(play.client.putrequest("GET", "/other"))
                play.client.endheaders(stream_id=got[0])
            else:
                got.append(play.client.request("GET", "/other"))
            got.append(play.client.get_response(got[0]).read())
        except (HyperError, OSError) as error:
            got.append(type(error))

    with scene(polite) as play:
        assert play.ask("/first") == (200, b"connection 1")
        other = threading.Thread(target=ask, daemon=True)
        monkeypatch.setattr(HTTP20Protocol, "reserve", late(reserve))
        monkeypatch.setattr(HTTP20Protocol, "request", late(send))
        monkeypatch.setattr(Pump, "close", close)
        other.start()
        assert ready.wait(PATIENCE)
        play.client.close()
        second = play.client.request("GET", "/second")
        assert play.client.get_response(second).read() == b"connection 2"
        other.join(PATIENCE)
        if piecewise:
            assert got[0] != second and got[1:] == [b"connection 2"]
        else:
            assert got == [ConnectionError]
        for talk in play.talks:
            ids = [each.stream_id for each in talk.record if each.name == "HEADERS"]
            assert len(ids) == len(set(ids))


def test_what_the_server_is_told_at_the_end_can_be_chosen(scene: Stage) -> None:
    """hyper 0.7 took an error code; RFC 9113 §6.8."""
    with scene(polite, then=polite) as play:
        play.ask()
        play.client.close(ErrorCode.ENHANCE_YOUR_CALM)
        play.goaway(ErrorCode.ENHANCE_YOUR_CALM)
        play.ask()
        play.client.close()
        play.goaway(ErrorCode.NO_ERROR, connection=2)
        for wrong in (-1, 2**32):
            with pytest.raises(ValueError, match="error code has 32 bits"):
                play.client.close(wrong)
    with scene(polite, http1=True) as play:
        assert play.ask()[0] == 200
        play.client.close(ErrorCode.CANCEL)  # there is nobody to be told
        play.renewed()
