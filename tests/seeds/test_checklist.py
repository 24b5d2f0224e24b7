"""Everything that the first documents promise, and everything that hurt elsewhere, by number.

``POINTS`` are the 63 promises of the announcement (0.0.1), the update (0.1.0), the documentation
(0.3.0) and the later Advanced Usage, in their order. Each names the tests that show it. What
history has overtaken stands in the migration page too, by its number, with the reason.

``SYMPTOMS`` are 32 complaints of users of other clients, as far as they touch the native door for
threads. Each names the tests that show that ours is well.

A name is ``file below tests::test``; ``5_1::test_x`` means the file of that section in
``conformance/rfc9113``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
MIGRATION = TESTS.parent / "docs" / "guides" / "migrating-from-hyper.md"

EXAMPLES = "seeds/test_examples.py::test_"
PROMISES = "seeds/test_promises.py::test_"
REGRESSIONS = "seeds/test_regressions.py::test_"
CONNECTION = "unit/sync/test_connection.py::test_"
RESPONSE = "unit/sync/test_response.py::test_"
REQUEST = "unit/sync/test_request.py::test_"
FAILURES = "faults/test_failure_matrix.py::test_"
CROWDS = "threads/test_crowds.py::test_"
TURNS = "threads/test_turns.py::test_"
TLS = "unit/test_tls.py::test_"
CLI = "unit/cli/test_main.py::test_"
ARGUMENTS = "unit/cli/test_arguments.py::test_"
PACKAGE = "test_package.py::test_"

#: The promise in a few words, and the tests that show it.
POINTS: dict[int, tuple[str, list[str]]] = {
    1: ("an HTTP/2 client for Python", [EXAMPLES + "the_five_lines_of_the_front_page"]),
    2: ("pure Python", [PROMISES + "every_file_of_the_package_is_python"]),
    3: (
        "no dependency",
        [
            PACKAGE + "nothing_is_required_beside_python",
            PACKAGE + "it_imports_and_makes_a_connection_with_no_package_installed",
        ],
    ),
    4: ("MIT", [PROMISES + "the_licence_is_mit"]),
    5: ("pip installs it", [PROMISES + "it_is_installed_with_pip"]),
    6: ("which Pythons", [PACKAGE + "the_version_is_one_fact"]),
    7: (
        "which protocols",
        [
            "conformance/test_traceability.py::test_every_rule_has_a_test_or_a_reason",
            "conformance/rfc7541/test_appendix_c.py::test_",
        ],
    ),
    8: ("its documentation", [PROMISES + "the_documentation_has_the_chapters_it_had"]),
    9: ("covered by tests", ["test_dev.py::test_it_installs_once_and_again_when"]),
    10: ("be cordial", [PROMISES + "be_cordial_or_be_on_your_way"]),
    11: (
        "no cryptic error without HTTP/2",
        [
            FAILURES + "a_server_without_h2_says_what_alpn_chose",
            CONNECTION + "without_h2_the_error_says_what_alpn_chose",
        ],
    ),
    12: (
        "http.client's interface",
        [
            EXAMPLES + "sequential_requests_use_the_same_api",
            EXAMPLES + "a_program_for_http_client_needs_one_other_import",
        ],
    ),
    13: ("names at the top", [PROMISES + "the_names_of_the_front_door"]),
    14: ("host and port", [CONNECTION + "ports_and_tls", REQUEST + "hosts_and_ports"]),
    15: ("request() returns an id", [EXAMPLES + "the_first_request_of_the_quickstart"]),
    16: (
        "data=",
        [
            EXAMPLES + "three_streams_read_in_another_order",
            CONNECTION + "body_and_data_are_one_thing",
        ],
    ),
    17: (
        "getresponse and get_response",
        [PROMISES + "both_names_for_asking_are_one_method"],
    ),
    18: ("read() gives bytes", [EXAMPLES + "the_front_page_of_0_3_0"]),
    19: ("status is an int", [EXAMPLES + "the_first_request_of_the_quickstart"]),
    20: (
        "headers are lists of bytes",
        [
            EXAMPLES + "the_first_request_of_the_quickstart",
            "unit/common/test_headers.py::test_the_representation_shows_the_lines_in_their_order",
        ],
    ),
    21: ("one request after the other", [EXAMPLES + "sequential_requests_use_the_same_api"]),
    22: ("no id over HTTP/1.1", [EXAMPLES + "the_first_request_over_http_1_1"]),
    23: (
        "several at once, read in any order",
        [
            EXAMPLES + "three_streams_read_in_another_order",
            CONNECTION + "ids_and_responses_in_any_order",
        ],
    ),
    24: (
        "heads are not corrupted by the order",
        [
            PROMISES + "heads_read_in_another_order_than_they_were_asked_for_are_whole",
            "4_3::test_headers_on_a_cancelled_stream_still_teach_the_decoder",
        ],
    ),
    25: (
        "ids for queues of threads",
        [EXAMPLES + "a_thread_with_a_queue_of_requests_and_one_of_responses"],
    ),
    26: (
        "global connections",
        [
            EXAMPLES + "a_connection_may_be_global_now",
            CROWDS + "sixteen_threads_get_while_threads_switch_all_the_time",
        ],
    ),
    27: (
        "a request queue and a response queue",
        [EXAMPLES + "a_thread_with_a_queue_of_requests_and_one_of_responses"],
    ),
    28: (
        "no thread, no event loop",
        [
            PROMISES + "no_thread_is_started_and_no_event_loop",
            PACKAGE + "importing_it_brings_in_nothing_heavy",
        ],
    ),
    29: (
        "HTTP/1.1 without knowing",
        [PROMISES + "a_program_written_for_http_2_runs_where_only_http_1_1_is_spoken"],
    ),
    30: ("HTTP11Connection", [EXAMPLES + "the_first_request_over_http_1_1"]),
    31: (
        "HTTP/1.1 chunk by chunk",
        [EXAMPLES + "chunked_responses", EXAMPLES + "each_chunk_of_http_1_1_is_one_item"],
    ),
    32: (
        "certificates are verified",
        [
            FAILURES + "a_certificate_of_a_strange_authority_is_refused",
            FAILURES + "a_certificate_for_another_name_is_refused",
        ],
    ),
    33: ("authorities", [TLS + "the_bundle_of_the_system_is_found"]),
    34: (
        "verification stays on",
        [PROMISES + "without_a_word_only_a_context_of_ones_own_turns_verification_off"],
    ),
    35: (
        "ALPN and TLS 1.2",
        [
            TLS + "our_contexts_offer_h2_first",
            TLS + "our_contexts_verify_and_speak_tls_1_2_or_better",
        ],
    ),
    36: ("files are streamed", [EXAMPLES + "a_streaming_upload_by_the_data_parameter"]),
    37: (
        "streaming downloads",
        [
            RESPONSE + "reading_so_many_octets_at_a_time",
            "flow/test_unread.py::test_the_window_grows_with_a_reader_that_keeps_up",
        ],
    ),
    38: (
        "decompression",
        [
            EXAMPLES + "decompression_and_how_to_do_without_it",
            EXAMPLES + "deflate_over_http_1_1_is_taken_off",
        ],
    ),
    39: ("decode_content=False", [EXAMPLES + "decompression_and_how_to_do_without_it"]),
    40: (
        "read_chunked",
        [
            EXAMPLES + "chunked_responses",
            EXAMPLES + "compressed_chunks",
            EXAMPLES + "each_data_frame_is_one_item_and_may_be_empty",
        ],
    ),
    41: (
        "trailers",
        [RESPONSE + "interim_heads_and_trailers", REGRESSIONS + "trailers_come_where_there_is"],
    ),
    42: ("connections in with", [EXAMPLES + "connections_as_context_managers"]),
    43: ("responses in with", [EXAMPLES + "responses_as_context_managers"]),
    44: ("after close()", [CONNECTION + "what_had_arrived_before_close_stays_readable"]),
    45: (
        "flow control is obeyed",
        [
            "6_9::test_an_upload_needs_room_in_both_windows",
            "5_2::test_an_unread_response_stops_at_its_own_window",
        ],
    ),
    46: (
        "a sensible manager",
        [
            "unit/http20/test_window.py::test_the_default_waits_until_a_quarter_of_the_window",
            "flow/test_simulated_links.py::test_a_distant_download_is_not_slower_than_its_link",
        ],
    ),
    47: (
        "managers of one's own",
        [
            EXAMPLES + "a_window_manager_of_ones_own",
            "flow/test_window_managers.py::test_the_manager_of_the_documentation_works_as_it",
        ],
    ),
    48: (
        "managers hear everything",
        [
            "flow/test_window_managers.py::test_managers_hear_of_every_octet",
            "flow/test_window_managers.py::test_a_manager_of_a_stream_knows_the_size_of_the_doc",
        ],
    ),
    49: (
        "push for those who ask",
        [EXAMPLES + "pushes", EXAMPLES + "a_push_is_nobodys_business_unless_asked_for"],
    ),
    50: ("get_pushes", [EXAMPLES + "pushes", EXAMPLES + "a_push_can_be_cancelled"]),
    51: (
        "pushes before, between and after",
        [EXAMPLES + "pushes", "8_4::test_a_promise_comes_anywhere_in_a_response"],
    ),
    52: ("HTTP20Push", [EXAMPLES + "pushes", EXAMPLES + "a_push_can_be_cancelled"]),
    53: ("a push's origin", ["8_4::test_a_promise_that_may_not_be_made_is_reset"]),
    54: (
        "HPACK of our own, duplicates kept",
        [
            "conformance/rfc7541/test_appendix_c.py::test_",
            "8_2::test_fields_keep_their_order_and_their_repetitions",
        ],
    ),
    55: (
        "nghttp2's HPACK",
        [
            "unit/hpack/test_init.py::test_the_binding_is_all_the_configuration_there_is",
            "unit/hpack/test_nghttp2.py::test_the_binding_leads_to_what_it_is_linked_with",
        ],
    ),
    56: (
        "64 kB at a time",
        [
            "unit/sync/test_transport.py::test_much_at_once_arrives_whole_in_bounded_pieces",
            "unit/sync/test_transport.py::test_the_hot_path_is_three_calls",
        ],
    ),
    57: ("PING is answered", ["6_7::test_a_ping_is_answered_with_its_own_octets"]),
    58: ("HTTP20Adapter", [EXAMPLES + "requests_with_the_adapter_mounted"]),
    59: ("HTTPie", ["contrib/test_httpie.py::test_the_status_line_says_http_2"]),
    60: (
        "the command",
        [ARGUMENTS + "a_url_is_enough", ARGUMENTS + "the_method_may_be_missing", CLI + "get"],
    ),
    61: ("its items", [ARGUMENTS + "items", ARGUMENTS + "the_documentations_post", CLI + "post"]),
    62: ("its output", ["unit/cli/test_output.py::test_json_is_indented_on_a_terminal"]),
    63: ("--debug", [CLI + "debug_shows_the_frames_on_stderr"]),
}

#: What history has overtaken: the migration page says why.
OVERTAKEN = {5, 6, 7, 9, 26, 33, 34, 35, 36, 44, 49, 53, 62}

SYMPTOMS: dict[int, tuple[str, list[str]]] = {
    1: (
        "errors when threads share a client",
        [
            CROWDS + "sixteen_threads_get_while_threads_switch_all_the_time",
            CROWDS + "forty_threads_post_through_one_connection",
        ],
    ),
    2: (
        "deadlock while connecting",
        [
            CROWDS + "everyone_who_needs_a_connection_waits_for_one_dial",
            TURNS + "nobody_waits_with_the_lock_or_acts_without_it",
            "contrib/test_sharing.py::test_forty_threads_of_a_session_share_one_connection",
        ],
    ),
    3: (
        "cancelled streams are never freed",
        [
            REGRESSIONS + "cancelled_requests_never_use_up_the_streams",
            REGRESSIONS + "the_server_is_told_of_every_cancelled_request",
        ],
    ),
    4: (
        "a lowered limit of streams is a deadlock",
        [
            "flow/test_stream_limits.py::test_a_limit_lowered_below_what_is_open_lets_those",
            "flow/test_stream_limits.py::test_a_limit_that_goes_down_up_to_nothing_and_back",
        ],
    ),
    5: (
        "no limit, or a huge one, is mishandled",
        ["flow/test_stream_limits.py::test_any_limit_or_none_at_all_is_kept"],
    ),
    6: (
        "GOAWAY loses requests",
        [
            "6_8::test_a_two_step_shutdown_loses_nothing",
            "6_8::test_streams_above_the_last_one_were_not_processed_and_may_be_sent_again",
            CROWDS + "a_crowd_gets_over_goodbye_after_goodbye",
            CONNECTION + "what_the_goodbye_left_out_is_sent_on_a_new_connection",
        ],
    ),
    7: (
        "REFUSED_STREAM is not retried",
        [
            FAILURES + "a_request_that_was_surely_not_processed_is_sent_again",
            CONNECTION + "a_refused_upload_is_sent_once_more_if_its_body_can_be",
        ],
    ),
    8: (
        "a window below zero is a crash",
        ["flow/test_uploads.py::test_an_upload_waits_while_its_window_is_negative_and_goes_on"],
    ),
    9: (
        "parallel uploads wait for ever",
        ["flow/test_uploads.py::test_eight_parallel_uploads_all_get_through_small_windows"],
    ),
    10: (
        "an early answer hangs the upload",
        ["flow/test_uploads.py::test_a_refusal_in_the_midst_of_an_upload_is_delivered"],
    ),
    11: (
        "slower than HTTP/1.1 over a distance",
        ["flow/test_simulated_links.py::test_a_distant_download_is_not_slower_than_its_link"],
    ),
    12: (
        "an unread response starves the others",
        [
            "flow/test_unread.py::test_an_unread_response_neither_starves_nor_bloats_the_one",
        ],
    ),
    13: (
        "dead idle connections are noticed too late",
        [
            REGRESSIONS + "a_peer_that_has_fallen_silent_is_noticed_by_a_ping",
            FAILURES + "a_connection_that_ended_while_idle_is_replaced",
        ],
    ),
    14: (
        "a response that breaks off spins or hangs",
        [REGRESSIONS + "a_response_that_breaks_off_costs_no_processor_time_and_nobody_hangs"],
    ),
    15: (
        "an event loop is starved",
        [REGRESSIONS + "an_event_loop_is_not_starved_by_requests_in_flight"],
    ),
    16: (
        "memory grows with closed streams",
        [
            "10_5::test_closed_streams_are_remembered_as_a_number",
            "5_1_2::test_two_thousand_exchanges_leave_nothing_behind",
        ],
    ),
    17: (
        "timeouts are missing or unnamed",
        [
            FAILURES + "no_progress_is_a_timeout_whatever_else_arrives",
            CONNECTION + "connecting_and_the_rest_have_timeouts_of_their_own",
            RESPONSE + "a_timeout_names_what_it_waited_for",
        ],
    ),
    18: (
        "headers change on their way",
        [
            REQUEST + "commas_stay_as_they_are_written",
            REQUEST + "fields_about_an_http11_connection_are_left_out",
            REQUEST + "te_may_say_one_word_only",
        ],
    ),
    19: (
        "get_response() gives the wrong one",
        [
            CONNECTION + "ids_and_responses_in_any_order",
            CONNECTION + "without_an_id_claimed_ones_are_passed_over",
            "8_1::test_interim_heads_come_before_the_final_one",
        ],
    ),
    20: (
        "no trailers, no full duplex",
        [
            REGRESSIONS + "trailers_come_where_there_is_no_body_as_well",
            REGRESSIONS + "a_body_and_its_echo_flow_at_once",
        ],
    ),
    21: (
        "no HTTP/2 without TLS",
        [
            "interop/test_semantics.py::test_prior_knowledge_on_cleartext",
            "unit/http11/test_receiving.py::test_a_server_may_accept_the_upgrade",
            "unit/http11/test_receiving.py::test_an_upgrade_to_something_else_is_refused",
        ],
    ),
    22: (
        "a wrong Content-Length is a riddle",
        [
            "unit/common/test_body.py::test_a_declared_length_that_is_not_the_bodys_is_refused",
            "unit/common/test_body.py::test_a_streamed_body_that_falls_short_is_an_error",
        ],
    ),
    23: (
        "stream ids run out",
        [CONNECTION + "stream_ids_that_run_out_mean_a_new_connection"],
    ),
    24: (
        "foreign exceptions escape",
        [
            REGRESSIONS + "nothing_but_documented_errors_escapes_where_the_server_is_no_http_2",
            "property/test_protocol.py::test_garbage_ends_in_a_documented_error_or_is_ignored",
        ],
    ),
    25: (
        "interrupts leak streams",
        ["threads/test_interrupts.py::test_an_interrupt_at_any_point_leaves_nobody_without_a"],
    ),
    26: (
        "floods",
        [
            "10_5::test_a_block_goes_on_for_at_most_64_continuations",
            "10_5::test_one_answer_has_at_most_100_interim_heads",
            "10_5::test_useless_frames_have_an_allowance",
            "10_5::test_at_most_1000_acknowledgements_wait",
        ],
    ),
    27: (
        "headers take the square of their length",
        [REGRESSIONS + "a_large_field_block_is_decoded_in_linear_time"],
    ),
    28: (
        "long downloads stall",
        [
            "5_2::test_padding_gives_both_windows_back_though_no_reader_takes_it",
            "flow/test_volume.py::test_2_gib_in_odd_frames_leave_the_windows_where_they_were",
        ],
    ),
    29: (
        "a new Python, or another package's version, breaks it",
        [
            PACKAGE + "nothing_is_required_beside_python",
            PACKAGE + "no_version_of_python_or_of_a_package_is_too_new",
            PACKAGE + "a_new_python_finds_nothing_that_it_warns_of",
            PACKAGE + "other_packages_for_http_2_cannot_break_it",
        ],
    ),
    30: (
        "one package changes another",
        [PROMISES + "importing_hyper_changes_nothing_of_anybody_elses"],
    ),
    32: (
        "an idle connection with octets to read is thrown away",
        [
            REGRESSIONS + "a_settings_or_ping_that_comes_while_idle_costs_no_connection",
            TURNS + "settings_and_pings_that_came_while_idle_are_no_goodbye",
        ],
    ),
}

#: A symptom of what the native door is not: a pool that opens more connections.
ELSEWHERE = {31}


def exists(name: str) -> bool:
    """Whether a test begins with this name; ``a::test_`` is any test of the file."""
    place, _, test = name.partition("::")
    if not place.endswith(".py"):
        place = f"conformance/rfc9113/test_section_{place}.py"
    path = TESTS / place
    return path.exists() and bool(re.search(rf"^def {test}", path.read_text("utf-8"), re.M))


def row(number: int) -> str:
    """The line of the migration page about a point, or nothing."""
    page = MIGRATION.read_text(encoding="utf-8")
    found = re.search(rf"^\| {number} [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    return found[0] if found else ""


def test_all_63_points_are_on_the_list() -> None:
    assert list(POINTS) == list(range(1, 64))


def test_all_32_symptoms_are_on_the_list_or_belong_elsewhere() -> None:
    assert sorted([*SYMPTOMS, *ELSEWHERE]) == list(range(1, 33))


@pytest.mark.parametrize("number", POINTS)
def test_a_point_has_tests_that_exist(number: int) -> None:
    promise, shown = POINTS[number]
    assert promise
    assert shown, f"point {number} ({promise}) is shown by nothing"
    for name in shown:
        assert exists(name), f"point {number} ({promise}): there is no {name}"


@pytest.mark.parametrize("number", SYMPTOMS)
def test_a_symptom_has_tests_that_exist(number: int) -> None:
    symptom, shown = SYMPTOMS[number]
    assert shown, f"R{number} ({symptom}) is shown by nothing"
    for name in shown:
        assert exists(name), f"R{number} ({symptom}): there is no {name}"


@pytest.mark.parametrize("number", POINTS)
def test_the_migration_page_says_why_of_what_is_overtaken_and_of_nothing_else(number: int) -> None:
    said = row(number)
    assert bool(said) is (number in OVERTAKEN), POINTS[number][0]
    if said:
        assert len(said.split("|")[2].split()) > 3, said


def test_this_test_knows_what_is_not_there() -> None:
    assert not exists("seeds/test_checklist.py::test_that_is_not_there")
    assert not exists("seeds/test_nothing.py::test_")
    assert exists("5_1::test_each_frame_in_each_state")
    assert row(64) == ""
