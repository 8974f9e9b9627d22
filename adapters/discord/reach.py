"""How history reaches Discord: plain pages, so that a message which discord.py can't read doesn't hide the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import discord
import structlog

from adapters.discord.desk import missing_to_read, spot_of
from adapters.discord.history import PAGE, Hidden, Missing, Thread
from adapters.discord.outlet import PASSING, Room
from adapters.discord.rooms import Spot
from bot.errors import PlatformError

TRIES = 5
DEADLINE = 60.0
"""Seconds that a try may take."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class ClientReach:
    """What a connected client can read. `client` is the one of the moment: there is a new one after a failure."""

    def __init__(self, client: Callable[[], discord.Client | None], *, pause: float = 1.0) -> None:
        self._client = client
        self._pause = pause

    def workspaces(self) -> Sequence[str]:
        """The servers that are there now."""
        client = self._client()
        if client is None or client.is_closed():
            return []
        return [str(guild.id) for guild in client.guilds if not guild.unavailable]

    def is_readable(self, workspace: str, channel: int) -> bool:
        """May we read its history?"""
        room = self._room(channel)
        if room is None:
            return True  # an archived thread isn't in the cache; Discord will say
        return not missing_to_read(room)

    def last(self, workspace: str, channel: int) -> int | None:
        """Its last message, as far as Discord tells."""
        room = self._room(channel)
        if isinstance(room, discord.ForumChannel):
            return 0  # holds only threads: its 'last message' is the last one of these
        return getattr(room, "last_message_id", None)

    async def threads(self, workspace: str, channel: int, *, since: datetime) -> Sequence[Thread]:
        """The public threads that are open, or were archived after `since`."""
        room = self._room(channel)
        if not isinstance(room, discord.TextChannel | discord.ForumChannel):
            return []
        found = {thread.id: thread for thread in room.threads}
        if room.permissions_for(room.guild.me).read_message_history:
            async for thread in self._archived(room, since):
                found[thread.id] = thread
        return [Thread(spot_of(thread), thread.last_message_id) for _, thread in sorted(found.items())]

    async def _archived(
        self, room: discord.TextChannel | discord.ForumChannel, since: datetime
    ) -> AsyncIterator[discord.Thread]:
        before: datetime | None = None
        while True:

            async def page(before: datetime | None = before) -> list[discord.Thread]:
                return [thread async for thread in room.archived_threads(limit=PAGE, before=before)]

            threads = await self._tried(page)  # each by itself: a forum may have thousands
            for thread in threads:
                before = thread.archive_timestamp
                if before < since:
                    return
                yield thread
            if len(threads) < PAGE:
                return

    async def page(
        self, channel: int, *, after: int | None = None, before: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Up to PAGE messages, oldest first."""
        client = self._client()
        if client is None:
            raise PlatformError("Discord isn't connected; history waits until it is.")

        async def read() -> Sequence[Mapping[str, Any]]:
            rows: Sequence[Any] = await client.http.logs_from(channel, PAGE, before=before, after=after)
            return [row for row in rows if isinstance(row, dict)]

        rows = await self._tried(read)
        return sorted(rows, key=lambda row: int(row["id"]) if str(row.get("id")).isdecimal() else 0)

    async def is_gone(self, channel: int, message: int) -> bool:
        """Is a message deleted?"""
        client = self._client()
        if client is None:
            raise PlatformError("Discord isn't connected; a message is looked for once it is.")
        try:
            await self._tried(lambda: client.http.get_message(channel, message))
        except Missing:
            return True
        return False

    async def spot(self, channel: int) -> Spot | None:
        """A channel that isn't in the cache, such as an archived thread; None if it is gone, or hidden from us."""
        client = self._client()
        if client is None:
            raise PlatformError("Discord isn't connected; a channel is looked up once it is.")
        room = self._room(channel)
        if room is None:

            async def fetch() -> object:
                try:
                    return await client.fetch_channel(channel)
                except discord.InvalidData:  # of a kind that discord.py doesn't know
                    return None

            try:
                fetched = await self._tried(fetch)
            except (Missing, Hidden) as error:
                _log.info("a channel can't be looked up", channel=channel, why=str(error))
                return None
            room = fetched if isinstance(fetched, Room) else None
        return None if room is None else spot_of(room)

    def _room(self, channel: int) -> discord.abc.GuildChannel | discord.Thread | None:
        client = self._client()
        room = None if client is None else client.get_channel(channel)
        return room if isinstance(room, Room) else None

    async def _tried(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, and do it again if what went wrong may pass. Raises PlatformError."""
        for attempt in range(TRIES):
            try:
                async with asyncio.timeout(DEADLINE):
                    return await act()
            except discord.NotFound as error:
                raise Missing("That channel is gone.") from error
            except discord.Forbidden as error:
                raise Hidden("That channel is hidden from us.") from error
            except PASSING as error:
                _log.info("reading is tried again", attempt=attempt + 1, why=type(error).__name__)
                await asyncio.sleep(self._pause * 2**attempt)
            except discord.HTTPException as error:
                if error.status != 429:
                    raise PlatformError(f"Discord refused to be read (HTTP {error.status}).") from error
                await asyncio.sleep(self._pause * 5)
            except (discord.DiscordException, RuntimeError) as error:  # aiohttp's RuntimeError: the session was closed
                raise PlatformError(f"Discord couldn't be read ({type(error).__name__}).") from error
        raise PlatformError(f"Discord couldn't be read in {TRIES} tries; it may be down.")
