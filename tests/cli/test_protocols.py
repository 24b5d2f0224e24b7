"""What is spoken, to whom, by which way: ALPN, prior knowledge, Upgrade, proxies, certificates."""

from __future__ import annotations

import json
import ssl
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from hyper.demo import DemoServer

from ..certificates import Certificates
from ..faults.rawserver import Conversation, RawServer
from ..servers import InProcessServer
from ..servers.proxy import SmallProxy
from ..servers.socks import SmallSocks
from .conftest import Run


@pytest.mark.parametrize(
    ("words", "spoken"),
    [
        ([], "HTTP/2"),
        (["--http2"], "HTTP/2"),
        (["--h2"], "HTTP/2"),
        (["--http1.1"], "HTTP/1.1"),
        (["--alpn", "http/1.1"], "HTTP/1.1"),
        (["--alpn", "none"], "HTTP/1.1"),
        (["--alpn", "h2"], "HTTP/2"),
    ],
)
def test_over_tls(
    run: Run, url: str, trusted: tuple[str, ...], words: list[str], spoken: str
) -> None:
    done = run(f"{url}/hello", "-p", "hb", *words, *trusted)

    assert done.text.startswith(f"{spoken} 200 OK\n")
    assert done.text.endswith("\n\nhello, world")


@pytest.mark.parametrize(
    ("words", "spoken"),
    [
        ([], "HTTP/1.1"),
        (["--http1.1"], "HTTP/1.1"),
        (["--h2"], "HTTP/2"),
        (["--http2"], "HTTP/2"),
        (["--upgrade"], "HTTP/2"),
    ],
)
def test_without_tls(run: Run, server: InProcessServer, words: list[str], spoken: str) -> None:
    done = run(f"http://localhost:{server.plain_port}/hello", "--print=hb", *words)

    assert done.text.startswith(f"{spoken} 200 OK\n")
    assert done.text.endswith("\n\nhello, world")


def test_a_server_without_http_2_is_spoken_to_all_the_same(
    run: Run, certificates: Certificates
) -> None:
    server = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    try:
        words = (f":{server.port}/hello", "--verify", str(certificates.authority))
        assert run(*words, "--headers").text.startswith("HTTP/1.1 200 OK\n")
        done = run(*words, "--http2")
    finally:
        server.stop()
    assert (done.code, done.out) == (1, b"")
    assert "'http/1.1' by ALPN" in done.err
    assert done.err.endswith("; without --http2, HTTP/1.1 is spoken to it\n")


def test_a_server_with_nothing_but_http_2(run: Run) -> None:
    def only_frames(conversation: Conversation) -> None:
        conversation.say(bytes.fromhex("000000040000000000"))
        conversation.linger()

    with RawServer(only_frames) as server:
        done = run(f"http://127.0.0.1:{server.port}/")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert done.err.endswith("; if it wants TLS: https://; if HTTP/2 without TLS: --h2\n")


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("--h2", "TLS: https://; if HTTP/1.1: no --h2"),
        ("--http2", "TLS: https://; if HTTP/1.1: no --http2"),
        ("--upgrade", "TLS: https://"),
        ("--http1.1", "TLS: https://"),
    ],
)
def test_a_port_for_tls_is_thought_of(
    run: Run, server: InProcessServer, option: str, hint: str
) -> None:
    done = run(option, f"http://localhost:{server.port}/hello")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert done.err.endswith(f"; if it wants {hint}\n")


def test_who_has_spoken_http_2_wants_nothing_else(run: Run) -> None:
    def hang_up(conversation: Conversation) -> None:
        conversation.hear_request()
        conversation.finish()

    with RawServer(hang_up) as server:
        done = run("--h2", f"http://127.0.0.1:{server.port}/")
    assert done.code == 1
    assert done.err.endswith("before the response on stream 1 was complete\n")


def test_the_demo_takes_other_protocols_by_option(run: Run) -> None:
    assert run("demo:/get", "--headers").text.startswith("HTTP/2 200 OK\n")
    assert run("demo:/get", "--headers", "--http2").text.startswith("HTTP/2 200 OK\n")


