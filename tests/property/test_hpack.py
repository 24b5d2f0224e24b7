"""HPACK: any fields arrive as they were, and any octets do no harm."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import hpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyper.hpack import Backend, Decoder, HPACKError, HPACKLimitError, backend
from hyper.hpack.huffman import decoded, encode

from ..backends import BACKENDS, NEEDS_NGHTTP2

Fields = list[tuple[bytes, bytes]]

names = st.one_of(
    st.sampled_from(
        (b":path", b":status", b"accept", b"cookie", b"authorization", b"content-length", b"x-a")
    ),
    st.binary(max_size=12),
)
values = st.one_of(
    st.sampled_from((b"", b"1", b"200", b"gzip, deflate", b"v" * 130, b"w" * 2100)),
    st.binary(max_size=40),
    st.integers(0, 9).map(lambda number: b"%d" % number),
)
lists = st.lists(st.tuples(names, values), max_size=12)
sizes = st.sampled_from((0, 31, 33, 100, 500, 4095, 4096, 65536))
#: A conversation: before each block the table may be given other sizes.
conversations = st.lists(
    st.tuples(lists, st.lists(sizes, max_size=3), st.sets(names, max_size=2)), max_size=12
)

# Octets that are more like a field block than chance would have it.
representations = st.one_of(
    st.integers(0, 255).map(lambda octet: bytes((octet,))),
    st.sampled_from((b"\x82", b"\xbe", b"\xbf", b"\x41\x01a", b"\x00\x01a\x01b", b"\x20", b"\x3f")),
    st.binary(max_size=5).map(lambda text: b"\x40" + bytes((len(text),)) + text + b"\x00"),
    st.binary(max_size=9).map(lambda text: b"\x44" + bytes((0x80 | len(text),)) + text),
    st.binary(max_size=9).map(encode).map(lambda text: b"\x44" + bytes((0x80 | len(text),)) + text),
)
blocks = st.one_of(st.binary(max_size=200), st.lists(representations).map(b"".join))


def size(fields: Fields) -> int:
    return sum(len(name) + len(value) + 32 for name, value in fields)


@BACKENDS
@given(conversation=conversations)
def test_any_fields_arrive_as_they_were(
    pair: Backend, conversation: list[tuple[Fields, list[int], Any]]
) -> None:
    encoder, decoder = pair.Encoder(), pair.Decoder(max_list_size=1 << 20)
    theirs = hpack.Decoder(max_header_list_size=1 << 20)
    for fields, resizes, never_index in conversation:
        for limit in resizes:
            encoder.resize(limit)
            decoder.max_table_size = limit
        block = encoder.encode(fields, never_index)
        assert decoder.decode(block) == fields
        assert decoder.table == encoder.table
        assert decoder.table_size == encoder.table_size == size(decoder.table) <= 4096
        assert [tuple(field) for field in theirs.decode(block, raw=True)] == fields
        assert not any(name == b"authorization" and value for name, value in encoder.table)


@BACKENDS
@given(conversation=st.lists(lists, max_size=12), coded=st.booleans())
def test_their_blocks_are_read_as_they_were_meant(
    pair: Backend, conversation: list[Fields], coded: bool
) -> None:
    encoder, decoder = hpack.Encoder(), pair.Decoder()
    for fields in conversation:
        block = encoder.encode(fields, huffman=coded)
        assert decoder.decode(block) == fields
        assert decoder.decode(b"") == []
        assert decoder.table == list(encoder.header_table.dynamic_entries)


@BACKENDS
@given(stream=st.lists(blocks, max_size=6))
@example(stream=[b"\xff" * 100])
@example(stream=[b"\x40\x00\x00" * 60, b"\xbe" * 200])
def test_any_octets_are_fields_within_the_limits_or_an_error(
    pair: Backend, stream: list[bytes]
) -> None:
    decoder = pair.Decoder(max_table_size=200, max_list_size=500, max_fields=9)
    for block in stream:
        before = decoder.generation
        table = decoder.table
        try:
            fields = decoder.decode(block)
        except HPACKError:
            assert decoder.generation > before
            break
        assert len(fields) <= 9
        assert size(fields) <= 500
        assert decoder.table_size == size(decoder.table) <= 200
        assert decoder.generation > before or decoder.table == table


@BACKENDS
@given(stream=st.lists(blocks, max_size=6))
def test_ours_and_theirs_agree_on_any_octets(pair: Backend, stream: list[bytes]) -> None:
    """What both accept means the same; what only one accepts is a limit of the other."""
    decoder, theirs = pair.Decoder(), hpack.Decoder()
    for block in stream:
        try:
            expected = [tuple(field) for field in theirs.decode(block, raw=True)]
        except hpack.HPACKError:
            expected = None
        except IndexError:  # theirs, for a string that is cut off before its length
            expected = None
        try:
            fields = decoder.decode(block)
        except HPACKError as error:
            # They bound neither the number of updates nor an integer of six octets.
            ours_alone = ("two other updates", "more than 5 octets")
            assert expected is None or any(words in str(error) for words in ours_alone)
            return
        if expected is None:
            return
        assert fields == expected
        assert decoder.table == [tuple(f) for f in theirs.header_table.dynamic_entries]


@given(st.binary(max_size=300))
def test_a_huffman_string_survives_both_ways(text: bytes) -> None:
    assert decoded[encode(text)] == text


@given(st.binary(max_size=100))
def test_any_octets_are_the_one_code_of_their_text_or_an_error(data: bytes) -> None:
    """§5.2: the code is complete and its padding is fixed, so no text has two codes."""
    try:
        text = decoded[data]
    except HPACKError:
        return
    assert encode(text) == data


def lines(block: bytes, decoder: Decoder) -> int:
    """Lines of Python that decoding takes: work that no busy machine can blur."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        decoder.decode(block)
    except HPACKError:
        pass
    finally:
        sys.settrace(before)
    return count


