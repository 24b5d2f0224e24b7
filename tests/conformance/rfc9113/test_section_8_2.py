"""RFC 9113 §8.2: HTTP fields: which names and values may be sent, which are refused on arrival."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import OK, Peer, frame

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR

CONNECTION_SPECIFIC = [
    ("connection", "close"),
    ("connection", "x-other"),
    ("keep-alive", "timeout=5"),
    ("proxy-connection", "keep-alive"),
    ("transfer-encoding", "chunked"),
    ("transfer-encoding", "identity"),
    ("upgrade", "h2c"),
]


def literal(name: bytes, value: bytes) -> bytes:
    """A field as an uncompressed literal, so that any octets get through (RFC 7541 §6.2.2)."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def receive(peer: Peer, where: str, name: bytes, value: bytes):  # type: ignore[no-untyped-def]
    """Have a field arrive in a head, an interim head, or trailers; return the exchange."""
    exchange = peer.request()
    field = literal(name, value)
    if where == "interim":
        peer.raw(frame("HEADERS", 0x4, exchange.id, literal(b":status", b"103") + field))
    elif where == "head":
        peer.raw(frame("HEADERS", 0x4, exchange.id, b"\x88" + field))
    else:
        peer.headers(exchange.id)
        peer.raw(frame("HEADERS", 0x5, exchange.id, field))
    return exchange


EVERYWHERE = pytest.mark.parametrize("where", ["head", "interim", "trailers"])

BAD_NAMES = [
    b"",
    b"X-Upper",
    b"x-Upper",
    b"Content-Length",
    b"x y",
    b" x",
    b"x ",
    b"x\t",
    b"x:y",
    b"x:",
    b"x\0",
    b"x\r",
    b"x\n",
    b"x\x7f",
    b"x\x80",
    b"x\xff",
    "x-ümlaut".encode(),
]

BAD_VALUES = [
    b"a\0b",
    b"\0",
    b"a\rb",
    b"a\nb",
    b"a\r\nset-cookie: b=c",
    b"a\n",
    b"\ra",
    b" a",
    b"a ",
    b"\ta",
    b"a\t",
    b" ",
    b"\t",
]

GOOD_VALUES = [
    b"",
    b"a",
    b"a b",
    b"a\tb",
    b"\xff\xfe not ASCII",
    "füße".encode(),
    b"a\x01b",
    b"a\x7fb",
    b":colon",
    b'"quoted, list", "of things"',
]


@EVERYWHERE
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_with_a_forbidden_octet_is_malformed(peer: Peer, where: str, name: bytes) -> None:
    """§8.2.1: controls, blanks, upper case, a colon, DEL and 8 bit."""
    exchange = receive(peer, where, name, b"value")
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)
    peer.check_usable()


@EVERYWHERE
@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_with_a_forbidden_octet_is_malformed(peer: Peer, where: str, value: bytes) -> None:
    """§8.2.1: NUL, LF and CR anywhere, a blank at either end."""
    exchange = receive(peer, where, b"x-name", value)
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)
    peer.check_usable()


@pytest.mark.parametrize("octet", [*range(0x21), *range(0x41, 0x5B), 0x3A, *range(0x7F, 0x100)])
def test_every_octet_that_a_name_may_not_have_is_found(peer: Peer, octet: int) -> None:
    """§8.2.1, in full: 0x00-0x20, 0x41-0x5a, 0x7f-0xff and the colon."""
    exchange = receive(peer, "head", b"x" + bytes([octet]) + b"y", b"value")
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "octet", [at for at in range(0x21, 0x7F) if at != 0x3A and not 0x41 <= at <= 0x5A]
)
def test_every_other_octet_may_be_in_a_name(peer: Peer, octet: int) -> None:
    """§8.2.1 is the minimum, and what others send is not ours to refine."""
    name = b"x" + bytes([octet]) + b"y"
    exchange = receive(peer, "head", name, b"value")
    assert exchange.headers == [(name, b"value")]
    assert exchange.error is None


