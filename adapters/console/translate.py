"""What is typed in a terminal → events."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from bot.message import (
    Channel,
    ChannelGone,
    ChannelSeen,
    Deletion,
    Event,
    Message,
    MessageId,
    Platform,
    Pseudonym,
    Reaction,
    ReactionsCleared,
)
from bot.privacy import Pseudonyms


def author(name: str, channel: Channel, pseudonyms: Pseudonyms) -> Pseudonym:
    """The pseudonym of somebody who types as `name`; never that of a platform's user of the same name."""
    return pseudonyms.of(Platform.CONSOLE, channel.workspace, name)


def said(line: str, *, by: Pseudonym, channel: Channel, at: datetime) -> Message:
    """A line typed into `channel`. Its time, to the microsecond, is its id."""
    sent_at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return Message(MessageId(channel, f"{at.timestamp():.6f}"), by, sent_at, sent_at, line)


def moved(event: Event, by: timedelta) -> Event:
    """The same event, `by` later: a sample of last month becomes one of last week. Ids stay as they are."""
    match event:
        case Message():
            return replace(event, sent_at=event.sent_at + by, revised_at=event.revised_at + by)
        case Deletion():
            return replace(event, deleted_at=event.deleted_at + by)
        case Reaction() | ReactionsCleared() | ChannelSeen() | ChannelGone():
            return replace(event, at=event.at + by)
        case _:
            assert_never(event)
