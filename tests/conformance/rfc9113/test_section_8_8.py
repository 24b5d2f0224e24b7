"""RFC 9113 §8.8: the examples, seen from the client."""

from __future__ import annotations

from tests.peer import Peer, body_of


def test_a_simple_request(peer: Peer) -> None:
    """§8.8.1."""
    peer.protocol.request(
        b"GET",
        b"https",
        b"example.org",
        b"/resource",
        [(b"host", b"example.org"), (b"accept", b"image/jpeg")],
        end=True,
    )
    peer.expect(
        "HEADERS",
        end_stream=True,
        end_headers=True,
        headers=[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "example.org"),
            (":path", "/resource"),
            ("host", "example.org"),
            ("accept", "image/jpeg"),
        ],
    )


def test_a_simple_response(peer: Peer) -> None:
    """§8.8.2: no content."""
    exchange = peer.request()
    fields = [(":status", "304"), ("etag", '"xyzzy"'), ("expires", "Sat, 03 Dec 2022 13:55:38 GMT")]
    peer.headers(exchange.id, fields, end=True)
    assert exchange.status == 304
    assert exchange.headers == [
        (b"etag", b'"xyzzy"'),
        (b"expires", b"Sat, 03 Dec 2022 13:55:38 GMT"),
    ]
    assert exchange.ended


def test_a_complex_request(peer: Peer) -> None:
    """§8.8.3: a body, and fields in any number of frames (here one suffices)."""
    upload = peer.protocol.request(
        b"POST",
        b"https",
        b"example.org",
        b"/resource",
        [(b"content-type", b"image/jpeg"), (b"content-length", b"123")],
        end=False,
    )
    peer.expect("HEADERS", end_stream=False)
    peer.protocol.send_body(upload, bytes(123), end=True)
    peer.expect("DATA", size=123, end_stream=True)


def test_a_response_with_a_body(peer: Peer) -> None:
    """§8.8.4."""
    exchange = peer.request()
    fields = [(":status", "200"), ("content-type", "image/jpeg"), ("content-length", "123")]
    peer.headers(exchange.id, fields)
    peer.data(exchange.id, bytes(123), end=True)
    assert len(body_of(exchange)) == 123
    assert exchange.ended


def test_informational_responses_and_trailers(peer: Peer) -> None:
    """§8.8.5."""
    upload = peer.upload()
    peer.headers(upload.id, [(":status", "100"), ("extension-field", "bar")])
    assert upload.informational == [(100, [(b"extension-field", b"bar")])]
    assert peer.protocol.send_body(upload, b"go on", end=True) == 5
    fields = [(":status", "200"), ("content-type", "image/jpeg"), ("trailer", "Foo")]
    peer.headers(upload.id, fields)
    peer.data(upload.id, bytes(123))
    peer.headers(upload.id, [("foo", "bar")], end=True)
    assert upload.trailers == [(b"foo", b"bar")]
    assert upload.ended
