"""Every shape of a Discord message → the one event it means, or none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.translate import (
    EPOCH,
    asked,
    author,
    cleared,
    deleted,
    mentions,
    moment,
    reacted,
    room,
    snowflake,
    written,
)
from adapters.exports.discord import Header
from adapters.exports.discord import translate as from_export
from bot.importing import Line, Skipped
from bot.message import Message, MessageId, Reaction, ReactionsCleared
from tests.adapters.discord.payloads import ANN, GENERAL, GUILD, PSEUDONYMS, message, user
from tests.examples import AT

OURS = frozenset({1, 55})


def translated(payload: Any, *, thread: bool = False) -> Message | Skipped:
    return written(payload, workspace=GUILD, thread=thread, pseudonyms=PSEUDONYMS)


def test_a_message_is_translated_whole():
    payload = message(content="the kettle boils")

    sent_at = AT + timedelta(minutes=1)
    expected = Message(
        id=MessageId(room(GUILD, GENERAL), payload["id"]),
        author=author(PSEUDONYMS, GUILD, ANN),
        sent_at=sent_at,
        revised_at=sent_at,
        text="the kettle boils",
    )
    assert expected == translated(payload)


def test_a_message_in_a_thread_belongs_to_the_thread_whose_root_has_the_threads_id():
    event = translated(message(channel_id="77"), thread=True)

    assert isinstance(event, Message)
    assert event.id.channel == room(GUILD, "77")
    assert event.thread == MessageId(room(GUILD, "77"), "77")


SNAPSHOT = {"message": {"type": 0, "content": "somebody else's words", "timestamp": AT.isoformat()}}
LINK = {"type": "link", "url": "https://example.org", "title": "others' words", "description": "and more of them"}

# One line for each shape that a message can have.
SHAPES: dict[str, tuple[dict[str, Any], tuple[str, bool] | None]] = {
    "default": ({"type": 0}, ("good morning", False)),
    "reply": ({"type": 19, "referenced_message": message(9, content="quoted")}, ("good morning", False)),
    "reply to a deleted message": ({"type": 19, "referenced_message": None}, ("good morning", False)),
    "reply to one not loaded": ({"type": 19, "message_reference": {"message_id": "9"}}, ("good morning", False)),
    "thread starter": ({"type": 21, "content": ""}, None),
    "thread created": ({"type": 18, "content": "a title"}, None),
    **{
        f"system message {kind}": ({"type": kind, "content": content}, None)
        for kind, content in (
            *((kind, "") for kind in (1, 2, 3, 5, 6, 7, 12, 24, 27, 28, 29, 31, 36, 37, 38, 39, 46)),
            (4, "a new name"), (8, "3"), (9, "3"), (10, ""), (11, ""), (25, ""), (32, ""), (44, ""),
        )
    },
    "an unknown type": ({"type": 77}, None),
    "no type": ({"type": ...}, None),
    "a type that is a word": ({"type": "0"}, None),
    "command answer": ({"type": 20, "author": user("5", "app", bot=True)}, ("good morning", True)),
    "context menu answer": ({"type": 23}, ("good morning", True)),
    "bot": ({"author": user("5", "app", bot=True)}, ("good morning", True)),
    "webhook": ({"webhook_id": "8", "author": {**user("8", "deploys")}}, ("good morning", True)),
    "crosspost": ({"webhook_id": "8", "flags": 2, "message_reference": {"guild_id": "11"}}, ("good morning", True)),
    "proxied copy": ({"webhook_id": "8", "application_id": "466378653216014359"}, ("good morning", True)),
    "forward": (
        {"content": "", "flags": 1 << 14, "message_reference": {"type": 1}, "message_snapshots": [SNAPSHOT]},
        ("", False),
    ),
    "poll": (
        {"content": "", "poll": {"question": {"text": "Tea or coffee?"}, "answers": [{"poll_media": {"text": "Tea"}}]}},
        ("Tea or coffee?", False),
    ),
    "poll with words": ({"content": "Vote!", "poll": {"question": {"text": "Tea?"}}}, ("Vote!\nTea?", False)),
    "voice message": ({"content": "", "flags": 1 << 13, "attachments": [{"id": "3"}]}, ("", False)),
    "sticker": ({"content": "", "sticker_items": [{"id": "4", "name": "wave"}]}, ("", False)),
    "attachment": ({"attachments": [{"id": "3", "description": "a chart"}]}, ("good morning", False)),
    "embed": ({"embeds": [LINK]}, ("good morning", False)),
    "components": (
        {"content": "", "flags": 1 << 15, "components": [{"type": 10, "content": "a"}], "author": user("5", bot=True)},
        ("", True),
    ),
    "an unknown component": ({"components": [{"type": 99}]}, ("good morning", False)),
    "silent": ({"flags": 1 << 12}, ("good morning", False)),
    "spoken": ({"tts": True}, ("good morning", False)),
    "spoiler": ({"content": "it was ||Moriarty||"}, ("it was ||Moriarty||", False)),
    "ephemeral": ({"flags": 1 << 6, "guild_id": ...}, None),
    "no author": ({"author": ...}, None),
    "no content": ({"content": ...}, ("", False)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_10_every_shape_is_one_event_or_none(shape: str):
    fields, expected = SHAPES[shape]
    event = translated(message(**fields))

    assert expected == ((event.text, event.from_bot) if isinstance(event, Message) else None)


@pytest.mark.parametrize(
    "fields", [{"embeds": [LINK]}, {"pinned": True}, {"flags": 1 << 2}, {"flags": 1}, {"flags": 32}]
)
def test_9_an_update_without_an_edit_changes_nothing(fields: dict[str, Any]):
    assert translated(message(**fields)) == translated(message())


def test_9_an_embeds_update_that_cuts_the_edits_microseconds_changes_nothing():
    edited = translated(message(edited_timestamp="2026-03-02T10:00:00.766195+00:00"))
    again = translated(message(edited_timestamp="2026-03-02T10:00:00.766000+00:00", embeds=[LINK]))

    assert edited == again
    assert isinstance(edited, Message)
    assert edited.revised_at == datetime(2026, 3, 2, 10, 0, 0, 766000, tzinfo=UTC)


def test_9_an_edit_to_nothing_retracts_the_text():
    event = translated(message(content="", edited_timestamp="2026-03-02T10:00:00+00:00"))

    assert isinstance(event, Message)
    assert (event.text, event.revised_at) == ("", datetime(2026, 3, 2, 10, tzinfo=UTC))


def test_an_edit_is_never_older_than_its_message():
    event = translated(message(edited_timestamp="2020-01-01T00:00:00+00:00"))

    assert isinstance(event, Message)
    assert event.revised_at == event.sent_at


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(message())), JSON) | JSON)
def test_5_any_json_is_translated_or_skipped(odd: Any):
    payload = {**message(), **odd} if isinstance(odd, dict) else odd

    assert isinstance(translated(payload), Message | Skipped)
    assert isinstance(reacted(odd, workspace=GUILD, at=AT, added=True, pseudonyms=PSEUDONYMS), Reaction | Skipped)
    assert isinstance(cleared(odd, workspace=GUILD, at=AT), ReactionsCleared | Skipped)


def test_text_stays_out_of_what_is_printed():
    assert "kettle" not in repr(translated(message(content="the kettle boils")))


def test_a_deletion_names_the_channel_it_came_from():
    assert deleted(GUILD, 77, 5, at=AT).id == MessageId(room(GUILD, "77"), "5")


REACTION = {"message_id": "5", "channel_id": GENERAL, "user_id": ANN, "emoji": {"id": None, "name": "👍🏽"}}


def test_a_reaction_loses_its_skin_tone_and_a_custom_one_keeps_its_name():
    plain = reacted(REACTION, workspace=GUILD, at=AT, added=True, pseudonyms=PSEUDONYMS)
    custom = {**REACTION, "emoji": {"id": "66", "name": "party"}}

    by = author(PSEUDONYMS, GUILD, ANN)
    target = MessageId(room(GUILD, GENERAL), "5")
    assert plain == Reaction(target, by, "👍", AT)
    assert reacted(custom, workspace=GUILD, at=AT, added=False, pseudonyms=PSEUDONYMS) == Reaction(
        target, by, "party", AT, added=False
    )


def test_a_bots_reaction_is_skipped():
    member = {"member": {"user": user("5", bot=True)}}

    assert isinstance(reacted(REACTION | member, workspace=GUILD, at=AT, added=True, pseudonyms=PSEUDONYMS), Skipped)


def test_reactions_are_cleared_all_together_or_by_emoji():
    target = MessageId(room(GUILD, GENERAL), "5")
    everything = {"message_id": "5", "channel_id": GENERAL}

    assert cleared(everything, workspace=GUILD, at=AT) == ReactionsCleared(target, AT)
    assert cleared({**everything, "emoji": {"id": None, "name": "👍"}}, workspace=GUILD, at=AT) == ReactionsCleared(
        target, AT, "👍"
    )


@given(st.timedeltas(timedelta(0), timedelta(days=20_000)))
def test_a_snowflake_is_a_time_to_the_millisecond_rounded_up(since: timedelta):
    at = EPOCH + since

    assert timedelta(0) <= moment(snowflake(at)) - at < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<@1> mood", "mood"),
        ("<@!1> mood", "mood"),
        ("<@&55> mood <#20>", "mood <#20>"),
        ("hey <@1> mood <@1>", "hey   mood"),
        ("<@1> entity `Visual Basic`", "entity `Visual Basic`"),
        ("`a` <@1> mood `b`", "`a`   mood `b`"),
        ("> quoted\n<@1> mood", "mood"),
        ("<@1> how is <@902>?", "how is <@902>?"),
    ],
)
def test_12_a_mention_in_the_text_is_a_question(content: str, expected: str):
    assert mentions(content, OURS)
    assert asked(content, OURS) == expected


@pytest.mark.parametrize(
    "content",
    [
        "mood",
        "<@902> mood",
        "`<@1> mood`",
        "```\n<@1> mood\n```",
        "> <@1> mood",
        ">>> said\n<@1> mood",
        "<@11> mood",
        "",
    ],
)
def test_12_what_only_quotes_a_mention_is_no_question(content: str):
    assert not mentions(content, OURS)


def test_any_order_of_a_messages_life_has_the_same_latest_revision():
    life = [message(content=text, edited_timestamp=time) for text, time in (
        ("first", None), ("second", "2026-03-02T10:00:00+00:00"), ("first", "2026-03-02T11:00:00+00:00"))]  # fmt: skip
    ends = set()
    for order in permutations(life):
        events = [event for event in map(translated, order) if isinstance(event, Message)]
        ends.add(max(events, key=lambda event: event.revised_at).text)

    assert ends == {"first"}


def test_22_an_exported_message_is_the_same_message():
    payload = message(content="the kettle boils", edited_timestamp="2026-03-02T10:00:00.766195+00:00")
    header = Header(room(GUILD, GENERAL), "general", private=False, direct=False, parent=None, parent_name="")
    record = {
        "id": payload["id"],
        "type": "Default",
        "timestamp": "2026-03-02T10:01:00+01:00",
        "timestampEdited": "2026-03-02T11:00:00.766+01:00",
        "content": "the kettle boils",
        "author": {"id": ANN, "name": "ann", "isBot": False},
    }

    exported = from_export(record, header, PSEUDONYMS)

    assert isinstance(exported, Line)
    assert exported.message == translated(payload)
