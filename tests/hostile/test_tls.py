"""Whom we talk to, and what is said before that is known: the catalogue's 3.11, through every door.

Every certificate is a real one, and every handshake goes over a real socket.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
import urllib3
from cryptography.x509 import DNSName

import hyper.client
from hyper.contrib import HTTP20Adapter
from hyper.contrib.urllib3 import PoolManager
from hyper.http20.exceptions import H2NotNegotiatedError
from hyper.tls import init_context

from ..certificates import Certificates
from .doors import DOORS, HTTP2_DOORS, Kind, Native11, Native20
from .peer import PATIENCE, Scene, Stage, Talk, polite

EVERY = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)


class Site:
    """An authority of its own, and the TLS of a server that has a certificate of it.

    authority  the file to trust
    context    the server's
    asked_for  the names that clients asked for (SNI)
    """

    def __init__(self, folder: Path, *names: str, alpn: tuple[str, ...] = ("h2",), **more: Any):
        authority = trustme.CA()
        self.authority = folder / "site.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, **more).configure_cert(self.context)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))
        self.asked_for: list[str | None] = []

        def note(side: Any, name: str | None, context: ssl.SSLContext) -> None:
            self.asked_for.append(name)

        self.context.sni_callback = note


def at(scene: Stage, site: Site, door: Kind) -> Scene:
    """A polite server with that TLS."""
    play = scene(polite, http1=door is Native11)
    play.server.context = site.context
    if door is Native11:
        site.context.set_alpn_protocols(["http/1.1"])
    return play


def refused(play: Scene, door: Kind, trusts: Path | bool, host: str = "localhost") -> str:
    """The door refuses because of the certificate, and has sent nothing; what it says."""
    with door(play.port, trusts, host) as caller:
        with pytest.raises(door.errors) as caught:
            caller.ask()
        for _ in range(2):
            with pytest.raises(door.errors):
                caller.ask()
    said, error = "", caught.value
    while error is not None:
        said += f"{error!r} "
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    assert "CERTIFICATE_VERIFY_FAILED" in said or "certificate verify failed" in said, said
    for talk in play.talks:
        assert not talk.record and not talk.requests
    return said


@pytest.fixture
def lead_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to this machine."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        local = name is None or ":" in name or not name.strip("0123456789.")
        return resolve(host if local else "127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# The chain and the names.


@EVERY
def test_nobody_is_trusted_whom_the_system_does_not_know(
    scene: Stage, tmp_path: Path, door: Kind
) -> None:
    """Verification is what happens when nobody says anything."""
    with at(scene, Site(tmp_path, "localhost"), door) as play:
        refused(play, door, True)


@EVERY
def test_nobody_is_trusted_who_is_of_another_authority(
    scene: Stage, tmp_path: Path, certificates: Certificates, door: Kind
) -> None:
    with at(scene, Site(tmp_path, "localhost"), door) as play:
        refused(play, door, certificates.authority)


@EVERY
def test_a_certificate_that_has_expired_is_refused(
    scene: Stage, tmp_path: Path, door: Kind
) -> None:
    site = Site(
        tmp_path, "localhost", not_before=datetime(2020, 1, 1), not_after=datetime(2021, 1, 1)
    )
    with at(scene, site, door) as play:
        assert "expired" in refused(play, door, site.authority)


@EVERY
@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["other.example"], "localhost"),
        (["127.0.0.1"], "localhost"),
        (["localhost"], "127.0.0.1"),
        (["127.0.0.2"], "127.0.0.1"),
        (["f*o.example"], "foo.example"),
        (["foo*.example"], "foobar.example"),
        (["*.example.org"], "example.org"),
        (["*.example.org"], "a.b.example.org"),
        (["a.*.org"], "a.example.org"),
    ],
    ids=str,
)
def test_a_certificate_for_another_name_is_refused(
    scene: Stage,
    tmp_path: Path,
    lead_here: None,
    monkeypatch: pytest.MonkeyPatch,
    door: Kind,
    names: list[str],
    host: str,
) -> None:
    """RFC 9110 §4.3.4, RFC 6125 §6.4.3: no partial wildcards, and one label for each."""
    if any("*" in name.removeprefix("*.") for name in names):
        # No honest authority makes such certificates, and trustme refuses to.
        monkeypatch.setattr(trustme, "_identity_string_to_x509", DNSName)
    site = Site(tmp_path, *names)
    with at(scene, site, door) as play:
        assert "mismatch" in refused(play, door, site.authority, host)


@EVERY
def test_a_name_in_the_subject_alone_is_none(scene: Stage, tmp_path: Path, door: Kind) -> None:
    """RFC 9110 §4.3.4: OpenSSL looks there where subjectAltName has no DNS name."""
    site = Site(tmp_path, "somebody@example.org", common_name="localhost")
    with at(scene, site, door) as play:
        assert "mismatch" in refused(play, door, site.authority)


@EVERY
@pytest.mark.parametrize(
    ("names", "host", "asked"),
    [
        (["localhost"], "localhost", "localhost"),
        (["*.example.org"], "a.example.org", "a.example.org"),
        (["127.0.0.1"], "127.0.0.1", None),
    ],
    ids=str,
)
def test_the_right_name_is_asked_for_and_an_address_is_not(
    scene: Stage,
    tmp_path: Path,
    lead_here: None,
    door: Kind,
    names: list[str],
    host: str,
    asked: str | None,
) -> None:
    """RFC 6066 §3: no literals in SNI; RFC 9110 §4.3.5: they are found in the certificate."""
    site = Site(tmp_path, *names)
    with at(scene, site, door) as play:
        with door(play.port, site.authority, host) as caller:
            assert caller.ask().status == 200
        assert site.asked_for == [asked]


@EVERY
def test_who_wants_to_trust_anybody_has_to_say_so(scene: Stage, tmp_path: Path, door: Kind) -> None:
    with at(scene, Site(tmp_path, "x.example"), door) as play, door(play.port, False) as caller:
        assert caller.ask().status == 200


# Versions, ciphers, ALPN.


@EVERY
def test_tls_1_1_is_too_old(scene: Stage, tmp_path: Path, door: Kind) -> None:
    """RFC 9113 §9.2, RFC 8996."""
    site = Site(tmp_path, "localhost")
    site.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        site.context.minimum_version = ssl.TLSVersion.TLSv1
        site.context.maximum_version = ssl.TLSVersion.TLSv1_1
    with at(scene, site, door) as play, door(play.port, site.authority) as caller:
        with pytest.raises(door.errors):
            caller.ask()
        assert play.talks == []


@pytest.mark.parametrize("door", [Native20, Native11], ids=lambda door: door.__name__)
@pytest.mark.parametrize("ciphers", ["ECDHE+AES+SHA256:!AESGCM", "AES128-GCM-SHA256"])
def test_ciphers_on_the_black_list_are_refused_by_our_contexts(
    scene: Stage, tmp_path: Path, door: Kind, ciphers: str
) -> None:
    """RFC 9113 §9.2.2, appendix A: neither CBC nor keys that are not ephemeral."""
    site = Site(tmp_path, "localhost")
    site.context.maximum_version = ssl.TLSVersion.TLSv1_2
    site.context.set_ciphers(ciphers)
    with at(scene, site, door) as play, door(play.port, site.authority) as caller:
        with pytest.raises(ssl.SSLError, match="handshake failure"):
            caller.ask()
        assert play.talks == []


def test_contexts_of_ours_neither_compress_nor_renegotiate(certificates: Certificates) -> None:
    """RFC 9113 §9.2.1; and they look for names in subjectAltName only."""
    ours = init_context(certificates.authority)
    assert ours.options & ssl.OP_NO_RENEGOTIATION
    for context in (ours, hyper.client.create_default_context()):
        assert context.options & ssl.OP_NO_COMPRESSION
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert not context.hostname_checks_common_name
        assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


@EVERY
@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("http/1.0", "spdy/3")], ids=str)
def test_without_h2_by_alpn_no_preface_is_sent(
    scene: Stage, tmp_path: Path, door: Kind, alpn: tuple[str, ...]
) -> None:
    """RFC 9113 §3.2: HTTP/1.1, or an error; never HTTP/2 on the off chance."""
    site = Site(tmp_path, "localhost", alpn=alpn)
    play = scene(polite, http1=True, secure=True)
    play.server.context = site.context
    with play, door(play.port, site.authority) as caller:
        if door is Native20:
            with pytest.raises(H2NotNegotiatedError, match="by ALPN"):
                caller.ask()
            assert all(not talk.requests and not talk.wire.unread for talk in play.talks)
        else:
            assert caller.ask().status == 200
            assert all(each.method == "GET" for talk in play.talks for each in talk.requests)


# Nothing is shared that should not be.


def test_what_one_request_does_not_verify_the_next_one_does(scene: Stage, tmp_path: Path) -> None:
    """CVE-2024-35195: in requests the pool went on as the first request had begun."""
    site = Site(tmp_path, "localhost")
    with at(scene, site, HTTP2_DOORS[0]) as play, requests.Session() as session:
        session.trust_env = False
        session.mount("https://", HTTP20Adapter())
        url = f"https://localhost:{play.port}/"
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            assert session.get(url, verify=False, timeout=PATIENCE).status_code == 200
        for _ in range(2):
            with pytest.raises(requests.exceptions.SSLError):
                session.get(url, timeout=PATIENCE)
        assert session.get(url, verify=str(site.authority), timeout=PATIENCE).status_code == 200
        assert [talk.counts["HEADERS"] for talk in play.talks] == [1, 1]


def test_a_pool_whose_settings_change_dials_anew(
    scene: Stage, tmp_path: Path, certificates: Certificates
) -> None:
    site = Site(tmp_path, "localhost")
    with at(scene, site, HTTP2_DOORS[0]) as play:
        url = f"https://localhost:{play.port}/"
        careless = PoolManager(cert_reqs="CERT_NONE", retries=False, timeout=PATIENCE)
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            first = careless.request("GET", url, preload_content=False)
        pool = careless.connection_from_url(url)
        assert isinstance(pool, urllib3.HTTPSConnectionPool)
        pool.cert_reqs, pool.ca_certs = "CERT_REQUIRED", str(certificates.authority)
        # The first connection of the pool is busy, so this is another one.
        with pytest.raises(urllib3.exceptions.SSLError):
            pool.request("GET", "/", retries=False)
        assert first.read() == b"connection 1"
        assert [talk.counts["HEADERS"] for talk in play.talks] == [1]
        del pool, first
        careless.clear()


@pytest.mark.parametrize("change", ["verify_mode", "check_hostname", "certificate"])
def test_a_shared_connection_is_for_those_who_verify_the_same_and_are_the_same(
    scene: Stage, tmp_path: Path, change: str
) -> None:
    """``share=True``: what was verified, and who we are, belongs to the connection."""
    site = Site(tmp_path, "localhost")
    own = trustme.CA().issue_cert("client@example.org")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    with at(scene, site, HTTP2_DOORS[0]) as play:
        context = hyper.client.create_default_context(cafile=str(site.authority), share=True)
        if change == "verify_mode":
            context.check_hostname = False

        def connection() -> hyper.client.HTTPSConnection:
            made = hyper.client.HTTPSConnection(
                "localhost", play.port, timeout=PATIENCE, context=context
            )
            made.request("GET", "/")
            assert made.getresponse().read()
            return made

        first, same = connection(), connection()
        deadline = time.monotonic() + PATIENCE
        while play.connections < 2 and time.monotonic() < deadline:
            time.sleep(0.01)  # the server may count the one that is not needed later
        assert play.connections == 2 and len(play.talks) >= 1
        used = sum(talk.counts["HEADERS"] > 0 for talk in play.talks)
        assert used == 1, "two that are alike share"
        if change == "verify_mode":
            context.verify_mode = ssl.CERT_NONE
        elif change == "check_hostname":
            context.check_hostname = False
        else:
            context.load_cert_chain(tmp_path / "own.pem")
        other = connection()
        assert sum(talk.counts["HEADERS"] > 0 for talk in play.talks) == 2
        for each in (first, same, other):
            each.close()


def test_a_client_certificate_is_shown_to_whom_it_is_meant_for(
    scene: Stage, tmp_path: Path
) -> None:
    """requests' ``cert`` of one request is not that of the next one, nor of another host."""
    site = Site(tmp_path, "localhost")
    authority = trustme.CA()
    authority.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "own.pem")
    )
    authority.configure_trust(site.context)
    site.context.verify_mode = ssl.CERT_OPTIONAL
    shown: list[bool] = []

    def look(talk: Talk) -> None:
        assert isinstance(talk.socket, ssl.SSLSocket)
        shown.append(bool(talk.socket.getpeercert()))
        talk.serve()

    play = scene(look, then=look)
    play.server.context = site.context
    with play, requests.Session() as session:
        session.trust_env = False
        session.verify = str(site.authority)
        session.mount("https://", HTTP20Adapter())
        url = f"https://localhost:{play.port}/"
        for cert in (str(tmp_path / "own.pem"), None, str(tmp_path / "own.pem")):
            assert session.get(url, cert=cert, timeout=PATIENCE).status_code == 200
        assert shown == [True, False]
        assert [talk.counts["HEADERS"] for talk in play.talks] == [2, 1]


