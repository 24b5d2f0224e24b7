"""What the demo answers, held against httpbin's shapes and RFC 9110."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sys
import time
import zlib
from email.utils import formatdate, parsedate_to_datetime

import pytest
from urllib3.filepost import encode_multipart_formdata

from hyper.common.coding import accept_encoding, decoder
from hyper.demo import endpoints, seeded_chunks, site
from hyper.demo.endpoints import MAX_BODY, ROUTES
from hyper.http20.exceptions import ErrorCode

from ...peer import frame
from .client import Answer, Client, data, settings, window_update


@pytest.fixture
def client() -> Client:
    """One with room for every answer."""
    client = Client()
    client.send(settings(initial_window_size=2**30), window_update(2**30))
    return client


def upload(client: Client, path: str, body: bytes, method: str = "POST", **headers: str) -> Answer:
    """Send a request with a body; its answer."""
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    stream_id = client._next_id
    answer = client.ask(path, method=method, headers=fields, end=False)
    for at in range(0, len(body), 10_000):
        client.send(data(stream_id, body[at : at + 10_000]))
    client.send(data(stream_id, b"", end=True))
    return answer


def test_get_says_what_was_asked(client: Client) -> None:
    agent = [("user-agent", "me"), ("x-two", "a"), ("x-two", "b"), ("cookie", "c"), ("cookie", "d")]
    answer = client.ask("/get?one=1&two=2&two=3&none=", headers=agent)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.json == {
        "args": {"one": "1", "two": ["2", "3"], "none": ""},
        "headers": {"User-Agent": "me", "X-Two": "a,b", "Cookie": "c; d", "Host": "localhost:80"},
        "origin": "127.0.0.1",
        "url": "http://localhost:80/get?one=1&two=2&two=3&none=",
    }


def test_every_answer_has_a_date_and_a_server(client: Client) -> None:
    """RFC 9110 §6.6.1."""
    for path in ("/get", "/nothing", "/status/404", "/stream/1"):
        headers = client.ask(path).headers
        assert parsedate_to_datetime(headers["date"]).tzinfo is not None
        assert headers["server"].startswith("hyper-demo/")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/post"), ("PUT", "/put"), ("PATCH", "/patch"), ("DELETE", "/delete")],
)
def test_methods_with_bodies_give_them_back(client: Client, method: str, path: str) -> None:
    body = json.dumps({"name": "Hyper"}).encode()
    answer = upload(client, path, body, method, content_type="application/json")

    about = answer.json
    assert set(about) == {"args", "data", "files", "form", "headers", "json", "origin", "url"}
    assert about["data"] == '{"name": "Hyper"}'
    assert about["json"] == {"name": "Hyper"}
    assert (about["form"], about["files"]) == ({}, {})


def test_forms_are_taken_apart(client: Client) -> None:
    kind = "application/x-www-form-urlencoded; charset=utf-8"
    about = upload(client, "/post", b"a=1&b=2&b=3", content_type=kind).json

    assert about["form"] == {"a": "1", "b": ["2", "3"]}
    assert about["data"] == ""
    assert about["json"] is None


def test_bodies_that_are_no_text_come_back_in_base64(client: Client) -> None:
    about = upload(client, "/post", b"\xff\x00").json

    assert about["data"] == "data:application/octet-stream;base64," + "/wA="
    assert base64.b64decode("/wA=") == b"\xff\x00"


def test_json_too_deep_to_parse_is_none(client: Client) -> None:
    assert upload(client, "/post", b"[" * 100_000).json["json"] is None


def test_anything_takes_any_method_and_path(client: Client) -> None:
    about = client.ask("/anything/goes/here", method="BREW").json

    assert about["method"] == "BREW"
    assert about["url"].endswith("/anything/goes/here")
    assert "trailers" not in about


def test_bodies_without_measure_are_refused(client: Client) -> None:
    answer = client.ask("/post", method="POST", end=False)
    for _ in range(MAX_BODY // 16_000 + 2):
        client.send(data(1, bytes(16_000)))

    assert answer.status == 413
    assert answer.reset == ErrorCode.NO_ERROR


def test_a_body_may_come_along_with_its_head(client: Client) -> None:
    for path in ("/post", "/digest", "/echo"):
        stream_id = client._next_id
        head = client.head(path, method="POST", end=False)
        client.send(head, data(stream_id, b"here"), data(stream_id, b"it is", end=True))
        assert client.stream(stream_id).status == 200

    assert client.stream(1).json["data"] == "hereit is"
    assert client.stream(3).json["size"] == 9
    assert client.stream(5).body == b"hereit is"


@pytest.mark.parametrize("path", ["/digest", "/upload"])
def test_digest_takes_any_upload(client: Client, path: str) -> None:
    body = bytes(range(256)) * 300
    answer = upload(client, path, body)

    assert answer.json == {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}


def test_echo_answers_while_it_is_still_being_asked(client: Client) -> None:
    """Both directions of one stream at once (RFC 9113 §8.1)."""
    answer = client.ask("/echo", method="POST", headers=[("content-type", "a/b")], end=False)
    assert answer.status == 200
    client.send(data(1, b"one"))
    assert answer.body == b"one"
    client.send(data(1, b"two"))
    assert (answer.body, answer.ended) == (b"onetwo", False)
    client.send(data(1, b"", end=True))
    assert (answer.body, answer.ended) == (b"onetwo", True)
    assert answer.headers["content-type"] == "a/b"


def test_expect_100_continue_is_answered_before_the_body(client: Client) -> None:
    """RFC 9110 §10.1.1."""
    answer = client.ask("/post", method="POST", headers=[("expect", "100-continue")], end=False)
    assert [status for status, _ in answer.heads] == [100]
    client.send(data(1, b"now", end=True))
    assert answer.json["data"] == "now"


def test_the_small_ones(client: Client) -> None:
    assert client.ask("/ip").json == {"origin": "127.0.0.1"}
    assert client.ask("/user-agent").json == {"user-agent": ""}
    agent = client.ask("/user-agent", headers=[("user-agent", "me")])
    assert agent.json == {"user-agent": "me"}
    assert client.ask("/headers").json == {"headers": {"Host": "localhost:80"}}


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 599])
def test_status_gives_any_final_status(client: Client, status: int) -> None:
    answer = client.ask(f"/status/{status}", method="DELETE")

    assert answer.status == status
    assert answer.body == b""
    assert answer.ended
    assert ("content-length" in answer.headers) == (status not in (204, 304))


def test_redirects_count_down(client: Client) -> None:
    assert client.ask("/status/303").headers["location"] == "/get"
    answer = client.ask("/redirect/2")
    assert (answer.status, answer.headers["location"]) == (302, "/redirect/1")
    assert client.ask("/redirect/1").headers["location"] == "/get"


def test_seeded_bytes_are_the_same_each_time_and_known_to_the_reader(client: Client) -> None:
    first, second = client.ask("/bytes/100000?seed=7"), client.ask("/bytes/100000?seed=7")

    assert first.body == second.body == b"".join(seeded_chunks(100_000, 7))
    assert first.headers["content-length"] == "100000"
    assert client.ask("/bytes/100?seed=8").body != first.body[:100]
    assert client.ask("/bytes/0").body == b""


def test_stream_gives_a_frame_for_each_line(client: Client) -> None:
    answer = client.ask("/stream/3")

    assert [json.loads(piece)["id"] for piece in answer.pieces] == [0, 1, 2]
    assert answer.pieces[0].endswith(b"\n")
    assert answer.ended


def test_delays_are_bounded(client: Client) -> None:
    answer = client.ask("/delay/1000")
    client.turn(9.9)
    assert not answer.heads
    client.turn(0.2)
    assert set(answer.json) >= {"args", "data", "files", "form", "headers", "origin", "url"}


def test_drip_drips(client: Client) -> None:
    answer = client.ask("/drip?numbytes=4&duration=2&delay=1")
    client.turn(0.9)
    assert not answer.heads
    client.turn(0.1)
    assert answer.body == b"*"
    client.turn(0.5)
    assert answer.body == b"**"
    for _ in range(3):
        client.turn(0.5)
    assert answer.body == b"****"
    assert answer.ended
    assert client.ask("/drip?numbytes=0").ended


def test_codings_can_be_decoded(client: Client) -> None:
    zipped, deflated = client.ask("/gzip"), client.ask("/deflate")

    assert zipped.headers["content-encoding"] == "gzip"
    about = json.loads(gzip.decompress(zipped.body))
    assert about["gzipped"] is True
    assert about["method"] == "GET"
    assert deflated.headers["content-encoding"] == "deflate"
    assert json.loads(zlib.decompress(deflated.body))["deflated"] is True


@pytest.mark.parametrize(("path", "coding"), [("/brotli", b"br"), ("/zstd", b"zstd")])
def test_installed_codings_can_be_decoded(client: Client, path: str, coding: bytes) -> None:
    if coding not in accept_encoding().split(b", "):
        pytest.skip(f"nothing here decodes {coding.decode()}")
    answer = client.ask(path)
    unpacked = decoder([coding])

    assert answer.headers["content-encoding"] == coding.decode()
    assert unpacked is not None
    assert json.loads(unpacked.decode(answer.body, 100_000))[path[1:]] is True


def test_a_coding_that_is_not_installed_is_named_with_its_extra(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("brotli", "brotlicffi", "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, module, None)
    for path in ("/brotli", "/zstd"):
        answer = client.ask(path)
        assert answer.status == 501
        assert f'pip install "hyper[{path[1:]}]"' in answer.body.decode()


def test_etag_spares_what_is_known(client: Client) -> None:
    """RFC 9110 §13.1.2."""
    assert client.ask("/etag/abc").headers["etag"] == '"abc"'
    for known in ('"abc"', '"x", "abc"', "*"):
        answer = client.ask("/etag/abc", headers=[("if-none-match", known)])
        assert (answer.status, answer.body) == (304, b"")
    assert client.ask("/etag/abc", headers=[("if-none-match", '"x"')]).status == 200


def test_trailers_follow_the_body(client: Client) -> None:
    answer = client.ask("/trailers")

    assert answer.headers["trailer"] == "x-sha256"
    assert answer.trailers == [("x-sha256", hashlib.sha256(answer.body).hexdigest())]
    assert answer.ended


def test_hints_come_first(client: Client) -> None:
    """RFC 8297."""
    for path in ("/hints", "/early-hints"):
        answer = client.ask(path)
        assert [status for status, _ in answer.heads] == [103, 200]
        assert answer.heads[0][1][0][0] == "link"


def test_a_page_pushes_what_it_links_to_those_who_take_it(client: Client) -> None:
    """RFC 9113 §8.4: promised before the page that names it, on a stream of the server's."""
    answer = client.ask("/push")
    client.turn(1)

    assert client.promises == {
        number: (
            1,
            {":method": "GET", ":scheme": "http", ":authority": "localhost:80", ":path": path},
        )
        for number, path in ((2, "/assets/style.css"), (4, "/assets/app.js"))
    }
    assert answer.ended
    for number, (_, request) in client.promises.items():
        assert request[":path"] in answer.body.decode()
        pushed = client.stream(number)
        assert (pushed.status, pushed.ended) == (200, True)
        assert pushed.body == client_body(request[":path"])
    kinds = [each for each in client.frames if each[0] in ("PUSH_PROMISE", "HEADERS")]
    assert kinds[:3] == [("PUSH_PROMISE", 1), ("PUSH_PROMISE", 1), ("HEADERS", 1)]


