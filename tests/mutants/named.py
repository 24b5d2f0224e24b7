"""One defence at a time, for the rows of the hostile catalogue.

Each takes out of the library what the row calls right; then the row's scenario, over a real socket,
has to fail. The exact text of a defence stands here, so that nobody can move one without being
asked to show that it is still there.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NAMED", "Named"]


class Named(NamedTuple):
    """A row of the catalogue, and what to take out so that its scenario must fail.

    row    the row in a few words
    file   below src/hyper
    old    stands there once
    new    stands there instead
    tests  below tests; one of them has to fail
    """

    row: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _flood(row: str, file: str, old: str, new: str, *tests: str) -> Named:
    return Named(row, file, old, new, tuple(f"hostile/test_floods.py::test_{t}" for t in tests))


def _frames(row: str, file: str, old: str, new: str, *tests: str) -> Named:
    return Named(row, file, old, new, tuple(f"hostile/test_frames.py::test_{t}" for t in tests))


def _malformed(row: str, file: str, old: str, new: str, *tests: str) -> Named:
    return Named(row, file, old, new, tuple(f"hostile/test_malformed.py::test_{t}" for t in tests))


def _http1(row: str, file: str, old: str, new: str, *tests: str) -> Named:
    return Named(row, file, old, new, tuple(f"hostile/test_http1.py::test_{t}" for t in tests))


_LIMITS = "http20/limits.py"
_BODIES = "http20/bodies.py"
_RECEIVING = "http20/receiving.py"
_RESPONSES = "http20/responses.py"
_MESSAGES = "http20/messages.py"
_STATE = "http20/state.py"
_SETTINGS = "http20/settings.py"
_DECODER = "hpack/decoder.py"
_HUFFMAN = "hpack/huffman.py"
_FIRST = "http11/"

NAMED: tuple[Named, ...] = (
    # 1. Floods and bombs.
    _flood(
        "CONTINUATION without an end: frames",
        _RESPONSES,
        "if continuations > most or self._block_size > size_limit:",
        "if self._block_size > size_limit:",
        "a_field_block_without_an_end_is_cut",
        "the_65th_continuation_is_one_too_many",
    ),
    _flood(
        "CONTINUATION without an end: octets",
        _RESPONSES,
        "if continuations > most or self._block_size > size_limit:",
        "if continuations > most:",
        "a_field_block_without_an_end_is_cut",
        "the_65th_continuation_is_one_too_many",
    ),
    _flood(
        "HPACK bomb: indexed fields",
        _DECODER,
        """                    field, size = table[index]
                    left -= size
""",
        """                    field, size = table[index]
""",
        "a_list_that_swells_is_stopped_on_the_way",
    ),
    _flood(
        "HPACK bomb: tiny fields",
        _DECODER,
        "counting = end > max_fields",
        "counting = False",
        "a_list_that_swells_is_stopped_on_the_way",
    ),
    _flood(
        "HPACK bomb: literal fields",
        _DECODER,
        """                size = len(name) + len(value) + ENTRY_OVERHEAD
                left -= size
""",
        """                size = len(name) + len(value) + ENTRY_OVERHEAD
