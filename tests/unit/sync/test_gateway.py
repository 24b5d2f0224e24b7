"""The socket that takes HTTP/1.1 and speaks HTTP/2: requests, responses, errors."""

from __future__ import annotations

import array
import errno
import http.client
import ssl
import threading
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import pytest

from hyper.sync import gateway_exchange

from .far import Far

GET = b"GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n"
HEAD_OF_POST = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: %d\r\n\r\n"
CHUNKED_HEAD = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECTING = (
    b"PUT / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
)


@pytest.fixture
def far() -> Iterator[Far]:
    far = Far()
    yield far
    far.close()


def response_of(far: Far, method: str = "GET") -> http.client.HTTPResponse:
    sock: Any = far.gateway
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response


# Requests.


def test_a_request_without_a_body_is_one_frame(far: Far) -> None:
    far.gateway.sendall(GET)
    assert far.hear_request() == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.org"),
        (b":path", b"/a"),
    ]


def test_a_request_that_names_no_host_is_for_the_connection_s(far: Far) -> None:
    far.gateway.sendall(b"GET / HTTP/1.0\r\n\r\n")
    assert (b":authority", b"example.org") in far.hear_request()


def test_a_body_follows_in_any_pieces(far: Far) -> None:
    octets = HEAD_OF_POST % 10 + b"0123456789"
    for at in range(0, len(octets), 3):
        far.gateway.sendall(octets[at : at + 3])
    far.hear_request()
    assert far.bodies[1] == b"0123456789"


def test_chunks_lose_their_framing_and_trailers_stay(far: Far) -> None:
    far.gateway.sendall(CHUNKED_HEAD)
    far.gateway.sendall(b"5\r\nhello\r\n")
    far.gateway.sendall(b"0\r\nX-Sum: 1\r\n\r\n")
    far.hear_request()
    assert far.bodies[1] == b"hello"
    assert far.trailers[1] == [(b"x-sum", b"1")]


@pytest.mark.parametrize(
    "octets", [bytearray(GET), memoryview(GET), array.array("B", GET), memoryview(GET * 2)[:38]]
)
def test_any_buffer_will_do(far: Far, octets: Any) -> None:
    assert far.gateway.send(octets) == len(GET)
    far.hear_request()


def test_octets_that_do_not_lie_in_a_row_are_put_in_one(far: Far) -> None:
    spread = bytes(octet for pair in zip(GET, GET, strict=True) for octet in pair)
    far.gateway.sendall(memoryview(spread)[::2])
    assert (b":path", b"/a") in far.hear_request()


def test_what_is_no_buffer_is_a_type_error(far: Far) -> None:
    """By which http.client finds out that it was given an iterable."""
    with pytest.raises(TypeError):
        far.gateway.sendall(["GET"])


def test_flags_mean_nothing_here(far: Far) -> None:
    with pytest.raises(ValueError, match="flags are not allowed"):
        far.gateway.sendall(GET, 1)
    with pytest.raises(ValueError, match="flags are not allowed"):
        far.gateway.recv(1, 1)


def test_what_is_no_request_is_refused_before_anything_is_sent(far: Far) -> None:
    with pytest.raises(ValueError, match="not the first line"):
        far.gateway.sendall(b"hello\r\n\r\n")
    with pytest.raises(ValueError, match=r"8\.3\.1"):
        far.gateway.sendall(b"GET nowhere HTTP/1.1\r\nHost: example.org\r\n\r\n")
    far.gateway.sendall(GET)
    far.hear_request()
    assert list(far.requests) == [1]


def test_one_after_the_other_on_one_connection(far: Far) -> None:
    for number in range(3):
        far.gateway.sendall(GET)
        far.hear_request(2 * number + 1)
        far.answer(b"%d" % number, stream_id=2 * number + 1)
        with response_of(far) as response:
            assert response.read() == b"%d" % number
            assert not response.will_close


def test_two_at_a_time_are_refused(far: Far) -> None:
    far.gateway.sendall(GET)
    with pytest.raises(ValueError, match="they take turns"):
        far.gateway.sendall(GET)


def test_a_response_that_is_given_up_does_not_get_in_the_way(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("content-length", "100"))
    far.data(b"half")
    response_of(far).close()
    far.gateway.sendall(GET)
    far.hear_request(3)
    assert far.resets == {1: 8}
    far.answer(b"second", stream_id=3)
    assert response_of(far).read() == b"second"


