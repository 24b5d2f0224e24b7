"""What several targets need: numbers out of an input, and pieces of octets."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Octets", "cut", "pieces_of"]


class Octets:
    """An input that is read from its start; where it ends there are only zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next octets, fewer at the end."""
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def number(self, size: int = 1) -> int:
        """The next so many octets as a number."""
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "big")

    def rest(self) -> bytes:
        return self.take(len(self._data))


def cut(octets: bytes, size: int) -> Iterator[bytes]:
    """The octets, so many at a time."""
    for at in range(0, len(octets), size):
        yield octets[at : at + size]


def pieces_of(octets: bytes, choice: int) -> Iterator[list[bytes]]:
    """Ways to cut the octets: short ones in two at every boundary, and all in equal pieces.

    ``choice`` is an octet of the input: the size of the pieces, and where a long one is cut in
    two.
    """
    if len(octets) <= 96:
        for at in range(1, len(octets)):
            yield [octets[:at], octets[at:]]
    else:
        at = 1 + choice * (len(octets) - 2) // 255
        yield [octets[:at], octets[at:]]
    yield list(cut(octets, 1 + choice % 24))
