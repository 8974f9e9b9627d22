"""What was said while we didn't listen: catching up, back-filling, and a sweep for missed edits and deletions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import structlog

from adapters.discord.intake import Accept, Intake
from adapters.discord.oddities import Oddities
from adapters.discord.rooms import Rooms, Spot
from adapters.discord.translate import deleted, moment, room, snowflake, written
from bot.errors import PlatformError, RoomtoneError
from bot.importing import Skipped
from bot.message import Channel, ChannelGone, Event, Gone, Message, MessageId, Platform, Window
from bot.privacy import Pseudonyms
from bot.schedule import Sort
from bot.store import Cursors, Held, Notes, Subscriptions

PAGE = 100
"""Messages of a page: all that Discord gives."""

SWEEP = timedelta(hours=48)
"""How far back edits and deletions are looked for that nobody told us of; older ones stay unseen."""

SWEEP_EVERY = timedelta(hours=24)

SETTLED = timedelta(seconds=60)
"""How old a message must be before its absence from history means that it was deleted: clocks differ."""

READING = "View Channel and Read Message History there, for a voice channel's chat also Connect"
"""What reading a channel takes."""

BACKFILL = "backfill "
"""The notes of back-fills under way: {'after': snowflake, 'before': snowflake, 'threads': still to be found?}."""

LISTED = "listed "
"""The notes of when a channel's threads were last all read: {'at': snowflake}."""

_log = structlog.get_logger(__name__)


class Missing(PlatformError):
    """There is no such channel any more."""


class Hidden(PlatformError):
    """We may not see that channel."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread, and its last message as far as Discord tells."""

    spot: Spot
    last: int | None


