"""A response of ours as urllib3 and those above it look at it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from http.client import HTTPMessage, responses
from typing import Any

from urllib3 import HTTPHeaderDict
from urllib3.response import HTTPResponse as StockResponse

from ..common.exceptions import HyperError
from ..common.headers import HTTPHeaderMap
from ..sync.response import HTTP20Response

__all__ = ["Body", "HTTPResponse"]


class Body:
    """What ``http.client.HTTPResponse`` is to urllib3: the file, and the head as a message.

    status, reason, version, msg  as http.client has them; ``version`` is 20, and ``reason`` the
                                  usual phrase, as HTTP/2 has none
    stream_id                     the stream that the response came on

    Octets come as they are on the wire; urllib3 decodes. Reading raises TimeoutError,
    ssl.SSLError and ConnectionError, which urllib3 has words for. ``ended`` is called once,
    when nothing will be read any more, but not when this is dropped.
    """

    version = 20
    _ended: Callable[[], None] | None = None

    def __init__(self, response: HTTP20Response, ended: Callable[[], None]) -> None:
        self._response = response
        self._ended = ended
        self._rest = b""
        self._error: Exception | None = None
        self.stream_id = response.stream_id
        self.status = response.status
        self.reason = responses.get(response.status, "")
        self.closed = False
        self.fields = [
            (name.decode("ascii"), value.decode("iso-8859-1"))
            for name, value in response.headers.iter_raw()
        ]
        self.msg = HTTPMessage()
        for name, value in self.fields:
            self.msg.add_header(name, value)

    @property
    def trailers(self) -> HTTPHeaderMap:
        return self._response.trailers

    def read(self, amt: int | None = None) -> bytes:
        """The rest; or ``amt`` octets, fewer only at the end."""
        if self._over():
            return b""
        rest, self._rest = self._rest, b""
        if amt is None or amt < 0:
            data = rest + self._read(None)
            self._end()
            return data
        if len(rest) > amt:
            rest, self._rest = rest[:amt], rest[amt:]
        if len(rest) == amt:
            return rest
        data = rest + self._read(amt - len(rest))
        if len(data) < amt:
            # The end, or something broke after these octets; then the next call says so.
            try:
                self._read(1)
            except Exception as error:
                if not data:
                    raise
                self._error = error
            else:
                self._end()
        return data

    def read1(self, amt: int | None = None) -> bytes:
        """What is there, ``amt`` octets at most; waits only while nothing is."""
        if self._over():
            return b""
        data, self._rest = self._rest, b""
        if not data:
            data = self._piece()
            if not data:
                self._end()
        if amt is not None and 0 <= amt < len(data):
            data, self._rest = data[:amt], data[amt:]
        return data

    def close(self) -> None:
        """Give up what has not been read: the stream is reset, the connection stays."""
        self.closed = True
        self._error = None
        self._end()

    def shutdown(self, how: int) -> None:
        """Give up, perhaps in the midst of another thread's reading, which ends with an error."""
        if self._ended is not None:
            self._error = ConnectionError("shut down before the end of the body")
            self._end()

    def isclosed(self) -> bool:
        return self._ended is None and self._error is None

    def flush(self) -> None:
        """There is nothing to flush; urllib3 passes it on."""

    def _over(self) -> bool:
        """Whether there is nothing to read; raises what broke after the octets read last."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._ended is None

    def _end(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self._rest = b""
            self._response.close()
            ended()

    def _read(self, amt: int | None) -> bytes:
        try:
            return self._response.read(amt, decode_content=False)
        except BaseException as error:
            raise self._broken(error) from error

    def _piece(self) -> bytes:
        try:
            # What one iteration leaves stays for the next one.
            for piece in self._response.read_chunked(decode_content=False):
                if piece:
                    return piece
            return b""
        except BaseException as error:
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> BaseException:
        """An OSError is what urllib3 understands."""
        self._end()
        if isinstance(error, HyperError) and not isinstance(error, OSError):
            return ConnectionError(str(error))
        return error


class HTTPResponse(StockResponse):
    """urllib3's response, and what only HTTP/2 has.

    stream_id  the stream that it came on, odd
    trailers   the fields after the body, an ``HTTPHeaderMap``; empty before the body has ended
    """

    stream_id: int | None
    _file: Body

    @classmethod
    def over(cls, body: Body, **options: Any) -> HTTPResponse:
        """Make one of a body; ``options`` are urllib3's."""
        self = cls.__new__(cls)
        self._file = body
        self.stream_id = body.stream_id
        file: Any = body
        StockResponse.__init__(
            self,
            body=file,
            headers=HTTPHeaderDict(body.fields),
            status=body.status,
            version=20,
            version_string="HTTP/2",
            reason=body.reason,
            original_response=file,
            **options,
        )
        # Without a length it is what HTTP/1.1 sends in chunks, and those who stream such a
        # response get what has arrived instead of waiting for more.
        self.chunked = "content-length" not in self.headers
        return self

    def __del__(self) -> None:
        """In place of io's, which closes: the garbage collector may come while any lock is held."""

    @property
    def trailers(self) -> HTTPHeaderMap:
        return self._file.trailers

    def supports_chunked_reads(self) -> bool:
        return True

    def read_chunked(
        self, amt: int | None = None, decode_content: bool | None = None
    ) -> Generator[bytes, None, None]:
        """The body in the pieces it comes in, ``amt`` octets long at most, decoded if asked."""
        while data := self.read1(amt, decode_content):
            yield data
