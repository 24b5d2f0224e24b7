"""What a page links to, fetched as well: all at once, over the connection that the page came by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urljoin

from ..common.exceptions import HyperError
from .failing import CommandError, complain, warn
from .markup import tags
from .request import Request
from .target import Target, redirected

if TYPE_CHECKING:
    from ..sync.pushes import HTTP20Push
    from ..sync.response import Response
    from .connecting import Client
    from .watching import Turn

T = TypeVar("T")

__all__ = ["fetch_linked", "in_style", "linked"]

#: What is fetched for one page: resources, and octets of all of them together.
MAX_ASSETS: Final = 200
MAX_OCTETS: Final = 64 * 2**20
#: Octets of a style sheet that are looked through for what it links to.
MAX_STYLE: Final = 2**20
#: Responses that are read at once; the connection may carry as many as its server allows.
MAX_READERS: Final = 32

#: Seconds after which who waits looks up: a Ctrl-C just before it sits down does not wake it.
GLANCE: Final = 0.1

#: Comments in a style sheet that are looked past.
MAX_COMMENTS: Final = 1000
#: What stands between the candidates of a srcset.
_BETWEEN: Final = " \t\n\r\f,"

#: Elements that need another resource to be shown, and the attributes that name it.
_NAMES: Final = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "image": ("href",),
    "input": ("src",),
    "link": ("href", "imagesrcset"),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "video": ("src", "poster"),
}

#: Kinds of ``link`` that a page is not whole without.
_WANTED: Final = frozenset(("stylesheet", "icon", "preload", "modulepreload", "manifest"))

# In CSS: the two ways to name something else (CSS Syntax §4.3, CSS Cascade §2).
_URL: Final = re.compile(
    r"""url\(\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"'()]+))\s*\)|@import\s+(?:"([^"\n]*)"|'([^'\n]*)')""",
    re.IGNORECASE,
)


def _candidates(srcset: str) -> list[str]:
    """The URLs of a ``srcset``: a URL may hold a comma, but ends with none."""
    found: list[str] = []
    rest = srcset.lstrip(_BETWEEN)
    # By hand, and not by a pattern that a hostile page could keep busy.
    while rest and len(found) < MAX_ASSETS:
        url, *more = rest.split(None, 1)
        rest = more[0] if more else ""
        if not url.endswith(","):
            rest = rest.partition(",")[2]  # behind the descriptors
        found.append(url.rstrip(","))
        rest = rest.lstrip(_BETWEEN)
    return found


def in_style(css: str) -> list[str]:
    """What a piece of CSS names by ``url()`` and ``@import``."""
    matches = _URL.finditer(_without_comments(css))
    return [link for match in matches for link in match.groups() if link]


def _without_comments(css: str) -> str:
    parts = []
    while css:
        before, _, css = css.partition("/*")
        parts.append(before)
        css = css.partition("*/")[2]
        if len(parts) > MAX_COMMENTS:
            break
    return " ".join(parts)


def linked(page: Target, html: str) -> list[Target]:
    """What a page of HTML needs from its own origin, each once and in order."""
    base = ""
    found: list[str] = []
    for tag, attributes, raw in tags(html):
        if tag == "base" and not base:
            base = attributes.get("href", "")
        found += in_style(attributes.get("style", ""))
        if tag == "style":
            found += in_style(raw)
        if tag == "link" and _WANTED.isdisjoint(attributes.get("rel", "").lower().split()):
            continue
        for name in _NAMES.get(tag, ()):
            value = attributes.get(name, "").strip()
            if name.endswith("srcset"):
                found += _candidates(value)
            elif value:
                found.append(value)
    return _targets(page, (urljoin(base, link) if base else link for link in found))


def _targets(page: Target, links: Iterable[str]) -> list[Target]:
    targets: dict[Target, None] = {}
    for link in links:
        try:
            target = redirected(page, link)
        except (CommandError, ValueError):
            continue  # data:, about: and whatever else is not to be fetched
        if target.origin == page.origin and target != page:
            targets[target] = None
    return list(targets)[:MAX_ASSETS]