def test_what_has_arrived_of_a_response_that_is_given_up_is_not_the_next_one_s(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    # More than the response's file takes at a time, so that octets are left here.
    far.answer(b"HTTP/1.1 200 forged\r\n\r\n" * 600)
    response = response_of(far)
    assert response.read(1) == b"H"
    assert far.gateway.pending()
    response.close()
    far.gateway.sendall(GET)
    far.hear_request(3)
    assert far.resets == {}
    far.answer(b"second", stream_id=3)
    assert response_of(far).read() == b"second"


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "still coming"])
@pytest.mark.parametrize("length", [(), (("content-length", "20000"),)], ids=["chunks", "length"])
def test_a_response_can_be_read_when_the_next_request_has_been_sent(
    far: Far, length: tuple[tuple[str, str], ...], *, arrived: bool
) -> None:
    """What http.client calls "Req-sent-unread-response", and allows."""
    body = b"half" * 2500
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, *length)
    far.data(body)
    if arrived:
        far.data(body, end=True)
    first = response_of(far)
    assert first.read(4) == b"half"
    far.gateway.sendall(GET)
    far.hear_request(3)
    far.answer(b"second", stream_id=3)
    if not arrived:
        far.data(body, end=True)
    assert first.read() == (body * 2)[4:]
    assert response_of(far).read() == b"second"
    assert far.resets == {}
    far.gateway.close()
    assert far.let_go == 1


def test_a_response_that_is_left_behind_and_closed_is_reset_alone(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("content-length", "100"))
    far.data(b"half")
    first = response_of(far)
    far.gateway.sendall(GET)
    far.hear_request(3)
    first.close()
    far.answer(b"second", stream_id=3)
    assert response_of(far).read() == b"second"
    far.hear_until(lambda: far.resets)
    assert far.resets == {1: 8}


def test_a_response_that_is_left_behind_keeps_the_connection_open(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("content-length", "100"))
    first = response_of(far)
    far.gateway.sendall(GET)
    far.hear_request(3)
    far.gateway.close()
    assert far.let_go == 0
    far.data(bytes(100), end=True)
    assert first.read() == bytes(100)
    assert far.let_go == 1


def test_a_response_whose_end_comes_late_is_no_reason_to_reset_it(far: Far) -> None:
    """Some servers say END_STREAM in a frame of its own, after all octets have been read."""
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("content-length", "4"))
    far.data(b"body")
    assert response_of(far).read() == b"body"
    far.gateway.sendall(GET)
    far.data(b"", end=True)
    far.hear_request(3)
    assert far.resets == {}


def test_an_upload_waits_for_the_window() -> None:
    far = Far(initial_window_size=10)
    body = bytes(100)
    far.gateway.sendall(GET)  # by its response the SETTINGS have arrived
    far.hear_request()
    far.answer(b"x")
    response_of(far).read()

    def write() -> None:
        far.gateway.sendall(HEAD_OF_POST % 100 + body)

    with far.meanwhile(write):
        far.hear_request(3)
    assert far.bodies[3] == body
    far.close()


def test_an_upload_that_gets_no_room_times_out() -> None:
    far = Far(initial_window_size=10, timeout=0.05)
    sleep(0.01)  # so that SETTINGS are read before the request
    far.gateway.sendall(HEAD_OF_POST % 100)
    far.hear_request(1, whole=False)
    with pytest.raises(TimeoutError, match=r"no room to send more of the body within 0\.05 s"):
        far.gateway.sendall(bytes(100))
    far.close()


def test_a_request_that_gets_no_stream_times_out() -> None:
    far = Far(max_concurrent_streams=0, timeout=0.05)
    sleep(0.01)  # so that SETTINGS are read before the request
    far.gateway.sendall(GET)
    with pytest.raises(TimeoutError, match="no free stream"):
        far.gateway.recv(1)
    far.gateway.exchange = None
    far.gateway._done = True
    far.gateway.sendall(HEAD_OF_POST % 1)
    with pytest.raises(TimeoutError, match="no free stream"):
        far.gateway.sendall(b"x")
    far.close()


