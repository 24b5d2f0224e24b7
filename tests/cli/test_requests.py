"""What is asked: items, bodies, methods and identities, as a real httpbin hears them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Done, Run


def heard(done: Done) -> dict[str, Any]:
    assert (done.code, done.err) == (0, "")
    about: dict[str, Any] = json.loads(done.out)
    return about


def test_the_first_example_of_hyper(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    about = heard(run("GET", f"{url}/get", "search==hyper", "X-Really:someval", *trusted))

    assert about["args"] == {"search": "hyper"}
    assert about["headers"]["X-Really"] == "someval"


def test_items_of_every_kind(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    Path("note.txt").write_text("from a file\n")
    Path("data.json").write_text('{"deep": [1, 2.50]}')
    about = heard(
        run(
            f"{url}/anything?x=1",
            "Accept:text/html",
            "User-Agent:",
            "X-Empty;",
            "X-File:@note.txt",
            "q==a b",
            "q==@note.txt",
            "name=Hyper",
            "stars:=5",
            "text=@note.txt",
            "json:=@data.json",
            r"a\:b=c",
            "nest[deep][]=1",
            "nest[deep][]:=2",
            *trusted,
        )
    )

    assert about["method"] == "POST"
    assert about["args"] == {"x": "1", "q": ["a b", "from a file\n"]}
    headers = about["headers"]
    assert headers["Accept"] == "text/html"
    assert headers["X-Empty"] == ""
    assert headers["X-File"] == "from a file"
    assert "User-Agent" not in headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert about["json"] == {
        "name": "Hyper",
        "stars": 5,
        "text": "from a file\n",
        "json": {"deep": [1, 2.5]},
        "a:b": "c",
        "nest": {"deep": ["1", 2]},
    }


def test_a_form(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    about = heard(run("-f", f"{url}/post", "a=ä&b", "a=2", "n:=5", "x[y]=z", *trusted))

    assert about["form"] == {"a": ["ä&b", "2"], "n": "5", "x[y]": "z"}
    assert about["headers"]["Content-Type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_files_in_a_form(run: Run, url: str, trusted: tuple[str, ...], version: str) -> None:
    Path('pho"to.png').write_bytes(b"\x89PNG\0\r\n--x")
    Path("empty").write_bytes(b"")
    about = heard(run("--form", f"{url}/post", "a=1", 'p@pho"to.png', "e@empty", version, *trusted))

    assert about["form"] == {"a": "1"}
    octets = base64.b64decode(about["files"]["p"].partition("base64,")[2])
    assert octets == b"\x89PNG\0\r\n--x"
    assert about["files"]["e"] == ""
    assert about["headers"]["Content-Type"].startswith("multipart/form-data; boundary=")
    assert int(about["headers"]["Content-Length"]) > 100


def test_multipart_without_files(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert heard(run("--multipart", f"{url}/post", "a=1", *trusted))["form"] == {"a": "1"}


def test_raw_bodies(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert heard(run(f"{url}/post", "--raw", '{"a": 1}', *trusted))["json"] == {"a": 1}
    about = heard(run(f"{url}/post", "--raw=x", "content-type:text/plain", *trusted))
    assert about["data"] == "x"
    assert about["headers"]["Content-Type"] == "text/plain"


def test_a_whole_body_from_a_file(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    Path("page.html").write_text("<p>")
    about = heard(run("PUT", f"{url}/put", "@page.html", *trusted))
    assert about["data"] == "<p>"
    assert about["headers"]["Content-Type"] == "text/html"
    about = heard(run("PUT", f"{url}/put", "@page.html;type=text/x", *trusted))
    assert about["headers"]["Content-Type"] == "text/x"


def test_standard_input(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert heard(run("POST", f"{url}/post", *trusted, stdin=b"[1]"))["json"] == [1]
    assert heard(run(f"{url}/anything", "@-", *trusted, stdin=b"[2]"))["method"] == "POST"
    # Nothing but a word makes a GET of scripts into a POST of whatever stands there.
    assert heard(run(f"{url}/anything", *trusted, stdin=b"[3]"))["method"] == "GET"
    about = heard(run("POST", f"{url}/post", "-I", *trusted, stdin=b"[4]"))
    assert about["data"] == ""


def test_who_we_are(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert run(f"{url}/basic-auth/me/a:b", "--auth", "me:a:b", *trusted).code == 0
    about = heard(run(f"{url}/basic-auth/me/a:b", "-a", "me:a:b", "--check-status", *trusted))
    assert about == {"authenticated": True, "user": "me"}
    about = heard(run(f"{url}/bearer", "-A", "bearer", "-a", "token", *trusted))
    assert about == {"authenticated": True, "token": "token"}


def test_netrc(run: Run, url: str, trusted: tuple[str, ...], nobodys_home: Path) -> None:
    netrc = nobodys_home / ".netrc"
    netrc.write_text("machine localhost login me password secret\n")
    netrc.chmod(0o600)
    address = f"{url}/basic-auth/me/secret"
    assert heard(run(address, *trusted))["authenticated"] is True
    assert run(address, "--ignore-netrc", "--check-status", *trusted).code == 4
    assert run(address, "authorization:no", "--check-status", *trusted).code == 4
    # A host is what stands behind the user name, and no user name gets by.
    assert "user name" in run(url.replace("//", "//localhost:x@") + "/", *trusted).err
    netrc.write_text("nonsense\n")
    done = run(address, *trusted)
    assert done.err.startswith(f"hyper: {netrc} is not understood, and not used: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a=1", "--raw=x"], "there are fields and --raw, each a body"),
        (["@x", "--raw=x"], "there are --raw and @FILE, each a body"),
        (["p@note.txt"], "uploads a file, which JSON cannot: add --form"),
        (["-f", "p@missing.txt"], "'missing.txt' to send cannot be read: No such file"),
        (["@missing.txt"], "'missing.txt' to send cannot be read: No such file"),
        (["@."], "'.' is a folder"),
        (["a=@missing.txt"], "the file of 'a=@missing.txt' cannot be read: No such file"),
        (["a=@binary"], "is not text in UTF-8; name@FILE uploads any file"),
        (["a:=@note.txt"], "is not JSON"),
        (["a[b=1"], "the brackets of 'a[b' do not match"),
        (["a=1", "a[b]=1"], "'a[b]' wants an object where another field has put a value"),
        (["a[b]=1", "a[]=1"], "'a[]' wants a list where another field has put an object"),
        (["a[99999]=1"], "counts further than 9999"),
        (["--auth", "me"], "--auth has no password: write USER:PASSWORD"),
        (["--auth", "a:b\n"], "control characters"),
        (["--auth", "a:b", "authorization:x"], "give one of them"),
        (["--upgrade"], "--upgrade is for http://"),
        (["@note.txt", "@note.txt"], "is a second body"),
        (["--proxy", "socks4://me:secret@p:1"], "only http://, socks5://, socks5h:// proxies are"),
        (["--proxy", "socks5://me:@p:1"], "a user name and a password, each of 1 to 255"),
        (["--proxy", "http://p:port"], "port"),
        (["--resolve", "x"], "--resolve takes HOST:PORT:ADDRESS, not 'x'"),
        (["--resolve", "x:1:"], "--resolve takes HOST:PORT:ADDRESS"),
        (["--resolve", "x:1:127.0.0.1,::1"], "--resolve takes one address and no list"),
        (["--connect-to", "x:1:y"], "--connect-to takes HOST:PORT:HOST2:PORT2"),
        (["--connect-to", "x:1:y:99999"], "ports up to 65535"),
        (["--cert", "missing.pem"], "client certificate or key does not exist"),
        (["--session", "../x y/"], "cannot be written"),
        (["--session", "x y"], "a session's name has letters"),
        (["--style", "nothing", "--pretty=all"], "pygments knows no style 'nothing'"),
        (["-o", "no/such/folder"], "'no/such/folder' cannot be written: No such file"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    run: Run, url: str, trusted: tuple[str, ...], words: list[str], says: str
) -> None:
    Path("note.txt").write_text("note")
    Path("binary").write_bytes(b"\xff\0")
    Path("x y").write_text("")
    done = run(f"{url}/get", *words, *trusted)

    assert done.code == 1
    assert done.err.startswith("hyper: error: ")
    assert done.err.count("\n") == 1
    assert says in done.err
    assert "secret" not in done.err


JSON = "application/json; charset=utf-8"
RATHER_JSON = "application/json, */*;q=0.5"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("words", "accept", "content_type"),
    [
        (["GET"], "*/*", None),
        (["--json", "GET"], RATHER_JSON, JSON),
        (["POST", "a=b"], RATHER_JSON, JSON),
        (["POST", "--raw=1"], "*/*", JSON),
        (["--json", "POST", "--raw=1"], RATHER_JSON, JSON),
        (["--form", "POST", "a=b"], "*/*", FORM),
        (["--json", "POST", "@LICENCE"], RATHER_JSON, JSON),
        (["POST", "@LICENCE"], "*/*", "application/octet-stream"),
        (["--form", "POST", "@LICENCE"], "*/*", FORM),
        (["--json", "POST", "@note.txt"], RATHER_JSON, "text/plain"),
        (["--json", "GET", "Accept:x/y", "Content-Type:z/z"], "x/y", "z/z"),
    ],
)
def test_who_says_json_wants_json(
    run: Run, words: list[str], accept: str, content_type: str | None
) -> None:
    """As HTTPie does."""
    Path("LICENCE").write_text("1")
    Path("note.txt").write_text("1")
    # The method first, as on a command line.
    at = next(i for i, word in enumerate(words) if not word.startswith("-"))
    about = heard(run(*words[: at + 1], "demo:/anything", *words[at + 1 :]))
    assert about["headers"]["Accept"] == accept
    assert about["headers"].get("Content-Type") == content_type


def test_files_at_home(run: Run, nobodys_home: Path) -> None:
    """A shell leaves the tilde alone behind other signs."""
    (nobodys_home / "note").write_text("at home")
    (nobodys_home / "one.json").write_text("[1]")
    words = ("X:@~/note", "q==@~/note", "text=@~/note", "json:=@~/one.json")
    about = heard(run("demo:/anything", *words))
    assert about["headers"]["X"] == about["args"]["q"] == "at home"
    assert about["json"] == {"text": "at home", "json": [1]}
    assert run("POST", "demo:/echo", "@~/note").out == b"at home"
    assert b'filename="note"\r\ncontent-type: a/b\r\n\r\nat home\r\n' in (
        run("-f", "demo:/echo", "f@~/note;type=a/b").out
    )


@pytest.mark.parametrize("option", ["--timeout", "--max-time"])
def test_a_time_beyond_what_the_system_can_count_is_none(
    run: Run, url: str, trusted: tuple[str, ...], option: str
) -> None:
    assert "args" in heard(run(f"{url}/get", option, "1e9", *trusted))
