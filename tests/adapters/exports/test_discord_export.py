from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports import discord, open_export
from bot.importing import Aside, Line, Skipped
from bot.message import Channel, ChannelSeen, MessageId, Platform, Reaction
from tests.adapters.exports.making import (
    GUILD,
    LOUNGE,
    PSEUDONYMS,
    as_bytes,
    discord_document,
    discord_record,
    events,
    failures,
    messages,
    skipped,
    texts,
    write_folder,
)

HEADER = discord.Header(LOUNGE, "lounge", private=False, direct=False, parent=None, parent_name="")
ADA = PSEUDONYMS.of(Platform.DISCORD, GUILD, "340000000000000001")
SENT_AT = datetime(2026, 3, 2, 9, 1, 0, 123_000, tzinfo=UTC)
LOUNGE_MADE_AT = datetime(2017, 6, 2, 0, 45, 45, 312_000, tzinfo=UTC)  # as discord.utils.snowflake_time says


def translated(**fields: Any) -> Line | Skipped:
    return discord.translate(discord_record(**fields), HEADER, PSEUDONYMS)


def line(**fields: Any) -> Line:
    item = translated(**fields)
    assert isinstance(item, Line)
    return item


def read(path: Path, document: Any) -> list[Any]:
    file = path / "Tidelist - Talk - lounge [1].json"
    file.write_bytes(as_bytes(document))
    return list(open_export(file, PSEUDONYMS))


def test_a_message_keeps_the_ids_that_the_gateway_gives_it():
    message = line().message

    assert message.id == MessageId(LOUNGE, "330000000000000001")
    assert message.author == ADA
    assert (message.sent_at, message.revised_at) == (SENT_AT, SENT_AT)
    assert message.text == "somebody left the window open, 1"
    assert (message.thread, message.from_bot) == (None, False)


def test_times_are_told_in_the_exporters_zone_and_kept_in_utc():
    message = line(timestamp="2026-03-02T10:01:00.9999999+01:00", timestampEdited="2026-03-02T10:05:00.5+01:00").message

    assert message.sent_at == datetime(2026, 3, 2, 9, 1, 0, 999_000, tzinfo=UTC)
    assert message.revised_at == datetime(2026, 3, 2, 9, 5, 0, 500_000, tzinfo=UTC)


def test_a_reply_is_a_message_and_what_it_answers_is_not_read():
    message = line(type="Reply", reference={"messageId": "9", "channelId": LOUNGE.id, "guildId": GUILD}).message

    assert (message.text, message.thread) == ("somebody left the window open, 1", None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "GuildMemberJoin", "content": "Joined the server."}, "join"),
        ({"type": "ChannelPinnedMessage", "content": "Pinned a message."}, "pin"),
        ({"type": "ThreadCreated", "content": "Started a thread."}, "thread notice"),
        ({"type": "21", "content": ""}, "thread notice"),
        ({"type": "46"}, "poll result"),
        ({"type": "8"}, "boost"),
        ({"type": "68"}, "unknown type 68"),
        ({"id": ...}, "no id"),
        ({"author": ...}, "no author"),
        ({"author": {"name": "ada"}}, "no author"),
        ({"timestamp": ...}, "bad time"),
        ({"timestamp": "soon"}, "bad time"),
    ],
)
def test_what_is_no_message_is_skipped_with_its_reason(fields: dict[str, Any], reason: str):
    assert translated(**fields) == Skipped(reason)


@pytest.mark.parametrize("fields", [{"author": {"id": "7", "isBot": True}}, {"type": "20"}, {"type": "23"}])
def test_apps_and_their_answers_are_bots(fields: dict[str, Any]):
    assert line(**fields).message.from_bot


@pytest.mark.parametrize(
    "fields",
    [
        {"reference": {"type": "Forward"}, "forwardedMessage": {"content": "another's words"}},
        {"stickers": [{"id": "1", "name": "a waving cat", "format": "Png"}]},
        {"embeds": [{"title": "a page", "description": "its words"}]},
        {"attachments": [{"id": "1", "fileName": "salaries.pdf"}]},
    ],
    ids=["forward", "sticker", "preview", "file"],
)
def test_words_that_are_not_the_senders_are_not_read(fields: dict[str, Any]):
    assert line(content="", **fields).message.text == ""


def test_names_that_the_exporter_wrote_for_mentions_become_mentions_again():
    mentions = [
        {"id": "341", "name": "bea", "nickname": "Bea"},
        {"id": "342", "name": "bea.long", "nickname": "Bea from Lisbon"},
        {"id": "343", "name": "cyr", "nickname": None},
    ]
    message = line(content="@Bea from Lisbon and @Bea, ask @cyr or mail b@x.org", mentions=mentions).message

    assert message.text == "<@342> and <@341>, ask <@343> or mail b@x.org"


def test_mentions_as_discord_sends_them_stay():
    assert line(content="<@341> see <#9>", mentions=[{"id": "341", "name": "bea"}]).message.text == "<@341> see <#9>"


