"""``hyper.http20.protocol``: the verbs, as a front end uses them."""

from __future__ import annotations

import pytest

from hyper.http20 import limits, protocol
from hyper.http20.exceptions import ConnectionError, ErrorCode, HTTP20Error, StreamResetError
from hyper.http20.protocol import HTTP20Protocol
from tests.peer import Peer, connected, fresh

POST = (b"POST", b"https", b"example.org", b"/")


def get(client: HTTP20Protocol, path: bytes = b"/", **more: object) -> object:
    return client.request(b"GET", b"https", b"example.org", path, [], end=True, **more)  # type: ignore[arg-type]


def test_the_first_flight_is_preface_settings_window_and_request() -> None:
    peer = fresh()
    get(peer.protocol)
    peer.expect_preface()
    settings = peer.expect("SETTINGS", ack=False).settings
    assert settings == {2: 0, 4: limits.STREAM_WINDOW, 6: limits.MAX_HEADER_LIST_SIZE}
    peer.expect("WINDOW_UPDATE", stream_id=0, increment=limits.CONNECTION_WINDOW - 65_535)
    peer.expect("HEADERS", stream_id=1)
    peer.expect_nothing()
    assert peer.protocol.data_to_send() == b""


def test_a_connection_window_of_the_default_size_needs_no_update() -> None:
    peer = fresh(connection_window=1000)
    peer.expect_preface()
    peer.expect("SETTINGS")
    peer.expect_nothing()


def test_requests_get_odd_ids_in_order_and_headers_as_given() -> None:
    peer = connected()
    headers = [(b"x-a", b"1"), (b"authorization", b"secret")]
    peer.protocol.request(b"GET", b"https", b"example.org", b"/p?q", headers, end=True)
    written = peer.expect("HEADERS", stream_id=1, end_stream=True)
    assert written.headers == [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", "/p?q"),
        ("x-a", "1"),
        ("authorization", "secret"),
    ]
    assert written.sensitive == ["authorization"]
    get(peer.protocol)
    peer.expect("HEADERS", stream_id=3)


def test_fields_the_caller_marks_are_never_indexed() -> None:
    peer = connected()
    peer.protocol.request(
        *POST, [(b"x-api-key", b"s3cr3t")], end=True, never_index=frozenset([b"x-api-key"])
    )
    assert peer.expect("HEADERS").sensitive == ["x-api-key"]


def test_a_bad_head_is_refused_before_anything_has_changed() -> None:
    peer = connected()
    client = peer.protocol
    for bad in (
        lambda: get(client, b"no slash"),
        lambda: client.request(b"B AD", b"https", b"example.org", b"/", [], end=True),
        lambda: client.request(*POST, [(b"Upper", b"x")], end=True),
    ):
        with pytest.raises(ValueError, match=r"RFC 9113|RFC 9110"):
            bad()
    peer.expect_nothing()
    get(client)
    peer.expect("HEADERS", stream_id=1)


def test_connect_sends_no_path() -> None:
    peer = connected()
    peer.protocol.request(b"CONNECT", b"", b"example.org:443", b"", [], end=False)
    assert peer.expect("HEADERS").headers == [
        (":method", "CONNECT"),
        (":authority", "example.org:443"),
    ]


def test_a_head_beyond_what_the_peer_accepts_is_refused_here() -> None:
    """RFC 9113 §6.5.2: SETTINGS_MAX_HEADER_LIST_SIZE is advice that we take."""
    size = sum(map(len, (*POST, b":method", b":scheme", b":authority", b":path"))) + 4 * 32
    peer = connected({"max_header_list_size": size + 32 + 6})
    peer.protocol.request(*POST, [(b"abc", b"def")], end=True)
    peer.expect("HEADERS")
    with pytest.raises(ValueError, match=f"{size + 39} octets; the peer accepts {size + 38}"):
        peer.protocol.request(*POST, [(b"abc", b"defg")], end=True)


