"""What happens in a chat, where and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType, TypeAlias

Pseudonym = NewType("Pseudonym", str)
"""An author as Roomtone knows them: a keyed hash (see `bot.privacy`), never a platform's user id."""


class Platform(StrEnum):
    """Where a chat lives."""

    SLACK = "slack"
    DISCORD = "discord"
    CONSOLE = "console"
    OTHER = "other"
    """Brought in from a plain JSONL file."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One room. `id` is the platform's own, which survives renaming."""

    platform: Platform
    workspace: str
    id: str


@dataclass(frozen=True, slots=True)
class MessageId:
    """One message in the channel that delivered it.

    Slack: `id` is the `ts`, and a thread is not part of it (a deletion doesn't name it). Discord: a thread *is* the
    channel (a deletion names only that).
    """

    channel: Channel
    id: str


def _aware(*moments: datetime) -> None:
    for moment in moments:
        if moment.tzinfo is not UTC:
            raise ValueError("times inside Roomtone are aware and in UTC")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, half-open: `start` ≤ t < `end`. Raises ValueError if it is empty or not in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        _aware(self.start, self.end)
        if self.end <= self.start:
            raise ValueError("a window ends after it begins")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands after its latest edit; the latest `revised_at` wins.

    Times count to the millisecond: Discord repeats an edit's time without its microseconds.
    `text` is as sent, in the platform's markup. Raises ValueError for a time that isn't UTC.
    """

    id: MessageId
    author: Pseudonym
    sent_at: datetime
    revised_at: datetime
    text: str = field(repr=False)  # stays out of repr, so out of logs
    thread: MessageId | None = None
    from_bot: bool = False

    def __post_init__(self) -> None:
        _aware(self.sent_at, self.revised_at)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A tombstone: final, and valid even before its message has arrived."""

    id: MessageId
    deleted_at: datetime

    def __post_init__(self) -> None:
        _aware(self.deleted_at)


@dataclass(frozen=True, slots=True)
class Reaction:
    """One person's emoji on a message, added or withdrawn; the latest `at` wins.

    `emoji` is a Unicode emoji without skin tone, or a custom emoji's bare name.
    """

    id: MessageId
    author: Pseudonym
    emoji: str
    at: datetime
    added: bool = True

    def __post_init__(self) -> None:
        _aware(self.at)


@dataclass(frozen=True, slots=True)
class ReactionsCleared:
    """All reactions on a message (or all of one emoji) taken away by a moderator, nobody named."""

    id: MessageId
    at: datetime
    emoji: str | None = None

    def __post_init__(self) -> None:
        _aware(self.at)


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """What a channel is called from `at` on; the latest `at` wins.

    `private` channels are answered about only to those who are in them. `parent` is the channel that a Discord
    thread belongs to; its messages count for the parent.
    """

    channel: Channel
    name: str
    at: datetime
    private: bool = False
    parent: Channel | None = None

    def __post_init__(self) -> None:
        _aware(self.at)


class Gone(StrEnum):
    """Why a channel is no longer read."""

    LEFT = "left"
    ARCHIVED = "archived"
    DELETED = "deleted"
    """The platform removed every message in it without naming them, so they leave our numbers too."""


@dataclass(frozen=True, slots=True)
class ChannelGone:
    """A channel that is no longer read; a later `ChannelSeen` brings it back."""

    channel: Channel
    at: datetime
    why: Gone

    def __post_init__(self) -> None:
        _aware(self.at)


@dataclass(frozen=True, slots=True)
class ChannelMoved:
    """A channel whose platform calls it `new` from `at` on: whatever is told of either id is told of one channel.

    Of several moves the latest says what it is called. Raises ValueError if that is no other id in its workspace.
    """

    old: Channel
    new: Channel
    at: datetime

    def __post_init__(self) -> None:
        _aware(self.at)
        if self.old == self.new or (self.old.platform, self.old.workspace) != (self.new.platform, self.new.workspace):
            raise ValueError("a channel moves to another id in its own workspace")


Event: TypeAlias = Message | Deletion | Reaction | ReactionsCleared | ChannelSeen | ChannelGone | ChannelMoved
"""Everything that an adapter can tell Roomtone. Closed: `match … case _: assert_never(event)`."""
