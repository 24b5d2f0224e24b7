"""More of ``named``: pushes, truncation, windows, shutdown, time and injection."""

from __future__ import annotations

from .named import Named
from .named_outer import rows

__all__ = ["INNER"]


INNER: tuple[Named, ...] = (
    # 2. Pushes.
    *rows(
        "pushes",
        "http20/promises.py",
        (
            "pushes are counted",
            " or self._pushes_open >= self.limits.max_pushes:",
            ":",
            "a_hundred_pushes_are_kept_and_the_next_one_is_refused",
        ),
        (
            "a push of another origin",
            "if not same_origin and not self.foreign_pushes:",
            "if False:",
            "a_promise_of_what_may_not_be_pushed_is_reset",
        ),
    ),
    *rows(
        "settings",
        "http20/protocol.py",
        (
            "a head that the server will not take",
            "        if limit is not None and size > limit:\n",
            "        if False:\n",
            "a_head_that_the_server_says_it_will_not_take_is_refused_here",
        ),
    ),
    # 4. Truncation.
    *rows(
        "truncation",
        "http20/receiving.py",
        (
            "RST_STREAM with NO_ERROR is no end",
            "        if not stream.ended:\n            if not self._resets.spend():",
            "        if not (_WORD.unpack(payload)[0] or stream.ended):\n"
            "            stream.ended = True\n"
            "        if not stream.ended:\n            if not self._resets.spend():",
            "a_whole_read_of_half_a_body_fails_each_time_and_has_the_half",
        ),
    ),
    *rows(
        "truncation",
        "http20/state.py",
        (
            "a connection that ends is no end of a response",
            "            if not stream.ended and stream.error is None:\n",
            "            stream.ended = True\n            if False:\n",
            "a_whole_read_of_half_a_body_fails_each_time_and_has_the_half "
            "a_cut_reaches_every_reader_of_the_connection",
        ),
    ),
    *rows(
        "truncation",
        "sync/response.py",
        (
            "what had arrived is kept",
            'error.__dict__["partial"] = self._partial',
            "pass",
            "a_whole_read_of_half_a_body_fails_each_time_and_has_the_half",
        ),
    ),
    *rows(
        "http1",
        "http11/receiving.py",
        (
            "a body that ends with the connection, without close_notify",
            "elif self._state == REST and error is None and not self.cut_off:",
            "elif self._state == REST and error is None:",
            "a_body_that_ends_with_the_connection_needs_close_notify",
        ),
    ),
    # 5. Flow control.
    *rows(
        "flow_control",
        "http20/receiving.py",
        (
            "PING while an upload waits",
            "        self.outgoing.append(ping_frame(payload, ack=True))\n",
            "",
            "pings_are_answered_while_an_upload_waits",
        ),
    ),
    *rows(
        "flow_control",
        "sync/sending.py",
        (
            "an early answer ends the upload",
            "if exchange.headers is not None and (exchange.ended or exchange.status >= REFUSED):",
            "if False:",
            "an_early_answer_is_delivered_and_the_upload_ends",
        ),
        (
            "a body that the program fails to make",
            "        except BaseException:\n            response._pump.cancel(response._exchange)\n"
            "            raise\n\n    def _upload",
            "        except BaseException:\n            raise\n\n    def _upload",
            "a_body_that_fails_to_be_made_resets_its_stream_alone",
        ),
    ),
    *rows(
        "flow_control",
        "sync/guarded.py",
        (
            "a connection without use whose peer does not read",
            "if protocol.accepting or not (protocol.idle or protocol.closed):",
            "if True:",
            "a_connection_that_has_no_use_any_more_is_closed_though_its_server_does_not_read",
        ),
    ),
    # 6. Shutdown and retry.
    *rows(
        "shutdown",
        "sync/sending.py",
        (
            "sent again once",
            "return not response._repeated and not asked.piecewise and _rewound(asked)",
            "return not asked.piecewise and _rewound(asked)",
            "who_is_refused_again_is_told_so",
        ),
        (
            "a body that can be made once only",
            "    if not body.rewindable:\n        return False\n    body.rewind()\n",
            "    if body.rewindable:\n        body.rewind()\n",
            "a_body_that_can_be_made_once_only_is_not_sent_again",
        ),
        (
            "a body from where it began",
            "    body.rewind()\n    return True",
            "    return True",
            "a_file_is_sent_again_from_where_it_began",
        ),
        (
            "only what may be done twice",
            "            and asked.method in IDEMPOTENT\n",
            "",
            "a_post_that_may_have_been_processed_is_never_sent_again "
            "over_http_1_the_idempotent_go_on_then",
        ),
        (
            "close() sends nothing again",
            "        if response._pump.closed:\n",
            "        if False:\n",
            "closing_fails_what_was_never_sent_as_such_and_sends_it_nowhere",
        ),
    ),
    *rows(
        "shutdown",
        "http20/receiving.py",
        (
            "REFUSED_STREAM after a head",
            "                and not (stream.status or stream.informational),\n",
            ",\n",
            "a_post_that_may_have_been_processed_is_never_sent_again",
        ),
        (
            "no other code is REFUSED_STREAM",
            "retryable=code == ErrorCode.REFUSED_STREAM\n",
            "retryable=True\n",
            "a_post_that_may_have_been_processed_is_never_sent_again",
        ),
    ),
    *rows(
        "shutdown",
        "sync/pump.py",
        (
            "what arrived while the connection was idle is read first",
            "            if not self._held and self._leader is None and monotonic()",
            "            if False and monotonic()",
            "nothing_is_sent_on_a_connection_that_ended_while_it_was_idle",
        ),
    ),
    *rows(
        "shutdown",
        "http20/limits.py",
        (
            "one request until SETTINGS",
            "INITIAL_MAX_STREAMS: Final = 1\n",
            "INITIAL_MAX_STREAMS: Final = 100\n",
            "a_burst_on_a_new_connection_keeps_to_whatever_limit_comes "
            "sixteen_threads_at_once_lose_nothing_to_a_server_that_allows_few_streams",
        ),
    ),
    # 7. Time.
    *rows(
        "time",
        "sync/response.py",
        (
            "empty pieces are no progress",
            "            if not waited and self._timeout is not None:\n",
            "            if self._timeout is not None:\n",
            "what_is_no_body_does_not_put_off_the_timeout",
        ),
        (
            "an end, though octets are always there",
            "if self._until is not None and not exchange.ended and monotonic() >= self._until:",
            "if False:",
            "an_end_counts_even_if_octets_are_always_there",
        ),
    ),
    *rows(
        "time",
        "sync/dial.py",
        (
            "the timeout holds for the handshake",
            "                if not transport.wait_readable(deadline):\n",
            "                if not transport.wait_readable(None):\n",
            "it_holds_for_the_tls_handshake",
        ),
    ),
    *rows(
        "time",
        "sync/proxy.py",
        (
            "the timeout holds for a proxy's answer",
            "                if not transport.wait_readable(deadline):\n",
            "                if not transport.wait_readable(None):\n",
            "it_holds_for_a_proxys_answer "
            "hostile/test_proxies.py::test_a_proxy_that_keeps_us_waiting_is_given_up_in_time",
        ),
    ),
    *rows(
        "time",
        "sync/sending.py",
        (
            "the timeout holds for uploads",
            "            if deadline is None and timeout is not None:\n",
            "            if timeout is not None:\n",
            "room_that_another_upload_takes_first_is_no_progress",
        ),
        (
            "the timeout holds for a free stream",
            "            if pump.wait(exchange, has_slot, until):\n                return\n",
            "            if pump.wait(exchange, has_slot, None):\n                return\n",
            "it_holds_for_a_free_stream",
        ),
    ),
    *rows(
        "time",
        "sync/pump.py",
        (
            "the timeout holds for writes",
            "                        elif now >= deadline:\n",
            "                        elif False:\n",
            "it_holds_for_writing_to_who_does_not_read",
        ),
    ),
    # 8. Injection.
    *rows(
        "injection",
        "sync/request.py",
        (
            "fields about the connection",
            "        elif name not in dropped and not",
            "        elif not",
            "fields_about_the_connection_are_left_out",
        ),
        (
            "te",
            'if b"trailers" in (word.strip(b" \\t").lower() for word in value.split(b",")):\n'
            '                fields.append((b"te", b"trailers"))',
            'if True:\n                fields.append((b"te", value))',
            "te_says_trailers_or_nothing",
        ),
        (
            "Host becomes the authority",
            '        elif name == b"host":\n',
            '        elif name == b"nobody":\n',
            "host_becomes_the_authority_and_is_said_once",
        ),
    ),
    *rows(
        "injection",
        "common/body.py",
        (
            "a length that is not the body's",
            "if declared is not None and self.size is not None and declared != self.size:",
            "if False:",
            "a_length_that_is_not_the_bodys_never_leaves_whole",
        ),
    ),
)
