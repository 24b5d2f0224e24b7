"""Floods and bombs: much, endless or swelling, of what is legal or nearly so (RFC 9113 §10.5)."""

from __future__ import annotations

import gc
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterable

import hpack
import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import (
    ConnectionError,
    ErrorCode,
    HPACKDecodingError,
    ProtocolError,
    StreamResetError,
)
from hyper.http20.window import BaseFlowControlManager

from ..backends import NEEDS_NGHTTP2
from ..peer import OK, TYPES, frame, padded
from .peer import PATIENCE, Scene, Script, Stage, Talk, bounded

CALM = ErrorCode.ENHANCE_YOUR_CALM
END_HEADERS, END_BOTH = 0x4, 0x5
#: More of any useless frame than a burst and all that a minute adds to it.
FLOOD = limits.GLITCH_BURST + 60 * limits.GLITCHES_PER_SECOND
#: What a connection with all its buffers, and a TLS handshake, may take beside what is tested.
USUAL = 3_000_000


def flood(octets: Callable[[int], bytes], count: int = FLOOD, at_once: int = 250) -> Script:
    """Wait for a request, then say ``octets(stream id)`` many times."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        some = octets(asked.stream_id) * at_once
        for _ in range(-(-count // at_once)):
            talk.raw(some)

    return script


def ends(scene: Stage, script: Script, says: str) -> None:
    """Play it; the connection ends for this reason, in bounded memory, and another is dialled."""
    with bounded(USUAL), scene(script) as play:
        play.fails(ProtocolError, says, CALM)
        assert play.goaway(CALM).last_stream_id == 0
        play.renewed()


def passes(scene: Stage, script: Script, body: bytes = b"fine") -> None:
    """Play it; the request is answered by ``body``, and the connection goes on."""
    with bounded(USUAL), scene(script) as play:
        assert play.ask() == (200, body)
        play.never_heard("GOAWAY")
        play.never_heard("RST_STREAM")
        play.usable()


# --- CONTINUATION ------------------------------------------------------------------------------

#: What each frame carries, and which one is too many: the 65th, or whatever takes the block beyond
#: twice the list that it may hold.
PIECES = {"empty": (b"", 65), "one octet": (b"\x00", 65), "full": (bytes(16_384), 9)}


@pytest.mark.parametrize(("piece", "last"), PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("where", ["head", "trailers", "closed stream", "promise"])
def test_a_field_block_without_an_end_is_cut(
    scene: Stage, where: str, piece: bytes, last: int
) -> None:
    def script(talk: Talk) -> None:
        talk.greet()
        asked = talk.hear("HEADERS")
        first = frame("HEADERS", 0, asked.stream_id)
        if where == "trailers":
            talk.headers(asked.stream_id)
        elif where == "closed stream":
            talk.rst_stream(asked.stream_id)
            talk.hear("HEADERS")
        elif where == "promise":  # our SETTINGS are not acknowledged, so it may still come
            first = frame("PUSH_PROMISE", 0, asked.stream_id, struct.pack(">I", 2))
        talk.raw(first)
        for _ in range(1000):
            talk.raw(frame("CONTINUATION", 0, asked.stream_id, piece))

    says = rf"field block of \d+ octets in {last} CONTINUATION frames; .* 131072 and 64"
    with bounded(USUAL), scene(script) as play:
        key = play.client.request("GET", "/")
        if where == "closed stream":
            with pytest.raises(StreamResetError):
                play.client.get_response(key)
            play.fails(ProtocolError, says, CALM)
        else:
            play.fails(ProtocolError, says, CALM, lambda: play.client.get_response(key).read())
        assert play.goaway(CALM).last_stream_id in (0, 2)
        play.renewed()


def test_a_block_of_64_continuations_is_fine(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        block = talk.block([*OK, ("x-long", "y" * 100)])
        talk.frame("HEADERS", 0, asked.stream_id)
        for at in range(63):
            talk.continuation(asked.stream_id, block[at : at + 1], end_headers=False)
        talk.continuation(asked.stream_id, block[63:])
        talk.data(asked.stream_id, b"fine", end=True)
        talk.serve()

    passes(scene, script)


def test_the_65th_continuation_is_one_too_many(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.frame("HEADERS", 0, asked.stream_id)
        for _ in range(64):
            talk.continuation(asked.stream_id, b"", end_headers=False)
        talk.continuation(asked.stream_id, talk.block(OK))

    ends(scene, script, "65 CONTINUATION frames")


# --- HPACK bombs -------------------------------------------------------------------------------


#: Whose header compression reads the blocks.
HPACKS = pytest.mark.parametrize(
    "hpack_of", ["python", pytest.param("nghttp2", marks=NEEDS_NGHTTP2)]
)


def literal(name: bytes, value: bytes, first: int = 0x00) -> bytes:
    """A literal field with a new name, both under 127 octets, without Huffman code."""
    return bytes([first, len(name)]) + name + bytes([len(value)]) + value


def string(octets: bytes, huffman: bool) -> bytes:
    """A string literal of any length; ``octets`` as they stand, coded or not."""
    length = bytearray(hpack.hpack.encode_integer(len(octets), 7))
    length[0] |= 0x80 if huffman else 0
    return bytes(length) + octets


STATUS_200 = b"\x88"
#: One entry that fills the table, and then references to it, an octet each.
REFERENCES = STATUS_200 + b"\x40" + string(b"x", False) + string(b"y" * 4000, False)
BOMBS = {
    "references": REFERENCES + b"\xbe" * 12_000,
    "references, fewer than may be": REFERENCES + b"\xbe" * 500,  # 2 MB by themselves
    "static references": STATUS_200 + b"\x90" * 2000,
    "tiny fields": STATUS_200 + literal(b"a", b"") * 1001,
    "fields without a name": STATUS_200 + literal(b"", b"") * 1001,
    "tiny indexed fields": STATUS_200 + literal(b"a", b"", 0x40) * 1001,
    "cookie crumbs": STATUS_200 + (b"\x0f\x11\x00") * 1001,
    "one long value": STATUS_200 + b"\x00" + string(b"x", False) + string(b"y" * 65_536, False),
    "a long Huffman code": STATUS_200
    + b"\x00"
    + string(b"x", False)
    + string(b"\x00" * 65_600, True),  # "0" eight times for every five octets
}


def blocks(stream_id: int, block: bytes, flags: int) -> bytes:
    """HEADERS and CONTINUATION for a block of any size."""
    first, rest = block[:16_384], block[16_384:]
    said = frame("HEADERS", (flags & ~END_HEADERS) if rest else flags, stream_id, first)
    while rest:
        piece, rest = rest[:16_384], rest[16_384:]
        said += frame("CONTINUATION", 0 if rest else END_HEADERS, stream_id, piece)
    return said


@HPACKS
@pytest.mark.parametrize("where", ["head", "trailers", "interim", "closed stream"])
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_list_that_swells_is_stopped_on_the_way(
    scene: Stage, bomb: bytes, where: str, hpack_of: str
) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        block = bomb
        if where == "trailers":
            talk.frame("HEADERS", END_HEADERS, asked.stream_id, STATUS_200)
            block = bomb.removeprefix(STATUS_200)
        elif where == "interim":
            talk.frame("HEADERS", END_HEADERS, asked.stream_id, literal(b":status", b"103"))
            block = literal(b":status", b"103") + bomb.removeprefix(STATUS_200)
        elif where == "closed stream":
            talk.rst_stream(asked.stream_id)
            talk.hear_request()
        talk.raw(blocks(asked.stream_id, block, END_BOTH))

    with bounded(USUAL), scene(script, hpack=hpack_of) as play:
        key = play.client.request("GET", "/")
        if where == "closed stream":
            with pytest.raises(StreamResetError):
                play.client.get_response(key)
            ask: Callable[[], object] = play.ask
        else:

            def ask() -> object:
                return play.client.get_response(key).read()

        play.fails(HPACKDecodingError, "65536 octets or 1000 fields.*RFC 9113 §10.5.1", CALM, ask)
        play.goaway(CALM)
        play.renewed()


def test_a_list_of_exactly_the_limits_is_fine(scene: Stage) -> None:
    """1000 fields, and then 64 KiB counted with 32 octets a field."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        block = STATUS_200 + literal(b"a", b"") * 999
        talk.frame("HEADERS", END_HEADERS, asked.stream_id, block)
        talk.data(asked.stream_id, b"fine", end=True)
        asked = talk.hear_request()
        left = 65_536 - (7 + 3 + 32) - (1 + 32)
        block = STATUS_200 + b"\x00" + string(b"x", False) + string(b"y" * left, False)
        talk.raw(blocks(asked.stream_id, block, END_HEADERS))
        talk.data(asked.stream_id, b"as well", end=True)
        talk.serve()

    with scene(script) as play:
        assert play.ask() == (200, b"fine")
        assert play.ask() == (200, b"as well")
        play.usable()


