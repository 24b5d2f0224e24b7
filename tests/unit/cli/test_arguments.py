"""A command line as people write it, and what it asks for."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import pytest

from hyper import __version__
from hyper.cli.arguments import CURLS, Options, read_arguments
from hyper.cli.failing import UsageError
from hyper.cli.items import read_items
from hyper.cli.request import make_request
from hyper.cli.target import DEFAULT_PORTS, read_url

#: Every option that the documentation of the command promises.
ALL = """
--json --form --multipart --raw --print --headers --body --meta --verbose --all --stream
--download --output --continue --quiet --follow --max-redirects --timeout --check-status
--verify --cert --cert-key --proxy --auth --offline --ignore-stdin --pretty --style --session
--resolve --connect-to --compressed --h2 --http2 --http1.1 --upgrade --alpn --repeat --parallel
--waterfall --assets --trace --explain --debug
"""


class Asked(NamedTuple):
    """What a command line comes to, before it is sent."""

    options: Options
    method: str
    scheme: str
    host: str
    port: int | None
    path: str
    headers: list[tuple[str, str]]
    body: object


def ask(*words: str) -> Asked:
    options = read_arguments(words)
    items = read_items(options.items)
    target = read_url(options.url, items.query)
    request = make_request(options, items, target, [])
    headers = [field for field in request.headers if field[0] != "accept-encoding"]
    port = None if target.port == DEFAULT_PORTS.get(target.scheme, 0) else target.port
    body = None if request.body is None else request.body.source
    return Asked(
        options, request.method, target.scheme, target.host, port, target.path, headers, body
    )


def test_a_url_is_enough() -> None:
    asked = ask("http2bin.org/get")

    assert (asked.method, asked.scheme, asked.host, asked.port, asked.path) == (
        "GET",
        "https",
        "http2bin.org",
        None,
        "/get",
    )
    assert asked.headers == [("accept", "*/*"), ("user-agent", f"hyper/{__version__}")]
    options = asked.options
    assert (asked.body, options.debug, options.timeout, options.verify) == (None, False, 30.0, True)


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://http2bin.org", "https", "http2bin.org", None, "/"),
        ("HTTPS://HTTP2bin.org/Get", "https", "http2bin.org", None, "/Get"),
        ("http://localhost:8080/a/b?c=d#e", "http", "localhost", 8080, "/a/b?c=d"),
        ("localhost:8443/x", "https", "localhost", 8443, "/x"),
        (":8443/x", "https", "localhost", 8443, "/x"),
        (":8/x", "https", "localhost", 8, "/x"),
        (":8443", "https", "localhost", 8443, "/"),
        (":/x", "https", "localhost", None, "/x"),
        (":", "https", "localhost", None, "/"),
        ("[::1]:8443/x", "https", "::1", 8443, "/x"),
        ("example.org?q", "https", "example.org", None, "/?q"),
        ("example.org/?to=http://other/", "https", "example.org", None, "/?to=http://other/"),
        ("example.org/a@b", "https", "example.org", None, "/a@b"),
        ("example.org/ä b%20c|d?e=ü&f=[1]", "https", "example.org", None,
         "/%C3%A4%20b%20c%7Cd?e=%C3%BC&f=%5B1%5D"),
        ("example.org/\udcff", "https", "example.org", None, "/%FF"),
        ("demo:/get?a=b", "demo", "demo", None, "/get?a=b"),
        ("demo:", "demo", "demo", None, "/"),
        ("demo:get", "demo", "demo", None, "/get"),
        ("demo://get", "demo", "demo", None, "/get"),
        ("DEMO:/Get", "demo", "demo", None, "/Get"),
        ("http:8443/x", "https", "http", 8443, "/x"),
    ],
)  # fmt: skip
def test_urls(url: str, scheme: str, host: str, port: int | None, path: str) -> None:
    asked = ask(url)

    assert (asked.scheme, asked.host, asked.port, asked.path) == (scheme, host, port, path)


@pytest.mark.parametrize(
    ("words", "method", "host"),
    [
        (["GET", "x.org"], "GET", "x.org"),
        (["get", "x.org"], "GET", "x.org"),
        (["Delete", "x.org"], "DELETE", "x.org"),
        (["BREW", "x.org"], "BREW", "x.org"),
        (["VERSION-CONTROL", "x.org"], "VERSION-CONTROL", "x.org"),
        (["localhost"], "GET", "localhost"),
        (["LOCALHOST"], "GET", "localhost"),
        (["localhost", "a=b"], "POST", "localhost"),
        (["localhost", "a:b"], "GET", "localhost"),
        (["GET", "localhost", "a=b"], "GET", "localhost"),
        (["HEAD", "GET"], "HEAD", "get"),
    ],
)
def test_the_method_may_be_missing(words: list[str], method: str, host: str) -> None:
    asked = ask(*words)

    assert (asked.method, asked.host) == (method, host)


def test_the_documentations_post() -> None:
    items = ["name=Hyper", "language=Python", "description=CLI HTTP client"]
    asked = ask("POST", "https://http2bin.org/post", *items)

    assert isinstance(asked.body, bytes)
    assert len(asked.body) == 73, "as it was printed for hyper 0.3"
    assert list(json.loads(asked.body)) == ["name", "language", "description"]
    assert ("content-type", "application/json; charset=utf-8") in asked.headers


def test_items() -> None:
    asked = ask(
        "x.org/?given=1",
        "X-One:a:b=c",
        "X-Two: spaced\t",
        "q==a b&c",
        "ü==ß",
        "json=a==b:c",
        "empty=",
        "raw:=[1, null]",
        "lines=a\nb",
        ":authority:other.org:1",
        "accept:text/html",
        "user-agent:",
    )

    assert asked.path == "/?given=1&q=a%20b%26c&%C3%BC=%C3%9F"
    assert asked.headers == [
        ("content-type", "application/json; charset=utf-8"),
        ("X-One", "a:b=c"),
        ("X-Two", "spaced"),
        (":authority", "other.org:1"),
        ("accept", "text/html"),
    ]
    assert isinstance(asked.body, bytes)
    assert json.loads(asked.body) == {
        "json": "a==b:c",
        "empty": "",
        "raw": [1, None],
        "lines": "a\nb",
    }


def test_a_query_alone_begins_with_a_question_mark() -> None:
    assert ask("x.org", "a==1", "a==2").path == "/?a=1&a=2"


def test_options_may_stand_anywhere() -> None:
    asked = ask("PUT", "--debug", "x.org", "--timeout", "2.5", "a=b", "--verify=ca.pem")

    options = asked.options
    assert (asked.method, options.debug, options.timeout) == ("PUT", True, 2.5)
    assert options.verify == "ca.pem"
    assert asked.body == b'{"a": "b"}'
    assert ask("x.org", "--timeout", "0.5").options.timeout == 0.5
    assert ask("x.org", "--timeout", "0").options.timeout is None
    assert ask("x.org", "--verify", "no").options.verify is False
    assert ask("x.org", "--verify", "yes").options.verify is True
    assert ask("x.org", "--alpn", "h2,http/1.1").options.alpn == ["h2", "http/1.1"]
    assert ask("x.org", "--alpn", "none").options.alpn == []
    assert ask("--", "x.org", "-x=1").body == b'{"-x": "1"}'


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "there is no URL; for a start: hyper demo:/get"),
        (["GET"], "there is no URL after GET"),
        (["post"], "there is no URL after post"),
        (["x.org", "item"], "'item' is not a request item; write Name:value"),
        (["x.org", "=value"], "'=value' is not a request item"),
        (["x.org", ":=1"], "':=1' is not a request item"),
        (["x.org", "a:=b"], "after := in 'a:=b' is not JSON: "),
        (["x.org", "a:=" + "[" * 100_000], "is not JSON"),
        (["x.org", ":other:x"], "':other:x' is not a pseudo-header with its value; there are "),
        (["x.org", ":authority:"], "':authority:' is not a pseudo-header with its value"),
        (["x.org", ":path=x"], "':path=x' is not a pseudo-header with its value"),
        (["brew", "https://x.org"], "is the word before it a method in capitals?"),
        (["demo:/get", "demo:/ip"], "'demo:/ip' stands where a request item should"),
        (["a=b", "https://x.org"], "stands where a request item should: the URL comes first"),
        (["a=b", "c=d"], "'a=b' stands where the URL should; request items come behind that"),
        (["https:/x.org"], "'https:/x.org' lacks // behind its scheme; write https://HOST/PATH"),
        (["HTTPS:x.org/8"], "lacks // behind its scheme"),
        (["http:"], "lacks // behind its scheme"),
        (["ftp://x.org"], "not spoken here; there are https://, http:// and demo:/"),
        (["https://me:secret@x.org/"], "user name in it"),
        (["me@x.org"], "user name in it"),
        (["https://x.org:port/"], "cannot be read: Port"),
        (["https://x.org:99999/"], "cannot be read: Port out of range"),
        (["https://x.org:0/"], "no host, or port 0"),
        (["https:///path"], "no host, or port 0; write https://HOST[:PORT]/PATH"),
        (["https://[::1/"], "cannot be read: "),
        (["x.org/a\nb"], "control characters"),
        (["x.org", "--timeout", "soon"], "'soon' is not a number of seconds, 0 for any"),
        (["x.org", "--timeout", "-1"], "'-1' is not a number of seconds"),
        (["x.org", "--timeout", "inf"], "'inf' is not a number of seconds"),
        (["x.org", "--timeout", "nan"], "'nan' is not a number of seconds"),
        (["x.org", "--print", "hx"], "--print knows H, B, h, b and m, and not 'x'"),
        (["x.org", "--continue"], "name it with --output FILE"),
        (["x.org", "--continue", "-o", "f"], "add --download"),
        (["x.org", "--cert-key", "k"], "name that with --cert FILE"),
        (["x.org", "--parallel", "2"], "add --repeat N"),
        (["x.org", "--repeat", "0"], "'0' is not a number from 1 to"),
        (["x.org", "--repeat", "1_0"], "'1_0' is not a number from 1 to"),
        (["x.org", "--repeat", "2", "-d"], "does not go with --download"),
        (["x.org", "--repeat", "2", "-F"], "does not go with --follow"),
        (["x.org", "--auth-type", "bearer"], "needs the credentials: --auth TOKEN"),
        (["x.org", "--alpn", "h2,,x"], "is not a list such as h2,http/1.1, nor none"),
        (["x.org", "--alpn", "h" * 256], "is not a list such as"),
        (["x.org", "--json", "--form"], "not allowed with argument"),
        (["x.org", "--h2", "--http1.1"], "not allowed with argument"),
        (["x.org", "--pretty", "loud"], "invalid choice: 'loud'"),
        (["x.org", "--timeout"], "--timeout: expected one argument; see hyper --help"),
        (["x.org", "--zzz"], "unrecognized arguments: --zzz; see hyper --help"),
        (["x.org", "--deb"], "unrecognized arguments: --deb (is --debug meant?); see hyper --help"),
        (["x.org", "--folow"], "unrecognized arguments: --folow (is --follow meant?)"),
        (["x.org", "--get-it"], "unrecognized arguments: --get-it; see hyper --help"),
        (["-X", "POST", "x.org"], "unrecognized arguments: -X (here it is METHOD before the URL)"),
        (["-XPOST", "x.org"], "unrecognized arguments: -XPOST (here it is METHOD before the URL)"),
        (["x.org", "-H", "A: b"], "unrecognized arguments: -H (here it is Name:value behind"),
        (["x.org", "--data", "a=b"], "--data (here it is name=value, @FILE or --raw BODY); see"),
        (["x.org", "--insecure"], "unrecognized arguments: --insecure (here it is --verify no)"),
    ],
)  # fmt: skip
def test_mistakes_say_what_to_write(words: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(*words)

    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_curl_calls_otherwise_is_none_of_our_options_and_leads_to_one() -> None:
    for theirs, ours in CURLS.items():
        with pytest.raises(UsageError, match=re.escape(f"(here it is {ours})")):
            ask("x.org", theirs)
        assert set(re.findall("--[a-z-]+", ours)) <= set(ALL.split())


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_and_version_end_well(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        ask(option)

    assert caught.value.code == 0
    said = capsys.readouterr().out
    if option == "--version":
        assert said == f"hyper {__version__}\n"
    else:
        assert said.startswith(
            "usage: hyper [-h] [--version] [--debug] [option ...] [METHOD] URL [REQUEST_ITEM ...]\n"
        )
        for word in (
            "--timeout",
            "--verify",
            "Name:value",
            "name==value",
            "demo:/get",
            "130",
            *ALL,
        ):
            assert word in said
