"""Which proxy a request goes through: what --proxy says, else what the environment does."""

from __future__ import annotations

import os
import re
import sys

from ..sync.proxy import DEFAULT_PORTS
from .failing import UsageError
from .target import Target

__all__ = ["proxy_for"]


def proxy_for(target: Target, given: list[str]) -> str | None:
    """The proxy for a target, as ``HTTPConnection`` takes it; None for the straight way.

    ``given`` are the values of --proxy: ``URL``, ``SCHEME:URL`` or ``none``; the last that fits
    counts. Without any, ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy`` do, and
    the system's settings on macOS and Windows. Raises UsageError.
    """
    found: str | None = None
    for text in given:
        match = re.match(r"(https?|all):(?!//)(.*)", text, re.IGNORECASE | re.DOTALL)
        scheme, url = (match[1].lower(), match[2]) if match else ("all", text)
        if scheme in ("all", target.scheme):
            found = url
    if not given:
        found = _from_environment(target)
    if not found or found == "none":
        return None
    scheme = found.partition("://")[0].lower() if "://" in found else "http"
    if scheme not in DEFAULT_PORTS:
        # There may be a password in it, so it is not quoted.
        known = ", ".join(f"{each}://" for each in DEFAULT_PORTS)
        raise UsageError(
            f"the proxy's scheme is {scheme!r}, and only {known} proxies are spoken to; "
            "--proxy none does without"
        )
    return found


def _from_environment(target: Target) -> str | None:
    names = [name for name in os.environ if name.lower().endswith("_proxy")]
    if not names and sys.platform not in ("darwin", "win32"):
        return None
    # Loads half of the standard library, so not before there is something to find.
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    found = proxies.get(target.scheme) or proxies.get("all")
    if not found or proxy_bypass(f"{target.host}:{target.port}") or proxy_bypass(target.host):
        return None
    return found
