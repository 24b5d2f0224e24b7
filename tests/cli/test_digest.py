"""--auth-type digest, held against the examples of RFC 7616, requests, and a real httpbin."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from requests.auth import HTTPDigestAuth

from hyper.cli.digest import Digest
from hyper.cli.request import Headers, Request
from hyper.cli.target import Target

from ..faults.rawserver import Conversation, RawServer
from .conftest import Run

TARGET = Target("http", "www.example.org", 80, "/dir/index.html")
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"


class Refused:
    """A response that asks who we are."""

    def __init__(self, *challenges: str, status: int = 401) -> None:
        self.status = status
        self.challenges = challenges

    def getheaders(self) -> Headers:
        return [("WWW-Authenticate", challenge) for challenge in self.challenges]


def said(given: str, *challenges: str, path: str = TARGET.path) -> dict[str, str] | None:
    """The parts of the answer to these challenges."""
    request = Request("GET", TARGET._replace(path=path), [], None)
    again = Digest(given, request).answered(request, Refused(*challenges))
    if again is None:
        return None
    [(name, value)] = again.headers
    assert name == "authorization"
    assert value.startswith("Digest ")
    parts = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', value)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in parts}


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_the_rfc(algorithm: str, response: str) -> None:
    """RFC 7616 §3.9.1."""
    request = Request("GET", TARGET, [], None)
    challenge = {"realm": "http-auth@example.org", "nonce": NONCE, "qop": "auth, auth-int"}
    challenge |= {"algorithm": algorithm, "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"}
    value = Digest("Mufasa:Circle of Life", request).value(
        challenge, request, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )
    assert f'response="{response}"' in value
    for part in (
        'username="Mufasa"',
        'realm="http-auth@example.org"',
        'uri="/dir/index.html"',
        f"algorithm={algorithm}",
        f'nonce="{NONCE}"',
        "nc=00000001",
        'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"',
        "qop=auth",
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    ):
        assert part in value


@pytest.mark.parametrize(
    ("algorithm", "qop"),
    [
        ("MD5", "auth"),
        ("MD5", None),
        ("MD5-SESS", "auth"),
        ("SHA-256", "auth"),
        ("SHA-256", None),
        (None, "auth"),
        (None, None),
    ],
)
def test_it_is_what_requests_would_say(algorithm: str | None, qop: str | None) -> None:
    challenge = {"realm": "r", "nonce": "n", "opaque": "o"}
    challenge |= {"qop": qop} if qop else {}
    challenge |= {"algorithm": algorithm} if algorithm else {}
    path = "/a?b=c%20d"
    theirs: Any = HTTPDigestAuth("me", "p:w")
    theirs.init_per_thread_state()
    theirs._thread_local.chal = challenge
    value = theirs.build_digest_header("GET", f"http://www.example.org{path}")
    cnonce = re.search(r'cnonce="(\w+)"', value)

    request = Request("GET", TARGET._replace(path=path), [], None)
    ours = Digest("me:p:w", request).value(challenge, request, cnonce[1] if cnonce else "")
    response = re.search(r'response="(\w+)"', value)
    assert response is not None
    assert response[0] in ours


def test_a_name_that_is_to_be_hidden() -> None:
    """RFC 7616 §3.4.4."""
    parts = said("me:x", 'Digest realm="r", nonce="n", qop="auth", userhash=true')
    assert parts is not None
    assert parts["username"] == hashlib.md5(b"me:r").hexdigest()
    assert parts["userhash"] == "true"


def test_a_session_has_a_part_of_ours_without_qop() -> None:
    parts = said("me:x", "Digest nonce=n, algorithm=MD5-sess")
    assert parts is not None
    assert "qop" not in parts
    secret = hashlib.md5(b"me::x").hexdigest()
    secret = hashlib.md5(f"{secret}:n:{parts['cnonce']}".encode()).hexdigest()
    asked = hashlib.md5(b"GET:/dir/index.html").hexdigest()
    assert parts["response"] == hashlib.md5(f"{secret}:n:{asked}".encode()).hexdigest()


def test_which_challenge_is_answered() -> None:
    ours = 'Digest realm="a \\"b\\", c", nonce="n,1", qop="auth-int,auth", opaque="", x=y'
    parts = said("me:x", 'Negotiate, Basic realm="Digest nonce=no"', f"NTLM abc==, {ours}")
    assert parts is not None
    assert (parts["realm"], parts["nonce"], parts["qop"]) == ('a "b", c', "n,1", "auth")
    assert "algorithm" not in parts
    two = 'Digest nonce="1", algorithm=SHA-512-256, Digest nonce="2", algorithm=sha-256'
    parts = said("me:x", two, 'Digest nonce="3"')
    assert parts is not None
    assert (parts["nonce"], parts["algorithm"]) == ("2", "sha-256")
    for none in ('Basic realm="x"', "Digest", "Digest nonce=n, qop=auth-int", "nonce=n", ""):
        assert said("me:x", none) is None


NONSENSE = {
    "a word that does not end well": "a" * 60_000 + '"',
    "words": 'a"' * 30_000,
    "blanks": " " * 60_000,
    "blanks behind a word": "a" + " " * 60_000 + "x",
    "commas": ", " * 30_000 + '"',
    "quotes that do not close": 'a="' + "\\" * 60_001,
    "escapes": 'a="' + '\\"' * 30_000,
    "parts of nothing": "a=" * 30_000,
    "equals": "=" * 60_000,
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_gone_through_once(nonsense: str) -> None:
    """From each of its octets anew, it would take minutes; such a test would not end."""
    sane = 'Digest realm="r", nonce="n", qop="auth"'
    said("me:x", f"Digest {nonsense}")
    said("me:x", f"{nonsense}, {sane}")
    parts = said("me:x", sane, f"Digest {nonsense}")
    assert parts is not None
    assert (parts["realm"], parts["nonce"]) == ("r", "n")


def test_an_answer_is_for_one_origin_and_given_once() -> None:
    request = Request("GET", TARGET, [], None)
    digest = Digest("me:x", request)
    assert digest.answered(request, Refused("Digest nonce=1", status=403)) is None
    elsewhere = Request("GET", TARGET._replace(port=81), [], None)
    assert digest.answered(elsewhere, Refused("Digest nonce=1")) is None
    again = digest.answered(request, Refused("Digest nonce=1"))
    assert again is not None
    assert digest.answered(again, Refused("Digest nonce=2")) is None
    # A nonce that is too old is no wrong password, at least the first time.
    third = digest.answered(again, Refused("Digest nonce=2, stale=TRUE"))
    assert third is not None
    assert sum(name == "authorization" for name, _ in third.headers) == 1
    assert digest.answered(third, Refused("Digest nonce=3, stale=true")) is None
    # What stands behind a redirect asks anew, and is not told what was for another path.
    following = digest.redirected(third)
    assert following.headers == []
    assert digest.answered(following, Refused("Digest nonce=4")) is not None


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_real_server(
    run: Run, url: str, trusted: tuple[str, ...], algorithm: str, version: str
) -> None:
    address = f"{url}/digest-auth/auth/me/secret/{algorithm}"
    words = ("-A", "digest", version, "--check-status", *trusted)
    done = run(address, "-a", "me:secret", *words)
    assert (done.code, json.loads(done.out)["authenticated"]) == (0, True)
    assert run(address, "-a", "me:wrong", *words).code == 4
    done = run(f"{url}/redirect-to?url={address}", "-F", "-a", "me:secret", *words)
    assert (done.code, json.loads(done.out)["authenticated"]) == (0, True)
    both = run(address, "-a", "me:secret", "--all", "--headers", *words).text
    assert re.findall("^HTTP/[0-9.]+ ([0-9]+)", both, re.MULTILINE) == ["401", "200"]


def test_a_body_is_sent_again_if_it_can_be(run: Run) -> None:
    heard: list[bytes] = []

    def ask(conversation: Conversation) -> None:
        for _ in range(2):
            heard.append(b"")
            while b"12345" not in heard[-1]:
                heard[-1] += conversation.socket.recv(65_536)
            asks = (
                b""
                if b"authorization: Digest" in heard[-1]
                else b"www-authenticate: Digest nonce=1\r\n"
            )
            status = b"401 Who" if asks else b"200 OK"
            conversation.say(b"HTTP/1.1 " + status + b"\r\n" + asks + b"content-length: 0\r\n\r\n")
        conversation.linger()

    Path("body").write_bytes(b"12345")
    words = ("-a", "me:x", "-A", "digest", "--check-status")
    with RawServer(ask) as server:
        assert run("POST", f"http://127.0.0.1:{server.port}/", "@body", *words).code == 0
    assert len(heard) == 2
    assert b'uri="/"' in heard[1]
    assert heard[0].count(b"12345") == heard[1].count(b"12345") == 1


def test_what_came_by_a_pipe_cannot_be_sent_twice() -> None:
    def ask(conversation: Conversation) -> None:
        conversation.socket.recv(65_536)
        conversation.say(
            b"HTTP/1.1 401 Who\r\nwww-authenticate: Digest nonce=1\r\ncontent-length: 0\r\n\r\n"
        )
        conversation.linger()

    with RawServer(ask) as server:
        words = ["POST", f"http://127.0.0.1:{server.port}/", "-a", "me:x", "-A", "digest"]
        done = subprocess.run(
            [sys.executable, "-m", "hyper", *words], input=b"12345", capture_output=True, timeout=60
        )
    assert done.returncode == 1
    assert b"cannot be sent a second time: put it into a file\n" in done.stderr


def test_what_does_not_go_together(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    done = run("demo:/get", "-a", "me:x", "-A", "digest", "--repeat=2")
    assert done.err.startswith("hyper: error: --repeat does not go with --auth-type digest")
    # Nothing is said before somebody asks, and a session keeps nothing of it.
    words = ("--session", "./s.json", "-a", "me:secret", "-A", "digest", *trusted)
    Path("s.json").write_text(
        json.dumps({"headers": {url: [["authorization", "old"]]}, "cookies": []})
    )
    assert "Authorization" not in json.loads(run(f"{url}/headers", *words).out)["headers"]
    assert run(f"{url}/digest-auth/auth/me/secret", "--check-status", *words).code == 0
    assert "authorization" not in Path("s.json").read_text().lower()
