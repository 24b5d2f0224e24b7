"""``python -m tests.release DIST PYTHON``: whether what a release uploads is whole, and works.

DIST is the folder with the sdist and the wheel, PYTHON an interpreter with the wheel installed and
nothing else. Both archives are held against the sources; then PYTHON asks a server over verified
TLS, as a program and by the command, and is turned away where it trusts nobody.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from .certificates import Certificates
from .servers import InProcessServer

ROOT = Path(__file__).resolve().parent.parent

#: A program as README has it, but for whom to trust.
PROGRAM = """
import sys
from hyper import HTTP20Connection
from hyper.tls import init_context
context = init_context(sys.argv[2])
with HTTP20Connection('localhost', int(sys.argv[1]), ssl_context=context) as connection:
    connection.request('GET', '/get')
    response = connection.get_response()
    print(response.status, response.version, len(response.read()) > 100)
"""


class Unfit(Exception):
    """This should not be uploaded; the message says why."""


def check_wheel(path: Path) -> None:
    """Every file of the package and no other; what an installer has to know."""
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        package = {name for name in names if ".dist-info/" not in name}
        sources = {
            str(file.relative_to(ROOT / "src"))
            for file in (ROOT / "src" / "hyper").rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        }
        if package != sources:
            raise Unfit(f"the wheel and src differ in {sorted(package ^ sources)}")
        if "hyper/py.typed" not in package:
            raise Unfit("py.typed is missing: no type checker would look into it")
        folder = next(name for name in names if name.endswith(".dist-info/METADATA"))[
            : -len("METADATA")
        ]
        about = message_from_bytes(wheel.read(folder + "METADATA"))
        entries = wheel.read(folder + "entry_points.txt").decode()
        if folder + "licenses/LICENSE" not in names:
            raise Unfit("the licence is missing")
    check_metadata(about)
    if "hyper = hyper.cli:main" not in entries.splitlines():
        raise Unfit("it would install no hyper command")


def check_metadata(about: Message) -> None:
    """Nothing to install beside it, unless somebody asks for an extra."""
    required = [text for text in about.get_all("Requires-Dist", []) if "extra ==" not in text]
    if required:
        raise Unfit(f"it requires {required}, and promises to require nothing")
    if about["Requires-Python"] != ">=3.11":
        raise Unfit(f"it is for Python {about['Requires-Python']}")


def check_sdist(path: Path) -> None:
    """All that is needed to build and to test, and nothing that lies about here."""
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for wanted in ("dev", "pyproject.toml", "README.md", "LICENSE", "src/hyper/py.typed",
                   "tests/release.py", "docs/index.md"):  # fmt: skip
        if wanted not in names:
            raise Unfit(f"{wanted} is missing in {path.name}")
    for name in names:
        if {"__pycache__", "_build", "dist"} & set(Path(name).parts) or name.startswith(".venv"):
            raise Unfit(f"{name} has no business in {path.name}")


def check_requests(python: str) -> None:
    """One verified request for each way to ask, and one that is refused."""
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates.create(Path(folder))
        server = InProcessServer(certificates)
        try:
            url = f"https://localhost:{server.port}/get"
            trusted = str(certificates.authority)
            said = _run(python, "-c", PROGRAM, str(server.port), trusted)
            if said != (0, "200 20 True\n"):
                raise Unfit(f"a program was told {said}")
            for option, version in (("--http2", "HTTP/2"), ("--http1.1", "HTTP/1.1")):
                words = (option, "--headers", "--verify", trusted, url)
                code, text = _run(python, "-m", "hyper", *words)
                if code or not text.startswith(f"{version} 200 "):
                    raise Unfit(f"hyper {option} ended with {code}, and printed {text!r}")
            code, text = _run(python, "-m", "hyper", url)
            if code != 1 or "certificate verify failed" not in text:
                raise Unfit(f"a certificate that nobody trusts was taken: {code}, {text!r}")
        finally:
            server.stop()


def _run(python: str, *words: str) -> tuple[int, str]:
    # -I: neither this folder nor the environment's variables help along.
    done = subprocess.run(
        [python, "-I", *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout or done.stderr


def main(arguments: list[str]) -> int:
    folder, python = Path(arguments[0]), arguments[1]
    try:
        [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
        check_wheel(wheel)
        check_sdist(sdist)
        check_requests(python)
    except Unfit as problem:
        print(f"release: {problem}")
        return 1
    print(f"release: {wheel.name} and {sdist.name} are whole, and {python} asks with them")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
