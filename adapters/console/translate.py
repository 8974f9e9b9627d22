"""What is typed in a terminal → events."""

from __future__ import annotations

from datetime import datetime

from bot.message import Channel, Message, MessageId, Platform, Pseudonym
from bot.privacy import Pseudonyms


def author(name: str, channel: Channel, pseudonyms: Pseudonyms) -> Pseudonym:
    """The pseudonym of somebody who types as `name`; never that of a platform's user of the same name."""
    return pseudonyms.of(Platform.CONSOLE, channel.workspace, name)


def said(line: str, *, by: Pseudonym, channel: Channel, at: datetime) -> Message:
    """A line typed into `channel`. Its time, to the microsecond, is its id."""
    sent_at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return Message(MessageId(channel, f"{at.timestamp():.6f}"), by, sent_at, sent_at, line)
