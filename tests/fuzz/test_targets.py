"""What the fuzzer starts from, and what it once found, does no harm; and harm would be seen.

Needs no fuzzer: a target is a function of octets. Each input is counted, call by call and octet by
octet of memory.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import h2.exceptions
import pytest

from hyper.hpack import Decoder, HPACKError
from hyper.http11.protocol import HTTP11Protocol
from hyper.http20.protocol import HTTP20Protocol
from hyper.sync.gateway_request import RequestReader

from . import bounds, of_http20
from .bounds import bounded
from .of_hpack import packed
from .targets import TARGETS, seeds

INPUTS = [(name, file) for name in TARGETS for file in sorted(seeds(name).iterdir())]


@pytest.mark.parametrize(
    ("name", "file"), [pytest.param(*one, id=f"{one[0]}-{one[1].stem}") for one in INPUTS]
)
def test_what_was_recorded_does_no_harm(name: str, file: Path) -> None:
    bounded(TARGETS[name].check, file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_recorded_and_then_damaged_does_no_harm(name: str) -> None:
    """A glimpse of what ``python3 dev fuzz`` does for hours; always the same one."""
    chance = random.Random(name)
    inputs = [file.read_bytes() for file in sorted(seeds(name).iterdir())]
    for _ in range(60):
        data = bytearray(chance.choice(inputs))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            how = chance.randrange(4)
            if how == 0:
                data[at] = chance.randrange(256)
            elif how == 1:
                del data[at : at + chance.randrange(1, 9)]
            elif how == 2:
                data[at:at] = chance.choice(inputs)[at : at + 20]
            else:
                data[at] ^= 1 << chance.randrange(8)
            data = data or bytearray(b"\0")
        TARGETS[name].check(bytes(data))


def test_there_is_something_to_start_from() -> None:
    for name in TARGETS:
        assert len(list(seeds(name).iterdir())) >= 10, name


def test_mutations_keep_to_frames() -> None:
    """Whatever is done to whole frames, the head of each says how long it is."""
    data = (seeds("http20") / "nginx-several.bin").read_bytes()
    changed = {of_http20.mutate(data, 4096, seed) for seed in range(0, 1 << 26, 99_991)}
    assert len(changed) > 100
    for one in changed:
        assert one[:2] == data[:2]
        for frame in of_http20._frames(one[2:]):
            assert len(frame) == 9 + int.from_bytes(frame[:3], "big")


# -- a target that saw nothing would be worth nothing -------------------------------------------

HTTP20 = (seeds("http20") / "nginx-several.bin").read_bytes()
HTTP11 = (seeds("http11") / "nginx-get.bin").read_bytes()
GATEWAY = (seeds("gateway") / "http-client-0.bin").read_bytes()


def test_an_exception_that_is_not_documented_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(self: Any, *args: Any) -> None:
        raise KeyError("oh")

    monkeypatch.setattr(HTTP20Protocol, "_receive_block", fall)
    with pytest.raises(KeyError):
        TARGETS["http20"].check(HTTP20)


def test_octets_that_mean_another_thing_in_pieces_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = HTTP20Protocol.receive_data

    def forget(self: HTTP20Protocol, data: bytes) -> Any:
        return receive(self, data if len(data) > 9 else b"")

    monkeypatch.setattr(HTTP20Protocol, "receive_data", forget)
    with pytest.raises(AssertionError, match="differs when cut"):
        TARGETS["http20"].check(HTTP20)


def test_a_request_that_is_left_hanging_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HTTP11Protocol, "_end_everything", lambda self, error: None)
    with pytest.raises(AssertionError, match="hangs"):
        TARGETS["http11"].check(HTTP11[: len(HTTP11) - 5])


def test_a_response_that_others_read_otherwise_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = HTTP11Protocol._deliver
    monkeypatch.setattr(
        HTTP11Protocol, "_deliver", lambda self, one, piece: deliver(self, one, piece.upper())
    )
    with pytest.raises(AssertionError):
        TARGETS["http11"].check(HTTP11)


def test_a_block_that_others_refuse_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Decoder.decode

    def leniently(self: Decoder, block: bytes) -> Any:
        try:
            return decode(self, block)
        except HPACKError:
            return []

    monkeypatch.setattr(Decoder, "decode", leniently)
    TARGETS["hpack"].check(packed(b"\x82"))
    with pytest.raises(AssertionError, match="only the package refuses"):
        TARGETS["hpack"].check(packed(b"\x80"))


def test_a_request_that_was_smuggled_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = RequestReader._begin_body

    def shorter(self: RequestReader, head: Any) -> None:
        begin(self, head._replace(length=max(head.length - 1, 0)))

    monkeypatch.setattr(RequestReader, "_begin_body", shorter)
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    with pytest.raises((AssertionError, h2.exceptions.ProtocolError)):
        TARGETS["gateway"].check(b"\0" + post)


def test_steps_without_an_end_are_seen() -> None:
    def endless(data: bytes) -> None:
        while True:
            data.startswith(bytes(1))
            sum([])
            _nothing()

    former = sys.getprofile()
    with pytest.raises(AssertionError, match="more than"):
        bounded(endless, b"x")
    assert sys.getprofile() is former


def _nothing() -> None:
    pass


def test_memory_out_of_proportion_is_seen() -> None:
    def greedy(data: bytes) -> None:
        bytearray(bounds.BASE_MEMORY + 2 * bounds.MEMORY_PER_OCTET)

    with pytest.raises(AssertionError, match="octets of memory"):
        bounded(greedy, b"x")
    bounded(lambda data: None, b"x")
