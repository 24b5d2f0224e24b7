"""HTTP/1.1 servers that are hostile, broken or only odd (RFC 9112; the catalogue's 3.9).

Each is met by both connections that may find themselves speaking HTTP/1.1, over TLS. What the
other doors do over HTTP/1.1 is the code of http.client, urllib3 and httpx, and not ours.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyper import HTTP11Connection, HTTPConnection
from hyper.common.exceptions import ConnectionError, InvalidResponseError
from hyper.http11 import limits

from .peer import Client, Stage, Talk, bounded

pytestmark = pytest.mark.parametrize("kind", [HTTP11Connection, HTTPConnection])

Kind = type[Client]


def answer(*octets: bytes) -> Callable[[Talk], None]:
    """Say this to the first request, and be polite from then on."""

    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(*octets)
        talk.serve()

    return script


def last_words(*octets: bytes) -> Callable[[Talk], None]:
    """Say this to the first request, and nothing more."""

    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(*octets)
        talk.close_notify()
        talk.fin()

    return script


def ok(*fields: bytes, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join(line + b"\r\n" for line in fields) + b"\r\n" + body


CHUNKED = b"transfer-encoding: chunked"


# Where a body ends: content-length.


@pytest.mark.parametrize(
    "fields",
    [
        [b"content-length: 5", b"content-length: 6"],
        [b"content-length: 5, 6"],
        [b"content-length: +5"],
        [b"content-length: -5"],
        [b"content-length: 1_0"],
        [b"content-length: 0x5"],
        [b"content-length: 5 5"],
        [b"content-length: "],
        [b"content-length: 5;5"],
        [b"content-length: \xb2"],
        [b"content-length: 99999999999999999999"],
    ],
    ids=lambda fields: b" | ".join(fields).decode("latin-1"),
)
def test_a_length_that_is_none_or_two_is_refused(
    scene: Stage, kind: Kind, fields: list[bytes]
) -> None:
    """RFC 9112 §6.3, rule 5."""
    with scene(answer(ok(*fields, body=b"hello")), kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "content-length")
        play.renewed()


@pytest.mark.parametrize(
    "fields",
    [[b"content-length: 5", b"Content-Length: 5"], [b"content-length: 5, 5"]],
    ids=["twice", "list"],
)
def test_one_length_said_twice_is_one(scene: Stage, kind: Kind, fields: list[bytes]) -> None:
    """RFC 9112 §6.3: "or the recipient ... replaces the invalid field"; nobody is misled here."""
    with scene(answer(ok(*fields, body=b"hello")), kind=kind, http1=True) as play:
        assert play.ask() == (200, b"hello")
        play.usable()


def test_a_length_of_a_terabyte_costs_what_arrives(scene: Stage, kind: Kind) -> None:
    """CVE-2025-13836: http.client allocated what was announced."""
    script = last_words(ok(b"content-length: 1000000000000", body=b"x" * 1000))
    with scene(script, kind=kind, http1=True) as play, bounded(3_000_000):
        cut = play.fails(ConnectionError, "999999999000 octets missing")
        assert cut.partial == b"x" * 1000


def test_a_length_that_is_not_reached_is_an_error_that_stays(scene: Stage, kind: Kind) -> None:
    """RFC 9112 §8; a second read() must not say that the body has ended."""
    script = last_words(ok(b"content-length: 10", body=b"12345"))
    with scene(script, kind=kind, http1=True) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        for _ in range(3):
            cut = play.fails(ConnectionError, "5 octets missing", ask=response.read)
            assert cut.partial == b"12345"


# Where a body ends: both framings, and chunks.


def test_chunks_win_over_a_length_and_the_connection_is_not_used_again(
    scene: Stage, kind: Kind
) -> None:
    """RFC 9112 §6.3, rule 3: it may be an attempt at smuggling."""
    script = answer(ok(b"content-length: 3", CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"))
    with scene(script, kind=kind, http1=True) as play:
        assert play.ask() == (200, b"hello")
        play.renewed()


@pytest.mark.parametrize(
    "coding", [b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked", b"chunke"]
)
def test_a_transfer_coding_that_nobody_asked_for_is_refused(
    scene: Stage, kind: Kind, coding: bytes
) -> None:
    """RFC 9112 §6.1."""
    script = answer(ok(b"transfer-encoding: " + coding, body=b"5\r\nhello\r\n0\r\n\r\n"))
    with scene(script, kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "transfer-encoding")
        play.renewed()


@pytest.mark.parametrize(
    "size",
    [
        b"+5",
        b"-5",
        b"0x5",
        b"1_0",
        b" 5",
        b"",
        b"g",
        b"5,",
        b"8000000000000000",  # 2**63
        b"00000000000000005",
        b"5;\0",
        b"5\r",
        b"\xef\xbc\x95",  # a full-width five
    ],
)
def test_a_chunk_size_that_is_none_is_refused(scene: Stage, kind: Kind, size: bytes) -> None:
    """RFC 9112 §7.1; what int() takes and HTTP does not."""
    script = answer(ok(CHUNKED, body=size + b"\r\nhello\r\n0\r\n\r\n"))
    with scene(script, kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "size of a chunk")
        play.renewed()


@pytest.mark.parametrize("behind", [b"X", b"\rX", b"X\r\n", b"\n"])
def test_a_chunk_that_goes_on_is_refused(scene: Stage, kind: Kind, behind: bytes) -> None:
    """RFC 9112 §7.1: CR LF stands behind each chunk's octets."""
    script = answer(ok(CHUNKED, body=b"5\r\nhello" + behind + b"5\r\nworld\r\n0\r\n\r\n"))
    with scene(script, kind=kind, http1=True) as play:
        error = play.fails(InvalidResponseError, "goes on after its 5 octets")
        assert error.partial == b"hello"
        play.renewed()


