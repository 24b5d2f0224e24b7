"""Real servers without pytest: a folder of documents, certificates for the occasion, a server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from ..certificates import Certificates
from ..interop.kinds import KINDS
from ..interop.servers import Server, Site

__all__ = ["first_there", "site"]


@contextmanager
def site(documents: Mapping[str, bytes]) -> Iterator[tuple[Site, Certificates]]:
    """What a server of the interop ring needs, with these documents; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hyper-site-"))
    try:
        certificates = Certificates.create(folder)
        root = folder / "root"
        root.mkdir()
        for name, content in documents.items():
            (root / name).write_bytes(content)
        # granian reads private keys in PKCS #8 only.
        key = serialization.load_pem_private_key(certificates.key.read_bytes(), password=None)
        pkcs8 = folder / "pkcs8.pem"
        pkcs8.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        # Some servers become another user when root starts them.
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        files = Site(
            root=root,
            certificate=certificates.chain,
            key=certificates.key,
            key_pkcs8=pkcs8,
            bundle=certificates.both,
            ca=certificates.authority,
        )
        yield files, certificates
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def first_there(names: tuple[str, ...], files: Site) -> Server:
    """The first of these servers that is installed, yet to be entered."""
    missing = []
    for name in names:
        why = KINDS[name].missing()
        if why is None:
            return Server(KINDS[name], files)
        missing.append(why)
    raise SystemExit("; ".join(missing))
