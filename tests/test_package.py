"""What one gets by installing hyper: its names, its size at import, and nothing else."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import hyper

from .servers import InProcessServer

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: The documented addresses, old ones among them: each has to be where the thing lives.
EXPORTS = {
    "hyper": {
        "HTTP11Connection",
        "HTTP11Response",
        "HTTP20Connection",
        "HTTP20Push",
        "HTTP20Response",
        "HTTPConnection",
        "__version__",
    },
    "hyper.common.exceptions": {
        "ChunkedDecodeError",
        "ConnectionError",
        "ConnectionResetError",
        "ContentDecodingError",
        "HTTPUpgrade",
        "HyperError",
        "InvalidResponseError",
        "LineTooLongError",
        "MissingCertFile",
        "ProxyError",
        "ProxyResponse",
        "SocketError",
        "TLSUpgrade",
        "own_copy",
        "template",
    },
    "hyper.common.headers": {"HTTPHeaderMap"},
    "hyper.hpack": {
        "Backend",
        "Decoder",
        "Encoder",
        "HPACKError",
        "HPACKLimitError",
        "backend",
        "choose",
    },
    "hyper.http20.errors": {"get_data"},
    "hyper.http20.exceptions": {
        "ConnectionError",
        "ErrorCode",
        "H2NotNegotiatedError",
        "HPACKDecodingError",
        "HPACKEncodingError",
        "HTTP20Error",
        "ProtocolError",
        "StreamResetError",
    },
    "hyper.http20.limits": {"Limits", "choose", "chosen"},
    "hyper.http20.window": {"BaseFlowControlManager", "FlowControlManager"},
    "hyper.trace": {
        "FrameTrace",
        "Record",
        "RecordTrace",
        "Timeline",
        "Watch",
        "read_recording",
        "trace_for_connection",
    },
}


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a Python of its own that sees the library and no installed package."""
    path = str(Path(hyper.__file__).parent.parent)
    return subprocess.run(
        [sys.executable, "-S", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": path, **variables},
        check=False,
    )


@pytest.fixture
def metadata() -> importlib.metadata.PackageMetadata:
    """What the installed distribution says of itself; `python3 dev test` always installs it."""
    try:
        return importlib.metadata.metadata("hyper")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("hyper is on the path here, but not installed")


@pytest.mark.parametrize("module", EXPORTS)
def test_a_module_exports_what_is_documented_and_nothing_else(module: str) -> None:
    loaded = importlib.import_module(module)
    assert set(loaded.__all__) == EXPORTS[module]
    for name in EXPORTS[module]:
        assert hasattr(loaded, name), f"{module}.{name}"


def test_every_all_names_what_exists_in_order() -> None:
    """A name that is gone from a module is gone from its list."""
    seen = 0
    for path in sorted(Path(hyper.__file__).parent.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
                defined = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
                assert set(names) <= defined, path
                assert len(names) == len(set(names)), path
                seen += 1
    assert seen > 10


def test_the_version_is_one_fact(metadata: importlib.metadata.PackageMetadata) -> None:
    assert re.fullmatch(r"1\.0\.0(\.dev\d+|a\d+|b\d+|rc\d+)?", hyper.__version__)
    assert metadata["version"] == hyper.__version__


def test_nothing_is_required_beside_python(metadata: importlib.metadata.PackageMetadata) -> None:
    assert PROJECT["project"]["dependencies"] == []
    required = metadata.get_all("requires-dist") or []
    assert len(required) > 10, "the extras at least"
    assert [line for line in required if "extra ==" not in line] == []


def test_no_version_of_python_or_of_a_package_is_too_new() -> None:
    """R29: whoever pins what is newest today breaks tomorrow's installations."""
    project = PROJECT["project"]
    wanted = [line for extra in project["optional-dependencies"].values() for line in extra]
    wanted = [line.partition(";")[0] for line in [*project["dependencies"], *wanted]]
    assert sum(">=" in line for line in wanted) > 10
    assert [line for line in wanted if set(re.findall("[<>=!~]+", line)) - {">="}] == []
    assert project["requires-python"] == ">=3.11"


def test_a_new_python_finds_nothing_that_it_warns_of(tmp_path: Path) -> None:
    """R29: what one Python warns of, another one has no longer.

    Each file is compiled anew, and each module of ours imported that needs no other package.
    """
    code = (
        "import hyper, importlib, pkgutil\n"
        "for each in pkgutil.walk_packages(hyper.__path__, 'hyper.'):\n"
        "    if not each.name.endswith('__main__') and '.contrib.' not in each.name:\n"
        "        importlib.import_module(each.name)\n"
        "        print(each.name)\n"
    )
    fresh = f"-Xpycache_prefix={tmp_path}"
    done = python("-W", "error", "-X", "dev", fresh, "-c", code)
    assert (done.stderr, done.returncode) == ("", 0)
    assert {"hyper.hpack.decoder", "hyper.sync.pump", "hyper.trace.page"} <= {*done.stdout.split()}
    folder = str(Path(hyper.__file__).parent)
    done = python("-W", "error", fresh, "-m", "compileall", "-q", "-f", folder)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_other_packages_for_http_2_cannot_break_it(server: InProcessServer, tmp_path: Path) -> None:
    """R29: hyper 0.7 stood on some of these, and did not survive their next versions."""
    for name in ("enum34", "h11", "h2", "hpack", "hyperframe", "priority", "rfc3986"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('{name} has changed')\n")
    code = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from hyper import HTTP11Connection, HTTP20Connection\n"
        "for kind in HTTP11Connection, HTTP20Connection:\n"
        "    with kind('localhost', int(sys.argv[2]), timeout=20) as connection:\n"
        "        connection.request('GET', '/hello')\n"
        "        print(connection.get_response().read().decode())\n"
    )
    done = python("-c", code, str(tmp_path), str(server.plain_port))
    assert (done.stdout, done.stderr) == ("hello, world\n" * 2, "")


def test_the_published_extras_are_the_documented_ones() -> None:
    users = {"tls", "brotli", "zstd", "idna", "socks", "cli", "requests", "httpie", "httpx", "all"}
    ours = {"test", "interop", "lint", "docs", "fuzz"}
    assert set(PROJECT["project"]["optional-dependencies"]) == users | ours


def test_types_are_published() -> None:
    assert (Path(hyper.__file__).parent / "py.typed").exists()


def test_it_imports_and_makes_a_connection_with_no_package_installed() -> None:
    code = (
        "import hyper, sys; hyper.HTTP20Connection('localhost:1')\n"
        "print([name for name in sys.modules if 'site-packages' in "
        "(getattr(sys.modules[name], '__file__', None) or '')])"
    )
    done = python("-W", "error", "-c", code)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


def test_importing_it_brings_in_nothing_heavy() -> None:
    """Start-up is felt by everyone who types ``hyper``; each of these costs 5 to 30 ms."""
    heavy = {"asyncio", "http.client", "email", "urllib.request", "argparse", "logging", "inspect"}
    done = python("-c", "import hyper, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "hyper" in loaded
    assert loaded & heavy == set()


def test_the_command_knows_its_version_both_ways() -> None:
    """``hyper`` on PATH may be somebody else's, so ``python -m hyper`` is documented beside it."""
    assert PROJECT["project"]["scripts"] == {"hyper": "hyper.cli:main"}
    done = python("-m", "hyper", "--version")
    assert done.returncode == 0, done.stderr
    assert hyper.__version__ in done.stdout


def test_no_file_of_the_package_names_a_path_of_somebody_s_machine() -> None:
    machine = re.compile(r"(?<![\w.~/])/(?:home|root|Users)/\w")
    for path in sorted(Path(hyper.__file__).parent.rglob("*.py")):
        assert not machine.search(path.read_text(encoding="utf-8")), path
