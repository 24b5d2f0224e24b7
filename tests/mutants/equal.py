"""Mutants that change nothing anybody could see, and why."""

from __future__ import annotations

__all__ = ["EQUAL"]

#: The mutant as the command names it, without its line.
EQUAL: dict[str, str] = {}
