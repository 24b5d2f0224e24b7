"""Field blocks into fields (RFC 7541 §3, §6), and what a peer cannot do to us."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from hyper.hpack import decoder as module
from hyper.hpack.decoder import MAX_BLOCK_LENGTH, MAX_BLOCKS, Decoder
from hyper.hpack.exceptions import HPACKError, HPACKLimitError
from hyper.hpack.huffman import encode as huffman
from hyper.hpack.table import STATIC_TABLE

from ...memory import keeping

GET = (b":method", b"GET")
A, B = (b"a", b"1"), (b"b", b"2")
SIZE = 34  # of A and of B in a table or in a list (§4.1)


def integer(value: int, mask: int, kind: int = 0) -> bytes:
    """§5.1, as simple as it can be written."""
    if value < mask:
        return bytes((kind | value,))
    value -= mask
    rest = []
    while value >= 128:
        rest.append(value % 128 + 128)
        value //= 128
    return bytes((kind | mask, *rest, value))


def string(text: bytes, coded: bool = False) -> bytes:
    """§5.2."""
    octets = huffman(text) if coded else text
    return integer(len(octets), 127, 128 if coded else 0) + octets


def indexed(index: int) -> bytes:
    return integer(index, 127, 128)


def literal(name: bytes | int, value: bytes, kind: int = 0x40, coded: bool = False) -> bytes:
    """A literal whose name is spelt out, or is that of an index; 0x40 inserts it (§6.2)."""
    mask = 63 if kind == 0x40 else 15
    if isinstance(name, int):
        return integer(name, mask, kind) + string(value, coded)
    return bytes((kind,)) + string(name, coded) + string(value, coded)


def update(size: int) -> bytes:
    return integer(size, 31, 32)


def refuses(decoder: Decoder, block: bytes, match: str) -> None:
    """The block is an error, no limit's, and so is whatever comes after it."""
    with pytest.raises(HPACKError, match=match) as caught:
        decoder.decode(block)
    assert caught.type is HPACKError
    with pytest.raises(HPACKError, match="an earlier field block could not be decoded"):
        decoder.decode(b"\x82")


# Representations.


def test_a_block_of_no_fields_is_an_empty_list() -> None:
    assert Decoder().decode(b"") == []


@pytest.mark.parametrize("index", range(1, 62))
def test_every_entry_of_the_static_table_has_its_index(index: int) -> None:
    """§6.1, Appendix A."""
    assert Decoder().decode(indexed(index)) == [STATIC_TABLE[index - 1]]


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "Huffman"])
@pytest.mark.parametrize("kind", [0x40, 0x00, 0x10], ids=["inserted", "not indexed", "never"])
def test_literals_of_each_kind(kind: int, coded: bool) -> None:
    """§6.2.1, §6.2.2, §6.2.3: only the first enters the table."""
    decoder = Decoder()
    block = literal(b"name", b"value", kind, coded) + literal(1, b"example", kind, coded)
    block += literal(58, b"agent", kind, coded)  # an index of more than one octet, save for 0x40
    fields = [(b"name", b"value"), (b":authority", b"example"), (b"user-agent", b"agent")]
    assert decoder.decode(block) == fields
    assert decoder.table == (fields[::-1] if kind == 0x40 else [])


@pytest.mark.parametrize("kind", [0x40, 0x00, 0x10], ids=["inserted", "not indexed", "never"])
def test_a_literal_can_take_its_name_from_the_dynamic_table(kind: int) -> None:
    decoder = Decoder()
    decoder.decode(literal(b"a", b"1") + literal(b"b", b"2"))
    assert decoder.decode(literal(62, b"x", kind)) == [(b"b", b"x")]
    assert decoder.decode(literal(63 + (kind == 0x40), b"y", kind)) == [(b"a", b"y")]


def test_indices_of_more_than_one_octet() -> None:
    """§5.1: the last that fits, the first that does not, and far beyond."""
    decoder = Decoder()
    fields = [(b"%d" % number, b"") for number in range(110)]
    decoder.decode(b"".join(literal(name, b"") for name, _ in fields))
    assert len(decoder.table) == 110
    for index in (125, 126, 127, 128, 171):
        assert decoder.decode(indexed(index)) == [fields[171 - index]]
        assert decoder.decode(literal(index, b"x", 0)) == [(fields[171 - index][0], b"x")]


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "Huffman"])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 129, 254, 255, 256, 5000])
def test_strings_of_every_length(length: int, coded: bool) -> None:
    """§5.2: "&" takes eight bits, so its code is as long as the text."""
    text = b"&" * length
    assert Decoder().decode(literal(text, text, 0, coded)) == [(text, text)]
    assert Decoder().decode(literal(4, text, 0, coded) + indexed(2)) == [(b":path", text), GET]


