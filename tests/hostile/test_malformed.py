"""Responses that break RFC 9113 §8.1 and §8.2, and odd ones that do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyper.http20.exceptions import ErrorCode, ProtocolError

from ..peer import OK
from .peer import Stage, Talk

END_STREAM, END_HEADERS = 0x1, 0x4

#: What the server answers on that stream.
Act = Callable[[Talk, int], object]
Fields = list[tuple[bytes, bytes]]


def block(fields: Fields) -> bytes:
    """Literals, without a table and without an encoder that could object."""
    coded = b""
    for name, value in fields:
        coded += b"\x10" + bytes([len(name)]) + name + bytes([len(value)]) + value
    return coded


def says(talk: Talk, stream_id: int, fields: Fields, flags: int = 0) -> None:
    talk.frame("HEADERS", END_HEADERS | flags, stream_id, block(fields))


def broken(scene: Stage, act: Act, message: str, method: str = "GET") -> None:
    """The answer is a stream error; another stream and the connection do not notice."""

    def script(talk: Talk) -> None:
        first = talk.hear_request()
        second = talk.hear_request()
        act(talk, first.stream_id)
        talk.answer(second.stream_id, b"fine")
        talk.serve()

    def read() -> Any:
        response = play.client.get_response(first)
        return response.status, response.headers, response.read()

    with scene(script) as play:
        first = play.client.request(method, "/broken")
        second = play.client.request("GET", "/fine")
        error = play.fails(ProtocolError, message, ErrorCode.PROTOCOL_ERROR, read)
        assert error.stream_id == first
        assert not error.retryable
        assert play.client.get_response(second).read() == b"fine"
        play.heard("RST_STREAM", stream_id=first, error_code=ErrorCode.PROTOCOL_ERROR)
        play.never_heard("RST_STREAM", stream_id=second)
        play.never_heard("GOAWAY")
        play.usable()
        # An error is never mistaken for the end of a short body, however often it is asked.
        assert play.talks[0].counts["HEADERS"] == 3


STATUS: Fields = [(b":status", b"200")]
EARLY: Fields = [(b":status", b"103")]

# --- :status and its like -------------------------------------------------------------------------

STATUSES = [
    b"", b"2", b"20", b"2000", b"+20", b"-20", b" 200", b"20 ", b"2e2", b"0x1", b"099", b"000",
    b"abc", b"20\xb2", b"2_0", b"200 OK", "\uff12\uff10\uff10".encode(), b"\xb2\xb0\xb0",
]  # fmt: skip


@pytest.mark.parametrize("status", STATUSES, ids=repr)
def test_a_status_is_three_digits(scene: Stage, status: bytes) -> None:
    """Three octets of ASCII; ``int()`` would take several of these."""
    broken(
        scene,
        lambda talk, i: says(talk, i, [(b":status", status)], END_STREAM),
        r":status is .*not three digits",
    )


PSEUDO: dict[str, Fields] = {
    "no field at all": [],
    "no :status": [(b"content-type", b"text/plain")],
    ":status twice": [*STATUS, *STATUS],
    ":status twice, different": [*STATUS, (b":status", b"404")],
    ":status late": [(b"x", b"y"), *STATUS],
    ":status late and twice": [*STATUS, (b"x", b"y"), *STATUS],
    ":method": [*STATUS, (b":method", b"GET")],
    ":path": [*STATUS, (b":path", b"/")],
    ":authority in front": [(b":authority", b"x"), *STATUS],
    ":scheme late": [*STATUS, (b"x", b"y"), (b":scheme", b"https")],
    ":protocol": [*STATUS, (b":protocol", b"websocket")],
    "one that nobody knows": [*STATUS, (b":made-up", b"1")],
    "a colon alone": [*STATUS, (b":", b"1")],
}


@pytest.mark.parametrize("end", [0, END_STREAM], ids=["open", "end"])
@pytest.mark.parametrize("fields", PSEUDO.values(), ids=PSEUDO)
def test_pseudo_headers_missing_twice_foreign_or_late(
    scene: Stage, fields: Fields, end: int
) -> None:
    broken(
        scene,
        lambda talk, i: says(talk, i, fields, end),
        r"must start with :status|pseudo-header .* is unknown, late or twice",
    )


# --- fields ---------------------------------------------------------------------------------------

NAMES = [
    b"", b"X-Upper", b"x-uppeR", b"a b", b" a", b"a ", b"a:b", b"a:", b"a\0", b"a\r", b"a\n",
    b"a\r\nset-cookie", b"a\tb", b"\x01", b"a\x1f", b"\x7f", "caf\u00e9".encode(), b"\x80", b"\xff",
]  # fmt: skip
VALUES = [
    b"\0", b"a\0b", b"a\rb", b"a\nb", b"a\r\nset-cookie: b", b"a\r\n", b"\n", b" a", b"a ", b"\ta",
    b"a\t", b" ", b"\t",
]  # fmt: skip
CONNECTION_FIELDS = [
    (b"connection", b"close"),
    (b"connection", b"x"),
    (b"keep-alive", b"timeout=5"),
    (b"proxy-connection", b"keep-alive"),
    (b"transfer-encoding", b"chunked"),
    (b"transfer-encoding", b"identity"),
    (b"upgrade", b"h2c"),
]
FIELDS = [
    *[((name, b"x"), r"(field name|pseudo-header) .*§8\.[23]") for name in NAMES],
    *[((b"x", value), r"the value of b'x' is not valid .*§8\.2\.1") for value in VALUES],
    *[(field, r"has no place in HTTP/2 .*§8\.2\.2") for field in CONNECTION_FIELDS],
]


@pytest.mark.parametrize("where", ["head", "interim", "trailers"])
@pytest.mark.parametrize(("field", "message"), FIELDS, ids=[repr(field) for field, _ in FIELDS])
def test_a_field_that_may_not_be_is_malformed(
    scene: Stage, field: tuple[bytes, bytes], message: str, where: str
) -> None:
    """Wherever it stands; the message names it and never shows its value."""

    def act(talk: Talk, i: int) -> None:
        if where == "head":
            says(talk, i, [*STATUS, (b"a", b"b"), field])
            talk.data(i, b"body", end=True)
        elif where == "interim":
            says(talk, i, [*EARLY, field])
            talk.answer(i, b"body")
        else:
            talk.headers(i)
            talk.data(i, b"body")
            says(talk, i, [(b"a", b"b"), field], END_STREAM)

    broken(scene, act, message)


def test_a_bad_field_is_bad_again(scene: Stage) -> None:
    """What is remembered of one head must not excuse the next."""

    def script(talk: Talk) -> None:
        for _ in range(3):
            says(talk, talk.hear_request().stream_id, [*STATUS, (b"x", b"a\nb")], END_STREAM)
        talk.serve()

    with scene(script) as play:
        for _ in range(3):
            play.fails(ProtocolError, r"§8\.2\.1", ErrorCode.PROTOCOL_ERROR)
        play.usable()


# --- the order of things --------------------------------------------------------------------------


def switching(talk: Talk, i: int) -> None:
    says(talk, i, [(b":status", b"101"), (b"x", b"y")])


def interim_end(talk: Talk, i: int) -> None:
    says(talk, i, EARLY, END_STREAM)


def data_first(talk: Talk, i: int) -> None:
    talk.data(i, b"x", end=True)


def empty_data_first(talk: Talk, i: int) -> None:
    talk.data(i, end=True)


def padded_data_first(talk: Talk, i: int) -> None:
    talk.data(i, padding=10)


def data_after_interim(talk: Talk, i: int) -> None:
    says(talk, i, EARLY)
    talk.data(i, b"x", end=True)


def end_after_interim(talk: Talk, i: int) -> None:
    says(talk, i, EARLY)
    talk.data(i, end=True)


def trailers_of_status(talk: Talk, i: int) -> None:
    talk.headers(i)
    talk.data(i, b"x")
    says(talk, i, STATUS, END_STREAM)


def trailers_of_path(talk: Talk, i: int) -> None:
    talk.headers(i)
    says(talk, i, [(b"x", b"y"), (b":path", b"/")], END_STREAM)


def trailers_without_end(talk: Talk, i: int) -> None:
    talk.headers(i)
    talk.data(i, b"x")
    says(talk, i, [(b"x", b"y")])


def second_head(talk: Talk, i: int) -> None:
    talk.headers(i)
    says(talk, i, STATUS)


def interim_after_final(talk: Talk, i: int) -> None:
    talk.headers(i)
    says(talk, i, EARLY)


def interim_after_body(talk: Talk, i: int) -> None:
    talk.headers(i)
    talk.data(i, b"x")
    says(talk, i, EARLY, END_STREAM)


ORDER = [
    (switching, r"101 has no place in HTTP/2 .*§8\.6"),
    (interim_end, r"ends on a 103 .*§8\.1"),
    (data_first, r"before the head .*§8\.1"),
    (empty_data_first, r"before the head .*§8\.1"),
    (padded_data_first, r"before the head .*§8\.1"),
    (data_after_interim, r"before the head .*§8\.1"),
    (end_after_interim, r"before the head .*§8\.1"),
    (trailers_of_status, r"pseudo-header b':status' .*§8\.3"),
    (trailers_of_path, r"pseudo-header b':path' .*§8\.3"),
    (trailers_without_end, r"does not end the stream .*§8\.1"),
    (second_head, r"does not end the stream .*§8\.1"),
    (interim_after_final, r"does not end the stream .*§8\.1"),
    (interim_after_body, r"pseudo-header b':status' .*§8\.3"),
]


@pytest.mark.parametrize(("act", "message"), ORDER, ids=[act.__name__ for act, _ in ORDER])
def test_a_response_out_of_order_is_malformed(scene: Stage, act: Act, message: str) -> None:
    broken(scene, act, message)


# --- content-length -------------------------------------------------------------------------------

LENGTHS = [
    b"", b"+4", b"-4", b"4 4", b"4, 4", b"4,4", b"4;", b"0x4", b"4_0", b"4.0", b"4e0", b"four",
    b"\xb2", "\uff14".encode(), b"18446744073709551616", b"9" * 50, b"\x004",
]  # fmt: skip


@pytest.mark.parametrize("length", LENGTHS, ids=repr)
def test_a_length_is_nothing_but_digits(scene: Stage, length: bytes) -> None:
    def act(talk: Talk, i: int) -> None:
        says(talk, i, [*STATUS, (b"content-length", length)])
        talk.data(i, b"body", end=True)

    broken(scene, act, r"content-length.*(RFC 9110 §8\.6|RFC 9113 §8\.2\.1)")


def two_lengths(talk: Talk, i: int) -> None:
    """And a body that is as long as one of them says."""
    says(talk, i, [*STATUS, (b"content-length", b"4"), (b"content-length", b"5")])
    talk.data(i, b"body!", end=True)


def told(length: int, *pieces: bytes, **how: Any) -> Act:
    """A length, these pieces of a body, and the end on the last of them."""

    def act(talk: Talk, i: int) -> None:
        says(talk, i, [*STATUS, (b"content-length", b"%d" % length)])
        for at, piece in enumerate(pieces, 1):
            talk.data(i, piece, end=at == len(pieces), **how)

    return act


def length_and_end(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"5")], END_STREAM)


def length_and_trailers(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"5")])
    talk.data(i, b"body")
    says(talk, i, [(b"x", b"y")], END_STREAM)


def length_and_trailers_alone(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"5")])
    says(talk, i, [(b"x", b"y")], END_STREAM)


def beyond_the_length(talk: Talk, i: int) -> None:
    """Refused with the first octet too many, before any end."""
    says(talk, i, [*STATUS, (b"content-length", b"4")])
    talk.data(i, b"body")
    talk.data(i, b"!")


def beyond_the_length_padded(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"4")])
    talk.data(i, b"body", padding=1)
    talk.data(i, b"!", padding=1)


UNEQUAL = {
    "two lengths": two_lengths,
    "body too short": told(5, b"body"),
    "body too long": told(3, b"body"),
    "body too long by a second piece": told(4, b"body", b"!"),
    "body too short, padded": told(5, b"body", padding=1),
    "body too long, padded": told(3, b"body", padding=9),
    "body too short, end on empty DATA": told(5, b"body", b""),
    "no body": told(5, b""),
    "a body where none was told": told(0, b"x"),
    "END_STREAM on HEADERS": length_and_end,
    "END_STREAM on trailers": length_and_trailers,
    "END_STREAM on trailers, no body": length_and_trailers_alone,
    "beyond it, and no end": beyond_the_length,
    "beyond it, padded, and no end": beyond_the_length_padded,
}


@pytest.mark.parametrize("act", UNEQUAL.values(), ids=UNEQUAL)
def test_a_body_has_the_length_it_was_told(scene: Stage, act: Act) -> None:
    broken(scene, act, r"content-length is both 4 and 5|the body .*§8\.1\.1")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_body_where_there_can_be_none_is_malformed(
    scene: Stage, method: str, status: int
) -> None:
    def act(talk: Talk, i: int) -> None:
        says(talk, i, [(b":status", b"%d" % status), (b"content-length", b"4")])
        talk.data(i, b"body", end=True)

    def script(talk: Talk) -> None:
        first = talk.hear_request()
        act(talk, first.stream_id)
        talk.serve()

    with scene(script) as play:
        key = play.client.request(method, "/")
        # The head may be there before the body is.
        play.fails(
            ProtocolError,
            r"the body .*§8\.1\.1",
            ErrorCode.PROTOCOL_ERROR,
            lambda: play.client.get_response(key).read(),
        )
        play.heard("RST_STREAM", stream_id=key, error_code=ErrorCode.PROTOCOL_ERROR)
        play.usable()


# --- odd and legal --------------------------------------------------------------------------------

#: Every octet that a value may have, with those at its ends that may be there.
ANY_VALUE = bytes(octet for octet in range(256) if octet not in b"\0\r\n \t") + b" \t" + b"x"
ANY_NAME = bytes(
    octet for octet in range(0x21, 0x7F) if octet != 0x3A and not 0x41 <= octet <= 0x5A
)


def test_values_of_any_octets_are_handed_over_as_they_are(scene: Stage) -> None:
    """§8.2.1 forbids three octets and blanks at the ends, and nothing else; beyond ASCII too."""
    fields: Fields = [
        (b"x-all", ANY_VALUE[:120]),
        (b"x-rest", ANY_VALUE[120:240]),
        (b"x-end", ANY_VALUE[240:]),
        (b"x-utf-8", "na\u00efve \u2603".encode()),
        (b"x-latin-1", b"caf\xe9"),
        (b"x-empty", b""),
        (ANY_NAME, b"any name"),
        (b"te", b"trailers"),
        (b"host", b"example.org"),
    ]

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        says(talk, asked.stream_id, [*STATUS, *fields])
        talk.data(asked.stream_id, b"body")
        says(talk, asked.stream_id, fields, END_STREAM)
        talk.serve()

    with scene(script) as play:
        key = play.client.request("GET", "/")
        response = play.client.get_response(key)
        for name, value in fields:
            assert response.headers[name] == [value]
        assert response.read() == b"body"
        assert list(response.trailers) == fields
        play.usable()


def interims_of_all_kinds(talk: Talk, i: int) -> None:
    for status in (b"100", b"102", b"103", b"199", b"100"):
        says(talk, i, [(b":status", status), (b"x", b"y")])
    talk.answer(i, b"fine")


def length_twice(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"4"), (b"content-length", b"4")])
    talk.data(i, b"fine", end=True)


def length_with_zeros(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"0000000000000000004")])
    talk.data(i, b"fine", end=True)


def empty_trailers(talk: Talk, i: int) -> None:
    talk.headers(i)
    talk.data(i, b"fine")
    says(talk, i, [], END_STREAM)


def trailers_and_the_right_length(talk: Talk, i: int) -> None:
    says(talk, i, [*STATUS, (b"content-length", b"4")])
    talk.data(i, b"fi", padding=255)
    talk.data(i, padding=0)
    talk.data(i, b"ne")
    says(talk, i, [(b"content-length", b"4"), (b"x", b"y")], END_STREAM)


def strange_connection_words(talk: Talk, i: int) -> None:
    """Names that only begin as the forbidden ones do."""
    says(talk, i, [*STATUS, (b"connection-id", b"1"), (b"upgrade-insecure-requests", b"1")])
    talk.data(i, b"fine", end=True)


LEGAL = [
    interims_of_all_kinds,
    length_twice,
    length_with_zeros,
    empty_trailers,
    trailers_and_the_right_length,
    strange_connection_words,
]


@pytest.mark.parametrize("act", LEGAL, ids=[act.__name__ for act in LEGAL])
def test_an_odd_response_is_a_response(scene: Stage, act: Act) -> None:
    def script(talk: Talk) -> None:
        act(talk, talk.hear_request().stream_id)
        talk.serve()

    with scene(script) as play:
        assert play.ask() == (200, b"fine")
        play.never_heard("RST_STREAM")
        play.usable()


@pytest.mark.parametrize("status", [200, 204, 205, 299, 304, 404, 451, 599, 600, 799, 999])
def test_any_status_of_three_digits_is_told(scene: Stage, status: int) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [(":status", str(status))], end=True)
        talk.serve()

    with scene(script) as play:
        assert play.ask() == (status, b"")
        play.never_heard("RST_STREAM")
        play.usable()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("GET", 204)])
@pytest.mark.parametrize("end", ["head", "DATA", "trailers"])
def test_a_length_without_a_body_is_fine_where_there_can_be_none(
    scene: Stage, method: str, status: int, end: str
) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        fields = [(":status", str(status)), ("content-length", "1000000000000")]
        talk.headers(asked.stream_id, fields, end=end == "head")
        if end == "DATA":
            talk.data(asked.stream_id, end=True)
        elif end == "trailers":
            talk.headers(asked.stream_id, [("x", "y")], end=True)
        talk.serve()

    with scene(script) as play:
        assert play.ask(method=method) == (status, b"")
        play.never_heard("RST_STREAM")
        play.usable()


def test_the_same_name_many_times_keeps_its_order(scene: Stage) -> None:
    cookies = [("set-cookie", f"c{at}=1; path=/") for at in range(300)]

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [*OK, *cookies], end=True)
        talk.serve()

    with scene(script) as play:
        key = play.client.request("GET", "/")
        response = play.client.get_response(key)
        assert response.headers[b"set-cookie"] == [value.encode() for _, value in cookies]
        play.usable()
