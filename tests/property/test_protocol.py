"""The HTTP/2 core against peers that nobody wrote down: any split, any frames, any windows.

The scripted peer holds every octet that the client writes against the rules that always bind
(``tests/peer.py``), so these tests only have to be inventive.
"""

from __future__ import annotations

import struct
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyper.common.exchange import Exchange
from hyper.http20 import limits
from hyper.http20.exceptions import (
    ConnectionError,
    ErrorCode,
    HPACKDecodingError,
    HTTP20Error,
    ProtocolError,
    StreamResetError,
)
from hyper.http20.protocol import HTTP20Protocol
from tests.peer import (
    END_HEADERS,
    MAX_WINDOW,
    OK,
    PREFACE,
    Peer,
    body_of,
    connected,
    footprint,
    frame,
    fresh,
    spoken,
)

#: Everything an exchange may end with because of what the other side did.
DOCUMENTED = (ConnectionError, HPACKDecodingError, ProtocolError, StreamResetError)


def outcome(exchange: Exchange) -> tuple[Any, ...]:
    """All that a face can see of an exchange; bodies are joined, for splits change the pieces."""
    return (
        exchange.id,
        exchange.status,
        exchange.headers and list(exchange.headers),
        exchange.trailers is not None and list(exchange.trailers),
        [(status, list(fields)) for status, fields in exchange.informational],
        body_of(exchange),
        exchange.ended,
        type(exchange.error),
        vars(exchange.error) if exchange.error else None,
    )


# -- any split of the octets gives the same exchanges -----------------------------------------


def pleasant(peer: Peer) -> None:
    """Interim heads, padding, CONTINUATION, trailers, unknown frames, PING, a late stream."""
    peer.settings(max_concurrent_streams=3, initial_window_size=1000)
    peer.headers(1, [(":status", "103"), ("link", "</a>")])
    peer.headers(1, [*OK, ("x-long", "v" * 200)], fragments=4, padding=3, priority=bytes(5))
    peer.ping(b"12345678")
    peer.data(1, b"first", padding=7)
    peer.headers(5, [(":status", "404"), ("content-length", "4")])
    peer.frame(0xEE, 0xFF, 5, b"extension")
    peer.data(5, b"none", end=True)
    peer.window_update(0, 100_000)
    peer.data(1, b"", padding=0)
    peer.headers(1, [("x-trailer", "1")], end=True)
    peer.headers(7, [(":status", "204")], end=True)
    peer.settings(ack=True)


def unpleasant(peer: Peer) -> None:
    """Stream errors of several kinds, a reset, and a shutdown."""
    peer.settings()
    peer.headers(1, [("no", "status")])
    peer.headers(3, [*OK, ("content-length", "1")], end=True)
    peer.rst_stream(5, ErrorCode.REFUSED_STREAM)
    peer.data(1, b"late")
    peer.goaway(2**31 - 1, 0, b"soon")
    peer.ping(b"really?!")
    peer.goaway(7)
    peer.answer(7, b"done")


def fatal(peer: Peer) -> None:
    """A whole answer, half an answer, and a broken frame in the midst of it."""
    peer.settings()
    peer.answer(1, b"whole")
    peer.headers(3)
    peer.data(3, b"half")
    peer.headers(5, [*OK, ("a", "b")], end_headers=False)
    peer.data(3, b"out of place")
    peer.answer(7, b"unheard")


CONVERSATIONS = [pleasant, unpleasant, fatal]


def replay(octets: bytes, cuts: list[int]) -> tuple[Any, ...]:
    """Let a client with four requests hear the octets in pieces; what came of it.

    Of what a broken connection's client wrote only the last flight counts: how many answers to
    earlier frames it still gets rid of depends on when it is asked.
    """
    client = HTTP20Protocol()
    exchanges = [
        client.request(b"GET", b"https", b"example.org", b"/%d" % at, [], end=True)
        for at in range(4)
    ]
    first_flight = client.data_to_send()
    moved: set[Exchange] = set()
    flights = [b""]
    for start, stop in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        moved |= set(client.receive_data(octets[start:stop]))
        if flight := client.data_to_send():
            flights.append(flight)
    written = flights[-1] if client.closed else b"".join(flights)
    return [outcome(one) for one in exchanges], moved == set(exchanges), first_flight, written


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_two_pieces_cut_anywhere_mean_the_same_as_one(conversation: Any) -> None:
    said = spoken(conversation)
    expected = replay(said, [])
    for at in range(len(said) + 1):
        assert replay(said, [at]) == expected, f"cut after {at} octets"


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_octet_by_octet_means_the_same_as_one_piece(conversation: Any) -> None:
    said = spoken(conversation)
    assert replay(said, list(range(1, len(said)))) == replay(said, [])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CONVERSATIONS), st.data())
