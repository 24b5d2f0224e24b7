"""Servers that do wrong, and bodies that do not fit: one line at most, and bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shlex
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hyper.demo import seeded_chunks

from ..faults.rawserver import Conversation, RawServer
from .conftest import Run

MEGABYTE = 2**20


def answering(octets: bytes) -> Callable[[Conversation], None]:
    """A server of HTTP/1.1 that says just this, and closes."""

    def script(conversation: Conversation) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            more = conversation.socket.recv(65_536)
            if not more:
                return
            heard += more
        conversation.say(octets)
        conversation.finish()

    return script


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 999999 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: \x1b[2J\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" * 1_000,
        b"HTTP/1.1 200 " + b"x" * 100_000,
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_whatever_comes_is_one_line(run: Run, octets: bytes) -> None:
    with RawServer(answering(octets)) as server:
        done = run(f"http://127.0.0.1:{server.port}/")

    assert done.code == 1
    assert done.err.startswith("hyper: error: ")
    assert done.err.count("\n") == 1
    assert done.err[:-1].isprintable()
    assert f"127.0.0.1:{server.port}" in done.err or "content" in done.err


@pytest.mark.parametrize(
    "content_type",
    ["", ";;;", "application/json; charset=\x1b[2J", "text/html; charset=rot13", "a/b" * 1000],
)
def test_whatever_a_type_says(run: Run, content_type: str) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 3\r\n\r\nabc"
    with RawServer(answering(head.encode())) as server:
        done = run(f"http://127.0.0.1:{server.port}/", "--pretty=all")
    if done.code:
        assert "\x1b" not in done.err, "refused as a header"
    else:
        assert done.text == "abc\n"


@pytest.mark.parametrize("charset", ["punycode", "IDNA", "unicode_escape", "raw-unicode-escape"])
def test_what_is_no_charset_is_none(run: Run, charset: str) -> None:
    """Python has codecs for more than text; some of them take seconds for a megabyte."""
    body = "xn--\\x41-é".encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset={charset}\r\n\r\n"
    with RawServer(answering(head.encode() + body)) as server:
        done = run(f"http://127.0.0.1:{server.port}/", "--body", "--pretty=format")
    assert (done.code, done.out) == (0, body + b"\n")


def test_heads_are_harmless(run: Run) -> None:
    head = "HTTP/1.1 200 OK\r\nserver: \x9b2J\xff\r\ncontent-length: 0\r\n\r\n".encode("latin-1")
    with RawServer(answering(head)) as server:
        done = run(f"http://127.0.0.1:{server.port}/", "--headers")
    assert done.code == 0
    assert "server: \\x9b2J" in done.text


@pytest.mark.parametrize(
    "attributes", ["max-age=" + "9" * 400, "MAX-AGE = " + "1" * 60_000, "expires=" + "9-" * 30_000]
)
def test_cookies_for_longer_than_time(run: Run, attributes: str) -> None:
    """http.cookiejar would warn of itself, by a traceback of many lines."""
    head = f"HTTP/1.1 200 OK\r\nset-cookie: a=b; {attributes}\r\ncontent-length: 0\r\n\r\n"
    with RawServer(answering(head.encode())) as server:
        done = run(f"http://127.0.0.1:{server.port}/", "--session", "./s.json")
    assert (done.code, done.err) == (0, "")
    (cookie,) = json.loads(Path("s.json").read_text())["cookies"]
    assert (cookie["name"], cookie["value"]) == ("a", "b")


def test_the_body_of_a_redirect_is_not_unpacked(run: Run) -> None:
    packed = gzip.compress(bytes(50 * MEGABYTE), 9)
    asked = []

    def script(conversation: Conversation) -> None:
        heard = conversation.socket.recv(65_536)
        if not heard:
            return
        asked.append(heard)
        if len(asked) == 1:
            head = (
                "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-encoding: gzip\r\n"
                f"content-length: {len(packed)}\r\n\r\n"
            )
            conversation.say(head.encode() + packed)
            conversation.finish()
        else:
            conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            conversation.finish()

    assert len(packed) < 65_536
    with RawServer(script) as server:
        done = run("-F", f"http://127.0.0.1:{server.port}/")
    assert (done.code, done.out) == (0, b"ok")


def test_a_redirect_that_never_ends_its_body(run: Run) -> None:
    asked = []

    def script(conversation: Conversation) -> None:
        heard = conversation.socket.recv(65_536)
        if not heard:
            return
        asked.append(heard)
        if len(asked) == 1:
            conversation.say(b"HTTP/1.1 302 Found\r\nlocation: /there\r\n\r\n")
            try:
                while True:
                    conversation.say(bytes(65_536))
            except OSError:
                return
        conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        conversation.finish()

    with RawServer(script) as server:
        done = run("-F", f"http://127.0.0.1:{server.port}/")
    assert (done.code, done.out) == (0, b"ok")


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, "[1e400000]", '"\\ud800"'])
def test_json_that_is_meant_badly(run: Run, body: str) -> None:
    Path("body").write_text(body)
    words = ("POST", "demo:/echo", "@body", "content-type:application/json", "--pretty=all")
    done = run(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.strip()


# In processes of their own


STARTER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), used.ru_maxrss)
"""


