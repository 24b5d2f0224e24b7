"""The pair over libnghttp2: what our own promises too, and what only it can get wrong."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import hyper.hpack
from hyper.hpack import HPACKError, HPACKLimitError, nghttp2
from hyper.hpack.huffman import encode as huffman

from ...backends import NEEDS_NGHTTP2

pytestmark = NEEDS_NGHTTP2

GET = (b":method", b"GET")
A, B = (b"a", b"1"), (b"b", b"2")
SIZE = 34  # of A and of B in a table or in a list (RFC 7541 §4.1)


def inserted(name: bytes, value: bytes) -> bytes:
    return b"\x40" + bytes((len(name),)) + name + bytes((len(value),)) + value


def update(size: int) -> bytes:
    assert size < 31 + 128
    return bytes((0x20 | size,)) if size < 31 else bytes((0x3F, size - 31))


def refuses(decoder: nghttp2.Decoder, block: bytes, match: str) -> None:
    before = decoder.generation
    with pytest.raises(HPACKError, match=match) as caught:
        decoder.decode(block)
    assert caught.type is HPACKError
    assert decoder.generation > before
    with pytest.raises(HPACKError, match="an earlier field block could not be decoded"):
        decoder.decode(b"\x82")


# The decoder.


def test_the_generation_moves_with_the_table_and_only_then() -> None:
    decoder = nghttp2.Decoder()
    seen = [decoder.generation]
    for block, moves in (
        (b"\x82", False),
        (inserted(*A), True),
        (b"\xbe", False),
        (b"\x10\x01a\x011", False),
        (b"\x00\x01a\x011", False),
        (update(100), True),
        (inserted(b"x", b"v" * 100), True),  # larger than the table, which is empty now
        (b"\x82", False),
    ):
        decoder.decode(block)
        assert (decoder.generation > seen[-1]) is moves
        seen.append(decoder.generation)
    assert (decoder.table, decoder.table_size) == ([], 0)


def test_a_table_that_starts_with_another_size() -> None:
    for size, left in (2 * SIZE, [B, A]), (2 * SIZE - 1, [B]), (0, []):
        decoder = nghttp2.Decoder(max_table_size=size)
        assert decoder.decode(inserted(*A) + inserted(*B)) == [A, B]
        assert decoder.table == left
        assert decoder.max_table_size == size
    wide = nghttp2.Decoder(max_table_size=65536)
    assert wide.decode(b"".join(inserted(b"%d" % n, b"v" * 100) for n in range(200)))
    assert len(wide.table) == 200


def test_size_updates_are_held_against_the_limit() -> None:
    """§4.2, §6.3: as in our own decoder, whose words these are."""
    refuses(nghttp2.Decoder(max_table_size=100), update(101), "update to 101 is above the limit")
    decoder = nghttp2.Decoder()
    assert decoder.decode(update(0) + update(40) + b"\x82") == [GET]
    refuses(decoder, update(0) + update(1) + update(2), "or two other updates")
    refuses(nghttp2.Decoder(), b"\x82" + update(1), "follows a field")


def test_after_the_limit_was_lowered_the_next_block_must_start_with_an_update() -> None:
    for block in b"", b"\x82":
        decoder = nghttp2.Decoder()
        before = decoder.generation
        decoder.max_table_size = 100
        assert decoder.generation > before
        refuses(decoder, block, "does not start with the size update that a limit of 100 demands")
    decoder = nghttp2.Decoder()
    decoder.decode(inserted(*A))
    for size in 200, 50, 100, 120:
        decoder.max_table_size = size
    assert decoder.decode(update(50) + update(120) + b"\xbe") == [A]
    refuses(decoder, update(121), "above the limit of 120")


def test_a_limit_that_the_peer_keeps_already_demands_nothing() -> None:
    decoder = nghttp2.Decoder()
    decoder.decode(update(100))
    decoder.max_table_size = 100
    assert decoder.decode(b"\x82") == [GET]


@pytest.mark.parametrize(
    "block",
    [
        b"\x40",
        b"\x40\x01",
        b"\x40\x01a",
        b"\x40\x01a\x02b",
        b"\x41\x05four",
        b"\x0f",
        b"\x7f\x80",
        b"\x41\x7f",
        b"\x00\x7f\xff",
    ],
)
def test_a_block_that_ends_within_a_field_says_so(block: bytes) -> None:
    refuses(nghttp2.Decoder(), block, f"block of {len(block)} octets ends within a field")


@pytest.mark.parametrize(
    "block", [b"\xbe", b"\x7e\x01a", b"\x0f\x2f\x01a", b"\x7e\x7f\xff\xff\x7f"]
)
def test_an_index_beyond_the_tables_is_named(block: bytes) -> None:
    refuses(nghttp2.Decoder(), block, r"index 62 is beyond the tables' 61 entries")


def test_an_integer_without_end_is_named() -> None:
    refuses(nghttp2.Decoder(), b"\xff" * 100, "more than 5 octets")


@pytest.mark.parametrize("block", [b"\x80", b"\x41\x81\x00", b"\x00\x01a\x84\xff\xff\xff\xff"])
def test_what_is_no_field_is_named_by_its_place(block: bytes) -> None:
    refuses(nghttp2.Decoder(), b"\x82" + block, f"octet 1 of a block of {len(block) + 1}")


def beyond(decoder: nghttp2.Decoder, block: bytes, after: int) -> None:
    with pytest.raises(HPACKLimitError, match=rf"after {after} fields.*RFC 9113 §10\.5\.1"):
        decoder.decode(block)
    with pytest.raises(HPACKError, match="an earlier field block"):
        decoder.decode(b"")


def test_a_list_may_have_its_size_and_its_fields_and_not_one_more() -> None:
    block = inserted(*A) + b"\xbe\xbe"
    assert nghttp2.Decoder(max_list_size=3 * SIZE, max_fields=3).decode(block) == [A, A, A]
    beyond(nghttp2.Decoder(max_list_size=3 * SIZE - 1), block, after=2)
    beyond(nghttp2.Decoder(max_fields=2), block, after=2)


@pytest.mark.parametrize("start", [b"\x00", b"\x00\x01a", b"\x04", b"\x41", b"\x0f\x2e"])
def test_a_string_without_end_is_a_limit_and_no_mistake(start: bytes) -> None:
    """A length beyond the limit is refused before its octets have come."""
    beyond(nghttp2.Decoder(), b"\x82" + start + b"\x7f\x82\xff\x03", after=1)


def test_a_string_that_libnghttp2_does_not_take_is_a_limit_as_well() -> None:
    text = b"v" * 65537
    block = b"\x04\x7f\x82\xff\x03" + text
    assert hyper.hpack.Decoder(max_list_size=1 << 20).decode(block) == [(b":path", text)]
    beyond(nghttp2.Decoder(max_list_size=1 << 20), block, after=0)
    coded = huffman(b"0" * 80000)
    assert len(coded) < 65536
    beyond(nghttp2.Decoder(), b"\x04\xff" + b"\xd1\x85\x03" + coded, after=0)


def test_an_interrupt_within_a_block_is_the_decoders_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any) -> None:
        raise KeyboardInterrupt

    decoder = nghttp2.Decoder()
    with monkeypatch.context() as patch:
        patch.setattr(nghttp2._Found, "field", interrupted)
        with pytest.raises(KeyboardInterrupt):
            decoder.decode(inserted(*A))
    with pytest.raises(HPACKError, match="close the connection"):
        decoder.decode(b"\x82")


# The encoder.


def test_secrets_are_never_indexed() -> None:
    """§7.1.3: what a size must not give away, and what the caller names."""
    secrets = [
        (b"authorization", b"Bearer 0123456789abcdef"),
        (b"proxy-authorization", b"Basic eDp5"),
        (b"cookie", b"id=1"),
        (b"set-cookie", b"id=1"),
        (b"x-token", b"0123456789abcdef"),
    ]
    encoder = nghttp2.Encoder()
    for field in secrets:
        block = encoder.encode([field], (b"x-token",))
        assert 0x10 <= block[0] < 0x20, field
        assert hyper.hpack.Decoder().decode(block) == [field]
    assert (encoder.table, encoder.table_size) == ([], 0)
    assert encoder.encode([(b"x-token", b"1")])[0] == 0x40


def test_a_table_takes_4096_octets_at_most_and_a_new_size_is_announced() -> None:
    encoder, decoder = nghttp2.Encoder(), hyper.hpack.Decoder()
    encoder.resize(65536)
    encoder.resize(4096)
    assert encoder.encode([GET]) == b"\x82", "nothing has changed"
    for sizes, begin in ([100], update(100)), ([0, 120], update(0) + update(120)):
        for size in sizes:
            encoder.resize(size)
            decoder.max_table_size = size
        block = encoder.encode([A])
        assert block.startswith(begin)
        assert decoder.decode(block) == [A]
        assert decoder.table == encoder.table == [A]


def test_a_block_longer_than_the_buffer() -> None:
    fields = [(b"x-%d" % number, b"\xff" * 1000) for number in range(20)]
    assert nghttp2.Decoder().decode(nghttp2.Encoder().encode(fields)) == fields


@pytest.mark.parametrize(
    "fields", [[GET, ("a", "1")], [(b"a", None)], [(b"a", bytearray(b"1"))], [(1, b"a")], [(b"a",)]]
)
def test_what_is_not_octets_is_refused_and_changes_nothing(fields: Any) -> None:
    encoder = nghttp2.Encoder()
    encoder.encode([A])
    with pytest.raises((TypeError, ValueError)):
        encoder.encode(fields)
    assert encoder.encode([A]) == b"\xbe"


def test_a_lost_block_empties_both_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went into the table before an interrupt has not reached the peer."""

    def interrupted(*args: object) -> bytes:
        raise KeyboardInterrupt

    encoder, decoder = nghttp2.Encoder(), hyper.hpack.Decoder()
    encoder.resize(200)
    assert decoder.decode(encoder.encode([A])) == [A]
    with monkeypatch.context() as patch:
        patch.setattr(ctypes, "string_at", interrupted)
        with pytest.raises(KeyboardInterrupt):
            encoder.encode([B])
    assert encoder.table == []
    block = encoder.encode([A, B])
    assert block.startswith(b"\x20\x3f\xa9\x01")  # 0, and 200 again
    assert decoder.decode(block) == [A, B]
    assert decoder.table == encoder.table == [B, A]


