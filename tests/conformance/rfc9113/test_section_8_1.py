"""RFC 9113 §8.1: message framing: heads, bodies, trailers, interim heads, and what is malformed."""

from __future__ import annotations

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError, StreamResetError
from tests.peer import OK, Peer, body_of, connected

PROTOCOL_ERROR = ErrorCode.PROTOCOL_ERROR


def expect_malformed(peer: Peer, exchange) -> None:  # type: ignore[no-untyped-def]
    """§8.1.1: a stream error of type PROTOCOL_ERROR; the connection stays usable."""
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    assert isinstance(exchange.error, ProtocolError)
    assert exchange.error.error_code == PROTOCOL_ERROR
    assert exchange.error.stream_id == exchange.id
    assert not exchange.error.retryable
    assert not exchange.ended
    peer.check_usable()


# What a response may look like.


def test_a_head_alone_is_a_response(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "200"), ("content-length", "0")], end=True)
    assert exchange.ended
    assert exchange.trailers is None
    assert not exchange.chunks


def test_a_head_and_a_body(peer: Peer) -> None:
    exchange = peer.request()
    peer.answer(exchange.id, b"body", [(":status", "200"), ("content-length", "4")])
    assert exchange.ended
    assert body_of(exchange) == b"body"


@pytest.mark.parametrize("body", [b"", b"body"])
def test_a_head_a_body_and_trailers(peer: Peer, body: bytes) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    if body:
        peer.data(exchange.id, body)
    assert not exchange.trailers
    moved = peer.headers(exchange.id, [("x-sum", "1"), ("x-sum", "2")], end=True)
    assert exchange in moved
    assert exchange.trailers == [(b"x-sum", b"1"), (b"x-sum", b"2")]
    assert exchange.ended
    assert body_of(exchange) == body


def test_empty_trailers_are_trailers(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.headers(exchange.id, [], end=True)
    assert exchange.ended
    assert exchange.trailers is not None
    assert list(exchange.trailers) == []


@pytest.mark.parametrize("end", ["head", "data", "trailers"])
def test_interim_heads_come_before_the_final_one(peer: Peer, end: str) -> None:
    """§8.1: any number of them; 100, 102, 103 and ones nobody knows."""
    exchange = peer.request()
    assert peer.headers(exchange.id, [(":status", "100")]) == [exchange]
    peer.headers(exchange.id, [(":status", "103"), ("link", "</a.css>; rel=preload")])
    peer.headers(exchange.id, [(":status", "199")])
    assert exchange.status == 0
    assert not exchange.headers
    peer.headers(exchange.id, [(":status", "200"), ("x-final", "1")], end=end == "head")
    if end != "head":
        peer.data(exchange.id, b"", end=end == "data")
    if end == "trailers":
        peer.headers(exchange.id, [("x-t", "1")], end=True)
    assert [status for status, _ in exchange.informational] == [100, 103, 199]
    assert exchange.informational[1][1] == [(b"link", b"</a.css>; rel=preload")]
    assert exchange.status == 200
    assert exchange.headers == [(b"x-final", b"1")]
    assert exchange.ended


def test_a_response_may_be_whole_before_the_request_is(peer: Peer) -> None:
    """§8.1: a server may answer early."""
    upload = peer.upload()
    peer.protocol.send_body(upload, b"some", end=False)
    peer.written()
    peer.answer(upload.id, b"too much", [(":status", "413")])
    assert upload.ended
    assert upload.status == 413
    assert upload.error is None


@pytest.mark.parametrize("code", [ErrorCode.NO_ERROR, ErrorCode.CANCEL])
def test_an_early_response_is_kept_when_the_server_asks_to_stop(peer: Peer, code: int) -> None:
    """§8.1: clients must not discard responses because of such an RST_STREAM."""
    upload = peer.upload()
    peer.answer(upload.id, b"too much", [(":status", "413")])
    assert upload in peer.rst_stream(upload.id, code)
    assert upload.ended
    assert upload.error is None
    assert body_of(upload) == b"too much"
    assert peer.protocol.send_body(upload, b"more", end=True) == 0
    peer.protocol.cancel(upload)
    peer.expect_nothing()
    peer.check_usable()


def test_an_upload_stops_once_the_response_has_ended(peer: Peer) -> None:
    """The caller cancels what nobody wants; the response is untouched by that."""
    upload = peer.upload()
    peer.answer(upload.id, b"early")
    assert peer.protocol.send_body(upload, b"more", end=True) == 0
    peer.expect_nothing()
    peer.protocol.cancel(upload)
    peer.expect("RST_STREAM", stream_id=upload.id)
    assert upload.ended
    assert upload.error is None
    assert body_of(upload) == b"early"


def test_nothing_can_be_uploaded_where_nothing_will_be_taken(peer: Peer) -> None:
    """room() is what a blocked upload waits for, so it must not promise what send_body refuses."""
    upload = peer.upload()
    peer.answer(upload.id)
    assert peer.protocol.room(upload) == 0


def test_the_client_sends_its_trailers_after_its_body(peer: Peer) -> None:
    """§8.1: HEADERS with END_STREAM, no pseudo-headers."""
    upload = peer.upload()
    peer.protocol.send_body(upload, b"body", end=True, trailers=[(b"x-sum", b"42")])
    peer.expect("DATA", data=b"body", end_stream=False)
    peer.expect("HEADERS", stream_id=upload.id, end_stream=True, headers=[("x-sum", "42")])
    peer.expect_nothing()
    peer.answer(upload.id)
    assert upload.ended


def test_trailers_wait_until_the_body_is_taken_whole(peer: Peer) -> None:
    peer.settings(initial_window_size=3)
    peer.expect("SETTINGS", ack=True)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"body", end=True, trailers=[(b"x-sum", b"42")]) == 3
    peer.expect("DATA", data=b"bod", end_stream=False)
    peer.expect_nothing()
    peer.window_update(upload.id, 1)
    assert peer.protocol.send_body(upload, b"y", end=True, trailers=[(b"x-sum", b"42")]) == 1
    peer.expect("DATA", data=b"y", end_stream=False)
    peer.expect("HEADERS", end_stream=True, headers=[("x-sum", "42")])


