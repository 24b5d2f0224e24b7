"""The servers that are measured against: real ones in C, on loopback, over TLS."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.scenarios import FILES

__all__ = ["Missing", "certificates", "documents", "running"]

#: Seconds that a server may take until its first handshake.
PATIENCE = 10.0

# nginx adds seven headers of its own to these nine.
NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ }}
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        root {root};
        add_header cache-control "max-age=300, public";
        add_header vary accept-encoding;
        add_header strict-transport-security "max-age=31536000; includeSubDomains";
        add_header x-content-type-options nosniff;
        add_header x-frame-options DENY;
        add_header referrer-policy strict-origin-when-cross-origin;
        add_header x-request-id $request_id;
        add_header set-cookie "sid=$request_id; Path=/; Secure; HttpOnly; SameSite=Lax";
        add_header server-timing "edge;dur=1, origin;dur=12";
    }}
}}
"""


class Missing(Exception):
    """Something that a measurement needs is not there; the message says what."""


def documents(folder: Path) -> Path:
    """The files to serve."""
    root = folder / "root"
    root.mkdir()
    block = os.urandom(1 << 20)
    for name, size in FILES.items():
        with (root / name).open("wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[: size - start])
    return root


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A new authority, and a chain and key of it for localhost; by trustme, or by openssl."""
    authority, chain, key = (folder / name for name in ("ca.pem", "chain.pem", "key.pem"))
    try:
        import trustme
    except ImportError:
        _by_openssl(folder, authority, chain, key)
    else:
        ca = trustme.CA()
        leaf = ca.issue_cert("localhost")
        ca.cert_pem.write_to_path(str(authority))
        chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(key))
    return authority, chain, key


def _by_openssl(folder: Path, authority: Path, chain: Path, key: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise Missing("neither trustme nor openssl is there to make certificates")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    ca_key = folder / "ca-key.pem"
    ca = ["-subj", "/CN=benchmark authority", "-addext", "keyUsage=critical,keyCertSign"]
    leaf = [
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-CA", str(authority), "-CAkey", str(ca_key)),
    ]
    for extra, key_file, out in ((ca, ca_key, authority), (leaf, key, chain)):
        command = [openssl, "req", "-x509", *curve, *extra]
        command += ["-keyout", str(key_file), "-out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise Missing(f"openssl made no certificate: {done.stderr.strip()[-300:]}")


@contextlib.contextmanager
def running(kind: str, folder: Path, root: Path, cpus: set[int] | None) -> Iterator[int]:
    """Run nghttpd or nginx on a free port, on these CPUs; yield the port."""
    program = shutil.which(kind) or shutil.which(kind, path="/usr/sbin:/sbin:/usr/local/sbin")
    if program is None:
        raise Missing(f"{kind} is not installed")
    port = _free_port()
    chain, key = folder / "chain.pem", folder / "key.pem"
    if kind == "nghttpd":
        command = [program, "-a", "127.0.0.1", "-d", str(root), str(port), str(key), str(chain)]
    else:
        config = folder / "nginx.conf"
        # Started by root it would drop to a user who may not read the folder.
        user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
        config.write_text(
            NGINX.format(folder=folder, port=port, chain=chain, key=key, root=root, user=user)
        )
        command = [program, "-p", str(folder), "-c", str(config)]
    log = folder / f"{kind}.out"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _await(port, folder / "ca.pem", process, log)
        if cpus is not None:
            for pid in (process.pid, *_children(process.pid)):
                os.sched_setaffinity(pid, cpus)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _await(port: int, authority: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server shakes hands and speaks HTTP/2."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["h2"])
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), 1) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as tls,
            ):
                if tls.selected_alpn_protocol() == "h2":
                    return
                reason = "it does not choose h2"
        except OSError as error:
            reason = str(error)
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-300:].strip()
            raise Missing(f"the server did not start: {reason}; it said: {said or 'nothing'}")
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    """nginx works in a child; where there is no /proc it is left where it is."""
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []
