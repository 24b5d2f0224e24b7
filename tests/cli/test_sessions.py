"""What is kept for the next command, for whom, and who may read it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from hyper.cli.cookies import Jar
from hyper.cli.target import Target

from ..servers import InProcessServer
from .conftest import Run


def test_headers_credentials_and_cookies_are_kept(
    run: Run, url: str, trusted: tuple[str, ...], nobodys_home: Path
) -> None:
    kept = ("--session", "me", *trusted)
    assert run(f"{url}/cookies/set/a/1", "-a", "me:secret", "X-Mine:1", "-F", *kept).code == 0
    headers = json.loads(run(f"{url}/headers", *kept).out)["headers"]
    assert headers["Authorization"].startswith("Basic ")
    assert headers["X-Mine"] == "1"
    assert headers["Cookie"] == "a=1"

    host = url[8:].replace(":", "_")
    path = nobodys_home / ".config" / "hyper" / "sessions" / host / "me.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["me.json"]
    assert json.loads(path.read_text())["cookies"][0]["name"] == "a"

    # Another name knows nothing of it; items override; what belongs to one request is not kept.
    headers = json.loads(run(f"{url}/headers", "--session", "other", *trusted).out)["headers"]
    assert not {"Cookie", "X-Mine", "Authorization"} & set(headers)
    about = json.loads(run(f"{url}/anything", "X-Mine:2", "a=1", "If-Match:x", *kept).out)
    assert about["headers"]["X-Mine"] == "2"
    headers = json.loads(run(f"{url}/headers", "Cookie:b=2", *kept).out)["headers"]
    assert not {"If-Match", "Content-Type"} & set(headers)
    assert headers["Cookie"] == "b=2; a=1"


def test_what_is_not_given_again_by_hand_can_be_taken_out(run: Run) -> None:
    run("demo:/get", "X-Mine:1", "--session", "me")
    assert "X-Mine" not in run("demo:/get", "X-Mine:", "--session", "me").text
    assert "X-Mine" not in run("demo:/get", "--session", "me").text


def test_a_password_of_netrc_stays_there(
    run: Run, url: str, trusted: tuple[str, ...], nobodys_home: Path
) -> None:
    netrc = nobodys_home / ".netrc"
    netrc.write_text("machine localhost login me password secret\n")
    netrc.chmod(0o600)
    kept = ("--session", "./s.json", *trusted)
    assert "Authorization" in json.loads(run(f"{url}/headers", *kept).out)["headers"]
    assert json.loads(Path("s.json").read_text())["headers"] == {}


def test_cookies_go_with_repeated_requests(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    run(f"{url}/cookies/set/a/1", "--session", "./s.json", *trusted)
    words = (f"{url}/hello", "--repeat=2", "--debug", "cookie:b=2")
    assert run(*words, "--session", "./s.json", *trusted).err.count("cookie=<8 octets hidden>") == 2


def test_read_only_changes_nothing(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    run(f"{url}/cookies/set/a/1", "X-Mine:1", "--session", "./s.json", *trusted)
    before = Path("s.json").read_bytes()
    words = ("X-Mine:2", "--session-read-only", "./s.json", *trusted)
    headers = json.loads(run(f"{url}/headers", *words).out)["headers"]
    assert (headers["X-Mine"], headers["Cookie"]) == ("2", "a=1")
    assert Path("s.json").read_bytes() == before
    run(f"{url}/headers", "--session-read-only", "./none.json", *trusted)
    assert not Path("none.json").exists()


def test_a_file_for_several_hosts_tells_none_of_the_other(
    run: Run, url: str, server: InProcessServer, trusted: tuple[str, ...]
) -> None:
    kept = ("--session", "./s.json", *trusted)
    run(f"{url}/cookies/set/a/1", "-a", "me:secret", "X-Mine:1", *kept)
    plain = f"http://127.0.0.1:{server.plain_port}/headers"
    headers = json.loads(run(plain, *kept).out)["headers"]
    assert not {"Cookie", "X-Mine", "Authorization"} & set(headers)


def test_cookies_go_where_they_were_set_for(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    kept = ("--session", "./s.json", *trusted)
    fields = (
        "Set-Cookie=here=1; Path=/cookies",
        "Set-Cookie=foreign=1; Domain=example.org",
    )
    run("-F", f"{url}/response-headers?" + "&".join(field.replace(" ", "%20") for field in fields),
        *kept)  # fmt: skip
    assert json.loads(run(f"{url}/cookies", *kept).out)["cookies"] == {"here": "1"}
    assert "Cookie" not in json.loads(run(f"{url}/headers", *kept).out)["headers"]
    run(f"{url}/cookies/delete?here", *kept)


def test_cookies_are_for_whom_they_were_set() -> None:
    """RFC 6265 §5.3: not for a country's second level, nor strangers; alone for the host itself."""
    jar = Jar()
    values = ["a=1; Domain=co.uk", "b=2; Domain=x.co.uk", "c=3", "d=4; Domain=y.co.uk"]
    jar.take(Target("https", "x.co.uk", 443, "/"), values)
    jar.take(Target("http", "localhost", 8080, "/"), ["e=5"])
    kept = Jar()
    kept.load(jar.dump())
    for each in (jar, kept):
        assert each.header(Target("https", "y.co.uk", 443, "/")) is None
        assert each.header(Target("https", "www.x.co.uk", 443, "/")) == "b=2"
        own = each.header(Target("https", "x.co.uk", 443, "/")) or ""
        assert sorted(own.split("; ")) == ["b=2", "c=3"]
        assert each.header(Target("http", "localhost", 8080, "/x")) == "e=5"
        assert each.header(Target("http", "a.localhost", 8080, "/x")) is None


def test_a_session_of_the_demo(run: Run) -> None:
    assert run("demo:/get", "X-Mine:1", "--session", "me").code == 0
    assert json.loads(run("demo:/get", "--session", "me").out)["headers"]["X-Mine"] == "1"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"no json", "it is not JSON: Expecting value: line 1 column 1"),
        (b"[" * 100_000, "it is not JSON: "),
        (b"", "it is not JSON: "),
        (b"\xff{}", "it is not JSON: "),
        (b"[]", "there is something else in it"),
        (b"{}", "there is something else in it"),
        (b'{"headers": [], "cookies": []}', "there is something else in it"),
        (b'{"headers": {"x": 1}, "cookies": []}', "there is something else in it"),
        (b'{"headers": {}, "cookies": [{"name": "a"}]}', "there is something else in it"),
        (
            b'{"headers": {}, "cookies": [{"name": 1, "value": "", "domain": "", "path": "", '
            b'"expires": null, "secure": false}]}',
            "there is something else in it",
        ),
        (b" " * (4 * 2**20 + 1), "it has more than 4194304 octets"),
    ],
)
def test_a_file_that_is_no_session_is_left_alone(run: Run, octets: bytes, why: str) -> None:
    Path("s.json").write_bytes(octets)
    done = run("demo:/get", "--session", "./s.json")

    assert done.code == 1
    assert done.err.startswith(f"hyper: error: './s.json' is no session of hyper: {why}")
    assert done.err.endswith("name another, or remove it\n")
    assert done.err.count("\n") == 1
    assert Path("s.json").read_bytes() == octets


def test_a_session_that_cannot_be_read_or_written(run: Run) -> None:
    assert "cannot be read: Is a directory" in run("demo:/get", "--session", "./").err
    Path("file").touch()
    assert "'./file/s' cannot be " in run("demo:/get", "--session", "./file/s").err