# What is malformed.


def test_data_before_the_head_is_malformed(peer: Peer) -> None:
    exchange = peer.request()
    peer.data(exchange.id, b"early")
    expect_malformed(peer, exchange)
    assert body_of(exchange) == b""


@pytest.mark.parametrize("data", [b"", b"early"])
def test_an_end_before_the_head_is_malformed(peer: Peer, data: bytes) -> None:
    """An empty DATA frame with END_STREAM must not pass for an empty response."""
    exchange = peer.request()
    peer.data(exchange.id, data, end=True)
    expect_malformed(peer, exchange)


def test_data_after_interim_heads_alone_is_malformed(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "100")])
    peer.data(exchange.id, b"early")
    expect_malformed(peer, exchange)


@pytest.mark.parametrize("status", ["100", "102", "103", "199"])
def test_an_interim_head_that_ends_the_stream_is_malformed(peer: Peer, status: str) -> None:
    """§8.1."""
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", status)], end=True)
    expect_malformed(peer, exchange)


@pytest.mark.parametrize("end", [False, True])
def test_101_is_malformed(peer: Peer, end: bool) -> None:
    """§8.6: HTTP/2 has no Upgrade."""
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "101")], end=end)
    expect_malformed(peer, exchange)


@pytest.mark.parametrize("body", [None, b"body"])
@pytest.mark.parametrize("fields", [[("x-t", "1")], OK, [(":status", "103")], []])
def test_a_second_head_without_end_stream_is_malformed(
    peer: Peer, body: bytes | None, fields: list[tuple[str, str]]
) -> None:
    """§8.1: after a final status only trailers may follow, and they end the stream."""
    exchange = peer.request()
    peer.headers(exchange.id)
    if body:
        peer.data(exchange.id, body)
    peer.headers(exchange.id, fields)
    expect_malformed(peer, exchange)


@pytest.mark.parametrize("name", [":status", ":path", ":method", ":x"])
@pytest.mark.parametrize("at", [0, 1])
def test_pseudo_headers_among_trailers_are_malformed(peer: Peer, name: str, at: int) -> None:
    """§8.1, §8.3."""
    exchange = peer.request()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"body")
    fields = [("x-t", "1"), ("x-u", "2")]
    fields.insert(at, (name, "200"))
    peer.headers(exchange.id, fields, end=True)
    expect_malformed(peer, exchange)
    assert exchange.trailers is None


# content-length against DATA (§8.1.1).

