"""A connection and a server that keeps every rule, in any order: the model says what must be true.

``test_protocol`` lets servers loose that say anything; here the server is well-behaved, so nothing
may end the connection but an end that somebody asked for. The model knows of each exchange what was
said to it, and after every step all of it has to be there: each octet, each window, each open
stream, and nothing else.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from pytest import raises

from hyper.http20 import receiving
from hyper.http20.exceptions import ErrorCode, HTTP20Error
from hyper.http20.limits import WINDOW_GROWTH
from tests.peer import OK, SETTINGS, body_of, connected, footprint

STREAM_WINDOW = 3000
FILLER = bytes(range(256)) * 32

#: For what ends a run, or most runs would be short.
RARELY = st.integers(0, 9).map(lambda number: number == 7)


class Told:
    """What the model knows of an exchange.

    exchange   the client's
    body       octets of DATA that were said on it
    read       octets that the client's user has taken out
    sent       octets of its body that the client was given and took
    head       its final head was said
    ended      END_STREAM was said
    length     octets that its content-length announced, or None
    over       why nothing more is to come: "cancelled", "reset", "excluded", "lost", or ""
    uploaded   the client has ended its body
    """

    def __init__(self, exchange: Any, *, uploaded: bool, pushed: bool = False) -> None:
        self.exchange = exchange
        self.id: int = exchange.id
        self.body = b""
        self.read = b""
        self.sent = 0
        self.length: int | None = None
        self.head = self.ended = False
        self.over = ""
        self.uploaded = uploaded
        self.pushed = pushed

    @property
    def open(self) -> bool:
        """Whether the server may still say something on it."""
        return not (self.over or self.ended)

    @property
    def whole(self) -> bool:
        """Whether the body may end here (RFC 9113 §8.1.1)."""
        return self.length in (None, len(self.body))

    @property
    def closed(self) -> bool:
        """Both sides are done with it (RFC 9113 §5.1)."""
        return bool(self.over) or (self.ended and self.uploaded)


class Connection(RuleBasedStateMachine):
    """Everything that a client, a server and time can do to one connection."""

    told = Bundle("told")

    @initialize(
        target=told,
        uploads=st.lists(st.booleans(), min_size=1, max_size=5),
        max_concurrent=st.sampled_from([1, 3, 100, 100]),
        window=st.sampled_from([0, 1, 1000, 65_535]),
        split=st.sampled_from([None, None, 1, 7]),
    )
    def connect(
        self, uploads: list[bool], max_concurrent: int, window: int, split: int | None
    ) -> Any:
        # Small frames that are alike are taken in one go, as only large ones are otherwise.
        self.bulk, receiving._BULK = receiving._BULK, 700 << 8
        self.peer = connected(
            {"max_concurrent_streams": max_concurrent, "initial_window_size": window},
            split=split,
            enable_push=True,
            stream_window=STREAM_WINDOW,
            connection_window=70_000,
        )
        self.client = self.peer.protocol
        self.all: list[Told] = []
        self.pings: list[Any] = []
        self.max_concurrent = max_concurrent
        self.promised = 0
        self.last = 2**31 - 1  # what GOAWAY said
        self.lost = False
        self.closing = False
        self.received: dict[int, bytes] = {}  # octets of bodies that the client wrote
        self.begun = 0  # requests of which the server has heard
        return multiple(*[self._ask(upload, 0) for upload in uploads])

    # What the client's user does.

    @rule(target=told, upload=st.booleans(), size=st.sampled_from([0, 0, 5, 2000]))
    def ask(self, upload: bool, size: int) -> Any:
        if self.client.accepting:
            return self._ask(upload, size)
        with raises(HTTP20Error) as caught:
            self._ask(upload, size)
        assert caught.value.retryable
        return multiple()

    def _ask(self, upload: bool, size: int) -> Told:
        exchange = self.client.request(
            b"POST" if upload else b"GET",
            b"https",
            b"example.org",
            b"/%d" % len(self.all),
            [(b"x-long", b"v" * size)] if size else [],
            end=not upload,
        )
        told = Told(exchange, uploaded=not upload)
        self.all.append(told)
        return told

    @rule(told=told, size=st.sampled_from([0, 1, 100, 5000]), end=st.booleans())
    def send(self, told: Told, size: int, end: bool) -> None:
        if told.uploaded or told.over:
            return
        room = self.client.room(told.exchange)
        taken = self.client.send_body(told.exchange, FILLER[:size], end=end)
        assert taken == min(room, size)
        told.sent += taken
        if end and taken == size and told.exchange.opened and not told.ended:
            told.uploaded = True

    @rule(told=told, pieces=st.integers(1, 3))
    def read(self, told: Told, pieces: int) -> None:
        size = 0
        while told.exchange.chunks and pieces:
            piece = told.exchange.chunks.popleft()
            told.read += piece
            size += len(piece)
            pieces -= 1
        if size and (increment := told.exchange.consumed(size)):
            self.client.widen(told.exchange, increment)

    @rule(told=told, late=st.sampled_from(["", "", "data", "head", "trailers", "reset", "window"]))
    def give_up(self, told: Told, late: str) -> None:
        """A timeout is this as well: the user has had enough, at any moment.

        ``late`` is what the server says before it hears of that.
        """
        if told.closed:
            return
        whole = told.ended
        self.client.cancel(told.exchange)
        told.over = "cancelled"
        assert (told.exchange.error is None) == whole
        if not late or told.ended or not self._known(told):
            return
        if late == "reset":
            self.peer.rst_stream(told.id)
        elif late == "window":
            if not told.pushed:
                self.peer.window_update(told.id, 1)
        elif not told.head:
            self.peer.headers(told.id, [*OK, ("x-late", "head")], end=late == "head")
        elif late == "trailers":
            self.peer.headers(told.id, [("x-late", "trailers")], end=True)
        elif min(self.peer.window_of(told.id), self.peer.granted) >= 50:
            self.peer.data(told.id, FILLER[:50])

    # What the server does; every one of these keeps the rules.

    @rule(
        told=told,
        interim=st.integers(0, 2),
        length=st.sampled_from([None, None, 0, 750, 2250]),
        end=st.booleans(),
        fragments=st.integers(1, 3),
    )
    def head(self, told: Told, interim: int, length: int | None, end: bool, fragments: int) -> None:
        if self._may(told) and not told.head:
            for _ in range(interim):
                self.peer.headers(told.id, [(":status", "103"), ("link", "</a>")])
            fields = [*OK, ("x-number", str(told.id))]
            if length is not None:
                fields.append(("content-length", str(length)))
            end = end and not length
            moved = self.peer.headers(told.id, fields, end=end, fragments=fragments)
            assert told.exchange in moved
            told.head = True
            told.length = length
            told.ended = end

    @rule(
        told=told,
        size=st.sampled_from([0, 1, 100, 2999, 3000]),
        padding=st.sampled_from([None, None, 0, 200]),
        end=st.booleans(),
    )
    def data(self, told: Told, size: int, padding: int | None, end: bool) -> None:
        if not (self._may(told) and told.head):
            return
        room = min(self.peer.window_of(told.id), self.peer.granted)
        room -= 0 if padding is None else padding + 1
        if told.length is not None:
            size = min(size, told.length - len(told.body))
        if room >= 0:
            piece = FILLER[len(told.body) % 256 :][: min(size, room)]
            told.body += piece
            told.ended = end and told.whole
            moved = self.peer.data(told.id, piece, end=told.ended, padding=padding)
            # In one read with others it is heard of later.
            assert told.exchange in moved or self.peer._held is not None

    @rule(
        told=told,
        sizes=st.lists(st.sampled_from([0, 1, 749, 750, 750, 3000]), min_size=1, max_size=6),
        padding=st.sampled_from([None, None, None, 3, 200]),
        reader=st.sampled_from(["keeps up", "keeps up", "lags behind", "waits"]),
        length=st.sampled_from([None, 750, 2250]),
        end=st.booleans(),
    )
    def download(
        self,
        told: Told,
        sizes: list[int],
        padding: int | None,
        reader: str,
        length: int | None,
        end: bool,
    ) -> None:
        """Much at once of what ``head``, ``data`` and ``read`` do, or few bodies would be long."""
        self.head(told, 0, length, False, 1)
        if reader == "waits":
            before = told.body
            with self.peer.one_read() as moved:
                for _ in sizes:
                    self.data(told, sizes[-1], padding, False)
            assert told.body == before or told.exchange in moved
            sizes = [0] * end
        for at, size in enumerate(sizes, 1):
            self.data(told, size, padding, end and at == len(sizes))
            if reader == "keeps up" or (reader == "lags behind" and at % 2):
                self.read(told, 1)
                self._hear()

    @rule(told=told)
    def trailers(self, told: Told) -> None:
        if self._may(told) and told.head and told.whole:
            moved = self.peer.headers(told.id, [("x-sum", str(len(told.body)))], end=True)
            assert told.exchange in moved
            told.ended = True

    @rule(told=told, code=st.sampled_from([0, 2, 7, 8]))
    def reset(self, told: Told, code: int) -> None:
        """Also NO_ERROR behind a whole answer, which only ends the upload (§8.1)."""
        if not told.closed and self._known(told):
            whole = told.ended
            assert told.exchange in self.peer.rst_stream(told.id, code)
            told.over = "reset"
            assert (told.exchange.error is None) == whole

    @rule(told=told, increment=st.sampled_from([1, 100, 70_000]))
    def widen(self, told: Told, increment: int) -> None:
        if self._known(told) and not (told.pushed or told.closed):
            self.peer.window_update(told.id, increment)

    @rule(
        window=st.sampled_from([None, 0, 1, 1000, 65_535]),
        streams=st.sampled_from([None, None, None, 0, 2, 100]),
        table=st.sampled_from([None, 0, 100, 4096, 65_536]),
        frame_size=st.sampled_from([None, 16_384, 20_000]),
    )
    def settings(
        self, window: int | None, streams: int | None, table: int | None, frame_size: int | None
    ) -> None:
        wanted = {
            "initial_window_size": window,
            "max_concurrent_streams": streams,
            "header_table_size": table,
            "max_frame_size": frame_size,
        }
        said = {name: value for name, value in wanted.items() if value is not None}
        self.peer.settings(*((SETTINGS[name], value) for name, value in said.items()))
        if streams is not None and not self.lost:
            self.max_concurrent = streams

    @rule(target=told, told=told)
    def promise(self, told: Told) -> Any:
        if not self._may(told) or told.pushed or self.promised >= 20:
            return multiple()
        self.promised += 2
        pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "example.org")]
        self.peer.push_promise(told.id, self.promised, [*pseudo, (":path", "/pushed")])
        pushed = Told(told.exchange.pushes[-1], uploaded=True, pushed=True)
        self.all.append(pushed)
        return pushed

    # What is about no request. Few rules, since each is as likely as any other.

    @rule(
        what=st.sampled_from(["a sign?", "here", "are you there?", "noise", "window"]),
        increment=st.sampled_from([1, 100, 70_000]),
    )
    def by_the_way(self, what: str, increment: int) -> None:
        if what == "a sign?":
            if not self.lost:
                self.pings.append(self.client.ping(b"%08d" % len(self.pings)))
        elif what == "here":
            if self.pings:
                number = len(self.pings) - 1
                self.peer.ping(b"%08d" % number, ack=True)
                assert self.pings[number].ended or self.lost
        elif what == "are you there?":
            self.peer.ping(b"question")
        elif what == "noise":
            self.peer.frame(0xEE, 0xFF, 0, b"extension")
            self.peer.priority(1)
        else:
            self.peer.window_update(0, increment)

    @rule(how=st.sampled_from(["close", "goaway", "loss"]), back=st.integers(0, 3), sure=RARELY)
    def end(self, how: str, back: int, sure: bool) -> None:
        if sure and how == "loss":
            self._lose()
        elif sure and how == "close":
            self.closing = True
            self.client.close()
        elif sure and not self.lost:
            self._say_goodbye(back)

    def _say_goodbye(self, back: int) -> None:
        """A goodbye that covers all, or leaves the newest ones out (§6.8)."""
        ids = sorted(t.id for t in self.all if not t.pushed and t.exchange.opened)
        last = ids[-1 - back] if len(ids) > back else 0
        self.last = min(self.last, last)
        self.peer.goaway(self.last)
        for told in self.all:
            if told.closed or told.pushed:
                continue
            if told.id > self.last or not told.exchange.opened:
                # What was whole stays whole; what was not begun may be sent again.
                if not told.ended:
                    assert told.exchange.error.retryable == (not told.head)
                told.over = "excluded"

    # What has to be true. No order is promised for these.

    def _hear(self) -> None:
        """Take in what the client has written since."""
        for written in self.peer.written():
            if written.name == "GOAWAY":
                assert self.closing and written.error_code == ErrorCode.NO_ERROR
            elif written.name == "RST_STREAM":
                told = self._by_id(written.stream_id)
                assert told.over == "cancelled" and written.error_code == ErrorCode.CANCEL
            elif written.name == "DATA":
                body = self.received.get(written.stream_id, b"") + written.data
                self.received[written.stream_id] = body

    @invariant()
    def nobody_ended_the_connection(self) -> None:
        self._hear()
        assert self.client.closed == self.lost

    @invariant()
    def every_octet_is_there(self) -> None:
        self._hear()
        for told in self.all:
            assert told.read + body_of(told.exchange) == told.body
            if told.ended and told.over != "cancelled":
                assert told.exchange.ended and told.exchange.error is None
            if told.over and not told.ended:
                assert isinstance(told.exchange.error, HTTP20Error)
                assert not told.exchange.ended
            if not told.over and not told.ended:
                assert told.exchange.error is None and not told.exchange.ended
            if told.head:
                assert told.exchange.status == 200
            if not self.lost and told.id in self.received:
                assert len(self.received[told.id]) == told.sent

    @invariant()
    def streams_are_those_that_are_open(self) -> None:
        if self.lost:
            assert not self.client.streams
            return
        expected = {t.id for t in self.all if t.exchange.opened and not t.closed}
        assert set(self.client.streams) == expected
        asked = [t for t in self.all if t.id in expected and not t.pushed]
        waiting = [t for t in self.all if not t.exchange.opened and not t.closed]
        assert [stream.id for stream in self.client._queue] == [t.id for t in waiting]
        # §5.1.2: who waits, waits because there is no room; who does not had some.
        assert not waiting or len(asked) >= self.max_concurrent or not self.client.accepting
        begun = sum(bool(t.exchange.opened) for t in self.all if not t.pushed)
        assert begun == self.begun or len(asked) <= self.max_concurrent
        self.begun = begun

    @invariant()
    def windows_agree(self) -> None:
        if self.lost:
            return
        peer = self.peer
        assert self.client.send_window == peer.window >= 0
        assert self.client.receive_window == peer.granted >= 0
        for told in self.all:
            if told.id in self.client.streams:
                stream = told.exchange
                assert stream.receive_window == peer.window_of(told.id)
                if not told.pushed:
                    assert stream.send_window == peer.windows[told.id]
                    # Below nothing only by a setting, never by octets (§6.9.2).
                    assert stream.send_window >= -65_535
            # Whoever reads is given more, as does who asks when another has read fast.
            fast = told.read or told.exchange.extra
            most = STREAM_WINDOW * (WINDOW_GROWTH if fast else 1)
            assert len(body_of(told.exchange)) <= most

    @invariant()
    def nothing_swells(self) -> None:
        allowed = 100 + 2 * len(self.all) + len(self.pings)
        for name, size in footprint(self.client).items():
            assert size <= allowed, f"{name} holds {size}"

    def teardown(self) -> None:
        """Whatever state it is in: each exchange ends with an answer or an error."""
        if not hasattr(self, "peer"):
            return
        receiving._BULK = self.bulk
        self._lose()
        self.client.data_to_send()
        for told in self.all:
            assert told.exchange.ended or isinstance(told.exchange.error, HTTP20Error)
        for ping in self.pings:
            assert ping.ended or ping.error is not None
        assert self.client.idle

    # Help.

    def _may(self, told: Told) -> bool:
        """Whether the server may say something on this stream."""
        return told.open and self._known(told)

    def _known(self, told: Told) -> bool:
        """Whether the server has heard of it."""
        return not self.lost and bool(told.exchange.opened)

    def _by_id(self, stream_id: int) -> Told:
        return next(told for told in self.all if told.id == stream_id)

    def _lose(self) -> None:
        self.client.connection_lost(None)
        self.lost = True
        for told in self.all:
            if not told.closed:
                told.over = "lost"


Connection.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestConnection = Connection.TestCase