def test_what_was_checked_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_REMEMBERED_REQUESTS", 3)
    client = HTTP20Protocol()
    for n in range(10):
        host = b"h%d" % n
        client.request(b"GET", b"https", host, b"/", [(b"x-host", host)], end=True)
        assert len(client._valid_targets) <= 3
        assert len(client._valid_headers) <= 3
        assert (b"GET", b"https", host) in client._valid_targets


def test_requests_past_the_limit_wait_in_order() -> None:
    peer = connected({"max_concurrent_streams": 1})
    assert peer.protocol.max_concurrent_streams == 1
    peer.request()
    second, third = peer.queue(b"/2"), peer.queue(b"/3")
    assert (second.id, third.id) == (3, 5)
    assert second in peer.answer(1)
    peer.expect("HEADERS", stream_id=3)
    peer.expect_nothing()
    assert third in peer.answer(3)
    peer.expect("HEADERS", stream_id=5)


def test_a_queue_keeps_its_order_even_when_a_slot_is_free() -> None:
    peer = connected({"max_concurrent_streams": 0})
    first = peer.queue(b"/1")
    peer.protocol.remote_settings.max_concurrent_streams = 1
    second = peer.queue(b"/2")
    assert not first.opened and not second.opened


def test_ids_are_used_up_and_then_another_connection_is_asked_for() -> None:
    """RFC 9113 §5.1.1."""
    client = HTTP20Protocol()
    client._next_id = limits.LAST_STREAM_ID - 2
    get(client)
    before = client.accepting
    last = get(client)
    assert last.id == limits.LAST_STREAM_ID  # type: ignore[attr-defined]
    assert (before, client.accepting) == (True, False)
    with pytest.raises(ConnectionError, match="open another") as caught:
        get(client)
    assert caught.value.retryable


def test_a_body_goes_out_in_frames_that_fit_both_windows() -> None:
    peer = connected({"initial_window_size": 100})
    upload = peer.upload()
    assert peer.protocol.room(upload) == 100
    assert peer.protocol.send_body(upload, b"x" * 300, end=True) == 100
    peer.expect("DATA", stream_id=1, size=100, end_stream=False)
    assert peer.protocol.room(upload) == 0
    assert peer.protocol.send_body(upload, b"x" * 200, end=True) == 0
    peer.expect_nothing()
    peer.window_update(1, 200)
    assert peer.protocol.send_body(upload, b"x" * 200, end=True) == 200
    peer.expect("DATA", size=200, end_stream=True)
    assert peer.protocol.room(upload) == 0


def test_the_connections_window_bounds_all_streams_together() -> None:
    peer = connected({"initial_window_size": 60_000})
    one, two = peer.upload(), peer.upload()
    assert peer.protocol.send_body(one, bytes(60_000), end=False) == 60_000
    assert peer.protocol.room(two) == 5_535
    assert peer.protocol.send_body(two, bytes(60_000), end=False) == 5_535


def test_one_call_takes_no_more_than_one_write_is_worth() -> None:
    peer = connected({"initial_window_size": 1 << 20})
    peer.window_update(0, 1 << 20)
    upload = peer.upload()
    assert peer.protocol.send_body(upload, bytes(1 << 20), end=True) == limits.WRITE_BATCH
    frames = peer.written()
    assert [frame.size for frame in frames] == [16_384] * 16
    assert not any(frame.end_stream for frame in frames)


def test_frames_grow_with_what_the_peer_accepts() -> None:
    peer = connected({"max_frame_size": 50_000, "initial_window_size": 60_000})
    upload = peer.upload()
    peer.protocol.send_body(upload, bytes(60_000), end=True)
    assert [(f.size, f.end_stream) for f in peer.written()] == [(50_000, False), (10_000, True)]


def test_an_empty_end_is_an_empty_frame() -> None:
    peer = connected()
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"", end=False) == 0
    peer.expect_nothing()
    assert peer.protocol.send_body(upload, b"", end=True) == 0
    peer.expect("DATA", size=0, end_stream=True)
    with pytest.raises(ValueError, match="body of stream 1 has ended"):
        peer.protocol.send_body(upload, b"more", end=True)


