"""Content codings taken off: bounded, in any pieces, and never silently short."""

from __future__ import annotations

import gzip
import importlib
import sys
import types
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hyper.common import coding
from hyper.common.coding import MAX_CODINGS, Decoder, accept_encoding, decoder
from hyper.common.exceptions import ContentDecodingError

TEXT = b"The quick brown fox jumps over the lazy dog. " * 200


def module(*names: str) -> Any:
    """The first of these packages, or a skipped test."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    pytest.skip(f"needs {' or '.join(names)}")


def zstd() -> Any:
    return module("compression.zstd", "backports.zstd")


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate, bare": raw_deflate,
    "br": lambda data: bytes(module("brotli", "brotlicffi").compress(data)),
    "zstd": lambda data: bytes(zstd().compress(data)),
}
KINDS = pytest.mark.parametrize("kind", ENCODERS)


def name(kind: str) -> bytes:
    return kind.removesuffix(", bare").encode()


def decode(
    codings: bytes | list[bytes], data: bytes, *, piece: int = 1 << 20, limit: int = 1 << 20
) -> bytes:
    """Decode a whole body as a response does it, watching the limit on every call."""
    decoding = decoder([codings] if isinstance(codings, bytes) else codings)
    assert decoding is not None
    out = []
    for start in range(0, len(data), piece):
        out.append(decoding.decode(data[start : start + piece], limit))
        while not decoding.needs_input:
            out.append(decoding.decode(b"", limit))
        assert decoding.decode(b"", limit) == b""
    assert all(len(octets) <= limit for octets in out)
    decoding.finish()
    return b"".join(out)


@pytest.fixture
def no_memory() -> Iterator[None]:
    """Forget which packages were found, before the test and after it."""
    caches = [coding._br, coding._zstd, accept_encoding]
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


# Which codings.


@KINDS
@pytest.mark.parametrize("data", [b"", b"x", TEXT], ids=["empty", "octet", "text"])
def test_every_coding_is_taken_off(kind: str, data: bytes) -> None:
    assert decode(name(kind), ENCODERS[kind](data)) == data


@KINDS
@pytest.mark.parametrize("piece, limit", [(1, 1000), (7, 7), (1000, 1), (1 << 20, 33)])
def test_the_pieces_and_the_limit_do_not_matter(kind: str, piece: int, limit: int) -> None:
    data = ENCODERS[kind](TEXT[:2000])
    assert decode(name(kind), data, piece=piece, limit=limit) == TEXT[:2000]


@KINDS
def test_a_body_without_any_octets_is_whole(kind: str) -> None:
    decoding = decoder([name(kind)])
    assert decoding is not None
    assert decoding.needs_input
    assert decoding.decode(b"", 1) == b""
    decoding.finish()


@pytest.mark.parametrize("values", [[], [b""], [b"identity"], [b"Identity, ,identity"]])
def test_without_a_coding_there_is_nothing_to_take_off(values: list[bytes]) -> None:
    assert decoder(values) is None


@pytest.mark.parametrize("value", [b"snake-oil", b"gzip, compress", b"compress, gzip", b"*"])
def test_a_body_with_an_unknown_coding_is_left_untouched_as_a_whole(value: bytes) -> None:
    """RFC 9110 §8.4: what read() returns is then exactly what the field describes."""
    assert decoder([value]) is None


def test_codings_are_taken_off_in_reverse_over_all_fields() -> None:
    data = zlib.compress(raw_deflate(gzip.compress(TEXT)))
    assert decode([b"GZip", b"identity, deflate", b"\tdeflate "], data, piece=10) == TEXT


def test_there_is_a_limit_to_the_codings_of_one_body() -> None:
    """curl's bound; every further one multiplies what an octet may cost."""
    data = TEXT
    for _ in range(MAX_CODINGS):
        data = gzip.compress(data)
    assert decode([b"gzip, gzip", b"gzip", b"identity", b"gzip,gzip"], data) == TEXT
    with pytest.raises(ContentDecodingError, match="has 6 content codings; at most 5"):
        decoder([b"gzip"] * 6)


def test_what_can_be_taken_off_is_what_is_asked_for(no_memory: None) -> None:
    assert accept_encoding().startswith(b"gzip, deflate")
    for value in accept_encoding().split(b", "):
        assert isinstance(decoder([value]), Decoder)