def fetch_linked(client: Client, turn: Turn, request: Request, page: bytes | None) -> None:
    """Ask at once for all that the page of ``request`` needs, and read it; show none of it.

    page  its body; None to ask for nothing, and only read what is pushed

    What the server pushed along with the page is read, and not asked for again. What fails is
    said, in a line each: the page itself is there.
    """
    assert turn.response is not None
    content_type = (turn.response.getheader("content-type") or "").lower()
    fetch = _Fetch(client, request)
    # Over HTTP/1.1 answers come in the order of the requests, and are taken so.
    readers = MAX_READERS if turn.connection.version == "HTTP/2" else 1
    with ThreadPoolExecutor(readers) as pool, _hurried(client, pool):
        fetch.take_pushes(turn, pool)
        if page is None:
            fetch.follows_styles = False
        elif "html" in content_type:
            fetch.ask(linked(request.target, page.decode(errors="replace")), pool)
        elif "css" in content_type:
            fetch.ask(_targets(request.target, in_style(page.decode(errors="replace"))), pool)
        fetch.see_through(pool)
    fetch.conclude()


@contextmanager
def _hurried(client: Client, pool: ThreadPoolExecutor) -> Iterator[None]:
    """Let Ctrl-C, or whatever else ends this early, end all that is waited for."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        client.close()  # which wakes whoever reads
        raise


class _Fetch:
    """One page's fetching, and what there is of it."""

    def __init__(self, client: Client, request: Request) -> None:
        self.client = client
        self.page = request.target
        # What was said for the page only is not said of other things.
        self.headers = [(name, value) for name, value in request.headers if name != ":path"]
        self.known: set[Target] = {request.target}
        self.running = 0
        # What came of each, with whether the page itself named it. A queue in C, and no futures:
        # who waits for those holds a lock of each, and Ctrl-C may come before they are let go.
        self.outcomes: SimpleQueue[tuple[Target, bool, str | BaseException]] = SimpleQueue()
        self.follows_styles = True
        self.direct = True
        self.left_out = 0
        self.octets = 0
        self.lock = Lock()

    def take_pushes(self, turn: Turn, pool: ThreadPoolExecutor) -> None:
        for push in list(turn.connection.get_pushes(turn.stream_id)):
            target = self.page._replace(path=push.path.decode("latin-1"))
            if target in self.known or len(self.known) > MAX_ASSETS:
                push.cancel()
                continue
            self.known.add(target)
            self._start(pool, target, self._read_push, push)

    def ask(self, targets: Iterable[Target], pool: ThreadPoolExecutor) -> None:
        """Send a request for each that is new, and have its response read."""
        for target in targets:
            if target in self.known:
                continue
            if len(self.known) > MAX_ASSETS:
                self.left_out += 1
                continue
            self.known.add(target)
            turn = self.client.begin(Request("GET", target, self.headers, None))
            self._start(pool, target, self._read_turn, turn)

    def _start(
        self, pool: ThreadPoolExecutor, target: Target, read: Callable[[T], str], what: T
    ) -> None:
        direct = self.direct

        def work() -> None:
            outcome: str | BaseException
            try:
                outcome = read(what)
            except BaseException as error:
                outcome = error
            self.outcomes.put((target, direct, outcome))

        self.running += 1
        pool.submit(work)

    def see_through(self, pool: ThreadPoolExecutor) -> None:
        """Wait for all of them, and ask for what style sheets want as well, one level deep."""
        self.direct = False
        while self.running:
            try:
                target, direct, outcome = self.outcomes.get(timeout=GLANCE)
            except Empty:
                continue
            self.running -= 1
            if isinstance(outcome, CommandError | HyperError | OSError | ValueError):
                complain(outcome)  # the page itself is there
            elif isinstance(outcome, BaseException):
                raise outcome
            elif outcome and direct and self.follows_styles:
                self.ask(_targets(target, in_style(outcome)), pool)

    def conclude(self) -> None:
        if self.left_out:
            warn(f"{self.left_out} more that the page links were left out, {MAX_ASSETS} fetched")
        if self.octets > MAX_OCTETS:
            warn(f"what the page links was cut short after {MAX_OCTETS} octets")

    def _read_turn(self, turn: Turn) -> str:
        response = self.client.answer(turn).response
        assert response is not None
        error: BaseException | None = None
        try:
            return self._read(response)
        except BaseException as failure:
            error = failure
            raise
        finally:
            self.client.watchers.ended(turn, error)

    def _read_push(self, push: HTTP20Push) -> str:
        return self._read(push.get_response())

    def _read(self, response: Response) -> str:
        """Read a body to its end, if there is room for it; give back what is CSS."""
        style = "css" in (response.getheader("content-type") or "").lower()
        kept = bytearray()
        for chunk in response.read_chunked(decode_content=style):
            with self.lock:
                self.octets += len(chunk)
                full = self.octets > MAX_OCTETS
            if full:
                response.close()
                break
            if style and len(kept) < MAX_STYLE:
                kept += chunk
        return kept.decode(errors="replace")
