"""Contexts for HTTP/2, whom they trust, and what they offer."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hyper import tls
from hyper.common.exceptions import MissingCertFile
from hyper.tls import (
    ALPN_PROTOCOLS,
    H2_NPN_PROTOCOLS,
    H2C_PROTOCOL,
    ascii_host,
    client_side,
    default_context,
    init_context,
    wrap_socket,
)

from ..certificates import Certificates
from ..threads.forking import child_gets_through, held_elsewhere


def offer_of(context: ssl.SSLContext) -> list[str]:
    """What the context offers by itself: as its ClientHello says."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context.check_hostname = False
    side = context.wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        side.do_handshake()
    hello = outgoing.read()
    marker = b"\x00\x10"  # the extension's type; then two lengths, of which the second is ours
    at = hello.find(marker, 43 + hello[43] + 1)
    while at != -1:
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        inner = int.from_bytes(hello[at + 4 : at + 6], "big")
        if size == inner + 2:
            names, rest = [], hello[at + 6 : at + 6 + inner]
            while rest:
                names.append(rest[1 : 1 + rest[0]].decode())
                rest = rest[1 + rest[0] :]
            return names
        at = hello.find(marker, at + 1)
    return []


def shake_hands(ours: tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO], server: Any) -> Any:
    """Finish a handshake that ``client_side`` began, in memory; return the client's side."""
    side, incoming, outgoing = ours
    theirs_in, theirs_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(theirs_in, theirs_out, server_side=True)
    for _ in range(3):
        for one, its_out, other_in in ((side, outgoing, theirs_in), (theirs, theirs_out, incoming)):
            try:
                one.do_handshake()
            except ssl.SSLWantReadError:
                pass
            finally:
                other_in.write(its_out.read())
    side.do_handshake()
    return side


def succeeds(context: ssl.SSLContext, certificates: Certificates, name: str = "localhost") -> bool:
    try:
        side = shake_hands(client_side(context, name), certificates.server_context())
    except ssl.SSLCertVerificationError:
        return False
    return side.version() is not None


# What RFC 9113 §9.2 asks for


def test_our_contexts_verify_and_speak_tls_1_2_or_better(certificates: Certificates) -> None:
    context = init_context(certificates.authority)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_only_ephemeral_keys_and_authenticated_encryption_are_left(
    certificates: Certificates,
) -> None:
    """RFC 9113 §9.2.2: everything else of TLS 1.2 is on the black list of appendix A."""
    ciphers = init_context(certificates.authority).get_ciphers()
    old = [cipher for cipher in ciphers if cipher["protocol"] != "TLSv1.3"]
    assert any(cipher["name"] == "ECDHE-RSA-AES128-GCM-SHA256" for cipher in old), "§9.2.2's MUST"
    for cipher in old:
        assert cipher["aead"], cipher["name"]
        assert cipher["kea"] in {"kx-ecdhe", "kx-dhe"}, cipher["name"]
        assert cipher["auth"] in {"auth-rsa", "auth-ecdsa"}, cipher["name"]
    assert len(ciphers) > len(old), "TLS 1.3 keeps its own"


def test_a_server_with_black_listed_ciphers_only_is_refused(certificates: Certificates) -> None:
    server = certificates.server_context()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE+AES+SHA256:!AESGCM")
    with pytest.raises(ssl.SSLError):
        shake_hands(client_side(init_context(certificates.authority), "localhost"), server)


def test_our_contexts_offer_h2_first(certificates: Certificates) -> None:
    context = init_context(certificates.authority)
    assert offer_of(context) == ["h2", "http/1.1"] == list(ALPN_PROTOCOLS)


