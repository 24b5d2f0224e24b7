"""RFC 9113 §5.1.2: how many streams may be open, and the queue for the rest."""

from __future__ import annotations

from typing import Any

import pytest

from hyper.http20.exceptions import ErrorCode
from tests.peer import OK, Peer, connected, fresh


def set_limit(peer: Peer, limit: int) -> list[Any]:
    """Announce a limit and read the acknowledgement, and only that."""
    moved = peer.settings(max_concurrent_streams=limit)
    peer.expect("SETTINGS", ack=True)
    return moved


def opened(peer: Peer) -> list[int]:
    """The streams that the client opened since it was last asked."""
    return [written.stream_id for written in peer.written() if written.name == "HEADERS"]


def ask(peer: Peer, count: int, *, end: bool = True) -> list[Any]:
    """Make requests without looking at the wire."""
    return [
        peer.protocol.request(b"GET", b"https", b"example.org", b"/", [], end=end)
        for _ in range(count)
    ]


def test_requests_past_the_limit_wait_in_order() -> None:
    """§5.1.2: the peer's limit is never exceeded."""
    peer = connected({"max_concurrent_streams": 2})
    exchanges = ask(peer, 5)
    assert opened(peer) == [1, 3]
    assert [exchange.opened for exchange in exchanges] == [True, True, False, False, False]


def test_a_finished_exchange_makes_room_for_the_next() -> None:
    peer = connected({"max_concurrent_streams": 2})
    first, second, third, fourth = ask(peer, 4)
    opened(peer)
    moved = peer.answer(second.id)
    assert set(moved) == {second, third}
    assert opened(peer) == [third.id]
    peer.rst_stream(first.id)
    assert opened(peer) == [fourth.id]


def test_a_request_made_when_there_is_room_does_not_pass_those_that_wait() -> None:
    """First in, first out: ids on the wire only grow (§5.1.1)."""
    peer = connected({"max_concurrent_streams": 1})
    first, second = ask(peer, 2)
    peer.protocol.cancel(first)
    third = ask(peer, 1)[0]
    assert opened(peer) == [first.id, second.id]
    peer.answer(second.id)
    assert opened(peer) == [third.id]


@pytest.mark.parametrize("how", ["end", "reset", "cancel", "malformed"])
def test_whatever_closes_a_stream_frees_its_slot(how: str) -> None:
    peer = connected({"max_concurrent_streams": 1})
    first, second = ask(peer, 2)
    assert opened(peer) == [first.id]
    if how == "end":
        peer.answer(first.id)
    elif how == "reset":
        peer.rst_stream(first.id)
    elif how == "cancel":
        peer.protocol.cancel(first)
    else:
        peer.headers(first.id, [("no-status", "")])
    assert opened(peer) == [second.id]


def test_cancelling_says_which_waiting_exchanges_moved() -> None:
    """A thread that waits for its turn must be woken, whoever gave up."""
    peer = connected({"max_concurrent_streams": 1})
    first, second = ask(peer, 2)
    assert second in peer.protocol.cancel(first)


def test_a_response_that_is_whole_before_its_request_keeps_its_slot_until_it_is_cancelled() -> None:
    """§5.1.2: "half-closed (remote)" counts; whoever uploads stops by cancelling."""
    peer = connected({"max_concurrent_streams": 1})
    upload, waiting = ask(peer, 2, end=False)
    opened(peer)
    peer.answer(upload.id)
    assert upload.ended
    peer.expect_nothing()
    assert waiting in peer.protocol.cancel(upload)
    peer.expect("RST_STREAM", stream_id=upload.id)
    peer.expect("HEADERS", stream_id=waiting.id)
    assert upload.error is None


def test_a_limit_of_zero_holds_every_request_back(peer: Peer) -> None:
    set_limit(peer, 0)
    first, second = peer.queue(), peer.queue()
    peer.expect_nothing()
    assert set(set_limit_raised(peer, 2)) >= {first, second}


