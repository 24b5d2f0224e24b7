"""Mutants that change nothing anybody could see, and why."""

from __future__ import annotations

__all__ = ["EQUAL"]

#: The mutant as the command names it, without its line.
EQUAL: dict[str, str] = {
    **{
        f"http11/framing.py {name} is a thousand times as large": "a mark that is no length"
        for name in ("CHUNKED", "TUNNEL", "UNTIL_CLOSE")
    },
    "http20/receiving.py word > _BULK is one off": (
        "frames that are alike say the same one by one and in one go, from whatever size on"
    ),
    "hpack/decoder.py end > max_fields is one off": (
        "a block of just so many octets has no more fields than that, counted or not"
    ),
}