def client_body(path: str) -> bytes:
    """What one gets by asking for it."""
    client = Client()
    client.send(settings(initial_window_size=2**30), window_update(2**30))
    answer = client.ask(path)
    for _ in range(20):
        client.turn(1)
    assert answer.ended
    return answer.body


@pytest.mark.parametrize(
    "refusal",
    [settings(enable_push=0), settings(max_concurrent_streams=0)],
    ids=["push off", "no streams"],
)
def test_nothing_is_pushed_to_who_does_not_take_it(client: Client, refusal: bytes) -> None:
    client.send(refusal)

    assert client.ask("/push").ended
    assert client.promises == {}


def test_pushes_take_no_place_from_requests() -> None:
    """RFC 9113 §5.1.2: each side limits the streams of the other one."""
    client = Client(max_concurrent_streams=1)
    client.ask("/push")
    assert not client.stream(2).heads, "they are still to come"
    assert client.ask("/get").status == 200


def test_a_push_may_be_refused(client: Client) -> None:
    client.ask("/push")
    client.send(frame("RST_STREAM", 0, 2, b"\0\0\0\x08"), window_update(5, 4))
    client.turn(1)

    assert client.goaway is None
    assert not client.stream(2).heads
    assert client.stream(4).ended


def test_a_page_links_what_is_there(client: Client) -> None:
    client.send(settings(enable_push=0))
    page = client.ask("/page")

    assert [status for status, _ in page.heads] == [103, 200]
    names = set(re.findall(r"assets/([\w.-]+)", page.body.decode() + site.STYLE))
    names |= set(re.findall(r"url\((\w+\.png)\)", site.STYLE)) - {"nothing.png"}
    assert names == set(site.ASSETS)
    for name, asset in site.ASSETS.items():
        body = client_body(f"/assets/{name}")
        assert body == asset.body()
        assert body.startswith(b"\x89PNG") == name.endswith(".png")
    assert client.ask("/assets/nothing.png").status == 404


