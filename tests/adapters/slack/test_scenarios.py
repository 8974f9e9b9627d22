"""What a team can meet in Slack, numbered: each scenario has its tests, or says why it can have none."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]

SCENARIOS: dict[int, tuple[str, str]] = {
    # Transport
    1: ("an event is acknowledged after its write", "client an_event_is_acknowledged_once_it_is_kept"),
    2: ("a write fails: no acknowledgement, told again, stored once", "client what_cannot_be_kept_is_not_acknowledged"),
    3: (
        "the same envelope twice, the same message in new envelopes, retries long after",
        "client an_event_told_many_times_counts_once, http a_request_that_is_replayed_or_sent_again",
    ),
    4: ("messages, edits and deletions in any order", "client messages_edits_and_deletions_in_any_order"),
    5: ("a flood with commands between", "load a_flood_with_commands_between_loses_nothing"),
    6: ("a write stalls", "client a_write_that_takes_too_long_is_not_acknowledged"),
    7: (
        "disconnects: warning, refresh_requested, link_disabled",
        "client a_disconnect_loses_nothing, client socket_mode_switched_off_is_said",
    ),
    8: ("a line that is cut, also within a frame", "client a_cut_line_is_mended"),
    9: (
        "a socket that answers no ping",
        "client a_socket_that_answers_no_ping_is_left, client a_socket_that_is_open_and_brings",
    ),
    10: (
        "a refused handshake, at the start and on a refresh",
        "client a_refused_handshake_is_no_dead_end, client a_refused_handshake_on_refresh",
    ),
    11: (
        "apps.connections.open: 429, 500, HTML, invalid_auth",
        "client a_start_while_slack_stumbles, client a_bad_app_token_is_named",
    ),
    12: ("events split between two sockets", "client events_that_are_split_between_two_sockets"),
    13: ("an acknowledgement on another socket", "client what_is_kept_while_the_line_changes"),
    14: (
        "SIGTERM with events under way",
        "processes the_real_command_ends_in_peace, client stopping_waits_for_what_is_being_kept",
    ),
    15: (
        "kill -9 between keeping and acknowledging, and at any time",
        "processes being_killed_between_keeping_and_acknowledging, replay being_killed_changes_nothing",
    ),
    16: (
        "unknown workspace, unknown type, app_rate_limited, broken JSON, 100 KB, missing keys",
        "client an_event_of_an_unknown_workspace, client every_shape_that_nobody_handles, "
        "http held_back_events_are_acknowledged, http broken_json_is_a_bad_request, "
        "client a_hundred_kilobytes_are_kept, client a_payload_of_no_known_kind_is_survived",
    ),
    # Identity
    17: ("auth.test fails when an event comes", "client no_event_depends_on_slack_saying_who_we_are"),
    18: (
        "a token revoked or expired while running",
        "client a_token_that_stops_working, client losing_access_is_said_in_the_log",
    ),
    19: (
        "a missing scope, by feature",
        "client a_missing_scope_is_said_at_the_start, client a_feature_whose_scope_is_missing, "
        "manifest a_missing_scope_is_named_with_what_it_is_for, manifest a_declined_scope_is_told",
    ),
    20: ("a wrong app token is named at once", "client a_bad_app_token_is_named, manifest a_bad_token_is_named"),
    # HTTP
    21: (
        "signatures: good, wrong, six minutes old, replayed, missing",
        "http a_signed_event_is_kept, http a_bad_old_or_missing_signature, http a_request_that_is_replayed",
    ),
    22: ("url_verification", "http slack_can_verify_the_address"),
    23: ("ssl_check", "http a_certificate_check_needs_no_signature"),
    25: ("retry headers", "http a_request_that_is_replayed_or_sent_again"),
    # Catching up
    26: ("gaps of three minutes, hours and days", "history what_was_said_in_a_gap_is_read"),
    27: ("short and empty pages, a stale cursor", "history pages_that_are_empty_or_whose_cursor_is_stale"),
    28: ("1,001 replies", "history a_thousand_replies_are_read_to_the_last"),
    29: ("a reply under a root of 40 days ago", "history replies_in_a_gap_are_read_under_roots"),
    30: ("edits, deletions and tombstones in a gap", "history edits_and_deletions_in_a_gap"),
    31: ("joins in a gap", "history joins_in_a_gap_are_not_messages"),
    32: (
        "429 with Retry-After 0, 1, 1.5, 30, none",
        "history catching_up_waits_when_slack_asks, outlet a_pause_is_read_whatever_it_looks_like, "
        "calls while_slack_wants_a_pause, calls who_asks_a_question_is_not_kept_waiting",
    ),
    33: ("a reading of the past, interrupted and resumed", "history an_interrupted_reading_of_the_past"),
    34: ("live events meanwhile", "history live_words_come_in_while_the_past_is_read, calls whoever_is_most_urgent"),
    35: (
        "a channel that gets a new id, is archived, left, joined again",
        "history a_channel_that_gets_a_new_id, history an_archived_channel_is_gone_until_it_is_back, "
        "history a_channel_left_and_joined_again",
    ),
    # Shapes
    36: (
        "every shape of a message, and of every other event",
        "translate a_plain_message, translate a_reply_belongs, translate a_broadcast_is_its_own_words, "
        "translate a_me_message, translate a_caption_is_read, translate an_edit_is_the_message, "
        "translate a_deleted_root_is_a_deletion, translate a_deletion_needs_no_previous, "
        "translate notices_and_unknown_subtypes, translate a_thread_notice_without_its_subtype, "
        "translate a_reaction_is_somebodys_emoji, translate a_channel_that_goes_is_gone, "
        "translate a_renamed_channel_makes_us_ask, translate losing_access_is_news",
    ),
    37: ("two edits in one second", "translate of_two_edits_in_one_second"),
    38: (
        "a link's preview after an edit",
        "translate a_preview_long_after_an_edit, translate a_link_preview_is_no_new",
    ),
    39: ("an edit told after the deletion", "client edits_and_deletions_end_as_the_channel_shows"),
    40: ("a broadcast, and its root edited", "translate a_broadcasts_root_that_is_edited"),
    41: ("bots with and without a subtype", "translate an_app_is_a_bot_with_and_without"),
    42: (
        "Slackbot, authors of Slack Connect, ids that begin with W",
        "translate slackbot_is_a_bot, translate an_author_of_another_workspace",
    ),
    43: ("a file without a caption", "translate a_file_without_a_caption"),
    44: (
        "escapes, every <…>, an unclosed <, nested code, custom emoji, five skin tones",
        "text markup_becomes_what_a_person_reads, text every_word_stands_for, "
        "translate skin_tones_are_one_emoji, slack_export reactions_are_unicode",
    ),
    # Posting
    45: (
        "dropped before or after storing, 5xx, HTML, broken JSON, too slow: one post at most",
        "outlet an_unclear_answer_ends_in_exactly_one_post, outlet a_post_that_took_too_long",
    ),
    46: ("a history that can't be read: nothing is sent again", "outlet what_cannot_be_looked_up_is_not_sent_again"),
    47: ("archived, read-only and thread-only channels", "outlet a_refusal_says_the_mend"),
    48: ("a fresh picture is refused twice, then taken", "outlet a_chart_is_shown_once_slack_has_looked"),
    49: (
        "a response_url used five times, or gone",
        "asking a_command_uses_its_response_url_no_more, asking an_answer_that_cannot_be_handed_over",
    ),
    50: ("a trigger that has expired", "asking a_modal_that_comes_too_late, asking the_modal_opens_before_anything"),
    51: (
        "the table of limits, and nothing beyond one",
        "render no_answer_breaks_a_limit, render no_refusal_breaks_a_limit, render the_local_slack_refuses_exactly",
    ),
    52: (
        "nothing in a name or text pings or forges a link",
        "render nothing_said_is_ever_markup, render links_lead_to_the_message",
    ),
    # People
    53: (
        "a private channel asked for by who isn't in it, guests, others, former members, without users:read",
        "asking nobody_hears_of_a_private_channel, asking guests_and_strangers_see_only, "
        "asking without_the_scope_to_know_people",
    ),
    54: (
        "the Home of each of them",
        "asking home_shows_each_viewer, asking guests_and_strangers_see_only, asking without_the_scope_to_know_people",
    ),
    # Exports
    55: ("zip and folder", "slack_export a_zip_and_its_folder_give_the_same"),
    56: ("days in Pacific time", "slack_export a_days_name_dates_no_message"),
    57: ("a file's link with a token appears nowhere", "slack_export nothing_of_names_links_and_addresses"),
    58: ("a message without user or ts", "slack_export what_is_no_message_is_skipped"),
    59: (
        "files and lines that are there twice",
        "slack_export a_line_that_is_there_twice, files of_two_files_of_one_name",
    ),
    60: ('files that nobody knows, also [""]', "slack_export one_more_folder_around_everything_and_litter"),
    61: (
        "a renamed channel, no user list",
        "slack_export what_is_no_message_is_skipped, slack_export the_workspace_is_found",
    ),
    62: ("the same history imported and told live: the same tables", "replay a_troubled_replay_ends_as_an_import"),
}
"""Each scenario, and its tests as `file begins_with`."""

EXEMPT = {
    24: "Two redirects: Slack follows them itself before it reaches us, and we never answer with one.",
}


def test_every_scenario_has_its_tests_or_a_reason():
    known = {
        f"{path.stem.removeprefix('test_')} {name}"
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"def test_(\w+)", path.read_text(encoding="utf-8"))
    }

    missing = {
        (number, wanted)
        for number, (_, tests) in SCENARIOS.items()
        for wanted in tests.split(", ")
        if not any(name.startswith(wanted) for name in known)
    }
    assert missing == set()


def test_no_scenario_is_left_out():
    assert sorted([*SCENARIOS, *EXEMPT]) == list(range(1, 63))
