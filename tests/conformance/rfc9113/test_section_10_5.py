"""RFC 9113 §10.5: denial of service: every limit, at the limit and one beyond it.

The numbers and their reasons stand in ``hyper/http20/limits.py``; here is what they are for.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ErrorCode, HTTP20Error
from tests.peer import ACK, END_HEADERS, OK, SETTINGS, Peer, body_of, connected, footprint, frame

CALM = ErrorCode.ENHANCE_YOUR_CALM


def section_size(fields: list[tuple[str, str]]) -> int:
    """§6.5.2: names, values, and 32 octets for each field."""
    return sum(len(name) + len(value) + 32 for name, value in fields)


def literal(name: bytes, value: bytes) -> bytes:
    """A field as a literal that touches no table (RFC 7541 §6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


# Field sections (§10.5.1).


def head_of_size(size: int) -> list[tuple[str, str]]:
    """A response head of exactly this size, in fields of at most a few KiB."""
    fields = [(":status", "200")]
    while (left := size - section_size(fields)) > 4000:
        fields.append((f"x-{len(fields)}", "v" * 3000))
    fields.append(("x-last", "v" * (left - 32 - len("x-last"))))
    assert section_size(fields) == size
    return fields


WHERE = pytest.mark.parametrize("where", ["head", "interim", "trailers"])


def receive(peer: Peer, where: str, fields: list[tuple[str, str]]) -> Any:
    exchange = peer.request()
    if where == "trailers":
        peer.headers(exchange.id)
        fields = fields[1:]
    elif where == "interim":
        fields = [(":status", "103"), *fields[1:]]
    block = peer.block(fields)
    pieces = [block[at : at + 16_384] for at in range(0, len(block), 16_384)]
    with peer.one_read():
        first_flags = (END_HEADERS if len(pieces) == 1 else 0) | (where == "trailers")
        peer.frame("HEADERS", first_flags, exchange.id, pieces[0])
        for at, piece in enumerate(pieces[1:], start=2):
            peer.continuation(exchange.id, piece, end_headers=at == len(pieces))
    return exchange


@WHERE
def test_a_field_section_of_the_announced_size_is_accepted(peer: Peer, where: str) -> None:
    """§6.5.2, §10.5.1: what we announce is what we take."""
    assert peer.client_settings[0x6] == limits.MAX_HEADER_LIST_SIZE == 65_536
    fields = head_of_size(65_536)
    if where == "trailers":
        fields = [fields[0], *fields[1:], ("x", "v" * (section_size(fields[:1]) - 33))]
        assert section_size(fields[1:]) == 65_536
    elif where == "interim":
        fields = head_of_size(65_536)
    exchange = receive(peer, where, fields)
    assert not exchange.error
    got = {
        "head": lambda: exchange.headers,
        "interim": lambda: exchange.informational[0][1],
        "trailers": lambda: exchange.trailers,
    }[where]()
    assert len(got) == len(fields) - 1
    peer.expect_nothing()


@WHERE
def test_a_larger_field_section_is_refused(peer: Peer, where: str) -> None:
    fields = head_of_size(65_537)
    if where == "trailers":
        fields.append(("x", "v" * 10))
    exchange = receive(peer, where, fields)
    assert isinstance(exchange.error, HTTP20Error)
    assert not exchange.ended
    names = [written.name for written in peer.written()]
    assert names in (["RST_STREAM"], ["GOAWAY"])


@WHERE
@pytest.mark.parametrize("count", [1000, 1001])
def test_a_section_has_at_most_1000_fields(peer: Peer, where: str, count: int) -> None:
    """Each counted, however small: CVE-2019-9516, CVE-2026-49975."""
    own = 1 if where != "trailers" else 0
    fields = [(":status", "200")] + [("a", "")] * (count - own)
    exchange = receive(peer, where, fields)
    assert (exchange.error is None) is (count == 1000)


def test_a_small_block_that_decodes_to_a_large_list_is_stopped(peer: Peer) -> None:
    """CVE-2016-6581: one octet a field, 4 KB each: 16 KiB would become 65 MB."""
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, ("x-bomb", "v" * 4000)])
    other = peer.request()
    peer.frame("HEADERS", END_HEADERS, other.id, b"\x88" + b"\xbe" * 16_000)
    assert isinstance(other.error, HTTP20Error)
    assert other.error.error_code in (CALM, ErrorCode.COMPRESSION_ERROR, ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [16, 1000])