# --- HPACK that is none ------------------------------------------------------------------------


def value(coded: bytes) -> bytes:
    return STATUS_200 + b"\x00" + string(b"x", False) + string(coded, True)


NOT_HPACK = {
    # "0" is 00000, "a" 00011, EOS thirty ones.
    "EOS": value(b"\xff\xff\xff\xff"),
    "EOS after text": value(b"\x1f\xff\xff\xff\xff"),
    # Whoever goes on behind it makes a longer and longer code of it.
    "EOS over and over": value(b"\xff" * 4000),
    "padding of 8 bits": value(b"\x1f\xff"),
    "padding of 15 bits": value(b"\x07\xff\xff"),
    "padding of zeros": value(b"\x18"),
    "padding of mixed bits": value(b"\x1d"),
    "integer of 6 octets": STATUS_200 + b"\xff\x80\x80\x80\x80\x00",
    "integer of 6 octets, with a value": STATUS_200 + b"\xff\xff\xff\xff\xff\x01",
    "integer of 7 octets, with leading zeros": STATUS_200
    + b"\x00\x7f\x80\x80\x80\x80\x80\x00"
    + b"x" * 127
    + b"\x01y",
    "integer without an end": STATUS_200 + b"\x00\x7f" + b"\xff" * 10_000,
    "integer of zeros": STATUS_200 + b"\x00\x7f" + b"\x80" * 10_000 + b"\x00",
    "index 0": STATUS_200 + b"\x80",
    "index beyond the tables": STATUS_200 + b"\xbe",
    "name index beyond the tables": STATUS_200 + b"\x0f\x2f\x00",
    "string beyond the block": STATUS_200 + b"\x00\x7e" + b"x" * 10,
    "field without a value": STATUS_200 + b"\x40\x01x",
    "table size above 4096": b"\x3f\xe2\x1f" + STATUS_200,
    "table size far above": b"\x3f\xff\xff\xff\x7f" + STATUS_200,
    "table size after a field": STATUS_200 + b"\x20",
    "three table sizes": b"\x20\x3f\xe1\x1f\x20" + STATUS_200,
    "table sizes by the thousand": b"\x20" * 10_000 + STATUS_200,
}


