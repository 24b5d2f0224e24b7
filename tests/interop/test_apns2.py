"""apns2 0.7.2 from PyPI, as it is, sends through hyper to a look-alike of Apple's service.

It was the most used program on hyper 0.7, and wants ``hyper>=0.7``. It is installed with pip into
a folder of its own, without its requirement of hyper: that is the one under test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .conftest import REQUIRED
from .push_service import GONE_SINCE, NAMES, PushService, services
from .servers import CHECKOUT_ON_PATH

#: Its own requirement of PyJWT; cryptography comes with what the tests need anyway.
WANTED = ["apns2==0.7.2", "PyJWT>=1.4,<2"]

#: Loaded by the child's Python: the names of Apple's servers lead to ours.
SITE = f"""
import json, os, socket
resolve = socket.getaddrinfo
ports = json.loads(os.environ["PORTS"])
def getaddrinfo(host, port, *args, **kwargs):
    if host in {NAMES!r}:
        return resolve("127.0.0.1", ports[str(port)], *args, **kwargs)
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
socket.getaddrinfo = getaddrinfo
"""

BEGIN = """
import json, os, sys, time
from concurrent.futures import ThreadPoolExecutor
from apns2.client import APNsClient, Notification, NotificationPriority, NotificationType
from apns2.credentials import CertificateCredentials, TokenCredentials
from apns2 import errors
from apns2.payload import Payload, PayloadAlert

told = {}
GOOD = "0123456789abcdef" * 4
TOPIC = "org.example.app"
hello = Payload(alert="Grüße", sound="default", badge=1)

def by_token(**options):
    credentials = TokenCredentials("AuthKey.p8", "KEYID", "TEAMID")
    return APNsClient(credentials, **options)
"""
END = "\nprint(json.dumps(told))\n"


@pytest.fixture(scope="session")
def apns2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with apns2 in it, and PyJWT."""
    folder = tmp_path_factory.mktemp("apns2")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command = [*pip, "--no-deps", "--retries", "1", "--target", str(folder), *WANTED]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        (pytest.fail if REQUIRED else pytest.skip)("pip did not install apns2 within 120 s")
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        (pytest.fail if REQUIRED else pytest.skip)(f"pip cannot install apns2: {last[0]}")
    return folder


@dataclass
class World:
    """A folder to run programs in, and the services that they reach."""

    folder: Path
    variables: dict[str, str]
    tokens: PushService
    shown: PushService

    def run(self, program: str, **variables: str) -> dict[str, Any]:
        """Run a program that uses apns2; what it ``told``."""
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + program + END],
            cwd=self.folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told


@pytest.fixture
def world(apns2: Path, tmp_path: Path) -> Iterator[World]:
    key = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "AuthKey.p8").write_bytes(pkcs8)

    provider = trustme.CA()
    provider.cert_pem.write_to_path(str(tmp_path / "provider-ca.pem"))
    own = provider.issue_cert("provider.example")
    secret = load_pem_private_key(own.private_key_pem.bytes(), None)
    locked = secret.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")
    )
    chain = b"".join(blob.bytes() for blob in own.cert_chain_pems)
    (tmp_path / "provider.pem").write_bytes(locked + chain)

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITE)
    (tmp_path / "servers").mkdir()
    with services(
        tmp_path / "servers",
        key.public_key(),
        tmp_path / "provider-ca.pem",
        h2_max_concurrent_streams=7,
    ) as (certificates, ports, tokens, shown):
        path = [str(tmp_path / "site"), CHECKOUT_ON_PATH["PYTHONPATH"], str(apns2)]
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "PYTHONIOENCODING": "utf-8",
            "SSL_CERT_FILE": str(certificates.authority),
            "PORTS": json.dumps(ports),
        }
        yield World(tmp_path, variables, tokens, shown)


def test_it_is_apns2_itself_with_this_hyper(world: World) -> None:
    told = world.run("""
import apns2, hyper, importlib.metadata
told["version"] = importlib.metadata.version("apns2")
told["apns2"], told["hyper"] = apns2.__file__, hyper.__version__
""")
    assert told["version"] == "0.7.2"
    assert "apns2" in Path(told["apns2"]).parts[-3]
    assert told["hyper"].startswith("1.")


def test_one_notification_with_a_signed_token(world: World) -> None:
    told = world.run("""
client = by_token()
told["result"] = client.send_notification(GOOD, hello, TOPIC)
client.send_notification(GOOD, Payload(content_available=True), TOPIC,
                         priority=NotificationPriority.Delayed)
""")
    assert told["result"] is None, "it says nothing where all went well"
    first, second = world.tokens.sent
    assert (first.token, first.topic, first.kind) == (
        "0123456789abcdef" * 4,
        "org.example.app",
        "alert",
    )
    assert first.payload == {"aps": {"alert": "Grüße", "sound": "default", "badge": 1}}
    assert (second.kind, second.priority) == ("background", "5")


