"""What the command does: one request, the redirects it leads to, and what is shown of it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, TextIO

from .arguments import Options
from .credentials import authorization
from .failing import (
    ERROR,
    STATUS_CODES,
    TOO_MANY_REDIRECTS,
    CommandError,
    UsageError,
    reason,
    warn,
)
from .items import read_items
from .output import Looks, Printer, named, writing
from .paint import Palette, wants_colour
from .request import REDIRECTS, Request, follow, make_request
from .target import Target, read_url

if TYPE_CHECKING:
    from ..sync.response import Response
    from .connecting import Client
    from .digest import Digest
    from .download import Download
    from .session import Session
    from .watching import Turn

__all__ = ["run"]

#: Octets of a redirect's body that are read so that its connection can be used again; a longer
#: one is given up.
MAX_UNWANTED: Final = 65_536

#: Octets of a page that are looked through for what it links to.
MAX_PAGE: Final = 4 * 2**20


def run(options: Options) -> int:
    """Do what the options say; return the exit code.

    Raises UsageError and CommandError, and whatever a connection does.
    """
    with ExitStack() as stack:
        return _Command(options, stack).run()


class _Command:
    """One run: what it is about, and where it stands."""

    def __init__(self, options: Options, stack: ExitStack) -> None:
        self.options = options
        self.stack = stack
        self.output: TextIO = sys.stdout
        self.download: Download | None = None
        self.digest: Digest | None = None
        self._begun = False
        items = read_items(options.items)
        # As it was said, which names it in a session; a demo has an address only when it runs.
        self.said = read_url(options.url, items.query)
        self.session = self._session(self.said)
        headers = self.session.headers(self.said) if self.session is not None else []
        self.request = make_request(options, items, self.said, headers)
        body = self.request.body
        if body is not None:
            stack.callback(body.close)
        self._identify()
        self.parts = self._parts()
        # A response that is watched is read, even if nothing of it is shown.
        self.watched = bool(options.waterfall or options.trace or options.explain)
        self.printer = self._printer()

    # Before anything is sent

    def _session(self, target: Target) -> Session | None:
        options = self.options
        name = options.session or options.session_read_only
        if name is None and not options.follow:
            return None
        from .session import Session, session_path

        # Without a file as well: redirects set cookies and want them back.
        path = None if name is None else session_path(name, target)
        return Session(path, read_only=options.session is None)

    def _identify(self) -> None:
        """Say who we are, unless a header or the session does."""
        options, request = self.options, self.request
        if options.auth is not None and any(
            word.lower().startswith("authorization:") for word in options.items
        ):
            raise UsageError("there are --auth and an Authorization: item; give one of them")
        if options.auth is not None or not request.has("authorization"):
            value = authorization(options, request.target)
            if value is not None:
                request.set("authorization", value)
            if options.auth is not None and options.auth_type == "digest":
                from .digest import Digest

                self.digest = Digest(options.auth, request)
                # Of a session, perhaps; this is who we are now.
                request.drop("authorization")
            if value is not None and options.auth is None:
                # From .netrc, which is its home: no session has to keep it as well.
                request.defaults = [*request.defaults, ("authorization", value)]

    def _parts(self) -> str:
        """Which letters of --print apply."""
        options = self.options
        if options.quiet and self._path() is None:
            return ""  # what stays in a file is no noise
        if options.printed is not None:
            return options.printed
        if options.verbose:
            return "HBhb" if options.verbose == 1 else "HBhbm"
        if options.offline:
            return "HB"
        if options.waterfall and options.output is None and not options.download:
            return ""  # the picture is shown in its place, unless more is asked for
        if options.download:
            return "h" if sys.stderr.isatty() else ""
        if options.output is None and sys.stdout.isatty():
            return "hb"
        # There is no body to a HEAD, and nobody asks in order to see nothing.
        return "h" if self.request.method == "HEAD" else "b"

    def _printer(self) -> Printer:
        options = self.options
        path = self._path()
        if options.download:
            # Standard output is for what is to be kept, and that goes into a file.
            self.output = sys.stderr
        elif path is not None:
            try:
                # To append, so that what stands there stays until there is something instead.
                file = open(path, "ab")  # noqa: SIM115 - closed by the stack
            except (OSError, ValueError) as error:
                raise CommandError(f"{path!r} cannot be written: {reason(error)}") from None
            self.output = io.TextIOWrapper(file, encoding="utf-8", newline="")
            self.stack.callback(self._close_output, path)
        pretty = options.pretty
        terminal = self.output.isatty()
        colours = wants_colour(self.output, pretty)
        looks = Looks(
            raw=not terminal and not colours and pretty in (None, "none"),
            indent=pretty in ("all", "format") or (pretty is None and terminal),
            python=pretty == "python",
            stream=options.stream,
        )
        return Printer(self.output, looks, Palette(colours, options.style), path)

    def _path(self) -> str | None:
        """The file for what would be printed; None where that is standard output."""
        options = self.options
        return None if options.output == "-" or options.download else options.output

    def _close_output(self, path: str) -> None:
        # What did not fit before does not fit now: it says so a second time, by the same words.
        with writing(path):
            self.output.close()

    # The requests

    def run(self) -> int:
        options = self.options
        if options.offline:
            self._begin_output()
            self._show_request(self.request, "HTTP/1.1" if options.protocol == "http1.1" else "")
            return 0
        from .connecting import Client
        from .watching import watching

        # What is entered first ends last: a demo that stops waits for its connections to close.
        demo = self._started_demo() if self.said.scheme == "demo" else None
        watchers = self.stack.enter_context(watching(options))
        client = self.stack.enter_context(Client(options, watchers))
        client.demo = demo
        if options.repeat is not None:
            from .load import repeat

            return repeat(options, client, self._with_cookies(self.request), self.printer)
        if options.download:
            from .download import Download

            self.download = Download(self.request, options.output, options.resume)
        try:
            return self._fetch(client)
        finally:
            if self.session is not None:
                self.session.save()

    def _started_demo(self) -> tuple[str, str, int]:
        """Start the demo, and turn the request to where it listens."""
        from ..demo import DemoServer

        server = self.stack.enter_context(DemoServer())
        target = Target("http", server.host, server.port, self.request.target.path)
        self.request.target = target
        return target.origin

    def _fetch(self, client: Client) -> int:
        options, request = self.options, self.request
        if self.session is not None:
            self.session.remember(self.said, request)
        redirects = 0
        end = None if options.max_time is None else monotonic() + options.max_time
        while True:
            began = monotonic()
            sent = self._with_cookies(request)
            # A moment at least: what it was for is for the connection to say.
            turn = client.begin(sent, None if end is None else round(max(end - began, 0.001), 3))
            if "H" in self.parts or "B" in self.parts:
                self._begin_output()
                self._show_request(sent, turn.connection.version, final=False)
            response = _answered(client.answer(turn))
            self._begin_output()
            fields = response.getheaders()
            if self.session is not None:
                self.session.take_cookies(request.target, fields)
            following = None if self.digest is None else self.digest.answered(request, response)
            if following is None:
                following = self._redirected(request, response, redirects)
                redirects += 1
            if following is None:
                break
            if options.all or options.verbose:
                self._show_response(client, turn, began)
            else:
                _drop(response)
                client.watchers.ended(turn)
            request = following
        self._finish(client, turn, sent, began)
        return self._code(response)

    def _redirected(self, request: Request, response: Response, redirects: int) -> Request | None:
        """The request that a redirect asks for, after so many; None if this is the end."""
        options = self.options
        location = response.getheader("location")
        if not options.follow or response.status not in REDIRECTS or location is None:
            return None
        if redirects >= options.max_redirects:
            response.close()
            raise CommandError(
                f"stopped after {redirects} redirects; {request.target.authority} answered "
                f"{named(response.status)} once more: --max-redirects N follows further",
                TOO_MANY_REDIRECTS,
            )
        following = follow(request, response.status, location)
        return following if self.digest is None else self.digest.redirected(following)

    def _begin_output(self) -> None:
        """Now there is something to write into the file of --output: empty it, once."""
        if not self._begun:
            self._begun = True
            if self.output is not sys.stdout and self.output is not sys.stderr:
                with suppress(OSError):  # a pipe, or a device
                    self.output.truncate(0)

    def _with_cookies(self, request: Request) -> Request:
        cookies = self.session.cookies(request.target) if self.session is not None else None
        if cookies is None:
            return request
        sent = Request(request.method, request.target, request.headers, request.body)
        given = [value for name, value in request.headers if name.lower() == "cookie"]
        sent.set("cookie", "; ".join([*given, cookies]))
        return sent

    def _finish(self, client: Client, turn: Turn, sent: Request, began: float) -> None:
        """Show or save the last response, and fetch what it links to if that is wanted."""
        if self.download is not None:
            self._save(client, turn, self.download)
            return
        page = _Page(self.options.assets)
        self._show_response(client, turn, began, page)
        if self.options.assets or self.options.waterfall:
            from .assets import fetch_linked

            fetch_linked(client, turn, sent, bytes(page.kept) if self.options.assets else None)

    def _code(self, response: Response) -> int:
        options = self.options
        status = response.status
        if (
            status >= 400
            and "h" not in self.parts
            and (options.check_status or self.output.isatty())
        ):
            warn(f"the server answered {named(status)}")
        return self._code_of(status)

    def _code_of(self, status: int) -> int:
        return STATUS_CODES.get(status // 100, 0) if self.options.check_status else 0

    # What is shown

    def _show_request(self, request: Request, version: str, *, final: bool = True) -> None:
        printer, parts = self.printer, self.parts
        if "H" in parts:
            printer.request_head(*_requested(request, version))
        body = request.body
        if "B" in parts and body is not None:
            if body.rewind():
                # Read to be shown, it is to be read again to be sent again.
                content_type = next(
                    (value for name, value in request.headers if name.lower() == "content-type"),
                    "",
                )
                printer.body(body.pieces(), content_type)
                body.rewind()
            else:
                warn("the body was read from standard input while it was sent, and is not shown")
        if not final and ("H" in parts or "B" in parts):
            printer.part()

    def _show_response(
        self, client: Client, turn: Turn, began: float, page: _Page | None = None
    ) -> None:
        response = _answered(turn)
        printer, parts = self.printer, self.parts
        head_after = monotonic() - began
        version = _version(response)
        if "h" in parts:
            for status, fields in response.informational if self.options.verbose else ():
                texts = [(name.decode(), value.decode("latin-1")) for name, value in fields]
                printer.response_head(version, status, texts)
            self._response_head(response)
        size = 0
        error: BaseException | None = None
        try:
            if "b" in parts or (page is not None and page.wanted) or "m" in parts or self.watched:
                chunks = response.read_chunked(decode_content=self.options.compressed)
                counted = _Counted(chunks, page)
                if "b" in parts:
                    printer.body(iter(counted), response.getheader("content-type") or "")
                else:
                    for _ in counted:
                        pass
                size = counted.size
                if not counted.ended:
                    # Not text, and not shown on a terminal.
                    response.close()
            else:
                response.close()
            if "h" in parts:
                printer.trailers(response.gettrailers())
        except BaseException as failure:
            error = failure
            raise
        finally:
            client.watchers.ended(turn, error)
        if "m" in parts:
            printer.figures(
                [
                    ("protocol", version),
                    ("stream", "-" if turn.stream_id is None else str(turn.stream_id)),
                    ("status", named(response.status)),
                    ("first byte after", f"{head_after:.4f} s"),
                    ("elapsed", f"{monotonic() - began:.4f} s"),
                    ("body", f"{size} octets"),
                ]
            )

    def _response_head(self, response: Response) -> None:
        from ..sync.response import HTTP11Response

        # HTTP/2 has no reason phrases (RFC 9113 §8.3.2).
        reason = response.reason.decode("latin-1") if isinstance(response, HTTP11Response) else ""
        self.printer.response_head(
            _version(response), response.status, response.getheaders(), reason
        )

    def _save(self, client: Client, turn: Turn, download: Download) -> None:
        response = _answered(turn)
        if "h" in self.parts:
            self._response_head(response)
        error: BaseException | None = None
        try:
            said = self._saved(response, download)
        except BaseException as failure:
            error = failure
            raise
        finally:
            client.watchers.ended(turn, error)
        if not self.options.quiet:
            warn(said)

    def _saved(self, response: Response, download: Download) -> str:
        from .progress import Progress

        if not 200 <= response.status < 300 and not (response.status == 416 and download.there):
            response.close()
            raise CommandError(
                f"the server answered {named(response.status)}, and nothing was saved",
                self._code_of(response.status) or ERROR,
            )
        if not download.begin(response):
            response.close()
            return f"{download.path} is whole already, {download.there} octets"
        if download.found and not download.there:
            warn(f"the server sends {download.path} from the beginning")
        output = io.StringIO() if self.options.quiet else sys.stderr
        progress = Progress(output, download.total(response), download.there)
        try:
            download.save(response, progress)
        finally:
            progress.finish()
        where = "printed" if download.path == "-" else f"saved {download.path}"
        return f"{where}: {progress.summary()}"


class _Page:
    """The beginning of a body, kept if it is wanted."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self.kept = bytearray()


class _Counted:
    """Chunks of a body that are counted as they go by."""

    def __init__(self, chunks: Iterator[bytes], page: _Page | None) -> None:
        self.chunks = chunks
        self.size = 0
        self.ended = False
        self.page = page if page is not None and page.wanted else None

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.size += len(chunk)
            if self.page is not None and len(self.page.kept) < MAX_PAGE:
                self.page.kept += chunk
            yield chunk
        self.ended = True


def _answered(turn: Turn) -> Response:
    assert turn.response is not None
    return turn.response


def _requested(request: Request, version: str) -> tuple[str, str, str, list[tuple[str, str]]]:
    method, path, fields = request.on_the_wire()
    return method, path, version or "HTTP/2", fields


def _version(response: Response) -> str:
    return "HTTP/2" if response.version == 20 else "HTTP/1.1"


def _drop(response: Response) -> None:
    """Be done with a body that nobody wants, without unpacking it."""
    size = 0
    with suppress(Exception):  # whatever is wrong with it, nobody wants it
        for chunk in response.read_chunked(decode_content=False):
            size += len(chunk)
            if size > MAX_UNWANTED:
                break
    response.close()