@pytest.mark.usefixtures("no_memory")
class TestPackages:
    """br and zstd come from packages that may be missing."""

    def test_without_them_a_body_stays_as_it_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for package in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd"):
            monkeypatch.setitem(sys.modules, package, None)
        assert decoder([b"br"]) is None
        assert decoder([b"zstd"]) is None
        assert accept_encoding() == b"gzip, deflate"

    def test_a_brotli_that_knows_no_limit_is_not_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = types.ModuleType("brotli")
        old.Decompressor = type("Decompressor", (), {})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "brotli", old)
        assert decoder([b"br"]) is None

    @pytest.mark.parametrize("package", ["brotli", "brotlicffi"])
    def test_both_packages_for_brotli_work(
        self, monkeypatch: pytest.MonkeyPatch, package: str
    ) -> None:
        brotli = module(package)
        for other in {"brotli", "brotlicffi"} - {package}:
            monkeypatch.setitem(sys.modules, other, None)
        assert decode(b"br", brotli.compress(TEXT), piece=5, limit=11) == TEXT
        with pytest.raises(ContentDecodingError, match="is not the br that its content-encoding"):
            decode(b"br", b"\xff" * 20)


# What follows the end.


@pytest.mark.parametrize("piece", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_all_members_belong_to_the_body(kind: str, piece: int) -> None:
    """RFC 1952 §2.2, RFC 8878 §3.1: members and frames follow one another."""
    data = b"".join(ENCODERS[kind](part) for part in (b"one ", b"", b"two ", b"three"))
    assert decode(name(kind), data, piece=piece) == b"one two three"
    assert decode(name(kind), data, piece=piece, limit=1) == b"one two three"


@pytest.mark.parametrize("piece", [1, 2, 1 << 20])
@pytest.mark.parametrize("kind", ["gzip", "deflate", "deflate, bare"])
@pytest.mark.parametrize("padding", [b"\0" * 512, b"\x1f", b"\x1f\0\x1f\x8b", b"garbage"])
def test_padding_after_the_end_is_ignored(kind: str, padding: bytes, piece: int) -> None:
    data = ENCODERS[kind](TEXT) + padding
    assert decode(name(kind), data, piece=piece) == TEXT


def test_what_begins_like_a_gzip_member_has_to_be_one() -> None:
    with pytest.raises(ContentDecodingError, match="is not the gzip"):
        decode(b"gzip", gzip.compress(TEXT) + b"\x1f\x8bgarbage")


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize("kind", ["br", "zstd"])
def test_octets_after_the_end_are_an_error_where_nothing_may_follow(kind: str, piece: int) -> None:
    with pytest.raises(ContentDecodingError):
        decode(name(kind), ENCODERS[kind](TEXT) + b"garbage", piece=piece)


def test_octets_after_the_end_of_br_say_how_many_they_are() -> None:
    decoding = decoder([b"br"])
    assert decoding is not None
    assert decoding.decode(ENCODERS["br"](b"x"), 10) == b"x"
    with pytest.raises(ContentDecodingError, match="7 octets follow the end of the br stream"):
        decoding.decode(b"garbage", 10)


def test_frames_of_zstd_that_are_to_be_skipped_are_skipped() -> None:
    """RFC 8878 §3.1.2."""
    skippable = b"\x50\x2a\x4d\x18\x05\x00\x00\x00apart"
    data = skippable + ENCODERS["zstd"](b"one ") + skippable + ENCODERS["zstd"](b"two")
    assert decode(b"zstd", data) == b"one two"


# What is wrong.


@KINDS
def test_garbage_is_an_error_that_names_the_coding(kind: str) -> None:
    coding_name = kind.removeprefix("x-").removesuffix(", bare")
    with pytest.raises(ContentDecodingError, match=f"is not the {coding_name} that") as caught:
        decode(name(kind), b"\xffgarbage, garbage, garbage")
    assert caught.value.__cause__ is not None


@KINDS
def test_a_stream_that_stops_short_is_an_error_wherever_it_stops(kind: str) -> None:
    data = ENCODERS[kind](TEXT[:300])
    for size in range(1, len(data)):
        with pytest.raises(ContentDecodingError, match="stops short"):
            decode(name(kind), data[:size])


def test_the_check_sum_counts() -> None:
    data = bytearray(gzip.compress(TEXT))
    data[-5] ^= 1
    with pytest.raises(ContentDecodingError, match="is not the gzip"):
        decode(b"gzip", bytes(data))


@pytest.mark.parametrize("cut", ["inner", "outer"])
def test_either_end_of_a_chain_may_stop_short(cut: str) -> None:
    inner = gzip.compress(TEXT)
    data = zlib.compress(inner[:-1] if cut == "inner" else inner)
    with pytest.raises(ContentDecodingError, match="stops short"):
        decode(b"gzip, deflate", data[:-1] if cut == "outer" else data)


def test_a_zlib_stream_that_needs_a_dictionary_is_an_error() -> None:
    packer = zlib.compressobj(zdict=b"dictionary")
    with pytest.raises(ContentDecodingError, match="is not the deflate"):
        decode(b"deflate", packer.compress(TEXT) + packer.flush())


# What it may cost.


@pytest.mark.parametrize("limit", [0, -1])
def test_without_a_limit_nothing_is_decoded(limit: int) -> None:
    decoding = decoder([b"gzip"])
    assert decoding is not None
    with pytest.raises(ValueError, match=f"at least 1, not {limit}"):
        decoding.decode(b"", limit)


@KINDS
def test_a_bomb_gives_no_more_than_it_is_asked_for(kind: str) -> None:
    size = 20_000_000
    decoding = decoder([name(kind)])
    assert decoding is not None
    out = decoding.decode(ENCODERS[kind](bytes(size)), 1000)
    for _ in range(20):
        assert len(out) == 1000
        assert not decoding.needs_input
        out = decoding.decode(b"", 1000)
    # What came meanwhile waits its turn.
    assert len(decoding.decode(b"more", 1000)) == 1000


def test_a_bomb_in_a_chain_is_bounded_in_every_coding(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3's CVE-2025-66471: the intermediate result was not bounded."""
    most = 0
    original = coding._Stage.decompress

    def watched(self: Any, data: bytes, max_length: int) -> bytes:
        nonlocal most
        out = original(self, data, max_length)
        most = max(most, len(out))
        return out

    monkeypatch.setattr(coding._Stage, "decompress", watched)
    bomb = gzip.compress(gzip.compress(bytes(1 << 28)))
    assert len(bomb) < 2000
    decoding = decoder([b"gzip, gzip"])
    assert decoding is not None
    for _ in range(100):
        assert len(decoding.decode(bomb, 10)) == 10
        bomb = b""
    assert most <= coding.BLOCK_SIZE


def test_empty_members_without_end_are_given_up() -> None:
    empty = gzip.compress(b"")
    allowed = empty * coding.MAX_EMPTY_MEMBERS + gzip.compress(b"x")
    assert decode(b"gzip", allowed * 2) == b"xx"
    for piece in (1 << 20, 100):
        with pytest.raises(ContentDecodingError, match="1001 empty gzip members in a row"):
            decode(b"gzip", empty * (coding.MAX_EMPTY_MEMBERS + 2), piece=piece)


def test_a_chain_that_comes_to_nothing_is_given_up() -> None:
    """A thousandfold of nothing is still work."""
    nothing = b"\0\0\0\xff\xff"  # an empty stored block (RFC 1951 §3.2.4)
    size = coding.MAX_BARREN_SIZE // len(nothing)
    allowed = nothing * (size // 2) + raw_deflate(b"x")
    assert decode(b"deflate, gzip", gzip.compress(allowed)) == b"x"
    with pytest.raises(ContentDecodingError, match="between two codings of the body came to noth"):
        decode(b"deflate, gzip", gzip.compress(nothing * (size + 20_000)))


def test_a_window_of_zstd_beyond_8_mib_is_refused() -> None:
    """RFC 9659 §3."""
    package = zstd()
    for log, fine in ((23, True), (24, False)):
        packer = package.ZstdCompressor(options={package.CompressionParameter.window_log: log})
        data = packer.compress(TEXT) + packer.flush()
        if fine:
            assert decode(b"zstd", data) == TEXT
        else:
            with pytest.raises(ContentDecodingError, match="is not the zstd"):
                decode(b"zstd", data)
