"""Inbox: keeps events, sealed, from the moment they are accepted until they are recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.dialects.sqlite import insert

from bot.errors import StorageError
from bot.message import (
    Channel,
    ChannelGone,
    ChannelMoved,
    ChannelSeen,
    Deletion,
    Event,
    Message,
    MessageId,
    Reaction,
    ReactionsCleared,
)
from bot.store import InboxCount, Waiting
from storage.engine import Database
from storage.moments import milliseconds, moment
from storage.payload import packed, unpacked
from storage.seal import Seal
from storage.tables import authors, inbox

LEASE = timedelta(minutes=5)
"""How long a loan lasts that nobody gives back."""

FINAL = 2**63 - 1
"""The revision of a waiting Deletion: later than any."""

_OFF_LOOP_BYTES = 64 * 1024  # sealing this much takes about as long as handing it to a thread


class StoredInbox:
    """The inbox in the database. See `bot.store.Inbox`."""

    def __init__(
        self, database: Database, seal: Seal, *, clock: Callable[[], datetime], lease: timedelta = LEASE
    ) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock
        self._lease = lease
        self._next: _Commit | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def put(self, events: Sequence[Event], /) -> None:
        """Keep `events` durably, sealed; only then return."""
        if not events:
            return
        rows = await self._sealed(events)
        if self._next is None:
            self._next = _Commit()
            self._next.task = asyncio.create_task(self._commit(self._next), name="inbox commit")
            self._running.add(self._next.task)
            self._next.task.add_done_callback(self._finished)
        commit = self._next
        commit.rows.extend(rows)
        assert commit.task is not None
        # A caller that gives up must not take the others' events along.
        await asyncio.shield(commit.task)

    async def take(self, limit: int, /) -> Sequence[Waiting]:
        """Lend up to `limit` events, oldest first; what can no longer be opened is set aside."""
        now = milliseconds(self._clock())
        free = (
            select(inbox.c.id)
            .where(inbox.c.reason.is_(None), inbox.c.leased_until <= now)
            .order_by(inbox.c.id)
            .limit(limit)
        )
        lend = (
            update(inbox)
            .where(inbox.c.id.in_(free))
            .values(leased_until=milliseconds(self._clock() + self._lease), attempts=inbox.c.attempts + 1)
            .returning(inbox.c.id, inbox.c.identity, inbox.c.sealed, inbox.c.attempts)
        )
        async with self._database.writing() as connection:
            rows = sorted((await connection.execute(lend)).all())
        if sum(len(row.sealed) for row in rows) < _OFF_LOOP_BYTES:
            opened = [self._opened(row) for row in rows]
        else:
            opened = await asyncio.to_thread(lambda: [self._opened(row) for row in rows])
        for row, waiting in zip(rows, opened, strict=True):
            if waiting is None:
                await self.set_aside(row.id, "unreadable")
        return tuple(waiting for waiting in opened if waiting is not None)

    async def release(self, receipts: Sequence[int], /) -> None:
        """Give loans back as if never lent."""
        if not receipts:
            return
        back = (
            update(inbox)
            .where(inbox.c.id == bindparam("receipt"))
            .values(leased_until=0, attempts=case((inbox.c.attempts > 0, inbox.c.attempts - 1), else_=0))
        )
        async with self._database.writing() as connection:
            await connection.execute(back, [{"receipt": receipt} for receipt in receipts])

    async def set_aside(self, receipt: int, reason: str, /) -> None:
        """Stop lending an event that keeps failing."""
        aside = update(inbox).where(inbox.c.id == receipt).values(reason=reason, leased_until=0)
        async with self._database.writing() as connection:
            await connection.execute(aside)

    async def try_again(self) -> int:
        """Lend again what was set aside."""
        again = update(inbox).where(inbox.c.reason.is_not(None)).values(reason=None, attempts=0, leased_until=0)
        async with self._database.writing() as connection:
            return len((await connection.execute(again.returning(inbox.c.id))).all())

    async def count(self) -> InboxCount:
        """How many events wait, since when, and what was set aside."""
        counting = select(inbox.c.reason, func.count().label("events"), func.min(inbox.c.accepted_at).label("oldest"))
        async with self._database.reading() as connection:
            rows = (await connection.execute(counting.group_by(inbox.c.reason))).all()
        waiting = next((row for row in rows if row.reason is None), None)
        reasons = {row.reason: row.events for row in rows if row.reason is not None}
        return InboxCount(
            waiting=waiting.events if waiting else 0,
            oldest=moment(waiting.oldest) if waiting else None,
            set_aside=sum(reasons.values()),
            reasons=reasons,
        )

    async def end_loans(self) -> None:
        """Take every loan back, attempts kept: whoever held one is gone."""
        async with self._database.writing() as connection:
            await connection.execute(update(inbox).where(inbox.c.leased_until > 0).values(leased_until=0))

    async def finish(self) -> None:
        """Wait for the commits under way; their callers have been promised an answer."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _commit(self, commit: _Commit) -> None:
        async with self._database.writing() as connection:
            # Whoever comes from here on belongs to the next commit.
            self._next = None
            forgotten = select(authors.c.pseudonym, authors.c.opted_out, authors.c.counted_from).where(
                authors.c.opted_out | authors.c.counted_from.is_not(None)
            )
            silent = {row.pseudonym: row for row in await connection.execute(forgotten)}
            rows = [row for row in commit.rows if _counts(row, silent.get(row["author"]))] if silent else commit.rows
            if rows:
                keep = insert(inbox).on_conflict_do_nothing(index_elements=["identity"])
                await connection.execute(keep, rows)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._next is not None and self._next.task is task:  # it failed before its turn came
            self._next = None
        if not task.cancelled():
            task.exception()  # its callers have it; nobody may be left to ask

    async def _sealed(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        now = milliseconds(self._clock())
        contents = [packed(event) for event in events]
        if sum(map(len, contents)) < _OFF_LOOP_BYTES:
            return [self._row(event, content, now) for event, content in zip(events, contents, strict=True)]
        return await asyncio.to_thread(
            lambda: [self._row(event, content, now) for event, content in zip(events, contents, strict=True)]
        )

    def _row(self, event: Event, content: bytes, now: int) -> dict[str, Any]:
        identity = self._seal.digest(content)
        return {
            "identity": identity,
            "accepted_at": now,
            "sealed": self._seal.sealed(content, identity),
            **_about(event, self._seal),
        }

    def _opened(self, row: Any) -> Waiting | None:
        try:
            event = unpacked(self._seal.opened(row.sealed, row.identity))
        except (StorageError, ValueError, LookupError, TypeError):
            return None
        return Waiting(receipt=row.id, event=event, attempts=row.attempts)


@dataclass(slots=True)
class _Commit:
    """One transaction that is about to carry everything put before its turn comes."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


def _counts(row: dict[str, Any], author: Any) -> bool:
    if author is None:
        return True
    return not author.opted_out and row["sent_at"] >= author.counted_from


def _about(event: Event, seal: Seal) -> dict[str, Any]:
    """What may be known of a waiting event without opening it."""
    subject: bytes | None = None
    author: str | None = None
    sent_at: int | None = None
    revised_at: int | None = None
    match event:
        case Message():
            channel, subject, author = event.id.channel, subject_of(event.id, seal), event.author
            sent_at, revised_at = milliseconds(event.sent_at), milliseconds(event.revised_at)
        case Deletion():
            channel, subject, revised_at = event.id.channel, subject_of(event.id, seal), FINAL
        case Reaction():
            channel, author, sent_at = event.id.channel, event.author, milliseconds(event.at)
        case ReactionsCleared():
            channel = event.id.channel
        case ChannelSeen() | ChannelGone():
            channel = event.channel
        case ChannelMoved():
            channel = event.new
        case _:
            assert_never(event)
    return {
        "subject": subject,
        "channel": channel_of(channel, seal),
        "author": author,
        "sent_at": sent_at,
        "revised_at": revised_at,
    }


def subject_of(message: MessageId, seal: Seal) -> bytes:
    """What `inbox.subject` holds for an event about `message`."""
    channel = message.channel
    return seal.digest("message", channel.platform, channel.workspace, channel.id, message.id)


def channel_of(channel: Channel, seal: Seal) -> bytes:
    """What `inbox.channel` holds for an event in `channel`."""
    return seal.digest("channel", channel.platform, channel.workspace, channel.id)