def test_any_pieces_mean_the_same_as_one(conversation: Any, data: st.DataObject) -> None:
    said = spoken(conversation)
    cuts = data.draw(st.lists(st.integers(0, len(said)), max_size=30).map(sorted))
    assert replay(said, cuts) == replay(said, [])


# -- random peers never raise anything, never hang, and leave nothing behind --------------------

ids = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 9, 11, 101, 2**31 - 1])
names = st.sampled_from(
    [":status", "content-length", "x", "X", "set-cookie", "", ":path", "connection", "te"]
)
values = st.sampled_from(["200", "100", "101", "204", "0", "5", "", "a b", "a\n", " a", "ü"])
fields = st.one_of(
    st.just(OK),
    st.just([(":status", "103"), ("link", "x")]),
    st.just([*OK, ("content-length", "5")]),
    st.just([("x-trailer", "1")]),
    st.lists(st.tuples(names, values), max_size=4),
)
small = st.sampled_from([0, 1, 2, 5, 100, 16_384, 65_535, 2**31 - 1])
bodies = st.sampled_from([b"", b"x", b"hello", bytes(1000), bytes(16_384)])
flags = st.booleans()

#: What a server may say, good and bad; the peer keeps account of windows and settings.
sayings = st.one_of(
    st.tuples(st.just("headers"), ids, fields, flags, st.sampled_from([1, 1, 2, 3])),
    st.tuples(st.just("data"), ids, bodies, flags, st.sampled_from([None, None, 0, 5])),
    st.tuples(st.just("answer"), st.sampled_from([1, 3, 5, 7, 9, 11])),
    st.tuples(st.just("rst_stream"), ids, st.integers(0, 20)),
    st.tuples(st.just("ping"), st.binary(min_size=8, max_size=8), flags),
    st.tuples(st.just("goaway"), ids, st.integers(0, 20)),
    st.tuples(st.just("window_update"), ids, small),
    st.tuples(
        st.just("settings"),
        st.lists(st.tuples(st.sampled_from([1, 2, 3, 3, 4, 4, 5, 6, 99]), small), max_size=3),
    ),
    st.tuples(st.just("ack")),
    st.tuples(st.just("push_promise"), ids, ids),
    st.tuples(st.just("continuation"), ids, st.sampled_from([b"", b"\x88", b"\x80"]), flags),
    st.tuples(
        st.just("frame"),
        st.sampled_from([0, 1, 2, 3, 5, 6, 7, 9, 10, 0xEE]),
        st.integers(0, 255),
        ids,
        st.binary(max_size=30),
    ),
)
#: What a face may ask of the client.
asks = st.one_of(
    st.tuples(st.just("get")),
    st.tuples(st.just("get")),
    st.tuples(st.just("post")),
    st.tuples(st.just("send"), st.integers(0, 5), bodies, flags),
    st.tuples(st.just("read"), st.integers(0, 5)),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("ask for a sign")),
    st.tuples(st.just("close")),
)


def say(peer: Peer, saying: tuple[Any, ...]) -> list[Exchange]:
    kind, *rest = saying
    if kind == "headers":
        stream_id, section, end, fragments = rest
        return peer.headers(stream_id, section, end=end, fragments=fragments)
    if kind == "data":
        stream_id, body, end, padding = rest
        return peer.data(stream_id, body[: 16_384 - 6], end=end, padding=padding)
    if kind == "ping":
        return peer.ping(rest[0], ack=rest[1])
    if kind == "settings":
        return peer.settings(*rest[0])
    if kind == "ack":
        return peer.settings(ack=True)
    if kind == "push_promise":
        return peer.push_promise(rest[0], rest[1], [(":method", "GET")])
    if kind == "continuation":
        return peer.continuation(rest[0], rest[1], end_headers=rest[2])
    result: list[Exchange] = getattr(peer, kind)(*rest)
    return result


