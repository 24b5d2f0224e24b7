"""What requests does over HTTP/1.1 and what it does through the adapter: the same, point by point.

Each point is done twice against the same server, with requests as it is and with the adapter
mounted, and gives something to compare. That the one went over HTTP/1.1 and the other over HTTP/2
is checked as well.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import pickle
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth
from urllib3.exceptions import InsecureRequestWarning

from ..certificates import Certificates
from ..servers import InProcessServer

Point = Callable[[requests.Session, str, Certificates], Any]
POINTS: dict[str, Point] = {}

BODY = bytes(range(256)) * 600


def point(function: Point) -> Point:
    POINTS[function.__name__] = function
    return function


def told(response: requests.Response) -> dict[str, Any]:
    """httpbin's account of a request, without what may differ: the port and each run's ids."""
    account: dict[str, Any] = response.json()
    account.get("headers", {}).pop("Host", None)
    account.get("headers", {}).pop("Content-Type", None)
    # HTTP/2 needs no such field, and urllib3 sends it because of HTTP/1.1.
    account.get("headers", {}).pop("Connection", None)
    return account


def failure(call: Callable[[], Any]) -> str:
    """The kind of the exception; what it says may name ports."""
    with pytest.raises(Exception) as caught:
        call()
    return type(caught.value).__name__


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


@pytest.fixture
def base(server: InProcessServer, stock: requests.Session) -> str:
    url = f"https://localhost:{server.port}"
    # Once it has answered, the server's thread is done with importing, during which it changes
    # the warnings of the whole process.
    assert stock.get(url + "/hello").ok
    return url


@pytest.fixture(scope="module")
def without_http20(certificates: Certificates) -> Iterator[str]:
    server = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    url = f"https://localhost:{server.port}"
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(url + "/hello", verify=str(certificates.authority)).ok
    yield url
    gc.collect()
    server.stop()


@pytest.mark.parametrize("name", POINTS)
def test_both_give_the_same(
    name: str,
    stock: requests.Session,
    ours: requests.Session,
    base: str,
    certificates: Certificates,
) -> None:
    assert POINTS[name](ours, base, certificates) == in_http11(name, stock, base, certificates)


@pytest.mark.parametrize("name", POINTS)
def test_a_host_without_http_2_gives_the_same(
    name: str,
    without_http20: str,
    stock: requests.Session,
    ours: requests.Session,
    certificates: Certificates,
) -> None:
    found = in_http11(name, ours, without_http20, certificates)
    assert found == in_http11(name, stock, without_http20, certificates)


def in_http11(name: str, session: Any, url: str, certificates: Certificates) -> Any:
    """What a point gives over HTTP/1.1, asked once more if the connection was just closed.

    hypercorn ends a connection after a request whose body its application did not read. Whoever
    is about to write the next request there meets that, with stock requests as with ours, since
    a POST is not repeated by itself.
    """
    try:
        return POINTS[name](session, url, certificates)
    except requests.ConnectionError as error:
        if "RemoteDisconnected" not in str(error):
            raise
        return POINTS[name](session, url, certificates)


def test_the_one_is_http_1_1_and_the_other_http_2(stock: Any, ours: Any, base: str) -> None:
    assert stock.get(base + "/hello").raw.version == 11
    response = ours.get(base + "/hello")
    assert response.raw.version == 20
    assert response.raw.version_string == "HTTP/2"
    assert response.raw._original_response.version == 20
    # HTTP/2 has no reason phrases; hypercorn sends none over HTTP/1.1 either.
    assert response.reason == "OK"


def test_the_list_is_long_enough() -> None:
    assert len(POINTS) >= 50


# Requests.


@point
def a_get_has_a_status_and_a_body(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/hello")
    return response.status_code, response.ok, response.text, response.encoding


@point
def query_parameters_are_encoded(session: Any, url: str, _: Any) -> Any:
    return told(session.get(url + "/get", params={"a": "1 & 2", "b": ["x", "ü"]}))["args"]


@point
def non_ascii_paths_are_encoded(session: Any, url: str, _: Any) -> Any:
    return told(session.get(url + "/anything/grüße?x=é"))["args"]


@point
def header_fields_arrive_as_given(session: Any, url: str, _: Any) -> Any:
    session.headers["x-session"] = "of the session"
    fields = {"x-one": "1", "X-Two": "two, three", "x-latin": "caf\xe9".encode("latin-1")}
    return told(session.get(url + "/headers", headers=fields))


@point
def default_fields_can_be_left_out(session: Any, url: str, _: Any) -> Any:
    return told(session.get(url + "/headers", headers={"accept": None, "accept-encoding": None}))


@point
def without_a_user_agent_of_its_own_it_is_urllib3s(session: Any, url: str, _: Any) -> Any:
    return told(session.get(url + "/headers", headers={"user-agent": None}))


@point
def a_large_field_arrives(session: Any, url: str, _: Any) -> Any:
    return told(session.get(url + "/headers", headers={"x-large": "v" * 6000}))


@point
def a_host_field_names_another_host(session: Any, url: str, _: Any) -> Any:
    return session.get(url + "/headers", headers={"host": "example.org"}).json()["headers"]["Host"]


@point
def fields_about_the_connection_do_no_harm(session: Any, url: str, _: Any) -> Any:
    fields = {"connection": "keep-alive", "keep-alive": "timeout=5", "te": "trailers"}
    return session.get(url + "/hello", headers=fields).content


@point
def an_illegal_field_is_refused(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/hello", headers={"x-bad": "a\r\nb: c"}))


@point
def form_fields_are_posted(session: Any, url: str, _: Any) -> Any:
    return told(session.post(url + "/post", data={"a": "1", "b": ["2", "3"]}))


@point
def json_is_posted(session: Any, url: str, _: Any) -> Any:
    return told(session.post(url + "/post", json={"ü": [1, 2.5, None]}))


@point
def files_are_posted_as_multipart(session: Any, url: str, _: Any) -> Any:
    files = {"f": ("name.txt", io.BytesIO(b"contents"), "text/plain")}
    account = told(session.post(url + "/post", data={"a": "1"}, files=files))
    return account["files"], account["form"]


@point
def bytes_are_posted(session: Any, url: str, _: Any) -> Any:
    return session.post(url + "/upload", data=BODY).json()


@point
def text_is_posted_as_utf_8(session: Any, url: str, _: Any) -> Any:
    return session.post(url + "/upload", data="grüße €").json()


@point
def a_file_is_posted(session: Any, url: str, _: Any) -> Any:
    with open(__file__, "rb") as file:
        return session.put(url + "/upload", data=file).json()


@point
def a_file_is_posted_from_where_it_stands(session: Any, url: str, _: Any) -> Any:
    file = io.BytesIO(BODY)
    file.seek(1000)
    return session.post(url + "/upload", data=file).json()


@point
def a_file_of_text_is_posted(session: Any, url: str, _: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open(__file__, encoding="utf-8") as file:
            text = file.read()
        return session.post(url + "/upload", data=iter([text])).json()


@point
def a_generator_is_posted(session: Any, url: str, _: Any) -> Any:
    def pieces() -> Iterator[bytes]:
        for at in range(0, len(BODY), 10_000):
            yield BODY[at : at + 10_000]

    return session.post(url + "/upload", data=pieces()).json()


@point
def an_empty_generator_is_posted(session: Any, url: str, _: Any) -> Any:
    return session.post(url + "/upload", data=iter(())).json()


@point
def a_post_without_a_body_says_so(session: Any, url: str, _: Any) -> Any:
    return told(session.post(url + "/post"))


@point
def every_method_arrives(session: Any, url: str, _: Any) -> Any:
    methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
    found = [session.request(each, url + "/anything").json()["method"] for each in methods]
    return found, sorted(session.options(url + "/get").headers["allow"].split(", "))


@point
def a_prepared_request_is_sent(session: Any, url: str, _: Any) -> Any:
    prepared = session.prepare_request(requests.Request("POST", url + "/upload", data=b"abc"))
    return session.send(prepared).json()


@point
def a_large_body_comes_back(session: Any, url: str, _: Any) -> Any:
    return digest(session.post(url + "/echo", data=BODY * 10).content)


# Responses.


@point
def head_has_the_fields_and_no_body(session: Any, url: str, _: Any) -> Any:
    response = session.head(url + "/download/1000")
    return response.status_code, response.headers["content-length"], response.content


@point
def responses_without_a_body_have_none(session: Any, url: str, _: Any) -> Any:
    return [session.get(f"{url}/status/{code}").content for code in (204, 304)]


@point
def an_error_status_is_raised_when_asked(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/status/404")
    assert failure(response.raise_for_status) == "HTTPError"
    return response.status_code, response.ok


@point
def codings_are_taken_off(session: Any, url: str, _: Any) -> Any:
    names = ("gzip", "deflate", "brotli")
    return [sorted(session.get(f"{url}/{name}").json()) for name in names]


@point
def the_raw_file_leaves_codings_on(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/gzip", stream=True)
    return response.raw.read(3, decode_content=False), len(response.raw.read()) > 10


@point
def content_is_iterated_in_the_wanted_sizes(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/download/100000", stream=True)
    pieces = list(response.iter_content(3000))
    return [len(piece) for piece in pieces], digest(b"".join(pieces))


@point
def content_is_iterated_as_it_comes(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/stream-bytes/5000?seed=1", stream=True)
    return digest(b"".join(response.iter_content(None)))


@point
def lines_are_iterated(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/stream/5", stream=True)
    return [json.loads(line)["id"] for line in response.iter_lines()]


@point
def the_raw_file_is_read_in_parts(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/download/1000", stream=True)
    parts = [response.raw.read(10), response.raw.read1(5), response.raw.read(0)]
    return parts, response.raw.tell(), digest(response.raw.read()), response.raw.closed


@point
def the_head_comes_before_the_body(session: Any, url: str, _: Any) -> Any:
    with session.get(url + "/slow/0.2", stream=True) as response:
        return response.status_code, response.raw.tell(), response.content


@point
def a_streamed_response_can_be_dropped(session: Any, url: str, _: Any) -> Any:
    with session.get(url + "/download/10000000", stream=True) as response:
        first = next(response.iter_content(100))
    return first, session.get(url + "/hello").text


@point
def a_closed_response_can_not_be_read(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/download/100000", stream=True)
    response.close()
    return response.raw.closed, response.raw.read()


@point
def text_is_decoded_by_its_charset(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/encoding/utf8")
    return response.encoding, digest(response.text.encode())


@point
def what_is_no_json_is_an_error(session: Any, url: str, _: Any) -> Any:
    return failure(session.get(url + "/hello").json)


@point
def fields_are_found_whatever_their_case(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/response-headers?X-Twice=1&X-Twice=2&x-once=a")
    return [response.headers[name] for name in ("x-twice", "X-TWICE", "X-Once")]


@point
def links_are_parsed(session: Any, url: str, _: Any) -> Any:
    return session.get(url + "/response-headers?Link=%3C/next%3E;%20rel=next").links


# What sessions do.


@point
def cookies_are_kept_and_sent_back(session: Any, url: str, _: Any) -> Any:
    session.get(url + "/cookies/set?a=1&b=2", allow_redirects=False)
    return dict(session.cookies), session.get(url + "/cookies").json()


@point
def cookies_of_a_redirect_count(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/cookies/set?c=3")
    return response.json(), dict(response.history[0].cookies)


@point
def cookies_can_be_deleted(session: Any, url: str, _: Any) -> Any:
    session.get(url + "/cookies/set?a=1&b=2")
    return session.get(url + "/cookies/delete?a").json()


@point
def redirects_are_followed_and_remembered(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/redirect/3#part")
    return response.url, [(each.status_code, each.url) for each in response.history]


@point
def redirects_are_left_alone_when_told(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/redirect/1", allow_redirects=False)
    return response.status_code, response.headers["location"], response.next.url


@point
def redirects_have_an_end(session: Any, url: str, _: Any) -> Any:
    session.max_redirects = 2
    return failure(lambda: session.get(url + "/redirect/4"))


@point
def a_303_turns_post_into_get_and_a_307_does_not(session: Any, url: str, _: Any) -> Any:
    methods = []
    for status in (302, 303, 307, 308):
        where = f"{url}/redirect-to?url=/anything&status_code={status}"
        account = session.post(where, data=b"body").json()
        methods.append((account["method"], account["data"]))
    return methods


@point
def a_file_is_posted_again_after_a_redirect(session: Any, url: str, _: Any) -> Any:
    where = f"{url}/redirect-to?url=/upload&status_code=307"
    return session.post(where, data=io.BytesIO(b"once more")).json()


@point
def credentials_stay_with_their_host(session: Any, url: str, _: Any) -> Any:
    other = url.replace("localhost", "127.0.0.1")
    where = f"{url}/redirect-to?url={other}/headers"
    account = session.get(where, auth=("user", "secret"), headers={"x-mine": "1"}).json()
    return "Authorization" in account["headers"], account["headers"]["X-Mine"]


@point
def basic_authentication_works(session: Any, url: str, _: Any) -> Any:
    where = url + "/basic-auth/user/secret"
    right = session.get(where, auth=HTTPBasicAuth("user", "secret"))
    return right.json(), session.get(where, auth=("user", "wrong")).status_code


@point
def digest_authentication_works(session: Any, url: str, _: Any) -> Any:
    where = url + "/digest-auth/auth/user/secret"
    response = session.get(where, auth=HTTPDigestAuth("user", "secret"))
    return response.json(), [each.status_code for each in response.history]


@point
def hooks_are_called(session: Any, url: str, _: Any) -> Any:
    seen: list[str] = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.url))
    session.get(url + "/redirect/1")
    return seen


@point
def sessions_can_be_pickled(session: Any, url: str, _: Any) -> Any:
    session.get(url + "/cookies/set?a=1")
    with pickle.loads(pickle.dumps(session)) as again:
        return again.get(url + "/cookies").json()


@point
def responses_can_be_pickled(session: Any, url: str, _: Any) -> Any:
    response = pickle.loads(pickle.dumps(session.get(url + "/redirect/1")))
    return response.status_code, sorted(response.json()), len(response.history)


@point
def a_closed_session_can_be_used_again(session: Any, url: str, _: Any) -> Any:
    session.get(url + "/hello")
    session.close()
    return session.get(url + "/hello").text


@point
def a_response_outlives_its_session(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/download/300000", stream=True)
    session.close()
    return digest(response.content)


# What goes wrong.


@point
def a_late_answer_is_a_read_timeout(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/late/5", timeout=(2, 0.1)))


@point
def a_late_body_is_a_connection_error(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/slow/5", timeout=0.1))


@point
def a_late_body_that_is_streamed_too(session: Any, url: str, _: Any) -> Any:
    response = session.get(url + "/slow/5", timeout=0.1, stream=True)
    return failure(lambda: list(response.iter_content(10)))


@point
def a_timeout_of_another_kind_is_refused(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/hello", timeout=(1, 2, 3)))


@point
def nobody_listening_is_a_connection_error(session: Any, url: str, _: Any) -> Any:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        return failure(lambda: session.get(f"https://127.0.0.1:{port}/"))


@point
def nobody_accepting_is_a_timeout(session: Any, url: str, _: Any) -> Any:
    # Connects by the backlog, and never shakes hands.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        return failure(lambda: session.get(f"https://127.0.0.1:{port}/", timeout=0.1))


@point
def a_name_that_is_none_is_a_connection_error(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get("https://name.invalid/"))


@point
def a_server_without_tls_is_an_ssl_error(session: Any, url: str, _: Any) -> Any:
    def speak() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def answer() -> None:
                peer, _ = server.accept()
                with peer:
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    peer.recv(1000)

            thread = threading.Thread(target=answer)
            thread.start()
            try:
                session.get(f"https://127.0.0.1:{server.getsockname()[1]}/")
            finally:
                thread.join()

    return failure(speak)


@point
def an_unknown_authority_is_an_ssl_error(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/hello", verify=True))


@point
def verification_can_be_off_for_once(session: Any, url: str, _: Any) -> Any:
    with pytest.warns(InsecureRequestWarning):
        first = session.get(url + "/hello", verify=False).text
    return first, failure(lambda: session.get(url + "/hello", verify=True))


@point
def a_bundle_that_does_not_exist_is_an_os_error(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/hello", verify=str(Path(__file__) / "none")))


@point
def a_certificate_of_our_own_is_used(session: Any, url: str, files: Certificates) -> Any:
    good = session.get(url + "/hello", cert=(str(files.chain), str(files.key))).text
    return good, failure(lambda: session.get(url + "/hello", cert="/no/such/file"))


@point
def a_body_cut_short_is_an_error(session: Any, url: str, _: Any) -> Any:
    return failure(lambda: session.get(url + "/cut"))


@point
def a_wrong_coding_is_an_error(session: Any, url: str, _: Any) -> Any:
    where = url + "/response-headers?content-encoding=gzip"
    return failure(lambda: session.get(where))
