"""A body into a file: its name, the way there, and going on where it stopped.

What is not whole stays on the disk, and beside it ``FILE.resume``, which says of what it is a
part: so --continue can ask for the rest of that and nothing else (If-Range, RFC 9110 §13.1.5).
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Final, Protocol
from urllib.parse import unquote, urlsplit

from .failing import CommandError, reason
from .output import Response, writing
from .progress import Progress
from .request import Request

__all__ = ["Download", "file_name"]

#: What a name of a file may be long, in octets: what file systems take, less a number behind it.
LONGEST_NAME: Final = 200

#: Files of the same name that we count through.
MOST_NAMES: Final = 1_000

# What means something to a file system or a shell somewhere.
_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|]')


class Answer(Response, Protocol):
    """A response of which we want to know its status, too."""

    status: int


class Download:
    """One file that comes.

    path     where to; None leaves the name to the response, "-" is standard output
    resume   go on with what is there
    request  gets the fields that this needs
    """

    def __init__(self, request: Request, path: str | None, resume: bool) -> None:
        self.path = path
        self.resume = resume
        self.found = 0  # octets that the file had
        self.there = 0  # those of them that it keeps
        self._url = request.target.url
        if path is not None and resume:
            self._ask_for_the_rest(request, path)

    def _ask_for_the_rest(self, request: Request, path: str) -> None:
        try:
            self.found = self.there = os.path.getsize(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise CommandError(f"{path!r} cannot be gone on with: {error.strerror}") from None
        if not self.there:
            return
        request.set("range", f"bytes={self.there}-")
        validator = self._remembered(path)
        if validator is not None:
            request.set("if-range", validator)

    def _remembered(self, path: str) -> str | None:
        """The validator of what the file is a part of, if it was the same URL."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            with open(_note(path), encoding="utf-8") as file:
                noted = json.load(file)
            if noted["url"] == self._url:
                validator = noted["validator"]
                if isinstance(validator, str) and validator.isprintable():
                    return validator
        return None

    def begin(self, response: Answer) -> bool:
        """Look at the head of the response; False if the file is whole already.

        Raises CommandError where there is no going on.
        """
        if self.there and response.status == 416:
            # RFC 9110 §15.5.17: the range begins where it ends, or beyond.
            said = response.getheader("content-range") or ""
            if said.replace(" ", "") in (f"bytes*/{self.there}",):
                return False
            raise CommandError(
                f"{self.path!r} has {self.there} octets, and the server, which has {said!r}, no "
                "more of them: it is no part of this; leave out --continue to fetch it anew"
            )
        if self.there and response.status == 206:
            said = response.getheader("content-range") or ""
            match = re.match(r"bytes (\d+)-(\d+)/(?:\d+|\*)$", said)
            if match is None or int(match[1]) != self.there:
                raise CommandError(
                    f"asked for octets from {self.there} on, the server sends {said!r} "
                    "(RFC 9110 §14.4); leave out --continue to fetch it anew"
                )
        elif response.status != 206:
            # Another version of it, or a server that knows no ranges: from the beginning.
            self.there = 0
        return True

    def total(self, response: Answer) -> int | None:
        """Octets of the whole file; None if the server does not say."""
        said = response.getheader("content-length") or ""
        coded = response.getheader("content-encoding")
        return self.there + int(said) if said.isascii() and said.isdigit() and not coded else None

    def save(self, response: Answer, progress: Progress) -> None:
        """Write the body. What fails leaves what came, and a note for --continue."""
        if self.path == "-":
            self._pass_on(response, progress, sys.stdout.buffer, None)
            return
        file, path = self._opened(response)
        self.path = path
        whole = False
        try:
            try:
                self._pass_on(response, progress, file, path)
            finally:
                with writing(path):
                    file.close()
            whole = True
        finally:
            if whole:
                with suppress(OSError):
                    os.remove(_note(path))
            else:
                self._leave_note(response, path)

    def _pass_on(
        self, response: Answer, progress: Progress, file: IO[bytes], path: str | None
    ) -> None:
        for chunk in response.read_chunked():
            with writing(path):
                file.write(chunk)
            progress.add(len(chunk))
        with writing(path):
            file.flush()

    def _opened(self, response: Answer) -> tuple[IO[bytes], str]:
        path = self.path
        if path is not None:
            try:
                return open(path, "ab" if self.there else "wb"), path
            except (OSError, ValueError) as error:
                raise CommandError(f"{path!r} cannot be written: {reason(error)}") from None
        name = file_name(
            response.getheader("content-disposition"),
            self._url,
            response.getheader("content-type"),
        )
        for candidate in _names(name):
            try:
                return open(candidate, "xb"), candidate
            except FileExistsError:
                continue
            except OSError as error:
                raise CommandError(f"{candidate!r} cannot be written: {error.strerror}") from None
        raise CommandError(f"{name!r} and {MOST_NAMES} more of this name are there; name one by -o")

    def _leave_note(self, response: Answer, path: str) -> None:
        """Remember what this is a part of; a weak validator is none (RFC 9110 §13.1.5)."""
        etag = response.getheader("etag") or ""
        validator = response.getheader("last-modified") if not etag or etag[:2] == "W/" else etag
        if validator:
            with suppress(OSError), open(_note(path), "w", encoding="utf-8") as file:
                json.dump({"url": self._url, "validator": validator}, file)


def file_name(disposition: str | None, url: str, content_type: str | None) -> str:
    """A name for what comes: what the server says, else the end of the URL.

    Never a path, never hidden, never one that a system takes for something else.
    """
    found = _disposed(disposition or "")
    if not found:
        found = unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    name = _FORBIDDEN.sub("_", found).strip(" .")
    if not name.strip("_"):
        name = "index"
    stem, suffix = os.path.splitext(name)
    if not suffix and content_type:
        import mimetypes

        suffix = mimetypes.guess_extension(content_type.partition(";")[0].strip()) or ""
    stem = stem.encode(errors="replace")[: LONGEST_NAME - 20].decode(errors="ignore")
    return stem + suffix.encode(errors="replace")[:20].decode(errors="ignore")


def _disposed(value: str) -> str:
    """The file name in a content-disposition (RFC 6266), the extended one first."""
    match = re.search(r"filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)", value, re.IGNORECASE)
    if match is not None:
        with suppress(LookupError, ValueError):
            return unquote(match[2], encoding=match[1], errors="strict")
    match = re.search(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', value, re.IGNORECASE)
    if match is None:
        return ""
    quoted = re.sub(r"\\(.)", r"\1", match[1] or "")
    # Of a path, the last part is meant, whichever system it is from.
    return re.split(r"[/\\]", quoted or match[2] or "")[-1]


def _names(name: str) -> Iterator[str]:
    stem, suffix = os.path.splitext(name)
    yield name
    for number in range(1, MOST_NAMES + 1):
        yield f"{stem}-{number}{suffix}"


def _note(path: str) -> str:
    return f"{path}.resume"
