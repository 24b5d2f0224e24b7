"""Fields into field blocks (RFC 7541 §6): what is indexed, what never is, what is remembered."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hyper.hpack.decoder import Decoder
from hyper.hpack.encoder import (
    MAX_GROUP_FIELDS,
    MAX_GROUP_LENGTH,
    MAX_GROUPS,
    MAX_SEEN,
    MAX_TABLE_SIZE,
    MAX_TRIES,
    MEMO_OVERHEAD,
    MEMO_SIZE,
    MIN_UNIQUE_HUFFMAN,
    Encoder,
)
from hyper.hpack.huffman import encode as huffman

Field = tuple[bytes, bytes]

#: The representation in the highest bits of a field's first octet (§6).
INDEXED, INSERTED, NEVER, PLAIN = "indexed", "inserted", "never indexed", "not indexed"

REQUEST = [
    (b":method", b"GET"),
    (b":authority", b"example.org"),
    (b":scheme", b"https"),
    (b":path", b"/"),
    (b"user-agent", b"hyper"),
    (b"accept", b"*/*"),
]


def kind(block: bytes) -> str:
    """How the only field of a block is represented."""
    first = block[0]
    if first & 0x80:
        return INDEXED
    if first & 0x40:
        return INSERTED
    return NEVER if first & 0x10 else PLAIN


class Pair:
    """An encoder and the peer's decoder: whatever is encoded has to arrive as it was."""

    def __init__(self) -> None:
        self.encoder = Encoder()
        self.decoder = Decoder(max_list_size=1 << 24)

    def send(self, *fields: Field, never_index: Any = ()) -> bytes:
        block = self.encoder.encode(fields, never_index)
        assert self.decoder.decode(block) == list(fields)
        assert self.decoder.table == self.encoder.table
        assert self.decoder.table_size == self.encoder.table_size <= MAX_TABLE_SIZE
        return block

    def kinds(self, field: Field, times: int, never_index: Any = ()) -> list[str]:
        return [kind(self.send(field, never_index=never_index)) for _ in range(times)]


@pytest.fixture
def pair() -> Pair:
    return Pair()


# What is indexed.


def test_a_block_of_no_fields_is_empty(pair: Pair) -> None:
    assert pair.send() == b""


def test_fields_of_the_static_table_are_one_octet(pair: Pair) -> None:
    """§6.1."""
    assert pair.send((b":method", b"GET"), (b":path", b"/index.html")) == b"\x82\x85"
    assert pair.send((b"accept-encoding", b"gzip, deflate")) == b"\x90"
    assert pair.encoder.table == []


@pytest.mark.parametrize(
    "field",
    [
        (b":authority", b"example.org"),
        (b"user-agent", b"hyper"),
        (b"cookie", b"id=0123456789abcdef0"),
        (b"content-type", b"text/plain"),
        (b":method", b"PATCH"),
    ],
)
def test_what_comes_again_as_a_rule_is_inserted_at_once(pair: Pair, field: Field) -> None:
    assert pair.kinds(field, 3) == [INSERTED, INDEXED, INDEXED]
    assert pair.encoder.table == [field]


@pytest.mark.parametrize("name", [b"link", b"x-known"])
def test_other_fields_are_inserted_on_second_sight(pair: Pair, name: bytes) -> None:
    if name == b"x-known":
        pair.send((name, b"first"))
    assert pair.kinds((name, b"value"), 4) == [PLAIN, INSERTED, INDEXED, INDEXED]


def test_a_common_field_that_is_ever_new_moves_the_table_no_more(pair: Pair) -> None:
    """A cookie that counts visits, say."""
    cookies = [(b"cookie", b"session=0123456789abcdef; visit=%d" % visit) for visit in range(9)]
    tries = [INSERTED] * (MAX_TRIES + 1)
    assert [kind(pair.send(cookie)) for cookie in cookies] == tries + [PLAIN] * (9 - len(tries))
    assert pair.encoder.table == cookies[MAX_TRIES::-1]
    # One that comes again after all is inserted, as any other field is.
    assert pair.kinds(cookies[-1], 3) == [INSERTED, INDEXED, INDEXED]


def test_a_common_field_that_was_used_again_may_change(pair: Pair) -> None:
    for visit in range(9):
        cookie = (b"cookie", b"session=0123456789abcdef; visit=%d" % visit)
        assert pair.kinds(cookie, 2) == [INSERTED, INDEXED]


