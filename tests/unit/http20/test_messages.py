"""``hyper.http20.messages``: what a field may look like, out and in (RFC 9113 §8.2, §8.3)."""

from __future__ import annotations

import pytest

from hyper.common.fields import PATH, bad_path
from hyper.http20 import messages
from hyper.http20.messages import (
    MAX_REMEMBERED_FIELDS,
    MAX_REMEMBERED_SIZE,
    Head,
    MalformedError,
    checked_fields,
    read_head,
    read_promise,
    read_trailers,
    request_target,
    section_size,
)

OK = (b":status", b"200")


def test_a_target_becomes_pseudo_headers_in_order() -> None:
    assert request_target(b"GET", b"https", b"example.org:8443") == (
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.org:8443"),
    )


def test_connect_has_neither_scheme_nor_path() -> None:
    """RFC 9113 §8.5."""
    assert request_target(b"CONNECT", b"", b"example.org:443") == (
        (b":method", b"CONNECT"),
        (b":authority", b"example.org:443"),
    )


@pytest.mark.parametrize("method", [b"", b"GE T", b"GET\r\n", b"G\0T", b"GET:", "MÉ".encode()])
def test_a_method_must_be_a_token(method: bytes) -> None:
    with pytest.raises(ValueError, match=r"method .* is not a token"):
        request_target(method, b"https", b"example.org")


@pytest.mark.parametrize(
    "authority", [b"", b"user@host", b"a b", b"host\r\n", b"a/b", b"a?b", b"a#b", b"h\xc3\xb6st"]
)
def test_an_authority_is_host_and_port_only(authority: bytes) -> None:
    with pytest.raises(ValueError, match="authority"):
        request_target(b"GET", b"https", authority)


@pytest.mark.parametrize("authority", [b"[::1]:8443", b"127.0.0.1", b"xn--fa-hia.de", b"a_b.c"])
def test_addresses_and_names_are_authorities(authority: bytes) -> None:
    assert request_target(b"GET", b"https", authority)[2] == (b":authority", authority)


@pytest.mark.parametrize("scheme", [b"", b"HTTPS", b"1http", b"ht tp"])
def test_a_scheme_is_checked(scheme: bytes) -> None:
    with pytest.raises(ValueError, match="scheme"):
        request_target(b"GET", scheme, b"example.org")


@pytest.mark.parametrize("path", [b"/", b"*", b"/a?b=c&d", b"/%C3%A4", b'/"{}|\\^`'])
def test_paths_that_may_be_sent(path: bytes) -> None:
    assert PATH.fullmatch(path)


@pytest.mark.parametrize(
    "path", [b"", b"a", b"/a b", b"/a#b", b"/\r\n", b"/\0", b"/\xc3\xa4", b"/\x7f", b"**"]
)
def test_paths_that_may_not_be_sent(path: bytes) -> None:
    assert not PATH.fullmatch(path)
    assert "percent-encode" in str(bad_path(path))


def test_fields_that_may_be_sent_come_back_as_a_tuple() -> None:
    fields = [(b"x-one", b"1"), (b"te", b"trailers"), (b"te", b"Trailers"), (b"empty", b"")]
    fields += [(b"eight-bit", b"\xff\x80"), (b"tab", b"a\tb")]
    assert checked_fields(iter(fields)) == tuple(fields)


@pytest.mark.parametrize("name", [b"", b"Upper", b"with blank", b"a:b", b"a\nb", b"\xe4", b"a\0"])
def test_a_name_must_be_a_lower_case_token(name: bytes) -> None:
    with pytest.raises(ValueError, match="token in lower case"):
        checked_fields([(name, b"x")])


def test_pseudo_headers_are_not_for_everyone() -> None:
    with pytest.raises(ValueError, match="pseudo-header b':path'"):
        checked_fields([(b":path", b"/")])


@pytest.mark.parametrize(
    "value", [b"a\r\nb", b"a\nb", b"a\rb", b"a\0b", b" a", b"a ", b"\ta", b"a\t", b" ", b"\n"]
)
def test_a_value_may_not_break_out_and_its_text_is_not_shown(value: bytes) -> None:
    with pytest.raises(ValueError, match="'x-id'") as caught:
        checked_fields([(b"x-id", value.replace(b"a", b"hunter2"))])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"]
)
def test_fields_about_an_http11_connection_stay_out_both_ways(name: bytes) -> None:
    """RFC 9113 §8.2.2."""
    with pytest.raises(ValueError, match="leave it out"):
        checked_fields([(name, b"x")])
    with pytest.raises(MalformedError, match="no place in HTTP/2"):
        read_head([OK, (name, b"x")], set())


def test_te_may_only_be_trailers() -> None:
    with pytest.raises(ValueError, match="'te' may only be 'trailers'"):
        checked_fields([(b"te", b"gzip")])


