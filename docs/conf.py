"""How Sphinx builds these pages: `python3 dev docs`."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "hyper"
VERSION = re.search(r'__version__ = "(.+)"', (PACKAGE / "__init__.py").read_text("utf-8"))
assert VERSION is not None
sys.path.insert(0, str(ROOT / "src"))

project = "hyper"
release = version = VERSION[1]
copyright = "the hyper contributors"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
# Types in signatures are written for people: many are names of ours for several types at once.
nitpick_ignore_regex = [(r"py:.*", r".*")]
# What a module hands on from another is documented under both names.
suppress_warnings = ["ref.python"]
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "member-order": "bysource",
}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"hyper {release}"


# Our docstrings are made to be read where they stand, so what Sphinx needs is put in here.


LIST = re.compile(r"- |\d\. |\.\. ")


def marked_up(lines: list[str]) -> Iterator[str]:
    """A docstring as reST: tables of names become definitions, indented blocks become code."""
    place = 0
    block: list[str] = []
    while place < len(lines):
        announced = bool(block) and block[-1].endswith("::")
        block = []
        while place < len(lines) and lines[place].strip():
            block.append(lines[place])
            place += 1
        names = list(definitions(block))
        if names:
            for name, text in names:
                yield f"``{name}``"
                yield f"    {text}"
        elif any(line.startswith("  ") for line in block) and not LIST.match(block[0]):
            yield from ("" if announced else "::", "", *(f"    {line}" for line in block))
        else:
            yield from block
        yield ""
        while place < len(lines) and not lines[place].strip():
            place += 1


def definitions(block: list[str]) -> Iterator[tuple[str, str]]:
    """The rows of `name  what it is`, whose continuations stand below the text; or nothing."""
    name, text, column = "", "", 0
    rows = []
    for line in block:
        gap = "{2,}" if not column else "+"
        row = re.match(rf"([\w.]+(?:, [\w.]+)*)( {gap})(\S.*)", line)
        if row is not None and column not in (0, row.end(2)):
            return
        if row is not None:
            if name:
                rows.append((name, text))
            name, text, column = row[1], row[3], row.end(2)
        elif name and re.fullmatch(r"\w+", line) and column:
            # A name too long for its column: its text begins on the next line.
            rows.append((name, text))
            name, text = line, ""
        elif name and len(line) > column and not line[:column].strip():
            text = f"{text} {line.strip()}".strip()
        else:
            return
    if name:
        rows.append((name, text))
    yield from rows


def mark_up(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    if what == "data" and lines and lines[0] == (type(thing).__doc__ or "").partition("\n")[0]:
        lines.clear()  # what its type says of itself
    lines[:] = marked_up(lines)


def leave_out(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    # The fields of a named tuple: its docstring says more than "Alias for field number 1".
    return True if type(thing).__name__ == "_tuplegetter" else None


# What autodoc leaves out: data without a comment of its own; and values as long as a page.
LONG = 200


def modules_of(mark: re.Match[str]) -> str:
    """What a page inside has in the place of its mark: each module that has no page of its own."""
    pages = [page.read_text("utf-8") for page in (ROOT / "docs" / "api").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"automodule:: ([\w.]+)$", page, re.M)}
    modules = sorted({module for module, _ in exported()} - named - {"hyper"})
    return "\n".join(
        f"## `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"
        for module in modules
        if f"{module}.".startswith(f"{mark[1]}.")
    )


def with_data(source: str) -> str:
    """Each `automodule` of a page with the data that it would leave out, long values hidden."""
    source = re.sub(r"^<!-- modules of ([\w.]+) -->$", modules_of, source, flags=re.MULTILINE)
    return re.sub(
        r"^\.\. automodule:: ([\w.]+)\n(?:   :.*\n)*", expanded, source, flags=re.MULTILINE
    )


def expanded(directive: re.Match[str]) -> str:
    from sphinx.pycode import ModuleAnalyzer

    module = importlib.import_module(directive[1])
    commented = {name for _, name in ModuleAnalyzer.for_module(directive[1]).find_attr_docs()}
    data, hidden = [], []
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing):
            continue
        long = len(repr(thing)) > LONG
        if long or name not in commented:
            data.append(f".. autodata:: {directive[1]}.{name}\n")
            hidden += [name]
            if long:
                data.append("   :no-value:\n")
    exclude = f"   :exclude-members: {', '.join(hidden)}\n" if hidden else ""
    return "".join([directive[0], exclude, "\n", *data])


def read_source(app: Any, page: str, source: list[str]) -> None:
    if page.startswith("api/"):
        source[0] = with_data(source[0])


# Everything that a module says it exports has to be on one of these pages.


def exported() -> Iterator[tuple[str, str]]:
    """Every name of every `__all__`, with its module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                for name in ast.literal_eval(node.value):
                    yield module, name


def look_for_all(app: Any, environment: Any) -> None:
    from sphinx.util import logging

    documented = set(environment.get_domain("py").objects)
    missing = [f"{module}.{name}" for module, name in exported()]
    missing = [name for name in missing if name not in documented]
    for name in missing:
        logging.getLogger(__name__).warning("%s is in no page of docs/api", name)


def outdated(app: Any, env: Any, added: set[str], changed: set[str], gone: set[str]) -> set[str]:
    # A new module shows in no page's source.
    return {page for page in env.found_docs if page.startswith("api/inside/")}


def setup(app: Any) -> None:
    # Loaded when somebody asks for them: now is when.
    importlib.import_module("hyper.sync.connection")
    app.connect("env-get-outdated", outdated)
    app.connect("source-read", read_source)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", mark_up)
    app.connect("env-check-consistency", look_for_all)