def ask(peer: Peer, exchanges: list[Any], asking: tuple[Any, ...]) -> None:
    client = peer.protocol
    kind, *rest = asking
    exchange = exchanges[rest[0] % len(exchanges)] if rest and exchanges else None
    try:
        if kind in ("get", "post"):
            end = kind == "get"
            method = kind.upper().encode()
            exchanges.append(client.request(method, b"https", b"example.org", b"/", [], end=end))
        elif kind == "ask for a sign":
            client.ping(b"alive?!!")
        elif kind == "close":
            client.close()
        elif exchange is None:
            pass
        elif kind == "send":
            room = client.room(exchange)
            if not exchange.end:
                taken = client.send_body(exchange, rest[1], end=rest[2])
                assert taken == min(room, len(rest[1]))
        elif kind == "read":
            size = len(body_of(exchange))
            exchange.chunks.clear()
            if increment := exchange.consumed(size):
                client.widen(exchange, increment)
        elif kind == "cancel":
            client.cancel(exchange)
    except HTTP20Error as error:
        assert kind in ("get", "post", "ask for a sign", "send")
        assert error is not getattr(exchange, "error", None), "a copy is raised"
    except ValueError:
        # The peer has said that it takes no heads of this size.
        assert kind in ("get", "post")
        assert client.remote_settings.max_header_list_size < 200


def check_invariants(peer: Peer, exchanges: list[Any]) -> None:
    client = peer.protocol
    assert max(footprint(client).values()) <= 2048
    for exchange in exchanges:
        assert len(body_of(exchange)) <= limits.STREAM_WINDOW
        assert exchange.error is None or isinstance(exchange.error, HTTP20Error)
        if exchange.ended:
            assert exchange.error is None
            assert exchange.status >= 200
        if exchange.status:
            assert exchange.status >= 200
            assert exchange.headers is not None
        if client.closed:
            assert exchange.ended or exchange.error is not None, f"{exchange} hangs"
    if client.closed:
        assert not client.accepting
        assert not client.streams


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.one_of(sayings, sayings, asks), max_size=40),
    st.sampled_from([None, None, 1, 7]),
    st.booleans(),
)
def test_whatever_a_peer_says_nothing_is_raised_and_nothing_hangs(
    conversation: list[tuple[Any, ...]], split: int | None, greeted: bool
) -> None:
    """Errors are of the documented classes; and the client itself never breaks a rule."""
    if greeted:
        peer = connected(split=split)
    else:
        peer = fresh(split=split)
        peer.expect_preface()
    exchanges: list[Any] = []
    for step in conversation:
        if step in (("get",), ("post",), ("ask for a sign",), ("close",)) or step[0] in (
            "send",
            "read",
            "cancel",
        ):
            ask(peer, exchanges, step)
        else:
            was_over = peer.protocol.closed
            moved = say(peer, step)
            assert isinstance(moved, list)
            assert not (was_over and moved), "nobody listens any more"
        check_invariants(peer, exchanges)
        peer.written()
    peer.protocol.connection_lost(None)
    check_invariants(peer, exchanges)
    for exchange in exchanges:
        assert exchange.ended or isinstance(exchange.error, (*DOCUMENTED, HTTP20Error))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.builds(
                frame,
                st.integers(0, 12),
                st.integers(0, 255),
                ids | st.integers(0, 2**32 - 1),
                st.binary(max_size=60),
            ),
        ),
        max_size=20,
    ),
    st.booleans(),
)
def test_garbage_ends_in_a_documented_error_or_is_ignored(
    pieces: list[bytes], greeted: bool
) -> None:
    client = HTTP20Protocol()
    exchanges = [
        client.request(b"POST", b"https", b"example.org", b"/", [], end=end)
        for end in (True, False, True)
    ]
    client.data_to_send()
    if greeted:
        client.receive_data(frame("SETTINGS"))
        client.data_to_send()
    for piece in pieces:
        over = client.closed
        moved = client.receive_data(piece)
        assert not (over and moved)
        assert len(client.data_to_send()) < 100_000
        assert max(footprint(client).values()) <= 2048
    for exchange in exchanges:
        assert exchange.error is None or isinstance(exchange.error, DOCUMENTED)
        if client.closed:
            assert exchange.ended or exchange.error is not None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CONVERSATIONS), st.data())
