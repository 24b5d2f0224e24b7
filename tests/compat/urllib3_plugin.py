"""For pytest, in urllib3's own test suite: every context that urllib3 makes becomes one of ours."""

from __future__ import annotations

import ssl
from typing import Any

import urllib3.connection
import urllib3.util
import urllib3.util.ssl_

import hyper.client
from hyper.sync.gateway import GatewaySocket

_make = urllib3.util.ssl_.create_urllib3_context
_initialise = GatewaySocket.__init__
_made = 0


def create_urllib3_context(*args: Any, **kwargs: Any) -> ssl.SSLContext:
    context = _make(*args, **kwargs)
    if type(context) is not ssl.SSLContext:
        return context  # pyOpenSSL's
    return hyper.client._translating(context, share=False, http11_hosts=())


def counting(self: Any, *args: Any, **kwargs: Any) -> None:
    global _made
    _made += 1
    _initialise(self, *args, **kwargs)


def pytest_configure() -> None:
    modules: list[Any] = [urllib3.util.ssl_, urllib3.util, urllib3.connection]
    for module in modules:
        module.create_urllib3_context = create_urllib3_context
    gateway: Any = GatewaySocket
    gateway.__init__ = counting


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.write_line(f"gateways: {_made}")
