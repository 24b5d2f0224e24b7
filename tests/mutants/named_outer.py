"""More of ``named``: codings, TLS, proxies, and what is around the protocol."""

from __future__ import annotations

from .named import Named

__all__ = ["OUTER", "rows"]


def rows(group: str, file: str, *rows: tuple[str, str, str, str]) -> tuple[Named, ...]:
    """Rows of one group and one file: what it says, old, new, and the scenarios."""
    return tuple(
        Named(
            row,
            file,
            old,
            new,
            tuple(
                test if "/" in test else f"hostile/test_{group}.py::test_{test}"
                for test in tests.split()
            ),
        )
        for row, old, new, tests in rows
    )


OUTER: tuple[Named, ...] = (
    # 10. Decompression.
    *rows(
        "decompression",
        "common/coding.py",
        (
            "gzip and deflate give no more than was asked for",
            "decompress(self._zlib.unconsumed_tail + data, max_length)",
            "decompress(self._zlib.unconsumed_tail + data)",
            "never_more_is_produced_than_was_asked_for pieces_of_a_bomb_are_bounded",
        ),
        (
            "br gives no more than was asked for",
            "limit = min(max_length, BLOCK_SIZE)",
            "limit = 1 << 30",
            "never_more_is_produced_than_was_asked_for pieces_of_a_bomb_are_bounded",
        ),
        (
            "br hands over what was asked for",
            "return out[:max_length] if self._surplus else out",
            "return out",
            "whatever_is_asked_for_at_a_time_it_is_the_same_body",
        ),
        (
            "zstd gives no more than was asked for",
            "out = self._member.decompress(data, max_length)",
            'out = self._member.decompress(data, 1 << 30 if coding.name == "zstd" else max_length)',
            "never_more_is_produced_than_was_asked_for pieces_of_a_bomb_are_bounded",
        ),
        (
            "a coding in a chain gives a block at a time",
            "data = self._pull(index - 1, BLOCK_SIZE)",
            "data = self._pull(index - 1, 1 << 30)",
            "what_one_coding_hands_to_the_next_is_bounded",
        ),
        (
            "a chain that comes to nothing",
            "if stage.barren > MAX_BARREN_SIZE:",
            "if False:",
            "a_chain_that_comes_to_nothing_is_given_up",
        ),
        (
            "empty members",
            "if self._empty > MAX_EMPTY_MEMBERS:",
            "if False:",
            "empty_members_are_counted a_chain_of_empty_members_is_given_up",
        ),
        (
            "five codings",
            "if len(names) > MAX_CODINGS:",
            "if False:",
            "codings_are_counted_over_all_fields",
        ),
        (
            "codings in many fields",
            'b",".join(content_encodings).split(b",")',
            'b",".join([*content_encodings][:1]).split(b",")',
            "codings_are_counted_over_all_fields",
        ),
        (
            "the window of zstd",
            "options = {zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG}",
            "options: dict[Any, int] = {}",
            "a_window_of_zstd_above_8_mib_is_refused",
        ),
        (
            "a stream that stops short",
            "            stage.finish()\n",
            "            pass\n",
            "a_stream_that_stops_short_within_a_whole_response_is_an_error_that_stays "
            "read_by_pieces_the_end_that_is_missing_is_an_error_as_well",
        ),
        (
            "the inner coding of a chain stops short",
            "        for stage in self._stages:\n",
            "        for stage in self._stages[:1]:\n",
            "either_coding_of_a_chain_may_stop_short",
        ),
        (
            "octets behind a coded stream",
            "        if coding.strict:\n",
            "        if False:\n",
            "what_comes_when_a_coded_stream_has_ended_already",
        ),
        (
            "several members",
            "            if data.startswith(coding.another):\n",
            "            if False:\n",
            "members_and_frames_are_one_body",
        ),
        (
            "a coding that is unknown",
            "Decoder(codings) if codings and len(codings) == len(names) else None",
            "Decoder(codings) if codings else None",
            "a_coding_that_is_unknown_leaves_the_body_as_it_is",
        ),
        (
            "names in any case",
            'name.strip(b" \\t").lower() for name',
            'name.strip(b" \\t") for name',
            "names_of_codings_in_any_case_and_with_neighbours_that_are_none",
        ),
        (
            "bare deflate",
            "            if data[0] & 0x8F != 0x08 or (data[0] << 8 | data[1]) % 31:\n",
            "            if False:\n",
            "every_coding_is_taken_off",
        ),
    ),
    *rows(
        "decompression",
        "sync/response.py",
        (
            "an error of decoding stays",
            "if self._error is None and not self._resting and not is_interrupt(error):",
            "if False:",
            "a_stream_that_stops_short_within_a_whole_response_is_an_error_that_stays",
        ),
    ),
    *rows(
        "decompression",
        "contrib/urllib3_response.py",
        (
            "urllib3 is given coded octets",
            "return self._response.read(amt, decode_content=False)",
            "return self._response.read(amt)",
            "urllib3_reads_a_bomb_by_pieces_in_bounded_memory",
        ),
    ),
    *rows(
        "decompression",
        "contrib/httpx.py",
        (
            "httpx is given coded octets",
            "yield from self._response.read_chunked(decode_content=False)",
            "yield from self._response.read_chunked()",
            "httpx_gets_the_octets_as_they_come",
        ),
    ),
    # 11. TLS and names.
    *rows(
        "tls",
        "tls.py",
        (
            "versions of TLS",
            "context.minimum_version = ssl.TLSVersion.TLSv1_2",
            "context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED",
            "contexts_of_ours_neither_compress_nor_renegotiate",
        ),
        (
            "compression",
            "context.options |= ssl.OP_NO_COMPRESSION | getattr",
            "context.options &= ~ssl.OP_NO_COMPRESSION\n    context.options |= getattr",
            "contexts_of_ours_neither_compress_nor_renegotiate",
        ),
        (
            "renegotiation",
            'ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", 0)',
            "ssl.OP_NO_COMPRESSION",
            "contexts_of_ours_neither_compress_nor_renegotiate "
            "unit/sync/test_transport.py"
            "::test_a_server_that_wants_to_renegotiate_is_refused_by_our_contexts",
        ),
        (
            "names in the subject",
            "context.hostname_checks_common_name = False",
            "context.hostname_checks_common_name = True",
            "a_name_in_the_subject_alone_is_none",
        ),
        (
            "ciphers on the black list",
            "context.set_ciphers(_CIPHERS)",
            'context.set_ciphers("DEFAULT")',
            "ciphers_on_the_black_list_are_refused_by_our_contexts",
        ),
    ),
    *rows(
        "tls",
        "sync/dial.py",
        (
            "HTTP/2 over TLS 1.1",
            'if tls.selected_alpn_protocol() == "h2" and tls.version() not in',
            "if not tls and tls.version() not in",
            "unit/sync/test_dial.py"
            "::test_http2_over_tls_1_1_is_refused_even_in_a_context_that_allows_it",
        ),
    ),
    *rows(
        "tls",
        "sync/dialling.py",
        (
            "no h2 by ALPN, insisting on it",
            'if self.secure and transport.alpn != "h2" and self.force_proto != "h2":',
            "if False:",
            "without_h2_by_alpn_no_preface_is_sent",
        ),
        (
            "no h2 by ALPN, taking either",
            'over_http20 = 20 in self._versions and "h2" in (transport.alpn, self.force_proto)',
            "over_http20 = 20 in self._versions",
            "without_h2_by_alpn_no_preface_is_sent",
        ),
    ),
    *rows(
        "tls",
        "contrib/urllib3.py",
        (
            "no h2 by ALPN, urllib3",
            '            if alpn != "h2":\n',
            "            if False:\n",
            "without_h2_by_alpn_no_preface_is_sent",
        ),
        (
            "a pool that verifies otherwise now",
            "            self.cert_reqs,\n            self.ca_certs,\n",
            "",
            "a_pool_whose_settings_change_dials_anew",
        ),
    ),
    *rows(
        "tls",
        "contrib/httpx.py",
        (
            "verification is what happens by itself",
            "    if verify is False:\n",
            "    if True:\n",
            "nobody_is_trusted_whom_the_system_does_not_know",
        ),
    ),
    *rows(
        "tls",
        "client.py",
        (
            "a shared connection: who verifies otherwise",
            "own = (self.verify_mode, self.check_hostname, self._own_certificate)",
            "own = (self._own_certificate,)",
            "a_shared_connection_is_for_those_who_verify_the_same_and_are_the_same",
        ),
        (
            "a shared connection: who is somebody else",
            "own = (self.verify_mode, self.check_hostname, self._own_certificate)",
            "own = (self.verify_mode, self.check_hostname)",
            "a_shared_connection_is_for_those_who_verify_the_same_and_are_the_same",
        ),
        (
            "no h2 by ALPN, the drop-in",
            '            if made.selected_alpn_protocol() != "h2":\n                return made\n'
            "            pump",
            "            pump",
            "without_h2_by_alpn_no_preface_is_sent",
        ),
    ),
    # 12. Redirects and proxies.
    *rows(
        "proxies",
        "sync/proxy.py",
        (
            "a proxy that refuses",
            "        if exchange.status >= 300:\n",
            "        if False:\n",
            "the_page_of_a_proxy_that_refuses_is_never_an_answer "
            "the_native_door_says_what_a_proxy_answered",
        ),
        (
            "octets behind the 200",
            "        if protocol.switched:\n",
            "        if False:\n",
            "octets_behind_the_200_of_a_proxy_are_refused",
        ),
        (
            "what is for the proxy is told to it",
            'octets(target), b"", proxy.headers, end=True',
            'octets(target), b"", [], end=True',
            "a_proxy_is_told_what_is_for_it_and_the_origin_is_not",
        ),
    ),
    *rows(
        "proxies",
        "sync/dialling.py",
        (
            "what is for the proxy is not told to the origin",
            "        if self._proxy is not None and self._forwarded:\n            headers =",
            "        if self._proxy is not None:\n            headers =",
            "hostile/test_proxies.py::test_over_http_1_the_origin_is_not_told_either",
        ),
    ),
    *rows(
        "proxies",
        "sync/socks.py",
        (
            "a SOCKS proxy that is silent or slow",
            "wait_readable(self._deadline)",
            "wait_readable(None)",
            "native/test_socks.py::test_octets_that_trickle_in_are_not_waited_for_one_by_one",
        ),
    ),
    *rows(
        "proxies",
        "http11/receiving.py",
        (
            "the head of a proxy's answer, as it comes",
            "max_size = limits.MAX_CONNECT_HEAD if connect else limits.MAX_HEAD",
            "max_size = limits.MAX_HEAD * 1000",
            "the_answer_of_a_proxy_that_has_no_end_is_given_up",
        ),
        (
            "the head of a proxy's answer",
            'if exchange.method == b"CONNECT" and size > limits.MAX_CONNECT_HEAD:',
            "if False:",
            "the_head_of_a_proxys_answer_is_bounded",
        ),
    ),
    # 13. Around the protocol.
    *rows(
        "around",
        "sync/transport.py",
        (
            "fork",
            "    os.register_at_fork(after_in_child=_drop_inherited)\n",
            "    pass\n",
            "the_child_of_a_fork_neither_writes_on_nor_ends_the_parents_connection",
        ),
        (
            "descriptors",
            "or self._writing or self._waiting):\n            self._sock.close()\n",
            "or self._writing or self._waiting):\n            pass\n",
            "clients_that_are_dropped_close_by_themselves close_wakes_every_reader_with_an_error",
        ),
    ),
    *rows(
        "around",
        "sync/forking.py",
        (
            "fork, while another thread holds a lock",
            "    os.register_at_fork(after_in_child=_set_right)\n",
            "    pass\n",
            "threads/test_forks.py::test_a_context_of_the_drop_in "
            "threads/test_forks.py::test_a_transport_of_httpx",
        ),
    ),
    *rows(
        "around",
        "sync/dial.py",
        (
            "handshakes that fail",
            "        transport.close()  # without effect once detached\n",
            "        pass\n",
            "handshakes_that_fail_leave_nothing",
        ),
    ),
    *rows(
        "around",
        "sync/guarded.py",
        (
            "close() wakes everybody",
            'self._end(ConnectionError("the connection was closed on this side"), woken)',
            "self.over = ConnectionError()",
            "close_wakes_every_reader_with_an_error",
        ),
    ),
    *rows(
        "around",
        "sync/response.py",
        (
            "an error for each thread",
            "    own: Any = own_copy(error)\n",
            "    own: Any = error\n",
            "an_error_of_one_thread_is_not_another_ones",
        ),
    ),
    *rows(
        "around",
        "sync/piecewise.py",
        (
            "requests that are never sent",
            "            for forgotten in list(self._drafts)[:-MAX_DRAFTS]:\n",
            "            for forgotten in ():\n",
            "requests_that_are_begun_and_never_sent_are_forgotten",
        ),
    ),
    *rows(
        "around",
        "sync/connection.py",
        (
            "an id that close() has not heard of",
            "        elif pump.closed:\n",
            "        elif False:\n",
            "an_id_that_close_has_not_heard_of_means_no_request",
        ),
        (
            "close() says first that it was called",
            "                pump.closed = True\n",
            "",
            "an_id_that_close_has_not_heard_of_means_no_request",
        ),
    ),
    *rows(
        "around",
        "sync/piecewise.py",
        (
            "a request that was begun goes with its connection",
            "self._drafts.get(draft.key) is not draft:",
            "False:",
            "a_request_that_is_begun_goes_with_its_connection",
        ),
        (
            "an id is kept on one connection",
            "            if pump.closed:\n                raise own_error",
            "            if False:\n                raise own_error",
            "closing_while_the_head_of_a_request_is_finished",
        ),
    ),
    *rows(
        "around",
        "sync/rendering.py",
        (
            "names that a server makes up",
            "    if len(_SPELLINGS) < MAX_SPELLINGS and len(name) <= MAX_SPELLING_LENGTH:\n",
            "    if len(_SPELLINGS) < MAX_SPELLINGS:\n",
            "field_names_that_a_server_makes_up_are_not_kept_for_the_process",
        ),
    ),
    *rows(
        "around",
        "hpack/huffman.py",
        (
            "strings of the whole process",
            "            if len(self) >= MAX_STRINGS:\n",
            "            if False:\n",
            "what_one_connection_has_decoded_tells_another_one_nothing",
        ),
    ),
    *rows(
        "around",
        "hpack/encoder.py",
        (
            "secrets are not compressed by tables",
            "        if name in SECRETS or (name in SECRETS_WHEN_SHORT and len(value) < SHORT):\n",
            "        if False:\n",
            "unit/hpack/test_encoder.py::test_secrets_are_never_indexed",
        ),
    ),
    *rows(
        "around",
        "http20/budget.py",
        (
            "a clock that goes back",
            "max(now - self._since, 0.0)",
            "(now - self._since)",
            "unit/http20/test_budget.py::test_a_clock_that_goes_back_takes_nothing_away",
        ),
    ),
)
