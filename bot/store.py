"""The promises that storage keeps: Inbox, Ledger, Readings, Names, Cursors, Notes, Held, Subscriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from bot.analysis import Analysis, Kind
from bot.message import Channel, Event, Gone, Message, MessageId, Platform, Pseudonym, Window
from bot.schedule import Due, Post, Sort, State, Subscription

QUARTER_HOUR_SECONDS = 900
"""The finest step of the roll-ups. Every zone's offset is a multiple of it, so any local day can be added up."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event on loan from the inbox. `receipt` names it there; `attempts` counts the loans, this one included."""

    receipt: int
    event: Event
    attempts: int


class Inbox(Protocol):
    """Keeps events, sealed, from the moment they are accepted until they are recorded."""

    async def put(self, events: Sequence[Event], /) -> None:
        """Keep `events` durably; only then return. The same event twice is kept once.

        Calls made at the same time share one commit. Events of people who opted out are dropped.
        Raises StorageFull, StorageBusy.
        """
        ...

    async def take(self, limit: int, /) -> Sequence[Waiting]:
        """Lend up to `limit` events, oldest first, that nobody holds; removes nothing.

        A loan that isn't recorded, released or set aside within the lease comes back by itself.
        """
        ...

    async def release(self, receipts: Sequence[int], /) -> None:
        """Give loans back unrecorded, as if never lent (their attempts don't count)."""
        ...

    async def set_aside(self, receipt: int, reason: str, /) -> None:
        """Stop lending an event that keeps failing; it stays sealed, counted and shown by `doctor`."""
        ...

    async def try_again(self) -> int:
        """Lend again what was set aside, as if never lent; how many events that were."""
        ...

    async def count(self) -> InboxCount:
        """How many events wait and how many were set aside."""
        ...


@dataclass(frozen=True, slots=True)
class InboxCount:
    """`oldest` is when the oldest waiting event was accepted; `reasons` count what was set aside."""

    waiting: int
    oldest: datetime | None
    set_aside: int
    reasons: Mapping[str, int]


