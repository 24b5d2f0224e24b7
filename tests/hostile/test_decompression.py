"""Content codings from servers that mean harm, through the faces (the catalogue's 3.10).

The native responses decode, over either version. urllib3's and httpx's own code decodes what our
doors to them hand over, and requests' through urllib3; ``hyper.client`` hands bodies over as they
come, as ``http.client`` does. So the native door is held to every line here, and the others to
what is theirs: nothing is lost, added or kept on the way to the decoder.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import httpx
import pytest
import urllib3

import hyper.client
from hyper import HTTP11Connection, HTTP20Connection
from hyper.common.coding import BLOCK_SIZE, MAX_BARREN_SIZE, MAX_CODINGS, MAX_EMPTY_MEMBERS
from hyper.common.exceptions import ContentDecodingError
from hyper.contrib.httpx import HTTP2Transport
from hyper.contrib.urllib3 import PoolManager
from hyper.sync.response import DECODE_SIZE

from ..certificates import Certificates
from .doors import Requests
from .peer import PATIENCE, Client, Script, Stage, Talk, bounded

# The first has no types, and the second is in the standard library since 3.14.
brotli: Any = pytest.importorskip("brotli")
zstd: Any = pytest.importorskip("backports.zstd")

VERSIONS = pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
Kind = type[Client]

TEXT = b"The quick brown fox jumps over the lazy dog. " * 300
MEBIBYTE = 1 << 20


def bare(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "bare deflate": bare,
    "br": partial(brotli.compress, quality=9),  # the highest takes a second for a bomb
    "zstd": zstd.compress,
}
CODINGS = pytest.mark.parametrize("coding", ENCODERS)


def named(coding: str) -> str:
    """As content-encoding names it."""
    return coding.removeprefix("bare ")


@cache
def bomb(coding: str) -> bytes:
    """32 MiB of zeros in few octets."""
    return ENCODERS[coding](bytes(32 * MEBIBYTE))


def coded(body: bytes, *codings: str, status: str = "200", length: bool = True) -> Script:
    """Answer the first request with ``body``, a field for each of ``codings``; be polite later."""

    def script(talk: Talk) -> None:
        fields = [("content-encoding", each) for each in codings]
        if length:
            fields.append(("content-length", str(len(body))))
        if talk.http1:
            request = talk.hear_http1()
            lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
            talk.say_http1(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode())
            if request.method != "HEAD":
                talk.say_http1(body)
        else:
            asked = talk.hear_request()
            head = dict(asked.headers or ())
            without = head[":method"] == "HEAD" or not body
            talk.headers(asked.stream_id, [(":status", status), *fields], end=without)
            for at in range(0, 0 if without else len(body), 16_384):
                piece = body[at : at + 16_384]
                talk.data(asked.stream_id, piece, end=at + len(piece) == len(body))
        talk.serve()

    return script


def response_of(play: Any) -> Any:
    play.client.request("GET", "/")
    return play.client.get_response()


# Bombs.


@VERSIONS
@CODINGS
def test_never_more_is_produced_than_was_asked_for(scene: Stage, kind: Kind, coding: str) -> None:
    """CVE-2025-66471, CVE-2026-21441: httpx made 1.5 GB for a read of 64 KiB."""
    octets = bomb(coding)
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        with bounded(2 * MEBIBYTE + 6 * len(octets)):
            response = response_of(play)
            for size in (65_536, 1, 100, 65_536):
                assert response.read(size) == bytes(size)
            assert response.readinto(bytearray(1000)) == 1000
            # What is left is dropped as it stands, and never unpacked.
            response.close()
        assert play.ask("/after")[0] == 200


@VERSIONS
@CODINGS
def test_pieces_of_a_bomb_are_bounded(scene: Stage, kind: Kind, coding: str) -> None:
    octets = bomb(coding)
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        with bounded(2 * MEBIBYTE + 6 * len(octets)):
            size = 0
            for piece in response_of(play):
                assert 0 < len(piece) <= DECODE_SIZE
                assert piece.count(0) == len(piece)
                size += len(piece)
        assert size == 32 * MEBIBYTE
        play.usable()


@VERSIONS
@pytest.mark.parametrize(
    ("inner", "outer"), [("gzip", "gzip"), ("br", "gzip"), ("gzip", "br"), ("zstd", "zstd"),
                         ("gzip", "zstd"), ("deflate", "bare deflate")]
)  # fmt: skip
def test_bombs_within_bombs_are_bounded_in_each_coding(
    scene: Stage, kind: Kind, inner: str, outer: str
) -> None:
    """CVE-2025-66418: a second coding multiplies the first."""
    octets = ENCODERS[outer](bomb(inner))
    script = coded(octets, named(inner), named(outer))
    with scene(script, kind=kind, http1=kind is HTTP11Connection) as play:
        with bounded(MEBIBYTE + 2 * BLOCK_SIZE + 6 * len(octets)):
            response = response_of(play)
            assert response.read(65_536) == bytes(65_536)
            assert next(iter(response)).count(0) > 0
            response.close()
        assert play.ask("/after")[0] == 200


@VERSIONS
@pytest.mark.parametrize("outer", ["gzip", "deflate", "br", "zstd"])
def test_what_one_coding_hands_to_the_next_is_bounded(scene: Stage, kind: Kind, outer: str) -> None:
    """The inner coding saves nothing here, so that it is the outer one that swells."""
    stored = gzip.compress(bytes(32 * MEBIBYTE), compresslevel=0)
    octets = ENCODERS[outer](stored)
    del stored
    with scene(coded(octets, "gzip", outer), kind=kind, http1=kind is HTTP11Connection) as play:
        with bounded(MEBIBYTE + 2 * BLOCK_SIZE + 6 * len(octets)):
            response = response_of(play)
            assert response.read(100_000) == bytes(100_000)
            response.close()
        assert play.ask("/after")[0] == 200


@VERSIONS
@pytest.mark.parametrize("outer", ["gzip", "zstd"])
def test_a_chain_that_comes_to_nothing_is_given_up(scene: Stage, kind: Kind, outer: str) -> None:
    """No output at which a caller could stop: megabytes of empty blocks, out of some kilobytes."""
    block = b"\0\0\0\xff\xff"  # stored, of no octets, and not the last one (RFC 1951 §3.2.4)
    nothing = b"\x78\x9c" + block * (MAX_BARREN_SIZE // len(block) + BLOCK_SIZE)
    octets = ENCODERS[outer](nothing)
    assert len(octets) < MEBIBYTE
    with scene(coded(octets, "deflate", outer), kind=kind, http1=kind is HTTP11Connection) as play:
        play.fails(ContentDecodingError, r"\d octets between two codings .* came to nothing")
        assert play.ask("/after")[0] == 200


@VERSIONS
def test_a_chain_of_empty_members_is_given_up(scene: Stage, kind: Kind) -> None:
    octets = gzip.compress(gzip.compress(b"") * (2 * MAX_EMPTY_MEMBERS))
    with scene(coded(octets, "gzip", "gzip"), kind=kind, http1=kind is HTTP11Connection) as play:
        play.fails(ContentDecodingError, f"{MAX_EMPTY_MEMBERS + 1} empty gzip members")
        assert play.ask("/after")[0] == 200


@VERSIONS
@pytest.mark.parametrize("more", [0, 1])
def test_empty_members_are_counted(scene: Stage, kind: Kind, more: int) -> None:
    octets = gzip.compress(b"") * (MAX_EMPTY_MEMBERS - 1 + 2 * more) + gzip.compress(b"end")
    with scene(coded(octets, "gzip"), kind=kind, http1=kind is HTTP11Connection) as play:
        if more:
            play.fails(ContentDecodingError, f"{MAX_EMPTY_MEMBERS + 1} empty gzip members")
        else:
            assert play.ask() == (200, b"end")
        assert play.ask("/after")[0] == 200


@VERSIONS
@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("together", [True, False], ids=["one field", "many fields"])
def test_codings_are_counted_over_all_fields(
    scene: Stage, kind: Kind, more: int, together: bool
) -> None:
    """CVE-2022-32206; curl counts to five as well."""
    count = MAX_CODINGS + more
    octets = TEXT
    for _ in range(count):
        octets = gzip.compress(octets)
    codings = [", ".join(["gzip"] * count)] if together else ["gzip"] * count
    with scene(coded(octets, *codings), kind=kind, http1=kind is HTTP11Connection) as play:
        if more:
            says = f"{count} content codings; at most {MAX_CODINGS}"
            play.fails(ContentDecodingError, says)
            play.client.request("GET", "/raw")
            response = play.client.get_response()
            assert response.read(decode_content=False).startswith(b"connection")
        else:
            assert play.ask() == (200, TEXT)
            play.usable()


@VERSIONS
def test_a_window_of_zstd_above_8_mib_is_refused(scene: Stage, kind: Kind) -> None:
    """RFC 9659 §3."""
    for log, fine in ((23, True), (24, False), (27, False)):
        options = {zstd.CompressionParameter.window_log: log}
        # A stream without its size, so that the window is what the header says.
        squeezer = zstd.ZstdCompressor(options=options)
        octets = squeezer.compress(TEXT) + squeezer.flush()
        with scene(coded(octets, "zstd"), kind=kind, http1=kind is HTTP11Connection) as play:
            if fine:
                assert play.ask() == (200, TEXT)
            else:
                play.fails(ContentDecodingError, "zstd")
            assert play.ask("/after")[0] == 200


# What is cut short, and what is none.


# Over HTTP/1.1 a response without a length ends with the connection.
@pytest.mark.parametrize(
    ("kind", "length"),
    [(HTTP20Connection, True), (HTTP20Connection, False), (HTTP11Connection, True)],
)
@CODINGS
def test_a_stream_that_stops_short_within_a_whole_response_is_an_error_that_stays(
    scene: Stage, kind: Kind, coding: str, length: bool
) -> None:
    """Nobody else raises: what looks like a whole response is half of one."""
    whole = ENCODERS[coding](TEXT)
    octets = whole[: len(whole) - 9]
    script = coded(octets, named(coding), length=length)
    with scene(script, kind=kind, http1=kind is HTTP11Connection) as play:
        response = response_of(play)
        partials = set()
        for _ in range(3):
            cut = play.fails(ContentDecodingError, "stops short", ask=response.read)
            assert TEXT.startswith(cut.partial)
            partials.add(cut.partial)
        assert len(partials) == 1
        play.usable()


@VERSIONS
@pytest.mark.parametrize("cut", ["outer", "inner"])
def test_either_coding_of_a_chain_may_stop_short(scene: Stage, kind: Kind, cut: str) -> None:
    inner = gzip.compress(TEXT)
    octets = brotli.compress(inner[:-9] if cut == "inner" else inner)
    octets = octets[:-2] if cut == "outer" else octets
    with scene(coded(octets, "gzip", "br"), kind=kind, http1=kind is HTTP11Connection) as play:
        play.fails(ContentDecodingError, "stops short")
        play.usable()


@VERSIONS
@CODINGS
def test_read_by_pieces_the_end_that_is_missing_is_an_error_as_well(
    scene: Stage, kind: Kind, coding: str
) -> None:
    octets = ENCODERS[coding](TEXT)[:-9]
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        response = response_of(play)
        got = b""

        def to_the_end() -> None:
            nonlocal got
            while piece := response.read(1000):
                got += piece

        play.fails(ContentDecodingError, "stops short", ask=to_the_end)
        play.fails(ContentDecodingError, "stops short", ask=to_the_end)
        assert TEXT.startswith(got)
        play.usable()


@VERSIONS
@CODINGS
def test_octets_that_are_no_such_coding_are_an_error(scene: Stage, kind: Kind, coding: str) -> None:
    octets = b"\xff\xff this is nothing of the kind" * 3
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        play.fails(ContentDecodingError, f"not the {named(coding).removeprefix('x-')}")
        play.usable()


@VERSIONS
def test_a_check_sum_that_is_wrong_is_an_error(scene: Stage, kind: Kind) -> None:
    octets = bytearray(gzip.compress(TEXT))
    octets[-6] ^= 1
    with scene(coded(bytes(octets), "gzip"), kind=kind, http1=kind is HTTP11Connection) as play:
        play.fails(ContentDecodingError, "gzip")
        play.usable()


# Odd, and legal.


@VERSIONS
@CODINGS
def test_every_coding_is_taken_off(scene: Stage, kind: Kind, coding: str) -> None:
    octets = ENCODERS[coding](TEXT)
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        assert play.ask() == (200, TEXT)
        play.usable()


@VERSIONS
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_and_frames_are_one_body(scene: Stage, kind: Kind, coding: str) -> None:
    """RFC 1952 §2.2, RFC 8878 §3: one behind the other, the empty ones too."""
    squeeze = ENCODERS[coding]
    octets = squeeze(TEXT) + squeeze(b"") + squeeze(b"more") + squeeze(TEXT)
    with scene(coded(octets, coding), kind=kind, http1=kind is HTTP11Connection) as play:
        assert play.ask() == (200, TEXT + b"more" + TEXT)
        play.usable()


@VERSIONS
@CODINGS
def test_what_stands_behind_a_coded_stream(scene: Stage, kind: Kind, coding: str) -> None:
    """Padding, where others put up with it; an error where nothing may stand; never the body's."""
    octets = ENCODERS[coding](TEXT) + b"\0\0\0\0 and more"
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        if coding == "br":
            play.fails(ContentDecodingError, "br")
        elif coding == "zstd":
            play.fails(ContentDecodingError, "zstd")
        else:
            assert play.ask() == (200, TEXT)
        play.usable()


