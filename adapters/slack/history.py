"""What was said while nobody listened: gaps closed after a pause, and the past read on request.

A channel's cursor says up to where nothing is missing. While events arrive it follows the clock at a distance that
Slack's own retries fit into; after any doubt (a start, a lost line, a database that refused) it stands still until
the channel's history has been read from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from adapters.exports.fields import from_epoch
from adapters.exports.slack import timestamp
from adapters.slack.calls import Calls, Priority, Refusal
from adapters.slack.translate import Us, recorded, seen
from bot.errors import PlatformError, StorageError
from bot.ingest import Ingest
from bot.message import (
    Channel,
    ChannelGone,
    ChannelSeen,
    Deletion,
    Event,
    Gone,
    Message,
    MessageId,
    Platform,
    Window,
)
from bot.privacy import Pseudonyms
from bot.store import Cursors, Held, Inbox, Ledger, Notes

PAGE = 200
DISTANCE = timedelta(minutes=10)
"""How far a cursor stays behind the clock; Slack's last retry comes after six minutes."""
SHORT_GAP = timedelta(minutes=10)
OLD_ROOTS = timedelta(days=30)
"""How old a thread's first message may be for a reply in a gap to be found; a day after a short gap."""
REREAD = timedelta(days=3)
"""How far before a gap edits and deletions are looked for."""
MOST_WAITING = 1000
"""Events in the inbox above which a job makes room for what people write now."""
NEVER = datetime(9000, 1, 1, tzinfo=UTC)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Walk:
    """One pass over a channel's history: what was there, and which threads were read whole."""

    roots: set[str] = field(default_factory=set)
    replies: set[str] = field(default_factory=set)
    threads: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a reading of the past has come: back to `reached`, of the way to `oldest`."""

    oldest: datetime
    reached: datetime
    messages: int


class History:
    """Reads channels' histories, behind whatever people ask now."""

    def __init__(
        self,
        calls: Calls,
        ingest: Ingest,
        *,
        inbox: Inbox,
        ledger: Ledger,
        cursors: Cursors,
        notes: Notes,
        held: Held,
        us: Us,
        pseudonyms: Pseudonyms,
        clock: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._ingest = ingest
        self._inbox = inbox
        self._ledger = ledger
        self._cursors = cursors
        self._notes = notes
        self._held = held
        self._us = us
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._whole: set[Channel] = set()
        self._probed = 0
        self._stopping = False
        self._locks: dict[Channel, asyncio.Lock] = {}

    async def conversations(self) -> Sequence[Mapping[str, Any]]:
        """The channels that we are in, as Slack describes them. Raises PlatformError."""
        found: list[Mapping[str, Any]] = []
        # Private channels need a scope that an installer may decline; public ones don't.
        for types in ("public_channel", "private_channel"):
            arguments = {"types": types, "limit": PAGE, "exclude_archived": True}
            try:
                async for page in self._calls.pages("users.conversations", arguments, priority=Priority.CATCH_UP):
                    found += [c for c in page.get("channels") or () if isinstance(c, dict)]
            except Refusal as refusal:
                if refusal.code != "missing_scope":
                    raise
        return found

    async def look_at(self, channel: Channel) -> ChannelSeen | None:
        """Learn and keep what a channel is called and who may see it; None if it is no channel of ours now."""
        try:
            answer = await self._calls.read("conversations.info", {"channel": channel.id}, priority=Priority.CATCH_UP)
        except Refusal:
            return None
        conversation = answer.get("channel")
        news = seen(conversation, self._us, at=self._clock()) if isinstance(conversation, dict) else None
        if isinstance(conversation, dict) and conversation.get("is_member") is False:
            # Public channels can be seen from outside. One that was never ours may be renamed like any other.
            ours = await self._cursors.position(channel) is not None
            news = ChannelGone(channel, self._clock(), Gone.LEFT) if ours else None
        if news is not None:
            await self._ingest.accept(news)
        return news if isinstance(news, ChannelSeen) else None

    def stop(self) -> None:
        """End what is under way at its next page."""
        self._stopping = True

    def doubt(self) -> None:
        """Something may have been missed: no cursor moves until its channel has been read again."""
        self._whole.clear()

    async def begin(self, channel: Channel) -> bool:
        """Start to read a channel from now on; False if it was being read already."""
        if await self._cursors.position(channel) is not None:
            return False
        now = _ts(self._clock())
        await self._notes.write(Platform.SLACK, self._us.workspace, began(channel), now)
        await self._cursors.advance({channel: now})
        self._whole.add(channel)
        return True

    async def leave(self, channel: Channel) -> None:
        """Read a channel no longer: what is said there while we are away is not ours."""
        self._whole.discard(channel)
        await self._cursors.drop(channel)
        await self._notes.drop_note(Platform.SLACK, self._us.workspace, _job(channel))

    async def moved(self, old: Channel, new: Channel) -> None:
        """Wait until the ledger has let the cursor follow a channel to its new id; a gap before that is still open."""
        pause = 0.05
        while not self._stopping:
            self._whole -= {old, new}
            if await self._cursors.position(new) is not None or await self._cursors.position(old) is None:
                return
            await asyncio.sleep(pause)
            pause = min(5.0, 2 * pause)

    def is_whole(self, channel: Channel) -> bool:
        """Has everything that was said in a channel until now arrived?"""
        return channel in self._whole

    async def follow(self) -> None:
        """Let the cursors of channels without a gap follow the clock."""
        position = _ts(self._clock() - DISTANCE)
        await self._cursors.advance(dict.fromkeys(self._whole, position))

    async def close_gaps(self) -> bool:
        """Read every channel from its cursor on; False if some couldn't be read, and should be tried again."""
        closed = True
        for channel in await self._cursors.positions(Platform.SLACK, self._us.workspace):
            if channel in self._whole:
                continue
            try:
                await self.close_gap(channel)
            except Refusal as refusal:
                closed = False
                _log.warning("a channel can't be read", channel=channel.id, why=refusal.code)
            except (PlatformError, StorageError) as error:
                closed = False
                _log.warning("a gap stays open", channel=channel.id, why=type(error).__name__)
        return closed

    async def close_gap(self, channel: Channel) -> None:
        """Read what a channel's gap hides: messages, replies to old threads, and recent edits and deletions."""
        async with self._locks.setdefault(channel, asyncio.Lock()):
            now = self._clock()
            position = await self._cursors.position(channel)
            since = from_epoch(position)
            if since is None:
                return
            before = timedelta(days=1) if now - since < SHORT_GAP else OLD_ROOTS
            reread_from = since - min(before, REREAD)
            # What was said before we were invited is nothing that was missed.
            first = from_epoch(await self._notes.note(Platform.SLACK, self._us.workspace, began(channel)))
            if first is not None:
                reread_from = max(reread_from, min(first, since))
            walk = _Walk()
            arguments = {"channel": channel.id, "oldest": _ts(since - before), "limit": PAGE}
            async for page in self._calls.pages("conversations.history", arguments, priority=Priority.CATCH_UP):
                records = _records(page)
                walk.roots.update(ts for r in records if (ts := timestamp(r.get("ts"))))
                recent = [r for r in records if (_when(r) or now) >= reread_from]
                await self._keep(channel, recent, now)
                for root in records:
                    await self._thread(channel, root, walk, since, reread_from, now)
            await self._bury(channel, walk, Window(reread_from, now), now)
            # History may lag behind by seconds.
            await self._cursors.advance({channel: _ts(now - timedelta(seconds=5))})
            self._whole.add(channel)

    async def spoken_since(self, since: datetime, *, until: datetime) -> bool:
        """Did anybody write in one of our channels after `since`, and long enough before now to have been told?

        Asks about one channel a time, another each time. Raises PlatformError.
        """
        channels = sorted(self._whole, key=lambda channel: channel.id)
        if not channels or until <= since:
            return False
        self._probed += 1
        channel = channels[self._probed % len(channels)]
        arguments = {"channel": channel.id, "oldest": _ts(since), "latest": _ts(until), "limit": 1}
        page = await self._calls.read("conversations.history", arguments, priority=Priority.CATCH_UP)
        return bool(_records(page))

    async def ask_for(self, channel: Channel, past: timedelta) -> None:
        """Promise to read a channel's past; `work` keeps the promise, however often it is interrupted."""
        now = self._clock()
        job = {"oldest": _ts(now - past), "reached": _ts(now), "messages": 0}
        first = from_epoch(await self._notes.note(Platform.SLACK, self._us.workspace, began(channel)))
        if first is not None and now - past < first:
            await self._notes.write(Platform.SLACK, self._us.workspace, began(channel), job["oldest"])
        await self._notes.claim(Platform.SLACK, self._us.workspace, _job(channel), job)

    async def progress(self, channel: Channel) -> Progress | None:
        """How far the reading of a channel's past has come; None if none is under way."""
        job = await self._notes.note(Platform.SLACK, self._us.workspace, _job(channel))
        if not isinstance(job, dict):
            return None
        oldest, reached = from_epoch(job["oldest"]), from_epoch(job["reached"])
        return None if oldest is None or reached is None else Progress(oldest, reached, int(job["messages"]))

    async def work(self) -> Sequence[tuple[Channel, Progress]]:
        """Read the pasts that were asked for; returns those that were finished. Raises PlatformError, StorageError."""
        finished: list[tuple[Channel, Progress]] = []
        for name in await self._notes.notes(Platform.SLACK, self._us.workspace, _JOB):
            channel = self._us.channel(name.removeprefix(_JOB))
            try:
                progress = await self._backfill(channel)
            except Refusal as refusal:
                _log.warning("a past can't be read", channel=channel.id, why=refusal.code)
            else:
                if progress is None:
                    break
                finished.append((channel, progress))
            await self._notes.drop_note(Platform.SLACK, self._us.workspace, name)
        return finished

    async def _backfill(self, channel: Channel) -> Progress | None:
        """Newest first, a page at a time; after each the note says where to go on. None: stopped before the end."""
        name = _job(channel)
        job = dict(await self._notes.note(Platform.SLACK, self._us.workspace, name))
        while True:
            arguments = {"channel": channel.id, "oldest": job["oldest"], "latest": job["reached"], "limit": PAGE}
            page = await self._calls.read("conversations.history", arguments, priority=Priority.BACKFILL)
            records = _records(page)
            now = self._clock()
            messages = await self._keep(channel, records, now)
            for root in records:
                if root.get("reply_count"):
                    messages += max(0, await self._replies(channel, root, None, now, priority=Priority.BACKFILL))
            await self._make_room()
            moments = [ts for r in records if (ts := timestamp(r.get("ts")))]
            more = bool(page.get("has_more")) and bool(moments)
            job |= {"messages": int(job["messages"]) + messages}
            job["reached"] = min(moments, key=float) if more else job["oldest"]
            await self._notes.write(Platform.SLACK, self._us.workspace, name, job)
            if not more:
                oldest = from_epoch(job["oldest"]) or now
                return Progress(oldest, oldest, int(job["messages"]))
            if self._stopping:
                return None

    async def _make_room(self) -> None:
        while (await self._inbox.count()).waiting > MOST_WAITING:  # noqa: ASYNC110  # the inbox rings no bell
            await asyncio.sleep(0.5)

    async def _thread(
        self,
        channel: Channel,
        root: Mapping[str, Any],
        walk: _Walk,
        since: datetime,
        reread_from: datetime,
        now: datetime,
    ) -> None:
        """Read a thread that has replies in the gap; one begun lately is read whole, for edits and deletions."""
        latest = from_epoch(root.get("latest_reply"))
        if not root.get("reply_count") or latest is None:
            return
        whole = (_when(root) or now) >= reread_from
        if whole or latest > since:
            replies = await self._replies(channel, root, None if whole else since, now, walk=walk)
            if whole and replies >= 0:
                walk.threads.add(str(root["ts"]))

    async def _replies(
        self,
        channel: Channel,
        root: Mapping[str, Any],
        since: datetime | None,
        now: datetime,
        *,
        walk: _Walk | None = None,
        priority: Priority = Priority.CATCH_UP,
    ) -> int:
        """Keep a thread's replies; how many messages those were, or -1 if there is no such thread any more."""
        arguments = {"channel": channel.id, "ts": root["ts"], "limit": PAGE, "oldest": since and _ts(since)}
        messages = 0
        try:
            async for page in self._calls.pages("conversations.replies", arguments, priority=priority):
                # The root leads the first page, and may lead any other.
                replies = [r for r in _records(page) if r.get("ts") != root["ts"]]
                if walk is not None:
                    walk.replies.update(ts for r in replies if (ts := timestamp(r.get("ts"))))
                messages += await self._keep(channel, replies, now)
        except Refusal as refusal:
            if refusal.code != "thread_not_found":
                raise
            return -1
        return messages

    async def _keep(self, channel: Channel, records: Sequence[Mapping[str, Any]], now: datetime) -> int:
        """Accept what isn't known yet; how many messages that were."""
        events: list[Event] = []
        for record in records:
            events += recorded(record, channel, self._us, self._pseudonyms, read_at=now).events
        revisions = [
            (event.id, event.revised_at if isinstance(event, Message) else NEVER)
            for event in events
            if isinstance(event, Message | Deletion)
        ]
        known = dict(zip(revisions, await self._ledger.known(revisions), strict=True))
        new = [
            event
            for event in events
            if not (
                (isinstance(event, Message) and known[event.id, event.revised_at])
                or (isinstance(event, Deletion) and known[event.id, NEVER])
            )
        ]
        if new:
            await self._ingest.accept(*new)
        return sum(isinstance(event, Message) for event in new)

    async def _bury(self, channel: Channel, walk: _Walk, window: Window, now: datetime) -> None:
        """Delete what is held and stands no longer in a history that was read to its end."""
        gone = [
            Deletion(MessageId(channel, id_), now)
            for id_, thread in (await self._held.messages(channel, window)).items()
            if (thread is None and id_ not in walk.roots)
            or (thread in walk.threads and id_ not in walk.replies and id_ not in walk.roots)
        ]
        if gone:
            await self._ingest.accept(*gone)


def began(channel: Channel) -> str:
    """The name of the note that says from when on a channel is read, as a `ts`."""
    return f"began {channel.id}"


_JOB = "backfill "


def _job(channel: Channel) -> str:
    return f"{_JOB}{channel.id}"


def _records(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = page.get("messages")
    return [record for record in messages if isinstance(record, dict)] if isinstance(messages, list) else []


def _when(record: Mapping[str, Any]) -> datetime | None:
    return from_epoch(record.get("ts"))


def _ts(moment: datetime) -> str:
    """A `ts` as Slack compares it; made of integers, or the last digits would be a float's."""
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
