"""What a program passes in never becomes more than it is: the catalogue's 3.8, through every door.

CVE-2016-5699, CVE-2019-9740, CVE-2019-9947, CVE-2020-26116, CVE-2025-57804, CVE-2026-1502: a line
feed in a path, a method, a header or a proxy's header made another header, or another request.
"""

from __future__ import annotations

from typing import Any

import pytest

from hyper import HTTP11Connection, HTTP20Connection
from hyper.contrib.httpx import HTTP2Transport

from ..certificates import Certificates
from ..servers.proxy import SmallProxy
from .doors import DOORS, DropIn, Httpx, Kind, Native, Native11, Native20, Requests, Urllib3
from .peer import PATIENCE, Client, Scene, Stage, Talk, polite

NATIVE = pytest.mark.parametrize("kind", [HTTP20Connection, HTTP11Connection])
EVERY = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)

#: Octets that end a line, or a string in C, in the midst of something and at its ends.
LINE_ENDS = (
    "a\r\nx-evil: 1",
    "a\nx-evil: 1",
    "a\rx-evil: 1",
    "a\0b",
    "a\r\n\r\nGET /evil HTTP/1.1",
)


def on_stage(scene: Stage, door: Kind) -> Scene:
    return scene(polite, http1=door is Native11)


def heads(play: Scene) -> list[dict[str, str]]:
    """What the server was asked, in HTTP/2's words whichever version it was."""
    found = []
    for talk in play.talks:
        for written in talk.record:
            if written.name == "HEADERS" and written.headers is not None:
                assert len(dict(written.headers)) == len(written.headers), written.headers
                found.append(dict(written.headers))
        for asked in talk.requests:
            head = {":method": asked.method, ":path": asked.target}
            assert asked.version == "HTTP/1.1"
            found.append(head | {name.lower(): value for name, value in asked.fields})
    return found


def harmless(head: dict[str, str]) -> None:
    """Nothing in a head that could be two things."""
    assert "x-evil" not in head
    for name, value in head.items():
        for text in (name, value):
            assert not set(text) & set("\r\n\0"), head
        assert name == name.lower() and not set(name) & set(" \t")
    assert not set(head[":path"]) & set(" \t#") and head[":path"].startswith(("/", "*"))
    assert not set(head[":method"]) & set(" \t")


def refused_or_harmless(
    play: Scene, certificates: Certificates, door: Kind, strict: bool = True, **asked: Any
) -> None:
    """The door refuses, and then nothing has been sent; or what is sent is one thing."""
    with door(play.port, certificates.authority) as caller:
        before = len(heads(play))
        try:
            caller.ask(**asked)
        except door.refusals as refusal:
            # An error of the network would be one about an answer to something.
            assert not isinstance(refusal, OSError) or door in (Requests,), refusal
            assert len(heads(play)) == before
        else:
            assert not strict, f"{door.__name__} sent {heads(play)}"
        for head in heads(play):
            harmless(head)
        answer = caller.ask("/after")
        assert answer.status == 200 and answer.body.startswith(b"connection ")
        assert [head[":path"] for head in heads(play)][-1] == "/after"


@EVERY
@pytest.mark.parametrize("value", LINE_ENDS)
@pytest.mark.parametrize("name", ["x-name", "cookie", "authorization", "user-agent"])
def test_a_line_end_in_a_value_is_refused(
    scene: Stage, certificates: Certificates, door: Kind, name: str, value: str
) -> None:
    with on_stage(scene, door) as play:
        # requests' own rule is about its own fields; hyper's sees to the rest.
        refused_or_harmless(play, certificates, door, headers=[(name, value)])


@EVERY
@pytest.mark.parametrize("value", [b"a\r\nx-evil: 1", b"a\nb", b"a\0b"])
def test_a_line_end_in_a_value_of_octets_is_refused(
    scene: Stage, certificates: Certificates, door: Kind, value: bytes
) -> None:
    with on_stage(scene, door) as play:
        refused_or_harmless(play, certificates, door, headers=[("x-name", value)])