def test_a_chunk_size_ends_in_cr_lf_and_not_in_lf(scene: Stage, kind: Kind) -> None:
    """CVE-2025-22871: others in the chain may see two messages here."""
    script = answer(ok(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n"))
    with scene(script, kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "LF alone")
        play.renewed()


@pytest.mark.parametrize("more", [0, 1])
def test_extensions_of_chunks_are_ignored_up_to_a_bound(
    scene: Stage, kind: Kind, more: int
) -> None:
    """CVE-2023-39326: an octet of body for kilobytes of line."""
    line = b"5;" + b"x" * (limits.MAX_CHUNK_LINE - 2 + more)
    script = answer(ok(CHUNKED, body=line + b"\r\nhello\r\n0;last\r\n\r\n"))
    with scene(script, kind=kind, http1=True) as play:
        if not more:
            assert play.ask() == (200, b"hello")
            play.usable()
        else:
            play.fails(InvalidResponseError, f"more than {limits.MAX_CHUNK_LINE} octets")
            play.renewed()


@pytest.mark.parametrize(
    ("body", "partial"),
    [
        (b"", b""),
        (b"5", b""),
        (b"5\r\n", b""),
        (b"5\r\nhel", b"hel"),
        (b"5\r\nhello", b"hello"),
        (b"5\r\nhello\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\nx: y\r\n", b"hello"),
    ],
)
def test_chunks_without_the_last_one_are_an_error(
    scene: Stage, kind: Kind, body: bytes, partial: bytes
) -> None:
    """RFC 9112 §8: an end of the connection is not the end of a chunked body."""
    with scene(last_words(ok(CHUNKED, body=body)), kind=kind, http1=True) as play:
        cut = play.fails(ConnectionError, "in the midst of the body")
        assert cut.partial == partial


def test_a_body_that_ends_with_the_connection_needs_close_notify(scene: Stage, kind: Kind) -> None:
    """RFC 9112 §9.8: without it, anybody on the way may have cut the body short."""

    def cut_off(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(ok(body=b"half of it"))
        talk.fin()

    with scene(cut_off, kind=kind, http1=True) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        for _ in range(2):
            cut = play.fails(
                ConnectionError, "after 10 octets .* TLS was not closed", ask=response.read
            )
            assert cut.partial == b"half of it"
        play.renewed()
    with scene(last_words(ok(body=b"all of it")), kind=kind, http1=True) as play:
        assert play.ask() == (200, b"all of it")
        play.renewed()


# Heads.


def test_a_folded_field_is_one_value_with_one_blank(scene: Stage, kind: Kind) -> None:
    """RFC 9112 §5.2."""
    script = answer(ok(b"x-folded: one", b" \t two", b"\tthree", b"content-length: 0"))
    with scene(script, kind=kind, http1=True) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        assert response.headers["x-folded"] == [b"one two three"]
        assert response.read() == b""
        play.usable()


@pytest.mark.parametrize(
    "line",
    [
        b"x-value: a\rb",
        b"x-value: a\0b",
        b"x-value : a",
        b"x value: a",
        b": a",
        b"x-value\t: a",
        b"x\rvalue: a",
        b"x-value",
        b"\xc3\xa9: a",
        b"x\0: a",
        b"(x): a",
    ],
    ids=repr,
)
def test_a_field_line_that_is_none_is_refused(scene: Stage, kind: Kind, line: bytes) -> None:
    """RFC 9112 §5, §5.1, §2.2: a bare CR, NUL, a blank before the colon, no name, no colon."""
    script = answer(ok(line, b"content-length: 2", body=b"ok"))
    with scene(script, kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "field|value")
        play.renewed()


def test_a_head_must_not_begin_with_a_fold(scene: Stage, kind: Kind) -> None:
    """RFC 9112 §2.2."""
    script = answer(ok(b" content-length: 2", body=b"ok"))
    with scene(script, kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "blank before the first field")
        play.renewed()


def test_values_beyond_ascii_are_handed_over(scene: Stage, kind: Kind) -> None:
    script = answer(ok(b"x-name: caf\xc3\xa9 \xe9", b"content-length: 0"))
    with scene(script, kind=kind, http1=True) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        assert response.headers["x-name"] == [b"caf\xc3\xa9 \xe9"]
        assert response.getheader("x-name")
        assert response.read() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/3 200 OK",
        b"HTTP/1.10 200 OK",
        b"http/1.1 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 200 O\rK",
        b"HTTP/1.1 200 O\0K",
        b"HTTP/1.1",
        b"\x16\x03\x01\x02\x00",
        b"ICY 200 OK",
        b"<html>",
        b"PRI * HTTP/2.0",
        b"HTTP/1.1 \xef\xbc\x92\xef\xbc\x90\xef\xbc\x90 OK",  # full-width digits
    ],
    ids=repr,
)
def test_what_is_no_status_line_of_http_1_is_refused(scene: Stage, kind: Kind, line: bytes) -> None:
    """RFC 9112 §4; there is no HTTP/0.9 in which anything at all would be a body."""
    with scene(answer(line + b"\r\ncontent-length: 0\r\n\r\n"), kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "status line|another version of HTTP")
        play.renewed()


def test_http_2_frames_where_http_1_1_was_agreed_are_no_answer(scene: Stage, kind: Kind) -> None:
    with scene(last_words(bytes.fromhex("000000040000000000")), kind=kind, http1=True) as play:
        play.fails(ConnectionError, "in the midst of the head")
        play.renewed()


# Interim responses, and responses without a body.


def test_interim_responses_come_before_the_response(scene: Stage, kind: Kind) -> None:
    """RFC 9110 §15.2."""
    interim = b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n"
    interim += b"HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n"
    script = answer(interim, ok(b"content-length: 2", body=b"ok"))
    with scene(script, kind=kind, http1=True) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        assert [status for status, _ in response.informational] == [103, 100]
        assert (response.status, response.read()) == (200, b"ok")
        play.usable()


@pytest.mark.parametrize("more", [0, 1])
def test_interim_responses_are_counted(scene: Stage, kind: Kind, more: int) -> None:
    """CVE-2021-3737 and its kin: for ever 100 Continue."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * (limits.MAX_INFORMATIONAL + more)
    script = answer(interim, ok(b"content-length: 2", body=b"ok"))
    with scene(script, kind=kind, http1=True) as play:
        if not more:
            assert play.ask() == (200, b"ok")
            play.usable()
        else:
            play.fails(InvalidResponseError, f"{limits.MAX_INFORMATIONAL + 1} interim responses")
            play.renewed()


def test_interim_responses_are_weighed_together(scene: Stage, kind: Kind) -> None:
    field = b"x: " + b"y" * 60_000 + b"\r\n"
    interim = b"HTTP/1.1 103 Early\r\n" + field + b"\r\n"
    with (
        scene(answer(interim * 6, ok(b"content-length: 2", body=b"ok")), kind=kind, http1=True) as (
            play
        ),
        bounded(8_000_000),
    ):
        play.fails(InvalidResponseError, f"the limits are .* {limits.MAX_HEAD}")
        play.renewed()


@pytest.mark.parametrize(
    ("method", "status"), [("GET", b"204 None"), ("GET", b"304 Same"), ("HEAD", b"200 OK")]
)
def test_no_body_where_there_cannot_be_one(
    scene: Stage, kind: Kind, method: str, status: bytes
) -> None:
    """RFC 9112 §6.3, rule 1: whatever the head says."""
    script = answer(b"HTTP/1.1 " + status + b"\r\ncontent-length: 1000\r\n\r\n")
    with scene(script, kind=kind, http1=True) as play:
        assert play.ask(method=method) == (int(status[:3]), b"")
        play.usable()


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 204 None\r\n\r\n", b"HTTP/1.1 304 Same\r\n\r\n", ok(b"content-length: 0")],
    ids=["204", "304", "200"],
)
def test_what_stands_behind_a_response_is_never_the_next_one(
    scene: Stage, kind: Kind, head: bytes
) -> None:
    """RFC 9112 §6.3: httpx takes the "body" of a 204 for the next answer."""
    poison = ok(b"content-length: 6", body=b"poison")
    with scene(answer(head, poison), kind=kind, http1=True) as play:
        assert play.ask()[1] == b""
        play.renewed()


def test_what_comes_before_it_was_asked_for_is_never_an_answer(scene: Stage, kind: Kind) -> None:
    """A 408 on an idle connection, and a poisoned one."""

    def early(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(ok(b"content-length: 2", body=b"ok"))
        talk.pause(0.05)
        talk.say_http1(ok(b"content-length: 6", body=b"poison"))
        talk.listen()

    with scene(early, kind=kind, http1=True) as play:
        assert play.ask() == (200, b"ok")
        play.client._pump.transport.wait_readable(None)
        play.renewed()


def test_101_is_refused_where_nothing_was_offered(scene: Stage, kind: Kind) -> None:
    """RFC 9110 §7.8."""
    script = answer(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    with scene(script, kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "101 to a request that asked for no such protocol")
        play.renewed()


def test_empty_lines_in_front_of_a_response_are_put_up_with_once(scene: Stage, kind: Kind) -> None:
    """RFC 9112 §9.2; and not for ever."""
    with scene(answer(b"\r\n", ok(b"content-length: 2", body=b"ok")), kind=kind, http1=True) as (
        play
    ):
        assert play.ask() == (200, b"ok")
    with scene(answer(b"\r\n" * 1000), kind=kind, http1=True) as play:
        play.fails(InvalidResponseError, "status line")


# What has no end.


def endless(start: bytes, again: bytes) -> Callable[[Talk], None]:
    def script(talk: Talk) -> None:
        talk.hear_http1()
        talk.say_http1(start)
        block = again * (65_536 // len(again))
        while True:
            talk.say_http1(block)

    return script


@pytest.mark.parametrize(
    ("start", "again", "says"),
    [
        (b"HTTP/1.1 200 ", b"O", f"more than {limits.MAX_LINE} octets"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y", f"more than {limits.MAX_LINE} octets"),
        (b"HTTP/1.1 200 OK\r\n", b"x", f"more than {limits.MAX_LINE} octets"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", f"more than {limits.MAX_FIELDS} field lines"),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n", b" \r\n", f"more than {limits.MAX_FIELDS} field lines"),
        (
            b"HTTP/1.1 200 OK\r\n",
            b"x: " + b"y" * 8000 + b"\r\n",
            f"more than {limits.MAX_HEAD} octets",
        ),
        (b"HTTP/1.1 100 Go on\r\n\r\n", b"HTTP/1.1 100 Go on\r\n\r\n", "interim responses"),
        (b"", b"HTTP/1.1 200 OK", f"more than {limits.MAX_LINE} octets"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"x: y\r\n",
            f"more than {limits.MAX_FIELDS} field lines",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            b"x: " + b"y" * 8000 + b"\r\n",
            f"more than {limits.MAX_TRAILERS} octets",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ",
            b"y",
            f"more than {limits.MAX_LINE} octets",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;",
            b"y",
            f"more than {limits.MAX_CHUNK_LINE} octets",
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"0",
            f"more than {limits.MAX_CHUNK_LINE} octets",
        ),
    ],
    ids=["reason", "value", "name", "fields", "folds", "head", "interim", "line", "trailers",
         "large trailers", "trailer", "extension", "size"],
)  # fmt: skip
def test_what_has_no_end_is_given_up(
    scene: Stage, kind: Kind, start: bytes, again: bytes, says: str
) -> None:
    """CVE-2023-38039 (curl), CVE-2026-22815 (aiohttp), CVE-2025-43859 (h11)."""
    with (
        scene(endless(start, again), kind=kind, http1=True) as play,
        bounded(3_000_000),
    ):
        play.fails(InvalidResponseError, says)
        play.renewed()


@pytest.mark.parametrize("more", [0, 1])
def test_fields_and_lines_at_their_limits(scene: Stage, kind: Kind, more: int) -> None:
    script = answer(
        ok(*[b"x: y"] * (limits.MAX_FIELDS - 1 + more), b"content-length: 2", body=b"ok"),
    )
    with scene(script, kind=kind, http1=True) as play:
        if not more:
            assert play.ask() == (200, b"ok")
        else:
            play.fails(InvalidResponseError, f"more than {limits.MAX_FIELDS} field lines")
    line = b"x: " + b"y" * (limits.MAX_LINE - 3 + more)
    script = answer(ok(b"content-length: 2", line, body=b"ok"))
    with scene(script, kind=kind, http1=True) as play:
        if not more:
            assert play.ask() == (200, b"ok")
        else:
            play.fails(InvalidResponseError, f"more than {limits.MAX_LINE} octets")


def test_chunks_of_one_octet_for_ever_are_read_in_bounded_memory(scene: Stage, kind: Kind) -> None:
    """Nobody reads; what has arrived unread stays within the limits, and then nothing is read."""
    with (
        scene(
            endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
            kind=kind,
            http1=True,
        ) as play,
        bounded(8_000_000),
    ):
        play.client.request("GET", "/")
        with play.client.get_response() as response:
            assert response.read(1000) == b"x" * 1000
        play.renewed()


def test_octet_by_octet_it_is_the_same_answer(scene: Stage, kind: Kind) -> None:
    octets = (
        b"HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nx-folded: a\r\n b\r\n"
        b"transfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n1\r\n!\r\n0\r\nx-trailer: yes\r\n\r\n"
    )

    def drip(talk: Talk) -> None:
        talk.hear_http1()
        talk.drip(octets)
        talk.serve()

    with scene(drip, kind=kind, http1=True) as play:
        play.client.request("GET", "/")
        response = play.client.get_response()
        assert response.read() == b"hello!"
        assert response.headers["x-folded"] == [b"a b"]
        assert response.gettrailer("x-trailer") == "yes"
        play.usable()
