"""What a request body is, and how long (RFC 9110 §6.4, §8.6).

A body comes as octets, as text, as a file or as an iterable of octets. Whatever it is, the
sender gets it in pieces that are worth a write, and hears before anything is sent that it is
none of these or that its length contradicts the ``content-length``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["BLOCK_SIZE", "Body", "declared_length", "is_text"]

#: Octets in one read of a file. Four full frames of 16 KiB, so that a write is worth its
#: system call; larger ``bytes`` come from the system's pages instead of the heap, which costs
#: more than the calls it saves.
BLOCK_SIZE: Final = 64 * 1024


class Body:
    """The body of one request, ready to be sent once, and again if it can be rewound.

    size        its length in octets, or ``None`` when only its end will tell
    rewindable  it can be sent from its beginning again (RFC 9113 §8.7)

    ``source`` may be ``None`` (no body), bytes-like, str (sent as UTF-8), a binary file (sent
    from where it stands, in blocks of 64 KiB) or an iterable of bytes-like pieces.
    ``declared`` is the length that the user's ``content-length`` promises, if any.

    Iteration gives ``(octets, end)``. ``end`` is True exactly once, on the last pair, so that
    END_STREAM can ride on the last octets; they are ``b""`` when the end came as a surprise.

    Raises TypeError for a source that is no body, ValueError for one whose length is known not
    to be ``declared``; and, while being sent, TypeError for a piece that is no octets and
    ValueError before octets beyond the promised length are handed out, or at the end when
    some are missing.
    """

    __slots__ = ("_file", "_octets", "_pieces", "_promise", "_start", "_used", "size")

    def __init__(self, source: object, declared: int | None = None) -> None:
        self.size: int | None = None
        self._octets: bytes | memoryview = b""
        self._file: Any = None
        self._pieces: Iterator[object] | None = None
        # Where the file stood; None when there is no file that could be set back.
        self._start: int | None = None
        self._used = False

        if source is None:
            self.size = 0
        elif isinstance(source, str):
            self._octets = source.encode()
            self.size = len(self._octets)
        elif callable(getattr(source, "read", None)):
            self._open(source)
        elif (octets := _octets(source)) is not None:
            self._octets = octets
            self.size = len(octets)
        else:
            self._pieces = _iterator(source)

        if declared is not None and self.size is not None and declared != self.size:
            raise ValueError(
                f"content-length says {declared} but the body has {self.size} octets "
                "(RFC 9110 §8.6); leave the field out and it is set for you"
            )
        self._promise = declared if self.size is None else self.size

    @property
    def at_hand(self) -> bool:
        """Whether it is in memory, so that nobody has to be waited for."""
        return self._file is None and self._pieces is None

    @property
    def rewindable(self) -> bool:
        return self.at_hand or self._start is not None or not self._used

    def rewind(self) -> None:
        """Make the next iteration start at the beginning; ValueError if there is no way."""
        if not self.rewindable:
            raise ValueError(
                "the body cannot be sent a second time: it is an iterator or a pipe and has "
                "been read from; pass bytes or a seekable file if requests may be repeated"
            )
        if self._used and self._file is not None:
            self._file.seek(self._start)
        self._used = False

    def __iter__(self) -> Iterator[tuple[bytes | memoryview, bool]]:
        self._used = True
        if self._file is not None:
            return self._checked(self._blocks())
        if self._pieces is not None:
            return self._checked(self._pieces)
        return iter(((self._octets, True),))

    def _open(self, file: Any) -> None:
        """Take a file, and find its length from where it stands to its end."""
        if is_text(file):
            raise TypeError(
                "the body is a file opened as text, whose length in octets nobody knows; "
                "open it in binary mode ('rb')"
            )
        self._file = file
        try:
            start = file.tell()
            if start < 0:
                return  # what Python makes of a device that was read from
            file.seek(0, io.SEEK_END)
            end = file.tell()
            file.seek(start)
            if end <= start and file.read(1):
                # A device, or a file of /proc: it has no length, and octets all the same.
                file.seek(start)
                end = None
        except (AttributeError, OSError):
            return  # a pipe, a socket, or something with nothing but read()
        self._start = start
        self.size = None if end is None else max(end - start, 0)

    def _blocks(self) -> Iterator[object]:
        """Read the file; what it grew by since it was measured is not part of the body."""
        left = self.size
        while left is None or left > 0:
            block = self._file.read(BLOCK_SIZE if left is None else min(BLOCK_SIZE, left))
            # None is a non-blocking file with nothing to give now, which is not its end; that
            # and str are refused by the check.
            if block is not None and not block:
                return
            yield block
            if left is not None and block is not None:
                left -= len(block)

    def _checked(self, pieces: Iterator[object]) -> Iterator[tuple[bytes | memoryview, bool]]:
        """Hold the pieces against the promised length as they go by."""
        promise = self._promise
        sent = 0
        for piece in pieces:
            octets = _octets(piece)
            if octets is None:
                raise TypeError(
                    f"a piece of the body is {type(piece).__name__}, not bytes; encode it first"
                )
            sent += len(octets)
            if promise is not None and sent > promise:
                raise ValueError(
                    f"the body goes on after the {promise} octets that content-length promises "
                    "(RFC 9110 §8.6); leave the field out if the length is not known"
                )
            # Only a measured file surely ends here; an iterator may yet turn out too long.
            end = sent == self.size
            if octets or end:
                yield octets, end
        if promise is not None and sent < promise:
            raise ValueError(
                f"the body ended after {sent} of the {promise} octets that content-length "
                "promises (RFC 9110 §8.6)"
            )
        if sent != self.size or not sent:
            yield b"", True


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """What the ``content-length`` among ``headers`` (lower-case names) says; None without one.

    Raises ValueError when it is not a decimal number, or when two of them differ.
    """
    values = {value.strip(b" \t") for name, value in headers if name == b"content-length"}
    if not values:
        return None
    value = values.pop()
    if values or not value.isdigit():
        raise ValueError(
            "content-length must be one decimal number (RFC 9110 §8.6); leave it out and it is "
            "set for you"
        )
    return int(value)


def is_text(file: Any) -> bool:
    """Whether a file was opened as text."""
    # Wrappers such as tempfile's are no TextIOBase, but show what their file does. An encoding
    # alone is also what some have who give octets, such as the multipart encoders of others.
    return isinstance(file, io.TextIOBase) or (
        isinstance(getattr(file, "encoding", None), str)
        and isinstance(getattr(file, "errors", None), str)
    )


def _octets(source: Any) -> bytes | memoryview | None:
    """The octets of a bytes-like object, without a copy where possible; None if it is none."""
    if isinstance(source, bytes):
        return source
    # Whether it is bytes-like is asked of memoryview itself.
    try:
        view = memoryview(source)
    except TypeError:
        return None
    return view.cast("B") if view.c_contiguous else view.tobytes()


def _iterator(source: Any) -> Iterator[object]:
    advice = "pass bytes, str, a binary file or an iterable of bytes"
    if isinstance(source, Mapping):
        advice = "encode it first, with json.dumps() or urllib.parse.urlencode()"
    else:
        try:
            iterator: Iterator[object] = iter(source)
            return iterator
        except TypeError:
            pass
    raise TypeError(f"a request body cannot be {type(source).__name__}; {advice}")