# Whereto


def test_resolve_and_connect_to(
    run: Run, server: InProcessServer, trusted: tuple[str, ...]
) -> None:
    asked = f"https://http2bin.org:{server.port}/get"
    for words in (
        ("--resolve", f"http2bin.org:{server.port}:127.0.0.1"),
        ("--resolve", f"*:{server.port}:127.0.0.1"),
        ("--connect-to", f"http2bin.org:{server.port}:127.0.0.1:"),
        ("--connect-to", "::127.0.0.1:"),
        ("--connect-to", f"::[::ffff:127.0.0.1]:{server.port}"),
    ):
        assert json.loads(run(asked, *words, *trusted).out)["url"] == asked
    done = run(
        asked,
        *("--resolve", f"made.up:{server.port}:127.0.0.1", "--connect-to", "::made.up:"),
        *trusted,
    )
    assert json.loads(done.out)["url"] == asked
    done = run("https://http2bin.org/get", "--connect-to", f"::localhost:{server.port}", *trusted)
    assert json.loads(done.out)["url"] == "https://http2bin.org/get"


def test_only_what_is_named_is_led_elsewhere(run: Run, server: InProcessServer) -> None:
    address = f"http://127.0.0.1:{server.plain_port}/hello"
    assert run(address, "--connect-to", "other:1:192.0.2.1:1").text == "hello, world"
    assert run(address, "--resolve", "127.0.0.1:1:192.0.2.1").text == "hello, world"


