"""RFC 9113 §5.1: the table of stream states, every frame in every state.

The code has two booleans; the RFC's table is here, one row for each cell. A row says what the
frame does on the wire; that a connection lives on, or that nothing hangs when it does not, is
checked for every row.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from hyper.http20.exceptions import ErrorCode, HTTP20Error
from tests.peer import END_HEADERS, OK, Peer, connected

PROTOCOL_ERROR, STREAM_CLOSED = ErrorCode.PROTOCOL_ERROR, ErrorCode.STREAM_CLOSED

# The states, and how a client's stream gets there. Each returns the id to speak on.


def idle(peer: Peer) -> int:
    """An id above every stream of the client's."""
    peer.request()
    return 3


def even(peer: Peer) -> int:
    """An id of the server's, never promised: idle as well."""
    peer.request()
    return 2


def open_(peer: Peer) -> int:
    """An upload under way, no response yet."""
    return int(peer.upload().id)


def open_with_head(peer: Peer) -> int:
    """An upload under way, the response's head is there."""
    exchange = peer.upload()
    peer.headers(exchange.id)
    return int(exchange.id)


def half_closed_local(peer: Peer) -> int:
    """The request is complete, no response yet."""
    return int(peer.request().id)


def half_closed_local_with_head(peer: Peer) -> int:
    exchange = peer.request()
    peer.headers(exchange.id)
    return int(exchange.id)


def half_closed_remote(peer: Peer) -> int:
    """The response is complete, the upload is not."""
    exchange = peer.upload()
    peer.headers(exchange.id, end=True)
    peer.written()
    return int(exchange.id)


def closed_by_both(peer: Peer) -> int:
    exchange = peer.request()
    peer.headers(exchange.id, end=True)
    return int(exchange.id)


def closed_by_our_reset(peer: Peer) -> int:
    exchange = peer.request()
    peer.protocol.cancel(exchange)
    peer.expect("RST_STREAM", stream_id=exchange.id, error_code=ErrorCode.CANCEL)
    return int(exchange.id)


def closed_by_their_reset(peer: Peer) -> int:
    exchange = peer.request()
    peer.rst_stream(exchange.id)
    return int(exchange.id)


REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "example.org"), (":path", "/")]


def reserved_remote(peer: Peer) -> int:
    """The server promised it, and we had asked for pushes."""
    exchange = peer.request()
    peer.push_promise(exchange.id, 2, REQUEST)
    peer.exchanges.append(exchange.pushes[0])
    return 2


def pushed(peer: Peer) -> int:
    """A promise whose response has begun: half-closed (local) from our side."""
    reserved_remote(peer)
    peer.headers(2)
    return 2


# The frames, each as a function from the id to what the server says.

FRAMES: dict[str, Callable[[Peer, int], Any]] = {
    "DATA": lambda peer, id: peer.data(id, b"x"),
    "DATA, end": lambda peer, id: peer.data(id, b"x", end=True),
    "HEADERS": lambda peer, id: peer.headers(id, OK),
    "HEADERS, end": lambda peer, id: peer.headers(id, OK, end=True),
    "trailers": lambda peer, id: peer.headers(id, [("x-trailer", "1")], end=True),
    "PRIORITY": lambda peer, id: peer.priority(id),
    "RST_STREAM": lambda peer, id: peer.rst_stream(id),
    "SETTINGS": lambda peer, id: peer.frame("SETTINGS", 0, id),
    "PUSH_PROMISE": lambda peer, id: peer.push_promise(id, 2, [(":method", "GET")]),
    "PING": lambda peer, id: peer.frame("PING", 0, id, bytes(8)),
    "GOAWAY": lambda peer, id: peer.frame("GOAWAY", 0, id, bytes(8)),
    "WINDOW_UPDATE": lambda peer, id: peer.window_update(id, 1),
    "CONTINUATION": lambda peer, id: peer.continuation(id, b"\x88"),
    "extension": lambda peer, id: peer.frame(0xEE, 0, id, b"x"),
}

# What must happen.

#: It is taken in: nothing on the wire, and the connection goes on.
FINE = "fine"
#: It is dropped: nothing on the wire, and the connection goes on. §5.1 lets an endpoint do so on
#: every closed stream, having counted DATA and decoded field blocks (§4.3, §6.9).
DROPPED = "dropped"


def reset(code: int) -> tuple[str, int]:
    """The stream ends with RST_STREAM, the connection goes on (§5.4.2)."""
    return "RST_STREAM", code


def dies(code: int) -> tuple[str, int]:
    """The connection ends with GOAWAY (§5.4.1)."""
    return "GOAWAY", code


#: Frames that belong to the connection may be on no stream, whatever its state (§6.5, §6.7,
#: §6.8); CONTINUATION needs a block to continue (§6.10); and push was switched off (§6.6).
ANYWHERE = {
    "SETTINGS": dies(PROTOCOL_ERROR),
    "PUSH_PROMISE": dies(PROTOCOL_ERROR),
    "PING": dies(PROTOCOL_ERROR),
    "GOAWAY": dies(PROTOCOL_ERROR),
    "CONTINUATION": dies(PROTOCOL_ERROR),
    "PRIORITY": FINE,  # can be received in any state
    "extension": FINE,  # cannot be an error in any state
}

