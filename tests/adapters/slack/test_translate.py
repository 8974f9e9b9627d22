"""Every shape that Slack sends, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.slack.translate import News, Told, Us, asked, recorded, seen, translate
from bot.message import ChannelGone, ChannelMoved, ChannelSeen, Deletion, Gone, Message, MessageId, Platform, Reaction
from bot.privacy import Key, Pseudonyms

US = Us("T1", "UBOT", "BBOT")
PSEUDONYMS = Pseudonyms(Key(bytes(32)))
C1 = US.channel("C1")
TS = "1772442000.000100"
SENT = datetime(2026, 3, 2, 9, 0, 0, 100, tzinfo=UTC)
ANN = PSEUDONYMS.of(Platform.SLACK, "T1", "U1")


def body(event: Any, *, team: str = "T1", **extra: Any) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": team, "event": event, "event_time": 1772442000, **extra}


def a_message(**extra: Any) -> dict[str, Any]:
    return {
        "type": "message", "user": "U1", "text": "good morning", "ts": TS, "channel": "C1", "channel_type": "channel",
        "event_ts": TS, **extra,
    }  # fmt: skip


def told(event: Any, **extra: Any) -> Told:
    return translate(body(event, **extra), US, PSEUDONYMS)


def the_message(event: Any) -> Message:
    (message,) = told(event).events
    assert isinstance(message, Message)
    return message


def test_a_plain_message_is_kept_with_its_author_hidden():
    message = the_message(a_message())

    assert message == Message(MessageId(C1, TS), ANN, SENT, SENT, "good morning")


def test_a_reply_belongs_to_its_thread():
    assert the_message(a_message(thread_ts="1772441000.000100")).thread == MessageId(C1, "1772441000.000100")


def test_a_root_that_names_itself_is_no_reply():
    assert the_message(a_message(thread_ts=TS)).thread is None


def test_a_broadcast_is_its_own_words_in_its_thread():
    event = a_message(subtype="thread_broadcast", thread_ts="1.0", root={"text": "somebody else's", "ts": "1.0"})

    message = the_message(event)

    assert (message.text, message.thread) == ("good morning", MessageId(C1, "1.0"))


def test_a_broadcasts_root_that_is_edited_changes_the_root_alone():
    broadcast = a_message(subtype="thread_broadcast", thread_ts="1772441000.000100", text="my words")
    root = {
        "user": "U2", "text": "edited", "ts": "1772441000.000100", "thread_ts": "1772441000.000100", "reply_count": 1,
        "edited": {"user": "U2", "ts": "1772442060.000000"},
    }  # fmt: skip

    edited = the_message(changed(root, "1772442060.250000"))

    assert (edited.id.id, edited.text, edited.thread) == ("1772441000.000100", "edited", None)
    assert the_message({**broadcast, "root": root}).text == "my words"


@pytest.mark.parametrize("extra", [{"bot_id": "B7"}, {"subtype": "bot_message", "bot_id": "B7", "user": None}])
def test_an_app_is_a_bot_with_and_without_a_subtype(extra: dict[str, Any]):
    assert the_message(a_message(**extra)).from_bot


def test_slackbot_is_a_bot():
    assert the_message(a_message(user="USLACKBOT")).from_bot


def test_what_we_post_ourselves_is_not_read():
    assert told(a_message(bot_id="BBOT", user="UBOT")) == Told(ignored="our own")


def test_a_me_message_is_a_message():
    assert the_message(a_message(subtype="me_message")).text == "good morning"


def test_a_caption_is_read_and_file_names_never():
    event = a_message(subtype="file_share", files=[{"name": "salaries.xlsx"}])

    assert the_message(event).text == "good morning"


def test_a_file_without_a_caption_says_nothing():
    assert told(a_message(subtype="file_share", text="", files=[{"name": "x"}])) == Told(ignored="no words")


def test_blocks_speak_where_the_text_is_empty():
    blocks = [{"type": "rich_text", "elements": [
        {"type": "rich_text_section", "elements": [{"type": "text", "text": "a < b"}]}]}]  # fmt: skip

    assert the_message(a_message(text="", blocks=blocks)).text == "a &lt; b"


def test_an_author_of_another_workspace_is_an_author():
    assert the_message(a_message(user="W9", user_team="T9", source_team="T9")).author not in (ANN, "")


def changed(message: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "type": "message", "subtype": "message_changed", "hidden": True, "channel": "C1", "channel_type": "channel",
        "message": message, "previous_message": a_message(), "ts": at, "event_ts": at,
    }  # fmt: skip


def test_an_edit_is_the_message_as_it_stands_now():
    now = {"type": "message", "user": "U1", "text": "good evening", "ts": TS, "edited": {"ts": "1772442060.000000"}}

    message = the_message(changed(now, "1772442060.250000"))

    assert (message.text, message.id.id) == ("good evening", TS)
    assert message.revised_at == datetime(2026, 3, 2, 9, 1, 0, 250_000, tzinfo=UTC)


def test_of_two_edits_in_one_second_the_later_one_wins():
    def edit(text: str, at: str) -> Message:
        now = {"user": "U1", "text": text, "ts": TS, "edited": {"ts": "1772442060.000000"}}
        return the_message(changed(now, at))

    assert edit("first", "1772442060.200000").revised_at < edit("second", "1772442060.700000").revised_at


def test_a_link_preview_is_no_new_revision():
    now = {"user": "U1", "text": "good morning", "ts": TS, "attachments": [{"title": "a page"}]}

    assert the_message(changed(now, "1772442003.000000")) == the_message(a_message())


def test_a_preview_long_after_an_edit_stays_in_the_edits_second():
    now = {"user": "U1", "text": "see this", "ts": TS, "edited": {"ts": "1772442060.000000"}}

    message = the_message(changed(now, "1772449999.000000"))

    assert message.revised_at == datetime(2026, 3, 2, 9, 1, 0, 999_000, tzinfo=UTC)


def test_a_deleted_root_is_a_deletion_and_no_edit_by_slackbot():
    tombstone = {"user": "USLACKBOT", "subtype": "tombstone", "text": "This message was deleted.", "ts": TS}

    events = told(changed(tombstone, "1772442060.000000")).events

    assert events == (Deletion(MessageId(C1, TS), datetime(2026, 3, 2, 9, 1, tzinfo=UTC)),)


def test_a_deletion_needs_no_previous_message():
    event = {
        "type": "message",
        "subtype": "message_deleted",
        "deleted_ts": TS,
        "channel": "C1",
        "event_ts": "1772442060.0",
    }

    assert told(event).events == (Deletion(MessageId(C1, TS), datetime(2026, 3, 2, 9, 1, tzinfo=UTC)),)


@pytest.mark.parametrize("kind", ["im", "mpim", "app_home"])
def test_direct_messages_are_never_read(kind: str):
    assert told(a_message(channel_type=kind)) == Told(ignored="direct message")


NOTICES = [
    "channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name", "channel_archive",
    "channel_unarchive", "group_join", "group_leave", "group_topic", "group_purpose", "group_name",
    "channel_posting_permissions", "channel_convert_to_private", "pinned_item", "unpinned_item", "bot_add",
    "reminder_add", "file_comment", "file_mention", "document_mention", "assistant_app_thread", "huddle_thread",
    "sh_room_created", "ekm_access_denied", "reply_broadcast", "something_new",
]  # fmt: skip


@pytest.mark.parametrize("subtype", NOTICES)
def test_notices_and_unknown_subtypes_are_ignored_by_name(subtype: str):
    outcome = told(a_message(subtype=subtype))

    assert outcome.events == ()
    assert outcome.ignored


def test_a_thread_notice_without_its_subtype_is_known_by_its_shape():
    event = {"type": "message", "channel": "C1", "event_ts": TS, "ts": TS, "message": a_message()}

    assert told(event) == Told(ignored="thread notice")


def reacted(**extra: Any) -> dict[str, Any]:
    item = {"type": "message", "channel": "C1", "ts": TS}
    return {"type": "reaction_added", "user": "U1", "reaction": "tada", "item": item, "event_ts": TS, **extra}


def test_a_reaction_is_somebodys_emoji():
    assert told(reacted()).events == (Reaction(MessageId(C1, TS), ANN, "🎉", SENT),)


def test_a_reaction_taken_back_says_so():
    assert told(reacted(type="reaction_removed")).events == (Reaction(MessageId(C1, TS), ANN, "🎉", SENT, added=False),)


@pytest.mark.parametrize("tone", range(2, 7))
def test_skin_tones_are_one_emoji(tone: int):
    assert told(reacted(reaction=f"wave::skin-tone-{tone}")).events == told(reacted(reaction="wave")).events


def test_a_reaction_to_a_file_is_ignored():
    assert told(reacted(item={"type": "file", "file": "F1"})).events == ()


def test_being_invited_is_news():
    event = {"type": "member_joined_channel", "user": "UBOT", "channel": "C1", "event_ts": TS}

    assert told(event) == Told(news=News.INVITED, place=C1)


def test_somebody_elses_joining_is_not_read():
    assert told({"type": "member_joined_channel", "user": "U1", "channel": "C1"}) == Told(ignored="membership")


@pytest.mark.parametrize(
    ("event", "why", "news"),
    [
        ({"type": "channel_left", "channel": "C1"}, Gone.LEFT, News.LEFT),
        ({"type": "group_left", "channel": "C1"}, Gone.LEFT, News.LEFT),
        ({"type": "channel_archive", "channel": "C1"}, Gone.ARCHIVED, None),
        ({"type": "group_archive", "channel": "C1", "is_moved": 0}, Gone.ARCHIVED, None),
        ({"type": "channel_deleted", "channel": "C1"}, Gone.DELETED, News.LEFT),
        ({"type": "channel_deleted", "channel": "C1", "is_moved": True}, Gone.LEFT, News.LEFT),
    ],
)
def test_a_channel_that_goes_is_gone(event: dict[str, Any], why: Gone, news: News | None):
    place = C1 if news else None

    assert told({**event, "event_ts": TS}) == Told((ChannelGone(C1, SENT, why),), news=news, place=place)


@pytest.mark.parametrize("kind", ["channel_unarchive", "group_unarchive", "channel_shared", "channel_unshared"])
def test_what_changes_a_channel_makes_us_ask_again(kind: str):
    assert told({"type": kind, "channel": "C1", "event_ts": TS}) == Told(news=News.CHANGED, place=C1)


@pytest.mark.parametrize("kind", ["channel_rename", "group_rename"])
def test_a_renamed_channel_makes_us_ask_again(kind: str):
    event = {"type": kind, "channel": {"id": "C1", "name": "new"}, "event_ts": TS}

    assert told(event) == Told(news=News.CHANGED, place=C1)


@pytest.mark.parametrize("new", ["C2", "C1", None])
def test_a_channel_that_gets_a_new_id_has_moved_there(new: str | None):
    event = {"type": "channel_id_changed", "old_channel_id": "C1", "new_channel_id": new, "event_ts": TS}

    moved = Told((ChannelMoved(C1, US.channel("C2"), SENT),))
    assert told(event) == (moved if new == "C2" else Told(ignored="malformed"))


@pytest.mark.parametrize("kind", ["app_uninstalled", "tokens_revoked", "team_access_revoked"])
def test_losing_access_is_news(kind: str):
    assert told({"type": kind}) == Told(news=News.OUT)


def test_the_workspace_is_the_installations_in_a_shared_channel():
    event = body(a_message(), team="T9", authorizations=[{"team_id": "T1"}])

    assert translate(event, US, PSEUDONYMS).events


def test_another_workspaces_event_is_ignored():
    assert told(a_message(), team="T2") == Told(ignored="another workspace")


def test_an_unknown_event_is_ignored_by_name():
    assert told({"type": "star_added", "user": "U1"}) == Told(ignored="star_added")


@pytest.mark.parametrize("missing", ["ts", "channel", "user"])
def test_a_message_without_what_it_needs_is_malformed(missing: str):
    event = a_message()
    del event[missing]
    if missing == "ts":
        del event["event_ts"]

    assert told(event) == Told(ignored="malformed")


def test_a_message_of_a_hundred_kilobytes_is_kept_whole():
    assert len(the_message(a_message(text="a" * 100_000)).text) == 100_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "subtype", "ts", "event_ts", "channel", "user", "message", "item", "edited", "text"]),
        inner | st.sampled_from(["message", "message_changed", "reaction_added", "channel_rename", TS, "C1"]),
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@given(event=JSON)
@example(event={"type": ""})
def test_no_json_is_too_odd(event: Any):
    outcome = told(event)

    assert outcome.events or outcome.ignored or outcome.news


@given(record=JSON)
def test_no_record_is_too_odd(record: Any):
    outcome = recorded(record, C1, US, PSEUDONYMS, read_at=SENT)

    assert outcome.events or outcome.ignored


def test_history_tells_the_same_as_the_event_did():
    record = {key: value for key, value in a_message().items() if key not in ("channel", "channel_type", "event_ts")}

    assert recorded(record, C1, US, PSEUDONYMS, read_at=SENT + timedelta(days=3)).events == told(a_message()).events


def test_history_shows_a_deleted_root_as_a_deletion():
    record = {"subtype": "tombstone", "user": "USLACKBOT", "ts": TS, "text": "This message was deleted."}

    assert recorded(record, C1, US, PSEUDONYMS, read_at=SENT).events == (Deletion(MessageId(C1, TS), SENT),)


def test_history_brings_reactions_with_the_messages_own_time():
    record = {
        "user": "U1",
        "text": "hi",
        "ts": TS,
        "reactions": [{"name": "tada", "users": ["U1", "UBOT"], "count": 2}],
    }

    (_, reaction) = recorded(record, C1, US, PSEUDONYMS, read_at=SENT).events

    assert reaction == Reaction(MessageId(C1, TS), ANN, "🎉", SENT)


def test_a_channel_is_private_unless_slack_says_otherwise():
    plain = {"id": "C1", "name": "general", "is_private": False}

    assert seen(plain, US, at=SENT) == ChannelSeen(C1, "general", SENT, private=False)
    assert seen({"id": "C1", "name": "general"}, US, at=SENT) == ChannelSeen(C1, "general", SENT, private=True)


def test_an_archived_channel_is_gone():
    assert seen({"id": "C1", "name": "x", "is_archived": True}, US, at=SENT) == ChannelGone(C1, SENT, Gone.ARCHIVED)


@pytest.mark.parametrize("flags", [{"id": "D1"}, {"id": "C1", "is_mpim": True}, {"id": "C1", "is_im": True}])
def test_a_direct_conversation_is_no_channel(flags: dict[str, Any]):
    assert seen({"name": "ann", "is_private": False, **flags}, US, at=SENT) is None


@pytest.mark.parametrize(
    "text", ["<@UBOT> mood last week", "<@UBOT|roomtone>: mood last week", "mood last week <@UBOT>"]
)
def test_a_mention_asks_its_other_words(text: str):
    assert asked(text, US) == "mood last week"