@EVERY
def test_tls_sessions_are_not_taken_from_one_host_to_another(
    scene: Stage, tmp_path: Path, lead_here: None, door: Kind
) -> None:
    """A resumed session tells a server that it is we who come again (RFC 8446 §C.4)."""
    site = Site(tmp_path, "*.example.org")
    reused: list[bool | None] = []

    def look(talk: Talk) -> None:
        assert isinstance(talk.socket, ssl.SSLSocket)
        reused.append(talk.socket.session_reused)
        talk.serve()

    play = scene(look, then=look, http1=door is Native11)
    play.server.context = site.context
    if door is Native11:
        site.context.set_alpn_protocols(["http/1.1"])
    with play:
        for host in ("a.example.org", "b.example.org", "a.example.org"):
            with door(play.port, site.authority, host) as caller:
                assert caller.ask().status == 200
        assert reused == [False] * 3


def test_what_is_written_for_wireshark_is_written_only_where_the_environment_says(
    scene: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python's own default contexts do it."""
    site = Site(tmp_path, "localhost")
    log = tmp_path / "keys"
    makers: tuple[Callable[[], ssl.SSLContext], ...] = (
        lambda: init_context(site.authority),
        lambda: hyper.client.create_default_context(cafile=str(site.authority)),
    )
    for make in makers:
        monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
        assert make().keylog_filename is None
        monkeypatch.setenv("SSLKEYLOGFILE", str(log))
        assert make().keylog_filename == str(log)