def test_an_empty_name_is_the_message_layers_business() -> None:
    assert Decoder().decode(literal(b"", b"", 0)) == [(b"", b"")]


def test_the_same_field_twice_is_two_entries() -> None:
    """§2.3.2: the dynamic table can contain duplicates."""
    decoder = Decoder()
    decoder.decode(literal(b"a", b"1") * 2)
    assert decoder.table == [A, A]
    assert decoder.table_size == 2 * SIZE


# The dynamic table.


def test_the_oldest_entries_make_room() -> None:
    """§4.4, at the limit and one octet below it."""
    exact, narrow = Decoder(max_table_size=2 * SIZE), Decoder(max_table_size=2 * SIZE - 1)
    for decoder in exact, narrow:
        assert decoder.decode(literal(*A) + literal(*B)) == [A, B]
    assert (exact.table, exact.table_size) == ([B, A], 2 * SIZE)
    assert (narrow.table, narrow.table_size) == ([B], SIZE)


def test_an_entry_larger_than_the_table_empties_it_and_is_a_field_all_the_same() -> None:
    """§4.4: not an error."""
    decoder = Decoder(max_table_size=SIZE)
    decoder.decode(literal(*A))
    assert decoder.decode(literal(b"a", b"12")) == [(b"a", b"12")]
    assert (decoder.table, decoder.table_size) == ([], 0)


def test_a_name_may_come_from_the_entry_that_its_own_insertion_evicts() -> None:
    """§4.4: caution about deleting the referenced name before it is copied."""
    decoder = Decoder(max_table_size=SIZE)
    decoder.decode(literal(*A))
    assert decoder.decode(literal(62, b"2")) == [(b"a", b"2")]
    assert decoder.table == [(b"a", b"2")]


# Size updates (§4.2, §6.3).


def test_a_size_update_evicts() -> None:
    decoder = Decoder()
    decoder.decode(literal(*A) + literal(*B))
    assert decoder.decode(update(SIZE) + b"\x82") == [GET]
    assert decoder.table == [B]
    assert decoder.decode(update(0)) == []
    assert (decoder.table, decoder.table_size) == ([], 0)


@pytest.mark.parametrize("first", [0x40, 0x41, 0x7D, 0x82, 0x00, 0x10, 0x1E])
def test_any_field_may_follow_an_update(first: int) -> None:
    field = bytes((first,))
    if first < 0x80:
        field += (b"" if first & 0x0F else b"\x01a") + b"\x01b"
    assert Decoder().decode(update(100) + field) == Decoder().decode(field)


def test_a_block_of_its_own_may_be_all_that_an_update_needs() -> None:
    decoder = Decoder()
    assert decoder.decode(update(0) + update(4096)) == []
    decoder.decode(literal(*A))
    assert decoder.table == [A]


def test_an_update_to_the_limit_is_right_and_one_octet_more_is_not() -> None:
    assert Decoder(max_table_size=100).decode(update(100)) == []
    refuses(
        Decoder(max_table_size=100),
        update(101),
        r"update to 101 is above the limit of 100 \(RFC 7541 §6\.3\)",
    )


def test_two_updates_may_start_a_block_and_a_third_may_not() -> None:
    assert Decoder().decode(update(0) + update(40) + b"\x82") == [GET]
    refuses(Decoder(), update(0) + update(40) + update(50) + b"\x82", "or two other updates")
    refuses(Decoder(), (update(0) + update(4096)) * 500, "or two other updates")


def test_an_update_after_a_field_is_an_error() -> None:
    refuses(Decoder(), b"\x82" + update(100), r"follows a field or two other updates")
    refuses(Decoder(), update(100) + b"\x82" + update(100), r"\(RFC 7541 §4\.2\)")


def test_after_the_limit_was_lowered_the_next_block_must_start_with_an_update() -> None:
    decoder = Decoder()
    decoder.max_table_size = 100
    refuses(decoder, b"\x82", "does not start with the size update that a limit of 100 demands")


def test_an_empty_block_does_not_start_with_an_update_either() -> None:
    decoder = Decoder()
    decoder.max_table_size = 100
    refuses(decoder, b"", "demands")


