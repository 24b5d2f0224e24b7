"""The command, from its words to its exit code: in this process, and in one of its own."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyper import __version__
from hyper.cli import main
from hyper.demo import DemoServer, seeded_chunks

from ...certificates import Certificates
from ...faults.rawserver import Conversation, RawServer
from ...peer import PREFACE, frame
from ...servers import InProcessServer

Captured = pytest.CaptureFixture[str]


def fails(capsys: Captured, *words: str, code: int = 1) -> str:
    """Run a command that fails; the one line that it says."""
    assert main(list(words)) == code
    said = capsys.readouterr()
    assert said.err.startswith("hyper: error: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    return said.err[len("hyper: error: ") : -1]


def test_get(capsys: Captured) -> None:
    assert main(["demo:/get", "search==hyper", "X-Really:yes"]) == 0

    said = capsys.readouterr()
    about = json.loads(said.out)
    assert about["args"] == {"search": "hyper"}
    assert about["headers"]["X-Really"] == "yes"
    assert about["headers"]["User-Agent"] == f"hyper/{__version__}"
    assert said.err == ""


def test_post(capsys: Captured) -> None:
    assert main(["POST", "demo:/post", "name=Hyper", "language=Python"]) == 0

    about = json.loads(capsys.readouterr().out)
    assert about["json"] == {"name": "Hyper", "language": "Python"}
    assert about["headers"]["Content-Type"] == "application/json; charset=utf-8"
    assert about["headers"]["Content-Length"] == str(len(about["data"]))


def test_pseudo_headers_can_be_overridden(capsys: Captured) -> None:
    assert main(["demo:/get", ":authority:other.example"]) == 0

    assert json.loads(capsys.readouterr().out)["url"] == "http://other.example/get"


def test_cleartext_by_prior_knowledge(capsys: Captured) -> None:
    with DemoServer() as server:
        assert main(["--h2", f"{server.url}/ip"]) == 0
        assert main(["--http2", f"{server.url}/ip"]) == 0

    assert capsys.readouterr().out == 2 * '{\n  "origin": "127.0.0.1"\n}\n'


def test_statuses_are_answers(capsys: Captured) -> None:
    assert main(["demo:/status/404"]) == 0
    assert capsys.readouterr() == ("", "")


def test_debug_shows_the_frames_on_stderr(capsys: Captured) -> None:
    assert main(["--debug", "demo:/ip", "authorization:Basic c2VjcmV0"]) == 0

    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert json.loads(said.out) == {"origin": "127.0.0.1"}
    assert any("> preface" in line for line in lines)
    assert any("< " in line and " HEADERS " in line and ":status=200" in line for line in lines)
    assert "authorization=<14 octets hidden>" in said.err
    assert "c2VjcmV0" not in said.err


def test_version_and_help(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hyper {__version__}\n"
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: hyper ")


def test_the_words_of_the_process_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(sys, "argv", ["hyper", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"hyper {__version__}\n"


# TLS


def test_a_server_that_the_system_trusts(
    http2bin: InProcessServer, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyper.tls._context", None)
    assert main(["GET", "https://http2bin.org/get", "search==hyper"]) == 0

    assert json.loads(capsys.readouterr().out)["args"] == {"search": "hyper"}


def test_verify_names_whom_to_trust(
    server: InProcessServer, certificates: Certificates, capsys: Captured
) -> None:
    url = f"https://localhost:{server.port}/ip"
    assert main([url, "--verify", str(certificates.authority)]) == 0
    assert main([url, "--verify=no"]) == 0
    assert capsys.readouterr().out.count("127.0.0.1") == 2


def test_a_certificate_that_nobody_trusts(server: InProcessServer, capsys: Captured) -> None:
    said = fails(capsys, f":{server.port}/")

    assert said.startswith(f"TLS handshake with localhost:{server.port} failed: ")
    assert "certificate verify failed" in said
    assert "--verify FILE" in said
    assert "init_context" not in said


def test_a_certificate_for_another_name(tmp_path: Path, capsys: Captured) -> None:
    other = Certificates.create(tmp_path, "other.example")
    with RawServer(lambda conversation: None, other.server_context()) as server:
        said = fails(capsys, f":{server.port}/", "--verify", str(other.authority))

    assert f"localhost:{server.port}" in said
    advice = "; ask for a name that is in it, with --connect-to if that leads elsewhere"
    assert f"not valid for 'localhost'{advice}" in said


def test_a_file_to_trust_that_does_not_exist(capsys: Captured) -> None:
    said = fails(capsys, "https://localhost/", "--verify", "no-such-file.pem")

    assert said == (
        "certificates to trust cannot be read: No such file or directory: no-such-file.pem"
    )


def test_a_server_without_h2(certificates: Certificates, capsys: Captured) -> None:
    context = certificates.server_context("http/1.1")
    with RawServer(lambda conversation: None, context) as server:
        said = fails(capsys, f":{server.port}/", "--http2", "--verify", str(certificates.authority))

    assert said.startswith(f"localhost:{server.port} does not speak HTTP/2")
    assert "'http/1.1'" in said
    assert said.endswith("; without --http2, HTTP/1.1 is spoken to it")


def test_a_server_that_does_not_speak_tls(capsys: Captured) -> None:
    with DemoServer() as server:
        said = fails(capsys, f"https://127.0.0.1:{server.port}/")

    assert f"127.0.0.1:{server.port}" in said
    assert said.endswith("seems not to speak TLS on this port: http:// asks without it")


# The network, and what comes over it


def test_nobody_listens(capsys: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    said = fails(capsys, f"http://127.0.0.1:{port}/")

    assert said.startswith(f"cannot connect to 127.0.0.1:{port}: ")
    assert "refused" in said


@pytest.mark.usefixtures("http2bin")  # which knows no other names
def test_a_name_without_an_address(capsys: Captured) -> None:
    said = fails(capsys, "https://nowhere.example/")

    assert "'nowhere.example'" in said


def test_a_name_that_cannot_be_one(capsys: Captured) -> None:
    said = fails(capsys, "https://a..b/")

    assert "a..b" in said


def eof_before_anything(conversation: Conversation) -> None:
    conversation._octets(len(PREFACE))
    conversation.finish()


def eof_before_the_head(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.finish()


def eof_within_the_head(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    conversation.say(conversation.head_frame(stream_id)[:-1])
    conversation.finish()


def eof_after_the_head(conversation: Conversation) -> None:
    conversation.head(conversation.hear_request())
    conversation.finish()


def a_body_cut_short(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    conversation.head(stream_id, [("content-length", "10")])
    conversation.data(stream_id, b"12345", end=True)
    conversation.linger()


def a_head_without_a_status(conversation: Conversation) -> None:
    stream_id = conversation.hear_request()
    block = conversation.encoder.encode([("server", "x")])
    conversation.say(frame("HEADERS", 0x5, stream_id, block))
    conversation.linger()


def a_head_that_is_no_hpack(conversation: Conversation) -> None:
    conversation.say(frame("HEADERS", 0x5, conversation.hear_request(), b"\xff\xff\xff"))
    conversation.linger()


def http_1_for_an_answer(conversation: Conversation) -> None:
    conversation.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    conversation.linger()


def a_goodbye_with_remarks(conversation: Conversation) -> None:
    conversation.hear_request()
    conversation.goaway(0, 11, b"too\nmany\x1b[2Jrequests")
    conversation.finish()


@pytest.mark.parametrize(
    "script",
    [
        eof_before_anything,
        eof_before_the_head,
        eof_within_the_head,
        eof_after_the_head,
        a_body_cut_short,
        a_head_without_a_status,
        a_head_that_is_no_hpack,
        http_1_for_an_answer,
        a_goodbye_with_remarks,
    ],
)
def test_whatever_the_server_does_wrong_is_one_line(
    script: Callable[[Conversation], None], capsys: Captured
) -> None:
    with RawServer(script) as server:
        said = fails(capsys, "--h2", f"http://127.0.0.1:{server.port}/get")

    assert f"127.0.0.1:{server.port}" in said
    assert said.isprintable()


def test_silence_is_a_timeout_with_a_code_of_its_own(capsys: Captured) -> None:
    start = time.monotonic()
    said = fails(capsys, "demo:/delay/5", "--timeout", "0.2", code=2)

    assert time.monotonic() - start < 4
    assert "0.2 s" in said


def test_mistakes_in_words_are_one_line(capsys: Captured) -> None:
    assert "is not a request item" in fails(capsys, "demo:/get", "what")


def test_mistakes_in_headers_are_one_line(capsys: Captured) -> None:
    said = fails(capsys, "demo:/get", "X-Bad:secret\r\nvalue")

    assert "CR, LF or NUL" in said
    assert "secret" not in said


def test_an_interrupt_has_the_code_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hyper.cli.running.run", interrupt)
    assert main(["demo:/"]) == 130


def test_an_error_without_words_has_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def fail(*_: Any) -> None:
        raise ConnectionAbortedError

    monkeypatch.setattr("hyper.cli.running.run", fail)
    assert fails(capsys, "demo:/") == "ConnectionAbortedError"


def test_a_bug_of_ours_is_not_made_to_look_like_a_mistake_of_yours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr("hyper.cli.running.run", fail)
    with pytest.raises(KeyError):
        main(["demo:/"])


# In a process of its own


def run(*words: str, stdout: Any = subprocess.PIPE) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "hyper", *words]
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")
    }
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=60, env=variables)


def test_a_pipe_gets_the_octets() -> None:
    done = run("demo:/bytes/3000000?seed=3")

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"".join(seeded_chunks(3_000_000, 3))


def test_a_pipe_that_closes_is_no_news() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = run("demo:/bytes/3000000", stdout=nobody)

    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = run("demo:/bytes/3000000", stdout=full)

    assert done.returncode == 1
    assert done.stderr == (
        b"hyper: error: the response cannot be written: No space left on device\n"
    )


def test_usage_errors_leave_two_to_timeouts() -> None:
    done = run("--bug")

    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == (
        b"hyper: error: unrecognized arguments: --bug (is --debug meant?); see hyper --help\n"
    )


def test_what_came_before_a_cut_is_written(tmp_path: Path) -> None:
    done = run("demo:/cut")

    assert done.returncode == 1
    assert done.stdout == bytes(1000)
    assert done.stderr.count(b"\n") == 1
    assert b"INTERNAL_ERROR" in done.stderr


def test_interrupted() -> None:
    command = [sys.executable, "-m", "hyper", "--debug", "demo:/delay/10"]
    asking = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background, they were started to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert asking.stderr is not None
    while b"HEADERS" not in asking.stderr.readline():
        pass
    asking.send_signal(signal.SIGINT)
    said, errors = asking.communicate(timeout=20)

    assert asking.returncode == 130
    assert said == b""
    assert b"Traceback" not in errors


def test_a_terminal_gets_json_indented() -> None:
    pty = pytest.importorskip("pty", reason="there are no terminals here")
    ours, theirs = pty.openpty()
    done = run("demo:/ip", stdout=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # Linux says EIO at the end
        while octets := os.read(ours, 10_000):
            said += octets
    os.close(ours)

    assert (done.returncode, done.stderr) == (0, b"")
    plain = re.sub(rb"\x1b\[[0-9]*m", b"", said).replace(b"\r\n", b"\n")
    assert plain != said, "and coloured"
    assert plain.startswith(b"HTTP/2 200 OK\nserver: hyper-demo/")
    assert plain.endswith(b'\n\n{\n    "origin": "127.0.0.1"\n}\n')


def test_mistakes_are_found_before_anything_is_loaded_for_them() -> None:
    code = (
        "import sys\n"
        "from hyper.cli import main\n"
        "print(main(['x', 'y']), {'hyper.demo', 'hyper.trace'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)

    assert done.stdout.split(b"\n")[0].strip() == b"1 set()"


def test_to_import_the_command_is_not_to_run_it() -> None:
    assert importlib.import_module("hyper.__main__").main is main