def test_tries_count_in_a_row_and_for_one_name(pair: Pair) -> None:
    def cookie(visit: int) -> Field:
        return (b"cookie", b"session=0123456789abcdef; visit=%d" % visit)

    for visit in range(MAX_TRIES):
        pair.send(cookie(visit))
    assert pair.kinds(cookie(100), 2) == [INSERTED, INDEXED]
    for visit in range(MAX_TRIES + 1):
        assert kind(pair.send(cookie(200 + visit))) == INSERTED
    assert kind(pair.send(cookie(300))) == PLAIN
    assert kind(pair.send((b"accept", b"text/plain"))) == INSERTED


def test_a_new_name_is_inserted_at_once_and_its_next_values_refer_to_it(pair: Pair) -> None:
    name = b"x-request-id-of-ours"
    assert kind(pair.send((name, b"1"))) == INSERTED
    block = pair.send((name, b"2"))
    assert kind(block) == PLAIN
    assert len(block) == 4


@pytest.mark.parametrize(
    "name", [b":path", b"content-length", b"if-none-match", b"if-modified-since", b"range", b"age"]
)
def test_values_of_one_message_are_never_inserted(pair: Pair, name: bytes) -> None:
    assert pair.kinds((name, b"123"), 3) == [PLAIN] * 3
    assert pair.encoder.table == []


def test_a_field_of_more_than_half_the_table_is_not_inserted(pair: Pair) -> None:
    most = 4096 // 2 - 32 - len(b"user-agent")
    assert pair.kinds((b"user-agent", b"x" * (most + 1)), 3) == [PLAIN] * 3
    assert pair.kinds((b"x-own", b"x" * 2100), 3) == [PLAIN] * 3
    assert pair.kinds((b"user-agent", b"x" * most), 2) == [INSERTED, INDEXED]


def test_without_a_table_nothing_is_inserted(pair: Pair) -> None:
    pair.encoder.resize(0)
    pair.send()
    assert pair.kinds((b"user-agent", b"hyper"), 3) == [PLAIN] * 3
    assert pair.kinds((b"accept-charset", b""), 1) == [INDEXED]


def test_indices_of_one_octet_and_of_two(pair: Pair) -> None:
    """§5.1: with 110 entries, an index is 62 to 171."""
    fields = [(b"%d" % number, b"") for number in range(110)]
    pair.send(*fields)
    blocks = [pair.send(field) for field in reversed(fields)]
    assert [block.hex() for block in blocks[64:67]] == ["fe", "ff00", "ff01"]
    assert blocks[-1].hex() == "ff2c"
    pair.send(*[(name, b"new") for name, _ in fields])


# Secrets (§7.1.3).


