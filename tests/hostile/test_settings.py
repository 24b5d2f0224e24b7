"""Settings of a server's that leave little room, and what a program hears of it, at every door."""

from __future__ import annotations

import pytest

from ..certificates import Certificates
from .doors import HTTP2_DOORS, Kind
from .peer import Stage, Talk

EVERY = pytest.mark.parametrize("door", HTTP2_DOORS, ids=lambda door: door.__name__)


@EVERY
@pytest.mark.parametrize("most", [0, 600])
def test_a_head_that_the_server_says_it_will_not_take_is_refused_here(
    scene: Stage, certificates: Certificates, door: Kind, most: int
) -> None:
    """RFC 9113 §10.5.1: with both numbers, before anything is sent; smaller ones go on."""

    def script(talk: Talk) -> None:
        first = talk.hear("HEADERS")  # before we say what we take
        talk.greet(max_header_list_size=most)
        talk.answer(first.stream_id, b"first")
        talk.serve()

    with scene(script) as play, door(play.port, certificates.authority) as caller:
        assert caller.ask("/first").body == b"first"
        with pytest.raises(door.refusals, match=rf"\d+ octets; the peer accepts {most} "):
            caller.ask("/large", headers=[("x-large", "y" * 600)])
        if most:
            assert caller.ask("/small").status == 200
        heads = [each.headers for talk in play.talks for each in talk.record if each.headers]
        paths = [dict(each)[":path"] for each in heads]
        assert paths == ["/first", *["/small"] * bool(most)]
        play.never_heard("RST_STREAM")
        if door.__name__ != "DropIn":  # which ends its connection when a request failed
            play.never_heard("GOAWAY")
            assert play.connections == 1


@EVERY
def test_windows_and_frames_of_the_least_size_carry_a_body_all_the_same(
    scene: Stage, certificates: Certificates, door: Kind
) -> None:
    """A table of nothing, one stream, windows of seven octets: slow, and right."""
    body = bytes(range(256)) * 2

    def script(talk: Talk) -> None:
        talk.greet(header_table_size=0, max_concurrent_streams=1, initial_window_size=7)
        for _ in range(2):
            asked = talk.hear_request()
            talk.answer(asked.stream_id, talk.hear_body(asked.stream_id))
        talk.serve()

    with scene(script) as play, door(play.port, certificates.authority) as caller:
        for _ in range(2):
            assert caller.ask("/", "PUT", body=body).body == body
        sizes = [each.size for each in play.talks[0].record if each.name == "DATA"]
        assert max(sizes[len(sizes) // 2 :]) <= 7
