"""Tags of pages, of those that are odd, and of those that mean harm."""

from __future__ import annotations

import pytest

from hyper.cli.assets import MAX_ASSETS, linked
from hyper.cli.markup import tags
from hyper.cli.target import Target

PAGE = Target("https", "h", 443, "/")


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<A Href=x>y</A>", [("a", {"href": "x"}, "")]),
        ("<a b c = 'd > e' f=\"<g>\" h=i/j k/>", [
            ("a", {"b": "", "c": "d > e", "f": "<g>", "h": "i/j", "k": ""}, "")]),
        ("<a b=1 B=2>", [("a", {"b": "1"}, "")]),
        ("<a b='&lt;&#65;&amp'>", [("a", {"b": "<A&"}, "")]),
        ("<br/><br / >", [("br", {}, ""), ("br", {}, "")]),
        ("<!-- <a> --><b><!--<c>", [("b", {}, "")]),
        ("<!doctype html><?xml?></a><b>", [("b", {}, "")]),
        ("<script a>if (b<c) '<d>'</SCRIPT><e>", [
            ("script", {"a": ""}, "if (b<c) '<d>'"), ("e", {}, "")]),
        ("<style>a > b {}</style><title>no end <b>", [
            ("style", {}, "a > b {}"), ("title", {}, "no end <b>")]),
        ("1 < 2 <3> <a", []),
        ("<a <b>", [("b", {}, "")]),
        ("<a b='<c>", [("c", {}, "")]),
        ("", []),
    ],
)  # fmt: skip
def test_tags(html: str, found: list[tuple[str, dict[str, str], str]]) -> None:
    assert list(tags(html)) == found


UNITS = (
    *("<", "<a ", "<a", "<!--", "<!-- -", "<!DOCTYPE ", "<![CDATA[", "<?", "</a", "</", "<!"),
    *("<a b=", "<a b='", '<a b="', "<a '\"", '<a "\'"', "<a '\"'", "<a <", "<a a=a ", "<a   "),
    *("=", "= ", "a=", "<script>", "<script>x</s", "<style>/*", "<title>", "&", "&#", "&#9"),
    *("<a b=&#9", "url(", "@import ", "<img srcset='", "<img srcset=,", "<base href=a>"),
)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("before", ["", "<a ", "<a b='", "<style>", "<img src="])
def test_nonsense_is_gone_through_once(before: str, unit: str) -> None:
    """From each of its octets anew, a page of a megabyte would take hours; this would not end."""
    html = before + unit * (300_000 // len(unit))
    assert len(linked(PAGE, html)) <= MAX_ASSETS
    # Whatever it was, it does not go on behind the end of all that it may have begun.
    closed = " -->'>\"></script></style></title><img src=/x>"
    assert Target("https", "h", 443, "/x") in linked(PAGE, html + closed)


def test_a_number_of_more_digits_than_python_takes() -> None:
    assert list(tags(f"<a b='&#{'9' * 5000};'>")) == [("a", {"b": f"&#{'9' * 5000};"}, "")]