@EVERYWHERE
@pytest.mark.parametrize("value", GOOD_VALUES)
def test_values_of_any_other_octets_arrive_as_they_are(
    peer: Peer, where: str, value: bytes
) -> None:
    """RFC 9110 §5.5: octets beyond ASCII are opaque, not errors."""
    exchange = receive(peer, where, b"x-name", value)
    peer.expect_nothing()
    fields = {
        "head": lambda: exchange.headers,
        "interim": lambda: exchange.informational[0][1],
        "trailers": lambda: exchange.trailers,
    }[where]()
    assert list(fields) == [(b"x-name", value)]


@EVERYWHERE
@pytest.mark.parametrize(("name", "value"), CONNECTION_SPECIFIC)
def test_a_connection_specific_field_is_malformed(
    peer: Peer, where: str, name: str, value: str
) -> None:
    """§8.2.2."""
    exchange = receive(peer, where, name.encode(), value.encode())
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    peer.check_usable()


@EVERYWHERE
@pytest.mark.parametrize("value", [b"trailers", b"Trailers"])
def test_te_trailers_is_no_response_field_but_harmless(
    peer: Peer, where: str, value: bytes
) -> None:
    """§8.2.2 lets it be in requests; in a response it means nothing and breaks nothing."""
    exchange = receive(peer, where, b"te", value)
    assert exchange.error is None
    peer.expect_nothing()


@EVERYWHERE
@pytest.mark.parametrize("value", [b"gzip", b"trailers, gzip", b"trailers;q=1", b""])
def test_te_with_any_other_value_is_malformed(peer: Peer, where: str, value: bytes) -> None:
    """§8.2.2: it is the one exception, and only with that value."""
    exchange = receive(peer, where, b"te", value)
    assert isinstance(exchange.error, ProtocolError)
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    peer.check_usable()


def test_a_bad_field_is_found_again_in_a_head_that_looks_like_a_good_one(peer: Peer) -> None:
    """Fields found in order are remembered; nothing else may be."""
    for value, good in ((b"fine", True), (b"a\nb", False), (b"fine", True), (b"a\nb", False)):
        exchange = receive(peer, "head", b"x-name", value)
        assert (exchange.error is None) is good
        peer.written()


def test_error_messages_never_show_a_value(peer: Peer) -> None:
    exchange = receive(peer, "head", b"set-cookie", b"secret\0")
    assert "secret" not in str(exchange.error)
    assert "set-cookie" in str(exchange.error)
    written = peer.written()
    assert all(b"secret" not in one.debug for one in written)


# Outgoing: ValueError before anything is sent, and before any state has changed.


def refuse(peer: Peer, *headers: tuple[bytes, bytes], match: str) -> None:
    with pytest.raises(ValueError, match=match) as caught:
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", headers, end=True)
    assert "secret" not in str(caught.value)
    peer.expect_nothing()
    assert peer.request().id == 1


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_may_not_be_sent_is_a_value_error(peer: Peer, name: bytes) -> None:
    """§8.2.1: and the request that failed has used up nothing."""
    refuse(peer, (name, b"secret"), match="name|pseudo")


@pytest.mark.parametrize("name", [b"x(y", b"x,y", b"x/y", b"x@y", b"x[y", b'x"y', b"x{y"])
def test_only_tokens_are_sent_as_names(peer: Peer, name: bytes) -> None:
    """RFC 9110 §5.1: we are strict in what we send."""
    refuse(peer, (name, b"secret"), match="name")


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_may_not_be_sent_is_a_value_error(peer: Peer, value: bytes) -> None:
    """§8.2.1: request splitting ends here, whatever the next hop speaks."""
    refuse(peer, (b"x-name", b"secret" + value), (b"y", value), match="x-name|'y'")


@pytest.mark.parametrize("value", GOOD_VALUES)
def test_any_other_value_is_sent_as_it_is(peer: Peer, value: bytes) -> None:
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [(b"x", value)], end=True)
    headers = peer.expect("HEADERS").headers
    assert headers is not None
    assert headers[-1] == ("x", value.decode("latin-1"))


