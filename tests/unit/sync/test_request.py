"""What people pass as host, method, headers and body, and what it comes to on the wire."""

from __future__ import annotations

import io
from typing import Any

import pytest

from hyper.common.headers import HTTPHeaderMap
from hyper.sync import request as request_module
from hyper.sync.request import Asked, Origin, host_and_port, octets, wire_trailers

ORIGIN = Origin("example.org", 443, secure=True)


def ask(
    method: Any = "GET",
    url: Any = "/",
    source: Any = None,
    headers: Any = None,
    trailers: Any = None,
    never_index: Any = (),
) -> Asked:
    return ORIGIN.ask(method, url, source, headers, trailers, never_index)


def fields(headers: Any, source: Any = None, method: str = "GET") -> list[tuple[bytes, bytes]]:
    """What the headers come to, without the one that is always there."""
    asked = ask(method, "/", source, headers)
    return [field for field in asked.headers if field[0] != b"accept-encoding"]


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        ("example.org", None, ("example.org", 443)),
        ("example.org:8443", None, ("example.org", 8443)),
        ("example.org:", None, ("example.org", 443)),
        ("example.org", 8443, ("example.org", 8443)),
        ("example.org:1", 8443, ("example.org", 8443)),
        ("127.0.0.1:80", None, ("127.0.0.1", 80)),
        ("[::1]", None, ("::1", 443)),
        ("[::1]:8443", None, ("::1", 8443)),
        ("[::1]", 8443, ("::1", 8443)),
        ("::1", None, ("::1", 443)),
        ("bücher.example", None, ("bücher.example", 443)),
    ],
)
def test_hosts_and_ports(host: str, port: int | None, expected: tuple[str, int]) -> None:
    assert host_and_port(host, port) == expected