def test_a_name_in_the_subject_only_does_not_count(tmp_path: Path) -> None:
    """RFC 9110 §4.3.4: subjectAltName or nothing."""
    authority = trustme.CA()
    leaf = authority.issue_cert("other.example", common_name="localhost")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(server)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = init_context(tmp_path / "ca.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client_side(context, "localhost"), server)
    assert shake_hands(client_side(context, "other.example"), server).version()


# Whom to trust


def test_a_file_is_trusted_and_nobody_else(certificates: Certificates, tmp_path: Path) -> None:
    assert succeeds(init_context(str(certificates.authority)), certificates)
    stranger = Certificates.create(tmp_path)
    assert not succeeds(init_context(stranger.authority), certificates)


def test_a_folder_is_trusted(certificates: Certificates, tmp_path: Path) -> None:
    """OpenSSL looks for files named by a hash of the subject."""
    context = init_context(tmp_path)
    assert not succeeds(context, certificates)
    command = ["openssl", "x509", "-noout", "-hash", "-in", str(certificates.authority)]
    try:
        found = run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError:
        pytest.skip("needs the openssl command")
    (tmp_path / f"{found}.0").write_bytes(certificates.authority.read_bytes())
    assert succeeds(init_context(tmp_path), certificates)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.pem"
    with pytest.raises(FileNotFoundError, match=r"certificates to trust cannot be read") as info:
        init_context(path)
    assert info.value.filename == str(path)
    assert str(path) in str(info.value)


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.pem"
    path.write_text("nothing here")
    with pytest.raises(ssl.SSLError, match=r"empty\.pem") as info:
        init_context(path)
    assert info.value.reason is not None


def test_ssl_cert_file_is_honoured(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    assert succeeds(init_context(), certificates)


@pytest.fixture
def poor_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system whose OpenSSL finds no roots, and no package that brings any."""
    (tmp_path / "certs").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    monkeypatch.setattr(tls, "_BUNDLES", (str(tmp_path / "bundle.pem"),))
    monkeypatch.setitem(sys.modules, "certifi", None)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


def test_nobody_to_trust_is_an_error_with_remedies(poor_system: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no trusted root certificates") as info:
        init_context()
    for remedy in ("ca-certificates", "truststore", "certifi", "SSL_CERT_FILE", "cert_path"):
        assert remedy in str(info.value)


def test_a_folder_of_roots_is_enough(poor_system: Path, certificates: Certificates) -> None:
    """They are loaded when needed, so nothing in the store says that they are there."""
    (poor_system / "certs" / "README").touch()
    with pytest.raises(FileNotFoundError):
        init_context()
    (poor_system / "certs" / "01234567.0").touch()
    assert init_context().verify_mode == ssl.CERT_REQUIRED


def test_where_openssl_finds_no_folder_at_all(
    poor_system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (poor_system / "certs").rmdir()
    with pytest.raises(FileNotFoundError):
        init_context()


def test_the_bundle_of_the_system_is_found(poor_system: Path, certificates: Certificates) -> None:
    (poor_system / "bundle.pem").write_bytes(certificates.authority.read_bytes())
    assert succeeds(init_context(), certificates)


def test_certifi_is_the_last_resort(
    poor_system: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    certifi = SimpleNamespace(where=lambda: str(certificates.authority))
    monkeypatch.setitem(sys.modules, "certifi", certifi)
    assert succeeds(init_context(), certificates)


def test_bundles_that_hold_no_authority_are_passed_over(
    poor_system: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    (poor_system / "bundle.pem").write_bytes(certificates.chain.read_bytes())
    certifi = SimpleNamespace(where=lambda: str(certificates.authority))
    monkeypatch.setitem(sys.modules, "certifi", certifi)
    assert succeeds(init_context(), certificates)


@pytest.mark.parametrize("bundle", [b"no certificate", b""])
def test_bundles_that_cannot_be_read_are_passed_over(
    poor_system: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, bundle: bytes
) -> None:
    """Nor need the folder of OpenSSL's be ours to look into, as within a sandbox."""
    (poor_system / "bundle.pem").write_bytes(bundle)
    certifi = SimpleNamespace(where=lambda: str(certificates.authority))
    monkeypatch.setitem(sys.modules, "certifi", certifi)

    def forbidden(folder: str) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", forbidden)
        context = init_context()
    assert succeeds(context, certificates)


class Truststore(ModuleType):
    """What we use of the truststore package: a context that brings its own trust."""

    SSLContext = ssl.SSLContext


@pytest.mark.parametrize(
    ("platform", "used"), [("darwin", True), ("win32", True), ("linux", False)]
)
def test_truststore_is_used_where_the_system_has_a_store_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
    certificates: Certificates,
    tmp_path: Path,
    platform: str,
    used: bool,
) -> None:
    made: list[ssl.SSLContext] = []

    class Context(ssl.SSLContext):
        def __init__(self, *_: object) -> None:
            super().__init__()
            made.append(self)

    truststore = Truststore("truststore")
    monkeypatch.setattr(truststore, "SSLContext", Context)
    monkeypatch.setitem(sys.modules, "truststore", truststore)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    context = init_context()
    assert made == ([context] if used else [])
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_without_truststore_other_systems_trust_openssls_store(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    monkeypatch.setitem(sys.modules, "truststore", None)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    assert succeeds(init_context(), certificates)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_the_key_log_is_written_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path, platform: str
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    monkeypatch.setitem(sys.modules, "truststore", Truststore("truststore"))
    monkeypatch.setattr(sys, "platform", platform)
    context = init_context()
    assert context.keylog_filename == str(log)
    context.load_verify_locations(certificates.authority)
    assert succeeds(context, certificates)
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


def test_a_key_log_that_cannot_be_written_is_not_taken_for_whom_to_trust(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates, tmp_path: Path
) -> None:
    log = str(tmp_path / "missing" / "keys.log")
    monkeypatch.setenv("SSLKEYLOGFILE", log)
    for trusted in None, certificates.authority:
        with pytest.raises(FileNotFoundError, match="SSLKEYLOGFILE names a file") as caught:
            init_context(trusted)
        assert caught.value.filename == log


# Our own certificate


def client_is_known(context: ssl.SSLContext, certificates: Certificates, trusted: Path) -> bool:
    """Whether a server that asks for a certificate got one that it trusts."""
    server = certificates.server_context()
    server.maximum_version = ssl.TLSVersion.TLSv1_2  # TLS 1.3 would tell the client later
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(trusted)
    try:
        return shake_hands(client_side(context, "localhost"), server).version() is not None
    except ssl.SSLError:
        return False


def test_a_client_certificate_is_one_file_or_two(
    certificates: Certificates, tmp_path: Path
) -> None:
    mine = Certificates.create(tmp_path, "me.example")
    for cert in (mine.both, str(mine.both), (mine.chain, mine.key), (str(mine.chain), mine.key)):
        context = init_context(certificates.authority, cert=cert)
        assert client_is_known(context, certificates, mine.authority)
    assert not client_is_known(init_context(certificates.authority), certificates, mine.authority)


@pytest.fixture
def encrypted(certificates: Certificates, tmp_path: Path) -> tuple[Path, Path]:
    key = load_pem_private_key(certificates.key.read_bytes(), None)
    path = tmp_path / "encrypted.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame"))
    )
    return certificates.chain, path


