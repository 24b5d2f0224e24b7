"""Mutants made from the source: each a module in which one thing is different.

What is taken out or changed is whatever defends: every ``raise``, every call that resets a stream
or counts against an allowance, every comparison, every number in capitals.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Mutant", "mutants_of"]

#: Calls for what they do, not for what they return, that defend.
DEFENDING = frozenset(
    ("_reset", "_glitch", "_count_reset", "_count_ack", "_stop", "_fail", "_check_head")
)

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_NEIGHBOUR: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}


class Mutant(NamedTuple):
    """A module that differs in one place.

    file    below src/hyper
    line    where it differs
    what    is different
    limit   the name of the number that it changes, or ""
    source  the whole text
    """

    file: str
    line: int
    what: str
    limit: str
    source: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}"


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """Every mutant of one module, in the order of its lines."""
    found: list[tuple[int, str, str, str]] = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for old, new, what, limit in _changes(node):
            found.append((old.lineno, what, limit, _spliced(source, old, new)))
    for line, what, limit, text in sorted(found, key=lambda each: each[:3]):
        yield Mutant(file, line, what, limit, text)


def _changes(node: ast.AST) -> Iterator[tuple[ast.stmt | ast.expr, str, str, str]]:
    """What can be done to a node: the part that goes, what stands there instead, in words."""
    if isinstance(node, ast.Raise) and node.exc is not None:
        yield node, "pass", f"without raising {_short(node.exc)}", ""
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        if isinstance(function, ast.Attribute) and function.attr in DEFENDING:
            yield node, "pass", f"without {_short(node.value)}", ""
    elif isinstance(node, ast.Compare):
        yield node, f"({_with(node, _OPPOSITE)})", f"{_short(node)} is turned round", ""
        if any(type(op) in _NEIGHBOUR for op in node.ops) and _capitals(node):
            yield node, f"({_with(node, _NEIGHBOUR)})", f"{_short(node)} is one off", ""
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        name = node.target.id
        if name.isupper() and node.value is not None and _number(node.value):
            value = ast.unparse(node.value)
            yield node.value, f"({value}) * 1000", f"{name} is a thousand times as large", name


def _with(node: ast.Compare, changes: dict[type[ast.cmpop], type[ast.cmpop]]) -> str:
    """The comparison with its last operator changed, the one that stands before a limit."""
    ops = list(node.ops)
    for at in reversed(range(len(ops))):
        if type(ops[at]) in changes:
            ops[at] = changes[type(ops[at])]()
            break
    return ast.unparse(ast.Compare(node.left, ops, node.comparators))


def _capitals(node: ast.Compare) -> bool:
    """Whether one side is a limit by its name, a number, or something that was measured."""
    for part in ast.walk(node):
        name = getattr(part, "attr", None) or getattr(part, "id", None) or ""
        if name.isupper() or "max" in name or "limit" in name or "window" in name:
            return True
    return False


def _number(node: ast.expr) -> bool:
    """Whether it is made of numbers alone."""
    allowed = (ast.Constant, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop)
    parts = list(ast.walk(node))
    numbers = [part.value for part in parts if isinstance(part, ast.Constant)]
    return (
        all(isinstance(part, allowed) for part in parts)
        and all(type(number) in (int, float) for number in numbers)
        and bool(numbers)
    )


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _spliced(source: str, node: ast.stmt | ast.expr, new: str) -> str:
    """The source with a node's octets replaced; the lines below keep their text."""
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None and node.end_col_offset is not None
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + new.encode() + after).decode()
