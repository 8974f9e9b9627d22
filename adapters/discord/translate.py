"""A Discord payload → an event, from the gateway and from history alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.exports.fields import as_object, emoji_without_tone, from_iso, identifier, words
from bot.importing import Skipped
from bot.message import Channel, Deletion, Message, MessageId, Platform, Pseudonym, Reaction, ReactionsCleared
from bot.privacy import Pseudonyms

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
"""Where Discord's own time begins: https://docs.discord.com/developers/reference#snowflakes."""

# An allow-list: other types carry a title, a number or nothing, though real people are named as their authors.
_WRITTEN = {0, 19}
_COMMANDS = {20, 23}  # answered by an app
_NOTICES = frozenset({*range(1, 19), 21, 22, *range(24, 33), *range(36, 40), 44, 46, 63})
"""The types that hold nobody's words: joins, pins, boosts and the like.

Source: https://docs.discord.com/developers/resources/message#message-object-message-types.
"""
UNKNOWN_TYPE = "unknown type "
_EPHEMERAL = 1 << 6
_SNOWFLAKE = re.compile(r"[0-9]{1,19}")


def room(workspace: str, id_: int | str) -> Channel:
    """A channel or a thread, as its messages and deletions name it."""
    return Channel(Platform.DISCORD, workspace, str(id_))


def moment(snowflake: int | str) -> datetime:
    """When a snowflake was made, to the millisecond."""
    return EPOCH + timedelta(milliseconds=int(snowflake) >> 22)


def snowflake(at: datetime) -> int:
    """The least snowflake made at `at` or later; 0 before Discord's time began."""
    return max(0, -((EPOCH - at) // timedelta(milliseconds=1))) << 22


def author(pseudonyms: Pseudonyms, workspace: str, user: int | str) -> Pseudonym:
    """The pseudonym of a user; the one that an export of the same server gives."""
    return pseudonyms.of(Platform.DISCORD, workspace, str(user))


def is_known(type_: int) -> bool:
    """Does this version know messages of that type?"""
    return type_ in _WRITTEN | _COMMANDS | _NOTICES


def written(payload: Any, *, workspace: str, thread: bool, pseudonyms: Pseudonyms) -> Message | Skipped:
    """A message as it stands after its latest edit. Takes any JSON; what isn't a person's or a bot's words is skipped.

    `workspace` is the server's id. With `thread`, the message's channel is a thread, and its first message the root.
    """
    if not isinstance(payload, dict):
        return Skipped("not a message")
    id_, channel = identifier(payload.get("id")), identifier(payload.get("channel_id"))
    if not _SNOWFLAKE.fullmatch(id_) or not _SNOWFLAKE.fullmatch(channel):
        return Skipped("no id")
    kind = payload.get("type")
    if type(kind) is not int:
        return Skipped("no type")
    if kind not in _WRITTEN | _COMMANDS:
        return Skipped(f"type {kind}" if is_known(kind) else f"{UNKNOWN_TYPE}{kind}")
    if _number(payload.get("flags")) & _EPHEMERAL:
        return Skipped("ephemeral")
    sender = as_object(payload.get("author"))
    user = identifier(sender.get("id"))
    if not user:
        return Skipped("no author")
    place = room(workspace, channel)
    sent_at = moment(id_)
    edited_at = _milliseconds(from_iso(payload.get("edited_timestamp")))
    return Message(
        id=MessageId(place, id_),
        author=author(pseudonyms, workspace, user),
        sent_at=sent_at,
        revised_at=max(sent_at, edited_at or sent_at),
        text=_text(payload),
        thread=MessageId(place, channel) if thread else None,
        from_bot=sender.get("bot") is True or kind in _COMMANDS or bool(payload.get("webhook_id")),
    )


def _milliseconds(at: datetime | None) -> datetime | None:
    # After an edit with a link, the embed's update repeats the edit's time without its microseconds.
    return at and at.replace(microsecond=at.microsecond // 1000 * 1000)


def _text(payload: Mapping[str, Any]) -> str:
    """The sender's own words. A forward's, an embed's, a quoted message's and a file's are others'."""
    content = words(payload.get("content"))
    question = words(as_object(as_object(payload.get("poll")).get("question")).get("text"))
    return "\n".join(filter(None, (content, question)))


def _number(value: Any) -> int:
    return value if type(value) is int else 0


def deleted(workspace: str, channel: int | str, id_: int | str, *, at: datetime) -> Deletion:
    """A tombstone; Discord doesn't say when, so `at` is our clock."""
    return Deletion(MessageId(room(workspace, channel), str(id_)), _cut(at))


def reacted(payload: Any, *, workspace: str, at: datetime, added: bool, pseudonyms: Pseudonyms) -> Reaction | Skipped:
    """An emoji put on a message, or taken back. Takes any JSON; `at` is our clock, since events carry no time."""
    reaction = as_object(payload)
    id_, channel = identifier(reaction.get("message_id")), identifier(reaction.get("channel_id"))
    user, emoji = identifier(reaction.get("user_id")), named(reaction.get("emoji"))
    if not id_ or not channel or not user or not emoji:
        return Skipped("not a reaction")
    if as_object(as_object(reaction.get("member")).get("user")).get("bot") is True:
        return Skipped("a bot's reaction")
    return Reaction(
        MessageId(room(workspace, channel), id_), author(pseudonyms, workspace, user), emoji, _cut(at), added
    )


def cleared(payload: Any, *, workspace: str, at: datetime) -> ReactionsCleared | Skipped:
    """All reactions of a message, or all of one emoji, taken away. Takes any JSON."""
    clearing = as_object(payload)
    id_, channel = identifier(clearing.get("message_id")), identifier(clearing.get("channel_id"))
    emoji = named(clearing.get("emoji"))
    if not id_ or not channel or ("emoji" in clearing and not emoji):
        return Skipped("not a clearing of reactions")
    return ReactionsCleared(MessageId(room(workspace, channel), id_), _cut(at), emoji or None)


def named(emoji: Any) -> str:
    """A Unicode emoji without skin tone, or a custom one's bare name; empty if it is neither."""
    emoji = as_object(emoji)
    called = words(emoji.get("name"))
    return called if identifier(emoji.get("id")) else emoji_without_tone(called)


def _cut(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def mentions(content: str, ours: frozenset[int]) -> bool:
    """Is one of `ours` (the bot's id, its own role's) named in the text, outside code and quotes?

    A reply that pings, which names nobody in its text, is none.
    """
    return any(int(found[1]) in ours for found in _MENTION.finditer(_asides_out(content)))


def asked(content: str, ours: frozenset[int]) -> str:
    """The question in `content`: its words without the mention of `ours`, code blocks and quoted lines."""
    return _MENTION.sub(lambda found: " " if int(found[1]) in ours else found[0], _asides_out(content)).strip()


_MENTION = re.compile(r"<@[!&]?([0-9]{1,19})>")
_CODE_BLOCK = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_QUOTED = re.compile(r"^>>> [\s\S]*\Z|^> [^\n]*$", re.MULTILINE)


def _asides_out(content: str) -> str:
    without = _CODE_BLOCK.sub(" ", content)
    # Code only where it holds a mention: `Visual Basic` is how a name is quoted.
    without = _CODE.sub(lambda code: " " if "<@" in code[0] else code[0], without)
    return _QUOTED.sub(" ", without)
