"""What a page links to, fetched as well: over the connection that the page came by."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from .failing import CommandError
from .request import Request
from .target import Target, redirected

if TYPE_CHECKING:
    from .connecting import Client

__all__ = ["fetch_linked", "linked"]

#: What is fetched of one page.
MAX_ASSETS: Final = 200

#: Elements that need another resource to be shown, and the attribute that names it.
_NAMES: Final = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "input": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "track": "src",
    "video": "src",
}

#: Kinds of ``link`` that a page is not whole without.
_WANTED: Final = frozenset(("stylesheet", "icon", "preload", "modulepreload", "manifest"))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "base" and not self.base:
            self.base = attributes.get("href") or ""
        link = attributes.get(_NAMES.get(tag, ""))
        if tag == "link" and _WANTED.isdisjoint((attributes.get("rel") or "").lower().split()):
            return
        if link:
            self.found.append(link.strip())


def linked(page: Target, html: str) -> list[Target]:
    """What a page of HTML needs from its own origin, each once and in order."""
    reader = _Links()
    reader.feed(html)
    reader.close()
    targets: dict[Target, None] = {}
    for link in reader.found:
        try:
            target = redirected(page, urljoin(reader.base, link) if reader.base else link)
        except (CommandError, ValueError):
            continue  # data:, about: and whatever else is not to be fetched
        if target.origin == page.origin and target != page:
            targets[target] = None
    return list(targets)[:MAX_ASSETS]


def fetch_linked(client: Client, request: Request, content_type: str, page: bytes) -> None:
    """Ask at once for all that the page of ``request`` needs, and read it; show none of it."""
    if "html" not in content_type.lower():
        return
    turns = []
    for target in linked(request.target, page.decode(errors="replace")):
        headers = [(name, value) for name, value in request.headers if name != ":path"]
        asset = Request("GET", target, headers, None)
        turns.append(client.begin(asset))
    for turn in turns:
        response = client.answer(turn).response
        error: BaseException | None = None
        try:
            if response is not None:
                for _ in response.read_chunked(decode_content=False):
                    pass
        except BaseException as failure:
            error = failure
            raise
        finally:
            client.watchers.ended(turn, error)