def test_trailers_end_a_body() -> None:
    """RFC 9113 §8.1."""
    peer = connected()
    upload = peer.upload()
    assert peer.protocol.send_body(upload, b"abc", end=True, trailers=[(b"x-sum", b"6")]) == 3
    peer.expect("DATA", data=b"abc", end_stream=False)
    peer.expect("HEADERS", headers=[("x-sum", "6")], end_stream=True)
    other = peer.upload()
    assert peer.protocol.send_body(other, b"", end=True, trailers=[(b"x-sum", b"0")]) == 0
    peer.expect("HEADERS", stream_id=3, headers=[("x-sum", "0")], end_stream=True)


def test_trailers_wait_until_the_body_is_out() -> None:
    peer = connected({"initial_window_size": 2})
    upload = peer.upload()
    peer.protocol.send_body(upload, b"abc", end=True, trailers=[(b"x-sum", b"6")])
    peer.expect("DATA", data=b"ab", end_stream=False)
    peer.expect_nothing()


def test_bad_trailers_are_refused_before_anything_is_sent() -> None:
    peer = connected()
    upload = peer.upload()
    with pytest.raises(ValueError, match="pseudo-header"):
        peer.protocol.send_body(upload, b"abc", end=True, trailers=[(b":path", b"/")])
    peer.expect_nothing()


def test_a_callers_buffer_may_change_as_soon_as_it_was_taken() -> None:
    peer = connected()
    upload = peer.upload()
    buffer = bytearray(b"before")
    peer.protocol.send_body(upload, memoryview(buffer), end=True)
    buffer[:] = b"after!"
    peer.expect("DATA", data=b"before")


@pytest.mark.parametrize("step", [1, 2])
def test_a_view_of_bytes_is_taken_as_it_is(step: int) -> None:
    peer = connected()
    upload = peer.upload()
    octets = bytes(range(100))
    assert peer.protocol.send_body(upload, memoryview(octets)[::step], end=True) == 100 // step
    # What nobody can change need not be copied, if it lies in one piece.
    held = [each for each in peer.protocol.outgoing if isinstance(each, memoryview)]
    assert [each.obj is octets for each in held] == [step == 1]
    peer.expect("DATA", data=octets[::step])


def test_a_queued_request_takes_no_body_yet() -> None:
    peer = connected({"max_concurrent_streams": 0})
    upload = peer.queue(end=False)
    assert peer.protocol.room(upload) == 0
    assert peer.protocol.send_body(upload, b"abc", end=True) == 0
    peer.settings(max_concurrent_streams=1)
    assert peer.protocol.room(upload) == 65_535