def test_what_is_linked_comes_late_and_in_pieces(client: Client) -> None:
    answer = client.ask("/assets/photo-1.png")
    assert not answer.heads
    client.turn(0.06)
    assert answer.status == 200
    assert 0 < len(answer.body) < int(answer.headers["content-length"])
    for _ in range(10):
        client.turn(0.05)
    assert answer.ended
    assert len(answer.body) == int(answer.headers["content-length"])


def test_reset_and_cut_end_by_rst_stream(client: Client) -> None:
    assert client.ask("/reset").reset == ErrorCode.INTERNAL_ERROR
    assert client.ask("/reset?code=7").reset == ErrorCode.REFUSED_STREAM
    cut = client.ask("/cut?code=8")
    assert (cut.headers["content-length"], len(cut.body)) == ("2000", 1000)
    assert cut.reset == ErrorCode.CANCEL
    assert not cut.ended


def test_goaway_answers_and_leaves(client: Client) -> None:
    answer = client.ask("/goaway?code=11")

    assert client.goaway == (1, ErrorCode.ENHANCE_YOUR_CALM, b"")
    assert answer.status == 200
    assert client.left()


def test_the_home_page_links_to_everything_and_every_link_works(client: Client) -> None:
    page = client.ask("/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for route in ROUTES.values():
        assert f"<a href='{route.example}'>" in page.body.decode()
        other = Client()
        method = route.methods[0] if route.methods[0] != "*" else "GET"
        answer = other.ask(route.example, method=method)
        other.turn(5)
        for _ in range(30):
            other.turn(0.5)
        assert answer.ended or answer.reset == ErrorCode.INTERNAL_ERROR, route.path


@pytest.mark.parametrize("path", ["/nothing", "/get/more", "/bytes", "/status/", "//get"])
def test_unknown_paths_are_told_what_there_is(client: Client, path: str) -> None:
    answer = client.ask(path)

    assert answer.status == 404
    assert answer.body.decode().startswith(f"nothing is at {path}; ")
    for route in ROUTES.values():
        assert route.path in answer.body.decode()


def test_unknown_methods_are_told_which_there_are(client: Client) -> None:
    """RFC 9110 §15.5.6."""
    answer = client.ask("/post?x", method="GET")

    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.body == b"/post does not take GET; it takes POST\n"


def test_forms_in_several_parts_are_taken_apart(client: Client) -> None:
    """As urllib3 writes them, for requests and others (RFC 7578)."""
    body, content_type = encode_multipart_formdata(
        [
            ("name", "Hyper"),
            ("tag", "a\r\nb"),
            ("tag", "--"),
            ("note", ("note.txt", "caf\u00e9\r\n", "text/plain")),
            ("photo", ("me.png", b"\x89PNG\r\n\r\n", "image/png")),
        ]
    )
    about = upload(client, "/post", body, content_type=content_type).json
    assert about["form"] == {"name": "Hyper", "tag": ["a\r\nb", "--"]}
    assert about["files"] == {
        "note": "caf\u00e9\r\n",
        "photo": "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\r\n").decode(),
    }
    assert (about["data"], about["json"]) == ("", None)