@pytest.mark.parametrize("password", ["sesame", b"sesame"])
def test_an_encrypted_key_opens_with_its_password(
    certificates: Certificates, encrypted: tuple[Path, Path], password: str | bytes
) -> None:
    context = init_context(certificates.authority, cert=encrypted, cert_password=password)
    assert client_is_known(context, certificates, certificates.authority)


def test_a_missing_password_is_an_error_and_no_question_on_the_terminal(
    certificates: Certificates, encrypted: tuple[Path, Path]
) -> None:
    with pytest.raises(ValueError, match=r"encrypted\.pem' is encrypted: give cert_password"):
        init_context(certificates.authority, cert=encrypted)


def test_a_wrong_password_is_an_error_that_does_not_tell_it(
    certificates: Certificates, encrypted: tuple[Path, Path]
) -> None:
    with pytest.raises(ssl.SSLError, match=r"cannot be used: .*chain\.pem") as info:
        init_context(certificates.authority, cert=encrypted, cert_password="open up")
    assert "open up" not in str(info.value)


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_certificate_or_key_is_named(
    certificates: Certificates, tmp_path: Path, missing: int
) -> None:
    cert = [certificates.chain, certificates.key]
    cert[missing] = tmp_path / "nowhere.pem"
    with pytest.raises(FileNotFoundError, match=r"does not exist: '.*nowhere\.pem'"):
        init_context(certificates.authority, cert=(cert[0], cert[1]))


def test_a_key_of_another_certificate_is_an_error(
    certificates: Certificates, tmp_path: Path
) -> None:
    other = Certificates.create(tmp_path)
    with pytest.raises(ssl.SSLError, match=r"client certificate and its key cannot be used"):
        init_context(certificates.authority, cert=(certificates.chain, other.key))