@pytest.mark.parametrize(
    "field",
    [
        (b"authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (b"proxy-authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (b"cookie", b"id=0123456789abcdef"),
        (b"set-cookie", b"id=0123456789abcdef"),
    ],
)
def test_secrets_are_never_indexed(pair: Pair, field: Field) -> None:
    assert pair.kinds(field, 4) == [NEVER] * 4
    assert pair.encoder.table == []


def test_cookies_count_as_guessable_under_20_octets(pair: Pair) -> None:
    assert pair.kinds((b"cookie", b"x" * 19), 3) == [NEVER] * 3
    assert pair.kinds((b"cookie", b"x" * 20), 3) == [INSERTED, INDEXED, INDEXED]


@pytest.mark.parametrize("names", [{b"x-key", b"accept"}, (b"accept", b"x-key"), [b"x-key"]])
def test_the_caller_can_name_more_secrets(pair: Pair, names: Any) -> None:
    assert pair.kinds((b"x-key", b"secret"), 3, names) == [NEVER] * 3
    assert pair.encoder.table == []


def test_a_secret_stays_one_beside_a_table_that_knows_it(pair: Pair) -> None:
    """Sent openly before: from now on it is a literal all the same, for every hop."""
    pair.send((b"x-key", b"secret"))
    pair.send((b":status", b"200"))
    assert pair.kinds((b"x-key", b"secret"), 2, {b"x-key"}) == [NEVER] * 2
    assert pair.kinds((b":status", b"200"), 1, {b":status"}) == [NEVER]
    assert kind(pair.send((b"x-key", b"secret"))) == INDEXED


def test_fields_beside_a_secret_are_indexed_as_ever(pair: Pair) -> None:
    fields = [(b"accept", b"*/*"), (b"x-key", b"secret"), (b"user-agent", b"hyper")]
    pair.send(*fields, never_index={b"x-key"})
    assert pair.encoder.table == [fields[2], fields[0]]
    block = pair.send(*fields, never_index={b"x-key"})
    assert (block[0], block[-1]) == (0xBF, 0xBE)


def test_an_insertion_beside_a_secret_moves_what_was_remembered(pair: Pair) -> None:
    pair.send(*REQUEST)
    pair.send(*REQUEST)
    pair.send((b"x-key", b"secret"), (b"x-new", b"1"), never_index={b"x-key"})
    pair.send(*REQUEST)


# Strings (§5.2).


def test_huffman_is_used_where_it_is_shorter(pair: Pair) -> None:
    assert pair.send((b"user-agent", b"aaaaaaaa")) == b"\x7a\x85" + huffman(b"aaaaaaaa")
    assert pair.send((b"user-agent", b"&&&")) == b"\x7a\x03&&&"


def test_values_of_one_message_are_huffman_coded_only_if_long(pair: Pair) -> None:
    short = b"/" + b"a" * (MIN_UNIQUE_HUFFMAN - 2)
    assert pair.send((b":path", short)) == b"\x04\x1f" + short
    long = short + b"a"
    assert pair.send((b":path", long)) == b"\x04\x95" + huffman(long)


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 256, 20_000, 300_000])
def test_strings_of_every_length(pair: Pair, length: int) -> None:
    for octet in b"a", b"&", b"\n":
        text = octet * length
        pair.send((b":path", text), (b"accept", text), (text, b"x"), (b"x-" + text, text))


@pytest.mark.parametrize(
    ("length", "octets"),
    [(126, "7e"), (127, "7f00"), (128, "7f01"), (254, "7f7f"), (255, "7f8001"), (1337, "7fba09")],
)
def test_integers_are_as_short_as_can_be(pair: Pair, length: int, octets: str) -> None:
    """§5.1."""
    assert pair.send((b":path", b"&" * length))[1:].startswith(bytes.fromhex(octets) + b"&")


# Size updates (§4.2).


def updates(block: bytes) -> list[int]:
    """The size updates that a block starts with."""
    sizes = []
    while block and block[0] & 0xE0 == 0x20:
        size = block[0] & 0x1F
        block = block[1:]
        if size == 0x1F:
            for shift in range(0, 28, 7):
                octet, block = block[0], block[1:]
                size += (octet & 0x7F) << shift
                if octet < 0x80:
                    break
        sizes.append(size)
    return sizes


@pytest.mark.parametrize(
    ("sizes", "announced"),
    [
        ([], []),
        ([4096], []),
        ([65536], []),
        ([2**32 - 1], []),
        ([4095], [4095]),
        ([0], [0]),
        ([30], [30]),
        ([31], [31]),
        ([100, 200], [100, 200]),
        ([200, 100], [100]),
        ([0, 4096], [0, 4096]),
        ([0, 65536], [0, 4096]),
        ([300, 50, 700, 100, 200], [50, 200]),
        ([100, 100], [100]),
    ],
)
def test_the_smallest_size_comes_first_and_then_the_last(
    pair: Pair, sizes: list[int], announced: list[int]
) -> None:
    pair.send((b"user-agent", b"hyper"))
    for size in sizes:
        pair.encoder.resize(size)
    assert updates(pair.send((b"user-agent", b"hyper"))) == announced
    assert updates(pair.send((b"user-agent", b"hyper"))) == []


def test_a_size_that_was_announced_is_announced_again_only_when_it_changes(pair: Pair) -> None:
    pair.encoder.resize(100)
    pair.send()
    pair.encoder.resize(100)
    assert pair.send() == b""
    pair.encoder.resize(50)
    pair.encoder.resize(100)
    assert updates(pair.send()) == [50, 100]
    pair.encoder.resize(200)
    pair.encoder.resize(100)
    assert pair.send() == b""
    pair.encoder.resize(4096)
    assert updates(pair.send()) == [4096]