def test_reactions_are_read_where_their_people_are_named():
    reactions = [
        {"emoji": {"id": "", "name": "👍🏽", "code": "thumbsup"}, "count": 2, "users": [{"id": "7"}, {"id": "8"}]},
        {"emoji": {"id": "99", "name": "tidewave", "code": "tidewave"}, "count": 1, "users": [{"id": "7"}]},
        {"emoji": {"id": "", "name": "❤️"}, "count": 1, "users": [{"id": "9", "isBot": True}]},
        {"emoji": {"id": "", "name": "🎉"}, "count": 5},
    ]
    seven, eight = (PSEUDONYMS.of(Platform.DISCORD, GUILD, user) for user in ("7", "8"))
    id_ = MessageId(LOUNGE, "330000000000000001")

    assert line(reactions=reactions).others == (
        Reaction(id_, seven, "👍", SENT_AT),
        Reaction(id_, eight, "👍", SENT_AT),
        Reaction(id_, seven, "tidewave", SENT_AT),
    )


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("id", "type", "timestamp", "timestampEdited", "content", "author", "reactions", "mentions")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)).map(lambda fields: discord_record() | fields) | JSON
)
def test_any_json_is_one_line_or_one_skipped(record: Any):
    assert isinstance(discord.translate(record, HEADER, PSEUDONYMS), Line | Skipped)


# The whole file, and folders of them.


def test_a_channel_is_announced_before_its_messages(tmp_path: Path):
    items = read(tmp_path, discord_document(discord_record(1), discord_record(2)))

    assert items[0] == Aside(ChannelSeen(LOUNGE, "lounge", LOUNGE_MADE_AT))
    assert texts(items) == ["somebody left the window open, 1", "somebody left the window open, 2"]


def test_the_document_may_be_indented_or_on_one_line(tmp_path: Path):
    document = discord_document(discord_record())

    assert read(tmp_path, json.dumps(document, indent=2).encode()) == read(tmp_path, document)


def test_a_thread_is_a_channel_with_a_parent(tmp_path: Path):
    thread = {"id": "320000000000000777", "type": "GuildPrivateThread", "categoryId": LOUNGE.id, "category": "lounge"}
    parent, child = events(read(tmp_path, discord_document(discord_record(), name="the window", **thread)))

    assert parent == ChannelSeen(LOUNGE, "lounge", LOUNGE_MADE_AT)
    assert (child.channel.id, child.name, child.private, child.parent) == (
        "320000000000000777", "the window", True, LOUNGE,
    )  # fmt: skip


def test_an_older_exporters_file_is_read_too(tmp_path: Path):
    document = discord_document(
        {"id": "1", "type": "Default", "timestamp": "2019-01-01T00:00:00+00:00", "content": "hello",
         "author": {"id": "7", "name": "ada"}}
    )  # fmt: skip
    del document["exportedAt"], document["messageCount"], document["channel"]["categoryId"]

    assert texts(read(tmp_path, document)) == ["hello"]


def test_direct_messages_are_counted_and_never_read(tmp_path: Path):
    document = discord_document(discord_record(1), discord_record(2))
    document["guild"]["id"] = "0"
    items = read(tmp_path, document)

    assert items == [Skipped("direct message")] * 2


def test_an_empty_channel_is_a_channel(tmp_path: Path):
    assert read(tmp_path, discord_document()) == [Aside(ChannelSeen(LOUNGE, "lounge", LOUNGE_MADE_AT))]


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes_and_named(tmp_path: Path):
    whole = as_bytes(discord_document(*(discord_record(number) for number in range(1, 10))))
    items = read(tmp_path, whole[: whole.index(b"window open, 5")])

    assert len(texts(items)) == 4
    assert failures(items) == [("Tidelist - Talk - lounge [1].json", "it is not valid JSON, or cut short")]


def test_a_folder_is_read_whatever_its_files_are_called(tmp_path: Path):
    other = discord_document(discord_record(3), id="320000000000000002", name="kitchen")
    folder = write_folder(
        tmp_path,
        {
            "a.json": discord_document(discord_record(1)),
            "a [part 2].json": discord_document(discord_record(2)),
            "inner/b.JSON": other,
            "a.json_Files/data.json": b"somebody's attachment",
            "notes.txt": b"hello",
            "package.json": {"name": "not an export"},
        },
    )
    export = open_export(folder, PSEUDONYMS)
    items = list(export)

    assert sorted(texts(items)) == [f"somebody left the window open, {number}" for number in (1, 2, 3)]
    assert failures(items) == [("package.json", "it is not a JSON file of DiscordChatExporter")]
    assert export.bytes_done == export.bytes_total


@pytest.mark.parametrize("wanted", ["lounge", "#lounge", LOUNGE.id])
def test_one_channel_can_be_asked_for_with_its_threads(tmp_path: Path, wanted: str):
    thread = {"id": "5", "type": "GuildPublicThread", "categoryId": LOUNGE.id, "category": "lounge", "name": "window"}
    folder = write_folder(
        tmp_path,
        {
            "a.json": discord_document(discord_record(1)),
            "b.json": discord_document(discord_record(2), id="6", name="kitchen"),
            "c.json": discord_document(discord_record(3), **thread),
        },
    )
    found = messages(open_export(folder, PSEUDONYMS, channel=wanted))

    assert [message.id.channel for message in found] == [LOUNGE, Channel(Platform.DISCORD, GUILD, "5")]


def test_a_channel_that_is_not_there_is_said(tmp_path: Path):
    folder = write_folder(tmp_path / "export", {"a.json": discord_document(discord_record(1))})
    items = list(open_export(folder, PSEUDONYMS, channel="cellar"))

    assert (skipped(items), texts(items)) == ([], [])
    assert failures(items) == [("export", "it has no channel #cellar")]


def test_nothing_of_names_and_links_leaves_the_export(tmp_path: Path):
    said = repr(read(tmp_path, discord_document(discord_record(attachments=[{"url": "https://cdn.example.org/x"}]))))

    for secret in ("Ada L.", "340000000000000001", "cdn.example.org", "window open"):
        assert secret not in said
