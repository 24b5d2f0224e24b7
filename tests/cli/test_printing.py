"""What is printed of a request and its response, and what exit codes say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyper.cli.arguments import _parser

from .conftest import Run
from .redirecting import redirecting


def test_parts(run: Run) -> None:
    done = run("demo:/post", "a=1", "--print=HBhbm")

    heads = done.text.split("\n\n")
    assert heads[0].startswith("POST /post HTTP/2\nhost: 127.0.0.1:")
    assert "\ncontent-length: 10\n" in heads[0] + "\n"
    assert "\ncontent-type: application/json; charset=utf-8" in heads[0]
    assert heads[1] == '{"a": "1"}'
    assert heads[2].startswith("HTTP/2 200 OK\n")
    assert json.loads(heads[3])["json"] == {"a": "1"}
    figures = dict(line.split(": ") for line in heads[4].splitlines())
    assert figures["protocol"] == "HTTP/2"
    assert figures["stream"] == "1"
    assert figures["status"] == "200 OK"
    assert figures["body"] == f"{len(heads[3]) + 1} octets"


@pytest.mark.parametrize(
    ("words", "as_print"),
    [(["--headers"], "h"), (["-b"], "b"), (["--body"], "b"), (["-v"], "HBhb")],
)
def test_short_ways_to_say_it(run: Run, words: list[str], as_print: str) -> None:
    def lines(*words: str) -> list[str]:
        volatile = ("host:", "date:", '    "Host', '  "url')
        printed = run("demo:/anything", "--raw=1", *words).text.splitlines()
        return [line for line in printed if not line.startswith(volatile)]

    assert lines(*words) == lines("--print", as_print) != []


def test_a_file_that_was_sent_is_shown(run: Run) -> None:
    Path("note.txt").write_text("a note")
    done = run("-v", "POST", "demo:/echo", "@note.txt")
    head, body, _, again = done.text.split("\n\n")
    assert "\ncontent-length: 6\n" in head + "\n"
    assert body == again == "a note"


def test_a_head_has_a_head(run: Run) -> None:
    assert run("HEAD", "demo:/get").text.startswith("HTTP/2 200 OK\n")


def test_verbose_shows_interim_responses_and_trailers(
    run: Run, url: str, trusted: tuple[str, ...]
) -> None:
    done = run("-v", f"{url}/hints", *trusted)
    assert "HTTP/2 103 Early Hints\n" in done.text
    done = run("--print=hb", f"{url}/trailers", "te:trailers", *trusted)
    body = done.text.partition("\n\n")[2]
    assert "\n\n" in body, "the trailers stand apart behind the body"


def test_offline_prints_what_would_be_sent(run: Run) -> None:
    Path("note.txt").write_text("note")
    done = run("--offline", "-f", "https://nowhere.example:1/x", "q==1", "a=1", "f@note.txt")

    assert (done.code, done.err) == (0, "")
    head, _, body = done.text.partition("\n\n")
    assert head.startswith("POST /x?q=1 HTTP/2\nhost: nowhere.example:1\n")
    assert f"\ncontent-length: {len(body.encode())}" in head
    assert 'filename="note.txt"' in body
    assert body.endswith("--\r\n")


def test_quiet(run: Run) -> None:
    assert run("-q", "demo:/get") == (0, b"", "")
    done = run("-q", "--check-status", "demo:/status/404")
    assert (done.code, done.out) == (4, b"")
    assert done.err == "hyper: the server answered 404 Not Found\n"
    assert run("-qq", "--check-status", "demo:/status/404") == (4, b"", "")
    assert run("-qq", "demo:/delay/5", "--timeout=0.1").code == 2
    # Quiet is the terminal; a file that was named is wanted.
    assert run("-q", "demo:/bytes/9", "-o", "nine") == (0, b"", "")
    assert Path("nine").stat().st_size == 9
    assert run("-qq", "demo:/get", "-o", "-") == (0, b"", "")


def test_twice_quiet_is_without_any_warning(
    run: Run, url: str, trusted: tuple[str, ...], nobodys_home: Path
) -> None:
    (nobodys_home / ".netrc").write_text("nonsense\n")
    address = f"{url}/get"
    warning = run(address, *trusted).err
    assert "is not understood, and not used" in warning
    assert run(address, "-q", *trusted) == (0, b"", warning)
    assert run(address, "-qq", *trusted) == (0, b"", "")
    assert run(address, *trusted).err == warning, "it was for that command only"


@pytest.mark.parametrize(
    ("status", "code"), [(200, 0), (204, 0), (304, 3), (404, 4), (418, 4), (500, 5), (599, 5)]
)
def test_statuses_by_exit_code(run: Run, status: int, code: int) -> None:
    assert run("--check-status", f"demo:/status/{status}").code == code
    assert run(f"demo:/status/{status}") == (0, b"", "")


def test_an_end_to_everything(run: Run) -> None:
    done = run("demo:/drip?numbytes=100&duration=10", "--max-time=0.5", "--timeout=5")
    assert done.code == 2
    assert 0 < len(done.out) < 50
    assert done.err.count("\n") == 1
    assert run("demo:/redirect/5", "-F", "--max-time=20").code == 0


def test_the_end_is_the_same_for_all_redirects(run: Run) -> None:
    with redirecting() as url:
        inner = "/?wait=1.2%26to=/there%26status=302"
        words = (f"{url}?wait=1.2&to={inner}&status=302", "-F")
        assert run(*words).code == 0
        done = run(*words, "--max-time=2")
    assert done.code == 2
    assert done.err.count("\n") == 1


def test_output_into_a_file(run: Run) -> None:
    done = run("demo:/bytes/100000?seed=1", "-o", "bytes.bin")
    assert done == (0, b"", "")
    assert Path("bytes.bin").stat().st_size == 100_000
    assert run("demo:/get", "-o", "head.txt", "--headers").out == b""
    assert Path("head.txt").read_text().startswith("HTTP/2 200 OK\n")
    assert run("demo:/status/200", "-o", "-").code == 0
    assert run("demo:/get", "-o", "/dev/null").code == 0


def test_a_file_stays_until_there_is_something_instead(run: Run) -> None:
    Path("file").write_text("precious and long")
    assert run("http://127.0.0.1:1/", "-o", "file").code == 1
    assert run("demo:/reset", "-o", "file").code == 1
    assert run("demo:/delay/3", "-o", "file", "--timeout=0.1").code == 2
    assert Path("file").read_text() == "precious and long"
    assert run("demo:/get", "-o", "file").code == 0
    assert Path("file").read_text().endswith('/get"\n}\n')
    assert run("demo:/status/204", "-o", "file").code == 0
    assert Path("file").read_bytes() == b""
    run("--offline", "demo:/get", "-o", "file", "--print=H")
    assert Path("file").read_text().startswith("GET /get HTTP/2\n")


def test_looks_by_option(run: Run) -> None:
    body = '{"b":1.0e5,"a":["\\u00e4",{}],"a":null}'
    url = ("POST", "demo:/echo", "--raw", body, "content-type:application/json")
    assert run(*url).text == body
    indented = (
        '{\n    "b": 1.0e5,\n    "a": [\n        "ä",\n        {}\n    ],\n    "a": null\n}\n'
    )
    assert run(*url, "--pretty=format").text == indented
    coloured = run(*url, "--pretty=all").text
    assert '\x1b[34m"b"\x1b[0m: \x1b[35m1.0e5\x1b[0m' in coloured
    assert run(*url, "--pretty=python").text == "{'a': None, 'b': 100000.0}\n"
    only = run(*url, "--pretty=colors").text
    assert "\n" not in only[:-1]
    assert "\x1b[35mnull\x1b[0m" in only


def test_colours_by_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[34m" in run("demo:/get").text
    assert "\x1b" not in run("demo:/get", "--pretty=none").text
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("demo:/get").text
    assert "\x1b[34m" in run("demo:/get", "--pretty=all").text


def test_pygments_colours_the_rest(run: Run) -> None:
    pytest.importorskip("pygments")
    for words in (["--pretty=all"], ["--pretty=all", "--style=monokai"]):
        done = run("demo:/", *words)
        assert "\x1b[" in done.text
        assert "hyper's demo" in done.text
    plain = run("demo:/get", "--pretty=format").text
    styled = run("demo:/get", "--pretty=all", "--style=monokai").text
    assert "\x1b[38;5;" in styled
    assert len(styled) > len(plain)


def test_no_compression_if_not_wanted(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert json.loads(run(f"{url}/gzip", *trusted).out)["gzipped"] is True
    assert json.loads(run(f"{url}/gzip", "--compressed", *trusted).out)["gzipped"] is True
    done = run(f"{url}/gzip", "--no-compressed", *trusted)
    assert done.out.startswith(b"\x1f\x8b"), "as it was sent"
    about = json.loads(run(f"{url}/get", "--no-compressed", *trusted).out)
    assert about["headers"]["Accept-Encoding"] == "identity"


def test_a_part_is_asked_for_without_a_coding(run: Run) -> None:
    """RFC 9110 §14.1.2: it would be a part of the coded octets, which nobody can decode."""
    for words, coding in (
        (["Range:bytes=0-9"], "identity"),
        (["Range:bytes=0-9", "Accept-Encoding:gzip"], "gzip"),
    ):
        about = json.loads(run("demo:/get", *words).out)
        assert about["headers"]["Accept-Encoding"] == coding


def test_streams_are_not_waited_for(run: Run) -> None:
    done = run("demo:/get", "--pretty=all", "--stream")
    assert "\x1b[" not in done.text.partition("\n")[0], "a line that is no JSON by itself"
    body = '{"a": 1}\n[2]\nnothing'
    words = ("POST", "demo:/echo", "--raw", body, "content-type:application/json")
    done = run(*words, "--pretty=colors", "-S")
    assert done.text == '{\x1b[34m"a"\x1b[0m: \x1b[35m1\x1b[0m}\n[\x1b[35m2\x1b[0m]\nnothing\n'


def test_every_option_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
    names = {
        name
        for action in _parser()._actions
        for name in action.option_strings
        if name.startswith("--")
    }
    assert len(names) > 45
    assert {name for name in names if f"{name}" not in page} == set()