def test_a_body_is_not_wanted_any_more_once_the_response_is_complete() -> None:
    peer = connected()
    upload = peer.upload()
    peer.answer(1, b"enough")
    assert upload.ended
    assert peer.protocol.send_body(upload, b"abc", end=True) == 0
    peer.expect_nothing()
    peer.protocol.cancel(upload)
    peer.expect("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
    assert upload.error is None


def test_a_body_for_a_failed_exchange_raises_a_copy_of_its_error() -> None:
    peer = connected()
    upload = peer.upload()
    peer.rst_stream(1, ErrorCode.INTERNAL_ERROR)
    with pytest.raises(StreamResetError, match="INTERNAL_ERROR") as caught:
        peer.protocol.send_body(upload, b"abc", end=True)
    assert caught.value is not upload.error
    assert caught.value.__cause__ is upload.error


def test_a_window_is_widened_on_the_wire_and_in_the_books() -> None:
    peer = connected()
    stream = peer.request()
    before = stream.receive_window
    peer.protocol.widen(stream, 1000)
    peer.expect("WINDOW_UPDATE", stream_id=1, increment=1000)
    assert stream.receive_window == before + 1000


@pytest.mark.parametrize("size", [0, -1, 2**31 - limits.STREAM_WINDOW])
def test_a_window_manager_that_goes_beyond_the_limits_is_told_so(size: int) -> None:
    peer = connected()
    stream = peer.request()
    with pytest.raises(ValueError, match="increase_window_size"):
        peer.protocol.widen(stream, size)


def test_a_stream_or_connection_that_ended_needs_no_room() -> None:
    peer = connected()
    stream, other = peer.request(), peer.request()
    peer.answer(1)
    peer.protocol.widen(stream, 1000)
    peer.protocol.connection_lost(None)
    peer.protocol.widen(other, 1000)
    peer.expect_nothing()


def test_cancelling_resets_the_stream_and_frees_its_slot() -> None:
    peer = connected({"max_concurrent_streams": 1})
    stream = peer.request()
    waiting = peer.queue()
    assert waiting in peer.protocol.cancel(stream)
    assert isinstance(stream.error, HTTP20Error)
    assert stream.error.error_code == ErrorCode.CANCEL
    peer.expect("RST_STREAM", stream_id=1, error_code=ErrorCode.CANCEL)
    peer.expect("HEADERS", stream_id=3)
    assert peer.protocol.cancel(stream) == []
    peer.expect_nothing()


def test_cancelling_a_queued_request_leaves_a_gap_in_the_ids() -> None:
    """RFC 9113 §5.1.1 allows it."""
    peer = connected({"max_concurrent_streams": 1})
    peer.request()
    queued, next_one = peer.queue(), peer.queue()
    assert peer.protocol.cancel(queued) == []
    assert queued.error is not None
    peer.protocol.cancel(queued)
    peer.expect_nothing()
    peer.answer(1)
    peer.expect("HEADERS", stream_id=next_one.id)


def test_closing_says_goodbye_and_takes_nothing_new() -> None:
    peer = connected()
    peer.protocol.close()
    peer.expect("GOAWAY", error_code=ErrorCode.NO_ERROR, last_stream_id=0)
    assert not peer.protocol.accepting
    with pytest.raises(ConnectionError):
        get(peer.protocol)


def test_closing_what_is_gone_says_nothing() -> None:
    peer = connected()
    peer.protocol.connection_lost(None)
    peer.protocol.close()
    peer.expect_nothing()


def test_a_ping_ends_with_its_own_answer() -> None:
    peer = connected()
    first, second = peer.protocol.ping(b"11111111"), peer.protocol.ping(b"22222222")
    peer.expect("PING", opaque=b"11111111", ack=False)
    peer.expect("PING", opaque=b"22222222", ack=False)
    assert peer.ping(b"22222222", ack=True) == [second]
    assert second.ended and not first.ended


def test_a_ping_has_eight_octets() -> None:
    peer: Peer = connected()
    with pytest.raises(ValueError, match="8 octets, not 3"):
        peer.protocol.ping(b"abc")


def test_pings_that_are_never_answered_are_bounded() -> None:
    """RFC 9113 §6.7. Each is kept until its answer comes, for as long as the connection lives."""
    peer = connected()
    waiting = [peer.protocol.ping(b"%8d" % number) for number in range(limits.MAX_UNANSWERED_PINGS)]
    peer.written()
    for _ in range(2):
        with pytest.raises(ConnectionError, match=r"left 1000 PINGs unanswered.* §6\.7"):
            peer.protocol.ping()
        peer.expect_nothing()
    peer.check_usable()
    assert peer.ping(b"%8d" % 0, ack=True) == waiting[:1]
    peer.protocol.ping()
    peer.expect("PING")
    with pytest.raises(ConnectionError, match="PINGs unanswered"):
        peer.protocol.ping()


def test_the_peer_is_roused_by_a_ping_unless_one_is_under_way() -> None:
    peer = connected()
    peer.protocol.rouse()
    opaque = peer.expect("PING").opaque
    peer.protocol.rouse()
    peer.expect_nothing()
    peer.ping(opaque, ack=True)
    peer.protocol.rouse()
    peer.expect("PING")
    peer.protocol.connection_lost(None)
    peer.protocol.rouse()
    peer.expect_nothing()


def test_a_ping_over_a_lost_connection_fails() -> None:
    peer = connected()
    waiting = peer.protocol.ping()
    assert peer.protocol.connection_lost(None) == [waiting]
    assert isinstance(waiting.error, ConnectionError)
    with pytest.raises(ConnectionError, match="after its end"):
        peer.protocol.ping()


def test_a_response_to_head_has_a_length_and_no_body() -> None:
    """RFC 9113 §8.1.1."""
    peer = connected()
    stream = peer.request(b"HEAD")
    peer.headers(1, [(":status", "200"), ("content-length", "1000")], end=True)
    assert stream.ended and stream.error is None


# -- a request that came from HTTP/1.1, and ids that are kept for later --------------------------


def test_a_request_sent_in_http_1_1_becomes_stream_1() -> None:
    peer = fresh()
    client = peer.protocol
    payload = b"".join(
        number.to_bytes(2, "big") + value.to_bytes(4, "big")
        for number, value in client.local_settings.items()
    )
    assert client.settings_payload == payload
    stream = client.upgraded(b"GET", b"http", b"example.org")
    assert (stream.id, stream.state, stream.origin) == (1, "half-closed (local)", None)
    peer.expect_preface()
    peer.expect("SETTINGS")
    peer.settings()
    peer.answer(1, b"body")
    assert stream.ended and list(stream.chunks) == [b"body"]
    assert client.idle
    peer.written()
    get(client)
    peer.expect("HEADERS", stream_id=3)


def test_a_head_request_keeps_its_nature_through_the_upgrade() -> None:
    peer = fresh(enable_push=True)
    stream = peer.protocol.upgraded(b"HEAD", b"http", b"example.org")
    assert stream.head_request and stream.origin == (b"http", b"example.org")
    peer.settings()
    peer.headers(1, [(":status", "200"), ("content-length", "9")], end=True)
    assert stream.ended and stream.error is None


def test_a_reserved_id_is_used_unless_a_later_one_was_opened() -> None:
    peer = connected()
    client = peer.protocol
    assert client.reserve() == 1
    client.give_back(1)
    get(client)
    peer.expect("HEADERS", stream_id=1)
    assert client.reserve() == 3
    get(client)
    peer.expect("HEADERS", stream_id=5)
    client.give_back(3)
    get(client)
    peer.expect("HEADERS", stream_id=7)


def test_no_id_is_reserved_where_none_is_left() -> None:
    client = connected(first_stream_id=limits.LAST_STREAM_ID).protocol
    with pytest.raises(ConnectionError) as caught:
        client.reserve()
    assert caught.value.retryable and not client.accepting


def test_a_request_that_is_repeated_is_written_again_as_it_was() -> None:
    peer = connected()
    headers = ((b"x-a", b"1"),)
    path = b"/same"
    for stream_id in (1, 3, 5):
        peer.protocol.request(*POST[:3], path, headers, end=True)
        written = peer.expect("HEADERS", stream_id=stream_id).headers
        assert written is not None
        assert written[3:] == [(":path", "/same"), ("x-a", "1")]


def test_a_list_of_headers_may_change_between_two_requests() -> None:
    peer = connected()
    headers = [(b"x-a", b"1")]
    peer.protocol.request(*POST, headers, end=True)
    headers[0] = (b"x-a", b"2")
    peer.protocol.request(*POST, headers, end=True)
    peer.expect("HEADERS")
    assert peer.expect("HEADERS").headers[-1] == ("x-a", "2")  # type: ignore[index]


def test_a_repeated_request_is_measured_anew_when_the_peer_changes_its_mind() -> None:
    peer = connected()
    headers = ((b"x-a", b"1" * 1000),)
    peer.protocol.request(*POST, headers, end=True)
    peer.settings(max_header_list_size=500)
    with pytest.raises(ValueError, match="the peer accepts 500"):
        peer.protocol.request(*POST, headers, end=True)