#: §5.1 "idle": anything but HEADERS and PRIORITY is an error, and no server may open a stream
#: with HEADERS: an odd id is the client's to open, an even one must be promised (§5.1.1).
IDLE = dict.fromkeys(
    ["DATA", "DATA, end", "HEADERS", "HEADERS, end", "trailers", "RST_STREAM", "WINDOW_UPDATE"],
    dies(PROTOCOL_ERROR),
)

#: A response starts with its head (§8.1).
NO_HEAD_YET = {
    "DATA": reset(PROTOCOL_ERROR),
    "DATA, end": reset(PROTOCOL_ERROR),
    "HEADERS": FINE,
    "HEADERS, end": FINE,
    "trailers": reset(PROTOCOL_ERROR),  # no :status
    "RST_STREAM": FINE,
    "WINDOW_UPDATE": FINE,
}

#: After the head comes the body, and after it trailers with END_STREAM (§8.1).
HEAD_SEEN = {
    "DATA": FINE,
    "DATA, end": FINE,
    "HEADERS": reset(PROTOCOL_ERROR),
    "HEADERS, end": reset(PROTOCOL_ERROR),  # :status among trailers
    "trailers": FINE,
    "RST_STREAM": FINE,
    "WINDOW_UPDATE": FINE,
}

#: §5.1 "half-closed (remote)": only WINDOW_UPDATE, PRIORITY and RST_STREAM may follow.
REMOTE_CLOSED = {
    "DATA": reset(STREAM_CLOSED),
    "DATA, end": reset(STREAM_CLOSED),
    "HEADERS": reset(STREAM_CLOSED),
    "HEADERS, end": reset(STREAM_CLOSED),
    "trailers": reset(STREAM_CLOSED),
    "RST_STREAM": FINE,
    "WINDOW_UPDATE": FINE,
}

CLOSED = dict.fromkeys(
    ["DATA", "DATA, end", "HEADERS", "HEADERS, end", "trailers", "RST_STREAM", "WINDOW_UPDATE"],
    DROPPED,
)

#: §5.1 "reserved (remote)": only HEADERS, RST_STREAM and PRIORITY may come.
RESERVED = {
    "DATA": dies(PROTOCOL_ERROR),
    "DATA, end": dies(PROTOCOL_ERROR),
    "HEADERS": FINE,
    "HEADERS, end": FINE,
    "trailers": reset(PROTOCOL_ERROR),  # no :status
    "RST_STREAM": FINE,
    "WINDOW_UPDATE": dies(PROTOCOL_ERROR),
}

#: States that only a client gets into that asked for pushes.
BY_PUSH = (reserved_remote, pushed)

TABLE: dict[Callable[[Peer], int], dict[str, Any]] = {
    idle: ANYWHERE | IDLE,
    even: ANYWHERE | IDLE,
    open_: ANYWHERE | NO_HEAD_YET,
    open_with_head: ANYWHERE | HEAD_SEEN,
    half_closed_local: ANYWHERE | NO_HEAD_YET,
    half_closed_local_with_head: ANYWHERE | HEAD_SEEN,
    half_closed_remote: ANYWHERE | REMOTE_CLOSED,
    closed_by_both: ANYWHERE | CLOSED,
    closed_by_our_reset: ANYWHERE | CLOSED,
    closed_by_their_reset: ANYWHERE | CLOSED,
    reserved_remote: ANYWHERE | RESERVED,
    pushed: ANYWHERE | HEAD_SEEN,
}

CELLS = [
    pytest.param(state, name, outcome, id=f"{state.__name__.strip('_')}-{name}")
    for state, row in TABLE.items()
    for name, outcome in row.items()
]


def test_every_cell_of_the_table_is_filled() -> None:
    assert all(row.keys() == FRAMES.keys() for row in TABLE.values())
    assert len(CELLS) == 168


@pytest.mark.parametrize("split", [None, 1])
@pytest.mark.parametrize(("state", "name", "outcome"), CELLS)
def test_each_frame_in_each_state(
    state: Callable[[Peer], int], name: str, outcome: Any, split: int | None
) -> None:
    """§5.1, cell by cell."""
    peer = connected(split=split, enable_push=state in BY_PUSH)
    stream_id = state(peer)
    exchange = next((one for one in peer.exchanges if one.id == stream_id), None)
    before = exchange and (exchange.ended, exchange.error, exchange.status, list(exchange.chunks))
    peer.expect_nothing()

    moved = FRAMES[name](peer, stream_id)

    if outcome in (FINE, DROPPED):
        peer.expect_nothing()
        if outcome == DROPPED and exchange:
            after = (exchange.ended, exchange.error, exchange.status, list(exchange.chunks))
            assert after == before
        peer.check_usable()
    elif outcome[0] == "RST_STREAM":
        peer.expect_stream_error(stream_id, outcome[1])
        assert exchange is not None
        assert exchange in moved
        if exchange.ended:
            assert exchange.error is None, "a response that was whole stays whole"
        else:
            assert isinstance(exchange.error, HTTP20Error)
            assert exchange.error.error_code == outcome[1]
            assert exchange.error.stream_id == stream_id
        peer.check_usable()
    else:
        peer.expect_connection_error(outcome[1])


