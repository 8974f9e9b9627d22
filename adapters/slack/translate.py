"""Slack's payloads → events. Pure: takes any JSON, raises nothing, names nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from adapters.exports.fields import as_object, emoji_called, from_epoch, identifier, words
from adapters.exports.slack import BOTS, notice, reactions, timestamp, written
from bot.message import (
    Channel,
    ChannelGone,
    ChannelMoved,
    ChannelSeen,
    Deletion,
    Event,
    Gone,
    Message,
    MessageId,
    Platform,
    Reaction,
)
from bot.privacy import Pseudonyms

TOMBSTONE = "tombstone"
_DIRECT = frozenset({"im", "mpim", "app_home"})
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)


class News(StrEnum):
    """What an event means for the client itself, besides its events."""

    INVITED = "invited"
    """We are in `Told.place` now."""
    LEFT = "left"
    """We are out of `Told.place`."""
    CHANGED = "changed"
    """What `Told.place` is called, or who may see it, has to be asked again."""
    OUT = "out"
    """The workspace took our access away."""


@dataclass(frozen=True, slots=True)
class Us:
    """The workspace we are installed in, and our own ids there."""

    workspace: str
    user: str
    bot: str

    def channel(self, id_: str) -> Channel:
        """A channel of this workspace."""
        return Channel(Platform.SLACK, self.workspace, id_)


@dataclass(frozen=True, slots=True)
class Told:
    """What a payload says: events to keep, or why there are none (`ignored`), and `news` about `place`."""

    events: tuple[Event, ...] = ()
    ignored: str = ""
    news: News | None = None
    place: Channel | None = None


def workspace_of(body: Mapping[str, Any]) -> str:
    """The workspace that a payload is for. In shared channels that is the installation's, not the author's."""
    authorizations = body.get("authorizations")
    first = as_object(authorizations[0]) if isinstance(authorizations, list) and authorizations else {}
    return identifier(first.get("team_id")) or identifier(body.get("team_id"))


def translate(body: Mapping[str, Any], us: Us, pseudonyms: Pseudonyms) -> Told:
    """What an `event_callback` says."""
    if workspace_of(body) != us.workspace:
        return Told(ignored="another workspace")
    event = as_object(body.get("event"))
    match event.get("type"):
        case "message":
            return _message(event, us, pseudonyms)
        case "reaction_added" | "reaction_removed":
            return _reaction(event, us, pseudonyms)
        case "member_joined_channel":
            place = _place(event.get("channel"), us)
            if event.get("user") == us.user and place is not None:
                return Told(news=News.INVITED, place=place)
            return Told(ignored="membership")
        case "app_uninstalled" | "tokens_revoked" | "team_access_revoked":
            return Told(news=News.OUT)
        case str(kind) if kind:
            return _channel(kind, event, us, from_epoch(event.get("event_ts")) or from_epoch(body.get("event_time")))
    return Told(ignored="malformed")


def recorded(record: Any, channel: Channel, us: Us, pseudonyms: Pseudonyms, *, read_at: datetime) -> Told:
    """What a record of `conversations.history` or `.replies`, read at `read_at`, says: a message and its reactions."""
    fields = as_object(record)
    ts = timestamp(fields.get("ts"))
    if ts is None or from_epoch(ts) is None:
        return Told(ignored="malformed")
    if fields.get("subtype") == TOMBSTONE:
        # When it was deleted isn't kept; that it was is final at any time.
        return Told((Deletion(MessageId(channel, ts), read_at),))
    told = _written(fields, channel, us, pseudonyms, at=read_at)
    given = tuple(
        reaction
        for message in told.events
        if isinstance(message, Message)
        for reaction in reactions(fields, message, pseudonyms, BOTS | {us.user})
    )
    return Told((*told.events, *given), told.ignored)


def seen(conversation: Mapping[str, Any], us: Us, *, at: datetime) -> ChannelSeen | ChannelGone | None:
    """What a conversation object of `conversations.info` says of a channel; None if it is no channel of ours."""
    channel = _place(conversation.get("id"), us)
    direct = True in (conversation.get("is_im"), conversation.get("is_mpim"))
    if channel is None or direct or channel.id.startswith("D"):
        return None
    if conversation.get("is_archived") is True:
        return ChannelGone(channel, at, Gone.ARCHIVED)
    name = words(conversation.get("name")) or channel.id
    # Only a plain False is public: shown to fewer, never to more.
    return ChannelSeen(channel, name, at, private=conversation.get("is_private") is not False)


def _message(event: Mapping[str, Any], us: Us, pseudonyms: Pseudonyms) -> Told:
    channel = _place(event.get("channel"), us)
    at = from_epoch(event.get("event_ts")) or from_epoch(event.get("ts"))
    if channel is None or at is None:
        return Told(ignored="malformed")
    if event.get("channel_type") in _DIRECT or channel.id.startswith("D"):
        return Told(ignored="direct message")
    match event.get("subtype"):
        case "message_changed":
            changed = as_object(event.get("message"))
            if changed.get("subtype") == TOMBSTONE:
                return _deletion(changed.get("ts"), channel, at)
            return _written(changed, channel, us, pseudonyms, at=at)
        case "message_deleted":
            return _deletion(event.get("deleted_ts"), channel, at)
        case "tombstone":
            return _deletion(event.get("ts"), channel, at)
        case None if isinstance(event.get("message"), dict) and "user" not in event and "bot_id" not in event:
            # message_replied comes without its subtype.
            return Told(ignored="thread notice")
    return _written(event, channel, us, pseudonyms, at=at)


def _written(record: Mapping[str, Any], channel: Channel, us: Us, pseudonyms: Pseudonyms, *, at: datetime) -> Told:
    if reason := notice(record.get("subtype")):
        return Told(ignored=reason)
    if us.bot and record.get("bot_id") == us.bot:
        return Told(ignored="our own")
    try:
        message = written(record, channel, pseudonyms)
    except ValueError:
        return Told(ignored="malformed")
    if message is None:
        return Told(ignored="malformed")
    if not message.text:
        return Told(ignored="no words")
    return Told((_revised(message, record, at),))


def _revised(message: Message, record: Mapping[str, Any], at: datetime) -> Message:
    """`message` with the moment of its latest edit.

    `edited.ts` has whole seconds. Two edits within one are told apart by the moment they are told of, as far as that
    lies in the same second; whatever is told later of the same edit (a link's preview) is then no newer than its end.
    """
    edited_at = from_epoch(as_object(record.get("edited")).get("ts"))
    if edited_at is None:
        return message
    revised_at = max(message.sent_at, edited_at, min(at, edited_at + _SECOND - _MILLISECOND))
    return replace(message, revised_at=revised_at)


def _deletion(ts: Any, channel: Channel, at: datetime) -> Told:
    id_ = timestamp(ts)
    return Told(ignored="malformed") if id_ is None else Told((Deletion(MessageId(channel, id_), at),))


def _reaction(event: Mapping[str, Any], us: Us, pseudonyms: Pseudonyms) -> Told:
    item = as_object(event.get("item"))
    if item.get("type") != "message":
        return Told(ignored="reaction to something else")
    channel, id_ = _place(item.get("channel"), us), timestamp(item.get("ts"))
    at, user = from_epoch(event.get("event_ts")), identifier(event.get("user"))
    emoji = emoji_called(identifier(event.get("reaction")))
    if channel is None or id_ is None or at is None or not user or not emoji:
        return Told(ignored="malformed")
    if channel.id.startswith("D"):
        return Told(ignored="direct message")
    if user in BOTS | {us.user}:
        return Told(ignored="a bot's reaction")
    author = pseudonyms.of(Platform.SLACK, us.workspace, user)
    return Told((Reaction(MessageId(channel, id_), author, emoji, at, event.get("type") == "reaction_added"),))


def _channel(kind: str, event: Mapping[str, Any], us: Us, at: datetime | None) -> Told:
    """What an event about a channel says; anything that isn't one is ignored by its name."""
    action = kind.removeprefix("channel_").removeprefix("group_")
    if action == kind or action not in _ACTIONS:
        return Told(ignored=kind[:40])
    channel = event.get("channel")
    place = _place(channel.get("id") if isinstance(channel, dict) else channel, us)
    if action == "id_changed":
        old, new = _place(event.get("old_channel_id"), us), _place(event.get("new_channel_id"), us)
        if old is None or new is None or old == new or at is None:
            return Told(ignored="malformed")
        return Told((ChannelMoved(old, new, at),))
    if place is None or at is None:
        return Told(ignored="malformed")
    match action:
        case "left":
            return Told((ChannelGone(place, at, Gone.LEFT),), news=News.LEFT, place=place)
        case "archive":
            return Told((ChannelGone(place, at, Gone.ARCHIVED),))
        case "deleted":
            # A channel that moves to another workspace is deleted here, with its messages still standing there.
            why = Gone.LEFT if event.get("is_moved") in (True, 1) else Gone.DELETED
            return Told((ChannelGone(place, at, why),), news=News.LEFT, place=place)
    return Told(news=News.CHANGED, place=place)


_ACTIONS = frozenset({"left", "archive", "unarchive", "deleted", "rename", "id_changed", "shared", "unshared"})


def _place(id_: Any, us: Us) -> Channel | None:
    return us.channel(id_) if isinstance(id_, str) and id_.isalnum() and id_.isascii() else None


def asked(text: str, us: Us) -> str:
    """What a mention asks: its words without our own name."""
    return re.sub(rf"<@{re.escape(us.user)}(?:\|[^>]*)?>[,:]?", " ", text).strip()
