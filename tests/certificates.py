"""A certificate authority for tests, so that every connection is verified for real."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

__all__ = ["EXAMPLE_NAMES", "NAMES", "Certificates"]

#: The names of the documentation's examples; ``tests/conftest.py`` leads them to our server.
EXAMPLE_NAMES = ("http2bin.org", "www.http2bin.org", "www.python.org", "twitter.com")
#: Every name that the server's certificate is good for.
NAMES = ("localhost", "127.0.0.1", "::1", *EXAMPLE_NAMES)


@dataclass(frozen=True)
class Certificates:
    """Files in PEM form, as servers and ``SSL_CERT_FILE`` want them.

    authority  the certificate of the authority, which a client has to trust
    chain      the server's certificate and what stands between it and the authority
    key        the server's private key
    both       key and chain in one file, for servers that read only one
    """

    authority: Path
    chain: Path
    key: Path
    both: Path

    @classmethod
    def create(cls, folder: Path, *names: str) -> Certificates:
        """Make a new authority, and a certificate of it for ``names`` (all of ours if empty)."""
        authority = trustme.CA()
        leaf = authority.issue_cert(*(names or NAMES))
        file_names = ("ca.pem", "chain.pem", "key.pem", "both.pem")
        files = cls(*(folder / name for name in file_names))
        authority.cert_pem.write_to_path(str(files.authority))
        files.chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        files.key.write_bytes(leaf.private_key_pem.bytes())
        files.both.write_bytes(files.key.read_bytes() + files.chain.read_bytes())
        return files

    def client_context(self, *alpn: str) -> ssl.SSLContext:
        """A context that trusts this authority and nobody else, and offers ``alpn``."""
        context = ssl.create_default_context(cafile=str(self.authority))
        context.set_alpn_protocols(list(alpn or ("h2", "http/1.1")))
        return context

    def server_context(self, *alpn: str) -> ssl.SSLContext:
        """The other side, for servers that a test scripts itself."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain, self.key)
        context.set_alpn_protocols(list(alpn or ("h2", "http/1.1")))
        return context