@CODINGS
def test_what_comes_when_a_coded_stream_has_ended_already(scene: Stage, coding: str) -> None:
    """The same, where the end is known before the rest has come: in a frame of its own."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        talk.headers(asked.stream_id, [(":status", "200"), ("content-encoding", named(coding))])
        talk.data(asked.stream_id, ENCODERS[coding](TEXT))
        talk.data(asked.stream_id, b"\0\0\0\0 and more", end=True)
        talk.serve()

    with scene(script) as play:
        if coding in ("br", "zstd"):
            play.fails(ContentDecodingError, coding)
        else:
            assert play.ask() == (200, TEXT)
        play.usable()


@VERSIONS
@CODINGS
def test_whatever_is_asked_for_at_a_time_it_is_the_same_body(
    scene: Stage, kind: Kind, coding: str
) -> None:
    """What one read leaves in a decoder is there for the next one."""
    octets = ENCODERS[coding](TEXT)
    sizes = [1, 2, 3, 500, 4096, 7, 65_536]
    with scene(coded(octets, named(coding)), kind=kind, http1=kind is HTTP11Connection) as play:
        response = response_of(play)
        got = b""
        while piece := response.read(sizes[len(got) % len(sizes)]):
            got += piece
        assert got == TEXT
        assert response.read() == b""


@VERSIONS
@pytest.mark.parametrize("value", ["GZIP", "identity, gzip", " gzip ,", "gzip,identity", "X-GZip"])
def test_names_of_codings_in_any_case_and_with_neighbours_that_are_none(
    scene: Stage, kind: Kind, value: str
) -> None:
    """RFC 9110 §8.4.1, §5.6.1."""
    octets = gzip.compress(TEXT)
    script = coded(octets, value.strip())
    with scene(script, kind=kind, http1=kind is HTTP11Connection) as play:
        assert play.ask() == (200, TEXT)


@VERSIONS
@pytest.mark.parametrize("value", ["lzma", "gzip, secret", "compress"])
def test_a_coding_that_is_unknown_leaves_the_body_as_it_is(
    scene: Stage, kind: Kind, value: str
) -> None:
    octets = gzip.compress(TEXT)
    with scene(coded(octets, value), kind=kind, http1=kind is HTTP11Connection) as play:
        assert play.ask() == (200, octets)
        play.usable()


@VERSIONS
@CODINGS
@pytest.mark.parametrize(
    ("method", "status"), [("GET", "200"), ("HEAD", "200"), ("GET", "204"), ("GET", "304")]
)
def test_no_octets_are_a_whole_body_of_any_coding(
    scene: Stage, kind: Kind, coding: str, method: str, status: str
) -> None:
    script = coded(b"", named(coding), status=status)
    with scene(script, kind=kind, http1=kind is HTTP11Connection) as play:
        assert play.ask(method=method) == (int(status), b"")
        play.usable()


@VERSIONS
def test_the_coded_octets_are_there_for_who_wants_them(scene: Stage, kind: Kind) -> None:
    octets = gzip.compress(TEXT)
    with scene(coded(octets, "gzip"), kind=kind, http1=kind is HTTP11Connection) as play:
        response = response_of(play)
        assert response.read(decode_content=False) == octets
        play.usable()


# The other doors.


def test_the_drop_in_hands_bodies_over_as_they_come(
    scene: Stage, certificates: Certificates
) -> None:
    octets = bomb("gzip")
    with scene(coded(octets, "gzip")) as play, bounded(MEBIBYTE + 8 * len(octets)):
        context = hyper.client.create_default_context(cafile=str(certificates.authority))
        connection = hyper.client.HTTPSConnection(
            "localhost", play.port, timeout=PATIENCE, context=context
        )
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.version == 20
        assert response.read() == octets
        connection.close()


def handed_by_urllib3(
    scene: Stage, certificates: Certificates, coding: str, use: Callable[[Any], None]
) -> None:
    """``use`` is given a bomb, in bounded memory; the connection serves the next request."""
    octets = bomb(coding)
    with scene(coded(octets, coding)) as play, bounded(3 * MEBIBYTE + 8 * len(octets)):
        pool = PoolManager(ca_certs=str(certificates.authority), retries=False, timeout=PATIENCE)
        response = pool.request("GET", f"https://localhost:{play.port}/", preload_content=False)
        use(response)
        assert pool.request("GET", f"https://localhost:{play.port}/after").status == 200
        assert play.connections == 1
        del response  # holds its pool, and a pool that is held stays open
        pool.clear()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_urllib3_reads_a_bomb_by_pieces_in_bounded_memory(
    scene: Stage, certificates: Certificates, coding: str
) -> None:
    """urllib3 2.6 bounds what it decodes, provided that it is fed by pieces."""

    def use(response: Any) -> None:
        for size in (65_536, 1, 100):
            assert response.read(size) == bytes(size)
        response.close()

    handed_by_urllib3(scene, certificates, coding, use)


@pytest.mark.parametrize("read", [0, 1], ids=["unread", "begun"])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_urllib3_drains_is_not_unpacked(
    scene: Stage,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    coding: str,
    read: int,
) -> None:
    """CVE-2026-44432: what nobody wants is read so that its connection can be used again."""

    def use(response: Any) -> None:
        if read:
            assert response.read(read) == b"\0"
        with monkeypatch.context() as patch:
            patch.setattr(response, "_decode", lambda *_: pytest.fail("this is unpacked"))
            response.drain_conn()

    handed_by_urllib3(scene, certificates, coding, use)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_requests_reads_a_bomb_by_pieces_in_bounded_memory(
    scene: Stage, certificates: Certificates, coding: str
) -> None:
    octets = bomb(coding)
    with (
        scene(coded(octets, coding)) as play,
        bounded(3 * MEBIBYTE + 8 * len(octets)),
        Requests(play.port, certificates.authority) as caller,
    ):
        size = 0
        with caller.caller.get(caller.url, stream=True, timeout=PATIENCE) as response:
            for piece in response.iter_content(100_000):
                assert piece.count(0) == len(piece) <= 100_000
                size += len(piece)
        assert size == 32 * MEBIBYTE
        with caller.caller.get(caller.url, stream=True, timeout=PATIENCE) as response:
            assert response.status_code == 200
        del response
        assert play.connections == 1


def test_urllib3_says_so_where_a_coding_is_none(scene: Stage, certificates: Certificates) -> None:
    with scene(coded(b"nothing of the kind", "gzip")) as play:
        pool = PoolManager(ca_certs=str(certificates.authority), retries=False, timeout=PATIENCE)
        with pytest.raises(urllib3.exceptions.DecodeError):
            pool.request("GET", f"https://localhost:{play.port}/")
        assert pool.request("GET", f"https://localhost:{play.port}/after").status == 200
        pool.clear()


def test_httpx_gets_the_octets_as_they_come(scene: Stage, certificates: Certificates) -> None:
    octets = bomb("gzip")
    with scene(coded(octets, "gzip")) as play, bounded(MEBIBYTE + 10 * len(octets)):
        transport = HTTP2Transport(verify=certificates.authority)
        with (
            httpx.Client(transport=transport, timeout=PATIENCE) as client,
            client.stream("GET", f"https://localhost:{play.port}/") as response,
        ):
            got = b""
            for piece in response.iter_raw():
                assert len(piece) <= 65_536
                got += piece
        assert got == octets


def test_httpx_says_so_where_a_coding_is_none(scene: Stage, certificates: Certificates) -> None:
    with scene(coded(b"nothing of the kind", "gzip")) as play:
        transport = HTTP2Transport(verify=certificates.authority)
        with httpx.Client(transport=transport, timeout=PATIENCE) as client:
            with pytest.raises(httpx.DecodingError):
                client.get(f"https://localhost:{play.port}/")
            assert client.get(f"https://localhost:{play.port}/after").status_code == 200
