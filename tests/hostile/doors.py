"""Every door of hyper, opened in the same way: what a rule concerns is tried through all of them.

    @pytest.mark.parametrize("door", DOORS)
    def test_...(scene: Stage, certificates: Certificates, door: Kind) -> None:
        with scene(script) as play, door(play.port, certificates.authority) as caller:
            answer = caller.ask("/path", headers=[("x-name", "value")])

A caller raises whatever its door raises; ``caller.errors`` are the classes by which it says that
the server, or the network, is to blame, and ``caller.refusals`` those by which it refuses what
the program asks for.
"""

from __future__ import annotations

import http.client
import ssl
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NamedTuple, Self

import httpx
import requests
import urllib3

import hyper.client
from hyper import HTTP11Connection, HTTP20Connection, HTTPConnection
from hyper.common.exceptions import HyperError
from hyper.contrib import HTTP20Adapter
from hyper.contrib.httpx import HTTP2Transport
from hyper.contrib.urllib3 import PoolManager
from hyper.tls import init_context

from .peer import PATIENCE

__all__ = ["DOORS", "HTTP2_DOORS", "Answer", "Caller", "DropIn", "Httpx", "Kind", "Requests",
           "Urllib3"]  # fmt: skip


class Answer(NamedTuple):
    """What a door gave for a response."""

    status: int
    body: bytes
    fields: dict[str, str]


class Caller:
    """One door to ``https://localhost:port``, or to another host that leads there.

    trusts  a file of authorities, or False for anybody
    """

    errors: ClassVar[tuple[type[BaseException], ...]] = (HyperError, OSError)
    refusals: ClassVar[tuple[type[BaseException], ...]] = (ValueError,)

    def __init__(self, port: int, trusts: Path | bool, host: str = "localhost") -> None:
        self.port = port
        self.host = host
        self.trusts = trusts
        self.url = f"https://{host}:{port}"
        self.open()

    def open(self) -> None:
        raise NotImplementedError

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Native(Caller):
    """``HTTPConnection``, which speaks whatever ALPN chooses."""

    connection: type[HTTPConnection] = HTTPConnection

    def open(self) -> None:
        if self.trusts is False:
            context = init_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = init_context(None if self.trusts is True else str(self.trusts))
        self.caller = self.connection(
            self.host, self.port, secure=True, ssl_context=context, timeout=PATIENCE
        )

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        key = self.caller.request(method, path, body, list(headers))
        response = self.caller.get_response(key)
        return Answer(response.status, response.read(), dict(response.getheaders()))

    def close(self) -> None:
        self.caller.close()


class Native20(Native):
    """``HTTP20Connection``."""

    connection = HTTP20Connection


class Native11(Native):
    """``HTTP11Connection``."""

    connection = HTTP11Connection


class DropIn(Caller):
    """``hyper.client``, in the place of ``http.client``."""

    errors = (OSError, http.client.HTTPException)
    refusals = (ValueError, http.client.HTTPException)

    def open(self) -> None:
        context = hyper.client.create_default_context(
            cafile=None if isinstance(self.trusts, bool) else str(self.trusts)
        )
        if self.trusts is False:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.caller = hyper.client.HTTPSConnection(
            self.host, self.port, timeout=PATIENCE, context=context
        )

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        try:
            skip = {name.lower() for name, _ in headers if isinstance(name, str)}
            self.caller.putrequest(method, path, skip_host="host" in skip)
            for name, value in headers:
                self.caller.putheader(name, value)
            if body is not None and "content-length" not in skip:
                self.caller.putheader("content-length", len(body))
            self.caller.endheaders(body)
            response = self.caller.getresponse()
            data = response.read()
        except BaseException:
            # http.client keeps what it had collected of a head that it refused.
            self.caller.close()
            self.open()
            raise
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, data, fields)

    def close(self) -> None:
        self.caller.close()


class Requests(Caller):
    """requests, with ``HTTP20Adapter`` mounted."""

    # Its InvalidHeader and InvalidURL are ValueErrors, and so is its LocationParseError.
    errors = (requests.RequestException, urllib3.exceptions.HTTPError)
    refusals = (ValueError, requests.RequestException)

    def open(self) -> None:
        self.caller = requests.Session()
        self.caller.trust_env = False
        self.caller.verify = self.trusts if isinstance(self.trusts, bool) else str(self.trusts)
        self.caller.mount("https://", HTTP20Adapter())

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            response = self.caller.request(
                method, self.url + path, headers=dict(headers), data=body, timeout=PATIENCE,
                allow_redirects=False,
            )  # fmt: skip
        fields = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, response.content, fields)

    def close(self) -> None:
        self.caller.close()


class Urllib3(Caller):
    """``hyper.contrib.urllib3.PoolManager``."""

    errors = (urllib3.exceptions.HTTPError,)
    refusals = (ValueError, urllib3.exceptions.HTTPError)

    def open(self) -> None:
        trust: dict[str, Any] = {"cert_reqs": "CERT_NONE"}
        if self.trusts is not False:
            trust = {"ca_certs": None if self.trusts is True else str(self.trusts)}
        self.caller = PoolManager(retries=False, timeout=PATIENCE, **trust)

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
            response = self.caller.request(
                method, self.url + path, headers=dict(headers), body=body, redirect=False
            )
        fields = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, response.data, fields)

    def close(self) -> None:
        self.caller.clear()


class Httpx(Caller):
    """httpx, with ``HTTP2Transport``."""

    errors = (httpx.HTTPError,)
    refusals = (ValueError, httpx.HTTPError, httpx.InvalidURL)

    def open(self) -> None:
        trusts = self.trusts if isinstance(self.trusts, bool) else str(self.trusts)
        self.caller = httpx.Client(
            transport=HTTP2Transport(verify=trusts), timeout=PATIENCE, trust_env=False
        )

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[Any, Any]] = (),
        body: Any = None,
    ) -> Answer:
        response = self.caller.request(method, self.url + path, headers=list(headers), content=body)
        return Answer(response.status_code, response.content, dict(response.headers))

    def close(self) -> None:
        self.caller.close()


Kind = type[Caller]

#: Whatever speaks HTTP/2 to a server that chooses it.
HTTP2_DOORS: tuple[Kind, ...] = (Native20, Native, DropIn, Requests, Urllib3, Httpx)

#: All of them.
DOORS: tuple[Kind, ...] = (*HTTP2_DOORS, Native11)
