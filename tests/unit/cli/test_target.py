"""Where a redirect leads."""

from __future__ import annotations

import pytest

from hyper.cli.failing import CommandError
from hyper.cli.target import Target, redirected

HERE = Target("https", "x.org", 8443, "/a/b?c=d")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/c", "https://x.org:8443/c"),
        ("c?d=e", "https://x.org:8443/a/c?d=e"),
        ("?d", "https://x.org:8443/a/b?d"),
        ("../../../c", "https://x.org:8443/c"),
        ("", "https://x.org:8443/a/b?c=d"),
        ("#top", "https://x.org:8443/a/b?c=d"),
        ("//y.org/c#d", "https://y.org/c"),
        ("http://y.org", "http://y.org/"),
        ("HTTP://Y.org:80/ä b", None),
        (" https://me:pw@y.org:443/%20?ä ", "https://y.org/%20?%C3%A4"),
        ("https://[::1]:1/", "https://[::1]:1/"),
        ("http:///x", None),
        ("mailto:me@x.org", None),
        ("javascript:alert(1)", None),
        ("ftp://y.org:21/", None),
        ("https://y.org:99999/", None),
        ("https://y.org:0/", None),
        ("https://[::1/", None),
        ("https://y.org/\n", None),
        ("https://y.org/a\x00", None),
    ],
)
def test_redirects(location: str, url: str | None) -> None:
    if url is not None:
        assert redirected(HERE, location).url == url
        return
    with pytest.raises(CommandError) as caught:
        redirected(HERE, location)
    said = str(caught.value)
    assert said.startswith("x.org:8443 redirects to ")
    assert said.isprintable()


def test_origins_are_compared_by_scheme_host_and_port() -> None:
    assert redirected(HERE, "https://X.ORG:8443/").origin == HERE.origin
    for other in ("http://x.org:8443/", "https://x.org/", "https://www.x.org:8443/"):
        assert redirected(HERE, other).origin != HERE.origin