def test_a_certificate_that_cannot_be_read_is_named(
    certificates: Certificates, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=r"client certificate and its key cannot be used") as info:
        init_context(certificates.authority, cert=tmp_path)
    if not isinstance(info.value, ssl.SSLError):
        assert info.value.filename == str(tmp_path)


# The default context


def test_the_default_context_is_made_once_however_many_ask(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    made: list[ssl.SSLContext] = []
    everybody = threading.Barrier(8)
    monkeypatch.setattr(tls, "_context", None)

    def make() -> ssl.SSLContext:
        made.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return made[-1]

    monkeypatch.setattr(tls, "init_context", make)
    got: list[ssl.SSLContext] = []

    def ask() -> None:
        everybody.wait(5)
        got.append(default_context())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(made) == 1
    assert got == made * 8


def test_who_waited_while_another_made_the_context_takes_that_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(tls, "_context", None)

    class Lock:
        def __enter__(self) -> None:
            monkeypatch.setattr(tls, "_context", theirs)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(tls, "_making", Lock())
    assert default_context() is theirs


def test_a_context_put_in_the_default_ones_place_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As programs did with hyper 0.7."""
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(tls, "_context", mine)
    assert default_context() is mine


# The offer of protocols


@pytest.mark.parametrize("theirs", [[], ["http/1.1"], ["spdy/3", "h2"], ["h2", "http/1.1"]])
@pytest.mark.parametrize("ours", [("h2",), ("h2", "http/1.1"), ("http/1.1",)])
def test_our_offer_is_made_and_the_contexts_own_is_left(
    certificates: Certificates, theirs: list[str], ours: tuple[str, ...]
) -> None:
    context = ssl.create_default_context(cafile=str(certificates.authority))
    if theirs:
        context.set_alpn_protocols(theirs)
    side = shake_hands(
        client_side(context, "localhost", ours), certificates.server_context(ours[0])
    )
    assert side.selected_alpn_protocol() == ours[0]
    assert offer_of(context) == theirs


def test_an_empty_offer_leaves_the_choice_to_the_context(certificates: Certificates) -> None:
    context = certificates.client_context("http/1.1")
    side = shake_hands(client_side(context, "localhost", ()), certificates.server_context())
    assert side.selected_alpn_protocol() == "http/1.1"


def test_a_side_that_cannot_be_made_leaves_the_context_as_it_was(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = certificates.client_context("http/1.1")
    begin: Callable[..., Any] = tls._begin
    calls: list[object] = []

    def failing(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise MemoryError
        return begin(*arguments)

    monkeypatch.setattr(tls, "_begin", failing)
    with pytest.raises(MemoryError):
        client_side(context, "localhost")
    assert offer_of(context) == ["http/1.1"]


def test_threads_with_different_wishes_share_one_context(certificates: Certificates) -> None:
    context = certificates.client_context("spdy/3")
    wrong: list[object] = []

    def wish(*offer: str) -> None:
        for _ in range(20):
            made = tls._offer_in(client_side(context, "localhost", offer)[2])
            if made != list(offer):
                wrong.append(made)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=wish, args=offer)
            for offer in (("h2",), ("http/1.1",), ("h2", "http/1.1"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
    assert offer_of(context) == ["spdy/3"]


@pytest.mark.parametrize("name", [None, ""])
def test_a_context_that_checks_names_needs_one(
    certificates: Certificates, name: str | None
) -> None:
    """An SSLObject without a name would accept a certificate for any; only SSLSocket refuses."""
    context = certificates.client_context()
    with pytest.raises(ValueError, match=r"no name was given to verify"):
        client_side(context, name)
    context.check_hostname = False
    assert shake_hands(client_side(context, None), certificates.server_context()).version()


def test_openssl_1_1_1_says_that_it_has_no_memory_for_an_empty_offer() -> None:
    class Old:
        def set_alpn_protocols(self, offer: list[str]) -> None:
            raise MemoryError

    tls._set_back(Old(), [])  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        tls._set_back(Old(), ["h2"])  # type: ignore[arg-type]


# Names


@pytest.mark.parametrize(
    "host", ["localhost", "Example.ORG", "example.org.", "a_b.example", "192.0.2.1", "fe80::1%eth0"]
)
def test_ascii_hosts_stay_as_they_are(host: str) -> None:
    assert ascii_host(host) == host


@pytest.mark.parametrize(
    ("host", "ascii"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("bücher。example", "xn--bcher-kva.example"),
    ],
)
@pytest.mark.parametrize("package", [True, False])
def test_international_names_become_ascii(
    host: str, ascii: str, package: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package:
        pytest.importorskip("idna")
    else:
        monkeypatch.setitem(sys.modules, "idna", None)
    assert ascii_host(host) == ascii


def test_with_the_idna_package_sharp_s_is_a_letter_of_its_own() -> None:
    """IDNA 2008; in IDNA 2003 this is fass.example, which belongs to somebody else."""
    pytest.importorskip("idna")
    assert ascii_host("faß.example") == "xn--fa-hia.example"


@pytest.mark.parametrize("sign", ["ß", "ς", "\u200c", "\u200d"])
def test_without_it_names_that_would_lead_astray_are_refused(
    sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(ValueError, match=r"different hosts .* install the idna package"):
        ascii_host(f"a{sign}b.example")


@pytest.mark.parametrize("package", [True, False])
@pytest.mark.parametrize("host", ["ü" * 70 + ".example", "\ufffd.example", "a\u2100b.example"])
def test_names_that_have_no_ascii_form_are_refused(
    host: str, package: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if package:
        pytest.importorskip("idna")
    else:
        monkeypatch.setitem(sys.modules, "idna", None)
    with pytest.raises(ValueError, match=r"^host '"):
        ascii_host(host)


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "a\r\nb", "a\0b", "a\x7f", "a/b", "a?b", "a#b", "user@host", "a\\b"]
)
def test_what_cannot_be_part_of_a_host_is_refused(host: str) -> None:
    """CR and LF would end the line that names the host, / and ? and # the host itself."""
    with pytest.raises(ValueError, match=r"is empty, or has blanks, controls or any of"):
        ascii_host(host)


# What programs written for hyper 0.7 import or set


def test_programs_may_say_in_cert_loc_whom_to_trust(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Certificates.create(tmp_path)
    monkeypatch.setattr(tls, "cert_loc", str(certificates.authority))
    assert succeeds(init_context(), certificates)
    assert not succeeds(init_context(stranger.authority), certificates), "an argument goes first"


def test_a_cert_loc_that_is_missing_is_the_error_of_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "cert_loc", str(tmp_path / "none.pem"))
    with pytest.raises(MissingCertFile):
        init_context()


@pytest.mark.parametrize("own", [True, False], ids=["a context of one's own", "the default one"])
@pytest.mark.parametrize(
    ("server", "forced", "proto"),
    [("h2", None, "h2"), ("http/1.1", None, "http/1.1"), (None, None, None), (None, "h2", "h2")],
)
def test_a_socket_can_be_wrapped_and_says_what_alpn_chose(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    own: bool,
    server: str | None,
    forced: str | None,
    proto: str | None,
) -> None:
    context = init_context(certificates.authority)
    monkeypatch.setattr(tls, "_context", None if own else context)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(certificates.chain, certificates.key)
    if server is not None:
        theirs.set_alpn_protocols([server])
    one, other = socket.socketpair()

    def answer() -> None:
        with theirs.wrap_socket(other, server_side=True) as peer:
            peer.sendall(b"hello")

    thread = threading.Thread(target=answer)
    thread.start()
    secure, chosen = wrap_socket(one, "localhost", context if own else None, forced)
    with secure:
        assert secure.recv(5) == b"hello"
        assert chosen == proto
        assert (chosen in H2_NPN_PROTOCOLS) is (proto == "h2")
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("lock", ["_making", "_offering"])
def test_the_child_of_a_fork_waits_for_no_thread_of_its_parent(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    """That may be making a context, or a ClientHello, just then."""
    context = certificates.client_context()
    monkeypatch.setattr(tls, "_context", None)
    monkeypatch.setattr(tls, "cert_loc", certificates.authority)

    def use() -> bool:
        tls.default_context()
        client_side(context, "localhost")
        return True

    with held_elsewhere(getattr(tls, lock)):
        assert child_gets_through(use)


def test_http_2_without_tls_has_the_name_that_upgrade_gives_it() -> None:
    assert H2C_PROTOCOL == "h2c"