def test_a_block_that_was_remembered_must_start_with_the_update_as_well() -> None:
    decoder = Decoder()
    decoder.decode(b"\x82")
    decoder.max_table_size = 4095
    refuses(decoder, b"\x82", "a limit of 4095 demands")


def test_the_update_that_was_demanded_frees_the_blocks_after_it() -> None:
    decoder = Decoder()
    decoder.decode(literal(*A))
    decoder.max_table_size = 100
    assert decoder.decode(update(100) + b"\xbe") == [A]
    assert decoder.decode(b"\xbe") == [A]
    refuses(decoder, update(101), "above the limit of 100")


def test_the_update_that_was_demanded_must_not_exceed_the_new_limit() -> None:
    decoder = Decoder()
    decoder.max_table_size = 100
    refuses(decoder, update(101), "update to 101 is above the limit of 100")


def test_of_several_limits_between_two_blocks_the_smallest_counts_first() -> None:
    """§4.2."""

    def changed() -> Decoder:
        decoder = Decoder()
        for size in 200, 50, 100, 300:
            decoder.max_table_size = size
        assert decoder.max_table_size == 300
        return decoder

    assert changed().decode(update(50) + update(300)) == []
    assert changed().decode(update(10)) == []
    refuses(changed(), update(51) + update(300), "update to 51 is above the limit of 50")
    refuses(changed(), update(50) + update(301), "update to 301 is above the limit of 300")


def test_a_limit_that_the_peer_keeps_already_demands_nothing() -> None:
    decoder = Decoder()
    decoder.decode(update(100))
    decoder.max_table_size = 100
    assert decoder.decode(b"\x82") == [GET]
    decoder.max_table_size = 8192
    assert decoder.decode(b"\x82") == [GET]
    assert decoder.decode(update(8192)) == []


# Integers (§5.1).


def test_an_integer_takes_five_octets_and_no_more() -> None:
    """4096 is the prefix, 0xe1 and 0x1f; zeros may follow, but not for ever."""
    assert Decoder().decode(bytes.fromhex("3fe19f8000")) == []
    refuses(Decoder(), bytes.fromhex("3fe19f808000"), r"more than 5 octets \(RFC 7541 §5\.1\)")
    refuses(Decoder(), b"\xff" * 1000, "more than 5 octets")


def test_the_largest_integer_is_only_a_number() -> None:
    """An index or a length of 2**28 is refused, not looked for."""
    refuses(Decoder(), b"\xff" * 4 + b"\x7f", "index 268435582 is beyond the tables' 61 entries")
    with pytest.raises(HPACKLimitError):
        Decoder().decode(b"\x00" + b"\x7f" + b"\xff" * 3 + b"\x7f")


# What is no field block.


def test_index_0_is_an_error() -> None:
    """§6.1."""
    refuses(Decoder(), b"\x80", r"index 0 \(RFC 7541 §6\.1\)")


@pytest.mark.parametrize(
    "block",
    [indexed(62), indexed(126), indexed(127), literal(62, b""), literal(63, b""), literal(99, b"")],
)
def test_an_index_beyond_the_tables_is_an_error(block: bytes) -> None:
    """§2.3.3."""
    refuses(Decoder(), block, r"is beyond the tables' 61 entries \(RFC 7541 §2\.3\.3\)")


def test_an_index_beyond_the_dynamic_table_is_named_with_its_size() -> None:
    decoder = Decoder()
    decoder.decode(literal(*A))
    refuses(decoder, indexed(63), "index 63 is beyond the tables' 62 entries")


WHOLE = (
    indexed(2)
    + literal(b"name", b"v" * 130)
    + literal(b"coded", b"c" * 300, 0, coded=True)
    + literal(62, b"short", 0x10, coded=True)
    + literal(58, b"agent", 0x10)
)


@pytest.mark.parametrize("prefix", [b"", update(1000), update(0) + update(4000)])
def test_a_block_cut_anywhere_is_an_error_or_has_fewer_fields(prefix: bytes) -> None:
    whole = Decoder().decode(prefix + WHOLE)
    assert len(whole) == 5
    short = 0
    for end in range(len(WHOLE)):
        block = prefix + WHOLE[:end]
        try:
            fields = Decoder().decode(block)
        except HPACKError:
            short += 1
        else:
            assert fields == whole[: len(fields)]
            assert len(fields) < 5
    assert short == len(WHOLE) - 5