@settings(max_examples=50)
@given(st.one_of(blocks, st.lists(representations, min_size=20).map(b"".join)))
@example(b"\x40\x00\x00" * 60)
@example(b"\x40\x0a0123456789\x00" * 12 + b"\x20")
@example(b"\x40\x00\x7f\x81\x01" + b"x" * 256 + b"\x82" * 50)
@example(b"\x00\x85\xff\xff\xff\xff\xff" * 20)
def test_the_work_is_in_proportion_to_the_octets(block: bytes) -> None:
    """At most so many lines an octet, and 40 a block, wherever it ends and however it evicts.

    A Huffman-coded octet whose step is not known yet takes the most: eight bits, five lines each.
    """
    for table in 0, 100, 4096:
        decoded.clear()
        assert lines(block, Decoder(max_table_size=table)) <= 60 * len(block) + 40


@BACKENDS
@given(fields=st.integers(1, 40), octets=st.integers(0, 3000))
def test_what_is_held_is_bounded_before_it_is_made(pair: Backend, fields: int, octets: int) -> None:
    """The last field that fits is given; one more octet or field is refused."""
    whole = [(b"n", b"v" * (octets // fields))] * fields
    encoder = pair.Encoder()
    block = encoder.encode(whole)
    assert pair.Decoder(max_list_size=size(whole), max_fields=fields).decode(block) == whole
    for bound in {"max_list_size": size(whole) - 1}, {"max_fields": fields - 1}:
        try:
            pair.Decoder(**bound).decode(block)
        except HPACKLimitError:
            continue
        raise AssertionError(bound)


@NEEDS_NGHTTP2
@given(stream=st.lists(blocks, max_size=6))
def test_both_of_ours_agree_on_any_octets(stream: list[bytes]) -> None:
    """One accepts what the other does, and the tables move together."""
    ours, theirs = (
        backend(name).Decoder(max_table_size=200, max_list_size=900, max_fields=12)
        for name in ("python", "nghttp2")
    )
    for block in stream:
        outcomes: list[Any] = []
        for decoder in ours, theirs:
            try:
                outcomes.append((decoder.decode(block), decoder.table, decoder.generation))
            except HPACKError:
                # Of two mistakes in one field each names the one that it meets first.
                outcomes.append("refused")
        assert outcomes[0] == outcomes[1]
        if isinstance(outcomes[0], str):
            break