def memory_of(words: list[str], stdin: int | None = None) -> tuple[int, int]:
    """The exit code of a command, and the most memory that it took, in megabytes.

    A process begins with the peak of the one that it was forked from, so a small one starts it.
    """
    done = subprocess.run(
        [sys.executable, "-c", STARTER, sys.executable, "-m", "hyper", *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        check=True,
    )
    code, peak = map(int, done.stdout.split())
    return code, peak // (1024 if sys.platform != "darwin" else MEGABYTE)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="nobody says here what a process took")
class TestMemory:
    @pytest.mark.parametrize("more", [[], ["-p", "hb"], ["-d", "-o", os.devnull]])
    def test_of_a_download(self, more: list[str]) -> None:
        code, megabytes = memory_of(["demo:/bytes/150000000?seed=1", *more])
        assert code == 0
        assert megabytes < 100

    def test_of_a_bomb(self, run: Run) -> None:
        # 200 MB in 200 kB; what is shown is shown in pieces.
        packer = zlib.compressobj(9, wbits=31)
        packed = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(200)) + packer.flush()
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
        with RawServer(answering(head.encode() + packed)) as server:
            code, megabytes = memory_of([f"http://127.0.0.1:{server.port}/"])
        assert code == 0
        assert megabytes < 100

    def test_of_an_upload(self, tmp_path: Path) -> None:
        with open("file", "wb") as file:
            file.truncate(150_000_000)
        for words in (["@file"], ["-f", "f@file"]):
            code, megabytes = memory_of(["POST", "demo:/digest", *words])
            assert code == 0
            assert megabytes < 100


def test_an_upload_from_a_pipe() -> None:
    size = 5_000_000
    body = b"".join(seeded_chunks(size, 1))
    Path("file").write_bytes(body)
    hyper = f"{shlex.quote(sys.executable)} -m hyper"
    done = subprocess.run(
        ["sh", "-c", f"cat file | {hyper} POST demo:/digest"], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    about = json.loads(done.stdout)
    assert hashlib.sha256(body).hexdigest() in about.values()


def test_an_empty_pipe_is_no_body() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hyper", "POST", "demo:/post"],
        input=b"",
        capture_output=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["data"] == ""


def test_a_silent_pipe_is_waited_for_with_words() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hyper", "POST", "demo:/post"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.readline().decode()
    assert "waiting for the body on standard input; --ignore-stdin" in said
    out, errors = process.communicate(b"[1]", timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert json.loads(out)["json"] == [1]


def test_whoever_has_seen_enough() -> None:
    hyper = f"{shlex.quote(sys.executable)} -m hyper"
    for words in ("demo:/bytes/20000000", "--help", "-v demo:/bytes/20000000"):
        done = subprocess.run(
            ["sh", "-c", f"{hyper} {words} | head -c 10"], capture_output=True, timeout=60
        )
        assert (len(done.stdout), done.stderr) == (10, b"")


def test_errors_that_nobody_reads() -> None:
    """The exit code is what the error asks for, and not that of an error in saying so."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        for words, code in (
            (["demo:/status/404", "--check-status"], 4),
            (["demo:/delay/20", "--timeout=0.1"], 2),
            (["demo:/get", "oops"], 1),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "hyper", *words],
                stdout=subprocess.PIPE,
                stderr=nobody,
                timeout=60,
            )
            assert (done.returncode, done.stdout) == (code, b"")


def test_closed_channels() -> None:
    hyper = f"{shlex.quote(sys.executable)} -m hyper"
    for words in ("demo:/get >&-", "demo:/get <&-", "demo:/get oops 2>&-", "--version >&-"):
        done = subprocess.run(["sh", "-c", f"{hyper} {words}"], capture_output=True, timeout=60)
        assert b"Traceback" not in done.stderr + done.stdout, words
        assert done.returncode in (0, 1)


def test_what_http_1_1_says_of_a_status(run: Run) -> None:
    octets = b"HTTP/1.1 404 Gone Fishing\r\ncontent-length: 0\r\n\r\n"
    with RawServer(answering(octets)) as server:
        done = run(f"http://127.0.0.1:{server.port}/", "--headers")
    assert done.text.startswith("HTTP/1.1 404 Gone Fishing\n")


def test_octets_that_are_no_text(run: Run) -> None:
    done = run("demo:/headers", "X-Odd:\udcff", "a==\udcfe")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["headers"]["X-Odd"] == "\xff"


def test_what_is_said_of_a_break_stands_on_a_line_of_its_own(run: Run) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nsome"
    with RawServer(answering(head)) as server:
        done = run(f"http://127.0.0.1:{server.port}/", "--pretty=format")
    assert (done.code, done.out) == (1, b"some\n")
    assert done.err.startswith("hyper: error: ")