def test_a_conversation_with_some_octets_changed_does_no_harm(
    conversation: Any, data: st.DataObject
) -> None:
    """Mutations of something sensible reach further than noise does."""
    said = bytearray(spoken(conversation))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(said) - 1))
        how = data.draw(st.sampled_from(["flip", "drop", "double", "insert"]))
        if how == "flip":
            said[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "drop":
            del said[at]
        elif how == "double":
            said[at:at] = said[at : at + 20]
        else:
            said[at:at] = data.draw(st.binary(min_size=1, max_size=5))
    outcomes = replay(bytes(said), [])[0]
    assert replay(bytes(said), list(range(1, len(said))))[0] == outcomes


# -- flow control -------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 3), st.integers(0, 4000)),
            st.tuples(st.just("send"), st.integers(0, 3), st.integers(0, 4000)),
            st.tuples(st.just("stream"), st.integers(0, 3), st.integers(1, 2000)),
            st.tuples(st.just("connection"), st.integers(1, 2000), st.just(0)),
            st.tuples(st.just("initial"), st.integers(0, 3000), st.just(0)),
            st.tuples(st.just("frame size"), st.integers(16_384, 40_000), st.just(0)),
            st.tuples(st.just("look"), st.just(0), st.just(0)),
        ),
        max_size=40,
    ),
    st.integers(0, 3000),
    st.booleans(),
)
def test_uploads_deliver_every_octet_once_within_the_windows(
    bodies: list[bytes], steps: list[tuple[str, int, int]], initial: int, trailers: bool
) -> None:
    """§6.9: the peer objects to any overrun, of either window, negative ones included."""
    peer = connected({"initial_window_size": initial})
    # All but a little of the connection's window is used up first.
    drain = peer.upload()
    peer.settings(initial_window_size=65_535)
    assert peer.protocol.send_body(drain, bytes(64_000), end=False) == 64_000
    peer.settings(initial_window_size=initial)
    uploads = [peer.protocol.request(b"POST", b"https", b"a", b"/", [], end=False) for _ in bodies]
    sent = [0] * len(bodies)
    done = [False] * len(bodies)
    received: dict[int, bytes] = {upload.id: b"" for upload in uploads}
    ended: dict[int, int] = dict.fromkeys(received, 0)

    def look() -> None:
        for written in peer.written():
            if written.stream_id in received:
                received[written.stream_id] += written.data
                ended[written.stream_id] += written.end_stream

    def send(at: int, size: int) -> None:
        at %= len(bodies)
        if done[at]:
            return
        piece = bodies[at][sent[at] : sent[at] + size]
        last = sent[at] + len(piece) == len(bodies[at])
        more = [(b"x-sum", b"1")] if trailers else []
        taken = peer.protocol.send_body(uploads[at], piece, end=last, trailers=more)
        assert 0 <= taken <= len(piece)
        sent[at] += taken
        done[at] = last and taken == len(piece)

    for kind, first, second in steps:
        if kind == "send":
            send(first, second)
        elif kind == "stream":
            peer.window_update(uploads[first % len(uploads)].id, second)
        elif kind == "connection":
            peer.window_update(0, first)
        elif kind == "initial":
            peer.settings(initial_window_size=first)
        elif kind == "frame size":
            peer.settings(max_frame_size=first)
        else:
            look()
    peer.settings(initial_window_size=100_000)
    peer.window_update(0, 100_000)
    for at in range(len(bodies)):
        send(at, len(bodies[at]))
    look()
    assert all(done)
    assert [received[upload.id] for upload in uploads] == bodies
    assert set(ended.values()) == {1}
    assert drain.error is None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("data"), st.integers(0, 2), st.integers(0, 5000)),
            st.tuples(st.just("data"), st.integers(0, 2), st.integers(0, 5000)),
            st.tuples(st.just("padded"), st.integers(0, 2), st.integers(0, 255)),
            st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 3)),
            st.tuples(st.just("cancel"), st.integers(0, 2), st.just(0)),
        ),
        max_size=80,
    ),
    st.integers(1, 20_000),
    st.integers(65_535, 100_000),
)
def test_downloads_never_stall_while_someone_reads(
    steps: list[tuple[str, int, int]], stream_window: int, connection_window: int
) -> None:
    """§5.2: a peer that keeps to our windows is never reset, and reading always reopens them."""
    peer = connected(stream_window=stream_window, connection_window=connection_window)
    exchanges = [peer.request() for _ in range(3)]
    for exchange in exchanges:
        peer.headers(exchange.id)
    said = [b""] * 3
    read = [b""] * 3
    cancelled = [False] * 3
    filler = bytes(range(256)) * 20

    def take(at: int, pieces: int) -> None:
        exchange = exchanges[at]
        size = 0
        while exchange.chunks and pieces:
            piece = exchange.chunks.popleft()
            read[at] += piece
            size += len(piece)
            pieces -= 1
        if increment := exchange.consumed(size):
            peer.protocol.widen(exchange, increment)

    for kind, at, number in steps:
        exchange = exchanges[at]
        room = min(peer.window_of(exchange.id), peer.granted)
        if kind == "data":
            piece = filler[: min(number, room)]
            peer.data(exchange.id, piece)
            said[at] += b"" if cancelled[at] else piece
        elif kind == "padded" and room > number:
            piece = filler[: min(100, room - number - 1)]
            peer.data(exchange.id, piece, padding=number)
            said[at] += b"" if cancelled[at] else piece
        elif kind == "read" and not cancelled[at]:
            take(at, number)
        elif kind == "cancel":
            cancelled[at] = True
            peer.protocol.cancel(exchange)
        peer.written()
        assert peer.granted > 0, "the connection stalls"
    for at, exchange in enumerate(exchanges):
        if cancelled[at]:
            continue
        take(at, 1000)
        peer.written()
        assert read[at] == said[at]
        assert exchange.error is None
        assert peer.window_of(exchange.id) > 0, "the stream stalls"


