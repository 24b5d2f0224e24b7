"""A page and what it links: enough to fetch for a good picture of streams side by side.

Everything is made here, and waits a little before it comes, as things from afar do.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache, partial
from typing import Final, NamedTuple

__all__ = ["ASSETS", "PAGE", "PUSHED", "PUSHING", "Asset"]


class Asset(NamedTuple):
    """What is linked.

    body          makes its octets
    wait          seconds before its head
    pieces, pause the body comes in so many pieces, with so many seconds between them
    """

    content_type: str
    body: Callable[[], bytes]
    wait: float
    pieces: int = 1
    pause: float = 0.0


def _png(width: int, height: int, seed: int) -> bytes:
    """A picture (PNG) of coloured grain: different for each seed, and hardly compressible."""
    from random import Random

    source = Random(seed)
    rows = b"".join(b"\0" + source.randbytes(3 * width) for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", check)

    head = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(rows, 1)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@cache
def _picture(width: int, height: int, seed: int) -> bytes:
    return _png(width, height, seed)


STYLE: Final = """\
body { margin: 2rem auto; max-width: 50rem; font-family: sans-serif; background: url(paper.png); }
h1 { background: url("/assets/banner.png"); padding: 2rem; color: white; }
img { width: 30%; margin: 1%; }
/* url(nothing.png) in a comment is fetched by nobody */
"""

SCRIPT: Final = 'document.title += " (with scripts)";\n'

PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>hyper's demo page</title>
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="/assets/icon.png">
<script src="/assets/app.js" defer></script>
</head>
<body>
<h1>Many things at once</h1>
<p>What this page links comes over one connection, all of it at the same time.</p>
<p>
<img src="assets/photo-1.png" alt="grain">
<img src="assets/photo-2.png" alt="grain">
<img srcset="assets/photo-3.png 1x, assets/photo-4.png 2x" src="assets/photo-3.png" alt="grain">
<picture><source srcset="assets/photo-5.png"><img src="assets/photo-6.png" alt="grain"></picture>
</p>
<p><a href="/get">What you asked</a>, <a href="/">and everything else that is here</a>.</p>
</body>
</html>
"""

#: What /page and /push send unasked to those who take it.
PUSHED: Final = ("/assets/style.css", "/assets/app.js")

PUSHING: Final = """\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>hyper pushes</title>
<link rel="stylesheet" href="/assets/style.css"><script src="/assets/app.js" defer></script></head>
<body><h1>Pushed</h1><p>Style and script came along with this page.</p></body>
</html>
"""


def _photo(seed: int, side: int, wait: float, pieces: int) -> Asset:
    return Asset("image/png", partial(_picture, side, side, seed), wait, pieces, 0.03)


#: By their names below /assets/.
ASSETS: Final = {
    "style.css": Asset("text/css; charset=utf-8", STYLE.encode, 0.04),
    "app.js": Asset("text/javascript; charset=utf-8", SCRIPT.encode, 0.06),
    "icon.png": _photo(1, 16, 0.03, 1),
    "paper.png": _photo(2, 64, 0.05, 2),
    "banner.png": _photo(3, 120, 0.07, 3),
    "photo-1.png": _photo(11, 120, 0.05, 4),
    "photo-2.png": _photo(12, 160, 0.08, 6),
    "photo-3.png": _photo(13, 90, 0.11, 3),
    "photo-4.png": _photo(14, 180, 0.06, 9),
    "photo-5.png": _photo(15, 140, 0.14, 5),
    "photo-6.png": _photo(16, 100, 0.09, 7),
}
