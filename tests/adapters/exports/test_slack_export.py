from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports import open_export, slack
from bot.errors import ImportFileError
from bot.importing import Aside, Line, Skipped
from bot.message import Channel, ChannelSeen, Deletion, MessageId, Platform, Reaction
from tests.adapters.exports.making import (
    CHATS,
    KITCHEN,
    PSEUDONYMS,
    SLACK_CHANNELS,
    TEAM,
    as_bytes,
    events,
    failures,
    independent_count,
    messages,
    skipped,
    slack_files,
    slack_record,
    slack_ts,
    texts,
    write_folder,
    write_zip,
)

ROOM = slack.Room(KITCHEN, "kitchen", private=False, direct=False, days=())
ADA = PSEUDONYMS.of(Platform.SLACK, TEAM, "U0ADA")
SENT_AT = datetime(2026, 3, 2, 9, 1, 0, 100, tzinfo=UTC)


def translated(record: Any) -> Any:
    return slack.translate(record, ROOM, PSEUDONYMS)


def line(record: Any) -> Line:
    (item,) = translated(record)
    assert isinstance(item, Line)
    return item


def test_a_message_keeps_the_ids_that_live_reading_gives_it():
    message = line(slack_record()).message

    assert message.id == MessageId(KITCHEN, slack_ts())
    assert message.author == ADA
    assert (message.sent_at, message.revised_at) == (SENT_AT, SENT_AT)
    assert message.text == "the kettle boils, 1"
    assert (message.thread, message.from_bot) == (None, False)


def test_an_edit_is_told_by_its_time():
    record = slack_record(edited={"user": "U0ADA", "ts": "1772442090.000000"})

    assert line(record).message.revised_at == datetime(2026, 3, 2, 9, 1, 30, tzinfo=UTC)


def test_an_edit_within_the_same_second_is_not_earlier_than_its_message():
    record = slack_record(edited={"user": "U0ADA", "ts": "1772442060.000000"})

    assert line(record).message.revised_at == SENT_AT


@pytest.mark.parametrize("subtype", [..., "thread_broadcast"])
def test_a_reply_belongs_to_its_thread(subtype: Any):
    reply = slack_record(2, thread_ts=slack_ts(1), parent_user_id="U0ADA", subtype=subtype)

    assert line(reply).message.thread == MessageId(KITCHEN, slack_ts(1))


def test_the_first_message_of_a_thread_is_in_no_thread():
    first = slack_record(thread_ts=slack_ts(), reply_count=2, replies=[{"user": "U0ADA", "ts": slack_ts(2)}])

    assert line(first).message.thread is None


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B0CI"},
        {"bot_id": "B0CI", "user": ..., "subtype": "bot_message", "username": "CI"},
        {"user": ..., "subtype": "bot_message", "username": "CI"},
        {"user": "USLACKBOT"},
    ],
    ids=["a modern app", "an old integration", "an old integration without an id", "Slackbot"],
)
def test_what_an_app_writes_is_marked_as_a_bots(fields: dict[str, Any]):
    assert line(slack_record(**fields)).message.from_bot


@pytest.mark.parametrize("subtype", ["me_message", "file_share"])
def test_what_a_person_writes_in_another_shape_is_a_message(subtype: str):
    record = slack_record(subtype=subtype, files=[{"id": "F1", "url_private": "https://files.example.org/?t=xoxe-1"}])

    assert line(record).message.text == "the kettle boils, 1"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"subtype": "channel_join"}, "join"),
        ({"subtype": "channel_topic"}, "topic"),
        ({"subtype": "channel_name", "old_name": "a", "name": "b"}, "rename"),
        ({"subtype": "pinned_item"}, "pin"),
        ({"subtype": "huddle_thread", "user": "USLACKBOT", "text": ""}, "huddle"),
        ({"subtype": "tea_is_ready"}, "unknown subtype tea_is_ready"),
        ({"subtype": "\x1b[31m" + "x" * 100}, "unknown subtype ??31m" + "x" * 35),
        ({"subtype": ["list"]}, "not a message"),
        ({"type": "event"}, "not a message"),
        ({"ts": ...}, "bad time"),
        ({"ts": "yesterday"}, "bad time"),
        ({"ts": None}, "bad time"),
        ({"ts": "999999999999.0"}, "bad time"),
        ({"user": ...}, "no author"),
        ({"user": {"id": "U0ADA"}}, "no author"),
    ],
)
def test_what_is_no_message_is_skipped_with_its_reason(fields: dict[str, Any], reason: str):
    assert translated(slack_record(**fields)) == (Skipped(reason),)


