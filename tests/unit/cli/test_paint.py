"""JSON indented without a change to what it says, and colours where they are wanted."""

from __future__ import annotations

import json
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyper.cli.failing import UsageError
from hyper.cli.paint import Palette, harmless, json_text, pythonic

PLAIN = Palette(False)
COLOURED = Palette(True)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3]), st.booleans())
def test_what_is_shown_is_what_came(
    value: object, ascii_only: bool, indent: int | None, neat: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    if re.search(r"[\x7f-\x9f\ud800-\udfff]|\\u00[01789]|\\ud", text):
        return  # shown by numbers, since they are not to be obeyed
    for palette in (PLAIN, COLOURED):
        shown = json_text(text, palette, indent=neat)
        assert shown is not None
        shown = re.sub("\x1b\\[[0-9]*m", "", shown)
        assert json.loads(shown, strict=False) == value
        if neat:
            assert shown == json.dumps(value, ensure_ascii=False, indent=4)


@given(st.text())
def test_nothing_shown_is_a_control(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", harmless(text))
    shown = json_text(json.dumps([text, {text: text}]), PLAIN, indent=True)
    assert shown is not None
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


def test_numbers_and_doubled_keys_stay() -> None:
    text = '{"a":1.10,"a":1E400,"b":12345678901234567890123,"c":-0}'
    assert json_text(text, PLAIN, indent=False) == text


def test_keys_have_a_colour_of_their_own() -> None:
    shown = json_text('{"a": "a", "b": ["a", {"c": "a"}], "d": 1}', COLOURED, indent=False)
    assert shown is not None
    assert COLOURED("key", '"a"') != COLOURED("string", '"a"')
    assert [shown.count(COLOURED("key", f'"{name}"')) for name in "abcd"] == [1] * 4
    assert shown.count(COLOURED("string", '"a"')) == 3


@pytest.mark.parametrize("text", ["", "{", "nothing", "NaN", "[Infinity]", "[" * 100_000, "{}{}"])
def test_what_is_no_json(text: str) -> None:
    assert json_text(text, COLOURED, indent=True) is None


def test_literals_of_python() -> None:
    assert pythonic('{"b": true, "a": [null, "\\u001b"]}') == "{'a': [None, '\\x1b'], 'b': True}"
    assert pythonic("{") is None
    assert pythonic("[" * 100_000) is None


def test_without_pygments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygments", None)
    assert COLOURED.code("<p>", "text/html") == "<p>"
    with pytest.raises(UsageError, match=r'not installed: pip install "hyper\[cli\]"'):
        Palette(True, "monokai")
    Palette(False, "monokai")


def test_with_pygments() -> None:
    pytest.importorskip("pygments")
    assert "\x1b[" in COLOURED.code("<p>", "text/html")
    assert COLOURED.code("<p>", "text/x-no-such-thing") == "<p>"
    assert Palette(True, "monokai").code("<p>", "text/html") != COLOURED.code("<p>", "text/html")
    with pytest.raises(UsageError, match="pygments knows no style 'loud'; there are auto, "):
        Palette(True, "loud")