@EVERY
@pytest.mark.parametrize(
    "name",
    ["x-a\r\nx-evil", "x-a\nx-evil", "x-a\0", "x a", "x-a:", "x-a: 1\r\nx-evil", "é",
     ":path", ":evil", ":method", " x-a", "x-a ", ""],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(
    scene: Stage, certificates: Certificates, door: Kind, name: str
) -> None:
    """RFC 9110 §5.1, RFC 9113 §8.3: and there are no pseudo-headers of the user's, but for the
    four of the native door, which are held against the same rules."""
    headers = [(name, "/ok" if name == ":path" else "OK")]
    with on_stage(scene, door) as play:
        if issubclass(door, Native) and name in (":path", ":method"):
            with door(play.port, certificates.authority) as caller:
                caller.ask(headers=headers)
            assert heads(play)[-1][name] == headers[0][1]
            return
        refused_or_harmless(play, certificates, door, headers=headers)


@EVERY
@pytest.mark.parametrize(
    "method", ["GET /x HTTP/1.1\r\nx-evil: 1\r\n\r\nGET", "GE T", "GET\0", "GET\n", "GÉT", "G:T"]
)
def test_a_method_that_is_no_token_is_refused(
    scene: Stage, certificates: Certificates, door: Kind, method: str
) -> None:
    """CVE-2020-26116; RFC 9110 §9.1."""
    with on_stage(scene, door) as play:
        refused_or_harmless(play, certificates, door, method=method)


@EVERY
@pytest.mark.parametrize(
    "path",
    ["/a b", "/a HTTP/1.1\r\nx-evil: 1", "/a\r\nx-evil: 1", "/a\nb", "/a\0b", "/a\tb", "/a\x7fb",
     "/é", "/a#fragment", "/a?b#c?d"],
)  # fmt: skip
def test_a_path_is_refused_or_made_one(
    scene: Stage, certificates: Certificates, door: Kind, path: str
) -> None:
    """CVE-2019-9740, CVE-2019-9947; some libraries percent-encode, and drop the fragment."""
    with on_stage(scene, door) as play:
        strict = issubclass(door, Native)
        refused_or_harmless(play, certificates, door, strict, path=path)


# http.client sends a query without a path as it is given, and the gateway refuses it.
@pytest.mark.parametrize(
    ("door", "path"),
    [(door, path) for door in (Requests, Urllib3, Httpx) for path in ("", "?query")]
    + [(DropIn, "")],
)
def test_a_path_is_never_empty(
    scene: Stage, certificates: Certificates, door: Kind, path: str
) -> None:
    """RFC 9113 §8.3.1."""
    with on_stage(scene, door) as play:
        with door(play.port, certificates.authority) as caller:
            assert caller.ask(path).status == 200
        assert heads(play)[-1][":path"] == "/" + path


@NATIVE
def test_an_empty_path_is_a_slash(scene: Stage, kind: type[Client]) -> None:
    with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
        assert play.ask("")[0] == 200
        assert heads(play)[-1][":path"] == "/"
        with pytest.raises(ValueError, match="must start with '/'"):
            play.ask("?query")


@EVERY
@pytest.mark.parametrize(
    "host", ["evil\r\nx-evil: 1", "a\nb", "user@host", "user:pw@host", "a b", "a/b", "a#b", "a\0"]
)
def test_a_host_that_is_none_is_refused(
    scene: Stage, certificates: Certificates, door: Kind, host: str
) -> None:
    """RFC 9113 §8.3.1: no userinfo in :authority; RFC 9112 §3.2."""
    with on_stage(scene, door) as play:
        refused_or_harmless(play, certificates, door, headers=[("Host", host)])


@EVERY
def test_host_becomes_the_authority_and_is_said_once(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """RFC 9113 §8.3.1: there must not be two that differ."""
    with on_stage(scene, door) as play:
        with door(play.port, certificates.authority) as caller:
            caller.ask(headers=[("Host", "other.example")])
        head = heads(play)[-1]
        if door is Native11:
            assert head["host"] == "other.example"
        else:
            assert head[":authority"] == "other.example" and "host" not in head


@pytest.mark.parametrize("door", [Requests, Urllib3, Httpx], ids=lambda door: door.__name__)
def test_userinfo_of_a_url_stays_out_of_authority_and_path(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """RFC 9113 §8.3.1."""
    with on_stage(scene, door) as play:
        with door(play.port, certificates.authority) as caller:
            caller.url = f"https://user:secret@localhost:{play.port}"
            caller.ask("/path#fragment")
        head = heads(play)[-1]
        assert head[":authority"] == f"localhost:{play.port}"
        assert head[":path"] == "/path"


HOP_BY_HOP = {
    "Connection": "keep-alive, x-hop",
    "x-hop": "1",
    "Keep-Alive": "timeout=5",
    "Proxy-Connection": "keep-alive",
}


@pytest.mark.parametrize(
    "door", [Native20, Native, DropIn, Requests, Urllib3, Httpx], ids=lambda door: door.__name__
)
def test_fields_about_the_connection_are_left_out(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """RFC 9113 §8.2.2, RFC 9110 §7.6.1; names are in lower case (§8.2.1)."""
    with on_stage(scene, door) as play:
        with door(play.port, certificates.authority) as caller:
            caller.ask(headers=[*HOP_BY_HOP.items(), ("X-Mixed-Case", "Kept As It Is")])
        head = heads(play)[-1]
        assert not set(head) & {"connection", "x-hop", "keep-alive", "proxy-connection"}
        assert head["x-mixed-case"] == "Kept As It Is"


@pytest.mark.parametrize(
    "door", [Native20, Native, DropIn, Requests, Urllib3, Httpx], ids=lambda door: door.__name__
)
@pytest.mark.parametrize(
    ("te", "sent"), [("trailers", "trailers"), ("gzip, trailers;q=0.5, trailers", "trailers"),
                     ("gzip", None), ("trailersx", None)]
)  # fmt: skip
def test_te_says_trailers_or_nothing(
    scene: Stage, certificates: Certificates, door: Kind, te: str, sent: str | None
) -> None:
    """RFC 9113 §8.2.2."""
    with on_stage(scene, door) as play:
        with door(play.port, certificates.authority) as caller:
            caller.ask(headers=[("TE", te)])
        assert heads(play)[-1].get("te") == sent


# requests sets the length itself, and overrules what it is given.
@pytest.mark.parametrize(
    "door", [door for door in DOORS if door is not Requests], ids=lambda door: door.__name__
)
@pytest.mark.parametrize("length", ["1", "3", "9"])
def test_a_length_that_is_not_the_bodys_never_leaves_whole(
    scene: Stage, certificates: Certificates, door: Kind, length: str
) -> None:
    """RFC 9110 §8.6, RFC 9113 §8.1.1: the rest would be the beginning of the next request."""
    body = b"xGET /evil HTTP/1.1\r\nhost: a\r\n\r\n" if length == "1" else b"four"
    with on_stage(scene, door) as play:
        with door(play.port, certificates.authority) as caller:
            if door is DropIn and length == "9":
                # http.client waits for the response to what it has written; here it comes.
                caller.ask("/", "POST", [("content-length", length)], body)
                caller.close()
            else:
                with pytest.raises((*door.refusals, *door.errors)):
                    caller.ask("/", "POST", [("content-length", length)], body)
            assert caller.ask("/after").status == 200
        asked = [head[":path"] for head in heads(play)]
        assert asked in (["/", "/after"], ["/after"])
        for talk in play.talks:
            whole = [each.data for each in talk.record if each.name == "DATA" and each.end_stream]
            # The gateway cannot know before it has come that there is more than was promised.
            assert whole == ([body[: int(length)]] if whole and door is DropIn else [])


def test_a_body_that_ends_by_an_empty_line_is_put_up_with(
    scene: Stage, certificates: Certificates
) -> None:
    """RFC 9112 §2.2: old programs do so."""
    bodies = []

    def listening(talk: Talk) -> None:
        for _ in range(2):
            asked = talk.hear_request()
            bodies.append(talk.hear_body(asked.stream_id))
            talk.answer(asked.stream_id)

    with scene(listening) as play, DropIn(play.port, certificates.authority) as caller:
        for _ in range(2):
            caller.ask("/", "POST", [("content-length", "4")], b"four\r\n")
    assert bodies == [b"four", b"four"]


@pytest.mark.parametrize("length", ["+4", "4_0", "-4", "4, 4", "four", "0x4", "٤"])
@NATIVE
def test_a_length_that_is_no_number_is_refused(
    scene: Stage, kind: type[Client], length: str
) -> None:
    with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
        with pytest.raises(ValueError, match="content-length must be one decimal number"):
            play.ask(method="POST", body=b"four", headers={"content-length": length})
        assert heads(play) == []


def test_there_are_never_both_framings(scene: Stage, certificates: Certificates) -> None:
    """RFC 9112 §6.2: a length and chunks together are how requests are smuggled."""
    with scene(polite, http1=True) as play:
        with Native11(play.port, certificates.authority) as caller:
            for fields in (
                [("Transfer-Encoding", "chunked"), ("Content-Length", "4")],
                [("Transfer-Encoding", "chunked")],
                [("Transfer-Encoding", "gzip, chunked")],
                [("Content-Length", "4")],
                [],
            ):
                caller.ask("/", "POST", fields, b"four")
                caller.ask("/", "POST", fields[:-1], iter([b"fo", b"ur"]))
        for head in heads(play):
            assert ("content-length" in head) != ("transfer-encoding" in head), head
        assert [each.body for talk in play.talks for each in talk.requests] == [b"four"] * 10


@NATIVE
@pytest.mark.parametrize(
    "trailers",
    [{"x-a": "1\r\nx-evil: 1"}, {"x-a": "1\0"}, {"x-a\r\nx-evil": "1"}, {":path": "/"},
     {"": "1"}, {"x a": "1"}],
)  # fmt: skip
def test_trailers_are_held_to_the_same_rules(
    scene: Stage, kind: type[Client], trailers: dict[str, str]
) -> None:
    with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
        with pytest.raises(ValueError, match=r"header|pseudo"):
            play.ask(method="POST", body=b"four", trailers=trailers)
        assert play.ask("/after")[0] == 200
        for head in heads(play):
            harmless(head)


@NATIVE
@pytest.mark.parametrize(
    "fields",
    [{"x-a": "1\r\nx-evil: 1"}, {"x-a": "1\0"}, {"x-a\r\nx-evil": "1"}, {"x a": "1"}],
)
def test_what_is_said_to_a_proxy_is_held_to_the_same_rules(
    scene: Stage, certificates: Certificates, kind: type[Client], fields: dict[str, str]
) -> None:
    with (
        scene(polite, kind=kind, http1=kind is HTTP11Connection) as play,
        SmallProxy() as proxy,
        play.another(
            proxy_host="127.0.0.1", proxy_port=proxy.port, proxy_headers=fields
        ) as connection,
    ):
        with pytest.raises(ValueError, match="header"):
            connection.request("GET", "/")
        assert proxy.heard == [] and heads(play) == []


def test_what_httpx_says_to_a_proxy_is_held_to_the_same_rules(
    scene: Stage, certificates: Certificates
) -> None:
    import httpx

    with scene(polite) as play, SmallProxy() as proxy:
        address = httpx.Proxy(f"http://127.0.0.1:{proxy.port}", headers=[("x-a", "1\r\nx-evil: 1")])
        transport = HTTP2Transport(verify=certificates.authority, proxy=address)
        with (
            httpx.Client(transport=transport, timeout=PATIENCE) as client,
            pytest.raises(httpx.HTTPError),
        ):
            client.get(f"https://localhost:{play.port}/")
        assert proxy.heard == [] and heads(play) == []


@pytest.mark.parametrize(
    "host",
    [
        "a\r\nx-evil: 1",
        "a b",
        "a\0b",
        "a\nb",
        "a/b",
        "user@a",
        "a?b",
        "a#b",
        "a\tb",
        "\u2100.example",
    ],
)
def test_a_host_to_connect_to_is_held_to_the_same_rules(host: str) -> None:
    """The target of CONNECT, the name in TLS and :authority are made of it."""
    for kind in (HTTP20Connection, HTTP11Connection):
        with pytest.raises(ValueError, match="host"):
            kind(host, 443, proxy_host="127.0.0.1:9")


@NATIVE
@pytest.mark.parametrize("authority", ["a:1\r\nx-evil: 1", "a b:1", "user@a:1"])
def test_the_target_of_connect_is_held_to_the_same_rules(
    scene: Stage, kind: type[Client], authority: str
) -> None:
    """CVE-2026-1502; RFC 9110 §9.3.6."""
    with scene(polite, kind=kind, http1=kind is HTTP11Connection) as play:
        with pytest.raises(ValueError, match=r"authority|CONNECT"):
            play.client.request("CONNECT", "/", headers={":authority": authority})
        assert heads(play) == []
