"""RFC 9112 §3: the request line and its four forms of a target."""

from __future__ import annotations

import pytest

from hyper.http11.protocol import HTTP11Protocol
from tests.unit.http11.asking import ask, written


def first_line(
    method: bytes = b"GET",
    authority: bytes = b"example.org",
    path: bytes = b"/",
    *,
    absolute: bool = False,
) -> bytes:
    client = HTTP11Protocol(absolute=absolute)
    client.request(method, b"http", authority, path, [], end=True)
    return client.data_to_send().partition(b"\r\n")[0]


def test_one_blank_stands_between_the_parts_of_the_first_line() -> None:
    """§3: method SP request-target SP HTTP-version."""
    assert first_line(b"DELETE", path=b"/a?b=c") == b"DELETE /a?b=c HTTP/1.1"


@pytest.mark.parametrize("path", [b"/a b", b"/a\tb", b"/a\xa0", b"/a#b", b"/a\x7f", b"/\xc3\xa9"])
def test_no_target_holds_blanks_fragments_or_what_is_not_ascii(path: bytes) -> None:
    """§3.2."""
    with pytest.raises(ValueError, match="percent-encode"):
        first_line(path=path)


def test_every_request_has_one_host_and_it_comes_first() -> None:
    """§3.2, RFC 9110 §7.2: identical to the authority of the target."""
    for head in (written(), written(b"CONNECT"), written(b"OPTIONS")):
        lines = head.split(b"\r\n")
        assert lines[1].startswith(b"host: example.org")
        assert sum(line.startswith(b"host:") for line in lines) == 1
    with pytest.raises(ValueError, match="'host' is the authority"):
        written(b"GET", (b"host", b"other.example"))


@pytest.mark.parametrize("authority", [b"me@example.org", b"me:secret@example.org"])
def test_userinfo_never_leaves(authority: bytes) -> None:
    """§3.2, RFC 9110 §4.2.4."""
    with pytest.raises(ValueError, match="userinfo"):
        first_line(authority=authority)


def test_an_origin_server_is_told_the_path_and_the_query_only() -> None:
    """§3.2.1."""
    assert first_line(path=b"/where?q=now") == b"GET /where?q=now HTTP/1.1"
    for path in (b"", b"where", b"http://example.org/where", b"?q=now"):
        with pytest.raises(ValueError, match="must start with '/'"):
            first_line(path=path)


def test_a_proxy_is_told_the_whole_uri_and_the_host_all_the_same() -> None:
    """§3.2.2."""
    client = HTTP11Protocol(absolute=True)
    client.request(b"GET", b"http", b"example.org:8080", b"/a", [], end=True)
    assert client.data_to_send() == (
        b"GET http://example.org:8080/a HTTP/1.1\r\nhost: example.org:8080\r\n\r\n"
    )


@pytest.mark.parametrize("absolute", [False, True])
def test_connect_names_host_and_port_only(absolute: bool) -> None:
    """§3.2.3: the port even if it is the scheme's own."""
    line = first_line(b"CONNECT", b"example.org:443", absolute=absolute)
    assert line == b"CONNECT example.org:443 HTTP/1.1"
    with pytest.raises(ValueError, match="add the port"):
        first_line(b"CONNECT", b"example.org", absolute=absolute)


def test_options_of_the_whole_server_is_an_asterisk() -> None:
    """§3.2.4; a proxy is told a URI without a path, and makes the asterisk of it."""
    assert first_line(b"OPTIONS", path=b"*") == b"OPTIONS * HTTP/1.1"
    line = first_line(b"OPTIONS", path=b"*", absolute=True)
    assert line == b"OPTIONS http://example.org HTTP/1.1"
    with pytest.raises(ValueError, match="'\\*' of OPTIONS"):
        first_line(path=b"*")


def test_a_request_that_may_not_be_sent_changes_nothing() -> None:
    client = HTTP11Protocol()
    for wrong in ((b"G T", b"a", b"/"), (b"GET", b"a b", b"/"), (b"GET", b"a", b"b")):
        with pytest.raises(ValueError):
            client.request(wrong[0], b"http", wrong[1], wrong[2], [], end=True)
    assert client.idle and client.data_to_send() == b""
    assert ask(client).opened