LENGTHS = [
    # content-length, pieces of the body
    ("0", [b"x"]),
    ("1", []),
    ("1", [b""]),
    ("3", [b"ab"]),
    ("3", [b"ab", b"cd"]),
    ("3", [b"abcd"]),
    ("3", [b"", b"ab", b""]),
    ("1000000000000", [b"abc"]),
]


@pytest.mark.parametrize(("length", "pieces"), LENGTHS)
@pytest.mark.parametrize("how", ["on the last DATA", "on an empty DATA", "on trailers"])
@pytest.mark.parametrize("padding", [None, 5])
def test_a_body_of_another_length_than_its_content_length_is_malformed(
    peer: Peer, length: str, pieces: list[bytes], how: str, padding: int | None
) -> None:
    """§8.1.1: however the stream ends; padding does not make up for it."""
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "200"), ("content-length", length)])
    for at, piece in enumerate(pieces):
        last = how == "on the last DATA" and at == len(pieces) - 1
        peer.data(exchange.id, piece, end=last, padding=padding)
    if how == "on an empty DATA" or not pieces:
        peer.data(exchange.id, b"", end=True)
    elif how == "on trailers":
        peer.headers(exchange.id, [("x-t", "1")], end=True)
    expect_malformed(peer, exchange)


def test_end_stream_on_the_head_is_an_empty_body_too(peer: Peer) -> None:
    """h2 4.4 misses this way of ending, and that on trailers."""
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "200"), ("content-length", "5")], end=True)
    expect_malformed(peer, exchange)


@pytest.mark.parametrize("length", ["0", "5", "05", "0005"])
@pytest.mark.parametrize("how", ["head", "data", "empty data", "trailers"])
def test_a_body_as_long_as_its_content_length_is_in_order(
    peer: Peer, length: str, how: str
) -> None:
    exchange = peer.request()
    body = b"x" * int(length)
    if how == "head" and body:
        how = "data"
    head = [(":status", "200"), ("content-length", length)]
    peer.headers(exchange.id, head, end=how == "head")
    if how != "head":
        peer.data(exchange.id, body, end=how == "data", padding=3)
    if how == "empty data":
        peer.data(exchange.id, end=True)
    if how == "trailers":
        peer.headers(exchange.id, [("x-t", "1")], end=True)
    assert exchange.error is None
    assert exchange.ended
    assert body_of(exchange) == body


@pytest.mark.parametrize(
    "length",
    [
        "",
        "-1",
        "+1",
        "1.0",
        "1 ",
        " 1",
        "0x1",
        "1_0",
        "one",
        "1, 1",
        "\u0663",
        "1;",
        "1e3",
        "9" * 40,
    ],
)
def test_a_content_length_that_is_no_number_is_malformed(peer: Peer, length: str) -> None:
    """RFC 9110 §8.6: 1*DIGIT; Python's int() takes far more than that."""
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "200"), ("content-length", length)])
    expect_malformed(peer, exchange)


def test_two_different_content_lengths_are_malformed(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, ("content-length", "1"), ("content-length", "2")])
    expect_malformed(peer, exchange)


def test_the_same_content_length_twice_is_one(peer: Peer) -> None:
    """RFC 9110 §8.6 lets a recipient read it as one, or refuse it."""
    exchange = peer.request()
    fields = [*OK, ("content-length", "4"), ("content-length", "4")]
    peer.headers(exchange.id, fields)
    if exchange.error is None:
        peer.data(exchange.id, b"body", end=True)
        assert exchange.ended
    else:
        expect_malformed(peer, exchange)


def test_a_content_length_is_checked_again_for_the_same_head(peer: Peer) -> None:
    """A head that was seen before is remembered; what it says of the body must be, too."""
    fields = [*OK, ("content-length", "4"), ("server", "x")]
    for _ in range(4):
        good = peer.request()
        peer.answer(good.id, b"body", fields)
        assert good.ended
        short = peer.request()
        peer.answer(short.id, b"bod", fields)
        expect_malformed(peer, short)


def test_a_body_without_a_content_length_is_as_long_as_it_is(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id)
    for _ in range(5):
        peer.data(exchange.id, b"12345")
    peer.data(exchange.id, end=True)
    assert len(body_of(exchange)) == 25


