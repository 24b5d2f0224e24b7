"""Items by their separators, and names that nest."""

from __future__ import annotations

from typing import Any

import pytest

from hyper.cli.failing import UsageError
from hyper.cli.items import read_items
from hyper.cli.nesting import nested


@pytest.mark.parametrize(
    ("word", "kind", "name", "value"),
    [
        ("a:b", "headers", "a", "b"),
        ("a:b=c", "headers", "a", "b=c"),
        ("a:", "headers", "a", None),
        ("a;", "headers", "a", ""),
        ("a==b", "query", "a", "b"),
        ("a===b", "query", "a", "=b"),
        ("a=b", "fields", "a", "b"),
        ("a=b:=c", "fields", "a", "b:=c"),
        ("a;b=c", "fields", "a;b", "c"),
        ("a:=1", "fields", "a", 1),
        (r"a\:b:c", "headers", "a:b", "c"),
        (r"a\=b==c", "query", "a=b", "c"),
        (r"a\;b\@c:d", "headers", "a;b@c", "d"),
        (r"a=b\:c", "fields", "a", r"b\:c"),
        (r"C\dir:x", "headers", r"C\dir", "x"),
        (":path:/x", "headers", ":path", "/x"),
    ],
)
def test_the_first_separator_counts(word: str, kind: str, name: str, value: Any) -> None:
    items = read_items([word])
    assert [tuple(each) for each in getattr(items, kind)] == [(name, value)]
    found = {name for name in ("headers", "query", "fields", "uploads") if getattr(items, name)}
    assert found == {kind}


def test_files() -> None:
    items = read_items(["a@b", "c@d;type=image/x", "@e;type=text/x"])
    assert [tuple(upload) for upload in items.uploads] == [("a", "b", None), ("c", "d", "image/x")]
    assert items.body_file == "e"
    assert items.headers == [("content-type", "text/x")]


@pytest.mark.parametrize("word", ["a", "", "a@", "@", "a\\=b", "==b", ":b", "\\", ";"])
def test_what_is_no_item(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_items([word])
    assert repr(word) in str(caught.value)


@pytest.mark.parametrize(
    ("names", "whole"),
    [
        (["a"], {"a": 0}),
        (["a[b]", "a[c]"], {"a": {"b": 0, "c": 1}}),
        (["a[]", "a[]"], {"a": [0, 1]}),
        (["a[2]"], {"a": [None, None, 0]}),
        (["a[2]", "a[0]"], {"a": [1, None, 0]}),
        (["a[][b]", "a[][b]"], {"a": [{"b": 0}, {"b": 1}]}),
        (["a[0][b]", "a[0][c]"], {"a": [{"b": 0, "c": 1}]}),
        (["[]", "[]"], [0, 1]),
        (["[1][a]"], [None, {"a": 0}]),
        (["a", "a"], {"a": 1}),
        ([r"a\[b\]"], {"a[b]": 0}),
        ([r"a[b\]c]"], {"a": {"b]c": 0}}),
        ([r"a[\1]"], {"a": {"1": 0}}),
        (["1[1a]"], {"1": {"1a": 0}}),
        ([r"a\b"], {r"a\b": 0}),
        ([""], {"": 0}),
    ],
)
def test_names_nest(names: list[str], whole: Any) -> None:
    assert nested((name, value) for value, name in enumerate(names)) == whole


def test_names_nest_as_deep_and_count_as_far_as_they_may() -> None:
    deep = nested([("a" + "[b]" * 99, 1)])
    for name in ("a", *"b" * 99):
        deep = deep[name]
    assert deep == 1
    assert nested([("a[9999]", 1)])["a"] == [None] * 9999 + [1]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["a[b"], "the brackets of 'a[b' do not match"),
        (["a]"], "the brackets of 'a]' do not match"),
        (["a[b]c"], "the brackets of 'a[b]c' do not match"),
        (["a[[b]]"], "the brackets of 'a[[b]]' do not match"),
        (["a", "a[b]"], "'a[b]' wants an object where another field has put a value"),
        (["a[]", "a[b]"], "'a[b]' wants an object where another field has put a list"),
        (["a[b]", "a[]"], "'a[]' wants a list where another field has put an object"),
        (["[]", "a"], "'a' wants an object where another field has put a list"),
        (["a[10000]"], "counts further than 9999"),
        (["a[" + "9" * 5000 + "]"], "counts further than 9999"),
        (["a" + "[b]" * 100], "nests deeper than 100"),
    ],
)
def test_names_that_do_not_fit(names: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        nested((name, 1) for name in names)
    assert says in str(caught.value)