def test_a_full_socket_times_out(far: Far) -> None:
    far.gateway.settimeout(0.05)
    far.gateway.sendall(CHUNKED_HEAD)
    far.hear_request(1, whole=False)
    for _ in range(3):
        far.h2.increment_flow_control_window(1 << 28, None)
        far.h2.increment_flow_control_window(1 << 28, 1)
        far.say()
        sleep(0.01)
    body = bytes(1 << 20)
    with pytest.raises(TimeoutError, match="no progress in writing"):
        for _ in range(50):
            far.gateway.sendall(b"%x\r\n" % len(body) + body + b"\r\n")


# Answers that come early.


def test_an_answer_that_did_not_need_the_body_ends_the_upload(far: Far) -> None:
    """RFC 9113 §8.1: the client stops, and does not throw the response away."""
    far.gateway.sendall(HEAD_OF_POST % 100_000)
    far.hear_request(1, whole=False)
    far.answer(b"too large", status=413)
    far.reset(1, "NO_ERROR")
    with pytest.raises(BrokenPipeError, match="the server has answered 413") as caught:
        far.gateway.sendall(bytes(100_000))  # more than the window that there is
    assert caught.value.errno == errno.EPIPE
    with pytest.raises(BrokenPipeError):  # as often as it is tried
        far.gateway.sendall(b"x")
    response = response_of(far)
    assert (response.status, response.read()) == (413, b"too large")
    # And the connection goes on.
    with far.meanwhile(lambda: far.gateway.sendall(GET)):
        far.hear_request(3)
    far.answer(b"next", stream_id=3)
    assert response_of(far).read() == b"next"


def test_an_upload_goes_on_while_the_answer_has_only_begun(far: Far) -> None:
    far.gateway.sendall(CHUNKED_HEAD)
    far.hear_request(1, whole=False)
    far.head(1)
    far.data(b"echo")
    assert far.read().startswith(b"HTTP/1.1 200 OK\r\n")
    far.gateway.sendall(b"4\r\nmore\r\n0\r\n\r\n")
    far.hear_request()
    assert far.bodies[1] == b"more"
    far.data(b"", end=True)
    assert far.read() + far.read() + far.read() == b"4\r\necho\r\n"
    assert far.read() == b"0\r\n\r\n"


# Expect: 100-continue (RFC 9110 §10.1.1).


def test_the_word_of_the_server_is_waited_for(far: Far) -> None:
    with far.meanwhile(lambda: far.gateway.sendall(EXPECTING)):
        assert (b"expect", b"100-continue") in far.hear_request(1, whole=False)
        sleep(0.05)
        assert far.bodies[1] == b""
        far.head(1, status=100)
    far.gateway.sendall(b"hello")
    assert far.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    far.hear_request()
    assert far.bodies[1] == b"hello"
    far.answer(b"thanks")
    assert response_of(far).read() == b"thanks"


def test_a_final_answer_is_a_no(far: Far) -> None:
    with far.meanwhile(lambda: far.gateway.sendall(EXPECTING)):
        far.hear_request(1, whole=False)
        far.answer(b"no", status=417)
    with pytest.raises(BrokenPipeError):
        far.gateway.sendall(b"hello")
    response = response_of(far)
    assert (response.status, response.read()) == (417, b"no")
    assert far.bodies[1] == b""


@pytest.mark.parametrize("length", [(), (("content-length", "2"),)], ids=["chunks", "length"])
def test_the_rest_of_a_no_may_come_later(far: Far, length: tuple[tuple[str, str], ...]) -> None:
    """Most servers send the head of a refusal and its body in frames of their own."""
    with far.meanwhile(lambda: far.gateway.sendall(EXPECTING)):
        far.hear_request(1, whole=False)
        far.head(1, *length, status=413)
    with pytest.raises(BrokenPipeError):
        far.gateway.sendall(b"hello")
    response = response_of(far)
    far.data(b"no", end=True)
    assert (response.status, response.read()) == (413, b"no")
    # The request has no end, so its stream needs one.
    far.hear_until(lambda: far.resets)
    far.gateway.sendall(GET)
    far.hear_request(3)
    far.answer(b"second", stream_id=3)
    assert response_of(far).read() == b"second"


def test_a_no_without_a_body_ends_its_stream(far: Far) -> None:
    with far.meanwhile(lambda: far.gateway.sendall(EXPECTING)):
        far.hear_request(1, whole=False)
        far.head(1, ("content-length", "0"), status=413)
    with pytest.raises(BrokenPipeError):
        far.gateway.sendall(b"hello")
    assert response_of(far).read() == b""
    far.hear_until(lambda: far.resets)


