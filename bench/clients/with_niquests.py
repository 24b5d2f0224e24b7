"""niquests over urllib3-future; it replaces urllib3, so it needs an environment of its own."""

from __future__ import annotations

import niquests

from bench.clients import Client, Target


class Niquests(Client):
    share = 0.15

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.session = self._session()
        self.multiplexed: niquests.Session | None = None

    def _session(self, multiplexed: bool = False) -> niquests.Session:
        session = niquests.Session(
            multiplexed=multiplexed, disable_http3=True, pool_connections=16, pool_maxsize=16
        )
        session.verify = self.target.authority
        session.trust_env = False
        return session

    def get(self) -> int:
        headers = dict(self.headers()) if self.target.headers else None
        response = self.session.get(self.target.url, headers=headers)
        assert response.status_code == 200
        return len(response.content or b"")

    def batch(self, count: int) -> int:
        if self.multiplexed is None:
            self.multiplexed = self._session(multiplexed=True)
        each = [dict(self.headers()) if self.target.headers else None for _ in range(count)]
        responses = [self.multiplexed.get(self.target.url, headers=own) for own in each]
        self.multiplexed.gather()
        assert all(response.status_code == 200 for response in responses)
        return sum(len(response.content or b"") for response in responses)

    def stream(self) -> int:
        response = self.session.get(self.target.url, stream=True)
        assert response.status_code == 200
        return sum(len(chunk) for chunk in response.iter_content(65536))

    def upload(self, body: bytes) -> None:
        assert self.session.post(self.target.url, data=body).status_code == 200

    def version(self) -> str:
        assert self.session.get(self.target.url).http_version == 20
        return f"niquests {niquests.__version__}"

    def close(self) -> None:
        self.session.close()
        if self.multiplexed is not None:
            self.multiplexed.close()
