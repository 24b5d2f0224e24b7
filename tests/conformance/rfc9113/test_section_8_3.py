"""RFC 9113 §8.3: HTTP control data: the pseudo-headers of requests and responses."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError
from tests.peer import Peer

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR


def sent(
    peer: Peer, method: bytes, scheme: bytes, authority: bytes, path: bytes
) -> list[tuple[str, str]]:
    """The fields of a request, as the peer reads them."""
    peer.protocol.request(method, scheme, authority, path, [(b"accept", b"*/*")], end=True)
    headers = peer.expect("HEADERS").headers
    assert headers is not None
    return headers


# Requests (§8.3.1).


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PATCH", b"QUERY", b"x-anything!"])
@pytest.mark.parametrize("scheme", [b"https", b"http"])
def test_a_request_has_each_pseudo_header_once_and_first(
    peer: Peer, method: bytes, scheme: bytes
) -> None:
    assert sent(peer, method, scheme, b"example.org:8443", b"/path?query=1") == [
        (":method", method.decode()),
        (":scheme", scheme.decode()),
        (":authority", "example.org:8443"),
        (":path", "/path?query=1"),
        ("accept", "*/*"),
    ]


@pytest.mark.parametrize(
    "authority", [b"example.org", b"example.org:443", b"[::1]", b"[::1]:8443", b"127.0.0.1", b"a-b"]
)
def test_authorities_of_every_form_are_sent(peer: Peer, authority: bytes) -> None:
    assert (":authority", authority.decode()) in sent(peer, b"GET", b"https", authority, b"/")


def test_options_of_the_whole_server_asks_for_an_asterisk(peer: Peer) -> None:
    """§8.3.1."""
    assert (":path", "*") in sent(peer, b"OPTIONS", b"https", b"example.org", b"*")


@pytest.mark.parametrize(
    ("method", "scheme", "authority", "path"),
    [
        (b"", b"https", b"example.org", b"/"),
        (b"GE T", b"https", b"example.org", b"/"),
        (b"GET\r\n", b"https", b"example.org", b"/"),
        (b"GET\n", b"https", b"example.org", b"/"),
        (b"GET\0", b"https", b"example.org", b"/"),
        ("GÉT".encode(), b"https", b"example.org", b"/"),
        (b"GET", b"", b"example.org", b"/"),
        (b"GET", b"ht tp", b"example.org", b"/"),
        (b"GET", b"https\n", b"example.org", b"/"),
        (b"GET", b"https", b"", b"/"),
        (b"GET", b"https", b"user@example.org", b"/"),
        (b"GET", b"https", b"user:secret@example.org", b"/"),
        (b"GET", b"https", b"example.org\r\nx: y", b"/"),
        (b"GET", b"https", b"example.org\n", b"/"),
        (b"GET", b"https", b"exam ple.org", b"/"),
        (b"GET", b"https", b"example.org/path", b"/"),
        (b"GET", b"https", b"example.org?x", b"/"),
        (b"GET", b"https", b"example.org#x", b"/"),
        (b"GET", b"https", b"\xff.org", b"/"),
        (b"GET", b"https", b"example.org", b""),
        (b"GET", b"https", b"example.org", b"path"),
        (b"GET", b"https", b"example.org", b"?query"),
        (b"GET", b"https", b"example.org", b"/path#fragment"),
        (b"GET", b"https", b"example.org", b"/a b"),
        (b"GET", b"https", b"example.org", b"/a\r\nx: y"),
        (b"GET", b"https", b"example.org", b"/a\n"),
        (b"GET", b"https", b"example.org", b"/a\0"),
        (b"GET", b"https", b"example.org", b"/a\t"),
        (b"GET", b"https", b"example.org", "/é".encode()),
        (b"GET", b"https", b"example.org", b"/\x7f"),
        (b"GET", b"https", b"example.org", b"*"),
        (b"CONNECT", b"https", b"", b"/"),
    ],
)
def test_control_data_that_may_not_be_sent_is_a_value_error(
    peer: Peer, method: bytes, scheme: bytes, authority: bytes, path: bytes
) -> None:
    """§8.3.1: no empty or relative path, no userinfo, no fragment, nothing that splits.

    The asterisk is for OPTIONS only (RFC 9110 §7.1).

    An empty authority would be an http or https URI without a host (RFC 9110 §4.2.1).
    """
    with pytest.raises(ValueError, match=r"method|scheme|authority|path"):
        peer.protocol.request(method, scheme, authority, path, [], end=True)
    peer.expect_nothing()
    assert peer.request().id == 1


@pytest.mark.parametrize("name", [b":method", b":path", b":authority", b":status", b":protocol"])
def test_pseudo_headers_among_the_users_fields_are_a_value_error(peer: Peer, name: bytes) -> None:
    """§8.3: each exactly once, none but ours; the facade takes the user's apart first."""
    with pytest.raises(ValueError, match="pseudo"):
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [(name, b"x")], end=True)
    peer.expect_nothing()