@pytest.mark.parametrize(
    ("host", "port", "says"),
    [
        ("example.org:http", None, "port 'http'"),
        ("example.org:٤٤٣", None, "is not a number"),
        ("example.org:0", None, "1 to 65535"),
        ("example.org:65536", None, "1 to 65535"),
        ("example.org", -1, "1 to 65535"),
        ("[::1", None, "brackets"),
        ("[::1]8443", None, "brackets"),
        ("https://example.org", None, "not a host"),
        ("example.org/path", None, "not a host"),
        ("user@example.org", None, "not a host"),
        ("exam ple.org", None, "blanks"),
        ("example.org\r\nx: y", None, "not a number|blanks"),
        ("", None, "empty"),
    ],
)
def test_what_is_no_host_is_said_so(host: str, port: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        host_and_port(host, port)


@pytest.mark.parametrize(
    ("origin", "authority", "where", "url"),
    [
        (ORIGIN, b"example.org", "example.org:443", "https://example.org:443"),
        (Origin("h", 80, secure=False), b"h", "h:80", "http://h:80"),
        (Origin("h", 80, secure=True), b"h:80", "h:80", "https://h:80"),
        (Origin("h", 443, secure=False), b"h:443", "h:443", "http://h:443"),
        (Origin("::1", 8443, secure=True), b"[::1]:8443", "[::1]:8443", "https://[::1]:8443"),
        (Origin("::1", 443, secure=True), b"[::1]", "[::1]:443", "https://[::1]:443"),
        (Origin("fe80::1%lo", 1, secure=True), b"[fe80::1]:1", "[fe80::1%lo]:1", None),
        (Origin("bücher.example", 443, secure=True), b"xn--bcher-kva.example", None, None),
    ],
)
def test_authorities(origin: Origin, authority: bytes, where: str | None, url: str | None) -> None:
    asked = origin.ask("GET", "/", None, None, None, ())
    assert asked.authority == authority
    assert asked.scheme == (b"https" if str(origin).startswith("https") else b"http")
    assert where is None or asked.where == where
    assert url is None or str(origin) == url


def test_a_plain_request() -> None:
    asked = ask("GET", "/a?b=c")
    assert (asked.method, asked.path, asked.body) == (b"GET", b"/a?b=c", None)
    assert dict(asked.headers).keys() == {b"accept-encoding"}
    assert asked.headers[0][1].startswith(b"gzip, deflate")
    assert ask(b"GET", b"").path == b"/"
    assert str(asked) == "GET /a"


def test_fields_are_remembered_one_by_one() -> None:
    origin = Origin("example.org", 443, secure=True)

    def said(*pairs: Any) -> list[tuple[bytes, bytes]]:
        return list(origin.ask("GET", "/", None, pairs, None, ()).headers)

    accept = ("accept-encoding", "br")
    for number in range(3 * request_module.MAX_REMEMBERED_FIELDS):
        each = (b"x-number", b"%d" % number)
        assert said(("X-One", "1"), accept, ("x-number", number)) == [
            (b"x-one", b"1"),
            (b"accept-encoding", b"br"),
            each,
        ]
        pairs = said(("X-One", "1"), ("X-Number", str(number)))
        assert pairs[:2] == [(b"x-one", b"1"), each]
        assert [name for name, _ in pairs[2:]] == [b"accept-encoding"]
        assert len(origin._fields) <= request_module.MAX_REMEMBERED_FIELDS
    long = "x" * request_module.MAX_REMEMBERED_SIZE
    assert said(("x-long", long), accept)[0] == (b"x-long", long.encode())
    assert all(len(str(value)) < 50 for _, value in origin._fields)


def test_fields_that_mean_something_to_us_are_never_just_passed_on() -> None:
    origin = Origin("example.org", 443, secure=True)
    for number in range(3):  # known by the second time
        new = ("x-new", str(number))
        asked = origin.ask("GET", "/", None, [("Host", "other"), new], None, ())
        assert asked.authority == b"other"
        asked = origin.ask("GET", "/", None, [("te", "gzip, trailers"), new], None, ())
        assert (b"te", b"trailers") in asked.headers
        asked = origin.ask("GET", "/", None, [("connection", "x-new"), new], None, ())
        assert [name for name, _ in asked.headers] == [b"accept-encoding"]
        for accepted in ("br", "gzip", "br"):
            asked = origin.ask("GET", "/", None, [("Accept-Encoding", accepted), new], None, ())
            assert asked.headers[0] == (b"accept-encoding", accepted.encode())
            assert len(asked.headers) == 2
        asked = origin.ask("POST", "/", b"12", [("content-length", "2"), new], None, ())
        assert sum(name == b"content-length" for name, _ in asked.headers) == 1


def test_a_number_that_may_not_be_sent_is_refused_beside_one_that_may() -> None:
    origin = Origin("example.org", 443, secure=True)
    one: Any
    for number in range(2):
        one = ("x-one", 1)
        origin.ask("GET", "/", None, [one, ("x-new", str(number))], None, ())
        one = ("x-one", 1.0)
        with pytest.raises(TypeError):
            origin.ask("GET", "/", None, [one, ("x-new", f"no {number}")], None, ())


def test_the_same_plain_request_is_remembered_within_bounds() -> None:
    origin = Origin("example.org", 443, secure=True)
    first = origin.ask("GET", "/", None, None, None, ())
    assert origin.plain["GET", "/"] is first
    for words in (("POST", "/", b"x", None, None, ()), ("GET", "/", None, {"x": "1"}, None, ())):
        assert origin.ask(*words) is not first
    assert list(origin.plain) == [("GET", "/")]
    for number in range(3 * request_module.MAX_REMEMBERED_REQUESTS):
        origin.ask("GET", f"/{number}", None, None, None, ())
        origin.ask("GET", "/", None, {"x": str(number)}, None, ())
        assert len(origin.plain) <= request_module.MAX_REMEMBERED_REQUESTS
        assert len(origin._remembered) <= request_module.MAX_REMEMBERED_REQUESTS


@pytest.mark.parametrize(
    "headers",
    [
        {"X-One": "1", b"x-two": b"2"},
        [("X-One", "1"), (b"x-two", b"2")],
        [["X-One", "1"], ["x-two", "2"]],
        iter([("X-One", "1"), ("x-two", "2")]),
        HTTPHeaderMap([("X-One", "1"), ("x-two", "2")]),
        {"x-one": 1, "x-two": 2},
    ],
    ids=["mapping", "pairs", "lists", "iterator", "map", "numbers"],
)
def test_headers_in_every_shape(headers: Any) -> None:
    assert fields(headers) == [(b"x-one", b"1"), (b"x-two", b"2")]


def test_commas_stay_as_they_are_written() -> None:
    headers = HTTPHeaderMap([("user-agent", "a (b, c)"), ("accept", "x, y")])
    assert fields(headers) == [(b"user-agent", b"a (b, c)"), (b"accept", b"x, y")]


@pytest.mark.parametrize("headers", [{"x": None}, {"x": object()}, [("x", ["y"])], {None: "x"}])
def test_what_is_no_text_is_a_type_error(headers: Any) -> None:
    with pytest.raises(TypeError, match="str or bytes is wanted"):
        ask(headers=headers)


def test_pseudo_headers_override() -> None:
    asked = ask(
        "GET", "/a", None, {":method": "PUT", ":path": "/b", ":scheme": "x", ":authority": "c:1"}
    )
    assert (asked.method, asked.path, asked.scheme, asked.authority) == (
        b"PUT", b"/b", b"x", b"c:1"
    )  # fmt: skip
    # Any other is left for the protocol to refuse.
    assert (b":status", b"200") in ask(headers={":status": "200"}).headers


def test_host_becomes_the_authority_unless_there_is_one() -> None:
    assert ask(headers={"Host": "other.example"}).authority == b"other.example"
    both = ask(headers={"host": "a", ":authority": "b"})
    assert both.authority == b"b"
    assert ask(headers=[(":authority", "b"), ("host", "a")]).authority == b"b"
    assert fields({"host": "a"}) == []


def test_fields_about_an_http11_connection_are_left_out() -> None:
    """RFC 9113 §8.2.2."""
    assert fields(
        {
            "connection": "close, X-Hop",
            "x-hop": "1",
            "keep-alive": "timeout=5",
            "proxy-connection": "keep-alive",
            "transfer-encoding": "chunked",
            "upgrade": "websocket",
            "x-stays": "1",
        }
    ) == [(b"x-stays", b"1")]


def test_te_may_say_one_word_only() -> None:
    assert fields({"te": "gzip, Trailers"}) == [(b"te", b"trailers")]
    assert fields({"te": "gzip"}) == []


def test_accept_encoding_is_the_users_if_there_is_one() -> None:
    assert ask(headers={"Accept-Encoding": "identity"}).headers == (
        (b"accept-encoding", b"identity"),
    )
    assert dict(ask(headers={}).headers).keys() == {b"accept-encoding"}


def test_a_part_is_asked_for_without_a_coding() -> None:
    """RFC 9110 §14.1.2: it would be a part of the coded octets, which nobody can decode."""
    origin = Origin("example.org", 443, secure=True)
    for number in range(3):  # known by the second time
        new = ("x-new", str(number))
        asked = origin.ask("GET", "/", None, [("Range", "bytes=0-9"), new], None, ())
        assert dict(asked.headers)[b"accept-encoding"] == b"identity"
        given = [("Range", "bytes=0-9"), ("Accept-Encoding", "gzip"), new]
        asked = origin.ask("GET", "/", None, given, None, ())
        assert [value for name, value in asked.headers if name == b"accept-encoding"] == [b"gzip"]
        asked = origin.ask("GET", "/", None, [new], None, ())
        assert b"gzip" in dict(asked.headers)[b"accept-encoding"]


@pytest.mark.parametrize("source", [b"abc", "abc", bytearray(b"abc"), io.BytesIO(b"abc")])
def test_a_known_length_is_set(source: Any) -> None:
    assert fields({}, source, "POST") == [(b"content-length", b"3")]


def test_an_unknown_length_is_not_set() -> None:
    assert fields({}, iter([b"abc"]), "POST") == []


def test_a_length_that_the_user_set_stays_and_is_checked() -> None:
    assert fields({"content-length": "3"}, b"abc") == [(b"content-length", b"3")]
    assert fields({"content-length": 3}, iter([b"abc"])) == [(b"content-length", b"3")]
    twice = [("Content-Length", "3"), ("content-length", "3")]
    assert fields(twice, b"abc") == [(b"content-length", b"3")]
    with pytest.raises(ValueError, match="one decimal number"):
        fields([*twice, ("content-length", "4")], b"abc")
    with pytest.raises(ValueError, match="content-length says 4 but the body has 3"):
        ask("POST", "/", b"abc", {"content-length": "4"})
    with pytest.raises(ValueError, match="content-length says 4 but the body has 0"):
        ask("POST", "/", None, {"content-length": "4"})
    with pytest.raises(ValueError, match="one decimal number"):
        ask("POST", "/", b"abc", {"content-length": "three"})


def test_a_length_with_trailers_is_left_to_the_user() -> None:
    assert ask("POST", "/", b"abc", {}, {"x-sum": "1"}).headers == ask().headers


@pytest.mark.parametrize(("body", "kept"), [(None, False), (b"", False), (b"x", True)])
def test_leave_is_asked_for_only_where_there_is_a_body(body: bytes | None, kept: bool) -> None:
    """RFC 9110 §10.1.1: no 100-continue without content."""
    asked = ORIGIN.ask("PUT", "/", body, {"Expect": "100-continue"}, None, ())
    assert ((b"expect", b"100-continue") in asked.headers) is kept
    assert asked.expects is kept
    other = ORIGIN.ask("PUT", "/", body, {"Expect": "something else"}, None, ())
    assert (b"expect", b"something else") in other.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_body_where_one_is_expected_has_length_0(method: str) -> None:
    for source in (None, b"", ""):
        asked = ask(method, "/", source)
        assert (b"content-length", b"0") in asked.headers
        assert asked.body is None
    assert (b"content-length", b"0") not in ask("GET").headers
    assert fields({"content-length": "0"}, None, method) == [(b"content-length", b"0")]


def test_trailers_need_a_body_even_an_empty_one() -> None:
    asked = ask("POST", "/", None, None, [("X-Sum", "1")])
    assert asked.body is not None
    assert list(asked.body) == [(b"", True)]
    assert wire_trailers(asked.trailers) == ((b"x-sum", b"1"),)
    assert wire_trailers(lambda: {"X-Sum": 2}) == ((b"x-sum", b"2"),)


def test_names_that_no_table_may_keep() -> None:
    assert ask(never_index=["X-Secret", b"y"]).never_index == {b"x-secret", b"y"}
    assert ask().never_index == ()


def test_octets() -> None:
    assert (octets("é"), octets(b"x"), octets(7)) == ("é".encode(), b"x", b"7")
    with pytest.raises(TypeError, match="not float"):
        octets(1.5)


def test_a_body_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="request body cannot be"):
        ask("POST", "/", 7)
    with pytest.raises(TypeError, match=r"json\.dumps"):
        ask("POST", "/", {"a": 1})