def test_the_limits_are_arguments(size: int) -> None:
    peer = connected(max_header_list_size=2000, max_header_fields=10)
    assert peer.client_settings[0x6] == 2000
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, *[("a", "b")] * 9])
    assert not exchange.error
    exchange = peer.request()
    if size == 16:
        peer.headers(exchange.id, [*OK, *[("a", "b")] * 10])
    else:
        peer.headers(exchange.id, [*OK, ("x", "v" * 2000)])
    assert exchange.error is not None


# CONTINUATION (CVE-2024-27316 and its siblings).


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("count", [64, 65])
def test_a_block_goes_on_for_at_most_64_continuations(peer: Peer, count: int, empty: bool) -> None:
    """Empty ones count as well."""
    exchange = peer.request()
    octet = b"" if empty else literal(b"a", b"b")
    peer.frame("HEADERS", 0, exchange.id, b"\x88")
    for at in range(count):
        peer.continuation(exchange.id, octet, end_headers=at == count - 1)
    if count == 64:
        assert exchange.status == 200
        peer.expect_nothing()
    else:
        peer.expect_connection_error(CALM)


def test_a_block_has_at_most_twice_the_octets_of_the_list(peer: Peer) -> None:
    """What is compressed is not larger than what it says, but for a frame or two."""
    exchange = peer.request()
    peer.frame("HEADERS", 0, exchange.id, bytes(16_384))
    for _ in range(7):
        peer.continuation(exchange.id, bytes(16_384), end_headers=False)
    peer.expect_nothing()
    peer.continuation(exchange.id, b"x", end_headers=False)
    peer.expect_connection_error(CALM)
    assert isinstance(exchange.error, HTTP20Error)


def test_the_count_starts_again_with_each_block(peer: Peer) -> None:
    for _ in range(5):
        exchange = peer.request()
        peer.frame("HEADERS", 1, exchange.id, b"\x88")
        for _ in range(40):
            peer.continuation(exchange.id, b"", end_headers=False)
        peer.continuation(exchange.id, b"")
        assert exchange.ended


# Answers that wait to be written (CVE-2019-9512, CVE-2019-9515).


@pytest.mark.parametrize("kind", ["PING", "SETTINGS"])
def test_at_most_1000_acknowledgements_wait(peer: Peer, kind: str) -> None:
    question = frame("PING", 0, 0, bytes(8)) if kind == "PING" else frame("SETTINGS")
    exchange = peer.request()
    peer.protocol.receive_data(question * 1000)
    assert not exchange.error
    peer.protocol.receive_data(question)
    assert isinstance(exchange.error, HTTP20Error)
    assert exchange.error.error_code == CALM
    assert not peer.protocol.accepting
    assert len(peer.protocol.data_to_send()) < 100_000


@pytest.mark.parametrize("kind", ["PING", "SETTINGS"])
def test_a_server_that_reads_its_answers_may_ask_on(kind: str) -> None:
    clock = Clock()
    peer = connected(clock=clock)
    for _ in range(30):
        for _ in range(500):
            peer.ping() if kind == "PING" else peer.settings()
        assert len(peer.written()) == 500
        clock.now += 100
    peer.check_usable()


@pytest.mark.parametrize("entries", [100, 101])
def test_a_settings_frame_has_at_most_100_entries(peer: Peer, entries: int) -> None:
    """CVE-2020-11080."""
    peer.settings(*[(0xF000, 1)] * entries)
    if entries == 100:
        peer.expect("SETTINGS", ack=True)
        peer.check_usable()
    else:
        peer.expect_connection_error(CALM)


# Frames that are legal and useless.


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


USELESS: dict[str, Callable[[], bytes]] = {
    "PRIORITY": lambda: frame("PRIORITY", 0, 1, bytes(5)),
    "PRIORITY on idle streams": lambda: frame("PRIORITY", 0, 1001, bytes(5)),
    "unknown": lambda: frame(0xEE, 0, 0),
    "WINDOW_UPDATE on a closed stream": lambda: frame("WINDOW_UPDATE", 0, 1, b"\0\0\0\1"),
    "RST_STREAM on a closed stream": lambda: frame("RST_STREAM", 0, 1, bytes(4)),
    "empty DATA on a closed stream": lambda: frame("DATA", 0, 1),
    "HEADERS on a closed stream": lambda: frame("HEADERS", END_HEADERS, 1, b"\x88"),
    "PING ACK": lambda: frame("PING", ACK, 0, bytes(8)),
    "SETTINGS ACK": lambda: frame("SETTINGS", ACK),
}