def test_a_smaller_table_forgets_what_it_evicts(pair: Pair) -> None:
    for field in REQUEST:
        pair.send(field)
    pair.encoder.resize(len(b"accept*/*") + 32)
    assert pair.encoder.table == [(b"accept", b"*/*")]
    pair.send(*REQUEST)
    pair.encoder.resize(0)
    pair.encoder.resize(4096)
    assert pair.encoder.table == []
    pair.send(*REQUEST)
    pair.send(*REQUEST)


def test_updates_stand_before_secrets_too(pair: Pair) -> None:
    pair.encoder.resize(100)
    block = pair.send((b"x-key", b"secret"), never_index={b"x-key"})
    assert updates(block) == [100]


# What cannot be encoded.


BAD: list[Any] = [
    (b"x-bad", None),
    (b"x-bad", 7),
    (b"only a name",),
    None,
    [b"accept", b"a list"],
]


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("never_index", [(), {b"x-key"}], ids=["open", "secret"])
@pytest.mark.parametrize("size", [None, 0, 500, 4096])
def test_a_block_that_was_never_made_leaves_no_trace_in_the_next(
    pair: Pair, bad: Any, never_index: Any, size: int | None
) -> None:
    """Fields before the bad one went into our table, and the peer never saw them."""
    pair.send(*REQUEST)
    if size is not None:
        pair.encoder.resize(size)
    with pytest.raises((TypeError, ValueError)):
        pair.encoder.encode([(b"x-good", b"1"), *REQUEST, bad], never_index)
    for _ in range(3):
        pair.send(*REQUEST, (b"x-good", b"1"))


def test_a_block_that_fails_twice_is_announced_once(pair: Pair) -> None:
    pair.send(*REQUEST)
    for _ in range(2):
        with pytest.raises(TypeError):
            pair.encoder.encode([(b"x-good", b"1"), BAD[0]])
    assert updates(pair.send()) == [0, 4096]


def test_fields_that_never_came_leave_nothing_to_repair(pair: Pair) -> None:
    def fields() -> Iterator[Field]:
        yield b"x-good", b"1"
        raise KeyError

    with pytest.raises(KeyError):
        pair.encoder.encode(fields())
    assert pair.send() == b""


# What is remembered: speed, and its bounds.


def calls(encoder: Encoder, fields: list[Field]) -> int:
    """Python functions that one call of ``encode`` enters."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        encoder.encode(fields)
    finally:
        sys.setprofile(before)
    return count


def test_a_request_like_the_last_one_is_only_looked_up(pair: Pair) -> None:
    for _ in range(3):
        pair.send(*REQUEST)
    assert calls(pair.encoder, REQUEST) == 1


def test_a_new_path_is_all_that_is_worked_out(pair: Pair) -> None:
    fields = REQUEST.copy()
    for number in range(3):
        fields[3] = (b":path", b"/%d" % number)
        pair.send(*fields)
    fields[3] = (b":path", b"/another")
    assert calls(pair.encoder, fields) == 3
    assert calls(pair.encoder, fields) == 2  # as a whole, for the next time
    assert calls(pair.encoder, fields) == 1


@pytest.mark.parametrize("field", [(b"x-new", b"1"), (b"accept", b"*/*"), (b":path", b"/a")])
@pytest.mark.parametrize("at", range(8))
def test_the_same_field_may_stand_anywhere_and_often(pair: Pair, field: Field, at: int) -> None:
    """Insertions before, at and after the place where a path is expected."""
    for _ in range(4):
        pair.send(*REQUEST[:at], field, *REQUEST[at:], field)
        pair.send(*[field] * (at + 1))


def test_any_iterable_of_fields_will_do(pair: Pair) -> None:
    block = pair.encoder.encode(iter(REQUEST))
    assert pair.decoder.decode(block) == REQUEST
    block = pair.encoder.encode(dict(REQUEST).items(), frozenset((b"accept",)))
    assert pair.decoder.decode(block) == REQUEST


def test_what_was_seen_once_is_not_remembered_as_it_was(pair: Pair) -> None:
    """The group must not hide the second sight."""
    pair.send(*REQUEST)
    fields = [*REQUEST, (b"link", b"</style.css>")]
    sizes = [len(pair.send(*fields)) for _ in range(4)]
    assert sizes[0] - 1 <= sizes[1] > sizes[2] == sizes[3]


def size_of_everything(encoder: Encoder) -> int:
    """Octets that an encoder holds, roughly; objects that are shared count once."""
    seen: set[int] = set()
    total = 0
    stack: list[Any] = [encoder]
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        if isinstance(thing, dict):
            stack += [*thing.keys(), *thing.values()]
        if isinstance(thing, bytes | int | str):
            continue
        if not isinstance(thing, dict) and hasattr(thing, "__iter__"):
            stack += thing
        for kind in type(thing).__mro__:
            names = kind.__dict__.get("__slots__", ())
            stack += [getattr(thing, name) for name in names]
    return total


def adversaries() -> dict[str, Iterator[list[Field]]]:
    rng = random.Random(7541)

    def fresh(size: int) -> bytes:
        return b"%x" % rng.getrandbits(4 * size)

    return {
        "paths": ([*REQUEST[:3], (b":path", b"/" + fresh(50)), *REQUEST[4:]] for _ in range(3000)),
        "long paths": ([(b":path", b"/" + fresh(5000))] for _ in range(300)),
        "huge": ([(b"accept", fresh(100_000))] for _ in range(10)),
        "names": ([(b"x" + fresh(8), b"1")] for _ in range(3000)),
        "values": ([(b"x-a", fresh(8))] * 2 for _ in range(3000)),
        "secrets": ([(b"authorization", fresh(900))] for _ in range(1000)),
        "lists": ([(b":method", b"GET")] * rng.randrange(200) for _ in range(300)),
    }


@pytest.mark.parametrize("what", adversaries())
def test_ever_new_fields_do_not_grow_the_memory(pair: Pair, what: str) -> None:
    for fields in adversaries()[what]:
        pair.send(*fields)
        pair.send(*fields, never_index={b"x-a", b"authorization"})
    held = size_of_everything(pair.encoder)
    # Table, memos with their fields, groups, and what was seen once.
    assert held < 600_000


def test_the_memory_of_things_seen_once_starts_afresh(pair: Pair) -> None:
    pair.send((b"x-a", b"first"))
    assert kind(pair.send((b"x-a", b"seen"))) == PLAIN
    for number in range(MAX_SEEN):
        pair.send((b"x-a", b"%d" % number))
    assert kind(pair.send((b"x-a", b"seen"))) == PLAIN
    assert kind(pair.send((b"x-a", b"seen"))) == INSERTED


def test_groups_are_bounded_in_number_and_in_length(pair: Pair) -> None:
    get, path = (b":method", b"GET"), (b":path", b"/")
    many = [get] * MAX_GROUP_FIELDS
    long = [get, (b"if-none-match", b"&" * (MAX_GROUP_LENGTH - 6))]
    assert len(pair.send(*long)) == MAX_GROUP_LENGTH
    for fields in many, [*many, get], long, [get, *long]:
        for _ in range(3):
            pair.send(*fields)
    assert calls(pair.encoder, many) == 1
    assert calls(pair.encoder, [*many, get]) > 1
    assert calls(pair.encoder, long) == 1
    assert calls(pair.encoder, [get, *long]) > 1
    for number in range(MAX_GROUPS):
        pair.send(path, (b"content-length", b"%d" % number))
    assert calls(pair.encoder, many) > 1


def test_an_encoding_larger_than_the_memory_is_not_kept(pair: Pair) -> None:
    head = 5  # of a path: its name's index, and a length of four octets
    kept = [(b":path", b"&" * (MEMO_SIZE - MEMO_OVERHEAD - head))]
    beyond = [(b":path", b"&" * (MEMO_SIZE - MEMO_OVERHEAD - head + 1))]
    for _ in range(2):
        pair.send(*kept)
    assert calls(pair.encoder, kept) == 2  # no group, but the field itself is known
    for _ in range(2):
        pair.send(*beyond)
    assert calls(pair.encoder, beyond) > 2


def test_a_full_memory_starts_afresh_and_all_indices_stay_right(pair: Pair) -> None:
    for number in range(200):
        pair.send(*REQUEST, (b"content-length", b"%d" % number))
        pair.send(*REQUEST[:3], (b":path", b"/%d" % number + b"x" * 700), *REQUEST[4:])
        if number % 20 == 0:
            pair.send((b"x-new", b"%d" % number), (b"x-new", b"%d" % number))