# Responses (§8.3.2).


def answer(peer: Peer, fields: list[tuple[str, str]], *, end: bool = False):  # type: ignore[no-untyped-def]
    exchange = peer.request()
    peer.headers(exchange.id, fields, end=end)
    return exchange


@pytest.mark.parametrize("status", [200, 204, 299, 304, 404, 451, 500, 599, 600, 999])
def test_three_digits_are_a_status(peer: Peer, status: int) -> None:
    exchange = answer(peer, [(":status", str(status))], end=True)
    assert exchange.status == status
    assert exchange.ended


@pytest.mark.parametrize(
    "status",
    [
        *("", "0", "20", "2000", "099", "000", "+20", "-20", " 200", "200 ", "20x", "2e2", "0x2"),
        *("\uff12\uff10\uff10", "\u0662\u0660\u0660", "200 OK", "200\0", "HTTP/1.1 200"),
    ],
)
@pytest.mark.parametrize("end", [False, True])
def test_anything_else_is_malformed(peer: Peer, status: str, end: bool) -> None:
    """§8.3.2; what int() makes of it is no argument."""
    exchange = answer(peer, [(":status", status)], end=end)
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    assert exchange.status == 0
    peer.check_usable()


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("x-name", "value")],
        [(":status", "200"), (":status", "200")],
        [(":status", "200"), (":status", "404")],
        [(":status", "200"), ("x-name", "value"), (":status", "200")],
        [("x-name", "value"), (":status", "200")],
        [(":path", "/"), (":status", "200")],
        [(":status", "200"), (":path", "/")],
        [(":status", "200"), (":method", "GET")],
        [(":status", "200"), (":scheme", "https")],
        [(":status", "200"), (":authority", "example.org")],
        [(":status", "200"), (":protocol", "websocket")],
        [(":status", "200"), (":unknown", "x")],
        [(":status", "200"), (":", "x")],
        [(":status", "200"), ("::status", "200")],
        [(":status", "200"), (":STATUS", "200")],
        [(":Status", "200")],
        [("status", "200")],
        [(":status ", "200")],
    ],
)
@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("interim", [False, True])
def test_pseudo_headers_missing_twice_foreign_or_late_are_malformed(
    peer: Peer, fields: list[tuple[str, str]], end: bool, interim: bool
) -> None:
    """§8.3, §8.3.2: also after an interim head that was in order."""
    exchange = peer.request()
    if interim:
        peer.headers(exchange.id, [(":status", "103")])
    peer.headers(exchange.id, fields, end=end)
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)
    assert exchange.status == 0
    assert not exchange.ended
    peer.check_usable()


def test_an_interim_head_needs_a_status_as_well(peer: Peer) -> None:
    """§8.3.2: in all responses, interim ones included."""
    exchange = peer.request()
    peer.headers(exchange.id, [("link", "</a>")])
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)


def test_status_is_no_header_of_the_response(peer: Peer) -> None:
    exchange = answer(peer, [(":status", "200"), ("a", "b")])
    assert exchange.headers == [(b"a", b"b")]