@pytest.mark.parametrize("length", ["0", "5", "12345"])
def test_the_response_to_head_may_say_a_length_and_has_no_body(peer: Peer, length: str) -> None:
    """§8.1.1: a response that is defined to have no content may have any content-length."""
    exchange = peer.request(b"HEAD")
    peer.headers(exchange.id, [(":status", "200"), ("content-length", length)], end=True)
    assert exchange.ended
    assert exchange.error is None


@pytest.mark.parametrize("how", ["empty data", "trailers"])
def test_the_response_to_head_may_end_on_an_empty_frame(peer: Peer, how: str) -> None:
    exchange = peer.request(b"HEAD")
    peer.headers(exchange.id, [(":status", "200"), ("content-length", "5")])
    if how == "empty data":
        peer.data(exchange.id, end=True)
    else:
        peer.headers(exchange.id, [("x-t", "1")], end=True)
    assert exchange.ended
    assert exchange.error is None


@pytest.mark.parametrize("status", ["204", "304"])
def test_204_and_304_may_say_a_length_and_have_no_body(peer: Peer, status: str) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", status), ("content-length", "5")], end=True)
    assert exchange.ended
    assert exchange.error is None


@pytest.mark.parametrize(
    ("method", "status"), [(b"HEAD", "200"), (b"HEAD", "404"), (b"GET", "204"), (b"GET", "304")]
)
@pytest.mark.parametrize("length", [None, "5"])
def test_data_where_there_is_no_content_is_malformed(
    peer: Peer, method: bytes, status: str, length: str | None
) -> None:
    """RFC 9110 §6.4.1: such a response has no content, so DATA does not belong to it."""
    exchange = peer.request(method)
    fields = [(":status", status)] + ([("content-length", length)] if length else [])
    peer.headers(exchange.id, fields)
    peer.data(exchange.id, b"hello", end=True)
    expect_malformed(peer, exchange)


# Truncation is never silent.


@pytest.mark.parametrize("how", ["reset", "no error", "lost", "goaway and lost", "broken"])
@pytest.mark.parametrize("length", [None, "10"])
def test_a_body_cut_short_is_an_error(peer: Peer, how: str, length: str | None) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [*OK] + ([("content-length", length)] if length else []))
    peer.data(exchange.id, b"half")
    if how == "reset":
        peer.rst_stream(exchange.id)
    elif how == "no error":
        peer.rst_stream(exchange.id, ErrorCode.NO_ERROR)
        assert isinstance(exchange.error, StreamResetError)
    elif how == "broken":
        peer.frame("DATA")
    else:
        if how == "goaway and lost":
            peer.goaway(exchange.id)
        peer.protocol.connection_lost(None)
    assert exchange.error is not None
    assert not exchange.ended
    assert body_of(exchange) == b"half"


@pytest.mark.parametrize("how", ["reset", "lost", "goaway", "broken"])
def test_a_body_that_is_whole_stays_whole(peer: Peer, how: str) -> None:
    exchange = peer.request()
    peer.answer(exchange.id, b"whole", [*OK, ("content-length", "5")])
    if how == "reset":
        peer.rst_stream(exchange.id)
    elif how == "lost":
        peer.protocol.connection_lost(OSError("cable"))
    elif how == "goaway":
        peer.goaway(0, PROTOCOL_ERROR)
    else:
        peer.frame("DATA")
    assert exchange.error is None
    assert exchange.ended
    assert body_of(exchange) == b"whole"


def test_a_malformed_response_keeps_what_came_of_its_body_and_no_more(peer: Peer) -> None:
    exchange = peer.request()
    peer.headers(exchange.id, [*OK, ("content-length", "6")])
    peer.data(exchange.id, b"abc")
    peer.data(exchange.id, b"defg")
    peer.expect_stream_error(exchange.id, PROTOCOL_ERROR)
    peer.data(exchange.id, b"hi", end=True)
    assert body_of(exchange) == b"abc"
    assert not exchange.ended


def test_octet_by_octet_the_same_comes_out() -> None:
    peer = connected(split=1)
    exchange = peer.request()
    peer.headers(exchange.id, [(":status", "103"), ("link", "a")])
    peer.headers(exchange.id, [*OK, ("content-length", "6")])
    peer.data(exchange.id, b"abc", padding=3)
    peer.data(exchange.id, b"def")
    peer.headers(exchange.id, [("x-t", "1")], end=True)
    assert body_of(exchange) == b"abcdef"
    assert exchange.trailers == [(b"x-t", b"1")]
    assert exchange.ended
