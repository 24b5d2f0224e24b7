"""Bodies into files: their names, whole or in parts."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from hyper.cli.download import file_name
from hyper.cli.progress import Progress, amount

from ..faults.rawserver import Conversation, RawServer
from .conftest import Run

WHOLE = random.Random(5).randbytes(100_000)


class Shelf:
    """Answers ranges of ``WHOLE`` over HTTP/1.1, and notes what it was asked for."""

    def __init__(self, etag: str = '"one"', cut: int | None = None) -> None:
        self.etag = etag
        self.cut = cut
        self.asked: list[dict[str, str]] = []

    def __call__(self, conversation: Conversation) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = conversation.socket.recv(65_536)
            if not more:
                return
            head += more
        lines = head.decode().split("\r\n")[1:-2]
        fields = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        self.asked.append(fields)
        begin = 0
        if fields.get("if-range", self.etag) == self.etag and "range" in fields:
            begin = int(fields["range"].removeprefix("bytes=").removesuffix("-"))
        status, more_fields = "200 OK", ""
        if begin >= len(WHOLE):
            status, more_fields = "416 No", f"content-range: bytes */{len(WHOLE)}\r\n"
        elif begin:
            status = "206 Part"
            more_fields = f"content-range: bytes {begin}-{len(WHOLE) - 1}/{len(WHOLE)}\r\n"
        body = WHOLE[begin:]
        head = (
            f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\netag: {self.etag}\r\n"
            f"content-type: application/octet-stream\r\n{more_fields}\r\n"
        ).encode()
        conversation.say(head + body[: self.cut])
        conversation.finish()


def test_a_name_of_its_own(run: Run) -> None:
    done = run("--download", "demo:/bytes/1000?seed=1")
    assert (done.code, done.out) == (0, b"")
    assert done.err.startswith("hyper: saved 1000.bin: 1 kB in ")
    assert Path("1000.bin").stat().st_size == 1000
    assert run("-d", "demo:/bytes/1000?seed=2").err.startswith("hyper: saved 1000-1.bin: ")
    assert run("-q", "-d", "demo:/bytes/7", "-o", "seven").err == ""
    assert sorted(os.listdir()) == ["1000-1.bin", "1000.bin", "seven"]


def test_what_is_refused_is_not_saved(run: Run) -> None:
    done = run("-d", "demo:/status/404")
    assert done.code == 1
    assert done.err == "hyper: error: the server answered 404 Not Found, and nothing was saved\n"
    assert os.listdir() == []
    assert run("-d", "demo:/status/404", "--check-status").code == 4
    done = run("-d", "demo:/status/304")
    assert done.err == "hyper: error: the server answered 304 Not Modified, and nothing was saved\n"
    assert os.listdir() == []


def test_redirects_are_followed_to_what_is_to_be_saved(run: Run) -> None:
    """As HTTPie does: nobody downloads a redirect."""
    # Named by whom we asked for it: a redirect has no say in what our files are called.
    assert run("-d", "demo:/redirect/1").err.startswith("hyper: saved 1.json: ")
    assert json.loads(Path("1.json").read_text())["url"].endswith("/get")
    assert run("-d", "demo:/redirect/3", "--max-redirects=2").code == 6
    assert os.listdir() == ["1.json"]


def test_into_a_pipe(run: Run) -> None:
    """A dash is standard output, as in curl; what is said of it stays out of it."""
    done = run("-d", "demo:/bytes/70000?seed=1", "-o", "-")
    assert (done.code, len(done.out)) == (0, 70_000)
    assert done.err.startswith("hyper: printed: 70 kB in ")
    done = run("-d", "-c", "demo:/get", "-o", "-")
    assert done.err == "hyper: error: --continue goes on with a file: name it with --output FILE\n"
    assert os.listdir() == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", [["-d"], [], ["-p", "hb"]])
def test_a_full_disk(run: Run, words: list[str]) -> None:
    for size in (10, 3_000_000):
        done = run(*words, f"demo:/bytes/{size}", "-o", "/dev/full")
        assert done.code == 1
        said = "'/dev/full' cannot be written: No space left on device"
        assert done.err == f"hyper: error: {said}\n"


def test_octets_are_not_packed(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert run("-d", f"{url}/headers", "-o", "h.json", *trusted).code == 0
    assert json.loads(Path("h.json").read_text())["headers"]["Accept-Encoding"] == "identity"


def test_going_on_where_it_stopped(run: Run) -> None:
    shelf = Shelf(cut=40_000)
    with RawServer(shelf) as server:
        words = ("-d", f"http://127.0.0.1:{server.port}/file", "-o", "file")
        done = run(*words)
        assert done.code == 1
        assert done.err.count("\n") == 1
        assert Path("file").read_bytes() == WHOLE[:40_000]
        assert json.loads(Path("file.resume").read_text())["validator"] == '"one"'

        shelf.cut = None
        done = run(*words, "--continue")
        assert (done.code, done.out) == (0, b"")
        assert done.err.startswith("hyper: saved file: 60 kB in ")
        assert shelf.asked[-1]["range"] == "bytes=40000-"
        assert shelf.asked[-1]["if-range"] == '"one"'
        assert Path("file").read_bytes() == WHOLE
        assert os.listdir() == ["file"]

        done = run(*words, "--continue")
        assert (done.code, done.err) == (0, "hyper: file is whole already, 100000 octets\n")
        assert Path("file").read_bytes() == WHOLE


def test_another_version_is_fetched_from_its_beginning(run: Run) -> None:
    shelf = Shelf('"one"', cut=40_000)
    with RawServer(shelf) as server:
        words = ("-d", f"http://127.0.0.1:{server.port}/file", "-o", "file")
        assert run(*words).code == 1
        shelf.etag, shelf.cut = '"two"', None
        done = run(*words, "--continue")

    assert done.code == 0
    assert done.err.startswith("hyper: the server sends file from the beginning\nhyper: saved")
    assert Path("file").read_bytes() == WHOLE


def test_a_note_of_another_url_says_nothing(run: Run) -> None:
    Path("file").write_bytes(WHOLE[:10])
    for note in (
        '{"url": "http://other/", "validator": "\\"x\\""}',
        "no json",
        "[1]",
        '{"url": 1}',
    ):
        Path("file").write_bytes(WHOLE[:10])
        Path("file.resume").write_text(note)
        shelf = Shelf()
        with RawServer(shelf) as server:
            url = f"http://127.0.0.1:{server.port}/file"
            assert run("-dc", url, "-o", "file").code == 0
        assert "if-range" not in shelf.asked[0]
        assert Path("file").read_bytes() == WHOLE


def test_a_file_that_is_no_part_of_it_is_left_alone(run: Run) -> None:
    Path("file").write_bytes(bytes(100_001))
    with RawServer(Shelf()) as server:
        done = run("-dc", f"http://127.0.0.1:{server.port}/file", "-o", "file")

    assert done.code == 1
    assert "'file' has 100001 octets" in done.err
    assert "leave out --continue" in done.err
    assert Path("file").stat().st_size == 100_001


def test_a_part_that_was_not_asked_for_is_not_put_behind(run: Run) -> None:
    def wrong(conversation: Conversation) -> None:
        if conversation.socket.recv(65_536):
            conversation.say(
                b"HTTP/1.1 206 P\r\ncontent-length: 2\r\ncontent-range: bytes 5-6/9\r\n\r\nxx"
            )
            conversation.finish()

    Path("file").write_bytes(b"abc")
    with RawServer(wrong) as server:
        done = run("-dc", f"http://127.0.0.1:{server.port}/file", "-o", "file")
    assert done.code == 1
    assert "asked for octets from 3 on, the server sends 'bytes 5-6/9'" in done.err
    assert Path("file").read_bytes() == b"abc"


def test_nothing_there_is_a_download_like_any_other(run: Run) -> None:
    assert run("-dc", "demo:/bytes/10?seed=1", "-o", "new").code == 0
    Path("empty").touch()
    assert run("-dc", "demo:/bytes/10?seed=1", "-o", "empty").code == 0
    assert Path("empty").read_bytes() == Path("new").read_bytes() != b""
    done = run("-dc", "demo:/bytes/10", "-o", "./empty/x")
    assert "cannot be gone on with: Not a directory" in done.err


@pytest.mark.parametrize(
    ("disposition", "url", "kind", "name"),
    [
        (None, "https://x/a/b.txt", "text/html", "b.txt"),
        (None, "https://x/", "text/html", "index.html"),
        (None, "https://x", None, "index"),
        (None, "https://x/a%2Fb", None, "a_b"),
        (None, "https://x/..", None, "index"),
        (None, "https://x/%2e%2e%2f", None, "index"),
        ("attachment; filename=r.pdf", "https://x/", None, "r.pdf"),
        ('attachment; filename="a \\"b\\".pdf"', "https://x/", None, "a _b_.pdf"),
        ('attachment; filename="../../etc/passwd"', "https://x/", None, "passwd"),
        ('attachment; filename="..\\\\..\\\\evil.exe"', "https://x/", None, "evil.exe"),
        ('attachment; filename=".bashrc"', "https://x/", None, "bashrc"),
        ('attachment; filename="/"', "https://x/y", None, "y"),
        ("attachment; filename*=UTF-8''%e2%82%ac.txt; filename=e.txt", "https://x/", None, "€.txt"),
        ("attachment; filename*=nope''%41; filename=e.txt", "https://x/", None, "e.txt"),
        ("attachment; filename*=UTF-8''%ff; filename=e.txt", "https://x/", None, "e.txt"),
        ('attachment; filename="a\x1b[2Jb:c"', "https://x/", None, "a_[2Jb_c"),
        (None, "https://x/" + "l" * 500 + ".txt", None, "l" * 180 + ".txt"),
    ],
)  # fmt: skip
def test_names(disposition: str | None, url: str, kind: str | None, name: str) -> None:
    assert file_name(disposition, url, kind) == name


def test_the_bar_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open(tmp_path / "x", "w") as nowhere:
        bar = Progress(nowhere, 2_000_000, 500_000)
        bar.add(500_000)
        line = bar.line(0.5)
        assert line == f"[{'=' * 15}{' ' * 15}]  50%  1 MB of 2 MB  1 MB/s  0:01 left"
        bar.add(1_000_000)
        assert bar.line(1.0).endswith("] 100%  2 MB of 2 MB  1.5 MB/s")
        bar = Progress(nowhere, None)
        bar.add(1500)
        assert bar.line(1.0) == "1.5 kB  1.5 kB/s"
        assert Progress(nowhere, 0).line(0.0).endswith("100%  0 B of 0 B  0 B/s")
        far = Progress(nowhere, 10**9)
        far.add(1000)
        assert far.line(1.0).endswith("99:59:59 left")
        monkeypatch.setattr(bar, "_columns", lambda: 20)
        bar.total = 3000
        assert bar.line(1.0) == " 50%  1.5 kB of 3 kB  1.5 kB/s  0:01 left", "too narrow for a bar"
    assert (tmp_path / "x").read_text() == "", "no terminal, no drawing"


def test_amounts() -> None:
    sizes = (0, 999, 1000, 999_499, 1_500_000, 2e9, 5e12, 5e15)
    told = ["0 B", "999 B", "1 kB", "999 kB", "1.5 MB", "2 GB", "5 TB", "5000 TB"]
    assert [amount(size) for size in sizes] == told