def set_limit_raised(peer: Peer, limit: int) -> list[Any]:
    """Raise the limit and see the two waiting requests leave."""
    moved = peer.settings(max_concurrent_streams=limit)
    names = [(written.name, written.stream_id) for written in peer.written()]
    assert sorted(names) == [("HEADERS", 1), ("HEADERS", 3), ("SETTINGS", 0)]
    return moved


def test_a_limit_lowered_below_what_is_open_lets_them_finish(peer: Peer) -> None:
    """§5.1.2: streams that exceed a new limit may finish; none is opened before there is room."""
    exchanges = [peer.request() for _ in range(3)]
    set_limit(peer, 1)
    waiting = peer.queue()
    for exchange in exchanges[:2]:
        peer.answer(exchange.id, b"body")
        assert exchange.ended
        peer.expect_nothing()
    peer.answer(exchanges[2].id, b"body")
    peer.expect("HEADERS", stream_id=waiting.id)


def test_a_limit_may_be_lowered_to_zero_with_streams_open(peer: Peer) -> None:
    exchange = peer.request()
    set_limit(peer, 0)
    waiting = peer.queue()
    peer.answer(exchange.id)
    assert exchange.ended
    peer.expect_nothing()
    peer.settings(max_concurrent_streams=2**32 - 1)
    peer.expect("SETTINGS", ack=True)
    peer.expect("HEADERS", stream_id=waiting.id)


def test_without_a_limit_everything_is_sent(peer: Peer) -> None:
    """§6.5.2: initially there is no limit, once the server's SETTINGS are known."""
    ask(peer, 500)
    assert len(opened(peer)) == 500


def test_before_the_servers_settings_one_stream_is_opened() -> None:
    """A server may allow as few, and is free to end the connection of who opens more (§5.1.2)."""
    peer = fresh()
    ask(peer, 101)
    peer.expect_preface()
    assert opened(peer) == [1]
    peer.settings(max_concurrent_streams=100)
    assert opened(peer) == list(range(3, 201, 2))


def test_max_concurrent_streams_is_public() -> None:
    assert connected({"max_concurrent_streams": 17}).protocol.max_concurrent_streams == 17


def test_a_cancelled_request_that_waits_never_reaches_the_wire(peer: Peer) -> None:
    set_limit(peer, 0)
    cancelled, kept = peer.queue(), peer.queue()
    peer.protocol.cancel(cancelled)
    peer.expect_nothing()
    peer.settings(max_concurrent_streams=5)
    assert opened(peer) == [kept.id]


def test_the_body_of_a_waiting_request_waits_as_well(peer: Peer) -> None:
    set_limit(peer, 0)
    upload = peer.queue(end=False)
    assert peer.protocol.room(upload) == 0
    assert peer.protocol.send_body(upload, b"body", end=True) == 0
    peer.expect_nothing()
    peer.settings(max_concurrent_streams=1)
    peer.expect("SETTINGS", ack=True)
    peer.expect("HEADERS", stream_id=upload.id, end_stream=False)
    assert peer.protocol.send_body(upload, b"body", end=True) == 4
    peer.expect("DATA", stream_id=upload.id, data=b"body", end_stream=True)


def test_a_waiting_request_gets_the_window_that_holds_when_it_is_opened(peer: Peer) -> None:
    """§6.9.2: the initial window is the one in force when the stream opens."""
    set_limit(peer, 0)
    upload = peer.queue(end=False)
    peer.settings(max_concurrent_streams=1, initial_window_size=10)
    peer.written()
    assert peer.protocol.send_body(upload, bytes(100), end=False) == 10
    peer.expect("DATA", size=10)


def test_a_server_can_open_no_stream_of_its_own(peer: Peer) -> None:
    """§5.1.2, §8.4: it could only promise one, which we switched off."""
    peer.request()
    peer.headers(2, OK)
    peer.expect_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_two_thousand_exchanges_leave_nothing_behind(peer: Peer) -> None:
    for _ in range(2000):
        exchange = ask(peer, 1)[0]
        peer.protocol.data_to_send()
        peer.raw(b"\0\0\1\1\5" + exchange.id.to_bytes(4, "big") + b"\x88")
        assert exchange.ended
    assert not peer.protocol.streams