# -- another implementation as the oracle -------------------------------------------------------

methods = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"x-y"])
paths = st.from_regex(rb"/[a-z0-9/?=&%.~-]{0,40}", fullmatch=True)
own_names = st.from_regex(rb"x-[a-z0-9-]{1,20}", fullmatch=True)
own_values = st.from_regex(rb"([!-~]([ -~]{0,60}[!-~])?)?", fullmatch=True)
own_fields = st.lists(st.tuples(own_names, own_values), max_size=8)
exchanges_ = st.tuples(
    methods, paths, own_fields, st.none() | st.binary(max_size=5000), own_fields, own_fields
)


@settings(max_examples=40, deadline=None)
@given(st.lists(exchanges_, min_size=1, max_size=6), st.binary(max_size=40_000))
def test_h2_understands_us_and_we_understand_h2(
    conversations: list[tuple[Any, ...]], body: bytes
) -> None:
    """The ``h2`` package's server: same requests there, same responses here."""
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    server.initiate_connection()
    client = HTTP20Protocol()
    client.receive_data(server.data_to_send())
    for method, path, headers, upload, fields, trailers in conversations:
        exchange = client.request(
            method, b"https", b"example.org", path, headers, end=upload is None
        )
        if upload is not None:
            taken = client.send_body(exchange, upload, end=True)
            assert taken == len(upload)
        heard: dict[str, Any] = {"body": b"", "ended": False}
        for event in server.receive_data(client.data_to_send()):
            if isinstance(event, h2.events.RequestReceived):
                heard["headers"] = event.headers
            elif isinstance(event, h2.events.DataReceived):
                heard["body"] += event.data
                server.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                heard["ended"] = True
        assert [tuple(pair) for pair in heard["headers"]] == [
            (b":method", method),
            (b":scheme", b"https"),
            (b":authority", b"example.org"),
            (b":path", path),
            *headers,
        ]
        assert heard["body"] == (upload or b"")
        assert heard["ended"]

        server.send_headers(exchange.id, [(b":status", b"200"), *fields])
        for at in range(0, len(body), 16_000):
            server.send_data(exchange.id, body[at : at + 16_000], pad_length=at % 256 or None)
        if trailers:
            server.send_headers(exchange.id, trailers, end_stream=True)
        else:
            server.end_stream(exchange.id)
        client.receive_data(server.data_to_send())
        assert exchange.status == 200
        assert exchange.headers == fields
        assert body_of(exchange) == body
        assert (exchange.trailers or []) == trailers
        assert exchange.ended
        assert exchange.error is None


def test_the_first_octets_are_what_h2_waits_for() -> None:
    assert HTTP20Protocol().data_to_send().startswith(PREFACE)


def test_the_random_peers_reach_far_enough() -> None:
    """A generator that only ever broke connections would prove nothing."""
    peer = connected()
    exchanges: list[Any] = []
    for step in (("get",), ("post",)):
        ask(peer, exchanges, step)
    peer.written()
    say(peer, ("answer", 1))
    say(peer, ("headers", 3, OK, False, 2))
    say(peer, ("data", 3, b"hello", True, 5))
    assert [exchange.ended for exchange in exchanges] == [True, True]
    say(peer, ("frame", 0xEE, END_HEADERS, 3, struct.pack(">I", MAX_WINDOW)))
    check_invariants(peer, exchanges)
