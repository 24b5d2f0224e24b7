"""The command as somebody at a terminal sees it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

if sys.platform == "win32":
    pytest.skip("there are no such terminals on Windows", allow_module_level=True)

from ..certificates import Certificates
from ..servers import InProcessServer
from .conftest import Run
from .terminal import Terminal, plain


def test_heads_and_json_in_colour() -> None:
    with Terminal(["demo:/get", "a==1"]) as terminal:
        seen = terminal.end()

    assert terminal.code == 0
    assert seen.startswith("\x1b[34mHTTP/2\x1b[0m \x1b[32m200 OK\x1b[0m\n\x1b[36mserver\x1b[0m: ")
    assert '\n    \x1b[34m"args"\x1b[0m: {\n        \x1b[34m"a"\x1b[0m: \x1b[32m"1"\x1b' in seen
    assert plain(seen).endswith("\n}\n")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours(variables: dict[str, str]) -> None:
    with Terminal(["demo:/get"], variables) as terminal:
        seen = terminal.end()
    assert "\x1b" not in seen
    assert seen.startswith("HTTP/2 200 OK\n")


def test_help_has_the_width_of_the_terminal() -> None:
    shown = []
    for columns in (50, 120):
        with Terminal(["--help"], columns=columns) as terminal:
            shown.append(terminal.end())
        assert terminal.code == 0
    # What is written in lines of its own stays as it is; options are fitted.
    options = [text[text.index("request:") : text.index("words:")] for text in shown]
    widths = [max(map(len, text.splitlines())) for text in options]
    assert widths[0] < 60
    assert 80 < widths[1] < 120
    with Terminal(["--help"], {"COLUMNS": "120"}, columns=50) as terminal:
        assert terminal.end() == shown[1]


def test_errors_and_refusals() -> None:
    with Terminal(["demo:/status/404", "--body"]) as terminal:
        assert terminal.end() == "hyper: the server answered 404 Not Found\n"
        assert terminal.code == 0
    with Terminal(["demo:/get", "x"]) as terminal:
        assert terminal.end().startswith("hyper: error: 'x' is not a request item")
        assert terminal.code == 1


def test_what_is_no_text_is_not_shown() -> None:
    with Terminal(["demo:/bytes/100000?seed=1", "-b"]) as terminal:
        seen = terminal.end()
    assert "hyper: this is application/octet-stream, not text" in seen
    assert len(seen) < 70_000
    assert terminal.code == 0


def test_nothing_from_a_server_moves_the_cursor() -> None:
    words = ["POST", "demo:/echo", "--raw", "a\x1b[2Jb\x07", "content-type:text/plain", "-b"]
    with Terminal(words) as terminal:
        assert terminal.end() == "a\\x1b[2Jb\\x07\n"


def test_a_download_draws_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with Terminal(["-d", "demo:/bytes/30000000", "-o", str(path)]) as terminal:
        seen = terminal.end()
    assert terminal.code == 0
    assert path.stat().st_size == 30_000_000
    lines = seen.split("\r")
    bars = [plain(line.partition("\n")[0]) for line in lines[1:]]
    assert all(line.startswith("[") for line in bars)
    shares = [int(found[1]) for bar in bars if (found := re.search(r"(\d+)%", bar))]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert all(len(bar) < 80 for bar in bars)
    assert "HTTP/2\x1b[0m \x1b[32m200 OK" in lines[0]
    assert f"\nhyper: saved {path}: 30 MB in " in seen


def test_a_download_is_not_printed_on_a_terminal() -> None:
    with Terminal(["-d", "demo:/get", "-o", "-"]) as terminal:
        assert "-o - is for a pipe or a file" in terminal.end()
        assert terminal.code == 1


def test_a_narrow_terminal(tmp_path: Path) -> None:
    words = ["-d", "demo:/bytes/3000000", "-o", str(tmp_path / "file")]
    with Terminal(words, columns=30) as terminal:
        seen = terminal.end()
    drawn = [plain(line.partition("\n")[0]) for line in seen.split("\r")[1:]]
    assert drawn[-1].startswith("100%  3 MB of 3 MB")
    assert all(len(line) < 30 for line in drawn)


def test_ctrl_c() -> None:
    with Terminal(["demo:/delay/10", "--debug"]) as terminal:
        terminal.until(lambda seen: ":path=/delay/10" in seen)
        terminal.type("\x03")
        seen = terminal.end()
    assert terminal.code == 130
    assert "Traceback" not in seen


def test_ctrl_c_keeps_what_came_and_how_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "file"
    words = ["-d", "demo:/drip?numbytes=1000&duration=10", "-o", str(path)]
    with Terminal(words) as terminal:
        terminal.until(lambda seen: re.search(r"[1-9]\d* B of 1 kB", seen))
        terminal.type("\x03")
        seen = terminal.end()
    assert terminal.code == 130
    assert "Traceback" not in seen
    assert seen.endswith("\n")
    assert 0 < path.stat().st_size < 1000


def test_ctrl_c_among_many_requests() -> None:
    words = ["--repeat=100", "--parallel=10", "demo:/delay/5", "--debug"]
    with Terminal(words) as terminal:
        terminal.until(lambda seen: seen.count(":path=/delay/5") >= 10)
        terminal.type("\x03")
        seen = terminal.end()
    assert terminal.code == 130
    assert "Traceback" not in seen


def test_a_password_is_asked_for_and_not_shown() -> None:
    with Terminal(["demo:/get", "--auth", "me", "-b"]) as terminal:
        terminal.until(lambda seen: "password of me at " in seen)
        terminal.type("secret\n")
        seen = terminal.end()
    assert terminal.code == 0
    assert "Basic bWU6c2VjcmV0" in seen
    assert "secret" not in seen
    with Terminal(["demo:/get", "--auth", "me"]) as terminal:
        terminal.until(lambda seen: "password of me at " in seen)
        terminal.type("\x04")
        assert "\nhyper: error: --auth has no password: write USER:PASSWORD" in terminal.end()
    assert terminal.code == 1


def test_ctrl_c_instead_of_a_password() -> None:
    with Terminal(["-a", "me", "demo:/headers"]) as terminal:
        terminal.until(lambda seen: "password of me at " in seen)
        terminal.type("\x03")
        assert terminal.end().endswith(": \n")
        assert terminal.code == 130


def test_the_password_of_a_key_is_asked_for(
    run: Run, server: InProcessServer, certificates: Certificates, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(_encrypted(certificates.key.read_bytes(), b"secret"))
    trusted = ("--verify", str(certificates.authority))
    own = ("--cert", str(certificates.chain), "--cert-key", str(key))
    words = [f"https://localhost:{server.port}/ip", "-b", *trusted, *own]
    with Terminal(words) as terminal:
        terminal.until(lambda seen: f"password of the key in {key}: " in seen)
        terminal.type("secret\n")
        seen = terminal.end()
    assert terminal.code == 0
    assert '"origin"' in plain(seen)
    assert "secret" not in seen
    with Terminal(words) as terminal:
        terminal.until(lambda seen: "password of the key" in seen)
        terminal.type("wrong\n")
        assert "--cert-key-pass PASSWORD opens it" in terminal.end()
    assert terminal.code == 1
    done = run(*words)  # where nobody is to be asked
    assert done.code == 1
    assert done.err.endswith("is encrypted: --cert-key-pass PASSWORD opens it\n")
    with Terminal([*words, "--cert-key-pass=wrong"]) as terminal:
        assert "password of the key" not in terminal.end()
    assert terminal.code == 1


def _encrypted(pem: bytes, password: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
