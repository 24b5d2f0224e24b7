"""Requests that are written piece by piece, as ``http.client`` has it: head, fields, body.

So a body and the response to it can flow at once: after ``endheaders()`` one may ``send()`` and
read in any order, from one thread or from two.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Final
from weakref import WeakValueDictionary, ref

from ..common.body import Body
from ..common.exceptions import HyperError
from ..common.exchange import Exchange
from ..http20.protocol import HTTP20Protocol
from .proxy import Proxy
from .pump import Pump
from .pushes import Draft, Pushes
from .request import Asked, Octets, Origin, Trailers, octets, wire_trailers
from .response import HTTP11Response, HTTP20Response, Response, has_ended, own_error

__all__ = ["Piecewise"]

#: Methods whose requests rarely have a body: ``endheaders()`` ends them unless told otherwise by
#: a ``content-length`` or a ``message_body``.
WITHOUT_BODY: Final = frozenset((b"GET", b"HEAD", b"TRACE"))

#: Requests that were begun and whose head is not complete, by all threads together. Who begins
#: another one has given up the oldest.
MAX_DRAFTS: Final = 100

#: Keys of responses that one thread keeps, and twice as many as there are unclaimed ones, though
#: they may have been claimed by their id: so that to go through them is rare.
LEFT_KEYS: Final = 100


class Piecewise(Pushes):
    """The half of a connection that takes requests in pieces."""

    _origin: Origin

    def __init__(
        self,
        where: str,
        connect_timeout: float | None,
        timeout: float | None,
        proxy: Proxy | None,
    ) -> None:
        super().__init__(where, connect_timeout, timeout, proxy)
        # By stream id; requests over HTTP/1.1 are known to their thread only.
        self._drafts: dict[int, Draft] = {}
        self._sending: WeakValueDictionary[int, Response] = WeakValueDictionary()

    def putrequest(
        self,
        method: Octets,
        selector: Octets,
        *,
        skip_host: bool = False,
        skip_accept_encoding: bool = False,
    ) -> int | None:
        """Begin a request; return its stream id, or None over HTTP/1.1. Dials if need be.

        selector              the path and query
        skip_host             accepted for programs that pass it; ``putheader('host', ...)``
                              overrides the host anyway
        skip_accept_encoding  send no ``accept-encoding`` of ours

        The id stays this request's name in all methods. Should another request be sent before
        this one's head is complete, it goes on the wire under a later id. Raises as ``connect()``
        does.
        """
        pump = self._usable_pump()
        protocol = pump.protocol
        key = None
        if isinstance(protocol, HTTP20Protocol):
            http20 = protocol

            def reserve() -> int:
                pump.last_id = http20.reserve()
                return pump.last_id

            try:
                key = pump.call(reserve)
            except HyperError:
                # The last id is used up, or the goodbye has just come: another connection.
                return self.putrequest(method, selector, skip_accept_encoding=skip_accept_encoding)
            if pump.closed:
                # Perhaps close() did not hear of this id any more, and it is given out anew.
                return self.putrequest(method, selector, skip_accept_encoding=skip_accept_encoding)
        draft = Draft(octets(method), octets(selector) or b"/", key, pump)
        draft.bare = skip_accept_encoding
        if key is not None:
            self._drafts[key] = draft
            for forgotten in list(self._drafts)[:-MAX_DRAFTS]:
                self._drafts.pop(forgotten, None)
        self._mine.draft = draft
        return key

    def putheader(
        self,
        header: Octets,
        argument: Octets | int,
        stream_id: int | None = None,
        replace: bool = False,
    ) -> None:
        """Add a field to the head; ``replace`` drops those of the same name before.

        Without ``stream_id`` it is for the newest request of the calling thread. Raises
        ValueError when no such request has been begun.
        """
        draft = self._draft(stream_id)
        name = octets(header).lower()
        if replace:
            draft.fields = [field for field in draft.fields if field[0] != name]
        draft.fields.append((name, octets(argument)))

    def endheaders(
        self, message_body: object = None, final: bool = False, stream_id: int | None = None
    ) -> None:
        """Send the head, and ``message_body`` if there is one, as ``request()`` takes it.

        final  nothing follows; otherwise ``send()`` goes on. A GET, HEAD or TRACE without a
               body ends here, unless a ``content-length`` says that octets follow

        From now on ``get_response()`` may be called. Raises as ``request()`` does.
        """
        draft = self._draft(stream_id)
        names = {name for name, _ in draft.fields}
        if message_body is None and draft.method in WITHOUT_BODY:
            final = final or b"content-length" not in names
        asked = self._origin.ask(
            draft.method,
            draft.path,
            message_body if final else None,
            draft.fields,
            None,
            (),
            piecewise=not final,
        )
        if draft.bare and b"accept-encoding" not in names:
            asked.headers = [field for field in asked.headers if field[0] != b"accept-encoding"]
        key = draft.key
        try:
            pump, exchange = self._start_reserved(asked, draft)
            response: Response
            if exchange.id is not None:
                response = HTTP20Response(pump, exchange, asked, self._timeout)
            else:
                response = HTTP11Response(pump, exchange, asked, self._timeout)
            response._key = object() if key is None else key
            self._mine.sending = ref(response)
            if key is not None:
                self._sending[key] = response
        finally:
            self._forget(draft)  # only now: as long as an id is a name for something, it is in use
        if final:
            self._complete_or_repeat(response)
        elif message_body is not None:
            self._send(response, message_body, False, ())
        elif pump.transport.unsent:
            self._complete(response)
        mine = self._mine.keys
        mine.append(response._key)
        self._unclaimed[response._key] = response
        if len(mine) > LEFT_KEYS and len(mine) > 2 * len(self._unclaimed):
            self._forget_claimed(mine)
        if self.enable_push:
            self._watch_pushes(response)

    def send(
        self,
        data: object,
        final: bool = False,
        stream_id: int | None = None,
        *,
        trailers: Trailers | None = None,
    ) -> None:
        """Send octets of the body, as far as the server gives room; return when they have left.

        data      bytes-like, str (sent as UTF-8), a binary file or an iterable of pieces
        final     the body ends with it
        trailers  fields after the body, or a function that returns them; only with ``final``

        Without ``stream_id`` it is for the newest request of the calling thread. When the
        server has answered in full, or refused (a status from 300 on), nothing more is sent.

        Raises ValueError when there is no such request, or its ``content-length`` is broken;
        TimeoutError, HyperError and OSError when the upload fails.
        """
        if trailers is not None and not final:
            raise ValueError("trailers end a body; send them with final=True")
        self._send(self._response_to(stream_id), data, final, trailers or ())

    def _send(self, response: Response, data: object, final: bool, trailers: Trailers) -> None:
        asked = response._asked
        if asked.answered:
            return
        if asked.over or not asked.piecewise:
            raise ValueError(f"the body of {asked} has ended; nothing can be added")
        body = Body(data)
        if body.size is not None:
            _check_length(asked, body.size, final)
        with self._or_give_up(response):
            if not asked.begun:
                asked.begun = True
                asked.answered = not self._may_send(response)
            for piece, last in body:
                if asked.answered:
                    return
                end = last and final
                _check_length(asked, len(piece), end)
                fields = wire_trailers(trailers) if end else ()
                asked.answered = not self._send_piece(response, piece, end, fields)
                if asked.left is not None:
                    asked.left -= len(piece)
        if final:
            asked.over = True

    def _start_reserved(self, asked: Asked, draft: Draft) -> tuple[Pump, Exchange]:
        """Send a head under the id that is kept for it, if that still can be.

        On another connection the id may be somebody else's: after ``close()`` they begin anew.
        """
        pump = draft.pump
        key = draft.key
        http20 = pump.protocol
        if key is None or not isinstance(http20, HTTP20Protocol):
            return self._start(asked)
        if pump is not self._pump and not pump.closed:
            return self._start(asked)

        def request() -> Exchange:
            http20.give_back(key)
            exchange = http20.request(
                asked.method,
                asked.scheme,
                asked.authority,
                asked.path,
                asked.headers,
                end=asked.body is None and not asked.piecewise,
                never_index=asked.never_index,
            )
            pump.last_id = exchange.id
            return exchange

        # What has arrived in the meantime is read first, as before every request.
        pump.wait(Exchange(), has_ended, monotonic())
        try:
            return pump, pump.call(request)
        except HyperError as error:
            if pump.closed:
                raise own_error(error, self._where) from error.__cause__
            # Its goodbye has come.
            return self._start(asked)

    def _draft(self, stream_id: int | None) -> Draft:
        draft = self._mine.draft if stream_id is None else self._drafts.get(stream_id)
        if draft is not None and draft.key is not None and self._drafts.get(draft.key) is not draft:
            draft = None  # it went with its connection, or was the oldest of too many
        if draft is None:
            which = "in this thread" if stream_id is None else f"under the id {stream_id}"
            raise ValueError(f"no request has been begun {which}; call putrequest() first")
        return draft

    def _forget_claimed(self, keys: deque[object]) -> None:
        """Drop the keys of responses that were claimed by their id."""
        left = [key for key in keys if key in self._unclaimed]
        keys.clear()
        keys.extend(left)

    def _forget(self, draft: Draft) -> None:
        if self._mine.draft is draft:
            self._mine.draft = None
        if draft.key is not None:
            self._drafts.pop(draft.key, None)

    def _response_to(self, stream_id: int | None) -> Response:
        """The response to a request whose body is being sent."""
        response: Response | None
        if stream_id is not None:
            response = self._sending.get(stream_id)
        else:
            latest = self._mine.sending
            response = None if latest is None else latest()
        if response is None:
            which = "in this thread" if stream_id is None else f"under the id {stream_id}"
            raise ValueError(f"no body is being sent {which}; call endheaders() first")
        return response


def _check_length(asked: Asked, size: int, end: bool) -> None:
    """Hold octets that are to be sent against what ``content-length`` still promises."""
    left = asked.left
    if left is not None and (size > left or (end and size < left)):
        raise ValueError(
            f"content-length promises {left} more octets, and the body has {size}"
            f"{'' if end else ' or more'} (RFC 9110 §8.6)"
        )
