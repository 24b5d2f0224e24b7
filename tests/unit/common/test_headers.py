"""Header fields as a mapping: an ordered multi-map of bytes (RFC 9110 §5)."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest

from hyper.common.headers import INDIVISIBLE, HTTPHeaderMap

LINES = ((b"k1", b"v1, v2"), (b"k2", b"v3"), (b"k1", b"v4"))


@pytest.fixture
def headers() -> HTTPHeaderMap:
    return HTTPHeaderMap(LINES)


# Going in.


def test_text_and_octets_go_in_and_octets_come_out() -> None:
    headers = HTTPHeaderMap([("Name", b"one"), (b"name", "zwei \N{SNOWMAN}")])
    assert headers["NAME"] == headers[b"name"] == [b"one", b"zwei \xe2\x98\x83"]


def test_names_are_compared_and_kept_in_lower_case() -> None:
    headers = HTTPHeaderMap({"Content-Type": "text/html; charset=utf-8"})
    assert headers["CONTENT-type"] == [b"text/html; charset=utf-8"]
    assert list(headers.iter_raw()) == [(b"content-type", b"text/html; charset=utf-8")]


def test_it_is_made_of_any_number_of_pairs_mappings_maps_and_keywords() -> None:
    headers = HTTPHeaderMap([("a", "1")], {"b": "2"}, HTTPHeaderMap([("a", "3,4")]), c="5")
    assert list(headers.iter_raw()) == [(b"a", b"1"), (b"b", b"2"), (b"a", b"3,4"), (b"c", b"5")]


@pytest.mark.parametrize("name, value", [(1, "v"), ("n", 1), (None, b"v"), ("n", None)])
def test_what_is_neither_text_nor_octets_is_refused(name: Any, value: Any) -> None:
    headers = HTTPHeaderMap()
    with pytest.raises(ValueError, match=r"are str or bytes, not (int|NoneType)"):
        headers[name] = value
    with pytest.raises(ValueError, match=r"are str or bytes, not (int|NoneType)"):
        HTTPHeaderMap([(name, value)])
    assert not list(headers)


@pytest.mark.parametrize("use", [lambda h: h[1], lambda h: 1 in h, lambda h: h.get(1)])
def test_looking_up_what_is_no_name_is_a_mistake_and_not_a_miss(use: Any) -> None:
    with pytest.raises(ValueError, match="not int"):
        use(HTTPHeaderMap(LINES))


# The wire's view.


def test_wrapping_fields_copies_nothing() -> None:
    fields = [(b"server", b"nghttpd"), (b"date", b"today")]
    headers = HTTPHeaderMap.wrap(fields)
    fields.append((b"late", b"1"))
    assert headers["late"] == [b"1"]


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.__setitem__("x", "y"),
        lambda h: h.__delitem__("server"),
        lambda h: h.replace("server", "other"),
        lambda h: h.replace("x", "y"),
        lambda h: h.merge({"x": "y"}),
        lambda h: h.update(x="y"),
        lambda h: h.setdefault("x", "y"),
        lambda h: h.pop("server"),
        lambda h: h.popitem(),
        lambda h: h.clear(),
    ],
)
def test_changing_a_map_never_changes_the_fields_it_wraps(change: Any) -> None:
    fields = [(b"server", b"nghttpd"), (b"date", b"today")]
    before = list(fields)
    headers = HTTPHeaderMap.wrap(fields)
    twin = copy.copy(headers)

    change(headers)

    assert fields == before
    assert list(twin.iter_raw()) == before
    assert headers != twin


def test_the_raw_form_is_the_one_received() -> None:
    assert list(HTTPHeaderMap(LINES).iter_raw()) == list(LINES)


def test_the_representation_shows_the_lines_in_their_order(headers: HTTPHeaderMap) -> None:
    assert repr(headers) == ("HTTPHeaderMap([(b'k1', b'v1, v2'), (b'k2', b'v3'), (b'k1', b'v4')])")
    assert repr(HTTPHeaderMap.wrap(LINES)) == repr(headers)


def test_equal_means_the_same_lines_in_the_same_order(headers: HTTPHeaderMap) -> None:
    assert headers == HTTPHeaderMap(LINES)
    assert headers == HTTPHeaderMap.wrap(LINES)
    assert headers != HTTPHeaderMap(reversed(LINES))
    assert headers != HTTPHeaderMap([("k1", "v1"), ("k1", "v2"), ("k2", "v3"), ("k1", "v4")])
    assert headers != list(LINES)
    with pytest.raises(TypeError, match="unhashable"):
        hash(headers)


def test_it_survives_pickling(headers: HTTPHeaderMap) -> None:
    assert pickle.loads(pickle.dumps(headers)) == headers


# The canonical view.


def test_lookup_gives_every_value_with_lists_taken_apart(headers: HTTPHeaderMap) -> None:
    assert headers["k1"] == headers.get("k1") == [b"v1", b"v2", b"v4"]
    assert headers.get("none") is None
    assert headers.get("none", "default") == "default"
    with pytest.raises(KeyError, match="none"):
        headers["none"]


def test_iteration_goes_over_pairs_one_value_at_a_time(headers: HTTPHeaderMap) -> None:
    pairs = [(b"k1", b"v1"), (b"k1", b"v2"), (b"k2", b"v3"), (b"k1", b"v4")]
    assert list(headers) == list(headers.items()) == pairs
    assert list(headers.keys()) == [name for name, _ in pairs]
    assert list(headers.values()) == [value for _, value in pairs]
    assert len(headers) == 4
    assert dict(headers) == {b"k1": [b"v1", b"v2", b"v4"], b"k2": [b"v3"]}


@pytest.mark.parametrize(
    "value, elements",
    [
        ("a,b", ["a", "b"]),
        (" a\t, b ,c ", ["a", "b", "c"]),
        ("a", ["a"]),
        ("", [""]),
        # RFC 9110 §5.6.1.2: empty elements do not count.
        ("a,,b, ,", ["a", "b"]),
        (",", [""]),
        # RFC 9110 §5.6.4: a comma in a quoted string belongs to it.
        ('no-cache="set-cookie, x", private', ['no-cache="set-cookie, x"', "private"]),
        (r'"a\", b", c', [r'"a\", b"', "c"]),
        ('"a" , "b"', ['"a"', '"b"']),
        # Outside of quotes a backslash is an octet like any other.
        (r"a\,b", ["a\\", "b"]),
        # A string that is never closed runs to the end.
        ('a, "b, c', ["a", '"b, c']),
        ('a, "b, c\\', ["a", '"b, c\\']),
    ],
)
def test_a_list_is_split_at_the_commas_that_separate(value: str, elements: list[str]) -> None:
    headers = HTTPHeaderMap(cache_control=value)
    assert headers["cache_control"] == [element.encode() for element in elements]
    assert len(headers) == len(elements)


def test_splitting_the_worst_of_values_takes_linear_time() -> None:
    """64 KiB of these took seconds when every quotation mark looked for its twin anew."""
    for piece in ('"\\', '"', '",', '"a', "\\,"):
        value = "x," + piece * 32768
        assert HTTPHeaderMap(n=value)["n"][0] == b"x"


@pytest.mark.parametrize(
    "name, value",
    [
        ("Date", "Tue, 15 Nov 1994 08:12:31 GMT"),
        ("Set-Cookie", "id=1; expires=Tue, 15-Nov-1994 08:12:31 GMT"),
        ("Cookie", "a=1, b=2"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64, like Gecko)"),
        ("Location", "/map?at=1,2"),
        ("WWW-Authenticate", 'Digest realm="x", nonce="y", Basic realm="z"'),
    ],
)
def test_a_comma_that_separates_nothing_splits_nothing(name: str, value: str) -> None:
    headers = HTTPHeaderMap({name: value})
    assert name.lower().encode() in INDIVISIBLE
    assert headers[name] == [value.encode()]
    assert len(headers) == 1


# Text.


def test_text_joins_the_lines_of_a_field(headers: HTTPHeaderMap) -> None:
    assert headers.text("K1") == "v1, v2, v4"
    assert headers.text(b"k2") == "v3"
    assert headers.text("none") is None
    assert headers.text("none", "default") == "default"


def test_text_reads_utf8_where_it_is_utf8_and_latin1_elsewhere() -> None:
    headers = HTTPHeaderMap(a="Grüße", b="Grüße".encode("iso-8859-1"), c=b"\xff\xfe")
    assert headers.text("a") == headers.text("b") == "Grüße"
    assert headers.text("c") == "ÿþ"


# Changing.


def test_it_is_a_mutable_mapping(headers: HTTPHeaderMap) -> None:
    assert isinstance(headers, MutableMapping)
    assert "k1" in headers
    assert b"K1" in headers
    assert "none" not in headers


def test_assignment_appends(headers: HTTPHeaderMap) -> None:
    headers["K2"] = "v5"
    assert headers["k2"] == [b"v3", b"v5"]
    assert list(headers.iter_raw())[-1] == (b"k2", b"v5")


def test_deletion_removes_every_line_of_the_name(headers: HTTPHeaderMap) -> None:
    del headers["K1"]
    assert list(headers.iter_raw()) == [(b"k2", b"v3")]
    with pytest.raises(KeyError, match="K1"):
        del headers["K1"]


def test_replacing_takes_the_first_place(headers: HTTPHeaderMap) -> None:
    headers.replace("K1", "only")
    assert list(headers.iter_raw()) == [(b"k1", b"only"), (b"k2", b"v3")]
    headers.replace("new", "last")
    assert list(headers.iter_raw())[-1] == (b"new", b"last")


def test_merging_keeps_commas_and_order(headers: HTTPHeaderMap) -> None:
    headers.merge(HTTPHeaderMap([("x", "1, 2")]))
    headers.merge({"Y": b"3"})
    headers.merge([("z", "4")])
    headers.merge(())
    assert list(headers.iter_raw()) == [*LINES, (b"x", b"1, 2"), (b"y", b"3"), (b"z", b"4")]


def test_merging_a_map_into_itself_changes_nothing(headers: HTTPHeaderMap) -> None:
    headers.merge(headers)
    assert list(headers.iter_raw()) == list(LINES)


def test_update_is_merging(headers: HTTPHeaderMap) -> None:
    other: Mapping[str, str] = {"k2": "a, b"}
    headers.update(other, x="y")
    headers.update()
    assert list(headers.iter_raw()) == [*LINES, (b"k2", b"a, b"), (b"x", b"y")]


def test_what_is_there_stays_when_a_default_is_set(headers: HTTPHeaderMap) -> None:
    assert headers.setdefault("k2", "other") == [b"v3"]
    assert headers.setdefault("new", "1, 2") == [b"1", b"2"]
    assert headers["new"] == [b"1", b"2"]


def test_lines_can_be_taken_out(headers: HTTPHeaderMap) -> None:
    assert headers.pop("k1") == [b"v1", b"v2", b"v4"]
    assert headers.pop("k1", None) is None
    assert headers.popitem() == (b"k2", b"v3")
    with pytest.raises(KeyError, match="no header fields left"):
        headers.popitem()


def test_clearing_leaves_nothing(headers: HTTPHeaderMap) -> None:
    headers.clear()
    assert len(headers) == 0
    assert list(headers.iter_raw()) == []