class Reach(Protocol):
    """What history needs of Discord. Raises PlatformError: Missing, Hidden, or what passes."""

    def workspaces(self) -> Sequence[str]:
        """The servers that are there now."""
        ...

    def is_readable(self, workspace: str, channel: int) -> bool:
        """May we read a channel's or a thread's history? Where we may not, Discord says that it is empty."""
        ...

    def last(self, workspace: str, channel: int) -> int | None:
        """A channel's last message, as far as Discord tells."""
        ...

    async def threads(self, workspace: str, channel: int, *, since: datetime) -> Sequence[Thread]:
        """The public threads of a channel that are open, or were archived after `since`."""
        ...

    async def page(
        self, channel: int, *, after: int | None = None, before: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Up to PAGE messages, oldest first: those right after `after`, or right before `before`."""
        ...

    async def is_gone(self, channel: int, message: int) -> bool:
        """Is a message deleted? Unlike a page, which is then empty, this is Hidden where we may not read."""
        ...


class Known(Protocol):
    """Knows what needn't be read again; a Ledger does."""

    async def known(self, revisions: Sequence[tuple[MessageId, datetime]], /) -> Sequence[bool]:
        """For each (message, revised_at): is this or a later revision, or a tombstone, recorded or waiting already?"""
        ...


class History:
    """Reads the past, through the same `accept` as live events and behind them, a page a second in each channel."""

    def __init__(
        self,
        reach: Reach,
        *,
        intake: Intake,
        rooms: Rooms,
        oddities: Oddities,
        accept: Accept,
        cursors: Cursors,
        notes: Notes,
        held: Held,
        subscriptions: Subscriptions,
        known: Known,
        pseudonyms: Pseudonyms,
        clock: Callable[[], datetime],
        pace: float = 1.0,
    ) -> None:
        self._reach = reach
        self._intake = intake
        self._rooms = rooms
        self._oddities = oddities
        self._accept = accept
        self._cursors = cursors
        self._notes = notes
        self._held = held
        self._subscriptions = subscriptions
        self._known = known
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._pace = pace
        self._wanted = asyncio.Event()
        self._withheld: set[int] = set()
        self._swept: datetime | None = None
        self._setback: PlatformError | None = None
        """The latest of this round."""
        self._missed = True
        """Was there a gap since the last sweep?"""

    def want(self) -> None:
        """There is something to read: a server came, a channel was started, a back-fill was asked for."""
        self._wanted.set()

    async def run(self) -> None:
        """Read whatever history is wanted, until cancelled."""
        pause = 1.0
        while True:
            self._wanted.clear()
            self._intake.gaps.clear()
            try:
                await self.round()
                pause = 1.0
            except RoomtoneError as error:
                _log.warning("history waits", why=str(error), next_try_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(300.0, pause * 2)
                continue
            await self._something_to_do()

    async def _something_to_do(self) -> None:
        tasks = [asyncio.create_task(event.wait()) for event in (self._wanted, self._intake.gaps)]
        try:
            await asyncio.wait(tasks, timeout=SWEEP_EVERY.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def round(self) -> None:
        """Catch up everywhere, then back-fill what was asked for, then sweep if it is time.

        A channel that Discord doesn't let be read now keeps none of the others waiting: its PlatformError is raised in
        the end. Raises StorageError.
        """
        self._setback = None
        gap = self._intake.gap
        for workspace in self._reach.workspaces():
            await self._rooms.load(workspace)
            for channel in sorted(self._rooms.started(workspace)):
                if not self._intake.is_in_step(room(workspace, channel)):
                    await self._visited(workspace, channel, lambda w, c: self._catch_up(w, c, gap))
                    self._missed = True
        for workspace in self._reach.workspaces():
            await self._backfills(workspace)
        if not self._is_interrupted and self._is_sweep_due:
            for workspace in self._reach.workspaces():
                there: set[int] = set()
                for channel in sorted(self._rooms.started(workspace)):
                    await self._visited(workspace, channel, partial(self._sweep, there=there))
                await self._look_for_threads(workspace, there)
            if self._setback is None:
                self._swept, self._missed = self._clock(), False
        if self._setback is not None:
            raise self._setback

    @property
    def _is_sweep_due(self) -> bool:
        return self._missed or self._swept is None or self._clock() - self._swept >= SWEEP_EVERY

    @property
    def _is_interrupted(self) -> bool:
        """Is there something to catch up with, which comes before the past?"""
        return self._wanted.is_set() or self._intake.gaps.is_set()

    async def _visited(self, workspace: str, channel: int, visit: Callable[[str, int], Awaitable[None]]) -> None:
        """Do something in a channel that may be gone by then."""
        if self._is_withheld(workspace, channel):
            return
        try:
            await visit(workspace, channel)
        except Missing:
            place = room(workspace, channel)
            await self._accept(ChannelGone(place, self._clock(), Gone.DELETED))
            for sort in Sort:  # nobody could switch it off there
                await self._subscriptions.unsubscribe(place, sort)
            await self._cursors.drop(place)
            await self._rooms.stop(workspace, channel)
            self._intake.leave(place)
        except Hidden:
            _log.warning("a channel is hidden from us", channel=channel, allow=READING)
        except PlatformError as error:
            self._set_back(channel, error)

    def _set_back(self, channel: int, error: PlatformError) -> None:
        _log.warning("a channel's history waits", channel=channel, why=str(error))
        self._setback = error

    def permissions_changed(self, workspace: str) -> None:
        """Somebody changed what we may read: a channel that was withheld is read from where its reading stopped."""
        before = frozenset(self._withheld)
        now = {channel for channel in self._rooms.started(workspace) if self._is_withheld(workspace, channel)}
        if (before & self._rooms.started(workspace)) - now:
            self._intake.missed()

    def _is_withheld(self, workspace: str, channel: int) -> bool:
        """May we not read it? Said in the log when that begins."""
        if self._reach.is_readable(workspace, channel):
            self._withheld.discard(channel)
            return False
        if channel not in self._withheld:
            self._withheld.add(channel)
            _log.warning("a channel can't be read", channel=channel, allow=READING)
        return True

    async def left(self, workspace: str) -> None:
        """We are no longer in a server: what was read there leaves the numbers, and its notes and digests go."""
        await self._subscriptions.forget(Platform.DISCORD, workspace)
        for channel in await self._rooms.forget(workspace):
            await self._accept(ChannelGone(room(workspace, channel), self._clock(), Gone.DELETED))

    # Catching up

    async def _catch_up(self, workspace: str, channel: int, gap: int) -> None:
        since = self._rooms.since(workspace, channel)
        if since is None:
            return
        begun = self._clock()
        positions = await self._cursors.positions(Platform.DISCORD, workspace)
        await self._follow(workspace, channel, positions, since, self._reach.last(workspace, channel), gap)
        note = await self._notes.note(Platform.DISCORD, workspace, f"{LISTED}{channel}")
        listed = int(note["at"]) if note else since
        for thread in await self._reach.threads(workspace, channel, since=_time(listed)):
            if thread.spot.private:
                continue
            self._rooms.learn(workspace, thread.spot)
            with suppress(Missing, Hidden):
                await self._follow(workspace, thread.spot.id, positions, since, thread.last, gap)
        at = {"at": str(snowflake(begun))}
        await self._notes.write(Platform.DISCORD, workspace, f"{LISTED}{channel}", at)
        if self._rooms.since(workspace, channel) is None:  # its server removed us meanwhile
            await self._notes.drop_note(Platform.DISCORD, workspace, f"{LISTED}{channel}")

    async def _follow(
        self,
        workspace: str,
        channel: int,
        positions: Mapping[Channel, str],
        since: int,
        last: int | None,
        gap: int,
    ) -> None:
        """Read a channel or thread from its cursor to now."""
        place = room(workspace, channel)
        position = max(int(positions.get(place, "0")), since - 1)
        while last is None or last > position:
            page = await self._page(channel, after=position)
            await self._keep(workspace, channel, page)
            position = max([position, *_ids(page)])
            await self._cursors.advance({place: str(position)})
            if len(page) < PAGE:
                break
        self._intake.caught_up(place, str(position), gap=gap)

    # Back-filling

    async def backfill(self, workspace: str, channel: int, *, since: datetime) -> None:
        """Read a started channel's past from `since` on, newest first, when there is time; survives restarts."""
        before = self._rooms.since(workspace, channel) or snowflake(self._clock())
        after = snowflake(since)
        await self._rooms.start(workspace, channel, since=after)
        await self._ask(workspace, channel, after=after, before=before, threads=True)
        self.want()

    async def _ask(self, workspace: str, channel: int, *, after: int, before: int, threads: bool) -> None:
        job = {"after": str(after), "before": str(before), "threads": threads}
        await self._notes.write(Platform.DISCORD, workspace, f"{BACKFILL}{channel}", job)

    async def _backfills(self, workspace: str) -> None:
        tried: set[str] = set()
        while jobs := await self._backfills_but(workspace, tried):
            for name, job in jobs.items():
                channel = int(name.removeprefix(BACKFILL))
                try:
                    done = await self._backfilled(workspace, channel, job)
                except Hidden:
                    done = False
                except PlatformError as error:
                    self._set_back(channel, error)
                    done = False
                if self._is_interrupted:
                    return
                if done:
                    await self._notes.drop_note(Platform.DISCORD, workspace, name)
                else:
                    tried.add(name)

    async def _backfilled(self, workspace: str, channel: int, job: Mapping[str, Any]) -> bool:
        """Read back what was asked for; False if it has to wait until we may. Raises PlatformError, Hidden too."""
        found = await self._rooms.located(workspace, channel)
        if found is None or not found.is_read:
            return True
        if self._is_withheld(workspace, self._rooms.home(channel)):
            return False
        with suppress(Missing):
            after, before = int(job["after"]), int(job["before"])
            if job["threads"]:
                await self._ask_for_threads(workspace, channel, after)
            await self._read_back(workspace, channel, after, before)
        return not self._is_withheld(workspace, self._rooms.home(channel))  # a page is empty where we may not read

    async def _backfills_but(self, workspace: str, tried: Set[str]) -> Mapping[str, Any]:
        jobs = await self._notes.notes(Platform.DISCORD, workspace, BACKFILL)
        return {name: job for name, job in jobs.items() if name not in tried}

    async def _ask_for_threads(self, workspace: str, channel: int, after: int) -> None:
        for thread in await self._reach.threads(workspace, channel, since=_time(after)):
            if not thread.spot.private:
                self._rooms.learn(workspace, thread.spot)
                before = snowflake(self._clock())
                await self._ask(workspace, thread.spot.id, after=after, before=before, threads=False)

    async def _read_back(self, workspace: str, channel: int, after: int, before: int) -> None:
        await self._ask(workspace, channel, after=after, before=before, threads=False)
        while before > after and not self._is_interrupted:
            page = await self._page(channel, before=before)
            await self._keep(workspace, channel, [row for row in page if any(id_ >= after for id_ in _ids([row]))])
            before = min([before, *_ids(page)])
            if len(page) < PAGE:
                return
            await self._ask(workspace, channel, after=after, before=before, threads=False)

    # Sweeping

    async def _sweep(self, workspace: str, channel: int, *, there: set[int]) -> None:
        """Reread a channel and its threads, whose ids are added to `there`."""
        since = self._rooms.since(workspace, channel)
        if since is None:
            return
        begin = max(since, snowflake(self._clock() - SWEEP))
        there.add(channel)
        await self._reread(workspace, channel, begin)
        for thread in await self._reach.threads(workspace, channel, since=_time(begin)):
            if not thread.spot.private and (thread.last is None or thread.last >= begin):
                self._rooms.learn(workspace, thread.spot)
                # One that is deleted by now is looked for afterwards: its channel is still there.
                with suppress(Missing, Hidden):
                    await self._reread(workspace, thread.spot.id, begin)
                    there.add(thread.spot.id)

    async def _look_for_threads(self, workspace: str, there: Set[int]) -> None:
        """Notice what was deleted meanwhile of that which was written in lately: no list names a deleted thread."""
        begin = snowflake(self._clock() - SWEEP)
        for place, position in (await self._cursors.positions(Platform.DISCORD, workspace)).items():
            if int(position) < begin or int(place.id) in there:
                continue
            try:
                await self._page(int(place.id), after=int(position))
            except Missing:
                await self._accept(ChannelGone(place, self._clock(), Gone.DELETED))
                await self._cursors.drop(place)
            except Hidden:
                continue

    async def _reread(self, workspace: str, channel: int, begin: int) -> None:
        place = room(workspace, channel)
        position = begin - 1
        ended = False
        while not ended:
            settled = snowflake(self._clock() - SETTLED)
            page = await self._page(channel, after=position)
            ended = len(page) < PAGE
            await self._keep(workspace, channel, page)
            end = settled if ended else max(_ids(page))
            if end > position + 1 and self._reach.is_readable(workspace, channel):
                window = Window(_time(position + 1), _time(end) + timedelta(milliseconds=1))
                there = {str(id_) for id_ in _ids(page)}
                gone = [
                    id_
                    for id_ in await self._held.messages(place, window)
                    if position < int(id_) <= end and id_ not in there
                ]
                if gone and not page and not await self._reach.is_gone(channel, int(gone[0])):
                    return  # we may have lost the right to read just now, of which the cache doesn't know yet
                if gone:
                    await self._accept(*(deleted(workspace, channel, id_, at=self._clock()) for id_ in gone))
            position = max([position, *_ids(page)])

    # Pages

    async def _page(
        self, channel: int, *, after: int | None = None, before: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        if self._pace:
            await asyncio.sleep(self._pace)
        return await self._reach.page(channel, after=after, before=before)

    async def _keep(self, workspace: str, channel: int, page: Iterable[Mapping[str, Any]]) -> None:
        """Accept what a page holds and isn't known."""
        found = await self._rooms.located(workspace, channel)
        if found is None or not found.is_read:
            return
        messages: list[Message] = []
        for row in page:
            event = written(
                {**row, "channel_id": str(channel)},
                workspace=workspace,
                thread=found.thread,
                pseudonyms=self._pseudonyms,
            )
            await self._oddities.meet(workspace, channel, event)
            if isinstance(event, Skipped):
                _log.debug("skipped", why=event.reason)
            else:
                messages.append(event)
        known = await self._known.known([(message.id, message.revised_at) for message in messages])
        events: list[Event] = [message for message, is_known in zip(messages, known, strict=True) if not is_known]
        seen = self._rooms.introduction(channel)
        if seen is not None:
            events.insert(0, seen)
        if events:
            await self._accept(*events)


def _ids(page: Iterable[Mapping[str, Any]]) -> list[int]:
    return [int(row["id"]) for row in page if str(row.get("id")).isdecimal()]


def _time(id_: int) -> datetime:
    return moment(max(0, id_))
