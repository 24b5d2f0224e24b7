"""HTTPie with the plug-in installed: the command itself, against a real server."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

import hyper
from hyper.contrib.httpie import HTTP20TransportPlugin, HTTPieAdapter, asked_for_context

from ..certificates import Certificates
from .conftest import CountingServer, TunnelProxy

ROOT = Path(__file__).resolve().parent.parent.parent


class HTTPie:
    """The command ``http``, with hyper installed beside it as pip would leave it."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.verify = f"--verify={certificates.authority}"
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        info = folder / f"hyper-{hyper.__version__}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: hyper\nVersion: {hyper.__version__}\n"
        )
        lines = []
        for group, points in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        source = Path(hyper.__file__).parent.parent
        self.variables = {
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{source}",
            "HTTPIE_CONFIG_DIR": str(folder),
        }

    def __call__(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "httpie", "--ignore-stdin", self.verify, *words],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.decode().replace("\r\n", "\n")


@pytest.fixture
def http(tmp_path: Path, certificates: Certificates) -> HTTPie:
    return HTTPie(tmp_path, certificates)


def test_the_status_line_says_http_2(http: HTTPie, counting: CountingServer) -> None:
    code, printed = http("--print=hb", f"{counting.url}/get")
    assert code == 0, printed
    assert printed.startswith("HTTP/2.0 200 OK\n"), printed
    assert '"args": {}' in printed
    assert counting.versions == {"2"}


def test_bodies_forms_and_statuses_stay_httpies(http: HTTPie, counting: CountingServer) -> None:
    code, printed = http("--body", f"{counting.url}/post", "name=hyper", "X-Sent:yes")
    assert code == 0, printed
    assert '"name": "hyper"' in printed
    assert re.search(r'"x-sent": "yes"', printed, re.IGNORECASE)
    code, printed = http("--check-status", "--print=h", f"{counting.url}/status/404")
    assert code == 4, printed
    assert "HTTP/2.0 404 Not Found" in printed
    code, printed = http("--follow", "--print=h", f"{counting.url}/redirect/2")
    assert code == 0, printed
    assert counting.versions == {"2"}


def test_a_server_without_http_2_is_shown_as_what_it_is(
    http: HTTPie, http11: CountingServer
) -> None:
    code, printed = http("--print=h", f"{http11.url}/get")
    assert code == 0, printed
    assert printed.startswith("HTTP/1.1 200 "), printed


def test_ssl_and_ciphers_are_heeded(http: HTTPie, counting: CountingServer) -> None:
    code, printed = http("--ssl=tls1.2", "--print=h", f"{counting.url}/get")
    assert code == 0, printed
    code, printed = http("--ciphers=AES128-SHA", "--ssl=tls1.2", f"{counting.url}/get")
    assert code == 1
    assert "SSLError" in printed or "ssl" in printed.lower()


def test_a_certificate_nobody_vouches_for_is_refused(
    http: HTTPie, counting: CountingServer
) -> None:
    http.verify = "--verify=yes"
    code, printed = http(f"{counting.url}/get")
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in printed
    http.verify = "--verify=no"
    code, printed = http("--print=h", f"{counting.url}/get")
    assert (code, printed[:12]) == (0, "HTTP/2.0 200"), printed


def test_the_plugin_is_listed(http: HTTPie) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "httpie.manager", "cli", "plugins", "list"],
        env=http.variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    code, printed = http("--debug")
    assert "hyper" in done.stdout or "HTTP20TransportPlugin" in printed, (code, printed)


# In this process.


def test_the_plugin_offers_an_adapter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["http", "https://localhost/"])
    plugin = HTTP20TransportPlugin()
    assert plugin.prefix == "https://"
    with closing(plugin.get_adapter()) as adapter:
        assert isinstance(adapter, HTTPieAdapter)
        assert "ssl_context" not in adapter.poolmanager.connection_pool_kw


def test_options_become_a_context_for_servers_and_behind_proxies(proxy: TunnelProxy) -> None:
    assert asked_for_context(["POST", "--form", "https://localhost/", "a=b"]) is None
    context = asked_for_context(["--ssl", "tls1.2", "--ciphers=AES128-SHA"])
    assert context is not None
    assert context.maximum_version == context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert "AES128-SHA" in {cipher["name"] for cipher in context.get_ciphers()}
    with closing(HTTPieAdapter(context)) as adapter:
        managers = adapter.poolmanager, adapter.proxy_manager_for(f"http://localhost:{proxy.port}")
        for manager in managers:
            assert manager.connection_pool_kw["ssl_context"] is context


def test_a_certificate_of_ones_own_may_have_a_password(certificates: Certificates) -> None:
    from httpie.ssl_ import HTTPieCertificate

    class Pool:
        key_password: str | None = None
        cert_file: str | None = None
        key_file: str | None = None

    pool = Pool()
    files = str(certificates.chain), str(certificates.key)
    with closing(HTTPieAdapter()) as adapter:
        adapter.cert_verify(pool, "https://localhost/", True, HTTPieCertificate(*files, "open"))
        assert (pool.cert_file, pool.key_file, pool.key_password) == (*files, "open")
        adapter.cert_verify(pool, "https://localhost/", True, files)
        assert pool.cert_file == files[0]


def test_the_archived_plugin_finds_what_it_imports() -> None:
    """``httpie-http2`` 0.0.1 consists of these lines."""
    from httpie.plugins import TransportPlugin

    from hyper.contrib import HTTP20Adapter

    class HTTP20Plugin(TransportPlugin):  # type: ignore[misc]
        prefix = "https://"

        def get_adapter(self) -> HTTP20Adapter:
            return HTTP20Adapter()

    with closing(HTTP20Plugin().get_adapter()) as adapter:
        assert isinstance(adapter, HTTP20Adapter)