@HPACKS
@pytest.mark.parametrize("block", NOT_HPACK.values(), ids=NOT_HPACK)
def test_what_is_no_hpack_ends_the_connection(scene: Stage, block: bytes, hpack_of: str) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.frame("HEADERS", END_BOTH, asked.stream_id, block)

    with bounded(USUAL), scene(script, hpack=hpack_of) as play:
        code = ErrorCode.COMPRESSION_ERROR
        play.fails(HPACKDecodingError, r"RFC 7541.*RFC 9113 §4\.3", code)
        play.goaway(code)
        play.renewed()


ODD_HPACK = {
    "an integer longer than need be": b"\x3f\xe1\x9f\x80\x00" + STATUS_200,
    "a Huffman code with seven bits of padding": STATUS_200
    + b"\x00"
    + string(b"x", False)
    + string(b"\xfe\x7f", True),
    "an empty Huffman code": STATUS_200 + b"\x00" + string(b"x", False) + b"\x80",
    "two table sizes": b"\x20\x3f\xe1\x1f" + STATUS_200,
    "never indexed": STATUS_200 + literal(b"x", b"y", 0x10),
    "an entry larger than the table": STATUS_200
    + b"\x40"
    + string(b"x", False)
    + string(b"y" * 5000, False),
    "an indexed name": STATUS_200 + b"\x5f\x03abc",  # content-type
}


@HPACKS
@pytest.mark.parametrize("block", ODD_HPACK.values(), ids=ODD_HPACK)
def test_odd_hpack_is_understood(scene: Stage, block: bytes, hpack_of: str) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.frame("HEADERS", END_HEADERS, asked.stream_id, block)
        talk.data(asked.stream_id, b"fine", end=True)
        # The table may have been changed behind the encoder's back.
        talk.encoder = hpack.Encoder()
        talk.encoder.header_table_size = 0
        talk.serve()

    with scene(script, hpack=hpack_of) as play:
        assert play.ask() == (200, b"fine")
        play.usable()