def test_fields_that_may_be_sent_are_looked_at_once() -> None:
    class Watched(bytes):
        looked_at = 0

        def lower(self) -> bytes:
            Watched.looked_at += 1
            return super().lower()

    valid: set[tuple[bytes, bytes]] = set()
    fields = [(b"te", Watched(b"trailers")), (b"x-long", b"x" * MAX_REMEMBERED_SIZE)]
    for _ in range(3):
        assert checked_fields(fields, valid) == tuple(fields)
    assert Watched.looked_at == 1
    assert valid == {(b"te", b"trailers")}
    for _ in range(2):
        with pytest.raises(ValueError):
            checked_fields([*fields, (b"x-bad", b"a\nb")], valid)
    for number in range(MAX_REMEMBERED_FIELDS):
        checked_fields([(b"x-number", b"%d" % number)], valid)
        assert len(valid) <= MAX_REMEMBERED_FIELDS


def test_a_section_is_measured_with_32_octets_a_field() -> None:
    """RFC 9113 §6.5.2."""
    assert section_size([]) == 0
    assert section_size([(b"ab", b"cde"), (b"", b"")]) == 5 + 64


def test_a_head_is_status_fields_and_length() -> None:
    fields = [OK, (b"server", b"x"), (b"content-length", b"12")]
    assert read_head(fields, set()) == Head(200, fields[1:], 12)
    assert read_head([(b":status", b"999")], set()) == Head(999, [], -1)


def test_a_length_is_seen_again_when_every_other_field_is_known() -> None:
    valid: set[tuple[bytes, bytes]] = set()
    fields = [OK, (b"server", b"x"), (b"content-length", b"12")]
    assert read_head(fields, valid).expected == 12
    assert read_head(fields, valid).expected == 12
    assert valid == {(b"server", b"x")}


@pytest.mark.parametrize("fields", [[], [(b"server", b"x")], [(b"server", b"x"), OK]])
def test_a_head_starts_with_its_status(fields: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(MalformedError, match="must start with :status"):
        read_head(fields, set())


@pytest.mark.parametrize(
    "status",
    [b"", b"20", b"2000", b"+20", b" 20", b"2x0", b"099", b"-12", "\uff12\uff10\uff10".encode()],
)
def test_a_status_is_three_ascii_digits(status: bytes) -> None:
    with pytest.raises(MalformedError, match=":status is"):
        read_head([(b":status", status)], set())


@pytest.mark.parametrize("name", [b":status", b":path", b":unknown", b":"])
def test_late_and_foreign_pseudo_headers_are_malformed(name: bytes) -> None:
    with pytest.raises(MalformedError, match="unknown, late or twice"):
        read_head([OK, (name, b"200")], set())


@pytest.mark.parametrize("name", [b"", b"Server", b"a b", b"a:b", b"a\n", b"\x80", b"\x7f"])
def test_received_names_are_checked(name: bytes) -> None:
    with pytest.raises(MalformedError, match="field name"):
        read_head([OK, (name, b"x")], set())


@pytest.mark.parametrize("value", [b"a\nb", b"a\rb", b"a\0", b" a", b"a "])
def test_received_values_are_checked(value: bytes) -> None:
    with pytest.raises(MalformedError, match="value of b'x'"):
        read_head([OK, (b"x", value)], set())


def test_a_received_value_may_be_any_other_octet() -> None:
    assert read_head([OK, (b"x", b"\xff\x01")], set()).headers == [(b"x", b"\xff\x01")]


@pytest.mark.parametrize("value", [b"", b"-1", b"+1", b"1_0", b"1 0", b"0x1", b"1,1", b"9" * 20])
def test_a_length_is_digits(value: bytes) -> None:
    with pytest.raises(MalformedError, match="content-length is"):
        read_head([OK, (b"content-length", value)], set())


def test_two_lengths_must_agree() -> None:
    same = [OK, (b"content-length", b"5"), (b"content-length", b"5")]
    assert read_head(same, set()).expected == 5
    with pytest.raises(MalformedError, match="both 5 and 6"):
        read_head([*same, (b"content-length", b"6")], set())


def test_fields_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_REMEMBERED_FIELDS", 2)
    valid: set[tuple[bytes, bytes]] = set()
    read_head([OK, (b"a", b"1"), (b"b", b"2")], valid)
    assert valid == {(b"a", b"1"), (b"b", b"2")}
    read_head([OK, (b"c", b"3"), (b"d", b"x" * 256)], valid)
    assert valid == {(b"c", b"3")}
    read_head([OK, (b"d", b"x" * 255)], valid)
    assert valid == {(b"c", b"3"), (b"d", b"x" * 255)}


def test_trailers_hold_no_pseudo_headers() -> None:
    valid: set[tuple[bytes, bytes]] = set()
    fields = [(b"x-sum", b"42")]
    assert read_trailers(fields, valid) is fields
    assert read_trailers(fields, valid) is fields
    with pytest.raises(MalformedError, match="pseudo-header"):
        read_trailers([OK], valid)


@pytest.mark.parametrize(
    ("name", "value"),
    [(b":scheme", b"1https"), (b":authority", b"exam ple"), (b":path", b"style.css")],
)
def test_a_promise_is_for_a_request_that_could_be_made(name: bytes, value: bytes) -> None:
    promised = {
        b":method": b"GET",
        b":scheme": b"https",
        b":authority": b"example.org",
        b":path": b"/style.css",
    }
    assert read_promise(list(promised.items()), set()).path == b"/style.css"
    promised[name] = value
    with pytest.raises(MalformedError, match=name[1:].decode()):
        read_promise(list(promised.items()), set())