@pytest.mark.parametrize("kind", USELESS)
def test_useless_frames_have_an_allowance(kind: str) -> None:
    """10,000 at once, 330 a second after that; no memory for any of them."""
    clock = Clock()
    peer = connected(clock=clock)
    closed, waiting = peer.request(), peer.request()
    peer.answer(closed.id)
    useless = USELESS[kind]()
    for _ in range(99):
        peer.protocol.receive_data(useless * 100)
    assert not waiting.error
    peer.protocol.data_to_send()
    before = footprint(peer.protocol)
    clock.now += 3.0
    peer.protocol.receive_data(useless * 900)
    assert not waiting.error
    assert footprint(peer.protocol) == before
    peer.protocol.receive_data(useless * 1000)
    assert isinstance(waiting.error, HTTP20Error)
    assert waiting.error.error_code == CALM


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    clock = Clock()
    clock.now = 1000.0
    peer = connected(clock=clock)
    waiting = peer.request()
    for _ in range(50):
        clock.now -= 10.0
        peer.protocol.receive_data(USELESS["unknown"]() * 100)
    assert not waiting.error


def test_goaways_without_end_are_stopped_and_keep_nothing() -> None:
    peer = connected()
    exchange = peer.request()
    goaway = frame("GOAWAY", 0, 0, struct.pack(">II", 1, 0) + b"x" * 1000)
    for _ in range(150):
        peer.protocol.receive_data(goaway * 100)
    assert isinstance(exchange.error, HTTP20Error)
    assert exchange.error.error_code == CALM
    assert len(str(exchange.error)) < 10_000


def test_ordinary_traffic_never_uses_the_allowances_up() -> None:
    """Even with a clock that stands still: each request earns what it may cost."""
    peer = connected(max_header_fields=1000)
    for _ in range(6000):
        exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
        at = exchange.id.to_bytes(4, "big")
        peer.protocol.data_to_send()
        peer.protocol.receive_data(
            b"\0\0\4\x08\0"
            + at
            + b"\0\0\0\x0a"
            + b"\0\0\1\1\5"
            + at
            + b"\x88"
            + b"\0\0\4\x08\0"
            + at
            + b"\0\0\0\x0a"
        )
        assert exchange.ended
    assert peer.protocol.accepting


def test_downloads_that_were_cancelled_are_not_held_against_the_peer() -> None:
    """What was on its way is its right: a window full of frames, each time (§5.1)."""
    peer = connected()
    for _ in range(300):
        exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
        peer.protocol.cancel(exchange)
        peer.protocol.data_to_send()
        data = frame("DATA", 0, exchange.id, bytes(16_384))
        peer.protocol.receive_data(frame("HEADERS", END_HEADERS, exchange.id, b"\x88") + data * 64)
    assert peer.protocol.accepting


# Empty and small DATA (CVE-2019-9518).


@pytest.mark.parametrize("padding", [None, 0, 10])
def test_at_most_1000_frames_in_a_row_carry_nothing(peer: Peer, padding: int | None) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    for _ in range(1000):
        peer.data(exchange.id, b"", padding=padding)
    assert not exchange.error
    peer.data(exchange.id, b"something")
    for _ in range(1000):
        peer.data(exchange.id, b"", padding=padding)
    assert not exchange.error
    peer.written()
    peer.data(exchange.id, b"", padding=padding)
    peer.expect_connection_error(CALM)


