"""The servers that are measured against: real ones in C, over TLS, most of them on loopback."""

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

__all__ = ["FAR", "Missing", "certificates", "command", "documents", "running", "stop"]

#: Where a server listens that is some way off (``distance.py``).
FAR = "10.251.0.1"

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
        listen {address}:{port} ssl http2;
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


# h2o adds seven header fields of its own to these nine.
H2O = """\
{user}
listen:
  host: {address}
  port: {port}
  ssl:
    certificate-file: {chain}
    key-file: {key}
    ocsp-update-interval: 0
error-log: {folder}/h2o.log
num-threads: 1
http2-max-concurrent-requests-per-connection: 128
# With its own 10 s, h2o 2.2.5 now and then closes on a busy libcurl.
http2-idle-timeout: 600
header.add: "cache-control: max-age=300, public"
header.add: "vary: accept-encoding"
header.add: "strict-transport-security: max-age=31536000; includeSubDomains"
header.add: "x-content-type-options: nosniff"
header.add: "x-frame-options: DENY"
header.add: "referrer-policy: strict-origin-when-cross-origin"
header.add: "server-timing: edge;dur=1, origin;dur=12"
hosts:
  default:
    paths:
      "/":
        mruby.handler: |
          number = 0
          Proc.new {{ |env|
            number += 1
            id = "%016x%016x" % [number * 2654435761, number]
            cookie = "sid=#{{id}}; Path=/; Secure; HttpOnly; SameSite=Lax"
            [399, {{"x-request-id" => id, "set-cookie" => cookie}}, []]
          }}
        file.dir: {root}
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
            if size > 1 << 29:
                file.truncate(size)  # a hole takes no room on the disk
                continue
            for start in range(0, size, len(block)):
                file.write(block[: size - start])
    return root


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A new authority, and a chain and key of it for our hosts; by trustme, or by openssl."""
    authority, chain, key = (folder / name for name in ("ca.pem", "chain.pem", "key.pem"))
    try:
        import trustme
    except ImportError:
        _by_openssl(folder, authority, chain, key)
    else:
        ca = trustme.CA()
        leaf = ca.issue_cert("localhost", FAR)
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
        *("-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{FAR}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-CA", str(authority), "-CAkey", str(ca_key)),
    ]
    for extra, key_file, out in ((ca, ca_key, authority), (leaf, key, chain)):
        command = [openssl, "req", "-x509", *curve, *extra]
        command += ["-keyout", str(key_file), "-out", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise Missing(f"openssl made no certificate: {done.stderr.strip()[-300:]}")


def command(kind: str, folder: Path, address: str, port: int) -> list[str]:
    """How to start nghttpd (or -plain, or -large: its windows), nginx or h2o there.

    It serves ``documents`` of the folder, with its certificates.
    """
    name, _, variant = kind.partition("-")
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if program is None:
        raise Missing(f"{name} is not installed")
    root, chain, key = folder / "root", folder / "chain.pem", folder / "key.pem"
    if name == "nghttpd":
        options = {"": [], "plain": ["--no-tls"], "large": ["-w", "30", "-W", "30"]}[variant]
        files = [] if variant == "plain" else [str(key), str(chain)]
        return [program, "-a", address, "-d", str(root), *options, str(port), *files]
    text = {"nginx": NGINX, "h2o": H2O}[name]
    # Started by root they would drop to a user who may not read the folder.
    user = ""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        user = {"nginx": "user root;", "h2o": "user: root"}[name]
    config = folder / f"{kind}.conf"
    values = {"folder": folder, "root": root, "chain": chain, "key": key, "user": user}
    config.write_text(text.format(address=address, port=port, **values))
    if name == "nginx":
        return [program, "-p", str(folder), "-c", str(config)]
    return [program, "-m", "worker", "-c", str(config)]


@contextlib.contextmanager
def running(kind: str, folder: Path, cpus: set[int] | None) -> Iterator[int]:
    """Run a server on a free port of loopback, on these CPUs; yield the port."""
    port = _free_port()
    log = folder / f"{kind}.out"
    started = command(kind, folder, "127.0.0.1", port)
    with log.open("wb") as out:
        process = subprocess.Popen(started, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        tls = not kind.endswith("-plain")
        _await(port, folder / "ca.pem" if tls else None, process, log)
        if cpus is not None:
            for pid in (process.pid, *_children(process.pid)):
                for thread in _threads(pid):
                    os.sched_setaffinity(thread, cpus)
        yield port
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it, and see that it has ended."""
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


def _await(port: int, authority: Path | None, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers; over TLS, until it shakes hands and chooses HTTP/2."""
    context = None
    if authority is not None:
        context = ssl.create_default_context(cafile=str(authority))
        context.set_alpn_protocols(["h2"])
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as plain:
                if context is None:
                    return
                with context.wrap_socket(plain, server_hostname="localhost") as tls:
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


def _threads(pid: int) -> list[int]:
    """h2o and nghttpd work in threads, which were made before anybody said where."""
    try:
        return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return [pid]
