"""The tables (RFC 7541 §2.3, §4, Appendix A)."""

from __future__ import annotations

from hyper.hpack.table import (
    ENTRY_OVERHEAD,
    FIRST_DYNAMIC,
    STATIC_FIELDS,
    STATIC_NAMES,
    STATIC_TABLE,
    EncoderTable,
)

A, B, C = (b"a", b"1"), (b"b", b"2"), (b"a", b"3")
SIZE = 2 + ENTRY_OVERHEAD


def test_the_static_table_has_61_entries() -> None:
    """Appendix A; the first, the last, and some between."""
    assert len(STATIC_TABLE) == 61
    assert FIRST_DYNAMIC == 62
    assert STATIC_TABLE[0] == (b":authority", b"")
    assert STATIC_TABLE[15] == (b"accept-encoding", b"gzip, deflate")
    assert STATIC_TABLE[60] == (b"www-authenticate", b"")


def test_fields_and_names_lead_to_their_lowest_index() -> None:
    assert len(STATIC_FIELDS) == 61
    for index, field in enumerate(STATIC_TABLE, 1):
        assert STATIC_FIELDS[field] == index
    assert STATIC_NAMES[b":authority"] == 1
    assert STATIC_NAMES[b":method"] == 2
    assert STATIC_NAMES[b":path"] == 4
    assert STATIC_NAMES[b":status"] == 8
    assert STATIC_NAMES[b"www-authenticate"] == 61
    assert len(STATIC_NAMES) == len({name for name, _ in STATIC_TABLE})


def test_the_newest_entry_has_the_lowest_index() -> None:
    """§2.3.2, §2.3.3."""
    table = EncoderTable(4096)
    for field in (A, B, C):
        table.insert(field)
    assert table.fields() == [C, B, A]
    assert [table.field_index(field) for field in (C, B, A)] == [62, 63, 64]
    assert table.name_index(b"a") == 62
    assert table.name_index(b"b") == 63


def test_what_is_not_there_has_no_index() -> None:
    table = EncoderTable(4096)
    assert table.field_index(A) == 0
    assert table.name_index(b"a") == 0


def test_an_entry_counts_32_octets_more_than_its_text() -> None:
    """§4.1."""
    table = EncoderTable(4096)
    table.insert((b"name", b"value"))
    assert table.size == 4 + 5 + 32


def test_the_oldest_entry_goes_when_there_is_no_room() -> None:
    """§4.4, at the limit and one octet below it."""
    table = EncoderTable(2 * SIZE)
    table.insert(A)
    table.insert(B)
    assert table.fields() == [B, A]
    table.insert((b"c", b"4"))
    assert table.fields() == [(b"c", b"4"), B]
    assert (table.field_index(A), table.name_index(b"a")) == (0, 0)

    narrow = EncoderTable(2 * SIZE - 1)
    narrow.insert(A)
    narrow.insert(B)
    assert narrow.fields() == [B]
    assert narrow.size == SIZE


def test_an_entry_larger_than_the_table_empties_it() -> None:
    """§4.4: this is not an error."""
    table = EncoderTable(SIZE)
    table.insert(A)
    table.insert((b"long", b"x"))
    assert (table.fields(), table.size) == ([], 0)


def test_a_younger_entry_keeps_its_name_and_its_field_when_the_older_one_goes() -> None:
    table = EncoderTable(2 * SIZE)
    table.insert(A)
    table.insert(C)
    table.insert(B)  # evicts A, whose name C has as well
    assert table.name_index(b"a") == 63

    table = EncoderTable(2 * SIZE)
    table.insert(A)
    table.insert(A)
    table.insert(B)  # evicts the older A
    assert table.field_index(A) == 63


def test_a_smaller_capacity_evicts_and_a_larger_one_does_not_bring_back() -> None:
    """§4.3."""
    table = EncoderTable(4096)
    table.insert(A)
    table.insert(B)
    table.resize(2 * SIZE)
    assert table.fields() == [B, A]
    table.resize(2 * SIZE - 1)
    assert table.fields() == [B]
    table.resize(0)
    assert (table.fields(), table.size) == ([], 0)
    table.resize(4096)
    assert table.fields() == []
    table.insert(C)
    assert table.field_index(C) == 62
