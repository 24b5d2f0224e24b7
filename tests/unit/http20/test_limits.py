"""Every limit that can be set: at it all is well, one beyond it is not."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ConnectionError, ErrorCode, ProtocolError
from hyper.http20.limits import Limits, choose, chosen
from hyper.http20.window import BaseFlowControlManager

from ...memory import keeping
from ...peer import OK, Peer, body_of, connected, fresh

CALM = ErrorCode.ENHANCE_YOUR_CALM
PROMISE = [(":method", "GET"), (":scheme", "https"), (":authority", "example.org"), (":path", "/")]
WORD = struct.Struct(">I")


def continuations(peer: Peer, count: int) -> None:
    peer.frame("HEADERS", 0, 1)
    for _ in range(count):
        peer.continuation(1, b"", end_headers=False)


def block_octets(peer: Peer, count: int) -> None:
    peer.frame("HEADERS", 0, 1)
    peer.continuation(1, bytes(2 * count), end_headers=False)


def interims(peer: Peer, count: int) -> None:
    for _ in range(count):
        peer.headers(1, [(":status", "103")])


def interim_octets(peer: Peer, count: int) -> None:
    for size in (count // 2, count - count // 2):
        peer.headers(1, [(":status", "103"), ("x", "y" * (size - 33))])


def list_octets(peer: Peer, count: int) -> None:
    peer.headers(1, [*OK, ("x", "y" * (count - 33 - 42))])


def fields(peer: Peer, count: int) -> None:
    # Short blocks cannot have too many; this one is longer than it has fields.
    peer.headers(1, [*OK, *[("abc", "def")] * (count - 1)])


def entries(peer: Peer, count: int) -> None:
    peer.settings(*[(0xF000, 0)] * count)


def acks(peer: Peer, count: int) -> None:
    with peer.one_read():
        for _ in range(count):
            peer.ping()


def glitches(peer: Peer, count: int) -> None:
    for _ in range(count):
        peer.priority(1)


def resets(peer: Peer, count: int) -> None:
    peer.rst_stream(1)
    for _ in range(count - 1):
        peer.rst_stream(peer.request().id)


def empty_data(peer: Peer, count: int) -> None:
    peer.headers(1)
    for _ in range(count):
        peer.data(1)


#: A limit, a small value for it, and what uses it up.
SMALL: list[tuple[str, int, Callable[[Peer, int], None], int]] = [
    ("max_continuations", 5, continuations, CALM),
    ("max_header_list_size", 500, block_octets, CALM),
    ("max_header_list_size", 500, list_octets, CALM),
    ("max_header_fields", 20, fields, CALM),
    ("max_settings_entries", 7, entries, CALM),
    ("max_queued_acks", 9, acks, CALM),
    ("max_empty_data", 4, empty_data, CALM),
]


@pytest.mark.parametrize(("name", "value", "use", "code"), SMALL)
def test_a_limit_that_is_set_is_the_one_that_counts(
    name: str, value: int, use: Callable[[Peer, int], None], code: int
) -> None:
    """At it nothing happens, and one more ends the connection."""
    for count in (value, value + 1):
        peer = connected(limits=Limits(**{name: value}))
        peer.request()
        use(peer, count)
        assert peer.protocol.closed == (count > value)
        if count > value:
            goaway = next(each for each in peer.written() if each.name == "GOAWAY")
            assert goaway.error_code == code


@pytest.mark.parametrize(
    ("burst", "rate", "use"),
    [
        ("glitch_burst", "glitches_per_second", glitches),
        ("reset_burst", "resets_per_second", resets),
    ],
)
def test_an_allowance_is_a_burst_and_a_rate(
    burst: str, rate: str, use: Callable[[Peer, int], None]
) -> None:
    now = [0.0]
    few: Any = {burst: 20, rate: 2.5}
    peer = connected(limits=Limits(**few), clock=lambda: now[0])
    peer.request()
    use(peer, 20)
    assert not peer.protocol.closed
    now[0] = 2.0  # five more
    if use is resets:
        peer.request()
        for _ in range(4):
            peer.rst_stream(peer.exchanges[-1].id)
            peer.request()
        peer.rst_stream(peer.exchanges[-1].id)
        assert not peer.protocol.closed
        peer.rst_stream(peer.request().id)
    else:
        glitches(peer, 5)
        assert not peer.protocol.closed
        glitches(peer, 1)
    assert peer.protocol.closed


def test_each_request_earns_its_peer_eight_useless_frames() -> None:
    peer = connected(limits=Limits(glitch_burst=50, glitches_per_second=0))
    glitches(peer, 50)
    for count in (1, 1, 3):
        for _ in range(count):
            peer.answer(peer.request().id)
        glitches(peer, 8 * count)
        assert not peer.protocol.closed
    glitches(peer, 1)
    assert peer.protocol.closed


def test_at_most_five_hundred_cancels_at_once_and_sixteen_a_second() -> None:
    """Less than what servers take for an attack."""
    now = [0.0]
    peer = connected(clock=lambda: now[0])
    counts = []
    for seconds in (0, 10):
        now[0] += seconds
        peer.protocol.accepting = True
        counts.append(0)
        while peer.protocol.accepting and counts[-1] < 1000:
            peer.protocol.cancel(peer.request())
            peer.written()
            counts[-1] += 1
    assert counts == [501, 160]


def test_one_request_leaves_before_the_peer_has_said_how_many_it_takes() -> None:
    peer = fresh()
    asked = [
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
        for _ in range(3)
    ]
    assert [exchange.opened for exchange in asked] == [True, False, False]
    peer.settings()
    assert all(exchange.opened for exchange in asked)


def test_after_many_cancels_new_requests_go_elsewhere() -> None:
    """A server would take it for a rapid reset; what is open goes on to its end."""
    now = [0.0]
    peer = connected(limits=Limits(cancel_burst=3, cancels_per_second=1), clock=lambda: now[0])
    staying = peer.request()
    for at in range(5):
        now[0] += at >= 3  # a second each, and one more may be cancelled
        peer.protocol.cancel(peer.request())
        peer.expect("RST_STREAM", error_code=ErrorCode.CANCEL)
    assert peer.protocol.accepting
    peer.protocol.cancel(peer.request())
    assert not peer.protocol.accepting
    with pytest.raises(ConnectionError, match="after many cancelled requests") as caught:
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
    assert caught.value.retryable
    peer.expect("RST_STREAM", error_code=ErrorCode.CANCEL)
    peer.answer(staying.id, b"whole")
    assert staying.ended
    peer.protocol.cancel(staying)
    peer.expect_nothing()


def test_a_goodbye_is_not_forgotten_for_cancels() -> None:
    peer = connected(limits=Limits(cancel_burst=1, cancels_per_second=0))
    first, second = peer.request(), peer.request()
    peer.goaway(second.id, ErrorCode.NO_ERROR, b"bye")
    for stream in (first, second):
        peer.protocol.cancel(stream)
    with pytest.raises(ConnectionError, match="GOAWAY NO_ERROR b'bye'"):
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)


@pytest.mark.parametrize(
    ("use", "name", "value"),
    [(interims, "max_informational", 6), (interim_octets, "max_header_list_size", 500)],
)
def test_interim_responses_cost_their_stream_alone(
    use: Callable[[Peer, int], None], name: str, value: int
) -> None:
    for count in (value, value + 1):
        peer = connected(limits=Limits(**{name: value}))
        stream = peer.request()
        use(peer, count)
        if count > value:
            peer.expect_stream_error(stream.id, CALM)
        else:
            peer.expect_nothing()
        peer.check_usable()


def test_pushes_are_announced_and_counted() -> None:
    peer = connected(enable_push=True, limits=Limits(max_pushes=2))
    assert peer.client_settings[0x3] == 2
    stream = peer.request()
    for promised in (2, 4, 6):
        peer.push_promise(1, promised, PROMISE)
    peer.expect_stream_error(6, ErrorCode.REFUSED_STREAM)
    assert len(stream.pushes) == 2


def test_windows_are_announced_and_kept() -> None:
    peer = fresh(limits=Limits(stream_window=70_000, connection_window=100_000))
    peer.expect_preface()
    peer.expect("SETTINGS", settings={2: 0, 4: 70_000, 6: limits.MAX_HEADER_LIST_SIZE})
    peer.expect("WINDOW_UPDATE", stream_id=0, increment=100_000 - 65_535)
    peer.settings()
    peer.settings(ack=True)
    peer.written()
    stream = peer.request()
    peer.headers(1)
    for _ in range(4):
        peer.data(1, bytes(16_384))
    peer.data(1, bytes(70_000 - 4 * 16_384))
    assert stream.error is None
    peer.data(1, b"!")
    assert stream.error is not None
    assert stream.error.error_code == ErrorCode.FLOW_CONTROL_ERROR


def test_what_may_come_unasked_for_a_fast_reader_has_an_end() -> None:
    """Its program must bear that in memory, so the numbers of docs/explanation/limits.md stand."""
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    most = most_together = 0
    for _ in range(160):
        for _ in range(64):
            peer.data(1, bytes(16_384))
            stream.chunks.clear()
            if increment := stream.consumed(16_384):
                peer.protocol.widen(stream, increment)
        peer.written()
        most = max(most, peer.window_of(1))
        most_together = max(most_together, peer.granted)
    assert 12 << 20 < most <= 16 << 20
    assert 48 << 20 < most_together <= 64 << 20


@pytest.mark.parametrize("size", [4096, 4097])
def test_the_peers_table_is_as_large_as_the_default_that_we_leave_it_at(size: int) -> None:
    """We announce none, so the default of §6.5.2 binds both sides."""
    peer = connected()
    assert peer.client_settings[0x1] == 4096
    stream = peer.request()
    peer.frame("HEADERS", 0x5, 1, b"\x3f" + coded(size - 31) + b"\x88")
    if size > 4096:
        peer.expect_connection_error(ErrorCode.COMPRESSION_ERROR)
    else:
        assert stream.status == 200
        peer.check_usable()


def test_what_the_peers_table_holds_is_bounded() -> None:
    peer = connected()
    fields = [(f"x-{at}", "y" * 60) for at in range(200)]
    for _ in range(2):
        peer.headers(peer.request().id, [*OK, *fields], end=True)
    assert 4000 < peer.protocol.decoder.table_size <= 4096


@pytest.mark.parametrize(("count", "size"), [(2000, 90), (100, 3000)], ids=["many", "long"])
def test_what_is_remembered_of_heads_is_bounded_in_octets(count: int, size: int) -> None:
    """So that nobody makes a connection swell by never saying the same thing twice."""
    peer = connected()
    with keeping(1 << 20):
        for number in range(count):
            block = b"\x88"
            for at in range(4):
                value = b"%d-%06d" % (at, number) + b"y" * size
                length = bytes([len(value)]) if size < 120 else b"\x7f" + coded(len(value) - 127)
                block += b"\x00\x01x" + length + value
            stream = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
            peer.frame("HEADERS", 0x5, stream.id, block)
            assert stream.ended
            peer.protocol.data_to_send()
        del stream
    assert not peer.protocol.streams


def coded(number: int) -> bytes:
    """What follows the prefix of an integer (RFC 7541 §5.1), in two octets."""
    return bytes([0x80 | number & 0x7F, number >> 7])


def test_debug_data_is_kept_as_far_as_wanted() -> None:
    peer = connected(limits=Limits(max_debug_data=3))
    peer.goaway(0, 0, b"abcdef")
    with pytest.raises(Exception, match="b'abc'"):
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)


@pytest.fixture
def as_it_was() -> Iterator[None]:
    yield
    choose(None)


@pytest.mark.usefixtures("as_it_was")
def test_the_whole_process_can_choose() -> None:
    mine = Limits(max_settings_entries=1)
    choose(mine)
    assert chosen() is mine
    entries(peer := connected(), 2)
    assert peer.protocol.closed
    # Whoever was told keeps to that.
    entries(peer := connected(limits=Limits()), 2)
    assert not peer.protocol.closed
    choose(None)
    assert chosen() == Limits()
    entries(peer := connected(), 2)
    assert not peer.protocol.closed


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stream_window", 2**31),
        ("stream_window", 0),
        ("connection_window", 2**31),
        ("max_header_list_size", 2**32),
        ("max_continuations", 0),
        ("max_pushes", -1),
        ("resets_per_second", -0.5),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(name: str, value: Any) -> None:
    wrong = Limits(**{name: value})
    for use in (choose, lambda limits: fresh(limits=limits)):
        with pytest.raises(ValueError, match=f"{name} is {value}; it must be"):
            use(wrong)
    assert chosen() == Limits()
    with pytest.raises(ValueError, match=name):
        fresh(**{name: value})


def test_an_allowance_may_be_a_burst_and_nothing_after_it() -> None:
    assert Limits(glitches_per_second=0, resets_per_second=0.0).checked()


def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        fresh(max_patience=7)


def test_every_default_is_the_constant_of_its_name() -> None:
    for name, value in Limits()._asdict().items():
        assert value == getattr(limits, name.upper())


@pytest.mark.parametrize("padding", [None, 0, 7], ids=["plain", "pad length", "padding"])
@pytest.mark.parametrize(("size", "kept"), [(1, 1024), (255, 1028), (256, 1100)])
def test_unread_small_pieces_are_kept_apart_up_to_a_number(
    padding: int | None, size: int, kept: int
) -> None:
    """What comes on top is joined, to pieces of a little more than 4 KiB; larger ones are not."""
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    for _ in range(1024):
        peer.data(1, b"x" * size, padding=padding)
    assert len(stream.chunks) == 1024
    for _ in range(76):
        peer.data(1, b"x" * size, padding=padding)
    assert len(stream.chunks) == kept
    assert body_of(stream) == b"x" * size * 1100
    assert max(map(len, stream.chunks)) <= 4096 + 256


class Exactly(BaseFlowControlManager):
    """Widens by what it is told to, once."""

    increment = 0

    def increase_window_size(self, frame_size: int) -> int:
        return self.increment


@pytest.mark.parametrize("more", [0, 1])
def test_a_managers_window_for_the_connection_may_be_the_largest_and_no_larger(more: int) -> None:
    """RFC 9113 §6.9.1."""
    peer = connected(window_manager=Exactly)
    peer.request()
    peer.headers(1)
    left = peer.granted - 10
    Exactly.increment = limits.MAX_WINDOW - left + more
    if more:
        with pytest.raises(ValueError, match=r"the connection's window of .* cannot be widened by"):
            peer.data(1, bytes(10))
    else:
        peer.data(1, bytes(10))
        peer.expect("WINDOW_UPDATE", stream_id=0, increment=limits.MAX_WINDOW - left)


@pytest.mark.parametrize("more", [0, 1])
def test_a_stream_may_be_given_the_largest_window_and_no_larger(more: int) -> None:
    peer = connected()
    stream = peer.request()
    room = limits.MAX_WINDOW - peer.window_of(1)
    if more:
        with pytest.raises(ValueError, match=r"a window of .* cannot be widened by"):
            peer.protocol.widen(stream, room + 1)
    else:
        peer.protocol.widen(stream, room)
        peer.expect("WINDOW_UPDATE", stream_id=1, increment=room)


@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("padding", [None, 0, 100])
def test_a_window_may_be_filled_to_its_last_octet(padding: int | None, missing: int) -> None:
    """And what else is wrong then is not called a matter of windows."""
    beside = 0 if padding is None else padding + 1
    sizes = (16_384, 16_384, 16_384, 16_383)
    peer = connected(limits=Limits(stream_window=sum(sizes)))
    stream = peer.request()
    length = sum(sizes) - 4 * beside - missing
    peer.headers(1, [*OK, ("content-length", str(length))])
    for size in sizes:
        peer.data(1, bytes(size - beside), padding=padding)
    if missing:
        assert isinstance(stream.error, ProtocolError)
        assert f"should have {length}" in str(stream.error)
    else:
        assert stream.error is None


def test_a_joined_piece_ends_behind_4096_octets() -> None:
    peer = connected()
    stream = peer.request()
    peer.headers(1)
    for count, last in ((1024, 1), (4095, 4096), (1, 4097), (1, 1)):
        for _ in range(count):
            peer.data(1, b"x")
        assert len(stream.chunks[-1]) == last
    assert len(stream.chunks) == 1025


@pytest.mark.parametrize("more", [0, 1])
def test_a_setting_may_take_a_stream_to_the_largest_window_and_no_further(more: int) -> None:
    """RFC 9113 §6.9.2."""
    peer = connected({"initial_window_size": 1000})
    stream = peer.upload()
    peer.window_update(1, limits.MAX_WINDOW - 1000 - 500)
    peer.settings(initial_window_size=1500 + more)
    if more:
        peer.expect_connection_error(ErrorCode.FLOW_CONTROL_ERROR)
    else:
        assert stream.send_window == limits.MAX_WINDOW
        assert not peer.protocol.closed


def test_a_window_for_a_body_that_has_been_sent_is_a_useless_frame() -> None:
    peer = connected(limits=Limits(glitch_burst=20, glitches_per_second=0))
    stream = peer.request()
    for _ in range(20):
        peer.window_update(stream.id, 1)
    assert not peer.protocol.closed
    peer.window_update(stream.id, 1)
    peer.expect_connection_error(CALM)


def test_of_a_body_a_quarter_of_a_mebibyte_is_taken_at_a_time() -> None:
    peer = connected({"initial_window_size": 1 << 24})
    peer.window_update(0, 1 << 24)
    stream = peer.upload()
    assert peer.protocol.send_body(stream, bytes(1 << 20), end=True) == 1 << 18
    assert not stream.local_closed


@pytest.mark.parametrize("more", [0, 1])
def test_the_connections_window_may_be_filled_to_its_last_octet(more: int) -> None:
    """RFC 9113 §6.9.1; in one read, behind which it is given back."""
    peer = connected(limits=Limits(connection_window=70_000, stream_window=70_000))
    peer.request()
    peer.headers(1)
    with peer.one_read():
        for size in (16_384, 16_384, 16_384, 16_384, 70_000 - 4 * 16_384):
            peer.data(1, bytes(size))
        peer.data(1, bytes(more))
    if more:
        peer.expect_connection_error(ErrorCode.FLOW_CONTROL_ERROR)
    else:
        assert not peer.protocol.closed
