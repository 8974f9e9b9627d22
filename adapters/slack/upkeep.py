"""What is looked after besides what arrives: our channels, gaps, pasts, and whether the line is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from adapters.slack.connection import Connection, Pace
from adapters.slack.history import History
from adapters.slack.outlet import Outlet
from adapters.slack.translate import Us, seen
from adapters.slack.welcome import backfill_done, introduction
from bot.errors import PlatformError, StorageError
from bot.ingest import Ingest
from bot.message import Channel, Platform
from bot.store import Cursors, Notes

LONGEST_RETRY = 3600.0
"""Seconds, at most, until a channel that can't be read is tried again."""

_log = structlog.get_logger(__name__)


class Upkeep:
    """Looks after one workspace. `whole` does a step that isn't broken off half-way when we stop."""

    def __init__(
        self,
        connection: Connection,
        history: History,
        ingest: Ingest,
        outlet: Outlet,
        *,
        cursors: Cursors,
        notes: Notes,
        us: Us,
        pace: Pace,
        clock: Callable[[], datetime],
        whole: Callable[[Coroutine[Any, Any, None]], Coroutine[Any, Any, None]],
    ) -> None:
        self._connection = connection
        self._history = history
        self._ingest = ingest
        self._outlet = outlet
        self._cursors = cursors
        self._notes = notes
        self._us = us
        self._pace = pace
        self._clock = clock
        self._whole = whole
        self._gap = asyncio.Event()
        self._moving: set[Channel] = set()
        self._heard_at = clock()
        self._try_again = pace.upkeep

    def heard(self) -> None:
        """An event arrived: the line is alive."""
        self._heard_at = self._clock()

    async def run(self) -> None:
        """Know our channels, close gaps, and let the cursors follow."""
        while True:
            await self._connection.ready.wait()
            await self._whole(self._tend())
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.upkeep):
                    await self._gap.wait()

    async def read_pasts(self) -> None:
        """Read the pasts that were asked for, and say so when one is done."""
        while True:
            await self._connection.ready.wait()
            await self._whole(self._work())
            await asyncio.sleep(min(self._pace.upkeep, 5.0))

    def missed(self) -> None:
        """Something may have been missed: look for it soon."""
        self._history.doubt()
        self._gap.set()

    async def welcome(self, channel: Channel, inviter: str | None = None) -> None:
        """Begin to read a channel, and introduce ourselves there, once."""
        place = await self._history.look_at(channel)
        await self._history.begin(channel)
        if place is None:
            return
        if await self.introduces(channel):
            try:
                await self._outlet.say(channel, introduction(inviter), key=f"introduction {channel.id}")
            except PlatformError as error:
                _log.warning("an introduction could not be posted", channel=channel.id, why=type(error).__name__)

    async def introduces(self, channel: Channel) -> bool:
        """Claim the one introduction in a channel, before it is made: rather none than two."""
        return await self._notes.claim(Platform.SLACK, self._us.workspace, f"introduced {channel.id}", True)

    async def moved(self, old: Channel, new: Channel) -> None:
        """Read a channel on under its new id, from where it was read to under the old one."""
        self._moving |= {old, new}
        try:
            await self.introduces(new)  # it knows us already
            await self._history.moved(old, new)
        finally:
            self._moving -= {old, new}
        await self._history.look_at(new)
        self._gap.set()

    async def _tend(self) -> None:
        if self._gap.is_set():
            self._gap.clear()
            try:
                await self._arrive()
                closed = await self._history.close_gaps()
            except (PlatformError, StorageError) as error:
                closed = False
                _log.warning("a gap may be open", why=str(error))
            if closed:
                self._try_again = self._pace.upkeep
            else:
                asyncio.get_running_loop().call_later(self._try_again, self._gap.set)
                self._try_again = min(LONGEST_RETRY, 2 * self._try_again)
        try:
            await self._history.follow()
        except StorageError as error:
            _log.warning("how far slack was read is not noted", why=str(error))
        await self._listen()

    async def _listen(self) -> None:
        """After a long silence, ask whether something was said meanwhile: then the open socket is deaf."""
        silence = timedelta(seconds=self._pace.silent)
        if self._clock() - self._heard_at < silence:
            return
        try:
            spoken = await self._history.spoken_since(self._heard_at, until=self._clock() - silence / 5)
        except (PlatformError, StorageError):
            return
        self._heard_at = self._clock()  # until the next silence
        if spoken:
            self._connection.renew()
            self.missed()

    async def _arrive(self) -> None:
        """Compare the channels we are in with those we know: invited or put out while we were away."""
        known = await self._cursors.positions(Platform.SLACK, self._us.workspace)
        here = set()
        for conversation in await self._history.conversations():
            news = seen(conversation, self._us, at=self._clock())
            if news is None:
                continue
            here.add(news.channel)
            await self._ingest.accept(news)
            if news.channel not in known.keys() | self._moving:
                await self.welcome(news.channel)
        for channel in known.keys() - here - self._moving:
            if await self._history.look_at(channel) is None:
                await self._history.leave(channel)

    async def _work(self) -> None:
        try:
            for channel, progress in await self._history.work():
                done = backfill_done(progress)
                await self._outlet.say(channel, done, key=f"backfilled {channel.id} {self._clock():%Y-%m-%dT%H:%M}")
        except (PlatformError, StorageError) as error:
            _log.warning("the past waits", why=str(error))