@pytest.mark.parametrize(
    "block",
    [
        b"\x40",
        b"\x40\x01",
        b"\x40\x01a",
        b"\x40\x01a\x01",
        b"\x41",
        b"\x41\x05four",
        b"\x0f",
        b"\x00\x7f",
        b"\xff",
        b"\x3f",
        b"\x7f\x80",
        b"\x41\x7f\x00four",
    ],
)
def test_a_block_that_ends_within_a_field_is_an_error(block: bytes) -> None:
    refuses(Decoder(), block, rf"block of {len(block)} octets ends within a field \(RFC 7541 §6\)")


def test_a_string_that_is_no_huffman_code_is_an_error() -> None:
    """§5.2."""
    refuses(Decoder(), b"\x41\x81\x00", "not all ones")
    refuses(Decoder(), b"\x00\x84\xff\xff\xff\xff", "EOS")


def test_an_interrupt_within_a_block_is_the_decoders_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the block's insertions were made, so the tables no longer agree."""

    class Interrupted(dict[bytes, bytes]):
        def __missing__(self, data: bytes) -> bytes:
            raise KeyboardInterrupt

    decoder = Decoder()
    decoder.decode(b"\x82")
    with monkeypatch.context() as patch:
        patch.setattr(module, "decoded", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            decoder.decode(literal(*A) + literal(*B, coded=True))
    with pytest.raises(HPACKError, match="close the connection"):
        decoder.decode(b"\x82")


def test_after_a_failure_no_limit_and_no_update_helps() -> None:
    decoder = Decoder()
    refuses(decoder, b"\x80", "index 0")
    decoder.max_table_size = 0
    for block in b"", update(0), b"\x82":
        with pytest.raises(HPACKError, match="an earlier field block"):
            decoder.decode(block)


# Limits.


def beyond(decoder: Decoder, block: bytes, after: int) -> None:
    with pytest.raises(HPACKLimitError, match=rf"after {after} fields.*RFC 9113 §10\.5\.1"):
        decoder.decode(block)
    with pytest.raises(HPACKError, match="an earlier field block"):
        decoder.decode(b"")


@pytest.mark.parametrize(
    "last",
    [
        indexed(62),
        literal(b"a", b"1"),
        literal(b"a", b"1", 0),
        literal(62, b"1", 0x10, coded=True),
    ],
    ids=["indexed", "inserted", "not indexed", "never"],
)
def test_a_list_may_have_its_size_and_not_one_octet_more(last: bytes) -> None:
    """Name, value and 32 octets for every field (RFC 9113 §6.5.2)."""
    block = literal(*A) + indexed(62) + last
    assert Decoder(max_list_size=3 * SIZE).decode(block) == [A, A, A]
    beyond(Decoder(max_list_size=3 * SIZE - 1), block, after=2)


@pytest.mark.parametrize(
    "last", [indexed(62), literal(b"a", b"1"), literal(b"a", b"1", 0)], ids=str
)
def test_a_list_may_have_so_many_fields_and_not_one_more(last: bytes) -> None:
    block = literal(*A) + indexed(62) + last
    assert Decoder(max_fields=3).decode(block) == [A, A, A]
    beyond(Decoder(max_fields=2), block, after=2)


def test_each_list_counts_by_itself() -> None:
    decoder = Decoder(max_list_size=SIZE, max_fields=1)
    for _ in range(3):
        assert decoder.decode(literal(*A)) == [A]


def test_the_limits_by_default() -> None:
    """1000 fields, and 64 KiB."""
    assert len(Decoder().decode(b"\x82" * 1000)) == 1000
    beyond(Decoder(), b"\x82" * 1001, after=1000)

    def of(size: int) -> bytes:
        return literal(b"", b"x" * 32736, 0) + literal(b"", b"x" * (size - 32800), 0)

    assert len(Decoder().decode(of(65536))) == 2
    beyond(Decoder(), of(65537), after=1)


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "Huffman"])
@pytest.mark.parametrize("where", ["name", "value"])
def test_a_string_beyond_the_limit_is_not_even_made(
    coded: bool, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"&" * 1000
    name, value = (text, b"") if where == "name" else (b"", text)
    block = literal(name, value, 0, coded)
    assert Decoder(max_list_size=1032).decode(block) == [(name, value)]
    monkeypatch.setattr(module, "decoded", {huffman(b""): b""})  # knows no other
    beyond(Decoder(max_list_size=999), block, after=0)


def test_a_bomb_is_stopped_on_the_way() -> None:
    """CVE-2016-6581: one large entry, and as many octets of indices as there is room for."""
    decoder = Decoder()
    decoder.decode(literal(b"a", b"x" * 4000))
    beyond(decoder, indexed(62) * 16384, after=16)


def test_the_work_stops_where_the_limit_is_met() -> None:
    def lines(block: bytes) -> int:
        count = 0

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            with pytest.raises(HPACKLimitError):
                Decoder(max_fields=10).decode(block)
        finally:
            sys.settrace(before)
        return count

    assert lines(b"\x82" * 11) == lines(b"\x82" * 11_000)


# What is remembered.


def test_a_block_that_changes_nothing_is_decoded_once() -> None:
    decoder = Decoder()
    block = indexed(2) + literal(b"a", b"1", 0)
    fields = decoder.decode(block)
    assert decoder.decode(bytes(bytearray(block))) is fields


@pytest.mark.parametrize(
    "change",
    [
        lambda decoder: decoder.decode(literal(b"b", b"2")),
        lambda decoder: decoder.decode(update(2 * SIZE)),
        lambda decoder: decoder.decode(update(0)),
    ],
    ids=["insert", "resize", "evict"],
)
def test_a_change_of_the_table_is_a_new_generation(change: Callable[[Decoder], object]) -> None:
    decoder = Decoder()
    decoder.decode(literal(*A))
    block = indexed(2) + literal(b"c", b"3", 0)
    fields = decoder.decode(block)
    generation = decoder.generation
    change(decoder)
    assert decoder.generation > generation
    again = decoder.decode(block)
    assert again == fields
    assert again is not fields


def test_an_index_means_something_else_after_an_insertion() -> None:
    decoder = Decoder()
    decoder.decode(literal(*A))
    assert decoder.decode(indexed(62)) == [A]
    decoder.decode(literal(*B))
    assert decoder.decode(indexed(62)) == [B]


def test_blocks_that_change_nothing_are_no_new_generation() -> None:
    decoder = Decoder()
    decoder.decode(literal(*A))
    generation = decoder.generation
    decoder.decode(indexed(62) + indexed(2) + literal(b"c", b"3", 0))
    decoder.max_table_size = 8192
    assert decoder.generation == generation


def test_a_lowered_limit_and_a_failure_are_new_generations() -> None:
    """Whoever keeps results by generation must not answer from them any more."""
    decoder = Decoder()
    decoder.max_table_size = 100
    assert decoder.generation == 1
    with pytest.raises(HPACKError):
        decoder.decode(b"\x82")
    assert decoder.generation == 2


@pytest.mark.parametrize("block", [update(100), update(100) + b"\x82", literal(*A)])
def test_a_block_that_changes_something_is_never_remembered(block: bytes) -> None:
    decoder = Decoder()
    decoder.decode(block)
    generation = decoder.generation
    decoder.decode(block)
    assert decoder.generation > generation


def test_long_blocks_are_not_remembered() -> None:
    decoder = Decoder()
    longest = b"\x82" * MAX_BLOCK_LENGTH
    assert decoder.decode(longest) is decoder.decode(longest)
    longer = longest + b"\x82"
    assert decoder.decode(longer) is not decoder.decode(longer)


def test_ever_new_blocks_do_not_grow_the_memory() -> None:
    decoder = Decoder()
    blocks = [literal(b"a", b"%d" % number, 0) for number in range(MAX_BLOCKS + 1)]
    first = decoder.decode(blocks[0])
    for block in blocks[1:-1]:
        decoder.decode(block)
    assert decoder.decode(blocks[0]) is first
    last = decoder.decode(blocks[-1])  # one too many: start afresh
    assert decoder.decode(blocks[-1]) is last
    assert decoder.decode(blocks[0]) is not first


@pytest.mark.parametrize(("count", "size"), [(3000, 90), (60, 8000)], ids=["many", "long"])
def test_what_is_remembered_of_blocks_is_bounded_in_octets(count: int, size: int) -> None:
    """By any peer, for as long as the connection lives."""
    decoder = Decoder()
    with keeping(300_000):
        for number in range(count):
            value = b"%06d" % number + b"y" * size
            block = b"".join(literal(b"x", b"%d" % at + value, 0) for at in range(4))
            assert len(decoder.decode(block)) == 4
