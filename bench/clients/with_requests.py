"""requests as it is, over HTTP/1.1; and with our adapter mounted, over HTTP/2."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

import hyper
from bench.clients import Client, Target
from bench.scenarios import THREADS
from hyper.contrib import HTTP20Adapter


class Requests(Client):
    """A session that the threads share, with a connection for each of them."""

    speaks = 11

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.session = requests.Session()
        self.session.verify = target.authority
        self.session.mount("https://", self.adapter())

    def adapter(self) -> HTTPAdapter:
        # As the documentation says for threads: with fewer it throws connections away.
        return HTTPAdapter(pool_maxsize=THREADS)

    def get(self) -> int:
        response = self.session.get(self.target.url)
        assert response.status_code == 200
        return len(response.content)

    def version(self) -> str:
        assert self.session.get(self.target.url).raw.version == self.speaks
        return f"requests {requests.__version__} over HTTP/1.1"

    def close(self) -> None:
        self.session.close()


class OverHTTP20(Requests):
    speaks = 20

    def adapter(self) -> HTTPAdapter:
        return HTTP20Adapter(pool_maxsize=THREADS)

    def version(self) -> str:
        return f"{super().version().partition(' over')[0]} with hyper {hyper.__version__}"
