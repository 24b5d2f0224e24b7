"""Content codings: any data, any chain, any pieces, any limit; and any garbage."""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from hyper.common.coding import accept_encoding, decoder
from hyper.common.exceptions import ContentDecodingError


def _encoders() -> dict[str, Callable[[bytes], bytes]]:
    encoders: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "gzip, in two members": lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
        "deflate": zlib.compress,
        "deflate, bare": lambda data: zlib.compress(data, wbits=-15),
    }
    packages = {"br": ("brotli", "brotlicffi"), "zstd": ("compression.zstd", "backports.zstd")}
    for name, modules in packages.items():
        for module in modules:
            try:
                encoders[name] = importlib.import_module(module).compress
            except ImportError:
                continue
    return encoders


ENCODERS = _encoders()
CODINGS = accept_encoding().split(b", ")

limits = st.integers(1, 100_000)
# Where a body is cut, as fractions of its length.
cuts = st.lists(st.floats(0, 1), max_size=8).map(sorted)


def pieces(body: bytes, where: list[float]) -> list[bytes]:
    ends = [*(int(cut * len(body)) for cut in where), len(body)]
    return [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def decode(codings: list[bytes], body: list[bytes], limit: int, most: int = 1 << 30) -> bytes:
    """Decode to the end, or to ``most`` octets of a bomb that chance has built."""
    decoding = decoder(codings)
    assert decoding is not None
    out = []
    left = most
    for piece in body:
        octets = decoding.decode(piece, limit)
        while octets and left > 0:
            assert len(octets) <= limit
            out.append(octets)
            left -= len(octets)
            octets = decoding.decode(b"", limit)
        if left <= 0:
            return b"".join(out)
        assert decoding.needs_input
    decoding.finish()
    return b"".join(out)


@given(
    st.lists(st.sampled_from(sorted(ENCODERS)), min_size=1, max_size=3),
    st.binary(max_size=300),
    st.sampled_from([1, 2, 40, 500]),
    cuts,
    limits,
)
def test_decoding_undoes_encoding_in_any_pieces_under_any_limit(
    chain: list[str], unit: bytes, times: int, where: list[float], limit: int
) -> None:
    data = body = unit * times
    for name in chain:
        body = ENCODERS[name](body)
    limit = max(limit, len(data) // 200)  # no more than a few hundred calls

    value = ", ".join(name.partition(",")[0] for name in chain).encode()
    assert decode([value], pieces(body, where), limit) == data


@given(st.sampled_from(CODINGS), st.sampled_from(CODINGS), st.binary(max_size=300), cuts)
def test_garbage_is_an_answer_or_one_kind_of_error(
    outer: bytes, inner: bytes, body: bytes, where: list[float]
) -> None:
    for codings in ([outer], [inner, outer]):
        try:
            decode(codings, pieces(body, where), 1000, most=100_000)
        except ContentDecodingError as error:
            assert str(error)


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(ENCODERS)),
    st.binary(min_size=1, max_size=200),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=3),
    cuts,
)
def test_a_damaged_body_gives_the_same_in_any_pieces(
    name: str, data: bytes, damage: list[tuple[int, int]], where: list[float]
) -> None:
    body = bytearray(ENCODERS[name](data))
    for position, octet in damage:
        body[position % len(body)] = octet
    codings = [name.partition(",")[0].encode()]

    def outcome(cut: list[bytes]) -> bytes | None:
        try:
            return decode(codings, cut, 1000, most=100_000)
        except ContentDecodingError:
            return None

    assert outcome([bytes(body)]) == outcome(pieces(bytes(body), where))