@pytest.mark.parametrize("state", [open_, half_closed_local])
def test_end_stream_on_headers_ends_the_exchange(peer: Peer, state: Callable[[Peer], int]) -> None:
    """§5.1: END_STREAM is processed as an event of its own."""
    stream_id = state(peer)
    peer.headers(stream_id, end=True)
    assert peer.exchanges[-1].ended
    assert peer.exchanges[-1].error is None


def test_a_stream_says_its_state_in_the_words_of_the_rfc(peer: Peer) -> None:
    upload = peer.upload()
    assert upload.state == "open"
    peer.headers(upload.id)
    peer.protocol.send_body(upload, b"", end=True)
    assert upload.state == "half-closed (local)"
    peer.expect("DATA", end_stream=True)
    peer.data(upload.id, end=True)
    assert upload.state == "closed"
    early_answer = peer.upload()
    peer.headers(early_answer.id, end=True)
    assert early_answer.state == "half-closed (remote)"
    assert "half-closed (remote)" in repr(early_answer)
    early = peer.request()
    peer.protocol.cancel(early)
    assert early.state == "closed"


def test_a_queued_request_is_idle_and_a_finished_upload_is_closed(peer: Peer) -> None:
    peer.settings(max_concurrent_streams=0)
    peer.expect("SETTINGS", ack=True)
    assert peer.queue().state == "idle"


def test_no_frame_is_sent_on_a_stream_that_we_reset(peer: Peer) -> None:
    """§5.1 "closed": an endpoint must not send frames there other than PRIORITY."""
    upload = peer.upload()
    peer.protocol.cancel(upload)
    peer.expect("RST_STREAM", stream_id=upload.id)
    with pytest.raises(HTTP20Error):
        peer.protocol.send_body(upload, b"more", end=True)
    peer.protocol.widen(upload, 100)
    peer.protocol.cancel(upload)
    peer.expect_nothing()


def test_no_frame_is_sent_on_a_stream_that_they_reset(peer: Peer) -> None:
    """§6.4: after RST_STREAM the receiver must not send on that stream."""
    upload = peer.upload()
    peer.rst_stream(upload.id)
    with pytest.raises(HTTP20Error):
        peer.protocol.send_body(upload, b"more", end=True)
    peer.protocol.widen(upload, 100)
    peer.protocol.cancel(upload)
    peer.expect_nothing()


def test_nothing_but_window_updates_is_sent_once_the_request_is_complete(peer: Peer) -> None:
    """§5.1 "half-closed (local)"."""
    exchange = peer.upload()
    peer.protocol.send_body(exchange, b"all", end=True)
    peer.expect("DATA", end_stream=True)
    with pytest.raises(ValueError, match="ended"):
        peer.protocol.send_body(exchange, b"more", end=True)
    peer.expect_nothing()
    peer.headers(exchange.id)
    peer.data(exchange.id, b"x" * 1000)
    peer.protocol.widen(exchange, 1000)
    peer.expect("WINDOW_UPDATE", stream_id=exchange.id, increment=1000)


def test_data_for_closed_streams_still_counts_against_the_connection(peer: Peer) -> None:
    """§5.1, §6.9: whoever closed it; the octets come back to the peer as credit."""
    for state in (closed_by_both, closed_by_our_reset, closed_by_their_reset):
        stream_id = state(peer)
        peer.written()
        # Twice as much as the connection's window ever is.
        for _ in range(8192):
            peer.data(stream_id, bytes(16_384))
            assert peer.granted > 0
            assert all(written.name == "WINDOW_UPDATE" for written in peer.written())


def test_a_dropped_block_may_leave_a_gap_of_ids_behind(peer: Peer) -> None:
    """§5.1.1: an id that was skipped is closed, so HEADERS on it are dropped like any other's."""
    peer.settings(max_concurrent_streams=0)
    peer.expect("SETTINGS", ack=True)
    skipped, used = peer.queue(), peer.queue()
    peer.protocol.cancel(skipped)
    peer.settings(max_concurrent_streams=1)
    peer.expect("SETTINGS", ack=True)
    peer.expect("HEADERS", stream_id=used.id)
    assert peer.frame("HEADERS", END_HEADERS, skipped.id, peer.block(OK)) == []
    peer.frame("WINDOW_UPDATE", 0, skipped.id, struct.pack(">I", 1))
    peer.expect_nothing()
    peer.answer(used.id)
    assert used.ended
