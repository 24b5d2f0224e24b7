"""A server that does harm: ``python -m tests.soak.harm CERTIFICATE KEY SEED``.

It speaks HTTP/2 by the h2 package, over TLS, and what it does to a stream or to the whole
connection follows from the seed. What it answers is always right, as far as it gets:
``GET /NUMBER/SIZE`` is so many octets that follow from the number, ``POST`` is answered with the
digest of what arrived.
Its first line on stdout is its port; at its end, when stdin closes, it says what it has done, and
which rules its clients broke.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
import ssl
import struct
import sys
from collections import Counter
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

__all__ = ["HARM", "content"]

#: What is done to a request, and how often in a thousand.
HARM = {
    "nothing": 640,
    "dawdle": 80,
    "interim": 60,
    "refuse": 30,
    "reset before": 20,
    "reset within": 30,
    "no error within": 15,
    "too short": 15,
    "too long": 15,
    "settings": 40,
    "noise": 30,
    "goodbye": 8,
    "goodbye to this one": 5,
    "abort": 3,
    "close": 4,
    "silence": 5,
}

#: What a connection's clients may have at once; some settings make it less for a while.
STREAMS = 40
WINDOW = 65_535

FRAME = 16_384
LARGE_FRAME = 1 << 17


def content(number: int, size: int) -> bytes:
    """The body that belongs to a number."""
    return random.Random(number).randbytes(size)


class Ledger:
    """What all connections have done, and what was wrong with their clients."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.broken: list[str] = []


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, chance: random.Random, ledger: Ledger) -> None:
        self.chance = chance
        self.ledger = ledger
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        )
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
                h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
            },
        )
        self.transport: Any = None
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.wider = asyncio.Event()
        self.acknowledged = asyncio.Event()
        self.changing = asyncio.Lock()
        self.digests: dict[int, Any] = {}
        self.heads: dict[int, dict[str, str]] = {}
        self.last = 2**31 - 1
        self.over = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ledger.done["connections"] += 1
        self.h2.initiate_connection()
        self.say()

    def connection_lost(self, error: Exception | None) -> None:
        self.over = True
        for task in self.tasks.values():
            task.cancel()

    def data_received(self, data: bytes) -> None:
        # Within one read the package goes by the limit that stood at its beginning.
        self.h2.max_inbound_frame_size = LARGE_FRAME
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self.ledger.broken.append(repr(error))
            self.transport.abort()
            return
        for event in events:
            stream_id = getattr(event, "stream_id", 0) or 0
            if isinstance(event, h2.events.RequestReceived):
                self.heads[stream_id] = {str(n): str(v) for n, v in event.headers}
                self.digests[stream_id] = hashlib.sha256()
            elif isinstance(event, h2.events.DataReceived):
                if stream_id in self.digests:
                    self.digests[stream_id].update(event.data)
                # After GOAWAY the package takes no notice of streams any more; ours do go on.
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.answer(stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.ledger.done["given up by the client"] += 1
                self.forget(stream_id)
            elif isinstance(event, h2.events.ConnectionTerminated):
                if event.error_code:
                    self.ledger.done[f"GOAWAY {event.error_code} from the client"] += 1
            elif isinstance(event, h2.events.SettingsAcknowledged):
                self.acknowledged.set()
            elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
                self.wider.set()
        self.say()

    def say(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.write(data)

    def write(self, data: bytes) -> None:
        if not self.over and not self.transport.is_closing():
            self.transport.write(data)

    # What becomes of a request.

    def answer(self, stream_id: int) -> None:
        if stream_id > self.last:
            return
        task = asyncio.ensure_future(self._answer(stream_id))
        self.tasks[stream_id] = task
        task.add_done_callback(lambda done: self._end(stream_id, done))

    def _end(self, stream_id: int, task: asyncio.Task[None]) -> None:
        self.tasks.pop(stream_id, None)
        self.heads.pop(stream_id, None)
        self.digests.pop(stream_id, None)
        if task.cancelled():
            return
        error = task.exception()
        # The client may have gone, or given this stream up, while it was being answered.
        gone = isinstance(error, h2.exceptions.StreamClosedError | h2.exceptions.NoSuchStreamError)
        left = self.h2.state_machine.state is h2.connection.ConnectionState.CLOSED
        if error is not None and not (self.over or gone or left):
            self.ledger.broken.append(f"the server itself fails: {error!r}")
        if self.last < 2**31 - 1 and not self.tasks:
            self.transport.close()

    def forget(self, stream_id: int) -> None:
        task = self.tasks.pop(stream_id, None)
        if task is not None:
            task.cancel()

    async def _answer(self, stream_id: int) -> None:
        head = self.heads[stream_id]
        harm = self.chance.choices(list(HARM), list(HARM.values()))[0]
        self.ledger.done[harm] += 1
        _, number, size = head[":path"].split("/")
        if head[":method"] == "POST":
            body = self.digests[stream_id].hexdigest().encode()
        else:
            body = content(int(number), int(size))
        if harm == "silence":
            return
        if harm == "refuse":
            self.reset(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        if harm == "reset before":
            self.reset(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            return
        if harm == "settings":
            await self._change_settings()
        elif harm == "noise":
            self._make_noise()
        elif harm == "goodbye":
            self._say_goodbye(max(self.h2.highest_inbound_stream_id, 1))
        elif harm == "goodbye to this one":
            self._say_goodbye(stream_id - 2)
            return
        elif harm == "interim":
            for _ in range(self.chance.randint(1, 5)):
                self.h2.send_headers(stream_id, [(":status", "103"), ("link", "</a>")])
        length = len(body) + {"too short": 1, "too long": -1}.get(harm, 0)
        fields = [(":status", "200"), ("x-number", number)]
        if self.chance.random() < 0.7 or harm in ("too short", "too long"):
            fields.append(("content-length", str(max(length, 0))))
        if head[":method"] == "HEAD":
            self.h2.send_headers(stream_id, fields, end_stream=True)
            self.say()
            return
        self.h2.send_headers(stream_id, fields)
        self.say()
        await self._send(stream_id, body, harm)

    async def _send(self, stream_id: int, body: bytes, harm: str) -> None:
        """The body, as far as the harm lets it get."""
        stop = self.chance.randrange(len(body) + 1) if "within" in harm else len(body)
        if harm in ("abort", "close"):
            stop = self.chance.randrange(len(body) + 1)
        at = 0
        while at < stop:
            window = self.h2.local_flow_control_window(stream_id)
            if window < 300:
                self.wider.clear()
                self.say()
                await self.wider.wait()
                continue
            most = 1 + self.chance.randrange(50) if harm == "dawdle" else FRAME
            padding = self.chance.randrange(200) if harm in ("dawdle", "noise") else None
            room = min(window, self.h2.max_outbound_frame_size) - (padding or 0) - 1
            piece = body[at : at + max(min(most, room, stop - at), 1)]
            self.h2.send_data(stream_id, piece, pad_length=padding)
            at += len(piece)
            if harm == "dawdle" and at < 2000:
                self.say()
                await asyncio.sleep(self.chance.random() * 0.005)
            elif harm == "dawdle":
                harm = "nothing"
            if at % (1 << 18) < FRAME:
                self.say()
                await asyncio.sleep(0)
        self.say()
        if harm == "abort":
            self.transport.abort()
        elif harm == "close":
            self.transport.close()
        elif harm == "reset within":
            self.reset(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        elif harm == "no error within":
            self.reset(stream_id, h2.errors.ErrorCodes.NO_ERROR)
        elif self.chance.random() < 0.2:
            self.h2.send_headers(stream_id, [("x-sum", str(len(body)))], end_stream=True)
        else:
            self.h2.end_stream(stream_id)
        self.say()

    def reset(self, stream_id: int, code: h2.errors.ErrorCodes) -> None:
        self.h2.reset_stream(stream_id, code)
        self.say()

    def _say_goodbye(self, last: int) -> None:
        """GOAWAY by hand: the package would say nothing more after it."""
        self.say()
        self.last = min(self.last, last)
        self.write(frame(0x7, 0, 0, struct.pack(">LL", max(self.last, 0), 0) + b"soon"))

    async def _change_settings(self) -> None:
        """Narrow windows, few streams, another table; and back again."""
        codes = h2.settings.SettingCodes
        code, value, former = self.chance.choice(
            [
                (codes.INITIAL_WINDOW_SIZE, self.chance.choice([0, 1, 100, 1 << 20]), WINDOW),
                (codes.MAX_CONCURRENT_STREAMS, self.chance.randint(1, 5), STREAMS),
                (codes.HEADER_TABLE_SIZE, self.chance.choice([0, 64, 8192]), 4096),
                (codes.MAX_FRAME_SIZE, LARGE_FRAME, FRAME),
            ]
        )
        # One after the other, and none before the first SETTINGS are acknowledged: the package
        # takes any acknowledgement for one of all that wait.
        async with self.changing:
            await self.acknowledged.wait()
            for each in (value, former):
                self.acknowledged.clear()
                self.h2.update_settings({code: each})
                self.say()
                await self.acknowledged.wait()
                await asyncio.sleep(self.chance.random() * 0.05)

    def _make_noise(self) -> None:
        """Frames that are legal and useless."""
        self.say()
        for _ in range(self.chance.randint(1, 20)):
            kind = self.chance.randrange(4)
            if kind == 0:
                self.h2.ping(bytes(8))
            elif kind == 1:
                self.h2.increment_flow_control_window(1)
            elif kind == 2:
                self.write(frame(0xEE, 0xFF, 0, b"extension"))
            else:
                self.write(frame(0x2, 0, 1, bytes(5)))
            self.say()


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return struct.pack(">LBL", len(payload) << 8 | kind, flags, stream_id) + payload


async def main() -> None:
    certificate, key, seed = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])
    # That a client has gone is no news here.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    chance = random.Random(int(seed))
    ledger = Ledger()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(random.Random(chance.random()), ledger), "127.0.0.1", 0, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    print(json.dumps({"done": ledger.done, "broken": ledger.broken[:20]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