@pytest.mark.parametrize("padding", [None, 0, 3])
def test_small_frames_take_memory_as_their_octets_do(peer: Peer, padding: int | None) -> None:
    """A window full of single octets must not become a million objects, nor take for ever."""
    exchange = peer.request()
    peer.headers(exchange.id)
    total = 100_000
    octet = frame("DATA", 0, exchange.id, b"x")
    if padding is not None:
        octet = frame("DATA", 8, exchange.id, bytes([padding]) + b"x" + bytes(padding))
    for _ in range(total // 1000):
        peer.protocol.receive_data(octet * 1000)
        peer.protocol.data_to_send()
    assert not exchange.error
    assert len(body_of(exchange)) == total
    assert sum(sys.getsizeof(chunk) for chunk in exchange.chunks) < 4 * total
    assert max(len(chunk) for chunk in exchange.chunks) <= 32_768, "joined again and again"


@pytest.mark.parametrize("padding", [None, 5])
def test_empty_frames_between_octets_take_no_memory_either(peer: Peer, padding: int | None) -> None:
    """No window counts an empty frame, so nothing but we ourselves can bound them."""
    exchange = peer.request()
    peer.headers(exchange.id)
    empty = frame("DATA", 0, exchange.id)
    if padding is not None:
        empty = frame("DATA", 8, exchange.id, bytes([padding]) + bytes(padding))
    for _ in range(50):
        peer.protocol.receive_data(empty * 500 + frame("DATA", 0, exchange.id, b"x"))
    assert not exchange.error
    assert body_of(exchange) == b"x" * 50
    assert len(exchange.chunks) <= 2048


# Resets (CVE-2023-44487, CVE-2025-8671).


@pytest.mark.parametrize("how", ["theirs", "ours"])
def test_resets_have_an_allowance(how: str) -> None:
    """1000 at once, 33 a second after that, whoever sends them."""
    clock = Clock()
    peer = connected(clock=clock)
    waiting = peer.request()

    def provoke(count: int) -> None:
        for _ in range(count):
            exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
            at = exchange.id.to_bytes(4, "big")
            if how == "theirs":
                peer.protocol.receive_data(b"\0\0\4\3\0" + at + b"\0\0\0\x08")
            else:
                peer.protocol.receive_data(b"\0\0\0\1\4" + at)
            peer.protocol.data_to_send()

    provoke(1000)
    assert not waiting.error
    clock.now += 2.0
    provoke(60)
    assert not waiting.error
    with pytest.raises(HTTP20Error):
        provoke(50)
    assert isinstance(waiting.error, HTTP20Error)
    assert waiting.error.error_code == CALM


# Interim responses.


@pytest.mark.parametrize("count", [100, 101])
def test_one_answer_has_at_most_100_interim_heads(peer: Peer, count: int) -> None:
    exchange = peer.request()
    for _ in range(count):
        peer.headers(exchange.id, [(":status", "102")])
    if count == 100:
        peer.answer(exchange.id, b"at last")
        assert exchange.ended
        assert len(exchange.informational) == 100
    else:
        assert isinstance(exchange.error, HTTP20Error)
        peer.expect_stream_error(exchange.id, CALM, ErrorCode.PROTOCOL_ERROR)
        peer.check_usable()


def test_interim_heads_together_fit_one_field_section(peer: Peer) -> None:
    exchange = peer.request()
    for _ in range(6):
        peer.headers(exchange.id, [(":status", "103"), ("x", "v" * 10_000)])
    assert not exchange.error
    peer.headers(exchange.id, [(":status", "103"), ("x", "v" * 10_000)])
    assert isinstance(exchange.error, HTTP20Error)
    peer.expect_stream_error(exchange.id, CALM, ErrorCode.PROTOCOL_ERROR)


# What stays behind.


def test_closed_streams_are_remembered_as_a_number() -> None:
    peer = connected()
    before = None
    for round_ in range(20):
        for _ in range(100):
            exchange = peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=True)
            peer.protocol.data_to_send()
            at = exchange.id.to_bytes(4, "big")
            peer.protocol.receive_data(b"\0\0\1\1\5" + at + b"\x88")
        if round_ == 1:
            before = footprint(peer.protocol)
    assert footprint(peer.protocol) == before


def test_many_different_heads_do_not_pile_up() -> None:
    """What is remembered of heads, fields and requests is bounded."""
    peer = connected()
    for at in range(3000):
        exchange = peer.protocol.request(
            b"GET", b"https", b"h%d.example" % at, b"/%d" % at, [(b"x-%d" % at, b"y")], end=True
        )
        peer.protocol.data_to_send()
        peer.raw(frame("HEADERS", 5, exchange.id, b"\x88" + literal(b"x-%d" % at, b"v%d" % at)))
        assert exchange.ended
    assert max(footprint(peer.protocol).values()) <= 2048


def test_a_million_changes_of_settings_are_survived() -> None:
    """Only by unit test: as many as an allowance lets through, in frames of 100 entries."""
    peer = connected()
    entry = struct.pack(">HI", SETTINGS["max_concurrent_streams"], 5)
    many = frame("SETTINGS", 0, 0, entry * 100) * 100
    for _ in range(100):
        peer.protocol.receive_data(many)
        acks = peer.protocol.data_to_send()
        assert acks == frame("SETTINGS", ACK) * 100
    assert peer.protocol.max_concurrent_streams == 5
    peer._announced.clear()
    peer.check_usable()


@pytest.mark.parametrize("size", [1023, 1024, 1025, 16_000])
def test_debug_data_is_kept_up_to_1_kib(peer: Peer, size: int) -> None:
    exchange = peer.request()
    peer.goaway(0, 0, b"d" * size)
    assert str(exchange.error).count("d" * 10) == min(size, 1024) // 10