@pytest.mark.parametrize("record", [None, 7, "text", [], [[]], True])
def test_a_record_that_is_no_object_is_skipped(record: Any):
    assert translated(record) == (Skipped("not a message"),)


def test_a_tombstone_is_a_deletion():
    tombstone = slack_record(subtype="tombstone", user="USLACKBOT", text="This message was deleted.", hidden=True)

    assert translated(tombstone) == (
        Skipped("deleted"),
        Aside(Deletion(MessageId(KITCHEN, slack_ts()), SENT_AT)),
    )


@pytest.mark.parametrize(
    ("ts", "year"), [("-86400.000100", 1969), ("0.000000", 1970), ("32503680000.000000", 3000), ("-62000000000", 5)]
)
def test_any_year_that_a_calendar_has_is_taken(ts: str, year: int):
    assert line(slack_record(ts=ts)).message.sent_at.year == year


def test_reactions_are_unicode_without_skin_tone_and_custom_ones_keep_their_name():
    record = slack_record(
        reactions=[
            {"name": "tada", "users": ["U0BEA", "U0CYR", "U0BEA"], "count": 3},
            {"name": "+1::skin-tone-3", "users": ["U0BEA"], "count": 1},
            {"name": "tidelist_wave", "users": ["U0BEA"], "count": 1},
        ]
    )
    bea, cyr = (PSEUDONYMS.of(Platform.SLACK, TEAM, user) for user in ("U0BEA", "U0CYR"))
    id_ = MessageId(KITCHEN, slack_ts())

    assert line(record).others == (
        Reaction(id_, bea, "🎉", SENT_AT),
        Reaction(id_, cyr, "🎉", SENT_AT),
        Reaction(id_, bea, "👍", SENT_AT),
        Reaction(id_, bea, "tidelist_wave", SENT_AT),
    )


def test_where_the_text_is_empty_the_blocks_say_it_in_slacks_own_markup():
    blocks = [
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "a < b & "},
                        {"type": "user", "user_id": "U0BEA"},
                        {"type": "text", "text": " in "},
                        {"type": "channel", "channel_id": "C0KITCHEN1"},
                        {"type": "emoji", "name": "tada"},
                        {"type": "link", "url": "https://example.org", "text": "the list"},
                        {"type": "text", "text": "x = 1", "style": {"code": True}},
                        {"type": "usergroup", "usergroup_id": "S0TEA"},
                        {"type": "broadcast", "range": "here"},
                        {"type": "date", "timestamp": 1772442000, "fallback": "on Monday"},
                        {"type": "color", "value": "#fff"},
                    ],
                },
                {"type": "rich_text_quote", "elements": [{"type": "text", "text": "said\nbefore"}]},
                {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "make"}]},
                {
                    "type": "rich_text_list",
                    "elements": [
                        {"type": "rich_text_section", "elements": [{"type": "text", "text": "milk"}]},
                        {"type": "rich_text_section", "elements": [{"type": "text", "text": "tea"}]},
                    ],
                },
            ],
        },
        {"type": "section", "text": {"type": "mrkdwn", "text": "*done*"}},
        {"type": "image", "image_url": "https://example.org/x.png"},
    ]

    assert line(slack_record(text="", blocks=blocks)).message.text == (
        "a &lt; b &amp; <@U0BEA> in <#C0KITCHEN1>:tada:<https://example.org|the list>`x = 1`"
        "<!subteam^S0TEA><!here>on Monday\n"
        "&gt; said\n&gt; before\n```make```\nmilk\ntea\n*done*"
    )


def test_words_said_elsewhere_are_not_the_authors():
    record = slack_record(
        text="look", attachments=[{"text": "somebody else's words"}], root={"text": "the root's"}, blocks=[]
    )

    assert line(record).message.text == "look"


def test_a_message_without_words_is_a_message():
    assert line(slack_record(text="", files=[{"id": "F1"}])).message.text == ""


def test_what_no_database_takes_becomes_a_replacement_character_and_offsets_stay():
    record = json.loads('{"ts": "1772442060.000100", "user": "U0ADA", "text": "a\\u0000b\\ud800c \\u202e\\u05d0"}')

    assert line(record).message.text == "a\ufffdb\ufffdc \u202e\u05d0"


def test_a_very_long_text_arrives_whole():
    text = "tea " * 25_000

    assert line(slack_record(text=text)).message.text == text


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("type", "subtype", "user", "bot_id", "text", "ts", "thread_ts", "edited", "reactions", "blocks")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)).map(lambda fields: slack_record(**fields)) | JSON)
def test_any_json_is_one_line_or_one_skipped(record: Any):
    items = translated(record)

    assert [type(item) for item in items] in ([Line], [Skipped], [Skipped, Aside])