def test_proxies(
    run: Run, server: InProcessServer, url: str, trusted: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plain = f"http://127.0.0.1:{server.plain_port}/hello"
    with SmallProxy("Basic bWU6c2VjcmV0") as proxy:
        address = f"http://me:secret@127.0.0.1:{proxy.port}"
        assert run(f"{url}/hello", "--proxy", address, *trusted).text == "hello, world"
        assert run(plain, "--proxy", address).text == "hello, world"
        assert len(proxy.heard) == 2
        assert run(plain, "--proxy", f"https:{address}").text == "hello, world"
        assert len(proxy.heard) == 2, "that proxy is for https"

        monkeypatch.setenv("http_proxy", address)
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert run(plain).text == "hello, world"
        assert run(f"{url}/hello", *trusted).text == "hello, world"
        assert len(proxy.heard) == 4
        assert run(plain, "--proxy", "none").text == "hello, world"
        assert run("demo:/get").code == 0
        monkeypatch.setenv("no_proxy", "localhost, 127.0.0.1")
        assert run(plain).text == "hello, world"
        assert run(f"{url}/hello", *trusted).text == "hello, world"
        assert len(proxy.heard) == 4

        done = run(f"{url}/hello", "--proxy", f"http://127.0.0.1:{proxy.port}", *trusted)
        assert done.code == 1
        assert "refused a tunnel" in done.err
        assert "--proxy http://USER:PASSWORD@HOST:PORT" in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_proxies(
    run: Run, server: InProcessServer, url: str, trusted: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch, scheme: str,
) -> None:  # fmt: skip
    pytest.importorskip("python_socks")
    plain = f"http://localhost:{server.plain_port}/hello"
    with SmallSocks("me:secret") as proxy:
        address = f"{scheme}://me:secret@127.0.0.1:{proxy.port}"
        assert run(f"{url}/hello", "--proxy", address, *trusted).text == "hello, world"
        assert run(plain, "--proxy", f"http:{address}").text == "hello, world"
        assert len(proxy.heard) == 2
        monkeypatch.setenv("ALL_PROXY", address)
        assert run(plain).text == "hello, world"
        assert run(f"{url}/hello", *trusted).text == "hello, world"
        monkeypatch.setenv("https_proxy", address.replace("127.0.0.1", "localhost"))
        assert run(f"{url}/hello", *trusted).text == "hello, world"
        assert len(proxy.heard) == 5
        monkeypatch.setenv("no_proxy", "localhost")
        assert run(plain).text == "hello, world"
        assert len(proxy.heard) == 5
        kind = "IPv4 127.0.0.1" if scheme == "socks5" else "name localhost"
        assert {each.rpartition(" ")[0] for each in proxy.heard} == {kind}

        done = run(plain, "--proxy", f"{scheme}://127.0.0.1:{proxy.port}")
        assert done.code == 1
        assert "--proxy socks5://USER:PASSWORD@HOST:PORT gives credentials" in done.err
        assert done.err.count("\n") == 1


def test_a_socks_proxy_without_the_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_socks", None)
    done = run("http://localhost/", "--proxy", "socks5://me:secret@127.0.0.1:1")
    assert done.code == 1
    assert 'pip install "hyper[socks]"' in done.err
    assert done.err.count("\n") == 1 and "secret" not in done.err


# Whom to trust, and who we are


def test_our_own_certificate(run: Run, certificates: Certificates, tmp_path: Path) -> None:
    context = certificates.server_context("http/1.1")
    context.load_verify_locations(certificates.authority)
    context.verify_mode = ssl.CERT_REQUIRED

    def answer(conversation: Conversation) -> None:
        heard = conversation.socket.recv(65_536)
        if heard:
            conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            conversation.linger()

    words = ("--verify", str(certificates.authority))
    own = ("--cert", str(certificates.chain), "--cert-key", str(certificates.key))
    with RawServer(answer, context) as server:
        assert run(f":{server.port}/", *words, *own).text == "ok"
        both = ("--cert", str(certificates.both))
        assert run(f":{server.port}/", *words, *both).text == "ok"
        done = run(f":{server.port}/", *words, "--cert", str(certificates.chain))
        assert done.code == 1
        assert "client certificate and its key cannot be used" in done.err
        assert "--cert-key FILE names the key" in done.err
        assert "_ssl.c" not in done.err

        others = Certificates.create(tmp_path)
        wrong = ("--cert", str(certificates.chain), "--cert-key", str(others.key))
        done = run(f":{server.port}/", *words, *wrong)
        assert done.code == 1
        assert done.err.endswith(": the key is that of another certificate\n")

    def refuse(conversation: Conversation) -> None:
        # A second descriptor, so that the alert is read before the connection is gone.
        sock = context.wrap_socket(
            conversation.socket.dup(), server_side=True, do_handshake_on_connect=False
        )
        with sock, suppress(ssl.SSLError):
            sock.do_handshake()
        conversation.linger()

    with RawServer(refuse) as server:
        done = run(f":{server.port}/", *words)
    assert done.code == 1
    assert done.err == (
        f"hyper: error: localhost:{server.port}: the server wants a certificate of ours: "
        "--cert FILE shows one\n"
    )


def test_a_certificate_that_was(run: Run, tmp_path: Path) -> None:
    authority = trustme.CA()
    was = authority.issue_cert("localhost", not_after=datetime(2020, 1, 2, tzinfo=UTC))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    was.configure_cert(context)
    with RawServer(lambda conversation: None, context) as server:
        done = run(f":{server.port}/", "--verify", str(tmp_path / "ca.pem"))
    assert done.code == 1
    assert f"localhost:{server.port} failed: " in done.err
    assert "certificate has expired, or the clock here is wrong" in done.err


def test_a_proxy_does_not_see_what_goes_through(
    run: Run, url: str, trusted: tuple[str, ...]
) -> None:
    with SmallProxy() as proxy:
        address = f"127.0.0.1:{proxy.port}"
        run(f"{url}/get", "Cookie:a=secret", "-a", "me:x", "--proxy", address, *trusted)
        assert "secret" not in proxy.heard[0]
        assert "authorization" not in proxy.heard[0].lower()


def test_an_old_server_may_take_the_upgrade_or_not(run: Run) -> None:
    with DemoServer() as server:
        done = run(f"{server.url}/get", "--upgrade", "--headers")
    assert done.text.startswith("HTTP/1.1 ")
