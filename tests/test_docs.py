"""What the documentation prints is what happens: every example runs, every fact is compared.

``python`` blocks of a page are one program, from top to bottom, in doctest form or without.
``console`` blocks are run by a shell, and what follows a command has to be what it prints (with
``...`` for anything). The names of the examples lead to the in-process server.
"""

from __future__ import annotations

import doctest
import html
import importlib
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import hyper
from hyper.http20 import limits

from .certificates import EXAMPLE_NAMES, Certificates
from .servers import InProcessServer

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
]
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

#: What console blocks may call, and what that is with the Python under test.
COMMANDS = {"hyper": "-m hyper", "python": "", "python3": "", "http": "-m httpie"}

#: What may stand in a text block, which is not run; all others are.
NOT_RUN = {
    "a drawing": r"[─│┌└├]|<- ",
    "a commit's message": r"^Problem  ",
    "work for minutes": r"\Apython3 dev (fuzz|soak|mutants|bench)\b",
    "a server that stays": r"\Apython -m hyper\.demo --serve ",
    "before a program of yours": r"\A[A-Z_]+=\S+ python program\.py$",
}

#: Loaded by every Python that a console block starts: the names, outside this process.
SITE = """
import os, socket
resolve = socket.getaddrinfo
ports = {443: os.environ["TLS_PORT"], 80: os.environ["PLAIN_PORT"]}
def getaddrinfo(host, port, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    if name in os.environ["NAMES"].split():
        return resolve("127.0.0.1", ports.get(int(port), port), *args, **kwargs)
    if name != "localhost" and name.strip("0123456789.") and ":" not in name:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return resolve(host, port, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what it is, what is in it."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"^```(\w+)[^\n]*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Block(page, text.count("\n", 0, match.start()) + 2, match[1], match[2])


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with what it should print."""
    command = ""
    expected: list[str] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(expected)
            command, expected = line[2:], []
        else:
            assert command, f"{block}: a console block begins with `$ `"
            expected.append(line)
    assert command, f"{block}: a console block without a command"
    yield command, "\n".join(expected)


def matches(expected: str, printed: str) -> bool:
    return doctest.OutputChecker().check_output(expected + "\n", printed + "\n", LENIENT)