# The whole export.


def test_a_zip_and_its_folder_give_the_same(tmp_path: Path):
    files = slack_files({"kitchen/2026-03-02.json": [slack_record(1), slack_record(2)]})
    zipped = list(open_export(write_zip(tmp_path / "export.zip", files), PSEUDONYMS))

    assert list(open_export(write_folder(tmp_path / "export", files), PSEUDONYMS)) == zipped
    assert texts(zipped) == ["the kettle boils, 1", "the kettle boils, 2"]


def test_one_more_folder_around_everything_and_litter_change_nothing(tmp_path: Path):
    files = slack_files({"kitchen/2026-03-02.json": [slack_record()]})
    plain = list(open_export(write_zip(tmp_path / "plain.zip", files), PSEUDONYMS))
    litter = {"kitchen/.DS_Store": b"\0", "lists.json": [], "huddle_transcripts.json": [""]}
    nested = write_zip(tmp_path / "nested.zip", files | litter, root="Tidelist export/")
    with ZipFile(nested, "a") as archive:
        archive.writestr("__MACOSX/Tidelist export/kitchen/._2026-03-02.json", b"\0\5")

    assert list(open_export(nested, PSEUDONYMS)) == plain


def test_a_channel_is_announced_before_its_messages_which_come_oldest_first(tmp_path: Path):
    files = slack_files(
        {
            "kitchen/2026-03-03.json": [slack_record(1500)],
            "kitchen/2026-03-02.json": [slack_record(3), slack_record(1), slack_record(2)],
        }
    )
    items = list(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert items[0] == Aside(ChannelSeen(KITCHEN, "kitchen", datetime(2026, 3, 3, tzinfo=UTC)))
    assert [message.id.id for message in messages(items)] == [slack_ts(number) for number in (1, 2, 3, 1500)]


def test_a_days_name_dates_no_message(tmp_path: Path):
    # Slack's days are days in California: there the evening of the 2nd is the 3rd in UTC.
    late = slack_record(ts="1772512200.000100")

    (message,) = messages(
        open_export(write_folder(tmp_path, slack_files({"kitchen/2026-03-02.json": [late]})), PSEUDONYMS)
    )

    assert message.sent_at == datetime(2026, 3, 3, 4, 30, 0, 100, tzinfo=UTC)


def test_private_channels_are_private_and_so_is_what_no_list_names(tmp_path: Path):
    files = slack_files(
        {f"{name}/2026-03-02.json": [slack_record()] for name in ("kitchen", "board", "forgotten")}
        | {"groups.json": [{"id": "G0BOARD", "name": "board"}]}
    )
    seen = events(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert {(event.channel.id, event.name, event.private) for event in seen} == {
        ("C0KITCHEN1", "kitchen", False),
        ("G0BOARD", "board", True),
        ("forgotten", "forgotten", True),
    }


def test_direct_messages_are_counted_and_never_read(tmp_path: Path):
    files = slack_files(
        {
            "D0ADABEA00/2026-03-02.json": [slack_record(text="between us")],
            "mpdm-ada--bea--cyr-1/2026-03-02.json": [slack_record(1), slack_record(2)],
            "mpdm-ada--bea--cyr-1/2026-03-03.json": b"{",
            "dms.json": [{"id": "D0ADABEA00", "members": ["U0ADA", "U0BEA"]}],
            "mpims.json": [{"id": "G0THREE", "name": "mpdm-ada--bea--cyr-1"}],
        }
    )
    items = list(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert skipped(items) == ["direct message"] * 3
    assert (messages(items), events(items)) == ([], [])
    assert failures(items) == [("direct messages, 2026-03-03.json", "it is not valid JSON")]


def test_people_that_the_user_list_calls_bots_are_bots(tmp_path: Path):
    files = slack_files(
        {
            "kitchen/2026-03-02.json": [
                slack_record(1, user="U0ROBOT"),
                slack_record(2, reactions=[{"name": "tada", "users": ["U0ROBOT", "U0ADA"], "count": 2}]),
            ]
        }
    )
    robot, ada = (item for item in open_export(write_folder(tmp_path, files), PSEUDONYMS) if isinstance(item, Line))

    assert (robot.message.from_bot, ada.message.from_bot) == (True, False)
    assert [reaction.author for reaction in ada.others if isinstance(reaction, Reaction)] == [ADA]


@pytest.mark.parametrize(
    ("users", "record", "option", "workspace"),
    [
        (None, slack_record(team="T0FROMTEXT"), None, "T0FROMTEXT"),
        (None, slack_record(), None, "tide-list"),
        (None, slack_record(), "T0OPTION", "T0OPTION"),
        ([{"id": "U1", "team_id": "T0OTHER"}, *[{"id": "U2", "team_id": TEAM}] * 2], slack_record(), None, TEAM),
    ],
    ids=["the messages' team", "the name of the export", "as told", "the team of most users"],
)
def test_the_workspace_is_found(tmp_path: Path, users: Any, record: Any, option: str | None, workspace: str):
    files = slack_files({"kitchen/2026-03-02.json": [record]}, users=users)
    path = write_zip(tmp_path / "Tide List Slack export Mar 1 2026 - Mar 8 2026.zip", files)
    (message,) = messages(open_export(path, PSEUDONYMS, workspace=option))

    assert message.id.channel.workspace == workspace


def test_a_damaged_day_does_not_hide_the_workspace(tmp_path: Path):
    days = {"kitchen/2026-03-01.json": b"[{", "kitchen/2026-03-02.json": [slack_record(team="T0FROMTEXT")]}
    (message,) = messages(open_export(write_folder(tmp_path, slack_files(days, users=None)), PSEUDONYMS))

    assert message.id.channel.workspace == "T0FROMTEXT"


def test_without_a_list_of_channels_the_folders_names_stand_for_ids(tmp_path: Path):
    files = slack_files({"kitchen/2026-03-02.json": [slack_record()]}, channels=None)
    (seen,) = events(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert seen == ChannelSeen(Channel(Platform.SLACK, TEAM, "kitchen"), "kitchen", datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize("wanted", ["kitchen", "#kitchen", "C0KITCHEN1"])
def test_one_channel_can_be_asked_for(tmp_path: Path, wanted: str):
    files = slack_files({f"{name}/2026-03-02.json": [slack_record()] for name in ("kitchen", "garden")})
    found = messages(open_export(write_folder(tmp_path, files), PSEUDONYMS, channel=wanted))

    assert [message.id.channel for message in found] == [KITCHEN]


def test_a_channel_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path):
    path = write_folder(tmp_path, slack_files({"kitchen/2026-03-02.json": [slack_record()]}))

    with pytest.raises(ImportFileError, match=r"has no channel #cellar\. It has: #kitchen\."):
        open_export(path, PSEUDONYMS, channel="cellar")


def test_an_empty_channel_is_a_channel(tmp_path: Path):
    items = list(open_export(write_folder(tmp_path, slack_files({"kitchen/2026-03-02.json": []})), PSEUDONYMS))

    assert items == [Aside(ChannelSeen(KITCHEN, "kitchen", datetime(2026, 3, 2, tzinfo=UTC)))]


def test_a_line_that_is_there_twice_is_two_lines_of_one_message(tmp_path: Path):
    files = slack_files({"kitchen/2026-03-02.json": [slack_record(), slack_record()]})

    assert independent_count(open_export(write_folder(tmp_path, files), PSEUDONYMS)) == (2, 1, 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'[{"type": "message"', "it is not valid JSON, or cut short"),
        (b'[{"type": "message"}', "it is cut short"),
        (b"not json", "it is not valid JSON"),
        (b"", "it is cut short"),
        (b'{"ok": false}', "it is not valid JSON"),
        (b"[\xff\xfe]", "it is not UTF-8 text"),
        (b"[" * 300_000 + b"]" * 300_000, "it is nested too deeply to be an export"),
    ],
    ids=["inside a record", "after a record", "words", "nothing", "an object", "bytes", "deep"],
)
def test_a_bad_day_is_named_and_the_others_are_read(tmp_path: Path, content: bytes, reason: str):
    files = slack_files(
        {
            "kitchen/2026-03-01.json": [slack_record(1)],
            "kitchen/2026-03-02.json": content,
            "kitchen/2026-03-03.json": [slack_record(2)],
        }
    )
    items = list(open_export(write_zip(tmp_path / "export.zip", files), PSEUDONYMS))

    assert texts(items) == ["the kettle boils, 1", "the kettle boils, 2"]
    assert failures(items) == [("kitchen/2026-03-02.json", reason)]


def test_of_a_bad_day_no_line_is_read_so_that_none_is_counted_twice(tmp_path: Path):
    whole = as_bytes([slack_record(number) for number in range(10)])
    files = slack_files({"kitchen/2026-03-02.json": whole[:-1]})

    assert texts(open_export(write_folder(tmp_path, files), PSEUDONYMS)) == []


def test_a_day_too_large_to_hold_is_streamed_as_far_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slack, "LARGEST_DAY_HELD", 100)
    whole = as_bytes([slack_record(number) for number in range(10)])
    files = slack_files({"kitchen/2026-03-02.json": whole[:-1]})
    items = list(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert len(messages(items)) == 10
    assert failures(items) == [("kitchen/2026-03-02.json", "it is cut short")]


def test_a_byte_order_mark_control_characters_and_nan_are_survived(tmp_path: Path):
    day = (
        b'\xef\xbb\xbf[{"ts":"1772442060.000100","user":"U0ADA","text":"a\x01b","score":NaN},{"ts":NaN,"user":"U0ADA"}]'
    )
    items = list(open_export(write_folder(tmp_path, slack_files({"kitchen/2026-03-02.json": day})), PSEUDONYMS))

    assert (texts(items), skipped(items)) == (["a\x01b"], ["bad time"])


@pytest.mark.parametrize("name", ["channels.json", "groups.json"])
def test_a_damaged_list_of_channels_refuses_the_export_since_ids_come_from_it(tmp_path: Path, name: str):
    files = slack_files({"kitchen/2026-03-02.json": [slack_record()]}) | {name: b"[{"}

    with pytest.raises(ImportFileError, match=f"{name} in this Slack export can't be used: .* download"):
        open_export(write_folder(tmp_path, files), PSEUDONYMS)


def test_a_damaged_user_list_is_named_and_the_messages_are_read(tmp_path: Path):
    files = slack_files({"kitchen/2026-03-02.json": [slack_record(team=TEAM)]}) | {"users.json": b"[{"}
    items = list(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert failures(items) == [("users.json", "it is not valid JSON, or cut short")]
    assert [message.id.channel for message in messages(items)] == [KITCHEN]


def test_progress_ends_where_the_files_end_also_the_second_time(tmp_path: Path):
    files = slack_files({f"kitchen/2026-03-0{day}.json": [slack_record(day)] for day in range(1, 6)})
    export = open_export(write_zip(tmp_path / "export.zip", files), PSEUDONYMS)
    first = list(export)

    assert list(export) == first
    assert export.bytes_done == export.bytes_total > 0


def test_nothing_of_names_links_and_addresses_leaves_the_export(tmp_path: Path):
    record = slack_record(
        user_profile={"real_name": "Ada Lovelace"},
        files=[{"name": "salaries.pdf", "url_private": "https://files.example.org/?t=xoxe-1"}],
    )
    path = write_folder(tmp_path, slack_files({"kitchen/2026-03-02.json": [record]}))
    said = repr(list(open_export(path, PSEUDONYMS)))

    assert "U0ADA" not in said
    for secret in ("Lovelace", "salaries", "xoxe", "ada@example.org", "the kettle boils"):
        assert secret not in said


@pytest.mark.parametrize(("name", "lines"), [("racket", 22_172), ("elmlang", 14_510)])
@pytest.mark.skipif(not CHATS.is_dir(), reason="needs the real chats in ../shared/data/chats")
def test_a_real_export_agrees_with_an_independent_count(name: str, lines: int):
    path = CHATS / f"{name}-slack-export.zip"
    with ZipFile(path) as archive:
        days = [json.loads(archive.read(day)) for day in archive.namelist() if "/" in day]
    records = [record for day in days for record in day]
    export = open_export(path, PSEUDONYMS)
    items = list(export)
    found = messages(items)

    assert len(found) == len(records) == lines
    assert [message.id.id for message in found] == sorted((record["ts"] for record in records), key=float)
    assert len({message.author for message in found}) == len({record["user"] for record in records})
    assert (skipped(items), failures(items)) == ([], [])


def test_the_channels_of_a_list_may_have_no_folder(tmp_path: Path):
    channels = [*SLACK_CHANNELS, {"id": "C0EMPTY", "name": "empty"}]
    files = slack_files({"kitchen/2026-03-02.json": [slack_record()]}, channels=channels)

    assert len(events(open_export(write_folder(tmp_path, files), PSEUDONYMS))) == 1


def test_days_named_after_no_date_do_not_date_the_channel(tmp_path: Path):
    files = slack_files({f"kitchen/{day}.json": [slack_record()] for day in ("2026-02-31", "2026-02-27")})
    (seen,) = events(open_export(write_folder(tmp_path, files), PSEUDONYMS))

    assert seen.at == datetime(2026, 2, 27, tzinfo=UTC)
