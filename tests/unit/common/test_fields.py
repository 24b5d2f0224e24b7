"""``hyper.common.fields``: what a request may be made of, whichever version carries it."""

from __future__ import annotations

import pytest

from hyper.common.fields import (
    AUTHORITY,
    FIELD_NAME,
    FIELD_VALUE,
    HOST_AND_PORT,
    PATH,
    SCHEME,
    TOKEN,
    bad_authority,
    bad_field,
    bad_method,
    bad_path,
    bad_scheme,
    bad_tunnel,
    refuse_pseudo_headers,
)

#: Octets that RFC 9110 §5.6.2 lets be in a token.
IN_TOKENS = set(b"!#$%&'*+-.^_`|~0123456789")
LETTERS = set(range(ord("a"), ord("z") + 1))


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_by_itself(octet: int) -> None:
    one = bytes((octet,))
    upper = chr(octet).isascii() and chr(octet).isupper()
    token = octet in IN_TOKENS | LETTERS
    visible = 0x21 <= octet <= 0x7E
    assert bool(FIELD_NAME.fullmatch(one)) is token
    assert bool(TOKEN.fullmatch(one)) is (token or upper)
    assert bool(FIELD_VALUE.fullmatch(b"a" + one + b"a")) is (one not in b"\r\n\0")
    assert bool(FIELD_VALUE.fullmatch(one)) is (one not in b"\r\n\0 \t")
    assert bool(PATH.fullmatch(b"/" + one)) is (visible and one != b"#")
    assert bool(SCHEME.fullmatch(b"a" + one)) is (
        octet in LETTERS or one.isdigit() or one in b"+-."
    )
    assert bool(AUTHORITY.fullmatch(b"a" + one)) is (visible and one not in b'"#/<>?@\\^`{|}')


def test_nothing_is_matched_by_its_beginning_alone() -> None:
    for rule in (TOKEN, FIELD_NAME, FIELD_VALUE, PATH, AUTHORITY, SCHEME):
        assert rule.fullmatch(b"/a\n") is None
    assert TOKEN.fullmatch(b"") is FIELD_NAME.fullmatch(b"") is AUTHORITY.fullmatch(b"") is None
    assert FIELD_VALUE.fullmatch(b"")
    assert PATH.fullmatch(b"*") and not PATH.fullmatch(b"**") and not PATH.fullmatch(b"")


def test_a_tunnel_has_a_host_and_a_port() -> None:
    for fine in (b"a:1", b"[::1]:443", b"a_b.example:65535"):
        assert HOST_AND_PORT.fullmatch(fine) and AUTHORITY.fullmatch(fine)
    for wrong in (b"a", b"a:", b":1", b"::1", b"a:x", b"a:1\n"):
        assert not HOST_AND_PORT.fullmatch(wrong)


def test_what_is_raised_names_the_rule_and_never_a_value() -> None:
    assert "pseudo-header b':x'" in str(bad_field(b":x"))
    assert "header name b'X' is not a token in lower case" in str(bad_field(b"X"))
    assert "header values may not contain CR, LF or NUL" in str(bad_field(b"x"))
    assert "method b'a b' is not a token" in str(bad_method(b"a b"))
    assert "authority b'a@b' is not host[:port]" in str(bad_authority(b"a@b"))
    assert "path b'a' must start with '/'" in str(bad_path(b"a"))
    assert "CONNECT names host and port (RFC 9110 §9.3.6), not b'a'" in str(bad_tunnel(b"a"))
    assert "scheme b'1' is not a URI scheme" in str(bad_scheme(b"1"))


def test_fields_that_would_override_the_url_are_refused() -> None:
    refuse_pseudo_headers([(b"host", b"a"), (b"x", b":path")])
    with pytest.raises(ValueError, match="pseudo-header b':authority' cannot be set"):
        refuse_pseudo_headers([(b"host", b"a"), (b":authority", b"b")])