def failing(function: str, answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one function of the library fail, as it does when there is no memory."""
    monkeypatch.setattr(nghttp2.library(), f"nghttp2_hd_{function}", lambda *args: answer)


def test_no_memory_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = nghttp2.Encoder()
    encoder.encode([A])
    with monkeypatch.context() as patch:
        failing("deflate_hd", -901, patch)
        with pytest.raises(MemoryError, match="could not encode 1 fields: error -901"):
            encoder.encode([A])
    assert encoder.encode([A]).startswith(b"\x20\x3f"), "it starts afresh"
    for kind, make in ("deflate", nghttp2.Encoder), ("inflate", nghttp2.Decoder):
        with monkeypatch.context() as patch:
            failing(f"{kind}_new", -901, patch)
            with pytest.raises(MemoryError, match="no memory for another"):
                make()


# Objects, memory, threads.


@pytest.mark.parametrize("make", [nghttp2.Encoder, nghttp2.Decoder])
def test_what_the_library_made_is_freed_once(
    make: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    lib = nghttp2.library()
    freed: list[int] = []
    for name in "nghttp2_hd_deflate_del", "nghttp2_hd_inflate_del":
        real = getattr(lib, name)

        def free(pointer: ctypes.c_void_p, real: Any = real) -> None:
            assert pointer.value is not None
            freed.append(pointer.value)
            real(pointer)

        monkeypatch.setattr(lib, name, free)
    made = [make() for _ in range(5)]
    assert freed == []
    del made
    gc.collect()
    assert len(set(freed)) == len(freed) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_memory_does_not_grow() -> None:
    def resident() -> int:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * 4096

    def rounds(count: int) -> None:
        for number in range(count):
            encoder, decoder = nghttp2.Encoder(), nghttp2.Decoder()
            fields = [(b"x-%d" % number, b"v" * 3000)]
            assert decoder.decode(encoder.encode(fields)) == fields
            with pytest.raises(HPACKError):
                decoder.decode(b"\xff")

    rounds(200)
    before = resident()
    rounds(2000)  # 3 kB each, four times over: 24 MB if nothing were freed
    assert resident() - before < 4_000_000


def test_overlapping_calls_are_refused_and_do_no_harm() -> None:
    """Two threads in one object of the C library would corrupt memory."""
    encoder, decoder = nghttp2.Encoder(), nghttp2.Decoder()
    calls: list[Callable[[], object]] = [
        lambda: encoder.encode([A]),
        lambda: encoder.resize(100),
        lambda: encoder.table,
        lambda: encoder.table_size,
        lambda: decoder.decode(b"\x82"),
        lambda: setattr(decoder, "max_table_size", 100),
        lambda: decoder.table,
        lambda: decoder.table_size,
    ]
    handles = encoder._idle.pop(), decoder._idle.pop()
    for call in calls:
        with pytest.raises(RuntimeError, match="two threads use one HPACK object"):
            call()
    encoder._idle.append(handles[0])
    decoder._idle.append(handles[1])
    assert decoder.decode(encoder.encode([A])) == [A]


def test_threads_each_with_their_own_pair() -> None:
    wrong: list[object] = []

    def converse(number: int) -> None:
        encoder, decoder = nghttp2.Encoder(), nghttp2.Decoder()
        for turn in range(200):
            fields = [GET, (b"x-thread", b"%d" % number), (b"x-turn", b"%d" % turn)]
            found = decoder.decode(encoder.encode(fields))
            if found != fields:
                wrong.append(found)

    threads = [threading.Thread(target=converse, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Which library.


@pytest.fixture
def fresh() -> Iterator[None]:
    """The library is looked for anew, in this test and after it."""
    nghttp2.library.cache_clear()
    yield
    nghttp2.library.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_without_a_library_the_error_names_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nghttp2, "_NAMES", ("libno-such-thing.so",))
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    monkeypatch.setitem(sys.modules, "nghttp2", None)
    with pytest.raises(ImportError, match=r"libno-such-thing\.so.*choose the 'python' HPACK"):
        nghttp2.Encoder()


@pytest.mark.usefixtures("fresh")
def test_a_library_without_these_functions_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    names = nghttp2._NAMES
    real = ctypes.util.find_library
    monkeypatch.setitem(sys.modules, "nghttp2", None)
    monkeypatch.setattr(nghttp2, "_NAMES", (real("c"),))
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: names[0])
    assert nghttp2.library()._name == names[0]


@pytest.mark.usefixtures("fresh")
def test_the_binding_leads_to_what_it_is_linked_with(monkeypatch: pytest.MonkeyPatch) -> None:
    names = nghttp2._NAMES
    monkeypatch.setattr(nghttp2, "_NAMES", ())
    monkeypatch.setitem(sys.modules, "nghttp2", SimpleNamespace(__file__=names[0]))
    assert nghttp2.library()._name == names[0]
