"""From field blocks to responses: heads, interim heads and trailers (RFC 9113 §4.3, §8.1)."""

from __future__ import annotations

from ..common.exchange import Fields
from ..hpack import HPACKError, HPACKLimitError
from .exceptions import ErrorCode, HPACKDecodingError, ProtocolError
from .messages import Head, MalformedError, read_head, read_trailers, section_size
from .promises import PromiseReceiver
from .state import USUAL_UP_TO
from .stream import Stream

__all__ = ["ResponseReceiver"]

#: Field blocks whose parsed heads are remembered, and how long each may be.
MAX_REMEMBERED_HEADS = 256
MAX_REMEMBERED_BLOCK = 1024


class ResponseReceiver(PromiseReceiver):
    """What a field block means to its stream."""

    def _start_block(self, stream_id: int, end: int, fragment: bytes) -> None:
        """Keep the first part of a field block; CONTINUATION brings the rest (§4.3)."""
        self._block_stream = stream_id
        self._usual = -1
        self._block_end = end
        self._block_size = len(fragment)
        self._block.append(fragment)

    def _continue_block(self, fragment: bytes) -> None:
        self._block.append(fragment)
        self._block_size += len(fragment)
        continuations = len(self._block) - 1
        size_limit = 2 * self.limits.max_header_list_size
        most = self.limits.max_continuations
        if continuations > most or self._block_size > size_limit:
            raise ProtocolError(
                f"a field block of {self._block_size} octets in {continuations} CONTINUATION "
                f"frames; the limits are {size_limit} and {most}",
                error_code=ErrorCode.ENHANCE_YOUR_CALM,
            )

    def _end_block(self) -> None:
        block = b"".join(self._block)
        self._block.clear()
        stream_id, self._block_stream = self._block_stream, 0
        self._usual = USUAL_UP_TO
        self._receive_block(stream_id, block, self._block_end)

    def _receive_block(self, stream_id: int, block: bytes, end: int) -> None:
        """Act on a whole field block: a head, trailers, or a promise."""
        # Every block must pass the decoder, even one for a stream that is gone: the dynamic
        # table is the whole connection's (§4.3). Only a block that is known to leave the table
        # as it stands may be looked up instead.
        decoder = self.decoder
        heads = self._heads
        if decoder.generation != self._heads_generation:
            self._heads_generation = decoder.generation
            heads.clear()
        stream = self.streams.get(stream_id)
        head = heads.get(block)
        fields: Fields = ()
        if head is None or (stream is not None and stream.status) or self._block_promised:
            fields = self._decode(block)
        if self._block_promised:
            promised, self._block_promised = self._block_promised, 0
            self._receive_promise(promised, stream, fields)
            return
        if stream is None:
            self._closed_stream(stream_id, "HEADERS")
            return
        if stream.remote_closed:
            self._reset(stream, ErrorCode.STREAM_CLOSED, "HEADERS after its end (RFC 9113 §5.1)")
            return
        try:
            if stream.status:
                self._receive_trailers(stream, fields, end)
                return
            if head is None:
                head = read_head(fields, self._valid_fields)
                if (
                    decoder.generation == self._heads_generation
                    and len(block) <= MAX_REMEMBERED_BLOCK
                ):
                    if len(heads) >= MAX_REMEMBERED_HEADS:
                        heads.clear()
                    heads[block] = head
            if head.status < 200:
                self._receive_informational(stream, head, end)
                return
        except MalformedError as error:
            self._reset(stream, ErrorCode.PROTOCOL_ERROR, f"malformed response: {error}")
            return
        self._begin_response(stream, head, end)

    def _begin_response(self, stream: Stream, head: Head, end: int) -> None:
        stream.status, stream.headers, expected = head
        if stream.head_request:
            stream.expected = 0
        elif not (stream.connect_request and stream.status < 300):
            # A tunnel's content-length means nothing (RFC 9110 §9.3.6).
            stream.expected = expected
        if end:
            self._end(stream)
        self._moved.append(stream)

    def _decode(self, block: bytes) -> Fields:
        try:
            return self.decoder.decode(block)
        except HPACKLimitError as error:
            raise HPACKDecodingError(
                f"{error}; the connection ends, since its header table cannot be followed any more",
                error_code=ErrorCode.ENHANCE_YOUR_CALM,
            ) from error
        except HPACKError as error:
            raise HPACKDecodingError(
                f"{error} (RFC 9113 §4.3)", error_code=ErrorCode.COMPRESSION_ERROR
            ) from error

    def _receive_informational(self, stream: Stream, head: Head, end: int) -> None:
        """An interim response (RFC 9110 §15.2)."""
        if head.status == 101:
            raise MalformedError("101 has no place in HTTP/2 (RFC 9113 §8.6)")
        if end:
            raise MalformedError(f"the stream ends on a {head.status} (RFC 9113 §8.1)")
        informational = [*stream.informational, (head.status, head.headers)]
        stream.informational_size += section_size(head.headers)
        most = self.limits.max_informational
        largest = self.limits.max_header_list_size
        if len(informational) > most or stream.informational_size > largest:
            self._reset(
                stream,
                ErrorCode.ENHANCE_YOUR_CALM,
                f"{len(informational)} interim responses of {stream.informational_size} octets; "
                f"the limits are {most} and {largest}",
            )
            return
        stream.informational = informational
        self._moved.append(stream)

    def _receive_trailers(self, stream: Stream, fields: Fields, end: int) -> None:
        """Fields after the body (§8.1)."""
        if not end:
            raise MalformedError("a second head that does not end the stream (RFC 9113 §8.1)")
        if stream.connect_request and stream.status < 300:
            raise MalformedError("a tunnel carries DATA only (RFC 9113 §8.5)")
        stream.trailers = read_trailers(fields, self._valid_fields)
        self._end(stream)
        self._moved.append(stream)