def test_a_no_that_nobody_reads_ends_with_the_socket(far: Far) -> None:
    with far.meanwhile(lambda: far.gateway.sendall(EXPECTING)):
        far.hear_request(1, whole=False)
        far.head(1, status=413)
    with pytest.raises(BrokenPipeError):
        far.gateway.sendall(b"hello")
    far.data(b"no", end=True)
    far.gateway.close()
    far.hear_until(lambda: far.resets)


def test_a_server_that_says_nothing_gets_the_body_after_a_while(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_exchange, "EXPECT_TIMEOUT", 0.05)
    far.gateway.sendall(EXPECTING + b"hello")
    # Those who wait for the word themselves, as botocore does, get ours.
    assert far.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    far.hear_request()
    far.head(1, status=100)
    far.answer(b"thanks")
    assert response_of(far).read() == b"thanks"


def test_a_shorter_timeout_is_the_longest_wait_for_the_word(far: Far) -> None:
    far.gateway.settimeout(0.02)
    began = monotonic()
    far.gateway.sendall(EXPECTING + b"hello")
    assert monotonic() - began < 0.9
    far.hear_request()


def test_reading_waits_for_the_word_too(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    far.gateway.settimeout(0.02)
    far.gateway.sendall(EXPECTING.replace(b"Content-Length: 5\r\n", b""))
    with pytest.raises(TimeoutError, match="no response head"):
        far.read()
    far.hear_request()
    far.head(1, status=100)
    far.gateway.settimeout(5)
    assert far.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    far.answer(b"")
    assert response_of(far).read() == b""


# Responses.


def test_a_response_of_known_length_is_written_as_it_is(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.answer(b"hello", ("x-a", "1"))
    assert far.read() == b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 5\r\n\r\n"
    assert far.read() == b"hello"


def test_a_response_of_unknown_length_comes_in_chunks_with_its_trailers(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1)
    assert far.read() == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    far.data(b"hello")
    assert far.read() + far.read() + far.read() == b"5\r\nhello\r\n"
    far.h2.send_headers(1, [("x-sum", "42")], end_stream=True)
    far.say()
    assert far.read() == b"0\r\nX-Sum: 42\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", 200, [("content-length", "100")]),
        ("HEAD", 200, []),
        ("GET", 204, []),
        ("GET", 304, [("content-length", "100")]),
        ("GET", 200, [("content-length", "0")]),
    ],
)
def test_a_response_without_a_body_ends_with_its_head(
    far: Far, method: str, status: int, fields: list[tuple[str, str]]
) -> None:
    far.gateway.sendall(GET.replace(b"GET", method.encode()))
    far.hear_request()
    far.head(1, *fields, status=status, end=True)
    head = far.read()
    assert head.endswith(b"\r\n\r\n")
    assert b"chunked" not in head
    assert far.gateway.resting
    response = http.client.HTTPResponse(Canned(head), method=method)  # type: ignore[arg-type]
    response.begin()
    assert (response.status, response.read()) == (status, b"")


class Canned:
    def __init__(self, text: bytes) -> None:
        self.text = text

    def makefile(self, mode: str) -> Any:
        import io

        return io.BytesIO(self.text)


def test_an_empty_body_of_unknown_length_is_one_last_chunk(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, end=True)
    response = response_of(far)
    assert response.chunked
    assert response.read() == b""


def test_interim_responses_are_swallowed_and_kept(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("link", "</a>"), status=103)
    far.head(1, status=100)
    far.answer(b"final")
    response = response_of(far)
    assert (response.status, response.read()) == (200, b"final")
    assert far.gateway.exchange is not None
    assert [status for status, _ in far.gateway.exchange.informational] == [103, 100]


