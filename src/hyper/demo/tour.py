"""What hyper does, shown and checked against a server of its own; or that server alone."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from textwrap import wrap
from time import perf_counter
from typing import Any

from .. import __version__
from ..cli.output import forget_output
from ..common.exceptions import HyperError
from ..sync.connection import HTTP20Connection
from ..trace import FrameTrace
from .endpoints import seeded_chunks
from .server import DemoServer

#: What fits a terminal that nobody made wider.
WIDTH = 80

USAGE = "usage: python -m hyper.demo [--serve [PORT]]"

DOWNLOAD = 32 * 2**20
THREADS, REQUESTS = 16, 25


class Tour:
    """The scenes, in order; ``wrong`` counts what was not as it should be."""

    def __init__(self, server: DemoServer, write: Callable[[str], None]) -> None:
        self.server = server
        self.write = write
        self.wrong = 0
        self.frames: list[str] = []

    def run(self) -> int:
        """Show everything; return the exit code."""
        self.write(f"hyper {__version__} and a server of its own at {self.server.url}")
        scenes = (
            self.one_request,
            self.three_at_once,
            self.an_upload,
            self.a_download,
            self.many_threads,
            self.a_failure,
        )
        for number, scene in enumerate(scenes, 1):
            self.write(f"\n{number}. {scene.__doc__}")
            try:
                scene()
            except BrokenPipeError:
                raise  # nobody reads us any more
            except (HyperError, OSError, ValueError) as error:
                self.check(False, f"{type(error).__name__}: {error}")
        if self.wrong:
            self.write(f"\n{self.wrong} of these things went wrong.")
            return 1
        self.write("\nAll of it was right. Now try:  python -m hyper --debug demo:/get")
        return 0

    def check(self, right: bool, text: str) -> None:
        """Say what was seen, and remember if it was wrong."""
        self.wrong += not right
        self.write(f"   {'ok   ' if right else 'WRONG'} {text}")

    def connection(self, **options: Any) -> HTTP20Connection:
        return HTTP20Connection(self.server.host, self.server.port, timeout=10, **options)

    def show_frames(self, some: Callable[[str], bool], most: int) -> None:
        for line in [line for line in self.frames if some(line)][:most]:
            for part in wrap(line, WIDTH - 3, subsequent_indent=" " * 15, break_on_hyphens=False):
                self.write(f"   {part}")

    def one_request(self) -> None:
        """One GET, and the frames that it took: > sent, < received"""
        self.frames.clear()
        with self.connection(trace=FrameTrace(self.frames.append)) as connection:
            connection.request("GET", "/get?answer=42")
            response = connection.get_response()
            body = response.read()
        self.show_frames(lambda line: True, 16)
        about = json.loads(body)
        right = response.status == 200 and about["args"] == {"answer": "42"}
        self.check(right, f"{response.status}, {len(body)} octets of JSON about {about['url']}")

    def three_at_once(self) -> None:
        """Three requests on one connection, their responses read backwards"""
        with self.connection() as connection:
            start = perf_counter()
            paths = {connection.request("GET", path): path for path in ("/delay/1", "/ip", "/")}
            self.check(list(paths) == [1, 3, 5], f"their streams are {', '.join(map(str, paths))}")
            for stream_id in reversed(paths):
                response = connection.get_response(stream_id)
                size = len(response.read())
                taken = perf_counter() - start
                # Whoever had to wait for /delay/1 would be late.
                right = response.status == 200 and (taken < 1) == (stream_id != 1)
                path = paths[stream_id]
                self.check(right, f"{stream_id}: {path:10} {size:5} octets after {taken:.2f} s")

    def an_upload(self) -> None:
        """A POST, and a large upload in pieces that are made on the way"""
        with self.connection() as connection:
            connection.request("POST", "/post", body='{"name": "Hyper"}')
            about = json.loads(connection.get_response().read())
            self.check(about["json"] == {"name": "Hyper"}, f"the server read {about['json']}")
            digest = hashlib.sha256(b"".join(seeded_chunks(2**23, 5))).hexdigest()
            connection.request("POST", "/digest", body=seeded_chunks(2**23, 5))
            seen = json.loads(connection.get_response().read())
            right = seen == {"size": 2**23, "sha256": digest}
            self.check(right, f"{seen['size']} octets uploaded, SHA-256 {seen['sha256'][:16]}...")

    def a_download(self) -> None:
        """A large download, read in pieces; flow control bounds what lies in memory"""
        self.frames.clear()
        want, got, pieces = hashlib.sha256(), hashlib.sha256(), 0
        for chunk in seeded_chunks(DOWNLOAD, 7):
            want.update(chunk)
        start = perf_counter()
        with self.connection(trace=FrameTrace(self.frames.append)) as connection:
            connection.request("GET", f"/bytes/{DOWNLOAD}?seed=7")
            for chunk in connection.get_response().read_chunked():
                got.update(chunk)
                pieces += 1
        taken = perf_counter() - start
        self.show_frames(lambda line: "WINDOW_UPDATE" in line, 3)
        windows = sum("WINDOW_UPDATE" in line for line in self.frames)
        text = f"{DOWNLOAD >> 20} MiB in {pieces} pieces, {windows} window updates, {taken:.2f} s"
        self.check(windows > 1, text)
        self.check(want.digest() == got.digest(), f"SHA-256 {got.hexdigest()[:16]}... of both")

    def many_threads(self) -> None:
        """Many threads, one connection"""
        before, own = self.server.connections, threading.active_count()
        connection = self.connection()

        def ask(number: int) -> int:
            right = 0
            for turn in range(REQUESTS):
                text = f"{number}.{turn}" * 50
                stream_id = connection.request("POST", f"/anything/{number}", body=text)
                about = json.loads(connection.get_response(stream_id).read())
                right += about["data"] == text and about["url"].endswith(f"/{number}")
            return right

        start = perf_counter()
        with connection, ThreadPoolExecutor(THREADS) as pool:
            right = sum(pool.map(ask, range(THREADS)))
        taken = perf_counter() - start
        total = THREADS * REQUESTS
        text = f"{right} of {total} answers right, {THREADS} threads, {taken:.2f} s"
        self.check(right == total, text)
        sockets = self.server.connections - before
        self.check(sockets == 1, f"TCP connections: {sockets}")
        left = threading.active_count() - own
        self.check(left == 0, f"threads that hyper started: {left}")

    def a_failure(self) -> None:
        """A body that is cut short is an error that says so; the connection goes on"""
        with self.connection() as connection:
            connection.request("GET", "/cut")
            try:
                connection.get_response().read()
            except HyperError as error:
                self.check(len(error.partial) == 1000, f"{type(error).__name__}:")
                for part in wrap(str(error), WIDTH - 9):
                    self.write(f"         {part}")
            else:
                self.check(False, "a body cut short was taken for a whole one")
            connection.request("GET", "/ip")
            status = connection.get_response().status
            self.check(status == 200, f"and the next request: {status}")


def serve(arguments: list[str]) -> int:
    """Keep a server running until Ctrl-C."""
    port = arguments[0] if arguments else "8080"
    if len(arguments) > 1 or not port.isascii() or not port.isdigit() or int(port) > 65535:
        print(USAGE, file=sys.stderr)
        return 1
    server = DemoServer(port=int(port))
    try:
        server.start()
    except OSError as error:
        print(f"hyper.demo: error: port {port}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        print(
            f"serving on {server.url}, HTTP/2 with prior knowledge, until Ctrl-C; try\n"
            f"  python -m hyper --h2 {server.url}/get\n"
            f"  curl --http2-prior-knowledge {server.url}/get",
            flush=True,
        )
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return 0


def run(arguments: list[str]) -> int:
    """Show the tour, or serve; return the exit code."""
    if arguments[:1] == ["--serve"]:
        return serve(arguments[1:])
    if arguments:
        print(USAGE, file=sys.stderr)
        return 1
    with DemoServer() as server:
        try:
            return Tour(server, partial(print, flush=True)).run()
        except BrokenPipeError:
            forget_output(sys.stdout)
            return 1