class Shell:
    """A shell in which ``hyper`` and ``python`` are the ones under test."""

    def __init__(self, folder: Path, server: InProcessServer, certificates: Certificates) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, prefix in COMMANDS.items():
            script = folder / "bin" / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {prefix} "$@"\n')
            script.chmod(0o755)
        (folder / "sitecustomize.py").write_text(SITE)
        source = Path(hyper.__file__).parent.parent
        self.variables = {
            **os.environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{folder}{os.pathsep}{source}",
            "SSL_CERT_FILE": str(certificates.authority),
            "HOME": str(folder),
            "TLS_PORT": str(server.port),
            "PLAIN_PORT": str(server.plain_port),
            "NAMES": " ".join(EXAMPLE_NAMES),
        }

    def run(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace")


@pytest.fixture
def shell(tmp_path: Path, server: InProcessServer, certificates: Certificates) -> Shell:
    return Shell(tmp_path, server, certificates)


def check_console(block: Block, shell: Shell) -> None:
    for command, expected in commands(block):
        words = shlex.split(command)
        if words[0] == "python" and words[1:3] == ["-m", "pip"]:
            check_installation(block, words[4:])
        elif words[:2] == ["python3", "dev"] and words[2] not in ("demo", "help"):
            code, printed = shell.run("python3 dev help")
            assert code == 0
            assert f"\n  {words[2]} " in printed, f"{block}: dev has no verb {words[2]}"
        elif words[0] in COMMANDS:
            code, printed = shell.run(command)
            if not expected:
                expected = "..."
            told = f"{block}: `{command}` ended with {code} and printed\n{printed}"
            assert matches(expected, printed), told
            assert code == 0 or expected.strip() != "...", told
        else:
            raise AssertionError(f"{block}: nobody knows how to check `{command}`")


def check_installation(block: Block, wanted: list[str]) -> None:
    for want in wanted:
        match = re.fullmatch(r"hyper(?:\[([\w,]+)\])?", want)
        assert match, f"{block}: what is {want!r}?"
        for extra in (match[1] or "").split(",") if match[1] else []:
            text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
            assert re.search(rf"^{extra} = \[", text, re.MULTILINE), f"{block}: no extra {extra}"


def check_python(block: Block, names: dict[str, Any]) -> None:
    if ">>>" not in block.text:
        code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
        with redirect_stdout(StringIO()):
            exec(code, names)
        return
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, names, str(block), str(block.page), block.line - 1)
    assert test.examples
    report = StringIO()
    runner = doctest.DocTestRunner(optionflags=LENIENT | doctest.REPORT_NDIFF)
    runner.run(test, out=report.write, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, report.getvalue()


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close at the end what an example, for the sake of brevity, left open."""
    opened: list[hyper.HTTPConnection] = []
    begin = hyper.HTTPConnection.__init__

    def remembering(self: hyper.HTTPConnection, *args: Any, **kwargs: Any) -> None:
        opened.append(self)
        begin(self, *args, **kwargs)

    monkeypatch.setattr(hyper.HTTPConnection, "__init__", remembering)
    yield
    for connection in opened:
        connection.close()


@pytest.mark.usefixtures("closing", "http2bin")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_example_of_a_page_does_what_it_says(page: Path, shell: Shell) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language == "python":
            check_python(block, names)
        elif block.language == "console":
            check_console(block, shell)
        else:
            assert block.language == "text", f"{block}: neither python, console nor text"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_fence_is_overlooked(page: Path) -> None:
    """What does not look like a block would never be run: indented, of tildes, without a name."""
    text = page.read_text(encoding="utf-8")
    opened = 0
    directive = False
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*(`{3,}|~{3,})(.*)", line)
        if match is None:
            continue
        told = f"{page.relative_to(ROOT)}:{number}: {line}"
        assert match[0] == line and line.startswith("```") and not line.startswith("````"), told
        if inside:
            assert line == "```", told
            inside = False
            continue
        inside = True
        directive = match[2].partition("}")[0] in ("{note", "{toctree", "{include", "{eval-rst")
        assert directive or match[2] in ("python", "console", "text"), told
        opened += not directive
    assert not inside, page
    assert opened == len(list(blocks(page)))


def test_what_is_not_run_has_a_reason(shell: Shell) -> None:
    seen = set()
    _, verbs = shell.run("python3 dev help")
    _, options = shell.run("python -m hyper.demo --help")
    for block in (block for page in PAGES for block in blocks(page) if block.language == "text"):
        kinds = {kind for kind, look in NOT_RUN.items() if re.search(look, block.text, re.M)}
        assert kinds, f"{block} is not run, and nobody says why"
        assert not re.search(r"^(>>> |\$ |from \w+ import|import )", block.text, re.M), str(block)
        for verb in re.findall(r"^python3 dev (\w+)", block.text, re.M):
            assert f"\n  {verb} " in verbs, f"{block}: dev has no verb {verb}"
        assert "--serve" in options
        seen |= kinds
    assert seen == set(NOT_RUN), "a reason that nobody gives any more"


def test_the_pages_have_the_examples_that_matter() -> None:
    seen = {page.relative_to(ROOT).as_posix(): list(blocks(page)) for page in PAGES}
    assert sum(map(len, seen.values())) > 20
    first = seen["README.md"][:2]
    assert [block.language for block in first] == ["python", "console"]
    lines = [line for line in first[0].text.splitlines() if line]
    assert len(lines) == 5, "five lines that work"
    both = [command for command, _ in commands(first[1])]
    assert both == ["python3 dev demo", "python3 dev test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"


def test_the_page_of_limits_has_every_limit_and_its_value() -> None:
    page = (DOCS / "explanation" / "limits.md").read_text(encoding="utf-8")
    told = {name: int(value) for name, value in re.findall(r"\| `(\w+)` \| (\d+) \|", page)}
    assert told == {name: value for name, value in vars(limits).items() if name.isupper()}
    assert len(told) > 15


def test_the_page_of_limits_has_those_of_the_other_modules() -> None:
    page = (DOCS / "explanation" / "limits.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"\| `([\w.]+\.\w+)` \| ([\d.]+) \|", page))
    for name, value in told.items():
        module, _, attribute = name.rpartition(".")
        assert getattr(importlib.import_module(f"hyper.{module}"), attribute) == float(value), name
    # Whoever adds one to these two has to say why.
    for module in ("http11.limits", "common.coding"):
        there = {
            f"{module}.{name}"
            for name, value in vars(importlib.import_module(f"hyper.{module}")).items()
            if name.isupper() and isinstance(value, int)
        }
        assert there == {name for name in told if name.startswith(module)}


def test_the_tree_of_errors_is_the_tree_of_the_code() -> None:
    page = (DOCS / "explanation" / "errors.md").read_text(encoding="utf-8")
    drawn: set[tuple[str, str]] = set()
    above: list[str] = []
    for line in re.findall(r"^[│├└─ ]*\w+(?= |$)", page.split("```text")[1].split("```")[0], re.M):
        name = line.strip("│├└─ ")
        depth = (len(line) - len(name)) // 4
        above[depth:] = [name]
        drawn.add((name, above[depth - 1] if depth else ""))
    real = {
        (name, kind.__bases__[0].__name__)
        for module in ("hyper.common.exceptions", "hyper.http20.exceptions")
        for name, kind in inspect.getmembers(importlib.import_module(module), inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == module and kind.__name__ == name
    }
    assert len(real) > 8
    assert drawn == real | {("Exception", ""), ("OSError", "Exception")}


def test_every_name_that_is_exported_is_in_the_reference() -> None:
    """By its module as a whole, or by itself; the build of the pages holds what came of it."""
    text = "\n".join(page.read_text("utf-8") for page in (DOCS / "api").rglob("*.md"))
    modules = set(re.findall(r"^\.\. automodule:: ([\w.]+)$", text, re.M))
    rooms = tuple(f"{room}." for room in re.findall(r"^<!-- modules of ([\w.]+) -->$", text, re.M))
    assert len(rooms) >= 9
    names = set(re.findall(r"^\.\. auto(?:class|data|function):: ([\w.]+)$", text, re.M))
    specification = importlib.util.spec_from_file_location("conf", DOCS / "conf.py")
    assert specification is not None and specification.loader is not None
    conf = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(conf)
    exported = list(conf.exported())
    assert len(exported) > 400
    missing = [
        f"{module}.{name}"
        for module, name in exported
        if module not in modules
        and not f"{module}.".startswith(rooms)
        and f"{module}.{name}" not in names
    ]
    assert missing == []


def test_the_pictures_show_what_is_printed_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but times, dates, sizes and ports; ``docs/pictures/make.py`` makes them anew."""
    monkeypatch.syspath_prepend(str(DOCS / "pictures"))
    monkeypatch.setenv("PYTHONPATH", str(Path(hyper.__file__).parent.parent))
    make = importlib.import_module("make")
    for module in ("make", "architecture"):
        monkeypatch.delitem(sys.modules, module)

    def words(picture: str) -> set[str]:
        text = html.unescape(" ".join(re.findall(r"<text [^>]*>([^<]*)</text>", picture)))
        # A line may end within a date.
        text = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun),( +\d+ \w{3}\b)?", "a day", text)
        return set(re.sub(r"\d+(\.\d+)?( |$)?([mµ]?s|[kM]?B)?\b", "0", text).split())

    seen = []
    for name, picture in make.drawings():
        committed = (DOCS / "pictures" / name).read_text("utf-8")
        assert words(picture) == words(committed), f"{name}: run docs/pictures/make.py"
        assert len(words(picture)) > 15
        seen.append(name)
    assert seen == ["architecture.svg", "waterfall.svg", "debug.svg"]
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in ("waterfall.svg", "debug.svg", "trace-page.png"):
        assert f"](docs/pictures/{name})" in readme


def test_decisions_are_numbered_once_and_listed() -> None:
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for number, page in zip(numbers, pages, strict=True):
        assert page.read_text("utf-8").startswith(f"# {number}. "), page
    index = (DOCS / "decisions" / "index.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\d+)\]\(([\w.-]+)\) \|", index, re.M)
    assert rows == [(str(number), page.name) for number, page in zip(numbers, pages, strict=True)]
