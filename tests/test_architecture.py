"""The drawing, executable: who may import whom, who may touch the world, who knows about whom.

The drawing itself is ``docs/explanation/architecture.md``. When a test here fails, the drawing or
the code has to change, and a change of the drawing is a decision worth a page in
``docs/decisions``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "hyper"

#: Rooms, and single modules at the top, with all that they may import of ours.
MAY_IMPORT = {
    "common": set[str](),
    "hpack": set[str](),
    "http20": {"common", "hpack"},
    "http11": {"common"},
    "tls": {"common"},
    "trace": {"http20", "hpack"},
    "sync": {"common", "http20", "http11", "tls", "trace"},
    "aio": {"common", "http20", "http11", "tls", "trace"},
}
#: The faces stand above all of those, and nothing above imports them.
FACES = {"__init__", "__main__", "client", "contrib", "cli", "demo"}

SANS_IO = {"common", "hpack", "http20", "http11"}
THE_WORLD = {"socket", "ssl", "select", "selectors", "threading", "_thread", "asyncio"}
THE_WORLD |= {"time", "os"}

#: Only where it is used: see docs/decisions/0003-trace-on-demand.md.
ON_DEMAND = {("sync", "trace"), ("aio", "trace")}

#: Words that a room has no business knowing: objects point one way (architecture, "One way").
STRANGERS = {
    "common": {"Pump", "Transport", "HTTP20Protocol", "HTTP11Protocol", "Stream", "Connection"},
    "hpack": {"Pump", "Transport", "Protocol", "HTTP20Protocol", "Stream", "Exchange"},
    "http20": {"Pump", "Transport", "HTTP20Connection", "HTTPConnection", "HTTP20Response"},
    "http11": {"Pump", "Transport", "HTTP11Connection", "HTTPConnection", "HTTP11Response"},
}
#: The same inside rooms, file by file.
STRANGERS_IN = {
    "http20/stream.py": {"HTTP20Protocol", "Lock", "callback"},
    "sync/pump.py": {"HTTP20Connection", "HTTPConnection", "HTTP20Response", "Response"},
    "sync/transport.py": {"Pump", "Protocol", "HTTP20Protocol", "Exchange"},
    "sync/response.py": {"HTTP20Connection", "HTTPConnection", "HTTP11Connection"},
}

LONGEST = 600


@dataclass(frozen=True)
class Import:
    """One import statement: ``module`` of ours, or of somebody else's."""

    path: Path
    line: int
    module: str
    ours: bool
    at_once: bool  # executed when the module is imported, not later inside a function

    @property
    def room(self) -> str:
        return self.module.split(".")[1] if "." in self.module else "__init__"

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def modules(source: Path = SRC) -> list[Path]:
    return sorted(path.relative_to(source) for path in source.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.parts[0] if len(path.parts) > 1 else path.stem


def name_of(path: Path) -> str:
    parts = ["hyper", *path.with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, source: Path = SRC) -> Iterator[Import]:
    """Every import of a module, those for type checkers only left out."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package.pop()

    def walk(node: ast.AST, at_once: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield one(child.lineno, alias.name, at_once)
            elif isinstance(child, ast.ImportFrom):
                above = package[: len(package) - child.level + 1] if child.level else []
                module = ".".join([*above, *([child.module] if child.module else [])])
                for alias in child.names:
                    # `from ..http20 import frames` means a module, `... import Stream` a name.
                    inner = source.joinpath(*module.split(".")[1:], alias.name)
                    is_module = inner.with_suffix(".py").exists() or inner.is_dir()
                    name = f"{module}.{alias.name}" if is_module else module
                    yield one(child.lineno, name, at_once)
            yield from walk(child, at_once and not inside)

    def one(line: int, module: str, at_once: bool) -> Import:
        return Import(path, line, module, module.split(".")[0] == "hyper", at_once)

    yield from walk(ast.parse((source / path).read_text(encoding="utf-8")), True)


def words_of(path: Path, source: Path = SRC) -> set[str]:
    """Every identifier of a module's code; what docstrings and comments say is free."""
    words: set[str] = set()
    for node in ast.walk(ast.parse((source / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            words.add(node.id)
        elif isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.alias):
            words.add(node.name)
        elif isinstance(node, ast.arg):
            words.add(node.arg)
    return words


def breaches(source: Path = SRC) -> list[str]:
    """Every import that the drawing forbids, in words."""
    found = []
    for path in modules(source):
        room = room_of(path)
        if room not in MAY_IMPORT:
            if room not in FACES:
                found.append(f"{path}: the drawing has no room {room!r}")
            continue
        for statement in imports_of(path, source):
            target = statement.room
            if statement.ours:
                if target not in MAY_IMPORT[room] | {room}:
                    found.append(f"{statement}: {room} may not import {target}")
                elif statement.at_once and (room, target) in ON_DEMAND:
                    found.append(f"{statement}: {target} only inside the function that needs it")
            elif room in SANS_IO and statement.module.split(".")[0] in THE_WORLD:
                found.append(f"{statement}: {room} touches no socket, thread or clock")
            elif statement.module.split(".")[0] not in sys.stdlib_module_names and (
                statement.at_once
            ):
                found.append(f"{statement}: hyper requires nothing beside Python")
    return found


def test_rooms_import_only_what_the_drawing_allows() -> None:
    assert len(modules()) > 10, "this looked at next to nothing"
    assert breaches() == []


def test_no_module_imports_itself_round_a_corner() -> None:
    """While modules are being imported, arrows inside a room point one way as well."""
    arrows = {
        name_of(path): {
            statement.module
            for statement in imports_of(path)
            if statement.ours and statement.at_once and statement.module != name_of(path)
        }
        for path in modules()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in done or module not in arrows:
            return
        for target in sorted(arrows[module]):
            visit(target, (*trail, module))
        done.add(module)

    for module in arrows:
        visit(module, ())
    assert done == set(arrows)


def test_nobody_knows_those_above() -> None:
    seen = 0
    for path in modules():
        strangers = STRANGERS.get(room_of(path), set()) | STRANGERS_IN.get(str(path), set())
        seen += bool(strangers)
        assert not words_of(path) & strangers, f"{path} names {words_of(path) & strangers}"
    assert seen > 10
    assert {str(path) for path in modules()} >= set(STRANGERS_IN), "a file of the list is gone"


def test_no_module_is_longer_than_one_can_hold_in_mind() -> None:
    long = {
        str(path): lines
        for path in modules()
        if (lines := len((SRC / path).read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}, f"split by concern: more than {LONGEST} lines"


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        ("http20/a.py", "import socket", "http20 touches no socket"),
        ("common/a.py", "def f():\n    from time import monotonic", "common touches no socket"),
        ("hpack/a.py", "from ..common import exchange", "hpack may not import common"),
        ("http20/a.py", "from hyper.sync.pump import Pump", "http20 may not import sync"),
        ("http20/a.py", "from .. import sync", "http20 may not import sync"),
        ("http11/a.py", "from ..http20.frames import X", "http11 may not import http20"),
        ("sync/a.py", "from ..cli import main", "sync may not import cli"),
        ("sync/a.py", "from ..trace import T", "trace only inside the function"),
        ("sync/a.py", "import h2.connection", "hyper requires nothing beside Python"),
        ("extra/a.py", "", "the drawing has no room 'extra'"),
    ],
)
def test_this_test_sees_a_breach(tmp_path: Path, path: str, code: str, complaint: str) -> None:
    for folder in ("sync", Path(path).parent):
        (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / path).write_text(code, encoding="utf-8")
    (found,) = breaches(tmp_path)
    assert complaint in found


def test_this_test_sees_no_breach_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "sync").mkdir()
    (tmp_path / "sync" / "a.py").write_text(
        "import socket\n"
        "from typing import TYPE_CHECKING\n"
        "from ..http20.stream import Stream\n"
        "from . import pump\n"
        "if TYPE_CHECKING:\n"
        "    from ..cli import main\n"
        "def f():\n"
        "    from ..trace import Trace\n",
        encoding="utf-8",
    )
    assert breaches(tmp_path) == []