def test_octets_are_handed_out_as_they_are_asked_for(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.answer(b"0123456789")
    assert far.gateway.recv(9) == b"HTTP/1.1 "
    buffer = bytearray(20)
    assert far.gateway.recv_into(buffer, 6) == 6
    assert buffer[:7] == b"200 OK\0"
    assert far.gateway.read(2) == b"\r\n"
    assert far.gateway.pending() == len(b"Content-Length: 10\r\n\r\n0123456789")
    assert far.gateway.read(100, memoryview(buffer)) == 20
    assert bytes(buffer) == b"Content-Length: 10\r\n"
    # What is there is put together, as far as there is room.
    assert far.gateway.recv_into(buffer, 4) == 4
    assert far.gateway.recv_into(buffer) == 8
    assert bytes(buffer[:8]) == b"23456789"


def test_a_large_body_gives_the_window_back(far: Far) -> None:
    size = 3 << 20
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("content-length", str(size)))
    left = size

    def send() -> None:
        nonlocal left
        while left:
            room = min(far.h2.local_flow_control_window(1), 16_384, left)
            if room:
                far.data(bytes(room), end=room == left)
                left -= room
            else:
                far.hear()

    with far.meanwhile(send):
        assert response_of(far).read() == bytes(size)


def test_what_is_large_comes_in_chunks_of_a_limited_size(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_exchange, "CHUNK_SIZE", 10)
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1)
    for _ in range(4):
        far.data(b"12345678")
    far.data(b"", end=True)
    octets = b""
    while not octets.endswith(b"0\r\n\r\n"):
        octets += far.read()
    assert octets.count(b"10\r\n1234567812345678\r\n") == 2


def test_an_idle_connection_is_read_until_it_ends(far: Far) -> None:
    far.gateway.settimeout(0.02)
    with pytest.raises(TimeoutError, match="no request to answer"):
        far.read()
    far.goaway()
    assert far.read() == b""


def test_the_last_request_on_a_connection_ends_it(far: Far) -> None:
    """``Connection: close`` does not travel, but is held on this side."""
    far.gateway.sendall(GET[:-2] + b"Connection: close\r\n\r\n")
    assert b"connection" not in dict(far.hear_request())
    far.answer(b"bye")
    response = response_of(far)
    assert response.will_close
    assert response.read() == b"bye"
    assert far.read() == b""
    with pytest.raises(BrokenPipeError, match="connection: close"):
        far.gateway.sendall(GET)


def test_a_goodbye_during_a_response_is_told_to_http_client(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.goaway(last=1)
    far.answer(b"the last one")
    response = response_of(far)
    assert response.will_close
    assert response.read() == b"the last one"
    assert far.read() == b""


def test_waiting_for_a_response_has_its_time(far: Far) -> None:
    far.gateway.settimeout(0.02)
    far.gateway.sendall(GET)
    with pytest.raises(TimeoutError, match=r"no response head within 0\.02 s"):
        far.read()
    far.hear_request()
    far.head(1)
    far.read()
    with pytest.raises(TimeoutError, match="no more of the response body"):
        far.read()
    far.data(b"x", end=True)
    assert far.read() == b"1\r\n"


def test_empty_pieces_are_no_progress(far: Far) -> None:
    far.gateway.settimeout(0.05)
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1)
    far.data(b"")
    far.read()
    with pytest.raises(TimeoutError):
        far.read()


def test_who_does_not_wait_is_told_so(far: Far) -> None:
    far.gateway.setblocking(False)
    with pytest.raises(BlockingIOError):
        far.read()
    far.gateway.sendall(GET)
    with pytest.raises(BlockingIOError) as caught:
        far.read()
    assert caught.value.errno == errno.EAGAIN
    far.hear_request()
    far.answer(b"x")
    sleep(0.01)
    assert far.read().startswith(b"HTTP/1.1 200")


# Errors.


@pytest.mark.parametrize(("code", "retryable"), [("REFUSED_STREAM", True), ("CANCEL", False)])
def test_a_stream_that_is_reset_looks_like_a_server_that_closed(
    far: Far, code: str, retryable: bool
) -> None:
    """RFC 9113 §8.7."""
    far.gateway.sendall(GET)
    far.hear_request()
    far.reset(1, code)
    with pytest.raises(http.client.RemoteDisconnected, match=code) as caught:
        response_of(far)
    assert getattr(caught.value, "retryable", None) is retryable
    # The connection is as good as before.
    far.gateway.sendall(GET)
    far.hear_request(3)


