"""A small look-alike of Apple's push notification service, for programs that send to it.

``POST /3/device/TOKEN`` over HTTP/2, authenticated by a signed token or, at the other port, by a
client certificate. What it answers is what Apple documents under "Handling notification responses
from APNs": 200 and nothing; or a JSON object with a reason, and for 410 the time since when.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.certificates import Certificates
from tests.servers import InProcessServer
from tests.servers.app import Receive, Scope, Send

__all__ = ["GONE_SINCE", "NAMES", "PushService", "Sent", "services"]

#: What the service is called; production and sandbox.
NAMES = ("api.push.apple.com", "api.development.push.apple.com")
#: Milliseconds: since when a token that begins with ``dead`` is no longer good.
GONE_SINCE = 1_600_000_000_000
#: Octets of a notification.
LARGEST = 4096


@dataclass
class Sent:
    """One notification that was accepted."""

    token: str
    topic: str
    kind: str
    priority: str
    payload: Any


@dataclass
class PushService:
    """The application, and what it has seen.

    key   the public half of the provider's key; without one there has to be a certificate
    peak  requests that were open at once, at most
    """

    key: ec.EllipticCurvePublicKey | None
    sent: list[Sent] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    open: int = 0
    peak: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": message["type"] + ".complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.open += 1
        self.peak = max(self.peak, self.open)
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await asyncio.sleep(0.01)  # so that requests do overlap
        status, reason = self._judge(scope, body)
        answer = b""
        if reason:
            self.refused.append(reason)
            since = {"timestamp": GONE_SINCE} if status == 410 else {}
            answer = json.dumps({"reason": reason, **since}).encode()
        head = [(b"apns-id", b"EC1BF194-B3B2-424A-89A9-5A918A6E6B5D")]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": answer})
        self.open -= 1

    def _judge(self, scope: Scope, body: bytes) -> tuple[int, str | None]:
        fields = {name.decode(): value.decode() for name, value in scope["headers"]}
        folder, _, token = scope["path"].rpartition("/")
        if scope["http_version"] != "2" or folder != "/3/device":
            return 404, "BadPath"
        if scope["method"] != "POST":
            return 405, "MethodNotAllowed"
        if self.key is not None and not signed(fields.get("authorization", ""), self.key):
            return 403, "InvalidProviderToken"
        if "apns-topic" not in fields:
            return 400, "MissingTopic"
        if len(body) > LARGEST:
            return 413, "PayloadTooLarge"
        if len(token) != 64 or not set(token) <= set("0123456789abcdef"):
            return 400, "BadDeviceToken"
        if token.startswith("dead"):
            return 410, "Unregistered"
        kind = fields.get("apns-push-type", "")
        priority = fields.get("apns-priority", "10")
        payload = json.loads(body)
        self.sent.append(Sent(token, fields["apns-topic"], kind, priority, payload))
        return 200, None


def signed(authorization: str, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether this is a bearer token (RFC 7519) with an ES256 signature (RFC 7518 §3.4) by key."""
    scheme, _, token = authorization.partition(" ")
    head, _, rest = token.partition(".")
    claims, _, signature = rest.partition(".")
    if scheme != "bearer" or not {"iss", "iat"} <= set(json.loads(_decoded(claims))):
        return False
    numbers = _decoded(signature)
    pair = (int.from_bytes(numbers[:32], "big"), int.from_bytes(numbers[32:], "big"))
    try:
        key.verify(encode_dss_signature(*pair), f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextlib.contextmanager
def services(
    folder: Path, key: ec.EllipticCurvePublicKey, authority: Path, **settings: Any
) -> Iterator[tuple[Certificates, dict[int, int], PushService, PushService]]:
    """Two services: at 443 for signed tokens, at 2197 for certificates that ``authority`` issued.

    Yields the certificates of the servers, where the two ports really are, and the services.
    """
    certificates = Certificates.create(folder, *NAMES)
    tokens, shown = PushService(key), PushService(None)
    demanding = {"verify_mode": ssl.CERT_REQUIRED, "ca_certs": str(authority)}
    one = InProcessServer(certificates, tokens, **settings)
    try:
        other = InProcessServer(certificates, shown, **settings, **demanding)
        try:
            yield certificates, {443: one.port, 2197: other.port}, tokens, shown
        finally:
            other.stop()
    finally:
        one.stop()
