"""A form in several parts (RFC 7578), taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["FormPart", "read_parts"]


class FormPart(NamedTuple):
    """One part of a form: a field, or a file if it has a file's name."""

    name: str
    is_file: bool
    content_type: str
    data: bytes


def read_parts(body: bytes, content_type: bytes) -> Iterator[FormPart]:
    """The parts between the delimiters that ``content_type`` names (RFC 2046 §5.1.1).

    ValueError where it names none, or the last part has no end.
    """
    boundary = _parameter(content_type, b"boundary")
    if not boundary:
        raise ValueError("multipart/form-data needs a boundary (RFC 7578 §4.1)")
    # The first delimiter need not have a line before it.
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not parts or not parts[-1].startswith(b"--"):
        raise ValueError(f"the form does not end with --{boundary.decode('latin-1')}--")
    for part in parts[:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        }
        disposition = fields.get(b"content-disposition", b"")
        yield FormPart(
            (_parameter(disposition, b"name") or b"").decode(errors="replace"),
            re.search(rb";\s*filename\*?=", disposition, re.IGNORECASE) is not None,
            fields.get(b"content-type", b"application/octet-stream").decode("latin-1"),
            data,
        )


def _parameter(value: bytes, name: bytes) -> bytes | None:
    match = re.search(rb';\s*%s="?([^";]*)' % name, value, re.IGNORECASE)
    return None if match is None else match[1]
