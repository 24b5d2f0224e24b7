"""Header maps: whatever the fields are, the raw view keeps them and the canonical one adds up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hyper.common.headers import INDIVISIBLE, HTTPHeaderMap

names = st.sampled_from([b"accept", b"Vary", b"x", b"Date", b"set-cookie", b"n"])
values = st.binary(max_size=20) | st.text(' \t,"\\ab', max_size=30).map(str.encode)
fields = st.lists(st.tuples(names, values), max_size=12)


@given(fields)
def test_the_raw_view_is_what_went_in(lines: list[tuple[bytes, bytes]]) -> None:
    assert list(HTTPHeaderMap(lines).iter_raw()) == [(n.lower(), v) for n, v in lines]


@given(fields)
def test_every_canonical_view_says_the_same(lines: list[tuple[bytes, bytes]]) -> None:
    headers = HTTPHeaderMap(lines)
    pairs = list(headers)
    assert (
        pairs == list(headers.items()) == list(zip(headers.keys(), headers.values(), strict=True))
    )
    assert len(headers) == len(pairs)
    for name in {n.lower() for n, _ in lines}:
        assert headers[name] == [value for n, value in pairs if n == name]
    assert {n for n, _ in pairs} == {n.lower() for n, _ in lines}


@given(values)
def test_joining_what_was_split_and_splitting_again_changes_nothing(value: bytes) -> None:
    """RFC 9110 §5.3: lines of one name and one line joined by commas mean the same."""
    elements = HTTPHeaderMap(n=value)["n"]
    assert HTTPHeaderMap(n=b", ".join(elements))["n"] == elements


@given(st.lists(st.text("ab\\ ", min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_a_list_of_plain_and_quoted_elements_comes_apart_where_it_was_joined(
    words: list[str],
) -> None:
    elements = []
    for word in words:
        quoted = word.replace("\\", "\\\\")
        elements += [word.strip(), f'"{quoted},{quoted}"']
    headers = HTTPHeaderMap(n=" , ".join(elements))
    assert headers["n"] == [element.encode() for element in elements]


@given(st.sampled_from(sorted(INDIVISIBLE)), values)
def test_what_is_one_thing_stays_one_thing(name: bytes, value: bytes) -> None:
    assert HTTPHeaderMap([(name, value)])[name] == [value]


@given(fields, fields)
def test_merging_is_concatenation(
    one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]
) -> None:
    headers = HTTPHeaderMap(one)
    headers.merge(HTTPHeaderMap(other))
    assert headers == HTTPHeaderMap(one, other) == HTTPHeaderMap(one + other)


@given(fields, names, values)
def test_replacing_leaves_one_line_and_the_others_in_their_order(
    lines: list[tuple[bytes, bytes]], name: bytes, value: bytes
) -> None:
    headers = HTTPHeaderMap(lines)
    headers.replace(name, value)
    left = list(headers.iter_raw())
    assert [v for n, v in left if n == name.lower()] == [value]
    others = [(n.lower(), v) for n, v in lines if n.lower() != name.lower()]
    assert [field for field in left if field[0] != name.lower()] == others

    del headers[name]
    assert list(headers.iter_raw()) == others