""",
        "a_list_that_swells_is_stopped_on_the_way",
    ),
    _flood(
        "Huffman code with EOS",
        _HUFFMAN,
        "elif place == _EOS:",
        "elif False:",
        "what_is_no_hpack_ends_the_connection",
    ),
    _flood(
        "Huffman padding",
        _HUFFMAN,
        "if row[_PLACE] not in _PADDING:",
        "if False:",
        "what_is_no_hpack_ends_the_connection",
    ),
    _flood(
        "integers of more than five octets",
        _DECODER,
        "MAX_INTEGER_OCTETS: Final = 5",
        "MAX_INTEGER_OCTETS: Final = 500",
        "what_is_no_hpack_ends_the_connection",
    ),
    _flood(
        "more than two table sizes",
        _DECODER,
        "MAX_SIZE_UPDATES: Final = 2",
        "MAX_SIZE_UPDATES: Final = 2000",
        "what_is_no_hpack_ends_the_connection",
    ),
    _flood(
        "table sizes above ours",
        _DECODER,
        "        if size > limit:\n",
        "        if False:\n",
        "what_is_no_hpack_ends_the_connection",
    ),
    _flood(
        "table sizes after a field",
        _DECODER,
        "                    if at > 1:\n",
        "                    if False:\n",
        "what_is_no_hpack_ends_the_connection",
    ),
    _flood(
        "our encoder above 4096",
        "hpack/encoder.py",
        "        size = min(size, MAX_TABLE_SIZE)\n",
        "",
        "our_encoder_follows_every_size_and_never_goes_above_4096",
    ),
    _flood(
        "our encoder between two sizes",
        "hpack/encoder.py",
        "if smallest is not None and smallest < min(capacity, self._announced):",
        "if False:",
        "our_encoder_follows_every_size_and_never_goes_above_4096",
    ),
    _flood(
        "PING and SETTINGS of a server that never reads",
        _STATE,
        "if self._queued_acks > most:",
        "if False:",
        "questions_of_a_server_that_never_reads_are_bounded",
    ),
    _flood(
        "SETTINGS of 2700 entries",
        _SETTINGS,
        "if len(payload) > 6 * max_entries:",
        "if False:",
        "settings_of_2700_entries_are_refused",
    ),
    _flood(
        "empty DATA",
        _BODIES,
        "if self._empty_data > self.limits.max_empty_data:",
        "if False:",
        "data_that_carries_nothing_has_an_end",
    ),
    _flood(
        "useless frames: PRIORITY",
        _RECEIVING,
        '        self._glitch("PRIORITY frames")\n',
        "",
        "useless_frames_have_an_end",
    ),
    _flood(
        "useless frames: unknown types",
        _RECEIVING,
        '        self._glitch("frames of unknown types")\n',
        "",
        "useless_frames_have_an_end",
    ),
    _flood(
        "useless frames: GOAWAY",
        _RECEIVING,
        '        self._glitch("GOAWAY frames")\n',
        "",
        "useless_frames_have_an_end",
    ),
    _flood(
        "useless frames: acknowledgements of PING",
        _RECEIVING,
        '            self._glitch("acknowledgements of PING that nobody sent")\n',
        "",
        "useless_frames_have_an_end",
    ),
    _flood(
        "useless frames: acknowledgements of SETTINGS",
        _RECEIVING,
        '            self._glitch("acknowledgements of SETTINGS that nobody sent")\n',
        "",
        "useless_frames_have_an_end",
    ),
    _flood(
        "useless frames: WINDOW_UPDATE",
        _RECEIVING,
        '            self._glitch("WINDOW_UPDATE frames nobody needs")\n',
        "            pass\n",
        "useless_frames_have_an_end",
    ),
    _flood(
        "frames on closed streams",
        _STATE,
        '            self._glitch(f"{what} frames on closed streams")\n',
        "            pass\n",
        "frames_on_a_closed_stream_have_an_end",
    ),
    _flood(
        "small frames, unread",
        _BODIES,
        "if chunks and size < limits.SMALL_CHUNK and len(chunks) >= limits.MAX_SMALL_CHUNKS:",
        "if False:",
        "unread_small_frames_take_memory_as_their_octets_do",
    ),
    _flood(
        "1xx without an end",
        _RESPONSES,
        "if len(informational) > most or stream.informational_size > largest:",
        "if stream.informational_size > largest:",
        "interim_responses_have_an_end",
    ),
    _flood(
        "1xx, large ones",
        _RESPONSES,
        "if len(informational) > most or stream.informational_size > largest:",
        "if len(informational) > most:",
        "interim_responses_have_an_end",
    ),
    _flood(
        "debug data",
        _RECEIVING,
        "debug = payload[8 : 8 + self.limits.max_debug_data]",
        "debug = payload[8:]",
        "debug_data_is_bounded_and_escaped",
    ),
    _flood(
        "DATA beyond the connection's window",
        _BODIES,
        "if received > self._window:",
        "if False:",
        "data_beyond_the_connections_window_is_refused",
    ),
    _flood(
        "SETTINGS_MAX_FRAME_SIZE=0",
        _SETTINGS,
        "if not MAX_FRAME_SIZE <= value <= LARGEST_MAX_FRAME_SIZE:",
        "if not value <= LARGEST_MAX_FRAME_SIZE:",
        "a_max_frame_size_of_0_is_refused",
    ),
    _flood(
        "an overflowed window",
        _RECEIVING,
        "            if self.send_window > limits.MAX_WINDOW:\n",
        "            if False:\n",
        "a_connection_that_overflowed_its_window_is_freed",
    ),
    _flood(
        "every answer such that we reset it",
        _STATE,
        "        self._count_reset(stream.id, message)\n",
        "",
        "a_server_that_breaks_every_answer_is_left_after_a_thousand",
    ),
    _flood(
        "every answer reset",
        _RECEIVING,
        "            if not self._resets.spend():\n",
        "            if False:\n",
        "a_server_that_breaks_every_answer_is_left_after_a_thousand",
    ),
    # 2. Frames and streams.
    _frames(
        "a frame too large",
        _RECEIVING,
        "if word > self._usual:",
        "if self._usual < 0:",
        "a_frame_too_large_is_refused_by_its_head",
    ),
    _frames(
        "another first frame than SETTINGS",
        _RECEIVING,
        "if kind != SETTINGS or flags & ACK:",
        "if False:",
        "what_does_not_begin_with_settings_is_no_http2",
    ),
    _frames(
        "a field block interrupted",
        _RECEIVING,
        "if self._block_stream and (kind != CONTINUATION or stream_id != self._block_stream):",
        "if False:",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "CONTINUATION out of place",
        _RECEIVING,
        "        if not self._block_stream:\n            raise ProtocolError(",
        "        if not self._block_stream:\n            return\n            raise ProtocolError(",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "padding beyond the end",
        _BODIES,
        "    if not payload or payload[0] >= len(payload):\n",
        "    if not payload:\n",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "PUSH_PROMISE though it is switched off",
        _RECEIVING,
        "        if self._settings_acked and not self.enable_push:\n",
        "        if False:\n",
        "our_settings_take_effect_with_the_acknowledgement",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "a promise of what is no new stream",
        _RECEIVING,
        "if promised % 2 or promised <= self._highest_promised:",
        "if promised % 2:",
        "a_promise_of_what_is_no_new_stream_ends_the_connection",
    ),
    _frames(
        "a promise of an odd stream",
        _RECEIVING,
        "if promised % 2 or promised <= self._highest_promised:",
        "if promised <= self._highest_promised:",
        "a_promise_of_what_is_no_new_stream_ends_the_connection",
    ),
    _frames(
        "frames on idle streams",
        _STATE,
        "        if not stream_id or stream_id > highest:\n",
        "        if not stream_id:\n",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "the connection's window by 0",
        _RECEIVING,
        "            if not increment:\n                raise ProtocolError(",
        "            if False:\n                raise ProtocolError(",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "a stream's window by 0",
        _RECEIVING,
        '            self._reset(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0',
        '            print(stream, ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE by 0',
        "an_error_of_one_stream_is_nobody_elses",
    ),
    _frames(
        "a stream's window beyond 2^31-1",
        _RECEIVING,
        "stream.send_window += increment\n        if stream.send_window > limits.MAX_WINDOW:",
        "stream.send_window += increment\n        if False:",
        "an_error_of_one_stream_is_nobody_elses",
    ),
    _frames(
        "a delta that overflows",
        _RECEIVING,
        "stream.send_window += delta\n            if stream.send_window > limits.MAX_WINDOW:",
        "stream.send_window += delta\n            if False:",
        "a_broken_rule_ends_the_connection_for_everybody",
    ),
    _frames(
        "an initial window out of range",
        _SETTINGS,
        "            if value > MAX_WINDOW:\n",
        "            if False:\n",
        "a_broken_rule_ends_the_connection_for_everybody",
        "an_unacceptable_setting_in_the_preface_is_refused",
    ),
    _frames(
        "reserved bits",
        _RECEIVING,
        "increment = _WORD.unpack(payload)[0] & LOW_31_BITS",
        "increment = _WORD.unpack(payload)[0]",
        "odd_and_legal_frames_are_an_answer_like_any_other",
    ),
    _frames(
        "HEADERS behind the end of a response",
        _RESPONSES,
        "        if stream.remote_closed:\n",
        "        if False:\n",
        "what_follows_the_end_of_a_response_is_a_stream_error",
    ),
    # 3. Malformed answers.
    _malformed(
        "a status of three digits",
        _MESSAGES,
        "    status = _STATUSES.get(fields[0][1])\n",
        "    status = int(fields[0][1]) if fields[0][1].strip().isalnum() else None\n",
        "a_status_is_three_digits",
    ),
    _malformed(
        ":status missing or late",
        _MESSAGES,
        'if not fields or fields[0][0] != b":status":',
        "if not fields:",
        "pseudo_headers_missing_twice_foreign_or_late",
    ),
    _malformed(
        "names received",
        _MESSAGES,
        r're.compile(rb"[!-9;-@\[-~]+")',
        r're.compile(rb"[^\0]+")',
        "a_field_that_may_not_be_is_malformed",
    ),
    _malformed(
        "values received",
        _MESSAGES,
        "        if FIELD_VALUE.fullmatch(value) is None:\n            raise MalformedError(",
        "        if False:\n            raise MalformedError(",
        "a_field_that_may_not_be_is_malformed",
    ),
    _malformed(
        "connection-specific fields",
        _MESSAGES,
        "        if name in CONNECTION_SPECIFIC:\n            raise MalformedError(",
        "        if False:\n            raise MalformedError(",
        "a_field_that_may_not_be_is_malformed",
    ),
    _malformed(
        "101",
        _RESPONSES,
        "        if head.status == 101:\n",
        "        if False:\n",
        "a_response_out_of_order_is_malformed",
    ),
    _malformed(
        "END_STREAM on 1xx",
        _RESPONSES,
        '        if end:\n            raise MalformedError(f"the stream ends',
        '        if False:\n            raise MalformedError(f"the stream ends',
        "a_response_out_of_order_is_malformed",
    ),
    _malformed(
        "trailers without END_STREAM",
        _RESPONSES,
        "        if not end:\n",
        "        if False:\n",
        "a_response_out_of_order_is_malformed",
    ),
    _malformed(
        "DATA before the head",
        _BODIES,
        " or not stream.status or received > expected >= 0:\n",
        " or received > expected >= 0:\n",
        "a_response_out_of_order_is_malformed",
    ),
    _malformed(
        "a length of nothing but digits",
        _MESSAGES,
        "            if not value.isdigit() or len(value) > 19:\n",
        "            if not value.strip(b'+- ').replace(b'_', b'').isdigit():\n",
        "a_length_is_nothing_but_digits",
    ),
    _malformed(
        "two lengths",
        _MESSAGES,
        "            if length is not None and length != int(value):\n",
        "            if False:\n",
        "a_body_has_the_length_it_was_told",
    ),
    _malformed(
        "a body shorter than its length",
        _STATE,
        "        if stream.received != stream.expected and stream.expected > 0:\n",
        "        if False:\n",
        "a_body_has_the_length_it_was_told",
    ),
    _malformed(
        "a body longer than its length",
        _BODIES,
        " or not stream.status or received > expected >= 0:\n",
        " or not stream.status:\n",
        "a_body_has_the_length_it_was_told",
    ),
    _malformed(
        "DATA for HEAD, 204 and 304",
        _RESPONSES,
        "            stream.expected = 0\n",
        "            pass\n",
        "a_body_where_there_can_be_none_is_malformed",
    ),
    # 5. Flow control.
    Named(
        "a stream's window while it lies unread",
        _BODIES,
        "        if window < 0 or stream.remote_closed or",
        "        if stream.remote_closed or",
        ("hostile/test_floods.py::test_data_beyond_a_streams_window_is_refused",),
    ),
    Named(
        "the narrower of two windows",
        "http20/protocol.py",
        "taken = max(min(size, stream.send_window, self.send_window, limits.WRITE_BATCH), 0)",
        "taken = max(min(size, stream.send_window, limits.WRITE_BATCH), 0)",
        ("hostile/test_flow_control.py::test_the_narrower_of_the_two_windows_counts",),
    ),
    Named(
        "windows that SETTINGS move",
        _RECEIVING,
        "            self._shift_send_windows(delta)\n",
        "            pass\n",
        (
            "hostile/test_flow_control.py::test_a_window_of_nothing_is_opened_by_settings_alone",
            "hostile/test_flow_control.py::test_a_window_below_nothing_has_to_be_filled_up_first",
        ),
    ),
    Named(
        "padding gives its part back",
        _BODIES,
        "            stream.padding += padding\n",
        "",
        ("hostile/test_flow_control.py::test_padding_gives_its_part_of_both_windows_back",),
    ),
    # 6. Shutdown.
    Named(
        "GOAWAY takes nothing new",
        _RECEIVING,
        '        self._glitch("GOAWAY frames")\n        self.accepting = False\n',
        '        self._glitch("GOAWAY frames")\n',
        (
            "hostile/test_shutdown.py::test_what_a_goodbye_covers_finishes",
            "hostile/test_shutdown.py::test_a_goodbye_in_two_steps",
        ),
    ),
    Named(
        "streams beyond the last are sent again",
        _RECEIVING,
        "            if stream.id % 2 and stream.id > last:\n",
        "            if False:\n",
        ("hostile/test_shutdown.py::test_a_goodbye_in_two_steps",),
    ),
    # 9. HTTP/1.1.
    _http1(
        "a length that is none or two",
        _FIRST + "framing.py",
        "    if len(lengths) > 1:\n",
        "    if False:\n",
        "a_length_that_is_none_or_two_is_refused",
    ),
    _http1(
        "a length that is no number",
        _FIRST + "framing.py",
        "                if not digits.isdigit() or len(digits) > 19:\n",
        "                if False:\n",
        "a_length_that_is_none_or_two_is_refused",
    ),
    _http1(
        "chunks and a length",
        _FIRST + "framing.py",
        'keep_alive and b"content-length" not in names and minor_version > 0)',
        "keep_alive and minor_version > 0)",
        "chunks_win_over_a_length_and_the_connection_is_not_used_again",
    ),
    _http1(
        "another transfer coding",
        _FIRST + "framing.py",
        '        if codings != [b"chunked"]:\n',
        "        if False:\n",
        "a_transfer_coding_that_nobody_asked_for_is_refused",
    ),
    _http1(
        "chunk sizes",
        _FIRST + "framing.py",
        "    if match is None or (size := int(match[1], 16)) >= 2**63:\n        raise",
        "    if match is None:\n        return int(line.partition(b';')[0], 16)\n"
        "    if (size := int(match[1], 16)) >= 2**63:\n        raise",
        "a_chunk_size_that_is_none_is_refused",
    ),
    _http1(
        "no CR LF behind a chunk",
        _FIRST + "receiving.py",
        "        if not expected.startswith(there):\n",
        "        if False:\n",
        "a_chunk_that_goes_on_is_refused",
    ),
    _http1(
        "a chunk size that ends in LF",
        _FIRST + "receiving.py",
        "        elif of_chunk:\n",
        "        elif False:\n",
        "a_chunk_size_ends_in_cr_lf_and_not_in_lf",
    ),
    _http1(
        "a fold in front",
        _FIRST + "messages.py",
        '            raise InvalidResponseError("a blank before the first field',
        '            print("a blank before the first field',
        "a_head_must_not_begin_with_a_fold",
    ),
    _http1(
        "octets left over",
        _FIRST + "receiving.py",
        '            self._stop("the server sent octets that nobody asked for")\n',
        "            pass\n",
        "what_stands_behind_a_response_is_never_the_next_one",
    ),
    _http1(
        "101 that nobody asked for",
        _FIRST + "receiving.py",
        'if list_members(head.fields, b"upgrade") != [b"h2c"] or not exchange.offered:',
        "if False:",
        "101_is_refused_where_nothing_was_offered",
    ),
    _http1(
        "a value with CR or NUL",
        _FIRST + "messages.py",
        "    if _RECEIVED_VALUE.fullmatch(value) is None:\n",
        "    if False:\n",
        "a_field_line_that_is_none_is_refused",
    ),
    _http1(
        "a blank before the colon",
        _FIRST + "messages.py",
        "    if not colon or TOKEN.fullmatch(name) is None:\n",
        "    if not colon:\n",
        "a_field_line_that_is_none_is_refused",
    ),
    _http1(
        "interim responses",
        _FIRST + "receiving.py",
        "if len(interim) > limits.MAX_INFORMATIONAL or size > limits.MAX_HEAD:",
        "if size > limits.MAX_HEAD:",
        "interim_responses_are_counted",
    ),
    _http1(
        "interim responses, large",
        _FIRST + "receiving.py",
        "if len(interim) > limits.MAX_INFORMATIONAL or size > limits.MAX_HEAD:",
        "if len(interim) > limits.MAX_INFORMATIONAL:",
        "interim_responses_are_weighed_together",
    ),
    _http1(
        "endless fields",
        _FIRST + "messages.py",
        "        if self.size > self._max_size:\n",
        "        if False:\n",
        "what_has_no_end_is_given_up",
        "fields_and_lines_at_their_limits",
    ),
    _http1(
        "many fields",
        _FIRST + "messages.py",
        "        if self._lines > limits.MAX_FIELDS:\n",
        "        if False:\n",
        "what_has_no_end_is_given_up",
        "fields_and_lines_at_their_limits",
    ),
    # 8. Injection.
    *(
        Named(
            f"injection: {what}",
            "common/fields.py",
            old,
            new,
            tuple(f"hostile/test_injection.py::test_{test}" for test in tests),
        )
        for what, old, new, tests in (
            (
                "a value",
                r'FIELD_VALUE: Final = re.compile(rb"(?![ \t])[^\0\r\n]*(?<![ \t])")',
                r'FIELD_VALUE: Final = re.compile(rb"(?s).*")',
                ("a_line_end_in_a_value_is_refused", "trailers_are_held_to_the_same_rules"),
            ),
            (
                "a name",
                'FIELD_NAME: Final = re.compile(rb"[!#$%&\'*+.^_`|~0-9a-z-]+")',
                'FIELD_NAME: Final = re.compile(rb"(?s)[^:].*")',
                ("a_name_that_is_none_is_refused",),
            ),
            (
                "a method",
                '\nTOKEN: Final = re.compile(rb"[!#$%&\'*+.^_`|~0-9A-Za-z-]+")',
                '\nTOKEN: Final = re.compile(rb"(?s).+")',
                ("a_method_that_is_no_token_is_refused",),
            ),
            (
                "a path",
                r'PATH: Final = re.compile(rb"/[!\"$-~]*|\*")',
                r'PATH: Final = re.compile(rb"(?s).*")',
                ("a_path_is_refused_or_made_one",),
            ),
            (
                "a host",
                r'AUTHORITY: Final = re.compile(rb"[!$-.0-9:;=A-Z\[\]_a-z~]+")',
                r'AUTHORITY: Final = re.compile(rb"(?s).+")',
                ("a_host_that_is_none_is_refused",),
            ),
        )
    ),
)
