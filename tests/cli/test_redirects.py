"""Redirects: which are followed, how far, and what goes along with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..certificates import Certificates
from ..servers import InProcessServer
from .conftest import Run
from .redirecting import redirecting


@pytest.fixture
def other(certificates: Certificates) -> Iterator[InProcessServer]:
    """Another origin: the same host, another port."""
    server = InProcessServer(certificates)
    yield server
    server.stop()


def to(url: str, where: str, status: int = 302) -> str:
    return f"{url}/redirect-to?url={where}&status_code={status}"


def test_they_are_followed_only_if_asked_for(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    done = run(f"{url}/redirect/2", "--check-status", *trusted)
    assert (done.code, b"Redirecting" in done.out) == (3, True)
    done = run(f"{url}/redirect/2", "-F", "--check-status", *trusted)
    assert done.code == 0
    assert json.loads(done.out)["url"] == f"{url}/get"


def test_there_is_a_limit(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    assert run(f"{url}/redirect/3", "-F", "--max-redirects=3", *trusted).code == 0
    done = run(f"{url}/redirect/3", "-F", "--max-redirects=2", *trusted)
    assert (done.code, done.out) == (6, b"")
    assert done.err == (
        f"hyper: error: stopped after 2 redirects; {url[8:]} answered 302 Found once more: "
        "--max-redirects N follows further\n"
    )
    assert run(f"{url}/redirect/1", "-F", "--max-redirects=0", *trusted).code == 6


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (308, "DELETE", "DELETE"),
    ],
)
def test_what_becomes_of_method_and_body(run: Run, status: int, method: str, then: str) -> None:
    with redirecting() as url:
        address = f"{url}?to=/there&status={status}"
        done = run("-F", method, address, "a=1", "Content-Language:de")

    about = json.loads(done.out)
    assert about["method"] == then
    kept = then == method
    assert about["data"] == ('{"a": "1"}' if kept else "")
    assert ("content-type" in about["headers"]) is kept
    assert ("content-language" in about["headers"]) is kept


def test_a_file_is_sent_again(run: Run) -> None:
    Path("note.txt").write_text("note")
    with redirecting() as url:
        address = f"{url}?to=/there&status=307"
        assert json.loads(run("-F", "POST", address, "@note.txt").out)["data"] == "note"
        about = json.loads(run("-F", "-f", address, "p@note.txt").out)
        assert "\r\n\r\nnote\r\n--" in about["data"]
        assert json.loads(run("-F", "POST", address, stdin=b"more").out)["data"] == "more"


def test_credentials_stay_with_their_origin(
    run: Run, url: str, trusted: tuple[str, ...], other: InProcessServer
) -> None:
    words = ("Cookie:a=1", "proxy-authorization:x", "X-Mine:1", "-F", "--auth", "me:secret")
    about = json.loads(run(to(url, f"{url}/headers"), *words, *trusted).out)["headers"]
    assert about["Authorization"].startswith("Basic ")
    assert about["Cookie"] == "a=1"

    elsewhere = f"https://localhost:{other.port}/headers"
    about = json.loads(run(to(url, elsewhere), *words, *trusted).out)["headers"]
    assert about["X-Mine"] == "1"
    assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(about)

    # Another scheme and, as the server is bound to it, another name of the same host.
    plain = f"http://localhost:{other.plain_port}/headers"
    about = json.loads(run(to(url, plain), *words, *trusted).out)["headers"]
    assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(about)
    address = f"{url.replace('localhost', '127.0.0.1')}/headers"
    about = json.loads(run(to(url, address), *words, *trusted).out)["headers"]
    assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(about)


def test_a_host_given_by_hand_is_for_the_first_origin(
    run: Run, url: str, trusted: tuple[str, ...], other: InProcessServer
) -> None:
    elsewhere = f"https://localhost:{other.port}/headers"
    for item in (":authority:made.up", "Host:made.up"):
        about = json.loads(run("-F", to(url, elsewhere), item, *trusted).out)["headers"]
        assert about["Host"] == f"localhost:{other.port}"
        about = json.loads(run("-F", to(url, "/headers"), item, *trusted).out)["headers"]
        assert about["Host"] == "made.up"
    about = json.loads(run("-F", f"{url}/x", ":path:/redirect/1", *trusted).out)
    assert about["url"] == f"{url}/get", "the path of one request only"


def test_cookies_that_redirects_set_come_back(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    done = run("-F", f"{url}/cookies/set/a/1", "Cookie:b=2", *trusted)
    assert json.loads(done.out)["cookies"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("where", ["ftp://x/", "file:///etc/passwd", "demo:/get", "https://:1/"])
def test_what_cannot_be_followed_is_one_line(
    run: Run, url: str, trusted: tuple[str, ...], where: str
) -> None:
    done = run("-F", to(url, where), *trusted)

    assert done.code == 1
    assert done.err.startswith(f"hyper: error: {url[8:]} redirects to ")
    assert done.err.count("\n") == 1


def test_a_user_name_in_a_redirect_is_not_sent(
    run: Run, url: str, trusted: tuple[str, ...]
) -> None:
    where = f"{url.replace('//', '//me:secret@')}/headers"
    about = json.loads(run("-F", to(url, where), *trusted).out)["headers"]
    assert "Authorization" not in about


def test_all_shows_what_was_on_the_way(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    done = run("-F", "--all", "--headers", f"{url}/redirect/2", *trusted)
    assert done.text.count("HTTP/2 302 Found\n") == 2
    assert done.text.count("HTTP/2 200 OK\n") == 1
    done = run("-F", "-v", f"{url}/redirect/1", *trusted)
    assert done.text.index("GET /redirect/1 HTTP/2\n") < done.text.index("GET /get HTTP/2\n")


def test_over_http_1_1_the_connection_goes_on(run: Run, url: str, trusted: tuple[str, ...]) -> None:
    done = run("-F", "--http1.1", "--debug", f"{url}/redirect/2", *trusted)
    assert json.loads(done.out)["url"] == f"{url}/get"
    assert done.err.count("connected to ") == 1