@pytest.mark.parametrize(
    ("content_type", "body", "form", "files"),
    [
        ('Multipart/Form-Data; charset=x; boundary="b"', b"--b--", {}, {}),
        # What stands before and behind the parts means nothing.
        (
            "multipart/form-data;boundary=b",
            b'hello\r\n--b  \r\nContent-Disposition: form-data; NAME="n"\r\n\r\nv\r\n--b--\r\nbye',
            {"n": "v"},
            {},
        ),
        ("multipart/form-data;boundary=b", b"--b\r\n\r\nv\r\n--b--", {"": "v"}, {}),
        (
            "multipart/form-data;boundary=b",
            b"--b\r\ncontent-disposition: form-data; name=n; filename*=x\r\n\r\nv\r\n--b--",
            {},
            {"n": "v"},
        ),
    ],
)
def test_forms_may_be_written_in_other_ways(
    client: Client, content_type: str, body: bytes, form: dict[str, str], files: dict[str, str]
) -> None:
    about = upload(client, "/anything", body, content_type=content_type).json
    assert (about["form"], about["files"]) == (form, files)


@pytest.mark.parametrize(
    ("content_type", "body", "what"),
    [
        ("multipart/form-data", b"--b--", b"multipart/form-data needs a boundary"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nv", b"the form does not end with --b--"),
        ("multipart/form-data; boundary=b", b"", b"the form does not end with --b--"),
    ],
)
def test_forms_without_an_end_are_none(
    client: Client, content_type: str, body: bytes, what: bytes
) -> None:
    answer = upload(client, "/post", body, content_type=content_type)
    assert answer.status == 400
    assert answer.body.startswith(what)


@pytest.mark.parametrize("seconds", [0, 951_782_399, 951_868_799, 1_735_689_599, 2_000_000_000])
def test_dates_are_those_of_e_mail(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 §5.6.7, whatever the locale."""
    monkeypatch.setattr(endpoints, "gmtime", lambda: time.gmtime(seconds))
    client = Client()
    client.send(settings())
    assert client.ask("/get").headers["date"] == formatdate(seconds, usegmt=True)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/status/x", b"a final status"),
        ("/status/100", b"a final status is a number from 200 to 599, not '100'"),
        ("/status/600", b"a final status"),
        ("/bytes/-1", b"the number of octets"),
        ("/bytes/1?seed=x", b"seed"),
        ("/stream/10001", b"the number of lines is a number from 0 to 10000, not '10001'"),
        ("/delay/nan", b"the delay"),
        ("/drip?duration=11", b"duration is a number from 0 to 10, not '11'"),
        ("/redirect/x", b"the number of redirects"),
        ("/reset?code=-1", b"code"),
    ],
)
def test_mistakes_are_answered_with_what_would_be_right(
    client: Client, path: str, what: bytes
) -> None:
    answer = client.ask(path)

    assert answer.status == 400
    assert answer.body.startswith(what)