@pytest.mark.parametrize(("name", "value"), CONNECTION_SPECIFIC)
def test_connection_specific_fields_are_never_sent(peer: Peer, name: str, value: str) -> None:
    """§8.2.2."""
    refuse(peer, (name.encode(), value.encode()), match=name)


@pytest.mark.parametrize("value", [b"gzip", b"trailers, gzip", b"", b"trailers;q=1"])
def test_te_may_say_trailers_and_nothing_else(peer: Peer, value: bytes) -> None:
    """§8.2.2."""
    refuse(peer, (b"te", value), match="te")


def test_te_trailers_is_sent(peer: Peer) -> None:
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", [(b"te", b"trailers")], end=True)
    headers = peer.expect("HEADERS").headers
    assert headers is not None
    assert ("te", "trailers") in headers


@pytest.mark.parametrize(
    "trailer",
    [
        (b"X-Upper", b"1"),
        (b":path", b"/"),
        (b"x", b"a\nb"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
    ],
)
def test_trailers_are_held_to_the_same_rules(peer: Peer, trailer: tuple[bytes, bytes]) -> None:
    """§8.1, §8.2; the stream is as it was, so the caller may mend them."""
    upload = peer.upload()
    with pytest.raises(ValueError, match=r"header|pseudo|sent"):
        peer.protocol.send_body(upload, b"body", end=True, trailers=[trailer])
    peer.expect_nothing()
    assert peer.protocol.send_body(upload, b"body", end=True) == 4
    peer.expect("DATA", data=b"body", end_stream=True)


@pytest.mark.parametrize("name", [b"content-length", b"host", b"te", b"trailer"])
def test_fields_for_heads_only_are_no_trailers(peer: Peer, name: bytes) -> None:
    """RFC 9110 §6.5.1: nothing that is needed before the body."""
    upload = peer.upload()
    trailers = [(b"x-sum", b"1"), (name, b"trailers")]
    with pytest.raises(ValueError, match="as a trailer"):
        peer.protocol.send_body(upload, b"body", end=True, trailers=iter(trailers))
    peer.expect_nothing()
    assert peer.protocol.send_body(upload, b"body", end=True, trailers=iter(trailers[:1])) == 4
    peer.expect("DATA", data=b"body", end_stream=False)
    peer.expect("HEADERS", headers=[("x-sum", "1")], end_stream=True)


def test_fields_keep_their_order_and_their_repetitions(peer: Peer) -> None:
    headers = [(b"b", b"1"), (b"a", b"2"), (b"b", b"3"), (b"a", b"2")]
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", headers, end=True)
    sent = peer.expect("HEADERS").headers
    assert sent is not None
    assert sent[4:] == [("b", "1"), ("a", "2"), ("b", "3"), ("a", "2")]


def test_several_cookies_may_be_sent_as_several_fields(peer: Peer) -> None:
    """§8.2.3: for better compression; the server joins them again."""
    headers = [(b"cookie", b"a=b"), (b"cookie", b"c=d")]
    peer.protocol.request(b"GET", b"https", b"example.org", b"/", headers, end=True)
    sent = peer.expect("HEADERS").headers
    assert sent is not None
    assert [pair for pair in sent if pair[0] == "cookie"] == [("cookie", "a=b"), ("cookie", "c=d")]


def test_short_cookies_and_credentials_are_never_indexed(peer: Peer) -> None:
    """RFC 7541 §7.1.3: a guess must not be confirmed by the size of a field block."""
    headers = [(b"authorization", b"Basic c2VjcmV0"), (b"cookie", b"id=1")]
    for _ in range(2):
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", headers, end=True)
        assert {"authorization", "cookie"} <= set(peer.expect("HEADERS").sensitive)


def test_response_fields_arrive_in_order_with_their_repetitions(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, ("set-cookie", "b=1"), ("a", "2"), ("set-cookie", "a=3")])
    assert exchange.headers == [(b"set-cookie", b"b=1"), (b"a", b"2"), (b"set-cookie", b"a=3")]