def test_the_longest_huffman_code_is_decoded(scene: Stage) -> None:
    """All of 64 KiB; the cost is linear."""
    text = (b"0123456789abcdef~{}" * 4000)[: 65_536 - 42 - 33]

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [*OK, ("x", text.decode())], fragments=5)
        talk.data(asked.stream_id, b"fine", end=True)
        talk.serve()

    with scene(script) as play:
        key = play.client.request("GET", "/")
        response = play.client.get_response(key)
        assert response.headers[b"x"] == [text]
        assert response.read() == b"fine"
        play.usable()


# --- the peer resizes our encoder ---------------------------------------------------------------


class Spy(hpack.Decoder):
    """Keeps the field blocks that it decodes."""

    def __init__(self) -> None:
        super().__init__(max_header_list_size=1 << 24)
        self.blocks: list[bytes] = []

    def decode(self, data: bytes, raw: bool = False) -> Iterable[hpack.HeaderTuple]:
        self.blocks.append(bytes(data))
        decoded: Iterable[hpack.HeaderTuple] = super().decode(data, raw)
        return decoded


@pytest.mark.parametrize(
    ("sizes", "update"),
    [
        ([0], b"\x20"),
        ([0, 4096], b"\x20\x3f\xe1\x1f"),
        ([4096, 0], b"\x20"),
        ([100, 0, 200], b"\x20\x3f\xa9\x01"),
        ([4096], b""),
        ([2**32 - 1], b""),
        ([0, 2**32 - 1], b"\x20\x3f\xe1\x1f"),
    ],
    ids=str,
)
def test_our_encoder_follows_every_size_and_never_goes_above_4096(
    scene: Stage, sizes: list[int], update: bytes
) -> None:
    """RFC 7541 §4.2: the smallest size in between is announced first, all in one SETTINGS."""
    spy = Spy()

    def script(talk: Talk) -> None:
        talk.decoder = spy
        talk.greet()
        first = talk.hear_request()
        talk.settings(*((1, size) for size in sizes))
        talk.hear("SETTINGS", ack=True)
        talk.answer(first.stream_id, b"first")
        talk.serve()

    with scene(script) as play:
        headers = {"x-again": "and again"}
        assert play.ask(headers=headers) == (200, b"first")
        for _ in range(3):
            assert play.ask("/usable", headers=headers) == (200, b"connection 1")
        assert spy.blocks[1].startswith(update)
        assert update or not 0x20 <= spy.blocks[1][0] < 0x40
        assert not any(0x20 <= block[0] < 0x40 for block in spy.blocks[2:])
        assert spy.header_table_size <= 4096
        play.usable()