class Ledger(Protocol):
    """Turns what was read into readings and roll-ups, exactly once."""

    async def record(self, done: Sequence[tuple[Waiting, Analysis | None]], /) -> None:
        """Commit a batch: readings, mentions, roll-ups, tombstones, reactions and channels, and its end in the inbox.

        One transaction, and the only thing that removes events (with their sealed text) from the inbox. Every
        `Message` comes with its analysis, except one from a bot, which is counted but not read. The latest revision
        wins, a tombstone beats all: any order and any repetition of a history leaves the same tables. When a channel
        moves, its cursor, notes, subscriptions and posts are kept under its new id; of two subscriptions the new id's
        stays, of two notes the old one's, of two cursors the earlier.
        Raises StorageFull, StorageBusy.
        """
        ...

    async def known(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[bool]:
        """For each (message, revised_at): is this or a later revision, or a tombstone, recorded or waiting already?"""
        ...

    async def opt_out(self, author: Pseudonym, /) -> None:
        """Take everything of `author` out of every number, and keep nothing of theirs from now on."""
        ...

    async def opt_in(self, author: Pseudonym, /) -> None:
        """Count `author` again from now on; what was forgotten stays forgotten."""
        ...

    async def opted_out(self, author: Pseudonym, /) -> bool:
        """Has `author` opted out?"""
        ...


class Past(StrEnum):
    """What is recorded of a message, seen from one of its revisions."""

    UNKNOWN = "unknown"
    """Nothing, or an earlier revision."""
    READ = "read"
    """This revision."""
    EDITED = "edited"
    """A later revision."""
    DELETED = "deleted"
    """A tombstone."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is recorded of a message, and which model read it; None: nobody looked at it, or nothing is recorded."""

    past: Past
    model: str | None = None


class Rereading(Protocol):
    """Puts another model's reading in the place of the one that is recorded; a stored Ledger is one."""

    async def standing(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[Standing]:
        """For each (message, revised_at): what is recorded of it?"""
        ...

    async def reread(self, done: Sequence[tuple[Message, Analysis]], /) -> int:
        """Take the old readings of these very revisions out of every number and put these in; how many there were.

        One transaction. A message that isn't recorded, was edited or deleted meanwhile or is a bot's is left alone,
        and nothing but the reading changes. Raises StorageFull, StorageBusy.
        """
        ...

    async def read_by(self) -> Mapping[str, int]:
        """How many messages each model read."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelSummary:
    """A channel and what is known of it. A Discord thread's messages count for its parent, and it isn't listed.

    `messages` and `people` are those read (no bots, no unread languages); `first` and `last` are their times.
    """

    channel: Channel
    name: str
    private: bool
    gone: Gone | None
    messages: int
    people: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True, slots=True)
class AuthorTally:
    """One author's messages in one window, read by one model.

    `score` is the sum of scores in [-1, 1] and `squares` the sum of their squares; `negative`, `neutral` and
    `positive` count messages by label and add up to `messages`.
    """

    author: Pseudonym = field(repr=False)
    model: str
    messages: int
    score: float
    squares: float
    negative: int
    neutral: int
    positive: int


@dataclass(frozen=True, slots=True)
class EntityTally:
    """An entity in one window: how often, by how many people, and the scores of the messages that name it.

    `key` is the canonical form after the team's aliases; `name` and `kind` are the most frequent as written.
    `messages` counts messages that name it at least once, `score` sums theirs.
    """

    key: str
    name: str
    kind: Kind
    mentions: int
    messages: int
    people: int
    score: float


@dataclass(frozen=True, slots=True)
class ThreadTally:
    """A thread's messages in one window; `root` is its first message."""

    root: MessageId
    messages: int
    people: int
    score: float


@dataclass(frozen=True, slots=True)
class ReactionTally:
    """An emoji given as a reaction to messages of one window."""

    emoji: str
    count: int
    people: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Messages of a window that are in no mood, and why. `languages` counts by ISO 639-1 code.

    Those `set_aside` failed again and again; they don't wait, and `roomtone doctor --retry` reads them once more.
    """

    bots: int
    languages: Mapping[str, int]
    waiting: int
    set_aside: int = 0


class Readings(Protocol):
    """Answers about what was recorded. `channels` are parents; threads inside them are included."""

    async def channels(self) -> Sequence[ChannelSummary]:
        """Every channel ever seen, by platform, workspace and name."""
        ...

    async def tallies(
        self, channels: Sequence[Channel], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """Author tallies for each half-open window between consecutive `edges` (ascending, whole quarter hours, UTC).

        One shorter than `edges`. Several channels are taken together: each (author, model) once a window.
        """
        ...

    async def entities(
        self, channels: Sequence[Channel], window: Window, /, *, limit: int, kind: Kind | None = None
    ) -> Sequence[EntityTally]:
        """The entities named by most people (then most messages, then by name), hidden ones left out."""
        ...

    async def entity(
        self, channels: Sequence[Channel], key: str, edges: Sequence[datetime], /
    ) -> Sequence[Sequence[AuthorTally]]:
        """As `tallies`, for the messages that name the entity `key`."""
        ...

    async def each_entity(
        self, channels: Sequence[Channel], keys: Sequence[str], edges: Sequence[datetime], /
    ) -> Sequence[Sequence[Sequence[AuthorTally]]]:
        """As `entity` for each of `keys`, but asked at once."""
        ...

    async def entity_named(self, channels: Sequence[Channel], key: str, /) -> tuple[str, Kind] | None:
        """The name and kind as which the entity `key` is most often written; None if it isn't named there."""
        ...

    async def entity_names(self, channels: Sequence[Channel], /) -> Mapping[str, str]:
        """Every entity's key → name as most often written, for finding the one a person means."""
        ...

    async def threads(self, channels: Sequence[Channel], window: Window, /, *, limit: int) -> Sequence[ThreadTally]:
        """The threads with most messages sent in `window`."""
        ...

    async def reactions(self, channels: Sequence[Channel], window: Window, /) -> Sequence[ReactionTally]:
        """Reactions that stand on messages sent in `window`, most given first."""
        ...

    async def left_out(self, channels: Sequence[Channel], window: Window, /) -> LeftOut:
        """What is in no mood of `window`, and why."""
        ...


@dataclass(frozen=True, slots=True)
class Alias:
    """`written` (any spelling) means `meant`; `meant` None hides it from every list."""

    written: str
    meant: str | None


class Names(Protocol):
    """The team's own table of what things are called; it applies to the past too."""

    async def aliases(self) -> Sequence[Alias]:
        """Every alias, by canonical form."""
        ...

    async def alias(self, written: str, meant: str | None, /) -> None:
        """Let `written` mean `meant` (None: hide it). Raises ConfigurationError for a circle, or no name."""
        ...

    async def unalias(self, written: str, /) -> bool:
        """Forget an alias; False if there was none."""
        ...


class Cursors(Protocol):
    """How far each channel has been read without a hole: every message up to there is durably accepted.

    Reading a channel's past after a pause starts there. A position is the platform's own message id, of which a later
    one is longer or, at the same length, alphabetically greater (a Slack `ts`, a Discord snowflake).
    """

    async def position(self, channel: Channel, /) -> str | None:
        """The last message up to which nothing is missing; None if the channel was never read."""
        ...

    async def positions(self, platform: Platform, workspace: str, /) -> Mapping[Channel, str]:
        """Every channel of a workspace that has a position."""
        ...

    async def advance(self, positions: Mapping[Channel, str], /) -> None:
        """Move to these positions, durably, and never backwards. Raises StorageFull, StorageBusy."""
        ...

    async def drop(self, channel: Channel, /) -> None:
        """Forget how far `channel` was read, because it is read no longer."""
        ...


class Notes(Protocol):
    """Small facts that an adapter must not forget: what was introduced, promised to somebody, or is under way.

    A note has a name within its workspace and any JSON value. Never a person's words, name or id. A channel's id is a
    word of its own in a name: so the note follows the channel to another id (`bot.message.ChannelMoved`).
    """

    async def note(self, platform: Platform, workspace: str, name: str, /) -> Any:
        """The note's value; None if there is none."""
        ...

    async def notes(self, platform: Platform, workspace: str, prefix: str, /) -> Mapping[str, Any]:
        """Every note whose name begins with `prefix`, by name."""
        ...

    async def write(self, platform: Platform, workspace: str, name: str, value: Any, /) -> None:
        """Keep a note durably, in the place of an earlier one. Raises StorageFull, StorageBusy."""
        ...

    async def claim(self, platform: Platform, workspace: str, name: str, value: Any, /) -> bool:
        """Keep a note unless there is one of that name; was it kept? Of several callers exactly one hears True."""
        ...

    async def drop_note(self, platform: Platform, workspace: str, name: str, /) -> None:
        """Forget a note."""
        ...


class Held(Protocol):
    """Which messages are held: compared with a platform's own history, it shows what was deleted unnoticed."""

    async def messages(self, channel: Channel, window: Window, /) -> Mapping[str, str | None]:
        """The ids of the messages sent in `window` in this very channel that are recorded and not deleted.

        Each with the id of its thread's first message, or None.
        """
        ...


class Subscriptions(Protocol):
    """What channels want posted, and what became of it.

    A post is a row from the moment it is due; its channel, sort and due time are the row's name, so there is one row
    whoever plans it. It waits until somebody who reserved it settles it. A reservation that nobody settles (its
    process died, or the platform didn't take it) ends by itself, and the next one is somebody else's.
    """

    async def subscription(self, channel: Channel, sort: Sort, /) -> Subscription | None:
        """What `channel` wants of that sort; None if nothing."""
        ...

    async def subscriptions(
        self, platform: Platform | None = None, workspace: str | None = None, /
    ) -> Sequence[Subscription]:
        """What every channel wants, or those of a platform, or of a workspace."""
        ...

    async def subscribe(self, subscription: Subscription, /) -> None:
        """Keep it, in the place of an earlier one of its channel and sort."""
        ...

    async def unsubscribe(self, channel: Channel, sort: Sort, /) -> bool:
        """Forget it, and what waits to be posted for it; False if there was none."""
        ...

    async def forget(self, platform: Platform, workspace: str, /) -> None:
        """Forget everything that the channels of a workspace wanted."""
        ...

    async def plan(self, due: Due, /) -> None:
        """Let it wait to be posted, unless it has been planned before."""
        ...

    async def waiting(self, platform: Platform, workspace: str, now: datetime, /) -> Sequence[Due]:
        """What waits in a workspace and nobody has reserved, oldest first."""
        ...

    async def reserve(self, due: Due, now: datetime, until: datetime, /) -> bool:
        """Be the only one who may post it, `until` then. Of several callers exactly one hears True."""
        ...

    async def settle(
        self, due: Due, state: State, /, *, message: str | None = None, why: str | None = None, low: bool | None = None
    ) -> None:
        """Say what became of it; WAITING says only why it isn't posted yet. `low` goes into its subscription."""
        ...

    async def posts(self, channel: Channel, sort: Sort, /, *, limit: int = 10) -> Sequence[Post]:
        """What was due lately, newest first."""
        ...
