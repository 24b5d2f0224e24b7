"""What the first documents promise in words and no other test shows.

``test_checklist.py`` has the whole list, and says which test shows which point.
"""

from __future__ import annotations

import inspect
import os
import re
import ssl
import subprocess
import sys
import threading
import tomllib
from pathlib import Path

import pytest

import hyper

from ..certificates import Certificates
from ..servers import InProcessServer

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(hyper.__file__).parent


def test_every_file_of_the_package_is_python() -> None:
    """Seed point 2: "100% pure Python, which means no C extensions"."""
    kinds = {path.suffix for path in SOURCE.rglob("*") if path.is_file()}
    shown = {".css", ".js"}  # of the page that --trace writes; a browser runs it
    assert kinds - {".pyc"} == {".py", ".typed"} | shown
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["build-system"]["requires"] == ["hatchling>=1.27"], "nothing that compiles"


def test_the_licence_is_mit() -> None:
    """Seed point 4."""
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["license"] == "MIT"


def test_it_is_installed_with_pip() -> None:
    """Seed point 5; that the line works is ``test_docs.py``'s to show."""
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    assert "$ python -m pip install hyper\n" in page


@pytest.mark.parametrize(
    "chapter", ["quickstart.md", "guides/*.md", "command-line.md", "contributing.md", "faq.md"]
)
def test_the_documentation_has_the_chapters_it_had(chapter: str) -> None:
    """Seed point 8."""
    pages = list((ROOT / "docs").glob(chapter))
    assert pages
    for page in pages:
        assert len(page.read_text(encoding="utf-8")) > 20


def test_be_cordial_or_be_on_your_way() -> None:
    """Seed point 10."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "Be cordial or be on your way" in text
    assert "Get early feedback" in text
    assert "look first whether somebody else did" in text


@pytest.mark.parametrize("name", ["HTTP20Connection", "HTTP11Connection", "HTTPConnection"])
def test_the_names_of_the_front_door(name: str) -> None:
    """Seed point 13."""
    assert name in hyper.__all__


@pytest.mark.usefixtures("http2bin")
def test_both_names_for_asking_are_one_method() -> None:
    """Seed point 17."""
    for kind in (hyper.HTTP20Connection, hyper.HTTP11Connection, hyper.HTTPConnection):
        with kind("http2bin.org", 443) as conn:
            conn.request("GET", "/get")
            conn.request("GET", "/ip")
            assert conn.getresponse().read().startswith(b"{")
            assert b"origin" in conn.get_response().read()


@pytest.mark.usefixtures("http2bin")
def test_heads_read_in_another_order_than_they_were_asked_for_are_whole() -> None:
    """Seed point 24."""
    with hyper.HTTP20Connection("http2bin.org") as conn:
        ids = [
            conn.request("GET", f"/response-headers?x-number={number}&x-{number}=only")
            for number in range(20)
        ]
        for number in reversed(range(20)):
            response = conn.get_response(ids[number])
            assert response.headers["x-number"] == [str(number).encode()]
            others = [name for name, _ in response.headers if re.fullmatch(rb"x-\d+", name)]
            assert others == [f"x-{number}".encode()]
            response.read()


@pytest.mark.usefixtures("http2bin")
def test_no_thread_is_started_and_no_event_loop() -> None:
    """Seed point 28: "it's obnoxious for a library to spawn its own threads"."""
    before = set(threading.enumerate())
    with hyper.HTTP20Connection("http2bin.org") as conn:
        ids = [conn.request("GET", "/download/200000") for _ in range(5)]
        assert set(threading.enumerate()) == before
        for stream_id in ids:
            response = conn.get_response(stream_id)
            for _ in response:
                assert set(threading.enumerate()) == before
    assert set(threading.enumerate()) == before


def test_without_a_word_only_a_context_of_ones_own_turns_verification_off(
    server: InProcessServer,
) -> None:
    """Seed point 34: there is no switch on a connection, and the default verifies."""
    for name in ("HTTP20Connection", "HTTP11Connection", "HTTPConnection"):
        words = set(inspect.signature(getattr(hyper, name)).parameters)
        assert not words & {"verify", "insecure", "check_hostname", "verify_mode"}
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with hyper.HTTP20Connection("127.0.0.1", server.port, ssl_context=context) as conn:
        conn.request("GET", "/hello")
        assert conn.get_response().read() == b"hello, world"
    with (
        hyper.HTTP20Connection("127.0.0.1", server.port, secure=True) as conn,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        conn.request("GET", "/hello")


def test_verification_is_turned_off_as_it_was_in_0_7(
    server: InProcessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines that programs were told to write: ``hyper.tls._context`` is looked at."""
    monkeypatch.setattr(hyper.tls, "_context", hyper.tls.init_context())
    context = hyper.tls._context
    assert context is not None
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with hyper.HTTP20Connection(f"localhost:{server.port}", secure=True) as conn:
        conn.request("GET", "/hello")
        assert conn.get_response().read() == b"hello, world"


@pytest.mark.parametrize("name", ["HTTPConnection", "HTTP11Connection"])
def test_a_program_written_for_http_2_runs_where_only_http_1_1_is_spoken(
    name: str, certificates: Certificates, ssl_context: ssl.SSLContext
) -> None:
    """Seed point 29: several requests open, ids or none, threads; the user need not know."""
    only_1_1 = InProcessServer(certificates, alpn_protocols=["http/1.1"])
    try:
        with getattr(hyper, name)(
            f"localhost:{only_1_1.port}", secure=True, ssl_context=ssl_context, timeout=20
        ) as conn:
            first = conn.request("GET", "/hello")
            second = conn.request("POST", "/upload", data=b"key=value")
            assert (first, second) == (None, None)
            assert conn.get_response(first).read() == b"hello, world"
            assert b'"size": 9' in conn.get_response(second).read()

            failures: list[BaseException] = []

            def work() -> None:
                try:
                    for size in (1, 1000, 100_000):
                        conn.request("GET", f"/download/{size}")
                        with conn.get_response() as response:
                            assert len(response.read()) == size
                except BaseException as error:
                    failures.append(error)

            threads = [threading.Thread(target=work) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert failures == []
    finally:
        only_1_1.stop()


def test_importing_hyper_changes_nothing_of_anybody_elses() -> None:
    """R30: one package that changes another when it is installed or imported."""
    code = """
import http.client, socket, ssl, sys, urllib.request
modules = http.client, socket, ssl, urllib.request
before = [dict(vars(module)) for module in modules]
classes = [dict(vars(kind)) for kind in (http.client.HTTPSConnection, ssl.SSLContext)]
import hyper, hyper.tls, hyper.common.exceptions
hyper.HTTP20Connection('localhost:1')
assert before == [dict(vars(module)) for module in modules]
assert classes == [dict(vars(kind)) for kind in (http.client.HTTPSConnection, ssl.SSLContext)]
"""
    variables = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