def test_our_encoder_is_resized_a_thousand_times(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        for _ in range(500):
            talk.settings(header_table_size=0)
            talk.settings(header_table_size=4096)
            talk.hear("SETTINGS", ack=True)
            talk.hear("SETTINGS", ack=True)
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    passes(scene, script)


# --- questions that want answers ----------------------------------------------------------------

PING = frame("PING", 0, 0, b"pingping")
SETTINGS_FRAME = frame("SETTINGS")
QUESTIONS = {"PING": PING, "SETTINGS": SETTINGS_FRAME}


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("receive_buffer", [0, 4096], ids=["roomy", "narrow"])
def test_questions_of_a_server_that_never_reads_are_bounded(
    scene: Stage, name: str, receive_buffer: int
) -> None:
    """The queue of answers ends at 1000; nobody waits to write them."""

    def script(talk: Talk) -> None:
        talk.hear_request()
        some = QUESTIONS[name] * 1000
        for _ in range(1000):
            talk.raw(some)
        talk.deaf()

    with bounded(USUAL), scene(script, receive_buffer=receive_buffer) as play:
        play.fails(ProtocolError, f"sends {name} and does not read the answers; 1000 wait", CALM)
        play.renewed()


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_of_a_server_that_reads_are_all_answered(scene: Stage, name: str) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        for _ in range(3):
            talk.raw(QUESTIONS[name] * 900)
            for _ in range(900):
                talk.hear(name, ack=True)
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    passes(scene, script)


def test_a_thousand_questions_in_one_breath_are_answered(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.raw(PING * 999)
        for _ in range(999):
            assert talk.hear("PING", ack=True).opaque == b"pingping"
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    passes(scene, script)


def test_settings_of_2700_entries_are_refused(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        talk.hear_request()
        talk.frame("SETTINGS", 0, 0, struct.pack(">HI", 4, 65_535) * 2700)

    ends(scene, script, "SETTINGS with 2700 entries; the limit is 100")


def test_settings_of_100_entries_are_fine_and_of_101_are_not(scene: Stage) -> None:
    def script(talk: Talk, count: int = 100) -> None:
        asked = talk.hear_request()
        talk.frame("SETTINGS", 0, 0, struct.pack(">HI", 0xF000, 1) * count)
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    passes(scene, script)
    ends(scene, lambda talk: script(talk, 101), "SETTINGS with 101 entries; the limit is 100")


# --- frames of no use ---------------------------------------------------------------------------

WORD = struct.Struct(">I")
USELESS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "PRIORITY": (lambda i: frame("PRIORITY", 0, i, bytes(5)), "PRIORITY"),
    "unknown type": (lambda i: frame(0xBA, 0xFF, i, b"what?"), "unknown types"),
    "ORIGIN and other extensions": (lambda i: frame(0x0C, 0, 0), "unknown types"),
    "WINDOW_UPDATE nobody needs": (
        lambda i: frame("WINDOW_UPDATE", 0, i, WORD.pack(1)),
        "WINDOW_UPDATE frames nobody needs",
    ),
    "acknowledgement of SETTINGS": (lambda i: frame("SETTINGS", 1), "acknowledgements of SETTINGS"),
    "acknowledgement of PING": (
        lambda i: frame("PING", 1, 0, bytes(8)),
        "acknowledgements of PING",
    ),
    "GOAWAY": (lambda i: frame("GOAWAY", 0, 0, WORD.pack(2**31 - 1) + bytes(1004)), "GOAWAY"),
}


@pytest.mark.parametrize("name", USELESS)
def test_useless_frames_have_an_end(scene: Stage, name: str) -> None:
    octets, says = USELESS[name]
    at_once = 20 if name == "GOAWAY" else 250
    ends(scene, flood(octets, at_once=at_once), f"too many .*{says}.* in too short a time")


LATE: dict[str, Callable[[int], bytes]] = {
    "DATA": lambda i: frame("DATA", 0, i, b"late"),
    "DATA of nothing": lambda i: frame("DATA", 0, i),
    "DATA of padding": lambda i: frame("DATA", 8, i, padded(b"", 255)),
    "HEADERS": lambda i: frame("HEADERS", END_HEADERS, i, STATUS_200),
    "RST_STREAM": lambda i: frame("RST_STREAM", 0, i, WORD.pack(8)),
    "WINDOW_UPDATE": lambda i: frame("WINDOW_UPDATE", 0, i, WORD.pack(1)),
}


@pytest.mark.parametrize("name", LATE)
def test_frames_on_a_closed_stream_have_an_end(scene: Stage, name: str) -> None:
    def script(talk: Talk) -> None:
        first = talk.hear_request()
        talk.answer(first.stream_id, b"first")
        talk.hear_request()
        some = LATE[name](first.stream_id) * 100
        for _ in range(FLOOD // 100):
            talk.raw(some)

    with bounded(USUAL), scene(script) as play:
        assert play.ask() == (200, b"first")
        play.fails(ProtocolError, f"too many {name.split()[0]} frames on closed streams", CALM)
        play.goaway(CALM)
        play.renewed()


def test_ten_thousand_idle_streams_take_no_memory(scene: Stage) -> None:
    """PRIORITY may name any stream (RFC 9113 §6.3); nothing is kept for it."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        for at in range(0, 9000, 100):
            talk.raw(
                b"".join(
                    frame("PRIORITY", 0, 2 * each + 1, bytes(5)) for each in range(at, at + 100)
                )
            )
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    with bounded(USUAL), scene(script) as play:
        assert play.ask() == (200, b"fine")
        play.usable()


EMPTY = {
    "nothing": lambda i: frame("DATA", 0, i),
    "padding only": lambda i: frame("DATA", 8, i, padded(b"", 255)),
    "a pad length only": lambda i: frame("DATA", 8, i, padded(b"", 0)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_data_that_carries_nothing_has_an_end(scene: Stage, name: str) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        for _ in range(13):
            talk.raw(EMPTY[name](asked.stream_id) * 77)  # 1001

    ends(scene, script, "1001 DATA frames in a row carried nothing")


@pytest.mark.parametrize("name", EMPTY)
def test_a_thousand_data_frames_of_nothing_are_fine(scene: Stage, name: str) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        for piece in (b"fi", b"ne"):
            for _ in range(10):
                talk.raw(EMPTY[name](asked.stream_id) * 100)
            talk.data(asked.stream_id, piece)
        talk.data(asked.stream_id, end=True)
        talk.serve()

    passes(scene, script)


def test_three_thousand_data_frames_of_one_octet_are_a_body(scene: Stage) -> None:
    body = bytes(range(250)) * 12

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        for at in range(0, 3000, 100):
            with talk.one_read():
                for octet in body[at : at + 100]:
                    talk.data(asked.stream_id, bytes([octet]))
        talk.data(asked.stream_id, end=True)
        talk.serve()

    passes(scene, script, body)


def test_unread_small_frames_take_memory_as_their_octets_do(scene: Stage) -> None:
    """40,000 of them, kept apart, would take 2 MB and more."""
    count = 40_000
    more = threading.Event()

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        more.wait(PATIENCE)
        some = frame("DATA", 0, asked.stream_id, b"zz") * 2000
        for _ in range(count // 2000):
            talk.raw(some)
        talk.serve()

    with scene(script) as play:
        response = play.client.get_response(play.client.request("GET", "/"))
        with bounded(1_500_000):
            more.set()
            play.usable()  # all of it has arrived before that, and lies unread
        assert response.read(2 * count) == b"zz" * count
        response.close()
        play.usable()


# --- interim responses --------------------------------------------------------------------------


def interim(talk: Talk, count: int, fields: list[tuple[str, str]]) -> int:
    asked = talk.hear_request()
    for _ in range(count):
        talk.headers(asked.stream_id, [(":status", "103"), *fields])
    return asked.stream_id


@pytest.mark.parametrize(
    ("count", "size"), [(101, 0), (5000, 0), (9, 8_000)], ids=["101", "5000", "large"]
)
def test_interim_responses_have_an_end(scene: Stage, count: int, size: int) -> None:
    def script(talk: Talk) -> None:
        interim(talk, count, [("x", "y" * size)] if size else [])
        talk.serve()

    with bounded(USUAL), scene(script) as play:
        play.fails(ProtocolError, r"interim responses .*100 and 65536", CALM)
        play.heard("RST_STREAM", stream_id=1, error_code=CALM)
        play.never_heard("GOAWAY")
        play.usable()


def test_a_hundred_interim_responses_are_fine(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        stream_id = interim(talk, 100, [("link", "</style.css>; rel=preload")])
        talk.answer(stream_id, b"fine")
        talk.serve()

    passes(scene, script)


# --- GOAWAY -------------------------------------------------------------------------------------


def test_debug_data_is_bounded_and_escaped(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        talk.hear_request()
        talk.goaway(1, ErrorCode.INTERNAL_ERROR, b"\x1b[2J\r\n\0'\"" + b"x" * 16_000)
        talk.fin()

    with bounded(USUAL), scene(script) as play:
        error = play.fails(ConnectionError, "INTERNAL_ERROR", ErrorCode.INTERNAL_ERROR)
        message = str(error)
        assert r"\x1b[2J\r\n\x00" in message
        assert message.isprintable()
        assert message.count("x" * 100) < 11
        assert len(message) < 1024 + 300
        play.renewed()


# --- flow control -------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [None, 0, 255], ids=["plain", "pad length", "padding"])
def test_data_beyond_a_streams_window_is_refused(scene: Stage, padding: int | None) -> None:
    """Padding counts as well (§6.9.1)."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        piece = frame("DATA", 0, asked.stream_id, bytes(16_384))
        for _ in range(limits.STREAM_WINDOW // 16_384):
            talk.raw(piece)
        talk.data(asked.stream_id, b"!" if padding is None else b"", padding=padding)
        talk.serve()

    with bounded(USUAL + 2 * limits.STREAM_WINDOW), scene(script) as play:
        key = play.client.request("GET", "/")
        response = play.client.get_response(key)
        play.usable()
        with pytest.raises(ProtocolError, match=r"§6\.9\.1") as caught:
            response.read()
        assert caught.value.error_code == ErrorCode.FLOW_CONTROL_ERROR
        assert len(caught.value.partial) <= limits.STREAM_WINDOW
        play.heard("RST_STREAM", stream_id=1, error_code=ErrorCode.FLOW_CONTROL_ERROR)
        play.never_heard("GOAWAY")


class Miser(BaseFlowControlManager):
    """Gives nothing back."""

    def increase_window_size(self, frame_size: int) -> int:
        return 0

    def blocked(self) -> int:
        return 0


def test_data_beyond_the_connections_window_is_refused(scene: Stage) -> None:
    """Which the default manager gives back on arrival, so it takes one that does not."""
    streams = limits.CONNECTION_WINDOW // limits.STREAM_WINDOW

    def script(talk: Talk) -> None:
        for _ in range(streams + 1):
            asked = talk.hear_request()
            talk.headers(asked.stream_id)
        for stream_id in range(1, 2 * streams, 2):
            for _ in range(limits.STREAM_WINDOW // 16_384):
                talk.frame("DATA", 0, stream_id, bytes(16_384))
        talk.frame("DATA", 0, 2 * streams + 1, b"!")

    with scene(script, window_manager=Miser) as play:
        keys = [play.client.request("GET", "/") for _ in range(streams + 1)]
        response = play.client.get_response(keys[-1])
        play.fails(
            ProtocolError,
            r"connection's window.*§6\.9\.1",
            ErrorCode.FLOW_CONTROL_ERROR,
            response.read,
        )
        play.goaway(ErrorCode.FLOW_CONTROL_ERROR)
        play.renewed()


def test_a_max_frame_size_of_0_is_refused(scene: Stage) -> None:
    """An upload in its pieces of nothing would never end (CVE-2026-33814)."""

    def script(talk: Talk) -> None:
        talk.hear("HEADERS")
        talk.settings(max_frame_size=0)

    with scene(script) as play:
        play.fails(
            ProtocolError,
            r"SETTINGS_MAX_FRAME_SIZE is 0 \(RFC 9113 §6\.5\.2",
            ErrorCode.PROTOCOL_ERROR,
            lambda: play.ask(method="POST", body=bytes(1 << 20)),
        )
        play.goaway(ErrorCode.PROTOCOL_ERROR)
        play.renewed()


# --- types without a number, and what follows an error -------------------------------------------


@pytest.mark.parametrize("kind", [*range(0x0A, 0x10), 0x10, 0x7F, 0xFF], ids=hex)
def test_frames_of_unassigned_types_are_ignored(scene: Stage, kind: int) -> None:
    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id)
        for stream_id in (0, 1, 2, 3, 2**31 - 1):
            talk.frame(kind, 0xFF, stream_id)
            talk.frame(kind, 0, stream_id, bytes(16_384))
        talk.data(asked.stream_id, b"fine", end=True)
        talk.serve()

    passes(scene, script)


def test_nothing_behind_a_connection_error_is_looked_at(scene: Stage) -> None:
    """Whatever it is, and in the same read (CVE-2026-27135)."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        with talk.one_read():
            talk.frame("PING", 0, 1, bytes(8))
            talk.frame("PING", 0, 0, bytes(8))
            talk.answer(asked.stream_id, b"too late")
            for kind in TYPES.values():
                talk.frame(kind, 0xFF, 7, b"\xff" * 13)
            talk.raw(b"\xff" * 1000)

    with scene(script) as play:
        play.fails(ProtocolError, r"PING on stream 1 \(RFC 9113 §6\.7\)", ErrorCode.PROTOCOL_ERROR)
        play.goaway(ErrorCode.PROTOCOL_ERROR)
        play.never_heard("PING")
        play.renewed()


def test_a_connection_that_overflowed_its_window_is_freed(scene: Stage) -> None:
    """CVE-2026-21714: the client goes on, and must not keep the dead connection."""

    def script(talk: Talk) -> None:
        talk.hear_request()
        talk.window_update(0, 2**31 - 1)

    with scene(script) as play:
        play.client.request("GET", "/")
        dead = weakref.ref(play.client._pump)
        play.fails(
            ProtocolError,
            r"2147483647.*§6\.9\.1",
            ErrorCode.FLOW_CONTROL_ERROR,
            play.client.get_response,
        )
        play.goaway(ErrorCode.FLOW_CONTROL_ERROR)
        play.renewed()
        gc.collect()
        assert dead() is None


# --- resets -------------------------------------------------------------------------------------

Answer = Callable[[Talk, int], object]
RESETS: dict[str, Answer] = {
    "RST_STREAM": lambda talk, i: talk.rst_stream(i),
    "WINDOW_UPDATE by 0": lambda talk, i: talk.frame("WINDOW_UPDATE", 0, i, bytes(4)),
    "malformed": lambda talk, i: talk.headers(i, [(":status", "200"), ("connection", "close")]),
    "DATA before HEADERS": lambda talk, i: talk.data(i, b"early"),
}


@pytest.mark.parametrize("name", RESETS)
def test_a_server_that_breaks_every_answer_is_left_after_a_thousand(
    scene: Stage, name: str
) -> None:
    """Errors that we answer by RST_STREAM count as those it sends (CVE-2025-8671)."""

    def script(talk: Talk) -> None:
        while True:
            RESETS[name](talk, talk.hear_request().stream_id)

    def ask_until_it_ends(play: Scene) -> int:
        for count in range(100):
            with play.client.together():
                keys = [play.client.request("GET", "/") for _ in range(50)]
            for at, key in enumerate(keys):
                with pytest.raises((ProtocolError, StreamResetError)) as caught:
                    play.client.get_response(key)
                if caught.value.error_code == CALM:
                    assert "in too short a time" in str(caught.value)
                    return 50 * count + at
        pytest.fail("5000 errors, and the connection is still used")

    with scene(script, timeout=30) as play:
        survived = ask_until_it_ends(play)
        assert limits.RESET_BURST - 50 <= survived <= limits.RESET_BURST + 3000
        play.goaway(CALM)
        play.renewed()


def promise(talk: Talk, stream_id: int, promised: int) -> bytes:
    fields = [(":method", "GET"), (":scheme", "https"), (":authority", talk.server.address)]
    block = talk.block([*fields, (":path", f"/{promised}")])
    return frame("PUSH_PROMISE", END_HEADERS, stream_id, WORD.pack(promised) + block)


@pytest.mark.parametrize("enable_push", [False, True], ids=["unwanted", "wanted"])
def test_promises_have_an_end(scene: Stage, enable_push: bool) -> None:
    """Each one is refused, and an answer to all of them would be a flood of ours."""

    def script(talk: Talk) -> None:
        talk.greet()
        talk.hear("HEADERS")  # our SETTINGS are not acknowledged, so promises may still come
        for at in range(2, 8002, 100):
            talk.raw(b"".join(promise(talk, 1, each) for each in range(at, at + 100, 2)))

    with bounded(USUAL), scene(script, enable_push=enable_push) as play:
        play.fails(ProtocolError, "too many errors in too short a time.*not taken", CALM)
        play.goaway(CALM)
        assert play.talks[0].counts["RST_STREAM"] <= limits.RESET_BURST + 3000
        play.renewed()


def test_a_thousand_promises_are_refused_and_the_response_arrives(scene: Stage) -> None:
    def script(talk: Talk) -> None:
        talk.greet()
        asked = talk.hear("HEADERS")
        for promised in range(2, 2002, 2):
            talk.raw(promise(talk, asked.stream_id, promised))
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    with bounded(USUAL), scene(script) as play:
        assert play.ask() == (200, b"fine")
        play.heard("RST_STREAM", stream_id=2000, error_code=ErrorCode.REFUSED_STREAM)
        play.usable()


def test_a_program_may_take_more_than_we_do(scene: Stage) -> None:
    """A head of 200,000 octets is over any default, and one server's."""
    block = STATUS_200 + b"\x00" + string(b"x", False) + string(b"y" * 200_000, False)

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.raw(blocks(asked.stream_id, block, END_HEADERS))
        talk.data(asked.stream_id, b"fine", end=True)
        talk.serve()

    with scene(script, limits=limits.Limits(max_header_list_size=1 << 18)) as play:
        assert play.ask() == (200, b"fine")
        play.heard("SETTINGS", ack=False, settings={2: 0, 4: limits.STREAM_WINDOW, 6: 1 << 18})
        play.usable()


def test_we_do_not_open_and_cancel_without_end(scene: Stage) -> None:
    """A client is who resets rapidly (CVE-2023-44487), and servers count: at 1000 they hang up."""

    def script(talk: Talk) -> None:
        while True:
            talk.hear_request()

    with scene(script, then=script) as play:
        kept = play.client.request("GET", "/kept")
        # One that still waits for its turn is not sent at all, and does not count; and all of them
        # wait until the server has been heard.
        patience = time.monotonic() + 30
        while play.connections < 3 and time.monotonic() < patience:
            key = play.client.request("GET", "/cancelled")
            play.client._unclaimed.pop(key).close()
        assert play.connections == 3
        resets = [talk.counts["RST_STREAM"] for talk in play.talks]
        assert max(resets) <= limits.CANCEL_BURST + 500, resets
        # The connection that was left goes on for what is open on it.
        play.talks[0].answer(kept, b"fine")
        assert play.client.get_response(kept).read() == b"fine"
        play.never_heard("GOAWAY", error_code=CALM)
