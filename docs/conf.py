"""How Sphinx builds these pages: `python3 dev docs`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "src/hyper/__init__.py").read_text("utf-8"))
assert VERSION is not None

project = "hyper"
release = version = VERSION[1]
copyright = "the hyper contributors"

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"hyper {release}"
