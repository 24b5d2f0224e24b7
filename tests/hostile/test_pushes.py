"""Server push, where a program has asked for it (RFC 9113 §8.4); its floods are in test_floods."""

from __future__ import annotations

import pytest

from hyper.http20 import limits
from hyper.http20.exceptions import ErrorCode

from .peer import Stage, Talk

#: Stands for the server that is asked.
HERE = (":authority", "here")
SAFE = [(":method", "GET"), (":scheme", "https")]


def promise(talk: Talk, path: str) -> list[tuple[str, str]]:
    """A promise that may be made."""
    return [*SAFE, (":authority", talk.server.address), (":path", path)]


UNFIT = {
    "no authority": [],
    "another host": [(":authority", "elsewhere.example")],
    "another port": [(":authority", "localhost:1")],
    "another scheme": [(":scheme", "http"), HERE],
    "a method that is not safe": [(":method", "POST"), HERE],
    "a body": [HERE, ("content-length", "5")],
    "a path that is none": [(":path", "x"), HERE],
    "a field about the connection": [HERE, ("connection", "close")],
    "upper case": [HERE, ("X-Upper", "x")],
    "a line end": [HERE, ("x", "a\r\nb")],
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_promise_of_what_may_not_be_pushed_is_reset(scene: Stage, name: str) -> None:
    """§8.4: safe, cacheable, without a body, and of an origin that the server speaks for."""

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        fields = dict(SAFE) | {":path": "/x"} | dict(UNFIT[name])
        if HERE in UNFIT[name]:
            fields[":authority"] = talk.server.address
        # Pseudo-headers come first (§8.3).
        promised = sorted(fields.items(), key=lambda field: not field[0].startswith(":"))
        talk.push_promise(asked.stream_id, 2, promised)
        talk.push_promise(asked.stream_id, 4, promise(talk, "/x"))
        # What is on its way already is dropped, and the header table stays right.
        talk.answer(2, b"foreign")
        talk.answer(4, b"pushed")
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    with scene(script, enable_push=True) as play:
        key = play.client.request("GET", "/")
        assert play.client.get_response(key).read() == b"fine"
        (push,) = play.client.get_pushes(key)
        assert push.get_response().read() == b"pushed"
        play.heard("RST_STREAM", stream_id=2, error_code=ErrorCode.PROTOCOL_ERROR)
        play.never_heard("RST_STREAM", stream_id=4)
        play.usable()
        del push


def test_a_hundred_pushes_are_kept_and_the_next_one_is_refused(scene: Stage) -> None:
    """Each may fill a stream's window, so those that nobody has read yet are counted."""
    last = 2 * limits.MAX_PUSHES

    def script(talk: Talk) -> None:
        asked = talk.hear_request()
        for promised in range(2, last + 4, 2):
            talk.push_promise(asked.stream_id, promised, promise(talk, f"/{promised}"))
        talk.answer(2, b"pushed")
        talk.answer(asked.stream_id, b"fine")
        talk.hear("RST_STREAM", stream_id=last + 2)
        asked = talk.hear_request()
        # One has ended, so there is room for one more.
        for promised in range(last + 4, last + 8, 2):
            talk.push_promise(asked.stream_id, promised, promise(talk, f"/{promised}"))
        talk.answer(asked.stream_id, b"fine")
        talk.serve()

    with scene(script, enable_push=True) as play:
        key = play.client.request("GET", "/")
        assert play.client.get_response(key).read() == b"fine"
        pushes = list(play.client.get_pushes(key))
        assert [push.path for push in pushes] == [b"/%d" % each for each in range(2, last + 2, 2)]
        assert pushes[0].get_response().read() == b"pushed"
        play.heard("RST_STREAM", stream_id=last + 2, error_code=ErrorCode.REFUSED_STREAM)
        assert play.ask() == (200, b"fine")
        play.heard("RST_STREAM", stream_id=last + 6, error_code=ErrorCode.REFUSED_STREAM)
        play.never_heard("RST_STREAM", stream_id=last + 4, error_code=ErrorCode.REFUSED_STREAM)
        del pushes
        play.usable()