def test_what_the_service_refuses_is_apns2s_own_exception(world: World) -> None:
    told = world.run("""
client = by_token(use_sandbox=True)
for token in ("not-a-token", "dead" * 16):
    try:
        client.send_notification(token, hello, TOPIC)
    except errors.APNsException as error:
        told[type(error).__name__] = getattr(error, "timestamp", None)
try:
    client.send_notification(GOOD, hello)
except errors.MissingTopic:
    told["MissingTopic"] = True
told["after"] = client.send_notification(GOOD, hello, TOPIC)
""")
    assert told == {
        "BadDeviceToken": None,
        "Unregistered": GONE_SINCE,
        "MissingTopic": True,
        "after": None,
    }
    assert world.tokens.refused == ["BadDeviceToken", "Unregistered", "MissingTopic"]
    assert len(world.tokens.sent) == 1


def test_a_batch_keeps_to_the_servers_limit(world: World) -> None:
    """``connection._conn`` is where it looks up how many may be open at once."""
    told = world.run("""
client = by_token()
tokens = [f"{number:064x}" for number in range(100)] + ["short", "dead" * 16]
batch = [Notification(token, hello) for token in tokens]
told["results"] = client.send_notification_batch(batch, TOPIC)
client.update_max_concurrent_streams()
told["limit"] = client._APNsClient__max_concurrent_streams
""")
    results = told["results"]
    assert results.pop("short") == "BadDeviceToken"
    assert results.pop("dead" * 16) == ["Unregistered", GONE_SINCE]
    assert len(results) == 100
    assert set(results.values()) == {"Success"}
    assert told["limit"] == 7
    assert 1 < world.tokens.peak <= 7


def test_threads_share_a_client_that_has_a_heartbeat(world: World) -> None:
    told = world.run(
        """
client = by_token(heartbeat_period=0.02)
client.send_notification("f" * 64, hello, TOPIC)  # so that the server's limit is known
def send(number):
    return client.send_notification(f"{number:064x}", hello, TOPIC)
with ThreadPoolExecutor(8) as pool:
    told["results"] = list(pool.map(send, range(80)))
time.sleep(0.1)
""",
        HYPER_TRACE="recording",
        PYTHONWARNINGS="ignore",
    )
    assert told["results"] == [None] * 80
    sent = sorted(each.token for each in world.tokens.sent)
    assert sent == [*(f"{n:064x}" for n in range(80)), "f" * 64]
    recorded = (world.folder / "recording").read_text(encoding="ascii").splitlines()
    said = [line.split(" > ", 1)[1] for line in recorded if " > " in line]
    beat = "000008060000000000" + b"--------".hex()
    assert sum(line.count(beat) for line in said) > 2
    preface = b"PRI * HTTP/2.0".hex()
    assert sum(line.count(preface) for line in said) == 1, "one connection for all of them"


def test_a_client_certificate_whose_key_has_a_password(world: World) -> None:
    told = world.run("""
client = APNsClient("provider.pem", use_alternative_port=True, password="sesame")
told["result"] = client.send_notification(GOOD, hello, TOPIC)
client = APNsClient(CertificateCredentials("provider.pem", "sesame"), use_alternative_port=True)
told["batch"] = client.send_notification_batch([Notification(GOOD, hello)], TOPIC)
""")
    assert told == {"result": None, "batch": {"0123456789abcdef" * 4: "Success"}}
    assert len(world.shown.sent) == 2
    assert world.tokens.sent == []


def test_without_a_certificate_the_other_port_takes_nothing(world: World) -> None:
    told = world.run("""
client = by_token(use_alternative_port=True)
try:
    client.send_notification(GOOD, hello, TOPIC)
except Exception as error:
    told["kind"] = [kind.__name__ for kind in type(error).__mro__]
    told["said"] = str(error)
""")
    # TLS 1.3 lets a server say so after the handshake only, so a broken pipe may be quicker.
    assert "OSError" in told["kind"], told
    assert "api.push.apple.com:2197" in told["said"]
    assert world.shown.sent == []


def test_a_service_that_cannot_be_reached_is_apns2s_connection_failed(world: World) -> None:
    told = world.run(
        """
client = by_token()
try:
    client.connect()
except errors.ConnectionFailed as error:
    told["failed"] = True
""",
        PORTS='{"443": 1}',
    )
    assert told == {"failed": True}


def test_a_client_goes_on_after_its_connection_was_closed(world: World) -> None:
    told = world.run("""
client = by_token()
told["first"] = client.send_notification(GOOD, hello, TOPIC)
client._connection.close()
told["second"] = client.send_notification(GOOD, hello, TOPIC)
""")
    assert told == {"first": None, "second": None}
    assert len(world.tokens.sent) == 2