def test_an_upload_whose_stream_is_reset_is_over(far: Far) -> None:
    far.gateway.sendall(HEAD_OF_POST % 100_000)
    far.hear_request(1, whole=False)
    far.reset(1, "REFUSED_STREAM")
    with pytest.raises(ConnectionResetError, match="REFUSED_STREAM") as caught:
        far.gateway.sendall(bytes(100_000))
    assert caught.value.errno == errno.ECONNRESET  # by which urllib3 knows it
    assert getattr(caught.value, "retryable", None) is True
    with pytest.raises(http.client.RemoteDisconnected):
        response_of(far)


def test_a_connection_that_has_said_goodbye_takes_nothing(far: Far) -> None:
    far.goaway()
    sleep(0.01)
    with pytest.raises(ConnectionResetError) as caught:
        far.gateway.sendall(GET)
    assert getattr(caught.value, "retryable", None) is True
    assert far.read() == b""


def test_a_connection_that_breaks_off_is_said_so(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.gateway.fileno()  # reads our SETTINGS
    far.hear_until(lambda: far.acknowledged)  # else closing would be a reset
    far.sock.close()
    with pytest.raises(http.client.RemoteDisconnected, match="closed the connection"):
        response_of(far)


def test_an_error_of_the_system_stays_what_it_is(far: Far) -> None:
    far.gateway.sendall(GET)
    assert far.gateway.exchange is not None
    far.gateway.exchange.error = ssl.SSLError(1, "bad record")
    with pytest.raises(ssl.SSLError, match=r"example\.org:443: bad record"):
        response_of(far)
    far.gateway.exchange.error = None
    broken = OSError(errno.EPIPE, "broken")
    assert isinstance(far.gateway._reset(broken), BrokenPipeError)


def test_a_body_that_is_cut_short_is_never_a_short_body(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, ("content-length", "10"))
    far.data(b"half")
    far.reset()
    response = response_of(far)
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert (caught.value.partial, caught.value.expected) == (b"half", 6)


@pytest.mark.parametrize("fields", [(), (("content-length", "10"),)])
def test_a_body_that_is_cut_short_is_an_error_however_it_is_read(
    far: Far, fields: tuple[tuple[str, str], ...]
) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1, *fields)
    far.data(b"half")
    far.reset()
    response = response_of(far)
    assert response.read1(2) == b"ha"
    assert response.readline() == b"lf" if fields else response.read(2) == b"lf"
    ways: list[Any] = [response.read, response.read1, response.readline]
    for read in (*ways, lambda: response.read(3)):
        if response.fp is None:
            break
        with pytest.raises(http.client.IncompleteRead):
            read()
    buffer = bytearray(3)
    if fields and response.fp is not None:
        with pytest.raises(http.client.IncompleteRead) as caught:
            response.readinto(buffer)
        assert caught.value.expected == 6
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert response.read(0) == b""


def test_a_socket_s_user_sees_the_cut_as_a_reset(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.head(1)
    far.data(b"half")
    far.reset()
    assert b"chunked" in far.read()
    assert far.read() + far.read() + far.read() == b"4\r\nhalf\r\n"
    with pytest.raises(ConnectionResetError, match="INTERNAL_ERROR"):
        far.read()


def test_a_server_that_wants_the_older_version_is_noted(far: Far) -> None:
    far.gateway.sendall(GET)
    far.hear_request()
    far.reset(1, "HTTP_1_1_REQUIRED")
    with pytest.raises(http.client.RemoteDisconnected):
        response_of(far)
    assert far.demoted == 1
    with pytest.raises(BrokenPipeError):
        far.gateway.sendall(GET)


def test_two_threads_on_one_connection_each_have_their_own_socket(far: Far) -> None:
    from hyper.sync.gateway import GatewaySocket

    other = GatewaySocket(far.pump, "x", b"x", timeout=5, let_go=lambda: None)
    far.gateway.sendall(GET)
    other.sendall(GET)
    results: dict[str, bytes] = {}

    def read(name: str, sock: Any) -> None:
        with http.client.HTTPResponse(sock) as response:
            response.begin()
            results[name] = response.read()

    threads = [
        threading.Thread(target=read, args=args)
        for args in (("first", far.gateway), ("second", other))
    ]
    for thread in threads:
        thread.start()
    far.hear_until(lambda: len(far.ended) == 2)
    far.answer(b"for 3", stream_id=3)
    far.answer(b"for 1", stream_id=1)
    for thread in threads:
        thread.join(5)
    assert results == {"first": b"for 1", "second": b"for 3"}
    other.close()
