"""What is posted unasked, once: a post is planned when it is due, reserved, made, and settled.

How once is once, though no platform can post and remember in one step:

1. When a digest or alert is due, a row is planned for it: channel, sort and due time are its name, so that any number
   of processes plan the same one.
2. Whoever reserves the row may post it; a reservation is one UPDATE that finds the row free, so of two processes one
   gets it. It lasts longer than a try may (`TRY_SECONDS` < `RESERVED`).
3. The post carries a key, the row's name. The adapter's outlet notes that it is about to post that key, posts, and
   notes the platform's id of the message. Then the row is settled as posted, with that id.
4. A process that dies before 3 leaves a row that is still waiting; its reservation ends, and it is posted then. One
   that dies within 3 leaves a row that waits and an outlet's note without an id. So whoever comes next lets the outlet
   look for our own post first (Slack: by a mark in the message's metadata; Discord: among our own messages of that
   time) and posts only what isn't there.
5. One that dies between 3 and settling leaves a note with the id: nothing is posted.

What remains: a process that is suspended for longer than its reservation in the middle of a try, and goes on, may post
what another has posted meanwhile; and a post that somebody deletes before we look for it is posted again.

A row that is still waiting when it is too late (`LATEST`) is skipped; the log says so, and so does the next digest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.answer import Answer
from bot.errors import PlatformError, RoomtoneError
from bot.message import Channel, MessageId, Platform
from bot.schedule import Due, Sort, State, Subscription
from bot.store import Subscriptions
from bot.writer import LATEST, TOO_LATE, Writer

LOOK_EVERY = 30.0
"""Seconds."""

TRY_SECONDS = 600.0
"""How long a try may take."""

RESERVED = timedelta(minutes=15)
"""How long a post is reserved, and so until it is tried again; a quarter of its lateness, if that is longer."""

PATIENCE = timedelta(hours=2)
"""How long a post waits for what was said while we were away; then it says what is known."""

_log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """A platform's way out of what nobody asked for."""

    def workspaces(self) -> Sequence[tuple[Platform, str]]:
        """Where posts can be made now; none while it isn't connected."""
        ...

    async def is_behind(self, channel: Channel, /) -> bool:
        """Is what was said in a channel while we were away still being read? Not in one that isn't read at all."""
        ...

    async def hindrance(self, channel: Channel, /, *, others: bool) -> str | None:
        """Why nothing may be posted in a channel, as a sentence; None if it may. `others`: about other channels too."""
        ...

    async def post(self, channel: Channel, answer: Answer, /, *, key: str) -> MessageId:
        """Post it, at most once for `key`, whatever is retried and whoever crashes. Raises PlatformError."""
        ...


class Delivery:
    """Posts what is due, wherever an outlet leads, as the module says."""

    def __init__(self, kept: Subscriptions, writer: Writer, outlet: Outlet, *, clock: Callable[[], datetime]) -> None:
        self._kept = kept
        self._writer = writer
        self._outlet = outlet
        self._clock = clock
        self._planned: dict[tuple[Channel, Sort], datetime] = {}

    async def run(self, *, every: float = LOOK_EVERY) -> None:
        """Post what is due, until cancelled. Whatever fails is said and tried again: it mustn't end the reading."""
        while True:
            try:
                await self.post_due()
            except Exception as error:
                _log.warning("what is due waits", why=_why(error))
            await asyncio.sleep(every)

    async def post_due(self) -> None:
        """Plan and post everything that is due now. Raises StorageError."""
        for platform, workspace in self._outlet.workspaces():
            now = self._clock()
            wanted = {(each.channel, each.sort): each for each in await self._kept.subscriptions(platform, workspace)}
            for each in wanted.values():
                await self._plan(each, now)
            for due in await self._kept.waiting(platform, workspace, now):
                await self._deliver(due, wanted.get((due.channel, due.sort)))

    async def _plan(self, wanted: Subscription, now: datetime) -> None:
        at = wanted.times.latest(now)
        if at < wanted.since or self._planned.get((wanted.channel, wanted.sort)) == at:
            return
        await self._kept.plan(Due(wanted.channel, wanted.sort, at))
        self._planned[wanted.channel, wanted.sort] = at

    async def _deliver(self, due: Due, wanted: Subscription | None) -> None:
        now = self._clock()  # the post before may have taken its time
        late = now - due.at
        if late < PATIENCE and await self._is_behind(due, wanted, now):
            return
        until = max(now + RESERVED, min(now + late / 4, due.at + LATEST[due.sort]))
        if not await self._kept.reserve(due, now, until):
            return
        if late > LATEST[due.sort]:
            await self._kept.settle(due, State.SKIPPED, why=TOO_LATE)
            _log.warning("a post was too late and is skipped", sort=due.sort, due=due.at.isoformat())
            return
        try:
            async with asyncio.timeout(TRY_SECONDS):
                await self._try(due, wanted, now)
        except Exception as error:
            await self._kept.settle(due, State.WAITING, why=_why(error))
            _log.warning("a post waits", sort=due.sort, channel=due.channel.id, why=_why(error))

    async def _is_behind(self, due: Due, wanted: Subscription | None, now: datetime) -> bool:
        others = () if wanted is None else wanted.channels
        for channel in dict.fromkeys((due.channel, *others)):
            if await self._outlet.is_behind(channel):
                return True
        return await self._writer.is_behind(now)

    async def _try(self, due: Due, wanted: Subscription | None, now: datetime) -> None:
        known = await self._writer.channels()  # as they are now: the post before took its time
        made = await self._writer.made(due, wanted, now, known)
        if made.answer is None:
            await self._kept.settle(due, State.SKIPPED, why=made.why, low=made.low)
            return
        others = wanted is not None and any(channel != due.channel for channel in wanted.channels)
        hindrance = await self._outlet.hindrance(due.channel, others=others)
        if hindrance is not None:
            raise PlatformError(hindrance)
        message = await self._outlet.post(due.channel, made.answer, key=due.key)
        await self._kept.settle(due, State.POSTED, message=message.id, why=made.why, low=made.low)
        _log.info("posted", sort=due.sort, channel=due.channel.id)


def _why(error: Exception) -> str:
    """What went wrong; what nobody foresaw by its name alone, for its text may hold anything."""
    return str(error) if isinstance(error, RoomtoneError) else f"It failed ({type(error).__name__})."
