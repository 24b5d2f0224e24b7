"""HPACK: any blocks into our decoder and into the hpack package's, any fields out and back.

The first octet chooses. Even: what follows are blocks, each behind two octets with its length;
the highest bit of those makes them a new size limit of the table instead. Odd: what follows
is a conversation of field sections and sizes for our encoder.
"""

from __future__ import annotations

import hpack

from hyper.hpack import Decoder, Encoder, HPACKError, HPACKLimitError

from .octets import Octets

__all__ = ["check", "packed"]

#: Limits of ours that the package has not got, as our messages tell them.
STRICTER = (
    "takes more than 5 octets",
    "follows a field or two other updates",
    "does not start with the size update",
    "is above the limit",
    "an earlier field block",
)

#: Names and values as they come in earnest, for a byte each.
NAMES = (
    b":method", b":path", b":authority", b":status", b"accept", b"cookie", b"set-cookie",
    b"authorization", b"content-length", b"date", b"user-agent", b"x-a", b"x-request-id", b"te",
    b"", b"www-authenticate",
)  # fmt: skip


def check(data: bytes) -> None:
    octets = Octets(data)
    if octets.number() & 1:
        _there_and_back(octets)
    else:
        _decode(octets)


def packed(*blocks: bytes) -> bytes:
    """The input that has these blocks decoded."""
    return b"\0" + b"".join(len(block).to_bytes(2, "big") + block for block in blocks)


def _decode(octets: Octets) -> None:
    ours = Decoder()
    theirs = hpack.Decoder(max_header_list_size=1 << 24)
    shrunk = False
    while octets:
        length = octets.number(2)
        if length & 0x8000:
            size = length & 0x1FFF
            # A limit that is raised again before the next block is where the two differ: we hold
            # the peer to the smallest (RFC 7541 §4.2), the package to the last.
            shrunk = shrunk or size < ours.max_table_size
            ours.max_table_size = size
            theirs.max_allowed_table_size = size
            continue
        block = octets.take(length)
        before = ours.generation
        try:
            fields = ours.decode(block)
        except HPACKError as error:
            _refused(ours, theirs, block, error)
            return
        assert sum(len(name) + len(value) + 32 for name, value in fields) <= 65_536
        assert len(fields) <= 1000
        assert 0 <= ours.table_size <= 4096
        assert ours.table_size == sum(len(n) + len(v) + 32 for n, v in ours.table)
        if ours.generation == before:
            # What the generation promises: equal blocks are equal lists, without any effect.
            assert ours.decode(block) == fields
            assert ours.generation == before
        try:
            expected = [tuple(field) for field in theirs.decode(block, raw=True)]
        except hpack.HPACKError as error:
            raise AssertionError(f"only the package refuses {block!r}: {error}") from error
        assert fields == expected
        assert ours.table == [
            (bytes(name), bytes(value)) for name, value in theirs.header_table.dynamic_entries
        ]


def _refused(ours: Decoder, theirs: hpack.Decoder, block: bytes, error: HPACKError) -> None:
    """We refuse; then so does the package, or we say which limit of ours it was."""
    try:
        ours.decode(b"")
    except HPACKError:
        pass
    else:
        raise AssertionError("a decoder that has failed goes on")
    try:
        theirs.decode(block, raw=True)
    except (hpack.HPACKError, IndexError):
        return
    stricter = isinstance(error, HPACKLimitError) or any(why in str(error) for why in STRICTER)
    assert stricter, f"only we refuse {block!r}: {error}"


def _there_and_back(octets: Octets) -> None:
    encoder, ours = Encoder(), Decoder(max_list_size=1 << 20)
    theirs = hpack.Decoder(max_header_list_size=1 << 24)
    while octets:
        kind = octets.number()
        if kind < 32:
            size = octets.number(2)
            encoder.resize(size)
            ours.max_table_size = size
            theirs.max_allowed_table_size = size
            continue
        fields = []
        for _ in range(kind % 16):
            choice = octets.number()
            name = NAMES[choice % 16] if choice < 224 else octets.take(choice % 32)
            value = octets.take(octets.number() % 48)
            fields.append((name, value * (1 + 5 * (choice & 0x20 == 0x20))))
        secret = [name for name, _ in fields[:1]] if kind & 0x10 else []
        block = encoder.encode(tuple(fields), secret)
        assert ours.decode(block) == fields
        assert ours.table == encoder.table
        assert ours.table_size == encoder.table_size <= 4096
        decoded = list(theirs.decode(block, raw=True))
        assert [tuple(field) for field in decoded] == fields
        for name, field in zip([n for n, _ in fields], decoded, strict=True):
            hidden = name in secret or name in (b"authorization", b"proxy-authorization")
            assert not (hidden and field.indexable and field[1]), f"{name!r} may be remembered"
