"""Two hosts in this machine and a long wire between them: real TCP over a real round trip.

Each host is a network namespace with a TUN device; the wire is a thread that carries packets from
one device to the other, late and at a certain rate. It needs Linux, root and /dev/net/tun, and
nothing of the machine's own network is touched: a namespace lives as long as what runs in it.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

__all__ = ["CLIENT", "SERVER", "NoWireError", "Wire"]

SERVER, CLIENT = "10.251.0.1", "10.251.0.2"
#: Of Ethernet, so that TCP starts as it does everywhere: with ten packets of this size.
PACKET = 1500

_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x1, 0x1000

#: What a server for such links is set to: room to send for 16 MiB on the way (the default's 4 MiB
#: would be the narrowest place at 100 ms), one congestion control for all machines, and nothing
#: remembered from one connection to the next.
_KERNEL = {
    "tcp_congestion_control": "cubic",
    "tcp_no_metrics_save": "1",
    "tcp_wmem": "4096 65536 33554432",
    "tcp_rmem": "4096 131072 33554432",
}


class NoWireError(Exception):
    """This machine does not let us make hosts; the message says why."""


class Host:
    """A network namespace with one device, made by the calling thread and entered by it."""

    def __init__(self, address: str, peer: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            raise NoWireError(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        thread = threading.get_native_id()
        self.namespace = os.open(f"/proc/self/task/{thread}/ns/net", os.O_RDONLY)
        try:
            self.device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            os.close(self.namespace)
            raise NoWireError(f"no TUN device: {error}") from error
        import fcntl  # not everywhere

        fcntl.ioctl(self.device, _TUNSETIFF, struct.pack("16sH22x", b"wire", _IFF_TUN | _IFF_NO_PI))
        for command in (
            "link set lo up",
            f"addr add {address} peer {peer} dev wire",
            f"link set wire mtu {PACKET} txqueuelen 20000 up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        for name, value in _KERNEL.items():
            with suppress(OSError):  # what this kernel does not have stays as it is
                Path(f"/proc/sys/net/ipv4/{name}").write_text(value)

    def close(self) -> None:
        os.close(self.device)
        os.close(self.namespace)


class Direction:
    """One way along the wire: packets wait for their turn, then travel.

    The queue before it holds what the wire carries in half a second; what comes then is dropped,
    as it is at any router.
    """

    def __init__(self, source: int, sink: int, rate: float, delay: float) -> None:
        self.source, self.sink = source, sink
        self.rate, self.delay = rate, delay
        self.under_way: deque[tuple[float, bytes]] = deque()
        self.free = 0.0
        self.carried = self.dropped = 0

    def take(self) -> None:
        now = monotonic()
        with suppress(BlockingIOError):
            for _ in range(64):
                packet = os.read(self.source, PACKET + 100)
                free = max(self.free, now)
                if free - now > 0.5:
                    self.dropped += 1
                    continue
                self.free = free + len(packet) / self.rate
                self.under_way.append((self.free + self.delay, packet))

    def deliver(self) -> None:
        under_way = self.under_way
        now = monotonic()
        while under_way and under_way[0][0] <= now:
            _, packet = under_way.popleft()
            self.carried += len(packet)
            with suppress(OSError):
                os.write(self.sink, packet)


class Wire:
    """A context manager: two hosts, ``rate`` octets a second and ``round_trip`` seconds apart."""

    def __init__(self, rate: float, round_trip: float) -> None:
        self.rate, self.round_trip = rate, round_trip
        self.trouble: BaseException | None = None
        self._ready = threading.Event()
        self._stop, self._stopped = os.pipe()
        self._carrier = threading.Thread(target=self._run, name="wire", daemon=True)

    def __enter__(self) -> Wire:
        self._carrier.start()
        self._ready.wait()
        if self.trouble is not None:
            self.__exit__(None, None, None)
            raise self.trouble
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._stopped)
        self._carrier.join()
        os.close(self._stop)

    def start(self, address: str, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """``subprocess.Popen``, on the host of this address."""
        namespace = self._hosts[address].namespace
        started: list[subprocess.Popen[Any]] = []

        def start() -> None:
            # A thread has a namespace of its own, and its children inherit that.
            if not ctypes.CDLL(None).setns(namespace, _CLONE_NEWNET):
                started.append(subprocess.Popen(command, **options))

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        return started[0]

    def _run(self) -> None:
        try:
            if sys.platform != "linux":
                raise NoWireError("network namespaces are Linux's")
            server = Host(SERVER, CLIENT)
            client = Host(CLIENT, SERVER)
            self._hosts = {SERVER: server, CLIENT: client}
        except BaseException as error:
            self.trouble = error
            self._ready.set()
            return
        self._ready.set()
        half = self.round_trip / 2
        down = Direction(server.device, client.device, self.rate, half)
        up = Direction(client.device, server.device, self.rate, half)
        self.down, self.up = down, up
        poll = select.poll()
        for descriptor in (server.device, client.device, self._stop):
            poll.register(descriptor, select.POLLIN)
        while True:
            due = min((way.under_way[0][0] for way in (down, up) if way.under_way), default=None)
            wait = None if due is None else max((due - monotonic()) * 1000, 0)
            for descriptor, _ in poll.poll(wait):
                if descriptor == self._stop:
                    server.close()
                    client.close()
                    return
                (down if descriptor == server.device else up).take()
            down.deliver()
            up.deliver()
